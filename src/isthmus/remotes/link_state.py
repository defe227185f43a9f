"""The life of a link to one remote cluster: every state and transition stands in this file.

A link belongs to one alias with one set of connection settings; when these change the link is closed
and another takes its place. In between it moves as follows.

With a cross-cluster API key in the keystore it uses the API-key model, without one the certificate
model, as in Elasticsearch. Either way it begins CONNECTING: an attempt is under way. An attempt has
one of three outcomes. It opens a connection, and the link is CONNECTED for as long as at least one
connection is open; attempts that fail while others stay open do not change that.
It fails for a reason that may pass (nobody listens, no route, a wrong certificate): BACKING_OFF until
the next attempt is due. Or the far side answers and says no (key invalid, versions incompatible): REFUSED,
which differs from BACKING_OFF in that it waits longer, and in that a connected link falls
into it too, because connections that are open are of no use when the key is not accepted.

A key that appears or changes brings any waiting link to CONNECTING at once. A key that changes under
a CONNECTED link leaves it CONNECTED: requests carry the key, connections do not; the link only
introduces itself again with the new one. A first key, or the loss of the only one, changes the model:
whatever is open belongs to the other model, so the link is CONNECTING. When the last connection is
lost the link is CONNECTING without waiting: most losses are a restart of the far side.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class LinkState(Enum):
    """Where a link stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"
    CLOSED = "closed"


class LinkEvent(Enum):
    """What happens to a link."""

    KEY_CHANGED = "key changed"
    MODEL_CHANGED = "model changed"
    OPENED = "connection opened"
    FAILED = "attempt failed"
    REFUSED = "attempt refused"
    ALL_LOST = "last connection lost"
    RETRY_DUE = "retry due"
    CLOSE = "close"


_S = LinkState
_E = LinkEvent

TRANSITIONS: Final = {
    (_S.CONNECTING, _E.MODEL_CHANGED): _S.CONNECTING,
    (_S.CONNECTING, _E.KEY_CHANGED): _S.CONNECTING,
    (_S.CONNECTING, _E.OPENED): _S.CONNECTED,
    (_S.CONNECTING, _E.FAILED): _S.BACKING_OFF,
    (_S.CONNECTING, _E.REFUSED): _S.REFUSED,
    (_S.CONNECTING, _E.ALL_LOST): _S.CONNECTING,
    (_S.CONNECTING, _E.RETRY_DUE): _S.CONNECTING,
    (_S.CONNECTED, _E.MODEL_CHANGED): _S.CONNECTING,
    (_S.CONNECTED, _E.KEY_CHANGED): _S.CONNECTED,
    (_S.CONNECTED, _E.OPENED): _S.CONNECTED,
    (_S.CONNECTED, _E.FAILED): _S.CONNECTED,
    (_S.CONNECTED, _E.REFUSED): _S.REFUSED,
    (_S.CONNECTED, _E.ALL_LOST): _S.CONNECTING,
    (_S.CONNECTED, _E.RETRY_DUE): _S.CONNECTED,
    (_S.BACKING_OFF, _E.MODEL_CHANGED): _S.CONNECTING,
    (_S.BACKING_OFF, _E.KEY_CHANGED): _S.CONNECTING,
    (_S.BACKING_OFF, _E.RETRY_DUE): _S.CONNECTING,
    (_S.BACKING_OFF, _E.OPENED): _S.CONNECTED,
    (_S.BACKING_OFF, _E.FAILED): _S.BACKING_OFF,
    (_S.BACKING_OFF, _E.REFUSED): _S.REFUSED,
    (_S.BACKING_OFF, _E.ALL_LOST): _S.BACKING_OFF,
    (_S.REFUSED, _E.MODEL_CHANGED): _S.CONNECTING,
    (_S.REFUSED, _E.KEY_CHANGED): _S.CONNECTING,
    (_S.REFUSED, _E.RETRY_DUE): _S.CONNECTING,
    (_S.REFUSED, _E.OPENED): _S.CONNECTED,
    (_S.REFUSED, _E.FAILED): _S.REFUSED,
    (_S.REFUSED, _E.REFUSED): _S.REFUSED,
    (_S.REFUSED, _E.ALL_LOST): _S.REFUSED,
}


def next_state(state: LinkState, event: LinkEvent) -> LinkState:
    """Answer the state after an event. A pair that the table lacks is a bug (KeyError).

    A closed link stays closed whatever still happens to it.
    """
    if state is LinkState.CLOSED or event is LinkEvent.CLOSE:
        return LinkState.CLOSED
    return TRANSITIONS[state, event]

"""The kinds of events that an audit log may hold: Elasticsearch's names, and two of our own."""

from __future__ import annotations

from enum import Enum
from typing import Final


class EventType(Enum):
    """What the settings include and exclude, by these names."""

    # There is one of each: by identity it is looked up in a tenth of the time, many times a request.
    __hash__ = object.__hash__

    ACCESS_DENIED = "access_denied"
    ACCESS_GRANTED = "access_granted"
    ANONYMOUS_ACCESS_DENIED = "anonymous_access_denied"
    AUTHENTICATION_FAILED = "authentication_failed"
    AUTHENTICATION_SUCCESS = "authentication_success"
    CONNECTION_DENIED = "connection_denied"
    RUN_AS_DENIED = "run_as_denied"
    RUN_AS_GRANTED = "run_as_granted"
    SECURITY_CONFIG_CHANGE = "security_config_change"
    #: ours: a request that left for another cluster
    CROSS_CLUSTER_REQUEST_SENT = "cross_cluster_request_sent"
    #: ours: a request that came from another cluster
    CROSS_CLUSTER_REQUEST_RECEIVED = "cross_cluster_request_received"


#: Elasticsearch's names of what never happens here: taken in the settings, so that lists made for
#: Elasticsearch work. There is one realm a name, a connection that is let in is told of by its requests, and
#: there is no system user whose requests would be audited.
WITHOUT_EVENTS: Final = frozenset(
    {
        "connection_granted",
        "realm_authentication_failed",
        "system_access_granted",
        "tampered_request",
    }
)

#: Elasticsearch's default but for ``access_granted``: one line a search would bury the rest
INCLUDED_BY_DEFAULT: Final = frozenset(EventType) - {
    EventType.ACCESS_GRANTED,
    EventType.AUTHENTICATION_SUCCESS,
}

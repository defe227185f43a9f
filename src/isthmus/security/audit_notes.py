"""What happens to security during one request, noted for the audit log.

The notes belong to the request's task and the tasks it starts, as its trace does, so that no function in
between has to pass them along. Noting is an observation like logging: nothing decided depends on it, and
without a request (a command, a loop of the node's own) nothing is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.security.audit_events import EventType
from isthmus.security.principal import Principal

#: a bulk request may name thousands of indices: a line that lists them all helps nobody
MOST_NAMES: Final = 100
#: what one request may note of each kind; what is beyond is counted
_MOST_NOTES: Final = 200


class Decision(msgspec.Struct, frozen=True):
    """That something was allowed or denied. ``cluster``: the alias, where it is about another cluster."""

    event: EventType
    action: str
    cluster: str | None = None
    #: whom the caller wanted to act as
    run_as: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what security rests on: Elasticsearch's name of it, and what may be told of it."""

    action: str
    details: JsonObject
    #: the effect of the change must not hide the change
    always: bool = False


class SentRequest(msgspec.Struct, frozen=True):
    """One request to another cluster and how it ended; ``error_type`` None: it was answered."""

    alias: str
    cluster_id: str
    action: str
    indices: tuple[str, ...]
    took_milliseconds: int
    error_type: str | None = None


@dataclass(slots=True)
class Notes:
    """Everything noted of one request. Not frozen: it grows while the request is worked on."""

    principal: Principal | None = None
    authentication_failure: Failure | None = None
    #: whose credentials were wrong, where they were not the request's own
    claimed_username: str | None = None
    #: the verified cross-cluster key of a request from another cluster: id, name, owner
    cluster_key: tuple[str, str, str] | None = None
    #: the subject of the certificate that another cluster's node showed
    cluster_certificate: str | None = None
    decisions: dict[Decision, dict[str, None]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    sent: list[SentRequest] = field(default_factory=list)
    left_out: int = 0
    #: answers what writes notes as this request's, without holding its body; None where nobody writes them
    writer: Callable[[], Callable[[Notes], None]] | None = None
    #: of work that goes on after its request: who asked is told there
    continued: bool = False

    def decided(self, decision: Decision, names: Iterable[str]) -> None:
        """Note a decision about these names; the same one about others is one note with all of them."""
        noted = self.decisions.get(decision)
        if noted is None:
            if len(self.decisions) >= _MOST_NOTES:
                self.left_out += 1
                return
            noted = self.decisions[decision] = {}
        for name in names:
            if len(noted) >= MOST_NAMES:
                break
            noted[str(name)] = None


_CURRENT: Final[ContextVar[Notes | None]] = ContextVar("audit notes", default=None)


def begin_notes() -> Notes:
    """Answer new notes, which the current task and those that it starts from now on write into."""
    notes = Notes()
    _CURRENT.set(notes)
    return notes


def continue_notes() -> Callable[[], None]:
    """Begin notes of work that may go on after its request; to be called in the work's own task.

    Answer what has them written, as the request's: to be called once, when the work is over.
    """
    before = _CURRENT.get()
    notes = begin_notes()
    if before is None or before.writer is None:
        return _nothing
    notes.principal = before.principal
    notes.continued = True
    return partial(before.writer(), notes)


def _nothing() -> None:
    """Leave what was noted unwritten."""


def note_principal(principal: Principal) -> None:
    """Note who the caller turned out to be."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.principal = principal


def note_cluster_key(key_id: str, name: str, owner: str) -> None:
    """Note with which cross-cluster key another cluster came."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.cluster_key = (key_id, name, owner)


def note_cluster_certificate(subject: str) -> None:
    """Note whose certificate another cluster came with."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.cluster_certificate = subject


def note_authentication_failure(failure: Failure, username: str | None = None) -> None:
    """Note that the caller is nobody we know, or that a body's credentials for ``username`` are wrong."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.authentication_failure = failure
        notes.claimed_username = username


def note_granted(action: str, names: Iterable[str] = ()) -> None:
    """Note that the caller may do this, with these indices where it is about indices."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.decided(Decision(EventType.ACCESS_GRANTED, action), names)


def note_denied(action: str, names: Iterable[str] = (), cluster: str | None = None) -> None:
    """Note that the caller may not do this."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.decided(Decision(EventType.ACCESS_DENIED, action, cluster), names)


def note_run_as_denied(action: str, target: str) -> None:
    """Note that the caller may not act as ``target``."""
    notes = _CURRENT.get()
    if notes is not None:
        notes.decided(Decision(EventType.RUN_AS_DENIED, action, run_as=target[:1000]), ())


def note_change(action: str, details: JsonObject, *, always: bool = False) -> None:
    """Note a change that was made. ``details`` must not hold a secret."""
    notes = _CURRENT.get()
    if notes is not None and len(notes.changes) < _MOST_NOTES:
        notes.changes.append(Change(action, details, always))


def note_sent(request: SentRequest) -> None:
    """Note a request to another cluster once it has ended."""
    notes = _CURRENT.get()
    if notes is None:
        return
    if len(notes.sent) >= _MOST_NOTES:
        notes.left_out += 1
    else:
        notes.sent.append(request)

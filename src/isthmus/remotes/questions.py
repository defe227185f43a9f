"""What one cluster asks of another besides a search: the records that travel, and how each is asked.

Not every peer that speaks this version of the protocol knows these actions. One that does names their
*feature* in its handshake; another one is told apart here, in words that say what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import Json, Record, SearchRequest, SearchResult, TermStatistics
from isthmus.names import IndicesOptions
from isthmus.remotes.calls import DEFAULT_CALL_TIMEOUT_SECONDS, RemoteCalls
from isthmus.remotes.protocol import HITS, QUESTIONS, VIEWS, Action
from isthmus.remotes.search_features import needed_features, require_features
from isthmus.remotes.terms import CallTerms
from isthmus.security.remote_caller import RemoteSubject

T = TypeVar("T")

FIELD_CAPS_ACTION: Final = "indices:data/read/field_caps"
RESOLVE_INDEX_ACTION: Final = "indices:admin/resolve/index"
HOLD_ACTION: Final = "indices:data/read/open_point_in_time"
RELEASE_ACTION: Final = "indices:data/read/close_point_in_time"
_SEARCH_ACTION: Final = "indices:data/read/search"


class HoldCall(Record, frozen=True, kw_only=True):
    """Hold what these expressions name now, for this caller only and for this long."""

    caller: RemoteSubject
    expressions: tuple[str, ...]
    keep_alive_milliseconds: int
    options: IndicesOptions = IndicesOptions()
    index_filter: Json = None


class HoldAnswer(Record, frozen=True, kw_only=True):
    """What the view that was made is called, and how many indices it is of."""

    view: str
    indices: int = 0


class SearchHeldCall(Record, frozen=True, kw_only=True):
    """A search of a view; answered by a ``SearchResult``.

    ``keep_alive_milliseconds`` None keeps it no longer than it has anyway. ``in_batches``: as one page of a
    scroll, which a message may have to say.
    """

    caller: RemoteSubject
    view: str
    keep_alive_milliseconds: int | None = None
    request: SearchRequest = SearchRequest()
    timed: bool = False
    in_batches: bool = False


class ReleaseCall(Record, frozen=True, kw_only=True):
    """Let go of these views of this caller."""

    caller: RemoteSubject
    views: tuple[str, ...]


class ReleaseAnswer(Record, frozen=True, kw_only=True):
    """How many of them were there."""

    released: int = 0


class FieldCapability(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What one field of one index can be used for."""

    type: str
    searchable: bool
    aggregatable: bool
    is_metadata: bool = False
    meta: dict[str, str] = {}
    #: one of another field's ``fields``
    is_multi_field: bool = False


class FieldCapsCall(Record, frozen=True, kw_only=True):
    """Asks what the fields can be used for that match one of these patterns.

    ``index_filter``: only of indices with a document that matches it.
    """

    caller: RemoteSubject
    expressions: tuple[str, ...]
    fields: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()
    index_filter: Json = None


class IndexCapabilities(Record, frozen=True, kw_only=True):
    """The fields of one index by path, as far as the caller may see them."""

    index: str
    fields: dict[str, FieldCapability] = {}


class FieldCapsAnswer(Record, frozen=True, kw_only=True):
    """The indices, not merged: what they have in common is found out where they all come together."""

    indices: tuple[IndexCapabilities, ...] = ()


class ResolveIndexCall(Record, frozen=True, kw_only=True):
    """Asks which indices, aliases and data streams these expressions name."""

    caller: RemoteSubject
    expressions: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()


class ResolvedIndex(Record, frozen=True, kw_only=True):
    """One index. ``attributes`` are open or closed, and hidden."""

    name: str
    aliases: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


class ResolvedAlias(Record, frozen=True, kw_only=True):
    """One alias and what it is of."""

    name: str
    indices: tuple[str, ...] = ()


class ResolveIndexAnswer(Record, frozen=True, kw_only=True):
    """What there is. Data streams are not among it: no cluster that speaks this has any."""

    indices: tuple[ResolvedIndex, ...] = ()
    aliases: tuple[ResolvedAlias, ...] = ()


class TermStatisticsCall(Record, frozen=True, kw_only=True):
    """Asks what the scores of a search are made of; answered by ``TermStatistics``."""

    caller: RemoteSubject
    expressions: tuple[str, ...]
    options: IndicesOptions = IndicesOptions()
    request: SearchRequest = SearchRequest()


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """One action: how it is asked and answered, and the permission that it takes."""

    action: Action
    elasticsearch_action: str
    feature: str
    answer: type[T]


HOLD: Final = Question(Action.HOLD, HOLD_ACTION, VIEWS, HoldAnswer)
SEARCH_HELD: Final = Question(Action.SEARCH_HELD, _SEARCH_ACTION, VIEWS, SearchResult)
RELEASE: Final = Question(Action.RELEASE, RELEASE_ACTION, VIEWS, ReleaseAnswer)
FIELD_CAPS: Final = Question(Action.FIELD_CAPS, FIELD_CAPS_ACTION, QUESTIONS, FieldCapsAnswer)
TERM_STATISTICS: Final = Question(Action.TERM_STATISTICS, _SEARCH_ACTION, HITS, TermStatistics)
RESOLVE_INDEX: Final = Question(Action.RESOLVE_INDEX, RESOLVE_INDEX_ACTION, QUESTIONS, ResolveIndexAnswer)


async def ask(
    calls: RemoteCalls,
    question: Question[T],
    subject: RemoteSubject,
    record: Callable[[RemoteSubject], Record],
    terms: CallTerms,
) -> T:
    """Ask, and answer what comes back; raises :class:`Failure` as :meth:`RemoteCalls.call` does.

    A peer that does not know the action is a 400 failure that names it.
    """
    sent = record(subject)
    _require_features(calls, question, sent)
    try:
        return await calls.call(
            question.action,
            sent,
            question.answer,
            timeout_seconds=terms.timeout_seconds or DEFAULT_CALL_TIMEOUT_SECONDS,
            may_be_skipped=terms.may_be_skipped,
        )
    except Failure:
        _require_features(calls, question, sent)  # a peer that was not known before it was asked
        raise


def _require_features(calls: RemoteCalls, question: Question[T], sent: Record) -> None:
    welcome = calls.link.welcome
    if isinstance(sent, SearchHeldCall):
        require_features(needed_features(sent.request), calls.link.settings.alias, welcome)
    if welcome is None or question.feature in welcome.features:
        return
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "illegal_argument_exception",
        f"remote cluster [{calls.link.settings.alias}] of version [{welcome.software_version[:50]}] does not "
        f"know [{question.elasticsearch_action}] (feature [{question.feature}]): upgrade it",
        fault=Fault.REMOTE,
    )

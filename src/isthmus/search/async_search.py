"""A search that goes on without its caller: what is kept of it, whose it is, how it failed."""

from __future__ import annotations

import re
import secrets
from typing import Final, Protocol

import msgspec

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import FailureReport, JsonObject, Record, ShardCounts
from isthmus.remotes.failure_reports import report_of
from isthmus.search.merge import SearchAnswer
from isthmus.security.principal import Principal

GET_ACTION: Final = "indices:data/read/async_search/get"
DELETE_ACTION: Final = "indices:data/read/async_search/delete"
STATUS_ACTION: Final = "cluster:monitor/async_search/status"
CANCEL_ACTION: Final = "cluster:admin/tasks/cancel"

MAXIMUM_RESPONSE_SETTING: Final = "search.max_async_search_response_size"
DEFAULT_MAXIMUM_RESPONSE_BYTES: Final = 10 * 1024 * 1024

_ID_BYTES: Final = 24
_ID: Final = re.compile(r"[A-Za-z0-9_-]{32}")
#: JavaScript clients read times as numbers that are exact up to here
_LAST_MILLISECOND: Final = 2**53 - 1


class AsyncSearchOwner(Record, frozen=True, kw_only=True):
    """Who submitted a search, as far as it takes to know them again. An API key is itself only."""

    username: str
    realm_name: str
    realm_type: str
    api_key_id: str | None = None


class AsyncSearch(Record, frozen=True, kw_only=True):
    """A submitted search as it stands: in memory while it runs, stored afterwards.

    ``completed_milliseconds`` None: it runs. ``response`` and ``typed_response`` (the same with
    ``typed_keys``; None where they do not differ) are JSON text. ``clusters`` is the ``_clusters`` section.
    ``error`` is why it ended without a whole answer; there may be a response beside it.
    """

    id: str
    owner: AsyncSearchOwner
    started_milliseconds: int
    expires_milliseconds: int
    completed_milliseconds: int | None = None
    is_partial: bool = True
    response: bytes | None = None
    typed_response: bytes | None = None
    shards: ShardCounts = ShardCounts()
    clusters: JsonObject | None = None
    error: FailureReport | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether more may come."""
        return self.completed_milliseconds is None

    @property
    def size_bytes(self) -> int:
        """How much of it counts against the limits."""
        return len(self.response or b"") + len(self.typed_response or b"")


class KeptAmount(Record, frozen=True, kw_only=True):
    """How much is stored in all."""

    searches: int
    size_bytes: int


class AsyncSearchRecords(Protocol):
    """Where submitted searches are kept, over restarts of the node. Times are milliseconds since 1970."""

    async def put(self, search: AsyncSearch) -> None:
        """Store this search in place of any of the same id."""
        ...

    async def complete(self, search: AsyncSearch) -> bool:
        """Store how it ended, but for the time of its expiry; False where it is not kept any longer."""
        ...

    async def find(self, search_id: str, *, with_response: bool = True) -> AsyncSearch | None:
        """Answer the search of this id, expired or not; None where there is none."""
        ...

    async def expire_at(self, search_id: str, milliseconds: int) -> None:
        """Keep it until then."""
        ...

    async def delete(self, search_id: str) -> bool:
        """Remove it; False where there was none."""
        ...

    async def delete_expired(self, now_milliseconds: int) -> int:
        """Remove those whose time is over; answer how many those were."""
        ...

    async def fail_unfinished(self, now_milliseconds: int, error: FailureReport) -> int:
        """Take it that those which ran when they were stored ended now, for this reason; answer how many."""
        ...

    async def kept(self) -> KeptAmount:
        """Answer how much there is."""
        ...


class WritesAnswers(Protocol):
    """How an answer is written as the caller wants it: known at the edge where it was asked."""

    def __call__(self, answer: SearchAnswer, *, typed_keys: bool) -> bytes:
        """Answer the body of a search's response as JSON text."""
        ...


def new_search_id() -> str:
    """Answer an id that nobody can guess and no other search has."""
    return secrets.token_urlsafe(_ID_BYTES)


def require_search_id(text: str) -> None:
    """Return if this may be the id of a search; raises a 400 failure for what never was one."""
    if _ID.fullmatch(text) is None:
        raise illegal_argument(f"invalid id: [{text[:100]}]")


def owner_of(principal: Principal) -> AsyncSearchOwner:
    """Answer the caller as the owner of what they submit."""
    return AsyncSearchOwner(
        username=principal.username,
        realm_name=principal.realm_name,
        realm_type=principal.realm_type,
        api_key_id=principal.api_key_id,
    )


def is_owner(principal: Principal, owner: AsyncSearchOwner) -> bool:
    """Tell whether this caller submitted it. A user and a key of theirs do not see each other's."""
    if principal.api_key_id is not None or owner.api_key_id is not None:
        return principal.api_key_id == owner.api_key_id
    return owner_of(principal) == owner


def expiry(now_milliseconds: int, keep_alive_milliseconds: int) -> int:
    """Answer when something that is kept for so long ends."""
    return min(now_milliseconds + keep_alive_milliseconds, _LAST_MILLISECOND)


def not_found(search_id: str) -> Failure:
    """Answer the failure for a search that is not there, or not the caller's: nobody learns which (404)."""
    return Failure(FailureKind.NOT_FOUND, "resource_not_found_exception", search_id)


def wrapped(failure: Failure) -> FailureReport:
    """Answer a search's failure as Elasticsearch shows it beside what was found."""
    return report_of(
        Failure(
            failure.kind,
            "status_exception",
            "error while executing search",
            fault=failure.fault,
            caused_by=failure,
        )
    )


def lost(when: str) -> FailureReport:
    """Answer why a search has no whole answer that did not survive the node; ``when``: what happened."""
    return report_of(
        Failure(
            FailureKind.UNAVAILABLE,
            "node_closed_exception",
            f"the node {when} while this search ran, so it was not finished: submit it again",
        )
    )


def within_limit(search: AsyncSearch, maximum_bytes: int, kept: KeptAmount, limit: KeptAmount) -> AsyncSearch:
    """Answer the search if it may be stored, and otherwise the same with the reason why not as its end."""
    size = len(search.response or b"")
    if size > maximum_bytes:
        failure = illegal_argument(
            f"Can't store an async search response larger than [{maximum_bytes}] bytes. This limit can be"
            f" set by changing the [{MAXIMUM_RESPONSE_SETTING}] setting."
        )
    elif kept.size_bytes + search.size_bytes > limit.size_bytes:
        failure = Failure(
            FailureKind.TOO_MANY_REQUESTS,
            "circuit_breaking_exception",
            f"[async_search] Data too large, the results that are kept would be"
            f" [{kept.size_bytes + search.size_bytes}b], which is larger than the limit of"
            f" [{limit.size_bytes}b]: delete results that nobody needs",
        )
    else:
        return search
    return msgspec.structs.replace(
        search, response=None, typed_response=None, is_partial=True, error=report_of(failure)
    )

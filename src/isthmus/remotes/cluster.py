"""A remote cluster as the rest of the program sees it: something to search, count in and ask about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from isthmus.exchange import Json, Record, SearchRequest, SearchResult, TermStatistics
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.remotes.calls import DEFAULT_CALL_TIMEOUT_SECONDS, RemoteCalls
from isthmus.remotes.connection_modes import ProxyMode, SniffMode
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link import Link
from isthmus.remotes.link_status import LinkStatus
from isthmus.remotes.protocol import (
    AccessAnswer,
    AccessCall,
    Action,
    CountAnswer,
    CountCall,
    Pong,
    ResolveAnswer,
    ResolveCall,
    SearchCall,
    Welcome,
)
from isthmus.remotes.questions import TERM_STATISTICS, Question, TermStatisticsCall, ask
from isthmus.remotes.search_features import needed_features, require_features
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.terms import USUAL_TERMS, CallTerms
from isthmus.security.certificate_caller import certificate_subject
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject, remote_subject

SEARCH_ACTION: Final = "indices:data/read/search"
RESOLVE_CLUSTER_ACTION: Final = "indices:admin/resolve/cluster"

#: callers whose presentation is kept; one that is kept keeps its caller, so there are few
_PRESENTED: Final = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterResolution:
    """What ``_resolve/cluster`` learns of a remote. ``matching_indices`` None: not asked for."""

    matching_indices: bool | None
    welcome: Welcome


class RemoteCluster:
    """One alias. Lives as long as the alias is configured, over changes of its settings and key."""

    def __init__(self, link: Link, context: LinkContext, key_may_have_changed: Callable[[], None]) -> None:
        self._calls = RemoteCalls(link, context, key_may_have_changed)
        self._presented: dict[tuple[int, str], tuple[Principal, RemoteSubject]] = {}

    @property
    def alias(self) -> ClusterAlias:
        """The name that this cluster has here."""
        return self.link.settings.alias

    @property
    def settings(self) -> RemoteSettings:
        """The settings as they are now."""
        return self.link.settings

    @property
    def skip_unavailable(self) -> bool:
        """Say whether a search goes on without this cluster when it fails."""
        return self.link.settings.skip_unavailable

    @property
    def connected(self) -> bool:
        """Tell whether at least one connection is open."""
        return self.link.connected

    @property
    def link(self) -> Link:
        """The link that requests use now."""
        return self._calls.link

    def replace_link(self, link: Link) -> None:
        """Send requests over this link from now on."""
        self._calls.link = link

    def search_target(self, principal: Principal, terms: CallTerms = USUAL_TERMS) -> RemoteSearchTarget:
        """Answer this cluster as the caller may search it, on these terms.

        Raises a 403 ``security_exception`` when no privilege of the caller applies to this alias: nothing
        is sent then.
        """
        subject = self._subject(principal, SEARCH_ACTION)
        return RemoteSearchTarget(self._calls, subject, terms)

    async def ask(
        self,
        principal: Principal,
        question: Question[T],
        record: Callable[[RemoteSubject], Record],
        terms: CallTerms = USUAL_TERMS,
    ) -> T:
        """Ask one of :mod:`isthmus.remotes.questions` on behalf of a caller; raises like a search."""
        subject = self._subject(principal, question.elasticsearch_action)
        return await ask(self._calls, question, subject, record, terms)

    async def count(
        self,
        principal: Principal,
        expressions: tuple[str, ...],
        options: IndicesOptions,
        query: Json = None,
    ) -> CountAnswer:
        """Count the matching documents there, as the caller may see them; raises like a search."""
        subject = self._subject(principal, SEARCH_ACTION)
        call = CountCall(caller=subject, expressions=expressions, options=options, query=query)
        return await self._calls.call(Action.COUNT, call, CountAnswer)

    async def resolve(
        self,
        principal: Principal,
        expressions: tuple[str, ...] | None,
        options: IndicesOptions,
    ) -> ClusterResolution:
        """Find out whether this cluster can be reached and, given expressions, has matching indices.

        Tries to connect now, whatever the link is waiting for. Raises :class:`isthmus.errors.Failure`;
        403 before anything is sent when no privilege of the caller applies to this alias.
        """
        subject = self._subject(principal, RESOLVE_CLUSTER_ACTION)
        await self.link.ensure_connected(self.settings.initial_connect_timeout_seconds, insist=True)
        matching = None
        if expressions is None:
            await self._calls.call(Action.PING, Pong(), Pong)
        else:
            call = ResolveCall(caller=subject, expressions=expressions, options=options)
            answer = await self._calls.call(Action.RESOLVE, call, ResolveAnswer)
            matching = answer.matching_indices
        welcome = self.link.welcome
        if welcome is None:
            raise self.link.unavailable()
        return ClusterResolution(matching, welcome)

    async def access(self) -> AccessAnswer:
        """Answer what this cluster's key gives over there; raises :class:`isthmus.errors.Failure`."""
        return await self._calls.call(Action.ACCESS, AccessCall(), AccessAnswer)

    def _subject(self, principal: Principal, action: str) -> RemoteSubject:
        """Answer how the caller is presented: by privileges for this alias, or by the names of their roles.

        Raises a 403 failure where no privilege applies; in the certificate model the far side decides.
        """
        if self.link.key is None:
            return certificate_subject(principal)
        # Of a caller who was verified a moment ago it is the same value: nothing in it can have changed.
        known = self._presented.get((id(principal), action))
        if known is not None and known[0] is principal:
            return known[1]
        subject = remote_subject(principal, self.alias, action)
        if len(self._presented) >= _PRESENTED:
            self._presented.clear()
        self._presented[id(principal), action] = (principal, subject)
        return subject

    def info(self) -> dict[str, Any]:
        """Answer this cluster's entry of ``_remote/info``.

        Elasticsearch's fields, and under ``isthmus`` how the link stands: clients ignore what they do
        not know.
        """
        settings = self.settings
        status = self.link.status()
        described: dict[str, Any] = {
            "connected": self.connected,
            **_describe_mode(settings.mode, status),
            "initial_connect_timeout": f"{settings.initial_connect_timeout_seconds:g}s",
            "skip_unavailable": settings.skip_unavailable,
        }
        if status.has_key:
            described["cluster_credentials"] = "::es_redacted::"
        described["isthmus"] = {"security_model": self.link.security_model, **status.to_json()}
        return described


def _describe_mode(mode: ProxyMode | SniffMode, status: LinkStatus) -> dict[str, Any]:
    """Answer the members of ``_remote/info`` that a mode has for itself."""
    if isinstance(mode, ProxyMode):
        return {
            "mode": "proxy",
            "proxy_address": str(mode.address),
            "server_name": mode.server_name,
            "num_proxy_sockets_connected": status.open_connections,
            "max_proxy_socket_connections": mode.socket_connections,
        }
    return {
        "mode": "sniff",
        "seeds": [str(seed) for seed in mode.seeds],
        "num_nodes_connected": status.open_nodes,
        "max_connections_per_cluster": mode.node_connections,
    }


class RemoteSearchTarget(msgspec.Struct, frozen=True):
    """A remote cluster bound to one caller: a ``SearchTarget``."""

    calls: RemoteCalls
    subject: RemoteSubject
    terms: CallTerms = USUAL_TERMS

    def search(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> Awaitable[SearchResult]:
        """Search over there; raises :class:`Failure` with fault REMOTE for what the far side did.

        On the usual terms it takes as long as it takes: whoever searches has a deadline.
        """
        terms = self.terms
        call = SearchCall(
            caller=self.subject,
            expressions=expressions,
            options=options,
            request=request,
            timed=terms.timed,
        )
        needed = needed_features(request)
        if needed:
            return self._search_if_known(call, needed)
        if terms is USUAL_TERMS:
            return self.calls.call(Action.SEARCH, call, SearchResult, timeout_seconds=None)
        return self._search(call)

    def term_statistics(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> Awaitable[TermStatistics]:
        """Ask what the scores of this search are made of over there; raises like a search."""
        return ask(
            self.calls,
            TERM_STATISTICS,
            self.subject,
            lambda subject: TermStatisticsCall(
                caller=subject, expressions=expressions, options=options, request=request
            ),
            self.terms,
        )

    def _search(self, call: SearchCall) -> Awaitable[SearchResult]:
        terms = self.terms
        return self.calls.call(
            Action.SEARCH,
            call,
            SearchResult,
            timeout_seconds=terms.timeout_seconds or DEFAULT_CALL_TIMEOUT_SECONDS,
            may_be_skipped=terms.may_be_skipped,
        )

    async def _search_if_known(self, call: SearchCall, needed: Collection[str]) -> SearchResult:
        """Search for what an older peer would leave out without a word; one that does is refused."""
        link = self.calls.link
        require_features(needed, link.settings.alias, link.welcome)
        result = await self._search(call)
        # a peer that was not known before it was asked
        require_features(needed, link.settings.alias, self.calls.link.welcome)
        return result

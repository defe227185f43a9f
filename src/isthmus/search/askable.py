"""The remote clusters as something to ask: what all questions about their indices need of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from isthmus.exchange import Record
from isthmus.names import ClusterAlias
from isthmus.remotes.questions import Question
from isthmus.remotes.terms import CallTerms
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject

T = TypeVar("T")


class AskableRemote(Protocol):
    """What asking about indices needs of a remote cluster."""

    @property
    def skip_unavailable(self) -> bool:
        """Say whether to go on without this cluster when it fails."""
        ...

    async def ask(
        self,
        principal: Principal,
        question: Question[T],
        record: Callable[[RemoteSubject], Record],
        terms: CallTerms = ...,
    ) -> T:
        """Ask on behalf of the caller; raises failures only."""
        ...


class AskableRemotes(Protocol):
    """The remote clusters that are configured now."""

    def aliases(self) -> Collection[ClusterAlias]:
        """Answer the alias of every remote cluster."""
        ...

    def get(self, alias: ClusterAlias) -> AskableRemote:
        """Answer one of them; raises ``no_such_remote_cluster_exception`` (404) for another alias."""
        ...

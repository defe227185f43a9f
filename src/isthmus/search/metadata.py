"""What several clusters tell of their indices: fields that are merged, and names side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from isthmus.errors import Failure
from isthmus.exchange import Engine, Json, JsonObject
from isthmus.names import ClusterAlias, IndicesOptions, group_by_cluster
from isthmus.remotes.questions import (
    FIELD_CAPS,
    RESOLVE_INDEX,
    FieldCapability,
    FieldCapsAnswer,
    FieldCapsCall,
    ResolvedAlias,
    ResolvedIndex,
    ResolveIndexAnswer,
    ResolveIndexCall,
)
from isthmus.remotes.terms import CallTerms
from isthmus.search.askable import AskableRemotes
from isthmus.search.clusters import wrapped_for_caller
from isthmus.search.fan_out import REMOTE_SECONDS, ask_clusters
from isthmus.search.field_capabilities import FieldQuestion, merged_capabilities
from isthmus.search.local_metadata import LocalMetadata
from isthmus.security.principal import Principal

T = TypeVar("T")

_TERMS: Final = CallTerms(timeout_seconds=REMOTE_SECONDS)


@dataclass(frozen=True, slots=True)
class FailedIndices:
    """Expressions that nobody answered for, named as the caller has to name them, and why."""

    expressions: tuple[str, ...]
    failure: Failure


@dataclass(frozen=True, slots=True)
class FieldCapabilities:
    """The merged fields of all indices, which these are, and what could not be asked."""

    indices: tuple[str, ...]
    fields: JsonObject
    failures: tuple[FailedIndices, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedNames:
    """Indices and aliases, those of other clusters named ``alias:name``; ``skipped``: who did not answer."""

    indices: tuple[ResolvedIndex, ...]
    aliases: tuple[ResolvedAlias, ...]
    skipped: Mapping[ClusterAlias, Failure]


@dataclass(frozen=True, slots=True)
class IndicesAsked:
    """Which indices a question is about."""

    expressions: tuple[str, ...]
    options: IndicesOptions


class ClusterMetadata:
    """Asks this cluster and others about their indices, for callers."""

    def __init__(self, engine: Engine, remotes: AskableRemotes) -> None:
        self._engine = engine
        self._remotes = remotes

    async def field_capabilities(
        self,
        principal: Principal,
        asked: IndicesAsked,
        question: FieldQuestion,
        *,
        index_filter: Json = None,
        include_unmapped: bool = False,
    ) -> FieldCapabilities:
        """Answer what the fields of these indices can be used for.

        A cluster that fails is in ``failures`` whatever its settings, as in Elasticsearch; where no index
        answered at all the first failure is raised. Raises what choosing the indices raises.
        """
        local = LocalMetadata(self._engine, principal)

        async def here(expressions: tuple[str, ...]) -> FieldCapsAnswer:
            return FieldCapsAnswer(
                indices=await local.field_capabilities(
                    expressions, asked.options, question.patterns, index_filter
                )
            )

        async def there(alias: ClusterAlias, expressions: tuple[str, ...]) -> FieldCapsAnswer:
            return await self._remotes.get(alias).ask(
                principal,
                FIELD_CAPS,
                lambda subject: FieldCapsCall(
                    caller=subject,
                    expressions=expressions,
                    options=asked.options,
                    fields=question.patterns,
                    index_filter=index_filter,
                ),
                _TERMS,
            )

        groups = group_by_cluster(asked.expressions, self._remotes.aliases())
        answers = await ask_clusters(groups, here, there)
        by_index: dict[str, Mapping[str, FieldCapability]] = {}
        failures: list[tuple[ClusterAlias, Failure]] = []
        for alias, answer in answers.items():
            if isinstance(answer, FieldCapsAnswer):
                for each in answer.indices:
                    by_index[_named(alias, each.index)] = each.fields
            elif alias is not None:
                failures.append((alias, answer))
        if failures and not by_index:
            raise wrapped_for_caller(*failures[0])
        in_order = {name: by_index[name] for name in sorted(by_index)}
        return FieldCapabilities(
            tuple(in_order),
            merged_capabilities(in_order, question, include_unmapped=include_unmapped),
            tuple(_grouped(failures, groups)),
        )

    async def resolve(self, principal: Principal, asked: IndicesAsked) -> ResolvedNames:
        """Answer which indices and aliases these expressions name.

        Raises the failure of a cluster that may not be skipped, and what choosing the names raises.
        """
        local = LocalMetadata(self._engine, principal)

        async def here(expressions: tuple[str, ...]) -> ResolveIndexAnswer:
            return local.resolve(expressions, asked.options)

        async def there(alias: ClusterAlias, expressions: tuple[str, ...]) -> ResolveIndexAnswer:
            return await self._remotes.get(alias).ask(
                principal,
                RESOLVE_INDEX,
                lambda subject: ResolveIndexCall(
                    caller=subject, expressions=expressions, options=asked.options
                ),
                _TERMS,
            )

        groups = group_by_cluster(asked.expressions, self._remotes.aliases())
        answers = await ask_clusters(groups, here, there)
        indices: list[ResolvedIndex] = []
        aliases: list[ResolvedAlias] = []
        skipped: dict[ClusterAlias, Failure] = {}
        for alias, answer in answers.items():
            if isinstance(answer, ResolveIndexAnswer):
                indices += [_index_of(alias, each) for each in answer.indices]
                aliases += [
                    ResolvedAlias(name=_named(alias, each.name), indices=each.indices)
                    for each in answer.aliases
                ]
            elif alias is not None:
                if not self._remotes.get(alias).skip_unavailable:
                    raise wrapped_for_caller(alias, answer)
                skipped[alias] = answer
        return ResolvedNames(tuple(indices), tuple(aliases), skipped)


def _named(alias: ClusterAlias | None, name: str) -> str:
    return name if alias is None else f"{alias}:{name}"


def _index_of(alias: ClusterAlias | None, index: ResolvedIndex) -> ResolvedIndex:
    return ResolvedIndex(name=_named(alias, index.name), aliases=index.aliases, attributes=index.attributes)


def _grouped(
    failures: Iterable[tuple[ClusterAlias, Failure]],
    groups: Mapping[ClusterAlias | None, tuple[str, ...]],
) -> Iterable[FailedIndices]:
    """Answer the failures, those that say the same as one."""
    by_words: dict[tuple[str, str], tuple[Failure, list[str]]] = {}
    for alias, failure in failures:
        _, expressions = by_words.setdefault((failure.error_type, failure.reason), (failure, []))
        expressions += [_named(alias, expression) for expression in groups[alias]]
    return [FailedIndices(tuple(sorted(names)), failure) for failure, names in by_words.values()]

"""What the clauses of one query need to know: the index, its visible fields, the time, the limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import tantivy

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import EXISTS_COLUMN, FieldColumns, MappingColumns
from isthmus.engines.embedded.index_settings import IndexSettings
from isthmus.engines.embedded.mapping import FieldMapping, Mapping
from isthmus.engines.embedded.query.compiled import Compiled
from isthmus.engines.embedded.query.scoring import WordScore
from isthmus.engines.embedded.query.sought import Sought, SoughtWord
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json

#: Elasticsearch's own limit (indices.query.bool.max_nested_depth); the library overflows its stack
#: at about 2,000
MAXIMUM_DEPTH: Final = 30
#: Elasticsearch computes this limit from the heap; its floor is 1,024 and this its usual value
MAXIMUM_CLAUSES: Final = 4_096

_DEFAULT_SETTINGS: Final = IndexSettings()


@dataclass(frozen=True, slots=True)
class QueryField:
    """A field that may be asked for: what it is and where its values are."""

    mapped: FieldMapping
    columns: FieldColumns

    @property
    def path(self) -> str:
        """Answer the full path."""
        return self.mapped.path

    @property
    def type(self) -> str:
        """Answer the name of the type."""
        return self.mapped.type

    @property
    def column(self) -> str:
        """Answer the column that terms and ranges look into."""
        return self.columns.main


@dataclass(slots=True)
class _Spent:
    """What compiling one query has used up."""

    depth: int = 0
    clauses: int = 0


def everything_is_visible(_path: str) -> bool:
    """Hide no field."""
    return True


@dataclass(frozen=True, slots=True)
class QueryContext:
    """One index as one query sees it.

    ``is_visible`` tells whether the caller may see a field: one that is hidden does not exist.
    ``now_milliseconds`` is what ``now`` means throughout the query. ``searcher`` is None where a
    query is only checked. ``sought`` collects what is looked for in texts, where somebody wants to know;
    ``named`` collects the clauses that have a name. With ``word_weight`` each clause tells what its score
    is made of, and the library's score of words is multiplied by what it answers.
    """

    index_name: str
    mapping: Mapping
    columns: MappingColumns
    schema: tantivy.Schema
    analyzers: Analyzers
    index: tantivy.Index | None
    searcher: tantivy.Searcher | None
    now_milliseconds: int
    compile_clause: Callable[[Json, QueryContext], Compiled]
    is_visible: Callable[[str], bool] = everything_is_visible
    settings: IndexSettings = _DEFAULT_SETTINGS
    spent: _Spent = field(default_factory=_Spent)
    sought: list[Sought] | None = None
    word_weight: Callable[[WordScore], float] | None = None
    named: dict[str, Compiled] = field(default_factory=dict)

    def anew(self) -> QueryContext:
        """Answer the same context with nothing spent yet."""
        return QueryContext(
            self.index_name,
            self.mapping,
            self.columns,
            self.schema,
            self.analyzers,
            self.index,
            self.searcher,
            self.now_milliseconds,
            self.compile_clause,
            self.is_visible,
            self.settings,
            sought=self.sought,
            word_weight=self.word_weight,
            named=self.named,
        )

    def words(self, leaf: WordScore, cost: int | None = None) -> Compiled:
        """Answer the clause for words whose scores depend on how rare they are, weighed as asked."""
        weight = 1.0 if self.word_weight is None else self.word_weight(leaf)
        query = leaf.query if weight == 1.0 else tantivy.Query.boost_query(leaf.query, weight)
        return Compiled(query, cost=cost, scoring=leaf)

    def seek(self, path: str, *words: SoughtWord, slop: int = 0) -> None:
        """Note what a clause looks for in a field. Ask for ``sought`` first: making words takes time."""
        if self.sought is not None:
            self.sought.append(Sought(path, words, slop))

    def quietly(self) -> QueryContext:
        """Answer the same context, noting nothing: for clauses whose matches are not what is sought."""
        return self if self.sought is None else replace(self, sought=None)

    def field(self, path: str) -> QueryField | None:
        """Answer the field, or None where it is not mapped or not visible.

        Raises a failure for a field that is mapped but cannot be searched.
        """
        mapped = self.mapping.field(path)
        if mapped is None or not self.is_visible(path):
            return None
        columns = self.columns.get(path)
        if mapped.type == "completion":
            raise self.failed_to_create(
                f"Cannot search on field [{path}] of type [completion]: only the suggester [completion] can"
            )
        if columns is None:
            raise self.failed_to_create(
                f"Cannot search on field [{path}] since it is not indexed nor has doc values."
            )
        return QueryField(mapped, columns)

    def fields_matching(self, pattern: str) -> list[QueryField]:
        """Answer the visible, searchable fields whose path matches a pattern with ``*``."""
        expression = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
        return [
            QueryField(mapped, columns)
            for path, mapped in self.mapping.fields.items()
            if expression.fullmatch(path)
            and mapped.type != "completion"
            and self.is_visible(path)
            and (columns := self.columns.get(path)) is not None
        ]

    def leaves(self, path: str) -> list[str]:
        """Answer the visible leaf fields that a path names: itself, or what lies below an object."""
        if self.mapping.field(path) is not None:
            return [path] if self.is_visible(path) else []
        return [leaf.path for leaf in self.mapping.leaves_under(path) if self.is_visible(leaf.path)]

    def frequency(self, column: str, term: str | int | float) -> int:  # noqa: PYI041 - both are meant
        """Answer in about how many documents a term is; 0 where a query is only checked."""
        return 0 if self.searcher is None else self.searcher.doc_freq(column, term)

    def exists(self, path: str) -> tantivy.Query:
        """Answer the query for documents that have a value in a leaf field."""
        return tantivy.Query.term_query(self.schema, EXISTS_COLUMN, path, index_option="basic")

    def count_clauses(self, number: int = 1) -> None:
        """Spend so many clauses; raise a 400 when the query has too many."""
        self.spent.clauses += number
        if self.spent.clauses > MAXIMUM_CLAUSES:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "too_many_nested_clauses",
                f"Query contains too many nested clauses; maxClauseCount is set to {MAXIMUM_CLAUSES}",
            )

    def enter(self) -> None:
        """Go one level deeper; raise a 400 when that is too deep."""
        self.spent.depth += 1
        if self.spent.depth > MAXIMUM_DEPTH:
            raise illegal_argument(
                "The nested depth of the query exceeds the maximum nested depth for queries set in "
                "[indices.query.bool.max_nested_depth]"
            )

    def leave(self) -> None:
        """Come back one level."""
        self.spent.depth -= 1

    def failed_to_create(self, reason: str) -> Failure:
        """Answer the failure for a query that this index's mapping cannot serve."""
        return self.refused(f"failed to create query: {reason}")

    def refused(self, reason: str) -> Failure:
        """Answer the failure of one index (Elasticsearch: of one shard) to serve a query."""
        return Failure(
            FailureKind.INVALID_REQUEST,
            "query_shard_exception",
            reason,
            metadata={"index": self.index_name},
        )

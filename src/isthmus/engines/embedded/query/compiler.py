"""The query language: which clauses there are, and compiling one query against one index."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from collections.abc import Mapping as ReadOnlyMapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import tantivy

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import (
    EXISTS_COLUMN,
    ID_COLUMN,
    SEQUENCE_COLUMN,
    MappingColumns,
)
from isthmus.engines.embedded.mapping import Mapping, ObjectMapping
from isthmus.engines.embedded.query import (
    compound,
    full_text,
    match_all,
    multi_match,
    patterns,
    query_string,
    ranges,
    simple_query_string,
    term_level,
)
from isthmus.engines.embedded.query.compiled import Compiled
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.reading import name_of
from isthmus.errors import Failure, FailureKind, illegal_argument, parsing_failure
from isthmus.exchange import Json

_CLAUSES: Final[ReadOnlyMapping[str, Callable[[Json, QueryContext], Compiled]]] = MappingProxyType(
    {
        "bool": compound.compile_bool,
        "boosting": compound.compile_boosting,
        "constant_score": compound.compile_constant_score,
        "dis_max": compound.compile_dis_max,
        "exists": term_level.compile_exists,
        "fuzzy": patterns.compile_fuzzy,
        "ids": term_level.compile_ids,
        "match": full_text.compile_match,
        "match_all": match_all.compile_match_all,
        "match_bool_prefix": full_text.compile_match_bool_prefix,
        "match_none": match_all.compile_match_none,
        "match_phrase": full_text.compile_match_phrase,
        "match_phrase_prefix": full_text.compile_match_phrase_prefix,
        "multi_match": multi_match.compile_multi_match,
        "prefix": patterns.compile_prefix,
        "query_string": query_string.compile_query_string,
        "range": ranges.compile_range,
        "regexp": patterns.compile_regexp,
        "simple_query_string": simple_query_string.compile_simple_query_string,
        "term": term_level.compile_term,
        "terms": term_level.compile_terms,
        "wildcard": patterns.compile_wildcard,
    }
)

#: what Elasticsearch has and this engine has not: refused by its own name, not called unknown
_UNSUPPORTED: Final = frozenset(
    {
        "combined_fields",
        "distance_feature",
        "function_score",
        "geo_bounding_box",
        "geo_distance",
        "geo_grid",
        "geo_polygon",
        "geo_shape",
        "has_child",
        "has_parent",
        "intervals",
        "knn",
        "more_like_this",
        "nested",
        "parent_id",
        "percolate",
        "pinned",
        "rank_feature",
        "rule",
        "script",
        "script_score",
        "semantic",
        "shape",
        "span_containing",
        "span_field_masking",
        "span_first",
        "span_gap",
        "span_multi",
        "span_near",
        "span_not",
        "span_or",
        "span_term",
        "span_within",
        "sparse_vector",
        "terms_set",
        "text_expansion",
        "weighted_tokens",
        "wrapper",
    }
)


#: clauses (a field of such a name is no harm) whose compiling builds an automaton or looks at terms
_SLOW_TO_COMPILE: Final = frozenset(
    {
        "case_insensitive",
        "fuzziness",
        "fuzzy",
        "match_bool_prefix",
        "match_phrase_prefix",
        "multi_match",
        "prefix",
        "query_string",
        "range",
        "regexp",
        "simple_query_string",
        "wildcard",
    }
)
_FEW_NODES: Final = 100
_SHORT_TEXT: Final = 500


def compile_query(query: Json, context: QueryContext) -> Compiled:
    """Compile a whole query for one index, whatever was compiled with this context before.

    Raises failures as :func:`compile_clause` does, and one of type ``query_shard_exception`` for
    what only the library finds wrong with the query.
    """
    try:
        return compile_clause(query, context.anew())
    except (ValueError, OverflowError) as error:
        raise context.failed_to_create(str(error)[:200]) from error


def check_query(query: Json) -> None:
    """Raise the failure for a query that is wrong whatever the index; there need not be one."""
    schema = _schema_without_fields()
    nowhere = QueryContext(
        index_name="",
        mapping=Mapping(ObjectMapping()),
        columns=MappingColumns(),
        schema=schema,
        analyzers=Analyzers(),
        index=None,
        searcher=None,
        now_milliseconds=0,
        compile_clause=compile_clause,
    )
    try:
        compile_query(query, nowhere)
    except Failure as failure:
        # what an index refuses is reported by each index that is asked
        if failure.error_type != "query_shard_exception":
            raise


def compiles_quickly(query: Json) -> bool:
    """Tell whether compiling is sure to take some microseconds: few clauses, and no automaton to build."""
    left = _FEW_NODES
    waiting = [query]
    while waiting:
        node = waiting.pop()
        left -= 1
        if left < 0:
            return False
        if isinstance(node, dict):
            if not _SLOW_TO_COMPILE.isdisjoint(node):
                return False
            waiting.extend(node.values())
        elif isinstance(node, list):
            if len(node) > left:
                return False
            waiting.extend(node)
    return True


def is_short(query: Json) -> bool:
    """Tell whether a query has few clauses and no long text: what a small index answers at once."""
    left = _FEW_NODES
    waiting = [query]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if len(node) > _SHORT_TEXT:
                return False
        elif isinstance(node, dict):
            left -= len(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            left -= len(node)
            if left < 0:
                return False
            waiting.extend(node)
        if left < 0:
            return False
    return True


@lru_cache(maxsize=1)
def _schema_without_fields() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(SEQUENCE_COLUMN, indexed=True, fast=True)
    for name in (ID_COLUMN, EXISTS_COLUMN):
        builder.add_text_field(name, tokenizer_name="raw", fast=True, index_option="basic")
    return builder.build()


def compile_clause(query: Json, context: QueryContext) -> Compiled:
    """Compile one query of the query language for one index.

    Raises a failure of type ``parsing_exception`` or ``illegal_argument_exception`` for a query
    that no index could answer, of type ``query_shard_exception`` for one that this index cannot.
    """
    if not isinstance(query, dict):
        raise parsing_failure("[_na] query malformed, must start with start_object")
    if not query:
        raise illegal_argument("query malformed, empty clause found")
    names = list(query)
    if len(names) > 1:
        raise parsing_failure(f"[{names[0]}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]")
    name = names[0]
    compile_body = _CLAUSES.get(name)
    if compile_body is None:
        raise _unknown(name)
    body = query[name]
    context.enter()
    compiled = compile_body(body, context)
    context.leave()
    called = name_of(name, body)
    if called is not None:
        context.named[called] = compiled
    return compiled


def _unknown(name: str) -> Failure:
    if name in _UNSUPPORTED:
        return parsing_failure(f"[{name}] query is not supported by the embedded engine")
    near = difflib.get_close_matches(name, _CLAUSES, n=3, cutoff=0.6)
    hint = ""
    if near:
        hint = (
            f" did you mean [{near[0]}]?" if len(near) == 1 else f" did you mean any of [{', '.join(near)}]?"
        )
    return Failure(
        FailureKind.INVALID_REQUEST,
        "parsing_exception",
        f"unknown query [{name[:100]}]{hint}",
        caused_by=Failure(
            FailureKind.INVALID_REQUEST, "named_object_not_found_exception", f"unknown field [{name[:100]}]"
        ),
    )

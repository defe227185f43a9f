"""The clause ``multi_match``: one text against several fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tantivy import Occur, Query

from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled, Extent, boosted, combined_score, nothing
from isthmus.engines.embedded.query.compound import best_of
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.full_text import (
    FUZZY_PARAMETERS,
    Matching,
    bool_prefix_clause,
    check_match_parameters,
    match_clause,
    phrase_clause,
    phrase_prefix_clause,
    require_text,
)
from isthmus.engines.embedded.query.reading import Parameters, object_body
from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Json

_PARAMETERS: Final = (
    "query",
    "fields",
    "type",
    "operator",
    "minimum_should_match",
    "analyzer",
    "lenient",
    "zero_terms_query",
    "tie_breaker",
    "slop",
    "auto_generate_synonyms_phrase_query",
    *FUZZY_PARAMETERS,
)
_Clause = Callable[[QueryField, Matching, QueryContext], Compiled]
_CLAUSES: Final[dict[str, _Clause]] = {
    "best_fields": match_clause,
    "most_fields": match_clause,
    "phrase": phrase_clause,
    "phrase_prefix": phrase_prefix_clause,
    "bool_prefix": bool_prefix_clause,
}
#: index.query.default_field
_DEFAULT_FIELDS: Final = ("*",)


def compile_multi_match(body: Json, context: QueryContext) -> Compiled:
    """Compile ``multi_match``. ``cross_fields`` needs statistics over fields and is refused."""
    parameters = Parameters("multi_match", object_body("multi_match", body), _PARAMETERS)
    matching = require_text(parameters)
    check_match_parameters(parameters)
    kind = str(parameters.get("type", "best_fields")).lower()
    if kind == "cross_fields":
        raise parsing_failure("[multi_match] the type [cross_fields] is not supported")
    if kind not in _CLAUSES:
        raise parsing_failure(f"failed to parse [multi_match] query type [{kind[:100]}]. unknown type.")
    if kind == "bool_prefix" and "slop" in parameters:
        raise parsing_failure("[slop] not allowed for type [bool_prefix]")
    if kind in ("phrase", "phrase_prefix") and parameters.get("fuzziness") is not None:
        raise parsing_failure(f"Fuzziness not allowed for type [{kind}]")
    default_tie = 1.0 if kind in ("most_fields", "bool_prefix") else 0.0
    tie_breaker = parameters.number("tie_breaker", default_tie)
    boost = parameters.boost
    clauses: list[Compiled] = []
    for field, factor, by_pattern in _fields(parameters, context):
        clause = _clause_of(kind, field, matching, context, lenient=by_pattern)
        if clause.extent is not Extent.NOTHING:
            clauses.append(boosted(clause, factor))
    context.count_clauses(len(clauses))
    if not clauses:
        return nothing()
    if tie_breaker == 1.0 and len(clauses) > 1:
        query = Query.boolean_query([(Occur.Should, clause.query) for clause in clauses])
        return boosted(Compiled(query, scoring=combined_score(query, clauses)), boost)
    return boosted(best_of(clauses, tie_breaker), boost)


def _clause_of(
    kind: str, field: QueryField, matching: Matching, context: QueryContext, *, lenient: bool
) -> Compiled:
    """Compile for one field; a text that is no value of a field found by pattern just does not match."""
    if kind == "phrase_prefix" and field.mapped.field_type.kind is not ColumnKind.TEXT and lenient:
        return nothing()
    try:
        return _CLAUSES[kind](field, matching, context)
    except Failure as failure:
        asked = lenient or matching.parameters.flag("lenient", default=False)
        if asked and failure.error_type == "query_shard_exception":
            return nothing()
        raise


def _fields(parameters: Parameters, context: QueryContext) -> list[tuple[QueryField, float, bool]]:
    """Answer the fields asked for with their factors, and whether a bare ``*`` found them."""
    given = parameters.get("fields")
    if given is None or given == []:
        given = list(_DEFAULT_FIELDS)
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise parsing_failure("[multi_match] query does not support [fields] that are not text")
    found: dict[str, tuple[QueryField, float, bool]] = {}
    for each in given:
        pattern, _, factor_text = each.partition("^")
        factor = _factor(factor_text, each)
        if "*" in pattern:
            matched = context.fields_matching(pattern)
        else:
            field = context.field(pattern)
            matched = [] if field is None else [field]
        for field in matched:
            before = found.get(field.path)
            combined = factor if before is None else before[1] * factor
            found[field.path] = (field, combined, pattern == "*")
    return list(found.values())


def _factor(text: str, field: str) -> float:
    if not text:
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        raise illegal_argument(f"failed to parse the boost of field [{field[:100]}]") from None
    if not 0 <= factor < float("inf"):
        raise illegal_argument(f"failed to parse the boost of field [{field[:100]}]")
    return factor

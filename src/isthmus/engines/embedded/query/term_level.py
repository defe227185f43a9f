"""The clauses that look for exact terms: term, terms, ids and exists."""

from __future__ import annotations

from typing import Any, Final

from tantivy import Query

from isthmus.engines.embedded.columns import ID_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import (
    Compiled,
    any_of,
    boosted,
    constant,
    everything,
    nothing,
)
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.patterns import expression_query, index_name_matches
from isthmus.engines.embedded.query.reading import Parameters, as_text, object_body, one_field
from isthmus.engines.embedded.query.scoring import WordScore
from isthmus.engines.embedded.query.sought import exactly, whatever_case
from isthmus.engines.embedded.query.text_ranges import literal
from isthmus.engines.embedded.query.values import exact_range, exact_value
from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import Json

_METADATA_EVERYWHERE: Final = frozenset({"_id", "_index", "_seq_no", "_version", "_source"})


def compile_term(body: Json, context: QueryContext) -> Compiled:
    """Compile ``term``."""
    path, parameters = one_field("term", body, "value", ("value", "case_insensitive"))
    value = parameters.required("value", "value cannot be null")
    if isinstance(value, (dict, list)):
        raise parsing_failure("[term] query does not support array of values")
    insensitive = parameters.flag("case_insensitive", default=False)
    return boosted(_term(path, value, context, insensitive=insensitive), parameters.boost)


def _term(path: str, value: Json, context: QueryContext, *, insensitive: bool) -> Compiled:
    if path == "_id":
        if insensitive:
            return expression_query(context, ID_COLUMN, f"(?i){literal(as_text(value))}")
        return _ids([as_text(value)], context)
    if path == "_index":
        return everything() if index_name_matches(context, as_text(value)) else nothing()
    field = context.field(path)
    if field is None:
        return nothing()
    if insensitive:
        if field.mapped.field_type.kind not in (ColumnKind.TEXT, ColumnKind.KEYWORD) or field.type == "ip":
            raise context.failed_to_create(
                f"[{path}] field which is of type [{field.type}], does not support case insensitive "
                "term queries"
            )
        if context.sought is not None:
            context.seek(path, whatever_case(exactly(as_text(value).lower()), insensitive=True))
        return expression_query(context, field.column, f"(?i){literal(as_text(value))}")
    return term_clause(field, value, context)


def term_clause(field: QueryField, value: Json, context: QueryContext) -> Compiled:
    """Answer the documents with exactly this value in a field; bad values raise a 400."""
    wanted = exact_range(field, value, context)
    if wanted is not None:
        return wanted
    term = exact_value(field, value, context)
    if term is None:
        return nothing()
    kind = field.mapped.field_type.kind
    option = "position" if kind is ColumnKind.TEXT else "basic"
    query = Query.term_query(context.schema, field.column, term, index_option=option)
    if kind in (ColumnKind.TEXT, ColumnKind.KEYWORD) and field.type != "ip":
        if context.sought is not None:
            context.seek(field.path, exactly(str(term)))
        cost = context.frequency(field.column, term)
        if context.word_weight is not None:
            return context.words(WordScore(query, field.path, field.column, (str(term),)), cost)
        return Compiled(query, cost=cost)
    return constant(query, cost=context.frequency(field.column, term))


def compile_terms(body: Json, context: QueryContext) -> Compiled:
    """Compile ``terms``; a list that is looked up in another document is refused."""
    given = object_body("terms", body)
    paths = [name for name in given if name not in ("boost", "_name")]
    if not paths:
        raise parsing_failure(
            "[terms] query requires a field name, followed by array of terms or a document lookup "
            "specification"
        )
    if len(paths) > 1:
        raise parsing_failure("[terms] query does not support multiple fields")
    path = paths[0]
    parameters = Parameters("terms", given, paths)
    values = parameters.get(path)
    if isinstance(values, dict):
        raise parsing_failure("[terms] query does not support looking terms up in another document")
    if not isinstance(values, list):
        raise parsing_failure(f"[terms] query does not support [{path}]")
    if any(value is None for value in values):
        raise illegal_argument("No value specified for terms query")
    if len(values) > context.settings.max_terms_count:
        raise context.failed_to_create(
            f"The number of terms [{len(values)}] used in the Terms Query request has exceeded the allowed "
            f"maximum of [{context.settings.max_terms_count}]. This maximum can be set by changing the "
            "[index.max_terms_count] index level setting."
        )
    if any(isinstance(value, (dict, list)) for value in values):
        raise parsing_failure("[terms] query does not support arrays or objects as terms")
    return boosted(_terms(path, values, context), parameters.boost)


def _terms(path: str, values: list[Any], context: QueryContext) -> Compiled:
    if path == "_id":
        return _ids([as_text(value) for value in values], context)
    if path == "_index":
        found = any(index_name_matches(context, as_text(value)) for value in values)
        return everything() if found else nothing()
    field = context.field(path)
    if field is None:
        return nothing()
    ranges: list[Compiled] = []
    terms: list[Any] = []
    for value in values:
        wanted = exact_range(field, value, context)
        if wanted is not None:
            ranges.append(wanted)
            context.count_clauses()
            continue
        term = exact_value(field, value, context)
        if term is not None:
            terms.append(term)
            if context.sought is not None:
                context.seek(path, exactly(str(term)))
    if terms:
        ranges.append(constant(Query.term_set_query(context.schema, field.column, terms)))
    return any_of(ranges)


def compile_ids(body: Json, context: QueryContext) -> Compiled:
    """Compile ``ids``."""
    parameters = Parameters("ids", object_body("ids", body), ("values",))
    values = parameters.required("values", "[ids] requires providing at least one of [values]")
    listed = values if isinstance(values, list) else [values]
    for value in listed:
        if value is None or isinstance(value, (dict, list)):
            raise parsing_failure("[ids] failed to parse field [values]")
    return boosted(_ids([as_text(value) for value in listed], context), parameters.boost)


def _ids(ids: list[str], context: QueryContext) -> Compiled:
    if not ids:
        return nothing()
    if len(ids) > context.settings.max_terms_count:
        raise context.failed_to_create(
            f"The number of terms [{len(ids)}] used in the Terms Query request has exceeded the allowed "
            f"maximum of [{context.settings.max_terms_count}]."
        )
    return constant(Query.term_set_query(context.schema, ID_COLUMN, ids), cost=len(ids))


def compile_exists(body: Json, context: QueryContext) -> Compiled:
    """Compile ``exists``; of an object it asks whether any field below has a value."""
    parameters = Parameters("exists", object_body("exists", body), ("field",))
    path = parameters.text("field")
    if path is None:
        raise parsing_failure("[exists] must be provided with a [field]")
    if path == "":
        raise illegal_argument("field name is null or empty")
    if path in _METADATA_EVERYWHERE:
        return boosted(everything(), parameters.boost)
    paths = [path]
    if "*" in path:
        paths = [field.path for field in context.fields_matching(path)]
    leaves = [leaf for each in paths for leaf in context.leaves(each)]
    return boosted(any_of([constant(context.exists(leaf)) for leaf in leaves]), parameters.boost)

"""The clause ``query_string``: Lucene's syntax over fields, written as clauses of the query language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled, boosted, everything, nothing
from isthmus.engines.embedded.query.compound import best_of, combined
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.patterns import check_regex_length
from isthmus.engines.embedded.query.query_string_parse import (
    Group,
    Kind,
    Leaf,
    Node,
    Occurrence,
    QuerySyntaxError,
    parse_query_string,
)
from isthmus.engines.embedded.query.reading import Parameters, object_body
from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Json, JsonObject

_PARAMETERS: Final = (
    "query",
    "default_field",
    "fields",
    "default_operator",
    "analyzer",
    "lenient",
    "analyze_wildcard",
    "allow_leading_wildcard",
    "minimum_should_match",
    "phrase_slop",
    "type",
    "tie_breaker",
    "fuzziness",
    "fuzzy_max_expansions",
    "fuzzy_prefix_length",
    "fuzzy_transpositions",
    "time_zone",
    "escape",
    "max_determinized_states",
    "auto_generate_synonyms_phrase_query",
    "enable_position_increments",
    "rewrite",
)
_TYPES: Final = ("best_fields", "most_fields", "phrase", "phrase_prefix", "bool_prefix")
_EVERY_FIELD: Final = ["*"]
_SYNTAX: Final = frozenset('+-=&|><!(){}[]^"~*?:\\/')


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the leaves of a text are looked for, and how."""

    defaults: list[str]
    lenient: bool
    shared: JsonObject
    multi_match: JsonObject
    phrase_slop: int = 0
    fuzzy: JsonObject | None = None
    time_zone: str | None = None


def compile_query_string(body: Json, context: QueryContext) -> Compiled:
    """Compile ``query_string``; a text that is not in the syntax is the failure of each index."""
    parameters = Parameters("query_string", object_body("query_string", body), _PARAMETERS)
    text = parameters.text("query")
    if text is None:
        raise parsing_failure("[query_string] must be provided with a [query]")
    operator = parameters.word("default_operator", "or", ("or", "and"))
    if parameters.flag("escape", default=False):
        text = "".join(f"\\{character}" if character in _SYNTAX else character for character in text)
    fields = _fields(parameters)
    if not text.strip():
        return nothing()
    try:
        group = parse_query_string(text, all_required=operator == "and")
        _check_wildcards(group, allowed=parameters.flag("allow_leading_wildcard", default=True))
    except QuerySyntaxError as error:
        raise context.refused(f"Failed to parse query [{text[:200]}]: {error}") from None
    compiled = _compile_group(group, fields, context, parameters.get("minimum_should_match"))
    return boosted(compiled, parameters.boost)


def _check_wildcards(node: Node, *, allowed: bool) -> None:
    if allowed:
        return
    if isinstance(node, Group):
        for _, each in node.clauses:
            _check_wildcards(each, allowed=allowed)
    elif node.kind is Kind.WILDCARD and node.text[0] in "*?":
        raise QuerySyntaxError("'*' or '?' not allowed as first character in WildcardQuery")


def _fields(parameters: Parameters) -> Fields:
    given = parameters.get("fields")
    default = parameters.text("default_field")
    if given is not None and default is not None:
        raise parsing_failure("cannot use [fields] parameter in conjunction with [default_field]")
    kind = str(parameters.get("type", "best_fields")).lower()
    if kind not in _TYPES:
        raise parsing_failure(f"[query_string] the type [{kind[:100]}] is not supported")
    multi_match: JsonObject = {"type": kind}
    if "tie_breaker" in parameters:
        multi_match["tie_breaker"] = parameters.number("tie_breaker", 0.0)
    fuzzy: JsonObject = {"fuzziness": parameters.get("fuzziness", "AUTO")}
    for ours, theirs in (
        ("fuzzy_max_expansions", "max_expansions"),
        ("fuzzy_prefix_length", "prefix_length"),
    ):
        if ours in parameters:
            fuzzy[theirs] = parameters.whole(ours, 0)
    if "fuzzy_transpositions" in parameters:
        fuzzy["transpositions"] = parameters.flag("fuzzy_transpositions", default=True)
    return Fields(
        listed_fields("query_string", given, default),
        parameters.flag("lenient", default=False),
        {} if parameters.text("analyzer") is None else {"analyzer": parameters.text("analyzer")},
        multi_match,
        parameters.whole("phrase_slop", 0),
        fuzzy,
        parameters.text("time_zone"),
    )


def listed_fields(clause: str, given: Json, default: str | None) -> list[str]:
    """Answer the fields that a text without field names is looked for in."""
    if given is None:
        return [default] if default else _EVERY_FIELD
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise parsing_failure(f"[{clause}] query does not support [fields] that are not text")
    return listed or _EVERY_FIELD


def _compile_group(group: Group, fields: Fields, context: QueryContext, minimum: Json = None) -> Compiled:
    if not group.clauses:
        return nothing()
    if len(group.clauses) == 1 and group.clauses[0][0] is not Occurrence.MUST_NOT and minimum is None:
        return boosted(_compile_node(group.clauses[0][1], fields, context), group.boost)
    context.count_clauses(len(group.clauses))
    by_occurrence: dict[Occurrence, list[Compiled]] = {each: [] for each in Occurrence}
    for occurrence, node in group.clauses:
        by_occurrence[occurrence].append(_compile_node(node, fields, context))
    compiled = combined(
        by_occurrence[Occurrence.MUST],
        by_occurrence[Occurrence.SHOULD],
        [],
        by_occurrence[Occurrence.MUST_NOT],
        minimum,
    )
    return boosted(compiled, group.boost)


def _compile_node(node: Node, fields: Fields, context: QueryContext) -> Compiled:
    if isinstance(node, Group):
        return _compile_group(node, fields, context)
    return boosted(compile_leaf(node, fields, context), node.boost)


def compile_leaf(leaf: Leaf, fields: Fields, context: QueryContext) -> Compiled:
    """Compile one condition for its field, or for every default field."""
    if leaf.kind is Kind.EVERYTHING:
        return everything()
    if leaf.kind is Kind.EXISTS:
        return context.compile_clause({"exists": {"field": leaf.text}}, context)
    if leaf.field in ("_id", "_index") and leaf.kind in (Kind.WORDS, Kind.PHRASE):
        return context.compile_clause({"term": {leaf.field: leaf.text}}, context)
    if leaf.kind is Kind.REGEX:
        check_regex_length(leaf.text, context)
    patterns = fields.defaults if leaf.field is None else [leaf.field]
    if leaf.kind in (Kind.WORDS, Kind.PHRASE):
        return context.compile_clause({"multi_match": _multi_match(leaf, fields, patterns)}, context)
    return _field_by_field(leaf, fields, patterns, context)


def _multi_match(leaf: Leaf, fields: Fields, patterns: list[str]) -> JsonObject:
    body: JsonObject = {
        "query": leaf.text,
        "fields": patterns,
        "lenient": fields.lenient or (leaf.field is None and patterns == _EVERY_FIELD),
        **fields.multi_match,
        **fields.shared,
    }
    if leaf.kind is Kind.PHRASE:
        body["type"] = "phrase"
        body["slop"] = fields.phrase_slop if leaf.number is None else int(float(leaf.number))
    elif body["type"] in ("best_fields", "most_fields"):
        # the words that one word is analysed into belong together
        body["operator"] = "and"
    return body


def _field_by_field(leaf: Leaf, fields: Fields, patterns: list[str], context: QueryContext) -> Compiled:
    found: list[Compiled] = []
    for pattern in patterns:
        path, _, factor_text = pattern.partition("^")
        factor = _factor(factor_text)
        targets = [each.path for each in context.fields_matching(path)] if "*" in path else [path]
        for target in targets:
            clause = _clause_of(leaf, target, fields, context)
            if clause is None:
                continue
            try:
                found.append(boosted(context.compile_clause(clause, context), factor))
            except Failure as failure:
                is_forgiven = fields.lenient or "*" in path
                if not is_forgiven or failure.error_type != "query_shard_exception":
                    raise
    context.count_clauses(len(found))
    return best_of(found, 0.0)


def _factor(text: str) -> float:
    try:
        factor = float(text) if text else 1.0
    except ValueError:
        factor = -1.0
    if not 0 <= factor < float("inf"):
        raise illegal_argument(f"failed to parse the boost [{text[:100]}]")
    return factor


def _clause_of(leaf: Leaf, path: str, fields: Fields, context: QueryContext) -> dict[str, Any] | None:
    """Answer the condition on one field as a clause of the query language; None where it cannot be met."""
    field = context.field(path)
    if field is None:
        return None
    is_text = field.mapped.field_type.kind is ColumnKind.TEXT
    if leaf.kind is Kind.RANGE:
        bounds: JsonObject = {
            "from": leaf.lower,
            "to": leaf.upper,
            "include_lower": leaf.include_lower,
            "include_upper": leaf.include_upper,
        }
        if field.type == "date" and fields.time_zone is not None:
            bounds["time_zone"] = fields.time_zone
        return {"range": {path: bounds}}
    # analysed words are in lower case, so that is how a pattern has to look for them
    text = leaf.text.lower() if is_text else leaf.text
    if leaf.kind is Kind.WILDCARD:
        return {"wildcard": {path: {"value": text}}}
    if leaf.kind is Kind.REGEX:
        return {"regexp": {path: {"value": text}}}
    fuzzy = {"value": text, **(fields.fuzzy or {})}
    if leaf.number is not None:
        fuzzy["fuzziness"] = str(min(2, int(float(leaf.number))))
    return {"fuzzy": {path: fuzzy}}

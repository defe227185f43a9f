"""The clauses that match terms by a pattern: prefix, wildcard, regexp and fuzzy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.columns import ID_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled, boosted, constant, everything, nothing
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.edit_distance import edit_distance
from isthmus.engines.embedded.query.reading import Parameters, as_text, one_field
from isthmus.engines.embedded.query.sought import (
    SoughtWord,
    beginning,
    exactly,
    like_wildcard,
    whatever_case,
)
from isthmus.engines.embedded.query.text_ranges import ANY_CHARACTER, literal
from isthmus.errors import illegal_argument, parsing_failure
from isthmus.security.lucene_regex import compile_lucene_regex

#: what Lucene's syntax means and the library's does not, or the other way round; see compile_regexp
_DIFFERENT_OPERATORS: Final = {
    "~": "complement",
    "<": "interval",
    ">": "interval",
    "&": "intersection",
    "@": "any string",
    "#": "empty language",
    '"': "quoted text",
    "^": "anchor",
    "$": "anchor",
}
#: terms compared one by one for a fuzzy query with a prefix
_MAXIMUM_LOOKED_AT: Final = 10_000


def compile_prefix(body: object, context: QueryContext) -> Compiled:
    """Compile ``prefix``."""
    path, parameters = one_field("prefix", body, "value", ("value", "case_insensitive", "rewrite"))
    value = as_text(parameters.required("value", "value cannot be null"))
    if path == "_index":
        return boosted(_index_clause(f"{value}*", context), parameters.boost)
    expression = f"{_flags(parameters)}{literal(value)}{ANY_CHARACTER}*"
    if context.sought is not None:
        _seek(path, beginning(_cased(value, parameters)), parameters, context)
    return _pattern_clause(path, expression, parameters, context)


def compile_wildcard(body: object, context: QueryContext) -> Compiled:
    """Compile ``wildcard``: ``*`` is any characters, ``?`` one, a backslash takes the next as it is."""
    path, parameters = one_field(
        "wildcard", body, "value", ("value", "wildcard", "case_insensitive", "rewrite")
    )
    given = parameters.get("value", parameters.get("wildcard"))
    if given is None:
        raise illegal_argument("value cannot be null")
    if path == "_index":
        return boosted(_index_clause(as_text(given), context), parameters.boost)
    expression = f"{_flags(parameters)}{wildcard_expression(as_text(given))}"
    if context.sought is not None:
        _seek(path, like_wildcard(_cased(as_text(given), parameters)), parameters, context)
    return _pattern_clause(path, expression, parameters, context)


_ANY_CHARACTERS: Final = f"{ANY_CHARACTER}*"


def wildcard_expression(pattern: str) -> str:
    """Answer the regular expression of a wildcard pattern."""
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            if parts[-1:] != [_ANY_CHARACTERS]:  # several are one: the automaton grows with each
                parts.append(_ANY_CHARACTERS)
        elif character == "?":
            parts.append(ANY_CHARACTER)
        elif character == "\\":
            parts.append(literal(next(characters, "\\")))
        else:
            parts.append(literal(character))
    return "".join(parts)


def check_regex_length(pattern: str, context: QueryContext) -> None:
    """Raise the failure of an index whose ``index.max_regex_length`` an expression exceeds."""
    longest = context.settings.max_regex_length
    if len(pattern) > longest:
        raise context.failed_to_create(
            f"The length of regex [{len(pattern)}] used in the Regexp Query request has exceeded the allowed "
            f"maximum of [{longest}]. This maximum can be set by changing the [index.max_regex_length] "
            "index level setting."
        )


def compile_regexp(body: object, context: QueryContext) -> Compiled:
    """Compile ``regexp``. Lucene's operators that the library lacks are refused by name."""
    path, parameters = one_field(
        "regexp",
        body,
        "value",
        ("value", "flags", "flags_value", "case_insensitive", "max_determinized_states", "rewrite"),
    )
    pattern = as_text(parameters.required("value", "value cannot be null"))
    check_regex_length(pattern, context)
    flags = {flag.strip().upper() for flag in str(parameters.get("flags", "ALL")).split("|")} - {""}
    unknown = flags - {
        "ALL",
        "NONE",
        "ANYSTRING",
        "AUTOMATON",
        "COMPLEMENT",
        "EMPTY",
        "INTERSECTION",
        "INTERVAL",
    }
    if unknown:
        raise illegal_argument(f"Unknown regexp flag [{min(unknown)}]")
    if "flags_value" in parameters:
        parameters.refuse("flags_value")
    expression = lucene_expression(pattern, all_operators=flags != {"NONE"})
    if context.sought is not None:
        _seek(path, _like_regexp(pattern, all_operators=flags != {"NONE"}), parameters, context)
    return _pattern_clause(path, f"{_flags(parameters)}(?s:{expression})", parameters, context)


def lucene_expression(pattern: str, *, all_operators: bool = True) -> str:
    """Answer a pattern of Lucene's regular expressions in the library's syntax.

    Raises a 400 that names an operator which the library lacks. Without the optional operators
    (``flags: NONE``) their characters stand for themselves.
    """
    parts: list[str] = []
    in_class = False
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(_escaped(next(characters, ""), pattern))
        elif in_class:
            in_class = character != "]"
            # a second bracket, && and ~~ would open the library's set operations
            parts.append(f"\\{character}" if character in "[&~" else character)
        elif character == "[":
            in_class = True
            parts.append(character)
        elif character in "^$":
            parts.append(f"\\{character}")
        elif character in _DIFFERENT_OPERATORS:
            if all_operators:
                raise parsing_failure(
                    f"[regexp] the operator [{character}] ({_DIFFERENT_OPERATORS[character]}) "
                    "is not supported"
                )
            parts.append(literal(character))
        elif character == "?" and parts and parts[-1] in ("*", "+", "?", "}"):
            raise parsing_failure("[regexp] a repetition of a repetition is not supported")
        elif character == "?" and parts and parts[-1] == "(":
            raise parsing_failure("[regexp] groups that begin with [(?] are not supported")
        else:
            parts.append(character)
    return "".join(parts)


def _escaped(character: str, pattern: str) -> str:
    if character == "":
        raise parsing_failure(f"[regexp] the pattern [{pattern[:100]}] ends in an escape")
    if character in "dDwWsS":
        return {
            "d": "[0-9]",
            "D": "[^0-9]",
            "w": "[A-Za-z0-9_]",
            "W": "[^A-Za-z0-9_]",
            "s": "[ \\t\\n\\r]",
            "S": "[^ \\t\\n\\r]",
        }[character]
    return literal(character)


def _cased(text: str, parameters: Parameters) -> str:
    return text.lower() if parameters.flag("case_insensitive", default=False) else text


def _like_regexp(pattern: str, *, all_operators: bool) -> SoughtWord:
    """Answer the words that an expression matches as a whole; it was found to be one already."""
    if not all_operators:
        pattern = "".join(f"\\{letter}" if letter in _DIFFERENT_OPERATORS else letter for letter in pattern)
    return SoughtWord(compile_lucene_regex(pattern))


def _seek(path: str, word: SoughtWord, parameters: Parameters, context: QueryContext) -> None:
    """Note the words of a pattern, if its field is one that can be asked for."""
    if context.field(path) is not None:
        insensitive = parameters.flag("case_insensitive", default=False)
        context.seek(path, whatever_case(word, insensitive=insensitive))


def _flags(parameters: Parameters) -> str:
    return "(?i)" if parameters.flag("case_insensitive", default=False) else ""


def _pattern_clause(path: str, expression: str, parameters: Parameters, context: QueryContext) -> Compiled:
    boost = parameters.boost
    clause = parameters.clause
    if path == "_id":
        return boosted(expression_query(context, ID_COLUMN, expression), boost)
    field = context.field(path)
    if field is None:
        return nothing()
    _require_text(clause, field, context)
    return boosted(expression_query(context, field.column, expression), boost)


def _require_text(clause: str, field: QueryField, context: QueryContext) -> None:
    if field.mapped.field_type.kind in (ColumnKind.TEXT, ColumnKind.KEYWORD) and field.type != "ip":
        return
    raise context.refused(
        f"Can only use {clause} queries on keyword, text and wildcard fields - not on "
        f"[{field.path}] which is of type [{field.type}]"
    )


def expression_query(context: QueryContext, column: str, expression: str) -> Compiled:
    """Answer the documents with a term that the regular expression matches as a whole."""
    try:
        return constant(Query.regex_query(context.schema, column, expression))
    except ValueError as error:
        raise context.failed_to_create(
            f"the pattern is too complex or malformed: {_first_line(error)}"
        ) from error


def _first_line(error: ValueError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "unknown"


def _index_clause(pattern: str, context: QueryContext) -> Compiled:
    return everything() if index_name_matches(context, pattern) else nothing()


def index_name_matches(context: QueryContext, pattern: str) -> bool:
    """Tell whether the index searched has this name; ``*`` stands for anything."""
    local_name = pattern.rpartition(":")[2]
    expression = ".*".join(re.escape(part) for part in local_name.split("*"))
    return re.fullmatch(expression, context.index_name, re.DOTALL) is not None


def compile_fuzzy(body: object, context: QueryContext) -> Compiled:
    """Compile ``fuzzy``. Every match scores the same: the library does not rate the distance."""
    path, parameters = one_field(
        "fuzzy",
        body,
        "value",
        ("value", "fuzziness", "prefix_length", "max_expansions", "transpositions", "rewrite"),
    )
    value = as_text(parameters.required("value", "value cannot be null"))
    distance = read_fuzziness(parameters, value)
    clause = fuzzy_clause(path, value, distance, parameters, context)
    return boosted(clause, parameters.boost)


def fuzzy_clause(
    path: str, value: str, distance: int, parameters: Parameters, context: QueryContext
) -> Compiled:
    """Answer the documents with a term at most so many edits away."""
    prefix_length = parameters.whole("prefix_length", 0)
    expansions = parameters.whole("max_expansions", 50, 1)
    field = context.field(path)
    if field is None:
        return nothing()
    _require_text("fuzzy", field, context)
    if context.sought is not None and distance == 0:
        context.seek(path, exactly(value))
    if distance == 0:
        return constant(Query.term_query(context.schema, field.column, value, index_option="basic"))
    name = "fuzzy_transpositions" if "fuzzy_transpositions" in parameters else "transpositions"
    transpositions = parameters.flag(name, default=True)
    if context.sought is not None:
        context.seek(path, _near(_Similar(value, distance, prefix_length, expansions, transpositions)))
    if prefix_length > 0:
        wanted = _Similar(value, distance, prefix_length, expansions, transpositions)
        return _with_prefix(field, wanted, context)
    query = Query.fuzzy_term_query(context.schema, field.column, value, distance, transpositions)
    return constant(query)


@dataclass(frozen=True, slots=True)
class _Similar:
    """Terms that share a beginning and differ in few edits."""

    value: str
    distance: int
    prefix_length: int
    expansions: int
    transpositions: bool


def _near(wanted: _Similar) -> SoughtWord:
    def is_near(term: str) -> bool:
        return (
            abs(len(term) - len(wanted.value)) <= wanted.distance
            and term.startswith(wanted.value[: wanted.prefix_length])
            and edit_distance(wanted.value, term, transpositions=wanted.transpositions) <= wanted.distance
        )

    return SoughtWord(is_near)


def _with_prefix(field: QueryField, wanted: _Similar, context: QueryContext) -> Compiled:
    """Answer the documents with a similar term; the library has no such query, so terms are looked at."""
    prefix = wanted.value[: wanted.prefix_length]
    if context.searcher is None:
        return nothing()
    terms = context.searcher.terms_with_prefix(field.column, prefix, limit=_MAXIMUM_LOOKED_AT + 1)
    if len(terms) > _MAXIMUM_LOOKED_AT:
        raise context.failed_to_create(
            f"more than {_MAXIMUM_LOOKED_AT} terms of field [{field.path}] begin with [{prefix}]"
        )
    rated = [
        (edit_distance(wanted.value, term, transpositions=wanted.transpositions), term)
        for term, _ in terms
        if abs(len(term) - len(wanted.value)) <= wanted.distance
    ]
    near = [term for distance, term in sorted(rated) if distance <= wanted.distance]
    if not near:
        return nothing()
    return constant(Query.term_set_query(context.schema, field.column, near[: wanted.expansions]))


def read_fuzziness(parameters: Parameters, term: str) -> int:
    """Answer how many edits a term may be away: ``0`` to ``2``, or ``AUTO:low,high`` by its length."""
    given = str(parameters.get("fuzziness", "AUTO")).upper()
    low, high = 3, 6
    if given.startswith("AUTO"):
        bounds = given.removeprefix("AUTO")
        if bounds:
            found = re.fullmatch(r":(\d+),(\d+)", bounds)
            if found is None:
                raise parsing_failure(f"[{parameters.clause}] failed to find low and high distance values")
            low, high = int(found[1]), int(found[2])
        return 0 if len(term) < low else 1 if len(term) < high else 2
    try:
        distance = float(given)
    except ValueError:
        raise parameters.bad("fuzziness", given) from None
    if distance not in (0.0, 1.0, 2.0):
        raise illegal_argument("Valid edit distances are [0, 1, 2] but was [" + given + "]")
    return int(distance)

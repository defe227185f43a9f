"""The clause ``simple_query_string``: a forgiving syntax that never fails to be read.

``+`` is and, ``|`` is or, ``-`` takes away, quotes make phrases, ``*`` ends a beginning, brackets group,
``~N`` allows edits in a word and gaps in a phrase. What makes no sense is taken as a word or left out.
"""

from __future__ import annotations

import re
from typing import Final

from isthmus.engines.embedded.query.compiled import Compiled, boosted, everything, nothing
from isthmus.engines.embedded.query.compound import combined
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.query_string import Fields, compile_leaf, listed_fields
from isthmus.engines.embedded.query.query_string_parse import Kind, Leaf, unescaped
from isthmus.engines.embedded.query.reading import Parameters, object_body
from isthmus.errors import parsing_failure
from isthmus.exchange import Json

_PARAMETERS: Final = (
    "query",
    "fields",
    "default_operator",
    "analyzer",
    "lenient",
    "analyze_wildcard",
    "minimum_should_match",
    "flags",
    "fuzzy_max_expansions",
    "fuzzy_prefix_length",
    "fuzzy_transpositions",
    "auto_generate_synonyms_phrase_query",
)
_TOKEN: Final = re.compile(
    r'\s+|(?P<phrase>"(?P<quoted>(?:\\.|[^"\\])*)"(?:~(?P<slop>\d+))?)|(?P<open>\()|(?P<close>\))'
    r"|(?P<and>\+)|(?P<or>\|)|(?P<not>-)"
    r'|(?P<word>(?:\\.|[^\s+|"()\\*~]|\*(?=[^\s+|"()]))(?:\\.|[^\s+|"()\\*~]|\*(?=[^\s+|"()]))*)'
    r"(?:(?P<star>\*)|~(?P<edits>\d+)?(?P<tilde>))?|.",
    re.DOTALL,
)
_MAXIMUM_NESTING: Final = 25


def compile_simple_query_string(body: Json, context: QueryContext) -> Compiled:
    """Compile ``simple_query_string``."""
    parameters = Parameters("simple_query_string", object_body("simple_query_string", body), _PARAMETERS)
    text = parameters.text("query")
    if text is None:
        raise parsing_failure("[simple_query_string] query text missing")
    if str(parameters.get("flags", "ALL")).upper() not in ("ALL", "-1"):
        raise parsing_failure("[simple_query_string] [flags] other than [ALL] are not supported")
    fuzzy: dict[str, Json] = {"fuzziness": "AUTO"}
    if "fuzzy_max_expansions" in parameters:
        fuzzy["max_expansions"] = parameters.whole("fuzzy_max_expansions", 50, 1)
    if "fuzzy_prefix_length" in parameters:
        fuzzy["prefix_length"] = parameters.whole("fuzzy_prefix_length", 0)
    if "fuzzy_transpositions" in parameters:
        fuzzy["transpositions"] = parameters.flag("fuzzy_transpositions", default=True)
    analyzer = parameters.text("analyzer")
    fields = Fields(
        listed_fields("simple_query_string", parameters.get("fields"), None),
        parameters.flag("lenient", default=False),
        {} if analyzer is None else {"analyzer": analyzer},
        {"type": "best_fields"},
        fuzzy=fuzzy,
    )
    default = parameters.word("default_operator", "or", ("or", "and"))
    if text.strip() == "*":
        return boosted(everything(), parameters.boost)
    compiled = _Reader(text, fields, context, default, parameters.get("minimum_should_match")).group(0)
    return boosted(nothing() if compiled is None else compiled, parameters.boost)


class _Reader:
    """A position in the text; clauses are combined from left to right, without precedence."""

    def __init__(
        self, text: str, fields: Fields, context: QueryContext, default_operator: str, minimum: Json
    ) -> None:
        self._tokens = _TOKEN.finditer(text)
        self._fields = fields
        self._context = context
        self._default = default_operator
        #: how many of the outermost clauses must match, where any may
        self._minimum = minimum

    def group(self, depth: int) -> Compiled | None:
        """Read up to the closing bracket or the end; None where there is nothing in it."""
        gathered: list[Compiled] = []
        operator: str | None = None
        asked: str | None = None
        is_negated = False
        for token in self._tokens:
            if token["close"]:
                if depth:
                    break
                continue
            if token["and"] or token["or"]:
                asked = "and" if token["and"] else "or"
                continue
            if token["not"]:
                is_negated = not is_negated
                continue
            clause = self._clause(token, depth)
            if clause is None:
                continue
            if is_negated:
                clause = _combined([], [clause])
            wanted = asked or self._default
            if len(gathered) > 1 and operator != wanted:
                gathered = [_joined(gathered, operator)]
            gathered.append(clause)
            operator = wanted if len(gathered) > 1 else None
            asked, is_negated = None, False
            self._context.count_clauses()
        return _joined(gathered, operator, None if depth else self._minimum) if gathered else None

    def _clause(self, token: re.Match[str], depth: int) -> Compiled | None:
        if token["open"]:
            if depth >= _MAXIMUM_NESTING:
                raise self._context.failed_to_create("the query is nested too deeply")
            return self.group(depth + 1)
        if token["phrase"]:
            leaf = Leaf(Kind.PHRASE, unescaped(token["quoted"]), number=token["slop"])
        elif token["word"] and token["star"]:
            leaf = Leaf(Kind.WILDCARD, f"{_literal_pattern(unescaped(token['word']))}*")
        elif token["word"] and token["tilde"] is not None:
            leaf = Leaf(Kind.FUZZY, unescaped(token["word"]), number=token["edits"])
        elif token["word"]:
            leaf = Leaf(Kind.WORDS, unescaped(token["word"]))
        else:
            return None
        return compile_leaf(leaf, self._fields, self._context)


def _literal_pattern(text: str) -> str:
    return re.sub(r"([*?\\])", r"\\\1", text)


def _joined(clauses: list[Compiled], operator: str | None, minimum: Json = None) -> Compiled:
    if len(clauses) == 1:
        return clauses[0]
    return _combined(clauses, [], optional=operator != "and", minimum=minimum)


def _combined(
    clauses: list[Compiled], excluded: list[Compiled], *, optional: bool = False, minimum: Json = None
) -> Compiled:
    must, should = ([], clauses) if optional else (clauses, [])
    return combined(
        must or ([] if should else [everything()]), should, [], excluded, minimum if optional else None
    )

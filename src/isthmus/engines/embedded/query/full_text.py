"""The clauses that analyse their text: match, match_phrase, match_phrase_prefix and their kin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tantivy import Occur, Query

from isthmus.engines.embedded.analysis import Token
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import (
    Compiled,
    boosted,
    combined_score,
    constant,
    cost_of_all,
    cost_of_any,
    everything,
    nothing,
)
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.minimum_should_match import required_matches
from isthmus.engines.embedded.query.patterns import expression_query, fuzzy_clause, read_fuzziness
from isthmus.engines.embedded.query.reading import Parameters, as_text, one_field
from isthmus.engines.embedded.query.scoring import WordScore
from isthmus.engines.embedded.query.sought import beginning, exactly
from isthmus.engines.embedded.query.term_level import term_clause
from isthmus.engines.embedded.query.text_ranges import ANY_CHARACTER, literal
from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Json

FUZZY_PARAMETERS: Final = (
    "fuzziness",
    "prefix_length",
    "max_expansions",
    "fuzzy_transpositions",
    "fuzzy_rewrite",
)
_MATCH_PARAMETERS: Final = (
    "query",
    "operator",
    "minimum_should_match",
    "analyzer",
    "lenient",
    "zero_terms_query",
    "auto_generate_synonyms_phrase_query",
    *FUZZY_PARAMETERS,
)
_PHRASE_PARAMETERS: Final = ("query", "analyzer", "slop", "zero_terms_query")


@dataclass(frozen=True, slots=True)
class Matching:
    """What a text is matched with. ``value`` is as given; only text fields analyse it."""

    value: Json
    parameters: Parameters

    @property
    def text(self) -> str:
        """Answer the value as text."""
        return as_text(self.value)


def compile_match(body: Json, context: QueryContext) -> Compiled:
    """Compile ``match``."""
    path, parameters = one_field("match", body, "query", _MATCH_PARAMETERS)
    matching = _matching(parameters)
    check_match_parameters(parameters)
    field = context.field(path)
    if field is None:
        return boosted(_metadata(path, matching, context), parameters.boost)
    return boosted(match_clause(field, matching, context), parameters.boost)


def check_match_parameters(parameters: Parameters) -> None:
    """Refuse values that ``match`` and ``multi_match`` do not know, whatever the field."""
    parameters.word("operator", "or", ("or", "and"))
    parameters.word("zero_terms_query", "none", ("none", "all"))
    if parameters.get("minimum_should_match") is not None:
        required_matches(parameters.get("minimum_should_match"), 1)
    if parameters.get("fuzziness") is not None:
        read_fuzziness(parameters, "")
    elif "prefix_length" in parameters:
        parameters.whole("prefix_length", 0)


def _matching(parameters: Parameters) -> Matching:
    value = parameters.required("query", "No text specified for text query")
    if isinstance(value, (dict, list)):
        raise parsing_failure(f"[{parameters.clause}] unknown token [START_OBJECT] after [query]")
    return Matching(value, parameters)


def _metadata(path: str, matching: Matching, context: QueryContext) -> Compiled:
    if path not in ("_id", "_index"):
        return nothing()
    return context.compile_clause({"term": {path: matching.text}}, context)


def match_clause(field: QueryField, matching: Matching, context: QueryContext) -> Compiled:
    """Answer the documents that hold the words (one of them, or as many as asked)."""
    parameters = matching.parameters
    if field.mapped.field_type.kind is not ColumnKind.TEXT:
        return _whole_value(field, matching, context)
    tokens = tokens_of(field, matching, context)
    if not tokens:
        return _no_words(parameters)
    context.count_clauses(len(tokens))
    clauses = [_word(field, token.text, parameters, context) for token in tokens]
    if len(clauses) == 1:
        return clauses[0]
    if parameters.word("operator", "or", ("or", "and")) == "and":
        query = Query.boolean_query([(Occur.Must, clause.query) for clause in clauses])
        return Compiled(query, cost=cost_of_all(clauses), scoring=combined_score(query, clauses))
    minimum = 1
    specification = parameters.get("minimum_should_match")
    if specification is not None:
        minimum = max(1, required_matches(specification, len(clauses)))
        if minimum > len(clauses):
            return nothing()
    query = Query.boolean_query([(Occur.Should, clause.query) for clause in clauses], minimum)
    return Compiled(query, cost=cost_of_any(clauses), scoring=combined_score(query, clauses))


def _whole_value(field: QueryField, matching: Matching, context: QueryContext) -> Compiled:
    """Match a field whose values are not analysed: as ``term`` does, or within some edits."""
    parameters = matching.parameters
    if parameters.get("fuzziness") is not None and field.type == "keyword":
        distance = read_fuzziness(parameters, matching.text)
        return fuzzy_clause(field.path, matching.text, distance, parameters, context)
    try:
        return term_clause(field, matching.value, context)
    except Failure:
        if parameters.flag("lenient", default=False):
            return nothing()
        raise


def _no_words(parameters: Parameters) -> Compiled:
    if parameters.word("zero_terms_query", "none", ("none", "all")) == "all":
        return everything()
    return nothing()


def _word(field: QueryField, word: str, parameters: Parameters, context: QueryContext) -> Compiled:
    if parameters.get("fuzziness") is not None:
        distance = read_fuzziness(parameters, word)
        if distance > 0:
            return fuzzy_clause(field.path, word, distance, parameters, context)
    return _exact_word(field, word, context)


def _exact_word(field: QueryField, word: str, context: QueryContext) -> Compiled:
    if context.sought is not None:
        context.seek(field.path, exactly(word))
    query = Query.term_query(context.schema, field.column, word)
    cost = context.frequency(field.column, word)
    if context.word_weight is not None:
        return context.words(WordScore(query, field.path, field.column, (word,)), cost)
    return Compiled(query, cost=cost)


def tokens_of(field: QueryField, matching: Matching, context: QueryContext) -> list[Token]:
    """Answer the words of the text as the field's (or the asked) analyzer sees them."""
    name = matching.parameters.text("analyzer") or field.mapped.search_analyzer
    if name not in context.analyzers:
        raise context.refused(f"[{matching.parameters.clause}] analyzer [{name}] not found")
    return context.analyzers.tokens(name, matching.text)


def compile_match_phrase(body: Json, context: QueryContext) -> Compiled:
    """Compile ``match_phrase``."""
    path, parameters = one_field("match_phrase", body, "query", _PHRASE_PARAMETERS)
    matching = _matching(parameters)
    parameters.whole("slop", 0)
    parameters.word("zero_terms_query", "none", ("none", "all"))
    field = context.field(path)
    if field is None:
        return boosted(_metadata(path, matching, context), parameters.boost)
    return boosted(phrase_clause(field, matching, context), parameters.boost)


def phrase_clause(field: QueryField, matching: Matching, context: QueryContext) -> Compiled:
    """Answer the documents that hold the words one after the other, give or take the slop."""
    if field.mapped.field_type.kind is not ColumnKind.TEXT:
        return _whole_value(field, matching, context)
    tokens = tokens_of(field, matching, context)
    if not tokens:
        return _no_words(matching.parameters)
    if len(tokens) == 1:
        # the library panics on a phrase of one word
        return _exact_word(field, tokens[0].text, context)
    context.count_clauses(len(tokens))
    first = tokens[0].position
    words: list[str | tuple[int, str]] = [(token.position - first, token.text) for token in tokens]
    slop = matching.parameters.whole("slop", 0)
    if context.sought is not None:
        context.seek(
            field.path, *(exactly(token.text, token.position - first) for token in tokens), slop=slop
        )
    query = Query.phrase_query(context.schema, field.column, words, slop)
    if context.word_weight is not None:
        texts = tuple(token.text for token in tokens)
        return context.words(WordScore(query, field.path, field.column, texts))
    return Compiled(query)


def compile_match_phrase_prefix(body: Json, context: QueryContext) -> Compiled:
    """Compile ``match_phrase_prefix``: a phrase whose last word may go on."""
    path, parameters = one_field(
        "match_phrase_prefix", body, "query", (*_PHRASE_PARAMETERS, "max_expansions")
    )
    matching = _matching(parameters)
    if parameters.whole("slop", 0) != 0:
        raise parsing_failure("[match_phrase_prefix] a [slop] other than 0 is not supported")
    parameters.whole("max_expansions", 50, 1)
    parameters.word("zero_terms_query", "none", ("none", "all"))
    field = context.field(path)
    if field is None:
        return nothing()
    return boosted(phrase_prefix_clause(field, matching, context), parameters.boost)


def phrase_prefix_clause(field: QueryField, matching: Matching, context: QueryContext) -> Compiled:
    """Answer the documents with the phrase, its last word taken as a beginning."""
    if field.mapped.field_type.kind is not ColumnKind.TEXT:
        raise context.failed_to_create(
            f"Can only use phrase prefix queries on text fields - not on [{field.path}] which is of type "
            f"[{field.type}]"
        )
    tokens = tokens_of(field, matching, context)
    if not tokens:
        return _no_words(matching.parameters)
    if len(tokens) == 1:
        return _beginning(field, tokens[0].text, context)
    context.count_clauses(len(tokens))
    first = tokens[0].position
    words: list[str | tuple[int, str]] = [(token.position - first, token.text) for token in tokens]
    if context.sought is not None:
        whole = (exactly(token.text, token.position - first) for token in tokens[:-1])
        context.seek(field.path, *whole, beginning(tokens[-1].text, tokens[-1].position - first))
    return constant(Query.phrase_prefix_query(context.schema, field.column, words))


def compile_match_bool_prefix(body: Json, context: QueryContext) -> Compiled:
    """Compile ``match_bool_prefix``: words in any order, the last one taken as a beginning."""
    path, parameters = one_field("match_bool_prefix", body, "query", _MATCH_PARAMETERS)
    matching = _matching(parameters)
    check_match_parameters(parameters)
    field = context.field(path)
    if field is None:
        return nothing()
    return boosted(bool_prefix_clause(field, matching, context), parameters.boost)


def bool_prefix_clause(field: QueryField, matching: Matching, context: QueryContext) -> Compiled:
    """Answer the documents with the words, the last of them taken as a beginning."""
    parameters = matching.parameters
    if field.mapped.field_type.kind is not ColumnKind.TEXT:
        return _whole_value(field, matching, context)
    tokens = tokens_of(field, matching, context)
    if not tokens:
        return _no_words(parameters)
    context.count_clauses(len(tokens))
    clauses = [_word(field, token.text, parameters, context) for token in tokens[:-1]]
    clauses.append(_beginning(field, tokens[-1].text, context))
    if len(clauses) == 1:
        return clauses[0]
    specification = parameters.get("minimum_should_match")
    if parameters.word("operator", "or", ("or", "and")) == "and":
        minimum = len(clauses)
    else:
        minimum = 1 if specification is None else max(1, required_matches(specification, len(clauses)))
    if minimum > len(clauses):
        return nothing()
    query = Query.boolean_query([(Occur.Should, clause.query) for clause in clauses], minimum)
    return Compiled(query, scoring=combined_score(query, clauses))


def _beginning(field: QueryField, word: str, context: QueryContext) -> Compiled:
    if context.sought is not None:
        context.seek(field.path, beginning(word))
    return expression_query(context, field.column, f"{literal(word)}{ANY_CHARACTER}*")


def require_text(parameters: Parameters) -> Matching:
    """Answer the text of a clause that is not about one field."""
    if parameters.get("query") is None:
        raise illegal_argument("No text specified for multi_match query")
    return _matching(parameters)

"""The clauses that hold other clauses: bool, constant_score, dis_max and boosting."""

from __future__ import annotations

from typing import Final

from tantivy import Occur, Query

from isthmus.engines.embedded.query.compiled import (
    Compiled,
    Extent,
    all_of,
    boosted,
    combined_score,
    cost_of_all,
    cost_of_any,
    everything,
    none_of,
    nothing,
    restricted,
    with_score,
)
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.minimum_should_match import required_matches
from isthmus.engines.embedded.query.reading import Parameters, object_body
from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import Json

_OCCURRENCES: Final = ("must", "should", "filter", "must_not")


def compile_bool(body: Json, context: QueryContext) -> Compiled:
    """Compile ``bool``."""
    given = dict(object_body("bool", body))
    if "mustNot" in given:
        given["must_not"] = given.pop("mustNot")
    parameters = Parameters("bool", given, (*_OCCURRENCES, "minimum_should_match"))
    must, should, filters = (
        _clauses(parameters, occurrence, context) for occurrence in _OCCURRENCES if occurrence != "must_not"
    )
    must_not = _clauses(parameters, "must_not", context.quietly())
    specification = parameters.get("minimum_should_match")
    return boosted(combined(must, should, filters, must_not, specification), parameters.boost)


def combined(
    must: list[Compiled],
    should: list[Compiled],
    filters: list[Compiled],
    must_not: list[Compiled],
    minimum_should_match: Json,
) -> Compiled:
    """Answer the documents that these clauses, taken together, match; no clause at all matches all."""
    default = 0 if must or filters or not should else 1
    minimum = default if minimum_should_match is None else required_matches(minimum_should_match, len(should))
    if not (must or should or filters or must_not):
        return everything()
    if minimum > len(should):
        return nothing()
    restriction = all_of([*filters, *(none_of(clause) for clause in must_not)])
    return restricted(_scoring(must, should, minimum), restriction)


def _scoring(must: list[Compiled], should: list[Compiled], minimum: int) -> Compiled:
    """Answer what decides the score: every ``must``, and at least so many of the ``should``."""
    if any(clause.extent is Extent.NOTHING for clause in must):
        return nothing()
    possible = [clause for clause in should if clause.extent is not Extent.NOTHING]
    if minimum > len(possible):
        return nothing()
    if not must and not possible:
        return everything(0.0)
    if len(must) == 1 and not possible:
        return must[0]
    if not must and len(possible) == 1 and minimum == 1:
        return possible[0]
    required: list[tuple[Occur, Query]] = [(Occur.Must, clause.query) for clause in must]
    if not must and minimum == 0:
        # only filters decide what matches; the optional clauses merely add to the score
        required.append((Occur.Must, everything(0.0).query))
    optional = [(Occur.Should, clause.query) for clause in possible]
    minimum_of_library = minimum if optional and minimum > 0 else None
    query = Query.boolean_query([*required, *optional], minimum_of_library)
    cost = cost_of_all(must) if must else cost_of_any(possible) if minimum > 0 else None
    return Compiled(
        query,
        _known_score(must) if not possible else None,
        cost=cost,
        scoring=combined_score(query, [*must, *possible]),
    )


def _known_score(must: list[Compiled]) -> float | None:
    total = 0.0
    for clause in must:
        if clause.score is None:
            return None
        total += clause.score
    return total


def _clauses(parameters: Parameters, name: str, context: QueryContext) -> list[Compiled]:
    given = parameters.get(name)
    if given is None:
        return []
    listed = given if isinstance(given, list) else [given]
    context.count_clauses(len(listed))
    return [context.compile_clause(each, context) for each in listed]


def compile_constant_score(body: Json, context: QueryContext) -> Compiled:
    """Compile ``constant_score``."""
    parameters = Parameters("constant_score", object_body("constant_score", body), ("filter",))
    wanted = parameters.get("filter")
    if wanted is None:
        raise parsing_failure("[constant_score] requires a 'filter' element")
    if isinstance(wanted, list):
        raise parsing_failure("[constant_score] query malformed, no start_object after query name")
    return with_score(context.compile_clause(wanted, context), parameters.boost)


def compile_dis_max(body: Json, context: QueryContext) -> Compiled:
    """Compile ``dis_max``."""
    parameters = Parameters("dis_max", object_body("dis_max", body), ("queries", "tie_breaker"))
    given = parameters.get("queries")
    if given is None or given == []:
        raise parsing_failure("[dis_max] requires 'queries' field with at least one clause")
    listed = given if isinstance(given, list) else [given]
    context.count_clauses(len(listed))
    clauses = [context.compile_clause(each, context) for each in listed]
    return boosted(best_of(clauses, parameters.number("tie_breaker", 0.0)), parameters.boost)


def best_of(clauses: list[Compiled], tie_breaker: float) -> Compiled:
    """Answer the disjunction that scores as its best clause, plus a share of the others' scores."""
    possible = [clause for clause in clauses if clause.extent is not Extent.NOTHING]
    if not possible:
        return nothing()
    if len(possible) == 1:
        return possible[0]
    query = Query.disjunction_max_query([clause.query for clause in possible], tie_breaker)
    scoring = combined_score(query, possible, tie_breaker)
    return Compiled(query, cost=cost_of_any(possible), scoring=scoring)


def compile_boosting(body: Json, context: QueryContext) -> Compiled:
    """Compile ``boosting``: what also matches ``negative`` scores less."""
    parameters = Parameters(
        "boosting", object_body("boosting", body), ("positive", "negative", "negative_boost")
    )
    for name in ("positive", "negative"):
        if parameters.get(name) is None:
            raise parsing_failure(f"[boosting] query requires '{name}' query to be set'")
    negative_boost = parameters.number("negative_boost", -1.0)
    if negative_boost < 0:
        raise illegal_argument("[boosting] query requires 'negative_boost' to be set to be a positive value'")
    positive = context.compile_clause(parameters.get("positive"), context)
    negative = context.compile_clause(parameters.get("negative"), context.quietly())
    if negative.extent is Extent.NOTHING:
        return boosted(positive, parameters.boost)
    # two halves that exclude each other, so that each document is scored by exactly one of them
    spared = restricted(positive, none_of(negative))
    punished = boosted(restricted(positive, all_of([negative])), negative_boost)
    halves = [half for half in (spared, punished) if half.extent is not Extent.NOTHING]
    if not halves:
        return nothing()
    query = Query.boolean_query([(Occur.Should, half.query) for half in halves])
    return boosted(Compiled(query, scoring=combined_score(query, halves)), parameters.boost)

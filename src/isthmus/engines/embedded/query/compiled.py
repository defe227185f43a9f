"""What a clause becomes: a query of the library, with what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import tantivy
from tantivy import Occur, Query

from isthmus.engines.embedded.query.scoring import CombinedScore, OtherScore, Scoring


class Extent(Enum):
    """How much of an index a clause matches, as far as it is known without looking."""

    NOTHING = "nothing"
    SOMETHING = "something"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled clause.

    ``score`` is what every match scores where that is known beforehand, else None. With
    ``extent`` NOTHING or EVERYTHING, ``query`` still is a query that does just that. ``cost`` is about
    how many documents matching has to look at, None where nobody can tell. ``scoring`` tells what an unknown
    score is made of, where words decide it and that was to be noted.
    """

    query: tantivy.Query
    score: float | None = None
    extent: Extent = Extent.SOMETHING
    cost: int | None = None
    scoring: Scoring | None = None


def everything(score: float = 1.0) -> Compiled:
    """Answer the clause that every document matches."""
    return Compiled(Query.const_score_query(Query.all_query(), score), score, Extent.EVERYTHING)


def nothing() -> Compiled:
    """Answer the clause that no document matches."""
    return Compiled(Query.empty_query(), 0.0, Extent.NOTHING, 0)


def constant(query: tantivy.Query, score: float = 1.0, cost: int | None = None) -> Compiled:
    """Answer a clause whose every match scores the same."""
    return Compiled(Query.const_score_query(query, score), score, cost=cost)


def cost_of_all(clauses: Sequence[Compiled]) -> int | None:
    """Answer what a conjunction costs: the rarest clause leads."""
    costs = [clause.cost for clause in clauses if clause.cost is not None]
    return min(costs) * len(costs) if costs and len(costs) == len(clauses) else None


def cost_of_any(clauses: Sequence[Compiled]) -> int | None:
    """Answer what a disjunction costs: each clause is gone through."""
    costs = [clause.cost for clause in clauses if clause.cost is not None]
    return sum(costs) if len(costs) == len(clauses) else None


def with_score(clause: Compiled, score: float) -> Compiled:
    """Answer the clause with this score for every match instead of its own."""
    if clause.extent is Extent.NOTHING:
        return clause
    return Compiled(Query.const_score_query(clause.query, score), score, clause.extent, clause.cost)


def boosted(clause: Compiled, boost: float) -> Compiled:
    """Answer the clause with its scores multiplied."""
    if boost == 1.0 or clause.extent is Extent.NOTHING:
        return clause
    score = None if clause.score is None else clause.score * boost
    query = Query.boost_query(clause.query, boost)
    if clause.scoring is None:
        return Compiled(query, score, clause.extent, clause.cost)
    scoring = CombinedScore(None, (clause.scoring,), factor=boost)
    return Compiled(query, score, clause.extent, clause.cost, scoring)


def all_of(clauses: Sequence[Compiled]) -> Compiled:
    """Answer the conjunction as a filter: what matches scores 0."""
    if any(clause.extent is Extent.NOTHING for clause in clauses):
        return nothing()
    selective = [clause for clause in clauses if clause.extent is not Extent.EVERYTHING]
    if not selective:
        return everything(0.0)
    if len(selective) == 1:
        return with_score(selective[0], 0.0)
    query = Query.boolean_query([(Occur.Must, clause.query) for clause in selective])
    return constant(query, 0.0, cost_of_all(selective))


def any_of(clauses: Sequence[Compiled]) -> Compiled:
    """Answer the disjunction with a score of 1 for every match."""
    if any(clause.extent is Extent.EVERYTHING for clause in clauses):
        return everything()
    selective = [clause for clause in clauses if clause.extent is not Extent.NOTHING]
    if not selective:
        return nothing()
    if len(selective) == 1:
        return with_score(selective[0], 1.0)
    query = Query.boolean_query([(Occur.Should, clause.query) for clause in selective])
    return constant(query, cost=cost_of_any(selective))


def none_of(clause: Compiled) -> Compiled:
    """Answer the complement as a filter: what matches scores 0."""
    if clause.extent is Extent.NOTHING:
        return everything(0.0)
    if clause.extent is Extent.EVERYTHING:
        return nothing()
    return constant(
        Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, clause.query)]), 0.0
    )


def restricted(clause: Compiled, restriction: Compiled) -> Compiled:
    """Answer the clause, with its scores, narrowed to what the restriction matches too."""
    if restriction.extent is Extent.EVERYTHING or clause.extent is Extent.NOTHING:
        return clause
    if restriction.extent is Extent.NOTHING:
        return nothing()
    if clause.extent is Extent.EVERYTHING and clause.score is not None:
        return with_score(restriction, clause.score)
    query = Query.boolean_query(
        [(Occur.Must, clause.query), (Occur.Must, Query.const_score_query(restriction.query, 0.0))]
    )
    cost = cost_of_all([clause, restriction])
    return Compiled(query, clause.score, cost=cost, scoring=combined_score(query, (clause,)))


def combined_score(
    query: tantivy.Query, clauses: Sequence[Compiled], tie_breaker: float | None = None
) -> CombinedScore | None:
    """Answer what the score of these clauses together is made of.

    None where that was not to be noted, and where no words decide.
    """
    for clause in clauses:
        if clause.scoring is not None:
            break
    else:
        return None
    parts: list[Scoring] = [clause.scoring or OtherScore(clause.query) for clause in clauses]
    return CombinedScore(query, tuple(parts), tie_breaker)

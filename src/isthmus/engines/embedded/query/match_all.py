"""The clauses ``match_all`` and ``match_none``."""

from __future__ import annotations

from isthmus.engines.embedded.query.compiled import Compiled, boosted, everything, nothing
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.reading import Parameters, object_body
from isthmus.exchange import Json


def compile_match_all(body: Json, _context: QueryContext) -> Compiled:
    """Compile ``{"match_all": {}}``."""
    parameters = Parameters("match_all", object_body("match_all", body), ())
    return boosted(everything(), parameters.boost)


def compile_match_none(body: Json, _context: QueryContext) -> Compiled:
    """Compile ``{"match_none": {}}``."""
    boost = Parameters("match_none", object_body("match_none", body), ()).boost
    return boosted(nothing(), boost)

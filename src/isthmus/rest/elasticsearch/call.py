"""What every handler of the data API is given, and the shape of a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.names import IndicesOptions, parse_expand_wildcards, split_expressions
from isthmus.rest.http import Request, Response, boolean_parameter
from isthmus.rest.routing import Router
from isthmus.security.principal import Principal

#: names that every handler takes: the API itself acts on them. ``error_trace`` is accepted and changes
#: nothing, as there is no trace to show; ``human`` adds readable dates and versions to index settings.
COMMON_PARAMETERS: Final = frozenset({"pretty", "human", "error_trace", "filter_path", "format"})

#: names that say how index expressions are read
INDICES_OPTIONS_PARAMETERS: Final = ("ignore_unavailable", "allow_no_indices", "expand_wildcards")

#: accepted and without effect: one node answers, so there is no elected node to wait for, and
#: nothing is acknowledged by anybody else
CLUSTER_WAIT_PARAMETERS: Final = ("master_timeout", "timeout")

#: suggesting costs time: a URL may hold hundreds of names
_MOST_SUGGESTIONS: Final = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, with the parameters of its path."""

    request: Request
    path: Mapping[str, str]
    principal: Principal

    @property
    def parameters(self) -> Mapping[str, str]:
        """The query string's parameters."""
        return self.request.parameters


Handler: TypeAlias = Callable[[Call], Awaitable[Response]]
ElasticsearchRouter: TypeAlias = Router[Handler]


def index_expressions(call: Call, name: str = "index") -> tuple[str, ...]:
    """Answer the comma-separated expressions of a path parameter; none where the path has none."""
    text = call.path.get(name, "")
    return split_expressions(text) if name == "index" else tuple(part for part in text.split(",") if part)


def indices_options(
    call: Call,
    *,
    ignore_unavailable: bool = False,
    allow_no_indices: bool = True,
    expand_wildcards: str = "open",
    forbid_closed: bool = False,
) -> IndicesOptions:
    """Answer how this call wants index expressions read; the arguments are the API's own defaults."""
    parameters = call.parameters
    return IndicesOptions(
        ignore_unavailable=boolean_parameter(parameters, "ignore_unavailable", ignore_unavailable),
        allow_no_indices=boolean_parameter(parameters, "allow_no_indices", allow_no_indices),
        expand_wildcards=parse_expand_wildcards(parameters.get("expand_wildcards") or expand_wildcards),
        forbid_closed=forbid_closed,
    )


def json_object(call: Call) -> dict[str, Any]:
    """Answer the body as an object, ``{}`` where there is none; raises 400 for any other JSON."""
    value = call.request.json_or_none()
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise parsing_failure("the request body must be a JSON object")
    return value


def require_only_members(body: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Return if the object has no other members; raises a 400 failure that names the first one."""
    for name in body:
        if name not in known:
            raise parsing_failure(f"unknown key [{name}] for {what}")


def unrecognized_parameters(request: Request, taken: Collection[str]) -> Failure | None:
    """Answer the failure for query parameters that are not taken, None where all are."""
    unknown = sorted(set(request.parameters) - COMMON_PARAMETERS - set(taken))
    if not unknown:
        return None
    candidates = COMMON_PARAMETERS.union(taken)
    described = ", ".join(
        f"[{name[:200]}]{_suggestion(name, candidates) if position < _MOST_SUGGESTIONS else ''}"
        for position, name in enumerate(unknown)
    )
    plural = "s" if len(unknown) > 1 else ""
    return illegal_argument(
        f"request [{request.path[:500]}] contains unrecognized parameter{plural}: {described}"
    )


def did_you_mean(name: str, candidates: Collection[str]) -> list[str]:
    """Answer the candidates that a caller may have meant, the nearest first."""
    near = [(_similarity(name[:50], candidate), candidate) for candidate in candidates]
    return [candidate for score, candidate in sorted(near, key=_best_first) if score > 0.5]  # noqa: PLR2004 - Lucene's


def _suggestion(name: str, candidates: Collection[str]) -> str:
    close = did_you_mean(name, candidates)
    if not close:
        return ""
    if len(close) == 1:
        return f" -> did you mean [{close[0]}]?"
    return f" -> did you mean any of [{', '.join(close)}]?"


def _best_first(scored: tuple[float, str]) -> tuple[float, str]:
    return -scored[0], scored[1]


def _similarity(one: str, other: str) -> float:
    """Answer 1 for equal names and 0 for names without anything in common (Levenshtein, scaled)."""
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, counterpart in enumerate(other, start=1):
            replaced = previous[column - 1] + (letter != counterpart)
            current.append(min(previous[column] + 1, current[-1] + 1, replaced))
        previous = current
    return 1 - previous[-1] / max(len(one), len(other), 1)

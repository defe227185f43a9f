"""The routes of the platform API as a table: what finds a handler also describes it.

Everything that the OpenAPI document says comes from here, so that it cannot say anything else than
what is served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.rest.http import Request, Response
from isthmus.rest.routing import Match, Router

#: what a route answers that does not say otherwise
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class CloudCall:
    """A request that was authenticated, with its path's parameters."""

    request: Request
    path_parameters: Mapping[str, str]

    def allow_parameters(self, *names: str) -> None:
        """Return if the query string has no other parameters; raises a 400 failure that names one."""
        refuse_other_parameters(self.request, frozenset(names))


Handler = Callable[[CloudCall], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``parameters`` None means that the handler checks them itself."""

    method: str
    template: str
    summary: str
    status: int
    parameters: tuple[str, ...] | None
    takes_body: bool


class CloudRouter:
    """Finds handlers, and remembers every route that was added."""

    def __init__(self) -> None:
        self._router: Router[Handler] = Router()
        self._routes: list[Route] = []

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, in the order in which they were added."""
        return tuple(self._routes)

    def add(
        self,
        methods: str,
        template: str,
        handler: Handler,
        parameters: Collection[str] | None = None,
        *,
        status: int = _OK,
        takes_body: bool | None = None,
    ) -> None:
        """Serve ``template`` for each method of a ``"GET POST"`` list; a route twice is a bug.

        ``parameters`` names what the handler takes in a query string, others are refused by name; None
        leaves that to the handler. The rest describes: ``status`` is that of success, the first line of
        the handler's docstring what it does, and POST, PUT and PATCH have a body unless said otherwise.
        """
        self._router.add(methods, template, handler, parameters)
        summary = (getdoc(handler) or "").partition("\n")[0].rstrip(".")
        for method in methods.split():
            has_body = method in ("POST", "PUT", "PATCH") if takes_body is None else takes_body
            taken = None if parameters is None else tuple(parameters)
            self._routes.append(Route(method, template, summary, status, taken, has_body))

    def find(self, method: str, path: str) -> Match[Handler] | frozenset[str]:
        """Answer the match, or the methods that this path has (empty: no such path)."""
        return self._router.find(method, path)


def refuse_other_parameters(request: Request, known: frozenset[str]) -> None:
    """Return if the query string has these parameters only; raises a 400 failure that names another."""
    for name in request.parameters:
        if name not in known:
            raise illegal_argument(f"unknown query parameter [{name[:100]}]")

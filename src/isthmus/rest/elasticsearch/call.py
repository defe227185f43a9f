"""What every handler of the data API is given, and the shape of a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.rest.http import Request, Response
from isthmus.rest.routing import Router
from isthmus.security.principal import Principal


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

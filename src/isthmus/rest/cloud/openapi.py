"""The OpenAPI document of the platform API, made of the routes that are served."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from isthmus.rest.cloud.routes import CloudCall, CloudRouter, Route
from isthmus.rest.http import Response, json_response

PATH: Final = "/api-docs/swagger.json"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
#: what anybody may ask, to learn how to ask for more
FREE: Final = frozenset({("POST", "/users/auth/_login"), ("GET", "/users/auth/methods")})


def register(router: CloudRouter, prefix: str) -> None:
    """Serve the document; to be called last, so that all routes are in it."""

    async def document(_call: CloudCall) -> Response:
        """Show this document."""
        return json_response(openapi_document(router.routes, prefix))

    router.add("GET", PATH, document, ())


def openapi_document(routes: Sequence[Route], prefix: str) -> dict[str, Any]:
    """Answer an OpenAPI 3.0 document of these routes. Pure."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Isthmus platform API",
            "version": version("isthmus"),
            "description": "The platform API v1 of Elastic Cloud, as far as Isthmus serves it. "
            "Every path is also served below /regions/{region}.",
        },
        "servers": [{"url": prefix}],
        "security": [{"basic": []}, {"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "ApiKey <key>",
                },
            },
            "schemas": {"Failures": _FAILURES},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "tags": [route.template.split("/")[1]],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(route.template)
        ]
        + [{"name": name, "in": "query", "schema": {"type": "string"}} for name in route.parameters or ()],
        "responses": {
            str(route.status): {
                "description": "done",
                "content": {"application/json": {"schema": {}}},
            },
            "default": {
                "description": "not done, and why",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failures"}}},
            },
        },
    }
    if route.summary:
        operation["summary"] = route.summary
    if route.takes_body:
        operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    if (route.method, route.template) in FREE:
        operation["security"] = []
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"\W+", "-", _PARAMETER.sub(r"by-\1", route.template)).strip("-")
    return f"{route.method.lower()}-{words.replace('_', '-')}"


_FAILURES: Final = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "fields": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}

"""The data API as one HTTP application: who asks, which handler, and how its answer is dressed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final, Protocol
from uuid import uuid4

import orjson
from msgspec import structs

from isthmus.errors import Failure, FailureKind
from isthmus.remotes.trace import begin_trace
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, Handler, unrecognized_parameters
from isthmus.rest.elasticsearch.errors import failure_response
from isthmus.rest.elasticsearch.media_types import JSON, parse_content_type, response_content_type
from isthmus.rest.elasticsearch.response_filter import parse_response_filter
from isthmus.rest.http import Request, Response, boolean_parameter, json_response, json_text
from isthmus.rest.routing import Match
from isthmus.security.principal import Principal

logger = logging.getLogger(__name__)

#: by this header Elasticsearch's clients recognise what they speak to
PRODUCT_HEADER: Final = ("X-elastic-product", "Elasticsearch")
_OPAQUE_ID: Final = "x-opaque-id"
_BULK_PATHS: Final = ("_bulk", "_bulk/", "_msearch", "_msearch/", "_msearch/template", "_msearch/template/")
_CAT_PATHS: Final = ("/_cat", "//_cat")
#: what only reads although it may come as a POST
_READING_PATHS: Final = (
    "/_search",
    "/_search/scroll",
    "/_search/template",
    "/_count",
    "/_msearch",
    "/_msearch/template",
    "/_mget",
    "/_field_caps",
    "/_terms_enum",
)
_READING_METHODS: Final = ("GET", "HEAD")


class Authenticates(Protocol):
    """Who is asking? Satisfied by :class:`isthmus.security.authenticate.Authenticator`."""

    async def authenticate(self, headers: Mapping[str, str], path: str = ...) -> Principal:
        """Answer the caller; raises a failure of kind UNAUTHENTICATED where there is none."""
        ...


class DataApi:
    """Elasticsearch's REST API; satisfies :class:`isthmus.rest.http.HttpApplication`."""

    def __init__(self, router: ElasticsearchRouter, authenticator: Authenticates) -> None:
        self._router = router
        self._authenticator = authenticator

    def for_callers_of(self, authenticator: Authenticates) -> DataApi:
        """Answer the same API for callers who are known in another way."""
        return DataApi(self._router, authenticator)

    async def handle(self, request: Request) -> Response:
        """Answer the request. Raises nothing but :class:`asyncio.CancelledError`."""
        begin_trace(request.headers)  # what is asked of remote clusters for it can be found again there
        try:
            response = await self._answer(request)
        except Failure as failure:
            response = failure_response(failure)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # a panic of an engine written in Rust is no Exception
            reference = uuid4().hex
            logger.exception(
                "request failed inside the server", extra={"reference": reference, "method": request.method}
            )
            response = failure_response(
                Failure(FailureKind.INTERNAL, "exception", f"internal error, reference [{reference}]")
            )
        return _dressed(request, response)

    async def admit(self, head: Request) -> Response | None:
        """Refuse a large body of a caller without credentials before it is read."""
        try:
            await self._authenticator.authenticate(head.headers, head.path)
        except Failure as failure:
            return _dressed(head, failure_response(failure))
        return None

    def refuse(self, failure: Failure) -> Response:
        """Answer for a request that never became one."""
        response = failure_response(failure)
        return structs.replace(response, headers=(*response.headers, PRODUCT_HEADER))

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell whether this only reads: what writes is finished although nobody waits for the answer."""
        return method in _READING_METHODS or path.rstrip("/").endswith(_READING_PATHS)

    async def _answer(self, request: Request) -> Response:
        principal = await self._authenticator.authenticate(request.headers, request.path)
        match = self._router.find(request.method, request.path)
        if not isinstance(match, Match):
            return _not_routed(request, match)
        refusal = _refused(request, match)
        if refusal is not None:
            return refusal
        response = await match.handler(Call(request, match.path_parameters, principal))
        if "filter_path" in request.parameters:
            return _filtered(request, response)
        return response


def _not_routed(request: Request, allowed: frozenset[str]) -> Response:
    uri = request.path[:1000]
    if not allowed:
        return json_response(
            {"error": f"no handler found for uri [{uri}] and method [{request.method}]"}, status=400
        )
    methods = sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)
    headers = (("Allow", ",".join(methods)),)
    if request.method == "OPTIONS":
        return Response(content_type="text/plain; charset=UTF-8", headers=headers)
    text = (
        f"Incorrect HTTP method for uri [{uri}] and method [{request.method}], "
        f"allowed: [{', '.join(methods)}]"
    )
    return json_response({"error": text, "status": 405}, 405, headers)


def _refused(request: Request, match: Match[Handler]) -> Response | None:
    """Answer why this request is not handled; raises where the reason has the usual shape."""
    if request.body:
        header = request.headers.get("content-type")
        if header is None:
            return json_response({"error": "Content-Type header is missing", "status": 406}, 406)
        media_type = parse_content_type(header)
        if media_type is None or (media_type.format == "x-ndjson" and not request.path.endswith(_BULK_PATHS)):
            text = f"Content-Type header [{header[:200]}] is not supported"
            return json_response({"error": text, "status": 406}, 406)
    _require_offered_form(request)
    if request.parameters and match.parameters is not None:
        failure = unrecognized_parameters(request, match.parameters)
        if failure is not None:
            raise failure
    return None


def _require_offered_form(request: Request) -> None:
    """Return if the answer can have the form asked for; raises before anything is done otherwise."""
    wanted = request.parameters.get("format", "json")
    if wanted != "json" and not request.path.startswith(_CAT_PATHS):
        raise Failure(
            FailureKind.NOT_ACCEPTABLE,
            "media_type_header_exception",
            f"answers in format [{wanted[:100]}] are not supported, only in [json]",
        )
    response_content_type(request.headers.get("accept", JSON))


def _filtered(request: Request, response: Response) -> Response:
    """Apply ``filter_path``. A failure never comes here: an error is always shown whole."""
    if response.content_type != JSON or not isinstance(response.body, bytes) or not response.body:
        return response
    wanted = parse_response_filter(request.parameters["filter_path"])
    return structs.replace(response, body=json_text(wanted.apply(orjson.loads(response.body))))


def _dressed(request: Request, response: Response) -> Response:
    """Add what every answer has, and the layout that the caller asked for."""
    body = response.body
    if "pretty" in request.parameters and isinstance(body, bytes) and "json" in response.content_type:
        body = _laid_out(request, body)
    content_type = response.content_type
    if content_type == JSON and "accept" in request.headers:
        try:
            content_type = response_content_type(request.headers["accept"])
        except Failure:
            content_type = JSON  # this answer says what is wrong with the header
    headers = (*response.headers, PRODUCT_HEADER)
    opaque_id = request.headers.get(_OPAQUE_ID)
    if opaque_id is not None:
        headers = (*headers, ("X-Opaque-Id", opaque_id))
    return Response(response.status, body, content_type, headers)


def _laid_out(request: Request, body: bytes) -> bytes:
    try:
        if not body or not boolean_parameter(request.parameters, "pretty", default=False):
            return body
        text = json.dumps(orjson.loads(body), ensure_ascii=False, indent=2, separators=(",", " : "))
    except (Failure, RecursionError):
        return body  # an odd value of `pretty`, or an answer too deep to be laid out: as it stands
    return text.encode() + b"\n"

"""What is common to every answer of the data API."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from data_api_client import DataApiClient
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import FailureReport
from isthmus.rest.elasticsearch.errors import failure_of
from isthmus.rest.http import Request
from isthmus.rest.statuses import STATUS_OF_KIND


@pytest.fixture
def api() -> DataApiClient:
    """Make a data API without indices."""
    return DataApiClient()


async def test_no_such_path_and_no_such_method(api: DataApiClient) -> None:
    """The two are told apart, as Elasticsearch does."""
    nowhere = await api("GET", "/a/b/c")
    assert (nowhere.status, nowhere.json) == (
        400,
        {"error": "no handler found for uri [/a/b/c] and method [GET]"},
    )
    wrong = await api("DELETE", "/_cluster/health")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET,HEAD")
    assert wrong.json == {
        "error": "Incorrect HTTP method for uri [/_cluster/health] and method [DELETE], allowed: [GET, HEAD]",
        "status": 405,
    }
    asked = await api("OPTIONS", "/_cluster/health")
    assert (asked.status, asked.headers["Allow"], asked.text) == (200, "GET,HEAD", b"")


async def test_callers_without_credentials(api: DataApiClient) -> None:
    """401 with what would be accepted, before anything else is looked at."""
    for target in ("/", "/a/b/c", "/?odd=1"):
        answer = await api("GET", target, headers={"authorization": "wrong"})
        assert (answer.status, answer.error_type) == (401, "security_exception")
        assert answer.headers["WWW-Authenticate"] == "ApiKey"
    refused = await api.api.admit(Request("POST", "/_bulk", headers={"authorization": "wrong"}))
    assert refused is not None
    assert refused.status == 401
    assert await api.api.admit(Request("POST", "/_bulk")) is None


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({"content-type": "application/json"}, 201, None),
        ({"content-type": "application/json; charset=UTF-8"}, 201, None),
        ({"content-type": "application/vnd.elasticsearch+json;compatible-with=8"}, 201, None),
        ({"content-type": "text/plain"}, 406, "Content-Type header [text/plain] is not supported"),
        (
            {"content-type": "application/x-ndjson"},
            406,
            "Content-Type header [application/x-ndjson] is not supported",
        ),
        ({"content-type": "application/vnd.elasticsearch+json;compatible-with=7"}, 400, None),
        ({"content-type": "application/json", "accept": "application/cbor"}, 406, None),
    ],
)
async def test_content_types(
    api: DataApiClient, headers: dict[str, str], status: int, error: str | None
) -> None:
    """JSON is taken, versioned or not; a refusal comes before anything is written."""
    answer = await api("PUT", "/logs/_doc/1", b'{"a":1}', headers)
    assert answer.status == status
    assert bool(api.engine.indices()) is (status == 201)
    if error is not None:
        assert answer.json == {"error": error, "status": 406}


async def test_a_body_without_a_content_type(api: DataApiClient) -> None:
    """It is said what is missing."""
    response = await api.api.handle(Request("PUT", "/logs/_doc/1", body=b"{}"))
    assert (response.status, response.body) == (
        406,
        b'{"error":"Content-Type header is missing","status":406}',
    )


async def test_answers_in_the_version_asked_for(api: DataApiClient) -> None:
    """Also errors."""
    accept = {"accept": "application/vnd.elasticsearch+json; compatible-with=8"}
    for target in ("/", "/none"):
        answer = await api("GET", target, headers=accept)
        assert answer.content_type == "application/vnd.elasticsearch+json;compatible-with=8"


async def test_the_form_of_an_answer(api: DataApiClient) -> None:
    """Pretty, filtered, and with the caller's own id."""
    answer = await api("GET", "/?pretty&filter_path=version.number,tagline", headers={"x-opaque-id": "mine"})
    assert re.fullmatch(
        rb'\{\n  "version" : \{\n    "number" : "[^"]+"\n  \},\n  "tagline" : "You Know, for Search"\n\}\n',
        answer.text,
    )
    assert answer.headers["X-Opaque-Id"] == "mine"
    assert (await api("GET", "/?pretty=false")).text.startswith(b'{"name"')
    assert (await api("GET", "/none?filter_path=nothing")).error_type == "index_not_found_exception"
    assert (await api("GET", "/?format=yaml")).status == 406


async def test_only_reading_stops_when_its_caller_goes(api: DataApiClient) -> None:
    """A write is finished in any case."""
    abandoned = api.api.may_be_abandoned
    assert [abandoned("GET", "/"), abandoned("POST", "/a/_search"), abandoned("POST", "/_count/")] == [
        True
    ] * 3
    assert [abandoned("POST", "/_bulk"), abandoned("PUT", "/a"), abandoned("POST", "/a/_doc")] == [False] * 3


def test_reports_become_failures() -> None:
    """Kind, type, reason, cause and metadata survive; what is unknown counts as internal."""
    cause = FailureReport(kind="NOT_FOUND", error_type="inner", reason="i", fault="remote")
    failure = failure_of(
        FailureReport(
            kind="CONFLICT", error_type="outer", reason="o", metadata={"index": "x"}, caused_by=cause
        )
    )
    assert (failure.kind, failure.error_type, failure.metadata) == (
        FailureKind.CONFLICT,
        "outer",
        {"index": "x"},
    )
    assert failure.caused_by is not None
    assert failure.caused_by.kind is FailureKind.NOT_FOUND
    assert (
        failure_of(FailureReport(kind="NEW", error_type="t", reason="r", fault="odd")).kind
        is FailureKind.INTERNAL
    )


def test_every_kind_has_a_status() -> None:
    """No failure is without an answer."""
    assert set(STATUS_OF_KIND) == set(FailureKind)
    assert isinstance(Failure(FailureKind.INTERNAL, "t", "r"), Exception)


SEGMENTS = [
    "_doc",
    "_create",
    "_source",
    "_update",
    "_mget",
    "_bulk",
    "_refresh",
    "_flush",
    "_forcemerge",
    "_mapping",
    "_settings",
    "field",
    "_alias",
    "_aliases",
    "_stats",
    "_cat",
    "_cluster",
    "_nodes",
    "indices",
    "health",
    "count",
    "aliases",
    "stats",
    "docs",
    "http",
    "_close",
    "_all",
    "*",
    "logs",
    "lo*",
    "-logs",
    ".hidden",
    "%00",
    "%ff",
    "%2f",
    "%F0%9F%92%A9",
    "Logs",
    "<x-{now/d}>",
    "<x",
    "a:b",
    "logs,none",
    ".",
    "..",
    "1",
]
PARAMETERS = [
    "refresh",
    "pretty",
    "filter_path",
    "format",
    "v",
    "h",
    "s",
    "help",
    "bytes",
    "op_type",
    "version",
    "version_type",
    "if_seq_no",
    "if_primary_term",
    "level",
    "timeout",
    "wait_for_status",
    "_source",
    "expand_wildcards",
    "ignore_unavailable",
    "require_alias",
    "realtime",
    "odd",
    "routing",
]
VALUES = [
    "",
    "true",
    "false",
    "1",
    "-1",
    "1s",
    "x",
    "**",
    "json",
    "external",
    "99999999999999999999",
    "é",
    "open",
]
MEMBERS = [
    "a",
    "settings",
    "mappings",
    "aliases",
    "properties",
    "index",
    "_id",
    "_index",
    "docs",
    "ids",
    "doc",
    "upsert",
    "actions",
    "add",
    "remove",
    "_source",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text("a_é*\x00", max_size=4)
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)


def _body(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a number beyond 64 bits
        return repr(value).replace("'", '"').encode()


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]),
    segments=st.lists(st.sampled_from(SEGMENTS) | st.text('ab\\"{}', max_size=3), max_size=4),
    parameters=st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(VALUES), max_size=2),
    body=st.none() | JSON_VALUES.map(_body) | st.binary(max_size=12),
    headers=st.sampled_from(
        [{}, {"accept": "application/vnd.elasticsearch+json;compatible-with=9"}, {"accept": "x;y"}]
    ),
)
async def test_no_request_makes_a_500(
    method: str, segments: list[str], parameters: dict[str, str], body: bytes | None, headers: dict[str, str]
) -> None:
    """Whatever is asked, the answer is an answer."""
    api = DataApiClient(destructive_requires_name=False)
    await api("PUT", "/logs/_doc/1?refresh", {"a": 1})
    await api("PUT", "/logs/_alias/named", {})
    sent = {"content-type": "application/json"} if body else {}
    try:
        response = await api.api.handle(
            Request(method, "/" + "/".join(segments), parameters, {**sent, **headers}, body or b"")
        )
    except Failure as failure:  # nothing may get out
        raise AssertionError(failure.reason) from failure
    assert response.status < 500
    assert ("X-elastic-product", "Elasticsearch") in response.headers
    assert isinstance(response.body, bytes)
    if response.content_type.startswith("application/") and response.body:
        orjson.loads(response.body)

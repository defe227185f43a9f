"""Requests that are too large, broken, or too many: clear answers, and a server that stays well."""

from __future__ import annotations

import gzip
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from environments_corpus import Corpus
from environments_support import RawAnswer, Side, remote_port_status, until

from isthmus.sandbox import trust

_JSON = {"Content-Type": "application/json"}
_NDJSON = {"Content-Type": "application/x-ndjson"}
_MEBIBYTE = 1024 * 1024


@pytest.fixture
def name(local: Side) -> Iterator[str]:
    """Answer the name of an index that is removed after the test."""
    name = f"bodies-{uuid.uuid4().hex[:8]}"
    yield name
    local.client.call("DELETE", f"/{name}?ignore_unavailable=true")


def _resident_mebibytes(side: Side) -> float:
    status = Path(f"/proc/{side.node_process_id()}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def _is_well(side: Side) -> bool:
    return bool(side.client.call("GET", "/_cluster/health")["status"] != "red")


def _refused(answer: RawAnswer, *statuses: int) -> str:
    """Check that the answer is an error in Elasticsearch's form; answer its reason."""
    assert answer.status in (statuses or (400,)), answer.body[:500]
    assert answer.headers["content-type"].startswith("application/json")
    return str(answer.error()["reason"])


def test_a_bulk_of_nearly_100_megabytes(local: Side, name: str) -> None:
    """It is taken, every document is there, and the memory comes back."""
    process = local.node_process_id()
    local.client.call(
        "PUT",
        f"/{name}",
        {"mappings": {"properties": {"blob": {"type": "keyword", "index": False, "doc_values": False}}}},
    )
    before = _resident_mebibytes(local)
    line = b'{"index":{}}\n{"blob":"' + b"x" * 100_000 + b'"}\n'
    count = 99 * _MEBIBYTE // len(line)
    answer = local.request("POST", f"/{name}/_bulk?refresh=true", line * count, _NDJSON)
    assert answer.status == 200
    assert json.loads(answer.body)["errors"] is False
    assert local.client.call("GET", f"/{name}/_count")["count"] == count
    until(lambda: _resident_mebibytes(local) < before + 200, "the memory to come back")
    assert local.node_process_id() == process


def test_a_body_over_the_limit(local: Side, name: str) -> None:
    """It is a 413 that names the limit, whoever sends it to whatever, and the server stays well."""
    before = _resident_mebibytes(local)
    body = b'{"index":{}}\n{"a":"' + b"x" * (101 * _MEBIBYTE) + b'"}\n'
    for path in (f"/{name}/_bulk", f"/{name}/_doc", f"/{name}/_search", "/_cluster/settings"):
        method = "PUT" if path == "/_cluster/settings" else "POST"
        answer = local.request(method, path, body, _NDJSON if path.endswith("bulk") else _JSON)
        assert "http.max_content_length" in _refused(answer, 413)
    assert _is_well(local)
    until(lambda: _resident_mebibytes(local) < before + 100, "the memory to come back")


def test_a_small_body_that_unpacks_to_a_large_one(local: Side, name: str) -> None:
    """A compressed body counts as what it unpacks to."""
    packed = gzip.compress(b'{"index":{}}\n{"a":"' + b"x" * (150 * _MEBIBYTE) + b'"}\n', 1)
    assert len(packed) < 2 * _MEBIBYTE
    answer = local.request("POST", f"/{name}/_bulk", packed, {**_NDJSON, "Content-Encoding": "gzip"})
    _refused(answer, 413)
    answer = local.request("POST", f"/{name}/_bulk", b"not gzip", {**_NDJSON, "Content-Encoding": "gzip"})
    _refused(answer)
    assert _is_well(local)


_BODY_PATHS = [
    ("POST", "/{name}/_search"),
    ("POST", "/{name},{alias}:{name}/_search"),
    ("POST", "/{name}/_count"),
    ("POST", "/{name}/_doc"),
    ("POST", "/{name}/_update/1"),
    ("PUT", "/{name}"),
    ("PUT", "/{name}/_mapping"),
    ("PUT", "/{name}/_settings"),
    ("POST", "/{name}/_mget"),
    ("PUT", "/_cluster/settings"),
    ("POST", "/_aliases"),
    ("POST", "/_security/api_key"),
    ("POST", "/_security/cross_cluster/api_key"),
    ("PUT", "/_security/role/some-role"),
    ("PUT", "/_security/user/some-user"),
]
_BROKEN = {
    "cut off": b'{"query":{"match_all":{}',
    "not JSON": b"<query/>",
    "two values": b"{} {}",
    "trailing comma": b'{"a":1,}',
    "a bare word": b"{a:1}",
    "not a number": b'{"size":NaN}',
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "invalid UTF-8 in a name": b'{"\xc3\x28":1}',
    "half a surrogate": b'{"a":"\\ud800"}',
    "a null byte": b'{"a":"\x00"}',
    "nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "open 100,000 deep": b'{"query":{"bool":{"must":[' * 25_000,
    "a number of 100,000 digits": b'{"size":' + b"9" * 100_000 + b"}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a list": b"[1,2]",
    "a string": b'"text"',
}


@pytest.mark.parametrize("broken", _BROKEN.values(), ids=_BROKEN)
def test_broken_bodies_are_bad_requests(local: Side, remote: Side, name: str, broken: bytes) -> None:
    """On every API that takes a body: a 400 with a reason, at once, and nothing is done."""
    local.client.call("PUT", f"/{name}")
    for method, path in _BODY_PATHS:
        target = path.format(
            name=name if (method, path) != ("PUT", "/{name}") else f"{name}-new", alias=remote.alias
        )
        answer = local.request(method, target, broken, _JSON)
        assert 400 <= answer.status < 500, (method, path, answer.status, answer.body[:500])
        assert answer.error()["reason"]
    assert json.loads(local.request("GET", f"/{name}/_count").body)["count"] == 0
    assert local.request("HEAD", f"/{name}-new").status == 404
    assert _is_well(local)


@pytest.mark.parametrize("broken", _BROKEN.values(), ids=_BROKEN)
def test_broken_lines_harm_no_others(local: Side, name: str, broken: bytes) -> None:
    """In a bulk a broken document is an item's error or refuses the request; the server stays well."""
    if b"\n" in broken:
        pytest.skip("would be several lines")
    body = b'{"index":{"_id":"1"}}\n' + broken + b'\n{"index":{"_id":"2"}}\n{"a":2}\n'
    answer = local.request("POST", f"/{name}/_bulk?refresh=true", body, _NDJSON)
    assert answer.status in (200, 400), answer.body[:500]
    if answer.status == 200:
        items = json.loads(answer.body)["items"]
        assert [item["index"]["status"] for item in items] == [400, 201]
    else:
        assert answer.error()["reason"]
    assert _is_well(local)


def test_queries_that_nest_too_deep(local: Side, remote: Side, name: str) -> None:
    """Well-formed and absurdly deep: refused here and over there, without harm."""
    local.client.call("PUT", f"/{name}")
    for depth in (200, 5_000):
        query = b'{"query":' + b'{"bool":{"must":' * depth + b'{"match_all":{}}' + b"}}" * depth + b"}"
        aggregations = b'{"size":0,"aggs":' + b'{"a":{"filter":{"match_all":{}},"aggs":' * depth
        aggregations += b'{"b":{"sum":{"field":"n"}}}' + b"}}" * depth + b"}"
        for body in (query, aggregations):
            for where in (name, f"{name},{remote.alias}:*"):
                _refused(local.request("POST", f"/{where}/_search", body, _JSON))
    assert _is_well(local)
    assert _is_well(remote)


@pytest.mark.parametrize(
    "path",
    [
        "/%ff%fe/_search",
        "/a%00b/_search",
        "/%c3%28/_doc/1",
        "/index/_doc/%ff",
        "/_search?q=%ff",
        "/_search?size=%ff%fe",
        "/_search?%ff=1",
        "/%",
        "/%zz/_search",
        "/index/_doc/%ed%a0%80",
        "/../../etc/passwd",
        "/_cat/indices?format=%ff",
        "/" + "a" * 3_000 + "/_search",
        "/_search?" + "a=1&" * 500,
    ],
)
def test_broken_paths_and_queries(local: Side, path: str) -> None:
    """A 4xx with a reason, never more."""
    answer = local.request("GET", path)
    assert 400 <= answer.status < 500, (answer.status, answer.body[:300])
    assert b'"' in answer.body
    assert _is_well(local)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * 20_000},
        {f"X-Header-{number}": "x" * 60 for number in range(90)} | {"X-Last": "x" * 12_000},
        {"X-Opaque-Id": "x" * 8_100},
        {"X-Opaque-Id": "a\u00ff\u00fe"},
        {"Accept": "nonsense"},
        {"Content-Type": "text/nonsense"},
        {"Content-Type": "application/json; charset=nonsense"},
        {"Content-Encoding": "nonsense"},
        {"Expect": "nonsense"},
        {"es-security-runas-user": "nobody"},
    ],
    ids=str,
)
def test_odd_headers(local: Side, headers: dict[str, str]) -> None:
    """They are taken, or refused with a 4xx."""
    answer = local.request("POST", "/_search?size=0", b"{}", {**_JSON, **headers})
    assert answer.status < 500, (answer.status, answer.body[:300])
    assert _is_well(local)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "ApiKey",
        "ApiKey /w==",
        "Bearer x",
        "Nonsense x",
        "Basic " + "A" * 9000,
    ],
)
def test_odd_credentials(local: Side, authorization: str) -> None:
    """They are a 401, all the same."""
    answer = local.request("GET", "/", headers={"Authorization": authorization})
    assert answer.status == 401
    assert answer.error()["type"] == "security_exception"


@pytest.mark.parametrize("action", ["handshake", "ping", "search", "count", "resolve", "nonsense"])
def test_broken_bodies_between_clusters(remote: Side, action: str) -> None:
    """The remote cluster server refuses what it cannot read or is too much, with and without a key."""
    key = trust.create_cross_cluster_key(remote.client, "for-broken-bodies")
    for authorization, statuses in ((f"ApiKey {key}", {400, 403, 413}), ("ApiKey bm90OmE=", {401, 413})):
        for body in (b"\xc1\xff", b"{}", b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff", b"x" * (17 * _MEBIBYTE)):
            status = remote_port_status(remote.deployment, f"/_isthmus/v1/{action}", authorization, body)
            if action == "ping" and len(body) < _MEBIBYTE and status == 200:
                continue  # a ping's body says nothing
            assert status in statuses, body[:20]
    assert _is_well(remote)


def test_200_searches_at_once(corpus: Corpus, local: Side) -> None:
    """Two hundred connections search both sides at the same moment; every answer is whole and right."""
    body = {
        "size": 7,
        "query": {"term": {"in_print": True}},
        "sort": [{"pages": "desc"}, {"rank": "asc"}],
        "aggs": {"genres": {"terms": {"field": "genre"}, "aggs": {"pages": {"sum": {"field": "pages"}}}}},
    }
    expected = corpus.search(corpus.whole, body)
    together = threading.Barrier(200)

    def search(_number: int) -> Any:
        client = local.another_client()
        client.call("GET", "/")
        together.wait(60)
        answers = [client.call("POST", f"/{corpus.split}/_search", body) for _ in range(2)]
        client.close()
        return answers

    with ThreadPoolExecutor(200) as executor:
        answers = [answer for both in executor.map(search, range(200)) for answer in both]
    assert len(answers) == 400
    for answer in answers:
        assert answer["_clusters"]["successful"] == 2
        assert answer["aggregations"] == expected["aggregations"]
        assert answer["hits"]["total"] == expected["hits"]["total"]
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == [
            hit["_id"] for hit in expected["hits"]["hits"]
        ]

"""The tables of ``_cat``."""

from __future__ import annotations

import re

import pytest
from data_api_client import DataApiClient

from isthmus.errors import Failure
from isthmus.rest.elasticsearch.cat_table import Column, Table, rendered, size_text

TABLE = Table(
    (
        Column("name", ("n",), "what it is called"),
        Column("size", ("s",), "how large it is", right=True, is_size=True),
        Column("more", (), "shown when asked for", shown=False),
    ),
    (
        {"name": "bb", "size": 2048, "more": 1},
        {"name": "a", "size": None, "more": 2},
        {"name": "ccc", "size": 5, "more": 1},
    ),
)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "bb  2kb\na      \nccc  5b\n"),
        ({"v": ""}, "name size\nbb    2kb\na        \nccc    5b\n"),
        ({"h": "s,n", "v": "true"}, "  s n\n2kb bb\n    a\n 5b ccc\n"),
        ({"h": "n", "s": "size:desc"}, "bb\nccc\na\n"),
        ({"h": "n", "s": "more,name:desc"}, "ccc\nbb\na\n"),
        ({"h": "n*,more"}, "bb  1\na   2\nccc 1\n"),
        ({"h": "size", "bytes": "b"}, "2048\n    \n   5\n"),
        ({"h": "size", "bytes": "kb"}, "2\n \n0\n"),
        (
            {"help": ""},
            (
                "name | n | what it is called   \n"
                "size | s | how large it is     \n"
                "more | - | shown when asked for\n"
            ),
        ),
    ],
)
def test_tables_as_text(parameters: dict[str, str], text: str) -> None:
    """Header, chosen columns, order, units and help."""
    response = rendered(TABLE, parameters)
    assert response.body == text.encode()
    assert response.content_type == "text/plain; charset=UTF-8"


def test_tables_as_json() -> None:
    """By parameter or by ``Accept``; a column asked for by another name is called so."""
    expected = b'[{"n":"bb","size":"2kb"},{"n":"a","size":null},{"n":"ccc","size":"5b"}]'
    for parameters, accept in (({"format": "json"}, ""), ({}, "application/json; charset=utf-8")):
        response = rendered(TABLE, {"h": "n,size", **parameters}, accept)
        assert (response.body, response.content_type) == (expected, "application/json")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"h": "odd"}, "unknown column [odd], known are [name, size, more]"),
        ({"s": "odd"}, "Unable to sort by unknown sort key `odd`, known are [name, size, more]"),
        ({"s": "name:up"}, "unknown order [up] in [s], known are [asc, desc]"),
        ({"bytes": "k"}, "unknown unit [k] in [bytes], known are [b, kb, mb, gb, tb, pb]"),
        ({"v": "yes"}, "Failed to parse value [yes] as only [true] or [false] are allowed."),
        ({"format": "yaml"}, "answers in format [yaml] are not supported, only in [text, json]"),
    ],
)
def test_refusals(parameters: dict[str, str], reason: str) -> None:
    """What is not known is named."""
    with pytest.raises(Failure) as caught:
        rendered(TABLE, parameters)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0b"),
        (1023, "1023b"),
        (1024, "1kb"),
        (1279, "1.2kb"),
        (10 * 1024**2, "10mb"),
        (3 * 1024**6, "3072pb"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    """One decimal, cut off."""
    assert size_text(size_bytes) == text


async def test_indices() -> None:
    """One row an index, also by wildcard and health."""
    api = DataApiClient()
    assert (await api("GET", "/_cat/indices")).text == b""
    await api("PUT", "/green", {"settings": {"number_of_replicas": 0}})
    await api("PUT", "/yellow/_doc/1?refresh", {})
    lines = (await api("GET", "/_cat/indices?s=index")).text.decode().splitlines()
    assert re.fullmatch(r"green  open green  \S{22} 1 0 0 0 1\.2kb 1\.2kb 1\.2kb", lines[0])
    assert re.fullmatch(r"yellow open yellow \S{22} 1 1 1 0 1\.2kb 1\.2kb 1\.2kb", lines[1])
    assert (await api("GET", "/_cat/indices/y*?h=i,cds")).text == b"yellow 2023-11-14T22:13:20.000Z\n"
    assert (await api("GET", "/_cat/indices?health=green&h=i")).text == b"green\n"
    assert (await api("GET", "/_cat/indices?health=blue")).status == 400
    assert (await api("GET", "/_cat/indices/none")).status == 404
    as_json = await api("GET", "/_cat/indices?format=json&filter_path=index&s=i")
    assert as_json.json == [{"index": "green"}, {"index": "yellow"}]


async def test_health_count_and_aliases() -> None:
    """The other tables, with their help."""
    api = DataApiClient()
    await api("PUT", "/logs", {"aliases": {"all": {"is_write_index": True, "filter": {"term": {"a": 1}}}}})
    health = (await api("GET", "/_cat/health")).text.decode()
    assert re.fullmatch(r"1700000000 22:13:20 fake yellow 1 1 1 1 0 0 1 0 0 - 50\.0%\n", health)
    assert (await api("GET", "/_cat/health?ts=false&h=cluster,st")).text == b"fake yellow\n"
    assert (await api("GET", "/_cat/count/logs")).text == b"1700000000 22:13:20 0\n"
    assert (await api("GET", "/_cat/aliases")).text == b"all logs * - - true\n"
    assert (await api("GET", "/_cat/aliases/none")).text == b""
    for table in ("indices", "health", "count", "aliases"):
        assert b" | " in (await api("GET", f"/_cat/{table}?help")).text
    assert (await api("GET", "/_cat")).text.startswith(b"=^.^=\n")

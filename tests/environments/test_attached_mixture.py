"""Searches over our own engine and over two servers that imitate Elasticsearch and OpenSearch."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attached_environments import AttachedTo, attached_environments
from environments_support import Side, attempt, put_documents, until

from isthmus.sandbox.client import JsonClient

MAPPINGS: Final = {
    "properties": {"number": {"type": "integer"}, "side": {"type": "keyword"}, "at": {"type": "date"}}
}
EACH: Final = 12


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _program(name: str) -> str:
    """Answer the path of a program that a package of the tests brings along.

    Not of the script that starts it: a script that is ended leaves the program behind.
    """
    if name == "osmem-server":
        import osmem_server

        return osmem_server.resolve_binary()
    import noida_db

    return str(Path(noida_db.__file__).with_name(name))


@contextmanager
def _server(command: list[str], port: int) -> Iterator[str]:
    """Run a server until the end; its standard input stays open for as long."""
    process = subprocess.Popen(  # noqa: S603 - a package of the tests
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        client = JsonClient.for_url(url, "nobody", "nothing", None)
        until(lambda: _answers(client), f"{command[0]} to answer")
        client.close()
        yield url
    finally:
        process.terminate()
        process.wait(20)
        if process.stdin is not None:
            process.stdin.close()


def _answers(client: JsonClient) -> bool:
    try:
        return bool(client.call("GET", "/"))
    except OSError:
        client.close()
        return False


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Side]]:
    """Run three deployments with twelve documents in ``items`` each; ``whole`` on the first holds all."""
    noida_port, osmem_port = _free_port(), _free_port()
    with ExitStack() as stack:
        folder = str(tmp_path_factory.mktemp("noida"))
        options = ["--only", "elasticsearch", "--elasticsearch-port", str(noida_port), "--data-dir", folder]
        noida = stack.enter_context(_server([_program("noida-db"), "start", *options], noida_port))
        address = ["--addr", f"127.0.0.1:{osmem_port}"]
        osmem = stack.enter_context(_server([_program("osmem-server"), *address], osmem_port))
        engines = [None, AttachedTo(noida, "compatible", "8.15.3"), AttachedTo(osmem, "compatible", "3.8.0")]
        sides = stack.enter_context(attached_environments(engines))
        everything: dict[str, dict[str, Any]] = {}
        for place, side in enumerate(sides):
            found = {
                str(number): {"number": number % 7, "side": side.alias, "at": f"2024-{number % 12 + 1:02}-03"}
                for number in range(place * EACH, place * EACH + EACH)
            }
            everything |= found
            side.client.call("PUT", "/items", {"mappings": MAPPINGS})
            put_documents(side.client, "items", found)
        sides[0].client.call("PUT", "/whole", {"mappings": MAPPINGS})
        put_documents(sides[0].client, "whole", everything)
        yield sides


@pytest.fixture(scope="module")
def items(sides: list[Side]) -> str:
    """Answer what names the documents of all sides."""
    return ",".join(["items", *(f"{side.alias}:items" for side in sides[1:])])


def test_hits_of_all_engines_come_in_order(sides: list[Side], items: str) -> None:
    """As of one index that holds everything."""
    body = {
        "size": 50,
        "sort": [{"number": "desc"}, {"at": "asc"}, {"side": "asc"}],
        "query": {"match_all": {}},
    }
    over_all, of_one = (sides[0].client.call("POST", f"/{each}/_search", body) for each in (items, "whole"))
    assert over_all["_clusters"]["successful"] == 3
    assert over_all["hits"]["total"] == of_one["hits"]["total"] == {"value": 3 * EACH, "relation": "eq"}
    shown = [
        [(hit["_id"], hit["sort"], hit["_source"]) for hit in each["hits"]["hits"]]
        for each in (over_all, of_one)
    ]
    assert shown[0] == shown[1]


def test_aggregations_of_all_engines_are_those_of_one_index(sides: list[Side], items: str) -> None:
    """Sums, sets and distributions agree to the digit, inside of buckets too."""
    aggregations = {
        "sides": {
            "terms": {"field": "side"},
            "aggs": {
                "average": {"avg": {"field": "number"}},
                "different": {"cardinality": {"field": "number"}},
            },
        },
        "percentiles": {"percentiles": {"field": "number"}},
        "months": {"date_histogram": {"field": "at", "calendar_interval": "month"}},
        "ranges": {"range": {"field": "number", "ranges": [{"to": 3}, {"from": 3}]}},
    }
    body = {"size": 0, "aggs": aggregations}
    over_all, of_one = (sides[0].client.call("POST", f"/{each}/_search", body) for each in (items, "whole"))
    assert over_all["aggregations"] == of_one["aggregations"]


def test_questions_about_indices_are_answered_over_all_engines(sides: list[Side], items: str) -> None:
    """Fields, names and counts."""
    client = sides[0].client
    fields = client.call("GET", f"/{items}/_field_caps?fields=number")
    assert fields["fields"]["number"]["integer"]["type"] == "integer"
    assert len(fields["indices"]) == 3
    assert len(client.call("GET", f"/_resolve/index/{items}")["indices"]) == 3
    assert client.call("POST", f"/{items}/_count", {"query": {"term": {"number": 3}}})["count"] == 5


def test_documents_are_written_read_and_removed(sides: list[Side]) -> None:
    """On each engine, and an index that another client makes there is found."""
    for side in sides:
        assert side.client.call("PUT", "/others/_doc/1?refresh=true", {"a": 1})["result"] == "created"
        assert side.client.call("GET", "/others/_doc/1")["_source"] == {"a": 1}
        assert attempt(side.client, "PUT", "/others/_create/1", {"a": 1})[0] == 409
        assert side.client.call("DELETE", "/others/_doc/1")["result"] == "deleted"
        side.client.call("DELETE", "/others")
        assert attempt(side.client, "GET", "/others/_search")[0] == 404


def test_views_are_refused_by_name(sides: list[Side], items: str) -> None:
    """A server that only imitates an engine is not trusted to hold documents as they were."""
    status, answer = attempt(sides[1].client, "POST", "/items/_pit?keep_alive=1m")
    assert status == 400
    assert "it has no points in time" in answer["error"]["reason"]
    assert attempt(sides[0].client, "POST", "/items/_pit?keep_alive=1m")[0] == 200
    assert items

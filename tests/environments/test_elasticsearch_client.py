"""The official client, unmodified, against a deployment in a process of its own, over TLS."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import ApiError, BadRequestError, ConflictError, Elasticsearch, NotFoundError, helpers

pytestmark = pytest.mark.environments


@pytest.fixture(scope="module")
def deployment() -> Iterator[dict[str, Any]]:
    """Start one environment with one deployment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "sandbox", "--environments", "1", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the sandbox ended with status {process.wait(10)}"
    yield json.loads(line)["environments"][0]["deployments"][0]
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def client(deployment: dict[str, Any]) -> Iterator[Elasticsearch]:
    """Make a client that checks the certificate."""
    with Elasticsearch(
        deployment["url"],
        basic_auth=(deployment["username"], deployment["password"]),
        ca_certs=deployment["ca"],
    ) as made:
        yield made


def test_the_client_recognises_the_server(client: Elasticsearch) -> None:
    """Product and version are accepted."""
    assert client.ping()
    assert client.info()["tagline"] == "You Know, for Search"


def test_documents(client: Elasticsearch) -> None:
    """Index, get, update, delete, with the client's own exceptions for what fails."""
    assert (
        client.index(index="books", id="1", document={"title": "Isthmus", "pages": 12})["result"] == "created"
    )
    assert client.get(index="books", id="1")["_source"] == {"title": "Isthmus", "pages": 12}
    assert client.exists(index="books", id="1")
    assert not client.exists(index="books", id="2")
    with pytest.raises(ConflictError):
        client.create(index="books", id="1", document={})
    assert (
        client.update(index="books", id="1", doc={"pages": 13}, source=True)["get"]["_source"]["pages"] == 13
    )
    with pytest.raises(NotFoundError):
        client.get(index="books", id="2")
    with pytest.raises(NotFoundError):
        client.get(index="none", id="1")
    assert client.mget(index="books", ids=["1", "2"])["docs"][1]["found"] is False
    assert client.delete(index="books", id="1")["result"] == "deleted"


def test_bulk_and_reading_everything_back(client: Elasticsearch) -> None:
    """``helpers.bulk`` in several requests, then every document by ``search_after``."""
    actions = ({"_index": "numbers", "_id": str(number), "n": number} for number in range(1200))
    written, errors = helpers.bulk(client, actions, chunk_size=250, refresh="wait_for")
    assert (written, errors) == (1200, [])
    assert client.count(index="numbers")["count"] == 1200
    seen: list[int] = []
    after: list[Any] | None = None
    while page := client.search(index="numbers", size=500, sort=[{"n": "asc"}], search_after=after)["hits"][
        "hits"
    ]:
        seen += [hit["_source"]["n"] for hit in page]
        after = page[-1]["sort"]
    assert seen == list(range(1200))


def test_bulk_reports_the_items_that_failed(client: Elasticsearch) -> None:
    """One bad item is an error of its own."""
    actions = [
        {"_op_type": "create", "_index": "numbers-2", "_id": "1", "n": 1},
        {"_op_type": "create", "_index": "numbers-2", "_id": "1", "n": 2},
        {"_op_type": "delete", "_index": "numbers-2", "_id": "9"},
    ]
    written, errors = helpers.bulk(client, actions, raise_on_error=False)
    assert written == 1
    assert isinstance(errors, list)
    assert [next(iter(error.values()))["status"] for error in errors] == [409, 404]


def test_indices(client: Elasticsearch) -> None:
    """Create, describe, change and remove an index."""
    client.indices.create(
        index="shelf",
        settings={"number_of_replicas": 0},
        mappings={"properties": {"name": {"type": "keyword"}}},
        aliases={"furniture": {}},
    )
    with pytest.raises(BadRequestError) as caught:
        client.indices.create(index="shelf")
    assert caught.value.error == "resource_already_exists_exception"
    assert client.indices.exists(index="furniture")
    client.indices.put_mapping(index="shelf", properties={"height": {"type": "integer"}})
    properties = client.indices.get_mapping(index="shelf")["shelf"]["mappings"]["properties"]
    assert properties == {"name": {"type": "keyword"}, "height": {"type": "integer"}}
    client.indices.put_settings(index="shelf", settings={"refresh_interval": "5s"})
    assert (
        client.indices.get_settings(index="shelf")["shelf"]["settings"]["index"]["refresh_interval"] == "5s"
    )
    client.indices.update_aliases(actions=[{"remove": {"index": "shelf", "alias": "furniture"}}])
    assert not client.indices.exists_alias(name="furniture")
    assert client.cat.indices(index="shelf", format="json", h="index,health").body == [
        {"index": "shelf", "health": "green"}
    ]
    assert client.cluster.health(index="shelf", wait_for_status="green")["timed_out"] is False
    client.indices.delete(index="shelf")
    assert not client.indices.exists(index="shelf")
    with pytest.raises(BadRequestError):
        client.indices.delete(index="*")


def test_what_is_not_supported_is_named(client: Elasticsearch) -> None:
    """A request that the deployment cannot serve says so."""
    with pytest.raises(ApiError) as caught:
        client.indices.close(index="numbers")
    assert "[_close] is not supported" in str(caught.value)


@pytest.mark.parametrize("major", [8, 9])
def test_clients_of_both_versions_are_answered_in_kind(deployment: dict[str, Any], major: int) -> None:
    """The headers that the client of each major version sends."""
    media_type = f"application/vnd.elasticsearch+json; compatible-with={major}"
    context = ssl.create_default_context(cafile=deployment["ca"])
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(
        None, deployment["url"], deployment["username"], deployment["password"], is_authenticated=True
    )
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.HTTPBasicAuthHandler(passwords)
    )
    request = urllib.request.Request(  # noqa: S310 - https, from the sandbox
        f"{deployment['url']}/versions-{major}/_doc/1",
        data=b'{"a":1}',
        headers={"Content-Type": media_type, "Accept": media_type},
        method="PUT",
    )
    with opener.open(request, timeout=20) as answer:
        assert answer.status == 201
        assert answer.headers["Content-Type"] == f"application/vnd.elasticsearch+json;compatible-with={major}"
        assert answer.headers["X-elastic-product"] == "Elasticsearch"

"""The official client, unmodified, against a deployment in a process of its own, over TLS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch_clients import HELPERS, LIBRARY, client_options
from environments_support import Side


@pytest.fixture(scope="module")
def client(local: Side) -> Iterator[Any]:
    """Make a client that checks the certificate."""
    with LIBRARY.Elasticsearch(**client_options(local)) as made:
        yield made


@pytest.fixture
def name(client: Any) -> Iterator[str]:
    """Answer a name for indices that are removed after the test."""
    name = f"client-{uuid.uuid4().hex[:8]}"
    yield name
    made = client.indices.get(index=f"{name}*")
    if made:
        client.indices.delete(index=",".join(made))


def test_the_client_recognises_the_server(client: Any) -> None:
    """Product and version are accepted."""
    assert client.ping()
    assert client.info()["tagline"] == "You Know, for Search"
    assert client.info()["version"]["build_flavor"] == "default"


def test_documents(client: Any, name: str) -> None:
    """Index, get, update, delete, with the client's own exceptions for what fails."""
    created = client.index(index=name, id="1", document={"title": "Isthmus", "pages": 12})
    assert created["result"] == "created"
    assert client.get(index=name, id="1")["_source"] == {"title": "Isthmus", "pages": 12}
    assert client.exists(index=name, id="1")
    assert not client.exists(index=name, id="2")
    with pytest.raises(LIBRARY.ConflictError):
        client.create(index=name, id="1", document={})
    with pytest.raises(LIBRARY.ConflictError) as conflict:
        client.index(index=name, id="1", document={}, if_seq_no=7, if_primary_term=1)
    assert conflict.value.error == "version_conflict_engine_exception"
    updated = client.update(index=name, id="1", doc={"pages": 13}, source=True)
    assert updated["get"]["_source"]["pages"] == 13
    with pytest.raises(LIBRARY.NotFoundError):
        client.get(index=name, id="2")
    with pytest.raises(LIBRARY.NotFoundError) as missing:
        client.get(index=f"{name}-none", id="1")
    assert missing.value.error == "index_not_found_exception"
    assert client.mget(index=name, ids=["1", "2"])["docs"][1]["found"] is False
    assert client.delete(index=name, id="1")["result"] == "deleted"
    with pytest.raises(LIBRARY.NotFoundError):
        client.delete(index=name, id="1")


def test_bulk_and_reading_everything_back(client: Any, name: str) -> None:
    """``helpers.bulk`` in several requests, then every document by ``search_after``."""
    actions = ({"_index": name, "_id": str(number), "n": number} for number in range(1200))
    written, errors = HELPERS.bulk(client, actions, chunk_size=600, refresh="wait_for")
    assert (written, errors) == (1200, [])
    assert client.count(index=name)["count"] == 1200
    seen: list[int] = []
    after: list[Any] | None = None
    while page := client.search(index=name, size=500, sort=[{"n": "asc"}], search_after=after)["hits"][
        "hits"
    ]:
        seen += [hit["_source"]["n"] for hit in page]
        after = page[-1]["sort"]
    assert seen == list(range(1200))


def test_streaming_and_parallel_bulk(client: Any, name: str) -> None:
    """The generators of the helpers tell of every document."""
    streamed = HELPERS.streaming_bulk(
        client, ({"_index": name, "_id": f"s{number}", "n": number} for number in range(300)), chunk_size=40
    )
    assert sum(ok for ok, _ in streamed) == 300
    parallel = HELPERS.parallel_bulk(
        client,
        ({"_index": name, "_id": f"p{number}", "n": number} for number in range(300)),
        thread_count=3,
        chunk_size=40,
    )
    assert sum(ok for ok, _ in parallel) == 300
    client.indices.refresh(index=name)
    assert client.count(index=name)["count"] == 600


def test_bulk_reports_the_items_that_failed(client: Any, name: str) -> None:
    """One bad item is an error of its own."""
    actions = [
        {"_op_type": "create", "_index": name, "_id": "1", "n": 1},
        {"_op_type": "create", "_index": name, "_id": "1", "n": 2},
        {"_op_type": "delete", "_index": name, "_id": "9"},
    ]
    written, errors = HELPERS.bulk(client, actions, raise_on_error=False)
    assert written == 1
    assert [next(iter(error.values()))["status"] for error in errors] == [409, 404]
    with pytest.raises(HELPERS.BulkIndexError):
        HELPERS.bulk(client, actions)


def test_searches_with_aggregations(client: Any, name: str) -> None:
    """Query, source filter, sort and aggregations as the client sends them."""
    client.indices.create(
        index=name, mappings={"properties": {"kind": {"type": "keyword"}, "n": {"type": "integer"}}}
    )
    HELPERS.bulk(
        client,
        ({"_index": name, "kind": "even" if number % 2 == 0 else "odd", "n": number} for number in range(50)),
        refresh=True,
    )
    answer = client.search(
        index=name,
        query={"range": {"n": {"gte": 10}}},
        aggs={"kinds": {"terms": {"field": "kind"}, "aggs": {"mean": {"avg": {"field": "n"}}}}},
        sort=[{"n": {"order": "desc"}}],
        source=["n"],
        size=2,
        track_total_hits=True,
    )
    assert answer["hits"]["total"] == {"value": 40, "relation": "eq"}
    assert [hit["_source"] for hit in answer["hits"]["hits"]] == [{"n": 49}, {"n": 48}]
    buckets = {bucket["key"]: bucket for bucket in answer["aggregations"]["kinds"]["buckets"]}
    assert {key: (bucket["doc_count"], bucket["mean"]["value"]) for key, bucket in buckets.items()} == {
        "even": (20, 29.0),
        "odd": (20, 30.0),
    }
    first, second = client.msearch(
        searches=[{"index": name}, {"size": 0}, {"index": f"{name}-none"}, {"size": 0}]
    )["responses"]
    assert first["hits"]["total"]["value"] == 50
    assert second["status"] == 404


def test_indices(client: Any, name: str) -> None:
    """Create, describe, change and remove an index."""
    alias = f"{name}-alias"
    client.indices.create(
        index=name,
        settings={"number_of_replicas": 0},
        mappings={"properties": {"name": {"type": "keyword"}}},
        aliases={alias: {}},
    )
    with pytest.raises(LIBRARY.BadRequestError) as caught:
        client.indices.create(index=name)
    assert caught.value.error == "resource_already_exists_exception"
    assert client.indices.exists(index=alias)
    client.indices.put_mapping(index=name, properties={"height": {"type": "integer"}})
    properties = client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    assert properties == {"name": {"type": "keyword"}, "height": {"type": "integer"}}
    client.indices.put_settings(index=name, settings={"refresh_interval": "5s"})
    settings = client.indices.get_settings(index=name)[name]["settings"]["index"]
    assert settings["refresh_interval"] == "5s"
    client.indices.update_aliases(actions=[{"remove": {"index": name, "alias": alias}}])
    assert not client.indices.exists_alias(name=alias)
    client.indices.delete(index=name)
    assert not client.indices.exists(index=name)
    with pytest.raises(LIBRARY.BadRequestError):
        client.indices.delete(index="*")


def test_the_compact_tables(client: Any, name: str) -> None:
    """``_cat`` as text and as JSON, and the cluster's health."""
    client.indices.create(index=name, settings={"number_of_replicas": 0})
    assert client.cat.indices(index=name, format="json", h="index,health").body == [
        {"index": name, "health": "green"}
    ]
    assert client.cat.indices(index=name, v=True).body.split()[:3] == ["health", "status", "index"]
    assert client.cat.health(format="json").body[0]["status"] in ("green", "yellow")
    assert client.cluster.health(index=name, wait_for_status="green")["timed_out"] is False


@pytest.mark.parametrize(
    "call",
    [
        lambda client, name: client.search(index=name, query={"nonsense": {}}),
        lambda client, name: client.search(index=name, size=-2),
        lambda client, name: client.search(index=name, aggs={"a": {"nonsense": {}}}),
        lambda client, name: client.indices.create(index=name.upper()),
        lambda client, name: client.index(index=name, document={"n": "not a number"}),
    ],
)
def test_what_is_wrong_is_a_bad_request(client: Any, name: str, call: Any) -> None:
    """The client's exception for 400 names the error's type."""
    client.indices.create(index=name, mappings={"properties": {"n": {"type": "integer"}}})
    with pytest.raises(LIBRARY.BadRequestError) as caught:
        call(client, name)
    assert caught.value.status_code == 400
    assert str(caught.value.error).endswith("exception")


def test_what_is_not_supported_is_named(client: Any, name: str) -> None:
    """Reading a scroll in slices is refused by name; without them it is read."""
    client.index(index=name, id="1", document={}, refresh=True)
    with pytest.raises(LIBRARY.BadRequestError) as caught:
        list(HELPERS.scan(client, index=name, query={"slice": {"id": 0, "max": 2}}))
    assert "[slice] is not supported" in str(caught.value)
    assert [hit["_id"] for hit in HELPERS.scan(client, index=name)] == ["1"]


@pytest.mark.parametrize("verify", ["authority", "fingerprint"])
def test_the_certificate_is_checked(local: Side, remote: Side, verify: str) -> None:
    """By the authority and by its fingerprint; another environment's is refused."""
    if verify == "authority":
        right: dict[str, Any] = {}
        wrong: dict[str, Any] = {"ca_certs": remote.deployment.ca}
    else:
        right = {"ca_certs": None, "ssl_assert_fingerprint": local.fingerprint()}
        wrong = {"ca_certs": None, "ssl_assert_fingerprint": "0" * 64}
    with LIBRARY.Elasticsearch(**client_options(local, **right)) as client:
        assert client.info()["cluster_name"] == local.deployment.cluster_id
    with (
        LIBRARY.Elasticsearch(**client_options(local, max_retries=0, **wrong)) as client,
        pytest.raises((LIBRARY.SSLError, LIBRARY.ConnectionError)),
    ):
        client.info()

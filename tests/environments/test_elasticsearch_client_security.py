"""The official client's security and cross-cluster APIs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch_clients import HELPERS, LIBRARY, client_options
from environments_support import Side, until

from isthmus.sandbox import trust


@pytest.fixture(scope="module")
def client(local: Side) -> Iterator[Any]:
    """Make a client of the local side."""
    with LIBRARY.Elasticsearch(**client_options(local)) as made:
        yield made


@pytest.fixture(scope="module")
def remote_client(remote: Side) -> Iterator[Any]:
    """Make a client of the remote side."""
    with LIBRARY.Elasticsearch(**client_options(remote)) as made:
        yield made


def test_a_wrong_password_and_a_wrong_key(local: Side) -> None:
    """The client's exception for 401, and nothing of what was sent in it."""
    for wrong in (
        {"basic_auth": ("elastic", "not-the-password")},
        {"api_key": ("bm90LWFuLWlk", "not-the-secret")},
    ):
        with LIBRARY.Elasticsearch(**client_options(local, **wrong)) as client:
            with pytest.raises(LIBRARY.AuthenticationException) as caught:
                client.info()
            assert "not-the" not in str(caught.value)


def test_users_roles_and_denials(client: Any, local: Side, index: str) -> None:
    """A user reads what their role says and gets the client's exception for 403 otherwise."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    client.security.put_role(name=name, indices=[{"names": [index], "privileges": ["read"]}])
    client.security.put_user(username=name, password="a-long-password", roles=[name])
    with LIBRARY.Elasticsearch(**client_options(local, basic_auth=(name, "a-long-password"))) as limited:
        assert limited.security.authenticate()["roles"] == [name]
        assert limited.count(index=index)["count"] == 1
        with pytest.raises(LIBRARY.AuthorizationException) as caught:
            limited.index(index=index, document={})
        assert "is unauthorized for user" in str(caught.value)
        wanted = [{"names": [index], "privileges": ["read", "write"]}]
        privileges = limited.security.has_privileges(index=wanted)["index"][index]
        assert privileges == {"read": True, "write": False}
    assert client.security.delete_user(username=name)["found"]
    assert client.security.delete_role(name=name)["found"]


def test_api_keys(client: Any, local: Side, index: str) -> None:
    """Make, use, describe, query, update and invalidate a key."""
    reader = {"reader": {"indices": [{"names": [index], "privileges": ["read"]}]}}
    key = client.security.create_api_key(name="reads", role_descriptors=reader, metadata={"team": "x"})
    with LIBRARY.Elasticsearch(**client_options(local, api_key=key["encoded"])) as limited:
        assert limited.security.authenticate()["api_key"]["id"] == key["id"]
        assert limited.count(index=index)["count"] == 1
        with pytest.raises(LIBRARY.AuthorizationException):
            limited.index(index=index, document={})
        (described,) = client.security.get_api_key(id=key["id"])["api_keys"]
        assert (described["type"], described["metadata"]) == ("rest", {"team": "x"})
        found = client.security.query_api_keys(query={"ids": {"values": [key["id"]]}})
        assert found["total"] == 1
        writer = {"writer": {"indices": [{"names": [index], "privileges": ["read", "write"]}]}}
        assert client.security.update_api_key(id=key["id"], role_descriptors=writer)["updated"]
        assert limited.index(index=index, id="2", document={"side": "key"})["result"] == "created"
        assert client.security.invalidate_api_key(ids=[key["id"]])["error_count"] == 0
        with pytest.raises(LIBRARY.AuthenticationException):
            limited.count(index=index)


def test_connecting_and_searching_across(
    client: Any, remote_client: Any, local: Side, remote: Side, index: str
) -> None:
    """The whole way with the client: key, settings, remote info, resolve, search, pages, removal."""
    alias = f"client-{uuid.uuid4().hex[:8]}"
    key = remote_client.security.create_cross_cluster_api_key(
        name=alias, access={"search": [{"names": ["index-*"]}]}
    )
    trust.put_key(local.platform, local.deployment.id, alias, key["encoded"])
    settings = {
        f"cluster.remote.{alias}.mode": "proxy",
        f"cluster.remote.{alias}.proxy_address": remote.deployment.proxy_address,
        f"cluster.remote.{alias}.server_name": remote.deployment.server_name,
    }
    client.cluster.put_settings(persistent=settings)
    until(lambda: client.cluster.remote_info()[alias]["connected"], "the connection")
    resolved = client.indices.resolve_cluster(name=f"{index},{alias}:{index}")
    assert resolved["(local)"]["matching_indices"]
    assert resolved[alias]["matching_indices"]
    answer = client.search(index=f"{index},{alias}:{index}", sort=["side"])
    assert [(hit["_index"], hit["_source"]["side"]) for hit in answer["hits"]["hits"]] == [
        (index, "local"),
        (f"{alias}:{index}", "remote"),
    ]
    assert answer["_clusters"]["successful"] == 2
    after = client.search(index=f"*:{index},{index}", sort=["side"], search_after=["local"])
    assert {hit["_source"]["side"] for hit in after["hits"]["hits"]} == {"remote"}
    with pytest.raises(LIBRARY.NotFoundError) as caught:
        client.search(index="nowhere:x")
    assert caught.value.error == "no_such_remote_cluster_exception"
    updated = remote_client.security.update_cross_cluster_api_key(
        id=key["id"], access={"search": [{"names": ["other"]}]}
    )
    assert updated["updated"]
    with pytest.warns(Warning, match=rf"remote cluster \[{alias}\] was skipped"):
        skipped = client.search(index=f"{alias}:{index}")["_clusters"]
    assert skipped["skipped"] == 1
    client.cluster.put_settings(persistent=dict.fromkeys(settings))
    assert alias not in client.cluster.remote_info().body
    trust.remove_key(local.platform, local.deployment.id, alias)


async def test_the_asynchronous_client(local: Side, remote: Side) -> None:
    """The same over asyncio: documents, bulk and scan helpers, search across, exceptions."""
    name = f"client-{uuid.uuid4().hex[:8]}"
    async with LIBRARY.AsyncElasticsearch(**client_options(local)) as client:
        assert (await client.info())["tagline"] == "You Know, for Search"
        actions = [{"_index": name, "_id": str(number), "n": number} for number in range(500)]
        written, errors = await HELPERS.async_bulk(client, actions, chunk_size=90, refresh=True)
        assert (written, errors) == (500, [])
        more = HELPERS.async_streaming_bulk(client, [{"_index": name, "n": 500}], refresh=True)
        assert [ok async for ok, _ in more] == [True]
        answer = await client.search(
            index=f"{name},{remote.alias}:{name}*", size=0, aggs={"sum": {"sum": {"field": "n"}}}
        )
        assert answer["aggregations"]["sum"]["value"] == sum(range(501))
        assert answer["_clusters"]["successful"] == 2
        with pytest.raises(LIBRARY.NotFoundError):
            await client.get(index=name, id="none")
        everywhere = f"{name},{remote.alias}:{name}*"
        scanned = [hit["_source"]["n"] async for hit in HELPERS.async_scan(client, index=everywhere, size=90)]
        assert sorted(scanned) == list(range(501))
        await client.indices.delete(index=name)

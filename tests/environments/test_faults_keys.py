"""Keys that are wrong: what the local side's administrator and the searcher are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from environments_support import Side, key_client, last_error, until

from isthmus.sandbox import trust
from isthmus.sandbox.client import RequestRefusedError


def _search_skipped(local: Side, alias: str, index: str) -> dict[str, object]:
    """Search here and there: the local document must be found and the remote skipped; answers why."""
    answer = local.client.call("POST", f"/{index},{alias}:{index}/_search")
    assert answer["hits"]["total"]["value"] == 1
    cluster = answer["_clusters"]["details"][alias]
    assert cluster["status"] == "skipped"
    reason: dict[str, object] = cluster["failures"][0]["reason"]
    return reason


def test_a_wrong_secret_is_named_and_skipped(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """A key that the remote does not know is refused in the phase that authenticates."""
    encoded = trust.create_cross_cluster_key(remote.client, "to-be-garbled")
    alias = add_remote(key="Z" + encoded[1:-4] + "AAA=")
    error = last_error(local, alias)
    assert error["phase"] == "authenticate"
    assert encoded not in str(error)
    assert "security_exception" in str(_search_skipped(local, alias, index))


def test_an_expired_key_is_refused(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """A key past its expiration opens nothing, and a link that was open closes itself."""
    body = {"name": "short", "access": {"search": [{"names": ["*"]}]}, "expiration": "1500ms"}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    alias = add_remote(key=key["encoded"])
    assert local.client.call("POST", f"/{alias}:{index}/_search")["hits"]["total"]["value"] == 1
    until(
        lambda: local.client.call("POST", f"/{alias}:{index}/_search")["_clusters"]["skipped"] == 1,
        "the expired key to be refused",
    )
    _search_skipped(local, alias, index)


def test_an_invalidated_key_is_refused_at_once(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """The very next request after the invalidation is refused, over connections that are open."""
    body = {"name": "to-be-invalidated", "access": {"search": [{"names": ["*"]}]}}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    alias = add_remote(key=key["encoded"])
    assert local.client.call("POST", f"/{alias}:{index}/_search")["hits"]["total"]["value"] == 1
    remote.client.call("DELETE", "/_security/api_key", {"ids": [key["id"]]})
    _search_skipped(local, alias, index)
    assert last_error(local, alias)["phase"] == "authenticate"


def test_a_rest_key_is_refused_by_its_type(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """An ordinary API key does not open the remote cluster server, and the text says why."""
    key = remote.client.call("POST", "/_security/api_key", {"name": "for-rest"})
    alias = add_remote(key=key["encoded"])
    reason = last_error(local, alias)["reason"]
    assert f"expected API key type of [cross_cluster], but API key [{key['id']}] has type [rest]" in reason
    _search_skipped(local, alias, index)


def test_a_cross_cluster_key_is_refused_on_rest(remote: Side) -> None:
    """A cross-cluster key opens no REST API."""
    encoded = trust.create_cross_cluster_key(remote.client, "not-for-rest")
    client = key_client(remote.deployment, encoded)
    with pytest.raises(RequestRefusedError) as refused:
        client.call("GET", "/_security/_authenticate")
    client.close()
    assert refused.value.status == 401
    assert encoded not in str(refused.value.answer)


def test_no_key_is_said_to_be_missing(local: Side, index: str, add_remote: Callable[..., str]) -> None:
    """A remote without credentials says that they are missing and under which name."""
    alias = add_remote()
    error = last_error(local, alias)
    assert f"cluster.remote.{alias}.credentials" in f"{error['reason']} {error.get('remedy')}"
    _search_skipped(local, alias, index)


def test_a_remote_that_may_not_be_skipped_fails_the_search(
    local: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """With skip_unavailable false the whole search is an error."""
    alias = add_remote(skip_unavailable=False)
    with pytest.raises(RequestRefusedError) as refused:
        local.client.call("POST", f"/{index},{alias}:{index}/_search")
    assert refused.value.status >= 400
    assert refused.value.status != 500
    assert alias in str(refused.value.answer)

"""Mode sniff between real environments: seeds, a proxy, other settings, change from mode to mode."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from environments_support import Side, attempt, until

from isthmus.sandbox import trust


@contextmanager
def _remote_of(side: Side, other: Side, alias: str, **settings: Any) -> Iterator[str]:
    """Add the other side once more to this one, with a key of its own and exactly these settings."""
    key = trust.create_cross_cluster_key(other.client, f"sniffing-{alias}")
    trust.put_key(side.platform, side.deployment.id, alias, key)
    try:
        _configure(side, alias, settings)
        yield alias
    finally:
        _configure(side, alias, None)
        trust.remove_key(side.platform, side.deployment.id, alias)


def _configure(side: Side, alias: str, settings: dict[str, Any] | None) -> None:
    side.client.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {alias: settings}}}})


def _info(side: Side, alias: str) -> dict[str, Any]:
    information: dict[str, Any] = side.client.call("GET", "/_remote/info")[alias]
    return information


def _found(side: Side, expression: str) -> int:
    answer = side.client.call("GET", f"/{expression}/_search?size=0")
    return int(answer["hits"]["total"]["value"])


def _sniffed(side: Side) -> dict[str, Any]:
    """Answer the settings that reach a side by sniffing: its name has no address here, so a proxy has one."""
    name = side.deployment.server_name
    return {"mode": "sniff", "seeds": [f"{name}:9443"], "proxy": side.deployment.proxy_address}


def test_a_seed_leads_to_the_nodes(local: Side, remote: Side, index: str) -> None:
    """The far side tells of its node at its public address; searches go there; _remote/info says all that."""
    with _remote_of(remote, local, "sniffed", **_sniffed(local)) as alias:
        information = until(lambda: _connected_or_none(remote, alias), "a node to be connected to")
        details = information.pop("isthmus")
        assert information == {
            "connected": True,
            "mode": "sniff",
            "seeds": [f"{local.deployment.server_name}:9443"],
            "num_nodes_connected": 1,
            "max_connections_per_cluster": 3,
            "initial_connect_timeout": "30s",
            "skip_unavailable": True,
            "cluster_credentials": "::es_redacted::",
        }
        assert details["remote"]["cluster_uuid"] == local.deployment.cluster_id
        hits = remote.client.call("GET", f"/{alias}:{index}/_search")["hits"]["hits"]
        assert [(hit["_index"], hit["_source"]) for hit in hits] == [(f"{alias}:{index}", {"side": "local"})]
        diagnosis = remote.client.call("GET", f"/_remote/diagnose/{alias}")
        assert diagnosis["healthy"] is True


def _connected_or_none(side: Side, alias: str) -> dict[str, Any] | None:
    information = _info(side, alias)
    return information if information["connected"] else None


def test_a_hosted_environment_takes_mode_proxy_only(local: Side, remote: Side) -> None:
    """As Elastic Cloud does: seeds are refused with what to set instead, and nothing is stored."""
    settings = {"persistent": {"cluster": {"remote": {"sniffed": _sniffed(remote)}}}}
    status, answer = attempt(local.client, "PUT", "/_cluster/settings", settings)
    assert status == 400
    assert answer["error"]["type"] == "illegal_argument_exception"
    assert answer["error"]["reason"].startswith(
        "[cluster.remote.sniffed.mode] [sniff] is not supported on this platform: use mode [proxy]"
    )
    assert "sniffed" not in local.client.call("GET", "/_remote/info")


_OTHER_MODE = 'Setting "cluster.remote.x.{}" cannot be used with the configured "cluster.remote.x.mode" [{}]'


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"mode": "sniff", "seeds": ["a:1"], "server_name": "a"},
            _OTHER_MODE.format("server_name", "required=PROXY, configured=SNIFF"),
        ),
        (
            {"mode": "proxy", "proxy_address": "a:1", "seeds": ["a:1"]},
            _OTHER_MODE.format("seeds", "required=SNIFF, configured=PROXY"),
        ),
        (
            {"mode": "sniff", "skip_unavailable": True},
            "Cannot configure setting [cluster.remote.x.skip_unavailable] if remote cluster is not enabled.",
        ),
        ({"seeds": ["a"]}, "remote hosts need to be configured as [host:port], found [a] instead"),
    ],
)
def test_settings_of_the_other_mode_are_refused(
    remote: Side, settings: dict[str, Any], expected: str
) -> None:
    """Each mode takes its own settings only, in Elasticsearch's words."""
    body = {"persistent": {"cluster": {"remote": {"x": settings}}}}
    status, answer = attempt(remote.client, "PUT", "/_cluster/settings", body)
    assert (status, answer["error"]["reason"]) == (400, expected)


def test_defaults_are_shown_for_the_mode(local: Side, remote: Side) -> None:
    """include_defaults shows what a sniffed alias leaves open, and nothing of mode proxy."""
    with _remote_of(remote, local, "sniffed", **_sniffed(local)) as alias:
        answer = remote.client.call("GET", "/_cluster/settings?include_defaults=true&flat_settings=true")
        defaults = {
            key.removeprefix(f"cluster.remote.{alias}."): value
            for key, value in answer["defaults"].items()
            if key.startswith(f"cluster.remote.{alias}.")
        }
        assert defaults == {
            "node_connections": "3",
            "skip_unavailable": "true",
            "transport.compress": "indexing_data",
            "transport.compression_scheme": "lz4",
            "transport.ping_schedule": "-1",
        }


def test_modes_and_settings_change_under_load_without_a_lost_request(
    local: Side, remote: Side, index: str
) -> None:
    """Whoever searches while mode, seeds, compression and number of connections change gets every answer."""
    proxy = {
        "mode": "proxy",
        "proxy_address": local.deployment.proxy_address,
        "server_name": local.deployment.server_name,
    }
    changes: list[dict[str, Any]] = [
        _sniffed(local),
        {**_sniffed(local), "node_connections": 1},
        {**_sniffed(local), "transport": {"compress": "true", "compression_scheme": "zstd"}},
        proxy,
        {**proxy, "proxy_socket_connections": 1, "transport": {"compress": "true"}},
        {**proxy, "proxy_socket_connections": 18, "transport": {"ping_schedule": "1s"}},
        {**proxy, "skip_unavailable": False},
    ]
    with _remote_of(remote, local, "changing", **proxy) as alias:
        answers: list[int] = []
        stop = threading.Event()

        def search() -> None:
            client = remote.another_client()
            try:
                while not stop.is_set():
                    answer = client.call("GET", f"/{alias}:{index}/_search?size=0")
                    answers.append(answer["hits"]["total"]["value"])
            except Exception:  # noqa: BLE001 - whatever it is, the request was lost
                answers.append(-1)
            finally:
                client.close()

        searching = [threading.Thread(target=search) for _ in range(2)]
        for thread in searching:
            thread.start()
        try:
            for settings in (*changes, *changes):
                body = {
                    "persistent": {f"cluster.remote.{alias}": None, "cluster": {"remote": {alias: settings}}}
                }
                remote.client.call("PUT", "/_cluster/settings", body)
                enough = len(answers) + 6
                until(lambda enough=enough: len(answers) >= enough, "searches after a change")  # type: ignore[misc]
        finally:
            stop.set()
            for thread in searching:
                thread.join()
        assert set(answers) == {1}


def test_two_aliases_of_one_cluster_search_it_twice(local: Side, remote: Side, index: str) -> None:
    """As in Elasticsearch: each alias is a cluster of its own, whatever is behind it, and in any mode."""
    with _remote_of(remote, local, "twice", **_sniffed(local)) as alias:
        until(lambda: _connected_or_none(remote, alias), "the second alias to be connected")
        answer = remote.client.call("GET", f"/{local.alias}:{index},{alias}:{index}/_search")
        assert [hit["_index"] for hit in answer["hits"]["hits"]] == [
            f"{local.alias}:{index}",
            f"{alias}:{index}",
        ]
        assert answer["_clusters"]["total"] == answer["_clusters"]["successful"] == 2
        assert _found(remote, f"*:{index}") == 2


def test_a_cycle_is_harmless(local: Side, remote: Side, index: str) -> None:
    """Two clusters that are each other's remotes are searched once each, and no name leads back."""
    assert _found(local, f"{index},*:{index}") == 2
    assert _found(remote, f"{index},*:{index}") == 2
    assert _found(local, f"{remote.alias}:{local.alias}:{index}") == 0
    assert _found(local, f"*:*:{index}") == 0

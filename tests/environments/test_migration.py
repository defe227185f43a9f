"""From the certificate model to an API key, as docs/migration.md tells it, and back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from environments_load import Load, searching
from environments_support import Side, until

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust
from isthmus.sandbox.client import JsonClient

PASSWORD = "migrating-password"


def put_trust(side: Side, direct: list[dict[str, Any]]) -> None:
    """Replace a side's trust."""
    path = f"/api/v1/deployments/{side.deployment.id}"
    region = side.platform.call("GET", path)["resources"]["elasticsearch"][0]["region"]
    resource = {"ref_id": trust.REF_ID, "region": region, "settings": {"trust": {"direct": direct}}}
    side.platform.call("PUT", path, {"prune_orphans": False, "resources": {"elasticsearch": [resource]}})


def proxy_trust(other: Side) -> dict[str, Any]:
    """Answer trust in the servers of another environment, for API keys."""
    certificates = [{"pem": other.environment.proxy_ca_pem}]
    return {"type": "proxy", "name": other.alias, "trust_all": False, "certificates": certificates}


def node_trust(other: Side) -> dict[str, Any]:
    """Answer trust in the nodes of another environment's deployment, for the certificate model."""
    return {
        "type": "ESS" if other.environment.kind == "hosted" else "ECE",
        "name": "by certificate",
        "scope_id": other.environment.scope_id,
        "trust_all": False,
        "trust_allowlist": [other.deployment.cluster_id],
        "certificates": [{"pem": other.environment.transport_ca_pem}],
    }


@pytest.fixture
def trusting(local: Side, remote: Side) -> Iterator[None]:
    """Have both sides trust each other's nodes; afterwards as before."""
    put_trust(local, [proxy_trust(remote), node_trust(remote)])
    put_trust(remote, [proxy_trust(local), node_trust(local)])
    yield
    put_trust(local, [proxy_trust(remote)])
    put_trust(remote, [proxy_trust(local)])


@contextmanager
def analyst(local: Side, remote: Side, index: str) -> Iterator[JsonClient]:
    """Make a user here whose role has the same name there, where it says what they may read."""
    name = f"analyst-{uuid.uuid4().hex[:8]}"
    indices = [{"names": [index], "privileges": ["read", "read_cross_cluster"]}]
    local.client.call("PUT", f"/_security/role/{name}", {"cluster": ["monitor"]})
    remote.client.call("PUT", f"/_security/role/{name}", {"indices": indices})
    local.client.call("PUT", f"/_security/user/{name}", {"password": PASSWORD, "roles": [name]})
    client = local.client_of(name, PASSWORD)
    try:
        yield client
    finally:
        client.close()
        local.client.call("DELETE", f"/_security/user/{name}")
        for side in (local, remote):
            side.client.call("DELETE", f"/_security/role/{name}")


def put_remote(local: Side, alias: str, settings: dict[str, Any] | None) -> None:
    """Set or (None) remove the settings of an alias."""
    local.client.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {alias: settings}}}})


def sides_found(client: JsonClient, alias: str, index: str) -> list[str]:
    """Answer whose documents a search over there finds."""
    answer = client.call("POST", f"/{alias}:{index}/_search")
    return [hit["_source"]["side"] for hit in answer["hits"]["hits"]]


def model(local: Side, alias: str) -> tuple[bool, str, bool]:
    """Answer whether the alias is connected, by which model, and whether it shows credentials."""
    information = local.client.call("GET", "/_remote/info").get(alias)
    if information is None:
        return False, "", False
    return (
        information["connected"],
        information["isthmus"]["security_model"],
        information.get("cluster_credentials") == "::es_redacted::",
    )


def never_silently_wrong(load: Load) -> None:
    """Fail unless each search found the document, or said that the remote is missing."""
    for outcome in load.outcomes:
        if outcome.status == 200:
            found = [hit["_source"]["side"] for hit in outcome.answer["hits"]["hits"]]
            clusters = outcome.answer["_clusters"]
            assert found == ["remote"] or clusters["skipped"] == 1, outcome.answer
        else:
            assert outcome.status in (404, 503), outcome.answer


@pytest.mark.usefixtures("trusting")
def test_a_remote_moves_from_certificates_to_a_key_under_the_same_alias_and_back(
    local: Side, remote: Side, index: str
) -> None:
    """Step by step as in the manual, with searches going on: afterwards they find what they found before."""
    alias = f"migrating-{uuid.uuid4().hex[:8]}"
    ports = json.loads(EnvironmentLayout(Path(remote.environment.directory)).ports.read_text())
    by_certificate = {
        "mode": "proxy",
        "proxy_address": f"127.0.0.1:{ports['transport']}",
        "server_name": remote.deployment.server_name,
    }
    put_remote(local, alias, by_certificate)
    try:
        until(lambda: model(local, alias) == (True, "certificate", False), "the certificate model")
        with analyst(local, remote, index) as user, searching(local, f"/{alias}:{index}/_search", {}) as load:
            assert sides_found(user, alias, index) == ["remote"]
            # 2: a key with what is in use
            key = trust.create_cross_cluster_key(remote.client, alias)
            # 4: local roles say what remote ones said; harmless before the move
            name = user.call("GET", "/_security/_authenticate")["username"]
            remote_indices = [
                {"clusters": [alias], "names": [index], "privileges": ["read", "read_cross_cluster"]}
            ]
            role = {"cluster": ["monitor"], "remote_indices": remote_indices}
            local.client.call("PUT", f"/_security/role/{name}", role)
            assert sides_found(user, alias, index) == ["remote"]
            # 5: keep the settings, then take them away
            saved = local.client.call("GET", "/_cluster/settings?filter_path=persistent.cluster.remote")
            saved = saved["persistent"]["cluster"]["remote"][alias]
            put_remote(local, alias, None)
            # 6: the key, under the same alias (the proxy's authority is trusted already)
            trust.put_key(local.platform, local.deployment.id, alias, key)
            # 7: the settings again, with the other port
            put_remote(local, alias, {**saved, "proxy_address": remote.deployment.proxy_address})
            until(lambda: model(local, alias) == (True, "api_key", True), "the link by API key")
            assert sides_found(user, alias, index) == ["remote"]
            # 8: certificates are trusted no longer, and nobody notices
            put_trust(local, [proxy_trust(remote)])
            put_trust(remote, [proxy_trust(local)])
            moved = len(load.outcomes)
            until(lambda: len(load.outcomes) > moved + 20, "searches by API key")
            assert all(outcome.status == 200 for outcome in load.outcomes[moved + 8 :])
            # and back
            put_trust(local, [proxy_trust(remote), node_trust(remote)])
            put_trust(remote, [proxy_trust(local), node_trust(local)])
            put_remote(local, alias, None)
            trust.remove_key(local.platform, local.deployment.id, alias)
            put_remote(local, alias, saved)
            until(lambda: model(local, alias) == (True, "certificate", False), "the link by certificate")
            assert sides_found(user, alias, index) == ["remote"]
        never_silently_wrong(load)
    finally:
        put_remote(local, alias, None)
        trust.remove_key(local.platform, local.deployment.id, alias)

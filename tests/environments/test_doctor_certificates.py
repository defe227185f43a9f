"""The certificate model, wrong on either side: the doctor names whose trust is missing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from environments_support import Side, added_remote, until

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust


@pytest.fixture(scope="module")
def alias(local: Side, remote: Side) -> Iterator[str]:
    """Add a remote without a key, at the transport port of the remote side."""
    ports = json.loads(EnvironmentLayout(Path(remote.environment.directory)).ports.read_text())
    with added_remote(local, remote, proxy_address=f"127.0.0.1:{ports['transport']}") as alias:
        yield alias


@contextmanager
def _trusting(side: Side, other: Side, cluster_id: str) -> Iterator[None]:
    """Have a side trust the transport authority of the other one, for the node of this cluster id."""
    environment = other.environment
    node = {
        "type": "ESS" if environment.kind == "hosted" else "ECE",
        "name": "by certificate",
        "scope_id": environment.scope_id,
        "trust_all": False,
        "trust_allowlist": [cluster_id],
        "certificates": [{"pem": environment.transport_ca_pem}],
    }
    proxy = {
        "type": "proxy",
        "name": other.alias,
        "trust_all": False,
        "certificates": [{"pem": environment.proxy_ca_pem}],
    }
    path = f"/api/v1/deployments/{side.deployment.id}"
    resource = side.platform.call("GET", path)["resources"]["elasticsearch"][0]

    def put(direct: list[dict[str, Any]]) -> None:
        settings = {"trust": {"direct": direct}}
        changed = {"ref_id": trust.REF_ID, "region": resource["region"], "settings": settings}
        side.platform.call("PUT", path, {"prune_orphans": False, "resources": {"elasticsearch": [changed]}})

    put([proxy, node])
    try:
        yield
    finally:
        put([proxy])


def _problems(side: Side, alias: str, index: str = "") -> dict[str, str]:
    path = f"/_remote/diagnose/{alias}" + (f"?index={index}" if index else "")
    checks = side.client.call("GET", path)["checks"]
    return {check["id"]: check["cause"] for check in checks if "cause" in check}


def _until_found(side: Side, alias: str, expected: dict[str, str], index: str = "") -> None:
    """Return once these are the findings: a changed trust counts within a second or two."""
    until(lambda: _problems(side, alias, index) == expected, f"the doctor to find {expected}")


def test_the_authority_is_not_trusted(local: Side, alias: str) -> None:
    """Nobody trusts anybody yet; that a key may be missing is a warning."""
    expected = {"keystore": "no-credentials", "certificate_chain": "issuer-not-trusted"}
    _until_found(local, alias, expected)


def test_the_name_in_the_certificate_is_not_trusted(local: Side, remote: Side, alias: str) -> None:
    """The deployment's id instead of the cluster's is the mistake that everybody makes once."""
    with _trusting(local, remote, remote.deployment.id):
        expected = {"keystore": "no-credentials", "certificate_name": "node-name-not-trusted"}
        _until_found(local, alias, expected)


def test_the_remote_does_not_trust_this_side(local: Side, remote: Side, alias: str) -> None:
    """Trust on one side is not enough."""
    with _trusting(local, remote, remote.deployment.cluster_id):
        expected = {"keystore": "no-credentials", "key": "node-not-trusted-by-the-remote"}
        _until_found(local, alias, expected)


def test_both_sides_trust_each_other(local: Side, remote: Side, alias: str, index: str) -> None:
    """Then nothing is wrong, and what the user may do is decided by roles of the same names there."""
    name = f"reader-{uuid.uuid4().hex[:8]}"
    local.client.call("PUT", f"/_security/role/{name}", {"cluster": ["monitor"]})
    local.client.call("PUT", f"/_security/user/{name}", {"password": "reader-password", "roles": [name]})
    remote.client.call(
        "PUT", f"/_security/role/{name}", {"indices": [{"names": ["other"], "privileges": ["read"]}]}
    )
    reader = local.client_of(name, "reader-password")
    try:
        with (
            _trusting(local, remote, remote.deployment.cluster_id),
            _trusting(remote, local, local.deployment.cluster_id),
        ):
            _until_found(local, alias, {}, index)
            checks = reader.call("GET", f"/_remote/diagnose/{alias}?index={index}")["checks"]
    finally:
        reader.close()
        local.client.call("DELETE", f"/_security/user/{name}")
        for side in (local, remote):
            side.client.call("DELETE", f"/_security/role/{name}")
    causes = {check["id"]: check["cause"] for check in checks if "cause" in check}
    assert causes == {"access": "role-on-the-remote-does-not-reach-the-index"}

"""What is wrong on this side, for real: damaged files, settings of another version, signatures."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from environments_support import Side, added_remote, until

from isthmus.control.layout import DeploymentLayout, EnvironmentLayout
from isthmus.sandbox import trust

_SIGNED = {"signing": {"certificate": "node.crt", "key": "node.key"}}


def _layout(side: Side) -> DeploymentLayout:
    return EnvironmentLayout(Path(side.environment.directory)).deployment(side.deployment.id)


def _problems(side: Side, alias: str) -> dict[str, tuple[str, str]]:
    """Answer cause and words of warnings and errors, by the step that found them.

    Whether there is an index to be seen is up to the tests that ran before.
    """
    checks = side.client.call("GET", f"/_remote/diagnose/{alias}")["checks"]
    found = {check["id"]: (check["cause"], check["found"]) for check in checks if "cause" in check}
    return {step: told for step, told in found.items() if told[0] != "no-index-visible"}


def _causes(side: Side, alias: str) -> dict[str, str]:
    return {step: cause for step, (cause, _) in _problems(side, alias).items()}


def _start_node_anew(side: Side) -> None:
    before = side.kill_node()
    until(lambda: side.node_process_id() != before, "another process")
    side.until_node_answers(other_than=before)


@contextmanager
def _settings(side: Side, **settings: Any) -> Iterator[None]:
    side.client.call("PUT", "/_cluster/settings", {"persistent": settings})
    try:
        yield
    finally:
        side.client.call("PUT", "/_cluster/settings", {"persistent": dict.fromkeys(settings)})


def test_an_alias_that_has_no_address(local: Side) -> None:
    """Settings without the one that makes a remote cluster of them are shown."""
    trust.put_key(local.platform, local.deployment.id, "half", "aWQ6c2VjcmV0")
    try:
        with _settings(local, **{"cluster.remote.half.mode": "proxy"}):
            assert _causes(local, "half") == {"settings": "alias-without-an-address"}
    finally:
        trust.remove_key(local.platform, local.deployment.id, "half")


def test_a_keystore_that_is_damaged(local: Side, remote: Side) -> None:
    """Every alias is told so, and all is well again once the file is restored."""
    path = _layout(local).keystore
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        step, words = _problems(local, remote.alias)["keystore"]
    finally:
        path.write_bytes(whole)
    assert step == "keystore-cannot-be-read"
    assert str(path) in words
    trust.wait_until_connected(local.client, (remote.alias,), 30)
    assert _causes(local, remote.alias) == {}


def test_settings_that_another_version_stored(local: Side, remote: Side) -> None:
    """Nothing is connected, the doctor names the setting, and removing that one mends everything."""
    setting = "cluster.remote.of-old.mode"
    with closing(sqlite3.connect(_layout(local).data / "node.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO cluster_settings (name, value) VALUES (?, ?)", (setting, json.dumps("star"))
        )
    _start_node_anew(local)
    try:
        step, words = _problems(local, remote.alias)["settings"]
        assert (step, setting in words) == ("settings-not-valid", True)
        assert local.client.call("GET", "/_remote/info") == {}
    finally:
        local.client.call("PUT", "/_cluster/settings", {"persistent": {setting: None}})
    trust.wait_until_connected(local.client, (remote.alias,), 30)
    assert _causes(local, remote.alias) == {}


def test_requests_that_cannot_be_signed(local: Side, remote: Side, add_remote: Callable[..., str]) -> None:
    """A certificate to sign with that is gone when the node starts is told before anything is sent."""
    folder = _layout(local).signing
    folder.mkdir(exist_ok=True)
    own = _layout(local).node_certificate
    names = {"certificate": "gone.crt", "key": "gone.key"}
    for name, path in zip(names.values(), (own.certificate, own.key), strict=True):
        (folder / name).write_bytes(path.read_bytes())
    key = trust.create_cross_cluster_key(remote.client, "unsigned")
    alias = add_remote(key=key, signing=names)
    for name in names.values():
        (folder / name).unlink()
    _start_node_anew(local)
    found = _problems(local, alias)
    assert {step: cause for step, (cause, _) in found.items()} == {"key": "request-cannot-be-signed"}
    assert "gone.crt" in found["key"][1]
    trust.wait_until_connected(local.client, (remote.alias,), 30)


def test_signatures_that_the_remote_does_not_accept(
    local: Side, remote: Side, add_remote: Callable[..., str]
) -> None:
    """A remote that knows no authority of signatures refuses signed requests."""
    alias = add_remote(key=trust.create_cross_cluster_key(remote.client, "signed"), **_SIGNED)
    assert _causes(local, alias) == {"key": "signature-not-accepted"}


def test_the_transport_port_of_an_environment_whose_transport_authority_is_trusted(
    local: Side, remote: Side
) -> None:
    """With a key, the transport port is recognised also where both ports are of one trusted authority."""
    ports = json.loads(EnvironmentLayout(Path(remote.environment.directory)).ports.read_text())
    before = {remote.alias: remote.environment.proxy_ca_pem}
    both = {**before, "transport": remote.environment.transport_ca_pem}
    key = trust.create_cross_cluster_key(remote.client, "for-transport")
    settings = {"proxy_address": f"127.0.0.1:{ports['transport']}"}
    trust.trust_authorities(local.platform, local.deployment.id, both)
    try:
        with added_remote(local, remote, key=key, **settings) as alias:
            assert _causes(local, alias) == {"certificate_chain": "client-certificate-wanted"}
    finally:
        trust.trust_authorities(local.platform, local.deployment.id, before)
    trust.wait_until_connected(local.client, (remote.alias,), 30)

"""A node's part in remote clusters: its static settings, what its platform allows, where others find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.app.node_remotes import (
    StaticSettingsError,
    gateway_nodes,
    read_static_settings,
    settings_rules,
)
from isthmus.control.nodes import node_settings
from isthmus.control.records import Deployment
from isthmus.errors import Failure
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.static_settings import StaticSettings
from isthmus.rest.elasticsearch.nodes import ROLES
from isthmus.settings import EnvironmentKind, EnvironmentSettings, NodeSettings, Ports

SNIFFING = {"cluster.remote.eu.seeds": ("a:1",)}


def settings(tmp_path: Path, kind: EnvironmentKind = EnvironmentKind.ENTERPRISE) -> NodeSettings:
    """Answer what the node of a deployment is told."""
    environment = EnvironmentSettings(
        directory=tmp_path,
        kind=kind,
        domain="env.example",
        scope_id="0123456789",
        ports=Ports(transport=1234, remote_cluster=4321),
    )
    deployment = Deployment(
        id="d" * 32,
        name="search",
        cluster_id="c" * 32,
        node_id="node-1",
        region="ece-region",
        version="9.2.0",
        created_milliseconds=0,
        modified_milliseconds=0,
    )
    return node_settings(environment, deployment, tmp_path / "run")


def test_the_file_says_what_counts_and_may_be_absent(tmp_path: Path) -> None:
    """Without a file the defaults count; with one what it says."""
    node = settings(tmp_path)
    assert read_static_settings(node) == StaticSettings()
    file = node.directory / "config" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_text("cluster.remote.connections_per_cluster = 2\nnode.attr.gateway = true\n")
    found = read_static_settings(node)
    assert (found.connections_per_cluster, found.attributes) == (2, {"gateway": "true"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"x = 1", "unknown setting [x]"), (b"\xff", "cannot read"), (b"a", "not TOML")],
)
def test_a_file_that_cannot_be_understood_is_told_with_its_path(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    """The error names file and fault, for whoever wonders why the node does not start."""
    node = settings(tmp_path)
    file = node.directory / "config" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(StaticSettingsError) as caught:
        read_static_settings(node)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


def test_only_hosted_environments_refuse_mode_sniff(tmp_path: Path) -> None:
    """A hosted environment has a rule more."""
    assert settings_rules(settings(tmp_path)) == ()
    (rule,) = settings_rules(settings(tmp_path, EnvironmentKind.HOSTED))
    with pytest.raises(Failure, match="is not supported on this platform"):
        rule.check(SNIFFING)


@pytest.mark.parametrize("port", ["transport_port", "remote_cluster_port"])
def test_others_find_the_node_by_its_name_on_the_port_that_they_asked(tmp_path: Path, port: str) -> None:
    """The node is told of with address, server name, roles and attributes; the ports are the door's."""
    node = settings(tmp_path)
    identity = NodeIdentity("node-1", "instance-1", "c" * 32, "c", "0.1.0", attributes={"gateway": "true"})
    (told,) = gateway_nodes(node, identity, getattr(node, port))
    number = {"transport_port": 1234, "remote_cluster_port": 4321}[port]
    assert told.address == f"{'c' * 32}.env.example:{number}"
    assert told.server_name == f"{'c' * 32}.env.example"
    assert (told.node_id, told.roles, told.attributes) == ("node-1", ROLES, {"gateway": "true"})

from __future__ import annotations

from typing import Any

import pytest

from isthmus.console.models.remote_clusters import (
    RemoteClusterForm,
    address_problem,
    cloud_address,
    deletion,
    name_problem,
    rows,
)
from isthmus.remotes.setting_values import read_connections
from isthmus.remotes.settings import ALIAS_SETTING_NAMES


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "Name is required."),
        (" ", "Name is required."),
        ("a b", "Spaces are not allowed in the name."),
        ("a:b*:", "Remove the character(s) :, * from the name."),
        ("é", "Remove the character(s) é from the name."),
        ("-x", "The name must not start with a dash."),
        ("Logs_eu-1", ""),
    ],
)
def test_names_are_checked_in_the_words_of_kibana(name: str, problem: str) -> None:
    """Each name that cannot be an alias is told why."""
    assert name_problem(name) == problem


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "A proxy address is required."),
        ("localhost", "A port is required."),
        ("localhost:9400", ""),
        (" [::1]:9443 ", ""),
        ("[::1:9443", "Address must use host:port format."),
        ("a b:9400", "Address must use host:port format."),
        ("host:99999", "Address must use host:port format."),
        ("https://host:9400", "Address must use host:port format."),
    ],
)
def test_addresses_are_checked(address: str, problem: str) -> None:
    """Each address that cannot be connected to is told why."""
    said = address_problem(address)
    assert said.startswith(problem)
    assert bool(said) == bool(problem)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" HTTPS://A.es.io ", ("a.es.io:9400", "a.es.io")),
        ("a.es.io:9443", ("a.es.io:9443", "a.es.io")),
    ],
)
def test_the_remote_address_of_cloud_gives_address_and_name(text: str, parts: tuple[str, str]) -> None:
    """Port 9400 unless another is given; the server name is the host."""
    assert cloud_address(text) == parts


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (RemoteClusterForm("a", proxy_address="h:1"), set()),
        (RemoteClusterForm("a b", proxy_address="h", server_name="h:1", socket_connections=0),
         {"name", "proxy_address", "server_name", "socket_connections"}),
        (RemoteClusterForm("a", proxy_mode=False), {"seeds"}),
        (RemoteClusterForm("a", proxy_mode=False, seeds=("h:1", "h"), node_connections=0),
         {"seeds", "node_connections"}),
        (RemoteClusterForm("a", proxy_mode=False, seeds=("h:1",)), set()),
    ],
)  # fmt: skip
def test_only_the_fields_of_the_mode_are_checked(form: RemoteClusterForm, fields: set[str]) -> None:
    """A problem stands at its field."""
    assert set(form.problems()) == fields


def test_changing_the_mode_nulls_what_the_other_had() -> None:
    """What is sent holds only settings that exist, and clears those that the mode may not have."""
    proxy = RemoteClusterForm("a", proxy_address=" h:1 ").settings()["persistent"]["cluster"]["remote"]["a"]
    sniff = RemoteClusterForm("a", proxy_mode=False, seeds=("h:1",)).settings()
    sniffed = sniff["persistent"]["cluster"]["remote"]["a"]
    gone = deletion("a")["persistent"]["cluster"]["remote"]["a"]
    assert (proxy["proxy_address"], proxy["seeds"], proxy["server_name"]) == ("h:1", None, None)
    assert (sniffed["seeds"], sniffed["proxy_address"]) == (["h:1"], None)
    assert set(proxy) == set(sniffed) == set(gone) <= set(ALIAS_SETTING_NAMES)
    assert not any(gone.values())
    assert read_connections("x", str(proxy["proxy_socket_connections"])) == 18


def test_the_list_tells_a_broken_link_in_words() -> None:
    """The last error and its remedy stand at a link that is down, and not at one that is up again."""
    error = {"last_error": {"reason": "nobody answers", "remedy": "open the port"}}
    up: dict[str, Any] = {
        "connected": True, "mode": "proxy", "proxy_address": "h:1", "num_proxy_sockets_connected": 2,
        "max_proxy_socket_connections": 18, "skip_unavailable": True, "cluster_credentials": "::",
        "isthmus": error,
    }  # fmt: skip
    down: dict[str, Any] = {
        "connected": False, "mode": "sniff", "seeds": ["h:1", "h:2"], "num_nodes_connected": 0,
        "max_connections_per_cluster": 3, "skip_unavailable": False, "isthmus": error,
    }  # fmt: skip
    first, second = rows({"b": up, "a": down})
    assert (first.name, first.status, first.addresses) == ("a", "Not connected", "h:1, h:2")
    assert (first.problem, first.remedy) == ("nobody answers", "open the port")
    assert (first.security_model, first.connections) == ("Certificates", "0 of 3")
    assert (second.status, second.problem, second.security_model) == ("Connected", "", "API keys")

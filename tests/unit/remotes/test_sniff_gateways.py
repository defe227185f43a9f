"""Which nodes of a remote cluster are connected to, and through whom they are found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination, HostAndPort
from isthmus.remotes.connection_modes import SniffMode
from isthmus.remotes.gateways import Gateways, gateways_among, may_be_gateway
from isthmus.remotes.protocol import GatewayNode

EU = ClusterAlias("eu")
SEEDS = tuple(HostAndPort(f"seed-{number}.far", 9443) for number in range(3))
MODE = SniffMode(SEEDS, 2)
ASKED = MODE.destination(EU)


def node(name: str, **values: object) -> GatewayNode:
    """Answer a node that may be a gateway."""
    return GatewayNode(**{"node_id": name, "address": f"{name}.far:9443", **values})  # type: ignore[arg-type]


def ids(gateways: Gateways, **open_by_node: int) -> list[str]:
    """Answer whom the next connection would be opened to, in order."""
    return [gateway.node_id for gateway in gateways.candidates(open_by_node)]


@pytest.mark.parametrize(
    ("roles", "attributes", "wanted", "expected"),
    [
        ((), {}, "", True),
        (("master",), {}, "", False),
        (("master", "remote_cluster_client"), {}, "", False),
        (("master", "data"), {}, "", True),
        (("master", "data_hot"), {}, "", True),
        (("master", "ingest"), {}, "", True),
        (("remote_cluster_client",), {}, "", True),
        (("data",), {}, "gateway", False),
        (("data",), {"gateway": "false"}, "gateway", False),
        (("data",), {"gateway": "true"}, "gateway", True),
        (("master",), {"gateway": "true"}, "gateway", False),
    ],
)
def test_roles_and_an_attribute_say_who_may_be_a_gateway(
    roles: tuple[str, ...], attributes: dict[str, str], wanted: str, *, expected: bool
) -> None:
    """A node that is a master and nothing else is none; with an attribute only those that have it."""
    assert may_be_gateway(node("a", roles=roles, attributes=attributes), wanted) is expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (node("a"), Destination("eu", HostAndPort("a.far", 9443), "a.far")),
        (node("a", server_name="n"), Destination("eu", HostAndPort("a.far", 9443), "n")),
        (
            node("a", address="[2001:db8::1]:1"),
            Destination("eu", HostAndPort("2001:db8::1", 1), "2001:db8::1"),
        ),
        (node("a", address=""), ASKED),
        (node("a", address="a.far"), None),
        (node("a", address="a b:1"), None),
        (node("a", address="a.far:99999"), None),
        (node("a", server_name="a\r\nb"), None),
        (node("", address="a.far:1"), None),
    ],
)
def test_what_another_cluster_says_of_addresses_is_believed_in_nothing(
    told: GatewayNode, expected: Destination | None
) -> None:
    """A good address is taken with its server name, or a proxy in its place; a bad one is left out."""
    found = gateways_among([told], MODE, ASKED)
    assert [gateway.destination for gateway in found] == ([] if expected is None else [expected])
    proxy = HostAndPort("proxy", 1)
    asked = SniffMode(SEEDS, proxy=proxy).destination(EU)
    through = gateways_among([told], SniffMode(SEEDS, proxy=proxy), asked)
    assert all(gateway.destination.address == proxy for gateway in through)
    assert len(through) == len(found)


def test_nodes_are_looked_at_within_bounds_and_once() -> None:
    """A cluster that tells of the same node twice, or of very many, is not believed to have as many."""
    assert len(gateways_among([node("a"), node("a")], MODE, ASKED)) == 1
    assert len(gateways_among([node(f"n{number}") for number in range(5000)], MODE, ASKED)) == 1000


def test_another_node_comes_first_until_enough_are_connected_to() -> None:
    """Too few nodes: one more, then the one with the fewest connections; enough: no other."""
    gateways = Gateways(MODE, EU)
    assert (ids(gateways), gateways.count, gateways.wanted) == ([], 0, 1)
    gateways.learn([node("a"), node("b"), node("c")], ASKED)
    assert (gateways.count, gateways.wanted) == (3, 2)
    assert ids(gateways) == ["a", "b"]
    assert ids(gateways, a=1) == ["b", "c", "a"]
    assert ids(gateways, a=2, c=1) == ["c", "a"]


def test_a_node_that_cannot_be_reached_is_passed_over_until_the_nodes_are_told_again() -> None:
    """The next one is tried; a new list makes it worth trying again."""
    gateways = Gateways(MODE, EU)
    gateways.learn([node("a"), node("b"), node("c")], ASKED)
    gateways.failed(gateways.candidates({})[0])
    assert ids(gateways) == ["b", "c"]
    gateways.learn([node("a"), node("b")], ASKED)
    assert ids(gateways) == ["a", "b"]
    assert gateways.knows("a")
    assert not gateways.knows("c")


def test_the_seed_that_answered_last_is_asked_first() -> None:
    """A seed that failed goes to the end of the line."""
    gateways = Gateways(MODE, EU)
    first, second, third = gateways.seeds()
    gateways.seed_failed(first)
    assert gateways.seeds() == (second, third, first)
    gateways.seed_failed(third)
    assert gateways.seeds() == (second, first, third)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.integers(1, 4), st.data())
@settings(max_examples=100)
def test_never_more_nodes_than_wanted(names: list[str], wanted: int, data: st.DataObject) -> None:
    """Opening the best candidate again and again connects as many nodes as wanted and can be, and no more."""
    gateways = Gateways(SniffMode(SEEDS, wanted), EU)
    gateways.learn([node(name) for name in names], ASKED)
    dead = set(data.draw(st.lists(st.sampled_from("abcdef"), unique=True)))
    open_by_node: dict[str, int] = {}
    for _ in range(20):
        for candidate in gateways.candidates(open_by_node):
            if candidate.node_id in dead:
                gateways.failed(candidate)
            else:
                open_by_node[candidate.node_id] = open_by_node.get(candidate.node_id, 0) + 1
                break
    assert len(open_by_node) == min(wanted, len([name for name in names if name not in dead]))
    if open_by_node:
        assert max(open_by_node.values()) - min(open_by_node.values()) <= 1

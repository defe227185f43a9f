"""What is left to do for the remote clusters of one environment, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from isthmus.control.records import Deployment, RemoteCluster
from isthmus.control.remote_clusters import (
    Connection,
    parse_remote_clusters,
    undone,
    work_left,
)
from isthmus.errors import Failure

ADDRESS = "127.0.0.1:9443"
MADE = Connection(local_id="a", alias="b", remote_id="b", key_id="k", configured=True, proxy_address=ADDRESS)


def deployment(name: str, *remotes: RemoteCluster) -> Deployment:
    """Answer a deployment whose ids are its name."""
    return Deployment(
        id=name,
        name=name,
        cluster_id=name,
        node_id=name,
        region="r",
        version="9.2.0",
        created_milliseconds=0,
        modified_milliseconds=0,
        remote_clusters=remotes,
    )


def wanted(name: str, alias: str | None = None, *, skip: bool = False) -> RemoteCluster:
    """Answer a remote cluster, under its own name unless told otherwise."""
    return RemoteCluster(
        deployment_id=name, ref_id="main-elasticsearch", alias=alias or name, skip_unavailable=skip
    )


def changed(**members: Any) -> Connection:
    """Answer a connection that differs in this."""
    return msgspec.structs.replace(MADE, **members)


@pytest.mark.parametrize(
    ("remotes", "made", "expected"),
    [
        ((), (), ""),
        ((wanted("b"),), (), "Connect"),
        ((wanted("b"),), (MADE,), ""),
        ((wanted("b"),), (changed(key_id=None),), "Connect"),
        ((wanted("b"),), (changed(configured=False),), "Connect"),
        ((wanted("b"),), (changed(proxy_address=""),), "Connect"),
        ((wanted("b"),), (changed(proxy_address="127.0.0.1:1"),), "Configure"),
        ((wanted("b", skip=True),), (MADE,), "Configure"),
        ((), (MADE,), "Disconnect"),
        ((wanted("c", "b"),), (MADE,), "Disconnect"),
        ((wanted("b", "d"),), (MADE,), "Disconnect Connect"),
        ((wanted("b"), wanted("b", "d")), (MADE,), "Connect"),
        ((wanted("gone"),), (), ""),
        ((), (changed(local_id="gone"),), "Disconnect"),
        ((wanted("gone"),), (changed(alias="gone", remote_id="gone"),), "Disconnect"),
    ],
)
def test_the_steps_that_are_left(
    remotes: Sequence[RemoteCluster], made: Sequence[Connection], expected: str
) -> None:
    """From what was made to what deployment ``a`` wants, among ``a``, ``b`` and ``c``."""
    known = (deployment("a", *remotes), deployment("b"), deployment("c"))
    steps = work_left(known, made, ADDRESS)
    assert " ".join(type(step).__name__ for step in steps) == expected


def test_both_sides_are_undone_one_by_one() -> None:
    """Nothing is forgotten before both are."""
    without_key = undone(MADE, remote=True)
    assert without_key is not None
    assert (without_key.key_id, without_key.configured) == (None, True)
    assert undone(without_key, local=True) is None
    without_settings = undone(MADE, local=True)
    assert without_settings is not None
    assert undone(without_settings, remote=True) is None


ENTRY = {"deployment_id": "b", "elasticsearch_ref_id": "main-elasticsearch", "alias": "b"}


def test_a_body_is_read() -> None:
    """With the default of Elastic Cloud, and what it told before; null is an empty list."""
    assert parse_remote_clusters({"resources": [{**ENTRY, "info": {"healthy": True}}]}) == (wanted("b"),)
    assert parse_remote_clusters({"resources": [{**ENTRY, "skip_unavailable": None}]}) == (wanted("b"),)
    assert parse_remote_clusters({"resources": None}) == ()
    assert parse_remote_clusters({}) == ()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "(whole)"),
        ({"resource": []}, "resource"),
        ({"resources": {}}, "resources"),
        ({"resources": ["b"]}, "resources[0]"),
        ({"resources": [ENTRY] * 2}, "resources"),
        ({"resources": [ENTRY] * 101}, "resources"),
        ({"resources": [{**ENTRY, "deployment_id": 5}]}, "resources[0].deployment_id"),
        ({"resources": [{**ENTRY, "alias": None}]}, "resources[0].alias"),
        ({"resources": [{**ENTRY, "alias": "a b"}]}, "resources[0].alias"),
        ({"resources": [{**ENTRY, "alias": ""}]}, "resources[0].alias"),
        ({"resources": [{**ENTRY, "elasticsearch_ref_id": "x"}]}, "resources[0].elasticsearch_ref_id"),
        ({"resources": [{**ENTRY, "skip_unavailable": "yes"}]}, "resources[0].skip_unavailable"),
        ({"resources": [{**ENTRY, "typo": 1}]}, "resources[0].typo"),
    ],
)
def test_a_body_that_is_not_understood(body: Any, field: str) -> None:
    """A 400 that names the member."""
    with pytest.raises(Failure) as refused:
        parse_remote_clusters(body)
    assert refused.value.metadata["fields"] == [f"body.{field}"]

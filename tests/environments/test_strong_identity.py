"""Keys bound to a certificate, and signed requests between two real environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from environments_load import searching
from environments_support import Side, last_error, until

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust
from isthmus.sandbox.client import RequestRefusedError

AUTHORITIES = "cluster.remote.signing.certificate_authorities"
SIGNING = {"signing": {"certificate": "node.crt", "key": "node.key"}}


@contextmanager
def _believing(side: Side, other: Side, authority: str) -> Iterator[None]:
    """Have a side believe signatures of the other environment's nodes."""
    layout = EnvironmentLayout(Path(side.environment.directory)).deployment(side.deployment.id)
    layout.signing.mkdir(exist_ok=True)
    (layout.signing / f"{other.alias}.crt").write_text(authority)
    side.client.call("PUT", "/_cluster/settings", {"persistent": {AUTHORITIES: [f"{other.alias}.crt"]}})
    try:
        yield
    finally:
        side.client.call("PUT", "/_cluster/settings", {"persistent": {AUTHORITIES: None}})


def _bound_key(remote: Side, pattern: str) -> dict[str, str]:
    body = {
        "name": "bound",
        "access": {"search": [{"names": ["*"]}]},
        "certificate_identity": pattern,
    }
    key: dict[str, str] = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    return key


def _finds(local: Side, alias: str, index: str) -> list[str]:
    answer = local.client.call("POST", f"/{alias}:{index}/_search")
    return [hit["_source"]["side"] for hit in answer["hits"]["hits"]]


def test_a_bound_key_works_for_the_deployment_it_is_bound_to(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """The manual's pattern, the node's own certificate, the other environment's authority: that is all."""
    key = _bound_key(remote, f"CN=.*.node.{local.deployment.cluster_id}.cluster.*")
    with _believing(remote, local, local.environment.transport_ca_pem):
        alias = add_remote(key=key["encoded"], **SIGNING)
        trust.wait_until_connected(local.client, (alias,), 30)
        with searching(local, f"/{alias}:{index}/_search", {}, threads=3) as load:
            until(lambda: len(load.outcomes) > 30, "signed searches")
        assert {outcome.status for outcome in load.outcomes} == {200}
        assert _finds(local, alias, index) == ["remote"]


def test_a_bound_key_that_is_stolen_opens_nothing(
    local: Side, remote: Side, add_remote: Callable[..., str]
) -> None:
    """Whoever has the key alone is told what is missing, in Elasticsearch's words, and where to set it."""
    pattern = f"CN=.*.node.{local.deployment.cluster_id}.cluster.*"
    key = _bound_key(remote, pattern)
    error = last_error(local, add_remote(key=key["encoded"]), "authenticate")
    assert error["reason"] == (
        f"API key (type:[cross_cluster], id:[{key['id']}]) requires certificate identity matching "
        f"[{pattern}], but no certificate was provided"
    )
    assert "signing.certificate" in error["remedy"]


def test_another_deployments_certificate_does_not_match(
    local: Side, remote: Side, add_remote: Callable[..., str]
) -> None:
    """A key bound to one cluster is of no use to another of the same, trusted environment."""
    pattern = f"CN=.*.node.{'0' * 32}.cluster.*"
    key = _bound_key(remote, pattern)
    with _believing(remote, local, local.environment.transport_ca_pem):
        error = last_error(local, add_remote(key=key["encoded"], **SIGNING), "authenticate")
    assert error["reason"].startswith("DN from provided certificate [CN=")
    assert error["reason"].endswith(f"does not match API Key certificate identity pattern [{pattern}]")


@pytest.mark.parametrize(
    ("believed", "expected"),
    [
        (
            None,
            "Cannot verify signed cross-cluster headers because [cluster.remote.signing] has not trust conf",
        ),
        ("another", "Failed to verify cross cluster api key signature certificate from [(CN="),
    ],
)
def test_signatures_that_are_not_trusted_are_refused_also_where_the_key_needs_none(
    local: Side, remote: Side, add_remote: Callable[..., str], believed: str | None, expected: str
) -> None:
    """Nothing and the wrong authority are told apart."""
    encoded = trust.create_cross_cluster_key(remote.client, "unbound")
    if believed is None:
        error = last_error(local, add_remote(key=encoded, **SIGNING), "authenticate")
    else:
        with _believing(remote, local, remote.environment.transport_ca_pem):
            error = last_error(local, add_remote(key=encoded, **SIGNING), "authenticate")
    assert error["reason"].startswith(expected)


def test_binding_and_unbinding_count_for_open_links(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """A key that gets an identity refuses the very next unsigned request; null takes it away again."""
    key = remote.client.call(
        "POST",
        "/_security/cross_cluster/api_key",
        {"name": "to-be-bound", "access": {"search": [{"names": ["*"]}]}},
    )
    path = f"/_security/cross_cluster/api_key/{key['id']}"
    alias = add_remote(key=key["encoded"])
    assert _finds(local, alias, index) == ["remote"]
    assert remote.client.call("PUT", path, {"certificate_identity": "CN=.*"}) == {"updated": True}
    assert _finds(local, alias, index) == []
    assert remote.client.call("PUT", path, {"certificate_identity": None}) == {"updated": True}
    until(lambda: _finds(local, alias, index) == ["remote"], "the unbound key to be taken again")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"certificate": "absent.crt", "key": "node.key"}, "Configured file [absent.crt] not found"),
    ({"certificate": "node.crt"}, "signing.key] beside it"),
    ({"certificate": "/etc/passwd", "key": "node.key"}, "must be the name of a file below"),
    ({"keystore": {"path": "x.p12"}}, "not supported: give PEM files"),
]


@pytest.mark.parametrize(("signing", "expected"), REFUSED)
def test_settings_that_cannot_sign_are_refused(local: Side, signing: dict[str, Any], expected: str) -> None:
    """They are a 400 that names the file or the setting, and nothing is changed."""
    remote = {"mode": "proxy", "proxy_address": "127.0.0.1:1", "signing": signing}
    with pytest.raises(RequestRefusedError) as refused:
        local.client.call(
            "PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {"refused": remote}}}}
        )
    assert refused.value.status == 400
    assert expected in refused.value.answer["error"]["reason"]
    assert "refused" not in local.client.call("GET", "/_remote/info")

"""Addresses that lead to the wrong thing: each is told by its phase, with what to do about it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from environments_strangers import http_answer, stranger, unused_port
from environments_support import Side, added_remote, attempt, last_error

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust

_PAGE = http_answer("200 OK", "text/html", b"<h1>It works!</h1>")
_FILTERED = http_answer(
    "403 Forbidden", "application/json", json.dumps({"ok": False, "message": "Forbidden"}).encode()
)


@dataclass(frozen=True)
class Fault:
    """What is wrong with an address, and what has to be told of it."""

    phase: str
    reason: str
    remedy: str


_FAULTS = {
    "nobody listens": Fault("connect", "refused", "port"),
    "host unknown": Fault("resolve", "nowhere.invalid", "name"),
    "authority not trusted": Fault("tls", "failed to establish trust with server at", "root certificate"),
    "name not in the certificate": Fault("tls", "and not for [elsewhere.example]", "server_name"),
    "name not known at the door": Fault("tls", "does not know the name [{unknown}]", "server name"),
    "not TLS": Fault("tls", "does not speak TLS", "check the port"),
    "closes at once": Fault("tls", "closed the connection during the TLS handshake", "server_name"),
    "silent before TLS": Fault("tls", "did not answer the TLS hello in time", "remote cluster server"),
    "silent after TLS": Fault("handshake", "did not answer the handshake", "remote cluster server"),
    "a web server": Fault("handshake", "answered HTTP status [200] with [text/html]", "9443"),
    "an IP filter": Fault("handshake", "forbids connections from this deployment's address", "egress"),
    "a REST API": Fault("handshake", "is the REST API of a deployment", "9443"),
}


@pytest.fixture(scope="module")
def faulty(local: Side, remote: Side, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Add a remote for each fault, all at once: some take seconds to be noticed; answers their aliases."""
    with ExitStack() as stack:
        ours = _context_of_the_remote_proxy(remote)
        theirs = _context_of_another_authority(remote, tmp_path_factory.mktemp("authority"))
        right_name = remote.deployment.server_name
        domain = right_name.partition(".")[2]
        platform = EnvironmentLayout(Path(remote.environment.directory))
        data_port = json.loads(platform.ports.read_text())["data"]

        def listening(context: ssl.SSLContext | None, answer: bytes | None, *, silent: bool = False) -> str:
            return f"127.0.0.1:{stack.enter_context(stranger(context, answer, silent=silent))}"

        addresses = {
            "nobody listens": (f"127.0.0.1:{unused_port()}", right_name),
            "host unknown": ("nowhere.invalid:9443", right_name),
            "authority not trusted": (listening(theirs, _PAGE), right_name),
            "name not in the certificate": (listening(ours, _PAGE), "elsewhere.example"),
            "name not known at the door": (remote.deployment.proxy_address, f"{'0' * 32}.{domain}"),
            "not TLS": (listening(None, _PAGE), right_name),
            "closes at once": (listening(None, None), right_name),
            "silent before TLS": (listening(None, None, silent=True), right_name),
            "silent after TLS": (listening(ours, None, silent=True), right_name),
            "a web server": (listening(ours, _PAGE), right_name),
            "an IP filter": (listening(ours, _FILTERED), right_name),
            "a REST API": (f"127.0.0.1:{data_port}", right_name),
        }
        key = trust.create_cross_cluster_key(remote.client, "for-faults")
        aliases: dict[str, str] = {}
        for fault, (address, name) in addresses.items():
            settings = {"proxy_address": address, "server_name": name}
            aliases[fault] = stack.enter_context(added_remote(local, remote, key=key, **settings))
        yield aliases


@pytest.mark.parametrize(("name", "fault"), _FAULTS.items(), ids=_FAULTS)
def test_remote_info_names_phase_reason_and_remedy(
    local: Side, remote: Side, faulty: dict[str, str], name: str, fault: Fault
) -> None:
    """Without a single search having been sent."""
    unknown = f"{'0' * 32}.{remote.deployment.server_name.partition('.')[2]}"
    error = last_error(local, faulty[name])
    assert error["phase"] == fault.phase
    assert fault.reason.format(unknown=unknown) in error["reason"]
    assert fault.remedy in error["remedy"]
    phases = local.client.call("GET", "/_remote/info")[faulty[name]]["isthmus"]["phases"]
    before = list(phases)[: list(phases).index(fault.phase)]
    assert all("last_error" not in phases[phase] for phase in before)


@pytest.mark.parametrize("name", _FAULTS)
def test_a_search_skips_it_and_answers_soon(
    local: Side, index: str, faulty: dict[str, str], name: str
) -> None:
    """The local documents are found, and the reason why the others are missing is told."""
    alias = faulty[name]
    last_error(local, alias)
    started = time.monotonic()
    answer = local.client.call("POST", f"/{index},{alias}:{index}/_search")
    assert time.monotonic() - started < 4
    assert [hit["_source"]["side"] for hit in answer["hits"]["hits"]] == ["local"]
    detail = answer["_clusters"]["details"][alias]
    assert detail["status"] == "skipped"
    assert detail["failures"][0]["reason"]["caused_by"]["reason"]


def test_every_fault_is_resolved_as_not_connected(local: Side, faulty: dict[str, str]) -> None:
    """``_resolve/cluster`` asks all of them at once and tells why each is not there."""
    for alias in faulty.values():
        last_error(local, alias)
    answer = local.client.call("GET", f"/_resolve/cluster/{','.join(f'{a}:x' for a in faulty.values())}")
    for alias in faulty.values():
        assert answer[alias]["connected"] is False
        assert answer[alias]["error"]


@pytest.mark.parametrize("name", ["nobody listens", "authority not trusted", "not TLS", "a web server"])
def test_a_search_fails_where_the_remote_may_not_be_skipped(
    local: Side, index: str, faulty: dict[str, str], name: str
) -> None:
    """As an error about that cluster with the reason, and no inner error of the server."""
    alias = faulty[name]
    setting = f"cluster.remote.{alias}.skip_unavailable"
    local.client.call("PUT", "/_cluster/settings", {"persistent": {setting: False}})
    status, answer = attempt(local.client, "POST", f"/{index},{alias}:{index}/_search")
    local.client.call("PUT", "/_cluster/settings", {"persistent": {setting: None}})
    assert status == 503
    error = answer["error"]
    assert error["type"] == "remote_transport_exception"
    assert alias in error["reason"]
    assert error["caused_by"]["type"] == "no_seed_node_left_exception"
    assert error["caused_by"]["caused_by"]["reason"]


def test_trusting_the_authority_mends_it_without_a_request(local: Side, remote: Side, tmp_path: Path) -> None:
    """A remote whose authority was not trusted gets further as soon as it is: nobody has to search."""
    context = _context_of_another_authority(remote, tmp_path)
    key = trust.create_cross_cluster_key(remote.client, "for-trust")
    with (
        stranger(context, _PAGE) as port,
        added_remote(local, remote, key=key, proxy_address=f"127.0.0.1:{port}") as alias,
    ):
        assert last_error(local, alias)["phase"] == "tls"
        before = {remote.alias: remote.environment.proxy_ca_pem}
        added = {**before, "another": (tmp_path / "authority.pem").read_text()}
        trust.trust_authorities(local.platform, local.deployment.id, added)
        try:
            last_error(local, alias, phase="handshake")
        finally:
            trust.trust_authorities(local.platform, local.deployment.id, before)
        last_error(local, alias, phase="tls")
    trust.wait_until_connected(local.client, (remote.alias,), 15)


def _context_of_the_remote_proxy(remote: Side) -> ssl.SSLContext:
    files = EnvironmentLayout(Path(remote.environment.directory)).server("proxy")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


def _context_of_another_authority(remote: Side, folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(remote.deployment.server_name).configure_cert(context)
    return context

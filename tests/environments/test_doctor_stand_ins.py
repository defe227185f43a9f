"""What no environment of today does by itself, for real: wrong dates, clocks, versions, tempers, networks.

Each is a server on loopback with real TLS, most of them built of the parts of a real remote cluster server;
the doctor names step and cause, by the API and by the command alike.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from environments_strangers import http_answer, stranger
from environments_support import Side
from stand_in_remote import Authority, StandIn, StandIns, stand_ins

from isthmus.cli.main import main
from isthmus.errors import Failure, FailureKind
from isthmus.remotes.protocol import CONTENT_TYPE
from isthmus.sandbox import trust

_NAME = "stand-in.example.org"
_GARBAGE = http_answer("200 OK", CONTENT_TYPE, b"\xc1 no record of any version")
_SEARCH_FAILS = Failure(FailureKind.INVALID_REQUEST, "query_shard_exception", "failed to create query")

#: what is wrong -> the step that finds it, the cause that it names, and words that tell the specific case
_EXPECTED = {
    "nothing": None,
    "the certificate has expired": ("certificate_dates", "certificate-not-valid-now", "has expired"),
    "the certificate is not valid yet": (
        "certificate_dates",
        "certificate-not-valid-now",
        "is not valid yet",
    ),
    "the authority has expired": ("certificate_dates", "certificate-not-valid-now", "one of its authorities"),
    "the certificate expires soon": ("certificate_dates", "certificate-expires-soon", "expires in 5 days"),
    "its clock is behind": ("clocks", "clocks-differ", "s behind this node's"),
    "its clock is ahead": ("clocks", "clocks-differ", "s ahead of this node's"),
    "it speaks newer versions of the protocol": (
        "server",
        "protocol-versions-do-not-meet",
        "the other side [2-3], software [9.9.9]; upgrade this side",
    ),
    "it speaks older versions of the protocol": (
        "server",
        "protocol-versions-do-not-meet",
        "the other side [0-0], software [9.9.9]; upgrade the other side",
    ),
    "it is compatible with an old Elasticsearch": ("versions", "versions-not-supported-together", "8.10"),
    "it answers what cannot be read": ("server", "handshake-failed", "cannot be read"),
    "it is a transport port that lets us through": (
        "server",
        "client-certificate-wanted",
        "missing authentication credentials for action [cluster:internal/remote_cluster/handshake]",
    ),
    "it is slow": ("round_trip", "slow-round-trip", "ms (median of 5"),
    "it breaks connections": ("round_trip", "connection-breaks", "did not last"),
    "its searches fail": ("search", "trial-search-failed", "failed to create query"),
    "no cipher in common": ("tls", "tls-failed", "failed"),
    "nobody accepts": ("connect", "no-answer-to-the-connection", "did not answer in time"),
    "no way there": ("connect", "address-cannot-be-reached", "cannot be reached"),
}
_WARNINGS = {
    "certificate-expires-soon",
    "clocks-differ",
    "versions-not-supported-together",
    "slow-round-trip",
}


@pytest.fixture(scope="module")
def diagnoses(
    local: Side, remote: Side, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, dict[str, Any]]]]:
    """Add one remote for each case; answer each one's diagnoses: by the API and by the command."""
    folder = tmp_path_factory.mktemp("stand-ins")
    good, old = Authority(folder), Authority(folder, -timedelta(days=3660))
    with ExitStack() as stack:
        stack.enter_context(_trusting(local, remote, {"stand-ins": good.pem, "old": old.pem}))
        addresses = dict(_addresses(stack, stack.enter_context(stand_ins()), good, old))
        assert addresses.keys() == _EXPECTED.keys()
        aliases = {f"stand-in-{number}": case for number, case in enumerate(addresses)}
        stack.callback(_configure, local, dict.fromkeys(aliases))
        _configure(
            local, {alias: {"mode": "proxy", "server_name": _NAME, "proxy_address": addresses[case]}
                    for alias, case in aliases.items()},
        )  # fmt: skip
        answers = {
            "api": local.client.call("GET", "/_remote/diagnose"),
            "command": _command(local),
        }
        yield {
            by: {aliases[each["alias"]]: each for each in answer["remotes"] if each["alias"] in aliases}
            for by, answer in answers.items()
        }


@contextmanager
def _trusting(local: Side, remote: Side, authorities: dict[str, str]) -> Iterator[None]:
    before = {remote.alias: remote.environment.proxy_ca_pem}
    trust.trust_authorities(local.platform, local.deployment.id, {**before, **authorities})
    yield
    trust.trust_authorities(local.platform, local.deployment.id, before)
    trust.wait_until_connected(local.client, (remote.alias,), 30)


def _addresses(
    stack: ExitStack, servers: StandIns, good: Authority, old: Authority
) -> Iterator[tuple[str, str]]:
    today = good.server_context(_NAME)

    def at(port: int) -> str:
        return f"127.0.0.1:{port}"

    def serving(context: ssl.SSLContext = today, **special: Any) -> str:
        return at(servers.listen(StandIn(**special), context))

    def dated(authority: Authority, **made: float) -> str:
        return serving(authority.server_context(_NAME, timedelta(**made)))

    yield "nothing", serving()
    yield "the certificate has expired", dated(good, days=-366)
    yield "the certificate is not valid yet", dated(good, days=2)
    yield "the authority has expired", dated(old)
    yield "the certificate expires soon", dated(good, days=-360, hours=-1)
    yield "its clock is behind", serving(clock_ahead=-timedelta(minutes=10))
    yield "its clock is ahead", serving(clock_ahead=timedelta(minutes=10))
    yield "it speaks newer versions of the protocol", serving(versions=(2, 3))
    yield "it speaks older versions of the protocol", serving(versions=(0, 0))
    yield "it is compatible with an old Elasticsearch", serving(compatible_version="8.10.4")
    yield "it answers what cannot be read", at(stack.enter_context(stranger(today, _GARBAGE)))
    yield "it is a transport port that lets us through", serving(is_transport_port=True)
    yield "it is slow", serving(ping_delay_seconds=0.45)
    yield "it breaks connections", serving(breaks_at_ping=True)
    yield "its searches fail", serving(search_failure=_SEARCH_FAILS)
    yield "no cipher in common", at(stack.enter_context(stranger(_ciphers_of_rsa(good), _GARBAGE)))
    yield "nobody accepts", at(stack.enter_context(_full_backlog()))
    # A group's address: no connection can be made to one, whatever the routes of this machine.
    yield "no way there", "224.0.0.1:9443"


def _ciphers_of_rsa(authority: Authority) -> ssl.SSLContext:
    """Answer a server that offers only what its own certificate cannot do."""
    context = authority.server_context(_NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    return context


@contextmanager
def _full_backlog() -> Iterator[int]:
    """Answer a port that answers no further connection, as behind a firewall that drops packets."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def _configure(local: Side, wanted: dict[str, Any]) -> None:
    local.client.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": wanted}}})
    key = {"value": "ZXZlcnkta2V5OmV2ZXJ5LWtleS1pcy10YWtlbg=="}
    secrets = {
        f"cluster.remote.{alias}.credentials": key if settings else {} for alias, settings in wanted.items()
    }
    path = f"/api/v1/deployments/{local.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"
    local.platform.call("PATCH", path, {"secrets": secrets})


def _command(local: Side) -> Any:
    words = ["doctor", local.environment.directory, local.deployment.name, "--password-stdin", "--json"]
    result = CliRunner().invoke(main, words, input=f"{local.deployment.password}\n")
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("by", ["api", "command"])
@pytest.mark.parametrize("case", _EXPECTED)
def test_step_and_cause_are_named(
    diagnoses: dict[str, dict[str, dict[str, Any]]], case: str, by: str
) -> None:
    """The right step names the right cause, with a remedy, and nothing else is blamed."""
    diagnosis = diagnoses[by][case]
    found = {check["id"]: check for check in diagnosis["checks"] if "cause" in check}
    expected = _EXPECTED[case]
    if expected is None:
        assert (found, diagnosis["healthy"]) == ({}, True)
        return
    step, cause, words = expected
    assert {name: check["cause"] for name, check in found.items()} == {step: cause}
    assert words in found[step]["found"]
    assert found[step]["documentation"] == f"docs/troubleshooting.md#{cause}"
    assert found[step]["remedy"]
    assert diagnosis["healthy"] is (cause in _WARNINGS)

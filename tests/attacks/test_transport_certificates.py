"""9400: certificates that hostile or mistaken nodes show, to a deployment that trusts another environment."""

from __future__ import annotations

import ssl
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attacks_support import (
    Answer,
    answers_to,
    permissive_context,
    request_bytes,
    search_call,
    subject,
    tls_connection,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from environments_support import Side, until

from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust

sys.path.append(str(Path(__file__).parent.parent / "unit" / "security"))

from certificate_makers import CLIENT, SERVER, Made, authority, leaf, utf8

_CLUSTER = "a" * 32
_THIRD = authority("third authority")


def _transport_authority(side: Side) -> Made:
    """Answer an environment's own authority with its key: the attacker is its administrator."""
    files = EnvironmentLayout(Path(side.environment.directory)).authority("transport")
    key: Any = load_pem_private_key(files.key.read_bytes(), None)
    return Made(x509.load_pem_x509_certificate(files.certificate.read_bytes()), key)


def _name(scope_id: str, cluster_id: str = _CLUSTER) -> str:
    return f"instance-1.node.{cluster_id}.cluster.{scope_id}.account"


@pytest.fixture(scope="module")
def trusting(local: Side, remote: Side) -> Iterator[Side]:
    """Have the remote side trust one cluster of the local environment, and a third by a node's exact name."""
    path = f"/api/v1/deployments/{remote.deployment.id}?show_settings=true"
    settings = remote.platform.call("GET", path)["resources"]["elasticsearch"][0]["info"]["settings"]
    before = settings["trust"].get("direct") or []
    theirs = {
        "type": "ESS",
        "name": "theirs",
        "scope_id": local.environment.scope_id,
        "trust_all": False,
        "trust_allowlist": [_CLUSTER],
        "certificates": [{"pem": local.environment.transport_ca_pem}],
    }
    third = {
        "type": "generic",
        "name": "third",
        "trust_all": False,
        "additional_node_names": ["exact.example"],
        "certificates": [{"pem": _THIRD.pem}],
    }
    trust.replace_direct_trust(remote.platform, remote.deployment.id, [*before, theirs, third])
    good = leaf(_transport_authority(local), utf8(_name(local.environment.scope_id)))
    until(lambda: _shown(remote, good).status == 200, "the trusted certificate to be let in")
    yield remote
    trust.replace_direct_trust(remote.platform, remote.deployment.id, before)
    until(lambda: _shown(remote, good).status != 200, "trust to be taken back")


def _context(made: Made | None, folder: Path) -> ssl.SSLContext:
    context = permissive_context()
    if made is not None:
        path = folder / "shown.pem"
        path.write_bytes(made.pem.encode() + made.key_pem)
        context.load_cert_chain(path)
    return context


def _shown(
    side: Side, made: Made | None, action: str = "handshake", body: Any = None, headers: Any = ()
) -> Answer:
    """Show a certificate on 9400 and ask; status 0 where nobody was let in."""
    content = request_bytes(
        "POST", f"/_isthmus/v1/{action}", list(headers), msgspec.msgpack.encode(body or {})
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            connection = tls_connection(side, "transport", context=_context(made, Path(folder)))
            answers = answers_to(connection, content)
        except (ssl.SSLError, ConnectionError):
            answers = []
    return answers[0] if answers else Answer(0, "", b"")


def test_strangers_certificates_are_refused(local: Side, trusting: Side) -> None:
    """Right authority with the wrong name, right name of the wrong authority, tricks with names, no name."""
    theirs, own_scope = _transport_authority(local), local.environment.scope_id
    right = _name(own_scope)
    bare = right.removesuffix(".account")
    impostor = Made(theirs.certificate, authority("unknown").key)
    hostile: dict[str, Made | None] = {
        "no certificate": None,
        "another cluster of the right environment": leaf(theirs, utf8(_name(own_scope, "b" * 32))),
        "a node of the attacked environment": leaf(theirs, utf8(_name(trusting.environment.scope_id))),
        "a node of a third environment": leaf(theirs, utf8(_name("9999999999"))),
        "the right name of an unknown authority": leaf(authority("unknown"), utf8(right)),
        "the right name, signed with another key": leaf(impostor, utf8(right)),
        "the right name of an authority that is trusted for another": leaf(_THIRD, utf8(right)),
        "another's exact name of the right authority": leaf(theirs, utf8("exact.example")),
        "no name": leaf(theirs),
        "the name in the subject only": leaf(theirs, subject=bare[:64]),
        "the name as a DNS name only": leaf(theirs, dns=(right,)),
        "the name under another type": leaf(theirs, utf8(right), oid="1.3.6.1.4.1.311.20.2.3"),
        "a wildcard": leaf(theirs, utf8(_name(own_scope, "*"))),
        "nothing but a wildcard": leaf(theirs, utf8("*")),
        "a pattern as a name": leaf(theirs, utf8("/.*/")),
        "a zero byte": leaf(theirs, utf8(right + "\0.evil")),
        "a line feed": leaf(theirs, utf8(right + "\n")),
        "more before": leaf(theirs, utf8("evil." + right)),
        "more after": leaf(theirs, utf8(right + ".evil")),
        "upper case": leaf(theirs, utf8(right.upper())),
        "an empty node": leaf(theirs, utf8(right.removeprefix("instance-1"))),
        "letters that look alike": leaf(theirs, utf8(right.replace("a", "\u0430"))),
        "two names, one of them unreadable": leaf(theirs, utf8(right), utf8("evil\0")),
        "bytes to spare behind the name": leaf(theirs, utf8(right) + b"\0"),
        "expired": leaf(theirs, utf8(right), valid=(-2, -1)),
        "not valid yet": leaf(theirs, utf8(right), valid=(1, 2)),
        "for servers only": leaf(theirs, utf8(right), usages=(SERVER,)),
        "signed by itself": _THIRD,
        "below a leaf": leaf(leaf(theirs, utf8(right)), utf8(right)),
    }
    let_in = [what for what, made in hostile.items() if _shown(trusting, made).status not in (0, 401)]
    assert let_in == []


def test_right_certificates_are_let_in(local: Side, trusting: Side) -> None:
    """The attacks above fail for what they are. Of two readable names, one that is trusted is enough."""
    theirs, right = _transport_authority(local), _name(local.environment.scope_id)
    for made in (
        leaf(theirs, utf8(right)),
        leaf(theirs, utf8("other.example"), utf8(right)),
        leaf(theirs, utf8(right), usages=(CLIENT,)),
        leaf(_THIRD, utf8("exact.example")),
    ):
        assert _shown(trusting, made).status == 200


def test_keys_and_passwords_are_none_here(local: Side, trusting: Side, narrow_key: str) -> None:
    """A trusted certificate beside a key is refused; a key without a certificate does not get as far."""
    made = leaf(_transport_authority(local), utf8(_name(local.environment.scope_id)))
    key = [("authorization", f"ApiKey {narrow_key}")]
    assert _shown(trusting, made, headers=key).status == 401
    assert _shown(trusting, None, headers=key).status == 0


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (subject(role_names=[]), 403),
        (subject(role_names=["no-such-role"]), 403),
        (subject(role_names=[], internal=True), 403),
        (subject(role_names=["superuser"], run_by="elastic", username="nobody-here"), 403),
        (subject(role_names=[f"r{number}" for number in range(1001)]), 400),
        (subject(role_names=[], api_key_id="x", role_sets=[]), 403),
        (subject(role_names=["superuser"], api_key_id="x", role_sets=[[]]), 403),
        (
            subject(
                api_key_id="x",
                role_sets=[
                    [
                        {
                            "name": "r",
                            "indices": [{"names": ["*"], "privileges": ["all"], "field_security": {"x": 1}}],
                        }
                    ]
                ],
            ),
            400,
        ),
    ],
    ids=str,
)
def test_what_a_trusted_node_says_of_its_callers_is_looked_up(
    local: Side, trusting: Side, vault: str, caller: dict[str, Any], status: int
) -> None:
    """Roles count by this side's definition; privileges that are sent along with role names do not."""
    made = leaf(_transport_authority(local), utf8(_name(local.environment.scope_id)))
    answer = _shown(trusting, made, "search", search_call(f"vault-{vault}", caller=caller))
    assert answer.status == status


def test_the_rest_api_is_not_behind_a_certificate(local: Side, trusting: Side) -> None:
    """A trusted node gets the actions of remote clusters, and no path beside them."""
    made = leaf(_transport_authority(local), utf8(_name(local.environment.scope_id)))
    assert _shown(trusting, made, "../../_search").status == 403
    assert _shown(trusting, made, "indices:data/write/bulk").status == 403

"""Files that somebody has changed, damaged or exchanged: refused, or nobody is let in; never the opposite."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from isthmus.app.node_traffic_filter import NodeTrafficFilter
from isthmus.clock import SystemClock
from isthmus.control.addresses import parse_address_or_none
from isthmus.control.nodes import decode_node_settings
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.errors import Failure
from isthmus.remotes.transport_security import TransportFiles, TransportSecurity
from isthmus.security import api_key_secrets, passwords
from isthmus.security.certificate_trust import CertificateRejectedError
from isthmus.security.file_users_watch import FileUsers
from isthmus.security.keystore import Keystore
from isthmus.security.secret import Secret
from isthmus.store.database import Database, Line, sqlite_url

_NAME = "cluster.remote.eu.credentials"
_VALUE = "c2VjcmV0LW9mLXRoZS1rZXlzdG9yZQ=="


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    """Answer a keystore with one secret."""
    made = Keystore.create(tmp_path / "keystore", tmp_path / "keystore.key")
    made.set(_NAME, Secret(_VALUE))
    return made


@pytest.mark.usefixtures("keystore")
def test_every_changed_byte_of_a_keystore_is_noticed(tmp_path: Path) -> None:
    """Flipped, cut or added to: the whole is refused, and the message holds nothing of the content."""
    path = tmp_path / "keystore"
    whole = path.read_bytes()
    versions = [whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(len(whole))]
    versions += [whole[:-1], whole + b"\0", whole[:20], b"", whole + whole, json.dumps({_NAME: "x"}).encode()]
    for version in versions:
        path.write_bytes(version)
        with pytest.raises(Failure) as refused:
            Keystore(path, tmp_path / "keystore.key").get(_NAME)
        assert refused.value.error_type == "keystore_exception"
        assert _VALUE not in str(refused.value) + refused.value.reason


@pytest.mark.usefixtures("keystore")
@pytest.mark.parametrize(
    "key", [b"", b"x", base64.b64encode(bytes(32)), base64.b64encode(bytes(31)), b"\xff" * 44]
)
def test_a_keystore_under_another_key_is_refused(tmp_path: Path, key: bytes) -> None:
    """A key of zeros, a short one, junk: refused; and nothing is written with it either."""
    before = (tmp_path / "keystore").read_bytes()
    (tmp_path / "keystore.key").write_bytes(key)
    opened = Keystore(tmp_path / "keystore", tmp_path / "keystore.key")
    with pytest.raises(Failure, match="keystore"):
        opened.get(_NAME)
    with pytest.raises(Failure, match="keystore"):
        opened.set(_NAME, Secret("eA=="))
    assert (tmp_path / "keystore").read_bytes() == before


def test_another_deployments_keystore_is_refused(keystore: Keystore, tmp_path: Path) -> None:
    """Copied whole into this folder it cannot be opened with the key that is here."""
    (tmp_path / "other").mkdir()
    Keystore.create(tmp_path / "other" / "keystore", tmp_path / "other" / "keystore.key")
    (tmp_path / "keystore").write_bytes((tmp_path / "other" / "keystore").read_bytes())
    with pytest.raises(Failure, match="cannot be decrypted"):
        keystore.get(_NAME)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"null", b"[]", b'{"cluster_id": 5}', b'{"directory": 5}', b"\xff", b"{" * 10_000],
)
def test_node_settings_that_are_none_are_refused(content: bytes) -> None:
    """A node does not start with what it cannot read whole."""
    with pytest.raises(msgspec.MsgspecError):
        decode_node_settings(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b'{"entries": 5}',
        b'{"entries": [{"label": "x", "authorities": ["junk"], "patterns": ["*"]}]}',
        b'{"entries": [{"label": "x", "authorities": [], "patterns": ["*"], "names": ["a"]}]}',
        b'{"entries": [{"label": "x", "authorities": [], "patterns": ["/((/"]}]}',
        b"\xff",
    ],
)
def test_trust_that_cannot_be_read_is_trust_in_nobody(tmp_path: Path, content: bytes) -> None:
    """Junk, an authority that is none, a pattern for everybody without an authority."""
    trust = tmp_path / "transport-trust.json"
    trust.write_bytes(content)
    security = TransportSecurity(TransportFiles(tmp_path / "absent.crt", tmp_path / "absent.key", trust))
    for chain in ([], [b""], [b"junk"]):
        with pytest.raises(CertificateRejectedError):
            security.decide(chain)
    assert security.server_context is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}x",
        b"null",
        b"[]",
        b'{"rules": 5}',
        b'{"unknown": true}',
        b"\xff",
        b'{"sources": ["192.0.2.1"]}',
        b'{"is_open": true}',
        b'{"is_open": false, "sources": ["192.0.2.1"], "more": 1}',
        b'{"is_open": false, "sources": ["x"]}',
        b'{"rules": [{"source": "x"}]}',
    ],
)
def test_a_filter_that_cannot_be_read_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    """Better nobody than everybody."""
    path = tmp_path / "traffic-filter.json"
    path.write_bytes(content)
    guarded = NodeTrafficFilter(path)
    for port in (PortKind.DATA, PortKind.REMOTE_CLUSTER):  # the certificate model is never filtered
        assert not guarded.may_come_in(port, parse_address_or_none("192.0.2.1"))
        assert not guarded.may_come_in(port, None)


@pytest.mark.parametrize(
    ("users", "roles"),
    [
        ("mallory", "superuser:mallory"),
        ("mallory:", "superuser:mallory"),
        ("mallory:plain-text-password", "superuser:mallory"),
        ("mallory:$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "superuser:mallory"),
        (":$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "superuser:"),
        ("\0", "\0"),
    ],
)
async def test_lines_of_operators_files_that_are_none_let_nobody_in(
    tmp_path: Path, users: str, roles: str
) -> None:
    """A user without a proper hash has no password that fits, least of all the empty one."""
    (tmp_path / "users").write_text(users + "\n")
    (tmp_path / "users_roles").write_text(roles + "\n")
    files = FileUsers(tmp_path, SystemClock(), lambda: None)
    files.look()
    found = files.find("mallory")
    for guess in ("", "plain-text-password", "mallory"):
        assert found is None or not await passwords.Passwords().matches(Secret(guess), found.password_hash)


@pytest.mark.parametrize(
    "damage", [lambda _whole: b"", lambda whole: whole[:100], lambda whole: b"x" * len(whole)]
)
def test_a_damaged_database_is_not_started_with(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Cut or overwritten it is refused; emptied it is a new one, in which nobody has a password."""
    path = tmp_path / "node.sqlite3"
    Database.open(sqlite_url(path), Line.NODE).close()
    damaged = damage(path.read_bytes())
    for old in tmp_path.glob("node.sqlite3-*"):
        old.unlink()
    path.write_bytes(damaged)
    if damaged:
        with pytest.raises(Exception, match=r"(?i)database|malformed"):
            Database.open(sqlite_url(path), Line.NODE)
        return
    Database.open(sqlite_url(path), Line.NODE).close()
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        assert all(
            connection.execute(f'select count(*) from "{table}"').fetchone()[0] == 0  # noqa: S608 - its own names
            for table in tables
            if "user" in table or "key" in table
        )
    connection.close()


@pytest.mark.parametrize("module", [api_key_secrets, passwords])
def test_secrets_are_compared_in_constant_time(module: ModuleType) -> None:
    """Digests meet in ``compare_digest`` or in argon2's own comparison, never in ``==``."""
    tree = ast.parse(inspect.getsource(module))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert called & {"compare_digest", "verify"}
    compared = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
    ]
    assert not any(word in text for text in compared for word in ("digest", "secret", "fingerprint", "hash"))


def test_an_unknown_key_costs_what_a_wrong_secret_costs() -> None:
    """There is a hash to compare with also where there is no key, and nothing fits it."""
    assert not api_key_secrets.key_secret_matches(Secret(""), api_key_secrets.UNKNOWN_KEY_HASH)
    assert not api_key_secrets.key_secret_matches(Secret("x" * 22), api_key_secrets.UNKNOWN_KEY_HASH)


async def test_guessing_passwords_is_slow_and_few_at_a_time() -> None:
    """Argon2id of 19 MiB or more, two at once: a flood of guesses neither fills memory nor goes fast."""
    hashed = await passwords.Passwords().hash(Secret("correct horse"))
    assert hashed.startswith("$argon2id$")
    memory = int(hashed.partition("m=")[2].partition(",")[0])
    assert memory >= 19 * 1024
    assert passwords.Passwords()._gate._value == 2

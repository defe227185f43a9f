"""Links with the real keystore, the real keys and the real database on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from remotes_harness import ALIAS, SERVER_NAME, FakeEngine, FarCluster, identity, reader, until

from isthmus.clock import SystemClock
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import RemoteSettings, credentials_name
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.security.api_key_rules import KeyFilter
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.api_keys import NewKey
from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.keystore import Keystore
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.secret import Secret
from isthmus.security.service import Security, build_security
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

OWNER = Principal(
    "elastic",
    ("superuser",),
    ((RoleDescriptor(name="superuser", cluster=("all",)),),),
    "reserved",
    "reserved",
)
ACCESS = parse_access({"search": [{"names": ["logs-*"]}]})


@pytest.fixture
async def security(tmp_path: Path) -> AsyncIterator[Security]:
    """Open the far side's security."""
    database = Database.open(sqlite_url(tmp_path / "far.sqlite"), Line.NODE)
    yield build_security(SqlSecurityRecords(database), SystemClock())
    database.close()


@pytest.fixture
async def far(certificate: trustme.LeafCert, security: Security) -> AsyncIterator[FarCluster]:
    """Run a far cluster with real keys."""
    cluster = FarCluster(certificate, security.authenticator, FakeEngine(**{"logs-a": ["1"]}))  # type: ignore[arg-type]
    await cluster.start()
    yield cluster
    await cluster.kill()


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    """Make the near side's keystore."""
    return Keystore.create(tmp_path / "keystore", tmp_path / "keystore.key")


@pytest.fixture
async def remotes(far: FarCluster, keystore: Keystore, trusted_folder: Path) -> AsyncIterator[Remotes]:
    """Run the near side with the far one configured."""
    trust = TrustedAuthorities(trusted_folder, system_trust=False)
    made = Remotes(keystore, LinkContext(identity=identity("near"), trust=trust))
    running = asyncio.create_task(made.run())
    made.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=ProxyMode(far.address, SERVER_NAME))})
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def put_key(keystore: Keystore, encoded: str) -> None:
    """Store a key as another process does."""
    Keystore(keystore._path, keystore._key_path).set(credentials_name(ALIAS), Secret(encoded))


async def test_a_key_from_the_keystore_connects_and_its_expiration_is_shown(
    remotes: Remotes, keystore: Keystore, security: Security
) -> None:
    """A key put on disk by another process connects the link; searches see what the key gives access to."""
    key, secret = await security.api_keys.create_cross_cluster(
        OWNER, NewKey(name="eu key", access=ACCESS, expiration="1d")
    )
    put_key(keystore, encode_credentials(key.id, secret))
    await until(lambda: remotes.get(ALIAS).connected)
    target = remotes.get(ALIAS).search_target(reader("*"))
    result = await target.search(("*",), IndicesOptions(), SearchRequest())
    assert [hit.id for hit in result.hits] == ["1"]
    shown = remotes.get(ALIAS).info()["isthmus"]["remote"]["api_key"]
    assert (shown["id"], shown["name"]) == (key.id, "eu key")
    assert shown["expiration"] == key.expires_milliseconds
    assert secret.reveal() not in str(remotes.get(ALIAS).info())


async def test_an_invalidated_key_ends_the_link_within_a_ping(
    remotes: Remotes, keystore: Keystore, security: Security, far: FarCluster
) -> None:
    """A key that is invalidated on the far side shows as an authentication error without any search."""
    key, secret = await security.api_keys.create_cross_cluster(OWNER, NewKey(name="k", access=ACCESS))
    put_key(keystore, encode_credentials(key.id, secret))
    settings = RemoteSettings(
        alias=ALIAS, mode=ProxyMode(far.address, SERVER_NAME), ping_interval_seconds=0.1
    )
    remotes.apply({ALIAS: settings})
    await until(lambda: remotes.get(ALIAS).connected)
    await security.api_keys.invalidate(OWNER, KeyFilter(ids=(key.id,)))
    await until(lambda: remotes.get(ALIAS).info()["isthmus"]["state"] == "refused")
    error = remotes.get(ALIAS).info()["isthmus"]["last_error"]
    assert error["phase"] == "authenticate"
    assert error["reason"] == (
        f"unable to authenticate user [{key.id}] for action [cluster:internal/remote_cluster/handshake]"
    )


async def test_a_rest_key_is_told_apart(remotes: Remotes, keystore: Keystore, security: Security) -> None:
    """A key of the REST API is refused in Elasticsearch's words, with what to do instead."""
    key, secret = await security.api_keys.create(OWNER, NewKey(name="rest"))
    put_key(keystore, encode_credentials(key.id, secret))
    await until(
        lambda: "expected API key type" in str(remotes.get(ALIAS).info()["isthmus"].get("last_error"))
    )
    error = remotes.get(ALIAS).info()["isthmus"]["last_error"]
    assert error["reason"] == (
        f"authentication expected API key type of [cross_cluster], but API key [{key.id}] has type [rest]"
    )
    assert "a key made for the REST API cannot be used" in error["remedy"]

"""Fixtures of the remote clusters' tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from remotes_harness import (
    SERVER_NAME,
    FakeEngine,
    FakeKeys,
    FakeKeystore,
    FarCluster,
    Near,
    NearFactory,
    identity,
)

from isthmus.remotes.connection import DialTimeouts
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.registry import Remotes
from isthmus.remotes.trust import TrustedAuthorities


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make the far environment's proxy CA."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    """Make the far cluster's certificate."""
    return authority.issue_cert(SERVER_NAME)


@pytest.fixture
def trusted_folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """Make a folder that holds the far environment's CA."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "far.crt")
    return folder


@pytest.fixture
async def far(certificate: trustme.LeafCert) -> AsyncIterator[FarCluster]:
    """Run a far cluster with three indices and one key."""
    cluster = FarCluster(
        certificate,
        FakeKeys(key1=("logs-*",)),
        FakeEngine(**{"logs-a": ["1", "2"], "logs-b": ["3"], "secret": ["4"]}),
    )
    await cluster.start()
    yield cluster
    await cluster.kill()


@pytest.fixture
def near_of(trusted_folder: Path, far: FarCluster) -> NearFactory:
    """Make near sides that run while the context is open, and end before the far side does."""
    assert far.port

    @asynccontextmanager
    async def make(key: str | None = "key1", **context: Any) -> AsyncIterator[Near]:
        keystore = FakeKeystore()
        keystore.put_key(key)
        values: dict[str, Any] = {
            "timeouts": DialTimeouts(connect_seconds=1, tls_seconds=1, handshake_seconds=1),
            "trust": TrustedAuthorities(trusted_folder, system_trust=False),
            **context,
        }
        remotes = Remotes(keystore, LinkContext(identity=identity("near"), **values))
        running = asyncio.create_task(remotes.run())
        try:
            yield Near(remotes, keystore, trusted_folder)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    return make


@pytest.fixture
async def near(near_of: NearFactory) -> AsyncIterator[Near]:
    """Run a near side with the good key."""
    async with near_of() as made:
        yield made

"""What changes under an open link: a key's access, metadata, expiration; whom the local side trusts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from environments_support import Side, attempt, last_error, side_of, until

from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel, trust

EVERYTHING = {"search": [{"names": ["*"]}]}
NOTHING_THERE = {"search": [{"names": ["nothing-here"]}]}


@pytest.fixture
def key(remote: Side) -> dict[str, str]:
    """Make a cross-cluster key that reads everything."""
    made: dict[str, str] = remote.client.call(
        "POST", "/_security/cross_cluster/api_key", {"name": "changing", "access": EVERYTHING}
    )
    return made


def change(remote: Side, key: dict[str, str], **changes: Any) -> bool:
    """Update a key; answer whether that changed anything."""
    answer = remote.client.call("PUT", f"/_security/cross_cluster/api_key/{key['id']}", changes)
    return bool(answer["updated"])


def found(local: Side, alias: str, index: str) -> int:
    """Answer how many documents a search finds over there."""
    answer = local.client.call("POST", f"/{alias}:{index}/_search")
    return int(answer["hits"]["total"]["value"])


def test_another_access_counts_for_the_very_next_search(
    local: Side, remote: Side, index: str, key: dict[str, str], add_remote: Callable[..., str]
) -> None:
    """Narrowed and widened again over connections that stay open, without a change on the local side."""
    alias = add_remote(key=key["encoded"], skip_unavailable=False)
    assert found(local, alias, index) == 1
    assert change(remote, key, access=NOTHING_THERE)
    status, answer = attempt(local.client, "POST", f"/{alias}:{index}/_search")
    assert status == 403
    assert "towards remote cluster is unauthorized for user [elastic]" in str(answer)
    assert change(remote, key, access=EVERYTHING)
    assert not change(remote, key, access=EVERYTHING)
    assert found(local, alias, index) == 1
    assert local.client.call("GET", "/_remote/info")[alias]["isthmus"]["keys"]["in_use"] == key["id"]


def test_other_metadata_interrupts_nothing(
    local: Side, remote: Side, index: str, key: dict[str, str], add_remote: Callable[..., str]
) -> None:
    """Metadata is replaced as a whole; the key goes on working."""
    alias = add_remote(key=key["encoded"])
    assert found(local, alias, index) == 1
    assert change(remote, key, metadata={"owner": "search team"})
    shown = remote.client.call("GET", f"/_security/api_key?id={key['id']}")["api_keys"][0]
    assert shown["metadata"] == {"owner": "search team"}
    assert found(local, alias, index) == 1


def test_an_expiration_is_seen_ahead_of_time_and_ends_the_link(
    local: Side, remote: Side, index: str, key: dict[str, str], add_remote: Callable[..., str]
) -> None:
    """_remote/info and the log tell of it; once it has come the next search is refused."""
    alias = add_remote(key=key["encoded"], transport={"ping_schedule": "200ms"})
    assert found(local, alias, index) == 1

    def shown() -> dict[str, Any]:
        described: dict[str, Any] = local.client.call("GET", "/_remote/info")[alias]["isthmus"]["remote"]
        return dict(described["api_key"])

    assert "expiration" not in shown()
    assert change(remote, key, expiration="30d")
    until(lambda: "expiration" in shown(), "the expiration to be told")
    assert "expires_soon" not in shown()
    assert change(remote, key, expiration="2d")
    until(lambda: shown().get("expires_soon"), "the expiration to be near")
    log = Path(local.environment.directory) / "logs" / f"{local.deployment.id}.log"
    until(lambda: key["id"] in expiry_warnings(log), "the warning in the log")
    assert change(remote, key, expiration="800ms")
    time.sleep(0.9)
    answer = local.client.call("POST", f"/{alias}:{index}/_search")
    assert answer["_clusters"]["skipped"] == 1
    assert last_error(local, alias)["phase"] == "authenticate"


def expiry_warnings(log: Path) -> str:
    """Answer the lines of a log that tell of keys which expire soon."""
    return "\n".join(line for line in log.read_text().splitlines() if "key expires soon" in line)


@pytest.fixture
def trusted_as_before(local: Side, remote: Side) -> Iterator[None]:
    """Have the local side trust the remote one again afterwards, and wait until they are connected."""
    yield
    trust.trust_authorities(
        local.platform, local.deployment.id, {remote.alias: remote.environment.proxy_ca_pem}
    )
    trust.wait_until_connected(local.client, (remote.alias,), 30)


@pytest.mark.usefixtures("trusted_as_before")
def test_several_authorities_are_trusted_and_one_that_is_removed_opens_nothing_more(
    local: Side, remote: Side, index: str, key: dict[str, str], add_remote: Callable[..., str]
) -> None:
    """Trusted environments of type proxy, by API: two at once; without the right one nothing connects."""
    both = {remote.alias: remote.environment.proxy_ca_pem, "another": local.environment.proxy_ca_pem}
    trust.trust_authorities(local.platform, local.deployment.id, both)
    alias = add_remote(key=key["encoded"])
    trust.wait_until_connected(local.client, (alias,), 30)
    trust.trust_authorities(local.platform, local.deployment.id, {"another": both["another"]})
    until(lambda: not local.client.call("GET", "/_remote/info")[alias]["connected"], "the link to end")
    error = last_error(local, alias, "tls")
    assert "failed to establish trust with server" in error["reason"]
    answer = local.client.call("POST", f"/{alias}:{index}/_search")
    assert answer["_clusters"]["skipped"] == 1
    trust.trust_authorities(local.platform, local.deployment.id, both)
    until(lambda: found(local, alias, index) == 1, "the link to come back")


def test_an_authority_of_the_operating_system_needs_no_trust(
    remote: Side, index: str, key: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a public authority has issued the remote's certificate, a key is all that is to be added.

    Here the system's trust store is a file that holds the remote environment's authority.
    """
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(remote.environment.proxy_ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with Sandbox(SandboxOptions(environments=1, model=SecurityModel.NONE)) as sandbox:
        monkeypatch.delenv("SSL_CERT_FILE")
        third = side_of(sandbox, sandbox.fabric.environments[0])
        trust.put_key(third.platform, third.deployment.id, remote.alias, key["encoded"])
        trust.connect(
            third.client, remote.alias, remote.deployment.proxy_address, remote.deployment.server_name
        )
        trust.wait_until_connected(third.client, (remote.alias,), 30)
        assert found(third, remote.alias, index) == 1

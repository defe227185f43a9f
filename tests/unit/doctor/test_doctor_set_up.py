"""What the doctor makes of settings, keystore and roles, without a remote that answers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from isthmus.cli.main import main
from isthmus.doctor.access import not_reached
from isthmus.doctor.doctor import Doctor, alias_of_or_none
from isthmus.errors import Failure
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.flat_settings import FlatSettings
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.keystore import Keystore
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.remote_caller import RemoteSubject
from isthmus.security.secret import Secret

ASKING = Principal(
    username="ann", role_names=(), role_sets=((),), realm_name="default_native", realm_type="native"
)


class Records:
    """Settings that another version stored, valid or not."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    async def load(self) -> FlatSettings:
        return self._settings

    async def save(self, settings: FlatSettings) -> None:
        raise NotImplementedError


async def _doctor(tmp_path: Path, settings: Mapping[str, str], keys: Mapping[str, str]) -> Doctor:
    keystore = Keystore.create(tmp_path / "keystore", tmp_path / "keystore.key")
    for alias, value in keys.items():
        keystore.set(f"cluster.remote.{alias}.credentials", Secret(value))
    service = ClusterSettingsService(Records(settings), lambda _: None)
    await service.load()
    identity = NodeIdentity("node", "node", "c" * 32, "near", "0.1.0")
    return Doctor(service, keystore, LinkContext(identity, TrustedAuthorities(None, system_trust=False)))


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_every_alias_with_settings_or_a_key_is_examined(tmp_path: Path) -> None:
    """All of them, each for itself: configured, without an address, and with nothing but a key."""
    settings = {
        "cluster.remote.eu.mode": "proxy",
        "cluster.remote.eu.proxy_address": f"127.0.0.1:{_closed_port()}",
        "cluster.remote.us.mode": "proxy",
    }
    keys = {"EU": encode_credentials("id", Secret("secret")), "eu": "no-encoded-key"}
    doctor = await _doctor(tmp_path, settings, keys)
    answer = await doctor.diagnose_all(ASKING, ("*",))
    assert answer["healthy"] is False
    causes = {
        each["alias"]: {check["id"]: check["cause"] for check in each["checks"] if "cause" in check}
        for each in answer["remotes"]
    }
    assert causes == {
        "EU": {"settings": "alias-not-configured"},
        "eu": {"keystore": "credentials-are-not-an-encoded-key", "connect": "connection-refused"},
        "us": {"settings": "alias-without-an-address", "keystore": "credentials-under-another-alias"},
    }
    assert "no-encoded-key" not in str(answer).replace("credentials-are-not-an-encoded-key", "")
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    ("key", "alias"),
    [
        ("cluster.remote.eu.proxy_address", "eu"),
        ("cluster.remote.eu.transport.compress", "eu"),
        ("cluster.remote.signing.certificate_authorities", None),
        ("cluster.remote.initial_connect_timeout", None),
        ("cluster.metadata.eu.mode", None),
    ],
)
def test_the_alias_of_a_setting(key: str, alias: str | None) -> None:
    """Settings of all remotes and of other things belong to no alias."""
    assert alias_of_or_none(key) == alias


def test_the_command_tells_that_it_cannot_run(tmp_path: Path) -> None:
    """Exit status 2, and not the 1 of a finding, where there is no environment."""
    result = CliRunner().invoke(main, ["doctor", str(tmp_path), "one", "--password-stdin"], input="x\n")
    assert result.exit_code == 2
    assert "is not an environment" in result.output


async def test_a_node_without_remote_clusters_is_well(tmp_path: Path) -> None:
    """There is nothing to be found where there is nothing."""
    doctor = await _doctor(tmp_path, {}, {})
    assert await doctor.diagnose_all(ASKING, ("*",)) == {"healthy": True, "remotes": []}


async def test_stored_settings_that_are_not_valid_are_told(tmp_path: Path) -> None:
    """The message of the settings' own check is what is found."""
    settings = {"cluster.remote.eu.mode": "sniff", "cluster.remote.eu.server_name": "far"}
    doctor = await _doctor(tmp_path, settings, {})
    checks = (await doctor.diagnose(ASKING, "eu", ("*",)))["checks"]
    assert checks[0]["cause"] == "settings-not-valid"
    assert "configured=SNIFF" in checks[0]["found"]


async def test_a_damaged_keystore_is_told(tmp_path: Path) -> None:
    """A keystore that cannot be read is a finding and not an error of the request."""
    doctor = await _doctor(tmp_path, {}, {})
    (tmp_path / "keystore").write_bytes(b"damaged")
    checks = (await doctor.diagnose(ASKING, "eu", ("*",)))["checks"]
    assert checks[1]["cause"] == "keystore-cannot-be-read"


async def test_an_impossible_alias_is_refused(tmp_path: Path) -> None:
    """No cluster can have it, so that it is a mistake of the caller."""
    doctor = await _doctor(tmp_path, {}, {})
    with pytest.raises(Failure, match="Invalid cluster alias"):
        await doctor.diagnose(ASKING, "e u", ("*",))


@pytest.mark.parametrize(
    ("expressions", "missing"),
    [
        (("logs-1",), ()),
        (("metrics",), ("metrics",)),
        (("logs-1", "metrics", "other"), ("metrics", "other")),
        (("metrics*", "_all", "-metrics"), ()),
    ],
)
def test_names_that_the_roles_do_not_reach(expressions: tuple[str, ...], missing: tuple[str, ...]) -> None:
    """Plain names are looked up in the roles; wildcards narrow and are never denied."""
    role = RoleDescriptor(name="r", indices=(IndexPrivileges(names=("logs-*",), privileges=("read",)),))
    subject = RemoteSubject(username="ann", realm_name="r", realm_type="r", role_sets=((role,),))
    assert not_reached(subject, expressions) == missing

"""Deployments in a real directory with a real database, and nodes that only remember."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from isthmus.app.initialise import initialise
from isthmus.app.platform import open_database
from isthmus.app.traffic_filters import build_traffic_filtering
from isthmus.clock import SystemClock
from isthmus.control.account import Account
from isthmus.control.authorities import (
    renew_node_certificate,
    renew_server_certificates,
    server_names,
)
from isthmus.control.deployment_changes import DeploymentChanges, NewDeployment
from isthmus.control.deployments import DeploymentParts, Deployments
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import (
    NodeState,
    NodeStatus,
    NoNodes,
    decode_node_settings,
    encode_node_settings,
    node_settings,
)
from isthmus.control.plans import Plans
from isthmus.control.records import WantedState
from isthmus.control.trust_files import own_account_ids
from isthmus.control.trust_records import TrustSettings
from isthmus.errors import Failure, FailureKind
from isthmus.security.keystore import Keystore
from isthmus.security.private_files import write_private
from isthmus.security.secret import Secret
from isthmus.settings import EnvironmentKind, EnvironmentSettings
from isthmus.store.database import Database
from isthmus.store.environment_records import SqlDeploymentRecords
from isthmus.store.plan_records import SqlPlanRecords
from isthmus.store.platform_value_records import SqlPlatformValues
from isthmus.store.trust_relationship_records import SqlTrustRelationshipRecords

KEY = "cluster.remote.eu.credentials"


class RememberingNodes(NoNodes):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ring(self) -> None:
        self.told.append("ring")

    async def reconciled(self) -> None:
        self.told.append("reconciled")

    async def restart(self, deployment_id: str) -> None:
        self.told.append(f"restart {deployment_id}")

    async def stopped(self, deployment_id: str) -> None:
        self.told.append(f"stopped {deployment_id}")


@pytest.fixture
def settings(tmp_path: Path) -> EnvironmentSettings:
    """Answer a new environment."""
    return initialise(tmp_path / "environment", EnvironmentKind.HOSTED).settings


@pytest.fixture
def nodes() -> RememberingNodes:
    """Answer nodes that only remember."""
    return RememberingNodes()


@pytest.fixture
def database(settings: EnvironmentSettings) -> Iterator[Database]:
    """Answer the environment's database."""
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> SqlDeploymentRecords:
    """Answer the environment's records."""
    return SqlDeploymentRecords(database)


@pytest.fixture
def deployments(
    settings: EnvironmentSettings,
    database: Database,
    records: SqlDeploymentRecords,
    nodes: RememberingNodes,
) -> Deployments:
    """Answer the use cases."""
    clock = SystemClock()
    parts = DeploymentParts(
        records=records,
        plans=Plans(SqlPlanRecords(database), nodes, clock),
        filters=build_traffic_filtering(settings, database, records, clock).use_cases,
        account=Account(own_account_ids(settings)[0], SqlPlatformValues(database)),
        relationships=SqlTrustRelationshipRecords(database),
    )
    return Deployments(settings, parts, nodes, clock)


async def test_a_new_deployment_has_all_that_its_node_needs(
    settings: EnvironmentSettings, deployments: Deployments, nodes: RememberingNodes
) -> None:
    """Certificate, keystore, folder of authorities, first password; secrets for the owner only."""
    created = await deployments.create(NewDeployment(name=" logs ", secrets={KEY: Secret("abc")}))
    assert created.elastic_password is not None
    assert await deployments.get(created.deployment.id) == created.deployment
    assert created.deployment.name == "logs"
    assert nodes.told == ["ring"]
    layout = EnvironmentLayout(settings.directory).deployment(created.deployment.id)
    assert layout.first_password.read_text() == created.elastic_password.reveal()
    keystore = Keystore(layout.keystore, layout.keystore_key)
    assert keystore.get(KEY) == Secret("abc")
    private = (layout.first_password, layout.keystore, layout.keystore_key, layout.node_certificate.key)
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (layout.directory, layout.trusted)} == {0o700}
    assert created.elastic_password.reveal() not in repr(created)


async def test_a_failed_creation_leaves_nothing(
    settings: EnvironmentSettings, deployments: Deployments
) -> None:
    """A secure setting that does not exist is refused, and no folder stays."""
    with pytest.raises(Failure) as refused:
        await deployments.create(NewDeployment(name="logs", secrets={"cluster.typo": Secret("abc")}))
    assert refused.value.kind is FailureKind.INVALID_REQUEST
    assert list(EnvironmentLayout(settings.directory).deployments.iterdir()) == []
    assert await deployments.all() == ()


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\nb", "a\x00"])
async def test_names_that_cannot_be_are_refused(deployments: Deployments, name: str) -> None:
    """Empty, too long, or with control characters."""
    with pytest.raises(Failure, match="name"):
        await deployments.create(NewDeployment(name=name))


async def test_a_repeated_request_answers_the_first_deployment(deployments: Deployments) -> None:
    """Without its password, which is told once."""
    wanted = NewDeployment(name="logs", request_id="r" * 32)
    first = await deployments.create(wanted)
    second = await deployments.create(wanted)
    assert second.deployment == first.deployment
    assert second.elastic_password is None
    assert len(await deployments.all()) == 1


async def test_a_changed_trust_is_written_by_whoever_runs_the_nodes(
    settings: EnvironmentSettings, deployments: Deployments, nodes: RememberingNodes
) -> None:
    """Its folder has one writer; the change is answered once that one has acted on it."""
    made = (await deployments.create(NewDeployment())).deployment
    layout = EnvironmentLayout(settings.directory).deployment(made.id)
    before = {path: path.stat().st_ino for path in (layout.transport_trust, *layout.trusted.iterdir())}
    nodes.told.clear()
    changed = await deployments.update(made.id, DeploymentChanges(trust=TrustSettings()))
    assert changed.trust == TrustSettings()
    assert nodes.told[-1] == "reconciled"
    assert {path: path.stat().st_ino for path in before} == before


async def test_a_deployment_is_stopped_started_and_deleted(
    settings: EnvironmentSettings, deployments: Deployments, nodes: RememberingNodes
) -> None:
    """Deleting one that was not shut down is refused; deleting removes its folder."""
    deployment_id = (await deployments.create(NewDeployment(name="logs"))).deployment.id
    with pytest.raises(Failure, match="must be shut down"):
        await deployments.delete(deployment_id)
    stopped = await deployments.shut_down(deployment_id)
    assert stopped.wanted is WantedState.STOPPED
    assert f"stopped {deployment_id}" in nodes.told
    assert (await deployments.restore(deployment_id)).wanted is WantedState.STARTED
    await deployments.shut_down(deployment_id)
    await deployments.delete(deployment_id)
    assert list(EnvironmentLayout(settings.directory).deployments.iterdir()) == []
    for call in (deployments.get, deployments.delete, deployments.shut_down, deployments.reset_password):
        with pytest.raises(Failure) as missing:
            await call(deployment_id)
        assert missing.value.error_type == "deployments.deployment_not_found"


async def test_a_new_password_waits_for_the_node(
    settings: EnvironmentSettings, deployments: Deployments, nodes: RememberingNodes
) -> None:
    """It is in the file before the node is restarted."""
    created = await deployments.create(NewDeployment(name="logs"))
    password = await deployments.reset_password(created.deployment.id)
    assert password != created.elastic_password
    layout = EnvironmentLayout(settings.directory).deployment(created.deployment.id)
    assert layout.first_password.read_text() == password.reveal()
    assert nodes.told[-1] == f"restart {created.deployment.id}"


async def test_the_keystore_changes_as_a_whole(deployments: Deployments) -> None:
    """Names come back, and nothing is set where one of the settings is refused."""
    deployment_id = (await deployments.create(NewDeployment(name="logs"))).deployment.id
    assert await deployments.change_keystore(deployment_id, {KEY: Secret("abc")}) == (KEY,)
    with pytest.raises(Failure):
        await deployments.change_keystore(deployment_id, {KEY: None, "typo": Secret("x")})
    assert await deployments.keystore_names(deployment_id) == (KEY,)
    assert await deployments.change_keystore(deployment_id, {KEY: None}) == ()


async def test_an_older_revision_does_not_replace_a_newer(
    deployments: Deployments, records: SqlDeploymentRecords
) -> None:
    """Of two changes to the same revision only one is kept."""
    deployment = (await deployments.create(NewDeployment(name="logs"))).deployment
    assert await records.replace(deployment.changed(5, name="one"))
    assert not await records.replace(deployment.changed(6, name="two"))
    kept = await deployments.get(deployment.id)
    assert (kept.name, kept.revision) == ("one", 2)
    assert not await records.replace(deployment.changed(5, id="f" * 32))


async def test_a_node_is_told_by_a_file_without_secrets(
    settings: EnvironmentSettings, deployments: Deployments
) -> None:
    """The file reads back as the same settings."""
    created = await deployments.create(NewDeployment(name="logs", loopback_port=0, loopback_encrypted=False))
    told = node_settings(settings, created.deployment, Path("/run"))
    content = encode_node_settings(told)
    assert decode_node_settings(content) == told
    assert (told.loopback_port, told.loopback_encrypted) == (0, False)
    assert created.elastic_password is not None
    assert created.elastic_password.reveal().encode() not in content


async def test_certificates_are_renewed_when_due(
    settings: EnvironmentSettings, deployments: Deployments
) -> None:
    """Near their end, for another domain, or damaged; else they stay."""
    now = datetime.now(UTC)
    assert renew_server_certificates(settings, now) == ()
    assert renew_server_certificates(settings, now + timedelta(days=340)) == ("proxy", "ui")
    everywhere = "::"
    moved = msgspec.structs.replace(settings, domain="other.localhost", host=everywhere)
    assert everywhere not in server_names(moved)
    assert renew_server_certificates(moved, now) == ("proxy", "ui")
    EnvironmentLayout(settings.directory).server("ui").certificate.write_text("junk")
    assert renew_server_certificates(moved, now) == ("ui",)
    deployment = (await deployments.create(NewDeployment(name="logs"))).deployment
    assert not renew_node_certificate(settings, deployment, now)
    assert renew_node_certificate(settings, deployment, now + timedelta(days=340))


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    """Mode 0600 whatever was there, and nothing left beside them after a failure."""
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_private(tmp_path / "folder", b"x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "secret"]


def test_nothing_runs_in_an_environment_that_is_not_served() -> None:
    """Every node is stopped."""
    assert NoNodes().state("x") == NodeState(NodeStatus.STOPPED)

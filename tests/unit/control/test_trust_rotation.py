"""Changing the transport authority step by step, and the environments that a platform knows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.clock import SystemClock
from isthmus.control.authorities import (
    make_authorities,
    published_transport_authorities,
    renew_node_certificate,
)
from isthmus.control.authorities_rotation import (
    RotationState,
    activate_next_authority,
    finish_rotation,
    publish_next_authority,
    rotation_state,
)
from isthmus.control.certificates import make_authority
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import NoNodes
from isthmus.control.records import Deployment
from isthmus.control.trust_relationships import LOCAL_ID, TrustRelationships, parse_relationship
from isthmus.errors import Failure, FailureKind
from isthmus.security.certificate_names import read_certificate_names
from isthmus.security.private_files import make_private_directory
from isthmus.settings import EnvironmentKind, EnvironmentSettings
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.trust_relationship_records import SqlTrustRelationshipRecords

NOW = datetime.now(UTC)
DEPLOYMENT = Deployment(
    id="d" * 32,
    name="x",
    cluster_id="c" * 32,
    node_id="node123",
    region="ece-region",
    version="9.2.0",
    created_milliseconds=0,
    modified_milliseconds=0,
)
THEIR_CA = make_authority("theirs", "Isthmus", NOW).certificate.decode()


@pytest.fixture
def settings(tmp_path: Path) -> EnvironmentSettings:
    """Make the authorities of an environment with one deployment's folder."""
    made = EnvironmentSettings(
        directory=tmp_path, kind=EnvironmentKind.ENTERPRISE, domain="x.localhost", scope_id="1053523734"
    )
    make_authorities(made, NOW)
    make_private_directory(EnvironmentLayout(tmp_path).deployment(DEPLOYMENT.id).directory)
    renew_node_certificate(made, DEPLOYMENT, NOW)
    return made


def node_certificate(settings: EnvironmentSettings) -> x509.Certificate:
    """Answer the node's certificate as it is now."""
    files = EnvironmentLayout(settings.directory).deployment(DEPLOYMENT.id).node_certificate
    return x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]


def signed_by(settings: EnvironmentSettings, pem: str) -> bool:
    """Tell whether the node's certificate is of this authority."""
    authority = x509.load_pem_x509_certificate(pem.encode())
    try:
        node_certificate(settings).verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True


def published(settings: EnvironmentSettings) -> list[tuple[str, bool]]:
    """Answer what others are told."""
    return [
        (each.pem, each.active)
        for each in published_transport_authorities(EnvironmentLayout(settings.directory))
    ]


def test_both_authorities_are_published_from_the_first_step_to_the_last(
    settings: EnvironmentSettings,
) -> None:
    """Nodes change theirs in the second step, when others have had the time to trust the new one."""
    layout = EnvironmentLayout(settings.directory)
    ((old, _),) = published(settings)
    publish_next_authority(settings, NOW)
    assert rotation_state(layout) is RotationState.PUBLISHED
    (first, first_active), (new, new_active) = published(settings)
    assert (first, first_active, new_active) == (old, True, False)
    assert renew_node_certificate(settings, DEPLOYMENT, NOW) is False
    activate_next_authority(settings)
    assert rotation_state(layout) is RotationState.ACTIVATED
    assert published(settings) == [(new, True), (old, False)]
    assert signed_by(settings, old)
    assert renew_node_certificate(settings, DEPLOYMENT, NOW) is True
    assert signed_by(settings, new)
    assert not signed_by(settings, old)
    finish_rotation(settings)
    assert rotation_state(layout) is RotationState.NONE
    assert published(settings) == [(new, True)]
    assert not layout.authority("transport-next").key.exists()


def test_steps_out_of_order_are_refused(settings: EnvironmentSettings) -> None:
    """With what comes next."""
    for step in (activate_next_authority, finish_rotation):
        with pytest.raises(Failure, match="begin with that"):
            step(settings)
    publish_next_authority(settings, NOW)
    with pytest.raises(Failure, match="activate it once others trust it"):
        publish_next_authority(settings, NOW)
    activate_next_authority(settings)
    with pytest.raises(Failure, match="finish that rotation first") as refused:
        publish_next_authority(settings, NOW)
    assert refused.value.kind is FailureKind.INVALID_REQUEST


def test_an_activation_that_was_interrupted_is_finished(settings: EnvironmentSettings) -> None:
    """A crash after the certificate and before the key: whoever reads next puts the key in its place."""
    layout = EnvironmentLayout(settings.directory)
    publish_next_authority(settings, NOW)
    following, active = layout.authority("transport-next"), layout.authority("transport")
    new = following.certificate.read_text()
    active.certificate.write_text(new)
    assert renew_node_certificate(settings, DEPLOYMENT, NOW) is True
    assert signed_by(settings, new)
    assert not following.certificate.exists()


def test_a_certificate_is_renewed_before_it_ends(settings: EnvironmentSettings) -> None:
    """With the same name, thirty days ahead."""
    before = node_certificate(settings)
    assert renew_node_certificate(settings, DEPLOYMENT, NOW + timedelta(days=300)) is False
    assert renew_node_certificate(settings, DEPLOYMENT, NOW + timedelta(days=340)) is True
    after = node_certificate(settings)
    assert after.serial_number != before.serial_number
    for certificate in (before, after):
        der = certificate.public_bytes(Encoding.DER)
        assert read_certificate_names(der).names == (f"node123.node.{'c' * 32}.cluster.1053523734.account",)


@pytest.fixture
def relationships(settings: EnvironmentSettings) -> Any:
    """Answer the relationships of a platform with a database."""
    database = Database.open(sqlite_url(settings.directory / "x.sqlite3"), Line.ENVIRONMENT)
    yield TrustRelationships(settings, SqlTrustRelationshipRecords(database), NoNodes(), SystemClock())
    database.close()


async def test_an_environment_becomes_known_and_is_forgotten(relationships: TrustRelationships) -> None:
    """What is not said in an update stays."""
    body = {"name": "them", "public_ca_cert": THEIR_CA, "account_ids": ["803289842"]}
    created = await relationships.create(parse_relationship(body))
    assert created.certificates == (THEIR_CA,)
    assert created.trust_by_default is False
    changed = await relationships.update(created.id, parse_relationship({"trust_by_default": True}))
    assert (changed.name, changed.trust_by_default, changed.revision) == ("them", True, 2)
    assert await relationships.all() == (changed,)
    with pytest.raises(Failure, match=r"version \[2\]"):
        await relationships.delete(created.id, 1)
    await relationships.delete(created.id, 2)
    with pytest.raises(Failure) as missing:
        await relationships.get(created.id)
    assert missing.value.error_type == "trust_relationships.not_found"


async def test_the_local_relationship_is_what_others_need(
    relationships: TrustRelationships, settings: EnvironmentSettings
) -> None:
    """All published authorities and the environment's id; it cannot be changed."""
    publish_next_authority(settings, NOW)
    local = await relationships.get(LOCAL_ID)
    assert len(local.certificates) == 2
    assert local.account_ids == ("1053523734",)
    for attempt in (relationships.delete(LOCAL_ID), relationships.update(LOCAL_ID, parse_relationship({}))):
        with pytest.raises(Failure, match="cannot be changed"):
            await asyncio.ensure_future(attempt)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ([], "(whole)"),
        ({"typo": 1}, "typo"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"public_ca_cert": []}, "public_ca_cert"),
        ({"public_ca_cert": "junk"}, "public_ca_cert"),
        ({"trust_by_default": "yes"}, "trust_by_default"),
        ({"account_ids": "x"}, "account_ids"),
        ({"account_ids": ["*"]}, "account_ids[0]"),
        ({"account_ids": ["1.2"]}, "account_ids[0]"),
        ({"account_ids": [None]}, "account_ids[0]"),
        ({"account_ids": ["1"] * 101}, "account_ids"),
        ({"installation_id": 5}, "installation_id"),
    ],
)
def test_what_is_not_understood_of_a_relationship_is_named(body: Any, member: str) -> None:
    """A 400 with the member's name."""
    with pytest.raises(Failure) as refused:
        parse_relationship(body)
    assert refused.value.metadata["fields"] == [f"body.{member}"]

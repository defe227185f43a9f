"""Authorities and certificates: what they say, and that OpenSSL believes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.control.certificates import (
    facts_of,
    issue_node_certificate,
    issue_server_certificate,
    make_authority,
    parse_certificates,
)
from isthmus.control.identity import (
    NODE_ID_CHARACTERS,
    SCOPE_ID_PATTERN,
    new_hex_id,
    new_node_id,
    new_scope_id,
    node_other_name,
    trust_pattern,
)
from isthmus.errors import Failure, FailureKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHORITY = make_authority("proxy CA", "Isthmus", NOW)


def test_an_authority_signs_and_lasts_ten_years() -> None:
    """It may sign leaves and no further authority."""
    (certificate,) = parse_certificates(AUTHORITY.certificate.decode())
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert facts_of(certificate).valid_to == NOW + timedelta(days=3650)
    certificate.verify_directly_issued_by(certificate)


def test_a_server_certificate_has_its_names_and_chain() -> None:
    """Leaf first, then the authority; DNS names and addresses alike."""
    names = ("*.hosted.localhost", "hosted.localhost", "localhost", "127.0.0.1", "::1")
    chain = parse_certificates(issue_server_certificate(AUTHORITY, names, NOW).certificate.decode())
    leaf, root = chain
    leaf.verify_directly_issued_by(root)
    facts = facts_of(leaf)
    assert set(facts.server_names) == set(names)
    assert not facts.is_authority
    assert facts.valid_to == NOW + timedelta(days=365)


def test_a_node_certificate_has_its_name_in_subject_and_other_name() -> None:
    """As Elastic's platforms write it: OID 2.5.4.3, a UTF8String, ``.account`` only there."""
    node_id, cluster_id, scope_id = new_node_id(), new_hex_id(), new_scope_id()
    issued = issue_node_certificate(AUTHORITY, node_id, cluster_id, scope_id, NOW)
    leaf = parse_certificates(issued.certificate.decode())[0]
    assert leaf.subject.rfc4514_string() == f"CN={node_id}.node.{cluster_id}.cluster.{scope_id}"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (other,) = names.get_values_for_type(x509.OtherName)
    expected = node_other_name(node_id, cluster_id, scope_id).encode()
    assert other.type_id.dotted_string == "2.5.4.3"
    assert other.value == b"\x0c" + bytes((len(expected),)) + expected
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_ids_have_the_forms_that_others_expect() -> None:
    """Ten digits, 32 hexadecimal digits, and node ids that leave room in a common name."""
    for _ in range(50):
        assert SCOPE_ID_PATTERN.fullmatch(new_scope_id())
        assert len(new_hex_id()) == 32
        assert len(new_node_id()) == NODE_ID_CHARACTERS


def test_trust_patterns_name_a_cluster_or_all() -> None:
    """The forms of the specification."""
    assert trust_pattern("1053523734") == "*.node.*.cluster.1053523734.account"
    assert trust_pattern("1053523734", "cf65") == "*.node.cf65.cluster.1053523734.account"


def test_credentials_hide_their_key() -> None:
    """A log of them tells nothing."""
    assert "PRIVATE" not in repr(AUTHORITY)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        ("", "no certificate"),
        ("junk \x00 ü", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
        (AUTHORITY.key.decode(), "private key"),
        ((AUTHORITY.certificate + AUTHORITY.key).decode(), "private key"),
    ],
)
def test_what_is_no_certificate_is_refused(pem: str, reason: str) -> None:
    """With a 400 that says what is wrong; a private key is recognised."""
    with pytest.raises(Failure, match=reason) as refused:
        parse_certificates(pem)
    assert refused.value.kind is FailureKind.INVALID_REQUEST

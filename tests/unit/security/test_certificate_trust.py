"""Who is let in by certificate: the table of names and patterns, the hostile ones first of all."""

from __future__ import annotations

import pytest
from certificate_makers import Made, authority, leaf, node, utf8
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.security.certificate_names import (
    UnreadableCertificateError,
    is_node_name,
    node_name_parts_or_none,
    read_certificate_names,
)
from isthmus.security.certificate_trust import (
    CertificateRejectedError,
    CertificateTrust,
    TransportTrust,
    TrustEntry,
    name_matcher,
)

CLUSTER = "cf659f7fe6164d9691b284ae36811be1"
OTHER_CLUSTER = "d" * 32
SCOPE = "1053523734"
NAME = f"tx.node.{CLUSTER}.cluster.{SCOPE}.account"
ALL = f"*.node.*.cluster.{SCOPE}.account"
ONE = f"*.node.{CLUSTER}.cluster.{SCOPE}.account"

CA = authority("their transport CA")
ANOTHER_CA = authority("another transport CA")


def trust(*patterns: str, names: tuple[str, ...] = (), ca: Made = CA) -> CertificateTrust:
    """Answer the trust of one entry."""
    entry = TrustEntry(label="theirs", authorities=(ca.pem,), patterns=patterns, names=names)
    return CertificateTrust(TransportTrust(entries=(entry,)))


def is_trusted(made: Made, what: CertificateTrust, *above: Made) -> bool:
    """Answer the decision about a chain."""
    try:
        what.decide((made.der, *(each.der for each in above or (CA,))))
    except CertificateRejectedError:
        return False
    return True


@pytest.mark.parametrize("pattern", [ALL, ONE])
def test_a_node_of_the_trusted_scope_is_let_in(pattern: str) -> None:
    """The name in the otherName decides, and tells which cluster it is."""
    peer = trust(pattern).decide((node(CA, NAME).der, CA.der))
    assert (peer.name, peer.label) == (NAME, "theirs")
    assert (peer.cluster_id, peer.scope_id) == (CLUSTER, SCOPE)


@pytest.mark.parametrize(
    "name",
    [
        f"tx.node.{CLUSTER}.cluster.9999999999.account",  # another scope
        f"tx.node.{CLUSTER}.cluster.{SCOPE}",  # no .account
        f"tx.node.{CLUSTER}.cluster.{SCOPE}.accounts",
        f"tx.node.{CLUSTER}.cluster.{SCOPE}.account.evil",
        f"x.{NAME}",  # more before
        f".node.{CLUSTER}.cluster.{SCOPE}.account",  # no node
        f"tx.node..cluster.{SCOPE}.account",  # no cluster
        NAME.upper(),
        NAME.replace("node", "Node"),
        f"tx.node.{CLUSTER}.cluster.1.account.node.x.cluster.{SCOPE}.account",  # one name inside another
        f"tx.node.{CLUSTER}.cluster.{SCOPE}x.account",
        CLUSTER,
        "a",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    """A star never reaches over a dot, and nothing is trimmed or folded."""
    assert not is_trusted(node(CA, name), trust(ALL))


def test_another_cluster_of_a_trusted_scope_is_refused_where_one_is_listed() -> None:
    """An allowlist means the listed clusters only."""
    made = node(CA, f"tx.node.{OTHER_CLUSTER}.cluster.{SCOPE}.account")
    assert is_trusted(made, trust(ALL))
    assert not is_trusted(made, trust(ONE))


@pytest.mark.parametrize(
    "made",
    [
        leaf(CA, subject=NAME[:64]),  # in the subject only
        leaf(CA, dns=(NAME,)),  # as a DNS name only
        leaf(CA, utf8(NAME), oid="2.5.4.10"),  # as an otherName of another type
        leaf(CA, utf8(NAME), oid="1.3.6.1.4.1.311.20.2.3"),  # as a user principal name
    ],
    ids=["subject", "dns", "organization", "upn"],
)
def test_a_name_in_another_place_is_no_name(made: Made) -> None:
    """Only an otherName of type commonName counts."""
    with pytest.raises(CertificateRejectedError, match=r"with common-names \[\] does not match"):
        trust(ALL).decide((made.der, CA.der))


@pytest.mark.parametrize(
    "value",
    [
        utf8(NAME + "\0"),
        utf8("evil\0." + NAME),
        utf8(NAME + "\0.evil.example"),
        utf8(NAME + "\n"),
        utf8(" " + NAME),
        utf8(NAME.replace("tx", "*")),
        utf8(f"*.node.*.cluster.{SCOPE}.account"),
        utf8(f"?.node.{CLUSTER}.cluster.{SCOPE}.account"),
        utf8("/.*/"),
        utf8(NAME.replace("1", "\uff11")),  # a full-width digit
        utf8(NAME.replace("c", "\u0441")),  # Cyrillic
        utf8("\u202e" + NAME),  # right to left
        utf8(NAME + "\u200b"),  # no width
        utf8(NAME.replace("account", "a\u0301ccount")),
        utf8(b"\xff\xfe" + NAME.encode()),
        utf8(b"\xc0\xae" + NAME.encode()),  # an overlong dot
        utf8(""),
        b"",
        b"\x0c",
        NAME.encode(),  # no string at all
        b"\x0c\x81\x05hello",  # a length in more bytes than it needs
        b"\x0c\x80" + NAME.encode() + b"\0\0",  # an indefinite length
        utf8(NAME) + b"x",  # bytes after the end
        utf8(NAME)[:-1],  # cut short
        b"\x1e" + utf8(NAME)[1:],  # a BMPString
        b"\x04" + utf8(NAME)[1:],  # an OCTET STRING
        b"\x30" + utf8(NAME)[1:],  # a SEQUENCE
        b"\x0c\x82\x01\x00" + b"a" * 256,
    ],
    ids=range(28),
)
def test_a_name_that_two_readers_might_read_in_two_ways_is_refused(value: bytes) -> None:
    """Together with a good name, too: the certificate is refused as a whole."""
    for made in (leaf(CA, value), leaf(CA, utf8(NAME), value), leaf(CA, value, utf8(NAME))):
        with pytest.raises(CertificateRejectedError, match="Rejecting certificate"):
            trust(ALL, names=("hello",)).decide((made.der, CA.der))


def test_any_of_several_names_may_match() -> None:
    """A node may have two names, of which one is trusted."""
    made = leaf(CA, utf8("node-1.example.org"), utf8(NAME))
    assert trust(ALL).decide((made.der, CA.der)).name == NAME
    other = leaf(CA, utf8("node-1.example.org"), utf8("tx.node.x.cluster.y.account"))
    assert not is_trusted(other, trust(ALL))


def test_a_name_further_up_the_chain_counts_for_nothing() -> None:
    """An authority with a node's name does not make what it signs that node."""
    named_authority = leaf(CA, utf8(NAME), subject="intermediate")
    made = leaf(named_authority, subject="leaf")
    assert not is_trusted(made, trust(ALL), named_authority, CA)


def test_the_right_name_of_another_trusted_authority_is_refused() -> None:
    """An authority that is trusted for its own nodes cannot vouch for those of another."""
    theirs = TrustEntry(label="theirs", authorities=(CA.pem,), patterns=(ALL,))
    others = TrustEntry(
        label="others", authorities=(ANOTHER_CA.pem,), patterns=("*.node.*.cluster.2222222222.account",)
    )
    both = CertificateTrust(TransportTrust(entries=(theirs, others)))
    assert is_trusted(node(CA, NAME), both)
    assert not is_trusted(node(ANOTHER_CA, NAME), both, ANOTHER_CA)


def test_a_chain_without_any_trusted_authority_is_refused() -> None:
    """Whatever it is called."""
    assert not is_trusted(node(ANOTHER_CA, NAME), trust(ALL), ANOTHER_CA)


def test_nodes_below_an_intermediate_authority_are_let_in() -> None:
    """The trusted authority may be any in the chain above."""
    intermediate = authority("intermediate", CA)
    made = node(intermediate, NAME)
    assert is_trusted(made, trust(ALL), intermediate, CA)
    assert is_trusted(made, trust(ALL, ca=intermediate), intermediate, CA)


def test_nobody_is_let_in_without_a_certificate_or_without_trust() -> None:
    """What was not seen is not trusted."""
    with pytest.raises(CertificateRejectedError, match="No certificate presented"):
        trust(ALL).decide(())
    assert not is_trusted(node(CA, NAME), CertificateTrust(TransportTrust()))
    assert not is_trusted(node(CA, NAME), trust())


def test_what_is_not_a_certificate_is_refused() -> None:
    """Bytes of another kind."""
    with pytest.raises(CertificateRejectedError, match="cannot be read"):
        trust(ALL).decide((b"junk", CA.der))


def test_exact_names_are_no_patterns() -> None:
    """An additional node name stands for itself."""
    what = trust(names=("node-1.example.org", "Node_2"))
    assert is_trusted(node(CA, "node-1.example.org"), what)
    assert is_trusted(node(CA, "Node_2"), what)
    assert not is_trusted(node(CA, "node-1xexample.org"), what)
    assert not is_trusted(node(CA, "node_2"), what)


def test_the_refusal_says_what_was_shown_and_what_is_trusted() -> None:
    """In Elasticsearch's words."""
    made = node(CA, "node-1.example.org")
    with pytest.raises(CertificateRejectedError) as rejected:
        trust(ONE, names=("node-2",)).decide((made.der, CA.der))
    assert str(rejected.value) == (
        "Certificate for CN=node-1.example.org with common-names [node-1.example.org] does not match the"
        f" trusted names [{ONE}, node-2]"
    )


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("node*.example.com", "node7.example.com", True),
        ("node*.example.com", "node.example.com", True),
        ("node*.example.com", "node.a.example.com", False),
        ("node?.example.com", "node7.example.com", True),
        ("node?.example.com", "node.example.com", False),
        ("/node[0-9]+\\.example\\.com/", "node77.example.com", True),
        ("/node[0-9]+\\.example\\.com/", "xnode77.example.com", False),
        ("/node.*/", "node.a.example.com", True),
        ("*", "a", True),
        ("*", "a.b", False),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    """A star and a question mark stay within a part; a regular expression is over the whole name."""
    assert name_matcher(pattern)(name) is expected


def test_names_of_the_platforms_are_taken_apart() -> None:
    """For logs; names of another form are names all the same."""
    parts = node_name_parts_or_none(NAME)
    assert parts is not None
    assert (parts.node_id, parts.cluster_id, parts.scope_id) == ("tx", CLUSTER, SCOPE)
    assert node_name_parts_or_none("node-1.example.org") is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_no_value_makes_the_reader_fail_otherwise(value: bytes) -> None:
    """Whatever bytes stand in the place of a name: a plain name, or refused."""
    made = leaf(CA, value)
    try:
        names = read_certificate_names(made.der).names
    except UnreadableCertificateError:
        return
    assert all(is_node_name(name) for name in names)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_certificate(junk: bytes) -> None:
    """Refused by a failure that callers expect."""
    with pytest.raises(UnreadableCertificateError):
        read_certificate_names(junk)

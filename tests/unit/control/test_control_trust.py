"""The trust object: read strictly, told back, and turned into a folder."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isthmus.control.certificates import issue_server_certificate, make_authority
from isthmus.control.identity import trust_pattern
from isthmus.control.trust import default_trust, parse_trust, trust_of
from isthmus.control.trust_files import transport_trust, write_transport_trust, write_trusted_folder
from isthmus.control.trust_records import (
    AccountTrust,
    DirectTrustType,
    ExternalTrust,
    TrustRelationship,
    TrustSettings,
)
from isthmus.errors import Failure, FailureKind
from isthmus.settings import EnvironmentKind, EnvironmentSettings

NOW = datetime.now(UTC)
AUTHORITY = make_authority("their proxy CA", "Isthmus", NOW)
ACCOUNT, SCOPE, THEIRS = "a" * 32, "1053523734", "803289842"
CLUSTER = "cf659f7fe6164d9691b284ae36811be1"
PEM = AUTHORITY.certificate.decode()
CHAIN = issue_server_certificate(AUTHORITY, ("*.enterprise.localhost",), NOW).certificate.decode()
LEAF = CHAIN.removesuffix(PEM)


def direct(**members: Any) -> dict[str, Any]:
    """Answer an entry that is fine but for these members."""
    return {"type": "proxy", "name": "ece", "trust_all": False, "certificates": [{"pem": PEM}], **members}


def account(**members: Any) -> dict[str, Any]:
    """Answer an entry for an account that is fine but for these members."""
    return {"account_id": ACCOUNT, "trust_all": True, **members}


def by_certificate(**members: Any) -> dict[str, Any]:
    """Answer a direct entry for the certificate model that is fine but for these members."""
    members = {"type": "ECE", "scope_id": THEIRS, "trust_all": True, **members}
    return {"name": "ece", "certificates": [{"pem": PEM}], **members}


def environment(kind: EnvironmentKind = EnvironmentKind.HOSTED) -> EnvironmentSettings:
    """Answer an environment that nothing of is made."""
    return EnvironmentSettings(
        directory=Path("/nowhere"),
        kind=kind,
        domain="x.localhost",
        scope_id=SCOPE,
        account_id=ACCOUNT if kind is EnvironmentKind.HOSTED else None,
    )


def test_a_proxy_entry_is_kept_and_told_back() -> None:
    """With an id of its own and what its certificate says; sending it again changes nothing."""
    parsed = parse_trust({"direct": [direct()], "accounts": None, "external": []}, "trust")
    told = trust_of(parsed)
    (entry,) = told["direct"]
    assert (entry["name"], entry["type"], entry["trust_all"]) == ("ece", "proxy", False)
    assert entry["certificates"][0]["pem"] == PEM
    assert entry["certificates"][0]["metadata"]["valid_to"].endswith("Z")
    assert parse_trust(told, "trust") == parsed


@pytest.mark.parametrize("trust", [{}, {"direct": None}, {"direct": [], "accounts": [], "external": None}])
def test_empty_lists_trust_nobody(trust: dict[str, Any]) -> None:
    """Null, absent and empty are the same."""
    assert parse_trust(trust, "trust") == TrustSettings()
    assert trust_of(TrustSettings()) == {"accounts": None, "external": None, "direct": None}


def test_the_authority_of_a_chain_is_taken() -> None:
    """A chain as servers send it is understood; a server's certificate alone is not."""
    (parsed,) = parse_trust({"direct": [direct(certificates=[{"pem": CHAIN}])]}, "trust").direct
    assert parsed.certificates == (PEM,)
    with pytest.raises(Failure, match="no authority"):
        parse_trust({"direct": [direct(certificates=[{"pem": LEAF}])]}, "trust")


@pytest.mark.parametrize(
    ("trust", "member"),
    [
        ([], "trust"),
        ("x", "trust"),
        ({"directs": []}, "trust.directs"),
        ({"accounts": [{"account_id": "X", "trust_all": True}]}, "trust.accounts[0].account_id"),
        ({"accounts": [{"trust_all": True}]}, "trust.accounts[0].account_id"),
        ({"accounts": [{"account_id": "x"}]}, "trust.accounts[0].trust_all"),
        ({"accounts": [account(trust_all="true")]}, "trust.accounts[0].trust_all"),
        ({"accounts": [account(typo=1)]}, "trust.accounts[0].typo"),
        ({"accounts": [account(trust_allowlist="x")]}, "trust.accounts[0].trust_allowlist"),
        ({"accounts": [account(trust_allowlist=["*"])]}, "trust.accounts[0].trust_allowlist[0]"),
        ({"accounts": [account(trust_allowlist=[5])]}, "trust.accounts[0].trust_allowlist[0]"),
        ({"accounts": [account(), account()]}, "trust.accounts"),
        ({"external": [{}]}, "trust.external[0].trust_relationship_id"),
        ({"external": [{"account_id": "x", "trust_all": True}]}, "trust.external[0].account_id"),
        ({"direct": [by_certificate(type="ece")]}, "trust.direct[0].type"),
        ({"direct": [by_certificate(trust_all=None)]}, "trust.direct[0].trust_all"),
        ({"direct": [by_certificate(scope_id=None)]}, "trust.direct[0].scope_id"),
        ({"direct": [by_certificate(scope_id="A1")]}, "trust.direct[0].scope_id"),
        ({"direct": [by_certificate(scope_id="1.2")]}, "trust.direct[0].scope_id"),
        ({"direct": [by_certificate(scope_id="*")]}, "trust.direct[0].scope_id"),
        ({"direct": [by_certificate(scope_id="a" * 33)]}, "trust.direct[0].scope_id"),
        (
            {"direct": [by_certificate(trust_all=False, scope_id=None, trust_allowlist=[CLUSTER])]},
            "trust.direct[0].scope_id",
        ),
        (
            {"direct": [by_certificate(trust_all=False, scope_id=None)]},
            "trust.direct[0].additional_node_names",
        ),
        (
            {"direct": [by_certificate(additional_node_names=["node*.example.com"])]},
            "trust.direct[0].additional_node_names[0]",
        ),
        (
            {"direct": [by_certificate(additional_node_names=["/.*/"])]},
            "trust.direct[0].additional_node_names[0]",
        ),
        ({"direct": [by_certificate(trust_allowlist=["a.b"])]}, "trust.direct[0].trust_allowlist[0]"),
        ({"direct": [by_certificate(trust_allowlist=[CLUSTER] * 1001)]}, "trust.direct[0].trust_allowlist"),
        ({"direct": {}}, "trust.direct"),
        ({"direct": [direct()] * 101}, "trust.direct"),
        ({"direct": ["x"]}, "trust.direct[0]"),
        ({"direct": [direct(typo=1)]}, "trust.direct[0].typo"),
        ({"direct": [direct(type="ece")]}, "trust.direct[0].type"),
        ({"direct": [direct(type=["proxy"])]}, "trust.direct[0].type"),
        ({"direct": [{"name": "x", "certificates": [{"pem": PEM}]}]}, "trust.direct[0].trust_all"),
        ({"direct": [direct(trust_all=True)]}, "trust.direct[0].trust_all"),
        ({"direct": [direct(scope_id="1")]}, "trust.direct[0].scope_id"),
        ({"direct": [direct(trust_allowlist=["x"])]}, "trust.direct[0].trust_allowlist"),
        ({"direct": [direct(name="")]}, "trust.direct[0].name"),
        ({"direct": [direct(name="a\x00b")]}, "trust.direct[0].name"),
        ({"direct": [direct(name=5)]}, "trust.direct[0].name"),
        ({"direct": [direct(uid={})]}, "trust.direct[0].uid"),
        ({"direct": [direct(uid="u"), direct(uid="u")]}, "trust.direct"),
        ({"direct": [direct(certificates=[])]}, "trust.direct[0].certificates"),
        ({"direct": [direct(certificates="x")]}, "trust.direct[0].certificates"),
        ({"direct": [direct(certificates=[PEM])]}, "trust.direct[0].certificates[0].pem"),
        ({"direct": [direct(certificates=[{"pem": "x"}])]}, "trust.direct[0].certificates[0].pem"),
        (
            {"direct": [direct(certificates=[{"pem": AUTHORITY.key.decode()}])]},
            "trust.direct[0].certificates[0].pem",
        ),
    ],
)
def test_what_is_not_understood_is_named(trust: Any, member: str) -> None:
    """A 400 with the path of the member."""
    with pytest.raises(Failure) as refused:
        parse_trust(trust, "trust")
    assert refused.value.kind is FailureKind.INVALID_REQUEST
    assert refused.value.metadata["fields"] == [f"body.{member}"]
    assert "PRIVATE" not in refused.value.reason


def test_the_folder_holds_exactly_what_is_trusted(tmp_path: Path) -> None:
    """One private file an entry, whatever its uid; entries that went take their file along."""
    folder = tmp_path / "trusted"
    both = parse_trust({"direct": [direct(uid="../../x"), direct(uid="b")]}, "trust")
    write_trusted_folder(folder, both)
    files = sorted(folder.iterdir())
    assert [path.read_text() for path in files] == [PEM, PEM]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    kept = folder / files[0].name
    write_trusted_folder(folder, both)
    assert kept.stat().st_ino == files[0].stat().st_ino
    write_trusted_folder(folder, TrustSettings(direct=both.direct[:1]))
    assert len(list(folder.iterdir())) == 1
    write_trusted_folder(folder, TrustSettings())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "trust",
    [
        {"accounts": [account()]},
        {"accounts": [account(trust_all=False, trust_allowlist=[])]},
        {"accounts": [account(trust_all=False, trust_allowlist=[CLUSTER], name="ours")]},
        {"external": [{"trust_relationship_id": "b" * 32, "trust_all": True}]},
        {"external": [{"trust_relationship_id": "b" * 32, "trust_all": False, "trust_allowlist": [CLUSTER]}]},
        {"direct": [by_certificate(uid="u")]},
        {"direct": [by_certificate(uid="u", type="ESS", trust_all=False, trust_allowlist=[CLUSTER])]},
        {
            "direct": [
                {
                    "uid": "u",
                    "type": "generic",
                    "name": "own",
                    "trust_all": False,
                    "certificates": [{"pem": PEM}],
                    "additional_node_names": ["node-1.example.org", "Node_2"],
                }
            ]
        },
    ],
)
def test_what_is_accepted_is_told_back(trust: dict[str, Any]) -> None:
    """With a list that was not given still absent, and an empty one still empty: clients compare."""
    told = trust_of(parse_trust(trust, "trust"))
    for entry in told["direct"] or ():
        for certificate in entry["certificates"]:
            del certificate["metadata"]
    assert {kind: entries for kind, entries in told.items() if entries is not None} == trust


def test_without_a_type_an_entry_is_generic() -> None:
    """As in Elastic Cloud."""
    entry = by_certificate()
    del entry["type"]
    assert parse_trust({"direct": [entry]}, "trust").direct[0].type is DirectTrustType.GENERIC


def test_null_members_are_absent_ones() -> None:
    """Clients written in Go send them."""
    entry = by_certificate(uid=None, trust_allowlist=None, additional_node_names=None)
    (parsed,) = parse_trust({"direct": [entry]}, "trust").direct
    assert (parsed.trust_allowlist, parsed.additional_node_names) == (None, None)
    ours = parse_trust({"accounts": [account(trust_allowlist=None, name="")]}, "trust")
    assert ours == TrustSettings(accounts=(AccountTrust(account_id=ACCOUNT, trust_all=True),))


def test_a_new_deployment_trusts_its_account_and_what_is_trusted_by_default() -> None:
    """Unless the platform says otherwise."""
    assert default_trust(ACCOUNT, ["r"]) == TrustSettings(
        accounts=(AccountTrust(account_id=ACCOUNT, trust_all=True),),
        external=(ExternalTrust(trust_relationship_id="r", trust_all=True),),
    )
    assert default_trust(ACCOUNT, trust_all=False) == TrustSettings()


@pytest.mark.parametrize(
    ("trust", "patterns"),
    [
        ({"accounts": [account()]}, [trust_pattern(SCOPE)]),
        ({"accounts": [account(account_id=SCOPE)]}, [trust_pattern(SCOPE)]),
        ({"accounts": [account(account_id="c" * 32)]}, []),
        ({"accounts": [account(trust_all=False)]}, []),
        (
            {"accounts": [account(trust_all=False, trust_allowlist=[CLUSTER])]},
            [trust_pattern(SCOPE, CLUSTER)],
        ),
        ({"accounts": [account(trust_allowlist=[CLUSTER])]}, [trust_pattern(SCOPE)]),
        ({"external": [{"trust_relationship_id": "r", "trust_all": True}]}, [trust_pattern(THEIRS)]),
        ({"external": [{"trust_relationship_id": "gone", "trust_all": True}]}, []),
        ({"direct": [by_certificate()]}, [trust_pattern(THEIRS)]),
        (
            {"direct": [by_certificate(trust_all=False, trust_allowlist=[CLUSTER, "d"])]},
            [trust_pattern(THEIRS, CLUSTER), trust_pattern(THEIRS, "d")],
        ),
        ({"direct": [by_certificate(trust_all=False)]}, []),
        ({"direct": [direct()]}, []),
    ],
)
def test_every_entry_comes_to_its_patterns(trust: dict[str, Any], patterns: list[str]) -> None:
    """The table of the certificate model: no entry says more than it names, one of type proxy nothing."""
    relationship = TrustRelationship(id="r", name="x", certificates=(PEM,), account_ids=(THEIRS,))
    made = transport_trust(environment(), parse_trust(trust, "trust"), (PEM,), {"r": relationship})
    assert [pattern for entry in made.entries for pattern in entry.patterns] == patterns
    assert all(entry.authorities == (PEM,) for entry in made.entries)


def test_the_account_of_an_enterprise_environment_is_its_id() -> None:
    """There is no other."""
    trust = parse_trust({"accounts": [account(account_id=SCOPE)]}, "trust")
    made = transport_trust(environment(EnvironmentKind.ENTERPRISE), trust, (PEM,), {})
    assert made.entries[0].patterns == (trust_pattern(SCOPE),)


def test_the_file_of_trust_is_private_and_written_only_when_it_changes(tmp_path: Path) -> None:
    """The node watches it."""
    path = tmp_path / "transport-trust.json"
    made = transport_trust(environment(), parse_trust({"accounts": [account()]}, "trust"), (PEM,), {})
    write_transport_trust(path, made)
    before = path.stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    write_transport_trust(path, made)
    assert path.stat().st_ino == before.st_ino

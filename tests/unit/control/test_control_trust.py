"""The trust object: read strictly, told back, and turned into a folder."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isthmus.control.certificates import issue_server_certificate, make_authority
from isthmus.control.trust import parse_trust, trust_of, write_trusted_folder
from isthmus.errors import Failure, FailureKind

NOW = datetime.now(UTC)
AUTHORITY = make_authority("their proxy CA", "Isthmus", NOW)
PEM = AUTHORITY.certificate.decode()
CHAIN = issue_server_certificate(AUTHORITY, ("*.enterprise.localhost",), NOW).certificate.decode()
LEAF = CHAIN.removesuffix(PEM)


def direct(**members: Any) -> dict[str, Any]:
    """Answer an entry that is fine but for these members."""
    return {"type": "proxy", "name": "ece", "trust_all": False, "certificates": [{"pem": PEM}], **members}


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
    assert parse_trust(trust, "trust") == ()
    assert trust_of(()) == {"accounts": None, "external": None, "direct": None}


def test_the_authority_of_a_chain_is_taken() -> None:
    """A chain as servers send it is understood; a server's certificate alone is not."""
    (parsed,) = parse_trust({"direct": [direct(certificates=[{"pem": CHAIN}])]}, "trust")
    assert parsed.certificates == (PEM,)
    with pytest.raises(Failure, match="no authority"):
        parse_trust({"direct": [direct(certificates=[{"pem": LEAF}])]}, "trust")


@pytest.mark.parametrize(
    ("trust", "member"),
    [
        ([], "trust"),
        ("x", "trust"),
        ({"directs": []}, "trust.directs"),
        ({"accounts": [{"account_id": "x", "trust_all": True}]}, "trust.accounts"),
        ({"external": [{}]}, "trust.external"),
        ({"direct": {}}, "trust.direct"),
        ({"direct": [direct()] * 101}, "trust.direct"),
        ({"direct": ["x"]}, "trust.direct[0]"),
        ({"direct": [direct(typo=1)]}, "trust.direct[0].typo"),
        ({"direct": [direct(type="ECE")]}, "trust.direct[0].type"),
        ({"direct": [direct(type=["proxy"])]}, "trust.direct[0].type"),
        ({"direct": [{"name": "x", "certificates": [{"pem": PEM}]}]}, "trust.direct[0].type"),
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
    write_trusted_folder(folder, both[:1])
    assert len(list(folder.iterdir())) == 1
    write_trusted_folder(folder, ())
    assert list(folder.iterdir()) == []

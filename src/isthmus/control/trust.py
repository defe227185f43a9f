"""The ``settings.trust`` object of a deployment: parsed strictly, and told back. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

from cryptography import x509

from isthmus.control.certificates import facts_of, parse_certificates, to_pem
from isthmus.control.failures import invalid_field
from isthmus.control.trust_records import (
    AccountTrust,
    DirectTrust,
    DirectTrustType,
    ExternalTrust,
    TrustSettings,
)
from isthmus.errors import Failure
from isthmus.security.certificate_names import is_node_name

_MAXIMUM_ENTRIES: Final = 100
_MAXIMUM_CERTIFICATES: Final = 20
_MAXIMUM_NAMES: Final = 1000
_MAXIMUM_NAME_CHARACTERS: Final = 255
_ID: Final = re.compile(r"[a-z0-9]{1,32}")
_LISTS: Final = ("accounts", "external", "direct")
_DIRECT_MEMBERS: Final = (
    "uid",
    "name",
    "type",
    "certificates",
    "trust_all",
    "trust_allowlist",
    "scope_id",
    "additional_node_names",
)


def parse_trust(trust: Any, path: str) -> TrustSettings:
    """Answer a trust object, which replaces the one before as a whole.

    A list that is null or absent is empty. Raises a 400 failure that names the member.
    """
    if not isinstance(trust, dict):
        raise invalid_field(path, "must be an object")
    for name in trust:
        if name not in _LISTS:
            raise invalid_field(f"{path}.{str(name)[:100]}", "unknown member")
    direct = tuple(_parse_direct(*each) for each in _entries(trust, path, "direct", _DIRECT_MEMBERS))
    uids = [entry.uid for entry in direct]
    if len(set(uids)) != len(uids):
        raise invalid_field(f"{path}.direct", "two entries have the same uid")
    return TrustSettings(
        accounts=tuple(_parse_account(*each) for each in _platform_entries(trust, path, "accounts")),
        external=tuple(_parse_external(*each) for each in _platform_entries(trust, path, "external")),
        direct=direct,
    )


def trust_of(trust: TrustSettings) -> dict[str, Any]:
    """Answer the trust object as the platform API tells it: an empty list is null."""
    return {
        "accounts": [_told(entry, account_id=entry.account_id) for entry in trust.accounts] or None,
        "external": [
            _told(entry, trust_relationship_id=entry.trust_relationship_id) for entry in trust.external
        ]
        or None,
        "direct": [_told_direct(entry) for entry in trust.direct] or None,
    }


def default_trust(
    account_id: str, relationship_ids: Sequence[str] = (), *, trust_all: bool = True
) -> TrustSettings:
    """Answer what a new deployment trusts: all of its own account, and what is trusted by default."""
    own = (AccountTrust(account_id=account_id, trust_all=True),) if trust_all else ()
    external = tuple(ExternalTrust(trust_relationship_id=each, trust_all=True) for each in relationship_ids)
    return TrustSettings(accounts=own, external=external)


def certificate_json(pem: str) -> dict[str, Any]:
    """Answer one certificate as ``{"pem", "metadata": {fingerprint, valid_from, valid_to}}``."""
    facts = facts_of(parse_certificates(pem)[0])
    return {
        "pem": pem,
        "metadata": {
            "fingerprint": facts.fingerprint,
            "valid_from": facts.valid_from.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "valid_to": facts.valid_to.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def trust_anchors(certificates: Sequence[x509.Certificate], path: str) -> tuple[x509.Certificate, ...]:
    """Answer those that can vouch for others; raises a 400 failure where none can."""
    anchors = tuple(
        each for each in certificates if facts_of(each).is_authority or each.subject == each.issuer
    )
    if not anchors:
        raise invalid_field(
            path, "this is a server's certificate and no authority: give the last one of the chain, the root"
        )
    return anchors


def check_text(value: Any, path: str) -> str:
    """Answer a name that people gave; raises a 400 failure for what is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > _MAXIMUM_NAME_CHARACTERS:
        raise invalid_field(path, f"must be a text of 1 to {_MAXIMUM_NAME_CHARACTERS} characters")
    if not value.isprintable():
        raise invalid_field(path, "must not hold control characters")
    return value


def _entries(
    trust: dict[str, Any], path: str, kind: str, members: Sequence[str]
) -> list[tuple[dict[str, Any], str]]:
    """Answer the entries of one list, each with its path, free of unknown members."""
    given = trust.get(kind)
    entries = [] if given is None else given
    if not isinstance(entries, list) or len(entries) > _MAXIMUM_ENTRIES:
        raise invalid_field(f"{path}.{kind}", f"must be a list of at most {_MAXIMUM_ENTRIES} entries")
    found = []
    for number, entry in enumerate(entries):
        entry_path = f"{path}.{kind}[{number}]"
        if not isinstance(entry, dict):
            raise invalid_field(entry_path, "must be an object")
        for name in entry:
            if name not in members:
                raise invalid_field(f"{entry_path}.{str(name)[:100]}", "unknown member")
        found.append((entry, entry_path))
    return found


def _platform_entries(trust: dict[str, Any], path: str, kind: str) -> list[tuple[dict[str, Any], str, str]]:
    """Answer the entries that refer to something by an id, each with its path and that id."""
    member = "account_id" if kind == "accounts" else "trust_relationship_id"
    members = (member, "trust_all", "trust_allowlist", "name")
    found = []
    for entry, entry_path in _entries(trust, path, kind, members):
        subject_id = entry.get(member)
        if not isinstance(subject_id, str) or not _ID.fullmatch(subject_id):
            raise invalid_field(f"{entry_path}.{member}", "must be 1 to 32 lower-case letters and digits")
        found.append((entry, entry_path, subject_id))
    ids = [subject_id for _, _, subject_id in found]
    if len(set(ids)) != len(ids):
        raise invalid_field(f"{path}.{kind}", f"two entries have the same {member}")
    return found


def _parse_account(entry: dict[str, Any], path: str, account_id: str) -> AccountTrust:
    trust_all, allowlist = _extent(entry, path)
    return AccountTrust(
        account_id=account_id, trust_all=trust_all, trust_allowlist=allowlist, name=_name(entry, path)
    )


def _parse_external(entry: dict[str, Any], path: str, relationship_id: str) -> ExternalTrust:
    trust_all, allowlist = _extent(entry, path)
    return ExternalTrust(
        trust_relationship_id=relationship_id,
        trust_all=trust_all,
        trust_allowlist=allowlist,
        name=_name(entry, path),
    )


def _extent(entry: dict[str, Any], path: str) -> tuple[bool, tuple[str, ...] | None]:
    trust_all = entry.get("trust_all")
    if not isinstance(trust_all, bool):
        raise invalid_field(f"{path}.trust_all", "must be true or false")
    return trust_all, _ids(entry, path, "trust_allowlist")


def _parse_direct(entry: dict[str, Any], path: str) -> DirectTrust:
    kind = _direct_type(entry.get("type"), f"{path}.type")
    name = check_text(entry.get("name"), f"{path}.name")
    uid = check_text(entry["uid"], f"{path}.uid") if entry.get("uid") is not None else secrets.token_hex(8)
    if kind is DirectTrustType.PROXY:
        return _parse_proxy(entry, path, name, uid)
    trust_all, allowlist = _extent(entry, path)
    scope_id = entry.get("scope_id")
    if scope_id is not None and (not isinstance(scope_id, str) or not _ID.fullmatch(scope_id)):
        raise invalid_field(f"{path}.scope_id", "must be 1 to 32 lower-case letters and digits")
    node_names = _node_names(entry, path)
    if scope_id is None:
        if trust_all:
            raise invalid_field(f"{path}.scope_id", "is required where trust_all is true")
        if allowlist:
            raise invalid_field(f"{path}.scope_id", "is required where trust_allowlist is not empty")
        if not node_names:
            raise invalid_field(f"{path}.additional_node_names", "is required where there is no scope_id")
    return DirectTrust(
        uid=uid,
        name=name,
        type=kind,
        certificates=_certificates(entry, path),
        trust_all=trust_all,
        trust_allowlist=allowlist,
        scope_id=scope_id,
        additional_node_names=node_names,
    )


def _parse_proxy(entry: dict[str, Any], path: str, name: str, uid: str) -> DirectTrust:
    kind = DirectTrustType.PROXY.value
    if entry.get("trust_all", False) is not False:
        raise invalid_field(f"{path}.trust_all", f"must be false for the type [{kind}]")
    for member in ("trust_allowlist", "scope_id", "additional_node_names"):
        if entry.get(member):
            raise invalid_field(f"{path}.{member}", f"must be absent for the type [{kind}]")
    return DirectTrust(
        uid=uid, name=name, type=DirectTrustType.PROXY, certificates=_certificates(entry, path)
    )


def _direct_type(given: Any, path: str) -> DirectTrustType:
    if given is None:
        return DirectTrustType.GENERIC
    for kind in DirectTrustType:
        if given == kind.value:
            return kind
    raise invalid_field(path, f"must be one of [{', '.join(kind.value for kind in DirectTrustType)}]")


def _certificates(entry: dict[str, Any], path: str) -> tuple[str, ...]:
    given = entry.get("certificates")
    if not isinstance(given, list) or not 0 < len(given) <= _MAXIMUM_CERTIFICATES:
        raise invalid_field(f"{path}.certificates", f"must be a list of 1 to {_MAXIMUM_CERTIFICATES} entries")
    found: list[str] = []
    for number, certificate in enumerate(given):
        certificate_path = f"{path}.certificates[{number}].pem"
        pem = certificate.get("pem") if isinstance(certificate, dict) else None
        if not isinstance(pem, str):
            raise invalid_field(certificate_path, "must be a certificate as PEM text")
        try:
            parsed = parse_certificates(pem)
        except Failure as failure:
            raise invalid_field(certificate_path, failure.reason) from failure
        found += [to_pem(each) for each in trust_anchors(parsed, certificate_path)]
    return tuple(dict.fromkeys(found))


def _ids(entry: dict[str, Any], path: str, member: str) -> tuple[str, ...] | None:
    given = _texts(entry, path, member)
    for number, each in enumerate(given or ()):
        if not _ID.fullmatch(each):
            raise invalid_field(
                f"{path}.{member}[{number}]",
                "must be a cluster id: 1 to 32 lower-case letters and digits (a deployment id is not one)",
            )
    return given


def _node_names(entry: dict[str, Any], path: str) -> tuple[str, ...] | None:
    member = "additional_node_names"
    given = _texts(entry, path, member)
    for number, name in enumerate(given or ()):
        if not is_node_name(name):
            raise invalid_field(
                f"{path}.{member}[{number}]",
                "must be a name as it stands in the node's certificate: letters, digits, [.], [-] and [_],"
                " no wildcards",
            )
    return given


def _texts(entry: dict[str, Any], path: str, member: str) -> tuple[str, ...] | None:
    given = entry.get(member)
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > _MAXIMUM_NAMES:
        raise invalid_field(f"{path}.{member}", f"must be a list of at most {_MAXIMUM_NAMES} texts")
    for number, each in enumerate(given):
        if not isinstance(each, str):
            raise invalid_field(f"{path}.{member}[{number}]", "must be a text")
    return tuple(given)


def _name(entry: dict[str, Any], path: str) -> str | None:
    given = entry.get("name")
    if given is None or given == "":
        return None
    return check_text(given, f"{path}.name")


def _told(entry: AccountTrust | ExternalTrust, **subject: str) -> dict[str, Any]:
    told: dict[str, Any] = {**subject, "trust_all": entry.trust_all}
    if entry.trust_allowlist is not None:  # clients take an empty list for another value than none
        told["trust_allowlist"] = list(entry.trust_allowlist)
    if entry.name is not None:
        told["name"] = entry.name
    return told


def _told_direct(entry: DirectTrust) -> dict[str, Any]:
    told: dict[str, Any] = {
        "uid": entry.uid,
        "name": entry.name,
        "type": entry.type.value,
        "trust_all": entry.trust_all,
        "certificates": [certificate_json(pem) for pem in entry.certificates],
    }
    if entry.scope_id is not None:
        told["scope_id"] = entry.scope_id
    for member in ("trust_allowlist", "additional_node_names"):
        given = getattr(entry, member)
        if given is not None:
            told[member] = list(given)
    return told

"""The ``settings.trust`` object of a deployment: parsed, told back, and put into its folder."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any, Final

from isthmus.control.certificates import facts_of, parse_certificates, to_pem
from isthmus.control.failures import invalid_field
from isthmus.control.private_files import make_private_directory, write_private
from isthmus.control.records import TrustedAuthority
from isthmus.errors import Failure

_PROXY: Final = "proxy"
_MAXIMUM_ENTRIES: Final = 100
_MAXIMUM_CERTIFICATES: Final = 20
_MAXIMUM_NAME_CHARACTERS: Final = 255
_DIRECT_MEMBERS: Final = frozenset(
    {
        "uid",
        "name",
        "type",
        "certificates",
        "trust_all",
        "trust_allowlist",
        "scope_id",
        "additional_node_names",
    }
)


def parse_trust(trust: Any, path: str) -> tuple[TrustedAuthority, ...]:
    """Answer the authorities of a trust object, which replaces the one before as a whole.

    A list that is null or absent is empty. Raises a 400 failure that names the member: for
    trust by certificate (``accounts``, ``external``, other types), which is not offered, too.
    """
    if not isinstance(trust, dict):
        raise invalid_field(path, "must be an object")
    for name in trust:
        if name not in ("accounts", "external", "direct"):
            raise invalid_field(f"{path}.{name}", "unknown member")
    for name in ("accounts", "external"):
        if trust.get(name):
            raise invalid_field(f"{path}.{name}", "trust by certificate is not supported; use API keys")
    entries = [] if trust.get("direct") is None else trust["direct"]
    if not isinstance(entries, list) or len(entries) > _MAXIMUM_ENTRIES:
        raise invalid_field(f"{path}.direct", f"must be a list of at most {_MAXIMUM_ENTRIES} entries")
    parsed = tuple(_parse_direct(entry, f"{path}.direct[{number}]") for number, entry in enumerate(entries))
    uids = [entry.uid for entry in parsed]
    if len(set(uids)) != len(uids):
        raise invalid_field(f"{path}.direct", "two entries have the same uid")
    return parsed


def trust_of(authorities: tuple[TrustedAuthority, ...]) -> dict[str, Any]:
    """Answer the trust object as the platform API tells it."""
    direct = [
        {
            "uid": authority.uid,
            "name": authority.name,
            "type": _PROXY,
            "trust_all": False,
            "certificates": [certificate_json(pem) for pem in authority.certificates],
        }
        for authority in authorities
    ]
    return {"accounts": None, "external": None, "direct": direct or None}


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


def write_trusted_folder(folder: Path, authorities: tuple[TrustedAuthority, ...]) -> None:
    """Make the folder hold exactly these authorities, one ``*.crt`` file each; the node watches it."""
    make_private_directory(folder)
    wanted = {_file_name(authority): "".join(authority.certificates).encode() for authority in authorities}
    for name, content in wanted.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)
    for path in folder.glob("*.crt"):
        if path.name not in wanted:
            path.unlink()


def _file_name(authority: TrustedAuthority) -> str:
    # A uid is the caller's text: only its digest is fit for a file name.
    return f"{hashlib.sha256(authority.uid.encode()).hexdigest()[:32]}.crt"


def _parse_direct(entry: Any, path: str) -> TrustedAuthority:
    if not isinstance(entry, dict):
        raise invalid_field(path, "must be an object")
    for name in entry:
        if name not in _DIRECT_MEMBERS:
            raise invalid_field(f"{path}.{name}", "unknown member")
    kind = entry.get("type", "generic")
    if kind != _PROXY:
        raise invalid_field(f"{path}.type", f"only [{_PROXY}] is supported, for use with API keys")
    if entry.get("trust_all", False) is not False:
        raise invalid_field(f"{path}.trust_all", f"must be false for the type [{_PROXY}]")
    for name in ("trust_allowlist", "scope_id", "additional_node_names"):
        if entry.get(name):
            raise invalid_field(f"{path}.{name}", f"must be absent for the type [{_PROXY}]")
    name = _text(entry.get("name"), f"{path}.name")
    uid = _text(entry["uid"], f"{path}.uid") if entry.get("uid") is not None else secrets.token_hex(8)
    return TrustedAuthority(uid=uid, name=name, certificates=_parse_certificates(entry, path))


def _parse_certificates(entry: dict[str, Any], path: str) -> tuple[str, ...]:
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
        anchors = [each for each in parsed if facts_of(each).is_authority or each.subject == each.issuer]
        if not anchors:
            raise invalid_field(
                certificate_path,
                "this is a server's certificate and no authority: give the last one of the chain, the root",
            )
        found += [to_pem(each) for each in anchors if to_pem(each) not in found]
    return tuple(found)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAXIMUM_NAME_CHARACTERS:
        raise invalid_field(path, f"must be a text of 1 to {_MAXIMUM_NAME_CHARACTERS} characters")
    if not value.isprintable():
        raise invalid_field(path, "must not hold control characters")
    return value

"""What a deployment trusts, put into its folder, where its node watches it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from isthmus.control.authorities import published_transport_authorities
from isthmus.control.identity import trust_pattern
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import Deployment
from isthmus.control.tls_chains import server_authorities
from isthmus.control.trust_records import DirectTrust, DirectTrustType, TrustRelationship, TrustSettings
from isthmus.security.certificate_trust import TransportTrust, TrustEntry
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.settings import EnvironmentSettings

_OWN_AUTHORITIES: Final = "environment.crt"


def write_trust_files(
    settings: EnvironmentSettings, deployment: Deployment, relationships: Sequence[TrustRelationship]
) -> None:
    """Make the deployment's folder say what its record says; a file that says it already is left alone.

    There is one writer: whoever makes the deployment, and from its record on whoever runs its node.
    """
    environment = EnvironmentLayout(settings.directory)
    layout = environment.deployment(deployment.id)
    # Deployments of one environment can be one another's remote clusters without further ado.
    write_trusted_folder(layout.trusted, deployment.trust, server_authorities(environment))
    own = tuple(each.pem for each in published_transport_authorities(environment))
    _write_if_other(environment.transport_authorities, "".join(own).encode())
    trust = transport_trust(settings, deployment.trust, own, {each.id: each for each in relationships})
    write_transport_trust(layout.transport_trust, trust)


def transport_trust(
    settings: EnvironmentSettings,
    trust: TrustSettings,
    own_authorities: Sequence[str],
    relationships: Mapping[str, TrustRelationship],
) -> TransportTrust:
    """Answer authorities and names for the certificate model. Pure.

    An entry that refers to a relationship that is gone, or trusts nobody, comes to nothing.
    """
    entries = []
    own_ids = own_account_ids(settings)
    for account in trust.accounts:
        if account.account_id in own_ids:
            patterns = _patterns(settings.scope_id, account.trust_all, account.trust_allowlist)
            entries.append(_entry(f"account {account.account_id}", own_authorities, patterns))
    for external in trust.external:
        relationship = relationships.get(external.trust_relationship_id)
        if relationship is not None:
            patterns = tuple(
                pattern
                for scope_id in relationship.account_ids
                for pattern in _patterns(scope_id, external.trust_all, external.trust_allowlist)
            )
            entries.append(
                _entry(f"trust relationship {relationship.name}", relationship.certificates, patterns)
            )
    entries += [_direct_entry(entry) for entry in trust.direct if entry.type is not DirectTrustType.PROXY]
    return TransportTrust(entries=tuple(entry for entry in entries if entry.patterns or entry.names))


def own_account_ids(settings: EnvironmentSettings) -> tuple[str, ...]:
    """Answer the ids under which deployments of this environment are trusted as of the same account.

    A hosted environment has an account of its own; an enterprise one's only account is its
    environment id, which is taken for both.
    """
    return tuple(each for each in (settings.account_id, settings.scope_id) if each is not None)


def write_trusted_folder(folder: Path, trust: TrustSettings, own: Sequence[str] = ()) -> None:
    """Make the folder hold exactly the authorities of servers, one ``*.crt`` file an entry.

    ``own`` are those of the environment itself.
    """
    make_private_directory(folder)
    wanted = {
        _file_name(entry): "".join(entry.certificates).encode()
        for entry in trust.direct
        if entry.type is DirectTrustType.PROXY
    }
    if own:
        wanted[_OWN_AUTHORITIES] = "".join(own).encode()
    for name, content in wanted.items():
        _write_if_other(folder / name, content)
    for path in folder.glob("*.crt"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def write_transport_trust(path: Path, trust: TransportTrust) -> None:
    """Write what is trusted of nodes' certificates."""
    _write_if_other(path, msgspec.json.format(msgspec.json.encode(trust)) + b"\n")


def _patterns(scope_id: str, trust_all: bool, allowlist: Sequence[str] | None) -> tuple[str, ...]:  # noqa: FBT001 - as the records have it
    if trust_all:
        return (trust_pattern(scope_id),)
    return tuple(trust_pattern(scope_id, cluster_id) for cluster_id in allowlist or ())


def _direct_entry(entry: DirectTrust) -> TrustEntry:
    patterns: tuple[str, ...] = ()
    if entry.scope_id is not None:
        patterns = _patterns(entry.scope_id, entry.trust_all, entry.trust_allowlist)
    return _entry(entry.name, entry.certificates, patterns, entry.additional_node_names or ())


def _entry(
    label: str, authorities: Sequence[str], patterns: Sequence[str], names: Sequence[str] = ()
) -> TrustEntry:
    return TrustEntry(
        label=label, authorities=tuple(authorities), patterns=tuple(patterns), names=tuple(names)
    )


def _file_name(entry: DirectTrust) -> str:
    # A uid is the caller's text: only its digest is fit for a file name.
    return f"{hashlib.sha256(entry.uid.encode()).hexdigest()[:32]}.crt"


def _write_if_other(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    write_private(path, content)

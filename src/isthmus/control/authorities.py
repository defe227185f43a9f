"""The certificate files of an environment: made once, and servers' and nodes' renewed in time."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from isthmus.control.authorities_rotation import settle_transport_authority, transport_authority_files
from isthmus.control.certificates import (
    Credentials,
    facts_of,
    issue_node_certificate,
    issue_server_certificate,
    make_authority,
)
from isthmus.control.layout import CertificateFiles, EnvironmentLayout
from isthmus.control.records import Deployment
from isthmus.control.tls_chains import keeps_uploaded_chain
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.settings import EnvironmentSettings

#: a certificate is issued anew once less than this is left of it
RENEW_BEFORE: Final = timedelta(days=30)
PROXY: Final = "proxy"
TRANSPORT: Final = "transport"
UI: Final = "ui"


@dataclass(frozen=True, slots=True)
class PublishedAuthority:
    """An authority of this environment that others should trust; ``active`` signs certificates now."""

    pem: str
    active: bool


def published_transport_authorities(layout: EnvironmentLayout) -> tuple[PublishedAuthority, ...]:
    """Answer the transport authorities that are, were or will be in use; the active one first."""
    settle_transport_authority(layout)
    published: list[PublishedAuthority] = []
    for active, path in transport_authority_files(layout):
        try:
            pem = path.read_text()
        except FileNotFoundError:
            continue
        if pem not in [each.pem for each in published]:
            published.append(PublishedAuthority(pem, active))
    return tuple(published)


def make_authorities(settings: EnvironmentSettings, now: datetime) -> None:
    """Make both authorities of a new environment and its servers' certificates."""
    layout = EnvironmentLayout(settings.directory)
    make_private_directory(layout.certificates)
    organization = f"Isthmus {settings.kind.value} environment {settings.scope_id}"
    for name, title in ((PROXY, "Isthmus proxy CA"), (TRANSPORT, "Isthmus transport CA")):
        _write(layout.authority(name), make_authority(f"{title} {settings.scope_id}", organization, now))
    renew_server_certificates(settings, now)


def server_names(settings: EnvironmentSettings) -> tuple[str, ...]:
    """Answer the names and addresses that the servers of this environment are reached by."""
    names = [f"*.{settings.domain}", settings.domain, "localhost", "127.0.0.1", "::1", settings.host]
    if not ipaddress.ip_address(settings.host).is_unspecified:
        return tuple(dict.fromkeys(names))
    return tuple(dict.fromkeys(names[:-1]))


def renew_server_certificates(settings: EnvironmentSettings, now: datetime) -> tuple[str, ...]:
    """Issue the servers' certificates that are missing, near their end or lack a name; answer which."""
    layout = EnvironmentLayout(settings.directory)
    authority = _read(layout.authority(PROXY))
    names = server_names(settings)
    renewed = []
    for name in (PROXY, UI):
        files = layout.server(name)
        if keeps_uploaded_chain(layout, name):
            continue
        if _is_due(files, authority, now, names):
            _write(files, issue_server_certificate(authority, names, now))
            renewed.append(name)
    return tuple(renewed)


def renew_node_certificate(settings: EnvironmentSettings, deployment: Deployment, now: datetime) -> bool:
    """Issue the node's certificate if it is missing, near its end or not of the active authority.

    Answers whether it was. The node takes up the new one by itself.
    """
    layout = EnvironmentLayout(settings.directory)
    settle_transport_authority(layout)
    authority = _read(layout.authority(TRANSPORT))
    files = layout.deployment(deployment.id).node_certificate
    if not _is_due(files, authority, now, ()):
        return False
    _write(
        files,
        issue_node_certificate(authority, deployment.node_id, deployment.cluster_id, settings.scope_id, now),
    )
    return True


def _is_due(files: CertificateFiles, authority: Credentials, now: datetime, names: tuple[str, ...]) -> bool:
    if not files.certificate.exists() or not files.key.exists():
        return True
    try:
        leaf = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
        facts = facts_of(leaf)
    except Exception:  # noqa: BLE001 - whatever is wrong with the file, a new certificate mends it
        return True
    return facts.valid_to - now < RENEW_BEFORE or not set(names) <= set(facts.server_names)


def _read(files: CertificateFiles) -> Credentials:
    return Credentials(files.certificate.read_bytes(), files.key.read_bytes())


def _write(files: CertificateFiles, credentials: Credentials) -> None:
    # The key first: a crash in between leaves a pair that does not match, which is issued anew
    # only where the certificate is missing; so the old certificate goes before both.
    files.certificate.unlink(missing_ok=True)
    write_private(files.key, credentials.key)
    write_private(files.certificate, credentials.certificate)
    files.certificate.chmod(0o644)

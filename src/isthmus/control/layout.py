"""Where everything of an environment lies in its directory. Names only: nothing is read or made.

::

    isthmus.toml              what a person may edit
    admin-password.txt        the platform administrator's first password (0600)
    environment.sqlite3       deployments and their settings
    certificates/             the two authorities and the servers' certificates (keys 0600)
    secrets/                  the hash of the administrator's password
    deployments/<id>/         one node: node.json, data/, keystore, certificates, trusted/
    logs/                     one file a deployment
    run/                      what exists only while `isthmus serve` runs: ports.json, sockets
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate file and its key's."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class DeploymentLayout:
    """The folder of one deployment."""

    directory: Path

    @property
    def node_settings(self) -> Path:
        """What the node's process is told."""
        return self.directory / "node.json"

    @property
    def data(self) -> Path:
        """Indices and records of the node."""
        return self.directory / "data"

    @property
    def keystore(self) -> Path:
        """The encrypted keystore."""
        return self.directory / "keystore"

    @property
    def keystore_key(self) -> Path:
        """The key that opens the keystore."""
        return self.directory / "keystore.key"

    @property
    def node_certificate(self) -> CertificateFiles:
        """The node's own certificate, signed by the transport authority."""
        return CertificateFiles(self.directory / "node.crt", self.directory / "node.key")

    @property
    def records_url(self) -> Path:
        """URL of the database that the deployment's nodes share; absent where the one node has its own."""
        return self.directory / "records-url"

    @property
    def trusted(self) -> Path:
        """Authorities trusted for remote clusters' servers: ``*.crt``."""
        return self.directory / "trusted"

    @property
    def transport_trust(self) -> Path:
        """Authorities and names trusted on the transport port and of nodes connected to."""
        return self.directory / "transport-trust.json"

    @property
    def traffic_filter(self) -> Path:
        """Who may connect, for the node to cut open connections by; absent where everybody may."""
        return self.directory / "traffic-filter.json"

    @property
    def signing(self) -> Path:
        """Files of the operator's that sign requests to other clusters, or authorities of such files."""
        return self.directory / "signing"

    @property
    def configuration(self) -> Path:
        """Folder of the operators' files: ``users``, ``users_roles``, ``roles.json``, ``settings.toml``.

        Absent without any.
        """
        return self.directory / "config"

    @property
    def static_settings(self) -> Path:
        """Settings that the node has from its start: `isthmus.remotes.static_settings`."""
        return self.configuration / "settings.toml"

    @property
    def first_password(self) -> Path:
        """A new password of ``elastic``: the node takes it over at its start and deletes the file."""
        return self.directory / "elastic.password"


@dataclass(frozen=True, slots=True)
class EnvironmentLayout:
    """The directory of one environment (absolute)."""

    directory: Path

    @property
    def settings(self) -> Path:
        """The configuration file."""
        return self.directory / "isthmus.toml"

    @property
    def database(self) -> Path:
        """The records."""
        return self.directory / "environment.sqlite3"

    @property
    def lock(self) -> Path:
        """Held (flock) by whoever changes the environment."""
        return self.directory / "lock"

    @property
    def admin_password(self) -> Path:
        """The administrator's first password in plain text; may be deleted."""
        return self.directory / "admin-password.txt"

    @property
    def secrets(self) -> Path:
        """Folder of what verifies secrets."""
        return self.directory / "secrets"

    @property
    def admin_password_hash(self) -> Path:
        """The argon2id hash of the administrator's password."""
        return self.secrets / "admin.argon2"

    @property
    def certificates(self) -> Path:
        """Folder of authorities and servers' certificates."""
        return self.directory / "certificates"

    def authority(self, name: str) -> CertificateFiles:
        """Answer the files of the ``proxy`` or ``transport`` authority."""
        return CertificateFiles(self.certificates / f"{name}-ca.crt", self.certificates / f"{name}-ca.key")

    @property
    def transport_authorities(self) -> Path:
        """Every published transport authority in one file: for what takes them all alike."""
        return self.certificates / "transport-cas.crt"

    def server(self, name: str) -> CertificateFiles:
        """Answer the files of the ``proxy`` (9243, 9443) or ``ui`` (12443) server certificate."""
        return CertificateFiles(self.certificates / f"{name}.crt", self.certificates / f"{name}.key")

    def server_is_uploaded(self, name: str) -> Path:
        """Answer the file that is there while the chain of ``proxy`` or ``ui`` is one that was uploaded."""
        return self.certificates / f"{name}.uploaded"

    @property
    def deployments(self) -> Path:
        """Folder of the deployments' folders."""
        return self.directory / "deployments"

    def deployment(self, deployment_id: str) -> DeploymentLayout:
        """Answer the layout of one deployment's folder."""
        return DeploymentLayout(self.deployments / deployment_id)

    @property
    def logs(self) -> Path:
        """Folder of the nodes' logs and of the audit logs."""
        return self.directory / "logs"

    def audit_log(self, deployment_id: str) -> Path:
        """Answer the audit log of a deployment's node."""
        return self.logs / f"{deployment_id}.audit.json"

    @property
    def platform_audit_log(self) -> Path:
        """The audit log of the platform API."""
        return self.logs / "platform.audit.json"

    @property
    def run(self) -> Path:
        """Folder of what exists while the environment runs."""
        return self.directory / "run"

    @property
    def ports(self) -> Path:
        """The ports in use, as JSON."""
        return self.run / "ports.json"

    @property
    def control_socket(self) -> Path:
        """Unix socket of the platform API for the local command line (or a link to it)."""
        return self.run / "control.sock"

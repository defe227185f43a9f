"""Remote clusters of the same environment: what is wanted, what was made, and what is left to do. Pure.

The platform connects two of its own deployments itself: it has the remote one make a cross-cluster key,
puts that into the local one's keystore, and adds the remote cluster to the local one's settings.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from isthmus.control.failures import invalid_field
from isthmus.control.identity import REF_ID
from isthmus.control.records import Deployment, RemoteCluster
from isthmus.errors import Failure
from isthmus.exchange import Record
from isthmus.names import parse_cluster_alias

_MAXIMUM_REMOTES: Final = 100
_MEMBERS: Final = ("deployment_id", "elasticsearch_ref_id", "alias", "skip_unavailable", "info")


class Connection(Record, frozen=True, kw_only=True):
    """A connection that was begun. It is kept until all of it has been undone.

    ``key_id`` is the key in the remote deployment, None once it was invalidated; ``configured`` tells
    that keystore and settings of the local deployment (may) have it.
    """

    local_id: str
    alias: str
    remote_id: str
    key_id: str | None = None
    configured: bool = False
    proxy_address: str = ""
    skip_unavailable: bool = False

    @property
    def is_partial(self) -> bool:
        """Tell that making it, or taking it apart, stopped half-way. ``proxy_address`` is set last."""
        return self.key_id is None or not self.configured or not self.proxy_address


class ConnectionRecords(Protocol):
    """Where connections are kept. Every write is durable once it returns."""

    async def all(self) -> tuple[Connection, ...]:
        """Answer all connections."""
        ...

    async def put(self, connection: Connection) -> None:
        """Keep this connection in place of any of the same deployment and alias."""
        ...

    async def remove(self, local_id: str, alias: str) -> None:
        """Forget the connection; one that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """Where the deployments of an environment reach one another: its own door, by server name."""

    proxy_address: str
    domain: str

    def server_name(self, cluster_id: str) -> str:
        """Answer the name that leads to this cluster."""
        return f"{cluster_id}.{self.domain}"


@dataclass(frozen=True, slots=True)
class Connect:
    """Make a key, hand it over, add the remote cluster; from the start, whatever was done of it."""

    local: Deployment
    remote: Deployment
    wanted: RemoteCluster


@dataclass(frozen=True, slots=True)
class Configure:
    """Write the settings again: they have changed, the key has not."""

    connection: Connection
    local: Deployment
    remote: Deployment
    wanted: RemoteCluster


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Undo what there is of a connection; a deployment that is None has gone, and all of it with it."""

    connection: Connection
    local: Deployment | None
    remote: Deployment | None


Step = Connect | Configure | Disconnect


def work_left(
    deployments: Sequence[Deployment], made: Sequence[Connection], proxy_address: str
) -> tuple[Step, ...]:
    """Answer the steps from what was made to what the deployments want."""
    known = {deployment.id: deployment for deployment in deployments}
    wanted: dict[tuple[str, str], RemoteCluster] = {
        (deployment.id, remote.alias): remote
        for deployment in deployments
        for remote in deployment.remote_clusters
        if remote.deployment_id in known
    }
    found = {(connection.local_id, connection.alias): connection for connection in made}
    steps: list[Step] = []
    for place, connection in found.items():
        remote = wanted.get(place)
        if remote is None or remote.deployment_id != connection.remote_id:
            steps.append(
                Disconnect(connection, known.get(connection.local_id), known.get(connection.remote_id))
            )
    for place, remote in wanted.items():
        local, other = known[place[0]], known[remote.deployment_id]
        made_before = found.get(place)
        if made_before is not None and made_before.remote_id != remote.deployment_id:
            continue  # first the old one is taken apart
        if made_before is None or made_before.is_partial:
            steps.append(Connect(local, other, remote))
        elif (made_before.proxy_address, made_before.skip_unavailable) != (
            proxy_address,
            remote.skip_unavailable,
        ):
            steps.append(Configure(made_before, local, other, remote))
    return tuple(steps)


def key_name(local_id: str, alias: str) -> str:
    """Answer the name of the key that stands for this connection in the remote deployment."""
    return f"remote-cluster-{local_id}-{alias}"


def parse_remote_clusters(body: Any, path: str = "") -> tuple[RemoteCluster, ...]:
    """Answer ``{"resources": [...]}`` as remote clusters; raises a 400 failure that names the member."""
    prefix = f"{path}." if path else ""
    if not isinstance(body, dict):
        raise invalid_field(path or "(whole)", "must be an object")
    for name in body:
        if name != "resources":
            raise invalid_field(f"{prefix}{str(name)[:100]}", "unknown member")
    resources = [] if body.get("resources") is None else body["resources"]
    if not isinstance(resources, list) or len(resources) > _MAXIMUM_REMOTES:
        raise invalid_field(f"{prefix}resources", f"must be a list of at most {_MAXIMUM_REMOTES} entries")
    parsed = [_parse_one(each, f"{prefix}resources[{number}]") for number, each in enumerate(resources)]
    aliases = [remote.alias for remote in parsed]
    for alias in aliases:
        if aliases.count(alias) > 1:
            raise invalid_field(f"{prefix}resources", f"two entries have the alias [{alias}]")
    return tuple(parsed)


def check_remotes(
    remotes: Sequence[RemoteCluster], known: Collection[str], path: str = "", local_id: str | None = None
) -> None:
    """Return if every remote is another deployment that is there; raises a 400 failure otherwise."""
    prefix = f"{path}." if path else ""
    for number, remote in enumerate(remotes):
        member = f"{prefix}resources[{number}].deployment_id"
        if remote.deployment_id == local_id:
            raise invalid_field(member, "a deployment cannot be a remote cluster of its own")
        if remote.deployment_id not in known:
            raise invalid_field(member, f"no deployment has the id [{remote.deployment_id[:64]}]")


def refuse_taken(remotes: Sequence[RemoteCluster], taken: Collection[str]) -> None:
    """Return if no alias is one that somebody configured by hand; raises a 400 failure otherwise."""
    for number, remote in enumerate(remotes):
        if remote.alias in taken:
            raise invalid_field(
                f"resources[{number}].alias",
                f"remote cluster [{remote.alias}] was configured in the deployment itself; remove its "
                "settings [cluster.remote.*] and credentials there first",
            )


def undone(connection: Connection, *, local: bool = False, remote: bool = False) -> Connection | None:
    """Answer what is left once one side was undone; None once nothing is."""
    left = msgspec.structs.replace(
        connection,
        key_id=None if remote else connection.key_id,
        configured=connection.configured and not local,
    )
    return left if left.configured or left.key_id is not None else None


def _parse_one(entry: Any, path: str) -> RemoteCluster:
    if not isinstance(entry, dict):
        raise invalid_field(path, "must be an object")
    for name in entry:
        if name not in _MEMBERS:
            raise invalid_field(f"{path}.{str(name)[:100]}", "unknown member")
    deployment_id, alias = entry.get("deployment_id"), entry.get("alias")
    if not isinstance(deployment_id, str) or not deployment_id:
        raise invalid_field(f"{path}.deployment_id", "must be the id of a deployment")
    if not isinstance(alias, str):
        raise invalid_field(f"{path}.alias", "must be a text")
    try:
        parsed_alias = parse_cluster_alias(alias)
    except Failure as failure:
        raise invalid_field(f"{path}.alias", failure.reason) from failure
    if entry.get("elasticsearch_ref_id") not in (REF_ID, "_main"):
        raise invalid_field(f"{path}.elasticsearch_ref_id", f"must be [{REF_ID}]")
    skip_unavailable = entry.get("skip_unavailable", False)
    if not isinstance(skip_unavailable, bool | None):
        raise invalid_field(f"{path}.skip_unavailable", "must be true or false")
    return RemoteCluster(
        deployment_id=deployment_id,
        ref_id=REF_ID,
        alias=str(parsed_alias),
        skip_unavailable=bool(skip_unavailable),
    )

"""What a caller is told when a remote cluster cannot be asked. Pure."""

from __future__ import annotations

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.settings import RemoteSettings


def remote_unavailable(settings: RemoteSettings, address: HostAndPort, cause: PhaseFailure) -> Failure:
    """Answer Elasticsearch's failure (503), with a cause that names the phase, the reason and the remedy.

    ``address`` is what was tried last.
    """
    alias = settings.alias
    if isinstance(settings.mode, ProxyMode):
        reason = f"Unable to open any proxy connections to cluster [{alias}] at address [{address}]"
    else:
        reason = f"no seed node left for cluster: [{alias}]"
    refused = cause.phase is Phase.AUTHENTICATE
    return Failure(
        FailureKind.UNAVAILABLE,
        "no_seed_node_left_exception",
        reason,
        fault=Fault.REMOTE,
        caused_by=Failure(
            FailureKind.UNAVAILABLE,
            "security_exception" if refused else "connect_transport_exception",
            f"[{alias}][{address}] {cause.phase.value}: {cause.text}",
            fault=Fault.REMOTE,
            metadata={"phase": cause.phase.value},
        ),
    )

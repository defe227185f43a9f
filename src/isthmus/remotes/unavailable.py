"""What a caller is told when a remote cluster cannot be asked. Pure."""

from __future__ import annotations

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.settings import RemoteSettings


def remote_unavailable(settings: RemoteSettings, cause: PhaseFailure) -> Failure:
    """Answer Elasticsearch's failure (503), with a cause that names the phase, the reason and the remedy."""
    alias, address = settings.alias, settings.proxy_address
    refused = cause.phase is Phase.AUTHENTICATE
    return Failure(
        FailureKind.UNAVAILABLE,
        "no_seed_node_left_exception",
        f"Unable to open any proxy connections to cluster [{alias}] at address [{address}]",
        fault=Fault.REMOTE,
        caused_by=Failure(
            FailureKind.UNAVAILABLE,
            "security_exception" if refused else "connect_transport_exception",
            f"[{alias}][{address}] {cause.phase.value}: {cause.text}",
            fault=Fault.REMOTE,
            metadata={"phase": cause.phase.value},
        ),
    )

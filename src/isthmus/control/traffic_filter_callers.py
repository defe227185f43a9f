"""Which cluster a caller on 9443 has proved to be. Pure.

An API key says who made it, not who holds it, and what a caller says of itself in a request is no
proof. A certificate of the environment's own transport authority is: TLS has verified that the caller
has its key. So only deployments of the same environment can be told apart.
"""

from __future__ import annotations

from isthmus.control.traffic_filter_rules import UNPROVEN, RemoteCaller
from isthmus.security.certificate_names import (
    UnreadableCertificateError,
    node_name_parts_or_none,
    read_certificate_names,
)


def proven_caller(certificate: bytes | None) -> RemoteCaller:
    """Answer the cluster of a node's certificate (DER) that TLS has verified.

    Nobody where there is no certificate, or where it does not name exactly one node.
    """
    if certificate is None:
        return UNPROVEN
    try:
        names = read_certificate_names(certificate).names
    except UnreadableCertificateError:
        return UNPROVEN
    parts = node_name_parts_or_none(names[0]) if len(names) == 1 else None
    return UNPROVEN if parts is None else RemoteCaller(parts.cluster_id, parts.scope_id)

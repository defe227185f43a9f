"""Strong identity of a node: which files may sign, and whose signatures are verified."""

from __future__ import annotations

from isthmus.clock import Clock
from isthmus.control.layout import DeploymentLayout
from isthmus.remotes.signing import NodeFiles, RequestSigning
from isthmus.security.signing import SignatureVerifier
from isthmus.settings import NodeSettings


def build_signing(settings: NodeSettings, verifier: SignatureVerifier, clock: Clock) -> RequestSigning:
    """Answer the signing of this node, and have the verifier follow its settings.

    ``node.crt``, ``node.key`` and ``internal_tls_ca.crt`` are, as on Elastic's platforms, the node's own
    certificate and key and the authority of its environment; other files lie in the folder ``signing``.
    """
    known = {
        "node.crt": settings.transport_certificate_path,
        "node.key": settings.transport_key_path,
        "internal_tls_ca.crt": settings.transport_authority_path,
    }
    files = NodeFiles(DeploymentLayout(settings.directory).signing, known)
    return RequestSigning(files, verifier, clock)

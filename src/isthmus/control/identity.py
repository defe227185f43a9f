"""Who an environment, a cluster and a node are: ids and the names that certificates carry."""

from __future__ import annotations

import re
import secrets
from typing import Final

from isthmus.settings import EnvironmentKind

#: Elastic's organization and environment ids have ten digits; certificates and trust refer to them
SCOPE_ID_PATTERN: Final = re.compile(r"[0-9]{10}")
HEX_ID_PATTERN: Final = re.compile(r"[0-9a-f]{32}")
#: X.520 allows 64 characters in a common name, of which cluster id, scope id and words take 57
NODE_ID_CHARACTERS: Final = 7

#: The alias of the Elasticsearch resource of a deployment; ``_main`` is accepted in its place.
REF_ID: Final = "main-elasticsearch"

_REGION_OF_KIND: Final = {EnvironmentKind.HOSTED: "local-region", EnvironmentKind.ENTERPRISE: "ece-region"}
_LOWER_ALPHANUMERIC: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_scope_id() -> str:
    """Answer a new organization or environment id: ten digits, the first not 0."""
    return str(secrets.randbelow(9_000_000_000) + 1_000_000_000)


def new_hex_id() -> str:
    """Answer a new id of 32 hexadecimal digits (deployment, cluster, account)."""
    return secrets.token_hex(16)


def new_node_id() -> str:
    """Answer a new node id, unique within its cluster."""
    return "".join(secrets.choice(_LOWER_ALPHANUMERIC) for _ in range(NODE_ID_CHARACTERS))


def new_password() -> str:
    """Answer a password of 24 letters and digits (about 143 bits), easy to select with a double click."""
    alphabet = _LOWER_ALPHANUMERIC + _LOWER_ALPHANUMERIC[:26].upper()
    return "".join(secrets.choice(alphabet) for _ in range(24))


def region_of(kind: EnvironmentKind) -> str:
    """Answer the one region of an environment of this kind."""
    return _REGION_OF_KIND[kind]


def node_common_name(node_id: str, cluster_id: str, scope_id: str) -> str:
    """Answer the subject's common name of a node's certificate."""
    return f"{node_id}.node.{cluster_id}.cluster.{scope_id}"


def node_other_name(node_id: str, cluster_id: str, scope_id: str) -> str:
    """Answer the name that peers match their trust patterns against."""
    return f"{node_common_name(node_id, cluster_id, scope_id)}.account"


def trust_pattern(scope_id: str, cluster_id: str = "*") -> str:
    """Answer the pattern that matches the nodes of one cluster of a scope, or of all of them."""
    return f"*.node.{cluster_id}.cluster.{scope_id}.account"

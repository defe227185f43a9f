"""What a cluster alias and an index name may look like."""

from __future__ import annotations

import re
from typing import Final, NewType

from isthmus.errors import Failure, FailureKind, illegal_argument

ClusterAlias = NewType("ClusterAlias", str)
"""The name that a local cluster gives to a remote one; made by :func:`parse_cluster_alias`."""

IndexName = NewType("IndexName", str)
"""The name of one index, valid and without wildcards; made by :func:`parse_index_name`."""

#: what Elasticsearch lets stand between the dots of ``cluster.remote.<alias>.mode``
_ALIAS: Final = re.compile(r"[-A-Za-z0-9_]+\Z")
_FORBIDDEN_CHARACTERS: Final = frozenset('\\/*?"<>| ,')
_FORBIDDEN_LIST: Final = "[" + ",".join(f"'{character}'" for character in sorted(_FORBIDDEN_CHARACTERS)) + "]"
#: what file systems take; Elasticsearch's limit, counted in UTF-8
_LONGEST_NAME_BYTES: Final = 255


def parse_cluster_alias(text: str) -> ClusterAlias:
    """Answer the alias; raises a 400 failure for one that no setting or expression could name."""
    if not text:
        raise illegal_argument("remote clusters must not have the empty string as its key")
    if not _ALIAS.match(text):
        raise illegal_argument(
            f"Invalid cluster alias [{text}]: only letters, digits, '-' and '_' of ASCII are allowed"
        )
    if text.startswith("-"):
        # Elasticsearch takes it, but `-x:*` then means "without x" and the cluster is out of reach.
        raise illegal_argument(f"Invalid cluster alias [{text}]: must not start with '-'")
    return ClusterAlias(text)


def parse_index_name(text: str) -> IndexName:
    """Answer the name; raises ``invalid_index_name_exception`` (400) for one that cannot be an index's."""
    problem = _problem_or_none(text)
    if problem is not None:
        raise invalid_index_name(text, problem)
    return IndexName(text)


def invalid_index_name(name: str, problem: str) -> Failure:
    """Answer the failure for a name that no index can have."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "invalid_index_name_exception",
        f"Invalid index name [{name}], {problem}",
        metadata={"index_uuid": "_na_", "index": name},
    )


def _problem_or_none(name: str) -> str | None:
    """Answer what is wrong, checked in Elasticsearch's order."""
    try:
        length_bytes = len(name.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode"
    if not _FORBIDDEN_CHARACTERS.isdisjoint(name):
        return f"must not contain the following characters {_FORBIDDEN_LIST}"
    if not name:
        return "must not be empty"
    if "#" in name:
        return "must not contain '#'"
    if ":" in name:
        return "must not contain ':'"
    if name[0] in "_-+":
        return "must not start with '_', '-', or '+'"
    if length_bytes > _LONGEST_NAME_BYTES:
        return f"index name is too long, ({length_bytes} > {_LONGEST_NAME_BYTES})"
    if name in {".", ".."}:
        return "must not be '.' or '..'"
    if name != name.lower():
        return "must be lowercase"
    return None

"""How long what took, of every index of every cluster: the ``profile`` of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.exchange import JsonObject, SearchResult
from isthmus.names import ClusterAlias
from isthmus.names.grouping import LOCAL_CLUSTER


def profile_of(answered: Sequence[tuple[ClusterAlias | None, SearchResult]]) -> tuple[JsonObject, ...]:
    """Answer the profile of every shard, named as the caller has to name its index and cluster."""
    return tuple(_named(alias, profile) for alias, result in answered for profile in result.profile)


def _named(alias: ClusterAlias | None, profile: JsonObject) -> JsonObject:
    index = profile.get("index", "")
    node = profile.get("node_id", "")
    if alias is not None:
        index = f"{alias}:{index}"
    return {
        "id": f"[{node}][{index}][0]",
        **profile,
        "index": index,
        "cluster": LOCAL_CLUSTER if alias is None else alias,
    }

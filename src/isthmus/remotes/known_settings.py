"""Cluster settings outside ``cluster.remote`` that a node accepts.

A short list on purpose. Clients and tools set these as a matter of course; they steer the
placement of shards on many machines, of which one node has none to place, so keeping and answering them
is all there is to do. Every other setting is refused by name. ``docs/protocol.md`` has the list too.
"""

from __future__ import annotations

from typing import Final

from isthmus.remotes.search_settings import SEARCH_SETTINGS

#: kept and answered, without effect on one node -> default
KEPT_WITHOUT_EFFECT: Final = {
    "cluster.routing.allocation.enable": "all",
    "cluster.routing.rebalance.enable": "all",
    "cluster.routing.allocation.disk.threshold_enabled": "true",
    "cluster.routing.allocation.disk.watermark.low": "85%",
    "cluster.routing.allocation.disk.watermark.high": "90%",
    "cluster.routing.allocation.disk.watermark.flood_stage": "95%",
    "indices.recovery.max_bytes_per_sec": "40mb",
}

DESTRUCTIVE_REQUIRES_NAME: Final = "action.destructive_requires_name"
#: acted on by the data API -> default
ACTED_ON: Final = {DESTRUCTIVE_REQUIRES_NAME: "true", **SEARCH_SETTINGS}

#: free-form notes of the operator, as in Elasticsearch
METADATA_PREFIX: Final = "cluster.metadata."

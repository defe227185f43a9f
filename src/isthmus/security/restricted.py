"""Indices that hold a deployment's own state: only roles that say so may reach them."""

from __future__ import annotations

from typing import Final

from isthmus.security.patterns import matcher_of_any

#: Elasticsearch's system indices that its users meet in access control
RESTRICTED_PATTERNS: Final = (
    ".security*",
    ".kibana*",
    ".reporting-*",
    ".apm-agent-configuration*",
    ".apm-custom-link*",
    ".async-search*",
    ".fleet-*",
    ".ml-*",
    ".tasks*",
    ".transform-internal-*",
    ".triggered_watches*",
    ".watches*",
    ".enrich-*",
    ".logstash*",
    ".geoip_databases*",
    ".synonyms*",
)


def is_restricted(name: str) -> bool:
    """Tell whether an index of this name needs ``allow_restricted_indices``."""
    return name.startswith(".") and matcher_of_any(RESTRICTED_PATTERNS)(name)

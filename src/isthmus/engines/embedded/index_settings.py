"""The settings of an index: known, checked, and dynamic or final. Pure.

Three kinds: those that this engine acts on; those that make no difference here and are kept and
shown (``_KEPT``, the whole list of what is accepted without an effect); and those that
Elasticsearch has and this engine has not, refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.engines.embedded.document_depth import DEEPEST, is_too_deep
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json, JsonObject

_PREFIX: Final = "index."
_ANALYSIS: Final = "index.analysis."
_TIME: Final = re.compile(r"(?P<amount>-?\d+)(?P<unit>nanos|micros|ms|s|m|h|d)")
_SECONDS: Final = {
    "nanos": 1e-9,
    "micros": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_MOST_INT: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class _Setting:
    """One known setting: may it change later, and what is wrong with a value (raises)."""

    dynamic: bool
    check: Callable[[str, str], object]


def _whole(lowest: int, highest: int = _MOST_INT) -> Callable[[str, str], int]:
    def check(name: str, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise illegal_argument(f"Failed to parse value [{text}] for setting [{name}]") from None
        if number < lowest:
            raise illegal_argument(f"Failed to parse value [{text}] for setting [{name}] must be >= {lowest}")
        if number > highest:
            raise illegal_argument(
                f"Failed to parse value [{text}] for setting [{name}] must be <= {highest}"
            )
        return number

    return check


def _boolean(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise illegal_argument(
            f"Failed to parse value [{text}] as only [true] or [false] are allowed. (setting [{name}])"
        )
    return text == "true"


def _time(name: str, text: str) -> float:
    if text in {"-1", "0"}:
        return float(text)
    match = _TIME.fullmatch(text)
    if match is None:
        raise illegal_argument(
            f"failed to parse setting [{name}] with value [{text}] as a time value: unit is missing or "
            "unrecognized"
        )
    return int(match["amount"]) * _SECONDS[match["unit"]]


def _anything(_name: str, text: str) -> str:
    return text


#: what this engine acts on
_ACTED_ON: Final = {
    "index.refresh_interval": _Setting(dynamic=True, check=_time),
    "index.max_result_window": _Setting(dynamic=True, check=_whole(1)),
    "index.max_rescore_window": _Setting(dynamic=True, check=_whole(1)),
    "index.max_regex_length": _Setting(dynamic=True, check=_whole(1)),
    "index.max_terms_count": _Setting(dynamic=True, check=_whole(1)),
    "index.highlight.max_analyzed_offset": _Setting(dynamic=True, check=_whole(1)),
    "index.max_docvalue_fields_search": _Setting(dynamic=True, check=_whole(0)),
    "index.mapping.total_fields.limit": _Setting(dynamic=True, check=_whole(0)),
    "index.hidden": _Setting(dynamic=True, check=_boolean),
    "index.blocks.read_only": _Setting(dynamic=True, check=_boolean),
    "index.blocks.write": _Setting(dynamic=True, check=_boolean),
}


def _only_true(name: str, text: str) -> bool:
    if not _boolean(name, text):
        raise illegal_argument(f"setting [{name}] can only be [true] in the embedded engine")
    return True


#: what is accepted and shown, and makes no difference: it spreads shards over nodes, tunes what works
#: differently here, or limits what this engine does not have
_KEPT: Final = {
    "index.number_of_shards": _Setting(dynamic=False, check=_whole(1, 1024)),
    "index.number_of_routing_shards": _Setting(dynamic=False, check=_whole(1)),
    "index.number_of_replicas": _Setting(dynamic=True, check=_whole(0)),
    "index.auto_expand_replicas": _Setting(dynamic=True, check=_anything),
    "index.codec": _Setting(dynamic=False, check=_anything),
    "index.mapping.nested_fields.limit": _Setting(dynamic=True, check=_whole(0)),
    "index.mapping.nested_objects.limit": _Setting(dynamic=True, check=_whole(0)),
    "index.max_inner_result_window": _Setting(dynamic=True, check=_whole(1)),
    "index.max_script_fields": _Setting(dynamic=True, check=_whole(0)),
    "index.max_slices_per_scroll": _Setting(dynamic=True, check=_whole(1)),
    "index.gc_deletes": _Setting(dynamic=True, check=_time),
    "index.priority": _Setting(dynamic=True, check=_whole(0)),
    "index.requests.cache.enable": _Setting(dynamic=True, check=_boolean),
    "index.routing.allocation.include._tier_preference": _Setting(dynamic=True, check=_anything),
    "index.search.idle.after": _Setting(dynamic=True, check=_time),
    "index.soft_deletes.enabled": _Setting(dynamic=False, check=_only_true),
    "index.soft_deletes.retention_lease.period": _Setting(dynamic=True, check=_time),
    "index.translog.durability": _Setting(dynamic=True, check=_anything),
    "index.translog.flush_threshold_size": _Setting(dynamic=True, check=_anything),
    "index.translog.sync_interval": _Setting(dynamic=True, check=_time),
    "index.unassigned.node_left.delayed_timeout": _Setting(dynamic=True, check=_time),
}
KEPT_WITHOUT_EFFECT: Final = frozenset(_KEPT)
"""The settings that are accepted and shown, and make no difference here."""

_SETTINGS: Final = _ACTED_ON | _KEPT
#: what Elasticsearch makes itself and shows; may come back in a copied request and is not kept
_OWN: Final = frozenset({"index.creation_date", "index.uuid", "index.provided_name", "index.version.created"})
_UNSUPPORTED: Final = (
    "index.blocks.",
    "index.default_pipeline",
    "index.final_pipeline",
    "index.highlight.",
    "index.indexing.",
    "index.lifecycle.",
    "index.load_fixed_bitset_filters_eagerly",
    "index.mapping.",
    "index.max_",
    "index.merge.",
    "index.mode",
    "index.query.",
    "index.query_string.",
    "index.requests.cache.",
    "index.routing",
    "index.routing_partition_size",
    "index.search.",
    "index.shard.",
    "index.similarity.",
    "index.soft_deletes.",
    "index.sort.",
    "index.store.",
    "index.time_series.",
    "index.translog.",
    "index.write.",
)


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The settings of one index as the engine acts on them. Negative interval: never by itself."""

    refresh_interval_seconds: float = 1.0
    max_result_window: int = 10_000
    max_regex_length: int = 1_000
    max_terms_count: int = 65_536
    field_limit: int = 1000
    max_analyzed_offset: int = 1_000_000
    max_docvalue_fields: int = 100
    max_rescore_window: int = 10_000
    hidden: bool = False
    read_only: bool = False
    blocks_write: bool = False


def normalise_settings(given: JsonObject) -> JsonObject:
    """Answer settings in the flat form: full names, values as text (lists stay), None kept.

    Nested objects and names without ``index.`` in front are understood, as in Elasticsearch.
    """
    if is_too_deep(given):
        raise illegal_argument(f"settings have more than {DEEPEST} levels")
    flat: JsonObject = {}
    _flatten("", given, flat)
    return {name if name.startswith(_PREFIX) else f"{_PREFIX}{name}": value for name, value in flat.items()}


def check_new_settings(given: JsonObject) -> JsonObject:
    """Answer the settings that a new index keeps; raise a 400 that names the first wrong one."""
    kept: JsonObject = {}
    for name, value in normalise_settings(given).items():
        if name in _OWN or value is None:
            continue
        _check(name, value)
        kept[name] = value
    kept.setdefault("index.number_of_shards", "1")
    kept.setdefault("index.number_of_replicas", "1")
    return kept


def change_settings(
    current: JsonObject, given: JsonObject, index: str, *, closed: bool = False
) -> JsonObject:
    """Answer the settings after a change; None restores a default. Raises a 400 for a final one.

    ``index`` is ``name/uuid``, for the message. Where Elasticsearch lets some final settings of a
    ``closed`` index change, this engine does not.
    """
    changed = dict(current)
    final = []
    for name, value in normalise_settings(given).items():
        setting = _SETTINGS.get(name)
        if setting is None or value is not None:
            _check(name, value)
        if name.startswith(_ANALYSIS) or setting is None or not setting.dynamic:
            if changed.get(name) != value:
                final.append(name)
        elif value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
    if final:
        listed = ", ".join(sorted(final))
        if closed:
            raise illegal_argument(
                f"changing the settings [{listed}] of the closed index [{index}] is not supported by the "
                "embedded engine"
            )
        raise illegal_argument(f"Can't update non dynamic settings [[{listed}]] for open indices [[{index}]]")
    changed.setdefault("index.number_of_replicas", "1")
    return changed


def effective_settings(kept: Mapping[str, Any]) -> IndexSettings:
    """Answer what the kept settings mean."""
    defaults = IndexSettings()
    return IndexSettings(
        refresh_interval_seconds=_time(
            "index.refresh_interval",
            kept.get("index.refresh_interval", f"{int(defaults.refresh_interval_seconds)}s"),
        ),
        max_result_window=int(kept.get("index.max_result_window", defaults.max_result_window)),
        max_rescore_window=int(kept.get("index.max_rescore_window", defaults.max_rescore_window)),
        max_regex_length=int(kept.get("index.max_regex_length", defaults.max_regex_length)),
        max_terms_count=int(kept.get("index.max_terms_count", defaults.max_terms_count)),
        field_limit=int(kept.get("index.mapping.total_fields.limit", defaults.field_limit)),
        max_analyzed_offset=int(
            kept.get("index.highlight.max_analyzed_offset", defaults.max_analyzed_offset)
        ),
        max_docvalue_fields=int(kept.get("index.max_docvalue_fields_search", defaults.max_docvalue_fields)),
        hidden=kept.get("index.hidden") == "true",
        read_only=kept.get("index.blocks.read_only") == "true",
        blocks_write=kept.get("index.blocks.write") == "true",
    )


def analysis_settings(kept: JsonObject) -> JsonObject:
    """Answer the part below ``index.analysis`` as nested objects again."""
    nested: JsonObject = {}
    for name, value in kept.items():
        if not name.startswith(_ANALYSIS):
            continue
        *above, last = name.removeprefix(_ANALYSIS).split(".")
        place = nested
        for each in above:
            place = place.setdefault(each, {})
        place[last] = value
    return nested


def write_block(name: str, settings: IndexSettings) -> Failure | None:
    """Answer the failure of every write to an index that is blocked, or None."""
    if settings.read_only:
        block = "FORBIDDEN/5/index read-only (api)"
    elif settings.blocks_write:
        block = "FORBIDDEN/8/index write (api)"
    else:
        return None
    return Failure(FailureKind.FORBIDDEN, "cluster_block_exception", f"index [{name}] blocked by: [{block}];")


def _check(name: str, value: Json) -> None:
    if name.startswith(_ANALYSIS):
        return
    setting = _SETTINGS.get(name)
    if setting is not None:
        if isinstance(value, list):
            raise illegal_argument(f"Failed to parse value [{value}] for setting [{name}]")
        setting.check(name, str(value))
    elif name in _OWN:
        raise illegal_argument(f"private index setting [{name}] can not be set explicitly")
    elif name.startswith(_UNSUPPORTED):
        raise illegal_argument(f"setting [{name}] is not supported by the embedded engine")
    else:
        raise illegal_argument(
            f"unknown setting [{name}] please check that any required plugins are installed, or check the "
            "breaking changes documentation for removed settings"
        )


def _flatten(prefix: str, value: Json, flat: JsonObject) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), each, flat)
    elif isinstance(value, list):
        flat[prefix] = [_as_text(each) for each in value]
    else:
        flat[prefix] = None if value is None else _as_text(value)


def _as_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

"""Settings that a node has from its file and that cannot change while it runs. Pure.

The file is ``config/settings.toml`` in the deployment's folder; its keys are Elasticsearch's. They are the
same on every node of a cluster, but for ``node.attr.*``, which others choose their gateways by.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.remotes.connection_modes import DEFAULT_NODE_CONNECTIONS
from isthmus.remotes.flat_settings import FlatSettings, SettingValue, flatten
from isthmus.remotes.setting_values import (
    Compression,
    CompressionScheme,
    read_attribute_name,
    read_compression,
    read_compression_scheme,
    read_connections,
    read_interval_seconds,
    read_timeout_seconds,
)

INITIAL_CONNECT_TIMEOUT: Final = "cluster.remote.initial_connect_timeout"
CONNECTIONS_PER_CLUSTER: Final = "cluster.remote.connections_per_cluster"
NODE_ATTRIBUTE: Final = "cluster.remote.node.attr"
COMPRESS: Final = "transport.compress"
COMPRESSION_SCHEME: Final = "transport.compression_scheme"
PING_SCHEDULE: Final = "transport.ping_schedule"
#: followed by a name: an attribute of this node
ATTRIBUTE_PREFIX: Final = "node.attr."
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_MAXIMUM_ATTRIBUTE_CHARACTERS: Final = 500

#: every setting of one name: its default as text
STATIC_DEFAULTS: Final = {
    INITIAL_CONNECT_TIMEOUT: "30s",
    CONNECTIONS_PER_CLUSTER: str(DEFAULT_NODE_CONNECTIONS),
    NODE_ATTRIBUTE: "",
    COMPRESS: Compression.INDEXING_DATA.value,
    COMPRESSION_SCHEME: CompressionScheme.LZ4.value,
    PING_SCHEDULE: "-1",
}
_READERS: Final[Mapping[str, Callable[[str, SettingValue], Any]]] = {
    INITIAL_CONNECT_TIMEOUT: read_timeout_seconds,
    CONNECTIONS_PER_CLUSTER: read_connections,
    NODE_ATTRIBUTE: read_attribute_name,
    COMPRESS: read_compression,
    COMPRESSION_SCHEME: read_compression_scheme,
    PING_SCHEDULE: read_interval_seconds,
}


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """What the file says, read and checked; without a file the defaults.

    The first six are what aliases have where their own settings are silent. ``attributes`` are this node's,
    without ``node.attr.``. ``given`` are the settings of the file as they are answered.
    """

    initial_connect_timeout_seconds: float = 30.0
    connections_per_cluster: int = DEFAULT_NODE_CONNECTIONS
    node_attribute: str = ""
    compression: Compression = Compression.INDEXING_DATA
    compression_scheme: CompressionScheme = CompressionScheme.LZ4
    ping_interval_seconds: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    given: FlatSettings = field(default_factory=dict)


def is_static(key: str) -> bool:
    """Tell whether this setting belongs into the file, and cannot change while the node runs."""
    return key in STATIC_DEFAULTS or key.startswith(ATTRIBUTE_PREFIX)


def parse_static_settings(text: str) -> StaticSettings:
    """Read the file's text; raises a 400 failure that names what is wrong, an unknown setting included."""
    try:
        flat = flatten(tomllib.loads(text), "static")
    except tomllib.TOMLDecodeError as error:
        raise illegal_argument(f"not TOML: {error}") from None
    given = {key: value for key, value in flat.items() if value is not None}
    read: dict[str, Any] = {}
    attributes: dict[str, str] = {}
    for key, value in given.items():
        if key.startswith(ATTRIBUTE_PREFIX):
            attributes[key.removeprefix(ATTRIBUTE_PREFIX)] = _attribute(key, value)
        elif key in _READERS:
            read[key] = _READERS[key](key, value)
        else:
            raise illegal_argument(f"unknown setting [{key[:500]}]")
    defaults = StaticSettings()
    return StaticSettings(
        initial_connect_timeout_seconds=read.get(
            INITIAL_CONNECT_TIMEOUT, defaults.initial_connect_timeout_seconds
        ),
        connections_per_cluster=read.get(CONNECTIONS_PER_CLUSTER, defaults.connections_per_cluster),
        node_attribute=read.get(NODE_ATTRIBUTE, defaults.node_attribute),
        compression=read.get(COMPRESS, defaults.compression),
        compression_scheme=read.get(COMPRESSION_SCHEME, defaults.compression_scheme),
        ping_interval_seconds=read.get(PING_SCHEDULE, defaults.ping_interval_seconds),
        attributes=attributes,
        given=given,
    )


def _attribute(key: str, value: SettingValue) -> str:
    if not _ATTRIBUTE.fullmatch(key.removeprefix(ATTRIBUTE_PREFIX)):
        raise illegal_argument(f"setting [{key[:200]}] must end in letters, digits, [.], [_] and [-]")
    if isinstance(value, tuple) or len(value) > _MAXIMUM_ATTRIBUTE_CHARACTERS or not value.isprintable():
        raise illegal_argument(f"setting [{key}] must be a text of at most [{_MAXIMUM_ATTRIBUTE_CHARACTERS}]")
    return value

"""Readers of single setting values, each with the message that Elasticsearch gives."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import Final

from isthmus.errors import Failure, illegal_argument
from isthmus.remotes.address import HostAndPort, is_host_name, parse_host_and_port
from isthmus.remotes.flat_settings import SettingValue

_MAXIMUM_SHOWN: Final = 200
_MAXIMUM_CONNECTIONS: Final = 1000
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_TIME: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(nanos|micros|ms|s|m|h|d)", re.ASCII)
_ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_SECONDS_OF_UNIT: Final = {
    "nanos": 1e-9,
    "micros": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


class ConnectionMode(Enum):
    """How the nodes of a remote cluster are reached."""

    SNIFF = "sniff"
    PROXY = "proxy"


class Compression(Enum):
    """What is compressed on the way: everything, only replicated documents, nothing."""

    ALL = "true"
    INDEXING_DATA = "indexing_data"
    NONE = "false"


class CompressionScheme(Enum):
    """How bodies are compressed; the values are the protocol's names of body encodings."""

    LZ4 = "lz4"
    DEFLATE = "deflate"
    #: not in Elasticsearch: denser than LZ4 at nearly its speed
    ZSTANDARD = "zstd"

    def among(self, features: Collection[str]) -> str | None:
        """Answer the scheme to use with a peer that has these features: this one, else one that it has.

        None: the peer can undo none of them.
        """
        for scheme in (self, *CompressionScheme):
            name: str = scheme.value
            if name in features:
                return name
        return None


def read_mode(key: str, value: SettingValue) -> ConnectionMode:
    """Read ``sniff`` or ``proxy``, in any case."""
    try:
        return ConnectionMode(_text(key, value).lower())
    except ValueError:
        raise _unparsable(key, value, "as only [sniff] or [proxy] are allowed") from None


def read_boolean(key: str, value: SettingValue) -> bool:
    """Read ``true`` or ``false``."""
    text = _text(key, value)
    if text not in ("true", "false"):
        raise illegal_argument(
            f"Failed to parse value [{_shown(value)}] as only [true] or [false] are allowed."
        )
    return text == "true"


def read_connections(key: str, value: SettingValue) -> int:
    """Read how many connections: 1 to 1000."""
    text = _text(key, value)
    if not _INTEGER.fullmatch(text):
        raise _unparsable(key, value, "")
    number = int(text)
    if number < 1:
        raise _unparsable(key, value, "must be >= 1")
    if number > _MAXIMUM_CONNECTIONS:
        raise _unparsable(key, value, f"must be <= {_MAXIMUM_CONNECTIONS}")
    return number


def read_compression(key: str, value: SettingValue) -> Compression:
    """Read ``true``, ``indexing_data`` or ``false``."""
    try:
        return Compression(_text(key, value).lower())
    except ValueError:
        raise _unparsable(key, value, "as only [true], [indexing_data] or [false] are allowed") from None


def read_compression_scheme(key: str, value: SettingValue) -> CompressionScheme:
    """Read ``lz4``, ``deflate`` or ``zstd``."""
    try:
        return CompressionScheme(_text(key, value).lower())
    except ValueError:
        raise _unparsable(key, value, "as only [lz4], [deflate] or [zstd] are allowed") from None


def read_timeout_seconds(key: str, value: SettingValue) -> float:
    """Read a time such as ``30s`` that is more than nothing."""
    seconds = read_interval_seconds(key, value)
    if seconds is None:
        raise illegal_argument(f"failed to parse value [{_shown(value)}] for setting [{key}], must be > 0")
    return seconds


def read_attribute_name(key: str, value: SettingValue) -> str:
    """Read the name of a node's attribute, without ``node.attr.``; empty means none."""
    text = _text(key, value)
    if text and not _ATTRIBUTE_NAME.fullmatch(text):
        raise _unparsable(key, value, "must be the name of a node attribute, without [node.attr.]")
    return text


def read_interval_seconds(key: str, value: SettingValue) -> float | None:
    """Read a time such as ``5s``; ``-1`` is None: none of the caller's own."""
    text = _text(key, value)
    if text == "-1":
        return None
    if text == "0":
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise illegal_argument(
            f"failed to parse setting [{key}] with value [{_shown(value)}] as a time value:"
            " unit is missing or unrecognized"
        )
    return float(match[1]) * _SECONDS_OF_UNIT[match[2]] or None


def read_address(key: str, value: SettingValue) -> HostAndPort | None:
    """Read ``host:port``; an empty text is None, as if the setting were not there."""
    text = _text(key, value)
    return parse_host_and_port(text) if text else None


def read_addresses(key: str, value: SettingValue) -> tuple[HostAndPort, ...]:
    """Read a list of ``host:port``, or one text with commas."""
    del key  # the parser's messages name the address
    texts = value if isinstance(value, tuple) else tuple(part.strip() for part in value.split(","))
    return tuple(parse_host_and_port(text) for text in texts if text)


def read_server_name(key: str, value: SettingValue) -> str:
    """Read a host's name for the TLS hello; empty means the address's own host."""
    text = _text(key, value)
    if text and not is_host_name(text):
        raise _unparsable(key, value, "must be a valid hostname, without a port")
    return text.removesuffix(".").lower()


def _text(key: str, value: SettingValue) -> str:
    if isinstance(value, tuple):
        raise _unparsable(key, value, "must not be a list")
    return value


def _unparsable(key: str, value: SettingValue, rule: str) -> Failure:
    text = f"Failed to parse value [{_shown(value)}] for setting [{key}]"
    return illegal_argument(f"{text} {rule}".rstrip())


def _shown(value: SettingValue) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else value
    return text if len(text) <= _MAXIMUM_SHOWN else f"{text[:_MAXIMUM_SHOWN]}…"

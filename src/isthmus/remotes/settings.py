"""Every ``cluster.remote.*`` setting: names, defaults, validation with Elasticsearch's messages.

Pure. Secrets are never here: an alias's cross-cluster key lives in the keystore under
:func:`credentials_name`. What aliases have where their settings are silent, and what cannot change while a
node runs, is in :mod:`isthmus.remotes.static_settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.names import ClusterAlias, parse_cluster_alias
from isthmus.remotes.address import Destination
from isthmus.remotes.connection_modes import DEFAULT_PROXY_SOCKET_CONNECTIONS, ProxyMode, SniffMode
from isthmus.remotes.flat_settings import FlatSettings, SettingsUpdate, SettingValue
from isthmus.remotes.known_settings import ACTED_ON, KEPT_WITHOUT_EFFECT, METADATA_PREFIX
from isthmus.remotes.search_settings import SEARCH_SETTING_READERS
from isthmus.remotes.setting_values import (
    Compression,
    CompressionScheme,
    ConnectionMode,
    read_address,
    read_addresses,
    read_boolean,
    read_compression,
    read_compression_scheme,
    read_connections,
    read_interval_seconds,
    read_mode,
    read_server_name,
)
from isthmus.remotes.signing_settings import (
    SIGNATURE_TRUST_SETTINGS,
    SigningFiles,
    read_file_name,
    signing_files_or_none,
    unsupported_store,
)
from isthmus.remotes.static_settings import (
    COMPRESS,
    COMPRESSION_SCHEME,
    PING_SCHEDULE,
    StaticSettings,
    is_static,
)
from isthmus.security.audit_settings import (
    check_audit_setting,
    is_above_audit_settings,
    is_audit_setting,
)

PREFIX: Final = "cluster.remote."
CREDENTIALS: Final = "credentials"
NEXT_CREDENTIALS: Final = "credentials.next"
#: default of Elasticsearch since 8.15
DEFAULT_SKIP_UNAVAILABLE: Final = True
_NO_STATIC_SETTINGS: Final = StaticSettings()


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """One enabled alias: complete and valid. ``ping_interval_seconds`` None leaves that to the link."""

    alias: ClusterAlias
    mode: ProxyMode | SniffMode
    skip_unavailable: bool = DEFAULT_SKIP_UNAVAILABLE
    compression: Compression = _NO_STATIC_SETTINGS.compression
    compression_scheme: CompressionScheme = _NO_STATIC_SETTINGS.compression_scheme
    ping_interval_seconds: float | None = None
    initial_connect_timeout_seconds: float = _NO_STATIC_SETTINGS.initial_connect_timeout_seconds
    signing: SigningFiles | None = None

    @property
    def destination(self) -> Destination:
        """Where the first connection goes: the proxy address, or the first seed."""
        return self.mode.destination(self.alias)

    def connects_like(self, other: RemoteSettings) -> bool:
        """Tell whether connections opened for ``other`` can stay: they lead where these settings want them.

        Everything else is taken over by a link as it is: how long it may be quiet, how bodies are compressed,
        how many connections there may be.
        """
        if self.signing != other.signing:  # a link that was refused for its signature tries again at once
            return False
        return self.mode.connects_like(other.mode)


@dataclass(frozen=True, slots=True)
class _AliasSetting:
    """One setting that an alias has. ``mode``: the only mode it may be used with."""

    read: Callable[[str, SettingValue], Any]
    mode: ConnectionMode | None = None
    needs_enabled: bool = False


_ALIAS_SETTINGS: Final[Mapping[str, _AliasSetting]] = {
    "mode": _AliasSetting(read_mode),
    "skip_unavailable": _AliasSetting(read_boolean, needs_enabled=True),
    COMPRESS: _AliasSetting(read_compression, needs_enabled=True),
    COMPRESSION_SCHEME: _AliasSetting(read_compression_scheme, needs_enabled=True),
    PING_SCHEDULE: _AliasSetting(read_interval_seconds, needs_enabled=True),
    "seeds": _AliasSetting(read_addresses, ConnectionMode.SNIFF),
    "node_connections": _AliasSetting(read_connections, ConnectionMode.SNIFF),
    "proxy": _AliasSetting(read_address, ConnectionMode.SNIFF),
    "proxy_address": _AliasSetting(read_address, ConnectionMode.PROXY),
    "proxy_socket_connections": _AliasSetting(read_connections, ConnectionMode.PROXY),
    "server_name": _AliasSetting(read_server_name, ConnectionMode.PROXY),
    "signing.certificate": _AliasSetting(read_file_name),
    "signing.key": _AliasSetting(read_file_name),
}
#: the settings that an alias has
ALIAS_SETTING_NAMES: Final = tuple(_ALIAS_SETTINGS)
#: the only mode that each may be used with; None: either
MODE_OF_SETTING: Final[Mapping[str, ConnectionMode | None]] = {
    name: setting.mode for name, setting in _ALIAS_SETTINGS.items()
}


def credentials_name(alias: str) -> str:
    """Answer the keystore's entry for this alias's cross-cluster key."""
    return f"{PREFIX}{alias}.credentials"


def next_credentials_name(alias: str) -> str:
    """Answer the keystore's entry for the key that is to replace this alias's key (``docs/rotation.md``)."""
    return f"{PREFIX}{alias}.{NEXT_CREDENTIALS}"


def check_update(update: SettingsUpdate, kind: str) -> None:
    """Refuse the first setting that does not exist or cannot change (``kind``: persistent, transient).

    Checks each key and value alone; :func:`remotes_of` checks what they amount to together.
    """
    for key, value in update.items():
        if value is None and (key.endswith("*") or _is_subtree(key)):
            continue
        if is_audit_setting(key):
            check_audit_setting(key, value, kind)
            continue
        _check_key(key, kind)
        if value is not None and key in SEARCH_SETTING_READERS:
            SEARCH_SETTING_READERS[key](key, value)
        elif value is not None and key in ACTED_ON:
            read_boolean(key, value)
        elif value is not None and key in SIGNATURE_TRUST_SETTINGS:
            SIGNATURE_TRUST_SETTINGS[key](key, value)
        elif value is not None and key.startswith(PREFIX):
            _, name = _split(key)
            _ALIAS_SETTINGS[name].read(key, value)


def remotes_of(
    settings: FlatSettings, static: StaticSettings = _NO_STATIC_SETTINGS
) -> dict[ClusterAlias, RemoteSettings]:
    """Answer every enabled remote of the effective settings (transient already over persistent).

    Raises ``illegal_argument_exception`` (400) where settings contradict each other. Keys must
    have passed :func:`check_update` once.
    """
    by_alias: dict[str, dict[str, SettingValue]] = {}
    for key, value in settings.items():
        if key.startswith(PREFIX):
            alias, name = _split(key)
            if name in _ALIAS_SETTINGS:  # a later version may have stored one that this one lacks
                by_alias.setdefault(alias, {})[name] = value
    remotes = {}
    for alias, values in sorted(by_alias.items()):
        remote = _remote_or_none(alias, values, static)
        if remote is not None:
            remotes[remote.alias] = remote
    return remotes


def _is_subtree(key: str) -> bool:
    """Tell ``cluster``, ``cluster.remote``, ``cluster.remote.<alias>`` and ``….transport``."""
    if key in ("action", "search", "cluster", "cluster.remote", METADATA_PREFIX.removesuffix(".")):
        return True
    if is_above_audit_settings(key):
        return True
    alias, *rest = key.removeprefix(PREFIX).split(".")
    return key.startswith(PREFIX) and bool(alias) and rest in ([], ["transport"], ["signing"])


def _check_key(key: str, kind: str) -> None:
    if key in KEPT_WITHOUT_EFFECT or key in ACTED_ON or key in SIGNATURE_TRUST_SETTINGS:
        return
    if key.startswith(METADATA_PREFIX) and key != METADATA_PREFIX:
        return
    if is_static(key):
        raise illegal_argument(f"{kind} setting [{key}], not dynamically updateable")
    if not key.startswith(PREFIX):
        raise illegal_argument(f"{kind} setting [{key[:500]}], not recognized")
    alias, name = _split(key)
    if name in (CREDENTIALS, NEXT_CREDENTIALS):
        raise illegal_argument(
            f"{kind} setting [{key}], not dynamically updateable: it is a secure setting that belongs"
            " into the keystore and never into the cluster settings"
        )
    if name.startswith(("signing.keystore.", "signing.truststore.")) or key.startswith(
        f"{PREFIX}signing.truststore."
    ):
        raise unsupported_store(key, kind)
    if alias == "signing":  # the settings of that name belong to no alias
        raise illegal_argument(f"{kind} setting [{key[:500]}], not recognized")
    if name not in _ALIAS_SETTINGS:
        raise illegal_argument(f"{kind} setting [{key[:500]}], not recognized")
    parse_cluster_alias(alias)


def _split(key: str) -> tuple[str, str]:
    """Answer alias and name of ``cluster.remote.<alias>.<name>``."""
    alias, _, name = key.removeprefix(PREFIX).partition(".")
    if not alias:
        raise illegal_argument("remote clusters must not have the empty string as its key")
    return alias, name


def _remote_or_none(
    alias: str, values: Mapping[str, SettingValue], static: StaticSettings
) -> RemoteSettings | None:
    prefix = f"{PREFIX}{alias}."
    read = {name: _ALIAS_SETTINGS[name].read(prefix + name, value) for name, value in values.items()}
    mode: ConnectionMode = read.get("mode", ConnectionMode.SNIFF)
    signing = signing_files_or_none(prefix, read.get("signing.certificate"), read.get("signing.key"))
    for name in values:
        required = _ALIAS_SETTINGS[name].mode
        if required is not None and required is not mode:
            raise illegal_argument(
                f'Setting "{prefix}{name}" cannot be used with the configured "{prefix}mode"'
                f" [required={required.name}, configured={mode.name}]"
            )
    if not read.get("proxy_address" if mode is ConnectionMode.PROXY else "seeds"):
        for name in values:
            if _ALIAS_SETTINGS[name].needs_enabled:
                raise illegal_argument(
                    f"Cannot configure setting [{prefix}{name}] if remote cluster is not enabled."
                )
        return None
    return RemoteSettings(
        alias=ClusterAlias(alias),
        mode=_proxy_mode(read) if mode is ConnectionMode.PROXY else _sniff_mode(read, static),
        skip_unavailable=read.get("skip_unavailable", DEFAULT_SKIP_UNAVAILABLE),
        compression=read.get(COMPRESS, static.compression),
        compression_scheme=read.get(COMPRESSION_SCHEME, static.compression_scheme),
        ping_interval_seconds=read.get(PING_SCHEDULE, static.ping_interval_seconds),
        initial_connect_timeout_seconds=static.initial_connect_timeout_seconds,
        signing=signing,
    )


def _proxy_mode(read: Mapping[str, Any]) -> ProxyMode:
    return ProxyMode(
        address=read["proxy_address"],
        server_name=read.get("server_name", ""),
        socket_connections=read.get("proxy_socket_connections", DEFAULT_PROXY_SOCKET_CONNECTIONS),
    )


def _sniff_mode(read: Mapping[str, Any], static: StaticSettings) -> SniffMode:
    return SniffMode(
        seeds=read["seeds"],
        node_connections=read.get("node_connections", static.connections_per_cluster),
        proxy=read.get("proxy"),
        node_attribute=static.node_attribute,
    )

"""What settings are that nobody has set: the ``defaults`` of ``GET /_cluster/settings``. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.remotes.connection_modes import DEFAULT_PROXY_SOCKET_CONNECTIONS, ProxyMode, SniffMode
from isthmus.remotes.flat_settings import FlatSettings, SettingValue
from isthmus.remotes.known_settings import ACTED_ON, KEPT_WITHOUT_EFFECT
from isthmus.remotes.setting_values import ConnectionMode
from isthmus.remotes.settings import DEFAULT_SKIP_UNAVAILABLE, PREFIX, remotes_of
from isthmus.remotes.signing_settings import DIAGNOSE
from isthmus.remotes.static_settings import (
    COMPRESS,
    COMPRESSION_SCHEME,
    CONNECTIONS_PER_CLUSTER,
    PING_SCHEDULE,
    STATIC_DEFAULTS,
    StaticSettings,
)
from isthmus.security.audit_settings import DEFAULTS as AUDIT_DEFAULTS

_NO_STATIC_SETTINGS: Final = StaticSettings()


def defaults_of(
    settings: FlatSettings, static: StaticSettings = _NO_STATIC_SETTINGS
) -> dict[str, SettingValue]:
    """Answer the value of every setting that these leave open (``include_defaults``)."""
    of_node: dict[str, SettingValue] = {**STATIC_DEFAULTS, **static.given}
    defaults: dict[str, SettingValue] = {
        **of_node,
        **ACTED_ON,
        **AUDIT_DEFAULTS,
        **KEPT_WITHOUT_EFFECT,
        DIAGNOSE: "true",
    }
    for alias, remote in remotes_of(settings, static).items():
        for name, default in alias_defaults(remote.mode, of_node).items():
            defaults[f"{PREFIX}{alias}.{name}"] = default
    return {key: value for key, value in defaults.items() if key not in settings}


def alias_defaults(mode: ProxyMode | SniffMode, of_node: FlatSettings) -> dict[str, SettingValue]:
    """Answer what each setting of an alias in this mode is where it is not set, by name.

    ``of_node``: what the node's static settings are. Settings without a default are not among them.
    """
    of_mode: dict[str, SettingValue] = (
        {
            "mode": ConnectionMode.SNIFF.value,
            "node_connections": of_node[CONNECTIONS_PER_CLUSTER],
            "proxy": "",
        }
        if isinstance(mode, SniffMode)
        else {"proxy_socket_connections": str(DEFAULT_PROXY_SOCKET_CONNECTIONS), "server_name": ""}
    )
    return {
        **of_mode,
        "skip_unavailable": "true" if DEFAULT_SKIP_UNAVAILABLE else "false",
        **{name: of_node[name] for name in (COMPRESS, COMPRESSION_SCHEME, PING_SCHEDULE)},
    }

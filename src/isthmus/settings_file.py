"""What a person wrote (``isthmus.toml``) and the process's environment, turned into settings.

Precedence exists here and nowhere else: environment variable, then file, then default. Keys are
strict: an unknown one is refused with the likeliest name that was meant.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from isthmus.control.addresses import AddressError, parse_network
from isthmus.control.identity import HEX_ID_PATTERN, SCOPE_ID_PATTERN
from isthmus.control.layout import EnvironmentLayout
from isthmus.settings import DoorSettings, EnvironmentKind, EnvironmentSettings, Ports

FILE_VERSION: Final = 1

_PORT_NAMES: Final = ("platform", "data", "transport", "remote_cluster")
_KEYS: Final = (
    "version",
    "kind",
    "domain",
    "host",
    "identity.scope_id",
    "identity.account_id",
    *(f"ports.{name}" for name in _PORT_NAMES),
    "door.proxy_protocol_from",
    "door.forwarded_for_from",
    "egress.addresses",
)
#: identity, kind and version are facts of the directory: a variable could only contradict them
_OVERRIDABLE: Final = ("domain", "host", *(f"ports.{name}" for name in _PORT_NAMES))
_VARIABLE_PREFIX: Final = "ISTHMUS_"
_DOMAIN_PATTERN: Final = re.compile(
    r"(?=.{1,190}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_HIGHEST_PORT: Final = 65535


class SettingsError(Exception):
    """The settings cannot be used; the text says which, why and what to do."""


def load_settings(directory: Path, variables: Mapping[str, str]) -> EnvironmentSettings:
    """Answer the settings of an environment's directory; raises :class:`SettingsError`.

    ``variables`` is the process's environment: ``ISTHMUS_PORTS_DATA`` stands above ``ports.data``.
    """
    directory = directory.absolute()
    path = EnvironmentLayout(directory).settings
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{directory} is not an environment: {path.name} is missing; make one with 'isthmus init'"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
    try:
        return parse_settings(text, directory, variables)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse_settings(text: str, directory: Path, variables: Mapping[str, str]) -> EnvironmentSettings:
    """Answer the settings of a file's text; pure; raises :class:`SettingsError`."""
    try:
        values = _flattened(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not TOML: {error}") from None
    for key in values:
        if key not in _KEYS:
            raise SettingsError(f"unknown key [{key}]{_did_you_mean(key, _KEYS)}")
    if values.get("version") != FILE_VERSION or values["version"] is True:
        raise SettingsError(f"version must be {FILE_VERSION}, the one this program understands")
    values.update(_overrides(variables))
    settings = EnvironmentSettings(
        directory=directory,
        kind=_kind(values),
        domain=_domain(values),
        scope_id=_matching(values, "identity.scope_id", SCOPE_ID_PATTERN, "ten digits"),
        account_id=_account_id(values),
        host=_host(values),
        ports=_ports(values),
        door=DoorSettings(
            proxy_protocol_from=_networks(values, "door.proxy_protocol_from"),
            forwarded_for_from=_networks(values, "door.forwarded_for_from"),
        ),
        egress_addresses=_networks(values, "egress.addresses"),
    )
    _refuse_contradictions(settings)
    return settings


def render_settings(settings: EnvironmentSettings) -> str:
    """Answer the text of a new file; reading it gives these settings again."""
    ports = "\n".join(f"{name} = {getattr(settings.ports, name)}" for name in _PORT_NAMES)
    account = f'account_id = "{settings.account_id}"\n' if settings.account_id is not None else ""
    return f"""\
# An Isthmus environment. After a change: isthmus check-config, then start isthmus serve again.
# An environment variable stands above each of host, domain and ports, for instance ISTHMUS_PORTS_DATA.
version = {FILE_VERSION}
kind = "{settings.kind.value}"
# Deployments are reached as <cluster id>.<domain>.
domain = "{settings.domain}"
# The IP address to listen on.
host = "{settings.host}"

# 0 picks a free port; the ports in use stand in run/ports.json.
[ports]
{ports}

# Load balancers in front of the door, which tell clients' addresses for traffic filters.
[door]
# Connections from these begin with a PROXY protocol header, version 2 (9243 and 9443; never 9400).
proxy_protocol_from = {_list_text(settings.door.proxy_protocol_from)}
# Requests over TLS of these have the client in X-Forwarded-For (9243).
forwarded_for_from = {_list_text(settings.door.forwarded_for_from)}

# Where connections of this environment to others come from, as others see it: for their filters.
# Everybody may read it at /egress.json of the platform's port.
[egress]
addresses = {_list_text(settings.egress_addresses)}

# Who this environment is. Its certificates and the trust of others hold these: never change them.
[identity]
scope_id = "{settings.scope_id}"
{account}"""


def _list_text(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def variable_of(key: str) -> str:
    """Answer the environment variable that stands above a key."""
    return _VARIABLE_PREFIX + key.replace(".", "_").upper()


def check_domain(domain: str) -> str:
    """Answer the domain in lower case if deployments can have names below it."""
    lowered = domain.lower()
    if not _DOMAIN_PATTERN.fullmatch(lowered) or lowered.rpartition(".")[2].isdigit():
        raise SettingsError(f"domain [{domain}] is not a DNS name, for instance hosted.localhost")
    return lowered


def check_host(host: str) -> str:
    """Answer the address to listen on if it is one."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise SettingsError(f"host [{host}] is not an IP address, for instance 127.0.0.1") from None


def _flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat.update(_flattened(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _overrides(variables: Mapping[str, str]) -> dict[str, Any]:
    key_of = {variable_of(key): key for key in _OVERRIDABLE}
    found: dict[str, Any] = {}
    for variable, value in variables.items():
        key = key_of.get(variable)
        if key is None:
            _refuse_misspelt(variable, tuple(key_of))
            continue
        try:
            found[key] = int(value) if key.startswith("ports.") else value
        except ValueError:
            raise SettingsError(f"environment variable {variable} [{value}] is not a number") from None
    return found


def _refuse_misspelt(variable: str, known: tuple[str, ...]) -> None:
    """Refuse a variable that is one of ours but for a letter or two; others are not our business."""
    if not variable.startswith(_VARIABLE_PREFIX):
        return
    fixed = tuple(variable_of(key) for key in _KEYS if key not in _OVERRIDABLE)
    if variable in fixed:
        raise SettingsError(
            f"environment variable {variable} cannot override what the directory is; unset it"
        )
    hint = _did_you_mean(variable, known)
    if hint or variable.startswith(variable_of("ports.")):
        raise SettingsError(f"unknown environment variable {variable}{hint}")


def _did_you_mean(text: str, known: tuple[str, ...]) -> str:
    matches = difflib.get_close_matches(text, known, n=1, cutoff=0.75)
    if not matches:
        # a right name below the wrong table is the other common slip
        matches = [key for key in known if key.rpartition(".")[2] == text.rpartition(".")[2]][:1]
    return f"; did you mean [{matches[0]}]?" if matches else ""


def _text(values: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = values.get(key, default)
    if value is None:
        raise SettingsError(f"key [{key}] is missing")
    if not isinstance(value, str):
        raise SettingsError(f"[{key}] must be a text in quotation marks")
    return value


def _matching(values: Mapping[str, Any], key: str, pattern: re.Pattern[str], expected: str) -> str:
    value = _text(values, key)
    if not pattern.fullmatch(value):
        raise SettingsError(f"[{key}] must be {expected}, not [{value}]")
    return value


def _kind(values: Mapping[str, Any]) -> EnvironmentKind:
    text = _text(values, "kind")
    try:
        return EnvironmentKind(text)
    except ValueError:
        kinds = tuple(kind.value for kind in EnvironmentKind)
        raise SettingsError(
            f"[kind] must be {' or '.join(kinds)}, not [{text}]{_did_you_mean(text, kinds)}"
        ) from None


def _domain(values: Mapping[str, Any]) -> str:
    return check_domain(_text(values, "domain"))


def _host(values: Mapping[str, Any]) -> str:
    return check_host(_text(values, "host", "127.0.0.1"))


def _account_id(values: Mapping[str, Any]) -> str | None:
    if "identity.account_id" not in values:
        return None
    return _matching(values, "identity.account_id", HEX_ID_PATTERN, "32 hexadecimal digits")


def _ports(values: Mapping[str, Any]) -> Ports:
    numbers: dict[str, int] = {}
    for name in _PORT_NAMES:
        number = values.get(f"ports.{name}", getattr(Ports(), name))
        if type(number) is not int or not 0 <= number <= _HIGHEST_PORT:
            raise SettingsError(f"[ports.{name}] must be a number from 0 to {_HIGHEST_PORT}, not [{number}]")
        numbers[name] = number
    return Ports(**numbers)


def _networks(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    listed = values.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise SettingsError(f'[{key}] must be a list of texts, for instance ["192.0.2.1", "10.0.0.0/8"]')
    for text in listed:
        try:
            parse_network(text)
        except AddressError as error:
            raise SettingsError(f"[{key}] {error}") from None
    return tuple(listed)


def _refuse_contradictions(settings: EnvironmentSettings) -> None:
    if settings.kind is EnvironmentKind.HOSTED and settings.account_id is None:
        raise SettingsError("a hosted environment needs [identity.account_id]; restore the one from init")
    if settings.kind is EnvironmentKind.ENTERPRISE and settings.account_id is not None:
        raise SettingsError(
            "an enterprise environment has no [identity.account_id]; remove it, or mend [kind]"
        )
    name_of_port: dict[int, str] = {}
    for name in _PORT_NAMES:
        number = getattr(settings.ports, name)
        if number and number in name_of_port:
            raise SettingsError(
                f"[ports.{name_of_port[number]}] and [ports.{name}] are both {number}; change one"
            )
        name_of_port[number] = name

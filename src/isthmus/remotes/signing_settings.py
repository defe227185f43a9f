"""Settings of signed requests: which files sign, and whose signatures are believed. Pure.

``cluster.remote.<alias>.signing.certificate`` and ``.key`` belong to the alias and are read with it;
here is what a value may be, and the settings for the receiving side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument
from isthmus.remotes.flat_settings import FlatSettings, SettingValue
from isthmus.remotes.setting_values import read_boolean

AUTHORITIES: Final = "cluster.remote.signing.certificate_authorities"
DIAGNOSE: Final = "cluster.remote.signing.diagnose.trust"
_MAXIMUM_NAME_CHARACTERS: Final = 255
_MAXIMUM_FILES: Final = 50


@dataclass(frozen=True, slots=True)
class SigningFiles:
    """The names of the PEM files whose key signs the requests to one alias."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class SignatureTrust:
    """Whose signatures are believed. ``authorities`` None: nothing is configured."""

    authorities: tuple[str, ...] | None = None
    diagnose: bool = True


def read_file_name(key: str, value: SettingValue) -> str:
    """Read a name such as ``node.crt`` or ``mine/signing.crt``, below the folder of such files."""
    if isinstance(value, tuple):
        shown = ", ".join(value)[:200]
        raise illegal_argument(f"Failed to parse value [{shown}] for setting [{key}] must not be a list")
    parts = value.split("/")
    usable = value.isprintable() and "\\" not in value and len(value) <= _MAXIMUM_NAME_CHARACTERS
    if not usable or any(part in ("", ".", "..") for part in parts):
        raise illegal_argument(
            f"Failed to parse value [{value[:200]}] for setting [{key}] must be the name of a file below the"
            " deployment's folder [signing], or [node.crt], [node.key], [internal_tls_ca.crt]"
        )
    return value


def read_file_names(key: str, value: SettingValue) -> tuple[str, ...]:
    """Read a list of names, or one text with commas."""
    names = value if isinstance(value, tuple) else tuple(part.strip() for part in value.split(","))
    if len(names) > _MAXIMUM_FILES:
        raise illegal_argument(f"setting [{key}] may name at most [{_MAXIMUM_FILES}] files")
    return tuple(read_file_name(key, name) for name in names if name)


#: the settings that belong to no alias, each with its reader
SIGNATURE_TRUST_SETTINGS: Final[Mapping[str, Callable[[str, SettingValue], Any]]] = {
    AUTHORITIES: read_file_names,
    DIAGNOSE: read_boolean,
}


def signature_trust_of(settings: FlatSettings) -> SignatureTrust:
    """Answer what the effective settings say of whom to believe."""
    authorities = settings.get(AUTHORITIES)
    names = () if authorities is None else read_file_names(AUTHORITIES, authorities)
    diagnose = settings.get(DIAGNOSE)
    return SignatureTrust(names or None, diagnose is None or read_boolean(DIAGNOSE, diagnose))


def signing_files_or_none(prefix: str, certificate: str | None, key: str | None) -> SigningFiles | None:
    """Answer an alias's files; raises a 400 failure where one of the two is missing."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        present, missing = ("certificate", "key") if key is None else ("key", "certificate")
        raise illegal_argument(
            f"setting [{prefix}signing.{present}] needs [{prefix}signing.{missing}] beside it: set both or"
            " neither"
        )
    return SigningFiles(certificate, key)


def unsupported_store(key: str, kind: str) -> Failure:
    """Answer the failure for Elasticsearch's settings of Java key stores."""
    return illegal_argument(
        f"{kind} setting [{key[:500]}], not supported: give PEM files with"
        " [cluster.remote.<alias>.signing.certificate] and [cluster.remote.<alias>.signing.key] on the side"
        f" that signs, and with [{AUTHORITIES}] on the side that verifies"
    )

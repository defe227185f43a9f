"""Media types as Elasticsearch reads them: ``Content-Type`` and ``Accept``, and what to answer in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from isthmus.errors import Failure, FailureKind
from isthmus.settings import COMPATIBLE_VERSION

JSON: Final = "application/json"
NEWLINE_DELIMITED_JSON: Final = "application/x-ndjson"
_VENDOR_PREFIX: Final = "application/vnd.elasticsearch+"
_FORMATS: Final = {
    JSON: "json",
    NEWLINE_DELIMITED_JSON: "x-ndjson",
    _VENDOR_PREFIX + "json": "json",
    _VENDOR_PREFIX + "x-ndjson": "x-ndjson",
}
#: formats that Elasticsearch answers in and Isthmus does not
_UNSUPPORTED_ANSWERS: Final = frozenset({"yaml", "cbor", "smile", "vnd.elasticsearch+cbor"})
_CURRENT_MAJOR: Final = int(COMPATIBLE_VERSION.split(".", maxsplit=1)[0])
COMPATIBLE_MAJORS: Final = (_CURRENT_MAJOR, _CURRENT_MAJOR - 1)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type that is understood: ``json`` or ``x-ndjson``, and the version asked for, if any."""

    format: str
    compatible_with: int | None = None


@lru_cache(maxsize=256)
def parse_content_type(header: str) -> MediaType | None:
    """Answer what the body is, None where it is nothing that is supported.

    Raises a 400 failure for a vendor type of a version that is not served.
    """
    essence, parameters = _parsed(header)
    name = _FORMATS.get(essence)
    if name is None:
        return None
    return MediaType(name, _compatible_version(essence, parameters, "Content-Type", header))


@lru_cache(maxsize=256)
def response_content_type(accept: str) -> str:
    """Answer the content type of a JSON answer for this ``Accept`` header.

    A list and a type that means no format of Elasticsearch's (``text/html``) get JSON, as there.
    Raises 406 for a format that Elasticsearch has and Isthmus has not, 400 for a version.
    """
    if "," in accept:
        return JSON
    essence, parameters = _parsed(accept)
    subtype = essence.removeprefix("application/").removeprefix("vnd.elasticsearch+")
    if subtype in _UNSUPPORTED_ANSWERS and essence.startswith("application/"):
        raise Failure(
            FailureKind.NOT_ACCEPTABLE,
            "media_type_header_exception",
            f"answers in [{essence}] are not supported, only in [{JSON}]",
        )
    if not essence.startswith(_VENDOR_PREFIX):
        return JSON
    if essence not in _FORMATS:
        return JSON
    version = _compatible_version(essence, parameters, "Accept", accept)
    return f"{_VENDOR_PREFIX}json;compatible-with={version}"


def _parsed(header: str) -> tuple[str, dict[str, str]]:
    essence, *parameters = header.split(";")
    parsed = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        parsed[name.strip().lower()] = value.strip()
    return essence.strip().lower(), parsed


def _compatible_version(essence: str, parameters: dict[str, str], name: str, header: str) -> int | None:
    if not essence.startswith(_VENDOR_PREFIX):
        return None
    text = parameters.get("compatible-with", str(_CURRENT_MAJOR))
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) in COMPATIBLE_MAJORS:  # noqa: PLR2004 - a version
        return int(text)
    wanted, older = COMPATIBLE_MAJORS
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "media_type_header_exception",
        f"Invalid media-type value on headers [{name}]",
        caused_by=Failure(
            FailureKind.INVALID_REQUEST,
            "status_exception",
            f"{name} version must be either version {wanted} or {older}, but found {text[:20]}. "
            f"{name}={header[:200]}",
        ),
    )

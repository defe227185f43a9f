"""The failures of one document, worded and located as Elasticsearch does."""

from __future__ import annotations

import re
from typing import Final

import orjson

from isthmus.engines.embedded.field_types_values import show_value
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Json

_PREVIEW_CHARACTERS: Final = 128


def document_failure(source: bytes, path: str | None, reason: str, cause: Failure | None = None) -> Failure:
    """Answer a ``document_parsing_exception`` located at the value of ``path`` (None: the start)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "document_parsing_exception",
        f"[{_location(source, path)}] {reason}",
        caused_by=cause,
    )


def value_failure(
    source: bytes, field: FieldMapping, document_id: str, value: Json, cause: Failure
) -> Failure:
    """Answer the failure for a value that its field cannot hold."""
    preview = show_value(value)
    if len(preview) > _PREVIEW_CHARACTERS:
        preview = f"{preview[:_PREVIEW_CHARACTERS]}..."
    return document_failure(
        source,
        field.parent or field.path,
        f"failed to parse field [{field.path}] of type [{field.type}] in document with id '{document_id}'. "
        f"Preview of field's value: '{preview}'",
        cause,
    )


def strict_failure(source: bytes, path: str, parent: str) -> Failure:
    """Answer the failure for a field that is not mapped where the mapping is strict."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "strict_dynamic_mapping_exception",
        f"[{_location(source, path)}] mapping set to strict, dynamic introduction of "
        f"[{path.rpartition('.')[2]}] within [{parent}] is not allowed",
    )


def malformed_document(source: bytes, error: orjson.JSONDecodeError) -> Failure:
    """Answer the failure for a document that is not JSON."""
    if not source.strip():
        return document_failure(source, None, "failed to parse, document is empty")
    location = f"{error.lineno}:{error.colno}"
    cause = Failure(FailureKind.INVALID_REQUEST, "x_content_parse_exception", f"[{location}] {error.msg}")
    return Failure(
        FailureKind.INVALID_REQUEST,
        "document_parsing_exception",
        f"[{location}] failed to parse: {error.msg}",
        caused_by=cause,
    )


def _location(source: bytes, path: str | None) -> str:
    """Answer ``line:column`` of the value of a path: where its name is first met in the text."""
    text = source.decode("utf-8", "replace")
    position = 0
    if path is not None:
        for part in path.split("."):
            name = orjson.dumps(part).decode()[1:-1]
            found = re.compile(rf'(?:"|\.){re.escape(name)}(?:"\s*:\s*|(?=\.))').search(text, position)
            if found is None:
                break
            position = found.end()
    line = text.count("\n", 0, position) + 1
    return f"{line}:{position - (text.rfind(chr(10), 0, position) + 1) + 1}"

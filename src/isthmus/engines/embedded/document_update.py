"""The body of an update applied to a document. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from isthmus.engines.embedded.document_depth import DEEPEST, is_too_deep
from isthmus.engines.embedded.document_failures import document_failure
from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import Json, JsonObject

_KNOWN: Final = frozenset({"doc", "doc_as_upsert", "upsert", "detect_noop"})
_SCRIPTED: Final = frozenset({"script", "scripted_upsert"})


@dataclass(frozen=True, slots=True)
class UpdateBody:
    """What an update asks for. ``doc`` is merged in; ``upsert`` is what a missing document becomes."""

    doc: JsonObject | None
    upsert: JsonObject | None
    doc_as_upsert: bool
    detect_noop: bool

    def initial_document(self) -> bytes | None:
        """Answer the document to make where there is none, or None when there is none to make."""
        if self.doc_as_upsert:
            return orjson.dumps(self.doc)
        return None if self.upsert is None else orjson.dumps(self.upsert)

    def applied_to(self, source: bytes) -> bytes | None:
        """Answer the changed document, or None when nothing changes and that is to be detected."""
        before = orjson.loads(source)
        if is_too_deep(before):
            raise illegal_argument(
                f"a document of more than {DEEPEST} levels cannot be updated, only replaced"
            )
        after = _merged(before, self.doc or {})
        if self.detect_noop and _same(before, after):
            return None
        return orjson.dumps(after)


def parse_update(body: bytes) -> UpdateBody:
    """Read an update's body; raise a 400 that names what is unknown, missing or unsupported."""
    try:
        json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "x_content_parse_exception",
            f"[{error.lineno}:{error.colno}] [UpdateRequest] failed to parse: {error.msg}",
        ) from error
    if not isinstance(json, dict):
        raise document_failure(body, None, "Malformed content, must start with an object")
    if is_too_deep(json):
        raise illegal_argument(f"an update of more than {DEEPEST} levels is not supported")
    for key in json:
        if key in _SCRIPTED:
            raise illegal_argument(f"[{key}] in an update is not supported by the embedded engine")
        if key not in _KNOWN:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "x_content_parse_exception",
                f"[1:2] [UpdateRequest] unknown field [{key}]",
            )
    update = UpdateBody(
        _document(json, "doc"),
        _document(json, "upsert"),
        _boolean(json, "doc_as_upsert", default=False),
        _boolean(json, "detect_noop", default=True),
    )
    if update.doc is None:
        if update.doc_as_upsert:
            raise validation_failure("doc must be specified if doc_as_upsert is enabled")
        raise validation_failure("script or doc is missing")
    return update


def _document(json: JsonObject, key: str) -> JsonObject | None:
    value = json.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "x_content_parse_exception",
        f"[1:2] [UpdateRequest] [{key}] must be an object",
    )


def _boolean(json: JsonObject, key: str, *, default: bool) -> bool:
    value = json.get(key, default)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "x_content_parse_exception",
        f"[1:2] [UpdateRequest] failed to parse field [{key}]",
    )


def _merged(before: JsonObject, change: JsonObject) -> JsonObject:
    after = dict(before)
    for key, value in change.items():
        held = after.get(key)
        after[key] = _merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return after


def _same(left: Json, right: Json) -> bool:
    # as JSON: 1, 1.0 and true are equal to Python but not to a reader of the document
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)

"""The body of an update: what of it an engine is given, and what is refused by name."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.rest.elasticsearch.call import did_you_mean
from isthmus.rest.elasticsearch.documents_source import SourceFilter, source_filter_of_json
from isthmus.rest.http import json_text

_ENGINE_MEMBERS: Final = ("doc", "doc_as_upsert", "upsert", "detect_noop")
_FLAGS: Final = ("doc_as_upsert", "detect_noop")


def parse_update(body: Any) -> tuple[bytes, SourceFilter | None]:
    """Answer an engine's part of an update's body, and the source that is wanted back, if any.

    Raises a 400 failure for scripts, for members that are unknown, and where ``doc`` is missing.
    """
    if not isinstance(body, dict):
        raise _refused("[UpdateRequest] expected an object")
    for name in body:
        if name in {"script", "scripted_upsert"}:
            raise illegal_argument(f"[{name}] is not supported: updates take [doc]")
        if name != "_source" and name not in _ENGINE_MEMBERS:
            near = did_you_mean(str(name), (*_ENGINE_MEMBERS, "_source"))
            suggestion = f" did you mean [{near[0]}]?" if len(near) == 1 else ""
            raise _refused(f"[UpdateRequest] unknown field [{str(name)[:100]}]{suggestion}")
    _require_documents(body)
    wanted = source_filter_of_json(body["_source"]) if "_source" in body else None
    return json_text({name: body[name] for name in _ENGINE_MEMBERS if name in body}), wanted


def _require_documents(body: dict[str, Any]) -> None:
    if body.get("doc") is None:
        problems = ["script or doc is missing"]
        if body.get("doc_as_upsert"):
            problems.append("doc must be specified if doc_as_upsert is enabled")
        raise validation_failure(*problems)
    for name in ("doc", "upsert"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise _refused(f"[UpdateRequest] {name} doesn't support values of this type, only an object")
    for name in _FLAGS:
        if name in body and not isinstance(body[name], bool):
            raise _refused(f"[UpdateRequest] {name} must be true or false")


def _refused(reason: str) -> Failure:
    return Failure(FailureKind.INVALID_REQUEST, "x_content_parse_exception", reason)

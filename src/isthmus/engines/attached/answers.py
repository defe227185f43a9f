"""What an engine answers, read: bodies with documents kept as the text they are, and failures.

An engine is trusted with the data and not with our stability: an answer of another shape is one failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
import orjson

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport, Json, JsonObject
from isthmus.remotes.failure_reports import report_of

Shape = TypeVar("Shape")

#: the causes of a failure that are told: an engine may nest what it likes
_MOST_CAUSES: Final = 10
_REASON_CHARACTERS: Final = 2_000

_KIND_OF_STATUS: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.INVALID_REQUEST,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.METHOD_NOT_ALLOWED,
    406: FailureKind.NOT_ACCEPTABLE,
    408: FailureKind.TIMED_OUT,
    409: FailureKind.CONFLICT,
    413: FailureKind.TOO_LARGE,
    415: FailureKind.UNSUPPORTED_MEDIA_TYPE,
    429: FailureKind.TOO_MANY_REQUESTS,
    500: FailureKind.INTERNAL,
    503: FailureKind.UNAVAILABLE,
    504: FailureKind.TIMED_OUT,
}
#: what OpenSearch calls differently -> Elasticsearch's word
_TYPES: Final[Mapping[str, str]] = {
    "open_search_parse_exception": "parse_exception",
    "open_search_rejected_execution_exception": "es_rejected_execution_exception",
    "rejected_execution_exception": "es_rejected_execution_exception",
    "open_search_timeout_exception": "timeout_exception",
    "open_search_status_exception": "status_exception",
    "open_search_exception": "exception",
    "open_search_generation_exception": "exception",
    "open_search_security_exception": "security_exception",
    "cluster_manager_not_discovered_exception": "master_not_discovered_exception",
    "not_cluster_manager_exception": "not_master_exception",
}
#: types of failures that are those of one shard -> what kind of failure they are
_KIND_OF_TYPE: Final[Mapping[str, FailureKind]] = {
    "query_shard_exception": FailureKind.INVALID_REQUEST,
    "illegal_argument_exception": FailureKind.INVALID_REQUEST,
    "parsing_exception": FailureKind.INVALID_REQUEST,
    "parse_exception": FailureKind.INVALID_REQUEST,
    "x_content_parse_exception": FailureKind.INVALID_REQUEST,
    "number_format_exception": FailureKind.INVALID_REQUEST,
    "aggregation_execution_exception": FailureKind.INVALID_REQUEST,
    "too_many_buckets_exception": FailureKind.UNAVAILABLE,
    "es_rejected_execution_exception": FailureKind.TOO_MANY_REQUESTS,
    "circuit_breaking_exception": FailureKind.TOO_MANY_REQUESTS,
    "no_shard_available_action_exception": FailureKind.UNAVAILABLE,
    "index_not_found_exception": FailureKind.NOT_FOUND,
    "search_context_missing_exception": FailureKind.NOT_FOUND,
}


def read_answer(body: bytes, shape: type[Shape]) -> Shape:
    """Read a body. Raises a failure for one that is not of this shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise not_understood(str(problem)) from problem


def read_object(body: bytes) -> JsonObject:
    """Read a body that is a JSON object. Raises a failure for anything else."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise not_understood("no JSON") from problem
    if not isinstance(answer, dict):
        raise not_understood("no object")
    return answer


def not_understood(note: str) -> Failure:
    """Answer the failure for an answer of an engine that is of no form known here."""
    return Failure(
        FailureKind.UNAVAILABLE,
        "engine_exception",
        "the attached engine answered something that is not understood",
        fault=Fault.HERE,
        log_note=note[:200],
    )


def failure_of_answer(status: int, body: bytes) -> Failure:
    """Answer the failure that an answer with an error status tells of, in Elasticsearch's words.

    An engine that refuses *our* credentials is unavailable: callers have others.
    """
    try:
        answer: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if status in (401, 403) and not _is_block(error):
        return Failure(
            FailureKind.UNAVAILABLE,
            "engine_exception",
            f"the attached engine refuses what this deployment may do there (status {status})",
            fault=Fault.HERE,
            log_note=str(error)[:500],
        )
    kind = kind_of_status(status)
    if isinstance(error, dict):
        return failure_of_object(error, kind)
    reason = error if isinstance(error, str) else f"the attached engine answered with status {status}"
    return Failure(kind, "engine_exception", reason[:_REASON_CHARACTERS])


def _is_block(error: Json) -> bool:
    """Tell whether the engine refuses because of a block: an index that is read-only, for instance."""
    return isinstance(error, dict) and error.get("type") == "cluster_block_exception"


def kind_of_status(status: int) -> FailureKind:
    """Answer what kind of failure a status tells of."""
    if status == 403:  # noqa: PLR2004 - blocks of indices have it
        return FailureKind.FORBIDDEN
    default = FailureKind.INVALID_REQUEST if 400 <= status < 500 else FailureKind.INTERNAL  # noqa: PLR2004
    return _KIND_OF_STATUS.get(status, default)


def failure_of_object(error: JsonObject, kind: FailureKind, depth: int = 0) -> Failure:
    """Answer the failure that ``{"type", "reason", …}`` tells of."""
    cause = error.get("caused_by") or _first_cause(error.get("failed_shards"))
    known = ("type", "reason", "caused_by", "root_cause", "stack_trace", "suppressed")
    return Failure(
        kind,
        type_of(error.get("type")),
        str(error.get("reason"))[:_REASON_CHARACTERS],
        metadata={name: value for name, value in error.items() if name not in known and _is_plain(value)},
        caused_by=failure_of_object(cause, kind, depth + 1)
        if isinstance(cause, dict) and depth < _MOST_CAUSES
        else None,
    )


def _first_cause(failed_shards: Json) -> Json:
    """Answer why the first shard failed: an engine does not always say it as the cause."""
    first = failed_shards[0] if isinstance(failed_shards, list) and failed_shards else None
    return first.get("reason") if isinstance(first, dict) else None


def type_of(given: Json) -> str:
    """Answer Elasticsearch's name of a type of failure."""
    if not isinstance(given, str):
        return "engine_exception"
    if given.startswith("opensearch_"):
        given = given.removeprefix("opensearch_")
    return _TYPES.get(given, given)[:200]


def kind_of_type(error_type: str, default: FailureKind = FailureKind.INTERNAL) -> FailureKind:
    """Answer what kind of failure one of this type is, where no status tells."""
    return _KIND_OF_TYPE.get(error_type, default)


def report_of_object(
    error: Json, index: str | None, default: FailureKind = FailureKind.INTERNAL
) -> FailureReport:
    """Answer the failure of one shard or document, as data."""
    if not isinstance(error, dict):
        return FailureReport(
            kind=default.name, error_type="engine_exception", reason=str(error)[:500], index=index
        )
    kind = kind_of_type(type_of(error.get("type")), default)
    return report_of(failure_of_object(error, kind), index)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)

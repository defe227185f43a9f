"""Writes as an engine's bulk requests, and what it answers as outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import orjson

from isthmus.engines.attached.answers import kind_of_status, not_understood, read_answer, report_of_object
from isthmus.errors import FailureKind
from isthmus.exchange import JsonObject, WriteKind, WriteOperation, WriteOutcome

_LINE_END: Final = b"\n"
_FAILED: Final = 300
#: what Elasticsearch calls the failures of documents since version 8.9
_TYPES: Final = {"mapper_parsing_exception": "document_parsing_exception"}


class _Answer(msgspec.Struct):
    items: list[dict[str, dict[str, Any]]]
    errors: bool = False


def bulk_lines(operations: Sequence[WriteOperation]) -> bytes:
    """Answer the body of a bulk request to one index."""
    return b"".join(_lines(operations))


def _lines(operations: Sequence[WriteOperation]) -> Iterator[bytes]:
    for operation in operations:
        yield orjson.dumps({operation.kind.value: _action(operation)})
        yield _LINE_END
        if operation.kind is not WriteKind.DELETE:
            yield _one_line(operation.source)
            yield _LINE_END


def _action(operation: WriteOperation) -> JsonObject:
    action: JsonObject = {}
    if operation.id is not None:
        action["_id"] = operation.id
    if operation.if_seq_no is not None:
        action["if_seq_no"] = operation.if_seq_no
    if operation.if_primary_term is not None:
        action["if_primary_term"] = operation.if_primary_term
    if operation.version is not None:
        action["version"] = operation.version
        action["version_type"] = operation.version_type
    return action


def _one_line(source: bytes) -> bytes:
    """Answer a document on one line: a line break can stand between its members only."""
    if b"\n" in source or b"\r" in source:
        return source.replace(b"\r", b" ").replace(b"\n", b" ")
    return source


def read_outcomes(body: bytes, operations: Sequence[WriteOperation], index: str) -> list[WriteOutcome]:
    """Answer one outcome for each operation. Raises a failure for an answer that is not understood."""
    answer = read_answer(body, _Answer)
    if len(answer.items) != len(operations):
        raise not_understood("another number of outcomes than of operations")
    outcomes = []
    for operation, item in zip(operations, answer.items, strict=True):
        if len(item) != 1:
            raise not_understood("an outcome of several operations")
        ((_, outcome),) = item.items()
        outcomes.append(_outcome(operation, outcome, index))
    return outcomes


def _outcome(operation: WriteOperation, item: JsonObject, index: str) -> WriteOutcome:
    identity = str(item.get("_id", operation.id or ""))
    status = item.get("status", 200)
    if "error" in item or (isinstance(status, int) and status >= _FAILED and "result" not in item):
        kind = kind_of_status(status) if isinstance(status, int) else FailureKind.INTERNAL
        report = report_of_object(item.get("error"), index, kind)
        error_type = _TYPES.get(report.error_type, report.error_type)
        failure = msgspec.structs.replace(report, kind=kind.name, error_type=error_type)
        return WriteOutcome(id=identity, failure=failure)
    try:
        return WriteOutcome(
            id=identity,
            result=str(item["result"]),
            version=int(item.get("_version", -1)),
            seq_no=int(item.get("_seq_no", -2)),
            primary_term=int(item.get("_primary_term", 0)),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise not_understood(repr(problem)) from problem

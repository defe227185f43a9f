"""The lines of a bulk request to its items. Pure: no engine, no permission.

The body is newline-delimited JSON: a line that says what to do, and after all but ``delete`` a line
with the document. What is wrong with a line's form fails the whole request, before anything is
written; what is wrong with one item is that item's failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import WriteKind
from isthmus.rest.elasticsearch.documents_operation import Concurrency, concurrency_of, problems_of

_KINDS: Final = {kind.value: kind for kind in WriteKind}
_SIMPLE_MEMBERS: Final = frozenset(
    {
        "_index",
        "_id",
        "routing",
        "op_type",
        "version",
        "version_type",
        "if_seq_no",
        "if_primary_term",
        "retry_on_conflict",
        "pipeline",
        "require_alias",
        "require_data_stream",
        "list_executed_pipelines",
    }
)
_CONDITION_MEMBERS: Final = frozenset({"version", "version_type", "if_seq_no", "if_primary_term"})
_NO_CONDITION: Final = Concurrency()


@dataclass(frozen=True, slots=True)
class BulkDefaults:
    """What the path and the query string say for items that do not say it themselves."""

    index: str | None = None
    require_alias: bool = False
    pipeline: str | None = None


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One item. ``source`` is the document's line, for an update its body.

    ``failure`` spoils this item and no other. ``wanted_source`` is the member ``_source`` of an
    update's action line.
    """

    kind: WriteKind
    index: str
    id: str | None
    source: bytes = b""
    condition: Concurrency = _NO_CONDITION
    require_alias: bool = False
    pipeline: str | None = None
    failure: Failure | None = None
    wanted_source: Any = None


def parse_bulk(body: bytes, defaults: BulkDefaults) -> list[BulkItem]:
    """Answer the items in their order; raises a 400 failure that says which line is wrong."""
    if not body:
        raise Failure(FailureKind.INVALID_REQUEST, "parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise illegal_argument("The bulk request must be terminated by a newline [\\n]")
    items: list[BulkItem] = []
    problems: list[str] = []
    lines = body.split(b"\n")
    lines.pop()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        kind, members = _action(line, number)
        source = b""
        if kind is not WriteKind.DELETE:
            if number >= len(lines):
                raise illegal_argument(
                    f"Malformed bulk request: action/metadata line [{number}] has no source line"
                )
            source = lines[number]
            number += 1
        item = _item(kind, members, source, defaults)
        problems.extend(_problems(item))
        items.append(item)
    if problems:
        raise validation_failure(*problems)
    if not items:
        raise validation_failure("no requests added")
    return items


def _action(line: bytes, number: int) -> tuple[WriteKind, dict[str, Any]]:
    """Answer what an action line says to do and its members, all of them checked."""
    try:
        action = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "x_content_parse_exception",
            f"Malformed action/metadata line [{number}]: [1:{error.colno}] {error.msg}",
        ) from None
    if not isinstance(action, dict):
        raise _malformed(number, f"expected START_OBJECT but found [{_token(action)}]")
    if not action:
        raise _malformed(number, "expected FIELD_NAME but found [END_OBJECT]")
    name, members = next(iter(action.items()))
    kind = _KINDS.get(name)
    if kind is None:
        raise _malformed(
            number, f"expected field [create], [delete], [index] or [update] but found [{name[:100]}]"
        )
    if members is None:
        members = {}
    if not isinstance(members, dict):
        raise _malformed(number, f"expected START_OBJECT but found [{_token(members)}]")
    if len(action) > 1:
        raise _malformed(number, "expected END_OBJECT but found [FIELD_NAME]")
    for member, value in members.items():
        _require_known_member(member, value, kind, number)
    op_type = members.get("op_type")
    if op_type is not None and kind is WriteKind.INDEX:
        kind = _kind_of_op_type(op_type, number)
    return kind, members


def _require_known_member(member: str, value: Any, kind: WriteKind, number: int) -> None:
    if member in _SIMPLE_MEMBERS:
        if isinstance(value, dict | list):
            raise _malformed(
                number, f"expected a simple value for field [{member}] but found [{_token(value)}]"
            )
        return
    if member == "_source" and kind is WriteKind.UPDATE:
        return
    if member == "dynamic_templates":
        raise illegal_argument(f"Action/metadata line [{number}]: [dynamic_templates] is not supported")
    raise illegal_argument(f"Action/metadata line [{number}] contains an unknown parameter [{member[:100]}]")


def _kind_of_op_type(op_type: Any, number: int) -> WriteKind:
    if op_type == "create":
        return WriteKind.CREATE
    if op_type == "index":
        return WriteKind.INDEX
    raise illegal_argument(
        f"Action/metadata line [{number}]: opType must be 'create' or 'index', found: [{str(op_type)[:100]}]"
    )


def _item(kind: WriteKind, members: Mapping[str, Any], source: bytes, defaults: BulkDefaults) -> BulkItem:
    index = members.get("_index")
    document_id = members.get("_id")
    condition = _NO_CONDITION
    failure = None
    if not _CONDITION_MEMBERS.isdisjoint(members):
        condition = concurrency_of(members)
    if document_id is not None:
        document_id = _text(document_id)
        if not document_id and kind in {WriteKind.INDEX, WriteKind.CREATE}:
            failure = illegal_argument("if _id is specified it must not be empty")
    require_alias = members.get("require_alias")
    pipeline = members.get("pipeline", defaults.pipeline)
    return BulkItem(
        kind=kind,
        index=defaults.index or "" if index is None else _text(index),
        id=document_id,
        source=source.removesuffix(b"\r"),
        condition=condition,
        require_alias=defaults.require_alias if require_alias is None else require_alias in {True, "true"},
        pipeline=None if pipeline is None else _text(pipeline),
        failure=failure,
        wanted_source=members.get("_source"),
    )


def _problems(item: BulkItem) -> Iterator[str]:
    if not item.index:
        yield "index is missing"
    missing_id = item.id == "" and item.kind in {WriteKind.UPDATE, WriteKind.DELETE}
    yield from problems_of(item.kind, None if missing_id else item.id, item.condition)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _token(value: Any) -> str:
    """Answer what Elasticsearch's parser calls the first token of a value."""
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, str):
        return "VALUE_STRING"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    return "VALUE_NULL" if value is None else "VALUE_NUMBER"


def _malformed(number: int, problem: str) -> Failure:
    return illegal_argument(f"Malformed action/metadata line [{number}], {problem}")

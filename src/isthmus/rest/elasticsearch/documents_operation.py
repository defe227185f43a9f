"""One write as a caller words it, checked as Elasticsearch checks it before anything happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import WriteKind, WriteOperation

LONGEST_ID_BYTES: Final = 512
_VERSION_TYPES: Final = ("internal", "external", "external_gte")
_LARGEST_LONG: Final = 2**63 - 1

#: the index action that the caller must be allowed, by what the write does
ACTION_OF_KIND: Final = {
    WriteKind.INDEX: "indices:data/write/index:op_type/index",
    WriteKind.CREATE: "indices:data/write/index:op_type/create",
    WriteKind.UPDATE: "indices:data/write/update",
    WriteKind.DELETE: "indices:data/write/delete",
}


@dataclass(frozen=True, slots=True)
class Concurrency:
    """On which condition a write may happen: compare-and-set numbers, or a version of the caller's."""

    if_seq_no: int | None = None
    if_primary_term: int | None = None
    version: int | None = None
    version_type: str = "internal"


def concurrency_of(members: Mapping[str, Any]) -> Concurrency:
    """Read the conditions from a query string or from a line of a bulk request; raises 400."""
    version_type = str(members.get("version_type", "internal"))
    if version_type not in _VERSION_TYPES:
        raise illegal_argument(f"No version type match [{version_type[:100]}]")
    if_seq_no = _long_or_none(members, "if_seq_no")
    if if_seq_no is not None and if_seq_no < 0:
        raise illegal_argument(f"sequence numbers must be non negative. got [{if_seq_no}].")
    if_primary_term = _long_or_none(members, "if_primary_term")
    if if_primary_term is not None and if_primary_term < 0:
        raise illegal_argument(f"primary term must be non negative. got [{if_primary_term}]")
    return Concurrency(if_seq_no, if_primary_term, _long_or_none(members, "version"), version_type)


def _long_or_none(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    if value is None:
        return None
    text = str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and abs(int(text)) <= _LARGEST_LONG):  # noqa: PLR2004 - digits of a long
        raise illegal_argument(f"Failed to parse long parameter [{name}] with value [{text[:100]}]")
    return int(text)


def problems_of(kind: WriteKind, document_id: str | None, condition: Concurrency) -> Iterator[str]:
    """Yield what is contradictory about a write, in Elasticsearch's words and order."""
    external = condition.version_type != "internal"
    compares = condition.if_seq_no is not None or condition.if_primary_term is not None
    if kind is WriteKind.CREATE:
        if external:
            yield "create operations only support internal versioning. use index instead"
        if condition.version is not None and not external:
            yield "create operations do not support explicit versions. use index instead"
        if compares:
            yield "create operations do not support compare and set. use index instead"
    if document_id is None:
        if kind in {WriteKind.UPDATE, WriteKind.DELETE}:
            yield "id is missing"
        elif external or condition.version is not None:
            yield "an id must be provided if version type or value are set"
    if external and (condition.version is None or condition.version < 0):
        shown = -3 if condition.version is None else condition.version
        yield f"illegal version value [{shown}] for version type [{condition.version_type.upper()}]"
    yield from _comparing_problems(kind, condition, external=external)
    if document_id is not None and len(document_id.encode()) > LONGEST_ID_BYTES:
        yield (
            f"id [{document_id[:LONGEST_ID_BYTES]}] is too long, must be no longer than {LONGEST_ID_BYTES} "
            f"bytes but was: {len(document_id.encode())}"
        )


def _comparing_problems(kind: WriteKind, condition: Concurrency, *, external: bool) -> Iterator[str]:
    if condition.version is not None and not external and kind is not WriteKind.CREATE:
        yield (
            "internal versioning can not be used for optimistic concurrency control. "
            "Please use `if_seq_no` and `if_primary_term` instead"
        )
    if condition.if_seq_no is not None and (external or condition.version is not None):
        yield "compare and write operations can not use versioning"
    if condition.if_seq_no is not None and not condition.if_primary_term:
        yield "ifSeqNo is set, but primary term is [0]"
    if condition.if_primary_term and condition.if_seq_no is None:
        yield f"ifSeqNo is unassigned, but primary term is [{condition.if_primary_term}]"


def write_operation(
    kind: WriteKind, document_id: str | None, source: bytes, condition: Concurrency
) -> WriteOperation:
    """Answer the operation for an engine; its problems must have been asked for before."""
    return WriteOperation(
        kind=kind,
        id=document_id,
        source=source,
        if_seq_no=condition.if_seq_no,
        if_primary_term=condition.if_primary_term,
        version=condition.version,
        version_type=condition.version_type,
    )

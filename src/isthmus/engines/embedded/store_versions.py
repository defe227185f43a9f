"""Versions and conflicts: may this write happen, and which version does it make. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.engines.embedded.store_records import MAXIMUM_ID_BYTES, Current
from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import WriteKind, WriteOperation

_HIGHEST_VERSION: Final = (1 << 63) - 1
_EXTERNAL: Final = frozenset({"external", "external_gte"})
_NO_INTERNAL_VERSIONS: Final = (
    "internal versioning can not be used for optimistic concurrency control. "
    "Please use `if_seq_no` and `if_primary_term` instead"
)


def check_operation(operation: WriteOperation) -> None:
    """Raise a 400 for an operation that contradicts itself, whatever is stored."""
    document_id = operation.id
    if document_id is None:
        if operation.kind not in {WriteKind.INDEX, WriteKind.CREATE}:
            raise validation_failure("id is missing")
        if operation.version is not None:
            raise validation_failure("an id must be provided if version type or value are set")
    elif not document_id:
        raise validation_failure("if _id is specified it must not be empty")
    elif len(document_id.encode("utf-8", "surrogatepass")) > MAXIMUM_ID_BYTES:
        length = len(document_id.encode("utf-8", "surrogatepass"))
        raise validation_failure(
            f"id [{document_id}] is too long, must be no longer than {MAXIMUM_ID_BYTES} bytes "
            f"but was: {length}"
        )
    elif any("\ud800" <= character <= "\udfff" for character in document_id):
        raise illegal_argument("id is not valid UTF-8")
    _check_versions(operation)


def _check_versions(operation: WriteOperation) -> None:
    external = operation.version_type in _EXTERNAL
    conditional = operation.if_seq_no is not None or operation.if_primary_term is not None
    if not external and operation.version_type != "internal":
        raise illegal_argument(f"No version type match [{operation.version_type}]")
    if operation.kind is WriteKind.CREATE:
        _check_create(operation, external=external, conditional=conditional)
    if external:
        _check_external(operation, conditional=conditional)
    elif operation.version is not None:
        raise validation_failure(_NO_INTERNAL_VERSIONS)
    if operation.if_seq_no is None and operation.if_primary_term is not None:
        raise validation_failure(f"ifSeqNo is unassigned, but primary term is [{operation.if_primary_term}]")
    if operation.if_seq_no is not None and not operation.if_primary_term:
        raise validation_failure("ifSeqNo is set, but primary term is [0]")


def _check_create(operation: WriteOperation, *, external: bool, conditional: bool) -> None:
    if external:
        raise validation_failure("create operations only support internal versioning. use index instead")
    if operation.version is not None:
        raise validation_failure("create operations do not support explicit versions. use index instead")
    if conditional:
        raise validation_failure("create operations do not support compare and set. use index instead")


def _check_external(operation: WriteOperation, *, conditional: bool) -> None:
    if operation.kind is WriteKind.UPDATE:
        raise validation_failure(_NO_INTERNAL_VERSIONS)
    if operation.version is None or not 0 <= operation.version <= _HIGHEST_VERSION:
        shown = -1 if operation.version is None else operation.version
        raise validation_failure(
            f"illegal version value [{shown}] for version type [{operation.version_type.upper()}]"
        )
    if conditional:
        raise validation_failure("compare and write operations can not use versioning")


def next_version(operation: WriteOperation, document_id: str, current: Current | None) -> int:
    """Answer the version that a write makes, or raise its ``version_conflict_engine_exception``."""
    if operation.kind is WriteKind.CREATE and current is not None and current.live:
        raise version_conflict(document_id, f"document already exists (current version [{current.version}])")
    check_condition(operation, document_id, current)
    if operation.version_type in _EXTERNAL and operation.version is not None:
        return _external_version(operation, operation.version, document_id, current)
    if current is None:
        return 1
    if current.version >= _HIGHEST_VERSION:
        raise version_conflict(document_id, f"no version is higher than the current one [{current.version}]")
    return current.version + 1


def check_condition(operation: WriteOperation, document_id: str, current: Current | None) -> None:
    """Raise the conflict of ``if_seq_no`` and ``if_primary_term`` with what is stored."""
    if operation.if_seq_no is None:
        return
    wanted = (operation.if_seq_no, operation.if_primary_term)
    required = f"required seqNo [{operation.if_seq_no}], primary term [{operation.if_primary_term}]."
    if current is None or not current.live:
        raise version_conflict(document_id, f"{required} but no document was found")
    if (current.seq_no, current.primary_term) != wanted:
        raise version_conflict(
            document_id,
            f"{required} current document has seqNo [{current.seq_no}] and primary term "
            f"[{current.primary_term}]",
        )


def version_conflict(document_id: str, detail: str) -> Failure:
    """Answer the failure for a write that what is stored does not allow (409)."""
    return Failure(
        FailureKind.CONFLICT,
        "version_conflict_engine_exception",
        f"[{document_id}]: version conflict, {detail}",
    )


def _external_version(
    operation: WriteOperation, version: int, document_id: str, current: Current | None
) -> int:
    if current is None:
        return version
    if operation.version_type == "external" and current.version >= version:
        raise version_conflict(
            document_id,
            f"current version [{current.version}] is higher or equal to the one provided [{version}]",
        )
    if current.version > version:
        raise version_conflict(
            document_id, f"current version [{current.version}] is higher than the one provided [{version}]"
        )
    return version

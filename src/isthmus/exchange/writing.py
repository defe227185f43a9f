"""Writes and what became of them; indices and documents as they are stored."""

from __future__ import annotations

from enum import Enum

from isthmus.exchange.values import FailureReport, JsonObject, Record
from isthmus.names import IndexName


class WriteKind(Enum):
    """What a write does. CREATE refuses to replace; UPDATE merges into what is there."""

    INDEX = "index"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class WriteOperation(Record, frozen=True, kw_only=True):
    """One write to one index.

    ``id`` is None to have one made (INDEX and CREATE only). ``source`` is the document's JSON
    text; for UPDATE it is the request's body (``doc``, ``doc_as_upsert``, ``upsert``, ``detect_noop``).
    """

    kind: WriteKind
    id: str | None = None
    source: bytes = b""
    if_seq_no: int | None = None
    if_primary_term: int | None = None
    version: int | None = None
    version_type: str = "internal"


class WriteOutcome(Record, frozen=True, kw_only=True):
    """What became of one write. ``result`` is created, updated, deleted, not_found or noop.

    With ``failure`` set nothing was changed by this operation.
    """

    id: str
    result: str = ""
    version: int = -1
    seq_no: int = -2
    primary_term: int = 0
    failure: FailureReport | None = None


class StoredDocument(Record, frozen=True, kw_only=True):
    """A document as it is stored now, before any refresh."""

    id: str
    version: int
    seq_no: int
    primary_term: int
    source: bytes


class IndexDescription(Record, frozen=True, kw_only=True):
    """An index as its owner sees it. ``settings`` is the flat form: ``index.number_of_shards`` and so on.

    ``mappings`` is the current mapping with what was added dynamically.
    """

    name: IndexName
    uuid: str
    created_milliseconds: int
    settings: JsonObject = {}
    mappings: JsonObject = {}
    aliases: JsonObject = {}
    hidden: bool = False
    closed: bool = False


class IndexStatistics(Record, frozen=True, kw_only=True):
    """Counts of one index: live documents as of the last refresh, deleted ones, bytes on disk."""

    documents: int
    deleted_documents: int
    size_bytes: int
    max_seq_no: int = -1


class RefreshPolicy(Enum):
    """When a write becomes visible to search. Elasticsearch's ``refresh`` parameter."""

    NONE = "false"
    IMMEDIATE = "true"
    WAIT_UNTIL = "wait_for"

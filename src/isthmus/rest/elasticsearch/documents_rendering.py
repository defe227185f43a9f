"""Documents and the outcomes of writes, as Elasticsearch shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from isthmus.exchange import IndexDescription, RefreshPolicy, StoredDocument, WriteOutcome
from isthmus.names import IndexName
from isthmus.rest.elasticsearch.documents_source import SourceFilter
from isthmus.rest.elasticsearch.refresh import copies_of

_STATUS_OF_RESULT = {"created": 201, "not_found": 404}


def status_of(outcome: WriteOutcome) -> int:
    """Answer the status of a write that did not fail."""
    return _STATUS_OF_RESULT.get(outcome.result, 200)


def outcome_object(
    index: IndexName, description: IndexDescription | None, outcome: WriteOutcome, refresh: RefreshPolicy
) -> dict[str, Any]:
    """Answer ``{"_index", "_id", "_version", "result", "_shards", …}`` for a write that did not fail."""
    copies = copies_of(description) if description is not None else 1
    shards = (
        {"total": 0, "successful": 0, "failed": 0}
        if outcome.result == "noop"
        else {"total": copies, "successful": 1, "failed": 0}
    )
    shown: dict[str, Any] = {
        "_index": index,
        "_id": outcome.id,
        "_version": outcome.version,
        "result": outcome.result,
    }
    if refresh is RefreshPolicy.IMMEDIATE:
        shown["forced_refresh"] = True
    shown["_shards"] = shards
    shown["_seq_no"] = outcome.seq_no
    shown["_primary_term"] = outcome.primary_term
    return shown


def document_object(
    index: IndexName, document: StoredDocument, wanted: SourceFilter | None
) -> dict[str, Any]:
    """Answer ``{"_index", "_id", "_version", …, "found": true, "_source"}``."""
    shown: dict[str, Any] = {
        "_index": index,
        "_id": document.id,
        "_version": document.version,
        "_seq_no": document.seq_no,
        "_primary_term": document.primary_term,
        "found": True,
    }
    if not document.source:
        return shown  # the mapping says that sources are not kept
    if wanted is None:
        shown["_source"] = orjson.Fragment(document.source)
    elif wanted.enabled:
        shown["_source"] = orjson.Fragment(wanted.apply(document.source))
    return shown


def updated_object(document: StoredDocument, wanted: SourceFilter) -> dict[str, Any]:
    """Answer the member ``get`` of an update's answer: the document as it is now."""
    shown: dict[str, Any] = {
        "_seq_no": document.seq_no,
        "_primary_term": document.primary_term,
        "found": True,
    }
    if document.source:
        shown["_source"] = orjson.Fragment(wanted.apply(document.source))
    return shown


def missing_object(index: IndexName, document_id: str) -> dict[str, Any]:
    """Answer what stands for a document that is not there."""
    return {"_index": index, "_id": document_id, "found": False}


def location_of(index: IndexName, document_id: str) -> tuple[str, str]:
    """Answer the ``Location`` header of a new document."""
    return "Location", f"/{quote(index, safe='')}/_doc/{quote(document_id, safe='')}"

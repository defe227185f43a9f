"""Reading one document as its caller may see it."""

from __future__ import annotations

from typing import Final

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Engine, IndexSelection, SearchRequest, StoredDocument
from isthmus.names import IndexName
from isthmus.names.date_math import resolve_date_math
from isthmus.rest.elasticsearch.documents_target import single_index
from isthmus.security.authorize import require_index_action, selection_of
from isthmus.security.principal import Principal

_GET_ACTION: Final = "indices:data/read/get"


class DocumentReader:
    """Reads documents by id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def selection_for(self, principal: Principal, action: str, name: str) -> IndexSelection:
        """Answer the one index behind ``name`` and what of it the caller may see.

        Raises 403 where that is nothing, 404 where there is no such index, 400 for an alias of several.
        """
        resolved = resolve_date_math(name)
        require_index_action(principal, action, (resolved,))
        index = single_index(resolved, self._engine.indices())
        self._require_open(index)
        return selection_of(principal, action, index, (resolved,))

    async def read(
        self,
        principal: Principal,
        name: str,
        document_id: str,
        action: str = _GET_ACTION,
        *,
        realtime: bool = True,
    ) -> tuple[IndexName, StoredDocument | None]:
        """Answer the index behind ``name`` and the document, None where there is none to be seen.

        Without ``realtime``, and for a caller who may see only some documents or fields, it is what
        was last refreshed: as in Elasticsearch, filters are a search's.
        """
        selection = self.selection_for(principal, action, name)
        if realtime and not selection.document_filters and not selection.field_access:
            return selection.index, await self._engine.get(selection.index, document_id)
        found = await self._engine.search(
            [selection],
            SearchRequest(
                query={"ids": {"values": [document_id]}}, size=1, version=True, seq_no_primary_term=True
            ),
        )
        if not found.hits:
            return selection.index, None
        hit = found.hits[0]
        return selection.index, StoredDocument(
            id=hit.id,
            version=hit.version or 1,
            seq_no=hit.seq_no or 0,
            primary_term=hit.primary_term or 1,
            source=hit.source or b"{}",
        )

    def _require_open(self, index: IndexName) -> None:
        description = self._engine.indices().get(index)
        if description is not None and description.closed:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "index_closed_exception",
                "closed",
                metadata={"index_uuid": description.uuid, "index": index},
            )


def read_conflict(index: IndexName, document: StoredDocument, wanted: int | None) -> Failure:
    """Answer the failure of a caller who asks for another version than there is (409)."""
    return Failure(
        FailureKind.CONFLICT,
        "version_conflict_engine_exception",
        f"[{document.id}]: version conflict, current version [{document.version}] is different than "
        f"the one provided [{wanted}]",
        metadata={"index": index, "shard": "0"},
    )

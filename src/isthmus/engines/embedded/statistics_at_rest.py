"""The counts of an index that is not open, read from its files without opening it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import lmdb
import orjson

from isthmus.engines.embedded.recovery import search_directory_path
from isthmus.engines.embedded.store import last_seq_no_at_rest
from isthmus.exchange import IndexStatistics

_LIBRARY_FILE: Final = "meta.json"


def statistics_at_rest(directory: Path, store_path: Path, generation: int) -> IndexStatistics | None:
    """Answer the counts as of the last refresh; None where the files do not tell and have to be opened.

    ``directory`` is the index's. Nobody may have the index open meanwhile.
    """
    search = search_directory_path(directory, generation)
    try:
        documents, deleted = _documents_of(orjson.loads((search / _LIBRARY_FILE).read_bytes()))
        size_bytes = sum(each.stat().st_size for place in (search, store_path) for each in place.glob("*"))
        return IndexStatistics(
            documents=documents,
            deleted_documents=deleted,
            size_bytes=size_bytes,
            max_seq_no=last_seq_no_at_rest(store_path),
        )
    except (OSError, ValueError, KeyError, TypeError, lmdb.Error):
        return None


def _documents_of(library: dict[str, Any]) -> tuple[int, int]:
    documents = deleted = 0
    for segment in library["segments"]:
        gone = segment["deletes"]["num_deleted_docs"] if segment.get("deletes") else 0
        documents += segment["max_doc"] - gone
        deleted += gone
    return documents, deleted

"""The search directory brought level with the store: after a crash, after damage, for new columns.

The store is the truth. A directory that opens gets the operations after its checkpoint again, which
does no harm where it has some of them already; one that does not open is made anew.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from isthmus.engines.embedded.document import DocumentParser, ParsedDocument
from isthmus.engines.embedded.store import DocumentStore
from isthmus.engines.embedded.store_batch import SearchChange
from isthmus.engines.embedded.store_records import Operation, OperationKind
from isthmus.engines.embedded.writer_directory import SearchDirectory
from isthmus.errors import Failure

logger = logging.getLogger(__name__)

_PREFIX: Final = "search-"
#: so many deleted documents are not worth the trouble
_FEW_DELETED: Final = 10_000


def is_worth_rebuilding(documents: int, deleted: int) -> bool:
    """Tell whether a directory holds so much that is deleted that making it anew pays.

    The library merges by size alone, and its bindings offer no forced merge: a large segment would
    keep what was deleted in it for ever.
    """
    return deleted > _FEW_DELETED and deleted > documents


def search_directory_path(directory: Path, generation: int) -> Path:
    """Answer where a generation of an index's search directory is."""
    return directory / f"{_PREFIX}{generation}"


def remove_other_generations(directory: Path, generation: int) -> None:
    """Remove search directories that an interrupted rebuild left."""
    wanted = search_directory_path(directory, generation)
    for path in directory.glob(f"{_PREFIX}*"):
        if path != wanted:
            shutil.rmtree(path, ignore_errors=True)


def replay(store: DocumentStore, search: SearchDirectory, parser: DocumentParser, after: int) -> int:
    """Feed the operations after a checkpoint again; answer the number of the last one there is."""
    with store.reading() as transaction:
        search.feed(_changes(transaction.operations(after + 1), parser), replace_all=True)
        return transaction.next_seq_no - 1


def fill(store: DocumentStore, search: SearchDirectory, parser: DocumentParser) -> int:
    """Feed every document there is into an empty directory; answer the last operation's number."""
    with store.reading() as transaction:
        search.feed(_changes(transaction.live_operations(), parser))
        return transaction.next_seq_no - 1


def _changes(operations: Iterable[Operation], parser: DocumentParser) -> Iterator[SearchChange]:
    for operation in operations:
        if operation.kind is OperationKind.DELETE:
            yield SearchChange(operation.id, operation.seq_no, None, replaces=True)
        else:
            parsed = _parse(operation, parser)
            yield SearchChange(operation.id, operation.seq_no, parsed, replaces=False)


def _parse(operation: Operation, parser: DocumentParser) -> ParsedDocument:
    try:
        return parser.parse(operation.id, operation.source)
    except Failure:
        # it was accepted once; let it at least be found by its id and by match_all
        logger.exception("stored document does not fit its mapping", extra={"seq_no": operation.seq_no})
        return ParsedDocument({}, parser.mapping)

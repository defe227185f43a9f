"""What suggesters are asked."""

from __future__ import annotations

from isthmus.exchange.values import Record


class TermSuggester(Record, frozen=True, kw_only=True):
    """Asks for words of a field that are near those of a text.

    ``mode`` is ``missing``, ``popular`` or ``always``, ``distance`` is ``internal``,
    ``damerau_levenshtein`` or ``levenshtein``. A frequency below 1 is a share of the documents.
    """

    name: str
    text: str
    field: str
    analyzer: str | None = None
    size: int = 5
    shard_size: int = 5
    by_frequency: bool = False
    mode: str = "missing"
    max_edits: int = 2
    prefix_length: int = 1
    min_word_length: int = 4
    min_document_frequency: float = 0.0
    max_term_frequency: float = 0.01
    distance: str = "internal"

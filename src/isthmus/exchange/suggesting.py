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


class CompletionFuzziness(Record, frozen=True, kw_only=True):
    """How far what is completed may be from what was typed: in edits of characters, or of UTF-8's bytes.

    The first ``prefix_length`` are exact, and so is all of what is shorter than ``min_length``.
    """

    edits: int = 1
    transpositions: bool = True
    min_length: int = 3
    prefix_length: int = 1
    unicode_aware: bool = False


class CompletionSuggester(Record, frozen=True, kw_only=True):
    """Asks for the documents with the heaviest inputs of a field that begin as ``prefix`` does."""

    name: str
    prefix: str
    field: str
    analyzer: str | None = None
    size: int = 5
    skip_duplicates: bool = False
    fuzzy: CompletionFuzziness | None = None


class PhraseSuggester(Record, frozen=True, kw_only=True):
    """Asks for the whole text with words that fit better.

    Each of ``generators`` asks for the candidates of one word; it has no text. ``discount`` is for pairs of
    words that never stand together. Tags mark what was changed, where both are given.
    """

    name: str
    text: str
    field: str
    generators: tuple[TermSuggester, ...] = ()
    analyzer: str | None = None
    size: int = 5
    shard_size: int = 5
    gram_size: int = 1
    real_word_error_likelihood: float = 0.95
    confidence: float = 1.0
    max_errors: float = 1.0
    separator: str = " "
    token_limit: int = 10
    discount: float = 0.4
    tags: tuple[str, str] | None = None

"""Several values of one text field, kept apart so that no phrase is found across them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import tantivy

#: Elasticsearch's default of ``position_increment_gap``
_GAP: Final = 100


def values_apart(values: Sequence[str], analyzer: tantivy.TextAnalyzer) -> tantivy.PreTokenizedString:
    """Answer the analysed values as one text with 100 places without a word between one and the next.

    The library itself leaves one such place, over which a phrase with a ``slop`` would reach.
    """
    placed = []
    start = 0
    for value in values:
        tokens = analyzer.pre_tokenize(value).tokens
        placed += [tantivy.Token(each.text, start + each.position, 0, 0) for each in tokens]
        if tokens:
            start += tokens[-1].position + 1 + _GAP
    return tantivy.PreTokenizedString("", placed)

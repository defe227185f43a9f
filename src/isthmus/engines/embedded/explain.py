"""Why a document scores as it does: the library's explanation in Elasticsearch's form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import tantivy

from isthmus.engines.embedded.columns import MappingColumns
from isthmus.engines.embedded.query.compiled import Compiled, Extent
from isthmus.engines.embedded.sorting_numbers import shortest_single
from isthmus.exchange import JsonObject

#: how the library names a term: by the position of its column among all columns
_TERM: Final = re.compile(r"Term=Term\(field=(?P<column>\d+), type=\w+, (?P<value>.*)\)", re.DOTALL)
#: what the details below these tell of is the whole index, hidden documents too
_OF_THE_WHOLE_INDEX: Final = ("idf", "avgdl")
#: the library reckons with 24 bits
_SAME: Final = 1e-5
NO_MATCH: Final[JsonObject] = {"value": 0.0, "description": "no matching clause", "details": []}
"""The explanation of a document that a query does not match."""


class Explainer:
    """Explains the scores of one query over one index; of several, those after the first rescored its hits.

    ``counts_hidden`` says that the caller sees a part of the documents only: then what would tell how many
    documents of the whole index hold a word is left out.
    """

    def __init__(
        self,
        queries: Sequence[Compiled],
        searcher: tantivy.Searcher,
        columns: MappingColumns,
        *,
        counts_hidden: bool,
    ) -> None:
        self._queries = queries
        self._searcher = searcher
        self._counts_hidden = counts_hidden
        self._columns = columns
        self._paths: Mapping[str, str] | None = None

    def explain(self, address: tantivy.DocAddress, score: float | None = None) -> JsonObject:
        """Answer the explanation of one document's score.

        ``score`` is what it is, where that is known: the library knows nothing of scores that were changed
        afterwards, by rescoring or by the statistics of other indices.
        """
        first, *others = [self._of_query(query, address) for query in self._queries]
        own = first["value"]  # None: beyond what JSON writes, as with a boost of 1e308
        if score is None or own is None or math.isclose(score, own, rel_tol=_SAME):
            return first
        if others:
            description = "score after rescoring, of:"
        else:
            description = "score by the statistics of all indices; by those of this index alone:"
        return {"value": shortest_single(score), "description": description, "details": [first, *others]}

    def _of_query(self, query: Compiled, address: tantivy.DocAddress) -> JsonObject:
        if query.extent is Extent.NOTHING:
            return NO_MATCH
        try:
            explained = orjson.loads(query.query.explain(self._searcher, address).to_json())
        except ValueError:  # the library's way to say that it does not match
            return NO_MATCH
        return self._rendered(explained)

    def _rendered(self, explained: dict[str, Any]) -> JsonObject:
        description = str(explained.get("description", ""))
        terms = [self._term(context) for context in explained.get("context") or ()]
        if terms and description.startswith("TermQuery"):
            description = f"weight({' '.join(terms)}), product of:"
        elif terms:
            description = f"{description} ({' '.join(terms)})"
        details = [self._rendered(each) for each in explained.get("details") or ()]
        if self._counts_hidden:
            details = [
                {**each, "details": []} if each["description"].startswith(_OF_THE_WHOLE_INDEX) else each
                for each in details
                if not each["description"].startswith("avgdl")
            ]
        return {"value": explained.get("value", 0.0), "description": description, "details": details}

    def _term(self, text: str) -> str:
        """Answer a term under the name of its field."""
        found = _TERM.fullmatch(text)
        if found is None:
            return ""
        if self._paths is None:
            self._paths = {columns.main: path for path, columns in self._columns.fields.items()}
        names = [column.name for column in self._columns.schema]
        position = int(found["column"]) - _SPECIAL_COLUMNS
        name = names[position] if 0 <= position < len(names) else ""
        return f"{self._paths.get(name, '_id')}:{found['value'].strip(chr(34))}"


#: columns that stand before those of fields in the library's schema
_SPECIAL_COLUMNS: Final = 3

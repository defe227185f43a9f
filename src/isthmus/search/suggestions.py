"""Suggestions of several indices or clusters become one answer, as Elasticsearch reduces those of shards.

Options with the same text are the same: their frequencies are added, the best score counts. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.exchange import JsonObject, TermSuggester


def combine_suggestions(
    suggesters: Sequence[TermSuggester], parts: Sequence[JsonObject], *, final: bool
) -> JsonObject:
    """Answer the entries of each suggester by its name.

    Every part has the same entries, one for each word of the text; a part without a suggester has none of it.
    ``final`` cuts the options of an entry to the size that the caller wants, else as many are kept as will be
    needed to combine again.
    """
    return {
        suggester.name: _entries(
            suggester,
            [part[suggester.name] for part in parts if suggester.name in part],
            suggester.size if final else max(suggester.size, suggester.shard_size),
        )
        for suggester in suggesters
    }


def _entries(
    suggester: TermSuggester, parts: Sequence[Sequence[JsonObject]], most: int
) -> list[dict[str, Any]]:
    entries: dict[tuple[int, int], dict[str, Any]] = {}
    options: dict[tuple[int, int], dict[str, dict[str, Any]]] = {}
    for part in parts:
        for entry in part:
            place = (entry["offset"], entry["length"])
            entries.setdefault(place, {name: entry[name] for name in ("text", "offset", "length")})
            known = options.setdefault(place, {})
            for option in entry["options"]:
                before = known.get(option["text"])
                if before is None:
                    known[option["text"]] = dict(option)
                else:
                    before["freq"] += option["freq"]
                    before["score"] = max(before["score"], option["score"])
    return [
        {**entry, "options": in_order(suggester, list(options[place].values()))[:most]}
        for place, entry in sorted(entries.items())
    ]


def in_order(suggester: TermSuggester, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer options in the order asked for: by score, or by frequency, then the other, then by text."""
    if suggester.by_frequency:
        return sorted(options, key=lambda option: (-option["freq"], -option["score"], option["text"]))
    return sorted(options, key=lambda option: (-option["score"], -option["freq"], option["text"]))

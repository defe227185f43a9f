"""Suggestions of several indices or clusters become one answer, as Elasticsearch reduces those of shards.

Of terms, options with the same text are the same: their frequencies are added, the best score counts. Of
completions the best of all parts are kept. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.exchange import CompletionSuggester, JsonObject, SearchRequest, TermSuggester


def combine_suggestions(request: SearchRequest, parts: Sequence[JsonObject], *, final: bool) -> JsonObject:
    """Answer the entries of each suggester by its name.

    Every part has the same entries, of terms one for each word of the text; a part without a suggester has
    none of it. ``final`` cuts the options of an entry to the size that the caller wants, else as many are
    kept as will be needed to combine again.
    """
    combined: JsonObject = {}
    for term in request.suggest:
        most = term.size if final else max(term.size, term.shard_size)
        combined[term.name] = _entries(term, _named(term.name, parts), most)
    for completion in request.completions:
        combined[completion.name] = _completed(completion, _named(completion.name, parts))
    return combined


def as_entry(text: str, options: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer the entry of a whole text; it counts UTF-16's units, as Elasticsearch does."""
    return {"text": text, "offset": 0, "length": len(text.encode("utf-16-le")) // 2, "options": options}


def with_cluster(request: SearchRequest, suggestions: JsonObject, alias: str) -> JsonObject:
    """Answer the suggestions of a remote cluster with its alias before the indices that they name."""
    if not request.completions:
        return suggestions
    named = dict(suggestions)
    for completion in request.completions:
        named[completion.name] = [
            {
                **entry,
                "options": [
                    {**option, "_index": f"{alias}:{option['_index']}"} for option in entry["options"]
                ],
            }
            for entry in suggestions.get(completion.name, ())
        ]
    return named


def _named(name: str, parts: Sequence[JsonObject]) -> list[Sequence[JsonObject]]:
    return [part[name] for part in parts if name in part]


def _completed(suggester: CompletionSuggester, parts: Sequence[Sequence[JsonObject]]) -> list[dict[str, Any]]:
    found = [option for part in parts for entry in part for option in entry["options"]]
    # upstream leaves the order of equals to chance
    found.sort(key=lambda option: (-option["_score"], option["text"], option["_id"]))
    if suggester.skip_duplicates:
        firsts: dict[str, JsonObject] = {}
        for option in found:
            firsts.setdefault(option["text"], option)
        found = list(firsts.values())
    return [as_entry(suggester.prefix, found[: suggester.size])] if parts else []


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

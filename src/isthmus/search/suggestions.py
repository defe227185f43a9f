"""Suggestions of several indices or clusters become one answer, as Elasticsearch reduces those of shards.

Of terms, options with the same text are the same: their frequencies are added, the best score counts. Of
completions the best of all parts are kept; of phrases those that are better than what was typed is anywhere.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from isthmus.exchange import (
    CompletionSuggester,
    JsonObject,
    PhraseSuggester,
    SearchRequest,
    TermSuggester,
)

CUTOFF: Final = "cutoff_score"
"""What an entry of phrases is told with until it is final: the score that its options are above."""


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
    for phrase in request.phrases:
        combined[phrase.name] = _phrased(phrase, _named(phrase.name, parts), final=final)
    return combined


def as_entry(text: str, options: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer the entry of a whole text; it counts UTF-16's units, as Elasticsearch does."""
    return {"text": text, "offset": 0, "length": len(text.encode("utf-16-le")) // 2, "options": options}


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


def _phrased(
    suggester: PhraseSuggester, parts: Sequence[Sequence[JsonObject]], *, final: bool
) -> list[dict[str, Any]]:
    entries = [entry for part in parts for entry in part]
    if not entries:
        return []
    cutoff = max(entry[CUTOFF] for entry in entries)
    best: dict[str, JsonObject] = {}
    for entry in entries:
        for option in entry["options"]:
            before = best.get(option["text"])
            if (before is None or before["score"] < option["score"]) and (
                len(entries) == 1 or option["score"] > cutoff
            ):
                best[option["text"]] = option
    options = sorted(best.values(), key=lambda option: (-option["score"], option["text"]))
    most = suggester.size if final else max(suggester.size, suggester.shard_size)
    combined = as_entry(suggester.text, options[:most])
    return [combined if final else {**combined, CUTOFF: cutoff}]


def in_order(suggester: TermSuggester, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer options in the order asked for: by score, or by frequency, then the other, then by text."""
    if suggester.by_frequency:
        return sorted(options, key=lambda option: (-option["freq"], -option["score"], option["text"]))
    return sorted(options, key=lambda option: (-option["score"], -option["freq"], option["text"]))

"""Several indices' parts become one result: merged in order, cut to the window, with their sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

import orjson

from isthmus.engines.embedded.collapsing import Group
from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.fetching import FetchedIndex, Fetcher
from isthmus.engines.embedded.profiling import Profile, Step
from isthmus.engines.embedded.query.compiled import Extent
from isthmus.engines.embedded.searching_index import IndexPart, SearchedIndex
from isthmus.engines.embedded.sorting import ResolvedKey, order_by
from isthmus.engines.embedded.sorting_numbers import shortest_single
from isthmus.engines.embedded.sorting_pages import Row
from isthmus.engines.embedded.source_filter import SourceFilter, parse_source_filter, shown_source
from isthmus.errors import Failure
from isthmus.exchange import FailureReport, FetchRequest, Hit, SearchRequest, TotalHits
from isthmus.remotes.failure_reports import report_of

_NOTHING_MORE: Final = FetchRequest()


class _Placed(NamedTuple):
    """One document of one part: where it stands there."""

    part: IndexPart
    row: Row
    score: float | None
    group: Group | None = None


def hits_of(
    parts: Sequence[IndexPart],
    request: SearchRequest,
    failures: list[FailureReport],
    check: Callable[[], None],
    profile: Profile | None = None,
) -> tuple[Hit, ...]:
    """Answer the hits of the window that was asked for, complete. Ties keep the order of the parts.

    Of an index that cannot show what was asked none is answered; why is added to ``failures``.
    """
    wanted = parse_source_filter(request.source)
    placed = _in_order(parts)
    if request.collapse is not None:
        placed = _one_of_each_group(placed)
    placed = placed[request.offset : request.offset + request.size]
    hits: list[Hit | None] = [None] * len(placed)
    for part in parts:
        places = [place for place, each in enumerate(placed) if each.part is part]
        of_part = [placed[place] for place in places]
        try:
            if profile is None:
                completed = _complete(part, of_part, request, wanted, check)
            else:
                with profile.measured(part.searched.snapshot.name, Step.FETCH):
                    completed = _complete(part, of_part, request, wanted, check)
        except Failure as failure:
            failures.append(report_of(failure, part.searched.snapshot.name))
            continue
        for place, hit in zip(places, completed, strict=True):
            hits[place] = hit
    return tuple(hit for hit in hits if hit is not None)


def _in_order(parts: Sequence[IndexPart]) -> list[_Placed]:
    placed: list[_Placed] = []
    for part in parts:
        scores: Sequence[float | None] = part.scores if part.scores is not None else [None] * len(part.rows)
        if part.groups is None:
            placed.extend([_Placed(part, row, score) for row, score in zip(part.rows, scores, strict=True)])
        else:
            placed.extend(map(_Placed, repeat(part), part.rows, scores, part.groups))
    if len(parts) < 2:  # noqa: PLR2004 - nothing to merge
        return placed
    if parts[0].keys:
        # the keys of every part differ in nothing that matters to comparing
        by_values = order_by(parts[0].keys)
        placed.sort(key=lambda each: by_values(each.row.values))
    else:
        placed.sort(key=lambda each: -(each.score or 0.0))
    return placed


def _one_of_each_group(placed: Sequence[_Placed]) -> list[_Placed]:
    firsts: dict[Group | None, _Placed] = {}
    for each in placed:
        firsts.setdefault(each.group, each)
    return list(firsts.values())


def _complete(
    part: IndexPart,
    placed: Sequence[_Placed],
    request: SearchRequest,
    wanted: SourceFilter | None,
    check: Callable[[], None],
) -> list[Hit]:
    searched = part.searched
    # what is asked of an index is checked where it has no hit, too
    fetcher = None
    if request.fetch is not None or searched.context.named:
        fetcher = fetcher_of(searched, request, check)
    if not placed:
        return []
    snapshot = searched.snapshot
    numbers = snapshot.searcher.fast_field_values(SEQUENCE_COLUMN, [each.row.address for each in placed])
    stored = snapshot.source_by_seq([int(number or 0) for number in numbers])
    shows_source = wanted is not None and snapshot.mapping.source_enabled
    visible = part.searched.visible
    sections: Sequence[dict[str, bytes] | None] | None = None
    if request.collapse is not None:
        sections = [_with_group(None, request.collapse.field, each.group) for each in placed]
    hides_id = False
    if fetcher is not None:
        sections = fetcher.sections(
            [each.row.address for each in placed], stored, [each.score for each in placed]
        )
        if request.collapse is not None:
            path = request.collapse.field
            sections = [
                _with_group(shown, path, each.group) for shown, each in zip(sections, placed, strict=True)
            ]
        hides_id = request.fetch is not None and request.fetch.hide_id
    hits = []
    for place, (each, document) in enumerate(zip(placed, stored, strict=True)):
        source = shown_source(document.source, wanted, visible) if shows_source and wanted else None
        shown = None
        if part.keys:
            shown = tuple([key.shown(value) for key, value in zip(part.keys, each.row.values, strict=True)])
        # by position: every hit of every search is made here
        hits.append(
            Hit(
                str(snapshot.name),
                "" if hides_id else document.id,
                None if each.score is None else shortest_single(each.score),
                source,
                shown,
                document.version if request.version else None,
                document.seq_no if request.seq_no_primary_term else None,
                document.primary_term if request.seq_no_primary_term else None,
                None if sections is None else sections[place],
                each.group,
            )
        )
    return hits


def _with_group(sections: dict[str, bytes] | None, path: str, group: Group | None) -> dict[str, bytes] | None:
    """Answer the sections of a hit with what it was collapsed by among its fields."""
    if not group:
        return sections
    fields = {} if sections is None or "fields" not in sections else orjson.loads(sections["fields"])
    return {**(sections or {}), "fields": orjson.dumps({path: list(group), **fields})}


def fetcher_of(searched: SearchedIndex, request: SearchRequest, check: Callable[[], None]) -> Fetcher:
    """Answer what makes the sections of an index's hits; raises the failures of what it cannot show."""
    fetched = FetchedIndex(
        snapshot=searched.snapshot,
        context=searched.context,
        visible=searched.visible,
        query=request.query,
        asked=searched.query if searched.asked is None else searched.asked,
        named=searched.context.named,
        sees_everything=searched.limits.extent is Extent.EVERYTHING,
        rescorers=tuple(each.query for each in searched.rescorers),
    )
    return Fetcher(fetched, request.fetch or _NOTHING_MORE, check)


def total_of(parts: Sequence[IndexPart], track_total_hits: bool | int) -> TotalHits | None:  # noqa: FBT001 - as asked
    """Answer the number of matches, up to the number that the caller wanted counted."""
    if track_total_hits is False:
        return None
    total = sum(part.total or 0 for part in parts)
    if track_total_hits is not True and total > track_total_hits:
        return TotalHits(value=track_total_hits, relation="gte")
    return TotalHits(value=total)


def max_score_of(parts: Sequence[IndexPart]) -> float | None:
    """Answer the highest score of all parts; None where nothing was scored."""
    scores = [part.max_score for part in parts if part.max_score is not None]
    return shortest_single(max(scores)) if scores else None


def terminated_early_of(parts: Sequence[IndexPart]) -> bool | None:
    """Tell whether any part stopped counting early; None where that was not asked for."""
    said = [part.terminated_early for part in parts if part.terminated_early is not None]
    return any(said) if said else None


def sort_kinds_of(parts: Sequence[IndexPart]) -> tuple[str, ...]:
    """Answer ``ip`` for each sort key with addresses, else an empty text; nothing where no key has any."""
    of_keys = zip(*(part.keys for part in parts), strict=True)
    kinds = tuple("ip" if any(_is_address(key) for key in same) else "" for same in of_keys)
    return kinds if any(kinds) else ()


def _is_address(key: ResolvedKey) -> bool:
    return key.mapped is not None and key.mapped.type == "ip"

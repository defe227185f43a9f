"""What a search may not ask for, whatever the indices hold."""

from __future__ import annotations

from typing import Final

from isthmus.engines.embedded.query.compiler import check_query
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.source_filter import parse_source_filter
from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import SearchRequest

#: each one is looked at within the one before
_MOST_SORT_KEYS: Final = 100


def check_request(request: SearchRequest, *, has_targets: bool) -> None:
    """Refuse what is wrong whatever the indices, also where there is none."""
    if not has_targets:
        # otherwise the first index finds out
        check_query({"match_all": {}} if request.query is None else request.query)
        if request.post_filter is not None:
            check_query(request.post_filter)
    parse_source_filter(request.source)
    if len(request.sort) > _MOST_SORT_KEYS:
        raise illegal_argument(
            f"sorting by [{len(request.sort)}] keys is not supported: [{_MOST_SORT_KEYS}] at most"
        )
    if request.offset < 0:
        raise illegal_argument(f"[from] parameter cannot be negative but was [{request.offset}]")
    if request.size < 0:
        raise illegal_argument(f"[size] parameter cannot be negative, found [{request.size}]")
    if request.search_after is not None:
        if not request.sort:
            raise illegal_argument("Sort must contain at least one field.")
        if request.offset > 0:
            raise validation_failure("`from` parameter must be set to 0 when `search_after` is used")


def require_windows(snapshot: Snapshot, request: SearchRequest) -> None:
    """Return if an index lets so many hits be asked for and scored anew; raises a 400 failure otherwise."""
    wanted = request.offset + request.size
    largest = snapshot.settings.max_result_window
    if wanted > largest:
        raise illegal_argument(
            f"Result window is too large, from + size must be less than or equal to: [{largest}] but was "
            f"[{wanted}]. See the scroll api for a more efficient way to request large data sets. This limit "
            "can be set by changing the [index.max_result_window] index level setting."
        )
    largest = snapshot.settings.max_rescore_window
    for rescore in request.rescore:
        if rescore.window_size > largest:
            raise illegal_argument(
                f"Rescore window [{rescore.window_size}] is too large. It must be less than [{largest}]. "
                "This prevents allocating massive heaps for storing the results to be rescored. "
                "This limit can be set by changing the [index.max_rescore_window] index level setting."
            )

"""A search that asks for what an older peer does not know is refused, not answered without it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from remotes_harness import ALIAS, FarCluster, Near, reader
from test_remotes_live import OPTIONS, connect, search

from isthmus.errors import Failure
from isthmus.exchange import (
    Collapse,
    CompletionSuggester,
    FetchRequest,
    Rescore,
    SearchRequest,
    SortKey,
    TermStatistics,
)
from isthmus.remotes.protocol import FEATURES, HITS, SUGGESTERS, Welcome
from isthmus.remotes.search_features import needed_features, require_features
from isthmus.rest.remote.interface import RemoteInterface


class OfOldTimes(RemoteInterface):
    """A peer from before hits had anything but a source."""

    async def _handshake(self, incoming: Any) -> Welcome:
        return msgspec.structs.replace(await super()._handshake(incoming), features=("zstd",))


@pytest.mark.parametrize(
    ("members", "needed"),
    [
        ({}, ()),
        ({"version": True, "min_score": 1.0, "aggregations": {"a": {}}}, ()),
        ({"fetch": FetchRequest(explain=True)}, (HITS,)),
        ({"profile": True}, (HITS,)),
        ({"collapse": Collapse(field="a")}, (HITS,)),
        ({"rescore": (Rescore(query={}),)}, (HITS,)),
        ({"statistics": TermStatistics()}, (HITS,)),
        ({"completions": (CompletionSuggester(name="a", prefix="b", field="c"),)}, (HITS, SUGGESTERS)),
        ({"sort": (SortKey(field="a"),)}, ()),
        ({"sort": (SortKey(field="a", numeric_type="double"),)}, (HITS,)),
    ],
)
def test_what_a_request_needs_is_told_by_its_members(
    members: dict[str, Any], needed: tuple[str, ...]
) -> None:
    """Nearly every search needs nothing."""
    assert tuple(needed_features(SearchRequest(**members))) == needed


def test_a_peer_without_the_feature_is_named() -> None:
    """One that is not known yet is asked first."""
    require_features((HITS,), "far", None)
    require_features((HITS,), "far", Welcome(features=FEATURES))
    with pytest.raises(Failure) as caught:
        require_features((HITS,), "far", Welcome(features=("zstd",), software_version="0.1"))
    assert caught.value.reason.startswith("remote cluster [far] of version [0.1] does not know all that this")


async def test_an_older_peer_is_not_asked(near: Near, far: FarCluster) -> None:
    """A plain search is answered by it; one with highlights is a 400 that says what to do."""
    far.interface_type = OfOldTimes
    await far.kill()
    await far.start()
    await connect(near, far)
    assert len(await search(near, "logs-a")) > 0
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    with pytest.raises(Failure) as caught:
        await target.search(("logs-a",), OPTIONS, SearchRequest(fetch=FetchRequest(explain=True)))
    assert "feature [hits]): upgrade it" in caught.value.reason

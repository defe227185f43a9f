"""``pit`` in a search, and what cannot stand beside it."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure
from isthmus.exchange import SortKey
from isthmus.rest.elasticsearch.search_order import search_question
from isthmus.search.point_in_time_id import FORM, HeldPart, PointInTime, encoded

POINT = PointInTime(FORM, (HeldPart("", "v1", 1, ("logs",)), HeldPart("eu", "v2", 1, ("a", "b"))))
ID = encoded(POINT)


def test_a_point_in_time_says_what_is_searched() -> None:
    """Its own expressions, with a tie-breaker where there is a sort."""
    question = search_question((), {}, {"pit": {"id": ID, "keep_alive": "2m"}, "sort": ["n"]})
    assert question.order.expressions == ("logs", "eu:a", "eu:b")
    assert question.order.request.sort == (SortKey(field="n"), SortKey(field="_shard_doc"))
    assert question.order.held is not None
    assert question.order.held.keep_alive_milliseconds == 120_000
    by_score = search_question((), {}, {"pit": {"id": ID}, "sort": ["_score"]})
    assert [key.field for key in by_score.order.request.sort] == ["_score", "_shard_doc"]
    assert search_question((), {}, {"pit": {"id": ID}}).order.request.sort == ()
    assert search_question(("logs",), {}, {"pit": None}).order.held is None


@pytest.mark.parametrize(
    ("expressions", "parameters", "body", "problem"),
    [
        (("logs",), {}, {}, "[indices] cannot be used with point in time. Do not specify any index"),
        ((), {"routing": "x"}, {}, "[routing] cannot be used with point in time"),
        ((), {"preference": "x"}, {}, "[preference] cannot be used with point in time"),
        ((), {"ignore_unavailable": "true"}, {}, "[indicesOptions] cannot be used with point in time"),
        ((), {"ccs_minimize_roundtrips": "true"}, {}, "[ccs_minimize_roundtrips] cannot be used with point"),
        ((), {"scroll": "1m"}, {}, "using [point in time] is not allowed in a scroll context"),
        ((), {"search_type": "dfs_query_then_fetch"}, {}, "is not supported with point in time"),
        ((), {}, {"pit": {}}, "point in time id is not provided"),
        ((), {}, {"pit": {"id": ID, "keep_alive": "0s"}}, "[keep_alive] must be positive"),
        ((), {}, {"pit": {"id": ID, "keep_alive": "-1"}}, "[keep_alive] must be positive"),
        ((), {}, {"pit": {"id": ID, "keep_alive": "long"}}, "failed to parse setting [keep_alive]"),
        ((), {}, {"pit": {"id": ID, "other": 1}}, "[pit] unknown field [other]"),
        ((), {}, {"pit": "x"}, "Expected [START_OBJECT] in [pit] but found [VALUE_STRING]"),
        ((), {}, {"pit": {"id": "x"}}, "invalid id: [x]"),
        ((), {}, {"pit": None, "sort": ["_shard_doc"]}, "cannot be used without [point in time]"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    expressions: tuple[str, ...], parameters: dict[str, str], body: dict[str, Any], problem: str
) -> None:
    """In Elasticsearch's words."""
    sent = {"pit": {"id": ID}, **body}
    with pytest.raises(Failure) as refused:
        search_question(expressions, parameters, sent)
    assert problem in refused.value.reason


def test_several_problems_are_listed() -> None:
    """All of them, numbered."""
    with pytest.raises(Failure) as refused:
        search_question(("a",), {"routing": "x"}, {"pit": {"id": ID}})
    assert refused.value.reason.startswith("Validation Failed: 1: [indices]")
    assert "2: [routing]" in refused.value.reason

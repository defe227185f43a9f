"""Sorting over clusters: the order, and the pages of it, are those of one index with all documents."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clusters_split import SplitClusters, shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.names import ClusterAlias

DAY = 86_400_000
PROPERTIES: dict[str, Any] = {
    "order": {"type": "integer"},
    "mixed": {"type": "double"},
    "long": {"type": "long"},
    "double": {"type": "double"},
    "half": {"type": "half_float"},
    "moment": {"type": "date"},
    "word": {"type": "keyword"},
    "address": {"type": "ip"},
    "flag": {"type": "boolean"},
    "elsewhere": {"type": "long"},
    "body": {"type": "text"},
}
EU, US = ClusterAlias("eu"), ClusterAlias("us")
#: one cluster has whole numbers where another has fractions, and one lacks a field
MAPPINGS_OF: dict[ClusterAlias | None, dict[str, Any]] = {
    EU: {**PROPERTIES, "mixed": {"type": "long"}},
    US: {name: each for name, each in PROPERTIES.items() if name != "elsewhere"},
}


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(7)  # noqa: S311 - the same documents every time, no secret

    def some(make: Callable[[], Any], several: float = 0.15) -> Any:
        roll = chance.random()
        if roll < 0.2:
            return None
        return [make() for _ in range(chance.randrange(2, 4))] if roll < 0.2 + several else make()

    documents = {}
    for number in range(150):
        made = {
            "order": number,
            "mixed": some(lambda: chance.randrange(-3, 4)),
            "long": some(lambda: chance.choice([-(2**62), -1, 0, 1, 2**62, 2**62 + 1])),
            "double": some(lambda: chance.randrange(-4, 5) / 4),
            "half": some(lambda: chance.choice([0.1, 0.2, 1.5])),
            "moment": some(lambda: chance.randrange(-2, 4) * DAY // 2 + 1),
            "word": some(lambda: chance.choice(["", "a", "b", "ab", "é", "z z"])),
            "address": some(lambda: chance.choice(["10.0.0.1", "9.9.9.9", "::1", "10.0.0.20"])),
            "flag": some(lambda: chance.random() < 0.5, 0.0),
            "elsewhere": None if number % 3 == 2 else some(lambda: chance.randrange(3)),
            "body": " ".join(chance.choice(["sea", "land", "sky"]) for _ in range(chance.randrange(1, 5))),
        }
        documents[f"d{number}"] = {name: value for name, value in made.items() if value is not None}
    return documents


DOCUMENTS = _documents()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SplitClusters]:
    """Three clusters."""
    made = SplitClusters(tmp_path_factory.mktemp("sorted"), "eu", "us")
    made.write(DOCUMENTS, PROPERTIES, MAPPINGS_OF)
    yield made
    made.close()


_SUBSTITUTES: dict[str, st.SearchStrategy[Any]] = {
    "mixed": st.integers(-4, 4),
    "long": st.integers(-2, 2),
    "double": st.sampled_from([-9.5, 0.25, 9]),
    "half": st.sampled_from([0.2, 7]),
    "moment": st.sampled_from([0, "1970-01-02", "1970-01-02T00:00:00+02:00", "1970-01-01T12:00:00.001Z"]),
    "word": st.sampled_from(["aa", "zz"]),
    "address": st.sampled_from(["10.0.0.3", "::2"]),
    "flag": st.booleans(),
    "elsewhere": st.integers(0, 3),
}


@st.composite
def _keys(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from([*_SUBSTITUTES, "_score"]))
    options: dict[str, Any] = {"order": draw(st.sampled_from(["asc", "desc"]))}
    if field == "_score":
        return {field: options}
    options["missing"] = draw(st.sampled_from(["_first", "_last"]) | _SUBSTITUTES[field])
    if draw(st.booleans()):
        options["mode"] = draw(st.sampled_from(["min", "max"]))
    if field == "moment" and draw(st.booleans()):
        options["format"] = draw(
            st.sampled_from(["strict_date_optional_time", "epoch_millis", "uuuu-MM-dd'T'HH:mm:ss.SSSXX"])
        )
        if isinstance(options["missing"], str) and not options["missing"].startswith("_"):
            options["missing"] = "_last"
    if field == "elsewhere":
        options["unmapped_type"] = "long"
    return {field: options}


_QUERIES = st.sampled_from(
    [
        {"constant_score": {"filter": {"exists": {"field": "order"}}, "boost": 2}},
        {"range": {"order": {"gte": 20, "lt": 130}}},
        {"bool": {"filter": [{"exists": {"field": "double"}}]}},
    ]
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(_keys(), min_size=1, max_size=3), query=_QUERIES, size=st.integers(17, 60))
def test_paging_gives_each_document_once_in_the_order_of_one_index(
    clusters: SplitClusters, keys: list[dict[str, Any]], query: dict[str, Any], size: int
) -> None:
    """Whatever the keys are of, ``search_after`` goes through all documents and repeats none."""
    body = {"query": query, "sort": [*keys, {"order": "asc"}], "track_total_hits": True}
    expected = clusters.whole({**body, "size": 1_000})
    found: list[tuple[Any, ...]] = []
    after: dict[str, Any] = {}
    while True:
        answer = clusters.split({**body, "size": size, **after})
        assert answer["hits"]["total"] == expected["hits"]["total"]
        page = shown(answer)
        found.extend(page)
        if len(page) < size:
            break
        after = {"search_after": page[-1][1]}
    assert found == shown(expected)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(_keys(), min_size=1, max_size=2), offset=st.integers(0, 160), size=st.integers(0, 20))
def test_a_window_is_that_of_one_index(
    clusters: SplitClusters, keys: list[dict[str, Any]], offset: int, size: int
) -> None:
    """``from`` and ``size`` count over all clusters."""
    body = {"sort": [*keys, {"order": "desc"}], "from": offset, "size": size, "track_scores": True}
    assert shown(clusters.split(body), "_id", "sort", "_score") == shown(
        clusters.whole(body), "_id", "sort", "_score"
    )


def test_an_order_of_writing_is_kept_within_each_cluster(clusters: SplitClusters) -> None:
    """``_doc`` is nobody's order over clusters; every document is there once."""
    found = [hit[0] for hit in shown(clusters.split({"sort": ["_doc"], "size": 1_000}))]
    assert sorted(found) == sorted(DOCUMENTS)


@pytest.mark.parametrize(
    ("sort", "reason"),
    [
        ([{"long": {"nested": {"path": "a"}}}], "[sort.nested] is not supported by this deployment"),
        (
            ["_shard_doc"],
            "Validation Failed: 1: [_shard_doc] sort field cannot be used without [point in time];",
        ),
        (
            [{"long": {"numeric_type": "date_nanos"}}],
            "[sort.numeric_type=date_nanos] is not supported by this deployment",
        ),
        (
            [{"long": {"numeric_type": "text"}}],
            "Unknown numeric_type [text], expected one of: [long, double, date, date_nanos]",
        ),
    ],
)
def test_what_cannot_be_sorted_by_is_refused(clusters: SplitClusters, sort: list[Any], reason: str) -> None:
    """By name, before any cluster is asked."""
    with pytest.raises(Failure) as caught:
        clusters.split({"sort": sort})
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("sort", "reason"),
    [
        (
            [{"word": {"numeric_type": "long"}}],
            "[numeric_type] option cannot be set on a non-numeric field, got keyword",
        ),
        (
            [{"double": {"numeric_type": "long"}}],
            "[sort.numeric_type=long] of the field [double] of type [double] is not supported",
        ),
        ([{"word": {"format": "epoch_millis"}}], "Field [word] of type [keyword] doesn't support formats."),
        (
            [{"long": {"format": "epoch_millis"}}],
            "[sort.format] of the field [long] of type [long] is not supported",
        ),
        ([{"elsewhere": "asc"}], "No mapping found for [elsewhere] in order to sort on"),
        (["body"], "Fielddata is disabled on [body] in [docs]."),
        ([{"long": {"mode": "avg"}}], "sort mode [avg] is not supported by the embedded engine"),
    ],
)
def test_what_a_field_cannot_be_sorted_by_fails_its_indices(
    clusters: SplitClusters, sort: list[Any], reason: str
) -> None:
    """A cluster none of whose indices can is the failure of the whole."""
    with pytest.raises(Failure) as caught:
        clusters.split({"sort": sort})
    assert reason in _reasons(caught.value)


def _reasons(failure: Failure) -> str:
    cause: Failure | None = failure
    reasons = []
    while cause is not None:
        reasons.append(cause.reason)
        cause = cause.caused_by
    return "\n".join(reasons)


def test_whole_numbers_are_shown_as_fractions_where_that_is_asked(clusters: SplitClusters) -> None:
    """``numeric_type`` says as what values are taken; the order is the same."""
    plain = clusters.split({"sort": [{"elsewhere": {"unmapped_type": "long"}}, "order"], "size": 200})
    taken = clusters.split(
        {"sort": [{"elsewhere": {"unmapped_type": "long", "numeric_type": "double"}}, "order"], "size": 200}
    )
    assert [hit["_id"] for hit in taken["hits"]["hits"]] == [hit["_id"] for hit in plain["hits"]["hits"]]
    values = [hit["sort"][0] for hit in taken["hits"]["hits"]]
    assert {type(value) for value in values} == {float, type(None)}


def test_numbers_and_texts_do_not_compare(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A field that is text in one cluster and a number in another cannot be sorted by."""
    made = SplitClusters(tmp_path_factory.mktemp("unlike"), "eu")
    try:
        made.write(
            {"a": {"f": 1}, "b": {"f": 2}},
            {"f": {"type": "keyword"}},
            {None: {"f": {"type": "keyword"}}, EU: {"f": {"type": "long"}}},
        )
        with pytest.raises(Failure, match="incompatible sort types"):
            made.split({"sort": ["f"]})
    finally:
        made.close()

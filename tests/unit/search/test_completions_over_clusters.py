"""Completions over clusters are those of one index with all the documents, exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clusters_split import SplitClusters
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PROPERTIES: dict[str, Any] = {
    "order": {"type": "integer"},
    "name": {"type": "completion", "fields": {"whole": {"type": "completion", "analyzer": "keyword"}}},
}
_SYLLABLES = ("ba", "be", "bo", "na", "ne", "é", " ")


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(23)  # noqa: S311 - the same documents every time, no secret
    return {
        f"d{number}": {
            "order": number,
            "name": [
                {
                    "input": [
                        "".join(chance.choices(_SYLLABLES, k=chance.randrange(1, 5)))
                        for _ in range(chance.randrange(1, 3))
                    ],
                    "weight": chance.choice([0, 1, 1, 2, 2**31 - 1]),
                }
                for _ in range(chance.randrange(3))
            ],
        }
        for number in range(150)
    }


DOCUMENTS = _documents()


@pytest.fixture(scope="module", params=[1, 2, 5])
def clusters(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SplitClusters]:
    """So many clusters with a part of the documents each."""
    aliases = ["eu", "us", "asia", "africa"][: request.param - 1]
    made = SplitClusters(tmp_path_factory.mktemp("completed"), *aliases)
    made.write(DOCUMENTS, PROPERTIES)
    yield made
    made.close()


_FUZZY = st.fixed_dictionaries(
    {},
    optional={
        "fuzziness": st.integers(0, 2),
        "transpositions": st.booleans(),
        "min_length": st.integers(0, 4),
        "prefix_length": st.integers(0, 2),
        "unicode_aware": st.booleans(),
    },
)
_OPTIONS = st.fixed_dictionaries(
    {"field": st.sampled_from(["name", "name.whole"]), "size": st.sampled_from([1, 3, 10, 200])},
    optional={"skip_duplicates": st.booleans(), "fuzzy": st.one_of(st.booleans(), _FUZZY)},
)
_TEXTS = st.lists(st.sampled_from([*_SYLLABLES, "b", "n"]), min_size=1, max_size=3).map("".join)


def _without_index(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in option.items() if name != "_index"}
        for entry in answer["suggest"]["s"]
        for option in entry["options"]
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("bo", {"field": "name.whole", "size": 10, "fuzzy": {}})  # weights 0 and 1 that score alike
@given(_TEXTS, _OPTIONS)
def test_every_option_is_that_of_one_index(
    clusters: SplitClusters, text: str, options: dict[str, Any]
) -> None:
    """Text, document, score and source, in the same order, whatever is asked."""
    body = {"suggest": {"s": {"prefix": text, "completion": options}}, "_source": ["order"]}
    split, whole = clusters.split(body), clusters.whole(body)
    assert _without_index(split) == _without_index(whole)
    for option in _without_index(split):
        assert option["_source"] == {"order": DOCUMENTS[option["_id"]]["order"]}


def test_an_option_names_its_cluster(clusters: SplitClusters) -> None:
    """As a hit does; its kind stands before the name where that is asked for."""
    body = {"suggest": {"s": {"text": "b", "completion": {"field": "name", "size": 200}}}}
    answer = clusters.split(body, typed_keys="true")
    assert set(answer["suggest"]) == {"completion#s"}
    named = {option["_index"] for option in answer["suggest"]["completion#s"][0]["options"]}
    assert named == set(clusters.expressions)
    assert answer["hits"]["hits"] == []

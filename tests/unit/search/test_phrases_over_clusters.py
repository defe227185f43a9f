"""Phrases over clusters: what each of them suggests, reduced as Elasticsearch does it for shards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clusters_split import SplitClusters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTIES: dict[str, Any] = {"body": {"type": "text"}}
_WORDS = ("bridge", "bridges", "brigde", "ridge", "nobel", "noble", "nobles", "prize", "price", "prized")


def _documents() -> dict[str, dict[str, Any]]:
    chance = random.Random(31)  # noqa: S311 - the same documents every time, no secret
    weights = [20, 5, 1, 6, 9, 4, 2, 15, 7, 1]
    return {
        f"d{number}": {"body": " ".join(chance.choices(_WORDS, weights, k=chance.randrange(1, 5)))}
        for number in range(90)
    }


@pytest.fixture(scope="module", params=[1, 2, 5])
def clusters(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SplitClusters]:
    """So many clusters with a part of the documents each."""
    aliases = ["eu", "us", "asia", "africa"][: request.param - 1]
    made = SplitClusters(tmp_path_factory.mktemp("corrected"), *aliases)
    made.write(_documents(), PROPERTIES)
    yield made
    made.close()


_TEXTS = st.lists(st.sampled_from([*_WORDS, "brdge", "nobl", "prise", "x"]), min_size=1, max_size=3).map(
    " ".join
)
_OPTIONS = st.fixed_dictionaries(
    {"size": st.integers(1, 9)},
    optional={
        "max_errors": st.sampled_from([0.5, 1, 2]),
        "gram_size": st.integers(1, 3),
        "highlight": st.just({"pre_tag": "<", "post_tag": ">"}),
    },
)
_GENERATORS = st.lists(
    st.fixed_dictionaries(
        {"field": st.just("body")},
        optional={
            "suggest_mode": st.sampled_from(["missing", "popular", "always"]),
            "max_term_freq": st.just(1_000),
            "prefix_length": st.integers(0, 1),
            "min_word_length": st.just(3),
        },
    ),
    min_size=1,
    max_size=2,
)


def _options(answer: dict[str, Any]) -> list[dict[str, Any]]:
    (entry,) = answer["suggest"]["s"]
    assert set(entry) == {"text", "offset", "length", "options"}
    return list(entry["options"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TEXTS, _OPTIONS, _GENERATORS, st.sampled_from([0, 0.5, 1]))
def test_clusters_suggest_what_they_suggest_together(
    clusters: SplitClusters,
    text: str,
    options: dict[str, Any],
    generators: list[dict[str, Any]],
    confidence: float,
) -> None:
    """The best score of each text; nothing that what was typed beats in any of them."""
    size = options["size"]
    named = {**options, "field": "body", "direct_generator": generators, "shard_size": 1_000}

    def body(**more: Any) -> dict[str, Any]:
        return {"suggest": {"s": {"text": text, "phrase": {**named, **more}}}}

    best: dict[str, dict[str, Any]] = {}
    cutoff = 0.0
    for alias in clusters.aliases:
        # what everything scores there, so that what was typed is among it
        for option in _options(clusters.part(alias, body(confidence=0, size=1_000))):
            if option["score"] > best.get(option["text"], {"score": 0.0})["score"]:
                best[option["text"]] = option
            if option["text"] == text:
                cutoff = max(cutoff, option["score"] * confidence)
    found = _options(clusters.split(body(confidence=confidence)))
    above = [option for option in best.values() if option["score"] > cutoff * (1 + 1e-6)]
    expected = sorted(above, key=lambda option: (-option["score"], option["text"]))[:size]
    assert found == expected
    if len(clusters.aliases) == 1:
        assert found == _options(clusters.whole(body(confidence=confidence)))

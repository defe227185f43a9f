"""An index's settings: known or named, dynamic or final; and the analyzers that they define."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.engines.embedded.analysis import Analyzers, Token
from isthmus.engines.embedded.analysis_custom import make_analyzers
from isthmus.engines.embedded.index_settings import (
    KEPT_WITHOUT_EFFECT,
    IndexSettings,
    analysis_settings,
    change_settings,
    check_new_settings,
    effective_settings,
)
from isthmus.errors import Failure

DEFAULTS = {"index.number_of_shards": "1", "index.number_of_replicas": "1"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"number_of_shards": 3}, {"index.number_of_shards": "3"}),
        ({"index": {"number_of_replicas": 0}}, {"index.number_of_replicas": "0"}),
        ({"index.refresh_interval": "500ms"}, {"index.refresh_interval": "500ms"}),
        ({"index": {"mapping.total_fields": {"limit": "7"}}}, {"index.mapping.total_fields.limit": "7"}),
        ({"index.uuid": "x", "index.hidden": True}, {"index.hidden": "true"}),
        ({"index.max_result_window": None}, {}),
        (
            {"analysis": {"filter": {"f": {"type": "stop", "stopwords": ["a", 1]}}}},
            {"index.analysis.filter.f.type": "stop", "index.analysis.filter.f.stopwords": ["a", "1"]},
        ),
    ],
)
def test_settings_are_kept_flat_and_as_text(given: dict[str, Any], kept: dict[str, Any]) -> None:
    """Nested, prefixed or not: the same flat form comes out, with the defaults that are shown."""
    assert check_new_settings(given) == {**DEFAULTS, **kept}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"index.strange": 1},
            (
                "unknown setting [index.strange] please check that any required plugins are installed, "
                "or check the breaking changes documentation for removed settings"
            ),
        ),
        ({"index.sort.field": "a"}, "setting [index.sort.field] is not supported by the embedded engine"),
        ({"index.similarity.x.type": "BM25"}, "setting [index.similarity.x.type] is not supported"),
        (
            {"number_of_shards": 0},
            "Failed to parse value [0] for setting [index.number_of_shards] must be >= 1",
        ),
        ({"number_of_shards": "x"}, "Failed to parse value [x] for setting [index.number_of_shards]"),
        ({"number_of_shards": [1]}, "for setting [index.number_of_shards]"),
        (
            {"refresh_interval": "1"},
            "failed to parse setting [index.refresh_interval] with value [1] as a time value",
        ),
        ({"hidden": "maybe"}, "Failed to parse value [maybe] as only [true] or [false] are allowed."),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], reason: str) -> None:
    """Unknown, unsupported and unreadable settings are three different answers."""
    with pytest.raises(Failure) as caught:
        check_new_settings(given)
    assert caught.value.error_type == "illegal_argument_exception"
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number_of_shards", "5"),
        ("number_of_replicas", "0"),
        ("auto_expand_replicas", "0-1"),
        ("codec", "best_compression"),
        ("gc_deletes", "60s"),
        ("mapping.nested_fields.limit", "50"),
        ("mapping.nested_objects.limit", "50"),
        ("max_inner_result_window", "100"),
        ("max_script_fields", "2"),
        ("max_slices_per_scroll", "1024"),
        ("number_of_routing_shards", "5"),
        ("priority", "10"),
        ("requests.cache.enable", "true"),
        ("routing.allocation.include._tier_preference", "data_content"),
        ("search.idle.after", "30s"),
        ("soft_deletes.enabled", "true"),
        ("soft_deletes.retention_lease.period", "12h"),
        ("translog.durability", "request"),
        ("translog.flush_threshold_size", "512mb"),
        ("translog.sync_interval", "5s"),
        ("unassigned.node_left.delayed_timeout", "1m"),
    ],
)
def test_what_makes_no_difference_here_is_accepted_and_shown(name: str, value: str) -> None:
    """This is the whole list of settings that are kept without an effect."""
    assert check_new_settings({name: value})[f"index.{name}"] == value
    assert f"index.{name}" in KEPT_WITHOUT_EFFECT
    assert len(KEPT_WITHOUT_EFFECT) == 21


def test_dynamic_settings_change_and_null_restores_the_default() -> None:
    """What a change leaves out stays; None goes back to the default."""
    changed = change_settings(DEFAULTS, {"index.refresh_interval": "5s", "number_of_replicas": 2}, "i/u")
    assert changed == {**DEFAULTS, "index.refresh_interval": "5s", "index.number_of_replicas": "2"}
    assert change_settings(changed, {"refresh_interval": None, "number_of_replicas": None}, "i/u") == DEFAULTS


@pytest.mark.parametrize("given", [{"number_of_shards": 2}, {"analysis.analyzer.a.type": "custom"}])
def test_final_settings_do_not_change(given: dict[str, Any]) -> None:
    """Shards and analyzers are what they were when the index was made."""
    with pytest.raises(
        Failure, match=r"Can't update non dynamic settings \[\[index\..*\]\] for open indices \[\[i/u\]\]"
    ):
        change_settings(DEFAULTS, given, "i/u")


def test_settings_mean_something() -> None:
    """The values that the engine acts on, with Elasticsearch's defaults."""
    assert effective_settings({}) == IndexSettings(1.0, 10_000, 1000)
    kept = check_new_settings({"refresh_interval": "2m", "max_result_window": 5, "hidden": True})
    assert effective_settings(kept) == IndexSettings(120.0, 5, 1000, hidden=True)
    assert effective_settings({"index.refresh_interval": "-1"}).refresh_interval_seconds == -1


@pytest.mark.parametrize(
    ("analyzer", "text", "terms"),
    [
        (
            "standard",
            "The QUICK don't 3.14 foo_bar e-mail x.1 ÉTÉ",
            ["the", "quick", "don't", "3.14", "foo_bar", "e", "mail", "x", "1", "été"],
        ),
        ("standard", "中国 ひら カタカナ", ["中", "国", "ひ", "ら", "カタカナ"]),
        ("simple", "It's 4 O'Clock", ["it", "s", "o", "clock"]),
        ("stop", "The cat is in", ["cat"]),
        ("whitespace", "A b-C", ["A", "b-C"]),
        ("keyword", "A b", ["A b"]),
        ("english", "The running foxes", ["run", "fox"]),
    ],
)
def test_the_built_in_analyzers(analyzer: str, text: str, terms: list[str]) -> None:
    """Terms come out as Elasticsearch's analyzer of that name makes them."""
    assert Analyzers().terms(analyzer, text) == terms


def test_stop_words_leave_gaps() -> None:
    """Positions count the words that are left out, so that phrases stay apart."""
    assert Analyzers().tokens("english", "fox in the box") == [Token("fox", 0), Token("box", 3)]


def custom(**sections: Any) -> Analyzers:
    """Make analyzers through the settings, as an index does."""
    return make_analyzers(analysis_settings(check_new_settings({"analysis": sections})))


def test_analyzers_are_made_from_settings() -> None:
    """Tokenizers and filters of the settings are put together, the default analyzer too."""
    analyzers = custom(
        analyzer={
            "folded": {"tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
            "parts": {"type": "custom", "tokenizer": "starts", "filter": "lowercase"},
            "default": {"type": "whitespace"},
            "little": {"tokenizer": "letter", "filter": ["lowercase", "few"]},
        },
        tokenizer={"starts": {"type": "edge_ngram", "min_gram": "2", "max_gram": "3"}},
        filter={"few": {"type": "stop", "stopwords": ["und"]}},
    )
    assert analyzers.terms("folded", "Été") == ["ete"]
    assert analyzers.terms("parts", "House") == ["ho", "hou"]
    assert analyzers.terms("default", "A-b C") == ["A-b", "C"]
    assert analyzers.terms("little", "Du und ich") == ["du", "ich"]


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"analyzer": {"a": {"tokenizer": "icu"}}}, "failed to find tokenizer under name [icu]"),
        (
            {"analyzer": {"a": {"tokenizer": "standard", "filter": ["synonym"]}}},
            "failed to find filter under name [synonym]",
        ),
        (
            {"analyzer": {"a": {"tokenizer": "standard", "char_filter": ["html_strip"]}}},
            "[analysis.analyzer.a.char_filter] is not supported",
        ),
        ({"analyzer": {"a": {"filter": ["lowercase"]}}}, "analyzer [a] must be configured with a tokenizer"),
        ({"analyzer": {"a": {"type": "klingon"}}}, "Unknown analyzer type [klingon] for [a]"),
        ({"analyzer": {"a": "text"}}, "[analysis.analyzer.a] must be an object"),
        ({"normalizer": {"n": {"type": "custom"}}}, "[analysis.normalizer] is not supported"),
        (
            {
                "analyzer": {"a": {"tokenizer": "t"}},
                "tokenizer": {"t": {"type": "ngram", "min_gram": 3, "max_gram": 2}},
            },
            "in order",
        ),
        (
            {
                "analyzer": {"a": {"tokenizer": "standard", "filter": ["s"]}},
                "filter": {"s": {"type": "stemmer", "language": "elvish"}},
            },
            "stemmer [elvish]",
        ),
    ],
)
def test_an_analyzer_that_cannot_be_made_is_named(sections: dict[str, Any], reason: str) -> None:
    """What the library has not is a 400 that says what."""
    with pytest.raises(Failure) as caught:
        custom(**sections)
    assert reason in caught.value.reason

"""The two clauses that read a text with operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded_search_bench import SearchBench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure

DOCUMENTS = {
    "fox": {"title": "quick brown fox", "tag": "Animal", "count": 3, "day": "2024-01-05"},
    "dog": {"title": "lazy brown dog", "tag": "Animal", "count": 9, "day": "2024-02-10"},
    "car": {"title": "quick red car", "tag": "thing/1", "count": 7},
    "pie": {"title": "apple pie", "note": "brown crust"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchBench]:
    """Four documents."""
    made = SearchBench(tmp_path_factory.mktemp("strings"))
    made.create(
        "shelf",
        {
            "title": {"type": "text"},
            "tag": {"type": "keyword"},
            "count": {"type": "integer"},
            "day": {"type": "date"},
        },
    )
    made.write("shelf", DOCUMENTS)
    yield made
    made.close()


QUERY_STRINGS: list[tuple[str, dict[str, Any], str]] = [
    ("fox", {}, "fox"),
    ("brown", {}, "fox dog pie"),
    ("brown", {"default_field": "title"}, "fox dog"),
    ("quick brown", {"default_field": "title"}, "fox dog car"),
    ("quick brown", {"default_field": "title", "default_operator": "AND"}, "fox"),
    ("quick AND brown", {"default_field": "title"}, "fox"),
    ("quick && brown", {"default_field": "title"}, "fox"),
    ("fox OR dog", {}, "fox dog"),
    ("fox || dog", {"default_operator": "and"}, "fox dog"),
    ("brown NOT fox", {"default_field": "title"}, "dog"),
    ("brown -fox", {"default_field": "title"}, "dog"),
    ("brown !fox", {"default_field": "title"}, "dog"),
    ("NOT quick", {"default_field": "title"}, "dog pie"),
    ("+brown +(fox lazy) -red", {"default_field": "title"}, "fox dog"),
    ("(quick OR lazy) AND brown", {"default_field": "title"}, "fox dog"),
    ("title:fox tag:Animal", {}, "fox dog"),
    ("title:(fox pie)", {}, "fox pie"),
    ("tag:animal", {}, ""),
    (r"tag:thing\/1", {}, "car"),
    ('tag:"thing/1"', {}, "car"),
    ('"brown fox"', {}, "fox"),
    ('"quick fox"', {}, ""),
    ('"quick fox"~1', {}, "fox"),
    ('title:"quick car"', {"phrase_slop": 1}, "car"),
    ("title:QUI*", {}, "fox car"),
    ("title:?pple", {}, "pie"),
    ("qui*", {}, "fox car"),
    ("title:/[fd]o[xg]/", {}, "fox dog"),
    ("title:quikc~", {}, "fox car"),
    ("title:fux~1", {}, "fox"),
    ("count:[3 TO 7]", {}, "fox car"),
    ("count:[3 TO 7}", {}, "fox"),
    ("count:{3 TO *}", {}, "dog car"),
    ("count:>=7", {}, "dog car"),
    ("count:<7", {}, "fox"),
    ("count:(>3 AND <9)", {}, "car"),
    ("day:[2024-01 TO 2024-01]", {}, "fox"),
    ("day:2024-02-10", {}, "dog"),
    ("count:x", {"lenient": True}, ""),
    ("7", {}, "car"),
    ("_exists_:day", {}, "fox dog"),
    ("day:*", {}, "fox dog"),
    ("*", {}, "fox dog car pie"),
    ("*:*", {}, "fox dog car pie"),
    ("_id:pie", {}, "pie"),
    ("nowhere:x", {}, ""),
    ("n*e:crust", {}, "pie"),
    ("fox^2 dog^0.5", {"fields": ["title^3", "note"]}, "fox dog"),
    ("quick red fox", {"default_field": "title", "minimum_should_match": 2}, "fox car"),
    ("fox (", {"escape": True, "default_field": "title"}, "fox"),
    ("   ", {}, ""),
]


@pytest.mark.parametrize(("text", "parameters", "expected"), QUERY_STRINGS)
def test_query_string_finds_what_lucene_would(
    bench: SearchBench, text: str, parameters: dict[str, Any], expected: str
) -> None:
    """Operators, fields, phrases, patterns, ranges and their combinations."""
    assert set(bench.ids("shelf", {"query_string": {"query": text, **parameters}})) == set(expected.split())


@pytest.mark.parametrize(
    "text", ["(fox", "fox)", "AND fox", "fox AND", '"fox', "count:[1 TO", "fox^", "a:b:c", "/x"]
)
def test_a_text_that_is_not_in_the_syntax_is_refused(bench: SearchBench, text: str) -> None:
    """The failure shows the text, as an index's failure."""
    failure = bench.search("shelf", query={"query_string": {"query": text}}).failures[0]
    assert failure.error_type == "query_shard_exception"
    assert failure.reason.startswith(f"Failed to parse query [{text}]")


@pytest.mark.parametrize(
    "body",
    [{}, {"query": "a", "nonsense": 1}, {"query": "a", "type": "cross_fields"}, {"query": "a", "fields": 5}],
)
def test_unknown_parameters_are_refused(bench: SearchBench, body: dict[str, Any]) -> None:
    """What the clause does not know is a 400 of the request."""
    with pytest.raises(Failure) as caught:
        bench.search("shelf", query={"query_string": body})
    assert caught.value.error_type == "parsing_exception"


SIMPLE: list[tuple[str, dict[str, Any], str]] = [
    ("fox dog", {}, "fox dog"),
    ("quick brown", {"default_operator": "and"}, "fox"),
    ("quick + brown", {"fields": ["title"]}, "fox"),
    ("fox | dog", {"default_operator": "and"}, "fox dog"),
    ("brown + -fox", {"fields": ["title"]}, "dog"),
    ("(fox | dog) + brown", {}, "fox dog"),
    ('"brown fox"', {}, "fox"),
    ('"quick fox"~1', {}, "fox"),
    ("app*", {}, "pie"),
    ("fux~1", {}, "fox"),
    ("*", {}, "fox dog car pie"),
    ("fox AND", {}, "fox"),
    ("fox )(", {}, "fox"),
    ('fox "', {}, "fox"),
    ("", {}, ""),
    ("-", {}, ""),
    ("7", {}, "car"),
    ("quick red fox", {"fields": ["title"], "minimum_should_match": 2}, "fox car"),
    ("quick red fox", {"fields": ["title"], "minimum_should_match": "-2"}, "fox car"),
    ("(quick | red) fox", {"fields": ["title"], "minimum_should_match": 2}, "fox"),
]


@pytest.mark.parametrize(("text", "parameters", "expected"), SIMPLE)
def test_simple_query_string_forgives(
    bench: SearchBench, text: str, parameters: dict[str, Any], expected: str
) -> None:
    """Every text is read; what makes no sense is left out."""
    query = {"simple_query_string": {"query": text, **parameters}}
    assert set(bench.ids("shelf", query)) == set(expected.split())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('ab +-|&!(){}[]^"~*?:\\/<>=1TO'), max_size=14))
def test_no_text_is_a_crash(bench: SearchBench, text: str) -> None:
    """Any characters are an answer, or a 400 of the index or the request, never anything else."""
    for clause in ("query_string", "simple_query_string"):
        kinds = {"INVALID_REQUEST"}
        try:
            result = bench.search("shelf", query={clause: {"query": text}})
            kinds |= {failure.kind for failure in result.failures}
        except Failure as failure:
            kinds.add(failure.kind.name)
        assert kinds == {"INVALID_REQUEST"}

"""What attached engines answer, read: failures, descriptions, outcomes, sort values, numbers of documents."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from isthmus.engines.attached.answers import failure_of_answer, read_object
from isthmus.engines.attached.calls import in_paths, path_of
from isthmus.engines.attached.descriptions import read_descriptions
from isthmus.engines.attached.field_types import field_types
from isthmus.engines.attached.results import read_search, result_of_failure
from isthmus.engines.attached.shard_documents import ShardLayout, murmur3, routing_shards
from isthmus.engines.attached.sorting import read_values, search_after_of, sort_kinds
from isthmus.engines.attached.writing import bulk_lines, read_outcomes
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest, SortKey, WriteKind, WriteOperation

TYPES = field_types(
    {
        "properties": {
            "n": {"type": "long"},
            "i": {"type": "integer"},
            "d": {"type": "double"},
            "t": {"type": "keyword"},
            "a": {"type": "ip"},
        }
    }
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "error_type"),
    [
        (
            400,
            {"error": {"type": "parsing_exception", "reason": "r"}},
            "INVALID_REQUEST",
            "parsing_exception",
        ),
        (404, {"error": {"type": "index_not_found_exception"}}, "NOT_FOUND", "index_not_found_exception"),
        (
            429,
            {"error": {"type": "open_search_rejected_execution_exception"}},
            "TOO_MANY_REQUESTS",
            "es_rejected_execution_exception",
        ),
        (403, {"error": {"type": "cluster_block_exception"}}, "FORBIDDEN", "cluster_block_exception"),
        (403, {"error": {"type": "security_exception"}}, "UNAVAILABLE", "engine_exception"),
        (401, {"message": "who are you"}, "UNAVAILABLE", "engine_exception"),
        (503, {"error": "no master"}, "UNAVAILABLE", "engine_exception"),
        (
            503,
            {"error": {"type": "cluster_manager_not_discovered_exception"}},
            "UNAVAILABLE",
            "master_not_discovered_exception",
        ),
        (418, [], "INVALID_REQUEST", "engine_exception"),
    ],
)
def test_failures_keep_their_meaning_in_our_words(status: int, body: Any, kind: str, error_type: str) -> None:
    """By status and type; what our own credentials may not do is no caller's fault."""
    failure = failure_of_answer(status, orjson.dumps(body))
    assert (failure.kind.name, failure.error_type) == (kind, error_type)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff"])
def test_answers_of_another_form_are_failures_of_the_engine(body: bytes) -> None:
    """And never anything else than a failure."""
    for read in (read_object, read_search):
        with pytest.raises(Failure, match="not understood"):
            read(body)
    assert failure_of_answer(500, body).kind is FailureKind.INTERNAL


def test_a_search_that_all_shards_failed_is_a_result_of_failures() -> None:
    """With the index of each, and its reason."""
    error = {
        "type": "search_phase_execution_exception",
        "failed_shards": [
            {"shard": 0, "index": "i", "reason": {"type": "query_shard_exception", "reason": "r"}}
        ],
    }
    result = result_of_failure(error, FailureKind.INVALID_REQUEST)
    assert result is not None
    assert [(each.index, each.kind, each.error_type) for each in result.failures] == [
        ("i", "INVALID_REQUEST", "query_shard_exception")
    ]
    assert result_of_failure({"type": "parsing_exception"}, FailureKind.INVALID_REQUEST) is None


def test_indices_are_described_however_their_settings_are_written() -> None:
    """Flat or nested; one with a type around its mapping, a closed one, a hidden one."""
    answer = {
        "a": {
            "aliases": {"x": {"filter": {"term": {"f": 1}}}},
            "mappings": {"_doc": {"properties": {"f": {"type": "long"}}}},
            "settings": {"index": {"uuid": "U", "creation_date": "17", "number_of_shards": "3"}},
        },
        ".hidden": {"settings": {"index.hidden": "true"}},
        "Not:a:name": {},
    }
    found = {str(name): each for name, each in read_descriptions(answer, frozenset({"a"})).items()}
    assert set(found) == {"a", ".hidden"}
    assert (found["a"].uuid, found["a"].created_milliseconds, found["a"].closed) == ("U", 17, True)
    assert found["a"].mappings == {"properties": {"f": {"type": "long"}}}
    assert found["a"].settings["index.number_of_shards"] == "3"
    assert found["a"].aliases == {"x": {"filter": {"term": {"f": 1}}}}
    assert found[".hidden"].hidden


def test_documents_of_many_lines_are_written_on_one() -> None:
    """Line breaks between members are spaces in a bulk request."""
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id="1", source=b'{\n"a":\r\n1}', if_seq_no=3, if_primary_term=1),
        WriteOperation(kind=WriteKind.DELETE, id="2", version=5, version_type="external"),
        WriteOperation(kind=WriteKind.INDEX, source=b"{}"),
    ]
    assert bulk_lines(operations).decode().split("\n") == [
        '{"index":{"_id":"1","if_seq_no":3,"if_primary_term":1}}',
        '{ "a":  1}',
        '{"delete":{"_id":"2","version":5,"version_type":"external"}}',
        '{"index":{}}',
        "{}",
        "",
    ]


def test_outcomes_are_those_of_the_operations_in_order() -> None:
    """A rejection keeps its kind; an answer of another length is a failure."""
    operations = [WriteOperation(kind=WriteKind.INDEX, id=each, source=b"{}") for each in "ab"]
    items = [
        {
            "index": {
                "_id": "a",
                "result": "created",
                "_version": 1,
                "_seq_no": 4,
                "_primary_term": 2,
                "status": 201,
            }
        },
        {
            "index": {
                "_id": "b",
                "status": 429,
                "error": {"type": "opensearch_rejected_execution_exception", "reason": "full"},
            }
        },
    ]
    first, second = read_outcomes(orjson.dumps({"items": items}), operations, "i")
    assert (first.id, first.result, first.version, first.seq_no, first.primary_term) == (
        "a",
        "created",
        1,
        4,
        2,
    )
    assert second.failure is not None
    assert second.failure.kind == "TOO_MANY_REQUESTS"
    assert second.failure.error_type == "es_rejected_execution_exception"
    with pytest.raises(Failure, match="not understood"):
        read_outcomes(orjson.dumps({"items": items[:1]}), operations, "i")


def test_extremes_stand_for_values_that_are_missing() -> None:
    """In answers they are nothing; where a page begins after nothing they are sent."""
    sort = tuple(SortKey(field=field) for field in "nidta")
    assert read_values(sort, [(1 << 63) - 1, (1 << 31) - 1, "Infinity", None, None], TYPES) == (None,) * 5
    first = tuple(SortKey(field=field, missing="_first") for field in "nidt")
    request = SearchRequest(sort=first, search_after=(None,) * 4)
    assert search_after_of(request, TYPES, {"integer"}) == [-(1 << 63), -(1 << 31), "-Infinity", None]
    assert sort_kinds(sort, TYPES) == ("", "", "", "", "ip")
    with pytest.raises(ValueError, match="as many"):
        read_values(sort, [1], TYPES)
    with pytest.raises(TypeError):
        read_values(sort[:1], [[1]], TYPES)


@pytest.mark.parametrize(
    ("text", "number"),
    [("hell", 0x5A0CB7C3), ("hello", 0xD7C31989), ("hello w", 0x22AB2984), ("hello wo", 0xDF0CA123)],
)
def test_documents_are_hashed_as_engines_hash_them(text: str, number: int) -> None:
    """MurmurHash3 of the text as UTF-16."""
    assert murmur3(text) & 0xFFFFFFFF == number


def test_shards_follow_from_ids() -> None:
    """As many parts of the space of hashes as engines have; one shard has everything."""
    assert [routing_shards(shards) for shards in (1, 2, 3, 5, 1_500)] == [1_024, 1_024, 768, 640, 3_000]
    layout = ShardLayout.of_settings({"index.number_of_shards": "3"})
    assert {layout.shard_of(str(number), None) for number in range(50)} == {0, 1, 2}
    assert layout.shard_of("1", "same") == layout.shard_of("2", "same")
    assert ShardLayout.of_settings({}).shard_of("any", None) == 0


def test_names_are_single_parts_of_paths() -> None:
    """Whatever is in them; many are several paths."""
    assert path_of(["a", "b/c?"], "_doc", "1/2") == "/a,b%2Fc%3F/_doc/1%2F2"
    names = ["x" * 100] * 70
    assert [len(some) for some in in_paths(names)] == [29, 29, 12]
    assert in_paths([]) == []

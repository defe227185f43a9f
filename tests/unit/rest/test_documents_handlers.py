"""Single documents and ``_mget``, over an engine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from data_api_client import DataApiClient, principal_of

from isthmus.security.principal import IndexPrivileges, RoleDescriptor


@pytest.fixture
def api() -> DataApiClient:
    """Make a data API without indices."""
    return DataApiClient()


async def test_a_document_from_its_making_to_its_end(api: DataApiClient) -> None:
    """Index, get, replace, delete, and what each of them answers."""
    made = await api("PUT", "/logs/_doc/1", {"a": 1})
    assert made.status == 201
    assert made.headers["Location"] == "/logs/_doc/1"
    assert made.json == {
        "_index": "logs",
        "_id": "1",
        "_version": 1,
        "result": "created",
        "_shards": {"total": 2, "successful": 1, "failed": 0},
        "_seq_no": 0,
        "_primary_term": 1,
    }
    assert (await api("GET", "/logs/_doc/1")).json == {
        "_index": "logs",
        "_id": "1",
        "_version": 1,
        "_seq_no": 0,
        "_primary_term": 1,
        "found": True,
        "_source": {"a": 1},
    }
    replaced = await api("POST", "/logs/_doc/1?refresh", {"a": 2})
    assert (replaced.status, replaced.json["result"], replaced.json["forced_refresh"]) == (
        200,
        "updated",
        True,
    )
    deleted = await api("DELETE", "/logs/_doc/1")
    assert (deleted.status, deleted.json["result"], deleted.json["_version"]) == (200, "deleted", 3)
    again = await api("DELETE", "/logs/_doc/1")
    assert (again.status, again.json["result"]) == (404, "not_found")
    gone = await api("GET", "/logs/_doc/1")
    assert (gone.status, gone.json) == (404, {"_index": "logs", "_id": "1", "found": False})


async def test_a_new_id_is_made(api: DataApiClient) -> None:
    """A document without an id gets one; its location is percent-encoded where needed."""
    made = await api("POST", "/logs/_doc", {"a": 1})
    assert made.status == 201
    assert (await api("GET", f"/logs/_doc/{made.json['_id']}")).status == 200
    odd = await api("PUT", "/logs/_doc/a%2Fb%20c", {"a": 1})
    assert (odd.json["_id"], odd.headers["Location"]) == ("a/b c", "/logs/_doc/a%2Fb%20c")


@pytest.mark.parametrize("target", ["/logs/_create/1", "/logs/_doc/1?op_type=create"])
async def test_create_does_not_replace(api: DataApiClient, target: str) -> None:
    """The second one is a conflict that names the index."""
    assert (await api("PUT", target, {"a": 1})).status == 201
    refused = await api("PUT", target, {"a": 2})
    assert (refused.status, refused.error_type) == (409, "version_conflict_engine_exception")
    assert refused.json["error"]["index"] == "logs"
    assert (await api("GET", "/logs/_source/1")).json == {"a": 1}


async def test_compare_and_set(api: DataApiClient) -> None:
    """A write happens only if nobody else wrote in between."""
    made = (await api("PUT", "/logs/_doc/1", {"a": 1})).json
    condition = f"if_seq_no={made['_seq_no']}&if_primary_term={made['_primary_term']}"
    assert (await api("PUT", f"/logs/_doc/1?{condition}", {"a": 2})).status == 200
    assert (await api("PUT", f"/logs/_doc/1?{condition}", {"a": 3})).status == 409
    assert (await api("DELETE", f"/logs/_doc/1?{condition}")).status == 409


async def test_external_versions(api: DataApiClient) -> None:
    """A version of the caller's must grow; with ``external_gte`` it may stay."""
    assert (await api("PUT", "/logs/_doc/1?version=5&version_type=external", {})).json["_version"] == 5
    assert (await api("PUT", "/logs/_doc/1?version=5&version_type=external", {})).status == 409
    assert (await api("PUT", "/logs/_doc/1?version=5&version_type=external_gte", {})).status == 200
    assert (await api("GET", "/logs/_doc/1?version=5")).status == 200
    conflict = await api("GET", "/logs/_doc/1?version=4")
    assert (
        conflict.reason == "[1]: version conflict, current version [5] is different than the one provided [4]"
    )


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "reason"),
    [
        ("PUT", "/logs/_doc/1", b"", 400, "Validation Failed: 1: source is missing;"),
        ("PUT", "/logs/_doc/1?op_type=bad", {}, 400, "opType must be 'create' or 'index', found: [bad]"),
        ("PUT", "/logs/_doc/1?refresh=soon", {}, 400, "Unknown value for refresh: [soon]."),
        ("PUT", "/logs/_doc/1?pipeline=p", {}, 400, "pipeline with id [p] does not exist"),
        ("PUT", "/logs/_doc/1?version_type=odd", {}, 400, "No version type match [odd]"),
        (
            "PUT",
            "/logs/_doc/1?if_seq_no=x",
            {},
            400,
            "Failed to parse long parameter [if_seq_no] with value [x]",
        ),
        ("PUT", "/logs/_doc/1?if_seq_no=-1", {}, 400, "sequence numbers must be non negative. got [-1]."),
        (
            "PUT",
            "/logs/_doc/1?if_seq_no=1",
            {},
            400,
            "Validation Failed: 1: ifSeqNo is set, but primary term is [0];",
        ),
        (
            "PUT",
            "/logs/_doc/1?if_primary_term=1",
            {},
            400,
            "Validation Failed: 1: ifSeqNo is unassigned, but primary term is [1];",
        ),
        (
            "PUT",
            "/logs/_doc/1?version=1",
            {},
            400,
            (
                "Validation Failed: 1: internal versioning can not be used for optimistic concurrency "
                "control. Please use `if_seq_no` and `if_primary_term` instead;"
            ),
        ),
        (
            "PUT",
            "/logs/_create/1?version=1&version_type=external",
            {},
            400,
            "Validation Failed: 1: create operations only support internal versioning. use index instead;",
        ),
        (
            "PUT",
            f"/logs/_doc/{'x' * 513}",
            {},
            400,
            (
                f"Validation Failed: 1: id [{'x' * 512}] is too long, "
                "must be no longer than 512 bytes but was: 513;"
            ),
        ),
        ("PUT", "/_logs/_doc/1", {}, 400, "Invalid index name [_logs], must not start with '_', '-', or '+'"),
        ("PUT", "/Logs/_doc/1", {}, 400, "Invalid index name [Logs], must be lowercase"),
        (
            "PUT",
            "/logs/_doc/1?require_alias",
            {},
            404,
            "no such index [logs] and [require_alias] request flag is [true] and [logs] is not an alias",
        ),
        ("PUT", "/logs/_doc/1?wait_for_active_shards=2", {}, 400, None),
        ("DELETE", "/logs/_doc/1", b"", 404, "no such index [logs]"),
        ("GET", "/logs/_doc/1", b"", 404, "no such index [logs]"),
        ("GET", "/logs/_source/1?_source=false", b"", 400, None),
        (
            "GET",
            "/logs/_doc/1?sauce=1",
            b"",
            400,
            "request [/logs/_doc/1] contains unrecognized parameter: [sauce] -> did you mean [_source]?",
        ),
        ("POST", "/logs/_update/1", {}, 400, "Validation Failed: 1: script or doc is missing;"),
        ("POST", "/logs/_update/1", {"script": "x"}, 400, "[script] is not supported: updates take [doc]"),
        (
            "POST",
            "/logs/_update/1",
            {"dog": {}},
            400,
            "[UpdateRequest] unknown field [dog] did you mean [doc]?",
        ),
        ("POST", "/logs/_update/1", {"doc": 1}, 400, None),
        ("POST", "/logs/_update/1", [], 400, None),
        ("POST", "/logs/_update/1", {"doc": {}, "detect_noop": 3}, 400, None),
        ("POST", "/logs/_update/1", {"doc": {}}, 404, "[1]: document missing"),
    ],
)
async def test_refusals(
    api: DataApiClient, method: str, target: str, body: Any, status: int, reason: str | None
) -> None:
    """What cannot be done is said in Elasticsearch's words."""
    answer = await api(method, target, body)
    assert answer.status == status
    assert answer.json["status"] == status
    if reason is not None:
        assert answer.reason == reason


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": {}}),
        ("?_source=true", {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": {}}),
        ("?_source=false", None),
        ("?_source=a.b", {"a": {"b": 1}}),
        ("?_source=a,d.e", {"a": {"b": 1, "c": 2}, "d": [{"e": 1}]}),
        ("?_source_includes=*.c", {"a": {"c": 2}}),
        ("?_source_excludes=a,d.f", {"d": [{"e": 1}], "g": {}}),
        ("?_source_includes=a&_source_excludes=*.b", {"a": {"c": 2}}),
        ("?_source_excludes=*.*", {"a": {}, "d": [{}], "g": {}}),
    ],
)
async def test_shows_the_wanted_part_of_a_source(api: DataApiClient, query: str, expected: Any) -> None:
    """Patterns match whole paths; a name covers what is below it."""
    await api("PUT", "/logs/_doc/1", {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": {}})
    assert (await api("GET", f"/logs/_doc/1{query}")).json.get("_source") == expected


async def test_without_realtime_only_what_was_refreshed_is_shown(api: DataApiClient) -> None:
    """``realtime=false`` sees what a search sees."""
    await api("PUT", "/logs/_doc/1", {"a": 1})
    for target in ("/logs/_doc/1", "/logs/_source/1"):
        assert (await api("GET", f"{target}?realtime=false")).status == 404
        assert (await api("GET", f"{target}?realtime=false&refresh=true")).status == 200
        await api("PUT", "/logs/_doc/1", {"a": 1})
        await api("DELETE", "/logs")
        await api("PUT", "/logs/_doc/1", {"a": 1})
    found = await api("POST", "/logs/_mget?realtime=false", {"ids": ["1"]})
    assert found.json["docs"][0]["found"] is False


async def test_update(api: DataApiClient) -> None:
    """Merge, change nothing, insert, and show the result where it is asked for."""
    await api("PUT", "/logs/_doc/1", {"a": 1})
    merged = await api("POST", "/logs/_update/1?_source_includes=b", {"doc": {"b": 2}})
    assert (merged.json["result"], merged.json["get"]["_source"]) == ("updated", {"b": 2})
    same = await api("POST", "/logs/_update/1", {"doc": {"b": 2}})
    assert (same.json["result"], same.json["_shards"]["total"]) == ("noop", 0)
    inserted = await api("POST", "/logs/_update/2", {"doc": {"c": 3}, "doc_as_upsert": True, "_source": True})
    assert (inserted.status, inserted.json["get"]["_source"]) == (201, {"c": 3})
    assert inserted.headers["Location"] == "/logs/_doc/2"


async def test_writes_go_to_the_write_index_of_an_alias(api: DataApiClient) -> None:
    """One index is enough; of several, one must be the write index."""
    await api("PUT", "/logs-1", {"aliases": {"logs": {}}})
    assert (await api("PUT", "/logs/_doc/1?require_alias=true", {})).json["_index"] == "logs-1"
    assert (await api("GET", "/logs/_doc/1")).json["_index"] == "logs-1"
    await api("PUT", "/logs-2", {"aliases": {"logs": {}}})
    refused = await api("PUT", "/logs/_doc/1", {})
    assert (refused.status, refused.reason[:44]) == (400, "no write index is defined for alias [logs]. ")
    assert "more than one index" in (await api("GET", "/logs/_doc/1")).reason
    await api("PUT", "/logs-2/_alias/logs", {"is_write_index": True})
    assert (await api("PUT", "/logs/_doc/1", {})).json["_index"] == "logs-2"
    await api("PUT", "/only", {"aliases": {"frozen": {"is_write_index": False}}})
    assert (await api("PUT", "/frozen/_doc/1", {})).status == 400


@pytest.mark.parametrize(
    ("setting", "name", "reason"),
    [
        ("false", "logs", "no such index [logs] and [action.auto_create_index] is [false]"),
        ("+a*,-b*", "bees", None),
        ("+a*,-b*", "logs", "no such index [logs] and [action.auto_create_index] ([+a*,-b*]) doesn't match"),
    ],
)
async def test_indices_are_made_only_where_that_is_allowed(
    setting: str, name: str, reason: str | None
) -> None:
    """``action.auto_create_index`` is obeyed."""
    api = DataApiClient(setting)
    assert (await api("PUT", "/ants/_doc/1", {})).status == (404 if setting == "false" else 201)
    refused = await api("PUT", f"/{name}/_doc/1", {})
    assert (refused.status, refused.error_type) == (404, "index_not_found_exception")
    if reason is not None:
        assert refused.reason == reason


async def test_multi_get(api: DataApiClient) -> None:
    """Documents come in the order they are asked for; one that fails stops no other."""
    await api("PUT", "/logs/_doc/1", {"a": 1, "b": 2})
    answer = await api(
        "POST",
        "/_mget",
        {
            "docs": [
                {"_index": "logs", "_id": 1, "_source": ["b"]},
                {"_index": "logs", "_id": "2"},
                {"_index": "none", "_id": "1"},
                {"_index": "logs", "_id": "1", "_source": False},
            ]
        },
    )
    first, second, third, fourth = answer.json["docs"]
    assert first["_source"] == {"b": 2}
    assert second == {"_index": "logs", "_id": "2", "found": False}
    assert third["error"]["type"] == "index_not_found_exception"
    assert ("_source" in fourth, fourth["found"]) == (False, True)
    by_ids = await api("GET", "/logs/_mget?_source=a", {"ids": ["1", "2"]})
    assert [one["found"] for one in by_ids.json["docs"]] == [True, False]
    assert by_ids.json["docs"][0]["_source"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Validation Failed: 1: no documents to get;"),
        ({"docs": [{}]}, "Validation Failed: 1: index is missing for doc 0;2: id is missing for doc 0;"),
        ({"ids": ["1"]}, "Validation Failed: 1: index is missing for doc 0;"),
        ({"docs": [1]}, "docs array element should include an object"),
        ({"docs": {}}, "[docs] must be an array"),
        ({"dogs": []}, "unknown key [dogs] for a multi get request"),
        ({"docs": [{"_index": "a", "_id": "1", "_type": "t"}]}, "unknown parameter [_type] in request body"),
    ],
)
async def test_multi_get_refusals(api: DataApiClient, body: Any, reason: str) -> None:
    """What is wrong with the request is named."""
    answer = await api("POST", "/_mget", body)
    assert (answer.status, answer.reason) == (400, reason)


async def test_permission_is_asked_for_each_action(api: DataApiClient) -> None:
    """A reader reads, and writes nothing; nothing else is to be seen."""
    reader = RoleDescriptor(name="reader", indices=(IndexPrivileges(names=("logs",), privileges=("read",)),))
    api.authenticator.principals["reader"] = principal_of("reader", reader)
    headers = {"authorization": "reader"}
    await api("PUT", "/logs/_doc/1", {"a": 1})
    await api("PUT", "/other/_doc/1", {"a": 1})
    assert (await api("GET", "/logs/_doc/1", headers=headers)).status == 200
    for method, target, body in [
        ("GET", "/other/_doc/1", b""),
        ("GET", "/missing/_doc/1", b""),
        ("PUT", "/logs/_doc/2", b"{}"),
        ("DELETE", "/logs/_doc/1", b""),
        ("POST", "/logs/_update/1", b'{"doc":{}}'),
        ("PUT", "/new/_doc/1", b"{}"),
    ]:
        refused = await api(method, target, body, headers)
        assert (refused.status, refused.error_type) == (403, "security_exception")
    assert set(api.engine.indices()) == {"logs", "other"}


async def test_create_doc_allows_new_documents_only(api: DataApiClient) -> None:
    """The privilege ``create_doc`` covers creating and a made id, not replacing."""
    writer = RoleDescriptor(
        name="writer",
        indices=(IndexPrivileges(names=("logs",), privileges=("create_doc", "auto_configure")),),
    )
    api.authenticator.principals["writer"] = principal_of("writer", writer)
    headers = {"authorization": "writer"}
    assert (await api("POST", "/logs/_doc", {}, headers)).status == 201
    assert (await api("PUT", "/logs/_create/1", {}, headers)).status == 201
    assert (await api("PUT", "/logs/_doc/1", {}, headers)).status == 403


async def test_documents_and_fields_that_are_hidden_stay_hidden(api: DataApiClient) -> None:
    """Get and mget show what a search would show, and an update through such a role is refused."""
    role = RoleDescriptor(
        name="mine",
        indices=(
            IndexPrivileges(
                names=("logs",),
                privileges=("read", "write"),
                query={"term": {"owner": "me"}},
                field_security={"grant": ["owner", "a"]},
            ),
        ),
    )
    api.authenticator.principals["me"] = principal_of("me", role)
    headers = {"authorization": "me"}
    await api("PUT", "/logs/_doc/1?refresh", {"owner": "me", "a": 1, "secret": 2})
    await api("PUT", "/logs/_doc/2?refresh", {"owner": "you", "a": 1})
    assert (await api("GET", "/logs/_source/1", headers=headers)).json == {"owner": "me", "a": 1}
    assert (await api("GET", "/logs/_doc/2", headers=headers)).status == 404
    found = (await api("GET", "/logs/_mget", {"ids": ["1", "2"]}, headers)).json["docs"]
    assert [one["found"] for one in found] == [True, False]
    refused = await api("POST", "/logs/_update/1?_source=true", {"doc": {"a": 2}}, headers)
    assert (refused.status, refused.error_type) == (400, "security_exception")

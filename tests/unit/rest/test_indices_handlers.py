"""Indices, settings, mappings, aliases, refresh and statistics, over an engine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from data_api_client import DataApiClient, principal_of

from isthmus.errors import Failure
from isthmus.rest.elasticsearch.aliases import missing_names
from isthmus.rest.elasticsearch.aliases_parsing import AliasAction, alias_parameters, parse_alias_actions
from isthmus.rest.elasticsearch.index_settings import flat_settings, nested_settings
from isthmus.rest.elasticsearch.mappings import field_mappings
from isthmus.security.principal import IndexPrivileges, RoleDescriptor


@pytest.fixture
def api() -> DataApiClient:
    """Make a data API without indices."""
    return DataApiClient()


@pytest.mark.parametrize(
    ("written", "flat"),
    [
        (None, {}),
        ({"number_of_shards": 1}, {"index.number_of_shards": "1"}),
        (
            {"index": {"number_of_replicas": 0, "a": {"b": True}}},
            {"index.number_of_replicas": "0", "index.a.b": "true"},
        ),
        ({"index.refresh_interval": "-1"}, {"index.refresh_interval": "-1"}),
        ({"analysis.filter.x.stopwords": ["a", 1]}, {"index.analysis.filter.x.stopwords": ["a", "1"]}),
        ({"refresh_interval": None}, {"index.refresh_interval": None}),
    ],
)
def test_settings_have_one_flat_form(written: Any, flat: Any) -> None:
    """However they are written."""
    assert flat_settings(written) == flat


@pytest.mark.parametrize("written", [[], "x", {"a": [{}]}, {"a": [[1]]}])
def test_settings_that_are_none(written: Any) -> None:
    """Anything but an object of simple values is refused."""
    with pytest.raises(Failure):
        flat_settings(written)


def test_settings_nested_too_deeply() -> None:
    """Depth is bounded."""
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(Failure, match="too deeply"):
        flat_settings(deep)


def test_nested_settings() -> None:
    """A name that is a value and a prefix keeps its rest dotted."""
    assert nested_settings({"index.a": "1", "index.a.b": "2", "index.c.d": "3"}) == {
        "index": {"a": "1", "a.b": "2", "c": {"d": "3"}}
    }


async def test_an_index_from_its_making_to_its_end(api: DataApiClient) -> None:
    """Create, show, exists, delete."""
    body = {
        "settings": {"number_of_replicas": 0},
        "mappings": {"properties": {"a": {"type": "keyword"}}},
        "aliases": {"all-logs": {"is_write_index": True}},
    }
    assert (await api("PUT", "/logs", body)).json == {
        "acknowledged": True,
        "shards_acknowledged": True,
        "index": "logs",
    }
    again = await api("PUT", "/logs")
    assert (again.status, again.error_type) == (400, "resource_already_exists_exception")
    shown = (await api("GET", "/logs")).json["logs"]
    assert shown["aliases"] == {"all-logs": {"is_write_index": True}}
    assert shown["mappings"] == {"properties": {"a": {"type": "keyword"}}}
    assert shown["settings"]["index"]["number_of_replicas"] == "0"
    readable = (await api("GET", "/logs/_settings?human&flat_settings")).json["logs"]["settings"]
    assert readable["index.creation_date_string"] == "2023-11-14T22:13:20.000Z"
    assert readable["index.version.created_string"] == "9.2.0"
    assert set((await api("GET", "/all-logs?features=settings&flat_settings")).json["logs"]) == {"settings"}
    assert [(await api("HEAD", path)).status for path in ("/logs", "/all-logs", "/lo*", "/none")] == [
        200,
        200,
        200,
        404,
    ]
    assert (await api("DELETE", "/logs")).json == {"acknowledged": True}
    assert (await api("GET", "/logs")).status == 404


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "reason"),
    [
        ("PUT", "/logs", {"setting": {}, "mappings": {}}, 400, "unknown key [setting] for create index"),
        ("PUT", "/logs", {"mappings": []}, 400, None),
        ("PUT", "/logs", {"mappings": 1}, 400, "key [mappings] must be an object"),
        ("PUT", "/logs", [], 400, "the request body must be a JSON object"),
        ("PUT", "/logs", {"aliases": {"Bad name": {}}}, 400, None),
        ("PUT", "/logs", {"aliases": {"logs": {}}}, 400, None),
        ("PUT", "/logs", {"aliases": {"x": {"is_write_index": 1}}}, 400, None),
        ("PUT", "/logs", {"settings": {"unknown": 1}}, 400, "unknown setting [index.unknown]"),
        ("PUT", "/logs,more", b"", 400, None),
        ("PUT", "/lo*", b"", 400, None),
        ("GET", "/none", b"", 404, "no such index [none]"),
        ("GET", "/there?features=odd", b"", 400, None),
        ("DELETE", "/none", b"", 404, "no such index [none]"),
        ("DELETE", "/*", b"", 400, "Wildcard expressions or all indices are not allowed"),
        ("DELETE", "/_all", b"", 400, "Wildcard expressions or all indices are not allowed"),
        (
            "DELETE",
            "/alias",
            b"",
            400,
            (
                "The provided expression [alias] matches an alias, "
                "specify the corresponding concrete indices instead."
            ),
        ),
        ("PUT", "/alias", b"", 400, "Invalid index name [alias], already exists as alias"),
        ("POST", "/*/_close", b"", 400, "Wildcard expressions or all indices are not allowed"),
        ("POST", "/_all/_open", b"", 400, "Wildcard expressions or all indices are not allowed"),
        ("POST", "/_close", b"", 400, "Validation Failed: 1: index is missing;"),
        ("POST", "/none/_open", b"", 404, "no such index [none]"),
        ("PUT", "/none/_mapping", {"properties": {}}, 404, "no such index [none]"),
        ("PUT", "/there/_mapping", {}, 400, "Validation Failed: 1: mapping source is empty;"),
        ("PUT", "/there/_settings", {}, 400, "Validation Failed: 1: no settings to update;"),
        (
            "PUT",
            "/typed",
            {"mappings": {"_doc": {"properties": {}}}},
            400,
            (
                "The mapping definition cannot be nested under a type [_doc] "
                "unless include_type_name is set to true."
            ),
        ),
        (
            "POST",
            "/there/_flush?force&wait_if_ongoing=false",
            b"",
            400,
            "Validation Failed: 1: wait_if_ongoing must be true for a force flush;",
        ),
        (
            "GET",
            "/_stats/fieldata",
            b"",
            400,
            (
                "request [/_stats/fieldata] contains unrecognized metric: [fieldata] "
                "-> did you mean [fielddata]?"
            ),
        ),
        ("POST", "/there/_forcemerge?wait_for_completion=false", b"", 400, None),
        ("GET", "/there/_stats/segments", b"", 400, None),
        ("GET", "/there/_stats?level=odd", b"", 400, None),
        ("GET", "/there?expand_wildcards=odd", b"", 400, "No valid expand wildcard value [odd]"),
        ("GET", "/there?ignore_unavailable=2", b"", 400, None),
    ],
)
async def test_refusals(
    api: DataApiClient, method: str, target: str, body: Any, status: int, reason: str | None
) -> None:
    """What cannot be done is said in Elasticsearch's words."""
    await api("PUT", "/there", {"aliases": {"alias": {}}})
    answer = await api(method, target, body)
    assert answer.status == status
    if reason is not None:
        assert answer.reason == reason


async def test_wildcards_delete_only_where_that_is_allowed() -> None:
    """``action.destructive_requires_name`` is obeyed."""
    api = DataApiClient(destructive_requires_name=False)
    for name in ("logs-1", "logs-2", "kept"):
        await api("PUT", f"/{name}")
    assert (await api("DELETE", "/logs-*")).status == 200
    assert set(api.engine.indices()) == {"kept"}


async def test_an_alias_never_leads_to_a_deletion() -> None:
    """Neither by its name nor by a wildcard, whatever is allowed."""
    api = DataApiClient(destructive_requires_name=False)
    await api("PUT", "/backing", {"aliases": {"logs": {}}})
    assert (await api("DELETE", "/logs")).status == 400
    assert (await api("DELETE", "/lo*")).status == 200
    assert (await api("DELETE", "/logs?ignore_unavailable=true")).status == 200
    assert set(api.engine.indices()) == {"backing"}


async def test_settings_are_shown_and_changed(api: DataApiClient) -> None:
    """By name, flat or nested, with defaults; existing ones kept where asked."""
    await api("PUT", "/logs", {"settings": {"refresh_interval": "5s"}})
    flat = (await api("GET", "/logs/_settings?flat_settings=true")).json["logs"]["settings"]
    assert flat["index.refresh_interval"] == "5s"
    named = (await api("GET", "/_settings/index.refresh*")).json
    assert named == {"logs": {"settings": {"index": {"refresh_interval": "5s"}}}}
    assert (await api("GET", "/_settings/index.odd")).json == {}
    defaults = (await api("GET", "/logs/_settings?include_defaults&flat_settings")).json["logs"]["defaults"]
    assert defaults["index.max_result_window"] == "10000"
    await api("PUT", "/logs/_settings?preserve_existing", {"refresh_interval": "9s", "index.a": 1})
    kept = (await api("GET", "/logs/_settings?flat_settings")).json["logs"]["settings"]
    assert (kept["index.refresh_interval"], kept["index.a"]) == ("5s", "1")
    await api("PUT", "/_settings", {"settings": {"index": {"refresh_interval": None}}})
    assert "refresh_interval" not in (await api("GET", "/logs/_settings")).json["logs"]["settings"]["index"]


async def test_mappings_are_shown_and_extended(api: DataApiClient) -> None:
    """Whole, and field by field."""
    await api("PUT", "/logs", {"mappings": {"properties": {"a": {"properties": {"b": {"type": "long"}}}}}})
    text = {"type": "text", "fields": {"raw": {"type": "keyword"}}}
    assert (await api("PUT", "/logs/_mapping", {"properties": {"t": text}})).json == {"acknowledged": True}
    assert set((await api("GET", "/_mapping")).json["logs"]["mappings"]["properties"]) == {"a", "t"}
    fields = (await api("GET", "/logs/_mapping/field/a.*,t.raw,none")).json["logs"]["mappings"]
    assert fields == {
        "a.b": {"full_name": "a.b", "mapping": {"b": {"type": "long"}}},
        "t.raw": {"full_name": "t.raw", "mapping": {"raw": {"type": "keyword"}}},
    }
    assert [path for path, _, _ in field_mappings({"properties": {"t": text}})] == ["t", "t.raw"]


async def test_refresh_flush_and_merge_answer_for_their_shards(api: DataApiClient) -> None:
    """``refresh`` makes documents visible; the others have nothing to do."""
    await api("PUT", "/logs/_doc/1", {})
    assert (await api("GET", "/_cat/count?h=count")).text == b"0\n"
    expected = {"_shards": {"total": 2, "successful": 1, "failed": 0}}
    for method, target in [
        ("POST", "/logs/_flush"),
        ("POST", "/_forcemerge?max_num_segments=1"),
        ("POST", "/_refresh"),
    ]:
        assert (await api(method, target)).json == expected
    assert (await api("GET", "/_cat/count?h=count")).text == b"1\n"
    assert (await api("POST", "/none/_refresh")).status == 404


async def test_stats(api: DataApiClient) -> None:
    """Counts of each index and of all together."""
    await api("PUT", "/a/_doc/1?refresh", {})
    await api("PUT", "/b/_doc/1?refresh", {})
    answer = (await api("GET", "/_stats/docs,store")).json
    assert answer["_all"]["total"]["docs"] == {"count": 2, "deleted": 0}
    assert answer["indices"]["a"]["primaries"]["store"]["size_in_bytes"] == 1234
    assert "indices" not in (await api("GET", "/_stats?level=cluster")).json
    assert set((await api("GET", "/a/_stats/docs")).json["_all"]["total"]) == {"docs"}


async def test_aliases_are_given_shown_and_taken_away(api: DataApiClient) -> None:
    """By index, by name, and several at once."""
    for name in ("a-1", "a-2", "b-1"):
        await api("PUT", f"/{name}")
    assert (await api("PUT", "/a-*/_alias/as", {"routing": 5})).json == {
        "acknowledged": True,
        "errors": False,
    }
    routed = {"index_routing": "5", "search_routing": "5"}
    assert (await api("GET", "/_alias/as")).json == {
        "a-1": {"aliases": {"as": routed}},
        "a-2": {"aliases": {"as": routed}},
    }
    assert (await api("GET", "/b-1/_alias")).json == {"b-1": {"aliases": {}}}
    actions = [
        {"remove": {"index": "a-2", "alias": "as"}},
        {"add": {"indices": ["a-2", "b-1"], "aliases": ["both"], "filter": {"term": {"x": 1}}}},
        {"add": {"index": "b-1", "alias": "b", "is_write_index": True}},
    ]
    assert (await api("POST", "/_aliases", {"actions": actions})).status == 200
    assert set((await api("GET", "/_alias/both")).json) == {"a-2", "b-1"}
    assert [(await api("HEAD", f"/_alias/{name}")).status for name in ("both", "none", "b*")] == [
        200,
        404,
        200,
    ]
    assert (await api("DELETE", "/_all/_alias/bo*")).status == 200
    missing = await api("GET", "/_alias/b,none,gone")
    assert (missing.status, missing.json["error"]) == (404, "aliases [gone,none] missing")
    assert missing.json["b-1"] == {"aliases": {"b": {"is_write_index": True}}}
    assert (await api("GET", "/_alias/b*,-b")).json == {}


async def test_an_index_gives_way_to_an_alias_of_its_name(api: DataApiClient) -> None:
    """``remove_index`` and ``add`` in one request."""
    await api("PUT", "/old")
    await api("PUT", "/new")
    actions = [{"add": {"index": "new", "alias": "old"}}, {"remove_index": {"index": "old"}}]
    assert (await api("POST", "/_aliases", {"actions": actions})).status == 200
    assert set((await api("GET", "/old")).json) == {"new"}


@pytest.mark.parametrize(
    ("actions", "status", "reason"),
    [
        ([], 400, "Validation Failed: 1: Must specify at least one alias action;"),
        ([{"remove": {"index": "a", "alias": "none"}}], 404, "aliases [none] missing"),
        ([{"add": {"index": "none", "alias": "x"}}], 404, "no such index [none]"),
        (
            [{"add": {"index": "a", "alias": "b"}}],
            400,
            "Invalid alias name [b]: an index or data stream exists with the same name as the alias",
        ),
        ([{"add": {"alias": "x"}}], 400, "One of [index] or [indices] is required"),
        ([{"add": {"index": "a"}}], 400, "One of [alias] or [aliases] is required"),
        (
            [{"push": {"index": "a"}}],
            400,
            "unknown alias action [push], expected [add, remove, remove_index]",
        ),
        (
            [{"remove": {"index": "a", "alias": "x", "routing": 1}}],
            400,
            "[routing] is unsupported for [remove]",
        ),
        ([{"add": {"index": "a", "alias": "x", "odd": 1}}], 400, "Unknown field [odd] in alias [x]"),
        (
            [
                {"add": {"index": "a", "alias": "x", "is_write_index": True}},
                {"add": {"index": "b", "alias": "x", "is_write_index": True}},
            ],
            400,
            "alias [x] has more than one write index [a,b]",
        ),
        (
            [{"add": {"index": "a", "alias": "_x"}}],
            400,
            "Invalid alias name [_x]: must not start with '_', '-', or '+'",
        ),
    ],
)
async def test_alias_refusals(api: DataApiClient, actions: Any, status: int, reason: str) -> None:
    """One bad action and nothing happens."""
    await api("PUT", "/a")
    await api("PUT", "/b")
    answer = await api(
        "POST",
        "/_aliases",
        {"actions": [{"add": {"index": "a", "alias": "first"}}, *actions]} if actions else {"actions": []},
    )
    assert (answer.status, answer.reason) == (status, reason)
    assert (await api("GET", "/a/_alias")).json == {"a": {"aliases": {}}}


@pytest.mark.parametrize(
    ("patterns", "found", "missing"),
    [
        (["a", "b"], {"a"}, ["b"]),
        (["a*", "_all"], set(), []),
        (["a", "-a*"], set(), []),
        (["-a", "b*", "-c"], {"b1"}, ["-a"]),
        (["-x", "-x*", "-y"], set(), ["-x"]),
        (["a", "b", "-a*", "-b"], set(), []),
    ],
)
def test_which_aliases_are_missing(patterns: list[str], found: set[str], missing: list[str]) -> None:
    """A name that is excluded later is not missed; ``-`` excludes only from the first wildcard on."""
    assert missing_names(patterns, found) == missing


def test_alias_actions_in_their_forms() -> None:
    """One or several names, as text with commas or as a list."""
    body = {
        "actions": [{"add": {"index": "a,b", "aliases": ["x"]}}, {"remove": {"indices": ["a"], "alias": "*"}}]
    }
    assert parse_alias_actions(body) == [
        AliasAction("add", ("a", "b"), ("x",)),
        AliasAction("remove", ("a",), ("*",)),
    ]
    assert alias_parameters("x", {"routing": "r", "search_routing": "s", "is_hidden": True}) == {
        "index_routing": "r",
        "search_routing": "s",
        "is_hidden": True,
    }


async def test_permission_narrows_what_is_shown(api: DataApiClient) -> None:
    """Wildcards show what is allowed, a name that is not allowed is a 403."""
    role = RoleDescriptor(
        name="r", indices=(IndexPrivileges(names=("logs*",), privileges=("view_index_metadata", "monitor")),)
    )
    api.authenticator.principals["r"] = principal_of("r", role)
    headers = {"authorization": "r"}
    for name in ("logs", "secret"):
        await api("PUT", f"/{name}")
    for target in ("/*", "/_mapping", "/_settings", "/_alias", "/_cat/indices?format=json", "/_stats"):
        answer = await api("GET", target, headers=headers)
        assert answer.status == 200
        assert b"secret" not in answer.text
        assert b"logs" in answer.text
    for method, target in [
        ("GET", "/secret"),
        ("DELETE", "/logs"),
        ("PUT", "/logs-new"),
        ("POST", "/_refresh"),
    ]:
        assert (await api(method, target, headers=headers)).status == 403


async def test_a_closed_index_serves_no_documents_until_it_is_opened(api: DataApiClient) -> None:
    """What names it is refused, wildcards pass over it, metadata stays visible."""
    for name in ("logs-1", "logs-2"):
        await api("PUT", f"/{name}/_doc/1?refresh=true", {})
    closed = await api("POST", "/logs-1/_close")
    assert closed.json == {
        "acknowledged": True,
        "shards_acknowledged": True,
        "indices": {"logs-1": {"closed": True}},
    }
    for method, target in (
        ("GET", "/logs-1/_doc/1"),
        ("POST", "/logs-1/_refresh"),
        ("GET", "/logs-1/_stats"),
    ):
        refused = await api(method, target)
        assert (refused.status, refused.error_type) == (400, "index_closed_exception")
    assert list((await api("GET", "/logs-*")).json) == ["logs-2"]
    assert list((await api("GET", "/logs-*?expand_wildcards=closed")).json) == ["logs-1"]
    assert list((await api("GET", "/logs-1/_mapping")).json) == ["logs-1"]
    assert (await api("POST", "/logs-*/_refresh")).json["_shards"]["successful"] == 1
    assert (await api("POST", "/logs-1/_open")).json == {"acknowledged": True, "shards_acknowledged": True}
    assert (await api("GET", "/logs-1/_doc/1")).status == 200


async def test_wildcards_close_and_open_where_the_setting_lets_them(api: DataApiClient) -> None:
    """Where no name is required a wildcard closes what is open and opens what is closed."""
    api = DataApiClient(destructive_requires_name=False)
    for name in ("a", "b"):
        await api("PUT", f"/{name}")
    assert sorted((await api("POST", "/*/_close")).json["indices"]) == ["a", "b"]
    assert (await api("POST", "/*/_close")).json == {
        "acknowledged": True,
        "shards_acknowledged": False,
        "indices": {},
    }
    assert (await api("POST", "/_all/_open")).json["acknowledged"] is True
    assert sorted((await api("GET", "/*")).json) == ["a", "b"]

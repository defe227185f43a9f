"""API keys over REST: the requests, the answers and the refusals of Elasticsearch."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from security_api_client import Api, basic, fresh_api, new_deployment_database

__all__ = ["fresh_api", "new_deployment_database"]

KEYS = "/_security/api_key"
CROSS = "/_security/cross_cluster/api_key"
ACCESS = {"search": [{"names": ["logs"]}, {"names": ["metrics"]}], "replication": [{"names": ["archive*"]}]}
SEARCH_PRIVILEGES = ["read", "read_cross_cluster", "view_index_metadata"]
REPLICATION_PRIVILEGES = ["cross_cluster_replication", "cross_cluster_replication_internal"]
DLS = {"search": [{"names": ["logs"], "query": {"term": {"a": 1}}}]}


def key_header(created: dict[str, Any]) -> str:
    """Build the Authorization header of a key that was just made."""
    return f"ApiKey {created['encoded']}"


async def test_a_cross_cluster_keys_life(api: Api) -> None:
    """Created with its secret once, shown with its access, replaced in part, invalidated for good."""
    body = {"name": "for-eu", "access": ACCESS, "expiration": "1d", "metadata": {"team": "x"}}
    status, created = await api.ask(f"POST {CROSS}", body)
    assert status == 200
    assert sorted(created) == ["api_key", "encoded", "expiration", "id", "name"]
    assert base64.b64decode(created["encoded"]).decode() == f"{created['id']}:{created['api_key']}"
    status, answer = await api.ask(f"GET {KEYS}?id={created['id']}")
    assert status == 200
    (shown,) = answer["api_keys"]
    assert shown["expiration"] - shown["creation"] == 86_400_000
    assert created["api_key"] not in str(answer)
    assert (shown["type"], shown["invalidated"], shown["metadata"]) == (
        "cross_cluster",
        False,
        {"team": "x"},
    )
    role = shown["role_descriptors"]["cross_cluster"]
    assert role["cluster"] == ["cross_cluster_search", "monitor_enrich", "cross_cluster_replication"]
    assert [entry["privileges"] for entry in role["indices"]] == [
        SEARCH_PRIVILEGES,
        SEARCH_PRIVILEGES,
        REPLICATION_PRIVILEGES,
    ]
    assert shown["access"] == {
        "search": [
            {"names": ["logs"], "allow_restricted_indices": False},
            {"names": ["metrics"], "allow_restricted_indices": False},
        ],
        "replication": [{"names": ["archive*"], "allow_restricted_indices": False}],
    }
    change = {"access": {"search": [{"names": ["logs"]}]}}
    assert await api.ask(f"PUT {CROSS}/{created['id']}", change) == (200, {"updated": True})
    assert await api.ask(f"PUT {CROSS}/{created['id']}", change) == (200, {"updated": False})
    status, answer = await api.ask(f"GET {KEYS}?name=for-*&with_limited_by=true")
    assert answer["api_keys"][0]["role_descriptors"]["cross_cluster"]["cluster"] == [
        "cross_cluster_search",
        "monitor_enrich",
    ]
    assert "limited_by" not in answer["api_keys"][0]
    invalidated = {
        "invalidated_api_keys": [created["id"]],
        "previously_invalidated_api_keys": [],
        "error_count": 0,
    }
    assert await api.ask(f"DELETE {KEYS}", {"ids": [created["id"]]}) == (200, invalidated)
    again = {
        "invalidated_api_keys": [],
        "previously_invalidated_api_keys": [created["id"]],
        "error_count": 0,
    }
    assert await api.ask(f"DELETE {KEYS}", {"name": "for-eu"}) == (200, again)
    assert await api.reason(f"PUT {CROSS}/{created['id']}", change) == (
        400,
        f"cannot update invalidated API key [{created['id']}]",
    )
    status, answer = await api.ask(f"GET {KEYS}")
    assert answer["api_keys"][0]["invalidation"] > 0
    assert await api.ask(f"GET {KEYS}?active_only=true") == (200, {"api_keys": []})


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"access": None}, "Required [access] in [cross_cluster_api_key_request]"),
        ({"access": {}}, "must specify non-empty access for either [search] or [replication]"),
        ({"access": {"search": []}}, "must specify non-empty access for either [search] or [replication]"),
        ({"access": {"read": []}}, "[cross_cluster_api_key_request_access] unknown field [read]"),
        ({"access": {"search": {}}}, "expected an array"),
        ({"access": {"search": [{"names": []}]}}, "[names] cannot be an empty array"),
        ({"access": {"search": [{"names": ["a"], "privileges": ["all"]}]}}, "unexpected field [privileges]"),
        (
            {"access": {"replication": [{"names": ["a"], "query": {"match_all": {}}}]}},
            "replication does not support document or field level security",
        ),
        (
            {"access": {"replication": [{"names": ["a"], "field_security": {"grant": ["a"]}}]}},
            "replication does not support document or field level security",
        ),
        (
            {"access": DLS | {"replication": [{"names": ["a"]}]}},
            "search does not support document or field level security if replication is assigned",
        ),
        ({"role_descriptors": {}}, "[cross_cluster_api_key_request] unknown field [role_descriptors]"),
        ({"name": None}, "Required [name] in [cross_cluster_api_key_request]"),
        ({"name": ""}, "api key name is required"),
        ({"name": "_x"}, "api key name may not begin with an underscore"),
        ({"name": " x"}, "api key name may not begin or end with whitespace"),
        ({"name": "x" * 257}, "api key name may not be more than 256 characters long"),
        ({"metadata": {"_x": 1}}, "API key metadata keys may not start with [_]"),
        ({"metadata": []}, "expected an object but found [START_ARRAY]"),
        ({"expiration": "soon"}, "failed to parse setting [expiration] with value [soon] as a time value"),
        ({"expiration": "0d"}, "[expiration] must be greater than zero"),
        ({"expiration": "999999999999d"}, "too far in the future"),
        ({"expiration": 1}, "expected a string but found [VALUE_NUMBER]"),
        ({"certificate_identity": "("}, "Invalid certificate_identity format: [(]. Must be a valid regex."),
        ({"certificate_identity": ""}, "certificate identity must be"),
    ],
)
async def test_a_cross_cluster_key_that_cannot_be_is_refused(
    api: Api, members: dict[str, Any], reason: str
) -> None:
    """Every problem is a 400 in Elasticsearch's words, and no key is made."""
    body = {"name": "k", "access": {"search": [{"names": ["logs"]}]}} | members
    status, text = await api.reason(f"POST {CROSS}", body)
    assert status == 400
    assert reason in text
    assert await api.ask(f"GET {KEYS}") == (200, {"api_keys": []})


async def test_search_access_may_be_narrowed_to_documents_and_fields(api: Api) -> None:
    """Without replication both are kept and shown."""
    access = {"search": [{"names": ["a"], "query": {"term": {"x": 1}}, "field_security": {"grant": ["x"]}}]}
    _, created = await api.ask(f"POST {CROSS}", {"name": "k", "access": access})
    _, answer = await api.ask(f"GET {KEYS}?id={created['id']}")
    assert answer["api_keys"][0]["access"]["search"][0] == {
        "names": ["a"],
        "field_security": {"grant": ["x"]},
        "query": '{"term":{"x":1}}',
        "allow_restricted_indices": False,
    }


async def test_a_certificate_identity_is_kept_changed_and_taken_away(api: Api) -> None:
    """Null takes it away, leaving it out leaves it."""
    body = {"name": "k", "access": {"search": [{"names": ["a"]}]}, "certificate_identity": "CN=.*"}
    _, created = await api.ask(f"POST {CROSS}", body)
    path = f"PUT {CROSS}/{created['id']}"
    for change, expected in (
        ({"metadata": {"a": 1}}, "CN=.*"),
        ({"certificate_identity": "CN=x"}, "CN=x"),
        ({"certificate_identity": None}, None),
    ):
        assert await api.ask(path, change) == (200, {"updated": True})
        _, answer = await api.ask(f"GET {KEYS}?id={created['id']}")
        assert answer["api_keys"][0].get("certificate_identity") == expected
    status, reason = await api.reason(path, {})
    assert (status, "must update" in reason) == (400, True)


async def test_an_api_key_makes_no_cross_cluster_key(api: Api) -> None:
    """Whoever came with a key is refused, in Elasticsearch's words."""
    _, created = await api.ask(f"POST {KEYS}", {"name": "k"})
    body = {"name": "x", "access": {"search": [{"names": ["a"]}]}}
    status, reason = await api.reason(f"POST {CROSS}", body, by=key_header(created))
    assert status == 400
    assert reason == (
        "authentication via API key not supported: "
        "An API key cannot be used to create a cross-cluster API key"
    )
    status, reason = await api.reason(f"PUT {KEYS}/{created['id']}", {}, by=key_header(created))
    assert (status, "only the owner user can update" in reason) == (400, True)


async def test_each_kind_of_key_is_updated_by_its_own_request(api: Api) -> None:
    """A request for the other kind is refused, and so is one for somebody else's key."""
    _, rest = await api.ask(f"POST {KEYS}", {"name": "k"})
    _, cross = await api.ask(f"POST {CROSS}", {"name": "k", "access": {"search": [{"names": ["a"]}]}})
    assert await api.reason(f"PUT {CROSS}/{rest['id']}", {"metadata": {}}) == (
        400,
        "cannot update API key of type [rest] while expected type is [cross_cluster]",
    )
    assert await api.reason(f"PUT {KEYS}/{cross['id']}", {"metadata": {}}) == (
        400,
        "cannot update API key of type [cross_cluster] while expected type is [rest]",
    )
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["superuser"]})
    assert await api.reason(f"PUT {KEYS}/{rest['id']}", {"metadata": {}}, by=basic("ann")) == (
        404,
        f"no API key owned by requesting user found for ID [{rest['id']}]",
    )


async def test_a_rest_keys_life(api: Api) -> None:
    """It says who it is, is narrowed, shown with what limits it, and ends."""
    descriptor = {"cluster": ["monitor"], "indices": [{"names": ["a*"], "privileges": ["read"]}]}
    body = {"name": "k", "role_descriptors": {"narrow": descriptor}, "metadata": {"a": 1}}
    _, created = await api.ask(f"PUT {KEYS}", body)
    assert "expiration" not in created
    header = key_header(created)
    status, answer = await api.ask("GET /_security/_authenticate", by=header)
    assert status == 200
    assert (answer["username"], answer["authentication_type"]) == ("elastic", "api_key")
    assert answer["api_key"] == {"id": created["id"], "name": "k"}
    assert answer["authentication_realm"] == {"name": "_es_api_key", "type": "_es_api_key"}
    assert answer["roles"] == []
    assert (await api.ask("GET /_security/role", by=header))[0] == 403
    _, answer = await api.ask(f"GET {KEYS}?id={created['id']}&with_limited_by=true")
    assert list(answer["api_keys"][0]["limited_by"][0]) == ["superuser"]
    change = {"role_descriptors": {"wide": {"cluster": ["all"]}}}
    assert await api.ask(f"PUT {KEYS}/{created['id']}", change) == (200, {"updated": True})
    assert await api.ask(f"PUT {KEYS}/{created['id']}") == (200, {"updated": False})
    assert (await api.ask("GET /_security/role", by=header))[0] == 200
    await api.ask(f"DELETE {KEYS}", {"ids": [created["id"]]})
    assert (await api.ask("GET /_security/_authenticate", by=header))[0] == 401


async def test_a_key_made_with_a_key_has_no_privileges(api: Api) -> None:
    """It must say so itself, and then can do nothing."""
    _, created = await api.ask(f"POST {KEYS}", {"name": "k"})
    status, reason = await api.reason(f"POST {KEYS}", {"name": "derived"}, by=key_header(created))
    assert (status, "creating derived api keys requires an explicit role descriptor" in reason) == (400, True)
    body = {"name": "derived", "role_descriptors": {"none": {}}}
    status, derived = await api.ask(f"POST {KEYS}", body, by=key_header(created))
    assert status == 200
    assert (await api.ask("GET /_security/role", by=key_header(derived)))[0] == 403


async def test_who_may_only_manage_their_own_keys_must_say_so(api: Api) -> None:
    """Another's keys are a 403, the own ones are listed and ended."""
    await api.ask("PUT /_security/role/own", {"cluster": ["manage_own_api_key"]})
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["own"]})
    await api.ask(f"POST {KEYS}", {"name": "elastics"})
    ann = basic("ann")
    _, created = await api.ask(f"POST {KEYS}", {"name": "anns"}, by=ann)
    status, reason = await api.reason(f"GET {KEYS}", by=ann)
    assert status == 403
    assert "granted by the cluster privileges [manage_own_api_key," in reason
    for query in ("owner=true", "username=ann&realm_name=default_native"):
        status, answer = await api.ask(f"GET {KEYS}?{query}", by=ann)
        assert [key["name"] for key in answer["api_keys"]] == ["anns"]
    assert (await api.ask(f"GET {KEYS}?username=elastic&realm_name=reserved", by=ann))[0] == 403
    assert (await api.ask(f"DELETE {KEYS}", {"name": "elastics"}, by=ann))[0] == 403
    status, answer = await api.ask(f"GET {KEYS}?id={created['id']}", by=key_header(created))
    assert [key["name"] for key in answer["api_keys"]] == ["anns"]
    status, answer = await api.ask(f"DELETE {KEYS}", {"owner": True}, by=ann)
    assert answer["invalidated_api_keys"] == [created["id"]]


async def test_a_cross_cluster_key_is_ended_only_by_who_manages_security(api: Api) -> None:
    """Managing keys alone does not do; the answer says so for that key and ends the others."""
    await api.ask("PUT /_security/role/keys", {"cluster": ["manage_api_key"]})
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["keys"]})
    _, rest = await api.ask(f"POST {KEYS}", {"name": "k1"})
    _, cross = await api.ask(f"POST {CROSS}", {"name": "k2", "access": {"search": [{"names": ["a"]}]}})
    status, answer = await api.ask(f"DELETE {KEYS}", {"username": "elastic"}, by=basic("ann"))
    assert status == 200
    assert answer["invalidated_api_keys"] == [rest["id"]]
    assert answer["error_count"] == 1
    assert cross["id"] in answer["error_details"][0]["reason"]


@pytest.mark.parametrize(
    ("request_line", "body", "reason"),
    [
        (
            f"DELETE {KEYS}",
            {},
            "One of [api key id(s), api key name, username, realm name] must be specified",
        ),
        (f"DELETE {KEYS}", {"ids": []}, "Field [ids] cannot be an empty array"),
        (f"DELETE {KEYS}", {"ids": "x"}, "expected an array of strings"),
        (f"DELETE {KEYS}", {"colour": 1}, "[invalidate_api_key] unknown field [colour]"),
        (f"DELETE {KEYS}", {"ids": ["a"], "name": "b"}, "only one of [api key id(s), api key name]"),
        (f"DELETE {KEYS}", {"ids": ["a"], "username": "b"}, "username or realm name must not be specified"),
        (f"DELETE {KEYS}", {"owner": True, "username": "b"}, "neither username nor realm-name"),
        (f"GET {KEYS}?id=a&name=b", None, "only one of [api key id(s), api key name]"),
        (f"GET {KEYS}?owner=maybe", None, "only [true] or [false] are allowed"),
        (f"POST {KEYS}", {"name": "k", "access": {}}, "[api_key_request] unknown field [access]"),
        (f"POST {KEYS}", {"name": "k", "role_descriptors": {"r": {"cluster": ["x"]}}}, "unknown cluster"),
        (f"POST {KEYS}", {"name": "k", "role_descriptors": {"r": 7}}, "failed to parse role [r]"),
    ],
)
async def test_requests_that_contradict_themselves_are_refused(
    api: Api, request_line: str, body: Any, reason: str
) -> None:
    """The answer is a 400 that says which."""
    status, text = await api.reason(request_line, body)
    assert status == 400
    assert reason in text


async def test_an_unknown_id_is_not_found(api: Api) -> None:
    """Asking for one key that is not there is a 404 with an empty list."""
    assert await api.ask(f"GET {KEYS}?id=nothing") == (404, {"api_keys": []})


async def test_a_key_is_granted_to_who_told_their_password(api: Api) -> None:
    """The key is the user's, whoever asked; a wrong password or another kind of grant is refused."""
    await api.ask("PUT /_security/role/own", {"cluster": ["manage_own_api_key"]})
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["own"]})
    body = {"grant_type": "password", "username": "ann", "password": "changeme", "api_key": {"name": "k"}}
    status, created = await api.ask(f"POST {KEYS}/grant", body)
    assert status == 200
    _, who = await api.ask("GET /_security/_authenticate", by=key_header(created))
    assert who["username"] == "ann"
    assert (await api.ask(f"POST {KEYS}/grant", body | {"password": "wrong password"}))[0] == 401
    assert (await api.ask(f"POST {KEYS}/grant", body | {"run_as": "elastic"}))[0] == 403
    assert (await api.ask(f"POST {KEYS}/grant", body, by=basic("ann")))[0] == 403
    for broken in (
        {"grant_type": "access_token", "access_token": "x"},
        {"password": None},
        {"api_key": None},
    ):
        assert (await api.ask(f"POST {KEYS}/grant", body | broken))[0] == 400


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (None, ["a1", "a2", "b1"]),
        ({"query": {"match_all": {}}}, ["a1", "a2", "b1"]),
        ({"query": {"prefix": {"name": "a"}}}, ["a1", "a2"]),
        ({"query": {"wildcard": {"name": {"value": "?1"}}}}, ["a1", "b1"]),
        ({"query": {"term": {"name": {"value": "a1"}}}}, ["a1"]),
        ({"query": {"terms": {"name": ["a1", "b1"]}}}, ["a1", "b1"]),
        ({"query": {"term": {"metadata.team": "x"}}}, ["a1"]),
        ({"query": {"exists": {"field": "metadata.team"}}}, ["a1", "b1"]),
        ({"query": {"term": {"type": "cross_cluster"}}}, ["b1"]),
        ({"query": {"term": {"invalidated": True}}}, ["a2"]),
        ({"query": {"range": {"creation": {"gt": 0}}}}, ["a1", "a2", "b1"]),
        ({"query": {"range": {"metadata.n": {"gte": 5, "lt": 6}}}}, ["a1"]),
        ({"query": {"range": {"metadata.n": {"gte": "5"}}}}, []),
        (
            {
                "query": {
                    "bool": {
                        "should": [{"term": {"name": "a1"}}, {"term": {"name": "b1"}}],
                        "must_not": {"term": {"metadata.team": "x"}},
                    }
                }
            },
            ["b1"],
        ),
        ({"sort": [{"name": {"order": "desc"}}], "size": 2}, ["b1", "a2"]),
        ({"sort": "name", "from": 1}, ["a2", "b1"]),
    ],
)
async def test_keys_are_searched(api: Api, body: Any, names: list[str]) -> None:
    """Each query that is taken finds the keys that it should."""
    await api.ask(f"POST {KEYS}", {"name": "a1", "metadata": {"team": "x", "n": 5}})
    _, second = await api.ask(f"POST {KEYS}", {"name": "a2"})
    cross = {"name": "b1", "metadata": {"team": ["y", "z"]}, "access": {"search": [{"names": ["a"]}]}}
    await api.ask(f"POST {CROSS}", cross)
    await api.ask(f"DELETE {KEYS}", {"ids": [second["id"]]})
    status, answer = await api.ask("POST /_security/_query/api_key", body)
    assert status == 200
    found = [key["name"] for key in answer["api_keys"]]
    assert (found if body and "sort" in body else sorted(found)) == names
    assert answer["count"] == len(names)


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"script": {}}},
        {"query": {"term": {"api_key_hash": "x"}}},
        {"query": {"term": {"name": {"boost": 1}}}},
        {"query": {}},
        {"query": {"bool": {"must": {}, "maybe": {}}}},
        {"query": {"range": {"creation": {"above": 1}}}},
        {"query": {"ids": {}}},
        {"query": {"exists": 7}},
        {"query": {"wildcard": {"name": 7}}},
        {"sort": [7]},
        {"sort": [{"name": "up"}]},
        {"sort": ["metadata"]},
        {"size": -1},
        {"size": 20_000},
        {"from": "1"},
        {"search_after": ["x"]},
        {"aggs": {}},
    ],
)
async def test_a_search_that_is_not_taken_is_refused(api: Api, body: Any) -> None:
    """The answer is a 400, never an ignored member."""
    assert (await api.ask("POST /_security/_query/api_key", body))[0] == 400

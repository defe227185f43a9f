"""The security API over its real store: requests in, Elasticsearch's answers out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from security_api_client import Api, basic, fresh_api, new_deployment_database

__all__ = ["fresh_api", "new_deployment_database"]


async def test_a_users_life(api: Api) -> None:
    """Create, read, change, delete: statuses and bodies are Elasticsearch's."""
    body = {"password": "s3cret-pass", "roles": ["viewer"], "full_name": "Ann", "metadata": {"team": 1}}
    assert await api.ask("PUT /_security/user/ann", body) == (200, {"created": True})
    shown = {
        "username": "ann",
        "roles": ["viewer"],
        "full_name": "Ann",
        "email": None,
        "metadata": {"team": 1},
        "enabled": True,
    }
    assert await api.ask("GET /_security/user/ann") == (200, {"ann": shown})
    assert await api.ask("POST /_security/user/ann?refresh=wait_for", {"roles": []}) == (
        200,
        {"created": False},
    )
    status, users = await api.ask("GET /_security/user")
    assert (status, sorted(users)) == (200, ["ann", "elastic"])
    assert users["elastic"]["metadata"] == {"_reserved": True}
    assert users["ann"]["roles"] == []
    assert await api.ask("GET /_security/user/ann,nobody") == (200, {"ann": users["ann"]})
    assert await api.ask("DELETE /_security/user/ann") == (200, {"found": True})
    assert await api.ask("DELETE /_security/user/ann") == (404, {"found": False})
    assert await api.ask("GET /_security/user/ann") == (404, {})


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("ann", {"roles": []}, "password must be specified unless you are updating an existing user"),
        ("ann", {"password": "long enough"}, "roles are missing"),
        ("ann", {"password": "short", "roles": []}, "passwords must be at least [6] characters long"),
        ("elastic", {"roles": []}, "Username [elastic] is reserved and may not be used."),
        (
            "%20ann",
            {"password": "long enough", "roles": []},
            "User names must be at least 1 and no more than",
        ),
        ("ann", {"password": "long enough", "roles": [], "color": 1}, "unexpected field [color]"),
        (
            "ann",
            {"password": "long enough", "roles": [], "metadata": {"_x": 1}},
            "metadata keys may not start with [_]",
        ),
        ("ann", {"password": "long enough", "roles": 7}, "array of strings"),
        ("ann", {"password": ["x"], "roles": []}, "expected field [password] to be of type string"),
        ("ann", {"password_hash": "$2a$10$x", "roles": []}, "[password_hash] is not supported"),
        ("ann", {"username": "bob", "password": "long enough", "roles": []}, "differ"),
        ("ann", ["x"], "expected an object"),
        ("ann", b"{", "failed to parse JSON"),
        ("ann", b"", "request body is required"),
    ],
)
async def test_a_user_that_cannot_be_is_refused(api: Api, name: str, body: Any, reason: str) -> None:
    """Every problem is a 400 that says what it is, and nothing is stored."""
    status, text = await api.reason(f"PUT /_security/user/{name}", body)
    assert status == 400
    assert reason in text
    assert sorted((await api.ask("GET /_security/user"))[1]) == ["elastic"]


async def test_passwords_are_changed_by_oneself_and_by_administrators(api: Api) -> None:
    """Own password without a privilege, another's only with one; the old one is refused at once."""
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": []})
    new = {"password": "another one"}
    assert await api.ask("POST /_security/user/_password", new, by=basic("ann")) == (200, {})
    assert (await api.ask("GET /_security/_authenticate", by=basic("ann")))[0] == 401
    ann = basic("ann", "another one")
    assert (await api.ask("GET /_security/_authenticate", by=ann))[0] == 200
    status, reason = await api.reason("PUT /_security/user/elastic/_password", new, by=ann)
    assert (status, "cluster:admin/xpack/security/user/change_password" in reason) == (403, True)
    assert await api.ask("PUT /_security/user/ann/_password", {"password": "changeme"}) == (200, {})
    assert (await api.ask("PUT /_security/user/elastic/_password", new))[0] == 200
    assert (await api.ask("GET /_security/_authenticate"))[0] == 401
    elastic = basic("elastic", "another one")
    assert await api.reason("PUT /_security/user/nobody/_password", new, by=elastic) == (
        400,
        "Validation Failed: 1: user must exist in order to change password;",
    )


async def test_users_are_disabled_and_enabled(api: Api) -> None:
    """Not oneself, and only who exists."""
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": []})
    assert await api.ask("PUT /_security/user/ann/_disable") == (200, {})
    assert (await api.ask("GET /_security/_authenticate", by=basic("ann")))[0] == 401
    assert await api.ask("PUT /_security/user/ann/_enable") == (200, {})
    assert (await api.ask("GET /_security/_authenticate", by=basic("ann")))[0] == 200
    assert (await api.reason("PUT /_security/user/elastic/_disable"))[0] == 400
    assert await api.reason("PUT /_security/user/nobody/_disable") == (
        400,
        "Validation Failed: 1: only existing users can be disabled;",
    )


ROLE = {
    "cluster": ["monitor"],
    "indices": [
        {
            "names": ["logs-*"],
            "privileges": ["read"],
            "field_security": {"grant": ["*"], "except": ["salary"]},
            "query": {"term": {"team": "a"}},
        }
    ],
    "run_as": ["bob"],
    "remote_indices": [{"clusters": ["eu"], "names": "*", "privileges": ["read", "read_cross_cluster"]}],
    "remote_cluster": [{"clusters": ["eu"], "privileges": ["monitor_enrich"]}],
    "metadata": {"version": 1},
    "description": "reads",
}


async def test_a_roles_life(api: Api) -> None:
    """What is read back has every member in Elasticsearch's form: the query as text."""
    assert await api.ask("PUT /_security/role/reader", ROLE) == (200, {"role": {"created": True}})
    assert await api.ask("POST /_security/role/reader", ROLE) == (200, {"role": {"created": False}})
    assert await api.ask("GET /_security/role/reader") == (
        200,
        {
            "reader": {
                "cluster": ["monitor"],
                "indices": [
                    {
                        "names": ["logs-*"],
                        "privileges": ["read"],
                        "field_security": {"grant": ["*"], "except": ["salary"]},
                        "query": '{"term":{"team":"a"}}',
                        "allow_restricted_indices": False,
                    }
                ],
                "applications": [],
                "run_as": ["bob"],
                "metadata": {"version": 1},
                "transient_metadata": {"enabled": True},
                "remote_indices": [
                    {
                        "names": ["*"],
                        "privileges": ["read", "read_cross_cluster"],
                        "allow_restricted_indices": False,
                        "clusters": ["eu"],
                    }
                ],
                "remote_cluster": [{"privileges": ["monitor_enrich"], "clusters": ["eu"]}],
                "description": "reads",
            }
        },
    )
    assert await api.ask("DELETE /_security/role/reader") == (200, {"found": True})
    assert await api.ask("DELETE /_security/role/reader") == (404, {"found": False})
    assert await api.ask("GET /_security/role/reader") == (404, {})
    status, roles = await api.ask("GET /_security/role")
    assert status == 200
    assert roles["superuser"]["metadata"] == {"_reserved": True}


async def test_a_role_read_can_be_written_back(api: Api) -> None:
    """What GET shows PUT takes, unchanged."""
    await api.ask("PUT /_security/role/reader", ROLE)
    _, shown = await api.ask("GET /_security/role/reader")
    assert (await api.ask("PUT /_security/role/copy", shown["reader"]))[0] == 200
    assert (await api.ask("GET /_security/role/copy"))[1]["copy"] == shown["reader"]


def _index(**members: Any) -> dict[str, Any]:
    return {"indices": [{"names": ["a"], "privileges": ["read"]} | members]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"cluster": ["monitr"]}, "unknown cluster privilege [monitr]. a privilege must be either one of"),
        (_index(privileges=["reed"]), "unknown index privilege [reed]. a privilege must be either one of"),
        ({"colour": 1}, "failed to parse role [r]. unexpected field [colour]"),
        ({"global": {"application": {}}}, "field [global] is not supported"),
        (_index(colour=1), "failed to parse indices privileges for role [r]. unexpected field [colour]"),
        (_index(names=[]), "[names] cannot be an empty array"),
        ({"indices": [{"privileges": ["read"]}]}, "missing required [names] field"),
        ({"indices": [{"names": ["a"]}]}, "missing required [privileges] field"),
        ({"indices": ["a"]}, "found an array element of type [VALUE_STRING]"),
        ({"indices": {}}, "to be an array, but found [START_OBJECT]"),
        (_index(names=["/a(/"]), "invalid regular expression [/a(/]"),
        (_index(field_security={}), '"field_security" must not be empty.'),
        (_index(field_security={"except": ["a"]}), "field_security requires grant if except is given"),
        (
            _index(field_security={"grant": ["b*"], "except": ["a"]}),
            "must be a subset of the granted fields but [a] is not a subset of [b*]",
        ),
        (_index(field_security={"grants": ["a"]}), "only accepts options grant and except, but got: grants"),
        (_index(query={"template": {"source": "{}"}}), "a [template] in field [query] is not supported"),
        (_index(query="{broken"), "field [query] is not a query in JSON"),
        (_index(query=7), "found [VALUE_NUMBER] instead"),
        (_index(allow_restricted_indices="yes"), "to be a boolean"),
        (
            {"remote_indices": [{"names": ["a"], "privileges": ["read"]}]},
            "failed to parse remote indices privileges for role [r]. missing required [clusters] field",
        ),
        (
            {"remote_indices": [{"clusters": [""], "names": ["a"], "privileges": ["read"]}]},
            "remote index cluster alias cannot be an empty string",
        ),
        (
            {"remote_cluster": [{"clusters": ["*"], "privileges": ["monitor", "monitor_enrich"]}]},
            "Please remove the following: [monitor] Only [monitor_enrich, monitor_stats] are allowed",
        ),
        (
            {"remote_cluster": [{"clusters": ["*"]}]},
            "[privileges] must be defined when [clusters] are defined",
        ),
        ({"metadata": {"_x": 1}}, "role descriptor metadata keys may not start with [_]"),
        ({"metadata": "x"}, "expected field [metadata] to be of type object"),
        ({"description": "x" * 1001}, "Role description must be less than 1000 characters."),
        ({"applications": [{"application": "app"}]}, "missing required [resources] field"),
        ({"run_as": [7]}, "must be a string or an array of strings"),
        ("x", "expected an object but found [VALUE_STRING] instead"),
        (orjson.loads("[" * 100 + "]" * 100), "nested deeper than"),
        ({"metadata": orjson.loads('{"a":' * 100 + "1" + "}" * 100)}, "nested deeper than"),
        (_index(query='{"a":' * 200 + "1" + "}" * 200), "nested deeper than"),
    ],
)
async def test_a_role_that_cannot_be_is_refused(api: Api, body: Any, reason: str) -> None:
    """Every problem is a 400 that names the role's part, and nothing is stored."""
    status, text = await api.reason("PUT /_security/role/r", body)
    assert status == 400
    assert reason in text
    assert await api.ask("GET /_security/role/r") == (404, {})


async def test_built_in_roles_cannot_be_changed(api: Api) -> None:
    """Neither replaced nor deleted, in Elasticsearch's words."""
    assert await api.reason("PUT /_security/role/superuser", {}) == (
        400,
        "Validation Failed: 1: Role [superuser] is reserved and may not be used.;",
    )
    assert await api.reason("DELETE /_security/role/superuser") == (
        400,
        "role [superuser] is reserved and cannot be deleted",
    )


async def test_unknown_parameters_and_refresh_values_are_refused(api: Api) -> None:
    """Nothing that is asked for is silently ignored."""
    status, _ = await api.reason("GET /_security/user?with_profile_uid=true")
    assert status == 400
    assert (await api.reason("PUT /_security/role/r?refresh=maybe", {}))[0] == 400


async def test_who_one_is(api: Api) -> None:
    """The shape is Elasticsearch's, for users and for those they act as."""
    status, answer = await api.ask("GET /_security/_authenticate")
    assert status == 200
    assert answer == {
        "username": "elastic",
        "roles": ["superuser"],
        "full_name": None,
        "email": None,
        "metadata": {"_reserved": True},
        "enabled": True,
        "authentication_realm": {"name": "reserved", "type": "reserved"},
        "lookup_realm": {"name": "reserved", "type": "reserved"},
        "authentication_type": "realm",
    }
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["viewer"]})
    status, answer = await api.ask("GET /_security/_authenticate", headers={"es-security-runas-user": "ann"})
    assert answer["username"] == "ann"
    assert answer["authentication_realm"]["name"] == "reserved"
    assert answer["lookup_realm"] == {"name": "default_native", "type": "native"}


async def test_what_one_may_do(api: Api) -> None:
    """Each privilege asked for is answered on its own, and all of them together."""
    await api.ask("PUT /_security/role/reader", ROLE)
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["reader"]})
    body = {
        "cluster": ["monitor", "manage"],
        "index": [{"names": ["logs-1", "logs-*", "other"], "privileges": ["read", "write"]}],
        "application": [{"application": "app", "privileges": ["x"], "resources": ["*"]}],
    }
    status, answer = await api.ask("POST /_security/user/_has_privileges", body, by=basic("ann"))
    assert status == 200
    assert answer == {
        "username": "ann",
        "has_all_requested": False,
        "cluster": {"monitor": True, "manage": False},
        "index": {
            "logs-1": {"read": True, "write": False},
            "logs-*": {"read": True, "write": False},
            "other": {"read": False, "write": False},
        },
        "application": {"app": {"*": {"x": False}}},
    }
    status, answer = await api.ask("GET /_security/user/_has_privileges", body)
    assert answer["has_all_requested"] is True
    for broken in ({}, {"colour": 1}, {"index": [{"names": ["a"], "privileges": ["read"], "query": {}}]}):
        assert (await api.reason("POST /_security/user/_has_privileges", broken))[0] == 400
    status, own = await api.ask("GET /_security/user/_privileges", by=basic("ann"))
    assert own["cluster"] == ["monitor"]
    assert own["indices"][0]["query"] == ['{"term":{"team":"a"}}']
    assert own["remote_cluster"] == [{"privileges": ["monitor_enrich"], "clusters": ["eu"]}]


async def test_the_privileges_that_there_are(api: Api) -> None:
    """The list of built-in privileges has those of remote clusters."""
    status, answer = await api.ask("GET /_security/privilege/_builtin")
    assert (status, answer["remote_cluster"]) == (200, ["monitor_enrich", "monitor_stats"])
    assert "manage_security" in answer["cluster"]
    assert "read_cross_cluster" in answer["index"]


async def test_nobody_manages_security_without_the_privilege(api: Api) -> None:
    """Each request of an ordinary user is a 403, before its body is looked at."""
    await api.ask("PUT /_security/user/ann", {"password": "changeme", "roles": ["viewer"]})
    for request in (
        "GET /_security/user",
        "PUT /_security/user/x",
        "DELETE /_security/user/x",
        "PUT /_security/user/x/_disable",
        "GET /_security/role",
        "PUT /_security/role/x",
        "DELETE /_security/role/x",
        "GET /_security/privilege/_builtin",
        "GET /_security/api_key",
        "POST /_security/api_key",
        "PUT /_security/api_key/x",
        "POST /_security/cross_cluster/api_key",
        "PUT /_security/cross_cluster/api_key/x",
    ):
        status, reason = await api.reason(request, by=basic("ann"))
        assert status == 403, request
        assert "is unauthorized for user [ann] with effective roles [viewer]" in reason

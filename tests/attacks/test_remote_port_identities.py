"""9443: what a cluster with a narrow key, a wrong one or a lie about its callers gets."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from attacks_support import ask_remote, search_call, subject
from environments_support import Side

_EVERYTHING = {"name": "_remote_user", "indices": [{"names": ["*"], "privileges": ["all"]}]}


def _forged(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_key_itself_opens_what_it_should(remote: Side, vault: str, narrow_key: str) -> None:
    """The attacks below fail for what they are, not because nothing works."""
    answer = ask_remote(remote, "search", search_call(f"vault-{vault}"), narrow_key)
    assert (answer.status, b"treasure" in answer.body) == (200, True)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "but none found"),
        ("", "not a valid ApiKey value"),
        ("%%%", "not a valid ApiKey value"),
        (_forged("no-colon"), "not a valid ApiKey value"),
        (_forged(":secret"), "not a valid ApiKey value"),
        (_forged("elastic:changeme"), "unable to authenticate user [elastic]"),
        (_forged("' OR 1=1 --:x"), "unable to authenticate user [' OR 1=1 --]"),
    ],
)
def test_forged_keys_are_refused(remote: Side, key: str | None, reason: str) -> None:
    """No key, no text that is one, and guesses: 401, and nothing else is told."""
    answer = ask_remote(remote, "search", search_call("*"), key)
    assert answer.status == 401
    if key != "":
        assert reason in answer.report["reason"]


def test_secrets_of_other_keys_do_not_fit(local: Side, remote: Side, narrow_key: str) -> None:
    """The id of one key with the secret of another, and a key of another deployment, are unknown."""
    body = {"name": "elsewhere", "access": {"search": [{"names": ["*"]}]}}
    there = str(local.client.call("POST", "/_security/cross_cluster/api_key", body)["encoded"])
    identity = base64.b64decode(narrow_key).decode().partition(":")[0]
    secret = base64.b64decode(there).decode().partition(":")[2]
    for key in (there, _forged(f"{identity}:{secret}"), _forged(f"{identity}:")):
        answer = ask_remote(remote, "search", search_call("*"), key)
        assert answer.status == 401
        assert secret.encode() not in answer.body


def test_a_rest_key_and_a_password_open_nothing(remote: Side) -> None:
    """Also the superuser's own credentials are none on this port."""
    rest = str(remote.client.call("POST", "/_security/api_key", {"name": "rest"})["encoded"])
    answer = ask_remote(remote, "search", search_call("*"), rest)
    assert answer.status == 401
    assert "authentication expected API key type of [cross_cluster]" in answer.report["reason"]
    basic = _forged(f"elastic:{remote.deployment.password}")
    answer = ask_remote(
        remote, "search", search_call("*"), None, headers=(("authorization", f"Basic {basic}"),)
    )
    assert answer.status == 401


def test_an_invalidated_key_cannot_be_replayed(remote: Side) -> None:
    """A request that was good once is refused the moment its key is ended."""
    body = {"name": "short", "access": {"search": [{"names": ["*"]}]}}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    assert ask_remote(remote, "search", search_call("nothing*"), key["encoded"]).status == 200
    remote.client.call("DELETE", "/_security/api_key", {"ids": [key["id"]]})
    answer = ask_remote(remote, "search", search_call("nothing*"), key["encoded"])
    assert (answer.status, answer.report["metadata"]) == (401, {"api_key_problem": "invalidated"})


@pytest.mark.parametrize(
    "caller",
    [
        subject(role_sets=[[{**_EVERYTHING, "cluster": ["all"]}]]),
        subject(role_sets=[[{**_EVERYTHING, "cluster": ["manage_security"]}]]),
        subject(role_sets=[[{**_EVERYTHING, "run_as": ["*"]}]]),
        subject(
            role_sets=[
                [
                    {
                        **_EVERYTHING,
                        "remote_indices": [{"clusters": ["*"], "names": ["*"], "privileges": ["all"]}],
                    }
                ]
            ]
        ),
        subject(
            role_sets=[[{**_EVERYTHING, "remote_cluster": [{"clusters": ["*"], "privileges": ["all"]}]}]]
        ),
        subject(role_sets=[[_EVERYTHING]] * 17),
    ],
)
def test_subjects_with_privileges_of_another_kind_are_refused(
    remote: Side, vault: str, narrow_key: str, caller: dict[str, Any]
) -> None:
    """Cluster privileges, run_as, privileges for third clusters: a 400, not a smaller answer."""
    answer = ask_remote(remote, "search", search_call(f"vault-{vault}", caller=caller), narrow_key)
    assert (answer.status, answer.report["error_type"]) == (400, "illegal_argument_exception")


@pytest.mark.parametrize(
    "field_security",
    [
        {"grant": 5},
        {"grant": [5]},
        {"grant": [["team"]]},
        {"grant": "team"},
        {"except": 5},
        {"exclude": ["secret"]},
        {"grant": ["*"], "unknown": True},
    ],
)
def test_field_security_that_is_not_understood_is_refused(
    remote: Side, vault: str, narrow_key: str, field_security: Any
) -> None:
    """It would otherwise hide nothing, or break the server."""
    role = {**_EVERYTHING, "indices": [{**_EVERYTHING["indices"][0], "field_security": field_security}]}  # type: ignore[dict-item]
    call = search_call(f"vault-{vault}", caller=subject(role_sets=[[role]]))
    answer = ask_remote(remote, "search", call, narrow_key)
    assert (answer.status, answer.report["error_type"]) == (400, "illegal_argument_exception")


@pytest.mark.parametrize(
    "caller",
    [
        subject(internal=True),
        subject(internal=True, username="_system", role_sets=[[_EVERYTHING]]),
        subject(role_sets=[]),
        subject(role_sets=[[]]),
        subject(role_sets=[[_EVERYTHING], []]),
        subject(role_sets=[], role_names=["superuser", "_cross_cluster_internal"]),
        subject(role_sets=[[{"name": "superuser"}]]),
        subject(role_sets=[[{"name": "r", "indices": [{"names": ["*"], "privileges": ["nonsense"]}]}]]),
    ],
)
def test_lies_about_the_caller_open_nothing(
    remote: Side, vault: str, narrow_key: str, caller: dict[str, Any]
) -> None:
    """Claiming to be the cluster itself, famous role names, or no roles at all: 403."""
    answer = ask_remote(remote, "search", search_call(f"vault-{vault}", caller=caller), narrow_key)
    assert (answer.status, answer.report["error_type"]) == (403, "security_exception")


@pytest.mark.parametrize("action", ["search", "count", "resolve"])
@pytest.mark.parametrize(
    "expression",
    [
        "hoard-{x}",
        "loot-{x}",
        "door-{x}",
        "-hoard-{x}",
        "<hoard-{x}>",
        "hoard-{x}::data",
        "vault-{x},hoard-{x}",
        " hoard-{x}",
        "HOARD-{X}",
        "hoard-{x}/",
        "enterprise:hoard-{x}",
        ".security",
        ".security-7",
        "\0",
        "",
    ],
)
def test_names_outside_the_keys_pattern_are_denied(
    remote: Side, vault: str, narrow_key: str, action: str, expression: str
) -> None:
    """Aliases of it, date math, selectors, lists and disguises do not reach past what the key names."""
    named = expression.replace("{x}", vault).replace("{X}", vault.upper())
    body = {"caller": subject(), "expressions": [f"vault-{vault}", named]}
    answer = ask_remote(remote, action, body, narrow_key)
    assert (answer.status, answer.report["error_type"]) == (403, "security_exception")


@pytest.mark.parametrize("expression", ["*:*", "enterprise:*", "*:hoard-{x}"])
def test_no_cluster_is_reached_through_this_one(
    remote: Side, vault: str, narrow_key: str, expression: str
) -> None:
    """What a cluster is asked is about itself: the name of another one behind it is refused."""
    answer = ask_remote(remote, "search", search_call(expression.replace("{x}", vault)), narrow_key)
    assert (answer.status, answer.report["error_type"]) == (400, "illegal_argument_exception")
    assert answer.report["reason"].startswith("Cross-cluster calls are not supported in this context")


@pytest.mark.parametrize(
    "expression", ["*", "_all", "*,-vault-{x}", "ho*", "hoard*", "loot*", ".sec*", "*-{x}"]
)
def test_wildcards_narrow_to_what_the_key_names(
    remote: Side, vault: str, narrow_key: str, expression: str
) -> None:
    """Whatever a wildcard could mean, nothing of the hoard is in the answer."""
    call = search_call(*expression.replace("{x}", vault).split(","))
    answer = ask_remote(remote, "search", call, narrow_key)
    assert answer.status == 200
    assert b"hoard" not in answer.body


@pytest.mark.parametrize(
    "action", ["indices:data/write/bulk", "delete", "SEARCH", "%73earch", "search/", "../search"]
)
def test_other_actions_are_refused(remote: Side, narrow_key: str, action: str) -> None:
    """What is not on the list is 403 with a key and 401 without one: strangers learn no names."""
    answer = ask_remote(remote, action, search_call("*"), narrow_key)
    assert (answer.status, answer.report["error_type"]) == (403, "security_exception")
    assert "is not allowed as a cross cluster operation" in answer.report["reason"]
    assert ask_remote(remote, action, search_call("*"), None).status == 401

"""Replacing the key of a remote cluster while searches go on: ``isthmus remote rotate``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from environments_load import Load, searching
from environments_support import Side, until

from isthmus.cli.main import main
from isthmus.sandbox import trust

ACCESS = {"search": [{"names": ["*"]}]}


@pytest.fixture
def passwords(tmp_path: Path, local: Side, remote: Side) -> dict[str, str]:
    """Write both sides' passwords to files; answer the options that name them."""
    for name, side in (("local", local), ("remote", remote)):
        (tmp_path / name).write_text(side.deployment.password)
    return {"local": str(tmp_path / "local"), "remote": str(tmp_path / "remote")}


@pytest.fixture
def rotating(local: Side, add_remote: Callable[..., str], remote: Side) -> Iterator[tuple[str, str]]:
    """Add a remote with a key of its own; answer its alias and the key's id."""
    body = {"name": "to-be-rotated", "access": ACCESS, "metadata": {"team": "search"}, "expiration": "5d"}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    alias = add_remote(key=key["encoded"], skip_unavailable=False)
    trust.wait_until_connected(local.client, (alias,), 30)
    yield alias, key["id"]
    path = f"/api/v1/deployments/{local.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"
    local.platform.call("PATCH", path, {"secrets": {f"cluster.remote.{alias}.credentials.next": {}}})


def rotate(local: Side, alias: str, *options: str, key: str | None = None) -> Result:
    """Run the command."""
    command = ["remote", "rotate", local.environment.directory, local.deployment.name, alias, *options]
    return CliRunner().invoke(main, command, input=key)


def all_found(load: Load, count: int) -> None:
    """Fail unless every search was answered and found the remote document."""
    wrong = [
        outcome for outcome in load.outcomes if outcome.status != 200 or found(outcome.answer) != ["remote"]
    ]
    assert not wrong, f"{len(wrong)} of {len(load.outcomes)}: {wrong[0]}"
    assert len(load.outcomes) > count


def found(answer: Any) -> list[str]:
    """Answer which sides' documents a search has found."""
    return [hit["_source"]["side"] for hit in answer["hits"]["hits"]]


def keys(side: Side, alias: str) -> dict[str, Any]:
    """Answer what a side tells of its keys for an alias."""
    described: dict[str, Any] = side.client.call("GET", "/_remote/info")[alias]["isthmus"]["keys"]
    return described


def names_in_keystore(side: Side) -> set[str]:
    """Answer the names of a side's secure settings."""
    path = f"/api/v1/deployments/{side.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"
    return set(side.platform.call("GET", path)["secrets"])


def test_one_command_rotates_both_sides_and_no_search_notices(
    local: Side, remote: Side, index: str, rotating: tuple[str, str], passwords: dict[str, str]
) -> None:
    """The successor has what the old key had, which is dead then; no search failed, none was refused."""
    alias, old_id = rotating
    with searching(local, f"/{alias}:{index}/_search", {}) as load:
        until(lambda: len(load.outcomes) > 20, "searches with the old key")
        result = rotate(
            local,
            alias,
            "--json",
            *("--password-file", passwords["local"]),
            *("--remote-url", remote.deployment.url, "--remote-password-file", passwords["remote"]),
        )
        assert result.exit_code == 0, result.output
        so_far = len(load.outcomes)
        until(lambda: len(load.outcomes) > so_far + 20, "searches with the new key")
    all_found(load, 40)
    proof = json.loads(result.output)
    assert proof["requests_refused"] == 0
    assert proof["requests_with_new_key"] > 0
    assert proof["old_key_invalidated"] is True
    new_id = proof["new_key_id"]
    shown = keys(local, alias)
    assert (shown["in_use"], shown["current"]) == (new_id, {"id": new_id})
    assert shown["requests"][old_id]["refused"] == shown["requests"][new_id]["refused"] == 0
    assert set(shown["connections"]) == {new_id}
    assert f"cluster.remote.{alias}.credentials.next" not in names_in_keystore(local)
    old, new = (
        remote.client.call("GET", f"/_security/api_key?id={key_id}")["api_keys"][0]
        for key_id in (old_id, new_id)
    )
    assert old["invalidated"] is True
    assert new["invalidated"] is False
    assert (new["name"], new["access"]) == (old["name"], old["access"])
    assert new["metadata"] == {"team": "search", "successor_of": old_id}
    assert new["expiration"] - new["creation"] == old["expiration"] - old["creation"]


def test_a_key_that_is_handed_over_is_taken_into_use(
    local: Side, remote: Side, index: str, rotating: tuple[str, str], passwords: dict[str, str]
) -> None:
    """Without access to the remote side: its administrator makes the key, and ends the old one later."""
    alias, old_id = rotating
    body = {"name": "by-hand", "access": ACCESS}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    result = rotate(local, alias, "--password-file", passwords["local"], "--stdin", key=key["encoded"])
    assert result.exit_code == 0, result.output
    assert "none of them was refused" in result.output
    assert f'{{"ids": ["{old_id}"]}}' in result.output
    assert key["encoded"] not in result.output
    remote.client.call("DELETE", "/_security/api_key", {"ids": [old_id]})
    answer = local.client.call("POST", f"/{alias}:{index}/_search")
    assert found(answer) == ["remote"]
    assert keys(local, alias)["in_use"] == key["id"]


@pytest.mark.parametrize("kind", ["unknown", "rest", "expired"])
def test_a_bad_key_leaves_the_old_one_working_and_says_why(
    local: Side,
    remote: Side,
    index: str,
    rotating: tuple[str, str],
    passwords: dict[str, str],
    kind: str,
) -> None:
    """No search carries it, nothing stays in the keystore, and the message has the remote's reason."""
    alias, old_id = rotating
    expected = "unable to authenticate user"
    if kind == "unknown":
        encoded = "bm9ib2R5OnMzY3JldC1zM2NyZXQ="
    elif kind == "rest":
        encoded = remote.client.call("POST", "/_security/api_key", {"name": "for-rest"})["encoded"]
        expected = "expected API key type of [cross_cluster]"
    else:
        body = {"name": "short", "access": ACCESS, "expiration": "1ms"}
        encoded = remote.client.call("POST", "/_security/cross_cluster/api_key", body)["encoded"]
    with searching(local, f"/{alias}:{index}/_search", {}, threads=2) as load:
        result = rotate(local, alias, "--password-file", passwords["local"], "--stdin", key=encoded)
        so_far = len(load.outcomes)
        until(lambda: len(load.outcomes) > so_far + 10, "searches afterwards")
    all_found(load, 10)
    assert result.exit_code == 1
    assert expected in result.output
    assert "the old key goes on working" in result.output
    assert encoded not in result.output
    assert f"cluster.remote.{alias}.credentials.next" not in names_in_keystore(local)
    until(lambda: "next" not in keys(local, alias), "the next key to be forgotten")
    shown = keys(local, alias)
    assert shown["in_use"] == old_id
    assert set(shown["requests"]) == {old_id}
    assert shown["requests"][old_id]["refused"] == 0


@pytest.mark.parametrize(
    ("key", "expected"),
    [("not base64!", "not an encoded API key"), ("", "not an encoded API key")],
)
def test_what_is_no_key_is_told_before_anything_changes(
    local: Side, rotating: tuple[str, str], passwords: dict[str, str], key: str, expected: str
) -> None:
    """The keystore is not touched for it."""
    alias, _ = rotating
    result = rotate(local, alias, "--password-file", passwords["local"], "--stdin", key=key)
    assert result.exit_code == 1
    assert expected in result.output


def test_the_remote_clusters_are_listed_with_their_keys(
    local: Side, rotating: tuple[str, str], passwords: dict[str, str]
) -> None:
    """Key, expiration and that it is near stand in the list."""
    alias, key_id = rotating
    command = ["remote", "list", local.environment.directory, local.deployment.name]
    result = CliRunner().invoke(main, [*command, "--password-file", passwords["local"]])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith(alias))
    assert "connected" in line
    assert key_id in line
    assert "(soon)" in line

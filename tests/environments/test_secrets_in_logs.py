"""No secret is anywhere in clear: a whole story is lived, then everything it left is searched for them."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_reading import event
from click.testing import CliRunner
from environments_support import (
    Side,
    attempt,
    key_client,
    processes,
    remote_port_client,
    remote_port_status,
)

from isthmus.cli.main import main
from isthmus.sandbox import trust
from isthmus.sandbox.client import JsonClient

#: files that exist to tell a secret to whoever may read the directory, as documented
_TELLING_FILES = ("admin-password.txt",)


class Secrets:
    """Every secret of the story, in every form in which it could leak."""

    def __init__(self) -> None:
        self.forms: dict[str, str] = {}
        self.answers: list[str] = []

    def add(self, name: str, value: str) -> str:
        """Take a secret; answers it."""
        self.forms[name] = value
        self.forms[f"{name} in base64"] = base64.b64encode(value.encode()).decode().rstrip("=")
        return value

    def add_password(self, username: str, password: str) -> str:
        """Take a password, and the header that it travels in."""
        self.add(f"password of {username}", password)
        header = base64.b64encode(f"{username}:{password}".encode()).decode().rstrip("=")
        self.forms[f"basic credentials of {username}"] = header
        return password

    def add_key(self, key: dict[str, Any]) -> str:
        """Take a new API key; answers its encoded form."""
        self.add(f"secret of key {key['name']}", key["api_key"])
        return self.add(f"encoded key {key['name']}", key["encoded"])

    def found_in(self, content: bytes) -> list[str]:
        """Answer which of them stand in these bytes."""
        return [name for name, form in self.forms.items() if form.encode() in content]

    def ask(self, client: JsonClient, method: str, path: str, body: Any = None) -> int:
        """Send a request whose answer must not hold a secret; answers its status."""
        status, answer = attempt(client, method, path, body)
        self.answers.append(json.dumps(answer))
        return status


@pytest.fixture(scope="module")
def name() -> str:
    """Answer what everything of the story is called."""
    return f"story-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    """Give a list that is empty."""
    return Secrets()


def new_password() -> str:
    """Answer a password that stands nowhere by chance."""
    return f"pass-{uuid.uuid4().hex}"


def _users_and_keys(secrets: Secrets, remote: Side, name: str) -> Iterator[str]:
    """Make, change and misuse users and keys of every kind; yields one good cross-cluster key."""
    password = secrets.add_password(name, new_password())
    call = remote.client.call
    call("PUT", f"/_security/user/{name}", {"password": password, "roles": ["superuser"]})
    password = secrets.add_password(name, new_password())
    call("PUT", f"/_security/user/{name}/_password", {"password": password})
    refused = {"password": password, "roles": [], "passwort": password}
    assert secrets.ask(remote.client, "PUT", f"/_security/user/{name}-2", refused) == 400
    hashed = {"password": password, "password_hash": password, "roles": []}
    assert secrets.ask(remote.client, "PUT", f"/_security/user/{name}-2", hashed) == 400
    wrong = secrets.add_password(f"{name} wrongly", new_password())
    user = remote.client_of(name, password)
    for headers_of in (remote.client_of(name, wrong), remote.client_of(f"{name}-gone", wrong)):
        assert secrets.ask(headers_of, "GET", "/") == 401
        headers_of.close()
    rest_key = call("POST", "/_security/api_key", {"name": f"{name}-rest"})
    secrets.add_key(rest_key)
    by_key = key_client(remote.deployment, rest_key["encoded"])
    assert secrets.ask(by_key, "GET", "/_security/_authenticate") == 200
    derived = by_key.call(
        "POST", "/_security/api_key", {"name": f"{name}-derived", "role_descriptors": {"none": {}}}
    )
    secrets.add_key(derived)
    by_key.close()
    grant = {
        "grant_type": "password",
        "username": name,
        "password": password,
        "api_key": {"name": f"{name}-granted"},
    }
    secrets.add_key(call("POST", "/_security/api_key/grant", grant))
    assert secrets.ask(remote.client, "POST", "/_security/api_key/grant", grant | {"password": wrong}) == 401
    cross = call(
        "POST",
        "/_security/cross_cluster/api_key",
        {"name": f"{name}-cross", "access": {"search": [{"names": ["*"]}]}},
    )
    encoded = secrets.add_key(cross)
    misused = key_client(remote.deployment, encoded)
    assert secrets.ask(misused, "GET", "/") == 401
    misused.close()
    assert secrets.ask(user, "GET", f"/_security/api_key?name={name}*") == 200
    assert secrets.ask(user, "POST", "/_security/_query/api_key", {}) == 200
    assert secrets.ask(user, "GET", "/_security/user") == 200
    user.close()
    yield encoded
    call("DELETE", "/_security/api_key", {"name": f"{name}*"})
    call("DELETE", f"/_security/user/{name}")


def _links(
    secrets: Secrets, local: Side, remote: Side, encoded: str, index: str, add_remote: Callable[..., str]
) -> None:
    """Use the key, wrong keys and misplaced keys between the two clusters."""
    alias = add_remote(key=encoded)
    assert secrets.ask(local.client, "POST", f"/{alias}:{index}/_search") == 200
    assert secrets.ask(local.client, "GET", f"/_remote/privileges/{alias}") == 200
    assert secrets.ask(local.client, "GET", f"/_remote/diagnose/{alias}") == 200
    for kind, value in (
        ("garbled", secrets.add("garbled key", "Z" + encoded[1:-4] + "AAA=")),
        ("of nobody", secrets.add("invented key", base64.b64encode(b"nobody:" + b"x" * 22).decode())),
    ):
        bad = add_remote(key=value)
        assert secrets.ask(local.client, "POST", f"/{bad}:{index}/_search") in (200, 401, 503), kind
        assert secrets.ask(local.client, "GET", f"/_remote/diagnose/{bad}") == 200
    assert secrets.ask(local.client, "GET", "/_remote/info") == 200
    assert secrets.ask(local.client, "GET", "/_resolve/cluster") == 200
    misplaced = {"persistent": {f"cluster.remote.{alias}.credentials": encoded}}
    assert secrets.ask(local.client, "PUT", "/_cluster/settings", misplaced) == 400
    assert secrets.ask(local.client, "GET", "/_cluster/settings?include_defaults=true") == 200
    on_the_port = remote_port_client(remote.deployment, f"ApiKey {encoded}")
    assert secrets.ask(on_the_port, "GET", "/") == 404
    on_the_port.close()
    path = "/_isthmus/v1/search"
    assert remote_port_status(remote.deployment, path, f"ApiKey {encoded}", b"\xc1 not a message") == 400
    assert remote_port_status(remote.deployment, path, f"ApiKey {encoded[:-4]}AAA=", b"") == 401
    assert secrets.ask(local.client, "POST", "/_nodes/reload_secure_settings") == 200


def _platform(secrets: Secrets, local: Side, encoded: str, name: str) -> None:
    """Have the platform keep secrets, refuse broken ones, and let nobody in with them."""
    keystore = f"/api/v1/deployments/{local.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"
    setting = f"cluster.remote.{name}.credentials"
    assert secrets.ask(local.platform, "PATCH", keystore, {"secrets": {setting: {"value": encoded}}}) == 200
    assert secrets.ask(local.platform, "GET", keystore) == 200
    for broken in ({setting: encoded}, {setting: {"wert": encoded}}, {f"{name}.other": {"value": encoded}}):
        assert secrets.ask(local.platform, "PATCH", keystore, {"secrets": broken}) == 400
    assert secrets.ask(local.platform, "PATCH", keystore, {"secrets": {setting: {}}}) == 200
    made = local.platform.call("POST", "/api/v1/users/auth/keys", {"description": name})
    secrets.add("platform key", made["key"])
    wrong = secrets.add_password("admin wrongly", new_password())
    environment = local.environment
    client = JsonClient.for_url(environment.platform_url, "admin", wrong, environment.proxy_ca)
    for authorization in (
        client._authorization,
        f"ApiKey {secrets.add('wrong platform key', made['key'][:-6] + 'AAAAAA')}",
        f"Bearer {secrets.add('wrong token', uuid.uuid4().hex)}",
    ):
        client._authorization = authorization
        assert secrets.ask(client, "GET", "/api/v1/deployments") == 401
    client._authorization = f"ApiKey {made['key']}"
    assert secrets.ask(client, "GET", "/api/v1/users/auth/keys") == 200
    client.close()
    assert secrets.ask(local.platform, "GET", f"/api/v1/deployments/{local.deployment.id}") == 200
    assert secrets.ask(local.platform, "GET", "/api/v1/users/auth/keys") == 200
    assert secrets.ask(local.platform, "DELETE", f"/api/v1/users/auth/keys/{made['id']}") == 200


def _operators(secrets: Secrets, local: Side, name: str) -> None:
    """Make an operator by command."""
    password = secrets.add_password(f"operator {name}", new_password())
    place = [local.environment.directory, local.deployment.id]
    arguments = ["users", "add", *place, name, "--role", "superuser", "--stdin"]
    for _ in range(2):  # the second is refused
        secrets.answers.append(CliRunner().invoke(main, arguments, input=f"{password}\n").output)
    secrets.answers.append(CliRunner().invoke(main, ["users", "list", *place]).output)
    client = local.client_of(name, password)
    secrets.ask(client, "GET", "/")
    client.close()


def test_no_secret_is_left_anywhere(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str], secrets: Secrets, name: str
) -> None:
    """Neither files, logs, audit logs, process lists nor answers hold any secret that the story made."""
    for side in (local, remote):
        secrets.add_password("elastic", side.deployment.password)
        secrets.forms[f"elastic of {side.deployment.name}"] = side.deployment.password
        secrets.forms[f"administrator of {side.environment.kind}"] = side.environment.admin.password
    keys = _users_and_keys(secrets, remote, name)
    encoded = next(keys)
    _links(secrets, local, remote, encoded, index, add_remote)
    _platform(secrets, local, encoded, name)
    _operators(secrets, local, name)
    event(remote, "change_password", user__name="elastic")
    event(local, "reload_secure_settings")
    next(keys, None)

    assert len(secrets.forms) > 40
    leaks = [
        f"{what} in an answer" for answer in secrets.answers for what in secrets.found_in(answer.encode())
    ]
    searched = 0
    for side in (local, remote):
        for path in Path(side.environment.directory).rglob("*"):
            if path.is_file() and path.name not in _TELLING_FILES:
                leaks += [f"{what} in {path}" for what in secrets.found_in(_content(path))]
                searched += 1
    leaks += [
        f"{what} in the command line of {pid}"
        for pid, command in processes()
        for what in secrets.found_in("\0".join(command).encode())
    ]
    leaks += [
        f"{what} in the surroundings of {pid}"
        for pid in _node_ids(local, remote)
        for what in _around(secrets, pid)
    ]
    assert leaks == []
    assert searched > 20


def test_the_search_finds_what_is_there(local: Side) -> None:
    """The same search over the one file that tells a password finds it: it does not look past things."""
    [told] = Path(local.environment.directory).glob(_TELLING_FILES[0])
    other = Secrets()
    other.add_password("admin", local.environment.admin.password)
    assert other.found_in(_content(told)) == ["password of admin"]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # an engine's file that was merged away meanwhile
        return b""


def _node_ids(*sides: Side) -> list[int]:
    return [side.node_process_id() for side in sides]


def _around(secrets: Secrets, process_id: int) -> list[str]:
    return secrets.found_in(Path(f"/proc/{process_id}/environ").read_bytes())

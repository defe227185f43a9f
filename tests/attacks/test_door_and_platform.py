"""9243 and the platform: neighbours' names, paths in disguise, requests without or with wrong credentials."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attacks_support import Answer, answers_to, permissive_context, request_bytes, tls_connection
from environments_support import Side, until

from isthmus.control.layout import EnvironmentLayout


def _basic(username: str, password: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _elastic(side: Side) -> tuple[str, str]:
    return _basic("elastic", side.deployment.password)


def _platform(side: Side, content: bytes) -> Answer:
    address = urlsplit(side.environment.platform_url)
    plain = socket.create_connection((str(address.hostname), address.port or 0), timeout=10)
    return answers_to(permissive_context().wrap_socket(plain), content)[0]


@pytest.mark.parametrize("port", ["remote_cluster", "transport"])
@pytest.mark.parametrize(
    "name",
    ["", "evil.example", "localhost", "{id}", "x.{name}", "{name}.evil.example", "*.{domain}", "{other}"],
)
def test_other_server_names_get_one_answer(local: Side, remote: Side, port: str, name: str) -> None:
    """No name, a neighbour's, a longer or shorter one: the same alert, before any certificate."""
    own = remote.deployment.server_name
    identity, _, domain = own.partition(".")
    wanted = name.format(id=identity, name=own, domain=domain, other=local.deployment.server_name)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        tls_connection(remote, port, server_name=wanted)


def test_the_name_in_the_hello_decides(remote: Side) -> None:
    """A header that names a neighbour does not lead a connection of one deployment to another."""
    for headers, host in (
        ([("x-found-cluster", "0" * 32)], "node"),
        ([], f"{'0' * 32}.enterprise.localhost"),
    ):
        content = request_bytes("GET", "/", [_elastic(remote), *headers], host=host)
        answers = answers_to(tls_connection(remote, "data"), content)
        assert answers[0].json["cluster_uuid"] == remote.deployment.cluster_id


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-found-cluster", "{other}"),
        ("x-found-cluster", "../{own}"),
        ("x-found-cluster", "{own}\t{other}"),
        ("x-found-cluster", "{own},{other}"),
        ("host", "{other}.hosted.localhost"),
        ("host", "evil@{own}.enterprise.localhost"),
        ("host", "{own}.enterprise.localhost.evil.example"),
        ("x-forwarded-host", "{own}.enterprise.localhost"),
    ],
)
def test_headers_lead_to_no_other_deployment(local: Side, remote: Side, header: str, value: str) -> None:
    """Where headers choose, only a deployment of this environment, named whole, is chosen."""
    text = value.format(own=remote.deployment.cluster_id, other=local.deployment.cluster_id)
    host = text if header == "host" else "door"
    headers = [_elastic(remote)] if header == "host" else [_elastic(remote), (header, text)]
    answers = answers_to(
        tls_connection(remote, "data", server_name=""), request_bytes("GET", "/", headers, host=host)
    )
    assert [(answer.status, answer.json["message"]) for answer in answers] == [(404, "Unknown resource.")]


def test_smuggling_through_the_door_is_refused(remote: Side) -> None:
    """Two lengths are a 400 at the door, and the second request inside is never answered."""
    found = ("x-found-cluster", remote.deployment.cluster_id)
    lengths = [("content-length", "4"), ("transfer-encoding", "chunked")]
    inner = b"0\r\n\r\nGET /_security/user HTTP/1.1\r\nhost: x\r\n\r\n"
    content = request_bytes("POST", "/_search", [_elastic(remote), found, *lengths], inner)
    answers = answers_to(tls_connection(remote, "data", server_name=""), content)
    assert [answer.status for answer in answers] == [400]


def test_credentials_cannot_be_taken_off_on_the_way(remote: Side) -> None:
    """A caller who lists ``authorization`` as a header of this hop is a caller without credentials."""
    found = ("x-found-cluster", remote.deployment.cluster_id)
    headers = [_elastic(remote), found, ("connection", "authorization, close")]
    answers = answers_to(tls_connection(remote, "data", server_name=""), request_bytes("GET", "/", headers))
    assert [answer.status for answer in answers] == [401]


def test_malformed_requests_leave_no_credentials_in_the_log(remote: Side) -> None:
    """A header that cannot be read is quoted in no log, though it may hold a password."""
    log = EnvironmentLayout(Path(remote.environment.directory)).logs / "serve.log"
    before = log.read_text().count("malformed request refused")
    content = b"GET / HTTP/1.1\r\nhost: a\r\nauthorization: Basic S3CRET-IN-A-HEADER\x01\r\n\r\n"
    answers = answers_to(tls_connection(remote, "data", server_name=""), content)
    assert [answer.status for answer in answers] == [400]
    until(lambda: log.read_text().count("malformed request refused") > before, "the line in the log")
    for path in log.parent.iterdir():
        assert "S3CRET" not in path.read_text()


def test_every_platform_route_wants_credentials(remote: Side) -> None:
    """Each operation of the OpenAPI document, but those that say so, is a 401 without and with wrong ones."""
    document = remote.platform.call("GET", "/api/v1/api-docs/swagger.json")
    free = []
    for template, operations in document["paths"].items():
        path = "/api/v1" + re.sub(r"\{\w+\}", "x", template)
        for method, operation in operations.items():
            for headers in ([], [_basic("admin", "wrong")], [("authorization", "Bearer x")])[
                :: 1 if method == "get" else 3
            ]:
                answer = _platform(remote, request_bytes(method.upper(), path, headers))
                if operation.get("security") == []:
                    free.append((method, template))
                    assert answer.status != 401
                else:
                    assert (method, template, answer.status) == (method, template, 401)
                    assert answer.json["errors"][0]["code"] == "root.unauthenticated"
    assert set(free) == {("post", "/users/auth/_login"), ("get", "/users/auth/methods")}


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/deployments",
        "/api/v1/users/auth/methods/../../../deployments",
        "/api/v1/users/auth/methods%2f..%2fdeployments",
        "/api/v1//users/auth/_login/../../../deployments",
        "/api/v1/%64eployments",
        "/API/V1/deployments",
        "/api/v1/users/auth/methods;/deployments",
        "/api/v1/regions/../deployments",
        "/api/v1/regions/x/users/auth/methods",
        "/api/v1/deployments%00",
        "/api/v2/deployments",
        "/",
    ],
)
def test_platform_paths_in_disguise_want_credentials(remote: Side, path: str) -> None:
    """Nothing but the two free paths, as they are spelled, is free."""
    assert _platform(remote, request_bytes("GET", path, [])).status == 401


def test_credentials_of_elsewhere_are_wrong_on_the_platform(
    local: Side, remote: Side, narrow_key: str
) -> None:
    """Another environment's administrator, a deployment's superuser, keys of a deployment: 401."""
    for header in (
        _basic("admin", local.environment.admin.password),
        _basic("elastic", remote.deployment.password),
        _basic("Admin", remote.environment.admin.password),
        _basic("admin", ""),
        _basic("admin", "x" * 5_000),
        ("authorization", f"ApiKey {narrow_key}"),
        ("authorization", "ApiKey"),
        ("authorization", f"basic\t{_basic('admin', remote.environment.admin.password)[1][6:]}"),
    ):
        assert _platform(remote, request_bytes("GET", "/api/v1/deployments", [header])).status == 401


def test_nobody_else_can_open_what_lies_on_disk(remote: Side) -> None:
    """Only the owner gets into the folders, and keys, keystores, databases and sockets are 0600 besides."""
    directory = Path(remote.environment.directory)
    folders = [directory, *(path for path in directory.iterdir() if path.is_dir())]
    assert [path for path in folders if stat.S_IMODE(path.stat().st_mode) != 0o700] == []
    names = (
        "*.key",
        "keystore",
        "*.sqlite3*",
        "*.sock",
        "*.ctl",
        "*.http",
        "*.door",
        "node.json",
        "*-trust.json",
    )
    private = [path for name in (*names, "secrets/*") for path in directory.rglob(name)]
    assert {"control.sock", "keystore", "node.sqlite3"} <= {path.name for path in private}
    assert [path for path in private if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o177] == []
    assert stat.S_IMODE((directory / "run" / "control.sock").stat().st_mode) == 0o600

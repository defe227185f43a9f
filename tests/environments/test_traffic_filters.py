"""Traffic filters over real environments: who gets in, who is cut, and how it looks from outside."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from environments_support import Side, last_error, until

from isthmus.cli.main import main
from isthmus.sandbox import trust
from isthmus.sandbox.client import JsonClient, RequestRefusedError

HERE, ELSEWHERE = "127.0.0.1", "198.51.100.1"
RULE_SETS = "/api/v1/deployments/traffic-filter/rulesets"
FORBIDDEN = (
    b'{"ok":false,"message":"Forbidden due to traffic filtering. '
    b'Please see the Elastic documentation on Traffic Filtering for more information."}'
)


@dataclass
class Guarded:
    """A deployment beside the remote one that only these tests use."""

    id: str
    cluster_id: str
    server_name: str
    data_port: int
    remote_port: int
    password: str
    ca: str
    platform: JsonClient

    def connect(self, server_name: str | None = None, port: int | None = None) -> ssl.SSLSocket:
        """Answer a TLS connection to 9243 with that server name."""
        context = ssl.create_default_context(cafile=self.ca)
        plain = socket.create_connection((HERE, port or self.data_port), timeout=10)
        return context.wrap_socket(plain, server_hostname=server_name or self.server_name)

    def ask(self, connection: ssl.SSLSocket, target: str = "/", cluster_id: str = "") -> tuple[int, bytes]:
        """Send a request over the connection, signed in; answer status and body."""
        token = base64.b64encode(f"elastic:{self.password}".encode()).decode()
        found = f"X-Found-Cluster: {cluster_id}\r\n" if cluster_id else ""
        head = f"GET {target} HTTP/1.1\r\nHost: {self.server_name}\r\n{found}"
        connection.sendall(f"{head}Authorization: Basic {token}\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()

    def status(self) -> int:
        """Answer the status of a request over a new connection."""
        with self.connect() as connection:
            return self.ask(connection)[0]


@pytest.fixture(scope="module")
def guarded(remote: Side) -> Iterator[Guarded]:
    """Make one more deployment in the remote environment."""
    made = remote.platform.call("POST", "/api/v1/deployments", {"name": "guarded"})
    path = f"/api/v1/deployments/{made['id']}"

    def started() -> Any:
        resource = remote.platform.call("GET", path)["resources"]["elasticsearch"][0]
        return resource["info"] if resource["info"]["status"] == "started" else None

    info = until(started, "the deployment to start", 30)
    urls = {each["service"]: each["url"] for each in info["metadata"]["services_urls"]}
    yield Guarded(
        id=made["id"],
        cluster_id=info["cluster_id"],
        server_name=info["metadata"]["endpoint"],
        data_port=urlsplit(urls["elasticsearch"]).port or 0,
        remote_port=int(remote.deployment.proxy_address.rpartition(":")[2]),
        password=made["resources"][0]["credentials"]["password"],
        ca=remote.environment.proxy_ca,
        platform=remote.platform,
    )
    remote.platform.call("POST", f"{path}/_shutdown")
    remote.platform.call("DELETE", path)


@pytest.fixture
def only(guarded: Guarded) -> Iterator[Callable[..., str]]:
    """Answer a function that lets only these in to the deployment, and answers the rule set's id."""
    with ExitStack() as stack:

        def associate(*rules: dict[str, str], kind: str = "ip") -> str:
            body = {
                "name": f"set-{uuid.uuid4().hex[:8]}",
                "type": kind,
                "region": "ece-region",
                "include_by_default": False,
                "rules": list(rules),
            }
            rule_set_id = str(guarded.platform.call("POST", RULE_SETS, body)["id"])
            stack.callback(remove, rule_set_id)
            guarded.platform.call(
                "POST",
                f"{RULE_SETS}/{rule_set_id}/associations",
                {"entity_type": "deployment", "id": guarded.id},
            )
            return rule_set_id

        def remove(rule_set_id: str) -> None:
            with contextlib.suppress(RequestRefusedError):
                guarded.platform.call("DELETE", f"{RULE_SETS}/{rule_set_id}?ignore_associations=true")

        yield associate


def test_a_denied_client_gets_403_and_open_connections_end(
    guarded: Guarded, only: Callable[..., str]
) -> None:
    """Within a second of the change, both; and the way back is as short."""
    with guarded.connect() as open_one:
        assert guarded.ask(open_one)[0] == 200
        began = time.monotonic()
        rule_set_id = only({"source": ELSEWHERE})
        with guarded.connect() as connection:
            assert guarded.ask(connection) == (403, FORBIDDEN)
            assert guarded.ask(connection, "/_search?q=x") == (403, FORBIDDEN)
            assert guarded.ask(connection, "/_health") == (403, FORBIDDEN)
        open_one.settimeout(2)
        with contextlib.suppress(ConnectionError):
            assert open_one.recv(1) == b""
        assert time.monotonic() - began < 1.5
    told = guarded.platform.call("GET", f"/api/v1/deployments/{guarded.id}")
    assert told["settings"]["traffic_filter_settings"]["rulesets"] == [rule_set_id]
    guarded.platform.call("DELETE", f"{RULE_SETS}/{rule_set_id}/associations/deployment/{guarded.id}")
    assert guarded.status() == 200


def test_requests_routed_by_header_are_filtered_too(guarded: Guarded, only: Callable[..., str]) -> None:
    """The environment's own address is no way around; other deployments are not touched."""
    with guarded.connect("localhost") as connection:
        assert guarded.ask(connection, cluster_id=guarded.cluster_id)[0] == 200
        only({"source": ELSEWHERE})
        assert guarded.ask(connection, cluster_id=guarded.cluster_id) == (403, FORBIDDEN)
        assert guarded.ask(connection, "/_health")[0] == 200


def test_one_matching_rule_of_any_set_lets_in(guarded: Guarded, only: Callable[..., str]) -> None:
    """Sets add up, and a change of a set that holds counts at once."""
    rule_set_id = only({"source": ELSEWHERE})
    assert guarded.status() == 403
    only({"source": "2001:db8::/32"}, {"source": "127.0.0.0/8"})
    assert guarded.status() == 200
    told = guarded.platform.call("GET", f"{RULE_SETS}/{rule_set_id}?include_associations=true")
    assert told["total_associations"] == 1


def test_a_remote_cluster_is_cut_off_and_comes_back(
    guarded: Guarded, only: Callable[..., str], local: Side, add_remote: Callable[..., str]
) -> None:
    """A link that is open ends, a new one is closed before TLS, and it heals when it may."""
    owner = _owner(guarded)
    key = trust.create_cross_cluster_key(owner, "for-the-filter")
    owner.close()
    alias = add_remote(key=key, server_name=guarded.server_name)
    trust.wait_until_connected(local.client, (alias,), 15)
    rule_set_id = only({"source": ELSEWHERE})
    _until_cut_off(local, alias)
    assert last_error(local, alias)["phase"] == "tls"
    hello = _hello(guarded.server_name)
    with socket.create_connection((HERE, guarded.remote_port), timeout=5) as plain:
        plain.sendall(hello)
        assert plain.recv(1) == b""
    guarded.platform.call("DELETE", f"{RULE_SETS}/{rule_set_id}?ignore_associations=true")
    trust.wait_until_connected(local.client, (alias,), 30)


def test_a_caller_of_the_same_environment_is_let_in_by_its_cluster(
    guarded: Guarded, only: Callable[..., str], remote: Side
) -> None:
    """By the certificate that it shows: not by its key, and not by its address."""
    owner = _owner(guarded)
    key = trust.create_cross_cluster_key(owner, "for-the-neighbour")
    owner.close()
    alias = f"neighbour-{uuid.uuid4().hex[:8]}"
    details = remote.platform.call("GET", f"/api/v1/deployments/{remote.deployment.id}?show_settings=true")
    before = details["resources"]["elasticsearch"][0]["info"]["settings"]["trust"]["direct"] or []
    authorities = {each["name"]: "".join(c["pem"] for c in each["certificates"]) for each in before}
    rule_set_id = only({"remote_cluster_id": remote.deployment.cluster_id}, kind="remote_cluster")
    try:
        trust.trust_authorities(
            remote.platform, remote.deployment.id, {**authorities, "own": remote.environment.proxy_ca_pem}
        )
        trust.put_key(remote.platform, remote.deployment.id, alias, key)
        trust.connect(remote.client, alias, f"{HERE}:{guarded.remote_port}", guarded.server_name)
        trust.wait_until_connected(remote.client, (alias,), 20)
        assert guarded.status() == 403
        body = guarded.platform.call("GET", f"{RULE_SETS}/{rule_set_id}")
        body["rules"] = [{"remote_cluster_id": "f" * 32}]
        guarded.platform.call("PUT", f"{RULE_SETS}/{rule_set_id}", body)
        _until_cut_off(remote, alias)
        body["rules"] = [{"remote_cluster_org_id": remote.environment.scope_id}]
        guarded.platform.call("PUT", f"{RULE_SETS}/{rule_set_id}", body)
        trust.wait_until_connected(remote.client, (alias,), 30)
    finally:
        nothing = {"persistent": {"cluster": {"remote": {alias: None}}}}
        remote.client.call("PUT", "/_cluster/settings", nothing)
        trust.remove_key(remote.platform, remote.deployment.id, alias)
        trust.trust_authorities(remote.platform, remote.deployment.id, authorities)


def test_nobody_locks_themselves_out_over_the_network(guarded: Guarded, remote: Side) -> None:
    """The platform API asks for force; over its Unix socket it does not."""
    admin = remote.environment.admin
    client = JsonClient.for_url(
        remote.environment.platform_url, admin.user, admin.password, remote.environment.proxy_ca
    )
    body = {"name": "x", "type": "ip", "region": "ece-region", "include_by_default": False, "rules": []}
    rule_set_id = client.call("POST", RULE_SETS, body)["id"]
    association = {"entity_type": "deployment", "id": guarded.id}
    try:
        with pytest.raises(RequestRefusedError) as refused:
            client.call("POST", f"{RULE_SETS}/{rule_set_id}/associations", association)
        assert refused.value.status == 400
        assert refused.value.answer["errors"][0]["code"] == "traffic_filter.locks_out_caller"
        assert guarded.status() == 200
        client.call("POST", f"{RULE_SETS}/{rule_set_id}/associations?force=true", association)
        assert guarded.status() == 403
    finally:
        client.call("DELETE", f"{RULE_SETS}/{rule_set_id}?ignore_associations=true")
        client.close()
    assert guarded.status() == 200


def test_egress_addresses_are_for_everybody(remote: Side) -> None:
    """Without credentials; what lies beside it is not."""
    parts = urlsplit(remote.environment.platform_url)
    context = ssl.create_default_context(cafile=remote.environment.proxy_ca)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=10, context=context)
    connection.request("GET", "/egress.json")
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (200, {"regions": {"ece-region": []}})
    connection.request("GET", "/api/v1/deployments/traffic-filter/rulesets")
    response = connection.getresponse()
    assert response.status == 401
    connection.close()


def test_the_command_does_it_all(guarded: Guarded, remote: Side) -> None:
    """Create, associate, show, update, list, take apart, delete; and mistakes are told in one line."""
    directory = remote.environment.directory

    def run(*arguments: str, status: int = 0) -> str:
        command = ["traffic-filter", arguments[0], directory, *arguments[1:]]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == status, result.output
        return result.output

    run("create", "office", "--source", ELSEWHERE)
    try:
        assert "already" in run("create", "office", "--source", HERE, status=1)
        run("associate", "office", "guarded")
        assert guarded.status() == 403
        shown = json.loads(run("show", "office", "--json"))
        assert (shown["rules"][0]["source"], shown["total_associations"]) == (ELSEWHERE, 1)
        run("update", "office", "--source", HERE, "--source", "::1", "--description", "all of it")
        assert guarded.status() == 200
        assert "127.0.0.1, ::1" in run("show", "office")
        assert "office" in run("list")
        assert "associated with 1 deployment" in run("delete", "office", status=1)
        assert "DNS names are not supported" in run("update", "office", "--source", "example.com", status=1)
        run("dissociate", "office", "guarded")
        assert "no deployment is called [x]" in run("associate", "office", "x", status=1)
    finally:
        run("delete", "office", "--ignore-associations")
    assert "no traffic filter is called [office]" in run("show", "office", status=1)


def _until_cut_off(side: Side, alias: str) -> None:
    def is_cut_off() -> bool:
        return not side.client.call("GET", "/_remote/info")[alias]["connected"]

    until(is_cut_off, f"{alias} to be cut off", 5)


def _owner(guarded: Guarded) -> JsonClient:
    """Answer a client of the deployment's data API, signed in as its superuser."""
    context = ssl.create_default_context(cafile=guarded.ca)
    connection = _NamedConnection(guarded.server_name, guarded.data_port, context)
    token = base64.b64encode(f"elastic:{guarded.password}".encode()).decode()
    return JsonClient(connection, f"Basic {token}")


class _NamedConnection(http.client.HTTPSConnection):
    """Connects to this machine, whatever the name; no name server is asked."""

    def __init__(self, name: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=30, context=context)
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((HERE, self.port), timeout=30)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _hello(name: str) -> bytes:
    """Answer the first bytes of a client."""
    outgoing = ssl.MemoryBIO()
    connection = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()

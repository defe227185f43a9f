"""The platform API of a real environment: what it does to nodes, doors and links."""

from __future__ import annotations

import socket
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from environments_support import Side, until

from isthmus.control.certificates import Credentials, issue_server_certificate
from isthmus.sandbox.client import JsonClient, RequestRefusedError

TLS_PATH = "/api/v1/platform/configuration/security/tls"


@dataclass(frozen=True)
class Other:
    """A second deployment of the enterprise side."""

    id: str
    client: JsonClient
    url: str


def resource_path(deployment_id: str, *below: str) -> str:
    """Answer the path of a deployment's Elasticsearch resource."""
    return "/".join((f"/api/v1/deployments/{deployment_id}/elasticsearch/main-elasticsearch", *below))


def info_of(side: Side, deployment_id: str, query: str = "") -> Any:
    """Answer the info of a deployment's resource."""
    details = side.platform.call("GET", f"/api/v1/deployments/{deployment_id}{query}")
    return details["resources"]["elasticsearch"][0]["info"]


def until_started(side: Side, deployment_id: str) -> str:
    """Return once no plan is pending; answer the URL of the deployment's own port."""

    def url() -> str | None:
        info = info_of(side, deployment_id)
        if "pending" in info["plan_info"]:
            return None
        urls = {each["service"]: each["url"] for each in info["metadata"]["services_urls"]}
        return urls.get("loopback")

    return str(until(url, "the plan to end", 30))


@pytest.fixture(scope="module")
def other(remote: Side) -> Iterator[Other]:
    """Make a second deployment beside the one of the enterprise side."""
    body = {"name": f"other-{uuid.uuid4().hex[:8]}", "isthmus": {"loopback_port": 0}}
    made = remote.platform.call("POST", "/api/v1/deployments", body)
    credentials = made["resources"][0]["credentials"]
    url = until_started(remote, made["id"])
    client = JsonClient.for_url(url, "elastic", credentials["password"], remote.deployment.ca)
    yield Other(made["id"], client, url)
    client.close()
    remote.platform.call("POST", f"/api/v1/deployments/{made['id']}/_shutdown")
    remote.platform.call("DELETE", f"/api/v1/deployments/{made['id']}")


def test_deployments_of_one_environment_become_remote_clusters(remote: Side, other: Other) -> None:
    """One request connects them; a search crosses; an empty list separates them and ends the key."""
    other.client.call("PUT", "/beside/_doc/1?refresh=true", {"place": "other"})
    entry = {
        "deployment_id": other.id,
        "elasticsearch_ref_id": "main-elasticsearch",
        "alias": "beside",
        "skip_unavailable": False,
    }
    path = resource_path(remote.deployment.id, "remote-clusters")
    remote.platform.call("PUT", path, {"resources": [entry]})

    def connected() -> Any:
        (told,) = remote.platform.call("GET", path)["resources"]
        return told["info"]["connected"] and told

    told = until(connected, "the deployments to be connected")
    assert set(told.pop("info").values()) == {True}
    assert told == entry
    found = remote.client.call("GET", "/beside:beside/_search")
    assert [hit["_source"] for hit in found["hits"]["hits"]] == [{"place": "other"}]
    settings = remote.client.call("GET", "/_cluster/settings")["persistent"]["cluster"]["remote"]["beside"]
    assert settings["mode"] == "proxy"
    (key,) = [
        each
        for each in other.client.call("GET", "/_security/api_key")["api_keys"]
        if each["metadata"].get("managed_by") == "platform" and not each["invalidated"]
    ]
    assert key["metadata"]["alias"] == "beside"

    remote.platform.call("PUT", path, {"resources": []})
    until(lambda: "beside" not in remote.client.call("GET", "/_remote/info"), "the remote to be gone")

    def ended() -> bool:
        (told,) = other.client.call("GET", f"/_security/api_key?id={key['id']}")["api_keys"]
        return bool(told["invalidated"])

    until(ended, "the key to be invalidated")
    assert remote.platform.call("GET", path) == {"resources": []}


def test_a_restart_is_followed_by_its_plan(remote: Side, other: Other) -> None:
    """It is pending while the node starts, and has ended well when clients are served again."""
    before = info_of(remote, other.id)["plan_info"]["current"]["plan_attempt_id"]
    assert remote.platform.call("POST", resource_path(other.id, "_restart")) == {}
    until_started(remote, other.id)
    current = info_of(remote, other.id, "?show_plan_logs=true")["plan_info"]["current"]
    assert current["plan_attempt_id"] != before
    assert current["source"]["action"] == "deployments.restart-deployment-es-resource"
    assert current["plan_attempt_log"][-1]["step_id"] == "plan-completed"
    assert current["plan_attempt_log"][-1]["status"] == "success"


def test_a_new_password_counts_at_once(remote: Side, other: Other) -> None:
    """Without a restart; the old one opens nothing any more."""
    attempts = info_of(remote, other.id, "?show_plan_history=true")["plan_info"]["history"]
    answer = remote.platform.call("POST", resource_path(other.id, "_reset-password"))
    url = until_started(remote, other.id)
    renewed = JsonClient.for_url(url, "elastic", answer["password"], remote.deployment.ca)
    assert renewed.call("GET", "/_security/_authenticate")["username"] == "elastic"
    renewed.close()
    again = info_of(remote, other.id, "?show_plan_history=true")["plan_info"]["history"]
    assert len(again) == len(attempts)


def presented(address: tuple[str, int], server_name: str, authority: str) -> x509.Certificate:
    """Answer the certificate that a server shows to a new connection; it must be a valid one."""
    context = ssl.create_default_context(cadata=authority)
    with (
        socket.create_connection(address, timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=server_name) as encrypted,
    ):
        shown = encrypted.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)


@pytest.mark.parametrize("service", ["proxy", "ui"])
def test_an_uploaded_chain_is_presented_to_new_connections(remote: Side, service: str) -> None:
    """Nothing is restarted, and what is connected stays so; given up, the environment's own is back."""
    environment = remote.environment
    certificates = Path(environment.directory) / "certificates"
    authority = Credentials(
        (certificates / "proxy-ca.crt").read_bytes(), (certificates / "proxy-ca.key").read_bytes()
    )
    domain = remote.deployment.server_name.partition(".")[2]
    names = (f"*.{domain}", "localhost", "127.0.0.1")
    issued = issue_server_certificate(authority, names, datetime.now(UTC))
    wanted = x509.load_pem_x509_certificate(issued.certificate)
    host, _, port = remote.deployment.proxy_address.rpartition(":")
    door = ((host, int(port)), remote.deployment.server_name)
    api = (("127.0.0.1", int(environment.platform_url.rpartition(":")[2])), "localhost")
    address, server_name = door if service == "proxy" else api
    before = presented(address, server_name, environment.proxy_ca_pem)

    text = (issued.key + issued.certificate).decode()
    answer = remote.platform.call("POST", f"{TLS_PATH}/{service}", text)
    assert answer == {"service": service}
    assert presented(address, server_name, environment.proxy_ca_pem) == wanted != before
    assert remote.client.call("GET", "/_remote/info") is not None
    told = remote.platform.call("GET", f"{TLS_PATH}/{service}")
    assert (told["user_supplied"], len(told["chain"])) == (True, 2)

    assert remote.platform.call("DELETE", f"{TLS_PATH}/{service}") == {}
    renewed = presented(address, server_name, environment.proxy_ca_pem)
    assert renewed != wanted


def test_tokens_and_keys_open_the_api_over_the_network(remote: Side) -> None:
    """A token from signing in, and a key made with it; neither opens a deployment."""
    environment = remote.environment
    admin = environment.admin
    by_password = JsonClient.for_url(
        environment.platform_url, admin.user, admin.password, environment.proxy_ca
    )
    key = by_password.call("POST", "/api/v1/users/auth/keys", {"description": "t", "expiration": "1h"})
    signed_in = by_password.call(
        "POST", "/api/v1/users/auth/_login", {"username": admin.user, "password": admin.password}
    )
    for header in (f"ApiKey {key['key']}", f"Bearer {signed_in['token']}"):
        connection = by_password._connection
        caller = JsonClient(connection, header)
        assert caller.call("GET", "/api/v1//user")["user_name"] == "admin"
    by_password.call("DELETE", f"/api/v1/users/auth/keys/{key['id']}")
    stranger = JsonClient(by_password._connection, f"ApiKey {key['key']}")
    with pytest.raises(RequestRefusedError, match="401"):
        stranger.call("GET", "/api/v1/user")
    by_password.close()

"""Two environments that trust each other by certificate: real processes, real TLS, a real rotation."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from environments_support import Side, key_client, side_of, until

from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel, trust
from isthmus.sandbox.client import JsonClient, RequestRefusedError

TRANSPORT_CA = "/api/v1/platform/configuration/security/transport-ca"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Start a hosted and an enterprise environment that trust each other by certificate."""
    with Sandbox(SandboxOptions(model=SecurityModel.CERTIFICATE)) as running:
        yield running


@pytest.fixture(scope="module")
def local(sandbox: Sandbox) -> Side:
    """Answer the hosted side, from which searches start."""
    return side_of(sandbox, sandbox.fabric.environments[0])


@pytest.fixture(scope="module")
def remote(sandbox: Sandbox) -> Side:
    """Answer the enterprise side, which is searched."""
    return side_of(sandbox, sandbox.fabric.environments[1])


@pytest.fixture(scope="module")
def index(remote: Side) -> str:
    """Answer an index of one document on the remote side."""
    name = f"index-{uuid.uuid4().hex[:8]}"
    remote.client.call("PUT", f"/{name}/_doc/1?refresh=true", {"side": "remote"})
    return name


@pytest.fixture(autouse=True)
def restored(local: Side, remote: Side) -> Iterator[None]:
    """Have both sides trust each other again after each test."""
    accounts = [trust_of(side)["accounts"] for side in (local, remote)]
    yield
    for side, other, own in ((local, remote, accounts[0]), (remote, local, accounts[1])):
        published = other.platform.call("GET", TRANSPORT_CA)["public_certificates"]
        entry = {
            "type": "ECE" if other.environment.kind == "enterprise" else "ESS",
            "name": other.deployment.name,
            "scope_id": other.environment.scope_id,
            "trust_all": True,
            "certificates": [{"pem": each["pem"]} for each in published],
        }
        replace_trust(side, {"accounts": own, "direct": [entry]})
    until(lambda: is_connected(local), "the link to come back")


def trust_of(side: Side) -> dict[str, Any]:
    """Answer the trust settings of a side's deployment."""
    path = f"/api/v1/deployments/{side.deployment.id}?show_settings=true"
    resource = side.platform.call("GET", path)["resources"]["elasticsearch"][0]
    trusted: dict[str, Any] = resource["info"]["settings"]["trust"]
    return trusted


def replace_trust(side: Side, trusted: Any) -> None:
    """Replace the trust settings of a side's deployment."""
    body = {"resources": {"elasticsearch": [{"settings": {"trust": trusted}}]}}
    side.platform.call("PUT", f"/api/v1/deployments/{side.deployment.id}", body)


def info(side: Side, alias: str = "enterprise") -> dict[str, Any]:
    """Answer what `_remote/info` tells of an alias."""
    told: dict[str, Any] = side.client.call("GET", "/_remote/info")[alias]
    return told


def is_connected(side: Side, alias: str = "enterprise") -> bool:
    """Tell whether a link is up."""
    return bool(info(side, alias)["connected"])


def hits(client: JsonClient, index: str, alias: str = "enterprise") -> int:
    """Search on the remote and answer how many documents were found."""
    answer = client.call("POST", f"/{alias}:{index}/_search")
    assert answer["_clusters"]["skipped"] == 0, answer["_clusters"]
    return int(answer["hits"]["total"]["value"])


def user_client(side: Side, sandbox: Sandbox, *roles: str) -> JsonClient:
    """Make a user with these roles and answer a client of theirs."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    side.client.call("PUT", f"/_security/user/{name}", {"password": "long-enough", "roles": list(roles)})
    client = JsonClient.for_url(side.deployment.url, name, "long-enough", side.deployment.ca)
    sandbox._clients.append(client)
    return client


def isthmus(*arguments: str) -> str:
    """Run a command and answer what it prints."""
    command = [sys.executable, "-m", "isthmus", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own program
    return done.stdout


def test_remote_info_tells_the_model(local: Side) -> None:
    """No credentials are shown, because there are none."""
    told = info(local)
    assert told["connected"] is True
    assert "cluster_credentials" not in told
    assert told["isthmus"]["security_model"] == "certificate"
    assert "api_key" not in told["isthmus"]["remote"]


def test_roles_of_the_same_names_count(local: Side, remote: Side, sandbox: Sandbox, index: str) -> None:
    """The remote's own role decides; remote_indices of the local one count for nothing."""
    assert hits(local.client, index) == 1  # superuser here, superuser there
    assert hits(user_client(local, sandbox, "remote-search"), index) == 1
    role = {"remote_indices": [{"clusters": ["*"], "names": ["*"], "privileges": ["all"]}]}
    local.client.call("PUT", "/_security/role/only-here", role)
    stranger = user_client(local, sandbox, "only-here")
    failures = stranger.call("POST", f"/enterprise:{index}/_search")["_clusters"]["details"]["enterprise"]
    assert failures["status"] == "skipped"
    assert (
        "with effective roles [] (assigned roles [only-here] were not found)"
        f" on indices [{index}], this action is granted by the index privileges [read,all]"
    ) in failures["failures"][0]["reason"]["reason"]
    remote.client.call(
        "PUT", "/_security/role/only-here", {"indices": [{"names": ["none-*"], "privileges": ["read"]}]}
    )
    must_answer = {"cluster.remote.enterprise.skip_unavailable": False}
    local.client.call("PUT", "/_cluster/settings", {"persistent": must_answer})
    with pytest.raises(RequestRefusedError) as refused:
        stranger.call("POST", f"/enterprise:{index}/_search")
    local.client.call(
        "PUT", "/_cluster/settings", {"persistent": {"cluster.remote.enterprise.skip_unavailable": None}}
    )
    assert refused.value.status == 403
    assert "with effective roles [only-here] on indices" in str(refused.value.answer)


def test_an_api_key_takes_its_own_privileges_along(local: Side, index: str) -> None:
    """A key that may read nothing of that name here may not there either."""
    descriptors = {"r": {"indices": [{"names": ["other-*"], "privileges": ["read"]}]}}
    key = local.client.call("POST", "/_security/api_key", {"name": "k", "role_descriptors": descriptors})
    client = key_client(local.deployment, key["encoded"])
    answer = client.call("POST", f"/enterprise:{index}/_search")
    client.close()
    assert answer["_clusters"]["skipped"] == 1
    everything = local.client.call("POST", "/_security/api_key", {"name": "all"})
    client = key_client(local.deployment, everything["encoded"])
    assert hits(client, index) == 1
    client.close()


@pytest.mark.parametrize("which", ["local", "remote"])
def test_trust_that_is_removed_ends_the_link_within_a_second(
    which: str, local: Side, remote: Side, index: str
) -> None:
    """On either side, for connections that are open; the reason names what to check."""
    side = local if which == "local" else remote
    started = time.monotonic()
    replace_trust(side, {"accounts": None, "external": None, "direct": None})
    until(lambda: not is_connected(local), "the link to end", 2.0)
    assert time.monotonic() - started < 2.0
    assert local.client.call("POST", f"/enterprise:{index}/_search")["_clusters"]["skipped"] == 1
    error = until(lambda: info(local)["isthmus"].get("last_error"), "an error")
    assert error["phase"] == "tls"
    text = f"{error['reason']} {error['remedy']}"
    assert "certificate model" in text
    assert "transport CA" in text


def test_only_the_listed_clusters_are_let_in(local: Side, remote: Side, index: str) -> None:
    """A wrong id ends the link; the right one brings it back; a deployment's id is not a cluster's."""
    entry = trust_of(remote)["direct"][0]
    for cluster_id in ("0" * 32, local.deployment.id):
        wrong = {**entry, "trust_all": False, "trust_allowlist": [cluster_id]}
        replace_trust(remote, {"direct": [wrong]})
        until(lambda: not is_connected(local), "the link to end", 3.0)
    replace_trust(
        remote,
        {"direct": [{**entry, "trust_all": False, "trust_allowlist": [local.deployment.cluster_id]}]},
    )
    until(lambda: is_connected(local), "the link to come back")
    assert hits(local.client, index) == 1
    told = trust_of(remote)["direct"][0]
    assert told["trust_allowlist"] == [local.deployment.cluster_id]


def test_the_wrong_scope_is_refused_by_the_side_that_connects(local: Side) -> None:
    """The dialling side checks the server's name with the same decision."""
    entry = trust_of(local)["direct"][0]
    replace_trust(local, {"direct": [{**entry, "scope_id": "9999999999"}]})
    error = until(lambda: not is_connected(local) and info(local)["isthmus"].get("last_error"), "an error")
    assert "does not match the trusted names [*.node.*.cluster.9999999999.account]" in error["reason"]


def test_a_trust_relationship_of_the_platform_is_trusted(local: Side, remote: Side, index: str) -> None:
    """Made known once, used by deployments; when it is forgotten the link ends."""
    path = "/api/v1/platform/configuration/trust-relationships"
    ours = local.platform.call("GET", f"{path}/local?include_certificate=true")
    created = remote.platform.call(
        "POST",
        path,
        {"name": "them", "public_ca_cert": ours["public_ca_cert"], "account_ids": ours["account_ids"]},
    )
    trusted = {"trust_relationship_id": created["id"], "trust_all": True}
    replace_trust(remote, {"external": [trusted]})
    assert trust_of(remote) == {"accounts": None, "external": [trusted], "direct": None}
    until(lambda: is_connected(local) and hits(local.client, index) == 1, "a link through the relationship")
    remote.platform.call("DELETE", f"{path}/{created['id']}")
    until(lambda: not is_connected(local), "the link to end", 3.0)


def test_what_does_not_exist_cannot_be_trusted(local: Side) -> None:
    """Accounts and relationships of this platform can be checked, unlike ids of others."""
    for trusted in (
        {"accounts": [{"account_id": "0" * 32, "trust_all": True}]},
        {"external": [{"trust_relationship_id": "0" * 32, "trust_all": True}]},
    ):
        with pytest.raises(RequestRefusedError) as refused:
            replace_trust(local, trusted)
        assert refused.value.status == 400


def test_null_goes_back_to_the_default(local: Side) -> None:
    """All deployments of the own account."""
    account = trust_of(local)["accounts"]
    assert [entry["trust_all"] for entry in account] == [True]
    replace_trust(local, {"accounts": None})
    assert trust_of(local) == {"accounts": None, "external": None, "direct": None}
    replace_trust(local, None)
    assert trust_of(local) == {"accounts": account, "external": None, "direct": None}


def test_a_link_without_a_key_to_the_port_for_keys_is_told_so(local: Side, remote: Side) -> None:
    """Where the server is trusted the remote's own words are shown, else what its certificate is."""
    port = json.loads((_directory(remote) / "run" / "ports.json").read_text())["remote_cluster"]
    settings = {
        "mode": "proxy",
        "proxy_address": f"127.0.0.1:{port}",
        "server_name": remote.deployment.server_name,
    }
    alias = "without-key"
    local.client.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {alias: settings}}}})
    try:
        error = until(lambda: info(local, alias)["isthmus"].get("last_error"), "an error")
        assert "xpack.security.transport.ssl" in error["reason"]
        assert f"cluster.remote.{alias}.credentials" in error["remedy"]
        trusted = trust_of(local)
        proxy = {
            "type": "proxy",
            "name": "servers",
            "trust_all": False,
            "certificates": [{"pem": remote.environment.proxy_ca_pem}],
        }
        replace_trust(local, {**trusted, "direct": [*trusted["direct"], proxy]})
        wanted = "require transport header [_cross_cluster_access_credentials] but none found"
        until(lambda: wanted in str(info(local, alias)["isthmus"].get("last_error")), "the remote's words")
        assert f"cluster.remote.{alias}.credentials" in info(local, alias)["isthmus"]["last_error"]["remedy"]
    finally:
        nothing = {"persistent": {"cluster": {"remote": {alias: None}}}}
        local.client.call("PUT", "/_cluster/settings", nothing)


def test_a_key_on_the_transport_port_is_told_the_port(local: Side) -> None:
    """The link uses the other model as soon as there is a key, and the first one again without it."""
    trust.put_key(local.platform, local.deployment.id, "enterprise", "a2V5OmtleQ==")
    try:
        error = until(
            lambda: not is_connected(local) and info(local)["isthmus"].get("last_error"), "an error"
        )
        assert info(local)["cluster_credentials"] == "::es_redacted::"
        assert "failed to establish trust with server at" in error["reason"]
        assert "port 9443" in error["remedy"]
    finally:
        trust.remove_key(local.platform, local.deployment.id, "enterprise")


def test_commands_change_trust(local: Side, remote: Side, tmp_path: Path) -> None:
    """`isthmus trust` lists, removes and adds, and leaves the rest as it is."""
    directory = str(_directory(remote))
    name = remote.deployment.name
    listed = json.loads(isthmus("trust", "list", directory, name, "--json"))
    assert [entry["name"] for entry in listed["direct"]] == [local.deployment.name]
    assert len(listed["accounts"]) == 1
    isthmus("trust", "remove", directory, name, local.deployment.name)
    until(lambda: not is_connected(local), "the link to end", 3.0)
    pem = tmp_path / "theirs.pem"
    pem.write_text(isthmus("certificates", "show", local.environment.directory, "transport"))
    isthmus(
        *(
            "trust",
            "add",
            directory,
            name,
            "--as",
            "them",
            "--type",
            "ESS",
            "--scope",
            local.environment.scope_id,
        ),
        *("--cluster", local.deployment.cluster_id, "--certificate-authority", str(pem)),
    )
    until(lambda: is_connected(local), "the link to come back")
    assert len(trust_of(remote)["accounts"]) == 1


def test_deployments_of_one_environment_trust_each_other_from_the_start(remote: Side) -> None:
    """A second deployment of the same environment is reached without any trust settings of its own."""
    wanted = {"name": "second", "resources": {"elasticsearch": [{}]}, "isthmus": {"loopback_port": 0}}
    created = remote.platform.call("POST", "/api/v1/deployments", wanted)

    def resource() -> Any:
        told = remote.platform.call("GET", f"/api/v1/deployments/{created['id']}")
        found = told["resources"]["elasticsearch"][0]["info"]
        return found if found["status"] == "started" else None

    told = until(resource, "the second deployment to start", 30.0)
    settings = {
        "mode": "proxy",
        "proxy_address": remote.deployment.proxy_address,
        "server_name": told["metadata"]["endpoint"],
    }
    remote.client.call(
        "PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {"second": settings}}}}
    )
    try:
        until(lambda: is_connected(remote, "second"), "a link within the environment")
    finally:
        nothing = {"persistent": {"cluster": {"remote": {"second": None}}}}
        remote.client.call("PUT", "/_cluster/settings", nothing)
        remote.platform.call("POST", f"/api/v1/deployments/{created['id']}/_shutdown")
        remote.platform.call("DELETE", f"/api/v1/deployments/{created['id']}")


class Searching(threading.Thread):
    """Searches on the remote without a pause until told to stop; counts, and keeps what went wrong."""

    def __init__(self, client: JsonClient, index: str) -> None:
        super().__init__(daemon=True)
        self.client, self.index = client, index
        self.done, self.wrong = 0, ""
        self.stop = threading.Event()

    def run(self) -> None:
        """Search on."""
        while not self.stop.is_set() and not self.wrong:
            try:
                answer = self.client.call("POST", f"/enterprise:{self.index}/_search")
                if answer["_clusters"]["skipped"] or answer["hits"]["total"]["value"] != 1:
                    self.wrong = str(answer)
            except Exception as error:  # noqa: BLE001 - whatever it was, the test tells it
                self.wrong = repr(error)
            self.done += 1


def _step_then_search(searching: Searching, side: Side, step: str) -> dict[str, Any]:
    answer: dict[str, Any] = side.platform.call("POST", f"{TRANSPORT_CA}/_rotate", {"step": step})
    time.sleep(0.7)
    before = searching.done
    until(lambda: searching.wrong or searching.done > before + 20, f"searches after {step}")
    assert not searching.wrong, searching.wrong
    return answer


def test_searches_go_on_while_both_authorities_are_rotated(
    local: Side, remote: Side, sandbox: Sandbox, index: str
) -> None:
    """Publish, have the other side trust both, activate, finish: no search fails or skips the remote."""
    searching = Searching(user_client(local, sandbox, "remote-search"), index)
    searching.start()
    try:
        for side, other in ((remote, local), (local, remote)):
            published = _step_then_search(searching, side, "publish")["public_certificates"]
            assert [each["active"] for each in published] == [True, False]
            path = f"/api/v1/deployments/{side.deployment.id}/certificate-authority"
            assert side.platform.call("GET", path)["public_certificates"] == published
            entry = trust_of(other)["direct"][0]
            both = [{"pem": each["pem"]} for each in published]
            replace_trust(other, {"direct": [{**entry, "certificates": both}]})
            activated = _step_then_search(searching, side, "activate")["public_certificates"]
            assert [each["pem"] for each in activated] == [published[1]["pem"], published[0]["pem"]]
            replace_trust(other, {"direct": [{**entry, "certificates": both[1:]}]})
            finished = _step_then_search(searching, side, "finish")
            assert finished["state"] == "none"
            assert [each["pem"] for each in finished["public_certificates"]] == [published[1]["pem"]]
        assert is_connected(local)
    finally:
        searching.stop.set()
        searching.join(10)
    assert searching.done > 100


def _directory(side: Side) -> Path:
    return Path(side.environment.directory)

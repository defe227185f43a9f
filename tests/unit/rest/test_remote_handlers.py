"""The REST handlers of remote clusters, without a network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import IndexDescription
from isthmus.names import ClusterAlias, IndexName
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import credentials_name
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.rest.elasticsearch import cluster_settings, remote_info, resolve_cluster, secure_settings
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.http import Request
from isthmus.rest.routing import Match, Router
from isthmus.security.keystore import Keystore
from isthmus.security.principal import IndexPrivileges, Principal, RemoteIndexPrivileges, RoleDescriptor
from isthmus.security.secret import Secret

IDENTITY = NodeIdentity("node-id", "node-1", "cluster-id", "near", "0.1.0")
EU = "cluster.remote.eu."


def principal(*roles: RoleDescriptor) -> Principal:
    """Answer a user with these roles."""
    return Principal("ann", tuple(role.name for role in roles), (roles,), "native", "native")


ADMINISTRATOR = principal(
    RoleDescriptor(
        name="everything",
        cluster=("all",),
        indices=(IndexPrivileges(names=("*",), privileges=("all",)),),
        remote_indices=(RemoteIndexPrivileges(clusters=("*",), names=("*",), privileges=("all",)),),
    )
)
NOBODY = principal(RoleDescriptor(name="nothing"))


class NoEngine:
    """An engine with one open and one closed index."""

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer the indices."""
        return {
            IndexName(name): IndexDescription(
                name=IndexName(name), uuid=name, created_milliseconds=0, closed=name == "shut"
            )
            for name in ("logs", "shut")
        }


class MemoryRecords:
    """Settings in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, Any] = {}

    async def load(self) -> dict[str, Any]:
        """Answer what was saved."""
        return self.saved

    async def save(self, settings: Mapping[str, Any]) -> None:
        """Keep it."""
        self.saved = dict(settings)


class Node:
    """The handlers over real remotes and a real keystore."""

    def __init__(self, folder: Path) -> None:
        self.keystore = Keystore.create(folder / "keystore", folder / "keystore.key")
        trust = TrustedAuthorities(None, system_trust=False)
        self.remotes = Remotes(self.keystore, LinkContext(identity=IDENTITY, trust=trust))
        self.records = MemoryRecords()
        self.service = ClusterSettingsService(self.records, self.remotes.apply)
        self.router: ElasticsearchRouter = Router()
        cluster_settings.register(self.router, self.service, self.remotes)
        remote_info.register(self.router, self.remotes)
        resolve_cluster.register(self.router, NoEngine(), self.remotes, IDENTITY)  # type: ignore[arg-type]
        secure_settings.register(self.router, self.remotes, IDENTITY)

    async def ask(self, method: str, path: str, body: Any = None, who: Principal = ADMINISTRATOR) -> Any:
        """Send a request and answer the parsed answer."""
        path, _, query = path.partition("?")
        parameters = dict(part.partition("=")[::2] for part in query.split("&") if part)
        match = self.router.find(method, path)
        assert isinstance(match, Match)
        text = b"" if body is None else orjson.dumps(body)
        request = Request(method, path, parameters, {}, text)
        response = await match.handler(Call(request, match.path_parameters, who))
        assert response.status == 200
        assert isinstance(response.body, bytes)
        return orjson.loads(response.body)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Make a node without remote clusters."""
    return Node(tmp_path)


@pytest.fixture
async def running(node: Node) -> AsyncIterator[Node]:
    """Have the remotes of the node try to connect."""
    task = asyncio.create_task(node.remotes.run())
    yield node
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def configured(node: Node, **settings: Any) -> Node:
    """Configure `eu` at an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    values = {"mode": "proxy", "proxy_address": f"127.0.0.1:{port}", **settings}
    await node.service.update({f"{EU}{name}": value for name, value in values.items()}, {})
    return node


async def test_settings_are_acknowledged_and_echoed_as_elasticsearch_does(node: Node) -> None:
    """PUT echoes what was set, as text and nested; GET answers it; flat_settings flattens."""
    body = {
        "persistent": {"cluster": {"remote": {"eu": {"mode": "proxy", "proxy_address": "127.0.0.1:1"}}}},
        "transient": {f"{EU}skip_unavailable": False, f"{EU}server_name": None},
    }
    answer = await node.ask("PUT", "/_cluster/settings", body)
    assert answer == {
        "acknowledged": True,
        "persistent": {"cluster": {"remote": {"eu": {"mode": "proxy", "proxy_address": "127.0.0.1:1"}}}},
        "transient": {"cluster": {"remote": {"eu": {"skip_unavailable": "false"}}}},
    }
    flat = await node.ask("GET", "/_cluster/settings?flat_settings=true&include_defaults=true")
    assert flat["persistent"] == {f"{EU}mode": "proxy", f"{EU}proxy_address": "127.0.0.1:1"}
    assert flat["transient"] == {f"{EU}skip_unavailable": "false"}
    assert flat["defaults"][f"{EU}proxy_socket_connections"] == "18"
    assert node.records.saved == flat["persistent"]
    deleted = await node.ask(
        "PUT", "/_cluster/settings", {"persistent": {EU + "*": None}, "transient": {EU + "*": None}}
    )
    assert deleted == {"acknowledged": True, "persistent": {}, "transient": {}}
    assert await node.ask("GET", "/_cluster/settings") == {"persistent": {}, "transient": {}}


@pytest.mark.parametrize(
    ("body", "error_type", "reason"),
    [
        ({}, "action_request_validation_exception", "Validation Failed: 1: no settings to update;"),
        (
            {"persistent": {}, "transient": {}},
            "action_request_validation_exception",
            "Validation Failed: 1: no settings to update;",
        ),
        (
            {"permanent": {}},
            "x_content_parse_exception",
            "[cluster_update_settings_request] unknown field [permanent]",
        ),
        (
            {"persistent": {"nonsense": 1}},
            "illegal_argument_exception",
            "persistent setting [nonsense], not recognized",
        ),
    ],
)
async def test_bad_updates_are_refused(node: Node, body: Any, error_type: str, reason: str) -> None:
    """Nothing to do, unknown sections and unknown settings are 400 with Elasticsearch's type."""
    with pytest.raises(Failure) as caught:
        await node.ask("PUT", "/_cluster/settings", body)
    assert (caught.value.kind, caught.value.error_type, caught.value.reason) == (
        FailureKind.INVALID_REQUEST,
        error_type,
        reason,
    )


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/_cluster/settings", "cluster:monitor/settings"),
        ("PUT", "/_cluster/settings", "cluster:admin/settings/update"),
        ("GET", "/_remote/info", "cluster:monitor/remote/info"),
        ("POST", "/_nodes/reload_secure_settings", "cluster:admin/nodes/reload_secure_settings"),
    ],
)
async def test_a_caller_without_the_privilege_is_refused(
    node: Node, method: str, path: str, action: str
) -> None:
    """Each of these is a 403 that names Elasticsearch's action."""
    with pytest.raises(Failure) as caught:
        await node.ask(method, path, {}, who=NOBODY)
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert f"action [{action}] is unauthorized for user [ann]" in caught.value.reason


@pytest.mark.parametrize(("privilege", "may_update"), [("manage", True), ("monitor", False)])
async def test_manage_updates_and_monitor_reads(node: Node, privilege: str, may_update: bool) -> None:
    """`monitor` is enough to look, `manage` is needed to change."""
    who = principal(RoleDescriptor(name="r", cluster=(privilege,)))
    assert await node.ask("GET", "/_remote/info", who=who) == {}
    assert await node.ask("GET", "/_cluster/settings", who=who) == {"persistent": {}, "transient": {}}
    update = {"persistent": {"cluster.metadata.x": "y"}}
    if may_update:
        assert (await node.ask("PUT", "/_cluster/settings", update, who=who))["acknowledged"] is True
    else:
        with pytest.raises(Failure):
            await node.ask("PUT", "/_cluster/settings", update, who=who)


async def test_remote_info_shows_an_alias_without_a_key(node: Node) -> None:
    """An alias without credentials is not connected and says why."""
    await configured(node)
    info = await node.ask("GET", "/_remote/info")
    assert info["eu"]["connected"] is False
    assert "cluster_credentials" not in info["eu"]
    assert info["eu"]["isthmus"]["security_model"] == "certificate"


async def test_reloading_takes_up_the_keystore(node: Node) -> None:
    """A key set by another process counts as soon as the reload is answered."""
    await configured(node)
    Keystore(node.keystore._path, node.keystore._key_path).set(credentials_name("eu"), Secret("abcdefgh"))
    answer = await node.ask("POST", "/_nodes/reload_secure_settings")
    assert answer == {
        "_nodes": {"total": 1, "successful": 1, "failed": 0},
        "cluster_name": "near",
        "nodes": {"node-id": {"name": "node-1"}},
    }
    info = await node.ask("GET", "/_remote/info")
    assert info["eu"]["cluster_credentials"] == "::es_redacted::"
    assert "abcdefgh" not in str(info)


async def test_reload_tells_a_password_that_is_not_one_and_a_damaged_keystore(node: Node) -> None:
    """A password, and a keystore that cannot be read, are told per node as Elasticsearch does."""
    answer = await node.ask("POST", "/_nodes/reload_secure_settings", {"secure_settings_password": "guess"})
    assert answer["nodes"]["node-id"]["reload_exception"]["reason"] == (
        "Provided keystore password was incorrect"
    )
    await configured(node)
    node.keystore._path.write_bytes(b"junk")
    answer = await node.ask("POST", "/_nodes/node-1/reload_secure_settings")
    assert answer["nodes"]["node-id"]["reload_exception"]["type"] == "keystore_exception"
    assert (await node.ask("POST", "/_nodes/other/reload_secure_settings"))["nodes"] == {}


async def test_resolving_answers_for_this_cluster_and_unreachable_ones(running: Node) -> None:
    """The local cluster answers with its version; a remote that cannot be asked says why."""
    node = running
    await configured(node, skip_unavailable="false")
    answer = await node.ask("GET", "/_resolve/cluster/logs*,eu:logs*")
    assert answer["(local)"] == {
        "connected": True,
        "skip_unavailable": False,
        "matching_indices": True,
        "version": {
            "number": "9.2.0",
            "build_flavor": "default",
            "minimum_wire_compatibility_version": "8.19.0",
            "minimum_index_compatibility_version": "8.0.0",
        },
    }
    assert (answer["eu"]["connected"], answer["eu"]["skip_unavailable"]) == (False, False)
    assert "no credentials are configured for [eu]" in answer["eu"]["error"]


async def test_resolving_without_an_expression_asks_the_remotes_only(running: Node) -> None:
    """No expression: all remotes and not this cluster; none configured is an empty answer."""
    node = running
    assert await node.ask("GET", "/_resolve/cluster") == {}
    await configured(node)
    assert set(await node.ask("GET", "/_resolve/cluster")) == {"eu"}


async def test_resolving_tells_missing_and_closed_indices(node: Node) -> None:
    """A missing exact name is an error of a connected cluster; closed indices do not match."""
    missing = await node.ask("GET", "/_resolve/cluster/nothing")
    assert missing == {
        "(local)": {"connected": True, "skip_unavailable": False, "error": "no such index [nothing]"}
    }
    shut = await node.ask("GET", "/_resolve/cluster/shu*?expand_wildcards=all")
    assert shut["(local)"]["matching_indices"] is False
    assert (await node.ask("GET", "/_resolve/cluster/other*"))["(local)"]["matching_indices"] is False


async def test_a_caller_without_remote_privileges_sees_the_denial(node: Node) -> None:
    """A remote that the caller may not ask is shown as not connected, with the denial as its error."""
    node.keystore.set(f"{EU}credentials", Secret("a-key"))
    await configured(node)
    local_only = principal(
        RoleDescriptor(name="r", indices=(IndexPrivileges(names=("*",), privileges=("read",)),))
    )
    answer = await node.ask("GET", "/_resolve/cluster/logs,eu:logs", who=local_only)
    assert answer["(local)"]["matching_indices"] is True
    assert answer["eu"]["connected"] is False
    assert "towards remote cluster [eu] is unauthorized" in answer["eu"]["error"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/_resolve/cluster?ignore_unavailable=true", "No index options are allowed on _resolve/cluster"),
        ("/_resolve/cluster?timeout=soon", "unit is missing or unrecognized"),
        ("/_resolve/cluster/us:x", "no such remote cluster: [us]"),
    ],
)
async def test_bad_resolutions_are_refused(node: Node, path: str, reason: str) -> None:
    """Index options without an expression, odd timeouts and unknown aliases are errors."""
    with pytest.raises(Failure) as caught:
        await node.ask("GET", path)
    assert reason in caught.value.reason


def test_an_alias_that_is_not_configured_is_a_404(node: Node) -> None:
    """Asking for another alias is no_such_remote_cluster_exception."""
    with pytest.raises(Failure) as caught:
        node.remotes.get(ClusterAlias("us"))
    assert caught.value.error_type == "no_such_remote_cluster_exception"

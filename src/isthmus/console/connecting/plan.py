"""The steps that connect two deployments by API key, in the order of the manual, each with its undo.

Pure: a step makes its request from what earlier steps learned, and learns from its answer. Undoing a step
that never took effect does no harm, so a step whose answer was lost is undone as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from isthmus.names import parse_cluster_alias
from isthmus.remotes.address import parse_host_and_port
from isthmus.remotes.settings import ALIAS_SETTING_NAMES, credentials_name
from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.secret import Secret

_REF_ID: Final = "main-elasticsearch"


class Side(Enum):
    """Which API a request goes to; the value names its address in the commands that are shown."""

    LOCAL = "LOCAL_URL"
    LOCAL_PLATFORM = "LOCAL_PLATFORM_URL"
    REMOTE = "REMOTE_URL"
    REMOTE_PLATFORM = "REMOTE_PLATFORM_URL"


class StepRefusedError(Exception):
    """A step found that it must not or could not be done. The message is in words and holds no secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``body`` may hold the key and stays out of every ``repr``."""

    side: Side
    method: str
    path: str
    body: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """What is to be connected. Raises a 400 failure for an alias, address or access that cannot be.

    ``key_name`` is used by nothing else on the remote: undoing invalidates the keys of this name.
    ``private_authority`` tells that the local deployment has to be told to trust the remote's authority.
    """

    alias: str
    local_deployment_id: str
    proxy_address: str
    server_name: str
    key_name: str
    access: Mapping[str, Any]
    private_authority: bool = True
    skip_unavailable: bool = True

    def __post_init__(self) -> None:
        parse_cluster_alias(self.alias)
        parse_host_and_port(self.proxy_address)
        parse_access(dict(self.access))


@dataclass(frozen=True, slots=True)
class Known:
    """What the steps learned so far."""

    authority_pem: str = ""
    region: str = ""
    trust: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: Secret | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``request`` answers None where nothing is left to do; ``undo`` is None where it only reads.

    ``ready`` tells for a step that ``waits`` whether its answer is the one waited for.
    """

    title: str
    request: Callable[[Known], Request | None]
    learn: Callable[[Known, Any], Known] = lambda known, _: known
    undo: Callable[[Known], Request] | None = None
    ready: Callable[[Any], bool] | None = None


def plan(connection: Connection) -> tuple[Step, ...]:
    """Answer the steps: first what only reads and may refuse, then what changes, then the tests."""
    steps = [
        _check_keystore(connection),
        _check_alias(connection),
        *((_read_authority(), _read_trust(connection)) if connection.private_authority else ()),
        _make_key(connection),
        *((_trust_authority(connection),) if connection.private_authority else ()),
        _store_key(connection),
        _write_alias(connection),
        _wait_for_link(connection),
        _search(connection),
    ]
    return tuple(steps)


def _check_keystore(connection: Connection) -> Step:
    name = credentials_name(connection.alias)

    def learn(known: Known, answer: Any) -> Known:
        if name in answer.get("secrets", {}):
            raise StepRefusedError(
                f"the keystore already holds [{name}]: choose another name for the remote cluster, "
                "or remove the key first"
            )
        return known

    request = Request(Side.LOCAL_PLATFORM, "GET", _keystore_path(connection))
    return Step("Check that no key is stored under this name", lambda _: request, learn)


def _check_alias(connection: Connection) -> Step:
    def learn(known: Known, answer: Any) -> Known:
        for kind in ("persistent", "transient"):
            remotes = answer.get(kind, {}).get("cluster", {}).get("remote", {})
            if connection.alias in remotes:
                raise StepRefusedError(
                    f"There is already a remote cluster with that name: [{connection.alias}]. "
                    "Choose another, or delete it first"
                )
        return known

    request = Request(Side.LOCAL, "GET", "/_cluster/settings")
    return Step("Check that no remote cluster has this name", lambda _: request, learn)


def _read_authority() -> Step:
    def learn(known: Known, answer: Any) -> Known:
        chain = answer.get("chain") or ()
        if not chain:
            raise StepRefusedError("the remote environment shows no certificate chain of its proxy")
        return replace(known, authority_pem=chain[-1])

    request = Request(Side.REMOTE_PLATFORM, "GET", "/api/v1/platform/configuration/security/tls/proxy")
    return Step("Read the remote environment's certificate authority", lambda _: request, learn)


def _read_trust(connection: Connection) -> Step:
    def learn(known: Known, answer: Any) -> Known:
        resource = answer["resources"]["elasticsearch"][0]
        trust = resource["info"]["settings"]["trust"]
        return replace(known, region=resource["region"], trust=trust)

    path = f"{_deployment_path(connection)}?show_settings=true"
    request = Request(Side.LOCAL_PLATFORM, "GET", path)
    return Step("Read whom the local deployment trusts", lambda _: request, learn)


def _make_key(connection: Connection) -> Step:
    body = {"name": connection.key_name, "access": dict(connection.access)}
    request = Request(Side.REMOTE, "POST", "/_security/cross_cluster/api_key", body)
    undo = Request(Side.REMOTE, "DELETE", "/_security/api_key", {"name": connection.key_name})

    def learn(known: Known, answer: Any) -> Known:
        return replace(known, key=Secret(answer["encoded"]))

    return Step("Create the cross-cluster API key on the remote", lambda _: request, learn, lambda _: undo)


def _trust_authority(connection: Connection) -> Step:
    def request(known: Known) -> Request | None:
        direct = _direct(known)
        if any(_holds(entry, known.authority_pem) for entry in direct):
            return None
        added = {
            "type": "proxy",
            "name": connection.alias,
            "trust_all": False,
            "certificates": [{"pem": known.authority_pem}],
        }
        return _replace_trust(connection, known, {**known.trust, "direct": [*direct, added]})

    return Step(
        "Trust the remote environment's certificate authority",
        request,
        undo=lambda known: _replace_trust(connection, known, {**known.trust, "direct": _direct(known)}),
    )


def _direct(known: Known) -> list[Any]:
    return list(known.trust.get("direct") or ())  # null where there is none


def _holds(entry: Mapping[str, Any], pem: str) -> bool:
    pems = [certificate.get("pem", "").strip() for certificate in entry.get("certificates") or ()]
    return entry.get("type") == "proxy" and pem.strip() in pems


def _replace_trust(connection: Connection, known: Known, trust: Mapping[str, Any]) -> Request:
    resource = {"ref_id": _REF_ID, "region": known.region, "settings": {"trust": dict(trust)}}
    body = {"prune_orphans": False, "resources": {"elasticsearch": [resource]}}
    return Request(Side.LOCAL_PLATFORM, "PUT", _deployment_path(connection), body)


def _store_key(connection: Connection) -> Step:
    name = credentials_name(connection.alias)

    def patch(secret: Mapping[str, Any]) -> Request:
        return Request(
            Side.LOCAL_PLATFORM, "PATCH", _keystore_path(connection), {"secrets": {name: dict(secret)}}
        )

    def request(known: Known) -> Request:
        if known.key is None:
            raise StepRefusedError("the remote answered without a key")
        return patch({"value": known.key.reveal(), "as_file": False})

    return Step("Store the key in the local keystore", request, undo=lambda _: patch({}))


def _write_alias(connection: Connection) -> Step:
    settings = {
        "mode": "proxy",
        "proxy_address": connection.proxy_address,
        "server_name": connection.server_name,
        "skip_unavailable": connection.skip_unavailable,
    }
    nothing = dict.fromkeys((name for name in ALIAS_SETTING_NAMES if name in settings), None)

    def put(values: Mapping[str, Any]) -> Request:
        body = {"persistent": {"cluster": {"remote": {connection.alias: dict(values)}}}}
        return Request(Side.LOCAL, "PUT", "/_cluster/settings", body)

    return Step("Add the remote cluster", lambda _: put(settings), undo=lambda _: put(nothing))


def _wait_for_link(connection: Connection) -> Step:
    request = Request(Side.LOCAL, "GET", "/_remote/info")
    return Step(
        "Wait for the connection",
        lambda _: request,
        ready=lambda answer: bool(answer.get(connection.alias, {}).get("connected")),
    )


def _search(connection: Connection) -> Step:
    def learn(known: Known, answer: Any) -> Known:
        details = answer.get("_clusters", {}).get("details", {}).get(connection.alias, {})
        if details.get("status") != "successful":
            failures = details.get("failures") or [{}]
            reason = failures[0].get("reason", {}).get("reason", "the remote cluster did not answer")
            raise StepRefusedError(f"the trial search failed: {reason}")
        return known

    path = f"/{connection.alias}:*/_search?hops=true&size=0"
    request = Request(Side.LOCAL, "GET", path)
    return Step("Search the remote cluster", lambda _: request, learn)


def _deployment_path(connection: Connection) -> str:
    return f"/api/v1/deployments/{connection.local_deployment_id}"


def _keystore_path(connection: Connection) -> str:
    return f"{_deployment_path(connection)}/elasticsearch/{_REF_ID}/keystore"

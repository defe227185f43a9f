"""Each way in which a remote cluster can be unusable, for real: the doctor names its cause."""

from __future__ import annotations

import json
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from environments_strangers import http_answer, stranger, unused_port
from environments_support import Side, attempt

from isthmus.cli.main import main
from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust

_PAGE = http_answer("200 OK", "text/html", b"<h1>It works!</h1>")
_FILTERED = http_answer(
    "403 Forbidden", "application/json", json.dumps({"ok": False, "message": "Forbidden"}).encode()
)
#: what is wrong with an address -> the step that finds it and the cause that it names
_ADDRESSES = {
    "nobody listens": ("connect", "connection-refused"),
    "host unknown": ("resolve", "unknown-host"),
    "authority not trusted": ("certificate_chain", "issuer-not-trusted"),
    "name not in the certificate": ("certificate_name", "name-not-in-the-certificate"),
    "name not known at the door": ("tls", "server-name-not-known-there"),
    "not TLS": ("tls", "no-tls-at-this-port"),
    "closes at once": ("ip_filter", "closed-during-tls"),
    "silent before TLS": ("tls", "no-answer-to-the-tls-hello"),
    "silent after TLS": ("server", "no-answer-to-the-handshake"),
    "a web server": ("server", "not-a-remote-cluster-server"),
    "an IP filter of a proxy": ("ip_filter", "ip-filter"),
    "the REST API": ("server", "port-of-the-rest-api"),
    "the transport port": ("certificate_chain", "client-certificate-wanted"),
}
#: what is wrong with a key, likewise
_KEYS = {
    "no key": ("keystore", "no-credentials"),
    "not an encoded key": ("keystore", "credentials-are-not-an-encoded-key"),
    "a key for the REST API": ("key_type", "key-of-another-type"),
    "a wrong secret": ("key", "key-not-accepted"),
    "an expired key": ("key", "key-expired"),
    "an invalidated key": ("key", "key-invalidated"),
    "a key that expires soon": ("key", "key-expires-soon"),
    "a key bound to a certificate": ("key", "key-bound-to-a-certificate"),
}


def _diagnose(side: Side, alias: str, index: str = "") -> dict[str, Any]:
    path = f"/_remote/diagnose/{alias}" + (f"?index={index}" if index else "")
    diagnosis: dict[str, Any] = side.client.call("GET", path)
    return diagnosis


def _problems(diagnosis: dict[str, Any]) -> dict[str, str]:
    """Answer the causes of warnings and errors by the step that found them."""
    return {check["id"]: check["cause"] for check in diagnosis["checks"] if "cause" in check}


@pytest.fixture(scope="module")
def wrong(
    local: Side, remote: Side, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, Any]]]:
    """Add one remote for each thing that can be wrong; answer their diagnoses, made in one request."""
    with ExitStack() as stack:
        wanted = {
            f"wrong-{number}": (name, settings)
            for number, (name, settings) in enumerate(
                (
                    *_wrong_addresses(remote, stack, tmp_path_factory.mktemp("authority")),
                    *_wrong_keys(remote),
                )
            )
        }
        stack.callback(_configure, local, dict.fromkeys(wanted))
        _configure(local, {alias: _complete(remote, settings) for alias, (_, settings) in wanted.items()})
        answer = local.client.call("GET", "/_remote/diagnose")
        assert answer["healthy"] is False
        by_alias = {diagnosis["alias"]: diagnosis for diagnosis in answer["remotes"]}
        assert by_alias[remote.alias]["healthy"] is True
        yield {name: by_alias[alias] for alias, (name, _) in wanted.items()}


def _complete(remote: Side, settings: dict[str, Any]) -> dict[str, Any]:
    """Answer settings that are right in all that is not given."""
    right = {"proxy_address": remote.deployment.proxy_address, "server_name": remote.deployment.server_name}
    return {"mode": "proxy", **right, **settings}


def _configure(local: Side, wanted: dict[str, Any]) -> None:
    """Add (or, where None, remove) remotes with their keys, all in one request: each may wait for silence."""
    keys = {alias: settings and settings.pop("key", None) for alias, settings in wanted.items()}
    local.client.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": wanted}}})
    secrets = {
        f"cluster.remote.{alias}.credentials": {"value": key} if key else {}
        for alias, key in keys.items()
        if key or wanted[alias] is None
    }
    path = f"/api/v1/deployments/{local.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"
    local.platform.call("PATCH", path, {"secrets": secrets})


def _wrong_addresses(remote: Side, stack: ExitStack, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    environment = EnvironmentLayout(Path(remote.environment.directory))
    files = environment.server("proxy")
    ports = json.loads(environment.ports.read_text())
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(files.certificate, files.key)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(remote.deployment.server_name).configure_cert(theirs)
    key = trust.create_cross_cluster_key(remote.client, "for-wrong-addresses")
    domain = remote.deployment.server_name.partition(".")[2]

    def at(port: int, **settings: Any) -> dict[str, Any]:
        return {"key": key, "proxy_address": f"127.0.0.1:{port}", **settings}

    def listening(context: ssl.SSLContext | None, answer: bytes | None, *, silent: bool = False) -> int:
        return stack.enter_context(stranger(context, answer, silent=silent))

    yield "nobody listens", at(unused_port())
    yield "host unknown", {"key": key, "proxy_address": "nowhere.invalid:9443"}
    yield "authority not trusted", at(listening(theirs, _PAGE))
    yield "name not in the certificate", at(listening(ours, _PAGE), server_name="elsewhere.example")
    yield "name not known at the door", {"key": key, "server_name": f"{'0' * 32}.{domain}"}
    yield "not TLS", at(listening(None, _PAGE))
    yield "closes at once", at(listening(None, None))
    yield "silent before TLS", at(listening(None, None, silent=True))
    yield "silent after TLS", at(listening(ours, None, silent=True))
    yield "a web server", at(listening(ours, _PAGE))
    yield "an IP filter of a proxy", at(listening(ours, _FILTERED))
    yield "the REST API", at(ports["data"])
    yield "the transport port", at(ports["transport"])


def _wrong_keys(remote: Side) -> Iterator[tuple[str, dict[str, Any]]]:
    def make(name: str, **options: Any) -> dict[str, Any]:
        body = {"name": name, "access": trust.READ_EVERYTHING, **options}
        made: dict[str, Any] = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
        return made

    short = make("short", expiration="1ms")
    invalidated = make("invalidated")
    remote.client.call("DELETE", "/_security/api_key", {"ids": [invalidated["id"]]})
    encoded = make("garbled")["encoded"]
    yield "no key", {}
    yield "not an encoded key", {"key": make("half")["api_key"]}
    rest = remote.client.call("POST", "/_security/api_key", {"name": "for-rest"})
    yield "a key for the REST API", {"key": rest["encoded"]}
    yield "a wrong secret", {"key": "Z" + encoded[1:-4] + "AAA="}
    yield "an expired key", {"key": short["encoded"]}
    yield "an invalidated key", {"key": invalidated["encoded"]}
    yield "a key that expires soon", {"key": make("soon", expiration="2d")["encoded"]}
    bound = make("bound", certificate_identity="CN=somebody")
    yield "a key bound to a certificate", {"key": bound["encoded"]}


@pytest.mark.parametrize(("name", "expected"), {**_ADDRESSES, **_KEYS}.items(), ids={**_ADDRESSES, **_KEYS})
def test_the_cause_is_named(wrong: dict[str, dict[str, Any]], name: str, expected: tuple[str, str]) -> None:
    """The right step names the right cause, with a remedy, and nothing else is blamed."""
    diagnosis = wrong[name]
    step, cause = expected
    problems = _problems(diagnosis)
    assert problems.pop(step) == cause
    assert set(problems.values()) <= {"no-index-visible"}
    found = next(check for check in diagnosis["checks"] if check["id"] == step)
    assert found["remedy"]
    assert found["documentation"] == f"docs/troubleshooting.md#{cause}"
    assert diagnosis["healthy"] is (found["outcome"] == "warning")


def test_what_comes_after_an_error_is_skipped(wrong: dict[str, dict[str, Any]]) -> None:
    """Each step that tells nothing any more says which step is to be mended first."""
    checks = {check["id"]: check for check in wrong["nobody listens"]["checks"]}
    assert checks["search"]["outcome"] == "skipped"
    assert checks["search"]["found"] == "not checked because of [connection]"
    assert checks["keystore"]["outcome"] == "ok"


def test_what_the_certificate_says_is_told(wrong: dict[str, dict[str, Any]], remote: Side) -> None:
    """An untrusted certificate is shown with subject, issuer, names, fingerprint and dates."""
    checks = {check["id"]: check for check in wrong["authority not trusted"]["checks"]}
    certificate = checks["certificate_chain"]["details"]["certificate"]
    assert certificate["names"] == [remote.deployment.server_name]
    assert len(certificate["sha256"]) == 64
    assert certificate["subject"]
    assert certificate["issuer"]
    assert certificate["valid_from"] < certificate["valid_until"]
    assert checks["certificate_name"]["outcome"] == "ok"


def test_no_secret_is_told(local: Side, remote: Side, add_remote: Callable[..., str]) -> None:
    """Neither the key nor its secret is in a diagnosis."""
    body = {"name": "secret", "access": trust.READ_EVERYTHING}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    text = json.dumps(_diagnose(local, add_remote(key=key["encoded"])))
    assert key["encoded"] not in text
    assert key["api_key"] not in text
    assert key["id"] in text


def test_a_working_remote_is_healthy(local: Side, remote: Side, index: str) -> None:
    """Nothing is wrong with the remote that works; versions, round trip and a search are told."""
    diagnosis = _diagnose(local, remote.alias, index)
    assert diagnosis["healthy"] is True
    assert {check["outcome"] for check in diagnosis["checks"]} == {"ok"}
    checks = {check["id"]: check for check in diagnosis["checks"]}
    assert checks["round_trip"]["details"]["median_milliseconds"] > 0
    assert checks["search"]["found"].startswith("found 1 document")


def test_the_link_in_use_is_left_alone(local: Side, remote: Side) -> None:
    """A diagnosis opens no connection of the link and ends none."""

    def link() -> Any:
        information = local.client.call("GET", "/_remote/info")[remote.alias]
        return information["num_proxy_sockets_connected"], information["isthmus"]["phases"]["handshake"]

    before = link()
    _diagnose(local, remote.alias)
    assert link() == before


def test_an_index_that_is_missing(local: Side, remote: Side) -> None:
    """A name that does not exist over there is told as such."""
    assert _problems(_diagnose(local, remote.alias, "nothing-of-that-name")) == {"indices": "index-missing"}


def test_a_key_that_lacks_the_index(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """Where the roles here reach an index and the key does not, it is the key."""
    access = {"search": [{"names": ["other-*"]}]}
    alias = add_remote(key=trust.create_cross_cluster_key(remote.client, "narrow", access))
    assert _problems(_diagnose(local, alias, index)) == {"access": "key-does-not-reach-the-index"}


def test_a_key_and_roles_with_nothing_in_common(
    local: Side, remote: Side, add_remote: Callable[..., str]
) -> None:
    """Where wildcards narrow to nothing that is told, for nothing else would."""
    access = {"search": [{"names": ["nothing-like-it-*"]}]}
    alias = add_remote(key=trust.create_cross_cluster_key(remote.client, "empty", access))
    diagnosis = _diagnose(local, alias)
    assert _problems(diagnosis) == {"indices": "no-index-visible"}
    assert diagnosis["healthy"] is True


def test_a_key_under_another_alias(local: Side, remote: Side, add_remote: Callable[..., str]) -> None:
    """A key under an alias that nobody uses is pointed at."""
    alias = add_remote()
    other = f"{alias}-"
    trust.put_key(
        local.platform, local.deployment.id, other, trust.create_cross_cluster_key(remote.client, "lost")
    )
    try:
        diagnosis = _diagnose(local, alias)
        unknown = _diagnose(local, other)
    finally:
        trust.remove_key(local.platform, local.deployment.id, other)
    assert _problems(diagnosis)["keystore"] == "credentials-under-another-alias"
    assert other in json.dumps(diagnosis)
    assert _problems(unknown) == {"settings": "alias-not-configured"}


@pytest.fixture
def analyst(local: Side) -> Iterator[str]:
    """Make a user who may look at remotes, and search ``logs-*`` of those called ``shop-*``."""
    name = f"analyst-{uuid.uuid4().hex[:8]}"
    entry = {"clusters": ["shop-*"], "names": ["logs-*"], "privileges": ["read", "read_cross_cluster"]}
    local.client.call("PUT", f"/_security/role/{name}", {"cluster": ["monitor"], "remote_indices": [entry]})
    local.client.call("PUT", f"/_security/user/{name}", {"password": "analyst-password", "roles": [name]})
    yield name
    local.client.call("DELETE", f"/_security/user/{name}")
    local.client.call("DELETE", f"/_security/role/{name}")


def test_a_role_without_privileges_for_the_alias(local: Side, remote: Side, analyst: str) -> None:
    """The access is that of the user who asks."""
    client = local.client_of(analyst, "analyst-password")
    diagnosis = client.call("GET", f"/_remote/diagnose/{remote.alias}")
    client.close()
    assert _problems(diagnosis) == {"access": "no-privileges-for-the-alias"}


def test_a_role_that_lacks_the_index(local: Side, remote: Side, index: str, analyst: str) -> None:
    """Where the key reaches an index and the roles here do not, it is the roles."""
    entry = {"clusters": ["*"], "names": ["logs-*"], "privileges": ["read", "read_cross_cluster"]}
    local.client.call(
        "PUT", f"/_security/role/{analyst}", {"cluster": ["monitor"], "remote_indices": [entry]}
    )
    client = local.client_of(analyst, "analyst-password")
    diagnosis = client.call("GET", f"/_remote/diagnose/{remote.alias}?index={index}")
    client.close()
    assert _problems(diagnosis) == {"access": "role-does-not-reach-the-index"}


def test_who_may_ask(local: Side, remote: Side, analyst: str) -> None:
    """A user without the privilege monitor or manage is refused, and an impossible alias is a mistake."""
    local.client.call("PUT", f"/_security/role/{analyst}", {"cluster": []})
    client = local.client_of(analyst, "analyst-password")
    status, answer = attempt(client, "GET", f"/_remote/diagnose/{remote.alias}")
    client.close()
    assert status == 403
    assert "cluster:monitor/remote/diagnose" in answer["error"]["reason"]
    assert attempt(local.client, "GET", "/_remote/diagnose/no%20alias")[0] == 400
    assert attempt(local.client, "GET", f"/_remote/diagnose/{remote.alias}?indx=x")[0] == 400
    status, answer = attempt(local.client, "GET", f"/_remote/diagnose/{remote.alias}?index={remote.alias}:x")
    assert (status, "without alias" in answer["error"]["reason"]) == (400, True)
    assert attempt(local.client, "GET", f"/_remote/diagnose?index={'x,' * 101}")[0] == 400


def test_the_command_prints_a_checklist(local: Side, remote: Side, index: str) -> None:
    """Exit status 0 where all is well, 1 where an error was found, 2 where it could not run."""

    def doctor(*words: str, password: str = local.deployment.password) -> tuple[int, str]:
        arguments = ["doctor", local.environment.directory, *words, "--password-stdin"]
        result = CliRunner().invoke(main, arguments, input=f"{password}\n")
        return result.exit_code, result.output

    name = local.deployment.name
    status, output = doctor(name, remote.alias, "--index", index)
    assert (status, output.startswith(f"{remote.alias}: healthy\n")) == (0, True)
    status, output = doctor(name, "nobody")
    assert status == 1
    assert "docs/troubleshooting.md#alias-not-configured" in output
    status, output = doctor(name, remote.alias, "--json")
    assert (status, json.loads(output)["alias"]) == (0, remote.alias)
    for words, password in (
        ((name, remote.alias), "wrong"),
        (("no-such-deployment",), local.deployment.password),
        ((name, "no alias"), local.deployment.password),
        ((name, remote.alias, "--as", "nobody-of-that-name"), local.deployment.password),
    ):
        status, output = doctor(*words, password=password)
        assert status == 2
        assert output.startswith("error: ")
        assert password not in output


def test_an_ip_filter_of_the_door(local: Side, remote: Side) -> None:
    """A deployment that lets other addresses in only is told from a server that is down."""
    rule_sets = "/api/v1/deployments/traffic-filter/rulesets"
    body = {
        "name": "elsewhere-only",
        "type": "ip",
        "region": "ece-region",
        "include_by_default": False,
        "rules": [{"source": "198.51.100.1"}],
    }
    rule_set_id = remote.platform.call("POST", rule_sets, body)["id"]
    try:
        association = {"entity_type": "deployment", "id": remote.deployment.id}
        remote.platform.call("POST", f"{rule_sets}/{rule_set_id}/associations", association)
        diagnosis = _diagnose(local, remote.alias)
    finally:
        remote.platform.call("DELETE", f"{rule_sets}/{rule_set_id}?ignore_associations=true")
    assert _problems(diagnosis) == {"ip_filter": "ip-filter"}
    trust.wait_until_connected(local.client, (remote.alias,), 30)

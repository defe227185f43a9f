"""The commands on an environment that nobody serves: what they print, and how they refuse."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from isthmus.app.environment_lock import locked
from isthmus.cli.main import main
from isthmus.control.layout import EnvironmentLayout

KEY = "cluster.remote.eu.credentials"
SECRET = "dGhlOmtleQ=="


def run(*arguments: object, text: str | None = None) -> Result:
    """Run a command as the shell would."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=text)


def run_json(*arguments: object, text: str | None = None) -> Any:
    """Run a command that must succeed and answer the one line it prints."""
    result = run(*arguments, "--json", text=text)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refused(*arguments: object, text: str | None = None) -> str:
    """Run a command that must fail and answer its one line of explanation."""
    result = run(*arguments, text=text)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    return lines[-1]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Answer the directory of a new enterprise environment."""
    made = run_json("init", tmp_path / "ece", "--kind", "enterprise", "--data-port", 19243)
    assert made["account_id"] is None
    return tmp_path / "ece"


def test_init_makes_an_environment(tmp_path: Path) -> None:
    """Identity, authorities, password and configuration; secrets are for the owner only."""
    made = run_json("init", tmp_path / "new" / "ech", "--kind", "hosted")
    directory = tmp_path / "new" / "ech"
    assert made["domain"] == "hosted.localhost"
    assert len(made["scope_id"]) == 10
    assert len(made["account_id"]) == 32
    assert (directory / "admin-password.txt").read_text() == made["admin"]["password"] + "\n"
    assert run("check-config", directory).exit_code == 0
    for path in directory.rglob("*"):
        expected = 0o700 if path.is_dir() else (0o644 if path.suffix == ".crt" else 0o600)
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
    everything = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert everything.count(made["admin"]["password"].encode()) == 1


def test_init_tells_the_password_once_and_what_to_do_next(tmp_path: Path) -> None:
    """For people: no JSON."""
    result = run("init", tmp_path / "e", "--kind", "hosted", "--domain", "Search.Example")
    password = (tmp_path / "e" / "admin-password.txt").read_text().strip()
    assert result.exit_code == 0
    assert password in result.stdout
    assert "search.example" in result.stdout
    assert "isthmus serve" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--domain", "not a domain"), "not a DNS name"),
        (("--host", "localhost"), "not an IP address"),
        (("--data-port", "9443"), "are both 9443"),
    ],
)
def test_a_refused_init_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    """Not even the folders above."""
    assert message in refused("init", tmp_path / "a" / "b", "--kind", "hosted", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_init_that_breaks_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the disk is full when the configuration is to be written."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path), len(content))

    monkeypatch.setattr("isthmus.app.initialise.write_private", full)
    assert "No space left" in refused("init", tmp_path / "a" / "b", "--kind", "hosted")
    assert list(tmp_path.iterdir()) == []


def test_init_does_not_touch_what_is_there(environment: Path, tmp_path: Path) -> None:
    """An environment, a folder with something in it, a file."""
    before = (environment / "isthmus.toml").read_text()
    assert "is an environment already" in refused("init", environment, "--kind", "hosted")
    assert (environment / "isthmus.toml").read_text() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    assert "is not empty" in refused("init", tmp_path / "full", "--kind", "hosted")
    assert "is not a directory" in refused("init", tmp_path / "full" / "thesis.txt", "--kind", "hosted")
    (tmp_path / "empty").mkdir()
    assert run("init", tmp_path / "empty", "--kind", "hosted").exit_code == 0


def test_check_config_names_the_file_and_the_mistake(environment: Path) -> None:
    """And exits with 1."""
    path = environment / "isthmus.toml"
    path.write_text(path.read_text().replace("[ports]", "[prots]"))
    message = refused("check-config", environment)
    assert str(path) in message
    assert "did you mean [ports." in message


def test_the_environment_is_shown(environment: Path) -> None:
    """As it is configured while nobody serves it."""
    shown = run_json("environment", "show", environment)
    assert (shown["kind"], shown["served"], shown["deployments"]) == ("enterprise", False, 0)
    assert shown["ports"]["data"] == 19243
    assert "Environment ID" in run("environment", "show", environment).stdout


def test_a_deployment_lives_through_all_commands(environment: Path, tmp_path: Path) -> None:
    """Created, listed, shown, given trust and a password, deleted."""
    made = run_json("deployment", "create", environment, "logs [eu]", "--insecure-http")
    assert made["username"] == "elastic"
    assert made["status"] == "stopped"
    assert made["url"] == f"https://{made['cluster_id']}.enterprise.localhost:19243"
    assert [each["id"] for each in run_json("deployment", "list", environment)] == [made["id"]]
    assert "logs [eu]" in run("deployment", "list", environment).stdout
    for name in ("logs [eu]", made["id"], made["cluster_id"]):
        shown = run_json("deployment", "show", environment, name)
        assert shown["id"] == made["id"]
    assert "password" not in shown

    other = tmp_path / "other"
    run_json("init", other, "--kind", "hosted")
    authority = other / "certificates" / "proxy-ca.crt"
    for _ in range(2):
        run_json("deployment", "trust", environment, made["id"], "--certificate-authority", authority)
    assert run_json("deployment", "show", environment, made["id"])["trusted"] == ["proxy-ca"]
    assert "trusts: proxy-ca" in refused("deployment", "untrust", environment, made["id"], "--label", "x")
    run_json("deployment", "untrust", environment, made["id"], "--label", "proxy-ca")
    assert run_json("deployment", "show", environment, made["id"])["trusted"] == []

    changed = run_json("deployment", "reset-password", environment, made["id"])
    assert changed["password"] != made["password"]
    assert run_json("deployment", "start", environment, made["id"])["status"] == "stopped"
    assert run_json("deployment", "stop", environment, made["id"])["status"] == "stopped"

    assert "not the name" in refused("deployment", "delete", environment, "logs [eu]", text="logs\n")
    deleted = run("deployment", "delete", environment, "logs [eu]", text="logs [eu]\n")
    assert deleted.exit_code == 0
    assert run_json("deployment", "list", environment) == []


def test_a_change_that_waits_says_so(environment: Path) -> None:
    """On standard error, beside the answer."""
    result = run("deployment", "create", environment, "logs")
    assert "takes effect when the environment is served" in result.stderr
    assert "(shown this once)" in result.stdout


def test_names_that_lead_nowhere(environment: Path) -> None:
    """Unknown ones tell what there is; a name twice is refused at creation."""
    run_json("deployment", "create", environment, "logs")
    assert "there are: logs" in refused("deployment", "show", environment, "lgos")
    assert "already" in refused("deployment", "create", environment, "logs")


def test_what_cannot_be_trusted_is_told(environment: Path, tmp_path: Path) -> None:
    """A server's certificate, a key, junk."""
    run_json("deployment", "create", environment, "logs")
    command = ("deployment", "trust", environment, "logs", "--certificate-authority")
    layout = EnvironmentLayout(environment)
    assert "private key" in refused(*command, layout.authority("proxy").key)
    (tmp_path / "junk.crt").write_text("junk")
    assert "no certificate" in refused(*command, tmp_path / "junk.crt")
    (tmp_path / "binary.crt").write_bytes(b"\xff\x00")
    assert "is not a PEM file" in refused(*command, tmp_path / "binary.crt")


def test_the_keystore_takes_values_and_never_gives_them(environment: Path, tmp_path: Path) -> None:
    """From standard input, a file or a prompt; a value that is there needs --force."""
    run_json("deployment", "create", environment, "logs")
    added = run_json("keystore", "add", environment, "logs", KEY, "--stdin", text=SECRET + "\n")
    assert added == {"settings": [KEY]}
    assert "--force" in refused("keystore", "add", environment, "logs", KEY, "--stdin", text="x")
    (tmp_path / "key").write_text(SECRET)
    result = run("keystore", "add", environment, "logs", KEY, "--file", tmp_path / "key", "--force")
    assert result.exit_code == 0
    us = "cluster.remote.us.credentials"
    prompted = run("keystore", "add", environment, "logs", us, text=f"{SECRET}\n")
    assert prompted.exit_code == 0
    assert run_json("keystore", "list", environment, "logs") == {"settings": [KEY, us]}
    assert SECRET not in result.output + prompted.output
    assert run_json("keystore", "remove", environment, "logs", us) == {"settings": [KEY]}
    assert f"there are: {KEY}" in refused("keystore", "remove", environment, "logs", us)
    stored = b"".join(path.read_bytes() for path in environment.rglob("*") if path.is_file())
    assert SECRET.encode() not in stored


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("cluster.remote.eu.credential", SECRET, "unknown secure setting"),
        (KEY, "", "the value is empty"),
        (KEY, "two words", "encoded key on one line"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    environment: Path, setting: str, value: str, message: str
) -> None:
    """While the person who mistyped it is still there; the value is not repeated."""
    run_json("deployment", "create", environment, "logs")
    told = refused("keystore", "add", environment, "logs", setting, "--stdin", text=value)
    assert message in told
    assert not value or value not in told


def test_authorities_are_printed_as_pem(environment: Path) -> None:
    """Both of them, and they are not the same."""
    printed = {name: run("certificates", "show", environment, name).stdout for name in ("proxy", "transport")}
    for name, pem in printed.items():
        assert pem == EnvironmentLayout(environment).authority(name).certificate.read_text()
        assert run_json("certificates", "show", environment, name)["pem"] == pem
    assert printed["proxy"] != printed["transport"]


def test_an_environment_in_other_hands_is_left_alone(environment: Path) -> None:
    """Held, but not answering: its serve is starting or stopping."""
    with locked(EnvironmentLayout(environment)):
        assert "starting or stopping" in refused("deployment", "list", environment)
        assert "is in use by process" in refused("serve", environment)
    assert run("deployment", "list", environment).exit_code == 0


def test_a_directory_that_is_no_environment(tmp_path: Path) -> None:
    """Every command says how to make one."""
    for command in (("serve", tmp_path), ("environment", "show", tmp_path), ("deployment", "list", tmp_path)):
        assert "isthmus init" in refused(*command)


def test_help_lists_the_commands_for_people() -> None:
    """And not the one that only an environment calls."""
    listed = run("--help").stdout
    for command in ("init", "serve", "deployment", "keystore", "certificates", "check-config", "environment"):
        assert f"  {command} " in listed
    assert "  node " not in listed

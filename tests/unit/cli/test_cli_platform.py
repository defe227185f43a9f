"""``isthmus platform`` on an environment that nobody serves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from isthmus.cli.main import main
from isthmus.control.certificates import Credentials, issue_server_certificate


def run(*arguments: object) -> Result:
    """Run a command as the shell would."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> Any:
    """Run a command that must succeed and answer the one line it prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def printed(*arguments: object) -> str:
    """Run a command that must succeed and answer what it prints for people."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """Run a command that must fail and answer its explanation."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    return result.stderr.strip().splitlines()[-1]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Answer the directory of a new enterprise environment."""
    run_json("init", tmp_path / "ece", "--kind", "enterprise")
    return tmp_path / "ece"


def test_a_key_is_made_listed_and_ended(environment: Path) -> None:
    """Its secret is printed once."""
    made = run_json("platform", "key", "create", environment, "for ecctl", "--expires", "30d")
    assert "shown this once" in printed("platform", "key", "create", environment, "another")
    listed = run("platform", "key", "list", environment)
    assert made["id"] in listed.stdout
    assert made["key"] not in listed.stdout
    assert len(run_json("platform", "key", "list", environment)) == 2
    assert "deleted" in printed("platform", "key", "delete", environment, made["id"])
    assert "no API key has the id" in refused("platform", "key", "delete", environment, made["id"])
    assert "time value" in refused("platform", "key", "create", environment, "x", "--expires", "soon")


def test_a_chain_is_uploaded_and_given_up(environment: Path, tmp_path: Path) -> None:
    """From two files; the key never comes back."""
    folder = environment / "certificates"
    authority = Credentials((folder / "proxy-ca.crt").read_bytes(), (folder / "proxy-ca.key").read_bytes())
    issued = issue_server_certificate(authority, ("*.enterprise.localhost",), datetime.now(UTC))
    key, certificates = tmp_path / "key.pem", tmp_path / "chain.pem"
    key.write_bytes(issued.key)
    certificates.write_bytes(issued.certificate)
    own = printed("platform", "chain", "show", environment, "proxy")
    files = ("--key", key, "--certificates", certificates)
    assert "uploaded" in printed("platform", "chain", "upload", environment, "proxy", *files)
    assert printed("platform", "chain", "show", environment, "proxy") == issued.certificate.decode()
    assert run_json("platform", "chain", "show", environment, "proxy")["user_supplied"] is True
    keyless = ("--key", certificates, "--certificates", certificates)
    assert "private key" in refused("platform", "chain", "upload", environment, "proxy", *keyless)
    assert "own chain" in printed("platform", "chain", "reset", environment, "proxy")
    assert printed("platform", "chain", "show", environment, "proxy") != own  # issued anew
    assert run_json("platform", "chain", "show", environment, "proxy")["user_supplied"] is False


def test_deployments_are_made_remote_clusters(environment: Path) -> None:
    """The wish is kept until the environment is served."""
    for name in ("one", "two"):
        run_json("deployment", "create", environment, name)
    group = ("platform", "remote-clusters")
    added = run(*group, "add", environment, "one", "two", "--as", "beside", "--skip-unavailable")
    assert added.exit_code == 0
    assert "takes effect when the environment is served" in added.stderr
    assert "beside" in printed(*group, "list", environment, "one")
    (told,) = run_json(*group, "list", environment, "one")
    assert (told["alias"], told["skip_unavailable"]) == ("beside", True)
    assert "cannot be a remote cluster of its own" in refused(*group, "add", environment, "one", "one")
    assert "there are: beside" in refused(*group, "remove", environment, "one", "typo")
    assert "no longer" in printed(*group, "remove", environment, "one", "beside")
    assert run_json(*group, "list", environment, "one") == []


def test_another_environment_is_known(environment: Path) -> None:
    """By a name; deployments refer to its id."""
    authority = environment / "certificates" / "transport-ca.crt"
    group = ("platform", "relationship")
    options = ("--certificate-authority", authority, "--account", "1234567890")
    assert "by the id" in printed(*group, "add", environment, "other", *options)
    listed = run_json(*group, "list", environment)
    assert [each["local"] for each in listed] == [True, False]
    assert "1234567890" in printed(*group, "list", environment)
    assert "there are: other" in refused(*group, "remove", environment, "typo")
    run_json(*group, "add", environment, "other", *options)
    assert "use an id" in refused(*group, "remove", environment, "other")
    assert "no longer known" in printed(*group, "remove", environment, listed[1]["id"])


def test_the_account_says_what_new_deployments_trust(environment: Path) -> None:
    """Shown, and changed."""
    assert "all others" in printed("platform", "account", environment)
    assert "none" in printed("platform", "account", environment, "--no-trust-all")
    assert run_json("platform", "account", environment)["trust"] == {"trust_all": False}

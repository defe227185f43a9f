"""Elastic's command line ``ecctl`` against the platform API of a real environment."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud_clients import ECCTL, built
from environments_support import Side

from isthmus.settings import COMPATIBLE_VERSION

pytestmark = pytest.mark.timeout(400)  # the first run builds the client

KEY = "cluster.remote.eu.credentials"


@dataclass(frozen=True)
class Ecctl:
    """Runs the client, with a home of its own and the credentials given."""

    binary: Path
    side: Side
    home: Path
    credentials: tuple[str, ...]

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Answer what it printed: on standard output, or on standard error where it is to fail."""
        done = subprocess.run(  # noqa: S603 - the program that is tested
            [
                str(self.binary),
                *("--host", self.side.environment.platform_url, "--insecure", "--output", "json"),
                *self.credentials,
                *arguments,
            ],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def json(self, *arguments: str) -> Any:
        """Answer the first JSON value of what it printed."""
        printed = self.run(*arguments)
        value, _ = json.JSONDecoder().raw_decode(printed.lstrip())
        return value

    def with_file(self, content: Any, *arguments: str) -> Any:
        """Run it with this content as its file."""
        path = self.home / f"{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(content))
        return self.json(*arguments, "--file", str(path))


@pytest.fixture(scope="session")
def administrator(remote: Side, tmp_path_factory: pytest.TempPathFactory) -> Ecctl:
    """Answer a client that signs in with the administrator's password."""
    admin = remote.environment.admin
    home = tmp_path_factory.mktemp("ecctl")
    return Ecctl(built(ECCTL), remote, home, ("--user", admin.user, "--pass", admin.password))


@pytest.fixture(scope="session")
def ecctl(administrator: Ecctl) -> Ecctl:
    """Answer a client that shows an API key, made by itself."""
    made = administrator.json("auth", "key", "create", "--description", "for ecctl's tests")
    return Ecctl(
        administrator.binary, administrator.side, administrator.home, ("--api-key", str(made["key"]))
    )


@pytest.fixture
def deployment_id(ecctl: Ecctl) -> str:
    """Answer a deployment that ecctl made, and waited for until its plan had ended."""
    element = {
        "id": "hot_content",
        "node_roles": ["master", "data_hot", "data_content"],
        "size": {"value": 1024, "resource": "memory"},
        "zone_count": 1,
        "instance_configuration_id": "data.hot_content",
    }
    plan = {"cluster_topology": [element], "elasticsearch": {"version": COMPATIBLE_VERSION}}
    body = {"name": "made-by-ecctl", "resources": {"elasticsearch": [{"plan": plan}]}}
    made = ecctl.with_file(body, "deployment", "create", "--track")
    assert made["resources"][0]["credentials"]["username"] == "elastic"
    return str(made["id"])


def test_a_deployment_lives_its_life(ecctl: Ecctl, deployment_id: str) -> None:
    """Created with --track, listed, shown, updated, its keystore changed, stopped, started, deleted."""
    assert deployment_id in {each["id"] for each in ecctl.json("deployment", "list")["deployments"]}
    shown = ecctl.json("deployment", "show", deployment_id, "--plans", "--plan-logs", "--settings")
    info = shown["resources"]["elasticsearch"][0]["info"]
    assert (info["status"], info["healthy"]) == ("started", True)
    assert info["plan_info"]["current"]["plan_attempt_log"][-1]["step_id"] == "plan-completed"
    assert info["settings"]["trust"]["accounts"][0]["trust_all"] is True
    resource = ecctl.json("deployment", "show", deployment_id, "--kind", "elasticsearch")
    assert resource["info"]["cluster_id"] == info["cluster_id"]

    payload = ecctl.json("deployment", "show", deployment_id, "--generate-update-payload")
    payload["name"] = "renamed"
    updated = ecctl.with_file(payload, "deployment", "update", deployment_id)
    assert updated["name"] == "renamed"
    found = ecctl.with_file(
        {"query": {"term": {"name.keyword": {"value": "renamed"}}}}, "deployment", "search"
    )
    assert [each["id"] for each in found["deployments"]] == [deployment_id]

    keystore = ("deployment", "elasticsearch", "keystore")
    assert ecctl.json(*keystore, "show", deployment_id) == {"secrets": {}}
    secrets = {"secrets": {KEY: {"value": "abc"}}}
    kept = ecctl.with_file(secrets, *keystore, "update", deployment_id)
    assert kept == {"secrets": {KEY: {"as_file": False}}}
    removed = ecctl.with_file({"secrets": {KEY: None}}, *keystore, "update", deployment_id)
    assert removed == {"secrets": {}}

    refused = ecctl.run("deployment", "plan", "cancel", deployment_id, "--kind", "elasticsearch", fails=True)
    assert "deployments.resource_does_not_have_a_pending_plan" in refused
    ecctl.run("deployment", "resource", "shutdown", deployment_id, "--kind", "elasticsearch", "--force")
    assert ecctl.json("deployment", "restore", deployment_id)["id"] == deployment_id
    assert "must be shut down" in ecctl.run("deployment", "delete", deployment_id, fails=True)
    assert ecctl.json("deployment", "shutdown", deployment_id, "--force")["id"] == deployment_id
    assert ecctl.json("deployment", "delete", deployment_id)["id"] == deployment_id
    gone = ecctl.run("deployment", "show", deployment_id, fails=True)
    assert "deployments.deployment_not_found" in gone


def test_the_template_makes_a_deployment(ecctl: Ecctl) -> None:
    """Without a file, from what the platform offers."""
    templates = ecctl.json("deployment", "template", "list", "--region", "ece-region")
    assert [each["id"] for each in templates] == ["default"]
    assert ecctl.json("stack", "list")["stacks"][0]["version"] == COMPATIBLE_VERSION
    made = ecctl.json("deployment", "create", "--name", "templated", "--version", COMPATIBLE_VERSION)
    ecctl.run("deployment", "shutdown", made["id"], "--force")
    ecctl.run("deployment", "delete", made["id"])


def test_kibana_is_refused_by_name(ecctl: Ecctl) -> None:
    """There is none here: better told than left out."""
    body = {
        "name": "with-kibana",
        "resources": {
            "elasticsearch": [{"plan": {"cluster_topology": [], "elasticsearch": {}}}],
            "kibana": [{"plan": {"cluster_topology": [], "kibana": {}}}],
        },
    }
    path = ecctl.home / "kibana.json"
    path.write_text(json.dumps(body))
    refused = ecctl.run("deployment", "create", "--file", str(path), fails=True)
    assert "resources.kibana: not supported" in refused


def test_the_platform_tells_what_it_is(ecctl: Ecctl) -> None:
    """Its version and its region."""
    assert ecctl.json("platform", "info")["regions"][0]["region_id"] == "ece-region"


def test_an_api_key_ends_when_it_is_deleted(administrator: Ecctl) -> None:
    """Listed and shown without its secret; afterwards it opens nothing."""
    made = administrator.json("auth", "key", "create", "--description", "short")
    holder = Ecctl(administrator.binary, administrator.side, administrator.home, ("--api-key", made["key"]))
    listed = holder.json("auth", "key", "list")["keys"]
    assert made["id"] in {each["id"] for each in listed}
    assert "key" not in holder.json("auth", "key", "show", made["id"])
    administrator.run("auth", "key", "delete", made["id"])
    assert "root.unauthenticated" in holder.run("deployment", "list", fails=True)


def test_a_traffic_filter_is_associated_and_removed(ecctl: Ecctl, remote: Side) -> None:
    """With a deployment that everybody may still reach."""
    filters = ("deployment", "traffic-filter")
    made = ecctl.json(
        *(*filters, "create", "--name", "everybody", "--type", "ip"),
        *("--region", "ece-region", "--source", "0.0.0.0/0"),
    )
    association = ("--deployment-id", remote.deployment.id)
    ecctl.run(*filters, "association", "create", made["id"], *association)
    shown = ecctl.json(*filters, "show", made["id"])
    assert shown["rules"][0]["source"] == "0.0.0.0/0"
    details = ecctl.json("deployment", "show", remote.deployment.id, "--settings")
    assert details["settings"]["traffic_filter_settings"]["rulesets"] == [made["id"]]
    ecctl.run(*filters, "association", "delete", made["id"], *association)
    ecctl.run(*filters, "delete", made["id"])
    assert "traffic_filter.not_found" in ecctl.run(*filters, "show", made["id"], fails=True)

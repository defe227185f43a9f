"""Elastic's Terraform provider ``ec`` against the platform API of a real environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud_clients import TERRAFORM_PROVIDER, built
from environments_support import Side, until

from isthmus.settings import COMPATIBLE_VERSION

pytestmark = pytest.mark.timeout(400)  # the first run builds the provider

ELASTICSEARCH_PATH = "/api/v1/deployments/{id}/elasticsearch/main-elasticsearch"

CONFIGURATION = """
terraform {
  required_providers {
    ec = { source = "elastic/ec" }
  }
}
provider "ec" {
  insecure = true
}
variable "size" {}
variable "connected" { type = bool }
variable "leader" {}
variable "scope_id" {}
resource "ec_deployment" "local" {
  name                   = "made-by-terraform"
  region                 = "ece-region"
  version                = "%(version)s"
  deployment_template_id = "default"
  traffic_filter         = [ec_deployment_traffic_filter.everybody.id]
  tags                   = { team = "search" }
  elasticsearch = {
    hot = {
      size        = var.size
      autoscaling = {}
    }
    keystore_contents = {
      "cluster.remote.eu.credentials" = { value = "s3cr3t-of-terraform" }
    }
    trust_account  = [{ account_id = var.scope_id, trust_all = true }]
    remote_cluster = var.connected ? [{ deployment_id = var.leader, alias = "leader" }] : null
  }
}
resource "ec_deployment_traffic_filter" "everybody" {
  name   = "everybody"
  region = "ece-region"
  type   = "ip"
  rule {
    source = "0.0.0.0/0"
  }
}
resource "ec_deployment_elasticsearch_keystore" "us" {
  deployment_id = ec_deployment.local.id
  setting_name  = "cluster.remote.us.credentials"
  value         = "s3cr3t-of-terraform"
}
data "ec_stack" "latest" {
  version_regex = "latest"
  region        = "ece-region"
}
data "ec_deployments" "found" {
  name_prefix = "made-by"
  tags        = { team = "search" }
  depends_on  = [ec_deployment.local]
}
output "id" {
  value = ec_deployment.local.id
}
output "found" {
  value = data.ec_deployments.found.deployments[*].deployment_id
}
output "version" {
  value = data.ec_stack.latest.version
}
"""


@dataclass(frozen=True)
class Terraform:
    """Runs ``terraform`` in a folder of its own, with the provider that was built."""

    program: str
    folder: Path
    variables: dict[str, str]
    environment: dict[str, str]

    def run(self, command: str, *arguments: str, **changes: str) -> str:
        """Answer what it printed; fails the test where it fails."""
        variables = {f"TF_VAR_{name}": value for name, value in {**self.variables, **changes}.items()}
        done = subprocess.run(  # noqa: S603 - the program that is tested
            [self.program, command, *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, **changes: str) -> dict[str, Any]:
        """Apply, have it plan again, which must find nothing to do, and answer the outputs."""
        self.run("apply", "-auto-approve", "-no-color", **changes)
        planned = self.run("plan", "-no-color", **changes)
        assert "No changes" in planned, planned
        outputs = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}


@pytest.fixture
def terraform(remote: Side, tmp_path: Path) -> Terraform:
    """Answer Terraform, signed in to the enterprise side."""
    program = shutil.which("terraform") or shutil.which("tofu")
    if program is None:
        pytest.skip("there is neither Terraform nor OpenTofu here")
    provider = built(TERRAFORM_PROVIDER)
    settings = tmp_path / "terraform.rc"
    settings.write_text(
        f'provider_installation {{\n  dev_overrides {{\n    "elastic/ec" = "{provider.parent}"\n  }}\n'
        "  direct {}\n}\n"
    )
    folder = tmp_path / "configuration"
    folder.mkdir()
    (folder / "main.tf").write_text(CONFIGURATION % {"version": COMPATIBLE_VERSION})
    admin = remote.environment.admin
    return Terraform(
        program=program,
        folder=folder,
        variables={
            "size": "4g",
            "connected": "true",
            "leader": remote.deployment.id,
            "scope_id": remote.environment.scope_id,
        },
        environment={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TF_CLI_CONFIG_FILE": str(settings),
            "CHECKPOINT_DISABLE": "1",
            "EC_ENDPOINT": remote.environment.platform_url,
            "EC_USER": admin.user,
            "EC_PASS": admin.password,
        },
    )


def test_a_deployment_is_created_read_updated_and_destroyed(terraform: Terraform, remote: Side) -> None:
    """With keystore, trust, traffic filter and a remote cluster that really connects; plans end empty."""
    outputs = terraform.apply()
    path = ELASTICSEARCH_PATH.format(id=outputs["id"])
    try:
        assert outputs["found"] == [outputs["id"]]
        assert outputs["version"] == COMPATIBLE_VERSION

        keystore = remote.platform.call("GET", f"{path}/keystore")["secrets"]
        assert {"cluster.remote.eu.credentials", "cluster.remote.us.credentials"} <= set(keystore)

        def leader() -> Any:
            (found,) = remote.platform.call("GET", f"{path}/remote-clusters")["resources"]
            return found["info"]["connected"] and found

        assert until(leader, "the remote cluster to be connected")["deployment_id"] == remote.deployment.id
        details = remote.platform.call("GET", f"/api/v1/deployments/{outputs['id']}?show_settings=true")
        assert len(details["settings"]["traffic_filter_settings"]["rulesets"]) == 1
        trust = details["resources"]["elasticsearch"][0]["info"]["settings"]["trust"]
        assert trust["accounts"][0]["account_id"] == remote.environment.scope_id

        terraform.apply(size="8g", connected="false")
        assert remote.platform.call("GET", f"{path}/remote-clusters") == {"resources": []}
        plan = remote.platform.call("GET", f"/api/v1/deployments/{outputs['id']}")
        current = plan["resources"]["elasticsearch"][0]["info"]["plan_info"]["current"]["plan"]
        assert current["cluster_topology"][0]["size"] == {"resource": "memory", "value": 8192}
    finally:
        terraform.run("destroy", "-auto-approve")
    listed = remote.platform.call("GET", "/api/v1/deployments")["deployments"]
    assert outputs["id"] not in {each["id"] for each in listed}

"""Putting a deployment into an environment that does not run yet, so that both start at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from isthmus.clock import SystemClock
from isthmus.control.deployments import Deployments, NewDeployment
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import NoNodes
from isthmus.settings import EnvironmentSettings
from isthmus.store.environment_records import SqlDeploymentRecords


@dataclass(frozen=True, slots=True)
class NewNode:
    """What is known of a deployment before it runs."""

    id: str
    cluster_id: str
    password: str = field(repr=False)


def create_deployment(settings: EnvironmentSettings, name: str, *, encrypted: bool) -> NewNode:
    """Make a deployment with a loopback listener on a free port; it starts with its environment."""
    records = SqlDeploymentRecords.open(EnvironmentLayout(settings.directory).database)
    deployments = Deployments(settings, records, NoNodes(), SystemClock())
    wanted = NewDeployment(name=name, loopback_port=0, loopback_encrypted=encrypted)
    created = asyncio.run(deployments.create(wanted))
    return NewNode(created.deployment.id, created.deployment.cluster_id, str(created.elastic_password))

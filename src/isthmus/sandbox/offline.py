"""Putting a deployment into an environment that does not run yet, so that both start at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from isthmus.app.platform import open_database
from isthmus.clock import SystemClock
from isthmus.control.deployments import Deployments, NewDeployment
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
    database = open_database(settings)
    try:
        deployments = Deployments(settings, SqlDeploymentRecords(database), NoNodes(), SystemClock())
        wanted = NewDeployment(name=name, loopback_port=0, loopback_encrypted=encrypted)
        created = asyncio.run(deployments.create(wanted))
    finally:
        database.close()
    if created.elastic_password is None:
        raise RuntimeError("a new deployment came without a password")
    return NewNode(created.deployment.id, created.deployment.cluster_id, created.elastic_password.reveal())

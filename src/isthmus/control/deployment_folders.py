"""The folder of a deployment: filled for its node, and removed so that a crash leaves nothing half-way."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from isthmus.control.authorities import renew_node_certificate
from isthmus.control.keystores import create_keystore
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import Deployment
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.security.secret import Secret
from isthmus.settings import EnvironmentSettings

_DELETED_PREFIX: Final = ".deleted-"


def fill_folder(
    settings: EnvironmentSettings,
    deployment: Deployment,
    password: Secret,
    secrets: Mapping[str, Secret | None],
) -> None:
    """Make the folder of a new deployment; ``password`` is for ``elastic`` at the node's first start."""
    layout = EnvironmentLayout(settings.directory).deployment(deployment.id)
    make_private_directory(layout.directory)
    make_private_directory(layout.data)
    now = datetime.fromtimestamp(deployment.created_milliseconds / 1000, UTC)
    renew_node_certificate(settings, deployment, now)
    create_keystore(layout, secrets)
    write_private(layout.first_password, password.reveal().encode())


def remove_folder(directory: Path) -> None:
    """Remove the folder; renamed first, so that a crash half-way leaves nothing that looks whole."""
    if directory.exists():
        shutil.rmtree(directory.rename(directory.with_name(f"{_DELETED_PREFIX}{directory.name}")))


def remove_leftovers(layout: EnvironmentLayout) -> None:
    """Finish deletions that a crash interrupted."""
    for directory in layout.deployments.glob(f"{_DELETED_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)

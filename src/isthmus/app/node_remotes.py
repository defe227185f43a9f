"""A node's remote clusters: its static settings, what its platform allows, and how others reach it."""

from __future__ import annotations

import logging

from isthmus.control.layout import DeploymentLayout
from isthmus.errors import Failure
from isthmus.remotes.platform_modes import ProxyModeOnly
from isthmus.remotes.protocol import GatewayNode
from isthmus.remotes.records import NodeIdentity, SettingsObserver
from isthmus.remotes.static_settings import StaticSettings, parse_static_settings
from isthmus.rest.elasticsearch.nodes import ROLES
from isthmus.settings import EnvironmentKind, NodeSettings

logger = logging.getLogger(__name__)


class StaticSettingsError(Exception):
    """The file of the node's static settings cannot be used; the text says where it is and why."""


def read_static_settings(settings: NodeSettings) -> StaticSettings:
    """Answer what the node's file says, the defaults without one.

    Raises :class:`StaticSettingsError`: as in Elasticsearch, a node does not start with settings that
    nobody understands.
    """
    path = DeploymentLayout(settings.directory).static_settings
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return StaticSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise StaticSettingsError(f"cannot read {path}: {error}") from None
    try:
        return parse_static_settings(text)
    except Failure as failure:
        raise StaticSettingsError(f"{path}: {failure.reason}") from None


def settings_rules(settings: NodeSettings) -> tuple[SettingsObserver, ...]:
    """Answer what the platform of this node adds to the rules of its cluster settings.

    A hosted environment stands for Elastic Cloud, whose deployments have their remotes in mode proxy only.
    """
    return (ProxyModeOnly(),) if settings.kind is EnvironmentKind.HOSTED else ()


def gateway_nodes(settings: NodeSettings, identity: NodeIdentity, port: int) -> tuple[GatewayNode, ...]:
    """Answer the nodes of this deployment as other clusters reach them on a port of the door: this one."""
    host = f"{settings.cluster_id}.{settings.domain}"
    node = GatewayNode(
        node_id=identity.node_id,
        name=identity.node_name,
        address=f"{host}:{port}",
        server_name=host,
        roles=ROLES,
        attributes=dict(identity.attributes),
    )
    return (node,)

"""Changing the transport authority over the platform API. Not in Elastic Cloud, whose own staff does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from isthmus.clock import Clock
from isthmus.control.authorities import published_transport_authorities
from isthmus.control.authorities_rotation import (
    activate_next_authority,
    finish_rotation,
    publish_next_authority,
    rotation_state,
)
from isthmus.control.failures import invalid_field
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes
from isthmus.control.trust import certificate_json
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response
from isthmus.settings import EnvironmentSettings

logger = logging.getLogger(__name__)

PATH: Final = "/platform/configuration/security/transport-ca"


def register(router: CloudRouter, settings: EnvironmentSettings, nodes: Nodes, clock: Clock) -> None:
    """Serve ``/platform/configuration/security/transport-ca``."""
    layout = EnvironmentLayout(settings.directory)
    steps: dict[str, Callable[[datetime], None]] = {
        "publish": lambda now: publish_next_authority(settings, now),
        "activate": lambda _now: activate_next_authority(settings),
        "finish": lambda _now: finish_rotation(settings),
    }

    def told() -> dict[str, Any]:
        published = published_transport_authorities(layout)
        return {
            "state": rotation_state(layout).value,
            "public_certificates": [
                {"active": each.active, **certificate_json(each.pem)} for each in published
            ],
        }

    async def get(_call: CloudCall) -> Response:
        """Show the authorities of nodes that are published, and where a change of them stands."""
        return json_response(await asyncio.to_thread(told))

    async def rotate(call: CloudCall) -> Response:
        """Take the next step of changing the authority of nodes: publish, activate, finish."""
        step = _step(call.request.json(), tuple(steps))
        now = datetime.fromtimestamp(clock.now_milliseconds() / 1000, UTC)
        await asyncio.to_thread(steps[step], now)
        logger.info("transport authority rotated", extra={"step": step})
        nodes.ring()  # every deployment's certificate and trust follow
        return json_response(await asyncio.to_thread(told))

    router.add("GET", PATH, get, ())
    router.add("POST", f"{PATH}/_rotate", rotate, ())


def _step(body: Any, known: tuple[str, ...]) -> str:
    if not isinstance(body, dict):
        raise invalid_field("(whole)", "must be an object")
    for name in body:
        if name != "step":
            raise invalid_field(str(name)[:100], "unknown member")
    step = body.get("step")
    if not isinstance(step, str) or step not in known:
        raise invalid_field("step", f"must be one of [{', '.join(known)}]")
    return step

"""Everything here runs on the event loop that nodes use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop
from cloud_api_client import client_, template_
from http_server_harness import http_authority_, http_server_, start_http_server_
from traffic_filters_client import filters_

#: fixtures: the platform API without a server, and the HTTP server on loopback
__all__ = ["client_", "filters_", "http_authority_", "http_server_", "start_http_server_", "template_"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loops of a test."""
    return {"uvloop": uvloop.new_event_loop}

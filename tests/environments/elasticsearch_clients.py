"""Which official client the tests use: that of 9.x, or the one that ``ELASTICSEARCH_CLIENT`` names."""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from environments_support import Side

#: the client library; modules of both lines have the same names in them
LIBRARY: Final[Any] = importlib.import_module(os.environ.get("ELASTICSEARCH_CLIENT", "elasticsearch"))
HELPERS: Final[Any] = importlib.import_module(f"{LIBRARY.__name__}.helpers")


def client_options(side: Side, **more: Any) -> dict[str, Any]:
    """Answer the constructor's arguments for the superuser, with the certificate checked."""
    deployment = side.deployment
    options: dict[str, Any] = {"hosts": deployment.url, "ca_certs": deployment.ca, **more}
    if "api_key" not in options:
        options.setdefault("basic_auth", (deployment.username, deployment.password))
    return options

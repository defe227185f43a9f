"""Requests as ``curl`` commands that a reader can repeat: addresses are variables, secrets placeholders."""

from __future__ import annotations

import json
import shlex
from typing import Any, Final

from isthmus.console.connecting.plan import Request

#: stands for the key wherever a command would hold it
KEY_PLACEHOLDER: Final = "<encoded cross-cluster API key>"
_SECRET_HOLDERS: Final = frozenset({"secrets"})


def command(request: Request) -> str:
    """Answer the command; the credentials are asked for by ``curl`` itself."""
    words = [f'curl -u "$USER" -X {request.method} "${request.side.value}"{shlex.quote(request.path)}']
    if request.body is not None:
        body = json.dumps(_without_secrets(request.body), ensure_ascii=False)
        words.append(f"-H 'Content-Type: application/json' -d {shlex.quote(body)}")
    return " ".join(words)


def _without_secrets(body: Any, *, secret: bool = False) -> Any:
    if isinstance(body, dict):
        return {
            name: KEY_PLACEHOLDER
            if secret and name == "value"
            else _without_secrets(value, secret=secret or name in _SECRET_HOLDERS)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_without_secrets(item, secret=secret) for item in body]
    return body

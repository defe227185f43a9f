"""The remote side of a rotation: a successor with the access of the old key, and the old key's end."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode, urlsplit

from isthmus.cli.failures import CommandError
from isthmus.cli.node_client import User
from isthmus.security.secret import Secret

#: method, path with parameters, body -> answer; raises CommandError
AsksApi: TypeAlias = Callable[[str, str, Any], Any]

_TIMEOUT_SECONDS: Final = 60.0
_FIRST_ERROR_STATUS: Final = 400
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True)
class RemoteKeys:
    """The cross-cluster keys of a remote deployment, as one of its administrators manages them."""

    ask: AsksApi

    def create_successor(self, key_id: str) -> Secret:
        """Make a key with the access, metadata, identity and lifetime of this one; answer it encoded."""
        answer = self.ask("GET", f"/_security/api_key?{urlencode({'id': key_id})}", None)
        found = answer["api_keys"]
        if not found:
            raise CommandError(
                f"the remote deployment has no API key [{key_id}]: is it the right deployment?"
            )
        key = found[0]
        if key.get("type") != "cross_cluster":
            raise CommandError(f"API key [{key_id}] of the remote deployment is no cross-cluster key")
        body = {
            "name": key["name"],
            "access": key["access"],
            "metadata": {**key.get("metadata", {}), "successor_of": key_id},
        }
        if "expiration" in key:
            body["expiration"] = f"{key['expiration'] - key['creation']}ms"
        if "certificate_identity" in key:
            body["certificate_identity"] = key["certificate_identity"]
        return Secret(str(self.ask("POST", "/_security/cross_cluster/api_key", body)["encoded"]))

    def invalidate(self, key_id: str) -> None:
        """End the key at once and for ever."""
        self.ask("DELETE", "/_security/api_key", {"ids": [key_id]})


def api_over_https(url: str, user: User, authorities: list[Path]) -> AsksApi:
    """Answer how to ask a deployment's API at this address.

    The server is verified against the system's authorities and these (PEM files); there is no way around.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or _HTTPS
    except ValueError:
        host, port = None, 0
    if parts.scheme != "https" or not host or parts.path not in ("", "/"):
        raise CommandError(f"[{url}] is not the address of a deployment: https://HOST:PORT")
    try:
        context = ssl.create_default_context()
        for path in authorities:
            context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"the authorities cannot be read: {error}") from None

    def ask(method: str, path: str, body: Any) -> Any:
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
        headers = {**user.headers(), "content-type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            status, content = response.status, response.read()
            answer = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CommandError(f"the remote deployment at {url} cannot be asked: {error}") from None
        finally:
            connection.close()
        if status >= _FIRST_ERROR_STATUS:
            told = answer.get("error") if isinstance(answer, dict) else None
            reason = told.get("reason") if isinstance(told, dict) else told
            raise CommandError(f"the remote deployment refuses {method} {path.partition('?')[0]}: {reason}")
        return answer

    return ask

"""The steps of replacing a remote cluster's key by overlap, and what they prove.

The next key is put beside the current one; the node takes it into use once the remote cluster has
accepted it, and not before. Only when every connection works with it is the current one replaced. Whatever
goes wrong on the way, the next key is taken out again and the current one has never stopped working.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from isthmus.cli.failures import CommandError
from isthmus.remotes.settings import credentials_name, next_credentials_name
from isthmus.security.api_key_secrets import decode_credentials
from isthmus.security.secret import Secret

_POLL_SECONDS: Final = 0.1


class RotatingNode(Protocol):
    """The deployment whose link gets another key."""

    def information(self) -> dict[str, Any]:
        """Answer ``_remote/info``."""
        ...

    def change_keystore(self, changes: dict[str, Secret | None]) -> None:
        """Set and (None) remove these entries in one step."""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen of the node's own counters from the first step to the last."""

    alias: str
    old_key_id: str
    new_key_id: str
    connections: int
    sent: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Answer the form that ``--json`` prints."""
        return {
            "alias": self.alias,
            "old_key_id": self.old_key_id,
            "new_key_id": self.new_key_id,
            "connections": self.connections,
            "requests_with_old_key": self.sent.get(self.old_key_id, 0),
            "requests_with_new_key": self.sent.get(self.new_key_id, 0),
            "requests_refused": self.refused,
            "took_in_millis": int(self.seconds * 1000),
        }


class Rotation:
    """One rotation of one alias. ``on_step`` is told in words what has been done."""

    def __init__(
        self,
        node: RotatingNode,
        alias: str,
        timeout_seconds: float,
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._node = node
        self._alias = alias
        self._timeout_seconds = timeout_seconds
        self._on_step = on_step
        #: True from the moment in which the old key may be gone from the keystore
        self.replaced = False

    def current_key_id(self) -> str:
        """Answer the id of the key that is to be replaced; raises where there is none to replace."""
        keys = self._keys()
        current = keys.get("current")
        if current is None:
            raise CommandError(
                f"there is no key under {credentials_name(self._alias)} to be replaced; put the new one"
                " there: isthmus keystore add"
            )
        return str(current["id"])

    def run(self, key: Secret) -> Proof:
        """Replace the key by this one (encoded); answer what was proved.

        Raises :class:`CommandError` with the reason where it cannot be; the old key works as before then.
        """
        old_key_id = self.current_key_id()
        decoded = decode_credentials(key.reveal())
        if decoded is None:
            raise CommandError("the new key is not an encoded API key: give the [encoded] of the answer")
        new_key_id = decoded[0]
        if new_key_id == old_key_id:
            raise CommandError(f"the new key [{new_key_id}] is the one that is in use already")
        before = self._keys()["requests"]
        started = time.monotonic()
        with self._taken_out_again_unless_done() as done:
            self._node.change_keystore({next_credentials_name(self._alias): key})
            self._on_step(f"key {new_key_id} stands beside key {old_key_id}")
            self._until_accepted(new_key_id)
            self._on_step("the remote cluster has accepted it, new requests carry it")
            connections = self._until_moved(old_key_id, new_key_id)
            self._on_step(f"all {connections} connections work with it, no request carries the old one")
            self.replaced = True
            self._node.change_keystore(
                {credentials_name(self._alias): key, next_credentials_name(self._alias): None}
            )
            done()
        after = self._until_alone(new_key_id)["requests"]
        self._on_step(f"key {old_key_id} is out of the keystore")
        return Proof(
            alias=self._alias,
            old_key_id=old_key_id,
            new_key_id=new_key_id,
            connections=connections,
            sent={key_id: _grown(before, after, key_id, "sent") for key_id in (old_key_id, new_key_id)},
            refused=sum(_grown(before, after, key_id, "refused") for key_id in after),
            seconds=time.monotonic() - started,
        )

    def require_connected(self) -> None:
        """Return once the link is connected; raises where it is not in time."""
        self._until(lambda: self._remote() if self._remote()["connected"] else None, "be connected")

    @contextmanager
    def _taken_out_again_unless_done(self) -> Iterator[Callable[[], None]]:
        finished = False

        def done() -> None:
            nonlocal finished
            finished = True

        try:
            yield done
        finally:
            if not finished:
                self._node.change_keystore({next_credentials_name(self._alias): None})

    def _until_accepted(self, key_id: str) -> None:
        def accepted() -> bool:
            following = self._keys().get("next", {})
            if following.get("id") != key_id:
                return False
            if following["state"] == "refused":
                raise CommandError(
                    f"the remote cluster refuses key [{key_id}]: {following.get('reason')}; it was taken out"
                    " again and the old key goes on working"
                )
            return bool(following["state"] == "accepted")

        self._until(accepted, f"accept key [{key_id}]")

    def _until_moved(self, old_key_id: str, new_key_id: str) -> int:
        def moved() -> int:
            keys = self._keys()
            if keys.get("next", {}).get("state") == "refused":
                raise CommandError(
                    f"the remote cluster refuses key [{new_key_id}] after it had accepted it: "
                    f"{keys['next'].get('reason')}; it was taken out again and the old key goes on working"
                )
            under_way = keys["requests"].get(old_key_id, {}).get("under_way", 0)
            everywhere = keys["in_use"] == new_key_id and set(keys["connections"]) == {new_key_id}
            return sum(keys["connections"].values()) if everywhere and not under_way else 0

        return int(self._until(moved, "work with the new key over every connection"))

    def _until_alone(self, key_id: str) -> dict[str, Any]:
        def alone() -> dict[str, Any] | None:
            keys = self._keys()
            is_alone = keys.get("current", {}).get("id") == key_id and "next" not in keys
            return keys if is_alone and self._remote()["connected"] else None

        found: dict[str, Any] = self._until(alone, "take up the keystore without the old key")
        return found

    def _until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                error = self._remote()["isthmus"].get("last_error", {})
                detail = f": {error.get('reason')}" if error else ""
                raise CommandError(
                    f"[{self._alias}] did not {what} within {self._timeout_seconds:g} s{detail}"
                )
            time.sleep(_POLL_SECONDS)

    def _remote(self) -> dict[str, Any]:
        information = self._node.information()
        if self._alias not in information:
            known = ", ".join(sorted(information)) or "none"
            raise CommandError(f"there is no remote cluster [{self._alias}]; there are: {known}")
        found: dict[str, Any] = information[self._alias]
        return found

    def _keys(self) -> dict[str, Any]:
        keys: dict[str, Any] | None = self._remote()["isthmus"].get("keys")
        if keys is None:
            raise CommandError(
                f"[{self._alias}] has no key: it uses the certificate model (docs/migration.md tells how to"
                " move to a key)"
            )
        return keys


def _grown(before: dict[str, Any], after: dict[str, Any], key_id: str, counter: str) -> int:
    """Answer by how much a counter grew. It begins anew when the link's settings change: then all counts."""
    count = int(after.get(key_id, {}).get(counter, 0))
    earlier = int(before.get(key_id, {}).get(counter, 0))
    return count - earlier if count >= earlier else count

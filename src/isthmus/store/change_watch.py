"""What another node's change means to this one: decided from versions and notifications. Pure.

Every write that other nodes have to know of raises the version of its topic in the same transaction, and
sends ``<topic>:<version>``. Notifications are fast but may get lost (with a connection, or in a pooler that
does not pass them on); so the versions are looked at as well: often until a notification of this node's
own has come back, seldom afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

#: a change is to take effect on every node within a second
OFTEN_SECONDS: Final = 0.4
SELDOM_SECONDS: Final = 5.0
_PROBE: Final = "probe"


class Topic(Enum):
    """What may change. The value is the topic's name in the database."""

    SECURITY = "security"
    SETTINGS = "settings"
    SCRIPTS = "scripts"
    KEYSTORE = "keystore"
    NODES = "nodes"


class ChangeWatch:
    """What one node has seen. ``node`` tells its own probes from those of others."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._seen: dict[Topic, int] = {}
        self._is_notified = False

    @property
    def look_again_seconds(self) -> float:
        """How long to wait for notifications before the versions are looked at."""
        return SELDOM_SECONDS if self._is_notified else OFTEN_SECONDS

    @property
    def probe(self) -> str:
        """The notification that shows, when it comes back, that notifications come through."""
        return f"{_PROBE}:{self._node}"

    def connected(self) -> None:
        """Take it that whatever came before this connection may have been missed."""
        self._is_notified = False

    def notified(self, payload: str) -> frozenset[Topic]:
        """Answer what has to be read again; nothing for a payload that is not understood, or seen already."""
        if payload == self.probe:
            self._is_notified = True
            return frozenset()
        name, _, version = payload.partition(":")
        topic = _topic_or_none(name)
        if topic is None or not version.isdecimal():
            return frozenset()
        return self.looked({name: int(version)})

    def looked(self, versions: Mapping[str, int]) -> frozenset[Topic]:
        """Answer what has to be read again. A version that goes back is one of a restored database."""
        changed = set()
        for name, version in versions.items():
            topic = _topic_or_none(name)
            if topic is not None and self._seen.get(topic) != version:
                self._seen[topic] = version
                changed.add(topic)
        return frozenset(changed)

    def missed(self, topic: Topic) -> None:
        """Take it that the topic could not be read: it is told again at the next look."""
        self._seen.pop(topic, None)


def payload_of(topic: Topic, version: int) -> str:
    """Answer what is sent when a topic has reached a version."""
    return f"{topic.value}:{version}"


def _topic_or_none(name: str) -> Topic | None:
    try:
        return Topic(name)
    except ValueError:  # of a newer version of this software
        return None

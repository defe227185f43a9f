"""What indices an engine has, kept fresh: asked in short turns, and at once when there is a reason.

An engine says cheaply whether anything changed (the version of its cluster state); only then its indices are
read. Where it does not say, they are read every turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import orjson

from isthmus.clock import Clock
from isthmus.engines.attached.answers import read_object
from isthmus.engines.attached.calls import Calls
from isthmus.engines.attached.descriptions import read_descriptions
from isthmus.engines.attached.field_types import FieldType, field_types
from isthmus.errors import Failure
from isthmus.exchange import IndexDescription
from isthmus.names import IndexName

logger = logging.getLogger(__name__)

TURN_SECONDS: Final = 1.0
#: however much is written and looked for: between one question and the next
_LEAST_SECONDS: Final = 0.05
#: without a sign of life for so long, what is known of the engine is old
STALE_SECONDS: Final = 10.0
_ALL: Final = {"expand_wildcards": "all", "flat_settings": "true"}
_STATES: Final = {"filter_path": "metadata.indices.*.state"}
_VERSION: Final = {"filter_path": "version,state_uuid"}

Key = TypeVar("Key", bound=str)
Value = TypeVar("Value")


class AskingMapping(Mapping[Key, Value], Generic[Key, Value]):
    """A mapping that says so when something is looked for and not there: it may be new."""

    def __init__(self, known: Mapping[Key, Value], missed: asyncio.Event) -> None:
        self._known = known
        self._missed = missed

    def __getitem__(self, key: Key) -> Value:
        try:
            return self._known[key]
        except KeyError:
            self._missed.set()
            raise

    def __contains__(self, key: object) -> bool:
        if key in self._known:
            return True
        self._missed.set()
        return False

    def __iter__(self) -> Iterator[Key]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Snapshot:
    """The indices of one engine as they were when last asked for."""

    def __init__(self, calls: Calls, clock: Clock, *, has_version: bool = True) -> None:
        """``has_version`` False: the engine does not say whether anything changed."""
        self._calls = calls
        self._clock = clock
        self._has_version = has_version
        self._wanted = asyncio.Event()
        self._reading = asyncio.Lock()
        self._version: Any = None
        self._must_read = True
        self._reads = 0
        self._heard_seconds: float | None = None
        self._last_failure: Failure | None = None
        self._types: dict[IndexName, tuple[IndexDescription, Mapping[str, FieldType]]] = {}
        self._set({})

    @property
    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer what is known. Looking for an index that is not known has the engine asked again."""
        return self._asking

    @property
    def is_stale(self) -> bool:
        """Tell whether the engine has not answered for a while."""
        return self._heard_seconds is None or (
            self._clock.monotonic_seconds() - self._heard_seconds > STALE_SECONDS
        )

    @property
    def last_failure(self) -> Failure | None:
        """Answer why the engine was not read the last time; None where it was."""
        return self._last_failure

    def types_of(self, name: IndexName) -> Mapping[str, FieldType]:
        """Answer the fields of an index; none of one that is not known."""
        description = self._known.get(name)
        if description is None:
            return MappingProxyType({})
        cached = self._types.get(name)
        if cached is None or cached[0] is not description:
            cached = (description, field_types(description.mappings))
            self._types[name] = cached
        return cached[1]

    def changed(self) -> None:
        """Have the engine's indices read as soon as possible."""
        self._must_read = True
        self._wanted.set()

    def touched(self) -> None:
        """Have the engine asked as soon as possible whether anything changed."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep what is known fresh until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.read()
            except Failure as failure:
                self._note(failure)
            await asyncio.sleep(_LEAST_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await self._wanted.wait()

    async def read(self) -> None:
        """Ask the engine now; raises its failure and then knows what was known before.

        Of calls at the same time the last ones share a reading that began after they were made.
        """
        wanted = self._reads + (2 if self._reading.locked() else 1)
        async with self._reading:
            if self._reads >= wanted:
                return
            must_read, self._must_read = self._must_read, False
            try:
                await self._read_if_changed(must_read=must_read)
            except BaseException:
                self._must_read = True
                raise
            self._reads += 1
            self._heard_seconds = self._clock.monotonic_seconds()
            if self._last_failure is not None:
                logger.info("attached engine answers again")
            self._last_failure = None

    async def _read_if_changed(self, *, must_read: bool) -> None:
        version = await self._read_version()
        if must_read or version is None or version != self._version:
            answer = read_object(await self._calls.ask("GET", "/*", query=_ALL))
            self._set(self._kept(read_descriptions(answer, await self._closed())))
            self._version = version

    async def _read_version(self) -> Any:
        if not self._has_version:
            return None
        response = await self._calls.send("GET", "/_cluster/state/version", query=_VERSION)
        if response.status != 200:  # noqa: PLR2004 - not every compatible server has it
            return None
        try:
            answer = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(answer, dict) or not isinstance(answer.get("version"), int):
            return None
        return answer["version"], answer.get("state_uuid")

    async def _closed(self) -> frozenset[str]:
        response = await self._calls.send("GET", "/_cluster/state/metadata", query=_STATES)
        if response.status != 200:  # noqa: PLR2004 - likewise
            return frozenset()
        with contextlib.suppress(orjson.JSONDecodeError, AttributeError, TypeError):
            states = orjson.loads(response.body).get("metadata", {}).get("indices", {})
            return frozenset(name for name, each in states.items() if each.get("state") == "close")
        return frozenset()

    def _kept(self, read: Mapping[IndexName, IndexDescription]) -> dict[IndexName, IndexDescription]:
        """Answer what was read, with the very same description of each index that is as it was."""
        return {
            name: self._known[name] if self._known.get(name) == each else each for name, each in read.items()
        }

    def _set(self, known: Mapping[IndexName, IndexDescription]) -> None:
        self._known: Mapping[IndexName, IndexDescription] = known
        self._asking: Mapping[IndexName, IndexDescription] = AskingMapping(known, self._wanted)
        for name in [each for each in self._types if each not in known]:
            del self._types[name]

    def _note(self, failure: Failure) -> None:
        if self._last_failure is None:
            logger.warning("attached engine does not answer", extra={"reason": failure.reason})
        self._last_failure = failure

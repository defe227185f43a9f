"""One request to a remote cluster and its answer: send, perhaps once more, read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport, Record
from isthmus.remotes.body_encodings import compressed_or_none, decompressed
from isthmus.remotes.certificate_failures import explain_end_after_certificate
from isthmus.remotes.connection import Connection, ConnectionLost
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.failure_reports import failure_of
from isthmus.remotes.handshake import explain_refusal, explain_stranger, is_protocol_answer
from isthmus.remotes.http_messages import Answer, BadAnswer, request_bytes
from isthmus.remotes.link import Link
from isthmus.remotes.phases import PhaseFailure
from isthmus.remotes.protocol import (
    ACCEPTED_BODY_ENCODING,
    AUTHORIZATION,
    BODY_ENCODING,
    CONTENT_TYPE,
    MAXIMUM_REQUEST_BYTES,
    ORIGIN_CLUSTER,
    TIMEOUT_MILLISECONDS,
    Action,
    encode,
    too_large,
)
from isthmus.remotes.retry import AttemptEnd, may_repeat
from isthmus.remotes.rotation import KeyUse
from isthmus.remotes.signing import SignsRequests
from isthmus.remotes.trace import current_trace
from isthmus.security.audit_notes import SentRequest, note_sent

#: the longest that any request may take: a net below the caller's own deadline, which is shorter
DEFAULT_CALL_TIMEOUT_SECONDS: Final = 300.0
#: how long a request waits for an attempt that is under way when the cluster may be skipped
_SHORT_WAIT_SECONDS: Final = 3.0
_OK: Final = 200
_UNAUTHENTICATED: Final = 401

T = TypeVar("T")


class RemoteCalls:
    """Sends requests over a link, which may be replaced by another at any time.

    ``key_may_have_changed`` is called when the far side does not take the key, so that one that was
    replaced just now is noticed.
    """

    def __init__(self, link: Link, context: LinkContext, key_may_have_changed: Callable[[], None]) -> None:
        self.link = link
        self._context = context
        self._key_may_have_changed = key_may_have_changed

    async def call(
        self,
        action: Action,
        record: Record,
        answer_type: type[T],
        *,
        timeout_seconds: float | None = DEFAULT_CALL_TIMEOUT_SECONDS,
        may_be_skipped: bool | None = None,
    ) -> T:
        """Ask one action and answer what comes back.

        ``timeout_seconds`` None: the caller has a deadline of its own, and cancels this when it is over.
        ``may_be_skipped`` None leaves it to the settings how long a connection is waited for.
        Raises :class:`Failure`: what the far side reported, 503 where it could not be asked or broke off,
        504 after ``timeout_seconds``.
        """
        started_seconds = self._context.clock.monotonic_seconds()
        ended_by: str | None = "cancelled"
        try:
            answer = await self._ask(action, record, answer_type, timeout_seconds, may_be_skipped)
            ended_by = None
        except Failure as failure:
            ended_by = failure.error_type
            raise
        finally:
            took_seconds = self._context.clock.monotonic_seconds() - started_seconds
            note_sent(
                SentRequest(
                    alias=self.link.settings.alias,
                    cluster_id=self._remote_cluster_id,
                    action=action.value,
                    indices=tuple(getattr(record, "expressions", None) or ()),
                    took_milliseconds=int(took_seconds * 1000),
                    error_type=ended_by,
                )
            )
        return answer

    @property
    def _remote_cluster_id(self) -> str:
        return "" if self.link.welcome is None else self.link.welcome.cluster_id

    async def _ask(
        self,
        action: Action,
        record: Record,
        answer_type: type[T],
        timeout_seconds: float | None,
        may_be_skipped: bool | None,  # noqa: FBT001 - private
    ) -> T:
        body = encode(record)
        if len(body) > MAXIMUM_REQUEST_BYTES:
            raise too_large(MAXIMUM_REQUEST_BYTES)
        if timeout_seconds is None:
            answer = await self._send(action, body, DEFAULT_CALL_TIMEOUT_SECONDS, may_be_skipped)
            return self._read(answer, answer_type)
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await self._send(action, body, timeout_seconds, may_be_skipped)
        except TimeoutError:
            raise _remote_fault(
                FailureKind.TIMED_OUT,
                "receive_timeout_transport_exception",
                f"[{self.link.settings.alias}][{action.value}] timed out after [{timeout_seconds:g}s]",
            ) from None
        return self._read(answer, answer_type)

    async def _wait_for_link(self, may_be_skipped: bool | None) -> None:  # noqa: FBT001 - private
        """Wait for a connection as long as the settings want: briefly if the cluster may be skipped."""
        settings = self.link.settings
        if may_be_skipped is None:
            may_be_skipped = settings.skip_unavailable
        wait_seconds = settings.initial_connect_timeout_seconds
        if may_be_skipped:
            wait_seconds = min(wait_seconds, _SHORT_WAIT_SECONDS)
        await self.link.ensure_connected(wait_seconds, insist=not may_be_skipped)

    async def _acquire(
        self,
        may_be_skipped: bool | None,  # noqa: FBT001 - private
        *,
        fresh: bool,
    ) -> tuple[Link, Connection]:
        """Answer a connection, and the link to give it back to.

        Where the link is replaced meanwhile, for its settings have changed, it is one of the new link.
        """
        while True:
            link = self.link
            try:
                if not link.connected:
                    await self._wait_for_link(may_be_skipped)
                    link = self.link
                return link, await link.acquire(fresh=fresh)
            except Failure:
                if link is self.link:
                    raise

    async def _send(
        self,
        action: Action,
        body: bytes,
        timeout_seconds: float,
        may_be_skipped: bool | None,  # noqa: FBT001 - private
    ) -> Answer:
        """Send until :mod:`isthmus.remotes.retry` says that what happened is final."""
        timeout = (TIMEOUT_MILLISECONDS, str(int(timeout_seconds * 1000)))
        origin = (ORIGIN_CLUSTER, self._context.identity.cluster_id)
        extra_headers = [timeout, origin, *current_trace().headers()]
        attempts = 0
        while True:
            link, connection = await self._acquire(may_be_skipped, fresh=attempts > 0)
            was_used = connection.used
            key = link.key
            attempts += 1
            use = KeyUse() if key is None else link.use_of(key)
            use.sent += 1
            use.under_way += 1
            connection.key = key
            try:
                answer = await connection.request(
                    _request(link, action, body, extra_headers, self._context.signing)
                )
            except ConnectionLost as lost:
                idle = was_used and not lost.answer_begun
                end = AttemptEnd.IDLE_CONNECTION_WAS_CLOSED if idle else AttemptEnd.CONNECTION_LOST
                if not may_repeat(action, attempts, end):
                    raise self._disconnected(lost.reason) from lost
                continue
            except BadAnswer as error:
                raise self._disconnected(str(error)) from error
            finally:
                use.under_way -= 1
                link.release(connection)
            refusal = self._refusal_or_none(answer)
            if refusal is None:
                return answer
            use.refused += 1
            self._key_may_have_changed()
            replaced = key is not link.key and link.key is not None
            if not replaced:
                link.refused(
                    key,
                    explain_end_after_certificate(
                        refusal.reason, connection.destination, self._context.identity
                    )
                    if connection.peer_chain
                    else explain_refusal(refusal, connection.destination),
                )
                replaced = key is not link.key and link.key is not None
            if replaced and may_repeat(action, attempts, AttemptEnd.KEY_WAS_REPLACED):
                continue
            return answer

    def _refusal_or_none(self, answer: Answer) -> FailureReport | None:
        """Answer the report of an answer that says that the key, not the caller, was refused."""
        if answer.status != _UNAUTHENTICATED or not is_protocol_answer(answer):
            return None
        return self._context.decoders.decode(FailureReport, self._body(answer))

    def _read(self, answer: Answer, answer_type: type[T]) -> T:
        if not is_protocol_answer(answer):
            stranger = explain_stranger(answer, self.link.destination)
            raise _remote_fault(FailureKind.UNAVAILABLE, "connect_transport_exception", stranger.text)
        try:
            body = self._body(answer)
            if answer.status == _OK:
                return self._context.decoders.decode(answer_type, body)
            report = self._context.decoders.decode(FailureReport, body)
        except Failure as unreadable:
            raise self._disconnected(unreadable.reason) from unreadable
        failure = failure_of(report)
        if failure.kind is FailureKind.UNAUTHENTICATED:
            # 401 would tell the caller that *their* credentials are wrong; it is this cluster's key that is.
            failure.kind = FailureKind.UNAVAILABLE
        raise failure

    def _body(self, answer: Answer) -> bytes:
        return decompressed(
            answer.body, answer.headers.get(BODY_ENCODING, ""), self._context.maximum_answer_bytes
        )

    def _disconnected(self, reason: str) -> Failure:
        address = self.link.destination.address
        return _remote_fault(
            FailureKind.UNAVAILABLE,
            "node_disconnected_exception",
            f"[{self.link.settings.alias}][{address}] {reason}",
        )


def _remote_fault(kind: FailureKind, error_type: str, reason: str) -> Failure:
    return Failure(kind, error_type, reason, fault=Fault.REMOTE)


def _request(
    link: Link, action: Action, body: bytes, extra_headers: list[tuple[str, str]], signing: SignsRequests
) -> bytes:
    key = link.key
    headers = [("content-type", CONTENT_TYPE), *extra_headers]
    encoding = link.body_encoding
    if encoding is not None:
        headers.append((ACCEPTED_BODY_ENCODING, encoding))
        compressed = compressed_or_none(body, encoding)
        if compressed is not None:
            headers.append((BODY_ENCODING, encoding))
            body = compressed
    if key is not None:
        authorization = f"ApiKey {key.reveal()}"
        headers.append((AUTHORIZATION, authorization))
        try:
            headers += signing.headers(link.settings.alias, authorization, action.path, body)
        except PhaseFailure as failure:
            raise link.unavailable(failure) from failure
    return request_bytes(action.path, link.destination.server_name, headers, body)

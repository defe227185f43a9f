"""What two readers of HTTP could take differently: a link's short way answers as the usual protocol does."""

from __future__ import annotations

import asyncio
import socket

import pytest

from isthmus.errors import Failure
from isthmus.rest.http import Request, Response, json_response
from isthmus.rest.limits import HttpLimits
from isthmus.rest.serving import HttpServer

_LIMITS = HttpLimits(head_seconds=0.5, body_idle_seconds=0.5, keep_alive_seconds=0.5)
_NEXT = b"POST /next HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nZ"
_CHUNKED = b"3\r\nabc\r\n0\r\n\r\n"


class _Application:
    """Answers what it was asked."""

    async def handle(self, request: Request) -> Response:
        headers = dict(sorted(request.headers.items()))
        asked = [request.method, request.path, request.parameters, headers, request.body.decode("latin-1")]
        return json_response(asked)

    async def admit(self, _head: Request) -> Response | None:
        return None

    def refuse(self, failure: Failure) -> Response:
        return json_response({"error": failure.reason}, 400)

    def may_be_abandoned(self, _method: str, _path: str) -> bool:
        return True


def _post(headers: bytes, body: bytes = b"abc", line: bytes = b"POST /p HTTP/1.1") -> bytes:
    return line + b"\r\nHost: x\r\n" + headers + b"\r\n" + body


_LENGTH = b"Content-Length: 3\r\n"
_CASES: dict[str, bytes] = {
    "plain": _post(_LENGTH),
    "same length twice": _post(_LENGTH + _LENGTH),
    "two lengths": _post(_LENGTH + b"Content-Length: 0\r\n"),
    "list of lengths": _post(b"Content-Length: 3, 3\r\n"),
    "length with a sign": _post(b"Content-Length: +3\r\n"),
    "length with an underscore": _post(b"Content-Length: 1_0\r\n"),
    "length in hexadecimal": _post(b"Content-Length: 0x3\r\n"),
    "length with spaces": _post(b"Content-Length: \t3 \r\n"),
    "empty length": _post(b"Content-Length:\r\n"),
    "length beyond 64 bits": _post(b"Content-Length: 18446744073709551616\r\n"),
    "length with zeros": _post(b"Content-Length: 0003\r\n"),
    "space before the colon": _post(b"Content-Length : 3\r\n"),
    "space before the name": _post(b"X-A: a\r\n Content-Length: 3\r\n"),
    "chunked": _post(b"Transfer-Encoding: chunked\r\n", _CHUNKED),
    "chunked with a length": _post(b"Transfer-Encoding: chunked\r\n" + _LENGTH, _CHUNKED),
    "length and chunked": _post(_LENGTH + b"Transfer-Encoding: chunked\r\n", _CHUNKED),
    "identity": _post(b"Transfer-Encoding: identity\r\n" + _LENGTH),
    "folded chunked": _post(b"Transfer-Encoding:\r\n chunked\r\n" + _LENGTH),
    "vertical tab": _post(b"Transfer-Encoding: \x0bchunked\r\n" + _LENGTH),
    "underscore": _post(b"Transfer_Encoding: chunked\r\n" + _LENGTH),
    "folded": _post(b"X-A: a\r\n b\r\n" + _LENGTH),
    "bare line feeds": _post(_LENGTH).replace(b"\r\n", b"\n"),
    "one bare line feed": _post(b"X-A: a\n" + _LENGTH),
    "bare carriage return": _post(b"X-A: a\rContent-Length: 9\r\n" + _LENGTH),
    "null byte": _post(b"X-A: a\0b\r\n" + _LENGTH),
    "absolute": _post(_LENGTH, line=b"POST http://evil/p HTTP/1.1"),
    "two slashes": _post(_LENGTH, line=b"POST //evil/p HTTP/1.1"),
    "fragment": _post(_LENGTH, line=b"POST /p#x HTTP/1.1"),
    "query": _post(_LENGTH, line=b"POST /p?a=b HTTP/1.1"),
    "escapes": _post(_LENGTH, line=b"POST /p%2e%2e HTTP/1.1"),
    "bytes beyond ASCII": _post(_LENGTH, line=b"POST /p\xff HTTP/1.1"),
    "tab in the line": _post(_LENGTH, line=b"POST\t/p HTTP/1.1"),
    "two spaces in the line": _post(_LENGTH, line=b"POST  /p  HTTP/1.1"),
    "version 1.0": _post(_LENGTH, line=b"POST /p HTTP/1.0"),
    "version 2.0": _post(_LENGTH, line=b"POST /p HTTP/2.0"),
    "lower case": _post(_LENGTH, line=b"post /p HTTP/1.1"),
    "get": _post(_LENGTH, line=b"GET /p HTTP/1.1"),
    "head": _post(b"", b"", line=b"HEAD /p HTTP/1.1"),
    "connect": _post(b"", b"", line=b"CONNECT /p HTTP/1.1"),
    "preface of version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "expect": _post(b"Expect: 100-continue\r\n" + _LENGTH),
    "upgrade": _post(b"Connection: upgrade\r\nUpgrade: h2c\r\n" + _LENGTH),
    "close": _post(b"Connection: close\r\n" + _LENGTH),
    "close by a proxy's name": _post(b"Proxy-Connection: close\r\n" + _LENGTH),
    "two hosts": _post(b"Host: y\r\n" + _LENGTH),
    "two credentials": _post(b"Authorization: a\r\nauthorization: b\r\n" + _LENGTH),
    "no name": _post(b": v\r\n" + _LENGTH),
    "no colon": _post(b"abc\r\n" + _LENGTH),
    "empty lines before": b"\r\n\r\n" + _post(_LENGTH),
    "long header": _post(b"X-A: " + b"a" * 17_000 + b"\r\n" + _LENGTH),
    "long line": _post(_LENGTH, line=b"POST /" + b"p" * 5_000 + b" HTTP/1.1"),
}


async def _answers(pieces: tuple[bytes, ...], *, is_link: bool) -> list[bytes]:
    """Answer what comes back, without the order of headers, until the server closes."""
    server = HttpServer(_LIMITS)
    ours, theirs = socket.socketpair()
    await server.serve_connection(theirs, None, _Application(), is_link=is_link)
    reader, writer = await asyncio.open_connection(sock=ours)
    received = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            while some := await reader.read(65536):
                received += some
    except ConnectionError:  # more was sent than was wanted
        pass
    finally:
        writer.close()
        await server.stop(1)
    return sorted(received.replace(b"HTTP/1.1", b"\r\nHTTP/1.1").lower().split(b"\r\n"))


async def test_a_link_answers_as_the_usual_protocol_does() -> None:
    """Whole and in pieces, alone and before another request; nothing is taken for a second request."""

    async def compare(name: str, pieces: tuple[bytes, ...]) -> tuple[str, list[bytes], list[bytes]]:
        on_link, usual = await asyncio.gather(_answers(pieces, is_link=True), _answers(pieces, is_link=False))
        return name, on_link, usual

    tried = []
    for name, request in _CASES.items():
        tried += [(name, (request,)), (f"{name}, more", (request + _NEXT,))]
        tried += [(f"{name}, pieces", (request[:20], request[20:]))]
    compared = await asyncio.gather(*(compare(*each) for each in tried))
    assert [each for each in compared if each[1] != each[2]] == []


@pytest.mark.parametrize("name", ["two lengths", "length and chunked", "bare carriage return", "null byte"])
async def test_what_is_ambiguous_is_refused(name: str) -> None:
    """And nothing after it is read."""
    answers = await _answers((_CASES[name] + _NEXT,), is_link=True)
    assert any(line.startswith(b"http/1.1 400") for line in answers)
    assert not any(b"/next" in line for line in answers)

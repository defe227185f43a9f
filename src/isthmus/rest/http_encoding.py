"""Compressed bodies, both ways, and never more memory than allowed."""

from __future__ import annotations

import zlib
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.rest.limits import HttpLimits, content_too_large

#: zlib's window sizes: with a gzip header; with a zlib header; with none
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_ZLIB_WINDOW: Final = zlib.MAX_WBITS
_RAW_WINDOW: Final = -zlib.MAX_WBITS

_BLOCK_BYTES: Final = 64 * 1024
_MOST_GZIP_MEMBERS: Final = 1024

#: what Elasticsearch compresses with (``http.compression_level``)
COMPRESSION_LEVEL: Final = 3


def decoded_body(body: bytes, encoding: str, limits: HttpLimits) -> bytes:
    """Answer the body that was sent with this ``Content-Encoding``.

    Raises 415 for an encoding that is not gzip, deflate or identity, 413 for a body that
    unpacks to more than allowed, 400 for one that does not unpack.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name in {"gzip", "x-gzip"}:
        return _unpacked(body, _GZIP_WINDOW, limits)
    if name == "deflate":
        # RFC 9110 means zlib's format; some clients send the bare stream.
        return _unpacked(body, _ZLIB_WINDOW if _starts_like_zlib(body) else _RAW_WINDOW, limits)
    raise Failure(
        FailureKind.UNSUPPORTED_MEDIA_TYPE,
        "content_encoding_exception",
        f"Content-Encoding [{encoding[:100]}] is not supported; use gzip, deflate or none",
    )


def _starts_like_zlib(body: bytes) -> bool:
    """Tell whether the first two bytes are a zlib header (RFC 1950: method 8, checked by 31)."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0


def _unpacked(body: bytes, window: int, limits: HttpLimits) -> bytes:
    parts: list[bytes] = []
    size = 0
    members = 1
    unpacker = zlib.decompressobj(window)
    try:
        # In blocks, because what zlib leaves over is copied each time.
        for start in range(0, len(body), _BLOCK_BYTES):
            rest = body[start : start + _BLOCK_BYTES]
            while rest:
                if unpacker.eof:  # gzip: a file may consist of several members
                    members += 1
                    if window != _GZIP_WINDOW or members > _MOST_GZIP_MEMBERS:
                        raise illegal_argument("the compressed body is followed by other data")
                    unpacker = zlib.decompressobj(window)
                part = unpacker.decompress(rest, limits.max_content_bytes - size + 1)
                parts.append(part)
                size += len(part)
                if size > limits.max_content_bytes:
                    raise content_too_large(limits)
                rest = unpacker.unused_data
    except zlib.error:
        raise illegal_argument("the body is not compressed as its Content-Encoding says") from None
    if not unpacker.eof:
        raise illegal_argument("the compressed body ends too early")
    return b"".join(parts)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header takes gzip."""
    for offer in accept_encoding.lower().split(","):
        name, _, parameters = offer.partition(";")
        if name.strip() in {"gzip", "x-gzip", "*"}:
            weight = parameters.strip().removeprefix("q=").strip()
            return weight not in {"0", "0.0", "0.00", "0.000"}
    return False


def gzipped(body: bytes) -> bytes:
    """Answer the body as a gzip file."""
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()

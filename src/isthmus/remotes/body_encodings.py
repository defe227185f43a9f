"""Bodies made smaller for the way between two clusters, and undone within bounds. Pure.

A body that arrives is believed in nothing: no more is ever unpacked than the receiver takes, whatever the
body announces or leaves out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import lz4.frame
import zstandard

from isthmus.errors import Failure, FailureKind
from isthmus.remotes.protocol import DEFLATE, LZ4, ZSTANDARD, too_large

#: below this a body is not worth compressing: it fits into a packet
_WORTH_COMPRESSING_BYTES: Final = 1400
#: level 1 is the fastest; a wide-area link gains most from the first halving
_COMPRESSION_LEVEL: Final = 1
#: no LZ4 block grows by more, so a frame that announces more lies (a byte of a block is 255 at most)
_LARGEST_LZ4_RATIO: Final = 255
_LZ4_FRAME_OVERHEAD_BYTES: Final = 64 * 1024


#: how bodies can be packed, by the name that the header has and the handshake tells
BODY_ENCODINGS: Final = (LZ4, ZSTANDARD, DEFLATE)


class _BadBodyError(Exception):
    """The body is not what its encoding says; the text says why."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """``unpack`` answers at most so many bytes; else _BadBodyError, or the failure of :func:`too_large`."""

    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes, int], bytes]


def compressed_or_none(body: bytes, encoding: str = ZSTANDARD) -> bytes | None:
    """Answer the body in this encoding, None where that is not worth it."""
    if len(body) < _WORTH_COMPRESSING_BYTES:
        return None
    packed = _ENCODINGS[encoding].pack(body)
    return packed if len(packed) < len(body) else None


def decompressed(body: bytes, encoding: str, maximum_bytes: int) -> bytes:
    """Undo a body's encoding, never answering more than ``maximum_bytes``.

    The size that a frame announces is checked before anything is allocated, so a small body that
    would grow without bound costs nothing. Raises 415 for another encoding, 413 and 400 failures.
    """
    if encoding in ("", "identity"):
        if len(body) > maximum_bytes:
            raise too_large(maximum_bytes)
        return body
    known = _ENCODINGS.get(encoding)
    if known is None:
        raise Failure(
            FailureKind.UNSUPPORTED_MEDIA_TYPE,
            "illegal_argument_exception",
            f"body encoding [{encoding[:50]}] is not supported: use [{'], ['.join(_ENCODINGS)}] or none",
        )
    try:
        return known.unpack(body, maximum_bytes)
    except (_BadBodyError, MemoryError) as error:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "parsing_exception",
            f"body is not valid [{encoding}]: {str(error)[:200]}",
        ) from None


def _pack_zstandard(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_content_size=True).compress(body)


def _unpack_zstandard(body: bytes, maximum_bytes: int) -> bytes:
    try:
        size = zstandard.frame_content_size(body)
        _check_announced(size, maximum_bytes)
        if size == 0:
            return b""
        return zstandard.ZstdDecompressor().decompress(
            body, max_output_size=maximum_bytes, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise _BadBodyError(str(error)) from None


def _pack_lz4(body: bytes) -> bytes:
    return bytes(lz4.frame.compress(body, store_size=True))


def _unpack_lz4(body: bytes, maximum_bytes: int) -> bytes:
    try:
        size = lz4.frame.get_frame_info(body)["content_size"] or -1
        _check_announced(size, maximum_bytes)
        if size > len(body) * _LARGEST_LZ4_RATIO + _LZ4_FRAME_OVERHEAD_BYTES:
            raise _BadBodyError("the frame announces more than it can hold")
        decompressor = lz4.frame.LZ4FrameDecompressor()
        unpacked = bytes(decompressor.decompress(body, max_length=size))
        if not decompressor.eof:
            # What is announced is there, and the frame's end mark may still be unread.
            unpacked += bytes(decompressor.decompress(b"", max_length=1))
    except (RuntimeError, ValueError, EOFError) as error:
        raise _BadBodyError(str(error)) from None
    if not decompressor.eof or len(unpacked) != size:
        raise _BadBodyError("the frame is not whole")
    if decompressor.unused_data:
        raise _BadBodyError("bytes follow the frame")
    return unpacked


def _pack_deflate(body: bytes) -> bytes:
    return zlib.compress(body, _COMPRESSION_LEVEL)


def _unpack_deflate(body: bytes, maximum_bytes: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        # Nothing announces the size here: one byte more than is taken tells that there is more.
        unpacked = decompressor.decompress(body, maximum_bytes + 1)
    except zlib.error as error:
        raise _BadBodyError(str(error)) from None
    if len(unpacked) > maximum_bytes:
        raise too_large(maximum_bytes)
    if not decompressor.eof:
        raise _BadBodyError("the stream is not whole")
    if decompressor.unused_data:
        raise _BadBodyError("bytes follow the stream")
    return unpacked


def _check_announced(size: int, maximum_bytes: int) -> None:
    if size > maximum_bytes:
        raise too_large(maximum_bytes)
    if size < 0:
        raise _BadBodyError("the frame does not announce its size")


_ENCODINGS: Final[Mapping[str, _Encoding]] = {
    LZ4: _Encoding(_pack_lz4, _unpack_lz4),
    ZSTANDARD: _Encoding(_pack_zstandard, _unpack_zstandard),
    DEFLATE: _Encoding(_pack_deflate, _unpack_deflate),
}

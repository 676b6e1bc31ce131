"""Frames between a heart and its faces on the local socket.

A frame is four bytes of length (big-endian, of what follows), one byte of kind and a body in msgpack. Many frames
make one write; a message is packed once, however many faces hear it.
"""

import struct
from collections.abc import Iterator

import msgspec

from perpscope.model.bulletin import Message

#: Longest frame accepted; a longer one ends the connection.
MAX_FRAME = 64 * 1024 * 1024

#: From the heart.
WELCOME, MESSAGE, LOST = 0x77, 0x6D, 0x6C
#: From a face.
JOIN, DONE = 0x6A, 0x64

_HEAD = struct.Struct(">IB")
_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode


class Join(msgspec.Struct, frozen=True, array_like=True):
    """A face says what it wants to hear."""

    topics: list[str]
    group: str | None = None
    member: str | None = None


class Welcome(msgspec.Struct, frozen=True, array_like=True):
    """The heart's answer, before anything else."""

    run: str
    told: int  #: messages without a key on these topics that this run told before the face joined


class FrameTooLong(Exception):
    """The other end does not speak this language."""


def frame(kind: int, body: object) -> bytes:
    """One frame, packed."""
    packed = _encode(body)
    return _HEAD.pack(len(packed) + 1, kind) + packed


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, memoryview]]:
        """Every whole frame so far: kind and body. What is left over waits for more.

        Raises:
            FrameTooLong: a frame is empty or longer than `MAX_FRAME`.
        """
        whole = self._rest + data if self._rest else data
        self._rest = b""
        view, at, end = memoryview(whole), 0, len(whole)
        while end - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(whole, at)
            if not 0 < length <= MAX_FRAME:
                raise FrameTooLong(f"a frame of {length} bytes")
            if end - at < _LENGTH.size + length:
                break
            start = at + _LENGTH.size
            at = start + length
            yield whole[start], view[start + 1 : at]
        self._rest = whole[at:]


decode_join = msgspec.msgpack.Decoder(Join).decode
decode_welcome = msgspec.msgpack.Decoder(Welcome).decode
decode_message = msgspec.msgpack.Decoder(Message).decode
decode_lost = msgspec.msgpack.Decoder(int).decode
decode_done = msgspec.msgpack.Decoder(list[int]).decode

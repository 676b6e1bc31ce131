"""What Redis does not take, on disk: appended, read in the same order, gone when all of it was delivered.

A record is its length, a checksum, the number of messages in it and a packed batch. A record torn by a crash, or
of another version, ends the file. Everything here waits for the disk: it is called in a thread.
"""

import os
import struct
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from perpscope.bus.redis.batch import Batch, pack, unpack

_HEAD = struct.Struct(">III")


class Spill:
    """An append-only file of batches, at most `max_bytes` long. Opens what an earlier heart left."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._max_bytes = max_bytes
        self._one = threading.Lock()  # a thread that was given up may still be at it
        self._from = 0
        self._end = 0
        self._peeked: list[tuple[int, int]] = []
        self.messages = 0
        self._find_end()

    def append(self, batches: Sequence[Batch]) -> int:
        """Keep these; how many there was room for."""
        with self._one:
            taken, parts, size, messages = 0, [], self._end, 0
            for batch in batches:
                packed = pack(batch)
                if size + _HEAD.size + len(packed) > self._max_bytes:
                    break
                parts.append(_HEAD.pack(len(packed), zlib.crc32(packed), len(batch.messages)) + packed)
                size += len(parts[-1])
                messages += len(batch.messages)
                taken += 1
            data = b"".join(parts)
            if os.pwrite(self._file, data, self._end) != len(data):
                raise OSError("the disk took a part only")
            os.fdatasync(self._file)
            self._end = size
            self.messages += messages
            return taken

    def peek(self, most_bytes: int) -> list[Batch]:
        """The oldest batches, about so many bytes of them; again the same until `forget`."""
        with self._one:
            data = os.pread(self._file, min(most_bytes, self._end - self._from), self._from)
            if len(data) >= _HEAD.size and (first := _HEAD.size + _HEAD.unpack_from(data)[0]) > len(data):
                data = os.pread(self._file, first, self._from)
            batches: list[Batch] = []
            self._peeked = []
            at = 0
            while len(data) - at >= _HEAD.size:
                length, _, messages = _HEAD.unpack_from(data, at)
                if len(data) - at - _HEAD.size < length:
                    break
                batches.append(unpack(memoryview(data)[at + _HEAD.size : at + _HEAD.size + length]))
                at += _HEAD.size + length
                self._peeked.append((_HEAD.size + length, messages))
            return batches

    def forget(self, count: int) -> None:
        """The first so many of the batches last peeked at were delivered."""
        with self._one:
            for size, messages in self._peeked[:count]:
                self._from += size
                self.messages -= messages
            self._peeked = self._peeked[count:]
            if self._from == self._end:
                os.ftruncate(self._file, 0)
                self._from = self._end = 0

    def close(self) -> None:
        """Let go of the file once nobody is at it; what is in it stays. Whoever comes later finds none (EBADF)."""
        with self._one:
            os.close(self._file)
            self._file = -1  # its number may be another file's by now

    def _find_end(self) -> None:
        size, at = os.fstat(self._file).st_size, 0
        while size - at >= _HEAD.size:
            length, checksum, messages = _HEAD.unpack(os.pread(self._file, _HEAD.size, at))
            packed = os.pread(self._file, length, at + _HEAD.size) if length <= self._max_bytes else b""
            if len(packed) != length or zlib.crc32(packed) != checksum or not _is_batch(packed):
                break
            at += _HEAD.size + length
            self.messages += messages
        self._end = at
        os.ftruncate(self._file, at)


def _is_batch(packed: bytes) -> bool:
    try:
        unpack(packed)
    except msgspec.DecodeError:
        return False
    return True

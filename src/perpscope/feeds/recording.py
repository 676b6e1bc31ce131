"""perpscope's own recordings: raw frames and everything else that decides, so that a session can be replayed.

A file is zstd frames one after another, each holding whole records, so what was flushed survives a crash and a torn
tail costs only itself. A record is a msgpack array `[kind, ts_recv, source, payload]`; the first is the header.
Frames are kept as received; acknowledgements, Ticks, closes and REST replies are kept beside them, and so is what a
run of a strategy was told of itself (version 2; files of version 1 hold nothing of the kind, and are read alike).
"""

import enum
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import zstandard

from perpscope.errors import DataError, StoreError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Alive, Connected, Disconnected, Gap, Subscribed, Tick, Unheard
from perpscope.model.order import ReturnedEvent

FORMAT = "perpscope-recording"
#: Bytes buffered before they are compressed and written.
_FLUSH_BYTES = 1 << 20
#: Blocks that wait for the disk; beyond, whoever records waits too.
_MOST_WAITING = 16
#: No record is longer; text taken for the length of one (four ASCII characters) always is.
_LONGEST_RECORD = 1 << 27

Mark = Connected | Subscribed | Unheard | Alive | Disconnected | Gap | Tick


class Kind(enum.IntEnum):
    """What a record holds."""

    HEADER = 0
    FRAME = 1  #: source = connection ("okx/public/0"), payload = the frame
    REPLY = 2  #: source = instrument (a book snapshot) or name of a poll ("okx/taker_volume/…"), payload = the body
    EVENT = 3  #: payload = msgpack of a `Mark`
    INSTRUMENTS = 4  #: source = venue, payload = msgpack of the instruments listened to from here on
    OWN = 5  #: payload = msgpack of a `ReturnedEvent`: account, standing, clusters, forecast


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that came in."""

    kind: int
    ts_recv: int  #: ns UTC
    source: str
    payload: bytes


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is of."""

    format: str = FORMAT
    version: int = 2
    venue: str  #: the first, where several were recorded: connections and instruments name their own
    data: str  #: "observed", "demo"


_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_mark: Callable[[bytes], Mark] = msgspec.msgpack.Decoder(Mark).decode
_decode_own: Callable[[bytes], ReturnedEvent] = msgspec.msgpack.Decoder(ReturnedEvent).decode
_decode_instruments = msgspec.msgpack.Decoder(list[Instrument]).decode
_decode_header = msgspec.msgpack.Decoder(Header).decode


def mark_of(record: Record) -> Mark:
    """The event an EVENT record holds."""
    return _decode_mark(record.payload)


def own_of(record: Record) -> ReturnedEvent:
    """The event an OWN record holds."""
    return _decode_own(record.payload)


def instruments_of(record: Record) -> list[Instrument]:
    """The instruments an INSTRUMENTS record holds."""
    return _decode_instruments(record.payload)


class Recorder:
    """Writes one recording; compressing and writing is done by a thread, in order.

    Args:
        path: new file; an existing one is never overwritten.
        header: what is recorded.

    Raises:
        StoreError: the file exists or its folder cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.dropped = 0  #: times the disk did not take what was to be written
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        self._buffer = bytearray()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")
        self._writing: deque[Future[None]] = deque()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except OSError as error:
            raise StoreError(
                "recording-folder",
                f"cannot write a recording to {str(path)!r}: {error.strerror}",
                hint="choose another folder",
            ) from error
        self._put(Record(Kind.HEADER, 0, header.venue, _encode(header)))
        self.flush()

    def frame(self, connection: str, ts_recv: int, raw: bytes | memoryview) -> None:
        """Keep one frame."""
        self._put(Record(Kind.FRAME, ts_recv, connection, bytes(raw)))

    def reply(self, asked: str, ts_recv: int, raw: bytes) -> None:
        """Keep a REST reply: the book snapshot of an instrument, or the answer to a poll."""
        self._put(Record(Kind.REPLY, ts_recv, asked, raw))

    def instruments(self, venue: str, ts_recv: int, listed: Iterable[Instrument]) -> None:
        """Keep what is listened to from here on."""
        self._put(Record(Kind.INSTRUMENTS, ts_recv, venue, _encode(list(listed))))

    def event(self, mark: Mark) -> None:
        """Keep an acknowledgement, a close, a sign of life or a Tick."""
        self._put(Record(Kind.EVENT, mark.ts_recv, "", _encode(mark)))

    def own(self, event: ReturnedEvent) -> None:
        """Keep what a run was told of itself, or what workers made of the market."""
        self._put(Record(Kind.OWN, event.ts_recv, "", _encode(event)))

    def keep(self) -> None:
        """Have what is buffered written as one zstd frame, soon; waits only where the disk is far behind."""
        if not self._buffer:
            return
        block = bytes(self._buffer)
        self._buffer.clear()
        self._writing.append(self._thread.submit(self._write, block))
        while self._writing and (self._writing[0].done() or len(self._writing) > _MOST_WAITING):
            self._writing.popleft().result()

    def flush(self) -> None:
        """Write what is buffered, and wait for it: safe against a crash of the process from here on."""
        self.keep()
        while self._writing:
            self._writing.popleft().result()

    def close(self) -> None:
        """Flush, make it durable, close; what the disk does not take is counted in `dropped`."""
        self.flush()
        self._thread.shutdown()
        try:
            with self._file as file:
                os.fsync(file.fileno())
        except OSError:
            self.dropped += 1

    def _write(self, block: bytes) -> None:
        try:
            self._file.write(self._compressor.compress(block))
            self._file.flush()
        except OSError:
            self.dropped += 1

    def _put(self, record: Record) -> None:
        encoded = _encode(record)
        self._buffer += len(encoded).to_bytes(4, "little")
        self._buffer += encoded
        if len(self._buffer) >= _FLUSH_BYTES:
            self.keep()


class RecordingReader:
    """Reads one recording from its file, a block at a time; a torn tail ends it and sets `is_torn`.

    Raises:
        DataError: no file, or not a perpscope recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_torn = False
        first = next(self._records(), None)
        if first is None or first.kind != Kind.HEADER:
            raise not_a_recording(path)
        try:
            self.header = _decode_header(first.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise not_a_recording(path) from error

    def __iter__(self) -> Iterator[Record]:
        records = self._records()
        next(records, None)
        yield from records

    def _records(self) -> Iterator[Record]:
        buffer = bytearray()
        for chunk in self._chunks():
            buffer += chunk
            at = 0
            while len(buffer) - at >= 4:
                size = int.from_bytes(buffer[at : at + 4], "little")
                if size > _LONGEST_RECORD:
                    self.is_torn = True
                    return
                if size > len(buffer) - at - 4:
                    break
                try:
                    record = _decode_record(buffer[at + 4 : at + 4 + size])
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    self.is_torn = True
                    return
                yield record
                at += 4 + size
            del buffer[:at]
        self.is_torn = self.is_torn or bool(buffer)

    def _chunks(self) -> Iterator[bytes]:
        """Decompressed pieces, up to the end or the first damage."""
        decompressor = None
        with self.path.open("rb") as file:
            while data := file.read(_FLUSH_BYTES):
                while data:
                    decompressor = decompressor or zstandard.ZstdDecompressor().decompressobj()
                    try:
                        yield decompressor.decompress(data)
                    except zstandard.ZstdError:
                        self.is_torn = True
                        return
                    data = decompressor.unused_data
                    if decompressor.eof:
                        decompressor = None
        self.is_torn = decompressor is not None


def not_a_recording(path: Path) -> DataError:
    """The error for a file that holds no recording we can read."""
    return DataError(
        "recording-form",
        f"{str(path)!r} is no recording perpscope can read",
        hint="known: perpscope recordings, lines of `<ns> <frame>` (plain, .gz or .zst), JSON lines with a header",
    )

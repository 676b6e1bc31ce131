"""Recordings of any known form, as one stream of records in the order they were received.

Forms: perpscope's own (`recording.py`); text lines `<recv ns> <raw frame>`; JSON lines with a header line and then
`{"t": "recv"|"http"|"connect"|"send", "conn", "ts", "data"}`. Text may be plain, gzip or zstd. Nothing is decoded here
beyond the envelope of the recording itself.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from perpscope.errors import DataError
from perpscope.feeds.recording import Kind, Record, RecordingReader, not_a_recording

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


class Tape:
    """A recording opened for reading.

    Attributes:
        form: "perpscope", "lines" or "json-lines".
        data: "observed" or "demo", where the recording says so.
        catalogue: raw REST catalogue reply found at the start of a JSON-lines recording, or None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = "observed"
        self.catalogue: bytes | None = None
        self.venue: str | None = None
        self.torn = False
        self._own: RecordingReader | None = None
        self.form = self._recognise()

    def records(self) -> Iterator[Record]:
        """Every record, in order. A torn end sets `torn` and ends the stream.

        Raises:
            DataError: a line in the middle is not of the form the file began with.
        """
        if self._own is not None:
            yield from self._own
            self.torn = self._own.is_torn
            return
        yield from _in_time(self._text_records())

    def _text_records(self) -> Iterator[Record]:
        parse = _line if self.form == "lines" else _json_line
        for number, line in enumerate(self._lines(), start=1):
            record = parse(line)
            if record is not None:
                if record.kind != Kind.HEADER:
                    yield record
            elif not self.torn:
                raise DataError("recording-form", f"{self.path}, line {number}: not of the form the file began with")

    def _recognise(self) -> str:
        if not self.path.is_file():
            raise DataError("recording-missing", f"there is no file {str(self.path)!r}", hint="name a recording")
        if _magic(self.path) == _ZSTD and self._is_own():
            return "perpscope"
        first = next(self._lines(), None)
        if first is not None and (header := _json_header(first)) is not None:
            self._read_header(header)
            return "json-lines"
        if first is not None and _line(first) is not None:
            return "lines"
        raise not_a_recording(self.path)

    def _is_own(self) -> bool:
        try:
            self._own = RecordingReader(self.path)
        except DataError:
            return False
        self.venue, self.data = self._own.header.venue, self._own.header.data
        return True

    def _read_header(self, header: "_JsonLine") -> None:
        self.venue = (header.exchange or "").partition("_")[0].lower() or None
        lines = self._lines()
        next(lines)
        second = next(lines, b"")
        try:
            row = _decode_json_line(second)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if row.t == "http" and "exchangeInfo" in (row.url or "") and row.data is not None:
            self.catalogue = row.data.encode()

    def _lines(self) -> Iterator[bytes]:
        with _open(self.path) as file:
            try:
                for line in file:
                    if not line.endswith(b"\n"):
                        self.torn = self.torn or _is_cut(line)
                    if stripped := line.strip():
                        yield stripped
            except (EOFError, OSError, zlib.error, zstandard.ZstdError):
                self.torn = True


def _in_time(records: Iterator[Record]) -> Iterator[Record]:
    """REST replies moved to their place in time: some recorders write them all at the head of the file."""
    replies: list[Record] = []
    for record in records:
        if record.kind == Kind.REPLY:
            replies.append(record)
            replies.sort(key=lambda reply: reply.ts_recv)
            continue
        while replies and replies[0].ts_recv <= record.ts_recv:
            yield replies.pop(0)
        yield record
    yield from replies


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _open(path: Path) -> IO[bytes]:
    magic = _magic(path)
    if magic[:2] == _GZIP:
        return io.BufferedReader(gzip.GzipFile(path))
    if magic == _ZSTD:
        reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
        return io.BufferedReader(reader)
    return path.open("rb")


def _is_cut(line: bytes) -> bool:
    """True if a last line without a line feed does not end as a frame does."""
    return not line.rstrip().endswith((b"}", b"]"))


class _JsonLine(msgspec.Struct):
    t: str
    conn: str = ""
    ts: float = 0.0
    url: str | None = None
    data: str | None = None
    exchange: str | None = None


_decode_json_line = msgspec.json.Decoder(_JsonLine).decode


def _json_header(line: bytes) -> _JsonLine | None:
    try:
        header = _decode_json_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return header if header.t == "header" else None


def _json_line(line: bytes) -> Record | None:
    try:
        row = _decode_json_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    ts_recv = int(row.ts * 1e6) * 1_000  # the recorder kept microseconds in a float
    if row.t == "recv" and row.data is not None:
        return Record(Kind.FRAME, ts_recv, row.conn, row.data.encode())
    if row.t == "http" and "depth" in (row.url or "") and row.data is not None:
        return Record(Kind.REPLY, ts_recv, _query(row.url or "", "symbol"), row.data.encode())
    return Record(Kind.HEADER, ts_recv, row.conn, b"")


def _query(url: str, name: str) -> str:
    for part in url.partition("?")[2].split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""


def _line(line: bytes) -> Record | None:
    stamp, _, frame = line.partition(b" ")
    if not (stamp.isdigit() and 18 <= len(stamp) <= 20 and frame):
        return None
    return Record(Kind.FRAME, int(stamp), "recording", frame)

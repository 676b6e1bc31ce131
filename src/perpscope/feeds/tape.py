"""Recordings of any known form, as one stream of records in the order they were received.

Forms, found out from the content: perpscope's own (`recording.py`); the forms of text in `envelopes.py`, one frame or
row a line; and one JSON object of groups of messages. Text may be plain, gzip or zstd. Nothing is decoded here beyond
the envelope of the recording itself.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import zstandard

from perpscope.errors import DataError
from perpscope.feeds.envelopes import FORMS, Form, groups, is_cut, never_back, told
from perpscope.feeds.recording import Kind, Record, RecordingReader

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
#: Lines looked at to know a form.
_HEAD = 20
#: A JSON object of groups is read whole: bytes of text, at most (chosen by hand).
_MOST_GROUPED = 64 << 20
_KNOWN = (
    "known: perpscope's own recordings; lines of `<receipt ns> <frame>`; JSON lines with a header; a raw frame a line; "
    "JSON lines with `venue` and `frame`; a JSON object of groups with `arrays` of messages; rows of trades, books or "
    "contexts; each plain, .gz or .zst"
)


class Tape:
    """A recording opened for reading.

    Attributes:
        form: "perpscope", "lines", "json-lines", "captures", "rows", "frames" or "groups".
        data: "observed" or "demo", where the recording says so.
        venue: first word of what the recording calls its venue, lower case; None if it does not say.
        torn: the end was found to be missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = "observed"
        self.venue: str | None = None
        self.torn = False
        self._own: RecordingReader | None = None
        self._text: Form | None = None
        self._grouped: list[Record] | None = None
        self.form = self._recognise()

    @property
    def is_mixed(self) -> bool:
        """True if each connection may be of another venue: its name begins with what the recording calls that."""
        return self.form in ("perpscope", "captures", "groups")

    def records(self) -> Iterator[Record]:
        """Every record, in order. A torn end sets `torn` and ends the stream.

        Raises:
            DataError: a line in the middle is not of the form the file began with.
        """
        if self._own is not None:
            yield from self._own
            self.torn = self._own.is_torn
        elif self._grouped is not None:
            yield from self._grouped
        elif self._text is not None:
            records = self._read(self._text)
            yield from _in_time(records) if self._text.has_receipts else never_back(records)

    def replies(self) -> Iterator[bytes]:
        """The bodies of all REST replies of JSON lines, whatever they are about."""
        if self.form == "json-lines":
            for _, line in self._lines():
                row = told(line)
                if row is not None and row.t == "http" and row.data is not None:
                    yield row.data.encode()

    def _read(self, form: Form) -> Iterator[Record]:
        for number, line in self._lines():
            record = form.read(line)
            if record is None:
                raise DataError("recording-form", f"{self.path}, line {number}: not of the form the file began with")
            if record.kind != Kind.HEADER:
                yield record

    def _recognise(self) -> str:
        if self.path.is_dir():
            raise DataError("recording-missing", f"{str(self.path)!r} is a folder", hint="name a file in it")
        if not self.path.is_file():
            raise DataError("recording-missing", f"there is no file {str(self.path)!r}", hint="name a recording")
        if _magic(self.path) == _ZSTD and self._is_own():
            return "perpscope"
        head = [line for _, line in islice(self._lines(), _HEAD)]
        form = next((form for form in FORMS if head and form.begins(head)), None)
        if form is None or (form.name == "frames" and len(head) == 1):
            self._grouped = groups(self._whole()) or None
        if self._grouped is not None:
            return "groups"
        if form is not None:
            self._text, header = form, told(head[0])
            self.venue = ((header and header.exchange) or "").partition("_")[0].lower() or None
            return form.name
        raise DataError("recording-form", f"{str(self.path)!r} holds no frames: {_what(head)}", hint=_KNOWN)

    def _is_own(self) -> bool:
        try:
            self._own = RecordingReader(self.path)
        except DataError:
            return False
        self.venue, self.data = self._own.header.venue, self._own.header.data
        return True

    def _whole(self) -> bytes:
        """The text at once, if it is not too long for that."""
        with _open(self.path) as file:
            try:
                text = file.read(_MOST_GROUPED + 1)
            except _BROKEN:
                return b""
        return text if len(text) <= _MOST_GROUPED else b""

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines that are not blank, with their numbers; a last one that breaks off is left out."""
        with _open(self.path) as file:
            try:
                for number, line in enumerate(file, start=1):
                    stripped = line.strip()
                    if stripped and not line.endswith(b"\n") and is_cut(stripped):
                        self.torn = True
                    elif stripped:
                        yield number, stripped
            except _BROKEN:
                self.torn = True


#: What reading a damaged file raises.
_BROKEN = (EOFError, OSError, zlib.error, zstandard.ZstdError)


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


def _what(head: list[bytes]) -> str:
    """What a file is instead of a recording."""
    if not head:
        return "it is empty, or cannot be unpacked"
    start = f"it begins {head[0][:60]!r}"
    if head[0][:1] in (b"{", b"["):
        return f"{start}, which is JSON, but neither a row we know nor a frame with a time in it"
    return f"{start}, which is neither JSON nor `<receipt ns> <frame>`"


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

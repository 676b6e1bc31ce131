"""A table of text, plain, gzip or zstd, as numbered records of cells.

Bytes come in, records go out in the order of the file. Each line stands for itself (no cell spans lines), so that a
broken one costs that line and no other. What is no table at all (an image, a cut archive, a recording of raw frames)
is a `DataError` that says what it is. What the cells mean is `liquidation_files`' business.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import zstandard

from perpscope.errors import DataError

_CHUNK_BYTES = 256 * 1024
_LONGEST_LINE = 1024 * 1024  #: bytes; a longer one is no row of a table
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t|"
_LINES_TO_LOOK_AT = 100
_HINT = "give a CSV of liquidations; docs/import.md lists the forms"


class CsvRecord(NamedTuple):
    """One line that is not blank."""

    number: int  #: of the line, from 1
    cells: list[str]  #: without the blanks around them
    fault: str | None = None  #: why the line could not be split into cells; they are empty then


class CsvTable:
    """A file of delimited text, read anew by each call of `records`.

    Raises:
        DataError: "import-missing" if there is no such file, "import-form" if it is no text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise DataError("import-missing", f"{str(path)!r} {what}", hint="name the files to import")
        self._magic = self._head()
        self._refuse_foreign()
        self.delimiter = self._find_delimiter()

    def records(self) -> Iterator[CsvRecord]:
        """Every line that is not blank, to the end of the file.

        Raises:
            DataError: "import-form": the file is cut short or damaged, or has a line that is no row of a table.
        """
        for number, line in self._lines():
            if stripped := line.strip():
                yield self._record(number, stripped)

    def not_a_table(self, why: str, hint: str = _HINT) -> DataError:
        """The error for a file that cannot be imported."""
        return DataError("import-form", f"{str(self.path)!r}: {why}", hint=hint)

    def _record(self, number: int, line: bytes) -> CsvRecord:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return CsvRecord(number, [], "not UTF-8 text")
        if "\r" in text or "\0" in text:
            return CsvRecord(number, [], "a control character in the line")
        if '"' not in text:
            return CsvRecord(number, [cell.strip() for cell in text.split(self.delimiter)])
        try:
            (cells,) = csv.reader([text], delimiter=self.delimiter, strict=True, skipinitialspace=True)
        except csv.Error as error:
            return CsvRecord(number, [], f"quotes: {error}")
        return CsvRecord(number, [cell.strip() for cell in cells])

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers, without line feeds and the mark some programs begin a file with."""
        rest, number = b"", 0
        try:
            for chunk in self._chunks():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    number += 1
                    yield number, line.removeprefix(_BOM) if number == 1 else line
                if len(rest) > _LONGEST_LINE:
                    raise self.not_a_table(f"line {number + 1} is longer than {_LONGEST_LINE:,} bytes: no table")
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise self.not_a_table(
                f"cut short or damaged after line {number:,} ({error})", "fetch the file again; none of it was imported"
            ) from error
        yield number + 1, rest if number else rest.removeprefix(_BOM)

    def _chunks(self) -> Iterator[bytes]:
        if self._magic.startswith(_ZSTD):
            yield from _unpacked_zstd(self.path)
            return
        with gzip.open(self.path) if self._magic.startswith(_GZIP) else self.path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def _head(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return file.read(4)
        except OSError as error:
            raise self.not_a_table(f"cannot be read: {error.strerror}", "make it readable (chmod u+r)") from error

    def _refuse_foreign(self) -> None:
        """Say what a file is that is no table.

        Raises:
            DataError: "import-form".
        """
        if self._magic.startswith(_ZIP):
            raise self.not_a_table("a zip archive", "unpack it and import what is in it")
        if self._magic.startswith(_UTF_16):
            raise self.not_a_table("text in UTF-16", "save it as UTF-8")
        if not any(line.strip() for _, line in self._lines()):
            raise self.not_a_table("the file is empty")

    def other_form(self) -> tuple[str, str] | None:
        """What a file without a single row seems to be, and what to do with it; None if nobody knows."""
        first = next(line.strip() for _, line in self._lines() if line.strip())
        stamp, _, frame = first.partition(b" ")
        if first.startswith((b"{", b"[")) or (stamp.isdigit() and frame.startswith((b"{", b"["))):
            return "raw frames, no table", "perpscope replay FILE reads recordings of raw frames"
        if b"\0" in first or first.decode(errors="ignore") != first.decode(errors="replace"):
            return "not text", _HINT
        return None

    def _find_delimiter(self) -> str:
        """The mark that most of the first lines have equally often; of two, the one named first."""
        lines = [line for _, line in islice(self._lines(), _LINES_TO_LOOK_AT)]

        def agreeing(mark: str) -> int:
            counts = Counter(count for line in lines if (count := line.count(mark.encode())))
            return max(counts.values(), default=0)

        return max(_DELIMITERS, key=agreeing)


def _unpacked_zstd(path: Path) -> Iterator[bytes]:
    """The content of one frame after another.

    Raises:
        EOFError: the last frame is cut short, which zstandard's own reader passes over in silence.
    """
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    with path.open("rb") as file:
        while packed := file.read(_CHUNK_BYTES):
            while packed:
                if unpacker.eof:
                    unpacker = zstandard.ZstdDecompressor().decompressobj()
                if chunk := unpacker.decompress(packed):
                    yield chunk
                packed = unpacker.unused_data
    if not unpacker.eof:
        raise EOFError("the last frame has no end")

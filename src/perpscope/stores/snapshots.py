"""Maps as they were published, moment by moment: append-only, each row chained to the one before by its hash.

In the folder beside the store each symbol has its own: for each UTC day `DAY.chain`, a line a row (`snapshot_rows`),
and `DAY.maps`, the payloads one after the other; and `head`, the newest row's hash. A payload is on disk before its
row, a row before the head. Payloads of old days may go, rows never do. One process writes a folder.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from perpscope.errors import StoreError
from perpscope.stores.snapshot_rows import (
    BEGINNING,
    Linked,
    Row,
    Snapshot,
    day_of,
    folder_name,
    head_line,
    line_of,
    read_line,
    symbol_of,
)
from perpscope.stores.whole import replace_file

CHAIN, PAYLOADS, HEAD, LOCK = ".chain", ".maps", "head", "lock"
ASIDE: Final = ".broken-"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EMPTY_HEAD: Final = f"-1 {BEGINNING}\n".encode()
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class _End(msgspec.Struct):
    """Where a chain ends."""

    row: int = -1  #: the newest; −1 before the first
    chain: str = BEGINNING
    day: str = ""
    at: int = 0  #: bytes of the day's payloads
    length: int = 0  #: bytes of the day's rows
    dropped: str = ""  #: payloads of days before this one are gone


class SnapshotStore:
    """A folder of chains opened for writing; locked against other processes until closed. Of use from any thread."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.mended: list[str] = []  #: what had to be put right, in words
        self._lock = lock
        self._turn = threading.Lock()
        self._ends: dict[str, _End] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder, making it if need be.

        Raises:
            StoreError: "store-locked": another process writes it; "store-folder": it cannot be made.
        """
        try:
            folder.mkdir(exist_ok=True)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError("store-folder", f"no maps can be kept at {folder}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise StoreError(
                "store-locked", f"another process is already writing {folder}", hint="stop it, or use another --db"
            ) from error
        return cls(folder, lock)

    def close(self) -> None:
        """Let others write. Harmless when repeated."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, snapshot: Snapshot) -> Linked:
        """Put a snapshot at the end of its symbol's chain; it is on disk when this returns.

        Raises:
            StoreError: "disk-full" or "store-io"; nothing was added.
        """
        with self._turn, self._writing():
            end = self._end(snapshot.symbol, snapshot.ts)
            row = Row(
                row=end.row + 1,
                kind="map",
                ts=snapshot.ts,
                day=end.day,
                symbol=snapshot.symbol,
                data=snapshot.data,
                venues=snapshot.venues,
                formula=snapshot.formula,
                profile=snapshot.profile,
                parameters=snapshot.parameters,
                at=end.at,
                bytes=len(snapshot.payload),
                payload=hashlib.sha256(snapshot.payload).hexdigest(),
                previous=end.chain,
            )
            return self._add(end, row, snapshot.payload)

    def drop_before(self, symbol: str, ts: int) -> int:
        """Let go of the payloads of whole days before a moment (ns UTC); the chain says so first. Files that went.

        Raises:
            StoreError: "disk-full" or "store-io".
        """
        with self._turn, self._writing():
            place, day = self.folder / folder_name(symbol), day_of(ts)
            old = [file for file in sorted(place.glob(f"*{PAYLOADS}")) if file.stem < day]
            if old:
                end = self._end(symbol, ts)
                if end.dropped < day:
                    self._add(end, _word(end, symbol, ts, "dropped", day), b"")
                    end.dropped = day
                for file in old:
                    file.unlink()
            return len(old)

    def _end(self, symbol: str, ts: int) -> _End:
        """Where to go on, in the file of the day."""
        end = self._ends.get(symbol)
        if end is None:
            end = self._ends[symbol] = self._take_up(symbol, ts)
        day = max(day_of(ts), end.day)
        if day != end.day:
            end.day, end.at, end.length = day, 0, 0
        return end

    def _add(self, end: _End, row: Row, payload: bytes) -> Linked:
        place = self.folder / folder_name(row.symbol)
        place.mkdir(exist_ok=True)
        if end.row < 0:
            replace_file(place / HEAD, _EMPTY_HEAD)
        line, chain = line_of(row)
        linked = Linked(row, chain)
        try:
            if payload:
                _extend(place / f"{end.day}{PAYLOADS}", end.at, payload)
            _extend(place / f"{end.day}{CHAIN}", end.length, line)
            replace_file(place / HEAD, head_line(linked))
        except OSError:
            with contextlib.suppress(OSError):
                _cut(place / f"{end.day}{CHAIN}", end.length)
                _cut(place / f"{end.day}{PAYLOADS}", end.at)
            raise
        end.row, end.chain, end.at, end.length = row.row, chain, end.at + len(payload), end.length + len(line)
        return linked

    def _take_up(self, symbol: str, ts: int) -> _End:
        """Find the end of a chain; what a killed writer left is cut off, a chain that is broken is set aside."""
        place = self.folder / folder_name(symbol)
        day, rows = newest_rows(place)
        if not rows:
            return self._begin(symbol, ts, "" if _take_out_first(place) else self._set_aside(place))
        last = rows[-1]
        at = max(linked.row.at + linked.row.bytes for linked in rows)
        if not (_follows(place, day, rows) and _near_head(place, rows)) or size_of(place / f"{day}{PAYLOADS}") < at:
            return self._begin(symbol, ts, self._set_aside(place))
        dropped = max((linked.row.note for linked in rows if linked.row.kind == "dropped"), default="")
        end = _End(last.row.row, last.chain, day, at, sum(len(line_of(linked.row)[0]) for linked in rows), dropped)
        cut = _cut(place / f"{day}{CHAIN}", end.length) + _cut(place / f"{day}{PAYLOADS}", at) + _clear(place, day)
        if cut or read_head(place) != head_line(last):
            note = f"{cut} bytes cut off that no row vouched for"
            self.mended.append(f"{symbol}: {note}")
            self._add(end, _word(end, symbol, max(ts, last.row.ts), "recovered", note), b"")
        return end

    def _begin(self, symbol: str, ts: int, aside: str) -> _End:
        end = _End(day=day_of(ts))
        if aside:
            self.mended.append(f"{symbol}: its chain is broken and was set aside as {aside}; a new one begins")
            self._add(end, _word(end, symbol, ts, "begun", f"the chain before is broken: {aside}"), b"")
        return end

    def _set_aside(self, place: Path) -> str:
        number = 1
        while (name := place.with_name(f"{place.name}{ASIDE}{number}")).exists():
            number += 1
        place.rename(name)
        return name.name

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            code = "disk-full" if error.errno in _FULL else "store-io"
            raise StoreError(
                code, f"{self.folder} cannot be written: {error.strerror}", hint="free the disk"
            ) from error


class SnapshotReader:
    """A folder of chains, read beside whoever writes it. Nothing is checked but what is taken: see `snapshot_check`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def symbols(self) -> list[str]:
        """Whose chains there are."""
        if not self.folder.is_dir():
            return []
        found = [place for place in self.folder.iterdir() if place.is_dir() and ASIDE not in place.name]
        return sorted(symbol_of(place.name) for place in found if days_in(place))

    def maps(self, symbol: str, since: int, until: int) -> list[Row]:
        """Rows of maps from a moment to another (ns UTC, included), in the order they were written.

        Where market time went back another market began, as when a demo is made anew: those before it are left out.

        Raises:
            StoreError: "snapshot-broken": a row is not what was written.
        """
        place = self.folder / folder_name(symbol)
        found: list[Row] = []
        for day in days_in(place):
            for line, is_whole in chain_lines(place, day) if day >= day_of(since) else ():
                linked = read_line(line)
                if linked is None and is_whole:
                    raise _broken(symbol, f"a row of {day} is not what was written")
                if linked is not None and linked.row.kind == "map":
                    if found and linked.row.ts <= found[-1].ts:
                        found.clear()
                    found.append(linked.row)
        return [row for row in found if since <= row.ts <= until]

    def payload(self, row: Row) -> bytes:
        """What a row vouches for.

        Raises:
            StoreError: "snapshot-broken": it is not there, or is not what was written.
        """
        path = self.folder / folder_name(row.symbol) / f"{row.day}{PAYLOADS}"
        try:
            with path.open("rb") as file:
                file.seek(row.at)
                payload = file.read(row.bytes)
        except OSError as error:
            raise _broken(row.symbol, f"the payload of row {row.row} cannot be read: {error.strerror}") from error
        if hashlib.sha256(payload).hexdigest() != row.payload:
            raise _broken(row.symbol, f"the payload of row {row.row} is not what was written")
        return payload


def days_in(place: Path) -> list[str]:
    """Days a chain has rows of."""
    return sorted(file.stem for file in place.glob(f"*{CHAIN}") if _DAY.fullmatch(file.stem))


def chain_lines(place: Path, day: str) -> Iterator[tuple[bytes, bool]]:
    """Lines of a day, and whether each ends as it should; the last may be torn."""
    *whole, rest = (place / f"{day}{CHAIN}").read_bytes().split(b"\n")
    yield from ((line, True) for line in whole)
    if rest:
        yield rest, False


def read_head(place: Path) -> bytes | None:
    """What the head says; None if there is none."""
    try:
        return (place / HEAD).read_bytes()
    except FileNotFoundError:
        return None


def size_of(path: Path) -> int:
    """Bytes; 0 where there is no file."""
    return path.stat().st_size if path.exists() else 0


def _extend(path: Path, at: int, content: bytes) -> None:
    """Write at the end, which is at `at`, to the disk."""
    with path.open("ab") as file:
        if file.tell() != at:
            raise OSError(errno.EIO, f"{path.name} has {file.tell()} bytes, not {at}: somebody else wrote it")
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _cut(path: Path, length: int) -> int:
    """Make a file no longer than that; bytes that went."""
    size = size_of(path)
    if size > length:
        os.truncate(path, length)
    return max(size - length, 0)


def _word(end: _End, symbol: str, ts: int, kind: str, note: str) -> Row:
    return Row(row=end.row + 1, kind=kind, ts=ts, day=end.day, symbol=symbol, at=end.at, note=note, previous=end.chain)


def newest_rows(place: Path) -> tuple[str, list[Linked]]:
    """The newest day that has whole rows, and those; a line that is not what was written ends them."""
    for day in reversed(days_in(place)):
        lines = [line for line, is_whole in chain_lines(place, day) if is_whole]
        rows = [linked for linked in map(read_line, lines) if linked is not None]
        if lines:
            return day, rows if len(rows) == len(lines) else []
    return "", []


def _follows(place: Path, day: str, rows: list[Linked]) -> bool:
    """Whether the rows of a day follow one another, and the day before."""
    earlier = [one for one in days_in(place) if one < day]
    previous = BEGINNING
    if earlier:
        *_, (line, _) = chain_lines(place, earlier[-1])
        before = read_line(line)
        previous = "" if before is None else before.chain
    for linked in rows:
        if linked.row.previous != previous:
            return False
        previous = linked.chain
    return True


def _take_out_first(place: Path) -> bool:
    """Take out a first row that was never finished, if any; False if there is more than that."""
    files = [file for file in place.glob("*") if file.suffix in {CHAIN, PAYLOADS}]
    is_all = read_head(place) in {None, _EMPTY_HEAD} and not any(
        b"\n" in file.read_bytes() for file in files if file.suffix == CHAIN
    )
    if is_all:
        for file in files:
            file.unlink()
    return is_all


def _clear(place: Path, day: str) -> int:
    """Take out files of days after the newest that has rows; bytes that went."""
    later = [file for file in place.glob("*") if file.suffix in {CHAIN, PAYLOADS} and file.stem > day]
    gone = sum(size_of(file) for file in later)
    for file in later:
        file.unlink()
    return gone


def _near_head(place: Path, rows: list[Linked]) -> bool:
    """Whether the head is of the newest row, or of the one before: a writer killed between the two."""
    head = read_head(place)
    return head in {head_line(linked) for linked in rows[-2:]} or (
        len(rows) == 1 and head == f"{rows[0].row.row - 1} {rows[0].row.previous}\n".encode()
    )


def _broken(symbol: str, what: str) -> StoreError:
    return StoreError(
        "snapshot-broken", f"{symbol}: {what}", hint=f"perpscope study verify-snapshots {symbol} tells all of it"
    )

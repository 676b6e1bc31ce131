"""Is a chain of snapshots what was written, row by row? Every departure is named, with its row and its moment.

A single change to any byte, row or file is found: a row's hash is over its bytes and over the row before, the head has
the newest hash, a payload's hash and place are in its row. Only a chain written anew from some row to its end looks
whole; whoever noted down a hash that it had (`contains`) sees that too. Rows after the head are not judged while a
writer is alive.
"""

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perpscope.stores.snapshot_rows import BEGINNING, Linked, folder_name, head_line, read_line, symbol_of
from perpscope.stores.snapshots import ASIDE, CHAIN, HEAD, LOCK, PAYLOADS, chain_lines, days_in, read_head

_FIRST_ROW = 0


class Fault(msgspec.Struct, frozen=True):
    """One departure from what was written."""

    kind: str  #: torn, edited, missing, inserted, reordered, head, payload, extra
    row: int | None  #: the row it is about; None where its number cannot be read
    ts_ms: int | None  #: its moment, else that of the row before, ms UTC; None if there is none
    file: str
    what: str


class ChainTold(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one chain."""

    symbol: str
    folder: str
    ok: bool
    rows: int
    maps: int  #: rows that are snapshots
    dropped: int  #: of these, payloads that were let go by retention; their rows are verified
    from_ms: int | None
    to_ms: int | None
    bytes: int  #: of payloads that are there
    head: str | None  #: hash of the newest row
    faults: list[Fault]


class _Line(msgspec.Struct, frozen=True):
    day: str
    linked: Linked | None
    is_whole: bool
    length: int


def check(folder: Path, symbol: str | None = None, contains: str | None = None) -> list[ChainTold]:
    """Verify the chains of a folder, those set aside as broken included.

    Args:
        folder: of a store.
        symbol: only its chains; None = all.
        contains: a hash that the chain once had.
    """
    if not folder.is_dir():
        return []
    places = sorted(place for place in folder.iterdir() if place.is_dir() and _has_chain(place))
    alive = _is_alive(folder)
    found = []
    for place in places:
        name = symbol_of(place.name.split(ASIDE)[0])
        if symbol is None or folder_name(symbol) == folder_name(name):
            is_live = alive and ASIDE not in place.name
            found.append(check_chain(place, name, is_live=is_live, contains=contains))
    return found


def check_chain(place: Path, symbol: str, *, is_live: bool = False, contains: str | None = None) -> ChainTold:
    """Verify one chain from end to end."""
    head = read_head(place)  # first: what it vouches for is on disk
    lines = list(_lines(place))
    if is_live and head is not None:
        lines = _up_to(lines, head)
    rows = [line.linked for line in lines if line.linked is not None]
    dropped_before = max((linked.row.note for linked in rows if linked.row.kind == "dropped"), default="")
    faults = [*_order(lines), *_head(place, rows, head)]
    dropped, payload_bytes = 0, 0
    for day in sorted({line.day for line in lines} | {file.stem for file in place.glob(f"*{PAYLOADS}")}):
        of_day = [linked for line in lines if line.day == day and (linked := line.linked) is not None]
        path = place / f"{day}{PAYLOADS}"
        if not path.exists() and day < dropped_before:
            dropped += sum(linked.row.kind == "map" for linked in of_day)
            continue
        content = path.read_bytes() if path.exists() else b""
        payload_bytes += len(content)
        faults += _payloads(path.name, content, of_day, is_live=is_live)
    if contains is not None and contains not in {linked.chain for linked in rows}:
        faults.append(Fault("missing", None, None, place.name, f"no row has the hash {contains}"))
    times = [linked.row.ts // 1_000_000 for linked in rows]
    return ChainTold(
        symbol=symbol,
        folder=place.name,
        ok=not faults,
        rows=len(rows),
        maps=sum(linked.row.kind == "map" for linked in rows),
        dropped=dropped,
        from_ms=times[0] if times else None,
        to_ms=times[-1] if times else None,
        bytes=payload_bytes,
        head=rows[-1].chain if rows else None,
        faults=faults,
    )


def _has_chain(place: Path) -> bool:
    """Whether any part of a chain is there; a map may be kept before it was ever snapped."""
    return any(file.suffix in {CHAIN, PAYLOADS} or file.name == HEAD for file in place.iterdir())


def _lines(place: Path) -> Iterator[_Line]:
    for day in days_in(place):
        for line, is_whole in chain_lines(place, day):
            linked = read_line(line)
            if linked is not None and linked.row.day != day:
                linked = None
            yield _Line(day, linked, is_whole, len(line))


def _up_to(lines: list[_Line], head: bytes) -> list[_Line]:
    """Without rows that a living writer has added since the head was read."""
    for at in range(len(lines) - 1, -1, -1):
        linked = lines[at].linked
        if linked is not None and head_line(linked) == head:
            return lines[: at + 1]
    return lines


def _order(lines: list[_Line]) -> Iterator[Fault]:
    """What is not in its place, or not itself."""
    counted = Counter(line.linked.row.row for line in lines if line.linked is not None)
    expected, previous, ts = _FIRST_ROW, BEGINNING, None
    for line in lines:
        file, linked = f"{line.day}{CHAIN}", line.linked
        if not line.is_whole:
            what = f"{line.length} bytes of a row that was never finished, as a killed writer leaves it"
            yield Fault("torn", expected, ts, file, what)
            if linked is None:
                continue
        if linked is None:
            yield Fault("edited", expected, ts, file, f"row {expected} is not what was written")
            expected, previous = expected + 1, ""
            continue
        number = linked.row.row
        if number != expected or linked.row.previous != previous:
            yield from _misplaced(linked, expected, previous, (counted, ts, file))
        expected, previous, ts = number + 1, linked.chain, linked.row.ts // 1_000_000


def _misplaced(
    linked: Linked, expected: int, previous: str, known: tuple[Counter[int], int | None, str]
) -> Iterator[Fault]:
    """Name why a whole row does not follow the one before."""
    counted, before_ms, file = known
    number, ts = linked.row.row, linked.row.ts // 1_000_000
    gone = [row for row in range(expected, number) if not counted[row]]
    if gone:
        which = f"row {gone[0]} is" if len(gone) == 1 else f"rows {gone[0]} to {gone[-1]} are"
        yield Fault("missing", gone[0], before_ms, file, f"{which} missing before row {number}")
    elif counted[number] > 1:
        yield Fault("inserted", number, ts, file, f"row {number} is there {counted[number]} times")
    elif number != expected:
        yield Fault("reordered", number, ts, file, f"row {number} stands where row {expected} belongs")
    elif previous:
        yield Fault("inserted", number, ts, file, f"row {number} does not follow the row before it")


def _head(place: Path, rows: list[Linked], head: bytes | None) -> Iterator[Fault]:
    """Whether the chain ends where its head says; a killed writer leaves the head one row behind at most."""
    last = rows[-1] if rows else None
    ts = None if last is None else last.row.ts // 1_000_000
    if last is None:
        if head is None or not head.startswith(b"-1 ") or days_in(place):
            yield Fault("missing", _FIRST_ROW, None, place.name, "no row is there")
    elif head is None:
        yield Fault("head", last.row.row, ts, "head", "the head is missing")
    elif head != head_line(last) and head != f"{last.row.row - 1} {last.row.previous}\n".encode():
        told = head.split(b" ")[0].decode("ascii", "replace")
        yield Fault("head", last.row.row, ts, "head", f"the chain ends at row {last.row.row}, its head says {told}")


def _payloads(file: str, content: bytes, rows: list[Linked], *, is_live: bool) -> Iterator[Fault]:
    """Whether each payload of a day is what its row says, and nothing else is there."""
    end = 0
    for linked in rows:
        row, ts = linked.row, linked.row.ts // 1_000_000
        part = content[row.at : row.at + row.bytes]
        if len(part) < row.bytes:
            yield Fault("payload", row.row, ts, file, f"the payload of row {row.row} is missing, or part of it")
        elif hashlib.sha256(part).hexdigest() != row.payload:
            yield Fault("payload", row.row, ts, file, f"the payload of row {row.row} is not what was written")
        end = max(end, row.at + row.bytes)
    if len(content) > end and not is_live:
        what = f"{len(content) - end} bytes that no row vouches for, as a killed writer leaves them"
        yield Fault("extra", None, rows[-1].row.ts // 1_000_000 if rows else None, file, what)


def _is_alive(folder: Path) -> bool:
    """Whether somebody writes the folder now."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False

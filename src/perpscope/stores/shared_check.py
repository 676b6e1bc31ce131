"""Is a shared chain of maps what was written? As `snapshot_check`, of a place that instances share.

Rows of which no head ever knew, as a killed writer leaves them, are no part of a chain and are not judged.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from perpscope.stores.shared_maps import (
    HEAD,
    KEPT,
    ROWS,
    digest_of,
    number_of,
    read_head,
    read_row,
    row_name,
    state_name,
)
from perpscope.stores.shared_objects import SharedObjects
from perpscope.stores.snapshot_check import ChainTold, Fault
from perpscope.stores.snapshot_rows import BEGINNING, Linked, folder_name, symbol_of

_AT_ONCE: Final = 8
_DATA: Final = ("demo", "observed", "replay")


class _Walked(msgspec.Struct):
    """What a walk from the head to the beginning found."""

    rows: list[Linked]
    bytes: int
    faults: list[Fault]


def check_shared(objects: SharedObjects, symbol: str | None = None, contains: str | None = None) -> list[ChainTold]:
    """Verify the shared chains of a place, row by row, payloads included.

    Args:
        objects: the place.
        symbol: only its chains; None = all.
        contains: a hash that the chain once had.

    Raises:
        StoreError: "share-unreachable".
    """
    found = []
    for data in objects.folders(""):
        for name in objects.folders(data) if data in _DATA else ():
            if symbol is None or folder_name(symbol) == name:
                found.append(_check_chain(objects, f"{data}/{name}", symbol_of(name), contains))
    return found


def _check_chain(objects: SharedObjects, place: str, symbol: str, contains: str | None) -> ChainTold:
    held = objects.head(f"{place}/{HEAD}")  # first: what it vouches for is there
    names = objects.names(f"{place}/{ROWS}")
    end = None if held is None else read_head(held.content)
    if held is None or end is None:
        what = "the head is missing" if held is None else "the head is no row's number and hash"
        walked = _Walked([], 0, [Fault("head", None, None, f"{place}/{HEAD}", what)])
    else:
        walked = _walk(objects, place, names, end)
    rows = walked.rows
    faults = [*walked.faults, *_states(objects, place, rows)]
    if contains is not None and contains not in {linked.chain for linked in rows}:
        faults.append(Fault("missing", None, None, place, f"no row has the hash {contains}"))
    return ChainTold(
        symbol=symbol,
        folder=place,
        ok=not faults,
        rows=len(rows),
        maps=sum(linked.row.kind == "map" for linked in rows),
        dropped=0,
        from_ms=rows[0].row.ts // 1_000_000 if rows else None,
        to_ms=rows[-1].row.ts // 1_000_000 if rows else None,
        bytes=walked.bytes,
        head=rows[-1].chain if rows else None,
        faults=faults,
    )


def _walk(objects: SharedObjects, place: str, names: list[str], end: tuple[int, str]) -> _Walked:
    """From the head back; where a row is not what was written nothing before it is vouched for any more."""
    folder, by_number = f"{place}/{ROWS}", {number_of(name): name for name in names}
    wanted = [name for name in names if number_of(name) <= end[0]]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(wanted, pool.map(lambda name: _row(objects, f"{folder}/{name}"), wanted), strict=True))
    rows: list[Linked] = []
    held = 0
    number, chain = end
    while number >= 0:
        name, after_ms = row_name(number, chain), rows[-1].row.ts // 1_000_000 if rows else None
        if name not in found:
            instead = f", another is in its place: {by_number[number]}" if number in by_number else ""
            fault = Fault("missing", number, after_ms, f"{folder}/{name}", f"row {number} is missing{instead}")
            return _Walked(rows[::-1], held, [fault])
        linked = found[name]
        if linked is None or (linked.row.row, linked.chain) != (number, chain):
            what = f"row {number}, or its payload, is not what was written"
            return _Walked(rows[::-1], held, [Fault("edited", number, after_ms, f"{folder}/{name}", what)])
        rows.append(linked)
        held += linked.row.bytes if linked.row.kind == "map" else 0
        number, chain = number - 1, linked.row.previous
    faults = [] if chain == BEGINNING else [Fault("missing", 0, None, folder, "the first row follows another")]
    return _Walked(rows[::-1], held, faults)


def _row(objects: SharedObjects, name: str) -> Linked | None:
    content = objects.get(name)
    return None if content is None else read_row(content)


def _states(objects: SharedObjects, place: str, rows: list[Linked]) -> Iterator[Fault]:
    """Whether the states that are there are what their rows say; most have been let go."""
    there = set(objects.names(f"{place}/{KEPT}"))
    for linked in rows:
        row = linked.row
        name = state_name(row.ts, row.payload)
        if row.kind == KEPT and name in there:
            content = objects.get(f"{place}/{KEPT}/{name}")
            if content is not None and digest_of(content) != row.payload:
                what = f"the state of row {row.row} is not what was written"
                yield Fault("payload", row.row, row.ts // 1_000_000, f"{place}/{KEPT}/{name}", what)

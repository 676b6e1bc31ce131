"""An archive in order: the files of a finished day become one for each stream, and old days go.

A merged file is written and checked first; one transaction of the manifest puts it in the place of the others, which
are deleted after that. Killed at any moment, every row can be read exactly once: what is not named is not there.
"""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from perpscope.model.stream import Stream
from perpscope.stores.archive.files import (
    DAY_NS,
    SHARED,
    Draft,
    Entry,
    Place,
    day_of,
    fault_of,
    in_order,
    once,
    remove,
)
from perpscope.stores.archive.ledger import DAMAGED
from perpscope.stores.archive.manifest import GapRow, Manifest
from perpscope.stores.archive.tables import TABLES, Table

_GROUP_ROWS: Final = 100_000  #: rows of a row group at least, for the readers' sake


class Keep(msgspec.Struct, frozen=True):
    """How long and how much is kept; 0 = all."""

    days: int = 0
    quota_bytes: int = 0


class Compacted(msgspec.Struct, frozen=True):
    """What merging one stream's day did."""

    place: Place
    files_before: int
    bytes_before: int
    bytes: int
    rows: int
    repeats: int  #: rows a venue had told twice


def upkeep(manifest: Manifest, now_ns: int, keep: Keep) -> Iterator[None]:
    """All there is to do, a step at a time; between two steps everything is whole.

    Raises:
        OSError: the disk does not take a file; what was done stays.
    """
    for _ in expire(manifest, now_ns, keep):
        yield
    for _ in compact(manifest, now_ns):
        yield


def expire(manifest: Manifest, now_ns: int, keep: Keep) -> Iterator[str]:
    """Let whole days go, the oldest first, until what is kept is as young and as small as wanted; never today's."""
    entries = manifest.entries()
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.place.day] = sizes.get(entry.place.day, 0) + entry.bytes
    first_kept = day_of(now_ns - keep.days * DAY_NS)
    total = sum(sizes.values())
    for day in sorted(sizes):
        is_old, is_much = keep.days and day < first_kept, keep.quota_bytes and total > keep.quota_bytes
        if day >= day_of(now_ns) or not (is_old or is_much):
            return
        with manifest.step():
            manifest.drop_day(day, "age" if is_old else "quota")
        sweep_gone(manifest)
        total -= sizes[day]
        yield day


def compact(manifest: Manifest, now_ns: int) -> Iterator[Compacted]:
    """Merge the files of every finished day."""
    today = day_of(now_ns)
    by_place: dict[Place, list[Entry]] = {}
    for entry in manifest.entries():
        if entry.place.day < today:
            by_place.setdefault(entry.place, []).append(entry)
    for place, entries in by_place.items():
        if len(entries) > 1 or not entries[0].is_compact:
            done = _merge(manifest, place, entries)
            if done is not None:
                yield done


def sweep_gone(manifest: Manifest) -> None:
    """Delete what the manifest names no more."""
    paths = list(manifest.gone)
    for path in paths:
        remove(manifest.root, path)
    with manifest.step():
        manifest.forget_gone(paths)


def set_aside(manifest: Manifest, entry: Entry, why: str) -> str:
    """Name a damaged file no more, move it out of the readers' way, and keep what it held as missed; says so."""
    stream = stream_of(entry.place)
    tapes = {
        row.tape
        for row in manifest.covered()
        if (row.venue, row.stream.channel) == (entry.place.venue, entry.place.channel)
    }
    with manifest.step():
        manifest.drop([entry.path], why)
        manifest.forget_gone([entry.path])
        manifest.miss(
            GapRow(tape, entry.place.venue, stream, entry.ts_min, entry.ts_max + 1, DAMAGED) for tape in tapes
        )
    path = manifest.root / entry.path
    if path.exists():
        path.rename(path.with_name(path.name + ".damaged"))
    return f"{entry.path}: {why}; {entry.rows:,} rows are missing"


def stream_of(place: Place) -> Stream:
    """The stream a place is of; of all instruments where they share a file."""
    if place.symbol == SHARED:
        return Stream(place.channel, None)
    return Stream(place.channel, f"{place.symbol}.{place.venue.upper()}")  # type: ignore[arg-type]  # an InstrumentId


def _merge(manifest: Manifest, place: Place, entries: Sequence[Entry]) -> Compacted | None:
    """One file in the place of several; None if none of them could be read."""
    good = []
    for entry in entries:
        fault = fault_of(manifest.root, entry, whole=True)
        if fault is None:
            good.append(entry)
        else:
            set_aside(manifest, entry, fault)
    if not good:
        return None
    replaced = [entry.path for entry in good]
    told = {"replaces": msgspec.json.encode(replaced).decode()}
    draft = Draft(manifest.root, place, uuid.uuid4().hex[:8], 0, manifest.kind.value, told, is_compact=True)
    try:
        for group in _grouped(_ordered(manifest.root, good, TABLES[place.channel])):
            draft.write(group)
        merged = draft.finish()
    except BaseException:
        draft.discard()
        raise
    with manifest.step():
        manifest.add([merged])
        manifest.drop(replaced, "compacted")
    sweep_gone(manifest)
    rows, size = sum(entry.rows for entry in good), sum(entry.bytes for entry in good)
    return Compacted(place, len(good), size, merged.bytes, merged.rows, rows - merged.rows)


def _ordered(root: Path, entries: Sequence[Entry], table: Table) -> Iterator[pa.Table]:
    """Rows of several files in order and once, as soon as no later file can bring earlier ones."""
    entries = sorted(entries, key=lambda entry: entry.ts_min)
    waiting: pa.Table | None = None
    for number, entry in enumerate(entries):
        rows = pq.ParquetFile(root / entry.path).read().replace_schema_metadata(None)
        waiting = rows if waiting is None else pa.concat_tables([waiting, rows])
        waiting = in_order(waiting, table)
        later = [other.ts_min for other in entries[number + 1 :]]
        if later:
            times = waiting.column("ts_event").to_numpy()
            ready = int(times.searchsorted(min(later)))
            yield once(waiting.slice(0, ready), table)
            waiting = waiting.slice(ready)
    if waiting is not None:
        yield once(waiting, table)


def _grouped(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in larger pieces."""
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _GROUP_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)

"""The union of two recorders' tapes: what another one holds and this archive does not is added, and nothing twice.

A trade is known by the venue's id, a liquidation, quote or book by its identity (`tables`). Trades without ids
are known by time, price, size and side, and each counts as often as on the tape that has it oftener. Only what is
missing is written, so merging again adds nothing, and a merger that broke off is simply repeated.
"""
# ruff: noqa: S608 -- the names in these queries are our own

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from perpscope.errors import StoreError
from perpscope.model.stream import Channel
from perpscope.stores.archive.duck import connect, relation
from perpscope.stores.archive.files import Draft, Entry, Place, by_day, fault_of, in_order
from perpscope.stores.archive.ledger import DAMAGED
from perpscope.stores.archive.manifest import GapRow, Manifest
from perpscope.stores.archive.tables import TABLES, Table
from perpscope.stores.archive.upkeep import set_aside, stream_of

_BATCH_ROWS: Final = 200_000
_SAME_TRADE: Final = "ts_event, price, size, side"
_TRADES: Final = f"""
WITH named AS (
    SELECT * FROM theirs WHERE trade_number IS NOT NULL OR trade_text IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY trade_number, trade_text ORDER BY ts_recv) = 1),
unknown AS (
    SELECT * FROM named ANTI JOIN ours
    ON named.trade_number IS NOT DISTINCT FROM ours.trade_number
    AND named.trade_text IS NOT DISTINCT FROM ours.trade_text
    UNION ALL SELECT * FROM theirs WHERE trade_number IS NULL AND trade_text IS NULL),
ranked AS (
    SELECT *, (trade_number IS NULL AND trade_text IS NULL) AS bare,
    row_number() OVER (PARTITION BY bare, {_SAME_TRADE} ORDER BY ts_recv) AS nth FROM unknown),
counted AS (
    SELECT {_SAME_TRADE}, count(*) AS ours_all,
    count(*) FILTER (WHERE trade_number IS NULL AND trade_text IS NULL) AS ours_bare FROM ours GROUP BY ALL)
SELECT ranked.* EXCLUDE (bare, nth) FROM ranked LEFT JOIN counted USING ({_SAME_TRADE})
WHERE nth > coalesce(CASE WHEN bare THEN ours_all ELSE ours_bare END, 0)
"""


class Merged(msgspec.Struct, frozen=True):
    """What became of one file set of the other archive."""

    place: Place
    rows: int  #: of the other
    added: int


def merge(ours: Manifest, theirs: Manifest, bad: list[str]) -> Iterator[Merged]:
    """Add what another archive holds and this one does not, its coverage last; days let go here stay gone.

    Args:
        ours: open for writing.
        theirs: open for reading.
        bad: takes the names of files of the other that cannot be read; what they held stays missing.

    Raises:
        StoreError: the archives are of different kinds, or the other one's files changed meanwhile.
        OSError: the disk does not take a file; merging again goes on from there.
    """
    if ours.kind is not theirs.kind:
        raise StoreError(
            "archive-kind",
            f"{ours.root} holds {ours.kind.value} data, {theirs.root} {theirs.kind.value}",
            hint="kinds are never mixed",
        )
    gone = ours.gone_days
    covered, lost = theirs.covered(), theirs.gaps()  # before its files: a collector may be adding to both
    for place, entries in _places(theirs, bad, lost).items():
        if place.day in gone:
            continue
        table = TABLES[place.channel]
        rows = sum(entry.rows for entry in entries)
        yield Merged(place, rows, _add(ours, place, relation(theirs.root, entries, table), theirs.root))
    with ours.step():
        ours.cover(covered)
        ours.miss(lost)


def _places(theirs: Manifest, bad: list[str], lost: list[GapRow]) -> dict[Place, list[Entry]]:
    """Whole files by place; what is damaged goes into `bad` and `lost`."""
    places: dict[Place, list[Entry]] = {}
    for entry in theirs.entries():
        fault = fault_of(theirs.root, entry, whole=True)
        if fault is None:
            places.setdefault(entry.place, []).append(entry)
        elif theirs.lists(entry.path):
            bad.append(f"{entry.path}: {fault}")
            lost += _lost_with(entry, theirs)
        else:
            raise _changed(theirs.root)
    return places


def add_rows(
    ours: Manifest, channel: Channel, venue: str, symbol: str, rows: pa.Table, *, is_past: bool = False
) -> int:
    """Add those of one recorder's rows that are not there yet; how many that were.

    Raises:
        OSError: the disk does not take a file.
    """
    added = 0
    for day, is_quarantined, part in by_day(rows, TABLES[channel], is_past=is_past):
        if day not in ours.gone_days:
            added += _add(ours, Place(venue, channel, symbol, day, is_quarantined), part, None)
    return added


def _add(ours: Manifest, place: Place, theirs: "str | pa.Table", other: Path | None) -> int:
    """Add to one place; files of ours that prove damaged are set aside on the way."""
    try:
        return _add_missing(ours, place, theirs, other, _sound(ours, place, whole=False))
    except duckdb.Error as error:
        known = len(ours.entries())
        mine = _sound(ours, place, whole=True)
        if len(ours.entries()) == known:
            raise _changed(ours.root if other is None else other) from error
        return _add_missing(ours, place, theirs, other, mine)


def _sound(ours: Manifest, place: Place, *, whole: bool) -> list[Entry]:
    """Our files of a place."""
    sound = []
    for entry in ours.entries(
        day=place.day,
        channel=place.channel,
        venue=place.venue,
        symbol=place.symbol,
        quarantined=place.is_quarantined,
    ):
        fault = fault_of(ours.root, entry, whole=whole)
        if fault is None:
            sound.append(entry)
        else:
            set_aside(ours, entry, fault)
    return sound


def _add_missing(
    ours: Manifest, place: Place, theirs: "str | pa.Table", other: Path | None, mine: Sequence[Entry]
) -> int:
    table = TABLES[place.channel]
    with TemporaryDirectory(prefix="perpscope-merge-") as spill:
        folders = [ours.root] if other is None else [ours.root, other]
        duck = connect(*folders, spill=Path(spill))
        try:
            duck.execute(f"CREATE VIEW ours AS SELECT * FROM {relation(ours.root, mine, table)}")
            if isinstance(theirs, str):
                duck.execute(f"CREATE VIEW theirs AS SELECT * FROM {theirs}")
            else:
                duck.register("theirs", theirs)
            order = ", ".join(table.identity)
            duck.execute(f"SELECT * FROM ({_missing(table)}) ORDER BY {order}")
            return _write(ours, place, duck.to_arrow_reader(_BATCH_ROWS))
        finally:
            duck.close()


def _changed(root: Path) -> StoreError:
    return StoreError(
        "archive-changed",
        f"the files of {root} changed while they were read: its collector was merging a day",
        hint="do it again: it goes on where it was",
    )


def _missing(table: Table) -> str:
    if table.channel is Channel.TRADES:
        return _TRADES
    identity = ", ".join(table.identity)
    alike = " AND ".join(f"once.{name} IS NOT DISTINCT FROM ours.{name}" for name in table.identity)
    once = f"SELECT * FROM theirs QUALIFY row_number() OVER (PARTITION BY {identity} ORDER BY ts_recv) = 1"
    return f"WITH once AS ({once}) SELECT * FROM once ANTI JOIN ours ON {alike}"


def _write(ours: Manifest, place: Place, batches: pa.RecordBatchReader) -> int:
    draft: Draft | None = None
    try:
        for batch in batches:
            if draft is None:
                draft = Draft(ours.root, place, uuid4().hex[:8], 0, ours.kind.value)
            draft.write(in_order(pa.Table.from_batches([batch]), TABLES[place.channel]))
        if draft is None:
            return 0
        entry = draft.finish()
    except BaseException:
        if draft is not None:
            draft.discard()
        raise
    with ours.step():
        ours.add([entry])
    return entry.rows


def _lost_with(entry: Entry, theirs: Manifest) -> list[GapRow]:
    """What a damaged file of the other held, as gaps of every tape that vouched for it."""
    tapes = {
        row.tape
        for row in theirs.covered()
        if (row.venue, row.stream.channel) == (entry.place.venue, entry.place.channel)
    }
    stream = stream_of(entry.place)
    return [GapRow(tape, entry.place.venue, stream, entry.ts_min, entry.ts_max + 1, DAMAGED) for tape in tapes]

"""The archive's writer thread: parcels become columns, columns become files, files enter the manifest with coverage.

Files are cut every so many market seconds, or when the columns take much memory. Coverage is committed with the rows it
vouches for, never before: what is not yet in a file when the process dies is a hole of cause "restart" in the archive's
own ledger. A disk that is full or fails is tried again; meanwhile what comes is kept up to a limit, then dropped.
"""

import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from threading import Condition, Thread
from typing import Final, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from perpscope.engine.tally import venue_of
from perpscope.errors import StoreError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    InstrumentEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.archive.files import SHARED, Draft, Entry, Place, by_day, in_order
from perpscope.stores.archive.intake import RUNNING, Parcel
from perpscope.stores.archive.manifest import CoveredRow, GapRow, Manifest
from perpscope.stores.archive.recovery import recover
from perpscope.stores.archive.tables import TABLES, channel_of, columns_of, state_columns, whole
from perpscope.stores.archive.upkeep import Keep, upkeep
from perpscope.stores.status import Trouble

SECOND_NS: Final = 1_000_000_000
#: Events of one kind and instrument that wait to become columns; memory against the cost of small batches.
_LOOSE: Final = 2_000
_MOST_LOOSE: Final = 50_000  #: of all together
_CUT_BYTES: Final = 96 << 20  #: of columns, before files are cut ahead of time
_MOST_BYTES: Final = 256 << 20  #: of columns that cannot be written, before events are dropped
_MOST_QUEUED: Final = 300_000  #: events that wait for the writer, before more are dropped
_PAUSES_S: Final = (0.05, 2.0)  #: first and longest wait after a failure
_RAW: Final = frozenset({Trade, Quote, BookDelta, BookSnapshot, MarkPrice, OpenInterest})
#: Channel, instrument, and whether it was asked for afterwards.
_Key: TypeAlias = tuple[Channel, InstrumentId, bool]


class ArchiveWriter:
    """Writes parcels in the order they were put.

    Args:
        manifest: open for writing; closed when the thread ends.
        writer: unique name of this run.
        file_s: market seconds of a stream in one file at most.
        books: keep order books too.
        keep: how long, and how much.
    """

    def __init__(self, manifest: Manifest, writer: str, *, file_s: float, books: bool, keep: Keep) -> None:
        self._manifest, self._writer, self._keep = manifest, writer, keep
        self._file_ns = round(file_s * SECOND_NS)
        self._channels = frozenset(channel for channel in TABLES if books or channel is not Channel.BOOK)
        self._queue: deque[Parcel] = deque()
        self._queued = 0
        self._changed = Condition()
        self._is_stopping = False
        self._error: BaseException | None = None
        kinds = [kind for kind in _RAW if books or kind not in (BookDelta, BookSnapshot)]
        self._loose: dict[type, dict[InstrumentId, list[InstrumentEvent]]] = {kind: defaultdict(list) for kind in kinds}
        self._given: dict[_Key, list[InstrumentEvent]] = defaultdict(list)
        self._columns: dict[_Key, list[pa.RecordBatch]] = defaultdict(list)
        self._bytes = 0
        self._written: list[Entry] = []  # in their place, not in the manifest yet
        self._covered: dict[tuple[str, Stream, str, int], CoveredRow] = {}
        self._gaps: list[GapRow] = []
        self._number = 0
        self._cut_at: int | None = None
        self._ts_tick: int | None = None
        self._chores: Iterator[None] = iter(())
        self._last_day: int | None = None
        self.trouble: Trouble | None = None  #: why nothing is written at the moment
        self.findings: list[str] = []  #: what was found damaged or left over at the start
        self.rows = 0  #: in files since the start
        self.committed: int | None = None  #: ns UTC, `Tick` up to which everything is in the manifest
        self._ends: dict[tuple[str, Stream], int] = {}
        for row in manifest.covered():
            if row.tape == manifest.tape and row.source in RUNNING:
                self._ends[row.venue, row.stream] = max(row.ts_to, self._ends.get((row.venue, row.stream), 0))
        self._ended_as = "stopped" if manifest.about("closed") == "1" else "restart"
        manifest.note("closed", "0")
        self._thread = Thread(target=self._run, name="archive-writer", daemon=True)
        self._thread.start()

    def has_room(self) -> bool:
        """False while too much waits, or nothing will be written any more."""
        return self._queued < _MOST_QUEUED and self._bytes < _MOST_BYTES and self._error is None

    @property
    def waiting(self) -> int:
        """Events queued and not sorted yet."""
        return self._queued

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; never blocks."""
        with self._changed:
            self._queue.append(parcel)
            self._queued += len(parcel.raw) + len(parcel.given) + len(parcel.past)
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is queued and end. In trouble it is tried once more only.

        Raises:
            StoreError: something could not be written, or the thread had failed.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join()
        if isinstance(self._error, StoreError):
            raise self._error
        if self._error is not None:
            what = f"{type(self._error).__name__}: {self._error}"
            raise StoreError(
                "archive-unwritten",
                f"the archive's last rows were not written: {what}",
                hint="free the disk; the missing time is a gap in the archive's own coverage",
            ) from self._error

    def _run(self) -> None:
        try:
            self.findings += recover(self._manifest)
            while (parcels := self._wait()) is not None:
                for parcel in parcels:
                    self._absorb(parcel)
                if self._is_due():
                    self._try_cut()
                elif not self._queue:
                    self._step()
            self._cut()
            self._manifest.note("closed", "1")
        except BaseException as error:
            self._error = error
            self.trouble = Trouble("archive-failed", f"{type(error).__name__}: {error}", self._ts_tick, 1)
        finally:
            with suppress(sqlite3.Error):
                self._manifest.close()

    def _wait(self) -> Sequence[Parcel] | None:
        """Everything queued, as soon as there is that or time to try again; None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_stopping, None if self.trouble is None else 0)
            parcels = list(self._queue)
            self._queue.clear()
            self._queued = 0
            return None if self._is_stopping and not parcels else parcels

    def _absorb(self, parcel: Parcel) -> None:
        """Sort events by stream; columns are made of many at once."""
        for event in parcel.raw:  # some 0.1 µs each
            streams = self._loose.get(type(event))
            if streams is not None:
                streams[event.instrument].append(event)  # type: ignore[union-attr,arg-type]  # of an instrument: see _RAW
        for is_past, events in ((False, parcel.given), (True, parcel.past)):
            for given in events:
                channel = channel_of(given)
                if channel in self._channels:
                    self._given[channel, given.instrument, is_past].append(given)
        if Channel.BOOK in self._channels:
            for book in parcel.states:
                self._keep_columns(Channel.BOOK, book.instrument, state_columns(book))
        self._make_columns(_LOOSE if self._loose_events < _MOST_LOOSE else 1)
        self._note_coverage(parcel)
        if parcel.ts_tick is not None:
            self._ts_tick = parcel.ts_tick
            self._cut_at = self._cut_at or self._next_cut(parcel.ts_tick)
            self._look_after(parcel.ts_tick)

    @property
    def _loose_events(self) -> int:
        return sum(len(events) for streams in self._loose.values() for events in streams.values())

    def _keep_columns(
        self, channel: Channel, instrument: InstrumentId, batch: pa.RecordBatch, is_past: bool = False
    ) -> None:
        self._columns[channel, instrument, is_past].append(batch)
        self._bytes += batch.nbytes

    def _make_columns(self, least: int) -> None:
        """Turn events into columns where so many of a kind and instrument wait."""
        for streams in self._loose.values():
            for instrument, events in streams.items():
                if len(events) >= least:
                    channel = channel_of(events[0])
                    if channel is not None:
                        self._keep_events(channel, instrument, events)
                    events.clear()

    def _keep_events(
        self, channel: Channel, instrument: InstrumentId, events: Sequence[InstrumentEvent], is_past: bool = False
    ) -> None:
        """Make columns of events of one type; what does not fit into them (a number of 65 bits) is a gap, and told."""
        try:
            batch = columns_of(TABLES[channel], events)
        except (pa.ArrowException, OverflowError) as error:
            self.findings.append(f"{instrument}: {len(events)} rows of {channel.value} do not fit: {error}")
            ends = min(event.ts_recv for event in events), max(event.ts_recv for event in events) + 1
            stream = Stream(channel, instrument)
            self._gaps.append(GapRow(self._manifest.tape, venue_of(instrument), stream, ends[0], ends[1], "unfit"))
        else:
            self._keep_columns(channel, instrument, batch, is_past)

    def _note_coverage(self, parcel: Parcel) -> None:
        tape = self._manifest.tape
        for told in parcel.covered:
            for stream in told.streams:
                if stream.channel in self._channels:
                    row = CoveredRow(tape, told.venue, stream, told.source, told.ts_from, told.ts_to)
                    self._covered[told.venue, stream, told.source.value, told.ts_from] = row
        for gap in parcel.gaps:
            self._gaps += [
                GapRow(tape, gap.venue, stream, gap.ts_from, gap.ts_to, gap.cause)
                for stream in gap.streams
                if stream.channel in self._channels
            ]

    def _next_cut(self, ts: int) -> int:
        return (ts // self._file_ns + 1) * self._file_ns

    def _is_due(self) -> bool:
        is_late = self._ts_tick is not None and self._cut_at is not None and self._ts_tick >= self._cut_at
        return is_late or self._bytes > _CUT_BYTES or self.trouble is not None

    def _try_cut(self) -> None:
        try:
            self._cut()
        except (OSError, sqlite3.Error, pa.ArrowException, StoreError) as error:
            before = self.trouble
            since, tries = (before.ts_since, before.tries) if before else (self._ts_tick, 0)
            self.trouble = Trouble("archive-trouble", str(error), since, tries + 1)
            first, longest = _PAUSES_S
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping, min(first * 2 ** min(tries, 10), longest))
        else:
            self.trouble = None

    def _cut(self) -> None:
        """Write all columns as files, then name them in the manifest together with what they vouch for."""
        self._make_columns(1)
        for (channel, instrument, is_past), events in self._given.items():
            for _, alike in groupby(events, key=type):
                self._keep_events(channel, instrument, list(alike), is_past)
        self._given.clear()
        for (venue, channel, symbol), keys in self._folders(is_past=False).items():
            rows = pa.concat_tables([whole(self._columns[key], key[1]) for key in keys])
            self._written += self._files(Place(venue, channel, symbol, ""), rows)
            self._forget(keys)
        with self._manifest.step():
            self._manifest.add(self._written)
            self._join_up()
            self._manifest.cover(row for row in self._covered.values() if row.source in RUNNING)
            self._manifest.miss(self._gaps)
        self.rows += sum(entry.rows for entry in self._written)
        self._written, self._gaps = [], []
        self._cut_past()
        self._covered.clear()
        self.committed = self._ts_tick
        self._cut_at = None if self._ts_tick is None else self._next_cut(self._ts_tick)

    def _cut_past(self) -> None:
        """Of what was asked for afterwards, only what is not there yet; it may overlap what came as it happened."""
        for (venue, channel, symbol), keys in self._folders(is_past=True).items():
            from perpscope.stores.archive.merge import add_rows  # noqa: PLC0415 -- DuckDB: 40 MB that few hearts need

            rows = pa.concat_tables([whole(self._columns[key], key[1]) for key in keys])
            self.rows += add_rows(self._manifest, channel, venue, symbol, rows, is_past=True)
            self._forget(keys)
        with self._manifest.step():
            self._manifest.cover(row for row in self._covered.values() if row.source not in RUNNING)

    def _forget(self, keys: Sequence[_Key]) -> None:
        for key in keys:
            self._bytes -= sum(batch.nbytes for batch in self._columns.pop(key))

    def _files(self, place: Place, rows: pa.Table) -> list[Entry]:
        """A file for each day of these rows; all of them or none."""
        table = TABLES[place.channel]
        entries = []
        for day, is_quarantined, part in by_day(rows, table):
            self._number += 1
            there = Place(place.venue, place.channel, place.symbol, day, is_quarantined)
            draft = Draft(self._manifest.root, there, self._writer, self._number, self._manifest.kind.value)
            try:
                draft.write(in_order(part, table))
                entries.append(draft.finish())
            except BaseException:
                draft.discard()
                for entry in entries:
                    (self._manifest.root / entry.path).unlink(missing_ok=True)
                raise
        return entries

    def _join_up(self) -> None:
        """Where an earlier run's coverage ended and this one's begins: the hole between."""
        for row in self._covered.values():
            if row.source not in RUNNING:
                continue
            end = self._ends.pop((row.venue, row.stream), None)
            if end is not None:
                self._manifest.end_gaps(row.venue, row.stream, row.ts_from)
                if end < row.ts_from:
                    gap = GapRow(row.tape, row.venue, row.stream, end, row.ts_from, self._ended_as)
                    self._manifest.miss([gap])

    def _look_after(self, now_ns: int) -> None:
        """Once a market day: merge the files of finished days, let old days go; a step at a time between parcels."""
        hour = now_ns // (3_600 * SECOND_NS)
        if hour // 24 != self._last_day and hour % 24 >= 1 and not self._step():
            self._last_day = hour // 24
            self._chores = upkeep(self._manifest, now_ns, self._keep)

    def _step(self) -> bool:
        """One step of what is to be looked after; False if there is none."""
        try:
            return next(self._chores, self) is not self
        except (OSError, sqlite3.Error, pa.ArrowException) as error:
            self._chores = iter(())
            self.findings.append(f"the archive was not tidied up: {error}")
            return False

    def _folders(self, *, is_past: bool) -> dict[tuple[str, Channel, str], list[_Key]]:
        """What goes into one file: an instrument's rows, or those of all where they are few."""
        found: dict[tuple[str, Channel, str], list[_Key]] = defaultdict(list)
        for key in self._columns:
            channel, instrument, _ = key
            symbol = SHARED if TABLES[channel].is_shared else instrument.rpartition(".")[0]
            if key[2] is is_past:
                found[venue_of(instrument), channel, symbol].append(key)
        return found

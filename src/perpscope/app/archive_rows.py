"""Rows that others recorded, into an archive: trades, books and contexts, what was missed, and what came twice.

A file whose time goes back is two recorders' tapes behind each other: each is a tape of its own, and their union is
kept. A row told twice within a tape is kept once. A silence longer than 60 s, and than five times the wait that one in
a hundred rows exceeds, is a gap: for arrivals by chance alone that would happen once in 10^10 rows (e^-23).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from perpscope.app.replay_cast import cast
from perpscope.engine.tally import venue_of
from perpscope.errors import DataError, FrameError
from perpscope.feeds.rows import RowDecoder
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import InstrumentEvent, Source, Trade
from perpscope.model.stream import Channel, Stream
from perpscope.stores.archive.files import SHARED, in_order, sha256_of
from perpscope.stores.archive.manifest import CoveredRow, GapRow, Manifest
from perpscope.stores.archive.merge import add_rows
from perpscope.stores.archive.tables import TABLES, channel_of, columns_of, whole

SILENCE: Final = "silence"  #: cause of a gap nobody told us of
_LEAST_SILENCE_NS: Final = 60_000_000_000
_TIMES_P99: Final = 5.0
#: A step back in time by more begins another recorder's tape; within one, messages are late by a second or two.
_BACK_NS: Final = 5_000_000_000


class Hole(msgspec.Struct, frozen=True):
    """A stretch one tape says nothing of."""

    tape: int
    ts_from: int  #: ns UTC
    ts_to: int  #: ns UTC


class Imported(msgspec.Struct, frozen=True):
    """What became of one channel of one file."""

    file: str
    channel: Channel
    instrument: str
    rows: int
    added: int
    repeats: int  #: rows told twice, by one tape or by both
    rejected: int  #: lines that are no rows
    tapes: int
    holes: list[Hole]
    silence_s: float  #: longer ones are holes


def import_rows(
    manifest: Manifest,
    files: Sequence[Path],
    *,
    venue: str | None = None,
    symbol: str | None = None,
    keep_repeats: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> Iterator[Imported]:
    """Import files of normalised rows; importing again adds nothing.

    Args:
        manifest: of the archive, open for writing.
        files: `{ts, px, sz, side}`, `{ts, bids, asks}` or `{ts, funding, oi, mark, oracle}`, a JSON object a line.
        venue: whose rows; None = what each file's name tells.
        symbol: of which instrument; None = what each file's name tells.
        keep_repeats: equal trades of one millisecond are trades of their own, not lines written twice.
        announce: told what a person should know besides.

    Raises:
        DataError: a file that is not there or holds no rows, or nothing tells whose they are.
        ConfigError: an unknown venue or instrument.
    """
    for path in files:
        tape = Tape(path)
        if tape.form != "rows":
            raise DataError(
                "archive-form", f"{str(path)!r} holds no rows but {tape.form}", hint="perpscope replay reads frames"
            )
        subject = cast(tape, venue, symbol, announce).rows_of
        if subject is None:
            raise DataError("archive-form", f"{str(path)!r} does not tell whose rows it holds", hint="--symbol NAME")
        yield from _import(manifest, path, tape, subject, keep_repeats)


def _import(manifest: Manifest, path: Path, tape: Tape, subject: Instrument, keep_repeats: bool) -> Iterator[Imported]:
    tapes, rejected = _tapes(tape, subject)
    name = sha256_of(path)[:12]
    for channel in dict.fromkeys(channel for by_channel in tapes for channel in by_channel):
        mine = [(number, by_channel[channel]) for number, by_channel in enumerate(tapes) if channel in by_channel]
        limit = silence_ns([times_of(events) for _, events in mine])
        holes: list[Hole] = []
        rows = added = 0
        for number, events in mine:
            table = _rows(channel, subject, events, keep_repeats)
            rows += len(events)
            symbol = SHARED if TABLES[channel].is_shared else subject.id.rpartition(".")[0]
            added += add_rows(manifest, channel, venue_of(subject.id), symbol, table)
            found = [Hole(number, *part) for part in silences(times_of(events), limit)]
            _vouch(manifest, f"{name}/{number}", Stream(channel, subject.id), times_of(events), found)
            holes += found
        yield Imported(
            str(path), channel, subject.id, rows, added, rows - added, rejected, len(mine), holes, limit / 1e9
        )


def silence_ns(tapes: Sequence[NDArray[np.int64]]) -> int:
    """How long a stream may say nothing, ns, by its own waits.

    >>> import numpy as np
    >>> silence_ns([np.arange(100) * 1_000_000_000]), silence_ns([np.arange(100) * 60_000_000_000])
    (60000000000, 300000000000)
    """
    waits = np.concatenate([np.diff(times) for times in tapes]) if tapes else np.zeros(0)
    return max(_LEAST_SILENCE_NS, int(_TIMES_P99 * np.percentile(waits, 99))) if len(waits) else _LEAST_SILENCE_NS


def silences(times: NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """Stretches between two rows (ns UTC, in order) longer than a limit."""
    longer = np.flatnonzero(np.diff(times) > limit)
    return [(int(times[at]), int(times[at + 1])) for at in longer]


def times_of(events: Sequence[InstrumentEvent]) -> NDArray[np.int64]:
    """When they happened, ns UTC, in order."""
    return np.sort(np.fromiter((event.ts_event for event in events), np.int64, len(events)))


def _tapes(tape: Tape, subject: Instrument) -> tuple[list[dict[Channel, list[InstrumentEvent]]], int]:
    """A file's events by tape and channel, and how many lines were no rows."""
    decoder = RowDecoder(subject)
    tapes: list[dict[Channel, list[InstrumentEvent]]] = [{}]
    newest, rejected = 0, 0
    for record in tape.records():
        try:
            decoded = decoder.decode(record.payload, record.ts_recv)
        except FrameError:
            rejected += 1
            continue
        for event in decoded if isinstance(decoded, list) else []:
            ts = event.ts_event  # type: ignore[union-attr]  # rows are events of an instrument
            if ts < newest - _BACK_NS:
                tapes.append({})
                newest = 0
            newest = max(newest, ts)
            channel = channel_of(event)  # type: ignore[arg-type]  # same
            if channel is not None:
                own = msgspec.structs.replace(event, ts_recv=ts)
                tapes[-1].setdefault(channel, []).append(own)  # type: ignore[arg-type]  # same
    return tapes, rejected


def _rows(channel: Channel, subject: Instrument, events: Sequence[InstrumentEvent], keep_repeats: bool) -> pa.Table:
    """One tape's rows; trades have no ids here, and none is made up."""
    table = TABLES[channel]
    if channel is Channel.TRADES:
        trades = [msgspec.structs.replace(event, trade_id="") for event in events if isinstance(event, Trade)]
        if not keep_repeats:
            trades = list({(t.ts_event, t.price, t.size, t.side): t for t in trades}.values())
        return in_order(whole([columns_of(table, trades)], subject.id), table)
    return in_order(whole([columns_of(table, events)], subject.id), table)


def _vouch(manifest: Manifest, tape: str, stream: Stream, times: NDArray[np.int64], holes: Sequence[Hole]) -> None:
    venue = venue_of(stream.instrument) if stream.instrument is not None else ""
    ends = int(times[0]), int(times[-1]) + 1
    with manifest.step():
        manifest.cover([CoveredRow(tape, venue, stream, Source.IMPORT, *ends)])
        manifest.miss(GapRow(tape, venue, stream, hole.ts_from, hole.ts_to, SILENCE) for hole in holes)

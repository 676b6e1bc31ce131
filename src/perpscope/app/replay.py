"""A recording through the real decoders, engine and store, and a report of what became of every frame."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from perpscope.app.replay_cast import Cast, cast
from perpscope.engine.engine import Engine
from perpscope.errors import DataError
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.replay import ReplayFeed
from perpscope.feeds.tape import Tape
from perpscope.model.market import Liquidation, Tick
from perpscope.ports import Sink
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import FeedState, FeedStatus, HeartStatus, StoreKind

#: If none of so many frames from the start decodes, and most are rejected, the recording is not of this venue.
_HOPELESS = 50
#: Rows that may wait for the store: a recording can wait, and must not lose what a market would have.
_MOST_PENDING = 20_000


class BookReport(msgspec.Struct, frozen=True):
    """Books against the venue's own best bid and ask, by update id, once after every applied diff or streamed book."""

    compared: int
    equal: int


class ReplayReport(msgspec.Struct, frozen=True):
    """What `perpscope replay --json` prints; frames = decoded + control + Σ ignored + rejected."""

    frames: int
    decoded: int
    control: int
    ignored: dict[str, int]
    rejected: int
    events: dict[str, int]
    gaps: int
    book: BookReport
    seconds: float
    venues: list[str] = []
    form: str = ""


def replay_tape(
    recording: Path,
    *,
    venue: str | None = None,
    symbol: str | None = None,
    database: Path | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> ReplayReport:
    """Replay a recording.

    Args:
        recording: file of any known form.
        venue: whose frames they are, whatever the file says; None = what its content and name tell.
        symbol: whose rows they are, where the file holds rows; else the one instrument to tell of. None = what the
            file's name tells, and all.
        database: store of kind "replay" to write; None = none.
        announce: told what a person should know besides.

    Raises:
        DataError: no file, or no recording of that venue.
        ConfigError: an unknown venue or instrument.
        StoreError: the store cannot be written.
    """
    started = time.perf_counter()
    found = cast(Tape(recording), venue, symbol, announce)
    if database is None:
        report = asyncio.run(_replay(found, None, started))
    else:
        store = SqliteStore.open(database, kind=StoreKind.REPLAY)
        try:
            report = asyncio.run(_replay(found, store, started))
            store.flush()
        finally:
            store.close()
    if found.tape.torn:
        announce(f"{recording} breaks off in the middle: what was whole has been replayed")
    return report


async def _replay(found: Cast, store: SqliteStore | None, started: float) -> ReplayReport:
    sinks: list[Sink] = [] if store is None else [store.sink()]
    engine = Engine(sinks=sinks, check_books=True, lpi_history=_history(found.tape, store))
    feed = found.feed()
    async for batch in feed.batches():
        _refuse_hopeless(found, feed, is_over=False)
        if store is not None:
            store.register(feed.new_instruments())
        for event in batch:
            engine.process(event)
            if store is not None and type(event) is Tick:
                _report(store, engine, event.ts_recv)
        if store is not None and store.pending_rows > _MOST_PENDING:
            await store.aflush()
    _refuse_hopeless(found, feed, is_over=True)
    compared, equal = engine.book_check()
    for event in feed.ending():
        engine.process(event)
    counts = feed.counts
    return ReplayReport(
        frames=counts.frames,
        decoded=counts.decoded,
        control=counts.control,
        ignored=dict(counts.ignored),
        rejected=counts.rejected,
        events={kind: n for kind, n in engine.counts.items() if n},
        gaps=engine.gaps,
        book=BookReport(compared, equal),
        seconds=round(time.perf_counter() - started, 3),
        venues=feed.venues,
        form=found.tape.form,
    )


def _history(tape: Tape, store: SqliteStore | None) -> list[Liquidation]:
    """Liquidations of the week before the recording begins, as far as the store has them."""
    first = next(tape.records(), None)
    if store is None or first is None:
        return []
    with SqliteReader.open(store.path) as reader:
        return list(reader.lpi_history(first.ts_recv))


def _report(store: SqliteStore, engine: Engine, now_ns: int) -> None:
    gaps = engine.gaps_by_channel
    feeds = [
        FeedStatus(venue, channel, FeedState.REPLAY, ts_last, events, gaps.get((venue, channel), 0))
        for (venue, channel), (events, ts_last) in engine.events_by_channel.items()
    ]
    store.report(feeds, HeartStatus(os.getpid(), now_ns, wall_ns(), 1.0, True))


def _refuse_hopeless(found: Cast, feed: ReplayFeed, *, is_over: bool) -> None:
    counts = feed.counts
    if found.is_certain:
        return
    if counts.decoded == 0 and counts.rejected > counts.frames / 2 and (is_over or counts.frames >= _HOPELESS):
        why = counts.samples[0][0]
        raise DataError(
            "recording-venue",
            f"{str(found.tape.path)!r}: not one of the first {counts.frames} frames is {found.home.name}'s ({why})",
            hint="name the right venue with --venue, or give another file",
        )

"""The map of one coin, kept: each venue's own, taken up where it was left, brought up to date from the store, put away.

A map made anew from the store and one that took its minutes as they came are the same to the last bit, as long as the
store has told a minute's rows when the minute is taken. What is asked for afterwards is not in a map that has passed
it; when that is a good deal, `is_outdated` says so and the map is made anew.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import levels
from perpscope.analytics.liqmap.arithmetic import Arithmetic
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS, Setting
from perpscope.analytics.liqmap.checkpoint import checkpoint, restore
from perpscope.analytics.liqmap.ladder import Ladder, Rung
from perpscope.analytics.liqmap.levels import Bins
from perpscope.analytics.liqmap.venue_map import State, VenueMap
from perpscope.app.liqmap.arithmetic import arithmetic
from perpscope.app.liqmap.bars import minute_bars
from perpscope.app.liqmap.parts import Gathered, Question, gather, round_width
from perpscope.app.liqmap.snapshots import SnappedVenue, pack, parameters_of, setting_of
from perpscope.app.totals.causal import Estimator
from perpscope.app.totals.feeds import coin_of
from perpscope.errors import DataError, StoreError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Source
from perpscope.model.stream import Channel
from perpscope.stores import kept_maps
from perpscope.stores.kept_maps import Array, Kept, KeptVenue, Rungs
from perpscope.stores.reader import SqliteReader
from perpscope.stores.snapshot_rows import Snapshot, folder_of
from perpscope.stores.status import StoreKind

#: The one profile and horizon that are kept; others are made when they are asked for.
PROFILE: Final = "calibrated"
HORIZON_MIN: Final = 60.0
#: How far either side of the mark a snapshot reaches, log price.
REACH: Final = 0.25
#: A map is made anew when so much of its past was asked for afterwards since it was made (chosen by hand).
_MUCH_FILLED_NS: Final = 10 * MINUTE_NS
#: A map that was put away longer ago than this before the newest bar is no help.
_FRESH_NS: Final = 30 * MINUTE_NS
#: Bars, two milliseconds or so, after which other threads have their turn.
_TURN: Final = 5
_PAST: Final = (Channel.CANDLES_1M, Channel.OPEN_INTEREST)


class KeptMap(msgspec.Struct, kw_only=True):
    """One venue's map, and how far it has come."""

    instrument: Instrument
    ladders: tuple[Ladder, ...]
    map: VenueMap
    since: int  #: ns UTC, where its bars begin
    until: int  #: ns UTC, up to where they are taken
    filled: int  #: ns of its past that had been asked for afterwards when it was made
    theirs: int = 0  #: ns UTC, up to where another instance took its minutes; 0 = none did
    low: float = float("inf")  #: lowest price since the last snapshot, quote per base
    high: float = 0.0

    @property
    def state(self) -> State | None:
        """Of its map; None before open interest was told."""
        return self.map.state


def begin(path: Path, reader: SqliteReader, symbol: str, end: int) -> list[KeptMap]:
    """Empty maps of every venue that has what it takes, to be brought up to date.

    Args:
        path: the store.
        reader: of it.
        symbol: a coin.
        end: ns UTC, now.

    Raises:
        PerpscopeError: nothing is known of it, or the store cannot be read.
    """
    question = Question(name=symbol, profile=PROFILE)
    try:
        gathered = gather(path, question, is_measured=True)
    except DataError:
        return []
    start = min(gathered.start, end)
    start -= start % MINUTE_NS
    return [
        KeptMap(
            instrument=part.feed.instrument,
            ladders=part.ladders,
            map=VenueMap(part.ladders),
            since=start,
            until=start,
            filled=filled_ns(reader, part.feed.instrument, start, end),
        )
        for part in gathered.parts
    ]


def advance(
    reader: SqliteReader,
    maps: Sequence[KeptMap],
    end: int,
    is_stopping: Callable[[], bool] = lambda: False,
    choose: Callable[[int], Arithmetic] = arithmetic,
) -> int:
    """Take the minutes from where the maps of a coin stand to a moment; other threads get their turn every few.

    Args:
        reader: the store.
        maps: of one coin.
        end: ns UTC.
        is_stopping: if so, no more are taken, and each map stands where it stands.
        choose: the arithmetic for so many bars × books.

    Returns:
        bars that were taken.
    """
    end -= end % MINUTE_NS
    count = 0
    estimators: dict[int, Estimator] = {}  # of those that stand at the same minute: nearly always all
    for kept in maps:
        if kept.until >= end:
            continue
        if kept.until not in estimators:
            estimators[kept.until] = Estimator(reader, coin_of(kept.instrument.id), kept.until, end)
        bars = minute_bars(reader, kept.instrument, kept.until, end, estimators[kept.until])
        kept.map.arithmetic = choose(len(bars) * len(kept.map.models))
        for bar in bars:
            if is_stopping():
                return count
            kept.map.take(bar)
            kept.until = bar.ts
            kept.low, kept.high = min(kept.low, bar.low), max(kept.high, bar.high)
            count += 1
            if count % _TURN == 0:
                time.sleep(0.0)
        kept.until = end
    return count


def filled_ns(reader: SqliteReader, instrument: Instrument, since: int, until: int) -> int:
    """How much of an instrument's prices and open interest was asked for afterwards, of a stretch of time; ns."""
    total = 0
    for channel in _PAST:
        for row in reader.coverage(instrument.venue, "covered", channel, since, until):
            if row.source is Source.BACKFILL and row.instrument in {None, instrument.id} and row.ts_to is not None:
                total += max(min(row.ts_to, until) - max(row.ts_from, since), 0)
    return total


def is_outdated(reader: SqliteReader, kept: KeptMap) -> bool:
    """Whether a good deal of what the map has passed was told only after it had."""
    since = max(kept.since, kept.theirs)
    return filled_ns(reader, kept.instrument, since, kept.until) > kept.filled + _MUCH_FILLED_NS


def put_away(folder: Path, symbol: str, maps: Sequence[KeptMap]) -> int:
    """Write the maps of a symbol to its file; bytes.

    Raises:
        OSError: it cannot be written; the one before is as it was.
    """
    ready = [kept for kept in maps if kept.state is not None]
    header = Kept(
        symbol=symbol,
        profile=PROFILE,
        setting=setting_of(Setting()),
        venues=[
            KeptVenue(
                instrument=kept.instrument.id,
                since=kept.since,
                until=kept.until,
                filled=kept.filled,
                theirs=kept.theirs,
                ladders=[_rungs(ladder) for ladder in kept.ladders],
                inflows=list(dict.fromkeys(model.inflow for model in kept.map.models)),
            )
            for kept in ready
        ],
    )
    return kept_maps.save(folder, header, [_arrays(kept) for kept in ready])


def take_up(reader: SqliteReader, symbol: str, known: Mapping[InstrumentId, Instrument]) -> list[KeptMap] | None:
    """The maps of a symbol as they were put away; None if none were, or by other constants, or of another database.

    Args:
        reader: the store beside which they are; it must hold the last minute that each map took.
        symbol: a coin.
        known: instruments that are meant.

    Raises:
        StoreError: "map-kept-broken".
    """
    found = kept_maps.load(folder_of(reader.path), symbol)
    maps = None if found is None else restored(*found, known)
    return maps if maps is not None and all(is_of(reader, kept) for kept in maps) else None


def restored(
    kept: Kept, arrays: Sequence[Mapping[str, Array]], known: Mapping[InstrumentId, Instrument]
) -> list[KeptMap] | None:
    """Maps as they were put away, of the instruments that are meant; None if they were made by other constants.

    Raises:
        StoreError: "map-kept-broken": they do not fit together.
    """
    if kept.setting != setting_of(Setting()) or kept.profile != PROFILE:
        return None
    try:
        return [
            _restored(header, of_venue, known[InstrumentId(header.instrument)])
            for header, of_venue in zip(kept.venues, arrays, strict=True)
            if header.instrument in known
        ]
    except (KeyError, IndexError, ValueError) as error:
        raise StoreError("map-kept-broken", f"the kept map of {kept.symbol} cannot be taken up: {error}") from error


def is_of(reader: SqliteReader, kept: KeptMap, within: float = 0.0) -> bool:
    """Whether a store holds the last minute a map took, at the same price: a restored or new one may not.

    Args:
        reader: the store.
        kept: the map.
        within: how far off the price may be, as a share: another instance's store told it from other rows.
    """
    state = kept.state
    assert state is not None  # noqa: S101 -- it was restored
    bars = minute_bars(reader, kept.instrument, state.ts - MINUTE_NS, state.ts)
    return bool(bars) and abs(bars[-1].close - state.mark) <= within * state.mark


def snapshot(symbol: str, maps: Sequence[KeptMap], ts: int, kind: StoreKind) -> Snapshot | None:
    """The map of all venues as it is published; None before there is one. The span of prices begins anew.

    Args:
        symbol: whose.
        maps: of each venue.
        ts: ns UTC, of the snapshot.
        kind: of the data.
    """
    ready = [kept for kept in maps if kept.state is not None]
    if not ready:
        return None
    bins, width = published(ready)
    reference = _reference(ready)
    mark = bins.mark
    span = (min(reference.low, mark), max(reference.high, mark))
    for kept in ready:
        kept.low, kept.high = float("inf"), 0.0
    told = [
        SnappedVenue(
            instrument=kept.instrument.id,
            since=kept.since,
            until=state.ts,
            mark=state.mark,
            open_interest=state.open_interest,
        )
        for kept in ready
        if (state := kept.state) is not None
    ]
    return Snapshot(
        ts=ts,
        symbol=symbol,
        data=kind.value,
        venues=tuple(kept.instrument.venue for kept in ready),
        formula="method",
        profile=PROFILE,
        parameters=parameters_of(Setting(), [kept.ladders for kept in ready]),
        payload=pack(bins, width, horizon_min=HORIZON_MIN, span=span, venues=told),
    )


def published(maps: Sequence[KeptMap]) -> tuple[Bins, float]:
    """The bins of all venues around the mark of the one with most open interest, and their width (quote units)."""
    state = _reference(maps).state
    assert state is not None  # noqa: S101 -- the reference has most open interest
    width = round_width(state.mark)
    edges = levels.edges_around(state.mark, width=width, reach=REACH)
    laid = [levels.levels(kept.map, horizon_min=HORIZON_MIN) for kept in maps]
    return levels.binned(laid, edges, state.mark), width


def taken_up(path: Path, question: Question, gathered: Gathered) -> Gathered | None:
    """What was gathered, with the maps that the heart keeps, brought up to date; None where they are no help.

    Args:
        path: the store.
        question: what is asked; kept are coins, by the default profile, lookback and formula.
        gathered: venues with maps that have taken nothing.
    """
    plain = Question(name=question.name)
    same = (question.profile, question.formula, question.lookback_h) == (PROFILE, plain.formula, plain.lookback_h)
    known = {part.feed.instrument.id: part.feed.instrument for part in gathered.parts}
    symbols = {part.feed.instrument.asset for part in gathered.parts}
    if not same or question.explained is not None or symbols != {question.name.upper()}:
        return None
    with SqliteReader.open(path) as reader:
        try:
            maps = take_up(reader, question.name.upper(), known)
        except StoreError:
            return None
        return _brought_up(reader, gathered, maps or [])


def _brought_up(reader: SqliteReader, gathered: Gathered, maps: Sequence[KeptMap]) -> Gathered | None:
    """What was gathered with these maps, up to the newest bar; None if they are not of all venues, or old."""
    by_name = {kept.instrument.id: kept for kept in maps}
    known = {part.feed.instrument.id for part in gathered.parts}
    newest = max(part.feed.bars[-1].ts for part in gathered.parts)
    if by_name.keys() != known or any(newest - kept.until > _FRESH_NS for kept in by_name.values()):
        return None
    advance(reader, list(by_name.values()), newest)
    parts = [
        msgspec.structs.replace(part, ladders=kept.ladders, map=kept.map)
        for part in gathered.parts
        if (kept := by_name[part.feed.instrument.id]).state is not None
    ]
    if not parts:
        return None
    since = min(kept.since for kept in by_name.values())
    note = f"kept current by the collector, {(newest - since) / HOUR_NS:,.0f} h of minutes; other options make it anew"
    return msgspec.structs.replace(gathered, parts=parts, notes=[*gathered.notes, note])


def _reference(maps: Sequence[KeptMap]) -> KeptMap:
    return max(maps, key=lambda kept: 0.0 if kept.state is None else kept.state.open_interest)


def _rungs(ladder: Ladder) -> Rungs:
    rungs = ladder.rungs
    return Rungs(
        ladder.family,
        [rung.name for rung in rungs],
        [rung.leverage for rung in rungs],
        [rung.notional_usd for rung in rungs],
        ladder.tilted,
    )


def _arrays(kept: KeptMap) -> dict[str, Array]:
    found: dict[str, Array] = dict(checkpoint(kept.map))
    for at, ladder in enumerate(kept.ladders):
        found[f"ladder{at}_offsets"], found[f"ladder{at}_weights"] = ladder.offsets, ladder.weights
    return found


def _restored(header: KeptVenue, arrays: Mapping[str, Array], instrument: Instrument) -> KeptMap:
    ladders = tuple(
        Ladder(
            told.family,
            tuple(map(Rung, told.names, told.leverages, told.notionals_usd)),
            np.asarray(arrays[f"ladder{at}_offsets"], np.float64),
            np.asarray(arrays[f"ladder{at}_weights"], np.float64),
            told.tilted,
        )
        for at, told in enumerate(header.ladders)
    )
    venue = VenueMap(ladders, Setting(), header.inflows)
    restore(venue, arrays)
    return KeptMap(
        instrument=instrument,
        ladders=ladders,
        map=venue,
        since=header.since,
        until=header.until,
        filled=header.filled,
        theirs=header.theirs,
    )

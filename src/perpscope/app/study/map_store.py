"""What a store holds as tapes for the map's scorecard: complete liquidation feeds only, and what was seen of them.

In: a store, coins. Out: windows, and what is missing. A feed that tells one liquidation a second cannot say where the
others were, so its venue is not scored (METHOD 10.2); Bybit's is complete.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics import margin_venues
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS, Bar
from perpscope.analytics.liqmap.ladder import distance_ladder, leverage_ladder
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.windows import Window
from perpscope.app.coverage import PUBLISHED
from perpscope.app.liqmap.bars import Feed, read_feed
from perpscope.app.margin_tables import find_table
from perpscope.app.perpetuals import perpetuals
from perpscope.app.status import market_now
from perpscope.app.study.map_tapes import Forced, Tape
from perpscope.app.study.map_windows import BURN_IN_NS, HORIZONS, windows
from perpscope.errors import TooLittle
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness, Interval, Liquidation, PositionSide
from perpscope.model.stream import Channel
from perpscope.stores.ledger import spans_of
from perpscope.stores.reader import SqliteReader

_EVERYTHING: Final = 2**40
_LONGEST_NS: Final = 90 * DAY_NS
#: A market is tried if its bars span so much: the burn-in, and two days to fit and to score.
_LEAST_NS: Final = BURN_IN_NS + 2 * DAY_NS
NOT_SEEN: Final = "liquidations not seen throughout"


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of a store."""

    windows: dict[int, list[Window]]
    unseen: dict[int, dict[str, int]]  #: by horizon: sides of windows whose liquidations were not seen, by reason
    markets: list[str]
    left_out: list[str]  #: and why
    from_ns: int
    to_ns: int
    coverage: float  #: of the time
    bar_minutes: int  #: the longest


class _Market(msgspec.Struct, frozen=True):
    feed: Feed
    tape: Tape
    seen: list[tuple[int, int]]  #: ns UTC


def score_store(path: Path, names: list[str]) -> Scored:
    """Windows of every complete feed of the coins asked for.

    Raises:
        ConfigError: the store knows no such perpetual.
        DataError: there is no such store.
        TooLittle: no market in it can be scored.
        StoreError: it cannot be read.
    """
    markets: list[_Market] = []
    left_out: list[str] = []
    with SqliteReader.open(path) as reader:
        now = market_now(reader.heart(), reader.kind)
        listed = [i for i in reader.instruments() if i.venue in margin_venues.VENUES]
        for name in names:
            for instrument in perpetuals(name, listed, multiplied=False):
                where = f"{instrument.symbol} on {instrument.venue}"
                if PUBLISHED.get(instrument.venue) is not Completeness.COMPLETE:
                    left_out.append(f"{where}: its liquidation feed is not complete")
                    continue
                found = _market(reader, instrument, now, path)
                if found is None:
                    left_out.append(f"{where}: less than {_LEAST_NS / DAY_NS:g} days of prices and open interest")
                else:
                    markets.append(found)
    if not markets:
        raise TooLittle(
            "score-too-little",
            f"nothing to score the map with: {'; '.join(left_out)}",
            hint="collect Bybit for three days or more: its liquidation feed is complete",
        )
    made, unseen = _seen_windows(markets)
    return Scored(
        windows=made,
        unseen={h: {NOT_SEEN: count} for h, count in unseen.items()},
        markets=[market.feed.instrument.id for market in markets],
        left_out=left_out,
        from_ns=min(market.tape.bars[0].ts for market in markets),
        to_ns=max(market.tape.bars[-1].ts for market in markets),
        coverage=float(np.mean([market.feed.liquidations_share for market in markets])),
        bar_minutes=max(round(np.diff([bar.ts for bar in m.tape.bars]).min() / MINUTE_NS) for m in markets),
    )


def _seen_windows(markets: list[_Market]) -> tuple[dict[int, list[Window]], dict[int, int]]:
    """Windows by horizon whose liquidations were seen throughout, and how many were not."""
    made: dict[int, list[Window]] = {h: [] for h in HORIZONS}
    unseen = dict.fromkeys(HORIZONS, 0)
    for number, market in enumerate(markets):
        for h, found in windows(number, [market.tape]).items():
            seen = [one for one in found if _is_seen(market.seen, one.ts, one.ts + h * MINUTE_NS)]
            made[h] += seen
            unseen[h] += len(found) - len(seen)
    return made, unseen


def _market(reader: SqliteReader, instrument: Instrument, now: int, path: Path) -> _Market | None:
    start = max(_first(reader, instrument), now - _LONGEST_NS)
    feed = read_feed(reader, instrument, start, now)
    bars = feed.bars
    known = [at for at, bar in enumerate(bars) if not np.isnan(bar.open_interest)]
    if not known or bars[-1].ts - bars[known[0]].ts < _LEAST_NS:
        return None
    bars = bars[known[0] :]
    events = [e for e in reader.liquidations(instrument.symbol, start, _EVERYTHING) if e.instrument == instrument.id]
    _, table = find_table(instrument, None, path)
    terms = margin_venues.terms_of(instrument.venue, instrument.contract)
    lows = {
        c.ts_open // MINUTE_NS: (c.low, c.high) for c in reader.candles(instrument.id, Interval.M1, start, _EVERYTHING)
    }
    told = _forced(events, [e.ts_recv for e in events], lows)
    tape = Tape(
        venue=instrument.venue,
        ladders=(distance_ladder(), leverage_ladder(table, terms, price=bars[-1].close)),
        bars=list(_as_received(bars, events)),
        bought=np.full(len(bars), 0.5),
        told=told,
        forced=_forced(events, [e.ts_event for e in events], lows),
        truth={},
    )
    rows = reader.coverage(instrument.venue, channel=Channel.LIQUIDATIONS, since_ns=start, until_ns=now)
    mine = [row for row in rows if row.instrument in {None, instrument.id}]
    seen = [(span.start, span.end) for span in spans_of(mine, start, now) if span.source is not None]
    return _Market(feed, tape, seen)


def _first(reader: SqliteReader, instrument: Instrument) -> int:
    """When the first minute with a price began, ns UTC; 0 if there is none."""
    candles = reader.candles(instrument.id, Interval.M1, 0, _EVERYTHING)
    return candles[0].ts_open if candles else 0


def _as_received(bars: list[Bar], events: list[Liquidation]) -> Iterator[Bar]:
    """Bars whose liquidations are those received by their end, where they were seen at all."""
    ends = np.array([bar.ts for bar in bars], np.int64)
    amounts = np.zeros((2, ends.size))
    for event in events:
        at = int(np.searchsorted(ends, event.ts_recv))
        if at < ends.size:
            amounts[0 if event.position_side is PositionSide.LONG else 1, at] += event.size
    for bar, long, short in zip(bars, *amounts.tolist(), strict=True):
        if np.isnan(bar.liquidated_long):
            yield bar
        else:
            yield msgspec.structs.replace(bar, liquidated_long=long, liquidated_short=short)


def _forced(events: list[Liquidation], stamps: list[int], minutes: dict[int, tuple[float, float]]) -> Forced:
    """Where a map would have them: the adverse extreme of their minute, else the price they were told at.

    Bybit tells the bankruptcy price, which lies beyond the price that triggered it.
    """
    order = np.argsort(np.array(stamps, np.int64), kind="stable")
    rows = [(stamps[at], *_place(events[at], minutes)) for at in order.tolist()]
    table = np.array([row[1:] for row in rows]).reshape(-1, 3)
    ts: NDArray[np.int64] = np.array([row[0] for row in rows], np.int64)
    usd: Floats = table[:, 2]
    return Forced(ts=ts, side=table[:, 0].astype(np.int64), price=table[:, 1], usd=usd)


def _place(event: Liquidation, minutes: dict[int, tuple[float, float]]) -> tuple[int, float, float]:
    side = 0 if event.position_side is PositionSide.LONG else 1
    extremes = minutes.get(event.ts_event // MINUTE_NS)
    price = event.price if extremes is None else extremes[side]
    return side, price, event.size * price


def _is_seen(seen: list[tuple[int, int]], start: int, end: int) -> bool:
    """One stretch holds all of it."""
    return any(first <= start and end <= last for first, last in seen)

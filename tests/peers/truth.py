"""What really happened on a lab's market, told once more from its seed: what clients saw is compared with this.

Nothing of a wire is in it: base units, quote per base, the market's own events. Times are UTC milliseconds, as clients
give them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from heapq import nlargest, nsmallest
from typing import Any

import pytest

from perpscope.lab.dialect import dialect
from perpscope.lab.market import Market
from perpscope.lab.quotations import Census, Funding
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Quote,
    Side,
    Trade,
)

_NS_PER_MS = 1_000_000
_PAST_NS = 36 * 86_400_000_000_000  #: more than a market tells of before its start
_MINUTE_NS = 60_000 * _NS_PER_MS
_DEPTH = 10
_DIGITS = 9  # prices and sizes carry fewer

Print = tuple[int, float, float, str]  #: ms, price, base units, "buy" or "sell"
Levels = list[tuple[float, float]]  #: price and size, best first


def _exact(value: float) -> float:
    return round(value, _DIGITS)


class Truth:
    """One perpetual of a seeded market, up to a moment.

    Args:
        instrument: which.
        market: its history is asked for what began before the start.
        events: everything that happened to it, in order.
    """

    def __init__(self, instrument: Instrument, market: Market, events: Iterable[Any]) -> None:
        self.instrument = instrument
        self.events = list(events)
        holdings = market.holdings(instrument.symbol)
        past = market.ts_start - _PAST_NS, market.ts_start + _PAST_NS
        self.fundings: Sequence[Funding] = holdings.fundings(*past)
        self.censuses: Sequence[Census] = holdings.periods(5 * _MINUTE_NS, *past)
        self.hours: Sequence[Census] = holdings.periods(60 * _MINUTE_NS, *past)

    def of(self, kind: type[Any]) -> list[Any]:
        """Its events of a kind."""
        return [event for event in self.events if type(event) is kind]

    @cached_property
    def trades(self) -> list[Print]:
        """Every trade, in order."""
        return [
            (e.ts_event // _NS_PER_MS, _exact(e.price), _exact(e.size), "buy" if e.side is Side.BUY else "sell")
            for e in self.of(Trade)
        ]

    @cached_property
    def quotes(self) -> set[tuple[float, float, float, float]]:
        """Every best bid and ask there was: price, size, price, size."""
        return {(_exact(e.bid), _exact(e.bid_size), _exact(e.ask), _exact(e.ask_size)) for e in self.of(Quote)}

    @cached_property
    def liquidations(self) -> dict[tuple[int, float, PositionSide], tuple[float | None, float | None]]:
        """Fill and bankruptcy price of every liquidation, by ms, base units, whose position."""
        return {
            (e.ts_event // _NS_PER_MS, _exact(e.size), e.position_side): (e.fill_price, e.bankruptcy_price)
            for e in self.of(Liquidation)
        }

    @cached_property
    def marks(self) -> dict[int, MarkPrice]:
        """The mark of each second, by ms."""
        return {e.ts_event // _NS_PER_MS: e for e in self.of(MarkPrice)}

    @cached_property
    def open_interests(self) -> dict[int, float]:
        """Base units, one side, at each second and at the end of each five minutes, by ms."""
        counted = {e.ts_event // _NS_PER_MS: e.open_interest for e in self.of(OpenInterest)}
        return {census.ts // _NS_PER_MS: census.open_interest for census in self.censuses} | counted

    def candles(self, interval: Interval) -> dict[int, set[tuple[float, ...]]]:
        """Every state each candle was in: open, high, low, close, base volume, reckoned from trades; by opening ms."""
        opens = {e.ts_open // _NS_PER_MS: e.open for e in self.of(Candle) if e.interval is interval}
        length = interval.ns // _NS_PER_MS
        states: dict[int, set[tuple[float, ...]]] = defaultdict(set)
        for opened, first in opens.items():
            high = low = first
            volume = 0.0
            for flat in (
                first,
                *[price for ms, price, _, _ in self.trades if ms < opened][-1:],
            ):  # before its first trade
                states[opened].add((flat, flat, flat, flat, volume))
            for ms, price, size, _ in self.trades:
                if opened <= ms < opened + length:
                    high, low, volume = max(high, price), min(low, price), volume + size
                    states[opened].add((first, high, low, price, round(volume, 5)))
        return states

    def books(self, wanted: Sequence[int], window_ms: int, after_ms: int = 0) -> dict[int, list[tuple[Levels, Levels]]]:
        """The best ten levels as they were from `window_ms` before each wanted moment until `after_ms` after it."""
        bids: dict[float, float] = {}
        asks: dict[float, float] = {}
        found: dict[int, list[tuple[Levels, Levels]]] = {ms: [] for ms in wanted}
        pending = sorted(set(wanted))
        changes = [e for e in self.events if isinstance(e, BookDelta | BookSnapshot)]
        for number, event in enumerate(changes):
            if isinstance(event, BookSnapshot):
                bids.clear()
                asks.clear()
            _apply(bids, event.bids)
            _apply(asks, event.asks)
            ms = event.ts_event // _NS_PER_MS
            end = changes[number + 1].ts_event // _NS_PER_MS if number + 1 < len(changes) else ms + window_ms
            near = [at for at in pending if ms <= at + after_ms and end > at - window_ms]
            if near:
                top = nlargest(_DEPTH, bids.items()), nsmallest(_DEPTH, asks.items())
                for at in near:
                    found[at].append(top)
        return found


def truths(venue: str, seed: int, ts_start: int, bases: Sequence[str], until_ns: int) -> dict[str, Truth]:
    """Everything that happened on the lab of this seed and start until a moment, by base."""
    wire = dialect(venue)
    market = Market(seed, ts_start, tuple(bases), wire=wire)
    events: dict[str, list[Any]] = defaultdict(list)
    for _, event in market.events(until_ns):
        events[event.instrument].append(event)
    instruments = [listing.instrument for listing in market.listings]
    return {
        base: Truth(instrument, market, events[instrument.id])
        for base, instrument in zip(bases, instruments, strict=True)
    }


def is_run_of(seen: Sequence[Print], all_of_them: Sequence[Print], within_ms: int = 0) -> bool:
    """True if what was seen is an unbroken run of what happened, in order.

    Neighbours of one price and side count as one, because venues split and join trades as they like; the first and
    last may have been cut and are not compared.

    Args:
        seen: what a client was told, oldest first.
        all_of_them: what happened.
        within_ms: how far from its moment a venue may stamp a trade.
    """
    run, whole = _joined(seen)[1:-1], _joined(all_of_them)
    return bool(run) and any(
        all(
            mine[1:] == true[1:] and abs(mine[0] - true[0]) <= within_ms
            for mine, true in zip(run, whole[start:], strict=False)
        )
        for start in range(len(whole) - len(run) + 1)
    )


def _joined(prints: Sequence[Print]) -> list[Print]:
    joined: list[Print] = []
    for ms, price, size, side in prints:
        if joined and (joined[-1][1], joined[-1][3]) == (price, side):
            first_ms, _, so_far, _ = joined.pop()
            joined.append((first_ms, price, _exact(so_far + size), side))
        else:
            joined.append((ms, price, size, side))
    return joined


def is_near(value: float, among: Iterable[float], within: float) -> bool:
    """True if a value is one of these, but for how it was rounded."""
    return any(value == pytest.approx(one, abs=within, rel=1e-9) for one in among)


def _apply(side: dict[float, float], levels: Iterable[tuple[float, float]]) -> None:
    for price, size in levels:
        if size:
            side[_exact(price)] = _exact(size)
        else:
            side.pop(_exact(price), None)

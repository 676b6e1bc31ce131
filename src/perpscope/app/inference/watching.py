"""What is known of an instrument beside its candles, gathered on the event loop: cheap, once a second, no event kept.

In: the market's state at each Tick, and liquidations, ratios and fundings as they are told. Out: the `Minute` of a
closed candle: the newest word of every source, with its age at the close.
"""

from collections import deque
from math import log, nan
from typing import Final

import numpy as np

from perpscope.analytics.features.told import COLUMN, INPUTS, MINUTE_NS, SOURCE, SOURCES
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.inference.brain import Minute
from perpscope.engine.state import InstrumentState
from perpscope.model.market import (
    AccountRatio,
    Candle,
    FundingPaid,
    Level,
    Liquidation,
    MarketEvent,
    PositionSide,
    RatioKind,
)
from perpscope.model.order import Clusters

_SECOND_NS: Final = 1_000_000_000
#: Samples of imbalances that are averaged, seconds; levels of a side that are read.
_SAMPLES: Final = 10
_LEVELS: Final = 50
_EIGHT_H: Final = 8.0
_BANDS: Final = (10.0, 50.0)
_KINDS: Final = {RatioKind.ALL_ACCOUNTS: "accounts", RatioKind.TOP_POSITIONS: "top"}


class Watch:
    """One instrument's."""

    def __init__(self) -> None:
        self._values = np.full(len(INPUTS), np.nan)
        self._at = np.zeros(len(SOURCES), np.int64)  # ns UTC, when a source spoke last; 0 = never
        self._imbalances: deque[tuple[float, float, float]] = deque(maxlen=_SAMPLES)
        self._best: tuple[float, float, float, float] | None = None
        self._flow = self._depth = 0.0
        self._seconds = 0
        self._liquidated: dict[int, list[float]] = {}  # minute → dollars of longs and shorts
        self._interval_h = _EIGHT_H

    def told(self, event: MarketEvent | Clusters) -> None:
        """Take what is not in the market's state: liquidations, ratios, fundings that were paid, the map's clusters."""
        match event:
            case Liquidation():
                self.is_heard(event.ts_recv)
                if event.notional_usd == event.notional_usd:
                    dollars = self._liquidated.setdefault(event.ts_event // MINUTE_NS, [0.0, 0.0])
                    dollars[event.position_side is PositionSide.SHORT] += event.notional_usd
            case AccountRatio() if event.kind in _KINDS and 0.0 < event.long_fraction < 1.0:
                self._set(_KINDS[event.kind], log(event.long_fraction / (1.0 - event.long_fraction)), event.ts_recv)
            case FundingPaid():
                self._set("funding_paid", event.funding_rate * _EIGHT_H / self._interval_h, event.ts_recv)
            case Clusters():
                for name in ("above", "below"):
                    price = getattr(event, f"{name}_price")
                    self._set(name, nan if price is None else price, event.ts_recv)
                    self._set(f"{name}_usd", getattr(event, f"{name}_usd"), event.ts_recv)
                self._set("pull", event.pull, event.ts_recv)
            case _:
                return

    def is_heard(self, ts: int) -> None:
        """The venue's liquidations are heard: a minute without one of this instrument had none."""
        self._at[SOURCE["liquidations"]] = ts

    def second(self, now: int, state: InstrumentState) -> None:
        """Look at the market, once a second (ns UTC)."""
        self._book(now, state)
        mark, interest = state.last_mark, state.last_open_interest
        if mark is not None:
            self._interval_h = mark.funding_interval_h or self._interval_h
            self._set("mark", mark.mark, mark.ts_recv)
            self._set("index", nan if mark.index is None else mark.index, mark.ts_recv)
            rate = nan if mark.funding_rate is None else mark.funding_rate * _EIGHT_H / self._interval_h
            self._set("funding", rate, mark.ts_recv)
            due = mark.ts_next_funding
            self._set("to_funding", nan if due is None else max(0.0, (due - now) / MINUTE_NS), mark.ts_recv)
        if interest is not None:
            self._set("open_interest", interest.open_interest, interest.ts_recv)

    def minute(self, candle: Candle, lead_close: float | None) -> Minute:
        """What was known of a closed candle.

        Args:
            candle: of one minute, closed.
            lead_close: bitcoin's close of the same minute; None = not known, or this is bitcoin.
        """
        close = candle.ts_open + MINUTE_NS
        self._liquidations(close)
        values = self._values.copy()
        own = (candle.close, candle.high, candle.low, candle.volume, candle.taker_buy_volume)
        for name, value in zip(("close", "high", "low", "volume", "taker_buy"), own, strict=True):
            values[COLUMN[name]] = nan if value is None else value
        values[COLUMN["order_flow"]] = self._flow / self._depth * self._seconds if self._depth > 0.0 else nan
        values[COLUMN["lead_close"]] = nan if lead_close is None else lead_close
        self._flow = self._depth = 0.0
        self._seconds = 0
        ages: Floats = np.where(self._at > 0, np.maximum(close - self._at, 0) / 1e9, np.nan)
        ages[SOURCE["candle"]] = 0.0
        ages[SOURCE["lead"]] = nan if lead_close is None else 0.0
        return Minute(close, candle.open, values, ages)

    def _set(self, name: str, value: float, ts: int) -> None:
        self._values[COLUMN[name]] = value
        self._at[SOURCE[INPUTS[name]]] = ts

    def _liquidations(self, close: int) -> None:
        minute = close // MINUTE_NS - 1
        long, short = self._liquidated.get(minute, (0.0, 0.0))
        is_heard = self._at[SOURCE["liquidations"]] > 0
        self._values[COLUMN["liquidated_long"]] = long if is_heard else nan
        self._values[COLUMN["liquidated_short"]] = short if is_heard else nan
        self._liquidated = {at: dollars for at, dollars in self._liquidated.items() if at > minute}

    def _book(self, now: int, state: InstrumentState) -> None:
        bids, asks = state.book.bids(_LEVELS), state.book.asks(_LEVELS)
        if not bids or not asks:
            self._best = None
            return
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        mid = 0.5 * (bid + ask)
        self._imbalances.append((_imbalance(bids, asks, 1), _imbalance(bids, asks, 5), _imbalance(bids, asks, 10)))
        for at, name in enumerate(("imbalance_1", "imbalance_5", "imbalance_10")):
            self._set(name, sum(sample[at] for sample in self._imbalances) / len(self._imbalances), now)
        self._set("spread_bps", (ask - bid) / mid * 1e4, now)
        self._set("micro_bps", ((bid * ask_size + ask * bid_size) / (bid_size + ask_size) / mid - 1.0) * 1e4, now)
        for name, band in zip(("depth_10", "depth_50"), _BANDS, strict=True):
            reach = mid * band * 1e-4
            self._set(name, sum(price * size for price, size in (*bids, *asks) if abs(price - mid) <= reach), now)
        self._note(bid, bid_size, ask, ask_size)

    def _note(self, bid: float, bid_size: float, ask: float, ask_size: float) -> None:
        """Order-flow imbalance of the best levels (Cont, Kukanov & Stoikov 2014), from one second to the next."""
        if self._best is not None:
            was_bid, was_bid_size, was_ask, was_ask_size = self._best
            self._flow += bid_size * (bid >= was_bid) - was_bid_size * (bid <= was_bid)
            self._flow += was_ask_size * (ask >= was_ask) - ask_size * (ask <= was_ask)
        self._depth += 0.5 * (bid_size + ask_size)
        self._seconds += 1
        self._best = (bid, bid_size, ask, ask_size)


def _imbalance(bids: list[Level], asks: list[Level], levels: int) -> float:
    bid, ask = sum(size for _, size in bids[:levels]), sum(size for _, size in asks[:levels])
    return (bid - ask) / (bid + ask)

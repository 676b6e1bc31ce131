"""Candles as an exchange makes them: from its own trades, on the grid of the clock, empty ones included.

In: trades and the passing of interval ends. Out: forming and closed candles of every interval, of one symbol.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, Side, Trade

KEPT = 1500  #: closed candles told without saying which, as many as one REST call may ask for
_REMEMBERED = 3 * KEPT  # closed candles per interval: three market days of minutes


class _Bar(msgspec.Struct, gc=False):
    """A candle in the making."""

    ts_open: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    quote_volume: float = 0.0
    trades: int = 0
    taker_buy_volume: float = 0.0
    taker_buy_quote_volume: float = 0.0

    def absorb(self, later: "_Bar") -> None:
        """Add a later bar within the same interval."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote_volume += later.taker_buy_quote_volume


class CandleStack:
    """The forming minute of one symbol, and the longer intervals it adds up to.

    Args:
        instrument: whose candles.
        ts_start: ns UTC, where they begin.
        price: the first open, quote per base.
        before: minutes from the start of the hour to there, oldest first, for the longer candles to begin with.
    """

    def __init__(self, instrument: InstrumentId, ts_start: int, price: float, before: Sequence[Candle] = ()) -> None:
        self._instrument = instrument
        self._minute = _flat(Interval.M1, ts_start, price)
        self._longer = {
            interval: _flat(interval, ts_start, price) for interval in Interval if interval is not Interval.M1
        }
        self._closed: dict[Interval, deque[Candle]] = {interval: deque(maxlen=_REMEMBERED) for interval in Interval}
        for minute in before:
            for bar in self._longer.values():
                if minute.ts_open >= bar.ts_open:
                    _add(bar, _bar(minute))

    def trade(self, trade: Trade) -> None:
        """Count a trade into the forming minute."""
        bar, price, size = self._minute, trade.price, trade.size
        if bar.trades == 0:
            bar.open = bar.high = bar.low = price
        bar.high = max(bar.high, price)
        bar.low = min(bar.low, price)
        bar.close = price
        bar.volume += size
        bar.quote_volume += price * size
        bar.trades += 1
        if trade.side is Side.BUY:
            bar.taker_buy_volume += size
            bar.taker_buy_quote_volume += price * size

    def close_minute(self, ts: int) -> list[Candle]:
        """End the minute at `ts`, and each longer interval that ends with it; shortest first."""
        for bar in self._longer.values():
            _add(bar, self._minute)
        closed = [self._candle(Interval.M1, self._minute, ts, is_closed=True)]
        for interval, bar in self._longer.items():
            if ts % interval.ns == 0:
                closed.append(self._candle(interval, bar, ts, is_closed=True))
                self._longer[interval] = _flat(interval, ts, bar.close)
        self._minute = _flat(Interval.M1, ts, self._minute.close)
        for candle in closed:
            self._closed[candle.interval].append(candle)
        return closed

    def forming(self, ts: int) -> list[Candle]:
        """The state of each forming candle at `ts`, shortest first."""
        candles = [self._candle(Interval.M1, self._minute, ts, is_closed=False)]
        for interval, bar in self._longer.items():
            whole = msgspec.structs.replace(bar)
            _add(whole, self._minute)
            candles.append(self._candle(interval, whole, ts, is_closed=False))
        return candles

    def history(self, interval: Interval, ts: int) -> Sequence[Candle]:
        """Closed candles, the newest 1500, oldest first, then the forming one."""
        closed = self._closed[interval]
        return [*islice(closed, max(0, len(closed) - KEPT), None), self._forming_at(interval, ts)]

    def between(self, interval: Interval, ts: int, ts_from: int, ts_to: int) -> list[Candle]:
        """Those opened in [ts_from, ts_to), oldest first, the forming one as of `ts` among them."""
        closed = self._closed[interval]
        begin = bisect_left(closed, ts_from, key=_opened) if closed else 0
        end = bisect_left(closed, ts_to, key=_opened) if closed else 0
        forming = self._forming_at(interval, ts)
        return [*islice(closed, begin, end), *([forming] if ts_from <= forming.ts_open < ts_to else [])]

    def _forming_at(self, interval: Interval, ts: int) -> Candle:
        return next(candle for candle in self.forming(ts) if candle.interval is interval)

    def _candle(self, interval: Interval, bar: _Bar, ts: int, *, is_closed: bool) -> Candle:
        return Candle(
            self._instrument,
            ts,
            ts,
            interval,
            bar.ts_open,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.quote_volume,
            bar.trades,
            bar.taker_buy_volume,
            bar.taker_buy_quote_volume,
            is_closed,
        )


def _opened(candle: Candle) -> int:
    return candle.ts_open


def _bar(candle: Candle) -> _Bar:
    return _Bar(
        candle.ts_open,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.quote_volume or 0.0,
        candle.trades or 0,
        candle.taker_buy_volume or 0.0,
        candle.taker_buy_quote_volume or 0.0,
    )


def _flat(interval: Interval, ts: int, price: float) -> _Bar:
    return _Bar(ts - ts % interval.ns, price, price, price, price)


def _add(bar: _Bar, minute: _Bar) -> None:
    """Add a minute; the first one that traded sets the open."""
    if minute.trades and not bar.trades:
        bar.open = bar.high = bar.low = minute.open
    if minute.trades:
        bar.absorb(minute)


def past_minute(
    instrument: InstrumentId,
    ts_open: int,
    prices: tuple[float, float, float, float],
    traded: tuple[float, float, int],
    decimals: int,
) -> Candle:
    """A closed minute of the past, from what is known of it as a whole.

    Args:
        instrument: whose.
        ts_open: ns UTC.
        prices: open, high, low, close, quote per base.
        traded: volume and takers' buying, base units, and the number of trades. Quote volumes are at the mean price.
        decimals: of quote volumes.
    """
    volume, bought, trades = traded
    first, high, low, last = prices
    middle = (first + high + low + last) / 4
    ts_close = ts_open + Interval.M1.ns
    return Candle(
        instrument,
        ts_close,
        ts_close,
        Interval.M1,
        ts_open,
        *prices,
        round(volume, 8),
        round(volume * middle, decimals),
        trades,
        round(bought, 8),
        round(bought * middle, decimals),
        is_closed=True,
    )

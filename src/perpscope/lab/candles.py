"""Candles as an exchange makes them: from its own trades, on the grid of the clock, empty ones included.

In: trades and the passing of interval ends. Out: forming and closed candles of every interval, of one symbol.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, Side, Trade

KEPT = 1500  #: closed candles remembered per interval, as many as one REST call may ask for


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
    """

    def __init__(self, instrument: InstrumentId, ts_start: int, price: float) -> None:
        self._instrument = instrument
        self._minute = _flat(Interval.M1, ts_start, price)
        self._longer = {
            interval: _flat(interval, ts_start, price) for interval in Interval if interval is not Interval.M1
        }
        self._closed: dict[Interval, deque[Candle]] = {interval: deque(maxlen=KEPT) for interval in Interval}

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
        """Closed candles, oldest first, then the forming one."""
        forming = {candle.interval: candle for candle in self.forming(ts)}
        return [*self._closed[interval], forming[interval]]

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


def _flat(interval: Interval, ts: int, price: float) -> _Bar:
    return _Bar(ts - ts % interval.ns, price, price, price, price)


def _add(bar: _Bar, minute: _Bar) -> None:
    """Add a minute; the first one that traded sets the open."""
    if minute.trades and not bar.trades:
        bar.open = bar.high = bar.low = minute.open
    if minute.trades:
        bar.absorb(minute)

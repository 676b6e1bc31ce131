"""What is watched of a market, and how rules read it.

In: rows of the market, one at a time. Out: closed one-minute candles (made of trades where none come), the book's
imbalance once a second, the usual spread, dollars liquidated by minute, ages. All is causal: a candle is seen once its
minute is over and something was heard after it. What is not known is NaN, and NaN passes no comparison.
"""

from math import isnan, log, nan, sqrt
from typing import Final

from perpscope.trading.compiling import apart, inlined, inner, loops
from perpscope.trading.layout import BARS, LONG, NS
from perpscope.trading.strategy import Record

MINUTE: Final = 60 * NS
SAMPLES: Final = 16  #: seconds whose imbalance is kept
STEADY: Final = 10  #: seconds over which imbalance is averaged; METHOD 11.1
LEVELS: Final = 5  #: of a side, that imbalance is made of; METHOD 12.1
MINUTES: Final = 8  #: whose liquidations are kept
WARM: Final = 60  #: seconds until the usual spread is told
FADE: Final = 1.0 - 0.5 ** (1.0 / 600.0)  #: half-life of ten minutes, a second at a time
NEVER: Final = 1 << 62  #: age of what never came, ns
DAY: Final = 86_400 * NS
DAY_BARS: Final = 240  #: candles that a day's volatility and volume are reckoned from; chosen by hand
LEAST_BARS: Final = 3  #: fewer candles tell nothing of a day
ANEW: Final = 4_096  #: candles after which running sums are added up anew


@inlined
def push(w: Record, closed_at: int, bar: tuple[float, float, float, float, float, float]) -> None:
    """Keep a closed candle: open, high, low, close, volume, what takers bought.

    Args:
        w: record of `layout.WATCH`.
        closed_at: ns UTC, end of its minute.
        bar: prices in quote per base, volumes in base units.
    """
    bars, last = w.bars, bar[3]
    at, moved = bars % BARS, 0.0
    if bars > 0:
        moved = last / w.closes[(bars - 1) % BARS] - 1.0
    traded, squares = w.day_traded, w.day_squares
    if bars >= DAY_BARS:
        gone, before = (bars - DAY_BARS) % BARS, (bars - DAY_BARS + 1) % BARS
        traded -= w.volumes[gone] * w.closes[gone]
        squares -= w.returns[before] * w.returns[before]
    w.day_traded = traded + bar[4] * last
    w.day_squares = squares + moved * moved
    w.returns[at], w.opens[at], w.highs[at], w.lows[at] = moved, bar[0], bar[1], bar[2]
    w.closes[at], w.volumes[at], w.taker_buys[at] = last, bar[4], bar[5]
    w.bars = bars + 1
    w.bar_at, w.last = closed_at, last
    if (bars + 1) % ANEW == 0:
        _add_up(w)


@apart
def _add_up(w: Record) -> None:
    """Reckon the running sums anew, so that what is lost to rounding does not grow."""
    traded = squares = 0.0
    for ago in range(DAY_BARS - 1, -1, -1):
        at = (w.bars - 1 - ago) % BARS
        traded += w.volumes[at] * w.closes[at]
        if ago < DAY_BARS - 1:
            squares += w.returns[at] * w.returns[at]
    w.day_traded = traded
    w.day_squares = squares


@inlined
def candle(w: Record, ts_event: int, ts_open: int, bar: tuple[float, float, float, float, float, float]) -> None:
    """Take a closed candle as the venue told it.

    Its length is that between `ts_open` and `ts_event`, in whole minutes, at least one.
    """
    length = ts_event - ts_open
    if length != w.bar_ns or length == 0:  # else it is what it was, and that is whole minutes
        length = max((length + MINUTE // 2) // MINUTE, 1) * MINUTE
        w.bar_ns = length
    push(w, ts_open + length, bar)


@inner
def elapse(w: Record, ts: int) -> int:
    """Close every minute that has ended by `ts`, where candles are made of trades; how many there were.

    A minute without a trade carries the last close, with volume 0. Only the newest `BARS` are written.
    """
    start = w.forming
    if start == 0 or ts < start + MINUTE:
        return 0
    ended = (ts - start) // MINUTE
    volume, bought = w.forming_volume, w.forming_taker_buy
    push(w, start + MINUTE, (w.forming_open, w.forming_high, w.forming_low, w.forming_close, volume, bought))
    w.bar_ns = MINUTE
    last = w.forming_close
    if ended > 1 + BARS:
        w.bars += ended - 1 - BARS
        w.closes[(w.bars - 1) % BARS] = last
    for minute in range(max(1, ended - BARS), ended):
        push(w, start + (minute + 1) * MINUTE, (last, last, last, last, 0.0, 0.0))
    if ended > 1 + BARS:
        _add_up(w)
    w.forming = start + ended * MINUTE
    w.forming_open = w.forming_high = w.forming_low = w.forming_close = last
    w.forming_volume = w.forming_taker_buy = 0.0
    return int(ended)


@inner
def traded(w: Record, ts_event: int, ts_recv: int, price: float, size: float, side: int) -> int:
    """Take a trade; how many candles that closed.

    A trade of a minute that was closed already counts as one of the minute that is forming: what was told stays told.
    """
    w.trade_at = ts_recv
    closed = 0
    if w.has_candles == 0:
        closed = elapse(w, ts_event)
        if w.forming == 0 or w.forming_volume == 0.0:
            if w.forming == 0:
                w.forming = ts_event // MINUTE * MINUTE
            w.forming_open = w.forming_high = w.forming_low = price
        w.forming_high = max(w.forming_high, price)
        w.forming_low = min(w.forming_low, price)
        w.forming_close = price
        w.forming_volume += size
        if side > 0:
            w.forming_taker_buy += size
    w.last = price
    return closed


@inner
def booked(w: Record, ts_recv: int, bid: float, ask: float) -> None:
    """Take the best prices of a book, quote per base; NaN for a side that is empty."""
    w.book_at = ts_recv
    w.bid = bid
    w.ask = ask


@inner
def second(w: Record, book: Record) -> None:
    """Sample the book: imbalance of its best levels, and the spread.

    Args:
        w: record of `layout.WATCH`.
        book: record of `layout.BOOK`; one with no level on a side gives NaN.
    """
    bids = asks = 0
    for level in range(min(book.bids, LEVELS)):
        bids += book.bid_steps[level]
    for level in range(min(book.asks, LEVELS)):
        asks += book.ask_steps[level]
    is_there = bids > 0 and asks > 0
    w.imbalances[w.seconds % SAMPLES] = float(bids - asks) / float(bids + asks) if is_there else nan
    w.seconds += 1
    if is_there and w.ask > w.bid:
        w.spread_seconds += 1
        spread = (w.ask - w.bid) / ((w.ask + w.bid) / 2.0)
        w.spread_mean += (spread - w.spread_mean) * max(FADE, 1.0 / w.spread_seconds)
        if w.spread_seconds >= WARM:
            w.spread_ewma = w.spread_mean


@inner
def liquidated(w: Record, ts_recv: int, position_side: int, usd: float) -> None:
    """Add a liquidation, dollars, to its minute; minutes between it and the last are emptied."""
    minute = ts_recv // MINUTE
    for empty in range(max(w.liquidated_minute + 1, minute - MINUTES + 1), minute + 1):
        w.liquidated_long[empty % MINUTES] = 0.0
        w.liquidated_short[empty % MINUTES] = 0.0
    w.liquidated_minute = max(w.liquidated_minute, minute)
    if position_side == LONG:
        w.liquidated_long[w.liquidated_minute % MINUTES] += usd
    else:
        w.liquidated_short[w.liquidated_minute % MINUTES] += usd


# What rules ask. `ago` counts closed candles: 0 is the newest.


@loops
def has_bars(w: Record, n: int) -> bool:
    """True once n candles have closed; no more than `layout.BARS` are kept."""
    return bool(w.bars >= n and n <= BARS)


@loops
def close(w: Record, ago: int) -> float:
    """Close of a candle, quote per base; NaN if it is not kept."""
    return float(w.closes[(w.bars - 1 - ago) % BARS]) if 0 <= ago < min(w.bars, BARS) else nan


@loops
def volume(w: Record, ago: int) -> float:
    """Volume of a candle, base units; NaN if it is not kept."""
    return float(w.volumes[(w.bars - 1 - ago) % BARS]) if 0 <= ago < min(w.bars, BARS) else nan


@loops
def high(w: Record, n: int) -> float:
    """Highest price of the last n candles; NaN without them."""
    if n < 1 or not has_bars(w, n):
        return nan
    found = w.highs[(w.bars - 1) % BARS]
    for ago in range(1, n):
        found = max(found, w.highs[(w.bars - 1 - ago) % BARS])
    return float(found)


@loops
def low(w: Record, n: int) -> float:
    """Lowest price of the last n candles; NaN without them."""
    if n < 1 or not has_bars(w, n):
        return nan
    found = w.lows[(w.bars - 1) % BARS]
    for ago in range(1, n):
        found = min(found, w.lows[(w.bars - 1 - ago) % BARS])
    return float(found)


@loops
def ret(w: Record, n: int) -> float:
    """ln(newest close / close n candles before it); NaN without them."""
    if n < 1 or not has_bars(w, n + 1):
        return nan
    return float(log(w.closes[(w.bars - 1) % BARS] / w.closes[(w.bars - 1 - n) % BARS]))


@loops
def sigma(w: Record, n: int) -> float:
    """Standard deviation (n - 1) of the n returns (close / close before - 1) before the newest; NaN without them.

    The newest is left out, as of the mean volume: a burst is not measured by itself.
    """
    if n < 2 or not has_bars(w, n + 2):
        return nan
    mean = 0.0
    for ago in range(n, 0, -1):
        mean += w.returns[(w.bars - 1 - ago) % BARS]
    mean /= n
    square = 0.0
    for ago in range(n, 0, -1):
        off = w.returns[(w.bars - 1 - ago) % BARS] - mean
        square += off * off
    return float(sqrt(square / (n - 1)))


@loops
def daily(w: Record) -> tuple[float, float]:
    """Volatility of a day, fraction, and what is traded in one, quote units, by the last 240 candles; NaN before three.

    √(mean squared return × candles a day) and mean turnover × candles a day, from sums that run along.
    """
    known = min(w.bars, DAY_BARS)
    if known < LEAST_BARS or w.bar_ns <= 0:
        return nan, nan
    if w.daily_of != w.bars:
        candles = DAY / w.bar_ns
        w.daily_of = w.bars
        w.day_sigma = sqrt(max(w.day_squares, 0.0) / (known - 1) * candles)
        w.day_volume = w.day_traded / known * candles
    return float(w.day_sigma), float(w.day_volume)


@loops
def mean_volume(w: Record, n: int) -> float:
    """Mean volume of the n candles before the newest, base units; NaN without them. METHOD 12.1."""
    if n < 1 or not has_bars(w, n + 1):
        return nan
    total = 0.0
    for ago in range(n, 0, -1):
        total += w.volumes[(w.bars - 1 - ago) % BARS]
    return float(total / n)


@loops
def ewma_volume(w: Record, n: int) -> float:
    """Volume averaged with weights (1 - a)^ago, a = 2 / (n + 1), over the last 8 n candles; NaN before n."""
    if n < 1 or not has_bars(w, n):
        return nan
    kept = min(w.bars, 8 * n, BARS)
    fade = (n - 1.0) / (n + 1.0)
    total = weights = 0.0
    for ago in range(kept - 1, -1, -1):
        total = total * fade + w.volumes[(w.bars - 1 - ago) % BARS]
        weights = weights * fade + 1.0
    return float(total / weights)


@loops
def taker_imbalance(w: Record, n: int) -> float:
    """(bought - sold) / volume by takers over the last n candles; NaN without them, or where nothing was traded."""
    if n < 1 or not has_bars(w, n):
        return nan
    bought = total = 0.0
    for ago in range(n - 1, -1, -1):
        bought += w.taker_buys[(w.bars - 1 - ago) % BARS]
        total += w.volumes[(w.bars - 1 - ago) % BARS]
    return float((2.0 * bought - total) / total) if total > 0.0 else nan


@loops
def imbalance_at(w: Record, ago: int) -> float:
    """The book's imbalance so many seconds ago, 0 = the newest sample; NaN if it is not known."""
    return float(w.imbalances[(w.seconds - 1 - ago) % SAMPLES]) if 0 <= ago < min(w.seconds, SAMPLES) else nan


@loops
def imbalance(w: Record) -> float:
    """Mean imbalance of the last ten seconds, in [-1, 1]; NaN if one of them is not known. METHOD 11.1."""
    total = 0.0
    for ago in range(STEADY - 1, -1, -1):
        total += imbalance_at(w, ago)
    return total / STEADY


@loops
def is_leaning(w: Record, side: int, level: float, seconds: int) -> bool:
    """True if for so many seconds, 16 at most, the book has leant to a side by at least `level` at every one of them.

    Args:
        w: record of `layout.WATCH`.
        side: LONG = more bids, SHORT = more asks.
        level: least imbalance, in [0, 1].
        seconds: samples looked at.
    """
    for ago in range(seconds):  # noqa: SIM110 -- numba has no generators
        if not side * imbalance_at(w, ago) >= level:
            return False
    return True


@loops
def mid(w: Record) -> float:
    """Half way between bid and ask, or the last price where there is no book; quote per base, NaN before either."""
    middle = (w.bid + w.ask) / 2.0
    return float(w.last if isnan(middle) else middle)


@loops
def spread_bps(w: Record) -> float:
    """The spread now, basis points of the mid; NaN without a book."""
    return float((w.ask - w.bid) / ((w.bid + w.ask) / 2.0) * 1e4)


@loops
def spread_multiple(w: Record) -> float:
    """The spread now as a multiple of its usual; NaN without a book or before a minute of it was seen."""
    return float((w.ask - w.bid) / ((w.bid + w.ask) / 2.0) / w.spread_ewma)


@loops
def liquidated_usd(w: Record, position_side: int, minutes: int) -> float:
    """Dollars liquidated of a side in the minute that runs and those before it, `minutes` in all, 8 at most."""
    total = 0.0
    newest = w.liquidated_minute
    for minute in range(max(w.now // MINUTE - minutes + 1, newest - MINUTES + 1), newest + 1):
        if position_side == LONG:
            total += w.liquidated_long[minute % MINUTES]
        else:
            total += w.liquidated_short[minute % MINUTES]
    return total


@loops
def age(w: Record, at: int) -> int:
    """Nanoseconds since `at`, one of the record's own times of receipt; `NEVER` where that is 0."""
    return int(w.now - at) if at > 0 else NEVER


@loops
def is_whole(w: Record) -> bool:
    """True while nothing is known to be missing."""
    return bool(w.gap_at == 0)

"""Where what is opened in a bar is placed: three guesses, each a share by price (METHOD 6.3).

`oi_flow` spreads over the bar's own prices, `hot_zone` over the prices of bars in which open interest and volume both
jumped, `vwap` puts all at the day's average price. Shares are by log-price bin and sum to 1. A `Tape` remembers the
days the last two need, in arrays of fixed length.
"""

from math import floor, isfinite, log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import DAY_NS, Bar, Setting
from perpscope.analytics.margin_arrays import Floats

#: Bars a tape keeps: seven days of minutes, METHOD's window of a robust z.
TAPE: Final = 7 * 1440
#: How often what is usual is reckoned anew, bars.
_RENEWED: Final = 60
_NORMAL: Final = 1.4826
_LEAST: Final = 1e-12


class Share(msgspec.Struct, frozen=True):
    """A distribution over entry bins."""

    first: int  #: number of its first bin, counted from the anchor
    parts: Floats  #: (bins,) summing to 1


class Tape(msgspec.Struct):
    """The last days of one instrument, and where its hot zones are; changed in place."""

    ts: NDArray[np.int64]  #: (TAPE,) ns UTC, a ring
    growth: Floats  #: (TAPE,) change of open interest, base units
    volume: Floats  #: (TAPE,) base units
    turnover: Floats  #: (TAPE,) price × volume
    count: int = 0  #: bars ever taken
    usual: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  #: median and spread of growth, of volume
    hot_first: int = 0  #: number of the first bin of `hot`
    hot: Floats = msgspec.field(default_factory=lambda: np.zeros(0))  #: (bins,) base units opened in hot bars, fading
    is_hot: bool = False  #: the last bar was
    usual_range: float = 0.0  #: log range ÷ √minutes, a fading mean
    ranged: float = 0.0  #: minutes it is of


def begin() -> Tape:
    """An empty tape."""
    return Tape(np.zeros(TAPE, np.int64), np.zeros(TAPE), np.zeros(TAPE), np.zeros(TAPE))


def take(tape: Tape, bar: Bar, growth: float, opened: float, spread: Share, minutes: float, setting: Setting) -> None:
    """Judge a bar against those before it, remember it, and let the hot zones fade.

    Args:
        tape: changed.
        bar: complete.
        growth: change of open interest, base units.
        opened: base units opened in it.
        spread: its own prices.
        minutes: its length.
        setting: thresholds.
    """
    volume = 0.0 if np.isnan(bar.volume) else bar.volume
    known = min(tape.count, TAPE)
    if known >= setting.hot_points:
        if tape.count % _RENEWED == 0 or tape.usual[1] == 0.0:
            tape.usual = (*_usual(tape.growth[:known]), *_usual(tape.volume[:known]))
        middle, scale, middle_volume, scale_volume = tape.usual
        score, score_volume = (growth - middle) / scale, (volume - middle_volume) / scale_volume
        tape.is_hot = score > setting.hot_score and score_volume > setting.hot_score
    tape.hot *= 0.5 ** (minutes / 60.0 / setting.hot_half_life_h)
    if tape.is_hot:
        _heat(tape, spread, opened)
    at = tape.count % TAPE
    tape.ts[at], tape.growth[at], tape.volume[at] = bar.ts, growth, volume
    tape.turnover[at] = volume * (bar.close if np.isnan(bar.vwap) else bar.vwap)
    tape.count += 1


def activity(tape: Tape, bar: Bar, minutes: float, setting: Setting) -> float:
    """A bar's range by what is usual for its length: 1 on the mean of `usual_days`, and at most `most_activity`.

    What is usual is of the bars before; this one is remembered.
    """
    reach = float(np.log(bar.high / bar.low)) / minutes**0.5
    usual = tape.usual_range
    tape.ranged += minutes
    tape.usual_range += max(minutes / (setting.usual_days * 1440.0), minutes / tape.ranged) * (reach - usual)
    return min(reach / usual, setting.most_activity) if usual > 0.0 else 1.0


def average_price(tape: Tape, now: int, otherwise: float) -> float:
    """Volume-weighted price of the last 24 hours, quote per base; `otherwise` where nothing was traded."""
    known = min(tape.count, TAPE)
    at = tape.count % TAPE if known == TAPE else 0  # the oldest
    volume = turnover = 0.0
    for start, end in ((0, at), (at, known)):  # both rise; the second is the older
        first = start + int(np.searchsorted(tape.ts[start:end], now - DAY_NS, side="right"))
        volume += float(np.add.reduce(tape.volume[first:end]))
        turnover += float(np.add.reduce(tape.turnover[first:end]))
    return turnover / volume if volume > 0.0 else otherwise


def spread_of(bar: Bar, anchor: float, step: float) -> Share:
    """A bar's own prices: its trades where there is a histogram, else a triangle low – average – high.

    Args:
        bar: of positive prices.
        anchor: log price at which bin 0 begins.
        step: width of a bin, log price.
    """
    low, high = log(bar.low), log(bar.high)
    if bar.traded is not None and float(bar.traded[1].sum()) > 0.0:
        prices = np.clip(np.log(bar.traded[0]), low, high)
        bins = np.floor((prices - anchor) / step).astype(np.int64)
        first = int(bins.min())
        parts = np.bincount(bins - first, bar.traded[1])
        return Share(first, parts / parts.sum())
    middle = bar.vwap if isfinite(bar.vwap) else (bar.low + bar.close + bar.high) / 3.0
    return triangle(low, min(max(log(middle), low), high), high, anchor, step)


def triangle(low: float, middle: float, high: float, anchor: float, step: float) -> Share:
    """A triangular distribution of log prices over bins; one bin where there is no range.

    >>> triangle(0.25, 1.0, 1.75, 0.0, 1.0).parts
    array([0.5, 0.5])
    """
    first, last = floor((low - anchor) / step), floor((high - anchor) / step)
    if first == last:
        return Share(first, np.ones(1))
    rising, falling = (high - low) * max(middle - low, _LEAST), (high - low) * max(high - middle, _LEAST)
    below, parts = 0.0, []
    for bin_number in range(first + 1, last + 2):
        edge = min(anchor + step * bin_number, high)
        share = (edge - low) ** 2 / rising if edge <= middle else 1.0 - (high - edge) ** 2 / falling
        parts.append(max(share - below, 0.0))
        below = share
    found = np.array(parts)
    return Share(first, found / found.sum())


def at_price(price: float, anchor: float, step: float) -> Share:
    """Everything in one price's bin."""
    return Share(floor((log(price) - anchor) / step), np.ones(1))


def hot_zones(tape: Tape, otherwise: Share) -> Share:
    """Where the hot zones are; another share while there has been none."""
    total = float(tape.hot.sum())
    return Share(tape.hot_first, tape.hot / total) if total > 0.0 else otherwise


def _heat(tape: Tape, spread: Share, opened: float) -> None:
    """Add a bar's prices to the hot zones, which grow as need be."""
    if not tape.hot.size:
        tape.hot_first = spread.first
    end = spread.first + spread.parts.size
    first, last = min(tape.hot_first, spread.first), max(tape.hot_first + tape.hot.size, end)
    if last - first > tape.hot.size:
        tape.hot = np.pad(tape.hot, (tape.hot_first - first, last - tape.hot_first - tape.hot.size))
        tape.hot_first = first
    at = spread.first - tape.hot_first
    tape.hot[at : at + spread.parts.size] += opened * spread.parts


def _usual(values: Floats) -> tuple[float, float]:
    """Median, and 1.4826 × the median distance from it, never 0."""
    middle = float(np.median(values))
    spread = _NORMAL * float(np.median(np.abs(values - middle)))
    return middle, max(spread, _LEAST * abs(middle), 1e-300)

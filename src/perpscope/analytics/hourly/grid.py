"""Three tables on one grid: bars of five minutes in whole hours, from the first all three know to the last.

Prices between the ends of long candles come with open interest; a long candle's extremes go to the bar whose own are
nearest to them, moved by the difference of the two prices at the candle's end (METHOD 6.6, 14b: full wicks).
"""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly.tables import PER_HOUR, STEP_NS, Candles, Forced, Interest, Stamps, Unfit
from perpscope.analytics.liqmap.bars import HOUR_NS, Bar
from perpscope.analytics.margin_arrays import Floats

#: Farthest two prices of one instrument may lie apart, log; the prototype's.
_BASIS: Final = 0.003
#: Longest holes that are bridged: of open interest, of candles (the prices of open interest go on).
_HOLE_NS: Final = HOUR_NS
_LONG_HOLE_NS: Final = 6 * HOUR_NS
#: Share of the hours whose liquidations have to be known, and of the moments whose price has.
_KNOWN: Final = 0.9


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Hours and their bars; logs are of quote per base."""

    hours: Stamps  #: (n,) ns UTC, beginnings
    path: Floats  #: (12n + 1,) log price at the ends of bars, the first at the beginning
    low: Floats  #: (12n,) log
    high: Floats
    volume: Floats  #: (12n,) base units; nan = not told
    interest: Floats  #: (12n + 1,) base units at the path's moments; nan = not told
    usd: Floats  #: (n, 2) dollars of longs and of shorts closed by force; nan = not told

    @property
    def close(self) -> Floats:
        """(n,) log price at the end of each hour."""
        return self.path[PER_HOUR::PER_HOUR]

    @property
    def opened(self) -> Floats:
        """(n,) log price at the beginning of each hour."""
        return self.path[:-1:PER_HOUR]

    def hourly(self, column: Floats) -> Floats:
        """(n, 12) of a column of bars."""
        return column.reshape(-1, PER_HOUR)


def grid(candles: Candles, interest: Interest, forced: Forced) -> Grid:
    """Put the tables on one grid.

    Raises:
        Unfit: they have no hour in common, do not line up, or have holes.
    """
    _aligned(candles, forced)
    first = max(int(interest.ts[0]) - STEP_NS // 2, int(candles.ts[0]), int(forced.ts[0]))
    last = min(
        int(interest.ts[-1]) + STEP_NS // 2, int(candles.ts[-1]) + candles.length_ns, int(forced.ts[-1]) + HOUR_NS
    )
    start, end = -(-first // HOUR_NS) * HOUR_NS, last // HOUR_NS * HOUR_NS
    if end <= start:
        raise Unfit("study-hours", "the three files have no hour in common", "take files of one time")
    hours = np.arange(start, end, HOUR_NS)
    moments = np.arange(start, end + 1, STEP_NS)
    told = _placed(interest.ts, interest.base, moments)
    _no_hole(told, moments, "open interest", _HOLE_NS)
    part = _regular(candles, start, end)
    if candles.length_ns > STEP_NS:
        path = _placed(interest.ts, interest.price, moments)
        if np.isnan(path).all():
            raise Unfit(
                "study-columns",
                f"candles of {candles.length_ns // STEP_NS * 5} minutes, and open interest without dollars",
                "open interest in base units and in dollars tells the price every five minutes; or take short candles",
            )
        _no_hole(path, moments, "the price that comes with open interest", _HOLE_NS)
        _often(path)
        path = _filled(np.log(path))
        low, high, volume = _from_long(part, path)
    else:
        path, low, high, volume = _from_short(part)
    return Grid(
        hours=hours,
        path=path,
        low=low,
        high=high,
        volume=volume,
        interest=told,
        usd=_usd(forced, hours),
    )


def bars(at: Grid) -> list[Bar]:
    """The grid as bars of a map: an hour's liquidations are told, in base units, by its last bar."""
    prices = np.exp(at.path)
    low, high = (np.exp(column) for column in (at.low, at.high))
    base = at.usd / np.exp(at.close)[:, None]
    found = []
    for number in range(low.size):
        hour, place = divmod(number, PER_HOUR)
        is_told = place == PER_HOUR - 1
        close = float(prices[number + 1])
        found.append(
            Bar(
                ts=int(at.hours[hour]) + (place + 1) * STEP_NS,
                low=min(float(low[number]), close),
                high=max(float(high[number]), close),
                close=close,
                volume=float(at.volume[number]),
                open_interest=float(at.interest[number + 1]),
                liquidated_long=float(base[hour, 0]) if is_told else float("nan"),
                liquidated_short=float(base[hour, 1]) if is_told else float("nan"),
                told_later=not is_told,
            )
        )
    return found


def _aligned(candles: Candles, forced: Forced) -> None:
    length = candles.length_ns
    if HOUR_NS % length or (STEP_NS % length and length % STEP_NS):
        raise Unfit(
            "study-hours",
            f"candles of {length / 6e10:g} minutes do not fill five minutes or an hour",
            "candles of 1, 5, 15, 30 or 60 minutes will do",
        )
    for name, stamps, whole in (("candles", candles.ts, length), ("liquidations", forced.ts, HOUR_NS)):
        off = np.flatnonzero(stamps % whole)
        if off.size:
            raise Unfit(
                "study-hours",
                f"{name}: row of {_told(int(stamps[off[0]]))} does not begin with its "
                f"{whole // 60_000_000_000} minutes ({off.size} of {stamps.size} rows)",
                "times must be UTC, of the beginning of each row",
            )


def _placed(ts: Stamps, values: Floats, moments: Stamps) -> Floats:
    """Values at the moments nearest to them; nan where there is none."""
    at = (ts - int(moments[0]) + STEP_NS // 2) // STEP_NS
    inside = (at >= 0) & (at < moments.size)
    found = np.full(moments.size, np.nan)
    found[at[inside]] = values[inside]
    return found


def _no_hole(values: Floats, moments: Stamps, name: str, longest_ns: int) -> None:
    missing = np.isnan(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    step = int(moments[1] - moments[0])
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        length = int(end - begin) * step
        if length > longest_ns:
            raise Unfit(
                "study-holes",
                f"{name}: nothing for {length / HOUR_NS:.1f} hours from {_told(int(moments[begin]))}",
                f"holes of up to {longest_ns // HOUR_NS} h are bridged; take a stretch without longer ones",
            )


def _often(path: Floats) -> None:
    known = int((~np.isnan(path)).sum())
    if known < _KNOWN * path.size:
        raise Unfit(
            "study-holes",
            f"open interest is told at {known:,} of {path.size:,} moments of five minutes",
            f"it tells the price under long candles: {_KNOWN:.0%} are needed, or candles of 1 or 5 minutes",
        )


def _filled(path: Floats) -> Floats:
    """Short holes of a path: the price before them stays, nothing from after them is used."""
    known = np.maximum.accumulate(np.where(np.isnan(path), 0, np.arange(path.size)))
    held = path[known]
    return np.where(np.isnan(held), path[np.flatnonzero(~np.isnan(path))[0]], held)


def _regular(candles: Candles, start: int, end: int) -> Candles:
    """One row for each candle from `start` to `end`; nan where there is none.

    Raises:
        Unfit: a hole is longer than six hours.
    """
    ts = np.arange(start, end, candles.length_ns)
    at = (candles.ts - start) // candles.length_ns
    inside = (at >= 0) & (at < ts.size)
    columns = {}
    for name in ("open", "high", "low", "close", "volume"):
        column = np.full(ts.size, np.nan)
        column[at[inside]] = getattr(candles, name)[inside]
        columns[name] = column
    _no_hole(columns["close"], ts, "candles", _LONG_HOLE_NS)
    return msgspec.structs.replace(candles, ts=ts, **columns)


def _from_long(part: Candles, path: Floats) -> tuple[Floats, Floats, Floats]:
    """Lows, highs and volumes of bars under candles that are longer."""
    low, high = np.minimum(path[:-1], path[1:]), np.maximum(path[:-1], path[1:])
    size = part.length_ns // STEP_NS
    ends = path[size::size]
    basis = np.clip(ends - np.log(part.close), -_BASIS, _BASIS)
    rows = np.arange(part.ts.size)
    ranges = (high - low).reshape(-1, size)
    lows, highs = low.reshape(-1, size), high.reshape(-1, size)
    at_low, at_high = lows.argmin(axis=1), highs.argmax(axis=1)
    lows[rows, at_low] = np.fmin(lows[rows, at_low], np.log(part.low) + basis)
    highs[rows, at_high] = np.fmax(highs[rows, at_high], np.log(part.high) + basis)
    parts = ranges + ranges.mean(axis=1, keepdims=True) + 1e-9
    volume = part.volume[:, None] * parts / parts.sum(axis=1, keepdims=True)
    return lows.ravel(), highs.ravel(), volume.ravel()


def _from_short(part: Candles) -> tuple[Floats, Floats, Floats, Floats]:
    """Path, lows, highs and volumes of bars out of candles that are as long or shorter."""
    size = STEP_NS // part.length_ns
    path = _filled(np.log(np.concatenate([part.open[:1], part.close])))[::size]
    low, high = np.minimum(path[:-1], path[1:]), np.maximum(path[:-1], path[1:])
    for column, extreme in ((part.low, np.fmin), (part.high, np.fmax)):
        into = low if extreme is np.fmin else high
        extreme(into, extreme.reduce(np.log(column).reshape(-1, size), axis=1), out=into)
    return path, low, high, part.volume.reshape(-1, size).sum(axis=1)


def _told(moment: int) -> str:
    """A moment (ns UTC) as people write it."""
    return f"{np.datetime_as_string(np.datetime64(moment, 'ns'), 's').replace('T', ' ')} UTC"


def _usd(forced: Forced, hours: Stamps) -> Floats:
    """(n, 2) dollars at the hours."""
    at = np.searchsorted(hours, forced.ts)
    inside = (at < hours.size) & (hours[np.minimum(at, hours.size - 1)] == forced.ts)
    found = np.full((hours.size, 2), np.nan)
    found[at[inside]] = np.column_stack([forced.long, forced.short])[inside]
    known = ~np.isnan(found).any(axis=1)
    if known.mean() < _KNOWN:
        raise Unfit(
            "study-holes",
            f"liquidations: {int(known.sum())} of {hours.size} hours are told",
            f"{_KNOWN:.0%} of the hours must be known",
        )
    return found

"""Liquidations of a store as they came, and beside them what they are a sample of: totals with interval and coverage.

In: a store and a window. Out: a `TotalsReport`: each feed, each coin, each hour; how each amount came about; and how
well the estimator does where the truth is known.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.totals.amounts import Amount, amount, hours_of, summed, within
from perpscope.analytics.totals.calibration import Calibration
from perpscope.analytics.totals.mode import ModeTest
from perpscope.analytics.totals.venue import How
from perpscope.app.analysis_window import Window, base_and_quote, check_hours, choose_window
from perpscope.app.status import market_now
from perpscope.app.totals.feeds import LEARN_S, Reckoner, Told, coin_of
from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError
from perpscope.model.market import Completeness
from perpscope.model.stream import Channel
from perpscope.reports import numerals
from perpscope.stores.extents import Extent, extents
from perpscope.stores.ledger import Vouching
from perpscope.stores.prints import StoredPrints, stored_prints
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind

FORM = "perpscope.totals/1"
_MS_NS, _SECOND_NS = 1_000_000, 1_000_000_000
DEFAULT_LAST = 20

_Part: TypeAlias = tuple[Told, float | None]  #: a feed, and the share of a stretch that was watched of it


class Row(msgspec.Struct, frozen=True):
    """A liquidation as it was published."""

    time_ms: int
    venue: str
    symbol: str
    side: str  #: whose position was closed: "long" or "short"
    size: float  #: base units
    price: float  #: quote per base
    usd: float
    lpi: float | None
    completeness: Completeness


class Sides(msgspec.Struct, frozen=True):
    """Amounts of longs liquidated, of shorts, and of both."""

    long: Amount
    short: Amount
    both: Amount


class FeedTotals(msgspec.Struct, frozen=True):
    """What one venue told of one symbol."""

    venue: str
    symbol: str
    instrument: str
    coin: str
    completeness: Completeness
    is_summed: bool  #: False for a watchlist: it is somebody's, not the market's
    told_by: str  #: "documented", "detected", "undecided" or "contradicted": how its sampling is known
    how: How
    mode: ModeTest | None  #: the evidence, where the venue does not say
    sides: Sides
    saturated_minutes: int
    largest_usd: float | None
    mean_price: float | None  #: weighted by size
    mean_lpi: float | None  #: weighted by dollars


class CoinTotals(msgspec.Struct, frozen=True):
    """All feeds of a coin that are summed."""

    coin: str
    sides: Sides


class HourTotals(msgspec.Struct, frozen=True):
    """A full hour, or what the window has of it; all feeds that are summed."""

    from_ms: int
    to_ms: int
    sides: Sides


class CoinWindows(msgspec.Struct, frozen=True):
    """All feeds of a coin that are summed, over several windows that end now."""

    coin: str
    to_ms: int
    windows: list[Sides]


class Score(msgspec.Struct, frozen=True):
    """How well the estimator recovers a coin's complete feed, thinned as a venue thins."""

    coin: str
    per_side: bool
    is_accepted: bool
    median_bias: float
    calibration: Calibration


class TotalsReport(msgspec.Struct, frozen=True):
    """What `perpscope tape --json` prints."""

    form: str
    data: StoreKind
    from_ms: int
    to_ms: int
    hours: float
    notes: list[str]
    total: Sides  #: all feeds that are summed
    coins: list[CoinTotals]  #: most dollars first
    feeds: list[FeedTotals]  #: most dollars first
    by_hour: list[HourTotals]
    scores: list[Score]
    last: list[Row]  #: the newest, oldest first


def read_totals(
    path: Path, *, symbol: str | None = None, hours: float = 24.0, last: int = DEFAULT_LAST
) -> TotalsReport:
    """Totals of one coin, symbol or id, or of all, in the last hours.

    Args:
        path: the store.
        symbol: in any spelling the store knows; a coin is all its instruments. None = everything.
        hours: length of the window, > 0; cut to the data.
        last: how many of the newest liquidations to list, ≥ 0.

    Raises:
        ConfigError: `hours` or `last` makes no sense, or nothing of this symbol is stored.
        DataError: there is no such store, or nothing in it.
        StoreError: it cannot be read.
    """
    check_hours(hours)
    if last < 0:
        raise ConfigError("option-value", f"--last {last} must not be below 0", hint="e.g. --last 20")
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now_ns = market_now(reader.heart(), kind)
        chosen = _chosen(extents(path), symbol)
        window = _window(reader, chosen, hours, now_ns)
        start, end = window.from_ms // 60_000 * 60, -(-window.to_ms // 1000)  # amounts are sums of whole minutes
        told, vouching, reckoner = _reckoned(reader, path, chosen, (start, end))
    feeds = sorted((_feed(each, vouching, start, end) for each in told), key=_by_dollars)
    return TotalsReport(
        form=FORM,
        data=kind,
        from_ms=start * 1000,
        to_ms=end * 1000,
        hours=(end - start) / 3600,
        notes=window.notes,
        total=_together([each.sides for each in feeds if each.is_summed]),
        coins=_coins(feeds),
        feeds=feeds,
        by_hour=_by_hour(told, vouching, start, end),
        scores=[
            Score(coin, per_side, found.is_accepted, found.median_bias, found)
            for (coin, per_side), found in reckoner.calibrations()
        ],
        last=_last([each.feed for each in told], start, end, last),
    )


def read_windows(path: Path, hours: Sequence[float]) -> list[CoinWindows]:
    """Totals of every coin over several windows, of one reckoning: each is what `read_totals` tells of it.

    Args:
        path: the store.
        hours: lengths of the windows, > 0; cut to the data.

    Raises:
        DataError: there is no such store, or no liquidation in it.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        now_ns = market_now(reader.heart(), reader.kind)
        chosen = _chosen(extents(path), None)
        cut = [_window(reader, chosen, length, now_ns) for length in hours]
        spans = [(one.from_ms // 60_000 * 60, -(-one.to_ms // 1000)) for one in cut]
        whole = (min(start for start, _ in spans), max(end for _, end in spans))
        told, vouching, _ = _reckoned(reader, path, chosen, whole)
    kept = [each for each in told if each.feed.completeness is not Completeness.WATCHLIST]
    names = dict.fromkeys(coin_of(each.feed.instrument) for each in kept)
    return [
        CoinWindows(
            coin,
            whole[1] * 1000,
            [
                _together(
                    [
                        _sides(each, _seen(vouching, each, start, end), start, end)
                        for each in kept
                        if coin_of(each.feed.instrument) == coin
                    ]
                )
                for start, end in spans
            ],
        )
        for coin in names
    ]


def _reckoned(
    reader: SqliteReader, path: Path, chosen: Sequence[Extent], window: tuple[int, int]
) -> tuple[list[Told], Vouching, Reckoner]:
    """Minutes of each chosen feed of whose window (s UTC) anything is known; what was watched since learning began."""
    begin_ns, end_ns = min(window[0], window[1] - LEARN_S) * _SECOND_NS, window[1] * _SECOND_NS
    rows = reader.coverage(channel=Channel.LIQUIDATIONS, since_ns=begin_ns, until_ns=end_ns)
    vouching = Vouching(rows, begin_ns, end_ns)
    coins = {coin_of(extent.instrument) for extent in chosen}
    every = [feed for feed in stored_prints(path, begin_ns, end_ns) if coin_of(feed.instrument) in coins]
    reckoner = Reckoner(reader, every, vouching, window)
    wanted = {extent.instrument for extent in chosen}
    told = [reckoner.told(feed) for feed in every if feed.instrument in wanted]
    known = [each for each in told if _inside(each.feed, *window).any() or _seen(vouching, each, *window) is not None]
    return known, vouching, reckoner


def _chosen(stored: Sequence[Extent], symbol: str | None) -> list[Extent]:
    if not stored:
        raise DataError(
            "window-empty",
            "no liquidations are stored yet",
            hint="collect some first: perpscope collect, perpscope demo or perpscope import",
        )
    if symbol is None:
        return list(stored)
    found = [extent for extent in stored if symbol.upper() in _names(extent)]
    if not found:
        like = nearest(symbol.upper(), {word for extent in stored for word in _names(extent)})
        raise ConfigError(
            "symbol-unknown",
            f"no liquidations of {symbol!r} are stored",
            hint=f"did you mean {like!r}?" if like else "`perpscope status` shows what is stored",
        )
    return found


def _names(extent: Extent) -> set[str]:
    """Every way to say an instrument, in capitals."""
    base, _ = base_and_quote(extent.instrument)
    words = (extent.symbol, extent.instrument, extent.instrument.rpartition(".")[0], base, coin_of(extent.instrument))
    return {word.upper() for word in words}


def _window(reader: SqliteReader, chosen: Sequence[Extent], hours: float, now_ns: int) -> Window:
    known = [
        (row.ts_from // _MS_NS, (now_ns if row.ts_to is None else row.ts_to) // _MS_NS)
        for row in reader.coverage(kind="covered", channel=Channel.LIQUIDATIONS)
    ]
    return choose_window(
        hours,
        now_ns // _MS_NS,
        min(extent.ts_first for extent in chosen) // _MS_NS,
        max(extent.ts_last for extent in chosen) // _MS_NS,
        (min(start for start, _ in known), max(end for _, end in known)) if known else None,
    )


def _seen(vouching: Vouching, told: Told, start: int, end: int) -> float | None:
    """Share of a stretch (s UTC) that was watched of a feed; None if nothing is known."""
    stream = (told.feed.venue, Channel.LIQUIDATIONS, told.feed.instrument)
    return vouching.share(stream, start * _SECOND_NS, end * _SECOND_NS)


def _sides(told: Told, seen: float | None, start: int, end: int) -> Sides:
    parts = [
        amount(within(bands, start, end), seen, is_told=told.is_told, sigma=told.sigma)
        for bands in (told.minutes.long, told.minutes.short, told.minutes.both)
    ]
    return Sides(*parts)


def _feed(told: Told, vouching: Vouching, start: int, end: int) -> FeedTotals:
    feed = told.feed
    at = _inside(feed, start, end)
    size, usd, lpi = feed.size[at], feed.size[at] * feed.price[at], feed.lpi[at]
    ranked = ~np.isnan(lpi)
    return FeedTotals(
        venue=feed.venue,
        symbol=feed.symbol,
        instrument=feed.instrument,
        coin=coin_of(feed.instrument),
        completeness=feed.completeness,
        is_summed=feed.completeness is not Completeness.WATCHLIST,
        told_by=told.told_by,
        how=told.how,
        mode=told.mode,
        sides=_sides(told, _seen(vouching, told, start, end), start, end),
        saturated_minutes=int(within(told.minutes.both, start, end).saturated.sum()),
        largest_usd=float(usd.max()) if len(usd) else None,
        mean_price=float(usd.sum() / size.sum()) if len(usd) else None,
        mean_lpi=float((lpi[ranked] * usd[ranked]).sum() / usd[ranked].sum()) if ranked.any() else None,
    )


def _inside(feed: StoredPrints, start: int, end: int) -> NDArray[np.bool_]:
    """(n,) Liquidations from one second on and before another."""
    return (feed.ts_event >= start * _SECOND_NS) & (feed.ts_event < end * _SECOND_NS)


def _by_dollars(feed: FeedTotals) -> tuple[float, str, str, str]:
    both = feed.sides.both
    return -(both.estimated_usd or both.observed_usd), feed.symbol, feed.venue, feed.completeness.value


def _together(sides: Sequence[Sides]) -> Sides:
    """Sums of several feeds; watched no better than the least watched of them."""
    known = [each.both.covered for each in sides]
    seen = min((share for share in known if share is not None), default=None)
    return Sides(*(summed([getattr(each, name) for each in sides], seen) for name in Sides.__struct_fields__))


def _coins(feeds: Sequence[FeedTotals]) -> list[CoinTotals]:
    names = dict.fromkeys(feed.coin for feed in feeds if feed.is_summed)
    found = [
        CoinTotals(name, _together([feed.sides for feed in feeds if feed.is_summed and feed.coin == name]))
        for name in names
    ]
    return sorted(found, key=lambda each: -(each.sides.both.estimated_usd or each.sides.both.observed_usd))


def _by_hour(told: Sequence[Told], vouching: Vouching, start: int, end: int) -> list[HourTotals]:
    kept = [each for each in told if each.feed.completeness is not Completeness.WATCHLIST]
    return [
        HourTotals(
            at * 1000,
            to * 1000,
            _together([_sides(each, _seen(vouching, each, at, to), at, to) for each in kept]),
        )
        for at, to in hours_of(start, end)
    ]


def _last(feeds: Sequence[StoredPrints], start: int, end: int, most: int) -> list[Row]:
    """The newest liquidations of the window, oldest first."""
    rows = []
    for feed in feeds:
        inside = np.flatnonzero(_inside(feed, start, end))
        for i in inside[len(inside) - min(most, len(inside)) :].tolist():
            rows.append(
                Row(
                    int(feed.ts_event[i]) // _MS_NS,
                    feed.venue,
                    feed.symbol,
                    "long" if feed.is_long[i] else "short",
                    float(feed.size[i]),
                    float(feed.price[i]),
                    float(feed.size[i] * feed.price[i]),
                    None if np.isnan(feed.lpi[i]) else float(feed.lpi[i]),
                    feed.completeness,
                )
            )
    rows.sort(key=lambda row: (row.time_ms, row.venue, row.symbol))
    return rows[len(rows) - min(most, len(rows)) :]


def described(report: TotalsReport) -> str:
    """What is observed, estimated and missing, in one sentence."""
    both = report.total.both
    head = f"observed ≥ {numerals.usd(both.observed_usd)} in {both.observed_events:,} liquidations"
    if both.estimated_usd is None:
        return f"{head}; nothing more can be estimated"
    high = "more" if both.high_usd is None else numerals.usd(both.high_usd)
    return (
        f"{head}; estimated {numerals.usd(both.estimated_usd)}, between {numerals.usd(both.low_usd)} and {high} (90 %)"
    )

"""Every coin in one row: price, moves, open interest and funding as they stand, from a few rows of a store each.

In: a store. Out: `Overview`. A change needs the figure as it was then: where history does not reach that far it is
None, and `since_ms` says how far it does. What costs more (sentiment, map, totals) is in `kept_figures`.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.known import meant
from perpscope.app.status import market_now
from perpscope.model.instrument import Contract, Instrument
from perpscope.settings import Settings
from perpscope.stores.day_rows import DayRows, Held, Mark, Step
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS, _MINUTE_NS = 1_000_000, 60_000_000_000
_HOUR_NS: Final = 60 * _MINUTE_NS
_DAY_NS: Final = 24 * _HOUR_NS
_STEP_NS: Final = 30 * _MINUTE_NS
#: Half hours of the sparkline.
POINTS: Final = 48
#: A price of then may be so much older than it should be, and open interest, which some venues tell every 15 min.
_PRICE_SLACK_NS, _HELD_SLACK_NS = 10 * _MINUTE_NS, 30 * _MINUTE_NS
#: An older figure is not told as how it stands (a venue may have been away for a day).
_OLDEST_NS: Final = _DAY_NS
#: Coins at most (by hand).
MOST_COINS: Final = 200


class VenueFunding(msgspec.Struct, frozen=True, kw_only=True):
    """What one contract pays."""

    venue: str
    instrument: str
    rate_8h: float  #: fraction per 8 h: the venue's rate times 8 ÷ its interval


class FundingTold(msgspec.Struct, frozen=True, kw_only=True):
    """Funding of all venues as of 8 hours, fractions."""

    rate_8h: float  #: weighted by open interest; the plain mean where none is known
    low_8h: float  #: least of all venues
    high_8h: float
    venues: list[VenueFunding]  #: lowest first
    age_ms: int  #: of the oldest that went in, market time


class InterestTold(msgspec.Struct, frozen=True, kw_only=True):
    """Open interest of all venues."""

    usd: float
    change_24h: float | None  #: fraction, of the venues that told it a day ago as well; None = none did
    of_venues: int  #: contracts summed
    compared: int  #: of those, told a day ago too
    age_ms: int  #: of the oldest that went in, market time


class PriceTold(msgspec.Struct, frozen=True, kw_only=True):
    """The price of the contract with most open interest."""

    instrument: str
    price: float  #: quote per base, mark; the last minute's close where no mark is stored
    change_1h: float | None  #: fraction; None where the price of then is not stored
    change_24h: float | None
    high_24h: float | None  #: of `since_ms` on where that is less than a day ago
    low_24h: float | None
    since_ms: int | None  #: what of the last 24 h is known begins there, epoch ms
    closes: list[tuple[int, float]]  #: at most 48: epoch ms and price at the end of each half hour
    age_ms: int  #: market time


class CoinTold(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    coin: str
    price: PriceTold | None
    open_interest: InterestTold | None
    funding: FundingTold | None
    venues: list[str]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Every coin that is collected, most open interest first."""

    data: StoreKind
    at_ms: int  #: market time
    coins: list[CoinTold]
    has_more: bool


class _Now(msgspec.Struct, frozen=True):
    """One contract as it stands."""

    of: Instrument
    mark: Mark | None
    held: Held | None

    @property
    def held_usd(self) -> float | None:
        return _dollars(self.of, self.held, None if self.mark is None else self.mark.mark)


def read_overview(path: Path, settings: Settings, names: Sequence[str] = ()) -> Overview:
    """Every coin, or those that are named.

    Raises:
        ConfigError: nobody knows one of the names.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        listed = [i for i in reader.instruments() if i.is_perpetual]
    if names:
        wanted = {i.asset for name in names for i in meant(listed, settings, name)}
        listed = [i for i in listed if i.asset in wanted]
    coins = [(coin, [*of]) for coin, of in groupby(sorted(listed, key=lambda i: (i.asset, i.id)), lambda i: i.asset)]
    with DayRows.open(path) as rows:
        told = [_coin(rows, coin, of, now) for coin, of in coins[:MOST_COINS]]
    told = [one for one in told if names or one.price or one.open_interest]
    told.sort(key=lambda one: (-(one.open_interest.usd if one.open_interest else 0.0), one.coin))
    return Overview(data=kind, at_ms=now // _MS_NS, coins=told, has_more=len(coins) > MOST_COINS)


def _coin(rows: DayRows, coin: str, of: Sequence[Instrument], now: int) -> CoinTold:
    standing = [_now(rows, one, now) for one in of]
    known = [one for one in standing if one.mark is not None or one.held is not None]
    return CoinTold(
        coin=coin,
        price=_price(rows, known, now),
        open_interest=_interest(rows, known, now),
        funding=_funding(known, now),
        venues=sorted({one.of.venue for one in known}),
    )


def _now(rows: DayRows, of: Instrument, now: int) -> _Now:
    name = (of.venue, of.symbol)
    return _Now(of, rows.mark(name, now - _OLDEST_NS), rows.held(name, now, _OLDEST_NS))


def _dollars(of: Instrument, held: Held | None, price: float | None) -> float | None:
    """Open interest in dollars; None where it is not known."""
    if held is None or held.usd is not None:
        return None if held is None else held.usd
    return held.open_interest * price if price is not None and of.contract is Contract.LINEAR else None


def _price(rows: DayRows, known: Sequence[_Now], now: int) -> PriceTold | None:
    """Of the contract with most open interest, linear ones quoted in USDT first."""
    if not known:
        return None
    chosen = max(known, key=lambda n: (n.of.contract is Contract.LINEAR, n.of.quote == "USDT", n.held_usd or 0.0))
    name = (chosen.of.venue, chosen.of.symbol)
    start = now - _DAY_NS + -now % _STEP_NS
    series = next((s for s in ("candles_1m", "premium_index") if rows.close(s, name, now, _DAY_NS) is not None), None)
    steps: list[Step] = [] if series is None else rows.steps(series, name, start - _STEP_NS, now, _STEP_NS)
    mark = chosen.mark
    price = mark.mark if mark is not None else steps[-1].close if steps else None
    if price is None:
        return None
    known_at = mark.ts if mark is not None else steps[-1].end
    day = [step for step in steps if step.end > now - _DAY_NS]
    first = None if series is None else rows.first(series, name)
    return PriceTold(
        instrument=chosen.of.id,
        price=price,
        change_1h=_change(rows, series, name, price, now - _HOUR_NS),
        change_24h=_change(rows, series, name, price, now - _DAY_NS),
        high_24h=max([price, *(step.high for step in day)]) if day else None,
        low_24h=min([price, *(step.low for step in day)]) if day else None,
        since_ms=None if first is None else max(first, now - _DAY_NS) // _MS_NS,
        closes=[(step.end // _MS_NS, step.close) for step in day][-POINTS:],
        age_ms=max(0, now - known_at) // _MS_NS,
    )


def _change(rows: DayRows, series: str | None, name: tuple[str, str], price: float, then: int) -> float | None:
    """Fraction since a moment; None where the price of then is not stored."""
    was = None if series is None else rows.close(series, name, then, _PRICE_SLACK_NS)
    return None if not was else price / was - 1.0


def _interest(rows: DayRows, known: Sequence[_Now], now: int) -> InterestTold | None:
    told = [(one, usd) for one in known if (usd := one.held_usd) is not None and one.held is not None]
    if not told:
        return None
    then_of = [(usd, _then(rows, one, now)) for one, usd in told]
    compared = [(usd, was) for usd, was in then_of if was is not None]
    was = sum(before for _, before in compared)
    oldest = min(one.held.ts for one, _ in told if one.held is not None)
    return InterestTold(
        usd=sum(usd for _, usd in told),
        change_24h=sum(usd for usd, _ in compared) / was - 1.0 if was > 0.0 else None,
        of_venues=len(told),
        compared=len(compared),
        age_ms=max(0, now - oldest) // _MS_NS,
    )


def _then(rows: DayRows, one: _Now, now: int) -> float | None:
    """A contract's open interest a day ago in dollars of then."""
    name, then = (one.of.venue, one.of.symbol), now - _DAY_NS
    held = rows.held(name, then, _HELD_SLACK_NS)
    if held is None or held.usd is not None:
        return None if held is None else held.usd
    return _dollars(one.of, held, rows.close("premium_index", name, then, _HELD_SLACK_NS))


def _funding(known: Sequence[_Now], now: int) -> FundingTold | None:
    told = [
        (one, mark, mark.funding_rate * 8.0 / one.of.funding_interval_h)
        for one in known
        if (mark := one.mark) is not None and mark.funding_rate is not None and one.of.funding_interval_h
    ]
    if not told:
        return None
    weights = [one.held_usd or 0.0 for one, _, _ in told]
    if not sum(weights):
        weights = [1.0] * len(told)
    rates = [
        VenueFunding(venue=one.of.venue, instrument=one.of.id, rate_8h=rate)
        for one, _, rate in sorted(told, key=lambda each: each[2])
    ]
    return FundingTold(
        rate_8h=sum(rate * weight for (_, _, rate), weight in zip(told, weights, strict=True)) / sum(weights),
        low_8h=rates[0].rate_8h,
        high_8h=rates[-1].rate_8h,
        venues=rates,
        age_ms=max(0, now - min(mark.ts for _, mark, _ in told)) // _MS_NS,
    )

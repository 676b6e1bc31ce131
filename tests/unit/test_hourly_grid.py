"""Three tables become bars: extremes where they belong, volumes whole, and what does not fit is named. Keeps B1."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import numpy as np
import pytest
from tests.unit.hourly_sample import START, market

from perpscope.analytics.hourly import grid as grids
from perpscope.analytics.hourly.causality import replaced
from perpscope.analytics.hourly.tables import PER_HOUR, STEP_NS, Candles, Forced, Interest, Unfit
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS

Tables: TypeAlias = tuple[Candles, Interest, Forced]
NAMES = ("open", "high", "low", "close", "volume")


def only(candles: Candles, rows: np.ndarray) -> Candles:
    """Some of the candles."""
    return msgspec.structs.replace(candles, ts=candles.ts[rows], **{n: getattr(candles, n)[rows] for n in NAMES})


def test_an_hours_extremes_are_in_its_bars() -> None:
    """An hour's bars reach as far as its candle, moved by the prices' difference at its end; volume is whole."""
    candles, interest, forced = market(1, 30)
    moved = msgspec.structs.replace(candles, **{name: getattr(candles, name) * 1.001 for name in NAMES[:4]})
    at = grids.grid(moved, interest, forced)
    assert at.hours.tolist() == candles.ts.tolist()
    assert at.hourly(at.low).min(axis=1) == pytest.approx(np.log(candles.low))
    assert at.hourly(at.high).max(axis=1) == pytest.approx(np.log(candles.high))
    assert at.hourly(at.volume).sum(axis=1) == pytest.approx(moved.volume)
    assert np.exp(at.path) == pytest.approx(interest.price)
    assert np.exp(at.close) == pytest.approx(candles.close)
    assert np.exp(at.opened) == pytest.approx(candles.open)
    assert (at.low <= np.minimum(at.path[1:], at.path[:-1])).all()


def test_bars_tell_an_hours_liquidations_at_its_end() -> None:
    """Eleven bars say that they are told later; the twelfth has dollars ÷ close. METHOD 14b."""
    candles, interest, forced = market(1, 4)
    forced = msgspec.structs.replace(forced, long=np.array([9e4, 0.0, 3e5, 1.0]))
    made = grids.bars(grids.grid(candles, interest, forced))
    assert [bar.told_later for bar in made[:PER_HOUR]] == [True] * 11 + [False]
    assert [bar.ts for bar in made[:2]] == [START + STEP_NS, START + 2 * STEP_NS]
    told = [bar.liquidated_long for bar in made if not bar.told_later]
    assert told == pytest.approx(forced.long / candles.close)
    assert all(np.isnan(bar.liquidated_short) for bar in made if bar.told_later)


@pytest.mark.parametrize("minutes", [1, 5])
def test_short_candles_are_bars_themselves(minutes: int) -> None:
    """Five candles of a minute, or one of five, make a bar; the price of open interest is not needed. METHOD 14b."""
    _, interest, forced = market(1, 26)
    count, size = 26 * 60 // minutes, 5 // minutes
    rng = np.random.default_rng(4)
    close = 9e4 * np.exp(rng.normal(0.0, 5e-4, count).cumsum())
    opened = np.concatenate([[9e4], close[:-1]])
    low, high = np.minimum(opened, close) * 0.9995, np.maximum(opened, close) * 1.0004
    ts = START + minutes * MINUTE_NS * np.arange(count)
    short = Candles(
        ts=ts, length_ns=minutes * MINUTE_NS, open=opened, high=high, low=low, close=close, volume=np.ones(count)
    )
    bare = msgspec.structs.replace(interest, price=np.full(interest.ts.size, np.nan))
    at = grids.grid(short, bare, forced)
    assert np.exp(at.path[1:]) == pytest.approx(close[size - 1 :: size])
    assert np.exp(at.low) == pytest.approx(low.reshape(-1, size).min(axis=1))
    assert np.exp(at.high) == pytest.approx(high.reshape(-1, size).max(axis=1))
    assert at.volume.tolist() == [float(size)] * (count // size)
    holed = only(short, np.setdiff1d(np.arange(count), np.arange(40, 40 + 2 * size)))
    bridged = grids.grid(holed, bare, forced)
    assert bridged.path.size == at.path.size
    assert not np.isnan(bridged.low).any()


def test_short_holes_are_bridged_by_what_came_before() -> None:
    """A missing quarter of an hour of open interest: the price stays, the amount is not told, nothing is foreseen."""
    candles, interest, forced = market(1, 30)
    rows = np.setdiff1d(np.arange(interest.ts.size), [100, 101, 102])
    less = Interest(ts=interest.ts[rows], base=interest.base[rows], price=interest.price[rows])
    at = grids.grid(only(candles, np.setdiff1d(np.arange(30), [7])), less, forced)
    assert np.isnan(at.interest[100:103]).all()
    assert at.path[100:103].tolist() == [at.path[99]] * 3
    assert np.isnan(at.volume[7 * PER_HOUR : 8 * PER_HOUR]).all()
    assert np.isfinite(at.low).all()


def test_the_first_price_may_be_missing() -> None:
    """Where the first moment has no price the next one's stands."""
    candles, interest, forced = market(1, 30)
    price = interest.price.copy()
    price[0] = np.nan
    at = grids.grid(candles, msgspec.structs.replace(interest, price=price), forced)
    assert at.path[0] == at.path[1]


def _late(tables: Tables) -> Tables:
    candles, interest, forced = tables
    return msgspec.structs.replace(candles, ts=candles.ts + 400 * HOUR_NS), interest, forced


def _shifted(tables: Tables) -> Tables:
    candles, interest, forced = tables
    return candles, interest, msgspec.structs.replace(forced, ts=forced.ts + 7 * MINUTE_NS)


def _odd(tables: Tables) -> Tables:
    candles, interest, forced = tables
    return msgspec.structs.replace(candles, length_ns=7 * MINUTE_NS), interest, forced


def _no_dollars(tables: Tables) -> Tables:
    candles, interest, forced = tables
    return candles, msgspec.structs.replace(interest, price=interest.price * np.nan), forced


def _hourly(tables: Tables) -> Tables:
    candles, interest, forced = tables
    rows = np.arange(0, interest.ts.size, PER_HOUR)
    return candles, Interest(ts=interest.ts[rows], base=interest.base[rows], price=interest.price[rows]), forced


def _hole(tables: Tables) -> Tables:
    candles, interest, forced = tables
    rows = np.setdiff1d(np.arange(interest.ts.size), np.arange(50, 70))
    return candles, Interest(ts=interest.ts[rows], base=interest.base[rows], price=interest.price[rows]), forced


def _gone(tables: Tables) -> Tables:
    candles, interest, forced = tables
    return only(candles, np.setdiff1d(np.arange(30), np.arange(5, 13))), interest, forced


def _untold(tables: Tables) -> Tables:
    candles, interest, forced = tables
    rows = np.setdiff1d(np.arange(30), np.arange(8, 14))
    return candles, interest, Forced(ts=forced.ts[rows], long=forced.long[rows], short=forced.short[rows])


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        pytest.param(_late, "study-hours", "no hour in common", id="no-common-hour"),
        pytest.param(_shifted, "study-hours", "liquidations: row of 2025-12-01 00:07:00 UTC", id="off-the-hour"),
        pytest.param(_odd, "study-hours", "candles of 7 minutes", id="odd-candles"),
        pytest.param(_no_dollars, "study-columns", "open interest without dollars", id="no-price"),
        pytest.param(_hole, "study-holes", "open interest: nothing for 1.7 hours from 2025-12-01 04:10", id="hole"),
        pytest.param(_hourly, "study-holes", "told at 31 of 361 moments of five minutes", id="hourly-interest"),
        pytest.param(_gone, "study-holes", "candles: nothing for 8.0 hours from 2025-12-01 05:00", id="candles-hole"),
        pytest.param(_untold, "study-holes", "liquidations: 24 of 30 hours are told", id="few-liquidations"),
    ],
)
def test_tables_that_do_not_fit_are_named(spoil: Callable[[Tables], Tables], code: str, says: str) -> None:
    """What is wrong, where, and what would do."""
    with pytest.raises(Unfit, match=says) as found:
        grids.grid(*spoil(market(1, 30)))
    assert found.value.code == code
    assert found.value.hint


def test_what_came_before_is_left_alone() -> None:
    """The causality check changes every row after an hour and its liquidations, and nothing before."""
    tables = market(1, 30)
    hour = int(tables[0].ts[20])
    other = replaced(*tables, hour, np.random.default_rng(1))
    assert [other[at].ts.tolist() for at in (0, 1, 2)] == [tables[at].ts.tolist() for at in (0, 1, 2)]
    was, now = grids.grid(*tables), grids.grid(*other)
    upto = 21 * PER_HOUR
    assert now.path[: upto + 1].tolist() == was.path[: upto + 1].tolist()
    assert now.low[:upto].tolist() == was.low[:upto].tolist()
    assert now.usd[:20].tolist() == was.usd[:20].tolist()
    assert (now.usd[20:] != was.usd[20:]).all()
    assert (now.path[upto + 1 :] != was.path[upto + 1 :]).all()
    assert (now.interest[upto + 1 :] != was.interest[upto + 1 :]).all()

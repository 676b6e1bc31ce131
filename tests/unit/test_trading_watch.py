"""What is watched of a market agrees with numpy over the same rows, knows nothing early, and is NaN where unknown."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tests.unit.desk_histories import START

from perpscope.trading import watch
from perpscope.trading.compiling import blank
from perpscope.trading.layout import BARS, DESK, LONG, NS, SHORT
from perpscope.trading.strategy import Record

MINUTE = 60 * NS


def watched(number: int, count: int) -> tuple[Record, np.ndarray]:
    """A record that has seen so many random candles, and the candles: (n, 6)."""
    rng = np.random.default_rng(number)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    bars = np.column_stack([closes * 0.999, closes * 1.01, closes * 0.99, closes, rng.exponential(5.0, count)])
    bars = np.column_stack([bars, bars[:, 4] * rng.uniform(0.0, 1.0, count)])
    desk = blank(DESK)
    w = desk[0].watch
    for at, bar in enumerate(bars.tolist()):
        watch.candle(w, START + (at + 1) * MINUTE, START + at * MINUTE, tuple(bar))
    return desk, bars


@pytest.mark.parametrize("count", [30, 300, 700], ids=["few", "a-day-and-more", "more-than-are-kept"])
def test_figures_of_candles_are_numpys(count: int) -> None:
    """Every accessor over closed candles is what numpy makes of the same rows."""
    desk, bars = watched(count, count)
    w = desk[0].watch
    closes, volumes = bars[:, 3], bars[:, 4]
    returns = closes[1:] / closes[:-1] - 1.0
    assert watch.close(w, 0) == closes[-1]
    assert watch.close(w, 7) == closes[-8]
    assert watch.volume(w, 2) == volumes[-3]
    assert watch.high(w, 5) == bars[-5:, 1].max()
    assert watch.low(w, 5) == bars[-5:, 2].min()
    assert watch.ret(w, 5) == pytest.approx(math.log(closes[-1] / closes[-6]), abs=1e-15)
    assert watch.sigma(w, 20) == pytest.approx(returns[-21:-1].std(ddof=1), rel=1e-12)
    assert watch.mean_volume(w, 20) == pytest.approx(volumes[-21:-1].mean(), rel=1e-12)
    weights = (1.0 - 0.5) ** np.arange(24)[::-1]
    assert watch.ewma_volume(w, 3) == pytest.approx(np.average(volumes[-24:], weights=weights), rel=1e-12)
    imbalance = (2.0 * bars[-15:, 5].sum() - volumes[-15:].sum()) / volumes[-15:].sum()
    assert watch.taker_imbalance(w, 15) == pytest.approx(imbalance, rel=1e-12)
    known = min(count, 240)
    wanted = math.sqrt((returns[-(known - 1) :] ** 2).sum() / (known - 1) * 1440.0)
    sigma, traded = watch.daily(w)
    assert sigma == pytest.approx(wanted, rel=1e-11)
    assert traded == pytest.approx((volumes * closes)[-known:].mean() * 1440.0, rel=1e-11)


def test_running_sums_are_added_up_anew() -> None:
    """What rounding took from them is gone after 4,096 candles: they are then the sums themselves."""
    desk, _ = watched(1, BARS)
    w = desk[0].watch
    w.bars = watch.ANEW - 1
    w.day_squares = w.day_traded = 1e9
    watch.candle(w, START, START - MINUTE, (1.0, 1.0, 1.0, 1.0, 2.0, 1.0))
    assert w.day_traded < 1e6
    assert w.day_squares < 2.0


def test_what_is_not_known_is_nan() -> None:
    """Before there are candles, seconds or books every accessor says so."""
    desk = blank(DESK)
    w = desk[0].watch
    w.spread_ewma = w.bid = w.ask = w.last = math.nan
    asked: list[Callable[[], float]] = [
        lambda: watch.close(w, 0),
        lambda: watch.volume(w, 0),
        lambda: watch.high(w, 1),
        lambda: watch.low(w, 1),
        lambda: watch.ret(w, 1),
        lambda: watch.sigma(w, 5),
        lambda: watch.mean_volume(w, 5),
        lambda: watch.ewma_volume(w, 3),
        lambda: watch.taker_imbalance(w, 1),
        lambda: watch.imbalance(w),
        lambda: watch.mid(w),
        lambda: watch.spread_bps(w),
        lambda: watch.spread_multiple(w),
        lambda: watch.daily(w)[0],
    ]
    assert [at for at, ask in enumerate(asked) if not math.isnan(ask())] == []
    assert not watch.has_bars(w, 1)
    assert not watch.is_leaning(w, LONG, 0.1, 3)
    assert watch.age(w, 0) == watch.NEVER
    watch.candle(w, START + MINUTE, START, (1.0, 1.0, 1.0, 1.0, 0.0, 0.0))
    assert math.isnan(watch.taker_imbalance(w, 1))
    assert watch.has_bars(w, 1)
    assert not watch.has_bars(w, BARS + 1)


def test_a_candle_has_the_length_it_was_told_with() -> None:
    """Whole minutes between its start and its close, also where the close was told late."""
    w = blank(DESK)[0].watch
    bar = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5)
    watch.candle(w, START + 15 * MINUTE + 3 * NS, START, bar)
    assert (w.bar_ns, w.bar_at) == (15 * MINUTE, START + 15 * MINUTE)
    watch.candle(w, START + 15 * MINUTE, START + 15 * MINUTE, bar)
    assert w.bar_ns == MINUTE


def test_candles_are_made_of_trades() -> None:
    """The first trade after a minute closes it; minutes without a trade carry the close; late trades count now."""
    desk = blank(DESK)
    w = desk[0].watch
    told = [(0, 10.0, 1.0, 1), (20, 12.0, 2.0, -1), (59, 9.0, 1.0, 1)]
    assert [watch.traded(w, START + s * NS, START + s * NS, p, q, side) for s, p, q, side in told] == [0, 0, 0]
    assert w.bars == 0
    assert watch.traded(w, START + 200 * NS, START + 201 * NS, 11.0, 4.0, 1) == 3
    newest = [(w.opens[k], w.highs[k], w.lows[k], w.closes[k], w.volumes[k], w.taker_buys[k]) for k in range(3)]
    assert newest == [(10.0, 12.0, 9.0, 9.0, 4.0, 2.0), (9.0, 9.0, 9.0, 9.0, 0.0, 0.0), (9.0, 9.0, 9.0, 9.0, 0.0, 0.0)]
    assert w.bar_at == START + 3 * MINUTE
    assert watch.traded(w, START + 170 * NS, START + 202 * NS, 8.0, 1.0, -1) == 0  # of a minute that is over
    assert watch.elapse(w, START + 240 * NS) == 1
    assert (w.opens[3], w.lows[3], w.closes[3], w.volumes[3], w.taker_buys[3]) == (11.0, 8.0, 8.0, 5.0, 4.0)
    assert watch.elapse(w, START + 299 * NS) == 0
    assert (w.last, w.trade_at) == (8.0, START + 202 * NS)


def test_a_second_closes_a_minute_too() -> None:
    """A quiet market's minutes end as well, and never before their end."""
    w = blank(DESK)[0].watch
    assert watch.elapse(w, START) == 0
    watch.traded(w, START + NS, START + NS, 10.0, 1.0, 1)
    assert watch.elapse(w, START + MINUTE - 1) == 0
    assert watch.elapse(w, START + MINUTE) == 1
    assert watch.elapse(w, START + MINUTE) == 0


def test_a_long_silence_is_counted_whole() -> None:
    """More minutes than are kept pass in a step: all are counted, the newest are kept, sums are theirs."""
    w = blank(DESK)[0].watch
    watch.traded(w, START, START, 10.0, 1.0, 1)
    assert watch.elapse(w, START + 5_000 * MINUTE) == 5_000
    assert w.bars == 5_000
    assert set(w.closes.tolist()) == {10.0}
    assert w.volumes.sum() == 0.0
    assert w.day_traded == 0.0
    assert w.bar_at == START + 5_000 * MINUTE


def test_where_candles_come_trades_make_none() -> None:
    """Two sources of one candle would be two candles."""
    w = blank(DESK)[0].watch
    w.has_candles = 1
    assert watch.traded(w, START, START, 10.0, 1.0, 1) == 0
    assert w.forming == 0
    assert w.last == 10.0


def booked(rng: np.random.Generator, book: Record) -> float:
    """Write random levels into a book; the imbalance of its best five."""
    sizes = rng.integers(1, 100, (2, 20))
    book.bids, book.asks = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    book.bid_steps[:], book.ask_steps[:] = sizes
    bids, asks = sizes[0, : min(book.bids, 5)].sum(), sizes[1, : min(book.asks, 5)].sum()
    return float((bids - asks) / (bids + asks))


def test_imbalance_is_the_mean_of_ten_seconds() -> None:
    """Of the best five levels, sampled each second; unknown as long as one of the ten is."""
    rng = np.random.default_rng(1)
    desk = blank(DESK)
    w, book = desk[0].watch, desk[0].book
    watch.second(w, book)
    assert math.isnan(w.imbalances[0])
    samples = []
    for _ in range(40):
        samples.append(booked(rng, book))
        watch.second(w, book)
        if 1 < len(samples) < 10:
            assert math.isnan(watch.imbalance(w))
    assert watch.imbalance(w) == pytest.approx(np.mean(samples[-10:]), abs=1e-15)
    assert watch.imbalance_at(w, 3) == samples[-4]
    assert math.isnan(watch.imbalance_at(w, watch.SAMPLES))
    least = min(samples[-4:])
    assert watch.is_leaning(w, LONG, least, 4)
    assert not watch.is_leaning(w, LONG, least + 1e-9, 4)
    most = max(samples[-4:])
    assert watch.is_leaning(w, SHORT, -most, 4)


def test_the_usual_spread_warms_up_and_forgets() -> None:
    """NaN for a minute, then the mean, then half forgotten after ten minutes. METHOD 12.5."""
    desk = blank(DESK)
    w, book = desk[0].watch, desk[0].book
    w.spread_ewma = math.nan
    book.bids = book.asks = 1
    book.bid_steps[0] = book.ask_steps[0] = 1
    watch.booked(w, START, 99.5, 100.5)
    for _ in range(watch.WARM - 1):
        watch.second(w, book)
    assert math.isnan(w.spread_ewma)
    assert math.isnan(watch.spread_multiple(w))
    for _ in range(2_000):
        watch.second(w, book)
    assert w.spread_ewma == pytest.approx(0.01)
    watch.booked(w, START, 99.0, 101.0)
    for _ in range(600):
        watch.second(w, book)
    assert w.spread_ewma == pytest.approx(0.015, rel=1e-6)
    assert watch.spread_bps(w) == pytest.approx(200.0)
    assert watch.spread_multiple(w) == pytest.approx(0.02 / 0.015, rel=1e-6)
    assert watch.mid(w) == 100.0
    watch.booked(w, START, 101.0, 101.0)  # crossed or locked: no spread is learnt of it
    before = w.spread_seconds
    watch.second(w, book)
    assert w.spread_seconds == before


def test_liquidations_are_kept_by_minute() -> None:
    """Sums over the last minutes are those of a list; what is older than eight minutes is gone; late ones count now."""
    rng = np.random.default_rng(3)
    w = blank(DESK)[0].watch
    kept: list[tuple[int, int, float]] = []
    ts = START
    for _ in range(200):
        ts += int(rng.integers(0, 50)) * NS
        side, usd = int(rng.choice([LONG, SHORT])), float(rng.integers(1, 1000))
        w.now = ts
        watch.liquidated(w, ts, side, usd)
        kept.append((ts // MINUTE, side, usd))
        for minutes in (1, 3, 8):
            for wanted in (LONG, SHORT):
                total = sum(u for m, s, u in kept if s == wanted and m > ts // MINUTE - minutes)
                assert watch.liquidated_usd(w, wanted, minutes) == total
    w.now = ts + 20 * MINUTE
    assert watch.liquidated_usd(w, LONG, 8) == 0.0
    watch.liquidated(w, ts - 5 * MINUTE, LONG, 7.0)
    assert w.liquidated_minute == ts // MINUTE


def test_ages_and_gaps_are_told() -> None:
    """How old something is by our clock, and whether something is missing."""
    w = blank(DESK)[0].watch
    w.now = START + 5
    assert watch.age(w, START) == 5
    assert watch.is_whole(w)
    w.gap_at = START
    assert not watch.is_whole(w)

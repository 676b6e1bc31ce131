"""Prices and delays of fills: latency, impact, books walked, and the depth a size may take. Keeps B23."""

import math
from statistics import median, quantiles

import numpy as np
import pytest
from tests.unit.made_desk import made, show_book, show_candles

from perpscope.trading import fills

#: Five minutes that move by 0.1 % each, up and down.
CLOSES = [50_000.0, 50_050.0, 50_000.0, 50_050.0, 50_000.0]
SIGMA = math.sqrt((0.001**2 + (1 / 1.001 - 1) ** 2) / 2 * 1440)
VOLUME = 100.0 * 50_020 * 1440  #: quote units a day


def test_latencies_have_the_median_and_tail_that_were_asked_for() -> None:
    """METHOD 12.4: lognormal, median 60 ms, p99 400 ms; 5 % take five times as long. Keeps B23."""
    c = made().costs
    c.latency_median, c.latency_p99, c.latency_tail, c.seed = 60_000_000, 400_000_000, 0.0, 7
    drawn = [fills.latency(c, number) / 1e6 for number in range(1, 2_001)]
    assert median(drawn) == pytest.approx(60.0, rel=0.1)
    assert quantiles(drawn, n=100)[98] == pytest.approx(400.0, rel=0.3)
    c.latency_tail = 0.05
    longer = [fills.latency(c, number) / 1e6 / before for number, before in enumerate(drawn, start=1)]
    assert np.mean([ratio > 4.9 for ratio in longer]) == pytest.approx(0.05, abs=0.015)


def test_an_order_is_as_late_whenever_it_is_asked() -> None:
    """A counter-based generator: same seed and number, same latency; another of either, another. Keeps B23."""
    c = made().costs
    c.latency_p99 = 400_000_000
    first = [fills.latency(c, number) for number in (1, 2, 3)]
    assert first == [fills.latency(c, number) for number in (1, 2, 3)]
    assert len(set(first)) == 3
    c.seed = 1 << 40
    assert fills.latency(c, 1) != first[0]
    c.latency_median = 0
    assert fills.latency(c, 1) == 0


def test_other_latencies_count_from_the_next_order_on() -> None:
    """What they are drawn by is reckoned once, and anew as soon as one of the two is another. Keeps B23."""
    c, fresh = made().costs, made().costs
    c.latency_median, c.latency_p99, c.latency_tail = 50_000_000, 400_000_000, 0.0
    first = fills.latency(c, 1)
    c.latency_p99 = 800_000_000
    fresh.latency_median, fresh.latency_p99, fresh.latency_tail = 50_000_000, 800_000_000, 0.0
    assert fills.latency(c, 1) == fills.latency(fresh, 1) != first
    c.latency_median = fresh.latency_median = 20_000_000
    assert fills.latency(c, 1) == fills.latency(fresh, 1)


def test_uniforms_fill_their_interval_evenly() -> None:
    """No decile of four thousand draws is off by more than four standard errors. Keeps B23."""
    drawn = [
        fills.drawn(fills.of_order(seed, number), draw) for seed in (0, 1) for number in range(400) for draw in range(5)
    ]
    counts, _ = np.histogram(drawn, bins=10, range=(0.0, 1.0))
    assert np.abs(counts - 400).max() < 4 * math.sqrt(360)


def test_impact_is_the_square_root_law() -> None:
    """METHOD 12.4: Y·σ_day·√(notional ÷ daily volume), more where depth is gone; 0 while unknown. Keeps B23."""
    d = made()
    d.costs.impact = 1.0
    assert fills.impact(d, 1e5, 1.0) == 0.0
    show_candles(d, CLOSES, 100.0)
    assert fills.impact(d, 1e5, 1.0) == pytest.approx(SIGMA * math.sqrt(1e5 / VOLUME))
    assert fills.impact(d, 1e5, 0.3) == pytest.approx(SIGMA * math.sqrt(1e5 / VOLUME / 0.3))


def test_a_wild_candle_has_a_third_of_the_depth() -> None:
    """METHOD 12.4: beyond three σ of a candle, W = 0.3; as long as σ is unknown, all of it. Keeps B23."""
    d = made()
    assert fills.survival(d.watch, 100.0, 200.0) == 1.0
    show_candles(d, CLOSES, 100.0)
    assert fills.survival(d.watch, 50_000.0, 50_149.5) == 1.0
    assert fills.survival(d.watch, 50_000.0, 50_152.0) == fills.SURVIVAL
    assert fills.survival(d.watch, 50_152.0, 50_000.0) == fills.SURVIVAL


@pytest.mark.parametrize(
    ("side", "price", "ticks"),
    [
        pytest.param(1, 60_000.01, 600_001, id="a buyer up"),
        pytest.param(-1, 60_000.09, 600_000, id="a seller down"),
        pytest.param(1, 600_000 * 0.1, 600_000, id="a buyer on the tick"),
        pytest.param(-1, 633_743 * 0.1, 633_743, id="a seller on the tick"),
        pytest.param(-1, 0.01, 1, id="never nothing"),
    ],
)
def test_prices_are_rounded_against_the_order(side: int, price: float, ticks: int) -> None:
    """To the tick that costs more, binary fractions forgiven. Keeps B23."""
    assert fills.ticks_against(made().account, side, price) == ticks


def test_a_market_order_pays_half_the_spread_and_its_impact() -> None:
    """1 BTC around 50,000 at half a spread of 1 bp, and the impact of 50,000. Keeps B23."""
    d = made()
    show_candles(d, CLOSES, 100.0)
    assert fills.market_price(d, 1, 1_000, 50_000.0, 1.0) == 500_050
    assert fills.market_price(d, -1, 1_000, 50_000.0, 1.0) == 499_950
    d.costs.impact = 1.0
    paid = 50_000 * (1.0001 + SIGMA * math.sqrt(50_000 / VOLUME))
    assert fills.market_price(d, 1, 1_000, 50_000.0, 1.0) == math.ceil(paid * 10)


def test_a_book_is_walked_to_tell_what_an_order_costs() -> None:
    """Mid 100: 2 at 101 and 1 at 103 cost 1, 1 and 3 hundredths on average; beyond it, the last level. Keeps B23."""
    d = made()
    show_book(d, [(990, 5)], [(1_010, 2), (1_030, 2)])
    assert fills.slippage(d, 1, 2) == pytest.approx(0.01)
    assert fills.slippage(d, 1, 3) == pytest.approx(0.05 / 3)
    assert fills.slippage(d, 1, 10) == pytest.approx((2 * 0.01 + 8 * 0.03) / 10)
    assert fills.slippage(d, -1, 9) == pytest.approx(0.01)
    show_book(d, [], [(1_010, 2)])
    assert math.isnan(fills.slippage(d, 1, 2))


def test_without_a_book_slippage_is_the_model_s() -> None:
    """Half the spread and the impact at the last price; NaN before there is one. Keeps B23."""
    d = made()
    assert math.isnan(fills.slippage(d, 1, 1_000))
    show_candles(d, CLOSES, 100.0)
    d.costs.impact = 1.0
    assert fills.slippage(d, 1, 1_000) == pytest.approx(0.0001 + SIGMA * math.sqrt(50_000 / VOLUME))


def test_depth_within_a_distance_counts_levels_that_were_seen() -> None:
    """Within 2 % of 100 lie 2 at 101 and 3 at 102; 0.001 base a step. Keeps B23."""
    d = made()
    show_book(d, [(990, 5)], [(1_010, 2), (1_020, 3), (1_021, 9)])
    assert fills.depth_within(d, 1, 0.02) == pytest.approx(0.2 * 1.01 + 0.3 * 1.02, rel=1e-9)
    assert fills.depth_within(d, -1, 0.005) == 0.0
    assert fills.depth_within(d, -1, 0.5) == pytest.approx(0.005 * 99)
    show_book(d, [(990, 5)], [])
    assert math.isnan(fills.depth_within(d, 1, 0.02))


def test_depth_without_a_book_is_the_impact_turned_round() -> None:
    """What may be taken within 10 bps moves the price by exactly that; NaN before volume is known. Keeps B23."""
    d = made()
    d.costs.impact = 1.0
    assert math.isnan(fills.depth_within(d, 1, 0.001))
    show_candles(d, CLOSES, 100.0)
    value = fills.depth_within(d, 1, 0.001)
    assert d.costs.half_spread + fills.impact(d, value, 1.0) == pytest.approx(0.001)
    assert fills.depth_within(d, 1, 0.00001) == 0.0

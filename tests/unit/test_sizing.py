"""How large an entry may be: each bound of METHOD 12.3 by hand, rounding, and minimums."""

from math import nan, sqrt

import msgspec
import pytest

from perpscope.settings import Risk
from perpscope.trading import risk, sizing, watch
from perpscope.trading.compiling import blank
from perpscope.trading.layout import DESK, LONG, MONEY, NS, SHORT
from perpscope.trading.refusals import REFUSALS
from perpscope.trading.strategy import Record

NOW = 1_782_000_000 * NS


def desk(equity: float = 10_000.0, price: float = 50_000.0, *, is_strict: bool = True, **limits: float) -> Record:
    """A record on BTCUSDT's terms: step 0.001, at least 100 quote units; 0.05 % fee, no spread."""
    made = blank(DESK)
    risk.limited(made, msgspec.structs.replace(Risk(leverage=10.0), **limits), is_strict=is_strict)
    d = made[0]
    a, w = d.account, d.watch
    a.deposit = a.cash = round(equity * MONEY)
    a.tick, a.step, a.worth = 0.1, 0.001, MONEY // 10_000
    a.min_notional = 100 * MONEY
    d.costs.taker = 50_000
    w.now = w.mark_at = NOW
    w.mark = w.last = price
    w.bid = w.ask = nan
    return d


def sized(d: Record, stop: float = 0.01, edge: float = nan, side: int = LONG) -> tuple[int, str]:
    """Steps, and what bound them."""
    size = sizing.size_of(d, side, stop, edge)
    return size, sizing.BOUNDS[d.risk.bound]


def with_book(d: Record, steps: int, levels: int = 2) -> Record:
    """A book at 49,999.9/50,000.1 with so many steps a level, levels 20 quote units (4 bps) apart."""
    d.book.at = d.watch.book_at = NOW
    d.watch.bid, d.watch.ask = 49_999.9, 50_000.1
    d.book.bids = d.book.asks = levels
    for k in range(levels):
        d.book.bid_ticks[k], d.book.ask_ticks[k] = 499_999 - 200 * k, 500_001 + 200 * k
        d.book.bid_steps[k] = d.book.ask_steps[k] = steps
    return d


def test_the_risk_of_a_trade_binds_first() -> None:
    """1 % of 10,000 at a stop of 1 % with 0.1 % of fees: 100 / 0.011 = 9,090.9, that is 181 steps of 50."""
    assert sized(desk()) == (181, "risk")


def test_the_spread_is_paid_twice() -> None:
    """With half a spread of 0.1 %: 100 / (0.01 + 0.001 + 0.002) = 7,692.3, 153 steps."""
    d = desk()
    d.costs.half_spread = 0.001
    assert sized(d) == (153, "risk")


def test_impact_grows_with_the_size() -> None:
    """Y·σ·√(N/V): the largest N with N·(0.011 + 2·0.0001·√N·…) ≤ 100, by the cubic's root."""
    d = desk(depth_share=1.0)
    d.costs.impact = 1.0
    d.watch.bar_ns = 60 * NS
    for k, close in enumerate((50_000.0, 50_025.0, 50_000.0, 50_025.0)):
        watch.push(d.watch, NOW + 60 * k * NS, (close, close, close, close, 1.0, nan))
    d.watch.last = 50_000.0
    moves = (25 / 50_000, -25 / 50_025, 25 / 50_000)
    root = sqrt(sum(move**2 for move in moves) / 3 * 1440) / sqrt(50_012.5 * 1440.0)
    size, bound = sized(d)
    assert bound == "risk"
    assert size * 50.0 * (0.011 + 2.0 * root * sqrt(size * 50.0)) <= 100.0
    assert (size + 1) * 50.0 * (0.011 + 2.0 * root * sqrt((size + 1) * 50.0)) > 100.0
    assert 0 < size < 181


def test_the_wallet_binds_a_tight_stop() -> None:
    """Stop 0.02 %: the free wallet pays 10,000 / (1/10 + 0.1 %) = 99,009.9: 1,980 steps. Keeps S4-11."""
    d = desk(per_trade=0.5, kelly=0.0)
    assert sized(d, stop=0.0002) == (1980, "margin")
    d.account.cash -= 5_000 * MONEY
    d.account.margin += 5_000 * MONEY
    assert sized(d, stop=0.0002) == (990, "margin")


def test_the_target_binds_where_it_is_least() -> None:
    """A notional that is wanted is not exceeded. Keeps S4-12."""
    assert sized(desk(target=1_000.0)) == (20, "target")
    assert sized(desk(target=1e9)) == (181, "risk")


def test_two_percent_of_the_book_near_the_mid() -> None:
    """Two levels of 1,000 steps (4 bps apart) hold 100,021 and 99,979: 2 % is 40 steps bought, 39 sold.

    A level beyond 10 bps does not count.
    """
    d = with_book(desk(), 1_000)
    assert sized(d) == (40, "depth")
    assert sized(d, side=SHORT) == (39, "depth")
    assert sized(with_book(desk(), 1_000, levels=3)) == (60, "depth")
    assert sized(with_book(desk(), 1_000, levels=8)) == (60, "depth")


def test_a_book_that_is_walked_costs_what_it_says() -> None:
    """The loss at the stop counts the book's own slippage: with all depth allowed it is just within 1 % of equity."""
    d = with_book(desk(depth_share=1.0), 80, levels=20)
    size, bound = sized(d, stop=0.009)
    assert (bound, size) == ("risk", 188)
    paid = (80 * 50_000.1 + 80 * 50_020.1 + 28 * 50_040.1) / 188
    lost = 188 * 0.001 * 50_000.1 * (0.009 + 0.001 + 2 * (paid / 50_000.0 - 1.0))
    assert lost <= 100.0 < lost * 189 / 188


def test_kellys_fraction_where_something_is_expected() -> None:
    """A quarter of e/stop²: 0.25 × 0.00002/0.0001 = 5 % of equity, 500 quote units; nothing expected, nothing sent."""
    assert sized(desk(), edge=0.00002) == (10, "kelly")
    assert sized(desk(), edge=0.01) == (181, "risk")
    assert sized(desk(kelly=0.0), edge=0.00002) == (181, "risk")
    d = desk()
    assert sized(d, edge=-0.001) == (0, "kelly")
    assert REFUSALS[d.risk.newest] == "no-edge"
    assert REFUSALS[risk.review(d, LONG, 0, 0.01)] == "no-edge"


def test_without_a_stop_a_position_is_not_levered() -> None:
    """Nothing says what is risked: at most equity itself; what is wanted may be less."""
    assert sized(desk(), stop=0.0) == (200, "unlevered")
    assert sized(desk(target=5_000.0), stop=0.0) == (100, "target")
    assert sized(desk(leverage=1.0), stop=0.0) == (199, "margin")


def test_nothing_is_rounded_up_to_the_minimum() -> None:
    """99.9 of 100 quote units are no trade, nor is a step that is dearer than what may be spent."""
    d = desk(target=149.0)  # two steps of 50 are 100
    assert sized(d) == (2, "target")
    d = desk(target=99.9)
    assert sized(d) == (0, "target")
    assert REFUSALS[d.risk.newest] == "below-minimum"
    d = desk(per_trade=0.0001)  # 1 / 0.011 = 90.9
    assert sized(d) == (0, "risk")
    assert REFUSALS[d.risk.newest] == "below-minimum"


def test_an_empty_wallet_has_no_margin() -> None:
    """Nothing free to pay with is told as such."""
    d = desk(per_trade=1.0)
    d.account.cash, d.account.margin = 5 * MONEY, 9_995 * MONEY
    assert sized(d) == (0, "margin")
    assert REFUSALS[d.risk.newest] == "no-margin"


def test_a_size_found_forgets_the_last_refusal() -> None:
    """The reason for a size of 0 is this size's own."""
    d = desk(target=99.0)
    sized(d)
    d.risk.target = 0
    sized(d)
    assert d.risk.newest == 0


@pytest.mark.parametrize("spoilt", ["price", "limits"])
def test_without_price_or_limits_there_is_no_size(spoilt: str) -> None:
    """What cannot be reckoned is not traded."""
    d = desk()
    if spoilt == "price":
        d.watch.last = d.watch.mark = nan
    else:
        d.risk.leverage = 0.0
    assert sized(d) == (0, "")
    assert REFUSALS[d.risk.newest] == "no-price"


def test_a_book_with_an_empty_side_gives_no_size() -> None:
    """A cost that is not known never lets an entry by."""
    d = with_book(desk(), 1_000)
    d.book.asks = 0
    assert sized(d)[0] == 0


def test_the_price_is_the_best_that_is_known() -> None:
    """Ask or bid, else the last trade, else the newest close, else the mark."""
    d = with_book(desk(), 10)
    assert (sizing.taking_price(d, LONG), sizing.taking_price(d, SHORT)) == (50_000.1, 49_999.9)
    d.watch.bid = d.watch.ask = nan
    assert sizing.taking_price(d, LONG) == 50_000.0
    d.watch.last = nan
    d.watch.mark = 49_000.0
    assert sizing.taking_price(d, LONG) == 49_000.0
    d.watch.bars, d.watch.closes[2] = 3, 48_000.0
    assert sizing.taking_price(d, LONG) == 48_000.0


@pytest.mark.parametrize(
    ("price", "steps", "usdt"), [(60_000.0, 11, 660.0), (100_000.0, 7, 700.0), (120_000.0, 5, 600.0)]
)
def test_the_documents_position_as_the_exchange_takes_it(price: float, steps: int, usdt: float) -> None:
    """1,000,000 KRW at 1,400 on 100,000 KRW: whole steps of it, which the wallet just pays for. Keeps S4-10, S4-12."""
    d = desk(100_000 / 1_400, price, is_strict=False, target=1_000_000 / 1_400)
    size, bound = sized(d, stop=0.05)
    assert (size, bound) == (steps, "target")
    assert size * 0.001 * price == pytest.approx(usdt)


def test_two_percent_risk_is_infeasible_on_btcusdt() -> None:
    """2 % of 100,000 KRW at a 5 % stop: 38.9k KRW wanted, below 100 USDT: no trade, not one rounded up."""
    d = desk(100_000 / 1_400, 100_000.0, per_trade=0.02)
    d.costs.half_spread = 0.0002
    assert sized(d, stop=0.05) == (0, "risk")

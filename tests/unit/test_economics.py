"""The documents' own arithmetic, to the printed digit (METHOD 12.2), and what other plans come to."""

from math import inf

import msgspec
import pytest

from perpscope.trading import economics
from perpscope.trading.economics import BARRIERS, SEED, Minimum, Plan

BTC = Minimum(notional=100.0 * 1_400, step=0.001, price=100_000.0 * 1_400)  #: in won
CAREFUL = msgspec.structs.replace(SEED, notional=0.0, risk=0.02, slip=0.0002)


def test_what_100000_won_open_at_ten_times() -> None:
    """N/L + f·N ≤ E: 995,024.88 KRW; with the closing fee kept 990,099.01: not 1,000,000. Keeps S4-10, S4-11, S4-12."""
    assert economics.largest(SEED) == pytest.approx(995_024.88, abs=0.005)
    assert economics.largest(SEED, is_closing_fee_kept=True) == pytest.approx(990_099.01, abs=0.005)
    assert economics.position(SEED) == economics.largest(SEED, is_closing_fee_kept=True) < SEED.notional


def test_what_a_stop_of_five_percent_takes() -> None:
    """50.5 % of equity with fees; two leave 24.5 %; with the size fixed two are ruin (F7). Keeps S4-13, S4-74."""
    assert economics.stop_loss(SEED, economics.position(SEED)) == pytest.approx(0.505, abs=0.0005)
    assert economics.stop_loss(SEED, SEED.notional) == pytest.approx(0.51)
    assert economics.left_after(SEED, 2) == pytest.approx(0.245, abs=0.0005)
    assert economics.stops_to_ruin(SEED) == 2


def test_a_round_trip_costs_a_tenth_of_a_percent() -> None:
    """0.10 % of notional, 1 % of equity at ten times. Keeps S4-14, S4-73."""
    assert economics.round_trip(SEED) == pytest.approx(0.001)
    assert economics.break_even_move(msgspec.structs.replace(SEED, slip=0.0001, funding=0.0003)) == pytest.approx(
        0.0015
    )


def test_liquidation_lies_beyond_the_stop() -> None:
    """At 10x and m = 0.4 % a long is liquidated 9.64 % below: the stop at 5 % is inside. Keeps S4-75."""
    assert economics.liquidation_move(10.0, 0.004) == pytest.approx(-0.0964, abs=0.00005)


@pytest.mark.parametrize(("price", "usdt", "off"), [(6e4, 660, -0.076), (1e5, 700, -0.020), (1.2e5, 600, -0.16)])
def test_what_the_exchange_takes_of_a_million_won(price: float, usdt: float, off: float) -> None:
    """Steps of 0.001 BTC: 660, 700 and 600 USDT of 714.29. Keeps S4-12."""
    taken = economics.quantised(1e6 / 1400, Minimum(notional=100.0, step=0.001, price=price))
    assert taken == pytest.approx(usdt)
    assert taken / (1e6 / 1400) - 1.0 == pytest.approx(off, abs=0.0005)


def test_two_percent_risk_is_infeasible_on_btcusdt() -> None:
    """2 % of 100,000 KRW at 5 % is 38.9k KRW, below 100 USDT; the least feasible risk is 7.2 %. Keeps S4-74."""
    assert economics.at_risk(CAREFUL) == pytest.approx(38_900, abs=50)
    assert economics.quantised(economics.at_risk(CAREFUL), BTC) == 0.0
    assert economics.smallest_risk(CAREFUL, BTC) == pytest.approx(0.072, abs=0.0005)


def test_without_a_limit_or_a_stop_risk_does_not_bind() -> None:
    """Nothing to divide by is no limit; two things that bind are the less of both."""
    assert economics.at_risk(SEED) == inf
    assert economics.at_risk(msgspec.structs.replace(CAREFUL, stop=0.0)) == inf
    assert economics.position(CAREFUL) == economics.at_risk(CAREFUL)
    assert economics.position(msgspec.structs.replace(CAREFUL, notional=10_000.0)) == 10_000.0


@pytest.mark.parametrize(
    ("barriers", "needed", "driftless"),
    list(zip(BARRIERS, (0.525, 0.413, 0.512), (0.375, 0.333, 0.500), strict=True)),
    ids=["50/30", "100/50", "500/500"],
)
def test_what_has_to_be_won(barriers: tuple[float, float], needed: float, driftless: float) -> None:
    """METHOD's table at 12 bps of cost; the difference is the edge that is needed."""
    found = economics.break_even(*barriers, 12.0)
    assert found.needed == pytest.approx(needed, abs=5e-4)
    assert found.driftless == pytest.approx(driftless, abs=5e-4)
    assert found.edge == pytest.approx(found.needed - found.driftless)


def test_the_smallest_order_is_whole_steps() -> None:
    """100 USDT at 60,000 is two steps of 60; at 100,000 one; a step dearer than the minimum is the least."""
    assert economics.smallest(Minimum(notional=100.0, step=0.001, price=60_000.0)) == pytest.approx(120.0)
    assert economics.smallest(Minimum(notional=100.0, step=0.001, price=100_000.0)) == pytest.approx(100.0)
    assert economics.smallest(Minimum(notional=5.0, step=1.0, price=20.0)) == pytest.approx(20.0)
    assert economics.quantised(99.9, Minimum(notional=100.0, step=0.001, price=9_990.0)) == 0.0


def test_all_figures_of_the_documents_plan() -> None:
    """The sheet holds the same numbers under their names, and says what cannot be.

    Keeps S4-10, S4-11, S4-12, S4-13, S4-14, B20.
    """
    sheet = economics.reckoned(SEED, BTC, 0.004)
    assert sheet["is_openable"] == 0.0
    assert sheet["taken_notional"] == pytest.approx(980_000.0)
    assert sheet["stops_to_ruin"] == 2
    assert sheet["liquidation_room"] == pytest.approx(1.93, abs=0.005)
    assert sheet["round_trip_fee"] == pytest.approx(0.0098)
    assert sheet["risk_notional"] is None
    assert sheet["needed_win_rate"] is None


def test_a_plan_with_a_take_profit_is_told_what_it_has_to_win() -> None:
    """TP 1 %, SL 0.5 %, cost 0.12 %: 41.3 %."""
    plan = Plan(capital=10_000.0, leverage=10.0, fee=0.0005, slip=0.0001, stop=0.005, take=0.01, risk=0.01)
    sheet = economics.reckoned(plan, Minimum(notional=100.0, step=0.001, price=100_000.0), 0.004)
    assert sheet["needed_win_rate"] == pytest.approx(0.4133, abs=5e-5)
    assert sheet["driftless_win_rate"] == pytest.approx(1 / 3)
    assert sheet["wanted_notional"] is None
    assert sheet["is_openable"] is None
    assert sheet["is_feasible"] == 1.0
    assert sheet["risk_notional"] == pytest.approx(100 / 0.0062)


def test_a_plan_without_a_stop_says_nothing_of_stops() -> None:
    """What there is none of is not known, and nothing is divided by it."""
    plan = Plan(capital=1_000.0, leverage=1.0, fee=0.0, stop=0.0)
    sheet = economics.reckoned(plan, Minimum(notional=5.0, step=0.1, price=10.0), 0.0)
    assert all(sheet[name] is None for name in ("smallest_risk", "stop_loss", "stops_to_ruin", "liquidation_room"))
    assert economics.stops_to_ruin(plan) is None
    assert sheet["taken_notional"] == pytest.approx(1_000.0)


def test_figures_hold_the_plan_they_are_of() -> None:
    """A kept sheet gives its plan back; figures of something else give none."""
    assert economics.plan_of(economics.reckoned(SEED, BTC, 0.004)) == SEED
    assert economics.plan_of({"capital": 1.0}) is None


def test_how_old_an_exchange_rate_is() -> None:
    """Days since its day began; none told is none; a day to come or no day at all is an error. Keeps S4-10."""
    now_ms = 1_782_000_000_000  # 2026-06-21 00:00 UTC
    assert economics.rate_age_days("", now_ms) is None
    assert economics.rate_age_days("2026-06-14", now_ms) == pytest.approx(7.0)
    with pytest.raises(ValueError, match="day to come"):
        economics.rate_age_days("2026-06-22", now_ms)
    with pytest.raises(ValueError, match="month must be"):
        economics.rate_age_days("2026-13-01", now_ms)

"""Measured positions laid over a map, and maps that are lent: by hand, and for drawn positions.

Expectations are reckoned from the positions themselves, one by one.
"""

from functools import cache
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap import lending, levels, measured
from perpscope.analytics.liqmap.ladder import leverage_ladder
from perpscope.analytics.liqmap.levels import Levels
from perpscope.analytics.liqmap.measured import Holdings
from perpscope.analytics.liqmap.venue_map import rebuilt
from perpscope.analytics.margin_tiers import flat_table
from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.steps import Setting

NONE = float("nan")
MARK = 60_000.0


@cache
def made() -> Levels:
    """A map of twenty minutes."""
    return levels.levels(rebuilt([FEW, LEVERAGED], history(5, 20), COARSE))


@pytest.fixture
def laid() -> Levels:
    """The same."""
    return made()


def holdings(*rows: tuple[bool, float, float, float]) -> Holdings:
    """Side (long or not), size, entry, liquidation price."""
    sides, sizes, entries, prices = zip(*rows, strict=True)
    return Holdings(np.array(sides), np.array(sizes), np.array(entries), np.array(prices))


def some(laid: Levels, size: float = 100.0) -> Holdings:
    """Two longs and a short in reach, and one long that nothing liquidates."""
    mark = laid.mark
    return holdings(
        (True, size, mark * 1.01, mark * 0.95),
        (True, size, mark, NONE),
        (True, 2.0 * size, mark * 0.99, mark * 0.995),
        (False, size, mark, mark * 1.2),
    )


def test_positions_lie_at_their_prices(laid: Levels) -> None:
    """Each in the level of its price, what has none out of reach; coverage is Σ size ÷ 2 ÷ open interest."""
    found = measured.lay(some(laid), laid)
    for side, price, size in ((0, 0.95, 100.0), (0, 0.995, 200.0), (1, 1.2, 100.0)):
        place = int((log(laid.mark * price) - laid.start) // laid.step)
        assert found.mass[side, place] == size
    assert found.mass.sum() == 400.0
    assert found.held.tolist() == [400.0, 100.0]
    assert found.out_of_reach.tolist() == [100.0, 0.0]
    assert found.coverage == pytest.approx(250.0 / laid.open_interest)


def test_a_side_holds_no_more_than_open_interest(laid: Levels) -> None:
    """Positions of another moment may be more than open interest: then they are scaled to it, and coverage says so."""
    found = measured.lay(some(laid, laid.open_interest), laid)
    assert found.held == pytest.approx([laid.open_interest] * 2)
    assert found.coverage == pytest.approx(2.5)
    exact = measured.fused(laid, found)
    assert exact.gross.sum(axis=1) + exact.beyond == pytest.approx([laid.open_interest] * 2)
    assert exact.gross == pytest.approx(found.mass)


def test_what_the_price_has_passed_does_not_count(laid: Levels) -> None:
    """A long above the mark and a short below it are gone or were told too long ago."""
    mark = laid.mark
    told = holdings(
        (True, 1.0, mark, mark * 1.01),
        (True, 1.0, mark, mark * 0.99),
        (False, 1.0, mark, mark * 0.99),
        (False, 1.0, mark, NONE),
    )
    assert measured.alive(told, mark).tolist() == [False, True, False, True]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(1e-3, 2.0))
def test_fusing_keeps_open_interest(seed: int, size: float) -> None:
    """For any positions: each side still holds open interest, parts sum to it, and no more is forced than held."""
    laid, rng = made(), np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    is_long = rng.random(count) < 0.5
    away = rng.exponential(0.1, count) * np.where(is_long, -1.0, 1.0)
    prices = np.where(rng.random(count) < 0.2, NONE, laid.mark * np.exp(away))
    sizes = rng.pareto(1.2, count) + 1e-3
    told = Holdings(is_long, sizes * size * laid.open_interest / sizes.sum(), np.full(count, laid.mark), prices)
    found = measured.lay(told, laid)
    exact = measured.fused(laid, found)
    assert exact.gross.sum(axis=1) + exact.beyond == pytest.approx([laid.open_interest] * 2)
    assert exact.gross.min() >= 0.0
    assert exact.parts.sum(axis=1) == pytest.approx(exact.gross)
    assert (exact.forced.sum(axis=1) <= exact.gross.sum(axis=1)).all()
    alone = (laid.parts * laid.conversions[:, :, None]).sum(axis=(1, 2))
    reached = found.mass.sum(axis=1) / laid.gross.sum(axis=1)
    share = found.held / laid.open_interest
    assert (exact.parts * exact.conversions[:, :, None]).sum(axis=(1, 2)) == pytest.approx(
        alone * (1.0 - share + reached)
    )
    drawn = measured.fused_draws(laid, np.tile(laid.conversions, (3, 1, 1)))
    assert drawn[1] == pytest.approx(exact.conversions)


def test_near_mass_and_overlap(laid: Levels) -> None:
    """Within 1 % of the mark; and how far the map alone agrees with what was measured."""
    alone = measured.near(laid)
    away = np.log(laid.prices / laid.mark)
    assert alone[0] == pytest.approx(laid.forced[0, (away < 0.0) & (away > -0.01)].sum())
    found = measured.lay(some(laid), laid)
    assert measured.near(measured.fused(laid, found))[0] > alone[0]
    same = measured.Measured(mass=laid.gross, held=np.ones(2), out_of_reach=np.zeros(2), coverage=1.0)
    assert measured.overlap(laid, same) == pytest.approx(1.0)
    told = measured.overlap(laid, found)
    assert told is not None
    assert 0.0 <= told < 1.0
    nothing = measured.lay(holdings((True, 1.0, MARK, NONE)), laid)
    assert measured.overlap(laid, nothing) is None


def test_measured_dollars_are_binned_like_the_map(laid: Levels) -> None:
    """At another venue's mark, moved with it."""
    found = measured.lay(some(laid), laid)
    edges = levels.edges_around(MARK, width=MARK / 100.0)
    usd = measured.binned_usd(found, laid, edges, MARK)
    assert usd.sum(axis=1) == pytest.approx([100 * MARK * 0.95 + 200 * MARK * 0.995, 100 * MARK * 1.2], rel=2e-3)
    assert abs(int(usd[1].argmax()) - int(np.searchsorted(edges, MARK * 1.2))) <= 1


def test_positions_are_sorted_into_classes() -> None:
    """By the log distance from entry to liquidation, the nearest class; too far or none: out of reach."""
    told = holdings(
        (True, 1.0, 100.0, 100.0 * exp(-0.005)),
        (False, 2.0, 100.0, 100.0 * exp(0.012)),
        (True, 4.0, 100.0, 100.0 * exp(-0.04)),
        (True, 8.0, 100.0, 100.0 * exp(-0.06)),
        (False, 16.0, 100.0, NONE),
        (True, 32.0, 100.0, 101.0),
    )
    assert measured.class_shares(told, FEW) * 63.0 == pytest.approx([33.0, 2.0, 4.0, 24.0])


def test_ladders_lean_as_far_as_was_measured() -> None:
    """Coverage × n ÷ (n + 20) ÷ 2; nothing measured changes nothing, everything measured half of what is assumed."""
    told = holdings(*[(True, 1.0, 100.0, 100.0 * exp(-0.004))] * 20)
    assert told.effective == pytest.approx(20.0)
    assert measured.weight_of(told, 0.3) == pytest.approx(0.075)
    assert measured.weight_of(told, 7.0) == pytest.approx(0.25)
    assert told.only(np.zeros(20, bool)).effective == 0.0
    assert measured.informed(FEW, told, 0.0).weights == pytest.approx(FEW.weights)
    assert measured.informed(FEW, told, 1.0).weights == pytest.approx(np.array([[1.0, 0.0, 0.0, 0.0]] * 2))
    half = measured.informed(LEVERAGED, told, 0.5).weights
    assert half.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_half_of_the_accounts_foretells_the_other() -> None:
    """Overlap with accounts kept back rises from what is assumed to what the others hold; too few say nothing."""
    rows = [(True, 1.0, 100.0, 100.0 * exp(-0.031))] * 6
    told = measured.held_out(holdings(*rows), list("aabbcd"), FEW)
    assert told is not None
    assert told.accounts == 4
    assert told.after == pytest.approx(1.0)
    assert told.before == pytest.approx(float(FEW.weights[0, 2]))
    assert measured.held_out(holdings(*rows), list("aaabbc"), FEW) is None


def test_who_moves_most_alike_lends() -> None:
    """The highest correlation of changes above 0; with too few changes, none that moved, or none alike: nobody."""
    rng = np.random.default_rng(1)
    mine, noise = np.exp(np.cumsum(rng.normal(0.0, 0.01, 60))), np.exp(np.cumsum(rng.normal(0.0, 0.01, 60)))
    found = lending.most_alike(mine, {"far": noise, "near": mine**2 * noise**0.1, "still": np.ones(60)})
    assert found is not None
    assert found.name == "near"
    assert found.correlation > 0.9
    assert lending.most_alike(mine, {"opposite": 1.0 / mine}) is None
    assert lending.likeness("short", mine[:24], mine[:24]) is None
    holes = np.where(np.arange(60) % 2, mine, np.nan)
    assert lending.likeness("holes", mine, holes) is None
    assert lending.most_alike(mine, {}) is None


def test_measuring_some_accounts_says_something_of_others_and_of_other_venues() -> None:
    """In the agent market: accounts kept back, and another venue, are nearer to what was measured. Keeps B7."""
    market = AgentMarket(Setting(seed=3, agents=3_000, dt_s=240.0))
    end = market.ts + 2 * 86_400 * 1_000_000_000
    while market.ts < end:
        market.step()
    rows = market.positions()
    venues = {place.venue: at for at, place in enumerate(market.setting.places)}
    ladder = leverage_ladder(flat_table(0.005, 40.0))
    held, accounts = open_at(rows, venues["hyperliquid"])
    told = measured.held_out(held, accounts, ladder)
    assert told is not None
    assert told.after > told.before + 0.05
    elsewhere = measured.class_shares(open_at(rows, venues["binance"])[0], ladder)
    assumed = float(np.minimum(ladder.weights[0], elsewhere).sum())
    leant = float(np.minimum(measured.informed(ladder, held, 1.0).weights[0], elsewhere).sum())
    kept_back = f"{told.before:.2f} -> {told.after:.2f}"
    print(f"{len(held)} positions, accounts kept back {kept_back}, at Binance {assumed:.2f} -> {leant:.2f}")
    assert leant > assumed


def open_at(rows: dict[str, NDArray[Any]], venue: int) -> tuple[Holdings, list[str]]:
    """Open positions of a venue of the agent market, and who holds each."""
    of = (rows["venue"] == venue) & (rows["ts_closed"] == 0)
    price = rows["liquidation_price"][of].astype(float)
    price = np.where(np.isfinite(price) & (price > 0.0), price, NONE)
    size, entry = rows["lots"][of].astype(float), rows["entry"][of].astype(float)
    return Holdings(rows["side"][of] > 0, size, entry, price), [str(agent) for agent in rows["agent"][of]]

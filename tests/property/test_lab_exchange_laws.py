"""Laws of the agent market's exchange: for any crowd, at every step."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics.margin_arrays import bankruptcy_prices, liquidation_prices
from perpscope.analytics.margin_linear import LinearTiers, linear_bankruptcy_prices
from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.agents.book import SHADING, Footprints, Walk
from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.steps import Setting
from perpscope.lab.agents.tiers import BTCUSDT_2024_10
from perpscope.lab.agents.world import Shock
from perpscope.model.instrument import TierBasis

_TABLE = BTCUSDT_2024_10
_TIERS = LinearTiers(_TABLE)


@pytest.mark.parametrize("move", [-0.12, 0.12], ids=["crash", "squeeze"])
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_step_keeps_the_identities(move: float, seed: int) -> None:
    """Longs equal shorts to the lot, money is conserved, and nobody overdue is left, at every step of a storm."""
    market = AgentMarket(Setting(seed, agents=400, dt_s=30.0, shocks=(Shock(14_400.0, 300.0, move),)))
    for _ in range(600):
        step = market.step()
        lots, money, running = market.exchange.audit(market.mark)
        assert lots == 0.0
        assert money < 1e-9
        assert running == 0.0
        assert all(not market.exchange.overdue(venue, mark).size for venue, mark in enumerate(step.mark))
        assert min(step.open_interest) >= 0.0
        assert market.exchange.margin[market.exchange.lots == 0].any() == np.False_
        held = np.abs(market.exchange.lots).sum() + np.abs(market.exchange.maker_lots).sum()
        assert sum(step.open_interest) * 2 == held + np.abs(market.exchange.fund_lots).sum()


@settings(max_examples=120, deadline=None)
@given(
    is_long=st.booleans(),
    usd=st.floats(10.0, 2e8),
    entry=st.floats(0.01, 1e5),
    share=st.floats(0.012, 1.0),
)
def test_liquidation_prices_are_those_of_the_margin_engine(
    is_long: bool, usd: float, entry: float, share: float
) -> None:
    """The quick formula of the lab and the checked one of analytics say the same for any position they both know."""
    size, margin = usd / entry, usd * max(share, 1.1 / float(_TIERS.greatest_leverage(np.array([usd]))[0]))
    signed = np.array([size if is_long else -size])
    ours = _TIERS.liquidation_prices(signed, np.array([entry]), np.array([margin]))[0]
    theirs = liquidation_prices([is_long], [size], [entry], [margin], _TABLE)[0]
    if math.isnan(theirs):
        assert ours <= 1e-6 * entry
    else:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9 * entry)
    bankrupt = bankruptcy_prices([is_long], [size], [entry], [margin])[0]
    if not math.isnan(bankrupt):
        quick = linear_bankruptcy_prices(signed, np.array([entry]), np.array([margin]))[0]
        assert quick == pytest.approx(bankrupt, rel=1e-9, abs=1e-9 * entry)


def test_the_quick_form_refuses_what_it_cannot_do() -> None:
    """Tiers that jump, or count sizes, are not climbed in turn; no positions have no prices; the last tier has one."""
    jumps = TierTable((0.0, 1000.0), (0.01, 0.02), (0.0, 0.0), (50.0, 20.0))
    sizes = TierTable((0.0, 1000.0), (0.01, 0.02), (0.0, 10.0), (50.0, 20.0), TierBasis.SIZE)
    for table in (jumps, sizes):
        with pytest.raises(ValueError, match="does not jump"):
            LinearTiers(table)
    nothing = np.empty(0)
    assert _TIERS.liquidation_prices(nothing, nothing, nothing).size == 0
    (price,) = _TIERS.liquidation_prices(np.array([-30_000.0]), np.array([60_000.0]), np.array([1.2e9]))
    assert price == pytest.approx((1.2e9 + 1.8e9 + 421_481_450) / (30_000 * 1.5))


@given(
    scale=st.floats(1e4, 1e9),
    kappa=st.floats(1.0, 1.4),
    parts=st.lists(st.floats(1.0, 1e8), min_size=1, max_size=8),
)
def test_a_book_gives_the_same_for_an_order_in_parts(scale: float, kappa: float, parts: list[float]) -> None:
    """Eating a book in bites costs on average what one bite of their sum does, and leaves the price where it would."""
    bites, whole = Walk(scale, kappa), Walk(scale, kappa)
    paid = sum(part * bites.take(part) for part in parts)
    average = whole.take(sum(parts))
    assert paid == pytest.approx(sum(parts) * average, rel=1e-5)
    assert bites.distance == pytest.approx(whole.distance)
    assert average < whole.distance
    assert bites.within(bites.distance * 2) == pytest.approx(sum(parts) * (2**kappa - 1), rel=1e-6)


@given(pushes=st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=6), seconds=st.floats(0.1, 600.0))
def test_footprints_fade_towards_nothing(pushes: list[float], seconds: float) -> None:
    """What a trade displaced never grows by itself; all but the share that stays while it is held is to fade."""
    prints = Footprints()
    for push in pushes:
        prints.press(push)
    assert prints.displacement == pytest.approx((1 - SHADING) * sum(pushes), abs=1e-12)
    before, spread = prints.displacement, Footprints()
    spread.press(sum(pushes), over_s=seconds)
    prints.fade(seconds)
    assert abs(prints.displacement) <= abs(spread.displacement) + 1e-15 <= abs(before) + 2e-15

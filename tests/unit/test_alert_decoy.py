"""B19: a rule that fires without reason ends muted on a real month, one that has a reason does not."""

import random
from pathlib import Path

import pytest
from tests.alert_months import Bar, bars, lived

from perpscope.analytics.alerts.rules import RuleSettings

#: Fires where nothing has moved for half an hour, and expects a move all the same.
DECOY = RuleSettings(
    when="abs(price_change_pct_5m) < 0.1",
    lasts_s=1800.0,
    clear_factor=1.0,
    cool_down_s=0.0,
    expects="move_pct >= 0.5 in 1h",
)
SHOCK = RuleSettings(when="abs(price_change_pct_5m) > 0.5", cool_down_s=1800.0, expects="move_pct >= 0.5 in 1h")


@pytest.mark.unmeasured
def test_a_decoy_is_muted_in_a_market_of_calm_and_storm() -> None:
    """Twelve generated days, three calm hours to a restless one: who calls in the calm is muted. Keeps B19."""
    rng, price, month = random.Random(19), 100.0, []
    for minute in range(12 * 1440):
        price *= 1.0 + rng.gauss(0.0, 0.0015 if minute // 60 % 4 == 3 else 0.0001)
        month.append(Bar(minute * 60_000 + 1_800_000_000_000, price, price, price))
    watch, raised = lived({"decoy": DECOY, "shock": SHOCK}, {"BTC": month})
    decoy, shock = (watch.score(rule) for rule in watch.rules)
    assert decoy is not None
    assert shock is not None
    assert (decoy.verdict, shock.verdict) == ("worse", "better")
    assert min(raised.values()) > 20


@pytest.mark.soak
def test_a_decoy_is_muted_on_a_real_month_and_a_shock_is_not(recordings: Path) -> None:
    """May 2025 of BTC, minute by minute: the decoy's hits are far below chance and the shock's above. Keeps B19."""
    month = bars(recordings / "history", "binance_usdm_1m_2025-05", "BTC_USDT_USDT-1m-futures", "2025-05")
    watch, raised = lived({"decoy": DECOY, "shock": SHOCK}, {"BTC": month})
    decoy, shock = (watch.score(rule) for rule in watch.rules)
    assert decoy is not None
    assert shock is not None
    assert (decoy.verdict, shock.verdict) == ("worse", "better")
    assert raised["decoy"] >= decoy.n > 20
    assert (decoy.high or 1.0) < (decoy.chance or 0.0)
    assert shock.evidence_worse < 1.0

"""Profiles: the careful limits bind; the documents' numbers stay as they are, and what they come to is said in red."""

import msgspec
import pytest

from perpscope.app import risk_profiles
from perpscope.errors import ConfigError
from perpscope.settings import Risk

NOW = 1_782_000_000_000  #: 2026-06-21 00:00 UTC


def test_the_careful_profile_is_the_settings() -> None:
    """Nothing is changed and nothing warned of. Keeps B20."""
    kept = risk_profiles.chosen(Risk(per_trade=0.005))
    assert (kept.name, kept.risk.per_trade, kept.is_strict, list(kept.warnings)) == ("careful", 0.005, True, [])


def test_the_documents_numbers_stay_as_they_are() -> None:
    """100,000 KRW, 1,000,000 KRW, 10x in USDT at the rate; limits do not bind; four warnings.

    Keeps S4-10, S4-11, S4-12, S4-13, S4-14, S4-74.
    """
    kept = risk_profiles.chosen(Risk(profile="seed", leverage=3.0, kelly=0.5))
    assert kept.risk.deposit == pytest.approx(71.43, abs=0.005)
    assert kept.risk.target == pytest.approx(714.29, abs=0.005)
    assert (kept.risk.leverage, kept.is_strict) == (10.0, False)
    red = " | ".join(kept.warnings)
    for words in ("995,024.88", "990,099.01", "50.5%", "24.5%", "nothing after 2", "1% of equity", "no quotation"):
        assert words in red
    assert kept.risk.daily_loss == 0.05


@pytest.mark.parametrize(
    ("as_of", "words"),
    [("", "no quotation"), ("2026-06-14", "the rate of 2026-06-14"), ("2026-06-13", "OLD by 8 days")],
    ids=["example", "fresh", "old"],
)
def test_an_exchange_rate_says_how_old_it_is(as_of: str, words: str) -> None:
    """Older than seven days is called old."""
    said = risk_profiles.rate_words(Risk(krw_as_of=as_of), NOW)
    assert words in said
    assert ("OLD" in said) is ("OLD" in words)


def test_an_exchange_rate_of_no_day_is_refused() -> None:
    """2026-02-30 is no day; without a clock nothing is judged."""
    with pytest.raises(ConfigError, match=r"risk\.krw_as_of"):
        risk_profiles.chosen(Risk(profile="seed", krw_as_of="2026-02-30"), now_ms=NOW)
    assert "OLD" not in risk_profiles.rate_words(Risk(krw_as_of="2020-01-01"), None)


def test_plans_of_profiles() -> None:
    """The careful profile's stop is 1.5 % and its risk limited, the seed's 5 % and not; a strategy's own stop wins."""
    seed = risk_profiles.plan_of(risk_profiles.chosen(Risk(profile="seed")), fee=0.0005)
    careful = risk_profiles.plan_of(risk_profiles.chosen(Risk()), fee=0.0005)
    assert (seed.stop, seed.risk, careful.stop, careful.risk) == (0.05, 0.0, 0.015, 0.01)
    assert risk_profiles.plan_of(risk_profiles.chosen(Risk()), fee=0.0005, stop=0.01, take=0.02).take == 0.02


def test_the_documents_plan_on_btcusdt() -> None:
    """660, 700 or 600 USDT, and 50.5 % lost at the stop, by way of the profile as by METHOD."""
    kept = risk_profiles.chosen(Risk(profile="seed"))
    plan = risk_profiles.plan_of(kept, fee=0.0005, slip=0.0)
    for price, usdt in ((60_000.0, 660.0), (100_000.0, 700.0), (120_000.0, 600.0)):
        sheet = risk_profiles.economics_of(plan, min_notional=100.0, step=0.001, price=price, mmr=0.004)
        assert sheet["taken_notional"] == pytest.approx(usdt)
        assert sheet["stop_loss"] == pytest.approx(0.505, abs=5e-4)
    tight = msgspec.structs.replace(plan, risk=0.02, slip=0.0002, notional=0.0)
    sheet = risk_profiles.economics_of(tight, min_notional=100.0, step=0.001, price=100_000.0, mmr=0.004)
    assert sheet["is_feasible"] == 0.0
    assert sheet["smallest_risk"] == pytest.approx(0.072, abs=5e-4)

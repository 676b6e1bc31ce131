"""The estimator against the agent market's truth: crashes lived at one second a step, thinned both ways.

Each test prints what it found: `pytest -s -m soak`.
"""

import msgspec
import numpy as np
import pytest
from tests.unit.sampled_days import HOUR_S

from perpscope.analytics.totals.bands import Bands, joined
from perpscope.analytics.totals.calibration import bias_of, calibrate, covered, score
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Floats, Prints, prints, summed_by, thinned
from perpscope.analytics.totals.sizes import sizes_of
from perpscope.analytics.totals.venue import Beside, sampled_minutes
from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.steps import Setting
from perpscope.lab.agents.world import october
from perpscope.model.market import Sampling

#: With twelve, the chance of which one is told of each second alone was .09 of the busier minutes' dollars.
SEEDS = range(1, 49)
AGENTS = 20_000
#: The crowd arrives in steps of two minutes; then eight hours in steps of a second, with two falls of 8 %.
WARM_S, LIVED_S = 129_600, 8 * HOUR_S
APART_S = LIVED_S + HOUR_S
LIVED = Watchtime(0, APART_S)
SECOND_NS = 1_000_000_000
#: Venues that are judged, and the complete ones beside them.
JUDGED = {"binance": "bybit", "okx": "bybit", "bybit": "bitget"}
LEARNT_FROM = ("binance", "bybit", "okx", "bitget")


def lived(seed: int, agents: int = AGENTS, lived_s: int = LIVED_S) -> dict[str, Prints]:
    """Every liquidation of each venue, complete, seconds from the end of the warm-up."""
    shocks = (*october(WARM_S + lived_s / 4), *october(WARM_S + 3 * lived_s / 4))
    market = AgentMarket(Setting(seed=seed, agents=agents, dt_s=120.0, shocks=shocks))
    begin = market.ts + WARM_S * SECOND_NS
    while market.ts < begin:
        market.step()
    market.pace(1.0)
    for _ in range(lived_s):
        market.step()
    table = market.liquidations()
    found = {}
    for row, place in enumerate(market.setting.places):
        at = np.flatnonzero((table["venue"] == row) & (table["ts"] >= begin) & (table["lots"] > 0))
        at = at[np.argsort(table["ts"][at], kind="stable")]
        usd = table["lots"][at] * market.setting.lot * table["bankruptcy_price"][at]
        second = (table["ts"][at] - begin) // SECOND_NS
        found[place.venue] = prints(second.astype(np.int64), usd.astype(np.float64), table["side"][at] == 1)
    return found


def chained(tapes: list[Prints]) -> tuple[Prints, Watchtime]:
    """Tapes one after another, an hour apart."""
    second = np.concatenate([tape.second + i * APART_S for i, tape in enumerate(tapes)])
    usd, is_long = (np.concatenate([getattr(tape, name) for tape in tapes]) for name in ("usd", "is_long"))
    return prints(second, usd, is_long), Watchtime(0, APART_S * len(tapes))


@pytest.fixture(scope="module")
def markets() -> dict[int, dict[str, Prints]]:
    """The tapes of 48 markets."""
    return {seed: lived(seed) for seed in SEEDS}


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", [Sampling.LARGEST_1S, Sampling.LATEST_1S], ids=["largest", "latest"])
def test_crashes_of_the_agent_market_are_recovered(markets: dict[int, dict[str, Prints]], mode: Sampling) -> None:
    """Learnt on the other markets: a market's busiest minutes come within 20 %, and bands hold what they should."""
    own: list[Bands] = []
    together: list[Bands] = []
    true: list[Bands] = []
    counted: list[Floats] = []
    for seed, tapes in markets.items():
        others, watch = chained([o[venue] for at, o in markets.items() if at != seed for venue in LEARNT_FROM])
        learnt = calibrate(others, watch, mode)
        assert learnt is not None
        print(
            f"{mode.value}, learnt without market {seed}: tau {learnt.tau_s}, {learnt.minutes} minutes, "
            f"median |bias| {learnt.median_bias:.3f}, busiest 1 % {learnt.top_bias:+.3f}, {learnt.is_accepted}"
        )
        shown = msgspec.structs.replace(learnt, deciles=[0.0], top_bias=0.0)  # the truth is the judge here
        for venue, beside in JUDGED.items():
            raw, whole = score(tapes[venue], LIVED, mode, sizes_of(others.usd), learnt.tau_s)
            told = thinned(tapes[venue], mode)
            minutes, _ = sampled_minutes(told, LIVED, mode, beside=Beside(tapes[beside]), calibrations={mode: shown})
            own.append(learnt.applied(raw))
            together.append(minutes.both)
            true.append(whole)
            counted.append(by_count(tapes[venue], told, whole))
    judge(joined(own), joined(together), joined(true), np.concatenate(counted), mode)


def by_count(tape: Prints, told: Prints, whole: Bands) -> Floats:
    """Dollars by minute for one who knows how many there were in each second, and the size of the one that is told."""
    _, counts = np.unique(tape.second, return_counts=True)
    return summed_by(np.searchsorted(whole.start, told.second // 60 * 60), told.usd * counts, len(whole))


def judge(bands: Bands, together: Bands, true: Bands, counted: Floats, mode: Sampling) -> None:
    """Print and hold what can be held of some thousand minutes, many of them in a crash."""
    told = np.flatnonzero(np.isfinite(bands.high))
    order = told[np.argsort(bands.estimated_events[told], kind="stable")]
    groups = np.array_split(order, 10)
    deciles = [bias_of(bands, true, group) or 0.0 for group in groups]
    chance = [counted[group].sum() / true.observed_usd[group].sum() - 1.0 for group in groups]
    busiest = np.argsort(true.observed_events, kind="stable")[-max(1, len(true) // 100) :]
    every = np.ones(len(true), np.bool_)
    whole, share = bias_of(bands, true, every), covered(bands, true, every)
    alone, top = (bias_of(each, true, busiest) for each in (bands, together))
    observed = bands.observed_usd.sum() / true.observed_usd.sum() - 1
    print(
        f"{mode.value}, markets not learnt from: {len(true)} minutes, observed {observed:+.3f}, estimated {whole:+.3f}"
    )
    print(f"  median |bias| {np.median(np.abs(deciles)):.3f} of deciles {np.round(deciles, 3).tolist()}")
    print(f"  of one who knows every count, but one size of each second: {np.median(np.abs(chance)):.3f}")
    print(f"  busiest 1 %: alone {alone:+.3f}, beside another venue {top:+.3f}")
    print(f"  bands hold {share:.3f}, saturated {bands.saturated.mean():.3f}")
    assert whole is not None
    assert top is not None
    assert share is not None
    assert abs(whole) <= 0.10
    assert abs(top) <= 0.20
    assert 0.80 <= share <= 0.97
    assert float(np.median(np.abs(deciles))) <= 0.05


def test_a_small_market_is_recovered_by_its_largest_prints() -> None:
    """An hour of a small crowd with two falls: estimated from the largest of each second, nearer than the observed."""
    tapes = lived(3, 3000, HOUR_S)
    tape, _ = chained(list(tapes.values()))
    told = thinned(tape, Sampling.LARGEST_1S)
    minutes, how = sampled_minutes(told, Watchtime(0, 5 * APART_S), Sampling.LARGEST_1S)
    true, observed, estimated = tape.usd.sum(), told.usd.sum(), minutes.both.estimated_usd.sum()
    print(
        f"{len(tape)} liquidations, {len(told)} told: observed {observed / true:.3f}, estimated {estimated / true:.3f}"
    )
    assert how.is_estimated
    assert observed < true
    assert abs(estimated / true - 1) < abs(observed / true - 1)

"""The capital review: the documents' goals measured with their intervals, and what is proposed, with its evidence."""

import msgspec
import numpy as np
import pytest
from tests.unit.runs_made import BEGIN_MS, DAY_MS, trade, walked

from perpscope.model.run import Run, RunCurve, RunKind
from perpscope.trading import capital
from perpscope.trading.capital import Review

_BLANK = walked(minutes=600, trades=4)


def run(
    nets: list[float],
    *,
    days: float = 100.0,
    first_day: float = 0.0,
    best: float | None = 5_000.0,
    typical: float | None = 1_000.0,
    dsr: float = 0.99,
    name: str = "one",
) -> Run:
    """A paper run of 10,000 whose trades close at equal steps; its curve has a row after each."""
    begin = BEGIN_MS + round(first_day * DAY_MS)
    step = days * DAY_MS / max(1, len(nets))
    trades = [trade(net, at_ms=begin + round(k * step), size=10.0, slippage=0.5) for k, net in enumerate(nets)]
    equity = 10_000.0 + np.cumsum(nets)
    curve = RunCurve(
        at_ms=[one.closed_ms for one in trades], equity=equity.tolist(), position=np.zeros(len(nets)).tolist()
    )
    summary = msgspec.structs.replace(
        _BLANK.summary,
        id=name,
        kind=RunKind.PAPER,
        from_ms=begin,
        to_ms=begin + round(days * DAY_MS),
        deposit=10_000.0,
        net=float(sum(nets)),
        coverage=1.0,
    )
    figures = {"dsr": dsr, "capacity_best": best, "trade_notional": typical}
    return msgspec.structs.replace(_BLANK, summary=summary, trades=trades, curve=curve, performance=figures)


def nets(count: int, mean: float = 4.0, deviation: float = 12.0, seed: int = 1) -> list[float]:
    """Nets of trades."""
    drawn: list[float] = np.random.default_rng(seed).normal(mean, deviation, count).tolist()
    return drawn


def state(found: Review) -> dict[str, str]:
    """What became of each goal."""
    return {goal.promise: goal.state for goal in found.goals}


def test_goals_are_measured_not_promised() -> None:
    """100 days that earned 60 %: win rate, return and drawdown are met; six months have not passed.

    Keeps S4-64, S4-65, S4-66, S4-67.
    """
    found = capital.reviewed([run(nets(1_000, mean=6.0))])
    assert state(found) == {"S4-64": "met", "S4-65": "met", "S4-66": "met", "S4-67": "too-short"}
    assert found.days == pytest.approx(100.0)
    by_name = {goal.name: goal for goal in found.goals}
    assert by_name["return"].figure == pytest.approx(found_net(found, 1_000))
    assert by_name["return"].low is not None
    assert by_name["return"].low >= 0.3
    assert by_name["drawdown"].low is not None
    assert by_name["drawdown"].figure is not None
    assert -0.3 <= by_name["drawdown"].low <= by_name["drawdown"].figure + 0.05 < 0.05


def found_net(found: Review, count: int) -> float:
    """The return the trades of the review came to."""
    assert found.trades == count
    return sum(nets(count, mean=6.0)) / 10_000.0


def test_goals_that_are_missed() -> None:
    """200 days that lost: win rate, return and the month are missed, the fall is beyond 30 %.

    Keeps S4-64, S4-65, S4-66, S4-67.
    """
    found = capital.reviewed([run(nets(1_000, mean=-6.0), days=200.0)])
    assert state(found) == {"S4-64": "missed", "S4-65": "missed", "S4-66": "missed", "S4-67": "missed"}


def test_goals_that_are_open() -> None:
    """With few trades an interval holds both: nothing is claimed either way. Keeps S4-64."""
    found = capital.reviewed([run(nets(30, mean=0.0), days=200.0)])
    assert state(found)["S4-64"] == "open"


def test_a_period_too_short_says_so() -> None:
    """Ten days decide no goal of three months; no trade decides none at all."""
    assert set(state(capital.reviewed([run(nets(100), days=10.0)])).values()) == {"too-short"}
    found = capital.reviewed([run([], days=0.0)])
    assert set(state(found).values()) == {"too-short"}
    assert [goal.figure for goal in found.goals if goal.name in {"win-rate", "month"}] == [None, None]


def test_runs_follow_one_another() -> None:
    """Returns of runs multiply and a drawdown goes on from one to the next; the same time cannot count twice."""
    first = run([1_000.0, -500.0], days=10.0, name="first")
    second = run([-1_000.0, 500.0], days=10.0, first_day=10.0, name="second")
    found = capital.reviewed([second, first])
    assert found.runs == ["first", "second"]
    assert found.goals[1].figure == pytest.approx(1.05 * 0.95 - 1.0)
    assert capital.deepest([first, second]) == pytest.approx(1.0 - 10_500 / 11_000 * 0.9)
    with pytest.raises(ValueError, match="first and other overlap"):
        capital.reviewed([first, run([1.0], days=1.0, first_day=9.9, name="other")])
    with pytest.raises(ValueError, match="at least one run"):
        capital.reviewed([])


def test_everything_lost_is_a_month_of_minus_one() -> None:
    """An account with nothing left has no growth to take a root of."""
    found = capital.reviewed([run([-10_000.0], days=200.0)])
    assert {goal.name: goal.figure for goal in found.goals}["month"] == -1.0


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (run([500.0, -2_000.0, *nets(300)]), "fell"),
        (run(nets(400, mean=-4.0)), "loses on average"),
        (run(nets(400), best=500.0), "earned less"),
    ],
    ids=["drawdown", "expectancy", "capacity"],
)
def test_less_is_proposed_on_evidence(made: Run, words: str) -> None:
    """A deep drawdown, a loss on average or too large a size: half, and why. Keeps S4-61, S4-68."""
    found = capital.reviewed([made])
    assert (found.way, found.factor) == ("down", 0.5)
    assert any(words in why for why in found.evidence)


def test_nothing_changes_until_all_is_shown() -> None:
    """What the gate lacks, a drawdown not calm, or capacity nobody knows: hold, and what is missing. Keeps S4-68."""
    found = capital.reviewed([run(nets(400))])
    assert (found.way, found.factor) == ("hold", 1.0)
    assert any(why.startswith("slippage: not known") for why in found.evidence)
    found = capital.reviewed([run([1_000.0, -1_000.0, *nets(400)], best=None)])
    assert found.way == "hold"
    assert {"drawdown", "capacity"} <= {why.split(":")[0] for why in found.evidence}
    found = capital.reviewed([run(nets(400), best=1_400.0)])
    assert any("capacity: 1,400 a trade, wanted 1,500" in why for why in found.evidence)


def test_more_is_proposed_when_all_is_shown() -> None:
    """Every condition met, calm, and room in the market: half as much again. Keeps S4-61."""
    found = capital.reviewed([run(nets(400))], modelled_slippage=200.0, incidents=0)
    assert (found.way, found.factor) == ("up", 1.5)
    assert "every condition of the gate is met" in found.evidence[0]

"""The latency budget: stages that add up, quantiles that are never too small, and no more memory than at the start."""

import random
import sys

import numpy as np
import pytest

from perpscope.app.trade.latency import STAGES, Histogram, Latency
from perpscope.model.trade_status import Spread

MS = 1_000_000


class Stopwatch:
    """Real seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_quantiles_are_rounded_up_by_less_than_a_twentieth(share: float) -> None:
    """Against numpy on the same numbers: never below, and at most 4.5 % above. Keeps B24."""
    rng = random.Random(7)
    took = [rng.lognormvariate(1.0, 1.5) + 0.001 for _ in range(5_000)]
    found = Histogram()
    for ms in took:
        found.add(ms)
    exact, told = float(np.quantile(took, share, method="higher")), found.quantile(share)
    assert told is not None
    assert exact <= told * 1.001 <= exact * 1.046


def test_what_never_happened_has_no_figures() -> None:
    """Not nothing: unknown."""
    assert Latency().spreads == {stage: Spread() for stage in STAGES}


def test_the_stages_of_an_order_add_up_to_the_whole() -> None:
    """Exchange → receive → decide → journal → send, each in its own place; steps told twice count once. Keeps B24."""
    watch = Stopwatch()
    latency = Latency(is_sent=True, monotonic=watch)
    latency.received(0, 8 * MS)
    latency.decided(0, 8 * MS, 10 * MS, "r-coin-1")
    for step, seconds in (("journal", 0.004), ("send", 0.001), ("send", 0.5), ("acknowledge", 0.02), ("send", 1.0)):
        watch.now += seconds
        latency.stepped("r-coin-1", step)
    latency.stepped("nobody's", "send")
    expected = {"receive": 8.0, "decide": 2.0, "journal": 4.0, "send": 1.0, "acknowledge": 520.0, "whole": 15.0}
    for stage, ms in expected.items():
        assert latency.spreads[stage].p50 == pytest.approx(ms, rel=0.045)
        assert latency.spreads[stage].count == 1


def test_on_paper_the_whole_ends_with_the_decision() -> None:
    """Every decision counts, with an order or without; nothing is journalled or sent."""
    latency = Latency()
    latency.decided(0, MS, 3 * MS)
    latency.decided(0, MS, 3 * MS, "r-coin-1")
    latency.stepped("r-coin-1", "send")
    assert latency.spreads["whole"].p50 == pytest.approx(3.0, rel=0.045)
    assert [latency.spreads[stage].count for stage in STAGES] == [0, 2, 0, 0, 0, 2]


def test_an_opinion_alone_is_no_order() -> None:
    """Live, the whole is of what was sent."""
    latency = Latency(is_sent=True)
    latency.decided(0, MS, 3 * MS)
    assert latency.spreads["whole"].count == 0


def test_a_lab_s_faster_time_is_told_as_real_time() -> None:
    """At 60 market seconds a second 120 ms of the market are 2 ms of ours; an exchange ahead of us is nothing."""
    latency = Latency(lambda: 60.0)
    latency.received(0, 120 * MS)
    assert latency.spreads["receive"].p99 == pytest.approx(2.0, rel=0.045)
    latency = Latency()
    latency.received(5 * MS, 0)
    latency.received(0, 10**15)
    assert (latency.spreads["receive"].p50, latency.spreads["receive"].count) == (0.001, 2)


def test_orders_nobody_answers_are_given_up() -> None:
    """Memory stays what it was, however many are sent. Keeps B16."""
    latency = Latency(is_sent=True)
    for number in range(1_000):
        latency.decided(0, 0, MS, f"r-coin-{number}")
    before = sys.getsizeof(latency._chains)
    for number in range(1_000, 5_000):
        latency.decided(0, 0, MS, f"r-coin-{number}")
    assert sys.getsizeof(latency._chains) == before
    latency.stepped("r-coin-1", "send")
    latency.stepped("r-coin-4999", "send")
    assert latency.spreads["send"].count == 1

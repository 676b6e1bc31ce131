"""The market clock: never goes back, follows a lab, ticks in market time."""

import time

import pytest

from perpscope.feeds.clock import SECOND_NS, Anchor, MarketClock


def test_it_follows_real_time_by_default() -> None:
    """Market time is wall time unless a lab says otherwise."""
    clock = MarketClock()
    assert abs(clock.now_ns() - time.time_ns()) < 5 * SECOND_NS
    assert clock.rate == 1.0
    assert clock.tick_s == 1.0


@pytest.mark.parametrize("rate", [0.5, 1.0, 60.0, 1000.0])
def test_it_rebases_onto_an_anchor(rate: float) -> None:
    """Market time = anchor + elapsed × rate."""
    clock = MarketClock()
    wall = clock.wall_ns()
    clock.follow(Anchor(2_000_000_000 * SECOND_NS, wall - 10 * SECOND_NS, rate))
    elapsed_s = (clock.now_ns() - 2_000_000_000 * SECOND_NS) / SECOND_NS
    assert 10 * rate <= elapsed_s < (10 + 5) * rate


def test_it_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the wall clock is set back, and not when an anchor lies in the past."""
    clock = MarketClock()
    before = clock.now_ns()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.now_ns() >= before
    clock.follow(Anchor(1, clock.wall_ns(), 1.0))
    assert clock.now_ns() >= before


@pytest.mark.parametrize(("rate", "tick_s"), [(1.0, 1.0), (10.0, 0.1), (60.0, 0.02), (1000.0, 0.02), (0.01, 5.0)])
def test_ticks_come_each_market_second_within_reason(rate: float, tick_s: float) -> None:
    """Bounds keep the loop from ticking all the time, and what was received from waiting: each Tick flushes.

    Keeps S2-50.
    """
    clock = MarketClock()
    clock.follow(Anchor(0, 0, rate))
    assert clock.tick_s == pytest.approx(tick_s)


async def test_ticks_carry_market_time() -> None:
    """Each Tick is later than the one before."""
    clock = MarketClock()
    clock.follow(Anchor(0, clock.wall_ns(), 1000.0))
    seen: list[int] = []
    async for now_ns in clock.ticks():
        seen.append(now_ns)
        if len(seen) == 3:
            break
    assert seen == sorted(set(seen))


async def test_a_late_tick_tells_for_how_long_the_program_stood_still() -> None:
    """The event loop blocked between two Ticks is noticed, and the longest time remembered."""
    clock = MarketClock()
    clock.follow(Anchor(0, clock.wall_ns(), 50.0))
    lags: list[float] = []
    async for _ in clock.ticks():
        lags.append(clock.lag_s)
        if len(lags) == 1:
            time.sleep(0.5)  # the fault itself
        elif len(lags) == 3:
            break
    assert lags[1] > 0.4
    assert clock.longest_lag_s == max(lags)

"""The lab's market clock: held, paced and unpaced time, and the anchor others follow."""

import math
import time

import pytest

from perpscope.lab.clock import NS_PER_S, LabClock

_START = 1_700_000_000 * NS_PER_S


def test_held_clock_stands_still_until_it_is_started() -> None:
    """Protects playbacks that wait for their clients: no market time passes before the start."""
    clock = LabClock(_START, rate=1e6)
    assert clock.now_ns() == _START
    assert not clock.anchor().is_running
    clock.start()
    clock.start()
    while clock.now_ns() == _START:
        pass
    assert clock.anchor().is_running


def test_market_time_runs_at_its_rate() -> None:
    """Protects the pace of demos: market time gains `rate` seconds in a real one."""
    clock = LabClock(_START, rate=60.0)
    clock.start()
    before = time.monotonic_ns()
    first, second = clock.now_ns(), clock.now_ns()
    elapsed = time.monotonic_ns() - before
    assert _START <= first <= second
    assert second - first <= elapsed * 60


def test_holding_keeps_the_time_reached() -> None:
    """Protects pauses: market time stays where it was held and goes on from there."""
    clock = LabClock(_START, rate=1e6)
    clock.start()
    clock.hold()
    held = clock.now_ns()
    assert clock.now_ns() == held
    clock.start()
    assert clock.now_ns() >= held


def test_anchor_pairs_both_times_of_one_instant() -> None:
    """Protects followers of the market clock: the anchor extrapolates to what the clock says."""
    clock = LabClock(_START, rate=60.0)
    clock.start()
    anchor = clock.anchor()
    later_wall, later = time.time_ns(), clock.now_ns()
    assert anchor.rate == 60.0
    assert abs(anchor.market_ns + (later_wall - anchor.wall_ns) * 60 - later) < 60 * NS_PER_S


def test_unpaced_clock_is_where_the_tape_is() -> None:
    """Protects playbacks at full speed: time moves with the tape, forward only, and is never waited for."""
    clock = LabClock(_START, rate=math.inf)
    clock.start()
    clock.advance_to(_START + 5)
    clock.advance_to(_START + 3)
    assert clock.now_ns() == _START + 5
    assert clock.seconds_until(_START + 10**18) == 0.0
    assert clock.anchor().rate is None
    assert math.isinf(clock.rate)


def test_paced_clock_cannot_be_pushed() -> None:
    """Protects paced markets from being moved by a tape."""
    clock = LabClock(_START, rate=2.0)
    clock.advance_to(_START + NS_PER_S)
    assert clock.now_ns() == _START
    assert clock.seconds_until(_START + 4 * NS_PER_S) == pytest.approx(2.0)
    assert clock.seconds_until(_START - 1) == 0.0


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_rate_must_be_positive(rate: float) -> None:
    """Protects against a market that stands or runs backwards."""
    with pytest.raises(ValueError, match="rate must be > 0"):
        LabClock(_START, rate)


def test_the_pace_changes_from_where_time_stands() -> None:
    """Protects followers of a slowed clock: no jump, never back, no faster than asked; the anchor tells both."""
    clock = LabClock(_START, rate=60.0)
    clock.start()
    before = clock.now_ns()
    clock.pace(6.0)
    assert before <= clock.now_ns() < before + 60 * NS_PER_S
    anchor = clock.anchor()
    assert (anchor.rate, anchor.asked_rate) == (6.0, 60.0)
    clock.pace(1000.0)
    assert clock.rate == 60.0 == clock.asked_rate


def test_a_held_clock_can_be_paced() -> None:
    """Protects a market that waits: it stands still, and then goes at the new rate."""
    clock = LabClock(_START, rate=60.0)
    clock.pace(2.0)
    assert clock.now_ns() == _START
    assert clock.seconds_until(_START + 4 * NS_PER_S) == pytest.approx(2.0)


def test_an_unpaced_clock_has_no_pace() -> None:
    """Protects playbacks at full speed from being slowed."""
    clock = LabClock(_START, rate=math.inf)
    clock.pace(1.0)
    assert not clock.is_paced
    assert clock.anchor().asked_rate is None


def test_a_pace_must_be_positive() -> None:
    """Protects against a market that stands or runs backwards."""
    with pytest.raises(ValueError, match="rate must be > 0"):
        LabClock(_START).pace(0.0)

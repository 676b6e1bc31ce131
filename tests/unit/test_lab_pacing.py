"""The lab's clock slowed to what the machine keeps up with: when, how far, and back again."""

import asyncio

import pytest

from perpscope.lab.clock import NS_PER_S, LabClock
from perpscope.lab.pacing import Pacing

START = 1_700_000_000 * NS_PER_S


class Machine:
    """A lab on a machine that tells so many market seconds a real second at most, in made-up real time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, asked: float, most: float) -> None:
        self.most = most
        self.now_s = 100.0
        self.reached = float(START)
        monkeypatch.setattr("perpscope.lab.clock.time.monotonic_ns", lambda: int(self.now_s * NS_PER_S))
        self.clock = LabClock(START, asked)
        self.clock.start()
        self.pacing = Pacing(self.clock, lambda: int(self.reached))

    def run(self, seconds: float) -> list[float]:
        """Let real time pass; the rates there were, four a second."""
        rates = []
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            self.reached = min(float(self.clock.now_ns()), self.reached + 0.25 * self.most * NS_PER_S)
            self.pacing.look(self.now_s)
            rates.append(self.clock.rate)
        return rates

    @property
    def lag_s(self) -> float:
        """Real seconds, at the rate there is, that the market is behind its clock."""
        return (self.clock.now_ns() - self.reached) / NS_PER_S / self.clock.rate


def test_a_machine_that_keeps_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the speed that was asked for."""
    assert set(Machine(monkeypatch, 60.0, 61.0).run(30.0)) == {60.0}


@pytest.mark.parametrize("most", [50.0, 20.0, 3.0])
def test_market_time_is_slowed_to_what_the_machine_reaches(monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    """Protects a slow machine from a market that tells everything late: it is told on time, at a rate near the most."""
    machine = Machine(monkeypatch, 60.0, most)
    machine.run(30.0)
    later = machine.run(60.0)
    assert machine.lag_s < 3.0
    assert most / 2.5 < sum(later) / len(later) <= most * 1.05


def test_the_market_goes_fast_again_when_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects a demo on a machine that was busy for a while: the speed asked for comes back, and never more."""
    machine = Machine(monkeypatch, 60.0, 10.0)
    assert machine.run(20.0)[-1] < 20.0
    machine.most = 100.0
    rates = machine.run(30.0)
    assert rates[-1] == 60.0 == max(rates)


def test_a_pause_of_a_moment_is_no_reason_to_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the pace from one long garbage collection."""
    machine = Machine(monkeypatch, 60.0, 200.0)
    machine.run(5.0)
    machine.most = 0.0
    machine.run(1.5)
    machine.most = 200.0
    assert min(machine.run(20.0)) >= 15.0
    assert machine.clock.rate == 60.0


def test_a_machine_that_stands_still_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the clock from a rate of nothing: there is a slowest."""
    machine = Machine(monkeypatch, 60.0, 0.0)
    machine.run(120.0)
    assert machine.clock.rate == pytest.approx(1.2)


def test_nothing_is_judged_while_time_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the opening: what takes long before the start is no lag."""
    machine = Machine(monkeypatch, 60.0, 100.0)
    machine.clock.hold()
    machine.reached = float(START - 3600 * NS_PER_S)
    assert set(machine.run(10.0)) == {60.0}


async def test_it_looks_by_itself() -> None:
    """Protects against a watch that nobody keeps: run as a task, it slows a clock whose market stands still."""
    clock = LabClock(START, 1000.0)
    clock.start()
    running = asyncio.create_task(Pacing(clock, lambda: START).run())
    async with asyncio.timeout(30.0):
        while clock.rate == 1000.0:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_an_unpaced_clock_needs_no_watch() -> None:
    """Protects playbacks at full speed: there is nothing to slow."""
    await asyncio.wait_for(Pacing(LabClock(START, float("inf")), lambda: START).run(), 10.0)

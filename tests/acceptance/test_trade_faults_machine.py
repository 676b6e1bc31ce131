"""RELIABILITY E3, E4, E5, E7, E8: a trader whose machine stands still, or runs out of what it needs.

Nothing is ordered twice, nothing is taken for lost that is there, and what holds a position finds its stop again.
"""

import asyncio
import random
import resource
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from perpscope.execution.phases import ABSENT
from perpscope.lab.accounts.desk import LAB_KEY
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from tests.acceptance.test_trade_faults_process import child
from tests.acceptance.trader import LOT, Live, lab_of, trader
from tests.acceptance.trading_run import LOOKING_S, NAKED_S, SYMBOL, Eventually, settled, watched

seeded = pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 21))])
#: What a machine runs out of, and how much of it a trader still gets.
SHORT_OF = {"memory": (resource.RLIMIT_AS, 64_000_000), "descriptors": (resource.RLIMIT_NOFILE, 8)}
_DEAD_S = 20.0


async def taken_over(live: Live, eventually: Eventually) -> None:
    """Whoever comes next finds out what became of everything, and is protected, or flat."""
    assert live.resumed is not None
    began = live.resumed.position
    await eventually(lambda: not live.held or bool(live.account.waits(SYMBOL)), within_s=NAKED_S + LOOKING_S)
    await settled(live, eventually, began)


@seeded
async def test_e3_a_trader_that_stood_still_goes_on_or_is_taken_over(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Stopped somewhere between two orders and let go again; then killed: of each intent there is one order at most."""
    rng = random.Random(seed)
    async with lab_of(seed) as lab:
        async with child(lab, tmp_path, "never", act="forever") as process:
            assert process.stdout is not None
            for _ in range(rng.randint(1, 4)):
                await process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(rng.uniform(0.2, 4.0))  # how long a machine stands still is the fault itself
            there = len(lab.accounts.by_key[LAB_KEY].orders)
            process.send_signal(signal.SIGCONT)
            await eventually(lambda: len(lab.accounts.by_key[LAB_KEY].orders) > there + 1)  # it goes on
        async with trader(lab, tmp_path) as live:
            await taken_over(live, eventually)


@seeded
async def test_e4_a_loop_that_hangs_mistakes_no_order(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Longer than a call may take: every deadline is over when it goes on, and none is sent twice, or given up wrongly.

    One that was about to be written when the loop hung is late for its own deadline: it may not get there. Whatever is
    told to be absent never was at the exchange, and a stop of which that is so is sent anew.
    """
    rng = random.Random(seed)
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        live.stop()
        for _ in range(rng.randint(0, 40)):
            await asyncio.sleep(0)
        hung_s = rng.uniform(2.6, 5.0)
        time.sleep(hung_s)
        await eventually(lambda: live.exchange.position in {Decimal(0), LOT} and not live.exchange.orders.in_flight)
        await settled(live, eventually)
        assert live.is_protected or not live.held
        absent = {one.order for one in live.desk.closed if one.why == ABSENT}
        assert absent.isdisjoint(one.client_id for one in live.account.orders.values())
        assert absent.isdisjoint(one.client_id for one in live.account.algos.values())
        assert live.exchange.naked_seconds_max < hung_s + NAKED_S + LOOKING_S


def break_stream(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user stream's own task."""
    monkeypatch.setattr(live.exchange._hearing, "heard", broken)


def break_rounds(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing."""
    monkeypatch.setattr(live.exchange._inquiry, "holdings", broken)


def break_guard(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protection."""
    monkeypatch.setattr(live.exchange._guard, "look", broken)


def break_fills(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Booking of fills."""
    monkeypatch.setattr(live.exchange.orders.fees, "priced", broken)


def break_orders(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order's own task."""
    monkeypatch.setattr(live.exchange.orders._means.sending, "place", broken)


def broken(*_: object, **__: object) -> None:
    """A bug."""
    raise ZeroDivisionError


BREAKS = [break_rounds, break_guard, break_fills, break_orders, break_stream]


@seeded
async def test_e5_no_part_of_a_trader_breaks_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whichever it is: the whole exchange ends with its error, and is never alive and idle; the next one goes on."""
    breaks: Callable[[Live, pytest.MonkeyPatch], None] = BREAKS[seed % len(BREAKS)]
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        assert live.running is not None
        breaks(live, monkeypatch)
        live.buy()
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(10.0):
                await live.running
        live.running = None


@seeded
@pytest.mark.parametrize("what", SHORT_OF)
async def test_e7_e8_a_trader_that_runs_out_leaves_nothing_untold(
    tmp_path: Path, eventually: Eventually, what: str, seed: int
) -> None:
    """It ends, or it does not and is killed: journal and account agree for whoever comes next; nothing is double."""
    rng = random.Random(seed)
    kind, left = SHORT_OF[what]
    async with lab_of(seed) as lab:
        async with child(lab, tmp_path, "never", act="forever") as process:
            assert process.stdout is not None
            for _ in range(rng.randint(1, 6)):
                await process.stdout.readline()
            resource.prlimit(process.pid, kind, (left, left))
            try:
                async with asyncio.timeout(rng.uniform(0.3, 3.0)):
                    await process.wait()
            except TimeoutError:
                process.kill()
            async with asyncio.timeout(_DEAD_S):
                await process.wait()
        async with trader(lab, tmp_path) as live:
            await taken_over(live, eventually)
            live.exchange.submit(live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.01)))
            await eventually(lambda: len(live.account.opens(SYMBOL)) == 1)


@seeded
async def test_b15_whatever_the_machine_did_a_position_finds_its_stop(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Killed right after the entry was filled, before a stop was sent: the next process closes or protects in time."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            live.buy()
            await eventually(lambda: live.held == LOT)
        async with trader(lab, tmp_path) as live, watched(live.account) as eye:
            await eventually(lambda: live.held == 0 == live.exchange.position, within_s=NAKED_S + LOOKING_S)
            assert eye.longest_s < NAKED_S + LOOKING_S

"""RELIABILITY D6, D22: a trader is killed at every point of an order's life, or overtaken; the next one finds it all.

The exchange runs here, the trader in a process of its own (`trading_child`); who takes over runs here again.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from perpscope.errors import StoreError
from perpscope.lab.running import Lab
from tests.acceptance.trader import LOT, Live, lab_of, listed, trader
from tests.acceptance.trading_child import FENCED, POINTS
from tests.acceptance.trading_run import LOOKING_S, NAKED_S, SYMBOL, Eventually, judged, settled, watched

ROOT = Path(__file__).resolve().parents[2]
#: Real seconds from the start to the first comparison that agrees (D6).
RECONCILED_S = 15.0
#: Which visit of a point kills: of the entry, of its stop, of the order that rests. Fills come once.
EVERYDAY = [(point, 1 + number % 2) for number, point in enumerate(POINTS[:4])] + [(point, 1) for point in POINTS[4:]]
THOROUGH = [(point, nth) for point in POINTS[:4] for nth in (1, 2, 3) if (point, nth) not in EVERYDAY]
#: Likewise, of the three orders of a way out that no single one can be; and whether a desk or a run's end goes it.
PARTS = [(point, nth, act) for act in ("leave", "flatten") for nth in (1, 2, 3) for point in POINTS]
CUT = [("after-journal", 2, "flatten"), ("after-send", 1, "leave")]
_CHILD_S = 60.0
#: Real seconds after which an exchange takes no call that was signed before (`recvWindow`), and a little more.
SIGNED_S = 5.5
#: A lease of somebody who comes when that of a child is over.
LATER = (1_795_219_200.0 + 2e9, 1e9)


@asynccontextmanager
async def child(lab: Lab, folder: Path, point: str, nth: int = 1, act: str = "once") -> AsyncIterator[Process]:
    """A trader of its own."""
    words = (lab.rest_url, lab.websocket_url, str(folder), point, str(nth), act)
    paths = os.pathsep.join([str(ROOT), *sys.path])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.acceptance.trading_child", *words),
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def killed(lab: Lab, folder: Path, point: str, nth: int, act: str = "once") -> None:
    """A trader that came to its end where it was to."""
    async with child(lab, folder, point, nth, act) as process, asyncio.timeout(_CHILD_S):
        out, errors = await process.communicate()
        assert process.returncode == -signal.SIGKILL, (out[-500:], errors[-1500:])


def is_safe(live: Live) -> bool:
    """Flat, or with a stop at the exchange."""
    return not live.held or bool(live.account.waits(SYMBOL))


@pytest.mark.parametrize(
    ("point", "nth"),
    [*EVERYDAY, *(pytest.param(*one, marks=pytest.mark.soak) for one in THOROUGH)],
)
async def test_d6_killed_at_each_point_of_an_orders_life(
    tmp_path: Path, eventually: Eventually, point: str, nth: int
) -> None:
    """Killed before and after the journal, the call, the answer and the fill: no second order, the position equal."""
    async with lab_of(7) as lab:
        await killed(lab, tmp_path, point, nth)
        began_at = time.monotonic()
        async with trader(lab, tmp_path) as live, watched(live.account) as eye:
            took_s = time.monotonic() - began_at
            assert live.resumed is not None
            began = live.resumed.position
            assert took_s < RECONCILED_S
            await eventually(lambda: is_safe(live), within_s=NAKED_S + LOOKING_S)
            await settled(live, eventually, began)
            assert eye.longest_s < NAKED_S + LOOKING_S
            print(f"killed {point} {nth}: reconciled after {took_s:.2f} s, naked for {eye.longest_s:.2f} s")


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_d6_killed_again_and_again(tmp_path: Path, eventually: Eventually) -> None:
    """Twenty kills in a row on one journal, at points in turn: never two orders of one intent, equal at the end."""
    took: list[float] = []
    async with lab_of(11) as lab:
        lab.rest.side.budget.limit = 100_000  # forty starts in three minutes: bans are C1 and C2
        began = Decimal(0)
        for number in range(20):
            await killed(lab, tmp_path, POINTS[number % 4], 1 + number % 3)
            began_at = time.monotonic()
            async with trader(lab, tmp_path) as live, watched(live.account) as eye:
                took.append(time.monotonic() - began_at)
                assert live.resumed is not None
                began = live.resumed.position
                assert judged(live, began).duplicates == {}
                await eventually(lambda: is_safe(live), within_s=NAKED_S + LOOKING_S)
                await live.exchange.on_exit("flatten")
                await settled(live, eventually, began)
                assert eye.longest_s < NAKED_S + LOOKING_S
    took.sort()
    print(f"restart to reconciled: p50 {took[len(took) // 2]:.2f} s, p99 {took[-1]:.2f} s of {len(took)}")
    assert took[-1] < RECONCILED_S


@pytest.mark.parametrize(
    ("point", "nth", "act"),
    [*CUT, *(pytest.param(*one, marks=pytest.mark.soak) for one in PARTS if one not in CUT)],
)
async def test_d6_killed_between_the_parts_of_a_way_out(
    tmp_path: Path, eventually: Eventually, point: str, nth: int, act: str
) -> None:
    """Three orders close what one cannot, and it ends among them: what is left has its stop, and can be closed."""
    async with lab_of(7) as lab:
        async with trader(lab, tmp_path) as live:
            live.buy(LOT * 5)
            stop = live.stop(size=LOT * 5)
            await eventually(lambda: live.exchange.position == LOT * 5 and live.is_protected)
        lab.accounts.prices.refilter(SYMBOL, max_market_size=LOT * 2)
        async with watched(live.account) as eye:
            await killed(lab, tmp_path, point, nth, act)
            async with trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
                assert live.resumed is not None
                began = live.resumed.position
                await settled(live, eventually, began)
                left = live.held
                assert live.conditions == ([stop.id] if left else [])
                await live.exchange.on_exit("flatten")
                await settled(live, eventually, began)
                assert (live.held, live.conditions) == (Decimal(0), [])
                ways_out = [one for one in live.account.orders.values() if one.ask.reduces]
                assert sum(one.filled for one in ways_out) == LOT * 5
        print(f"killed {point} {nth} of {act}: {left} left, naked for {eye.longest_s:.2f} s")
        assert eye.longest_s < LOOKING_S


async def stopped(process: Process) -> None:
    """Stop a trader as a machine may that has no time for it, somewhere between two orders."""
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 21))])
async def test_d22_a_trader_that_was_overtaken_sends_nothing(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """SIGSTOP past the lease, another takes over, SIGCONT: the first sends nothing, and stays out.

    What it had signed when it stopped is too old for the exchange by then, and what it had not is never signed.
    """
    async with lab_of(seed) as lab, child(lab, tmp_path, "never", act="forever") as process, AsyncExitStack() as stack:
        live = None
        while live is None:
            await stopped(process)
            stopped_at = time.monotonic()
            try:
                live = await stack.enter_async_context(trader(lab, tmp_path, lease=LATER))
            except StoreError as error:
                if error.code != "journal-busy":  # stopped while it wrote: nobody else can, until it goes on
                    raise
                process.send_signal(signal.SIGCONT)
        assert live.resumed is not None
        began = live.resumed.position
        live.buy()
        live.stop()
        await eventually(lambda: live.exchange.position == began + LOT)
        await eventually(lambda: time.monotonic() - stopped_at > SIGNED_S)  # a lease lasts longer than that
        before = {one.client_id for one in live.account.orders.values()}
        process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(_CHILD_S):
            code = await process.wait()
        assert code == FENCED
        assert {one.client_id for one in live.account.orders.values()} == before
        await settled(live, eventually, began)

"""RELIABILITY C and D, everything at once: histories drawn from a seed, and what stands when all is well again.

Two phases, as of a simulation: while faults last nothing may break that must never break (a second order, a position
that stays bare); when they end, everything has to agree within a bound. One kind of fault alone: `test_live_stream`.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from perpscope.errors import VenueError
from perpscope.lab.accounts.misfortunes import Misfortune
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.running import Lab
from perpscope.lab.wire.binance.private import BinancePrivate
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from tests.acceptance.trader import LOT, Live, lab_of, trader
from tests.acceptance.trading_run import (
    GOOD,
    LOOKING_S,
    NAKED_S,
    NOT_DONE,
    SYMBOL,
    Eventually,
    Story,
    is_settled,
    judged,
    settled,
    suffering,
    watched,
)

SEEDS = (1,)
MANY = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 21)]
seeded = pytest.mark.parametrize("seed", [*SEEDS, *MANY])
STREAM = (
    *(FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.DELAY, FaultKind.NOISE, FaultKind.FLIP),
    *(FaultKind.CUT, FaultKind.CUT_MID_FRAME, FaultKind.CLOSE, FaultKind.MUTE, FaultKind.REFUSE, FaultKind.MISROUTE),
)
#: Wishes of one process, and processes of one history.
_WISHES, _LIVES, _MANY_LIVES = 6, 2, 3
#: Real seconds that a wish is given before the next one comes, answered or not.
_PATIENCE_S = 0.7


async def soon(live: Live) -> None:
    """Until nothing is on its way, or a little while: whoever is in trouble is not waited for."""
    deadline = time.monotonic() + _PATIENCE_S
    while live.exchange.orders.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


async def risen(stack: AsyncExitStack, lab: Lab, folder: Path) -> Live:
    """A trader that is started until it starts: it does not where the account cannot be told."""
    for _ in range(10):
        try:
            return await stack.enter_async_context(trader(lab, folder))
        except VenueError:
            continue
    pytest.fail("not started in ten tries")


@seeded
async def test_whatever_happens_all_agrees_in_the_end(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Replies lost, orders unseen, streams torn, restarts amid it all: nothing twice, nothing bare, all equal."""
    story = Story(seed)
    async with lab_of(seed) as lab:
        lives = _LIVES if seed in SEEDS else _MANY_LIVES
        for life in range(lives):
            async with AsyncExitStack() as stack:
                live = await risen(stack, lab, tmp_path)
                assert live.resumed is not None
                began = live.resumed.position
                eye = await stack.enter_async_context(watched(live.account))
                script = FaultScript.seeded(
                    *(seed * 100 + life, "binance", STREAM),
                    first_s=0.2,
                    count=4,
                    for_s=(0.3, 1.0),
                    calm_s=(0.1, 0.5),
                    targets=dict.fromkeys(STREAM, ("path:private",)),
                )
                lab.suffer(script)
                for _ in range(_WISHES):
                    story.strike(live)
                    story.act(live)
                    await soon(live)
                    live.exchange.resume()  # caps and the guard halt entries; the next wish is to pass
                if life == lives - 1:
                    lab.accounts.misfortunes.clear()
                    await settled(live, eventually, began)
                assert judged(live, began).duplicates == {}
                assert eye.longest_s < NAKED_S + LOOKING_S


@seeded
async def test_d18_a_forced_close_is_known_as_one_though_its_order_is_told_late(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Found by comparing alone, and the exchange fails when asked whose order it was: asked again, not somebody's."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        live.stop()
        await eventually(lambda: live.exchange.position == LOT and is_settled(live))
        await suffering(lab, Fault(FaultKind.MUTE, 0.0, 1e6, target="path:private"))
        kind = NOT_DONE[seed % len(NOT_DONE)]
        lab.accounts.suffer(Misfortune(kind, of="GET /fapi/v1/order", times=2))
        lab.accounts.deleverage(live.account, SYMBOL)
        await eventually(lambda: live.exchange.position == 0 and live.conditions == [])
        await settled(live, eventually)
        assert live.desk.fills[-1].role is Role.LIQUIDATED
        assert len(lab.accounts.misfortunes.struck) == 2
        assert live.exchange.contact().why == ""


@seeded
async def test_c7_a_mute_stream_is_found_by_comparing(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Private frames stop, public ones and pings go on: fills and cancels are found within 15 s by asking."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        live.stop()
        await eventually(lambda: live.exchange.position == LOT and is_settled(live))
        order = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.01))
        live.exchange.submit(order)
        await eventually(lambda: len(live.account.opens(SYMBOL)) == 1 and is_settled(live))
        await suffering(lab, Fault(FaultKind.MUTE, 0.0, 1e6, target="path:private"))
        (resting,) = live.account.opens(SYMBOL)
        lab.accounts.matching.fill(live.account, resting, resting.price, resting.left / 2, is_maker=True)
        lab.accounts.matching.cancel(live.account, resting)
        await eventually(
            lambda: judged(live) == GOOD and order.id in {one.order for one in live.desk.closed}, within_s=15.0
        )
        assert live.exchange.position == live.held == LOT + resting.filled


@seeded
async def test_c6_fills_of_the_hole_a_lost_key_leaves(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Another client deletes the key, and it expires twice over: a new one within ten seconds, and every fill of it."""
    async with lab_of(seed) as lab, trader(lab, tmp_path, extend_every_s=0.5) as live:
        live.stop()
        assert isinstance(lab.private, BinancePrivate)
        for is_told in (False, True):
            if is_told:
                lab.private.listen_keys.expire(live.account)
            else:
                lab.private.listen_keys.close(live.account)
            fills = len(live.desk.fills)
            live.buy()
            await eventually(lambda: len(live.desk.fills) > fills, within_s=10.0)  # noqa: B023 (awaited here)
            await eventually(lambda: is_settled(live), within_s=10.0)
        await settled(live, eventually)


@seeded
async def test_d18_d21_a_night_of_the_exchanges_own_doing(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """The exchange deleverages while the stream is torn; what it did is booked once, with its fees, and told."""
    story = Story(seed)
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        for _ in range(2):
            live.buy()
            live.stop(-0.05)
            await eventually(lambda: live.exchange.position == LOT and is_settled(live))
            kind = story.rng.choice((FaultKind.CUT, FaultKind.CLOSE, FaultKind.DROP))
            await suffering(lab, Fault(kind, 0.0, 0.5, target="path:private"))
            lab.accounts.deleverage(live.account, SYMBOL)
            await eventually(lambda: live.exchange.position == 0)
            await settled(live, eventually)
        assert [one.role for one in live.desk.fills].count(Role.LIQUIDATED) == 2

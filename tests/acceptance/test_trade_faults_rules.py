"""RELIABILITY D14, D19: a contract's filters change while it is traded, or it ends: asked for once, nothing stays bare.

The lab changes them under way; what the run knew until then is refused by its exchange, as it would be by a real one.
"""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from perpscope.model.order import OrderRequest, Role
from perpscope.settings import Trade
from tests.acceptance.trader import LOT, Live, lab_of, listed, trader
from tests.acceptance.trading_run import LOOKING_S, NAKED_S, SYMBOL, Eventually, settled, watched

seeded = pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 21))])
ZERO = Decimal(0)


def ends(live: Live) -> list[tuple[str, str]]:
    """Orders that ended otherwise than by their fills, and why."""
    return [(one.order, one.why) for one in live.desk.closed]


def rules_asked(live: Live) -> int:
    """How often the contract's rules were asked for."""
    return live.lab.ledger.requests["/fapi/v1/exchangeInfo"]


async def held(live: Live, eventually: Eventually) -> OrderRequest:
    """A long of one lot, and its stop."""
    live.buy()
    stop = live.stop()
    await eventually(lambda: live.exchange.position == LOT and live.conditions == [stop.id])
    await eventually(lambda: not live.exchange.orders.in_flight)
    return stop


async def live_long(live: Live, eventually: Eventually, size: Decimal) -> None:
    """A long of so much, and its stop."""
    live.buy(size)
    live.stop(size=size)
    await eventually(lambda: live.exchange.position == size and live.is_protected)
    await eventually(lambda: not live.exchange.orders.in_flight)


@seeded
async def test_d14_larger_steps_are_asked_for_once_and_kept_to(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """One entry is refused; whatever follows is on the new tick and step, and the desk is told what it did not get."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        lab.accounts.prices.refilter(SYMBOL, tick=Decimal(7), step=Decimal("0.004"))
        refused = live.rest()
        await eventually(lambda: ends(live) == [(refused.id, "refused")])
        bought, stop = live.buy(), live.stop()
        await eventually(lambda: live.held == Decimal("0.008") and live.is_protected)
        await eventually(lambda: ends(live)[1:] == [(bought.id, "expired")])
        (waits,) = live.account.waits(SYMBOL)
        assert waits.client_id == stop.id
        assert waits.ask.trigger is not None
        assert stop.price is not None
        assert waits.ask.trigger % 7 == 0
        assert 0 <= waits.ask.trigger - stop.price < 7
        live.leave()
        await eventually(lambda: live.held == ZERO == live.exchange.position == live.desk.position)
        await settled(live, eventually)
        assert rules_asked(live) == 1
        assert live.exchange.halted == ""
        (notice,) = live.exchange.notices
        assert notice.startswith("BTCUSDT has other rules now: tick 7, step 0.004, smallest order ")
        assert eye.longest_s < NAKED_S + LOOKING_S


@seeded
async def test_d14_a_stop_that_does_not_fit_any_more_is_sent_again_at_once(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """The first order to be refused is a stop: its successor is on the new tick, long before the time is over."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        live.buy()
        await eventually(lambda: live.exchange.position == LOT)
        lab.accounts.prices.refilter(SYMBOL, tick=Decimal(7))
        stop = live.stop()
        await eventually(lambda: live.is_protected, within_s=NAKED_S)
        assert ends(live) == [(stop.id, "refused")]
        assert live.conditions == ["r1-burst-x1"]
        assert live.held == LOT
        assert eye.longest_s < NAKED_S / 2 + LOOKING_S


@seeded
async def test_d14_what_is_held_can_be_closed_whatever_the_step_is_now(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A position that is no whole number of new steps, and loses its stop: the guard still has it closed in time."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        stop = await held(live, eventually)
        lab.accounts.prices.refilter(SYMBOL, tick=Decimal(7), step=Decimal("0.003"))
        (waits,) = live.account.waits(SYMBOL)
        lab.accounts.waiting.cancel(live.account, waits)
        await eventually(lambda: live.held == ZERO == live.exchange.position, within_s=NAKED_S + 1.0)
        await settled(live, eventually)
        assert stop.id in [order for order, _ in ends(live)]
        assert live.desk.position == ZERO
        assert (live.exchange.halted, rules_asked(live)) == ("naked", 1)
        assert eye.longest_s < NAKED_S + LOOKING_S


@seeded
async def test_d14_smaller_steps_open_nothing_more_and_keep_what_is_held(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A fill in parts of a step is how it is found out: the stop stays, entries halt, and the desk's sum is right."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        stop = await held(live, eventually)
        order = live.rest()
        await eventually(lambda: len(live.account.opens(SYMBOL)) == 1)
        lab.accounts.prices.refilter(SYMBOL, tick=Decimal("0.01"), step=Decimal("0.0001"))
        (there,) = live.account.opens(SYMBOL)
        lab.accounts.matching.fill(live.account, there, there.price, Decimal("0.0004"), is_maker=True)
        await eventually(lambda: live.exchange.halted.startswith("contract-changed: tick 0.01, step 0.0001"))
        assert live.exchange.position == Decimal("0.0104")
        assert live.desk.position == LOT, "less than a step is told with the next"
        lab.accounts.matching.fill(live.account, there, there.price, Decimal("0.0096"), is_maker=True)
        await eventually(lambda: live.exchange.position == live.desk.position == LOT * 2)
        entry = live.buy()
        await eventually(lambda: (entry.id, "refused") in ends(live))
        assert (live.conditions, live.is_protected) == ([stop.id], True)
        live.exchange.resume()
        assert live.exchange.halted.startswith("contract-changed"), "nobody can lift what another start alone mends"
        live.leave(LOT * 2)
        await eventually(lambda: live.held == ZERO == live.desk.position)
        await settled(live, eventually)
        fees = sum((one.trade.fee for one in live.journal.fills("r1")), ZERO)
        assert sum((one.fee for one in live.desk.fills), ZERO) == fees
        assert order.id not in [name for name, _ in ends(live)]


@seeded
async def test_d14_an_entry_that_is_worth_too_little_now_is_not_sent_again(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """-4164 once: from then on what is too small ends here, with a reason of its own, and exits are as free as ever."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await held(live, eventually)
        live.tell_mark(float(live.mark))
        lab.accounts.prices.refilter(SYMBOL, min_notional=Decimal(100_000))
        first = live.buy()
        await eventually(lambda: ends(live) == [(first.id, "refused")])
        sent = len(live.account.orders)
        second, third = live.buy(), live.rest()
        await eventually(lambda: ends(live)[1:] == [(second.id, "rules"), (third.id, "rules")])
        assert (len(live.account.orders), rules_asked(live)) == (sent, 1)
        live.leave()
        await eventually(lambda: live.held == ZERO == live.exchange.position)
        await settled(live, eventually)


# D19: the contract ends ----------------------------------------------------------------------------------------------


@seeded
async def test_d19_a_contract_that_settles_opens_nothing_and_lets_out(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """-4140 once, then entries end here; the stop stays, a restart begins, and the way out is open."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            stop = await held(live, eventually)
            lab.accounts.prices.refilter(SYMBOL, is_trading=False)
            first = live.buy()
            await eventually(lambda: ends(live) == [(first.id, "refused")])
            second = live.buy()
            await eventually(lambda: ends(live)[1:] == [(second.id, "rules")])
            assert (live.conditions, live.held) == ([stop.id], LOT)
            assert live.exchange.notices[-1].split("; ")[0].endswith(", closing only")
        async with trader(lab, tmp_path) as live:
            assert live.resumed is not None
            assert live.resumed.position == LOT
            await eventually(lambda: live.is_protected)
            live.leave()
            await eventually(lambda: live.held == ZERO == live.exchange.position)
            await settled(live, eventually, LOT)


@seeded
async def test_d19_a_price_that_is_none_trades_nothing(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Marks of 0, below it or not a number reach no stop, however low, and the position outlives them; then it ends."""
    async with lab_of(seed) as lab, trader(lab, tmp_path, settings=Trade(reconcile_s=0.5, local_stop_s=0.2)) as live:
        stop = await held(live, eventually)
        sent = len(live.account.orders)
        for nothing in (0.0, -1.0, float("nan"), float("inf")):
            live.tell_mark(nothing)
        deadline = time.monotonic() + 1.0
        await eventually(lambda: time.monotonic() > deadline)
        assert (live.held, live.conditions, len(live.account.orders)) == (LOT, [stop.id], sent)
        lab.accounts.closing.settle(SYMBOL)
        await eventually(lambda: live.exchange.position == ZERO and live.conditions == [])
        assert (live.desk.fills[-1].order, live.desk.fills[-1].role) == ("", Role.LIQUIDATED)
        await settled(live, eventually)


# the largest order, and the band of prices ---------------------------------------------------------------------------


@seeded
async def test_an_entry_is_made_no_larger_than_any_order_may_be(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """It is sent as large as it may be, nothing is refused, the desk hears that no more comes, and people why."""
    async with lab_of(seed) as lab:
        lab.accounts.prices.refilter(SYMBOL, max_market_size=Decimal("0.025"))
        async with trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
            entry, stop = live.buy(LOT * 3), live.stop(size=LOT * 3)
            await eventually(lambda: ends(live) == [(entry.id, "expired")] and live.is_protected)
            assert live.held == live.desk.position == live.exchange.position == Decimal("0.025")
            assert live.conditions == [stop.id]
            assert live.exchange.notices == ["orders are made smaller: the largest is 0.025 BTC"]
            live.leave(Decimal("0.025"))
            await eventually(lambda: live.held == ZERO == live.desk.position)
            await settled(live, eventually)
            assert rules_asked(live) == 1, "by this test; no order was refused"


@seeded
async def test_an_exit_larger_than_any_order_is_sent_as_several(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Each part has its own id and is written down before it is sent; together they close all of it, once."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            await live_long(live, eventually, LOT * 5)
        lab.accounts.prices.refilter(SYMBOL, max_market_size=LOT * 2)
        async with trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
            await eventually(lambda: live.is_protected)
            out = live.leave(LOT * 5)
            await eventually(lambda: live.held == ZERO == live.exchange.position)
            await eventually(lambda: ends(live) == [(out.id, "expired")])
            await settled(live, eventually, LOT * 5)
            parts = {one.request.id: one.request.size for one in live.journal.orders("r1") if one.request.is_reducing}
            assert [parts[name] for name in (out.id, "r1-burst-x1", "r1-burst-x2")] == [LOT * 2, LOT * 2, LOT]
            assert [one.ask.size for one in live.account.orders.values() if one.ask.reduces] == [LOT * 2, LOT * 2, LOT]


@seeded
async def test_what_no_single_order_can_close_is_flattened_by_several(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A run that ends flat closes a position three times as large as an order may be, and leaves nothing."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            await live_long(live, eventually, LOT * 3)
        lab.accounts.prices.refilter(SYMBOL, max_market_size=LOT)
        async with trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
            await eventually(lambda: live.is_protected)
            await live.exchange.on_exit("flatten")
            await eventually(lambda: live.held == ZERO == live.exchange.position and live.conditions == [])
            await settled(live, eventually, LOT * 3)
            assert [one.ask.size for one in live.account.orders.values() if one.ask.reduces] == [LOT] * 3


@seeded
async def test_a_limit_far_from_the_mark_is_not_sent(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """What the exchange would answer with -4016 ends here, with a reason of its own, and is counted."""
    async with lab_of(seed) as lab, trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
        live.tell_mark(float(live.mark))
        far, near = live.rest(0.2), live.rest(-0.01)
        await eventually(lambda: ends(live) == [(far.id, "price-band")])
        await eventually(lambda: [one.client_id for one in live.account.opens(SYMBOL)] == [near.id])
        assert (live.exchange.orders.rules.off_band, len(live.account.orders)) == (1, 1)

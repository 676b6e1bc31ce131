"""The gateway alone against the lab's Binance, without a user stream: what it knows it has asked for.

A whole live run under faults stands in `test_trade_faults_orders`.
"""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from perpscope.errors import StoreError
from perpscope.execution.caps import Stake
from perpscope.execution.protection import Cover
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.running import Lab
from perpscope.model.exchange import OrderReport, OrderState, TradeReport
from perpscope.model.market import Side
from perpscope.model.order import Fill, OrderKind, OrderRequest, Role
from perpscope.settings import Trade
from perpscope.stores.journal import Journal
from tests.acceptance.gateway import RUN, Gateway, gateway
from tests.acceptance.trader import BTC, LABEL, LOT, lab_of

Eventually = Callable[..., Awaitable[None]]
_SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 22))]
_ANY = "* /fapi/v1/*"
_GOOD = Trade(orders_per_minute=1000, orders_per_day=1000)


def strike(lab: Lab, kind: Mishap, of: str = "POST /fapi/v1/order", times: float = 1, code: int = 0) -> None:
    """Let something go wrong."""
    lab.accounts.suffer(Misfortune(kind, of=of, times=times, code=code))


def make_unwritable(journal: Journal, *, is_it: bool) -> None:
    """Let the journal's file not be written, as where its disk is full or read only; or let it again."""
    assert journal.at_once is not None
    for connection in (journal._connection, journal.at_once._connection):
        connection.execute(f"PRAGMA query_only = {int(is_it)}")


def cover(desk: Gateway) -> tuple[str, Cover]:
    """Which stop there is, and how sure."""
    return desk.orders.protection.order, desk.orders.protection.cover


# what an exchange may answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", _SEEDS)
async def test_entries_come_to_one_end_whatever_is_answered(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Each mishap: filled once and told, or closed and never there; nothing is sent twice. Keeps S2-59, S4-29."""
    monkeypatch.setattr("perpscope.execution.caps.PER_SECOND", 100)
    async with lab_of(seed) as lab, gateway(lab, tmp_path, settings=_GOOD) as desk:
        kinds = [one for one in Mishap if one is not Mishap.UNSEEN]
        for kind in kinds:
            strike(lab, kind, code=-2019)
        wished = {desk.send().id: kind for kind in kinds}
        await eventually(lambda: len(lab.accounts.misfortunes.struck) == len(kinds))
        await eventually(lambda: not desk.orders.in_flight)
        struck = [kind for kind, _ in lab.accounts.misfortunes.struck]
        done = sum(kind.is_done for kind in struck)
        assert len(desk.placed) == len(set(desk.placed)) == done
        assert desk.filled == desk.held == done * LOT
        assert {order for order, _ in desk.closes} == wished.keys() - set(desk.placed)
        assert {why for _, why in desk.closes} == {"absent", "refused"}
        assert desk.orders.duplicates == 0


@pytest.mark.parametrize("seed", _SEEDS)
async def test_exits_are_sent_again_until_they_are_taken(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Unavailable, broken and too busy in turn: an exit gets through all the same, once. Keeps S2-61."""
    async with lab_of(seed) as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        await eventually(lambda: desk.filled == desk.held == LOT)
        for kind in (Mishap.UNAVAILABLE, Mishap.INTERNAL, Mishap.UNAVAILABLE):
            strike(lab, kind)
        left = desk.send(role=Role.LEAVE)
        await eventually(lambda: desk.held == 0 and desk.filled == 0)
        await eventually(lambda: not desk.orders.in_flight)
        assert desk.placed.count(left.id) == 1
        assert desk.closes == []


async def test_an_exit_that_is_never_taken_is_given_back(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its tries the desk hears that it was refused, and may wish another."""
    monkeypatch.setattr("perpscope.execution.tracked.ABSENT_S", 0.2)
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        await eventually(lambda: desk.filled == LOT)
        strike(lab, Mishap.UNAVAILABLE, times=math.inf)
        left = desk.send(role=Role.LEAVE)
        await eventually(lambda: desk.closes == [(left.id, "refused")])
        assert sum(kind is Mishap.UNAVAILABLE for kind, _ in lab.accounts.misfortunes.struck) == 4


async def test_the_whole_account_waits_when_too_much_was_asked(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent until then; what is too late by then is not sent at all."""
    monkeypatch.setattr("perpscope.execution.tracked.DEADLINE_S", 0.8)
    monkeypatch.setattr("perpscope.venues.binance.order_replies._ORDERS_S", 2.0)
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        strike(lab, Mishap.REFUSED, code=-1015)
        first = desk.send()
        await eventually(lambda: desk.orders._means.sending.quiet_until > time.monotonic() + 0.5)
        second = desk.send()
        await eventually(lambda: sorted(desk.closes) == [(first.id, "late"), (second.id, "late")])
        assert desk.placed == []
        monkeypatch.setattr("perpscope.execution.tracked.DEADLINE_S", 10.0)
        third = desk.send()
        await eventually(lambda: desk.filled == LOT)
        assert desk.placed == [third.id]
        assert desk.clock.now_ns() >= third.ts_recv


async def test_an_id_the_exchange_cannot_know_is_refused(tmp_path: Path, eventually: Eventually) -> None:
    """It is closed, and the others go on."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        wish = msgspec.structs.replace(desk.wish(), id=f"{RUN}-{'x' * 40}-1")
        desk.orders.submit(wish)
        await eventually(lambda: desk.closes == [(wish.id, "refused")])
        desk.send()
        await eventually(lambda: desk.filled == LOT)


async def test_a_submitted_order_is_the_same_order_twice(tmp_path: Path, eventually: Eventually) -> None:
    """Sent again while it works, and when it is over: nothing happens."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        request = desk.send()
        desk.orders.submit(request)
        await eventually(lambda: desk.filled == LOT and not desk.orders.in_flight)
        desk.orders.submit(request)
        assert not desk.orders.in_flight
        assert desk.placed == [request.id]


# taking back ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["POST /fapi/v1/order", "DELETE /fapi/v1/order"])
@pytest.mark.parametrize("kind", [Mishap.LOST_REPLY, Mishap.UNAVAILABLE, Mishap.TIMEOUT_NOT_DONE])
async def test_cancels_come_after_what_they_cancel(
    tmp_path: Path, eventually: Eventually, kind: Mishap, of: str
) -> None:
    """Taken back at once, while nobody knows whether it was placed: it ends, and is told once."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        strike(lab, kind, of)
        request = desk.send(OrderKind.LIMIT, share=-0.02)
        desk.orders.cancel(request.id)
        await eventually(lambda: [order for order, _ in desk.closes] == [request.id])
        await eventually(lambda: not desk.orders.in_flight)
        assert desk.account.opens("BTCUSDT") == []
        desk.orders.cancel(request.id)
        desk.orders.cancel("nobody's")
        assert len(desk.closes) == 1


async def test_a_cancel_that_finds_nothing_asks_what_became_of_it(tmp_path: Path, eventually: Eventually) -> None:
    """Somebody else cancelled it: -2011 makes a question, and no loop of cancels. Keeps S2-59."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        request = desk.send(OrderKind.LIMIT, share=-0.02)
        await eventually(desk.is_working(request))
        lab.accounts.matching.cancel(desk.account, desk.account.by_client[request.id])
        strike(lab, Mishap.INTERNAL, "DELETE /fapi/v1/order", times=2)
        desk.orders.cancel(request.id)
        await eventually(lambda: desk.closes == [(request.id, "cancelled")])


# what stands in the way ----------------------------------------------------------------------------------------------


async def test_a_stop_takes_the_place_of_the_one_before(tmp_path: Path, eventually: Eventually) -> None:
    """An exchange takes one condition that closes on each side: the one that stands is taken back first."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        await eventually(lambda: desk.filled == LOT)
        assert cover(desk) == ("", Cover.NONE)
        first = desk.send(OrderKind.STOP, Role.PROTECT, -0.03)
        assert cover(desk) == (first.id, Cover.SENT)
        await eventually(desk.is_working(first))
        second = desk.send(OrderKind.STOP, Role.PROTECT, -0.02)
        await eventually(desk.is_working(second))
        assert [one.client_id for one in desk.account.waits("BTCUSDT")] == [second.id]
        assert desk.closes == [(first.id, "cancelled")]
        protection = desk.orders.protection
        assert (protection.cover, protection.order, protection.trigger) == (Cover.CONFIRMED, second.id, second.price)
        third = desk.orders.protect("again", LOT, Side.SELL, desk.price(-0.025))
        await eventually(
            lambda: desk.orders.protection.order == third and desk.orders.protection.cover is Cover.CONFIRMED
        )


async def test_a_condition_that_was_met_is_told_as_the_order_it_was(tmp_path: Path, eventually: Eventually) -> None:
    """Its fills come under another order of the exchange's: they are the stop's. Keeps S2-61."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        await eventually(lambda: desk.filled == LOT)
        stop = desk.send(OrderKind.STOP, Role.PROTECT, -0.03)
        await eventually(desk.is_working(stop))
        (waiting,) = desk.account.waits("BTCUSDT")
        lab.accounts.waiting._trigger(desk.account, waiting)
        assert desk.held == 0
        desk.orders.doubt(stop.id)
        await eventually(lambda: desk.filled == 0 and not desk.orders.in_flight)
        last = desk.told[-1]
        assert isinstance(last, Fill)
        assert (last.order, last.role) == (stop.id, Role.PROTECT)
        assert desk.closes == []


# runaway -------------------------------------------------------------------------------------------------------------


async def test_orders_that_run_away_are_stopped(tmp_path: Path, eventually: Eventually) -> None:
    """Over a cap an entry is refused, a second time everything is halted; exits pass all the same."""
    async with lab_of() as lab, gateway(lab, tmp_path, settings=Trade(orders_per_minute=2)) as desk:
        wished = [desk.send() for _ in range(5)]
        await eventually(lambda: desk.filled == 2 * LOT and len(desk.closes) == 3)
        assert [why for _, why in sorted(desk.closes)] == ["cap-minute", "cap-minute", "halted"]
        assert desk.halts == ["runaway: cap-minute"]
        desk.send(role=Role.LEAVE, size=2 * LOT)
        await eventually(lambda: desk.held == 0 and desk.filled == 0)
        desk.orders.resume()
        desk.send()
        await eventually(lambda: len(desk.closes) == 4)
        assert desk.closes[-1][1] == "cap-minute"
        assert len(desk.placed) == 3
        assert {one.request.id for one in desk.journal.orders(RUN)} == {*(one.id for one in wished[:2]), desk.placed[2]}


async def test_no_entry_is_larger_than_the_operator_allows(tmp_path: Path, eventually: Eventually) -> None:
    """In quote units: of one order, and of all that would be held; without a mark nothing passes that needs one."""
    async with lab_of() as lab, gateway(lab, tmp_path, settings=Trade(max_notional=1000.0)) as desk:
        unpriced = desk.send()
        desk.stake = Stake(mark=desk.price(0.0), held=Decimal("0.010"))
        small = desk.send(OrderKind.LIMIT, share=-0.02, size=Decimal("0.002"))
        await eventually(lambda: desk.is_working(small)() and desk.closes == [(unpriced.id, "cap-unpriced")])


# the journal ---------------------------------------------------------------------------------------------------------


class HeldBack:
    """A journal whose disk takes its time: it writes when it is let.

    Args:
        journal: written into.
        is_busy: somebody else writes whenever an order comes, so that none can be written at once.
    """

    def __init__(self, journal: Journal, *, is_busy: bool) -> None:
        self.let = threading.Event()
        self.asked = threading.Event()
        self.at_once = None if is_busy else self
        self._journal = journal

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    def intend(self, run: str, order: OrderRequest) -> bool:
        """Write an order down: at once, or else at last."""
        if self.at_once is None:
            self.sync()
            self._journal.intend(run, order)
            return True
        assert self._journal.at_once is not None
        return self._journal.at_once.intend(run, order)

    def filled(self, run: str, order: str, trade: TradeReport) -> bool | None:
        """Write a fill down."""
        assert self._journal.at_once is not None
        return self._journal.at_once.filled(run, order, trade)

    def sync(self) -> None:
        """Wait for the disk."""
        self.asked.set()
        assert self.let.wait(30.0)


@pytest.mark.parametrize("is_busy", [False, True], ids=["at-once", "behind-another"])
async def test_nothing_is_sent_before_it_is_written_and_nobody_waits_for_the_disk(
    tmp_path: Path, eventually: Eventually, is_busy: bool
) -> None:
    """RELIABILITY F10: the loop goes on while the disk does not; the order leaves when it is on it. Keeps S2-59."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        slow = HeldBack(desk.journal, is_busy=is_busy)
        desk.orders.scribe._journal = slow  # type: ignore[assignment]  # the same, slower
        desk.send()
        await eventually(slow.asked.is_set)
        turns = 0
        while turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert desk.placed == []
        assert desk.orders.in_flight
        slow.let.set()
        await eventually(lambda: desk.filled == LOT)


async def test_a_full_disk_opens_nothing_and_lets_everything_out(tmp_path: Path, eventually: Eventually) -> None:
    """RELIABILITY F1: entries are refused, exits and cancels go, fills are told, and all is written down later."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        waits = desk.send(OrderKind.LIMIT, share=-0.02)
        await eventually(lambda: desk.filled == LOT and desk.is_working(waits)() and desk.orders.scribe.is_idle)
        make_unwritable(desk.journal, is_it=True)
        refused = [desk.send() for _ in range(2)]
        await eventually(lambda: sorted(desk.closes) == [(one.id, "journal") for one in refused])
        left = desk.send(role=Role.LEAVE)
        desk.orders.cancel(waits.id)
        await eventually(lambda: desk.filled == 0 and (waits.id, "cancelled") in desk.closes)
        assert desk.held == 0
        make_unwritable(desk.journal, is_it=False)
        desk.send()
        await eventually(lambda: desk.filled == LOT and desk.orders.scribe.is_idle)
        assert {one.trade.trade_id for one in desk.journal.fills(RUN)} == {one.id for one in desk.account.fills}
        assert left.id in {one.request.id for one in desk.journal.orders(RUN)}


async def test_whoever_lost_the_account_sends_nothing(tmp_path: Path) -> None:
    """RELIABILITY D22: the journal says so before the first order of a stale trader; it ends, and takes no more."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.journal.release()
        desk.send()
        assert desk.running is not None
        with pytest.raises(StoreError) as lost:
            await desk.running
        assert lost.value.code == "trader-fenced"
        desk.send()
        assert desk.placed == []


async def test_whoever_was_stopped_looks_again_before_it_sends(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written down, then the process stood still and lost the account: the order does not leave any more."""
    monkeypatch.setattr("perpscope.execution.life._FRESH_S", -1.0)
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.orders._means.sending.quiet_until = time.monotonic() + 0.5
        request = desk.send()
        await eventually(lambda: desk.noted(request) == "intended")
        desk.journal.release()
        assert desk.running is not None
        with pytest.raises(StoreError):
            await desk.running
        assert desk.placed == []


async def test_a_bug_ends_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RELIABILITY E5: an order's task that breaks is no task that is silently missing."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(desk.orders._means.sending, "place", broken)
        desk.send()
        assert desk.running is not None
        with pytest.raises(ZeroDivisionError):
            await desk.running


# other processes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", _SEEDS)
async def test_a_restart_finds_out_what_became_of_everything(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """RELIABILITY D6: filled, standing, never sent: the next process knows, sends nothing again, tells fills once."""
    async with lab_of(seed) as lab:
        async with gateway(lab, tmp_path, is_begun=False) as desk:  # it books nothing: killed before it could
            stop, market = desk.wish(OrderKind.STOP, Role.PROTECT, -0.03), desk.wish()
            for one in (market, stop):
                desk.orders.submit(one)
            await eventually(lambda: sorted(desk.placed) == sorted([stop.id, market.id]))
            await desk.end()
            lost = desk.wish()
            desk.journal.intend(RUN, lost)
            assert desk.told == []
        async with gateway(lab, tmp_path) as desk:
            await eventually(lambda: desk.filled == LOT and desk.closes == [(lost.id, "absent")])
            await eventually(desk.is_working(stop))
            assert desk.orders.protection.order == stop.id
            assert len(desk.placed) == 2
            await eventually(lambda: desk.noted(lost) == "over")
            first = desk.orders.flatten("test", LOT, Side.SELL)
            await eventually(lambda: desk.held == 0 and desk.filled == 0)
        async with gateway(lab, tmp_path) as desk:
            await eventually(lambda: not desk.orders.in_flight)
            assert desk.told == []
            assert desk.orders.find(lost.id) is not None
            assert desk.orders.flatten("test", LOT, Side.SELL) != first


async def test_flattening_is_done_once_and_told_as_nobodys(tmp_path: Path, eventually: Eventually) -> None:
    """Asked for again and again while it is under way, it is one order; the desk books it without an id."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        desk.send()
        await eventually(lambda: desk.filled == LOT)
        strike(lab, Mishap.UNAVAILABLE)
        ids = {desk.orders.flatten("naked", LOT, Side.SELL) for _ in range(5)}
        assert ids == {f"{RUN}-{LABEL}-x1"}
        await eventually(lambda: desk.filled == desk.held == 0)
        last = desk.told[-1]
        assert isinstance(last, Fill)
        assert (last.order, last.role) == ("", Role.FLATTEN)
        await eventually(lambda: not desk.orders.in_flight)
        again = desk.orders.flatten("naked", LOT, Side.SELL)  # nothing is held: the exchange refuses, nobody is told
        await eventually(lambda: not desk.orders.in_flight)
        assert again == f"{RUN}-{LABEL}-x2"
        assert desk.closes == []


async def test_an_order_that_only_the_lists_know_is_there(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY D3: its own question finds nothing for a while; it is in the list, and so it is not absent."""
    monkeypatch.setattr("perpscope.execution.tracked.ABSENT_S", 0.0)
    monkeypatch.setattr("perpscope.execution.tracked.ABSENCES", 1)
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        strike(lab, Mishap.LOST_REPLY)
        strike(lab, Mishap.REFUSED, "GET /fapi/v1/order", times=math.inf, code=-2013)
        request = desk.send(OrderKind.LIMIT, share=-0.02)
        await eventually(desk.is_working(request))
        market = desk.send()  # of a fill that nobody explains nobody knows at once whose it is
        strike(lab, Mishap.UNKNOWN)
        second = desk.send()
        await eventually(lambda: desk.held == 2 * LOT)
        lab.accounts.misfortunes.clear()
        await eventually(lambda: desk.filled == 2 * LOT and not desk.orders.in_flight)
        assert desk.placed == [request.id, market.id, second.id]
        assert desk.closes == []


# late news -----------------------------------------------------------------------------------------------------------


async def test_an_order_that_rises_from_the_dead_is_taken_back(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end was told, for the exchange knew nothing of it; then it does: it must not live on, and its fills count."""
    monkeypatch.setattr("perpscope.execution.tracked.ABSENT_S", 0.0)
    monkeypatch.setattr("perpscope.execution.tracked.ABSENCES", 1)
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        strike(lab, Mishap.LOST_REPLY)
        strike(lab, Mishap.REFUSED, "GET /fapi/v1/order", code=-2013)
        strike(lab, Mishap.REFUSED, "GET /fapi/v1/openOrders", times=0)
        monkeypatch.setattr(desk.orders._means.resolving, "listed", _nothing_listed)
        request = desk.send(OrderKind.LIMIT, share=-0.02)
        await eventually(lambda: desk.closes == [(request.id, "absent")])
        await eventually(lambda: not desk.orders.in_flight)
        venue_id = str(desk.account.by_client[request.id].id)
        assert desk.orders.heard(_report(request, venue_id))
        await eventually(lambda: desk.account.opens("BTCUSDT") == [] and not desk.orders.in_flight)
        assert len(desk.closes) == 1
        assert desk.orders.heard(_report(request, "another"))
        assert desk.orders.duplicates == 1


async def test_what_is_not_ours_is_left_to_others(tmp_path: Path) -> None:
    """A report or a fill of somebody else's order is no business of the gateway's."""
    async with lab_of() as lab, gateway(lab, tmp_path) as desk:
        wish = msgspec.structs.replace(desk.wish(), id="web_1")
        assert not desk.orders.heard(_report(wish, "77"))
        fill = TradeReport(
            trade_id=1,
            venue_id="77",
            id="",
            symbol="BTCUSDT",
            side=Side.BUY,
            price=Decimal(50_000),
            size=LOT,
            fee=Decimal(0),
            realised=Decimal(0),
            is_maker=False,
            ts_event=1,
        )
        assert not desk.orders.heard(fill)
        desk.orders.doubt("web_1")
        assert desk.told == []


async def _nothing_listed(_: object) -> bool:
    return False


def _report(request: OrderRequest, venue_id: str) -> OrderReport:
    return OrderReport(
        id=request.id,
        venue_id=venue_id,
        symbol=BTC.symbol,
        is_conditional=False,
        state=OrderState.NEW,
        side=request.side,
        size=request.size,
        filled=Decimal(0),
        price=request.price,
        is_reducing=False,
        ts_event=1,
    )

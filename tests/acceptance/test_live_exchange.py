"""A live run against the lab: how it begins, what it finds when it compares, and what it leaves alone."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from perpscope.errors import ConfigError, StoreError, VenueError
from perpscope.execution import opening
from perpscope.lab.accounts.account import KeyRights
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.orders import Ask, Kind
from perpscope.lab.faults import Fault, FaultKind
from perpscope.lab.running import Lab
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from tests.acceptance.trader import LOT, QUICK, Live, lab_of, seeded, suffers, trader

Eventually = Callable[..., Awaitable[None]]
_HOUR_NS = 3_600_000_000_000
_DAY = 1_795_219_200_000_000_000


async def bought(live: Live, eventually: Eventually, share: float = -0.03) -> None:
    """A long of one lot with its stop, both sides agreeing."""
    live.buy()
    stop = live.stop(share)
    await eventually(lambda: live.exchange.position == LOT and live.conditions == [stop.id])
    await eventually(lambda: not live.exchange.orders.in_flight)


def stranger(live: Live, side: Side, size: Decimal = LOT) -> None:
    """Somebody trades in the account by hand."""
    ask = Ask(symbol="BTCUSDT", side=side, kind=Kind.MARKET, size=size, client_id=f"web_{live.account.key[:4]}")
    live.lab.accounts.matching.place(live.account, ask)


async def muted(lab: Lab, kind: FaultKind = FaultKind.MUTE) -> None:
    """Let user streams open and say nothing, from now on."""
    await suffers(lab, Fault(kind, 0.0, 1e6, target="path:private"))


# how it begins -------------------------------------------------------------------------------------------------------


async def test_an_entry_and_its_stop(tmp_path: Path, eventually: Eventually) -> None:
    """A new account begins flat, isolated and with the leverage wished; an entry is told once, its stop stands."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        assert live.resumed is not None
        assert (live.resumed.wallet, live.resumed.position, live.resumed.orders) == (Decimal(10_000), Decimal(0), [])
        assert (live.account.leverage("BTCUSDT"), "BTCUSDT" in live.account.isolated) == (5, True)
        await bought(live, eventually)
        assert live.desk.position == live.held == LOT
        assert live.exchange.naked_seconds_max < 5.0
        contact = live.exchange.contact()
        assert (contact.is_streaming, contact.is_mismatched, contact.why, contact.errors) == (True, False, "", 0)


@pytest.mark.parametrize(
    ("rights", "code"),
    [
        pytest.param(KeyRights(can_withdraw=True), "key-moves-money", id="withdraw"),
        pytest.param(KeyRights(can_transfer=True), "key-moves-money", id="transfer"),
        pytest.param(KeyRights(can_trade=False), "key-cannot-trade", id="no-futures"),
    ],
)
async def test_a_key_that_may_do_too_much_is_refused(tmp_path: Path, rights: KeyRights, code: str) -> None:
    """A stolen key must not cost the deposit: one that may move money, or may not trade, begins nothing."""
    async with lab_of() as lab, trader(lab, tmp_path, is_started=False) as live:
        live.account.rights = rights
        with pytest.raises(ConfigError) as refused:
            await live.start()
        assert refused.value.code == code
        assert live.stream.openings == 0


async def test_terms_that_cannot_be_settled_begin_nothing(tmp_path: Path) -> None:
    """A position held with cross margin stands in the way of ours: it is said, and nothing begins."""
    async with lab_of() as lab, trader(lab, tmp_path, is_started=False) as live:
        stranger(live, Side.BUY)
        with pytest.raises(VenueError, match="cross") as refused:
            await live.start()
        assert refused.value.code == "terms-unsettled"


@pytest.mark.parametrize("path", ["/fapi/v3/positionRisk", "/fapi/v1/openAlgoOrders", "/fapi/v1/userTrades"])
async def test_nothing_begins_on_an_account_that_cannot_be_told(tmp_path: Path, path: str) -> None:
    """A comparison that fails at the start ends it, with the reason."""
    async with lab_of() as lab, trader(lab, tmp_path, is_started=False) as live:
        await suffers(lab, Fault(FaultKind.STATUS, 0.0, 1e6, target=f"rest:{path}", amount=500))
        with pytest.raises(VenueError, match="500"):
            await live.start()
        assert not live.stream.is_streaming


async def test_nothing_begins_while_an_order_is_unknown(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that was left, and of which the exchange says nothing, may be anything: it is named."""
    monkeypatch.setattr(opening, "_RESOLVED_S", 0.5)
    async with lab_of() as lab:
        async with trader(lab, tmp_path) as live:
            lab.accounts.suffer(Misfortune(Mishap.UNAVAILABLE, of="GET /fapi/v1/order", times=float("inf")))
            lab.accounts.suffer(Misfortune(Mishap.LOST_REPLY))
            lost = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02))
            live.exchange.submit(lost)
            await eventually(lambda: len(live.account.opens("BTCUSDT")) == 1)
        async with trader(lab, tmp_path, is_started=False) as live:
            await suffers(lab, Fault(FaultKind.STATUS, 0.0, 1e6, target="rest:/fapi/v1/openOrders", amount=500))
            with pytest.raises(VenueError, match=lost.id) as unknown:
                await live.start()
            assert unknown.value.code == "account-unsettled"


# taken up again ------------------------------------------------------------------------------------------------------


async def test_what_happened_meanwhile_is_in_the_beginning_and_not_told(tmp_path: Path, eventually: Eventually) -> None:
    """A stop that fills while nobody listens is in the account at the next start, booked once. Keeps S2-59."""
    async with lab_of() as lab:
        async with trader(lab, tmp_path) as live:
            await bought(live, eventually)
            take = live.desk.order(OrderKind.TAKE, Side.SELL, Role.PROFIT, live.price(0.03))
            live.exchange.submit(take)
            await eventually(lambda: len(live.conditions) == 2)
        stranger(live, Side.SELL)  # the position is closed while we are away
        async with trader(lab, tmp_path) as live:
            assert live.resumed is not None
            assert live.resumed.position == live.held == 0
            assert live.resumed.wallet == live.account.wallet
            assert live.resumed.orders == []
            assert live.conditions == []  # they had nothing to protect any more
            assert live.desk.fills == []
            assert len(live.journal.fills("r1")) == 1


@seeded
async def test_many_restarts_come_to_the_same_as_one(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Beginning again and again changes nothing: position, stop, numbers and journal stay. Keeps S2-59."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            await bought(live, eventually)
        begun = []
        for _ in range(3):
            async with trader(lab, tmp_path) as live:
                assert live.resumed is not None
                begun.append(msgspec.structs.replace(live.resumed, ts_recv=0))
                assert live.desk.events == []
                assert len(live.journal.fills("r1")) == 1
        assert begun[0] == begun[1] == begun[2]
        assert begun[0].position == LOT
        assert [(one.number, one.role) for one in begun[0].orders] == [(2, Role.PROTECT)]
        assert len(live.account.fills) == 1


@seeded
async def test_a_position_no_journal_explains_is_taken_over(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Without a journal the exchange's position is where a run begins; no fill is made up for it. RELIABILITY D10."""
    (tmp_path / "lost").mkdir()
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path / "lost") as live:
            await bought(live, eventually)
            stop = live.conditions
        async with trader(lab, tmp_path, run="r2") as live:
            assert live.resumed is not None
            assert (live.resumed.position, live.resumed.entry_price is not None) == (LOT, True)
            assert live.resumed.orders == []
            assert live.journal.fills("r2") == []
            assert live.conditions == stop  # not of this run: not touched
            assert "orders that are not ours" in live.exchange.contact().why


# what comparing finds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.MUTE, FaultKind.STALL])
async def test_a_fill_that_a_mute_stream_keeps_back_is_found(
    tmp_path: Path, eventually: Eventually, kind: FaultKind
) -> None:
    """A stream that stays open and says nothing: the comparison tells the fill, and has the stream opened anew."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await muted(lab, kind)
        resting = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02))
        live.exchange.submit(resting)
        await eventually(lambda: len(live.account.opens("BTCUSDT")) == 1 and not live.exchange.orders.in_flight)
        (order,) = live.account.opens("BTCUSDT")
        lab.accounts.matching.fill(live.account, order, order.price, order.left, is_maker=True)
        live.stop(-0.05)
        await eventually(lambda: live.exchange.position == LOT)
        assert [one.order for one in live.desk.fills] == [resting.id]
        await eventually(lambda: live.stream.openings > 1)


async def test_an_order_that_ends_unheard_is_found(tmp_path: Path, eventually: Eventually) -> None:
    """An order the exchange ends, and whose end is not told, is closed by the comparison."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        resting = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02))
        live.exchange.submit(resting)
        await eventually(lambda: len(live.account.opens("BTCUSDT")) == 1 and not live.exchange.orders.in_flight)
        await muted(lab)
        lab.accounts.matching.cancel(live.account, live.account.opens("BTCUSDT")[0])
        await eventually(lambda: [one.order for one in live.desk.closed] == [resting.id])
        await eventually(lambda: live.stream.openings > 1)  # it should have said so


@pytest.mark.parametrize("is_running", [False, True], ids=["at the start", "later"])
async def test_an_order_of_the_run_that_nobody_follows_is_taken_back(
    tmp_path: Path, eventually: Eventually, is_running: bool
) -> None:
    """By its id it is ours, and no journal knows it: whatever made it, it must not fill. Keeps S2-59."""
    async with lab_of() as lab, trader(lab, tmp_path, is_started=False) as live:
        if is_running:
            await live.start()
        else:
            lab.accounts.settings.isolate(live.account, "BTCUSDT", is_isolated=True)
        lost = Ask(
            symbol="BTCUSDT", side=Side.BUY, kind=Kind.LIMIT, size=LOT, price=live.price(-0.02), client_id="r1-burst-77"
        )
        lab.accounts.matching.place(live.account, lost)
        stop = Ask(
            symbol="BTCUSDT",
            side=Side.SELL,
            kind=Kind.STOP_MARKET,
            trigger=live.price(-0.05),
            closes=True,
            by_mark=True,
            client_id="r1-burst-78",
        )
        lab.accounts.waiting.place(live.account, stop)
        if not is_running:
            resumed = await live.start()
            assert resumed.orders == []
        await eventually(lambda: live.account.opens("BTCUSDT") == [] and live.conditions == [])
        assert live.desk.events == []


async def test_the_run_of_another_process_is_no_stranger(tmp_path: Path, eventually: Eventually) -> None:
    """What was placed by a run before this one, and left, is its own: told, and not touched."""
    async with lab_of() as lab:
        async with trader(lab, tmp_path, run="r1") as live:
            live.exchange.submit(live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02)))
            await eventually(lambda: len(live.account.opens("BTCUSDT")) == 1 and not live.exchange.orders.in_flight)
        async with trader(lab, tmp_path, run="r2") as live:
            assert len(live.account.opens("BTCUSDT")) == 1
            assert "r1-burst-1" in live.exchange.contact().why
            assert not live.exchange.contact().is_mismatched


@seeded
async def test_trades_by_hand_stop_all_entries_until_they_are_undone(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A position that differs twice halts entries, never exits, says why, and is no more when both agree again."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await bought(live, eventually)
        stranger(live, Side.BUY)
        await eventually(lambda: live.exchange.contact().is_mismatched)
        assert "+0.01" in live.exchange.contact().why
        entry = live.buy()
        assert [one.order for one in live.desk.closed] == [entry.id]
        stranger(live, Side.SELL)
        await eventually(lambda: not live.exchange.contact().is_mismatched)
        assert live.exchange.position == live.held == LOT == live.desk.position


async def test_an_operator_takes_a_strange_position_over(tmp_path: Path, eventually: Eventually) -> None:
    """Adopted, what the exchange holds is ours, and entries go out again."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await bought(live, eventually)
        stranger(live, Side.BUY)
        await eventually(lambda: live.exchange.contact().is_mismatched)
        resumed = await live.exchange.adopt()
        assert resumed.position == live.exchange.position == live.held == 2 * LOT
        assert [one.number for one in resumed.orders] == [2]
        assert not live.exchange.contact().is_mismatched
        live.buy()
        await eventually(lambda: live.exchange.position == live.held == 3 * LOT)


async def test_a_condition_without_a_position_is_taken_back(tmp_path: Path, eventually: Eventually) -> None:
    """Stops that outlive their position are swept, ours alone: what a stranger placed stays."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await bought(live, eventually)
        condition = Ask(
            symbol="BTCUSDT",
            side=Side.SELL,
            kind=Kind.TAKE_PROFIT_MARKET,
            trigger=live.price(0.05),
            closes=True,
            by_mark=True,
            client_id="web_take",
        )
        lab.accounts.waiting.place(live.account, condition)
        live.exchange.submit(live.desk.order(OrderKind.MARKET, Side.SELL, Role.LEAVE))
        await eventually(lambda: live.exchange.position == live.held == 0)
        await eventually(lambda: live.conditions == ["web_take"])
        await eventually(lambda: "web_take" in live.exchange.contact().why)


@pytest.mark.parametrize("is_mute", [False, True], ids=["told", "unheard"])
@pytest.mark.parametrize("cause", ["deleveraged", "settled"])
async def test_a_position_the_exchange_closes_is_told_as_such(
    tmp_path: Path, eventually: Eventually, cause: str, is_mute: bool
) -> None:
    """Deleveraging and the end of a contract: a fill without an order of ours, the position 0, its stop swept."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await bought(live, eventually)
        if is_mute:
            await muted(lab)
        if cause == "deleveraged":
            lab.accounts.deleverage(live.account, "BTCUSDT")
        else:
            lab.accounts.closing.settle("BTCUSDT")
        await eventually(lambda: live.exchange.position == 0)
        last = live.desk.fills[-1]
        assert (last.order, last.role, last.size) == ("", Role.LIQUIDATED, LOT)
        await eventually(lambda: live.conditions == [])
        assert not live.exchange.contact().is_mismatched


@seeded
async def test_fundings_are_the_exchanges_own_to_the_last_digit(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Funding is booked once, over a restart too, and adds up to the venue's income history. Keeps S2-59."""
    async with lab_of(seed, rate=20.0, ts_start=_DAY + 8 * _HOUR_NS - 60_000_000_000) as lab:
        lab.clock.pace(1.0)  # the position is there before it is due, however slow the machine
        async with trader(lab, tmp_path) as live:
            await bought(live, eventually)
            lab.clock.pace(20.0)
            await eventually(lambda: len(live.desk.fundings) == 1)
        async with trader(lab, tmp_path) as live:
            assert live.desk.fundings == []
            (booked,) = live.journal.fundings("r1")
            incomes = [-one.amount for one in live.account.incomes if one.kind == "FUNDING_FEE"]
            assert [booked.paid] == incomes


# when it cannot compare ----------------------------------------------------------------------------------------------


async def test_without_a_comparison_nothing_is_opened_and_everything_closed(
    tmp_path: Path, eventually: Eventually
) -> None:
    """What cannot be compared for long may not grow; the way out stays open."""
    settings = msgspec.structs.replace(QUICK, reconcile_s=0.2)
    async with lab_of() as lab, trader(lab, tmp_path, settings=settings) as live:
        await bought(live, eventually)
        refused = Misfortune(Mishap.UNAVAILABLE, of="GET /fapi/v3/positionRisk", times=float("inf"))
        lab.accounts.suffer(refused)
        await eventually(lambda: live.exchange.contact().is_mismatched)
        assert "no comparison" in live.exchange.contact().why
        entry = live.buy()
        assert [one.order for one in live.desk.closed] == [entry.id]
        live.exchange.submit(live.desk.order(OrderKind.MARKET, Side.SELL, Role.LEAVE))
        await eventually(lambda: live.held == 0 == live.exchange.position)
        lab.accounts.misfortunes.clear()
        await eventually(lambda: not live.exchange.contact().is_mismatched)


async def test_a_trader_who_lost_the_account_ends(tmp_path: Path) -> None:
    """Whoever was overtaken finds out at the first thing to be written down, and sends nothing."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        live.journal.release()
        live.buy()
        assert live.running is not None
        with pytest.raises(StoreError) as lost:
            await live.running
        assert lost.value.code == "trader-fenced"
        assert live.held == 0

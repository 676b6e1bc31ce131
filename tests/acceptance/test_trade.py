"""Live on the lab, whole: the heart, the desk, the exchange and its judge, joined as `perpscope trade` joins them."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpscope.app import trading_mode
from perpscope.app.trade import asking
from perpscope.app.trade.lab import KEYS
from perpscope.app.trade.run import Answer, TradeRun
from perpscope.errors import ConfigError, StoreError
from perpscope.feeds.clock import wall_ns
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.orders import Ask, Held, Kind
from perpscope.lab.running import Lab
from perpscope.model.market import Side
from perpscope.model.run import RunKind
from perpscope.stores.journal import JournalReader, place
from tests.acceptance.whole_runs import account_of, busy, held_at, lab_of, run_of, tree_of, until, without_stop

LIVE = RunKind.LIVE
#: Market seconds per real second: orders are real ones, and take real time.
RATE = 30.0


async def test_a_run_trades_and_the_exchange_agrees(tmp_path: Path) -> None:
    """Orders once each, the position the exchange's, never naked, decided the same again. Keeps S4-54, B15, B11."""
    async with lab_of(rate=RATE) as lab:
        run = run_of(LIVE, without_stop(tree_of(lab)), tmp_path)
        answer = await until(run, lambda one: one.status is not None and one.status.fills >= 5)
        plain = [one for one in account_of(lab).orders.values() if one.client_id.startswith(answer.run)]
        assert held_at(lab) == 0
        assert account_of(lab).waits("BTCUSDT") == []
    assert answer.decision_hash == answer.replay_hash
    assert (answer.duplicate_orders, answer.unexplained_orders, answer.position_matches) == (0, 0, True)
    assert answer.naked_seconds_max < 5.0
    assert answer.is_over
    assert len(plain) >= 4
    assert answer.latency_ms.count >= 4
    with JournalReader(place(tmp_path / "market.db", LIVE)) as journal:
        assert {one.state for one in journal.orders(answer.run)} == {"over"}
        status = journal.statuses()[0]
    assert status.contact is not None
    assert (status.is_over, status.contact.is_mismatched, status.armed_until_ms is not None) == (True, False, True)


async def test_a_run_under_a_largest_order_is_decided_the_same_again(tmp_path: Path) -> None:
    """Entries are made smaller by the exchange's word; the replay knows, and comes to the same. Keeps B11."""
    largest = Decimal("0.004")
    async with lab_of(rate=RATE) as lab:
        lab.accounts.prices.refilter("BTCUSDT", max_market_size=largest)
        run = run_of(LIVE, without_stop(tree_of(lab)), tmp_path)
        answer = await until(run, lambda one: one.status is not None and one.status.fills >= 5)
        ours = [one.ask.size for one in account_of(lab).orders.values() if one.client_id.startswith(answer.run)]
        sizes = {size for size in ours if size is not None}
        assert held_at(lab) == 0
    assert max(sizes) == largest
    assert answer.decision_hash == answer.replay_hash
    assert (answer.duplicate_orders, answer.unexplained_orders, answer.position_matches) == (0, 0, True)
    assert answer.is_over


async def test_a_run_that_is_left_is_taken_up_from_the_exchange(tmp_path: Path) -> None:
    """Position and stop stay at the exchange between two processes, and are the next one's. Keeps S4-53."""
    async with lab_of(rate=RATE) as lab:
        tree = tree_of(lab)
        first = await until(run_of(LIVE, tree, tmp_path, held=600), _is_protected)
        left, stops = held_at(lab), [one.client_id for one in account_of(lab).waits("BTCUSDT")]
        assert (float(left), len(stops), first.is_over) == (first.position, 1, False)
        with JournalReader(place(tmp_path / "market.db", LIVE)) as journal:
            page = journal.statuses()[0]
        assert page.held.stop is not None  # it stands at the exchange, and people are told so
        assert [one.id for one in page.working] == stops
        second = await until(run_of(LIVE, tree, tmp_path, held=600), _is_protected)
        assert (second.run, held_at(lab)) == (first.run, left)
        assert [one.client_id for one in account_of(lab).waits("BTCUSDT")] == stops
        third = await until(run_of(LIVE, without_stop(tree), tmp_path, held=600), _is_protected)
        assert third.run == first.run
        assert held_at(lab) == 0
        assert not account_of(lab).waits("BTCUSDT")
    for one in (first, second, third):
        assert one.decision_hash == one.replay_hash
        assert (one.duplicate_orders, one.unexplained_orders, one.position_matches) == (0, 0, True)


async def test_a_stranger_in_the_account_halts_entries_until_somebody_adopts(tmp_path: Path) -> None:
    """A position that is not ours lets nothing be opened; a reset takes it over, with a stop of its own."""
    database = tmp_path / "market.db"
    async with lab_of(rate=20.0) as lab:
        lab.clock.pace(1.0)  # somebody buys before the first candle closes, however slow the machine
        tree = tree_of(lab)
        stages: list[str] = []

        def steps(running: TradeRun) -> bool:
            status = running.status
            contact = None if status is None else status.contact
            if status is None or contact is None:
                return False
            if not stages and contact.reconciled_ms is not None:
                _buy_by_hand(lab)
                stages.append("bought")
            elif stages == ["bought"] and contact.is_mismatched:
                lab.clock.pace(20.0)
                stages.append("mismatched")
            elif stages == ["bought", "mismatched"] and status.refused.get("position-mismatch"):
                now_ms = wall_ns() // 1_000_000
                trading_mode.reset(database, who="a test", now_ms=now_ms, trade=tree.trade)
                stages.append("reset")
            elif stages[2:] == ["reset"] and status.held.side == "LONG" and status.held.stop is not None:
                stages.append("adopted")
            return len(stages) == 4

        answer = await until(run_of(LIVE, tree, tmp_path, held=600), steps)
        assert float(held_at(lab)) == answer.position == 0.05
    assert answer.decision_hash == answer.replay_hash
    assert answer.position_matches


async def test_a_position_of_somebody_else_is_left_alone_unless_taken_over(
    eventually: Callable[..., Awaitable[None]], tmp_path: Path
) -> None:
    """A run that cannot have opened it does not begin; asked to, it takes it over and gives it a stop. Keeps B15."""
    async with lab_of(rate=RATE) as lab:
        tree = tree_of(lab)
        await eventually(lambda: lab.accounts.prices.takeable("BTCUSDT", Side.BUY, Decimal(10**9)))
        lab.accounts.settings.isolate(account_of(lab), "BTCUSDT", True)
        lab.accounts.settings.leverage(account_of(lab), "BTCUSDT", 3)
        _buy_by_hand(lab)
        with pytest.raises(ConfigError, match="which no run of this journal opened") as refused:
            await run_of(LIVE, tree, tmp_path, held=600).run(30.0)
        assert refused.value.code == "position-not-ours"
        assert (held_at(lab), account_of(lab).waits("BTCUSDT")) == (Decimal("0.05"), [])
        assert account_of(lab).position("BTCUSDT", Held.BOTH).leverage == 3
        answer = await until(run_of(LIVE, tree, tmp_path, held=600, adopts=True), _is_protected)
        assert float(held_at(lab)) == answer.position == 0.05


async def test_a_second_trader_of_one_account_is_told_who_has_it(tmp_path: Path) -> None:
    """It sends nothing, says which run has the account, and leaves no recording; the first goes on. Keeps S4-54."""
    async with lab_of(rate=RATE) as lab:
        first = run_of(LIVE, tree_of(lab), tmp_path, held=600)
        running = asyncio.create_task(until(first, lambda _: second.done()))
        begun = asyncio.Event()
        second = asyncio.create_task(_after(begun, run_of(LIVE, tree_of(lab), tmp_path, held=600)))
        while not _is_protected(first):
            await asyncio.wait([running], timeout=0.05)
        begun.set()
        with pytest.raises(StoreError) as refused:
            await second
        answer = await running
        recordings = sorted((tmp_path / "runs-recordings").glob("*.perpscope"))
    assert refused.value.code == "trader-elsewhere"
    assert f"on BTC-USDT-PERP.BINANCE (run {answer.run}): one trader at a time" in refused.value.message
    assert [one.name for one in recordings] == [Path(answer.recording).name]
    assert (answer.duplicate_orders, answer.unexplained_orders, answer.position_matches) == (0, 0, True)


async def _after(begun: asyncio.Event, run: TradeRun) -> Answer:
    await begun.wait()
    return await run.run(30.0)


async def test_a_second_word_ends_at_once(tmp_path: Path) -> None:
    """Where flattening hangs on an exchange that is down, whoever insists is obeyed: position and stop stay there."""
    async with lab_of(rate=RATE) as lab:
        told: list[str] = []

        def steps(running: TradeRun) -> None:
            if not told and _is_protected(running):
                mishap = Misfortune(Mishap.UNAVAILABLE, of="POST /fapi/v1/order", times=math.inf)
                lab.accounts.suffer(mishap)
                told.append("end")
                running.stop()
                asyncio.get_running_loop().call_later(0.2, running.stop)

        answer = await run_of(LIVE, without_stop(tree_of(lab)), tmp_path, held=600).run(60.0, steps)
        assert held_at(lab) != 0
        assert len(account_of(lab).waits("BTCUSDT")) == 1
    assert (answer.is_over, answer.position_matches, answer.duplicate_orders) == (False, True, 0)
    assert answer.decision_hash == answer.replay_hash


async def test_nothing_is_sent_unarmed(tmp_path: Path) -> None:
    """Where the exchange is no lab, nothing begins without being armed. Keeps S4-53."""
    async with lab_of(rate=RATE) as lab:
        wanted = asking.wanted(
            LIVE, busy(tmp_path), tree_of(lab), tmp_path / "market.db", venue="binance", symbol="BTC", given={}
        )
        assert wanted.is_lab
        with pytest.raises(ConfigError) as caught:
            await asking.made(replace(wanted, is_lab=False), KEYS).run(5.0)
        assert account_of(lab).orders == {}
    assert caught.value.code == "live-not-armed"


def _is_protected(run: TradeRun) -> bool:
    status = run.status
    return status is not None and status.held.side is not None and status.held.stop is not None


def _buy_by_hand(lab: Lab) -> None:
    """Somebody buys in our account, and not by us."""
    lab.accounts.matching.place(
        account_of(lab), Ask(symbol="BTCUSDT", side=Side.BUY, kind=Kind.MARKET, size=Decimal("0.05"), client_id="web_1")
    )

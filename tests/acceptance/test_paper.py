"""Paper on the lab: the same path as live with the desk's own exchange, replayed, kept, and taken up again."""

import asyncio
from pathlib import Path

import pytest

from perpscope.app import trading_mode
from perpscope.app.trade import asking
from perpscope.app.trade.run import TradeRun
from perpscope.app.trading_mode import Mode
from perpscope.errors import ConfigError, StoreError
from perpscope.feeds.clock import wall_ns
from perpscope.model.market import Side
from perpscope.model.order import Role
from perpscope.model.run import RunKind
from perpscope.settings import Trade
from perpscope.stores.journal import JournalReader, place
from perpscope.stores.journal_rows import number_of
from perpscope.stores.runs import Runs
from tests.acceptance.whole_runs import busy, lab_of, run_of, tree_of, until, without_stop

PAPER = RunKind.PAPER


async def test_a_run_is_replayed_written_down_and_kept(tmp_path: Path) -> None:
    """Decides the same from its recording, and its orders, fills and result are there afterwards. Keeps S4-52, B11."""
    async with lab_of() as lab:
        run = run_of(PAPER, tree_of(lab), tmp_path)
        answer = await until(run, lambda one: one.status is not None and one.status.fills >= 4)
    assert answer.decision_hash == answer.replay_hash
    assert answer.fills >= 4
    assert answer.position_matches
    assert (answer.duplicate_orders, answer.naked_seconds_max, answer.data) == (0, 0.0, "demo")
    assert answer.latency_ms.count > 0
    with JournalReader(place(tmp_path / "market.db", PAPER)) as journal:
        fills, orders = journal.fills(answer.run), journal.orders(answer.run)
        assert (len(fills), len(orders)) == (answer.fills, answer.orders)
        assert {fill.trade.id for fill in fills} <= {order.request.id for order in orders}  # one may take several
        told = journal.statuses()[0]
        assert (told.run, told.is_over, told.decisions) == (answer.run, True, answer.decisions)
        assert {order.state for order in orders} <= {"filled", "cancelled", "working"}
    with Runs(tmp_path / "market.db") as runs:
        kept = runs.get(answer.run)
    assert kept is not None
    assert (kept.summary.kind, kept.summary.strategy) == (PAPER, "busy")


async def test_a_run_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    """The next process keeps run id, position, stop and numbering; each part decides the same again. Keeps S4-62."""
    async with lab_of() as lab:
        tree = tree_of(lab)
        first = await until(run_of(PAPER, tree, tmp_path, held=600), _holds)
        assert not first.is_over
        assert first.position != 0.0
        again = run_of(PAPER, tree, tmp_path, held=600)
        seen: list[tuple[float, float | None]] = []

        def takes_up(running: TradeRun) -> bool:
            status = running.status
            if status is not None and status.held.side is not None:
                seen.append((status.held.size, status.held.stop))
            return bool(seen)

        second = await until(again, takes_up)
        with JournalReader(place(tmp_path / "market.db", PAPER)) as journal:
            stop = next(one for one in journal.orders(first.run) if one.request.role is Role.PROTECT)
        assert seen[0] == (abs(first.position), float(stop.request.price or 0))
        assert (second.run, second.position) == (first.run, first.position)
        third = await until(run_of(PAPER, without_stop(tree), tmp_path, held=600), _holds)
    assert (third.run, third.position, third.is_over) == (first.run, 0.0, True)
    for one in (first, second, third):
        assert one.decision_hash == one.replay_hash
    with JournalReader(place(tmp_path / "market.db", PAPER)) as journal:
        numbers = [number_of(order.request.id) for order in journal.orders(first.run)]
        trades = [fill.trade for fill in journal.fills(first.run)]
    assert sum(one.size if one.side is Side.BUY else -one.size for one in trades) == 0
    assert numbers == sorted(set(numbers))
    with Runs(tmp_path / "market.db") as runs:
        kept = runs.get(first.run)
    assert kept is not None
    assert (len(kept.summary.sources), kept.summary.equity_error) == (3, 0.0)


async def test_the_kill_switch_closes_everything_and_a_reset_goes_on(tmp_path: Path) -> None:
    """Pulled by anybody, obeyed within a second; lifted, entries pass again. Keeps S2-62."""
    database, trade = tmp_path / "market.db", Trade()
    async with lab_of() as lab:
        run = run_of(PAPER, tree_of(lab), tmp_path, held=600)
        stages: list[str] = []

        def steps(running: TradeRun) -> bool:
            status = running.status
            if status is None:
                return False
            if not stages and status.held.side is not None:
                trading_mode.halted(database, who="a test", why="enough", now_ms=1, trade=trade)
                stages.append("halted")
            elif stages == ["halted"] and status.held.side is None and status.halted == "enough":
                trading_mode.reset(database, who="a test", now_ms=wall_ns() // 1_000_000, trade=trade)
                stages.append("reset")
            elif stages == ["halted", "reset"] and status.held.side is not None:
                stages.append("goes on")
            return len(stages) == 3

        answer = await until(run, steps)
    assert answer.decision_hash == answer.replay_hash
    assert answer.halted == ""
    with JournalReader(place(database, PAPER)) as journal:
        words = [act.why for act in journal.acts() if act.what == "standing"]
    assert words == ["mode paper", "mode paper, halted: enough", "mode paper"]


async def test_observing_nothing_is_ordered(tmp_path: Path) -> None:
    """A lower mode is obeyed at run time: decisions are told, and refused. Keeps S2-62."""
    async with lab_of() as lab:
        trading_mode.lowered(tmp_path / "market.db", Mode.OBSERVE, who="a test", now_ms=1, trade=Trade())
        run = run_of(PAPER, tree_of(lab), tmp_path)
        answer = await until(run, lambda one: one.status is not None and one.status.decisions >= 3)
    assert (answer.orders, answer.fills) == (0, 0)
    assert answer.refused["observing"] >= 3
    assert answer.decision_hash == answer.replay_hash


@pytest.mark.parametrize(
    "venue", ["hyperliquid", *(pytest.param(name, marks=pytest.mark.soak) for name in ("bybit", "okx", "bitget"))]
)
async def test_paper_works_on_every_venue(venue: str, tmp_path: Path) -> None:
    """The same run on any of the five, warm from its first minute on. Keeps S4-52."""
    async with lab_of(venue=venue) as lab:
        run = run_of(PAPER, tree_of(lab, venue), tmp_path, venue=venue)
        answer = await until(run, lambda one: one.status is not None and one.status.fills >= 2)
    assert answer.decision_hash == answer.replay_hash
    assert answer.instrument.endswith(venue.upper())


async def test_a_run_is_traded_once_at_a_time(tmp_path: Path) -> None:
    """A second process of the same strategy on the same contract is refused, and the first goes on."""
    async with lab_of() as lab:
        tree = tree_of(lab)
        other: list[StoreError] = []

        async def begin_another() -> None:
            try:
                await run_of(PAPER, tree, tmp_path).run(0.1)
            except StoreError as error:
                other.append(error)

        tasks: list[asyncio.Task[None]] = []

        def steps(running: TradeRun) -> bool:
            if running.status is not None and not tasks:
                tasks.append(asyncio.get_running_loop().create_task(begin_another()))
            return bool(other)

        answer = await until(run_of(PAPER, tree, tmp_path), steps)
        await asyncio.gather(*tasks)
    assert other[0].code == "trader-elsewhere"
    assert answer.decision_hash == answer.replay_hash


async def test_a_run_that_cannot_begin_says_why(tmp_path: Path) -> None:
    """A contract nobody lists ends it before anything is recorded of a market."""
    async with lab_of() as lab:
        tree = tree_of(lab)
        wanted = asking.wanted(
            PAPER, busy(tmp_path), tree, tmp_path / "market.db", venue="binance", symbol="MOON", given={}
        )
        with pytest.raises(ConfigError) as caught:
            await asking.made(wanted).run(5.0)
    assert caught.value.code == "symbol-unknown"


def _holds(run: TradeRun) -> bool:
    status = run.status
    return status is not None and status.held.side is not None and status.held.stop is not None

"""What a live run of ours says of its account is what ccxt and Binance's own SDK see there with the same key.

Each client reads from an environment of its own, with its own signing, while the run holds a position and once it is
flat; every field is held against the run's journal, its questions and its page (`tests/peers/accounts.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpscope.app.trade.run import TradeRun
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.private_calls import Keys, PrivateCalls
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.running import Lab
from perpscope.model.exchange import PositionReport
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from perpscope.model.run import RunKind
from perpscope.ports.broker import Caller
from perpscope.settings import Trade
from perpscope.stores.journal_reader import JournalReader
from perpscope.stores.journal_rows import place
from perpscope.venues.binance.broker import BROKER
from perpscope.web.app import create_app
from tests.acceptance import trader as one_process
from tests.acceptance.trader import BTC, LOT
from tests.acceptance.whole_runs import START, lab_of, run_of, tree_of, without_stop
from tests.peers.accounts import PEERS, Ours, Seen, Witnesses, differences, ours, witnesses
from tests.peers.meeting import interpreter
from tests.unit.asking import ask

RATE = 20.0
#: Some time before funding is paid: eight hours after a day's beginning, as at its beginning.
_DUE_MS = (START + 8 * 3600 * 1_000_000_000) // 1_000_000
_BEFORE_FUNDING = _DUE_MS * 1_000_000 - 110 * 1_000_000_000
_NS_PER_MS = 1_000_000
_BOOKED_MS = 30_000  # market time: a second and a half


@pytest.fixture(autouse=True)
def _have_both() -> None:
    for peer in PEERS:
        interpreter(peer)


@asynccontextmanager
async def caller_of(lab: Lab) -> AsyncIterator[Caller]:
    """Calls of the lab's account in our own dialect, beside those of the run."""
    async with AsyncExitStack() as stack:
        clock = MarketClock()
        clock.follow(await market_clock(f"{lab.rest_url}/lab/clock"))
        rest = await stack.enter_async_context(RestClient("binance", lab.rest_url, Governor("binance", 1e6)))
        calls = PrivateCalls(rest, BROKER, Keys(LAB_KEY, LAB_SECRET), lambda: clock.now_ns() // _NS_PER_MS)
        stack.push_async_callback(calls.aclose)
        yield calls


async def positions_page(tree: Any, database: Path) -> list[dict[str, Any]]:  # noqa: ANN401 (of JSON)
    """`/api/v1/positions`."""
    found: list[dict[str, Any]] = (await ask(create_app(tree, database), "/api/v1/positions")).json["positions"]
    return found


def are_noted(journal: Path, run: str) -> bool:
    """The journal has what the exchange made of each order: it is noted a little after it is known."""
    with JournalReader(journal) as reader:
        return all(one.venue_id and one.state != "sent" for one in reader.orders(run))


def check_page(row: dict[str, Any], seen: Seen) -> None:
    """Hold a position of the page against what a client sees; the page reckons liquidation by itself."""
    held, there = row["held"], seen["position"]
    (stop,) = [one for one in seen["conditions"] if one["kind"] == "STOP_MARKET"]
    assert (held["side"], held["size"]) == (there["side"], float(there["size"]))
    assert held["entry_price"] == pytest.approx(float(there["entry"]), rel=1e-9)
    assert held["liquidation_price"] == pytest.approx(float(there["liquidation"]), rel=1e-6)
    assert held["margin"] == pytest.approx(float(there["margin"]), rel=1e-6)
    assert held["stop"] == float(stop["trigger"])


def is_holding(run: TradeRun) -> bool:
    """A position with its stop and take-profit confirmed; funding is over, and what was due of it is booked."""
    status = run.status
    if status is None or status.held.stop is None or status.market_ms < _DUE_MS + _BOOKED_MS:
        return False
    return sorted(one.state for one in status.working) == ["working", "working"]


async def test_both_see_what_a_run_holds_and_that_it_left(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    """Position, stop, take-profit, fills, fees, funding and wallet, as our journal and page say. Keeps S4-54."""
    async with lab_of(rate=RATE, ts_start=_BEFORE_FUNDING) as lab, caller_of(lab) as caller, witnesses(lab) as clients:
        tree = without_stop(tree_of(lab))
        run = run_of(RunKind.LIVE, tree, tmp_path, held=600, stop=0.06, take=0.08)
        trading = asyncio.ensure_future(run.run(None))
        try:
            await eventually(lambda: trading.done() or is_holding(run), within_s=60.0)
            assert run.status is not None
            name, database = run.status.run, tmp_path / "market.db"
            journal = place(database, RunKind.LIVE)
            await eventually(lambda: are_noted(journal, name))
            seen = await clients.see()
            held = await ours(journal, name, BTC, caller, _BEFORE_FUNDING)
            (page,) = await positions_page(tree, database)
            run.stop()
            answer = await trading
        finally:
            trading.cancel()
            await asyncio.gather(trading, return_exceptions=True)
        seen_flat = await clients.see()
        flat = await ours(journal, name, BTC, caller, _BEFORE_FUNDING)
        assert await positions_page(tree, database) == []
    for peer in seen:
        assert differences(seen[peer], held) == [], peer
        assert differences(seen_flat[peer], flat) == [], peer
        assert len(seen[peer]["conditions"]) == 2
        assert len(seen[peer]["fundings"]) == len(held.fundings) <= 1  # one, unless this machine is very slow
        check_page(page, seen[peer])
        assert (seen_flat[peer]["position"], seen_flat[peer]["orders"], seen_flat[peer]["conditions"]) == (None, [], [])
    assert (flat.held.size, answer.is_over, answer.duplicate_orders) == (Decimal(0), True, 0)
    assert answer.equity == pytest.approx(float(flat.wallet), abs=1e-6)
    assert answer.wallet_off == pytest.approx(0.0, abs=1e-6)


def turns(orders: int) -> Callable[[TradeRun], bool]:
    """So many orders were sent."""
    return lambda run: run.status is not None and run.status.orders >= orders


@pytest.mark.parametrize("orders", [7, pytest.param(40, marks=[pytest.mark.soak, pytest.mark.timeout(400)])])
async def test_both_see_every_order_that_the_journal_has(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]], orders: int
) -> None:
    """After many turns: the ids are those of the journal, fills and fees add up, order by order. Keeps S4-54, B15."""
    async with lab_of(rate=RATE * 2) as lab, caller_of(lab) as caller, witnesses(lab) as clients:
        run = run_of(RunKind.LIVE, without_stop(tree_of(lab)), tmp_path, held=1, take=0.002, stop=0.004)
        trading = asyncio.ensure_future(run.run(None))
        try:
            await eventually(lambda: trading.done() or turns(orders)(run), within_s=10.0 * orders)
            run.stop()
            answer = await trading
        finally:
            trading.cancel()
            await asyncio.gather(trading, return_exceptions=True)
        journal = place(tmp_path / "market.db", RunKind.LIVE)
        seen, own = await clients.see(), await ours(journal, answer.run, BTC, caller, START)
    sent = {one.request.id for one in own.orders if one.venue_id}
    assert len(sent) > orders // 2, "some conditions are met before they can stand"
    for peer, found in seen.items():
        assert differences(found, own) == [], peer
        assert {row["id"] for row in (*found["past"], *found["past_conditions"])} == sent
        fees = sum(Decimal(str(row["fee"])) for row in found["fills"])
        assert fees == sum(one.trade.fee for one in own.fills) > 0
    assert (answer.duplicate_orders, answer.unexplained_orders, answer.position_matches) == (0, 0, True)
    assert answer.decision_hash == answer.replay_hash


async def test_both_see_an_order_that_rests_and_its_part(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    """A limit order filled in part as a maker, and a stop; and whatever is taken away by hand is missed at once."""
    async with one_process.lab_of() as lab, caller_of(lab) as caller, witnesses(lab) as clients:
        settings = Trade(reconcile_s=60.0)
        async with one_process.trader(lab, tmp_path, settings=settings) as live:
            live.buy()
            live.stop()
            rests = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.01), LOT * 2)
            live.exchange.submit(rests)
            await eventually(lambda: live.is_protected and len(live.account.opens("BTCUSDT")) == 1)
            (order,) = live.account.opens("BTCUSDT")
            lab.accounts.matching.fill(live.account, order, order.price, LOT / 2, is_maker=True)
            await eventually(lambda: len(live.desk.fills) == 2 and live.exchange.position == LOT * 3 / 2)
            journal = tmp_path / "test.db.live"
            await eventually(lambda: are_noted(journal, "r1"))
            own = await ours(journal, "r1", BTC, caller, one_process.START)
            seen = await clients.see()
            for peer in seen:
                assert differences(seen[peer], own) == [], peer
                assert [row["is_maker"] for row in seen[peer]["fills"]] == [False, True]
                assert seen[peer]["orders"][0]["filled"] in (0.005, "0.005")
            await _taken_away(clients, own, live)


async def _taken_away(clients: Witnesses, own: Ours, live: one_process.Live) -> None:
    """The stop is gone at the exchange and nobody was told; a fill too many; another entry price: each is seen."""
    account = live.account
    (stop,) = account.waits("BTCUSDT")
    del account.waiting[stop.id], account.algos[stop.id]
    found = differences((await clients.see("binance-sdk"))["binance-sdk"], own)
    assert {words.partition(":")[0] for words in found} == {
        *("open condition, which", "past condition, which", "open by our own question")
    }
    account.waiting[stop.id] = account.algos[stop.id] = stop
    seen = (await clients.see("binance-sdk"))["binance-sdk"]
    assert differences(seen, own) == []
    fewer = msgspec.structs.replace(own, fills=own.fills[:-1])
    assert any(words.startswith("fill, which") for words in differences(seen, fewer))
    held: PositionReport = msgspec.structs.replace(own.held, entry_price=(own.held.entry_price or Decimal()) + 1)
    assert any(words.startswith("position") for words in differences(seen, msgspec.structs.replace(own, held=held)))

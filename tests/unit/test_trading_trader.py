"""The event path tells what comes of each event, knows its own instrument alone, and works through a gateway too."""

import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit import desk_histories
from tests.unit.desk_histories import (
    BOOK,
    BTC,
    COIN,
    START,
    UNITS,
    Coin,
    Event,
    book_events,
    by_events,
    by_run,
    candle_events,
    desk_of,
    dump,
    with_limits,
)
from tests.unit.test_trading_kernel import FREE_COSTS, scripted

from perpscope.engine.book_feed import BookFeed, OpenGaps, Reading
from perpscope.engine.gateway import REFUSED, ObligingGateway
from perpscope.engine.taping import tape_of
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Connected,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Side,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Clusters, Fill, Forecast, FundingCharged, OrderClosed, OrderRequest, Role, Signal
from perpscope.model.stream import Channel, Stream
from perpscope.trading.layout import EXIT, FILLED, KEPT_POINTS, LONG, NS

MINUTE = 60 * NS
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")


def unheard(_told: Told) -> None:
    """For whom nobody listens."""


def closed(minute: int, price: float = 60_000.0, interval: Interval = Interval.M1, *, is_closed: bool = True) -> Candle:
    """A candle of BTC at one price."""
    ts = START + (minute + 1) * MINUTE
    prices = (price, price, price, price, 1_000.0)
    return Candle(BTC.id, ts, ts, interval, ts - MINUTE, *prices, None, None, None, None, is_closed)


def test_what_comes_of_events_is_told_in_order() -> None:
    """Opinion and wish at the decision, the fact and the orders behind it at the fill, funding as it is charged."""
    told: list[Told] = []
    strategy = msgspec.structs.replace(COIN, rule=scripted([LONG]))
    trader = Trader(strategy, BTC, desk_of(strategy, costs=FREE_COSTS), told.append, run="r9")
    for minute in range(2):
        trader.process(closed(minute))
    trader.process(FundingPaid(BTC.id, START, START + 2 * MINUTE, 0.001, 60_000.0))
    kinds = [type(one) for one in told]
    assert kinds == [Signal, OrderRequest, Fill, OrderRequest, FundingCharged]
    signal, entry, fill, stop, charged = told
    assert isinstance(signal, Signal)
    assert isinstance(entry, OrderRequest)
    assert isinstance(fill, Fill)
    assert isinstance(stop, OrderRequest)
    assert isinstance(charged, FundingCharged)
    assert (signal.side, entry.id, fill.order) == (PositionSide.LONG, "r9-coin-1", entry.id)
    assert (stop.role, stop.is_reducing) == (Role.PROTECT, True)
    assert charged.paid == fill.size * 60
    assert trader.position.side is PositionSide.LONG
    assert trader.points.size == 3


def test_a_trader_nobody_listens_to_trades_alike() -> None:
    """Messages that are not made change nothing; an order that was refused is heard of all the same."""
    left = []
    for tell in (unheard, None):
        strategy = msgspec.structs.replace(COIN, rule=scripted([LONG, LONG, EXIT]))
        desk = desk_of(strategy, costs=FREE_COSTS)
        trader = Trader(strategy, BTC, desk, tell)
        bits = [trader.process(closed(minute)) for minute in range(5)]
        refused = OrderClosed(order="run-coin-9", instrument=BTC.id, ts_event=START, ts_recv=START, why=REFUSED)
        bits.append(trader.process(refused))
        left.append((bits, desk.tobytes(), trader.points.tobytes()))
    assert left[0] == left[1]
    assert left[0][0][1] & FILLED


def test_only_closed_candles_of_its_interval_are_taken() -> None:
    """A forming candle, or one of another length, changes nothing."""
    desk = desk_of()
    trader = Trader(COIN, BTC, desk, unheard)
    trader.process(closed(0, is_closed=False))
    trader.process(closed(0, interval=Interval.H1))
    assert desk[0].watch.bars == 0
    assert trader.points.size == 0
    trader.process(closed(0))
    assert desk[0].watch.bars == 1


def test_an_empty_delta_changes_nothing() -> None:
    """A book that was only counted on needs not be read again; forming candles leave no row on a tape either."""
    events: list[Event] = [
        snapshot(1),
        delta(2, 1),
        BookDelta(BTC.id, START, START, 3, 3, 2, [], []),
        closed(0, is_closed=False),
    ]
    desk = desk_of()
    trader = Trader(COIN, BTC, desk, unheard)
    for event in events:
        trader.process(event)
    tape = tape_of(events, UNITS, BTC.id)
    assert (len(tape), desk[0].watch.bars) == (5, 0)
    other = desk_of()
    by_run(other, events)
    assert other.tobytes() == desk.tobytes()


def of_another() -> list[Event]:
    """An event of each kind, of a contract that is not traded here."""
    ts = START
    return [
        Candle(ETH, ts, ts, Interval.M1, ts, 1.0, 1.0, 1.0, 1.0, 1.0, None, None, None, None, True),
        Trade(ETH, ts, ts, 1, 1.0, 1.0, Side.BUY, False),
        BookDelta(ETH, ts, ts, 1, 1, 0, [(1.0, 1.0)], [(2.0, 1.0)]),
        BookSnapshot(ETH, ts, ts, 1, [(1.0, 1.0)], [(2.0, 1.0)], is_stream=True),
        MarkPrice(ETH, ts, ts, 1.0, 1.0, 0.1, None),
        FundingPaid(ETH, ts, ts, 0.1, 1.0),
        Liquidation(ETH, ts, ts, PositionSide.LONG, 1.0, 1.0, None, Completeness.COMPLETE, Sampling.NONE),
        OpenInterest(ETH, ts, ts, 1.0, None),
        Clusters(ETH, ts, 1.0, 1.0, 1.0, 1.0, 0.0),
        Forecast(ETH, ts, ts, "m", 1.0, 0.0, 1.0, 1.0, True),
        Gap("binance", (Stream(Channel.TRADES, ETH),), ts, None, "sequence", ts),
        Disconnected("nobody's", "end", ts),
        Connected("binance", "nobody's", ts),
    ]


def test_what_is_not_its_own_is_passed_over() -> None:
    """No event of another contract touches the desk, on either path."""
    desk = desk_of()
    before = desk.tobytes()
    trader = Trader(COIN, BTC, desk, unheard)
    for event in of_another():
        trader.process(event)
    assert desk.tobytes() == before
    assert len(tape_of(of_another(), UNITS, BTC.id)) == 0


def test_fills_of_a_gateway_come_back_by_the_front_door() -> None:
    """Entry, stop behind it, exit: each is sent once, and what became of it makes the position."""
    told: list[Told] = []
    gateway = ObligingGateway(BTC.id, Decimal("0.0005"))
    strategy = msgspec.structs.replace(COIN, rule=scripted([LONG, LONG, EXIT]))
    desk = desk_of(strategy, is_simulated=False)
    trader = Trader(strategy, BTC, desk, told.append, gateway)
    trader.process(closed(0))
    (entry,) = gateway.working.values()
    now = START + MINUTE + NS
    for event in gateway.events(now, Decimal("60000.1")):
        trader.process(event)
    assert round(trader.position.entry_price or Decimal(0), 6) == Decimal("60000.1")
    assert [request.role for request in gateway.working.values()] == [Role.PROTECT]
    trader.process(closed(1))
    trader.process(closed(2))
    assert [request.role for request in gateway.working.values()] == [Role.PROTECT, Role.LEAVE]
    (fill,) = [event for event in gateway.events(now, Decimal(59_000)) if isinstance(event, Fill)]
    trader.process(fill)
    assert trader.position.size == 0
    fees = sum((one.fee for one in told if isinstance(one, Fill)), Decimal(0))
    assert fees == entry.size * (Decimal("60000.1") + 59_000) * Decimal("0.0005")
    requests = [one.id for one in told if isinstance(one, OrderRequest)]
    assert requests == [f"run-coin-{n}" for n in (1, 2, 3)]
    assert gateway.cancelled == ["run-coin-2"]  # the stop has nothing to close any more
    trader.process(msgspec.structs.replace(fill, order="somebody-else-1"))
    assert desk[0].fills == 3
    assert trader.position.side is PositionSide.SHORT  # whoever did it, it is held


def test_orders_that_are_gone_are_let_go() -> None:
    """A refusal is counted and told, and the slot is free for the next wish."""
    told: list[Told] = []
    gateway = ObligingGateway(BTC.id)
    strategy = msgspec.structs.replace(COIN, rule=scripted([LONG, LONG]))
    desk = desk_of(strategy, is_simulated=False)
    trader = Trader(strategy, BTC, desk, told.append, gateway)
    trader.process(closed(0))
    (entry,) = gateway.working.values()
    trader.process(gateway.closed(entry, START + MINUTE, REFUSED))
    assert isinstance(told[-1], OrderClosed)
    assert desk[0].risk.rejected == 1
    trader.process(closed(1))
    assert [request.id for request in gateway.working.values()] == ["run-coin-2"]
    trader.process(FundingCharged(instrument=BTC.id, ts_event=START, ts_recv=START, paid=Decimal("1.5")))
    assert desk[0].account.funding == 150_000_000
    assert isinstance(told[-1], FundingCharged)


def test_an_entry_that_was_taken_back_is_cancelled_once() -> None:
    """A gap that lasts takes the waiting entry back at the exchange too."""
    gateway = ObligingGateway(BTC.id)
    strategy = msgspec.structs.replace(COIN, rule=scripted([LONG]))
    trader = Trader(strategy, BTC, desk_of(strategy, is_simulated=False), unheard, gateway)
    trader.process(closed(0))
    now = START + MINUTE
    trader.process(Gap("binance", (BOOK,), now, None, "silent", now))
    for second in range(3):
        trader.process(Tick(now + (40 + second) * NS))
    assert gateway.cancelled == ["run-coin-1"]
    (event,) = gateway.events(now, Decimal(1))
    assert isinstance(event, OrderClosed)
    trader.process(event)
    assert gateway.working == {}


def level(price: float) -> list[Level]:
    """One level of one unit."""
    return [(price, 1.0)]


def snapshot(update: int, *, is_stream: bool = True, is_top: bool = False) -> BookSnapshot:
    """A book of two levels."""
    return BookSnapshot(BTC.id, START, START, update, level(100.0), level(101.0), is_stream, is_top)


def delta(update: int, before: int, bids: list[Level] | None = None) -> BookDelta:
    """A change of the book."""
    return BookDelta(BTC.id, START, START, update, update, before, level(99.0) if bids is None else bids, [])


def test_a_book_is_read_as_it_is_told() -> None:
    """Whole books at once; from the first delta on when somebody looks; anew after a snapshot; never when lost."""
    feed = BookFeed(BTC.id, UNITS)
    assert feed.snapshot(snapshot(1)) is Reading.TOP
    assert feed.snapshot(snapshot(2)) is Reading.TOP
    assert feed.top() == ([(1000, 1000)], [(1010, 1000)])
    assert feed.delta(delta(3, 2)) is Reading.ANEW
    assert feed.delta(delta(4, 3)) is Reading.LEVELS
    assert feed.delta(delta(4, 3)) is Reading.NOTHING  # come again
    assert feed.all() == ([(1000, 1000), (990, 1000)], [(1010, 1000)])
    assert feed.snapshot(snapshot(5)) is Reading.ANEW
    assert feed.delta(delta(9, 8)) is Reading.LOST  # a hole
    assert feed.delta(delta(10, 9)) is Reading.NOTHING
    assert feed.all() == ([], [])
    assert feed.top() == ([], [])
    assert feed.snapshot(snapshot(10, is_stream=False, is_top=True)) is Reading.TOP
    assert feed.delta(delta(11, 10, level(200.0))) is Reading.LOST  # crossed


def test_a_book_nobody_feeds_is_lost() -> None:
    """Its last connection gone, or its stream dropped, the book is not known any more; other words change nothing."""
    feed = BookFeed(BTC.id, UNITS)
    other = Stream(Channel.TRADES, BTC.id)
    for connection in ("one", "two"):
        feed.subscribed(Subscribed("binance", connection, (BOOK,), START))
    feed.subscribed(Subscribed("binance", "three", (other,), START))
    feed.snapshot(snapshot(1))
    assert feed.dropped(Unheard("binance", "one", (other,), "refused", START)) is Reading.NOTHING
    assert feed.dropped(Disconnected("three", "end", START)) is Reading.NOTHING
    assert feed.dropped(Disconnected("one", "end", START)) is Reading.NOTHING
    assert feed.dropped(Unheard("binance", "two", (BOOK,), "refused", START)) is Reading.LOST


def test_levels_of_less_than_a_step_are_none() -> None:
    """A size that is nothing in whole steps makes room for the next level, as it does on the ladder."""
    feed = BookFeed(BTC.id, UNITS)
    bids = [(100.0 - n / 10.0, 0.0001 if n % 2 else 1.0) for n in range(60)]
    feed.snapshot(BookSnapshot(BTC.id, START, START, 1, bids, level(101.0), is_stream=True))
    assert feed.top()[0] == [(1000 - n, 1000) for n in range(0, 40, 2)]


def test_gaps_that_overlap_are_one() -> None:
    """Something is missing from the first beginning to the last end, and only of what decisions rest on."""
    gaps = OpenGaps(BTC.id)
    trades, ratios = Stream(Channel.TRADES, None), Stream(Channel.ACCOUNT_RATIOS, BTC.id)

    def gap(stream: Stream, ts_to: int | None) -> bool | None:
        return gaps.told(Gap("binance", (stream,), START, ts_to, "sequence", START))

    assert [gap(ratios, None), gap(BOOK, None), gap(trades, None)] == [None, True, None]
    assert [gap(BOOK, START), gap(trades, START), gap(trades, START)] == [None, False, None]


def test_a_long_run_keeps_its_whole_curve() -> None:
    """More points than the ring holds: every one is there, in order, none twice."""
    strategy = msgspec.structs.replace(COIN, rule=scripted([]))
    trader = Trader(strategy, BTC, desk_of(strategy), unheard)
    count = 2 * KEPT_POINTS + 9
    for minute in range(count):
        trader.process(closed(minute))
    assert trader.points["ts"].tolist() == [START + (n + 1) * MINUTE for n in range(count)]


_SHORT = """
import math
import numpy as np
from tests.unit.desk_histories import COIN, desk_of

from perpscope.trading import ladder
from perpscope.trading.asking import ask, asked, at, placed
from perpscope.trading.compiling import loops

@loops
def asking(rule, desk):
    d = at(desk)
    d.watch.now += 1
    return ask(rule, d)

@loops
def broken(w, a, p, n):
    return int(1.0 / w.now)

desk = desk_of()
rule = asked(COIN.rule)
assert not callable(rule)
assert [asking(rule, placed(desk)) for _ in range(12)] == [asking(rule, desk) for _ in range(12)]
assert desk[0]["watch"]["now"] == 24
desk[0]["watch"]["now"] = -1
for wrong in (lambda: asking(asked(broken), desk), lambda: asked(lambda w, a, p, n: 0)):
    try:
        wrong()
    except (ZeroDivisionError, TypeError) as error:
        print(type(error).__name__)
"""

_PROGRAM = """
import json
from tests.unit.test_trading_trader import compared
print(json.dumps(compared()))
"""


def outside(program: str, cache: Path) -> str:
    """What a program prints in a process of its own, with the JIT on."""
    root, script = Path(__file__).resolve().parents[2], cache / "program.py"
    script.write_text(program)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    paths = os.pathsep.join([str(root / "src"), str(root)])
    environment = kept | {"PYTHONPATH": paths, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(cache)}
    run = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.timeout(300)
def test_a_compiled_rule_is_called_by_its_address(tmp_path: Path) -> None:
    """By address or array, of desk and rule, the same is answered; what a rule raises is raised. Keeps B23."""
    assert outside(_SHORT, tmp_path).split() == ["ZeroDivisionError", "TypeError"]


def both(kinds: str, number: int, length: int) -> list[list[float]]:
    """What a history comes to, after holding both paths together."""
    has_candles = kinds in {"candles", "mixed"}
    events = [] if kinds == "candles" else book_events(number, length, has_deltas=kinds != "books")
    if has_candles:
        events = sorted([*events, *candle_events(number, length)], key=lambda event: event.ts_recv)
    desks = [
        desk_of(
            parameters=Coin() if has_candles else Coin(3.0, 0.0004, 0.0006),
            has_candles=has_candles,
            is_asked_each_second=kinds == "books",
        )
        for _ in range(2)
    ]
    if kinds in {"candles", "books"}:  # a limit that rests has every delta read at once
        for desk in desks:
            with_limits(desk)
    run, (path, _) = by_run(desks[0], events), by_events(desks[1], events)
    assert dump(run) == dump(path)
    assert desks[0].tobytes() == desks[1].tobytes()
    return dump(run)


def compared() -> list[list[list[float]]]:
    """What some histories come to."""
    return [both(kinds, number, 100) for number, kinds in enumerate(("candles", "books", "deltas"))]


@pytest.mark.parametrize("kinds", ["candles", "books", "deltas", "mixed"])
def test_both_paths_are_the_same(kinds: str) -> None:
    """Events one by one, and a tape of them, leave one desk, one log and one curve. Keeps B23."""
    assert both(kinds, 3, 200)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_compiled_and_plain_are_the_same(tmp_path: Path) -> None:
    """With the JIT on: the same fills, decisions and equity to the last bit, on both paths. Keeps B23."""
    assert msgspec.json.decode(outside(_PROGRAM, tmp_path)) == compared()


def test_histories_hold_what_they_should() -> None:
    """The random markets really trade, stop, take profit and lose the book: else holding paths together says little."""
    logs = by_run(desk_of(), candle_events(0))
    assert {0, 1, 2, 3} <= set(logs.fills["role"].tolist())
    tape = tape_of(book_events(0, has_deltas=True), UNITS, BTC.id)
    assert set(range(14)) - set(tape.kind.tolist()) <= {0, 2}
    assert np.isfinite(dump(logs)[2]).all()
    assert math.isfinite(desk_histories.START)

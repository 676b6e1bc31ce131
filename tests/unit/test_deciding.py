"""Strategies at work while the heart collects: near misses and wishes as signals, no orders, no time of the feed."""

import io
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import BTC, ETH, MINUTE, NOON, SECOND

from perpscope.app.deciding import Deciding, wishes
from perpscope.app.desks import Desks, compile_here, compiled_elsewhere
from perpscope.engine.engine import Engine
from perpscope.errors import ConfigError
from perpscope.model.market import BookSnapshot, Candle, Gap, Interval, MarkPrice, PositionSide, Tick
from perpscope.model.order import Forecast, Signal
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore, StoreKind

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
TOLD = msgspec.structs.replace(BTC, tick_size=Decimal("0.1"), step_size=Decimal("0.001"), min_notional=Decimal(5))
BURST: dict[str, dict[str, object]] = {"burst": {"enabled": True, "symbols": ["btc"], "bars": 5, "sigma_bars": 10}}


def candle(minute: int, close: float, volume: float = 1.0) -> Candle:
    """The minute after so many since noon, closed."""
    opened = NOON + minute * MINUTE
    ts = opened + MINUTE
    prices = (100.0, max(100.0, close), min(100.0, close), close)
    return Candle(BTC.id, ts, ts, Interval.M1, opened, *prices, volume, None, None, None, None, is_closed=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with half an hour of candles before noon."""
    made = SqliteStore.open(tmp_path / "market.db", kind=StoreKind.DEMO)
    made.register([TOLD, ETH])
    for minute in range(-30, 0):
        made.sink().accept(candle(minute, 100.0 + 0.1 * (minute % 3)))
    made.sink().accept(Tick(NOON))
    made.flush()
    yield made
    made.close()


class Stage:
    """Strategies beside an engine that is told of a market."""

    def __init__(self, store: SqliteStore, strategies: dict[str, dict[str, object]] = BURST) -> None:
        self.said: list[str] = []
        self.deciding = Deciding(Settings(strategy=strategies), store.path, self.said.append)
        self.deciding.know([TOLD, ETH])
        self.engine = Engine(sinks=[self.deciding])
        self.signals: list[Signal] = []
        self.now = NOON

    def second(self, bid_size: float = 1.0) -> None:
        """A second passes with a mark price and a book."""
        self.now += SECOND
        bids, asks = [(99.9, bid_size)], [(100.1, 1.0)]
        self.engine.process(BookSnapshot(BTC.id, self.now, self.now, self.now, bids, asks, is_stream=True))
        self.engine.process(MarkPrice(BTC.id, self.now, self.now, 100.0, 100.0, 0.0, None))
        self.look()

    def look(self) -> bool:
        """A Tick; whether anything was thought so far."""
        self.signals += self.deciding.tick(self.now, self.engine.market)
        return bool(self.signals)

    async def idle(self, eventually: Eventually) -> None:
        """Until everything told was taken."""
        await eventually(lambda: self.deciding.is_idle)
        self.look()
        await eventually(lambda: self.deciding.is_idle)
        self.look()


async def test_a_near_miss_and_a_wish_become_signals_and_no_order(store: SqliteStore, eventually: Eventually) -> None:
    """One rule failing is a near miss with its name; all three met is a wish that mode observe does not order."""
    stage = Stage(store)
    stage.now = NOON + 48 * SECOND
    for _ in range(12):
        stage.second()
    stage.engine.process(candle(0, 101.0, 9.0))
    for _ in range(60):
        stage.second(bid_size=9.0)
    stage.engine.process(candle(1, 102.0, 60.0))
    stage.second(bid_size=9.0)
    await stage.idle(eventually)
    assert stage.said == []
    assert [(one.strategy, one.side, one.failed) for one in stage.signals] == [
        ("burst", PositionSide.LONG, ("book-imbalance",)),
        ("burst", PositionSide.LONG, ()),
    ]
    assert (stage.signals[0].refusal, stage.signals[1].why) == ("", "burst")
    assert stage.signals[1].refusal
    assert stage.deciding.dropped == 0
    stage.deciding.close()


async def test_a_gap_and_a_lost_book_reach_the_desks(store: SqliteStore, eventually: Eventually) -> None:
    """What is not seen is told to the desks: a book nobody feeds is no book, a late forecast no forecast."""
    stage = Stage(store)
    stage.second()
    stage.engine.process(Gap("binance", (Stream(Channel.BOOK, BTC.id),), stage.now, None, "sequence", stage.now))
    stage.engine.market.get(BTC.id).book.invalidate()  # type: ignore[union-attr]  # it is there
    late = Forecast(BTC.id, stage.now, stage.now, "m", 0.2, 0.2, 0.0, 0.0, is_promoted=False, is_late=True)
    stage.deciding.accept(late)
    stage.deciding.accept(msgspec.structs.replace(late, is_late=False))
    stage.look()
    await stage.idle(eventually)
    trader = next(iter(stage.deciding._room._traders.values()))  # type: ignore[union-attr]  # it was made
    assert trader is not None
    watch = trader.view._desk["watch"]
    assert int(watch["gap_at"]) > 0
    assert int(trader.view._desk["book"]["bids"]) == 0
    assert float(watch["p_up"]) == 0.2
    assert int(watch["bars"]) == 30
    stage.deciding.close()


async def test_a_strategy_that_cannot_decide_is_told_once(store: SqliteStore, eventually: Eventually) -> None:
    """A contract whose tick nobody knows, or a strategy nobody knows: said, and the others go on."""
    stage = Stage(store, {"burst": {"enabled": True}})
    for _ in range(3):
        stage.second()
    await stage.idle(eventually)
    assert len(stage.said) == 1
    assert stage.said[0].startswith("burst does not decide on ETH-USDT-PERP.BINANCE: ")
    stage.deciding.close()


async def test_a_second_that_hangs_is_left_to_itself(
    store: SqliteStore, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desks begin anew, and it is said."""
    stage = Stage(store)
    monkeypatch.setattr(Desks, "decide", lambda *_: [])
    stage.second()
    await eventually(lambda: stage.deciding.is_idle)
    stage.deciding._lane.hung.append("a second")
    stage.second()
    assert stage.said == ["a second of the strategies hangs: it is left to itself, desks begin anew"]
    assert stage.deciding._room is None
    stage.deciding.close()


def test_nothing_is_decided_that_is_not_enabled(store: SqliteStore) -> None:
    """Without an enabled strategy no event is kept and no thread begins; a value that is none is refused."""
    off = Deciding(Settings(strategy={"burst": {"bars": 5}}), store.path)
    off.know([TOLD])
    off.accept(candle(0, 100.0))
    assert not off.is_wanted
    assert off.tick(NOON, Engine(sinks=[]).market) == []
    assert wishes(Settings(strategy=BURST))["burst"].symbols == ("btc",)
    with pytest.raises(ConfigError):
        wishes(Settings(strategy={"burst": {"enabled": "perhaps"}}))


def test_the_other_process_compiles_what_a_desk_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of every kind goes through a desk of the strategy named; without a compiler nothing is asked."""
    compiled_elsewhere("burst", Settings())
    asked = type("Input", (), {"buffer": io.BytesIO(msgspec.json.encode(("burst", {})))})
    monkeypatch.setattr(sys, "stdin", asked)
    monkeypatch.setattr(os, "nice", lambda by: by)
    compile_here()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    ran: list[object] = []

    def run(_: list[str], **more: object) -> None:
        ran.append(more["input"])
        raise OSError("no such program")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    compiled_elsewhere("burst", Settings())
    assert ran == [msgspec.json.encode(("burst", {}))]

"""The desks of a collecting heart: a `Trader` for each strategy and instrument, made and run in a lane, without orders.

A desk begins with the store's newest candles, so that its means are there from the first minute on; what it thought of
those is nobody's business any more. Numba and the desks' loops are imported here, when the first is wanted; what is not
compiled yet is compiled by another process, since a compiler in this one would hold up the feed.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from perpscope.app.kept_code import keep_compiled
from perpscope.errors import PerpscopeError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Side,
    Tick,
    Trade,
)
from perpscope.model.order import (
    Arrival,
    Clusters,
    DerivedEvent,
    Fill,
    Forecast,
    FundingCharged,
    OrderClosed,
    Resumed,
    Role,
    Signal,
    Standing,
)
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings, Table
from perpscope.stores import pages

if TYPE_CHECKING:
    from perpscope.engine.trader import Trader

#: Closed candles a desk begins with; mode of `layout.RISK` in which nothing is ordered.
_BEFORE: Final = 480
_OBSERVE: Final = 0
#: Real seconds the other process may take, and how much it gives way to everybody else.
_COMPILING_S: Final = 240.0
_NICE: Final = 10
_MINUTE_NS: Final = 60_000_000_000


class Desks:
    """All of them; used in one lane.

    Args:
        settings: the whole tree.
        store: whose candles desks begin with.
        compiling: makes sure that a strategy's loops are compiled; None = by another process.
    """

    def __init__(
        self, settings: Settings, store: Path, compiling: "Callable[[str, Settings], None] | None" = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._compile = compiled_elsewhere if compiling is None else compiling
        self._traders: dict[tuple[str, InstrumentId], Trader | None] = {}
        self._compiled: set[str] = set()
        self._signals: list[Signal] = []

    def decide(
        self, wanted: Sequence[tuple[Instrument, Sequence[str]]], events: Sequence[MarketEvent | DerivedEvent]
    ) -> list[Signal | str]:
        """Take the events of a second, and tell what was thought; a desk that cannot be made is told of once.

        Args:
            wanted: instruments and the names of strategies at work on each.
            events: in order of receipt.
        """
        troubles: list[Signal | str] = []
        for instrument, strategies in wanted:
            for name in strategies:
                key = (name, instrument.id)
                if key not in self._traders:
                    try:
                        self._traders[key] = self._made(name, instrument, events)
                    except PerpscopeError as error:
                        self._traders[key] = None
                        troubles.append(f"{name} does not decide on {instrument.id}: {error.message}")
                trader = self._traders[key]
                if trader is not None:
                    for event in events:
                        trader.process(event)
        found, self._signals = self._signals, []
        return [*troubles, *found]

    def _made(self, name: str, instrument: Instrument, events: Sequence[MarketEvent | DerivedEvent]) -> "Trader":
        """A desk of a strategy on an instrument, with the candles before these events behind it.

        Raises:
            PerpscopeError: there is no such strategy, or the contract cannot be traded.
        """
        if name not in self._compiled:
            self._compile(name, self._settings)
            self._compiled.add(name)
        trader = trader_of(name, instrument, self._settings, self._take)
        first = min((event.ts_recv for event in events), default=2**62)
        past = pages.candles(self._store, instrument.venue, instrument.symbol, Interval.M1, 0, first, _BEFORE)
        for candle in reversed(past):
            if candle.ts_recv < first:
                trader.process(candle)
        self._signals = [signal for signal in self._signals if signal.ts_recv >= first]
        return trader

    def _take(self, told: object) -> None:
        if isinstance(told, Signal):
            self._signals.append(told)


def trader_of(name: str, instrument: Instrument, settings: Settings, tell: Callable[[object], None]) -> "Trader":
    """A strategy on an instrument, observing.

    Raises:
        PerpscopeError: there is no such strategy, or the contract cannot be traded.
    """
    keep_compiled()
    from perpscope.analytics.margin_tiers import tier_table  # noqa: PLC0415 -- numba, see above
    from perpscope.app import strategies  # noqa: PLC0415
    from perpscope.app.margin_tiers import tiers_for  # noqa: PLC0415
    from perpscope.app.risk_profiles import chosen  # noqa: PLC0415
    from perpscope.engine.trader import Trader  # noqa: PLC0415
    from perpscope.trading import risk  # noqa: PLC0415
    from perpscope.trading.desk import opened  # noqa: PLC0415
    from perpscope.trading.fees import costs_of  # noqa: PLC0415
    from perpscope.trading.strategy import Needs  # noqa: PLC0415
    from perpscope.trading.units import Units  # noqa: PLC0415

    strategy = strategies.find(name, settings)
    limits = chosen(settings.risk)
    desk = opened(
        strategy,
        strategies.parameters(strategy, settings),
        Units.of(instrument),
        tier_table(tiers_for(instrument).tiers),
        costs_of(instrument, settings.costs),
        deposit=Decimal(repr(limits.risk.deposit)),
        leverage=limits.risk.leverage,
    )
    needs_book = Needs.BOOK in strategy.needs
    risk.limited(desk, limits.risk, mode=_OBSERVE, needs_book=needs_book, is_strict=limits.is_strict)
    return Trader(strategy, instrument, desk, tell)


def compiled_elsewhere(name: str, settings: Settings) -> None:
    """See to it that a strategy's loops are compiled and kept: by another process, waited for here.

    Whatever goes wrong there is not told: this process then compiles what it needs itself.
    """
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    keep_compiled()
    command = [sys.executable, "-c", "from perpscope.app.desks import compile_here; compile_here()"]
    asked = msgspec.json.encode((name, settings.strategy))
    try:
        subprocess.run(command, input=asked, capture_output=True, timeout=_COMPILING_S, check=False)  # noqa: S603 -- our own
    except (OSError, subprocess.TimeoutExpired):
        return


def compile_here() -> None:
    """What the other process does: a strategy, named on standard input, is walked through an event of every kind."""
    name, tables = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, dict[str, Table]])
    os.nice(_NICE)
    instrument = Instrument(
        id=InstrumentId("BTC-USDT-PERP.BINANCE"),
        venue="binance",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.1"),
        step_size=Decimal("0.001"),
        min_notional=Decimal(100),
    )
    trader = trader_of(name, instrument, Settings(strategy=tables), lambda _: None)
    for event in one_of_each(instrument.id):
        trader.process(event)


def one_of_each(name: InstrumentId) -> list[Arrival]:
    """An event of every kind that a trader takes, in an order that does no harm: for loops to be compiled by."""
    now = 1_800_000_000 * 1_000_000_000
    before, after = _of_itself(name, now)
    return [*before, *_of_market(name, now), *after, Tick(ts_recv=now + 1)]


def _of_market(name: InstrumentId, now: int) -> list[Arrival]:
    close, opened = now, now - _MINUTE_NS
    price = 100.0
    streams = (Stream(Channel.TRADES, name),)
    return [
        Candle(
            *(name, close, close, Interval.M1, opened, price, price, price, price),
            *(1.0, None, None, None, None, True),
        ),
        MarkPrice(name, now, now, price, price, 0.0001, now + _MINUTE_NS),
        BookSnapshot(name, now, now, 1, [(99.9, 1.0)], [(100.1, 1.0)], is_stream=True),
        BookDelta(name, now, now, 2, 2, 1, [(99.9, 2.0)], []),
        Trade(name, now, now, 1, price, 1.0, Side.BUY, False),
        Liquidation(name, now, now, PositionSide.LONG, 1.0, price, None, Completeness.COMPLETE, Sampling.NONE),
        OpenInterest(name, now, now, 1.0, None),
        FundingPaid(name, now, now, 0.0001, price),
        Gap("lab", streams, now, None, "silent", now),
        Gap("lab", streams, now, now, "silent", now),
        Clusters(name, now, 101.0, 1.0, 99.0, 1.0, 0.0),
        Forecast(name, now, now, "none", 0.2, 0.2, 0.0, 0.0, is_promoted=False),
    ]


def _of_itself(name: InstrumentId, now: int) -> tuple[list[Arrival], list[Arrival]]:
    """What a run hears of its own affairs: before anything else, and of its orders."""
    one = Decimal(1)
    return [
        Resumed(instrument=name, ts_recv=now, wallet=Decimal(1000)),
        Standing(ts_recv=now, mode=_OBSERVE),
    ], [
        Fill(
            order="",
            instrument=name,
            ts_event=now,
            ts_recv=now,
            side=Side.BUY,
            price=one,
            size=one,
            fee=one,
            is_maker=False,
            role=Role.ENTRY,
        ),
        FundingCharged(instrument=name, ts_event=now, ts_recv=now, paid=one),
        OrderClosed(order="", instrument=name, ts_event=now, ts_recv=now, why="compiled"),
    ]

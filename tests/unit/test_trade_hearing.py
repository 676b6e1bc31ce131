"""What a trader hears: plain events as they came, the engine's in their turn, a run's affairs from `Resumed` on."""

from decimal import Decimal

import pytest

from perpscope.app.trade.hearing import Hearing, RunHearing
from perpscope.engine.engine import Engine
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Disconnected,
    FundingPaid,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Subscribed,
    Tick,
    Trade,
)
from perpscope.model.order import Arrival, Clusters, Resumed, Standing
from perpscope.model.stream import Channel, Stream

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")
S = 1_000_000_000
T0 = 1_795_219_200 * S
CONTRACT = Instrument(
    id=BTC,
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    funding_interval_h=8.0,
    tick_size=Decimal("0.1"),
)
RESUMED = Resumed(instrument=BTC, ts_recv=T0, wallet=Decimal(1000))


def trade(name: InstrumentId = BTC, at: int = T0) -> Trade:
    """A trade."""
    return Trade(name, at, at, 1, 100.0, 1.0, Side.BUY, False)


def mark(at: int, due: int | None, rate: float | None = 0.0001) -> MarkPrice:
    """A mark with its next funding."""
    return MarkPrice(BTC, at, at, 100.0, 100.0, rate, due)


def candle(interval: Interval = Interval.M1) -> Candle:
    """One that has closed."""
    at = T0 + 60 * S
    return Candle(BTC, at, at, interval, T0, 100.0, 100.0, 100.0, 100.0, 1.0, None, None, None, None, True)


def fed(hearing: RunHearing, *events: Arrival) -> list[Arrival]:
    """What is heard of events that an engine sees first."""
    engine = Engine(sinks=[hearing])
    found: list[Arrival] = []
    for event in events:
        engine.process(event)
        found += hearing.heard(event)
    return found


def test_what_is_plain_passes_and_the_engine_follows() -> None:
    """An event of the instrument comes first, then what the engine made of it; others are passed over."""
    hearing = Hearing(BTC)
    hearing.accept(candle())
    assert list(hearing.heard(trade())) == [trade(), candle()]
    assert list(hearing.heard(trade(ETH))) == []


@pytest.mark.parametrize(
    ("event", "is_heard"),
    [
        (candle(), True),
        (candle(Interval.H1), False),
        (Covered("binance", "c", (Stream(Channel.TRADES, BTC),), 0, 1, True, 1), True),
        (Covered("binance", "c", (Stream(Channel.TRADES, ETH),), 0, 1, True, 1), False),
        (Tick(T0), False),
        (Quote(BTC, T0, T0, 1, 99.0, 1.0, 101.0, 1.0), False),
    ],
)
def test_of_the_engine_only_what_it_judges_is_taken(event: MarketEvent, is_heard: bool) -> None:
    """Minutes, liquidations, gaps and coverage of the instrument; all else came as it was."""
    hearing = Hearing(BTC)
    hearing.accept(event)
    assert hearing.told() == ([event] if is_heard else [])


def test_a_run_hears_nothing_before_it_is_resumed() -> None:
    """What came before is in `Resumed`: a replay begins at the same event."""
    hearing = RunHearing(CONTRACT)
    hearing.accept(candle())
    assert fed(hearing, Tick(T0), trade(), RESUMED, trade(), Tick(T0 + S)) == [RESUMED, trade(), Tick(T0 + S)]


def test_a_run_hears_of_itself_and_of_its_connections() -> None:
    """Standing, clusters, subscriptions and ends are handed on in their place; coverage is not."""
    hearing = RunHearing(CONTRACT)
    streams = (Stream(Channel.BOOK, BTC),)
    standing, clusters = Standing(ts_recv=T0, mode=1), Clusters(BTC, T0, None, 0.0, None, 0.0, 0.0)
    subscribed, gone = Subscribed("binance", "c", streams, T0), Disconnected("c", "stopped", T0 + 2 * S)
    told = fed(hearing, RESUMED, standing, clusters, subscribed, Tick(T0 + S), gone)
    assert [one for one in told if type(one).__name__ != "Gap"] == [
        *(RESUMED, standing, clusters, subscribed, Tick(T0 + S), gone)
    ]


def test_a_liquidation_comes_once() -> None:
    """Told twice by the venue it is heard once."""
    liquidation = Liquidation(BTC, T0, T0, PositionSide.LONG, 1.0, 100.0, None, Completeness.COMPLETE, Sampling.NONE)
    hearing = RunHearing(CONTRACT)
    assert len(fed(hearing, RESUMED, liquidation, liquidation)) == 2


def test_funding_falls_due_where_nobody_tells_it() -> None:
    """By the newest mark before it; at a Tick as well, and never twice."""
    due = T0 + 10 * S
    told = fed(RunHearing(CONTRACT), RESUMED, mark(T0 + S, due), Tick(due + S), mark(due + 2 * S, due + 100 * S))
    paid = [one for one in told if isinstance(one, FundingPaid)]
    assert [(one.ts_event, one.funding_rate, one.mark) for one in paid] == [(due, 0.0001, 100.0)]
    assert told.index(paid[0]) < told.index(Tick(due + S))


def test_funding_that_is_told_is_not_made() -> None:
    """A venue that tells payments is taken at its word."""
    due = T0 + 10 * S
    paid = FundingPaid(BTC, due, due, 0.0002, 100.0)
    told = fed(RunHearing(CONTRACT), RESUMED, mark(T0 + S, due), paid, Tick(due + S))
    assert [one for one in told if isinstance(one, FundingPaid)] == [paid]

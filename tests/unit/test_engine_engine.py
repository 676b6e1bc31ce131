"""The engine: state first, then what each sink is owed, once and in order."""

import msgspec
import pytest

from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    Alive,
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Covered,
    Disconnected,
    Gap,
    Interval,
    Level,
    Liquidation,
    Lpi,
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
from perpscope.model.stream import Channel, Stream

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")
S = 1_000_000_000
PUBLIC = "binance/public/0"


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[MarketEvent] = []

    def accept(self, event: MarketEvent) -> None:
        """Keep it."""
        self.events.append(event)


def trade(ts: int, price: float = 100.0) -> Trade:
    """A taker's buy."""
    return Trade(BTC, ts, ts + 1, ts, price, 1.0, Side.BUY, True)


def quote(update_id: int, ts: int, bid: float = 100.0) -> Quote:
    """A best bid and ask."""
    return Quote(BTC, ts, ts + 1, update_id, bid, 1.0, 101.0, 1.0)


def mark(ts: int, price: float = 100.0) -> MarkPrice:
    """A mark price."""
    return MarkPrice(BTC, ts, ts + 1, price, 99.0, 0.0001, None)


def candle(interval: Interval, *, is_closed: bool = True, instrument: InstrumentId = BTC) -> Candle:
    """A candle of the interval at the epoch."""
    return Candle(instrument, 1, 2, interval, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 1.0, is_closed)


def delta(first: int, last: int, prev: int, bids: list[Level] | None = None) -> BookDelta:
    """A diff."""
    return BookDelta(BTC, last, last, first, last, prev, bids or [], [])


def snapshot(last: int) -> BookSnapshot:
    """A book of one level a side."""
    return BookSnapshot(BTC, last, last, last, [(100.0, 1.0)], [(101.0, 1.0)])


def liquidation(instrument: InstrumentId = BTC) -> Liquidation:
    """A long closed by force."""
    return Liquidation(instrument, 5, 6, PositionSide.LONG, 1.0, 100.0, 99.0, Completeness.SAMPLED, Sampling.LATEST_1S)


def run(engine: Engine, *events: MarketEvent) -> None:
    """Process in order."""
    for event in events:
        engine.process(event)


@pytest.fixture
def sink() -> Kept:
    """One sink."""
    return Kept()


def test_the_state_follows_the_events(sink: Kept) -> None:
    """Last trade, quote, mark, book and candle of each instrument, in memory. Keeps S4-19, S4-36, S4-38."""
    engine = Engine(sinks=[sink])
    forming = candle(Interval.M15, is_closed=False)
    run(engine, trade(10), trade(20, 101.0), trade(15), quote(5, 10), quote(7, 30), quote(6, 20), mark(9), mark(8, 1.0))
    run(engine, forming, delta(1, 5, 0), snapshot(3), delta(6, 9, 5, [(100.5, 2.0)]))
    state = engine.market.get(BTC)
    assert state is not None
    assert (state.last_trade, state.last_quote, state.last_mark) == (trade(20, 101.0), quote(7, 30), mark(9))
    assert engine.market.candles.current(BTC, Interval.M15) is forming
    assert state.book.best() == (100.5, 2.0, 101.0, 1.0)
    assert sink.events == [mark(9)]  # the first of its minute; nothing else is worth a row


def test_a_venue_that_numbers_anew_is_followed() -> None:
    """A later quote with a lower id replaces the old one."""
    engine = Engine(sinks=[])
    run(engine, quote(700, 10), quote(3, 20))
    state = engine.market.get(BTC)
    assert state is not None
    assert state.last_quote == quote(3, 20)


def test_every_event_is_counted_by_kind_and_channel() -> None:
    """Counts by kind; events and last time by venue and channel."""
    engine = Engine(sinks=[])
    run(engine, trade(1), quote(1, 2), delta(1, 5, 0), snapshot(3), mark(7), liquidation())
    run(engine, candle(Interval.M1), candle(Interval.H1))
    assert engine.counts == {
        "trade": 1,
        "quote": 1,
        "book_delta": 1,
        "book_snapshot": 1,
        "candle": 2,
        "mark_price": 1,
        "liquidation": 1,
    }
    assert engine.events_by_channel == {
        ("binance", Channel.TRADES): (1, 2),
        ("binance", Channel.QUOTES): (1, 3),
        ("binance", Channel.BOOK): (1, 5),
        ("binance", Channel.MARK_PRICES): (1, 8),
        ("binance", Channel.LIQUIDATIONS): (1, 6),
        ("binance", Channel.CANDLES_1M): (1, 2),
        ("binance", Channel.CANDLES_1H): (1, 2),
    }


def test_only_one_minute_candles_trigger_and_each_closed_one_is_kept_once(sink: Kept) -> None:
    """The callback comes once per closed 1m candle, never for 15m or 1h, after the sinks. Keeps S2-27, S2-28."""
    told: list[tuple[Candle, int]] = []
    engine = Engine(sinks=[sink], on_1m_candle_close=lambda closed: told.append((closed, len(sink.events))))
    every = [candle(interval) for interval in Interval]
    run(engine, candle(Interval.M1, is_closed=False), *every, *every)
    assert sink.events == every
    assert told == [(every[0], 1)]
    run(Engine(sinks=[]), *every)  # without a callback nothing is missed


def test_mark_prices_reach_the_sinks_once_a_minute(sink: Kept) -> None:
    """The first of each minute at once, the last by the next one or by the passing of time. Keeps S2-31."""
    engine = Engine(sinks=[sink])
    run(engine, mark(1 * S), mark(59 * S), mark(60 * S), mark(61 * S), Tick(122 * S), Tick(123 * S))
    assert sink.events == [*(mark(second * S) for second in (1, 59, 60, 61)), Tick(122 * S), Tick(123 * S)]


def test_coverage_comes_before_its_tick(sink: Kept) -> None:
    """A store that commits at a Tick has everything that belongs before it."""
    engine = Engine(sinks=[sink], resume={("binance", Stream(Channel.TRADES, BTC)): (1, "restart")})
    streams = (Stream(Channel.TRADES, BTC),)
    run(engine, Subscribed("binance", "c", streams, 5), Alive("c", 8, 1, 10), Tick(10), Tick(20))
    assert sink.events == [
        Gap("binance", streams, 1, 5, "restart", 10),
        Tick(10),
        Covered("binance", "c", streams, 5, 8, True, 20),
        Tick(20),
    ]
    assert engine.gaps == 1
    assert engine.gaps_by_channel == {("binance", Channel.TRADES): 1}


def test_gaps_and_coverage_of_others_are_passed_on(sink: Kept) -> None:
    """A gap found elsewhere is counted and kept; recorded coverage is kept."""
    engine = Engine(sinks=[sink])
    spilled = Gap("binance", (Stream(Channel.LIQUIDATIONS, None),), 1, 2, "spilled", 3)
    vouched = Covered("binance", "c", (), 1, 2, False, 3)
    run(engine, spilled, vouched)
    assert sink.events == [spilled, vouched]
    assert engine.gaps == 1


def test_a_hole_in_the_book_is_one_gap_until_it_is_readable(sink: Kept) -> None:
    """From the last delta applied to the moment the book is live again."""
    engine = Engine(sinks=[sink])
    assert engine.snapshots_wanted() == []
    run(engine, delta(1, 5, 0))
    assert engine.snapshots_wanted() == [BTC]
    run(engine, snapshot(3), delta(6, 9, 5), delta(20, 29, 19), delta(40, 49, 39))
    assert engine.snapshots_wanted() == [BTC]
    run(engine, snapshot(45), delta(50, 59, 49))
    book = (Stream(Channel.BOOK, BTC),)
    assert sink.events == [
        Gap("binance", book, 9, None, "sequence", 29),
        Gap("binance", book, 9, 45, "sequence", 45),
    ]
    assert (engine.gaps, engine.snapshots_wanted()) == (1, [])


def test_a_book_crossed_from_the_start_is_a_gap_too(sink: Kept) -> None:
    """Without any delta applied before, the gap begins where it was noticed."""
    engine = Engine(sinks=[sink])
    run(engine, delta(1, 5, 0, [(102.0, 1.0)]), snapshot(3))
    assert sink.events == [Gap("binance", (Stream(Channel.BOOK, BTC),), 3, None, "crossed", 3)]


def test_a_book_whose_connection_is_gone_is_not_read() -> None:
    """Unreadable at once, also before any delta shows it; another connection of the same book keeps it."""
    engine = Engine(sinks=[], check_books=True)
    streams = (Stream(Channel.BOOK, BTC), Stream(Channel.QUOTES, BTC), Stream(Channel.BOOK, ETH))
    trades = (Stream(Channel.LIQUIDATIONS, None), Stream(Channel.BOOK, None))
    run(engine, Subscribed("binance", PUBLIC, streams, 1), Subscribed("binance", "other", streams, 1))
    run(engine, Subscribed("binance", "third", trades, 1))
    run(engine, delta(1, 5, 0), snapshot(3), Disconnected("third", "disconnect", 6))
    state = engine.market.get(BTC)
    assert state is not None
    engine.process(Disconnected("other", "disconnect", 6))
    assert state.book.best() is not None
    engine.process(Disconnected(PUBLIC, "disconnect", 7))
    assert not state.book.is_readable
    assert engine.snapshots_wanted() == []  # nothing buffered yet
    engine.process(Disconnected("never heard of", "disconnect", 8))
    unchecked = Engine(sinks=[])
    run(unchecked, Subscribed("binance", PUBLIC, streams, 1), delta(1, 5, 0), Disconnected(PUBLIC, "silent", 9))
    assert unchecked.snapshots_wanted() == []


def test_books_are_checked_on_request() -> None:
    """Compared by update id; without the request nothing is."""
    events: list[MarketEvent] = [quote(4, 1), delta(1, 5, 0), snapshot(3), quote(9, 2), delta(6, 9, 5)]
    checked, unchecked = Engine(sinks=[], check_books=True), Engine(sinks=[])
    run(checked, *events)
    run(unchecked, *events)
    assert (checked.book_check(), checked.book_check_coinciding()) == ((2, 2), (1, 1))
    assert (unchecked.book_check(), unchecked.book_check_coinciding()) == ((0, 0), (0, 0))


def test_unknown_instruments_find_no_room_but_their_liquidations_are_kept(sink: Kept) -> None:
    """State is bounded by the instruments named; an all-market liquidation stream is kept whole."""
    engine = Engine(sinks=[sink], instruments=[ETH])
    run(engine, trade(1), quote(1, 1), delta(1, 2, 0), snapshot(1), mark(1), candle(Interval.M1), liquidation())
    run(engine, candle(Interval.M1, instrument=ETH))
    assert engine.unknown == 6
    unranked = msgspec.structs.replace(liquidation(), lpi=Lpi(None, None, None, 0))
    assert sink.events == [unranked, candle(Interval.M1, instrument=ETH)]
    assert [state.instrument for state in engine.market] == [ETH]

"""The engine: state first, then what each sink is owed, once and in order."""

import msgspec
import pytest

from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    AccountRatio,
    Alive,
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Connected,
    ContractUpdate,
    Covered,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Level,
    Liquidation,
    Lpi,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    PublicPosition,
    Quote,
    RatioKind,
    Sampling,
    Side,
    Subscribed,
    TakerVolume,
    Tick,
    Trade,
    Unheard,
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


def open_interest(ts: int, size: float = 7.0, instrument: InstrumentId = BTC) -> OpenInterest:
    """A count of what is held."""
    return OpenInterest(instrument, ts, ts + 1, size, None)


def told(instrument: InstrumentId = BTC) -> list[MarketEvent]:
    """One of each kind that is passed on as it comes."""
    return [
        AccountRatio(instrument, 8, 9, RatioKind.TOP_ACCOUNTS, 300, 0.6),
        TakerVolume(instrument, 8, 9, 300, 5.0, 4.0),
        FundingPaid(instrument, 8, 9, 0.0001, None),
        PublicPosition(instrument, 8, 9, "0xab", PositionSide.LONG, 1.0, 100.0, 5.0, True, 20.0, None),
        ContractUpdate(instrument, 8, 9, False, ()),
    ]


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
    run(engine, candle(Interval.M1), candle(Interval.H1), open_interest(10), *told(), *told(ETH))
    run(engine, msgspec.structs.replace(snapshot(9), is_stream=True))
    assert engine.counts == {
        "trade": 1,
        "quote": 1,
        "book_delta": 1,
        "book_snapshot": 2,
        "candle": 2,
        "mark_price": 1,
        "liquidation": 1,
        "open_interest": 1,
        "account_ratio": 2,
        "taker_volume": 2,
        "funding_paid": 2,
        "public_position": 2,
        "contract_update": 2,
    }
    assert engine.events_by_channel == {
        ("binance", Channel.TRADES): (1, 2),
        ("binance", Channel.QUOTES): (1, 3),
        ("binance", Channel.BOOK): (2, 9),  # what streams, whole or not; a copy asked for is no part of it
        ("binance", Channel.MARK_PRICES): (1, 8),
        ("binance", Channel.LIQUIDATIONS): (1, 6),
        ("binance", Channel.CANDLES_1M): (1, 2),
        ("binance", Channel.CANDLES_1H): (1, 2),
        ("binance", Channel.OPEN_INTEREST): (1, 11),
        ("binance", Channel.ACCOUNT_RATIOS): (2, 9),
        ("binance", Channel.TAKER_VOLUME): (2, 9),
        ("binance", Channel.FUNDING): (2, 9),
        ("binance", Channel.POSITIONS): (2, 9),
        ("binance", Channel.CONTRACTS): (2, 9),
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


def test_open_interest_is_state_and_reaches_the_sinks_once_a_minute(sink: Kept) -> None:
    """The newest by the venue's time; the first and the last of each minute, and each of its own instrument."""
    engine = Engine(sinks=[sink], instruments=[BTC])
    run(engine, open_interest(1 * S), open_interest(59 * S, 8.0), open_interest(58 * S, 9.0))
    run(engine, open_interest(30 * S, instrument=ETH), Tick(62 * S), open_interest(70 * S))
    state = engine.market.get(BTC)
    assert state is not None
    assert state.last_open_interest == open_interest(70 * S)
    assert sink.events == [open_interest(1 * S), open_interest(59 * S, 8.0), Tick(62 * S), open_interest(70 * S)]
    assert engine.unknown == 1


def test_what_the_state_has_no_place_for_goes_straight_on(sink: Kept) -> None:
    """Ratios, taker volumes, public positions and changes of contracts, also of instruments nobody named."""
    engine = Engine(sinks=[sink], instruments=[ETH])
    run(engine, *told(), Connected("bybit", "bybit/linear/0", 5))
    assert sink.events == told()
    assert engine.unknown == 0


def test_a_liquidation_that_comes_again_is_kept_and_ranked_once(sink: Kept) -> None:
    """Feeds repeat themselves and connections overlap; the venue's id tells two alike apart."""
    engine = Engine(sinks=[sink])
    twin = msgspec.structs.replace(liquidation(), venue_id="2")
    run(engine, liquidation(), msgspec.structs.replace(liquidation(), ts_recv=9), twin, twin)
    unranked = Lpi(None, None, None, 0)
    assert sink.events == [msgspec.structs.replace(event, lpi=unranked) for event in (liquidation(), twin)]
    assert (engine.repeated, engine.counts["liquidation"]) == (2, 4)


def test_liquidations_alike_but_for_the_venues_id_are_ranked_each() -> None:
    """Two that happened at once are two of the sample the next is compared with."""
    kept = Kept()
    engine = Engine(sinks=[kept])
    events = [
        msgspec.structs.replace(liquidation(), ts_event=100 * S, ts_recv=100 * S, venue_id=str(number))
        for number in range(3)
    ]
    later = msgspec.structs.replace(liquidation(), ts_event=101 * S, ts_recv=101 * S)
    run(engine, mark(10 * S), *events, later)
    found = [event.lpi for event in kept.events if isinstance(event, Liquidation)]
    assert [lpi and lpi.sample for lpi in found] == [0, 0, 0, 3]


def test_a_streamed_book_is_lost_and_found_without_a_copy(sink: Kept) -> None:
    """After a hole the topic is wanted anew; its snapshot ends the gap. A resent one is nothing to tell."""
    engine = Engine(sinks=[sink])
    streamed = [msgspec.structs.replace(snapshot(last), is_stream=True) for last in (5, 9, 40)]
    run(engine, streamed[0], delta(6, 7, 5), streamed[1])
    assert (sink.events, engine.snapshots_wanted()) == ([], [])
    run(engine, delta(12, 20, 11))
    assert engine.snapshots_wanted() == [BTC]
    run(engine, streamed[2], delta(41, 42, 40))
    book = (Stream(Channel.BOOK, BTC),)
    assert sink.events == [Gap("binance", book, 9, None, "sequence", 20), Gap("binance", book, 9, 40, "sequence", 40)]
    assert engine.snapshots_wanted() == []


def test_a_book_of_few_levels_is_to_be_deepened(sink: Kept) -> None:
    """Keeps B5. It is readable, so no gap; the feed is told that more is wanted, until a deeper copy has come."""
    engine = Engine(sinks=[sink])
    run(engine, delta(1, 5, 0), msgspec.structs.replace(snapshot(3), is_top=True))
    assert (engine.snapshots_wanted(), engine.depth_wanted()) == ([], [BTC])
    run(engine, snapshot(5), delta(6, 9, 5))
    assert (engine.depth_wanted(), sink.events) == ([], [])


def test_a_book_whose_stream_is_refused_is_not_read(sink: Kept) -> None:
    """The connection goes on, the book does not; unless another connection carries it."""
    engine = Engine(sinks=[sink])
    book, trades = Stream(Channel.BOOK, BTC), Stream(Channel.TRADES, BTC)
    run(engine, Subscribed("binance", PUBLIC, (book, trades), 1), Subscribed("binance", "other", (book,), 1))
    run(engine, delta(1, 5, 0), snapshot(3), Unheard("binance", "other", (book,), "refused", 6))
    state = engine.market.get(BTC)
    assert state is not None
    assert state.book.best() is not None
    engine.process(Unheard("binance", PUBLIC, (book, Stream(Channel.QUOTES, ETH)), "refused", 7))
    assert not state.book.is_readable
    run(engine, Unheard("binance", "never heard of", (trades,), "refused", 8))
    assert [(gap.streams, gap.ts_from) for gap in sink.events if isinstance(gap, Gap)] == [
        ((book,), 6),
        ((Stream(Channel.QUOTES, ETH),), 7),
        ((trades,), 8),
    ]


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

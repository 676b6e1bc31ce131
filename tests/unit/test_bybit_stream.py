"""Bybit frames, quirk by quirk. All frames are hand-written after `docs/venues/bybit.md`."""

import json
from collections.abc import Mapping
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bybit.stream import Decoder
from perpscope.venues.bybit.symbols import instrument_named

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDT-PERP.BYBIT")
MS = 1_790_757_203_001
TS, TS_RECV = MS * 1_000_000, 1_790_757_203_100_000_000
FUNDING = 1_790_784_000_000

FILL: Json = {"T": MS, "s": "BTCUSDT", "S": "Buy", "v": "0.12", "p": "83003.8", "i": "a-1", "BT": False, "seq": 1}
LEVELS: Json = {"s": "BTCUSDT", "b": [["83003.7", "2.51"]], "a": [["83004.0", "1"]], "u": 501, "seq": 9}
BAR: Json = {"start": 1_790_757_180_000, "end": 1_790_757_239_999, "interval": "1", "open": "10", "close": "11"} | {
    "high": "12",
    "low": "9",
    "volume": "5",
    "turnover": "50",
    "confirm": False,
    "timestamp": MS,
}
TICKER: Json = {
    "symbol": "BTCUSDT",
    "markPrice": "83000.5",
    "indexPrice": "83001.5",
    "fundingRate": "-0.0001",
    "nextFundingTime": str(FUNDING),
    "fundingIntervalHour": "4",
    "openInterest": "600",
    "openInterestValue": "49800300",
    "singleOpenInterest": "300",
    "singleOpenInterestValue": "24900150",
}
FORCED: Json = {"T": MS, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "82190.1"}

THE_MARK = MarkPrice(BTC, TS, TS_RECV, 83000.5, 83001.5, -0.0001, FUNDING * 1_000_000, 4.0)
THE_COUNT = OpenInterest(BTC, TS, TS_RECV, 300.0, 24_900_150.0)


def message(topic: str, data: object, kind: str = "snapshot", **more: object) -> Json:
    """A message as the venue wraps it."""
    return {"topic": topic, "type": kind, "ts": MS, "data": data} | more


def book(data: Json, kind: str = "delta", depth: int = 200) -> bytes:
    """A message of an order book, made two milliseconds after the match."""
    return encoded(message(f"orderbook.{depth}.BTCUSDT", LEVELS | data, kind, ts=MS + 2, cts=MS))


def ticker(data: Mapping[str, object], kind: str = "delta", symbol: str = "BTCUSDT") -> bytes:
    """A message of a ticker."""
    return encoded(message(f"tickers.{symbol}", {"symbol": symbol, **data}, kind, cs=7))


def encoded(value: object) -> bytes:
    """Compact JSON, as the venue sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def decode(raw: bytes, *catalogue: Instrument) -> Decoded:
    """Decode on a fresh connection."""
    return Decoder({instrument.symbol: instrument for instrument in catalogue}).decode(raw, TS_RECV)


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


def trade(side: Side, trade_id: str = "a-1") -> Trade:
    """What `FILL` means."""
    return Trade(BTC, TS, TS_RECV, trade_id, 83003.8, 0.12, side, False)


def liquidation(side: PositionSide, venue_id: str = "", size: float = 0.5) -> Liquidation:
    """What `FORCED` means."""
    complete, none = Completeness.COMPLETE, Sampling.NONE
    return Liquidation(BTC, TS, TS_RECV, side, size, None, 82190.1, complete, none, venue_id=venue_id)


def candle(interval: Interval = Interval.M1, *, is_closed: bool = False) -> Candle:
    """What `BAR` means."""
    opened = 1_790_757_180_000_000_000
    return Candle(BTC, TS, TS_RECV, interval, opened, 10.0, 12.0, 9.0, 11.0, 5.0, 50.0, None, None, None, is_closed)


EVENTS: list[tuple[str, Json, list[MarketEvent]]] = [
    ("S Buy: the taker bought", message("publicTrade.BTCUSDT", [FILL]), [trade(Side.BUY)]),
    ("S Sell: the taker sold", message("publicTrade.BTCUSDT", [FILL | {"S": "Sell"}]), [trade(Side.SELL)]),
    (
        "several trades, in order",
        message("publicTrade.BTCUSDT", [FILL, FILL | {"i": "a-2", "S": "Sell"}]),
        [trade(Side.BUY), trade(Side.SELL, "a-2")],
    ),
    ("block trades left out", message("publicTrade.BTCUSDT", [FILL | {"BT": True}, FILL]), [trade(Side.BUY)]),
    ("for retail takers", message("publicTrade.BTCUSDT", [FILL | {"RPI": True}]), [trade(Side.BUY)]),
    (
        "quote at the match's time",
        message("orderbook.1.BTCUSDT", LEVELS, ts=MS + 2, cts=MS),
        [Quote(BTC, TS, TS_RECV, 0, 83003.7, 2.51, 83004.0, 1.0)],
    ),
    (
        "whole book",
        message("orderbook.200.BTCUSDT", LEVELS, ts=MS + 2, cts=MS),
        [BookSnapshot(BTC, TS, TS_RECV, 501, [(83003.7, 2.51)], [(83004.0, 1.0)], is_stream=True)],
    ),
    (
        "what changed follows u - 1",
        message("orderbook.200.BTCUSDT", LEVELS | {"b": []}, "delta", ts=MS + 2, cts=MS),
        [BookDelta(BTC, TS, TS_RECV, 501, 501, 500, [], [(83004.0, 1.0)])],
    ),
    (
        "u 1 is a whole book",
        message("orderbook.200.BTCUSDT", LEVELS | {"u": 1}, "delta", ts=MS + 2, cts=MS),
        [BookSnapshot(BTC, TS, TS_RECV, 1, [(83003.7, 2.51)], [(83004.0, 1.0)], is_stream=True)],
    ),
    ("forming candle", message("kline.1.BTCUSDT", [BAR]), [candle()]),
    ("closed candle", message("kline.1.BTCUSDT", [BAR | {"confirm": True}]), [candle(is_closed=True)]),
    ("15 minutes", message("kline.15.BTCUSDT", [BAR]), [candle(Interval.M15)]),
    ("60 is an hour", message("kline.60.BTCUSDT", [BAR]), [candle(Interval.H1)]),
    ("ticker", message("tickers.BTCUSDT", TICKER), [THE_MARK, THE_COUNT]),
    ("position side Buy: a long", message("allLiquidation.BTCUSDT", [FORCED]), [liquidation(PositionSide.LONG)]),
    (
        "position side Sell: a short",
        message("allLiquidation.BTCUSDT", [FORCED | {"S": "Sell"}]),
        [liquidation(PositionSide.SHORT)],
    ),
]


@pytest.mark.parametrize(("frame", "events"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_messages_mean_these_events(frame: Json, events: list[MarketEvent]) -> None:
    """Each topic and quirk gives exactly these events: as bytes or a view, first or later, whatever the keys' order."""
    raw, backwards = encoded(frame), encoded(dict(reversed(frame.items())))
    decoder = Decoder({})
    assert decoder.decode(raw, TS_RECV) == events
    assert decoder.decode(memoryview(raw), TS_RECV) == events
    assert decoder.decode(backwards, TS_RECV) == events
    assert decode(backwards) == events


IGNORED: list[tuple[str, Json, str]] = [
    ("nothing but block trades", message("publicTrade.BTCUSDT", [FILL | {"BT": True}]), "block-trade"),
    ("no bids", message("orderbook.1.BTCUSDT", LEVELS | {"b": []}, cts=MS), "empty-book"),
    ("a bid of nothing", message("orderbook.1.BTCUSDT", LEVELS | {"b": [["1", "0"]]}, cts=MS), "empty-book"),
    ("nothing we listen to", message("tickers.BTCUSDT", {"lastPrice": "1"}, "delta"), "unchanged"),
    ("not priced yet", message("tickers.BTCUSDT", {"markPrice": "", "indexPrice": "0"}), "unchanged"),
    ("not counted yet", message("tickers.BTCUSDT", {"openInterest": ""}), "unchanged"),
    ("five minutes", message("kline.5.BTCUSDT", [BAR]), "unlisted-channel"),
    ("days", message("kline.D.BTCUSDT", [BAR]), "unlisted-channel"),
    ("retail book", message("orderbook.rpi.BTCUSDT", LEVELS), "unlisted-channel"),
    ("full book", message("orderbook.full.BTCUSDT", LEVELS), "unlisted-channel"),
    ("auto-deleveraging", message("adlAlert.USDT", [{}]), "unlisted-channel"),
    ("private", {"topic": "position", "data": []}, "unlisted-channel"),
    ("old liquidations", message("liquidation.BTCUSDT", {}), "retired-api"),
    ("old funding", message("funding.BTCUSDT", {}), "retired-api"),
    ("old depth", message("orderbook.500.BTCUSDT", LEVELS), "retired-api"),
    ("inverse", message("publicTrade.BTCUSD", [FILL]), "inverse"),
    ("dated inverse", message("allLiquidation.ETHUSDH27", [FORCED]), "inverse"),
    ("option", message("publicTrade.BTC-6JAN23-17500-C", [FILL]), "option"),
    ("spot pair in a coin", message("publicTrade.ETHBTC", [FILL]), "unknown-symbol"),
    ("no symbol", message("publicTrade", [FILL]), "unknown-symbol"),
    ("lower case", message("publicTrade.btcusdt", [FILL]), "unknown-symbol"),
]


@pytest.mark.parametrize(("frame", "reason"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED])
def test_what_is_none_of_ours_is_passed_over(frame: Json, reason: str) -> None:
    """Another product, a retired or unlisted topic and an empty message give no event, and are counted by reason."""
    assert decode(encoded(frame)) == Ignored(reason)


BROKEN: list[tuple[str, Json, str]] = [
    ("seconds for ms", message("publicTrade.BTCUSDT", [FILL | {"T": MS // 1000}]), r"data\[0\].T"),
    ("no price", message("publicTrade.BTCUSDT", [{k: v for k, v in FILL.items() if k != "p"}]), "`p`"),
    ("price 0", message("publicTrade.BTCUSDT", [FILL | {"p": "0"}]), r"data\[0\].p"),
    ("nan", message("publicTrade.BTCUSDT", [FILL | {"v": "nan"}]), r"data\[0\].v"),
    ("another side", message("publicTrade.BTCUSDT", [FILL | {"S": "buy"}]), "buy"),
    ("a side as long as a book", message("publicTrade.BTCUSDT", [FILL | {"S": "x" * 5000}]), "xxx"),
    ("no trades", message("publicTrade.BTCUSDT", []), "length"),
    ("no cts", message("orderbook.200.BTCUSDT", LEVELS), "`cts`"),
    ("u 0", message("orderbook.200.BTCUSDT", LEVELS | {"u": 0}, cts=MS), "data.u"),
    ("another type", message("orderbook.200.BTCUSDT", LEVELS, "whole", cts=MS), "whole"),
    ("bids rising", message("orderbook.50.BTCUSDT", LEVELS | {"b": [["1", "1"], ["2", "1"]]}, cts=MS), "not first"),
    ("asks falling", message("orderbook.50.BTCUSDT", LEVELS | {"a": [["9", "1"], ["8", "1"]]}, cts=MS), "not first"),
    ("a changed quote", message("orderbook.1.BTCUSDT", LEVELS, "delta", cts=MS), "depth 1"),
    ("low above open", message("kline.1.BTCUSDT", [BAR | {"low": "10.5"}]), "`low`"),
    ("funding of 100 %", message("tickers.BTCUSDT", TICKER | {"fundingRate": "1"}), "fundingRate"),
    ("funding in 1970", message("tickers.BTCUSDT", TICKER | {"nextFundingTime": "5"}), "nextFundingTime"),
    ("mark of null", message("tickers.BTCUSDT", TICKER | {"markPrice": None}), "markPrice"),
    ("no ts", {"topic": "tickers.BTCUSDT", "type": "delta", "data": TICKER}, "`ts`"),
    ("another's liquidation", message("allLiquidation.BTCUSDT", [FORCED | {"s": "ETHUSDT"}]), "ETHUSDT"),
    ("topic a number", {"topic": 7}, "`topic` a string, got int"),
    ("no topic", {"data": [FILL]}, "neither a message nor an answer"),
]


@pytest.mark.parametrize(("frame", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_messages_are_refused_by_field(frame: Json, words: str) -> None:
    """What should have been ours and is broken is a FrameError that names the field, on a new topic and a known one."""
    raw, decoder = encoded(frame), Decoder({})
    for data in (TICKER, [FILL], [FORCED], [BAR]):
        for topic in ("tickers", "publicTrade", "allLiquidation", "kline.1"):
            try_to_learn(decoder, encoded(message(f"{topic}.BTCUSDT", data)))
    for fresh_or_used in (Decoder({}), decoder):
        with pytest.raises(FrameError, match=words) as caught:
            fresh_or_used.decode(raw, TS_RECV)
        assert caught.value.venue == "bybit"
        assert len(str(caught.value)) < 1000


def try_to_learn(decoder: Decoder, raw: bytes) -> None:
    """Let a decoder meet a topic, if the frame fits it."""
    try:
        decoder.decode(raw, TS_RECV)
    except FrameError:
        return


def test_a_topic_is_read_as_what_it_says_whatever_the_frame_looks_like() -> None:
    """A frame whose eleventh byte is another kind's letter is still read by its topic, known or not."""
    disguised = b'{"x":    "p",' + encoded(message("tickers.BTCUSDT", TICKER))[1:]
    trades = b'{"x":    "p",' + encoded(message("tickers.BTCUSDT", [FILL]))[1:]
    assert disguised[10:11] == trades[10:11] == b"p"
    decoder = Decoder({})
    for _ in range(2):
        assert decoder.decode(disguised, TS_RECV) == [THE_MARK, THE_COUNT]
        with pytest.raises(FrameError, match="`object`, got `array`"):
            decoder.decode(trades, TS_RECV)


# books ---------------------------------------------------------------------------------------------------------------


def test_a_missing_change_shows_in_the_ids() -> None:
    """A change says which update it follows: the snapshot, the change before it, or one that never came."""
    decoder = Decoder({})
    frames = [book({"u": 500}, "snapshot"), book({"u": 501}), book({"u": 501}), book({"u": 503})]
    events = [event for raw in frames for event in events_of(decoder.decode(raw, TS_RECV))]
    snapshot, *deltas = events
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.is_stream, snapshot.last_update_id) == (True, 500)
    ids = [(one.prev_update_id, one.last_update_id) for one in deltas if isinstance(one, BookDelta)]
    assert ids == [(500, 501), (500, 501), (502, 503)]


def test_a_book_begun_anew_counts_from_one() -> None:
    """After a restart of the service the ids begin again: the change that follows u = 1 is 2."""
    decoder = Decoder({})
    frames = [book({"u": 177_400_507}), book({"u": 1}), book({"u": 2})]
    _, begun, change = [event for raw in frames for event in events_of(decoder.decode(raw, TS_RECV))]
    assert isinstance(begun, BookSnapshot)
    assert isinstance(change, BookDelta)
    assert change.prev_update_id == begun.last_update_id == 1


def events_of(decoded: Decoded) -> list[MarketEvent]:
    """Events of a frame that has some."""
    assert isinstance(decoded, list)
    return decoded


# tickers -------------------------------------------------------------------------------------------------------------


def test_a_ticker_is_put_together_from_its_pieces() -> None:
    """What a delta does not name has not changed; each event is as of its own message."""
    decoder = Decoder({})
    assert decoder.decode(ticker(TICKER, "snapshot"), TS_RECV) == [THE_MARK, THE_COUNT]
    moved = MarkPrice(BTC, TS, TS_RECV, 83010.0, 83001.5, -0.0001, FUNDING * 1_000_000, 4.0)
    assert decoder.decode(ticker({"markPrice": "83010"}), TS_RECV) == [moved]
    grown = OpenInterest(BTC, TS, TS_RECV, 310.0, 24_900_150.0)
    assert decoder.decode(ticker({"openInterest": "620", "singleOpenInterest": "310"}), TS_RECV) == [grown]
    assert decoder.decode(ticker({"openInterestValue": "1", "singleOpenInterestValue": "2"}), TS_RECV) == Ignored(
        "unchanged"
    )
    assert decoder.decode(ticker({"singleOpenInterest": "311"}), TS_RECV) == [
        OpenInterest(BTC, TS, TS_RECV, 311.0, 2.0)
    ]


def test_a_snapshot_forgets_what_was_there() -> None:
    """A snapshot is the whole ticker: what it does not name is not known any more."""
    decoder = Decoder({})
    decoder.decode(ticker(TICKER, "snapshot"), TS_RECV)
    bare = MarkPrice(BTC, TS, TS_RECV, 82000.0, None, None, None)
    assert decoder.decode(ticker({"markPrice": "82000"}, "snapshot"), TS_RECV) == [bare]


def test_no_mark_price_is_told_before_one_is_known() -> None:
    """A change of the index alone says nothing until the mark has come; then it does."""
    decoder = Decoder({})
    assert decoder.decode(ticker({"indexPrice": "83001.5"}), TS_RECV) == Ignored("unchanged")
    both = MarkPrice(BTC, TS, TS_RECV, 83000.5, 83001.5, None, None)
    assert decoder.decode(ticker({"markPrice": "83000.5"}), TS_RECV) == [both]


def test_instruments_do_not_share_a_ticker() -> None:
    """What is known of one instrument does not leak into another's mark price."""
    decoder = Decoder({})
    decoder.decode(ticker(TICKER, "snapshot"), TS_RECV)
    eth = InstrumentId("ETH-USDT-PERP.BYBIT")
    assert decoder.decode(ticker({"markPrice": "3000"}, symbol="ETHUSDT"), TS_RECV) == [
        MarkPrice(eth, TS, TS_RECV, 3000.0, None, None, None)
    ]


def test_open_interest_of_both_sides_is_halved_where_it_is_all_there_is() -> None:
    """Before 2026-06-11 only both sides together were told; beside one side it says no more. Keeps S3-16."""
    old = {"openInterest": "600", "openInterestValue": "49800300"}
    decoder = Decoder({})
    assert decoder.decode(ticker(old, "snapshot"), TS_RECV) == [THE_COUNT]
    assert decoder.decode(ticker({"openInterest": "610"}), TS_RECV) == [
        OpenInterest(BTC, TS, TS_RECV, 305.0, 24_900_150.0)
    ]
    assert decoder.decode(ticker({"singleOpenInterest": "300"}), TS_RECV) == [
        OpenInterest(BTC, TS, TS_RECV, 300.0, None)
    ]
    assert decoder.decode(ticker({"openInterest": "620"}), TS_RECV) == Ignored("unchanged")


def test_dated_contracts_have_no_funding() -> None:
    """An empty rate and a next funding of 0 mean none."""
    dated = {"markPrice": "84000", "fundingRate": "", "nextFundingTime": "0", "fundingIntervalHour": ""}
    instrument = InstrumentId("BTC-USDT-261225.BYBIT")
    assert decode(ticker(dated, "snapshot", "BTCUSDT-25DEC26")) == [
        MarkPrice(instrument, TS, TS_RECV, 84000.0, None, None, None)
    ]


# liquidations --------------------------------------------------------------------------------------------------------


def test_liquidations_alike_in_one_frame_are_counted_apart_and_the_same_when_sent_again() -> None:
    """Two equal rows are two closes; a repeat of the frame brings the same two, so that a store keeps exactly two."""
    rows = [FORCED, FORCED, FORCED | {"v": "0.25"}, FORCED | {"S": "Sell"}, FORCED]
    raw = encoded(message("allLiquidation.BTCUSDT", rows))
    expected = [
        liquidation(PositionSide.LONG),
        liquidation(PositionSide.LONG, "2"),
        liquidation(PositionSide.LONG, size=0.25),
        liquidation(PositionSide.SHORT),
        liquidation(PositionSide.LONG, "3"),
    ]
    decoder = Decoder({})
    assert decoder.decode(raw, TS_RECV) == decoder.decode(raw, TS_RECV) == expected


# instruments ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_decides_what_is_heard() -> None:
    """Coins of the catalogue are ours; stocks, contracts quoted in a coin and unlisted names are not."""
    coin, stock = named("BTCUSDT"), named("TSLAUSDT")
    other = Instrument(id=InstrumentId("X-BTC-PERP.BYBIT"), venue="bybit", symbol="XBTC", base="X", quote="BTC")
    stock = Instrument(id=stock.id, venue="bybit", symbol="TSLAUSDT", base="TSLA", quote="USDT", is_crypto=False)
    reasons = {"TSLAUSDT": "not-crypto", "XBTC": "quote-not-dollars", "ETHUSDT": "unknown-symbol", "BTCUSD": "inverse"}
    for symbol, reason in reasons.items():
        raw = encoded(message(f"publicTrade.{symbol}", [FILL]))
        assert decode(raw, coin, stock, other) == Ignored(reason)
    assert decode(encoded(message("publicTrade.BTCUSDT", [FILL])), coin, stock, other) == [trade(Side.BUY)]


def test_names_read_without_a_catalogue_are_remembered() -> None:
    """Whoever replays a recording can learn which instruments were in it; a catalogue's are not among them."""
    decoder = Decoder({})
    decoder.decode(encoded(message("publicTrade.BTCPERP", [FILL])), TS_RECV)
    decoder.decode(encoded(message("publicTrade.BTCUSD", [FILL])), TS_RECV)
    assert decoder.named == {"BTCPERP": named("BTCPERP")}
    catalogued = Decoder({"BTCUSDT": named("BTCUSDT")})
    catalogued.decode(encoded(message("publicTrade.BTCUSDT", [FILL])), TS_RECV)
    assert catalogued.named == {}


def test_names_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of ever new names costs no memory without end, and each is still decoded."""
    monkeypatch.setattr("perpscope.venues.bybit.topics._MOST_NAMES", 3)
    monkeypatch.setattr("perpscope.venues.bybit.topics._MOST_TOPICS", 2)
    decoder = Decoder({})
    for number in range(10):
        decoded = decoder.decode(encoded(message(f"publicTrade.COIN{number}USDT", [FILL])), TS_RECV)
        assert isinstance(decoded, list)
        assert len(decoder.named) <= 3


# answers -------------------------------------------------------------------------------------------------------------

NO_TOPIC = "error:handler not found,topic:orderbook.50.NOPEUSDT"
AGAIN = "error:already subscribed,topic:orderbook.1.ETHUSDT"
ANSWERS: list[tuple[str, Json, Control]] = [
    (
        "subscribed",
        {"success": True, "ret_msg": "", "conn_id": "c", "req_id": "12", "op": "subscribe"},
        Control(12, None),
    ),
    ("left", {"success": True, "ret_msg": "", "conn_id": "c", "req_id": "3", "op": "unsubscribe"}, Control(3, None)),
    ("id of another kind", {"success": True, "ret_msg": "", "req_id": "abc", "op": "subscribe"}, Control("abc", None)),
    ("no id", {"success": True, "ret_msg": "", "req_id": "", "op": "subscribe"}, Control(None, None)),
    (
        "unknown topic",
        {"success": False, "ret_msg": NO_TOPIC, "conn_id": "c", "req_id": "4", "op": "subscribe"},
        Control(4, NO_TOPIC, "orderbook.50.NOPEUSDT"),
    ),
    (
        "invalid topic",
        {"success": False, "ret_msg": "Invalid topic: no.topic", "op": "subscribe"},
        Control(None, "Invalid topic: no.topic", "no.topic"),
    ),
    (
        "subscribed already",
        {"success": False, "ret_msg": AGAIN, "conn_id": "c", "req_id": "6", "op": "subscribe"},
        Control(6, None, "orderbook.1.ETHUSDT"),
    ),
    ("no topic named", {"success": False, "ret_msg": "args size >10"}, Control(None, "args size >10")),
    ("no word", {"success": False, "ret_msg": "", "op": "subscribe"}, Control(None, "refused without a word")),
    ("pong", {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": "", "op": "ping"}, Control(None, None)),
    ("private pong", {"req_id": "9", "op": "pong", "args": ["1675418560633"], "conn_id": "c"}, Control(None, None)),
    (
        "with a code",
        {"op": "auth", "success": False, "retCode": 10003, "retMsg": "Invalid apikey", "connId": "c"},
        Control(None, "10003: Invalid apikey"),
    ),
    ("a code of 0", {"op": "order.create", "retCode": 0, "retMsg": "OK", "reqId": "7"}, Control(7, None)),
]


@pytest.mark.parametrize(("frame", "answer"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_answers_are_told_from_messages(frame: Json, answer: Control) -> None:
    """Acknowledgements, refusals and pongs carry the id we sent, the venue's words and the topic they name."""
    assert decode(encoded(frame)) == answer


@pytest.mark.parametrize(
    "frame",
    [
        {"success": "yes", "op": "subscribe"},
        {"success": True, "ret_msg": 7},
        {"retCode": 0},
        {},
        {"op": 7, "success": 1},
    ],
    ids=["success a word", "words a number", "code alone", "nothing", "success a number"],
)
def test_half_answers_are_refused(frame: Json) -> None:
    """What only looks like an answer is a FrameError."""
    with pytest.raises(FrameError, match="neither a message nor an answer"):
        decode(encoded(frame))

"""Bitget frames, quirk by quirk. All are hand-written after `docs/venues/bitget.md`."""

import json
from typing import TypeAlias

import msgspec
import pytest

from perpscope.engine.book import BookChange, OrderBook
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
from perpscope.venues.bitget import VENUE
from perpscope.venues.bitget.stream import Decoder
from perpscope.venues.bitget.symbols import instrument_named

Json: TypeAlias = dict[str, object]

BTC, ETH = InstrumentId("BTC-USDT-PERP.BITGET"), InstrumentId("ETH-USDT-PERP.BITGET")
MS = 1_790_757_203_001
TS, TS_RECV = MS * 1_000_000, 1_790_757_203_100_000_000
FUNDING = 1_790_784_000_000

TRADE: Json = {"i": "1485683898127761410", "p": "80810.6", "v": "0.0246", "S": "sell", "T": str(MS), "isRPI": "no"}
LEVELS: Json = {"a": [["83004.1", "0.8"]], "b": [["83003.7", "1.5"]], "seq": 120455, "pseq": 120451, "ts": str(MS)}
BAR: Json = {
    "start": "1790757180000",
    "open": "10",
    "high": "12",
    "low": "9",
    "close": "11",
    "volume": "5",
    "turnover": "50",
}
TICKER: Json = {
    "markPrice": "83014.7",
    "indexPrice": "83052.148",
    "fundingRate": "-0.0001",
    "nextFundingTime": str(FUNDING),
    "openInterest": "32117.25",
    "deliveryTime": "",
}
LIQUIDATION: Json = {"symbol": "BTCUSDT", "side": "buy", "price": "80000", "amount": "4000", "ts": str(MS)}

THE_TRADE = Trade(BTC, TS, TS_RECV, "1485683898127761410", 80810.6, 0.0246, Side.SELL, False)
THE_QUOTE = Quote(BTC, TS, TS_RECV, 120455, 83003.7, 1.5, 83004.1, 0.8)
THE_DELTA = BookDelta(BTC, TS, TS_RECV, 120455, 120455, 120451, [(83003.7, 1.5)], [(83004.1, 0.8)])
THE_BOOK = BookSnapshot(BTC, TS, TS_RECV, 120455, [(83003.7, 1.5)], [(83004.1, 0.8)], is_stream=True)
THE_MARK = MarkPrice(BTC, TS, TS_RECV, 83014.7, 83052.148, -0.0001, FUNDING * 1_000_000)
THE_INTEREST = OpenInterest(BTC, TS, TS_RECV, 32117.25, None)


def candle(interval: Interval = Interval.M1, minute: int = 0, *, is_closed: bool = False) -> Candle:
    """What `BAR` means, so many minutes later."""
    opened = (1_790_757_180 + 60 * minute) * 1_000_000_000
    return Candle(
        BTC, TS, TS_RECV, interval, opened, 10.0, 12.0, 9.0, 11.0, 5.0, 50.0, None, None, None, is_closed=is_closed
    )


def liquidation(side: PositionSide, size: float = 0.05, venue_id: str = "") -> Liquidation:
    """What `LIQUIDATION` means, read in dollars."""
    sampled = (Completeness.SAMPLED, Sampling.LARGEST_1S)
    return Liquidation(BTC, TS, TS_RECV, side, size, None, 80000.0, *sampled, venue_id=venue_id)


def frame(topic: str, *rows: object, action: str = "update", symbol: str = "BTCUSDT", **arg: object) -> bytes:
    """A message as the venue writes it: `action` and `arg` first, without spaces."""
    whose: Json = {"instType": "usdt-futures", "topic": topic}
    if symbol:
        whose |= {"symbol": symbol}
    return msgspec.json.encode({"action": action, "arg": whose | arg, "data": rows, "ts": MS})


def other_order(raw: bytes) -> bytes:
    """The same message with its keys turned round, and spaces."""
    message = json.loads(raw)
    message["arg"] = dict(reversed(message["arg"].items()))
    return json.dumps(dict(reversed(message.items())), ensure_ascii=False).encode()


def decode(raw: bytes, *catalogue: Instrument) -> Decoded:
    """Decode on a fresh connection."""
    return Decoder({instrument.symbol: instrument for instrument in catalogue}).decode(raw, TS_RECV)


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


# --- what frames mean ---

EVENTS: list[tuple[str, bytes, list[MarketEvent]]] = [
    ("the taker sold", frame("publicTrade", TRADE), [THE_TRADE]),
    ("numbers for strings", frame("publicTrade", TRADE | {"T": MS, "p": 80810.6}), [THE_TRADE]),
    (
        "newest first: told oldest first",
        frame("publicTrade", TRADE, TRADE | {"i": "1485683898127761408", "S": "buy", "v": "1"}),
        [Trade(BTC, TS, TS_RECV, "1485683898127761408", 80810.6, 1.0, Side.BUY, False), THE_TRADE],
    ),
    (
        "oldest first: left so, however long the id",
        frame("publicTrade", TRADE | {"i": "9", "S": "buy", "v": "1"}, TRADE),
        [Trade(BTC, TS, TS_RECV, "9", 80810.6, 1.0, Side.BUY, False), THE_TRADE],
    ),
    ("best bid and ask", frame("books1", LEVELS, action="snapshot"), [THE_QUOTE]),
    ("a change of the book", frame("books", LEVELS), [THE_DELTA]),
    ("ids as strings", frame("books", LEVELS | {"seq": "120455", "pseq": "120451"}), [THE_DELTA]),
    ("the whole book", frame("books", LEVELS | {"pseq": 0}, action="snapshot"), [THE_BOOK]),
    ("a minute", frame("kline", BAR, interval="1m"), [candle()]),
    ("15 minutes", frame("kline", BAR, interval="15m"), [candle(Interval.M15)]),
    ("an hour", frame("kline", BAR, interval="1H", action="snapshot"), [candle(Interval.H1)]),
    ("mark and open interest", frame("ticker", TICKER, action="snapshot"), [THE_MARK, THE_INTEREST]),
    (
        "no index, no funding",
        frame("ticker", TICKER | {"indexPrice": "", "fundingRate": "", "nextFundingTime": ""}),
        [MarkPrice(BTC, TS, TS_RECV, 83014.7, None, None, None), THE_INTEREST],
    ),
    (
        "funding never due",
        frame("ticker", {"markPrice": "1", "nextFundingTime": "0"}),
        [MarkPrice(BTC, TS, TS_RECV, 1.0, None, None, None)],
    ),
    ("no mark yet: open interest alone", frame("ticker", TICKER | {"markPrice": ""}), [THE_INTEREST]),
    ("a long was closed", frame("liquidation", LIQUIDATION, symbol=""), [liquidation(PositionSide.LONG)]),
    (
        "a short was closed",
        frame("liquidation", LIQUIDATION | {"side": "sell"}, symbol="", action="snapshot"),
        [liquidation(PositionSide.SHORT)],
    ),
    (
        "two alike in one frame",
        frame("liquidation", LIQUIDATION, LIQUIDATION, symbol=""),
        [liquidation(PositionSide.LONG), liquidation(PositionSide.LONG, venue_id="2")],
    ),
    ("a liquidation with a symbol in arg", frame("liquidation", LIQUIDATION), [liquidation(PositionSide.LONG)]),
]


@pytest.mark.parametrize(("raw", "events"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_a_frame_means_what_the_venue_says(raw: bytes, events: list[MarketEvent]) -> None:
    """Sides, units and times, whatever the order of keys, as bytes or as a view of a buffer. Keeps S4-32."""
    assert decode(raw) == decode(other_order(raw)) == events
    assert Decoder({}).decode(memoryview(bytearray(raw)), TS_RECV) == events


IGNORED: list[tuple[str, bytes, str]] = [
    ("first trades of a subscription", frame("publicTrade", TRADE, action="snapshot"), "history"),
    ("no rows", frame("publicTrade"), "empty"),
    ("no liquidations", frame("liquidation", symbol=""), "empty"),
    ("no bids", frame("books1", LEVELS | {"b": []}), "empty-book"),
    ("an interval we do not keep", frame("kline", BAR, interval="5m"), "unlisted-channel"),
    ("a topic we do not keep", frame("books5", LEVELS), "unlisted-channel"),
    ("neither mark nor open interest", frame("ticker", {"markPrice": "0"}), "no-mark-price"),
    ("a dated contract", frame("ticker", TICKER | {"deliveryTime": "1790784000000"}), "dated"),
    ("coin-margined", frame("books", LEVELS).replace(b"usdt-futures", b"coin-futures"), "coin-m"),
    ("margined in USDC", frame("books", LEVELS).replace(b"usdt-futures", b"usdc-futures"), "other-product"),
    ("spot", frame("publicTrade", TRADE).replace(b"usdt-futures", b"spot"), "other-product"),
    ("a name that is none", frame("books", LEVELS, symbol="BTCUSDT_UMCBL"), "unknown-symbol"),
    ("an event we do not know", b'{"event":"welcome"}', "unlisted-channel"),
    ("v1 data", b'{"action":"update","arg":{"instType":"mc","channel":"trade","instId":"BTCUSDT"}}', "retired-api"),
    ("v1 answer", b'{"event":"subscribe","arg":{"instType":"mc","channel":"trade"}}', "retired-api"),
    ("v2 refusal", b'{"event":"error","arg":{"instType":"SPOT","channel":"x"},"code":30001}', "retired-api"),
]


@pytest.mark.parametrize(("raw", "reason"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED])
def test_what_is_none_of_ours_is_passed_over_with_its_reason(raw: bytes, reason: str) -> None:
    """Other products, retired APIs and history never become events, nor faults."""
    assert decode(raw) == Ignored(reason)


REFUSED: list[tuple[str, bytes, str]] = [
    ("price nan", frame("publicTrade", TRADE | {"p": "nan"}), "data[0].p"),
    ("price zero", frame("publicTrade", TRADE | {"p": "0"}), "data[0].p"),
    ("size inf", frame("publicTrade", TRADE | {"v": "inf"}), "data[0].v"),
    ("seconds for milliseconds", frame("publicTrade", TRADE | {"T": str(MS // 1000)}), "data[0].T"),
    ("unknown side", frame("publicTrade", TRADE | {"S": "Buy"}), "data[0].S"),
    ("no id", frame("publicTrade", {key: TRADE[key] for key in "pvST"}), "`i`"),
    ("one broken of two", frame("publicTrade", TRADE, TRADE | {"v": "-1"}), "data[1].v"),
    ("negative level", frame("books", LEVELS | {"a": [["83004.1", "-1"]]}), "data[0].a[0][1]"),
    ("a quote without size", frame("books1", LEVELS | {"a": [["83004.1", "0"]]}), "data[0].a[0][1]"),
    ("no sequence", frame("books", {key: LEVELS[key] for key in ("a", "b", "ts", "pseq")}), "`seq`"),
    ("two books at once", frame("books", LEVELS, LEVELS), "length 1"),
    ("bids out of order", frame("books", LEVELS | {"b": [["1", "1"], ["2", "1"]]}, action="snapshot"), "`b` falling"),
    ("high below low", frame("kline", BAR | {"high": "8"}, interval="1m"), "`low` <= `open`"),
    ("a bar that has not begun", frame("kline", BAR | {"start": str(MS + 120_000)}, interval="1m"), "`start` <= `ts`"),
    ("funding in seconds", frame("ticker", TICKER | {"nextFundingTime": "1790784000"}), "nextFundingTime"),
    ("funding in percent", frame("ticker", TICKER | {"fundingRate": "5"}), "data[0].fundingRate"),
    ("mark negative", frame("ticker", TICKER | {"markPrice": "-1"}), "data[0].markPrice"),
    ("amount zero", frame("liquidation", LIQUIDATION | {"amount": "0"}, symbol=""), "data[0].amount"),
    ("price too small", frame("liquidation", LIQUIDATION | {"price": "1e-300"}, symbol=""), "a size > 0"),
    ("unknown action", frame("publicTrade", TRADE, action="delta"), "action"),
    ("no symbol", frame("books", LEVELS, symbol=""), "`symbol`"),
    ("no arg", b'{"action":"update","data":[]}', "`arg`"),
    ("arg of nothing", b'{"arg":7}', "arg"),
    ("not json", b"pang", "malformed"),
]


@pytest.mark.parametrize(("raw", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_should_have_been_ours_is_refused_naming_the_field(raw: bytes, said: str) -> None:
    """A broken frame costs that frame, and the message says where it is broken. Keeps S2-22."""
    with pytest.raises(FrameError) as caught:
        decode(raw)
    assert said in str(caught.value)
    assert caught.value.venue == "bitget"


# --- candles: closed by the next one ---


def test_a_candle_is_closed_by_the_next_ones_start() -> None:
    """The last state of a bar is told once more as closed, and only then the new one."""
    decoder = Decoder({})
    later: Json = BAR | {"start": "1790757240000"}
    assert decoder.decode(frame("kline", BAR | {"close": "10"}, interval="1m"), TS_RECV) != [candle()]
    assert decoder.decode(frame("kline", BAR, interval="1m"), TS_RECV) == [candle()]
    assert decoder.decode(frame("kline", later, interval="1m"), TS_RECV) == [
        candle(is_closed=True),
        candle(minute=1),
    ]
    assert decoder.decode(frame("kline", BAR, interval="1m"), TS_RECV) == Ignored("history")
    assert decoder.decode(frame("kline", later, interval="1m"), TS_RECV) == [candle(minute=1)]


def test_a_history_of_candles_is_closed_but_for_its_last() -> None:
    """Bars that come with the subscription, in whatever order, are told once each, oldest first."""
    bars = [BAR | {"start": str(1_790_757_180_000 + 60_000 * minute)} for minute in (0, -2, -1)]
    assert decode(frame("kline", *bars, interval="1m", action="snapshot")) == [
        candle(minute=-2, is_closed=True),
        candle(minute=-1, is_closed=True),
        candle(),
    ]


def test_lengths_and_instruments_are_closed_apart() -> None:
    """A new minute of one instrument closes neither its hour nor another's minute."""
    decoder = Decoder({})
    decoder.decode(frame("kline", BAR, interval="1H"), TS_RECV)
    decoder.decode(frame("kline", BAR, interval="1m", symbol="ETHUSDT"), TS_RECV)
    decoder.decode(frame("kline", BAR, interval="1m"), TS_RECV)
    decoded = decoder.decode(frame("kline", BAR | {"start": "1790757240000"}, interval="1m"), TS_RECV)
    assert decoded == [candle(is_closed=True), candle(minute=1)]


# --- who is known ---


def test_a_catalogue_decides_who_is_known() -> None:
    """Instruments outside it are passed over, also in the topic of the whole market; stocks are none of ours."""
    known = named("BTCUSDT")
    assert decode(frame("books", LEVELS), known) == [THE_DELTA]
    assert decode(frame("books", LEVELS, symbol="ETHUSDT"), known) == Ignored("unknown-symbol")
    rows = (LIQUIDATION | {"symbol": "ETHUSDT"}, LIQUIDATION)
    assert decode(frame("liquidation", *rows, symbol=""), known) == [liquidation(PositionSide.LONG)]
    assert decode(frame("liquidation", rows[0], symbol=""), known) == Ignored("unknown-symbol")
    stock = msgspec.structs.replace(named("NVDAUSDT"), is_crypto=False)
    assert decode(frame("books", LEVELS, symbol="NVDAUSDT"), stock) == Ignored("tradfi")


def test_names_are_remembered_within_bounds() -> None:
    """A stream of ever new names is answered, and does not fill the memory."""
    decoder = Decoder({})
    for number in range(5_100):
        assert isinstance(decoder.decode(frame("kline", BAR, symbol=f"C{number}USDT", interval="1m"), TS_RECV), list)
    assert len(decoder.named) == 5_000
    assert decoder.named["C1USDT"].id == "C1-USDT-PERP.BITGET"


# --- answers ---

ANSWERS: list[tuple[str, str, Control]] = [
    ("pong", "pong", Control(None, None)),
    (
        "subscribed",
        '{"event":"subscribe","arg":{"instType":"usdt-futures","topic":"ticker","symbol":"BTCUSDT"},"connId":"0649f8ff"}',
        Control(None, None, '{"instType":"usdt-futures","topic":"ticker","symbol":"BTCUSDT"}'),
    ),
    (
        "subscribed, other order of keys",
        '{"arg":{"interval":"1H","symbol":"BTCUSDT","topic":"kline","instType":"usdt-futures"},"event":"subscribe"}',
        Control(None, None, '{"instType":"usdt-futures","topic":"kline","symbol":"BTCUSDT","interval":"1H"}'),
    ),
    (
        "subscribed to the whole market",
        '{"event":"subscribe","arg":{"instType":"usdt-futures","topic":"liquidation"},"connId":"x"}',
        Control(None, None, '{"instType":"usdt-futures","topic":"liquidation"}'),
    ),
    (
        "left: names nothing, lest it pass for an acknowledgement of subscribing anew",
        '{"event":"unsubscribe","arg":{"instType":"usdt-futures","topic":"books","symbol":"BTCUSDT"}}',
        Control(None, None),
    ),
    (
        "refused, the topic in the words",
        r'{"event":"error","code":30001,"msg":"{\"instType\":\"usdt-futures\",\"symbol\":\"XUSDT\",\"topic\":\"ticker\"}'
        " doesn't exist\"}",
        Control(
            None,
            '30001: {"instType":"usdt-futures","symbol":"XUSDT","topic":"ticker"} doesn\'t exist',
            '{"instType":"usdt-futures","topic":"ticker","symbol":"XUSDT"}',
        ),
    ),
    (
        "refused, the topic in arg",
        '{"event":"error","code":30001,"msg":"no","arg":{"instType":"usdt-futures","topic":"ticker","symbol":"X"}}',
        Control(None, "30001: no", '{"instType":"usdt-futures","topic":"ticker","symbol":"X"}'),
    ),
    ("refused, naming nothing", '{"event":"error","code":"30005","msg":"error"}', Control(None, "30005: error")),
    (
        "refused, and closing",
        '{"event":"error","code":30007,"msg":"request over limit, connection close"}',
        Control(None, "30007: request over limit, connection close", is_closing=True),
    ),
]


@pytest.mark.parametrize(("raw", "control"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_answers_name_what_they_are_about(raw: str, control: Control) -> None:
    """An answer is found again by the topic's name, whatever the order of its keys."""
    assert decode(raw.encode()) == control


def test_a_refusal_is_told_in_few_words() -> None:
    """However long the venue's words are, they fit a log line."""
    decoded = decode(json.dumps({"event": "error", "code": 1, "msg": "x" * 5000}).encode())
    assert isinstance(decoded, Control)
    assert decoded.error is not None
    assert len(decoded.error) == 120


def test_the_venue_hands_out_fresh_decoders() -> None:
    """What one connection saw is not remembered by the next."""
    first = VENUE.decoder({})
    first.decode(frame("kline", BAR, interval="1m"), TS_RECV)
    later = frame("kline", BAR | {"start": "1790757240000"}, interval="1m")
    assert VENUE.decoder({}).decode(later, TS_RECV) == [candle(minute=1)]


# --- the book that is built of it ---


def test_the_book_follows_the_venues_numbers() -> None:
    """Bridged after a snapshot, chained, a hole where `pseq` is 0, whole again with the next snapshot."""
    decoder, book = Decoder({}), OrderBook(BTC, on_applied=lambda _id, _top: None)
    top = {"a": [["11", "1"]], "b": [["10", "1"]]}
    pushed = [
        ("snapshot", 100, 0, top, BookChange.LIVE),
        ("update", 105, 98, {"a": [["11.5", "2"]], "b": []}, BookChange.APPLIED),
        ("update", 109, 105, {"a": [["11", "0"]], "b": []}, BookChange.APPLIED),
        ("update", 5, 0, {"a": [["12", "1"]], "b": []}, BookChange.HOLE),
        ("snapshot", 7, 0, top, BookChange.LIVE),
        ("update", 8, 7, {"a": [], "b": [["9", "1"]]}, BookChange.APPLIED),
        ("update", 11, 10, {"a": [], "b": [["9", "2"]]}, BookChange.HOLE),
    ]
    for n, (action, seq, pseq, levels, expected) in enumerate(pushed):
        raw = frame("books", levels | {"seq": seq, "pseq": pseq, "ts": str(MS + n)}, action=action)
        decoded = decoder.decode(raw, TS_RECV)
        assert isinstance(decoded, list)
        (event,) = decoded
        assert isinstance(event, BookDelta | BookSnapshot)
        change = book.apply(event) if isinstance(event, BookDelta) else book.restore(event)
        assert change is expected, (n, action)

"""OKX's frames, quirk by quirk: what becomes of each, and what an unbroken connection remembers."""

import json
from decimal import Decimal
from typing import TypeAlias

import pytest

from perpscope.engine.book import BookChange, OrderBook
from perpscope.errors import FrameError
from perpscope.model.instrument import Contract, Instrument, InstrumentId, instrument_id
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.okx import VENUE
from perpscope.venues.okx.stream import Decoder

Json: TypeAlias = dict[str, object]

TS_RECV = 1_800_000_000_000_000_000
MS = 1_790_757_203_897
BTC = InstrumentId("BTC-USDT-PERP.OKX")


def listed(base: str, contract_size: str, quote: str = "USDT") -> dict[str, Instrument]:
    """A catalogue of one perpetual."""
    symbol = f"{base}-{quote}-SWAP"
    known = Instrument(
        id=instrument_id("okx", base, quote),
        venue="okx",
        symbol=symbol,
        base=base,
        quote=quote,
        contract_size=Decimal(contract_size),
    )
    return {symbol: known}


def frame(channel: str, *rows: object, symbol: str = "BTC-USDT-SWAP", **more: object) -> bytes:
    """A message of one instrument."""
    return json.dumps({"arg": {"channel": channel, "instId": symbol}, **more, "data": list(rows)}).encode()


def trade(**changes: object) -> Json:
    """A row of `trades`."""
    return {"tradeId": "7", "px": "83003.8", "sz": "12.5", "side": "buy", "ts": str(MS), "count": "1"} | changes


def change(seq: int, prev: int, bids: object = (), asks: object = (), ts: int = MS) -> bytes:
    """An update of the BTC book."""
    row = {"asks": asks, "bids": bids, "ts": str(ts), "checksum": 0, "seqId": seq, "prevSeqId": prev}
    return frame("books", row, action="update")


def liquidations(*details: Json, symbol: str = "BTC-USDT-SWAP") -> bytes:
    """A message of one instrument's forced orders."""
    arg = {"channel": "liquidation-orders", "instType": "SWAP"}
    return json.dumps({"arg": arg, "data": [{"instId": symbol, "details": list(details)}]}).encode()


def forced(**changes: object) -> Json:
    """A forced order."""
    return {"side": "sell", "posSide": "long", "sz": "4", "bkPx": "80000", "ts": str(MS)} | changes


def events(decoded: Decoded) -> list[MarketEvent]:
    """The events of a frame that has some."""
    assert isinstance(decoded, list)
    assert decoded
    return decoded


def decode(raw: bytes, catalogue: dict[str, Instrument] | None = None) -> Decoded:
    """What a fresh connection makes of a frame."""
    return VENUE.decoder(catalogue or {}).decode(raw, TS_RECV)


# --- sizes ---


@pytest.mark.parametrize(
    ("contract_size", "contracts", "base_units"),
    [
        ("0.01", "13.2", 0.132),
        ("0.01", "0.07", 0.0007),
        ("0.1", "0.07", 0.007),
        ("1", "3", 3.0),
        ("10", "0.1", 1.0),
        ("10000000", "2.5", 25_000_000.0),
        ("0.001", "9.99", 0.00999),
    ],
    ids=str,
)
def test_contracts_become_base_units_in_every_channel(contract_size: str, contracts: str, base_units: float) -> None:
    """A size is contracts × contract size, as decimal arithmetic has it, whichever channel tells it."""
    assert base_units == float(Decimal(contracts) * Decimal(contract_size))
    catalogue = listed("XYZ", contract_size)
    symbol = "XYZ-USDT-SWAP"
    (traded,) = events(decode(frame("trades", trade(sz=contracts), symbol=symbol), catalogue))
    assert isinstance(traded, Trade)
    level = ["1", contracts, "0", "1"]
    top = {"bids": [level], "asks": [["2", contracts, "0", "1"]], "ts": str(MS), "seqId": 5}
    (quoted,) = events(decode(frame("bbo-tbt", top, symbol=symbol), catalogue))
    assert isinstance(quoted, Quote)
    row = {"bids": [level], "asks": [], "ts": str(MS), "seqId": 5, "prevSeqId": 4}
    (changed,) = events(decode(frame("books", row, symbol=symbol, action="update"), catalogue))
    assert isinstance(changed, BookDelta)
    (closed,) = events(decode(liquidations(forced(sz=contracts), symbol=symbol), catalogue))
    assert isinstance(closed, Liquidation)
    sizes = [traded.size, quoted.bid_size, quoted.ask_size, changed.bids[0][1], closed.size]
    assert sizes == pytest.approx([base_units] * 5, rel=5e-16, abs=0)
    if "." not in contracts:
        assert sizes == [base_units] * 5


def test_open_interest_is_what_is_told_in_coins() -> None:
    """Beside contracts and dollars stand the coins: they are taken as they are, whatever a contract is. Keeps S3-17."""
    told = {"instId": "XYZ-USDT-SWAP", "oi": "300000", "oiCcy": "3000.25", "oiUsd": "249000000.5", "ts": str(MS)}
    (found,) = events(decode(frame("open-interest", told, symbol="XYZ-USDT-SWAP"), listed("XYZ", "0.1")))
    assert isinstance(found, OpenInterest)
    assert (found.open_interest, found.open_interest_usd, found.ts_event) == (3000.25, 249_000_000.5, MS * 1_000_000)


def test_several_trades_of_a_message_keep_their_order() -> None:
    """A message may tell more than one trade: each is one, in the venue's order, with ids as numbers."""
    found = events(decode(frame("trades", trade(), trade(tradeId="9", side="sell", sz="1"))))
    assert [(event.trade_id, event.size, event.side.value) for event in found if isinstance(event, Trade)] == [
        (7, 0.125, "BUY"),
        (9, 0.01, "SELL"),
    ]


# --- which instruments are ours ---


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("BTC-USDT", "spot"),
        ("BTC-USD-SWAP", "inverse"),
        ("BTC-USDT-261225", "dated"),
        ("BTC-USD-261225-90000-C", "option"),
        ("SOL-USDT-SWAP", "contract-size-unknown"),
        ("BTC-USD_UM-SWAP", "unknown-symbol"),
        ("nonsense", "unknown-symbol"),
        ("BTC-USDT-SWAP" * 20, "unknown-symbol"),
    ],
    ids=["spot", "inverse", "dated", "option", "size-unknown", "other-quote", "nonsense", "long"],
)
def test_other_products_are_passed_over_and_sizes_never_guessed(symbol: str, reason: str) -> None:
    """Without a catalogue only instruments of known contract size have events; of the others the reason is told."""
    assert decode(frame("trades", trade(), symbol=symbol)) == Ignored(reason)
    assert decode(liquidations(forced(), symbol=symbol)) == Ignored(reason)


def test_a_catalogue_is_all_there_is() -> None:
    """With a catalogue, names in it alone are known, whatever their size would have been without."""
    decoder = Decoder(listed("SOL", "1"))
    assert len(events(decoder.decode(frame("trades", trade(), symbol="SOL-USDT-SWAP"), TS_RECV))) == 1
    assert decoder.decode(frame("trades", trade()), TS_RECV) == Ignored("unknown-symbol")
    assert decoder.named == {}


def test_a_catalogue_cannot_make_an_inverse_contract_ours() -> None:
    """A contract of 100 dollars has no size in coins, even if a catalogue lists it; nor are dated ones taken."""
    inverse = Instrument(
        id=InstrumentId("BTC-USD-PERP.OKX"),
        venue="okx",
        symbol="BTC-USD-SWAP",
        base="BTC",
        quote="USD",
        contract=Contract.INVERSE,
        contract_size=Decimal(100),
    )
    assert decode(frame("trades", trade(), symbol="BTC-USD-SWAP"), {"BTC-USD-SWAP": inverse}) == Ignored("inverse")


def test_instruments_read_by_name_are_told_and_few() -> None:
    """Names met without a catalogue are handed on with their contract sizes; there are no more than the table has."""
    decoder = VENUE.decoder({})
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", *(f"C{n}-USDT-SWAP" for n in range(100))):
        decoder.decode(frame("trades", trade(), symbol=symbol), TS_RECV)
    assert {symbol: str(one.contract_size) for symbol, one in decoder.named.items()} == {
        "BTC-USDT-SWAP": "0.01",
        "ETH-USDT-SWAP": "0.1",
    }


def test_a_broken_message_of_another_product_is_passed_over() -> None:
    """What another product's rows look like is none of our business; ours, broken alike, is refused."""
    assert decode(frame("trades", trade(px="0"), symbol="BTC-USDT")) == Ignored("spot")
    with pytest.raises(FrameError, match="px"):
        decode(frame("trades", trade(px="0")))


# --- the book ---


def test_a_book_follows_the_stream_through_silence_and_reset() -> None:
    """Snapshot, change, heartbeat, reset of the numbering and change chain in the engine's book without a hole."""
    decoder = VENUE.decoder({})
    book = OrderBook(BTC)
    whole = {
        "asks": [["101", "200", "0", "1"]],
        "bids": [["100", "100", "0", "1"]],
        "ts": str(MS),
        "checksum": 0,
        "seqId": 9001,
        "prevSeqId": -1,
    }
    (start,) = events(decoder.decode(frame("books", whole, action="snapshot"), TS_RECV))
    assert isinstance(start, BookSnapshot)
    assert book.restore(start) is BookChange.LIVE
    for raw in (
        change(9004, 9001, bids=[["100", "300", "0", "2"]], ts=MS + 100),
        change(9004, 9004, ts=MS + 60_100),
        change(12, 9004, asks=[["101", "0", "0", "0"], ["102", "50", "0", "1"]], ts=MS + 60_200),
        change(15, 12, bids=[["100.5", "1", "0", "1"]], ts=MS + 60_300),
    ):
        (delta,) = events(decoder.decode(raw, TS_RECV))
        assert isinstance(delta, BookDelta)
        assert delta.first_update_id <= delta.last_update_id
        assert book.apply(delta) is BookChange.APPLIED
    assert book.bids() == [(100.5, 0.01), (100.0, 3.0)]
    assert book.asks() == [(102.0, 0.5)]
    (lost,) = events(decoder.decode(change(21, 18, ts=MS + 60_400), TS_RECV))
    assert isinstance(lost, BookDelta)
    assert book.apply(lost) is BookChange.HOLE


@pytest.mark.parametrize(
    ("row", "action"),
    [
        ({"asks": [], "bids": [], "ts": str(MS), "seqId": 5, "prevSeqId": -1}, "update"),
        ({"asks": [], "bids": [], "ts": str(MS), "seqId": -1, "prevSeqId": 4}, "update"),
        ({"asks": [], "bids": [], "ts": str(MS), "seqId": 5, "prevSeqId": 4}, "replace"),
        ({"asks": [["1", "1"]], "bids": [], "ts": str(MS), "seqId": 5, "prevSeqId": 4}, "update"),
        ({"asks": [["0", "1", "0", "1"]], "bids": [], "ts": str(MS), "seqId": 5, "prevSeqId": 4}, "update"),
        ({"asks": [["2", "1", "0", "1"], ["1", "1", "0", "1"]], "bids": [], "ts": str(MS), "seqId": 5}, "snapshot"),
        ({"asks": [], "bids": [["1", "1", "0", "1"], ["2", "1", "0", "1"]], "ts": str(MS), "seqId": 5}, "snapshot"),
    ],
    ids=["update-after-none", "negative-id", "unknown-action", "short-level", "no-price", "asks-fall", "bids-rise"],
)
def test_a_broken_book_is_refused(row: Json, action: str) -> None:
    """What could not be put into a book in its place never gets near one."""
    with pytest.raises(FrameError):
        decode(frame("books", row, action=action))


def test_books_and_quotes_without_numbers_are_retired() -> None:
    """Frames of 2022 have no sequence numbers: nothing would show what is missing."""
    row = {"asks": [["2", "1", "0", "1"]], "bids": [["1", "1", "0", "1"]], "ts": str(MS)}
    assert decode(frame("books", row, action="snapshot")) == Ignored("retired-api")
    assert decode(frame("books", row, action="update")) == Ignored("retired-api")
    assert decode(frame("bbo-tbt", row)) == Ignored("retired-api")


# --- mark price, index, funding ---


def mark(price: str, ts: int = MS) -> bytes:
    """A `mark-price` message."""
    return frame("mark-price", {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": price, "ts": str(ts)})


def index(price: str) -> bytes:
    """An `index-tickers` message: the index has the name of the pair."""
    return frame("index-tickers", {"instId": "BTC-USDT", "idxPx": price, "ts": str(MS)}, symbol="BTC-USDT")


def funding(**changes: object) -> bytes:
    """A `funding-rate` message: due in 8 hours, then 8 hours later."""
    row = {
        "instId": "BTC-USDT-SWAP",
        "fundingRate": "0.0001",
        "fundingTime": "1790784000000",
        "nextFundingTime": "1790812800000",
        "ts": str(MS + 50),
    }
    return frame("funding-rate", row | changes)


def test_mark_index_and_funding_are_joined_on_their_connection() -> None:
    """Nothing before a mark price; then each mark or funding carries what was told last of the others."""
    decoder = VENUE.decoder({})
    assert decoder.decode(index("82999.5"), TS_RECV) == Ignored("mark-price-unknown")
    assert decoder.decode(funding(), TS_RECV) == Ignored("mark-price-unknown")
    due = (0.0001, 1_790_784_000_000_000_000, 8.0)
    assert decoder.decode(mark("83000.1"), TS_RECV) == [
        MarkPrice(BTC, MS * 10**6, TS_RECV, 83000.1, 82999.5, *due),
    ]
    assert decoder.decode(index("82990"), TS_RECV) == []
    assert decoder.decode(funding(fundingRate="-0.0002"), TS_RECV) == [
        MarkPrice(BTC, (MS + 50) * 10**6, TS_RECV, 83000.1, 82990.0, -0.0002, *due[1:]),
    ]
    assert VENUE.decoder({}).decode(mark("83000.1"), TS_RECV) == [
        MarkPrice(BTC, MS * 10**6, TS_RECV, 83000.1, None, None, None),
    ]


@pytest.mark.parametrize(
    ("changes", "interval_h"),
    [
        ({"nextFundingTime": "1790798400000"}, 4.0),
        ({"nextFundingTime": "1790787600000"}, 1.0),
        ({"nextFundingTime": ""}, None),
        ({"nextFundingTime": "1790784000000"}, None),
    ],
    ids=["4h", "1h", "not-told", "the-same"],
)
def test_the_funding_interval_is_what_lies_between_two_settlements(changes: Json, interval_h: float | None) -> None:
    """OKX says no interval: it follows from the two settlements ahead, where both are told."""
    decoder = VENUE.decoder({})
    decoder.decode(mark("83000.1"), TS_RECV)
    (found,) = events(decoder.decode(funding(**changes), TS_RECV))
    assert isinstance(found, MarkPrice)
    assert found.funding_interval_h == interval_h


# --- candles, liquidations ---


def test_a_forming_candle_is_as_of_our_receipt() -> None:
    """OKX does not say when it published a candle: a forming one is as of receipt, never outside its interval."""
    bar = ["1790757180000", "2", "4", "1", "3", "100", "1", "2.5", "0"]
    starts, ends = 1_790_757_180 * 10**9, 1_790_757_240 * 10**9
    for received, ts_event in ((starts + 7, starts + 7), (ends + 7, ends), (starts - 7, starts)):
        (candle,) = events(VENUE.decoder({}).decode(frame("candle1m", bar), received))
        assert isinstance(candle, Candle)
        assert (candle.ts_event, candle.is_closed) == (ts_event, False)


@pytest.mark.parametrize(
    "bar",
    [
        ["1790757180000", "2", "2.5", "1", "3", "100", "1", "2.5", "0"],
        ["1790757180000", "2", "4", "1", "3", "100", "1", "2.5"],
        ["1790757180000", "2", "4", "1", "3", "100", "1", "2.5", "2"],
        ["1790757180", "2", "4", "1", "3", "100", "1", "2.5", "1"],
    ],
    ids=["close-above-high", "confirm-missing", "confirm-unknown", "seconds"],
)
def test_a_broken_candle_is_refused(bar: list[str]) -> None:
    """Prices out of order, and rows that do not say whether they are closed, are no candles."""
    with pytest.raises(FrameError):
        decode(frame("candle1m", bar))


def test_two_alike_in_one_message_are_told_apart_and_known_again() -> None:
    """Identical forced orders of one message are several; sent again, they have the same names."""
    raw = liquidations(forced(), forced(), forced(sz="5"), forced())
    first, again = events(decode(raw)), events(decode(raw))
    assert first == again
    assert [event.venue_id for event in first if isinstance(event, Liquidation)] == ["", "2", "", "3"]


def test_a_position_is_closed_against_its_side_or_refused() -> None:
    """A long closed by buying contradicts itself: whose position it was is not guessed."""
    with pytest.raises(FrameError, match="posSide"):
        decode(liquidations(forced(side="buy", posSide="long")))


# --- answers ---

TOPIC = '{"channel":"trades","instId":"BTC-USDT-SWAP"}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"pong", Control(None, None)),
        (f'{{"id":"12","event":"subscribe","arg":{TOPIC},"connId":"a4d3ae55"}}'.encode(), Control(12, None, TOPIC)),
        (
            b'{"event":"subscribe","arg":{"instId":"BTC-USDT-SWAP","channel":"trades"}}',
            Control(None, None, TOPIC),
        ),
        (f'{{"id":"12","event":"unsubscribe","arg":{TOPIC}}}'.encode(), Control(12, None)),
        (
            b'{"id":"3","event":"error","code":"60018","msg":"Wrong URL or channel","connId":"a4d3ae55"}',
            Control(3, "60018: Wrong URL or channel"),
        ),
        (
            f'{{"event":"error","arg":{TOPIC},"code":"60018","msg":"no"}}'.encode(),
            Control(None, "60018: no", TOPIC),
        ),
        (b'{"id":"a7","event":"error","code":"60012","msg":"no"}', Control("a7", "60012: no")),
        (
            b'{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a4d3ae55"}',
            Control(None, "64008: The connection will soon be closed", is_closing=True),
        ),
        (b'{"event":"notice","code":"64099","msg":"news"}', Control(None, "64099: news")),
        (
            b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"a"}',
            Ignored("unlisted-channel"),
        ),
    ],
    ids=[
        "pong",
        "subscribed",
        "subscribed-other-order",
        "left",
        "refused-by-id",
        "refused-by-topic",
        "foreign-id",
        "closing",
        "notice",
        "count",
    ],
)
def test_answers_say_which_message_or_topic_they_are_about(raw: bytes, expected: Control | Ignored) -> None:
    """Acks name the topic as the plan does; a notice of closing is one; leaving is never taken for joining."""
    assert decode(raw) == expected
    assert VENUE.decoder({}).decode(memoryview(raw), TS_RECV) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event":"subscribe","connId":"a"}',
        b'{"event":7}',
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}}',
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[]}',
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":null}',
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"instId":"BTC-USDT-SWAP","details":[]}]}',
        b'{"data":[]}',
        b"ping",
    ],
    ids=["ack-of-nothing", "event-no-word", "no-data", "empty", "null", "no-details", "no-arg", "ping"],
)
def test_what_says_nothing_is_refused(raw: bytes) -> None:
    """Messages without what they are about, or without a row, are not what OKX documents."""
    with pytest.raises(FrameError) as caught:
        decode(raw)
    assert caught.value.venue == "okx"


def test_a_refusal_shows_little_of_the_frame() -> None:
    """However long a bad frame or the venue's words are, a message stays short."""
    with pytest.raises(FrameError) as caught:
        decode(frame("trades", trade(px="0"), symbol="BTC-USDT-SWAP", more="x" * 10_000))
    assert len(caught.value.message) < 400
    said = decode(json.dumps({"event": "error", "code": "60012", "msg": "x" * 10_000}).encode())
    assert isinstance(said, Control)
    assert len(said.error or "") <= 120

"""Real Binance recordings through the real decoders; skipped, visibly, where the recordings are not at hand."""

import gzip
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pytest
import zstandard

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookSnapshot,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    PositionSide,
    Quote,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.binance import VENUE, history, rest
from perpscope.venues.binance.stream import Decoder

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
TS_RECV = 1_800_000_000_000_000_000


def told(decoded: Decoded) -> str:
    """What a frame turned out to be, in a word or two."""
    match decoded:
        case Ignored(reason):
            return f"ignored: {reason}"
        case Control():
            return "control"
        case events:
            return " ".join(type(event).__name__ for event in events)


def only(decoded: Decoded) -> MarketEvent:
    """The one event of a frame."""
    assert isinstance(decoded, list)
    (event,) = decoded
    return event


# --- wire/normalised: what an independent normaliser made of the same messages ---


def normalised(folder: Path) -> list[tuple[bytes, list[Json]]]:
    """The n-th message and the n-th snapshot of its tests."""
    messages = json.loads((folder / "raw_messages.json").read_bytes())["binance futures messages"]["arrays"]["messages"]
    text = (folder / "expected.snapshot").read_text()
    found = re.findall(r"exports\[`mappers > map binance futures messages (\d+)`\] = `\n(.*?)\n`;", text, re.DOTALL)
    expected = {int(number): json.loads(body.replace(": undefined", ": null")) for number, body in found}
    return [(json.dumps(message).encode(), expected[number]) for number, message in enumerate(messages, start=1)]


#: Messages whose normal form says the same as ours, in the fields both have. Its `localTimestamp` is the receipt, and
#: its `lastPrice` and `openInterest` are carried over from earlier messages.
COMPARABLE = {3, 5, 10, 12, 13, 14, 15}
#: The other messages, what we make of them, and why no comparison is to be had.
NOT_COMPARABLE = {
    1: (
        "rejected",
        "aggTrade without its id `a`: not as documented to us, and it takes trades from the raw stream only",
    ),
    2: ("ignored: unlisted-channel", "24hrTicker: we do not listen to the last price of 24 h tickers"),
    4: ("ignored: unlisted-channel", "24hrTicker again: it found nothing new in it"),
    6: ("BookDelta", "a diff before the snapshot: it keeps it for later, we leave that to the book"),
    7: ("ignored: pseudo-stream", "depthSnapshot: the recorder made it from REST, mixed with a buffered diff"),
    8: ("BookDelta", "`pu` does not chain and is above `u`: it takes it, our book would tell a gap"),
    9: ("ignored: pseudo-stream", "openInterest: the recorder made it from REST"),
    11: ("ignored: insurance-fund", "insurance-fund trade: neither of us takes it"),
}


def nanoseconds(iso: object) -> int:
    """ISO time of a snapshot → ns UTC, exact to the millisecond."""
    return round(datetime.fromisoformat(str(iso)).timestamp() * 1000) * 1_000_000


def normal_form(event: MarketEvent) -> Json:
    """An event of ours in the other's words."""
    match event:
        case Trade():
            numbers = {"price": event.price, "amount": event.size, "side": event.side.value.lower()}
            return {"type": "trade", "timestamp": event.ts_event, "id": str(event.trade_id)} | numbers
        case Quote():
            bid = {"bidPrice": event.bid, "bidAmount": event.bid_size}
            ask = {"askPrice": event.ask, "askAmount": event.ask_size}
            return {"type": "book_ticker", "timestamp": event.ts_event} | bid | ask
        case MarkPrice():
            funding = {"fundingRate": event.funding_rate, "fundingTimestamp": event.ts_next_funding}
            prices = {"markPrice": event.mark, "indexPrice": event.index}
            return {"type": "derivative_ticker", "timestamp": event.ts_event} | funding | prices
        case Liquidation():
            order_side = "buy" if event.position_side is PositionSide.SHORT else "sell"
            numbers = {"price": event.bankruptcy_price, "amount": event.size, "side": order_side}
            return {"type": "liquidation", "timestamp": event.ts_event} | numbers
        case _:
            pytest.fail(f"no normal form for {event}")


def test_seven_messages_agree_with_an_independent_normaliser(recordings: Path) -> None:
    """Side, price, size and times are those that another program read from the same bytes. Keeps S4-34."""
    pairs = normalised(recordings / "wire" / "normalised")
    assert len(pairs) == len(COMPARABLE) + len(NOT_COMPARABLE) == 15
    for number in COMPARABLE:
        raw, (expected,) = pairs[number - 1]
        ours = normal_form(only(VENUE.decoder({}).decode(raw, TS_RECV)))
        theirs = {key: expected[key] for key in ours}
        theirs |= {key: nanoseconds(value) for key, value in theirs.items() if key.endswith("imestamp") and value}
        if ours["type"] == "book_ticker":  # it stamps quotes when published (`E`), we when matched (`T`)
            message = json.loads(raw)["data"]
            assert (ours.pop("timestamp"), theirs.pop("timestamp")) == (message["T"] * 10**6, message["E"] * 10**6)
        assert ours == theirs, number


@pytest.mark.parametrize("number", sorted(NOT_COMPARABLE))
def test_eight_messages_differ_for_a_stated_reason(recordings: Path, number: int) -> None:
    """Where no comparison is to be had, what we make of the message is stated with the reason."""
    raw, _ = normalised(recordings / "wire" / "normalised")[number - 1]
    made, reason = NOT_COMPARABLE[number]
    try:
        ours = told(VENUE.decoder({}).decode(raw, TS_RECV))
    except FrameError:
        ours = "rejected"
    assert ours == made, reason


# --- wire/liquidation-frames ---


def test_recorded_liquidations_have_the_right_side_and_size(recordings: Path) -> None:
    """Whose position was closed is what the recorder noted; size and prices are the order's. Keeps S0-20."""
    lines = (recordings / "wire" / "liquidation-frames" / "frames.jsonl").read_bytes().splitlines()
    notes = [note for line in lines if (note := json.loads(line))["venue"].startswith("binance")]
    assert len(notes) == 3
    for note in notes:
        event = only(VENUE.decoder({}).decode(json.dumps(note["frame"]).encode(), TS_RECV))
        order = note["frame"].get("data", note["frame"])["o"]
        assert isinstance(event, Liquidation)
        assert event.position_side.value == note["position"].upper()
        assert (event.size, event.fill_price) == (float(order["z"]), float(order["ap"]))
        assert event.bankruptcy_price == float(order["p"])


def test_frames_of_the_market_route_decode(recordings: Path) -> None:
    """Byte-exact frames of the routes of 2026 give one event each."""
    lines = (recordings / "wire" / "liquidation-frames" / "binance_usdm_market_20260808.txt").read_bytes().splitlines()
    kinds = [told(VENUE.decoder({}).decode(line, TS_RECV)) for line in lines]
    assert kinds == ["Trade", "MarkPrice", "Candle", "Liquidation"]


# --- wire/recordings and wire/binance: whole sessions ---


def session(path: Path) -> list[Json]:
    """Every line of a `.jsonl.zst` recording after its header."""
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][1:]


def kinds_of(rows: list[Json], decoder: Decoder) -> Counter[str]:
    """What the received frames of a session turned out to be."""
    frames = [str(row["data"]).encode() for row in rows if row["t"] == "recv"]
    return Counter(told(decoder.decode(frame, TS_RECV)) for frame in frames)


def test_a_session_of_2021_decodes_whole(recordings: Path) -> None:
    """1,535 frames of four instruments, none rejected, known by name or by its own catalogue. Keeps S1-02."""
    rows = session(recordings / "wire" / "recordings" / "binance_futures.jsonl.zst")
    listing = next(str(row["data"]).encode() for row in rows if "exchangeInfo" in str(row.get("url")))
    catalogue = {instrument.symbol: instrument for instrument in VENUE.instruments(listing).instruments}
    assert len(catalogue) == 121
    expected = Counter(BookDelta=764, Quote=613, Trade=91, Candle=67)
    assert kinds_of(rows, Decoder({})) == kinds_of(rows, Decoder(catalogue)) == expected


def test_recorded_snapshots_decode(recordings: Path) -> None:
    """REST books recorded beside the stream are whole and ordered."""
    rows = session(recordings / "wire" / "recordings" / "binance_futures.jsonl.zst")
    replies = [str(row["data"]).encode() for row in rows if "/depth" in str(row.get("url"))]
    books = [rest.snapshot(reply, BTC, TS_RECV) for reply in replies]
    assert len(books) == 4
    assert all(book.bids[0][0] < book.asks[0][0] for book in books)


def test_a_coin_m_session_gives_no_event(recordings: Path) -> None:
    """Contracts sized in units of 10 or 100 dollars are never priced as base units, nor catalogued. Keeps S4-33."""
    rows = session(recordings / "wire" / "recordings" / "binance_delivery.jsonl.zst")
    assert set(kinds_of(rows, Decoder({}))) == {"ignored: coin-m"}
    listing = next(str(row["data"]).encode() for row in rows if "exchangeInfo" in str(row.get("url")))
    assert VENUE.instruments(listing).instruments == []


def test_six_minutes_of_ticks_decode_whole(recordings: Path) -> None:
    """93,954 frames: quotes, trades, diffs and one snapshot without a symbol, nothing else. Keeps S2-33, S4-32."""
    decode = VENUE.decoder({}).decode
    kinds: Counter[str] = Counter()
    with gzip.open(recordings / "wire" / "binance" / "usdm_btcusdt_20240808.gz") as lines:
        for line in lines:
            stamp, _, raw = line.partition(b" ")
            event = only(decode(raw, int(stamp)))
            assert getattr(event, "instrument", None) == BTC
            kinds[type(event).__name__] += 1
    assert kinds == Counter(Quote=66_089, Trade=21_313, BookDelta=6_551, BookSnapshot=1)


# --- rest ---


def routes(recordings: Path, path: str) -> list[tuple[str, bytes]]:
    """Recorded replies of a REST path: (query, body)."""
    dump = json.loads(gzip.decompress((recordings / "rest" / "binance_futures_http.json.gz").read_bytes()))
    return [(reply["queryString"], json.dumps(reply["data"]).encode()) for reply in dump["routes"][path]["GET"]]


def payload(recordings: Path, name: str) -> bytes:
    """An example of the documentation."""
    folder = recordings / "rest" / "payloads" / "binance_resources" / "http_responses"
    return (folder / f"http_{name}.json").read_bytes()


def test_recorded_catalogues_decode(recordings: Path) -> None:
    """Catalogues of 2022 and 2025 give instruments with steps; COIN-M's gives none. Keeps S1-02."""
    replies = [
        payload(recordings, "futures_market_exchange_info"),
        *(raw for _, raw in routes(recordings, "/fapi/v1/exchangeInfo")),
    ]
    for reply in replies:
        instruments = {instrument.symbol: instrument for instrument in VENUE.instruments(reply).instruments}
        assert str(instruments["BTCUSDT"].tick_size) == "0.10"
        assert all(one.tick_size and one.step_size and one.min_notional for one in instruments.values())
    for _, reply in routes(recordings, "/dapi/v1/exchangeInfo"):
        assert VENUE.instruments(reply).instruments == []


def test_recorded_books_decode(recordings: Path) -> None:
    """Depth replies of each size give ordered books with the match's time."""
    replies = [payload(recordings, "futures_market_depth"), *(raw for _, raw in routes(recordings, "/fapi/v1/depth"))]
    for reply in replies:
        book = rest.snapshot(reply, BTC, TS_RECV)
        assert isinstance(book, BookSnapshot)
        assert book.ts_event == json.loads(reply)["T"] * 1_000_000
        assert book.bids[0][0] < book.asks[0][0]


def test_recorded_candles_decode_or_are_refused_for_their_length(recordings: Path) -> None:
    """Minutes decode (the spot API's rows are of the same shape); five minutes and days are not taken for minutes."""
    minutes = [raw for query, raw in routes(recordings, "/api/v3/klines") if "interval=1m" in query]
    assert minutes
    for reply in minutes:
        candles = history.candles(reply, BTC, Interval.M1, TS_RECV)
        assert len(candles) == len(json.loads(reply))
        assert all(candle.is_closed and candle.low <= candle.open <= candle.high for candle in candles)
    others = [raw for query, raw in routes(recordings, "/fapi/v1/klines") if "interval=1m" not in query]
    assert others
    for reply in [payload(recordings, "futures_market_klines"), *others]:
        with pytest.raises(FrameError, match=r"candle of \d+ s where 1m was asked|we cannot read"):
            history.candles(reply, BTC, Interval.M1, TS_RECV)


def test_recorded_premiums_decode(recordings: Path) -> None:
    """Mark price, index and funding of one and of all instruments. Keeps S2-29."""
    one = payload(recordings, "futures_market_premium_index")
    for reply in [one, *(raw for _, raw in routes(recordings, "/fapi/v1/premiumIndex"))]:
        rows = json.loads(reply)
        rows = rows if isinstance(rows, list) else [rows]
        ids = {row["symbol"]: InstrumentId(row["symbol"]) for row in rows}
        marks = history.mark_prices(reply, ids, TS_RECV)
        assert [mark.mark for mark in marks] == [float(row["markPrice"]) for row in rows]
        assert all(mark.index is not None and mark.funding_rate is not None for mark in marks)
    for _, reply in routes(recordings, "/dapi/v1/premiumIndex"):
        assert history.mark_prices(reply, {"BTCUSDT": BTC}, TS_RECV) == []

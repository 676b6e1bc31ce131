"""Real OKX recordings through the real decoders; skipped, visibly, where the recordings are not at hand."""

import json
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pytest
import zstandard

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    ContractUpdate,
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


def session(recordings: Path) -> list[Json]:
    """Every line of the recording of 2022 after its header."""
    with zstandard.open(recordings / "wire" / "recordings" / "okx.jsonl.zst", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][1:]


def listings(recordings: Path, product: str) -> bytes:
    """The catalogue of a product as recorded in 2022."""
    rows = session(recordings)
    return next(str(row["data"]).encode() for row in rows if f"instType={product}" in str(row.get("url")))


def catalogue_of_2022(recordings: Path) -> dict[str, Instrument]:
    """The perpetuals of then, with the contract sizes of then."""
    return {known.symbol: known for known in VENUE.instruments(listings(recordings, "SWAP")).instruments}


# --- wire/normalised: what an independent normaliser made of the same messages ---


def normalised(recordings: Path) -> list[tuple[Json, list[Json]]]:
    """The eleven v5 messages, in order, each with the snapshot of what became of it."""
    folder = recordings / "wire" / "normalised"
    arrays = json.loads((folder / "raw_messages.json").read_bytes())["okex-swap messages"]["arrays"]
    messages = arrays["okexSwapV5Messages"] + arrays["okexV5WithBookTickerMessages"]
    text = (folder / "expected.snapshot").read_text()
    found = re.findall(r"exports\[`mappers > map okex-swap messages (\d+)`\] = `\n(.*?)\n`;", text, re.DOTALL)
    snapshots = {int(number): json.loads(body.replace(": undefined", ": null")) for number, body in found}
    return [(message, snapshots[number]) for number, message in enumerate(messages, start=14)]


def nanoseconds(iso: object) -> int:
    """ISO time of a snapshot → ns UTC, exact to the millisecond."""
    return round(datetime.fromisoformat(str(iso)).timestamp() * 1000) * 1_000_000


def numbered(message: Json, **more: object) -> bytes:
    """The same message with the sequence numbers that every such message has today."""
    (row,) = message["data"] if isinstance(message["data"], list) else []
    return json.dumps(message | more | {"data": [row | {"seqId": 12, "prevSeqId": 11}]}).encode()


def test_an_independent_normaliser_sees_what_we_see(recordings: Path) -> None:
    """All eleven messages, in order on one connection: what we make of each, or why it is nothing. Keeps S4-34."""
    decoder = Decoder(catalogue_of_2022(recordings))
    ours = [told(decoder.decode(json.dumps(message).encode(), TS_RECV)) for message, _ in normalised(recordings)]
    assert ours == [
        "ignored: unlisted-channel",  # books-l2-tbt: for VIPs who log in; compared as `books` below
        "ignored: mark-price-unknown",  # funding: kept for the mark price; it has an event at once
        "Trade",
        "ignored: unlisted-channel",  # tickers: we take quotes from bbo-tbt and want no last price
        "ignored: mark-price-unknown",  # index: kept; it has no event either
        "MarkPrice",
        "OpenInterest",
        "ignored: mark-price-unknown",  # funding of a listing that was not funded yet
        "ignored: retired-api",  # bbo-tbt without seqId: it has no event, or one if told so; compared below
        "ignored: retired-api",
        "ignored: unlisted-channel",
    ]


def test_a_trade_agrees_with_the_normaliser(recordings: Path) -> None:
    """Side, price, id and time are the same; it counts 5 contracts where we have 0.05 BTC."""
    message, (theirs,) = normalised(recordings)[2]
    trade = only(VENUE.decoder({}).decode(json.dumps(message).encode(), TS_RECV))
    assert isinstance(trade, Trade)
    assert trade.side.value.lower() == theirs["side"]
    assert (str(trade.trade_id), trade.price) == (theirs["id"], theirs["price"])
    assert trade.ts_event == nanoseconds(theirs["timestamp"])
    assert trade.size == float(str(theirs["amount"])) / 100


def test_mark_index_funding_and_open_interest_agree_with_the_normaliser(recordings: Path) -> None:
    """Told apart and put together: rate, settlement, index, mark and open interest are those it ended with.

    Its times are not comparable: it stamps all of them with the receipt, we with the message's own.
    """
    pairs = normalised(recordings)
    catalogue = catalogue_of_2022(recordings)
    assert catalogue["WNCG-USDT-SWAP"].contract_size == 1
    decoder = Decoder(catalogue)
    events: list[MarketEvent] = []
    for message, _ in pairs[:7]:
        decoded = decoder.decode(json.dumps(message).encode(), TS_RECV)
        events += decoded if isinstance(decoded, list) else []
    _, mark, interest = events
    (theirs,) = pairs[6][1]
    assert isinstance(mark, MarkPrice)
    assert isinstance(interest, OpenInterest)
    assert (mark.mark, mark.index, mark.funding_rate) == (
        theirs["markPrice"],
        theirs["indexPrice"],
        theirs["fundingRate"],
    )
    assert mark.ts_next_funding == nanoseconds(theirs["fundingTimestamp"])
    assert interest.open_interest == theirs["openInterest"]
    assert (mark.ts_event, interest.ts_event) == (1_640_131_259_180 * 10**6, 1_640_131_258_756 * 10**6)


def test_a_first_funding_agrees_with_the_normaliser(recordings: Path) -> None:
    """A listing that was not funded yet has a settlement ahead and no rate, there as here."""
    message, (theirs,) = normalised(recordings)[7]
    decoder = Decoder(catalogue_of_2022(recordings))
    decoder.decode(json.dumps(message).encode(), TS_RECV)
    row = {"instId": "SOS-USDT-SWAP", "markPx": "0.000003", "ts": "1640822400000"}
    arg = {"channel": "mark-price", "instId": "SOS-USDT-SWAP"}
    mark = only(decoder.decode(json.dumps({"arg": arg, "data": [row]}).encode(), TS_RECV))
    assert isinstance(mark, MarkPrice)
    assert mark.funding_rate is theirs["fundingRate"] is None
    assert mark.ts_next_funding == nanoseconds(theirs["fundingTimestamp"])


def test_a_book_change_agrees_with_the_normaliser(recordings: Path) -> None:
    """The levels of a change of 2021, given today's channel and numbers: it counts contracts of 10 REN."""
    message, (theirs,) = normalised(recordings)[0]
    raw = numbered(message, arg={"channel": "books", "instId": "REN-USDT-SWAP"})
    delta = only(Decoder(catalogue_of_2022(recordings)).decode(raw, TS_RECV))
    assert isinstance(delta, BookDelta)
    for side, levels in (("bids", delta.bids), ("asks", delta.asks)):
        expected = theirs[side]
        assert isinstance(expected, list)
        assert levels == [(level["price"], level["amount"] * 10.0) for level in expected]
    assert delta.ts_event == nanoseconds(theirs["timestamp"])


def test_a_quote_agrees_with_the_normaliser(recordings: Path) -> None:
    """Best prices of 2022, given today's number: it counts contracts of 0.01 BTC."""
    message, (theirs,) = normalised(recordings)[9]
    quote = only(VENUE.decoder({}).decode(numbered(message), TS_RECV))
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.ask) == (theirs["bidPrice"], theirs["askPrice"])
    assert (quote.bid_size, quote.ask_size) == (
        float(str(theirs["bidAmount"])) / 100,
        float(str(theirs["askAmount"])) / 100,
    )
    assert quote.ts_event == nanoseconds(theirs["timestamp"])


# --- wire/recordings, wire/liquidation-frames ---


def test_a_session_of_2022_gives_no_event(recordings: Path) -> None:
    """410 frames of a dated, an inverse and a spot contract: every one explained, none rejected, none of them ours."""
    frames = [str(row["data"]).encode() for row in session(recordings) if row["t"] == "recv"]
    for decoder in (Decoder({}), Decoder(catalogue_of_2022(recordings))):
        kinds = Counter(told(decoder.decode(frame, TS_RECV)) for frame in frames)
        assert kinds.total() == len(frames) == 410
        assert kinds["control"] == 18
        assert kinds["ignored: unlisted-channel"] == 28
        assert kinds["ignored: dated"] + kinds["ignored: inverse"] + kinds["ignored: spot"] == 364
        assert decoder.named == {}


def test_its_books_would_be_of_a_retired_form(recordings: Path) -> None:
    """The same books under the name of a perpetual of ours: without sequence numbers there is no trusting them."""
    frames = [str(row["data"]) for row in session(recordings) if row["t"] == "recv"]
    books = [frame.replace("BTC-USD-220527", "BTC-USDT-SWAP").encode() for frame in frames if '"action"' in frame]
    kinds = Counter(told(Decoder({}).decode(frame, TS_RECV)) for frame in books)
    assert kinds["ignored: retired-api"] > 0
    assert set(kinds) == {"ignored: retired-api", "ignored: inverse", "ignored: spot"}


def test_recorded_liquidations_have_the_right_side_and_size(recordings: Path) -> None:
    """Whose position was closed is what the recorder noted; the size is contracts × contract size. Keeps S0-20."""
    lines = (recordings / "wire" / "liquidation-frames" / "frames.jsonl").read_bytes().splitlines()
    notes = [note for line in lines if (note := json.loads(line))["venue"] == "okx"]
    assert len(notes) == 2
    for note in notes:
        (row,) = note["frame"]["data"]
        (order,) = row["details"]
        raw = json.dumps(note["frame"]).encode()
        assert VENUE.decoder({}).decode(raw, TS_RECV) == Ignored("contract-size-unknown")
        base = row["instId"].removesuffix("-USDT-SWAP")
        known = Instrument(
            id=instrument_id("okx", base, "USDT"),
            venue="okx",
            symbol=row["instId"],
            base=base,
            quote="USDT",
            contract_size=Decimal(10),
        )
        event = only(VENUE.decoder({known.symbol: known}).decode(raw, TS_RECV))
        assert isinstance(event, Liquidation)
        assert event.position_side.value == note["position"].upper()
        assert event.size == float(order["sz"]) * 10
        assert (event.fill_price, event.bankruptcy_price) == (None, float(order["bkPx"]))
        assert event.ts_event == int(order["ts"]) * 10**6


# --- rest: catalogues and documented examples ---


def test_recorded_catalogues_decode(recordings: Path) -> None:
    """All linear ones of 166 perpetuals of 2022, two of three later, nothing of other products. Keeps S1-02."""
    then = catalogue_of_2022(recordings)
    rows = json.loads(listings(recordings, "SWAP"))["data"]
    linear = {
        row["instId"]: Decimal(row["ctVal"]) * Decimal(row["ctMult"]) for row in rows if row["ctType"] == "linear"
    }
    assert {symbol: known.contract_size for symbol, known in then.items()} == linear
    assert len(linear) < len(rows) == 166
    assert all(one.tick_size and one.step_size and one.max_leverage and one.is_trading for one in then.values())
    for product in ("SPOT", "FUTURES", "OPTION"):
        assert VENUE.instruments(listings(recordings, product)).instruments == []
    now = VENUE.instruments(payload(recordings, "http_get_instruments_swap")).instruments
    assert {one.symbol: (str(one.contract_size), str(one.step_size)) for one in now} == {
        "BTC-USDT-SWAP": ("0.01", "0.0001"),
        "ETH-USDT-SWAP": ("0.1", "0.001"),
    }
    for product in ("futures", "margin", "spot"):
        assert VENUE.instruments(payload(recordings, f"http_get_instruments_{product}")).instruments == []


def test_known_contract_sizes_are_those_recorded(recordings: Path) -> None:
    """What is known without a catalogue was the same in 2022 and in a later reply."""
    for raw in (listings(recordings, "SWAP"), payload(recordings, "http_get_instruments_swap")):
        listed = {one.symbol: one.contract_size for one in VENUE.instruments(raw).instruments}
        for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
            named = VENUE.instrument_named(symbol)
            assert named is not None
            assert named.contract_size == listed[symbol]


def payload(recordings: Path, name: str) -> bytes:
    """A captured reply or message."""
    return (recordings / "rest" / "payloads" / "okx" / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("ws_bbo_tbt", "ignored: spot"),
        ("ws_books_snapshot", "ignored: spot"),
        ("ws_books_update", "ignored: spot"),
        ("ws_trades", "ignored: spot"),
        ("ws_candle", "ignored: unlisted-channel"),
        ("ws_tickers", "ignored: unlisted-channel"),
        ("ws_funding_rate", "ignored: mark-price-unknown"),
        ("ws_instruments", "ContractUpdate"),
        ("ws_orders_liquidation", "ignored: unlisted-channel"),
    ],
)
def test_documented_messages_are_what_they_are(recordings: Path, name: str, made: str) -> None:
    """The examples of other programs, most of them of spot, are explained; none is rejected."""
    assert told(VENUE.decoder({}).decode(payload(recordings, name), TS_RECV)) == made


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ws_bbo_tbt", Quote),
        ("ws_books_snapshot", BookSnapshot),
        ("ws_books_update", BookDelta),
        ("ws_trades", Trade),
        ("ws_instruments", ContractUpdate),
    ],
)
def test_documented_messages_decode_under_our_own_name(recordings: Path, name: str, kind: type[MarketEvent]) -> None:
    """The same messages of a perpetual of ours are events: their shapes are those we expect."""
    message = json.loads(payload(recordings, name))
    if "instId" in message["arg"]:
        message["arg"]["instId"] = "BTC-USDT-SWAP"
    assert isinstance(only(VENUE.decoder({}).decode(json.dumps(message).encode(), TS_RECV)), kind)


def test_a_book_without_its_number_is_refused(recordings: Path) -> None:
    """The recorded book has no `seqId`: it cannot be placed against the stream."""
    btc = VENUE.instrument_named("BTC-USDT-SWAP")
    assert btc is not None
    with pytest.raises(FrameError, match="seqId"):
        VENUE.snapshot(payload(recordings, "http_get_order_book"), btc, TS_RECV)


def test_tiers_of_another_product_are_passed_over(recordings: Path) -> None:
    """The recorded tiers are of spot margin, without a family: they are nobody's."""
    btc = VENUE.instrument_named("BTC-USDT-SWAP")
    assert btc is not None
    assert VENUE.tiers(payload(recordings, "http_get_position_tiers"), {btc.symbol: btc}) == {}

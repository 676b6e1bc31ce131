"""Real Hyperliquid frames and replies through the real decoders; skipped, visibly, where they are not at hand."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import BookSnapshot, Liquidation, MarkPrice, OpenInterest, PositionSide, Trade
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.hyperliquid import VENUE
from perpscope.venues.hyperliquid.symbols import instrument_named

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDC-PERP.HYPERLIQUID")
TS_RECV = 1_800_000_000_000_000_000
LIQUIDATED = "0x360878d351f05975e25f1807a27895e1e5e004fb"


def session(recordings: Path) -> list[tuple[int, bytes]]:
    """26 seconds of books and trades: receipt (ns) and frame."""
    with gzip.open(recordings / "wire" / "hyperliquid" / "btc_20250126.gz") as lines:
        parts = [line.partition(b" ") for line in lines]
    return [(int(stamp), raw) for stamp, _, raw in parts]


def payload(recordings: Path, name: str) -> bytes:
    """A captured message or reply."""
    return (recordings / "rest" / "payloads" / "hyperliquid" / f"{name}.json").read_bytes()


def btc() -> Instrument:
    """Bitcoin's perpetual, by name."""
    instrument = instrument_named("BTC")
    assert instrument is not None
    return instrument


def told(decoded: Decoded) -> str:
    """What a frame turned out to be, in a word or two."""
    match decoded:
        case Ignored(reason):
            return f"ignored: {reason}"
        case Control():
            return "control"
        case events:
            return " ".join(sorted({type(event).__name__ for event in events}))


def test_26_seconds_decode_whole(recordings: Path) -> None:
    """55 frames: every one a book, live trades, or the 30 trades sent first; none rejected. Keeps S2-33, S4-32."""
    decode = VENUE.decoder({}).decode
    kinds = Counter(told(decode(raw, stamp)) for stamp, raw in session(recordings))
    assert kinds == Counter({"BookSnapshot": 46, "Trade": 8, "ignored: history": 1})


def test_recorded_events_say_what_the_frames_say(recordings: Path) -> None:
    """Sides, sizes, times and levels are those of the frames, read here a second time and by other means."""
    decode = VENUE.decoder({"BTC": btc()}).decode
    traded = 0
    for stamp, raw in session(recordings):
        data, decoded = json.loads(raw)["data"], decode(raw, stamp)
        if not isinstance(decoded, list):
            continue
        for number, event in enumerate(decoded):
            if isinstance(event, BookSnapshot):
                bids, asks = ([(float(one["px"]), float(one["sz"])) for one in side] for side in data["levels"])
                assert (event.bids, event.asks, event.last_update_id) == (bids, asks, data["time"])
                assert event.is_stream
                assert bids[0][0] < asks[0][0]
            else:
                assert isinstance(event, Trade)
                row = data[number]
                assert event.side.value == {"A": "SELL", "B": "BUY"}[row["side"]]
                assert (event.price, event.size, event.trade_id) == (float(row["px"]), float(row["sz"]), row["tid"])
                assert event.ts_event == row["time"] * 1_000_000
                traded += 1
            assert (getattr(event, "instrument", None), event.ts_recv) == (BTC, stamp)
    assert traded == 34


def test_takers_trade_at_the_touch_of_their_side(recordings: Path) -> None:
    """Whoever sells gets the bid, whoever buys pays the ask: the side is not the wrong way round. Keeps S4-33."""
    decode, book = VENUE.decoder({}).decode, None
    beyond = 0
    for stamp, raw in session(recordings):
        decoded = decode(raw, stamp)
        for event in decoded if isinstance(decoded, list) else []:
            if isinstance(event, BookSnapshot):
                book = event
            elif isinstance(event, Trade) and book is not None:
                mid = (book.bids[0][0] + book.asks[0][0]) / 2
                beyond += (event.price < mid) != (event.side.value == "SELL")
    assert beyond <= 1


def test_a_captured_forced_fill_is_a_short(recordings: Path) -> None:
    """A maker sold to the liquidated account, which was short; the frame itself, of user events, names no account."""
    raw = payload(recordings, "ws_user_fill_liquidation")
    assert VENUE.decoder({}).decode(raw, TS_RECV) == Ignored("unlisted-channel")
    fills = json.loads(raw)["data"]["fills"]
    for user, side in (("0x" + "1" * 40, PositionSide.SHORT), (LIQUIDATED, PositionSide.LONG)):
        frame = {"channel": "userFills", "data": {"user": user, "fills": fills}}
        decoded = VENUE.decoder({}).decode(json.dumps(frame).encode(), TS_RECV)
        assert isinstance(decoded, list)
        (event,) = decoded
        assert isinstance(event, Liquidation)
        assert (event.position_side, event.size, event.fill_price) == (side, 0.001, 66653.0)
        assert (event.ts_event, event.venue_id) == (1781528065899 * 10**6, "745210434703679")


def test_captured_fills_without_liquidation_are_passed_over(recordings: Path) -> None:
    """Perpetual and spot fills, dust and vault nettings, none of them forced."""
    fills = json.loads(payload(recordings, "http_user_fills_dust_conversion"))
    frame = {"channel": "userFills", "data": {"user": LIQUIDATED, "fills": fills}}
    assert VENUE.decoder({}).decode(json.dumps(frame).encode(), TS_RECV) == Ignored("no-liquidation")


def test_every_captured_context_is_priced(recordings: Path) -> None:
    """230 contracts of the venue's own exchange, 51 of them delisted with nulls: each a mark and an open interest."""
    raw = payload(recordings, "ws_all_dexs_asset_ctxs")
    assert VENUE.decoder({}).decode(raw, TS_RECV) == Ignored("unlisted-channel")
    contexts = json.loads(raw)["data"]["ctxs"]
    own = next(rows for dex, rows in contexts if dex == "")
    assert len(own) == 230
    decoder = VENUE.decoder({})
    for number, ctx in enumerate(own):
        frame = {"channel": "activeAssetCtx", "data": {"coin": f"C{number}", "ctx": ctx}}
        decoded = decoder.decode(json.dumps(frame).encode(), TS_RECV)
        assert isinstance(decoded, list)
        mark, interest = decoded
        assert isinstance(mark, MarkPrice)
        assert isinstance(interest, OpenInterest)
        assert (mark.mark, mark.index) == (float(ctx["markPx"]), float(ctx["oraclePx"]))
        assert (mark.funding_rate, interest.open_interest) == (float(ctx["funding"]), float(ctx["openInterest"]))


def test_captured_turnover_belongs_to_its_contract(recordings: Path) -> None:
    """The contexts, under made-up names in their order, give each its own day."""
    contexts = json.loads(payload(recordings, "ws_all_dexs_asset_ctxs"))["data"]["ctxs"]
    own = next(rows for dex, rows in contexts if dex == "")
    universe = [{"name": f"C{number}", "szDecimals": 2, "maxLeverage": 5} for number in range(len(own))]
    traded = VENUE.turnover(json.dumps([{"universe": universe}, own]).encode())
    assert traded == {f"C{number}": float(ctx["dayNtlVlm"]) for number, ctx in enumerate(own)}


@pytest.mark.parametrize("name", ["http_l2_book_btc", "http_l2_book_snapshot", "ws_book_data"])
def test_captured_books_decode(recordings: Path, name: str) -> None:
    """Books over REST and over the stream are of one shape, with or without the number of orders."""
    raw = payload(recordings, name)
    book = VENUE.snapshot(raw, btc(), TS_RECV)
    assert book.ts_event == json.loads(raw)["time"] * 1_000_000
    assert (len(book.bids), len(book.asks)) == (5, 5)
    framed = json.dumps({"channel": "l2Book", "data": json.loads(raw)}).encode()
    streamed = VENUE.decoder({}).decode(framed, TS_RECV)
    assert isinstance(streamed, list)
    (event,) = streamed
    assert isinstance(event, BookSnapshot)
    assert (event.bids, event.asks) == (book.bids, book.asks)


def test_captured_listings_decode(recordings: Path) -> None:
    """A listing from before the margin tables, and those of other exchanges with other collateral."""
    raw = payload(recordings, "http_meta_perp_sample")
    listed = {one.symbol: one for one in VENUE.instruments(raw).instruments}
    assert {symbol: str(one.step_size) for symbol, one in listed.items()} == {
        "BTC": "0.00001",
        "ETH": "0.0001",
        "ATOM": "0.01",
    }
    assert [one.max_leverage for one in listed.values()] == [40.0, 25.0, 5.0]
    assert all(one.is_trading for one in listed.values())
    assert VENUE.tiers(raw, {})["BTC"][0].mmr == pytest.approx(0.0125)
    metas = json.loads(payload(recordings, "http_all_perp_metas_non_usdc_collateral"))
    pages = [VENUE.instruments(json.dumps(meta).encode()).instruments for meta in metas]
    assert [[one.symbol for one in page] for page in pages] == [["BTC"], [], []]


def test_a_captured_account_holds_nothing(recordings: Path) -> None:
    """An account's state without positions is no event."""
    raw = payload(recordings, "http_clearinghouse_state_negative_total_raw_usd")
    assert VENUE.polled_events(f"hyperliquid/positions/{LIQUIDATED}", raw, TS_RECV, {}) == []


@pytest.mark.parametrize(
    "name",
    [
        "http_funding_history",
        "http_recent_trades_btc",
        "http_spot_clearinghouse_state",
        "http_spot_meta_non_usdc_collateral",
    ],
)
def test_replies_to_other_questions_are_not_taken_for_ours(recordings: Path, name: str) -> None:
    """Funding, trades and spot balances are no listing of ours, no book and no positions."""
    raw = payload(recordings, name)
    with pytest.raises(FrameError):
        VENUE.snapshot(raw, btc(), TS_RECV)
    with pytest.raises(FrameError):
        VENUE.polled_events(f"hyperliquid/positions/{LIQUIDATED}", raw, TS_RECV, {})
    with pytest.raises(FrameError):
        VENUE.turnover(raw)


def test_captured_mids_are_passed_over(recordings: Path) -> None:
    """Mid prices of everything, spot among them, are of a channel we do not ask for."""
    assert VENUE.decoder({}).decode(payload(recordings, "ws_allmids"), TS_RECV) == Ignored("unlisted-channel")

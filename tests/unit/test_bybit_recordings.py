"""Real Bybit recordings through the real decoders; skipped, visibly, where the recordings are not at hand."""

import gzip
import json
from pathlib import Path
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.market import Completeness, Liquidation, MarkPrice, OpenInterest, Sampling
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bybit import VENUE, rest
from perpscope.venues.bybit.symbols import instrument_named

Json: TypeAlias = dict[str, object]

TS_RECV = 1_800_000_000_000_000_000


def payload(recordings: Path, name: str) -> bytes:
    """A recorded reply or frame, as compact as the venue sends it."""
    value = json.loads((recordings / "rest" / "payloads" / "bybit" / f"{name}.json").read_bytes())
    return json.dumps(value, separators=(",", ":")).encode()


def told(raw: bytes) -> str:
    """What a frame turned out to be, in a word or two."""
    try:
        decoded: Decoded = VENUE.decoder({}).decode(raw, TS_RECV)
    except FrameError:
        return "rejected"
    match decoded:
        case Ignored(reason):
            return f"ignored: {reason}"
        case Control(error=None):
            return "acknowledged"
        case Control():
            return "refused"
        case events:
            return " ".join(type(event).__name__ for event in events)


# --- frames ---


def test_recorded_liquidations_have_the_right_side_and_size(recordings: Path) -> None:
    """Whose position was closed is what the recorder noted; size and bankruptcy price are the frame's. Keeps S0-20."""
    lines = (recordings / "wire" / "liquidation-frames" / "frames.jsonl").read_bytes().splitlines()
    notes = [note for line in lines if (note := json.loads(line))["venue"] == "bybit"]
    assert {note["position"] for note in notes} == {"long", "short"}
    for note in notes:
        (row,) = note["frame"]["data"]
        decoded = VENUE.decoder({}).decode(json.dumps(note["frame"]).encode(), TS_RECV)
        assert isinstance(decoded, list)
        (event,) = decoded
        assert isinstance(event, Liquidation)
        assert event.position_side.value == note["position"].upper()
        assert (event.size, event.fill_price, event.bankruptcy_price) == (float(row["v"]), None, float(row["p"]))
        assert (event.completeness, event.sampling) == (Completeness.COMPLETE, Sampling.NONE)
        assert event.ts_event == row["T"] * 1_000_000


#: Frames recorded by others, what we make of each, and why.
FRAMES = {
    "ws_ticker_linear": ("MarkPrice OpenInterest", "a ticker of 2023"),
    "ws_kline": ("ignored: unlisted-channel", "candles of five minutes"),
    "ws_public_trade": ("ignored: unlisted-channel", "a topic of the third API, `trade.linear.BTCUSDT`"),
    "ws_orderbook_snapshot": ("rejected", "no `cts`: the linear stream of 2026 always has it"),
    "ws_orderbook_delta": ("rejected", "no `cts`, and depth 1 is sent whole in 2026"),
    "ws_subscription_ack": ("acknowledged", "an answer with an id that is not ours"),
    "ws_subscription_failure": ("refused", "an answer without an id that names its topic"),
    "ws_auth_failure": ("refused", "an answer with a code"),
    "ws_auth_success": ("acknowledged", "an answer with a code"),
    "ws_order_response": ("acknowledged", "an answer of the trading socket"),
    "ws_account_order": ("ignored: unlisted-channel", "a private topic"),
    "ws_account_position": ("ignored: unlisted-channel", "a private topic"),
    "ws_account_execution": ("ignored: unlisted-channel", "a private topic"),
    "ws_account_wallet": ("ignored: unlisted-channel", "a private topic"),
    "ws_account_position_with_open_time": ("rejected", "a row of a private topic without its envelope"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_recorded_frames_are_what_is_stated(recordings: Path, name: str) -> None:
    """Frames of other years, products and sockets give an event or none, for a stated reason."""
    expected, reason = FRAMES[name]
    assert told(payload(recordings, name)) == expected, reason


# --- tickers of 321 instruments ---


def tickers(recordings: Path) -> tuple[bytes, int, list[dict[str, str]]]:
    """The reply as it came, its time in ms, and its rows."""
    raw = gzip.decompress((recordings / "rest" / "bybit_tickers_linear.json.gz").read_bytes())
    reply = json.loads(raw)
    return raw, reply["time"], reply["result"]["list"]


def test_every_recorded_name_is_read(recordings: Path) -> None:
    """321 linear contracts of January 2024: each is read off its name, 14 of them dated, all under different ids."""
    _, _, rows = tickers(recordings)
    named = [instrument_named(row["symbol"]) for row in rows]
    found = [instrument for instrument in named if instrument is not None]
    assert len(found) == len(rows) == len({instrument.id for instrument in found}) == 321
    assert sum(not instrument.is_perpetual for instrument in found) == 14
    assert {instrument.quote for instrument in found} == {"USDT", "USDC"}


def test_recorded_tickers_mean_mark_prices_and_open_interest(recordings: Path) -> None:
    """Each row, as the stream would have sent it: its own mark, index and funding, and half of its open interest."""
    _, ms, rows = tickers(recordings)
    decoder = VENUE.decoder({})
    for row in rows:
        frame = {"topic": f"tickers.{row['symbol']}", "type": "snapshot", "data": row, "cs": 1, "ts": ms}
        decoded = decoder.decode(json.dumps(frame).encode(), TS_RECV)
        assert isinstance(decoded, list)
        mark, held = decoded
        assert isinstance(mark, MarkPrice)
        assert isinstance(held, OpenInterest)
        assert (mark.mark, mark.index) == (float(row["markPrice"]), float(row["indexPrice"]))
        is_dated = row["deliveryTime"] != "0"
        assert mark.funding_rate == (None if is_dated else float(row["fundingRate"]))
        assert mark.ts_next_funding == (None if is_dated else int(row["nextFundingTime"]) * 1_000_000)
        assert held.open_interest == float(row["openInterest"]) / 2
        assert held.open_interest_usd == float(row["openInterestValue"]) / 2
        assert mark.ts_event == held.ts_event == ms * 1_000_000


def test_recorded_open_interest_is_worth_what_the_venue_says(recordings: Path) -> None:
    """Open interest × mark is its value: sizes are base units, not contracts of something else."""
    _, _, rows = tickers(recordings)
    off = [row["symbol"] for row in rows if not is_near(row)]
    assert off == []


def is_near(row: dict[str, str]) -> bool:
    """True if size × mark is the stated value, but for a cent."""
    size, mark, value = (float(row[name]) for name in ("openInterest", "markPrice", "openInterestValue"))
    return abs(size * mark - value) <= 0.005 * value + 0.01


def test_recorded_turnover_decodes(recordings: Path) -> None:
    """Quote units of 24 hours, every instrument of the reply."""
    raw, _, rows = tickers(recordings)
    assert VENUE.turnover(raw) == {row["symbol"]: float(row["turnover24h"]) for row in rows}


# --- rest ---


def test_recorded_catalogues_decode(recordings: Path) -> None:
    """Linear pages give instruments with steps; stocks are no coins; inverse pages give none, spot ones are refused."""
    page = VENUE.instruments(payload(recordings, "http_get_instruments_linear"))
    btc, eth = page.instruments
    assert (btc.id, str(btc.tick_size), str(btc.step_size)) == ("BTC-USDT-PERP.BYBIT", "0.5", "0.001")
    assert (eth.symbol, eth.max_leverage, str(eth.min_notional)) == ("ETHUSDT", 100.0, "5")
    assert page.after is None
    assert btc.funding_interval_h is None  # it says 8, which are no minutes
    (stock,) = VENUE.instruments(payload(recordings, "http_get_instruments_linear_symbol_type")).instruments
    assert (stock.symbol, stock.is_crypto, stock.funding_interval_h) == ("TSLAUSDT", False, 8.0)
    for name in ("http_get_instruments_inverse", "http_get_instruments_inverse_symbol_type"):
        assert VENUE.instruments(payload(recordings, name)).instruments == []
    with pytest.raises(FrameError, match="qtyStep"):
        VENUE.instruments(payload(recordings, "http_get_instruments_spot"))


def test_a_recorded_book_decodes(recordings: Path) -> None:
    """A depth reply gives an ordered book as of the match."""
    btc = instrument_named("BTCUSDT")
    assert btc is not None
    book = rest.snapshot(payload(recordings, "http_get_orderbook"), btc, TS_RECV)
    assert (book.last_update_id, book.ts_event) == (1_234_567, 1_709_891_679_000_000_000)
    assert book.bids == [(27450.5, 1.5), (27450.0, 2.0), (27449.5, 0.75)]
    assert book.asks[0] == (27451.0, 1.2)
    assert not book.is_stream

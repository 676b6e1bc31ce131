"""Every real recording there is, through the real decoders: nothing lost, nothing invented, all counted here."""

import asyncio
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import pytest
import zstandard

from perpscope.app.replay import ReplayReport, replay_tape
from perpscope.app.replay_cast import cast
from perpscope.errors import ConfigError
from perpscope.feeds.tape import Tape
from perpscope.model.market import Candle, Liquidation, MarkPrice, Trade
from perpscope.model.order import Arrival
from perpscope.stores.sqlite import SqliteReader

from .conftest import Ran

SESSION = "wire/binance/usdm_btcusdt_20240808.gz"


def test_a_recorded_session_is_digested_whole(perpscope: Callable[..., Ran], recordings: Path, tmp_path: Path) -> None:
    """93,954 real lines: every one decoded, no gap, the book equal to Binance's own best bid and ask each time.

    Keeps S0-20, S4-15.
    """
    ran = perpscope("replay", recordings / SESSION, "--db", tmp_path / "r.db", "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    assert report.pop("seconds") > 0
    assert report == {
        "frames": 93_954,
        "decoded": 93_954,
        "control": 0,
        "ignored": {},
        "rejected": 0,
        "events": {"quote": 66_089, "trade": 21_313, "book_delta": 6_551, "book_snapshot": 1},
        "gaps": 0,
        "book": {"compared": 6_547, "equal": 6_547},
        "venues": ["binance"],
        "form": "lines",
    }
    with SqliteReader.open(tmp_path / "r.db") as reader:
        covered = [row for row in reader.coverage() if row.kind == "covered"]
    assert {row.channel.value for row in covered} == {"quotes", "trades", "book"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_missing_diff_is_one_gap_and_an_unreadable_book(recordings: Path, tmp_path: Path, seed: int) -> None:
    """Any one diff line after the bridge removed, save the last: exactly one gap, nothing compared after it."""
    lines = gzip.decompress((recordings / SESSION).read_bytes()).splitlines(keepends=True)
    diffs = [at for at, line in enumerate(lines) if b'"depthUpdate"' in line]
    bridge = diffs.index(41)
    removed = random.Random(seed).choice(diffs[bridge + 1 : -1])
    path = tmp_path / "holed.txt"
    path.write_bytes(b"".join(line for at, line in enumerate(lines) if at != removed))
    report = replay_tape(path)
    applied_before = diffs.index(removed) - bridge
    assert report.gaps == 1
    assert (report.book.compared, report.book.equal) == (applied_before, applied_before)


def told(path: Path) -> list[dict[str, Any]]:
    """The lines of a recording in JSON lines."""
    with zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True) as plain:
        return [json.loads(line) for line in io.TextIOWrapper(plain, "utf-8")]


def frames_of(path: Path) -> list[dict[str, Any]]:
    """The frames of a recording in JSON lines."""
    return [json.loads(row["data"]) for row in told(path) if row["t"] == "recv"]


def adds_up(report: ReplayReport) -> bool:
    """True if every frame is in exactly one of the columns."""
    return report.frames == report.decoded + report.control + sum(report.ignored.values()) + report.rejected


def test_four_books_of_2021_equal_their_best_bid_and_ask(recordings: Path) -> None:
    """Another session, other symbols: nothing rejected, no gap, every comparison equal."""
    path = recordings / "wire/recordings/binance_futures.jsonl.zst"
    report = replay_tape(path)
    sent = Counter(frame["stream"].partition("@")[2].partition("@")[0].partition("_")[0] for frame in frames_of(path))
    assert (report.frames, report.rejected, report.gaps) == (1_535, 0, 0)
    assert (report.venues, report.form) == (["binance"], "json-lines")
    assert report.events == {
        "trade": sent["aggTrade"],
        "quote": sent["bookTicker"],
        "book_delta": sent["depth"],
        "candle": sent["kline"],
        "book_snapshot": sum(row["t"] == "http" and "/depth" in row["url"] for row in told(path)),
    }
    assert report.events["book_snapshot"] == 4
    assert report.book.compared == report.book.equal > 700


def test_one_of_four_instruments(recordings: Path, tmp_path: Path) -> None:
    """Picked by its coin out of the catalogue recorded with it; misspelt, it has a neighbour."""
    path = recordings / "wire/recordings/binance_futures.jsonl.zst"
    report = replay_tape(path, symbol="SUSHI", database=tmp_path / "r.db")
    streams = Counter(frame["stream"].partition("@")[2] for frame in frames_of(path) if "sushiusdt" in frame["stream"])
    assert (report.frames, report.decoded) == (1_535, 1_535)
    assert (report.events["trade"], report.events["quote"]) == (streams["aggTrade"], streams["bookTicker"])
    assert report.book.compared == report.book.equal > 100
    with pytest.raises(ConfigError, match="SUSIUSDT") as caught:
        replay_tape(path, symbol="SUSIUSDT")
    assert caught.value.hint == "did you mean 'SUSHIUSDT'?"


def test_coin_margined_frames_become_no_event(recordings: Path) -> None:
    """COIN-M contracts are never priced as base units: each frame is passed over by name."""
    report = replay_tape(recordings / "wire/recordings/binance_delivery.jsonl.zst")
    assert report.events == {}
    assert report.ignored == {"coin-m": 4_371}
    assert report.rejected == 0


def test_what_okx_sent_in_2022_is_passed_over_by_name(recordings: Path) -> None:
    """Its instruments are inverse, dated and spot: each frame is counted under what it is, none rejected."""
    path = recordings / "wire/recordings/okx.jsonl.zst"
    report = replay_tape(path)
    kinds = {1: "spot", 2: "inverse"}
    counted = Counter(
        "control"
        if "event" in frame
        else "unlisted-channel"
        if frame["arg"]["channel"] == "tickers"
        else "dated"
        if frame["arg"]["instId"][-1].isdigit()
        else kinds[frame["arg"]["instId"].count("-")]
        for frame in frames_of(path)
    )
    assert {"control": report.control, **report.ignored} == counted
    assert (report.venues, report.events, report.rejected, report.form) == (["okx"], {}, 0, "json-lines")
    assert adds_up(report)


def test_what_bitget_sent_in_2022_is_of_a_retired_api(recordings: Path) -> None:
    """Two connections, neither of which speaks as the venue does now."""
    path = recordings / "wire/recordings/bitget.jsonl.zst"
    report = replay_tape(path)
    assert (report.venues, report.ignored, report.rejected) == (["bitget"], {"retired-api": len(frames_of(path))}, 0)
    assert adds_up(report)


def test_hyperliquid_frames_tell_their_venue(perpscope: Callable[..., Ran], recordings: Path) -> None:
    """Nothing but the frames says whose they are; the trades before the subscription are no news."""
    path = recordings / "wire/hyperliquid/btc_20250126.gz"
    frames = [json.loads(line.partition(b" ")[2]) for line in gzip.decompress(path.read_bytes()).splitlines()]
    books = sum(frame["channel"] == "l2Book" for frame in frames)
    trades = [frame["data"] for frame in frames if frame["channel"] == "trades"]
    backlog = trades[0]
    assert len({row["time"] for row in backlog}) > 1
    ran = perpscope("replay", path, "--json")
    assert (ran.code, ran.err) == (0, "lines of hyperliquid\n")
    report = ran.json
    assert report["events"] == {"book_snapshot": books, "trade": sum(map(len, trades[1:]))}
    assert (report["frames"], report["decoded"], report["ignored"]) == (len(frames), len(frames) - 1, {"history": 1})
    assert (report["rejected"], report["gaps"], report["book"]) == (0, 0, {"compared": 0, "equal": 0})
    assert (report["venues"], report["form"]) == (["hyperliquid"], "lines")


def events_of(path: Path) -> list[Arrival]:
    """Every event of a recording."""
    feed = cast(Tape(path), None, None, print).feed()

    async def drain() -> list[Arrival]:
        return [event async for batch in feed.batches() for event in batch]

    return asyncio.run(drain())


def test_captured_liquidations_close_the_side_they_did(recordings: Path) -> None:
    """Three venues in one file, each with the position's true side; OKX's sizes cannot be told without a catalogue."""
    path = recordings / "wire/liquidation-frames/frames.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    report = replay_tape(path)
    assert (report.venues, report.form) == (["binance", "bybit", "okx"], "captures")
    assert report.ignored == {"contract-size-unknown": sum(row["venue"] == "okx" for row in rows)}
    assert (report.frames, report.rejected) == (len(rows), 0)
    assert adds_up(report)
    sides = [row["position"] for row in rows if row["venue"] != "okx"]
    told = [event for event in events_of(path) if isinstance(event, Liquidation)]
    assert [event.position_side.value.lower() for event in told] == sides
    assert [event.ts_recv for event in told] == sorted(event.ts_recv for event in told)


def test_bare_frames_are_received_when_they_say(recordings: Path) -> None:
    """One frame a line and nothing else: one event each, at the first time within it, never going back."""
    path = recordings / "wire/liquidation-frames/binance_usdm_market_20260808.txt"
    report = replay_tape(path)
    assert (report.venues, report.form, report.rejected) == (["binance"], "frames", 0)
    assert report.events == {"trade": 1, "mark_price": 1, "candle": 1, "liquidation": 1}
    events = [event for event in events_of(path) if isinstance(event, Trade | MarkPrice | Candle | Liquidation)]
    stamps = [json.loads(line)["data"]["E"] * 1_000_000 for line in path.read_text("utf-8").splitlines()]
    assert [event.ts_recv for event in events] == [max(stamps[: n + 1]) for n in range(len(stamps))]


def test_messages_of_three_venues_in_one_object(recordings: Path) -> None:
    """Each group is its venue's, by whatever name; only a trade of 2019 that lacks its id is rejected."""
    path = recordings / "wire/normalised/raw_messages.json"
    groups = json.loads(path.read_bytes())
    messages = [message for group in groups.values() for array in group["arrays"].values() for message in array]
    report = replay_tape(path)
    assert (report.frames, report.venues, report.form) == (len(messages), ["binance", "bitget", "okx"], "groups")
    assert adds_up(report)
    assert report.rejected == len([message for message in messages if _is_old_trade(message.get("data"))]) == 1
    assert report.ignored["retired-api"] >= len([message for message in messages if "table" in message]) == 9
    assert report.decoded >= 10


def _is_old_trade(data: object) -> bool:
    """An aggregate trade of 2019, which had no id."""
    return isinstance(data, dict) and data.get("e") == "aggTrade" and "a" not in data


@pytest.mark.parametrize("name", ["wire/normalised/expected.snapshot", "wire/normalised", "wire/none.gz"])
def test_what_is_no_recording_is_refused(perpscope: Callable[..., Ran], recordings: Path, name: str) -> None:
    """An oracle's text, a folder, nothing: one error that says which, and what there might have been."""
    ran = perpscope("replay", recordings / name, "--json")
    assert (ran.code, ran.out) == (3, "")
    code = "recording-form" if name.endswith("snapshot") else "recording-missing"
    assert f"error {code}" in ran.err
    assert ("lines of `<receipt ns> <frame>`" in ran.err) == (code == "recording-form")


#: Day of June 2026 and kind, of the files there are.
_DAYS = ["11_ctx", "11_l2", "11_trades", "12_ctx", "12_trades", "13_ctx", "13_trades", "14_ctx", "15_ctx", "16_ctx"]
BOOKS = [
    *(f"hyperliquid_{coin}_202606{day}" for coin in ("btc", "eth", "sol") for day in _DAYS),
    *(f"hyperliquid_doge_20260614_{kind}" for kind in ("ctx", "l2", "trades")),
]
#: A file of rows is replayed up to here.
_MOST_ROWS = 20_000
_EVENTS = {"px": ("trade",), "bids": ("book_snapshot",), "oi": ("mark_price", "open_interest")}


@pytest.mark.parametrize("name", BOOKS)
def test_rows_become_an_event_each(recordings: Path, tmp_path: Path, name: str) -> None:
    """Whatever their kind: as many events as rows, repeated ones included, of the coin the file is named after."""
    packed = recordings / "books" / f"{name}.jsonl.gz"
    with gzip.open(packed) as file:
        lines = list(islice(file, _MOST_ROWS))
    expected = Counter(kind for line in lines for key in json.loads(line) for kind in _EVENTS.get(key, ()))
    path = packed
    if len(lines) == _MOST_ROWS:
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(b"".join(lines))
    report = replay_tape(path, database=tmp_path / "r.db")
    assert (report.frames, report.decoded, report.rejected, report.gaps) == (len(lines), len(lines), 0, 0)
    assert (report.events, report.venues, report.form) == (dict(expected), ["hyperliquid"], "rows")
    assert report.book.compared == 0
    with SqliteReader.open(tmp_path / "r.db") as reader:
        covered = {row.instrument for row in reader.coverage() if row.kind == "covered"}
    assert covered == {f"{name.split('_')[1].upper()}-USDC-PERP.HYPERLIQUID"}


def test_rows_keep_their_figures(recordings: Path) -> None:
    """Price, size, side and time of each trade as written; receipt never goes back where the file does."""
    path = recordings / "books/hyperliquid_sol_20260611_trades.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    trades = [event for event in events_of(path) if isinstance(event, Trade)]
    sides = {"B": "BUY", "A": "SELL"}
    assert [(t.ts_event // 10**6, t.price, t.size, t.side.value) for t in trades] == [
        (row["ts"], row["px"], row["sz"], sides[row["side"]]) for row in rows
    ]
    assert [trade.ts_recv for trade in trades] == [*accumulate((row["ts"] * 10**6 for row in rows), max)]
    assert len({trade.trade_id for trade in trades}) == len(rows)


def test_no_recording_is_left_out(recordings: Path) -> None:
    """Every file under `wire` and `books` is replayed, or refused, by a test of this file."""
    text = Path(__file__).read_text("utf-8")
    wire = [path for path in (recordings / "wire").rglob("*") if path.is_file()]
    assert [path.name for path in wire if path.name not in text] == []
    assert sorted(path.name for path in (recordings / "books").iterdir()) == sorted(f"{n}.jsonl.gz" for n in BOOKS)

"""Real recorded Binance frames, through the real command line: nothing lost, nothing invented."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from perpscope.app.replay import replay_tape
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


def test_four_books_of_2021_equal_their_best_bid_and_ask(recordings: Path) -> None:
    """Another session, other symbols: nothing rejected, no gap, every comparison equal."""
    report = replay_tape(recordings / "wire/recordings/binance_futures.jsonl.zst")
    assert (report.frames, report.rejected, report.gaps) == (1_535, 0, 0)
    assert report.events["book_snapshot"] == 4
    assert report.book.compared == report.book.equal > 700


def test_coin_margined_frames_become_no_event(recordings: Path) -> None:
    """COIN-M contracts are never priced as base units: each frame is passed over by name."""
    report = replay_tape(recordings / "wire/recordings/binance_delivery.jsonl.zst")
    assert report.events == {}
    assert report.ignored == {"coin-m": 4_371}
    assert report.rejected == 0


def test_a_venue_not_known_yet_is_refused_in_words(perpscope: Callable[..., Ran], recordings: Path) -> None:
    """A Hyperliquid recording is no Binance recording: said once, exit 3."""
    ran = perpscope("replay", recordings / "wire/hyperliquid/btc_20250126.gz", "--json")
    assert ran.code == 3
    assert "error recording-venue" in ran.err
    assert ran.out == ""

"""Real Bitget recordings, all of retired APIs, through the real decoder; skipped, visibly, where they are not at hand.

No recording of the v3 API is at hand: its frames are tested as hand-written ones only.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from perpscope.errors import FrameError
from perpscope.model.stream import Control, Ignored
from perpscope.venues.bitget import VENUE

TS_RECV = 1_800_000_000_000_000_000


def counted(frames: list[bytes]) -> Counter[str]:
    """Frames by what became of them, on one connection."""
    decoder, counts = VENUE.decoder({}), Counter[str]()
    for raw in frames:
        try:
            decoded = decoder.decode(raw, TS_RECV)
        except FrameError:
            counts["rejected"] += 1
            continue
        match decoded:
            case Ignored(reason):
                counts[f"ignored: {reason}"] += 1
            case Control():
                counts["control"] += 1
            case _:
                counts["decoded"] += 1
    return counts


def test_a_session_of_the_v1_api_gives_no_event_and_no_fault(recordings: Path) -> None:
    """Frames = decoded + control + ignored + rejected: all 1,157 of 2022 are passed over by name. Keeps S1-02."""
    with zstandard.open(recordings / "wire" / "recordings" / "bitget.jsonl.zst", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    frames = [str(row["data"]).encode() for row in rows if row["t"] == "recv"]
    assert counted(frames) == {"ignored: retired-api": 1157}
    assert len(frames) == 1157


def test_the_v2_pairs_are_passed_over_one_by_one(recordings: Path) -> None:
    """Eleven real messages of v2, answers to subscriptions among them, are the retired API's. Keeps S4-33."""
    dump = json.loads((recordings / "wire" / "normalised" / "raw_messages.json").read_bytes())
    messages = dump["bitget-futures messages"]["arrays"]["messages"]
    decoded = [VENUE.decoder({}).decode(json.dumps(message).encode(), TS_RECV) for message in messages]
    assert decoded == [Ignored("retired-api")] * 11


def test_replies_of_the_v1_api_are_refused_or_hold_nothing_of_ours(recordings: Path) -> None:
    """A catalogue of another API is not read as one of ours."""
    with zstandard.open(recordings / "wire" / "recordings" / "bitget.jsonl.zst", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    replies = [str(row["data"]).encode() for row in rows if row["t"] == "http"]
    assert len(replies) == 3
    for reply in replies:
        with pytest.raises(FrameError, match="we cannot read"):
            VENUE.instruments(reply)

"""200,000 broken frames: each is counted as rejected or passed over by name, memory stays flat, the stream goes on."""

import gc
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from perpscope.engine.engine import Engine
from perpscope.errors import FrameError
from perpscope.feeds.counts import FrameCounts
from perpscope.model.market import MarketEvent
from perpscope.venues.binance import VENUE

FRAMES = 200_000
_GOOD = [
    json.loads(line) for line in (Path(__file__).parents[1] / "frames/binance/market.jsonl").read_text().splitlines()
]
_WORDS = [
    b"NaN",
    b"-1",
    b"1e999",
    b'""',
    b"null",
    b"[]",
    b"{}",
    b"true",
    b"99999999999999999999",
    b'"\\ud800"',
    b"\xff\xfe",
]


def _mutated(rng: random.Random, frames: list[bytes]) -> Iterator[bytes]:
    """Cut, flipped, wrong types, NaN, huge numbers, 300 kB, invalid UTF-8."""
    while True:
        frame = bytearray(rng.choice(frames))
        kind = rng.randrange(6)
        if kind == 0:
            del frame[rng.randrange(len(frame)) :]
        elif kind == 1:
            for _ in range(rng.randint(1, 4)):
                frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        elif kind == 2:
            at = frame.find(b":", rng.randrange(len(frame)))
            end = min((e for e in (frame.find(b",", at), frame.find(b"}", at)) if e > at), default=len(frame))
            frame[at + 1 : end] = rng.choice(_WORDS)
        elif kind == 3:
            start = rng.randrange(len(frame))
            del frame[start : start + rng.randint(1, 30)]
        elif kind == 4:
            at = rng.randrange(len(frame))
            frame[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        elif rng.random() < 0.002:
            frame[10:10] = rng.choice((b"[", b"9", b"\x00")) * 300_000
        yield bytes(frame)


def _resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc, which this system has not")
    return int(statm.read_text().split()[1]) * 4096


def test_two_hundred_thousand_mutated_frames() -> None:
    """Only `FrameError`, an answer or finite events; every thousandth frame is good and gets through.

    Keeps S2-22, S4-33, S4-44.
    """
    seed = 20_261_121
    rng = random.Random(seed)
    good = [msgspec.json.encode(line["frame"]) for line in _GOOD if line.get("events")]
    decoder = VENUE.decoder({})
    engine = Engine(sinks=[])
    counts = FrameCounts()
    through = 0
    resident = 0
    for number, frame in enumerate(_mutated(rng, good), start=1):
        if number > FRAMES:
            break
        _take(decoder.decode, frame, counts, engine)
        if number % 1_000 == 0:
            before = counts.decoded
            _take(decoder.decode, good[0], counts, engine)
            through += counts.decoded - before
        if number == FRAMES // 4:
            gc.collect()
            resident = _resident_bytes()
    gc.collect()
    grown = _resident_bytes() - resident
    print(f"seed {seed}: {counts.frames:,} frames, {counts.rejected:,} rejected, memory grew by {grown / 1e6:.1f} MB")
    assert counts.frames == FRAMES + FRAMES // 1_000
    assert counts.rejected > FRAMES // 4
    assert through == FRAMES // 1_000
    assert grown < 20_000_000
    assert len(counts.samples) == 20


def _take(decode: object, frame: bytes, counts: FrameCounts, engine: Engine) -> None:
    assert callable(decode)
    try:
        decoded = decode(frame, 1_790_000_000_000_000_000)
    except FrameError as error:
        counts.reject(str(error), frame)
        return
    if isinstance(decoded, list):
        counts.decoded += 1
        for event in decoded:
            _check_finite(event)
            engine.process(event)
    elif hasattr(decoded, "reason"):
        counts.ignored[decoded.reason] += 1
    else:
        counts.control += 1


def _check_finite(event: MarketEvent) -> None:
    for value in msgspec.structs.asdict(event).values():
        if isinstance(value, float):
            assert math.isfinite(value), event

"""Broken frames of every venue: each is rejected or passed over by name, memory stays flat, the stream goes on.

200,000 in `./check`, 1,000,000 in `./check soak`, over all venues together.
"""

import gc
import math
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from perpscope.app.venues import find, names
from perpscope.engine.engine import Engine
from perpscope.errors import FrameError
from perpscope.feeds.counts import FrameCounts
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent
from perpscope.model.stream import Ignored
from perpscope.ports import Decoder, Venue

_FRAMES = Path(__file__).parents[1] / "frames"
_VENUES = names()
_GOOD_EVERY = 1_000  #: frames after which a good one has to get through
_TS_RECV = 1_800_000_000_000_000_000
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


class _Golden(msgspec.Struct):
    frame: msgspec.Raw
    events: list[dict[str, object]]


@pytest.mark.parametrize("name", _VENUES)
@pytest.mark.parametrize(
    "together",
    [
        pytest.param(200_000, id="200_000"),
        pytest.param(1_000_000, id="1_000_000", marks=[pytest.mark.soak, pytest.mark.timeout(1200)]),
    ],
)
def test_mutated_frames_cost_only_themselves(name: str, together: int) -> None:
    """Only `FrameError`, an answer or finite events; every thousandth frame is good and gets through.

    Keeps S2-22, S4-33, S4-44.
    """
    frames = together // len(_VENUES)
    seed = 20_261_121
    venue = find(name)
    golden = [
        msgspec.json.decode(line, type=_Golden) for line in (_FRAMES / name / "market.jsonl").read_bytes().splitlines()
    ]
    seeds = [*(_compact(line.frame) for line in golden), *(bytes(line.frame) for line in golden)]
    good = next(_compact(line.frame) for line in golden if line.events)
    decoders = venue.decoder({}), venue.decoder(_catalogue(venue))
    engine = Engine(sinks=[])
    counts = FrameCounts()
    through = resident = 0
    mutated = _mutated(random.Random(seed), seeds)
    for number in range(frames):
        decoder = decoders[number % 2]
        _take(decoder, next(mutated), counts, engine)
        if number % _GOOD_EVERY < 2:
            before = counts.decoded
            _take(decoder, good, counts, engine)
            through += counts.decoded - before
        if number == frames // 4:
            gc.collect()
            resident = _resident_bytes()
    gc.collect()
    grown = _resident_bytes() - resident
    told = f"{counts.decoded:,} decoded, {counts.rejected:,} rejected, {sum(counts.ignored.values()):,} passed over"
    print(f"{name}, seed {seed}: {counts.frames:,} frames, {told}; memory grew by {grown / 1e6:.1f} MB")
    assert counts.frames == frames + 2 * -(-frames // _GOOD_EVERY)
    assert counts.rejected > frames // 4
    assert through == 2 * -(-frames // _GOOD_EVERY)
    assert grown < 20_000_000
    assert len(counts.samples) == 20


def _compact(frame: msgspec.Raw) -> bytes:
    """As venues send it; with spaces it takes the slower ways."""
    return msgspec.json.encode(msgspec.json.decode(frame))


def _catalogue(venue: Venue) -> dict[str, Instrument]:
    """The venue's two best known symbols: what the good frames are about."""
    words = msgspec.json.decode((_FRAMES / venue.name / "symbols.json").read_bytes(), type=list[str])
    known = [venue.instrument_named(symbol) for symbol in words[:2]]
    return {instrument.symbol: instrument for instrument in known if instrument is not None}


def _take(decoder: Decoder, frame: bytes, counts: FrameCounts, engine: Engine) -> None:
    try:
        decoded = decoder.decode(frame, _TS_RECV)
    except FrameError as error:
        counts.reject(str(error), frame)
        return
    if isinstance(decoded, list):
        counts.decoded += 1
        for event in decoded:
            _check_finite(event)
            engine.process(event)
    elif isinstance(decoded, Ignored):
        counts.ignored[decoded.reason] += 1
    else:
        counts.control += 1


def _check_finite(event: MarketEvent) -> None:
    for value in msgspec.structs.asdict(event).values():
        if isinstance(value, float):
            assert math.isfinite(value), event

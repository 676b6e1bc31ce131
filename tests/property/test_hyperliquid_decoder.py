"""For all inputs: the Hyperliquid decoders answer or raise FrameError, and what they answer is usable."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.broken_frames import damaged, with_one_value

from perpscope.errors import ConfigError, FrameError
from perpscope.model.market import BookSnapshot, Candle, MarkPrice, OpenInterest, Trade
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.hyperliquid import MOST_ACCOUNTS, VENUE, Hyperliquid
from perpscope.venues.hyperliquid.stream import Decoder
from perpscope.venues.hyperliquid.symbols import instrument_named

TS_RECV = 1_800_000_000_000_000_000
_GOLDEN = Path(__file__).resolve().parent.parent / "frames" / "hyperliquid" / "market.jsonl"
ACCOUNT = "0x" + "a1" * 20
POLL = f"hyperliquid/positions/{ACCOUNT}"


class _Line(msgspec.Struct):
    frame: msgspec.Raw


VALID = [bytes(msgspec.json.decode(line, type=_Line).frame) for line in _GOLDEN.read_bytes().splitlines()]
WILD = st.sampled_from(
    [b'"nan"', b'"inf"', b"-1", b"0", b'"0"', b"1e999", b"null", b"true", b'""', b"[]", b"{}", b"9" * 400, b'"\xff"']
)
KEYS = st.sampled_from(
    ["channel", "data", "coin", "time", "px", "sz", "side", "tid", "levels", "bbo", "ctx", "user", "fills", "dir"]
) | st.sampled_from(
    ["method", "subscription", "type", "interval", "liquidation", "isSnapshot", "t", "T", "s", "i", "o"]
)
CHANNELS = st.sampled_from(
    [
        "trades",
        "bbo",
        "l2Book",
        "candle",
        "activeAssetCtx",
        "userFills",
        "subscriptionResponse",
        "error",
        "pong",
        "user",
    ]
)


def check(decoded: Decoded) -> None:
    """Every number of every event is finite; prices and sizes are above zero."""
    if not isinstance(decoded, list):
        assert isinstance(decoded, Control | Ignored)
        return
    assert decoded
    for event in decoded:
        if isinstance(event, BookSnapshot):
            assert event.is_stream
            assert all(0 < price < math.inf and 0 < size < math.inf for price, size in [*event.bids, *event.asks])
            assert event.bids == sorted(event.bids, key=lambda level: -level[0])
            continue
        fields = msgspec.structs.asdict(event)
        rate = fields.pop("funding_rate", None) if isinstance(event, MarkPrice) else None
        assert rate is None or -1 < rate < 1
        least = 0.0 if isinstance(event, Candle | OpenInterest) else math.ulp(0.0)
        for value in fields.values():
            if isinstance(value, float):
                assert least <= value < math.inf
            elif isinstance(value, int):
                assert 0 <= value < 2**63


def answer(raw: bytes, decoder: Decoder | None = None) -> None:
    """Decode; only a FrameError may come out instead of an answer."""
    refusal: FrameError | None = None
    try:
        check((decoder or Decoder({})).decode(raw, TS_RECV))
    except FrameError as error:
        refusal = error
    assert refusal is None or (refusal.venue == "hyperliquid" and len(refusal.message) < 1000)


@given(st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
@example(b'{"channel":"trades","data":' + b"[" * 5000)
@example(b'{"channel":"' + b"x" * 5000 + b'"}')
@example(b'{"channel":"error","data":"{\\u0000}"}')
@example(b"\x00")
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Bytes of no meaning raise FrameError and nothing else. Keeps S4-44."""
    answer(raw)


@given(
    CHANNELS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
        max_leaves=20,
    ),
)
@settings(max_examples=120, deadline=None)
def test_any_json_is_answered(channel: str, value: object) -> None:
    """JSON of any shape, on the venue's own channels, raises FrameError or is told what it is."""
    answer(msgspec.json.encode({"channel": channel, "data": value}))
    answer(msgspec.json.encode(value))


@given(st.text(max_size=200))
@settings(max_examples=120, deadline=None)
@example('{"type":"\ud800"}'.encode("utf-8", "replace").decode())
@example("{" * 10_000)
@example('{"type":' + "[" * 10_000 + "}")
def test_any_words_of_refusal_are_told(words: str) -> None:
    """Whatever the venue says in its errors is a Control, its topic canonical JSON where there is one."""
    control = Decoder({}).decode(msgspec.json.encode({"channel": "error", "data": words}), TS_RECV)
    assert isinstance(control, Control)
    assert control.error is None or len(control.error) <= 120
    assert control.topic is None or isinstance(json.loads(control.topic), dict)


@given(damaged(VALID))
@settings(max_examples=160, deadline=None)
def test_damaged_frames_are_answered(frame: bytes) -> None:
    """A valid frame with bytes changed, and cut short half the time, gives clean events or FrameError."""
    answer(frame)


@given(with_one_value(VALID, WILD))
@settings(max_examples=160, deadline=None)
def test_wild_values_are_answered(frame: bytes) -> None:
    """A valid frame with one value replaced by NaN, infinity, null and the like lets none of them through."""
    answer(frame)


@given(st.lists(st.tuples(st.integers(-3, 6), st.sampled_from(["BTC", "ETH"]), st.integers(1, 99)), max_size=40))
@settings(max_examples=80, deadline=None)
def test_each_candle_is_closed_once_with_its_last_state(states: list[tuple[int, str, int]]) -> None:
    """Whatever order bars come in, each is closed at most once, never forms again, and closes as it was last told."""
    decoder = Decoder({})
    told: list[Candle] = []
    for minute, coin, close in states:
        begin = 1_790_757_180_000 + minute * 60_000
        bar = {"t": begin, "T": begin + 59_999, "s": coin, "i": "1m", "o": "1", "h": "100", "l": "0.5", "c": str(close)}
        raw = msgspec.json.encode({"channel": "candle", "data": bar | {"v": "1", "n": 1}})
        decoded = decoder.decode(raw, TS_RECV)
        if isinstance(decoded, list):
            told.extend(event for event in decoded if isinstance(event, Candle))
    last: dict[tuple[str, int], Candle] = {}
    for candle in told:
        before = last.get((candle.instrument, candle.ts_open))
        assert before is None or not before.is_closed
        if candle.is_closed:
            assert before is not None
            assert candle.close == before.close
        last[candle.instrument, candle.ts_open] = candle
    for instrument in {candle.instrument for candle in told}:
        bars = [candle for (owner, _), candle in last.items() if owner == instrument]
        newest = max(candle.ts_open for candle in bars)
        assert all(candle.is_closed is (candle.ts_open < newest) for candle in bars)


@given(st.integers(-(10**7), 10**7), st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=4), max_size=8))
@settings(max_examples=80, deadline=None)
def test_history_ends_with_the_first_frame_of_one_block(ahead_ms: int, frames: list[list[int]]) -> None:
    """After an acknowledgement frames of several blocks are history until one of a single block; no clock decides."""
    decoder, base = Decoder({}), 1_790_757_200_000
    echo = {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
    raw = msgspec.json.encode({"channel": "subscriptionResponse", "data": echo})
    decoder.decode(raw, (base + ahead_ms) * 1_000_000)
    is_live = False
    for times in frames:
        row = {"coin": "BTC", "side": "A", "px": "1", "sz": "1", "tid": 1}
        rows = [row | {"time": base + time} for time in times]
        decoded = decoder.decode(msgspec.json.encode({"channel": "trades", "data": rows}), TS_RECV)
        trades = [event for event in decoded if isinstance(event, Trade)] if isinstance(decoded, list) else []
        told = [trade.ts_event // 1_000_000 - base for trade in trades]
        is_live = is_live or times[0] == times[-1]
        assert told == (times if is_live else [])


@given(
    st.binary(max_size=300),
    st.sampled_from([b'{"universe":[', b'{"coin":"BTC","time":1790757203001,"levels":[', b'{"assetPositions":[', b""]),
)
@settings(max_examples=80, deadline=None)
def test_any_reply_is_answered(raw: bytes, start: bytes) -> None:
    """REST replies of no meaning raise FrameError and nothing else."""
    btc = instrument_named("BTC")
    assert btc is not None
    reads: list[Callable[[bytes], object]] = [
        VENUE.instruments,
        VENUE.turnover,
        lambda reply: VENUE.tiers(reply, {}),
        lambda reply: VENUE.snapshot(reply, btc, TS_RECV),
        lambda reply: VENUE.polled_events(POLL, reply, TS_RECV, {}),
    ]
    for read in reads:
        with suppress(FrameError):
            read(start + raw)


@given(st.text(max_size=60))
@settings(max_examples=120, deadline=None)
def test_any_name_is_read_or_refused(symbol: str) -> None:
    """A name gives an instrument that names itself again, or None."""
    instrument = instrument_named(symbol)
    if instrument is not None:
        assert instrument_named(instrument.symbol) == instrument
        assert instrument.symbol == symbol
        assert 0 < len(instrument.base) < 40
        instrument.id.encode()


@given(st.integers(0, 200), st.sets(st.sampled_from([*Channel])), st.integers(0, MOST_ACCOUNTS))
@settings(max_examples=60, deadline=None)
def test_any_plan_is_within_the_limits(count: int, channels: set[Channel], accounts: int) -> None:
    """Whatever is asked, each stream is carried once on at most four sockets, or there are too many. Keeps S2-15."""
    venue = Hyperliquid().watching([f"0x{number:040x}" for number in range(accounts)])
    instruments = [i for number in range(count) if (i := instrument_named(f"C{number}")) is not None]
    asked = sorted(channels, key=lambda channel: channel.value)
    own = channels & VENUE.channels
    contexts = {Channel.MARK_PRICES, Channel.OPEN_INTEREST}
    followed = accounts if Channel.LIQUIDATIONS in channels else 0
    topics = count * (len(own) - (contexts <= own)) + followed
    try:
        plans = venue.plan(instruments, asked)
    except ConfigError:
        assert topics > 1_000
        return
    streams = [stream for plan in plans for stream in plan.streams]
    assert len(streams) == len(set(streams)) == count * len(own) + bool(followed)
    assert sum(len(plan.topics) for plan in plans) == topics <= 1_000
    assert len(plans) <= 4


@pytest.mark.parametrize("raw", VALID, ids=range(len(VALID)))
def test_every_truncation_is_refused(raw: bytes) -> None:
    """No prefix of a valid frame is taken for a frame."""
    for end in range(len(raw)):
        with pytest.raises(FrameError):
            VENUE.decoder({}).decode(raw[:end], TS_RECV)

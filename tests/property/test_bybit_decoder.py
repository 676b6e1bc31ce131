"""For all inputs: the Bybit decoders answer or raise FrameError, and what they answer is usable."""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.broken_frames import damaged, with_one_value

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookDelta, BookSnapshot, MarketEvent, MarkPrice
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bybit import VENUE
from perpscope.venues.bybit.symbols import instrument_named, is_inverse, is_option

TS_RECV = 1_800_000_000_000_000_000
_GOLDEN = Path(__file__).resolve().parent.parent / "frames" / "bybit" / "market.jsonl"
#: May be zero: a quiet minute, a market nobody is in.
MAY_BE_ZERO = {"volume", "quote_volume", "open_interest", "open_interest_usd"}


class _Line(msgspec.Struct):
    frame: msgspec.Raw


VALID = [bytes(msgspec.json.decode(line, type=_Line).frame) for line in _GOLDEN.read_bytes().splitlines()]
WILD = st.sampled_from(
    [
        *(b'"nan"', b'"inf"', b"-1", b"0", b'"0"', b"1e999", b"null", b"true", b'""', b"[]", b"{}"),
        *(b"9" * 400, b'"\xff"', b"2", b'"-0.5"', b'"1e308"'),
    ]
)
TOPICS = st.sampled_from(
    [
        *("publicTrade.BTCUSDT", "orderbook.1.BTCUSDT", "orderbook.200.BTCUSDT", "kline.1.BTCUSDT", "tickers.BTCUSDT"),
        *("allLiquidation.BTCUSDT", "tickers.BTCUSD", "kline.5.BTCUSDT", "orderbook..", "....", ""),
    ]
)


def check(decoded: Decoded) -> None:
    """Every number of every event is finite; prices and sizes are above zero, sizes of levels not below."""
    if not isinstance(decoded, list):
        assert isinstance(decoded, Control | Ignored)
        return
    assert decoded
    for event in decoded:
        if isinstance(event, BookDelta | BookSnapshot):
            check_book(event)
            continue
        fields = msgspec.structs.asdict(event)
        rate = fields.pop("funding_rate", None) if isinstance(event, MarkPrice) else None
        assert rate is None or -1 < rate < 1
        for name, value in fields.items():
            if isinstance(value, float):
                assert 0 <= value < math.inf if name in MAY_BE_ZERO else 0 < value < math.inf
            elif isinstance(value, int):
                assert 0 <= value < 2**63


def check_book(event: BookDelta | BookSnapshot) -> None:
    """Levels are usable, a change follows an update, and a whole book is in order."""
    levels = [*event.bids, *event.asks]
    assert all(0 < price < math.inf and 0 <= size < math.inf for price, size in levels)
    if isinstance(event, BookDelta):
        assert 1 <= event.prev_update_id == event.first_update_id - 1 == event.last_update_id - 1
    else:
        assert event.is_stream
        bids, asks = [price for price, _ in event.bids], [price for price, _ in event.asks]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)


def answer(raw: bytes) -> None:
    """Decode on a fresh connection and on one that knows the topics; only a FrameError may come out instead."""
    used = VENUE.decoder({})
    for frame in VALID:
        used.decode(frame, TS_RECV)
    for decoder in (VENUE.decoder({}), used):
        try:
            check(decoder.decode(raw, TS_RECV))
        except FrameError as error:
            assert error.venue == "bybit"  # noqa: PT017 - whichever answer comes, it is checked
            assert len(error.message) < 1000  # noqa: PT017


@given(st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
@example(b'{"topic":"publicTrade.BTCUSDT","data":' + b"[" * 5000)
@example(b'{"topic":"' + b"p" * 5000 + b'"}')
@example(b"\x00" * 11)
@example(b"0123456789p")
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Bytes of no meaning raise FrameError and nothing else. Keeps S4-44."""
    answer(raw)


_KEYS = "topic type ts data cts success op ret_msg req_id retCode s S T v p i BT b a u markPrice start confirm".split()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TOPICS,
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_KEYS), inner),
        max_leaves=20,
    )
)
@settings(max_examples=120, deadline=None)
def test_any_json_is_answered(value: object) -> None:
    """JSON of any shape, under the venue's own keys, raises FrameError or is told what it is."""
    answer(msgspec.json.encode(value))


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


@given(st.sampled_from(VALID), st.sampled_from(VALID))
@settings(max_examples=80, deadline=None)
def test_a_frame_in_anothers_clothes_is_answered(frame: bytes, other: bytes) -> None:
    """Data of one topic under the name of another is refused or read by the name, never by its looks."""
    answer(json.dumps(json.loads(frame) | {"topic": json.loads(other)["topic"]}, separators=(",", ":")).encode())


@given(st.lists(st.sampled_from(VALID), max_size=12))
@settings(max_examples=40, deadline=None)
def test_order_of_keys_is_no_matter(frames: Sequence[bytes]) -> None:
    """A session whose frames all begin with another key gives the same events."""
    usual, odd = VENUE.decoder({}), VENUE.decoder({})
    for raw in frames:
        frame = json.loads(raw)
        compact = json.dumps(frame, separators=(",", ":")).encode()
        backwards = json.dumps(dict(reversed(frame.items())), separators=(",", ":")).encode()
        assert usual.decode(compact, TS_RECV) == odd.decode(backwards, TS_RECV)


def poll_reply(raw: bytes) -> list[MarketEvent]:
    """Read a reply to the poll of one instrument."""
    return VENUE.polled_events("bybit/account_ratios/BTCUSDT", raw, TS_RECV, {})


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b'{"retCode":0,"result":{"list":[', b'{"retCode":0,"result":{"s":"BTCUSDT","b":[', b'{"retCode":', b""]
    ),
)
@settings(max_examples=80, deadline=None)
def test_any_reply_is_answered(raw: bytes, start: bytes) -> None:
    """REST replies of no meaning raise FrameError and nothing else."""
    (btc,) = many(["BTCUSDT"])
    reads: list[Callable[[bytes], object]] = [
        VENUE.instruments,
        VENUE.turnover,
        poll_reply,
        lambda reply: VENUE.snapshot(reply, btc, TS_RECV),
        lambda reply: VENUE.tiers(reply, {"BTCUSDT": btc}),
    ]
    for read in reads:
        with suppress(FrameError):
            read(start + raw)


def many(symbols: Sequence[str]) -> list[Instrument]:
    """Instruments known by name."""
    return [instrument for symbol in symbols if (instrument := instrument_named(symbol)) is not None]


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Z0-9]{1,8}(USDT|PERP|USD)?(-[0-3][0-9](JAN|DEC)[0-9]{2})?", fullmatch=True)
)
@settings(max_examples=160, deadline=None)
def test_any_name_is_read_or_refused(symbol: str) -> None:
    """A name gives an instrument that names itself again, or None; inverse contracts and options never give one."""
    instrument = instrument_named(symbol)
    if instrument is not None:
        assert instrument_named(instrument.symbol) == instrument
        assert not is_inverse(instrument.symbol)
        assert not is_option(instrument.symbol)
        assert 0 < len(instrument.base) < 40
        instrument.id.encode()


@given(st.integers(0, 120), st.sets(st.sampled_from([*Channel])))
@settings(max_examples=60, deadline=None)
def test_any_plan_is_within_the_limits(count: int, channels: set[Channel]) -> None:
    """Whatever is asked, each stream is carried once, and no socket has more topics or characters than it may."""
    instruments = many([f"C{number}USDT" for number in range(count)])
    plans = VENUE.plan(instruments, sorted(channels, key=lambda channel: channel.value))
    streams = [stream for plan in plans for stream in plan.streams]
    assert len(streams) == len(set(streams)) == count * len(channels & VENUE.channels)
    for plan in plans:
        assert len(plan.topics) <= 300
        assert sum(len(topic.name) + 3 for topic in plan.topics) <= 21_000


@pytest.mark.parametrize("raw", VALID, ids=range(len(VALID)))
def test_every_truncation_is_refused(raw: bytes) -> None:
    """No prefix of a valid frame is taken for a frame."""
    for end in range(len(raw)):
        with pytest.raises(FrameError):
            VENUE.decoder({}).decode(raw[:end], TS_RECV)

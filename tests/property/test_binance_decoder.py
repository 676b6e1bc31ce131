"""For all inputs: the Binance decoders answer or raise FrameError, and what they answer is usable."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.broken_frames import damaged, with_one_value

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Interval, MarkPrice
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.binance import VENUE, history, rest
from perpscope.venues.binance.symbols import instrument_named, is_coin_m

TS_RECV = 1_800_000_000_000_000_000
BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
_GOLDEN = Path(__file__).resolve().parent.parent / "frames" / "binance" / "market.jsonl"


class _Line(msgspec.Struct):
    frame: msgspec.Raw


VALID = [bytes(msgspec.json.decode(line, type=_Line).frame) for line in _GOLDEN.read_bytes().splitlines()]
WILD = st.sampled_from(
    [
        b'"nan"',
        b'"inf"',
        b"-1",
        b"0",
        b'"0"',
        b"1e999",
        b"null",
        b"true",
        b'""',
        b"[]",
        b"{}",
        b"9" * 400,
        b'"\xff"',
        b"2",
    ]
)
NUMBER = rb'"?-?[0-9][0-9.]*"?'


def check(decoded: Decoded) -> None:
    """Every number of every event is finite; prices and sizes are above zero, sizes of levels not below."""
    if not isinstance(decoded, list):
        assert isinstance(decoded, Control | Ignored)
        return
    for event in decoded:
        if isinstance(event, BookDelta | BookSnapshot):
            levels = [*event.bids, *event.asks]
            assert all(0 < price < math.inf and 0 <= size < math.inf for price, size in levels)
            continue
        fields = msgspec.structs.asdict(event)
        rate = fields.pop("funding_rate", None) if isinstance(event, MarkPrice) else None
        assert rate is None or -1 < rate < 1
        volumes = {"volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"}
        for name, value in fields.items():
            if isinstance(value, float):
                assert 0 <= value < math.inf if name in volumes else 0 < value < math.inf
            elif isinstance(value, int):
                assert 0 <= value < 2**63


def answer(raw: bytes) -> None:
    """Decode on a fresh connection; only a FrameError may come out instead of an answer."""
    refusal: FrameError | None = None
    try:
        check(VENUE.decoder({}).decode(raw, TS_RECV))
    except FrameError as error:
        refusal = error
    assert refusal is None or (refusal.venue == "binance" and len(refusal.message) < 1000)


@given(st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
@example(b'{"stream":"a","data":' + b"[" * 5000)
@example(b"\x00")
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Bytes of no meaning raise FrameError and nothing else. Keeps S4-44."""
    answer(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from("estodkapxPTEUubB")
                | st.sampled_from(["data", "stream", "id", "result", "code", "msg", "error", "lastUpdateId", "symbol"]),
                inner,
            )
        ),
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


_BTCUSDT = [instrument for instrument in [instrument_named("BTCUSDT")] if instrument is not None]


def polled(poll: str, reply: bytes) -> object:
    """A reply to a poll."""
    return VENUE.polled_events(poll, reply, TS_RECV, {})


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b'{"symbols":[', b'[[1790757180000,"1",', b'{"lastUpdateId":1,"bids":[', b'[{"symbol":"BTCUSDT",', b""]
    ),
)
@settings(max_examples=80, deadline=None)
def test_any_reply_is_answered(raw: bytes, start: bytes) -> None:
    """REST replies of no meaning raise FrameError and nothing else."""
    reads: list[Callable[[bytes], object]] = [
        rest.instruments,
        rest.turnover,
        lambda reply: rest.with_funding([], reply),
        lambda reply: rest.snapshot(reply, BTC, TS_RECV),
        lambda reply: history.candles(reply, BTC, Interval.M1, TS_RECV),
        lambda reply: history.mark_prices(reply, {"BTCUSDT": BTC}, TS_RECV),
        lambda reply: history.trades(reply, BTC, TS_RECV),
        lambda reply: history.fundings_paid(reply, {"BTCUSDT": BTC}, TS_RECV),
        *(
            partial(polled, poll.name)
            for poll in VENUE.polls(_BTCUSDT, sorted(VENUE.polled, key=lambda one: one.value))
        ),
    ]
    for read in reads:
        with suppress(FrameError):
            read(start + raw)


@given(st.text(max_size=60))
@settings(max_examples=120, deadline=None)
def test_any_name_is_read_or_refused(symbol: str) -> None:
    """A name gives an instrument that names itself again, or None; COIN-M never gives one."""
    instrument = instrument_named(symbol)
    if instrument is not None:
        assert instrument_named(instrument.symbol) == instrument
        assert not is_coin_m(instrument.symbol)
        assert 0 < len(instrument.base) < 40
        instrument.id.encode()


@given(st.integers(0, 260), st.sets(st.sampled_from([*Channel])))
@settings(max_examples=60, deadline=None)
def test_any_plan_is_within_the_limits(count: int, channels: set[Channel]) -> None:
    """Whatever is asked, each stream is carried once, and sockets hold 200. Keeps S2-15."""
    instruments = [i for number in range(count) if (i := instrument_named(f"C{number}USDT")) is not None]
    plans = VENUE.plan(instruments, sorted(channels, key=lambda channel: channel.value))
    streams = [stream for plan in plans for stream in plan.streams]
    single = len(channels & VENUE.channels - {Channel.CONTRACTS})
    whole_market = (Channel.CONTRACTS in channels) + (not count and Channel.LIQUIDATIONS in channels)
    assert len(streams) == len(set(streams)) == count * single + whole_market
    assert all(len(plan.topics) <= 200 for plan in plans)


@pytest.mark.parametrize("raw", VALID)
def test_every_truncation_is_refused(raw: bytes) -> None:
    """No prefix of a valid frame is taken for a frame."""
    for end in range(len(raw)):
        with pytest.raises(FrameError):
            VENUE.decoder({}).decode(raw[:end], TS_RECV)

"""For all inputs: OKX's decoders answer or raise FrameError, and what they answer is usable."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.broken_frames import damaged, with_one_value

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import BookDelta, BookSnapshot, Liquidation, MarkPrice, Quote, Trade
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Decoded, Decoder
from perpscope.venues.okx import VENUE
from perpscope.venues.okx.symbols import instrument_named, other_product, pair_of

TS_RECV = 1_800_000_000_000_000_000
_GOLDEN = Path(__file__).resolve().parent.parent / "frames" / "okx" / "market.jsonl"


class _Line(msgspec.Struct):
    frame: msgspec.Raw


def listed(base: str, contract_size: str = "1") -> Instrument:
    """A perpetual of that base."""
    return Instrument(
        id=instrument_id("okx", base, "USDT"),
        venue="okx",
        symbol=f"{base}-USDT-SWAP",
        base=base,
        quote="USDT",
        contract_size=Decimal(contract_size),
    )


BTC = listed("BTC", "0.01")
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
KEYS = ["arg", "channel", "instId", "instType", "data", "event", "id", "code", "msg", "action", "asks", "bids", "ts"]
WORDS = st.sampled_from(
    ["trades", "books", "bbo-tbt", "mark-price", "BTC-USDT-SWAP", "subscribe", "error", "update", ""]
)


def check(decoded: Decoded) -> None:
    """Every number of every event is finite; prices and sizes are above zero, sizes of levels not below."""
    if not isinstance(decoded, list):
        assert isinstance(decoded, Control | Ignored)
        return
    for event in decoded:
        match event:
            case BookDelta() | BookSnapshot():
                levels = [*event.bids, *event.asks]
                assert all(0 < price < math.inf and 0 <= size < math.inf for price, size in levels)
                assert 0 <= event.last_update_id < 2**63
            case Trade() | Liquidation():
                assert 0 < event.price < math.inf
                assert 0 < event.size < math.inf
            case Quote():
                assert all(0 < value < math.inf for value in (event.bid, event.bid_size, event.ask, event.ask_size))
            case MarkPrice():
                assert 0 < event.mark < math.inf
                assert event.funding_rate is None or -1 < event.funding_rate < 1
            case _:
                pass
        for value in msgspec.structs.astuple(event):
            assert not isinstance(value, float) or math.isfinite(value)
            assert not isinstance(value, int) or abs(value) < 2**63


def answer(raw: bytes, decoder: Decoder | None = None) -> None:
    """Decode, on a fresh connection if none is given; only a FrameError may come out instead of an answer."""
    refusal: FrameError | None = None
    try:
        check((decoder or VENUE.decoder({})).decode(raw, TS_RECV))
    except FrameError as error:
        refusal = error
    assert refusal is None or (refusal.venue == "okx" and len(refusal.message) < 1000)


@given(st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
@example(b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":' + b"[" * 5000)
@example(b'{"arg":{"channel":"trades' + b"\xff" * 30)
@example(b"\x00" * 20 + b"r")
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Bytes of no meaning raise FrameError and nothing else. Keeps S4-44."""
    answer(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
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


@given(st.lists(st.sampled_from(VALID), max_size=12), st.binary(max_size=30))
@settings(max_examples=80, deadline=None)
def test_a_connection_survives_any_order_of_frames(frames: list[bytes], noise: bytes) -> None:
    """What was told before, and nonsense in between, leaves no decoder unable to go on."""
    decoder = VENUE.decoder({})
    for frame in frames:
        answer(frame, decoder)
        answer(noise, decoder)


@given(st.decimals("0.00001", "10000000", places=5), st.decimals("0.01", "100000", places=2))
@settings(max_examples=120, deadline=None)
def test_sizes_are_contracts_times_contract_size(contract_size: Decimal, contracts: Decimal) -> None:
    """Whatever a contract is, a trade's size is that of decimal arithmetic, to the 15th digit."""
    known = listed("XYZ", str(contract_size))
    row = {"tradeId": "1", "px": "1", "sz": str(contracts), "side": "buy", "ts": "1790757203897"}
    raw = json.dumps({"arg": {"channel": "trades", "instId": known.symbol}, "data": [row]}).encode()
    decoded = VENUE.decoder({known.symbol: known}).decode(raw, TS_RECV)
    assert isinstance(decoded, list)
    (trade,) = decoded
    assert isinstance(trade, Trade)
    assert trade.size == pytest.approx(float(contracts * contract_size), rel=5e-16, abs=0)


@given(
    st.binary(max_size=300), st.sampled_from([b'{"code":"0","data":[', b'{"code":"0","data":[["1790757180000",', b""])
)
@settings(max_examples=80, deadline=None)
def test_any_reply_is_answered(raw: bytes, start: bytes) -> None:
    """REST replies of no meaning raise FrameError and nothing else."""
    reads: list[Callable[[bytes], object]] = [
        VENUE.instruments,
        VENUE.turnover,
        lambda reply: VENUE.tiers(reply, {BTC.symbol: BTC}),
        lambda reply: VENUE.snapshot(reply, BTC, TS_RECV),
        lambda reply: VENUE.polled_events(f"okx/taker_volume/{BTC.symbol}", reply, TS_RECV, {}),
        lambda reply: VENUE.polled_events(f"okx/account_ratios/all_accounts/{BTC.symbol}", reply, TS_RECV, {}),
    ]
    for read in reads:
        with suppress(FrameError):
            read(start + raw)


@given(st.text(max_size=80) | st.from_regex(r"\A[A-Z0-9]{1,6}-(USD|USDT|USDC|BTC)-(SWAP|[0-9]{6})\Z"))
@settings(max_examples=120, deadline=None)
def test_any_name_is_of_one_product_or_none(symbol: str) -> None:
    """A name is ours, another product's, or nothing; what is read by name names itself again."""
    assert pair_of(symbol) is None or other_product(symbol) is None
    instrument = instrument_named(symbol)
    assert instrument is None or (instrument.symbol == symbol and pair_of(symbol) is not None)


@given(st.integers(0, 260), st.sets(st.sampled_from([*Channel])))
@settings(max_examples=60, deadline=None)
def test_any_plan_is_within_the_limits(count: int, channels: set[Channel]) -> None:
    """Whatever is asked, each stream is carried once and sockets hold 200 topics and 25 books. Keeps S2-15."""
    instruments = [listed(f"C{number}") for number in range(count)]
    plans = VENUE.plan(instruments, sorted(channels, key=lambda channel: channel.value))
    streams = [stream for plan in plans for stream in plan.streams]
    whole_market = (Channel.CONTRACTS in channels) + (not count and Channel.LIQUIDATIONS in channels)
    each = len(channels & VENUE.channels - {Channel.CONTRACTS})
    assert len(streams) == len(set(streams)) == count * each + whole_market
    for plan in plans:
        assert 0 < len({topic.name for topic in plan.topics}) == len(plan.topics) <= 200
        assert sum('"books"' in topic.name for topic in plan.topics) <= 25


@pytest.mark.parametrize("raw", VALID, ids=range(len(VALID)))
def test_every_truncation_is_refused(raw: bytes) -> None:
    """No prefix of a valid frame is taken for a frame."""
    for end in range(len(raw)):
        with pytest.raises(FrameError):
            VENUE.decoder({}).decode(raw[:end], TS_RECV)

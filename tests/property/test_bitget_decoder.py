"""For all inputs: the Bitget decoders answer or raise FrameError, and what they answer is usable."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.broken_frames import damaged

from perpscope.errors import FrameError
from perpscope.model.market import BookDelta, BookSnapshot, Candle, Liquidation, MarkPrice
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bitget import VENUE, AmountUnit
from perpscope.venues.bitget.amount import LARGEST, AmountJudge
from perpscope.venues.bitget.symbols import instrument_named

TS_RECV = 1_800_000_000_000_000_000
_GOLDEN = Path(__file__).resolve().parent.parent / "frames" / "bitget" / "market.jsonl"


class _Line(msgspec.Struct):
    frame: msgspec.Raw


class _Row(msgspec.Struct, frozen=True):
    price: float
    amount: float


#: As the venue writes them, without spaces, and as the documentation does.
_SPACED = [bytes(msgspec.json.decode(line, type=_Line).frame) for line in _GOLDEN.read_bytes().splitlines()]
VALID = [*_SPACED, *(msgspec.json.encode(msgspec.json.decode(raw)) for raw in _SPACED)]
KEYS = [
    *("action", "arg", "data", "ts", "event", "code", "msg", "instType", "topic", "symbol", "interval", "channel"),
    *("a", "b", "seq", "pseq", "i", "p", "v", "S", "T", "start", "open", "high", "low", "close", "volume", "turnover"),
    *("markPrice", "openInterest", "side", "price", "amount"),
]
WORDS = ["usdt-futures", "update", "snapshot", "books", "books1", "publicTrade", "kline", "ticker", "liquidation"]


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
        for name, value in fields.items():
            if isinstance(value, float):
                assert 0 <= value < math.inf if "volume" in name or "interest" in name else 0 < value < math.inf
            elif isinstance(value, int):
                assert 0 <= value < 2**63
        if isinstance(event, Liquidation):
            assert event.notional_usd <= LARGEST * (1 + 1e-9)


def answer(raw: bytes) -> None:
    """Decode on a fresh connection; only a FrameError may come out instead of an answer."""
    refusal: FrameError | None = None
    try:
        check(VENUE.decoder({}).decode(raw, TS_RECV))
    except FrameError as error:
        refusal = error
    assert refusal is None or (refusal.venue == "bitget" and len(refusal.message) < 1000)


@given(st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
@example(b'{"action":"update","arg":{"instType":"usdt-futures","topic":"books","symbol":' + b"[" * 5000)
@example(b"\x00")
@example(b"ping")
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Bytes of no meaning raise FrameError and nothing else. Keeps S4-44."""
    answer(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
        max_leaves=20,
    )
)
@settings(max_examples=120, deadline=None)
def test_any_json_is_answered(value: object) -> None:
    """JSON of any shape, in the venue's own words, raises FrameError or is told what it is."""
    answer(msgspec.json.encode(value))


@given(damaged(VALID))
@settings(max_examples=200, deadline=None)
def test_damaged_frames_are_answered(frame: bytes) -> None:
    """A valid frame with bytes changed, and cut short half the time, gives clean events or FrameError."""
    answer(frame)


@given(st.lists(st.sampled_from(VALID), max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_same_frames_give_the_same_events(frames: list[bytes]) -> None:
    """What a connection decodes depends on its frames alone, so that a replay decides the same."""

    def told() -> list[Decoded | str]:
        decoder, results = VENUE.decoder({}), list[Decoded | str]()
        for raw in frames:
            try:
                results.append(decoder.decode(raw, TS_RECV))
            except FrameError as error:
                results.append(error.message)
        return results

    assert told() == told()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_candle_is_closed_once_and_in_order(minutes: list[int]) -> None:
    """Whatever order bars come in: each is closed at most once, oldest first, and never told again after."""
    decoder, closed, latest = VENUE.decoder({}), list[int](), -1
    arg = {"instType": "usdt-futures", "topic": "kline", "symbol": "BTCUSDT", "interval": "1m"}
    first = 1_790_757_180_000
    for minute in minutes:
        prices = dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), "1")
        bar = {"start": str(first + minute * 60_000), **prices}
        message = {"action": "update", "arg": arg, "data": [bar], "ts": first + 50 * 60_000}
        decoded = decoder.decode(msgspec.json.encode(message), TS_RECV)
        events = [event for event in decoded if isinstance(event, Candle)] if isinstance(decoded, list) else []
        assert bool(events) is (minute >= latest)
        closed.extend(event.ts_open for event in events if event.is_closed)
        latest = max(latest, minute)
    assert closed == sorted(set(closed))
    assert len(closed) == len({minute for n, minute in enumerate(minutes) if minute > max([-1, *minutes[:n]])}) - 1


@given(
    st.sampled_from(AmountUnit),
    st.lists(st.tuples(st.floats(1e-6, 2e5), st.floats(5.0, 2e7)), min_size=1, max_size=80),
)
@settings(max_examples=120, deadline=None)
def test_ordinary_liquidations_never_prove_the_wrong_unit(truth: AmountUnit, closed: list[tuple[float, float]]) -> None:
    """Whatever is closed for 5 dollars to 20 million, at whatever prices: the unit that is proven is the true one."""
    judge = AmountJudge()
    for price, worth in closed:
        row = _Row(price, worth if truth is AmountUnit.QUOTE else worth / price)
        with suppress(ValueError):
            judge.judge([row])
        assert not judge.is_proven or judge.unit is truth


@given(st.text(max_size=60))
@settings(max_examples=120, deadline=None)
def test_any_name_is_read_or_refused(symbol: str) -> None:
    """A symbol of any characters gives an instrument of this venue, or none."""
    instrument = instrument_named(symbol)
    assert instrument is None or (instrument.venue == "bitget" and instrument.multiplier >= 1)


REPLIES: dict[str, Callable[[bytes], object]] = {
    "catalogue": VENUE.instruments,
    "turnover": VENUE.turnover,
    "ratios": lambda raw: VENUE.polled_events("bitget/account_ratio/BTCUSDT", raw, TS_RECV, {}),
    "takers": lambda raw: VENUE.polled_events("bitget/taker_volume/BTCUSDT", raw, TS_RECV, {}),
}


@pytest.mark.parametrize("name", sorted(REPLIES))
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["code", "msg", "data", "ts", "symbol"]), inner)
        ),
        max_leaves=10,
    ).map(msgspec.json.encode)
)
@settings(max_examples=40, deadline=None)
def test_any_reply_is_answered(name: str, raw: bytes) -> None:
    """A REST reply of any shape is read or raises FrameError."""
    with suppress(FrameError):
        REPLIES[name](raw)

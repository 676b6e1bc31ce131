"""For all inputs: Binance's private answers and frames are read or a FrameError, and `reply` always answers."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.property.broken_frames import damaged, with_one_value
from tests.unit.binance_private_frames import ANSWERS, USER_FRAMES

from perpscope.errors import FrameError
from perpscope.model.exchange import OrderReport, PositionReport, Reply, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER
from perpscope.venues.binance.orders import cancel, written
from perpscope.venues.binance.symbols import instrument_named


def _listed(symbol: str) -> Instrument:
    found = instrument_named(symbol)
    assert found is not None
    return found


BTC = _listed("BTCUSDT")
WILD = st.sampled_from(
    [
        b'"nan"',
        b'"inf"',
        b'"-1"',
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
        b'"1e5"',
    ]
)
READERS: list[Callable[[HttpAnswer], object]] = [
    BROKER.orders,
    BROKER.traded,
    lambda answer: BROKER.held(answer, BTC),
    BROKER.balances,
    BROKER.funded,
    BROKER.permitted,
    BROKER.listening,
    lambda answer: BROKER.agreed([answer] * 3, BTC),
]


def check(event: object) -> None:
    """What was read is finite and of this world."""
    match event:
        case TradeReport():
            assert event.size > 0
            assert event.price >= 0
            assert event.fee.is_finite()
        case OrderReport():
            assert event.filled >= 0
            assert event.price is None or event.price > 0
        case PositionReport():
            assert event.size.is_finite()
            assert (event.size == 0) is (event.entry_price is None) or event.entry_price is None
        case _:
            pass


@given(st.binary() | damaged(USER_FRAMES) | with_one_value(USER_FRAMES, WILD))
def test_user_frames_are_read_or_refused(raw: bytes) -> None:
    """Protects the desk from any frame: an event that makes sense, or a FrameError; nothing else."""
    with suppress(FrameError):
        for event in BROKER.heard(raw, 0):
            check(event)


@given(st.sampled_from([200, 400, 418, 429, 500, 503]), st.binary() | damaged(ANSWERS) | with_one_value(ANSWERS, WILD))
def test_reply_always_answers(status: int, body: bytes) -> None:
    """Protects orders: whatever comes, what it means is said; a size or price in it makes sense."""
    answer = HttpAnswer(status, {"retry-after": body[:4].decode("latin-1")}, body)
    told = BROKER.reply(answer)
    assert isinstance(told, Reply)
    assert told.wait_s >= 0
    check(told.report)
    BROKER.is_absent(told)
    BROKER.is_duplicate(told)
    BROKER.is_mistimed(answer)


@given(st.sampled_from(READERS), st.binary() | damaged(ANSWERS) | with_one_value(ANSWERS, WILD))
def test_readers_answer_or_raise_frame_errors(reader: Callable[[HttpAnswer], object], body: bytes) -> None:
    """Protects reconciling from any answer."""
    with suppress(FrameError):
        reader(HttpAnswer(200, {}, body))


@given(st.integers(1, 10**9), st.sampled_from(["0.001", "0.1", "1", "10", "0.00000010", "1E+2"]))
def test_amounts_are_written_exactly_and_without_needless_digits(steps: int, step: str) -> None:
    """Protects D14: whole ticks and steps stay what they are on the wire; no exponent, no digit beyond their own."""
    amount = steps * Decimal(step)
    text = written(amount)
    assert Decimal(text) == amount
    assert not set(text) - set("0123456789.")
    assert len(text.partition(".")[2]) <= len(f"{Decimal(step).normalize():f}".partition(".")[2])


@given(st.text(max_size=40))
def test_ids_are_sent_as_they_are_or_not_at_all(name: str) -> None:
    """Protects idempotence: what the venue would not take is refused here; what it takes is in the request whole."""
    try:
        sent = cancel(name, BTC, is_conditional=True)
    except ValueError:
        return
    assert dict(sent.params)["clientAlgoId"] == name
    assert 1 <= len(name) <= 36
    assert name.isascii()

"""What a liquidation's `amount` counts, told from the rows alone: hand-made sequences with a known truth."""

import msgspec
import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Liquidation
from perpscope.venues.bitget import AmountUnit, Bitget, Decoder
from perpscope.venues.bitget.amount import DOCUMENTED, LARGEST, SMALLEST, AmountJudge

BASE, QUOTE = AmountUnit.BASE, AmountUnit.QUOTE
TS_RECV = 1_790_757_203_100_000_000
#: (symbol, price, what was closed in dollars): one of each, from dear to cheap. All are worth less than a million.
CLOSED = [
    ("BTCUSDT", 83_000.0, 12_450.0),
    ("ETHUSDT", 3_000.0, 900.0),
    ("SOLUSDT", 150.0, 60.0),
    ("XRPUSDT", 2.0, 5_000.0),
    ("DOGEUSDT", 0.2, 300.0),
    ("PEPEUSDT", 0.00001, 250.0),
]


class Row(msgspec.Struct, frozen=True):
    """A row without the rest of it."""

    price: float
    amount: float


def frame(unit: AmountUnit, *closed: tuple[str, float, float]) -> bytes:
    """A message that tells of these, its amounts counted in `unit`."""
    rows = [
        {"symbol": symbol, "side": "buy", "price": str(price), "ts": "1790757203371"}
        | {"amount": str(worth if unit is QUOTE else worth / price)}
        for symbol, price, worth in closed
    ]
    arg = {"instType": "usdt-futures", "topic": "liquidation"}
    return msgspec.json.encode({"action": "update", "arg": arg, "data": rows, "ts": 1_790_757_204_000})


def worths(decoder: Decoder, raw: bytes) -> list[float]:
    """Dollars of each liquidation of a frame."""
    decoded = decoder.decode(raw, TS_RECV)
    assert isinstance(decoded, list)
    return [event.notional_usd for event in decoded if isinstance(event, Liquidation)]


@pytest.mark.parametrize("truth", [BASE, QUOTE], ids=["base", "quote"])
def test_the_unit_is_found_whichever_it_is(truth: AmountUnit) -> None:
    """After a few ordinary rows every liquidation is worth what it was worth, and the decoder says how it reads."""
    decoder = Decoder({})
    assert (decoder.amount_unit, decoder.is_amount_unit_proven) == (DOCUMENTED, False)
    small = [("BTCUSDT", 83_000.0, 900.0), ("ETHUSDT", 3_000.0, 700.0), ("BNBUSDT", 900.0, 80.0)]
    cheap = [("PEPEUSDT", 0.00001, 250.0), ("SHIBUSDT", 0.00002, 40.0), ("BONKUSDT", 0.00003, 99.0)]
    for one in [*small, *cheap]:
        decoder.decode(frame(truth, one), TS_RECV)
    assert (decoder.amount_unit, decoder.is_amount_unit_proven) == (truth, True)
    assert worths(decoder, frame(truth, *CLOSED)) == pytest.approx([worth for _, _, worth in CLOSED])


def test_a_frame_is_read_in_one_unit_even_while_nothing_is_proven() -> None:
    """The first frame's own rows decide for all of it: dear coins by the hundredth cannot be dollars."""
    decoder = Decoder({})
    assert worths(decoder, frame(BASE, ("ETHUSDT", 3_000.0, 900.0), ("XRPUSDT", 2.0, 5_000.0))) == [900.0, 5_000.0]
    assert (decoder.amount_unit, decoder.is_amount_unit_proven) == (BASE, False)


def test_rows_that_could_be_either_follow_the_documentation() -> None:
    """Until told otherwise an amount is dollars: BTC is rather understated than a cascade made up."""
    assert DOCUMENTED is QUOTE
    assert worths(Decoder({}), frame(QUOTE, ("BTCUSDT", 83_000.0, 500.0))) == pytest.approx([500.0])
    as_base = Bitget(assumed_unit=BASE).decoder({})
    assert worths(as_base, frame(BASE, ("BTCUSDT", 80_000.0, 800_000.0))) == pytest.approx([800_000.0])


def test_other_instruments_rows_are_heard_too() -> None:
    """Who listens to one quiet coin learns the unit from the whole market's rows."""
    decoder = Bitget().decoder({"XRPUSDT": _named("XRPUSDT")})
    for _ in range(3):
        decoder.decode(frame(BASE, ("BTCUSDT", 83_000.0, 900.0)), TS_RECV)
    assert worths(decoder, frame(BASE, ("XRPUSDT", 2.0, 5_000.0))) == pytest.approx([5_000.0])


@pytest.mark.parametrize("truth", [BASE, QUOTE], ids=["base", "quote"])
def test_a_proven_unit_is_not_overthrown_by_an_odd_row(truth: AmountUnit) -> None:
    """Dust that looks like the other unit changes nothing, and is read like all the others."""
    judge = AmountJudge()
    dear, cheap = Row(83_000.0, 0.01), Row(0.00001, 250.0)
    usual, odd = (dear, cheap) if truth is BASE else (cheap, dear)
    for _ in range(9):
        judge.judge([usual])
    assert judge.judge([odd]) is truth
    assert judge.judge([odd, odd]) is truth
    assert judge.is_proven


def test_a_change_of_unit_is_refused_before_it_is_believed() -> None:
    """Frames between two units are refused, never read by halves; then the new unit holds. Nothing is mixed."""
    decoder = Decoder({})
    old, new = frame(BASE, ("BTCUSDT", 83_000.0, 900.0)), frame(QUOTE, ("PEPEUSDT", 0.00001, 250.0))
    for _ in range(9):
        decoder.decode(old, TS_RECV)
    for _ in range(4):
        assert worths(decoder, new) == pytest.approx([250.0 * 0.00001])
    for _ in range(3):
        with pytest.raises(FrameError, match="no longer looks like base units"):
            decoder.decode(new, TS_RECV)
        assert not decoder.is_amount_unit_proven
    assert worths(decoder, new) == pytest.approx([250.0])


def test_a_change_within_one_frame_refuses_that_frame() -> None:
    """However many rows of a frame speak for the other unit, the frame is not the place to change it."""
    judge = AmountJudge()
    judge.judge([Row(83_000.0, 0.01)] * 5)
    with pytest.raises(ValueError, match="no longer looks like"):
        judge.judge([Row(0.00001, 250.0)] * 12)
    assert judge.judge([Row(0.00001, 250.0)]) is QUOTE


def test_no_liquidation_is_worth_more_than_a_market_holds() -> None:
    """A row that is too large in the unit that was proven is refused: it would be a cascade that never was."""
    decoder = Decoder({})
    for _ in range(3):
        decoder.decode(frame(BASE, ("BTCUSDT", 83_000.0, 900.0)), TS_RECV)
    with pytest.raises(FrameError, match=r"worth <= 1e\+09 in base units"):
        decoder.decode(frame(QUOTE, ("BTCUSDT", 83_000.0, 50_000.0)), TS_RECV)


VOTES = [
    ("a hundredth of BTC is not a cent", 83_000.0, 0.004, BASE),
    ("ten thousand dollars are not ten thousand BTC", 83_000.0, 12_450.0, QUOTE),
    ("dollars of PEPE are not tokens", 0.00001, 250.0, QUOTE),
    ("billions of tokens are not dollars", 0.00001, 5e9, BASE),
    ("at a price of one they are the same", 1.0, 0.01, None),
    ("between the bounds nothing is told", 83_000.0, 700.0, None),
    ("impossible in both tells nothing", 2.0, 0.01, None),
    ("the least there can be", 100.0, SMALLEST, None),
    ("the most there can be", 10.0, LARGEST / 10, None),
]


@pytest.mark.parametrize(("price", "amount", "unit"), [case[1:] for case in VOTES], ids=[case[0] for case in VOTES])
def test_a_row_speaks_where_one_reading_cannot_be(price: float, amount: float, unit: AmountUnit | None) -> None:
    """Only a row that makes one unit impossible is evidence for the other; else what was assumed holds."""
    for assumed in AmountUnit:
        assert AmountJudge(assumed).judge([Row(price, amount)]) is (unit or assumed)


def _named(symbol: str) -> Instrument:
    instrument = Bitget().instrument_named(symbol)
    assert instrument is not None
    return instrument

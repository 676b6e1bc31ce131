"""`burst` by hand: three rules to enter, any one to leave (METHOD 12.1).

Before the burst closes go 100, 100·e^.001, 100 …: sixty returns of ±.001, whose standard deviation is
.001·√(60/59) = .00100844, so 1.5 of them are .00151266. Twenty volumes of 10 have a mean of 10.
"""

from math import exp

import pytest
from tests.unit.rules_asked import Asked

from perpscope.strategies.burst import STRATEGY
from perpscope.trading.layout import EXIT, LONG, NOTE_OWN, SHORT, STAY


def quiet(**parameters: float) -> Asked:
    """Sixty-two quiet candles; the last closed at 100."""
    asked = Asked(STRATEGY, **parameters)
    for number in range(62):
        asked.candle(100.0 * exp(0.001 * (number % 2 == 0)))
    return asked


def burst(side: int = 1, *, move: float = 0.00152, volume: float = 30.0, imbalance: float = 0.25) -> Asked:
    """A candle after quiet ones: by this much, with this volume, under a book that leans so for ten seconds."""
    asked = quiet()
    asked.candle(100.0 * exp(side * move), volume)
    asked.leans(*[side * imbalance] * 10)
    return asked


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_all_three_rules_open_a_position(side: int) -> None:
    """Volume 3×, book .25 and 1.507 σ are just enough; stop 5 %, no take-profit. Keeps S4-01. Keeps S4-02."""
    asked = burst(side)
    assert asked.answer() == side
    assert (asked.why, asked.failed, asked.side, asked.barriers) == ("burst", (), side, (0.05, 0.0))
    assert asked.notes[NOTE_OWN] == 10.0


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        pytest.param({"volume": 29.9}, "volume-burst", id="volume"),
        pytest.param({"imbalance": 0.2499}, "book-imbalance", id="book"),
        pytest.param({"move": 0.00151}, "momentum", id="momentum"),
    ],
)
def test_one_rule_failing_is_a_near_miss(side: int, change: dict[str, float], rule: str) -> None:
    """Without any one of the three it stays, and the note names it. Keeps S4-03. Keeps S4-04. Keeps S4-05."""
    asked = burst(side, **change)
    assert asked.answer() == STAY
    assert (asked.failed, asked.side) == ((rule,), side)


@pytest.mark.parametrize("volume", [30.0, 29.0], ids=["entry", "near-miss"])
def test_what_the_rules_looked_at_is_told(volume: float) -> None:
    """As multiple of the mean volume, share of the book, and standard deviations, whether it enters or not."""
    asked = burst(SHORT, volume=volume)
    asked.answer()
    assert asked.figures == pytest.approx({"volume": volume / 10, "imbalance": -0.25, "momentum": -1.5073}, rel=1e-3)


def test_book_against_the_move_fails_either_way() -> None:
    """A rise under a book of sellers fails in one rule of each side; the one the price speaks for is told."""
    asked = burst(move=0.00152)
    asked.leans(*[-0.25] * 10)
    assert asked.answer() == STAY
    assert (asked.failed, asked.side) == (("book-imbalance",), LONG)
    asked = burst(SHORT, move=0.00152)
    asked.leans(*[0.25] * 10)
    assert asked.answer() == STAY
    assert (asked.failed, asked.side) == (("book-imbalance",), SHORT)


def test_book_is_a_mean_of_ten_seconds() -> None:
    """One snapshot of walls, placed to deceive, does not make a book lean. Keeps S4-70."""
    asked = burst(imbalance=0.0)
    asked.leans(0.99)
    assert asked.answer() == STAY
    assert asked.failed == ("book-imbalance",)


def test_unknown_is_neither_an_entry_nor_a_near_miss() -> None:
    """Without a book for ten seconds, without volume before or with too few candles nothing is said."""
    asked = burst()
    asked.leans(float("nan"))
    assert (asked.answer(), asked.failed) == (STAY, ())
    asked = Asked(STRATEGY)
    for _ in range(61):
        asked.candle(100.0)
    asked.candle(101.0, 30.0)
    asked.leans(*[0.9] * 10)
    assert (asked.answer(), asked.failed) == (STAY, ())


def test_entries_wait_for_a_closed_candle_and_the_cool_down() -> None:
    """Between candles, and in the sixty seconds after a close, none is looked for."""
    asked = burst()
    assert asked.answer(is_bar=0) == STAY
    asked.holds(0)
    asked.passes(59.0)
    assert asked.answer() == STAY
    asked.passes(1.0)
    assert asked.answer() == LONG


def held(side: int) -> Asked:
    """A position just opened on a burst."""
    asked = burst(side)
    assert asked.answer() == side
    asked.holds(side)
    return asked


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_leaves_when_volume_decays(side: int) -> None:
    """Once two candles have closed, an average of three below .8 of the mean at the entry ends it. Keeps S4-07.

    Weights halve a candle: with 30 then 7 and 7 the average is some 10, above 8; two more 7 make it 7.8.
    """
    asked = held(side)
    for number, answer in enumerate((STAY, STAY, STAY, EXIT)):
        asked.candle(100.0, 7.0)
        assert asked.answer() == answer, number
    assert asked.why == "volume-decay"


def test_decay_waits_for_two_candles() -> None:
    """Volume that is gone at once ends nothing before the second candle, and nothing between candles."""
    asked = held(LONG)
    asked.notes[NOTE_OWN] = 1000.0
    asked.candle(100.0, 0.0)
    assert asked.answer() == STAY
    asked.candle(100.0, 0.0)
    assert asked.answer(is_bar=0) == STAY
    assert asked.answer() == EXIT


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_leaves_when_the_book_turns(side: int) -> None:
    """Five seconds at −.15 or beyond end it at once; four, or one sample that is weaker, do not. Keeps S4-08."""
    asked = held(side)
    asked.leans(*[-0.15 * side] * 5)
    assert asked.answer(is_bar=0) == STAY
    asked.leans(-0.14 * side, *[-0.15 * side] * 5)
    assert asked.answer(is_bar=0) == STAY
    asked.leans(-0.15 * side)
    assert asked.answer(is_bar=0) == EXIT
    assert asked.why == "book-reversal"


def test_leaves_after_half_an_hour() -> None:
    """The time stop is thirty minutes from the entry. Keeps S4-06."""
    asked = held(LONG)
    asked.passes(30 * 60 - 1)
    assert asked.answer(is_bar=0) == STAY
    asked.passes(1)
    assert asked.answer(is_bar=0) == EXIT
    assert asked.why == "time-stop"


def test_stop_and_take_profit_are_settings() -> None:
    """The protective stop is 5 % by default, a take-profit stands where one is set. Keeps S4-09. Keeps S4-13."""
    assert STRATEGY.parameters().stop == 0.05  # type: ignore[attr-defined]  # of Burst
    asked = quiet(stop=0.02, take=0.03)
    asked.candle(101.0, 300.0)
    asked.leans(*[0.5] * 10)
    assert asked.answer() == LONG
    assert asked.barriers == (0.02, 0.03)

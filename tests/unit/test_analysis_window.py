"""Which symbol and which stretch of time an analysis is about."""

import pytest

from perpscope.app.analysis_window import base_and_quote, check_hours, choose_symbol, choose_window
from perpscope.errors import ConfigError, DataError
from perpscope.stores.extents import Extent

HOUR = 3_600_000
T0 = 1_723_118_400_000  # 2024-08-08 12:00 UTC, on the hour
STORED = [
    Extent("binance", "BTCUSDT", "BTC-USDT-PERP.BINANCE", 900, 0, 1),
    Extent("binance", "BTCUSDC", "BTC-USDC-PERP.BINANCE", 90, 0, 1),
    Extent("binance", "ETHUSDT", "ETH-USDT-PERP.BINANCE", 80, 0, 1),
    Extent("binance", "ODD", "ODD.BINANCE", 1, 0, 1),
]


@pytest.mark.parametrize(
    ("case", "hours", "now", "first", "last", "watched", "expected"),
    [
        ("all of it, watched until now", 2, 5 * HOUR, 0, 4 * HOUR, (0, 5 * HOUR), (3 * HOUR, 5 * HOUR, "")),
        ("events are newer than coverage", 2, 5 * HOUR, 0, 5 * HOUR - 1, (0, HOUR), (3 * HOUR, 5 * HOUR, "")),
        ("cut to the first event's minute", 9, 3 * HOUR, 90_500, 3 * HOUR - 1, None, (60_000, 3 * HOUR, "were asked")),
        ("cut to where watching began", 9, 3 * HOUR, 90_500, HOUR, (30_000, 2 * HOUR), (30_000, 2 * HOUR, "asked for")),
        ("older than the window", 2, 99 * HOUR, 0, 7 * HOUR, None, (5 * HOUR + 1, 7 * HOUR + 1, "newest")),
        ("the clock is behind the data", 2, -HOUR, 0, 7 * HOUR, None, (5 * HOUR + 1, 7 * HOUR + 1, "newest")),
        ("one event", 24, 99 * HOUR, 7000, 7000, None, (0, 7001, "the store has 7 s")),
    ],
)
def test_windows(
    case: str,
    hours: float,
    now: int,
    first: int,
    last: int,
    watched: tuple[int, int] | None,
    expected: tuple[int, int, str],
) -> None:
    """The window ends now, or with the data where they are older, and is cut to them; what was done is said."""
    seen = None if watched is None else (T0 + watched[0], T0 + watched[1])
    window = choose_window(hours, T0 + now, T0 + first, T0 + last, seen)
    assert (window.from_ms - T0, window.to_ms - T0) == expected[:2], case
    assert bool(window.notes) == bool(expected[2])
    assert expected[2] in " ".join(window.notes)
    assert window.hours == (window.to_ms - window.from_ms) / HOUR


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_hours_that_are_none(hours: float) -> None:
    """Zero, less, and what is no number are refused with the value."""
    with pytest.raises(ConfigError, match=f"--hours {hours:g}") as caught:
        check_hours(hours)
    assert (caught.value.code, caught.value.exit_code) == ("option-value", 2)


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("BTC", "BTC-USDT-PERP.BINANCE"),
        ("btcusdc", "BTC-USDC-PERP.BINANCE"),
        ("eth-usdt-perp", "ETH-USDT-PERP.BINANCE"),
        ("ETH-USDT-PERP.BINANCE", "ETH-USDT-PERP.BINANCE"),
        ("odd", "ODD.BINANCE"),
        (None, "BTC-USDT-PERP.BINANCE"),
    ],
)
def test_symbols_in_any_spelling(name: str | None, instrument: str) -> None:
    """A coin, a symbol, an id in any case; of several the one with most events; a choice is said. Keeps S1-27."""
    extent, notes = choose_symbol(name, STORED)
    assert extent.instrument == instrument
    assert bool(notes) == (name in (None, "BTC"))


@pytest.mark.parametrize(("name", "hint"), [("BTCUSD", "BTCUSD"), ("????", "stored are BTCUSDT, BTCUSDC")])
def test_symbols_that_are_not_stored(name: str, hint: str) -> None:
    """The nearest name, or what there is, is offered."""
    with pytest.raises(ConfigError) as caught:
        choose_symbol(name, STORED)
    assert (caught.value.code, caught.value.exit_code) == ("symbol-unknown", 2)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_many_symbols_are_not_all_listed() -> None:
    """The hint stays a line."""
    stored = [Extent("binance", f"C{i}USDT", f"C{i}-USDT-PERP.BINANCE", 1, 0, 1) for i in range(20)]
    with pytest.raises(ConfigError) as caught:
        choose_symbol("????", stored)
    assert str(caught.value.hint).endswith("and 12 more")


def test_an_empty_store_has_nothing_to_analyse() -> None:
    """Not one liquidation: said with what to do about it."""
    with pytest.raises(DataError) as caught:
        choose_symbol(None, [])
    assert (caught.value.code, caught.value.exit_code) == ("window-empty", 3)
    assert choose_symbol(None, STORED[:1])[1] == ["no symbol was named: BTCUSDT has most liquidations, 900"]


def test_two_sides_of_an_instrument() -> None:
    """Units are read off the id, also of dated contracts and names with digits."""
    assert base_and_quote("1000PEPE-USDT-PERP.BINANCE") == ("1000PEPE", "USDT")
    assert base_and_quote("BTC-USDT-251226.BINANCE") == ("BTC", "USDT")
    assert base_and_quote("ODD.BINANCE") == ("ODD", "quote")

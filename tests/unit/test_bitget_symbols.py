"""Reading instruments off Bitget's names."""

import pytest

from perpscope.venues.bitget.symbols import coin_and_multiplier, instrument_named


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTCUSDT", "BTC-USDT-PERP.BITGET"),
        ("btcusdt", "BTC-USDT-PERP.BITGET"),
        ("1000BONKUSDT", "1000BONK-USDT-PERP.BITGET"),
        ("USDT", None),
        ("BTCUSD", None),
        ("BTCPERP", None),
        ("BTCUSDZ24", None),
        ("BTCUSDT_UMCBL", None),
        ("BTC-USDT", None),
        ("!!USDT", None),
        ("", None),
        ("A" * 40 + "USDT", None),
    ],
)
def test_only_usdt_margined_perpetuals_are_read(symbol: str, expected: str | None) -> None:
    """Coin- and USDC-margined names, those of the retired API and nonsense are nobody's."""
    instrument = instrument_named(symbol)
    assert (instrument.id if instrument else None) == expected


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("BTC", ("BTC", 1)),
        ("1000BONK", ("BONK", 1000)),
        ("10000SATS", ("SATS", 10_000)),
        ("1000000MOG", ("MOG", 1_000_000)),
        ("1INCH", ("1INCH", 1)),
        ("100X", ("100X", 1)),
        ("1000", ("1000", 1)),
    ],
)
def test_a_power_of_ten_from_a_thousand_counts_coins(base: str, expected: tuple[str, int]) -> None:
    """Bundles are told from names that begin with a number."""
    assert coin_and_multiplier(base) == expected

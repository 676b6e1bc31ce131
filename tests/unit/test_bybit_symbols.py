"""Reading Bybit's names, and coins off the catalogue's."""

import pytest

from perpscope.venues.bybit.symbols import coin_of, expiry_of, instrument_named, is_inverse, is_option


@pytest.mark.parametrize(
    ("symbol", "identity"),
    [
        ("BTCUSDT", "BTC-USDT-PERP.BYBIT"),
        ("btcusdt", "BTC-USDT-PERP.BYBIT"),
        ("BTCPERP", "BTC-USDC-PERP.BYBIT"),
        ("PERPUSDT", "PERP-USDT-PERP.BYBIT"),
        ("1000PEPEUSDT", "1000PEPE-USDT-PERP.BYBIT"),
        ("1INCHUSDT", "1INCH-USDT-PERP.BYBIT"),
        ("BTC-02FEB24", "BTC-USDC-240202.BYBIT"),
        ("BTCUSDT-26DEC25", "BTC-USDT-251226.BYBIT"),
        ("USDCUSDT", "USDC-USDT-PERP.BYBIT"),
        ("币安人生USDT", "币安人生-USDT-PERP.BYBIT"),
    ],
)
def test_linear_names_are_read(symbol: str, identity: str) -> None:
    """Base, margin coin and expiry stand in the name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    assert instrument.id == identity
    assert instrument.symbol == symbol.upper()
    assert instrument.venue == "bybit"
    assert (instrument.multiplier, instrument.asset) == (1, instrument.base)


@pytest.mark.parametrize(
    "symbol",
    [
        *("", "!!", "USDT", "PERP", "BTCUSD", "BTCUSDH25", "ETHBTC", "BTC-6JAN23-17500-C", "BTC-32JAN25"),
        *("BTC-01FOO25", "BTC.USDT", "BTCUSDC", "A" * 50 + "USDT", "BTC-2FEB24"),
    ],
)
def test_other_names_are_refused(symbol: str) -> None:
    """Inverse contracts, options, spot pairs and nonsense are no linear instruments."""
    assert instrument_named(symbol) is None


def test_other_products_are_recognised() -> None:
    """Inverse and option names are told from linear ones, so that they can be counted as what they are."""
    assert [name for name in ("BTCUSD", "ETHUSDZ26", "BTCUSDT", "BTCPERP", "USD") if is_inverse(name)] == [
        "BTCUSD",
        "ETHUSDZ26",
    ]
    options = ("BTC-27MAR26-70000-P-USDT", "BTC-6JAN23-17500-C", "BTC-27MAR26", "BTCUSDT")
    assert [name for name in options if is_option(name)] == list(options[:2])
    assert expiry_of("BTCUSDT") is None


@pytest.mark.parametrize(
    ("base", "coin", "multiplier"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1000),
        ("10000LADYS", "LADYS", 10_000),
        ("1000000VINU", "VINU", 1_000_000),
        ("SHIB1000", "SHIB", 1000),
        ("1INCH", "1INCH", 1),
        ("1CAT", "1CAT", 1),
        ("100X", "100X", 1),
        ("1000", "1000", 1),
        ("20000ABC", "20000ABC", 1),
    ],
)
def test_coins_sold_by_the_thousand(base: str, coin: str, multiplier: int) -> None:
    """The multiplier is a power of ten from a thousand up, in front of the coin; a name may also begin with a digit."""
    assert coin_of(base) == (coin, multiplier)

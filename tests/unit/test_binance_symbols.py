"""Reading Binance symbols: what is ours, what is COIN-M, and what is nothing."""

import pytest

from perpscope.venues.binance.symbols import DOLLAR_QUOTES, coin_of, instrument_named, is_coin_m


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("BTCUSDT", "BTC-USDT-PERP.BINANCE"),
        ("btcusdt", "BTC-USDT-PERP.BINANCE"),
        ("1000PEPEUSDT", "1000PEPE-USDT-PERP.BINANCE"),
        ("币安人生USDT", "币安人生-USDT-PERP.BINANCE"),
        ("BTCUSDC", "BTC-USDC-PERP.BINANCE"),
        ("USDCUSDT", "USDC-USDT-PERP.BINANCE"),
        ("BTCBUSD", "BTC-BUSD-PERP.BINANCE"),
        ("BTCUSD1", "BTC-USD1-PERP.BINANCE"),
        ("ETHU", "ETH-U-PERP.BINANCE"),
        ("ETHFDUSD", "ETH-FDUSD-PERP.BINANCE"),
        ("BTCUSDT_260925", "BTC-USDT-260925.BINANCE"),
        ("BTCBUSD_210129", "BTC-BUSD-210129.BINANCE"),
    ],
)
def test_usd_m_symbols_are_read(symbol: str, name: str) -> None:
    """A USD-M name gives base, quote and expiry; case does not matter. Keeps S1-02."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    assert instrument.id == name
    assert instrument.symbol == symbol.upper()
    assert instrument.base + instrument.quote == symbol.upper().partition("_")[0]
    assert instrument.is_perpetual is ("_" not in symbol)
    assert instrument.tick_size is None


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "USDT",
        "BTC",
        "ETHBTC",
        "BTC-USDT",
        "BTCUSDT_PERP",
        "BTCUSDT_261332",
        "BTCUSDT_2609",
        "BTC USDT",
        "A" * 37 + "USDT",
    ],
)
def test_other_names_are_not_ours(symbol: str) -> None:
    """Names without a dollar quote, with an impossible date, with marks or too long are refused, not guessed at."""
    assert instrument_named(symbol) is None


@pytest.mark.parametrize(
    "symbol", ["BTCUSD_PERP", "BTCUSD_210924", "DOTUSD_210924", "BNBUSD_210924", "linkusd_perp".upper()]
)
def test_coin_m_names_are_known_for_what_they_are(symbol: str) -> None:
    """COIN-M names are recognised, also where the coin's last letter and USD look like another quote (BUSD, TUSD)."""
    assert is_coin_m(symbol)
    assert instrument_named(symbol) is None


def test_a_base_is_never_cut_short_by_a_shorter_quote() -> None:
    """No quote hides behind a shorter one that ends it: they are tried longest first."""
    for position, quote in enumerate(DOLLAR_QUOTES):
        assert not any(quote.endswith(earlier) for earlier in DOLLAR_QUOTES[:position])


@pytest.mark.parametrize(
    ("base", "coin", "multiplier"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1_000),
        ("1000SATS", "SATS", 1_000),
        ("1000X", "X", 1_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("1INCH", "1INCH", 1),
        ("1000", "1000", 1),
        ("10000LADYS", "10000LADYS", 1),
        ("42", "42", 1),
        ("2Z", "2Z", 1),
        ("币安人生", "币安人生", 1),
    ],
)
def test_a_base_says_how_many_of_which_coin(base: str, coin: str, multiplier: int) -> None:
    """Many of a coin are told from a coin that begins with a digit; a multiple never seen here is not guessed at."""
    assert coin_of(base) == (coin, multiplier)
    instrument = instrument_named(f"{base}USDT")
    assert instrument is not None
    assert (instrument.base, instrument.asset, instrument.multiplier) == (base, coin, multiplier)

"""Reading Hyperliquid's names: what is ours, and what is another product's or another venue's."""

import pytest

from perpscope.venues.hyperliquid.symbols import instrument_named


@pytest.mark.parametrize("symbol", ["BTC", "kPEPE", "FARTCOIN", "0G", "2Z", "KAS", "K"])
def test_coins_are_read(symbol: str) -> None:
    """A coin alone names its perpetual, margined in USDC. Keeps S1-02."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    assert instrument.id == f"{symbol}-USDC-PERP.HYPERLIQUID"
    assert (instrument.base, instrument.quote, instrument.symbol) == (symbol, "USDC", symbol)
    assert instrument.is_perpetual
    assert instrument.tick_size is None


@pytest.mark.parametrize(
    "symbol",
    ["", "!!", "btc", "k", "kpepe", "kkPEPE", "@107", "PURR/USDC", "xyz:CRWV", "+10", "BTC-PERP", "A" * 22, "BTC\n"],
)
def test_other_names_are_not_ours(symbol: str) -> None:
    """Spot, exchanges built by others, and names in the wrong case are refused, not guessed at."""
    assert instrument_named(symbol) is None


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDC", "BTCUSD", "1000PEPEUSDT"])
def test_pairs_of_other_venues_are_not_coins(symbol: str) -> None:
    """`BTCUSDT` looks like a coin's name, and is another venue's perpetual."""
    assert instrument_named(symbol) is None

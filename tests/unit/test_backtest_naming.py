"""Whose candles a file holds, by its name and its folder."""

from pathlib import Path

import pytest

from perpscope.app.backtest.naming import instrument_of, is_called


@pytest.mark.parametrize(
    ("path", "venue", "symbol", "expected"),
    [
        ("binance_usdm_2023/BTC_USDT_USDT-15m-futures.feather", None, None, "BTC-USDT-PERP.BINANCE"),
        ("hyperliquid_2025/BTC_USDC_USDC-5m-futures.feather", None, None, "BTC-USDC-PERP.HYPERLIQUID"),
        ("okx_swap/BTC_USDT_USDT-1h-mark.feather", None, None, "BTC-USDT-PERP.OKX"),
        ("binance_usdm/BTCUSDT_1m.parquet", None, None, "BTC-USDT-PERP.BINANCE"),
        ("x/okx_ETH-USDT-SWAP_1m.csv", None, None, "ETH-USDT-PERP.OKX"),
        ("x/hyperliquid_btc_funding.csv.gz", None, None, "BTC-USDC-PERP.HYPERLIQUID"),
        ("x/eth.csv", "bitget", None, "ETH-USDT-PERP.BITGET"),
        ("x/a.csv", "okx", "BTC", "BTC-USDT-PERP.OKX"),
        ("x/a.csv", None, "ETH-USDT-PERP.BYBIT", "ETH-USDT-PERP.BYBIT"),
        ("x/a.csv", "binance", "SOLUSDT", "SOL-USDT-PERP.BINANCE"),
    ],
    ids=["freqtrade", "hyperliquid", "okx", "symbol", "swap", "coin", "venue", "coin-told", "id-told", "symbol-told"],
)
def test_names_tell_the_instrument(path: str, venue: str | None, symbol: str | None, expected: str) -> None:
    """The forms that are in use are read, and what is said outranks them."""
    found, notes = instrument_of(Path(path), venue, symbol)
    assert found.id == expected
    assert notes == []


def test_what_nobody_tells_is_assumed_and_said() -> None:
    """A file that names neither coin nor venue still runs, with notes that say what was taken. Keeps B23."""
    found, notes = instrument_of(Path("x/candles.csv"), None, None)
    assert found.venue == "binance"
    assert len(notes) == 2
    assert instrument_of(Path("x/.csv"), None, None)[0].id == "MARKET-USDT-PERP.BINANCE"


def test_an_instrument_answers_to_all_its_names() -> None:
    """Coin, symbol and id, in any case; nothing else."""
    found, _ = instrument_of(Path("x/btcusdt.csv"), "binance", None)
    assert all(is_called(found, name) for name in ("btc", "BTCUSDT", "btc-usdt-perp.binance"))
    assert not is_called(found, "ETH")

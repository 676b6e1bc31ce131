"""Margin tiers that ship, and the one that is assumed: figures, laws, and that they never pass for the venue's."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest

from perpscope.app import margin_tiers
from perpscope.app.margin_tiers import Quality, tiers_for
from perpscope.model.instrument import Instrument, MarginTier, TierBasis, instrument_id

FILE = Path(margin_tiers.__file__).with_name("binance_margin_tiers.json")
SHIPPED = {
    symbol: shared["tiers"]
    for shared in json.loads(FILE.read_bytes())["tables"]
    for symbol in shared["symbols"].split()
}


def perpetual(venue: str, symbol: str, max_leverage: float | None = None) -> Instrument:
    """An instrument of which only venue and symbol matter."""
    identity = instrument_id(venue, symbol, "USDT")
    return Instrument(id=identity, venue=venue, symbol=symbol, base=symbol, quote="USDT", max_leverage=max_leverage)


def test_the_table_is_small_dated_and_has_907_symbols() -> None:
    """What ships says what it is and of when."""
    assert len(SHIPPED) == 907
    assert FILE.stat().st_size <= 150_000
    header = json.loads(FILE.read_bytes())
    assert (header["source"], header["as_of"]) == ("Binance USD-M leverage brackets", "2026-09")
    assert header["columns"] == ["floor", "cap", "mmr", "max_leverage", "deduction"]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT", "BTCUSDT_261225", "ETHBTC"])
def test_known_symbols_are_there(symbol: str) -> None:
    """Perpetuals, thousands, dated contracts and those not quoted in dollars."""
    table = tiers_for(perpetual("binance", symbol))
    assert table.quality is Quality.DATED
    assert len(table.tiers) == len(SHIPPED[symbol])


def test_every_deduction_follows_from_the_rates() -> None:
    """c_j = c_{j-1} + a_j (m_j - m_{j-1}): maintenance margin does not jump from one tier to the next. All 907."""
    for symbol in SHIPPED:
        tiers = tiers_for(perpetual("binance", symbol)).tiers
        assert (tiers[0].floor, tiers[0].deduction, tiers[-1].cap) == (0.0, 0.0, None), symbol
        for lower, upper in pairwise(tiers):
            step = upper.floor * (upper.mmr - lower.mmr)
            assert upper.deduction == pytest.approx(lower.deduction + step, rel=1e-12), symbol
            assert lower.cap == upper.floor > lower.floor, symbol
            assert upper.mmr > lower.mmr > 0, symbol
            assert upper.max_leverage <= lower.max_leverage, symbol
        assert all(tier.basis is TierBasis.NOTIONAL and tier.mmr < 1 / tier.max_leverage for tier in tiers), symbol


def test_bitcoins_first_tiers_are_binances() -> None:
    """By hand: 0.4 % to 300,000, then 0.5 % with 300,000 × 0.1 % = 300 deducted, then 0.65 %."""
    first, second, third, *_ = tiers_for(perpetual("binance", "BTCUSDT")).tiers
    assert first == MarginTier(0.0, 300_000.0, 0.004, 150.0, 0.0)
    assert second == MarginTier(300_000.0, 800_000.0, 0.005, 100.0, 300.0)
    assert third.deduction == 300.0 + 800_000.0 * 0.0015 == 1500.0


@pytest.mark.parametrize(
    ("instrument", "rate", "leverage"),
    [
        (perpetual("binance", "NEWUSDT", 25.0), 0.005, 25.0),
        (perpetual("binance", "NEWUSDT"), 0.005, 100.0),
        (perpetual("okx", "BTCUSDT"), 0.005, 100.0),
        (perpetual("hyperliquid", "BTC", 40.0), 0.0125, 40.0),
        (perpetual("hyperliquid", "DOGE", 10.0), 0.05, 10.0),
        (perpetual("hyperliquid", "BTC"), 0.005, 100.0),
    ],
    ids=["unknown", "unknown-leverage", "no-table", "half-of-1/40", "half-of-1/10", "half-of-nothing-known"],
)
def test_an_unknown_symbol_gets_one_tier_that_says_it_is_assumed(
    instrument: Instrument, rate: float, leverage: float
) -> None:
    """0.5 % for any size, nothing deducted, never silently; another venue's symbol of that name is not Binance's.

    Hyperliquid asks half of the initial margin at the highest leverage: 1 ÷ (2 × leverage), where that is known.
    """
    table = tiers_for(instrument)
    assert table.tiers == (MarginTier(0.0, None, rate, leverage, 0.0),)
    assert (table.quality, table.as_of) == (Quality.ASSUMED, None)
    assert "assumed" in table.source


def test_what_ships_is_what_was_recorded(recordings: Path) -> None:
    """Each number of the recorded brackets, and no other, stands in the file."""
    recorded = json.loads(gzip.decompress((recordings / "margin-tiers" / "binance_usdm_202609.json.gz").read_bytes()))
    expected = {}
    for name, brackets in recorded.items():
        pair, _, margin = name.partition(":")
        _, dash, expiry = margin.partition("-")
        rows = [bracket["info"] for bracket in brackets]
        columns = ("notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum")
        symbol = pair.replace("/", "") + dash.replace("-", "_") + expiry
        expected[symbol] = [[row[column] for column in columns] for row in rows]
    assert expected == SHIPPED

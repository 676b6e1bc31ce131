"""How far fills are from bankruptcy, in all recorded Binance liquidations that tell both.

A forced order's limit is the price at which the position's margin is gone; what is left when it fills is about the
maintenance margin. `pytest -s` prints the median of each symbol beside its first-tier rate.
"""

import gzip
import json
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

from perpscope.app import venues
from perpscope.feeds.liquidation_columns import Reading
from perpscope.feeds.liquidation_files import Found, LiquidationFile
from perpscope.model.market import Liquidation, PositionSide

LEAST_SHOWN = 5  #: liquidations of a symbol that make a line of the table


@pytest.fixture(scope="module")
def told(recordings: Path) -> dict[str, list[Liquidation]]:
    """Liquidations with both prices, by symbol, each once."""
    by_symbol: dict[str, list[Liquidation]] = defaultdict(list)
    for path in sorted((recordings / "liquidations").glob("binance_usdm_*[0-9ab].csv.gz")):
        if "buckets" in path.name:
            continue
        seen = set()
        for row in LiquidationFile(path, Reading(), venues.find("binance")).rows():
            if isinstance(row, Found) and row.liquidation.fill_price and row.liquidation.bankruptcy_price:
                seen.add((row.instrument.symbol, row.liquidation))
        for symbol, event in seen:
            by_symbol[symbol].append(event)
    return by_symbol


@pytest.fixture(scope="module")
def first_tier(recordings: Path) -> dict[str, float]:
    """First-tier maintenance rate by symbol, as of September 2026."""
    path = recordings / "margin-tiers" / "binance_usdm_202609.json.gz"
    tables = json.loads(gzip.decompress(path.read_bytes()))
    perpetuals = {name.partition(":")[0].replace("/", ""): tiers for name, tiers in tables.items() if "-" not in name}
    return {symbol: tiers[0]["maintenanceMarginRate"] for symbol, tiers in perpetuals.items()}


def distance(event: Liquidation) -> float:
    """Signed distance of the fill from bankruptcy, > 0 if the fill is the better price for the holder."""
    assert event.fill_price is not None
    assert event.bankruptcy_price is not None
    away = event.fill_price / event.bankruptcy_price - 1
    return away if event.position_side is PositionSide.LONG else -away


def test_bankruptcy_is_on_the_worse_side_of_every_fill(told: dict[str, list[Liquidation]]) -> None:
    """A fill is never worse for the holder than the order's limit: so `p` is the limit and `ap` the fill."""
    events = [event for events in told.values() for event in events]
    assert len(events) > 1000
    assert min(map(distance, events)) >= 0


def test_the_distance_is_about_the_maintenance_rate(
    told: dict[str, list[Liquidation]], first_tier: dict[str, float]
) -> None:
    """The median event's distance is within a factor of two of its symbol's first-tier maintenance rate."""
    print(f"\n{'symbol':<16}{'n':>6}{'median |fill/bankruptcy − 1|':>32}{'first-tier rate':>18}{'ratio':>8}")
    ratios = []
    for symbol, events in sorted(told.items(), key=lambda item: -len(item[1])):
        middle, rate = median(map(abs, map(distance, events))), first_tier.get(symbol)
        if rate is not None:
            ratios += [abs(distance(event)) / rate for event in events]
        if len(events) >= LEAST_SHOWN:
            shown = (f"{rate:.4%}", f"{middle / rate:.2f}") if rate else ("not listed", "")
            print(f"{symbol:<16}{len(events):>6}{middle:>32.4%}{shown[0]:>18}{shown[1]:>8}")
    away = [abs(distance(event)) for events in told.values() for event in events]
    print(f"all: n {len(away)}, median {median(away):.4%}; median of distance ÷ rate {median(ratios):.2f}")
    assert 0.5 < median(ratios) < 2

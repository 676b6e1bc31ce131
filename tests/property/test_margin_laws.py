"""The margin engine for all positions: at the price given, and nowhere else, equity meets maintenance. Keeps B8.

The oracle knows no deduction and no formula: equity is what was put up and gained, maintenance the integral of the
rate over the value (or the rate of the value, or of the size, where a venue says so), at prices over eight decades.
"""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics import margin, margin_arrays
from perpscope.analytics.margin import Leg, Terms
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.margin_tiers import TierTable, deductions, flat_table, tier_table
from perpscope.analytics.margin_venues import terms_of
from perpscope.model.instrument import Contract, MarginTier, TierBasis
from perpscope.model.market import PositionSide

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
POSITIONS = 10_000  #: of each venue and contract
ALIKE = 400  #: of them asked one by one too
#: Of a price: from a ten-thousandth to ten thousand times.
GRID = np.geomspace(1e-4, 1e4, 161)
NEAR = 1e-7

FLOORS = (0.0, 5e4, 6e5, 3e6, 12e6, 70e6, 100e6, 230e6)
RATES = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.10)
LEVERAGES = (125.0, 100.0, 75.0, 50.0, 25.0, 20.0, 10.0, 5.0)
#: A table in the manner of each venue: continuous ones, OKX's by size, Bitget's without a deduction.
TABLES = {
    "binance": TierTable(FLOORS, RATES, deductions(FLOORS, RATES), LEVERAGES),
    "bybit": TierTable((0.0, 2e6, 1e7), (0.0033, 0.005, 0.01), (0.0, 3400.0, 53_400.0), (150.0, 100.0, 50.0)),
    "okx": TierTable((0.0, 500.0, 1e4), (0.004, 0.005, 0.02), (0.0,) * 3, (100.0, 75.0, 25.0), TierBasis.SIZE),
    "bitget": TierTable(FLOORS, RATES, (0.0,) * len(FLOORS), LEVERAGES),
    "hyperliquid": TierTable((0.0, 1.5e8), (0.0125, 0.025), (0.0, 1_875_000.0), (40.0, 20.0)),
}
CASES = [(venue, contract, mode) for venue in TABLES for contract in Contract for mode in ("isolated", "cross")]


class Positions(NamedTuple):
    """Columns of one length, each position alone on its balance."""

    is_long: np.ndarray
    size: Floats
    entry: Floats
    balance: Floats


def positions(venue: str, contract: Contract, mode: str, count: int, seed: int = 7) -> Positions:
    """Random ones that could have been opened: worth 100 to 300 million, at 1× to the highest leverage.

    Isolated, with up to as much again added; cross, with what a wallet and others leave, from just enough to too much.
    """
    rng = np.random.default_rng(seed)
    table, terms = TABLES[venue], terms_of(venue, contract)
    entry = np.exp(rng.uniform(np.log(1e-3), np.log(1e5), count))
    value = np.exp(rng.uniform(np.log(100.0), np.log(3e8), count))
    size = value / factor(entry, contract)
    highest = np.array([table.max_leverage(v, s) for v, s in zip(value, size, strict=True)])
    initial = value / np.exp(rng.uniform(0.0, np.log(highest)))
    if mode == "isolated":
        balance = initial * rng.choice([1.0, 1.0 + rng.uniform()], count)
    else:
        wallet, profit = initial * rng.uniform(1.0, 4.0, count), initial * rng.uniform(-0.5, 1.0, count)
        balance = wallet + profit - initial * rng.uniform(0.0, 0.4, count)
    is_long = rng.uniform(size=count) < 0.5
    suffices = margin_arrays.margin_excesses(is_long, size, entry, balance, table, terms, entry) > 0.0
    return Positions(is_long[suffices], size[suffices], entry[suffices], balance[suffices])


def factor(price: Floats, contract: Contract) -> Floats:
    """Value of one unit of size."""
    return price if contract is Contract.LINEAR else 1.0 / price


def excess(held: Positions, price: Floats, table: TierTable, terms: Terms) -> Floats:
    """Equity less what is required, by definition; a row a price, a column a position."""
    per = factor(price, terms.contract)
    value = held.size * per
    gained = held.size * (per - factor(held.entry, terms.contract))
    gained = np.where(held.is_long == (terms.contract is Contract.LINEAR), gained, -gained)
    if table.basis is TierBasis.SIZE:
        rate = np.select([held.size <= bound for bound in table.floors[1:]], table.rates[:-1], table.rates[-1])
        needed = rate * value
    elif any(table.deductions):
        ends = [*table.floors[1:], np.inf]
        slices = [np.clip(value - floor, 0.0, end - floor) for floor, end in zip(table.floors, ends, strict=True)]
        needed = np.tensordot(np.array(table.rates), np.array(slices), 1)
    else:
        needed = np.select([value < bound for bound in table.floors[1:]], table.rates[:-1], table.rates[-1]) * value
    return held.balance + gained - needed - terms.closing_fee * value


@pytest.mark.parametrize(("venue", "contract", "mode"), CASES, ids=lambda part: getattr(part, "value", part))
def test_the_sign_changes_at_the_price_given(venue: str, contract: Contract, mode: str) -> None:
    """10,000 of each: once, there, over eight decades; where a venue's table jumps, for the first time. Keeps B8."""
    held = positions(venue, contract, mode, POSITIONS)
    table, terms = TABLES[venue], terms_of(venue, contract)
    price = margin_arrays.liquidation_prices(*held, table, terms)
    has = np.isfinite(price)
    assert has.mean() > 0.8
    assert (price[has & held.is_long] < held.entry[has & held.is_long]).all()
    assert (price[has & ~held.is_long] > held.entry[has & ~held.is_long]).all()
    inner, outer = np.where(held.is_long, 1.0 + NEAR, 1.0 - NEAR), np.where(held.is_long, 1.0 - NEAR, 1.0 + NEAR)
    at = np.where(has, price, held.entry)
    assert (excess(held, at * inner, table, terms)[has] > 0.0).all()
    assert (excess(held, at * outer, table, terms)[has] <= 0.0).all()
    grid = held.entry * GRID[:, None]
    signs = excess(held, grid, table, terms) > 0.0
    safe = np.where(held.is_long, grid > price, grid < price) | ~has
    rises = held.is_long == (contract is Contract.LINEAR)
    jumps = not any(table.deductions) and table.basis is TierBasis.NOTIONAL
    way = np.where(held.is_long, grid <= held.entry, grid >= held.entry) & safe
    judged = np.where(rises, way, True) if jumps else np.ones_like(safe)
    assert (signs == safe)[judged].all()


@pytest.mark.parametrize(("venue", "contract", "mode"), CASES, ids=lambda part: getattr(part, "value", part))
def test_one_by_one_and_all_at_once_agree(venue: str, contract: Contract, mode: str) -> None:
    """Prices, bankruptcy, excess and maintenance: the arrays are the scalars to 13 digits. Keeps B8."""
    held = positions(venue, contract, mode, ALIKE, seed=11)
    table, terms = TABLES[venue], terms_of(venue, contract)
    legs = [
        Leg(LONG if is_long else SHORT, float(size), float(entry))
        for is_long, size, entry in zip(held.is_long, held.size, held.entry, strict=True)
    ]
    pairs = [(leg, float(balance)) for leg, balance in zip(legs, held.balance, strict=True)]
    marks = held.entry * np.random.default_rng(3).uniform(0.5, 2.0, len(legs))
    for start in (held.entry, marks):
        one_by_one = [
            margin.liquidation_price(leg, balance, table, terms, float(at))
            for (leg, balance), at in zip(pairs, start, strict=True)
        ]
        same(margin_arrays.liquidation_prices(*held, table, terms, start), one_by_one)
    same(margin_arrays.bankruptcy_prices(*held, terms), [margin.bankruptcy_price(*pair, terms) for pair in pairs])
    excesses = margin_arrays.margin_excesses(*held, table, terms, marks)
    for found, (leg, balance), mark in zip(excesses, pairs, marks, strict=True):
        scale = abs(balance) + margin.value_at(leg.size, leg.entry, terms) + margin.value_at(leg.size, mark, terms)
        expected = margin.margin_excess([leg], balance, [table], terms, float(mark))
        assert abs(found - expected) <= 1e-13 * scale
    needed = margin_arrays.maintenance_margins(held.size, marks, table, terms)
    values = [margin.value_at(leg.size, float(mark), terms) for leg, mark in zip(legs, marks, strict=True)]
    assert needed == pytest.approx([table.maintenance(v, leg.size) for v, leg in zip(values, legs, strict=True)])


def same(found: Floats, expected: list[float | None]) -> None:
    """Equal to 12 digits, nan where the other is None."""
    assert found == pytest.approx(np.array([np.nan if e is None else e for e in expected]), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("venue", TABLES)
@pytest.mark.parametrize("contract", Contract, ids=lambda contract: contract.value)
def test_a_price_at_a_tiers_very_bound_is_found(venue: str, contract: Contract) -> None:
    """Where rounding could put it in neither tier: 200 entries whose price is each bound, on both sides."""
    table, terms = TABLES[venue], Terms(contract, terms_of(venue).closing_fee)
    for bound in table.floors[1:]:
        for side in PositionSide:
            gains = (side is LONG) is (contract is Contract.LINEAR)
            entry = np.linspace(0.3, 3.7, 200) * 1e4
            move = 0.97 if gains else 1.03
            size = bound / factor(entry, contract) / move  # worth the bound once its value has moved so much
            needed = np.array([table.maintenance(bound, held) for held in size]) + terms.closing_fee * bound
            balance = needed + abs(1.0 - move) / move * bound
            found = margin_arrays.liquidation_prices(side is LONG, size, entry, balance, table, terms)
            one_by_one = [
                margin.liquidation_price(Leg(side, float(q), float(e)), float(w), table, terms)
                for q, e, w in zip(size, entry, balance, strict=True)
            ]
            same(found, one_by_one)
            at_bound = size * factor(found, contract)
            assert np.isfinite(found).all()
            if any(table.deductions):  # where it jumps, a last digit decides which tier it is
                assert at_bound == pytest.approx(np.full(200, bound), rel=1e-12)


@pytest.mark.parametrize("venue", TABLES)
@pytest.mark.parametrize("contract", Contract, ids=lambda contract: contract.value)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_more_leverage_is_never_further(venue: str, contract: Contract, data: st.DataObject) -> None:
    """Of two leverages of one position the higher is liquidated nearer to its entry; bankruptcy lies beyond both."""
    table, terms = TABLES[venue], terms_of(venue, contract)
    side, entry = data.draw(st.sampled_from(PositionSide)), data.draw(st.floats(1e-3, 1e5))
    value = data.draw(st.floats(100.0, 3e8))
    size = value / entry if contract is Contract.LINEAR else value * entry
    highest = table.max_leverage(value, size)
    lower, higher = sorted(data.draw(st.tuples(*[st.floats(1.0, highest)] * 2)))
    leg, prices = Leg(side, size, entry), []
    for leverage in (lower, higher):
        balance = margin.initial_margin(leg, leverage, terms)
        price = margin.liquidation_price(leg, balance, table, terms)
        bankrupt = margin.bankruptcy_price(leg, balance, terms)
        far = 0.0 if side is LONG else float("inf")
        prices.append(far if price is None else price)
        assert (bankrupt or far) <= prices[-1] if side is LONG else (bankrupt or far) >= prices[-1]
    assert prices[1] >= prices[0] * (1 - 1e-12) if side is LONG else prices[1] <= prices[0] * (1 + 1e-12)


def test_the_recorded_tables_load_and_are_continuous(recordings: Path) -> None:
    """All 907 of Binance: each a table, maintenance without a jump, every tier's leverage allowed by its rate."""
    recorded = json.loads(gzip.decompress((recordings / "margin-tiers" / "binance_usdm_202609.json.gz").read_bytes()))
    assert len(recorded) == 907
    columns = ("notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum")
    for name, brackets in recorded.items():
        rows = [[bracket["info"][column] for column in columns] for bracket in brackets]
        table = tier_table([MarginTier(*row) for row in rows])
        assert table.is_continuous, name
        for (_, cap, rate, _, cum), (floor, _, above, _, cum_above) in pairwise(rows):
            assert cap * rate - cum == pytest.approx(floor * above - cum_above, abs=1e-6), name
        assert all(rate * leverage < 1.0 for rate, leverage in zip(table.rates, table.leverages, strict=True)), name


@pytest.mark.parametrize(
    ("column", "said"),
    [("size", "each size"), ("entry", "each entry"), ("price", "each price"), ("balance", "balance"), ("fee", "fee")],
)
def test_arrays_refuse_what_the_scalars_do(column: str, said: str) -> None:
    """One bad figure among many stops all."""
    figures = {name: np.array([1.0, 1.0]) for name in ("size", "entry", "balance", "price")}
    if column != "fee":
        figures[column] = np.array([1.0, np.nan])
    terms = Terms(closing_fee=0.5 if column == "fee" else 0.0)
    size, entry, balance, price = figures.values()
    with pytest.raises(ValueError, match=said):
        margin_arrays.liquidation_prices(True, size, entry, balance, TABLES["binance"], terms, price)


def test_a_tier_that_asks_for_everything_is_refused() -> None:
    """95 % and a fee of 6 %: a long could never be closed without a loss."""
    with pytest.raises(ValueError, match="below 1 together"):
        margin_arrays.liquidation_prices(True, 1.0, 1.0, 1.0, flat_table(0.95), Terms(closing_fee=0.06))

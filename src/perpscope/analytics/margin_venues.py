"""What the five venues count in the liquidation price besides their tiers, and two older formulas, as data and figures.

In: a venue's name. Out: its `VenueMargin`, with the page it stands on and when it was read. A venue changes its page
more often than its engine; `as_of` says which one is meant.
"""

from typing import Final

import msgspec

from perpscope.analytics.margin import LINEAR, Leg, Terms, initial_margin, value_at
from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import Contract
from perpscope.model.market import PositionSide


class VenueMargin(msgspec.Struct, frozen=True):
    """A venue's liquidation price: one equation, its own parameters."""

    closing_fee: float  #: counted in the trigger, fraction of notional; the base rate of an account without a discount
    formula: str  #: of a linear position; s = +1 long, -1 short
    source: str
    as_of: str  #: ISO date, or as much of one as is known


_LINEAR: Final = "(W + U - T + c - s·q·E) ÷ (q·(m - s))"
_WITH_FEE: Final = "(W + U - T + c - s·q·E) ÷ (q·(m + φ - s))"
#: Bybit's page of 2026-05-27 has an estimated closing fee in both initial and maintenance margin: to first order it
#: cancels, and 0 is taken; the linear form is the analogue of its documented inverse one. OKX's page was read at second
#: hand.
VENUES: Final = {
    "binance": VenueMargin(
        0.0, _LINEAR, "Binance FAQ: How to calculate liquidation price of USDⓈ-M futures", "2026-11"
    ),
    "bybit": VenueMargin(0.0, _LINEAR, "Bybit help: Liquidation Price Calculation under Isolated Mode", "2026-05-27"),
    "okx": VenueMargin(0.0005, _WITH_FEE, "OKX help: margin ratio, isolated; taker 0.05 %", "2026-11"),
    "bitget": VenueMargin(
        0.0006, _WITH_FEE, "Bitget support 12560603808759; taker 0.06 %, 12560603811573", "2025-09-18"
    ),
    "hyperliquid": VenueMargin(0.0, _LINEAR, "Hyperliquid docs: trading/liquidations, trading/margin-tiers", "2026-11"),
}
#: q in quote units; c and W in base units.
INVERSE_FORMULA: Final = "Q·(m + φ + s) ÷ (W + U - T + c + s·Q÷E)"
#: Older and rougher ones, by the name they are asked for.
OTHER_FORMULAS: Final = {
    "entry": "E - s·(W - (m·q·E - c)) ÷ q, Bybit until 2025; inverse Q ÷ (Q÷E + s·(W - (m·Q÷E - c)))",
    "seed": "E·(1 - s÷L + s·m)",
}


def terms_of(venue: str, contract: Contract = Contract.LINEAR, closing_fee: float | None = None) -> Terms:
    """What a venue counts, with an account's own fee where it is given.

    Raises:
        KeyError: it is none of the five.
    """
    return Terms(contract, VENUES[venue].closing_fee if closing_fee is None else closing_fee)


def formula_of(venue: str, contract: Contract = Contract.LINEAR) -> str:
    """The formula a venue's price comes from, for people."""
    return VENUES[venue].formula if contract is Contract.LINEAR else INVERSE_FORMULA


def entry_value_price(leg: Leg, balance: float, table: TierTable, terms: Terms = LINEAR) -> float | None:
    """Bybit's liquidation price as it was documented until 2025: maintenance margin of the value at entry, not at mark.

    E - s·((IM - MM) + extra) ÷ q (linear), Q ÷ (V_E + s·(IM - MM)) (inverse), with IM + extra = the balance.

    Returns:
        Quote per base; None where it is not above 0.
    """
    value = value_at(leg.size, leg.entry, terms)
    sign = 1.0 if leg.side is PositionSide.LONG else -1.0
    lost = balance - table.maintenance(value, leg.size)
    if terms.contract is Contract.LINEAR:
        price = leg.entry - sign * lost / leg.size
        return price if price > 0.0 else None
    left = value + sign * lost
    return leg.size / left if left > 0.0 else None


def seed_price(leg: Leg, leverage: float, table: TierTable) -> float:
    """The first documents' E·(1 ∓ 1/L) ± m·E, with the maintenance rate of the entry: right to first order in m only.

    Returns:
        Quote per base; with large positions tens of basis points off.
    """
    rate = table.rates[table.tier(value_at(leg.size, leg.entry), leg.size)]
    sign = 1.0 if leg.side is PositionSide.LONG else -1.0
    return leg.entry * (1.0 - sign / leverage + sign * rate)


def check_opening(leg: Leg, leverage: float, table: TierTable, terms: Terms = LINEAR) -> float:
    """The initial margin of a position that may be opened.

    Returns:
        Quote units (linear), base units (inverse).

    Raises:
        ValueError: leverage below 1, or above what the tier of this value allows.
    """
    if not 1.0 <= leverage < float("inf"):
        raise ValueError(f"leverage {leverage:g} must be 1 or more")
    highest = table.max_leverage(value_at(leg.size, leg.entry, terms), leg.size)
    if leverage > highest:
        raise ValueError(f"leverage {leverage:g} is above {highest:g}, the highest for a position of this value")
    return initial_margin(leg, leverage, terms)

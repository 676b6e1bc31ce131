"""Where the money went: from what prices alone gave to what was kept.

before_costs - slippage = gross; gross - fees - funding = net. Slippage is measured against the mid at the decision, so
it holds half the spread, the book that was walked, and what the price did while the order was on its way.
"""

from collections.abc import Sequence
from math import isfinite

from perpscope.model.run import RunTrade
from perpscope.trading.performance.trades import Figures


def of_costs(trades: Sequence[RunTrade]) -> Figures:
    """Sums in quote units, and shares where they can be said."""
    gross, fees, funding, slippage, net = (
        sum(getattr(trade, name) for trade in trades) for name in ("gross", "fees", "funding", "slippage", "net")
    )
    won = sum(max(trade.gross, 0.0) for trade in trades)
    moved = traded(trades)
    return {
        "before_costs": gross + slippage,
        "slippage": slippage,
        "gross": gross,
        "fees": fees,
        "funding": funding,
        "net": net,
        "traded": moved,
        "fee_share": _share(fees, gross),
        "fee_share_of_gains": _share(fees, won),
        "fees_bps": fees / moved * 1e4 if moved else None,
        "slippage_bps": slippage / moved * 1e4 if moved else None,
    }


def traded(trades: Sequence[RunTrade]) -> float:
    """Notional that changed hands, quote units: each trade goes in and out once with the most it held."""
    return sum(trade.size * (trade.entry + trade.exit) for trade in trades)


def _share(part: float, whole: float) -> float | None:
    """What part is of a gain; None where nothing was gained, or so little that no number says it."""
    share = part / whole if whole > 0.0 else None
    return share if share is None or isfinite(share) else None

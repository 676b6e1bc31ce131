"""What an order taken from the book would cost at once: the levels it walks, their average and their worst price."""

from collections.abc import Sequence

import msgspec

from perpscope.model.market import Level, Side

_BPS = 10_000.0


class Slippage(msgspec.Struct, frozen=True, gc=False):
    """An estimate from one state of the book; the market may move before an order arrives."""

    side: Side  #: of the order
    size: float  #: base units asked for
    filled: float  #: base units the book holds of it; less than `size` where the book ends first
    average_price: float  #: quote per base, of what is filled
    worst_price: float  #: quote per base, of the last level touched
    slippage_mid_bps: float  #: cost of the average against mid, basis points; positive is worse
    slippage_touch_bps: float  #: cost of the average against the best opposite price, basis points; never negative

    @property
    def is_complete(self) -> bool:
        """True if the book holds the whole size."""
        return self.filled >= self.size


def walk(side: Side, size: float, levels: Sequence[Level], mid: float) -> Slippage:
    """Fill an order from levels, best first.

    Average price = Σ price × taken ÷ Σ taken; slippage = (average ÷ reference - 1) × 10⁴ for a buy, the opposite for a
    sell.

    Args:
        side: of the order; a BUY walks asks, a SELL bids.
        size: base units, > 0.
        levels: the opposite side, at least one.
        mid: quote per base.
    """
    left, paid, worst = size, 0.0, levels[0][0]
    for price, available in levels:
        taken = min(left, available)
        paid += price * taken
        left -= taken
        worst = price
        if left <= 0.0:
            break
    filled = size - left
    average = paid / filled
    sign = 1.0 if side is Side.BUY else -1.0
    touch = levels[0][0]
    return Slippage(
        side,
        size,
        filled,
        average,
        worst,
        sign * (average / mid - 1.0) * _BPS,
        max(0.0, sign * (average / touch - 1.0) * _BPS),  # one level's average may round to just inside it
    )

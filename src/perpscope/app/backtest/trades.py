"""Fills as trades: each position from its opening until nothing of it was left, what it earned and what it cost.

In: rows of `layout.FILL`, whole ticks, steps and money. Out: `RunTrade`s in quote units. A position that is still open
at the end of the data is the last of them, valued at the last price, and nothing is charged for closing it.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.model.order import Role
from perpscope.model.run import RunTrade
from perpscope.trading import layout
from perpscope.trading.layout import MONEY
from perpscope.trading.strategy import Strategy
from perpscope.trading.units import Units

#: Why a trade ended that has not.
STILL_OPEN: Final = "open-at-end"
_MS: Final = 1_000_000
_ROLES: Final = {
    layout.PROTECT: Role.PROTECT.value,
    layout.PROFIT: Role.PROFIT.value,
    layout.LIQUIDATED: Role.LIQUIDATED.value,
    layout.FLATTEN: Role.FLATTEN.value,
}


class Left(msgspec.Struct, frozen=True):
    """What is still open when the data end."""

    price: float  #: the last known, quote per base
    at_ns: int  #: ns UTC
    unrealised: int  #: money
    funding: int  #: money, `ACCOUNT.funding` at the end
    best: float  #: quote per base
    worst: float


def trades_of(fills: NDArray[np.void], units: Units, strategy: Strategy, left: Left | None = None) -> list[RunTrade]:
    """Every position of a run, in order.

    Args:
        fills: all of them, in order.
        units: of the contract.
        strategy: whose names for reasons are used.
        left: how what is open at the end stands; None = nothing is.
    """
    found: list[RunTrade] = []
    opened, funding = 0, 0
    for number, position in enumerate(fills["position"].tolist()):
        if position == 0:
            rows = fills[opened : number + 1]
            found.append(_trade(rows, units, strategy, funding, None))
            opened, funding = number + 1, int(rows["funding"][-1])
    if left is not None and opened < fills.size:
        found.append(_trade(fills[opened:], units, strategy, funding, left))
    return found


def _trade(
    rows: NDArray[np.void], units: Units, strategy: Strategy, funding_before: int, left: Left | None
) -> RunTrade:
    sign = int(rows["side"][0])
    tick, step = float(units.tick), float(units.step)
    is_in = rows["side"] == sign
    entry = _average(rows[is_in]) * tick
    last = rows[-1]
    out = rows[~is_in]
    leaving = left.price if left is not None else _average(out) * tick if out.size else entry  # one was taken over
    gross = int(rows["realised"].sum()) + (0 if left is None else left.unrealised)
    fees = int(rows["fee"].sum())
    funding = int(last["funding"] if left is None else left.funding) - funding_before
    best, worst = (last["best"], last["worst"]) if left is None else (left.best, left.worst)
    return RunTrade(
        opened_ms=int(rows["ts"][0]) // _MS,
        closed_ms=(int(last["ts"]) if left is None else left.at_ns) // _MS,
        side="LONG" if sign > 0 else "SHORT",
        size=float(np.abs(rows["position"]).max(initial=int(rows["size"][0]))) * step,
        entry=entry,
        exit=leaving,
        gross=gross / MONEY,
        fees=fees / MONEY,
        funding=funding / MONEY,
        slippage=_slippage(rows, tick, step),
        net=(gross - fees - funding) / MONEY,
        worst=min(0.0, _excursion(float(worst), entry, sign)),
        best=max(0.0, _excursion(float(best), entry, sign)),
        why_in=_reason(strategy.reasons, int(rows["why"][0])),
        why_out=STILL_OPEN if left is not None else _why_out(last, strategy.reasons),
        is_liquidated=bool((rows["role"] == layout.LIQUIDATED).any()),
    )


def _average(rows: NDArray[np.void]) -> float:
    """Average price in ticks, by size."""
    size = rows["size"].astype(np.float64)
    return float((rows["price"] * size).sum() / size.sum())


def _slippage(rows: NDArray[np.void], tick: float, step: float) -> float:
    """What fills cost against the mid at their decision, quote units; a liquidation has none."""
    known = np.isfinite(rows["mid"]) & (rows["mid"] > 0.0) & (rows["role"] != layout.LIQUIDATED)
    paid = (rows["price"] * tick - rows["mid"]) * rows["side"] * rows["size"] * step
    return float(paid[known].sum())


def _excursion(price: float, entry: float, sign: int) -> float:
    return (price / entry - 1.0) * sign if isfinite(price) else 0.0


def _why_out(row: np.void, reasons: Sequence[str]) -> str:
    return _ROLES.get(int(row["role"])) or _reason(reasons, int(row["why"]))


def _reason(reasons: Sequence[str], number: int) -> str:
    return reasons[number] if 0 <= number < len(reasons) else ""

"""How a desk of paper or live begins where it was left, and what has to be remembered for that.

In: `Resumed`, told by whoever asked the store, the journal and the exchange. Out: a desk that has seen the candles,
holds what the exchange says, works its orders under their own numbers, and knows of its risk what it knew. Whatever
happened before `Resumed.ts_recv` is in it already and must not be told again. Nobody is asked, and nothing is told.
"""

from collections.abc import Mapping
from math import floor, isfinite, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Resumed, Role, WorkingOrder
from perpscope.trading import halting, risk, steps
from perpscope.trading.account import initial_margin
from perpscope.trading.asking import at
from perpscope.trading.layout import ENTRY, FREE, PROTECT, SLOTS, STOP, TAKE, WORKING
from perpscope.trading.refusals import REFUSALS
from perpscope.trading.strategy import Record
from perpscope.trading.units import Units

Desk = NDArray[np.void]

#: What a restart must not forget, by field of `layout.RISK`.
OF_RISK: Final = (
    *("day", "day_equity", "peak", "deepest", "stops", "paused_until", "stopped_until"),
    *("halted", "halted_at", "rejected"),
)
#: And of `layout.ACCOUNT`.
OF_ACCOUNT: Final = (
    *("deposit", "realised", "fees", "funding", "slippage", "turnover", "trades", "liquidations"),
    *("size", "cost", "closed_at", "best", "worst"),
)
#: Of these what the exchange says is told anew.
_TOLD: Final = ("size", "cost", "best", "worst")
_REFUSED: Final = "refused."
_KINDS: Final = {kind: number for number, kind in enumerate(OrderKind)}
#: In the order of `layout`, whose numbers they have.
_ROLES: Final = {role: number for number, role in enumerate(Role)}


def remembered(desk: Desk) -> dict[str, float]:
    """What a restart must not forget of a desk: limits that stand, the day, the peak, and what the run came to so far.

    Returns:
        By field, in the record's own units (money is 10⁻⁸ of the quote); refusals as `refused.NAME`. What is not known
        is left out. A moment is kept to 256 ns.
    """
    d = desk.view(np.ndarray)[0]
    found = {name: float(d["risk"][name]) for name in OF_RISK}
    found |= {name: float(d["account"][name]) for name in OF_ACCOUNT}
    counts = d["risk"]["refused"].tolist()
    found |= {f"{_REFUSED}{name}": float(counts[number]) for number, name in enumerate(REFUSALS) if counts[number]}
    return {name: value for name, value in found.items() if isfinite(value)}


def resumed(desk: Desk, told: Resumed, units: Units) -> None:
    """Let a desk begin where it was left.

    A run that is new has its wallet for deposit. One that is taken up again keeps the deposit it began with: what the
    wallet did while nobody looked counts as realised, so that cash + margin = deposit + realised - fees - funding.

    Args:
        desk: as `desk.opened` made it, limits written; where something has happened on it, this takes its place.
        told: what it begins with.
        units: of its contract.

    Raises:
        ValueError: more orders than a desk holds.
    """
    if len(told.orders) > SLOTS:
        raise ValueError(f"{len(told.orders)} orders are working, a desk holds {SLOTS}")
    d = desk.view(np.ndarray)[0]
    d["orders"]["state"] = FREE
    for candle in told.candles:
        bought = nan if candle.taker_buy_volume is None else candle.taker_buy_volume
        prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
        steps.warmed(desk, candle.ts_event, candle.ts_open, *prices, bought)
    _hold(d, told, units)
    for slot, order in enumerate(told.orders):
        _work(d, slot, order, told.ts_recv, units)
    d["used"] = len(told.orders)
    d["orders_made"] = max([told.orders_made, *(order.number for order in told.orders)])
    _remember(desk, told, units)
    steps.resumed(desk, told.ts_recv)


def _hold(d: Record, told: Resumed, units: Units) -> None:
    """Write the position: its cost from the average entry, its margin as told, or what opening it locks up."""
    a, w = d["account"], d["watch"]
    wallet = units.money(told.wallet)
    size = int((told.position / units.step).to_integral_value())
    a["deposit"] = a["cash"] = wallet
    a["size"] = a["cost"] = a["margin"] = 0
    a["entry"] = nan
    if size == 0 or told.entry_price is None:
        return
    a["size"] = size
    a["cost"] = units.money(told.entry_price * abs(size) * units.step)
    a["entry"] = a["best"] = a["worst"] = a["cost"] / (abs(size) * a["worth"]) * a["tick"]
    a["margin"] = units.money(told.margin) or initial_margin(a, int(a["cost"]))
    a["cash"] = wallet - int(a["margin"])
    a["opened_at"] = told.ts_opened or told.ts_recv
    length = int(w["bar_ns"]) or halting.MINUTE
    a["opened_bar"] = int(w["bars"]) - (told.ts_recv - int(a["opened_at"])) // length


def _work(d: Record, slot: int, order: WorkingOrder, ts: int, units: Units) -> None:
    """Put an order into its slot, under its own number; an entry's stop is as far as the run's."""
    o = d["orders"][slot]
    kind, role = _KINDS[order.kind], _ROLES[order.role]
    price = 0 if order.price is None else units.ticks(order.price)
    o["id"], o["state"], o["kind"], o["role"] = order.number, WORKING, kind, role
    o["side"] = 1 if order.side is Side.BUY else -1
    o["size"], o["filled"], o["price"] = units.steps(order.size), units.steps(order.filled), price
    o["is_reducing"] = role != ENTRY
    o["placed_at"] = o["arrives_at"] = ts
    o["mid"] = price * d["account"]["tick"] if kind in (STOP, TAKE) else nan
    o["stop_at"] = d["risk"]["stop"] if role == ENTRY else 0.0


def _remember(desk: Desk, told: Resumed, units: Units) -> None:
    """Write what was remembered, and book what happened while nobody looked."""
    d, kept = desk.view(np.ndarray)[0], told.risk
    d["risk"]["quiet_until"] = 0
    for name in OF_RISK:
        if name in kept:
            d["risk"][name] = kept[name]
    for number, name in enumerate(REFUSALS):
        d["risk"]["refused"][number] = kept.get(f"{_REFUSED}{name}", 0.0)
    if "deposit" not in kept:
        return
    a, held = d["account"], int(kept.get("size", 0.0))
    for name in OF_ACCOUNT:
        if name in kept and name not in _TOLD:
            a[name] = floor(kept[name])
    if held == int(a["size"]) != 0:
        a["best"], a["worst"] = kept.get("best", a["best"]), kept.get("worst", a["worst"])
    away = units.money(told.wallet) - int(a["deposit"] + a["realised"] - a["fees"] - a["funding"])
    a["realised"] += away
    if held != 0 and a["size"] == 0:
        d["watch"]["now"] = a["closed_at"] = told.ts_recv
        a["trades"] += 1
        risk.noted(at(desk), PROTECT, away)
        _closed(d, kept, away, told.ts_recv)


def _closed(d: Record, kept: Mapping[str, float], away: int, ts: int) -> None:
    """Write down that a position was closed while nobody looked: as a stop, at the price its money comes to."""
    a, f, held = d["account"], d["kept_fills"][0], int(kept["size"])
    side, size = (-1 if held > 0 else 1), abs(held)
    f["ts"], f["order"], f["role"], f["side"], f["size"] = ts, 0, PROTECT, side, size
    f["price"] = max(1, round((kept.get("cost", 0.0) - side * away) / (size * int(a["worth"]))))
    f["mid"], f["placed_at"], f["realised"] = nan, ts, away
    f["equity"], f["funding"] = a["cash"] + a["margin"], a["funding"]
    f["best"], f["worst"] = kept.get("best", nan), kept.get("worst", nan)
    d["fills"] = 1

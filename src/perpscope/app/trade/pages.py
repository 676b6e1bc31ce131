"""A run's page: what it holds, what it has come to, and how the exchange answers, as of one moment.

In: the desk, and what trades beside it. Out: a `TradeStatus`. Nothing is asked of anybody for it.
"""

from decimal import Decimal
from math import isnan
from typing import Final

import numpy as np

from perpscope.engine.trader import Trader
from perpscope.execution.live import LiveExchange
from perpscope.execution.phases import Phase
from perpscope.execution.protection import Cover
from perpscope.execution.tracked import Tracked
from perpscope.model.order import OrderKind, OrderRequest, Role, SmallerOrder
from perpscope.model.trade_status import Held, Money, WorkingNow
from perpscope.trading.account import unrealised
from perpscope.trading.desk import Desk
from perpscope.trading.layout import MONEY
from perpscope.trading.refusals import REFUSALS

_MS_NS: Final = 1_000_000
_ZERO: Final = Decimal(0)
#: Words of `WorkingNow.state`, by how far a live order has come.
_STATES: Final = {
    Phase.INTENDED: "intended",
    Phase.SENT: "sent",
    Phase.WORKING: "working",
    Phase.TRIGGERED: "working",
    Phase.UNKNOWN: "unknown",
}


def held(trader: Trader, desk: Desk, exchange: LiveExchange | None) -> Held:
    """The position, with the stop that the exchange has confirmed."""
    position = trader.position
    mark = float(desk["watch"]["mark"][0])
    return Held(
        side=None if position.side is None else position.side.value,
        size=float(position.size),
        entry_price=None if position.entry_price is None else float(position.entry_price),
        mark=None if isnan(mark) else mark,
        margin=float(position.margin),
        liquidation_price=position.liquidation_price,
        unrealised=unrealised(desk[0]["account"], mark) / MONEY,
        stop=_stop(trader, exchange),
    )


def money(desk: Desk, exchange: LiveExchange | None = None) -> Money:
    """The account."""
    account = desk.view(np.ndarray)[0]["account"]
    mark = float(desk["watch"]["mark"][0])
    worth = int(account["cash"] + account["margin"]) + unrealised(desk[0]["account"], mark)
    return Money(
        deposit=int(account["deposit"]) / MONEY,
        equity=worth / MONEY,
        realised=int(account["realised"]) / MONEY,
        fees=int(account["fees"]) / MONEY,
        funding=int(account["funding"]) / MONEY,
        fees_elsewhere=0.0 if exchange is None else float(exchange.fees_elsewhere),
        fees_unknown=0 if exchange is None else exchange.orders.fees.unknown_fills,
    )


def refused(desk: Desk) -> dict[str, int]:
    """Entries that risk did not let pass, by reason."""
    counts = desk.view(np.ndarray)[0]["risk"]["refused"].tolist()
    return {name: counts[number] for number, name in enumerate(REFUSALS) if counts[number]}


def halted(desk: Desk) -> str:
    """Why the desk opens nothing; empty = it may."""
    return REFUSALS[int(desk.view(np.ndarray)[0]["risk"]["halted"])]


def working(trader: Trader, exchange: LiveExchange | None) -> list[WorkingNow]:
    """Orders that are not over: on the desk, where it fills them itself, else at the exchange."""
    if exchange is None:
        return [_now(request, _ZERO, "working") for request in trader.view.requests()]
    return [_now(order.request, order.filled, _state(order)) for order in exchange.orders.working]


def _stop(trader: Trader, exchange: LiveExchange | None) -> float | None:
    """Trigger of the protective stop that stands; None without one."""
    if exchange is not None:
        found = exchange.orders.protection
        return float(found.trigger) if found.cover is Cover.CONFIRMED and found.trigger is not None else None
    stops = [one.price for one in trader.view.requests() if one.role is Role.PROTECT and one.price is not None]
    return float(stops[0]) if stops else None


def _state(order: Tracked) -> str:
    return "cancelling" if order.is_wanted_back else _STATES.get(order.phase, "unknown")


def _now(request: OrderRequest, filled: Decimal, state: str) -> WorkingNow:
    closes_all = request.kind in (OrderKind.STOP, OrderKind.TAKE)
    return WorkingNow(
        id=request.id,
        role=request.role.value,
        kind=request.kind.value,
        side=request.side.value.lower(),
        size=None if closes_all else f"{request.size:f}",
        filled=f"{filled:f}",
        price=None if request.price is None else f"{request.price:f}",
        state=state,
        since_ms=request.ts_recv // _MS_NS,
        wished=f"{request.wished:f}" if isinstance(request, SmallerOrder) else None,
        bound=request.bound if isinstance(request, SmallerOrder) else "",
    )

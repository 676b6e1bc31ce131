"""The orderly end of a run: entries taken back, and the position left with its stop or closed."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from perpscope.execution.guard import closing_side
from perpscope.execution.tracked import Tracked

if TYPE_CHECKING:
    from perpscope.execution.orders import LiveOrders

#: Real seconds it may take.
_EXIT_S = 8.0
#: And between two looks.
_LOOK_S = 0.05

_log = structlog.get_logger()


async def left(
    orders: "LiveOrders", position: Callable[[], Decimal], *, is_flattening: bool, monotonic: Callable[[], float]
) -> bool:
    """End in order, as far as that can be done in time.

    Args:
        orders: of the run.
        position: what is held, base units, signed.
        is_flattening: close it, and leave nothing that stands.
        monotonic: real seconds.

    Returns:
        Whether it has come so far.
    """
    deadline = monotonic() + _EXIT_S
    while monotonic() < deadline:
        held = position()
        is_closing = is_flattening and bool(held)
        if is_closing:
            orders.flatten("exit", abs(held), closing_side(held))
        unwanted = [one for one in orders.working if opens(one) or (is_flattening and not is_closing)]
        for order in unwanted:
            orders.cancel(order.request.id)
        if not unwanted and not is_closing and not orders.in_flight:
            return True
        await asyncio.sleep(_LOOK_S)
    _log.error("not ended in order", is_flattening=is_flattening, position=str(position()))
    return False


def opens(order: Tracked) -> bool:
    """Whether an order may open a position."""
    return not order.request.is_reducing and not order.is_conditional

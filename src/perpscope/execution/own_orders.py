"""Orders that no desk has decided: what closes or protects a position, each under a number of its own.

In: what is to be done, and why. Out: an `OrderRequest` that only reduces. Its id is the run, the label, and an x with
the next number, which a restart takes up from the journal; so what is sent again is the same order.
"""

from collections.abc import Callable
from decimal import Decimal

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role


class OwnOrders:
    """Makes them, for one run.

    Args:
        run: whose they are.
        label: the strategy's name, second part of their ids.
        instrument: what is traded.
        now_ns: market time.
    """

    def __init__(self, run: str, label: str, instrument: InstrumentId, now_ns: Callable[[], int]) -> None:
        self._prefix = f"{run}-{label}-x"
        self._instrument = instrument
        self._now_ns = now_ns
        self._made = 0

    def seen(self, order: str) -> None:
        """An earlier process may have made this one: its number is taken."""
        number = order.removeprefix(self._prefix)
        self._made = max(self._made, int(number) if number.isdecimal() else 0)

    def close(self, why: str, size: Decimal, side: Side) -> OrderRequest:
        """A market order that closes so much."""
        return self._next(why, size, side, OrderKind.MARKET, Role.FLATTEN, None)

    def protect(self, why: str, size: Decimal, side: Side, trigger: Decimal) -> OrderRequest:
        """A stop for whatever is held when it is met."""
        return self._next(why, size, side, OrderKind.STOP, Role.PROTECT, trigger)

    def _next(
        self, why: str, size: Decimal, side: Side, kind: OrderKind, role: Role, price: Decimal | None
    ) -> OrderRequest:
        self._made += 1
        return OrderRequest(
            id=f"{self._prefix}{self._made}",
            instrument=self._instrument,
            ts_recv=self._now_ns(),
            side=side,
            size=size,
            kind=kind,
            role=role,
            price=price,
            is_reducing=True,
            why=why,
        )

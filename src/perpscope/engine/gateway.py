"""Where approved orders go when an exchange that is not the desk's own fills them.

A gateway sends and takes back; what becomes of an order comes back as an `AccountEvent`, through the front door.
"""

from decimal import Decimal
from typing import Protocol

from perpscope.model.instrument import InstrumentId
from perpscope.model.order import AccountEvent, Fill, OrderClosed, OrderKind, OrderRequest

#: What an `OrderClosed` says of an order that the exchange did not take.
REFUSED = "refused"
#: And of one that was taken back.
CANCELLED = "cancelled"


class Gateway(Protocol):
    """Takes approved orders to an exchange."""

    def submit(self, request: OrderRequest) -> None:
        """Send an order. Sent again, it is the same order: its id says so."""
        ...

    def cancel(self, order: str) -> None:
        """Take an order back, by its id."""
        ...


class ObligingGateway:
    """An exchange for tests: fills market orders at the price of the moment, keeps all others until it is told.

    Args:
        instrument: what is traded.
        fee: of the notional, fraction.
    """

    def __init__(self, instrument: InstrumentId, fee: Decimal = Decimal(0)) -> None:
        self.working: dict[str, OrderRequest] = {}
        self.cancelled: list[str] = []
        self._instrument = instrument
        self._fee = fee

    def submit(self, request: OrderRequest) -> None:
        """Keep an order until `events` is asked."""
        self.working[request.id] = request

    def cancel(self, order: str) -> None:
        """Note an order that is not wanted any more."""
        self.cancelled.append(order)

    def events(self, now: int, price: Decimal) -> list[AccountEvent]:
        """What has become of the orders: market orders are filled, those taken back are closed."""
        found: list[AccountEvent] = []
        for request in list(self.working.values()):
            if request.id in self.cancelled:
                found.append(self.closed(request, now, CANCELLED))
            elif request.kind is OrderKind.MARKET:
                found.append(self.fill(request, now, price))
        return found

    def fill(self, request: OrderRequest, now: int, price: Decimal) -> Fill:
        """Fill an order whole."""
        del self.working[request.id]
        return Fill(
            order=request.id,
            instrument=self._instrument,
            ts_event=now,
            ts_recv=now,
            side=request.side,
            price=price,
            size=request.size,
            fee=request.size * price * self._fee,
            is_maker=False,
            role=request.role,
        )

    def closed(self, request: OrderRequest, now: int, why: str) -> OrderClosed:
        """Let an order go unfilled."""
        del self.working[request.id]
        return OrderClosed(order=request.id, instrument=self._instrument, ts_event=now, ts_recv=now, why=why)

"""What came of an event, told: fills and funding first, then signals, then orders; orders go to a gateway too.

In: a desk that was just stepped, and the bits the step answered. Out: `model.order` objects to whoever listens, and the
equity curve, kept before its ring runs over.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perpscope.engine.gateway import Gateway
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import Fill, FundingCharged, OrderClosed, OrderRequest, Signal
from perpscope.trading.desk import Desk, DeskView
from perpscope.trading.layout import DECIDED, FILLED, FREE, FUNDED, HALF, KEPT_POINTS, PLACED
from perpscope.trading.units import Units

Told: TypeAlias = Signal | OrderRequest | Fill | FundingCharged | OrderClosed

_NEWS: Final = FILLED | DECIDED | PLACED | FUNDED
_LOOKED_AT: Final = ["id", "state", "expires_at", "size", "filled"]  # of an order


class Telling:
    """Tells what a desk has come to since it was asked last.

    Args:
        desk: what is stepped.
        view: reads it.
        instrument: what is traded.
        units: of its contract.
        tell: called with each fill, funding, signal and order; None = nobody listens, and nothing of it is made.
        gateway: where orders go; None where the desk's own exchange fills them.
    """

    def __init__(
        self,
        desk: Desk,
        view: DeskView,
        instrument: InstrumentId,
        units: Units,
        tell: Callable[[Told], None] | None,
        gateway: Gateway | None,
    ) -> None:
        self.tell = tell or _to_nobody
        self._news = 0 if tell is None and gateway is None else _NEWS
        self.heeded = self._news | HALF  #: bits that `after` does anything about
        self._record = desk.view(np.ndarray)[0]
        self._view = view
        self._instrument = instrument
        self._units = units
        self._gateway = gateway
        self._sent: set[int] = set()  # numbers of orders that the gateway has and the exchange may fill
        self._taken_back: set[int] = set()
        self._points: list[NDArray[np.void]] = []
        self._pointed = int(self._record["points"])
        self.resumed()

    def resumed(self) -> None:
        """Begin with what stands on the desk: nothing of it is news, and its orders are with the gateway already."""
        view = self._view
        self._fills, self._decisions, self._orders = view.fill_count, view.decision_count, view.order_count
        self._funding = int(self._record["account"]["funding"])
        if self._gateway is not None:
            self._sent = {int(row["id"]) for row in self._record["orders"] if row["state"] != FREE}

    def closed(self, number: int) -> None:
        """Hear that the exchange will not fill an order any further."""
        self._sent.discard(number)

    def after(self, bits: int, ts_event: int, ts_recv: int) -> None:
        """Tell what a step's bits say is new.

        Args:
            bits: of `layout`.
            ts_event: ns UTC, of the event that was taken.
            ts_recv: ns UTC.
        """
        if bits & HALF:
            self._keep_points()
        if not bits & self._news:
            return
        if bits & FILLED:
            for fill in self._view.fills(self._fills):
                self.tell(fill)
            self._fills = self._view.fill_count
        if bits & FUNDED:
            self._tell_funding(ts_event, ts_recv)
        if bits & DECIDED:
            for signal in self._view.signals(self._decisions):
                self.tell(signal)
            self._decisions = self._view.decision_count
        if bits & PLACED:
            self._send()
        if self._gateway is not None:
            self._take_back(self._gateway)

    @property
    def points(self) -> NDArray[np.void]:
        """The equity curve so far: records of `layout.POINT`, once a candle and after each fill."""
        self._keep_points()
        return np.concatenate(self._points) if self._points else self._record["kept_points"][:0].copy()

    def _tell_funding(self, ts_event: int, ts_recv: int) -> None:
        total = int(self._record["account"]["funding"])
        paid = self._units.amount(total - self._funding)
        self._funding = total
        self.tell(FundingCharged(instrument=self._instrument, ts_event=ts_event, ts_recv=ts_recv, paid=paid))

    def _send(self) -> None:
        """Tell new orders; a gateway gets them."""
        for request in self._view.requests(self._orders):
            self.tell(request)
            if self._gateway is not None:
                self._gateway.submit(request)
        self._orders = self._view.order_count

    def _take_back(self, gateway: Gateway) -> None:
        """Let the gateway hear of orders that are not wanted any more: taken back, or without anything to close."""
        rows = {row[0]: row for row in self._record["orders"][_LOOKED_AT].tolist()}
        alive = {number for number, state, *_ in rows.values() if state != FREE}
        wanted = {number for number in alive if rows[number][2] > 0}
        for number in self._sent - alive:
            _, _, _, size, filled = rows.get(number, (number, FREE, 0, 1, 0))
            if filled < size:
                wanted.add(number)
        self._sent = alive
        for number in sorted(wanted - self._taken_back):
            gateway.cancel(self._view.order_id(number))
        self._taken_back = wanted

    def _keep_points(self) -> None:
        """Copy what is new of the curve's ring, as far as it is not overwritten."""
        ring, count = self._record["kept_points"], int(self._record["points"])
        while self._pointed < count:
            first = self._pointed % KEPT_POINTS
            some = min(count - self._pointed, KEPT_POINTS - first)
            self._points.append(ring[first : first + some].copy())
            self._pointed += some


def _to_nobody(_: Told) -> None:
    """What a desk has come to is read off it, if at all."""

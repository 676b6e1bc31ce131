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
        self._record = desk.view(np.ndarray)[0]
        self._view = view
        self._instrument = instrument
        self._units = units
        self._gateway = gateway
        self._fills, self._decisions, self._orders = view.fill_count, view.decision_count, view.order_count
        self._funding = int(self._record["account"]["funding"])
        self._taken_back: set[str] = set()
        self._points: list[NDArray[np.void]] = []
        self._pointed = int(self._record["points"])

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
        """Tell new orders; a gateway gets them, and hears of those that were taken back."""
        for request in self._view.requests(self._orders):
            self.tell(request)
            if self._gateway is not None:
                self._gateway.submit(request)
        self._orders = self._view.order_count
        if self._gateway is not None:
            self._take_back(self._gateway)

    def _take_back(self, gateway: Gateway) -> None:
        rows = [row for row in self._record["orders"] if row["state"] != FREE and row["expires_at"] > 0]
        wanted = {self._view.order_id(int(row["id"])) for row in rows}
        for order in sorted(wanted - self._taken_back):
            gateway.cancel(order)
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

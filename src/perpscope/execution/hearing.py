"""Whom the user stream tells: orders and fills of ours to whoever follows them, the exchange's own fills to the books.

Nothing is decided here. What cannot be read, or is somebody else's, is a reason to compare.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog

from perpscope.execution.booking import Booking
from perpscope.execution.rounds import Rounds
from perpscope.model.exchange import FundingReport, OrderReport, TradeReport, UserEvent

if TYPE_CHECKING:
    from perpscope.execution.orders import LiveOrders

_log = structlog.get_logger()


class Hearing:
    """An `AccountListener`.

    Args:
        symbol: what is traded; of others nothing is heard.
        orders: those of the run.
        booking: its books.
        rounds: compares.
    """

    def __init__(self, symbol: str, orders: "LiveOrders", booking: Booking, rounds: Rounds) -> None:
        self.has_opened = asyncio.Event()  #: the stream was open once
        self._symbol = symbol
        self._orders = orders
        self._booking = booking
        self._rounds = rounds

    def heard(self, event: UserEvent) -> None:
        """Take what the user stream tells; twice does nothing."""
        if isinstance(event, TradeReport | OrderReport | FundingReport) and event.symbol != self._symbol:
            return
        match event:
            case TradeReport(id=""):
                self._booking.forced(event)
            case TradeReport():
                self._heard_fill(event)
            case OrderReport():
                if event.state.is_over:
                    self._rounds.ended(event.id)
                self._orders.heard(event)
            case FundingReport():
                self._booking.paid(event)
            case _:
                pass  # balances and positions are asked for, not summed up

    def opened(self) -> None:
        """The user stream was opened: what it did not tell meanwhile is asked for."""
        self.has_opened.set()
        self._rounds.soon(fundings=True)

    def spoilt(self) -> None:
        """It told something that could not be read."""
        self._rounds.soon()

    def closed(self, cause: str) -> None:
        """The user stream has ended."""
        _log.info("user stream ended", cause=cause)

    def _heard_fill(self, trade: TradeReport) -> None:
        if self._orders.heard(trade):
            self._booking.note(trade)
        else:
            self._rounds.soon()  # somebody else trades in this account: the comparison says so

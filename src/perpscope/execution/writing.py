"""One run's orders in the journal, and what its desk is told of them: first written, then told.

In: orders that are to be sent, fills, ends. Out: rows in the journal and, to `tell`, fills and ends. Where the journal
cannot be written (a full disk) nothing that opens a position is sent; exits and cancels are, and fills are told, and
all of it is written down later.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from perpscope.errors import StoreError
from perpscope.execution.phases import EXPIRED
from perpscope.execution.scribe import FATAL, Scribe
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import TradeReport
from perpscope.model.order import Fill, OrderClosed, OwnEvent

if TYPE_CHECKING:
    from perpscope.stores.journal import Journal

#: Why an entry was not sent that could not be written down.
UNWRITTEN: Final = "journal"

_log = structlog.get_logger()


class Writing:
    """The journal and the front door, for one run.

    Args:
        scribe: writes.
        run: its id.
        tell: the front door.
        now_ns: market time.
    """

    def __init__(self, scribe: Scribe, run: str, tell: Callable[[OwnEvent], None], now_ns: Callable[[], int]) -> None:
        self._scribe = scribe
        self._run = run
        self._tell = tell
        self._now_ns = now_ns
        self._noted: dict[str, tuple[str, str, str]] = {}

    def begin(self, order: Tracked) -> "asyncio.Future[bool]":
        """Begin to write it down, before anything else is done; to be handed to `intend`."""
        run, request = self._run, order.request

        def work(journal: "Journal") -> bool:
            journal.intend(run, request)
            return True

        return self._scribe.begin(lambda at_once: at_once.intend(run, request) or None, work)

    async def intend(self, order: Tracked, begun: "asyncio.Future[bool]") -> bool:
        """See that it is written down before it is sent; False: it is not, and it opens something: it must not be sent.

        Raises:
            StoreError: nothing may be sent any more.
        """
        try:
            await begun
        except StoreError as error:
            if error.code in FATAL:
                raise
            _log.warning("the journal cannot be written", code=error.code, why=error.message)
        else:
            return True
        request = order.request
        if not request.is_reducing:
            return False
        self._scribe.owe(lambda journal: journal.intend(self._run, request))
        return True

    async def insist(self, order: Tracked, state: str) -> None:
        """Note what is about to be done; where the journal is another trader's this is where it ends.

        Raises:
            StoreError: nothing may be sent any more.
        """
        try:
            await self._scribe.write(self._note(order, state))
        except StoreError as error:
            if error.code in FATAL:
                raise
            _log.warning("the journal cannot be written", code=error.code, why=error.message)

    def note(self, order: Tracked) -> None:
        """Note its state soon, if that is news."""
        news = (order.state, order.venue_id, order.why)
        if self._noted.get(order.request.id) != news:
            self._noted[order.request.id] = news
            self._scribe.soon(self._note(order, order.state))

    def forget(self, order: Tracked) -> None:
        """It is done with."""
        self._noted.pop(order.request.id, None)

    async def book(self, order: Tracked, trade: TradeReport) -> None:
        """Write a fill down, then tell it; one that is in the journal already was told.

        Raises:
            StoreError: the journal is not ours any more.
        """
        number = order.request.id

        def work(journal: "Journal") -> bool:
            return journal.filled(self._run, number, trade)

        is_new = self._scribe.at_once(lambda at_once: at_once.filled(self._run, number, trade))
        if is_new is None:
            try:
                is_new = await self._scribe.write(work)
            except StoreError as error:
                if error.code in FATAL:
                    raise
                _log.warning("a fill is not written down", order=number, why=error.message)
                self._scribe.owe(work)
                is_new = True
        order.booked(trade, is_new=is_new)
        if is_new:
            self._tell(_fill(order, trade, self._now_ns()))

    def close(self, order: Tracked) -> None:
        """Tell the desk that nothing more will be filled of it, if it does not know."""
        order.closed()
        request, now_ns = order.request, self._now_ns()
        if order.is_made_here or order.filled >= order.wished:
            return
        why = order.why or EXPIRED
        self._tell(
            OrderClosed(order=request.id, instrument=request.instrument, ts_event=now_ns, ts_recv=now_ns, why=why)
        )

    def _note(self, order: Tracked, state: str) -> "Callable[[Journal], None]":
        number, ts, venue_id, why = order.request.id, self._now_ns(), order.venue_id, order.why

        def work(journal: "Journal") -> None:
            journal.note(number, state, ts, venue_id=venue_id, why=why)

        return work


def _fill(order: Tracked, trade: TradeReport, now_ns: int) -> Fill:
    """A fill as the desk is told of it: of an order that no desk has made, without its id."""
    request = order.request
    return Fill(
        order="" if order.is_made_here else request.id,
        instrument=request.instrument,
        ts_event=trade.ts_event,
        ts_recv=now_ns,
        side=trade.side,
        price=trade.price,
        size=trade.size,
        fee=trade.fee,
        is_maker=trade.is_maker,
        role=request.role,
        is_fee_known=trade.is_fee_known,
    )

"""How a run begins at an exchange, or is taken up again: with what the exchange says, at one moment.

In: the journal and the account. Out: a `Resumed` for the desk. What was filled or paid before that moment is in the
account already: it is written down, and not told. The moment is sharp: nothing was filled between the two times the
fills were listed, around everything else. Beginning again from the same account gives the same.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from perpscope.errors import VenueError
from perpscope.execution.booking import Booking
from perpscope.execution.inquiry import Inquiry
from perpscope.execution.reconcile import Found, compare
from perpscope.execution.rounds import REACH_NS, Rounds
from perpscope.model.exchange import PositionReport
from perpscope.model.instrument import Instrument
from perpscope.model.order import Resumed, WorkingOrder

if TYPE_CHECKING:
    from perpscope.execution.orders import LiveOrders
    from perpscope.stores.journal import Journal, JournalOrder, JournalRun

#: Real seconds within which every order an earlier process left has to be known.
_RESOLVED_S = 30.0
#: Tries to find a moment in which nothing happens.
_TRIES = 20
#: Between two looks, real seconds.
_LOOK_S = 0.05
#: An exchange's clock may be so far behind ours, ns.
_BEFORE_NS = 60_000_000_000

_log = structlog.get_logger()


class Opening:
    """Takes a run up.

    Args:
        inquiry: asks the exchange.
        orders: those of the run; they run already.
        booking: its books, not begun.
        rounds: compares later on.
        journal: what an earlier process has left.
        run: whose.
        instrument: what is traded.
        now_ns: market time.
        monotonic: real seconds.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        orders: "LiveOrders",
        booking: Booking,
        rounds: Rounds,
        journal: "Journal",
        run: "JournalRun",
        instrument: Instrument,
        *,
        now_ns: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiry = inquiry
        self._orders = orders
        self._booking = booking
        self._rounds = rounds
        self._journal = journal
        self._run = run
        self._instrument = instrument
        self._now_ns = now_ns
        self._monotonic = monotonic

    async def left(self) -> "list[JournalOrder]":
        """What an earlier process has left; fills and fundings are asked for from its first order on."""
        left = await asyncio.to_thread(self._journal.orders, self._run.id)
        now = self._now_ns()
        first = min((one.request.ts_recv for one in left), default=now) - _BEFORE_NS
        self._rounds.ts_from = first
        if left:
            fills = await asyncio.to_thread(self._journal.fills, self._run.id)
            for fill in fills:
                self._booking.note(fill.trade)
                self._orders.fees.count(fill.trade)
            last = max((fill.trade for fill in fills), key=lambda trade: trade.trade_id, default=None)
            if last is not None and last.ts_event < now - REACH_NS:
                self._rounds.newest = last.trade_id  # else by time: one may be missing that is older than the last
        else:
            for trade in await self._inquiry.trades(None, now - REACH_NS):
                self._booking.note(trade)  # of runs before this one, or somebody else's
        return left

    async def resumed(self) -> Resumed:
        """What the desk begins with. From its return on, what happens is told.

        Raises:
            VenueError: "account-unsettled": orders that were left stay unknown, or the account does not come to rest.
            StoreError: the journal cannot be written, or is not ours any more.
        """
        await self._rounds.catch_up(at_once=True)  # a fill that nobody explains keeps an unknown order unknown
        await self._settled()
        for _ in range(_TRIES):
            found = await self._moment()
            if found is not None:
                return found
        raise self._unsettled("something happens all the time")

    async def _settled(self) -> None:
        """Wait until every order is known, and everything heard is written down."""
        deadline = self._monotonic() + _RESOLVED_S
        while self._orders.in_flight or not self._booking.is_idle:
            if self._monotonic() > deadline:
                unknown = [one.request.id for one in self._orders.working if one.is_moving]
                raise self._unsettled(f"nobody knows what became of {', '.join(unknown[:3]) or 'a fill'}")
            await asyncio.sleep(_LOOK_S)

    async def _moment(self) -> Resumed | None:
        """The account at a moment; None if it moved."""
        booking, told = self._booking, self._booking.told
        if await self._rounds.catch_up(at_once=True):
            await self._settled()
            return None
        for funding in await self._inquiry.fundings(self._rounds.since_ns):
            booking.paid(funding)
        wallet = await self._inquiry.wallet()
        held = await self._inquiry.holdings()
        orders = await self._inquiry.orders()
        await self._settled()
        findings = compare(self._rounds.known(holds=held.size), Found(position=held.size, orders=orders))
        if findings.gone or findings.orphans or findings.astray:
            await self._rounds.tidy(findings)
            await self._settled()
            return None
        if await self._rounds.catch_up(at_once=True) or self._orders.in_flight or told != booking.told:
            await self._settled()
            return None
        number = await asyncio.to_thread(self._journal.last_number, self._run.id)
        if told != booking.told or not booking.is_idle or self._orders.in_flight:
            return None
        booking.begin(held.size)
        self._rounds.begin(findings)
        return self._told(wallet, held, number)

    def _told(self, wallet: Decimal, held: PositionReport, number: int) -> Resumed:
        working = self._working()
        return Resumed(
            instrument=self._instrument.id,
            ts_recv=self._now_ns(),
            wallet=wallet - self._orders.fees.elsewhere,  # costs that this wallet does not show
            position=held.size,
            entry_price=held.entry_price,
            margin=held.margin or Decimal(0),
            ts_opened=held.ts_event if held.size else 0,
            orders=working,
            orders_made=max([number, *(one.number for one in working)]),
        )

    def _working(self) -> list[WorkingOrder]:
        """Orders of the desk's that stand; what the gateway made by itself is its own business."""
        return [
            WorkingOrder(
                number=number,
                kind=one.request.kind,
                role=one.request.role,
                side=one.request.side,
                size=one.request.size,
                filled=one.filled,
                price=one.request.price,
            )
            for one in self._orders.working
            if (number := _number(one.request.id))
        ]

    def _unsettled(self, why: str) -> VenueError:
        return VenueError(
            "account-unsettled",
            f"what {self._instrument.venue} holds for us cannot be told: {why}",
            venue=self._instrument.venue,
            hint="look at the account on the exchange's page, then start again",
        )


def _number(order: str) -> int:
    """The number at the end of an order's id; 0 of one that no desk made."""
    last = order.rpartition("-")[2]
    return int(last) if last.isdecimal() else 0

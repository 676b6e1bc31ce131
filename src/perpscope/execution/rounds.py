"""Comparing with the exchange, again and again: at the start, after each opening of the user stream, and in between.

In: what the exchange lists, and what we know. Out: fills and fundings that nobody told, orders asked for that are not
listed, conditions without a position taken back, and whether the exchange's position is ours. A fill that the stream
should have told, and did not, has the stream opened anew: one that is mute cannot be told from one that is quiet.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import structlog

from perpscope.errors import StoreError, VenueError
from perpscope.execution.booking import Booking
from perpscope.execution.inquiry import Inquiry
from perpscope.execution.phases import Phase
from perpscope.execution.reconcile import Findings, Found, Known, Mismatch, Twice, compare, missed
from perpscope.model.exchange import OrderReport, TradeReport

if TYPE_CHECKING:
    from perpscope.execution.orders import LiveOrders

#: How far back an exchange tells of fills that are asked for by time, ns: seven days, and a minute to spare.
REACH_NS = 7 * 86_400 * 1_000_000_000 - 60_000_000_000
#: Real seconds that the user stream has to tell what is listed already.
_GRACE_S = 0.5
#: Comparisons made at once, one after another, where something happened while they were made.
_TRIES = 4
#: Comparisons between two questions about funding: they cost six times as much.
_FUNDINGS_EVERY = 6
#: Intervals without a comparison after which we do not know what the exchange holds.
_BLIND_AFTER = 3.0
#: Real seconds between two comparisons at least, whoever asks for one.
_LEAST_S = 0.2

_log = structlog.get_logger()


class Rounds:
    """Compares one run with its account.

    Args:
        inquiry: asks the exchange.
        orders: those of the run.
        booking: its books.
        run: its id, with which those of its orders begin.
        doubt: called with what the user stream should have told.
        now_ns: market time.
        every_s: real seconds between two comparisons.
        monotonic: real seconds.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        orders: "LiveOrders",
        booking: Booking,
        run: str,
        doubt: Callable[[str], None],
        now_ns: Callable[[], int],
        *,
        every_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rounds = 0  #: comparisons made
        self.found: Findings | None = None  #: of the last one
        self.ts_agreed: int | None = None  #: market time of the last one that agreed, ns UTC
        self.last_error = ""  #: why the last one could not be made; empty = it could
        self.mismatch = Mismatch(every_s)
        self.ts_from = 0  #: ns UTC; fills and fundings before are none of the run's
        self.newest: int | None = None  #: up to this fill everything listed was taken
        self._inquiry = inquiry
        self._orders = orders
        self._booking = booking
        self._prefix = f"{run}-"
        self._doubt = doubt
        self._now_ns = now_ns
        self._every_s = every_s
        self._monotonic = monotonic
        self._compared_at = monotonic()  # the last time that one could be made
        self._orphans, self._astray = Twice(), Twice()
        self._opened_at: int | None = None  # `newest` at the start
        self._differed = False  # in the last comparison
        self._doubted: frozenset[str] = frozenset()  # asked for, since they were not listed
        self._until_fundings = 0
        self._soon = asyncio.Event()

    def begin(self, found: Findings) -> None:
        """The books have begun with what the exchange holds."""
        self.found, self._opened_at = found, self.newest
        self._compared_at, self.ts_agreed = self._monotonic(), self._now_ns()

    @property
    def is_blind(self) -> bool:
        """No comparison could be made for long: what the exchange holds is not known."""
        return self._monotonic() - self._compared_at > _BLIND_AFTER * self._every_s

    @property
    def why(self) -> str:
        """What does not agree, in words; empty = nothing."""
        if self.is_blind:
            return f"no comparison with the exchange: {self.last_error}"
        found, words = self.found, []
        if self.mismatch.is_on and found is not None:
            words.append(f"the exchange holds {found.differs:+f} beyond what was filled here")
        if self._booking.foreign:
            words.append(f"somebody else trades this account, fills that are not ours: {self._booking.foreign}")
        if found is not None and found.strangers:
            ids = ", ".join(one.id or one.venue_id for one in found.strangers[:3])
            words.append(f"orders that are not ours: {len(found.strangers)} ({ids})")
        return "; ".join(words)

    @property
    def strangers(self) -> tuple[OrderReport, ...]:
        """Orders that are not ours, as the last comparison found them."""
        return () if self.found is None else self.found.strangers

    @property
    def since_ns(self) -> int:
        """From when on fills and fundings are asked for, where no id says so: as far as one answer reaches."""
        return max(self.ts_from, self._now_ns() - REACH_NS)

    def soon(self, *, fundings: bool = False) -> None:
        """Compare now."""
        if fundings:
            self._until_fundings = 0
        self._soon.set()

    def is_ours(self, order: str) -> bool:
        """Whether an order's id is of this run."""
        return order.startswith(self._prefix)

    def ended(self, order: str) -> None:
        """The stream has told the end of an order."""
        self._doubted -= {order}

    async def run(self) -> None:
        """Compare until cancelled.

        Raises:
            StoreError: the journal is not ours any more.
        """
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            await self.once()
            await asyncio.sleep(_LEAST_S)

    async def once(self) -> None:
        """One comparison; where it cannot be made that is remembered, and time runs until we are blind."""
        try:
            await self._compared()
        except StoreError:
            raise
        except VenueError as error:
            self.last_error = str(error)
            _log.warning("not compared with the exchange", why=self.last_error)

    async def _compared(self) -> None:
        if self._until_fundings <= 0:
            for funding in await self._inquiry.fundings(self.since_ns):
                self._booking.paid(funding)
            self._until_fundings = _FUNDINGS_EVERY
        self._until_fundings -= 1
        self.last_error = "something is under way all the time"
        for _ in range(_TRIES):
            findings = await self._look()
            if findings is not None:
                await self._act(findings)
                break
        self.rounds += 1

    async def _look(self) -> Findings | None:
        """What does not agree; None if something happened meanwhile, so that nothing can be said."""
        told = self._booking.told
        held = await self._inquiry.holdings()
        orders = await self._inquiry.orders()
        if await self.catch_up():
            return None
        if told != self._booking.told:
            return None
        return compare(self.known(), Found(position=held.size, orders=orders))

    def known(self, holds: Decimal | None = None) -> Known:
        """What we know of ourselves; `holds`: what the exchange holds, before the books have begun."""
        working = [one for one in self._orders.working if one.phase is Phase.WORKING]
        return Known(
            position=self._booking.position if holds is None else holds,
            working={one.request.id: one.is_conditional for one in working},
            entries=[one.request.id for one in self._orders.working if not one.request.is_reducing],
            prefix=self._prefix,
            is_idle=not self._orders.in_flight and self._booking.is_idle,
        )

    async def catch_up(self, *, at_once: bool = False) -> bool:
        """Take fills that are listed and that nobody has told; whether there were any.

        Args:
            at_once: do not wait for the stream to tell them.
        """
        ids = self._booking.ids
        listed = await self._inquiry.trades(None if self.newest is None else self.newest + 1, self.since_ns)
        fresh = missed(listed, ids)
        if fresh and not at_once:
            await asyncio.sleep(_GRACE_S)
            fresh = missed(fresh, ids)
            if fresh:
                self._doubt(f"it did not tell {len(fresh)} fills")
        for trade in fresh:
            await self._take(trade)
        self.newest = max((one.trade_id for one in listed), default=self.newest)
        return bool(fresh)

    async def _take(self, trade: TradeReport) -> None:
        """A fill that nobody told: of an order of ours, or of one that the exchange made, or somebody else's."""
        if not self._orders.is_ours(trade):
            report = await self._inquiry.whose(trade.venue_id)
            if report is not None and not report.id:
                self._booking.forced(trade)
                return
            trade = trade if report is None else msgspec.structs.replace(trade, id=report.id)
        if self._booking.note(trade) and not self._orders.heard(trade) and self._booking.is_open:
            self._booking.foreign += 1
            _log.error("a fill that is not ours", order=trade.id, side=trade.side.value, size=str(trade.size))

    async def _act(self, found: Findings) -> None:
        self.found = found
        known = self.known()
        if known.is_idle:
            self.last_error, self._compared_at = "", self._monotonic()
            self.mismatch.judge(found.differs, self._monotonic())
            if found.differs and not self._differed:
                self.newest = self._opened_at  # a fill may have been listed after one that is younger
            self._differed = bool(found.differs)
            if found.is_agreed:
                self.ts_agreed = self._now_ns()
        if self._doubted - known.working.keys() and known.is_idle:
            self._doubt("it did not tell the end of an order")
        self._doubted = frozenset(found.gone)
        for order in found.gone:
            self._orders.doubt(order)
        orphans = self._orphans.again(found.orphans)
        astray = self._astray.again(one.id for one in found.astray)
        for report in found.astray:
            self._orders.heard(report)  # whoever followed it once takes it up
        strays = tuple(one for one in found.astray if one.id in astray)
        await self.tidy(msgspec.structs.replace(found, gone=(), orphans=tuple(orphans), astray=strays))

    async def tidy(self, found: Findings) -> None:
        """Take back what nobody needs: conditions without a position, and orders of ours that nobody follows."""
        for order in found.gone:
            self._orders.doubt(order)
        for order in found.orphans:
            _log.warning("condition without a position taken back", order=order)
            self._orders.cancel(order)
        for report in found.astray:
            if all(one.request.id != report.id for one in self._orders.working):
                _log.warning("order of ours that nobody follows taken back", order=report.id)
                await self._inquiry.withdraw(report)

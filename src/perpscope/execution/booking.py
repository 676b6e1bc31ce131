"""What was filled and paid of a run: each once, whoever tells it, and the position that it adds up to.

In: fills from the user stream and from comparing, ours and those the exchange made by force, and fundings. Out, to
`tell`: the run's own events. The position is what it began with and the sum of what was told, never both of two
sources. Whatever is kept is written down before it is told.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from perpscope.errors import StoreError
from perpscope.execution.scribe import FATAL
from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import Fill, FundingCharged, OwnEvent, Role

if TYPE_CHECKING:
    from perpscope.execution.fees import Fees
    from perpscope.stores.journal import Journal

#: Ids of fills that are remembered; older ones are below every question.
_KEPT = 20_000
#: Real seconds until something is tried again that the disk did not take.
_AGAIN_S = 1.0

_log = structlog.get_logger()


class Booking:
    """The books of one run.

    Args:
        journal: where it is written first.
        run: whose.
        instrument: what is traded.
        tell: takes the run's events.
        now_ns: market time.
        fees: what those paid in other coins are worth.
    """

    def __init__(
        self,
        journal: "Journal",
        run: str,
        instrument: InstrumentId,
        tell: Callable[[OwnEvent], None],
        now_ns: Callable[[], int],
        fees: "Callable[[], Fees]",
    ) -> None:
        self.position = Decimal(0)  #: base units, signed
        self.ids: OrderedDict[int, None] = OrderedDict()  #: fills somebody has told, or that were there before
        self.told = 0  #: events told so far
        self.foreign = 0  #: fills of others in our account, since it began
        self._journal = journal
        self._run = run
        self._instrument = instrument
        self._tell = tell
        self._now_ns = now_ns
        self._fees = fees
        self._queue: asyncio.Queue[TradeReport | FundingReport] = asyncio.Queue()
        self._is_booking = False
        self.is_open = False  #: events are told

    @property
    def is_idle(self) -> bool:
        """Nothing waits to be written down."""
        return self._queue.empty() and not self._is_booking

    def begin(self, position: Decimal) -> None:
        """From here on events are told: what was heard before is in what the exchange says it holds."""
        self.position, self.is_open = position, True
        self.foreign = 0

    def tell(self, event: OwnEvent) -> None:
        """Pass on what became of an order of ours; fills change the position."""
        self.told += 1
        if not self.is_open:
            return
        if isinstance(event, Fill):
            self.position += event.size if event.side is Side.BUY else -event.size
        self._tell(event)

    def note(self, trade: TradeReport) -> bool:
        """Remember that a fill was told; False if it was already."""
        if trade.trade_id in self.ids:
            return False
        self.ids[trade.trade_id] = None
        if len(self.ids) > _KEPT:
            self.ids.popitem(last=False)
        return True

    def forced(self, trade: TradeReport) -> None:
        """Take a fill of an order the exchange made itself: a liquidation, deleveraging, or a contract's end."""
        if self.note(trade):
            self._queue.put_nowait(trade)

    def paid(self, funding: FundingReport) -> None:
        """Take a funding."""
        self._queue.put_nowait(funding)

    async def run(self) -> None:
        """Write down and tell, one after another.

        Raises:
            StoreError: the journal cannot be written, or is not ours any more.
        """
        while True:
            report = await self._queue.get()
            self._is_booking = True
            try:
                await self._book(report)
            finally:
                self._is_booking = False

    async def _written(self, report: TradeReport | FundingReport) -> bool:
        """Write a report down, however long the disk takes; whether it is new."""
        while True:
            try:
                if isinstance(report, FundingReport):
                    return await asyncio.to_thread(self._journal.funded, self._run, report)
                return await asyncio.to_thread(self._journal.filled, self._run, "", report)
            except StoreError as error:
                if error.code in FATAL:
                    raise
                _log.error("not written down", code=error.code, why=error.message)
            await asyncio.sleep(_AGAIN_S)

    async def _book(self, report: TradeReport | FundingReport) -> None:
        if isinstance(report, TradeReport):
            report = await self._fees().priced(report)
        is_new = await self._written(report)
        if isinstance(report, FundingReport):
            if is_new:
                self.tell(
                    FundingCharged(
                        instrument=self._instrument,
                        ts_event=report.ts_event,
                        ts_recv=self._now_ns(),
                        paid=report.paid,
                    )
                )
        elif is_new:
            self._fees().count(report)
            _log.warning("closed by the exchange", side=report.side.value, size=str(report.size))
            self.tell(
                Fill(
                    order="",
                    instrument=self._instrument,
                    ts_event=report.ts_event,
                    ts_recv=self._now_ns(),
                    side=report.side,
                    price=report.price,
                    size=report.size,
                    fee=report.fee,
                    is_maker=report.is_maker,
                    role=Role.LIQUIDATED,
                    is_fee_known=report.is_fee_known,
                )
            )

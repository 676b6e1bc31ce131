"""The desk's own exchange, written down: orders, fills and fundings of paper, so that a run can be taken up again.

In: what a desk has come to, after each event that changed it. Out: the same journal as of a real exchange, and from it
what a later process begins with. What it holds is the journal's memory, not reckoned anew: to the last digit.
"""

from decimal import Decimal
from typing import Final

import numpy as np

from perpscope.app.trade.writing import Writing
from perpscope.engine.trader import Trader
from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.model.order import FundingCharged, OrderKind, OrderRequest, Resumed, WorkingOrder
from perpscope.stores.journal import Journal
from perpscope.stores.journal_rows import number_of
from perpscope.trading.desk import Desk
from perpscope.trading.layout import FILLED, FUNDED, KEPT_FILLS, PLACED
from perpscope.trading.resuming import remembered
from perpscope.trading.units import Units

WORKING, OVER_FILLED, OVER_CLOSED = "working", "filled", "cancelled"
#: Of the position, beside what risk remembers.
_HELD: Final = ("entry", "margin", "opened_at")


class PaperBook:
    """What a paper run has written down.

    Args:
        writing: writes it, in order.
        journal: held by this process.
        run: whose.
        instrument: what is traded.
        trader: whose desk fills its orders.
        desk: that desk.
    """

    def __init__(
        self, writing: Writing, journal: Journal, run: str, instrument: Instrument, trader: Trader, desk: Desk
    ) -> None:
        self._put = writing.put
        self._journal = journal
        self._run = run
        self._symbol = instrument.symbol
        self._units = Units.of(instrument)
        self._view = trader.view
        self._desk = desk
        self._seen = trader.view.fill_count
        self._working: dict[str, OrderRequest] = {}
        self._filled: dict[str, Decimal] = {}
        self._last_trade = 0

    def resumed(self) -> None:
        """Begin with the orders that stand on the desk: they are written down already."""
        self._working = {request.id: request for request in self._view.requests()}
        self._last_trade = self._journal.last_trade_id(self._run) or 0

    def after(self, bits: int, now_ns: int) -> None:
        """Write down what an event came to, before the next one is taken.

        Args:
            bits: of `layout`, as the trader answered them.
            now_ns: ns UTC, of the event.
        """
        if bits & PLACED:
            self._place()
        if bits & FILLED:
            self._fill()
        if bits & (FILLED | FUNDED):
            self.remember()
        self.look(now_ns)

    def funded(self, charged: FundingCharged) -> None:
        """Write a payment down."""
        told = FundingReport(
            id=f"{self._run}-{charged.ts_event}", symbol=self._symbol, paid=charged.paid, ts_event=charged.ts_event
        )
        self._put(self._journal.funded, self._run, told)

    def look(self, now_ns: int) -> None:
        """Write down which orders are over."""
        if not self._working:
            return
        alive = {request.id for request in self._view.requests()}
        for order in [order for order in self._working if order not in alive]:
            asked, filled = self._working.pop(order), self._filled.pop(order, Decimal(0))
            state = OVER_FILLED if filled >= asked.size else OVER_CLOSED
            self._put(self._journal.note, order, state, now_ns)

    def remember(self) -> None:
        """Keep what a later process has to know."""
        account = self._desk.view(np.ndarray)[0]["account"]
        held = {name: float(account[name]) for name in _HELD} if int(account["size"]) else {}
        self._put(self._journal.remember, self._run, remembered(self._desk) | held)

    def _place(self) -> None:
        for request in self._view.requests():
            if request.id not in self._working:
                self._working[request.id] = request
                self._put(self._journal.intend, self._run, request)
                self._put(self._journal.note, request.id, WORKING, request.ts_recv)

    def _fill(self) -> None:
        """Write down each fill since the last, in the order they were made."""
        count, ring = self._view.fill_count, self._desk.view(np.ndarray)[0]["kept_fills"]
        for number in range(max(self._seen, count - KEPT_FILLS), count):
            row = ring[number % KEPT_FILLS]
            fill = self._view.fill(row)
            self._last_trade = max(self._last_trade + 1, fill.ts_event)
            if fill.order in self._working:
                self._filled[fill.order] = self._filled.get(fill.order, Decimal(0)) + fill.size
            self._put(
                self._journal.filled,
                self._run,
                fill.order,
                TradeReport(
                    trade_id=self._last_trade,
                    venue_id="",
                    id=fill.order,
                    symbol=self._symbol,
                    side=fill.side,
                    price=fill.price,
                    size=fill.size,
                    fee=fill.fee,
                    realised=self._units.amount(int(row["realised"])),
                    is_maker=fill.is_maker,
                    ts_event=fill.ts_event,
                ),
            )
        self._seen = count


def taken_up(journal: Journal, run: str, instrument: Instrument, now_ns: int, deposit: Decimal) -> Resumed:
    """What a paper run begins with: nothing but a deposit, or where an earlier process of it left off.

    Args:
        journal: that the run is begun in.
        run: its id.
        instrument: what is traded.
        now_ns: ns UTC, market time.
        deposit: quote units, of a run that is new.
    """
    kept, units = journal.remembered(run), Units.of(instrument)
    made = journal.last_number(run)
    if "deposit" not in kept:
        return Resumed(instrument=instrument.id, ts_recv=now_ns, wallet=deposit, orders_made=made)
    wallet = int(kept["deposit"] + kept["realised"] - kept["fees"] - kept["funding"])
    steps = int(kept.get("size", 0.0))
    return Resumed(
        instrument=instrument.id,
        ts_recv=now_ns,
        wallet=units.amount(wallet),
        position=units.size(steps),
        entry_price=Decimal(repr(kept["entry"])) if steps else None,
        margin=units.amount(int(kept.get("margin", 0.0))),
        ts_opened=int(kept.get("opened_at", 0.0)),
        orders=_standing(journal, run, now_ns) if steps else [],
        orders_made=made,
        risk=kept,
    )


def _standing(journal: Journal, run: str, now_ns: int) -> list[WorkingOrder]:
    """Orders that stood when the process ended; those on their way to fill at once are lost with it."""
    found = []
    for order in journal.orders(run):
        asked = order.request
        if order.state != WORKING:
            continue
        if asked.kind is OrderKind.MARKET or not asked.is_reducing:
            journal.note(asked.id, OVER_CLOSED, now_ns, why="its process ended")
            continue
        found.append(
            WorkingOrder(
                number=number_of(asked.id),
                kind=asked.kind,
                role=asked.role,
                side=asked.side,
                size=asked.size,
                filled=order.filled,
                price=asked.price,
            )
        )
    return found

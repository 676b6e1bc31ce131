"""The event path: one event at a time through the desk, and what came of it told.

In: events of the market, of workers, and of a run's own affairs: what it begins with, how far it may go, what the
exchange says of its orders. Out, to `tell`: fills and funding, then
signals, then orders. With the desk's own exchange fills are made here; without it approved orders go to a gateway, and
what becomes of them comes back as events.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from perpscope.engine.book_feed import BookFeed, OpenGaps, Reading, Steps
from perpscope.engine.gateway import REFUSED, Gateway
from perpscope.engine.telling import Telling, Told
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Side,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import (
    Clusters,
    DerivedEvent,
    Fill,
    Forecast,
    FundingCharged,
    OrderClosed,
    OwnEvent,
    Position,
    Resumed,
    Role,
    Standing,
)
from perpscope.trading import entries, steps
from perpscope.trading.asking import placed
from perpscope.trading.desk import Desk, DeskView
from perpscope.trading.kernel import kernel
from perpscope.trading.layout import DEPTH
from perpscope.trading.resuming import resumed
from perpscope.trading.strategy import Strategy
from perpscope.trading.units import Units

_NAN: Final = float("nan")
#: In the order of `layout`, whose numbers they have.
_ROLES: Final = {role: number for number, role in enumerate(Role)}


class Trader:
    """One strategy on one instrument.

    Args:
        strategy: what decides.
        instrument: with tick and step; events of others are passed over.
        desk: as `desk.opened` made it, for this strategy and instrument.
        tell: called with each fill, funding, signal and order, in this order; None = nobody listens.
        gateway: where orders go when the desk is not simulated.
        candles: which closed candles are taken.
        run: what orders' ids begin with.
    """

    def __init__(
        self,
        strategy: Strategy,
        instrument: Instrument,
        desk: Desk,
        tell: Callable[[Told], None] | None,
        gateway: Gateway | None = None,
        *,
        candles: Interval = Interval.M1,
        run: str = "run",
    ) -> None:
        units = Units.of(instrument)
        self.view = DeskView(desk, strategy, instrument.id, units, run)
        self._instrument = instrument.id
        self._units = units
        self.desk = desk  #: to be looked at; kept, for its address is what the steps are given
        self._desk = placed(desk)
        self._record = desk.view(np.ndarray)[0]
        self._telling = Telling(desk, self.view, instrument.id, units, tell, gateway)
        self._heeded = self._telling.heeded
        self._candles = candles
        self._kernel = kernel(strategy.rule)  # kept, for the code of the rule goes with it
        self._rule = self._kernel.asked
        self._book = BookFeed(instrument.id, units)
        self._gaps = OpenGaps(instrument.id)
        self._unread: tuple[int, int] | None = None  # ts_event, ts_recv of the last delta the desk has not read
        self._takes = self._by_kind()

    def process(self, event: MarketEvent | DerivedEvent | OwnEvent) -> int:
        """Take one event: exchange, account, watch, decision; then tell what came of it; bits of `layout`."""
        bits = self._takes[type(event)](event)
        if bits & self._heeded:
            ts_recv = event.ts_recv
            self._telling.after(bits, getattr(event, "ts_event", ts_recv), ts_recv)
        return bits

    @property
    def position(self) -> Position:
        """What is held."""
        return self.view.position()

    @property
    def points(self) -> NDArray[np.void]:
        """The equity curve so far: records of `layout.POINT`, once a candle and after each fill."""
        return self._telling.points

    def _by_kind(self) -> Mapping[type, Callable[[Any], int]]:
        """What takes an event of each kind; the others are passed over."""
        found: Mapping[type, Callable[[Any], int]] = {
            Candle: self._candle,
            Trade: self._trade,
            BookDelta: self._delta,
            BookSnapshot: self._snapshot,
            MarkPrice: self._mark,
            FundingPaid: self._funding_paid,
            Tick: self._second,
            Liquidation: self._liquidation,
            OpenInterest: self._open_interest,
            Clusters: self._clusters,
            Forecast: self._forecast,
            Gap: self._gap,
            Subscribed: self._subscribed,
            Unheard: self._dropped,
            Disconnected: self._dropped,
            Fill: self._filled,
            OrderClosed: self._order_closed,
            FundingCharged: self._charged,
            Standing: self._stood,
            Resumed: self._resumed,
        }
        return defaultdict(lambda: _passed_over, found)

    def _candle(self, event: Candle) -> int:
        if event.instrument != self._instrument or not event.is_closed or event.interval is not self._candles:
            return 0
        bits = 0 if self._unread is None else self._read()
        return bits | entries.candle(self._rule, self._desk, event)

    def _trade(self, event: Trade) -> int:
        if event.instrument != self._instrument:
            return 0
        bits = 0 if self._unread is None else self._read_if_wanted(event.ts_event)
        side = 1 if event.side is Side.BUY else -1
        return bits | entries.trade(
            self._rule, self._desk, event.ts_event, event.ts_recv, event.price, event.size, side
        )

    def _delta(self, event: BookDelta) -> int:
        if event.instrument != self._instrument:
            return 0
        reading = self._book.delta(event)
        if reading is not Reading.LEVELS:
            return self._whole(reading, event)
        if event.bids or event.asks:
            self._unread = event.ts_event, event.ts_recv
            return self._read_if_wanted(event.ts_event)
        return 0

    def _snapshot(self, event: BookSnapshot) -> int:
        return self._whole(self._book.snapshot(event), event) if event.instrument == self._instrument else 0

    def _subscribed(self, event: Subscribed) -> int:
        self._book.subscribed(event)
        return 0

    def _dropped(self, event: Unheard | Disconnected) -> int:
        return self._lost(event.ts_recv, event.ts_recv) if self._book.dropped(event) is Reading.LOST else 0

    def _whole(self, reading: Reading, event: BookDelta | BookSnapshot) -> int:
        if reading is Reading.NOTHING:
            return 0
        if reading is Reading.TOP:
            self._write(*self._book.top())
            return entries.booked(self._desk, event.ts_event, event.ts_recv)
        bits = self._lost(event.ts_event, event.ts_recv)
        if reading is Reading.ANEW:
            self._unread = event.ts_event, event.ts_recv
            bits |= self._read_if_wanted(event.ts_event)
        return bits

    def _lost(self, ts_event: int, ts_recv: int) -> int:
        self._unread = None
        self._write([], [])
        return entries.booked(self._desk, ts_event, ts_recv)

    def _read_if_wanted(self, ts_event: int) -> int:
        return self._read() if entries.is_wanted(self._desk, ts_event) else 0

    def _read(self) -> int:
        """Let the desk read the book as the last delta left it."""
        (ts_event, ts_recv), self._unread = self._unread or (0, 0), None
        self._write(*self._book.top())
        return entries.booked(self._desk, ts_event, ts_recv)

    def _write(self, bids: Steps, asks: Steps) -> None:
        book = self._record["book"]
        for side, levels in (("bid", bids), ("ask", asks)):
            book[f"{side}s"] = len(levels)
            for at, (ticks, size) in enumerate(levels[:DEPTH]):
                book[f"{side}_ticks"][at], book[f"{side}_steps"][at] = ticks, size

    def _mark(self, event: MarkPrice) -> int:
        if event.instrument != self._instrument:
            return 0
        bits = 0 if self._unread is None else self._read_if_wanted(event.ts_event)
        index = _NAN if event.index is None else event.index
        rate = _NAN if event.funding_rate is None else event.funding_rate
        return bits | entries.mark(
            self._desk, event.ts_event, event.ts_recv, event.mark, index, rate, event.ts_next_funding or 0
        )

    def _funding_paid(self, event: FundingPaid) -> int:
        if event.instrument != self._instrument:
            return 0
        mark = _NAN if event.mark is None else event.mark
        return entries.funding(self._desk, event.ts_event, event.ts_recv, event.funding_rate, mark)

    def _second(self, event: Tick) -> int:
        bits = 0 if self._unread is None else self._read()
        return bits | entries.second(self._rule, self._desk, event.ts_recv)

    def _liquidation(self, event: Liquidation) -> int:
        usd = event.notional_usd
        if event.instrument != self._instrument or usd != usd:  # noqa: PLR0124 -- nan where the venue told no price
            return 0
        side = 1 if event.position_side is PositionSide.LONG else -1
        return entries.liquidation(self._desk, event.ts_event, event.ts_recv, side, usd)

    def _open_interest(self, event: OpenInterest) -> int:
        if event.instrument != self._instrument:
            return 0
        return entries.open_interest(self._desk, event.ts_recv, event.open_interest)

    def _clusters(self, event: Clusters) -> int:
        if event.instrument != self._instrument:
            return 0
        above = _NAN if event.above_price is None else event.above_price
        below = _NAN if event.below_price is None else event.below_price
        return entries.clusters(self._desk, event.ts_recv, above, event.above_usd, below, event.below_usd, event.pull)

    def _forecast(self, event: Forecast) -> int:
        if event.instrument != self._instrument or event.is_late:
            return 0
        bits = 0 if self._unread is None else self._read()
        return bits | entries.forecast(
            self._rule,
            self._desk,
            event.ts_recv,
            event.ts_event,
            event.p_up,
            event.p_down,
            event.edge,
            int(event.is_promoted),
        )

    def _gap(self, event: Gap) -> int:
        is_open = self._gaps.told(event)
        return 0 if is_open is None else entries.gap(self._desk, event.ts_recv, int(is_open))

    def _filled(self, event: Fill) -> int:
        units = self._units
        return steps.fill(
            self._desk,
            event.ts_event,
            event.ts_recv,
            self._number(event.order),
            _ROLES[event.role],
            1 if event.side is Side.BUY else -1,
            units.steps(event.size),
            units.ticks(event.price),
            units.money(event.fee),
            int(event.is_maker),
        )

    def _order_closed(self, event: OrderClosed) -> int:
        number = self._number(event.order)
        steps.closed(self._desk, event.ts_recv, number, int(event.why == REFUSED))
        self._telling.closed(number)
        self._telling.tell(event)
        return 0

    def _charged(self, event: FundingCharged) -> int:
        return steps.charged(self._desk, event.ts_recv, self._units.money(event.paid))

    def _stood(self, event: Standing) -> int:
        return steps.stood(
            self._desk,
            event.ts_recv,
            event.mode,
            int(bool(event.halted)),
            int(event.is_reset),
            event.skew_ns,
            event.calls,
            event.errors,
            int(event.is_mismatched),
        )

    def _resumed(self, event: Resumed) -> int:
        if event.instrument != self._instrument:
            return 0
        resumed(self.desk, event, self._units)
        self._telling.resumed()
        return steps.covered(self._desk, event.ts_recv)

    def _number(self, order: str) -> int:
        """What `DeskView.order_id` made an id of; 0 for an id that is not ours."""
        number = order.rpartition("-")[2]
        return int(number) if number.isdecimal() and order == self.view.order_id(int(number)) else 0


def _passed_over(_event: object) -> int:
    """An event of a kind that no strategy is told."""
    return 0

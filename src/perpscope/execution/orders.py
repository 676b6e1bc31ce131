"""Orders of one run at a real exchange: each written down, sent once, and watched until it is over.

In: orders that risk approved, and what the exchange says of them, by whatever way it comes. Out, to `tell`: each fill
once, and the end of each order that is not filled whole. Each order has a task that leads it (`life`); fills are
booked by one more, in the order they came.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from perpscope.execution.caps import Caps, Stake
from perpscope.execution.departing import Departures
from perpscope.execution.fees import Fees
from perpscope.execution.life import Life, Means
from perpscope.execution.lives import Lives
from perpscope.execution.own_orders import OwnOrders
from perpscope.execution.phases import BAND, REFUSED, RULES, Phase
from perpscope.execution.protection import Protection, surest
from perpscope.execution.resolving import Resolving
from perpscope.execution.room import lacking
from perpscope.execution.rules import Rules
from perpscope.execution.scribe import Scribe
from perpscope.execution.sending import Sending
from perpscope.execution.tracked import Tracked
from perpscope.execution.writing import Writing
from perpscope.model.exchange import OrderReport, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, OwnEvent, Role
from perpscope.ports.broker import Broker, Caller
from perpscope.settings import Trade

if TYPE_CHECKING:
    from perpscope.stores.journal import Journal, JournalOrder

#: Where an order that is taken back may stand at the exchange all the same.
_OPEN: Final = (Phase.SENT, Phase.UNKNOWN)
#: Real seconds until a position is tried to be closed again that could not be, unless the rules have changed meanwhile.
_AGAIN_S: Final = 0.5
#: Orders that an exit is split into at most; by hand: the largest order is far more than most accounts hold.
_MOST_PARTS: Final = 20

_log = structlog.get_logger()


class LiveOrders:
    """The gateway of one run, at one account, for one instrument. To be made in a running event loop.

    Args:
        broker: the venue's dialect.
        instrument: what is traded.
        caller: makes calls.
        journal: written before anything is sent.
        run: whose orders these are.
        tell: takes fills and ends; the front door.
        now_ns: market time.
        monotonic: real seconds.
        settings: caps.
        label: the strategy's name, second part of the ids of orders that are made here.
        stake: what is held and what it is worth, and which orders are others', for the caps.
        halt: told why, when orders run away; no entry passes from then on, until `resume`.
        is_booked: whether a fill, by its id, is known to be somebody's: the exchange closes positions by itself.
        stepped: told how far each order is; see `Means`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (what a gateway is made of, by name)
        self,
        broker: Broker,
        instrument: Instrument,
        caller: Caller,
        journal: "Journal",
        run: str,
        tell: Callable[[OwnEvent], None],
        now_ns: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        settings: Trade,
        label: str,
        stake: Callable[[], Stake] = Stake,
        halt: Callable[[str], None] = lambda _: None,
        is_booked: Callable[[int], bool] = lambda _: False,
        stepped: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.scribe = Scribe(journal, self._lost)  #: the journal's one thread
        self.departures = Departures()  #: orders that are to be sent at this moment
        of = (broker, instrument, caller, monotonic)
        self.rules, self.fees = Rules(*of), Fees(*of)  #: what orders have to keep to, and cost where not in the quote
        sending = Sending(broker, instrument, caller, monotonic)
        self._means = Means(
            sending=sending,
            resolving=Resolving(broker, instrument, sending),
            writing=Writing(self.scribe, run, tell, now_ns),
            monotonic=monotonic,
            heard=self.heard,
            is_explained=lambda trade: is_booked(trade.trade_id) or self.is_ours(trade),
            may_send=self._may_send,
            refused=self.rules.refused,
            stepped=partial(self._stepped, stepped),
        )
        self._monotonic = monotonic
        self._own = OwnOrders(run, label, instrument.id, now_ns)
        self._closing = ""  # id of the order that was to close the position last
        self._caps = Caps(settings.orders_per_minute, settings.orders_per_day, Decimal(str(settings.max_notional)))
        self._stake, self._halt = stake, halt
        self._is_halted = False
        self._lives = Lives(lambda order: Life(order, self._means), self._lost)
        self._fills: deque[tuple[Tracked, TradeReport]] = deque()
        self._has_fills = asyncio.Event()
        self._booking: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    # the gateway ------------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> None:
        """Send an order; never waits. Sent again, it is the same order."""
        if self._lives.is_closed or self._lives.find(request.id) is not None:
            return
        now = self._monotonic()
        mark = self._stake().mark
        fitted = self.rules.fit(request, mark)
        order = Tracked(fitted or request, now, wished=request.size)
        refusal = RULES if fitted is None else self._refusal(fitted, mark, now)
        if refusal:
            _log.error("an order is not sent", order=request.id, why=refusal)
            order.refuse(refusal, now)
        else:
            self.departures.made(request.id)
        self._lives.begin(order)
        if not refusal and request.is_reducing and request.kind is OrderKind.MARKET:
            self._close(f"the rest of {request.id}", request.size - order.request.size, request.side)

    def cancel(self, order: str) -> None:
        """Take an order back; never waits. One that is not known, or is over, stays as it is."""
        found = self._lives.led(order)
        if found is not None:
            found.take_back(self._monotonic())
            self._lives.nudge(found)

    # what is heard ----------------------------------------------------------------------------------------------------

    def heard(self, event: OrderReport | TradeReport) -> bool:
        """Take what the exchange says of an order or a fill, from its stream or an answer; twice does nothing.

        Returns:
            Whether it is about an order of ours. A fill that is not may become so, once its order is known.
        """
        lives = self._lives
        order = lives.of_fill(event) if isinstance(event, TradeReport) else lives.of_report(event)
        if order is None:
            return False
        if isinstance(event, OrderReport):
            order.reported(event, self._monotonic())
        elif order.traded(event):
            self._fills.append((order, event))
            self._has_fills.set()
        self._lives.nudge(order)
        return True

    def is_ours(self, trade: TradeReport) -> bool:
        """Whether a fill is one of an order we know."""
        return self._lives.of_fill(trade) is not None

    def doubt(self, order: str) -> None:
        """Ask for an order that stands as far as we know, and that the exchange does not list."""
        found = self._lives.led(order)
        if found is not None:
            found.doubt(self._monotonic())
            self._lives.nudge(found)

    def adopt(self, orders: "Sequence[JournalOrder]") -> None:
        """Take up what an earlier process has left: what was not over is asked for. Before `run`."""
        now = self._monotonic()
        for one in orders:
            self._own.seen(one.request.id)
            order = Tracked.adopted(
                one.request, now, filled=one.filled, venue_id=one.venue_id, is_made_here=not one.is_own
            )
            if one.state == Phase.OVER.value:
                order.refuse(one.why, now)
                order.closed()
                self._lives.keep(order)
            else:
                self._lives.begin(order)

    # orders of our own ------------------------------------------------------------------------------------------------

    def flatten(self, why: str, size: Decimal, side: Side) -> str:
        """Close by reducing market orders of our own, unless one is under way; the first's id, or that one's.

        There are several where the position is larger than the largest order may be.
        """
        for order in self._lives:
            if order.is_made_here and order.request.role is Role.FLATTEN and not order.is_done:
                return order.request.id
        last = self._lives.find(self._closing)
        if last is None or last.why != REFUSED or self._monotonic() >= last.since + _AGAIN_S or self._has_news(last):
            self._closing = self._close(why, size, side)
        return self._closing

    def protect(self, why: str, size: Decimal, side: Side, trigger: Decimal) -> str:
        """Place a protective stop of our own, in the place of the desk's; its id. It closes whatever is held then."""
        return self._send(self._own.protect(why, size, side, trigger)).id

    def resume(self) -> None:
        """Let entries pass again, after they ran away."""
        self._is_halted = False

    # how it stands ----------------------------------------------------------------------------------------------------

    @property
    def working(self) -> list[Tracked]:
        """Every order that is not over, oldest first."""
        return [order for order in self._lives if order.phase is not Phase.OVER]

    @property
    def in_flight(self) -> bool:
        """Something is on its way, not known, or not booked: positions cannot be compared now."""
        return bool(self._fills) or any(order.is_moving for order in self._lives)

    @property
    def duplicates(self) -> int:
        """Orders of one intent beyond the first, as the exchange has them."""
        return self._lives.duplicates

    @property
    def protection(self) -> Protection:
        """The surest protective stop."""
        return surest(self._lives)

    def find(self, order: str) -> Tracked | None:
        """What is known of an order that is not over, or was not long ago."""
        return self._lives.find(order)

    # running ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Book fills, and see that every order's task does its work, until closed.

        Raises:
            StoreError: the journal is another trader's now: nothing is sent any more.
        """
        self._booking = asyncio.get_running_loop().create_task(self._book())
        self._booking.add_done_callback(self._judge)
        try:
            raise await asyncio.shield(self._failed)
        finally:
            await self._end()

    async def aclose(self) -> None:
        """Send nothing more; what is written down is kept."""
        await self._end()
        await self.rules.aclose()
        await self.fees.aclose()
        await self.scribe.aclose()

    async def _end(self) -> None:
        self.departures.close()
        await self._lives.end()
        if self._booking is not None:
            self._booking.cancel()
            await asyncio.gather(self._booking, return_exceptions=True)

    def _stepped(self, tell: Callable[[str, str], None], order: str, step: str) -> None:
        if step == "send":
            self.departures.gone(order)
        tell(order, step)

    def _lost(self, error: Exception) -> None:
        """Nothing may be sent any more."""
        self._lives.stop()
        if not self._failed.done():
            self._failed.set_result(error)

    def _judge(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._lost(error)

    async def _book(self) -> None:
        while True:
            await self._has_fills.wait()
            while self._fills:
                order, trade = self._fills[0]
                trade, before = await self.fees.priced(trade), order.filled
                await self._means.writing.book(order, trade)
                if order.filled != before:
                    self.fees.count(trade)
                self._fills.popleft()
                self._lives.nudge(order)
            self._has_fills.clear()

    def _close(self, why: str, size: Decimal, side: Side) -> str:
        """Close so much, by as many orders as that takes; the first's id, empty where nothing is to be closed."""
        first, left = "", size
        for _ in range(_MOST_PARTS):
            if left <= 0:
                break
            part = self._send(self._own.close(why, left, side))
            first, left = first or part.id, left - part.size
        if left > 0:
            _log.error("not all of it is closed", why=why, left=str(left))
        return first

    def _send(self, request: OrderRequest) -> OrderRequest:
        """Send an order of our own; as it is sent."""
        fitted = self.rules.fit(request, None) or request
        if not self._lives.is_closed:
            _log.warning("an order of our own", order=fitted.id, role=fitted.role.value, why=fitted.why)
            self._lives.begin(Tracked(fitted, self._monotonic(), is_made_here=True))
        return fitted

    # what may be sent -------------------------------------------------------------------------------------------------

    def _refusal(self, request: OrderRequest, mark: Decimal | None, now: float) -> str:
        if self.rules.is_off_band(request, mark):
            return BAND
        return lacking(request, self.rules.instrument, self.working, self._stake().others) or self._capped(request, now)

    def _capped(self, request: OrderRequest, now: float) -> str:
        if self._is_halted and not request.is_reducing:
            return "halted"
        waiting = sum(
            (one.request.size - one.filled for one in self.working if not one.request.is_reducing), Decimal(0)
        )
        verdict = self._caps.review(request, self._stake(), waiting, now)
        if verdict.is_runaway and not self._is_halted:
            self._is_halted = True
            self._halt(f"runaway: {verdict.refusal}")
        return verdict.refusal

    def _may_send(self, order: Tracked) -> float:
        """Exchanges take one condition that closes a position on each side: what stands there goes first."""
        if not order.is_conditional:
            return -math.inf
        request = order.request
        in_the_way = [
            one
            for one in self._lives
            if one is not order
            and (one.request.kind, one.request.side) == (request.kind, request.side)
            and (one.phase is Phase.WORKING or (one.is_wanted_back and one.phase in _OPEN))
        ]
        if not in_the_way:
            return -math.inf
        for one in in_the_way:
            if not one.is_wanted_back:
                order.hold(self._caps.replace(self._monotonic()))
                self.cancel(one.request.id)
        return math.inf

    def _has_news(self, order: Tracked) -> bool:
        """Whether the rules have changed since it was made: it may be taken now."""
        return self.rules.changed_at > order.begun

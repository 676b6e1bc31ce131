"""An honest exchange for one order, with everything that can go wrong on the way to it; and a bare leader of the order.

The exchange never fills what it did not take and forgets nothing. Calls and replies are lost, answers come late, its
books are copied with a lag, its stream is shuffled, doubled and mute.
"""

import enum
import math
from decimal import Decimal

import msgspec

from perpscope.execution.phases import Do, Phase
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import Ending, OrderReport, OrderState, Reply, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role

ID = "7f3a-burst-1"
SIZE = Decimal(10)
_BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
_UNKNOWN = Reply(ending=Ending.UNKNOWN)


class Luck(enum.Enum):
    """How a call goes."""

    WELL = "well"
    LOST_REQUEST = "lost-request"
    LOST_REPLY = "lost-reply"
    FAILED = "failed"  #: not done, and it says so
    LIED = "lied"  #: done, and it says that it was not (banbot#114)
    LIMITED = "limited"
    UNSENT = "unsent"  #: it never left
    REFUSED = "refused"


def request(kind: OrderKind, *, is_reducing: bool) -> OrderRequest:
    """An order of ten."""
    price = None if kind is OrderKind.MARKET else Decimal(50_000)
    role = Role.PROTECT if kind is OrderKind.STOP else Role.LEAVE if is_reducing else Role.ENTRY
    return OrderRequest(
        id=ID,
        instrument=_BTC,
        ts_recv=1,
        side=Side.SELL if is_reducing else Side.BUY,
        size=SIZE,
        kind=kind,
        role=role,
        price=price,
        is_reducing=is_reducing,
    )


class Held(msgspec.Struct):
    """One order as the exchange has it."""

    venue_id: str
    id: str
    is_conditional: bool
    visible_at: float
    state: OrderState = OrderState.NEW
    filled: Decimal = Decimal(0)
    becomes: str = ""


class ModelExchange:
    """Takes orders of one id, as often as it is free."""

    def __init__(self, asked: OrderRequest, *, child_id: str) -> None:
        self.orders: list[Held] = []
        self.child: Held | None = None
        self.trades: list[TradeReport] = []
        self.stream: list[OrderReport | TradeReport] = []
        self._asked = asked
        self._child_id = child_id

    def place(self, now: float, lag: float) -> Reply:
        """Take it, unless one of its id stands."""
        if self.alive is not None:
            return Reply(ending=Ending.REFUSED, code=-4116)
        conditional = self._asked.kind is OrderKind.STOP
        order = Held(str(100 + len(self.orders)), ID, conditional, now + lag)
        self.orders.append(order)
        self._tell(order)
        return Reply(ending=Ending.DONE, report=self.report(order))

    @property
    def alive(self) -> Held | None:
        """The order that is not over."""
        return next((one for one in self.orders if not one.state.is_over), None)

    def ask(self, now: float) -> Reply:
        """What has become of it: the newest of that id."""
        found = [one for one in self.orders if one.visible_at <= now]
        if not found:
            return Reply(ending=Ending.REFUSED, code=-2013)
        return Reply(ending=Ending.DONE, report=self.report(found[-1]))

    def cancel(self) -> Reply:
        """Take it back."""
        order = self.alive
        if order is None or order.state is OrderState.TRIGGERED:
            return Reply(ending=Ending.REFUSED, code=-2011)
        self.end(OrderState.CANCELLED)
        return Reply(ending=Ending.DONE, report=None if order.is_conditional else self.report(order))

    def trigger(self) -> None:
        """Its condition is met: it becomes an order of its own."""
        order = self.alive
        if order is None or not order.is_conditional or order.state is not OrderState.NEW:
            return
        self.child = Held("900", self._child_id, False, order.visible_at)
        order.state, order.becomes = OrderState.TRIGGERED, self.child.venue_id
        self._tell(order)
        self._tell(self.child)

    def fill(self, size: Decimal) -> None:
        """Some of it is filled."""
        parent = self.alive
        order = self.child if parent is not None and parent.is_conditional else parent
        if parent is None or order is None or order.state.is_over:
            return
        size = min(size, SIZE - order.filled)
        order.filled += size
        order.state = OrderState.FILLED if order.filled == SIZE else OrderState.PARTLY
        trade = TradeReport(
            trade_id=len(self.trades) + 1,
            venue_id=order.venue_id,
            id=order.id,
            symbol="BTCUSDT",
            side=self._asked.side,
            price=Decimal(50_000),
            size=size,
            fee=Decimal(0),
            realised=Decimal(0),
            is_maker=False,
            ts_event=2,
        )
        self.trades.append(trade)
        self.stream.append(trade)
        self._tell(order)
        if order is not parent:
            parent.filled = order.filled
            if order.state is OrderState.FILLED:
                parent.state = OrderState.FILLED
                self._tell(parent)

    def end(self, state: OrderState) -> None:
        """The rest will not be filled."""
        parent = self.alive
        if parent is None:
            return
        if self.child is not None and parent.is_conditional and not self.child.state.is_over:
            self.child.state = state
            self._tell(self.child)
            state = OrderState.FILLED if parent.filled else OrderState.EXPIRED
        parent.state = state
        self._tell(parent)

    def settle(self) -> None:
        """What takes from the book is over in no time; whatever waits goes on waiting."""
        if self._asked.kind is OrderKind.MARKET or self.child is not None:
            self.end(OrderState.EXPIRED)

    def report(self, order: Held) -> OrderReport:
        """An order in words."""
        return OrderReport(
            id=order.id,
            venue_id=order.venue_id,
            symbol="BTCUSDT",
            is_conditional=order.is_conditional,
            state=order.state,
            side=self._asked.side,
            size=None if order.is_conditional else SIZE,
            filled=order.filled,
            price=None,
            is_reducing=self._asked.is_reducing,
            ts_event=1,
            becomes=order.becomes,
        )

    def _tell(self, order: Held) -> None:
        self.stream.append(self.report(order))


class Leader:
    """Leads the order as `execution.life` does, without tasks: what it makes of time, luck and news is up to a test."""

    def __init__(self, asked: OrderRequest, *, child_id: str) -> None:
        self.exchange = ModelExchange(asked, child_id=child_id)
        self.now = 1000.0
        self.lag = 0.0
        self.asked = asked
        self.order = Tracked(asked, self.now)
        self.state = "intended"  # what the journal says
        self.journal: dict[int, Decimal] = {}  # fills written down
        self.told = Decimal(0)
        self.closes: list[str] = []
        self.crashes = 0
        self.unbooked: list[TradeReport] = []
        self.sends = 0  # calls that may have reached the exchange

    def wait(self) -> None:
        """Until something is due."""
        due = self.order.next().at
        if self.now < due < math.inf:
            self.now = due

    def step(self, luck: Luck) -> Do:
        """Do what is due, if anything is; what was done."""
        order = self.order
        order.pass_time(self.now)
        todo = order.next()
        if todo.at > self.now:
            return Do.NOTHING
        match todo.do:
            case Do.PLACE:
                self._place(luck)
            case Do.ASK:
                reply, _ = self._called(luck, lambda: self.exchange.ask(self.now), is_question=True)
                order.asked(reply, self.now, is_absent=reply.code == -2013)
            case Do.CANCEL:
                reply, _ = self._called(luck, self.exchange.cancel)
                order.cancelled(reply, self.now)
            case Do.LOOK:
                self._look(luck)
            case Do.FETCH:
                if luck is Luck.WELL:
                    self._hear_trades()
                order.fetched(self.now)
            case Do.CLOSE:
                if order.filled < self.asked.size and not order.is_closed:
                    self.closes.append(order.why)
                order.closed()
            case Do.DONE | Do.NOTHING:
                pass
        if order.phase is not Phase.OVER or order.is_done:
            self.state = order.state
        return todo.do

    def hear(self, event: OrderReport | TradeReport) -> None:
        """News of the exchange."""
        if isinstance(event, OrderReport):
            if event.id == ID or event.venue_id == self.order.becomes:
                self.order.reported(event, self.now)
        elif self.order.is_of(event) and self.order.traded(event):
            self.unbooked.append(event)

    def book(self) -> None:
        """Write the oldest fill down."""
        trade = self.unbooked.pop(0)
        is_new = trade.trade_id not in self.journal
        self.journal[trade.trade_id] = trade.size
        self.order.booked(trade, is_new=is_new)
        self.told += trade.size if is_new else 0

    def crash(self) -> None:
        """The process dies; another takes up what the journal says."""
        self.crashes += 1
        self.unbooked.clear()
        filled = sum(self.journal.values(), Decimal(0))
        is_over = self.state == Phase.OVER.value
        self.order = Tracked.adopted(self.asked, self.now, filled=filled, venue_id=self.order.venue_id)
        if is_over:
            self.order.refuse("", self.now)
            self.order.closed()

    def reconcile(self, *, is_whole: bool = True) -> None:
        """Orders that are listed are heard; of the whole account, fills too."""
        for one in self.exchange.orders:
            if not one.state.is_over and one.visible_at <= self.now:
                self.hear(self.exchange.report(one))
        if self.order.phase is Phase.WORKING and self.exchange.alive is None:
            self.order.doubt(self.now)
        if is_whole:
            self._hear_trades(is_named=True)

    def _hear_trades(self, *, is_named: bool = False) -> None:
        """As a list of past fills tells them: without the client's id, unless somebody asked whose they are."""
        for trade in self.exchange.trades:
            self.hear(msgspec.structs.replace(trade, id=ID if is_named else ""))

    def _place(self, luck: Luck) -> None:
        self.order.sending(self.now)
        self.sends += 1
        reply, was_sent = self._called(luck, lambda: self.exchange.place(self.now, self.lag))
        self.order.placed(reply, self.now, is_duplicate=reply.code == -4116, was_sent=was_sent)

    def _look(self, luck: Luck) -> None:
        if luck is not Luck.WELL:
            self.order.looked(None, self.now)
            return
        alive = self.exchange.alive
        if alive is not None and alive.visible_at <= self.now:
            self.hear(self.exchange.report(alive))
        self.order.looked(bool(self.exchange.trades) or self.order.phase is not Phase.UNKNOWN, self.now)

    def _called(self, luck: Luck, call: "object", *, is_question: bool = False) -> tuple[Reply, bool]:
        """The reply that arrives, and whether anything was sent as far as one can know."""
        assert callable(call)
        match luck:
            case Luck.WELL:
                return call(), True
            case Luck.LOST_REPLY:
                call()
                return _UNKNOWN, True
            case Luck.LIED if not is_question:
                call()
                return Reply(ending=Ending.FAILED), True
            case Luck.FAILED:
                return Reply(ending=Ending.FAILED), True
            case Luck.LIMITED:
                return Reply(ending=Ending.LIMITED, wait_s=0.5), False
            case Luck.UNSENT:
                return Reply(ending=Ending.FAILED), False
            case Luck.REFUSED if not is_question:
                return Reply(ending=Ending.REFUSED, code=-2019), True
            case _:
                return _UNKNOWN, True

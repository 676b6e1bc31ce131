"""No position without a stop: how long one may be, and what is done about it.

In: what is held, which orders stand, mark prices, and real time. Out: the stop sent once more, or the position closed
at the market, before the time allowed is over. `NakedWatch` is the rule alone; `Guard` has the hands.
"""

import enum
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from perpscope.execution.booking import Booking
from perpscope.execution.phases import CANCELLED, FINISHED, Phase
from perpscope.execution.protection import Cover
from perpscope.execution.tracked import Tracked
from perpscope.execution.watched_marks import Condition, WatchedMarks
from perpscope.model.market import MarkPrice, Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.ports.broker import Broker
from perpscope.settings import Trade

if TYPE_CHECKING:
    from perpscope.execution.orders import LiveOrders

#: Share of the time allowed after which the stop is sent once more.
_RESEND_SHARE = 0.5
#: And after which the position is closed: the rest is for the order to reach the exchange and be filled.
_FLATTEN_SHARE = 0.8

#: Why the guard closes a position.
NAKED, UNTRIGGERED = "naked", "untriggered"

_CONDITIONAL = (OrderKind.STOP, OrderKind.TAKE)
_STANDS = (Phase.WORKING, Phase.TRIGGERED)
#: How a stop ends that has done its work, or is not wanted any more.
_IN_ORDER = ("", CANCELLED, FINISHED)

_log = structlog.get_logger()


class Care(enum.Enum):
    """What a position needs."""

    NOTHING = "nothing"
    RESEND = "resend"  #: its stop, under a new id
    FLATTEN = "flatten"  #: close it at the market


class NakedWatch:
    """Counts the time of one position after another.

    >>> watch = NakedWatch(5.0)
    >>> watch.look(Decimal("0.1"), is_protected=False, now_s=100.0)
    <Care.NOTHING: 'nothing'>
    >>> watch.look(Decimal("0.1"), is_protected=False, now_s=102.5)
    <Care.RESEND: 'resend'>
    >>> watch.look(Decimal("0.1"), is_protected=False, now_s=104.0)
    <Care.FLATTEN: 'flatten'>
    >>> watch.look(Decimal(0), is_protected=False, now_s=104.2), round(watch.longest_s, 1)
    (<Care.NOTHING: 'nothing'>, 4.2)

    Args:
        naked_s: real seconds a position may be without a confirmed stop.
    """

    def __init__(self, naked_s: float) -> None:
        self.longest_s = 0.0  #: that any position has been without a stop so far
        self._naked_s = naked_s
        self._since: float | None = None
        self._now_s = 0.0
        self._refusals = 0
        self._is_resent = False
        self._is_hopeless = False

    @property
    def now_s(self) -> float:
        """How long the position has been without a stop; 0 while it has one, or is flat."""
        return 0.0 if self._since is None else self._now_s - self._since

    def look(self, position: Decimal, *, is_protected: bool, now_s: float) -> Care:
        """Judge; what was naked until now counts up to now.

        Args:
            position: base units, signed.
            is_protected: the exchange has confirmed a stop against it.
            now_s: never less than before.
        """
        self._now_s = now_s
        if self._since is not None:
            self.longest_s = max(self.longest_s, self.now_s)
        if not position or is_protected:
            self._since = None
            self._is_resent = self._is_hopeless = False
            self._refusals = 0
            return Care.NOTHING
        if self._since is None:
            self._since = now_s
        if self._is_hopeless or self.now_s >= self._naked_s * _FLATTEN_SHARE:
            return Care.FLATTEN
        if not self._is_resent and (self._refusals > 0 or self.now_s >= self._naked_s * _RESEND_SHARE):
            self._is_resent = True
            return Care.RESEND
        return Care.NOTHING

    def refused(self, *, is_hopeless: bool) -> None:
        """The exchange did not take a stop: it is sent again at once, but once only.

        Args:
            is_hopeless: it would not be taken again either, the price being past it already.
        """
        self._refusals += 1
        self._is_hopeless = self._is_hopeless or is_hopeless or self._refusals > 1


class Guard:
    """Keeps the position of one run protected.

    Args:
        broker: the venue's dialect.
        orders: those of the run.
        booking: its position.
        settings: how long.
        now_ns: market time.
        monotonic: real seconds.
    """

    def __init__(
        self,
        broker: Broker,
        orders: "LiveOrders",
        booking: Booking,
        settings: Trade,
        now_ns: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.halted = ""  #: why nothing may be opened any more
        self.watch = NakedWatch(settings.naked_s)
        self._broker = broker
        self._orders = orders
        self._booking = booking
        self._now_ns = now_ns
        self._monotonic = monotonic
        self._marks = WatchedMarks(settings.local_stop_s)
        self._mark: float | None = None
        self._wished: OrderRequest | None = None  # the stop that was asked for last
        self._stop = ""  # the order that is to be it; empty once it failed
        self._is_closing = False
        self._was_held = False

    def wished(self, request: OrderRequest) -> None:
        """A stop was asked for."""
        if request.role is Role.PROTECT:
            self._wished, self._stop = request, request.id

    def mark(self, event: MarkPrice) -> None:
        """Take a mark price."""
        self._mark = event.mark
        self._marks.mark(event.mark, event.ts_event, self._monotonic())

    def look(self) -> None:
        """Judge, and act."""
        position, now_s = self._booking.position, self._monotonic()
        self._watch_conditions()
        if position:
            self._see_stop()
        care = self.watch.look(position, is_protected=self._is_protected(position), now_s=now_s)
        if care is Care.RESEND:
            self._resend(position)
        elif care is Care.FLATTEN:
            self._close(NAKED, position)
        elif (late := self._marks.overdue(position, now_s)) is not None:
            self._close(f"{UNTRIGGERED} {late.order}", position)
        if self._was_held and not position:
            self._wished, self._stop = None, ""
        self._was_held = bool(position)
        if self._is_closing and not position and not self._orders.in_flight:
            self._is_closing = False
            for order in self._orders.working:
                if order.request.is_reducing:
                    self._orders.cancel(order.request.id)

    def _is_protected(self, position: Decimal) -> bool:
        cover = self._orders.protection
        return cover.cover in (Cover.CONFIRMED, Cover.TRIGGERED) and cover.side is closing_side(position)

    def _see_stop(self) -> None:
        """Whether the exchange did not take the stop: it is sent again at once, or the position closed."""
        order = self._orders.find(self._stop) if self._stop else None
        if order is None or order.phase is not Phase.OVER or order.why in _IN_ORDER:
            return
        self._stop = ""
        is_met = order.refusal is not None and self._broker.is_met(order.refusal)
        self.watch.refused(is_hopeless=is_met or self._has_passed(order.request))

    def _watch_conditions(self) -> None:
        found: dict[Condition, Tracked] = {}
        for one in self._orders.working:
            request = one.request
            if request.kind in _CONDITIONAL and request.price is not None and one.phase in _STANDS:
                found[Condition(request.id, request.kind, request.side, float(request.price))] = one
        self._marks.stands(found, self._now_ns())
        for condition, order in found.items():
            if order.phase is Phase.TRIGGERED:
                self._marks.met(condition, order.since)

    def _has_passed(self, stop: OrderRequest) -> bool:
        """Whether the mark is past a stop's trigger: it would be met at once (-2021)."""
        if self._mark is None or stop.price is None:
            return False
        return Condition(stop.id, stop.kind, stop.side, float(stop.price)).is_met(self._mark)

    def _resend(self, position: Decimal) -> None:
        wished, side = self._wished, closing_side(position)
        if wished is None or wished.price is None or wished.side is not side:
            return
        if self._has_passed(wished):
            self.watch.refused(is_hopeless=True)
            self._close(NAKED, position)
            return
        self._stop = self._orders.protect("the stop before it is not there", abs(position), side, wished.price)

    def _close(self, why: str, position: Decimal) -> None:
        if not self._is_closing:
            _log.error("position closed by the guard", why=why, size=str(position))
        self._is_closing = True
        if why == NAKED:
            self.halted = self.halted or NAKED
        self._orders.flatten(why, abs(position), closing_side(position))


def closing_side(position: Decimal) -> Side:
    """Of an order that closes a position."""
    return Side.SELL if position > 0 else Side.BUY

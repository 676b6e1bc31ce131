"""A run once more, with an ear for its orders: when each would have reached the exchange, and what became of it.

In: one recording of a run. Out: its orders with their real fills, fundings as charged and as they come of rate, mark
and position, and what the book was worth when the model has each order filled, and when it really was (`refilling`).
"""

import math
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.app.trade.attribution import Taken
from perpscope.app.trade.refilling import Shown, Wanted, shown
from perpscope.app.trade.replaying import Replayed, replayed
from perpscope.app.trade.setup import read
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.model.instrument import Instrument
from perpscope.model.market import FundingPaid, MarkPrice, Side, Tick
from perpscope.model.order import Arrival, Fill, FundingCharged, OrderKind, OrderRequest
from perpscope.model.run import RunKind
from perpscope.trading.account import fee_of
from perpscope.trading.desk import Desk
from perpscope.trading.units import Units

_CONDITIONAL: Final = (OrderKind.STOP, OrderKind.TAKE)
_NEAR: Final = 1e-6  # part of a tick; as `trading.fills` has it


class Followed(msgspec.Struct, kw_only=True):
    """One order, or what was filled without one."""

    id: str
    role: str
    side: int  #: 1 bought, -1 sold
    is_conditional: bool
    is_modelled: bool  #: False: no strategy decided it; the model has it filled when it was
    decided: int  #: ns UTC, market time
    size: int = 0  #: steps wished
    price: int = 0  #: ticks of a trigger
    arrives: int = 0  #: ns UTC, at the exchange, as the model has it
    rises: bool = False  #: a conditional one waits for a higher mark
    triggered: int = 0  #: ns UTC; of a conditional one: 0 = not yet
    fills: list[Fill] = []
    modelled: Shown | None = None
    then: Shown | None = None

    @property
    def real(self) -> Taken:
        """What was really filled."""
        return Taken(
            size=sum((fill.size for fill in self.fills), Decimal(0)),
            value=sum((fill.size * fill.price for fill in self.fills), Decimal(0)),
            fee=sum((fill.fee for fill in self.fills), Decimal(0)),
            ts=self.fills[0].ts_event if self.fills else 0,
        )


class Reheard(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, run again and looked at."""

    again: Replayed
    orders: list[Followed]
    paid: Decimal  #: fundings, as charged; below 0 = received
    due: Decimal  #: as rate, mark and position have them
    fees_unknown: int  #: fills whose fee was paid in a coin of unknown worth
    end: Decimal  #: the last price, quote per base, in whole ticks


class _Listener:
    """What is looked at while a recording is run again."""

    def __init__(self, instrument: Instrument) -> None:
        self.orders: dict[str, Followed] = {}
        self.paid = Decimal(0)
        self.due = 0  # money
        self.fees_unknown = 0
        self.end = 0.0
        self._units = Units.of(instrument)
        self._waiting: list[Followed] = []  # conditional ones that no mark has met
        self._desk: Desk  # from the first event on

    def hear(self, event: Arrival, trader: Trader) -> None:
        """Look at the desk before it takes an event."""
        self._desk = trader.desk
        match event:
            case MarkPrice():
                if self._waiting:
                    self._trigger(event, trader)
            case FundingPaid():
                self._settle(event)
            case Tick():
                self._look()
            case Fill():
                self.fees_unknown += not event.is_fee_known
            case _:
                return

    def saw(self, one: Told) -> None:
        """Follow an order from its decision on, and each fill."""
        if isinstance(one, OrderRequest):
            order = self.orders[one.id] = self._follow(one)
            self._waiting += [order] if order.is_conditional else []
        elif isinstance(one, Fill):
            self._fill(one)
        elif isinstance(one, FundingCharged):
            self.paid += one.paid

    def _follow(self, request: OrderRequest) -> Followed:
        rows = self._desk.view(np.ndarray)[0]["orders"]
        number = int(request.id.rpartition("-")[2])
        (row,) = (row for row in rows if int(row["id"]) == number)
        return Followed(
            id=request.id,
            role=request.role.value,
            side=1 if request.side is Side.BUY else -1,
            is_conditional=request.kind in _CONDITIONAL,
            is_modelled=True,
            decided=request.ts_recv,
            size=self._units.steps(request.size),
            rises=(request.side is Side.BUY) == (request.kind is OrderKind.STOP),
            price=0 if request.price is None else self._units.ticks(request.price),
            arrives=int(row["arrives_at"]),
        )

    def _fill(self, fill: Fill) -> None:
        key = fill.order or f"{fill.role.value}@{fill.ts_event}"
        order = self.orders.get(key)
        if order is None:
            side = 1 if fill.side is Side.BUY else -1
            order = self.orders[key] = Followed(
                id=key,
                role=fill.role.value,
                side=side,
                is_conditional=False,
                is_modelled=False,
                decided=fill.ts_event,
                arrives=fill.ts_event,
            )
        order.fills.append(fill)

    def _trigger(self, event: MarkPrice, trader: Trader) -> None:
        """See which conditions a mark meets, of orders that have arrived and are not over."""
        exact = event.mark / float(self._units.tick)
        alive = {request.id for request in trader.view.requests()}
        self._waiting = [order for order in self._waiting if order.id in alive and not order.triggered]
        for order in self._waiting:
            if order.arrives > event.ts_event:
                continue
            if exact >= order.price - _NEAR if order.rises else exact <= order.price + _NEAR:
                order.triggered = event.ts_event

    def _settle(self, event: FundingPaid) -> None:
        """Reckon what a payment comes to, as `account.fund` does."""
        d = self._desk.view(np.ndarray)[0]
        told = (event.mark or 0.0, float(d["watch"]["mark"]), float(d["watch"]["last"]))
        mark = next((price for price in told if price > 0.0), 0.0)
        size, rate = int(d["account"]["size"]), event.funding_rate
        each = int(d["account"]["worth"]) * (mark / float(d["account"]["tick"])) * abs(rate)
        due = math.floor(abs(size) * each + 0.5)
        self.due += due if (size > 0) == (rate > 0.0) else -due

    def _look(self) -> None:
        """Note the price."""
        watch = self._desk.view(np.ndarray)[0]["watch"]
        price = float(watch["mark"]) if float(watch["mark"]) > 0.0 else float(watch["last"])
        self.end = price if price > 0.0 else self.end


def reheard(recording: Path) -> Reheard:
    """Run a recording again, and find out what its orders would have met.

    Args:
        recording: of a process of a run; its setup stands beside it.

    Raises:
        DataError: it is no recording of a run.
        ConfigError: the strategy or venue is not there any more.
    """
    setup = read(recording)
    listener = _Listener(setup.instrument)
    again = replayed(recording, listener.hear, listener.saw)
    units = Units.of(setup.instrument)
    orders = list(listener.orders.values())
    if setup.kind is RunKind.LIVE:
        answers = shown(recording, setup.instrument, [one for order in orders for one in _asked(order, units)])
        for order in orders:
            order.modelled, order.then = answers.get(f"modelled {order.id}"), answers.get(f"then {order.id}")
    return Reheard(
        again=again,
        orders=orders,
        paid=listener.paid,
        due=units.amount(listener.due),
        fees_unknown=listener.fees_unknown,
        end=units.price(round(listener.end / float(units.tick))),
    )


def _asked(order: Followed, units: Units) -> list[Wanted]:
    """What has to be known of an order: the book as the model has it filled, and as it was when it really was.

    Of conditions, and of what no strategy decided, no more is asked for than was filled.
    """
    real = order.real
    filled = units.steps(real.size)
    size = order.size if order.is_modelled and not order.is_conditional else filled
    if size == 0:
        return []
    at = order.triggered or real.ts if order.is_conditional else order.arrives
    found = [Wanted(ts=at, key=f"modelled {order.id}", is_next=order.is_modelled, side=order.side, size=size)]
    if filled:
        common = min(filled, size)
        found.append(Wanted(ts=real.ts, key=f"then {order.id}", is_next=False, side=order.side, size=common))
    return found


def modelled(order: Followed, units: Units, taker: int) -> Taken:
    """What the modelled exchange gives for an order: the levels it meets, each a fill with its own fee.

    Args:
        order: followed.
        units: of its contract.
        taker: the fee, of `layout.RATE`.
    """
    met = order.modelled
    if met is None:
        return Taken()
    fee = sum(fee_of(ticks * steps * units.worth, taker) for ticks, steps in met.levels)
    size = units.size(sum(steps for _, steps in met.levels))
    return Taken(size=size, value=worth(met, units), fee=units.amount(fee), ts=met.ts)


def then(order: Followed, units: Units) -> Decimal | None:
    """What the book was worth when an order was really filled; None where that, or what it met, is not known."""
    met, at = order.modelled, order.then
    if met is None or not met.is_seen:
        return None
    if not order.fills:
        return Decimal(0)
    return worth(at, units) if at is not None and at.is_seen else None


def worth(met: Shown, units: Units) -> Decimal:
    """Σ price × size of the levels, quote units."""
    return units.amount(sum(ticks * steps * units.worth for ticks, steps in met.levels))

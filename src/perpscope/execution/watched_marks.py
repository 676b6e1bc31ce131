"""Stops and take-profits watched from here as well: what to do where the exchange does not act on its own conditions.

In: the conditions an exchange has confirmed, and its mark prices. Out: the condition whose price has come and that is
overdue. The exchange triggers by the same marks; this is for a day on which it does not. Pure; seconds are real ones.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from perpscope.model.market import Side
from perpscope.model.order import OrderKind


class Condition(msgspec.Struct, frozen=True):
    """A conditional order that stands at the exchange."""

    order: str
    kind: OrderKind  #: STOP or TAKE
    side: Side  #: of the order: SELL closes a long
    trigger: float  #: on the mark, quote per base

    def is_met(self, mark: float) -> bool:
        """Whether a mark price is at the trigger or beyond it.

        >>> Condition("a", OrderKind.STOP, Side.SELL, 99.0).is_met(98.5)
        True
        >>> Condition("a", OrderKind.TAKE, Side.SELL, 101.0).is_met(98.5)
        False
        """
        falls = (self.kind is OrderKind.STOP) is (self.side is Side.SELL)
        return mark <= self.trigger if falls else mark >= self.trigger


class WatchedMarks:
    """Remembers since when a condition has been met.

    A condition that was met once stays met, though the mark comes back: the exchange should have acted on it.

    Args:
        local_stop_s: real seconds the exchange has for it.
    """

    def __init__(self, local_stop_s: float) -> None:
        self._local_stop_s = local_stop_s
        self._standing: dict[Condition, int] = {}  # since when it stands, ns UTC of the market
        self._met: dict[Condition, float] = {}  # since when it is met, real seconds

    def stands(self, conditions: Iterable[Condition], now_ns: int) -> None:
        """Take what the exchange has confirmed and not yet acted upon; `now_ns` is market time."""
        self._standing = {one: self._standing.get(one, now_ns) for one in conditions}
        self._met = {one: at for one, at in self._met.items() if one in self._standing}

    def mark(self, price: float, ts_event: int, now_s: float) -> None:
        """Take a mark price; one that is older than a condition does not meet it."""
        for one, since in self._standing.items():
            if ts_event > since and one not in self._met and one.is_met(price):
                self._met[one] = now_s

    def met(self, condition: Condition, at_s: float) -> None:
        """The exchange itself says that a condition was met; it stands, and was not filled yet."""
        self._met.setdefault(condition, at_s)

    def overdue(self, position: Decimal, now_s: float) -> Condition | None:
        """The condition on which the exchange should have closed the position by now; None where all is well."""
        if not position:
            return None
        closing = Side.SELL if position > 0 else Side.BUY
        late = [(at, one) for one, at in self._met.items() if one.side is closing and now_s - at >= self._local_stop_s]
        return min(late, key=lambda pair: pair[0])[1] if late else None

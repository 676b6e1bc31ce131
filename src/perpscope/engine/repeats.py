"""Liquidations that come again: feeds repeat themselves, and connections overlap.

In: every liquidation, in the order of receipt. Out: whether it is one of the last few thousand come once more.
"""

from collections import OrderedDict
from typing import Final, TypeAlias

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation, PositionSide

#: What makes a liquidation the same one, as in the stores: all that the venue tells of it, and not when we heard it.
Identity: TypeAlias = tuple[InstrumentId, int, PositionSide, float, float | None, float | None, str]

#: Liquidations remembered. Chosen by hand: an hour of a busy day, all venues together.
_REMEMBERED: Final = 4_096


def identity_of(event: Liquidation) -> Identity:
    """What tells a liquidation from every other."""
    return (
        event.instrument,
        event.ts_event,
        event.position_side,
        event.size,
        event.fill_price,
        event.bankruptcy_price,
        event.venue_id,
    )


class Repeats:
    """The last liquidations, to know one again.

    Args:
        remembered: how many are kept in mind, >= 1; one that comes again later than that passes for a new one.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._recent: OrderedDict[Identity, None] = OrderedDict()

    def is_repeat(self, event: Liquidation) -> bool:
        """Take one; True if it came before. Being seen again does not make it stay longer."""
        identity = identity_of(event)
        if identity in self._recent:
            return True
        self._recent[identity] = None
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return False

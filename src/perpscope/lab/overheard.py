"""Lets an exchange's accounts overhear what its teller tells: first the market is told, then it acts on orders.

In: events and ticks, as a teller gets them. Out: the same calls to the teller and to the private side, in that order,
so that nobody is filled by what has not been published.
"""

from collections.abc import Sequence

from perpscope.lab.dialect import PrivateSide, Teller
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Stand


class Overheard:
    """A teller with somebody who listens.

    Args:
        teller: whose place it takes.
        private: who listens.
    """

    def __init__(self, teller: Teller, private: PrivateSide) -> None:
        self.tick_ns = teller.tick_ns
        self._teller = teller
        self._private = private

    def tell(self, stand: Stand, event: Happening) -> None:
        """Something happened."""
        self._teller.tell(stand, event)
        self._private.hear(stand, event)

    def pass_tick(self, ts_ns: int) -> None:
        """Market time has come to a tick."""
        self._teller.pass_tick(ts_ns)
        self._private.pass_time(ts_ns)

    def opening(self, topic: str) -> Sequence[bytes]:
        """What a new subscriber gets first."""
        return self._teller.opening(topic)

"""The store's side door: what was asked for afterwards, and the coverage that vouches for it.

Rows of a past stretch come in and then its `Covered`, one after the other without a pause: they are committed
together, or in that order. Coverage is passed over if rows may have been dropped since the one before; whoever asked
will find that it is not there, and ask again.
"""

from perpscope.model.market import Covered, MarketEvent
from perpscope.stores.intake import Intake


class BackfillSink:
    """A `Sink` that marks its rows. Used from the thread of the intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._dropped = intake.dropped

    def accept(self, event: MarketEvent) -> None:
        """Take one event.

        Raises:
            ValueError: a liquidation without any price.
        """
        if not isinstance(event, Covered):
            self._intake.accept_past(event)
            return
        dropped, self._dropped = self._dropped, self._intake.dropped
        if dropped == self._dropped:
            self._intake.accept(event)

"""What else can tell whether there is an order: the working orders of both books, and our fills.

In: an order that its own question does not find, or of which fills are missing. Out: whether it is there after all, and
its fills. Reports that come by the way are handed on.
"""

from collections.abc import Callable
from typing import Final

from perpscope.errors import FrameError
from perpscope.execution.sending import Sending
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import OrderReport, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.ports.broker import Broker

#: Fills are asked for from so long before an order was decided; ns of market time. Clocks differ.
_BEFORE_NS: Final = 60 * 1_000_000_000
_PAGE: Final = 1000  # fills of one answer


class Resolving:
    """Asks for what is missing of an order.

    Args:
        broker: the venue's dialect.
        instrument: what is traded.
        sending: makes the calls.
    """

    def __init__(self, broker: Broker, instrument: Instrument, sending: Sending) -> None:
        self._broker = broker
        self._instrument = instrument
        self._sending = sending

    async def listed(self, order: Tracked) -> OrderReport | bool | None:
        """Whether the list of working orders has it: the report, or False; None where that cannot be told."""
        for request in self._broker.working(self._instrument):
            answer = await self._sending.answer(request)
            if answer is None:
                return None
            try:
                found = self._broker.orders(answer)
            except FrameError:
                return None
            for report in found:
                if report.id == order.request.id and report.is_conditional is order.is_conditional:
                    return report
        return False

    async def fills(self, order: Tracked) -> list[TradeReport] | None:
        """Our fills since shortly before it was decided, oldest first, whosever they are; None without an answer."""
        since = order.request.ts_recv - _BEFORE_NS
        request = self._broker.trades(self._instrument, ts_from=max(0, since))
        found: list[TradeReport] = []
        while True:
            answer = await self._sending.answer(request)
            if answer is None:
                return None
            try:
                page = self._broker.traded(answer)
            except FrameError:
                return None
            found += page
            if len(page) < _PAGE:
                return found
            request = self._broker.trades(self._instrument, from_id=page[-1].trade_id + 1)

    async def is_there(self, order: Tracked, is_explained: Callable[[TradeReport], bool]) -> bool | OrderReport | None:
        """Whether anything but its own question knows it.

        Args:
            order: of which the exchange says that there is none.
            is_explained: whether a fill is one of an order that is known otherwise.

        Returns:
            Its report, or True for a fill nobody can explain that may be its; False: it is not there; None: no answer.
        """
        listed = await self.listed(order)
        if listed is not False:
            return listed
        fills = await self.fills(order)
        if fills is None:
            return None
        return any(
            one.side is order.request.side and one.size <= order.request.size and not is_explained(one)
            for one in fills
            if one.ts_event >= order.request.ts_recv
        )

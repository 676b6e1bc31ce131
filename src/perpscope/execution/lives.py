"""All orders of a run that are not over, each with the task that leads it, and those that were over not long ago.

In: orders, and what ended. Out: whose a report or a fill is. An order of which more is heard after its end gets another
life; a task that breaks is told, and is no task that is silently missing.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from perpscope.execution.life import Life
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import OrderReport, TradeReport

_PAST: Final = 1000  # orders that are over and may still be heard of


class Lives:
    """The orders of one run.

    Args:
        life: makes one of an order.
        broken: told what broke a task.
    """

    def __init__(self, life: Callable[[Tracked], Life], broken: Callable[[Exception], None]) -> None:
        self.is_closed = False  #: nothing is begun any more
        self._life = life
        self._broken = broken
        self._lives: dict[str, Life] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._past: dict[str, Tracked] = {}
        self._duplicates = 0  # of orders that are forgotten

    def __iter__(self) -> Iterator[Tracked]:
        """Orders that are led, oldest first."""
        return (life.order for life in list(self._lives.values()))

    @property
    def duplicates(self) -> int:
        """Orders of one intent beyond the first, as the exchange has them."""
        return self._duplicates + sum(len(order.others) for order in [*self, *self._past.values()])

    def led(self, number: str) -> Tracked | None:
        """One that is led, by its id."""
        life = self._lives.get(number)
        return None if life is None else life.order

    def find(self, number: str) -> Tracked | None:
        """One that is led, or was not long ago, by its id."""
        return self.led(number) or self._past.get(number)

    def of_report(self, report: OrderReport) -> Tracked | None:
        """The order a report is about."""
        order = self.find(report.id)
        if order is not None or report.is_conditional:
            return order
        return next((one for one in self if one.becomes == report.venue_id != ""), None)

    def of_fill(self, trade: TradeReport) -> Tracked | None:
        """The order a fill is of."""
        order = self.find(trade.id)
        return order or next((one for one in [*self, *self._past.values()] if one.is_of(trade)), None)

    def begin(self, order: Tracked) -> None:
        """Lead an order."""
        number = order.request.id
        life = self._lives[number] = self._life(order)
        task = self._tasks[number] = asyncio.get_running_loop().create_task(life.lead(), name=number)
        task.add_done_callback(lambda done: self._ended(order, done))

    def keep(self, order: Tracked) -> None:
        """Remember one that is over."""
        self._past[order.request.id] = order
        while len(self._past) > _PAST:
            oldest = self._past.pop(next(iter(self._past)))
            self._duplicates += len(oldest.others)

    def nudge(self, order: Tracked) -> None:
        """Something was heard of it, or is wished: more may have come of one that seemed over."""
        life = self._lives.get(order.request.id)
        if life is not None:
            life.nudge()
        elif not order.is_done and not self.is_closed:
            self._past.pop(order.request.id, None)
            self.begin(order)

    def stop(self) -> None:
        """Let every task end where it is."""
        self.is_closed = True
        for task in self._tasks.values():
            task.cancel()

    async def end(self) -> None:
        """The same, and wait for it."""
        self.stop()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _ended(self, order: Tracked, task: "asyncio.Task[None]") -> None:
        number = order.request.id
        del self._lives[number], self._tasks[number]
        self.keep(order)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._broken(error)
        for life in self._lives.values():
            life.nudge()  # it may have stood in another's way
        self.nudge(order)

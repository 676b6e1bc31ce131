"""Orders that were just made and are not on the wire yet: whoever has other work lets them go first, for a moment.

In: orders as they are made, and as they go. Out: whether one is about to go, and the end of that. None is waited for
longer than `MOST_S`, whatever becomes of it: a slow disk holds an order up, and nothing else.
"""

import asyncio
from typing import Final

#: Real seconds that others stand back for an order (by hand): what one needs, and no more.
MOST_S: Final = 0.005


class Departures:
    """For one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._are_gone = asyncio.Event()
        self._is_closed = False

    @property
    def is_any(self) -> bool:
        """An order is about to go."""
        return bool(self._waiting)

    def made(self, order: str) -> None:
        """An order was made."""
        if not self._is_closed and order not in self._waiting:
            self._waiting[order] = asyncio.get_running_loop().call_later(MOST_S, self.gone, order)
            self._are_gone.clear()

    def gone(self, order: str) -> None:
        """It is on the wire, or nobody waits for it any more."""
        timer = self._waiting.pop(order, None)
        if timer is not None:
            timer.cancel()
        if not self._waiting:
            self._are_gone.set()

    async def wait(self) -> None:
        """Return when none is about to go."""
        if self._waiting:
            await self._are_gone.wait()

    def close(self) -> None:
        """Nobody stands back any more."""
        self._is_closed = True
        for order in list(self._waiting):
            self.gone(order)

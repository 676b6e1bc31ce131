"""The market clock of a lab, followed while it runs: a lab that cannot keep up lets it go slower.

In: the clock's address. Out: our own clock, rebased every second; a word when the lab slows down or is itself again.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from perpscope.errors import VenueError
from perpscope.feeds.clock import Anchor, MarketClock
from perpscope.feeds.rest import market_clock

_EVERY_S: Final = 1.0  # real seconds


class MarketTime:
    """Keeps a clock with a lab's.

    Args:
        url: of the lab's clock.
        clock: that is to follow it.
        announce: told once that it is slower than was asked for, and once that it is not any more.
    """

    def __init__(self, url: str, clock: MarketClock, announce: Callable[[str], None]) -> None:
        self._url = url
        self._clock = clock
        self._announce = announce
        self._told: list[bool] = []

    async def run(self) -> None:
        """Follow until cancelled; a lab that does not answer leaves the clock as it is."""
        while True:
            with contextlib.suppress(VenueError):
                self.follow(await market_clock(self._url))
            await asyncio.sleep(_EVERY_S)

    def follow(self, anchor: Anchor) -> None:
        """Take one anchor on."""
        self._clock.follow(anchor)
        asked = anchor.asked_rate or anchor.rate
        is_slowed = anchor.rate < asked
        if is_slowed not in self._told and (is_slowed or self._told):
            self._told.append(is_slowed)
            self._announce(
                f"the machine does not keep up: {asked:.3g}× asked, {anchor.rate:.3g}× held"
                if is_slowed
                else f"the machine keeps up again: {asked:.3g}×"
            )

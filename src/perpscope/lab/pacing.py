"""Market time slowed to what the machine keeps up with, and let go again.

In: the clock, and how far the exchanges have told. Out: another rate of the clock, that everybody who follows
`/lab/clock` takes on. A market that lags its clock would tell everything late; a slower one tells it on time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from perpscope.lab.clock import NS_PER_S, LabClock, real_seconds

# Chosen by hand.
_LOOK_EVERY_S: Final = 0.25
_LOOKS: Final = 8  # over which the speed is reckoned: a pause of a moment is no reason to crawl
#: Real seconds; and market seconds, which is as finely as a market that follows another one goes.
_MOST_LAG_S, _MOST_LAG_MARKET_S = 1.0, 3.0
_CALM_LAG: Final = 0.25  # of the bound: no reason to hold back
_REST_S: Final = 1.5  # so long a rate is tried before it is changed again
_SLOWER_LEAST, _SLOWER_MOST, _FASTER = 0.9, 0.5, 1.25  # than before
_MARGIN: Final = 0.9  # of the speed that was reached
_SLOWEST: Final = 0.02  # of what was asked for


class Pacing:
    """Keeps a market's clock within what its exchanges reach.

    Args:
        clock: of the market.
        reached: how far it has been told, ns UTC.
    """

    def __init__(self, clock: LabClock, reached: Callable[[], int]) -> None:
        self._clock = clock
        self._reached = reached
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
        self._not_before_s = 0.0

    async def run(self) -> None:
        """Look until cancelled; without effect on an unpaced clock."""
        while self._clock.is_paced:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look(real_seconds())

    def look(self, now_s: float) -> None:
        """Judge once.

        Args:
            now_s: real seconds since some moment.
        """
        clock, reached = self._clock, self._reached()
        if not clock.is_running:
            self._looks.clear()
            return
        self._looks.append((now_s, reached))
        first_s, first = self._looks[0]
        if now_s < self._not_before_s or now_s <= first_s:
            return
        lag_s = max(0, clock.now_ns() - reached) / NS_PER_S
        bound_s = max(_MOST_LAG_S * clock.rate, _MOST_LAG_MARKET_S)
        if lag_s > bound_s:
            speed = (reached - first) / NS_PER_S / (now_s - first_s)
            held = min(max(_MARGIN * speed, _SLOWER_MOST * clock.rate), _SLOWER_LEAST * clock.rate)
            self._go(max(held, _SLOWEST * clock.asked_rate), now_s)
        elif lag_s < _CALM_LAG * bound_s and clock.rate < clock.asked_rate:
            self._go(_FASTER * clock.rate, now_s)

    def _go(self, rate: float, now_s: float) -> None:
        self._clock.pace(rate)
        self._not_before_s = now_s + _REST_S

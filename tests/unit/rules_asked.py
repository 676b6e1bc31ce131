"""A market made by hand, and a rule asked about it, in plain Python."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perpscope.trading import watch
from perpscope.trading.compiling import blank
from perpscope.trading.layout import (
    ACCOUNT,
    NOTE_EDGE,
    NOTE_FAILED,
    NOTE_OWN,
    NOTE_SEEN,
    NOTE_SIDE,
    NOTE_STOP,
    NOTE_TAKE,
    NOTE_WHY,
    NS,
    NUMBERS,
    WATCH,
)
from perpscope.trading.strategy import Strategy

MINUTE = 60 * NS
#: 2026-01-01T00:00Z.
START = 1_767_225_600 * NS
_UNKNOWN = (
    *("last", "bid", "ask", "mark", "index", "funding_rate", "open_interest", "imbalances", "spread_ewma"),
    *("above_price", "below_price", "pull", "p_up", "p_down", "edge", "taker_buys", "returns"),
)


class Asked:
    """What a rule sees, changed by hand.

    Args:
        strategy: whose rule.
        parameters: of it, beside the defaults.
    """

    def __init__(self, strategy: Strategy, **parameters: float) -> None:
        self.strategy = strategy
        self.watch: Any = blank(WATCH)[0]
        self.account: Any = blank(ACCOUNT)[0]
        for name in _UNKNOWN:
            self.watch[name] = np.nan
        self.watch.now = START
        self.numbers = np.zeros(NUMBERS)
        own = strategy.numbers(strategy.parameters(**parameters))
        self.numbers[: own.size] = own
        self.notes: NDArray[np.float64] = np.zeros(NUMBERS)

    def candle(self, close: float, volume: float = 10.0, minutes: int = 1) -> None:
        """A candle closes now; time goes on by its length."""
        opened = int(self.watch.now)
        self.watch.now = opened + minutes * MINUTE
        bar = (close, close, close, close, volume, float("nan"))
        watch.candle(self.watch, int(self.watch.now), opened, bar)

    def leans(self, *imbalances: float) -> None:
        """The book leans so, a second each; time does not go on."""
        for imbalance in imbalances:
            self.watch.imbalances[self.watch.seconds % 16] = imbalance
            self.watch.seconds += 1

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.watch.now += int(seconds * NS)

    def holds(self, side: int, ago_s: float = 0.0) -> None:
        """A position was opened so long ago; 0 = it was closed now."""
        if side == 0:
            self.account.closed_at = self.watch.now
        else:
            self.account.opened_at = self.watch.now - int(ago_s * NS)
            self.account.opened_bar = self.watch.bars
        self.account.size = side * 7

    def answer(self, is_bar: int = 1) -> int:
        """What the rule answers, asked as the desk asks it."""
        self.notes[:NOTE_OWN] = 0.0
        self.notes[NOTE_EDGE] = np.nan
        self.watch.is_bar = is_bar
        return int(self.strategy.rule(self.watch, self.account, self.numbers, self.notes))

    @property
    def why(self) -> str:
        """The reason it left."""
        return self.strategy.reasons[int(self.notes[NOTE_WHY])]

    @property
    def failed(self) -> tuple[str, ...]:
        """Entry rules it found failed."""
        mask = int(self.notes[NOTE_FAILED])
        return tuple(name for bit, name in enumerate(self.strategy.entry_rules) if mask >> bit & 1)

    @property
    def figures(self) -> dict[str, float]:
        """What its entry rules looked at last, by name."""
        return dict(zip(self.strategy.figures, self.notes[NOTE_SEEN:].tolist(), strict=False))

    @property
    def side(self) -> int:
        """The side it looked at."""
        return int(self.notes[NOTE_SIDE])

    @property
    def barriers(self) -> tuple[float, float]:
        """Distances of stop and take-profit it left."""
        return float(self.notes[NOTE_STOP]), float(self.notes[NOTE_TAKE])

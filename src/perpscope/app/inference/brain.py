"""What thinks of one instrument, in the worker: its features, its climatology, what it said and what then came.

A minute comes in, an opinion goes out. What was said is judged when the horizon is over: the model learns from it, and
a model whose features have moved, or that has been worse than climatology for two days, is demoted by itself.
"""

from collections import deque
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.features.made import FeatureStream
from perpscope.analytics.features.raw import VOLATILITY, volatility
from perpscope.analytics.features.told import COLUMN, MINUTE_NS, Told
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.climatology import Climatology
from perpscope.analytics.models.drift import MOST_MOVED, WINDOW, drifted, is_worse
from perpscope.analytics.models.scores import losses
from perpscope.app.inference.opinions import Model, Opinion
from perpscope.trading.labels import HORIZON, Costs, labels

#: Minutes between two looks whether features have moved.
_LOOK: Final = 60
#: A minute's own share of what came, where each minute is judged over the horizon.
_UNIQUE: Final = 1.0 / HORIZON
_PRICES: Final = ("high", "low", "close")


class Minute(msgspec.Struct, frozen=True):
    """What was known when a candle had closed."""

    ts: int  #: its close, ns UTC
    open: float
    values: Floats  #: (columns,) as of `Told`
    ages: Floats  #: (sources,)


class _Said(msgspec.Struct, frozen=True):
    """What was said of a minute, until it can be judged."""

    ts: int
    x: Floats
    base: Floats
    p: Floats
    sigma: float


class Thought(msgspec.Struct, frozen=True):
    """An opinion with what it rests on."""

    opinion: Opinion
    base: Floats  #: (2,) climatology's shares
    demoted: str  #: why the model is not believed at the moment; empty = it is


class Brain:
    """One instrument's.

    Args:
        model: shared by all instruments of the worker.
        past: minutes before the first that will come, and their opens; None = there are none.
    """

    def __init__(self, model: Model, past: tuple[Told, Floats] | None) -> None:
        self._model = model
        self._features = FeatureStream()
        self._is_fed = bool(model.manifest.features)  #: climatology is asked with nothing, which costs nothing
        self._last = 0
        self._shares = [Climatology() for _ in range(2)]
        for at, side in enumerate(("up", "down")):
            of = self._shares[at]
            of.true = of.all * model.manifest.sides[side].share
        self._costs = Costs(taker=0.0, spread=model.manifest.cost, slippage=0.0)
        self._prices: deque[tuple[int, Floats]] = deque(maxlen=VOLATILITY + HORIZON + 2)
        self._waiting: deque[_Said] = deque()
        self._rows: deque[Floats] = deque(maxlen=WINDOW)
        self._model_losses: deque[float] = deque(maxlen=WINDOW)
        self._base_losses: deque[float] = deque(maxlen=WINDOW)
        self._looked = 0
        self._demoted = ""
        if past is not None:
            self._begin(*past)

    @property
    def last(self) -> int:
        """Close of the newest minute, ns UTC; 0 = none."""
        return self._last

    def think(self, minute: Minute) -> Thought:
        """An opinion of a minute, after what can be judged by now has been."""
        prices = np.array([minute.open, *(minute.values[COLUMN[name]] for name in _PRICES)])
        self._last = minute.ts
        self._keep(minute.ts, prices)
        self._judge(minute.ts)
        x = self._fed(minute)
        base = np.array([of.share for of in self._shares])
        opinion = self._model.ask(x, base)
        self._waiting.append(_Said(minute.ts, x, base, np.array([opinion.p_up, opinion.p_down]), self._sigma()))
        self._rows.append(x)
        self._look()
        return Thought(opinion, base, self._demoted)

    def _fed(self, minute: Minute) -> Floats:
        """What the model is asked with; its minutes are kept as far as it looks back."""
        if not self._is_fed:
            return np.empty(0)
        return self._model.chosen(self._features.push(minute.ts, minute.values, minute.ages))

    def _begin(self, told: Told, opens: Floats) -> None:
        """Take the past: features, and how often a trade brought a gain."""
        self._last = int(told.ts[-1])
        if self._is_fed:
            self._features.begin(told)
        high, low, close = (told.column(name) for name in _PRICES)
        of = labels(opens, high, low, close, volatility(close), self._costs)
        for row in np.flatnonzero(of.is_known).tolist():
            for side, sign in enumerate((1, -1)):
                self._shares[side].learn(bool(of.outcome[row] == sign), float(of.weight[row]))
        rows = np.column_stack([opens, high, low, close])
        for ts, row in zip(told.ts[-VOLATILITY - 2 :].tolist(), rows[-VOLATILITY - 2 :], strict=True):
            self._keep(ts, row)

    def _keep(self, ts: int, prices: Floats) -> None:
        """Prices of a minute; those that are missing before it are unknown."""
        last = self._prices[-1][0] if self._prices else ts - MINUTE_NS
        for missing in range(max(last + MINUTE_NS, ts - self._most() * MINUTE_NS), ts, MINUTE_NS):
            self._prices.append((missing, np.full(4, np.nan)))
        self._prices.append((ts, prices))

    def _most(self) -> int:
        return self._prices.maxlen or 0

    def _sigma(self) -> float:
        """Standard deviation of a minute's return, as it is known now; NaN until it is."""
        return float(volatility(np.array([row[3] for _, row in self._prices]))[-1])

    def _judge(self, now: int) -> None:
        """What came of what was said a horizon ago."""
        while self._waiting and self._waiting[0].ts <= now - HORIZON * MINUTE_NS:
            said = self._waiting.popleft()
            rows = np.array([row for ts, row in self._prices if said.ts <= ts <= said.ts + HORIZON * MINUTE_NS])
            if len(rows) <= HORIZON:
                continue
            opens, high, low, close = rows.T
            of = labels(opens, high, low, close, np.full(len(rows), said.sigma), self._costs)
            if of.is_known[0]:
                self._learn(said, int(of.outcome[0]))

    def _learn(self, said: _Said, outcome: int) -> None:
        was = np.array([outcome == 1, outcome == -1])
        self._model_losses.append(float(losses(said.p, was).sum()))
        self._base_losses.append(float(losses(said.base, was).sum()))
        for side in range(2):
            self._shares[side].learn(bool(was[side]), _UNIQUE)
        self._model.learn(said.x, said.base, outcome, _UNIQUE)

    def _look(self) -> None:
        """Every hour: has the model to be demoted?"""
        self._looked += 1
        if self._looked % _LOOK:
            return
        manifest = self._model.manifest
        moved = drifted(manifest.shapes, np.array(self._rows), tuple(manifest.features))
        if len(moved) >= MOST_MOVED:
            self._demoted = f"features-moved: {', '.join(moved)}"
        elif is_worse(np.array(self._model_losses), np.array(self._base_losses)):
            self._demoted = "worse-than-climatology"
        else:
            self._demoted = ""

"""The map of one venue's instrument, kept current a bar at a time.

In: `Bar`s in order of time. State: a `Book` for each family of classes under each guess of entries, and the weights
their scores have earned. Live and rebuilt are one path: `take` each bar. Six books are six models of the same open
interest; nothing is ever summed over them but by their weights.
"""

from collections.abc import Iterable
from functools import partial
from math import floor, inf, isfinite, log

import msgspec
import numpy as np

from perpscope.analytics.liqmap import book as books
from perpscope.analytics.liqmap import distance, inflow, kernel, learning, price_moves
from perpscope.analytics.liqmap.arithmetic import NUMPY, Arithmetic
from perpscope.analytics.liqmap.bars import DAY_NS, INFLOWS, MINUTE_NS, Bar, Setting, check
from perpscope.analytics.liqmap.book import Book, Passed
from perpscope.analytics.liqmap.distance import Kernel
from perpscope.analytics.liqmap.inflow import Share, Tape
from perpscope.analytics.liqmap.kernel import Flow
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.learning import Scores
from perpscope.analytics.liqmap.price_moves import Moves
from perpscope.analytics.liqmap.tracing import Tracer
from perpscope.analytics.margin_arrays import Floats

#: Standard deviations over which first positions are spread.
_START_REACH = 2.5


class Model(msgspec.Struct, frozen=True):
    """What a book assumes."""

    ladder: Ladder
    inflow: str  #: one of `INFLOWS`


class State(msgspec.Struct):
    """Everything a map remembers; see `checkpoint`."""

    anchor: float  #: log price at which bin 0 begins
    ts: int  #: ns UTC, end of the last bar
    ts_told: int  #: ns UTC, end of the last bar that told open interest
    mark: float  #: quote per base, its close
    open_interest: float  #: base units, last told
    bars: int
    books: list[Book]
    scores: Scores
    tape: Tape
    moves: Moves
    distance: Kernel


class Step(msgspec.Struct, frozen=True):
    """What one bar did."""

    passed: list[Passed]  #: of each book
    weights: Floats  #: (books,) of the blend, from before the bar
    is_stale: bool  #: open interest is older than it may be, or bars were missing before this one

    @property
    def expected(self) -> Floats:
        """(2,) base units expected to have been closed by force, long and short, by the blend."""
        return np.array([passed.expected for passed in self.passed]).T @ self.weights


class VenueMap:
    """A map that grows with its bars.

    Args:
        ladders: families of classes, side by side.
        setting: constants.
        inflows: guesses of entries, each with books of its own.
        arithmetic: numpy's or the compiled one; the same figures come of both.
    """

    def __init__(
        self,
        ladders: Iterable[Ladder],
        setting: Setting | None = None,
        inflows: Iterable[str] = INFLOWS,
        arithmetic: Arithmetic = NUMPY,
    ) -> None:
        self.setting, self.arithmetic = setting or Setting(), arithmetic
        guesses = tuple(inflows)
        self.models = tuple(Model(ladder, name) for ladder in ladders for name in guesses)
        unknown = {model.inflow for model in self.models} - set(INFLOWS)
        if unknown or not self.models:
            raise ValueError(f"a map needs ladders, and inflows of {', '.join(INFLOWS)}; not {sorted(unknown)}")
        self.state: State | None = None
        self._tilts: dict[int, tuple[float, Floats]] = {}  #: by ladder: funding, weights under it
        self._barred = np.array([model.inflow in self.setting.barred for model in self.models])

    @property
    def weights(self) -> Floats:
        """(books,) of the blend."""
        scores = Scores(np.zeros(len(self.models))) if self.state is None else self.state.scores
        return learning.stack(scores, self.setting.least_weight, self._barred)

    def take(self, bar: Bar, tracer: Tracer | None = None) -> Step | None:
        """Go on by one bar.

        Args:
            bar: complete, later than the last.
            tracer: watches some cells on the way.

        Returns:
            What it did; None for bars before open interest was first told, which nothing can be made of.

        Raises:
            ValueError: the bar cannot be one.
        """
        check(bar, None if self.state is None else self.state.ts)
        if self.state is None:
            if not isfinite(bar.open_interest):
                return None
            self.state = self._begin(bar)
            if tracer is not None:
                tracer.added(self.state.books, bar.ts, bar.open_interest)
            return self._step(self.state, bar, (bar.ts - MINUTE_NS, bar.open_interest), tracer)
        return self._step(self.state, bar, (self.state.ts, self.state.open_interest), tracer)

    def _begin(self, bar: Bar) -> State:
        """The first open interest, spread around the first close."""
        setting = self.setting
        anchor = log(bar.close) - 0.5 * setting.step
        reach = int(_START_REACH * setting.start_spread / setting.step)
        bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * setting.step / setting.start_spread) ** 2)
        share = Share(-reach, bell / bell.sum())
        begun = []
        for model in self.models:
            book = books.begin(model.ladder, 0, setting)
            books.reach(book, -reach, reach)
            opened = bar.open_interest * model.ladder.tilted_weights(bar.funding_8h)
            books.fill(book, model.ladder, log(bar.close), anchor, opened, share, setting.step)
            begun.append(book)
        return State(
            anchor,
            bar.ts - 1,
            bar.ts - 1,
            bar.close,
            bar.open_interest,
            0,
            begun,
            Scores(np.zeros(len(self.models))),
            inflow.begin(),
            Moves(),
            distance.begin(),
        )

    def _step(self, state: State, bar: Bar, before: tuple[int, float], tracer: Tracer | None) -> Step:
        setting = self.setting
        minutes = (bar.ts - before[0]) / MINUTE_NS
        told = bar.open_interest if isfinite(bar.open_interest) else state.open_interest
        is_stale = minutes > setting.hold_minutes + 1.0 or (
            not isfinite(bar.open_interest) and bar.ts - state.ts_told > setting.hold_minutes * MINUTE_NS
        )
        turnover = inflow.activity(state.tape, bar, minutes, setting) * setting.assumed_turnover * minutes * told
        if isfinite(bar.volume):
            turnover = setting.turnover * bar.volume
        spread = inflow.spread_of(bar, state.anchor, setting.step)
        grown = max(told - before[1], 0.0)
        inflow.take(state.tape, bar, told - before[1], grown + turnover, spread, minutes, setting)
        weights = self.weights
        flow = self._flow(bar, (told, turnover, minutes))
        shares = {name: self._share(name, bar, spread) for name in {model.inflow for model in self.models}}
        lowest, highest = (floor((price - state.anchor) / setting.step) for price in flow[:2])
        taken = (flow, minutes, lowest, highest)
        passed = [
            self._book_step(at, (shares[model.inflow], self._tilted(model.ladder, bar)), bar, taken, tracer)
            for at, model in enumerate(self.models)
        ]
        self._score(state, bar, passed, minutes)
        price_moves.take(state.moves, bar.close, minutes)
        distance.take(state.distance, bar)
        state.ts, state.mark, state.open_interest, state.bars = bar.ts, bar.close, told, state.bars + 1
        if isfinite(bar.open_interest):
            state.ts_told = bar.ts
        return Step(passed, weights, is_stale)

    def _share(self, name: str, bar: Bar, spread: Share) -> Share:
        assert self.state is not None  # noqa: S101 -- called by `_step` only
        if name == "hot_zone":
            return inflow.hot_zones(self.state.tape, spread)
        if name == "vwap":
            price = inflow.average_price(self.state.tape, bar.ts, bar.close)
            return inflow.at_price(price, self.state.anchor, self.setting.step)
        return spread

    def _tilted(self, ladder: Ladder, bar: Bar) -> Floats:
        """A ladder's weights under the bar's funding, which seldom changes."""
        kept = self._tilts.get(id(ladder))
        if kept is None or kept[0] != bar.funding_8h:
            self._tilts[id(ladder)] = kept = (bar.funding_8h, ladder.tilted_weights(bar.funding_8h))
        return kept[1]

    def _flow(self, bar: Bar, told: tuple[float, float, float]) -> Flow:
        """The bar, as every book takes it."""
        open_interest, turnover, minutes = told
        fade = 0.5 ** (minutes / 60.0 / self.setting.cleared_half_life_h)
        volume = bar.volume if isfinite(bar.volume) else inf
        return log(bar.low), log(bar.high), log(bar.close), fade, open_interest, turnover, volume

    def _book_step(
        self,
        at: int,
        opening: tuple[Share, Floats],
        bar: Bar,
        told: tuple[Flow, float, int, int],
        tracer: Tracer | None,
    ) -> Passed:
        """One book's bar: sweep, close, open, learn (METHOD 6.3)."""
        assert self.state is not None  # noqa: S101 -- called by `_step` only
        state, setting, ladder, book = self.state, self.setting, self.models[at].ladder, self.state.books[at]
        (share, weights), (flow, minutes, lowest, highest) = opening, told
        books.reach(book, min(lowest, share.first), max(highest, share.first + share.parts.size - 1))
        conversion = book.learnt.conversion.copy()
        run = self.arithmetic.minute
        if tracer is not None:
            tracer.watch(at, book)
            run = partial(kernel.watched_minute, kept=partial(tracer.kept, at, book))
        rungs = (ladder.offsets, weights)
        exposure, swept, opened, closed = books.minute(book, rungs, share, state.anchor, flow, setting, run)
        if tracer is not None:
            tracer.opened(at, book, bar.ts, flow[4] - state.open_interest)
        if bar.told_later:
            learning.wait(book.learnt, exposure, minutes)
        else:
            lesson = (bar.liquidated_long, bar.liquidated_short, bar.trust, minutes, flow[4])
            self.arithmetic.lesson(book.learnt, exposure, weights, lesson, setting)
        return Passed(exposure, swept, conversion, opened, closed)

    def _score(self, state: State, bar: Bar, passed: list[Passed], minutes: float) -> None:
        expected = np.array([part.expected for part in passed])
        days = minutes * MINUTE_NS / DAY_NS
        if bar.told_later:
            learning.defer(state.scores, expected, days)
        else:
            liquidated = np.array([bar.liquidated_long, bar.liquidated_short])
            learning.judge(state.scores, expected, liquidated, days, self.setting)


def rebuilt(
    ladders: Iterable[Ladder],
    bars: Iterable[Bar],
    setting: Setting | None = None,
    inflows: Iterable[str] = INFLOWS,
    arithmetic: Arithmetic = NUMPY,
) -> VenueMap:
    """A map made of its bars from the beginning; the same as one that took them as they came."""
    made = VenueMap(ladders, setting, inflows, arithmetic)
    for bar in bars:
        made.take(bar)
    return made

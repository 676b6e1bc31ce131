"""Liquidation cascades in what happened: where one began, was noticed, was worst and ended, by either of two rules.

`SEED` is the first document's rule (S0-33 to S0-35) made precise; it needs extreme funding and so is rare. `SCORE` asks
for forced orders far beyond the week's, a large move and shrinking open interest at once. METHOD §5. Detection uses
closed steps only: whoever tests a strategy uses `ts_detected`, never `ts_start`.
"""

import enum
from collections.abc import Iterable, Sequence
from math import exp, inf, isfinite, log
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.cascade import amplification
from perpscope.analytics.cascade_depth import square_root
from perpscope.analytics.risk_series import log_returns, sigma_forecast, window_sums
from perpscope.analytics.sentiment_scale import Floats, carried
from perpscope.model.market import PositionSide


class Rule(enum.Enum):
    """What a cascade is taken to be."""

    SEED = "seed"
    SCORE = "score"


WINDOW_S: Final = 900.0  #: W, METHOD §5
SEED_MOVE, SEED_VOLUME, SEED_F8 = 0.05, 3.0, 0.001  #: S0-33; S0-34: +200 % is threefold; S0-35
SCORE_MOVE, SCORE_SIGMAS, SCORE_SHRINKS = 0.015, 4.0, 0.01  #: METHOD §5
EXTREME_QUANTILE, CALM_QUANTILE = 0.995, 0.90  #: of the 7 days before, METHOD §5
CALM_STEPS: Final = 5  #: in a row end an event, METHOD §5
MERGED_S: Final = 600.0  #: two events of a side closer than this are one, METHOD §5
LEAST_HISTORY_S: Final = 86_400.0  #: of forced orders; with less the score rule says nothing. Chosen by hand
_DAY_S, _WEEK_S = 86_400.0, 7 * 86_400.0
_LEAST_SHARE: Final = 0.5  #: of a day's steps that must be known for an amplification; chosen by hand
_MOST_EXCESS: Final = 100.0  #: a threshold of nothing is not exceeded infinitely
FORCED, MOVE, SHRINKS, VOLUME, CROWDED = "forced_orders", "move", "open_interest", "volume", "funding"


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidations of one side per step, dollars; NaN where nobody watched."""

    usd: Floats  #: (steps,) best estimate, or what was observed
    low: Floats | None = None  #: (steps,) 5 % bound; None = it is exact, or nobody knows
    high: Floats | None = None  #: (steps,) 95 % bound; inf = nothing bounds it


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """One market on a regular grid, as a rule one minute; all of one length, NaN where not known."""

    ts_first: int  #: end of the first step, ns UTC
    step_s: float
    close: Floats  #: quote per base
    volume: Floats  #: of the step, any one unit
    open_interest: Floats  #: base units
    f8: Floats  #: funding per 8 h, fraction; its last value holds
    long: Forced
    short: Forced
    turnover: Floats | None = None  #: of the step, quote units; with it an event's amplification is told

    def of(self, side: PositionSide) -> Forced:
        """Liquidations of a side."""
        return self.long if side is PositionSide.LONG else self.short


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of the rule at the event's worst step."""

    name: str
    value: float
    threshold: float
    share: float  #: of the severity, in [0, 1]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A cascade."""

    rule: Rule
    side: PositionSide  #: whose positions were closed
    ts_start: int  #: ns UTC, known only afterwards
    ts_detected: int  #: ns UTC, end of the step at which the rule held first
    ts_peak: int  #: ns UTC, of the most forced orders; of the extreme price where these are not known
    ts_end: int | None  #: ns UTC, first calm step; None while it lasts
    trough_return: float  #: extreme price over the price it began at, less 1
    open_interest_change: float | None  #: fraction
    forced_usd: float | None  #: of the side, from start to end; None if nothing of it was watched
    forced_low_usd: float | None
    forced_high_usd: float | None  #: None where nothing bounds it, too
    watched: float  #: share of its steps whose forced orders are known
    severity: float  #: 0 at the thresholds, 50 at twice, 75 at four times all of them, below 100
    conditions: list[Condition]
    amplification: float | None = None  #: see `cascade.amplification`, by the square-root law; None where not known


def detect(given: Steps, rule: Rule) -> list[Event]:
    """Every cascade of both sides, in the order they were noticed.

    Args:
        given: the market; longer than the rule's history (a day for `SEED`, up to a week for `SCORE`).
        rule: what counts as one.

    Raises:
        ValueError: the arrays are not of one length.
    """
    arrays = (given.close, given.volume, given.open_interest, given.f8, given.long.usd, given.short.usd)
    if len({array.size for array in arrays}) != 1:
        raise ValueError("prices, volume, open interest, funding and forced orders must be of one length")
    found = [event for side in PositionSide for event in _Search(given, rule, side).events()]
    return sorted(found, key=lambda event: (event.ts_detected, event.side.value))


def severity(excesses: Iterable[float]) -> float:
    """How far beyond its thresholds an event is: 100 · (1 − exp(−mean ln(value ÷ threshold))). By hand.

    >>> [round(severity(excess), 6) for excess in ([1.0, 1.0, 1.0], [2.0, 2.0], [4.0, 1.0])]
    [0.0, 50.0, 50.0]
    """
    logs = [_log_excess(excess) for excess in excesses]
    return 100.0 * (1.0 - exp(-sum(logs) / len(logs)))


def _log_excess(excess: float) -> float:
    return log(min(max(excess, 1.0), _MOST_EXCESS))


class _Search:
    """The cascades of one side by one rule."""

    def __init__(self, given: Steps, rule: Rule, side: PositionSide) -> None:
        self._given, self._rule, self._side = given, rule, side
        self._sign = 1.0 if side is PositionSide.LONG else -1.0
        self._window = max(1, round(WINDOW_S / given.step_s))
        self._forced = given.of(side).usd
        self._f8 = self._sign * carried(given.f8, given.f8.size)
        self._adverse = -self._sign * np.expm1(log_returns(given.close, self._window))
        sigma = sigma_forecast(log_returns(given.close), given.step_s, WINDOW_S)
        self._sigma = np.concatenate([np.full(min(self._window, sigma.size), np.nan), sigma[: -self._window]])
        self._volume = window_sums(given.volume, self._window)
        self._shrunk = -np.expm1(log_returns(given.open_interest, self._window))

    def events(self) -> list[Event]:
        """All of them, oldest first; those too close together as one."""
        least = SEED_MOVE if self._rule is Rule.SEED else SCORE_MOVE
        spans: list[tuple[int, int, int]] = []  # start, detected, end (not included)
        for at in np.flatnonzero(self._adverse >= least).tolist():
            if spans and at < spans[-1][2]:
                continue
            if self._holds(at):
                start, end = self._start(at), self._end(at)
                if spans and (start - spans[-1][2]) * self._given.step_s < MERGED_S:
                    spans[-1] = (*spans[-1][:2], end)
                else:
                    spans.append((start, at, end))
        return [self._event(*span) for span in spans]

    def _holds(self, at: int) -> bool:
        conditions = self._conditions(at)
        held = [value >= threshold for _, value, threshold in conditions]
        if self._rule is Rule.SEED:
            return all(held) and float(self._f8[at]) > SEED_F8
        recent = self._forced[max(0, at - 2) : at + 1]
        return all(held[1:]) and int((recent > conditions[0][2]).sum()) >= 2

    def _conditions(self, at: int) -> list[tuple[str, float, float]]:
        """Name, value and threshold; a threshold that is not known is infinite."""
        if self._rule is Rule.SEED:
            usual = _median(self._volume[max(0, at - round(_DAY_S / self._given.step_s)) : at])
            return [
                (MOVE, float(self._adverse[at]), SEED_MOVE),
                (VOLUME, float(self._volume[at]), SEED_VOLUME * usual),
                (CROWDED, float(self._f8[at]), SEED_F8),
            ]
        sigma = float(self._sigma[at])
        return [
            (FORCED, _largest(self._forced[max(0, at - 2) : at + 1]), self._usual_forced(at, EXTREME_QUANTILE)),
            (MOVE, float(self._adverse[at]), max(SCORE_MOVE, SCORE_SIGMAS * sigma) if isfinite(sigma) else inf),
            (SHRINKS, float(self._shrunk[at]), SCORE_SHRINKS),
        ]

    def _usual_forced(self, at: int, quantile: float) -> float:
        """A quantile of the week before the last three steps; infinite if less than a day of it is known."""
        past = self._forced[max(0, at - 2 - round(_WEEK_S / self._given.step_s)) : max(0, at - 2)]
        past = past[np.isfinite(past)]
        if past.size * self._given.step_s < LEAST_HISTORY_S:
            return inf
        return float(np.quantile(past, quantile))

    def _start(self, at: int) -> int:
        """Seed: the last extreme price before; score: the first of the last three steps with extreme forced orders."""
        if self._rule is Rule.SEED:
            return self._top(at)
        limit = self._usual_forced(at, EXTREME_QUANTILE)
        return max(0, at - 2) + int(np.argmax(self._forced[max(0, at - 2) : at + 1] > limit))

    def _top(self, at: int) -> int:
        """The step in the window before at which the move began; the last one of several."""
        start = max(0, at - self._window)
        prices = self._sign * self._given.close[start : at + 1]
        return at - int(np.nanargmax(prices[::-1]))

    def _end(self, at: int) -> int:
        """The first of `CALM_STEPS` calm steps in a row; the length of the grid if there are none yet."""
        if self._rule is Rule.SEED:
            calm = ~(self._adverse[at:] >= SEED_MOVE)
        else:
            forced = self._forced[at:]
            calm = ~(forced >= self._usual_forced(at, CALM_QUANTILE)) | (forced == 0.0)
        streak = 0
        for place, is_calm in enumerate(calm.tolist()):
            streak = streak + 1 if is_calm else 0
            if streak == CALM_STEPS:
                return at + place - CALM_STEPS + 1
        return self._given.close.size

    def _event(self, start: int, detected: int, end: int) -> Event:
        top = self._top(detected)
        prices = self._given.close[top : max(end, detected + 1)]
        trough = top + int(np.nanargmin(self._sign * prices))
        span = slice(start, max(end, detected + 1))
        forced, of_side = self._forced[span], self._given.of(self._side)
        known = np.isfinite(forced)
        peak = start + int(np.nanargmax(forced)) if known.any() and np.nanmax(forced) > 0.0 else trough
        worst = self._worst(detected, span.stop)
        interest = self._given.open_interest[top : span.stop]
        interest = interest[np.isfinite(interest)]
        return Event(
            rule=self._rule,
            side=self._side,
            ts_start=self._ts(start),
            ts_detected=self._ts(detected),
            ts_peak=self._ts(peak),
            ts_end=self._ts(end) if end < self._given.close.size else None,
            trough_return=float(self._given.close[trough] / self._given.close[top]) - 1.0,
            open_interest_change=float(interest[-1] / interest[0]) - 1.0 if interest.size else None,
            forced_usd=_total(of_side.usd[span]),
            forced_low_usd=None if of_side.low is None else _total(of_side.low[span]),
            forced_high_usd=None if of_side.high is None else _top(of_side.high[span]),
            watched=float(known.mean()),
            severity=severity(_excess(*condition) for condition in worst),
            conditions=_shared(worst),
            amplification=self._amplification(top, trough, _total(of_side.usd[span])),
        )

    def _amplification(self, top: int, trough: int, forced: float | None) -> float | None:
        """By what was traded, and how it moved, in the day before the move."""
        turnover, close = self._given.turnover, self._given.close
        if turnover is None or forced is None:
            return None
        steps = round(_DAY_S / self._given.step_s)
        traded, moves = turnover[max(0, top - steps) : top], log_returns(close[max(0, top - steps) : top + 1])
        traded, moves = traded[np.isfinite(traded)], moves[np.isfinite(moves)]
        if min(traded.size, moves.size) < _LEAST_SHARE * steps:
            return None
        volume, sigma = float(traded.mean()) * steps, float(np.sqrt((moves**2).mean() * steps))
        move = abs(log(float(close[trough] / close[top])))
        if not (volume > 0.0 and sigma > 0.0 and move > 0.0):
            return None
        return amplification(move, forced, square_root(volume, sigma))

    def _worst(self, start: int, end: int) -> list[tuple[str, float, float]]:
        """The conditions of the step that exceeds them most."""
        told = [self._conditions(at) for at in range(start, end)]
        return max(told, key=lambda conditions: severity(_excess(*condition) for condition in conditions))

    def _ts(self, at: int) -> int:
        return self._given.ts_first + at * round(self._given.step_s * 1e9)


def _shared(worst: Sequence[tuple[str, float, float]]) -> list[Condition]:
    """Conditions with what each has to do with the severity."""
    logs = [_log_excess(_excess(*condition)) for condition in worst]
    whole = sum(logs)
    return [
        Condition(name=name, value=value, threshold=threshold, share=log_excess / whole if whole else 0.0)
        for (name, value, threshold), log_excess in zip(worst, logs, strict=True)
    ]


def _excess(_: str, value: float, threshold: float) -> float:
    """Value over threshold; 1 where either says nothing."""
    if not (isfinite(value) and isfinite(threshold)):
        return 1.0
    return value / threshold if threshold > 0.0 else _MOST_EXCESS


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else inf


def _largest(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")


def _total(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.sum()) if known.size else None


def _top(values: Floats) -> float | None:
    """Sum of upper bounds; none where one is not bounded."""
    return None if np.isinf(values).any() else _total(values)

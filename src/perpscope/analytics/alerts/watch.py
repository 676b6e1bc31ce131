"""All rules over all coins: what comes in is taken by the measures, what is due is raised, what came after is scored.

In: liquidations, lines of instruments and models, each of a coin, and moments of market time. Out: alerts. The live
face and a replay of a store call the same methods; `kept` and `Watch(kept=…)` carry everything over a restart.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.analytics.alerts import score as scoring
from perpscope.analytics.alerts.alert import Alert, Data, Phase, Side
from perpscope.analytics.alerts.expression import Value
from perpscope.analytics.alerts.measures import CoinMeasures, Line, Model
from perpscope.analytics.alerts.minutes import Minute, Path, Seen
from perpscope.analytics.alerts.rules import APART_MS, Moment, Rule, State, step
from perpscope.analytics.alerts.score import Outcome, RuleScore

_MINUTE_MS: Final = 60_000
#: A minute's liquidations may come so much later than its end before it is judged, at most (chosen by hand).
_FORMING: Final = 30


class _Forming(msgspec.Struct):
    """A minute that is not closed."""

    high: float = 0.0
    low: float = float("inf")
    close: float | None = None
    long_usd: float = 0.0
    short_usd: float = 0.0


class Kept(msgspec.Struct, kw_only=True):
    """Everything a watch remembers beyond an hour."""

    stepped_ms: int = 0  #: up to here rules were stepped and minutes closed
    states: dict[str, dict[str, State]] = {}  #: rule → coin → where it stands
    marks: dict[str, str] = {}  #: rule → what it watched
    scores: dict[str, RuleScore] = {}
    seen: dict[str, list[Seen]] = {}  #: coin → its last minutes


class Watch:
    """Rules over coins.

    Args:
        rules: to be watched.
        data: where the market comes from.
        settle_ms: market time after its end at which a minute is closed.
        kept: of an earlier life; what belongs to rules that have changed is left out.
    """

    def __init__(self, rules: Sequence[Rule], *, data: Data, settle_ms: int = 5_000, kept: Kept | None = None) -> None:
        kept = Kept() if kept is None else kept
        self.rules = tuple(rules)
        self.data: Data = data
        self.settle_ms = settle_ms
        self.apart_ms = APART_MS  #: market time between two messages about one burst
        self.coins: dict[str, CoinMeasures] = {}
        self.stepped_ms = kept.stepped_ms
        same = {rule.name for rule in rules if kept.marks.get(rule.name) == rule.mark}
        self.states = {rule.name: dict(kept.states.get(rule.name, {})) if rule.name in same else {} for rule in rules}
        self.scores = {
            rule.name: found
            if (found := kept.scores.get(rule.name)) and found.mark == rule.mark
            else RuleScore(mark=rule.mark)
            for rule in rules
        }
        horizons = {rule.expects.horizon_min for rule in rules if rule.expects is not None}
        self._horizons, self._seen = horizons, kept.seen
        self.paths: dict[str, Path] = {}
        self._forming: dict[str, dict[int, _Forming]] = {}
        self._values: dict[str, dict[str, Value]] = {}

    def coin(self, name: str) -> CoinMeasures:
        """The measures of a coin, from now on watched."""
        if name not in self.coins:
            self.coins[name] = CoinMeasures(name)
            self.paths[name] = Path(self._horizons, self._seen.get(name, ()))
            self._forming[name] = {}
        return self.coins[name]

    def take_liquidation(self, coin: str, at_ms: int, side: Side, usd: float, venue: str) -> None:
        """A position was closed by force."""
        self.coin(coin).take_liquidation(at_ms, side, usd, venue)
        forming = self._minute(coin, at_ms)
        if forming is not None and usd > 0.0:
            if side == "long":
                forming.long_usd += usd
            else:
                forming.short_usd += usd

    def take_line(self, coin: str, line: Line, high: float | None = None, low: float | None = None) -> None:
        """An instrument as it stands; of a whole minute with its extremes."""
        measures = self.coin(coin)
        measures.take_line(line)
        forming = self._minute(coin, line.at_ms)
        if forming is not None and line.price is not None and line.instrument == measures.reference:
            forming.close = line.price
            forming.high = max(forming.high, line.price if high is None else high)
            forming.low = min(forming.low, line.price if low is None else low)

    def take_model(self, coin: str, model: Model) -> None:
        """What the models say of a coin."""
        self.coin(coin).take_model(model)

    def step(self, now_ms: int, *, is_quiet: bool = False) -> list[Alert]:
        """Market time has come to here; what is to be told. Time that goes back raises nothing."""
        if now_ms <= self.stepped_ms:
            return []
        self.stepped_ms = now_ms
        found: list[Alert] = []
        for name, coin in self.coins.items():
            coin.advance(now_ms)
            self._close(name, now_ms)
            values = self._values[name] = coin.values()
            for rule in self.rules:
                if rule.watches(name):
                    state = self.states[rule.name].setdefault(name, State())
                    moment = Moment(
                        coin=name,
                        now_ms=now_ms,
                        values=values,
                        facts=coin.facts,
                        data=self.data,
                        is_quiet=is_quiet,
                        apart_ms=self.apart_ms,
                    )
                    alert = step(rule, state, moment)
                    if alert is not None:
                        found.append(self._scored(rule, alert))
        return found

    def catch_up(self, now_ms: int) -> None:
        """Time that was stepped in an earlier life: minutes close, no rule looks."""
        for name, coin in self.coins.items():
            coin.advance(now_ms)
            self._close(name, now_ms)

    def begin_anew(self) -> None:
        """Another market: its time has gone back. Scores stay, where rules stand does not."""
        for coin in self.coins.values():
            coin.forget()
        self.stepped_ms = 0
        self.states = {rule.name: {} for rule in self.rules}
        self.paths = {name: Path(path.horizons) for name, path in self.paths.items()}
        self._forming = {name: {} for name in self.coins}

    def take_scores(self, other: "Watch") -> None:
        """Go on with the scores of another watch of the same rules, which has lived up to about now.

        Minutes that it has not seen are told to it first; what this one waits to see stays waited for, as no evidence.
        """
        for coin, path in self.paths.items():
            other.coin(coin)
            newest = other.paths[coin].newest or 0
            for seen in [seen for seen in path.seen if seen.minute.at > newest]:
                other._judge(coin, seen.minute)
        for name, score in other.scores.items():
            mine = self.scores[name]
            score.pending += [msgspec.structs.replace(each, block=0) for each in mine.pending]
            score.fresh = mine.fresh
        self.scores = other.scores
        self.paths = {name: other.paths[name] for name in self.paths}

    def kept(self) -> Kept:
        """Everything to be taken up again."""
        return Kept(
            stepped_ms=self.stepped_ms,
            states=self.states,
            marks={rule.name: rule.mark for rule in self.rules},
            scores=self.scores,
            seen={name: list(path.seen) for name, path in self.paths.items()},
        )

    def is_known(self, rule: Rule) -> bool:
        """Whether what a rule names was known of any coin at the last step."""
        return any(not state.unknown for state in self.states[rule.name].values())

    def outcomes(self) -> list[tuple[str, Outcome]]:
        """What became of alerts since this was asked last, by rule."""
        found = [(name, outcome) for name, score in self.scores.items() for outcome in score.fresh]
        for score in self.scores.values():
            score.fresh = []
        return found

    def value(self, coin: str, measure: str) -> float | None:
        """A measure of a coin as it was at the last step; None = unknown."""
        found = self._values.get(coin, {}).get(measure)
        return found if isinstance(found, float) else None

    def score(self, rule: Rule) -> scoring.Score | None:
        """What a rule has been worth; None where it expects nothing."""
        return None if rule.expects is None else scoring.told(self.scores[rule.name], rule.expects)

    def _scored(self, rule: Rule, alert: Alert) -> Alert:
        """With the record of its rule; a new one is noted to be judged."""
        if rule.expects is None:
            return alert
        score = self.scores[rule.name]
        if alert.phase is Phase.RAISED:
            seen = self.paths[alert.coin].seen
            sigma = seen[-1].sigma if seen else None
            scoring.raised(score, rule.expects, alert.coin, alert.at_ms, alert.side, sigma)
        return msgspec.structs.replace(alert, record=scoring.record(score, rule.expects))

    def _minute(self, coin: str, at_ms: int) -> _Forming | None:
        """The minute something belongs to; None if it is closed."""
        at = at_ms // _MINUTE_MS
        newest = self.paths[coin].newest
        if newest is not None and at <= newest:
            return None
        forming = self._forming[coin]
        if at not in forming and len(forming) >= _FORMING:
            del forming[min(forming)]
        return forming.setdefault(at, _Forming())

    def _close(self, coin: str, now_ms: int) -> None:
        """Minutes that are over, in order."""
        forming = self._forming[coin]
        if not forming:
            return
        last = (now_ms - self.settle_ms) // _MINUTE_MS
        for at in sorted(each for each in forming if each < last):
            of = forming.pop(at)
            if of.close is not None:
                is_watched = self.coins[coin].is_watched(at * _MINUTE_MS)
                sides = (of.long_usd, of.short_usd) if is_watched else (None, None)
                self._judge(coin, Minute(at, of.high, of.low, of.close, *sides))

    def _judge(self, coin: str, minute: Minute) -> None:
        path = self.paths[coin]
        found = path.take(minute)
        for rule in self.rules:
            if rule.expects is not None and rule.watches(coin):
                scoring.passed(self.scores[rule.name], rule.expects, coin, path, found.get(rule.expects.horizon_min))

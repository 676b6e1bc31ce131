"""How the alerts of a store stand, as whoever watches them writes it down for everybody else to read.

The page, the API and the commands all read this from the log of alerts: they need not be the process that watches.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from perpscope.analytics.alerts.measures import MEASURES
from perpscope.analytics.alerts.rules import Rule, Stage, State
from perpscope.analytics.alerts.score import Score
from perpscope.analytics.alerts.watch import Watch

#: Its name in the log.
NAME: Final = "standing"
#: The most telling stage first: a rule's is that of its most excited coin.
_FIRST: Final = (Stage.RAISED, Stage.PENDING, Stage.COOLING, Stage.QUIET, Stage.WAITING)


class CoinStage(msgspec.Struct, frozen=True, kw_only=True):
    """A rule at one coin."""

    coin: str
    stage: str  #: raised, pending, cooling, quiet or waiting
    since_ms: int  #: market time
    value: float | None  #: the measure it leads with, now
    waiting_for: list[str]  #: measures that are not known


class RuleStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A rule over all coins."""

    rule: str
    mark: str
    stage: str
    coins: list[CoinStage]  #: the most excited first
    score: Score | None


class SinkLine(msgspec.Struct, frozen=True, kw_only=True):
    """A sink, since the watcher began."""

    name: str
    sent: int
    failed: int
    last_ms: int | None  #: real time of the last message
    why: str | None  #: the last failure, if the last message failed


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    pid: int
    wall_ms: int  #: real time
    market_ms: int | None
    data: str
    coins: list[str]
    rules: list[RuleStanding]
    sinks: list[SinkLine]
    is_quiet: bool  #: quiet hours
    note: str | None = None  #: what is amiss, e.g. that the past is still being read


def rule_standings(watch: Watch, coins: Collection[str]) -> list[RuleStanding]:
    """How each rule stands."""
    return [_standing(watch, rule, coins) for rule in watch.rules]


def waiting_words(needs: Collection[str]) -> str:
    """Why a rule waits, in a sentence.

    >>> waiting_words(["oi_usd"])
    'not known: oi_usd'
    """
    model = [name for name in needs if MEASURES[name].kind == "model"]
    observed = [name for name in needs if name not in model]
    parts = [f"not known: {', '.join(observed)}"] if observed else []
    parts += [f"no model says: {', '.join(model)}"] if model else []
    return "; ".join(parts)


def _standing(watch: Watch, rule: Rule, coins: Collection[str]) -> RuleStanding:
    states: Mapping[str, State] = watch.states[rule.name]
    lines = [
        CoinStage(
            coin=coin,
            stage=state.stage.value,
            since_ms=state.since_ms,
            value=watch.value(coin, rule.measure),
            waiting_for=list(state.unknown),
        )
        for coin, state in states.items()
        if coin in coins
    ]
    order = [stage.value for stage in _FIRST]
    lines.sort(key=lambda line: (order.index(line.stage), -line.since_ms, line.coin))
    stage = lines[0].stage if lines else Stage.WAITING.value
    return RuleStanding(rule=rule.name, mark=rule.mark, stage=stage, coins=lines, score=watch.score(rule))

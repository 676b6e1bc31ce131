"""The scoreboard of a store's past: every rule as if it had been watched, judged by what came after (B19).

In: a store, rules and a stretch of time. Out: `Board`, whose fields are those of `perpscope alerts score --json`.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.alerts.alert import Data, Phase
from perpscope.analytics.alerts.rules import Rule
from perpscope.analytics.alerts.score import Score
from perpscope.analytics.alerts.watch import Watch
from perpscope.app.alerts import past
from perpscope.app.alerts.loading import rules_of
from perpscope.app.status import market_now
from perpscope.errors import DataError
from perpscope.settings import Settings
from perpscope.stores.reader import SqliteReader

#: What is read before the stretch begins, so that measures of an hour are known at its start.
WARM_MS: Final = 65 * 60_000
_DAY_MS: Final = 86_400_000
_MS_NS: Final = 1_000_000
_HOUR_MIN: Final = 60


class RuleBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and its score over the stretch."""

    rule: str
    when: str
    score: Score | None  #: None = it expects nothing
    alerts: int  #: that would have been raised
    is_known: bool  #: False = what it names was never known: models are not kept in a store
    is_bad: bool  #: it would be muted


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """All rules over a stretch of a store's time."""

    data: str
    from_ms: int
    to_ms: int
    coins: list[str]
    rules: list[RuleBoard]
    notes: list[str]


def read_board(path: Path, settings: Settings, days: float, *, paused: Callable[[], None] | None = None) -> Board:
    """Every rule over the last days of a store, looked at once a minute.

    Args:
        path: the store.
        settings: rules and coins.
        days: market days, above 0.
        paused: called after each minute; None = as fast as it goes.

    Raises:
        ConfigError: a rule cannot be read.
        DataError: there is no such store, or nothing of a coin in it ("window-empty").
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        data: Data = reader.kind.value
        now_ms = market_now(reader.heart(), reader.kind) // _MS_NS
    wanted = {coin.upper() for coin in settings.alerts.coins}
    coins = sorted(coin for coin in past.coins_of(path) if not wanted or coin in wanted)
    if not coins:
        raise DataError("window-empty", "no perpetual of the coins asked about is stored", hint="perpscope collect")
    rules = rules_of(settings)
    since = now_ms - round(days * _DAY_MS)
    watch = Watch(rules, data=data, settle_ms=0)
    raised: dict[str, int] = dict.fromkeys((rule.name for rule in rules), 0)
    known: set[str] = set()
    lived = past.feed(watch, path, since - WARM_MS, now_ms, looks_from_ms=since, coins=coins)
    for minute, alerts in enumerate(lived):
        for alert in alerts:
            raised[alert.rule] += alert.phase is Phase.RAISED
        if minute % _HOUR_MIN == 0 or alerts:
            known |= {rule.name for rule in rules if watch.is_known(rule)}
        if paused is not None:
            paused()
    return Board(
        data=data,
        from_ms=since,
        to_ms=now_ms,
        coins=coins,
        rules=[_line(watch, rule, raised[rule.name], is_known=rule.name in known) for rule in rules],
        notes=_notes([rule.name for rule in rules if rule.name not in known]),
    )


class Pace:
    """Keeps a thread to a share of a processor.

    Args:
        share: in (0, 1].
        sleep: real seconds.
    """

    def __init__(self, share: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._share = share
        self._sleep = sleep
        self._used = time.thread_time()

    def __call__(self) -> None:
        """Sleep for what was worked since the last time; nothing below 5 ms."""
        worked = time.thread_time() - self._used
        if worked >= 0.005:
            self._sleep(worked * (1.0 / self._share - 1.0))
            self._used = time.thread_time()


def _line(watch: Watch, rule: Rule, alerts: int, *, is_known: bool) -> RuleBoard:
    score = watch.score(rule)
    is_bad = score is not None and score.verdict == "worse" and rule.settings.mute_bad
    return RuleBoard(
        rule=rule.name, when=rule.settings.when, score=score, alerts=alerts, is_known=is_known, is_bad=is_bad
    )


def _notes(unknown: Sequence[str]) -> list[str]:
    notes = ["looked at once a minute; a live face looks each second, so that its alerts come up to a minute sooner"]
    if unknown:
        notes.append(f"never known in this stretch: what {', '.join(unknown)} name; models are scored live only")
    return notes

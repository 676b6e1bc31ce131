"""The alerts of a store as people and programs read them: rules and how they stand, what was raised, who was told.

In: the configuration and the log beside the store. Out: `Answer`, whose parts are those of `perpscope alerts … --json`
and of `/api/v1/alerts`. Whoever watches may be another process, or nobody.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.rules import Rule
from perpscope.analytics.alerts.score import Score
from perpscope.app.alerts import standing
from perpscope.app.alerts.loading import rules_of
from perpscope.app.alerts.standing import CoinStage, RuleStanding, SinkLine, Standing, waiting_words
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Settings
from perpscope.stores.alert_log import AlertLog, LoggedAlert, LoggedDelivery, Mute, path_of

#: A watcher that has written nothing for so many real seconds is taken for gone.
_GONE_S: Final = 20.0


class MuteTold(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule is not heard."""

    by: Literal["user", "score"]
    until_ms: int | None  #: real time; null = until its score is better, or a user wants it heard
    why: str


class RuleTold(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, how it stands, and what it has been worth."""

    name: str
    title: str
    when: str
    clear_when: str
    coins: list[str]  #: that it is about; empty = all
    severity: str
    lasts_s: float
    cool_down_s: float
    expects: str
    is_shipped: bool  #: it came with perpscope
    stage: str  #: raised, pending, cooling, quiet, waiting, or unwatched: nobody watches now
    waiting_for: str | None  #: in a sentence
    at: list[CoinStage]  #: coin by coin, the most excited first
    muted: MuteTold | None
    score: Score | None  #: null = it expects nothing, or nobody has watched it


class AlertTold(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in its newest phase, and what became of it."""

    alert: Alert
    held_back: str | None  #: why nobody was told
    hit: bool | None  #: whether what it was to precede came; null = not known yet, or nobody saw
    is_judged: bool
    lead_s: float | None


class Watcher(msgspec.Struct, frozen=True, kw_only=True):
    """The process that watches."""

    is_running: bool
    pid: int
    wall_ms: int  #: when it wrote this, real time
    market_ms: int | None
    data: str
    coins: list[str]
    is_quiet: bool
    sinks: list[SinkLine]
    note: str | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a store's alerts."""

    is_enabled: bool
    watcher: Watcher | None  #: null = nobody has watched yet
    rules: list[RuleTold]
    alerts: list[AlertTold]  #: newest first
    deliveries: list[LoggedDelivery]  #: newest first
    notes: list[str]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which of them."""

    rule: str | None = None
    coin: str | None = None
    limit: int = 50


def read_alerts(path: Path, settings: Settings, asked: Asked | None = None) -> Answer:
    """How the alerts of a store stand.

    Args:
        path: the store; its log may not be there yet.
        settings: the whole tree.
        asked: which alerts and deliveries.

    Raises:
        ConfigError: a rule cannot be read.
        StoreError: the log cannot ("alert-log").
    """
    asked = asked or Asked()
    rules = rules_of(settings)
    if not path_of(path).is_file():
        told = [_rule(rule, None, None, is_running=False) for rule in rules]
        note = "no face has watched these rules yet: one that runs beside a collector does"
        return Answer(
            is_enabled=settings.alerts.enabled, watcher=None, rules=told, alerts=[], deliveries=[], notes=[note]
        )
    with AlertLog.open(path) as log:
        body = log.get(standing.NAME)
        found = None if body is None else _decoded(body)
        mutes = muted(log.mutes(), wall_ns() // 1_000_000)
        alerts = [_alert(row) for row in log.alerts(asked.limit, asked.rule, asked.coin)]
        deliveries = log.deliveries(asked.limit)
    watcher = None if found is None else _watcher(found)
    is_running = watcher is not None and watcher.is_running
    by_name = {line.rule: line for line in ([] if found is None else found.rules)}
    told = [
        _rule(rule, by_name.get(rule.name), mutes.get(rule.name) or mutes.get("*"), is_running=is_running)
        for rule in rules
    ]
    return Answer(
        is_enabled=settings.alerts.enabled,
        watcher=watcher,
        rules=told,
        alerts=[each for each in alerts if each is not None],
        deliveries=deliveries,
        notes=_notes(settings, watcher),
    )


def muted(mutes: Sequence[Mute], now_ms: int) -> Mapping[str, MuteTold]:
    """By rule ("*" = all), why it is not heard at a moment of real time."""
    found: dict[str, MuteTold] = {}
    heard = {mute.rule for mute in mutes if mute.kind == "heard"}
    for mute in mutes:
        if mute.kind == "score" and mute.rule not in heard:
            found.setdefault(mute.rule, MuteTold(by="score", until_ms=None, why="its alerts were worse than chance"))
        if mute.kind == "user" and (mute.until_ms is None or mute.until_ms > now_ms):
            found[mute.rule] = MuteTold(by="user", until_ms=mute.until_ms, why="muted by hand")
    return found


def _decoded(body: bytes) -> Standing | None:
    try:
        return msgspec.json.decode(body, type=Standing)
    except msgspec.MsgspecError:  # of another version of perpscope
        return None


def _watcher(found: Standing) -> Watcher:
    return Watcher(
        is_running=wall_ns() // 1_000_000 - found.wall_ms < _GONE_S * 1e3,
        pid=found.pid,
        wall_ms=found.wall_ms,
        market_ms=found.market_ms,
        data=found.data,
        coins=found.coins,
        is_quiet=found.is_quiet,
        sinks=found.sinks,
        note=found.note,
    )


def _rule(rule: Rule, line: RuleStanding | None, mute: MuteTold | None, *, is_running: bool) -> RuleTold:
    of = rule.settings
    same = line if line is not None and line.mark == rule.mark else None
    needs = list(dict.fromkeys(name for at in (same.coins if same else []) for name in at.waiting_for))
    stage = same.stage if same is not None and is_running else "unwatched"
    return RuleTold(
        name=rule.name,
        title=of.title,
        when=of.when,
        clear_when=of.clear_when,
        coins=list(of.coins),
        severity=of.severity.value,
        lasts_s=of.lasts_s,
        cool_down_s=of.cool_down_s,
        expects=of.expects,
        is_shipped=rule.is_shipped,
        stage=stage,
        waiting_for=waiting_words(needs) if stage == "waiting" and needs else None,
        at=same.coins if same else [],
        muted=mute,
        score=same.score if same else None,
    )


def _alert(row: LoggedAlert) -> AlertTold | None:
    try:
        alert = msgspec.json.decode(row.body, type=Alert)
    except msgspec.MsgspecError:  # of another version of perpscope
        return None
    return AlertTold(alert=alert, held_back=row.held_back, hit=row.hit, is_judged=row.is_judged, lead_s=row.lead_s)


def _notes(settings: Settings, watcher: Watcher | None) -> list[str]:
    notes = ["a hit rate says what followed an alert, beside what follows any minute; it is no forecast"]
    if not settings.alerts.enabled:
        own = "; own orders are told of all the same: alerts.trades" if settings.alerts.trades else ""
        notes.append(f"alerts are off: alerts.enabled{own}")
    elif watcher is None or not watcher.is_running:
        notes.append("nobody watches now: a face that runs beside a collector does")
    elif watcher.note is not None:
        notes.append(watcher.note)
    return notes

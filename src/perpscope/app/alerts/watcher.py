"""The watcher: what the heart tells goes into the measures, the rules are looked at, what is due is decided upon.

In: messages of the heart and looks, one a real second. Out: what to write and whom to tell. Everything runs on the
face's event loop and takes microseconds; files and networks are the service's.
"""

from collections.abc import Collection, Mapping
from datetime import tzinfo
from typing import Final, Literal

import msgspec

from perpscope.analytics.alerts.alert import Alert, Phase, Severity
from perpscope.analytics.alerts.measures import Model
from perpscope.analytics.alerts.saying import Muted, Saying, Unmuted
from perpscope.analytics.alerts.score import record, verdict
from perpscope.analytics.alerts.watch import Watch
from perpscope.app.alerts import hours
from perpscope.app.alerts.answer import MuteTold
from perpscope.app.alerts.feeding import Feeding
from perpscope.app.face import Heart, Live
from perpscope.app.status import Status
from perpscope.model.bulletin import MarketLine, Topic
from perpscope.model.market import Liquidation
from perpscope.model.stream import Channel
from perpscope.settings import Alerts
from perpscope.stores.status import FeedState

#: Market time that goes back by more is another market.
_ANOTHER_MS: Final = 300_000
_HEARD: Final = frozenset({FeedState.LIVE, FeedState.REPLAY})
#: Alerts that went out and are remembered.
_REMEMBERED: Final = 5_000


class Due(msgspec.Struct, kw_only=True):
    """What a look found."""

    alerts: list[tuple[Alert, str | None]] = []  #: with why they are held back; None = they go out
    sayings: list[Saying] = []
    score_mutes: list[str] = []  #: rules to be muted by their score
    score_unmutes: list[str] = []


class Watcher:
    """Watches for one face.

    Args:
        settings: `[alerts]`.
        watch: rules over coins, with their past.
        live: what the heart tells.
        told: ids of alerts that went out before.
    """

    def __init__(self, settings: Alerts, watch: Watch, live: Live, told: Collection[str] = ()) -> None:
        self._settings = settings
        self._zone: tzinfo = hours.zone_of(settings.zone)
        self.watch = watch
        self.feeding = Feeding(watch, settings.coins)
        self._live = live
        self._told = dict.fromkeys(told)
        self._missed = live.missed
        self.market_ms: int | None = None
        self.is_quiet = False

    def follow(self, topic: Topic, _: str | None, payload: object, __: bytes) -> None:
        """A message of the heart."""
        if topic is Topic.MARKET and isinstance(payload, MarketLine):
            self.feeding.take_line(payload)
        elif topic is Topic.EVENTS and isinstance(payload, list):
            for event in payload:
                if isinstance(event, Liquidation):
                    self.feeding.take_liquidation(event)

    def take_model(self, coin: str, model: Model) -> None:
        """What the models say of a coin."""
        self.watch.take_model(coin, model)

    def look(self, wall_ms: int, mutes: Mapping[str, MuteTold], by_score: Collection[str]) -> Due:
        """Look at every rule.

        Args:
            wall_ms: real time.
            mutes: rules that are not heard now, "*" for all.
            by_score: rules that were muted by their score, heard all the same or not.
        """
        due = Due()
        status = self._live.told_status
        if status is None or status.heart is None or self._live.heart is not Heart.LIVE:
            self._hear(is_heard=False)
            return due
        now_ms = status.heart.market_ms
        if now_ms < self.watch.stepped_ms - _ANOTHER_MS:
            self.watch.begin_anew()
        self.market_ms = now_ms
        self.is_quiet = hours.is_quiet(self._settings.quiet_hours, self._zone, wall_ms)
        self._hear(is_heard=_hears(status) and self._live.missed == self._missed)
        self._missed = self._live.missed
        for alert in self.watch.step(now_ms, is_quiet=self.is_quiet):
            due.alerts.append((alert, self._held_back(alert, mutes)))
        self._judge(due, wall_ms, by_score)
        return due

    def _hear(self, *, is_heard: bool) -> None:
        """Liquidations that were not heard for a while: their sums are unknown until they were heard long enough."""
        for coin in self.watch.coins.values():
            if coin.is_hearing != is_heard:
                coin.watched(self.market_ms if is_heard else None)

    def _held_back(self, alert: Alert, mutes: Mapping[str, MuteTold]) -> str | None:
        """Why nobody is told; what was not told when it was raised is not told later."""
        if alert.phase is not Phase.RAISED:
            return None if alert.id in self._told else "not told when it was raised"
        mute = mutes.get(alert.rule) or mutes.get("*")
        if mute is not None:
            return mute.why
        if self.is_quiet and self._settings.quiet == "digest" and alert.severity is not Severity.CRITICAL:
            return "quiet hours"
        self._told[alert.id] = None
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return None

    def _judge(self, due: Due, wall_ms: int, by_score: Collection[str]) -> None:
        """Rules whose score has turned."""
        for rule in self.watch.rules:
            if rule.expects is None:
                continue
            is_wanted = rule.settings.mute_bad and self._settings.mute_bad
            is_bad = is_wanted and verdict(self.watch.scores[rule.name]) == "worse"
            if is_bad != (rule.name in by_score):
                found = record(self.watch.scores[rule.name], rule.expects)
                told = Muted(rule=rule.name, record=found) if is_bad else Unmuted(rule=rule.name, record=found)
                (due.score_mutes if is_bad else due.score_unmutes).append(rule.name)
                due.sayings.append(self._said(told, wall_ms))

    def _said(self, told: Muted | Unmuted, wall_ms: int) -> Saying:
        kind: Literal["muted", "unmuted"] = "muted" if isinstance(told, Muted) else "unmuted"
        identity = f"{kind}:{told.rule}:{wall_ms}"
        return Saying(id=identity, at_ms=wall_ms, told=told, data=self.watch.data, is_silent=True, kind=kind)


def _hears(status: Status) -> bool:
    """Whether any venue's liquidations are heard."""
    return any(feed.channel is Channel.LIQUIDATIONS and feed.state in _HEARD for feed in status.feeds)

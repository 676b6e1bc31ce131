"""One life of the watch over a store's alerts: begun with the past, looked at each second, written down as it goes.

In: the heart's messages, mutes that anybody may set, and what an earlier life left. Out: what is to be written down and
told, to the `Post`; an alert is in the log before it goes out, so that no restart tells it twice.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from perpscope.analytics.alerts.rules import APART_MS, Rule
from perpscope.analytics.alerts.saying import Saying
from perpscope.analytics.alerts.score import record
from perpscope.analytics.alerts.watch import Kept, Watch
from perpscope.app.alerts import hours, past
from perpscope.app.alerts.answer import MuteTold, muted
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.digesting import digest
from perpscope.app.alerts.outbox import Message
from perpscope.app.alerts.post import Post
from perpscope.app.alerts.replaying import WARM_MS
from perpscope.app.alerts.silence import Silences
from perpscope.app.alerts.standing import Standing, rule_standings
from perpscope.app.alerts.watcher import Due, Watcher
from perpscope.app.face import Live
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Settings

#: Real seconds between two looks, two writings of how it stands, of everything, and two thoughts of the digest.
LOOK_S: Final = 1.0
_STAND_EVERY, _KEEP_EVERY, _DIGEST_S = 3, 30, 30.0
#: Messages of the heart that wait while the past is read.
_BUFFERED: Final = 50_000
_DAY_MS: Final = 86_400_000
#: What a store is behind its market at most, real seconds (chosen by hand).
_BEHIND_S: Final = 10.0
_log = structlog.get_logger()


class Life:
    """One life; see `AlertService`.

    Args:
        settings: the whole tree.
        store: its database.
        live: what the heart tells; it is live.
        rules: to be watched.
        post: writes down and sends.
    """

    def __init__(self, settings: Settings, store: Path, live: Live, rules: Sequence[Rule], post: Post) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._rules = list(rules)
        self._post = post
        self._ledger = post.ledger
        self._mutes: dict[str, MuteTold] = {}
        self._by_score: set[str] = set()
        self._digest = ""
        self._unfollow: Callable[[], None] = lambda: None
        self.note: str | None = None
        self.is_fresh = False  #: no earlier life left any score
        self.began_ms = 0  #: market time
        self.watcher: Watcher
        self.silences: Silences

    @property
    def rate(self) -> float:
        """Market seconds per real second, as the heart told it last."""
        status = self._live.told_status
        return 1.0 if status is None or status.heart is None else max(1.0, status.heart.rate)

    async def begin(self, reading: Beside) -> None:
        """Take up what an earlier life left, fill the measures from the store, and follow the heart.

        Raises:
            PerpscopeError: the store or the log cannot be read.
        """
        self._reading = reading
        waiting: deque[tuple[Any, ...]] = deque(maxlen=_BUFFERED)
        self._unfollow = self._live.follow(lambda *message: waiting.append(message))
        try:
            left = await self._post.written(self._ledger.remembered)
            await self._read_mutes()
            watch = await reading.run(self._seeded, left.kept)
        except BaseException:
            self._unfollow()
            raise
        self.is_fresh = not left.kept.scores
        self.watcher = Watcher(self._settings.alerts, watch, self._live, left.told)
        self.silences = Silences(self._settings.alerts.dead_after_s, left.silences)
        self._digest = left.digest or self._due_day() or "none"
        self._unfollow()
        for message in waiting:
            self.watcher.follow(*message)
        self._unfollow = self._live.follow(self.watcher.follow)

    def close(self) -> None:
        """Follow nobody any more, and have everything written down."""
        self._unfollow()
        self._do(self._keeping())

    async def looks(self) -> None:
        """Look at the rules, at the feeds and at the mutes each real second."""
        turn = 0
        while True:
            if turn % 2 == 0:
                await self._read_mutes()
            wall_ms = wall_ns() // 1_000_000
            self._tell(self.watcher.look(wall_ms, self._mutes, self._by_score))
            status = self._live.told_status
            feeds = [] if status is None else status.feeds
            for saying in self.silences.look(wall_ms, self._live.heart, feeds, self.watcher.watch.data):
                self._say(saying)
            if turn % _STAND_EVERY == 0:
                self._stand(wall_ms)
            if turn % _KEEP_EVERY == 0:
                self._do(self._keeping())
            turn += 1
            await asyncio.sleep(LOOK_S)

    async def digests(self) -> None:
        """Tell the digest of a day when it is due."""
        while True:
            day = self._due_day()
            if day is not None and day != self._digest and self.watcher.market_ms is not None:
                self._digest = day
                try:
                    self._say(await self._digested(self._reading, day, self.watcher.market_ms))
                except PerpscopeError as error:
                    _log.warning("no digest", code=error.code, why=error.message)
                self._do(self._keeping())
            await asyncio.sleep(_DIGEST_S)

    def _seeded(self, kept: Kept) -> Watch:
        """In a thread: rules over coins, with the measures of the last hour."""
        status = self._live.told_status
        assert status is not None and status.heart is not None  # noqa: S101, PT018 -- the heart is live
        self.began_ms = now_ms = status.heart.market_ms
        if kept.stepped_ms > now_ms + _DAY_MS:  # of another market
            kept = Kept(scores=kept.scores, marks=kept.marks)
        settle_ms = round(max(5.0, 3.0 * status.heart.rate) * 1e3)
        watch = Watch(self._rules, data=status.data.value, settle_ms=settle_ms, kept=kept)
        watch.apart_ms = round(APART_MS * max(1.0, status.heart.rate))
        hole_ms = round(_BEHIND_S * 1e3 * max(1.0, status.heart.rate))
        coins = [coin.upper() for coin in self._settings.alerts.coins]
        lived = past.feed(
            watch, self._store, now_ms - WARM_MS, now_ms, looks_from_ms=2**62, coins=coins, hole_ms=hole_ms
        )
        for _ in lived:
            pass
        return watch

    def _tell(self, due: Due) -> None:
        """Into the log, and then out."""
        watch = self.watcher.watch
        if due.alerts:
            kept = msgspec.msgpack.encode(watch.kept())
            going = [alert for alert, held_back in due.alerts if held_back is None]
            self._do(partial(self._ledger.alerts, due.alerts, kept), going)
        if outcomes := watch.outcomes():
            self._do(partial(self._ledger.judged, outcomes))
        for rule in due.score_mutes:
            self._by_score.add(rule)
            self._do(partial(self._ledger.mute, rule, "score", None))
        for rule in due.score_unmutes:
            self._by_score.discard(rule)
            self._do(partial(self._ledger.unmute, rule, "score"))
        for saying in due.sayings:
            self._say(saying)

    def _say(self, saying: Saying) -> None:
        """Out, with what is silent written down first."""
        self._do(self._keeping(), [saying])

    def _do(self, work: Callable[[], None], then: Sequence[Message] = ()) -> None:
        self._post.do(work, then)

    def _keeping(self) -> Callable[[], None]:
        """Writes down everything a restart takes up, as it is now."""
        kept = msgspec.msgpack.encode(self.watcher.watch.kept())
        return partial(self._ledger.keep, kept, msgspec.msgpack.encode(self.silences.found), self._digest)

    def _stand(self, wall_ms: int) -> None:
        watcher = self.watcher
        coins = sorted(watcher.watch.coins)
        found = Standing(
            pid=os.getpid(),
            wall_ms=wall_ms,
            market_ms=watcher.market_ms,
            data=watcher.watch.data,
            coins=coins,
            rules=rule_standings(watcher.watch, coins),
            sinks=[outbox.line() for outbox in self._post.outboxes],
            is_quiet=watcher.is_quiet,
            note=self.note,
        )
        self._do(partial(self._ledger.stands, found))

    async def _read_mutes(self) -> None:
        try:
            found = await self._post.written(self._ledger.mutes)
        except PerpscopeError as error:
            _log.warning("mutes cannot be read", code=error.code, why=error.message)
            return
        self._mutes = dict(muted(found, wall_ns() // 1_000_000))
        self._by_score = {mute.rule for mute in found if mute.kind == "score"}

    def _due_day(self) -> str | None:
        alerts = self._settings.alerts
        return hours.digest_day(alerts.digest_at, hours.zone_of(alerts.zone), wall_ns() // 1_000_000)

    async def _digested(self, reading: Beside, day: str, market_ms: int) -> Saying:
        watch, status = self.watcher.watch, self._live.told_status
        records = {
            rule.name: record(watch.scores[rule.name], rule.expects) for rule in watch.rules if rule.expects is not None
        }
        counts = await self._post.written(partial(self._ledger.counts, market_ms - _DAY_MS))
        await self._post.written(partial(self._ledger.drop, self._settings.alerts.keep_days, market_ms))
        told = await reading.run(
            digest,
            self._store,
            day,
            market_ms,
            sorted(watch.coins),
            counts=counts,
            records=records,
            feeds=[] if status is None else status.feeds,
            outages=self.silences.told,
        )
        self.silences.told = 0
        wall_ms = wall_ns() // 1_000_000
        return Saying(id=f"digest:{day}", at_ms=wall_ms, told=told, data=watch.data, is_silent=True, kind="digest")

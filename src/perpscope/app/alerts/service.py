"""Telling people, beside the requests of a face: what becomes of own orders, and a market's alerts.

Of several faces on one store one alone tells, the one that holds the lock; the others read what it writes into the
log. What is due goes into the log and then to the sinks. Own orders are told of with or without a heart, and whether or
not alerts are watched. Nothing here can end the face, and neither heart nor trader ever notices.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import structlog

from perpscope.analytics.alerts.rules import Rule
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.controls import LogControls
from perpscope.app.alerts.ledger import Ledger
from perpscope.app.alerts.life import LOOK_S, Life
from perpscope.app.alerts.loading import rules_of
from perpscope.app.alerts.post import Post
from perpscope.app.alerts.rounds import Rounds
from perpscope.app.alerts.sink import SinkMaker
from perpscope.app.alerts.trade_rounds import TradeRounds
from perpscope.app.face import Heart, Live
from perpscope.errors import PerpscopeError
from perpscope.model.run import RunKind
from perpscope.settings import Settings
from perpscope.stores.alert_log import AlertLock
from perpscope.stores.journal import place

#: Real seconds until a lock that another face holds is looked at again, and until what failed is begun again.
_LOCK_S: Final = 5.0
_AGAIN_S: Final = 10.0
_log = structlog.get_logger()


class AlertService:
    """Alerts of one store, for one face.

    Args:
        settings: the whole tree.
        store: its database.
        live: what the heart tells.
        sinks: makes what tells people; None = nothing does, the log and the page still do.

    Raises:
        ConfigError: a rule cannot be read.
    """

    def __init__(self, settings: Settings, store: Path, live: Live, sinks: SinkMaker | None = None) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._rules: list[Rule] = rules_of(settings)
        self._maker = sinks
        self._lock = AlertLock(store)
        self._journals = [place(store, kind) for kind in (RunKind.PAPER, RunKind.LIVE)]

    async def run(self) -> None:
        """Tell until cancelled; whatever goes wrong, it begins anew."""
        if not (self._settings.alerts.enabled or self._settings.alerts.trades):
            return
        while True:
            try:
                while not (self._has_work and self._lock.take()):
                    await asyncio.sleep(_LOCK_S if self._has_work else LOOK_S)
                await self._told()
            except PerpscopeError as error:
                _log.warning("nobody is told of anything", code=error.code, why=error.message)
            except Exception:  # the face goes on
                _log.exception("telling people failed; it is begun again")
            finally:
                self._lock.release()
            await asyncio.sleep(_AGAIN_S)

    @property
    def _has_work(self) -> bool:
        """Whether there is anything to tell of: a heart at work, or somebody who trades, or did."""
        return self._is_fed or (self._settings.alerts.trades and any(path.exists() for path in self._journals))

    @property
    def _is_fed(self) -> bool:
        return self._settings.alerts.enabled and self._live.heart is Heart.LIVE and self._store.is_file()

    async def _told(self) -> None:
        """One life of the sinks: own orders and the market's alerts, neither waiting for the other."""
        async with contextlib.AsyncExitStack() as stack:
            writing, journals = Beside("alerts-log"), Beside("alerts-trades")
            stack.callback(writing.close)
            stack.callback(journals.close, 0.2)
            ledger = await writing.run(Ledger, self._store)
            stack.callback(ledger.close)
            post = Post(ledger, writing)
            stack.push_async_callback(post.aclose)
            left = await writing.run(ledger.remembered)
            if self._maker is not None:
                controls = LogControls(self._store, self._rules)
                sinks = self._maker(self._settings, self._store, self._live, controls)
                post.open(sinks, left.deliveries, left.critical if self._settings.alerts.enabled else ())
            async with asyncio.TaskGroup() as group:
                for work in post.works():
                    group.create_task(work)
                if self._settings.alerts.trades:
                    group.create_task(TradeRounds(self._store, post, journals).looks())
                if self._settings.alerts.enabled:
                    group.create_task(self._markets(post))

    async def _markets(self, post: Post) -> None:
        """Watch the market's alerts whenever a heart is at work; what goes wrong there is begun again."""
        while True:
            while not self._is_fed:
                await asyncio.sleep(LOOK_S)
            try:
                await self._watched(post)
            except PerpscopeError as error:
                _log.warning("alerts are not watched", code=error.code, why=error.message)
            except Exception:  # own orders are told all the same
                _log.exception("the watch over alerts failed; it is begun again")
            await asyncio.sleep(_AGAIN_S)

    async def _watched(self, post: Post) -> None:
        """One life: the past, then what the heart tells."""
        reading = Beside("alerts-read")
        life = Life(self._settings, self._store, self._live, self._rules, post)
        with contextlib.ExitStack() as stack:
            stack.callback(reading.close, 0.2)
            await life.begin(reading)
            stack.callback(life.close)
            rounds = Rounds(self._store, self._settings, life, reading)
            async with asyncio.TaskGroup() as group:
                for work in (life.looks, life.digests, rounds.models, rounds.scores):
                    group.create_task(work())

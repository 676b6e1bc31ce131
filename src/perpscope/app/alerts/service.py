"""The watch over a store's alerts beside the requests of a face: the past first, then what the heart tells.

Of several faces on one store one alone watches, the one that holds the lock; the others read what it writes into the
log. What is due goes into the log and then to the sinks. Nothing here can end the face, and the heart never notices.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import structlog

from perpscope.analytics.alerts.rules import Rule
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.ledger import Ledger
from perpscope.app.alerts.life import LOOK_S, Life
from perpscope.app.alerts.loading import rules_of
from perpscope.app.alerts.rounds import Rounds
from perpscope.app.alerts.sink import SinkMaker
from perpscope.app.alerts.trade_rounds import TradeRounds
from perpscope.app.face import Heart, Live
from perpscope.errors import PerpscopeError
from perpscope.settings import Settings
from perpscope.stores.alert_log import AlertLock

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

    async def run(self) -> None:
        """Watch until cancelled; whatever goes wrong, it begins anew."""
        if not self._settings.alerts.enabled:
            return
        while True:
            try:
                while not (self._live.heart is Heart.LIVE and self._store.is_file() and self._lock.take()):
                    await asyncio.sleep(LOOK_S if self._live.heart is not Heart.LIVE else _LOCK_S)
                await self._watched()
            except PerpscopeError as error:
                _log.warning("alerts are not watched", code=error.code, why=error.message)
            except Exception:  # the face goes on
                _log.exception("the watch over alerts failed; it is begun again")
            finally:
                self._lock.release()
            await asyncio.sleep(_AGAIN_S)

    async def _watched(self) -> None:
        """One life: the past, then what the heart tells."""
        async with contextlib.AsyncExitStack() as stack:
            writing, reading = Beside("alerts-log"), Beside("alerts-read")
            stack.callback(writing.close)
            stack.callback(reading.close, 0.2)
            ledger = await writing.run(Ledger, self._store)
            stack.callback(ledger.close)
            life = Life(self._settings, self._store, self._live, self._rules, ledger, writing)
            await life.begin(reading, self._maker)
            stack.push_async_callback(life.aclose)
            rounds = Rounds(self._store, self._settings, life, reading)
            journals = Beside("alerts-trades")
            stack.callback(journals.close, 0.2)
            traded = TradeRounds(self._store, life, ledger, journals)
            async with asyncio.TaskGroup() as group:
                for work in (life.looks, life.writes, life.digests, rounds.models, rounds.scores, traded.looks):
                    group.create_task(work())
                for outbox in life.outboxes:
                    group.create_task(outbox.run())
                    group.create_task(outbox.serve())

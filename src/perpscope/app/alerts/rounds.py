"""The slow work beside a watch, in small shares of a processor: models, and the scores of a past nobody watched.

In: a life of the watch. Out: models in its measures; once, scores as if the rules had been watched for the last week.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.measures import Model
from perpscope.analytics.alerts.watch import Watch
from perpscope.app.alerts import past
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.life import Life
from perpscope.app.alerts.models import Models
from perpscope.app.alerts.replaying import WARM_MS
from perpscope.errors import PerpscopeError
from perpscope.settings import Settings

#: Share of a processor that models may take, and the past (chosen by hand).
_MODELS_SHARE, _PAST_SHARE = 0.04, 0.2
#: Real seconds between two models at least; what a turn of the past takes; until the first of each.
_APART_S, _TURN_S = 2.0, 0.1
_FIRST_MODEL_S, _FIRST_PAST_S = 3.0, 20.0
#: Market time a model is good for at least; else three rounds of all coins.
_GOOD_MS: Final = 900_000
_WEEK_MS: Final = 7 * 86_400_000
_log = structlog.get_logger()


class Rounds:
    """Slow work for one life.

    Args:
        store: the database.
        settings: the whole tree.
        life: gets what is found.
        reading: the thread that reads.
    """

    def __init__(self, store: Path, settings: Settings, life: Life, reading: Beside) -> None:
        self._store = store
        self._settings = settings
        self._life = life
        self._reading = reading

    async def models(self) -> None:
        """Read what the models say, one coin after another, until cancelled."""
        watch = self._life.watcher.watch
        models = Models(self._store, {name for rule in watch.rules for name in rule.needs})
        if not models.is_needed:
            return
        await asyncio.sleep(_FIRST_MODEL_S)
        round_s = 0.0
        while True:
            began = time.monotonic()
            for coin in sorted(watch.coins):
                now_ms = self._life.watcher.market_ms
                worked_s = 0.0
                if now_ms is not None:
                    good_ms = max(_GOOD_MS, round(3e3 * round_s * self._life.rate))
                    model, worked_s = await self._reading.run(_timed, models, coin, now_ms, good_ms)
                    watch.take_model(coin, model)
                await asyncio.sleep(max(_APART_S, worked_s * (1.0 / _MODELS_SHARE - 1.0)))
            round_s = time.monotonic() - began
            if not watch.coins:
                await asyncio.sleep(_APART_S)

    async def scores(self) -> None:
        """Score the last week of the store, where no earlier life left scores; then take them over, once."""
        life = self._life
        if not life.is_fresh:
            return
        await asyncio.sleep(_FIRST_PAST_S)
        life.note = "the last week is being read for the scores"
        live, began = life.watcher.watch, life.began_ms
        shadow = Watch(live.rules, data=live.data, settle_ms=0)
        try:
            await self._lived(shadow, began - _WEEK_MS, began, looks_from_ms=began - _WEEK_MS + WARM_MS)
            await self._lived(shadow, began, live.stepped_ms, looks_from_ms=2**62)
            live.take_scores(shadow)
        except PerpscopeError as error:
            _log.warning("the past was not scored", code=error.code, why=error.message)
        life.note = None

    async def _lived(self, shadow: Watch, since_ms: int, until_ms: int, *, looks_from_ms: int) -> None:
        """Let a watch live through a past, a tenth of a second at a time."""
        coins = [coin.upper() for coin in self._settings.alerts.coins]
        lived = past.feed(shadow, self._store, since_ms, until_ms, looks_from_ms=looks_from_ms, coins=coins)
        is_over = False
        while not is_over:
            is_over, worked_s = await self._reading.run(_turn, lived)
            await asyncio.sleep(worked_s * (1.0 / _PAST_SHARE - 1.0))


def _turn(lived: Iterator[list[Alert]]) -> tuple[bool, float]:
    """Some minutes of a past; whether it is over, and the seconds of work."""
    began = time.thread_time()
    while (worked_s := time.thread_time() - began) < _TURN_S:
        if next(lived, None) is None:
            return True, worked_s
    return False, worked_s


def _timed(models: Models, coin: str, now_ms: int, good_for_ms: int) -> tuple[Model, float]:
    """What the models say, and the seconds of work."""
    began = time.thread_time()
    return models.read(coin, now_ms, good_for_ms), time.thread_time() - began

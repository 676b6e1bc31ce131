"""The store's part of the heart's own status, read beside the event loop: counts and coverage, a while old.

A reading is begun at a Tick and done in a thread; the next waits fifty times as long as this one took of a core, so
that however large the store is, a fiftieth of one core is all it costs.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from perpscope.app.status import Status, read_status
from perpscope.errors import PerpscopeError
from perpscope.settings import Settings

_EVERY_S: Final = 2.0  # real seconds, at least (by hand)
_REST_FACTOR: Final = 50.0  # by hand
_log = structlog.get_logger()


class StatusReading:
    """Reads the status of a store again and again.

    Args:
        store: path of it.
        settings: by which way its venues are asked.
        monotonic: real seconds from any origin.
    """

    def __init__(self, store: Path, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._settings = settings
        self._monotonic = monotonic
        self._pool: ThreadPoolExecutor | None = None
        self._doing: Future[tuple[Status, float]] | None = None
        self._due = 0.0
        self._has_failed = False
        self.latest: Status | None = None  #: None before the first

    def look(self) -> None:
        """Take what has been read, begin the next when it is time. Never waits."""
        now = self._monotonic()
        if self._doing is not None:
            if not self._doing.done():
                return
            self._take(self._doing, now)
            self._doing = None
        if now >= self._due:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="status")
            self._doing = self._pool.submit(_read, self._store, self._settings)

    def close(self) -> None:
        """Begin no other; whoever reads finishes unheard."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, done: "Future[tuple[Status, float]]", now: float) -> None:
        """Keep what was read; a store that cannot be read leaves what is known, and is tried again."""
        try:
            self.latest, took_s = done.result()
            self._has_failed = False
        except (PerpscopeError, OSError) as error:
            took_s = 0.0
            if not self._has_failed:
                self._has_failed = True
                _log.warning("the store's status cannot be read", why=str(error))
        self._due = now + max(_EVERY_S, _REST_FACTOR * took_s)


def _read(store: Path, settings: Settings) -> tuple[Status, float]:
    """The status, and the seconds of a core it took."""
    began = time.thread_time()
    status = read_status(store, settings)
    return status, time.thread_time() - began

"""The heart's maps: at each Tick a look whether a minute is over, and the work of it in a thread of its own.

Nothing heavy is imported or done on the event loop. While the thread is busy with one minute the next waits for it.
What the maps then say of where clusters are is handed out at the Tick that finds the work done, and may be used from
that Tick on.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from perpscope.errors import PerpscopeError
from perpscope.model.bulletin import MapNews
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import Clusters
from perpscope.settings import Map
from perpscope.stores.shared_objects import refuse_unusable

if TYPE_CHECKING:
    from perpscope.app.liqmap.keeper import MapKeeper

_MINUTE_NS: Final = 60_000_000_000
_log = structlog.get_logger()


class MapKeeping:
    """Maps kept current beside a store, or none.

    Args:
        settings: `[map]`.
        store: written by this process.
        announce: told what a person should know, one line at a time.
        on_news: told of each map that was brought up to date.

    Raises:
        ConfigError: "share-url" or "extra-missing": `map.share` cannot be used.
    """

    def __init__(
        self,
        settings: Map,
        store: Path,
        announce: Callable[[str], None] = lambda _: None,
        on_news: Callable[[MapNews], None] = lambda _: None,
    ) -> None:
        if settings.enabled and settings.share:
            refuse_unusable(settings.share)
        self._on_news = on_news
        self._settings = settings
        self._store = store
        self._announce = announce
        self._is_stopping = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._keeper: MapKeeper | None = None
        self._doing: Future[list[str]] | None = None
        self._minute: int | None = None
        self._failed: str | None = None
        self._looked_at: set[InstrumentId] = set()
        self._clusters: list[Clusters] = []

    @property
    def is_busy(self) -> bool:
        """Whether the thread is at work."""
        return self._doing is not None and not self._doing.done()

    def look_at(self, instruments: Iterable[InstrumentId]) -> None:
        """Tell the clusters of these instruments' maps from now on."""
        self._looked_at.update(instruments)

    def tick(self, now_ns: int) -> list[Clusters]:
        """At each Tick (ns UTC, market time): clusters that have become known since the last. Never waits."""
        if not self._settings.enabled:
            return []
        if self._doing is not None:
            if self.is_busy:
                return []
            self._finish(self._doing)
        minute = now_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="map")
            self._doing = self._pool.submit(self._keep)
        found, self._clusters = self._clusters, []
        return [replace(one, ts_recv=now_ns) for one in found]

    async def aclose(self) -> None:
        """Put the maps away; a failure is told, not raised."""
        if self._pool is None:
            return
        self._is_stopping.set()
        if self._doing is not None:
            await asyncio.wait([asyncio.wrap_future(self._doing)])
            self._finish(self._doing)
        last = self._pool.submit(self._close)
        await asyncio.wait([asyncio.wrap_future(last)])
        self._finish(last)
        self._pool.shutdown()

    def _keep(self) -> list[str]:
        if self._keeper is None:
            from perpscope.app.liqmap.keeper import MapKeeper  # noqa: PLC0415 -- numba takes a second to import

            self._keeper = MapKeeper(self._settings, self._store, self._is_stopping, self._looked_at.__contains__)
        return self._keeper.keep()

    def _close(self) -> list[str]:
        return [] if self._keeper is None else self._keeper.close()

    def _finish(self, doing: "Future[list[str]]") -> None:
        """Tell what became of a minute; one that failed is told once, the next is tried."""
        self._doing = None
        error = doing.exception()
        if error is None:
            self._failed = None
            for line in doing.result():
                self._announce(line)
            for news in () if self._keeper is None else self._keeper.news():
                self._on_news(news)
            self._clusters = [] if self._keeper is None else self._keeper.clusters()
            return
        what = error.message if isinstance(error, PerpscopeError) else f"{type(error).__name__}: {error}"
        if what != self._failed:
            self._failed = what
            self._announce(f"maps are not kept: {what}")
            _log.warning("maps not kept", exc_info=error)

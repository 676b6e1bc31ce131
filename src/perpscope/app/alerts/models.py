"""What the models say of a coin, read off the store at a slow beat in a thread: map, sentiment, risk, cascades.

Only what some rule names is read. The map's clusters come from its newest snapshot, which costs a hundredth of making
it.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import structlog

from perpscope.analytics.alerts.alert import Cluster
from perpscope.analytics.alerts.measures import MEASURES, Model
from perpscope.analytics.liqmap import curves
from perpscope.analytics.liqmap.levels import Bins
from perpscope.app.answers.cascades import read_cascades
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.liqmap.snapshots import Snapped, unpack
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.errors import PerpscopeError
from perpscope.stores.snapshot_rows import folder_name, folder_of
from perpscope.stores.snapshots import SnapshotReader, newest_rows

_MS_NS: Final = 1_000_000
#: A snapshot that is older is no map of now (market time; they come each five minutes).
_OLD_MS: Final = 30 * 60_000
#: Clusters of each side that are kept; of any, the nearest counts.
_CLUSTERS: Final = 12
_CLUSTERED: Final = frozenset(name for name in MEASURES if name.startswith("cluster_"))
_SENTIMENT: Final = frozenset({"sentiment", "risk"})
_log = structlog.get_logger()
T = TypeVar("T")


class Models:
    """Reads models of one store.

    Args:
        store: which.
        needs: measures that some rule names.
    """

    def __init__(self, store: Path, needs: Collection[str]) -> None:
        self._store = store
        self._needs = frozenset(needs)
        self._told: set[str] = set()

    @property
    def is_needed(self) -> bool:
        """Whether any rule names a model."""
        return any(MEASURES[name].kind == "model" for name in self._needs)

    def read(self, coin: str, now_ms: int, good_for_ms: int) -> Model:
        """What they say of a coin now; what cannot be read is unknown.

        Args:
            coin: which.
            now_ms: market time.
            good_for_ms: market time after which it is too old.
        """
        clusters = self._try(_CLUSTERED, lambda: self._clusters(coin, now_ms))
        pull = self._try({"pull"}, lambda: read_map(self._store, Question(name=coin)).direction.balance)
        sentiment = self._try(_SENTIMENT, lambda: read_sentiment(self._store, coin))
        cascade = self._try({"cascade"}, lambda: self._cascade(coin, now_ms))
        return Model(
            until_ms=now_ms + good_for_ms,
            clusters=clusters or (),
            pull=pull,
            sentiment=None if sentiment is None else sentiment.sentiment.value,
            risk=None if sentiment is None else sentiment.risk.score.value,
            cascade=cascade,
        )

    def _cascade(self, coin: str, now_ms: int) -> bool:
        """Whether one is on: noticed within the last hour, and not over."""
        events = read_cascades(self._store, coin, 1.0, None).events
        return any(event.end_ms is None or event.end_ms > now_ms for event in events)

    def _clusters(self, coin: str, now_ms: int) -> tuple[Cluster, ...]:
        """Of the newest snapshot of its map; none where it is old."""
        folder = folder_of(self._store)
        _, rows = newest_rows(folder / folder_name(coin))
        maps = [linked.row for linked in rows if linked.row.kind == "map"]
        if not maps or now_ms - maps[-1].ts // _MS_NS > _OLD_MS:
            return ()
        return clusters_of(unpack(SnapshotReader(folder).payload(maps[-1])))

    def _try(self, names: Collection[str], read: Callable[[], T]) -> T | None:
        """None where no rule asks for it, or it cannot be read; that is told once by its code."""
        if not self._needs.intersection(names):
            return None
        try:
            return read()
        except PerpscopeError as error:
            if error.code not in self._told:
                self._told.add(error.code)
                _log.info("a model cannot be read for alerts", code=error.code, why=error.message)
            return None


def clusters_of(snapped: Snapped) -> tuple[Cluster, ...]:
    """The clusters of a map as it was published."""
    nothing = np.zeros_like(snapped.usd)
    bins = Bins(
        edges=snapped.edges,
        usd=snapped.usd,
        gross_usd=nothing,
        cleared_usd=nothing,
        status=np.zeros(nothing.shape, np.int64),
        mark=snapped.mark,
        open_interest_usd=snapped.open_interest_usd,
        beyond_usd=np.zeros(2),
    )
    return tuple(
        Cluster(price=each.peak, usd=each.usd, distance_pct=each.distance_pct, side="long" if each.is_long else "short")
        for each in curves.clusters(bins, float("nan"), _CLUSTERS)
    )

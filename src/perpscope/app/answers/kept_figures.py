"""What each coin's row has that costs more than a look: totals with their intervals, sentiment, where the map leans.

Reckoned in a thread of its own while somebody asks, one figure after the other, the oldest first; after each it rests
twice as long as it took, so that a table of any length costs a third of a core at most. Whoever asks gets what is
there and never waits.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import structlog

from perpscope.analytics.liqmap.curves import Cluster
from perpscope.app.answers.overview import MOST_COINS
from perpscope.app.liqmap.answer import Direction, MapAnswer
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_kept_map
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.app.totals.reading import Sides, read_windows
from perpscope.errors import PerpscopeError

#: Hours of the totals.
WINDOWS: Final = (1.0, 24.0)
#: Rests of so many times what a figure took, and before every coin has its first ones (by hand).
_REST, _FIRST_REST = 2.0, 0.5
_MOST_REST_S: Final = 3.0
#: Real seconds a figure stands before it is reckoned anew, and after the last question until the thread ends.
_TOTALS_S, _FIGURE_S, _IDLE_S = 10.0, 15.0, 20.0
#: Clusters the nearest is chosen from.
_CLUSTERS: Final = 20
_log = structlog.get_logger()


class Liquidated(msgspec.Struct, frozen=True, kw_only=True):
    """What was liquidated of a coin: observed, which is a floor, beside estimated with its interval."""

    hour: Sides
    day: Sides
    as_of_ms: int


class SentimentNow(msgspec.Struct, frozen=True, kw_only=True):
    """How people are positioned; it does not forecast."""

    index: float | None  #: 0 (fear) to 100 (greed); None with too little known
    label: str | None
    as_of_ms: int


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest cluster of the map on one side."""

    price: float  #: its largest bin, quote per base
    distance_pct: float  #: from the mark
    usd: float  #: an estimate


class PullNow(msgspec.Struct, frozen=True, kw_only=True):
    """Where the map leans; descriptive, nothing is claimed about where the price goes."""

    direction: Direction
    long: Near | None  #: below the mark
    short: Near | None  #: above it
    as_of_ms: int


Figure: TypeAlias = Liquidated | SentimentNow | PullNow
_Name: TypeAlias = tuple[str, str]  #: kind, coin
_TOTALS: Final[_Name] = ("liquidated", "")


class KeptFigures:
    """Keeps them while somebody asks. From any thread.

    Args:
        path: the store.
        monotonic: real seconds from any origin.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._monotonic = monotonic
        self._turn = threading.Condition()
        self._found: dict[_Name, Figure | None] = {}
        self._why: dict[_Name, str] = {}
        self._made_at: dict[_Name, float] = {}
        self._coins: Sequence[str] = ()
        self._asked_at = 0.0
        self._thread: threading.Thread | None = None

    def look(self, coins: Sequence[str]) -> None:
        """These are asked about now, in the order of their weight: keep them current for a while."""
        with self._turn:
            self._asked_at = self._monotonic()
            self._coins = [*dict.fromkeys([*coins, *self._coins])][:MOST_COINS]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="overview", daemon=True)
                self._thread.start()
            self._turn.notify()

    def found(self, kind: str, coin: str) -> Figure | None:
        """A figure as it was reckoned last; None if it was not yet, or cannot be.

        Args:
            kind: "liquidated", "sentiment" or "pull".
            coin: by its name.
        """
        with self._turn:
            return self._found.get((kind, coin))

    def why(self, kind: str, coin: str) -> str | None:
        """Why there is no such figure, in a sentence; None while it is being reckoned, or there is one."""
        with self._turn:
            return self._why.get(_TOTALS) if kind == _TOTALS[0] else self._why.get((kind, coin))

    def has_tried(self, kind: str, coin: str) -> bool:
        """Whether it was reckoned at all."""
        with self._turn:
            return (_TOTALS if kind == _TOTALS[0] else (kind, coin)) in self._made_at

    def _work(self) -> None:
        while (name := self._next()) is not None:
            began = time.thread_time()
            self._make(name)
            self._rest(time.thread_time() - began)

    def _rest(self, took_s: float) -> None:
        with self._turn:
            is_first = len(self._made_at) < 1 + 2 * len(self._coins)
            self._turn.wait_for(self._is_over, min(_MOST_REST_S, took_s * (_FIRST_REST if is_first else _REST)))

    def _is_over(self) -> bool:
        return self._monotonic() - self._asked_at > _IDLE_S

    def _next(self) -> _Name | None:
        """What is due most; None once nobody has asked for a while."""
        with self._turn:
            while not self._is_over():
                names = [*((kind, coin) for coin in self._coins for kind in ("pull", "sentiment"))]
                now = self._monotonic()
                if now - self._made_at.get(_TOTALS, float("-inf")) >= _TOTALS_S:
                    return _TOTALS  # one for all coins: it does not wait for theirs
                due = min(
                    ((self._made_at.get(name, float("-inf")), at) for at, name in enumerate(names)), default=(now, 0)
                )
                if now - due[0] >= _FIGURE_S:
                    return names[due[1]]
                self._turn.wait(1.0)
            self._thread, self._coins = None, ()
            return None

    def _make(self, name: _Name) -> None:
        """Reckon one; what the store has too little for stays unknown, with its reason."""
        kind, coin = name
        found: dict[_Name, Figure | None] = {}
        why = None
        try:
            if name == _TOTALS:
                found = {(kind, of): figure for of, figure in _liquidated(self.path).items()}
            else:
                figure = _sentiment(self.path, coin) if kind == "sentiment" else _pull(self.path, coin)
                found = {name: figure}
                why = None if figure is not None else f"no map of {coin} is kept current"
        except PerpscopeError as error:
            found, why = {name: None}, error.message
        except Exception:
            _log.exception("a figure of the overview failed", kind=kind, coin=coin)
            found, why = {name: None}, "this is our bug; the log has it"
        with self._turn:
            self._found.update(found)
            self._made_at[name] = self._monotonic()
            if why is None:
                self._why.pop(name, None)
            else:
                self._why[name] = why


def _liquidated(path: Path) -> dict[str, Liquidated]:
    return {
        one.coin: Liquidated(hour=one.windows[0], day=one.windows[1], as_of_ms=one.to_ms)
        for one in read_windows(path, WINDOWS)
    }


def _sentiment(path: Path, coin: str) -> SentimentNow:
    found = read_sentiment(path, coin)
    return SentimentNow(index=found.sentiment.value, label=found.sentiment.label, as_of_ms=found.at_ms)


def _pull(path: Path, coin: str) -> PullNow | None:
    found = read_kept_map(path, Question(name=coin, top=_CLUSTERS))
    if found is None:
        return None
    return PullNow(
        direction=found.direction,
        long=nearest_of(found, is_long=True),
        short=nearest_of(found, is_long=False),
        as_of_ms=found.at_ms,
    )


def nearest_of(found: MapAnswer, *, is_long: bool) -> Near | None:
    """The nearest of the five largest clusters of a side."""
    largest: list[Cluster] = [one for one in found.clusters if one.is_long is is_long][:5]
    if not largest:
        return None
    near = min(largest, key=lambda one: abs(one.distance_pct))
    return Near(price=near.peak, distance_pct=near.distance_pct, usd=near.usd)

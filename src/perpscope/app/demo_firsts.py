"""How long a newcomer waits: from the start of the program to the first event and the first closed candle in the store.

In: a look at the store at each Tick, until there is something to see. Out: seconds.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.collect import Collector
from perpscope.model.market import Interval
from perpscope.stores.sqlite import SqliteReader

_EVERY_S: Final = 0.2  # real seconds
_TICKS: Final = 100  # of /proc a second: Linux's USER_HZ
_WANTED_S: Final = time.monotonic()


class Opening(msgspec.Struct, frozen=True):
    """Seconds from the start of the program; None for what has not come."""

    ready_s: float  #: the exchanges are open, and what was before is in the store
    first_event_s: float | None  #: of the live market
    first_candle_s: float | None  #: closed since the opening


class Firsts:
    """Watches a store.

    Args:
        path: of the store.
        start_ns: where the live market begins, ns UTC.
    """

    def __init__(self, path: Path, start_ns: int) -> None:
        self._path = path
        self._start_ns = start_ns
        self._looked_s = time.monotonic()
        self._ready_s = since_start_s()
        self._event_s: float | None = None
        self._candle_s: float | None = None

    def look(self, _: Collector) -> None:
        """Look, if it is time and something is missing."""
        is_all_seen = self._event_s is not None and self._candle_s is not None
        if is_all_seen or time.monotonic() - self._looked_s < _EVERY_S:
            return
        self._looked_s = time.monotonic()
        with SqliteReader.open(self._path) as reader:
            if self._event_s is None and any(feed.events for feed in reader.feeds()):
                self._event_s = since_start_s()
            for instrument in reader.instruments() if self._candle_s is None else ():
                if reader.candles(instrument.id, Interval.M1, self._start_ns, 1):
                    self._candle_s = since_start_s()
                    break

    def told(self) -> Opening:
        """What has been seen."""
        return Opening(self._ready_s, self._event_s, self._candle_s)


def since_start_s() -> float:
    """Real seconds since this program was started, as Linux tells; elsewhere since this module was first wanted."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        return round(time.monotonic() - _WANTED_S, 2)
    return round(up_s - int(fields[19]) / _TICKS, 2)

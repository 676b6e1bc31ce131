"""Maps put where other instances find them, and found there: `map.share`, in a thread that nobody waits for.

In: snapshots as they were appended beside the store, states as they were put away. Out: the shared chains, words for
people, and for a coin of which nothing is kept here what another instance kept. A place that is slow or away costs
neither the map thread nor the heart anything: what is to be shared waits, up to a bound, and is told once.
"""

import secrets
import threading
import time
from collections import deque
from typing import Final

import msgspec
import structlog

from perpscope.errors import PerpscopeError, StoreError
from perpscope.stores.shared_maps import Shared, SharedMaps
from perpscope.stores.shared_objects import open_objects
from perpscope.stores.snapshot_rows import Snapshot
from perpscope.stores.status import StoreKind

#: Snapshots that wait at most: a day of seven coins, some 10 MB (chosen by hand).
_MOST: Final = 2000
#: Real seconds between attempts while a place is away.
_WAIT_S: Final = (1.0, 60.0)
#: Real seconds the end of a collection waits for what is still to be shared.
_PARTING_S: Final = 2.0
_log = structlog.get_logger()


class _Put(msgspec.Struct, frozen=True):
    snapshot: Snapshot
    local: str
    state: bytes | None = None


class MapSharing:
    """Shares the maps of one process. Its methods never wait, save `close`, and that for two seconds.

    Args:
        share: `map.share`.
        data: kind of the store's data.
    """

    def __init__(self, share: str, data: StoreKind) -> None:
        self._share = share
        self._data = data
        self._turn = threading.Condition()
        self._maps: deque[_Put] = deque()
        self._states: dict[str, _Put] = {}
        self._asked: deque[str] = deque()
        self._found: dict[str, Shared] = {}
        self._words: list[str] = []
        self._trouble: str | None = None
        self._broken: set[str] = set()
        self._dropped = 0
        self._until: float | None = None  #: monotonic time by which it is to end
        self._thread = threading.Thread(target=self._work, name="map-share", daemon=True)
        self._thread.start()

    def put(self, snapshot: Snapshot, local: str) -> None:
        """Share a snapshot, and which row it is in the chain beside the store."""
        with self._turn:
            self._maps.append(_Put(snapshot, local))
            while len(self._maps) > _MOST:
                self._maps.popleft()
                self._dropped += 1
            self._turn.notify()

    def put_state(self, snapshot: Snapshot, content: bytes) -> None:
        """Share a coin's state of that moment; one that still waits is replaced."""
        with self._turn:
            self._states[snapshot.symbol] = _Put(snapshot, "", content)
            self._turn.notify()

    def ask(self, symbol: str) -> None:
        """Look for the newest state of a coin; see `found`."""
        with self._turn:
            self._asked.append(symbol)
            self._turn.notify()

    def found(self, symbol: str) -> Shared | None:
        """What was found of a coin; None while it is looked for, or if there is nothing."""
        with self._turn:
            return self._found.get(symbol)

    def forget(self, symbol: str) -> None:
        """Let go of what was found."""
        with self._turn:
            self._found.pop(symbol, None)

    def said(self) -> list[str]:
        """Words for people since the last time."""
        with self._turn:
            words, self._words = self._words, []
            return words

    def close(self) -> None:
        """Share what can be shared at once; what cannot is told, and is in the chain beside the store."""
        with self._turn:
            self._until = time.monotonic() + _PARTING_S
            self._asked.clear()
            self._turn.notify()
        self._thread.join(_PARTING_S)
        with self._turn:
            left = len(self._maps) + self._dropped
            if left:
                self._words.append(f"{left} map snapshots were not shared; they are in the chain beside the database")

    def _work(self) -> None:
        places: SharedMaps | None = None
        wait_s = _WAIT_S[0]
        while (task := self._next()) is not None:
            symbol = task if isinstance(task, str) else task.snapshot.symbol
            try:
                if places is None:
                    places = SharedMaps(open_objects(self._share), self._data.value, secrets.token_hex(4))
                self._do(places, task)
            except PerpscopeError as error:
                if error.code == "share-broken":
                    self._told_broken(symbol, error.message)
                    self._done(task)
                    continue
                self._told_trouble(error.code, error.message)
                if self._pause(wait_s):
                    return
                wait_s = min(2.0 * wait_s, _WAIT_S[1])
            except Exception as error:  # our bug: it costs this task, not the sharing of maps
                _log.exception("map not shared", symbol=symbol)
                fault = StoreError("share-failed", f"a map of {symbol}: {type(error).__name__}: {error}")
                self._told_trouble(fault.code, fault.message)
                self._done(task)
            else:
                wait_s = _WAIT_S[0]
                self._done(task)
                self._all_well(symbol)

    def _next(self) -> _Put | str | None:
        """What to do, which stays in its place until it is done; None when all is done and the end has come."""
        with self._turn:
            while True:
                if self._until is not None and time.monotonic() >= self._until:
                    return None
                if self._asked:
                    return self._asked[0]
                if self._maps:
                    return self._maps[0]
                if self._states:
                    return next(iter(self._states.values()))
                if self._until is not None:
                    return None
                self._turn.wait()

    def _do(self, places: SharedMaps, task: _Put | str) -> None:
        if isinstance(task, str):
            shared = places.newest(task)
            with self._turn:
                if shared is not None:
                    self._found[task] = shared
        elif task.state is None:
            places.append(task.snapshot, task.local)
        else:
            places.keep(task.snapshot, task.state)

    def _done(self, task: _Put | str) -> None:
        """Take it from its place, unless another is there by now."""
        with self._turn:
            if isinstance(task, str):
                if self._asked and self._asked[0] == task:
                    self._asked.popleft()
            elif task.state is not None:
                if self._states.get(task.snapshot.symbol) is task:
                    del self._states[task.snapshot.symbol]
            elif self._maps and self._maps[0] is task:
                self._maps.popleft()

    def _pause(self, wait_s: float) -> bool:
        """Wait; whether the end has come, when nothing more is tried."""
        with self._turn:
            end = time.monotonic() + wait_s
            while self._until is None and (left := end - time.monotonic()) > 0.0:
                self._turn.wait(left)
            return self._until is not None

    def _told_trouble(self, code: str, message: str) -> None:
        """Say once what is wrong, as long as it is."""
        with self._turn:
            if self._trouble != code:
                self._trouble = code
                self._words.append(f"{code}: {message}; maps are kept here, sharing is tried again")

    def _told_broken(self, symbol: str, message: str) -> None:
        with self._turn:
            if symbol not in self._broken:
                self._broken.add(symbol)
                self._words.append(f"share-broken: {message}; maps of {symbol} are kept here alone")

    def _all_well(self, symbol: str) -> None:
        with self._turn:
            self._broken.discard(symbol)
            if self._trouble is not None:
                self._trouble = None
                lost = f"; {self._dropped} snapshots are in the chain here alone" if self._dropped else ""
                self._words.append(f"maps are shared again{lost}")
                self._dropped = 0

"""Maps that instances share: one chain of snapshots for each coin, which any number of hearts extend, and their states.

Under `DATA/COIN/` of a place: `rows/NUMBER-HASH`, a row's line (`snapshot_rows`) and its payload after it; `kept/…`, a
state to go on from, which a row of kind "kept" vouches for; and `head`, the newest row's number and hash, the one thing
that is ever replaced, by comparison. What a row vouches for is there before it, the row before the head: who reads from
the head finds all of it. Who comes second follows the first: every snapshot is in the one chain, none replaces another.
"""

import contextlib
import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from perpscope.errors import StoreError
from perpscope.stores.shared_objects import Held, SharedObjects
from perpscope.stores.snapshot_rows import (
    BEGINNING,
    DAY_NS,
    Linked,
    Row,
    Snapshot,
    day_of,
    folder_name,
    head_line,
    line_of,
    read_line,
)

HEAD: Final = "head"
ROWS: Final = "rows"
KEPT: Final = "kept"
#: How often somebody else may be first before it is left for later; and the wait between, seconds.
_ATTEMPTS: Final = 32
_WAIT_S: Final = (0.005, 0.25)
#: Rows that are verified before a state is taken from a chain (a day of one heart), and among which orphans are sought.
_TRUSTED: Final = 288
_SWEEP: Final = 64
#: States of one heart that stay, and how large one may be.
_STATES: Final = 2
_LARGEST: Final = 64 << 20
_AT_ONCE: Final = 8


class Shared(msgspec.Struct, frozen=True):
    """A state that another instance left."""

    row: Row
    content: bytes  #: of a `kept_maps` file


class _End(msgspec.Struct, frozen=True):
    held: Held | None
    row: int
    chain: str


class SharedMaps:
    """The shared maps of one kind of data. To be used from one thread at a time.

    Args:
        objects: the place.
        data: "observed", "demo" or "replay": they never meet.
        writer: who writes, in the rows' notes.
        wait: called with seconds when somebody else was first.
    """

    def __init__(
        self, objects: SharedObjects, data: str, writer: str, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._objects = objects
        self._data = data
        self._writer = writer
        self._wait = wait
        self._ends: dict[str, _End] = {}
        self._unsure: dict[str, Linked] = {}  #: rows of which nobody knows whether the head took them
        self._states: dict[str, list[str]] = {}

    def append(self, snapshot: Snapshot, local: str = "") -> Linked:
        """Put a snapshot at the end of its coin's chain; whoever reads the head finds it when this returns.

        Args:
            snapshot: of a coin; its payload is shared as it is.
            local: hash of the same snapshot's row in the chain beside the store, which the shared row tells.

        Raises:
            StoreError: "share-unreachable", "share-busy" or "share-broken"; the same snapshot may be appended again.
        """
        row = Row(
            row=0,
            kind="map",
            ts=snapshot.ts,
            day=day_of(snapshot.ts),
            symbol=snapshot.symbol,
            data=snapshot.data,
            venues=snapshot.venues,
            formula=snapshot.formula,
            profile=snapshot.profile,
            parameters=snapshot.parameters,
            bytes=len(snapshot.payload),
            payload=digest_of(snapshot.payload),
            note=f"by {self._writer} {local}".rstrip(),
            previous=BEGINNING,
        )
        return self._linked(row, snapshot.payload)

    def keep(self, snapshot: Snapshot, content: bytes) -> Linked:
        """Put a state of a coin's maps there, to go on from; older ones of this writer go, and a day later anybody's.

        Args:
            snapshot: of the same moment.
            content: of its file of kept maps.

        Raises:
            StoreError: as `append`.
        """
        place = f"{self._place(snapshot.symbol)}/{KEPT}"
        digest = digest_of(content)
        name = state_name(snapshot.ts, digest)
        self._objects.put(f"{place}/{name}", content)
        row = Row(
            row=0,
            kind=KEPT,
            ts=snapshot.ts,
            day=day_of(snapshot.ts),
            symbol=snapshot.symbol,
            data=snapshot.data,
            formula=snapshot.formula,
            profile=snapshot.profile,
            bytes=len(content),
            payload=digest,
            note=f"by {self._writer}",
            previous=BEGINNING,
        )
        linked = self._linked(row, b"")
        states = self._states.setdefault(snapshot.symbol, [])
        if name not in states:
            states.append(name)
        with contextlib.suppress(StoreError):
            while len(states) > _STATES:
                self._objects.delete(f"{place}/{states[0]}")
                del states[0]
            for old in self._objects.names(place)[:-_STATES]:  # of hearts that ended
                if old < state_name(snapshot.ts - DAY_NS, ""):
                    self._objects.delete(f"{place}/{old}")
        return linked

    def newest(self, symbol: str) -> Shared | None:
        """The newest state of a coin's maps; None if there is none in the last rows of its chain.

        Raises:
            StoreError: "share-broken": a row or the state is not what was written; "share-unreachable".
        """
        held = self._objects.head(f"{self._place(symbol)}/{HEAD}")
        if held is None:
            return None
        end = self._parsed(symbol, held)
        for linked in reversed(self._verified(symbol, end, max(end.row - _TRUSTED + 1, 0))):
            row = linked.row
            if row.kind != KEPT or row.bytes > _LARGEST:
                continue
            content = self._objects.get(f"{self._place(symbol)}/{KEPT}/{state_name(row.ts, row.payload)}")
            if content is None:  # its writer let it go since
                continue
            if digest_of(content) != row.payload:
                raise broken(symbol, f"the state that row {row.row} vouches for is not what was written")
            return Shared(row, content)
        return None

    def _place(self, symbol: str) -> str:
        return f"{self._data}/{folder_name(symbol)}"

    def _linked(self, wanted: Row, payload: bytes) -> Linked:
        """Put a row where the chain ends, as often as somebody else was first."""
        symbol, place = wanted.symbol, self._place(wanted.symbol)
        end = self._ends.pop(symbol, None) or self._read(symbol)
        if (before := self._unsure.pop(symbol, None)) is not None and _is_same(before.row, wanted):
            end = self._read(symbol)
            if self._has(symbol, end, before):
                self._ends[symbol] = end
                return before
        for attempt in range(_ATTEMPTS):
            row = msgspec.structs.replace(wanted, row=end.row + 1, previous=end.chain)
            line, chain = line_of(row)
            linked = Linked(row, chain)
            name = f"{place}/{ROWS}/{row_name(row.row, chain)}"
            self._objects.put(name, line + payload)
            self._unsure[symbol] = linked
            held = self._objects.swap(f"{place}/{HEAD}", head_line(linked), end.held)
            if held is None:
                end = self._read(symbol)
                if not self._has(symbol, end, linked):  # a head that was swapped, and the answer lost, is ours
                    with contextlib.suppress(StoreError):
                        self._objects.delete(name)
                    self._wait(random.uniform(*_WAIT_S) * min(attempt + 1, 8) / 8)  # noqa: S311 -- apart, not secret
                    continue
            else:
                end = _End(held, row.row, chain)
            self._ends[symbol] = end
            del self._unsure[symbol]
            if row.row % _SWEEP == 0 or symbol not in self._states:
                self._states.setdefault(symbol, [])
                with contextlib.suppress(StoreError):  # the row is in the chain; what is left can be taken away later
                    self._sweep(symbol, end)
            return linked
        raise StoreError(
            "share-busy", f"shared maps: {_ATTEMPTS} times somebody else was first in the chain of {symbol}",
            hint="it is tried again",
        )  # fmt: skip

    def _read(self, symbol: str) -> _End:
        """Where the chain ends now."""
        held = self._objects.head(f"{self._place(symbol)}/{HEAD}")
        return _End(None, -1, BEGINNING) if held is None else self._parsed(symbol, held)

    def _parsed(self, symbol: str, held: Held) -> _End:
        found = read_head(held.content)
        if found is None:
            raise broken(symbol, f"its head says {held.content[:80]!r}, which is no row's number and hash")
        return _End(held, *found)

    def _has(self, symbol: str, end: _End, linked: Linked) -> bool:
        """Whether the chain up to an end holds a row."""
        number, chain = end.row, end.chain
        while number > linked.row.row:
            number, chain = number - 1, self._row(symbol, number, chain).row.previous
        return (number, chain) == (linked.row.row, linked.chain)

    def _row(self, symbol: str, number: int, chain: str) -> Linked:
        content = self._objects.get(f"{self._place(symbol)}/{ROWS}/{row_name(number, chain)}")
        if content is None:
            raise broken(symbol, f"row {number} is missing")
        linked = read_row(content)
        if linked is None or (linked.row.row, linked.chain) != (number, chain):
            raise broken(symbol, f"row {number} is not what was written")
        return linked

    def _verified(self, symbol: str, end: _End, first: int) -> list[Linked]:
        """Rows from one to the end, each of which the next vouches for; in order."""
        folder = f"{self._place(symbol)}/{ROWS}"
        names = self._objects.names(folder, after=_before(first))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = pool.map(lambda name: self._objects.get(f"{folder}/{name}"), names)
            by_name = dict(zip(names, contents, strict=True))
        found: list[Linked] = []
        number, chain = end.row, end.chain
        while number >= first:
            linked = read_row(by_name.get(row_name(number, chain)) or b"")
            if linked is None or (linked.row.row, linked.chain) != (number, chain):
                raise broken(symbol, f"row {number} is missing, or is not what was written")
            found.append(linked)
            number, chain = number - 1, linked.row.previous
        return found[::-1]

    def _sweep(self, symbol: str, end: _End) -> None:
        """Take away what killed writers left: rows that no head took, beside those that took their place."""
        folder, first = f"{self._place(symbol)}/{ROWS}", max(end.row - _SWEEP, 0)
        names = [name for name in self._objects.names(folder, after=_before(first)) if number_of(name) <= end.row]
        if len(names) == end.row - first + 1:
            return
        chain = {linked.row.row: linked for linked in self._verified(symbol, end, first)}
        for name in names:
            mine = chain.get(number_of(name))
            if mine is None or mine.row.row == first or name == row_name(mine.row.row, mine.chain):
                continue
            other = read_row(self._objects.get(f"{folder}/{name}") or b"")
            if other is not None and other.row.previous == mine.row.previous:
                self._objects.delete(f"{folder}/{name}")


def row_name(number: int, chain: str) -> str:
    """The last part of a row's name; names sort as rows do."""
    return f"{number:08d}-{chain}"


def number_of(name: str) -> int:
    """A row's number by its name; beyond every row where it is no row's name."""
    number = name.partition("-")[0]
    return int(number) if number.isdecimal() else 1 << 62


def state_name(ts: int, digest: str) -> str:
    """The last part of a state's name."""
    return f"{ts:020d}-{digest}"


def read_head(content: bytes) -> tuple[int, str] | None:
    """The number and hash a head tells; None if it is not what was written."""
    number, _, chain = content.decode("ascii", "replace").removesuffix("\n").partition(" ")
    is_hash = len(chain) == len(BEGINNING) and not set(chain) - set("0123456789abcdef")
    if not (number.isdecimal() and is_hash and content == f"{int(number)} {chain}\n".encode()):
        return None
    return int(number), chain


def read_row(content: bytes) -> Linked | None:
    """A row from its object; None if a byte of it, or of its payload, is not what was written."""
    line, _, payload = content.partition(b"\n")
    linked = read_line(line)
    if linked is None:
        return None
    expected = b"" if linked.row.kind == KEPT else payload
    if payload != expected or (linked.row.kind == "map" and digest_of(payload) != linked.row.payload):
        return None
    return linked


def broken(symbol: str, what: str) -> StoreError:
    """A shared chain is not what was written."""
    return StoreError(
        "share-broken", f"shared maps of {symbol}: {what}", hint="perpscope study verify-snapshots --share tells more"
    )


def digest_of(content: bytes) -> str:
    """SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _before(first: int) -> str:
    """What sorts before every name of a row."""
    return f"{first:08d}" if first else ""


def _is_same(one: Row, other: Row) -> bool:
    """Whether two rows tell the same, wherever they stand."""
    return msgspec.structs.replace(one, row=0, previous=BEGINNING) == other

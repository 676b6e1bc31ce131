"""The tape: the newest liquidations with their numbers, for who reads them at a pace of its own."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.web.push.channels import KEEP_ROWS

#: Rows looked through at once, so that nobody is kept waiting by one who asks for few of many.
_LOOK: Final = 2_000


class TapeRow(msgspec.Struct, frozen=True, gc=False):
    """One liquidation."""

    seq: int  #: 1, 2, 3 … since the face began
    names: tuple[str, ...]  #: of its instrument, upper case
    usd: float  #: 0 if it is not known
    text: bytes  #: JSON of a `LiquidationRow`


class Wanted(msgspec.Struct, frozen=True):
    """Which liquidations somebody wants."""

    name: str | None = None  #: upper case; None = of any instrument
    min_usd: float = 0.0

    def takes(self, names: Sequence[str], usd: float) -> bool:
        """Whether one of these is wanted."""
        return usd >= self.min_usd and (self.name is None or self.name in names)


class Found(msgspec.Struct, frozen=True):
    """What a reader gets."""

    at: int  #: where to go on from
    missed: int  #: rows of any instrument that are no longer kept
    rows: list[TapeRow]


class Tape:
    """A bounded ring."""

    def __init__(self, keep: int = KEEP_ROWS) -> None:
        self.seq = 0  #: rows so far
        self.added = asyncio.Event()  #: set, and replaced, when rows have come
        self._keep = keep
        self._rows: list[TapeRow] = []

    def add(self, names: tuple[str, ...], usd: float, text: bytes) -> None:
        """One more."""
        self.seq += 1
        row = TapeRow(self.seq, names, usd, text)
        if len(self._rows) < self._keep:
            self._rows.append(row)
        else:
            self._rows[(self.seq - 1) % self._keep] = row

    def turn(self) -> None:
        """Wake whoever waits for rows."""
        waited, self.added = self.added, asyncio.Event()
        waited.set()

    def since(self, at: int, wanted: Wanted) -> Found:
        """The rows after number `at` that are wanted; not all at once if there are many."""
        oldest = self.seq - len(self._rows)
        start = max(at, oldest)
        until = min(self.seq, start + _LOOK)
        rows = [self._rows[index % self._keep] for index in range(start, until)]
        return Found(until, start - at, [row for row in rows if wanted.takes(row.names, row.usd)])

    def recent(self, most: int, wanted: Wanted) -> list[TapeRow]:
        """The newest rows that are wanted, oldest first."""
        found: list[TapeRow] = []
        for index in range(self.seq - 1, self.seq - len(self._rows) - 1, -1):
            if len(found) >= most:
                break
            row = self._rows[index % self._keep]
            if wanted.takes(row.names, row.usd):
                found.append(row)
        return found[::-1]

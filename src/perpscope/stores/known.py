"""Is a liquidation stored already? Asked by the import, before it adds rows of other people's making.

The store itself knows a liquidation again by every one of its values (`venue_key`). A file may tell less than the feed
did: a row that differs only by a price it does not tell, or that the store was not told, is the same liquidation.
"""

import sqlite3
from pathlib import Path
from typing import Self, TypeAlias

from perpscope.model.market import Liquidation, PositionSide
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.status import StoreKind

#: Everything but the prices: venue, symbol, order side, ts_event, size.
Bare: TypeAlias = tuple[str, str, str, int, float]
#: Fill and bankruptcy price, where told.
Prices: TypeAlias = tuple[float | None, float | None]

_PRICES_OF = """
SELECT fill_price, bankruptcy_price FROM liquidation_events
WHERE venue = ? AND symbol = ? AND side = ? AND ts_event = ? AND size = ?
"""


class KnownLiquidations:
    """Looks up what is committed. Reads only; to be used from one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing store.

        Raises:
            DataError: there is none ("store-missing").
            StoreError: it cannot be trusted or read.
        """
        return cls(path, open_for_reading(path))

    @property
    def kind(self) -> StoreKind:
        """Where the store's data came from."""
        with trusting(self._path):
            (kind,) = self._connection.execute("SELECT value FROM meta WHERE key = 'kind'").fetchone()
        return StoreKind(kind)

    def prices_of(self, bare: Bare) -> list[Prices]:
        """Prices of the stored liquidations that are otherwise alike."""
        with trusting(self._path):
            return self._connection.execute(_PRICES_OF, bare).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def without_prices(event: Liquidation, venue: str, symbol: str) -> Bare:
    """What names a liquidation besides its prices."""
    side = "SELL" if event.position_side is PositionSide.LONG else "BUY"
    return venue, symbol, side, event.ts_event, event.size


def is_same(one: Prices, other: Prices) -> bool:
    """True if one tells nothing that the other contradicts or does not tell.

    >>> is_same((101.0, None), (101.0, 100.0)), is_same((101.0, None), (None, 100.0))
    (True, False)
    """
    return _tells_no_more(one, other) or _tells_no_more(other, one)


def _tells_no_more(less: Prices, more: Prices) -> bool:
    return all(mine is None or mine == theirs for mine, theirs in zip(less, more, strict=True))

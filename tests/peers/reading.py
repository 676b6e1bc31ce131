"""In which form every client's program tells what it understood of a market: base by base, in the house's units.

Runs in the clients' environments, with nothing but Python. Times are ms UTC, sizes base units (or contracts, where the
client says no more), prices quote per base.
"""

import json
import sys
import threading
from importlib.metadata import version
from typing import Any


def asked() -> dict[str, Any]:
    """The one argument: where the lab is (`rest`, `websocket`, `proxy`), `venue`, `bases`, for how many `seconds`."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


class Reading:
    """What is understood of some bases, kept from any thread.

    Args:
        bases: "BTC", …
    """

    def __init__(self, bases: list[str]) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, dict[str, list[Any]]] = {base: {} for base in bases}
        self._errors: list[str] = []

    def keep(self, base: str, what: str, *row: object) -> None:
        """One more trade, book, candle, … of a base."""
        with self._lock:
            self._found[base].setdefault(what, []).append(row)

    def fail(self, error: object) -> None:
        """Something the client complained of."""
        with self._lock:
            self._errors.append(str(error))

    # The kinds of rows; every list is in the order in which the client told it.

    def trade(self, base: str, ms: int, price: float, size: float, side: str) -> None:
        """`side`: "buy" or "sell", the taker's."""
        self.keep(base, "trades", ms, price, size, side.lower())

    def book(self, base: str, ms: int, bids: list[Any], asks: list[Any], what: str = "books") -> None:
        """Levels of price and size, best first; the best ten are kept. `what`: "rest_books" if REST told it."""
        sides = ([[float(level[0]), float(level[1])] for level in side[:10]] for side in (bids, asks))
        self.keep(base, what, ms, *sides)

    def listed(self, base: str, tick: float | None, lot: float) -> None:
        """Steps of price and size."""
        self.keep(base, "listed", tick, lot)

    def quote(self, base: str, bid: float, bid_size: float, ask: float, ask_size: float) -> None:
        """Best prices and what stands there."""
        self.keep(base, "quotes", bid, bid_size, ask, ask_size)

    def candle(self, base: str, interval: str, opened_ms: int, prices: list[Any], volume: float) -> None:
        """`prices`: open, high, low, close."""
        self.keep(base, f"candles_{interval}", opened_ms, *(float(price) for price in prices), volume)

    def mark(self, base: str, ms: int | None, mark: float, index: float | None, rate: float | None) -> None:
        """Mark and index price, and the funding rate of the interval at hand; None where it is not told."""
        self.keep(base, "marks", ms, mark, index, rate)

    def liquidation(self, base: str, ms: int, size: float, closed: str, price: float) -> None:
        """`closed`: "long" or "short", whose position it was."""
        self.keep(base, "liquidations", ms, size, closed, price)

    def tell(self, package: str) -> None:
        """Print one line of JSON."""
        with self._lock:
            print(json.dumps({"version": version(package), "errors": self._errors, "read": self._found}))

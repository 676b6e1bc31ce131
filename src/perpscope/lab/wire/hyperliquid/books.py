"""The book as the venue cuts it: whole snapshots of 20 or 5 levels a side, raw or in steps of a few figures.

How many orders stand at a price (`n`) is invented from what they are worth.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perpscope.lab.book import LabBook, TextLevel
from perpscope.lab.listing import Listing
from perpscope.lab.wire.hyperliquid.listings import written

DEPTH, FAST_DEPTH = 20, 5
_WHOLE = 2000  # levels a side, more than there are
_ORDER_USD = 15_000.0
FIGURES, MANTISSAS = (2, 3, 4, 5), (1, 2, 5)


class Cut(NamedTuple):
    """How a subscriber or caller wants the book."""

    figures: int | None = None  #: significant ones of the prices; None for raw ones
    mantissa: int | None = None  #: with 5 figures only: steps of so many units
    is_fast: bool = False

    @property
    def is_valid(self) -> bool:
        """False for what costs a subscriber the connection."""
        if self.mantissa is not None and (self.figures != FIGURES[-1] or self.mantissa not in MANTISSAS):
            return False
        return self.figures is None or self.figures in FIGURES

    @property
    def suffix(self) -> str:
        """What comes behind the coin in a topic."""
        parts = ("fast" if self.is_fast else "", self.figures, self.mantissa)
        return "".join(f":{part}" for part in parts if part)


def cuts() -> Iterator[Cut]:
    """Every valid one."""
    for is_fast in (False, True):
        yield Cut(is_fast=is_fast)
        for figures in FIGURES:
            yield Cut(figures, None, is_fast)
        for mantissa in MANTISSAS:
            yield Cut(FIGURES[-1], mantissa, is_fast)


def book(listing: Listing, of: LabBook, cut: Cut, time_ms: int) -> str:
    """The data of `l2Book`, on the socket and by REST: `levels` are [bids, asks], best first."""
    depth = FAST_DEPTH if cut.is_fast else DEPTH
    if cut.figures is None:
        sides = [[_level(level) for level in side] for side in of.top(depth)]
    else:
        step = _step(of, cut.figures, cut.mantissa or 1)
        sides = [
            _gathered(listing, side, step, depth, up=up) for side, up in zip(of.top(_WHOLE), (False, True), strict=True)
        ]
    levels = ",".join("[" + ",".join(side) + "]" for side in sides)
    return f'{{"coin":"{listing.symbol}","time":{time_ms},"levels":[{levels}]{_FAST if cut.is_fast else ""}}}'


_FAST = ',"fast":true'


def best(of: LabBook) -> str:
    """The pair of `bbo`: the best bid and ask, null for an empty side."""
    return ",".join(_level(side[0]) if side else "null" for side in of.top(1))


def _level(level: TextLevel) -> str:
    price, size = level
    orders = 1 + int(float(price) * float(size) / _ORDER_USD)
    return f'{{"px":"{price}","sz":"{size}","n":{orders}}}'


def _step(of: LabBook, figures: int, mantissa: int) -> float:
    bids, _ = of.top(1)
    price = float(bids[0][0]) if bids else 1.0
    return float(mantissa * 10.0 ** (math.floor(math.log10(price)) - figures + 1))


def _gathered(listing: Listing, side: Sequence[TextLevel], step: float, depth: int, *, up: bool) -> list[str]:
    """Levels joined in steps of the price, bids rounded down and asks up."""
    sums: dict[int, list[float]] = {}
    for price, size in side:
        steps = float(price) / step
        at = math.ceil(steps - 1e-9) if up else math.floor(steps + 1e-9)
        if at not in sums and len(sums) == depth:
            break
        joined = sums.setdefault(at, [0.0, 0.0])
        joined[0] += float(size)
        joined[1] += 1 + int(float(price) * float(size) / _ORDER_USD)
    decimals = listing.price_decimals
    return [
        f'{{"px":"{written(at * step, decimals)}","sz":"{listing.size(size)}","n":{int(orders)}}}'
        for at, (size, orders) in sums.items()
    ]

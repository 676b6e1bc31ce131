"""Who trades on the invented Hyperliquid: a few large makers and traders one can watch, a crowd, and the unlucky.

Addresses are hashes, the same in every lab. Who stands on which side of a trade is drawn from the hash of the trade, so
that it is the same whenever the market is. Liquidated users are new each time.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from perpscope.lab.listing import Listing
from perpscope.model.market import Liquidation, Trade

_NS_PER_MS = 1_000_000
_CROWD = 60
_BY_MAKER, _BY_TRADER = 0.7, 0.15  # share of trades one of the large makers, or large traders, takes part in
_PIECES = (1, 2, 2, 3)  # makers that one liquidation hits
_BACKSTOPS = 32  # one liquidation in so many goes to the backstop vault
_TURN_MS = 2 * 86_400_000  # markets that begin whole such turns apart tell the same (`lab.fingerprint`)
_NO_HASH = 0.28  # share of ordinary trades without a transaction hash

#: the venue's liquidator vault takes over what the book does not
BACKSTOP = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"


def address(name: str) -> str:
    """An address made of a name."""
    return "0x" + hashlib.blake2b(f"perpscope lab {name}".encode(), digest_size=20).hexdigest()


MAKERS = tuple(address(f"maker {number}") for number in range(6))
TRADERS = tuple(address(f"trader {number}") for number in range(4))
CROWD = tuple(address(f"somebody {number}") for number in range(_CROWD))


class Chance:
    """Draws that depend on nothing but a name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = b""
        self._round = 0

    def draw(self) -> float:
        """From 0 up to 1."""
        if not self._left:
            self._left = hashlib.blake2b(f"{self._name}/{self._round}".encode(), digest_size=64).digest()
            self._round += 1
        taken, self._left = self._left[:4], self._left[4:]
        return int.from_bytes(taken, "big") / 2**32

    def one(self, of: Sequence[str], beside: str = "") -> str:
        """One of several, but not this one."""
        chosen = int(self.draw() * len(of))
        return of[chosen] if of[chosen] != beside else of[chosen - 1]


class Match(NamedTuple):
    """One taker and one maker, as a row of `trades` tells it."""

    taker: str
    maker: str
    size: float  #: base units
    tid: int  #: 50 bits
    hash: str
    is_backstop: bool = False


def matches(listing: Listing, trade: Trade, liquidation: Liquidation | None) -> list[Match]:
    """Who met whom in a trade; a liquidation may hit several makers."""
    name = f"{listing.symbol}/{trade.ts_event // _NS_PER_MS % _TURN_MS}/{trade.trade_id}"
    chance = Chance(name)
    digest = hashlib.blake2b(name.encode(), digest_size=32).hexdigest()
    if liquidation is None:
        taker = chance.one(TRADERS if chance.draw() < _BY_TRADER else CROWD)
        hidden = chance.draw() < _NO_HASH
        sizes = [trade.size]
    else:
        taker, hidden = address(f"liquidated {name}"), False
        if int(chance.draw() * _BACKSTOPS) == 0:
            return [Match(taker, BACKSTOP, trade.size, _tid(name), f"0x{digest}", is_backstop=True)]
        sizes = _pieces(trade.size, float(listing.instrument.step_size or 1), chance)
    transaction = "0x" + "0" * 64 if hidden else f"0x{digest}"
    met = []
    maker = ""
    for number, size in enumerate(sizes):
        maker = chance.one(MAKERS, maker) if chance.draw() < _BY_MAKER else chance.one(CROWD, taker)
        met.append(Match(taker, maker, size, _tid(f"{name}/{number}"), transaction))
    return met


def _pieces(size: float, step: float, chance: Chance) -> list[float]:
    """A size in one to three parts, all of them whole steps."""
    count, lots = _PIECES[int(chance.draw() * len(_PIECES))], round(size / step)
    if lots < count:
        return [size]
    cuts = sorted({0, lots, *(1 + int(chance.draw() * (lots - 1)) for _ in range(count - 1))})
    return [round((after - before) * step, 8) for before, after in pairwise(cuts)]


def _tid(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "big") >> 6

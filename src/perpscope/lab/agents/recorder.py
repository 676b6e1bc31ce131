"""Writes the truth log of an agent market while somebody else steps it."""

from array import array
from typing import TYPE_CHECKING

import numpy as np

from perpscope.lab.agents.steps import Step
from perpscope.lab.agents.truth import Table, Truth, true_map

if TYPE_CHECKING:
    from perpscope.lab.agents.market import AgentMarket

_MARKET = ("index", "price", "depth", "activity")
_VENUES = (
    "last mark funding_rate open_interest bought sold opened closed liquidated_longs liquidated_shorts fund_usd".split()
)
_NS_PER_S = 1_000_000_000


class Recorder:
    """Keeps every step of a market, and pictures of its true map.

    Args:
        market: which; from its next step on.
        map_every_s: seconds between two pictures, the first now; 0: none but the first.
    """

    def __init__(self, market: "AgentMarket", map_every_s: float = 900.0) -> None:
        self._market = market
        self._every_ns = round(map_every_s * _NS_PER_S)
        self._ts = array("q")
        self._whole = array("d")
        self._parts = array("d")
        self._maps = [true_map(market.exchange, market.mark, market.ts)]

    def take(self, step: Step) -> None:
        """Write down what the market has just done."""
        self._ts.append(step.ts)
        self._whole.extend(getattr(step, name) for name in _MARKET)
        for name in _VENUES:
            self._parts.extend(getattr(step, name))
        if self._every_ns and step.ts % self._every_ns == 0:
            self._maps.append(true_map(self._market.exchange, self._market.mark, step.ts))

    def truth(self) -> Truth:
        """All of it so far; positions and closings by force are those since the market's own beginning."""
        market, setting = self._market, self._market.setting
        whole = np.array(self._whole).reshape(-1, len(_MARKET))
        parts = np.array(self._parts).reshape(-1, len(_VENUES), len(setting.places))
        table: Table = {name: whole[:, at].copy() for at, name in enumerate(_MARKET)}
        return Truth(
            setting.seed,
            setting.dt_s,
            setting.lot,
            setting.places,
            {
                "market": {"ts": np.array(self._ts, np.int64), **table},
                "venues": {name: parts[:, at].ravel() for at, name in enumerate(_VENUES)},
                "positions": market.chronicle.positions(market.exchange),
                "liquidations": market.chronicle.liquidations(),
                "map": {name: np.concatenate([part[name] for part in self._maps]) for name in self._maps[0]},
            },
        )

"""The classes a map sorts positions into, how far each is from its liquidation, and its share of what is opened.

A class is a leverage (with the maintenance tier of a small or a large position, by the margin engine) or, beside them,
a plain distance. One last class holds what no price in reach would liquidate. A `Ladder` is a family of classes ready
for the arithmetic: offsets and weights as arrays.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin import LINEAR, Terms, value_at
from perpscope.analytics.margin_arrays import Floats, liquidation_prices
from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import TierBasis

#: Multiples, METHOD 6.2.
LEVERAGES: Final = (2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0, 125.0)
#: Log distances from the entry, METHOD 14b (from .15 %; those of its prototype).
DISTANCES: Final = (0.0015, 0.0025, 0.004, 0.006, 0.009, 0.014, 0.022, 0.035, 0.06, 0.12)
#: Up to here a class' share grows with its distance, as its width does: liquidation prices lie about evenly near the
#: price (METHOD 6.4: 32 % within 7 %, 47 % within 10 %). Where it ends, by the first 40 % of METHOD 14b's hours.
EVEN_WITHIN: Final = 0.009
#: Share of what is opened at each leverage, METHOD 6.4: measured on Hyperliquid; shifted to Binance's default of 20×;
#: and the three of the documents (5–10×; normal around 20–50×; 75–125×).
PROFILES: Final = {
    "hl_empirical": (0.12, 0.11, 0.26, 0.19, 0.13, 0.05, 0.10, 0.02, 0.015, 0.005),
    "cex_default": (0.08, 0.08, 0.18, 0.21, 0.20, 0.06, 0.11, 0.03, 0.035, 0.015),
    "conservative": (0.12, 0.15, 0.32, 0.26, 0.09, 0.03, 0.02, 0.005, 0.004, 0.001),
    "neutral": (0.0, 0.0, 0.004, 0.059, 0.253, 0.303, 0.221, 0.099, 0.042, 0.019),
    "aggressive": (0.0, 0.0, 0.0, 0.03, 0.07, 0.10, 0.20, 0.25, 0.22, 0.13),
}
#: Names a map may be asked for: `dynamic` is `cex_default` tilted by funding; `calibrated` is that, and learns.
MAP_PROFILES: Final = (*PROFILES, "dynamic", "calibrated")
_TILTED: Final = ("dynamic", "calibrated")

#: METHOD 6.2, by judgement: a small position is of so many quote units; a tenth of what is opened at 20× and less is
#: of the middle of 3–12 million.
SMALL_USD: Final = 25_000.0
LARGE_USD: Final = 6_000_000.0
LARGE_SHARE: Final = 0.10
LARGE_LEVERAGE: Final = 20.0
#: Share of what is opened that nothing in reach liquidates (1×, hedged, cross with surplus), METHOD 6.4, by judgement.
OUT_OF_REACH: Final = 0.35
#: METHOD 6.4, by judgement: strength of the tilt, and funding per 8 hours at which it is three quarters of its most.
TILT: Final = 0.3
TILT_FUNDING: Final = 3e-4


class Rung(msgspec.Struct, frozen=True):
    """One class of positions."""

    name: str  #: "20x", "20x large", "0.60 %", "out of reach"
    leverage: float | None  #: multiple; None for a distance
    notional_usd: float | None  #: of the position its tier was taken for; None where no tier is asked


class Ladder(msgspec.Struct, frozen=True):
    """A family of classes: rungs in order, the last one out of reach."""

    family: str  #: "leverage" or "distance"
    rungs: tuple[Rung, ...]
    offsets: Floats  #: (2, rungs) log of liquidation price ÷ entry: longs < 0, shorts > 0; infinite out of reach
    weights: Floats  #: (2, rungs) share of what is opened, long and short; each side sums to 1
    tilted: bool = False  #: funding moves its weights

    def tilted_weights(self, funding_8h: float) -> Floats:
        """Shares under a funding rate: w·ℓ^(κ·s·tanh(f8 ÷ f0)), each side summing to 1 (METHOD 6.4).

        Args:
            funding_8h: fraction for 8 hours; above 0 longs pay. nan = not known: no tilt.
        """
        if not self.tilted or not np.isfinite(funding_8h):
            return self.weights
        leverage = np.array([rung.leverage or 1.0 for rung in self.rungs])
        power = TILT * np.tanh(funding_8h / TILT_FUNDING) * np.array([[1.0], [-1.0]])
        moved = self.weights * leverage**power
        moved[:, -1] = 0.0
        left = 1.0 - self.weights[:, -1:]
        tilted: Floats = moved * left / np.maximum(moved.sum(axis=1, keepdims=True), 1e-300)
        tilted[:, -1] = self.weights[:, -1]
        return tilted


def distance_ladder(
    distances: tuple[float, ...] = DISTANCES,
    shares: tuple[float, ...] | None = None,
    out_of_reach: float = OUT_OF_REACH,
) -> Ladder:
    """Classes by distance alone, alike on both sides.

    Args:
        distances: log distances, > 0.
        shares: of what is opened and in reach, as many; None = as the distance up to `EVEN_WITHIN`, alike beyond.
        out_of_reach: share of all, in [0, 1).

    Raises:
        ValueError: a distance is not above 0, or shares and distances do not match.
    """
    reach = np.asarray(distances, float)
    if not (reach.size and (reach > 0.0).all()):
        raise ValueError(f"distances {distances} must be above 0")
    share = np.minimum(reach, EVEN_WITHIN) if shares is None else np.asarray(shares, float)
    if share.size != reach.size:
        raise ValueError(f"{share.size} shares for {reach.size} distances")
    rungs = tuple(Rung(f"{distance * 100:.2f} %", None, None) for distance in distances)
    return _ladder("distance", rungs, np.vstack([-reach, reach]), share, out_of_reach, tilted=False)


def leverage_ladder(
    table: TierTable,
    terms: Terms = LINEAR,
    *,
    price: float = 50_000.0,
    profile: str = "calibrated",
    out_of_reach: float = OUT_OF_REACH,
) -> Ladder:
    """Classes by leverage, with the liquidation prices of the margin engine.

    A leverage that a position of its size may not be opened at is left out, and the others take its share (METHOD 6.4:
    "cap at the venue's highest").

    Args:
        table: the instrument's maintenance tiers.
        terms: the venue's.
        price: entry the tiers are looked up at, quote per base; matters for tiers by size only.
        profile: one of `MAP_PROFILES`.
        out_of_reach: share of all, in [0, 1).

    Raises:
        ValueError: no such profile, or no leverage can be opened.
    """
    if profile not in MAP_PROFILES:
        raise ValueError(f"profile {profile!r} must be one of {', '.join(MAP_PROFILES)}")
    base = PROFILES["cex_default" if profile in _TILTED else profile]
    rungs: list[Rung] = []
    shares: list[float] = []
    offsets: list[NDArray[np.float64]] = []
    for leverage, share in zip(LEVERAGES, base, strict=True):
        found = _positions(table, terms, price, leverage)
        for rung, offset, part in found:
            rungs.append(rung)
            offsets.append(offset)
            shares.append(share * part)
    if not sum(shares):
        raise ValueError(f"no leverage of profile {profile} can be opened under these tiers")
    moves = np.array(offsets).T
    return _ladder("leverage", tuple(rungs), moves, np.array(shares), out_of_reach, tilted=profile in _TILTED)


def _positions(
    table: TierTable, terms: Terms, price: float, leverage: float
) -> list[tuple[Rung, NDArray[np.float64], float]]:
    """A leverage's small and, where it may be opened, large position: rung, offsets, part of its share."""
    most = table.largest(leverage)
    cap = np.inf if most is None else most * (price if table.basis is TierBasis.SIZE else 1.0)
    if cap <= 0.0:
        return []
    small = min(SMALL_USD, 0.999 * cap)
    name = f"{leverage:g}x"
    asked = [(Rung(name, leverage, small), small, 1.0)]
    if leverage <= LARGE_LEVERAGE and cap > LARGE_USD:
        asked = [
            (Rung(name, leverage, small), small, 1.0 - LARGE_SHARE),
            (Rung(f"{name} large", leverage, LARGE_USD), LARGE_USD, LARGE_SHARE),
        ]
    found = []
    for rung, notional, part in asked:
        size = notional / price
        balance = value_at(size, price) / leverage
        prices = liquidation_prices([True, False], size, price, balance, table, terms)
        offset = np.log(prices / price)
        if offset[0] < 0.0 < offset[1]:
            found.append((rung, offset, part))
    return found


def _ladder(
    family: str, rungs: tuple[Rung, ...], offsets: Floats, shares: Floats, out_of_reach: float, *, tilted: bool
) -> Ladder:
    if not 0.0 <= out_of_reach < 1.0:
        raise ValueError(f"share out of reach {out_of_reach:g} must lie in [0, 1)")
    kept = shares > 0.0
    share = shares[kept] / shares.sum() * (1.0 - out_of_reach)
    weights = np.tile(np.append(share, out_of_reach), (2, 1))
    last = np.array([[-np.inf], [np.inf]])
    names = (*(rung for rung, has in zip(rungs, kept, strict=True) if has), Rung("out of reach", None, None))
    return Ladder(family, names, np.ascontiguousarray(np.hstack([offsets[:, kept], last])), weights, tilted)

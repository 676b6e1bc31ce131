"""The agent market's finite book: how far an order walks it, and how its mark on the price fades.

In: money that wants to be traded at once. Out: what got filled, at which price, and where the price is then. Depth
within a log distance u is `scale · (u / 1 %)^kappa` (METHOD 7). What a trade displaced comes back at several speeds, so
that an order worked over time moves the price with about the root of its size (Bouchaud et al. 2004, propagators).
"""

import math

_PERCENT = 0.01
#: Seconds in which the parts of a displacement fade, and their shares: about t^-0.5 from ten seconds to an hour.
FADING_S = (10.0, 60.0, 360.0, 2160.0)
FADING_SHARES: tuple[float, ...] = (0.535, 0.219, 0.089, 0.037)
_ARBITRAGE_AT, _ARBITRAGE_S = 0.015, 20.0  # log distance at which it is worth everybody's while; how soon they are done
#: What makers' books move the index by, in the log distance that the same money would eat of a calm book, taken as a
#: straight line. It goes when the position does. METHOD 13.1 keeps a share of 0.3 for good, at which impact is linear.
SHADING = 0.12


class Walk:
    """One side of a book, eaten from the best price outward.

    Args:
        scale: quote units within 1 % of the best price; > 0.
        kappa: steepness of the profile.
    """

    __slots__ = ("_power", "_scale", "eaten")

    def __init__(self, scale: float, kappa: float) -> None:
        self._scale = scale
        self._power = 1.0 / kappa
        self.eaten = 0.0  #: quote units so far

    @property
    def distance(self) -> float:
        """Log distance from where it began."""
        return _PERCENT * math.pow(self.eaten / self._scale, self._power)

    def within(self, distance: float) -> float:
        """Quote units left up to a log distance."""
        if distance <= 0.0:
            return 0.0
        return max(0.0, self._scale * math.pow(distance / _PERCENT, 1.0 / self._power) - self.eaten)

    def take(self, notional: float) -> float:
        """Eat this much, quote units > 0; the average log distance of what was eaten."""
        first, last = self.eaten, self.eaten + notional
        self.eaten = last
        over = 1.0 + self._power
        whole = math.pow(last / self._scale, over) - math.pow(first / self._scale, over)
        return _PERCENT * whole * self._scale / (over * notional)


class Footprints:
    """What trades have displaced and has not faded yet, as a log price."""

    def __init__(self) -> None:
        self._parts = [0.0] * len(FADING_S)

    @property
    def displacement(self) -> float:
        """Log price above (below) where it would be without recent trades."""
        return sum(self._parts)

    def fade(self, dt_s: float) -> None:
        """Let time pass: the farther the price is out, the more of those who trade other venues bring it back."""
        out = dt_s / _ARBITRAGE_S * min(1.0, (self.displacement / _ARBITRAGE_AT) ** 2)
        self._parts = [part * math.exp(-dt_s / span - out) for part, span in zip(self._parts, FADING_S, strict=True)]

    def press(self, displacement: float, over_s: float = 0.0) -> None:
        """Add what a trade displaced, log price, less the share that stays while it is held (`SHADING`).

        Args:
            displacement: log price.
            over_s: seconds it took, evenly, up to now; part of it has faded already.
        """
        shares = FADING_SHARES
        if over_s > 0.0:
            left = [span / over_s * -math.expm1(-over_s / span) for span in FADING_S]
            shares = tuple(share * rest for share, rest in zip(shares, left, strict=True))
        self._parts = [part + share * displacement for part, share in zip(self._parts, shares, strict=True)]

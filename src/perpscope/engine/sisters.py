"""Whether a stream that is quiet by nature is quiet for too long, judged by streams that move with it.

In: minute by minute, whether the stream spoke and whether its sisters did. Out: the chance that a healthy stream would
have said nothing since it last spoke. No clock of its own: in a quiet market its sisters are quiet too.
"""

import math
from typing import Final

#: Minutes in which the sisters spoke that the ratio looks back on (chosen by hand: a week of a lively market).
_REMEMBERED: Final = 2_000.0
#: Times the stream must have spoken in such minutes before its ratio is believed (chosen by hand).
_LEAST_HITS: Final = 20.0
#: Liquidations come in clusters, and clusters in clusters: variance over mean of minutes with any (chosen by hand).
_DISPERSION: Final = 3.0


class Sisters:
    """One stream beside its sisters.

    With p the long-run share of the sisters' minutes in which the stream spoke too, and k their minutes since it last
    spoke, a Poisson count of mean λ = k × p is zero with chance exp(-λ); with variance φ times the mean, exp(-λ ÷ φ).
    https://en.wikipedia.org/wiki/Poisson_distribution, https://en.wikipedia.org/wiki/Overdispersion

    Args:
        prior: p of a stream that has not spoken yet; None if it is not to be judged then.
    """

    __slots__ = ("_hits", "_minutes", "_prior", "missed")

    def __init__(self, prior: float | None = None) -> None:
        self.missed = 0  #: minutes in which the sisters spoke, since the stream last did
        self._prior = prior
        self._minutes = 0.0
        self._hits = 0.0

    def minute(self, *, spoke: bool, sisters_spoke: bool) -> None:
        """Take one minute. What was missed counts against the ratio only when the stream has spoken again."""
        self.missed += sisters_spoke and not spoke
        if not spoke:
            return
        self._minutes += self.missed + sisters_spoke
        self._hits += sisters_spoke
        self.missed = 0
        if self._minutes > _REMEMBERED:
            self._hits *= _REMEMBERED / self._minutes
            self._minutes = _REMEMBERED

    def begin(self) -> None:
        """Listening begins, or begins anew: nothing has been missed."""
        self.missed = 0

    @property
    def ratio(self) -> float | None:
        """p; None while it is not known well enough."""
        if self._hits >= _LEAST_HITS:
            return self._hits / self._minutes
        return self._prior if self._minutes == 0.0 else None

    @property
    def chance(self) -> float:
        """The chance that a healthy stream would have been quiet for as long as this one; 1 if that is not known."""
        ratio = self.ratio
        return 1.0 if ratio is None else math.exp(-self.missed * ratio / _DISPERSION)

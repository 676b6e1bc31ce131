"""How large liquidations are, from which follows how much of them a sampled feed does not tell (METHOD §3.1).

The distribution is empirical: a complete feed's sizes of the same symbol, rescaled to the sampled venue by what both
tell of isolated events; else the venue's own prints of quiet minutes, in which hardly any were left out.
"""

import msgspec
import numpy as np

from perpscope.analytics.totals.prints import Flags, Floats, Prints, heads

NEWEST = 20_000  #: sizes that are kept (METHOD §3.1)
_ALONE_S = 5  #: an isolated print has no other within so many seconds (chosen by hand)
_FEWEST = 30  #: isolated prints of each venue for a ratio, and sizes for a distribution (chosen by hand)
_QUIET_SHARE = 0.10  #: of a minute's seconds that have a print (METHOD §3.1)
_TOP = 1.0 - 1e-9  #: the share below any size, at most: a second is never wholly explored


class Sizes(msgspec.Struct, frozen=True):
    """An empirical distribution of dollars."""

    usd: Floats  #: (n,) ascending, n > 0
    source: str  #: "complete", "quiet" or "own": whose sizes these are
    scale: float = 1.0  #: by which a complete feed's were multiplied

    def below(self, usd: Floats) -> Floats:
        """F(m): share of liquidations not larger; (k,), in [0, 1)."""
        found: Floats = np.searchsorted(self.usd, usd, "right") / (len(self.usd) + 1)
        return np.minimum(found, _TOP)

    def partial_mean(self, usd: Floats) -> Floats:
        """G(m) = ∫₀ᵐ x dF: dollars; (k,)."""
        return self._partial(self.usd, usd)

    def partial_square(self, usd: Floats) -> Floats:
        """∫₀ᵐ x² dF: dollars squared; (k,)."""
        return self._partial(self.usd**2, usd)

    def _partial(self, of: Floats, usd: Floats) -> Floats:
        sums = np.concatenate([np.zeros(1), np.cumsum(of)]) / len(of)
        found: Floats = sums[np.searchsorted(self.usd, usd, "right")]
        return found


def sizes_of(usd: Floats, source: str = "complete", scale: float = 1.0) -> Sizes:
    """The distribution of some dollars, times a scale.

    Raises:
        ValueError: there are none.
    """
    if not len(usd):
        raise ValueError("a distribution of sizes needs at least one")
    return Sizes(np.sort(usd[-NEWEST:]) * scale, source, scale)


def choose_sizes(own: Prints, complete: Prints | None) -> Sizes:
    """The best distribution for a sampled venue's prints (METHOD §3.1, "F: empirical from …").

    Args:
        own: prints of the sampled venue, at least one.
        complete: a complete feed's of the same coin; None = there is none.

    Raises:
        ValueError: there is not one print of its own.
    """
    if complete is not None and len(complete) >= _FEWEST:
        ours, theirs = own.usd[isolated(own)], complete.usd[isolated(complete)]
        if min(len(ours), len(theirs)) >= _FEWEST:
            return sizes_of(complete.usd, "complete", float(np.median(ours) / np.median(theirs)))
    calm = own.usd[quiet(own)]
    return sizes_of(calm, "quiet") if len(calm) >= _FEWEST else sizes_of(own.usd, "own")


def isolated(of: Prints) -> Flags:
    """(n,) Prints with no other within five seconds, in a feed of any sampling."""
    apart = np.diff(of.second) > _ALONE_S
    ends = np.ones(min(1, len(of)), np.bool_)
    return np.concatenate([ends, apart]) & np.concatenate([apart, ends]) if len(of) else np.empty(0, np.bool_)


def quiet(of: Prints) -> Flags:
    """(n,) Prints in minutes of which at most a tenth of the seconds have one."""
    minute, counts = np.unique(heads(of).second // 60, return_counts=True)
    calm = counts <= _QUIET_SHARE * 60
    return np.isin(of.second // 60, minute[calm])

"""What a feed of at most one print each second left out, second by second (METHOD §3.1–3.3).

Liquidations of a second are Poisson(λ), their sizes independent. `largest`: the one published says how much of the
ranking was passed over. `latest`: only whether a second is occupied says anything, and nothing once nearly all are.
"""

import msgspec
import numpy as np

from perpscope.analytics.totals.kernels import Surroundings, Watchtime
from perpscope.analytics.totals.prints import Flags, Floats, Heads, Ints, Prints, heads
from perpscope.analytics.totals.sizes import Sizes
from perpscope.model.market import Sampling

TAU_S = 3.0  #: time constant of the pilot rate (METHOD §3.1)
SHORT_S = 1.25  #: of the rate in a burst
_TURN = 3.0  #: events per second at which the two weigh alike
_K0 = 1e-3  #: weight of the rate of the whole stretch
_SPLIT_S = 3.0  #: time constant of the split by side
_FULL = 0.8  #: occupied share above which `latest` cannot tell (METHOD §3.2)
#: Events per second above which `largest` is called saturated: METHOD §14 finds totals 7 % low at 13 (chosen by hand).
_PACKED = 10.0


class Unseen(msgspec.Struct, frozen=True):
    """What was left out beside each occupied second; arrays (n,) in order of time. Expectations."""

    second: Ints  #: s UTC
    rate: Floats  #: λ, events per second, those published among them
    events: Floats
    usd: Floats
    squares: Floats  #: sum of the squares of the dollars: the variance of a compound Poisson sum
    wobble: Floats  #: standard deviation of `usd` for not knowing λ; alike within a block
    long_share: Floats  #: of the dollars, in [0, 1]
    saturated: Flags  #: more came than the feed can tell
    is_open: bool  #: nothing bounds a saturated second from above (`latest`)
    block_s: float  #: within which errors of the rate are alike, s


def common_rate(passed: Floats, empty: float, prior: tuple[float, float] = (0.0, 0.0)) -> float:
    """λ̂ of `largest`, where one rate held throughout: eq. (2); mean of its Gamma posterior with a Gamma prior.

    Args:
        passed: F(m) of the print of each occupied second.
        empty: seconds without a print.
        prior: shape and rate (a, b) of a Gamma prior; (0, 0) = none.

    Raises:
        ValueError: nothing was watched.

    >>> sizes = 1 - np.exp(-np.array([8.0, 15.0, 30.0, 5.0]) / 10)
    >>> round(common_rate(sizes, 6), 6)
    0.545794
    """
    exposure = prior[1] + float((1.0 - passed).sum()) + empty
    if not exposure > 0:
        raise ValueError("a rate needs a second that was watched")
    return (prior[0] + len(passed)) / exposure


def occupancy_rate(occupied: Floats) -> Floats:
    """λ̂ of `latest`: −ln(1 − p) for each occupied share p in [0, 1) (METHOD §3.2).

    >>> [round(float(rate), 6) for rate in occupancy_rate(np.array([0.0, 0.4]))]
    [0.0, 0.510826]
    """
    rate: Floats = -np.log1p(-occupied)
    return rate


def unseen(
    prints: Prints,
    watch: Watchtime,
    sampling: Sampling,
    sizes: Sizes,
    *,
    tau_s: float = TAU_S,
    short_s: float = SHORT_S,
    per_side: bool = False,
    is_causal: bool = False,
) -> Unseen:
    """What a sampled feed left out.

    Args:
        prints: of one symbol.
        watch: when it was watched.
        sampling: `LARGEST_1S` or `LATEST_1S`.
        sizes: how large liquidations of this symbol and venue are; `latest` makes no use of it.
        tau_s: time constant of the rate, s.
        short_s: of the rate in a burst, s; not above `tau_s`. Of `largest`.
        per_side: each side has a print of its own each second, so each is estimated by itself.
        is_causal: use nothing later than the second itself; to be revised once 15 s have passed.

    Raises:
        ValueError: `sampling` is neither of the two.
    """
    if sampling not in {Sampling.LARGEST_1S, Sampling.LATEST_1S}:
        raise ValueError(f"only one print a second can be estimated from, was {sampling.value}")
    parts = [prints.only(prints.is_long), prints.only(~prints.is_long)] if per_side else [prints]
    found = [
        _pooled(heads(part), watch, sampling, sizes, (tau_s, min(short_s, tau_s)), is_causal)
        for part in parts
        if len(part)
    ]
    if not found:
        none = np.empty(0)
        is_open = sampling is Sampling.LATEST_1S
        return Unseen(prints.second, none, none, none, none, none, none, np.empty(0, np.bool_), is_open, 4 * tau_s)
    order = np.argsort(np.concatenate([part.second for part in found]), kind="stable")
    arrays = {
        name: np.concatenate([getattr(part, name) for part in found])[order]
        for name in Unseen.__struct_fields__
        if name not in {"is_open", "block_s"}
    }
    return Unseen(**arrays, is_open=found[0].is_open, block_s=found[0].block_s)


def _pooled(
    of: Heads, watch: Watchtime, sampling: Sampling, sizes: Sizes, taus_s: tuple[float, float], is_causal: bool
) -> Unseen:
    """One print of each second, whichever side; time constants in calm and in a burst."""
    tau_s = taus_s[0]
    around = Surroundings(of.second, watch, max(tau_s, _SPLIT_S))
    long = around.smoothed(of.long_usd, 0.0, _SPLIT_S, is_causal=is_causal)
    share = np.clip(long / around.smoothed(of.usd, 0.0, _SPLIT_S, is_causal=is_causal), 0.0, 1.0)
    known = of.usd - of.largest  #: of two in one second the smaller is no longer unseen
    if sampling is Sampling.LARGEST_1S:
        passed = sizes.below(of.largest)
        empty = max(watch.seconds - len(of.second), 0)
        base = 0.0 if is_causal else min(common_rate(passed, empty), 1.0)  # of the whole stretch, later seconds too
        rate, weight = _largest_rate(around, passed, base, taus_s, is_causal)
        usd = np.maximum(rate * sizes.partial_mean(of.largest) - known, 0.0)
        squares = rate * sizes.partial_square(of.largest)
        return Unseen(
            of.second,
            rate,
            rate * passed,
            usd,
            squares,
            usd / np.sqrt(weight),
            share,
            rate > _PACKED,
            is_open=False,
            block_s=4 * tau_s,
        )
    span_s = (2 if is_causal else 4) * tau_s
    full = around.occupied(tau_s, is_causal=is_causal)
    p = np.minimum(full, 1.0 - 1.0 / (4 * tau_s))
    rate = occupancy_rate(p)
    more = rate / p - 1.0
    usd = np.maximum(of.largest * more - known, 0.0)
    steepness = (p / (1.0 - p) - rate) / p**2  # of `more`, by p
    wobble = of.largest * steepness * np.sqrt(p * (1.0 - p) / span_s)
    squares = of.largest**2 * more * (1.0 + more)  # of those unseen, and of standing for them by one that was seen
    return Unseen(of.second, rate, more, usd, squares, wobble, share, full > _FULL, is_open=True, block_s=4 * tau_s)


def _largest_rate(
    around: Surroundings, passed: Floats, base: float, taus_s: tuple[float, float], is_causal: bool
) -> tuple[Floats, Floats]:
    """λ̂ of `largest` around each print, and how many prints it rests on (METHOD §3.1, kernel and bandwidth)."""
    wide, wide_n = _ratio(around, passed, base, taus_s[0], is_causal)
    narrow, narrow_n = _ratio(around, passed, base, taus_s[1], is_causal)
    calm = 1.0 / (1.0 + (wide / _TURN) ** 2)
    return calm * wide + (1.0 - calm) * narrow, calm * wide_n + (1.0 - calm) * narrow_n


def _ratio(around: Surroundings, passed: Floats, base: float, tau_s: float, is_causal: bool) -> tuple[Floats, Floats]:
    """Prints over exposure, both weighted; `1 − p/4τ` takes out the bias of sampling until one is found."""
    span_s = (2 if is_causal else 4) * tau_s  # 1 / Σ w² of the weights
    seen = around.smoothed(np.ones(len(passed)), 0.0, tau_s, is_causal=is_causal)
    exposed = around.smoothed(1.0 - passed, 1.0, tau_s, is_causal=is_causal)
    p = around.occupied(tau_s, is_causal=is_causal)
    rate = (seen * (1.0 - p / span_s) + _K0 * base) / (exposed + _K0)
    return rate, np.maximum(p * span_s, 0.5)

"""What one venue will see of a crowd's second: when trades, closings by force and new quotes come, and the price.

In: the second, and chance. Out: a `Plan`. Trades add up to what takers bought and sold, to the lot; closings by force
keep their own times, and the price goes through their fills.
"""

import math
import random
from bisect import bisect_right

import msgspec

from perpscope.lab.agents.crowd import Second
from perpscope.lab.agents.truth import Forced

_MS = 1_000_000
_S = 1_000_000_000
_TRADE_USD, _MOST_TRADES = 3_500.0, 10  # mean of a taker's trade; most of a side in a second
_LIVELY_MOVE = 0.0001  # log move of a second at which quotes are as busy again
_LIVELIEST = 4.0


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Something that is going to happen."""

    ts: int  #: ns UTC, on a whole millisecond
    steps: int = 0  #: of the venue, that a taker buys (< 0: sells); 0: quotes alone
    forced: Forced | None = None


class Plan(msgspec.Struct, frozen=True, gc=False):
    """One venue's second."""

    moments: list[Moment]  #: in order of time; the last is just before the second's end
    times: list[int]  #: ns UTC, between which the price goes straight
    prices: list[float]  #: quote per base, at those times

    def price_at(self, ts: int) -> float:
        """Where the price is, quote per base."""
        at = min(bisect_right(self.times, ts), len(self.times) - 1)
        begin, end = self.times[at - 1], self.times[at]
        first, last = self.prices[at - 1], self.prices[at]
        return first + (last - first) * (ts - begin) / max(1, end - begin)


def plan(rng: random.Random, second: Second, row: int, step: float, lot: float, activity: float) -> Plan:
    """What one venue will see.

    Args:
        rng: decides when within the second, and in how many pieces.
        second: the crowd's.
        row: of the venue.
        step: of the venue, base units; a lot is a whole number of them.
        lot: of the crowd, base units.
        activity: moments at which quotes change, in a calm second.
    """
    ts, first, last = second.before.ts, second.before.last[row], second.after.last[row]
    times, prices, moments = [ts], [first], []
    bought, sold = round(second.bought[row] / step), round(second.sold[row] / step)
    for forced in second.forced:
        if forced.venue != row:
            continue
        at = max(ts, forced.ts - forced.ts % _MS)
        moments.append(Moment(at, 0, forced))
        if forced.filled_lots:
            times.append(at)
            prices.append(forced.fill_price)
            filled = round(forced.filled_lots * lot / step)
            bought, sold = (bought, sold - filled) if forced.side > 0 else (bought - filled, sold)
    dollars = step * last / _TRADE_USD
    for steps, sign in ((bought, 1), (sold, -1)):
        for part in parts(rng, steps, min(_MOST_TRADES, 1 + int(steps * dollars))):
            moments.append(Moment(_within(rng, ts), sign * part))
    liveliness = min(_LIVELIEST, abs(math.log(last / first)) / _LIVELY_MOVE)
    quotes = activity * (0.5 + 0.25 * liveliness) + rng.random()
    moments.extend(Moment(_within(rng, ts)) for _ in range(int(quotes)))
    moments.sort(key=_ts)
    moments.append(Moment(ts + 999 * _MS))
    return Plan(moments, [*times, ts + _S], [*prices, last])


def parts(rng: random.Random, whole: int, count: int) -> list[int]:
    """A number in so many parts, all at least one; in fewer if it is smaller, in none if it is 0.

    >>> parts(random.Random(1), 10, 3)
    [2, 1, 7]
    """
    if whole < 1:
        return []
    cuts = sorted(rng.sample(range(1, whole), min(count, whole) - 1))
    return [end - begin for begin, end in zip([0, *cuts], [*cuts, whole], strict=True)]


def _within(rng: random.Random, ts: int) -> int:
    return ts + rng.randrange(1, 999) * _MS


def _ts(moment: Moment) -> int:
    return moment.ts

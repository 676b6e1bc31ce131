"""How long a run takes from the exchange's own clock to an order on its way, and where that time goes (B24, S4-72).

In: times at which things happened: market time (ns UTC) up to the decision, real seconds from there on. Out: `Spread`s
in milliseconds of real time, by stage. A stage is one histogram of fixed size, however long the run lasts.

The chain is exchange → receive → decide → journal → send → acknowledge. Up to the decision times are compared on the
market clock, which a lab may drive faster than real time: they are divided by its rate. An exchange whose clock is
ahead of ours by more than the way takes would come to less than nothing: that counts as nothing.
"""

import time
from collections.abc import Callable
from math import ceil, exp2, log2
from typing import Final

import msgspec

from perpscope.model.trade_status import Spread

#: Stages in the order of the chain. `whole` goes from the exchange's time to the order sent (on paper: decided).
STAGES: Final = ("receive", "decide", "journal", "send", "acknowledge", "whole")
#: What the documents promise of the whole, milliseconds (S2, S4).
PROMISED_MS: Final = 100.0
_STEPS: Final = ("journal", "send", "acknowledge")
#: Bins are a sixteenth of an octave wide: a quantile is too large by at most 4.5 %.
_PER_OCTAVE: Final = 16
_LEAST_MS: Final = 0.001
#: 2²⁷ µs: more than two minutes.
_BINS: Final = 27 * _PER_OCTAVE + 1
#: Orders that are followed at once; beyond that the oldest are given up (B16).
_FOLLOWED: Final = 64
_NS_PER_MS: Final = 1e6


class Histogram:
    """Durations in bins of equal ratio; constant memory.

    >>> took = Histogram()
    >>> for ms in (1.0, 2.0, 4.0):
    ...     took.add(ms)
    >>> round(took.quantile(0.5), 2), took.count
    (2.05, 3)
    """

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self.count = 0
        self._bins = [0] * _BINS

    def add(self, ms: float) -> None:
        """Note a duration, milliseconds."""
        number = 0 if ms <= _LEAST_MS else min(ceil(_PER_OCTAVE * log2(ms / _LEAST_MS)), _BINS - 1)
        self._bins[number] += 1
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """What this share of the durations did not exceed, ms, rounded up to the edge of a bin; None without any."""
        wanted, seen = share * self.count, 0
        for number, count in enumerate(self._bins):
            seen += count
            if count and seen >= wanted:
                return _LEAST_MS * exp2(number / _PER_OCTAVE)
        return None

    @property
    def spread(self) -> Spread:
        """Its middle and its tail."""
        return Spread(p50=self.quantile(0.5), p95=self.quantile(0.95), p99=self.quantile(0.99), count=self.count)


class _Chain(msgspec.Struct):
    """An order on its way."""

    until_decided_ms: float  #: since the exchange's time of what it was decided on
    decided_at: float  #: real seconds
    stepped_at: float  #: real seconds, of the newest step
    steps: int = 0  #: so many are behind it


class Latency:
    """The stages of one run.

    Args:
        rate: market seconds per real second, now.
        is_sent: orders go to an exchange; False on paper, where the whole ends with the decision.
        monotonic: real seconds.
    """

    def __init__(
        self,
        rate: Callable[[], float] = lambda: 1.0,
        *,
        is_sent: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._is_sent = is_sent
        self._monotonic = monotonic
        self._took = {stage: Histogram() for stage in STAGES}
        self._chains: dict[str, _Chain] = {}

    def received(self, ts_event: int, ts_recv: int) -> None:
        """An event of the market came.

        Args:
            ts_event: ns UTC, the exchange's.
            ts_recv: ns UTC, our receipt.
        """
        self._took["receive"].add(self._real_ms(ts_recv - ts_event))

    def decided(self, ts_event: int, ts_recv: int, now_ns: int, order: str = "") -> None:
        """Something was decided on an event.

        Args:
            ts_event: ns UTC, the exchange's time of it; of a Tick its receipt.
            ts_recv: ns UTC, our receipt.
            now_ns: ns UTC, once the decision stood.
            order: id of the order it came to; empty = an opinion alone.
        """
        self._took["decide"].add(self._real_ms(now_ns - ts_recv))
        whole = self._real_ms(now_ns - ts_event)
        if not self._is_sent:
            self._took["whole"].add(whole)
        elif order:
            if len(self._chains) == _FOLLOWED:
                del self._chains[next(iter(self._chains))]
            now = self._monotonic()
            self._chains[order] = _Chain(whole, now, now)

    def stepped(self, order: str, step: str) -> None:
        """An order has come further: "journal" (it is written down), "send" (it is on the wire), "acknowledge".

        Orders that nobody decided, or that were given up, are passed over; so is a step that comes again.
        """
        chain, number = self._chains.get(order), _STEPS.index(step)
        if chain is None or number < chain.steps:
            return
        now = self._monotonic()
        self._took[step].add((now - chain.stepped_at) * 1e3)
        chain.stepped_at, chain.steps = now, number + 1
        if step == "send":
            self._took["whole"].add(chain.until_decided_ms + (now - chain.decided_at) * 1e3)
        elif step == "acknowledge":
            del self._chains[order]

    @property
    def spreads(self) -> dict[str, Spread]:
        """Every stage, for `TradeStatus.latency_ms`; one that never happened has no figures."""
        return {stage: took.spread for stage, took in self._took.items()}

    def _real_ms(self, market_ns: int) -> float:
        return max(0.0, market_ns / self._rate() / _NS_PER_MS)

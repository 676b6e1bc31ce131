"""The lab's market clock: the only module of the lab that reads real time.

Market time is a start plus real time elapsed, times a rate. Whoever wants to live in the same time reads the
`anchor` (served at `/lab/clock`) and extrapolates. An unpaced clock (rate infinite) stands where the tape has come to.
"""

import math
import time

import msgspec

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Anchor(msgspec.Struct, frozen=True):
    """One instant in both times; `market_ns + (wall - wall_ns) * rate` is market time while `is_running`."""

    market_ns: int  #: ns UTC, market time
    wall_ns: int  #: ns UTC, the machine's clock at the same instant
    rate: float | None  #: market seconds per real second; None if unpaced: market time is where the tape is
    is_running: bool  #: False while held: market time stands still
    asked_rate: float | None  #: what was asked for; more than `rate` where the exchange cannot keep up


class LabClock:
    """Market time. Held until `start`.

    Args:
        start_ns: market time while held, ns UTC.
        rate: market seconds per real second, > 0; `math.inf` for a clock that is moved by `advance_to` alone.

    Raises:
        ValueError: the rate is not positive.
    """

    def __init__(self, start_ns: int, rate: float = 1.0) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be > 0, was {rate}")
        self._position_ns = start_ns
        self._asked_rate = self._rate = rate
        self._started_at_ns: int | None = None

    @property
    def is_running(self) -> bool:
        """False while held."""
        return self._started_at_ns is not None

    @property
    def is_paced(self) -> bool:
        """True if real time drives it."""
        return math.isfinite(self._rate)

    @property
    def rate(self) -> float:
        """Market seconds per real second; infinite if unpaced."""
        return self._rate

    @property
    def asked_rate(self) -> float:
        """What the rate should be; it is less where the exchange cannot keep up."""
        return self._asked_rate

    def pace(self, rate: float) -> None:
        """Go on at another rate from here, no faster than was asked for; without effect on an unpaced clock.

        Raises:
            ValueError: the rate is not positive.
        """
        if not rate > 0:
            raise ValueError(f"rate must be > 0, was {rate}")
        if not self.is_paced:
            return
        self._position_ns, now_ns = self.now_ns(), time.monotonic_ns()
        if self._started_at_ns is not None:
            self._started_at_ns = now_ns
        self._rate = min(rate, self._asked_rate)

    def start(self) -> None:
        """Let market time run; without effect if it runs already."""
        if self._started_at_ns is None:
            self._started_at_ns = time.monotonic_ns()

    def hold(self) -> None:
        """Let market time stand still where it is."""
        self._position_ns = self.now_ns()
        self._started_at_ns = None

    def advance_to(self, ts_ns: int) -> None:
        """Move an unpaced clock forward to `ts_ns`; never back. Without effect on a paced clock."""
        if not self.is_paced and ts_ns > self._position_ns:
            self._position_ns = ts_ns

    def now_ns(self) -> int:
        """Market time, ns UTC; never goes back."""
        if self._started_at_ns is None or not self.is_paced:
            return self._position_ns
        return self._position_ns + int((time.monotonic_ns() - self._started_at_ns) * self._rate)

    def seconds_until(self, ts_ns: int) -> float:
        """Real seconds until market time is `ts_ns`; 0 if it is past or the clock is unpaced."""
        return max(0.0, (ts_ns - self.now_ns()) / NS_PER_S / self._rate)

    def anchor(self) -> Anchor:
        """The two times of this instant."""
        rates = (self._rate, self._asked_rate) if self.is_paced else (None, None)
        return Anchor(self.now_ns(), time.time_ns(), rates[0], self.is_running, rates[1])


def real_seconds() -> float:
    """Real time elapsed since some moment: for rules a client feels in its own time, whatever the market's rate."""
    return time.monotonic()


def wall_ns() -> int:
    """The machine's clock, ns UTC: a natural start for a market nobody needs to repeat."""
    return time.time_ns()

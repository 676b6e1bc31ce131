"""One coin's agent market behind the venues' wires: a second at a time, the same second for every venue.

In: a `Past`, and the passing of market seconds. Out: what happened in each second and how things stood before and
after it, for as many venues as have joined; and the truth. The crowd is a second ahead of the wires: whoever asks for a
second is told all that will have happened in it.
"""

import math

import msgspec

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.lived import Past
from perpscope.lab.agents.people import stances
from perpscope.lab.agents.recorder import Recorder
from perpscope.lab.agents.truth import Forced, Table, Truth, true_map

_NS_PER_S = 1_000_000_000
_HOUR_NS = 3600 * _NS_PER_S
_PERIOD_NS = 300 * _NS_PER_S  # between two counts of who is long


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How things stood at one moment; tuples have a value a venue."""

    ts: int  #: ns UTC
    index: float  #: quote per base
    depth: float  #: quotes that are there, as a share of a calm market's
    last: tuple[float, ...]  #: quote per base
    mark: tuple[float, ...]
    funding_rate: tuple[float, ...]  #: as it would be paid now, fraction of eight hours; as paid where it just was
    open_interest: tuple[float, ...]  #: base units, one side
    stances: Floats | None  #: who is long, as `stances` has it; at whole five minutes alone


class Second(msgspec.Struct, frozen=True, gc=False):
    """What happened in one second; tuples have a value a venue."""

    before: Standing
    after: Standing
    bought: tuple[float, ...]  #: by takers, base units; orders that closed positions by force among them
    sold: tuple[float, ...]
    forced: tuple[Forced, ...]  #: closings by force, in order of time


class Crowd:
    """The people who trade one coin.

    Args:
        past: what they have done so far; its market goes on here, and nobody else may step it.
        keeps_truth: whether every second is written down (half a kilobyte) and the true map every quarter of an hour;
            if not, what has ended is forgotten within the hour.
    """

    def __init__(self, past: Past, *, keeps_truth: bool = False) -> None:
        self.past = past
        self._market = market = past.market
        setting = market.setting
        self.lot = setting.lot  #: base units
        self.kappa = market.habits.kappa  #: steepness of the books
        #: quote units within 1 % of the best price, one side, in a calm market, by venue
        self.depth_usd = tuple(market.habits.depth_share * market.typical_usd * place.share for place in setting.places)
        self._recorder = Recorder(market) if keeps_truth else None
        self._joined = 0
        self._kept: dict[int, Second] = {}
        self._left: dict[int, int] = {}  # venues that have yet to ask for a second
        self._forced = len(market.chronicle.forced)  # told so far
        self.standing = self._standing()  #: at the end of the newest second

    @property
    def ts(self) -> int:
        """How far it has come, ns UTC."""
        return self._market.ts

    def join(self, venue: str) -> int:
        """A venue will ask for every second from the next one on; its row in the tuples.

        Raises:
            ValueError: the venue is none of the market's places.
        """
        row = self.past.places.index(venue)
        self._joined += 1
        return row

    def second(self, ts: int) -> Second:
        """What happens in [ts, ts + 1 s). Each venue that joined asks once a second, in order.

        Raises:
            KeyError: it is not the next second, or all who joined have asked for it.
        """
        if ts == self._market.ts:
            self._kept[ts], self._left[ts] = self._next(), self._joined
        second = self._kept[ts]
        self._left[ts] -= 1
        if self._left[ts] <= 0:
            del self._kept[ts], self._left[ts]
        return second

    def _next(self) -> Second:
        market, before = self._market, self.standing
        step = market.step()
        if self._recorder is not None:
            self._recorder.take(step)
        forced = market.chronicle.forced[self._forced :]
        self._forced += len(forced)
        if self._recorder is None and market.ts % _HOUR_NS == 0:
            market.chronicle.forget()
            self._forced = 0
        self.standing = self._standing()
        return Second(
            before,
            self.standing,
            tuple(round(lots * self.lot, 8) for lots in step.bought),
            tuple(round(lots * self.lot, 8) for lots in step.sold),
            tuple(sorted(forced, key=_ts)),
        )

    def _standing(self) -> Standing:
        market = self._market
        return Standing(
            market.ts,
            math.exp(market.log_index),
            market.depth,
            tuple(market.last),
            tuple(market.mark.tolist()),
            tuple(market.funding_ahead),
            tuple(round(lots * self.lot, 8) for lots in market.exchange.open_interest.tolist()),
            stances(market.exchange) if market.ts % _PERIOD_NS == 0 else None,
        )

    # the truth -----------------------------------------------------------------------------------------------------

    def true_map(self) -> Table:
        """Where the liquidation prices of all open positions lie, as of `ts`; columns as in the truth log."""
        market = self._market
        return true_map(market.exchange, market.mark, market.ts)

    def truth(self) -> Truth:
        """Every second since the opening, every position and closing by force since the crowd's beginning.

        Raises:
            ValueError: the crowd was not asked to keep it.
        """
        if self._recorder is None:
            raise ValueError("the crowd keeps no truth: keeps_truth")
        return self._recorder.truth()


def _ts(row: Forced) -> int:
    return row.ts

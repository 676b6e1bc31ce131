"""The liquidation map as it was known at each moment of a history of candles: rows for strategies that look at it.

In: an instrument's candles as they were received, and its open interest where it is told. Out: `Clusters`, each made
of candles that were over when it is told, in one pass: what comes later cannot change it. Where open interest is not
told, it is taken to be a share of a day's volume; METHOD 14b found that the map does not hang on it.
"""

from collections.abc import Iterable, Iterator
from math import nan
from typing import Final

import msgspec

from perpscope.analytics import margin_venues
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS, Bar
from perpscope.analytics.liqmap.compiled_levels import lay_compiled, lay_numpy
from perpscope.analytics.liqmap.ladder import distance_ladder, leverage_ladder
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_tiers import TierTable, tier_table
from perpscope.app.liqmap.arithmetic import ENOUGH, arithmetic
from perpscope.app.liqmap.near import BURN_IN_NS, clusters_of
from perpscope.app.margin_tiers import tiers_for
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, OpenInterest
from perpscope.model.order import Clusters
from perpscope.trading.compiling import IS_COMPILED

#: Bars the map is fed, and how often it is told: minutes. Longer candles are taken as they are.
BAR_MIN: Final = 5
#: Open interest ÷ a day's volume, where it is not told: chosen by hand.
ASSUMED_SHARE: Final = 0.5
#: Days the volume is averaged over.
_DAYS: Final = 7
#: Open interest told longer ago is not known any more; ns.
_STALE_NS: Final = 3 * 3_600 * 1_000_000_000


class _Building(msgspec.Struct):
    """The bar that is forming; changed in place."""

    end: int = 0  #: ns UTC; 0 = none forms
    low: float = 0.0
    high: float = 0.0
    close: float = 0.0
    volume: float = 0.0
    turnover: float = 0.0  #: quote units


class _Usual(msgspec.Struct):
    """Volume by day since the first candle, for open interest that is not told; changed in place."""

    first: int = 0  #: ns UTC, start of the first candle
    running: float = 0.0  #: base units of the day that runs
    days: list[float] = []  #: base units of the days before it

    def take(self, candle: Candle) -> None:
        """Add a candle's volume to its day."""
        self.first = self.first or candle.ts_open
        while candle.ts_open >= self.first + DAY_NS:
            self.days, self.running = [*self.days, self.running][-_DAYS:], 0.0
            self.first += DAY_NS
        self.running += candle.volume

    @property
    def open_interest(self) -> float:
        """Base units; nan before a whole day was seen."""
        return ASSUMED_SHARE * sum(self.days) / len(self.days) if self.days else nan


def clusters(
    candles: Iterable[Candle],
    instrument: Instrument,
    open_interest: Iterable[OpenInterest] = (),
    table: TierTable | None = None,
) -> Iterator[Clusters]:
    """The nearest clusters of the map, each time a bar of it is over, from half a day after its first bar on.

    Args:
        candles: of the instrument, in the order they were received; those that are forming are passed over.
        instrument: whose.
        open_interest: in the order it was received; none = it is assumed, see `note`.
        table: margin tiers; None = those that ship, or one assumed tier.
    """
    growing = _Growing(instrument, table)
    told = iter(open_interest)
    waiting = next(told, None)
    for candle in candles:
        if not candle.is_closed:
            continue
        while waiting is not None and waiting.ts_recv <= candle.ts_recv:
            growing.open_interest, growing.told_at = waiting.open_interest, waiting.ts_recv
            waiting = next(told, None)
        for bar in growing.take(candle):
            found = growing.grown(bar, candle.ts_recv)
            if found is not None:
                yield found


def note(*, is_told: bool) -> str:
    """What a run that looks at the map has to say of it."""
    if is_told:
        return "liquidation map: made of this data's candles and open interest, as of each moment; tiers of today"
    return (
        f"liquidation map: made of this data's candles alone; open interest is not told and taken to be "
        f"{ASSUMED_SHARE:g} of a usual day's volume; tiers of today"
    )


class _Growing:
    """One instrument's map while its history goes by."""

    def __init__(self, instrument: Instrument, table: TierTable | None) -> None:
        self.instrument, self.table = instrument, table or tier_table(tiers_for(instrument).tiers)
        self.map: VenueMap | None = None  #: made when the first price is known
        self.began = 0  #: ns UTC, end of its first bar
        self.building, self.usual = _Building(), _Usual()
        self.open_interest, self.told_at = nan, 0
        self.seen_to = 0  #: ns UTC, end of the newest candle

    def take(self, candle: Candle) -> Iterator[Bar]:
        """Add a candle; the bars that are over by it, one or two."""
        building = self.building
        length = max(round((candle.ts_event - candle.ts_open) / MINUTE_NS), 1) * MINUTE_NS
        end = candle.ts_open + length
        if end <= self.seen_to:
            return
        self.seen_to = end
        if building.end and end > building.end:  # some candles of that bar never came
            yield self._bar()
        if not building.end:
            wide = max(length, BAR_MIN * MINUTE_NS)
            building.end = -(-end // wide) * wide if end % wide and length < wide else end
            building.low, building.high = candle.low, candle.high
            building.volume = building.turnover = 0.0
        building.low, building.high = min(building.low, candle.low), max(building.high, candle.high)
        building.close = candle.close
        building.volume += candle.volume
        middle = (candle.high + candle.low + candle.close) / 3.0
        building.turnover += candle.volume * middle if candle.quote_volume is None else candle.quote_volume
        self.usual.take(candle)
        if end == building.end:
            yield self._bar()

    def grown(self, bar: Bar, ts_recv: int) -> Clusters | None:
        """The map after a bar; None while it has not filled."""
        if self.map is None:
            terms = margin_venues.terms_of(self.instrument.venue, self.instrument.contract)
            ladders = (distance_ladder(), leverage_ladder(self.table, terms, price=bar.close))
            self.map = VenueMap(ladders, None, ("oi_flow",), arithmetic(ENOUGH))
        self.map.take(bar)
        if self.map.state is None:
            return None
        self.began = self.began or bar.ts
        if bar.ts < self.began + BURN_IN_NS:
            return None
        return clusters_of(self.instrument.id, self.map, ts_recv, lay_compiled if IS_COMPILED else lay_numpy)

    def _bar(self) -> Bar:
        building = self.building
        is_known = self.told_at > 0 and building.end - self.told_at <= _STALE_NS
        bar = Bar(
            ts=building.end,
            low=min(building.low, building.close),
            high=max(building.high, building.close),
            close=building.close,
            vwap=building.turnover / building.volume if building.volume > 0.0 else nan,
            volume=building.volume,
            open_interest=self.open_interest if is_known else nan if self.told_at else self.usual.open_interest,
        )
        building.end = 0
        return bar

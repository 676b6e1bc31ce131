"""A made past as the rows a store would hold, had every venue been listened to: of each what it tells, and no more.

In: the agent market's `Past` of one coin. Out: for each venue its instrument's rows by table, and its liquidations,
thinned out as the venue's feed does. What a venue tells is written down in `TOLD`; a test compares it with what the
live decoders make of the lab's wires.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.lab.agents.past import Past
from perpscope.lab.dialect import dialect
from perpscope.lab.symbols import contracts
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness, Interval, Liquidation, PositionSide, RatioKind, Sampling
from perpscope.model.stream import Channel
from perpscope.stores import bulk
from perpscope.stores.bulk import Column, Names, Portion, Times

_SECOND_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_HOUR_NS: Final = 60 * _MINUTE_NS
_PERIOD_M: Final = 5  # minutes of a ratio's period
_MINUTES: Final = {Interval.M1: 1, Interval.M15: 15, Interval.H1: 60}
_RATE_DECIMALS, _RATIO_DECIMALS, _USD_DECIMALS = 8, 4, 2

Floats = NDArray[np.float64]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue tells of itself."""

    candles: frozenset[str]  #: of quote_volume, trades, taker
    ratios: tuple[RatioKind, ...] = ()
    has_taker_volume: bool = False
    has_usd: bool = False  #: open interest in dollars too
    tells_due: bool = True  #: when funding is paid next
    tells_paid_mark: bool = False
    liquidations: Completeness | None = None  #: None: of nobody who is not followed
    sampling: Sampling = Sampling.NONE
    tells_fill: bool = False  #: of a liquidation; else the bankruptcy price alone


_ACCOUNTS: Final = (RatioKind.ALL_ACCOUNTS, RatioKind.TOP_ACCOUNTS, RatioKind.TOP_POSITIONS)
_SAMPLED: Final = Completeness.SAMPLED
TOLD: Final[Mapping[str, Told]] = {
    "binance": Told(
        candles=frozenset({"quote_volume", "trades", "taker"}),
        ratios=_ACCOUNTS,
        has_taker_volume=True,
        has_usd=True,
        tells_paid_mark=True,
        liquidations=_SAMPLED,
        sampling=Sampling.UNKNOWN,
        tells_fill=True,
    ),
    "bybit": Told(
        candles=frozenset({"quote_volume"}),
        ratios=_ACCOUNTS[:1],
        has_usd=True,
        liquidations=Completeness.COMPLETE,
    ),
    "okx": Told(
        candles=frozenset({"quote_volume"}),
        ratios=_ACCOUNTS,
        has_taker_volume=True,
        has_usd=True,
        liquidations=_SAMPLED,
        sampling=Sampling.UNKNOWN,
    ),
    "bitget": Told(
        candles=frozenset({"quote_volume"}),
        ratios=(RatioKind.ALL_ACCOUNTS, RatioKind.ALL_POSITIONS),
        has_taker_volume=True,
        liquidations=_SAMPLED,
        sampling=Sampling.LARGEST_1S,
    ),
    "hyperliquid": Told(candles=frozenset({"trades"}), tells_due=False),
}
#: Of a `Past`, what a kind of ratio is; Bitget's of positions is the largest accounts', as on the lab's wire.
_RATIO_COLUMNS: Final = {
    RatioKind.ALL_ACCOUNTS: "long_accounts",
    RatioKind.TOP_ACCOUNTS: "long_top_accounts",
    RatioKind.TOP_POSITIONS: "long_top_positions",
    RatioKind.ALL_POSITIONS: "long_top_positions",
}


class VenuePast:
    """One coin's past on one venue.

    Args:
        past: the coin's.
        venue: one of its places.
    """

    def __init__(self, past: Past, venue: str) -> None:
        (contract,) = contracts((past.base,))
        self.wire = dialect(venue)
        self.instrument: Instrument = self.wire.instrument(contract)
        self.told = TOLD[venue]
        self.begin, self.end = past.ts_begin, past.ts_end  #: ns UTC
        self._past = past
        self._row = past.places.index(venue)
        self._names = Names(venue, self.instrument.symbol, str(self.instrument.id))
        self._tick = float(self.instrument.tick_size or contract.tick)
        self._step = float(self.instrument.step_size or contract.step)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What the rows are of."""
        candles = (Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H)
        found = [*candles, Channel.MARK_PRICES, Channel.OPEN_INTEREST, Channel.FUNDING]
        found += [Channel.ACCOUNT_RATIOS] if self.told.ratios else []
        found += [Channel.TAKER_VOLUME] if self.told.has_taker_volume else []
        found += [Channel.LIQUIDATIONS] if self.told.liquidations else []
        return tuple(found)

    # tables --------------------------------------------------------------------------------------------------------

    def rows(self, times: "Grids") -> Portion:
        """By table, all but liquidations.

        Args:
            times: of this past.
        """
        portion = {f"candles_{interval.value}": self._candles(interval, times) for interval in Interval}
        portion["premium_index"] = self._marks(times)
        portion["open_interest"] = self._open_interest(times)
        portion["long_short_ratio"] = self._ratios(times)
        if self.told.has_taker_volume:
            portion["taker_volume"] = bulk.taker_volume(
                self._names, times.periods, _PERIOD_M * 60, *map(self._summed, ("bought", "sold"))
            )
        portion["funding_rates"] = self._fundings()
        return portion

    def _candles(self, interval: Interval, times: "Grids") -> Iterator[tuple[Any, ...]]:
        per, told = _MINUTES[interval], self.told.candles
        first, highs, lows, last = (self._prices(name) for name in ("open", "high", "low", "close"))
        bought, sold = self._sizes("bought"), self._sizes("sold")
        middle = (first + highs + lows + last) / 4.0
        volume = bought + sold
        return bulk.candles(
            self._names,
            interval,
            times.opened[interval],
            _blocks(first, per)[:, 0].tolist(),
            _blocks(highs, per).max(axis=1).tolist(),
            _blocks(lows, per).min(axis=1).tolist(),
            _blocks(last, per)[:, -1].tolist(),
            _total(volume, per),
            _total(volume * middle, per) if "quote_volume" in told else None,
            _blocks(self._of("trades"), per).sum(axis=1).tolist() if "trades" in told else None,
            _total(bought, per) if "taker" in told else None,
            _total(bought * middle, per) if "taker" in told else None,
        )

    def _marks(self, times: "Grids") -> Iterator[tuple[Any, ...]]:
        interval_h = self.wire.funding_interval_h
        due = times.due(interval_h) if self.told.tells_due else None
        mark, index = self._prices("mark").tolist(), self._prices("index").tolist()
        rate = np.round(self._of("funding_rate"), _RATE_DECIMALS).tolist()
        return bulk.marks(self._names, times.opened[Interval.M1], mark, index, rate, due, float(interval_h))

    def _open_interest(self, times: "Grids") -> Iterator[tuple[Any, ...]]:
        """As of the end of each minute but the last, which belongs to the minute that begins then."""
        held = self._sizes("open_interest")[:-1]
        usd = np.round(held * self._of("mark")[:-1], _USD_DECIMALS).tolist() if self.told.has_usd else None
        later = times.opened[Interval.M1]
        return bulk.open_interest(self._names, Times(later.ns[1:], later.text[1:]), held.tolist(), usd)

    def _ratios(self, times: "Grids") -> Iterator[tuple[Any, ...]]:
        for kind in self.told.ratios:
            longs = _blocks(self._of(_RATIO_COLUMNS[kind]), _PERIOD_M)[:, -1]
            rounded = np.round(longs, _RATIO_DECIMALS).tolist()
            yield from bulk.ratios(self._names, times.periods, kind, _PERIOD_M * 60, rounded)

    def _fundings(self) -> Iterator[tuple[Any, ...]]:
        every = self.wire.funding_interval_h * _HOUR_NS
        paid = list(range(-(-(self.begin + 1) // every) * every, self.end + 1, every))
        at = [(ts - self.begin) // _MINUTE_NS - 1 for ts in paid]
        rates = np.round(self._of("funding_rate")[at], _RATE_DECIMALS).tolist()
        marks: Column = self._prices("mark")[at].tolist() if self.told.tells_paid_mark else None
        return bulk.fundings(self._names, Times.of(paid), rates, marks)

    # liquidations --------------------------------------------------------------------------------------------------

    def liquidations(self) -> list[tuple[Liquidation, float | None]]:
        """What the venue's feed tells of them, oldest first, each with the mark price a minute before."""
        if self.told.liquidations is None:
            return []
        rows = self._past.liquidations
        mine = np.flatnonzero(rows["venue"] == self._row)
        events = [self._liquidation(int(at), number) for number, at in enumerate(mine)]
        marks = self._prices("mark")
        return [(event, self._reference(marks, event.ts_event)) for event in self._thinned(events)]

    def _liquidation(self, at: int, number: int) -> Liquidation:
        rows, told = self._past.liquidations, self.told
        fill, bankruptcy = (self._price(float(rows[name][at])) for name in ("fill_price", "bankruptcy_price"))
        ts = int(rows["ts"][at]) // _MS_NS * _MS_NS
        return Liquidation(
            self.instrument.id,
            ts,
            ts,
            PositionSide.LONG if rows["is_long"][at] else PositionSide.SHORT,
            round(round(float(rows["size"][at]) / self._step) * self._step, 8),
            (fill if fill is not None else bankruptcy) if told.tells_fill else None,
            bankruptcy,
            told.liquidations or _SAMPLED,
            told.sampling,
            None,
            str(number) if told.liquidations is Completeness.COMPLETE else "",
        )

    def _thinned(self, events: list[Liquidation]) -> list[Liquidation]:
        """One a second, as the lab's tellers choose: Bitget's largest of each side, OKX's first, Binance's last."""
        if self.told.liquidations is Completeness.COMPLETE:
            return events
        chosen: dict[tuple[int, PositionSide | None], Liquidation] = {}
        by_side, is_first = self.told.sampling is Sampling.LARGEST_1S, self._names.venue == "okx"
        for event in events:
            key = (event.ts_event // _SECOND_NS, event.position_side if by_side else None)
            held = chosen.get(key)
            if held is None or (event.size > held.size if by_side else not is_first):
                chosen[key] = event
        return list(chosen.values())

    def _reference(self, marks: Floats, ts: int) -> float | None:
        """The mark price of the minute that had ended a minute before."""
        at = (ts - _MINUTE_NS - self.begin) // _MINUTE_NS - 1
        return float(marks[at]) if at >= 0 else None

    # figures -------------------------------------------------------------------------------------------------------

    def _of(self, name: str) -> Floats:
        column: Floats = getattr(self._past, name)[self._row]
        return column

    def _prices(self, name: str) -> Floats:
        return np.round(np.round(self._of(name) / self._tick) * self._tick, 8)

    def _price(self, price: float) -> float | None:
        return round(round(price / self._tick) * self._tick, 8) if math.isfinite(price) else None

    def _sizes(self, name: str) -> Floats:
        return np.round(np.round(self._of(name) / self._step) * self._step, 8)

    def _summed(self, name: str) -> list[float]:
        return _total(self._sizes(name), _PERIOD_M)


class Grids:
    """The moments a past's rows are stamped with; the same for every coin and venue of one opening."""

    def __init__(self, begin: int, end: int) -> None:
        self.opened = {
            interval: Times.of(range(begin, end, interval.ns)) for interval in Interval
        }  #: when each candle opened
        self.periods = Times.of(range(begin + _PERIOD_M * _MINUTE_NS, end + 1, _PERIOD_M * _MINUTE_NS))
        self._ends = [ts + _MINUTE_NS for ts in self.opened[Interval.M1].ns]

    def due(self, interval_h: int) -> list[int]:
        """When funding was due, as told at the end of each minute, ns UTC."""
        every = interval_h * _HOUR_NS
        return [-(-ts // every) * every for ts in self._ends]


def _blocks(column: NDArray[Any], per: int) -> NDArray[Any]:
    return column.reshape(-1, per)


def _total(column: Floats, per: int) -> list[float]:
    totals: list[float] = np.round(_blocks(column, per).sum(axis=1), 8).tolist()
    return totals

"""A tape of events: the rows the event path would take, written in columns for the compiled loop.

In: one instrument's events, in the order of receipt. Out: a `Tape`. What the event path passes over is left out here
too, so that both decide alike.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from perpscope.engine.book_feed import BookFeed, OpenGaps, Reading
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Side,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Clusters, DerivedEvent, Forecast
from perpscope.trading import tape
from perpscope.trading.tape import Tape, TapeWriter
from perpscope.trading.units import Units

_NAN: Final = float("nan")


def tape_of(
    events: Iterable[MarketEvent | DerivedEvent],
    units: Units,
    instrument: InstrumentId,
    candles: Interval = Interval.M1,
) -> Tape:
    """A tape of one instrument's events.

    Args:
        events: in the order of receipt; those of other instruments are passed over.
        units: of the contract.
        instrument: what is traded.
        candles: which closed candles are taken.

    Raises:
        ValueError: the book's levels span more ticks than a ladder has.
    """
    taping = _Taping(units, instrument, candles)
    for event in events:
        taping.take(event)
    return taping.writer.tape()


class _Taping:
    """Knows a function for each kind of event that leaves a row."""

    def __init__(self, units: Units, instrument: InstrumentId, candles: Interval) -> None:
        self.writer = TapeWriter()
        self._instrument = instrument
        self._candles = candles
        self._book = BookFeed(instrument, units)
        self._gaps = OpenGaps(instrument)
        self._takes: Mapping[type, Callable[[Any], None]] = {
            Candle: self._candle,
            Trade: self._trade,
            BookDelta: self._delta,
            BookSnapshot: self._snapshot,
            MarkPrice: self._mark,
            FundingPaid: self._funding,
            Tick: self._second,
            Liquidation: self._liquidation,
            OpenInterest: self._open_interest,
            Clusters: self._clusters,
            Forecast: self._forecast,
            Gap: self._gap,
            Subscribed: self._book.subscribed,
            Unheard: self._dropped,
            Disconnected: self._dropped,
        }

    def take(self, event: MarketEvent | DerivedEvent) -> None:
        """Write a row, where the event makes one."""
        take = self._takes.get(type(event))
        if take is not None and getattr(event, "instrument", self._instrument) == self._instrument:
            take(event)

    def _candle(self, event: Candle) -> None:
        if not event.is_closed or event.interval is not self._candles:
            return
        bought = _NAN if event.taker_buy_volume is None else event.taker_buy_volume
        told = (event.open, event.high, event.low, event.close, event.volume, bought)
        self.writer.row(tape.CANDLE, event.ts_event, event.ts_recv, candles=told, opens=(event.ts_open,))

    def _trade(self, event: Trade) -> None:
        size = event.size if event.side is Side.BUY else -event.size
        self.writer.row(tape.TRADE, event.ts_event, event.ts_recv, trades=(event.price, size))

    def _delta(self, event: BookDelta) -> None:
        reading = self._book.delta(event)
        if reading is Reading.LEVELS:
            levels = self._book.steps(event.bids), self._book.steps(event.asks)
            self.writer.levels(event.ts_event, event.ts_recv, *levels)
        else:
            self._whole(reading, event)

    def _snapshot(self, event: BookSnapshot) -> None:
        self._whole(self._book.snapshot(event), event)

    def _dropped(self, event: Unheard | Disconnected) -> None:
        if self._book.dropped(event) is Reading.LOST:
            self.writer.row(tape.CLEAR, event.ts_recv, event.ts_recv)

    def _whole(self, reading: Reading, event: BookDelta | BookSnapshot) -> None:
        """Write the book as it stands, or that there is none."""
        if reading is Reading.TOP:
            self.writer.book(event.ts_event, event.ts_recv, *self._book.top())
        elif reading is not Reading.NOTHING:
            self.writer.row(tape.CLEAR, event.ts_event, event.ts_recv)
            if reading is Reading.ANEW:
                self.writer.levels(event.ts_event, event.ts_recv, *self._book.all())

    def _mark(self, event: MarkPrice) -> None:
        index = _NAN if event.index is None else event.index
        rate = _NAN if event.funding_rate is None else event.funding_rate
        told = (event.mark, index, rate)
        self.writer.row(
            tape.MARK, event.ts_event, event.ts_recv, marks=told, next_fundings=(event.ts_next_funding or 0,)
        )

    def _funding(self, event: FundingPaid) -> None:
        mark = _NAN if event.mark is None else event.mark
        self.writer.row(tape.FUNDING, event.ts_event, event.ts_recv, fundings=(event.funding_rate, mark))

    def _second(self, event: Tick) -> None:
        self.writer.row(tape.SECOND, event.ts_recv, event.ts_recv)

    def _liquidation(self, event: Liquidation) -> None:
        usd = event.notional_usd
        if usd == usd:  # noqa: PLR0124 -- nan where the venue told no price
            side = 1.0 if event.position_side is PositionSide.LONG else -1.0
            self.writer.row(tape.LIQUIDATION, event.ts_event, event.ts_recv, liquidations=(side, usd))

    def _open_interest(self, event: OpenInterest) -> None:
        self.writer.row(tape.OPEN_INTEREST, event.ts_event, event.ts_recv, open_interests=(event.open_interest,))

    def _clusters(self, event: Clusters) -> None:
        above = _NAN if event.above_price is None else event.above_price
        below = _NAN if event.below_price is None else event.below_price
        told = (above, event.above_usd, below, event.below_usd, event.pull)
        self.writer.row(tape.CLUSTERS, event.ts_recv, event.ts_recv, clusters=told)

    def _forecast(self, event: Forecast) -> None:
        if not event.is_late:
            told = (event.p_up, event.p_down, event.edge, float(event.is_promoted))
            self.writer.row(
                tape.FORECAST, event.ts_event, event.ts_recv, forecasts=told, forecasts_for=(event.ts_event,)
            )

    def _gap(self, event: Gap) -> None:
        is_open = self._gaps.told(event)
        if is_open is not None:
            self.writer.row(tape.GAP, event.ts_recv, event.ts_recv, gaps=(int(is_open),))

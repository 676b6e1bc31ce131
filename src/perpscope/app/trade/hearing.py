"""Which events a trader hears: the same for a recording that is backtested, a run on a live market, and its replay.

Quotes, trades, books, marks, open interest and payments are handed on as they came. Candles, liquidations and gaps come
from the engine, which lets each through once, and candles when they close. A run hears besides that time passes, which
connections carry what, and whatever concerns itself.
"""

from collections.abc import Iterator
from typing import Final

from perpscope.app.backtest.settlements import Due, due_of
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Covered,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import (
    Arrival,
    Clusters,
    Fill,
    Forecast,
    FundingCharged,
    OrderClosed,
    Resumed,
    Standing,
)

#: What is taken as it comes, once the engine has seen it.
_PLAIN: Final = frozenset({Quote, Trade, BookDelta, BookSnapshot, MarkPrice, OpenInterest, FundingPaid})
#: What a run hears besides: of time, of connections, and of itself.
_OF_FEED: Final = frozenset({Tick, Subscribed, Unheard, Disconnected})
_OF_SELF: Final = frozenset({Fill, OrderClosed, FundingCharged, Standing, Resumed, Clusters, Forecast})


class Hearing:
    """What one trader hears of one instrument. A `Sink` of the engine that sees every event first.

    Args:
        wanted: the instrument.
    """

    def __init__(self, wanted: InstrumentId) -> None:
        self._wanted = wanted
        self._told: list[MarketEvent] = []

    def accept(self, event: MarketEvent) -> None:
        """Keep what the engine tells, if it is wanted, until the event it comes of is heard."""
        match event:
            case Gap() | Covered():
                is_wanted = any(stream.instrument in (self._wanted, None) for stream in event.streams)
            case Liquidation():
                is_wanted = event.instrument == self._wanted
            case Candle():
                is_wanted = event.instrument == self._wanted and event.interval is Interval.M1
            case _:
                is_wanted = False
        if is_wanted:
            self._told.append(event)

    def heard(self, event: Arrival) -> Iterator[MarketEvent]:
        """An event that the engine has just seen, if it is taken as it came; then what the engine told."""
        if type(event) in _PLAIN and event.instrument == self._wanted:  # type: ignore[union-attr]  # of an instrument
            yield event  # type: ignore[misc]  # of the market
        yield from self.told()

    def told(self) -> list[MarketEvent]:
        """What the engine told since this was asked last."""
        told, self._told = self._told, []
        return told


class RunHearing:
    """What a run on a live market hears, and hears again from its recording: from `Resumed` on.

    Args:
        instrument: what it trades.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._wanted = instrument.id
        self._hearing = Hearing(instrument.id)
        self._due: Due = due_of(instrument.id, instrument.funding_interval_h)
        self._is_on = False  # since `Resumed`: whatever came before is in it
        self._is_paid_told = False  # somebody tells payments: none are made of marks any more
        self.accept = self._hearing.accept

    def heard(self, event: Arrival) -> list[Arrival]:
        """What the trader is handed of an event that the engine has just seen, in this order."""
        kind = type(event)
        if not self._is_on:
            self._hearing.told()
            self._is_on = kind is Resumed
            return [event] if self._is_on else []
        if kind in _OF_SELF:
            return [event]
        found: list[Arrival] = [one for one in self._hearing.heard(event) if type(one) is not Covered]
        if kind is MarkPrice or kind is Tick:
            found = self._settled(event, found)
        elif kind is FundingPaid and found:
            self._is_paid_told = True
        if kind in _OF_FEED:
            found.append(event)
        return found

    def _settled(self, event: Arrival, found: list[Arrival]) -> list[Arrival]:
        """With the payment that fell due by now, where nobody tells payments."""
        mark = event if isinstance(event, MarkPrice) and event.instrument == self._wanted else None
        paid = None if self._is_paid_told else self._due.before(event.ts_recv, mark)
        return found if paid is None else [paid, *found]

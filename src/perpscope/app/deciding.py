"""Strategies at work while the heart collects, without orders: what each would do, and what it nearly did.

In: closed candles, liquidations and gaps as the engine passes them on; mark prices and books as they stand once a
second; forecasts. Out: signals, at a later Tick. The desks run in a lane of their own through the same `Trader` that a
backtest runs; the feed's path pays for reading the tops of their books and nothing else.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.desks import Desks
from perpscope.app.lane import Job, Lane
from perpscope.config import convert
from perpscope.engine.state import InstrumentState, MarketState
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookSnapshot,
    Candle,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Subscribed,
    Tick,
    Unheard,
)
from perpscope.model.order import Clusters, DerivedEvent, Forecast, Signal
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings

#: Batches of a second that wait at most; the oldest goes first, and its candles with it.
CAPACITY: Final = 120
#: Real seconds after which a lane counts as hung; the first second may wait for a compiler.
HUNG_S: Final = 600.0
#: Levels of a side that desks keep.
_LEVELS: Final = 20


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Of `[strategy.NAME]` what is no parameter."""

    enabled: bool = False  #: decides while collecting
    symbols: tuple[str, ...] = ()  #: coins, symbols or ids; empty = all that are collected


class Deciding:
    """See above; everything but the lane's work is called on the event loop.

    Args:
        settings: the whole tree.
        store: written by this process; candles that a desk begins with are read from it.
        announce: told what a person should know, one line at a time.

    Raises:
        ConfigError: an enabled strategy, or one of its settings, is unknown.
    """

    def __init__(self, settings: Settings, store: Path, announce: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._store = store
        self._announce = announce
        self._wishes = wishes(settings)
        self._desks: dict[InstrumentId, list[str]] = {}  # instrument → strategies
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._events: list[MarketEvent | DerivedEvent] = []
        self._marked: dict[InstrumentId, MarkPrice] = {}
        self._with_book: set[InstrumentId] = set()
        self._room: Desks | None = None
        self._lane: Lane[list[Signal | str]] = Lane("deciding", CAPACITY, HUNG_S)
        self._hung = 0
        self._said: set[str] = set()

    @property
    def is_wanted(self) -> bool:
        """Whether any strategy is enabled."""
        return bool(self._wishes)

    @property
    def instruments(self) -> Collection[InstrumentId]:
        """Those on which some strategy decides."""
        return self._desks.keys()

    @property
    def dropped(self) -> int:
        """Seconds of events let go because too many waited."""
        return self._lane.dropped

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is decided just now."""
        return self._lane.is_idle

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Learn of contracts that are listened to."""
        for instrument in instruments:
            names = {instrument.asset.upper(), instrument.symbol.upper(), instrument.id.upper()}
            for strategy, wish in self._wishes.items():
                desks = self._desks.get(instrument.id, [])
                is_meant = not wish.symbols or names & {name.upper() for name in wish.symbols}
                if is_meant and instrument.is_perpetual and strategy not in desks:
                    self._desks[instrument.id] = [*desks, strategy]
                    self._instruments[instrument.id] = instrument

    def accept(self, event: MarketEvent | Clusters | Forecast) -> None:
        """Take one event; a sink of the engine."""
        if not self._desks:
            return
        match event:
            case Gap():
                self._events.append(event)
            case Candle():
                if event.instrument in self._desks and event.is_closed and event.interval is Interval.M1:
                    self._events.append(event)
            case Liquidation() | OpenInterest() | FundingPaid() | Clusters():
                if event.instrument in self._desks:
                    self._events.append(event)
            case Forecast():
                if event.instrument in self._desks and not event.is_late:
                    self._events.append(event)
            case _:
                return

    def tick(self, now: int, market: MarketState) -> list[Signal]:
        """At each Tick (ns UTC, market time), after its events: what was decided since the last. Never waits."""
        if not self._desks:
            return []
        events, self._events = self._events, []
        for instrument in self._desks:
            state = market.get(instrument)
            if state is not None:
                events += self._standing(state, now)
        events.sort(key=lambda event: event.ts_recv)
        events.append(Tick(ts_recv=now))
        room = self._room
        if room is None:
            room = self._room = Desks(self._settings, self._store)
        wanted = [(self._instruments[name], desks) for name, desks in self._desks.items()]
        self._lane.put(Job("a second", lambda: room.decide(wanted, events)))
        return self._fetched()

    def close(self) -> None:
        """Let go of the lane."""
        self._lane.close()

    def _standing(self, state: InstrumentState, now: int) -> list[MarketEvent]:
        """The mark price, where it is new, and the top of the book as it stands."""
        found: list[MarketEvent] = []
        mark = state.last_mark
        if mark is not None and self._marked.get(state.instrument) is not mark:
            self._marked[state.instrument] = mark
            found.append(mark)
        bids, asks = state.book.bids(_LEVELS), state.book.asks(_LEVELS)
        stream = (Stream(Channel.BOOK, state.instrument),)
        if bids and asks:
            if state.instrument not in self._with_book:
                self._with_book.add(state.instrument)
                found.append(Subscribed(state.venue, state.instrument, stream, now))
            found.append(BookSnapshot(state.instrument, state.book.ts_last, now, now, bids, asks, is_stream=True))
        elif state.instrument in self._with_book:
            self._with_book.discard(state.instrument)
            found.append(Unheard(state.venue, state.instrument, stream, "book", now))
        return found

    def _fetched(self) -> list[Signal]:
        found: list[Signal] = []
        for made in self._lane.results():
            for one in made:
                if isinstance(one, str):
                    self._say(one)
                else:
                    found.append(one)
        if len(self._lane.hung) > self._hung:
            self._hung = len(self._lane.hung)
            self._room = None
            self._say("a second of the strategies hangs: it is left to itself, desks begin anew")
        return found

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._announce(line)


def wishes(settings: Settings) -> dict[str, Wish]:
    """What is said of each enabled strategy, by name.

    Raises:
        ConfigError: a value is not what it should be.
    """
    found = {}
    for name, table in settings.strategy.items():
        told = {key: value for key, value in table.items() if key in Wish.__struct_fields__}
        wish = convert(told, Wish, f"strategy.{name}", {})
        if wish.enabled:
            found[name] = wish
    return found

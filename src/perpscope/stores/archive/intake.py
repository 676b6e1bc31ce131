"""The archive's front door: raw events and coverage come in on the event loop, parcels go out to the writer thread.

Taking a batch costs one `extend`; what belongs where is found out by the writer. A parcel is handed over at each
`Tick`, or sooner when it is large, and coverage goes with it. When the writer is too far behind, events are dropped and
counted, and a gap of cause "archive-behind" runs from the last moment vouched for to the `Tick` at which there is room
again. No thread, file or clock here.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from perpscope.model.market import (
    AccountRatio,
    BookSnapshot,
    Candle,
    Covered,
    FundingPaid,
    Gap,
    InstrumentEvent,
    Liquidation,
    MarketEvent,
    Source,
    TakerVolume,
    Tick,
)
from perpscope.model.order import Arrival
from perpscope.model.stream import Stream

ARCHIVE_BEHIND: Final = "archive-behind"  #: cause of the gap left by dropped events
PARCEL_EVENTS: Final = 5_000  #: handed over without waiting for a `Tick`: a small part of a busy second
_Key: TypeAlias = tuple[str, tuple[Stream, ...], int, Source]
#: What came to us as it happened, and breaks off where something is lost.
RUNNING: Final = frozenset({Source.STREAM, Source.POLL})


class Parcel(msgspec.Struct):
    """What is handed over at once."""

    raw: list[Arrival] = []  #: as the feeds decoded it; trades, quotes, books, marks and open interest are kept
    given: list[InstrumentEvent] = []  #: by the engine, once each
    past: list[InstrumentEvent] = []  #: asked for afterwards
    states: list[BookSnapshot] = []  #: books as we keep them, at the beginning of a day
    covered: list[Covered] = []
    gaps: list[Gap] = []
    ts_tick: int | None = None  #: ns UTC; None if handed over between two


class ParcelQueue(Protocol):
    """Where parcels go."""

    def has_room(self) -> bool:
        """False while too much waits."""
        ...

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; never blocks."""
        ...


class ArchiveIntake:
    """Collects parcels. A `Sink` besides; used from one thread.

    Args:
        queue: takes the parcels.
    """

    def __init__(self, queue: ParcelQueue) -> None:
        self._queue = queue
        self._parcel = Parcel()
        self._open: dict[_Key, Covered] = {}
        self._vouched: dict[_Key, int] = {}  # end of what was handed over
        self._is_losing = False
        self._has_lost_past = False
        self._floor = 0  # nothing before is vouched for: it follows a loss
        self._ts_tick = 0
        self.dropped = 0  #: events lost because the writer was behind

    def take(self, batch: Sequence[Arrival]) -> None:
        """Take what the feeds decoded, before or after the engine does."""
        if self._may_take(len(batch)):
            self._parcel.raw.extend(batch)
            if len(self._parcel.raw) >= PARCEL_EVENTS:
                self._hand_over(None)

    def take_past(self, events: Sequence[InstrumentEvent]) -> None:
        """Take what was asked for afterwards; the `Covered` that vouches for it comes after it."""
        if self._may_take(len(events)):
            self._parcel.past.extend(events)
        else:
            self._has_lost_past = True

    def take_states(self, books: Sequence[BookSnapshot]) -> None:
        """Take books as the engine keeps them, so that the day that begins can be replayed alone."""
        if self._may_take(len(books)):
            self._parcel.states.extend(books)

    def accept(self, event: MarketEvent) -> None:
        """Take one event of the engine's; those that come raw are passed over."""
        match event:
            case Tick():
                self._tick(event.ts_recv)
            case Covered():
                self._cover(event)
            case Gap():
                self._parcel.gaps.append(event)
            case Liquidation() | Candle() | AccountRatio() | TakerVolume() | FundingPaid():
                if self._may_take(1):
                    self._parcel.given.append(event)
            case _:
                return

    def finish(self) -> None:
        """Hand over what is left, and say what was lost up to the end."""
        if self._is_losing:
            self._note_loss(self._ts_tick)
        self._hand_over(self._ts_tick or None)

    def _may_take(self, events: int) -> bool:
        if self._is_losing or not self._queue.has_room():
            self._is_losing = True
            self.dropped += events
        return not self._is_losing

    def _cover(self, event: Covered) -> None:
        """What was asked for afterwards is vouched for unless some of it was dropped: then it has to come again."""
        if event.source in RUNNING:
            self._open[event.venue, event.streams, event.ts_from, event.source] = event
        elif self._is_losing or self._has_lost_past:
            self._has_lost_past = False
        else:
            self._parcel.covered.append(event)

    def _tick(self, ts: int) -> None:
        self._ts_tick = ts
        if self._is_losing and not self._queue.has_room():
            return
        if self._is_losing:
            self._note_loss(ts)
            self._floor, self._is_losing = ts, False
        self._hand_over(ts)

    def _note_loss(self, ts: int) -> None:
        for key, vouched in self._vouched.items():
            venue, streams, _, _ = key
            if vouched < ts:
                self._parcel.gaps.append(Gap(venue, streams, vouched, ts, ARCHIVE_BEHIND, ts))

    def _hand_over(self, ts_tick: int | None) -> None:
        parcel, self._parcel = self._parcel, Parcel()
        if ts_tick is not None and not self._is_losing:
            parcel.covered += [self._since_floor(event) for event in self._open.values() if event.ts_to > self._floor]
            self._vouched = {key: max(event.ts_to, self._floor) for key, event in self._open.items()}
            self._open = {key: event for key, event in self._open.items() if event.is_open}
        parcel.ts_tick = ts_tick
        self._queue.put(parcel)

    def _since_floor(self, event: Covered) -> Covered:
        if event.ts_from >= self._floor:
            return event
        return msgspec.structs.replace(event, ts_from=self._floor)

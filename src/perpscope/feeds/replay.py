"""Replay: a recording through the real decoders, with the shape of a live feed.

In: a `Tape`. Out: batches of events, with Ticks each second of recorded time. Where the recording holds its own
marks (acknowledgements, Ticks, closes) they are replayed as they were; where it does not, a stream counts as
listened to from its first event on.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from perpscope.errors import FrameError
from perpscope.feeds.clock import SECOND_NS
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.recording import Kind, Record, instruments_of, mark_of
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    Alive,
    BookDelta,
    Candle,
    Disconnected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    Quote,
    Subscribed,
    Tick,
    Trade,
)
from perpscope.model.stream import Channel, Control, Stream
from perpscope.ports import Decoder, Venue

#: Events handed over at a time.
_BATCH = 1024

_CHANNELS: dict[type[object], Channel] = {
    Trade: Channel.TRADES,
    Quote: Channel.QUOTES,
    BookDelta: Channel.BOOK,
    MarkPrice: Channel.MARK_PRICES,
    Liquidation: Channel.LIQUIDATIONS,
}


class ReplayFeed:
    """A `Feed` over a recording.

    Args:
        tape: what to replay.
        venue: whose dialect it is in.
        catalogue: the venue's symbols; empty = instruments are read off their names.
    """

    def __init__(self, tape: Tape, venue: Venue, catalogue: Mapping[str, Instrument]) -> None:
        self.counts = FrameCounts()
        self._tape = tape
        self._venue = venue
        self.catalogue = dict(catalogue)  #: the venue's symbols, as far as the tape tells
        self._decoders: dict[str, Decoder] = {}
        self._has_marks = tape.form == "perpscope"
        self._heard: set[Stream] = set()
        self._last: dict[str, tuple[int, int]] = {}  # connection → (ts of its last data, frames)
        self._next_tick = 0
        self._met: set[InstrumentId] = set()
        self._fresh: list[Instrument] = []
        self._meet(self.catalogue.values())

    async def batches(self) -> AsyncIterator[list[MarketEvent]]:
        """Everything on the tape, as fast as it is taken."""
        batch: list[MarketEvent] = []
        ts_recv = 0
        for record in self._tape.records():
            ts_recv = max(ts_recv, record.ts_recv)
            if not self._has_marks and ts_recv >= self._next_tick:
                batch.extend(self._ticks(ts_recv))
            batch.extend(self._events(record))
            if len(batch) >= _BATCH:
                yield batch
                batch = []
        if not self._has_marks:
            batch.extend(self._ticks(ts_recv))
        yield batch

    def ending(self) -> list[MarketEvent]:
        """What to tell the engine when the tape is over and its books have been compared: nothing more is covered."""
        if self._has_marks:
            return []
        ts_recv = max((ts_last for ts_last, _ in self._last.values()), default=0)
        closed = [Disconnected(source, "end-of-recording", ts_recv) for source in self._last]
        return [*closed, Tick(ts_recv)]

    def new_instruments(self) -> list[Instrument]:
        """Instruments met since the last call, in a catalogue or by name; ask before processing a batch."""
        for decoder in self._decoders.values():
            self._meet(decoder.named.values())
        fresh, self._fresh = self._fresh, []
        return fresh

    def _events(self, record: Record) -> list[MarketEvent]:
        if record.kind == Kind.FRAME:
            return self._frame(record)
        if record.kind == Kind.REPLY:
            return self._reply(record)
        if record.kind == Kind.INSTRUMENTS:
            listed = instruments_of(record)
            self.catalogue.update({instrument.symbol: instrument for instrument in listed})
            self._meet(listed)
            return []
        mark = mark_of(record)
        if isinstance(mark, Disconnected) and (decoder := self._decoders.pop(mark.connection, None)) is not None:
            self._meet(decoder.named.values())
        return [mark]

    def _meet(self, instruments: Iterable[Instrument]) -> None:
        for instrument in instruments:
            if instrument.id not in self._met:
                self._met.add(instrument.id)
                self._fresh.append(instrument)

    def _frame(self, record: Record) -> list[MarketEvent]:
        decoder = self._decoders.get(record.source)
        if decoder is None:
            decoder = self._decoders[record.source] = self._venue.decoder(self.catalogue)
        try:
            decoded = decoder.decode(record.payload, record.ts_recv)
        except FrameError as error:
            self.counts.reject(str(error), record.payload)
            return []
        if isinstance(decoded, list):
            self.counts.decoded += 1
            if not self._has_marks:
                _, frames = self._last.get(record.source, (0, 0))
                self._last[record.source] = (record.ts_recv, frames + 1)
                return [*self._first_heard(decoded, record), *decoded]
            return decoded
        if isinstance(decoded, Control):
            self.counts.control += 1
        else:
            self.counts.ignored[decoded.reason] += 1
        return []

    def _reply(self, record: Record) -> list[MarketEvent]:
        instrument = self._replied_about(record.source)
        if instrument is None:
            return []
        try:
            return [self._venue.snapshot(record.payload, instrument, record.ts_recv)]
        except FrameError as error:
            self.counts.samples.append((str(error), record.payload[:200]))
            return []

    def _replied_about(self, name: str) -> InstrumentId | None:
        """The instrument a reply's symbol, or our own name for it, stands for; None if it is none of ours."""
        for known in self.catalogue.values():
            if name in (known.id, known.symbol):
                return known.id
        named = None if self.catalogue else self._venue.instrument_named(name)
        if named is None:
            return None
        self._meet([named])
        return named.id

    def _first_heard(self, events: list[MarketEvent], record: Record) -> Iterator[MarketEvent]:
        for event in events:
            channel = (
                Channel(f"candles_{event.interval.value}") if isinstance(event, Candle) else _CHANNELS.get(type(event))
            )
            if channel is not None:
                stream = Stream(channel, event.instrument)  # type: ignore[union-attr]  # only kinds with an instrument are in _CHANNELS
                if stream not in self._heard:
                    self._heard.add(stream)
                    yield Subscribed(self._venue.name, record.source, (stream,), record.ts_recv)

    def _ticks(self, ts_recv: int) -> list[MarketEvent]:
        """Signs of life and a Tick; at most one Tick for any silence, however long."""
        self._next_tick = ts_recv + SECOND_NS
        alive = [Alive(source, ts_last, frames, ts_recv) for source, (ts_last, frames) in self._last.items()]
        return [*alive, Tick(ts_recv)]

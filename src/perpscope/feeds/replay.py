"""Replay: a recording through the real decoders, with the shape of a live feed.

In: a `Tape`. Out: batches of events, with Ticks each second of recorded time. Where the recording holds its own
marks (acknowledgements, Ticks, closes) they are replayed as they were; where it does not, a stream counts as
listened to from its first event on. A connection, instrument or poll that names its venue is read by that venue's
decoder, so one recording may hold several venues. Normalised rows name nothing and are read as one instrument's.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from perpscope.errors import FrameError
from perpscope.feeds.clock import SECOND_NS
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.overlap import Overlap, stem
from perpscope.feeds.plausible import implausible
from perpscope.feeds.recording import Kind, Record, instruments_of, mark_of, own_of
from perpscope.feeds.rows import RowDecoder
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    AccountRatio,
    Alive,
    BookDelta,
    BookSnapshot,
    Candle,
    Connected,
    ContractUpdate,
    Disconnected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PublicPosition,
    Quote,
    Subscribed,
    TakerVolume,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, Control, Stream
from perpscope.ports import Decoder, Venue

#: Events handed over at a time.
_BATCH = 1024

_CHANNELS: dict[type[object], Channel] = {
    Trade: Channel.TRADES,
    Quote: Channel.QUOTES,
    BookDelta: Channel.BOOK,
    BookSnapshot: Channel.BOOK,
    MarkPrice: Channel.MARK_PRICES,
    Liquidation: Channel.LIQUIDATIONS,
    OpenInterest: Channel.OPEN_INTEREST,
    AccountRatio: Channel.ACCOUNT_RATIOS,
    TakerVolume: Channel.TAKER_VOLUME,
    PublicPosition: Channel.POSITIONS,
    ContractUpdate: Channel.CONTRACTS,
}


class _Dialect:
    """One venue's part of a recording: its instruments as far as they are known."""

    def __init__(self, venue: Venue, catalogue: Mapping[str, Instrument]) -> None:
        self.venue = venue
        self.catalogue = dict(catalogue)

    def instrument(self, name: str) -> Instrument | None:
        """The instrument a symbol, or our own name for it, stands for."""
        for known in self.catalogue.values():
            if name in (known.id, known.symbol):
                return known
        return None if self.catalogue else self.venue.instrument_named(name)


class ReplayFeed:
    """A `Feed` over a recording.

    Args:
        tape: what to replay.
        venue: whose dialect it is in, where nothing in it says otherwise.
        catalogue: that venue's symbols; empty = instruments are read off their names.
        venue_named: finds the venue of a connection, instrument or poll that names one; None = no such venue.
        rows_of: whose rows they are, where the tape holds rows.
        only: instruments to tell of; empty = all. Frames are counted whatever they are about.
    """

    def __init__(
        self,
        tape: Tape,
        venue: Venue,
        catalogue: Mapping[str, Instrument],
        venue_named: Callable[[str], Venue | None] = lambda _: None,
        *,
        rows_of: Instrument | None = None,
        only: Collection[InstrumentId] = (),
    ) -> None:
        self.counts = FrameCounts()
        self._tape = tape
        self._home = _Dialect(venue, catalogue)
        self._venue_named = venue_named
        self._rows_of = rows_of
        self._only = frozenset(only)
        self._dialects = {venue.name: self._home}
        self._spoken = {venue.name} if tape.form != "perpscope" and not tape.is_mixed else set[str]()
        self._decoders: dict[str, Decoder] = {}
        self._overlaps: dict[str, Overlap] = {}  # by what both names of a connection have in common
        self._has_marks = tape.form == "perpscope"
        self._leads: dict[str, int] = {}  # connection → how far its venue's clock was ahead of the recorder's
        self._heard: set[Stream] = set()
        self._last: dict[str, tuple[int, int]] = {}  # connection → (ts of its last data, frames)
        self._next_tick = 0
        self._met: dict[InstrumentId, Instrument] = {}
        self._fresh: list[Instrument] = []
        self._meet(self._home.catalogue.values())

    @property
    def venues(self) -> list[str]:
        """Whose words were heard so far."""
        return sorted(self._spoken)

    @property
    def instruments(self) -> list[Instrument]:
        """Every instrument met so far, told of or not."""
        self._meet_named()
        return [*self._met.values()]

    async def batches(self) -> AsyncIterator[list[Arrival]]:
        """Everything on the tape, as fast as it is taken."""
        batch: list[Arrival] = []
        ts_recv = 0
        for record in self._tape.records():
            ts_recv = max(ts_recv, record.ts_recv)
            if not self._has_marks and ts_recv >= self._next_tick:
                batch.extend(self._ticks(ts_recv))
            batch.extend(self._kept(self._events(record)))
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
        self._meet_named()
        fresh, self._fresh = self._fresh, []
        return [instrument for instrument in fresh if not self._only or instrument.id in self._only]

    def _events(self, record: Record) -> Sequence[Arrival]:
        if record.kind == Kind.FRAME:
            return self._frame(record)
        if record.kind == Kind.REPLY:
            return self._reply(record)
        if record.kind == Kind.OWN:
            return [own_of(record)]
        if record.kind == Kind.INSTRUMENTS:
            listed = instruments_of(record)
            self._speaks(record.source).catalogue.update({instrument.symbol: instrument for instrument in listed})
            self._meet(listed)
            return []
        mark = mark_of(record)
        if isinstance(mark, Connected):
            self._leads[mark.connection] = mark.lead_ns
            self._overlaps.setdefault(stem(mark.connection), Overlap()).connected(mark.connection)
        elif isinstance(mark, Disconnected):
            self._closed(mark)
        return [mark]

    def _closed(self, mark: Disconnected) -> None:
        if (decoder := self._decoders.pop(mark.connection, None)) is not None:
            self._meet(decoder.named.values())
        if (overlap := self._overlaps.get(stem(mark.connection))) is not None:
            overlap.disconnected(mark.connection, mark.ts_recv)

    def _dialect(self, source: str) -> _Dialect:
        """Whose words they are: a connection and a poll begin with their venue, an instrument ends in it."""
        name = source.partition("/")[0].lower() if "/" in source else source.rpartition(".")[2].lower()
        known = self._dialects.get(name)
        if known is None:
            venue = self._venue_named(name)
            known = self._dialects[name] = self._home if venue is None else _Dialect(venue, {})
        return known

    def _speaks(self, source: str) -> _Dialect:
        dialect = self._dialect(source)
        self._spoken.add(dialect.venue.name)
        return dialect

    def _meet(self, instruments: Iterable[Instrument]) -> None:
        for instrument in instruments:
            if instrument.id not in self._met:
                self._met[instrument.id] = instrument
                self._fresh.append(instrument)

    def _meet_named(self) -> None:
        for decoder in self._decoders.values():
            self._meet(decoder.named.values())

    def _kept(self, events: Sequence[Arrival]) -> Sequence[Arrival]:
        """What is about the instruments asked for, or about none."""
        if not self._only:
            return events
        return [kept for event in events if (kept := self._narrowed(event)) is not None]

    def _narrowed(self, event: Arrival) -> Arrival | None:
        if isinstance(event, Subscribed | Unheard):
            whole_market = [known for known in self._only if known.endswith(f".{event.venue.upper()}")]
            named = [(s.channel, [s.instrument] if s.instrument else whole_market) for s in event.streams]
            streams = tuple(Stream(channel, i) for channel, ids in named for i in ids if i in self._only)
            return msgspec.structs.replace(event, streams=streams) if streams else None
        instrument = getattr(event, "instrument", None)
        return event if instrument is None or instrument in self._only else None

    def _frame(self, record: Record) -> list[MarketEvent]:
        decoder = self._decoders.get(record.source)
        if decoder is None:
            decoder = self._decoders[record.source] = self._decoder(record.source)
        try:
            decoded = decoder.decode(record.payload, record.ts_recv)
        except FrameError as error:
            self.counts.reject(str(error), record.payload)
            return []
        if isinstance(decoded, list):
            if (
                self._has_marks
                and (why := implausible(decoded, record.ts_recv + self._leads.get(record.source, 0))) is not None
            ):
                self.counts.reject(why, record.payload)
                return []
            self.counts.decoded += 1
            if not self._has_marks:
                _, frames = self._last.get(record.source, (0, 0))
                self._last[record.source] = (record.ts_recv, frames + 1)
                return [*self._first_heard(decoded, record), *decoded]
            overlap = self._overlaps.get(stem(record.source))
            return overlap.fresh(decoded, record.ts_recv) if overlap is not None and overlap.is_on else decoded
        if isinstance(decoded, Control):
            self.counts.control += 1
        else:
            self.counts.ignored[decoded.reason] += 1
        return []

    def _decoder(self, source: str) -> Decoder:
        dialect = self._speaks(source)
        if self._rows_of is not None:
            return RowDecoder(self._rows_of)
        return dialect.venue.decoder(dialect.catalogue)

    def _reply(self, record: Record) -> list[MarketEvent]:
        dialect = self._speaks(record.source)
        try:
            if self._has_marks and "/" in record.source:
                return dialect.venue.polled_events(record.source, record.payload, record.ts_recv, dialect.catalogue)
            instrument = dialect.instrument(record.source)
            if instrument is None:
                return []
            self._meet([instrument])
            return [dialect.venue.snapshot(record.payload, instrument, record.ts_recv)]
        except FrameError as error:
            self.counts.samples.append((str(error), record.payload[:200]))
            return []

    def _first_heard(self, events: list[MarketEvent], record: Record) -> Iterator[MarketEvent]:
        for event in events:
            channel = (
                Channel(f"candles_{event.interval.value}") if isinstance(event, Candle) else _CHANNELS.get(type(event))
            )
            if channel is not None:
                stream = Stream(channel, event.instrument)  # type: ignore[union-attr]  # only kinds with an instrument are in _CHANNELS
                if stream not in self._heard:
                    self._heard.add(stream)
                    yield Subscribed(self._dialect(record.source).venue.name, record.source, (stream,), record.ts_recv)

    def _ticks(self, ts_recv: int) -> list[MarketEvent]:
        """Signs of life and a Tick; at most one Tick for any silence, however long."""
        self._next_tick = ts_recv + SECOND_NS
        alive = [Alive(source, ts_last, frames, ts_recv) for source, (ts_last, frames) in self._last.items()]
        return [*alive, Tick(ts_recv)]

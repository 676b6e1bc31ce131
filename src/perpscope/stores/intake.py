"""The store's front door: events come in on the event loop, batches go out to the writer thread.

A batch is handed over at each `Tick`, or sooner when it is large. When the writer cannot keep up, rows wait here up to
a limit; beyond it new rows are dropped and counted, and what was covered so far ends: a `Gap` of cause "store-behind"
runs from the last moment vouched for to the `Tick` at which there is room again, and coverage begins anew from there.
No thread, file or clock here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, assert_never

import msgspec

from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import (
    AccountRatio,
    Alive,
    BookDelta,
    BookSnapshot,
    Candle,
    Connected,
    ContractUpdate,
    Covered,
    Disconnected,
    FundingPaid,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PublicPosition,
    Quote,
    Source,
    Subscribed,
    TakerVolume,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Signal
from perpscope.stores.listings import STREAMED
from perpscope.stores.rows import Batch, IntervalKey, Row, candle_row, liquidation_row, mark_row
from perpscope.stores.signals import signal_row
from perpscope.stores.status import FeedStatus, HeartStatus
from perpscope.stores.traders import funding_row, open_interest_row, position_row, ratio_row, taker_volume_row

S = TypeVar("S", MarkPrice, OpenInterest, AccountRatio, TakerVolume, FundingPaid, PublicPosition)

#: A stream whose connection has this in its name is asked for again and again ("binance/polls/open_interest/…").
POLLS = "/polls/"
STORE_BEHIND = "store-behind"  #: cause of the gap left by dropped rows


class BatchQueue(Protocol):
    """Where batches go."""

    def has_room(self) -> bool:
        """False while the queue is at its limit."""
        ...

    def put(self, batch: Batch) -> None:
        """Queue a batch; never blocks."""
        ...


class Intake:
    """Collects rows into batches. A `Sink`; used from one thread.

    Args:
        queue: takes the batches.
        batch_rows: a batch of as many rows is handed over without waiting for a `Tick`.
        max_pending_rows: rows that may wait here while the queue is full; beyond, new rows are dropped.
    """

    def __init__(self, queue: BatchQueue, *, batch_rows: int, max_pending_rows: int) -> None:
        self._queue = queue
        self._batch_rows = batch_rows
        self._max_pending_rows = max_pending_rows
        self._batch = Batch()
        self._names: dict[InstrumentId, tuple[str, str]] = {}
        self._funding_h: dict[InstrumentId, float] = {}  # hours between fundings, as the catalogue has them
        self._open: dict[IntervalKey, Covered] = {}
        self._lost: dict[IntervalKey, Covered] | None = None  # while losing: what was vouched for before
        self._resumed_at = 0
        self._is_past = False
        self.dropped = 0  #: rows lost because the writer was behind

    @property
    def waiting_rows(self) -> int:
        """Rows not handed over yet."""
        return self._batch.rows

    def register(self, instruments: Iterable[Instrument], ts_from: int | None = None) -> None:
        """Learn the venue's names of instruments, and keep them with the next batch; see `SqliteStore.register`."""
        for instrument in instruments:
            self._names[instrument.id] = (instrument.venue, instrument.symbol)
            if instrument.funding_interval_h is not None:
                self._funding_h[instrument.id] = instrument.funding_interval_h
            self._batch.instruments[instrument.id, ts_from] = instrument

    def register_tiers(self, tiers: Mapping[InstrumentId, Sequence[MarginTier]], *, source: str, ts_from: int) -> None:
        """Keep margin tiers with the next batch; see `SqliteStore.register_tiers`."""
        for instrument, of_instrument in tiers.items():
            if of_instrument:
                name = self._name_of(instrument)
                self._batch.tiers[instrument, source, ts_from] = (*name, tuple(of_instrument))

    def _with_interval(self, event: MarkPrice) -> MarkPrice:
        """A mark price with the hours its funding rate is for: its own word, else the catalogue's."""
        known = self._funding_h.get(event.instrument)
        if known is None or event.funding_rate is None or event.funding_interval_h is not None:
            return event
        return msgspec.structs.replace(event, funding_interval_h=known)

    def report(self, feeds: Sequence[FeedStatus], heart: HeartStatus) -> None:
        """Keep how the feeds and the heart are doing with the next batch."""
        self._batch.feeds.update({(feed.venue, feed.channel): feed for feed in feeds})
        self._batch.heart = heart

    def keep_signals(self, signals: Iterable[Signal]) -> None:
        """Keep what strategies and models thought with the next batch."""
        for signal in signals:
            if self._has_room(signal.ts_recv):
                row = signal_row(signal, *self._name_of(signal.instrument))
                self._batch.series.setdefault("signals", []).append(row)
                self._batch.rows += 1

    def hand_over(self) -> None:
        """Queue what is waiting, room or not."""
        batch, self._batch = self._batch, Batch()
        self._queue.put(batch)

    def accept(self, event: MarketEvent) -> None:
        """Take one event; those no table keeps are passed over.

        Raises:
            ValueError: a liquidation without any price.
        """
        match event:
            case Quote() | Trade() | BookDelta():
                return
            case Liquidation():
                self._take_liquidation(event)
            case Candle():
                self._take_candle(event)
            case MarkPrice() | OpenInterest() | AccountRatio() | TakerVolume() | FundingPaid() | PublicPosition():
                self._take_figures(event)
            case ContractUpdate():
                self._take_contract(event)
            case Gap():
                self._batch.miss(event)
            case Covered():
                self._take_coverage(event)
            case Tick():
                self._take_tick(event.ts_recv)
            case BookSnapshot() | Connected() | Subscribed() | Unheard() | Alive() | Disconnected():
                return
            case _:  # pragma: no cover
                assert_never(event)

    def accept_past(self, event: MarketEvent) -> None:
        """Take one event that was asked for afterwards: its row is marked so, where the table has a mark.

        Raises:
            ValueError: a liquidation without any price.
        """
        self._is_past = True
        try:
            self.accept(event)
        finally:
            self._is_past = False

    def _take_liquidation(self, event: Liquidation) -> None:
        row = liquidation_row(event, *self._name_of(event.instrument))
        if self._has_room(event.ts_recv):
            self._batch.liquidations.append(row)
            self._batch.rows += 1

    def _take_candle(self, event: Candle) -> None:
        if event.is_closed and self._has_room(event.ts_recv):
            row = (*candle_row(event, *self._name_of(event.instrument)), self._is_past)
            self._batch.candles[event.interval].append(row)
            self._batch.rows += 1

    def _take_figures(
        self, event: MarkPrice | OpenInterest | AccountRatio | TakerVolume | FundingPaid | PublicPosition
    ) -> None:
        match event:
            case MarkPrice():
                self._keep("premium_index", mark_row, self._with_interval(event))
            case OpenInterest():
                self._keep("open_interest", open_interest_row, event, self._is_past)
            case AccountRatio():
                self._keep("long_short_ratio", ratio_row, event, self._is_past)
            case TakerVolume():
                self._keep("taker_volume", taker_volume_row, event, self._is_past)
            case FundingPaid():
                self._keep("funding_rates", funding_row, event, self._is_past)
            case PublicPosition():
                self._keep("public_positions", position_row, event)
            case _:  # pragma: no cover
                assert_never(event)

    def _take_contract(self, event: ContractUpdate) -> None:
        if self._has_room(event.ts_recv):
            self._batch.contracts.append(event)
            self._batch.rows += 1
            self.register_tiers({event.instrument: event.tiers}, source=STREAMED, ts_from=event.ts_event)

    def _keep(self, table: str, row_of: Callable[[S, str, str], Row], event: S, *mark: bool) -> None:
        """Keep a row; `mark` is the last column of a table whose rows may have been asked for afterwards."""
        if self._has_room(event.ts_recv):
            row = (*row_of(event, *self._name_of(event.instrument)), *mark)
            self._batch.series.setdefault(table, []).append(row)
            self._batch.rows += 1

    def _name_of(self, instrument: InstrumentId) -> tuple[str, str]:
        """Venue and symbol; an instrument nobody registered (listed since the start) goes by our own name for it."""
        name = self._names.get(instrument)
        if name is None:
            symbol, _, venue = instrument.rpartition(".")
            name = self._names[instrument] = (venue.lower(), symbol)
        return name

    def _has_room(self, ts_recv: int) -> bool:
        """Make room for one more row, or count it as dropped."""
        if self._lost is None and self._batch.rows >= self._batch_rows:
            if self._queue.has_room():
                self.hand_over()
            elif self._batch.rows >= self._max_pending_rows:
                self._begin_loss(ts_recv)
        if self._lost is None:
            return True
        self.dropped += 1
        return False

    def _begin_loss(self, ts_recv: int) -> None:
        """End every covered interval at the last moment vouched for: every row before it is already waiting."""
        self._lost, self._open = self._open, {}
        for covered in self._lost.values():
            self._batch.cover(msgspec.structs.replace(covered, is_open=False))
            self._put_gap(covered, None, ts_recv)

    def _put_gap(self, covered: Covered, ts_to: int | None, ts_recv: int) -> None:
        """A gap from the end of `covered`, lasting (None) or closed."""
        self._batch.miss(Gap(covered.venue, covered.streams, covered.ts_to, ts_to, STORE_BEHIND, ts_recv))

    def _take_coverage(self, event: Covered) -> None:
        if event.source in (Source.BACKFILL, Source.IMPORT):
            if self._lost is None:
                self._batch.cover(event)
            return
        if POLLS in event.connection and event.source is Source.STREAM:
            event = msgspec.structs.replace(event, source=Source.POLL)
        if event.ts_from < self._resumed_at:
            event = self._cover_anew(event)
        key = (event.venue, event.streams, event.ts_from)
        if self._lost is not None:
            self._lose_coverage(self._lost, key, event)
            return
        self._batch.cover(event)
        if event.is_open:
            self._open[key] = event
        else:
            self._open.pop(key, None)

    def _cover_anew(self, event: Covered) -> Covered:
        """An interval that began before the last loss ended goes on as one that began there.

        If it is heard of for the first time, what it had seen until then was lost too.
        """
        anew = self._resumed_at
        if (event.venue, event.streams, anew) not in (self._open if self._lost is None else self._lost):
            self._put_gap(msgspec.structs.replace(event, ts_to=event.ts_from), anew, event.ts_recv)
        return msgspec.structs.replace(event, ts_from=anew, ts_to=max(event.ts_to, anew))

    def _lose_coverage(self, lost: dict[IntervalKey, Covered], key: IntervalKey, event: Covered) -> None:
        """While rows are dropped nothing is vouched for: note intervals that begin, end the gap of those that end."""
        if key not in lost:
            lost[key] = msgspec.structs.replace(event, ts_to=event.ts_from)
            self._put_gap(lost[key], None, event.ts_recv)
        if not event.is_open:
            vouched = lost.pop(key)
            self._put_gap(vouched, max(event.ts_to, vouched.ts_to), event.ts_recv)

    def _take_tick(self, ts_recv: int) -> None:
        self._batch.ts_tick = ts_recv
        if not self._queue.has_room():
            return
        if self._lost is not None:
            self._end_loss(self._lost, ts_recv)
        self.hand_over()

    def _end_loss(self, lost: dict[IntervalKey, Covered], ts_recv: int) -> None:
        """Close the gaps at this Tick, and cover anew from it."""
        self._lost, self._resumed_at = None, ts_recv
        for covered in lost.values():
            self._put_gap(covered, ts_recv, ts_recv)
            anew = msgspec.structs.replace(covered, ts_from=ts_recv, ts_to=ts_recv, is_open=True, ts_recv=ts_recv)
            self._take_coverage(anew)

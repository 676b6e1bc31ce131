"""The engine: one event at a time into the state of the market, then on to the sinks.

In: every event of every feed, in the order of receipt. Out, to each sink: every liquidation once with its LPI, each
closed candle once, mark prices and open interest once a minute, ratios, taker volumes, public positions, changes of
contracts, gaps, coverage, and each Tick after all that belongs before it. State comes first: whoever is told of an
event finds it in the state already.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, assert_never

from perpscope.engine.book import BookChange
from perpscope.engine.coverage import CoverageLedger
from perpscope.engine.minutes import OncePerMinute
from perpscope.engine.ranking import LpiRanking
from perpscope.engine.repeats import Repeats
from perpscope.engine.silence import SilenceWatch, Silent, Spoken
from perpscope.engine.state import InstrumentState, MarketState
from perpscope.engine.tally import Tally, venue_of
from perpscope.engine.watched import FLOOR_S
from perpscope.model.instrument import InstrumentId
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
    FeedEvent,
    FundingPaid,
    Gap,
    Interval,
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
from perpscope.model.order import (
    Arrival,
    Clusters,
    Fill,
    Forecast,
    FundingCharged,
    OrderClosed,
    Resumed,
    ReturnedEvent,
    Standing,
)
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Sink

_CAUSES: Final = {BookChange.HOLE: "sequence", BookChange.CROSSED: "crossed"}
#: What breaks off when its connection does: no later event makes good for a missed one.
_CHAINED: Final = frozenset({Channel.BOOK, Channel.QUOTES})


class Engine:
    """Holds the market's state and tells the sinks.

    Args:
        sinks: take what is worth keeping, in this order.
        instruments: those to know; None = learn them from their events.
        on_1m_candle_close: called with each closed 1-minute candle, once, after the sinks.
        lpi_history: liquidations of the last seven days with their LPI, oldest first, to compare new ones with.
        resume: where an earlier run ended: (venue, stream) → (end of its last coverage in ns UTC, cause).
        check_books: compare every book with its quotes (see `book_check`).
        silent_after_s: least time without a word after which a stream counts as silent, market seconds.
    """

    def __init__(
        self,
        *,
        sinks: Sequence[Sink],
        instruments: Iterable[InstrumentId] | None = None,
        on_1m_candle_close: Callable[[Candle], None] | None = None,
        lpi_history: Iterable[Liquidation] = (),
        resume: Mapping[tuple[str, Stream], tuple[int, str]] | None = None,
        check_books: bool = False,
        silent_after_s: float = FLOOR_S,
    ) -> None:
        self.unknown = 0  #: events of instruments that are not known, where a state would have to be kept for them
        self.repeated = 0  #: liquidations that came again, and were passed on once
        self._tally = Tally()
        self.market = MarketState(self._tally, instruments, check_books=check_books)
        self._sinks = tuple(sinks)
        self._on_1m_candle_close = on_1m_candle_close
        self._ledger = CoverageLedger(resume, silent_after_s=max(silent_after_s, FLOOR_S))
        self._silence = SilenceWatch(self.market, self._tally, silent_after_s)
        self._marks = OncePerMinute[MarkPrice]()
        self._open_interests = OncePerMinute[OpenInterest]()
        self._repeats = Repeats()
        self._ranking = LpiRanking(lpi_history)
        self._carried: dict[str, set[Stream]] = {}  # connection → its streams that make or check a book

    def process(self, event: Arrival) -> None:
        """Take one event: state first, then the sinks. What is not of the market is passed by."""
        match event:  # hottest kinds first
            case Quote():
                self._quote(event)
            case Trade():
                self._trade(event)
            case BookDelta() | BookSnapshot():
                self._book(event)
            case MarkPrice():
                self._mark_price(event)
            case Candle():
                self._candle(event)
            case Liquidation():
                self._liquidation(event)
            case OpenInterest():
                self._open_interest(event)
            case AccountRatio() | TakerVolume() | FundingPaid() | PublicPosition() | ContractUpdate():
                self._told(event)
            case _:
                self._account(event)

    @property
    def counts(self) -> dict[str, int]:
        """Events processed by kind, from "trade" to "contract_update"; see `tally`."""
        return self._tally.counts

    @property
    def events_by_channel(self) -> dict[tuple[str, Channel], tuple[int, int]]:
        """`(events, ts_recv of the last in ns UTC)` by venue and channel."""
        return self._tally.by_channel

    @property
    def gaps(self) -> int:
        """Distinct gaps so far."""
        return self._ledger.gaps

    @property
    def gaps_by_channel(self) -> Mapping[tuple[str, Channel], int]:
        """Distinct gaps by venue and channel."""
        return self._ledger.gaps_by_channel

    @property
    def silent_streams(self) -> list[Silent]:
        """Streams that are acknowledged and should have spoken."""
        return self._silence.silent

    @property
    def alarms(self) -> Mapping[str, int]:
        """How often streams of a venue were found silent; a pause of the whole venue counts once."""
        return self._silence.alarms

    def snapshots_wanted(self) -> list[InstrumentId]:
        """Instruments whose book has begun to buffer and awaits a snapshot."""
        return [state.instrument for state in self.market if state.book.wants_snapshot]

    def depth_wanted(self) -> list[InstrumentId]:
        """Instruments whose book is readable, and known no further than a copy of few levels reaches."""
        return [state.instrument for state in self.market if state.book.wants_depth]

    def book_check(self) -> tuple[int, int]:
        """How many book tops were compared with the venue's quotes, and how many were equal.

        Call it when the feed is over: what still waits for its quote is judged now.
        """
        checks = [state.check for state in self.market if state.check is not None]
        for check in checks:
            check.finish()
        return sum(check.compared for check in checks), sum(check.equal for check in checks)

    def book_check_coinciding(self) -> tuple[int, int]:
        """The same for the tops whose update id is the quote's own."""
        checks = [state.check for state in self.market if state.check is not None]
        return sum(check.coinciding for check in checks), sum(check.coinciding_equal for check in checks)

    def _account(self, event: FeedEvent | ReturnedEvent) -> None:
        match event:
            case Alive():
                self._give(*self._ledger.alive(event))
            case Tick():
                self._give(*self._marks.flush(event.ts_recv), *self._open_interests.flush(event.ts_recv))
                self._give(*self._ledger.tick(event))
                self._judge(event.ts_recv)
                self._give(event)
            case Connected():
                pass  # nothing has been said yet; recordings keep it
            case Subscribed():
                self._subscribed(event)
            case Unheard():
                self._unheard(event)
            case Disconnected():
                self._disconnected(event)
            case Gap():
                self._ledger.noted(event)
                self._give(event)
            case Covered():
                self._give(event)
            case Fill() | OrderClosed() | FundingCharged() | Standing() | Resumed() | Clusters() | Forecast():
                pass  # a trader's own
            case _:
                assert_never(event)

    def _known(self, instrument: InstrumentId) -> InstrumentState | None:
        state = self.market.admit(instrument)
        if state is None:
            self.unknown += 1
        return state

    def _quote(self, event: Quote) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        state.seen.quotes.note(event.ts_recv)
        last = state.last_quote
        if last is None or event.update_id >= last.update_id or event.ts_event > last.ts_event:
            state.last_quote = event
        if state.check is not None:
            state.check.quoted(event)

    def _trade(self, event: Trade) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        state.seen.trades.note(event.ts_recv)
        if state.last_trade is None or event.ts_event >= state.last_trade.ts_event:
            state.last_trade = event

    def _book(self, event: BookDelta | BookSnapshot) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        book = state.book
        if isinstance(event, BookDelta):
            state.seen.book_deltas.note(event.ts_recv)
            change = book.apply(event)
        else:
            seen = state.seen.streamed_books if event.is_stream else state.seen.book_snapshots
            seen.note(event.ts_recv)
            change = book.restore(event)
        if change is BookChange.APPLIED:
            return
        if change is BookChange.LIVE:
            self._give(*self._ledger.book_back(state.venue, state.instrument, event.ts_recv))
        elif (cause := _CAUSES.get(change)) is not None:
            since = book.ts_last or event.ts_recv
            self._give(*self._ledger.book_lost(state.venue, state.instrument, since, cause, event.ts_recv))

    def _mark_price(self, event: MarkPrice) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        state.seen.mark_prices.note(event.ts_recv)
        if state.last_mark is None or event.ts_event >= state.last_mark.ts_event:
            state.last_mark = event
        state.references.note(event.ts_event, event.mark)
        self._give(*self._marks.accept(event))

    def _liquidation(self, event: Liquidation) -> None:
        self._tally.of(venue_of(event.instrument)).liquidations.note(event.ts_recv)
        state = self.market.get(event.instrument)
        if state is not None:
            state.seen.liquidations.note(event.ts_recv)
        if self._repeats.is_repeat(event):
            self.repeated += 1
            return
        reference = None if state is None else state.references.before(event.ts_event)
        self._give(self._ranking.ranked(event, reference))

    def _open_interest(self, event: OpenInterest) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        state.seen.open_interest.note(event.ts_recv)
        if state.last_open_interest is None or event.ts_event >= state.last_open_interest.ts_event:
            state.last_open_interest = event
        self._give(*self._open_interests.accept(event))

    def _told(self, event: AccountRatio | TakerVolume | FundingPaid | PublicPosition | ContractUpdate) -> None:
        """What the market's state has no place for, but the stores have, whichever instrument it is about."""
        self._tally.of(venue_of(event.instrument)).told[type(event)].note(event.ts_recv)
        if isinstance(event, ContractUpdate):
            self._spoken(self._silence.contract(event), event.ts_recv)
        self._give(event)

    def _candle(self, event: Candle) -> None:
        state = self._known(event.instrument)
        if state is None:
            return
        state.seen.candles[event.interval].note(event.ts_recv)
        closed = self.market.candles.accept(event)
        if closed is None:
            return
        self._give(closed)
        if closed.interval is Interval.M1 and self._on_1m_candle_close is not None:
            self._on_1m_candle_close(closed)

    def _subscribed(self, event: Subscribed) -> None:
        carried = self._carried.setdefault(event.connection, set())
        carried.update(stream for stream in event.streams if stream.channel in _CHAINED)
        self._give(*self._ledger.subscribed(event))
        self._silence.subscribed(event)

    def _unheard(self, event: Unheard) -> None:
        carried = self._carried.get(event.connection, set())
        dropped = carried.intersection(event.streams)
        carried.difference_update(dropped)
        self._orphan(dropped)
        self._give(*self._ledger.unheard(event))
        self._spoken(self._silence.unheard(event), event.ts_recv)

    def _disconnected(self, event: Disconnected) -> None:
        self._orphan(self._carried.pop(event.connection, set()))
        self._give(*self._ledger.disconnected(event))
        self._spoken(self._silence.disconnected(event), event.ts_recv)

    def _judge(self, now: int) -> None:
        """Find what has fallen silent, and what speaks again."""
        found, spoken = self._silence.tick(now)
        self._spoken(spoken, now)
        for finding in found:
            self._give(*self._ledger.mute(finding, now))

    def _spoken(self, ended: Iterable[Spoken], ts_recv: int) -> None:
        for spoken in ended:
            self._give(*self._ledger.spoke(spoken, ts_recv))

    def _orphan(self, streams: Collection[Stream]) -> None:
        """A book nobody feeds any more must not be read, nor be judged by quotes that break off."""
        for stream in set(streams).difference(*self._carried.values()):
            state = None if stream.instrument is None else self.market.get(stream.instrument)
            if state is None:
                continue
            if stream.channel is Channel.BOOK:
                state.book.invalidate()
            if state.check is not None:
                state.check.forget()

    def _give(self, *events: MarketEvent) -> None:
        for event in events:
            for sink in self._sinks:
                sink.accept(event)

"""What a source tells, as events in the order they were received: candles, rows, or frames through the real decoders.

Each source can be read again and again, and gives the same events each time. Where trades or books are told a Tick
comes with every second, after all that belongs before it.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.app.backtest.bars import Bars
from perpscope.app.backtest.material import Event
from perpscope.app.backtest.row_columns import Rows
from perpscope.app.backtest.settlements import due_of
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    BookSnapshot,
    FundingPaid,
    Gap,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Side,
    Tick,
    Trade,
)
from perpscope.model.stream import Channel, Stream

SECOND_NS: Final = 1_000_000_000
_STREAMS: Final = {"trades": Channel.TRADES, "books": Channel.BOOK, "contexts": Channel.MARK_PRICES}
#: Rows of one moment come in this order: prices to be margined at, payments, books, trades.
_CONTEXT, _BOOK, _TRADE = 0, 1, 2
_RANK: Final = {"contexts": _CONTEXT, "books": _BOOK, "trades": _TRADE}


class CandleSource(msgspec.Struct, frozen=True, kw_only=True):
    """Candles, and what is told beside them, each in order of time."""

    instrument: Instrument
    bars: Bars
    fundings: Sequence[FundingPaid] = ()
    marks: Sequence[MarkPrice] = ()
    open_interest: Sequence[OpenInterest] = ()
    liquidations: Sequence[Liquidation] = ()

    def events(self) -> Iterator[Event]:
        """Everything; of one moment the candle that closes then comes first."""
        beside = (iter(self.marks), iter(self.open_interest), iter(self.liquidations), iter(self.fundings))
        yield from in_order(self.bars.candles(self.instrument.id), *beside)


class RowSource(msgspec.Struct, frozen=True, kw_only=True):
    """Normalised rows, by kind."""

    instrument: Instrument
    rows: Sequence[Rows]

    def events(self) -> Iterator[Event]:
        """Everything, with settlements, gaps and Ticks."""
        told = [rows for rows in self.rows if rows.ts.size]
        ts = np.concatenate([rows.ts for rows in told])
        rank = np.concatenate([np.full(rows.ts.size, _RANK[rows.kind]) for rows in told])
        place = np.concatenate([np.arange(rows.ts.size) for rows in told])
        order = np.lexsort((place, rank, ts))
        makers = {_RANK[rows.kind]: _MAKERS[rows.kind](self.instrument, rows) for rows in told}
        events = self._made(ts[order].tolist(), rank[order].tolist(), place[order].tolist(), makers)
        yield from ticking(in_order(gaps_of(self.instrument, told), events))

    def _made(
        self, ts: list[int], rank: list[int], place: list[int], makers: dict[int, Callable[[int, int], list[Event]]]
    ) -> Iterator[Event]:
        due = due_of(self.instrument.id, self.instrument.funding_interval_h)
        for at, kind, row in zip(ts, rank, place, strict=True):
            made = makers[kind](at, row)
            mark = made[0] if kind == _CONTEXT else None
            paid = due.before(at, mark if isinstance(mark, MarkPrice) else None)
            if paid is not None:
                yield paid
            yield from made


def in_order(*streams: Iterator[Event]) -> Iterator[Event]:
    """Streams that are each in the order they were received, as one; of one moment the first named comes first."""
    return heapq.merge(*streams, key=lambda event: event.ts_recv)


def ticking(events: Iterator[Event]) -> Iterator[Event]:
    """The same events with a Tick at each full second from the first to the last, after what belongs before it."""
    due = 0
    for event in events:
        due = due or (event.ts_recv // SECOND_NS + 1) * SECOND_NS
        while event.ts_recv > due:
            yield Tick(due)
            due += SECOND_NS
        yield event
    if due:
        yield Tick(due)


def gaps_of(instrument: Instrument, rows: Sequence[Rows]) -> Iterator[Gap]:
    """What was not seen, told when it began and when it ended."""
    found: list[Gap] = []
    for kind in rows:
        streams = (Stream(_STREAMS[kind.kind], instrument.id),)
        for start, end in kind.holes:
            found.append(Gap(instrument.venue, streams, start, None, "silent", start))
            found.append(Gap(instrument.venue, streams, start, end, "silent", end))
    return iter(sorted(found, key=lambda gap: gap.ts_recv))


def _trades(instrument: Instrument, rows: Rows) -> Callable[[int, int], list[Event]]:
    prices, sizes = rows.values[:, 0].tolist(), rows.values[:, 1].tolist()
    name = instrument.id

    def made(ts: int, row: int) -> list[Event]:
        signed = sizes[row]
        side = Side.BUY if signed > 0.0 else Side.SELL
        return [Trade(name, ts, ts, row, prices[row], abs(signed), side, False)]

    return made


def _books(instrument: Instrument, rows: Rows) -> Callable[[int, int], list[Event]]:
    name = instrument.id

    def side(prices: list[float], sizes: list[float]) -> list[Level]:
        return [(price, size) for price, size in zip(prices, sizes, strict=True) if not math.isnan(price)]

    def made(ts: int, row: int) -> list[Event]:
        bids, bid_sizes, asks, ask_sizes = rows.values[row].tolist()
        levels = side(bids, bid_sizes), side(asks, ask_sizes)
        return [BookSnapshot(name, ts, ts, ts // 1_000_000, *levels, is_stream=True)]

    return made


def _contexts(instrument: Instrument, rows: Rows) -> Callable[[int, int], list[Event]]:
    table = rows.values.tolist()
    name, hours = instrument.id, instrument.funding_interval_h

    def made(ts: int, row: int) -> list[Event]:
        mark, index, rate, held = (None if math.isnan(cell) else cell for cell in table[row])
        told: list[Event] = [] if mark is None else [MarkPrice(name, ts, ts, mark, index, rate, None, hours)]
        return told if held is None else [*told, OpenInterest(name, ts, ts, held, None)]

    return made


_MAKERS: Final = {"trades": _trades, "books": _books, "contexts": _contexts}

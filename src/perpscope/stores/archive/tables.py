"""The archive's tables: what a row of each channel holds, in which unit, and how it is packed into Parquet.

In: events of one kind and instrument. Out: Arrow batches, and the metadata each file carries. Prices and sizes are
float64, as they came: no tick size has to be known. Measured on 368,912 trades of a recorded day: prices take 0.42 B
split by byte (0.53 plain, 0.84 by dictionary; scaled integers would take 0.37), sizes 2.6 B plain at half the time of
the dictionary's 1.9 B, times 1.3 B as packed differences. zstd at level 3; lz4 where rows are few: read 13 % faster.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from perpscope.engine.tally import CANDLE_CHANNELS, venue_of
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    AccountRatio,
    BookDelta,
    BookSnapshot,
    Candle,
    FundingPaid,
    InstrumentEvent,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    TakerVolume,
    Trade,
)
from perpscope.model.stream import Channel

VERSION: Final = 1  #: of the schemas
_NUMBER, _PRICE, _FLOAT, _TEXT, _FLAG = pa.int64(), pa.float64(), pa.float64(), pa.string(), pa.bool_()
_LEVELS = pa.list_(pa.float64())


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: pa.DataType
    unit: str
    is_price: bool = False  #: packed as prices are


class Table(NamedTuple):
    """What the archive keeps of one channel."""

    channel: Channel
    columns: tuple[Column, ...]
    identity: tuple[str, ...]  #: rows alike in all of these are one row; files are sorted by them
    is_shared: bool  #: one file for all instruments of a venue, where one alone would make many small ones
    is_live: bool = True  #: told as it happens: receipt and venue's time are close together

    @property
    def schema(self) -> pa.Schema:
        """Columns of a file, without metadata."""
        own = [pa.field(column.name, column.type) for column in self.columns]
        return pa.schema([pa.field("venue", _TEXT), pa.field("instrument", _TEXT), *own])

    @property
    def packing(self) -> dict[str, object]:
        """Arguments for the Parquet writer."""
        encoding = {"ts_event": "DELTA_BINARY_PACKED", "ts_recv": "DELTA_BINARY_PACKED"}
        for column in self.columns:
            if column.type == _NUMBER:
                encoding[column.name] = "DELTA_BINARY_PACKED"
            elif column.is_price:
                name = f"{column.name}.list.element" if column.type == _LEVELS else column.name
                encoding[name] = "BYTE_STREAM_SPLIT"
        texts = [field.name for field in self.schema if field.type == _TEXT and field.name != "trade_text"]
        return {
            "compression": "lz4" if self.is_shared else "zstd",
            "compression_level": None if self.is_shared else 3,
            "use_dictionary": texts,
            "column_encoding": encoding,
            "write_page_index": True,
        }


def _table(channel: Channel, columns: Sequence[Column], identity: str, *, shared: bool, live: bool = True) -> Table:
    times = (Column("ts_event", _NUMBER, "ns UTC, the venue's"), Column("ts_recv", _NUMBER, "ns UTC, ours"))
    names = ("ts_event", *(("instrument",) if shared else ()), *identity.split())
    return Table(channel, (*times, *columns), names, shared, live)


def _price(name: str) -> Column:
    return Column(name, _PRICE, "quote per base", is_price=True)


def _size(name: str) -> Column:
    return Column(name, _FLOAT, "base units")


_CANDLE: Final = (
    Column("ts_open", _NUMBER, "ns UTC"),
    *(_price(name) for name in ("open", "high", "low", "close")),
    _size("volume"),
    Column("quote_volume", _FLOAT, "quote units"),
    Column("trades", _NUMBER, "count"),
    _size("taker_buy_volume"),
    Column("taker_buy_quote_volume", _FLOAT, "quote units"),
)
_ID = Column("trade_number", _NUMBER, "the venue's id where it is a number")
_ID_TEXT = Column("trade_text", _TEXT, "the venue's id where it is none")
_SIDE = Column("side", _TEXT, "BUY or SELL, of the taker")
_PERIOD = Column("period_s", _NUMBER, "seconds, ending at ts_event")

_ALL: Final = (
    _table(
        Channel.TRADES,
        (_ID, _ID_TEXT, _price("price"), _size("size"), _SIDE, Column("is_aggregate", _FLAG, "")),
        "trade_number trade_text price size side",
        shared=False,
    ),
    _table(
        Channel.QUOTES,
        (
            Column("update_id", _NUMBER, "the venue's"),
            *(_price("bid"), _size("bid_size"), _price("ask"), _size("ask_size")),
        ),
        "update_id bid bid_size ask ask_size",
        shared=False,
    ),
    _table(
        Channel.BOOK,
        (
            Column("kind", _TEXT, "delta, snapshot (streamed), copy (by REST) or state (ours, at midnight)"),
            *(Column(name, _NUMBER, "the venue's") for name in ("first_update_id", "last_update_id", "prev_update_id")),
            Column("bid_prices", _LEVELS, "quote per base, best first in a book", is_price=True),
            Column("bid_sizes", _LEVELS, "base units; 0 removes the price"),
            Column("ask_prices", _LEVELS, "quote per base, best first in a book", is_price=True),
            Column("ask_sizes", _LEVELS, "base units; 0 removes the price"),
        ),
        "last_update_id first_update_id kind",
        shared=False,
    ),
    _table(
        Channel.MARK_PRICES,
        (
            *(_price("mark"), _price("index"), Column("funding_rate", _FLOAT, "fraction per interval")),
            Column("ts_next_funding", _NUMBER, "ns UTC"),
            Column("funding_interval_h", _FLOAT, "hours"),
        ),
        "mark index funding_rate",
        shared=True,
    ),
    _table(
        Channel.LIQUIDATIONS,
        (
            Column("position_side", _TEXT, "LONG or SHORT: whose position was closed"),
            *(_size("size"), _price("fill_price"), _price("bankruptcy_price")),
            Column("completeness", _TEXT, "complete, sampled or watchlist"),
            Column("sampling", _TEXT, "how a sampled feed chooses"),
            Column("venue_id", _TEXT, "the venue's own id, or empty"),
        ),
        "position_side size fill_price bankruptcy_price venue_id",
        shared=True,
    ),
    _table(
        Channel.OPEN_INTEREST,
        (_size("open_interest"), Column("open_interest_usd", _FLOAT, "dollars")),
        "open_interest",
        shared=True,
        live=False,
    ),
    *(_table(channel, _CANDLE, "ts_open close", shared=True, live=False) for channel in CANDLE_CHANNELS.values()),
    _table(
        Channel.ACCOUNT_RATIOS,
        (Column("kind", _TEXT, "whose, and what is counted"), _PERIOD, Column("long_fraction", _FLOAT, "in [0, 1]")),
        "kind period_s",
        shared=True,
        live=False,
    ),
    _table(
        Channel.TAKER_VOLUME, (_PERIOD, _size("buy_volume"), _size("sell_volume")), "period_s", shared=True, live=False
    ),
    _table(Channel.FUNDING, (Column("funding_rate", _FLOAT, "fraction"), _price("mark")), "", shared=True, live=False),
)
#: What is kept, by channel.
TABLES: Final[Mapping[Channel, Table]] = {table.channel: table for table in _ALL}

_CHANNELS: Final[Mapping[type, Channel]] = {
    Trade: Channel.TRADES,
    Quote: Channel.QUOTES,
    BookDelta: Channel.BOOK,
    BookSnapshot: Channel.BOOK,
    MarkPrice: Channel.MARK_PRICES,
    Liquidation: Channel.LIQUIDATIONS,
    OpenInterest: Channel.OPEN_INTEREST,
    AccountRatio: Channel.ACCOUNT_RATIOS,
    TakerVolume: Channel.TAKER_VOLUME,
    FundingPaid: Channel.FUNDING,
}
#: Fields of an event that are columns of another name or form, or none at all.
_OWN_WAY: Final = frozenset({"instrument", "trade_id", "lpi", "interval", "is_closed"})
_LABELS: Final = frozenset({"side", "position_side", "completeness", "sampling", "kind"})
_label = attrgetter("_value_")


def channel_of(event: InstrumentEvent) -> Channel | None:
    """Which table an event belongs in; None if the archive keeps none for it."""
    return CANDLE_CHANNELS[event.interval] if isinstance(event, Candle) else _CHANNELS.get(type(event))


def columns_of(table: Table, events: Sequence[InstrumentEvent]) -> pa.RecordBatch:
    """Events of one type, as columns without venue and instrument; some 0.3 µs for each trade.

    Raises:
        OverflowError: an integer that takes more than 64 bits.
    """
    first = events[0]
    if isinstance(first, BookDelta | BookSnapshot):
        return _book(table, events)
    found: dict[str, Sequence[object] | pa.Array] = {}
    for name in first.__struct_fields__:
        if name == "trade_id":
            found["trade_number"], found["trade_text"] = _ids(_taken(events, name))
        elif name in _LABELS:
            found[name] = list(map(_label, _taken(events, name)))
        elif name not in _OWN_WAY:
            found[name] = _taken(events, name)
    return pa.record_batch(
        [_array(found[column.name], column.type) for column in table.columns],
        names=[column.name for column in table.columns],
    )


def state_columns(book: BookSnapshot) -> pa.RecordBatch:
    """A book as we keep it, which a day's file begins with so that it can be replayed alone."""
    return _book(TABLES[Channel.BOOK], [book], kind="state")


def whole(batches: Sequence[pa.RecordBatch], instrument: InstrumentId) -> pa.Table:
    """Batches of one instrument under the table's full schema."""
    rows = pa.Table.from_batches(batches)
    rows = rows.add_column(0, pa.field("venue", _TEXT), pa.repeat(venue_of(instrument), len(rows)))
    return rows.add_column(1, pa.field("instrument", _TEXT), pa.repeat(str(instrument), len(rows)))


def metadata(table: Table, kind: str, **more: str) -> dict[bytes, bytes]:
    """What a file says of itself: units, version, and whether it was observed."""
    units = {column.name: column.unit for column in table.columns if column.unit}
    told = {"channel": table.channel.value, "kind": kind, "version": str(VERSION), **more}
    told["units"] = msgspec.json.encode(units).decode()
    return {f"perpscope.{name}".encode(): text.encode() for name, text in told.items()}


def _array(values: Sequence[object] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _ids(ids: Sequence[object]) -> tuple[pa.Array, pa.Array]:
    """Trade ids as numbers and as texts, null where it is the other; an empty text is no id at all."""
    try:
        return pa.array(ids, _NUMBER), pa.nulls(len(ids), _TEXT)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        most = (1 << 63) - 1
        numbers = [i if isinstance(i, int) and i <= most else None for i in ids]
        texts = [(str(i) or None) if number is None else None for i, number in zip(ids, numbers, strict=True)]
        return pa.array(numbers, _NUMBER), pa.array(texts, _TEXT)


def _book(table: Table, events: Sequence[InstrumentEvent], kind: str = "") -> pa.RecordBatch:
    last = _taken(events, "last_update_id")
    if isinstance(events[0], BookDelta):
        kinds: Sequence[object] = ["delta"] * len(events)
        ids = [_taken(events, "first_update_id"), last, _taken(events, "prev_update_id")]
    else:
        kinds = [kind or ("snapshot" if streamed else "copy") for streamed in _taken(events, "is_stream")]
        ids = [last, last, last]
    sides = [column for side in ("bids", "asks") for column in _levels(list(map(attrgetter(side), events)))]
    numbers = [pa.array(values, _NUMBER) for values in (_taken(events, "ts_event"), _taken(events, "ts_recv"))]
    identity = [pa.array(kinds, _TEXT), *(pa.array(values, _NUMBER) for values in ids)]
    return pa.record_batch([*numbers, *identity, *sides], names=[column.name for column in table.columns])


def _taken(events: Sequence[InstrumentEvent], name: str) -> list[object]:
    return list(map(attrgetter(name), events))


def _levels(sides: Sequence[Sequence[Level]]) -> tuple[pa.ListArray, pa.ListArray]:
    """Prices and sizes of one side of several books."""
    offsets = [0]
    for side in sides:
        offsets.append(offsets[-1] + len(side))
    flat = pa.array(list(chain.from_iterable(chain.from_iterable(sides))), pa.float64())
    where = pa.array(offsets, pa.int32())
    pairs = flat.to_numpy(zero_copy_only=False).reshape(-1, 2)
    return tuple(pa.ListArray.from_arrays(where, pa.array(pairs[:, at].copy())) for at in (0, 1))

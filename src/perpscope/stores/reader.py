"""Reading a store from any process, while another writes it: read-only, never checkpoints, never waits for the writer.

Rows go out as the events they came from, oldest first.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from perpscope.analytics.lpi import WINDOW_NS
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import (
    AccountRatio,
    Candle,
    FundingPaid,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PublicPosition,
    TakerVolume,
)
from perpscope.model.stream import Channel
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.counting import count
from perpscope.stores.ledger import Sums, read_ledger
from perpscope.stores.listings import InstrumentVersion, TierVersion
from perpscope.stores.rows import LIQUIDATION_COLUMNS, liquidation_of, never_written
from perpscope.stores.status import (
    Aggregate,
    CoverageRow,
    EventCounts,
    FeedStatus,
    HeartStatus,
    IntensityHour,
    StoreKind,
)

if TYPE_CHECKING:
    from perpscope.stores.columns import Columns

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R", Aggregate, IntensityHour)

DEFAULT_LIMIT = 1000
#: An average that no event of ours is in is the older collector's, and nobody knows what it meant.
_SUMS = "*, iif(lpi_count > 0, avg_lpi, NULL) AS avg_lpi"
#: An instrument's coin is told where it is not its base.
_TERMS = "*, iif(coin = base, '', coin) AS coin"
_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS


class _Name(msgspec.Struct):
    venue: str
    symbol: str


class _TierKey(msgspec.Struct):
    source: str
    ts_from: int


class _VersionKey(msgspec.Struct):
    ts_from: int


class _Kind(msgspec.Struct):
    value: StoreKind


class SqliteReader:
    """A store opened read-only. To be used from one thread at a time; close it, or use it in a `with`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing store.

        Raises:
            DataError: there is none ("store-missing").
            StoreError: it cannot be trusted or read.
        """
        return cls(path, open_for_reading(path))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bytes(self) -> int:
        """Size on disk, with what is still in the write-ahead log."""
        wal = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)

    @property
    def kind(self) -> StoreKind:
        """Where the data came from."""
        return self._select(_Kind, "SELECT value FROM meta WHERE key = 'kind'")[0].value

    def counts(self, now_ns: int) -> EventCounts:
        """Liquidations in all, and of the hours before `now_ns` (ns UTC), with how much of those was seen."""
        heart = self.heart()
        with trusting(self.path):
            return count(self._connection, now_ns, 1.0 if heart is None else heart.rate)

    def feeds(self) -> list[FeedStatus]:
        """How each feed was doing when the heart last said so."""
        return self._select(FeedStatus, "SELECT * FROM feeds ORDER BY venue, channel")

    def heart(self) -> HeartStatus | None:
        """The process that writes, or wrote, this store; None if it never said anything."""
        hearts = self._select(HeartStatus, "SELECT * FROM heart")
        return hearts[0] if hearts else None

    def liquidations(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[Liquidation]:
        """The newest liquidations, of one of the venues' symbols or all, from `since_ns` (ns UTC) on."""
        where, values = _where({"symbol = ?": symbol, "ts_event >= ?": since_ns})
        order = "ORDER BY ts_event DESC, id DESC LIMIT ?"
        newest = f"SELECT {LIQUIDATION_COLUMNS} FROM liquidation_events {where} {order}"  # noqa: S608 -- ours
        with trusting(self.path):
            rows = self._connection.execute(newest, (*values, limit)).fetchall()
            return [liquidation_of(row) for row in reversed(rows)]

    def lpi_history(self, ts_to: int) -> Iterator[Liquidation]:
        """What later liquidations are compared with: the 7 days before `ts_to` (ns UTC), where the reference is known.

        Oldest first; the reader must stay open, and be used for nothing else, until all are taken.
        """
        week = f"""SELECT {LIQUIDATION_COLUMNS} FROM liquidation_events
            WHERE ts_event >= ? AND ts_event < ? AND lpi_reference_price IS NOT NULL ORDER BY ts_event, id"""  # noqa: S608
        with trusting(self.path):
            yield from map(liquidation_of, self._connection.execute(week, (ts_to - WINDOW_NS, ts_to)))

    def aggregates(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[Aggregate]:
        """The newest minutes of liquidations, from the one starting at `since_ns` (ns UTC) on."""
        where, values = _where({"symbol = ?": symbol, "ts_start >= ?": since_ns})
        order = "ts_start DESC, venue DESC, symbol DESC, side DESC"
        newest = f"SELECT {_SUMS} FROM liquidation_aggregates {where} ORDER BY {order} LIMIT ?"  # noqa: S608 -- ours
        return self._judged(self._select(Aggregate, newest, (*values, limit))[::-1], _MINUTE_NS)

    def intensity(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[IntensityHour]:
        """The newest hours of liquidations, from the one starting at `since_ns` (ns UTC) on."""
        where, values = _where({"symbol = ?": symbol, "ts_start >= ?": since_ns})
        order = "ts_start DESC, venue DESC, symbol DESC, side DESC"
        newest = f"SELECT {_SUMS} FROM liquidation_intensity {where} ORDER BY {order} LIMIT ?"  # noqa: S608 -- ours
        return self._judged(self._select(IntensityHour, newest, (*values, limit))[::-1], _HOUR_NS)

    def _judged(self, rows: list[R], length_ns: int) -> list[R]:
        """Sums in order of time, with what they are worth."""
        if not rows:
            return rows
        with trusting(self.path):
            sums = Sums(self._connection, rows[0].ts_start, rows[-1].ts_start + length_ns)
            worth = [sums.worth(r.venue, r.symbol, r.side, r.ts_start, r.ts_start + length_ns) for r in rows]
        return [
            msgspec.structs.replace(row, coverage=share, completeness=completeness)
            for row, (share, completeness) in zip(rows, worth, strict=True)
        ]

    def candles(
        self, instrument: InstrumentId, interval: Interval, since_ns: int | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[Candle]:
        """The newest closed candles, from the one opening at `since_ns` (ns UTC) on."""
        where, values = _where({**self._named(instrument), "ts_open >= ?": since_ns})
        columns = f"*, '{interval.value}' AS interval, 1 AS is_closed"
        newest = f"SELECT {columns} FROM candles_{interval.value} {where} ORDER BY ts_open DESC LIMIT ?"  # noqa: S608 -- ours
        return self._select(Candle, newest, (*values, limit))[::-1]

    def marks(
        self, instrument: InstrumentId, since_ns: int | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[MarkPrice]:
        """The newest mark prices, the last one of each minute, from the minute starting at `since_ns` (ns UTC) on."""
        where, values = _where({**self._named(instrument), "ts_minute >= ?": since_ns})
        columns = '*, mark_price AS mark, index_price AS "index", next_funding_time AS ts_next_funding'
        newest = f"SELECT {columns} FROM premium_index {where} ORDER BY ts_minute DESC LIMIT ?"  # noqa: S608 -- ours
        return self._select(MarkPrice, newest, (*values, limit))[::-1]

    def open_interest(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[OpenInterest]:
        """The newest counts, the last of each minute, of minutes from `since_ns` on and before `until_ns` (ns UTC)."""
        return self._series(OpenInterest, "open_interest", "ts_minute", (venue, symbol, since_ns, until_ns), limit)

    def long_short_ratio(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[AccountRatio]:
        """The newest ratios of all kinds, of periods that end from `since_ns` to `until_ns` (ns UTC, not included)."""
        return self._series(AccountRatio, "long_short_ratio", "ts_event", (venue, symbol, since_ns, until_ns), limit)

    def taker_volume(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[TakerVolume]:
        """The newest volumes, of periods that end from `since_ns` to `until_ns` (ns UTC, not included)."""
        return self._series(TakerVolume, "taker_volume", "ts_event", (venue, symbol, since_ns, until_ns), limit)

    def funding_rates(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[FundingPaid]:
        """The newest payments of funding, from `since_ns` on and before `until_ns` (ns UTC)."""
        return self._series(FundingPaid, "funding_rates", "ts_event", (venue, symbol, since_ns, until_ns), limit)

    def public_positions(
        self, venue: str | None = None, symbol: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[PublicPosition]:
        """What each account was last seen to hold, the latest seen last; one closed since stays until it is old."""
        return self._series(PublicPosition, "public_positions", "ts_event", (venue, symbol, None, None), limit)

    def position_history(
        self,
        account: str,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[PublicPosition]:
        """The newest positions of an account, the last one of each minute and instrument."""
        where, values = _where({"account = ?": account, "ts_minute >= ?": since_ns, "ts_minute < ?": until_ns})
        order = "ts_minute DESC, venue DESC, symbol DESC"
        newest = f"SELECT * FROM public_position_history {where} ORDER BY {order} LIMIT ?"  # noqa: S608 -- ours
        return self._select(PublicPosition, newest, (*values, limit))[::-1]

    def instruments(self, venue: str | None = None) -> list[Instrument]:
        """What is known of each instrument now, in the order of their names."""
        where, values = _where({"venue = ?": venue})
        return self._select(Instrument, f"SELECT {_TERMS} FROM instruments {where} ORDER BY id", values)  # noqa: S608 -- ours

    def instrument_versions(self, instrument: InstrumentId) -> list[InstrumentVersion]:
        """What an instrument was, and since when; oldest first."""
        query = f"SELECT {_TERMS} FROM instrument_versions WHERE id = ? ORDER BY ts_from"  # noqa: S608 -- ours
        since = self._select(_VersionKey, query, (instrument,))
        terms = self._select(Instrument, query, (instrument,))
        return [InstrumentVersion(key.ts_from, version) for key, version in zip(since, terms, strict=True)]

    def margin_tiers(self, instrument: InstrumentId) -> list[TierVersion]:
        """Every version of an instrument's tiers, by source, oldest first."""
        query = "SELECT * FROM margin_tiers WHERE instrument = ? ORDER BY source, ts_from, tier"
        keys, tiers = self._select(_TierKey, query, (instrument,)), self._select(MarginTier, query, (instrument,))
        found: dict[tuple[str, int], list[MarginTier]] = {}
        for key, tier in zip(keys, tiers, strict=True):
            found.setdefault((key.source, key.ts_from), []).append(tier)
        return [TierVersion(instrument, source, ts, tuple(rows)) for (source, ts), rows in found.items()]

    def _series(
        self,
        record: type[T],
        table: str,
        time: str,
        chosen: tuple[str | None, str | None, int | None, int | None],
        limit: int,
    ) -> list[T]:
        """The newest rows of a venue, a symbol and a span of time, where given; oldest first."""
        conditions = ("venue = ?", "symbol = ?", f"{time} >= ?", f"{time} < ?")
        where, values = _where(dict(zip(conditions, chosen, strict=True)))
        order = f"{time} DESC, venue DESC, symbol DESC, ts_recv DESC"
        columns = "*, mark_price AS mark" if table == "funding_rates" else "*"
        newest = f"SELECT {columns} FROM {table} {where} ORDER BY {order} LIMIT ?"  # noqa: S608 -- ours
        return self._select(record, newest, (*values, limit))[::-1]

    def columns(
        self,
        series: str,
        names: Sequence[str],
        of: Instrument,
        since_ns: int,
        kind: str | None = None,
        until_ns: int = 2**62,
    ) -> "Columns":
        """Columns of an instrument's rows from a moment (ns UTC) to another; see `columns.read_columns`."""
        from perpscope.stores.columns import read_columns  # noqa: PLC0415 -- numpy: a store is opened without it

        with trusting(self.path):
            return read_columns(self._connection, series, names, (of.venue, of.symbol), since_ns, kind, until_ns)

    def coverage(
        self,
        venue: str | None = None,
        kind: str | None = None,
        channel: Channel | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[CoverageRow]:
        """What was seen (`covered`) and missed (`gap`) of each stream, in order of time.

        `since_ns` asks for intervals that end later or last, `until_ns` for those that begin before (ns UTC).
        """
        with trusting(self.path):
            return read_ledger(
                self._connection, venue=venue, channel=channel, kind=kind, since_ns=since_ns, until_ns=until_ns
            )

    def _named(self, instrument: InstrumentId) -> dict[str, str | int | None]:
        """Conditions for the name an instrument is stored under."""
        names = self._select(_Name, "SELECT venue, symbol FROM instruments WHERE id = ?", (instrument,))
        symbol, _, venue = instrument.rpartition(".")
        name = names[0] if names else _Name(venue.lower(), symbol)
        return {"venue = ?": name.venue, "symbol = ?": name.symbol}

    def _select(self, record: type[T], query: str, values: Sequence[str | int] = ()) -> list[T]:
        """Rows as records: columns by the names of their fields; others are not even fetched."""
        with trusting(self.path):
            cursor = self._connection.execute(f"SELECT * FROM ({query}) LIMIT 0", values)  # noqa: S608 -- ours
            found = [column[0].partition(":")[::2] for column in cursor.description]  # a name's second is `name:1`
            last = dict(found)
            wanted = {
                name: f"{name}:{last[name]}" if last[name] else name
                for name in record.__struct_fields__
                if name in last
            }
            columns = ", ".join(f'"{column}"' for column in wanted.values())
            cursor = self._connection.execute(f"SELECT {columns} FROM ({query})", values)  # noqa: S608 -- ours
            rows = [dict(zip(wanted, row, strict=True)) for row in cursor]
            try:
                return msgspec.convert(rows, list[record], strict=False)  # type: ignore[valid-type]  # known only now
            except msgspec.ValidationError as error:
                raise never_written(error) from error


def _where(filters: dict[str, str | int | None]) -> tuple[str, list[str | int]]:
    """Conditions that were asked for, and their values."""
    given = {condition: value for condition, value in filters.items() if value is not None}
    return (f"WHERE {' AND '.join(given)}" if given else "", list(given.values()))

"""Questions to an archive: any SELECT over views named after the channels, and the usual ones ready-made.

In: a folder and a stretch of time. Out: Arrow tables. Only files the manifest names are read; one that is damaged is
left out and named in `bad`, and the answer comes without it.
"""
# ruff: noqa: S608 -- the names in these queries are our own

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import InstrumentId
from perpscope.model.stream import Channel
from perpscope.stores.archive.duck import connect, relation
from perpscope.stores.archive.files import SHARED, Entry, fault_of
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.tables import TABLES

MOST_ROWS: Final = 100_000  #: of an answer to anybody's SELECT, unless told otherwise
_ATTEMPTS: Final = 5  #: at reading what a collector may be merging just then
HOUR_NS: Final = 3_600_000_000_000
_LIQUIDATIONS = """
SELECT lower(split_part(instrument, '.', -1)) AS venue, instrument, position_side, step * {step} AS ts,
    events, size, usd
FROM (SELECT instrument, position_side, ts_event // {step} AS step, count(*) AS events, sum(size) AS size,
    sum(size * coalesce(fill_price, bankruptcy_price)) AS usd
FROM liquidations WHERE ts_event >= {low} AND ts_event < {high} GROUP BY ALL)
"""
_BARS = """
SELECT (ts_event // {step}) * {step} AS ts, arg_min(price, (ts_event, trade_number, trade_text)) AS open,
    max(price) AS high, min(price) AS low, arg_max(price, (ts_event, trade_number, trade_text)) AS close,
    sum(size) AS volume, sum(size) FILTER (WHERE side = 'BUY') AS taker_buy_volume, count(*) AS trades
FROM trades WHERE ts_event >= {low} AND ts_event < {high} GROUP BY ALL ORDER BY ts
"""


class Answer(msgspec.Struct, frozen=True):
    """Rows, and whether they are all."""

    table: pa.Table
    is_cut: bool  #: there are more rows than were asked for
    bad: tuple[str, ...]  #: files that could not be read, and why


class ArchiveReader:
    """An archive opened for questions; used from one thread.

    Args:
        folder: the archive.

    Raises:
        DataError: there is none.
        StoreError: its manifest cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = Manifest.reading(folder)
        self._root = folder
        self._bad: dict[str, str] = {}
        self._duck: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Let go of it."""
        if self._duck is not None:
            self._duck.close()
        self.manifest.close()

    def select(
        self, sql: str, *, ts_from: int | None = None, ts_to: int | None = None, most: int = MOST_ROWS
    ) -> Answer:
        """Answer one SELECT over the views `trades`, `quotes`, `book`, `liquidations`, ….

        Args:
            sql: one statement.
            ts_from: only files that reach to here, ns UTC; quick where the archive is large. Rows are not cut.
            ts_to: and begin before here.
            most: rows of the answer.

        Raises:
            ConfigError: it is no single SELECT, or DuckDB does not understand it.
        """
        with duckdb.connect() as parser:
            try:
                statements = parser.extract_statements(sql)
            except duckdb.Error as error:
                raise _misunderstood(str(error)) from error
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise _misunderstood("it must be one SELECT and nothing else")
        text = statements[0].query.strip().rstrip(";")
        table = self._ask(f"SELECT * FROM ({text}\n) LIMIT {most + 1}", list(TABLES), ts_from, ts_to)
        return Answer(table.slice(0, most), len(table) > most, self._told())

    def rows(self, channel: Channel, instrument: InstrumentId | None, ts_from: int, ts_to: int) -> Answer:
        """All rows of a channel between two moments (ns UTC, the second not included), in order."""
        rule = "" if instrument is None else f" AND instrument = '{_name(instrument)}'"
        order = ", ".join(TABLES[channel].identity)
        sql = f"SELECT * FROM {channel.value} WHERE ts_event >= {ts_from} AND ts_event < {ts_to}{rule} ORDER BY {order}"
        return Answer(self._ask(sql, [channel], ts_from, ts_to, instrument), False, self._told())

    def liquidations_by(self, ts_from: int, ts_to: int, *, step_ns: int = HOUR_NS) -> Answer:
        """Liquidations by instrument, side and hour (or another step), in no order: events, base units, dollars."""
        sql = _LIQUIDATIONS.format(step=step_ns, low=ts_from, high=ts_to)
        return Answer(self._ask(sql, [Channel.LIQUIDATIONS], ts_from, ts_to), False, self._told())

    def bars(self, instrument: InstrumentId, ts_from: int, ts_to: int, *, step_ns: int) -> Answer:
        """Open, high, low, close and volumes made of an instrument's trades; steps without trades are left out."""
        sql = _BARS.format(step=step_ns, low=ts_from, high=ts_to)
        return Answer(self._ask(sql, [Channel.TRADES], ts_from, ts_to, instrument), False, self._told())

    def _ask(
        self,
        sql: str,
        channels: Sequence[Channel],
        ts_from: int | None,
        ts_to: int | None,
        instrument: InstrumentId | None = None,
    ) -> pa.Table:
        for attempt in range(_ATTEMPTS):
            listed = {channel: self._entries(channel, ts_from, ts_to, instrument) for channel in channels}
            good = {channel: self._good(found) for channel, found in listed.items()}
            if self._is_out_of_date() and attempt + 1 < _ATTEMPTS:
                continue
            try:
                return self._run(sql, good)
            except duckdb.ProgrammingError as error:  # the question is wrong
                raise _misunderstood(str(error)) from error
            except duckdb.Error as error:
                known = len(self._bad)
                for found in good.values():
                    self._good(found, whole=True)
                if len(self._bad) == known or attempt + 1 == _ATTEMPTS:
                    raise _misunderstood(str(error)) from error
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _is_out_of_date(self) -> bool:
        """Whether files were merged into another since they were listed; they are forgotten."""
        merged = [path for path in self._bad if not self.manifest.lists(path)]
        for path in merged:
            del self._bad[path]
        return bool(merged)

    def _run(self, sql: str, entries: dict[Channel, list[Entry]]) -> pa.Table:
        if self._duck is None:
            self._duck = connect(self._root)
        for channel, found in entries.items():
            if channel.value in sql:
                rows = f"SELECT * FROM {relation(self._root, found, TABLES[channel])}"
                self._duck.execute(f"CREATE OR REPLACE VIEW {channel.value} AS {rows}")
        return self._duck.execute(sql).to_arrow_table()

    def _entries(
        self, channel: Channel, ts_from: int | None, ts_to: int | None, instrument: InstrumentId | None
    ) -> list[Entry]:
        is_shared = TABLES[channel].is_shared
        venue = None if instrument is None else instrument.rpartition(".")[2].lower()
        symbol = SHARED if is_shared else None if instrument is None else instrument.rpartition(".")[0]
        return self.manifest.entries(
            channel=channel, venue=venue, symbol=symbol, ts_from=ts_from, ts_to=ts_to, quarantined=False
        )

    def _good(self, entries: Sequence[Entry], *, whole: bool = False) -> list[Entry]:
        good = []
        for entry in entries:
            fault = self._bad.get(entry.path) or fault_of(self._root, entry, whole=whole)
            if fault is None:
                good.append(entry)
            else:
                self._bad[entry.path] = fault
        return good

    def _told(self) -> tuple[str, ...]:
        return tuple(f"{path}: {why}" for path, why in sorted(self._bad.items()))


def verify(manifest: Manifest) -> dict[str, str]:
    """Read every file: checksum and rows; what is wrong, by name.

    Raises:
        DataError: the archive holds no file.
    """
    entries = manifest.entries()
    if not entries:
        raise DataError("archive-empty", f"the archive {manifest.root} holds no files", hint="collect something first")
    bad = {}
    for entry in entries:
        fault = fault_of(manifest.root, entry, whole=True)
        if fault is not None and not manifest.lists(entry.path):
            continue  # merged into another meanwhile
        if fault is not None:
            bad[entry.path] = fault
    return bad


def _misunderstood(why: str) -> ConfigError:
    return ConfigError(
        "archive-query",
        f"the query cannot be answered: {why}",
        hint=f"one SELECT over the views {', '.join(channel.value for channel in TABLES)}",
    )


def _name(instrument: InstrumentId) -> str:
    return instrument.replace("'", "''")

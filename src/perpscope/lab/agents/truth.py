"""The truth log: everything nobody outside could know, as arrays.

In: positions as they begin and end, closings by force, what each step brought, where liquidation prices lie. Out: a
`Truth` of named tables, each a dict of numpy columns of one length; its hash; its Parquet files.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.errors import ConfigError
from perpscope.model.market import Sampling

if TYPE_CHECKING:
    from perpscope.lab.agents.exchange import Exchange, Place

Column: TypeAlias = NDArray[np.float64] | NDArray[np.int64]
Table: TypeAlias = dict[str, Column]

CLOSED, LIQUIDATED, DELEVERAGED, OPEN = range(4)  #: how a position ended
_MAP_STEP = 0.0005  #: log width of a bin of the true map
_MAP_REACH = 0.35  #: log distance from the mark up to which it has bins of its own; beyond are two overflow bins
_SECOND_NS = 1_000_000_000
_MOST_TABLES = 256
_POSITION = "serial venue agent side leverage entry lots liquidation_price ts_opened ts_closed ended".split()
_FORCED = "ts venue agent serial side lots filled_lots fill_price bankruptcy_price mark fund_lots adl_lots".split()


class Forced(msgspec.Struct, frozen=True, gc=False):
    """One liquidation, or one part of one; sizes in lots, prices quote per base."""

    ts: int  #: ns of market time
    venue: int  #: row of the places
    agent: int
    serial: int  #: of the position
    side: int  #: 1: a long was closed, -1: a short
    lots: float  #: that were closed
    filled_lots: float  #: of them in the book
    fill_price: float  #: their average; NaN if none
    bankruptcy_price: float
    mark: float
    fund_lots: float  #: taken over by the insurance fund
    adl_lots: float  #: closed against other agents


class Chronicle:
    """Writes down positions and liquidations as they happen.

    Args:
        count: agents.
    """

    def __init__(self, count: int) -> None:
        self.serial = np.zeros(count, np.int64)  #: of each agent's position
        self.forced: list[Forced] = []
        self._opened_at = np.zeros(count, np.int64)
        self._largest = np.zeros(count)
        self._next = 1
        self._ended: list[Table] = []

    def grow(self, who: NDArray[np.int64], held: NDArray[np.float64], new: NDArray[np.float64], ts: int) -> None:
        """Positions are opened, or added to: lots before and after."""
        begun = who[held == 0]
        self.serial[begun] = np.arange(self._next, self._next + begun.size)
        self._next += begun.size
        self._opened_at[begun] = ts
        self._largest[who] = np.abs(new)

    def end(self, who: NDArray[np.int64], ts: int, exchange: "Exchange", how: int) -> None:
        """Positions end; called while the exchange still knows them."""
        if who.size:
            self._ended.append(self._rows(who, ts, exchange, how))
            if len(self._ended) >= _MOST_TABLES:  # one large table takes less room than many small ones
                self._ended = [_joined(self._ended)]

    def forget(self) -> None:
        """Drop what has ended; what is open stays known."""
        self._ended.clear()
        self.forced.clear()

    def positions(self, exchange: "Exchange") -> Table:
        """All that ever were, in order of their ending, those still open last (`ts_closed` 0)."""
        tables = [*self._ended, self._rows(np.flatnonzero(exchange.lots), 0, exchange, OPEN)]
        return _joined(tables)

    def liquidations(self) -> Table:
        """In order of time."""
        order = sorted(range(len(self.forced)), key=lambda row: self.forced[row].ts)
        rows = [self.forced[number] for number in order]
        kinds = {"lots", "filled_lots", "fill_price", "bankruptcy_price", "mark", "fund_lots", "adl_lots"}
        table: Table = {}
        for name in _FORCED:
            values = [getattr(row, name) for row in rows]
            table[name] = np.array(values, np.float64) if name in kinds else np.array(values, np.int64)
        return table

    def _rows(self, who: NDArray[np.int64], ts: int, exchange: "Exchange", how: int) -> Table:
        side = np.sign(exchange.lots[who])
        price = np.where(side > 0, exchange.floor[who], exchange.ceiling[who])
        columns: tuple[Column, ...] = (
            self.serial[who],
            exchange.venue[who],
            who,
            side.astype(np.int64),
            exchange.leverage[who],
            exchange.entry[who],
            self._largest[who],
            price,
            self._opened_at[who],
            np.full(who.size, ts, np.int64),
            np.full(who.size, how, np.int64),
        )
        return dict(zip(_POSITION, columns, strict=True))


def _joined(tables: list[Table]) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in _POSITION}


def true_map(exchange: "Exchange", mark: NDArray[np.float64], ts: int) -> Table:
    """Lots of all open positions by venue, side and bin of their liquidation price.

    Args:
        exchange: whose.
        mark: by venue, quote per base.
        ts: ns of market time.

    Returns:
        ts, venue, side, bin, lots; bin b holds log distances [b, b + 1) × 5 bps from the mark, the outermost two (±701)
        what lies beyond 35 %, or has no liquidation price. Sums of lots are those of the agents' positions, exactly.
    """
    at = np.flatnonzero(exchange.lots)
    lots, venue = exchange.lots[at], exchange.venue[at]
    price = np.where(lots > 0, np.maximum(exchange.floor[at], 1e-9), exchange.ceiling[at])
    last = round(_MAP_REACH / _MAP_STEP) + 1
    distance = np.log(np.where(np.isfinite(price), price, 1e12) / mark[venue])
    bins = np.clip(np.floor(distance / _MAP_STEP), -last, last).astype(np.int64)
    key = (venue * 2 + (lots < 0)) * (2 * last + 1) + bins + last
    found, inverse = np.unique(key, return_inverse=True)
    group, bin_ = np.divmod(found, 2 * last + 1)
    return {
        "ts": np.full(found.size, ts, np.int64),
        "venue": group // 2,
        "side": 1 - 2 * (group % 2),
        "bin": bin_ - last,
        "lots": np.bincount(inverse, np.abs(lots), found.size),
    }


class Truth:
    """What was, as tables.

    `market` has a row a step, `venues` a row a step and venue; then `positions`, `liquidations` and `map`.

    Args:
        seed: of the market.
        dt_s: length of a step.
        lot: base units of one lot.
        places: the venues, in the order of the column `venue`.
        tables: by name; columns of a table have one length.
    """

    def __init__(
        self, seed: int, dt_s: float, lot: float, places: "tuple[Place, ...]", tables: dict[str, Table]
    ) -> None:
        self.seed = seed
        self.lot = lot
        self.dt_s = dt_s
        self.places = places
        self.tables = tables

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def by_venue(self, name: str) -> NDArray[np.float64]:
        """A column of `venues` with a row a step and a column a venue."""
        return np.asarray(self.tables["venues"][name].reshape(-1, len(self.places)), np.float64)

    def hash(self) -> str:
        """SHA-256 over every table's names and bytes."""
        digest = hashlib.sha256()
        for table, column, values in self._columns():
            digest.update(f"{table}/{column}/{values.dtype.str}/{values.size}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def _columns(self) -> Iterator[tuple[str, str, Column]]:
        for table in sorted(self.tables):
            for column in sorted(self.tables[table]):
                yield table, column, self.tables[table][column]

    def write(self, folder: Path) -> list[Path]:
        """Write each table as a Parquet file (zstd) with the seed, step and venues in its metadata.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        try:
            import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 -- ships no types; an extra
            import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415 -- ships no types; an extra
        except ImportError as missing:
            raise ConfigError(
                "extra-missing",
                "the truth log is written as Parquet, and pyarrow is not installed",
                hint="pip install 'perpscope[archive]'",
            ) from missing
        folder.mkdir(parents=True, exist_ok=True)
        names = ",".join(place.venue for place in self.places)
        metadata = {
            "seed": str(self.seed),
            "dt_s": str(self.dt_s),
            "lot": str(self.lot),
            "venues": names,
            "data": "made up by the lab",
        }
        paths = []
        for name, table in self.tables.items():
            paths.append(folder / f"{name}.parquet")
            pq.write_table(pa.table(table).replace_schema_metadata(metadata), paths[-1], compression="zstd")
        return paths


def told(liquidations: Table, venue: int, place: "Place") -> NDArray[np.int64]:
    """Which rows a venue's feed tells, in order: all, or one of each second as it samples.

    A feed whose sampling is not known is taken to tell the latest.
    """
    rows = np.flatnonzero(liquidations["venue"] == venue)
    if place.sampling is Sampling.NONE or not rows.size:
        return rows
    second = liquidations["ts"][rows] // _SECOND_NS
    if place.sampling is Sampling.LARGEST_1S:
        order = np.lexsort((liquidations["lots"][rows], second))
    else:
        order = np.arange(rows.size)
    last = np.flatnonzero(np.diff(second[order], append=-1))
    return np.sort(rows[order[last]])

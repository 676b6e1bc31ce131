"""Files of candles, funding rates and mark prices: Feather, Parquet or CSV, known by their columns.

In: a path. Out: a `CandleFile`: what it holds, in columns. A table of prices has a time and `open high low close`; one
of funding has a rate, in a column of its own or, as some keep it, in `open` with the other prices at 0. Times may be
dates, or epoch seconds, ms, µs or ns.
"""

import csv
import enum
import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest.bars import Times, interval_of
from perpscope.errors import ConfigError, DataError

_TIMES: Final = ("date", "timestamp", "time", "open_time", "opentime", "datetime", "ts")
_RATES: Final = ("funding_rate", "fundingrate", "funding", "rate")
_TAKER: Final = ("taker_buy", "taker_buy_volume", "taker_buy_base", "takerbuybase", "taker_buy_base_asset_volume")
_PRICES: Final = ("open", "high", "low", "close")
_FEATHER, _PARQUET, _GZIP = b"ARROW1", b"PAR1", b"\x1f\x8b"
#: Epoch figures below are s, ms, µs, ns: 2100-01-01 in each.
_SCALES: Final = ((4_102_444_800, 10**9), (4_102_444_800 * 10**3, 10**6), (4_102_444_800 * 10**6, 10**3))
_READ = Callable[[Path], dict[str, Any]]


class Holds(enum.Enum):
    """What a table holds."""

    CANDLES = "candles"
    FUNDING = "funding rates"
    MARKS = "mark prices"


class CandleFile(msgspec.Struct, frozen=True, kw_only=True):
    """A table of one instrument, as it stands in its file."""

    path: Path
    holds: Holds
    ts: Times  #: ns UTC, in the order of the file
    columns: dict[str, Floats]  #: prices and volumes; of funding: `rate`
    interval_ns: int


def is_table(path: Path) -> bool:
    """True if a file is Feather or Parquet, or text whose first line names a time and prices or a rate."""
    magic = _head(path, 8)
    if magic.startswith((_FEATHER, _PARQUET)):
        return True
    try:
        with _text(path) as file:
            names = _named(next(csv.reader(file), []))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error):
        return False
    return _first(_TIMES, names) is not None and (set(_PRICES) <= set(names) or _first(_RATES, names) is not None)


def read(path: Path) -> CandleFile:
    """Read a table.

    Raises:
        DataError: "backtest-file": it is empty, damaged, or has no such columns.
        ConfigError: "backtest-extra": Feather and Parquet want an extra that is not installed.
    """
    try:
        table = _arrow(path) if _head(path, 8).startswith((_FEATHER, _PARQUET)) else _csv(path)
        return _understood(path, table)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, csv.Error) as error:
        raise _unreadable(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _understood(path: Path, table: dict[str, Any]) -> CandleFile:
    names = list(table)
    clock = _first(_TIMES, names)
    if clock is None or not len(table[clock]):
        raise _unreadable(path, "it holds no rows" if clock else f"no time among its columns {', '.join(names)}")
    ts = _nanoseconds(table[clock])
    rate = _first(_RATES, names)
    if set(_PRICES) <= set(names):
        columns = {name: np.asarray(table[name], np.float64) for name in _PRICES}
        unpriced = ~columns["high"].any() and ~columns["low"].any() and ~columns["close"].any()
        if unpriced and np.abs(columns["open"]).max() < 1.0:
            return _file(path, Holds.FUNDING, ts, {"rate": columns["open"]})
        volume = np.asarray(table["volume"], np.float64) if "volume" in names else np.zeros(ts.size)
        columns["volume"] = np.nan_to_num(volume, nan=0.0)
        if (taker := _first(_TAKER, names)) is not None:
            columns["taker_buy"] = np.asarray(table[taker], np.float64)
        is_mark = "mark" in path.name.lower() and not columns["volume"].any()
        return _file(path, Holds.MARKS if is_mark else Holds.CANDLES, ts, columns)
    if rate is not None:
        return _file(path, Holds.FUNDING, ts, {"rate": np.asarray(table[rate], np.float64)})
    raise _unreadable(path, f"neither prices nor a funding rate among its columns {', '.join(names)}")


def _file(path: Path, holds: Holds, ts: Times, columns: dict[str, Floats]) -> CandleFile:
    return CandleFile(path=path, holds=holds, ts=ts, columns=columns, interval_ns=interval_of(ts))


def _arrow(path: Path) -> dict[str, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra, ships no types
        from pyarrow import feather, parquet  # noqa: PLC0415 -- comes with it
    except ImportError as error:
        raise ConfigError(
            "backtest-extra",
            f"{path.name} is Feather or Parquet, which wants pyarrow",
            hint="pip install 'perpscope[archive]', or give it as CSV",
        ) from error
    read_table = feather.read_table if _head(path, 8).startswith(_FEATHER) else parquet.read_table
    try:
        table = read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, str(error).splitlines()[0]) from error
    return {name.lower(): table.column(name).to_numpy() for name in table.column_names}


def _csv(path: Path) -> dict[str, Any]:
    with _text(path) as file:
        rows = csv.reader(file)
        names = _named(next(rows, []))
        cells = [row for row in rows if len(row) == len(names)]
    columns = dict(zip(names, zip(*cells, strict=True) if cells else [()] * len(names), strict=True))
    wanted = {*_TIMES, *_PRICES, *_RATES, *_TAKER, "volume"}
    return {
        name: list(column) if name in _TIMES else np.array([float(cell or "nan") for cell in column])
        for name, column in columns.items()
        if name in wanted
    }


def _text(path: Path) -> Any:  # noqa: ANN401 -- of either kind of opened file
    if _head(path, 2) == _GZIP:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _named(row: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in row]


def _first(wanted: tuple[str, ...], names: list[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _nanoseconds(column: Any) -> Times:  # noqa: ANN401 -- text, dates or figures, as the file has them
    dates = np.asarray(column)
    if dates.dtype.kind == "M":
        return dates.astype("datetime64[ns]").astype(np.int64)
    if dates.dtype.kind in "iuf":
        return _scaled(dates.astype(np.int64))
    if str(dates[0]).lstrip("-").replace(".", "", 1).isdigit():
        return _scaled(np.array([int(float(cell)) for cell in dates], np.int64))
    return np.array([_moment(str(cell)) for cell in dates], np.int64)


def _scaled(epoch: Times) -> Times:
    largest = int(epoch.max())
    return epoch * next((factor for bound, factor in _SCALES if largest < bound), 1)


def _moment(text: str) -> int:
    told = datetime.fromisoformat(text.strip())
    told = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    return int(told.timestamp()) * 10**9 + told.microsecond * 1000


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        "backtest-file",
        f"{str(path)!r} cannot be read: {why}",
        hint="candles want a time, open, high, low, close and volume; docs/backtest.md lists what is known",
    )

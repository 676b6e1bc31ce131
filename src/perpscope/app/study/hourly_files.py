"""The three files of the hourly study: CSV (plain or gzip), Parquet or Feather, with the columns' usual names.

Times may be s, ms, µs or ns since 1970, ISO text or timestamps of the file's own, always UTC. A file of several venues
and coins gives the one whose price is that of open interest.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.hourly.tables import Candles, Forced, Interest, Stamps
from perpscope.analytics.margin_arrays import Floats
from perpscope.errors import ConfigError, DataError, TooLittle

#: A column goes by one of these names, whatever its case.
TIMES: Final = (
    "timestamp",
    "ts",
    "t",
    "time",
    "open_time",
    "ts_open",
    "date",
    "datetime",
    "datetime_utc",
    "create_time",
)
NAMES: Final = {
    "open": ("open", "o", "price_open"),
    "high": ("high", "h", "price_high"),
    "low": ("low", "l", "price_low"),
    "close": ("close", "c", "price_close"),
    "volume": ("volume", "v", "vol"),
    "open interest": ("oi", "open_interest", "sum_open_interest", "sumopeninterest"),
    "open interest in dollars": ("oi_usd", "open_interest_usd", "sum_open_interest_value", "sumopeninterestvalue"),
    "longs liquidated": ("longusd", "long_usd", "liquidation_long_usd", "long_liquidations_usd"),
    "shorts liquidated": ("shortusd", "short_usd", "liquidation_short_usd", "short_liquidations_usd"),
}
_VENUE, _COIN = ("venue", "exchange"), ("coin", "symbol", "instrument")
_GZIP, _PARQUET, _FEATHER = b"\x1f\x8b", b"PAR1", b"ARROW1"
#: Log difference up to which two prices may be of one coin.
_SAME_PRICE: Final = 0.01
#: Bounds between the units of a number of time.
_UNITS: Final = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000), (0.0, 1_000_000_000))

Columns = dict[str, Sequence[object] | NDArray[np.generic]]


def read_candles(path: Path, interest: Interest) -> tuple[Candles, str]:
    """Candles, and which ones they are where the file has several; `interest` tells them apart by its price.

    Raises:
        DataError: the file, a column or a value is not what it should be.
        ConfigError: the file wants an extra that is not installed.
    """
    columns = _columns(path, "candles")
    chosen, note = _one_of(columns, interest, path)
    ts = _times(columns, "candles", path)[chosen]
    parts = {name: _numbers(columns, name, "candles", path)[chosen] for name in ("open", "high", "low", "close")}
    volume = _numbers(columns, "volume", "candles", path, needed=False)[chosen]
    order = _in_order(ts)
    ts, parts, volume = ts[order], {name: column[order] for name, column in parts.items()}, volume[order]
    low, high = parts["low"], parts["high"]
    right = (low > 0.0) & (low <= np.fmin(parts["open"], parts["close"])) & (np.fmax(*_ends(parts)) <= high)
    _refuse(~right, ts, "candles", path, "prices must be 0 < low <= open, close <= high")
    _refuse(volume < 0.0, ts, "candles", path, "volume must be 0 or more")
    if ts.size < 2:
        raise _short(path, "candles", ts.size)
    return Candles(ts=ts, length_ns=int(np.median(np.diff(ts))), volume=volume, **parts), note


def read_interest(path: Path) -> Interest:
    """Open interest.

    Raises:
        As `read_candles`.
    """
    columns = _columns(path, "open interest")
    _refuse_several(columns, "open interest", path)
    ts = _times(columns, "open interest", path)
    base = _numbers(columns, "open interest", "open interest", path)
    usd = _numbers(columns, "open interest in dollars", "open interest", path, needed=False)
    order = _in_order(ts)
    ts, base, usd = ts[order], base[order], usd[order]
    _refuse(base <= 0.0, ts, "open interest", path, "open interest must be above 0")
    _refuse(usd <= 0.0, ts, "open interest", path, "dollars must be above 0")
    if ts.size < 2:
        raise _short(path, "open interest", ts.size)
    return Interest(ts=ts, base=base, price=usd / base)


def read_forced(path: Path) -> Forced:
    """Liquidations by the hour.

    Raises:
        As `read_candles`.
    """
    columns = _columns(path, "liquidations")
    _refuse_several(columns, "liquidations", path)
    ts = _times(columns, "liquidations", path)
    long, short = (_numbers(columns, f"{name} liquidated", "liquidations", path) for name in ("longs", "shorts"))
    order = _in_order(ts)
    ts, long, short = ts[order], long[order], short[order]
    _refuse((long < 0.0) | (short < 0.0), ts, "liquidations", path, "dollars must be 0 or more")
    return Forced(ts=ts, long=long, short=short)


def _ends(parts: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return parts["open"], parts["close"]


def _columns(path: Path, what: str) -> Columns:
    """The file's columns under lower-case names."""
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            raw = gzip.decompress(raw)
    except (OSError, EOFError) as problem:
        raise DataError("study-file", f"{what}: {path} cannot be read: {problem}", hint="name a file") from problem
    if raw.startswith((_PARQUET, _FEATHER)):
        return _from_arrow(raw, path, what)
    try:
        told = list(enumerate(csv.reader(io.StringIO(raw.decode("utf-8-sig"))), 1))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(
            "study-file", f"{what}: {path} is no table", hint="CSV (also gzip), Parquet and Feather are read"
        ) from problem
    rows = [(number, row) for number, row in told if row]
    if len(rows) < 2:
        raise _short(path, what, max(len(rows) - 1, 0))
    head = rows[0][1]
    for number, row in rows:
        if len(row) != len(head):
            raise DataError("study-file", f"{what}: {path}, line {number} has {len(row)} fields of {len(head)}")
    body = zip(*(row for _, row in rows[1:]), strict=True)
    return {name.strip().lower(): column for name, column in zip(head, body, strict=True)}


def _from_arrow(raw: bytes, path: Path, what: str) -> Columns:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra, ships no types
        from pyarrow import feather, parquet  # noqa: PLC0415 -- likewise
    except ImportError as problem:
        raise ConfigError(
            "extra-missing",
            f"{path} is Parquet or Feather, and pyarrow is not installed",
            hint="pip install 'perpscope[archive]', or give CSV",
        ) from problem
    try:
        source = pa.BufferReader(raw)
        table = parquet.read_table(source) if raw.startswith(_PARQUET) else feather.read_table(source)
    except (pa.ArrowException, OSError) as problem:
        raise DataError("study-file", f"{what}: {path} cannot be read: {problem}") from problem
    if not table.num_rows:
        raise _short(path, what, 0)
    found: Columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        is_time = pa.types.is_timestamp(column.type)
        plain = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()) if is_time else column
        is_number = pa.types.is_integer(plain.type) or pa.types.is_floating(plain.type)
        found[name.lower()] = plain.to_numpy() if is_number else plain.to_pylist()
    return found


def _find(columns: Columns, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _times(columns: Columns, what: str, path: Path) -> Stamps:
    name = _find(columns, TIMES)
    if name is None:
        raise _no_column(columns, "time", TIMES, what, path)
    values = columns[name]
    if isinstance(values, np.ndarray):
        return _in_ns(values.astype(np.int64))
    try:
        if isinstance(values[0], str) and not values[0].replace(".", "", 1).isdigit():
            texts = [str(value).strip().removesuffix("Z").removesuffix("+00:00") for value in values]
            return np.array(texts, "datetime64[ns]").astype(np.int64)
        whole = np.array([int(float(text)) if "." in text else int(text) for text in map(str, values)])
    except (ValueError, IndexError) as problem:
        raise DataError("study-values", f"{what}: {path}, column {name}: {problem}") from problem
    return _in_ns(whole)


def _in_ns(moments: Stamps) -> Stamps:
    """Times since 1970 by their size."""
    return moments * next(factor for least, factor in _UNITS if float(np.median(moments)) >= least)


def _numbers(columns: Columns, meaning: str, what: str, path: Path, *, needed: bool = True) -> Floats:
    name = _find(columns, NAMES[meaning])
    if name is None:
        if not needed:
            return np.full(len(next(iter(columns.values()))), np.nan)
        raise _no_column(columns, meaning, NAMES[meaning], what, path)
    values = columns[name]
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    try:
        return np.array([np.nan if value in {None, ""} else float(str(value)) for value in values])
    except ValueError as problem:
        raise DataError("study-values", f"{what}: {path}, column {name}: {problem}") from problem


def _one_of(columns: Columns, interest: Interest, path: Path) -> tuple[Stamps, str]:
    """Rows of one venue and coin; all rows where the file names none.

    Of those whose price is that of open interest the one with most candles in its time, and of several the nearest.
    """
    keys = [name for name in (_find(columns, _VENUE), _find(columns, _COIN)) if name is not None]
    count = len(next(iter(columns.values())))
    if not keys:
        return np.arange(count), ""
    labels = np.array([" ".join(map(str, names)) for names in zip(*(columns[key] for key in keys), strict=True)])
    ts, opened = _times(columns, "candles", path), _numbers(columns, "open", "candles", path)
    at = np.minimum(np.searchsorted(interest.ts, ts), interest.ts.size - 1)
    away = np.abs(np.log(opened / interest.price[at]))
    known = (ts >= interest.ts[0]) & (ts <= interest.ts[-1]) & ~np.isnan(away)
    found = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        inside = rows[known[rows]]
        near = float(np.median(away[inside])) if inside.size else np.inf
        found.append((near > _SAME_PRICE, -inside.size, near, str(label)))
    best = min(found)
    return np.flatnonzero(labels == best[3]), best[3]


def _refuse_several(columns: Columns, what: str, path: Path) -> None:
    """Refuse a file of several venues or coins where nothing tells which is meant."""
    for name in (_find(columns, _VENUE), _find(columns, _COIN)):
        told = [] if name is None else sorted(set(map(str, columns[name])))
        if len(told) > 1:
            raise DataError(
                "study-columns",
                f"{what}: {path} is of several in column {name}: {', '.join(told[:6])}",
                hint="keep the rows of one, or their sums by time",
            )


def _in_order(ts: Stamps) -> Stamps:
    """Rows by time; of several of one time the last."""
    _, last = np.unique(ts[::-1], return_index=True)
    return ts.size - 1 - last


def _refuse(wrong: NDArray[np.bool_], ts: Stamps, what: str, path: Path, rule: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        moment = np.datetime_as_string(np.datetime64(int(ts[rows[0]]), "ns"), "s")
        raise DataError("study-values", f"{what}: {path}, row of {moment}: {rule} ({rows.size} of {ts.size} rows)")


def _no_column(columns: Columns, meaning: str, names: Sequence[str], what: str, path: Path) -> DataError:
    return DataError(
        "study-columns",
        f"{what}: {path} has no column of {meaning}, only {', '.join(columns)}",
        hint=f"it is called {', '.join(names)}",
    )


def _short(path: Path, what: str, rows: int) -> TooLittle:
    return TooLittle("study-short", f"{what}: {path} has {rows} rows")

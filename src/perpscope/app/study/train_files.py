"""One-minute candles of files, as the minutes that features and labels are made of.

Files of one coin and venue are put together; the venue is what a folder or file is called by, where it is. A coin's
lead is bitcoin of the same venue.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.features.told import MINUTE_NS, Stamps, Told, grid
from perpscope.analytics.margin_arrays import Floats
from perpscope.app import venues
from perpscope.app.backtest import bars
from perpscope.app.backtest.bars import Bars
from perpscope.app.backtest.candle_files import CandleFile, Holds, is_table, read
from perpscope.errors import DataError, TooLittle

_COIN: Final = re.compile(r"^([A-Z0-9]{2,15}?)[_\-/]?(?:USDT|USDC|USD)(?![A-Z])", re.IGNORECASE)
LEAD: Final = "BTC"


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One contract's minutes."""

    name: str  #: "BTC binance"
    coin: str
    told: Told
    open: Floats  #: (n,) quote per base; NaN = no candle
    high: Floats
    low: Floats
    close: Floats


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What the files came to."""

    markets: list[Market]
    sources: list[str]  #: names of files, without folders
    data_hash: str
    notes: list[str]


def read_markets(paths: Sequence[Path]) -> Read:
    """Read files, and folders of files.

    Raises:
        DataError: a file cannot be read, or is named and holds no one-minute candles ("train-file").
        TooLittle: there are no candles at all ("train-short").
        ConfigError: a file wants an extra that is not installed.
    """
    notes: list[str] = []
    groups: dict[tuple[str, str], list[Bars]] = {}
    sources: list[str] = []
    for path, is_named in _files(paths):
        table = read(path)
        if table.holds is not Holds.CANDLES or table.interval_ns != MINUTE_NS:
            if is_named:
                raise _unfit(path, table)
            continue
        found, told = bars.ordered(table.ts, table.columns, path.name)
        notes += told
        groups.setdefault((_coin_of(path), _venue_of(path)), []).append(found)
        sources.append(path.name)
    if not groups:
        raise TooLittle("train-short", "no one-minute candles were found", hint="name Feather, Parquet or CSV files")
    whole = {}
    for (coin, venue), pieces in sorted(groups.items()):
        whole[coin, venue], told = bars.joined(pieces, coin)
        notes += told
    markets = [_market(coin, venue, one, whole.get((LEAD, venue))) for (coin, venue), one in whole.items()]
    return Read(markets=markets, sources=sources, data_hash=_hash(markets), notes=notes)


def _files(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Files and whether each was named itself."""
    found: list[tuple[Path, bool]] = []
    for path in paths:
        if path.is_dir():
            found += [(file, False) for file in sorted(path.rglob("*")) if file.is_file() and is_table(file)]
        elif path.is_file():
            found.append((path, True))
        else:
            raise DataError("train-file", f"there is no file {str(path)!r}", hint="name files or folders of candles")
    return found


def _unfit(path: Path, table: CandleFile) -> DataError:
    what = f"{table.holds.value} of {table.interval_ns / MINUTE_NS:g} min"
    return DataError("train-file", f"{path} holds {what}", hint="features are made of candles of one minute")


def _coin_of(path: Path) -> str:
    found = _COIN.match(path.name)
    return (found[1] if found else path.name.partition(".")[0]).upper()


def _venue_of(path: Path) -> str:
    """The venue a path is called by, nearest part first; empty = none."""
    for part in (path.name, *(folder.name for folder in path.parents)):
        for venue in venues.names():
            if venue in part.lower():
                return venue
    return ""


def _market(coin: str, venue: str, of: Bars, lead: Bars | None) -> Market:
    closes = of.ts_open + MINUTE_NS
    columns = {
        "close": of.close,
        "high": of.high,
        "low": of.low,
        "volume": of.volume,
        "taker_buy": of.taker_buy,
    }
    if lead is not None and coin != LEAD:
        columns["lead_close"] = _at(lead.ts_open, lead.close, of.ts_open)
    told = grid(closes, columns)
    place = (closes - closes[0]) // MINUTE_NS
    opens = np.full(told.ts.size, np.nan)
    opens[place] = of.open
    high, low, close = (told.column(name) for name in ("high", "low", "close"))
    return Market(name=f"{coin} {venue}".strip(), coin=coin, told=told, open=opens, high=high, low=low, close=close)


def _at(ts: Stamps, values: Floats, asked: Stamps) -> Floats:
    """The values of these very moments; NaN where there is none."""
    place = np.minimum(np.searchsorted(ts, asked), ts.size - 1)
    found: Floats = np.where(ts[place] == asked, values[place], np.nan)
    return found


def _hash(markets: Sequence[Market]) -> str:
    digest = hashlib.sha256()
    for market in markets:
        digest.update(market.name.encode())
        for array in (market.told.ts, market.open, market.high, market.low, market.close, market.told.column("volume")):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

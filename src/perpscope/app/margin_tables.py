"""Which table of margin tiers holds: one that ships, one the store kept, a file's, or the one that is assumed.

In: an instrument, and a date, a month or a file if one is asked for. Out: a `MarginTable`, which says where it is
from. Without a question the newest that is known is taken. Nothing is asked of a venue here: `symbols --tiers` does.
"""

import gzip
import importlib.resources
import re
import zlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.analytics.margin_tiers import TierTable, tier_table
from perpscope.app.margin_tiers import MarginTable, Quality, TierFile, tiers_for
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

#: Beside the table `margin_tiers` ships: BTCUSDT as of October 2024 (METHOD 1.2; figures of a public snapshot).
_DATED = {"binance": ("binance_btcusdt_2024_10.json",)}
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
#: Sources of the store that are a venue's own word; the others are what perpscope came with.
_TOLD = {Quality.PUBLISHED.value: "told by the venue", "stream": "told by the venue's stream"}
_LARGEST_FILE = 20_000_000  #: bytes


class _Bracket(msgspec.Struct):
    notionalFloor: float
    notionalCap: float
    maintMarginRatio: float
    initialLeverage: float
    cum: float


class _Symbol(msgspec.Struct):
    symbol: str
    brackets: list[_Bracket]


class _Unified(msgspec.Struct):
    info: _Bracket


#: As perpscope ships them; one contract's; Binance's leverageBracket, of one contract or all; those as ccxt keeps them.
_Form: TypeAlias = (
    type[TierFile] | type[list[MarginTier]] | type[_Symbol] | type[list[_Symbol]] | type[dict[str, list[_Unified]]]
)
_FORMS: tuple[_Form, ...] = (TierFile, list[MarginTier], _Symbol, list[_Symbol], dict[str, list[_Unified]])


def find_table(instrument: Instrument, asked: str | None, database: Path | None) -> tuple[MarginTable, TierTable]:
    """The table of an instrument, as it is written down and ready to be walked.

    Args:
        instrument: whose.
        asked: a file, a date (YYYY-MM-DD), a month (YYYY-MM): the newest table that is not younger; None = the newest.
        database: store to look into; None = none.

    Raises:
        ConfigError: no table is that old, the file is no table, or a table contradicts itself.
        StoreError: the store cannot be read.
    """
    if asked is not None and _DATE.fullmatch(asked) is None:
        found = _read(Path(asked), instrument.symbol)
    else:
        found = _newest(instrument, asked, database)
    try:
        return found, tier_table(found.tiers)
    except ValueError as error:
        raise ConfigError(
            "option-value", f"{found.source}: the margin tiers of {instrument.symbol} contradict themselves: {error}"
        ) from error


def _newest(instrument: Instrument, asked: str | None, database: Path | None) -> MarginTable:
    known = [*_shipped(instrument), *_stored(instrument, database)]
    if asked is None:
        return max(known, key=lambda table: table.as_of or "", default=tiers_for(instrument))
    _check_date(asked)
    end = asked if len(asked) == len("2024-10-01") else f"{asked}-31"
    known = [table for table in known if table.as_of is not None and table.as_of <= end]
    if not known:
        raise ConfigError(
            "option-value",
            f"no margin tiers of {instrument.symbol} on {instrument.venue} are known as of {asked}",
            hint="--table takes a file too; without it the newest that are known are taken",
        )
    return max(known, key=lambda table: table.as_of or "")


def _check_date(asked: str) -> None:
    try:
        date.fromisoformat(asked if len(asked) == len("2024-10-01") else f"{asked}-01")
    except ValueError as error:
        raise ConfigError("option-value", f"--table {asked} is no date: {error}", hint="e.g. 2024-10") from error


def _shipped(instrument: Instrument) -> list[MarginTable]:
    newest = tiers_for(instrument)
    tables = [] if newest.quality is Quality.ASSUMED else [newest]
    for name in _DATED.get(instrument.venue, ()):
        raw = importlib.resources.files("perpscope.app").joinpath("tables", name).read_bytes()
        file = msgspec.json.decode(raw, type=TierFile)
        tiers = file.of(instrument.symbol)
        if tiers:
            tables.append(MarginTable(tiers, file.source, file.as_of, Quality.DATED))
    return tables


def _stored(instrument: Instrument, database: Path | None) -> list[MarginTable]:
    if database is None:
        return []
    with SqliteReader.open(database) as reader:
        demo = "DEMO DATA, " if reader.kind is StoreKind.DEMO else ""
        versions = reader.margin_tiers(instrument.id)
    return [
        MarginTable(
            version.tiers,
            f"{demo}{_TOLD[version.source]}, kept in {database.name}",
            datetime.fromtimestamp(version.ts_from / 1e9, UTC).date().isoformat(),
            Quality.PUBLISHED,
        )
        for version in versions
        if version.source in _TOLD
    ]


def _read(path: Path, symbol: str) -> MarginTable:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE)
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            "option-value", f"cannot read the table {str(path)!r}: {why}", hint="a file, a date or a month: 2024-10"
        ) from error
    for form in _FORMS:
        try:
            tiers, as_of = _tiers_in(msgspec.json.decode(raw, type=form), symbol)
        except (msgspec.ValidationError, msgspec.DecodeError):
            continue
        if not tiers:
            raise ConfigError("option-value", f"{str(path)!r} holds no margin tiers of {symbol}")
        return MarginTable(tiers, f"file {path.name}", as_of, Quality.DATED)
    raise ConfigError(
        "option-value",
        f"{str(path)!r} is no table of margin tiers in a known form",
        hint="docs/margin.md lists the forms",
    )


def _tiers_in(file: object, symbol: str) -> tuple[tuple[MarginTier, ...], str | None]:
    """The tiers of a symbol in a decoded file, and the file's own date."""
    match file:
        case TierFile():
            return file.of(symbol), file.as_of
        case _Symbol():
            return _of_brackets(file.brackets if file.symbol == symbol else []), None
        case list() if all(isinstance(tier, MarginTier) for tier in file):
            return tuple(file), None
        case list():
            found = [listed.brackets for listed in file if listed.symbol == symbol]
            return _of_brackets(found[0] if found else []), None
        case dict():
            named = {_symbol(name): [row.info for row in rows] for name, rows in file.items()}
            return _of_brackets(named.get(symbol, [])), None
    raise AssertionError(file)


def _of_brackets(rows: list[_Bracket]) -> tuple[MarginTier, ...]:
    rows = sorted(rows, key=lambda row: row.notionalFloor)
    return tuple(
        MarginTier(row.notionalFloor, row.notionalCap, row.maintMarginRatio, row.initialLeverage, row.cum)
        for row in rows
    )


def _symbol(unified: str) -> str:
    """Binance's symbol of ccxt's name: `BTC/USDT:USDT-261225` → `BTCUSDT_261225`."""
    pair, _, margin = unified.partition(":")
    _, dash, expiry = margin.partition("-")
    return pair.replace("/", "") + dash.replace("-", "_") + expiry

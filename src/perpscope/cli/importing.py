"""`import`: files of liquidations that others recorded, into the store."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO, TypeVar

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from datetime import tzinfo

    from perpscope.app.importing import Imported
    from perpscope.config import Loaded
    from perpscope.feeds.liquidation_columns import Reading

T = TypeVar("T")

_MOST_SHOWN = 20  #: rejected rows that people are shown; `--json` lists more
_NAME_WIDTH = 36
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


Files = Annotated[list[Path], typer.Argument(help="CSV files of liquidations: plain, gzip or zstd.")]
Venue = Annotated[str, typer.Option("--venue", help="Whose liquidations these are.")]
Columns = Annotated[
    str, typer.Option("--columns", help="time=NAME,symbol=NAME,…: names in the header, or places from 1.")
]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Of every row, where no column tells.")]
Quote = Annotated[str, typer.Option("--quote", help="Quote of symbols that do not name theirs.")]
TimeZone = Annotated[str | None, typer.Option("--time-zone", help="Of dates without one: UTC, +05:30, Asia/Kolkata.")]
Unit = Annotated[
    Literal["s", "ms", "us", "ns", "iso"] | None, typer.Option("--time-unit", help="How times are written.")
]
SideMeans = Annotated[
    Literal["order", "position"] | None, typer.Option("--side-means", help="Whose side BUY and SELL are.")
]
SizeCounts = Annotated[
    Literal["base", "usd", "contracts"] | None, typer.Option("--size-unit", help="What sizes count.")
]
ContractSize = Annotated[float | None, typer.Option("--contract-size", help="Base units per contract.")]
PriceMeans = Annotated[
    Literal["fill", "bankruptcy"], typer.Option("--price-means", help="Which price a lone price column holds.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and tell; write nothing.")]


def import_(
    files: Files,
    db: Db = None,
    venue: Venue = "binance",
    columns: Columns = "",
    symbol: Symbol = None,
    quote: Quote = "USDT",
    time_zone: TimeZone = None,
    time_unit: Unit = None,
    side_means: SideMeans = None,
    size_unit: SizeCounts = None,
    contract_size: ContractSize = None,
    price_means: PriceMeans = "fill",
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Import liquidations that others recorded."""
    from perpscope.feeds.liquidation_cells import SideMeaning, TimeUnit
    from perpscope.feeds.liquidation_columns import PriceMeaning, Reading, SizeUnit, columns_named

    reading = Reading(
        columns=columns_named(columns),
        symbol=symbol,
        quote=quote,
        time_zone=_given(time_zone, _zone),
        time_unit=_given(time_unit, TimeUnit),
        side_means=_given(side_means, SideMeaning),
        size_unit=_given(size_unit, SizeUnit),
        contract_size=_above_zero(contract_size),
        price_means=PriceMeaning(price_means),
    )
    imported = _import(files, settings(config=config, db=db), venue, reading, is_dry_run=dry_run)
    if json:
        print(msgspec.json.encode(imported.report).decode())
    else:
        print_import(imported, is_dry_run=dry_run, out=sys.stdout)
    for failure in imported.failures:
        _say(f"error {failure.code}: {failure.message}\n  → {failure.hint}\n  exit 3 · docs/errors.md#{failure.code}")
    raise typer.Exit(3 if imported.failures else 0)


def _import(files: list[Path], loaded: "Loaded", venue: str, reading: "Reading", *, is_dry_run: bool) -> "Imported":
    from perpscope.app import places
    from perpscope.app.importing import import_files

    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    _say(f"database {path} ({why})" + (", not written: dry run" if is_dry_run else ""))
    if not is_dry_run:
        places.make_own_folder(path)
    return import_files(files, database=path, venue=venue, reading=reading, is_dry_run=is_dry_run, announce=_say)


def print_import(imported: "Imported", *, is_dry_run: bool, out: TextIO) -> None:
    """Print what became of each file, in at most 80 columns, and the first rejected rows."""
    verb = "new" if is_dry_run else "added"
    print(f"{'file':<{_NAME_WIDTH}}{'rows':>11}{verb:>11}{'duplicates':>11}{'rejected':>11}", file=out)
    lines = [(file.path.name, [file.rows, file.added, file.duplicates, file.rejected]) for file in imported.files]
    if len(lines) > 1:
        lines.append(("all", [sum(counts) for counts in zip(*(counts for _, counts in lines), strict=True)]))
    for name, counts in lines:
        print(f"{_cut(name, _NAME_WIDTH - 1):<{_NAME_WIDTH}}" + "".join(f"{n:>11,}" for n in counts), file=out)
    if imported.ts_first is not None and imported.ts_last is not None:
        print(f"{verb}: {_text(imported.ts_first)} to {_text(imported.ts_last)} UTC; coverage unknown", file=out)
    bad_rows = [row for row in imported.listed if row.line is not None]
    for row in bad_rows[:_MOST_SHOWN]:
        print(_cut(f"rejected {Path(row.file).name}:{row.line}: {row.reason}", 80), file=out)
    if (more := sum(file.rejected for file in imported.files) - _MOST_SHOWN) > 0:
        print(f"{more:,} more rejected; --json lists the first 1,000", file=out)


def _given(text: str | None, read: Callable[[str], T]) -> T | None:
    return None if text is None else read(text)


def _zone(name: str) -> "tzinfo":
    from perpscope.feeds.liquidation_cells import zone_named

    try:
        return zone_named(name)
    except ValueError as error:
        raise ConfigError("option-value", f"--time-zone: {error}", hint="UTC, +05:30 or Asia/Kolkata") from None


def _above_zero(size: float | None) -> float | None:
    if size is not None and not 0 < size < float("inf"):
        raise ConfigError("option-value", f"--contract-size {size:g} is not above 0", hint="--contract-size 0.01")
    return size


def _text(ts: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=ts // 1000):%Y-%m-%d %H:%M:%S}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""`cleanup`, `backup`, `restore`, `db` and `export`: what is kept, for how long, how safe, and for whom else."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.stores.checkup import Checkup
    from perpscope.stores.export import Value
    from perpscope.stores.footprint import Footprint

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Older = Annotated[str, typer.Option("--older-than", help="Age: 30d, 12h or 2w.", show_default=False)]
Keep = Annotated[int | None, typer.Option("--keep", min=1, help="Let older backups go until so many are left.")]


def cleanup(
    older_than: Older,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    yes: Yes = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Delete what is older, from every table."""
    from perpscope.app import upkeep

    age_ns = upkeep.duration_ns(older_than)
    path = _database(db, config)
    found = upkeep.preview(path, age_ns)
    if not dry_run:
        if found.total and not yes:
            _confirm(f"delete {found.total:,} rows older than {found.older_than}?")
        found = upkeep.cleanup(path, age_ns)
    if json:
        _print_json(found)
        return
    print(f"older than {found.older_than}:")
    for table, rows in found.rows.items():
        print(f"  {table:<24} {rows:>12,}")
    print(f"  {'coverage, cut there':<24} {found.coverage_cut:>12,}")
    if dry_run:
        print(f"{found.total:,} rows would be deleted; nothing was changed")
    else:
        who = " by the collector that writes the database" if found.by_collector else ""
        print(f"{found.total:,} rows deleted{who}")
        _say("new rows will use the room; perpscope db vacuum gives it back to the disk")


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="Folder that exists, or file that does not.")] = None,
    keep: Keep = None,
    drill: Annotated[bool, typer.Option("--drill", help="Make none: restore the newest for a test.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Back the database up while it is written."""
    from perpscope.app import backups
    from perpscope.feeds.clock import wall_ns

    path = _database(db, config)
    if drill:
        tried = backups.drill(path, to)
        if json:
            _print_json(tried)
        else:
            words = "restores with every row" if tried.ok else "DOES NOT restore as it should"
            print(f"{tried.path} of {tried.made} {words}: {sum(tried.rows.values()):,} rows, {tried.seconds:.1f} s")
        raise typer.Exit(0 if tried.ok else 1)
    made = backups.backup(path, to, keep=keep, now_ns=wall_ns())
    if json:
        _print_json(made)
        return
    print(f"{made.path}: {sum(made.rows.values()):,} rows, {made.bytes:,} bytes, checked, {made.seconds:.1f} s")
    for journal in made.journals:
        print(f"{journal}: the journal of its trader")
    for old in made.removed:
        print(f"removed {old}")


def restore(
    file: Annotated[Path, typer.Argument(help="Backup made by `perpscope backup`.")],
    yes: Yes = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a backup in the database's place."""
    from perpscope.app import backups
    from perpscope.feeds.clock import wall_ns

    path = _database(db, config)
    if path.exists() and not yes:
        _confirm(f"put {file} in the place of {path}?")
    done = backups.put_back(file, path, now_ns=wall_ns())
    if json:
        _print_json({"path": str(path), "rows": done.rows, "kept": done.kept})
        return
    print(f"{path}: {sum(done.rows.values()):,} rows restored")
    if done.kept is not None:
        print(f"the old file is {done.kept}; delete it when all is well")


def db_(
    action: Annotated[Literal["check", "vacuum", "info"], typer.Argument(help="What to do.")],
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Examine the database, make it small, or measure it."""
    path = _database(db, config)
    if action == "vacuum":
        from perpscope.stores.checkup import vacuum

        before, after = vacuum(path)
        if json:
            _print_json({"path": str(path), "bytes_before": before, "bytes": after})
        else:
            print(f"{path}: {before:,} bytes → {after:,}")
    elif action == "check":
        from perpscope.stores.checkup import check

        found = check(path)
        _print_json(found) if json else _print_checkup(found)
        raise typer.Exit(0 if found.ok else 1)
    else:
        from perpscope.app.upkeep import footprint

        size = footprint(path)
        _print_json(size) if json else _print_footprint(size)


def export(
    table: Annotated[str, typer.Argument(help="Table, e.g. liquidation_events.")],
    form: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="How rows are written.")] = "csv",
    symbol: Annotated[str | None, typer.Option("--symbol", help="The venue's own, e.g. BTCUSDT.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Only the last so many hours.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; stdout if not given.")] = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Write the rows of a table as CSV or JSON lines."""
    from perpscope.app.upkeep import now_of
    from perpscope.config import nearest
    from perpscope.stores.export import TABLES, rows_of

    if table not in TABLES:
        like = nearest(table, TABLES)
        known = f"did you mean {like!r}?" if like else f"tables: {', '.join(TABLES)}"
        raise ConfigError("option-value", f"there is no table {table!r} to export", hint=known)
    if hours is not None and not 0.0 < hours < 1e6:
        raise ConfigError("option-value", f"--hours {hours:g} must be above 0", hint="e.g. --hours 48")
    path = _database(db, config)
    since_ns = None if hours is None else now_of(path) - round(hours * 3600e9)
    names, rows = rows_of(path, table, symbol=symbol, since_ns=since_ns)
    written = _write(names, rows, form, out)
    if symbol is not None and not written:
        _say(f"no rows of {symbol}: symbols are the venue's own, e.g. BTCUSDT")
    _say(f"{written:,} rows of {table}" + ("" if out is None else f" in {out}"))


def _write(names: list[str], rows: Iterator[list["Value"]], form: str, out: Path | None) -> int:
    if out is None:
        return _write_rows(names, rows, form, sys.stdout)
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            return _write_rows(names, rows, form, file)
    except OSError as error:
        raise ConfigError("option-value", f"--out {str(out)!r} cannot be written: {error.strerror}") from error


def _write_rows(names: list[str], rows: Iterator[list["Value"]], form: str, file: TextIO) -> int:
    written = 0
    table = csv.writer(file, lineterminator="\n")
    if form == "csv":
        table.writerow(names)
    encode = msgspec.json.Encoder().encode
    for row in rows:
        if form == "csv":
            table.writerow(row)
        else:
            file.write(encode(dict(zip(names, row, strict=True))).decode() + "\n")
        written += 1
    return written


def _print_checkup(found: "Checkup") -> None:
    print(f"{found.path}: {'in order' if found.ok else 'NOT in order'}")
    print(f"  integrity {', '.join(found.integrity[:3])} · mode {found.mode} · SQLite {found.sqlite}")
    for finding in found.findings:
        print(f"  {'✕' if finding.is_fault else '!'} {finding.name}: {finding.what}\n      → {finding.hint}")


def _print_footprint(size: "Footprint") -> None:
    print(f"{'table':<24}{'rows':>14}{'MB':>11}{'rows a day':>16}")
    for table in sorted(size.tables, key=lambda table: -table.bytes):
        daily = "" if table.rows_per_day is None else f"{table.rows_per_day:,.0f}"
        print(f"{table.name:<24}{table.rows:>14,}{table.bytes / 1e6:>11,.2f}{daily:>16}")
    note = " (tables: estimated)" if size.is_estimate else ""
    print(f"file {size.bytes / 1e6:,.2f} MB, of which {size.reusable_bytes / 1e6:,.2f} MB unused{note}")
    print(f"disk {size.free_bytes / 1e9:,.1f} GB free", end="")
    if size.growth_bytes_per_day is None or size.days_until_full is None:
        print("; too little data of the last seven days to tell the growth")
    else:
        print(f"; + {size.growth_bytes_per_day / 1e6:,.1f} MB a day: full in {size.days_until_full:,.0f} days")
    if size.advice is not None:
        print(f"! {size.advice}")


def _database(db: Path | None, config: Path | None) -> Path:

    loaded = settings(config=config, db=db)
    return database(loaded)


def _confirm(question: str) -> None:
    """Ask on stderr; anything but yes ends the command.

    Raises:
        ConfigError: there is nobody to ask, or the answer was no.
    """
    if not sys.stdin.isatty():
        raise ConfigError("confirmation", f"{question} Nobody is there to answer", hint="--yes says so beforehand")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ConfigError("confirmation", "not confirmed, nothing was changed")


def _print_json(record: object) -> None:
    print(msgspec.json.encode(record).decode())


def _say(words: str) -> None:
    print(words, file=sys.stderr)

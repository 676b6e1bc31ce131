"""`archive`: what is kept of every tick, whether it is whole, questions to it, and more of it from elsewhere."""

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from perpscope.cli.options import Config, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.archive_asked import Info, Interval
    from perpscope.app.archive_rows import Imported

Action = Literal["info", "coverage", "verify", "query", "export", "import", "merge", "compact"]
_MOST_SHOWN = 40  #: lines for people


class Asked(msgspec.Struct, frozen=True):
    """One command line."""

    folder: Path
    words: list[str]
    venue: str | None
    symbol: str | None
    ts_from: str | None
    ts_to: str | None
    out: Path | None
    rows: int
    keep_repeats: bool
    json: bool


def archive(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    words: Annotated[
        list[str] | None, typer.Argument(help="query: a SELECT; export: a channel; import: files; merge: archives.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="The archive; default: archive.folder.")] = None,
    venue: Annotated[str | None, typer.Option("--venue", help="import: whose rows; default: the file's name.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="import, export: the one instrument.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Time, UTC: 2026-06-12 or 2026-06-12T02:10.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Time, not included.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="export: file to write, .csv or .parquet.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="query: rows at most.")] = 1000,
    keep_repeats: Annotated[
        bool, typer.Option("--keep-repeats", help="import: equal trades of a millisecond are all kept.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Every tick, kept as Parquet."""
    from perpscope.app import archiving

    archiving.require()
    path = archiving.folder_of(folder, settings(config=config).settings.archive)
    asked = Asked(path, words or [], venue, symbol, from_, to, out, rows, keep_repeats, json)
    actions = {
        "info": _info,
        "coverage": _coverage,
        "verify": _verify,
        "query": _query,
        "export": _export,
        "import": _import,
        "merge": _merge,
        "compact": _compact,
    }
    actions[action](asked)


def _info(asked: Asked) -> None:
    from perpscope.app.archive_asked import info
    from perpscope.stores.archive.manifest import Manifest

    with closing(Manifest.reading(asked.folder)) as manifest:
        found = info(manifest)
    _print_json(found) if asked.json else _print_info(found)


def _coverage(asked: Asked) -> None:
    from perpscope.app.archive_asked import coverage
    from perpscope.stores.archive.manifest import Manifest

    with closing(Manifest.reading(asked.folder)) as manifest:
        found = coverage(manifest)
    _print_json({"intervals": found}) if asked.json else _print_coverage(found)


def _verify(asked: Asked) -> None:
    from perpscope.stores.archive.manifest import Manifest
    from perpscope.stores.archive.query import verify

    with closing(Manifest.reading(asked.folder)) as manifest:
        entries = manifest.entries()
        bad = verify(manifest)
    if asked.json:
        _print_json({"files": len(entries), "rows": sum(entry.rows for entry in entries), "bad": bad})
    else:
        for path, why in bad.items():
            print(f"✕ {path}: {why}")
        print(f"{len(entries):,} files, {sum(entry.rows for entry in entries):,} rows: {len(bad)} bad")
    if bad:
        _say("the next `perpscope archive compact` sets them aside and records what they held as a gap")
        raise typer.Exit(1)


def _query(asked: Asked) -> None:
    from perpscope.app.archive_asked import moment, plain
    from perpscope.stores.archive.query import ArchiveReader

    (sql,) = _words(asked, "a SELECT", 'perpscope archive query "SELECT count(*) FROM trades"')
    ts_from, ts_to = moment(asked.ts_from, 0), moment(asked.ts_to, 1 << 62)
    with closing(ArchiveReader(asked.folder)) as reader:
        answer = reader.select(sql, ts_from=ts_from, ts_to=ts_to, most=asked.rows)
    if asked.json:
        _print_json({"rows": list(plain(answer.table)), "is_cut": answer.is_cut, "bad": answer.bad})
        return
    print("\t".join(answer.table.column_names))
    for row in plain(answer.table):
        print("\t".join(str(value) for value in row.values()))
    if answer.is_cut:
        _say(f"there are more than {asked.rows:,} rows: --rows N")
    _say_bad(answer.bad)


def _export(asked: Asked) -> None:
    from perpscope.app.archive_asked import channel_named, export, instrument_named, moment
    from perpscope.stores.archive.query import ArchiveReader

    (name,) = _words(asked, "a channel", "perpscope archive export trades --symbol BTC --out trades.csv")
    channel = channel_named(name)
    if asked.out is None:
        raise ConfigError("option-value", "export needs a file to write", hint="--out trades.csv or trades.parquet")
    ts_from, ts_to = moment(asked.ts_from, 0), moment(asked.ts_to, 1 << 62)
    with closing(ArchiveReader(asked.folder)) as reader:
        instrument = instrument_named(reader.manifest, channel, asked.symbol)
        written, bad = export(reader, channel, instrument, ts_from, ts_to, asked.out)
    if asked.json:
        _print_json({"rows": written, "out": str(asked.out), "bad": bad})
    else:
        print(f"{written:,} rows of {channel.value} in {asked.out}")
    _say_bad(bad)


def _import(asked: Asked) -> None:
    from perpscope.app.archive_rows import import_rows
    from perpscope.stores.archive.manifest import Manifest
    from perpscope.stores.status import StoreKind

    if not asked.words:
        raise ConfigError("option-value", "import needs files", hint="perpscope archive import trades.jsonl.gz")
    files = [Path(word) for word in asked.words]
    done = []
    with closing(Manifest.writing(asked.folder, StoreKind.OBSERVED)) as manifest:
        given = {"venue": asked.venue, "symbol": asked.symbol}
        for found in import_rows(manifest, files, **given, keep_repeats=asked.keep_repeats, announce=_say):
            done.append(found)
            if not asked.json:
                _print_imported(found)
    if asked.json:
        _print_json({"imported": done})


def _merge(asked: Asked) -> None:
    from perpscope.stores.archive.manifest import Manifest
    from perpscope.stores.archive.merge import merge

    if not asked.words:
        raise ConfigError("option-value", "merge needs an archive to take from", hint="perpscope archive merge OTHER")
    bad: list[str] = []
    rows = added = 0
    for word in asked.words:
        theirs = Manifest.reading(Path(word))
        with closing(theirs), closing(Manifest.writing(asked.folder, theirs.kind)) as ours:
            for done in merge(ours, theirs, bad):
                rows, added = rows + done.rows, added + done.added
    if asked.json:
        _print_json({"rows": rows, "added": added, "bad": bad})
    else:
        print(f"{rows:,} rows looked at, {added:,} added; the others were there")
    _say_bad(bad)


def _compact(asked: Asked) -> None:
    from perpscope.feeds.clock import wall_ns
    from perpscope.stores.archive.manifest import Manifest
    from perpscope.stores.archive.recovery import recover
    from perpscope.stores.archive.upkeep import compact

    with closing(Manifest.writing(asked.folder, None)) as manifest:
        findings = recover(manifest)
        done = list(compact(manifest, wall_ns()))
    before, after = sum(d.bytes_before for d in done), sum(d.bytes for d in done)
    files, repeats = sum(d.files_before for d in done), sum(d.repeats for d in done)
    if asked.json:
        told = {"files_before": files, "files": len(done), "bytes_before": before, "bytes": after, "repeats": repeats}
        _print_json({**told, "findings": findings})
        return
    for finding in findings:
        print(f"! {finding}")
    print(f"{files:,} files of finished days → {len(done):,}; {before / 1e6:,.1f} MB → {after / 1e6:,.1f} MB")
    print(f"{repeats:,} rows had been told twice")


def _words(asked: Asked, what: str, hint: str) -> Sequence[str]:
    if len(asked.words) != 1:
        raise ConfigError("option-value", f"{what} is needed, and {len(asked.words)} words were given", hint=hint)
    return asked.words


def _print_info(found: "Info") -> None:
    print(f"{found.folder}: {found.kind}, {found.rows:,} rows, {found.bytes / 1e6:,.1f} MB")
    for kept in found.streams[:_MOST_SHOWN]:
        where = f"{kept.venue}/{kept.channel}/{kept.symbol}"
        odd = f" · {kept.quarantined:,} in quarantine" if kept.quarantined else ""
        ends = f"{_time(kept.first_ms)} … {_time(kept.last_ms)}" if kept.rows else "none"
        print(f"  {where:<44}{kept.rows:>14,} rows{kept.bytes / 1e6:>10,.2f} MB  {kept.files:>5} files  {ends}{odd}")
    if len(found.streams) > _MOST_SHOWN:
        print(f"  and {len(found.streams) - _MOST_SHOWN:,} streams more: --json")
    for day, reason in found.gone_days.items():
        print(f"  {day} was let go: {reason}")


def _print_coverage(found: "Sequence[Interval]") -> None:
    for interval in found:
        what = "covered" if interval.state == "covered" else f"GAP {interval.cause}"
        repaired = ", repaired" if interval.repaired else ""
        end = "…" if interval.to_ms is None else _time(interval.to_ms)
        where = f"{interval.venue}/{interval.channel}/{interval.instrument or 'all'}"
        print(f"{where:<44} {_time(interval.from_ms)} → {end:<19} {what}{repaired}")


def _print_imported(found: "Imported") -> None:
    tapes = f" on {found.tapes} tapes" if found.tapes > 1 else ""
    rejected = f", {found.rejected:,} lines are no rows" if found.rejected else ""
    print(f"{found.file}: {found.channel.value} of {found.instrument}{tapes}")
    print(f"  {found.rows:,} rows, {found.added:,} added, {found.repeats:,} told twice or there already{rejected}")
    for hole in found.holes:
        begin, end = hole.ts_from // 1_000_000, hole.ts_to // 1_000_000
        print(f"  tape {hole.tape} says nothing from {_time(begin)} to {_time(end)} ({(end - begin) / 60_000:.1f} min)")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _print_json(record: object) -> None:
    print(msgspec.json.encode(record).decode())


def _say_bad(bad: Sequence[str]) -> None:
    for name in bad:
        _say(f"left out: {name}")


def _say(words: str) -> None:
    print(words, file=sys.stderr)

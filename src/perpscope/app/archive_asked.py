"""What `perpscope archive` tells and does: records for programs, made of an archive's manifest, files and coverage."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.csv  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from perpscope.config import nearest
from perpscope.errors import ConfigError
from perpscope.model.instrument import InstrumentId
from perpscope.model.stream import Channel
from perpscope.stores.archive.ledger import ledger
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.query import ArchiveReader
from perpscope.stores.archive.tables import TABLES

_MS: Final = 1_000_000
_FOREVER: Final = 1 << 62


class Kept(msgspec.Struct):
    """What is kept of one stream."""

    venue: str
    channel: str
    symbol: str
    files: int = 0
    rows: int = 0
    bytes: int = 0
    first_ms: int = 0  #: ms UTC
    last_ms: int = 0  #: ms UTC
    quarantined: int = 0  #: rows whose time cannot be right; not among `rows`


class Info(msgspec.Struct, frozen=True):
    """What `perpscope archive info --json` prints."""

    folder: str
    kind: str
    tape: str
    rows: int
    bytes: int
    streams: list[Kept]
    gone_days: dict[str, str]


class Interval(msgspec.Struct, frozen=True):
    """One of `intervals` of `perpscope archive coverage --json`."""

    venue: str
    channel: str
    instrument: str | None
    from_ms: int
    to_ms: int | None
    state: str  #: covered or gap
    cause: str | None
    repaired: bool


def info(manifest: Manifest) -> Info:
    """Streams, rows and room."""
    streams: dict[tuple[str, str, str], Kept] = {}
    for entry in manifest.entries():
        key = (entry.place.venue, entry.place.channel.value, entry.place.symbol)
        kept = streams.setdefault(key, Kept(*key))
        kept.files += 1
        kept.bytes += entry.bytes
        if entry.place.is_quarantined:
            kept.quarantined += entry.rows
            continue
        kept.first_ms = min(kept.first_ms or _FOREVER, entry.ts_min // _MS)
        kept.last_ms = max(kept.last_ms, entry.ts_max // _MS)
        kept.rows += entry.rows
    every = [streams[key] for key in sorted(streams)]
    gone = {day: reason for day, (_, _, reason) in manifest.gone_days.items()}
    rows, size = sum(kept.rows for kept in every), sum(kept.bytes for kept in every)
    return Info(str(manifest.root), manifest.kind.value, manifest.tape, rows, size, every, gone)


def coverage(manifest: Manifest) -> list[Interval]:
    """What is held of each stream and what is not, in ms."""
    return [
        Interval(
            *(span.venue, span.channel.value, span.instrument, span.ts_from // _MS),
            *(None if span.ts_to is None else span.ts_to // _MS, "covered" if span.is_covered else "gap"),
            *(span.cause, span.is_repaired),
        )
        for span in ledger(manifest)
    ]


def channel_named(name: str) -> Channel:
    """The channel of this name.

    Raises:
        ConfigError: the archive keeps none of it.
    """
    for channel in TABLES:
        if channel.value == name:
            return channel
    like = nearest(name, [channel.value for channel in TABLES])
    hint = f"did you mean {like!r}?" if like else f"channels: {', '.join(channel.value for channel in TABLES)}"
    raise ConfigError("option-value", f"the archive has no channel {name!r}", hint=hint)


def moment(text: str | None, default: int) -> int:
    """Read a time: ISO 8601, UTC where it names no zone; ns UTC.

    Raises:
        ConfigError: it is none.

    >>> moment("2026-06-12", 0), moment("2026-06-12T02:10:00+00:00", 0), moment(None, 7)
    (1781222400000000000, 1781230200000000000, 7)
    """
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("option-value", f"{text!r} is no time", hint="e.g. 2026-06-12 or 2026-06-12T02:10") from error
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000) * _MS


def instrument_named(manifest: Manifest, channel: Channel, name: str | None) -> InstrumentId | None:
    """The one instrument of a channel that is called so, or begins so; None for all.

    Raises:
        ConfigError: there is none, or there are several.
    """
    if name is None:
        return None
    known = {
        f"{entry.place.symbol}.{entry.place.venue.upper()}"
        for entry in manifest.entries(channel=channel)
        if not TABLES[channel].is_shared
    } or {str(row.stream.instrument) for row in manifest.covered() if row.stream.instrument is not None}
    fitting = [i for i in known if i.upper() == name.upper()] or sorted(
        i for i in known if i.upper().startswith(name.upper() + "-")
    )
    if len(fitting) == 1 or TABLES[channel].is_shared:
        return InstrumentId(fitting[0] if fitting else name)
    hint = f"one of {', '.join(fitting)}" if fitting else f"there are {', '.join(sorted(known)[:10]) or 'none'}"
    raise ConfigError("symbol-unknown", f"{name!r} is not one instrument of {channel.value}", hint=hint)


def export(
    reader: ArchiveReader, channel: Channel, instrument: InstrumentId | None, ts_from: int, ts_to: int, out: Path
) -> tuple[int, Sequence[str]]:
    """Write rows to a file, CSV or Parquet by its name: how many, and which files could not be read.

    Raises:
        ConfigError: neither .csv nor .parquet, a book as CSV, or a file that cannot be written.
    """
    form = out.suffix.lower()
    if form not in (".csv", ".parquet"):
        raise ConfigError("option-value", f"--out {str(out)!r} is neither .csv nor .parquet", hint="e.g. --out t.csv")
    if form == ".csv" and channel is Channel.BOOK:
        raise ConfigError("option-value", "a book's levels do not fit into CSV", hint="--out book.parquet")
    answer = reader.rows(channel, instrument, ts_from, ts_to)
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            _write(answer.table, form, file)
        part.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ConfigError("option-value", f"--out {str(out)!r} cannot be written: {error.strerror}") from error
    return len(answer.table), answer.bad


def plain(table: pa.Table) -> Iterator[dict[str, object]]:
    """Rows as programs read them."""
    for batch in table.to_batches():
        yield from batch.to_pylist()


def _write(table: pa.Table, form: str, file: IO[bytes]) -> None:
    if form == ".csv":
        pyarrow.csv.write_csv(table, file)
    else:
        pq.write_table(table, file, compression="zstd")

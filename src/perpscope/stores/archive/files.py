"""One Parquet file of the archive: written beside its place, synced, and only then given its name.

In: rows of one stream and day. Out: a file that is whole or not there, and the `Entry` the manifest keeps of it. What
a crash leaves behind has a name ending in `.tmp`. Nothing is ever written over.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from perpscope.model.stream import Channel
from perpscope.stores.archive.tables import TABLES, Table, metadata

DAY_NS: Final = 86_400_000_000_000
QUARANTINE: Final = "quarantine"  #: folder of rows whose time cannot be right
SHARED: Final = "all"  #: folder of the streams whose files hold every instrument of a venue
_SECOND_NS: Final = 1_000_000_000
#: Venue's time and ours further apart than this cannot both be right: half an hour, chosen by hand. What is asked for
#: afterwards is of the past, so only the future is absurd there.
BOUND_NS: Final = 1_800 * _SECOND_NS
_FIRST_NS: Final = 1_230_768_000 * _SECOND_NS  # 2009: there was nothing to trade before
_MAGIC = b"PAR1"  # https://parquet.apache.org/docs/file-format/


class Place(msgspec.Struct, frozen=True):
    """A stream's folder, and the day."""

    venue: str
    channel: Channel
    symbol: str  #: the instrument without its venue, or `SHARED`
    day: str  #: YYYY-MM-DD, UTC of `ts_event`; of `ts_recv` in quarantine
    is_quarantined: bool = False

    @property
    def folder(self) -> str:
        """Relative to the archive."""
        parts = [self.venue, self.channel.value, quote(self.symbol, safe=""), self.day]
        return "/".join([QUARANTINE, *parts] if self.is_quarantined else parts)


class Entry(msgspec.Struct, frozen=True):
    """What the manifest says of one file."""

    path: str  #: relative to the archive, with slashes
    place: Place
    rows: int
    bytes: int
    sha256: str
    ts_min: int  #: ns UTC, `ts_event`
    ts_max: int  #: ns UTC, `ts_event`
    is_compact: bool = False  #: all of a finished day


def day_of(ts: int) -> str:
    """The UTC day of a moment (ns).

    >>> day_of(1_723_161_599_999_999_999), day_of(1_723_161_600_000_000_000)
    ('2024-08-08', '2024-08-09')
    """
    return datetime.fromtimestamp(ts // _SECOND_NS, UTC).strftime("%Y-%m-%d")


def by_day(rows: pa.Table, table: Table, *, is_past: bool = False) -> Iterable[tuple[str, bool, pa.Table]]:
    """Cut rows by day: `(day, is quarantined, rows)`; absurd times go by the day of their receipt.

    Args:
        rows: of one table.
        table: which.
        is_past: they were asked for afterwards, so only the future is absurd.
    """
    event, received = (rows.column(name).to_numpy() for name in ("ts_event", "ts_recv"))
    skew = event - received
    absurd = (skew > BOUND_NS) | (event < _FIRST_NS)
    if table.is_live and not is_past:
        absurd |= skew < -BOUND_NS
    days = np.where(absurd, received, event) // DAY_NS * 2 + absurd
    for day in np.unique(days):
        part = rows if days[0] == day and (days == day).all() else rows.filter(pa.array(days == day))
        yield day_of(int(day // 2) * DAY_NS), bool(day % 2), part


def in_order(rows: pa.Table, table: Table) -> pa.Table:
    """Sorted by time, then the venue's identity."""
    times = rows.column("ts_event").to_numpy()
    if len(times) > 1 and (times[1:] > times[:-1]).all():
        return rows
    return rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in table.identity]))


def once(rows: pa.Table, table: Table) -> pa.Table:
    """Rows in order without those a venue told twice; trades without an id are all kept: nothing tells them apart."""
    if len(rows) < 2:
        return rows
    same = pa.array(np.ones(len(rows) - 1, bool))
    for name in table.identity:
        column = rows.column(name).combine_chunks()
        before, after = column[:-1], column[1:]
        both_absent = pc.and_(pc.is_null(before), pc.is_null(after))
        alike = pc.or_(pc.fill_null(pc.equal(before, after), False), both_absent)
        same = pc.and_(same, alike)
    if table.channel is Channel.TRADES:
        named = pc.or_(pc.is_valid(rows.column("trade_number")), pc.is_valid(rows.column("trade_text")))
        same = pc.and_(same, named.combine_chunks()[1:])
    keep = np.concatenate([[True], ~same.to_numpy(zero_copy_only=False)])
    return rows if keep.all() else rows.filter(pa.array(keep))


class Draft:
    """A file that is being written: rows go in in order; `finish` gives it its name, `discard` lets it go.

    Args:
        root: the archive's folder.
        place: whose rows these are.
        writer: unique name of whoever writes.
        number: unique among the files of that writer.
        told: what the file says of itself besides.
        is_compact: it is to hold all of a finished day.

    Raises:
        OSError: it cannot be begun.
    """

    def __init__(
        self,
        root: Path,
        place: Place,
        writer: str,
        number: int,
        kind: str,
        told: Mapping[str, str] | None = None,
        *,
        is_compact: bool = False,
    ) -> None:
        table = TABLES[place.channel]
        self._root, self._place, self._is_compact = root, place, is_compact
        self._name = f"{writer}-{number}.parquet"
        folder = root / place.folder
        _make_folders(root, folder)
        self._tmp = folder / f".{self._name}.tmp"
        schema = table.schema.with_metadata(metadata(table, kind, venue=place.venue, writer=writer, **(told or {})))
        self._schema = schema
        self._file = self._tmp.open("xb")
        self._rows, self._ts_min, self._ts_max = 0, 0, 0
        try:
            self._parquet = pq.ParquetWriter(self._file, schema, **table.packing)
        except BaseException:
            self.discard()
            raise

    def write(self, rows: pa.Table) -> None:
        """Append rows in order.

        Raises:
            OSError: the disk does not take them.
        """
        if not len(rows):
            return
        times = rows.column("ts_event")
        self._ts_min = self._ts_min if self._rows else times[0].as_py()
        self._ts_max = times[-1].as_py()
        self._rows += len(rows)
        self._parquet.write_table(rows.cast(self._schema), row_group_size=len(rows))

    def finish(self) -> Entry:
        """Sync, rename, sync the folder; the file is there from now on.

        Raises:
            OSError: the disk does not take it; nothing is left.
        """
        try:
            self._parquet.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            size, digest = self._tmp.stat().st_size, sha256_of(self._tmp)
            clock = datetime.fromtimestamp(self._ts_min // _SECOND_NS, UTC).strftime("%H%M%S")
            path = self._tmp.with_name(f"{clock}-{self._name}")
            self._tmp.rename(path)
            sync_folder(path.parent)
        except BaseException:
            self.discard()
            raise
        name = path.relative_to(self._root).as_posix()
        return Entry(name, self._place, self._rows, size, digest, self._ts_min, self._ts_max, self._is_compact)

    def discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError, ValueError, pa.ArrowException):
            self._file.close()
        self._tmp.unlink(missing_ok=True)


def fault_of(root: Path, entry: Entry, *, whole: bool = False) -> str | None:
    """What is wrong with a listed file; None if nothing is.

    Args:
        root: the archive's folder.
        entry: what the manifest says.
        whole: read all of it; else its length and its two ends only.
    """
    path = root / entry.path
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"{size} bytes, {entry.bytes} were written"
        with path.open("rb") as file:
            first = file.read(4)
            file.seek(-4, os.SEEK_END)
            if first != _MAGIC or file.read(4) != _MAGIC:
                return "no Parquet file"
        if not whole:
            return None
        if sha256_of(path) != entry.sha256:
            return "its checksum is another"
        rows = pq.ParquetFile(path).metadata.num_rows
    except FileNotFoundError:
        return "it is not there"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {error}"
    return None if rows == entry.rows else f"{rows} rows, {entry.rows} were written"


def sha256_of(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(root: Path, path: str) -> None:
    """Delete a file that the manifest names no more, and the folders it leaves empty."""
    file = root / path
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: others are there
        for folder in file.parents:
            if folder == root:
                break
            folder.rmdir()


def _make_folders(root: Path, folder: Path) -> None:
    """Make folders durably."""
    made: list[Path] = []
    while folder != root and not folder.is_dir():
        made.append(folder)
        folder = folder.parent
    for path in reversed(made):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)

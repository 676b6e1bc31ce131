"""Other people's files of liquidations into the store, as observed data whose coverage nobody knows.

Each file is looked through before the store is touched; one that cannot be read costs that file only. Rows go through
the store's ordinary sink, some thousands a transaction, so an interrupted import is repeated without harm: what is
there already is counted and not added.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from perpscope.app import venues
from perpscope.errors import DataError, StoreError
from perpscope.feeds.liquidation_columns import Reading
from perpscope.feeds.liquidation_files import Found, LiquidationFile, Rejected
from perpscope.stores.known import Bare, KnownLiquidations, Prices, is_same, without_prices
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

CHUNK_ROWS = 10_000  #: rows a transaction, chosen by hand
MOST_LISTED = 1_000  #: rejected rows that are listed; the others are only counted
_DEFAULT_READING = Reading()


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that was not imported, or a whole file where `line` is None."""

    file: str
    line: int | None
    reason: str


class ImportReport(msgspec.Struct, frozen=True):
    """What `perpscope import --json` prints; `rows - added - duplicates` were rejected, and the first are listed."""

    rows: int  #: read, without headers and blank lines
    added: int
    duplicates: int  #: in the files or in the store already
    rejected: list[RejectedRow]


class FileCounts(msgspec.Struct):
    """What became of one file's rows."""

    path: Path
    rows: int = 0
    added: int = 0
    duplicates: int = 0
    rejected: int = 0


class Imported(msgspec.Struct):
    """What became of an import."""

    files: list[FileCounts] = []
    listed: list[RejectedRow] = []
    failures: list[DataError] = []  #: one for each file that could not be imported
    ts_first: int | None = None  #: ns UTC, oldest row added
    ts_last: int | None = None  #: ns UTC, newest row added

    @property
    def report(self) -> ImportReport:
        """The sums, for programs."""
        rows, added, duplicates = (
            sum(getattr(file, name) for file in self.files) for name in ("rows", "added", "duplicates")
        )
        return ImportReport(rows, added, duplicates, self.listed)


def import_files(
    paths: Sequence[Path],
    *,
    database: Path,
    venue: str = "binance",
    reading: Reading = _DEFAULT_READING,
    is_dry_run: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Import files; the good ones go in, whatever is wrong with the others.

    Args:
        paths: files of any form `feeds.liquidation_files` knows.
        database: store of kind "observed"; made if it is not there.
        venue: whose liquidations these are.
        reading: how the files are to be read, where they do not tell.
        is_dry_run: write nothing, only tell what would become of each row.
        announce: told how each file is read, and how far a large one is.

    Raises:
        ConfigError: an unknown venue.
        StoreError: the store is locked or cannot be used.
    """
    imported = Imported()
    files = list(_looked_through(paths, venue, reading, imported, announce))
    if not files:
        return imported
    if is_dry_run:
        with closing(_Dry(database)) as dry:
            _import_all(files, dry, imported, announce)
        return imported
    store = SqliteStore.open(database, kind=StoreKind.OBSERVED)
    try:
        with closing(KnownLiquidations.open(database)) as known:
            _import_all(files, _Wet(store, known), imported, announce)
    finally:
        store.close()
    return imported


class _Wet:
    """Adds rows to a store that is held open for writing."""

    def __init__(self, store: SqliteStore, known: KnownLiquidations) -> None:
        self._store = store
        self._known = known

    def prices_of(self, bare: Bare) -> list[Prices]:
        return self._known.prices_of(bare)

    def add(self, rows: Sequence[Found]) -> None:
        """Add rows that are not there, and return when they are on disk."""
        self._store.register({row.instrument.id: row.instrument for row in rows}.values())
        for row in rows:
            self._store.sink().accept(row.liquidation)
        self._store.flush()


class _Dry:
    """Remembers rows instead of adding them."""

    def __init__(self, database: Path) -> None:
        self._known = KnownLiquidations.open(database) if database.exists() else None
        self._added: dict[Bare, list[Prices]] = {}
        if self._known is not None and (kind := self._known.kind) is not StoreKind.OBSERVED:
            self._known.close()
            raise StoreError(
                "store-kind",
                f"{database} holds {kind.value} data, which observed data must not be mixed with",
                hint="choose another file with --db",
            )

    def prices_of(self, bare: Bare) -> list[Prices]:
        stored = [] if self._known is None else self._known.prices_of(bare)
        return stored + self._added.get(bare, [])

    def add(self, rows: Sequence[Found]) -> None:
        for row in rows:
            self._added.setdefault(_bare(row), []).append(_prices(row))

    def close(self) -> None:
        if self._known is not None:
            self._known.close()


def _looked_through(
    paths: Iterable[Path], venue: str, reading: Reading, imported: Imported, announce: Callable[[str], None]
) -> Iterator[LiquidationFile]:
    dialect = venues.find(venue)
    for path in paths:
        try:
            file = LiquidationFile(path, reading, dialect)
        except DataError as error:
            _fail(imported, path, error)
            continue
        announce(f"{path}: " + "\n  ".join(file.findings))
        yield file


def _fail(imported: Imported, path: Path, error: DataError) -> None:
    imported.failures.append(error)
    imported.listed.append(RejectedRow(str(path), None, error.message.removeprefix(f"{str(path)!r}: ")))


def _import_all(
    files: Iterable[LiquidationFile], target: "_Wet | _Dry", imported: Imported, announce: Callable[[str], None]
) -> None:
    for file in files:
        counts = FileCounts(file.path)
        imported.files.append(counts)
        rows = file.rows()
        try:
            while chunk := list(islice(rows, CHUNK_ROWS)):
                _take(chunk, counts, target, imported)
                if counts.rows % (10 * CHUNK_ROWS) == 0:
                    announce(f"{file.path}: {counts.rows:,} rows")
        except DataError as error:
            _fail(imported, file.path, error)


def _take(chunk: Sequence[Found | Rejected], counts: FileCounts, target: "_Wet | _Dry", imported: Imported) -> None:
    """Add what is new in a chunk, count the rest."""
    good = [row for row in chunk if isinstance(row, Found)]
    bad = [RejectedRow(str(counts.path), row.line, row.reason) for row in chunk if isinstance(row, Rejected)]
    fresh = _fresh(good, target)
    target.add(fresh)
    times = [row.liquidation.ts_event for row in fresh]
    imported.ts_first = min([*times, *([] if imported.ts_first is None else [imported.ts_first])], default=None)
    imported.ts_last = max([*times, *([] if imported.ts_last is None else [imported.ts_last])], default=None)
    counts.rows += len(chunk)
    counts.added += len(fresh)
    counts.duplicates += len(good) - len(fresh)
    counts.rejected += len(bad)
    imported.listed += bad[: max(0, MOST_LISTED - len(imported.listed))]


def _fresh(rows: Sequence[Found], target: "_Wet | _Dry") -> list[Found]:
    """Rows that are neither there nor here before, in order of time; of two that are alike, the one that tells more."""
    here: dict[Bare, list[Prices]] = {}
    fresh = []
    for row in sorted(rows, key=_order):
        bare, prices = _bare(row), _prices(row)
        alike = here.setdefault(bare, target.prices_of(bare)) if bare not in here else here[bare]
        if not any(is_same(prices, other) for other in alike):
            alike.append(prices)
            fresh.append(row)
    return fresh


def _order(row: Found) -> tuple[int, str, int, str, float, float, float]:
    event, (fill, bankruptcy) = row.liquidation, _prices(row)
    untold = (fill is None) + (bankruptcy is None)
    side = event.position_side.value
    return event.ts_event, event.instrument, untold, side, event.size, fill or 0.0, bankruptcy or 0.0


def _bare(row: Found) -> Bare:
    return without_prices(row.liquidation, row.instrument.venue, row.instrument.symbol)


def _prices(row: Found) -> Prices:
    return row.liquidation.fill_price, row.liquidation.bankruptcy_price

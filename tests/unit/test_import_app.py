"""The import into a store: counted exactly, repeatable, one bad file costs itself."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perpscope.app import importing
from perpscope.app.importing import Imported, ImportReport, import_files
from perpscope.errors import ConfigError, StoreError
from perpscope.feeds.liquidation_columns import Reading
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.stores.known import KnownLiquidations
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

ROW = "RARE,BUY,LIMIT,IOC,4421,0.2226588,0.2185000,FILLED,3750,4421,1723895903305,984.37"
LATER = "SYN,SELL,LIMIT,IOC,100,0.6738008,0.6746748,FILLED,100,100,1723895946163,67.38"
NO_FILL = ROW.replace("0.2185000", "None")
NO_LIMIT = ROW.replace("0.2226588", "0")
OTHER_FILL = ROW.replace("0.2185000", "0.2184000")


def written(folder: Path, name: str, *lines: str) -> Path:
    """A file with these lines."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def stored(database: Path) -> list[tuple[object, ...]]:
    """Every row of the events and their sums, as they are."""
    with closing(sqlite3.connect(database)) as connection:
        names = ("liquidation_events", "liquidation_aggregates", "instruments", "coverage")
        return [row for name in names for row in connection.execute(f"SELECT '{name}', * FROM {name} ORDER BY 2")]


def imported(folder: Path, *lines: str) -> ImportReport:
    """Import one file with these lines into the store of this folder."""
    return import_files([written(folder, "file.csv", *lines)], database=folder / "m.db").report


def test_rows_are_observed_liquidations_of_unknown_coverage(tmp_path: Path) -> None:
    """What is stored is what the row says; the minute's sums are right at once, and nothing is vouched for."""
    report = imported(tmp_path, "broken", ROW, LATER)
    assert report == ImportReport(3, 2, 0, report.rejected)
    assert [(bad.line, Path(bad.file).name) for bad in report.rejected] == [(1, "file.csv")]
    with SqliteReader.open(tmp_path / "m.db") as reader:
        assert reader.kind is StoreKind.OBSERVED
        first, _ = reader.liquidations()
        assert (first.instrument, first.size, first.fill_price) == ("RARE-USDT-PERP.BINANCE", 4421.0, 0.2185)
        assert (first.completeness, first.sampling) == (Completeness.SAMPLED, Sampling.UNKNOWN)
        assert first.ts_recv == first.ts_event
        sums = {(minute.symbol, minute.side): minute.total_notional_usd for minute in reader.aggregates()}
        assert sums == {("RAREUSDT", "BUY"): 4421.0 * 0.2185, ("SYNUSDT", "SELL"): pytest.approx(67.46748)}
        assert reader.coverage() == []


def test_twice_changes_nothing(tmp_path: Path) -> None:
    """The same file again is all duplicates, and no table differs in any column."""
    imported(tmp_path, ROW, LATER)
    before = stored(tmp_path / "m.db")
    assert imported(tmp_path, ROW, LATER) == ImportReport(2, 0, 2, [])
    assert stored(tmp_path / "m.db") == before


@pytest.mark.parametrize(
    ("lines", "added"),
    [
        ((ROW, ROW), 1),
        ((ROW, NO_FILL), 1),
        ((NO_FILL, ROW), 1),
        ((NO_LIMIT, NO_FILL, ROW), 1),
        ((NO_LIMIT, NO_FILL), 2),
        ((ROW, OTHER_FILL), 2),
        ((ROW, OTHER_FILL, NO_FILL), 2),
        ((ROW, ROW.replace("4421,17", "4420,17")), 2),
    ],
)
def test_rows_that_tell_less_of_the_same_are_duplicates(tmp_path: Path, lines: tuple[str, ...], added: int) -> None:
    """In a file the row that tells most is kept, in whatever order; one that contradicts is another liquidation."""
    report = imported(tmp_path, *lines)
    assert (report.added, report.duplicates) == (added, len(lines) - added)
    with SqliteReader.open(tmp_path / "m.db") as reader:
        assert len(reader.liquidations()) == added
        if added == 1:
            assert reader.liquidations()[0].fill_price == 0.2185


def test_what_a_collector_stored_is_not_added_again(tmp_path: Path) -> None:
    """A file of others, with or without fill prices, meets the same liquidations collected live."""
    name = instrument_id("binance", "RARE", "USDT")
    ts = 1_723_895_903_305_000_000
    live = Liquidation(
        name, ts, ts + 7, PositionSide.SHORT, 4421.0, 0.2185, 0.2226588, Completeness.SAMPLED, Sampling.UNKNOWN
    )
    with closing(SqliteStore.open(tmp_path / "m.db", kind=StoreKind.OBSERVED)) as store:
        store.register([Instrument(id=name, venue="binance", symbol="RAREUSDT", base="RARE", quote="USDT")])
        store.sink().accept(live)
    assert imported(tmp_path, ROW, LATER) == ImportReport(2, 1, 1, [])
    assert imported(tmp_path, NO_FILL) == ImportReport(1, 0, 1, [])


def test_chunks_and_files_do_not_change_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of several transactions and files are counted once, and progress is told on the way."""
    monkeypatch.setattr(importing, "CHUNK_ROWS", 1)
    said: list[str] = []
    many = [LATER.replace("1723895946163", f"172389594{n:04}") for n in range(1000, 1025)]
    files = [written(tmp_path, "a.csv", *many, ROW), written(tmp_path, "b.csv", *many, "broken")]
    whole = import_files(files, database=tmp_path / "m.db", announce=said.append)
    assert (whole.report.rows, whole.report.added, whole.report.duplicates) == (52, 26, 25)
    assert [(file.rows, file.added, file.duplicates, file.rejected) for file in whole.files] == [
        (26, 26, 0, 0),
        (26, 0, 25, 1),
    ]
    assert (whole.ts_first, whole.ts_last) == (1_723_895_903_305_000_000, 1_723_895_941_024_000_000)
    assert any("a.csv: 10 rows" in line for line in said)


def test_more_rejected_rows_than_are_listed_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list has an end, the count has not."""
    monkeypatch.setattr(importing, "MOST_LISTED", 3)
    report = imported(tmp_path, ROW, *["broken"] * 5)
    assert (report.rows, report.added, len(report.rejected)) == (6, 1, 3)


def test_one_bad_file_costs_itself(tmp_path: Path) -> None:
    """The good files of a call go in; the others are named, each with its error."""
    files = [tmp_path / "none.csv", written(tmp_path, "a.csv", ROW), written(tmp_path, "b.csv", "hello")]
    whole = import_files(files, database=tmp_path / "m.db")
    assert [failure.code for failure in whole.failures] == ["import-missing", "import-form"]
    assert whole.report.added == 1
    assert [(Path(bad.file).name, bad.line) for bad in whole.report.rejected] == [("none.csv", None), ("b.csv", None)]


def test_no_good_file_makes_no_store(tmp_path: Path) -> None:
    """A call that can import nothing leaves nothing behind."""
    assert import_files([tmp_path / "none.csv"], database=tmp_path / "m.db").report.rows == 0
    assert not (tmp_path / "m.db").exists()


def test_a_file_that_breaks_between_two_looks_is_an_error(tmp_path: Path) -> None:
    """A file somebody cuts while it is imported costs what was not read yet, and is named; the next goes in."""
    path, other = tmp_path / "a.csv.gz", written(tmp_path, "b.csv", LATER)
    path.write_bytes(gzip.compress(f"{ROW}\n{LATER}\n".encode()))

    def cut(line: str) -> None:
        if line.startswith(str(path)):
            path.write_bytes(path.read_bytes()[:-9])

    whole = import_files([path, other], database=tmp_path / "m.db", announce=cut)
    assert [failure.code for failure in whole.failures] == ["import-form"]
    assert whole.report.rejected[0].reason.startswith("cut short or damaged")
    assert whole.report.added == 1


def test_an_interrupted_import_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle keeps what was committed; the next run adds the rest and nothing twice."""
    monkeypatch.setattr(importing, "CHUNK_ROWS", 1)
    path = written(
        tmp_path, "a.csv", *[LATER.replace("1723895946163", f"17238959{n:05}") for n in range(10_000, 10_015)]
    )

    def interrupt(line: str) -> None:
        if line.endswith("rows"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files([path], database=tmp_path / "m.db", announce=interrupt)
    report = import_files([path], database=tmp_path / "m.db").report
    assert (report.rows, report.added, report.duplicates) == (15, 5, 10)
    with SqliteReader.open(tmp_path / "m.db") as reader:
        assert sum(minute.event_count for minute in reader.aggregates()) == 15


@pytest.mark.parametrize("is_there", [False, True])
def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path, is_there: bool) -> None:
    """Counts are those of the real import that follows."""
    if is_there:
        imported(tmp_path, LATER)
    before = stored(tmp_path / "m.db") if is_there else None
    path = written(tmp_path, "file.csv", ROW, ROW, LATER)
    dry = import_files([path, path], database=tmp_path / "m.db", is_dry_run=True)
    assert (tmp_path / "m.db").exists() is is_there
    assert before == (stored(tmp_path / "m.db") if is_there else None)
    assert dry.report == import_files([path, path], database=tmp_path / "m.db").report


def test_a_collector_at_work_is_not_disturbed(tmp_path: Path) -> None:
    """One writer a store: the import takes the lock, or is refused by name."""
    path = written(tmp_path, "file.csv", ROW)
    with closing(SqliteStore.open(tmp_path / "m.db", kind=StoreKind.OBSERVED)), pytest.raises(StoreError) as caught:
        import_files([path], database=tmp_path / "m.db")
    assert caught.value.code == "store-locked"


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_made_up_data_is_never_mixed_with_files(tmp_path: Path, is_dry_run: bool) -> None:
    """A demo's store takes no observed rows."""
    SqliteStore.open(tmp_path / "m.db", kind=StoreKind.DEMO).close()
    with pytest.raises(StoreError) as caught:
        import_files([written(tmp_path, "f.csv", ROW)], database=tmp_path / "m.db", is_dry_run=is_dry_run)
    assert caught.value.code == "store-kind"


def test_an_unknown_venue_is_refused(tmp_path: Path) -> None:
    """Before any file is read."""
    with pytest.raises(ConfigError):
        import_files([], database=tmp_path / "m.db", venue="nyse", reading=Reading())


def test_the_lookup_reads_a_store_s_kind(tmp_path: Path) -> None:
    """What the store holds is known before rows are compared with it."""
    SqliteStore.open(tmp_path / "m.db", kind=StoreKind.REPLAY).close()
    with closing(KnownLiquidations.open(tmp_path / "m.db")) as known:
        assert known.kind is StoreKind.REPLAY


def test_nothing_imported_is_an_empty_report() -> None:
    """No files, no rows."""
    assert Imported().report == ImportReport(0, 0, 0, [])

"""What an archive does about the traces of every moment a process can die at, and about a writer that is behind."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.contract.archive_events import TRADES, quote, trade
from tests.contract.store_events import HOUR, NOON, at, covered, gap, tick

from perpscope.errors import StoreError
from perpscope.model.market import Covered, Gap, Source
from perpscope.model.stream import Channel
from perpscope.stores.archive import files, upkeep
from perpscope.stores.archive.intake import ARCHIVE_BEHIND, ArchiveIntake, Parcel
from perpscope.stores.archive.ledger import ledger
from perpscope.stores.archive.manifest import NAME, Manifest
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.query import ArchiveReader, verify
from perpscope.stores.archive.recovery import recover
from perpscope.stores.archive.upkeep import compact
from perpscope.stores.status import StoreKind

DAY = 24 * HOUR


def fill(folder: Path, *numbers: int) -> None:
    """An archive with these trades in a file of their own."""
    with closing(ParquetArchive.open(folder, kind=StoreKind.OBSERVED, file_s=10.0)) as archive:
        archive.take([trade(number, number) for number in numbers])
        archive.accept(covered(0, 9, streams=TRADES))
        archive.accept(tick(9))


def numbers(folder: Path) -> list[object]:
    """Ids of all trades a reader sees."""
    with closing(ArchiveReader(folder)) as reader:
        return [row["trade_number"] for row in reader.rows(Channel.TRADES, None, 0, 1 << 62).table.to_pylist()]


def put_right(folder: Path) -> list[str]:
    """What the next writer finds."""
    with closing(Manifest.writing(folder, None)) as manifest:
        findings = recover(manifest)
        assert recover(manifest) == [], "once is enough"
        assert not manifest.entries() or verify(manifest) == {}
    return findings


class Killed(BaseException):
    """The process is gone."""


def test_a_half_written_file_goes(tmp_path: Path) -> None:
    """What has not got its name yet is not there."""
    fill(tmp_path, 1)
    (path,) = tmp_path.rglob("*.parquet")
    path.with_name(".x-1.parquet.tmp").write_bytes(path.read_bytes()[:50])
    assert [finding.rpartition(": ")[2] for finding in put_right(tmp_path)] == ["half-written, deleted"]
    assert numbers(tmp_path) == [1]


def test_a_file_that_was_named_but_not_entered_is_entered(tmp_path: Path) -> None:
    """Killed between the rename and the manifest: its rows are there after the next start, its coverage is not."""
    fill(tmp_path, 1)
    other = tmp_path / "other"
    fill(other, 2, 3)
    (path,) = other.rglob("*.parquet")
    shutil.copy(path, next(tmp_path.rglob("120001-*.parquet")).parent)
    shutil.rmtree(other)
    (finding,) = put_right(tmp_path)
    assert finding.endswith("whole, but not in the manifest; entered")
    assert numbers(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1 garbage PAR1", b"PAR1" + bytes(2000)], ids=["empty", "garbage", "torn"]
)
def test_a_torn_file_that_nobody_named_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """F6: it is told, kept for whoever wants to look, and never read."""
    fill(tmp_path, 1)
    (path,) = tmp_path.rglob("*.parquet")
    path.with_name("120002-torn-1.parquet").write_bytes(content)
    (finding,) = put_right(tmp_path)
    assert "set aside" in finding
    assert numbers(tmp_path) == [1]


def test_another_kind_of_data_is_not_taken_in(tmp_path: Path) -> None:
    """A demo's file that strays into an archive of observed data stays out."""
    fill(tmp_path, 1)
    demo = tmp_path / "demo"
    with closing(ParquetArchive.open(demo, kind=StoreKind.DEMO)) as archive:
        archive.take([trade(2, 2)])
        archive.accept(tick(3))
    (stray,) = demo.rglob("*.parquet")
    shutil.move(stray, next(tmp_path.glob("binance/trades/*/*/*.parquet")).parent)
    shutil.rmtree(demo)
    assert "not observed data" in put_right(tmp_path)[0]
    assert numbers(tmp_path) == [1]


@pytest.mark.parametrize("moment", ["rename", "manifest", "delete"])
def test_a_merger_that_broke_off_leaves_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Killed before the merged file's name, before the manifest, or before the old files go: the union, once."""
    fill(tmp_path, 1, 3)
    fill(tmp_path, 2, 3)

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with closing(Manifest.writing(tmp_path, None)) as manifest, monkeypatch.context() as patch:
        if moment == "rename":  # what a dead process leaves: the half-written file, closed by the system
            patch.setattr("os.fsync", dies)
            patch.setattr(files.Draft, "discard", lambda draft: draft._file.close())
        elif moment == "manifest":
            patch.setattr(Manifest, "add", dies)
        else:
            patch.setattr(upkeep, "sweep_gone", dies)
        with pytest.raises(Killed):
            list(compact(manifest, NOON + DAY))
    assert len(list(tmp_path.rglob("*.parquet*"))) == 3
    assert numbers(tmp_path) == ([1, 2, 3] if moment == "delete" else [1, 2, 3, 3])
    put_right(tmp_path)
    assert numbers(tmp_path) == ([1, 2, 3, 3] if moment == "rename" else [1, 2, 3])
    assert len(list(tmp_path.rglob("*.parquet"))) == (2 if moment == "rename" else 1)


def test_a_lost_manifest_is_made_anew_from_the_files(tmp_path: Path) -> None:
    """The files say enough of themselves to be found again, and mergers are not counted beside what they replaced."""
    fill(tmp_path, 1)
    fill(tmp_path, 2)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    with closing(Manifest.writing(tmp_path, None)) as manifest:
        list(compact(manifest, NOON + DAY))
    for path, content in kept.items():
        path.write_bytes(content)  # as if the process had died before they were deleted
    (tmp_path / NAME).unlink()
    assert len(put_right(tmp_path)) == 3
    assert numbers(tmp_path) == [1, 2]


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""], ids=["garbage", "empty"])
def test_a_damaged_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    """It is refused with what to do, never taken for an empty archive."""
    fill(tmp_path, 1)
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(StoreError) as refused:
        ArchiveReader(tmp_path)
    assert refused.value.code == "archive-manifest"


def test_a_change_that_broke_off_is_taken_back_by_whoever_reads(tmp_path: Path) -> None:
    """A writer killed while it committed: half of its pages are in the file, and the journal tells how they were."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    fill(whole, 1, 2)
    with closing(sqlite3.connect(whole / NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 2")  # pages: what does not fit goes into the file before the commit
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO about VALUES (?, ?)", ((f"word {n}", "x" * 3000) for n in range(20)))
        shutil.copytree(whole, torn)
        connection.execute("ROLLBACK")
    assert (torn / NAME).read_bytes() != (whole / NAME).read_bytes()
    assert (torn / f"{NAME}-journal").stat().st_size > 0
    assert numbers(torn) == numbers(whole)
    with closing(Manifest.reading(torn)) as manifest, pytest.raises(sqlite3.OperationalError, match="readonly"):
        manifest.note("word", "a reader changes nothing")


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another program's database is left alone."""
    with closing(sqlite3.connect(tmp_path / NAME)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError) as refused:
        Manifest.writing(tmp_path, None)
    assert refused.value.code == "archive-manifest"


class Queue:
    """Takes parcels while told that there is room."""

    def __init__(self) -> None:
        self.is_open = True
        self.parcels: list[Parcel] = []

    def has_room(self) -> bool:
        """As told."""
        return self.is_open

    def put(self, parcel: Parcel) -> None:
        """Keep it."""
        self.parcels.append(parcel)


def test_what_cannot_be_kept_is_a_hole() -> None:
    """A full queue: events are dropped and counted, coverage ends before the first and begins anew after the last."""
    queue = Queue()
    intake = ArchiveIntake(queue)
    intake.take([trade(0.5)])
    for event in (covered(0, 1, streams=TRADES), tick(1)):
        intake.accept(event)
    queue.is_open = False
    intake.take([trade(1.5), trade(1.6)])
    for event in (covered(0, 2, streams=TRADES), tick(2)):
        intake.accept(event)
    queue.is_open = True
    intake.take([trade(2.5)])
    for event in (covered(0, 3, streams=TRADES), tick(3)):
        intake.accept(event)
    intake.take([trade(3.5)])
    for event in (covered(0, 4, is_open=False, streams=TRADES), tick(4)):
        intake.accept(event)
    intake.finish()
    assert intake.dropped == 3
    assert [len(parcel.raw) for parcel in queue.parcels] == [1, 0, 1, 0]
    assert [(c.ts_from, c.ts_to) for parcel in queue.parcels for c in parcel.covered] == [
        *((at(0), at(1)), (at(3), at(4))),
    ]
    assert [g for parcel in queue.parcels for g in parcel.gaps] == [
        Gap("binance", TRADES, at(1), at(3), ARCHIVE_BEHIND, at(3))
    ]


def test_an_end_while_losing_is_a_hole_to_the_end() -> None:
    """What was dropped last is missing up to the last Tick."""
    queue = Queue()
    intake = ArchiveIntake(queue)
    for event in (covered(0, 1, streams=TRADES), tick(1)):
        intake.accept(event)
    queue.is_open = False
    intake.take([trade(1.5)])
    intake.accept(tick(5))
    intake.finish()
    assert [(g.ts_from, g.ts_to) for g in queue.parcels[-1].gaps] == [(at(1), at(5))]
    assert queue.parcels[-1].covered == []


def past(begin: float, end: float) -> Covered:
    """What was asked for afterwards."""
    return Covered("binance", "backfill", TRADES, at(begin), at(end), False, at(end), Source.BACKFILL)


def test_what_was_asked_for_afterwards_fills_the_hole(tmp_path: Path) -> None:
    """Trades of the past are no absurd times, and where they are the gap counts as repaired; nothing else changes."""
    now_s = 4 * 3600.0
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED)) as archive:
        archive.take([trade(18, 18), trade(19, 19)])
        for event in (covered(0, 100, streams=TRADES), gap(20, 60, "disconnect", streams=TRADES), tick(100)):
            archive.accept(event)
    late = [msgspec.structs.replace(trade(second, second), ts_recv=at(now_s)) for second in (25, 35)]
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED)) as archive:
        archive.take_past([trade(19, 19), *late])
        archive.accept(past(30, 50))
        archive.accept(past(18, 30))  # newest first, and from two seconds before: what was on its way then
        archive.accept(covered(now_s, now_s + 9, streams=TRADES))
        archive.accept(tick(now_s + 9))
    assert numbers(tmp_path) == [18, 19, 25, 35], "what was there already is not there twice"
    with closing(Manifest.reading(tmp_path)) as manifest:
        spans = [(s.ts_from, s.ts_to, s.cause, s.is_repaired) for s in ledger(manifest)]
    assert spans == [
        (at(0), at(50), None, False),
        (at(20), at(50), "disconnect", True),
        (at(50), at(60), "disconnect", False),
        (at(60), at(100), None, False),
        (at(100), at(now_s), "stopped", False),
        (at(now_s), at(now_s + 9), None, False),
    ]


def test_what_of_the_past_was_dropped_is_not_vouched_for() -> None:
    """Where the writer was behind while the past came in, it has to come again."""
    queue = Queue()
    intake = ArchiveIntake(queue)
    for event in (covered(0, 1, streams=TRADES), past(-9, -8), tick(1)):
        intake.accept(event)
    queue.is_open = False
    intake.take_past([trade(-5)])
    intake.accept(past(-6, -5))
    intake.take_past([trade(-4)])
    queue.is_open = True
    intake.accept(tick(2))
    for event in (past(-5, -4), past(-4, -3), tick(3)):
        intake.accept(event)
    vouched = [(c.ts_from, c.ts_to) for parcel in queue.parcels for c in parcel.covered if c.source is Source.BACKFILL]
    assert vouched == [(at(-9), at(-8)), (at(-4), at(-3))]


def test_a_gap_that_lasted_ends_where_the_next_run_begins(tmp_path: Path) -> None:
    """A gap still open when the process ended does not swallow what a later run saw."""
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED)) as archive:
        for event in (covered(0, 5, streams=TRADES), gap(5, None, "silent", streams=TRADES), tick(9)):
            archive.accept(event)
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED)) as archive:
        for event in (covered(20, 30, streams=TRADES), tick(30)):
            archive.accept(event)
    with closing(Manifest.reading(tmp_path)) as manifest:
        spans = [(s.ts_from, s.ts_to, s.cause) for s in ledger(manifest)]
    assert spans == [
        (at(0), at(5), None),
        (at(5), at(20), "silent"),
        (at(5), at(20), "stopped"),
        (at(20), at(30), None),
    ]


def test_what_does_not_fit_is_a_gap_of_its_own(tmp_path: Path) -> None:
    """An id of 65 bits neither stops the archive nor goes unsaid; a trade's id is kept as text then."""
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED)) as archive:
        archive.take([trade(1, 2**64), msgspec.structs.replace(quote(1), update_id=2**64)])
        archive.accept(tick(2))
    assert numbers(tmp_path) == [None]
    assert [finding.partition(":")[0] for finding in archive.findings] == ["BTC-USDT-PERP.BINANCE"]
    with closing(Manifest.reading(tmp_path)) as manifest:
        assert [(gap.cause, gap.stream.channel) for gap in manifest.gaps()] == [("unfit", Channel.QUOTES)]


def test_finished_days_are_tidied_up_by_the_writer(tmp_path: Path) -> None:
    """An hour into a new day the files of the last one become one, while the archive goes on."""
    day_s = 24 * 3600.0
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED, file_s=10.0)) as archive:
        for second in (1, 20, 40, day_s + 1):
            archive.take([trade(second)])
            archive.accept(tick(second + 15))
    with closing(ParquetArchive.open(tmp_path, kind=StoreKind.OBSERVED, file_s=10.0)) as archive:
        archive.accept(tick(day_s + 20))
        archive.accept(tick(day_s + 40))
    folder = tmp_path / "binance/trades/BTC-USDT-PERP"
    assert {day.name: len(list(day.iterdir())) for day in folder.iterdir()} == {"2024-08-08": 1, "2024-08-09": 1}

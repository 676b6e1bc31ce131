"""The archive as the heart has it: days that begin with the books, trouble told once, and nothing without a folder."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.archive_events import trade
from tests.contract.store_events import BTC, at, tick

from perpscope.app import archiving
from perpscope.app.archiving import Archiving, states
from perpscope.engine.engine import Engine
from perpscope.errors import ConfigError
from perpscope.model.market import BookSnapshot, Tick
from perpscope.model.stream import Channel
from perpscope.settings import Archive
from perpscope.stores.archive import writer
from perpscope.stores.archive.query import ArchiveReader
from perpscope.stores.status import StoreKind, Trouble

MIDNIGHT_S = 12 * 3600.0


def book(second: float, last: int) -> BookSnapshot:
    """A streamed book of two sides."""
    ts = at(second)
    return BookSnapshot(BTC.id, ts, ts, last, [(10.0, 1.0)], [(11.0, 2.0)], is_stream=True)


async def test_a_day_begins_with_the_books(tmp_path: Path) -> None:
    """The first Tick of a UTC day puts each readable book into that day's file, so that it can be replayed alone."""
    archive = Archiving(Archive(folder=str(tmp_path)), StoreKind.OBSERVED)
    engine = Engine(sinks=[archive])
    for event in (tick(MIDNIGHT_S - 2), book(MIDNIGHT_S - 1, 7), tick(MIDNIGHT_S + 1), tick(MIDNIGHT_S + 2)):
        archive.take([event])
        engine.process(event)
        if isinstance(event, Tick):
            archive.tick(event.ts_recv, engine.market)
    await archive.aclose()
    with closing(ArchiveReader(tmp_path)) as reader:
        rows = reader.rows(Channel.BOOK, BTC.id, 0, 1 << 62).table.to_pylist()
    assert [(row["kind"], row["ts_event"], row["last_update_id"], row["ask_sizes"]) for row in rows] == [
        ("snapshot", at(MIDNIGHT_S - 1), 7, [2.0]),
        ("state", at(MIDNIGHT_S), 7, [2.0]),
    ]


def test_a_book_that_cannot_be_read_is_no_state() -> None:
    """What the engine does not trust is not handed on as a book."""
    engine = Engine(sinks=[])
    engine.process(book(1, 7))
    engine.market.admit(BTC.id).book.invalidate()  # type: ignore[union-attr]  # it is known
    assert states(engine.market, at(2)) == []


async def test_without_a_folder_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no thread, and pyarrow is not even looked for."""
    monkeypatch.setattr(archiving, "require", lambda: pytest.fail("pyarrow was wanted"))
    monkeypatch.chdir(tmp_path)
    archive = Archiving(Archive(), StoreKind.OBSERVED)
    archive.take([trade(1)])
    archive.accept(tick(1))
    archive.tick(at(1), Engine(sinks=[]).market)
    await archive.aclose()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pyarrow", "duckdb"])
def test_a_missing_extra_names_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever lacks the libraries is told how to get them, before anything is made."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as missing:
        Archiving(Archive(folder=str(tmp_path / "a")), StoreKind.OBSERVED)
    assert (missing.value.code, missing.value.hint) == ("extra-missing", 'pip install "perpscope[archive]"')
    assert name in missing.value.message
    assert not (tmp_path / "a").exists()


async def test_trouble_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    """A person hears that the archive cannot be written, once, and that it can be again; the heart goes on."""
    lines: list[str] = []
    archive = Archiving(Archive(folder=str(tmp_path)), StoreKind.OBSERVED, lines.append)
    market = Engine(sinks=[]).market
    parquet = archive._archive
    assert parquet is not None
    for trouble in (None, "No space left", "No space left", None, None):
        parquet._writer.trouble = None if trouble is None else Trouble("archive-trouble", trouble, at(0), 1)
        archive.tick(at(1), market)
    parquet._intake.dropped = 5
    archive.tick(at(2), market)
    archive.tick(at(3), market)
    await archive.aclose()
    assert lines[1:] == [
        "archive: No space left; trying again",
        "the archive takes rows again",
        "archive: it cannot keep up, and ticks are dropped; its coverage has the hole",
    ]


async def test_a_writer_that_ended_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own mistake in the writer's thread ends the archive, with a word; the heart goes on."""
    lines: list[str] = []

    def fails(_: object) -> list[str]:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(writer, "recover", fails)
    archive = Archiving(Archive(folder=str(tmp_path)), StoreKind.OBSERVED, lines.append)
    parquet = archive._archive
    assert parquet is not None
    await asyncio.to_thread(parquet._writer._thread.join)
    archive.take([trade(1)])
    archive.tick(at(1), Engine(sinks=[]).market)
    await archive.aclose()
    assert lines[1:3] == [
        "archive: RuntimeError: a mistake; nothing more is kept",
        "archive: it cannot keep up, and ticks are dropped; its coverage has the hole",
    ]
    assert lines[3].startswith("archive-unwritten")


async def test_a_last_write_that_fails_does_not_end_in_a_traceback(tmp_path: Path) -> None:
    """The folder vanished: it is told when the archive is closed, and nothing is raised."""
    lines: list[str] = []
    archive = Archiving(Archive(folder=str(tmp_path / "a")), StoreKind.OBSERVED, lines.append)
    archive.take([trade(1)])
    await asyncio.to_thread(lambda: (tmp_path / "a").rename(tmp_path / "b"))
    (tmp_path / "a").write_text("in the way")
    archive.accept(tick(1))
    await archive.aclose()
    assert lines[-1].startswith("archive-unwritten: the archive's last rows were not written")


def test_the_settings_name_the_folder(tmp_path: Path) -> None:
    """A command without `--folder` looks where the collector writes."""
    assert archiving.folder_of(None, Archive(folder="x")) == Path("x")
    assert archiving.folder_of(tmp_path, Archive(folder="x")) == tmp_path
    with pytest.raises(ConfigError):
        archiving.folder_of(None, Archive())


def test_a_heart_without_an_archive_loads_no_arrow() -> None:
    """`perpscope collect` without an archive does not pay for pyarrow or DuckDB."""
    program = (
        "import sys, perpscope.app.collect, perpscope.cli.commands; print({'pyarrow', 'duckdb'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"

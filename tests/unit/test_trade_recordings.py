"""How much of the disk recordings of runs may take, and what is said of those that went."""

from pathlib import Path

import pytest
from tests.unit.journals_made import status
from tests.unit.run_recorded import Market, paper
from typer.testing import CliRunner

from perpscope.app.backtest.keeping import keep
from perpscope.app.trade.outcome import outcome
from perpscope.app.trade.recordings import drop_unbegun, gone, make_room, of_run, recorded
from perpscope.app.trade.setup import place_of, read
from perpscope.cli.commands import app
from perpscope.errors import DataError
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalRun, place

#: Nothing fits in.
NO_ROOM = 1e-12


def ran(database: Path, folder: Path, run: str, begun_ms: int, *, is_over: bool = True, account: str = "a") -> Path:
    """A run of one process on paper, in its journal and recorded, with a market store of its own."""
    folder.mkdir(exist_ok=True)
    recording = paper(folder / f"paper-{run}-{begun_ms}.perpscope", Market(1), run=run, begun_ms=begun_ms)
    recording.with_suffix(".db").write_bytes(b"m" * 5000)
    recording.with_suffix(".decisions").write_bytes(b"d")
    setup = read(recording)
    with Journal.open(place(database, RunKind.PAPER), holder="test") as journal:
        journal.take(account, 1.0, 1.0)
        journal.begin(
            JournalRun(
                id=run,
                kind=RunKind.PAPER,
                account=account,
                strategy=setup.strategy,
                instrument=setup.instrument.id,
                parameters=setup.parameters,
                begun_ms=begun_ms,
                data="demo",
            )
        )
        journal.report(status(run, at_ms=begun_ms, begun_ms=begun_ms, recording=str(recording), is_over=is_over))
        if is_over:
            journal.end(run, begun_ms * 1_000_000)
    return recording


def test_the_oldest_that_ended_go_first(tmp_path: Path) -> None:
    """Until the rest fits; a run that goes on keeps all, a stranger's files are let be, and each is told."""
    database, folder, said = tmp_path / "m.db", tmp_path / "recordings", list[str]()
    going = ran(database, folder, "r0", 1, is_over=False, account="b")
    oldest, newer = ran(database, folder, "r1", 2), ran(database, folder, "r2", 3)
    (folder / "somebody.json").write_text("{}")
    (folder / "somebody.perpscope").write_bytes(b"x" * 9000)
    stranger = paper(folder / "other.perpscope", Market(1), run="of another database", begun_ms=0)
    whole = sum(one.bytes for one in recorded(folder) if one.setup.run != "of another database")
    assert make_room(folder, database, 0.0, said.append) == 0
    assert make_room(folder, database, whole / 1e9, said.append) == 0
    freed = make_room(folder, database, (whole - 1) / 1e9, said.append)
    assert freed >= 5000
    assert [path.exists() for path in (going, oldest, newer, stranger)] == [True, False, True, True]
    assert not oldest.with_suffix(".db").exists()
    assert place_of(oldest).exists()
    assert len(said) == 1
    assert "recording of run r1 removed" in said[0]
    assert make_room(folder, database, NO_ROOM, said.append) >= 5000
    assert [path.exists() for path in (going, newer, stranger)] == [True, False, True]
    assert "r2 removed" in said[1]
    assert "not over" in said[2]
    assert gone(database) == {"r1": "recording removed", "r2": "recording removed"}


def test_a_market_kept_in_folders_goes_with_it(tmp_path: Path) -> None:
    """Whatever stands under the recording's name, map snapshots too."""
    database, folder = tmp_path / "m.db", tmp_path / "recordings"
    recording = ran(database, folder, "r1", 2)
    maps = recording.with_suffix(".maps")
    (maps / "day").mkdir(parents=True)
    (maps / "day" / "a").write_bytes(b"y" * 7000)
    assert make_room(folder, database, NO_ROOM) > 12_000
    assert not maps.exists()


def test_nothing_goes_while_a_journal_cannot_be_read(tmp_path: Path) -> None:
    """Whose run still needs it is not known then."""
    database, folder = tmp_path / "m.db", tmp_path / "recordings"
    recording = ran(database, folder, "r1", 2)
    place(database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    assert make_room(folder, database, NO_ROOM) == 0
    assert recording.exists()


def test_what_was_removed_is_told_where_people_look(tmp_path: Path) -> None:
    """`runs list` says so, and `runs divergence` by a code of its own with what to do. Keeps B11."""
    database, folder = tmp_path / "m.db", tmp_path / "recordings"
    recording = ran(database, folder, "r1", 2)
    found = outcome([recording]).run
    keep(found, database, "r1")
    words = ["--db", str(database)]
    assert "recording" not in CliRunner().invoke(app, ["runs", "list", *words]).stdout
    make_room(folder, database, NO_ROOM)
    (line,) = CliRunner().invoke(app, ["runs", "list", *words]).stdout.splitlines()
    assert "PAPER, DEMO DATA" in line
    assert line.endswith("recording removed")
    asked = CliRunner().invoke(app, ["runs", "divergence", "latest", *words])
    assert isinstance(asked.exception, DataError)
    assert asked.exception.code == "recording-removed"
    assert "trade.recordings_gb" in (asked.exception.hint or "")
    with pytest.raises(DataError, match="1 of its 1 recordings"):
        of_run(folder, "r1")
    for file in folder.iterdir():
        file.unlink()
    assert gone(database) == {"r1": "recording elsewhere"}


def test_what_never_began_leaves_nothing(tmp_path: Path) -> None:
    """A trader that is refused at the start, again and again, fills no disk; what has a setup stays, and all others."""
    begun = ran(tmp_path / "m.db", tmp_path / "recordings", "r1", 1)
    refused = begun.with_name("paper-r1-2.perpscope")
    refused.write_bytes(b"frames")
    refused.with_suffix(".db").write_bytes(b"market")
    refused.with_suffix(".db.lock").write_bytes(b"1")
    before = set(begun.parent.iterdir())
    drop_unbegun(refused)
    drop_unbegun(begun)
    assert before - set(begun.parent.iterdir()) == {
        refused.with_suffix(end) for end in (".perpscope", ".db", ".db.lock")
    }

"""Runs kept beside a store, and the register of trials that nobody can shorten unseen."""

import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from tests.unit.runs_made import walked

from perpscope.errors import StoreError
from perpscope.model.run import Run
from perpscope.stores.runs import Runs, opened, path_of
from perpscope.stores.trials import GENESIS, Trials

RUN = walked(minutes=1440, trades=12)


def made(hash_: str, at_ms: int = 1) -> Run:
    """A run of this hash."""
    run = RUN
    return msgspec.structs.replace(run, summary=msgspec.structs.replace(run.summary, hash=hash_, made_ms=at_ms))


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every figure, trade and point of it, by its id or by as much of it as is clear."""
    store = tmp_path / "market.db"
    with Runs(store) as runs:
        run_id = runs.add(made("ab" * 32))
        assert run_id == "abababab"
        again = runs.get(run_id)
        assert again == msgspec.structs.replace(
            made("ab" * 32), summary=msgspec.structs.replace(made("ab" * 32).summary, id=run_id)
        )
        assert runs.get("abab") == again
        assert runs.get("") is None
        assert runs.get("nope") is None
    assert path_of(store).name == "market.db.runs"


def test_the_same_run_is_kept_once(tmp_path: Path) -> None:
    """A run is named by its hash: repeated it takes its own place, and another with the same letters a longer name."""
    with Runs(tmp_path / "m.db") as runs:
        assert runs.add(made("ab" * 32, 1)) == runs.add(made("ab" * 32, 2))
        other = runs.add(made("ab" * 4 + "c" * 56, 3))
        assert other == "ababababc"
        assert [told.made_ms for told in runs.list()] == [3, 2]
        assert [told.id for told in runs.list(1)] == [other]
        assert runs.get("abab") is None
        assert runs.get("abababab") is not None


def test_a_run_that_is_removed_is_gone(tmp_path: Path) -> None:
    """And what was never there is not removed."""
    with Runs(tmp_path / "m.db") as runs:
        assert not runs.remove("abababab")
        run_id = runs.add(made("ab" * 32))
        assert runs.remove(run_id)
        assert not runs.remove(run_id)
        assert runs.list() == []


def test_looking_makes_no_file(tmp_path: Path) -> None:
    """Nothing is written by whoever only asks."""
    with Runs(tmp_path / "m.db") as runs:
        assert runs.list() == []
        assert runs.get("abababab") is None
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_used_say_so(tmp_path: Path) -> None:
    """A missing folder, a file of a newer perpscope, garbage and a torn body are errors of ours."""
    with pytest.raises(StoreError) as caught:
        Runs(tmp_path / "none" / "m.db").add(made("ab" * 32))
    assert caught.value.code == "store-folder"
    (tmp_path / "g.db.runs").write_bytes(b"no database" * 100)
    newer = sqlite3.connect(tmp_path / "n.db.runs")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    for name in ("g.db", "n.db"):
        with pytest.raises(StoreError) as caught:
            Runs(tmp_path / name).list()
        assert caught.value.code == "runs-file"
    with Runs(tmp_path / "t.db") as runs:
        run_id = runs.add(made("ab" * 32))
        connection = opened(runs.path)
        connection.execute("UPDATE runs SET body = x'00'")
        connection.close()
        with pytest.raises(StoreError) as caught:
            runs.get(run_id)
        assert caught.value.code == "runs-file"


def test_many_may_keep_runs_at_once(tmp_path: Path) -> None:
    """Two writers wait for each other, and nothing is lost."""

    def keep(first: int) -> None:
        with Runs(tmp_path / "m.db") as runs:
            for number in range(first, first + 10):
                runs.add(made(f"{number:064x}"[::-1], number))

    threads = [threading.Thread(target=keep, args=(first,)) for first in (16, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Runs(tmp_path / "m.db") as runs:
        assert len(runs.list()) == 20


# trials ------------------------------------------------------------------------------------------------------------


def test_trials_are_a_chain(tmp_path: Path) -> None:
    """Each row names the one before it, and the whole stands as it was put."""
    with Trials(tmp_path / "m.db") as trials:
        trials.add("sweep", "burst", "d1", [({"x": 1.0}, {"net": 2.0}), ({"x": 2.0}, {"net": None})], 5)
        trials.add("backtest", "magnet", "d2", [({"y": 1.0}, {})], 6)
        found = trials.all()
        assert [trial.number for trial in found] == [1, 2, 3]
        assert [trial.previous for trial in found] == [GENESIS, found[0].hash, found[1].hash]
        assert found[1].figures == {"net": None}
        assert trials.fault() is None
        assert [trial.number for trial in trials.all("burst", "d1")] == [1, 2]


def test_the_same_set_is_one_trial(tmp_path: Path) -> None:
    """Run again it is counted once; on other data it is another."""
    with Trials(tmp_path / "m.db") as trials:
        for _ in range(2):
            trials.register("backtest", "burst", "d1", [({"x": 1.0, "a": 2.0}, {}), ({"a": 2.0, "x": 3.0}, {})], 5)
        trials.register("backtest", "burst", "d2", [({"x": 1.0, "a": 2.0}, {})], 5)
        assert trials.count("burst", "d1") == 2
        assert trials.count("burst") == 2
        assert len(trials.all("burst")) == 3
        assert trials.all()[0].key == Trials.key_of({"a": 2.0, "x": 1.0})


def test_a_trial_is_never_changed_or_removed(tmp_path: Path) -> None:
    """The file refuses it, and who gets round that is found out."""
    with Trials(tmp_path / "m.db") as trials:
        trials.add("sweep", "burst", "d1", [({"x": float(n)}, {"net": 1.0}) for n in range(3)], 5)
        path = trials.path
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("UPDATE trials SET figures = '{}'", "DELETE FROM trials"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(statement)
    connection.executescript("DROP TRIGGER trials_are_never_changed; DROP TRIGGER trials_are_never_removed;")
    connection.execute("UPDATE trials SET figures = '{\"net\":9.0}' WHERE number = 2")
    with Trials(tmp_path / "m.db") as trials:
        assert trials.fault() == "trial 2 is not what was registered"
    connection.execute("DELETE FROM trials WHERE number = 2")
    connection.close()
    with Trials(tmp_path / "m.db") as trials:
        assert trials.fault() == "trial 2 is missing"


def test_trials_are_registered_together_or_not_at_all(tmp_path: Path) -> None:
    """What cannot be written leaves no half of it."""
    with Trials(tmp_path / "m.db") as trials:
        with pytest.raises(OverflowError):
            trials.add("sweep", "burst", "d1", [({"x": 1.0}, {})], 1 << 80)
        assert trials.all() == []
        trials.add("sweep", "burst", "d1", [({"x": 1.0}, {})], 1)
        assert len(trials.all()) == 1

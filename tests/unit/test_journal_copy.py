"""Journals beside a backup of their store: whole, made while the trader goes on, and let go with it."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.journal_made import held_journal, order

from perpscope.app.backups import backup
from perpscope.cli.main import run
from perpscope.errors import StoreError
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalReader, place
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

SECOND = 1_000_000_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        return path


def test_a_backup_has_the_journals_beside_it(database: Path, tmp_path: Path) -> None:
    """Those there are, as they are at that moment, whole and ready to be traded on; `--keep` lets them go with it."""
    assert backup(database, tmp_path / "none.db", now_ns=0).journals == []
    folder = tmp_path / "backups"
    folder.mkdir()
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        first = backup(database, folder, keep=1, now_ns=SECOND)
        journal.intend("7f3a", order("7f3a-burst-2"))
    copy = place(Path(first.path), RunKind.LIVE)
    assert first.journals == [str(copy)]
    with JournalReader(copy) as reader:
        assert [found.request.id for found in reader.orders("7f3a")] == ["7f3a-burst-1"]
        assert reader.fault() is None
    with Journal.open(copy, holder="restored") as restored:
        restored.take("binance main", 5000.0, 10.0)
        restored.intend("7f3a", order("7f3a-burst-2"))
    second = backup(database, folder, keep=1, now_ns=2 * SECOND)
    assert second.removed == [first.path]
    assert not copy.exists()
    assert Path(second.journals[0]).exists()


def test_a_damaged_journal_is_told(database: Path, tmp_path: Path) -> None:
    """The store itself is backed up before, and no copy of what cannot be trusted is left."""
    held_journal(database).close()
    path = place(database, RunKind.LIVE)
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"begin")] ^= 1
    path.write_bytes(raw)
    with pytest.raises(StoreError, match="act 2 is not what was written") as caught:
        backup(database, tmp_path / "b.db", now_ns=0)
    assert caught.value.code == "journal-damaged"
    assert sorted(found.name for found in tmp_path.glob("*b.db*")) == ["b.db", "b.db.json"]


def test_the_command_names_them(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and in its one line of JSON."""
    held_journal(database, kind=RunKind.PAPER).close()
    words = ["backup", "--db", str(database), "--to"]
    assert run([*words, str(tmp_path / "a.db")]) == 0
    assert f"{tmp_path / 'a.db.paper'}: the journal of its trader" in capsys.readouterr().out
    assert run([*words, str(tmp_path / "c.db"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["journals"] == [str(tmp_path / "c.db.paper")]

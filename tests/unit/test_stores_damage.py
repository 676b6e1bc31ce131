"""Rows whose words are not what they were: told as damage, with a way out, whichever way they are read."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import BTC, at, covered, heart, liquidation, open_interest, tick

from perpscope.errors import StoreError
from perpscope.model.market import PositionSide
from perpscope.model.order import Signal
from perpscope.stores.pages import Wanted, liquidations
from perpscope.stores.prints import stored_prints
from perpscope.stores.signals import SignalsWanted, read_signals
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

Read = Callable[[Path], object]


def reading(read: Callable[[SqliteReader], object]) -> Read:
    """What a reader of the whole store does."""

    def done(path: Path) -> object:
        with SqliteReader.open(path) as reader:
            return read(reader)

    return done


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a row of each kind."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as made:
        made.register([BTC])
        made.report([], heart(90))
        for event in (covered(0, 90), liquidation(1), open_interest(2), tick(120)):
            made.sink().accept(event)
        why = {"strategy": "burst", "side": PositionSide.LONG, "why": "burst"}
        made.keep_signals([Signal(instrument=BTC.id, ts_event=at(3), ts_recv=at(3), **why)])  # type: ignore[arg-type]
        made.flush()
    return path


@pytest.mark.parametrize(
    ("table", "column", "word", "read"),
    [
        ("liquidation_events", "side", "SEML", reading(lambda r: r.counts(at(120)))),
        ("liquidation_events", "completeness", "samxled", reading(lambda r: r.counts(at(120)))),
        ("liquidation_events", "position_side", "LOFG", reading(lambda r: r.liquidations())),
        ("liquidation_events", "sampling", "?", lambda path: liquidations(path, Wanted(), 10)),
        ("liquidation_events", "completeness", "", lambda path: stored_prints(path, 0, at(120))),
        ("liquidation_events", "completeness", "?", reading(lambda r: r.aggregates())),
        ("coverage", "channel", "liquidatjons", reading(lambda r: r.coverage())),
        ("coverage", "source", "lyve", reading(lambda r: r.coverage())),
        ("open_interest", "open_interest", "many", reading(lambda r: r.open_interest())),
        ("heart", "rate", "fast", reading(lambda r: r.heart())),
        ("signals", "side", "LOFG", lambda path: read_signals(path, SignalsWanted(), 10)),
        ("signals", "failed", "[", lambda path: read_signals(path, SignalsWanted(), 10)),
    ],
)
def test_a_word_nobody_wrote_is_damage(store: Path, table: str, column: str, word: str, read: Read) -> None:
    """No raw error of Python's comes out, and nothing is made of it (RELIABILITY F5)."""
    assert read(store)
    with closing(sqlite3.connect(store)) as connection:
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert rows
        connection.execute(f"UPDATE {table} SET {column} = ?", (word,))
        connection.commit()
    with pytest.raises(StoreError) as caught:
        read(store)
    assert caught.value.code == "store-corrupt"
    assert str(store) in caught.value.message
    assert "backup" in (caught.value.hint or "")

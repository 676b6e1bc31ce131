"""Whose market a face shows: its database's, or a trader's that listens for itself."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest
from tests.unit.journals_made import kept, status

from perpscope.app import shown_market
from perpscope.app.face import Live
from perpscope.app.shown_market import Following, Shown, ShownMarket
from perpscope.app.status import read_status
from perpscope.bus.local import LocalPublisher, LocalSubscriber, socket_path
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import Topic
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web.standing import Standing


def stored(path: Path) -> Path:
    """An empty store of a generated market."""
    path.parent.mkdir(exist_ok=True)
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    return path


def traded(database: Path, name: str, *, age_ms: int = 0, is_over: bool = False) -> Path:
    """A run with a market store of its own."""
    market = stored(database.parent / "runs-recordings" / f"{name}.db")
    recording = str(market.with_suffix(".perpscope"))
    kept(database, status(name, at_ms=wall_ns() // 1_000_000 - age_ms, is_over=is_over, recording=recording))
    return market


def look(database: Path) -> Shown:
    """One look, afresh."""
    return ShownMarket(database).look()


def test_a_database_that_was_collected_into_is_shown(tmp_path: Path) -> None:
    """A trader beside it is named, with the store of what it hears; one that is over is not."""
    database = stored(tmp_path / "m.db")
    assert look(database) == Shown(store=database, note="")
    market = traded(database, "aa")
    found = look(database)
    assert found.store == database
    assert "PAPER" in found.note
    assert str(market) in found.note
    standing = Standing(lambda: look(database), Live(None)).look()
    assert found.note in standing.notes
    traded(database, "aa", is_over=True)
    assert look(database).note == ""


def test_without_a_database_the_traders_market_is_shown(tmp_path: Path) -> None:
    """That of the one that runs, else of the newest; `status` reads it, with the runs beside the database named."""
    database = tmp_path / "m.db"
    assert look(database) == Shown(store=database, note="")
    old = traded(database, "aa", age_ms=60_000, is_over=True)
    assert look(database).store == old
    traded(database, "bb", age_ms=90_000)
    assert look(database).store == old
    running = traded(database, "cc")
    traded(database, "dd", is_over=True)
    assert look(database).store == running
    found = read_status(running, Settings(), database)
    assert {line.run for line in found.trading} == {"aa", "bb", "cc", "dd"}
    running.unlink()
    assert look(database).store != running


def test_it_is_looked_at_once_a_second(tmp_path: Path) -> None:
    """However often it is asked for."""
    now = 0.0
    market = ShownMarket(tmp_path / "m.db", lambda: now)
    assert market.look().store == tmp_path / "m.db"
    own = traded(tmp_path / "m.db", "aa")
    assert market.look().store == tmp_path / "m.db"
    now = 1.0
    assert market.look().store == own


async def test_a_face_goes_where_the_market_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First a trader's heart, then the collector's that begins later: no restart, and nothing of the other any more."""
    monkeypatch.setattr(shown_market, "_AGAIN_S", 0.02)
    database = tmp_path / "m.db"
    own = traded(database, "aa")
    heard: list[bytes] = []
    following = Following(
        ShownMarket(database), lambda store: LocalSubscriber(socket_path(store), {Topic.STATUS.value})
    )
    assert not following.health().is_connected
    trader = await LocalPublisher.open(socket_path(own))

    async def listen() -> None:
        async for messages in following.messages():
            heard.extend(bytes(message.payload) for message in messages)

    task = asyncio.create_task(listen())
    collector: LocalPublisher | None = None
    try:
        await told(trader, b"of the trader", heard)
        assert following.health().is_connected
        stored(database)
        collector = await LocalPublisher.open(socket_path(database))
        await told(collector, b"of the collector", heard)
        await following.aclose()
        await asyncio.wait_for(task, 5.0)
    finally:
        task.cancel()
        await trader.aclose()
        if collector is not None:
            await collector.aclose()


async def told(heart: LocalPublisher, words: bytes, heard: Collection[bytes]) -> None:
    """Have a heart tell something again and again until it was heard."""
    for _ in range(500):
        heart.publish(Topic.STATUS.value, words, key="heart")
        if words in heard:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{words!r} was never heard")

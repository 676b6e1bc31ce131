"""A sixth venue touches one folder: `tests/sixth/venues/toy`, found beside ours, with no file of ours edited for it.

The folder is put on `perpscope.venues`' path for the length of a test, as if it lay there.
"""

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import perpscope.venues
from perpscope.app import venues
from perpscope.app.collect import Collector
from perpscope.app.replay import replay_tape
from perpscope.app.status import read_status
from perpscope.ports import Venue, venue_of
from perpscope.settings import Collect, Recording, Settings
from perpscope.stores.status import FeedState
from tests.contract import test_venues as cards
from tests.sixth.exchange import ToyExchange

SIXTH = Path(__file__).resolve().parent.parent / "sixth"
#: Every card of the contract, with what it is dealt besides a venue: (id, card, arguments).
DEALT = [
    (f"{name}-{number}" if len(hands) > 1 else name, card, hand)
    for name, card in vars(cards).items()
    if name.startswith("test_")
    for hands in [
        next((list(mark.args[1]) for mark in getattr(card, "pytestmark", []) if mark.name == "parametrize"), [None])
    ]
    for number, hand in enumerate(hands)
]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    """The folder in its place, and gone afterwards."""
    monkeypatch.setattr(perpscope.venues, "__path__", [*perpscope.venues.__path__, str(SIXTH / "venues")])
    monkeypatch.setattr(cards, "FRAMES", SIXTH / "frames")
    monkeypatch.setattr(cards, "NAMES", [*cards.NAMES, "toy"])
    yield venue_of(importlib.import_module("perpscope.venues.toy"))
    for name in [name for name in sys.modules if name.startswith("perpscope.venues.toy")]:
        del sys.modules[name]
    vars(perpscope.venues).pop("toy", None)


def settings(exchange: ToyExchange, folder: Path) -> Settings:
    """The toy exchange alone, recorded."""
    own: dict[str, object] = {"rest_url": exchange.url, "websocket_url": exchange.url.replace("http", "ws")}
    return Settings(
        collect=Collect(venues=("toy",), symbols=("BTC", "ETH")),
        recording=Recording(folder=str(folder)),
        venue={"toy": own},
    )


def test_a_sixth_venue_is_found_by_its_folder() -> None:
    """Nothing registers it: it is there because its folder is."""
    assert "toy" in venues.names()
    assert venues.find("toy").name == "toy"
    assert venues.settings("toy", {}).weight_per_minute == 600.0


@pytest.mark.parametrize(("card", "hand"), [row[1:] for row in DEALT], ids=[row[0] for row in DEALT])
def test_a_sixth_venue_passes_every_card(card: Callable[..., None], hand: bytes | None, toy: Venue) -> None:
    """The contract of `tests/contract/test_venues.py` asks it what it asks ours, word for word."""
    dealt = {"venue": toy} | ({"raw": hand} if hand is not None else {})
    assert set(inspect.signature(card).parameters) == set(dealt)
    card(**dealt)


async def collected(exchange: ToyExchange, folder: Path) -> Path:
    """A store the heart has written, listening until it had seen enough, and its recording beside it."""
    database = folder / "toy.db"
    heart = Collector(settings(exchange, folder), database=database)

    def look(collector: Collector) -> None:
        live = [feed.channel.value for feed in collector.status().feeds if feed.state is FeedState.LIVE]
        if len(live) == len(venues.find("toy").channels) + 1:
            collector.stop()

    async with asyncio.timeout(30):
        await heart.run(on_tick=look)
    return database


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """What a table holds."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


async def test_a_sixth_venue_is_collected_and_replayed(tmp_path: Path) -> None:
    """Sockets, polls, book, store, status and recording need no word about it; what was sent is what is kept."""
    async with ToyExchange() as exchange:
        database = await collected(exchange, tmp_path)
    assert {feed.venue for feed in read_status(database).feeds} == {"toy"}
    assert sum(feed.gaps for feed in read_status(database).feeds) == 0
    for name in ("BTC~", "ETH~"):
        sent = [(told["t"] * 1_000_000, told["pos"].upper()) for told in exchange.sent[f"liquidations:{name}"]]
        kept = rows(
            database,
            "SELECT ts_event, position_side, size FROM liquidation_events "
            f"WHERE instrument = '{name[:-1]}-USDT-PERP.TOY' ORDER BY ts_event",
        )
        assert len(kept) > 10
        assert kept == [(*one, 0.03) for one in sent[: len(kept)]]
    assert rows(database, "SELECT DISTINCT venue, open_interest FROM open_interest") == [("toy", 12_500.0)]
    (minutes,) = rows(database, "SELECT count(DISTINCT symbol), min(volume), max(volume) FROM candles_1m")
    assert minutes == (2, 7.0, 7.0)

    (recording,) = tmp_path.glob("*.perpscope")
    again = tmp_path / "again.db"
    report = await asyncio.to_thread(replay_tape, recording, database=again)
    assert (report.rejected, report.gaps, report.ignored) == (0, 0, {})
    assert report.events["book_delta"] > 0
    for table in ("liquidation_events", "candles_1m", "premium_index", "open_interest"):
        assert rows(again, f"SELECT count(*) FROM {table}") == rows(database, f"SELECT count(*) FROM {table}"), table


async def test_a_sixth_venue_is_listed(tmp_path: Path) -> None:
    """`perpscope symbols` asks it and shows what it lists, with its turnover."""
    program = (
        f"import perpscope.venues; perpscope.venues.__path__.append({str(SIXTH / 'venues')!r})\n"
        "from perpscope.cli.main import main; main()"
    )
    async with ToyExchange() as exchange:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, "symbols", "--venue", "toy", "--json"),
            env={**os.environ, "PERPSCOPE_VENUE__TOY__REST_URL": exchange.url, "HOME": str(tmp_path)},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    found = json.loads(out)["symbols"]
    assert [(row["id"], row["turnover_usd_24h"]) for row in found] == [
        ("BTC-USDT-PERP.TOY", 5e9),
        ("ETH-USDT-PERP.TOY", 2e9),
    ]

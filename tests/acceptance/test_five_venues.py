"""Five venues at once, over their own wires: collected into one store, every channel of each, and replayed the same."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from perpscope.app import venues
from perpscope.app.collect import Collector
from perpscope.app.replay import replay_tape
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs
from perpscope.lab.wire.hyperliquid.accounts import MAKERS
from perpscope.model.market import Completeness, Sampling
from perpscope.model.stream import Channel
from perpscope.settings import Backfill, Collect, Recording, Settings, Table
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import FeedState

RATE = 8.0
#: How each venue's liquidations are labelled, by its own pages.
LABELS = {
    "binance": (Completeness.SAMPLED, Sampling.UNKNOWN),
    "bybit": (Completeness.COMPLETE, Sampling.NONE),
    "okx": (Completeness.SAMPLED, Sampling.UNKNOWN),
    "bitget": (Completeness.SAMPLED, Sampling.LARGEST_1S),
    "hyperliquid": (Completeness.WATCHLIST, Sampling.NONE),
}
#: Tables that a replay of the recording must fill as the run did.
TABLES = (
    *("liquidation_events", "liquidation_aggregates", "candles_1m", "premium_index", "open_interest"),
    *("long_short_ratio", "taker_volume", "public_positions", "coverage"),
)


def pointed_at(labs: Labs, folder: Path) -> Settings:
    """Settings that point every venue at its lab, and follow the lab's makers."""
    tables: dict[str, Table] = {
        name: {
            "rest_url": lab.rest_url,
            "websocket_url": lab.websocket_url,
            "clock_url": f"{lab.rest_url}/lab/clock",
            "weight_per_minute": 1e6,
        }
        for name, lab in labs.by_venue.items()
    }
    tables["hyperliquid"] = {**tables["hyperliquid"], "watchlist": [str(account) for account in MAKERS]}
    return Settings(
        venue=tables,
        collect=Collect(venues=tuple(tables), symbols=("BTC", "ETH", "SOL")),
        backfill=Backfill(days=0.0, gaps=False),  # a recording holds what came, not what was asked for afterwards
        recording=Recording(folder=str(folder)),
    )


def rows(database: Path, table: str) -> list[tuple[object, ...]]:
    """A table's rows without their numbers; sums of sums to nine digits: batches add in another order."""
    with SqliteReader.open(database) as reader:
        cursor = reader._connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        kept = [at for at, name in enumerate(names) if name not in {"id", "created_at"}]
        return sorted((tuple(_rounded(row[at]) for at in kept) for row in cursor), key=repr)


def _rounded(value: object) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) else value


@pytest.mark.timeout(180)
async def test_five_venues_are_collected_and_replayed_alike(tmp_path: Path) -> None:
    """Every channel of every venue has come, labelled as it is; no frame is refused; the recording gives the same.

    Keeps S0-01, S0-02, S0-03, S0-10, S0-12.
    """
    database, kept = tmp_path / "five.db", tmp_path / "frames"
    seen: dict[tuple[str, Channel], tuple[FeedState, int]] = {}
    async with await serve_markets(7, RATE, symbols=("BTC", "ETH", "SOL")) as labs:
        settings = pointed_at(labs, kept)
        collector = Collector(settings, database=database)

        def tick(told: Collector) -> None:
            seen.update({(line.venue, line.channel): (line.state, line.events) for line in told.status().feeds})
            spoken = {key for key, (_, events) in seen.items() if events and key[1] is not Channel.CONTRACTS}
            wanted = {
                (name, channel)
                for name in labs.by_venue
                for channel in _offered(name) - {Channel.CONTRACTS}  # a listing may change, or not
            }
            if spoken >= wanted:
                told.stop()

        outcome = await collector.run(100.0, on_tick=tick)
    missing = {key: seen.get(key) for key in _everything() if not seen.get(key, (None, 0))[1]}
    assert {channel for _, channel in missing} <= {Channel.CONTRACTS}, missing
    assert outcome.frames.rejected == 0, list(outcome.frames.samples)
    assert outcome.unreachable == ()
    with SqliteReader.open(database) as reader:
        liquidations = reader.liquidations(limit=100_000)
        counts = reader.counts(2**62)
        gaps = [row for row in reader.coverage() if row.kind == "gap"]
    # A machine that stands still for a moment leaves many market seconds of silence: that is told, and is no fault.
    assert not [row for row in gaps if row.cause != "silent"]
    labels = {
        event.instrument.rpartition(".")[2].lower(): (event.completeness, event.sampling) for event in liquidations
    }
    assert labels == LABELS
    watched = sum(event.completeness is Completeness.WATCHLIST for event in liquidations)
    assert (counts.watchlist, counts.total) == (watched, len(liquidations) - watched)
    (tape,) = kept.iterdir()
    report = await asyncio.to_thread(replay_tape, tape, database=tmp_path / "again.db")
    assert report.frames == outcome.frames.frames
    assert report.rejected == 0
    for table in TABLES:
        assert rows(tmp_path / "again.db", table) == rows(database, table), table
    print(json.dumps(msgspec.to_builtins(report.events)))


def _offered(name: str) -> frozenset[Channel]:
    venue = venues.find(name)
    watched = {Channel.LIQUIDATIONS, Channel.POSITIONS} if name == "hyperliquid" else set()
    return venue.channels | venue.polled | watched


def _everything() -> set[tuple[str, Channel]]:
    return {(name, channel) for name in LABELS for channel in _offered(name)}

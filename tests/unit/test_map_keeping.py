"""Maps kept current beside a store: live and rebuilt are one, a restart goes on, trouble is told and passes."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.contract.store_events import NOON
from tests.unit.kept_market import MINUTE, Market

from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.checkpoint import checkpoint
from perpscope.analytics.liqmap.levels import Status
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.keeper import MapKeeper
from perpscope.app.liqmap.keeping import MapKeeping
from perpscope.app.liqmap.kept import KeptMap
from perpscope.app.liqmap.snapshots import unpack
from perpscope.errors import StoreError
from perpscope.model.bulletin import MapNews
from perpscope.model.market import Candle, Covered, Interval, Source
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Map
from perpscope.stores.reader import SqliteReader
from perpscope.stores.snapshot_check import check
from perpscope.stores.snapshot_rows import folder_of
from perpscope.stores.snapshots import SnapshotReader

#: Told before anything is kept, so that there is something to follow.
EARLIER = 40


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """Two venues of one coin, forty minutes old."""
    made = Market(tmp_path / "market.db")
    made.go_on(EARLIER)
    yield made
    made.close()


def keeper(market: Market, settings: Map | None = None) -> MapKeeper:
    """A keeper of that market's maps."""
    return MapKeeper(settings or Map(), market.path, threading.Event())


def taken_up(market: Market, coin: str = "BTC") -> list[KeptMap]:
    """The maps as they were put away."""
    known = {one.id: one for one in market.contracts}
    with SqliteReader.open(market.path) as reader:
        found = map_kept.take_up(reader, coin, known)
    assert found is not None
    return found


def rebuilt(reader: SqliteReader, live: KeptMap, until: int) -> KeptMap:
    """The map of the same venue, from its first minute to a moment, all at once."""
    fresh = VenueMap(live.ladders, Setting())
    again = KeptMap(
        instrument=live.instrument, ladders=live.ladders, map=fresh, since=live.since, until=live.since, filled=0
    )
    map_kept.advance(reader, [again], until)
    return again


def rows(market: Market) -> list[int]:
    """Minutes after noon of the snapshots there are."""
    found = SnapshotReader(folder_of(market.path)).maps("BTC", 0, 2 * NOON)
    return [(row.ts - NOON) // MINUTE for row in found]


def test_a_map_kept_live_is_the_one_rebuilt(market: Market) -> None:
    """Minute by minute, over a restart and a checkpoint: the state is the same to the last bit. Keeps B10."""
    for _ in range(2):
        kept = keeper(market)
        for _ in range(25):
            market.go_on(1)
            assert kept.keep() == []
        kept.close()
    market.go_on(1)
    with SqliteReader.open(market.path) as reader:
        for live in taken_up(market):
            assert live.until == market.now - 2 * MINUTE
            again = rebuilt(reader, live, live.until)
            ours, theirs = checkpoint(live.map), checkpoint(again.map)
            assert ours.keys() == theirs.keys()
            for name, array in ours.items():
                np.testing.assert_array_equal(array, theirs[name], err_msg=f"{live.instrument.id} {name}")
            assert live.state is not None
            assert live.state.bars == EARLIER + 49


def test_a_snapshot_every_five_minutes_is_the_map(market: Market) -> None:
    """At whole fives of market time, chained, each dollar within 1 % of the map it was made of. Keeps B10."""
    kept = keeper(market)
    for _ in range(13):
        market.go_on(1)
        kept.keep()
    kept.close()
    assert rows(market) == [39 + 1, 45, 50]
    (told,) = check(folder_of(market.path))
    assert told.ok
    reader = SnapshotReader(folder_of(market.path))
    row = reader.maps("BTC", 0, 2 * NOON)[-1]
    found = unpack(reader.payload(row))
    with SqliteReader.open(market.path) as store:
        maps = [rebuilt(store, live, row.ts) for live in taken_up(market)]
    bins, width = map_kept.published(maps)
    np.testing.assert_array_equal(found.edges, bins.edges)
    large = bins.usd >= 1.0
    np.testing.assert_allclose(found.usd[large], bins.usd[large], rtol=0.0101)
    assert found.width == width
    assert found.statuses[0][5] in Status.__members__
    assert found.low <= found.mark <= found.high
    assert [one.instrument for one in found.venues] == [one.id for one in market.contracts]
    assert row.venues == ("binance", "bybit")


def test_bars_of_other_minutes_make_another_map(market: Market) -> None:
    """The comparison can fail: a map without the last minute is not the same."""
    kept = keeper(market)
    market.go_on(6)
    kept.keep()
    kept.close()
    (first, *_) = taken_up(market)
    before = checkpoint(first.map)
    market.go_on(2)
    with SqliteReader.open(market.path) as reader:
        assert map_kept.advance(reader, [first], market.now) > 0
    assert any(not np.array_equal(array, before[name]) for name, array in checkpoint(first.map).items())


def test_a_kept_file_that_was_changed_is_set_aside(market: Market) -> None:
    """It is made anew from the database, and a person is told; what was changed is there to be looked at."""
    kept = keeper(market)
    market.go_on(1)
    kept.keep()
    kept.close()
    place = folder_of(market.path) / "BTC" / "kept"
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="not what was written"):
        taken_up(market)
    again = keeper(market)
    market.go_on(1)
    (words,) = again.keep()
    assert "set aside as kept.broken" in words
    assert place.with_name("kept.broken").read_bytes() == content
    again.close()
    assert [one.state is not None for one in taken_up(market)] == [True, True]


def test_a_map_of_another_database_is_not_taken_up(tmp_path: Path) -> None:
    """The database was made anew in the same place, with other prices: the kept map is not its own, and begins anew."""
    states = []
    for wide in (1.0, 1.1):
        (tmp_path / "market.db").unlink(missing_ok=True)
        market = Market(tmp_path / "market.db", wide=wide)
        market.go_on(20)
        kept = keeper(market)
        kept.keep()
        market.go_on(1)
        kept.keep()
        kept.close()
        states.append([one.state.mark for one in taken_up(market) if one.state is not None])
        market.close()
    assert states[0] != states[1]
    assert len(states[1]) == 2


@pytest.mark.parametrize("content", [b"", b"perpscope map 1\n", b"perpscope map 1\n" + b"0" * 99])
def test_a_kept_file_that_is_none_is_refused(market: Market, content: bytes) -> None:
    """Empty, cut short, or something else."""
    place = folder_of(market.path) / "BTC"
    place.mkdir(parents=True)
    (place / "kept").write_bytes(content)
    with pytest.raises(StoreError, match="not what was written"):
        taken_up(market)


def test_what_cannot_be_written_is_told_once_and_passes(market: Market) -> None:
    """A folder stands where the file belongs: maps stay in memory; when it is gone they are put away."""
    kept = keeper(market, Map(every_min=1))
    market.go_on(1)
    assert kept.keep() == []
    blocked = folder_of(market.path) / "BTC" / "kept"
    blocked.unlink()
    blocked.mkdir()
    market.go_on(1)
    (words,) = kept.keep()
    assert words.startswith("map-not-kept")
    market.go_on(1)
    assert kept.keep() == []
    blocked.rmdir()
    market.go_on(1)
    assert kept.keep() == ["maps can be written again"]
    kept.close()
    assert check(folder_of(market.path))[0].ok


def test_a_store_without_prices_keeps_nothing(tmp_path: Path) -> None:
    """No map, no folder, no word; when prices come the map begins."""
    market = Market(tmp_path / "market.db")
    market.go_on(0)
    kept = keeper(market)
    assert kept.keep() == []
    assert not folder_of(market.path).exists()
    market.go_on(8)
    assert kept.keep() == []
    kept.close()
    assert rows(market) == [7]
    market.close()


def test_much_that_was_told_afterwards_makes_the_map_anew(market: Market) -> None:
    """Half an hour of prices before the first comes by backfill: the map is begun again, with them."""
    kept = keeper(market)
    market.go_on(1)
    kept.keep()
    of = market.contracts[0]
    past = [NOON - at * MINUTE for at in range(30, 0, -1)]
    sink = market.store.backfill_sink()
    for ts in past:
        prices = (60_000.0, 60_050.0, 59_950.0, 60_000.0)
        sink.accept(
            Candle(of.id, ts + 1, ts + 1, Interval.M1, ts, *prices, 20.0, None, None, None, None, is_closed=True)
        )
    streams = (Stream(Channel.CANDLES_1M, of.id),)
    sink.accept(
        Covered("binance", "x", streams, past[0], NOON, is_open=False, ts_recv=market.now, source=Source.BACKFILL)
    )
    for _ in range(11):
        market.go_on(1)
        kept.keep()
    kept.close()
    binance, bybit = taken_up(market)
    assert binance.filled == 30 * MINUTE
    assert bybit.filled == 0
    assert binance.state is not None


def test_coins_can_be_chosen(tmp_path: Path) -> None:
    """Those named are kept, in any case of letters; others are not. Old payloads go, the chain stays."""
    market = Market(tmp_path / "market.db", coins=("BTC", "ETH"))
    market.go_on(10)
    kept = keeper(market, Map(symbols=("eth",)))
    kept.keep()
    kept.close()
    assert SnapshotReader(folder_of(market.path)).symbols() == ["ETH"]
    market.close()


def test_old_payloads_go_once_a_day(tmp_path: Path) -> None:
    """After the days that were asked for; every row is still verified."""
    market = Market(tmp_path / "market.db")
    kept = keeper(market, Map(every_min=720, keep_days=1))
    for _ in range(4):
        market.go_on(10)
        kept.keep()
        market.skip(720)
    kept.close()
    (told,) = check(folder_of(market.path))
    assert told.ok, told.faults
    assert (told.maps, told.dropped) == (4, 1)
    market.close()


async def _idle(keeping: MapKeeping) -> None:
    """Wait for the thread."""
    async with asyncio.timeout(30.0):
        while keeping.is_busy:
            await asyncio.sleep(0.005)


def test_the_heart_keeps_maps_in_a_thread(market: Market) -> None:
    """A Tick never waits; the last minute is put away at the end. Switched off, nothing is made."""
    off = MapKeeping(Map(enabled=False), market.path)
    off.tick(market.now)
    asyncio.run(off.aclose())
    assert not folder_of(market.path).exists()

    async def beat() -> list[str]:
        told: list[str] = []
        keeping = MapKeeping(Map(), market.path, told.append)
        market.go_on(1)
        for _ in range(3):
            keeping.tick(market.now)
        await _idle(keeping)
        await keeping.aclose()
        return told

    assert asyncio.run(beat()) == []
    assert rows(market) == [40]
    assert len(taken_up(market)) == 2


def test_a_map_that_went_on_is_news_once(market: Market) -> None:
    """By its coin and as of when; a minute in which nothing came to it is none."""
    news: list[MapNews] = []

    async def beat() -> None:
        keeping = MapKeeping(Map(), market.path, on_news=news.append)
        for at, minutes in enumerate((1, 0, 1)):
            market.go_on(minutes)
            keeping.tick(at * MINUTE)
            await _idle(keeping)
        keeping.tick(3 * MINUTE)
        await keeping.aclose()

    asyncio.run(beat())
    assert [told.name for told in news] == ["BTC", "BTC"]
    assert news[1].ts_market - news[0].ts_market == MINUTE


def test_a_minute_that_fails_is_told_once(market: Market, tmp_path: Path) -> None:
    """The store cannot be read: it is said once, the next minute is tried, and the heart goes on."""
    told: list[str] = []

    async def beat() -> None:
        keeping = MapKeeping(Map(), tmp_path / "other.db", told.append)
        for at in range(3):
            keeping.tick(market.now + at * MINUTE)
            await _idle(keeping)
        await keeping.aclose()

    asyncio.run(beat())
    (words,) = told
    assert words.startswith("maps are not kept: there is no database")

"""Clusters of the map that the heart keeps: told at a Tick, to whoever looks, and decided upon."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal

import msgspec
import pytest
from tests.contract.store_events import SECOND
from tests.unit.kept_market import MINUTE, Market

from perpscope.analytics.features.told import COLUMN
from perpscope.analytics.liqmap.ladder import distance_ladder
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.app.inference.watching import Watch
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.keeper import MapKeeper
from perpscope.app.liqmap.keeping import MapKeeping
from perpscope.app.liqmap.near import BURN_IN_NS, clusters_of, kept_clusters
from perpscope.app.signalling import Signalling
from perpscope.engine.engine import Engine
from perpscope.model.market import Candle, Interval
from perpscope.model.order import Clusters, Signal
from perpscope.settings import Inference, Map, Settings
from perpscope.stores.reader import SqliteReader

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
FILLED = BURN_IN_NS // MINUTE
#: Enters wherever the map says anything at all.
MAGNET: dict[str, dict[str, object]] = {
    "magnet": {"enabled": True, "pull": 0.0, "near": 0.0, "far": 20.0, "sigma_bars": 10}
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Two venues of one coin, a few minutes more than a map needs to fill."""
    made = Market(tmp_path_factory.mktemp("near") / "market.db", minutes=FILLED + 60)
    made.go_on(FILLED + 4)
    yield made
    made.close()


async def told_at(keeping: MapKeeping, now: int) -> list[Clusters]:
    """What is told at the first Tick, a second apart from one to the next, that tells anything."""
    async with asyncio.timeout(60.0):
        while True:
            found = keeping.tick(now)
            if found:
                assert {one.ts_recv for one in found} == {now}
                return found
            now += SECOND
            while keeping.is_busy:
                await asyncio.sleep(0.005)


def test_clusters_are_those_of_the_kept_map(market: Market) -> None:
    """Of maps that are looked at alone, once each minute; beside the mark, where the tenth of levels with most is."""
    wanted = market.contracts[0].id
    kept = MapKeeper(Map(), market.path, threading.Event(), {wanted}.__contains__)
    kept.keep()
    (found,) = kept.clusters()
    assert kept.clusters() == []
    kept.close()
    with SqliteReader.open(market.path) as reader:
        maps = map_kept.take_up(reader, "BTC", {one.id: one for one in market.contracts})
    assert maps is not None
    (of,) = [one for one in maps if one.instrument.id == wanted]
    state = of.state
    assert state is not None
    assert (found.instrument, found.ts_recv) == (wanted, state.ts)
    assert found == kept_clusters(of)
    assert found.above_price is not None
    assert found.below_price is not None
    assert found.below_price < state.mark < found.above_price
    assert 0.0 < found.above_usd < 1e12
    assert -1.0 < found.pull < 1.0


def test_a_map_that_has_not_filled_tells_nothing(market: Market) -> None:
    """Half a day of minutes is what it takes; one that was told no open interest is no map at all."""
    assert clusters_of(market.contracts[0].id, VenueMap((distance_ladder(),)), 0) is None
    young = Market(market.path.with_name("young.db"))
    young.go_on(30)
    kept = MapKeeper(Map(), young.path, threading.Event(), lambda _: True)
    kept.keep()
    assert kept.news() != []
    assert kept.clusters() == []
    kept.close()
    young.close()


def test_clusters_may_be_used_from_the_tick_that_finds_them(market: Market) -> None:
    """The thread's work is fetched at a Tick and is of that Tick; nobody who does not look is told; off is off."""

    async def beat() -> None:
        off = MapKeeping(Map(enabled=False), market.path)
        assert off.tick(market.now) == []
        keeping = MapKeeping(Map(), market.path)
        keeping.look_at([market.contracts[1].id])
        assert keeping.tick(market.now) == []
        found = await told_at(keeping, market.now + SECOND)
        assert [one.instrument for one in found] == [market.contracts[1].id]
        assert keeping.tick(market.now + 30 * SECOND) == []
        await keeping.aclose()

    asyncio.run(beat())


async def test_magnet_decides_while_collecting(market: Market, eventually: Eventually) -> None:
    """From the kept map by way of a Tick to a signal in the store; the features of the map are known. Keeps S4-46."""
    instrument = msgspec.structs.replace(
        market.contracts[0], tick_size=Decimal("0.1"), step_size=Decimal("0.001"), min_notional=Decimal(5)
    )
    settings = Settings(strategy=MAGNET, inference=Inference(symbols=("BTC",)))
    signals: list[Signal] = []
    signalling = Signalling(settings, market.store, signals.extend)
    signalling.know([instrument])
    assert signalling.instruments == {instrument.id}
    engine = Engine(sinks=[signalling], on_1m_candle_close=signalling.closed)
    keeping = MapKeeping(Map(), market.path)
    keeping.look_at(signalling.instruments)
    (near,) = await told_at(keeping, market.now + SECOND)
    assert near.above_price is not None
    watch = Watch()
    opened = market.now
    price = (near.above_price + (near.below_price or near.above_price)) / 2.0
    ts = opened + MINUTE
    figures = (price, price, price, price, 1.0, None, None, None, None)
    candle = Candle(instrument.id, ts, ts + SECOND // 2, Interval.M1, opened, *figures, is_closed=True)
    now = [near.ts_recv]
    assert signalling.tick(now[0], engine.market, [near]) == [near]
    engine.process(candle)
    now[0] = ts

    def is_decided() -> bool:
        now[0] += SECOND
        signalling.tick(now[0], engine.market)
        return any(signal.strategy == "magnet" for signal in signals)

    await eventually(is_decided)
    decided = next(signal for signal in signals if signal.strategy == "magnet")
    assert decided.side is not None
    watch.told(near)
    known = watch.minute(candle, None).values
    assert [known[COLUMN[name]] for name in ("above", "pull")] == [near.above_price, near.pull]
    signalling.close()
    await keeping.aclose()

"""The days before a demo's opening: made by the agent market in processes beside, and put into the demo's store.

In: a seed, coins, the opening. Out: a file the lab goes on from, and a store that holds those days as if every venue
had been listened to. Coverage says that they came from elsewhere (source "import"), so nobody asks for them again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from perpscope.app.demo_rows import Grids, VenuePast
from perpscope.engine.ranking import LpiRanking
from perpscope.errors import StoreError
from perpscope.lab.agents.past import Past
from perpscope.model.market import Covered, Source, Tick
from perpscope.model.stream import Stream
from perpscope.stores import bulk
from perpscope.stores.bulk import Portion
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

DAYS: Final = 8.0
CONNECTION: Final = "demo/past"
_DEADLINE_S: Final = 120.0


def is_new(database: Path) -> bool:
    """Whether a demo's store may still be given a past: nothing has been collected into it."""
    return not database.is_file() or database.stat().st_size == 0


def fill(
    database: Path,
    pasts: Mapping[str, Past],
    venues: Sequence[str],
    is_unwanted: Callable[[], bool] = lambda: False,
) -> int:
    """Put the past of each coin on each venue into a store. Blocks.

    Args:
        database: of kind "demo"; its folder exists.
        pasts: by coin, all of the same days.
        venues: those that will be listened to.
        is_unwanted: asked in between; once it says so, no more is written, and what was written is not vouched for.

    Returns:
        Rows written.

    Raises:
        StoreError: the store cannot be used, or is not done in time.
    """
    found = [VenuePast(past, venue) for past in pasts.values() for venue in venues if venue in past.places]
    if not found:
        return 0
    store = SqliteStore.open(database, kind=StoreKind.DEMO)
    try:
        store.register((one.instrument for one in found), found[0].begin)
        given = store.ask(bulk.put(_portions(found, is_unwanted))).result(_DEADLINE_S)
        if is_unwanted():
            return given or 0
        told = _put_liquidations(store, found)
        _vouch(store, found)
    except TimeoutError as error:
        raise StoreError(
            "store-unwritten",
            f"{database}: the days before were not written within {_DEADLINE_S:g} s",
            hint="the disk is slow or busy: name a file on another with --db, or ask for fewer --days",
        ) from error
    finally:
        store.close()
    return (given or 0) + told


def _vouch(store: SqliteStore, found: Sequence[VenuePast]) -> None:
    """Say that all of it was seen."""
    for one in found:
        streams = tuple(Stream(channel, one.instrument.id) for channel in one.channels)
        span = (one.begin, one.end)
        store.sink().accept(Covered(one.instrument.venue, CONNECTION, streams, *span, False, one.end, Source.IMPORT))
    store.sink().accept(Tick(found[0].end))
    store.flush(_DEADLINE_S)


def _portions(found: Sequence[VenuePast], is_unwanted: Callable[[], bool]) -> Iterator[Portion]:
    times = Grids(found[0].begin, found[0].end)
    for one in found:
        if is_unwanted():
            return
        yield one.rows(times)


def _put_liquidations(store: SqliteStore, found: Sequence[VenuePast]) -> int:
    """Each with its rank among those before it, as the engine would have given it."""
    told = 0
    for one in found:
        ranking = LpiRanking()
        for event, reference in one.liquidations():
            store.sink().accept(ranking.ranked(event, reference))
            told += 1
    return told

"""The past beside the live feed: first start, gaps that close, errands of other processes, a store that is behind."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import cast

import pytest
from tests.contract.pasts import BTC, DAY, ETH, HOUR, MINUTE, MINUTES, NEW_YEAR, Question, Truth, fixed_clock

from perpscope.app import backfill_errand
from perpscope.app.archiving import Archiving
from perpscope.app.backfill import Backfilling, Pantry, PastTicks
from perpscope.app.backfill_errand import Errand, Report, Told, hand_over, new_id, tell, waiting
from perpscope.model.market import Covered, Gap, MarketEvent, Side, Source, Tick, Trade
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Venue
from perpscope.settings import Backfill, Settings
from perpscope.stores.sqlite import SqliteStore, StoreKind

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

NOW = NEW_YEAR + 40 * DAY
MINUTES_OF_BTC = (Stream(Channel.CANDLES_1M, BTC.id),)


def live(truth: Truth) -> Venue:
    """What else the plan asks a venue."""
    truth.name = "truth"  # type: ignore[attr-defined]  # a venue has a name
    truth.channels = frozenset({Channel.CANDLES_1M, Channel.QUOTES})  # type: ignore[attr-defined]
    truth.polled = frozenset[Channel]()  # type: ignore[attr-defined]
    return cast(Venue, truth)


@asynccontextmanager
async def heart(
    path: Path, truth: Truth, *, days: float = 1.0
) -> AsyncIterator[tuple[Backfilling, SqliteStore, list[str]]]:
    """A store that ticks, and the past beside it."""
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
    store.register([BTC, ETH])
    said: list[str] = []
    past = Backfilling(
        Settings(backfill=Backfill(days=days)),
        store,
        clock=fixed_clock(NOW),
        announce=said.append,
        rng=random.Random(1),
    )

    async def beat() -> None:
        while True:
            store.sink().accept(Tick(NOW))
            past.tick()
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    past.joined(live(truth), truth, [BTC, ETH])
    try:
        yield past, store, said
    finally:
        beating.cancel()
        await past.aclose()
        store.close()


def stored(path: Path, query: str) -> list[tuple[int, ...]]:
    """Rows of a store that somebody may be writing."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def opens(path: Path, symbol: str = "BTCUSDT") -> list[int]:
    """When the stored minutes of a symbol opened."""
    return [ts for (ts,) in stored(path, f"SELECT ts_open FROM candles_1m WHERE symbol = '{symbol}' ORDER BY 1")]


def truth_opens(truth: Truth, ts_from: int, ts_to: int) -> list[int]:
    """When those opened that closed in a stretch."""
    return [event.ts_open for event in truth.rows(MINUTES, BTC, ts_from, ts_to)]  # type: ignore[union-attr]  # candles


async def test_the_first_start_brings_the_past(tmp_path: Path, eventually: Wait) -> None:
    """A new store has a day of candles of every symbol without being told; what is lost is said. Keeps S2-60."""
    path, truth = tmp_path / "d.db", Truth(page=500, series=(MINUTES,))
    async with heart(path, truth) as (_, _, said):
        await eventually(lambda: len(said) == 2)
    told = truth_opens(truth, NOW - DAY, NOW - 5 * 10**9)
    assert opens(path) == opens(path, "ETHUSDT") == told
    assert said == [
        f"truth: the past is here, {2 * len(told):,} rows",
        "quotes of truth cannot be asked for afterwards",
    ]
    assert stored(path, "SELECT count(*) FROM coverage WHERE source = 'backfill' AND is_open = 0")[0][0] >= 2
    assert stored(path, "SELECT min(is_backfilled) FROM candles_1m") == [(1,)]


async def test_a_gap_that_closes_is_asked_for(tmp_path: Path, eventually: Wait) -> None:
    """The candles of an outage are there afterwards, and the gap is filled. Keeps S2-60."""
    path, truth = tmp_path / "d.db", Truth(series=(MINUTES,))
    async with heart(path, truth, days=0.0) as (past, store, _):
        await eventually(lambda: store.committed is not None)
        assert truth.asked == []
        gap = Gap("truth", MINUTES_OF_BTC, NOW - HOUR, NOW - 30 * MINUTE, "disconnect", NOW)
        store.sink().accept(gap)
        past.accept(gap)
        await eventually(lambda: len(opens(path)) >= 30)
        await eventually(lambda: bool(stored(path, "SELECT * FROM coverage WHERE source = 'backfill'")))
    assert opens(path) == truth_opens(truth, NOW - HOUR, NOW - 30 * MINUTE)
    filled = stored(path, "SELECT min(ts_from), max(ts_to) FROM coverage WHERE source = 'backfill'")
    assert filled == [(NOW - HOUR, NOW - 30 * MINUTE)]


async def test_gaps_of_what_cannot_be_asked_for_wake_nobody(tmp_path: Path, eventually: Wait) -> None:
    """A hole in a book, a gap that lasts, another venue: nothing to ask. Keeps S2-60."""
    truth = Truth(series=(MINUTES,))
    async with heart(tmp_path / "d.db", truth, days=0.0) as (past, store, _):
        await eventually(lambda: store.committed is not None)
        book = (Stream(Channel.BOOK, BTC.id),)
        past.accept(Gap("truth", book, NOW - HOUR, NOW, "sequence", NOW))
        past.accept(Gap("truth", MINUTES_OF_BTC, NOW - HOUR, None, "disconnect", NOW))
        past.accept(Gap("other", MINUTES_OF_BTC, NOW - HOUR, NOW, "disconnect", NOW))
        await asyncio.sleep(0.05)
    assert truth.asked == []


async def test_a_venue_without_a_past_is_let_be(tmp_path: Path) -> None:
    """Nothing is begun for it. Keeps S2-60."""

    class Plain:
        name = "plain"

    async with heart(tmp_path / "d.db", Truth(series=(MINUTES,))) as (past, _, _):
        past.joined(cast(Venue, Plain()), Truth(), [BTC])
        assert list(past._venues) == ["truth"]


async def test_a_fault_in_the_past_leaves_the_heart_beating(tmp_path: Path, eventually: Wait) -> None:
    """Whatever goes wrong in asking is said, and ends the asking alone. Keeps S2-60."""

    def fault(_: int, __: Question) -> None:
        raise ZeroDivisionError("of a kind nobody thought of")

    truth = Truth(series=(MINUTES,))
    truth.mishap = fault
    async with heart(tmp_path / "d.db", truth) as (past, store, said):
        await eventually(lambda: bool(said))
        before = store.committed
        past.tick()
        assert before is not None
    assert said == ["truth: the past is not asked for any more: ZeroDivisionError: of a kind nobody thought of"]


def errand(**more: object) -> Errand:
    """Two days of minutes of Bitcoin."""
    given: dict[str, object] = {"days": 2.0, "symbols": ("BTC",), "series": (Channel.CANDLES_1M,), **more}
    return Errand(id=new_id(), **given)  # type: ignore[arg-type]  # by name


async def test_the_collector_does_what_another_process_asks_for(tmp_path: Path, eventually: Wait) -> None:
    """An errand is taken up, its progress told, its rows stored, and what is not collected is said. Keeps S2-60."""
    path, truth = tmp_path / "d.db", Truth(page=100, series=(MINUTES,))
    heard: list[Report] = []
    async with heart(path, truth, days=0.0) as (_, store, _):
        await eventually(lambda: store.committed is not None)
        asked = errand(venues=("truth", "elsewhere"))
        report = await asyncio.to_thread(hand_over, path, asked, is_owned=lambda: True, on_told=heard.append)
    assert report is not None
    (line,) = report.series
    assert (line.venue, line.symbol, line.whole, line.failed) == ("truth", "BTCUSDT", True, None)
    assert report.by_collector
    assert report.done == 1.0
    assert report.notes == ["elsewhere is not collected here, or tells no past"]
    assert opens(path) == truth_opens(truth, NOW - 2 * DAY, NOW - 5 * 10**9)
    assert opens(path, "ETHUSDT") == []
    assert heard[-1] == report
    assert not list(tmp_path.glob("*.backfill*"))


async def test_an_errand_about_what_is_not_collected_says_so(tmp_path: Path, eventually: Wait) -> None:
    """A collector asks for the past of what it collects, and of nothing else. Keeps S2-60."""
    path = tmp_path / "d.db"
    async with heart(path, Truth(series=(MINUTES,)), days=0.0) as (_, store, _):
        await eventually(lambda: store.committed is not None)
        asked = errand(symbols=("DOGE", "PEPE"))
        report = await asyncio.to_thread(hand_over, path, asked, is_owned=lambda: True, on_told=lambda _: None)
    assert report is not None
    assert report.series == []
    assert report.notes == ["none of DOGE, PEPE is collected here"]


async def test_an_errand_that_is_withdrawn_ends(tmp_path: Path, eventually: Wait) -> None:
    """Whoever loses interest takes the file away: the collector asks no more. Keeps S2-60."""
    path, truth = tmp_path / "d.db", Truth(page=10, series=(MINUTES,))
    slow = asyncio.Event()
    real = truth.get

    async def get(request: object) -> bytes:
        await asyncio.sleep(0.01)
        slow.set()
        return await real(request)  # type: ignore[arg-type]  # passed on

    truth.get = get  # type: ignore[method-assign]  # the same, slower
    async with heart(path, truth, days=0.0) as (_, store, _):
        await eventually(lambda: store.committed is not None)
        left = False
        asking = asyncio.create_task(
            asyncio.to_thread(hand_over, path, errand(days=20.0), is_owned=lambda: not left, on_told=lambda _: None)
        )
        await slow.wait()
        left = True
        assert await asking is None
        await eventually(lambda: waiting(path) is None)
        await asyncio.sleep(0.1)
        calls = len(truth.asked)
        await asyncio.sleep(0.2)
    assert len(truth.asked) <= calls + 1
    assert len(opens(path)) < 20 * 1440


def test_an_errand_that_nobody_takes_up_is_withdrawn(tmp_path: Path) -> None:
    """An owner of an older version would never answer. Keeps S2-60."""
    path = tmp_path / "d.db"
    told = hand_over(path, errand(), is_owned=lambda: True, on_told=lambda _: None, taken_within_s=0.2)
    assert told is None
    assert list(tmp_path.iterdir()) == []


def test_words_of_another_errand_are_not_mine(tmp_path: Path) -> None:
    """An answer that was left behind is passed over; one that is half written is none. Keeps S2-60."""
    path = tmp_path / "d.db"
    tell(path, Told("another", True, Report([], {}, 0, 0, 1.0)))
    assert hand_over(path, errand(), is_owned=lambda: True, on_told=lambda _: None, taken_within_s=0.15) is None
    (tmp_path / "d.db.backfill").write_bytes(b"{")
    assert waiting(path) is None


def test_an_errand_names_what_it_is_about() -> None:
    """By symbol, coin or id, of all venues or some; no older than rows are kept. Keeps S2-60."""
    asked = errand(symbols=("btcusdt",), venues=("truth",))
    assert asked.holds(BTC)
    assert not asked.holds(ETH)
    assert not errand(venues=("other",)).holds(BTC)
    assert errand(symbols=("all",)).holds(ETH)
    scope = errand(days=None, ts_from=5, ts_to=9).scope(20, kept_days=0, is_archived=False)
    assert (scope.ts_from, scope.ts_to) == (5, 9)
    assert errand(days=30.0).scope(NOW, kept_days=7, is_archived=False).ts_from == NOW - 7 * DAY
    assert backfill_errand.TAKEN_WITHIN_S > 5.0


async def test_what_the_store_dropped_is_handed_in_again(tmp_path: Path) -> None:
    """A store that is behind drops rows and counts them; the past waits, and loses none. Keeps S2-60."""
    path = tmp_path / "d.db"
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED, batch_rows=50, max_pending_rows=300, queue_batches=1)
    heard: list[MarketEvent] = []

    class Ear:
        def accept(self, event: MarketEvent) -> None:
            heard.append(event)

    async def beat() -> None:
        while True:
            store.sink().accept(Tick(NOW))
            await asyncio.sleep(0.001)

    truth = Truth(series=(MINUTES,))
    rows = truth.rows(MINUTES, BTC, NOW - DAY, NOW)
    whole = Covered("truth", "backfill", MINUTES_OF_BTC, NOW - DAY, NOW, False, NOW, Source.BACKFILL)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the store's own writer waits, however quick it is
        for event in truth.rows(MINUTES, ETH, NOW - DAY, NOW):
            store.sink().accept(event)
        assert store.dropped > 0, "the store is behind already"
    beating = asyncio.create_task(beat())
    try:
        await Pantry(store, [Ear()]).keep(rows, [whole])
    finally:
        beating.cancel()
        store.close()
    assert opens(path, "BTC-USDT-PERP") == truth_opens(truth, NOW - DAY, NOW)
    assert stored(path, "SELECT ts_from, ts_to FROM coverage WHERE source = 'backfill'") == [(NOW - DAY, NOW)]
    assert whole in heard


@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "no-gaps"])
async def test_gaps_are_let_be_where_settings_say_so(tmp_path: Path, eventually: Wait, *, gaps: bool) -> None:
    """`backfill.gaps = false` asks for nothing after a reconnect. Keeps S2-60."""
    path, truth = tmp_path / "d.db", Truth(series=(MINUTES,))
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
    settings = Settings(backfill=Backfill(days=0.0, gaps=gaps))
    past = Backfilling(settings, store, clock=fixed_clock(NOW), announce=lambda _: None, rng=random.Random(1))
    store.sink().accept(Gap("truth", MINUTES_OF_BTC, NOW - HOUR, NOW - MINUTE, "disconnect", NOW))
    store.sink().accept(Tick(NOW))
    past.joined(live(truth), truth, [BTC])
    await eventually(lambda: store.committed is not None)
    if gaps:
        await eventually(lambda: bool(truth.asked))
    else:
        await asyncio.sleep(0.2)
    await past.aclose()
    store.close()
    assert bool(truth.asked) is gaps


def test_trades_of_the_past_go_into_the_archive_and_nothing_else_does() -> None:
    """A month of candles in a thousand small files would help nobody. Keeps S2-60, B21."""
    taken: list[MarketEvent] = []

    class Kept:
        def take_past(self, events: Sequence[MarketEvent]) -> None:
            taken.extend(events)

        def accept(self, event: MarketEvent) -> None:
            taken.append(event)

    truth = Truth(series=(MINUTES,))
    (candle,) = truth.rows(MINUTES, BTC, NOW, NOW + 1)
    trade = Trade(BTC.id, NOW, NOW, 1, 1.0, 1.0, Side.BUY, is_aggregate=True)
    of_candles = Covered("truth", "backfill", MINUTES_OF_BTC, 0, 1, False, NOW, Source.BACKFILL)
    of_trades = Covered("truth", "backfill", (Stream(Channel.TRADES, BTC.id),), 0, 1, False, NOW, Source.BACKFILL)
    ticks = PastTicks(cast(Archiving, Kept()))
    for event in (candle, trade, of_candles, of_trades):
        ticks.accept(event)
    assert taken == [trade, of_trades]

"""The heart against a lab or a hand-made venue: late answers, wrong names, stopping, recording."""

import asyncio
import json
import os
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from perpscope.app.collect import Collector
from perpscope.errors import ConfigError, StoreError, VenueUnreachable
from perpscope.feeds import recording
from perpscope.feeds.clock import Anchor, MarketClock, wall_ns
from perpscope.feeds.recording import Kind, mark_of
from perpscope.feeds.tape import Tape
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.market import Subscribed, Tick
from perpscope.model.stream import Channel
from perpscope.settings import Collect, Feed, Recording, Settings, Table
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import FeedState, StoreKind, Trouble
from perpscope.venues.binance import VENUE

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

LISTING = {
    "symbols": [
        {
            **{"symbol": "BTCUSDT", "contractType": "PERPETUAL", "baseAsset": "BTC", "quoteAsset": "USDT"},
            **{"status": "TRADING", "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]},
        }
    ]
}
#: Nothing listens there.
NOWHERE: Table = {"rest_url": "http://127.0.0.1:1", "websocket_url": "ws://127.0.0.1:1"}
QUICK = Feed(backoff_first_s=0.001, backoff_max_s=0.01)
#: One coin of one venue.
ALONE = Collect(venues=("binance",), symbols=("BTC",))


def hurried() -> MarketClock:
    """A market clock that ticks every 20 ms."""
    clock = MarketClock()
    clock.follow(Anchor(wall_ns(), wall_ns(), 50.0))
    return clock


def at_lab(lab: Lab, *symbols: str, folder: str = "", books: bool = True) -> Settings:
    """Settings that point at a lab."""
    venue: Table = {
        "rest_url": lab.rest_url,
        "websocket_url": lab.websocket_url,
        "clock_url": f"{lab.rest_url}/lab/clock",
        "weight_per_minute": 1e6,
    }
    return Settings(
        venue={"binance": venue},
        collect=Collect(venues=("binance",), symbols=symbols, books=books),
        feed=QUICK,
        recording=Recording(folder=folder),
    )


@asynccontextmanager
async def rest(refusals: int) -> AsyncIterator[str]:
    """A venue that refuses so often before it tells its catalogue; yields its REST URL."""
    left = refusals

    async def answer(_: web.Request) -> web.StreamResponse:
        nonlocal left
        if left > 0:
            left -= 1
            return web.Response(status=503)
        return web.json_response(LISTING)

    app = web.Application()
    app.router.add_get("/fapi/v1/exchangeInfo", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_market_is_collected_until_told_to_stop(tmp_path: Path, eventually: Wait) -> None:
    """Every channel live, the heart's report in the store, and all committed before the end. Keeps S4-18, S4-22."""
    said: list[str] = []
    seen: list[dict[Channel, FeedState]] = []
    async with await serve_market(1, 20.0) as lab:
        collector = Collector(at_lab(lab, "all"), database=tmp_path / "d.db", announce=said.append)

        def tick(told: Collector) -> None:
            seen.append({line.channel: line.state for line in told.status().feeds})

        running = asyncio.create_task(collector.run(on_tick=tick, before_close=tick))
        await eventually(lambda: bool(seen) and set(seen[-1].values()) == {FeedState.LIVE})
        collector.stop()
        outcome = await running
    assert outcome.market_events > 100
    assert outcome.unreachable == ()
    assert set(seen[-1]) == set(Channel) - {Channel.POSITIONS, Channel.FUNDING}
    assert said == ["binance: 8 instruments, 65 streams on 2 connections, 40 polls"]
    with SqliteReader.open(tmp_path / "d.db") as reader:
        assert reader.kind is StoreKind.DEMO
        heart = reader.heart()
    assert heart is not None
    assert (heart.pid, heart.rate, heart.is_running) == (os.getpid(), 20.0, False)


async def test_the_default_set_is_chosen_by_turnover_and_said_so(tmp_path: Path, eventually: Wait) -> None:
    """Nothing was asked for by name: what there is is collected. Without books no diffs are subscribed."""
    said: list[str] = []
    async with await serve_market(1, 20.0, symbols=("BTCUSDT", "ETHUSDT")) as lab:
        collector = Collector(at_lab(lab, books=False), database=tmp_path / "d.db", announce=said.append)
        running = asyncio.create_task(collector.run())
        await eventually(lambda: lab.ledger.frames > 100)
        collector.stop()
        outcome = await running
        assert not any("@depth" in stream for stream in lab.ledger.frames_by_stream)
    assert outcome.market_events > 0
    assert said == [
        "the 2 coins with the largest turnover in 24 h on binance",
        "binance: 2 instruments, 15 streams on 2 connections, 10 polls",
    ]


async def test_an_unknown_symbol_ends_the_run(tmp_path: Path) -> None:
    """The error itself comes out, at once, and the store is closed in good order."""
    async with await serve_market(1, 20.0) as lab:
        collector = Collector(at_lab(lab, "NOPE"), database=tmp_path / "d.db")
        with pytest.raises(ConfigError, match="unknown symbol 'NOPE'"):
            await collector.run()
    with SqliteReader.open(tmp_path / "d.db") as reader:
        heart = reader.heart()
    assert heart is None or not heart.is_running
    assert not any(thread.name == "store-writer" for thread in threading.enumerate())


async def test_a_venue_that_refuses_is_asked_again(tmp_path: Path) -> None:
    """It is named each time with the wait; when it answers, it is no longer unreachable. Keeps S2-16, S4-48."""
    said: list[str] = []
    async with rest(refusals=2) as url:
        settings = Settings(venue={"binance": NOWHERE | {"rest_url": url}}, collect=ALONE, feed=QUICK)
        collector = Collector(
            settings, database=tmp_path / "d.db", clock=hurried(), announce=said.append, rng=random.Random(1)
        )

        def tick(told: Collector) -> None:
            if len(said) >= 3:
                told.stop()

        outcome = await collector.run(on_tick=tick)
    assert [line.partition(";")[2] != "" for line in said[:3]] == [True, True, False]
    assert "trying again in 0.0 s" in said[0]
    assert "HTTP 503" in said[0]
    assert said[2] == "binance: 1 instruments, 9 streams on 2 connections, 5 polls"
    assert (outcome.market_events, outcome.unreachable) == (0, ())


async def test_a_venue_that_never_answers_is_named_at_the_end(tmp_path: Path) -> None:
    """Time is up: no event, the venue with its reason, every channel down."""
    states: list[set[FeedState]] = []
    collector = Collector(
        Settings(venue={"binance": NOWHERE}, collect=ALONE, feed=QUICK), database=tmp_path / "d.db", clock=hurried()
    )
    outcome = await collector.run(0.5, before_close=lambda c: states.append({f.state for f in c.status().feeds}))
    assert outcome.market_events == 0
    assert len(outcome.unreachable) == 1
    assert outcome.unreachable[0].startswith("binance at http://127.0.0.1:1: ")
    assert states == [{FeedState.DOWN}]
    with SqliteReader.open(tmp_path / "d.db") as reader:
        assert reader.kind is StoreKind.OBSERVED


async def test_a_recording_is_kept_where_asked(tmp_path: Path, eventually: Wait) -> None:
    """Raw frames with all that decides, in a file named by venue and time, labelled as demo data. Keeps S4-49."""
    said: list[str] = []
    async with await serve_market(1, 20.0, symbols=("BTCUSDT",)) as lab:
        settings = at_lab(lab, "all", folder=str(tmp_path / "kept"))
        collector = Collector(settings, database=tmp_path / "d.db", announce=said.append)
        running = asyncio.create_task(collector.run())
        await eventually(lambda: lab.ledger.frames > 200)
        collector.stop()
        await running
    (file,) = (tmp_path / "kept").iterdir()
    assert said[0] == f"recording raw frames to {file}"
    tape = Tape(file)
    records = list(tape.records())
    assert (tape.form, tape.venue, tape.data, tape.torn) == ("perpscope", "binance", "demo", False)
    assert sum(record.kind == Kind.FRAME for record in records) > 100
    marks = [mark_of(record) for record in records if record.kind == Kind.EVENT]
    assert any(isinstance(mark, Subscribed) for mark in marks)
    assert any(isinstance(mark, Tick) for mark in marks)


async def test_a_recording_that_is_not_whole_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk did not take all of it: the collection goes on, and its end says so."""
    said: list[str] = []
    fsync = os.fsync

    def full(number: int) -> None:
        fsync(number)
        raise OSError("no space left")

    monkeypatch.setattr(recording, "os", SimpleNamespace(fsync=full))
    settings = Settings(
        recording=Recording(folder=str(tmp_path / "kept")), venue={"binance": NOWHERE}, collect=ALONE, feed=QUICK
    )
    await Collector(settings, database=tmp_path / "d.db", announce=said.append).run(0.0)
    assert "is not whole" in said[-1]


def test_trouble_with_the_database_is_told_once(tmp_path: Path) -> None:
    """When it begins, when it changes and when it is over; not at each Tick."""
    said: list[str] = []
    collector = Collector(Settings(), database=tmp_path / "d.db", announce=said.append)
    busy, full = Trouble("store-busy", "locked", 1, 1), Trouble("store-full", "disk full", 1, 1)
    for trouble in (None, busy, busy, full, None, None):
        collector._tell_trouble(trouble)
    assert said == [
        "store-busy: locked; rows are kept",
        "store-full: disk full; rows are kept",
        "the database takes rows again",
    ]


async def test_an_impossible_folder_for_recordings_ends_the_run(tmp_path: Path) -> None:
    """Said before anything is collected."""
    (tmp_path / "file").touch()
    settings = Settings(recording=Recording(folder=str(tmp_path / "file")), venue={"binance": NOWHERE}, collect=ALONE)
    with pytest.raises(StoreError, match="cannot write a recording"):
        await Collector(settings, database=tmp_path / "d.db").run(0.0)


async def test_a_lab_that_does_not_answer_ends_the_run(tmp_path: Path) -> None:
    """Without its market clock nothing may be stored: not even a file is made."""
    settings = Settings(venue={"binance": NOWHERE | {"clock_url": "http://127.0.0.1:1/lab/clock"}}, collect=ALONE)
    with pytest.raises(VenueUnreachable, match="no market clock"):
        await Collector(settings, database=tmp_path / "d.db").run(0.0)
    assert not (tmp_path / "d.db").exists()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(collect=Collect(venues=("binanse",))),
        Settings(venue={"binanse": {}}),
        Settings(venue={"binance": {"rest": "x"}}),
    ],
)
def test_wrong_settings_are_refused_before_anything_starts(tmp_path: Path, settings: Settings) -> None:
    """An unknown venue, or an unknown key of a known one."""
    with pytest.raises(ConfigError, match="binan"):
        Collector(settings, database=tmp_path / "d.db")


def test_the_catalogue_above_is_the_venues_own_form() -> None:
    """The listing these tests answer with is one that decodes."""
    assert [i.symbol for i in VENUE.instruments(json.dumps(LISTING).encode()).instruments] == ["BTCUSDT"]


async def test_what_no_longer_trades_is_kept_as_a_new_version(tmp_path: Path, eventually: Wait) -> None:
    """A contract of an earlier run that the catalogue no longer has is told, and stays in the store as ended."""
    async with await serve_market(1, 20.0, symbols=("BTCUSDT", "ETHUSDT"), ts_start=1_790_000_040 * 10**9) as lab:
        collector = Collector(at_lab(lab, "BTC", "ETH"), database=tmp_path / "d.db")
        running = asyncio.create_task(collector.run())
        await eventually(lambda: lab.ledger.frames > 50)
        collector.stop()
        await running
    said: list[str] = []
    async with await serve_market(1, 20.0, symbols=("BTCUSDT",), ts_start=1_790_086_440 * 10**9) as lab:
        collector = Collector(at_lab(lab, "BTC"), database=tmp_path / "d.db", announce=said.append)
        running = asyncio.create_task(collector.run())
        await eventually(lambda: lab.ledger.frames > 50)
        collector.stop()
        await running
    assert "binance: no longer trading: ETHUSDT" in said
    with SqliteReader.open(tmp_path / "d.db") as reader:
        trading = {instrument.symbol: instrument.is_trading for instrument in reader.instruments("binance")}
    assert trading == {"BTCUSDT": True, "ETHUSDT": False}

"""Exchanges through ccxt, against the lab: the real library, the real feed, engine and store, the lab's own numbers."""

import asyncio
import contextlib
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from perpscope.app.collect import Collector
from perpscope.app.others import Others, venue_named
from perpscope.app.replay import replay_tape
from perpscope.app.status import judge_feeds, read_status
from perpscope.engine.engine import Engine
from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds.ccxt_calls import CcxtCalls
from perpscope.feeds.ccxt_dialect import CcxtVenue
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import LiveFeed
from perpscope.feeds.recording import Header, Recorder
from perpscope.feeds.replay import ReplayFeed
from perpscope.feeds.rest import market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.feeds.tape import Tape
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, MarkPrice, OpenInterest, Tick
from perpscope.model.stream import Channel, HttpRequest
from perpscope.settings import Backfill, Ccxt, Collect, Feed, Recording, Settings
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import FeedState, StoreKind

pytest.importorskip("ccxt", reason="ccxt is not installed: the extra [ccxt]")

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
Json: TypeAlias = Any  # decoded; the shape is the exchange's

#: Sixty market seconds in one: a minute's candle closes each second.
RATE = 60.0
#: A port nobody listens on.
NOWHERE = "http://127.0.0.1:9"


class Heart:
    """What a heart is made of, with exchanges through ccxt and no others."""

    def __init__(self, others: Others, feed: LiveFeed, engine: Engine, store: SqliteStore) -> None:
        self.others = others
        self.feed = feed
        self.engine = engine
        self.store = store
        self.said: list[str] = []
        self.seen: list[object] = []

    async def run(self, clock: MarketClock) -> None:
        """Process what comes until the feed ends."""
        async for batch in self.feed.batches():
            for event in batch:
                self.engine.process(event)
                self.seen.append(event)
                if isinstance(event, Tick):
                    now_ns = event.ts_recv
                    self.states = {
                        (status.venue, status.channel): status.state
                        for status in judge_feeds(
                            self.others.wanted, [], self.engine, now_ns, clock.rate, self.feed.pollers
                        )
                    }

    def told(self, kind: type, instrument: str) -> list[Any]:
        """Events of a kind of one instrument so far."""
        return [e for e in self.seen if isinstance(e, kind) and e.instrument == instrument]  # type: ignore[attr-defined]  # kinds with an instrument


@asynccontextmanager
async def beating(
    lab: Lab,
    exchange: str,
    database: Path,
    *,
    recorder: Recorder | None = None,
    symbols: tuple[str, ...] = ("BTC", "ETH"),
    options: Mapping[str, object] | None = None,
) -> AsyncIterator[Heart]:
    """A heart that asks one exchange through ccxt, pointed at a lab; stopped at the end."""
    own = {"rest_url": lab.rest_url, "clock_url": f"{lab.rest_url}/lab/clock", **(options or {})}
    settings = Settings(
        ccxt=Ccxt(venues=(exchange,), symbols=symbols, options={exchange: own}),
        feed=Feed(backoff_first_s=0.1, backoff_max_s=0.5),
    )
    clock = MarketClock()
    clock.follow(await market_clock(f"{lab.rest_url}/lab/clock"))
    connector = PicowsConnector(clock, timeout_s=2.0, max_frame_bytes=4_000_000)
    feed = LiveFeed(clock=clock, connector=connector, settings=settings.feed, recorder=recorder, rng=random.Random(1))
    store = SqliteStore.open(database, kind=StoreKind.DEMO)
    said: list[str] = []
    others = Others(settings, clock=clock, announce=said.append, rng=random.Random(1))
    async with AsyncExitStack() as stack:
        heart = Heart(others, feed, Engine(sinks=[store.sink()]), store)
        heart.said = said
        running = asyncio.create_task(heart.run(clock))
        joining = asyncio.create_task(others.run(feed, store, stack))
        try:
            yield heart
        finally:
            joining.cancel()
            feed.stop()
            await running
            await asyncio.to_thread(store.flush)
            store.close()


async def asked(lab: Lab, path: str, **params: str) -> Json:
    """What the lab answers in the venue's own words, asked without ccxt."""
    async with aiohttp.ClientSession() as http, http.get(lab.rest_url + path, params=params) as reply:
        return json.loads(await reply.read())


async def test_an_exchange_through_ccxt_is_collected_under_its_label(eventually: Wait, tmp_path: Path) -> None:
    """Open interest, funding and closed candles of an exchange ccxt knows, named so in every table. Keeps S3-29."""
    btc = InstrumentId("BTC-USDT-PERP.CCXT-BYBIT")
    database = tmp_path / "c.db"
    async with await serve_market(7, RATE, venue="bybit", symbols=("BTC", "ETH"), activity=10.0) as lab:
        async with beating(lab, "bybit", database) as heart:
            await eventually(
                lambda: len({c.ts_open for c in heart.told(Candle, btc) if c.interval is Interval.M1}) >= 3
            )
            await eventually(lambda: bool(heart.told(OpenInterest, btc) and heart.told(MarkPrice, btc)))
            await eventually(lambda: heart.states.get(("ccxt-bybit", Channel.MARK_PRICES)) is FeedState.LIVE)
            rows = await asked(lab, "/v5/market/kline", category="linear", symbol="BTCUSDT", interval="1", limit="200")
        own = {int(row[0]): [float(cell) for cell in row[1:6]] for row in rows["result"]["list"]}
    assert set(heart.states) == {("ccxt-bybit", channel) for channel in CcxtVenue("bybit").polled}
    with SqliteReader.open(database) as reader:
        assert {instrument.id for instrument in reader.instruments("ccxt-bybit")} == {
            btc,
            "ETH-USDT-PERP.CCXT-BYBIT",
        }
        candles = list(reader.candles(btc, Interval.M1))
        marks, interests = list(reader.marks(btc)), list(reader.open_interest("ccxt-bybit", "BTC/USDT:USDT"))
    with contextlib.closing(sqlite3.connect(database)) as rows_of:
        for table in ("candles_1m", "premium_index", "open_interest"):
            assert rows_of.execute(f"SELECT DISTINCT venue FROM {table}").fetchall() == [("ccxt-bybit",)], table
    assert len(candles) >= 3
    for row in candles:
        assert [row.open, row.high, row.low, row.close, row.volume] == own[row.ts_open // 1_000_000]
        assert row.taker_buy_volume is None
    assert marks[0].funding_rate is not None
    assert {event.funding_interval_h for event in heart.told(MarkPrice, btc)} == {8.0}
    assert interests[0].open_interest > 0
    assert any("ccxt-bybit: 2 instruments, 10 polls" in line for line in heart.said)


async def test_contracts_become_base_units(eventually: Wait, tmp_path: Path) -> None:
    """A person may say what an exchange counts, of each kind; what comes out is base units."""
    btc = "BTC-USDT-PERP.CCXT-OKX"
    async with await serve_market(7, RATE, venue="okx", symbols=("BTC",), activity=10.0) as lab:
        options = {"open_interest_unit": "contracts", "candle_volume_unit": "base"}  # ccxt hands on `volCcy`
        async with beating(lab, "okx", tmp_path / "c.db", options=options) as heart:
            await eventually(lambda: bool(heart.told(OpenInterest, btc) and heart.told(Candle, btc)))
            reply = await asked(lab, "/api/v5/public/open-interest", instType="SWAP", instId="BTC-USDT-SWAP")
            rows = await asked(lab, "/api/v5/market/candles", instId="BTC-USDT-SWAP", bar="1m", limit="100")
    told = reply["data"][0]
    assert float(told["oi"]) > 10 * float(told["oiCcy"]), "the test is worth nothing if a contract is a coin"
    assert heart.told(OpenInterest, btc)[-1].open_interest == pytest.approx(float(told["oiCcy"]), rel=0.2)
    base = {int(row[0]): float(row[6]) for row in rows["data"]}
    for candle in heart.told(Candle, btc):
        if candle.interval is Interval.M1:
            assert candle.volume == pytest.approx(base[candle.ts_open // 1_000_000])


async def test_what_has_no_known_unit_is_left_out_and_said(eventually: Wait, tmp_path: Path) -> None:
    """A number whose unit nobody knows is not taken: no guess enters the store; the rest is."""
    async with (
        await serve_market(7, RATE, venue="okx", symbols=("BTC",)) as lab,
        beating(lab, "okx", tmp_path / "c.db") as heart,
    ):
        await eventually(lambda: bool(heart.told(MarkPrice, "BTC-USDT-PERP.CCXT-OKX")))
    assert not [event for event in heart.seen if isinstance(event, OpenInterest | Candle)]
    (line,) = [line for line in heart.said if "unit-unknown" in line]
    assert line.startswith("ccxt-okx: 4 channels left out, unit-unknown: candles_15m, candles_1h, candles_1m, ")


async def test_a_coin_an_exchange_does_not_list_is_named(eventually: Wait, tmp_path: Path) -> None:
    """Nothing is asked where nothing is listed, and a person is told which coins those were."""
    async with (
        await serve_market(7, RATE, venue="bybit", symbols=("BTC",)) as lab,
        beating(lab, "bybit", tmp_path / "c.db", symbols=("NONE",)) as heart,
    ):
        await eventually(lambda: len(heart.said) == 2)
    assert heart.said == ["ccxt-bybit: not listed or not trading, left out: NONE", "ccxt-bybit: nothing to ask"]
    assert heart.feed.pollers == []


async def test_a_recording_is_replayed_without_ccxt(eventually: Wait, tmp_path: Path) -> None:
    """What came through ccxt is in the recording as it was answered, and means the same when it is replayed."""
    eth = "ETH-USDT-PERP.CCXT-BYBIT"
    recorder = Recorder(tmp_path / "r", Header(venue="ccxt-bybit", data="demo"))
    async with (
        await serve_market(7, RATE, venue="bybit", symbols=("BTC", "ETH"), activity=10.0) as lab,
        beating(lab, "bybit", tmp_path / "c.db", recorder=recorder) as heart,
    ):
        await eventually(lambda: bool(heart.told(OpenInterest, eth) and heart.told(Candle, eth)))
    recorder.close()
    home = venue_named("ccxt-bybit")
    assert home is not None
    again = [e async for batch in ReplayFeed(Tape(tmp_path / "r"), home, {}, venue_named).batches() for e in batch]
    assert again == heart.seen


async def test_an_exchange_out_of_reach_is_asked_again(eventually: Wait, tmp_path: Path) -> None:
    """A failure is named, waited out and ends nothing: the feed goes on ticking, and says who does not answer."""
    async with (
        await serve_market(7, RATE, venue="bybit", symbols=("BTC",)) as lab,
        beating(lab, "bybit", tmp_path / "c.db", options={"rest_url": NOWHERE}) as heart,
    ):
        await eventually(lambda: sum("trying again" in line for line in heart.said) >= 2)
        ticks = len(heart.seen)
        await eventually(lambda: len(heart.seen) > ticks)
    assert list(heart.others.unreachable) == ["ccxt-bybit"]
    assert "ccxt-bybit/markets: " in heart.others.unreachable["ccxt-bybit"]


async def test_refusals_are_told_apart() -> None:
    """Too many requests, nobody there, and nothing of this name: each is the error that says what to do."""
    async with (
        await serve_market(7, RATE, venue="bybit", symbols=("BTC",), is_held=True) as lab,
        CcxtCalls("bybit", rest_url=lab.rest_url, rng=random.Random(1)) as calls,
    ):
        with pytest.raises(FrameError, match="BadSymbol"):
            await calls.get(HttpRequest(path="/open_interest", params=(("symbol", "NONE/USDT:USDT"),)))
        with pytest.raises(FrameError, match="not asked through ccxt"):
            await calls.get(HttpRequest(path="/turnover"))
        lab.rest.throttle(1)
        with pytest.raises(RateLimited) as limited:
            await calls.get(HttpRequest(path="/funding", params=(("symbol", "BTC/USDT:USDT"),)))
        assert limited.value.retry_after_s >= 10.0
    async with CcxtCalls("bybit", rest_url=NOWHERE, rng=random.Random(1)) as calls:
        with pytest.raises(VenueUnreachable, match="ccxt-bybit/markets"):
            await calls.get(HttpRequest(path="/markets"))


class Gate:
    """As much of Gate as is asked, after the samples in ccxt's source: sizes are contracts of 0.0001 BTC."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer anything; what is not known here is an empty list."""
        self.paths.append(request.path.removeprefix("/api/v4"))
        contract = {
            **{"name": "BTC_USDT", "type": "direct", "quanto_multiplier": "0.0001", "order_price_round": "0.1"},
            **{"order_size_min": 1, "order_size_max": 1_000_000, "leverage_min": "1", "leverage_max": "100"},
            **{"mark_price": "80000.5", "index_price": "80001", "funding_rate": "-0.0002", "funding_interval": 28800},
            **{"funding_next_apply": NOON + 3600, "in_delisting": False, "mark_price_round": "0.01"},
            **{"maker_fee_rate": "-0.00025", "taker_fee_rate": "0.00075"},
        }
        bar = {"o": "80000", "h": "80010", "c": "80005", "l": "79990"}
        answers = {
            "/futures/usdt/contracts": [contract],
            "/futures/usdt/contracts/BTC_USDT": contract,
            "/futures/usdt/contract_stats": [
                {"time": NOON - 300, "open_interest": "90000", "open_interest_usd": "720004.5"},
                {"time": NOON, "open_interest": "100000", "open_interest_usd": "800005"},
            ],
            "/futures/usdt/candlesticks": [{"t": NOON - 60, "v": 5000, **bar}, {"t": NOON, "v": 12, **bar}],
        }
        return web.json_response(answers.get(self.paths[-1], []))


#: An hour of 2026, seconds UTC.
NOON = 1_795_262_400


@pytest.fixture
async def gate() -> AsyncIterator[tuple[Gate, str]]:
    """The exchange and its address."""
    exchange = Gate()
    app = web.Application()
    app.router.add_get("/{path:.*}", exchange.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield exchange, f"http://{host}:{port}"
    await runner.cleanup()


async def test_gate_counts_contracts_and_is_understood(gate: tuple[Gate, str]) -> None:
    """Of an exchange whose units are known: ten BTC are 100,000 contracts; only perpetuals are loaded."""
    exchange, url = gate
    recv = (NOON + 30) * 1_000_000_000
    async with CcxtCalls("gate", rest_url=url) as calls:
        venue = CcxtVenue("gate", has=calls.has)
        listed = venue.instruments(await calls.get(venue.catalogue_request())).instruments
        assert [(i.id, str(i.contract_size), str(i.tick_size)) for i in listed] == [
            ("BTC-USDT-PERP.CCXT-GATE", "0.0001", "0.1")
        ]
        assert not [path for path in exchange.paths if "currency_pairs" in path or "options" in path]
        catalogue = {instrument.symbol: instrument for instrument in listed}
        told = {
            poll.name.split("/")[1]: venue.polled_events(poll.name, await calls.get(poll.request), recv, catalogue)
            for poll in venue.polls(listed, [Channel.OPEN_INTEREST, Channel.MARK_PRICES, Channel.CANDLES_1M])
        }
    btc, noon = InstrumentId("BTC-USDT-PERP.CCXT-GATE"), NOON * 1_000_000_000
    assert told["open_interest"] == [OpenInterest(btc, noon, recv, 10.0, 800_005.0)]
    due = (NOON + 3600) * 1_000_000_000
    assert told["mark_prices"] == [MarkPrice(btc, recv, recv, 80_000.5, 80_001.0, -0.0002, due, 8.0)]
    (candle,) = told["candles_1m"]
    assert isinstance(candle, Candle)
    assert (candle.ts_open, candle.volume, candle.is_closed) == (noon - 60_000_000_000, 0.5, True)


async def test_a_heart_asks_through_ccxt_beside_its_venues(tmp_path: Path) -> None:
    """One heart hears a venue in full and another exchange thinly; status and recording tell them apart."""
    async with await serve_market(7, RATE, venue="binance", symbols=("BTC",), activity=10.0) as lab:
        clock_url = f"{lab.rest_url}/lab/clock"
        own: dict[str, object] = {"rest_url": lab.rest_url, "clock_url": clock_url}
        settings = Settings(
            collect=Collect(venues=("binance",), symbols=("BTC",)),
            ccxt=Ccxt(venues=("binanceusdm",), symbols=("BTC",), options={"binanceusdm": own}),
            recording=Recording(folder=str(tmp_path)),
            backfill=Backfill(days=0),
            venue={"binance": {**own, "websocket_url": lab.websocket_url, "weight_per_minute": 1e6}},
        )
        heart = Collector(settings, database=tmp_path / "c.db")

        def look(collector: Collector) -> None:
            live = {(feed.venue, feed.channel) for feed in collector.status().feeds if feed.state is FeedState.LIVE}
            thin = [("ccxt-binanceusdm", channel) for channel in (Channel.OPEN_INTEREST, Channel.CANDLES_1M)]
            if live >= {*thin, ("binance", Channel.TRADES)}:
                collector.stop()

        async with asyncio.timeout(30):
            outcome = await heart.run(on_tick=look)
    assert outcome.unreachable == ()
    status = read_status(tmp_path / "c.db")
    assert {feed.venue for feed in status.feeds} == {"binance", "ccxt-binanceusdm"}
    assert status.data is StoreKind.DEMO
    (recording,) = tmp_path.glob("*.perpscope")
    again = tmp_path / "again.db"
    await asyncio.to_thread(replay_tape, recording, database=again)
    for table in ("open_interest", "candles_1m"):
        query = f"SELECT venue, count(*) FROM {table} GROUP BY venue ORDER BY venue"
        counted = []
        for path in (tmp_path / "c.db", again):
            with contextlib.closing(sqlite3.connect(path)) as rows_of:
                counted.append(rows_of.execute(query).fetchall())
        assert counted[0] == counted[1]
        assert "ccxt-binanceusdm" in dict(counted[0])


async def test_a_candle_is_closed_when_it_was_when_asked_for(gate: tuple[Gate, str]) -> None:
    """A reply that comes after a minute's end, asked for before it, has a part of that minute: it is not told."""
    _, url = gate
    asked = NOON * 1_000_000_000
    late = asked + 70_000_000_000
    now = [asked + 30_000_000_000]
    async with CcxtCalls("gate", rest_url=url, now_ns=lambda: now[0]) as calls:
        venue = CcxtVenue("gate", has=calls.has)
        listed = venue.instruments(await calls.get(venue.catalogue_request())).instruments
        (poll,) = venue.polls(listed, [Channel.CANDLES_1M])
        catalogue = {instrument.symbol: instrument for instrument in listed}

        async def told() -> list[int]:
            events = venue.polled_events(poll.name, await calls.get(poll.request), late, catalogue)
            return [event.ts_open - asked for event in events if isinstance(event, Candle)]

        assert await told() == [-60_000_000_000]
        now[0] = late
        assert await told() == [-60_000_000_000, 0]

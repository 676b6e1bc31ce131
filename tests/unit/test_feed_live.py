"""The live feed against sockets and REST answers made by hand: events, Ticks, snapshots on demand, and its end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from perpscope.engine.silence import Silent
from perpscope.errors import VenueUnreachable
from perpscope.feeds import live
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.recording import Header, Kind, Recorder, instruments_of, mark_of
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Alive, BookSnapshot, Connected, Disconnected, Subscribed, Tick, Trade
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Stream, Topic, Urgency
from perpscope.ports import OnFrame, Socket
from perpscope.settings import Feed
from perpscope.venues.binance import VENUE

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

COINS = "BTC ETH SOL XRP BNB ADA".split()
ACK = b'{"result":null,"id":1}'
#: Hand-written after Binance's pages on aggregate trades and on the order book.
TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1790757203016,"s":"BTCUSDT","a":%d,"p":"83003.8","q":"0.12",'
    b'"nq":"0.12","f":1,"l":2,"T":1790757203001,"m":true,"st":1}}'
)
DEPTH = b'{"lastUpdateId":7,"E":1790757203016,"T":1790757203001,"bids":[["83003.7","2.5"]],"asks":[["83004.0","1"]]}'


def listed(coin: str) -> Instrument:
    """An instrument known by name."""
    instrument = VENUE.instrument_named(f"{coin}USDT")
    assert instrument is not None
    return instrument


INSTRUMENTS = tuple(listed(coin) for coin in COINS)
IDS = [instrument.id for instrument in INSTRUMENTS]
PLAN = ConnectionPlan(
    "binance/market/0", "/market/stream", (Topic("btcusdt@aggTrade", (Stream(Channel.TRADES, IDS[0]),)),)
)


class HandClock(MarketClock):
    """A market clock that ticks when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._due: asyncio.Queue[None] = asyncio.Queue()

    def tick(self) -> None:
        """One market second has passed."""
        self._due.put_nowait(None)

    async def ticks(self) -> AsyncIterator[int]:
        while True:
            await self._due.get()
            yield self.now_ns()


class HandSocket:
    """A socket whose other end is the test."""

    def __init__(self, on_frame: OnFrame, on_burst: Callable[[], None]) -> None:
        self.gone = asyncio.Event()
        self.sent: list[bytes] = []
        self.on_close: Callable[[], None] = lambda: None
        self._on_frame = on_frame
        self._on_burst = on_burst

    def receive(self, *frames: bytes) -> None:
        """The venue says something."""
        for frame in frames:
            self._on_frame(memoryview(frame), 1790757203020000000)
        self._on_burst()

    def send(self, payload: bytes) -> None:
        """The feed says something: it is acknowledged at once."""
        self.sent.append(payload)
        self.receive(ACK.replace(b"1", b"%d" % len(self.sent)))

    def close(self) -> None:
        self.on_close()
        self.gone.set()

    async def wait_closed(self) -> None:
        await self.gone.wait()


class HandHttp:
    """REST answers given by the test, one call after another."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self.waiting: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, request: HttpRequest) -> bytes:
        symbol = dict(request.params)["symbol"]
        assert symbol not in self.waiting, "one call at a time for each book"
        self.asked.append(symbol)
        self.waiting[symbol] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.waiting))
        try:
            return await self.waiting[symbol]
        finally:
            del self.waiting[symbol]

    def answer(self, coin: str, body: bytes = DEPTH) -> None:
        """Answer the call about a coin."""
        self.waiting[f"{coin}USDT"].set_result(body)

    def fail(self, coin: str, error: Exception) -> None:
        """Let the call about a coin fail."""
        self.waiting[f"{coin}USDT"].set_exception(error)


class Bench:
    """A live feed under test, its hand-made parts, and what came out of it."""

    def __init__(self, recorder: Recorder | None = None, url: str = "ws://x/") -> None:
        self.clock = HandClock()
        self.http = HandHttp()
        self.sockets: list[HandSocket] = []
        self.urls: list[str] = []
        self.wanted: list[InstrumentId] = []
        self.events: list[Arrival] = []
        self.feed = LiveFeed(
            clock=self.clock,
            connector=self._connect,
            settings=Feed(),
            recorder=recorder,
            rng=random.Random(1),
        )
        self.feed.snapshots_wanted = lambda: self.wanted
        self._url = url

    async def _connect(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        self.urls.append(url)
        self.sockets.append(HandSocket(on_frame, on_burst))
        return self.sockets[-1]

    async def __aenter__(self) -> "Bench":
        self.feed.add(Listening(VENUE, self._url, self.http, INSTRUMENTS, (PLAN,)))
        self.drained = asyncio.create_task(self._drain())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.feed.stop()
        await asyncio.gather(self.drained, return_exceptions=True)

    async def _drain(self) -> None:
        async for batch in self.feed.batches():
            self.events += batch

    def seen(self, kind: type[object]) -> int:
        """How many events of a kind came out."""
        return sum(isinstance(event, kind) for event in self.events)

    async def ticked(self, eventually: Wait, times: int = 1) -> None:
        """Let the clock tick, and wait until each Tick has come out."""
        for _ in range(times):
            before = self.seen(Tick)
            self.clock.tick()
            await eventually(lambda n=before: self.seen(Tick) > n)  # type: ignore[misc]  # bound now, on purpose


async def test_signs_of_life_come_before_their_tick(eventually: Wait) -> None:
    """Each Tick follows an `Alive` of every connection that had data since the last one, and of no other."""
    async with Bench() as bench:
        await eventually(lambda: bench.seen(Subscribed) == 1)
        await bench.ticked(eventually)
        bench.sockets[0].receive(TRADE % 1, TRADE % 2)
        await bench.ticked(eventually, 2)
    kinds = [type(event) for event in bench.events]
    assert kinds == [
        Connected,
        Subscribed,
        Tick,
        Trade,
        Trade,
        Alive,
        Tick,
        Tick,
        Disconnected,
        Tick,
    ]  # the last two are the end's
    assert bench.urls == ["ws://x/market/stream"]
    assert bench.feed.counts.decoded == 2
    alive = next(event for event in bench.events if isinstance(event, Alive))
    assert (alive.connection, alive.frames) == ("binance/market/0", 2)


async def test_snapshots_are_fetched_for_the_books_that_want_one(eventually: Wait) -> None:
    """At most four calls at once, one for each book, at a Tick; a book of nobody's is left alone."""
    async with Bench() as bench:
        bench.wanted = [InstrumentId("NOPE-USDT-PERP.NOWHERE"), *IDS]
        await bench.ticked(eventually, 3)
        assert bench.http.asked == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
        bench.wanted.remove(IDS[0])
        bench.http.answer("BTC")
        await eventually(lambda: bench.seen(BookSnapshot) == 1)
        await bench.ticked(eventually)
        assert bench.http.asked[4:] == ["BNBUSDT"]
        assert bench.http.most == 4
    snapshot = next(event for event in bench.events if isinstance(event, BookSnapshot))
    assert (snapshot.instrument, snapshot.last_update_id) == (IDS[0], 7)
    assert bench.http.waiting == {}, "calls under way are given up with the feed"


async def test_books_are_mended_in_the_order_of_the_symbols(eventually: Wait) -> None:
    """Keeps B5. After a mass disconnect the majors come first, in whatever order the engine says what it misses."""
    async with Bench() as bench:
        bench.wanted = IDS[::-1]
        for number, coin in enumerate(COINS[:3]):
            await bench.ticked(eventually)
            await eventually(lambda n=number: len(bench.http.asked) == 4 + n)  # type: ignore[misc]  # bound now, on purpose
            bench.http.answer(coin)
            await eventually(lambda n=number: bench.seen(BookSnapshot) == n + 1)  # type: ignore[misc]  # as above
            bench.wanted.remove(IDS[number])
        assert bench.http.asked == [f"{coin}USDT" for coin in COINS]


async def test_where_many_books_wait_each_gets_few_levels_first(
    eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps B5. A copy of 100 levels costs a quarter; books are made whole afterwards, behind everything urgent."""
    monkeypatch.setattr(live, "_MANY", 3)
    asked: list[tuple[str, str, int, Urgency]] = []
    async with Bench() as bench:
        get = bench.http.get

        async def noted(request: HttpRequest) -> bytes:
            told = dict(request.params)
            asked.append((told["symbol"], told["limit"], request.weight, request.urgency))
            return await get(request)

        monkeypatch.setattr(bench.http, "get", noted)
        shallow: list[InstrumentId] = []
        bench.feed.depth_wanted = lambda: shallow
        bench.wanted = IDS[:4]
        await bench.ticked(eventually)
        await eventually(lambda: len(asked) == 4)
        assert set(asked) == {(f"{coin}USDT", "100", 5, Urgency.DATA) for coin in COINS[:4]}
        shallow += IDS[:4]
        bench.wanted = IDS[4:5]
        bench.http.answer("BTC")
        await eventually(lambda: len(asked) == 5)
        assert asked[4] == ("BNBUSDT", "100", 5, Urgency.DATA), "the urgent goes first, in haste until none waits"
        bench.wanted = []
        for coin in (*COINS[1:4], "BNB"):
            bench.http.answer(coin)
        await eventually(lambda: bench.seen(BookSnapshot) == 5)
        now_s = time.monotonic() + 1.1
        monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now_s))
        await bench.ticked(eventually)
        await eventually(lambda: len(asked) == 6)
        assert asked[5] == ("BTCUSDT", "1000", 20, Urgency.PAST), "one at a time, the majors first"
        bench.http.answer("BTC")
        shallow.remove(IDS[0])
        await eventually(lambda: len(asked) == 7)
        assert asked[6] == ("ETHUSDT", "1000", 20, Urgency.PAST)
        shallow.remove(IDS[1])
        bench.wanted, now_s = IDS[1:2], now_s + 2.0  # it has a hole while it is asked for at leisure
        await bench.ticked(eventually)
        await eventually(lambda: len(asked) >= 8)
        assert ("ETHUSDT", "1000", 20, Urgency.DATA) in asked[7:]


async def test_a_book_that_was_readable_in_between_waits_no_longer_than_the_first_time(
    eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault B3: the waits for one hole have no say in the next, where a snapshot is asked for by subscribing anew."""
    now_s = 1000.0
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now_s))
    renewed: list[float] = []
    async with Bench() as bench:
        monkeypatch.setattr(bench.feed, "_renew", lambda *_: renewed.append(now_s))
        monkeypatch.setattr(type(VENUE), "snapshot_request", lambda *_: None)
        bench.wanted = IDS[:1]
        for _ in range(80):
            await bench.ticked(eventually)
            now_s += 0.1
        assert renewed == pytest.approx([1000.0, 1001.0, 1003.0, 1007.0])
        bench.wanted = []
        await bench.ticked(eventually)  # readable for a moment
        bench.wanted = IDS[:1]
        for _ in range(40):
            await bench.ticked(eventually)
            now_s += 0.1
    assert renewed[4:] == pytest.approx([1009.0, 1010.0], abs=0.11)


async def test_a_failed_snapshot_is_asked_for_again_later(eventually: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before the wait is over, which doubles each time up to half a minute, and is short again after a success."""
    now_s = 1000.0
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now_s))
    async with Bench() as bench:
        bench.wanted = IDS[:1]
        await bench.ticked(eventually)
        answered = 0
        for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
            if answered % 2:
                bench.http.fail("BTC", VenueUnreachable("no answer", venue="binance"))
            else:
                bench.http.answer("BTC", b'{"code":-1003,"msg":"Too many requests"}')
            answered += 1
            await eventually(lambda: not bench.http.waiting)
            now_s += wait_s - 0.01
            await bench.ticked(eventually)
            assert len(bench.http.asked) == answered
            now_s += 0.02
            await bench.ticked(eventually)
            await eventually(lambda n=answered: len(bench.http.asked) == n + 1)  # type: ignore[misc]  # bound now, on purpose
        bench.http.answer("BTC")
        await eventually(lambda: bench.seen(BookSnapshot) == 1)
        now_s += 1.01
        await bench.ticked(eventually)
        await eventually(lambda: len(bench.http.asked) == answered + 2)


async def test_what_was_received_is_handed_over_before_the_end() -> None:
    """`stop()` loses nothing: neither what waits, nor what a socket brings while it is being closed."""
    async with Bench() as bench:
        while not bench.sockets or bench.feed.counts.control == 0:
            await asyncio.sleep(0)
        bench.sockets[0].on_close = lambda: bench.sockets[0].receive(TRADE % 3)
        bench.sockets[0].receive(TRADE % 1, TRADE % 2)
        bench.feed.stop()
        await bench.drained
    assert [event.trade_id for event in bench.events if isinstance(event, Trade)] == [1, 2, 3]
    assert bench.seen(Tick) >= 1
    assert bench.sockets[0].gone.is_set()


async def test_a_task_that_dies_is_not_swallowed(eventually: Wait) -> None:
    """A bug in a connection or in the clock ends the feed with its own error, after what came before it."""
    bench = Bench()

    async def broken(url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        raise ZeroDivisionError(f"{url}, {on_frame}, {on_burst}")

    bench.feed._connector = broken
    async with bench:
        await eventually(bench.drained.done)
        with pytest.raises(ZeroDivisionError, match="ws://x/market/stream"):
            bench.drained.result()


async def test_a_consumer_may_leave_at_any_time() -> None:
    """Whoever stops listening takes the connections down with him."""
    bench = Bench()
    bench.feed.add(Listening(VENUE, "ws://x", bench.http, INSTRUMENTS, (PLAN,)))
    batches = bench.feed.batches()
    async for batch in batches:
        assert isinstance(batch[0], Connected)
        break
    await batches.aclose()  # type: ignore[attr-defined]  # an async generator, as every feed's
    assert bench.sockets[0].gone.is_set()


async def test_all_that_decides_is_recorded(eventually: Wait, tmp_path: Path) -> None:
    """Instruments, frames, snapshots, signs of life and every Tick, the last one included. Keeps S4-49."""
    recorder = Recorder(tmp_path / "r.perpscope", Header(venue="binance", data="observed"))
    async with Bench(recorder) as bench:
        bench.wanted = IDS[:1]
        await eventually(lambda: bench.seen(Subscribed) == 1)
        bench.sockets[0].receive(TRADE % 1)
        await bench.ticked(eventually)
        await eventually(lambda: "BTCUSDT" in bench.http.waiting)
        bench.http.answer("BTC")
        await eventually(lambda: bench.seen(BookSnapshot) == 1)
    recorder.close()
    records = list(Tape(recorder.path).records())
    assert instruments_of(records[0]) == list(INSTRUMENTS)
    assert [(r.source, r.payload) for r in records if r.kind == Kind.REPLY] == [(IDS[0], DEPTH)]
    assert [r.payload for r in records if r.kind == Kind.FRAME] == [ACK, TRADE % 1]
    marks = [mark_of(record) for record in records if record.kind == Kind.EVENT]
    assert marks == [event for event in bench.events if not isinstance(event, Trade | BookSnapshot)]
    assert [type(mark) for mark in marks] == [Connected, Subscribed, Alive, Tick, Disconnected, Tick]
    assert marks[-1].ts_recv >= marks[-2].ts_recv


async def test_a_silent_stream_is_subscribed_anew_and_a_standstill_is_told(eventually: Wait) -> None:
    """What the engine finds silent at a Tick is left and joined again; a Tick that came late is worth a word."""
    async with Bench() as bench:
        await eventually(lambda: bench.seen(Subscribed) == 1)
        bench.sockets[0].receive(TRADE % 1)
        bench.feed.silent_streams = lambda: [Silent("binance", Stream(Channel.TRADES, IDS[0]), 1, 5.0)]
        bench.clock.lag_s = 2.5
        with capture_logs() as entries:
            await bench.ticked(eventually)
            await eventually(lambda: len(bench.sockets[0].sent) == 3)
        assert [b'"UNSUBSCRIBE"' in message for message in bench.sockets[0].sent] == [False, True, False]
    assert {entry["event"]: entry.get("lag_s") for entry in entries} == {
        "streams are silent": None,
        "the program stood still": 2.5,
    }

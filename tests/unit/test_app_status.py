"""What is said of each feed, and what a reader makes of a heart that runs, has stopped, or has died."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perpscope.app.connections import links, quantile_ms
from perpscope.app.status import judge_feeds, market_now, read_status
from perpscope.cli.feed_tables import seen
from perpscope.cli.main import run
from perpscope.engine.engine import Engine
from perpscope.errors import DataError
from perpscope.feeds.clock import MarketClock, wall_ns
from perpscope.feeds.connection import Connection
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.limits import open_governor
from perpscope.feeds.poll import Poller
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    Alive,
    Completeness,
    Covered,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Subscribed,
    Tick,
)
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Stream, Topic
from perpscope.ports import OnFrame, Socket, Venue
from perpscope.settings import Feed
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import FeedState, FeedStatus, HeartStatus, StoreKind
from perpscope.venues.binance import VENUE, Binance

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
SECOND = 1_000_000_000
NOW = 1_790_757_203 * SECOND
TRADE = b'{"e":"aggTrade","E":1790757203016,"s":"BTCUSDT","a":1,"p":"83003.8","q":"0.12","T":1790757203001,"m":true}'


class HandSocket:
    """An open socket; the test keeps what to call with a frame."""

    def __init__(self, on_frame: OnFrame) -> None:
        self.receive = on_frame

    def send(self, payload: bytes) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing to close."""

    async def wait_closed(self) -> None:
        await asyncio.Event().wait()


def named(name: str) -> Venue:
    """Binance, under whatever name."""
    venue = Binance()
    venue.name = name
    return venue


@asynccontextmanager
async def connection(
    eventually: Wait, *channels: Channel, is_open: bool = True, has_data: bool = True, venue: str = "binance"
) -> AsyncIterator[Connection]:
    """A connection that carries these channels of one instrument."""
    sockets: list[HandSocket] = []

    async def connect(url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        if not is_open:
            raise OSError(f"{url} refused, {on_burst} is never called")
        sockets.append(HandSocket(on_frame))
        return sockets[-1]

    streams = tuple(Stream(channel, BTC) for channel in channels)
    made = Connection(
        named(venue),
        {},
        ConnectionPlan(f"{venue}/{channels[0].value}", "/", (Topic("everything", streams),)),
        "ws://x/",
        connector=connect,
        inbox=Inbox(),
        clock=MarketClock(),
        settings=Feed(),
        recorder=None,
        rng=random.Random(1),
    )
    running = asyncio.create_task(made.run())
    try:
        await eventually(lambda: made.attempts == 1 and made.is_open is is_open)
        if has_data and is_open:
            sockets[0].receive(TRADE, NOW)
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def judged(
    channels: Collection[Channel], connections: Collection[Connection], age_s: float = 0.0, rate: float = 1.0
) -> list[FeedState]:
    """States of one venue's channels when the last mark price is so old."""
    engine = Engine(sinks=[])
    engine.process(MarkPrice(BTC, NOW, NOW, 1.0, None, None, None))
    lines = judge_feeds({"binance": channels}, connections, engine, NOW + int(age_s * SECOND), rate)
    assert [line.channel for line in lines] == sorted(channels, key=list(Channel).index)
    return [line.state for line in lines]


MARKS, FORCED = Channel.MARK_PRICES, Channel.LIQUIDATIONS


@pytest.mark.parametrize(
    ("age_s", "rate", "state"),
    [(1, 1.0, FeedState.LIVE), (11, 1.0, FeedState.STALE), (11, 60.0, FeedState.LIVE), (661, 60.0, FeedState.STALE)],
)
async def test_a_busy_channel_is_stale_when_its_last_event_is_old(
    eventually: Wait, age_s: float, rate: float, state: FeedState
) -> None:
    """By real seconds, so that a demo at 60× is not stale each market minute."""
    async with connection(eventually, MARKS) as carrying:
        assert judged([MARKS], [carrying], age_s, rate) == [state]


async def test_quiet_channels_are_judged_by_their_socket(eventually: Wait) -> None:
    """No liquidation for an hour is no fault while their connection brings other data."""
    async with connection(eventually, FORCED, MARKS) as carrying:
        assert judged([FORCED, MARKS], [carrying], 3600.0) == [FeedState.STALE, FeedState.LIVE]


async def test_a_socket_without_data_is_silent(eventually: Wait) -> None:
    """From its opening, and again when half the bound has passed."""
    async with connection(eventually, MARKS, has_data=False) as carrying:
        assert judged([MARKS], [carrying]) == [FeedState.SILENT]
    async with connection(eventually, MARKS) as carrying:
        assert judged([MARKS], [carrying]) == [FeedState.LIVE]
        carrying.silent_after_s = 0.0
        assert judged([MARKS], [carrying]) == [FeedState.SILENT]


async def test_a_stream_that_should_have_spoken_makes_its_channel_silent(eventually: Wait) -> None:
    """Keeps B5. What the engine found silent is said of its channel, whatever its connection brings besides."""
    engine = Engine(sinks=[])
    engine.process(Subscribed("binance", "c", (Stream(MARKS, BTC), Stream(FORCED, BTC)), NOW))
    for second in range(120):
        ts = NOW + second * SECOND
        engine.process(Alive("c", ts, second, ts))
        engine.process(Tick(ts))
    assert engine.silent_streams
    async with connection(eventually, MARKS, FORCED) as carrying:
        lines = judge_feeds({"binance": [MARKS, FORCED]}, [carrying], engine, NOW + 120 * SECOND, 1.0)
    assert {line.channel: line.state for line in lines} == {MARKS: FeedState.SILENT, FORCED: FeedState.LIVE}


async def test_a_channel_is_as_good_as_its_worst_connection(eventually: Wait) -> None:
    """Nobody carries it, or one of several is gone: down. Other venues' connections do not count."""
    assert judged([MARKS], []) == [FeedState.DOWN]
    async with connection(eventually, MARKS) as up, connection(eventually, MARKS, is_open=False) as lost:
        assert judged([MARKS], [up]) == [FeedState.LIVE]
        assert judged([MARKS], [up, lost]) == [FeedState.DOWN]
        assert judged([FORCED], [up]) == [FeedState.DOWN]
    async with connection(eventually, MARKS, venue="elsewhere") as other:
        assert judged([MARKS], [other]) == [FeedState.DOWN]


async def test_events_and_gaps_are_counted_by_channel() -> None:
    """What the engine has seen of a channel, and nothing where it has seen nothing."""
    engine = Engine(sinks=[])
    engine.process(MarkPrice(BTC, NOW, NOW, 1.0, None, None, None))
    seen, unseen = judge_feeds({"binance": [FORCED, MARKS]}, [], engine, NOW, 1.0)
    assert seen == FeedStatus("binance", MARKS, FeedState.DOWN, NOW, 1, 0)
    assert unseen == FeedStatus("binance", FORCED, FeedState.DOWN, None, 0, 0)


def heart(ago_s: float, *, is_running: bool = True, rate: float = 60.0) -> HeartStatus:
    """A heart that reported so long ago."""
    return HeartStatus(1, NOW, wall_ns() - int(ago_s * SECOND), rate, is_running)


@pytest.mark.parametrize(
    ("ago_s", "is_running", "kind", "expected"),
    [
        (None, False, StoreKind.DEMO, "real time"),
        (1.0, True, StoreKind.OBSERVED, "real time"),
        (999.0, True, StoreKind.OBSERVED, "real time"),
        (999.0, True, StoreKind.DEMO, "stands still"),
        (0.0, False, StoreKind.REPLAY, "stands still"),
        (0.0, True, StoreKind.DEMO, "goes on"),
    ],
)
def test_market_time_for_a_reader(ago_s: float | None, is_running: bool, kind: StoreKind, expected: str) -> None:
    """A real market goes on; a demo's goes on at its rate while its heart beats, and stands still when it does not."""
    now = market_now(None if ago_s is None else heart(ago_s, is_running=is_running), kind)
    if expected == "real time":
        assert abs(now - wall_ns()) < 60 * SECOND
    elif expected == "stands still":
        assert now == NOW
    else:
        assert NOW <= now < NOW + 60 * 60 * SECOND


def liquidation(ago_s: float) -> Liquidation:
    """A long closed by force."""
    ts = NOW - int(ago_s * SECOND)
    return Liquidation(BTC, ts, ts, PositionSide.LONG, 1.0, 2.0, None, Completeness.SAMPLED, Sampling.UNKNOWN)


def store(path: Path, kind: StoreKind, last: HeartStatus | None) -> SqliteStore:
    """A store with three liquidations and one feed, still open."""
    opened = SqliteStore.open(path, kind=kind)
    for ago_s in (60.0, 7200.0, 90_000.0):
        opened.sink().accept(liquidation(ago_s))
    state = FeedState.REPLAY if kind is StoreKind.REPLAY else FeedState.LIVE
    if last is not None:
        feeds = [
            FeedStatus("binance", MARKS, state, NOW - SECOND, 7, 1),
            FeedStatus("binance", FORCED, state, None, 0, 0),
        ]
        opened.report(feeds, last)
    opened.sink().accept(Tick(NOW))
    opened.flush()
    return opened


@pytest.mark.parametrize(
    ("kind", "ago_s", "state"),
    [
        (StoreKind.DEMO, 0.0, FeedState.LIVE),
        (StoreKind.DEMO, 999.0, FeedState.DOWN),
        (StoreKind.REPLAY, 999.0, FeedState.REPLAY),
    ],
)
def test_a_reader_sees_what_the_heart_said(tmp_path: Path, kind: StoreKind, ago_s: float, state: FeedState) -> None:
    """Counts as of market time, each feed with its age, down where the heart is gone. Keeps S1-36, S1-37, S1-38."""
    opened = store(tmp_path / "s.db", kind, heart(ago_s))
    try:
        status = read_status(tmp_path / "s.db")
    finally:
        opened.close()
    assert (status.events.total, status.events.last_24h, status.events.last_1h) == (3, 2, 1)
    assert {line.state for line in status.feeds} == {state}
    ages = {line.channel: line.age_ms for line in status.feeds}
    assert ages[FORCED] is None
    assert (ages[MARKS] or 0) >= 1000
    assert status.data is kind
    assert status.database.path == str(tmp_path / "s.db")
    assert status.database.bytes > 0
    assert {line.coverage_24h for line in status.feeds} == {None}  # nothing is known of what was seen
    assert status.events.has_holes_24h
    matrix = {(line.channel, line.kind): line.how for line in status.availability}
    assert matrix[FORCED, None] == "streamed"
    assert matrix[Channel.OPEN_INTEREST, None] == "polled"


def test_each_feed_says_how_much_of_the_day_was_seen(tmp_path: Path) -> None:
    """Keeps B6. The share over all streams of a channel; an open interval is not judged beyond its end."""
    opened = store(tmp_path / "s.db", StoreKind.DEMO, heart(999.0, rate=1.0))
    day = NOW - 24 * 3600 * SECOND
    marks = [Stream(MARKS, BTC), Stream(MARKS, InstrumentId("ETH-USDT-PERP.BINANCE"))]
    open_until = NOW - 2 * SECOND
    for stream, begin in zip(marks, (day, day + 12 * 3600 * SECOND), strict=True):
        opened.sink().accept(Covered("binance", "c", (stream,), begin, open_until, True, NOW))
    opened.sink().accept(Covered("binance", "c", (Stream(FORCED, None),), day, open_until, True, NOW))
    opened.close()
    status = read_status(tmp_path / "s.db")
    shares = {line.channel: line.coverage_24h for line in status.feeds}
    assert shares == {FORCED: 1.0, MARKS: pytest.approx(0.75, abs=1e-4)}
    least = {line.channel: (line.least_24h, line.least_seen) for line in status.feeds}
    assert least == {FORCED: (1.0, None), MARKS: (pytest.approx(0.5, abs=1e-4), "ETH-USDT-PERP.BINANCE")}
    assert not status.events.has_holes_24h


def test_the_two_commands_tell_one_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps B6. What `status` says of a channel's day is what `coverage` says of its streams together."""
    path = tmp_path / "s.db"
    opened = store(path, StoreKind.DEMO, heart(999.0, rate=1.0))
    day = NOW - 24 * 3600 * SECOND
    for number in range(70):  # so many that a channel is one line
        stream = Stream(MARKS, InstrumentId(f"C{number}-USDT-PERP.BINANCE"))
        begin = day + number * 600 * SECOND
        opened.sink().accept(Covered("binance", "c", (stream,), begin, NOW - 2 * SECOND, True, NOW))
    opened.close()
    (line,) = (line for line in read_status(path).feeds if line.channel is MARKS)
    assert line.coverage_24h == pytest.approx(1.0 - 69 * 600 / 2 / 86_400, abs=1e-4)
    assert line.least_seen == "C69-USDT-PERP.BINANCE"
    assert line.least_24h == pytest.approx(1.0 - 41_400 / 86_400, abs=1e-4)
    assert run(["coverage", "--db", str(path)]) == 0
    whole, least = capsys.readouterr().out.splitlines()[1:3]
    assert whole.split()[:4] == ["binance", "mark_prices", *seen(line.coverage_24h).split()]
    assert least.split()[:4] == ["least", "C69-USDT-PERP.BINANCE", *seen(line.least_24h).split()]
    assert run(["status", "--db", str(path)]) == 0
    assert f"{seen(line.coverage_24h)}\n  least C69-USDT-PERP.BINANCE" in capsys.readouterr().out


async def test_a_status_says_until_when_a_venue_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps B14. What any process of this machine has heard is told, with or without a heart; and when it is over."""
    path, folder = tmp_path / "s.db", tmp_path / "budget"
    store(path, StoreKind.OBSERVED, heart(999.0)).close()
    config = tmp_path / "c.toml"
    config.write_text(f'[limits]\nfolder = "{folder}"\n[venue.okx]\nproxy = "http://10.0.0.1:3128"\n')
    words = ["status", "--db", str(path), "--config", str(config), "--json"]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["refused"] == []
    governor = open_governor(VENUE, VENUE.rest_url, 80.0, folder=str(folder))
    governor.shut(3600.0, "binance answered 418: banned")
    assert run(words) == 0
    (told,) = json.loads(capsys.readouterr().out)["refused"]
    assert (told["venue"], told["why"]) == ("binance", "binance answered 418: banned")
    assert told["until_ms"] == pytest.approx(wall_ns() // 10**6 + 3_600_000, abs=60_000)


def test_a_store_that_was_closed_has_no_feeds_alive(tmp_path: Path) -> None:
    """Closed in good order: down at once, and time stands still where it stopped."""
    store(tmp_path / "s.db", StoreKind.DEMO, heart(0.0)).close()
    status = read_status(tmp_path / "s.db")
    assert {line.state for line in status.feeds} == {FeedState.DOWN}
    assert {line.age_ms for line in status.feeds} == {1000, None}


def test_a_store_without_a_heart_can_be_read(tmp_path: Path) -> None:
    """Nobody has reported anything yet; no store at all is an error."""
    store(tmp_path / "s.db", StoreKind.OBSERVED, None).close()
    status = read_status(tmp_path / "s.db")
    assert (status.events.total, status.feeds) == (3, [])
    with pytest.raises(DataError, match=r"none\.db"):
        read_status(tmp_path / "none.db")


class _NoHttp:
    """Nobody asks here."""

    async def get(self, request: HttpRequest) -> bytes:
        raise AssertionError(request)


@pytest.mark.parametrize(
    ("age_s", "failures", "state"),
    [
        (None, 0, FeedState.SILENT),
        (None, 2, FeedState.DOWN),
        (119, 0, FeedState.LIVE),
        (121, 0, FeedState.STALE),
    ],
)
def test_what_is_polled_is_judged_by_its_own_pace(age_s: int | None, failures: int, state: FeedState) -> None:
    """Open interest of each minute: silent before the first reply, down if that failed, stale after two minutes."""
    wanted = Channel.OPEN_INTEREST
    polls = VENUE.polls([Instrument(id=BTC, venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT")], [wanted])
    poller = Poller(
        VENUE, polls, {}, http=_NoHttp(), inbox=Inbox(), clock=MarketClock(), recorder=None, rng=random.Random(1)
    )
    poller.failures = failures
    engine = Engine(sinks=[])
    if age_s is not None:
        ts = NOW - age_s * SECOND
        engine.process(OpenInterest(BTC, ts, ts, 1.0, None))
    (line,) = judge_feeds({"binance": [wanted]}, [], engine, NOW, 1.0, [poller])
    assert line.state is state


async def test_a_connection_tells_how_often_it_was_lost_and_how_late_data_comes(eventually: Wait) -> None:
    """Attempts, why the last one ended, and the median and 95th percentile of the lags of its Ticks."""
    async with connection(eventually, Channel.TRADES, Channel.MARK_PRICES) as made:
        list(made.pulses(NOW + SECOND))
        assert made.lags, "a trade was stamped by the venue before it came"
        made.lags.extend(n * 1_000_000 for n in range(1, 101))
        made.lags.popleft()
        (line,) = links([made], []).connections
    assert (line.venue, line.name, line.is_open, line.attempts) == ("binance", "binance/trades", True, 1)
    assert line.channels == [Channel.TRADES, Channel.MARK_PRICES]
    assert line.silent_ms is not None
    assert (line.lag_p50_ms, line.lag_p95_ms) == (50.0, 95.0)
    assert (line.failures, line.last_error) == (0, None)


async def test_a_connection_that_does_not_open_says_why(eventually: Wait) -> None:
    """Nothing is known of a lag, and the error is told in the system's words."""
    async with connection(eventually, Channel.TRADES, is_open=False) as made:
        await eventually(lambda: made.failures > 0)
        (line,) = links([made], []).connections
    assert (line.is_open, line.silent_ms, line.lag_p50_ms, line.lag_p95_ms) == (False, None, None, None)
    assert line.last_error is not None
    assert "refused" in line.last_error
    assert quantile_ms([], 0.5) is None


def test_calls_are_counted_with_their_failures() -> None:
    """What is asked again and again stands beside the sockets."""
    polls = VENUE.polls(
        [Instrument(id=BTC, venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT")], [Channel.OPEN_INTEREST]
    )
    poller = Poller(
        VENUE, polls, {}, http=_NoHttp(), inbox=Inbox(), clock=MarketClock(), recorder=None, rng=random.Random(1)
    )
    poller.calls, poller.failures, poller.last_error = 7, 2, "503"
    (line,) = links([], [poller]).calls
    assert (line.venue, line.channels, line.calls) == ("binance", [Channel.OPEN_INTEREST], 7)
    assert (line.failures, line.last_error) == (2, "503")

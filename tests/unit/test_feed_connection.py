"""One connection's whole life against a socket made by hand: acknowledgement, silence, refusal, bad frames, backoff."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from perpscope.config import convert
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import Connection, full_jitter
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.recording import Header, Kind, Recorder, mark_of
from perpscope.feeds.tape import Tape
from perpscope.model.market import Connected, Disconnected, Gap, Subscribed, Trade, Unheard
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue, OnFrame, Socket
from perpscope.settings import Feed
from perpscope.venues.binance import VENUE, Binance

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

_BTC = VENUE.instrument_named("BTCUSDT")
assert _BTC is not None
_TRADES = Stream(Channel.TRADES, _BTC.id)
PLAN = ConnectionPlan("binance/market/0", "/market/stream", (Topic("btcusdt@aggTrade", (_TRADES,)),))
#: Says `+1 topic topic` for a subscription and `-2 topic` for its end; the answers are Binance's.
DIALOGUE = Dialogue(
    subscribe=lambda names, number: f"+{number} {' '.join(names)}".encode(),
    unsubscribe=lambda names, number: f"-{number} {' '.join(names)}".encode(),
    topics_per_request=50,
    between_requests_s=0.001,
)
ASKED = b"+1 btcusdt@aggTrade"
ACK = b'{"result":null,"id":1}'
TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1790757203016,"s":"BTCUSDT","a":%d,"p":"83003.8","q":"0.12",'
    b'"nq":"0.12","f":1,"l":2,"T":1790757203001,"m":true,"st":1}}'
)


#: When the frames of this test were received, ms UTC, on whatever socket.
_MOMENTS = [1790757203020]


def moment_ns() -> int:
    """A little after the last frame, ns UTC."""
    return _MOMENTS[-1] * 1_000_000 + 50_000_000


class Spoken(Binance):
    """Binance's frames, spoken to as the test likes."""

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__()
        self.dialogue = dialogue


class HandSocket:
    """A socket whose other end is the test."""

    def __init__(self, on_frame: OnFrame, on_burst: Callable[[], None]) -> None:
        self.sent: list[bytes] = []
        self.gone = asyncio.Event()
        self._on_frame = on_frame
        self._on_burst = on_burst

    def receive(self, *frames: bytes) -> None:
        """The venue says something."""
        for frame in frames:
            self._on_frame(memoryview(frame), 1790757203020000000)
        self._on_burst()

    def receive_later(self, *frames: bytes) -> None:
        """The same, each frame received 100 ms after the last, and a trade stamped by its number."""
        for frame in frames:
            number = re.search(rb'"a":(\d+)', frame)
            stamp = 1790757203001 + 150 * int(number[1]) if number else 0
            stamped = frame.replace(b"1790757203001", b"%d" % stamp)
            _MOMENTS.append(_MOMENTS[-1] + 100)
            self._on_frame(memoryview(stamped), _MOMENTS[-1] * 1_000_000)
        self._on_burst()

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    def close(self) -> None:
        self.gone.set()

    async def wait_closed(self) -> None:
        await self.gone.wait()


class HandConnector:
    """Hands out hand sockets; refuses as often as told."""

    def __init__(self, refusals: int = 0) -> None:
        self.sockets: list[HandSocket] = []
        self.refusals = refusals
        self.urls: list[str] = []

    async def __call__(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        self.urls.append(url)
        if self.refusals > 0:
            self.refusals -= 1
            raise ConnectionRefusedError("refused") if self.refusals % 2 else TimeoutError
        self.sockets.append(HandSocket(on_frame, on_burst))
        return self.sockets[-1]


class Bench:
    """A connection under test, its inbox and its sockets."""

    def __init__(
        self,
        refusals: int = 0,
        plan: ConnectionPlan = PLAN,
        recorder: Recorder | None = None,
        settings: Mapping[str, float] = MappingProxyType({}),
        dialogue: Dialogue = DIALOGUE,
    ) -> None:
        self.inbox = Inbox()
        self.connector = HandConnector(refusals)
        quick = {"backoff_first_s": 0.001, "backoff_max_s": 0.002, "healthy_after_s": 0.0, **settings}
        self.connection = Connection(
            Spoken(dialogue),
            {},
            plan,
            "ws://x/market/stream",
            connector=self.connector,
            inbox=self.inbox,
            clock=MarketClock(),
            settings=convert(quick, Feed, "feed"),
            recorder=recorder,
            rng=random.Random(1),
        )
        self.events: list[Arrival] = []

    async def __aenter__(self) -> "Bench":
        del _MOMENTS[1:]
        self._tasks = [asyncio.create_task(self.connection.run()), asyncio.create_task(self._drain())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self) -> None:
        async for batch in self.inbox.batches():
            self.events += batch

    @property
    def socket(self) -> HandSocket:
        """The newest socket."""
        return self.connector.sockets[-1]

    def causes(self) -> list[str]:
        """Why sessions ended."""
        return [event.cause for event in self.events if isinstance(event, Disconnected)]


async def test_acknowledged_streams_and_their_data_reach_the_inbox(eventually: Wait) -> None:
    """SUBSCRIBE goes out, the acknowledgement becomes `Subscribed`, frames become events. Keeps S2-20, S2-21."""
    async with Bench() as bench:
        await eventually(lambda: bool(bench.connector.sockets) and bench.socket.sent == [ASKED])
        bench.socket.receive(ACK, TRADE % 1, TRADE % 2, b'{"e":"24hrTicker","E":1,"s":"BTCUSDT"}')
        await eventually(lambda: len(bench.events) == 4)
        connected, subscribed, *trades = bench.events
        assert isinstance(connected, Connected)
        assert isinstance(subscribed, Subscribed)
        assert subscribed.streams == (_TRADES,)
        assert [trade.trade_id for trade in trades if isinstance(trade, Trade)] == [1, 2]
        counts = bench.connection.counts
        assert (counts.frames, counts.routed, counts.control, counts.unhandled) == (4, 2, 1, 1)
        (alive,) = bench.connection.pulses(5)
        assert alive.frames == 3
        assert list(bench.connection.pulses(6)) == []
        assert bench.connection.has_data
        assert bench.connection.is_open


@pytest.mark.parametrize(
    ("cause", "settings", "frames"),
    [
        ("silent", {"silent_after_s": 0.02}, [ACK]),
        ("unacknowledged", {"ack_timeout_s": 0.02}, [TRADE % 1]),
        ("refused", {"ack_timeout_s": 0.05}, [b'{"error":{"code":2,"msg":"Invalid request"},"id":1}']),
        ("bad-frames", {"ack_timeout_s": 0.05, "max_bad_frames_per_minute": 1}, [ACK, b"{", b"{", b"{"]),
    ],
)
async def test_each_fault_ends_the_session_by_its_name(
    eventually: Wait, cause: str, settings: dict[str, float], frames: list[bytes]
) -> None:
    """The connection is given up with a cause and a new one is opened. Keeps S1-03."""
    async with Bench(settings=settings) as bench:
        await eventually(lambda: bool(bench.connector.sockets) and bool(bench.socket.sent))
        bench.socket.receive(*frames)
        await eventually(lambda: len(bench.connector.sockets) >= 2)
        assert bench.connection.last_error == cause
        await eventually(lambda: bench.causes()[:1] == [cause])
        assert bench.connection.attempts >= 2


async def test_a_lost_connection_is_opened_again_with_a_fresh_decoder(eventually: Wait) -> None:
    """The other end goes away: `Disconnected`, and the counters go on."""
    async with Bench() as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        bench.socket.receive(ACK, TRADE % 1)
        bench.socket.gone.set()
        await eventually(lambda: len(bench.connector.sockets) == 2)
        bench.socket.receive(ACK, TRADE % 2)
        await eventually(lambda: bench.connection.counts.decoded == 2)
        assert bench.causes() == ["disconnect"]


async def test_refused_connections_are_tried_again(eventually: Wait) -> None:
    """Refusals and time-outs are told and survived; nobody was subscribed, so nothing is disconnected."""
    async with Bench(refusals=3) as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        assert bench.connection.attempts == 4
        assert bench.connection.last_error in {"ConnectionRefusedError: refused", "TimeoutError"}
        assert bench.causes() == []
        assert bench.connection.silent_s is not None


async def test_what_a_bad_frame_held_was_published_after_the_last_good_one(eventually: Wait) -> None:
    """Keeps S1-03. On a line that lags by five seconds the gap begins at the venue's stamp, not a second before."""
    stamp_ns = 1_790_757_203_001_000_000
    async with Bench() as bench:
        await eventually(lambda: bool(bench.connector.sockets) and bool(bench.socket.sent))
        bench.socket.receive(ACK)
        bench.socket._on_frame(memoryview(TRADE % 1), stamp_ns + 5_000_000_000)
        for late_s in (6, 7):
            list(bench.connection.pulses(stamp_ns + late_s * 1_000_000_000))
        bench.socket._on_frame(memoryview(b"{"), stamp_ns + 7_500_000_000)
        await eventually(lambda: any(isinstance(event, Gap) for event in bench.events))
        gap = next(event for event in bench.events if isinstance(event, Gap))
    assert (gap.cause, gap.ts_from, gap.ts_to) == ("bad-frames", stamp_ns, stamp_ns + 7_500_000_000)


async def test_bad_frames_are_counted_and_sampled(eventually: Wait) -> None:
    """One bad frame costs that frame: the stream goes on. Keeps S2-22, S4-33, S4-44."""
    async with Bench() as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        bench.socket.receive(ACK, b'{"e":"aggTrade"', b"\xff" * 1000, TRADE % 9)
        await eventually(lambda: bench.connection.counts.decoded == 1)
        assert bench.connection.counts.rejected == 2
        assert max(len(raw) for _, raw in bench.connection.counts.samples) == 512
        assert len(bench.connector.sockets) == 1


def test_quiet_channels_are_given_longer() -> None:
    """Liquidations alone may be quiet for a minute; best bid and ask may not."""
    quiet = ConnectionPlan("q", "/", (Topic("all", (Stream(Channel.LIQUIDATIONS, None),)),))
    assert Bench(plan=quiet).connection.silent_after_s == 12 * Bench().connection.silent_after_s


async def test_everything_is_recorded_when_asked(eventually: Wait, tmp_path: Path) -> None:
    """Frames as they came, and the marks between them. Keeps S4-49."""
    recorder = Recorder(tmp_path / "r", Header(venue="binance", data="observed"))
    async with Bench(recorder=recorder) as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        bench.socket.receive(ACK, TRADE % 1)
        bench.socket.gone.set()
        await eventually(lambda: bench.causes() == ["disconnect"])
        await eventually(lambda: sum(isinstance(event, Connected) for event in bench.events) == 2)
    recorder.close()
    records = list(Tape(tmp_path / "r").records())
    assert [r.payload for r in records if r.kind == Kind.FRAME] == [ACK, TRADE % 1]
    assert [type(mark_of(r)) for r in records if r.kind == Kind.EVENT] == [
        Connected,
        Subscribed,
        Disconnected,
        Connected,
    ]


def test_backoff_is_full_jitter_up_to_a_minute() -> None:
    """Each wait is uniform in [0, min(2^n, 60)] seconds. Keeps S2-16, S2-17, S4-48."""
    rng = random.Random(1)
    for attempt, bound in [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (2000, 60)]:
        waits = [full_jitter(attempt, 1.0, 60.0, rng) for _ in range(4000)]
        assert 0 <= min(waits) < 0.05 * bound
        assert 0.95 * bound < max(waits) <= bound


async def test_the_backoff_starts_anew_only_when_healthy(eventually: Wait) -> None:
    """A socket that opens and dies at once does not reset the counter; one that brought data does. Keeps S2-18."""
    async with Bench(settings={"healthy_after_s": 0.05, "silent_after_s": 0.5}) as bench:
        for died in range(1, 4):
            await eventually(lambda n=died: len(bench.connector.sockets) == n)  # type: ignore[misc]  # bound now
            bench.socket.gone.set()
        await eventually(lambda: len(bench.connector.sockets) == 4)
        assert bench.connection.failures == 3
        bench.socket.receive(ACK, TRADE % 1)
        await eventually(lambda: bench.connection.has_data and (bench.connection.silent_s or 1.0) < 0.05)
        await eventually(lambda: (bench.connection.silent_s or 0.0) > 0.1)
        bench.socket.receive(TRADE % 2)
        await eventually(lambda: (bench.connection.silent_s or 1.0) < 0.1)
        bench.socket.gone.set()
        await eventually(lambda: len(bench.connector.sockets) == 5)
        assert bench.connection.failures == 1


_BOOK = Stream(Channel.BOOK, _BTC.id)
TWO = ConnectionPlan(
    "binance/public/0", "/public", (Topic("btcusdt@aggTrade", (_TRADES,)), Topic("btcusdt@depth", (_BOOK,)))
)
REFUSAL = b'{"error":{"code":2,"msg":"Invalid request: no such stream"},"id":%d}'


async def test_one_refused_topic_is_reported_and_the_others_go_on(eventually: Wait) -> None:
    """The bad topic is found by asking in halves, told as `Unheard`, and asked for again later. RELIABILITY A7."""
    async with Bench(plan=TWO, settings={"refused_retry_s": 0.05}) as bench:
        await eventually(lambda: bool(bench.connector.sockets) and len(bench.socket.sent) == 1)
        bench.socket.receive(REFUSAL % 1)
        await eventually(lambda: len(bench.socket.sent) == 3)
        assert bench.socket.sent[1:] == [b"+2 btcusdt@aggTrade", b"+3 btcusdt@depth"]
        bench.socket.receive(b'{"result":null,"id":2}', REFUSAL % 3, TRADE % 1)
        await eventually(lambda: any(isinstance(event, Unheard) for event in bench.events))
        (unheard,) = [event for event in bench.events if isinstance(event, Unheard)]
        assert (unheard.streams, unheard.cause) == ((_BOOK,), "refused")
        assert [event.streams for event in bench.events if isinstance(event, Subscribed)] == [(_TRADES,)]
        await eventually(lambda: len(bench.socket.sent) == 4)
        bench.socket.receive(b'{"result":null,"id":4}', TRADE % 2)
        await eventually(lambda: sum(isinstance(event, Subscribed) for event in bench.events) == 2)
        assert bench.causes() == []
        assert len(bench.connector.sockets) == 1


async def test_a_book_is_subscribed_anew_on_the_same_socket(eventually: Wait) -> None:
    """A hole in a book that begins with its subscription costs its topic, not the connection."""
    async with Bench(plan=TWO) as bench:
        assert not bench.connection.renew(_BOOK)
        await eventually(lambda: bool(bench.connector.sockets) and len(bench.socket.sent) == 1)
        bench.socket.receive(ACK)
        assert bench.connection.renew(_BOOK)
        await eventually(lambda: len(bench.socket.sent) == 3)
        assert bench.socket.sent[1:] == [b"-2 btcusdt@depth", b"+3 btcusdt@depth"]


@pytest.mark.parametrize("is_rejoined", [True, False])
async def test_what_is_said_while_a_topic_is_begun_anew_is_missing(eventually: Wait, *, is_rejoined: bool) -> None:
    """Keeps B5. It may have spoken again by the time it is left: from leaving to rejoining, or the end, is a gap."""
    async with Bench(plan=TWO) as bench:
        await eventually(lambda: bool(bench.connector.sockets) and len(bench.socket.sent) == 1)
        bench.connection.lead_ns = 2_000_000_000
        bench.socket.receive(ACK)
        before = bench.connection._clock.now_ns()
        assert bench.connection.renew(_TRADES)
        assert bench.connection.renew(_BOOK)
        await eventually(lambda: len(bench.socket.sent) == 3)
        assert not [event for event in bench.events if isinstance(event, Gap)]
        if is_rejoined:
            bench.socket.receive(ACK.replace(b"1", b"3"))
        else:
            bench.socket.close()
        await eventually(lambda: any(isinstance(event, Gap) for event in bench.events))
        gaps = [event for event in bench.events if isinstance(event, Gap)]
        after = bench.connection._clock.now_ns()
    assert [(gap.streams, gap.cause) for gap in gaps] == [((_TRADES,), "renewed")], "a book has a gap of its own"
    assert gaps[0].ts_to is not None
    assert before <= gaps[0].ts_from < gaps[0].ts_to <= after + 2_000_000_000
    assert gaps[0].ts_to >= before + 2_000_000_000, "the venue's clock is ahead"


async def test_a_connection_is_replaced_before_its_time_is_over(eventually: Wait) -> None:
    """The second is heard before the first is let go, and what both bring counts once. RELIABILITY A3."""
    async with Bench(settings={"rotate_after_s": 0.2}) as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        first = bench.socket
        first.receive_later(ACK, TRADE % 1)
        await eventually(lambda: len(bench.connector.sockets) == 2)
        second = bench.socket
        await eventually(lambda: bool(second.sent))
        first.receive_later(TRADE % 2)
        second.receive_later(ACK, TRADE % 2, TRADE % 3)
        first.receive_later(TRADE % 3, TRADE % 4)
        assert not first.gone.is_set()
        both = {"binance/market/0", "binance/market/0b"}
        assert {alive.connection for alive in bench.connection.pulses(moment_ns())} == both
        for number in (5, 6):
            assert not first.gone.is_set()
            first.receive_later(TRADE % number)
            second.receive_later(TRADE % number)
            assert {alive.connection for alive in bench.connection.pulses(moment_ns())} == both
        await eventually(first.gone.is_set)
        second.receive_later(TRADE % 6, TRADE % 7)
        await eventually(lambda: bench.causes()[:1] == ["rotated"])
        await eventually(lambda: any(isinstance(event, Trade) and event.trade_id == 7 for event in bench.events))
        assert [event.trade_id for event in bench.events if isinstance(event, Trade)] == [1, 2, 3, 4, 5, 6, 7]
        assert bench.connection.failures == 0
        names = [event.connection for event in bench.events if isinstance(event, Connected)]
        assert names[:2] == ["binance/market/0", "binance/market/0b"]


async def test_a_connection_with_a_silent_stream_makes_room_for_another(eventually: Wait) -> None:
    """Asked to be replaced, it goes on until its successor hears what it hears, then ends by that cause.

    Keeps B5.
    """
    async with Bench() as bench:
        connection = bench.connection
        assert not connection.replace("silent-stream")  # nothing is open yet
        await eventually(lambda: bool(bench.connector.sockets) and bench.socket.sent == [ASKED])
        elder = bench.socket
        elder.receive_later(ACK, TRADE % 1)
        await eventually(lambda: connection.is_settled)
        assert connection.replace("silent-stream")
        assert not connection.replace("silent-stream")  # it is under way
        await eventually(lambda: bench.socket is not elder and bench.socket.sent == [ASKED])
        bench.socket.receive_later(ACK)
        for number in range(2, 8):
            elder.receive_later(TRADE % number)
            bench.socket.receive_later(TRADE % number)
            list(connection.pulses(moment_ns()))
        await eventually(lambda: bench.causes() == ["silent-stream"])
        await eventually(lambda: connection.subscribed == ["binance/market/0b"])
        assert connection.replace("silent-stream")
        bench.socket.gone.set()  # gone before it could be replaced: the next one is not to blame
        await eventually(lambda: len(bench.connector.sockets) >= 3 and connection._unfit is None)


async def test_a_program_that_stood_still_does_not_blame_the_venue(eventually: Wait) -> None:
    """The event loop blocked for longer than silence may last: the connection is kept, and judged anew."""
    async with Bench(settings={"silent_after_s": 1.0, "ack_timeout_s": 1.0}) as bench:
        await eventually(lambda: bool(bench.connector.sockets) and bench.socket.sent == [ASKED])
        bench.socket.receive(ACK, TRADE % 1)
        await eventually(lambda: bench.connection.is_settled)
        time.sleep(2.5)  # the fault itself
        await asyncio.sleep(0)
        bench.socket.receive(TRADE % 2)
        await eventually(lambda: len([e for e in bench.events if isinstance(e, Trade)]) == 2)
        assert bench.causes() == []
        await eventually(lambda: bench.causes() == ["silent"])  # nothing more comes: now it is the venue's silence


async def test_a_venue_that_says_goodbye_is_left_before(eventually: Wait) -> None:
    """A notice of the end opens the successor at once, while the old connection still hears."""
    async with Bench() as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        bench.socket.receive(ACK, b'{"e":"serverShutdown","E":1790757203016}', TRADE % 1)
        await eventually(lambda: len(bench.connector.sockets) == 2)
        assert bench.causes() == []


async def test_a_successor_that_fails_is_tried_again_while_the_elder_hears(eventually: Wait) -> None:
    """Being unable to replace a connection costs nothing until the venue ends it."""
    async with Bench(settings={"rotate_after_s": 0.1}) as bench:
        await eventually(lambda: len(bench.connector.sockets) == 1)
        first = bench.socket
        first.receive(ACK, TRADE % 1)
        bench.connector.refusals = 2
        await eventually(lambda: bench.connection.attempts >= 4)
        assert not first.gone.is_set()
        first.gone.set()
        await eventually(lambda: bench.causes()[:1] == ["disconnect"])


async def test_pings_are_sent_and_a_socket_without_any_answer_is_given_up(eventually: Wait) -> None:
    """A quiet connection that does not even answer pings is half open. RELIABILITY A6."""
    quiet = ConnectionPlan("binance/market/0", "/", (Topic("all", (Stream(Channel.LIQUIDATIONS, None),)),))
    talkative = Dialogue(
        subscribe=DIALOGUE.subscribe,
        unsubscribe=DIALOGUE.unsubscribe,
        topics_per_request=50,
        between_requests_s=0.001,
        ping=b"ping",
        ping_every_s=0.05,
    )
    async with Bench(plan=quiet, dialogue=talkative, settings={"silent_after_s": 0.15}) as bench:
        await eventually(lambda: bool(bench.connector.sockets) and b"ping" in bench.socket.sent)
        bench.socket.receive(ACK)
        await eventually(lambda: bench.causes() == ["no-pong"])


async def test_a_topic_that_costs_the_connection_is_set_aside(eventually: Wait) -> None:
    """Hyperliquid hangs up on a coin it does not know, without a word: after two times the others go on without it."""
    one_by_one = Dialogue(
        subscribe=DIALOGUE.subscribe,
        unsubscribe=DIALOGUE.unsubscribe,
        topics_per_request=1,
        between_requests_s=0.001,
    )
    async with Bench(plan=TWO, dialogue=one_by_one, settings={"refused_retry_s": 30.0}) as bench:
        for died in (1, 2):
            await eventually(lambda n=died: len(bench.connector.sockets) == n and len(bench.socket.sent) == 2)  # type: ignore[misc]  # bound now
            bench.socket.receive(ACK)
            bench.socket.gone.set()
        await eventually(lambda: len(bench.connector.sockets) == 3 and bool(bench.socket.sent))
        bench.socket.receive(ACK, TRADE % 1)
        await eventually(lambda: any(isinstance(event, Unheard) for event in bench.events))
        (unheard,) = [event for event in bench.events if isinstance(event, Unheard)]
        assert (unheard.streams, unheard.cause) == ((_BOOK,), "refused")
        assert bench.socket.sent == [ASKED]
        assert bench.connection.suspects == ["btcusdt@depth"]

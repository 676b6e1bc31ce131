"""Frames to events: the decoder against the msgspec floor, and the whole socket path against bare picows + msgspec."""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import uvloop
from measure import cpu_ns, interleaved, judge, ratio, tell
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from wire_frames import STAMPED_NS, frames, mix

from perpscope.app.turns import calm_collector
from perpscope.engine.engine import Engine
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Stream, Topic
from perpscope.settings import Feed
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.venues.binance import VENUE

MESSAGES = 100_000
_WARM = 1_000
_BTC = VENUE.instrument_named("BTCUSDT")
assert _BTC is not None
_CATALOGUE = {"BTCUSDT": _BTC}


class _Union(msgspec.Struct, tag_field="e", gc=False):
    E: int
    s: str = ""


class _Trade(_Union, tag="aggTrade", gc=False):
    a: int = 0
    p: float = 0.0
    q: float = 0.0
    T: int = 0
    m: bool = False


class _Ticker(_Union, tag="bookTicker", gc=False):
    u: int = 0
    b: float = 0.0
    B: float = 0.0
    a: float = 0.0
    A: float = 0.0
    T: int = 0


class _Depth(_Union, tag="depthUpdate", gc=False):
    U: int = 0
    u: int = 0
    pu: int = 0
    b: list[tuple[float, float]] = []
    a: list[tuple[float, float]] = []
    T: int = 0


class _Bar(msgspec.Struct, gc=False, rename={"low": "l"}):
    t: int
    T: int
    i: str
    o: float
    c: float
    h: float
    low: float
    v: float
    n: int
    x: bool
    q: float
    V: float
    Q: float


class _Kline(_Union, tag="kline", gc=False):
    k: _Bar | None = None


class _Mark(_Union, tag="markPriceUpdate", gc=False):
    p: float = 0.0
    i: float = 0.0
    r: float = 0.0
    T: int = 0


class _Order(msgspec.Struct, gc=False):
    s: str
    S: Literal["BUY", "SELL"]
    q: float
    p: float
    ap: float
    X: str
    z: float
    T: int


class _Force(_Union, tag="forceOrder", gc=False):
    o: _Order | None = None


class _Envelope(msgspec.Struct, gc=False):
    data: _Trade | _Ticker | _Depth | _Kline | _Mark | _Force


_decode = msgspec.json.Decoder(_Envelope, strict=False).decode


def _floor_handler() -> Callable[[bytes | memoryview], None]:
    """One typed msgspec decode and one dict dispatch: nothing is validated or renamed."""
    seen = [0]

    def count(_: object) -> None:
        seen[0] += 1

    table: dict[type[object], Callable[[object], None]] = dict.fromkeys(
        (_Trade, _Ticker, _Depth, _Kline, _Mark, _Force), count
    )

    def handle(raw: bytes | memoryview) -> None:
        message = _decode(raw).data
        table[type(message)](message)

    return handle


def handler() -> bool:
    """Frame to validated event, without a socket."""
    tape = mix(50_000)
    floor = _floor_handler()
    decode = VENUE.decoder(_CATALOGUE).decode

    def ours() -> None:
        for frame in tape:
            decode(frame, 1)

    def bare() -> None:
        for frame in tape:
            floor(frame)

    figures = interleaved(
        {
            "msgspec tagged union + dict dispatch (floor)": lambda: cpu_ns(bare, len(tape)),
            "frame → validated event": lambda: cpu_ns(ours, len(tape)),
        }
    )
    tell("frame → event, CPU per frame", figures)
    a, b = figures.values()
    met = judge("handler ÷ floor", ratio(b, a), 1.5)
    for kind, frame in frames().items():
        single = interleaved(
            {"floor": partial(_repeat, floor, frame), "ours": partial(_repeat, partial(decode, ts_recv=1), frame)},
            rounds=5,
        )
        print(f"      {kind:<12} {single['ours'].median:>8,.0f} ns   ×{ratio(single['ours'], single['floor']):.2f}")
    return met


def _repeat(handle: Callable[[bytes], object], frame: bytes) -> float:
    def often() -> None:
        for _ in range(5_000):
            handle(frame)

    return cpu_ns(often, 5_000)


@contextlib.contextmanager
def blast(*how: str) -> Iterator[str]:
    """The address of a server that sends the mix, in a process of its own."""
    folder = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, str(folder / "blast.py"), str(MESSAGES), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield f"ws://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


class _Bare(WSListener):
    def __init__(self) -> None:
        self._handle = _floor_handler()
        self.seen = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.seen += 1
            if self.seen > 1:
                self._handle(frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def _bare_run(url: str) -> float:
    transport, _ = await ws_connect(_Bare, url)
    started = time.process_time_ns()
    transport.send(WSMsgType.TEXT, b"go")
    await transport.wait_disconnected()
    return (time.process_time_ns() - started) / MESSAGES


class _NoHttp:
    async def get(self, request: HttpRequest) -> bytes:
        raise OSError(f"no REST here: {request.path}")


async def _ours_run(url: str, consume: Callable[[list[Arrival]], None]) -> float:
    clock = MarketClock()
    feed = LiveFeed(
        clock=clock,
        connector=PicowsConnector(clock, timeout_s=5, max_frame_bytes=1 << 20),
        settings=Feed(),
        rng=random.Random(1),
    )
    streams = tuple(Stream(channel, _BTC.id) for channel in Channel)  # type: ignore[union-attr]  # asserted above
    plan = ConnectionPlan("binance/bench/0", "/", (Topic("go", streams),))
    lead_ns = STAMPED_NS - clock.now_ns()  # or frames of another day would be set aside
    feed.add(Listening(VENUE, url, _NoHttp(), (), (plan,), lead_ns=lead_ns))
    started = seen = first = 0
    async for batch in feed.batches():
        consume(batch)
        seen += len(batch)
        if seen >= MESSAGES:
            break
        if seen >= _WARM and not first:  # connecting and subscribing are not in it, nor in what it is held against
            started, first = time.process_time_ns(), seen
    return (time.process_time_ns() - started) / (seen - first)


def mean_of_three(connection: Callable[[], float]) -> float:
    """One round: a single connection is over so soon that it may meet another load than the next one's."""
    return statistics.fmean(connection() for _ in range(3))


def through(url: str, *, state: bool, store: bool) -> float:
    """Socket to event, and on request to the engine's state and to the store."""
    with tempfile.TemporaryDirectory() as folder:
        kept = SqliteStore.open(Path(folder) / "b.db", kind=StoreKind.REPLAY) if store else None
        engine = Engine(sinks=[kept.sink()] if kept is not None else [])

        def process(batch: list[Arrival]) -> None:
            for event in batch:
                engine.process(event)

        def nothing(batch: list[Arrival]) -> None:
            for _ in batch:
                pass

        figure = uvloop.run(_ours_run(url, process if state else nothing))
        if kept is not None:
            kept.register([_BTC])  # type: ignore[list-item]  # asserted above
            kept.close()
        return figure


def socket() -> bool:
    """Loopback socket to event, then to state, then to the store; the collector calmed as in the heart, for all."""
    calm_collector()
    with blast() as url:
        figures = interleaved(
            {
                "bare picows + msgspec union (floor)": lambda: mean_of_three(lambda: uvloop.run(_bare_run(url))),
                "socket → event": lambda: mean_of_three(lambda: through(url, state=False, store=False)),
                "socket → event → state": lambda: mean_of_three(lambda: through(url, state=True, store=False)),
                "socket → event → state → store": lambda: mean_of_three(lambda: through(url, state=True, store=True)),
            }
        )
    tell(f"loopback WebSocket, {MESSAGES:,} frames of the mix, CPU per frame", figures)
    floor, event, state, store = figures.values()
    met = judge("socket → event ÷ floor", ratio(event, floor), 1.7)
    whole = min(store.rounds)  # shares of least rounds: differences of medians drown in what else the machine does
    for name, figure, before in (("event", event, None), ("state", state, event), ("store", store, state)):
        share = min(figure.rounds) - (min(before.rounds) if before is not None else 0.0)
        print(f"      {name:<12} {share:>8,.0f} ns   {100 * share / whole:.0f} % of the whole")
    return met

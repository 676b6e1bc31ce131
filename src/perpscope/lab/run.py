"""Opens the lab: joins clock, market or tape, sockets and REST into one exchange on loopback, or several on one clock.

In: a seed, or recorded frames. Out: a `Lab` that can be pointed at by URL and closed. Everything else in this folder
is a part; this module alone constructs them.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec

from perpscope.errors import DataError
from perpscope.lab.clock import NS_PER_S, LabClock, wall_ns
from perpscope.lab.dialect import VENUES, Dialect, SessionRules, dialect
from perpscope.lab.faults import FaultScript
from perpscope.lab.front import Front
from perpscope.lab.ledger import Ledger
from perpscope.lab.market import Market
from perpscope.lab.nemesis import Nemesis
from perpscope.lab.playback import Playback, split
from perpscope.lab.publisher import Publisher
from perpscope.lab.rest import LabRest
from perpscope.lab.server import LabServer
from perpscope.lab.tape import TapedFrame
from perpscope.model.instrument import Instrument

_MINUTE_NS = 60 * NS_PER_S
_UNPACED_BUFFER = 1024 * 1024
_HOST = "127.0.0.1"


class Source(Protocol):
    """Where the exchange's market comes from: a seed or a tape."""

    def start(self) -> None:
        """Let it begin, if it waits."""
        ...

    async def run(self) -> None:
        """Publish until there is no more."""
        ...


class Lab:
    """A running exchange. Use it as an async context manager, or call `aclose`."""

    def __init__(self, source: Source, server: LabServer, rest: LabRest, front: Front, urls: tuple[str, str]) -> None:
        self.source = source
        self.server = server
        self.rest = rest
        #: base URLs, without a route or path; REST's port takes WebSocket connections too
        self.websocket_url, self.rest_url = urls
        self._front = front
        self._running = asyncio.get_running_loop().create_task(source.run())
        self._misfortunes: list[asyncio.Task[None]] = []

    @property
    def clock(self) -> LabClock:
        """Market time."""
        return self.server.clock

    @property
    def ledger(self) -> Ledger:
        """What was sent to whom."""
        return self.server.ledger

    def start(self) -> None:
        """Let market time run, if it is held."""
        self.source.start()

    def suffer(self, script: FaultScript) -> Nemesis:
        """Let a fault script happen, counted from now in market time; nothing of it begins while the clock is held."""
        nemesis = Nemesis(script, self.server, self.rest)
        self._misfortunes.append(asyncio.get_running_loop().create_task(nemesis.run()))
        return nemesis

    async def finished(self) -> None:
        """Wait for the end of the tape; a seeded market has none.

        Raises:
            Exception: whatever ended it early.
        """
        await asyncio.shield(self._running)

    async def aclose(self) -> None:
        """Cut every connection and stop listening.

        Raises:
            Exception: whatever ended the market early.
        """
        tasks = [*self._misfortunes, self._running]
        for task in tasks:
            task.cancel()
        await self.server.aclose()
        await self._front.aclose()
        await self.rest.aclose()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Labs:
    """Several exchanges on one clock; an async context manager. `labs["okx"]` is one of them."""

    def __init__(self, labs: dict[str, Lab], clock: LabClock) -> None:
        self.by_venue = labs
        self.clock = clock

    def __getitem__(self, venue: str) -> Lab:
        return self.by_venue[venue]

    def start(self) -> None:
        """Let market time run, if it is held."""
        self.clock.start()

    def suffer(self, script: FaultScript) -> None:
        """Let a fault script happen on each exchange it names, counted from now in market time."""
        for lab in self.by_venue.values():
            lab.suffer(script)

    async def aclose(self) -> None:
        """Close all of them.

        Raises:
            Exception: whatever ended a market early.
        """
        async with contextlib.AsyncExitStack() as stack:
            for lab in self.by_venue.values():
                stack.push_async_callback(lab.aclose)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def serve_market(
    seed: int,
    rate: float = 1.0,
    *,
    venue: str = "binance",
    symbols: tuple[str, ...] = (),
    ts_start: int | None = None,
    is_held: bool = False,
    rules: SessionRules | None = None,
    keep_rows: int = 0,
    activity: float = 6.0,
    ports: tuple[int, int] = (0, 0),
) -> Lab:
    """Open an exchange on a seeded market.

    Args:
        seed: the same seed, start and symbols give the same events.
        rate: market seconds per real second.
        venue: whose wire it speaks.
        symbols: what is traded, in the venue's names or as bases; eight contracts if empty.
        ts_start: ns UTC, on a whole second; the current minute if None.
        is_held: let market time stand still until `clock.start()`.
        rules: what is demanded of a connection; the venue's own if None.
        keep_rows: how many sent frames the ledger remembers.
        activity: moments per second at which something happens in each symbol.
        ports: of WebSocket and of REST (which takes WebSocket connections too); 0 for any free one.

    Raises:
        ConfigError: the venue is not spoken, or a symbol not traded here.
        OSError: a port is taken.
    """
    clock = LabClock(_start_ns(ts_start), rate)
    wire = dialect(venue)
    market = Market(seed, _start_ns(ts_start), symbols, activity, wire=wire)
    lab = await _market_opened(market, clock, wire, rules, keep_rows, ports)
    if not is_held:
        lab.start()
    return lab


async def serve_markets(
    seed: int,
    rate: float = 1.0,
    *,
    venues: Sequence[str] = VENUES,
    symbols: tuple[str, ...] = (),
    ts_start: int | None = None,
    is_held: bool = False,
    rules: SessionRules | None = None,
    keep_rows: int = 0,
    activity: float = 6.0,
) -> Labs:
    """Open several exchanges on one clock; the prices of all keep near those of the first.

    Args:
        seed: the same seed, start, symbols and first venue give the same events on each.
        rate: market seconds per real second.
        venues: whose wires are spoken; the first leads.
        symbols: bases ("BTC") traded on all of them; eight contracts if empty.
        ts_start: ns UTC, on a whole second; the current minute if None.
        is_held: let market time stand still until `start()`.
        rules: what is demanded of a connection everywhere; each venue's own if None.
        keep_rows: how many sent frames each ledger remembers.
        activity: moments per second at which something happens in each symbol.

    Raises:
        ConfigError: a venue is not spoken, or a symbol not traded here.
    """
    start = _start_ns(ts_start)
    clock = LabClock(start, rate)
    wires = [dialect(venue) for venue in dict.fromkeys(venues)]
    leader: Market | None = None
    async with contextlib.AsyncExitStack() as stack:
        labs: dict[str, Lab] = {}
        for wire in wires:
            market = Market(seed, start, symbols, activity, wire=wire, leader=leader)
            leader = leader or market
            lab = await _market_opened(market, clock, wire, rules, keep_rows, (0, 0))
            stack.push_async_callback(lab.aclose)
            labs[wire.venue] = lab
        stack.pop_all()
    if not is_held:
        clock.start()
    return Labs(labs, clock)


async def serve_playback(
    frames: Iterable[TapedFrame],
    rate: float = 1.0,
    *,
    start_when: int | None = None,
    instruments: Sequence[Instrument] = (),
    rules: SessionRules | None = None,
    keep_rows: int = 0,
) -> Lab:
    """Open an exchange that plays a recording of Binance. Its clock is held at the first frame until the start.

    Args:
        frames: `(connection, ts_ns, frame)` in the order received; read as it is played.
        rate: market seconds per real second; `math.inf` for as fast as the clients take it.
        start_when: start when so many streams are subscribed; None to wait for `start()`.
        instruments: what is traded; read off the first frames if empty.
        rules: what is demanded of a connection; unpaced, slow clients are waited for instead of dropped.
        keep_rows: how many sent frames the ledger remembers.

    Raises:
        DataError: there is no frame.
    """
    prefix, rest = split(frames)
    if not prefix:
        raise DataError("recording-empty", "the recording has no frames", hint="record some, or choose another file")
    clock = LabClock(prefix[0][1], rate)
    wire = dialect("binance")
    if rules is None and not clock.is_paced:
        rules = msgspec.structs.replace(wire.rules, buffer_bytes=_UNPACED_BUFFER)
    server = LabServer(clock, Ledger(clock, keep_rows), wire, rules)
    server.waits_for_slow = not clock.is_paced
    return await _opened(Playback(prefix, rest, server, instruments, start_when), server, wire, (0, 0))


def _start_ns(ts_start: int | None) -> int:
    return wall_ns() // _MINUTE_NS * _MINUTE_NS if ts_start is None else ts_start


async def _market_opened(
    market: Market,
    clock: LabClock,
    wire: Dialect,
    rules: SessionRules | None,
    keep_rows: int,
    ports: tuple[int, int],
) -> Lab:
    server = LabServer(clock, Ledger(clock, keep_rows), wire, rules)
    return await _opened(Publisher(market, clock, server, wire.teller), server, wire, ports)


async def _opened(source: Publisher | Playback, server: LabServer, wire: Dialect, ports: tuple[int, int]) -> Lab:
    """Listen on both ports, or on neither."""
    server.offer = source
    rest = LabRest(server.clock, wire.rest(source), server.ledger)
    front: Front | None = None
    try:
        websocket_url = await server.start(_HOST, ports[0])
        front = Front(_port(websocket_url), _port(await rest.start(_HOST)))
        rest_url = f"http://{_HOST}:{await front.start(_HOST, ports[1])}"
    except OSError:
        await server.aclose()
        await rest.aclose()
        raise
    return Lab(source, server, rest, front, (websocket_url, rest_url))


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])

"""Opens the lab: joins clock, market or tape, sockets and REST into one exchange on loopback.

In: a seed, or recorded frames. Out: a `Lab` that can be pointed at by URL and closed. Everything else in this folder
is a part; this module alone constructs them.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from perpscope.errors import DataError
from perpscope.lab.clock import NS_PER_S, LabClock, wall_ns
from perpscope.lab.ledger import Ledger
from perpscope.lab.market import Market
from perpscope.lab.playback import Playback, split
from perpscope.lab.publisher import Publisher
from perpscope.lab.rest import LabRest
from perpscope.lab.server import LabServer
from perpscope.lab.session import SessionRules
from perpscope.lab.tape import TapedFrame
from perpscope.model.instrument import Instrument

_MINUTE_NS = 60 * NS_PER_S
_UNPACED_BUFFER = 1024 * 1024


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

    def __init__(self, source: Source, server: LabServer, rest: LabRest, urls: tuple[str, str]) -> None:
        self.source = source
        self.server = server
        self.rest = rest
        self.websocket_url, self.rest_url = urls  #: base URLs, without a route or path
        self._running = asyncio.get_running_loop().create_task(source.run())

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
        self._running.cancel()
        await self.server.aclose()
        await self.rest.aclose()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

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
    symbols: tuple[str, ...] = (),
    ts_start: int | None = None,
    is_held: bool = False,
    rules: SessionRules | None = None,
    keep_rows: int = 0,
    activity: float = 6.0,
    websocket_port: int = 0,
    rest_port: int = 0,
) -> Lab:
    """Open an exchange on a seeded market.

    Args:
        seed: the same seed, start and symbols give the same events.
        rate: market seconds per real second.
        symbols: what is traded; eight contracts if empty.
        ts_start: ns UTC, on a whole second; the current minute if None.
        is_held: let market time stand still until `clock.start()`.
        rules: what is demanded of a connection.
        keep_rows: how many sent frames the ledger remembers.
        activity: moments per second at which something happens in each symbol.
        websocket_port: 0 for any free one.
        rest_port: likewise.

    Raises:
        ConfigError: a symbol is not traded here.
        OSError: a port is taken.
    """
    start = wall_ns() // _MINUTE_NS * _MINUTE_NS if ts_start is None else ts_start
    clock = LabClock(start, rate)
    server = LabServer(clock, Ledger(clock, keep_rows), rules)
    publisher = Publisher(Market(seed, start, symbols, activity), server)
    lab = await _opened(publisher, server, (websocket_port, rest_port))
    if not is_held:
        lab.start()
    return lab


async def serve_playback(
    frames: Iterable[TapedFrame],
    rate: float = 1.0,
    *,
    start_when: int | None = None,
    instruments: Sequence[Instrument] = (),
    rules: SessionRules | None = None,
    keep_rows: int = 0,
) -> Lab:
    """Open an exchange that plays a recording. Its clock is held at the first frame until the start.

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
    if rules is None:
        rules = SessionRules() if clock.is_paced else SessionRules(buffer_bytes=_UNPACED_BUFFER)
    server = LabServer(clock, Ledger(clock, keep_rows), rules)
    server.waits_for_slow = not clock.is_paced
    return await _opened(Playback(prefix, rest, server, instruments, start_when), server, (0, 0))


async def _opened(source: Publisher | Playback, server: LabServer, ports: tuple[int, int]) -> Lab:
    """Listen on both ports, or on neither."""
    rest = LabRest(server.clock, source, server.ledger)
    try:
        urls = await server.start(port=ports[0]), await rest.start(port=ports[1])
    except OSError:
        await server.aclose()
        await rest.aclose()
        raise
    return Lab(source, server, rest, urls)

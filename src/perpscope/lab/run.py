"""Opens the lab: joins clock, market or tape, sockets and REST into one exchange on loopback, or several on one clock.

In: a seed, or recorded frames. Out: a `Lab` that can be pointed at by URL and closed. Everything else in this folder
is a part; this module alone constructs them.
"""

import contextlib
from collections.abc import Iterable, Sequence

import msgspec

from perpscope.errors import DataError
from perpscope.lab.clock import NS_PER_S, LabClock, wall_ns
from perpscope.lab.crowds import People, gathered
from perpscope.lab.dialect import VENUES, Dialect, PrivateSide, SessionRules, dialect
from perpscope.lab.fingerprint import Witness
from perpscope.lab.front import Front
from perpscope.lab.ledger import Ledger
from perpscope.lab.market import Market, led
from perpscope.lab.overheard import Overheard
from perpscope.lab.playback import Playback, split
from perpscope.lab.publisher import Publisher
from perpscope.lab.rest import LabRest
from perpscope.lab.running import Lab, Labs
from perpscope.lab.server import LabServer
from perpscope.lab.tape import TapedFrame
from perpscope.model.instrument import Instrument

_MINUTE_NS = 60 * NS_PER_S
_UNPACED_BUFFER = 1024 * 1024
_HOST = "127.0.0.1"


async def serve_market(  # noqa: PLR0913 (what an exchange can be set to, by name)
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
    people: People | None = None,
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
        people: who trade BTC, ETH and SOL; nobody if None: the market is made of chance.

    Raises:
        ConfigError: the venue is not spoken, or a symbol not traded here.
        OSError: a port is taken.
        ValueError: the start is not where the people's past ends, or not on a whole second (with people: minute).
    """
    start, wire = _start_ns(ts_start), dialect(venue)
    crowds = await gathered(people, seed, wire, symbols, start)
    clock = LabClock(start, rate)
    market = Market(seed, start, symbols, activity, wire=wire, crowds=crowds)
    lab = await _market_opened(market, clock, wire, rules, keep_rows, ports)
    if not is_held:
        lab.start()
    return lab


async def serve_markets(  # noqa: PLR0913 (likewise)
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
    is_witnessed: bool = False,
    people: People | None = None,
) -> Labs:
    """Open several exchanges on one clock; the prices of all keep near those of the first.

    Args:
        seed: the same seed, start, symbols and first venue give the same events on each.
        rate: market seconds per real second.
        venues: whose wires are spoken; the first leads.
        symbols: bases ("BTC") traded on all of them; eight contracts if empty.
        ts_start: as of `serve_market`, as is what follows.
        is_held: on all.
        rules: on each.
        keep_rows: by each ledger.
        activity: on each.
        is_witnessed: hash what is told in the first minutes (`Labs.fingerprint`).
        people: the same ones trade on all venues.

    Raises:
        ConfigError: a venue is not spoken, or a symbol not traded here.
        ValueError: the start is not where the people's past ends, or not on a whole second (with people: minute).
    """
    start, wires = _start_ns(ts_start), [dialect(venue) for venue in dict.fromkeys(venues)]
    clock, crowds = LabClock(start, rate), await gathered(people, seed, wires[0], symbols, start)
    witnesses = {wire.venue: Witness(wire.venue, start) for wire in wires if is_witnessed}
    async with contextlib.AsyncExitStack() as stack:
        labs: dict[str, Lab] = {}
        for wire, market in zip(wires, led(wires, seed, start, symbols, activity, crowds), strict=True):
            opened = await _market_opened(market, clock, wire, rules, keep_rows, (0, 0), witnesses.get(wire.venue))
            labs[wire.venue] = await stack.enter_async_context(opened)
        stack.pop_all()
    if not is_held:
        clock.start()
    return Labs(labs, clock, tuple(witnesses.values()))


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
    witness: Witness | None = None,
) -> Lab:
    server = LabServer(clock, Ledger(clock, keep_rows), wire, rules)
    teller = wire.teller if witness is None else witness.around(wire.teller)
    return await _opened(Publisher(market, clock, server, teller), server, wire, ports)


async def _opened(source: Publisher | Playback, server: LabServer, wire: Dialect, ports: tuple[int, int]) -> Lab:
    """Listen on both ports, or on neither."""
    server.offer = source
    private: PrivateSide | None = None
    if wire.private is not None and isinstance(source, Publisher):
        private = wire.private(source, server)
        source.teller = Overheard(source.teller, private)
    side = server.side = private or wire.rest(source)
    reached = (lambda: source.ts_reached) if isinstance(source, Publisher) else None
    rest = LabRest(server.clock, side, server.ledger, reached)
    front: Front | None = None
    try:
        websocket_url = await server.start(_HOST, ports[0])
        front = Front(_port(websocket_url), _port(await rest.start(_HOST)))
        rest_url = f"http://{_HOST}:{await front.start(_HOST, ports[1])}"
    except OSError:
        await server.aclose()
        await rest.aclose()
        raise
    return Lab(source, server, rest, front, (websocket_url, rest_url), private)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])

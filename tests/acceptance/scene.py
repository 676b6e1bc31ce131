"""A lab of any venue with one plain listener of trades and one of a book, on which one word of the fault script falls.

What the exchange meant to tell is its ledger's truth; what came is the raw sockets'.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import msgspec
import pytest

from perpscope.lab.dialect import dialect
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.ledger import Told
from perpscope.lab.nemesis import Nemesis
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab

from .raw_socket import RawSocket

Json: TypeAlias = Any  # decoded; each venue's own

START = 1_790_000_040_000_000_000
#: Market seconds per real second.
RATE = 20.0
#: Longer than any test.
EVER_S = 100_000.0
_DEADLINE_S = 90.0


class Feed(NamedTuple):
    """A topic, and how a plain client asks for it."""

    topic: str  #: as the lab's server names it
    path: str
    wish: bytes


class Wire(NamedTuple):
    """What a plain client must know of a venue."""

    trades: Feed
    book: Feed
    book_id: Callable[[Json], int | None]  #: of a book's frame; None where books are not numbered
    clock: tuple[str, bytes]  #: a request whose answer tells the time: path, body of a POST if any
    goodbye: int  #: code with which connections are ended after a day
    refusal: bytes  #: in the answer to a topic that is refused
    ack: bytes  #: in the answer to one that is not
    notice: bytes = b""  #: in what is told before a connection is ended, where something is


def _binance(topic: str, path: str) -> Feed:
    return Feed(topic, path, b'{"method":"SUBSCRIBE","params":["%b"],"id":1}' % topic.encode())


def _bybit(topic: str) -> Feed:
    return Feed(topic, "/v5/public/linear", b'{"op":"subscribe","args":["%b"]}' % topic.encode())


def _okx(channel: str) -> Feed:
    args = b'{"channel":"%b","instId":"BTC-USDT-SWAP"}' % channel.encode()
    return Feed(f"{channel}:BTC-USDT-SWAP", "/ws/v5/public", b'{"op":"subscribe","args":[%b]}' % args)


def _bitget(channel: str) -> Feed:
    args = b'{"instType":"usdt-futures","topic":"%b","symbol":"BTCUSDT"}' % channel.encode()
    return Feed(f"v3:{channel}:BTCUSDT", "/v3/ws/public", b'{"op":"subscribe","args":[%b]}' % args)


def _hyperliquid(kind: str) -> Feed:
    wish = b'{"type":"%b","coin":"BTC"}' % kind.encode()
    return Feed(f"{kind}:BTC", "/ws", b'{"method":"subscribe","subscription":%b}' % wish)


WIRES: Mapping[str, Wire] = {
    "binance": Wire(
        _binance("btcusdt@aggTrade", "/market/ws"),
        _binance("btcusdt@depth@100ms", "/public/ws"),
        lambda frame: int(frame["u"]),
        ("/fapi/v1/time", b""),
        1001,
        b'"code"',
        b'"result":null',
    ),
    "bybit": Wire(
        _bybit("publicTrade.BTCUSDT"),
        _bybit("orderbook.50.BTCUSDT"),
        lambda frame: int(frame["data"]["seq"]),
        ("/v5/market/time", b""),
        1000,
        b"handler not found",
        b'"success":true',
    ),
    "okx": Wire(
        _okx("trades"),
        _okx("books"),
        lambda frame: int(frame["data"][0]["seqId"]),
        ("/api/v5/public/time", b""),
        1001,
        b'"event":"error"',
        b'"event":"subscribe"',
        b'"code":"64008"',
    ),
    "bitget": Wire(
        _bitget("publicTrade"),
        _bitget("books"),
        lambda frame: int(frame["data"][0]["seq"]),
        ("/api/v3/public/time", b""),
        1000,
        b'"event":"error"',
        b'"event":"subscribe"',
    ),
    "hyperliquid": Wire(
        _hyperliquid("trades"),
        _hyperliquid("l2Book"),
        lambda _: None,
        ("/info", b'{"type":"exchangeStatus"}'),
        1000,
        b'"channel":"error"',
        b"subscriptionResponse",
    ),
}


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, or fail saying what did not come."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {_DEADLINE_S:g} s: {what}")
        await asyncio.sleep(0.005)


class Scene:
    """One lab, its two listeners, and the word that falls."""

    def __init__(self, lab: Lab, wire: Wire, open_socket: Callable[[Feed], Any]) -> None:
        self.lab = lab
        self.wire = wire
        self.connect = open_socket  #: connect as a feed wants it, saying nothing
        self.trades: RawSocket
        self.book: RawSocket
        self.nemesis: Nemesis
        self.fault: Fault

    async def listen(self, feed: Feed) -> RawSocket:
        """Connect and subscribe."""
        socket: RawSocket = await self.connect(feed)
        socket.say(feed.wish)
        return socket

    def told(self, feed: Feed) -> list[Told]:
        """What the exchange has meant to tell of a topic, oldest first."""
        return [told for told in self.lab.ledger.truth if told.topic == feed.topic]

    async def has_begun(self) -> None:
        """Wait until both listeners hear."""
        for socket, feed in ((self.trades, self.wire.trades), (self.book, self.wire.book)):
            await until(lambda s=socket, f=feed: self._is_heard(s, f), f"the first frames of {feed.topic}")  # type: ignore[misc]  # bound now

    def _is_heard(self, socket: RawSocket, feed: Feed) -> bool:
        told = {row.payload for row in self.told(feed)}
        return sum(frame in told for frame in socket.heard) > 3

    async def suffer(self, kind: FaultKind, amount: float = 0.0, *, target: str = "", for_s: float = EVER_S) -> None:
        """Let the word fall, now."""
        self.fault = Fault(kind, 0.0, for_s, target=target, amount=amount)
        self.nemesis = self.lab.suffer(FaultScript.of([self.fault]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Market time stands meanwhile: what has begun does not end."""
        self.lab.clock.hold()
        yield
        self.lab.clock.start()

    async def is_over(self, socket: RawSocket, feed: Feed) -> None:
        """Wait until the word's time is over, and a frame has come that was told after it."""
        await until(self.nemesis.is_over.is_set, "the end of the fault")
        before = len(self.told(feed))
        await until(lambda: len(self.told(feed)) > before, "something told after the fault")
        after = self.told(feed)[before].payload
        await until(lambda: after in socket.heard, "something heard after the fault")

    async def grown(self, feed: Feed, frames: int) -> list[bytes]:
        """Wait until so many more payloads have been meant; returns them."""
        before = len(self.told(feed))
        await until(lambda: len(self.told(feed)) >= before + frames, f"{frames} more frames of {feed.topic} meant")
        return [told.payload for told in self.told(feed)[before:]]

    async def answered(self, socket: RawSocket) -> None:
        """Wait for a pong: whatever was sent before it has come."""
        before = socket.pongs
        socket.ping()
        await until(lambda: socket.pongs > before, "a pong")

    def against(self, socket: RawSocket, feed: Feed) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """Between the first and the last true frame heard: what was meant, what came, both in order; what came in vain.

        Returns:
            Meant, heard, and of the heard those that were not meant.
        """
        meant = [told.payload for told in self.told(feed)]
        true = set(meant)
        places = [at for at, frame in enumerate(socket.heard) if frame in true]
        heard = socket.heard[places[0] : places[-1] + 1]
        meant = meant[meant.index(heard[0]) : meant.index(heard[-1]) + 1]
        return meant, heard, [frame for frame in heard if frame not in true]


@asynccontextmanager
async def scene(venue: str) -> AsyncIterator[Scene]:
    """A venue's lab, two listeners that hear, the truth kept; the lab is closed after."""
    wire = WIRES[venue]
    rules = msgspec.structs.replace(dialect(venue).rules, connects=None, notice_s=0.1)
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(
            await serve_market(7, RATE, venue=venue, symbols=("BTC",), ts_start=START, rules=rules)
        )
        lab.ledger.keep_truth = lambda topic: topic in (wire.trades.topic, wire.book.topic)

        async def connect(feed: Feed) -> RawSocket:
            socket = await RawSocket.connect(lab.websocket_url, feed.path, lab.clock.now_ns)
            stack.push_async_callback(socket.aclose)
            return socket

        found = Scene(lab, wire, connect)
        found.trades, found.book = await found.listen(wire.trades), await found.listen(wire.book)
        await found.has_begun()
        yield found

"""What push is tested with: a heart in memory, a service around a hub, and a client that keeps to the documents."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from perpscope.app.face import Live
from perpscope.app.status import Database, Status
from perpscope.model.bulletin import BusHealth, MarketLine, Message, Topic
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.settings import Web
from perpscope.stores.status import EventCounts, StoreKind
from perpscope.web.push import Hub, routes
from perpscope.web.push.wire import UVICORN

BTC, ETH = InstrumentId("BTC-USDT-PERP.BINANCE"), InstrumentId("ETH-USDT-PERP.BYBIT")
NOW = 1_790_757_203_000_000_000
STATUS = Status(EventCounts(1, 1, 1, {}, {"BUY": 1, "SELL": 0}), [], Database("m.db", 1), StoreKind.DEMO)
STOCK: Mapping[str, object] = {"ws": "websockets-sansio"}  #: a uvicorn that knows nothing of the streams


def liquidated(number: int, of: InstrumentId = BTC, usd: float = 60_000.0) -> Liquidation:
    """A liquidation of so many dollars; its number is its size, so that it is known again."""
    return Liquidation(
        of,
        NOW + number * 1_000_000,
        NOW + number * 1_000_000,
        PositionSide.LONG,
        float(number),
        usd / number,
        None,
        Completeness.SAMPLED,
        Sampling.LARGEST_1S,
    )


def line(number: int, of: InstrumentId = BTC) -> MarketLine:
    """An instrument as it stands; its number is its mark price."""
    return MarketLine(instrument=of, ts_market=NOW + number, mark=float(number))


class Heart:
    """A heart in memory: a subscriber, and the face's ears."""

    def __init__(self) -> None:
        self.is_connected = True
        self.live = Live(self)
        self._coming: asyncio.Queue[list[Message]] = asyncio.Queue()
        self._seq = 0

    def tells(self, topic: Topic, payload: object, key: str | None = None) -> None:
        """Tell the face, at once if it listens."""
        self._seq += 1
        encode = msgspec.json.encode if topic is Topic.STATUS else msgspec.msgpack.encode
        self._coming.put_nowait([Message(topic.value, encode(payload), self._seq, "a", key)])

    def liquidations(self, numbers: Iterable[int], of: InstrumentId = BTC, usd: float = 60_000.0) -> None:
        """Tell of these."""
        self.tells(Topic.EVENTS, [liquidated(number, of, usd) for number in numbers])

    async def messages(self) -> AsyncIterator[list[Message]]:
        """What was told."""
        while True:
            yield await self._coming.get()

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """There is no group."""

    def health(self) -> BusHealth:
        """As the test says."""
        return BusHealth(is_connected=self.is_connected)

    async def aclose(self) -> None:
        """Nothing to let go of."""


@asynccontextmanager
async def running(hub: Hub, heart: Heart) -> AsyncIterator[None]:
    """The face's ears and its hub at work."""
    tasks = [asyncio.create_task(heart.live.run()), asyncio.create_task(hub.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(app: ASGIApp, **how: object) -> AsyncIterator[str]:
    """An app behind a real uvicorn in this loop: its host and port."""
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "log_config": None, "lifespan": "off", **how}
    config = uvicorn.Config(app, **settings)
    server = uvicorn.Server(config)
    server.config.load()
    serve = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serve.done()
            await asyncio.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await serve


@asynccontextmanager
async def pushing(
    heart: Heart, how: Mapping[str, object] = UVICORN, web: Web | None = None
) -> AsyncIterator[tuple[Hub, str]]:
    """A hub that is served as the product serves it, or as `how` says: the hub, and its host and port."""
    hub = Hub(web or Web(), heart.live)
    async with running(hub, heart), serving(Starlette(routes=routes(hub)), **how) as where:
        yield hub, where


class Follower:
    """Applies messages as docs/streams.md says, and finds out when their numbers do not add up."""

    def __init__(self) -> None:
        self.seq: dict[str, int] = {}
        self.state: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[Any]] = {}
        self.dropped: dict[str, int] = {}
        self.errors: list[dict[str, Any]] = []
        self.beats = 0
        self.wrong: list[str] = []

    def take(self, text: str | bytes) -> dict[str, Any]:
        """One message."""
        message: dict[str, Any] = msgspec.json.decode(text)
        channel, seq, kind, data = (message[name] for name in ("ch", "seq", "type", "data"))
        if kind == "error":
            self.errors.append(data)
        elif kind == "heartbeat":
            self.beats += 1
        else:
            self._check(message)
            self.seq[channel] = seq
            self.dropped[channel] = self.dropped.get(channel, 0) + message.get("dropped", 0)
            if isinstance(data, list):
                told = [] if kind == "snapshot" else self.rows[channel]
                self.rows[channel] = told + data
            else:
                before = {} if kind == "snapshot" else self.state[channel]
                merged = before | data
                self.state[channel] = {name: value for name, value in merged.items() if value is not None}
        return message

    def _check(self, message: dict[str, Any]) -> None:
        """Is `seq` what was told last, what was dropped, and what this brings?"""
        last, data = self.seq.get(message["ch"]), message["data"]
        dropped = message.get("dropped", 0)
        if message["type"] == "snapshot":
            is_right = not dropped or message["seq"] == (last or 0) + dropped
        else:
            brought = len(data) if isinstance(data, list) else 1
            is_right = last is not None and message["seq"] == last + dropped + brought
        if not is_right:
            self.wrong.append(f"after {last}: {message}")

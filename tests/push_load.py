"""A push load: a heart on a local bus, a face, and any number of clients, each kind in a process of its own.

python push_load.py heart SOCKET SECONDS · face SOCKET · clients PORT READING STALLED SECONDS: each says what it found
as one line of JSON. Stamps are of the machine's monotonic clock, which all of them share.
"""

import asyncio
import contextlib
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog
import uvicorn
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from starlette.applications import Starlette

from perpscope.app.face import TOPICS, Live
from perpscope.app.status import Database, Status
from perpscope.bus.local import LocalPublisher
from perpscope.bus.local_face import LocalSubscriber
from perpscope.model.bulletin import MarketLine, Topic
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.settings import Web
from perpscope.stores.status import EventCounts, StoreKind
from perpscope.web.push import Hub, routes
from perpscope.web.push.wire import UVICORN

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
PATH = "/api/v1/stream?channels=market:BTC,liquidations"
_UPDATES_PER_S = 10
_ROWS = 3  #: liquidations in an update
_WORK_S = 0.01  #: the heart has work so often
_STATUS = Status(EventCounts(0, 0, 0, {}, {"BUY": 0, "SELL": 0}), [], Database("m.db", 1), StoreKind.DEMO)
_HANDSHAKE = (
    f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
_pack = msgspec.msgpack.Encoder().encode


def cpu_s() -> float:
    """CPU of this process so far, seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def say(**found: object) -> None:
    """One line of JSON."""
    print(json.dumps(found), flush=True)


def quantile(values: list[float], share: float) -> float:
    """Of a list in any order; NaN if it is empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def line() -> MarketLine:
    """An instrument as it stands; its mark price is now, in seconds."""
    return MarketLine(
        instrument=BTC,
        ts_market=time.time_ns(),
        mark=time.monotonic(),
        index=60_000.1,
        last=60_000.2,
        funding_rate=0.0001,
        funding_interval_h=8.0,
        open_interest=81_234.5,
        open_interest_usd=4.87e9,
    )


def liquidation(number: int) -> Liquidation:
    """Its size is its number."""
    now = time.time_ns()
    size = float(number)
    return Liquidation(
        BTC, now, now, PositionSide.LONG, size, 60_000.0, None, Completeness.SAMPLED, Sampling.LARGEST_1S
    )


async def heart(path: str, seconds: float) -> None:
    """Publish, and do a heart's work meanwhile: how late is it with it? Begins with a line on stdin."""
    publisher = await LocalPublisher.open(Path(path))
    say(ready=True)
    await asyncio.to_thread(sys.stdin.readline)
    publisher.publish(Topic.STATUS.value, msgspec.json.encode(_STATUS), key="heart")
    delays, number, published = [], 0, 0
    began = due = time.monotonic()
    used = cpu_s()
    step = 0
    while due - began < seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        decoded = [msgspec.msgpack.decode(_pack(liquidation(n)), type=Liquidation) for n in range(1, 100)]
        if step % round(1 / _UPDATES_PER_S / _WORK_S) == 0:
            publisher.publish(Topic.MARKET.value, _pack(line()), key=BTC)
            rows = [liquidation(number + n) for n in range(1, _ROWS + 1)]
            publisher.publish(Topic.EVENTS.value, _pack(rows))
            number, published = number + len(rows), published + 1
        delays.append((time.monotonic() - due) * 1e3)
        step, due = step + 1, due + _WORK_S
        del decoded
    while publisher.health().queued:  # the last update has only just been handed over
        await asyncio.sleep(_WORK_S)
    say(
        updates=published,
        rows=number,
        state_ms_p50=quantile(delays, 0.5),
        state_ms_p99=quantile(delays, 0.99),
        cpu=(cpu_s() - used) / seconds,
        queued=publisher.health().queued,
        dropped=publisher.health().dropped,
    )
    await asyncio.to_thread(sys.stdin.readline)
    await publisher.aclose()


async def face(path: str) -> None:
    """Serve streams of a heart on a bus; a line on stdin asks how it is doing, an empty one ends it."""
    live = Live(LocalSubscriber(Path(path), TOPICS))
    hub = Hub(Web(), live)
    tasks = [asyncio.create_task(live.run()), asyncio.create_task(hub.run())]
    async with served(Starlette(routes=routes(hub)), dict(UVICORN)) as port:
        say(port=port)
        while await asyncio.to_thread(sys.stdin.readline) == "report\n":
            say(rss=rss_mb(), cpu=cpu_s(), connections=hub.connections, closed=hub.closed_slow, missed=live.missed)
    for task in tasks:
        task.cancel()


@contextlib.asynccontextmanager
async def served(app: Starlette, how: dict[str, object]) -> AsyncIterator[int]:
    """An app behind uvicorn: its port."""
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "log_config": None, "lifespan": "off", **how}
    server = uvicorn.Server(uvicorn.Config(app, **settings, access_log=False, backlog=1024))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


class Client(WSListener):
    """Reads, and keeps how late each update was and whether the numbers add up."""

    def __init__(self, late_ms: list[float]) -> None:
        self.late_ms = late_ms
        self.updates = self.rows = self.dropped = self.seq = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One message."""
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        if frame.msg_type != WSMsgType.TEXT:
            return
        now, text = time.monotonic(), frame.get_payload_as_bytes()
        at = text.find(b'"mark":')
        if at > 0 and b'"type":"delta"' in text:
            self.updates += 1
            self.late_ms.append((now - float(text[at + 7 : text.index(b",", at)])) * 1e3)
        elif text.startswith(b'{"ch":"liquidations"'):
            told = msgspec.json.decode(text)
            if told["type"] == "delta":
                self.dropped += told.get("dropped", 0)
                self.rows += len(told["data"])
                if told["seq"] != self.seq + told.get("dropped", 0) + len(told["data"]):
                    raise ValueError(f"after {self.seq}: {told}")
            self.seq = told["seq"]


async def clients(port: int, reading: int, stalled: int, seconds: float) -> None:
    """So many who read, and so many who do not; the figures of those who do."""
    late_ms: list[float] = []
    readers = []
    for _ in range(reading):
        _, reader = await ws_connect(lambda: Client(late_ms), f"ws://127.0.0.1:{port}{PATH}")
        readers.append(reader)
    sockets = []
    for _ in range(stalled):
        silent = socket.socket()
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", port))
        silent.sendall(_HANDSHAKE)
        sockets.append(silent)
    say(ready=True)
    used = cpu_s()
    await asyncio.sleep(seconds)
    found: list[Client] = [reader for reader in readers if isinstance(reader, Client)]
    say(
        delivered=len(late_ms),
        updates_least=min(client.updates for client in found),
        rows_least=min(client.rows for client in found),
        dropped=sum(client.dropped for client in found),
        p50_ms=quantile(late_ms, 0.5),
        p99_ms=quantile(late_ms, 0.99),
        cpu=(cpu_s() - used) / seconds,
    )
    for silent in sockets:
        silent.close()


@contextlib.contextmanager
def role(*words: object, script: str = __file__) -> Iterator["subprocess.Popen[str]"]:
    """One of the processes of `push_load.py`; ended when left."""
    with subprocess.Popen(
        [sys.executable, script, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line it says."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def ask(process: "subprocess.Popen[str]", line: str) -> None:
    """Say a line to it."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def load(seconds: float, reading: int, stalled: int) -> dict[str, dict[str, Any]]:
    """A heart in its own process with a face and all its clients: what each of them found, and memory over time."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bus")
        with role("heart", path, seconds) as heart, role("face", path) as face:
            heard(heart)
            port = heard(face)["port"]
            with role("clients", port, reading, stalled, seconds + 1.0) as clients:
                heard(clients)
                ask(face, "report")
                before = heard(face)
                ask(heart, "go")
                told = heard(heart)
                got = heard(clients)
                ask(face, "report")
                after = heard(face)
    return {"heart": told, "clients": got, "before": before, "after": after}


def main() -> None:
    """One role."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    match sys.argv[1:]:
        case ["heart", path, seconds]:
            uvloop.run(heart(path, float(seconds)))
        case ["face", path]:
            uvloop.run(face(path))
        case ["clients", port, reading, stalled, seconds]:
            uvloop.run(clients(int(port), int(reading), int(stalled), float(seconds)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

"""The latency budget of an order: the exchange's stamp → received → decided → on the disk → sent, under load (B24).

The lab sends 30 symbols × 5 streams at real speed from a process of its own, and takes the orders of one of them; the
heart hears all of it. A forecast put behind a trade, four times a second, has the strategy asked on the spot. What the
lab stamps it may send late: it tells when each trade was on the wire, so that its lateness stands apart from our way.
The floors are a bare socket's echo and a page that a thread puts on the disk, both asked for by the same loop: an order
needs one of each, and cannot be quicker than that. `TRADE_S` sets the seconds measured, `TRADE_SYMBOLS` how many
symbols.
"""

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop
from measure import judge

_FLIPPING = Path(__file__).parents[1] / "unit" / "flipping.py"
_SECONDS = float(os.environ.get("TRADE_S", "60"))
_SYMBOLS, _ACTIVITY = int(os.environ.get("TRADE_SYMBOLS", "30")), 60.0
_EVERY_NS = 250_000_000  #: between two decisions
_ECHO_S = 0.05
_PAGE, _PAGES, _PAGE_S = (
    8192,
    512,
    0.1,
)  #: bytes an order takes in the journal's log; of a file that is as long as the log
_GOAL_MS = 5.0
_OVER_FLOORS = 2.0  #: what deciding, signing and two threads may add; at p95, for a stall of the disk hits one at p99


def trade() -> bool:
    """p50, p95 and p99 of each stage, beside a bare socket."""
    lab = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load_lab.py")), str(_SYMBOLS), str(_ACTIVITY), "binance"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if lab.stdout is None or lab.stdin is None:
        raise OSError("no pipes to the lab")
    rest, websocket = json.loads(lab.stdout.readline())["binance"]
    try:
        events, stages, floors, seen = uvloop.run(_traded(rest, websocket))
    finally:
        lab.stdin.close()
    told = json.loads(lab.stdout.readline())
    lab.wait()
    print(
        f"\nexchange's stamp → order sent, {_SYMBOLS} symbols × 5 streams, {events / _SECONDS:,.0f} events and "
        f"{stages['send'][3] / _SECONDS:,.1f} orders a second (lab {told['core_share']:.0%} of a core), real ms"
    )
    for stage, (p50, p95, p99, count) in stages.items():
        print(f"  {stage:<44} {p50:>8.2f} p50 {p95:>8.2f} p95 {p99:>8.2f} p99   of {count:,}")
    sent = {int(trade): ts for trade, ts in told["sent"].items()}
    spoken = [(*times, sent[trade]) for trade, times in seen.received.items() if trade in sent]
    ours = [seen.sent[order] - sent[trade] for order, trade in seen.decided.items() if trade in sent]
    echo = _spread("bare socket, there and back, same loop", floors.echoes)
    disk = _spread("a bare page, by a thread to the disk", floors.pages)
    _spread("the lab: a trade's stamp → on the wire", [(on_wire - ts_event) / 1e6 for ts_event, _, on_wire in spoken])
    _spread("a trade on the wire → received", [(ts_recv - on_wire) / 1e6 for _, ts_recv, on_wire in spoken])
    own = _spread("a trade on the wire → its order sent", [took / 1e6 for took in ours])
    over = [mine / (way + page) for mine, way, page in zip(own, echo, disk, strict=True)]
    print(f"  {'this over socket and page':<44} {over[0]:>8.2f} p50 {over[1]:>8.2f} p95 {over[2]:>8.2f} p99")
    judge("p99 of the whole, the lab's lateness included, ms", stages["whole"][2], _GOAL_MS)
    judge("p99 from the wire to the order sent, ms", own[2], _GOAL_MS)
    return judge("the same over a bare socket and a bare page, p95", over[1], _OVER_FLOORS)


def _spread(what: str, took_ms: Sequence[float]) -> tuple[float, float, float]:
    """Print and return p50, p95 and p99."""
    ordered = sorted(took_ms)
    p50, p95, p99 = (ordered[int(share * len(ordered))] for share in (0.5, 0.95, 0.99))
    print(f"  {what:<44} {p50:>8.2f} p50 {p95:>8.2f} p95 {p99:>8.2f} p99 {ordered[-1]:>8.2f} max   of {len(ordered):,}")
    return p50, p95, p99


class _Floors:
    """What a bare socket and a bare disk take meanwhile, ms."""

    def __init__(self) -> None:
        self.echoes: list[float] = []
        self.pages: list[float] = []


class _Seen:
    """Moments of the run, market time in ns, by the ids of trades and orders."""

    def __init__(self) -> None:
        self.received: dict[int, tuple[int, int]] = {}  # trade → its stamp, our receipt
        self.asked: dict[int, int] = {}  # receipt of a trade behind which was asked → trade
        self.sent: dict[str, int] = {}  # order → on its way
        self.decided: dict[str, int] = {}  # order that was sent → the trade it was decided on


async def _traded(rest: str, websocket: str) -> tuple[int, dict[str, tuple[float, float, float, int]], _Floors, _Seen]:
    """Trade for a while; events, stages, floors and moments."""
    from msgspec.structs import replace  # noqa: PLC0415 -- numba fills the process, which the others are measured in

    from perpscope.app import strategies  # noqa: PLC0415
    from perpscope.app.collect import Collector  # noqa: PLC0415
    from perpscope.app.trade import warming  # noqa: PLC0415
    from perpscope.app.trade.account import Account  # noqa: PLC0415
    from perpscope.app.trade.lab import KEYS  # noqa: PLC0415
    from perpscope.app.trade.opening import Opening, Wanted  # noqa: PLC0415
    from perpscope.app.trade.seat import Seat  # noqa: PLC0415
    from perpscope.app.turns import calm_collector  # noqa: PLC0415
    from perpscope.execution.live import LiveExchange  # noqa: PLC0415
    from perpscope.feeds.clock import MarketClock  # noqa: PLC0415
    from perpscope.feeds.live import LiveFeed  # noqa: PLC0415
    from perpscope.model.instrument import Instrument  # noqa: PLC0415
    from perpscope.model.market import Trade as MarketTrade  # noqa: PLC0415
    from perpscope.model.order import Arrival, Forecast  # noqa: PLC0415
    from perpscope.model.run import RunKind  # noqa: PLC0415
    from perpscope.ports import Http, Venue  # noqa: PLC0415
    from perpscope.settings import Backfill, Collect, Risk, Settings, Trade  # noqa: PLC0415
    from perpscope.stores.journal import Journal, JournalRun, place  # noqa: PLC0415

    seen, floors = _Seen(), _Floors()
    clock = MarketClock()

    class Watched(Account):
        """Notes when each order was on its way."""

        def exchange(
            self,
            instrument: Instrument,
            http: Http,
            journal: Journal,
            run: JournalRun,
            feed: LiveFeed,
            *,
            leverage: float,
            stepped: Callable[[str, str], None] = lambda *_: None,
        ) -> LiveExchange:
            def noted(order: str, step: str) -> None:
                stepped(order, step)
                if step == "send":
                    seen.sent.setdefault(order, clock.now_ns())

            return super().exchange(instrument, http, journal, run, feed, leverage=leverage, stepped=noted)

    class Asking(Seat):
        """Trades on the first of many contracts, and is asked behind its trades."""

        events = 0
        asked_at = 0

        async def begin(self, venue: Venue, http: Http, instruments: Sequence[Instrument], feed: LiveFeed) -> None:
            await super().begin(venue, http, instruments[:1], feed)
            self.beside = asyncio.gather(_echoes(floors.echoes), _pages(floors.pages, recording.with_suffix(".page")))

        def process(self, event: Arrival) -> None:
            self.events += 1
            super().process(event)
            if self.part is None or type(event) is not MarketTrade:
                return
            if event.instrument != self.part.setup.instrument.id:
                return
            trade = int(event.trade_id)
            seen.received[trade] = event.ts_event, event.ts_recv
            if event.ts_recv - self.asked_at >= _EVERY_NS:
                self.asked_at = event.ts_recv
                seen.asked[event.ts_recv] = trade
                super().process(
                    Forecast(
                        event.instrument, event.ts_event, event.ts_recv, "bench", 0.5, 0.5, 0.0, 0.0, is_promoted=False
                    )
                )

    calm_collector()
    endpoints: dict[str, object] = {
        "rest_url": rest,
        "websocket_url": websocket,
        "clock_url": f"{rest}/lab/clock",
        "weight_per_minute": 1e6,
    }
    settings = Settings(
        venue={"binance": endpoints},
        collect=Collect(venues=("binance",), symbols=("all",)),
        backfill=Backfill(days=0),
        risk=Risk(cooldown_s=0.0, streak=1_000_000, rejects=1_000_000, daily_loss=1.0, drawdown=1.0, errors=1.0),
        trade=replace(Trade(), live_enabled=True, orders_per_minute=100_000, orders_per_day=1_000_000),
    )
    warming.compiled(str(_FLIPPING), settings)
    strategy = strategies.find(str(_FLIPPING))
    with tempfile.TemporaryDirectory() as folder:
        database, recording = Path(folder) / "b.db", Path(folder) / "b.perpscope"
        wanted = Wanted(
            kind=RunKind.LIVE,
            strategy=strategy,
            named=str(_FLIPPING),
            parameters=strategy.parameters(),
            settings=settings,
            database=database,
            data="demo",
            is_lab=True,
        )
        account = Watched("binance", KEYS, settings, clock)
        with Journal.open(place(database, RunKind.LIVE), holder="bench") as journal:
            opening = Opening(
                wanted, journal, account, recording=recording, clock=clock, announce=print, fail=_raise_later
            )
            seat = Asking(recording, opening, "leave", account, clock)
            collector = Collector(settings, database=Path(folder) / "c.db", clock=clock, trading=seat)
            try:
                await collector.run(_SECONDS)
            finally:
                seat.beside.cancel()
                await seat.aclose()
            told = seat.begun.status().latency_ms
            for order in journal.orders(seat.begun.setup.run):
                number, at = order.request.id, order.request.ts_recv
                if number in seen.sent and at in seen.asked:
                    seen.decided[number] = seen.asked[at]
    stages = {
        name: (spread.p50 or 0.0, spread.p95 or 0.0, spread.p99 or 0.0, spread.count) for name, spread in told.items()
    }
    return seat.events, stages, floors, seen


def _raise_later(error: Exception) -> None:
    print(f"the run cannot go on: {error}")


async def _echoes(heard: list[float]) -> None:
    """Ping an echo in a thread of its own, again and again; milliseconds there and back into `heard`."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(server,), daemon=True).start()
    reader, writer = await asyncio.open_connection(*server.getsockname())
    try:
        while True:
            await asyncio.sleep(_ECHO_S)
            began = time.monotonic()
            writer.write(b"x" * 256)
            await reader.readexactly(256)
            heard.append((time.monotonic() - began) * 1e3)
    finally:
        writer.close()
        server.close()


async def _pages(took_ms: list[float], path: Path) -> None:
    """Put a page on the disk by a thread of its own, again and again; as long as one waits for it, into `took_ms`."""
    thread, loop = ThreadPoolExecutor(1, thread_name_prefix="journal-floor"), asyncio.get_running_loop()
    page, file = bytes(_PAGE), os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(_PAGE * _PAGES))
    os.fsync(file)

    def put(number: int) -> None:
        os.pwrite(file, page, number % _PAGES * _PAGE)
        os.fdatasync(file)

    try:
        for number in itertools.count():
            await asyncio.sleep(_PAGE_S)
            began = time.monotonic()
            await loop.run_in_executor(thread, put, number)
            took_ms.append((time.monotonic() - began) * 1e3)
    finally:
        thread.shutdown()
        os.close(file)


def _echo(server: socket.socket) -> None:
    client, _ = server.accept()
    while data := client.recv(4096):
        client.sendall(data)

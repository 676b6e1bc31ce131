"""A live exchange on a lab in the test's own process: the journal on a disk, everything over sockets."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from perpscope.execution.live import LiveExchange
from perpscope.execution.protection import Cover
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.private_calls import Keys, PrivateCalls
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.feeds.user_stream import UserStream
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.accounts.orders import Held
from perpscope.lab.faults import Fault, FaultScript
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import MarkPrice, Side
from perpscope.model.order import Fill, FundingCharged, OrderClosed, OrderKind, OrderRequest, OwnEvent, Resumed, Role
from perpscope.model.run import RunKind
from perpscope.settings import Feed, Trade
from perpscope.stores.journal import Journal, JournalRun
from perpscope.venues.binance import VENUE
from perpscope.venues.binance.broker import BROKER

BTC = Instrument(
    id=InstrumentId("BTC-USDT-PERP.BINANCE"),
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    step_size=Decimal("0.001"),
    min_notional=Decimal(100),
)
LOT = Decimal("0.010")
LABEL = "burst"
#: A test on one market each day, and on twenty more in the soak.
seeded = pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 21))])
#: Seconds of a test, not of a day: every wait is by condition.
QUICK = Trade(reconcile_s=0.5)
START = 1_795_219_200_000_000_000
_QUICK_FEED = Feed(backoff_first_s=0.1, backoff_max_s=0.5)


class Desk:
    """Whoever is told, and wishes."""

    def __init__(self, run: str, clock: MarketClock, numbers: "count[int]") -> None:
        self.events: list[OwnEvent] = []
        self._run = run
        self._clock = clock
        self._numbers = numbers

    @property
    def fills(self) -> list[Fill]:
        """So far."""
        return [event for event in self.events if isinstance(event, Fill)]

    @property
    def closed(self) -> list[OrderClosed]:
        """Likewise."""
        return [event for event in self.events if isinstance(event, OrderClosed)]

    @property
    def fundings(self) -> list[FundingCharged]:
        """Likewise."""
        return [event for event in self.events if isinstance(event, FundingCharged)]

    @property
    def position(self) -> Decimal:
        """The sum of what was told."""
        return sum((one.size if one.side is Side.BUY else -one.size for one in self.fills), Decimal(0))

    def order(
        self, kind: OrderKind, side: Side, role: Role, price: Decimal | None = None, size: Decimal = LOT
    ) -> OrderRequest:
        """A wish under the next number."""
        return OrderRequest(
            id=f"{self._run}-{LABEL}-{next(self._numbers)}",
            instrument=BTC.id,
            ts_recv=self._clock.now_ns(),
            side=side,
            size=size,
            kind=kind,
            role=role,
            price=price,
            is_reducing=role not in (Role.ENTRY,),
        )


class Live:
    """One process's worth of it."""

    def __init__(self, lab: Lab, exchange: LiveExchange, desk: Desk, stream: UserStream, journal: Journal) -> None:
        self.lab = lab
        self.exchange = exchange
        self.desk = desk
        self.stream = stream
        self.journal = journal
        self.resumed: Resumed | None = None
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> Resumed:
        """Begin, as an app does."""
        self.resumed = await self.exchange.start()
        self.running = asyncio.create_task(self.exchange.run())
        return self.resumed

    @property
    def account(self) -> Account:
        """The exchange's own books."""
        return self.lab.accounts.by_key[LAB_KEY]

    @property
    def held(self) -> Decimal:
        """What the exchange itself holds for us."""
        return self.account.position("BTCUSDT", Held.BOTH).size

    @property
    def mark(self) -> Decimal:
        """The exchange's."""
        return self.lab.accounts.prices.mark("BTCUSDT")

    @property
    def is_protected(self) -> bool:
        """A position, and a stop for it that the exchange has confirmed to us."""
        return self.exchange.position != 0 and self.exchange.orders.protection.cover is Cover.CONFIRMED

    @property
    def conditions(self) -> list[str]:
        """Own ids of the conditional orders that stand at the exchange."""
        return [one.client_id for one in self.account.waits("BTCUSDT")]

    def price(self, share: float) -> Decimal:
        """A tick so far from the mark, as a fraction."""
        return (self.mark * (1 + Decimal(str(share)))).quantize(Decimal("0.1"))

    def buy(self, size: Decimal = LOT) -> OrderRequest:
        """An entry at the market."""
        request = self.desk.order(OrderKind.MARKET, Side.BUY, Role.ENTRY, size=size)
        self.exchange.submit(request)
        return request

    def stop(self, share: float = -0.03, size: Decimal = LOT) -> OrderRequest:
        """The stop of a long."""
        request = self.desk.order(OrderKind.STOP, Side.SELL, Role.PROTECT, self.price(share), size)
        self.exchange.submit(request)
        return request

    def rest(self, share: float = -0.01, size: Decimal = LOT) -> OrderRequest:
        """An entry that waits so far from the market."""
        request = self.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, self.price(share), size)
        self.exchange.submit(request)
        return request

    def leave(self, size: Decimal = LOT) -> OrderRequest:
        """Out of a long at the market."""
        request = self.desk.order(OrderKind.MARKET, Side.SELL, Role.LEAVE, size=size)
        self.exchange.submit(request)
        return request

    def tell_mark(self, mark: float) -> None:
        """Let the exchange object hear a mark price of our own making."""
        now = self.exchange._now_ns()
        self.exchange.mark(
            MarkPrice(
                instrument=BTC.id,
                ts_event=now,
                ts_recv=now,
                mark=mark,
                index=None,
                funding_rate=None,
                ts_next_funding=None,
            )
        )


async def suffers(lab: Lab, *faults: Fault, seed: int = 0) -> None:
    """Let faults happen, and return when they do."""
    nemesis = lab.suffer(FaultScript.of(faults, seed=seed))
    while len(nemesis._begun) < len(faults):
        await asyncio.sleep(0)


@asynccontextmanager
async def lab_of(
    seed: int = 7,
    rate: float = 1.0,
    *,
    activity: float = 20.0,
    ts_start: int = START,
    symbols: tuple[str, ...] = ("BTCUSDT",),
) -> AsyncIterator[Lab]:
    """A seeded exchange whose books are full."""
    async with await serve_market(seed, rate, symbols=symbols, ts_start=ts_start, activity=activity) as lab:
        yield lab


async def listed(rest_url: str, symbol: str = "BTCUSDT") -> Instrument:
    """A contract as the exchange's catalogue has it now, with its largest orders and its band of prices."""
    async with RestClient("binance", rest_url, Governor("binance", 1e6)) as rest:
        found = VENUE.instruments(await rest.get(VENUE.catalogue_request())).instruments
    return next(one for one in found if one.symbol == symbol)


@asynccontextmanager
async def trader(
    lab: Lab,
    folder: Path,
    *,
    run: str = "r1",
    settings: Trade = QUICK,
    is_started: bool = True,
    feed: Feed = _QUICK_FEED,
    extend_every_s: float = 1500.0,
    lease: tuple[float, float] = (1_795_219_200.0, 1e9),
    instrument: Instrument = BTC,
) -> AsyncIterator[Live]:
    """A live exchange of a run; begun again with the same folder and run it is a restart."""
    async with AsyncExitStack() as stack:
        clock = MarketClock()
        clock.follow(await market_clock(f"{lab.rest_url}/lab/clock"))
        rest = await stack.enter_async_context(RestClient("binance", lab.rest_url, Governor("binance", 1e6)))
        calls = PrivateCalls(rest, BROKER, Keys(LAB_KEY, LAB_SECRET), lambda: clock.now_ns() // 1_000_000)
        stack.push_async_callback(calls.aclose)
        journal = stack.enter_context(Journal.open(folder / "test.db.live", holder="a test"))
        journal.take("lab", *lease)
        begun = JournalRun(
            id=run,
            kind=RunKind.LIVE,
            account="lab",
            strategy=LABEL,
            instrument=BTC.id,
            parameters={},
            begun_ms=0,
            data="demo",
        )
        journal.begin(begun)
        desk = Desk(run, clock, count(journal.last_number(run) + 1))
        connector = PicowsConnector(clock, timeout_s=5.0, max_frame_bytes=1_000_000)
        streams: list[UserStream] = []

        def listening(listener: object) -> UserStream:
            streams.append(
                UserStream(
                    BROKER,
                    calls,
                    lab.websocket_url,
                    listener=listener,  # type: ignore[arg-type]  # the exchange
                    connector=connector,
                    settings=feed,
                    rng=random.Random(1),
                    extend_every_s=extend_every_s,
                )
            )
            return streams[0]

        exchange = LiveExchange(
            BROKER,
            instrument,
            calls,
            journal,
            begun,
            tell=desk.events.append,
            stream=listening,
            now_ns=clock.now_ns,
            health=calls.health,
            settings=settings,
            leverage=5,
        )
        stack.push_async_callback(exchange.aclose)
        live = Live(lab, exchange, desk, streams[0], journal)
        if is_started:
            await live.start()
        try:
            yield live
        finally:
            if live.running is not None:
                live.running.cancel()
                await asyncio.gather(live.running, return_exceptions=True)

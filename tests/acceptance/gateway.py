"""The gateway alone on a lab: no user stream, so that what it knows it has asked for itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

from perpscope.execution.caps import Stake
from perpscope.execution.orders import LiveOrders
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.private_calls import Keys, PrivateCalls
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.accounts.orders import Held
from perpscope.lab.running import Lab
from perpscope.model.market import Side
from perpscope.model.order import Fill, OrderClosed, OrderKind, OrderRequest, OwnEvent, Role
from perpscope.model.run import RunKind
from perpscope.settings import Trade
from perpscope.stores.journal import Journal, JournalRun
from perpscope.venues.binance.broker import BROKER
from tests.acceptance.trader import BTC, LABEL, LOT

RUN = "g1"
_LEASE_S = 1e9


class Gateway:
    """One gateway, its desk, its journal and its exchange."""

    def __init__(self, lab: Lab, journal: Journal, clock: MarketClock) -> None:
        self.lab = lab
        self.journal = journal
        self.clock = clock
        self.told: list[OwnEvent] = []
        self.halts: list[str] = []
        self.stake = Stake()
        self.orders: LiveOrders
        self.running: asyncio.Task[None] | None = None
        self._numbers = itertools.count(journal.last_number(RUN) + 1)

    def begin(self) -> None:
        """Take up what was left, and run."""
        self.orders.adopt(self.journal.orders(RUN))
        self.running = asyncio.get_running_loop().create_task(self.orders.run())

    async def end(self) -> None:
        """Stop, as a process does that is killed: nothing more is sent or taken."""
        await self.orders.aclose()
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    @property
    def account(self) -> Account:
        """The exchange's own books."""
        return self.lab.accounts.by_key[LAB_KEY]

    @property
    def held(self) -> Decimal:
        """What the exchange holds for us."""
        return self.account.position("BTCUSDT", Held.BOTH).size

    @property
    def filled(self) -> Decimal:
        """What was told, signed."""
        fills = [one for one in self.told if isinstance(one, Fill)]
        return sum((one.size if one.side is Side.BUY else -one.size for one in fills), Decimal(0))

    @property
    def closes(self) -> list[tuple[str, str]]:
        """Ends that were told: order and why."""
        return [(one.order, one.why) for one in self.told if isinstance(one, OrderClosed)]

    @property
    def placed(self) -> list[str]:
        """Ids of all orders the exchange ever took, plain and conditional."""
        plain = [one.client_id for one in self.account.orders.values() if one.triggered_by is None]
        return [*plain, *(one.client_id for one in self.account.algos.values())]

    def price(self, share: float) -> Decimal:
        """A tick so far from the mark, as a fraction."""
        return (self.lab.accounts.prices.mark("BTCUSDT") * (1 + Decimal(str(share)))).quantize(Decimal("0.1"))

    def wish(
        self, kind: OrderKind = OrderKind.MARKET, role: Role = Role.ENTRY, share: float = 0.0, size: Decimal = LOT
    ) -> OrderRequest:
        """An order under the next number: entries buy, all else sells."""
        return OrderRequest(
            id=f"{RUN}-{LABEL}-{next(self._numbers)}",
            instrument=BTC.id,
            ts_recv=self.clock.now_ns(),
            side=Side.BUY if role is Role.ENTRY else Side.SELL,
            size=size,
            kind=kind,
            role=role,
            price=None if kind is OrderKind.MARKET else self.price(share),
            is_reducing=role is not Role.ENTRY,
        )

    def send(
        self, kind: OrderKind = OrderKind.MARKET, role: Role = Role.ENTRY, share: float = 0.0, size: Decimal = LOT
    ) -> OrderRequest:
        """Wish, and submit."""
        request = self.wish(kind, role, share, size)
        self.orders.submit(request)
        return request

    def is_working(self, request: OrderRequest) -> Callable[[], bool]:
        """Whether it stands, as far as the gateway knows."""
        return lambda: self.orders.find(request.id) is not None and self.state(request) == "working"

    def state(self, request: OrderRequest) -> str:
        """Its phase in a word."""
        found = self.orders.find(request.id)
        return "" if found is None else found.state

    def noted(self, request: OrderRequest) -> str:
        """What the journal says of it."""
        return next((one.state for one in self.journal.orders(RUN) if one.request.id == request.id), "")


@asynccontextmanager
async def gateway(
    lab: Lab, folder: Path, *, settings: Trade | None = None, is_begun: bool = True
) -> AsyncIterator[Gateway]:
    """A gateway; opened again with the same folder it takes up what the one before has left."""
    async with AsyncExitStack() as stack:
        clock = MarketClock()
        clock.follow(await market_clock(f"{lab.rest_url}/lab/clock"))
        rest = await stack.enter_async_context(RestClient("binance", lab.rest_url, Governor("binance", 1e6)))
        calls = PrivateCalls(rest, BROKER, Keys(LAB_KEY, LAB_SECRET), lambda: clock.now_ns() // 1_000_000)
        stack.push_async_callback(calls.aclose)
        journal = stack.enter_context(Journal.open(folder / "test.db.live", holder="a test"))
        journal.take("lab", 1_795_219_200.0, _LEASE_S)
        journal.begin(
            JournalRun(
                id=RUN,
                kind=RunKind.LIVE,
                account="lab",
                strategy=LABEL,
                instrument=BTC.id,
                parameters={},
                begun_ms=0,
                data="demo",
            )
        )
        found = Gateway(lab, journal, clock)
        found.orders = LiveOrders(
            BROKER,
            BTC,
            calls,
            journal,
            RUN,
            found.told.append,
            clock.now_ns,
            settings=settings or Trade(),
            label=LABEL,
            stake=lambda: found.stake,
            halt=found.halts.append,
        )
        stack.push_async_callback(found.end)
        if is_begun:
            found.begin()
        yield found

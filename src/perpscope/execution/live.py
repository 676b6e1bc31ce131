"""A venue's account as an exchange to trade on: orders, user stream, comparison and protection, joined.

In: approved orders, mark prices, what the venue tells. Out, to `tell`: fills, closed orders and fundings of ours, and
nothing twice. It starts with what the account holds, and does not start where that cannot be told. When it cannot
compare any more nothing is opened; what closes a position always goes out.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeVar

from perpscope.errors import VenueError
from perpscope.execution.booking import Booking
from perpscope.execution.caps import Stake
from perpscope.execution.fees import Fees
from perpscope.execution.guard import Guard
from perpscope.execution.hearing import Hearing
from perpscope.execution.inquiry import Inquiry
from perpscope.execution.leaving import left
from perpscope.execution.opening import Opening
from perpscope.execution.orders import LiveOrders
from perpscope.execution.phases import REFUSED
from perpscope.execution.rounds import Rounds
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarkPrice
from perpscope.model.order import Fill, OrderClosed, OrderRequest, OwnEvent, Resumed
from perpscope.model.trade_status import Contact
from perpscope.ports.broker import AccountListener, AccountStream, Broker, Caller
from perpscope.settings import Trade

if TYPE_CHECKING:
    from perpscope.stores.journal import Journal, JournalRun

#: Real seconds between two looks at the protection of a position.
_LOOK_S = 0.05
#: Real seconds within which the user stream has to be open at the start.
_OPEN_S = 20.0
_NS_PER_MS = 1_000_000

T = TypeVar("T")


class Health(Protocol):
    """How the last real minute of calls went."""

    @property
    def calls(self) -> int:
        """Made."""
        ...

    @property
    def errors(self) -> int:
        """Of these, failed."""
        ...

    @property
    def skew_ns(self) -> int:
        """What the venue's clock is ahead of ours."""
        ...


class LiveExchange:
    """One instrument of one account, for one run. To be made in a running event loop.

    Args:
        broker: the venue's dialect.
        instrument: what is traded.
        caller: makes the calls.
        journal: written before anything is sent.
        run: whose orders these are; begun in the journal, which has the account.
        tell: takes fills, closed orders and fundings; the desk's front door.
        stream: makes the user stream, for whoever listens.
        now_ns: market time.
        health: how the calls go.
        settings: how it is traded.
        leverage: of the contract.
        monotonic: real seconds.
        stepped: told how far each order is; see `life.Means`.
        checks_key: ask what the key may do; a testnet does not tell.
    """

    def __init__(  # noqa: PLR0913 (what an exchange is made of, by name)
        self,
        broker: Broker,
        instrument: Instrument,
        caller: Caller,
        journal: "Journal",
        run: "JournalRun",
        *,
        tell: Callable[[OwnEvent], None],
        stream: Callable[[AccountListener], AccountStream],
        now_ns: Callable[[], int],
        health: Callable[[], Health],
        settings: Trade,
        leverage: int,
        monotonic: Callable[[], float] = time.monotonic,
        stepped: Callable[[str, str], None] = lambda *_: None,
        checks_key: bool = True,
    ) -> None:
        self._instrument, self._leverage, self._health, self._tell = instrument, leverage, health, tell
        self._now_ns, self._monotonic = now_ns, monotonic
        self._halted, self._is_leaving, self._checks_key = "", False, checks_key
        self._mark: Decimal | None = None
        self._tasks: list[asyncio.Future[None]] = []
        self._untold: deque[OwnEvent] | None = deque()  # what happens before `run`
        self._inquiry = asking = Inquiry(broker, instrument, caller)
        self._booking = books = Booking(journal, run.id, instrument.id, self._pass_on, now_ns, self._priced)
        self.orders = orders = LiveOrders(
            *(broker, instrument, caller, journal, run.id, self._told, now_ns, monotonic),
            settings=settings,
            label=run.strategy,
            stake=lambda: Stake(mark=self._mark, held=self.position, others=self._rounds.strangers),
            halt=self.halt,
            is_booked=lambda trade: trade in self._booking.ids,
            stepped=stepped,
        )
        self._guard = Guard(broker, orders, books, settings, now_ns, monotonic)
        self._rounds = Rounds(
            *(asking, orders, books, run.id, self._doubt, now_ns), every_s=settings.reconcile_s, monotonic=monotonic
        )
        self._opening = Opening(
            *(asking, orders, books, self._rounds, journal, run, instrument), now_ns=now_ns, monotonic=monotonic
        )
        self._hearing = Hearing(instrument.symbol, orders, books, self._rounds)
        self._stream = stream(self._hearing)

    # life ----------------------------------------------------------------------------------------------------------

    async def held(self) -> Decimal:
        """What the exchange holds of the contract: base units, signed. Asks, and touches nothing; before `start`.

        Raises:
            VenueError: the venue does not answer, or not as it documents.
        """
        return (await self._inquiry.holdings()).size

    async def start(self) -> Resumed:
        """Check key and terms, listen, compare, and say what a desk begins with; its candles and risk stay empty.

        What happens from then on is told, in order, once `run` has begun. Where it fails everything is let go again.

        Raises:
            ConfigError: the key may do too much, or too little.
            VenueError: the venue does not answer, does not trade as wanted, or the account cannot be told.
            StoreError: the journal cannot be written, or is not ours any more.
        """
        try:
            return await self._started()
        except BaseException:
            await self.aclose()
            raise

    async def _started(self) -> Resumed:
        if self._checks_key:
            await self._inquiry.check_key()
        await self._inquiry.settle_terms(self._leverage)
        for coin in await self._inquiry.fee_coins():
            self.orders.fees.expect(coin)
        self._begin(self._stream.run())
        await self._until_open()
        self.orders.adopt(await self._opening.left())
        for order in self.orders.working:
            self._guard.wished(order.request)
        self._begin(self.orders.run())
        self._begin(self._booking.run())
        resumed = await self._unless_ended(self._opening.resumed())
        self._begin(self._rounds.run())
        self._begin(self._watch())
        return resumed

    async def run(self) -> None:
        """Trade until cancelled; the desk has begun.

        Raises:
            StoreError: the journal cannot be written, or is another's now: nothing more is sent.
        """
        untold, self._untold = self._untold or (), None
        for event in untold:
            self._tell(event)
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise RuntimeError("a part of the exchange that runs for ever has ended")

    async def aclose(self) -> None:
        """Stop; nothing is sent any more."""
        await self.orders.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def on_exit(self, policy: str) -> None:
        """End in order, within ten seconds: entries are taken back, and the position kept with its stop, or closed.

        Args:
            policy: "leave" or "flatten".
        """
        self._is_leaving = True
        await left(self.orders, lambda: self.position, is_flattening=policy == "flatten", monotonic=self._monotonic)

    async def adopt(self) -> Resumed:
        """Take what the exchange holds for ours, where it differs: an operator says so. To be told to the desk at once.

        Raises:
            VenueError: the account cannot be told.
            StoreError: the journal cannot be written, or is not ours any more.
        """
        resumed = await self._opening.resumed()
        self._rounds.mismatch.is_on = False
        self.resume()
        return resumed

    def halt(self, why: str) -> None:
        """Open nothing from now on."""
        self._halted = self._halted or why

    def resume(self) -> None:
        """Lift what halted it."""
        self._halted = self._guard.halted = ""
        self.orders.resume()

    # the desk's gateway --------------------------------------------------------------------------------------------

    @property
    def gateway(self) -> "LiveExchange":
        """Where a desk sends its orders."""
        return self

    def submit(self, request: OrderRequest) -> None:
        """Send an order; never waits. One that opens is refused while nothing may be opened."""
        if not request.is_reducing and (self.halted or self._is_leaving or self._is_uncertain):
            self._refuse(request)
            return
        self._guard.wished(request)
        self.orders.submit(request)

    def cancel(self, order: str) -> None:
        """Take an order back; never waits."""
        self.orders.cancel(order)

    def mark(self, event: MarkPrice) -> None:
        """Take a mark price; one of another instrument, or that is none, is passed over."""
        if event.instrument == self._instrument.id and 0.0 < event.mark < math.inf:
            self._mark = Decimal(repr(event.mark))
            self._guard.mark(event)

    # how it does ---------------------------------------------------------------------------------------------------

    @property
    def position(self) -> Decimal:
        """What we know to be held: base units, signed."""
        return self._booking.position

    @property
    def halted(self) -> str:
        """Why nothing may be opened; empty = it may. Stands until `resume` or `adopt`."""
        return self._halted or self._guard.halted or self.orders.rules.halted

    @property
    def notices(self) -> list[str]:
        """What people should know of the contract since the run began."""
        return [*self.orders.rules.notices, *self.orders.fees.notices]

    @property
    def fees_elsewhere(self) -> Decimal:
        """Quote units of the fees that were paid in other coins: what the quote's wallet has more than the desk."""
        return self.orders.fees.elsewhere

    @property
    def naked_seconds_now(self) -> float:
        """Real seconds that the position has been without a confirmed stop."""
        return self._guard.watch.now_s

    @property
    def naked_seconds_max(self) -> float:
        """Longest that any position ever was."""
        return self._guard.watch.longest_s

    @property
    def duplicates(self) -> int:
        """Orders of one intent beyond the first, as the exchange has them."""
        return self.orders.duplicates

    def contact(self) -> Contact:
        """How the exchange answers."""
        health, agreed = self._health(), self._rounds.ts_agreed
        return Contact(
            is_streaming=self._stream.is_streaming,
            calls=health.calls,
            errors=health.errors,
            skew_ms=health.skew_ns / _NS_PER_MS,
            reconciled_ms=None if agreed is None else agreed // _NS_PER_MS,
            is_mismatched=self._is_uncertain,
            why=self._rounds.why,
        )

    # parts ---------------------------------------------------------------------------------------------------------

    @property
    def _is_uncertain(self) -> bool:
        """What the exchange holds is not what we know of, or not known."""
        return self._rounds.mismatch.is_on or self._rounds.is_blind

    def _told(self, event: OwnEvent) -> None:
        self._booking.tell(event)
        if self._booking.is_open:
            self._guard.look()

    def _pass_on(self, event: OwnEvent) -> None:
        if isinstance(event, Fill):
            counted = self.orders.rules.counted(event)
            if counted is None:
                return
            event = counted
        if self._untold is None:
            self._tell(event)
        else:
            self._untold.append(event)

    def _priced(self) -> Fees:
        return self.orders.fees

    def _refuse(self, request: OrderRequest) -> None:
        """Tell the desk alone: nothing has happened that a comparison would have to be made anew for."""
        now = self._now_ns()
        self._pass_on(
            OrderClosed(order=request.id, instrument=request.instrument, ts_event=now, ts_recv=now, why=REFUSED)
        )

    def _doubt(self, why: str) -> None:
        self._stream.doubt(why)

    def _begin(self, life: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(life))

    async def _watch(self) -> None:
        while True:
            self._guard.look()
            await asyncio.sleep(_LOOK_S)

    async def _until_open(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._unless_ended(self._hearing.has_opened.wait())
        except TimeoutError as error:
            raise VenueError(
                "stream-unopened",
                f"the user stream of {self._instrument.venue} could not be opened within {_OPEN_S:g} s",
                venue=self._instrument.venue,
                hint="check the key and the network",
            ) from error

    async def _unless_ended(self, life: Awaitable[T]) -> T:
        """Wait for something, unless one of the parts breaks before."""
        waiting = asyncio.ensure_future(life)
        try:
            waits: list[asyncio.Future[T] | asyncio.Future[None]] = [waiting, *self._tasks]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
            return await waiting
        finally:
            waiting.cancel()

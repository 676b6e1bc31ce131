"""A live run under faults, and its judge: what the exchange's own books say, against what the run has written down.

The judge asks the run nothing that it could get wrong: duplicates are counted in the lab's account, the position is
the lab's, fills and intents are read from the journal. Nakedness is measured beside the run, by looking at the account.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec

from perpscope.execution.phases import Phase
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.orders import Held, Kind
from perpscope.lab.faults import Fault, FaultScript
from perpscope.lab.running import Lab
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.trade_status import Contact
from perpscope.stores.journal import Journal
from tests.acceptance.trader import LOT, Live

Eventually = Callable[..., Awaitable[None]]
SYMBOL = "BTCUSDT"
#: Real seconds a position may be without a stop at the exchange (B15), and what looking at it may add.
NAKED_S, LOOKING_S = 5.0, 0.5
#: Real seconds within which everything agrees again once nothing goes wrong any more.
SETTLED_S = 30.0
PLACE, PLACE_CONDITION = "POST /fapi/v1/order", "POST /fapi/v1/algoOrder"

#: What leaves open whether an order was placed: it was, or it was not.
DONE_UNTOLD = (Mishap.LOST_REPLY, Mishap.UNKNOWN, Mishap.TIMEOUT, Mishap.OVERLOADED_DONE, Mishap.UNREADABLE)
NOT_DONE = (
    *(Mishap.LOST_REQUEST, Mishap.UNKNOWN_NOT_DONE, Mishap.TIMEOUT_NOT_DONE),
    *(Mishap.UNAVAILABLE, Mishap.INTERNAL, Mishap.OVERLOADED),
)


class NakedEye:
    """Looks at an account at the exchange, and measures how long it holds something without a stop."""

    def __init__(self, account: Account) -> None:
        self.longest_s = 0.0
        self._account = account
        self._since: float | None = None

    async def run(self) -> None:
        """Look twenty times a second until cancelled."""
        while True:
            now = time.monotonic()
            if self._is_naked():
                self._since = now if self._since is None else self._since
                self.longest_s = max(self.longest_s, now - self._since)
            else:
                self._since = None
            await asyncio.sleep(0.05)

    def _is_naked(self) -> bool:
        held = self._account.position(SYMBOL, Held.BOTH).size
        side = Side.SELL if held > 0 else Side.BUY
        stops = [one for one in self._account.waits(SYMBOL) if one.ask.kind is Kind.STOP_MARKET and one.ask.closes]
        return bool(held) and not any(one.ask.side is side for one in stops)


@asynccontextmanager
async def watched(account: Account) -> AsyncIterator[NakedEye]:
    """An eye on an account."""
    eye = NakedEye(account)
    looking = asyncio.ensure_future(eye.run())
    try:
        yield eye
    finally:
        looking.cancel()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge found; all of it empty or 0 in a good run."""

    duplicates: dict[str, int]  #: orders of one id at the exchange, where there is more than one of a kind
    unwritten: list[str]  #: orders of the run at the exchange that its journal does not know
    unbooked: list[int]  #: fills at the exchange that are not in the journal
    invented: list[int]  #: fills in the journal that are not at the exchange
    astray: list[str]  #: orders that stand at the exchange, and not for the run, or the other way round
    off: Decimal  #: position at the exchange, less that of the run
    told_off: Decimal  #: position at the exchange, less what the desk was told
    fees_off: Decimal  #: commission at the exchange, less that in the journal, in whatever coin


GOOD = Verdict(
    duplicates={},
    unwritten=[],
    unbooked=[],
    invented=[],
    astray=[],
    off=Decimal(0),
    told_off=Decimal(0),
    fees_off=Decimal(0),
)


def judged(live: Live, began: Decimal = Decimal(0), run: str = "r1") -> Verdict:
    """Hold a run against its account.

    Args:
        live: the run's last process.
        began: base units its desk began with.
        run: its id.
    """
    account, prefix = live.account, f"{run}-"
    plain = [one for one in account.orders.values() if one.client_id.startswith(prefix) and one.triggered_by is None]
    algos = [one for one in account.algos.values() if one.client_id.startswith(prefix)]
    counted = [*Counter(one.client_id for one in plain).items(), *Counter(one.client_id for one in algos).items()]
    intents = {one.request.id for one in live.journal.orders(run)}
    booked = {one.trade.trade_id for one in live.journal.fills(run)}
    there = {one.id for one in account.fills}
    trades = [one.trade for one in live.journal.fills(run)]
    fees = sum((one.fee if one.other is None else one.other.amount for one in trades), Decimal(0))
    paid = -sum((one.amount for one in account.incomes if one.kind == "COMMISSION"), Decimal(0))
    standing = {one.client_id for one in account.opens(SYMBOL)} | {one.client_id for one in account.waits(SYMBOL)}
    working = {one.request.id for one in live.exchange.orders.working if one.phase is Phase.WORKING}
    return Verdict(
        duplicates={name: number for name, number in counted if number > 1},
        unwritten=sorted({name for name, _ in counted} - intents),
        unbooked=sorted(there - booked),
        invented=sorted(booked - there),
        astray=sorted(standing ^ working),
        off=live.held - live.exchange.position,
        told_off=live.held - began - live.desk.position,
        fees_off=paid - fees,
    )


def is_settled(live: Live) -> bool:
    """Nothing is on its way any more, and the run thinks that all is well."""
    contact: Contact = live.exchange.contact()
    return not live.exchange.orders.in_flight and not contact.is_mismatched and contact.is_streaming


async def settled(live: Live, eventually: Eventually, began: Decimal = Decimal(0)) -> None:
    """Wait until the judge has nothing to say, which it must not take long to."""
    try:
        await eventually(lambda: is_settled(live) and judged(live, began) == GOOD, within_s=SETTLED_S)
    except BaseException as error:
        working = [(one.request.id, one.phase.value, one.filled, one.why) for one in live.exchange.orders.working]
        where = f"{judged(live, began)}; {live.exchange.contact()}; {working}; {live.exchange.orders.in_flight}"
        raise AssertionError(where) from error


async def suffering(lab: Lab, *faults: Fault) -> None:
    """Let faults happen; those that begin at once have begun."""
    lab.suffer(FaultScript.of(faults))
    await asyncio.sleep(0)


def rates_of(live: Live) -> Counter[str]:
    """How often each path was asked for so far."""
    return Counter(live.lab.ledger.requests)


def intents_of(journal: Journal, run: str = "r1") -> list[OrderRequest]:
    """Every order that was ever written down."""
    return [one.request for one in journal.orders(run)]


class Story:
    """What a run does, drawn from a seed: entries, stops, exits, cancels, and what happens to it meanwhile.

    Args:
        seed: the same one, the same wishes and the same faults; not the same history, which real time has a part in.
            Even ones go long, odd ones short.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._sign = -1 if seed % 2 else 1
        self._into, self._out = (Side.SELL, Side.BUY) if seed % 2 else (Side.BUY, Side.SELL)

    def strike(self, live: Live, most: int = 3) -> None:
        """Let a few of the next calls go wrong, questions among them."""
        paths = (PLACE, PLACE_CONDITION, "DELETE *", "GET /fapi/v1/*rder*", "GET /fapi/v1/userTrades", "GET /fapi/v3/*")
        for _ in range(self.rng.randint(1, most)):
            path = self.rng.choice(paths)
            kinds = [*DONE_UNTOLD, *NOT_DONE] if path.startswith("POST") else [Mishap.LOST_REPLY, *NOT_DONE]
            live.lab.accounts.suffer(Misfortune(self.rng.choice(kinds), of=path, times=self.rng.randint(1, 2)))

    def act(self, live: Live) -> None:
        """Wish something, or let the exchange do something."""
        held = abs(live.exchange.position)
        match self.rng.randrange(8):
            case 0 | 1 | 2 if held <= LOT:
                self._enter(live, OrderKind.MARKET)
            case 3:
                self._wish(live, OrderKind.LIMIT, self._into, Role.ENTRY, -0.01)
            case 4 if held:
                self._wish(live, OrderKind.MARKET, self._out, Role.LEAVE, 0.0, held)
            case 5 if live.exchange.orders.working:
                live.exchange.cancel(self.rng.choice(live.exchange.orders.working).request.id)
            case 6:
                self._fill_some(live)
            case 7 if live.held:
                live.lab.accounts.deleverage(live.account, SYMBOL)
            case _:
                self._enter(live, OrderKind.LIMIT)

    def _enter(self, live: Live, kind: OrderKind) -> None:
        """An entry, its stop, and its take-profit half the time."""
        self._wish(live, kind, self._into, Role.ENTRY, -0.01)
        self._wish(live, OrderKind.STOP, self._out, Role.PROTECT, -0.05)
        if self.rng.random() < 0.5:
            self._wish(live, OrderKind.TAKE, self._out, Role.PROFIT, 0.05)

    def _wish(self, live: Live, kind: OrderKind, side: Side, role: Role, share: float, size: Decimal = LOT) -> None:
        """An order so far from the mark, below 0 = where a loss is."""
        price = None if kind is OrderKind.MARKET else live.price(share * self._sign)
        live.exchange.submit(live.desk.order(kind, side, role, price, size))

    def _fill_some(self, live: Live) -> None:
        """The market comes to a resting order, and takes a part of it or all."""
        for order in live.account.opens(SYMBOL)[:1]:
            size = order.left if self.rng.random() < 0.5 else max(Decimal("0.001"), order.left / 2)
            size = size.quantize(Decimal("0.001"))
            live.lab.accounts.matching.fill(live.account, order, order.price, min(size, order.left), is_maker=True)

"""A trader in a process of its own, to be killed: `-m tests.acceptance.trading_child REST WS FOLDER POINT NTH ACT`.

It does what ACT says: "once" buys, protects what it bought, and rests an order; "leave" and "flatten" close what it
holds, as a desk or the end of a run does; "forever" goes on placing and cancelling, and tells each order. At the NTH
time that it comes to the POINT it kills itself as `kill -9` would; to the point "never" it does not come.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec

from perpscope.errors import StoreError
from perpscope.execution import caps
from perpscope.execution.phases import Phase
from perpscope.execution.tracked import Tracked
from perpscope.feeds.private_calls import PrivateCalls
from perpscope.model.exchange import Reply, TradeReport
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer
from perpscope.stores.journal import Journal
from perpscope.stores.journal_at_once import AtOnce
from tests.acceptance.trader import Live, listed, trader

#: Where it can be killed, in the order of an order's life.
POINTS = ("before-journal", "after-journal", "after-send", "after-ack", "before-fill", "after-fill")
FENCED = 7  #: exit code of one that lost the account
_SOON_S = 20.0


class Near:
    """Where a lab in another process is found."""

    def __init__(self, rest_url: str, websocket_url: str) -> None:
        self.rest_url, self.websocket_url = rest_url, websocket_url


class Bomb:
    """Kills this process at the nth visit of a point."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def at(self, point: str) -> None:
        """Come by."""
        if point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(bomb: Bomb) -> None:
    """Lead the parts of a trader past the bomb."""
    intend, filled, placed, call = Journal.intend, Journal.filled, Tracked.placed, PrivateCalls.__call__
    intend_at_once, fill_at_once = AtOnce.intend, AtOnce.filled

    def intended(self: Journal, run: str, order: OrderRequest) -> None:
        bomb.at("before-journal")
        intend(self, run, order)
        bomb.at("after-journal")

    def booked(self: Journal, run: str, order: str, trade: TradeReport) -> bool:
        bomb.at("before-fill")
        is_new = filled(self, run, order, trade)
        bomb.at("after-fill")
        return is_new

    def intended_at_once(self: AtOnce, run: str, order: OrderRequest) -> bool:
        bomb.at("before-journal")
        is_written = intend_at_once(self, run, order)
        if is_written:
            bomb.at("after-journal")
        return is_written

    def booked_at_once(self: AtOnce, run: str, order: str, trade: TradeReport) -> bool | None:
        bomb.at("before-fill")
        is_new = fill_at_once(self, run, order, trade)
        if is_new is not None:
            bomb.at("after-fill")
        return is_new

    def acknowledged(
        self: Tracked, reply: Reply, now: float, *, is_duplicate: bool = False, was_sent: bool = True
    ) -> None:
        placed(self, reply, now, is_duplicate=is_duplicate, was_sent=was_sent)
        bomb.at("after-ack")

    async def called(
        self: PrivateCalls,
        request: HttpRequest,
        *,
        on_sent: Callable[[], None] = lambda: None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> HttpAnswer:
        answer = await call(self, request, on_sent=on_sent, may_go=may_go)
        if request.method == "POST" and request.path.endswith(("/order", "/algoOrder")):
            bomb.at("after-send")
        return answer

    Journal.intend = intended  # type: ignore[method-assign]  # that is what a bomb does
    Journal.filled = booked  # type: ignore[method-assign]  # likewise
    AtOnce.intend = intended_at_once  # type: ignore[method-assign]  # likewise
    AtOnce.filled = booked_at_once  # type: ignore[method-assign]  # likewise
    Tracked.placed = acknowledged  # type: ignore[method-assign]  # likewise
    PrivateCalls.__call__ = called  # type: ignore[method-assign]  # likewise


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; give up after a while."""
    deadline = time.monotonic() + _SOON_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.005)


async def mark_of(lab: Near) -> Decimal:
    """The mark price, as everybody may ask for it."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{lab.rest_url}/fapi/v1/premiumIndex?symbol=BTCUSDT") as reply,
    ):
        return Decimal(msgspec.json.decode(await reply.read(), type=dict[str, object])["markPrice"])  # type: ignore[arg-type]  # a string


def wish(live: Live, kind: OrderKind, role: Role, mark: Decimal, share: str) -> OrderRequest:
    """Send an order so far from the mark."""
    side = Side.SELL if role is Role.PROTECT else Side.BUY
    price = None if kind is OrderKind.MARKET else (mark * (1 + Decimal(share))).quantize(Decimal("0.1"))
    request = live.desk.order(kind, side, role, price)
    live.exchange.submit(request)
    return request


async def once(live: Live, lab: Near) -> None:
    """Buy, protect, rest; and wait for the end."""
    mark = await mark_of(lab)
    wish(live, OrderKind.MARKET, Role.ENTRY, mark, "0")
    wish(live, OrderKind.STOP, Role.PROTECT, mark, "-0.04")
    wish(live, OrderKind.LIMIT, Role.ENTRY, mark, "-0.01")
    await asyncio.Event().wait()


def stands(live: Live, order: OrderRequest) -> bool:
    """As far as is known."""
    found = live.exchange.orders.find(order.id)
    return found is not None and found.phase is Phase.WORKING


def is_over(live: Live, order: OrderRequest) -> bool:
    """Likewise; one that could not be sent in time never stood, nor one that was refused here."""
    found = live.exchange.orders.find(order.id)
    is_refused = found is None and any(one.order == order.id for one in live.desk.closed)
    return is_refused or (found is not None and found.is_done)


async def forever(live: Live, lab: Near) -> None:
    """Place and take back, again and again; each order is named on stdout before it is sent."""
    mark = await mark_of(lab)
    while True:
        order = wish(live, OrderKind.LIMIT, Role.ENTRY, mark, "-0.01")
        print(order.id, flush=True)
        await until(lambda: stands(live, order) or is_over(live, order))  # noqa: B023 (awaited here)
        live.exchange.cancel(order.id)
        await asyncio.sleep(0.005)  # where all is refused, others have their turn
        await until(lambda: is_over(live, order))  # noqa: B023 (likewise)


async def leave(live: Live, _: Near) -> None:
    """Close all that is held at the market, by as many orders as that takes; and wait for the end."""
    live.leave(live.exchange.position)
    await asyncio.Event().wait()


async def flatten(live: Live, _: Near) -> None:
    """End in order and flat; and wait for the end."""
    await live.exchange.on_exit("flatten")
    await asyncio.Event().wait()


#: What it can be told to do.
ACTS = {one.__name__: one for one in (once, forever, leave, flatten)}


async def main(rest_url: str, websocket_url: str, folder: str, point: str, nth: str, act: str) -> None:
    """Trade until killed, overtaken, or done."""
    lab = Near(rest_url, websocket_url)
    instrument = await listed(rest_url)
    arm(Bomb(point, int(nth)))
    caps.PER_SECOND = 1000  # type: ignore[misc]  # this desk is in a hurry
    async with trader(lab, Path(folder), instrument=instrument) as live:  # type: ignore[arg-type]  # a lab that is elsewhere
        running = asyncio.ensure_future(live.exchange.run())
        acting = asyncio.ensure_future(ACTS[act](live, lab))
        done, _ = await asyncio.wait((running, acting), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except StoreError as error:
        print(error.code, flush=True)
        sys.exit(FENCED if error.code == "trader-fenced" else 1)

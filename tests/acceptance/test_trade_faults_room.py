"""MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS: an account that is full lets nobody in, and everybody out.

Orders of others take up its places on the lab; the run reads the limits in the catalogue, or learns them by a refusal.
"""

from decimal import Decimal
from pathlib import Path

from perpscope.lab.accounts.orders import Ask, Kind
from perpscope.model.market import Side
from perpscope.model.order import SmallerOrder
from tests.acceptance.trader import BTC, LOT, Live, lab_of, listed, seeded, trader
from tests.acceptance.trading_run import LOOKING_S, NAKED_S, SYMBOL, Eventually, watched

ZERO = Decimal(0)


def ends(live: Live) -> list[tuple[str, str]]:
    """Orders that ended otherwise than by their fills, and why."""
    return [(one.order, one.why) for one in live.desk.closed]


def strange_stops(live: Live, *numbers: int) -> None:
    """Somebody else's conditional orders on the account, far from the market."""
    for number in numbers:
        trigger = live.price(-0.4 - 0.01 * number)
        ask = Ask(
            symbol=SYMBOL, side=Side.SELL, kind=Kind.STOP_MARKET, size=LOT, trigger=trigger, client_id=f"web_s{number}"
        )
        live.lab.accounts.waiting.place(live.account, ask)


def strange_bids(live: Live, *numbers: int) -> None:
    """Somebody else's bids, likewise."""
    for number in numbers:
        price = live.price(-0.04 - 0.001 * number)
        ask = Ask(symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, size=LOT, price=price, client_id=f"web_b{number}")
        live.lab.accounts.matching.place(live.account, ask)


async def seen(live: Live, eventually: Eventually, count: int) -> None:
    """The run has compared, and knows of the others' orders."""
    await eventually(lambda: len(live.exchange._rounds.strangers) == count)


@seeded
async def test_an_entry_whose_stop_would_find_no_room_is_not_sent(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """One place left is enough; none is not: nothing is sent, nothing is held. What is held keeps its stop and exit."""
    async with lab_of(seed) as lab:
        lab.accounts.prices.refilter(SYMBOL, max_conditional=4)
        contract = await listed(lab.rest_url)
        async with trader(lab, tmp_path, instrument=contract) as live, watched(live.account) as eye:
            strange_stops(live, 0, 1, 2)
            await seen(live, eventually, 3)
            live.buy()
            stop = live.stop()
            await eventually(lambda: live.is_protected and not live.exchange.orders.in_flight)
            more = live.buy()
            await eventually(lambda: live.held == LOT * 2 == live.exchange.position)
            live.leave(LOT * 2)
            await eventually(lambda: live.held == ZERO == live.exchange.position)
            await eventually(lambda: stop.id not in live.conditions and not live.exchange.orders.in_flight)
            strange_stops(live, 3)
            await seen(live, eventually, 4)
            sent = len(live.account.orders)
            bought, waiting = live.buy(), live.rest()
            await eventually(lambda: ends(live)[-2:] == [(bought.id, "max-stops"), (waiting.id, "max-stops")])
            assert (len(live.account.orders), live.held) == (sent, ZERO)
            assert more.id not in [order for order, _ in ends(live)], "the stop that stood was the stop of both"
            assert eye.longest_s < NAKED_S + LOOKING_S


@seeded
async def test_an_order_that_is_sent_smaller_says_why(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """The page and the journal have what was decided, what was sent, and that the largest order bound it."""
    async with lab_of(seed) as lab:
        lab.accounts.prices.refilter(SYMBOL, max_size=Decimal("0.025"))
        async with trader(lab, tmp_path, instrument=await listed(lab.rest_url)) as live:
            waiting = live.rest(size=LOT * 3)
            await eventually(lambda: [one.client_id for one in live.account.opens(SYMBOL)] == [waiting.id])
            (told,) = live.journal.orders("r1")
            assert (told.request.size, told.wished, told.bound) == (Decimal("0.025"), LOT * 3, "largest")
            (shown,) = live.exchange.orders.working
            assert isinstance(shown.request, SmallerOrder)


@seeded
async def test_an_entry_leaves_room_for_the_way_out(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Five orders to an account, three of others: one entry goes in with its stop, a second one stays out."""
    async with lab_of(seed) as lab:
        lab.accounts.prices.refilter(SYMBOL, max_orders=5)
        contract = await listed(lab.rest_url)
        async with trader(lab, tmp_path, instrument=contract) as live:
            strange_bids(live, 0, 1, 2)
            await seen(live, eventually, 3)
            live.buy()
            live.stop()
            await eventually(lambda: live.is_protected and not live.exchange.orders.in_flight)
            waiting = live.rest()
            await eventually(lambda: ends(live) == [(waiting.id, "max-orders")])
            live.leave()
            await eventually(lambda: live.held == ZERO == live.exchange.position)
            assert ends(live)[:1] == [(waiting.id, "max-orders")], "the exchange took all else"


@seeded
async def test_a_stop_that_finds_no_room_closes_what_it_should_protect(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A run that was not told the limit: its stop is refused twice (-4045), it is out within T, and knows better."""
    async with lab_of(seed) as lab:
        lab.accounts.prices.refilter(SYMBOL, max_conditional=2)
        async with trader(lab, tmp_path, instrument=BTC) as live, watched(live.account) as eye:
            strange_stops(live, 0, 1)
            live.buy()
            stop = live.stop()
            await eventually(lambda: (stop.id, "refused") in ends(live))
            await eventually(lambda: live.held == ZERO == live.exchange.position, within_s=NAKED_S + 1.0)
            await seen(live, eventually, 2)
            assert live.exchange.halted == "naked"
            live.exchange.resume()
            again = live.buy()
            await eventually(lambda: ends(live)[-1] == (again.id, "max-stops"))
            assert live.lab.ledger.requests["/fapi/v1/exchangeInfo"] >= 1
            assert eye.longest_s < NAKED_S + LOOKING_S

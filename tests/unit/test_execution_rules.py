"""The contract's rules as the exchange said last: asked for when they may be why, kept to, counted in whole steps."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from tests.trading import HandMarket

from perpscope.errors import VenueUnreachable
from perpscope.execution.rules import Rules
from perpscope.lab.wire.binance import replies
from perpscope.model.exchange import Ending, Reply
from perpscope.model.market import Side
from perpscope.model.order import Fill, OrderKind, OrderRequest, Role, SmallerOrder
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER

D = Decimal
OFF_TICK = Reply(ending=Ending.REFUSED, code=-4014)
NO_MARGIN = Reply(ending=Ending.REFUSED, code=-2019)


class Bench:
    """Rules of the lab's BTCUSDT, which can be changed; the clock is turned by hand."""

    def __init__(self) -> None:
        self.market = HandMarket()
        self.now = 100.0
        self.asked = 0
        self.fails = False
        catalogue = HttpAnswer(200, {}, replies.exchange_info(self.market.listings, 0))
        self.listed = BROKER.ruled(catalogue, self.market.listings[0].instrument)
        self.rules = Rules(BROKER, self.listed, self.call, lambda: self.now)

    async def call(self, request: HttpRequest, **_: object) -> HttpAnswer:
        """What the exchange answers."""
        self.asked += 1
        await asyncio.sleep(0)
        assert BROKER.signed(request, "key", "secret", 0) == request, "told to everybody, so asked without a key"
        if self.fails:
            raise VenueUnreachable("no answer", venue="binance")
        return HttpAnswer(200, {}, replies.exchange_info(self.market.listings, 0))

    async def change(self, **filters: Decimal | bool) -> None:
        """New filters, and a refusal that lets them be known."""
        self.market.private.accounts.prices.refilter("BTCUSDT", **filters)  # type: ignore[arg-type]  # by name
        self.now += 60.0
        await self.rules.refused(OFF_TICK)


@pytest.fixture
def bench() -> Bench:
    """By the rules the lab has from the start: tick 0.1, step 0.001."""
    return Bench()


def order(
    side: Side, size: str = "0.010", kind: OrderKind = OrderKind.MARKET, price: str | None = None, **more: object
) -> OrderRequest:
    """A wish."""
    wish = OrderRequest(
        id="r-s-1",
        instrument=HandMarket().listings[0].instrument.id,
        ts_recv=0,
        side=side,
        size=D(size),
        kind=kind,
        role=Role.ENTRY,
        price=None if price is None else D(price),
    )
    return msgspec.structs.replace(wish, **more)


def fill(size: str, side: Side = Side.BUY, price: str = "50000", fee: str = "0.01") -> Fill:
    """Some of it was filled."""
    return Fill(
        order="r-s-1",
        instrument=HandMarket().listings[0].instrument.id,
        ts_event=0,
        ts_recv=0,
        side=side,
        price=D(price),
        size=D(size),
        fee=D(fee),
        is_maker=False,
        role=Role.ENTRY,
    )


async def test_rules_are_asked_for_where_they_may_be_why_and_not_again_at_once(bench: Bench) -> None:
    """Protects D14 and the limits: any number of refusals is one question, and other refusals are none."""
    await bench.rules.refused(NO_MARGIN)
    assert bench.asked == 0
    await asyncio.gather(*(bench.rules.refused(OFF_TICK) for _ in range(5)))
    await bench.rules.refused(OFF_TICK)
    assert (bench.asked, bench.rules.notices) == (1, [])
    bench.now += 10.0
    await bench.rules.refused(OFF_TICK)
    assert bench.asked == 2


async def test_rules_that_cannot_be_had_are_asked_for_again_soon(bench: Bench) -> None:
    """Protects a position whose stop does not fit: the network failed once, and a second later it is tried again."""
    bench.fails = True
    await bench.change(tick=D("0.5"))
    await bench.rules.refused(OFF_TICK)
    assert (bench.asked, bench.rules.instrument.tick_size) == (1, D("0.10"))
    bench.fails = False
    bench.now += 1.0
    await bench.rules.refused(OFF_TICK)
    assert (bench.asked, bench.rules.instrument.tick_size) == (2, D("0.5"))
    assert bench.rules.changed_at == bench.now
    await bench.rules.aclose()


async def test_nobody_waits_for_rules_longer_than_a_stop_can(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the time without a stop: an exchange that does not answer lets the refusal be acted on all the same."""
    monkeypatch.setattr("perpscope.execution.rules._PATIENCE_S", 0.01)

    async def hangs(_request: HttpRequest, **_: object) -> HttpAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    rules = Rules(BROKER, bench.market.listings[0].instrument, hangs, lambda: bench.now)
    await rules.refused(OFF_TICK)
    assert rules.notices == []
    await rules.aclose()


async def test_orders_are_as_they_were_wished_until_the_rules_change(bench: Bench) -> None:
    """Protects the hot path: the very same object."""
    wish = order(Side.BUY)
    assert bench.rules.fit(wish, None) is wish


@pytest.mark.parametrize(
    ("wish", "price", "size"),
    [
        (order(Side.BUY, kind=OrderKind.LIMIT, price="49999.9"), "49999.5", "0.009"),
        (order(Side.SELL, kind=OrderKind.LIMIT, price="50000.1"), "50000.5", "0.009"),
        (order(Side.SELL, kind=OrderKind.LIMIT, price="50000.1", is_reducing=True), "50000.5", "0.012"),
        (order(Side.SELL, kind=OrderKind.STOP, price="49000.1", is_reducing=True), "49000.5", "0.010"),
        (order(Side.BUY, kind=OrderKind.STOP, price="51000.4", is_reducing=True), "51000.0", "0.010"),
        (order(Side.SELL, kind=OrderKind.TAKE, price="51000.4", is_reducing=True), "51000.0", "0.010"),
        (order(Side.BUY, kind=OrderKind.TAKE, price="49000.1", is_reducing=True), "49000.5", "0.010"),
        (order(Side.BUY), None, "0.009"),
        (order(Side.SELL, is_reducing=True), None, "0.012"),
        (order(Side.SELL, "0.009", is_reducing=True), None, "0.009"),
    ],
)
async def test_orders_fit_the_new_rules(bench: Bench, wish: OrderRequest, price: str | None, size: str) -> None:
    """Protects D14: a limit never becomes worse, a condition never later, an exit never too small."""
    await bench.change(tick=D("0.5"), step=D("0.003"))
    fitted = bench.rules.fit(wish, D(50_000))
    assert fitted is not None
    assert fitted == msgspec.structs.replace(wish, price=None if price is None else D(price), size=D(size))
    assert bench.rules.halted == ""


async def test_entries_that_the_exchange_would_not_take_are_none(bench: Bench) -> None:
    """Protects against refusals without end: too small, too little worth, or closing only; what reduces always goes."""
    out = order(Side.SELL, is_reducing=True)
    await bench.change(step=D("0.020"))
    assert bench.rules.fit(order(Side.BUY), D(50_000)) is None
    await bench.change(step=D("0.001"), min_notional=D(600))
    assert bench.rules.fit(order(Side.BUY), D(50_000)) is None
    assert bench.rules.fit(order(Side.BUY), None) is not None, "what it is worth is not known: the exchange may say"
    assert bench.rules.fit(order(Side.BUY, kind=OrderKind.LIMIT, price="49999"), None) is None
    assert bench.rules.fit(order(Side.BUY, "0.013"), D(50_000)) is not None
    await bench.change(is_trading=False)
    assert bench.rules.fit(order(Side.BUY, "0.013"), D(50_000)) is None
    assert bench.rules.fit(out, D(50_000)) == out
    assert (
        bench.rules.notices[-1]
        .split("; ")[0]
        .endswith("step 0.001, smallest order 600 USDT, largest 10000000 BTC, closing only")
    )


@pytest.mark.parametrize("filters", [{"tick": "0.05"}, {"step": "0.0005"}, {"tick": "0.25"}, {"step": "0.0015"}])
async def test_rules_that_do_not_fit_a_runs_units_halt_it(bench: Bench, filters: dict[str, str]) -> None:
    """Protects whole numbers: finer steps, or such between two, cannot be counted by this run."""
    await bench.change(**{name: D(value) for name, value in filters.items()})
    assert bench.rules.halted.startswith("contract-changed: tick ")
    await bench.change(tick=D("0.1"), step=D("0.001"))
    assert bench.rules.halted == "", "they are as they were"


async def test_parts_of_a_step_are_counted_whole(bench: Bench) -> None:
    """Protects the desk's sum: what is told adds up to what was filled, fees with it, whatever the parts."""
    assert bench.rules.counted(fill("0.010")) == fill("0.010")
    parts = [
        *(fill("0.0004"), fill("0.0004"), fill("0.0092")),
        *(fill(size, Side.SELL) for size in ("0.0193", "0.0001", "0.0006")),
    ]
    told = [bench.rules.counted(one) for one in parts]
    assert told[0] is None
    sums = sum(one.size if one.side is Side.BUY else -one.size for one in told if one is not None)
    assert sums == D("-0.010")
    assert all(one is None or one.size % D("0.001") == 0 for one in told)
    assert sum(one.fee for one in told if one is not None) == D("0.06")
    await asyncio.sleep(0)
    assert bench.asked == 1, "a fill that does not fit is news of the rules"
    await bench.rules.aclose()


async def test_a_price_between_two_ticks_is_news_of_the_rules(bench: Bench) -> None:
    """Protects a run whose own orders still pass: the tick is finer, and only fills tell."""
    bench.market.private.accounts.prices.refilter("BTCUSDT", tick=D("0.01"))
    assert bench.rules.counted(fill("0.010", price="50000.03")) == fill("0.010", price="50000.03")
    while not bench.rules.notices:
        await asyncio.sleep(0)
    assert bench.rules.halted.startswith("contract-changed")
    await bench.rules.aclose()


# the largest order, and the band -------------------------------------------------------------------------------------


async def test_orders_are_no_larger_than_the_exchange_takes(bench: Bench) -> None:
    """At the market by the smaller of two sizes, rounded down to steps; a stop has no size; told once, counted each."""
    await bench.change(max_size=D("0.05"), max_market_size=D("0.0205"))
    for wish, size in (
        (order(Side.BUY, "0.030"), "0.020"),
        (order(Side.SELL, "0.030", is_reducing=True), "0.020"),
        (order(Side.BUY, "0.060", OrderKind.LIMIT, "50000"), "0.05"),
        (order(Side.SELL, "0.060", OrderKind.STOP, "40000", is_reducing=True), "0.060"),
        (order(Side.BUY, "0.020"), "0.020"),
    ):
        fitted = bench.rules.fit(wish, D(50_000))
        assert fitted is not None
        assert fitted.size == D(size)
        assert isinstance(fitted, SmallerOrder) is (fitted.size < wish.size)
        if isinstance(fitted, SmallerOrder):
            assert (fitted.wished, fitted.bound) == (wish.size, "largest")
    assert bench.rules.clipped == 3
    assert bench.rules.notices[1:] == [
        "orders are made smaller: the largest is 0.02 BTC",
        "orders are made smaller: the largest is 0.05 BTC",
    ]


async def test_limits_outside_the_band_are_known_before_they_are_sent(bench: Bench) -> None:
    """A buy above it and a sell below it; not what merely waits, nor where the mark or the band is not known."""
    dear, cheap = (order(Side.BUY, kind=OrderKind.LIMIT, price=price) for price in ("52600", "40000"))
    sale = order(Side.SELL, kind=OrderKind.LIMIT, price="47400")
    assert bench.rules.instrument.price_band == (D("0.9500"), D("1.0500"))
    told = [bench.rules.is_off_band(one, D(50_000)) for one in (dear, cheap, sale, order(Side.BUY))]
    assert told == [True, False, True, False]
    assert not bench.rules.is_off_band(dear, None)
    assert bench.rules.off_band == 2
    unknown = msgspec.structs.replace(bench.listed, price_band=None)
    assert not Rules(BROKER, unknown, bench.call, lambda: bench.now).is_off_band(dear, D(50_000))

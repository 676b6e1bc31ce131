"""Fees paid in another coin: reckoned at a price that was asked for, or not known; never nothing."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from perpscope.errors import VenueUnreachable
from perpscope.execution import fees as paid
from perpscope.execution.fees import Fees
from perpscope.model.exchange import OtherFee, TradeReport
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Side
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER

D = Decimal
BTC = Instrument(id=InstrumentId("BTC-USDT-PERP.BINANCE"), venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT")


class Bench:
    """An exchange that says what BNB is worth, or does not; the clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.price: str | None = "600.5"
        self.asked: list[str] = []
        self.fees = Fees(BROKER, BTC, self.call, lambda: self.now)

    async def call(self, request: HttpRequest, **_: object) -> HttpAnswer:
        """What the exchange answers."""
        self.asked.append(request.query)
        await asyncio.sleep(0)
        assert BROKER.signed(request, "key", "secret", 0) == request, "told to everybody, so asked without a key"
        if self.price is None:
            raise VenueUnreachable("no answer", venue="binance")
        return HttpAnswer(200, {}, b'{"symbol":"BNBUSDT","markPrice":"%s","time":1795219200000}' % self.price.encode())


@pytest.fixture
def bench() -> Bench:
    """BNB at 600.5."""
    return Bench()


def trade(amount: str = "0.001", asset: str = "BNB") -> TradeReport:
    """A fill whose fee was paid in a coin."""
    return TradeReport(
        trade_id=1,
        venue_id="2",
        id="r-s-1",
        symbol="BTCUSDT",
        side=Side.BUY,
        price=D(80_000),
        size=D("0.01"),
        fee=D(0),
        realised=D(0),
        is_maker=False,
        ts_event=5,
        other=OtherFee(asset=asset, amount=D(amount)),
    )


async def test_a_fee_is_what_its_coin_was_worth_and_says_when(bench: Bench) -> None:
    """Protects the ledger: amount times price, with the price and its time; what is reckoned stays so."""
    found = await bench.fees.priced(trade())
    assert (found.fee, found.is_fee_known) == (D("0.6005"), True)
    assert found.other == OtherFee(asset="BNB", amount=D("0.001"), rate=D("600.5"), ts_rate=1_795_219_200_000_000_000)
    bench.price = "700"
    assert await bench.fees.priced(found) is found
    in_quote = msgspec.structs.replace(trade(), fee=D(1), other=None)
    assert await bench.fees.priced(in_quote) is in_quote
    assert bench.asked == ["symbol=BNBUSDT"]


async def test_a_price_is_asked_for_once_a_minute_and_an_old_one_is_better_than_none(bench: Bench) -> None:
    """Protects the limits: many fills, one question; and fills while the exchange does not answer."""
    bench.fees.expect("BNB")
    await asyncio.gather(*(bench.fees.priced(trade()) for _ in range(5)))
    assert len(bench.asked) == 1
    bench.now += 61.0
    bench.price = None
    assert (await bench.fees.priced(trade())).fee == D("0.6005")
    assert (await bench.fees.priced(trade())).fee == D("0.6005")
    assert len(bench.asked) == 2, "not again at once"
    bench.now += 3600.0
    assert not (await bench.fees.priced(trade())).is_fee_known
    bench.now += 5.0
    bench.price = "610"
    assert (await bench.fees.priced(trade())).fee == D("0.61")


async def test_nobody_waits_for_a_price_longer_than_a_position_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the stop: a fill is told soon, with its fee or without."""

    async def hangs(_request: HttpRequest, **_: object) -> HttpAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(paid, "_PATIENCE_S", 0.01)
    fees = Fees(BROKER, BTC, hangs, lambda: bench.now)
    assert await fees.priced(trade()) == trade()
    await fees.aclose()


async def test_what_is_not_known_is_said(bench: Bench) -> None:
    """Protects whoever reads the figures: what they leave out, coin by coin, and what no wallet shows."""
    bench.fees.count(msgspec.structs.replace(trade(), other=None))
    assert not bench.fees.notices
    assert bench.fees.elsewhere == 0
    bench.fees.count(await bench.fees.priced(trade()))
    bench.fees.count(trade("2", "XYZ"))
    bench.fees.count(trade("0.50", "XYZ"))
    bench.fees.count(trade("1", "ABC"))
    assert (bench.fees.elsewhere, bench.fees.unknown_fills) == (D("0.6005"), 3)
    assert bench.fees.notices == [
        "fees of 3 fills are in no figure: 1 ABC, 2.5 XYZ, of which nobody knew what it was worth in USDT"
    ]

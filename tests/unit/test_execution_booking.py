"""The books of a run: each fill and funding once, written down before it is told, whatever the disk does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import msgspec
import pytest
from tests.trading import HandMarket

from perpscope.errors import StoreError, VenueUnreachable
from perpscope.execution import booking as books
from perpscope.execution.booking import Booking
from perpscope.execution.fees import Fees
from perpscope.model.exchange import FundingReport, OtherFee, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import Fill, FundingCharged, OrderClosed, OwnEvent, Role
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER

Eventually = Callable[..., Awaitable[None]]
_BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
_LOT = Decimal("0.01")


async def nobody(_request: HttpRequest, **_: object) -> HttpAnswer:
    """An exchange that does not answer."""
    raise VenueUnreachable("no answer", venue="binance")


def fees() -> Fees:
    """What fees are worth, where nobody says so."""
    return Fees(BROKER, HandMarket().listings[0].instrument, nobody, time.monotonic)


class Disk:
    """What a journal answers: each id once; before that the errors it is given."""

    def __init__(self, *errors: StoreError) -> None:
        self.written: list[str] = []
        self._errors = list(errors)

    def filled(self, run: str, order: str, trade: TradeReport) -> bool:
        """Write a fill down."""
        return self._write(f"{run}/{order}/{trade.trade_id}")

    def funded(self, run: str, funding: FundingReport) -> bool:
        """Write a funding down."""
        return self._write(f"{run}/{funding.id}")

    def _write(self, row: str) -> bool:
        if self._errors:
            raise self._errors.pop(0)
        is_new = row not in self.written
        self.written.append(row)
        return is_new


def fill(number: int, side: Side = Side.SELL) -> TradeReport:
    """A fill of an order the exchange made."""
    return TradeReport(
        trade_id=number,
        venue_id="9",
        id="",
        symbol="BTCUSDT",
        side=side,
        price=Decimal(80_000),
        size=_LOT,
        fee=Decimal("0.4"),
        realised=Decimal(0),
        is_maker=False,
        ts_event=5,
    )


def funding(number: int) -> FundingReport:
    """A settlement."""
    return FundingReport(id=f"BTCUSDT@{number}", symbol="BTCUSDT", paid=Decimal("0.12345678"), ts_event=5)


@asynccontextmanager
async def booking(disk: Disk, *, holds: Decimal | None = _LOT) -> AsyncIterator[tuple[Booking, list[OwnEvent]]]:
    """Books that are kept."""
    told: list[OwnEvent] = []
    kept = Booking(disk, "r1", _BTC, told.append, lambda: 7, fees)  # type: ignore[arg-type]  # the two words it needs
    if holds is not None:
        kept.begin(holds)
    life = asyncio.create_task(kept.run())
    try:
        yield kept, told
    finally:
        life.cancel()
        with suppress(asyncio.CancelledError, StoreError):
            await life


async def test_a_forced_fill_is_told_once_and_moves_the_position(eventually: Eventually) -> None:
    """Heard twice, from the stream and by comparing: one fill without an order, as a liquidation. Keeps S2-59."""
    disk = Disk()
    async with booking(disk) as (kept, told):
        kept.forced(fill(4))
        kept.forced(fill(4))
        await eventually(lambda: kept.is_idle)
        (event,) = told
        assert isinstance(event, Fill)
        assert (event.order, event.role, event.size, event.ts_recv) == ("", Role.LIQUIDATED, _LOT, 7)
        assert (kept.position, disk.written) == (Decimal(0), ["r1//4"])


async def test_a_funding_is_told_once(eventually: Eventually) -> None:
    """The stream tells it, and the income history again: one payment. Keeps S2-59."""
    async with booking(Disk()) as (kept, told):
        for _ in range(3):
            kept.paid(funding(1))
        await eventually(lambda: kept.is_idle)
        (event,) = told
        assert isinstance(event, FundingCharged)
        assert event.paid == Decimal("0.12345678")
        assert kept.position == _LOT


async def test_before_it_begins_everything_is_written_and_nothing_told(eventually: Eventually) -> None:
    """What was before is in what the exchange says it holds: position from fills or from there, never both."""
    disk = Disk()
    async with booking(disk, holds=None) as (kept, told):
        kept.forced(fill(4))
        kept.paid(funding(1))
        await eventually(lambda: kept.is_idle)
        assert (told, len(disk.written), kept.told) == ([], 2, 2)
        kept.begin(-_LOT)
        kept.forced(fill(5, Side.BUY))
        await eventually(lambda: kept.is_idle)
        assert (len(told), kept.position) == (1, Decimal(0))


async def test_the_end_of_an_order_moves_nothing() -> None:
    """Only fills change the position."""
    async with booking(Disk()) as (kept, told):
        kept.tell(OrderClosed(order="r1-burst-1", instrument=_BTC, ts_event=1, ts_recv=1, why="cancelled"))
        assert (len(told), kept.position) == (1, _LOT)


async def test_a_disk_that_is_full_is_tried_again(eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told before it is written down, however long that takes."""
    monkeypatch.setattr(books, "_AGAIN_S", 0.0)
    disk = Disk(*(StoreError("journal-unwritten", "the disk is full") for _ in range(3)))
    async with booking(disk) as (kept, told):
        kept.forced(fill(4))
        await eventually(lambda: kept.is_idle)
        assert (len(told), disk.written) == (1, ["r1//4"])


async def test_a_fee_nobody_knows_the_worth_of_is_not_told_as_nothing(eventually: Eventually) -> None:
    """Protects the ledger: the exchange took its fee for a liquidation in a coin that has no price."""
    async with booking(Disk()) as (kept, told):
        kept.forced(msgspec.structs.replace(fill(4), fee=Decimal(0), other=OtherFee(asset="XYZ", amount=Decimal(2))))
        await eventually(lambda: len(told) == 1)
        assert isinstance(told[0], Fill)
        assert (told[0].fee, told[0].is_fee_known) == (Decimal(0), False)


async def test_a_journal_that_is_another_traders_ends_it() -> None:
    """Whoever was overtaken tells nothing more."""
    told: list[OwnEvent] = []
    disk = Disk(StoreError("trader-fenced", "another has the account"))
    kept = Booking(disk, "r1", _BTC, told.append, lambda: 7, fees)  # type: ignore[arg-type]  # likewise
    kept.begin(_LOT)
    kept.forced(fill(4))
    with pytest.raises(StoreError, match="another"):
        await kept.run()
    assert told == []


def test_fills_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten: they are below every question. Keeps B16."""
    monkeypatch.setattr(books, "_KEPT", 3)
    kept = Booking(Disk(), "r1", _BTC, lambda _: None, lambda: 7, fees)  # type: ignore[arg-type]  # likewise
    assert [kept.note(fill(number)) for number in (1, 2, 2, 3, 4)] == [True, True, False, True, True]
    assert list(kept.ids) == [2, 3, 4]

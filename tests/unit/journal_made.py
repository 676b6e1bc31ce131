"""Journals, orders and fills for tests of what is written down of trading."""

from decimal import Decimal
from pathlib import Path

import msgspec

from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Held, Money, TradeStatus
from perpscope.stores.journal import Journal, JournalRun, place

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01 12:00 UTC
NOON_MS = NOON_NS // 1_000_000
ACCOUNT = "binance main"


def run_named(name: str = "7f3a", *, begun_ms: int = NOON_MS, strategy: str = "burst") -> JournalRun:
    """A run of BTC on the account."""
    return JournalRun(
        id=name,
        kind=RunKind.LIVE,
        account=ACCOUNT,
        strategy=strategy,
        instrument=BTC,
        parameters={"hold": 60.0},
        begun_ms=begun_ms,
        data="demo",
    )


def order(name: str = "7f3a-burst-1", *, size: str = "0.010", role: Role = Role.ENTRY) -> OrderRequest:
    """A market order."""
    return OrderRequest(
        id=name,
        instrument=BTC,
        ts_recv=NOON_NS,
        side=Side.BUY if role is Role.ENTRY else Side.SELL,
        size=Decimal(size),
        kind=OrderKind.STOP if role is Role.PROTECT else OrderKind.MARKET,
        role=role,
        price=Decimal("99000.0") if role is Role.PROTECT else None,
        is_reducing=role is not Role.ENTRY,
        why="a burst",
    )


def trade(
    trade_id: int = 1, *, size: str = "0.010", price: str = "100000.0", side: Side = Side.BUY, ts: int = NOON_NS
) -> TradeReport:
    """A fill as the exchange tells it."""
    return TradeReport(
        trade_id=trade_id,
        venue_id="900",
        id="7f3a-burst-1",
        symbol="BTCUSDT",
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal("0.5"),
        realised=Decimal(0),
        is_maker=False,
        ts_event=ts,
    )


def funding(name: str = "f1") -> FundingReport:
    """A funding that was paid."""
    return FundingReport(id=name, symbol="BTCUSDT", paid=Decimal("0.12"), ts_event=NOON_NS)


def status(name: str = "7f3a", *, side: str | None = "LONG", **more: object) -> TradeStatus:
    """A page of a live run that holds something, unless told otherwise."""
    plain = TradeStatus(
        run=name,
        kind=RunKind.LIVE,
        strategy="burst",
        instrument=BTC,
        data="demo",
        pid=4711,
        begun_ms=NOON_MS,
        at_ms=NOON_MS + 60_000,
        market_ms=NOON_MS + 60_000,
        is_over=False,
        mode="live",
        halted="",
        decisions=7,
        orders=1,
        fills=1,
        held=Held(
            side=side,
            size=0.01 if side else 0.0,
            entry_price=100_000.0 if side else None,
            mark=100_500.0,
            margin=100.0 if side else 0.0,
            liquidation_price=90_500.0 if side else None,
            unrealised=5.0 if side else 0.0,
            stop=99_000.0 if side else None,
        ),
        money=Money(deposit=1000.0, equity=1005.0, realised=0.0, fees=0.5, funding=0.0),
    )
    return msgspec.structs.replace(plain, **more)


def held_journal(database: Path, *, kind: RunKind = RunKind.LIVE, holder: str = "trader 1") -> Journal:
    """A journal whose account is taken, with a run begun."""
    journal = Journal.open(place(database, kind), holder=holder)
    journal.take(ACCOUNT, 1000.0, 10.0)
    journal.begin(run_named())
    return journal

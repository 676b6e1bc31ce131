"""Journals of paper and live runs beside a store, written by the real `Journal`."""

from decimal import Decimal
from pathlib import Path

import msgspec

from perpscope.model.exchange import TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Contact, Held, Money, Spread, TradeStatus, WorkingNow
from perpscope.stores.journal import Journal, JournalRun, place

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
#: Market time of what the runs tell, epoch ms.
MARKET_MS = 1_723_120_000_000
_MS_NS = 1_000_000
LONG = Held(
    side="LONG",
    size=0.25,
    entry_price=60_000.0,
    mark=60_450.5,
    margin=1_500.0,
    liquidation_price=54_500.0,
    unrealised=112.63,
    stop=59_700.0,
)
FLAT = Held(
    side=None,
    size=0.0,
    entry_price=None,
    mark=60_450.5,
    margin=0.0,
    liquidation_price=None,
    unrealised=0.0,
    stop=None,
)
CONTACT = Contact(
    is_streaming=True, calls=38, errors=0, skew_ms=1.4, reconciled_ms=MARKET_MS - 4_000, is_mismatched=False
)
STAGES = {
    "receive": Spread(p50=1.2, p95=2.8, p99=4.9, count=4_120),
    "decide": Spread(p50=0.06, p95=0.2, p99=0.4, count=4_120),
    "journal": Spread(p50=0.3, p95=1.1, p99=2.2, count=14),
    "send": Spread(p50=0.4, p95=0.9, p99=1.9, count=14),
    "acknowledge": Spread(p50=7.0, p95=22.0, p99=140.0, count=14),
    "whole": Spread(p50=2.1, p95=5.0, p99=118.0, count=14),
}


def status(run: str = "7c1f09ab", *, at_ms: int, **other: object) -> TradeStatus:
    """How a run is doing: long on paper, unless told otherwise.

    Args:
        run: its id.
        at_ms: real time it was told at, epoch ms.
        other: fields that differ.
    """
    told = TradeStatus(
        run=run,
        kind=RunKind.PAPER,
        strategy="burst",
        instrument=BTC,
        data="demo",
        pid=4711,
        begun_ms=at_ms - 3_600_000,
        at_ms=at_ms,
        market_ms=MARKET_MS,
        is_over=False,
        mode="paper",
        halted="",
        decisions=212,
        orders=14,
        fills=9,
        refused={"spread-too-wide": 7, "daily-loss": 1},
        naked_seconds_max=0.8,
        held=LONG,
        money=Money(deposit=10_000.0, equity=10_086.4, realised=-12.5, fees=13.03, funding=0.7),
        working=[
            WorkingNow(
                id=f"{run}-burst-3",
                role="stop",
                kind="stop",
                side="sell",
                size=None,
                filled="0",
                price="59700.0",
                state="working",
                since_ms=MARKET_MS - 240_000,
            )
        ],
        latency_ms=STAGES,
        decision_hash="9f" * 32,
    )
    return msgspec.structs.replace(told, **other)


def kept(database: Path, *told: TradeStatus) -> None:
    """Write runs into the journals beside a database: an entry with two fills, its stop, and the page of each.

    Args:
        database: beside which.
        told: the last page of each run.
    """
    for n, one in enumerate(told):
        with Journal.open(place(database, one.kind), holder="trader 4711 on host") as journal:
            journal.take("account", one.at_ms / 1000, 10.0)
            journal.begin(
                JournalRun(
                    id=one.run,
                    kind=one.kind,
                    account="account",
                    strategy=one.strategy,
                    instrument=one.instrument,
                    parameters={"volume": 3.0},
                    begun_ms=one.begun_ms,
                    data=one.data,
                )
            )
            entry, stop = _orders(one)
            for order in (entry, stop):
                journal.intend(one.run, order)
            journal.note(entry.id, "filled", entry.ts_recv + 80 * _MS_NS, venue_id="880012")
            journal.note(stop.id, "working", entry.ts_recv + 300 * _MS_NS, venue_id="880013")
            for part, size in enumerate(("0.1", "0.15")):
                journal.filled(one.run, entry.id, _trade(entry, 100 * n + part, size))
            journal.report(one)


def _orders(told: TradeStatus) -> tuple[OrderRequest, OrderRequest]:
    at = (MARKET_MS - 240_000) * _MS_NS
    entry = OrderRequest(
        id=f"{told.run}-burst-2",
        instrument=told.instrument,
        ts_recv=at,
        side=Side.BUY,
        size=Decimal("0.25"),
        kind=OrderKind.MARKET,
        role=Role.ENTRY,
        why="burst",
    )
    stop = msgspec.structs.replace(
        entry,
        id=f"{told.run}-burst-3",
        side=Side.SELL,
        kind=OrderKind.STOP,
        role=Role.PROTECT,
        price=Decimal("59700.0"),
        is_reducing=True,
    )
    return entry, stop


def _trade(order: OrderRequest, trade_id: int, size: str) -> TradeReport:
    return TradeReport(
        trade_id=trade_id,
        venue_id="880012",
        id=order.id,
        symbol="BTCUSDT",
        side=order.side,
        price=Decimal("60000.0"),
        size=Decimal(size),
        fee=Decimal("2.4000"),
        realised=Decimal(0),
        is_maker=False,
        ts_event=order.ts_recv + 60 * _MS_NS,
    )

"""Whether an entry leaves room for its stop and a way out, among the orders an account may have."""

from decimal import Decimal

import msgspec
import pytest
from tests.trading import HandMarket

from perpscope.execution.room import lacking
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import OrderReport, OrderState
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role

D = Decimal
BTC = HandMarket().listings[0].instrument


def order(kind: OrderKind, *, is_reducing: bool = False, role: Role = Role.ENTRY) -> OrderRequest:
    """A wish, or what became of one."""
    return OrderRequest(
        id=f"r-s-{kind.value}-{role.value}",
        instrument=BTC.id,
        ts_recv=0,
        side=Side.BUY,
        size=D("0.010"),
        kind=kind,
        role=role,
        price=None if kind is OrderKind.MARKET else D(50_000),
        is_reducing=is_reducing,
    )


MARKET, LIMIT = order(OrderKind.MARKET), order(OrderKind.LIMIT)
STOP = order(OrderKind.STOP, is_reducing=True, role=Role.PROTECT)
TAKE = order(OrderKind.TAKE, is_reducing=True, role=Role.PROFIT)
OUT = order(OrderKind.MARKET, is_reducing=True, role=Role.LEAVE)


def rules(orders: int | None = None, conditional: int | None = None) -> Instrument:
    """So many may stand."""
    return msgspec.structs.replace(BTC, max_orders=orders, max_conditional=conditional)


def others(plain: int = 0, conditional: int = 0) -> list[OrderReport]:
    """Orders that somebody else has placed on the account."""
    return [
        OrderReport(
            id=f"web_{number}",
            venue_id=str(number),
            symbol="BTCUSDT",
            is_conditional=number < conditional,
            state=OrderState.NEW,
            side=Side.BUY,
            size=D(1),
            filled=D(0),
            price=D(40_000),
            is_reducing=False,
            ts_event=0,
        )
        for number in range(plain + conditional)
    ]


@pytest.mark.parametrize(
    ("wish", "room", "standing", "strange", "why"),
    [
        pytest.param(MARKET, (None, None), [], (500, 500), "", id="no limit is known"),
        pytest.param(MARKET, (None, 10), [], (300, 9), "", id="the last conditional order may be its stop"),
        pytest.param(MARKET, (None, 10), [], (0, 10), "max-stops", id="others have all the conditional ones"),
        pytest.param(LIMIT, (None, 10), [TAKE], (0, 9), "max-stops", id="a take-profit has the last"),
        pytest.param(LIMIT, (None, 10), [STOP], (0, 9), "", id="the stop stands already"),
        pytest.param(MARKET, (200, None), [], (198, 0), "", id="its stop and a way out"),
        pytest.param(MARKET, (200, None), [], (199, 0), "max-orders", id="none would be left for a way out"),
        pytest.param(LIMIT, (200, 10), [], (192, 5), "", id="it waits itself"),
        pytest.param(LIMIT, (200, 10), [], (193, 5), "max-orders", id="conditional ones count among all"),
        pytest.param(LIMIT, (200, 10), [STOP], (197, 0), "", id="itself and a way out, beside its stop"),
        pytest.param(LIMIT, (200, 10), [STOP, MARKET], (197, 0), "max-orders", id="what is on its way counts"),
        pytest.param(OUT, (1, 1), [], (5, 5), "", id="a way out is never asked"),
        pytest.param(STOP, (1, 1), [], (5, 5), "", id="nor is a stop"),
        pytest.param(TAKE, (1, 1), [], (5, 5), "", id="nor a take-profit"),
    ],
)
def test_an_entry_finds_room_or_says_what_is_full(
    wish: OrderRequest,
    room: tuple[int | None, int | None],
    standing: list[OrderRequest],
    strange: tuple[int, int],
    why: str,
) -> None:
    """Protects a position's stop and its way out: an entry never takes the last place of either; exits go through."""
    ours = [Tracked(one, 0.0) for one in standing]
    assert lacking(wish, rules(*room), ours, others(*strange)) == why

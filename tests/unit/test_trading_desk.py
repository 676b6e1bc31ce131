"""A desk begins with nothing but what it was given, and reads as opinions, wishes, facts and sums of facts."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from tests.unit.desk_histories import BTC, COIN, START, UNITS, Coin, desk_of

from perpscope.analytics.margin import Leg
from perpscope.analytics.margin import liquidation_price as exact
from perpscope.analytics.margin_tiers import flat_table
from perpscope.model.market import PositionSide, Side
from perpscope.model.order import OrderKind, Role
from perpscope.settings import Costs
from perpscope.trading import orders
from perpscope.trading.desk import DeskView, opened
from perpscope.trading.fees import costs_of
from perpscope.trading.layout import (
    ENTRY,
    EXIT,
    KEPT_DECISIONS,
    KEPT_FILLS,
    LIMIT,
    LONG,
    MARKET,
    NEVER,
    NOTE_SEEN,
    NUMBERS,
    SHORT,
    STAY,
)
from perpscope.trading.refusals import REFUSALS


def test_a_new_desk_knows_nothing_and_owes_nothing() -> None:
    """Deposit, contract and parameters stand; prices are unknown; nothing waits."""
    desk = desk_of(parameters=Coin(2.0, 0.01, 0.02), deposit=5_000)
    d = desk[0]
    assert d.parameters[:4].tolist() == [2.0, 0.01, 0.02, 0.0]
    assert d.account.cash == d.account.deposit == 5_000 * 10**8
    assert (d.account.worth, d.account.tick, d.account.step) == (10_000, 0.1, 0.001)
    assert d.due == NEVER
    unknown = [d.watch.last, d.watch.bid, d.watch.mark, d.watch.edge, *d.watch.imbalances, d.account.entry]
    assert np.isnan(unknown).all()
    assert (d.watch.has_candles, d.is_simulated, d.fills, d.decisions, d.points) == (1, 1, 0, 0, 0)


def test_more_parameters_than_there_is_room_for_are_refused() -> None:
    """Silently leaving the last ones out would be another strategy."""
    many = msgspec.defstruct("Many", [(f"p{n}", float, 0.0) for n in range(NUMBERS + 1)], frozen=True)
    strategy = msgspec.structs.replace(COIN, parameters=many)
    with pytest.raises(ValueError, match="a desk holds 32"):
        opened(strategy, many(), UNITS, flat_table(0.004), costs_of(BTC, Costs()), deposit=Decimal(1))


def test_orders_read_as_wishes() -> None:
    """Whole ticks and steps are decimals outside; ids are made of run, strategy and number."""
    desk = desk_of()
    d = desk[0]
    orders.place(d, START, MARKET, ENTRY, -1, 25, 0, 1, 0.01, 0.0)
    orders.place(d, START + 1, LIMIT, ENTRY, 1, 7, 600_001, 0, 0.0, 0.0)
    view = DeskView(desk, COIN, BTC.id, UNITS, "run1")
    first, second = view.requests()
    assert (first.id, first.side, first.size, first.kind) == (
        "run1-coin-1",
        Side.SELL,
        Decimal("0.025"),
        OrderKind.MARKET,
    )
    assert (first.price, first.why, first.role, first.ts_expires) == (None, "tossed", Role.ENTRY, None)
    assert (second.price, second.ts_recv) == (Decimal("60000.1"), START + 1)
    assert view.requests(1) == [second]
    assert view.order_count == 2
    assert view.request(desk.view(np.ndarray)[0]["orders"][1]) == second


def test_fills_and_position_read_as_facts() -> None:
    """A fill has price, size, fee and role; the position what is left of all of them, and where it is liquidated."""
    desk = desk_of()
    d = desk[0]
    view = DeskView(desk, COIN, BTC.id, UNITS)
    flat = view.position()
    assert (flat.side, flat.size, flat.entry_price, flat.liquidation_price) == (None, Decimal(0), None, None)
    orders.place(d, START, MARKET, ENTRY, 1, 25, 0, 1, 0.0, 0.0)
    d.watch.now = START + 9
    orders.filled(d, 0, START + 5, 25, 600_000, 75_000_000, 0)
    (fill,) = view.fills()
    assert (fill.order, fill.role, fill.side, fill.is_maker) == ("run-coin-1", Role.ENTRY, Side.BUY, False)
    assert (fill.price, fill.size, fill.fee) == (Decimal("60000.0"), Decimal("0.025"), Decimal("0.75"))
    assert (fill.ts_event, fill.ts_recv) == (START + 5, START + 9)
    assert view.fill(desk.view(np.ndarray)[0]["kept_fills"][0]) == fill
    held = view.position()
    assert (held.side, held.size, held.entry_price) == (PositionSide.LONG, Decimal("0.025"), Decimal("60000.0"))
    assert held.margin == Decimal(150)
    assert held.ts_opened == START + 5
    wanted = exact(Leg(PositionSide.LONG, 0.025, 60_000.0), 150.0, flat_table(0.004))
    assert held.liquidation_price == pytest.approx(wanted)
    assert view.wallet == Decimal(10_000) - Decimal("0.75")


def test_decisions_read_as_opinions() -> None:
    """A near miss names the rule that failed, a refusal its reason; what a rule does not say is None."""
    desk = desk_of()
    d = desk[0]
    for number, (answer, failed, side, refusal, edge) in enumerate(
        [(LONG, 0, 0, 0, 0.002), (STAY, 2, SHORT, 0, np.nan), (SHORT, 0, 0, 7, np.nan)]
    ):
        row = d.kept_decisions[number]
        row.ts, row.answer, row.why, row.failed, row.side = START + number, answer, 1, failed, side
        row.refusal, row.price, row.stop, row.edge = refusal, 60_000.0, 0.01, edge
    d.decisions = 3
    view = DeskView(desk, COIN, BTC.id, UNITS)
    entry, near, refused = view.signals()
    assert (entry.side, entry.why, entry.edge_bps, entry.refusal) == (PositionSide.LONG, "tossed", 20.0, "")
    assert (near.side, near.failed, near.edge_bps) == (PositionSide.SHORT, ("second",), None)
    assert refused.refusal == REFUSALS[7]
    assert refused.values == {"price": 60_000.0, "stop": 0.01}
    assert view.signals(2) == [refused]
    assert view.signal(desk.view(np.ndarray)[0]["kept_decisions"][2]) == refused


def test_the_newest_decision_tells_what_its_rules_looked_at() -> None:
    """By the strategy's names; what is not known is left out, and an exit looked at nothing."""
    desk = desk_of()
    d = desk[0]
    d.decisions = 2
    for row in d.kept_decisions[:2]:
        row.answer, row.price, row.stop = LONG, 60_000.0, 0.01
    d.notes[NOTE_SEEN : NOTE_SEEN + 3] = 3.5, np.nan, 7.0
    view = DeskView(desk, msgspec.structs.replace(COIN, figures=("luck", "lean")), BTC.id, UNITS)
    before, newest = view.signals()
    assert newest.values == {"price": 60_000.0, "stop": 0.01, "luck": 3.5}
    assert before.values == {"price": 60_000.0, "stop": 0.01}
    d.kept_decisions[1].answer = EXIT
    assert view.signals(1)[0].values == before.values


def test_no_more_is_read_than_is_kept() -> None:
    """Of rings that ran over, the newest rows are read, oldest first."""
    desk = desk_of()
    d = desk[0]
    d.fills, d.decisions = KEPT_FILLS + 5, KEPT_DECISIONS + 5
    for ring in (d.kept_fills, d.kept_decisions):
        for place in range(ring.size):
            ring[place].ts = place
    d.kept_fills["side"][:] = 1
    view = DeskView(desk, COIN, BTC.id, UNITS)
    assert [fill.ts_event for fill in view.fills()][:2] == [5, 6]
    assert len(view.fills()) == KEPT_FILLS
    assert len(view.signals()) == KEPT_DECISIONS

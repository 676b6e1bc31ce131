"""Comparing an account with what is known of it: whose each difference is, and when it counts."""

from decimal import Decimal

import msgspec
import pytest

from perpscope.execution.reconcile import Found, Known, Mismatch, Twice, compare, missed
from perpscope.model.exchange import OrderReport, OrderState, TradeReport
from perpscope.model.market import Side

_LOT = Decimal("0.01")
_FLAT = Decimal(0)
_KNOWN = Known(position=_LOT, working={"r1-burst-2": True}, prefix="r1-")


def listed(order: str, *, is_conditional: bool = True) -> OrderReport:
    """An order of the exchange's list."""
    return OrderReport(
        id=order,
        venue_id="77",
        symbol="BTCUSDT",
        is_conditional=is_conditional,
        state=OrderState.NEW,
        side=Side.SELL,
        size=None,
        filled=_FLAT,
        price=Decimal(80_000),
        is_reducing=True,
        ts_event=1,
    )


def filled(number: int) -> TradeReport:
    """A fill of the exchange's list."""
    return TradeReport(
        trade_id=number,
        venue_id="77",
        id="",
        symbol="BTCUSDT",
        side=Side.BUY,
        price=Decimal(80_000),
        size=_LOT,
        fee=_FLAT,
        realised=_FLAT,
        is_maker=False,
        ts_event=1,
    )


def found(position: Decimal, *orders: str) -> Found:
    """What the exchange lists."""
    return Found(position=position, orders=[listed(one) for one in orders])


def test_the_same_on_both_sides_agrees() -> None:
    """Position and orders known and listed alike: nothing to do. Keeps S2-59."""
    findings = compare(_KNOWN, found(_LOT, "r1-burst-2"))
    assert findings.is_agreed
    assert (findings.differs, findings.gone, findings.strangers) == (Decimal(0), (), ())


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        pytest.param(_KNOWN, found(3 * _LOT, "r1-burst-2"), {"differs": 2 * _LOT}, id="more is held"),
        pytest.param(_KNOWN, found(-_LOT, "r1-burst-2"), {"differs": -2 * _LOT}, id="the other side is held"),
        pytest.param(_KNOWN, found(_LOT), {"gone": ("r1-burst-2",)}, id="an order is not listed"),
        pytest.param(_KNOWN, found(_LOT, "r1-burst-2", "r1-burst-9"), {"astray": ["r1-burst-9"]}, id="one of the run"),
        pytest.param(
            msgspec.structs.replace(_KNOWN, ids=("old-7",)),
            found(_LOT, "r1-burst-2", "old-7"),
            {"astray": ["old-7"]},
            id="one that was written down",
        ),
        pytest.param(_KNOWN, found(_LOT, "r1-burst-2", "web_1"), {"strangers": ["web_1"]}, id="a stranger's order"),
        pytest.param(_KNOWN, found(_LOT, "r1-burst-2", ""), {"strangers": [""]}, id="an order of the exchange's own"),
        pytest.param(
            msgspec.structs.replace(_KNOWN, position=_FLAT),
            found(_FLAT, "r1-burst-2"),
            {"orphans": ("r1-burst-2",)},
            id="a stop without a position",
        ),
    ],
)
def test_each_difference_has_its_name(known: Known, seen: Found, expected: dict[str, object]) -> None:
    """Every way two lists can differ is told by its own name, and none beside it. Keeps S2-59."""
    findings = compare(known, seen)
    told = {
        "differs": findings.differs,
        "gone": findings.gone,
        "astray": [one.id for one in findings.astray],
        "orphans": findings.orphans,
        "strangers": [one.id for one in findings.strangers],
    }
    silent: dict[str, object] = {"differs": _FLAT, "gone": (), "astray": [], "orphans": (), "strangers": []}
    assert told == silent | expected
    assert findings.is_agreed is (expected.keys() == {"strangers"})


def test_what_moves_is_not_judged() -> None:
    """While an order is on its way, lists may say anything: only strangers are told."""
    known = msgspec.structs.replace(_KNOWN, is_idle=False)
    findings = compare(known, found(5 * _LOT, "r1-burst-9", "web_1"))
    assert findings.is_agreed
    assert [one.id for one in findings.strangers] == ["web_1"]


def test_a_stop_that_waits_for_its_entry_is_no_orphan() -> None:
    """An entry that is still open may need the stop that stands beside it."""
    known = msgspec.structs.replace(_KNOWN, position=_FLAT, entries=("r1-burst-1",))
    assert compare(known, found(_FLAT, "r1-burst-2")).orphans == ()


def test_fills_nobody_told_come_once_and_in_order() -> None:
    """Listed twice, or told before: only what is new, oldest first. Keeps S2-59."""
    fresh = missed([filled(9), filled(7), filled(9), filled(8)], {8})
    assert [one.trade_id for one in fresh] == [7, 9]


def test_only_what_is_found_twice_running_counts() -> None:
    """What was just on its way is not there the second time."""
    twice = Twice()
    assert twice.again(["a", "b"]) == frozenset()
    assert twice.again(["b", "c"]) == {"b"}
    assert twice.again([]) == frozenset()
    assert twice.again(["b"]) == frozenset()


def test_a_position_that_differs_is_a_mismatch_after_an_interval() -> None:
    """Twice, an interval apart; it ends with the first comparison that agrees, and begins anew after that."""
    mismatch = Mismatch(10.0)
    judged = [
        mismatch.judge(differs, now_s) for differs, now_s in [(_LOT, 0.0), (_LOT, 5.0), (-_LOT, 9.5), (_FLAT, 20.0)]
    ]
    assert judged == [False, False, True, False]
    assert [mismatch.judge(_LOT, now_s) for now_s in (21.0, 25.0, 31.0)] == [False, False, True]

"""A liquidation that comes again is known again; anything the venue tells differently is another."""

import msgspec
import pytest

from perpscope.engine.repeats import Repeats
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

ETH = InstrumentId("ETH-USDT-PERP.BYBIT")
FIRST = Liquidation(
    InstrumentId("BTC-USDT-PERP.BYBIT"),
    5,
    6,
    PositionSide.LONG,
    1.0,
    None,
    99.0,
    Completeness.COMPLETE,
    Sampling.NONE,
    venue_id="a",
)


def test_the_same_event_received_at_another_time_is_a_repeat() -> None:
    """Two connections hear it at two moments; it happened once."""
    repeats = Repeats()
    assert not repeats.is_repeat(FIRST)
    assert repeats.is_repeat(FIRST)
    assert repeats.is_repeat(msgspec.structs.replace(FIRST, ts_recv=99))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"instrument": ETH}, id="instrument"),
        pytest.param({"ts_event": 7}, id="time"),
        pytest.param({"position_side": PositionSide.SHORT}, id="side"),
        pytest.param({"size": 2.0}, id="size"),
        pytest.param({"fill_price": 100.0}, id="fill"),
        pytest.param({"bankruptcy_price": 98.0}, id="bankruptcy"),
        pytest.param({"venue_id": "b"}, id="venue-id"),
    ],
)
def test_one_that_differs_is_another(change: dict[str, object]) -> None:
    """Two alike in one frame are told apart by the venue's id, others by what happened."""
    repeats = Repeats()
    repeats.is_repeat(FIRST)
    assert not repeats.is_repeat(msgspec.structs.replace(FIRST, **change))


def test_memory_is_bounded() -> None:
    """The oldest is forgotten first, also if it was heard again meanwhile."""
    repeats = Repeats(remembered=2)
    events = [msgspec.structs.replace(FIRST, ts_event=ts) for ts in (1, 2, 3)]
    assert [repeats.is_repeat(event) for event in (events[0], events[1], events[0], events[2])] == [
        False,
        False,
        True,
        False,
    ]
    assert not repeats.is_repeat(events[0])

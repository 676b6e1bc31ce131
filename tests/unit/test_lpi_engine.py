"""LPI on its way through the engine: the reference price, the sample, what comes late, twice or from an earlier run."""

import msgspec
import pytest

from perpscope.engine import ranking
from perpscope.engine.engine import Engine
from perpscope.engine.reference import ReferencePrices
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, Lpi, MarketEvent, MarkPrice, PositionSide, Sampling

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
S = 1_000_000_000
START = 1_723_118_400 * S


class Kept:
    """A sink that keeps liquidations."""

    def __init__(self) -> None:
        self.lpi: list[Lpi | None] = []

    def accept(self, event: MarketEvent) -> None:
        """Keep what was reckoned."""
        if isinstance(event, Liquidation):
            self.lpi.append(event.lpi)


def mark(second: float, price: float = 100.0) -> MarkPrice:
    """A mark price."""
    ts = START + round(second * S)
    return MarkPrice(BTC, ts, ts, price, None, None, None)


def liquidation(
    second: float,
    size: float = 1.0,
    fill: float | None = 99.0,
    *,
    of: InstrumentId = BTC,
    side: PositionSide = PositionSide.LONG,
) -> Liquidation:
    """A forced order; its bankruptcy price is 98."""
    ts = START + round(second * S)
    return Liquidation(of, ts, ts, side, size, fill, 98.0, Completeness.SAMPLED, Sampling.UNKNOWN)


def a_run(count: int, begin: int = 300) -> list[MarketEvent]:
    """Marks every second and so many liquidations, a little larger and further away each time."""
    events: list[MarketEvent] = []
    for number in range(count):
        events += [mark(begin + number - 60), liquidation(begin + number, 1.0 + number, 99.0 - number / 1000)]
    return events


def reckoned(*events: MarketEvent, history: list[Liquidation] | None = None) -> list[Lpi | None]:
    """What a new engine makes of them."""
    sink = Kept()
    engine = Engine(sinks=[sink], lpi_history=history or [])
    for event in events:
        engine.process(event)
    return sink.lpi


def test_value_basis_points_reference_and_sample() -> None:
    """The hundred and first is larger and more displaced than all before it. Keeps S1-46."""
    found = reckoned(*a_run(101))
    assert [(lpi.value, lpi.reference_price, lpi.sample) for lpi in found if lpi] == [
        *((None, 100.0, number) for number in range(100)),
        (100.0, 100.0, 100),
    ]
    assert [lpi.bps for lpi in found if lpi] == pytest.approx([100.0 + number / 10 for number in range(101)])


@pytest.mark.parametrize(
    ("marks", "reference"),
    [
        pytest.param([mark(40, 7.0)], 7.0, id="at the moment itself"),
        pytest.param([mark(39, 7.0), mark(40.1, 8.0)], 7.0, id="not one after it"),
        pytest.param([mark(38, 6.0), mark(39, 7.0)], 7.0, id="the latest before it"),
        pytest.param([mark(-80, 7.0)], 7.0, id="120 s older"),
        pytest.param([mark(-80.1, 7.0)], None, id="older still"),
        pytest.param([mark(39, 7.0), mark(38, 6.0), mark(39.5, 8.0)], 7.0, id="one a second, none late"),
        pytest.param([mark(39, 0.0), mark(39, float("inf"))], None, id="no price at all"),
        pytest.param([], None, id="none yet"),
    ],
)
def test_the_reference_is_the_mark_of_a_minute_before(marks: list[MarkPrice], reference: float | None) -> None:
    """Nothing from the minute before a liquidation, which it may have moved itself, and nothing stale."""
    lpi = reckoned(*marks, liquidation(100))[0]
    assert lpi is not None
    assert lpi.reference_price == reference
    assert (lpi.bps is None) == (reference is None)


def test_reference_prices_are_bounded() -> None:
    """Minutes are kept, not hours; the last ones are right however long it runs."""
    prices = ReferencePrices()
    for second in range(3_000):
        prices.note(second * S, 1.0 + second)
    assert prices.before(3_000 * S) == 2_941.0
    assert prices.before(2_800 * S) == 2_741.0
    assert prices.before(1_000 * S) is None
    assert len(prices._times) < 720


def test_without_a_reference_nothing_is_known() -> None:
    """An instrument without mark prices: null, not a guess."""
    assert (
        reckoned(liquidation(100), liquidation(101, of=InstrumentId("ETH-USDT-PERP.BINANCE")))
        == [Lpi(None, None, None, 0)] * 2
    )


def test_twice_is_ranked_once() -> None:
    """A repeated liquidation is passed on once, and the sample does not grow by it."""
    events = a_run(120)
    doubled: list[MarketEvent] = []
    for event in events:
        doubled += [event, event]
    assert reckoned(*doubled) == reckoned(*events)


def test_what_was_remembered_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are known again."""
    monkeypatch.setattr(ranking, "_REMEMBERED", 2)
    first, *others = (liquidation(100 + second) for second in range(3))
    ranks = ranking.LpiRanking()
    found = [ranks.ranked(event, 100.0).lpi for event in (first, *others, others[1], first, liquidation(110))]
    assert [lpi.sample for lpi in found if lpi] == [0, 1, 2, 2, 0, 4]


def test_late_is_ranked_among_those_before_it() -> None:
    """A late liquidation has the LPI it would have had in time."""
    *events, late = a_run(130)
    in_time = reckoned(*events, late)[-1]
    after: list[MarketEvent] = [mark(430), mark(431), liquidation(500, 1e6, 90.0), liquidation(501, 1e6, 90.0)]
    assert reckoned(*events, *after, late)[-1] == in_time


def test_fills_and_bankruptcy_prices_are_never_compared() -> None:
    """Each kind of price has a sample of its own."""
    fills = a_run(101)
    both: list[MarketEvent] = []
    for event in fills:
        both.append(event)
        if isinstance(event, Liquidation):
            both.append(msgspec.structs.replace(event, fill_price=None))
    found = reckoned(*both)
    assert [lpi.sample for lpi in found if lpi] == [number for number in range(101) for _ in range(2)]


def test_a_second_run_goes_on_where_the_first_ended() -> None:
    """History from the store makes the same LPI as one run without a break, and knows repeats again. Keeps S1-46."""
    events = a_run(150)
    whole = reckoned(*events)
    first = [event for event in events[:240] if isinstance(event, Liquidation)]
    stored = [msgspec.structs.replace(event, lpi=lpi) for event, lpi in zip(first, whole[:120], strict=True)]
    assert reckoned(*events[140:240:2], stored[-1], *events[240:], history=stored)[1:] == whole[120:]
    assert reckoned(stored[-1], history=stored) == [whole[119]]


def test_history_without_a_reference_says_nothing() -> None:
    """Rows from before there was LPI, or without a reference, are not compared with."""
    history = [liquidation(1), msgspec.structs.replace(liquidation(2), lpi=Lpi(None, None, None, 0))]
    found = reckoned(mark(30), liquidation(100), history=history)[0]
    assert found is not None
    assert found.sample == 0


def test_a_time_that_cannot_be() -> None:
    """A liquidation stamped hours ahead is not ranked: it would push the whole week out of the window."""
    broken = msgspec.structs.replace(liquidation(2 * 3600), ts_recv=START)
    found = reckoned(mark(39), liquidation(100), mark(2 * 3600 - 60), broken, mark(7300), liquidation(7400, 2.0))
    assert [(lpi.sample, lpi.reference_price) for lpi in found if lpi] == [(0, 100.0), (0, 100.0), (1, 100.0)]


def test_no_price_no_lpi() -> None:
    """A liquidation the venue told no price of goes on as it came."""
    unpriced = msgspec.structs.replace(liquidation(100, fill=None), bankruptcy_price=None)
    assert reckoned(mark(30), unpriced) == [None]


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a new instrument has its basis points, but no rank; nor is history kept for it."""
    monkeypatch.setattr(ranking, "_GROUPS", 0)
    history = [msgspec.structs.replace(liquidation(1), lpi=Lpi(None, 1.0, 100.0, 0))]
    (found,) = reckoned(mark(30), liquidation(100), history=history)
    assert found is not None
    assert (found.value, found.sample) == (None, 0)
    assert found.bps == pytest.approx(100.0)

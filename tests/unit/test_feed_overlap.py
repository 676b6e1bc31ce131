"""Two connections of one plan: what both bring counts once, from the opening of the second to shortly after the end."""

from perpscope.feeds.overlap import Overlap, stem, successor
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, MarketEvent, Side, Trade

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
SECOND = 1_000_000_000


def trade(number: int, ts_recv: int) -> Trade:
    """One trade as one of the two connections brought it."""
    return Trade(BTC, number, ts_recv, number, 1.0, 1.0, Side.BUY, True)


def ids(events: list[MarketEvent]) -> list[int | str]:
    """Trade ids."""
    return [event.trade_id for event in events if isinstance(event, Trade)]


def test_names_take_turns() -> None:
    """The third connection has the first one's name, and all have one stem."""
    assert successor(successor("okx/public/3")) == "okx/public/3"
    assert stem(successor("okx/public/3")) == stem("okx/public/3") == "okx/public/3"


def test_one_connection_is_not_looked_at() -> None:
    """Outside an overlap events go through as they are, the same twice included."""
    overlap = Overlap()
    overlap.connected("a/0")
    assert not overlap.is_on
    assert ids(overlap.fresh([trade(1, 5), trade(1, 6)], 6)) == [1, 1]


def test_each_event_counts_once_whichever_brings_it_first() -> None:
    """Batches of different cut, the younger ahead or behind: the union, without repeats."""
    overlap = Overlap()
    overlap.connected("a/0")
    overlap.connected("a/0b")
    assert overlap.is_on
    assert ids(overlap.fresh([trade(1, 5), trade(2, 5)], 5)) == [1, 2]
    assert ids(overlap.fresh([trade(2, 6), trade(3, 6)], 6)) == [3]
    assert ids(overlap.fresh([trade(3, 7), trade(4, 7)], 7)) == [4]
    delta = BookDelta(BTC, 1, 8, 1, 2, 0, [(1.0, 2.0)], [])
    again = BookDelta(BTC, 1, 9, 1, 2, 0, [(1.0, 2.0)], [])
    assert overlap.fresh([delta], 8) == [delta]
    assert overlap.fresh([again], 9) == []


def test_it_ends_some_seconds_after_one_of_them_is_gone() -> None:
    """What the younger brings late is still known; later nothing is remembered any more."""
    overlap = Overlap()
    overlap.connected("a/0")
    overlap.connected("a/0b")
    overlap.fresh([trade(1, 0)], 0)
    overlap.disconnected("a/0", 1 * SECOND)
    assert ids(overlap.fresh([trade(1, 2 * SECOND)], 2 * SECOND)) == []
    assert overlap.is_on
    assert ids(overlap.fresh([trade(1, 7 * SECOND)], 7 * SECOND)) == [1]
    assert [overlap.is_on] == [False]
    overlap.connected("a/0")
    assert overlap.is_on


def test_a_lone_connection_that_goes_begins_no_overlap() -> None:
    """Reconnecting under the same name is no overlap."""
    overlap = Overlap()
    overlap.connected("a/0")
    overlap.disconnected("a/0", 1)
    overlap.connected("a/0")
    assert not overlap.is_on

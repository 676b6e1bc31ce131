"""Events for the archive's tests: trades, quotes, books and marks of one instrument, in seconds after noon."""

from tests.contract.store_events import BTC, at

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, MarkPrice, Quote, Side, Trade
from perpscope.model.stream import Channel, Stream

TRADES = (Stream(Channel.TRADES, BTC.id),)
LATE = 5_000_000  #: ns from the venue to us


def trade(
    second: float,
    number: int | str | None = None,
    *,
    price: float = 60_000.0,
    size: float = 1.0,
    side: Side = Side.BUY,
    of: InstrumentId = BTC.id,
) -> Trade:
    """A trade; without a number its id is the millisecond."""
    ts = at(second)
    return Trade(of, ts, ts + LATE, ts // 1_000_000 if number is None else number, price, size, side, False)


def quote(second: float, bid: float = 59_999.5, *, of: InstrumentId = BTC.id) -> Quote:
    """A best bid and ask."""
    ts = at(second)
    return Quote(of, ts, ts + LATE, ts // 1_000_000, bid, 1.0, bid + 1.0, 2.0)


def delta(second: float, first: int, last: int) -> BookDelta:
    """Two levels on one side and one on the other; one goes."""
    ts = at(second)
    return BookDelta(BTC.id, ts, ts + LATE, first, last, first - 1, [(1.0, 2.0), (0.9, 0.0)], [(1.1, 3.0)])


def snapshot(second: float, last: int) -> BookSnapshot:
    """A book sent in its place."""
    ts = at(second)
    return BookSnapshot(BTC.id, ts, ts + LATE, last, [(1.0, 5.0)], [], is_stream=True)


def marked(second: float) -> MarkPrice:
    """A mark price without funding."""
    return MarkPrice(BTC.id, at(second), at(second) + LATE, 60_000.0, None, None, None)

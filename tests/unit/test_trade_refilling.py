"""What the book was worth at a moment of the exchange's time, and whether anybody saw it."""

from tests.unit.desk_histories import BTC, START

from perpscope.app.trade.refilling import STALE_NS, Shown, Wanted, answered, taken, venue_named
from perpscope.model.market import BookDelta, BookSnapshot, Disconnected, Side, Subscribed, Tick, Trade
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, Stream

MS = 1_000_000
BOOK = (Stream(Channel.BOOK, BTC.id),)


def book(ms: int, bid: float, size: float = 1.0) -> BookSnapshot:
    """A whole book of two levels a side at a time after the start."""
    bids, asks = [(bid, size), (bid - 1, 5.0)], [(bid + 0.1, size), (bid + 1.1, 5.0)]
    return BookSnapshot(BTC.id, START + ms * MS, START + ms * MS, ms, bids, asks, is_stream=True)


def ask(ms: int, *, is_next: bool = True, side: int = 1, size: int = 500, key: str = "k") -> Wanted:
    """A question."""
    return Wanted(ts=START + ms * MS, key=key, is_next=is_next, side=side, size=size)


def told(events: list[Arrival], *wanted: Wanted) -> dict[str, Shown]:
    """The answers."""
    return answered(events, BTC, wanted)


def test_the_next_book_and_the_one_that_stood() -> None:
    """A modelled order meets the first book from its arrival on, a real fill the one before. Keeps B11."""
    events: list[Arrival] = [book(0, 100.0), book(100, 101.0), book(200, 102.0)]
    found = told(
        events, ask(100, key="at"), ask(101, key="after"), ask(150, is_next=False, side=-1, key="then"), ask(201)
    )
    assert found == {
        "at": Shown(ts=START + 100 * MS, levels=[(1011, 500)], is_seen=True),
        "after": Shown(ts=START + 200 * MS, levels=[(1021, 500)], is_seen=True),
        "then": Shown(ts=START + 100 * MS, levels=[(1010, 500)], is_seen=True),
    }


def test_a_size_takes_level_after_level() -> None:
    """What lies deeper than is known is taken at the last of them."""
    found = told([book(0, 100.0)], ask(0, size=2_000, side=-1), ask(0, size=9_000, key="deep"))
    assert found["k"].levels == [(1000, 1000), (990, 1000)]
    assert found["deep"].levels == [(1001, 1000), (1011, 5000), (1011, 3000)]
    assert taken([(1, 0), (2, 3)], 3) == [(2, 3)]


def test_what_is_asked_of_the_end_meets_the_last_book() -> None:
    """Nothing came after it, and it was fresh."""
    found = told([book(0, 100.0), Tick(ts_recv=START)], ask(900, is_next=False))
    assert found["k"].is_seen


def test_a_book_that_is_silent_is_not_seen() -> None:
    """Five seconds without a word: it is answered by what comes next, or stood before, and said."""
    events: list[Arrival] = [book(0, 100.0), book(9_000, 109.0)]
    found = told(events, ask(100, key="next"), ask(8_000, is_next=False, key="then"), ask(4_500, key="soon"))
    assert STALE_NS == 5_000 * MS
    assert [(found[key].levels[0][0], found[key].is_seen) for key in ("next", "then", "soon")] == [
        (1091, False),
        (1001, False),
        (1091, True),
    ]


def test_a_book_that_was_lost_is_not_seen() -> None:
    """Its connection gone, the next to come is another; before any there is no answer."""
    other = Trade(BTC.id, START, START, 1, 1.0, 1.0, Side.BUY, False)
    events: list[Arrival] = [
        Subscribed("binance", "one", BOOK, START),
        other,
        book(0, 100.0),
        Disconnected("one", "end", START + MS),
        BookDelta(BTC.id, START + 200 * MS, START + 200 * MS, 9, 9, 8, [(1.0, 1.0)], []),
        book(300, 103.0),
    ]
    found = told(events, ask(100), ask(150, is_next=False, key="then"))
    assert found == {"k": Shown(ts=START + 300 * MS, levels=[(1031, 500)], is_seen=False)}
    assert told([], ask(0), ask(0, is_next=False, key="then")) == {}


def test_a_part_of_a_recording_names_its_venue() -> None:
    """Or nobody we know."""
    found = venue_named("binance")
    assert found is not None
    assert found.name == "binance"
    assert venue_named("nobody") is None

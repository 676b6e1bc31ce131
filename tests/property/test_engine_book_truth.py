"""For every history of lost, repeated and swapped messages: a readable book is the truth at its update id."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.engine.book import BookChange, OrderBook
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Level

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")

Sides = tuple[dict[float, float], dict[float, float]]
Change = tuple[int, bool, int, int]  # id step, is_bid, price step, size

#: Bids lie at 1…8 and asks at 9…16, so the truth itself is never crossed.
CHANGES = st.tuples(st.integers(1, 3), st.booleans(), st.integers(1, 8), st.integers(0, 3))


class Truth(NamedTuple):
    """A venue's own account: the book at every update id, and the deltas that say so."""

    at: dict[int, Sides]
    deltas: list[BookDelta]

    def snapshot(self, last_update_id: int, *, is_stream: bool = False) -> BookSnapshot:
        """The whole book at an update id."""
        bids, asks = self.levels(last_update_id)
        return BookSnapshot(BTC, last_update_id, last_update_id, last_update_id, bids, asks, is_stream)

    def levels(self, last_update_id: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks at an update id, best first."""
        bids, asks = self.at[last_update_id]
        return sorted(bids.items(), reverse=True), sorted(asks.items())


def history(messages: list[list[Change]]) -> Truth:
    """Play changes one by one, a message at a time."""
    book: Sides = ({}, {})
    at: dict[int, Sides] = {}
    deltas: list[BookDelta] = []
    update_id = last = 100
    for changes in messages:
        first = update_id + changes[0][0]
        moved: Sides = ({}, {})
        for step, is_bid, price_step, size in changes:
            update_id += step
            side, price = (0, float(price_step)) if is_bid else (1, 8.0 + price_step)
            moved[side][price] = float(size)
            if size:
                book[side][price] = float(size)
            else:
                book[side].pop(price, None)
            at[update_id] = (dict(book[0]), dict(book[1]))
        deltas.append(
            BookDelta(BTC, update_id, update_id, first, update_id, last, list(moved[0].items()), list(moved[1].items()))
        )
        last = update_id
    return Truth(at, deltas)


TRUTHS = st.lists(st.lists(CHANGES, min_size=1, max_size=4), min_size=4, max_size=25).map(history)


def check(book: OrderBook, truth: Truth) -> None:
    """Readable means true; unreadable means silent."""
    if not book.is_readable:
        assert (book.best(), book.bids(), book.asks(), book.last_update_id) == (None, None, None, None)
        return
    assert book.last_update_id is not None
    bids, asks = truth.levels(book.last_update_id)
    assert (book.bids(), book.asks()) == (bids, asks)
    best = book.best()
    assert best == ((*bids[0], *asks[0]) if bids and asks else None)


@settings(deadline=None)  # a loaded machine is no failure
@given(TRUTHS, st.data())
def test_a_readable_book_is_the_truth(truth: Truth, data: st.DataObject) -> None:
    """Lost, repeated, swapped deltas and snapshots of any age; in the end a good snapshot heals. Keeps S4-37."""
    book = OrderBook(BTC, buffer_deltas=data.draw(st.sampled_from([2, 5_000])))
    ids = sorted(truth.at)
    holes_open = 0
    sent = list(truth.deltas[:-2])
    for n in range(len(sent) - 1):
        if data.draw(st.integers(0, 5)) == 0:
            sent[n], sent[n + 1] = sent[n + 1], sent[n]
    for delta in sent:
        if data.draw(st.integers(0, 3)) == 0:
            book.restore(truth.snapshot(data.draw(st.sampled_from(ids))))
            check(book, truth)
            holes_open = 0 if book.is_readable else holes_open
        for _ in range(data.draw(st.sampled_from([1, 1, 1, 1, 0, 2]))):
            holes_open += book.apply(delta) is BookChange.HOLE
            holes_open = 0 if book.is_readable else holes_open
            assert holes_open <= 1  # one hole until it is readable again
            check(book, truth)
    for delta in truth.deltas[-2:]:
        book.apply(delta)
    if not book.is_readable:
        assert book.restore(truth.snapshot(ids[-1])) is BookChange.LIVE
    check(book, truth)
    assert book.last_update_id == ids[-1]


def connection(truth: Truth, data: st.DataObject, *, is_whole: bool) -> list[BookDelta | BookSnapshot]:
    """What one connection delivers: a snapshot somewhere, then the deltas; some lost, and snapshots in between."""
    begin = data.draw(st.integers(0, len(truth.deltas) - 2))
    messages: list[BookDelta | BookSnapshot] = [truth.snapshot(truth.deltas[begin].last_update_id, is_stream=True)]
    for delta in truth.deltas[begin + 1 : -1]:
        fate = 1 if is_whole else data.draw(st.sampled_from([1, 1, 1, 1, 1, 0, 2]))
        if fate:
            messages.append(delta)
        if fate == 2:
            messages.append(truth.snapshot(delta.last_update_id, is_stream=True))
    return messages


@settings(deadline=None)  # a loaded machine is no failure
@given(TRUTHS, st.data())
def test_a_streamed_book_is_the_truth(truth: Truth, data: st.DataObject) -> None:
    """Two connections that overlap in any way, each with losses; in the end a snapshot heals, whatever came before."""
    book = OrderBook(BTC)
    waiting = [connection(truth, data, is_whole=False) for _ in range(2)]
    while any(waiting):
        message = data.draw(st.sampled_from([queue for queue in waiting if queue])).pop(0)
        change = book.apply(message) if isinstance(message, BookDelta) else book.restore(message)
        check(book, truth)
        assert book.wants_snapshot is not book.is_readable
        assert change is not BookChange.STALE_SNAPSHOT
    last = truth.deltas[-1]
    book.restore(truth.snapshot(last.prev_update_id, is_stream=True))
    assert book.apply(last) is BookChange.APPLIED
    check(book, truth)
    assert book.last_update_id == last.last_update_id


@settings(deadline=None)  # a loaded machine is no failure
@given(TRUTHS, st.data())
def test_a_whole_stream_has_no_hole_and_an_overlap_makes_none(truth: Truth, data: st.DataObject) -> None:
    """Connections without losses, however they interleave once the first has begun, never look like a loss."""
    book = OrderBook(BTC)
    waiting = [connection(truth, data, is_whole=True) for _ in range(2)]
    while any(waiting):
        message = data.draw(st.sampled_from([queue for queue in waiting if queue])).pop(0)
        change = book.apply(message) if isinstance(message, BookDelta) else book.restore(message)
        assert change in {BookChange.LIVE, BookChange.APPLIED, BookChange.DUPLICATE}
        check(book, truth)

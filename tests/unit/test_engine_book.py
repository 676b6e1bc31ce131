"""The order book: every venue's rules, one by one, and reads refused while it is not known to be right."""

import math
import random

import msgspec
import pytest

from perpscope.engine.book import BookChange, OrderBook, Top
from perpscope.engine.ladder import Ladder
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Level, Side

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
MS = 1_000_000


def delta(
    first: int,
    last: int,
    prev: int,
    bids: list[Level] | None = None,
    asks: list[Level] | None = None,
    ts_event: int | None = None,
) -> BookDelta:
    """A diff whose event time follows its id unless told otherwise."""
    ts = last * MS if ts_event is None else ts_event
    return BookDelta(BTC, ts, ts + 5 * MS, first, last, prev, bids or [], asks or [])


def snapshot(last: int, bids: list[Level] | None = None, asks: list[Level] | None = None) -> BookSnapshot:
    """A REST snapshot: 100 / 101 unless told otherwise."""
    return BookSnapshot(
        BTC,
        last * MS,
        last * MS + 9 * MS,
        last,
        [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)] if bids is None else bids,
        [(101.0, 1.0), (102.0, 2.0), (103.0, 4.0)] if asks is None else asks,
    )


def streamed(
    last: int, ts_event: int | None = None, bids: list[Level] | None = None, asks: list[Level] | None = None
) -> BookSnapshot:
    """A snapshot in its place among the deltas, 100 / 101; its time follows its id unless told otherwise."""
    ts = last * MS if ts_event is None else ts_event
    return BookSnapshot(BTC, ts, ts + 5 * MS, last, bids or [(100.0, 1.0)], asks or [(101.0, 1.0)], is_stream=True)


@pytest.fixture
def book() -> OrderBook:
    """A readable book at update 20."""
    book = OrderBook(BTC)
    assert book.apply(delta(11, 20, 9)) is BookChange.BUFFERED
    assert book.restore(snapshot(15)) is BookChange.LIVE
    return book


def test_nothing_is_read_before_the_snapshot() -> None:
    """An unreadable book answers None to every question."""
    assert not OrderBook(BTC).wants_snapshot
    book = OrderBook(BTC)
    assert book.apply(delta(11, 20, 9, [(100.0, 1.0)], [(101.0, 1.0)])) is BookChange.BUFFERED
    assert book.wants_snapshot
    assert not book.is_readable
    assert (book.best(), book.bids(), book.asks(), book.last_update_id) == (None, None, None, None)
    assert book.slippage(Side.BUY, 1.0) is None


@pytest.mark.parametrize(
    ("last_update_id", "change"),
    [
        pytest.param(10, BookChange.STALE_SNAPSHOT, id="before-U"),
        pytest.param(11, BookChange.LIVE, id="at-U"),
        pytest.param(20, BookChange.LIVE, id="at-u"),
        pytest.param(21, BookChange.HELD, id="after-u"),
    ],
)
def test_the_first_delta_must_bridge_the_snapshot(last_update_id: int, change: BookChange) -> None:
    """Rules 3 and 4: U <= lastUpdateId <= u, without any check of pu. Keeps S4-37."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9))
    assert book.restore(snapshot(last_update_id)) is change
    assert book.is_readable is (change is BookChange.LIVE)


def test_deltas_older_than_the_snapshot_are_dropped() -> None:
    """Rule 3: what the snapshot contains is not applied again."""
    book = OrderBook(BTC)
    book.apply(delta(1, 10, 0, [(99.5, 9.0)]))
    book.apply(delta(12, 20, 10, [(99.0, 0.0)]))
    book.apply(delta(22, 30, 20, [], [(100.5, 7.0)]))
    assert book.restore(snapshot(15)) is BookChange.LIVE
    assert book.last_update_id == 30
    assert book.bids() == [(100.0, 1.0), (98.0, 3.0)]
    assert book.asks(2) == [(100.5, 7.0), (101.0, 1.0)]


def test_a_snapshot_ahead_of_the_stream_is_held_until_the_stream_reaches_it() -> None:
    """A fast REST answer is not wasted, and none is asked for meanwhile."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9))
    assert book.restore(snapshot(35)) is BookChange.HELD
    assert not book.wants_snapshot
    assert book.apply(delta(21, 30, 20)) is BookChange.DUPLICATE
    assert book.apply(delta(32, 40, 30, [(100.0, 5.0)])) is BookChange.LIVE
    assert book.best() == Top(100.0, 5.0, 101.0, 1.0)


def test_a_held_snapshot_that_the_stream_jumps_over_is_given_up() -> None:
    """With the bridge lost, a new snapshot is asked for."""
    book = OrderBook(BTC)
    assert book.restore(snapshot(35)) is BookChange.HELD
    assert book.apply(delta(36, 40, 34)) is BookChange.STALE_SNAPSHOT
    assert book.wants_snapshot
    assert book.restore(snapshot(38)) is BookChange.LIVE


def test_the_chain_is_pu_and_not_U(book: OrderBook) -> None:
    """Rule 5: U may leave numbers out; only pu == previous u counts."""
    assert book.apply(delta(27, 30, 20, [(100.0, 0.0), (97.0, 0.0)], [(101.0, 8.0)])) is BookChange.APPLIED
    assert book.best() == Top(99.0, 2.0, 101.0, 8.0)
    assert book.last_update_id == 30


def test_a_hole_makes_the_book_unreadable_at_once(book: OrderBook) -> None:
    """B1 of the fault catalogue: one missing diff, one hole, no read until the next snapshot. Keeps S4-37."""
    assert book.apply(delta(31, 40, 30)) is BookChange.HOLE
    assert not book.is_readable
    assert book.best() is None
    assert book.ts_last == 20 * MS + 5 * MS
    assert book.apply(delta(51, 60, 50)) is BookChange.BUFFERED  # a further hole only restarts the buffer
    assert book.restore(snapshot(35)) is BookChange.STALE_SNAPSHOT
    assert book.restore(snapshot(55)) is BookChange.LIVE
    assert book.last_update_id == 60


def test_the_delta_that_showed_the_hole_may_bridge(book: OrderBook) -> None:
    """It is the first of the fresh buffer."""
    assert book.apply(delta(31, 40, 30, [(100.5, 1.0)])) is BookChange.HOLE
    assert book.restore(snapshot(33)) is BookChange.LIVE
    assert book.best() == Top(100.5, 1.0, 101.0, 1.0)


def test_repeats_are_harmless(book: OrderBook) -> None:
    """A delta contained in the book changes nothing, readable or not."""
    assert book.apply(delta(11, 20, 9, [(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.apply(delta(5, 15, 4, [(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.is_readable
    book.invalidate()
    assert book.apply(delta(31, 40, 30)) is BookChange.BUFFERED
    assert book.apply(delta(31, 40, 30)) is BookChange.DUPLICATE
    assert book.apply(delta(41, 50, 40)) is BookChange.BUFFERED
    assert book.restore(snapshot(41)) is BookChange.LIVE


def test_numbering_begun_anew_is_a_hole(book: OrderBook) -> None:
    """A later delta with a lower id cannot be a repeat: the venue restarted, the book must not go stale in silence."""
    assert book.apply(delta(2, 3, 1, ts_event=21 * MS)) is BookChange.HOLE
    assert book.apply(delta(1, 2, 0, ts_event=22 * MS)) is BookChange.BUFFERED
    assert book.restore(snapshot(2)) is BookChange.LIVE


def test_a_crossed_book_is_not_served(book: OrderBook) -> None:
    """A bid >= ask after a delta: wrong, therefore unreadable until a snapshot mends it."""
    assert book.apply(delta(21, 30, 20, [(101.0, 1.0)])) is BookChange.CROSSED
    assert book.best() is None
    assert book.apply(delta(31, 40, 30, [(101.0, 0.0)])) is BookChange.BUFFERED
    assert book.restore(snapshot(31)) is BookChange.LIVE


def test_a_crossed_snapshot_is_refused() -> None:
    """What the buffer holds survives it."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9))
    assert book.restore(snapshot(15, [(101.0, 1.0)])) is BookChange.CROSSED
    assert not book.is_readable
    assert book.restore(snapshot(16)) is BookChange.LIVE


def test_a_crossing_in_the_buffer_keeps_what_follows_it() -> None:
    """The chain from the crossing delta on stays, so a later snapshot can bridge."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9))
    book.apply(delta(21, 30, 20, [(101.0, 1.0)]))
    book.apply(delta(31, 40, 30))
    assert book.restore(snapshot(15)) is BookChange.CROSSED
    assert not book.is_readable
    assert book.restore(snapshot(31)) is BookChange.LIVE
    assert book.last_update_id == 40


def test_a_snapshot_for_a_readable_book_is_ignored(book: OrderBook) -> None:
    """A late answer never puts the book back."""
    assert book.restore(snapshot(18, [(1.0, 1.0)])) is BookChange.IGNORED
    assert book.best() == Top(100.0, 1.0, 101.0, 1.0)


def test_the_buffer_is_bounded() -> None:
    """The oldest delta goes; then an older snapshot cannot bridge and the book goes on awaiting."""
    book = OrderBook(BTC, buffer_deltas=3)
    for n in range(5):
        book.apply(delta(10 * n + 1, 10 * n + 10, 10 * n))
    assert book.restore(snapshot(15)) is BookChange.STALE_SNAPSHOT
    assert book.restore(snapshot(25)) is BookChange.LIVE


def test_an_invalidated_book_begins_anew(book: OrderBook) -> None:
    """Nothing of the old connection is remembered, a held snapshot neither."""
    book.invalidate()
    assert book.best() is None
    assert not book.wants_snapshot
    assert book.restore(snapshot(30)) is BookChange.HELD
    book.invalidate()
    assert book.apply(delta(25, 35, 24)) is BookChange.BUFFERED


def test_each_applied_delta_is_told_with_its_top() -> None:
    """Deltas replayed from the buffer are told too, in order."""
    told: list[tuple[int, Top | None]] = []
    book = OrderBook(BTC, lambda update_id, top: told.append((update_id, top)))
    book.apply(delta(11, 20, 9))
    book.apply(delta(21, 30, 20, [(100.0, 4.0)]))
    book.restore(snapshot(15))
    book.apply(delta(31, 40, 30, [], [(101.0, 0.0), (102.0, 0.0), (103.0, 0.0)]))
    assert told == [(20, Top(100.0, 1.0, 101.0, 1.0)), (30, Top(100.0, 4.0, 101.0, 1.0)), (40, None)]
    assert book.is_readable  # an empty side is no error
    assert book.slippage(Side.BUY, 1.0) is None


@pytest.mark.parametrize(
    ("side", "size", "expected"),
    [
        # mid 100.5; by hand: 3 units = 1 @ 101 + 2 @ 102 → average 305/3
        pytest.param(
            Side.BUY, 3.0, (3.0, 305 / 3, 102.0, (305 / 3 / 100.5 - 1) * 1e4, (305 / 3 / 101 - 1) * 1e4), id="buy"
        ),
        pytest.param(Side.BUY, 1.0, (1.0, 101.0, 101.0, 0.5 / 100.5 * 1e4, 0.0), id="touch-only"),
        # 1 @ 100 + 1 @ 99 → average 99.5
        pytest.param(Side.SELL, 2.0, (2.0, 99.5, 99.0, 1 / 100.5 * 1e4, 50.0), id="sell"),
        # the whole side: 100 + 198 + 294 = 592 for 6
        pytest.param(
            Side.SELL, 60.0, (6.0, 592 / 6, 98.0, (1 - 592 / 6 / 100.5) * 1e4, (1 - 592 / 600) * 1e4), id="partial"
        ),
    ],
)
def test_slippage_walks_the_book(
    book: OrderBook, side: Side, size: float, expected: tuple[float, float, float, float, float]
) -> None:
    """Average, worst price and cost against mid and touch, by hand calculation. Keeps S2-35."""
    found = book.slippage(side, size)
    assert found is not None
    assert (
        found.filled,
        found.average_price,
        found.worst_price,
        found.slippage_mid_bps,
        found.slippage_touch_bps,
    ) == pytest.approx(expected)
    assert found.is_complete is (size <= 6.0)
    assert found.side is side


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan])
def test_slippage_of_nothing_is_refused(book: OrderBook, size: float) -> None:
    """A size that is no size is our caller's error."""
    with pytest.raises(ValueError, match="must be > 0"):
        book.slippage(Side.BUY, size)


def test_a_ladder_forgets_removed_prices() -> None:
    """Prices that come and go leave nothing behind, and the order of levels is right when one comes back."""
    ladder = Ladder(is_bid=True)
    for n in range(5_000):
        ladder.update([(1.0 + n, 1.0), (1.0 + n, 0.0), (0.5, 2.0)])
    ladder.update([(2.0, 1.0), (3.0, 1.0), (2.0, 0.0), (2.0, 7.0)])
    assert ladder.top() == [(3.0, 1.0), (2.0, 7.0), (0.5, 2.0)]
    assert ladder.top(size=8.0) == [(3.0, 1.0), (2.0, 7.0)]
    assert ladder.top(0) == []
    assert (len(ladder), ladder.touch) == (3, 3.0)
    ladder.clear()
    assert math.isnan(ladder.touch)


def test_a_deep_ladder_is_rebuilt_when_removed_prices_pile_up() -> None:
    """Lazy deletion stays bounded where the removed prices never come near the touch."""
    ladder = Ladder(is_bid=False)
    ladder.update([(1.0, 1.0)])
    for n in range(3_000):
        ladder.update([(10.0 + n, 1.0)])
        ladder.update([(10.0 + n, 0.0)])
    assert len(ladder._heap) <= 1_100
    assert ladder.top() == [(1.0, 1.0)]


def test_a_streamed_snapshot_is_the_book_and_the_next_delta_chains_to_it() -> None:
    """OKX, Bitget, Bybit: no REST copy, no bridge; `prev` is the snapshot's id."""
    told: list[tuple[int, Top | None]] = []
    book = OrderBook(BTC, lambda update_id, top: told.append((update_id, top)))
    assert not book.wants_snapshot
    assert book.restore(streamed(20)) is BookChange.LIVE
    assert (book.last_update_id, book.ts_last) == (20, 25 * MS)
    assert book.apply(delta(21, 24, 20, [(100.5, 2.0)])) is BookChange.APPLIED
    assert told == [(20, Top(100.0, 1.0, 101.0, 1.0)), (24, Top(100.5, 2.0, 101.0, 1.0))]


def test_a_streamed_snapshot_replaces_a_readable_book(book: OrderBook) -> None:
    """Bybit may send one at any time: nothing of the book before it stays."""
    assert book.restore(streamed(30, bids=[(97.0, 5.0)], asks=[(98.0, 6.0)])) is BookChange.APPLIED
    assert (book.bids(), book.asks()) == ([(97.0, 5.0)], [(98.0, 6.0)])
    assert book.apply(delta(31, 31, 30, [(97.5, 1.0)])) is BookChange.APPLIED


def test_after_a_hole_the_topic_is_wanted_anew_and_its_snapshot_heals() -> None:
    """The feed subscribes again on `wants_snapshot`; what was buffered is older than what comes then."""
    book = OrderBook(BTC)
    book.restore(streamed(20))
    assert book.apply(delta(25, 25, 24)) is BookChange.HOLE
    assert (book.best(), book.wants_snapshot) == (None, True)
    assert book.apply(delta(26, 26, 25)) is BookChange.BUFFERED
    assert book.restore(streamed(40)) is BookChange.LIVE
    assert (book.last_update_id, book.wants_snapshot) == (40, False)
    assert book.apply(delta(41, 41, 40)) is BookChange.APPLIED


def test_a_streamed_snapshot_makes_a_held_copy_needless() -> None:
    """Whatever was awaited before is forgotten."""
    book = OrderBook(BTC)
    assert book.restore(snapshot(35)) is BookChange.HELD
    assert book.restore(streamed(20)) is BookChange.LIVE
    assert book.apply(delta(21, 40, 20)) is BookChange.APPLIED


def test_what_an_overlapping_connection_tells_again_is_a_duplicate() -> None:
    """Older by id and not later by time: deltas and snapshots of the connection that lags behind."""
    book = OrderBook(BTC)
    book.restore(streamed(30))
    assert book.apply(delta(25, 26, 24, [(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.apply(delta(29, 30, 28, [(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.restore(streamed(28, bids=[(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.restore(streamed(30, bids=[(1.0, 1.0)])) is BookChange.DUPLICATE
    assert book.bids() == [(100.0, 1.0)]
    assert book.apply(delta(31, 31, 30)) is BookChange.APPLIED


def test_numbers_begun_anew_by_a_snapshot_are_followed(book: OrderBook) -> None:
    """Bybit's `u` = 1 after a restart: a lower id that comes later is no repeat."""
    assert book.restore(streamed(1, ts_event=50 * MS)) is BookChange.APPLIED
    assert book.last_update_id == 1
    assert book.apply(delta(2, 2, 1, ts_event=51 * MS)) is BookChange.APPLIED
    assert book.apply(delta(21, 30, 20, ts_event=30 * MS)) is BookChange.HOLE  # of the old numbers: cannot be placed


def test_a_chained_delta_may_carry_a_lower_number() -> None:
    """OKX after maintenance: `prevSeqId` fits, `seqId` is lower; and a quiet book repeats its number."""
    book = OrderBook(BTC)
    book.restore(streamed(9_004))
    assert book.apply(delta(9_004, 9_004, 9_004, ts_event=9_100 * MS)) is BookChange.APPLIED
    assert book.apply(delta(3, 3, 9_004, [(99.0, 1.0)], ts_event=9_200 * MS)) is BookChange.APPLIED
    assert book.apply(delta(4, 4, 3, ts_event=9_300 * MS)) is BookChange.APPLIED


@pytest.mark.parametrize(
    ("prev", "last", "change"),
    [
        pytest.param(95, 105, BookChange.APPLIED, id="around-it"),
        pytest.param(95, 100, BookChange.APPLIED, id="up-to-it"),
        pytest.param(101, 105, BookChange.HOLE, id="beyond-it"),
        pytest.param(0, 105, BookChange.HOLE, id="numbers-begun-anew"),
    ],
)
def test_the_first_delta_after_a_streamed_snapshot_may_bridge(prev: int, last: int, change: BookChange) -> None:
    """Bitget: `seq` of the snapshot within [`pseq`, `seq`] of the first update; `pseq` = 0 is a reset."""
    book = OrderBook(BTC)
    book.restore(streamed(100))
    assert book.apply(delta(prev + 1, last, prev, ts_event=200 * MS)) is change


def test_only_the_first_delta_may_bridge() -> None:
    """From the second on the chain must be exact."""
    book = OrderBook(BTC)
    book.restore(streamed(100))
    assert book.apply(delta(96, 105, 95)) is BookChange.APPLIED
    assert book.apply(delta(104, 110, 103)) is BookChange.HOLE


def test_a_crossed_streamed_snapshot_is_not_served(book: OrderBook) -> None:
    """Unreadable at once; with the next delta a new one is wanted, and the next good one heals."""
    assert book.restore(streamed(30, bids=[(101.0, 1.0)])) is BookChange.CROSSED
    assert (book.best(), book.wants_snapshot) == (None, False)
    assert book.apply(delta(31, 31, 30)) is BookChange.BUFFERED
    assert book.wants_snapshot
    assert book.restore(streamed(32)) is BookChange.LIVE


def test_a_venue_without_deltas_never_wants_a_snapshot() -> None:
    """Hyperliquid: every message is whole and numbered by its time; late ones of another connection are passed over."""
    book = OrderBook(BTC)
    changes = []
    for ms in (1_000, 1_500, 1_500, 2_000, 1_500):
        changes.append(book.restore(streamed(ms)))
        assert not book.wants_snapshot
    again = BookChange.DUPLICATE
    assert changes == [BookChange.LIVE, BookChange.APPLIED, again, BookChange.APPLIED, again]
    book.invalidate()
    assert not book.wants_snapshot
    assert book.restore(streamed(1_200)) is BookChange.LIVE


def top(last: int, bids: list[Level] | None = None, asks: list[Level] | None = None) -> BookSnapshot:
    """A copy of few levels: 100, 99 / 101, 102 unless told otherwise."""
    known = snapshot(last, bids or [(100.0, 1.0), (99.0, 2.0)], asks or [(101.0, 1.0), (102.0, 2.0)])
    return msgspec.structs.replace(known, is_top=True)


@pytest.fixture
def shallow() -> OrderBook:
    """A book at update 20 that is known from 99 to 102."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9, [(95.0, 7.0)]))
    assert book.restore(top(15)) is BookChange.LIVE
    return book


def test_a_copy_of_few_levels_is_read_as_far_as_it_reaches(shallow: OrderBook) -> None:
    """Keeps B5. What lies beyond is no part of the book, though some of it was told; no order is filled there."""
    assert (shallow.is_readable, shallow.is_whole, shallow.wants_depth) == (True, False, True)
    assert not shallow.wants_snapshot
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0)]
    assert shallow.apply(delta(21, 30, 20, [(96.0, 3.0)], [(102.0, 0.0), (103.0, 9.0)])) is BookChange.APPLIED
    assert shallow.asks(5) == [(101.0, 1.0)]
    assert shallow.best() == Top(100.0, 1.0, 101.0, 1.0)
    bought = shallow.slippage(Side.BUY, 2.0)
    assert bought is not None
    assert (bought.filled, bought.is_complete) == (1.0, False)


def test_a_deeper_copy_tells_what_was_not_told_since(shallow: OrderBook) -> None:
    """Keeps B5. Told sizes are newer than the copy's, removals too; at the other prices nothing has happened."""
    shallow.apply(delta(21, 30, 20, [(96.0, 3.0), (97.0, 0.0)], [(101.0, 4.0)]))
    bids, asks = (100.0, 99.0, 98.0, 97.0, 96.0), (101.0, 102.0, 104.0)
    deeper = snapshot(25, [(price, 10.0) for price in bids], [(price, 10.0) for price in asks])
    assert shallow.restore(deeper) is BookChange.HELD
    assert (shallow.is_whole, shallow.wants_depth) == (False, False)
    assert shallow.apply(delta(31, 40, 30, [], [(105.0, 6.0)])) is BookChange.APPLIED
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0), (98.0, 10.0), (96.0, 3.0), (95.0, 7.0)]
    assert shallow.asks() == [(101.0, 4.0), (102.0, 2.0), (104.0, 10.0), (105.0, 6.0)]
    assert shallow.restore(deeper) is BookChange.IGNORED, "it is whole"


def test_a_deeper_copy_waits_for_the_stream(shallow: OrderBook) -> None:
    """It is taken over with the delta that reaches it, not before: until then it knows what the book does not."""
    assert shallow.restore(snapshot(35, [(98.0, 5.0)])) is BookChange.HELD
    shallow.apply(delta(21, 30, 20))
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0)]
    shallow.apply(delta(31, 40, 30, [(98.0, 0.0)]))
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0), (95.0, 7.0)]


def test_a_copy_from_before_the_first_one_deepens_nothing(shallow: OrderBook) -> None:
    """Of what happened between the two nothing is known."""
    assert shallow.restore(snapshot(14)) is BookChange.IGNORED
    assert shallow.wants_depth


def test_a_second_copy_of_few_levels_widens_the_reach(shallow: OrderBook) -> None:
    """A book of just so many levels looks like the top of a deeper one: it is asked for again, and never wrong."""
    shallow.restore(top(20, [(98.0, 4.0)], [(101.5, 1.0)]))
    shallow.apply(delta(21, 30, 20))
    assert (shallow.is_whole, shallow.wants_depth) == (False, True)
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0), (98.0, 4.0)]
    assert shallow.restore(snapshot(16, [(95.0, 1.0), (94.0, 1.0)])) is BookChange.HELD
    shallow.apply(delta(31, 40, 30))
    assert shallow.bids() == [(100.0, 1.0), (99.0, 2.0), (98.0, 4.0), (95.0, 7.0), (94.0, 1.0)]


def test_the_market_may_leave_the_reach(shallow: OrderBook) -> None:
    """The touch is told by deltas; what may be bought at is not known then, and no price is made up."""
    shallow.apply(delta(21, 30, 20, [], [(101.0, 0.0), (102.0, 0.0), (107.0, 1.0)]))
    assert shallow.best() == Top(100.0, 1.0, 107.0, 1.0)
    assert shallow.asks() == []
    assert shallow.slippage(Side.BUY, 1.0) is None
    assert shallow.slippage(Side.SELL, 1.0) is not None


def test_a_deeper_copy_that_crosses_is_the_end_of_the_book(shallow: OrderBook) -> None:
    """Both cannot be true: another copy is asked for."""
    shallow.apply(delta(21, 30, 20, [(100.0, 0.0), (99.0, 0.0)], [(97.0, 1.0)]))
    shallow.restore(snapshot(30, [(98.0, 5.0)], [(97.0, 1.0)]))
    assert shallow.apply(delta(31, 40, 30)) is BookChange.CROSSED
    assert (shallow.is_readable, shallow.is_whole, shallow.wants_snapshot) == (False, True, True)


def test_a_copy_with_an_empty_side_reaches_as_far_as_prices_go() -> None:
    """Nobody bids: there is no level beyond which anything might be hidden."""
    book = OrderBook(BTC)
    book.apply(delta(11, 20, 9, [(90.0, 1.0)]))
    book.restore(msgspec.structs.replace(snapshot(15, []), is_top=True))
    assert book.bids() == [(90.0, 1.0)]


def _told(rng: random.Random, truth: tuple[dict[float, float], dict[float, float]]) -> list[list[Level]]:
    """A few changes of either side, made in the truth as well."""
    changes: list[list[Level]] = [[], []]
    for side, prices in enumerate((range(70, 100), range(101, 131))):
        for price in map(float, rng.sample(prices, 3)):
            size = float(rng.choice((0, 0, rng.randrange(1, 9))))
            changes[side].append((price, size))
            truth[side].pop(price, None)
            if size:
                truth[side][price] = size
    return changes


@pytest.mark.parametrize("seed", range(20))
def test_a_book_made_whole_is_the_book_that_always_was(seed: int) -> None:
    """Keeps B5. Whenever the two copies are taken, the levels are those of a book that never missed anything."""
    rng = random.Random(seed)
    truth = ({float(n): 1.0 for n in range(70, 100)}, {float(n): 1.0 for n in range(101, 131)})
    first, second, late = rng.randrange(1, 20), rng.randrange(20, 60), rng.randrange(10)
    coming: dict[int, BookSnapshot] = {}
    book = OrderBook(BTC)
    for number in range(80):
        told_bids, told_asks = _told(rng, truth)
        book.apply(delta(10 * number + 1, 10 * number + 10, 10 * number, told_bids, told_asks))
        bids, asks = sorted(truth[0].items(), reverse=True), sorted(truth[1].items())
        if number in (first, second):
            levels = 5 if number == first else 40
            copy = snapshot(10 * number + 10, bids[:levels], asks[:levels])
            coming[number + (late if levels > 5 else 0)] = msgspec.structs.replace(copy, is_top=levels == 5)
        if number in coming:
            book.restore(coming[number])
        if number >= first:
            ours = book.bids() or [], book.asks() or []
            assert ours == (bids[: len(ours[0])], asks[: len(ours[1])])
            assert book.is_whole is (number > second + late)
    assert book.bids() == sorted(truth[0].items(), reverse=True)

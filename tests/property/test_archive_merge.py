"""Two recorders of one market, each with losses of its own: what is kept is what either of them holds, once."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.archive_events import TRADES, delta, quote, trade
from tests.contract.store_events import at, covered, gap, liquidation, tick

from perpscope.errors import StoreError
from perpscope.model.market import InstrumentEvent, Side, Trade
from perpscope.model.stream import Channel
from perpscope.stores.archive.ledger import ledger, union, without
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.merge import merge
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.query import ArchiveReader
from perpscope.stores.status import StoreKind

_NS = st.integers(0, 60)
_INTERVALS = st.lists(st.tuples(_NS, _NS).map(lambda pair: (min(pair), max(pair))), max_size=8)


def record(folder: Path, events: Sequence[InstrumentEvent], *, kind: StoreKind = StoreKind.OBSERVED) -> None:
    """One recorder's archive of these events."""
    with closing(ParquetArchive.open(folder, kind=kind, file_s=5.0)) as archive:
        for number, event in enumerate(events):
            archive.take([event])
            archive.accept(event)
            if number % 7 == 6:
                archive.accept(tick(number))
        archive.accept(tick(3_600))


def join(ours: Path, theirs: Path) -> int:
    """Merge one archive into another; rows added."""
    with closing(Manifest.reading(theirs)) as other, closing(Manifest.writing(ours, None)) as own:
        bad: list[str] = []
        added = sum(done.added for done in merge(own, other, bad))
        assert bad == []
        return added


def rows(folder: Path, channel: Channel = Channel.TRADES) -> list[dict[str, object]]:
    """Everything of a channel."""
    with closing(ArchiveReader(folder)) as reader:
        found: list[dict[str, object]] = reader.rows(channel, None, 0, 1 << 62).table.to_pylist()
        return found


def later(event: Trade, ns: int) -> Trade:
    """The same trade as another recorder received it."""
    ts_recv = event.ts_recv + ns
    return Trade(event.instrument, event.ts_event, ts_recv, event.trade_id, event.price, event.size, event.side, False)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_two_lossy_tapes_become_their_union(seed: int, is_numbered: bool) -> None:
    """Trades with ids: what either holds is there; merging again, or the other way round, adds nothing. Keeps B21."""
    rng = random.Random(seed)
    truth = [trade(n * 0.05, n if is_numbered else f"x{n}", price=rng.choice((1.0, 2.0))) for n in range(120)]
    first = [event for event in truth if rng.random() < 0.7]
    second = [later(event, rng.randrange(10**9)) for event in truth if rng.random() < 0.7]
    with TemporaryDirectory() as name:
        a, b = Path(name) / "a", Path(name) / "b"
        record(a, [first[0] if first else truth[0], *first])
        record(b, second or truth[:1])
        join(a, b)
        wanted = {e.trade_id for e in (first or truth[:1])} | {e.trade_id for e in (second or truth[:1])}
        held = Counter(row["trade_number"] if is_numbered else row["trade_text"] for row in rows(a))
        assert held.keys() == wanted
        assert held[(first or truth)[0].trade_id] == 2, "told twice by one tape: gone when its day is merged"
        assert sum(held.values()) == len(wanted) + 1
        assert join(a, b) == 0
        join(b, a)
        assert len(rows(b)) == len(wanted)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_trades_without_ids_count_as_often_as_on_the_fuller_tape(seed: int) -> None:
    """Nothing tells two equal trades of a millisecond apart: each counts as often as where it was seen oftener."""
    rng = random.Random(seed)
    truth = [
        trade(rng.randrange(8), "", price=rng.choice((1.0, 2.0)), side=rng.choice((Side.BUY, Side.SELL)))
        for _ in range(60)
    ]
    tapes = [[event for event in truth if rng.random() < 0.8] for _ in range(2)]
    with TemporaryDirectory() as name:
        a, b = Path(name) / "a", Path(name) / "b"
        for folder, tape in zip((a, b), tapes, strict=True):
            record(folder, tape or truth[:1])
        join(a, b)
        first, second = (
            Counter((event.ts_event, event.price, event.side.value) for event in tape or truth[:1]) for tape in tapes
        )
        held = Counter((row["ts_event"], row["price"], row["side"]) for row in rows(a))
        assert held == first | second
        assert join(a, b) == 0


def test_other_channels_are_known_by_what_they_say(tmp_path: Path) -> None:
    """Quotes, books and liquidations that both saw are there once, those of one alone as well."""
    both: list[InstrumentEvent] = [
        quote(1),
        delta(1, 1, 2),
        liquidation(1),
        liquidation(1, side=liquidation(1).position_side, size=2.0),
    ]
    record(tmp_path / "a", [*both, quote(2), delta(2, 3, 4)])
    record(tmp_path / "b", [*both, quote(3), delta(3, 5, 6), liquidation(3)])
    assert join(tmp_path / "a", tmp_path / "b") == 3
    counts = [len(rows(tmp_path / "a", c)) for c in (Channel.QUOTES, Channel.BOOK, Channel.LIQUIDATIONS)]
    assert counts == [3, 3, 3]


def test_a_tape_with_ids_and_one_without_are_one_market(tmp_path: Path) -> None:
    """A recorder that lost the ids does not make a second trade of each, whichever comes first."""
    named, bare = [trade(n, n) for n in range(5)], [trade(n, "") for n in range(7)]
    record(tmp_path / "a", named)
    record(tmp_path / "b", bare)
    record(tmp_path / "c", bare)
    record(tmp_path / "d", named)
    assert join(tmp_path / "a", tmp_path / "b") == 2
    assert join(tmp_path / "c", tmp_path / "d") == 0
    assert len(rows(tmp_path / "a")) == len(rows(tmp_path / "c")) == 7


def test_coverage_becomes_the_union(tmp_path: Path) -> None:
    """What one of the two missed and the other saw is covered, and told as repaired."""
    for name, missed in (("a", (2, 6)), ("b", (5, 8))):
        with closing(ParquetArchive.open(tmp_path / name, kind=StoreKind.OBSERVED)) as archive:
            for event in (covered(0, 10, streams=TRADES), gap(*missed, "silent", streams=TRADES), tick(10)):
                archive.accept(event)
    join(tmp_path / "a", tmp_path / "b")
    join(tmp_path / "a", tmp_path / "b")
    with closing(Manifest.reading(tmp_path / "a")) as manifest:
        told = [(s.ts_from, s.ts_to, s.is_covered, s.is_repaired) for s in ledger(manifest)]
    assert sorted(told) == [
        (at(0), at(5), True, False),
        (at(2), at(5), False, True),
        (at(5), at(6), False, False),
        (at(5), at(6), False, False),
        (at(6), at(8), False, True),
        (at(6), at(10), True, False),
    ]


def test_a_damaged_file_of_the_other_is_left_out(tmp_path: Path) -> None:
    """What cannot be read is neither taken nor vouched for."""
    record(tmp_path / "a", [trade(1, 1)])
    with closing(ParquetArchive.open(tmp_path / "b", kind=StoreKind.OBSERVED)) as archive:
        archive.take([trade(2, 2)])
        archive.accept(covered(0, 9, streams=TRADES))
        archive.accept(tick(9))
    (path,) = (tmp_path / "b").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    bad: list[str] = []
    with closing(Manifest.reading(tmp_path / "b")) as other, closing(Manifest.writing(tmp_path / "a", None)) as own:
        assert list(merge(own, other, bad)) == []
        gaps = [(span.cause, span.ts_from) for span in ledger(own) if not span.is_covered]
    assert [path.name in name for name in bad] == [True]
    assert gaps == [("damaged", at(2))]


@pytest.mark.parametrize("cut", [slice(None, -9), slice(None, None)], ids=["torn", "garbage"])
def test_a_damaged_file_of_our_own_is_set_aside(tmp_path: Path, cut: slice) -> None:
    """What we cannot read any more is taken from the other one, and what only we had is a gap."""
    record(tmp_path / "a", [trade(1, 1), trade(2, 2)])
    record(tmp_path / "b", [trade(2, 2), trade(3, 3)])
    (path,) = (tmp_path / "a").rglob("*.parquet")
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes((content[:8] + bytes(half) + content[8 + half :])[cut])
    assert join(tmp_path / "a", tmp_path / "b") == 2
    assert [row["trade_number"] for row in rows(tmp_path / "a")] == [2, 3]


def test_kinds_are_not_merged(tmp_path: Path) -> None:
    """Demo data never enters an archive of observed data."""
    record(tmp_path / "a", [trade(1, 1)])
    record(tmp_path / "b", [trade(2, 2)], kind=StoreKind.DEMO)
    with pytest.raises(StoreError, match="observed"):
        join(tmp_path / "a", tmp_path / "b")
    assert len(rows(tmp_path / "a")) == 1


@given(_INTERVALS, _INTERVALS)
def test_intervals_are_sets_of_moments(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """Union and difference of intervals say of each moment what sets of moments say."""
    moments = {at for low, high in some for at in range(low, high)}
    taken = {at for low, high in others for at in range(low, high)}
    joined = union(some)
    assert {at for low, high in joined for at in range(low, high)} == moments
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(joined))
    left = without(joined, union(others))
    assert {at for low, high in left for at in range(low, high)} == moments - taken

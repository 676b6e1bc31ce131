"""A run beside itself: decided the same again, and every cent that its fills differ by has a cause. Keeps B11."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.desk_histories import BTC
from tests.unit.run_recorded import FEE, MS, SLOPE, Market, begun, live, paper, setup_of, written

from perpscope.app.trade.attribution import Parts, Taken
from perpscope.app.trade.divergence import Divergence, divergence, lines
from perpscope.app.trade.replaying import replayed
from perpscope.app.trade.witness import Witness, decisions_of, difference
from perpscope.engine.gateway import REFUSED
from perpscope.model.market import Side
from perpscope.model.order import Fill, FundingCharged, OrderClosed, OwnEvent, Role
from perpscope.model.run import RunKind

MARKET = Market(3)
NOTHING = Decimal(0)
#: A tenth of a second's move, quote per base.
MOVE = Decimal(SLOPE) / 10


def parts(found: Divergence) -> Parts:
    """Of the whole, after a look whether they add up."""
    assert found.parts.whole == found.whole
    assert found.whole == sum((split.whole for split in found.splits), found.parts.funding)
    return found.parts


def late(path: Path, late_ms: int) -> Divergence:
    """A live run whose orders are so late."""
    return divergence([live(path / "run.perpscope", MARKET, late_ms)])


def test_a_paper_run_is_the_model(tmp_path: Path) -> None:
    """Its own exchange fills the same again: nothing is left to explain. Keeps B11."""
    recording = paper(tmp_path / "run.perpscope", MARKET)
    again = replayed(recording)
    found = divergence([recording], {"run.perpscope": again.hash})
    assert (found.is_identical, found.whole, found.first_difference) == (True, NOTHING, "")
    assert (found.matched, found.only_run, found.only_model, found.unseen) == (3, 0, 0, 0)
    assert divergence([recording]).is_identical is None
    booked = {
        one.order: Taken(size=one.size, value=one.size * one.price) for one in again.told if isinstance(one, Fill)
    }
    dearer = divergence([recording], None, booked)
    assert parts(dearer).fee == dearer.whole > 0
    lost = divergence([recording], None, {})
    assert (lost.only_model, lost.matched) == (3, 0)


def test_a_decision_that_is_another_has_a_name(tmp_path: Path) -> None:
    """What the run kept of its decisions is held against what it decides again, line by line. Keeps B11."""
    recording = paper(tmp_path / "run.perpscope", MARKET)
    witness = Witness(decisions_of(recording))
    for one in replayed(recording).told:
        witness.saw(one)
    witness.close()
    assert divergence([recording]).is_identical
    kept = decisions_of(recording)
    was = kept.read_bytes()
    kept.write_bytes(was.replace(b'"LONG"', b'"SHORT"', 1) + b'{"torn')
    found = divergence([recording])
    assert found.is_identical is False
    assert "decision 1 (Signal SHORT at" in found.first_difference
    assert "side was 'SHORT' and is 'LONG'" in found.first_difference
    assert found.first_difference in lines(found)
    kept.write_bytes(was)
    found = divergence([recording], {"run.perpscope": "another"})
    assert "the run told another" in found.first_difference


def test_decisions_that_only_one_has_are_told() -> None:
    """Whichever ended first."""
    one, two = b'{"type":"Signal","ts_recv":1}', b'{"type":"OrderRequest","id":"r-1","ts_recv":2}'
    assert difference([one], [one]) == ""
    assert difference([one], [one, two]) == "decision 2 came only when it is run again: OrderRequest r-1 at 2"
    assert difference([one, two], [one]) == "decision 2 came only in the run itself: OrderRequest r-1 at 2"


def test_a_disk_that_keeps_no_decisions_costs_the_file_alone(tmp_path: Path) -> None:
    """The hash is made all the same."""
    recording = paper(tmp_path / "run.perpscope", MARKET)
    again = replayed(recording)
    for witness in (Witness(tmp_path), Witness(Path("/dev/full"))):
        for one in again.told:
            witness.saw(one)
        witness.close()
        assert witness.hash == again.hash


def test_orders_as_late_as_modelled_differ_by_nothing(tmp_path: Path) -> None:
    """The same book a few milliseconds on: no money. Keeps B11."""
    found = late(tmp_path, late_ms=90)
    assert (found.whole - parts(found).funding, found.matched, found.unseen) == (NOTHING, 3, 0)
    assert (found.latency_ms["run"].p50, found.latency_ms["modelled"].p50) == (90.0, 50.0)
    assert found.latency_ms["run"].count == 3


def test_a_quarter_of_a_second_more_is_latency(tmp_path: Path) -> None:
    """250 ms injected: each order met the book of two tenths later, and nothing else differs. Keeps B11, S4-72."""
    found = late(tmp_path, late_ms=340)
    for split in found.splits:
        side = 1 if split.side == "buy" else -1
        assert split.parts.latency == -side * split.size * 2 * MOVE
        assert abs(split.parts.fee - side * split.parts.latency * FEE) < Decimal("1e-7")
        assert (split.parts.price, split.parts.size, split.parts.missing) == (NOTHING, NOTHING, NOTHING)
    assert parts(found).latency != 0
    told = found.latency_ms
    assert (told["run"].p50 or 0.0) - (told["modelled"].p50 or 0.0) == 290.0
    assert any("decision to fill, run: 340 ms" in line for line in lines(found))


def worse(fill: Fill) -> list[OwnEvent]:
    """The same, dearer by a unit and with twice the fee."""
    off = 1 if fill.side is Side.BUY else -1
    return [replace(fill, price=fill.price + off, fee=fill.fee * 2)]


def test_a_worse_price_at_the_same_moment_is_price(tmp_path: Path) -> None:
    """And a dearer fee is fee. Keeps B11."""
    found = divergence([live(tmp_path / "run.perpscope", MARKET, 90, worse)])
    for split in found.splits:
        assert (split.parts.latency, split.parts.price) == (NOTHING, -split.size)
        assert split.parts.fee < 0
    parts(found)


def test_what_nobody_saw_is_missing_data(tmp_path: Path) -> None:
    """The book is silent while the first order is filled: neither price nor latency can be told. Keeps B11."""
    market = Market(3, silent=(55, 68))
    found = divergence([live(tmp_path / "run.perpscope", market, 340)])
    (first,) = (split for split in found.splits if split.parts.missing)
    assert first.id == "r7-flipping-1"
    assert (first.parts.latency, first.parts.price, found.unseen) == (NOTHING, NOTHING, 1)
    parts(found)


def refused(fill: Fill) -> list[OwnEvent]:
    """The exchange did not take it."""
    ts = fill.ts_recv
    return [OrderClosed(order=fill.order, instrument=BTC.id, ts_event=ts, ts_recv=ts, why=REFUSED)]


def test_an_order_the_exchange_refused_is_the_model_s_alone(tmp_path: Path) -> None:
    """What it would have brought until the end is told as size. Keeps B11."""
    found = divergence([live(tmp_path / "run.perpscope", MARKET, 90, refused)])
    assert (found.matched, found.only_model) == (0, 3)
    for split in found.splits:
        assert (split.price, split.latency_ms, split.parts.latency) == (None, None, NOTHING)
        assert split.parts.size != 0
    parts(found)


def closed_by_hand(fill: Fill) -> list[OwnEvent]:
    """An entry, and somebody closes it by hand half a minute later."""
    if fill.role is not Role.ENTRY:
        return []
    side, ts = (Side.SELL if fill.side is Side.BUY else Side.BUY), fill.ts_event + 30_000 * MS
    return [fill, replace(fill, order="", side=side, ts_event=ts, ts_recv=ts + 20 * MS, role=Role.LEAVE)]


def test_what_no_strategy_decided_is_held_against_the_book_of_its_moment(tmp_path: Path) -> None:
    """It is neither early nor late. Keeps B11."""
    found = divergence([live(tmp_path / "run.perpscope", MARKET, 90, closed_by_hand)])
    (by_hand,) = (split for split in found.splits if split.id.startswith("exit@") and split.side == "sell")
    assert (by_hand.parts.latency, by_hand.latency_ms, by_hand.size_modelled) == (NOTHING, None, by_hand.size)
    assert by_hand.parts.price != 0  # it was filled at the entry's price
    parts(found)


@pytest.mark.unmeasured
def test_a_stop_is_modelled_from_the_mark_that_reaches_it(tmp_path: Path) -> None:
    """Its lateness counts from there; one that no mark explains is said. Keeps B11."""
    setup = setup_of(RunKind.LIVE, parameters={"stop": 0.0005})
    market = Market(4)
    found = divergence([live(tmp_path / "run.perpscope", market, 1_340, setup=setup)])
    (stop,) = (split for split in found.splits if split.role == "stop")
    assert stop.parts.latency == -stop.size * 10 * MOVE
    assert stop.latency_ms is None
    parts(found)

    def early(fill: Fill) -> list[OwnEvent]:
        back = 1_300 * MS if fill.role is Role.PROTECT else 0
        return [replace(fill, ts_event=fill.ts_event - back, ts_recv=fill.ts_recv - back)]

    unexplained = divergence([live(tmp_path / "early.perpscope", market, 90, early, setup)])
    assert any("without a mark that reached their trigger" in note for note in unexplained.notes)


def test_funding_is_compared_too(tmp_path: Path) -> None:
    """What was charged without a settlement is the run's alone. Keeps B11."""

    def charged(fill: Fill) -> list[OwnEvent]:
        ts = fill.ts_recv + MS
        return [fill, FundingCharged(instrument=BTC.id, ts_event=ts, ts_recv=ts, paid=Decimal("1.25"))]

    found = divergence([live(tmp_path / "run.perpscope", MARKET, 90, charged)])
    settled = divergence([live(tmp_path / "settled.perpscope", MARKET, 90)])
    assert parts(found).funding == parts(settled).funding - Decimal("3.75")


@pytest.mark.unmeasured
def test_a_settlement_is_reckoned_as_the_desk_does(tmp_path: Path) -> None:
    """Rate, mark and position of that moment: on paper what is due is what is paid. Keeps B11."""
    recording = paper(tmp_path / "run.perpscope", MARKET)
    charged = [one.paid for one in replayed(recording).told if isinstance(one, FundingCharged)]
    assert len(charged) == 1
    assert charged[0] > 0
    assert parts(divergence([recording])).funding == 0
    unpaid = divergence([live(tmp_path / "unpaid.perpscope", MARKET, 90)])
    assert abs(parts(unpaid).funding - charged[0]) < Decimal("0.01")  # it was due, and never charged


def test_a_torn_recording_says_so(tmp_path: Path) -> None:
    """What is there is compared."""
    recording = paper(tmp_path / "run.perpscope", MARKET)
    recording.write_bytes(recording.read_bytes()[:-40])
    found = divergence([recording])
    assert "a recording breaks off: what came after is not compared" in found.notes


def test_a_run_that_never_traded_has_nothing_to_differ_by(tmp_path: Path) -> None:
    """No orders, no quantiles."""
    silent = written(tmp_path / "run.perpscope", setup_of(RunKind.LIVE), Market(0).records, begun(RunKind.LIVE))
    found = divergence([silent])
    assert (found.parts.whole, found.orders, found.latency_ms["run"].p50) == (NOTHING, 0, None)
    assert len(lines(found)) == 5


def test_it_is_told_as_numbers(tmp_path: Path) -> None:
    """JSON without exponents in strings, and without a digit lost."""
    found = late(tmp_path, late_ms=340)
    told = msgspec.json.Encoder(decimal_format="number").encode(found)
    assert msgspec.json.decode(told)["whole"] == float(found.whole)

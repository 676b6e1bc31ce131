"""The store's front door: how rows become batches, and what happens when the writer is behind."""

import msgspec
import pytest
from tests.contract.store_events import (
    BOTH,
    BTC,
    LIQUIDATIONS,
    TIERS,
    at,
    candle,
    contract,
    covered,
    gap,
    heart,
    liquidation,
    mark,
    open_interest,
    position,
    ratio,
    taker_volume,
    tick,
)

from perpscope.model.market import Covered, Gap, MarketEvent
from perpscope.model.stream import Stream
from perpscope.stores.intake import Intake
from perpscope.stores.rows import Batch, liquidation_row, text_of


class Shelf:
    """A queue without a thread: full when told so."""

    def __init__(self) -> None:
        self.is_full = False
        self.batches: list[Batch] = []

    def has_room(self) -> bool:
        """False while `is_full`."""
        return not self.is_full

    def put(self, batch: Batch) -> None:
        """Keep the batch."""
        self.batches.append(batch)


def intake_of(shelf: Shelf, *, batch_rows: int = 3, max_pending_rows: int = 5) -> Intake:
    """A small intake that knows BTC."""
    intake = Intake(shelf, batch_rows=batch_rows, max_pending_rows=max_pending_rows)
    intake.register([BTC])
    return intake


def feed(intake: Intake, *events: MarketEvent) -> None:
    """Hand events in."""
    for event in events:
        intake.accept(event)


def spans(batches: list[Batch], streams: tuple[Stream, ...] = LIQUIDATIONS) -> list[tuple[str, float, float | None]]:
    """What all batches together say of some streams, in seconds after noon: the last word on each interval."""
    said: dict[tuple[str, int], Covered | Gap] = {}
    for batch in batches:
        events: list[Covered | Gap] = [*batch.covered.values(), *batch.gaps.values()]
        for event in events:
            if set(streams) <= set(event.streams):
                said[type(event).__name__, event.ts_from] = event

    def seconds(ts: int) -> float:
        return (ts - at(0)) / 1e9

    found = [(k, seconds(f), None if e.ts_to is None else seconds(e.ts_to)) for (k, f), e in said.items()]
    return sorted(found, key=lambda span: (span[1], span[0]))


@pytest.mark.parametrize(
    ("events", "rows"),
    [
        pytest.param([liquidation(0), tick(1)], [1], id="a Tick hands over"),
        pytest.param([tick(1), tick(2)], [0, 0], id="a Tick without rows moves the watermark"),
        pytest.param([liquidation(n) for n in range(7)], [3, 3], id="a full batch goes without a Tick"),
        pytest.param([candle(0), mark(0), liquidation(0), mark(9), tick(1)], [3, 1], id="rows of all kinds count"),
        pytest.param([candle(0, is_closed=False), tick(1)], [0], id="a forming candle is no row"),
        pytest.param(
            [open_interest(0), ratio(0), taker_volume(0), position(0), contract(0, is_trading=True), tick(1)],
            [3, 2],
            id="what is told of traders and contracts counts",
        ),
    ],
)
def test_batches(events: list[MarketEvent], rows: list[int]) -> None:
    """Keeps S1-04, S2-49. Rows are handed over at each Tick, or when there are enough of them."""
    shelf = Shelf()
    feed(intake_of(shelf), *events)
    assert [batch.rows for batch in shelf.batches] == rows


def test_rows_wait_while_the_queue_is_full() -> None:
    """A writer that is behind for a while costs nothing."""
    shelf = Shelf()
    intake = intake_of(shelf)
    shelf.is_full = True
    feed(intake, *(liquidation(n) for n in range(5)), tick(5))
    assert (intake.waiting_rows, intake.dropped, shelf.batches) == (5, 0, [])
    shelf.is_full = False
    feed(intake, tick(6))
    assert (intake.waiting_rows, [batch.rows for batch in shelf.batches]) == (0, [5])


def test_what_is_told_of_contracts_is_lost_like_rows() -> None:
    """Beyond the limit a halt is dropped and counted, with its tiers; the catalogue tells it again."""
    shelf = Shelf()
    intake = intake_of(shelf, max_pending_rows=3)
    shelf.is_full = True
    feed(intake, *(position(n) for n in range(3)), contract(4, is_trading=False, tiers=TIERS), open_interest(5))
    assert (intake.waiting_rows, intake.dropped) == (3, 2)
    shelf.is_full = False
    feed(intake, tick(6))
    assert [(len(batch.contracts), len(batch.tiers)) for batch in shelf.batches] == [(0, 0)]


def test_lost_rows_become_a_gap() -> None:
    """Beyond the limit rows are dropped and counted, and nothing vouches for their time."""
    shelf = Shelf()
    intake = intake_of(shelf)
    feed(intake, covered(0, 1), tick(1), covered(0, 2))
    shelf.is_full = True
    feed(intake, *(liquidation(2 + n / 10) for n in range(8)), candle(0), mark(2.9))
    assert intake.dropped == 5
    feed(intake, covered(0, 3), tick(3), covered(0, 4), tick(4))
    assert spans(shelf.batches) == [("Covered", 0, 1)]
    shelf.is_full = False
    feed(intake, liquidation(4.5))
    assert intake.dropped == 6  # until the next Tick
    feed(intake, covered(0, 5), tick(6), liquidation(6.5), covered(0, 6), tick(7), covered(0, 7), tick(8))
    assert [batch.rows for batch in shelf.batches] == [0, 5, 1, 0]
    assert spans(shelf.batches) == [("Covered", 0, 2), ("Gap", 2, 6), ("Covered", 6, 7)]
    assert [(c.is_open, c.ts_from) for c in shelf.batches[1].covered.values()] == [(False, at(0)), (True, at(6))]
    causes = {event.cause for batch in shelf.batches for event in batch.gaps.values()}
    assert causes == {"store-behind"}


def test_a_gap_is_told_even_before_there_is_room() -> None:
    """What is forced out while rows are being lost says so: a crash then leaves the gap open, not unmentioned."""
    shelf = Shelf()
    intake = intake_of(shelf)
    shelf.is_full = True
    feed(intake, covered(0, 1), *(liquidation(n) for n in range(6)))
    intake.hand_over()
    assert spans(shelf.batches) == [("Covered", 0, 1), ("Gap", 1, None)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([covered(0, 3), tick(9)], [("Gap", 0, 9), ("Covered", 9, 9)], id="first heard of during the loss"),
        pytest.param([covered(0, 3, is_open=False), tick(9)], [("Gap", 0, 3)], id="began and ended during the loss"),
        pytest.param([tick(9), covered(0, 8), tick(10)], [("Gap", 0, 9), ("Covered", 9, 9)], id="heard of afterwards"),
        pytest.param([tick(9), covered(9, 10)], [("Covered", 9, 10)], id="began afterwards"),
        pytest.param([tick(9), gap(3, 8)], [("Gap", 3, 8)], id="a gap is never dropped"),
    ],
)
def test_streams_that_come_and_go_around_a_loss(
    events: list[MarketEvent], expected: list[tuple[str, float, float | None]]
) -> None:
    """From its first coverage on, every moment of a stream is covered or in a gap, whatever happened meanwhile."""
    shelf = Shelf()
    intake = intake_of(shelf, batch_rows=1, max_pending_rows=1)
    shelf.is_full = True
    feed(intake, liquidation(0), liquidation(1))
    assert intake.dropped == 1
    shelf.is_full = False
    feed(intake, *events)
    intake.hand_over()
    assert spans(shelf.batches) == expected


def test_an_interval_that_ends_during_the_loss() -> None:
    """Its gap ends where the ledger's own begins."""
    shelf = Shelf()
    intake = intake_of(shelf, batch_rows=1, max_pending_rows=1)
    feed(intake, covered(0, 1), tick(1))
    shelf.is_full = True
    feed(intake, liquidation(1), liquidation(2), covered(0, 3, is_open=False), gap(3, None), tick(4))
    shelf.is_full = False
    feed(intake, tick(5), gap(3, 7), covered(7, 8), tick(9))
    assert spans(shelf.batches) == [("Covered", 0, 1), ("Gap", 1, 3), ("Gap", 3, 7), ("Covered", 7, 8)]


def test_two_losses_in_a_row() -> None:
    """A second loss before anything was vouched for again leaves no moment unaccounted for."""
    shelf = Shelf()
    intake = intake_of(shelf, batch_rows=1, max_pending_rows=1)
    feed(intake, covered(0, 1, streams=BOTH), tick(1))
    for begin in (2, 6):
        shelf.is_full = True
        feed(intake, liquidation(begin), liquidation(begin + 1))
        shelf.is_full = False
        feed(intake, tick(begin + 2))
    feed(intake, covered(0, 9, streams=BOTH, is_open=False), tick(10))
    assert spans(shelf.batches, BOTH) == [
        ("Covered", 0, 1),
        ("Gap", 1, 4),
        ("Covered", 4, 4),
        ("Gap", 4, 8),
        ("Covered", 8, 9),
    ]


def test_a_loss_heard_of_twice_before_coverage_returns() -> None:
    """An interval unknown before two losses is a gap from its beginning through both."""
    shelf = Shelf()
    intake = intake_of(shelf, batch_rows=1, max_pending_rows=1)
    shelf.is_full = True
    feed(intake, liquidation(1), liquidation(2))
    shelf.is_full = False
    feed(intake, tick(3))
    shelf.is_full = True
    feed(intake, liquidation(4), liquidation(5), covered(0, 5))
    shelf.is_full = False
    feed(intake, tick(6), tick(7))
    assert spans(shelf.batches) == [("Gap", 0, 3), ("Gap", 3, 6), ("Covered", 6, 6)]


def test_reports_wait_for_the_next_batch() -> None:
    """Only the last word on the heart is kept."""
    shelf = Shelf()
    intake = intake_of(shelf)
    intake.report([], heart(1))
    intake.report([], heart(2))
    feed(intake, tick(2), tick(3))
    assert [batch.heart for batch in shelf.batches] == [heart(2), None]


def test_a_liquidation_without_a_price_is_a_mistake_of_ours() -> None:
    """No price is invented: the decoder that let it through is told."""
    unpriced = msgspec.structs.replace(liquidation(0), fill_price=None, bankruptcy_price=None)
    for event in (unpriced, msgspec.structs.replace(unpriced, fill_price=float("nan"))):
        with pytest.raises(ValueError, match=r"BTC-USDT-PERP.BINANCE at \d+ has"):
            intake_of(Shelf()).accept(event)


def test_bankruptcy_price_where_there_is_no_fill() -> None:
    """`price` is what the model calls the price."""
    event = msgspec.structs.replace(liquidation(0), fill_price=None)
    assert liquidation_row(event, "binance", "BTCUSDT")[3] == event.price == event.bankruptcy_price


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "1970-01-01 00:00:00.000"),
        (999_999, "1970-01-01 00:00:00.000"),
        (1_709_251_199_999_999_999, "2024-02-29 23:59:59.999"),
        (2**63 - 1, "2262-04-11 23:47:16.854"),
    ],
)
def test_times_as_text(ts: int, text: str) -> None:
    """UTC to the millisecond, never rounded up."""
    assert text_of(ts) == text

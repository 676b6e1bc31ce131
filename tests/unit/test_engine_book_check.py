"""The book against the venue's own best bid and ask, by update id; on hand-made cases and on a recorded session."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpscope.engine.book import Top
from perpscope.engine.book_check import BookCheck
from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Level, MarketEvent, Quote, Side, Trade

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
TOP = Top(100.0, 1.0, 101.0, 2.0)
OTHER = Top(100.0, 1.5, 101.0, 2.0)


def quote(update_id: int, top: Top = TOP) -> Quote:
    """A bookTicker."""
    return Quote(BTC, update_id, update_id, update_id, *top)


def figures(check: BookCheck) -> tuple[int, int, int, int, int]:
    """Everything a check has counted."""
    return check.compared, check.equal, check.coinciding, check.coinciding_equal, check.dropped


def test_a_top_waits_until_its_quote_is_certain() -> None:
    """A quote that arrives after the delta it belongs before is the one compared."""
    check = BookCheck()
    check.quoted(quote(5, OTHER))
    check.applied(10, TOP)
    check.quoted(quote(8))
    assert check.compared == 0
    check.quoted(quote(8, OTHER))  # a repeat changes nothing
    check.quoted(quote(11, OTHER))
    assert figures(check) == (1, 1, 0, 0, 0)


def test_quotes_numbered_anew_are_followed() -> None:
    """A lower id that comes later begins anew; one that is merely late changes nothing."""
    check = BookCheck()
    check.quoted(quote(700, OTHER))
    check.quoted(Quote(BTC, 600, 600, 600, *TOP))  # late
    check.applied(700, OTHER)
    check.quoted(Quote(BTC, 900, 900, 3, *TOP))
    check.applied(3, TOP)
    check.quoted(Quote(BTC, 901, 901, 4, *TOP))
    assert figures(check) == (1, 1, 1, 1, 1)


def test_tops_numbered_anew_are_not_compared_with_old_quotes() -> None:
    """A streamed snapshot may follow a restart of the venue: what waited for the old numbers is dropped."""
    check = BookCheck()
    check.applied(700, TOP)
    check.applied(2, TOP)
    check.quoted(quote(1))
    check.quoted(quote(3, OTHER))
    assert figures(check) == (1, 1, 0, 0, 1)


def test_a_top_that_comes_late_is_judged_at_once() -> None:
    """Quotes usually run ahead of diffs; the last one up to the diff's id counts."""
    check = BookCheck()
    for update_id in (5, 10, 12):
        check.quoted(quote(update_id, TOP if update_id == 10 else OTHER))
    check.applied(10, TOP)
    check.applied(11, OTHER)
    assert figures(check) == (2, 1, 1, 1, 0)


def test_tops_before_the_first_quote_are_not_counted() -> None:
    """There is nothing to compare them with."""
    check = BookCheck()
    check.applied(3, TOP)
    check.quoted(quote(5))
    check.applied(4, TOP)
    check.applied(6, None)
    check.finish()
    assert figures(check) == (1, 0, 0, 0, 0)


def test_finish_judges_what_waits() -> None:
    """At the end of a recording the last tops are compared with the last quotes."""
    check = BookCheck()
    check.applied(3, TOP)
    check.finish()
    assert figures(check) == (0, 0, 0, 0, 0)
    check.quoted(quote(5))
    check.applied(6, TOP)
    check.finish()
    assert figures(check) == (1, 1, 0, 0, 0)


def test_memory_is_bounded_and_says_what_it_dropped() -> None:
    """Neither endless quotes nor endless tops fill memory; what could not be judged is counted."""
    check = BookCheck(remembered=2)
    for update_id in (1, 2, 3, 4):
        check.quoted(quote(update_id))
    check.applied(2, TOP)  # the quote of 2 has been forgotten
    assert figures(check) == (0, 0, 0, 0, 1)
    for update_id in (5, 6, 7):
        check.applied(update_id, TOP)
    check.finish()
    assert figures(check) == (2, 2, 0, 0, 2)


def test_forgetting_drops_what_waits() -> None:
    """After a broken stream no top is judged by quotes that may be incomplete."""
    check = BookCheck()
    check.quoted(quote(5, OTHER))
    check.applied(6, TOP)
    check.forget()
    check.quoted(quote(8))
    check.applied(9, TOP)
    check.finish()
    assert figures(check) == (1, 1, 0, 0, 1)


def levels(rows: list[list[str]]) -> list[Level]:
    """Prices and sizes as floats."""
    return [(float(price), float(size)) for price, size in rows]


def session(path: Path) -> Iterator[MarketEvent]:
    """The recorded session, decoded by plain json alone: an oracle independent of our decoders."""
    with gzip.open(path) as lines:
        for line in lines:
            received, raw = line.split(b" ", 1)
            ts_recv, frame = int(received), json.loads(raw)
            d = frame.get("data", frame)
            ts_event = d["T"] * 1_000_000
            match d.get("e"):
                case "bookTicker":
                    yield Quote(BTC, ts_event, ts_recv, d["u"], *(float(d[key]) for key in "bBaA"))
                case "depthUpdate":
                    yield BookDelta(BTC, ts_event, ts_recv, d["U"], d["u"], d["pu"], levels(d["b"]), levels(d["a"]))
                case "trade":
                    side = Side.SELL if d["m"] else Side.BUY
                    yield Trade(BTC, ts_event, ts_recv, d["t"], float(d["p"]), float(d["q"]), side, False)
                case _:
                    yield BookSnapshot(BTC, ts_event, ts_recv, d["lastUpdateId"], levels(d["bids"]), levels(d["asks"]))


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[MarketEvent] = []

    def accept(self, event: MarketEvent) -> None:
        """Keep it."""
        self.events.append(event)


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> list[MarketEvent]:
    """Every event of the recorded session."""
    return list(session(recordings / "wire" / "binance" / "usdm_btcusdt_20240808.gz"))


@pytest.mark.unmeasured
def test_the_recorded_book_equals_its_quotes(recorded: list[MarketEvent]) -> None:
    """6,547 of 6,547 tops as of their update id, 629 of 629 where ids coincide. Keeps S4-37."""
    engine = Engine(sinks=[], check_books=True)
    for event in recorded:
        engine.process(event)
    assert engine.book_check() == (6_547, 6_547)
    assert engine.book_check_coinciding() == (629, 629)
    assert (engine.gaps, sum(engine.counts.values())) == (0, 93_954)


def test_one_diff_removed_is_one_gap_and_no_read_from_there_on(recorded: list[MarketEvent]) -> None:
    """Whichever diff after the bridge is lost (seeded sample, the one before the snapshot included)."""
    places = [n for n, event in enumerate(recorded) if isinstance(event, BookDelta)]
    after_bridge = places[5:-1]
    for removed in [after_bridge[0], *random.Random(20240808).sample(after_bridge, 3), after_bridge[-1]]:
        sink = Kept()
        engine = Engine(sinks=[sink])
        following = places[places.index(removed) + 1]
        reads = 0
        for n, event in enumerate(recorded):
            if n != removed and not isinstance(event, Quote | Trade):
                engine.process(event)
                state = engine.market.get(BTC)
                reads += n >= following and state is not None and state.book.is_readable
        assert (engine.gaps, len(sink.events), reads) == (1, 1, 0)


def test_quotes_that_are_numbered_apart_prove_nothing() -> None:
    """Bybit numbers the messages of its one-level topic by themselves: such a quote carries 0 and is not compared."""
    check = BookCheck()
    check.applied(7, Top(1.0, 1.0, 2.0, 1.0))
    check.quoted(Quote(InstrumentId("BTC-USDT-PERP.BYBIT"), 1, 1, 0, 9.0, 1.0, 10.0, 1.0))
    check.finish()
    assert (check.compared, check.equal) == (0, 0)

"""The coverage ledger: nothing vouched for that was not seen, and a gap for the rest."""

from collections.abc import Sequence

from perpscope.engine.coverage import CoverageLedger
from perpscope.engine.silence import Finding, Spoken
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Alive, Covered, Disconnected, Gap, Subscribed, Tick, Unheard
from perpscope.model.stream import Channel, Stream

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
TRADES = Stream(Channel.TRADES, BTC)
CANDLES = Stream(Channel.CANDLES_1M, BTC)
BOOK = Stream(Channel.BOOK, BTC)
ONE, TWO = "binance/market/0", "binance/market/1"

Entry = Subscribed | Unheard | Alive | Disconnected | Tick


def subscribed(ts: int, *streams: Stream, connection: str = ONE) -> Subscribed:
    """An acknowledgement."""
    return Subscribed("binance", connection, streams, ts)


def alive(ts: int, connection: str = ONE) -> Alive:
    """Data at `ts`."""
    return Alive(connection, ts, 1, ts)


def lost(ts: int, cause: str = "disconnect", connection: str = ONE) -> Disconnected:
    """A connection that ended."""
    return Disconnected(connection, cause, ts)


def unheard(ts: int, *streams: Stream, connection: str = ONE, cause: str = "refused") -> Unheard:
    """A refusal, or a silence instead of an acknowledgement."""
    return Unheard("binance", connection, streams, cause, ts)


def keep(ledger: CoverageLedger, entries: Sequence[Entry]) -> list[Covered | Gap]:
    """Enter everything; what came out."""
    found: list[Covered | Gap] = []
    for entry in entries:
        match entry:
            case Subscribed():
                found += ledger.subscribed(entry)
            case Unheard():
                found += ledger.unheard(entry)
            case Alive():
                found += ledger.alive(entry)
            case Disconnected():
                found += ledger.disconnected(entry)
            case Tick():
                found += ledger.tick(entry)
    return found


def covered(event: Covered | Gap) -> tuple[int, int, bool]:
    """The interval of a `Covered`."""
    assert isinstance(event, Covered)
    return event.ts_from, event.ts_to, event.is_open


def gap(event: Covered | Gap) -> tuple[tuple[Stream, ...], int, int | None, str]:
    """The content of a `Gap`."""
    assert isinstance(event, Gap)
    return event.streams, event.ts_from, event.ts_to, event.cause


def test_a_mute_socket_covers_nothing() -> None:
    """An acknowledgement without data vouches for nothing: what came between it and the end was missed."""
    ledger = CoverageLedger({("binance", TRADES): (50, "restart")})
    found = keep(ledger, [subscribed(100, TRADES), Tick(200), Tick(300), lost(350, "silent")])
    assert [gap(event) for event in found] == [
        ((TRADES,), 50, 100, "restart"),
        ((TRADES,), 100, None, "silent"),
    ]
    found = keep(ledger, [subscribed(400, TRADES), alive(410)])
    assert [gap(event) for event in found] == [((TRADES,), 100, 400, "silent")]
    assert ledger.gaps == 2


def test_silence_after_an_acknowledgement_is_not_vouched_for() -> None:
    """A path that acknowledges and is mute for a while: the gap before it ends with the first data."""
    second = 1_000_000_000
    ledger = CoverageLedger({("binance", TRADES): (second, "silent")})
    early: list[Entry] = [subscribed(10 * second, TRADES), Tick(14 * second), alive(15 * second)]
    assert [gap(event) for event in keep(ledger, early)] == [((TRADES,), second, 10 * second, "silent")]
    keep(ledger, [Tick(15 * second), lost(16 * second, "silent")])
    late: list[Entry] = [subscribed(20 * second, TRADES), Tick(25 * second), Tick(26 * second), alive(27 * second)]
    (ended,) = keep(ledger, late)
    assert isinstance(ended, Gap)
    assert (ended.ts_to, ended.cause) == (27 * second, "silent")
    (further,) = keep(ledger, [Tick(28 * second), alive(29 * second), Tick(30 * second)])
    assert covered(further) == (27 * second, 28 * second, True)


def test_a_first_word_that_comes_late_leaves_a_gap_before_it() -> None:
    """Nothing was known of these streams before: from the acknowledgement to the newest data they miss."""
    second = 1_000_000_000
    ledger = CoverageLedger()
    keep(ledger, [subscribed(10 * second, TRADES, connection=TWO), alive(11 * second, TWO)])
    (found,) = keep(ledger, [subscribed(12 * second, TRADES, CANDLES), Tick(20 * second), alive(21 * second)])
    assert gap(found) == ((CANDLES,), 12 * second, 21 * second, "silent")  # trades were heard on the other one
    assert ledger.gaps == 1


def test_an_acknowledgement_cut_short_by_us_is_no_gap() -> None:
    """Stopped before data came: whoever goes on later finds what is missing by itself."""
    ledger = CoverageLedger()
    assert keep(ledger, [subscribed(100, TRADES), lost(150, "stopped")]) == []
    assert ledger.gaps == 0


def test_the_end_lags_one_tick_and_never_passes_the_last_data() -> None:
    """min(previous Tick, last data); nothing is said where nothing moved."""
    ledger = CoverageLedger()
    found = keep(ledger, [subscribed(100, TRADES), alive(150), Tick(200), alive(290), Tick(300), Tick(400), Tick(500)])
    assert [covered(event) for event in found] == [(100, 200, True), (100, 290, True)]
    assert found[0] == Covered("binance", ONE, (TRADES,), 100, 200, True, 300)


def test_data_before_the_acknowledgement_begins_nothing() -> None:
    """A later batch of streams begins only with data that came after its own acknowledgement."""
    ledger = CoverageLedger()
    found = keep(
        ledger,
        [subscribed(100, TRADES), alive(150), subscribed(180, CANDLES), Tick(200), Tick(300), alive(310), Tick(400)],
    )
    assert [(covered(e)[:2], e.streams) for e in found if isinstance(e, Covered)] == [
        ((100, 150), (TRADES,)),
        ((100, 300), (TRADES,)),
        ((180, 300), (CANDLES,)),
    ]


def test_a_lost_connection_is_a_gap_until_data_comes_again() -> None:
    """The interval closes where it stood; the gap reaches from there to the new acknowledgement."""
    ledger = CoverageLedger()
    entries: list[Entry] = [
        subscribed(100, TRADES, CANDLES),
        alive(150),
        Tick(200),
        alive(290),
        Tick(300),
        lost(320, "silent"),
    ]
    found = keep(ledger, entries)
    assert covered(found[-2]) == (100, 200, False)
    assert gap(found[-1]) == ((TRADES, CANDLES), 200, None, "silent")
    assert ledger.gaps == 1
    assert ledger.gaps_by_channel == {("binance", Channel.TRADES): 1, ("binance", Channel.CANDLES_1M): 1}
    found = keep(ledger, [subscribed(500, CANDLES, TRADES), Tick(510), alive(505)])
    assert [gap(event) for event in found] == [((CANDLES, TRADES), 200, 500, "silent")]
    assert ledger.gaps == 1


def test_a_connection_lost_before_its_interval_moved_leaves_no_hole() -> None:
    """The gap that ended at its beginning is followed by one that begins there."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES), alive(150), Tick(200), Tick(300), lost(310)])
    found = keep(ledger, [subscribed(400, TRADES), alive(410), lost(420)])
    assert [gap(event) for event in found] == [
        ((TRADES,), 150, 400, "disconnect"),
        ((TRADES,), 400, None, "disconnect"),
    ]


def test_the_end_of_a_recording_is_no_gap() -> None:
    """Nothing was missed after it, and a stopped replay is covered to where it stood."""
    ledger = CoverageLedger()
    found = keep(ledger, [subscribed(100, TRADES), alive(290), Tick(200), Tick(300), lost(300, "end-of-recording")])
    assert [covered(event) for event in found] == [(100, 200, True), (100, 200, False)]
    assert ledger.gaps == 0


def test_a_planned_overlap_is_no_gap() -> None:
    """A second connection of the same streams, begun in time, leaves nothing unseen."""
    ledger = CoverageLedger()
    entries: list[Entry] = [subscribed(100, TRADES), alive(150), Tick(200), subscribed(210, TRADES, connection=TWO)]
    entries += [alive(295), alive(296, TWO), Tick(300), alive(390), alive(391, TWO), Tick(400), lost(410)]
    found = keep(ledger, entries)
    assert not [event for event in found if isinstance(event, Gap)]
    assert covered(found[-1]) == (100, 300, False)
    assert ledger.gaps == 0


def test_an_overlap_begun_too_late_leaves_a_closed_gap() -> None:
    """What the first no longer vouches for and the second does not yet is told."""
    ledger = CoverageLedger()
    entries: list[Entry] = [
        subscribed(100, TRADES),
        alive(150),
        Tick(200),
        Tick(300),
        subscribed(310, TRADES, connection=TWO),
    ]
    found = keep(ledger, [*entries, alive(330, TWO), lost(340)])
    assert gap(found[-1]) == ((TRADES,), 150, 310, "disconnect")
    assert ledger.gaps == 1


def test_a_connection_that_begins_late_but_was_acknowledged_early_closes_the_gap_at_once() -> None:
    """No gap ends before it begins."""
    ledger = CoverageLedger()
    entries: list[Entry] = [
        subscribed(100, TRADES),
        subscribed(120, TRADES, connection=TWO),
        alive(150),
        Tick(200),
        Tick(300),
    ]
    found = keep(ledger, [*entries, lost(310), alive(320, TWO)])
    assert gap(found[-1]) == ((TRADES,), 150, 150, "disconnect")


def test_a_stream_acknowledged_again_means_another_connection() -> None:
    """A new connection of the same name replaces the old one, also without a word."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES), alive(150), Tick(200), Tick(300)])
    found = keep(ledger, [subscribed(400, TRADES), alive(410)])
    assert covered(found[0]) == (100, 150, False)
    assert [gap(event) for event in found[1:]] == [
        ((TRADES,), 150, None, "disconnect"),
        ((TRADES,), 150, 400, "disconnect"),
    ]


def test_strangers_are_passed_over() -> None:
    """Signs of life or ends of connections never acknowledged mean nothing."""
    assert keep(CoverageLedger(), [alive(100), lost(110), Tick(200), Tick(300)]) == []


def test_the_time_between_two_runs_is_a_gap() -> None:
    """From the end of the last coverage stored to the first acknowledgement that brings data."""
    key = ("binance", TRADES)
    ledger = CoverageLedger({key: (50, "restart")})
    found = keep(ledger, [subscribed(100, TRADES, CANDLES), alive(150), lost(160)])
    assert gap(found[0]) == ((TRADES,), 50, 100, "restart")
    assert ledger.gaps == 2
    assert keep(ledger, [subscribed(200, TRADES), alive(210)])[0].ts_from == 100  # told once only


def test_a_clock_set_back_between_two_runs_makes_no_gap() -> None:
    """No gap of negative length."""
    ledger = CoverageLedger({("binance", TRADES): (500, "restart")})
    assert keep(ledger, [subscribed(100, TRADES), alive(150)]) == []
    assert ledger.gaps == 0


def test_a_book_has_one_gap_at_a_time() -> None:
    """Opened at the last good delta, closed when the book is readable again."""
    ledger = CoverageLedger()
    assert ledger.book_back("binance", BTC, 50) == []
    [opened] = ledger.book_lost("binance", BTC, 100, "sequence", 110)
    assert opened == Gap("binance", (BOOK,), 100, None, "sequence", 110)
    assert ledger.book_lost("binance", BTC, 120, "crossed", 130) == []
    [closed] = ledger.book_back("binance", BTC, 200)
    assert gap(closed) == ((BOOK,), 100, 200, "sequence")
    assert ledger.gaps == 1


def test_a_stream_refused_from_the_start_is_a_gap_until_it_is_heard() -> None:
    """From the refusal on; told again it is the same gap, and the first data after an acknowledgement ends it."""
    ledger = CoverageLedger()
    found = keep(ledger, [unheard(100, TRADES, BOOK), unheard(130, TRADES, connection=TWO, cause="unacknowledged")])
    assert [gap(event) for event in found] == [((TRADES, BOOK), 100, None, "refused")]
    assert ledger.gaps == 1
    assert ledger.gaps_by_channel == {("binance", Channel.TRADES): 1, ("binance", Channel.BOOK): 1}
    found = keep(ledger, [subscribed(200, TRADES), alive(210)])
    assert [gap(event) for event in found] == [((TRADES,), 100, 200, "refused")]
    assert ledger.gaps == 1


def test_a_stream_refused_before_any_data_came_covers_nothing() -> None:
    """It leaves the streams it was acknowledged with, and they begin as they would have."""
    ledger = CoverageLedger()
    found = keep(ledger, [subscribed(100, TRADES, BOOK), unheard(110, BOOK), alive(150), Tick(200), Tick(300)])
    assert gap(found[0]) == ((BOOK,), 110, None, "refused")
    assert (found[1].streams, covered(found[1])) == ((TRADES,), (100, 150, True))
    assert len(found) == 2
    assert keep(CoverageLedger(), [subscribed(100, BOOK), unheard(110, BOOK), lost(120)])[1:] == []


def test_a_covered_stream_that_is_refused_leaves_the_others_without_a_hole() -> None:
    """The interval closes where it stood; the rest goes on from there, the refused one is missing from there."""
    ledger = CoverageLedger()
    entries: list[Entry] = [subscribed(100, TRADES, BOOK), subscribed(120, CANDLES), alive(250), Tick(200), Tick(300)]
    found = keep(ledger, [*entries, unheard(310, BOOK), alive(390), Tick(400), lost(410)])
    said = [(event.streams, covered(event)) for event in found if isinstance(event, Covered)]
    assert said == [
        ((TRADES, BOOK), (100, 200, True)),
        ((CANDLES,), (120, 200, True)),
        ((TRADES, BOOK), (100, 200, False)),
        ((TRADES,), (200, 300, True)),
        ((CANDLES,), (120, 300, True)),
        ((TRADES,), (200, 300, False)),
        ((CANDLES,), (120, 300, False)),
    ]
    assert [gap(event) for event in found if isinstance(event, Gap)] == [
        ((BOOK,), 200, None, "refused"),
        ((TRADES, CANDLES), 300, None, "disconnect"),
    ]
    assert ledger.gaps == 2


def test_an_interval_that_has_not_moved_is_narrowed_in_silence() -> None:
    """Nothing was vouched for yet; the refused stream is missing from its beginning."""
    ledger = CoverageLedger()
    found = keep(
        ledger, [subscribed(100, TRADES, BOOK), alive(110), unheard(120, BOOK), Tick(200), alive(290), Tick(300)]
    )
    assert gap(found[0]) == ((BOOK,), 100, None, "refused")
    assert [(event.streams, covered(event)) for event in found[1:]] == [((TRADES,), (100, 200, True))]


def test_a_refused_stream_may_be_subscribed_again_on_the_same_connection() -> None:
    """It is not taken for a connection that was replaced."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES, BOOK), alive(150), Tick(200), Tick(300), unheard(310, BOOK)])
    found = keep(ledger, [subscribed(320, BOOK), alive(330)])
    assert [gap(event) for event in found] == [((BOOK,), 150, 320, "refused")]


def test_what_another_connection_covers_is_not_missing() -> None:
    """Refused on the one that was to take over, heard on the one that goes on."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES), alive(150), Tick(200)])
    assert keep(ledger, [unheard(210, TRADES, connection=TWO)]) == []
    entries: list[Entry] = [subscribed(220, TRADES, connection=TWO), alive(295), alive(296, TWO), Tick(300)]
    assert not [e for e in keep(ledger, [*entries, Tick(400), unheard(410, TRADES)]) if isinstance(e, Gap)]
    assert ledger.gaps == 0


def test_a_refusal_ends_the_gap_since_an_earlier_run() -> None:
    """The time between two runs and the refusal are told apart, and leave no hole between them."""
    ledger = CoverageLedger({("binance", TRADES): (50, "restart"), ("binance", BOOK): (500, "restart")})
    found = keep(ledger, [unheard(100, TRADES, BOOK), subscribed(200, TRADES), alive(210)])
    assert [gap(event) for event in found] == [
        ((TRADES,), 50, 100, "restart"),
        ((TRADES, BOOK), 100, None, "refused"),
        ((TRADES,), 100, 200, "refused"),
    ]


def test_a_planned_successor_leaves_no_gap() -> None:
    """The connection that takes another's place covers the same streams before that one is ended."""
    ledger, successor = CoverageLedger(), "binance/market/0b"
    entries: list[Entry] = [subscribed(100, TRADES, BOOK), alive(190), Tick(200)]
    entries += [subscribed(250, TRADES, BOOK, connection=successor), alive(290), alive(291, successor), Tick(300)]
    entries += [alive(390), alive(391, successor), Tick(400), lost(410, "rotated"), alive(495, successor), Tick(500)]
    found = keep(ledger, entries)
    assert not [event for event in found if isinstance(event, Gap)]
    assert [covered(event) for event in found if isinstance(event, Covered) and event.connection == successor] == [
        (250, 300, True),
        (250, 400, True),
    ]
    assert ledger.gaps == 0


def late(ts: int, lag_ns: int, connection: str = ONE) -> Alive:
    """Data at `ts`, stamped by the venue so long before; after, where it is below zero."""
    return Alive(connection, ts, 1, ts, lag_ns)


def test_what_is_on_its_way_is_not_vouched_for() -> None:
    """The end stays behind by what a message takes: what the venue did since may never arrive."""
    ledger = CoverageLedger()
    found = keep(ledger, [subscribed(100, TRADES), late(290, 40), Tick(300), late(390, 40), Tick(400), lost(450)])
    assert [covered(event) for event in found[:-1]] == [(100, 260, True), (100, 260, False)]
    assert isinstance(found[-1], Gap)
    assert (found[-1].ts_from, found[-1].ts_to) == (260, None)


def test_a_clock_behind_its_venue_begins_later() -> None:
    """1,300 behind: what happened before the acknowledgement is stamped up to 1,300 after it, and was not seen."""
    ledger = CoverageLedger({("binance", TRADES): (5_000, "stopped")})
    found = keep(ledger, [subscribed(10_000, TRADES), late(10_100, -1_300), Tick(12_000), late(12_500, -1_300)])
    assert [(gap.ts_from, gap.ts_to) for gap in found if isinstance(gap, Gap)] == [(5_000, 11_300)]
    assert [covered(event) for event in keep(ledger, [Tick(13_000)])] == [(11_300, 12_000, True)]


def test_a_gap_is_as_wide_as_the_clocks_are_apart() -> None:
    """A book unreadable, a stream silent: missed until the venue's now, which is later than ours."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES, BOOK), late(150, -30)])
    ledger.book_lost("binance", BTC, 150, "sequence", 160)
    assert [(gap.ts_from, gap.ts_to) for gap in ledger.book_back("binance", BTC, 200)] == [(150, 230)]
    keep(ledger, [late(300, 20)])
    (gap,) = ledger.mute(Finding("binance", {TRADES: 250}, is_alarm=True), 400)
    assert (gap.ts_from, gap.ts_to) == (230, None)
    keep(ledger, [late(450, -30)])
    (gap,) = ledger.spoke(Spoken("binance", {TRADES: 440}), 450)
    assert (gap.ts_from, gap.ts_to) == (230, 470)


def test_a_message_that_took_long_does_not_hide_how_far_clocks_are_apart() -> None:
    """Ahead by 30 a moment ago and by nothing now: the clock is still ahead, for a minute after it last showed."""
    ledger = CoverageLedger()
    keep(ledger, [subscribed(100, TRADES, BOOK), late(150, -30), late(180, 10)])
    ledger.book_lost("binance", BTC, 150, "sequence", 190)
    assert [gap.ts_to for gap in ledger.book_back("binance", BTC, 200)] == [230]
    keep(ledger, [late(70_000_000_000, 10)])
    ledger.book_lost("binance", BTC, 70_000_000_010, "sequence", 70_000_000_020)
    assert [gap.ts_to for gap in ledger.book_back("binance", BTC, 70_000_000_030)] == [70_000_000_030]

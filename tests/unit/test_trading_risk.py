"""Limits on what a decision may cost: each from both sides, with the fault put in by hand."""

import warnings
from collections.abc import Callable
from math import nan

import msgspec
import pytest

from perpscope.analytics.margin import Leg, liquidation_price
from perpscope.analytics.margin_tiers import tier_table
from perpscope.model.instrument import MarginTier
from perpscope.model.market import PositionSide
from perpscope.settings import Risk
from perpscope.trading import halting, risk
from perpscope.trading.compiling import blank
from perpscope.trading.deciding import heard
from perpscope.trading.layout import DESK, ENTRY, LEAVE, LIQUIDATED, LONG, MONEY, NOTE_EDGE, NS, PROFIT, PROTECT, SHORT
from perpscope.trading.refusals import REFUSALS, TOLD
from perpscope.trading.strategy import Record

NOW = 1_782_000_000 * NS  #: 2026-06-21 00:00:00 UTC + some hours
DAY = 86_400 * NS
MINUTE = 60 * NS


def desk(*, is_strict: bool = True, mode: int = 1, needs_book: bool = False, is_paced: bool = False) -> Record:
    """A record of 10,000 quote units on a contract of tick 0.1 and step 0.001 at 50,000, with all limits met."""
    made = blank(DESK)
    risk.limited(made, Risk(leverage=10.0), mode=mode, needs_book=needs_book, is_paced=is_paced, is_strict=is_strict)
    d = made[0]
    a, w = d.account, d.watch
    a.deposit = a.cash = 10_000 * MONEY
    a.tick, a.step, a.worth = 0.1, 0.001, MONEY // 10_000
    a.min_notional = 100 * MONEY
    a.tiers = 1
    a.tier_mmr[0] = 0.004
    d.costs.taker = 50_000
    w.now = w.mark_at = w.book_at = w.bar_at = NOW
    w.is_bar = 1
    w.bar_ns = MINUTE
    w.mark = w.last = 50_000.0
    w.bid, w.ask, w.spread_ewma = 49_999.9, 50_000.1, 4e-6
    w.funding_rate = nan
    d.notes[NOTE_EDGE] = nan
    halting.standing(d)
    return d


def asked(d: Record, *, side: int = LONG, size: int = 100, stop: float = 0.01) -> str:
    """What risk says to 5,000 quote units with a stop 1 % away."""
    return REFUSALS[risk.review(d, side, size, stop)]


def standing(d: Record) -> str:
    """What risk demands."""
    return REFUSALS[halting.standing(d)]


def lost(d: Record, fraction: float) -> None:
    """Take a fraction of 10,000 away."""
    d.account.cash = round(10_000 * MONEY * (1 - fraction))


def test_an_entry_within_all_limits_passes() -> None:
    """What nothing speaks against is approved, counted nowhere."""
    d = desk()
    assert asked(d) == ""
    assert not d.risk.refused.any()


def test_a_desk_without_limits_orders_nothing() -> None:
    """A desk that nobody wrote limits into observes. Keeps S2-62."""
    d = blank(DESK)[0]
    assert asked(d) == "observing"


@pytest.mark.parametrize(("mode", "answer"), [(0, "observing"), (1, ""), (2, "")], ids=["observe", "paper", "live"])
def test_observing_lets_nothing_pass(mode: int, answer: str) -> None:
    """In mode observe no entry passes. Keeps S2-62."""
    assert asked(desk(mode=mode)) == answer


def test_the_kill_switch_holds_until_it_is_lifted() -> None:
    """Halted by hand: flat, no entries, whatever time passes; reset lifts it."""
    d = desk()
    halting.halt(d, REFUSALS.index("kill-switch"))
    assert (standing(d), asked(d)) == ("kill-switch", "kill-switch")
    d.watch.now = d.watch.mark_at = d.watch.bar_at = NOW + 30 * DAY
    assert (standing(d), asked(d)) == ("kill-switch", "kill-switch")
    halting.reset(d)
    assert (standing(d), asked(d)) == ("", "")


@pytest.mark.parametrize(("loss", "answer"), [(0.0499, ""), (0.05, "daily-loss")], ids=["below", "at"])
def test_a_day_that_lost_five_percent_is_over(loss: float, answer: str) -> None:
    """Five percent of the day's first equity: flat, and no entry. Keeps S4-74."""
    d = desk()
    lost(d, loss)
    assert standing(d) == answer
    assert asked(d, size=50) == answer


def test_a_stopped_day_ends_at_midnight_and_not_by_a_recovery() -> None:
    """Once lost, the day stays stopped although equity comes back; at 00:00 UTC the next begins with its own equity."""
    d = desk()
    lost(d, 0.06)
    assert standing(d) == "daily-loss"
    lost(d, 0.0)
    assert (standing(d), asked(d)) == ("daily-loss", "daily-loss")
    midnight = (NOW // DAY + 1) * DAY
    lost(d, 0.06)
    d.watch.now = d.watch.mark_at = d.watch.book_at = midnight - 1
    assert standing(d) == "daily-loss"
    d.watch.now = d.watch.mark_at = midnight
    assert (standing(d), asked(d, size=50)) == ("", "")
    lost(d, 0.10)
    assert standing(d) == ""  # 4.3 % of the new day's 9,400


@pytest.mark.parametrize(("loss", "answer"), [(0.1499, "daily-loss"), (0.15, "drawdown")], ids=["below", "at"])
def test_a_drawdown_halts_until_somebody_resets_it(loss: float, answer: str) -> None:
    """Fifteen percent below the peak: halted over midnight too, until reset counts from the equity of then."""
    d = desk()
    lost(d, loss)
    assert standing(d) == answer
    assert d.risk.deepest == pytest.approx(loss)
    if answer == "drawdown":
        assert d.risk.halted_at == NOW
        d.watch.now = d.watch.mark_at = d.watch.book_at = NOW + 3 * DAY
        assert (standing(d), asked(d, size=50)) == ("drawdown", "drawdown")
        halting.reset(d)
        assert (standing(d), asked(d, size=50)) == ("", "")


def test_the_deepest_drawdown_counts_against_the_peak_of_its_time() -> None:
    """Lost at 10,000 and looked at only at 10,500: 10 %; a reset forgets the peak, not what was lost below it."""
    d = desk()
    for loss in (0.0, 0.1, 0.05, -0.05):
        lost(d, loss)
        halting.standing_at(d, halting.equity_now(d))
    assert (d.risk.fallen, d.risk.deepest) == (0, 0.1)
    lost(d, 0.16)
    halting.standing_at(d, halting.equity_now(d))
    assert (d.risk.fallen, d.risk.deepest) == (2_100 * MONEY, 0.1)
    halting.reset(d)
    assert (d.risk.fallen, d.risk.deepest) == (0, 0.2)


def test_the_peak_counts_what_is_not_realised() -> None:
    """An open profit raises the peak, and its loss is a drawdown; long and short."""
    for size, up, down in ((1000, 60_000.0, 56_000.0), (-1000, 40_000.0, 44_000.0)):
        d = desk()
        a = d.account
        a.size, a.cost, a.cash, a.margin = size, 50_000 * MONEY, 5_000 * MONEY, 5_000 * MONEY
        d.watch.mark = up
        assert standing(d) == ""
        assert d.risk.peak == 20_000 * MONEY
        d.watch.mark = down
        assert standing(d) == "drawdown"
        assert d.risk.deepest == pytest.approx(0.2)


def test_equity_without_a_mark_takes_the_last_price_then_the_close() -> None:
    """Where no mark is told a position is worth what was last paid; with no price at all, what it cost."""
    d = desk()
    d.account.size, d.account.cost = 100, 5_000 * MONEY
    d.watch.mark = nan
    d.watch.last = 51_000.0
    assert halting.equity_now(d) == 10_100 * MONEY
    d.watch.last = nan
    assert halting.equity_now(d) == 10_000 * MONEY
    d.watch.bars = 1
    d.watch.closes[0] = 49_000.0
    assert halting.equity_now(d) == 9_900 * MONEY


def test_three_stops_in_a_row_pause_entries_for_four_hours() -> None:
    """The third losing stop pauses; a profit, a leave or a stop in profit between them begins the count anew."""
    d = desk()
    hours = 4 * 3600 * NS
    for role, realised in ((PROTECT, -1), (PROTECT, -1), (PROFIT, 5), (PROTECT, -1), (PROTECT, 1), (LIQUIDATED, -1)):
        risk.noted(d, role, realised)
        risk.noted(d, ENTRY, 0)
    risk.noted(d, LEAVE, -1)
    risk.noted(d, PROTECT, -1)
    risk.noted(d, PROTECT, -1)
    assert asked(d) == ""
    d.account.size = 1  # a stop filled in two parts is one stop
    risk.noted(d, PROTECT, -1)
    d.account.size = 0
    assert asked(d) == ""
    risk.noted(d, PROTECT, -1)
    assert asked(d) == "loss-streak"
    d.watch.now = d.watch.mark_at = d.watch.book_at = NOW + hours - 1
    assert asked(d) == "loss-streak"
    d.watch.now += 1
    assert asked(d) == ""
    assert standing(d) == ""  # a pause gives nothing up


def test_a_stop_filled_in_parts_is_one_stop() -> None:
    """Three parts in one row of the market, heard of when all are booked, are one stop and no streak."""
    d = desk()
    for parts in range(3):
        row = d.kept_fills[parts]
        row.role, row.realised, row.position = PROTECT, -1, 2 - parts
    d.fills = 3
    heard(d, 0)
    assert d.risk.stops == 1
    assert asked(d) == ""


def test_a_pause_counts_from_the_close_where_that_is_later() -> None:
    """A fill inside a candle is later than what was last received."""
    d = desk()
    d.account.closed_at = NOW + 30 * NS
    for _ in range(3):
        risk.noted(d, PROTECT, -1)
    assert d.risk.paused_until == NOW + 30 * NS + 4 * 3600 * NS


@pytest.mark.parametrize(("since_s", "answer"), [(59.999, "cooldown"), (60.0, "")], ids=["within", "after"])
def test_no_entry_within_a_minute_of_a_close(since_s: float, answer: str) -> None:
    """Sixty seconds of cool-down after a close (METHOD 12.1)."""
    d = desk()
    d.account.closed_at = NOW - round(since_s * NS)
    assert asked(d) == answer


@pytest.mark.parametrize(
    ("age_s", "entry", "flat"),
    [(3.0, "", ""), (3.001, "mark-stale", ""), (15.0, "mark-stale", ""), (15.001, "mark-stale", "data-old")],
    ids=["fresh", "old", "very-old", "too-old"],
)
def test_an_old_mark_refuses_and_a_very_old_one_flattens(age_s: float, entry: str, flat: str) -> None:
    """Mark older than 3 s: no entry; than 15 s: flat."""
    d = desk()
    d.watch.mark_at = NOW - round(age_s * NS)
    assert (standing(d), asked(d)) == (flat, entry)


def test_marks_told_once_a_minute_are_late_when_the_next_is() -> None:
    """Data that tells marks and books every minute is as old as the time since the next was due."""
    made = blank(DESK)
    d = made[0]
    d.watch.now = NOW
    d.watch.mark = d.watch.last = 50_000.0
    risk.limited(made, Risk(), needs_book=True, mark_every_ns=MINUTE, book_every_ns=MINUTE)
    d.account.tick, d.account.step, d.account.worth = 0.1, 0.001, MONEY // 10_000
    for told, word in (("mark_at", "mark-stale"), ("book_at", "book-stale")):
        d.watch.mark_at = d.watch.book_at = NOW
        d.watch[told] = NOW - MINUTE - 2 * NS
        assert asked(d) == "no-margin"  # past the data's age
        d.watch[told] = NOW - MINUTE - 4 * NS
        assert (standing(d), asked(d)) == ("", word)
        d.watch[told] = NOW - MINUTE - 15 * NS - 1
        assert standing(d) == "data-old"


@pytest.mark.parametrize("told", ["trade_at", "book_at", "bar_at"])
def test_without_marks_the_newest_price_counts(told: str) -> None:
    """A venue that tells no mark is as old as its newest trade, book or candle; one that told nothing has no age."""
    d = desk()
    d.watch.mark_at = d.watch.trade_at = d.watch.book_at = d.watch.bar_at = 0
    assert standing(d) == ""
    d.watch[told] = NOW - 4 * NS
    assert asked(d) == "mark-stale"
    d.watch[told] = NOW - 3 * NS
    assert asked(d) == ""


@pytest.mark.parametrize(
    ("age_s", "entry", "flat"),
    [(2.0, "", ""), (2.001, "book-stale", ""), (15.001, "book-stale", "data-old"), (None, "book-stale", "")],
    ids=["fresh", "old", "too-old", "none"],
)
def test_an_old_book_refuses_where_one_is_needed(age_s: float | None, entry: str, flat: str) -> None:
    """Book older than 2 s refuses strategies that look at it, and no others."""
    for needs_book in (True, False):
        d = desk(needs_book=needs_book)
        d.watch.book_at = 0 if age_s is None else NOW - round(age_s * NS)
        assert standing(d) == (flat if needs_book else "")
        assert asked(d) == (entry if needs_book else "")


@pytest.mark.parametrize(("open_s", "flat"), [(0, ""), (15, ""), (15.001, "data-old")], ids=["new", "at", "long"])
def test_a_gap_refuses_at_once_and_flattens_when_it_lasts(open_s: float, flat: str) -> None:
    """While something is not seen nothing is opened; after 15 s nothing is held. Keeps B20."""
    d = desk()
    d.watch.gap_at = NOW - round(open_s * NS)
    assert (standing(d), asked(d)) == (flat, "gap")


@pytest.mark.parametrize(
    ("missing", "entry", "flat"),
    [(0, "", ""), (1, "gap", ""), (4, "gap", ""), (5, "gap", "data-old")],
    ids=["none", "one", "four", "five"],
)
def test_on_candles_alone_ages_are_reckoned_in_candles(missing: int, entry: str, flat: str) -> None:
    """A missing candle counts as the 3 s of the mark: one refuses, five flatten; minute marks are not stale."""
    d = desk(is_paced=True)
    d.watch.mark_at = NOW - MINUTE
    d.watch.now = NOW + (1 + missing) * MINUTE
    d.watch.bar_at = d.watch.now
    assert (standing(d), asked(d)) == (flat, entry)
    d.watch.now = d.watch.bar_at = d.watch.bar_at + MINUTE
    assert (standing(d), asked(d)) == ("", "")


def test_on_candles_alone_a_late_candle_and_one_that_never_comes_are_seen() -> None:
    """A candle told 3 s after its close is too late to trade on; marks that go on without candles do not hide it."""
    d = desk(is_paced=True)
    d.watch.now = NOW + 3 * NS
    assert asked(d) == ""
    d.watch.now += 1
    assert asked(d) == "mark-stale"
    d.watch.is_bar = 0
    d.watch.now = NOW + MINUTE + 2 * NS
    assert asked(d) == ""
    d.watch.now = NOW + MINUTE + 3 * NS
    assert asked(d) == "gap"
    d.watch.now = NOW + 5 * MINUTE + 3 * NS
    assert standing(d) == "data-old"
    d.watch.bar_at = d.watch.bar_ns = 0
    assert standing(d) == ""


@pytest.mark.parametrize(("skew_ms", "answer"), [(500, ""), (-500, ""), (501, "clock-skew"), (-501, "clock-skew")])
def test_clocks_that_disagree_refuse(skew_ms: int, answer: str) -> None:
    """More than 500 ms between the exchange's clock and ours: no entry."""
    d = desk()
    d.risk.skew = skew_ms * 1_000_000
    assert asked(d) == answer


@pytest.mark.parametrize(("times", "answer"), [(4.99, ""), (5.01, "spread-wide"), (nan, "")], ids=["5", "over", "new"])
def test_a_spread_five_times_its_usual_refuses(times: float, answer: str) -> None:
    """Spread over five times its usual: no entry; what is usual has to be known first."""
    d = desk()
    d.watch.spread_ewma = 0.2 / 50_000 / times
    assert asked(d) == answer


@pytest.mark.parametrize(
    ("side", "rate", "edge", "answer"),
    [
        (LONG, 0.0010, 0.0010, ""),
        (LONG, 0.0011, 0.0010, "funding-above-edge"),
        (LONG, -0.0011, 0.0010, ""),
        (SHORT, -0.0011, 0.0010, "funding-above-edge"),
        (SHORT, 0.0011, 0.0010, ""),
        (LONG, 0.0011, nan, ""),
        (LONG, nan, 0.0010, ""),
    ],
    ids=["equal", "long-pays", "long-receives", "short-pays", "short-receives", "no-edge-told", "no-rate-told"],
)
def test_funding_above_the_edge_refuses(side: int, rate: float, edge: float, answer: str) -> None:
    """What the next settlement would cost may not exceed what the rule expects, where both are told."""
    d = desk()
    d.watch.funding_rate = rate
    d.notes[NOTE_EDGE] = edge
    assert asked(d, side=side) == answer


@pytest.mark.parametrize(
    ("side", "stop", "answer"),
    [(LONG, 0.0481, ""), (LONG, 0.0483, "liquidation-near"), (SHORT, 0.0477, ""), (SHORT, 0.0479, "liquidation-near")],
    ids=["long-room", "long-near", "short-room", "short-near"],
)
def test_liquidation_lies_two_stops_away(side: int, stop: float, answer: str) -> None:
    """At 10x and 0.4 % liquidation is 9.64 % below (long), 9.56 % above (short); half of that is the widest stop."""
    assert asked(desk(), side=side, size=20, stop=stop) == answer


TIERS = [
    MarginTier(0.0, 50_000.0, 0.004, 125.0),
    MarginTier(50_000.0, 600_000.0, 0.005, 100.0, 50.0),
    MarginTier(600_000.0, None, 0.01, 75.0, 3_050.0),
]


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("notional", [5_000.0, 52_000.0, 55_000.0, 620_000.0, 2_000_000.0])
def test_liquidation_is_where_the_margin_engine_has_it(side: int, notional: float) -> None:
    """In every tier the distance equals that of the margin engine, the one account of it. Keeps S4-75."""
    d = desk()
    d.watch.bid = d.watch.ask = 50_000.0
    table = tier_table(TIERS)
    d.account.tiers = len(table.floors)
    for k, (floor, rate, deduction) in enumerate(zip(table.floors, table.rates, table.deductions, strict=True)):
        d.account.tier_floor[k], d.account.tier_mmr[k], d.account.tier_deduction[k] = floor, rate, deduction
    leg = Leg(PositionSide.LONG if side == LONG else PositionSide.SHORT, notional / 50_000.0, 50_000.0)
    price = liquidation_price(leg, notional / 10.0, table)
    assert price is not None
    assert risk.liquidation_distance(d, side, round(notional / 50_000.0 / 0.001)) == pytest.approx(
        abs(1.0 - price / 50_000.0), rel=1e-9
    )


@pytest.mark.parametrize(
    ("size", "answer"), [(2, ""), (1, "below-minimum"), (0, "below-minimum")], ids=["at", "below", "none"]
)
def test_what_the_exchange_would_not_take_is_not_sent(size: int, answer: str) -> None:
    """Below 100 quote units of notional nothing is sent (0.002 × 50,000 = 100)."""
    d = desk()
    d.watch.ask = 50_000.0
    assert asked(d, size=size) == answer


def test_what_cannot_be_paid_for_is_not_sent() -> None:
    """Margin, both fees and the spread have to be in the free wallet."""
    d = desk()
    d.account.cash = 505 * MONEY
    d.account.margin = 9_495 * MONEY
    assert asked(d) == "no-margin"
    d.account.cash = 506 * MONEY
    assert asked(d) == ""


def test_sizings_own_reason_is_the_answer_to_no_size() -> None:
    """A size of 0 is refused with what sizing left, so that refusals are counted in one place."""
    d = desk()
    d.risk.newest = REFUSALS.index("no-edge")
    assert asked(d, size=0) == "no-edge"
    assert d.risk.refused[REFUSALS.index("no-edge")] == 1


def test_without_a_price_nothing_is_sent() -> None:
    """No bid, ask, last, close or mark: nothing to reckon with."""
    d = desk()
    d.watch.bid = d.watch.ask = d.watch.last = d.watch.mark = nan
    assert asked(d) == "no-price"


@pytest.mark.parametrize(
    ("stop", "answer"), [(0.0, "no-stop"), (nan, "no-stop"), (0.01, "")], ids=["none", "nan", "1%"]
)
def test_an_entry_without_a_stop_is_refused(stop: float, answer: str) -> None:
    """What may be lost has to be known before anything is opened. Keeps S4-13."""
    assert asked(desk(), stop=stop) == answer


def test_a_size_that_risks_too_much_is_refused_whoever_made_it() -> None:
    """The stop of 5,000 at 1.9 % loses 100.02 with fees and spread: over 1 % of 10,000. Keeps B20."""
    assert asked(desk(), stop=0.0189) == ""
    assert asked(desk(), stop=0.0190) == "above-risk"


@pytest.mark.parametrize(
    ("calls", "errors", "answer"),
    [(10, 2, ""), (10, 3, "exchange-errors"), (4, 4, ""), (5, 2, "exchange-errors")],
    ids=["20%", "30%", "few", "five"],
)
def test_an_exchange_that_errs_halts_entries(calls: int, errors: int, answer: str) -> None:
    """Over a fifth of a minute's calls failed: no entries until reset; the exchange keeps the stop, nothing is sold."""
    d = desk()
    d.risk.calls, d.risk.errors = calls, errors
    assert (standing(d), asked(d)) == ("", answer)


@pytest.mark.parametrize(("rejected", "answer"), [(2, ""), (3, "orders-rejected")], ids=["two", "three"])
def test_three_rejected_orders_halt_entries(rejected: int, answer: str) -> None:
    """The exchange refused three orders in a row: something is not as we think."""
    d = desk()
    d.risk.rejected = rejected
    assert (standing(d), asked(d)) == ("", answer)
    halting.reset(d)
    assert asked(d) == ""


def test_a_position_that_is_not_ours_refuses() -> None:
    """What the exchange holds differs from what we think: nothing is opened until that is settled."""
    d = desk()
    d.risk.is_mismatched = 1
    assert (standing(d), asked(d)) == ("", "position-mismatch")


def _dear_funding(d: Record) -> None:
    d.notes[NOTE_EDGE] = 0.0001
    d.watch.funding_rate = 0.001


FAULTS: dict[str, Callable[[Record], None]] = {
    "daily-loss": lambda d: setattr(d.risk, "stopped_until", NOW + 1),
    "drawdown": lambda d: setattr(d.risk, "deepest", 0.5),
    "loss-streak": lambda d: setattr(d.risk, "paused_until", NOW + 1),
    "funding-above-edge": _dear_funding,
    "liquidation-near": lambda d: setattr(d.risk, "stop_room", 100.0),
    "no-stop": halting.reset,
    "above-risk": lambda d: setattr(d.risk, "per_trade", 1e-6),
}


@pytest.mark.parametrize("limit", sorted(FAULTS))
def test_the_documents_own_numbers_are_told_and_not_stopped(limit: str) -> None:
    """With profile seed limits on money are counted and bind nobody: nothing is changed in silence. Keeps S4-12."""
    d = desk(is_strict=False)
    FAULTS[limit](d)
    assert asked(d, stop=0.0 if limit == "no-stop" else 0.01) == ""
    assert d.risk.refused[REFUSALS.index(limit)] == 1
    assert {REFUSALS[k] for k in TOLD} == set(FAULTS)


def test_the_documents_own_numbers_do_not_halt_themselves() -> None:
    """Half of the account gone: profile seed trades on, and both limits are counted as passed."""
    d = desk(is_strict=False)
    lost(d, 0.505)
    assert (standing(d), asked(d, size=10)) == ("", "")
    assert d.risk.refused[REFUSALS.index("daily-loss")] == 1


def test_data_and_the_kill_switch_bind_every_profile() -> None:
    """With profile seed, too, nothing is decided blind, and halted is halted."""
    d = desk(is_strict=False)
    d.watch.gap_at = NOW
    assert asked(d) == "gap"
    halting.halt(d, REFUSALS.index("kill-switch"))
    assert standing(d) == "kill-switch"


def test_limits_written_again_keep_what_was_counted() -> None:
    """A change of mode at run time forgets no peak, stop or halt. Keeps S2-62."""
    made = blank(DESK)
    risk.limited(made, Risk())
    made[0].risk.halted, made[0].risk.peak = 2, 7
    risk.limited(made, msgspec.structs.replace(Risk(), leverage=3.0), mode=2)
    assert (made[0].risk.halted, made[0].risk.peak, made[0].risk.mode) == (2, 7, 2)
    assert made[0].account.leverage == made[0].risk.leverage == 3.0


def test_an_account_with_nothing_has_no_drawdown() -> None:
    """Nothing deposited, nothing to divide by."""
    d = desk()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        d.risk.peak = d.risk.day_equity = d.risk.worth = d.account.cash = 0
        d.watch.now = d.watch.mark_at = NOW + DAY
        assert standing(d) == ""


def test_words_fit_their_numbers() -> None:
    """Every refusal has one number and a desk has room to count it; words are kebab-case."""
    assert REFUSALS[0] == ""
    assert len(set(REFUSALS)) == len(REFUSALS) <= 32
    assert all(word == word.lower() and " " not in word and "_" not in word for word in REFUSALS)

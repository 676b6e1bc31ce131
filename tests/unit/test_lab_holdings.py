"""Who holds what in the seeded market: open interest, ratios, fundings and reference bars that agree with the rest."""

import pytest

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.book import LabBook, ToldDepth
from perpscope.lab.dialect import dialect
from perpscope.lab.market import Market
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.market import Interval, OpenInterest, PositionSide

_S = 1_000_000_000
_MINUTE = 60 * _S


def test_open_interest_comes_each_second_and_moves() -> None:
    """Protects open interest: one count a symbol and second, positive, not always the same; dollars at the mark."""
    market = Market(7, START_NS, ("BTC", "ETH"))
    told = [event for _, event in market.events(START_NS + 60 * _S) if isinstance(event, OpenInterest)]
    assert len(told) == 2 * 61
    assert all(event.open_interest > 0 for event in told)
    assert len({event.open_interest for event in told}) > 30
    last, mark = told[-1], market.mark("ETHUSDT")
    assert mark is not None
    assert last.open_interest_usd == pytest.approx(last.open_interest * mark.mark)


def test_liquidations_take_from_the_open_interest() -> None:
    """Protects the meaning of a liquidation: without its trade's own effect, what was closed is gone."""
    stage = Rehearsal("binance", 7, ("BTC",))
    stage.run(900.0)
    holdings = stage.market.holdings("BTCUSDT")
    liquidation = stage.publisher.stand("BTCUSDT").liquidations[-1]
    before = holdings.open_interest
    holdings.liquidation(liquidation)
    assert holdings.open_interest == pytest.approx(before - liquidation.size)
    assert {event.position_side for event in stage.publisher.stand("BTCUSDT").liquidations} <= set(PositionSide)


def test_a_day_of_statistics_can_be_asked_for_at_once() -> None:
    """Protects start-up: rows of every five minutes before the start, and longer periods that add them up."""
    market = Market(7, START_NS, ("BTC",))
    fives = market.holdings("BTCUSDT").periods(5 * _MINUTE)
    hours = market.holdings("BTCUSDT").periods(60 * _MINUTE)
    assert [row.ts for row in fives] == [START_NS + n * 5 * _MINUTE for n in range(-288, 1)]
    assert [row.ts for row in hours] == [START_NS + n * 60 * _MINUTE for n in range(-24, 1)]
    assert hours[-1].taker_buy == pytest.approx(sum(row.taker_buy for row in fives[-12:]))
    assert all(0 < row.long_fraction < 1 for row in fives)
    assert market.holdings("BTCUSDT").fundings()[-1].ts == START_NS


def test_taker_volumes_are_what_was_traded() -> None:
    """Protects taker volume: the count of five minutes is that of the candles' takers."""
    stage = Rehearsal("binance", 7, ("BTC",))
    stage.run(301.0)
    row = stage.publisher.censuses("BTCUSDT", 5 * _MINUTE)[-1]
    closed = [candle for candle in stage.publisher.candles("BTCUSDT", Interval.M1) if candle.is_closed]
    assert row.ts == START_NS + 5 * _MINUTE
    assert row.taker_buy == pytest.approx(sum(candle.taker_buy_volume or 0.0 for candle in closed))
    assert row.taker_buy + row.taker_sell == pytest.approx(sum(candle.volume for candle in closed))


def test_reference_bars_hold_the_marks_of_their_minutes() -> None:
    """Protects mark candles: extremes and ends of the marks told within, in any whole minutes."""
    stage = Rehearsal("binance", 7, ("BTC",))
    stage.wants("btcusdt@markPrice@1s")
    stage.run(150.0)
    marks = [float(payload.split(b'"p":"')[1].split(b'"')[0]) for _, payload in stage.heard]
    minutes = stage.publisher.reference_bars("BTCUSDT", "mark", _MINUTE)
    assert [bar.ts_open - START_NS for bar in minutes] == [0, _MINUTE, 2 * _MINUTE]
    first = marks[:60]
    assert (minutes[0].open, minutes[0].close) == (first[0], first[-1])
    assert (minutes[0].high, minutes[0].low) == (max(first), min(first))
    (whole,) = stage.publisher.reference_bars("BTCUSDT", "mark", 5 * _MINUTE)
    assert (whole.open, whole.high, whole.low, whole.close) == (marks[0], max(marks), min(marks), marks[-1])


@pytest.mark.unmeasured
def test_venues_of_one_seed_keep_near_the_leading_price() -> None:
    """Protects the comparison of venues: hours of one seed differ by noise, not by their own walks."""
    leader = Market(7, START_NS, ("BTC",), activity=2.0)
    follower = Market(7, START_NS, ("BTC",), activity=2.0, wire=dialect("bybit"), leader=leader)
    furthest = 0.0
    for minute in range(1, 121):
        until = START_NS + minute * _MINUTE
        for market in (leader, follower):
            for _ in market.events(until):
                pass
        marks = [market.mark("BTCUSDT") for market in (leader, follower)]
        assert marks[0] is not None
        assert marks[1] is not None
        furthest = max(furthest, abs(marks[1].mark / marks[0].mark - 1))
    assert 0 < furthest < 0.005


def test_a_follower_never_overtakes_its_leader() -> None:
    """Protects repeatability of several venues: the follower's events are the same however the leader is paced."""
    told = []
    for step in (1, 7):
        leader = Market(3, START_NS, ("BTC",))
        follower = Market(3, START_NS, ("BTC",), wire=dialect("bybit"), leader=leader)
        events = list(follower.events(START_NS + 60 * _S))
        assert {ts for ts, _ in events} == {START_NS}  # its first book, and no more
        for second in range(0, 64, step):
            list(leader.events(START_NS + second * _S))
            events += list(follower.events(START_NS + 60 * _S))
        told.append(events[:500])
    assert told[0] == told[1]
    assert len(told[0]) == 500


def test_told_depth_gives_exactly_the_changes_of_the_top() -> None:
    """Protects limited depths: what leaves the top is removed, what moves up into it is told."""
    book = LabBook()
    book.replace([("9", "1"), ("8", "1"), ("7", "1")], [("10", "1"), ("11", "1")], 5, 50)
    told = ToldDepth(2)
    assert told.advance(book) is None
    told.begin(book)
    assert (told.bids, told.update_id) == ([("9", "1"), ("8", "1")], 5)
    number = told.number
    book.apply([("9", "0")], [("12", "3")], 6, 60)
    assert told.advance(book) == ([("7", "1"), ("9", "0")], [])
    assert (told.previous_id, told.update_id, told.number) == (5, 6, number + 1)
    book.apply([], [("12", "0")], 7, 70)
    assert told.advance(book) is None
    told.forget()
    told.begin(book)
    assert (told.update_id, told.ts_event) == (7, 70)


def test_allowance_is_a_sliding_window() -> None:
    """Protects limits: what was used a window ago is free again, and a refusal uses nothing."""
    allowance = Allowance(Rate(3, 10.0))
    assert [allowance.take(at, weight) for at, weight in ((0.0, 2), (5.0, 2), (5.0, 1), (9.9, 1))] == [
        *(True, False, True, False)
    ]
    assert allowance.wait_s(9.0) == pytest.approx(1.0)
    assert allowance.take(10.0, 2)
    assert Allowance(Rate(1, 1.0)).wait_s(0.0) == 0.0

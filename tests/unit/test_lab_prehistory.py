"""The five weeks before the lab opened: the same whoever asks, at one with themselves, and with what came after."""

import random
import tracemalloc
from itertools import pairwise

import pytest

from perpscope.lab.candles import KEPT, CandleStack
from perpscope.lab.dialect import VENUES
from perpscope.lab.market import Market
from perpscope.lab.prehistory import summed
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.trade_ring import TradeRing
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, Side, Trade

pytestmark = pytest.mark.unmeasured

_S = 10**9
_MINUTE, _HOUR, _DAY = 60 * _S, 3600 * _S, 86_400 * _S
_MIDWAY = START_NS + 1_994 * _S  # 33 minutes and 14 seconds into an hour
_ID = InstrumentId("BTC-USDT-PERP.BINANCE")


@pytest.fixture(scope="module")
def market() -> Market:
    """One that opened in the middle of an hour and has gone on for twenty minutes."""
    market = Market(7, _MIDWAY, ("BTC",))
    for _ in market.events(_MIDWAY + 1200 * _S):
        pass
    return market


def _candles(market: Market, interval: Interval, ts_from: int, ts_to: int) -> list[Candle]:
    return [*market.candles("BTCUSDT", interval, ts_from, ts_to)]


def test_the_same_hour_is_the_same_whoever_asks_first() -> None:
    """Protects repeatability: in whatever order and pieces it is asked for, the past is one past; seeds differ."""
    whole = _candles(Market(7, START_NS, ("BTC",)), Interval.M1, START_NS - 3 * _DAY, START_NS)
    market, pieces = Market(7, START_NS), {}
    starts = [START_NS - 3 * _DAY + n * 97 * _MINUTE for n in range(45)]
    for start in random.Random(3).sample(starts, len(starts)):
        for candle in _candles(market, Interval.M1, start, min(START_NS, start + 97 * _MINUTE)):
            pieces[candle.ts_open] = candle
    assert [pieces[ts] for ts in sorted(pieces)] == whole
    assert len(whole) == 3 * 1440
    assert _candles(Market(8, START_NS, ("BTC",)), Interval.M1, START_NS - 3 * _DAY, START_NS) != whole


@pytest.mark.parametrize("interval", [Interval.M15, Interval.H1])
def test_longer_candles_are_their_minutes(market: Market, interval: Interval) -> None:
    """Protects every comparison of intervals: also across the lab's opening, sums and extremes are the minutes' own."""
    now = _MIDWAY + 1200 * _S
    longer = [candle for candle in _candles(market, interval, now - 3 * _DAY, now) if candle.is_closed]
    assert longer[-1].ts_open + interval.ns > _MIDWAY - interval.ns
    for candle in longer:
        minutes = _candles(market, Interval.M1, candle.ts_open, candle.ts_open + interval.ns)
        made = summed(minutes, interval)
        assert len(minutes) == interval.ns // _MINUTE
        assert (candle.open, candle.high, candle.low, candle.close) == (made.open, made.high, made.low, made.close)
        assert (candle.volume, candle.quote_volume) == pytest.approx((made.volume, made.quote_volume))
        assert candle.trades == made.trades
        assert candle.taker_buy_volume == pytest.approx(made.taker_buy_volume)


def test_the_past_joins_the_market_without_a_jump(market: Market) -> None:
    """Protects charts: each minute follows the last, on the grid, and the seeded market begins where the past ends."""
    now = _MIDWAY + 1200 * _S
    minutes = _candles(market, Interval.M1, now - 33 * _DAY, now)
    assert {later.ts_open - earlier.ts_open for earlier, later in pairwise(minutes)} == {_MINUTE}
    assert all(
        candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        for candle in minutes
    )
    moves = [abs(later.open / earlier.close - 1) for earlier, later in pairwise(minutes)]
    assert max(moves) < 0.001
    assert 0.3 < min(candle.close for candle in minutes) / 83_000 < max(candle.close for candle in minutes) / 83_000 < 3
    censuses = market.holdings("BTCUSDT").periods(5 * _MINUTE, now - 33 * _DAY, now + 1)
    assert {later.ts - earlier.ts for earlier, later in pairwise(censuses)} == {5 * _MINUTE}
    for earlier, later in pairwise(censuses):
        assert later.open_interest == pytest.approx(earlier.open_interest, rel=0.05)
        assert later.long_fraction == pytest.approx(earlier.long_fraction, abs=0.05)


def test_what_takers_did_is_in_the_candles_too(market: Market) -> None:
    """Protects taker volume: the count of a period is that of its minutes, also of the one the lab opened in."""
    now = _MIDWAY + 1200 * _S
    for period in (5 * _MINUTE, _HOUR):
        rows = market.holdings("BTCUSDT").periods(period, now - _DAY, now + 1)
        assert [row.ts % period for row in rows] == [0] * len(rows)
        for row in rows:
            minutes = _candles(market, Interval.M1, row.ts - period, row.ts)
            bought = sum(candle.taker_buy_volume or 0.0 for candle in minutes)
            assert row.taker_buy == pytest.approx(bought)
            assert row.taker_sell == pytest.approx(sum(candle.volume for candle in minutes) - bought)


def test_fundings_are_on_their_grid_through_the_opening() -> None:
    """Protects funding history: one a interval, through the lab's opening, around the usual rate."""
    market = Market(7, _MIDWAY, ("BTC",), activity=0.2)
    for _ in market.events(_MIDWAY + 8 * _HOUR):
        pass
    paid = market.holdings("BTCUSDT").fundings(market.ts_oldest, _MIDWAY + 9 * _HOUR)
    assert [row.ts for row in paid] == [*range(market.ts_oldest, _MIDWAY + 8 * _HOUR, 8 * _HOUR)]
    assert all(abs(row.rate) < 0.001 and 0.3 < row.mark / 83_000 < 3 for row in paid)


def test_venues_of_one_seed_share_their_past_prices() -> None:
    """Protects the comparison of venues: closes differ by a tick, what was traded differs."""
    told = []
    for venue in VENUES:
        stage = Rehearsal(venue, 7, ("BTC",))
        (listing,) = stage.listings
        told.append(stage.publisher.candles(listing.symbol, Interval.M1, START_NS - _DAY, START_NS))
    for others in told[1:]:
        assert [candle.close for candle in others] == pytest.approx([candle.close for candle in told[0]], rel=1e-4)
        assert [candle.volume for candle in others] != [candle.volume for candle in told[0]]


def test_nothing_is_kept_of_what_was_asked_for() -> None:
    """Protects the lab's memory: days of candles and counts leave a few hours behind, not days."""
    market = Market(7, START_NS, ("BTC",))
    _candles(market, Interval.M1, START_NS - _DAY, START_NS)
    tracemalloc.start()
    try:
        for day in range(6):
            _candles(market, Interval.M1, START_NS - (day + 1) * _DAY, START_NS - day * _DAY)
            market.holdings("BTCUSDT").periods(_HOUR, START_NS - (day + 1) * _DAY, START_NS - day * _DAY)
        _, peak = tracemalloc.get_traced_memory()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/perpscope/*")])
    finally:
        tracemalloc.stop()
    assert sum(one.size for one in ours.traces) < 200_000
    assert peak < 4_000_000


def test_a_candle_is_found_for_days() -> None:
    """Protects hole filling in a long demo: minutes are found for three market days, 1500 are told unasked."""
    stack = CandleStack(_ID, START_NS, 1.0)
    end = START_NS + 4000 * _MINUTE
    for ts in range(START_NS + _MINUTE, end + 1, _MINUTE):
        stack.close_minute(ts)
    assert len(stack.history(Interval.M1, end)) == KEPT + 1
    found = stack.between(Interval.M1, end, START_NS, end + 1)
    assert [candle.ts_open for candle in found] == [*range(START_NS, end + 1, _MINUTE)]
    assert [candle.is_closed for candle in found] == [True] * 4000 + [False]
    assert stack.between(Interval.M1, end, START_NS + 5 * _MINUTE, START_NS + 7 * _MINUTE) == found[5:7]


def test_trades_are_remembered_as_they_were() -> None:
    """Protects hole filling: by id and by time, equal times included; the oldest go first."""
    ring = TradeRing(kept=80)
    assert (len(ring), ring.between(0, 10**18), ring.from_id(1, 5)) == (0, [], [])
    chance = random.Random(2)
    trades = []
    for number in range(1, 131):
        side = Side.BUY if chance.random() < 0.5 else Side.SELL
        ts = number // 7 * _S
        trades.append(Trade(_ID, ts, ts, number, chance.random(), chance.random(), side, True))
        ring.append(trades[-1])
        assert len(ring) >= min(number, 80)
        assert ring[-1] == trades[-1]
    kept = trades[-len(ring) :]
    assert [*ring] == kept
    assert [*reversed(ring)] == kept[::-1]
    assert (ring[0], ring[-3:], ring[5]) == (kept[0], kept[-3:], kept[5])
    assert ring.from_id(110, 4) == trades[109:113]
    assert ring.before_id(110, 4) == trades[105:109]
    assert ring.between(14 * _S, 15 * _S) == [trade for trade in trades if trade.ts_event == 14 * _S]
    assert ring.between(14 * _S, 15 * _S, slice(-2, None)) == trades[102:104]
    with pytest.raises(IndexError):
        ring[len(ring)]

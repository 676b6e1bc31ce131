"""The past of Bybit's lab, told page by page and read by the venue's own code: all of it, once, with no hole."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.past_walk import DAY, now_ns
from tests.unit.walking import newest_first, page, times, walked

from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.bybit.payloads import execution_id
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    AccountRatio,
    Candle,
    FundingPaid,
    Interval,
    MarketEvent,
    OpenInterest,
    RatioKind,
    Side,
    Trade,
)
from perpscope.model.stream import Channel
from perpscope.ports import Series, Stretch
from perpscope.venues.bybit import Bybit

VENUE = Bybit()
INTERVALS = {
    Channel.CANDLES_1M: Interval.M1,
    Channel.CANDLES_15M: Interval.M15,
    Channel.CANDLES_1H: Interval.H1,
}
PERIOD = 300 * 10**9
TRADES = Series(Channel.TRADES)
OF_PERIODS = [one for one in VENUE.series if one != TRADES]
MS = 10**6


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """A quarter of an hour of a market that opened in the middle of an hour."""
    stage = Rehearsal("bybit", 7, ("BTC",), 1_795_219_200 * 10**9 + 2_220 * 10**9)
    stage.run(915.4)
    return stage


def instrument_of(stage: Rehearsal) -> Instrument:
    """What it trades."""
    return stage.listings[0].instrument


def truth(stage: Rehearsal, series: Series, ts_from: int, ts_to: int) -> list[MarketEvent]:
    """What the lab's market itself says, in the venue's digits."""
    told, listing, now = stage.publisher, stage.listings[0], now_ns(stage)
    symbol, known, price, size = listing.symbol, listing.instrument.id, listing.price, listing.size
    interval = INTERVALS.get(series.channel)
    if interval is not None:
        return [
            Candle(
                known,
                row.ts_open + interval.ns,
                now,
                interval,
                row.ts_open,
                float(price(row.open)),
                float(price(row.high)),
                float(price(row.low)),
                float(price(row.close)),
                float(size(row.volume)),
                round(row.quote_volume or 0.0, 4),
                None,
                None,
                None,
                is_closed=True,
            )
            for row in told.candles(symbol, interval, ts_from - interval.ns, ts_to - interval.ns)
            if row.is_closed
        ]
    if series.channel is Channel.FUNDING:
        return [FundingPaid(known, row.ts, now, row.rate, None) for row in told.fundings(symbol, ts_from, ts_to)]
    rows = told.censuses(symbol, PERIOD, ts_from, ts_to)
    if series.channel is Channel.ACCOUNT_RATIOS:
        longs = [(row.ts, round(row.long_fraction, 4)) for row in rows]
        return [AccountRatio(known, ts, now, RatioKind.ALL_ACCOUNTS, 300, long) for ts, long in longs]
    return [OpenInterest(known, row.ts, now, float(size(row.open_interest)), None) for row in rows]


@pytest.mark.parametrize("series", OF_PERIODS, ids=lambda one: one.channel.value)
@pytest.mark.unmeasured
def test_a_month_is_told_once_and_whole(stage: Rehearsal, series: Series) -> None:
    """Walking 31 days back gives the lab's own rows, each once, newest page first."""
    now = now_ns(stage)
    ts_from = now - 31 * DAY
    events = newest_first(walked(stage, VENUE, series, instrument_of(stage), ts_from, now), ts_from, now)
    assert events == truth(stage, series, ts_from, now)
    steps = {later - earlier for earlier, later in pairwise(times(events))}
    assert len(steps) == 1
    assert times(events)[0] - ts_from < steps.pop()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.unmeasured
def test_any_edges_give_what_lies_between_them(stage: Rehearsal, data: st.DataObject) -> None:
    """Wherever a stretch begins and ends, off the grid or on it, its rows and no others are told."""
    series = data.draw(st.sampled_from(OF_PERIODS))
    step = INTERVALS[series.channel].ns if series.channel in INTERVALS else PERIOD
    now = now_ns(stage)
    edge = st.integers(0, 1500).map(lambda steps: now - now % step - steps * step)
    off = st.sampled_from([0, 1, -1, MS, -MS, 17])
    first, second = (min(now, data.draw(edge) + data.draw(off)) for _ in range(2))
    ts_from, ts_to = min(first, second), max(first, second, min(first, second) + 1)
    events = newest_first(walked(stage, VENUE, series, instrument_of(stage), ts_from, ts_to), ts_from, ts_to)
    assert events == truth(stage, series, ts_from, ts_to)


def test_the_last_trades_fill_a_hole_they_reach_across(stage: Rehearsal) -> None:
    """The last thousand trades are the stream's own, and a hole younger than them all is whole."""
    now = now_ns(stage)
    listing, kept = stage.listings[0], stage.publisher.stand("BTCUSDT").trades[-1000:]
    stretch = Stretch(kept[400].ts_event, now)
    told = page(stage, VENUE, TRADES, instrument_of(stage), stretch)
    assert (told.ts_from, told.ts_to, told.rest) == (stretch.ts_from, now, None)
    expected = [
        Trade(
            trade.instrument,
            trade.ts_event,
            now,
            execution_id(listing, trade),
            trade.price,
            trade.size,
            trade.side,
            False,
        )
        for trade in kept
        if trade.ts_event >= stretch.ts_from
    ]
    assert told.events == expected


@pytest.mark.parametrize(
    ("crowd", "before", "whole_from_ms"),
    [
        pytest.param(900, 200, 1, id="reaches-into-the-crowd"),
        pytest.param(1500, 200, 1, id="crowd-is-larger-than-a-reply"),
        pytest.param(10, 200, -1001, id="reaches-across"),
    ],
)
def test_nothing_is_called_whole_that_may_have_been_cut(crowd: int, before: int, whole_from_ms: int) -> None:
    """C11: of more trades than a reply holds only those after its oldest millisecond are called whole."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    now_ms, known = stage.now_ms, stage.listings[0].instrument
    moment = now_ms - 1000
    stamps = [moment - 2000] * before + [moment] * crowd + [moment + 1 + n for n in range(150)]
    for number, ms in enumerate(stamps, start=1):
        trade = Trade(known.id, ms * MS, ms * MS, number, 83_000.0, 0.001, Side.BUY, True)
        stage.publisher.stand("BTCUSDT").trades.append(trade)
    told = page(stage, VENUE, TRADES, known, Stretch((moment - 1001) * MS, now_ms * MS))
    assert told.rest is None
    assert (told.ts_from, told.ts_to) == ((moment + whole_from_ms) * MS, now_ms * MS)
    in_stretch = [ms for ms in stamps if ms >= moment - 1001]
    assert times(told.events) == [ms * MS for ms in in_stretch[-1000:]]
    since = [ms * MS for ms in in_stretch if ms * MS >= told.ts_from]
    assert [ts for ts in times(told.events) if ts >= told.ts_from] == since

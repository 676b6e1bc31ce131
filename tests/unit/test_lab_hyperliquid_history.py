"""Hyperliquid's past in the lab, and its codec walking through it: every row once, whatever the edges."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.past_walk import DAY, MINUTE, asked, compare_candles, historic, now_ns, time_of, walk

from perpscope.lab.allowance import Allowance
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, FundingPaid, Interval
from perpscope.model.stream import Channel
from perpscope.ports import Series, Stretch
from perpscope.venues.hyperliquid import rest

_HYPERLIQUID = historic("hyperliquid")
_FUNDING = Series(Channel.FUNDING)
_HOUR = 60 * MINUTE


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Eleven minutes of a market."""
    stage = Rehearsal("hyperliquid", 7, ("BTC", "ETH"))
    stage.run(660.0)
    return stage


@pytest.fixture(scope="module")
def btc(stage: Rehearsal) -> Instrument:
    """What is asked for."""
    return stage.publisher.stand("BTC").listing.instrument


@pytest.mark.parametrize(
    ("channel", "interval", "days", "pages"),
    [
        pytest.param(Channel.CANDLES_1M, Interval.M1, 3, 9, id="minutes"),
        pytest.param(Channel.CANDLES_15M, Interval.M15, 31, 7, id="quarters"),
        pytest.param(Channel.CANDLES_1H, Interval.H1, 31, 2, id="hours"),
    ],
)
@pytest.mark.unmeasured
def test_a_month_of_candles(
    stage: Rehearsal, btc: Instrument, channel: Channel, interval: Interval, days: int, pages: int
) -> None:
    """A month of candles (of minutes, three days) comes back whole: the lab's own, once each, none of them forming."""
    stretch = Stretch(now_ns(stage) - days * DAY, now_ns(stage))
    walked = walk(stage, _HYPERLIQUID, Series(channel), btc, stretch)
    compare_candles(walked.events, stage, "BTC", interval, stretch)
    assert (walked.ts_from, len(walked.requests)) == (stretch.ts_from, pages)
    own = stage.publisher.candles("BTC", interval, stretch.ts_from - interval.ns, stretch.ts_to - interval.ns)
    assert [event.trades for event in walked.events if isinstance(event, Candle)] == [row.trades for row in own]


@pytest.mark.unmeasured
def test_as_far_back_as_candles_are_kept(stage: Rehearsal, btc: Instrument) -> None:
    """What `series` promises of candles is there to the last one, whatever the second it is asked for in."""
    minutes = Series(Channel.CANDLES_1M)
    depth_s = _HYPERLIQUID.series[minutes]
    assert depth_s is not None
    stretch = Stretch(now_ns(stage) - int(depth_s) * 10**9, now_ns(stage))
    compare_candles(walk(stage, _HYPERLIQUID, minutes, btc, stretch).events, stage, "BTC", Interval.M1, stretch)


def test_fundings_of_a_month(stage: Rehearsal, btc: Instrument) -> None:
    """Every hourly payment of a month comes back, at the few milliseconds after the hour it was told at."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _HYPERLIQUID, _FUNDING, btc, stretch)
    own = stage.publisher.fundings("BTC", stretch.ts_from, stretch.ts_to)
    assert len(own) == 744
    assert [time_of(event) // _HOUR * _HOUR for event in walked.events] == [row.ts for row in own]
    rates = [event.funding_rate for event in walked.events if isinstance(event, FundingPaid)]
    assert rates == pytest.approx([row.rate for row in own], abs=1e-9)
    assert len(walked.requests) == 2


@settings(max_examples=25, deadline=None)
@given(
    at=st.lists(st.integers(0, 30 * DAY), min_size=3, max_size=3),
    series=st.sampled_from([Series(Channel.CANDLES_15M), _FUNDING]),
)
@pytest.mark.unmeasured
def test_stretches_join(stage: Rehearsal, btc: Instrument, at: list[int], series: Series) -> None:
    """Wherever a stretch is cut in two, both parts together tell what the whole does."""
    start, middle, end = (START_NS - 30 * DAY + offset for offset in sorted(at))
    whole = walk(stage, _HYPERLIQUID, series, btc, Stretch(start, end)).events
    parts = [walk(stage, _HYPERLIQUID, series, btc, Stretch(*part)).events for part in ((start, middle), (middle, end))]
    assert [*parts[0], *parts[1]] == whole


@pytest.mark.unmeasured
def test_requests_weigh_what_the_lab_charges(stage: Rehearsal, btc: Instrument) -> None:
    """What a request says that it weighs is what the venue takes for it, or a unit more."""
    stretch = Stretch(now_ns(stage) - 30 * DAY, now_ns(stage))
    budget = stage.side.budget
    assert isinstance(budget, Allowance)
    for series in _HYPERLIQUID.series:
        request = _HYPERLIQUID.past_request(series, btc, stretch)
        stage.now_s += 61.0
        assert len(json.loads(stage.post(request.path, request.body or b"").body)) <= 500
        assert request.weight - 1 <= budget.used <= request.weight


def test_the_venue_tells_its_clock(stage: Rehearsal) -> None:
    """The lab's time is read as Hyperliquid tells it, to the block."""
    assert 0 <= now_ns(stage) - rest.server_time(asked(stage, rest.time_request())) < 10**9

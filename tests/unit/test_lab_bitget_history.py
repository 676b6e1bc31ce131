"""Bitget's past in the lab, and Bitget's codec walking through it: every row once, whatever the edges."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.past_walk import DAY, MINUTE, asked, compare_candles, historic, now_ns, time_of, walk

from perpscope.lab.quotations import Census
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, FundingPaid, Interval, MarketEvent, RatioKind, Side, TakerVolume, Trade
from perpscope.model.stream import Channel
from perpscope.ports import Series, Stretch
from perpscope.venues.bitget import VENUE, rest

_BTC = "BTCUSDT"
_BITGET = historic("bitget")
_MINUTES = Series(Channel.CANDLES_1M)
_FUNDING = Series(Channel.FUNDING)
_TRADES = Series(Channel.TRADES)
_PERIOD = 5 * MINUTE


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Eleven minutes of a market somebody listens to."""
    stage = Rehearsal("bitget", 7, ("BTC", "ETH"))
    stage.wants(f"v3:publicTrade:{_BTC}")
    stage.run(660.0)
    return stage


@pytest.fixture(scope="module")
def btc(stage: Rehearsal) -> Instrument:
    """What is asked for."""
    return stage.publisher.stand(_BTC).listing.instrument


@pytest.mark.parametrize(
    ("channel", "interval", "pages"),
    [
        pytest.param(Channel.CANDLES_1M, Interval.M1, 45, id="minutes"),
        pytest.param(Channel.CANDLES_15M, Interval.M15, 3, id="quarters"),
        pytest.param(Channel.CANDLES_1H, Interval.H1, 1, id="hours"),
    ],
)
@pytest.mark.unmeasured
def test_a_month_of_candles(
    stage: Rehearsal, btc: Instrument, channel: Channel, interval: Interval, pages: int
) -> None:
    """A month of candles comes back whole: the lab's own, once each, a thousand a page, none of them forming."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _BITGET, Series(channel), btc, stretch)
    compare_candles(walked.events, stage, _BTC, interval, stretch)
    assert (walked.ts_from, len(walked.requests)) == (stretch.ts_from, pages)


def test_fundings_of_a_month(stage: Rehearsal, btc: Instrument) -> None:
    """Every payment of a month comes back, as it was settled."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _BITGET, _FUNDING, btc, stretch)
    own = stage.publisher.fundings(_BTC, stretch.ts_from, stretch.ts_to)
    assert len(own) == 93
    assert [time_of(event) for event in walked.events] == [row.ts for row in own]
    rates = [event.funding_rate for event in walked.events if isinstance(event, FundingPaid)]
    assert rates == pytest.approx([row.rate for row in own], abs=1e-6)


def test_fundings_of_long_ago_are_found_behind_newer_ones(stage: Rehearsal, btc: Instrument) -> None:
    """Pages are counted from the newest payment, so those of a stretch that ended long ago take several."""
    start = START_NS - 35 * DAY
    stretch = Stretch(start, start + DAY)
    walked = walk(stage, _BITGET, _FUNDING, btc, stretch)
    assert [time_of(event) for event in walked.events] == [
        row.ts for row in stage.publisher.fundings(_BTC, stretch.ts_from, stretch.ts_to)
    ]
    assert [dict(request.params)["cursor"] for request in walked.requests] == ["1", "2"]


@pytest.mark.parametrize(
    ("series", "figures"),
    [
        pytest.param(Series(Channel.TAKER_VOLUME), lambda row: (row.taker_buy, row.taker_sell), id="takers"),
        pytest.param(
            Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS), lambda row: (row.long_fraction,), id="accounts"
        ),
        pytest.param(
            Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_POSITIONS),
            lambda row: (row.top_position_long_fraction,),
            id="positions",
        ),
    ],
)
@pytest.mark.unmeasured
def test_the_latest_periods_of_a_statistic(
    stage: Rehearsal, btc: Instrument, series: Series, figures: Callable[[Census], tuple[float, ...]]
) -> None:
    """The last thirty periods come back, each at its end, and nothing before them is called whole."""
    stretch = Stretch(now_ns(stage) - DAY, now_ns(stage))
    walked = walk(stage, _BITGET, series, btc, stretch)
    own = stage.publisher.censuses(_BTC, _PERIOD, stretch.ts_from, stretch.ts_to)[-30:]
    assert [time_of(event) for event in walked.events] == [row.ts for row in own]
    assert (walked.ts_from, len(walked.requests)) == (own[0].ts, 1)
    for event, row in zip(walked.events, own, strict=True):
        assert _figures(event) == pytest.approx(figures(row), abs=1e-4)
    older = walk(stage, _BITGET, series, btc, Stretch(START_NS - 2 * DAY, START_NS - DAY))
    assert (older.events, older.ts_from) == ([], START_NS - DAY)


def _figures(event: MarketEvent) -> tuple[float, ...]:
    match event:
        case TakerVolume(buy_volume=bought, sell_volume=sold, period_s=300):
            return bought, sold
        case AccountRatio(long_fraction=long, period_s=300):
            return (long,)
    raise AssertionError(event)


def test_trades_are_those_of_the_stream(stage: Rehearsal, btc: Instrument) -> None:
    """A hole in the trades is filled with what the stream would have told: the same ids, sizes and times."""
    decoder = VENUE.decoder({_BTC: btc})
    streamed: list[Trade] = []
    for payload in stage.payloads(f"v3:publicTrade:{_BTC}"):
        decoded = decoder.decode(payload, now_ns(stage))
        assert isinstance(decoded, list)
        streamed += [event for event in decoded if isinstance(event, Trade)]
    ts_from, ts_to = START_NS + 3 * MINUTE + 7, START_NS + 8 * MINUTE + 7
    expected = [trade for trade in streamed if ts_from <= trade.ts_event < ts_to]
    walked = walk(stage, _BITGET, _TRADES, btc, Stretch(ts_from, ts_to))
    assert len(expected) > 1000
    assert walked.events == expected
    assert walked.ts_from == ts_from


def test_more_than_a_thousand_trades_in_a_millisecond() -> None:
    """2,500 trades of one millisecond, on three pages, are all told, once each: pages go by id. Keeps C11."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.run(30.0)
    last, ts = stage.publisher.stand(_BTC).trades[-1], now_ns(stage)
    for number in range(1, 2501):
        trade = Trade(last.instrument, ts, ts, int(last.trade_id) + number, 83_000.1, 0.05, Side.BUY, is_aggregate=True)
        stage.publisher.publish(ts, trade)
    btc = stage.publisher.stand(_BTC).listing.instrument
    walked = walk(stage, _BITGET, _TRADES, btc, Stretch(ts, ts + 1_000_000))
    assert len({event.trade_id for event in walked.events if isinstance(event, Trade)}) == len(walked.events) == 2500
    assert len(walked.requests) == 4


@pytest.mark.unmeasured
def test_trades_of_a_month_are_asked_for_by_the_week(stage: Rehearsal, btc: Instrument) -> None:
    """No window is longer than the week the venue allows, and the windows leave nothing out."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _BITGET, _TRADES, btc, stretch)
    assert len(walked.events) == len([t for t in stage.publisher.stand(_BTC).trades if t.ts_event < now_ns(stage)])
    for request in walked.requests:
        asked_for = dict(request.params)
        assert 0 < int(asked_for["endTime"]) - int(asked_for["startTime"]) <= 7 * 86_400_000
    assert walked.ts_from == stretch.ts_from


@settings(max_examples=25, deadline=None)
@given(
    at=st.lists(st.integers(0, 600 * 10**9), min_size=3, max_size=3),
    series=st.sampled_from([_MINUTES, _TRADES, _FUNDING, Series(Channel.TAKER_VOLUME)]),
)
@pytest.mark.unmeasured
def test_stretches_join(stage: Rehearsal, btc: Instrument, at: list[int], series: Series) -> None:
    """Wherever a stretch is cut in two, both parts together tell what the whole does."""
    start, middle, end = (START_NS - 20 * MINUTE + 3 * offset for offset in sorted(at))
    whole = walk(stage, _BITGET, series, btc, Stretch(start, end)).events
    parts = [walk(stage, _BITGET, series, btc, Stretch(*part)).events for part in ((start, middle), (middle, end))]
    assert [*parts[0], *parts[1]] == whole


def test_the_venue_tells_its_clock(stage: Rehearsal) -> None:
    """The lab's time is read as Bitget tells it."""
    assert rest.server_time(asked(stage, rest.time_request())) == now_ns(stage)

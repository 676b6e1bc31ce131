"""OKX's past in the lab, and OKX's codec walking through it: every row once, whatever the edges."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.past_walk import DAY, MINUTE, asked, compare_candles, historic, now_ns, time_of, walk

from perpscope.lab.quotations import Census
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    AccountRatio,
    FundingPaid,
    Interval,
    OpenInterest,
    RatioKind,
    Side,
    TakerVolume,
    Trade,
)
from perpscope.model.stream import Channel
from perpscope.ports import Series, Stretch
from perpscope.venues.okx import VENUE, rest

_BTC = "BTC-USDT-SWAP"
_OKX = historic("okx")
_MINUTES = Series(Channel.CANDLES_1M)
_TRADES = Series(Channel.TRADES)
_PERIOD = 5 * MINUTE


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Eleven minutes of a market somebody listens to."""
    stage = Rehearsal("okx", 7, ("BTC", "ETH"))
    stage.wants(f"trades:{_BTC}")
    stage.run(660.0)
    return stage


@pytest.fixture(scope="module")
def btc(stage: Rehearsal) -> Instrument:
    """What is asked for."""
    return stage.publisher.stand(_BTC).listing.instrument


@pytest.mark.parametrize(
    ("channel", "interval", "pages"),
    [
        pytest.param(Channel.CANDLES_1M, Interval.M1, 149, id="minutes"),
        pytest.param(Channel.CANDLES_15M, Interval.M15, 10, id="quarters"),
        pytest.param(Channel.CANDLES_1H, Interval.H1, 3, id="hours"),
    ],
)
@pytest.mark.unmeasured
def test_a_month_of_candles(
    stage: Rehearsal, btc: Instrument, channel: Channel, interval: Interval, pages: int
) -> None:
    """A month of candles comes back whole: the lab's own, once each, 300 a page, none of them forming."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _OKX, Series(channel), btc, stretch)
    compare_candles(walked.events, stage, _BTC, interval, stretch)
    assert (walked.ts_from, len(walked.requests)) == (stretch.ts_from, pages)


_STATISTICS: list[tuple[Series, Callable[[Census], tuple[float, ...]]]] = [
    (Series(Channel.OPEN_INTEREST), lambda row: (row.open_interest, row.open_interest * row.mark)),
    (Series(Channel.TAKER_VOLUME), lambda row: (row.taker_buy, row.taker_sell)),
    (Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS), lambda row: (row.long_fraction,)),
    (Series(Channel.ACCOUNT_RATIOS, RatioKind.TOP_ACCOUNTS), lambda row: (row.top_long_fraction,)),
    (Series(Channel.ACCOUNT_RATIOS, RatioKind.TOP_POSITIONS), lambda row: (row.top_position_long_fraction,)),
]


@pytest.mark.parametrize(
    ("series", "figures"),
    [pytest.param(*case, id=(case[0].kind or case[0].channel).value) for case in _STATISTICS],
)
@pytest.mark.unmeasured
def test_all_periods_of_a_statistic(
    stage: Rehearsal, btc: Instrument, series: Series, figures: Callable[[Census], tuple[float, ...]]
) -> None:
    """The 1,440 periods there are come back, each at its end; of what is older, nothing is there, which is told too."""
    stretch = Stretch(now_ns(stage) - 6 * DAY, now_ns(stage))
    walked = walk(stage, _OKX, series, btc, stretch)
    own = stage.publisher.censuses(_BTC, _PERIOD, stretch.ts_from, stretch.ts_to)[-1440:]
    assert [time_of(event) for event in walked.events] == [row.ts for row in own]
    assert (walked.ts_from, len(walked.requests)) == (stretch.ts_from, 16)
    for event, row in zip(walked.events, own, strict=True):
        assert _figures(event) == pytest.approx(figures(row), rel=1e-6)


def _figures(event: object) -> tuple[float, ...]:
    match event:
        case OpenInterest(open_interest=held, open_interest_usd=usd):
            return held, usd or 0.0
        case TakerVolume(buy_volume=bought, sell_volume=sold, period_s=300):
            return bought, sold
        case AccountRatio(long_fraction=long, period_s=300):
            return (long,)
    raise AssertionError(event)


def test_fundings_of_a_month(stage: Rehearsal, btc: Instrument) -> None:
    """Every payment of a month comes in one reply, as it was settled."""
    stretch = Stretch(now_ns(stage) - 31 * DAY, now_ns(stage))
    walked = walk(stage, _OKX, Series(Channel.FUNDING), btc, stretch)
    own = stage.publisher.fundings(_BTC, stretch.ts_from, stretch.ts_to)
    assert len(own) == 93
    assert [time_of(event) for event in walked.events] == [row.ts for row in own]
    rates = [event.funding_rate for event in walked.events if isinstance(event, FundingPaid)]
    assert rates == pytest.approx([row.rate for row in own], abs=1e-10)
    assert len(walked.requests) == 1


def test_trades_are_those_of_the_stream(stage: Rehearsal, btc: Instrument) -> None:
    """A hole in the trades is filled with what the stream would have told: the same ids, sizes and times."""
    decoder = VENUE.decoder({_BTC: btc})
    streamed: list[Trade] = []
    for payload in stage.payloads(f"trades:{_BTC}"):
        decoded = decoder.decode(payload, now_ns(stage))
        assert isinstance(decoded, list)
        streamed += [event for event in decoded if isinstance(event, Trade)]
    ts_from, ts_to = START_NS + 3 * MINUTE + 7, START_NS + 8 * MINUTE + 7
    expected = _merged([trade for trade in streamed if ts_from <= trade.ts_event < ts_to])
    walked = walk(stage, _OKX, _TRADES, btc, Stretch(ts_from, ts_to))
    assert len(expected) > 1000
    assert [_told(event) for event in walked.events] == [_told(trade) for trade in expected]
    assert walked.ts_from == ts_from
    assert dict(walked.requests[0].params)["type"] == "2"
    assert {dict(request.params)["type"] for request in walked.requests[1:]} == {"1"}


def _merged(trades: list[Trade]) -> list[Trade]:
    """Neighbours that nothing but their ids tells apart are one in the past."""
    merged: list[Trade] = []
    for trade in trades:
        last = merged[-1] if merged else None
        if last and (last.ts_event, last.price, last.side) == (trade.ts_event, trade.price, trade.side):
            merged.pop()
            trade = _sized(trade, last.size + trade.size)  # noqa: PLW2901 - the two become one
        merged.append(trade)
    return merged


def _sized(trade: Trade, size: float) -> Trade:
    ts, price, side = trade.ts_event, trade.price, trade.side
    return Trade(trade.instrument, ts, trade.ts_recv, trade.trade_id, price, size, side, is_aggregate=True)


def _told(event: object) -> tuple[object, ...]:
    assert isinstance(event, Trade)
    assert event.is_aggregate
    return event.trade_id, event.ts_event, event.price, pytest.approx(event.size), event.side


@pytest.fixture
def crowd() -> Rehearsal:
    """A market to throw trades into."""
    stage = Rehearsal("okx", 7, ("BTC",))
    stage.run(30.0)
    return stage


def _throw(stage: Rehearsal, count: int, prices: tuple[float, ...], size: float) -> int:
    """That many trades in one millisecond, prices by turns; returns when."""
    last = stage.publisher.stand(_BTC).trades[-1]
    ts = (now_ns(stage) // 1_000_000) * 1_000_000
    for number in range(count):
        price, trade_id = prices[number % len(prices)], int(last.trade_id) + 1 + number
        trade = Trade(last.instrument, ts, ts, trade_id, price, size, Side.BUY, is_aggregate=True)
        stage.publisher.publish(ts, trade)
    return ts


def test_more_than_a_thousand_trades_in_a_millisecond(crowd: Rehearsal) -> None:
    """2,500 trades of one millisecond, 25 pages of them, are all told, once each: pages go by id. Keeps C11."""
    ts = _throw(crowd, 2500, (83_000.1, 83_000.2), 0.05)
    btc = crowd.publisher.stand(_BTC).listing.instrument
    walked = walk(crowd, _OKX, _TRADES, btc, Stretch(ts, ts + 1_000_000))
    assert len(walked.events) == 2500
    assert len({event.trade_id for event in walked.events if isinstance(event, Trade)}) == 2500
    assert len(walked.requests) > 25


def test_pages_of_one_price_lose_nothing(crowd: Rehearsal) -> None:
    """Where a page is one long run of matches alike, it is told in parts, and all of its size is there. Keeps C11."""
    ts = _throw(crowd, 700, (83_000.1,), 0.05)
    btc = crowd.publisher.stand(_BTC).listing.instrument
    walked = walk(crowd, _OKX, _TRADES, btc, Stretch(ts, ts + 1_000_000))
    assert sum(event.size for event in walked.events if isinstance(event, Trade)) == pytest.approx(700 * 0.05)


@settings(max_examples=25, deadline=None)
@given(
    at=st.lists(st.integers(0, 600 * 10**9), min_size=3, max_size=3),
    series=st.sampled_from([_MINUTES, _TRADES, Series(Channel.OPEN_INTEREST), Series(Channel.TAKER_VOLUME)]),
)
@pytest.mark.unmeasured
def test_stretches_join(stage: Rehearsal, btc: Instrument, at: list[int], series: Series) -> None:
    """Wherever a stretch is cut in two, both parts together tell what the whole does."""
    start, middle, end = (START_NS - 20 * MINUTE + 3 * offset for offset in sorted(at))
    whole = walk(stage, _OKX, series, btc, Stretch(start, end)).events
    parts = [walk(stage, _OKX, series, btc, Stretch(*part)).events for part in ((start, middle), (middle, end))]
    assert [*parts[0], *parts[1]] == whole


def test_a_stretch_that_nothing_is_known_of_ends(stage: Rehearsal, btc: Instrument) -> None:
    """Before its first trade a market has nothing: one empty reply ends the asking, and says so."""
    stretch = Stretch(START_NS - 90 * DAY, START_NS - 60 * DAY)
    for series in _OKX.series:
        walked = walk(stage, _OKX, series, btc, stretch)
        assert (walked.events, walked.ts_from, len(walked.requests)) == ([], stretch.ts_from, 1)


def test_the_venue_tells_its_clock(stage: Rehearsal) -> None:
    """The lab's time is read as OKX tells it."""
    assert rest.server_time(asked(stage, rest.time_request())) == now_ns(stage)

"""The past of Binance's lab, told page by page and read by the venue's own code: all of it, once, with no hole."""

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.past_walk import DAY, now_ns
from tests.unit.walking import newest_first, times, walked

from perpscope.lab.rehearsal import Rehearsal
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
    TakerVolume,
    Trade,
)
from perpscope.model.stream import Channel
from perpscope.ports import Series
from perpscope.venues.binance import Binance

VENUE = Binance()
INTERVALS = {
    Channel.CANDLES_1M: Interval.M1,
    Channel.CANDLES_15M: Interval.M15,
    Channel.CANDLES_1H: Interval.H1,
}
LONGS = {
    RatioKind.ALL_ACCOUNTS: "long_fraction",
    RatioKind.TOP_ACCOUNTS: "top_long_fraction",
    RatioKind.TOP_POSITIONS: "top_position_long_fraction",
}
PERIOD = 300 * 10**9
OF_PERIODS = [one for one in VENUE.series if one.channel is not Channel.TRADES]
MS = 10**6


def name_of(series: Series) -> str:
    """For test ids."""
    return series.channel.value + (f"-{series.kind.value}" if series.kind else "")


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """A quarter of an hour of a market that opened in the middle of an hour."""
    stage = Rehearsal("binance", 7, ("BTC",), 1_795_219_200 * 10**9 + 2_220 * 10**9)
    stage.run(915.4)
    return stage


def instrument_of(stage: Rehearsal) -> Instrument:
    """What it trades."""
    return stage.listings[0].instrument


def truth(stage: Rehearsal, series: Series, ts_from: int, ts_to: int) -> list[MarketEvent]:
    """What the lab's market itself says, in the venue's digits."""
    told, listing, now = stage.publisher, stage.listings[0], now_ns(stage)
    symbol, known = listing.symbol, listing.instrument.id
    price, size, quote = listing.price, listing.size, listing.quote
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
                float(quote(row.quote_volume or 0.0)),
                row.trades,
                float(size(row.taker_buy_volume or 0.0)),
                float(quote(row.taker_buy_quote_volume or 0.0)),
                is_closed=True,
            )
            for row in told.candles(symbol, interval, ts_from - interval.ns, ts_to - interval.ns)
            if row.is_closed
        ]
    if series.channel is Channel.FUNDING:
        paid = told.fundings(symbol, ts_from, ts_to)
        return [FundingPaid(known, row.ts, now, row.rate, round(row.mark, 8)) for row in paid]
    rows = told.censuses(symbol, PERIOD, ts_from, ts_to)
    if series.kind is not None:
        longs = [(row.ts, round(getattr(row, LONGS[series.kind]), 4)) for row in rows]
        return [AccountRatio(known, ts, now, series.kind, 300, long) for ts, long in longs]
    if series.channel is Channel.TAKER_VOLUME:
        return [TakerVolume(known, row.ts, now, 300, round(row.taker_buy, 4), round(row.taker_sell, 4)) for row in rows]
    return [
        OpenInterest(known, row.ts, now, round(row.open_interest, 8), round(row.open_interest * row.mark, 8))
        for row in rows
    ]


@pytest.mark.parametrize("series", OF_PERIODS, ids=name_of)
@pytest.mark.unmeasured
def test_a_month_is_told_once_and_whole(stage: Rehearsal, series: Series) -> None:
    """Walking 31 days back gives the lab's own rows, each once, newest page first, as far as the venue keeps them."""
    now, depth_s = now_ns(stage), VENUE.series[series]
    days = 31 if series.kind in (None, RatioKind.ALL_ACCOUNTS) else 5  # one kind of ratio is told like another
    ts_from = now - min(days * DAY, int((depth_s or 1e7) * 1e9))
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
    first, second = (data.draw(edge) + data.draw(off) for _ in range(2))
    ts_from, ts_to = sorted((min(first, now), min(second, now)))
    ts_from = max(ts_from, now - 29 * DAY) if series.channel not in INTERVALS else ts_from
    ts_to = max(ts_from + 1, ts_to)
    events = newest_first(walked(stage, VENUE, series, instrument_of(stage), ts_from, ts_to), ts_from, ts_to)
    assert events == truth(stage, series, ts_from, ts_to)


def test_what_is_older_than_the_lab_is_an_empty_whole(stage: Rehearsal) -> None:
    """A stretch before all history is whole and empty, and comes to an end."""
    begin = now_ns(stage) - 60 * DAY
    for series in OF_PERIODS[:3]:
        pages = walked(stage, VENUE, series, instrument_of(stage), begin, begin + DAY // 2)
        assert newest_first(pages, begin, begin + DAY // 2) == []


def trading(stage: Rehearsal, stamps: list[int]) -> list[Trade]:
    """Put trades of these times (ms UTC, rising) into the lab's memory."""
    known, chance = instrument_of(stage).id, random.Random(5)
    ring = stage.publisher.stand("BTCUSDT").trades
    trades = [
        Trade(known, ms * MS, ms * MS, number, 83_000.0 + chance.randrange(50) / 10, 0.001, Side.BUY, True)
        for number, ms in enumerate(stamps, start=1)
    ]
    for trade in trades:
        ring.append(trade)
    return trades


def trades_between(trades: list[Trade], ts_from: int, ts_to: int, ts_recv: int) -> list[tuple[int | str, int, int]]:
    """Id, time and receipt of those in a stretch."""
    return [(trade.trade_id, trade.ts_event, ts_recv) for trade in trades if ts_from <= trade.ts_event < ts_to]


def read_trades(stage: Rehearsal, ts_from: int, ts_to: int) -> list[tuple[int | str, int, int]]:
    """Walk back through trades; what each page calls whole holds what is told by then, and the parts are all of it."""
    told: list[tuple[int | str, int, int]] = []
    parts: list[tuple[int, int]] = []
    for each in walked(stage, VENUE, Series(Channel.TRADES), instrument_of(stage), ts_from, ts_to):
        told += [(event.trade_id, event.ts_event, event.ts_recv) for event in each.events if isinstance(event, Trade)]
        parts.append((each.ts_from, each.ts_to))
    parts.sort()
    assert (parts[0][0], parts[-1][1]) == (ts_from, ts_to)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(parts))
    return told


def test_thousands_of_trades_in_one_millisecond_lose_nothing() -> None:
    """C11: full pages and equal times are passed by id: 5,200 trades, 3,500 of one millisecond, each told once."""
    stage = Rehearsal("binance", 7, ("BTC",))
    now_ms = stage.now_ms
    start = now_ms - 7_200_000
    stamps = [start + 3 * n for n in range(1000)] + [start + 5_000_000] * 3500 + [now_ms - 700 + n for n in range(700)]
    trades = trading(stage, stamps)
    for ts_from, ts_to in (
        ((start - 1) * MS, now_ms * MS),
        ((start + 5_000_000) * MS, (start + 5_000_001) * MS),
        ((start + 5_000_000) * MS + 1, now_ms * MS),
        (start * MS, (start + 5_000_000) * MS),
    ):
        told = read_trades(stage, ts_from, ts_to)
        assert sorted(told) == trades_between(trades, ts_from, ts_to, now_ms * MS)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.unmeasured
def test_trades_between_any_edges_are_told_once(data: st.DataObject) -> None:
    """C11: whatever crowd stands at whatever moment, and wherever the stretch is cut, each trade is told once."""
    stage = Rehearsal("binance", 7, ("BTC",))
    now_ms = stage.now_ms
    crowds = data.draw(
        st.lists(st.tuples(st.integers(1, 8_000_000), st.sampled_from([1, 7, 999, 1000, 1001, 2000])), max_size=5)
    )
    moments = sorted(crowds, reverse=True)
    trades = trading(stage, [now_ms - before for before, many in moments for _ in range(many)])
    cuts = [before for before, _ in crowds] + [8_000_001]
    cut = st.one_of(st.sampled_from(cuts), st.integers(1, 8_000_001))
    first, second = sorted((data.draw(cut), data.draw(cut)), reverse=True)
    ts_from, ts_to = (now_ms - first) * MS, (now_ms - second) * MS + 1
    assert sorted(read_trades(stage, ts_from, ts_to)) == trades_between(trades, ts_from, ts_to, now_ms * MS)


def test_trades_of_the_market_itself_can_be_had_later(stage: Rehearsal) -> None:
    """What the market traded since the lab's start is told by id, with the figures of the stream."""
    now = now_ns(stage)
    kept = list(stage.publisher.stand("BTCUSDT").trades)
    assert [trade.trade_id for trade in kept] == list(range(1, len(kept) + 1))
    assert sorted(read_trades(stage, now - DAY // 24, now)) == trades_between(kept, 0, now, now)

"""What Binance tells of its past, stretch by stretch: what is asked, what is whole, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_binance_history import body, kline
from tests.unit.test_binance_recordings import routes

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    Candle,
    InstrumentEvent,
    RatioKind,
    TakerVolume,
)
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Historic, Series, Stretch, Timed
from perpscope.venues.binance import VENUE, Binance, figures
from perpscope.venues.binance.symbols import instrument_named

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
TS_RECV = 1_800_000_000_000_000_000
MINUTE, HOUR = 60 * 10**9, 3600 * 10**9
AT_MS = 1_790_757_000_000  # a multiple of five minutes
AT = AT_MS * 10**6
MINUTES, TRADES, FUNDING = Series(Channel.CANDLES_1M), Series(Channel.TRADES), Series(Channel.FUNDING)
TAKERS, INTEREST = Series(Channel.TAKER_VOLUME), Series(Channel.OPEN_INTEREST)
TOP = Series(Channel.ACCOUNT_RATIOS, RatioKind.TOP_POSITIONS)
BINANCE = Binance()
_named = instrument_named("BTCUSDT")
assert _named is not None
BTCUSDT = _named


def test_the_venue_can_be_asked_for_its_past() -> None:
    """The port is kept: candles and fundings since the listing, figures of 30 days, trades of 48 hours by id."""
    assert isinstance(VENUE, Historic)
    assert isinstance(VENUE, Timed)
    assert {one for one, depth_s in BINANCE.series.items() if depth_s is None} == {
        *(Series(channel) for channel in (Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H)),
        FUNDING,
    }
    depths = [depth for one, depth in BINANCE.series.items() if depth and one != TRADES]
    assert len(depths) == 5
    assert all(29.9 * 86_400 < depth < 30 * 86_400 for depth in depths)
    assert 40 * 3600 < (BINANCE.series[TRADES] or 0) < 48 * 3600


def test_single_fills_have_no_past_without_a_key() -> None:
    """Aggregates must not be taken for the single fills of the other trade stream: their ids are other ids."""
    assert set(BINANCE.series) - set(Binance("trade").series) == {TRADES}


@pytest.mark.parametrize(
    ("series", "path", "weight", "params"),
    [
        pytest.param(MINUTES, "/fapi/v1/klines", 1, ("interval 1m", "limit 10", -660_000, -60_001), id="candles"),
        pytest.param(FUNDING, "/fapi/v1/fundingRate", 24, ("limit 1000", -600_000, -1), id="funding"),
        pytest.param(
            INTEREST, "/futures/data/openInterestHist", 12, ("period 5m", "limit 500", -600_000, -1), id="open-interest"
        ),
        pytest.param(
            TOP, "/futures/data/topLongShortPositionRatio", 12, ("period 5m", "limit 500", -600_000, -1), id="ratios"
        ),
        pytest.param(
            TAKERS,
            "/futures/data/takerlongshortRatio",
            12,
            ("period 5m", "limit 500", -900_000, -300_001),
            id="taker-volume",
        ),
        pytest.param(TRADES, "/fapi/v1/aggTrades", 20, (-600_000, -1, "limit 1000"), id="trades"),
    ],
)
def test_requests_ask_for_ten_minutes(
    series: Series, path: str, weight: int, params: tuple[str | int, str | int]
) -> None:
    """What the venue stamps at its start is asked for a period earlier; weights are known, and the past can wait."""
    asked = BINANCE.past_request(series, BTCUSDT, Stretch(AT - 10 * MINUTE, AT))
    times = iter(("startTime", "endTime"))
    expected = [tuple(each.split()) if isinstance(each, str) else (next(times), str(AT_MS + each)) for each in params]
    whole = (("symbol", "BTCUSDT"), *expected)
    assert asked == HttpRequest(path=path, params=whole, weight=weight, urgency=Urgency.PAST)  # type: ignore[arg-type]  # pairs


@pytest.mark.parametrize(
    ("series", "span"),
    [
        pytest.param(MINUTES, 499 * MINUTE, id="1m"),
        pytest.param(Series(Channel.CANDLES_1H), 499 * HOUR, id="1h"),
        pytest.param(INTEREST, 2500 * MINUTE, id="open-interest"),
        pytest.param(TAKERS, 2500 * MINUTE, id="taker-volume"),
        pytest.param(FUNDING, 960 * HOUR, id="funding"),
        pytest.param(TRADES, HOUR - 10**6, id="trades"),
    ],
)
def test_a_part_is_what_one_reply_holds(series: Series, span: int) -> None:
    """The newest part is as long as the rows of a reply; an empty one is whole, and the rest is older."""
    told = BINANCE.past(series, b"[]", BTCUSDT, Stretch(AT - 3 * span, AT), AT)
    assert (told.events, told.ts_from, told.ts_to) == ([], AT - span, AT)
    assert told.rest == Stretch(AT - 3 * span, AT - span)
    assert BINANCE.past(series, b"[]", BTCUSDT, Stretch(AT - span, AT), AT).rest is None


def test_a_stretch_shorter_than_a_millisecond_can_be_asked_about() -> None:
    """An edge that is not a whole millisecond gives a question the venue understands, and no event twice."""
    for series in BINANCE.series:
        params = dict(BINANCE.past_request(series, BTCUSDT, Stretch(AT + 1, AT + 2)).params)
        assert int(params["startTime"]) <= int(params["endTime"])


def test_forming_candles_are_not_past() -> None:
    """Only candles that ended by now, within the stretch, are told."""
    raw = body([kline(AT_MS - 120_000), kline(AT_MS - 60_000), kline(AT_MS)])
    told = BINANCE.past(MINUTES, raw, BTCUSDT, Stretch(AT, AT + HOUR), AT + MINUTE // 2)
    (candle,) = told.events
    assert isinstance(candle, Candle)
    assert (candle.ts_open, candle.ts_event, candle.is_closed) == (AT - MINUTE, AT, True)


def test_past_takers_are_the_polled_ones() -> None:
    """A period asked for afterwards is the very event its poll told, stamped with its end, so that both are one row."""
    raw = body([{"buySellRatio": "2", "buyVol": "4", "sellVol": "2", "timestamp": AT_MS - 300_000}])
    told = BINANCE.past(TAKERS, raw, BTCUSDT, Stretch(AT, AT + 1), AT)
    assert told.events == [TakerVolume(BTC, AT, AT, 300, 4.0, 2.0)]
    assert told.events == BINANCE.polled_events("binance/taker_volume/BTCUSDT", raw, AT, {"BTCUSDT": BTCUSDT})


def agg_trades(first: int, stamps: list[int]) -> bytes:
    """A reply with trades at these times, ms UTC."""
    rows = [{"a": first + n, "p": "1", "q": "1", "T": ms, "m": True} for n, ms in enumerate(stamps)]
    return body(rows)


def test_a_full_page_of_trades_is_followed_by_id() -> None:
    """C11: what is whole ends before the last trade's millisecond, and the next request begins with the next id."""
    stretch = Stretch(AT - 2 * HOUR, AT)
    begin, last_ms = AT - HOUR + 10**6, AT_MS - 60_000
    full = BINANCE.past(TRADES, agg_trades(7, [last_ms] * 1000), BTCUSDT, stretch, AT)
    assert (len(full.events), full.ts_from, full.ts_to) == (1000, begin, last_ms * 10**6)
    assert full.rest is not None
    assert (full.rest.ts_from, full.rest.ts_to) == (stretch.ts_from, stretch.ts_to)
    asked = BINANCE.past_request(TRADES, BTCUSDT, full.rest)
    assert asked.params == (("symbol", "BTCUSDT"), ("fromId", "1007"), ("limit", "1000"))
    again = BINANCE.past(TRADES, agg_trades(1007, [last_ms] * 1000), BTCUSDT, full.rest, AT)
    assert (len(again.events), again.ts_from, again.ts_to) == (1000, last_ms * 10**6, last_ms * 10**6)
    assert again.rest is not None
    shorter = BINANCE.past(TRADES, b"[]", BTCUSDT, Stretch(AT - 5 * 10**9, AT, again.rest.after), AT)
    assert (shorter.ts_from, shorter.ts_to, shorter.rest) == (AT - 5 * 10**9, AT, None)
    beyond = [last_ms] * 990 + [AT_MS] * 10
    end = BINANCE.past(TRADES, agg_trades(2007, beyond), BTCUSDT, again.rest, AT)
    assert (len(end.events), end.ts_from, end.ts_to) == (990, last_ms * 10**6, AT)
    assert end.rest == Stretch(stretch.ts_from, begin)


@pytest.mark.parametrize(
    ("series", "rows", "words"),
    [
        pytest.param(
            FUNDING,
            [{"symbol": "ETHUSDT", "fundingRate": "0", "fundingTime": AT_MS}],
            "fundings of ETHUSDT for BTCUSDT",
            id="funding-of-another",
        ),
        pytest.param(MINUTES, [kline(AT_MS)], "candles_1m of another time", id="candles-of-another-time"),
        pytest.param(
            TAKERS,
            [{"buySellRatio": "2", "buyVol": "4", "sellVol": "2", "timestamp": AT_MS}],
            "taker_volume of another time",
            id="takers-of-another-time",
        ),
    ],
)
def test_what_was_not_asked_for_is_refused(series: Series, rows: list[object], words: str) -> None:
    """A reply about another instrument or time must not count as the past of this one."""
    with pytest.raises(FrameError, match=words):
        BINANCE.past(series, body(rows), BTCUSDT, Stretch(AT - 9 * HOUR, AT - 3 * HOUR), AT + HOUR)


@given(
    raw=st.one_of(
        st.binary(max_size=60).filter(lambda raw: raw.strip() != b"[]"),
        st.sampled_from([b"{}", b"null", b"[[]]", b'{"code":-1121,"msg":"no"}']),
    )
)
def test_nonsense_is_a_frame_error(raw: bytes) -> None:
    """Whatever bytes come, a broken reply is told apart from an empty past."""
    for series in BINANCE.series:
        with pytest.raises(FrameError):
            BINANCE.past(series, raw, BTCUSDT, Stretch(AT - HOUR, AT), AT)
    with pytest.raises(FrameError):
        BINANCE.server_time(raw)


def test_the_clock_is_told_in_milliseconds() -> None:
    """The venue's clock, ns UTC."""
    assert BINANCE.time_request() == HttpRequest(path="/fapi/v1/time", weight=1)
    assert BINANCE.server_time(body({"serverTime": AT_MS})) == AT


def test_recorded_replies_tell_their_stretch(recordings: Path) -> None:
    """Real replies of 2020 and later: every row of the documented shape is told at its time, oldest first."""
    recorded = [
        (FUNDING, "/fapi/v1/fundingRate", "fundingTime", "symbol=BTCUSDT", 0),
        (Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS), figures.RATIOS[RatioKind.ALL_ACCOUNTS], "", "5m", 0),
        (TOP, figures.RATIOS[RatioKind.TOP_POSITIONS], "timestamp", "period=5m", 0),
        (INTEREST, figures.PAST_OPEN_INTEREST, "timestamp", "period=5m&symbol=BTCUSDT", 0),
        (TAKERS, figures.TAKERS, "timestamp", "period=5m", 300_000),
    ]
    counts = []
    for series, path, field, query, lag in recorded:
        for asked, raw in routes(recordings, path):
            rows = json.loads(raw)
            if query not in asked or not rows or "pair=" in asked:
                continue
            stamps = sorted((row[field or "timestamp"] + lag) * 10**6 for row in rows)
            told = BINANCE.past(series, raw, BTCUSDT, Stretch(stamps[0], stamps[-1] + 1), TS_RECV)
            assert [event.ts_event for event in told.events if isinstance(event, InstrumentEvent)] == [
                ts for ts in stamps if ts >= told.ts_from
            ]
            counts.append(len(told.events))
    assert counts == [100, 6, 1, 10, 10, 3, 3, 1, 10]
    ((_, raw),) = routes(recordings, "/fapi/v1/time")
    assert BINANCE.server_time(raw) == 1_620_099_477_465 * 10**6

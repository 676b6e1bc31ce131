"""What Bybit tells of its past: what is asked, what the rows mean, and what is refused. Replies are hand-written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, FundingPaid, Interval, OpenInterest, RatioKind, Side, Trade
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Historic, Series, Stretch, Timed
from perpscope.venues.bybit import VENUE, Bybit
from perpscope.venues.bybit.symbols import instrument_named

_named = instrument_named("BTCUSDT")
assert _named is not None
BTC = _named
ID = InstrumentId("BTC-USDT-PERP.BYBIT")
AT_MS = 1_790_757_000_000  # a multiple of five minutes
MS, MINUTE, HOUR = 10**6, 60 * 10**9, 3600 * 10**9
AT = AT_MS * MS
TS_RECV = AT + HOUR
MINUTES, TRADES = Series(Channel.CANDLES_1M), Series(Channel.TRADES)
INTEREST, FUNDING = Series(Channel.OPEN_INTEREST), Series(Channel.FUNDING)
RATIOS = Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS)
BYBIT = Bybit()


def reply(result: object) -> bytes:
    """A reply that succeeded."""
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": AT_MS}).encode()


def fill(ms: int, number: int, **changed: object) -> dict[str, object]:
    """A row of recent-trade."""
    row = {"execId": f"e{number}", "symbol": "BTCUSDT", "price": "83000.5", "size": "0.1", "side": "Sell"}
    return row | {"time": str(ms), "isBlockTrade": False, "isRPITrade": False, "seq": "1"} | changed


def test_the_venue_can_be_asked_for_its_past() -> None:
    """The port is kept, with everything the page has and nothing it has not: liquidations cannot be had."""
    assert isinstance(VENUE, Historic)
    assert isinstance(VENUE, Timed)
    assert {(one.channel, one.kind) for one in VENUE.series} == {
        (Channel.CANDLES_1M, None),
        (Channel.CANDLES_15M, None),
        (Channel.CANDLES_1H, None),
        (Channel.OPEN_INTEREST, None),
        (Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS),
        (Channel.FUNDING, None),
        (Channel.TRADES, None),
    }


@pytest.mark.parametrize(
    ("series", "path", "params"),
    [
        pytest.param(
            MINUTES,
            "kline",
            (("interval", "1"), ("limit", "1000"), ("start", f"{AT_MS - 660_000}"), ("end", f"{AT_MS - 60_001}")),
            id="candles",
        ),
        pytest.param(
            INTEREST,
            "open-interest",
            (
                ("intervalTime", "5min"),
                ("limit", "200"),
                ("startTime", f"{AT_MS - 600_000}"),
                ("endTime", f"{AT_MS - 1}"),
            ),
            id="open-interest",
        ),
        pytest.param(
            RATIOS,
            "account-ratio",
            (("period", "5min"), ("limit", "500"), ("startTime", f"{AT_MS - 600_000}"), ("endTime", f"{AT_MS - 1}")),
            id="ratios",
        ),
        pytest.param(
            FUNDING,
            "funding/history",
            (("limit", "200"), ("startTime", f"{AT_MS - 600_000}"), ("endTime", f"{AT_MS - 1}")),
            id="funding",
        ),
        pytest.param(TRADES, "recent-trade", (("limit", "1000"),), id="trades"),
    ],
)
def test_requests_ask_for_ten_minutes(series: Series, path: str, params: tuple[tuple[str, str], ...]) -> None:
    """Paths and parameters are the documented ones; candles, stamped at their start, are asked for a minute earlier."""
    asked = BYBIT.past_request(series, BTC, Stretch(AT - 10 * MINUTE, AT))
    whole = (("category", "linear"), ("symbol", "BTCUSDT"), *params)
    assert asked == HttpRequest(path=f"/v5/market/{path}", params=whole, weight=1, urgency=Urgency.PAST)


@pytest.mark.parametrize(
    ("series", "span"),
    [
        pytest.param(MINUTES, 1000 * MINUTE, id="1m"),
        pytest.param(Series(Channel.CANDLES_15M), 15_000 * MINUTE, id="15m"),
        pytest.param(Series(Channel.CANDLES_1H), 1000 * HOUR, id="1h"),
        pytest.param(INTEREST, 1000 * MINUTE, id="open-interest"),
        pytest.param(RATIOS, 2500 * MINUTE, id="ratios"),
        pytest.param(FUNDING, 200 * HOUR, id="funding"),
    ],
)
def test_a_part_is_what_one_reply_holds(series: Series, span: int) -> None:
    """The newest part is as long as the rows of a full reply; an empty one is whole, and the rest is older."""
    stretch = Stretch(AT - 3 * span, AT)
    empty = reply({"symbol": "BTCUSDT", "list": []})
    told = BYBIT.past(series, empty, BTC, stretch, TS_RECV)
    assert (told.events, told.ts_from, told.ts_to) == ([], AT - span, AT)
    assert told.rest == Stretch(AT - 3 * span, AT - span)
    assert BYBIT.past(series, empty, BTC, Stretch(AT - span, AT), TS_RECV).rest is None


def test_a_short_page_is_whole_as_far_as_it_reaches() -> None:
    """A venue that sends fewer rows than it says loses none: what is older is asked for again, until nothing comes."""
    rows = [[str(AT_MS - 60_000 * n), "2", "4", "1", "3", "5.5", "16.5"] for n in range(1, 4)]
    stretch = Stretch(AT - 500 * MINUTE, AT + 1)
    told = BYBIT.past(MINUTES, reply({"symbol": "BTCUSDT", "list": rows}), BTC, stretch, TS_RECV)
    assert (len(told.events), told.ts_from, told.ts_to) == (3, AT - 2 * MINUTE, AT + 1)
    assert told.rest == Stretch(AT - 500 * MINUTE, AT - 2 * MINUTE)
    last = BYBIT.past(MINUTES, reply({"symbol": "BTCUSDT", "list": []}), BTC, told.rest, TS_RECV)
    assert (last.events, last.ts_from, last.rest) == ([], AT - 500 * MINUTE, None)


def test_candles_are_closed_ones_with_what_is_told_of_them() -> None:
    """Prices, base volume and turnover as they stand; neither the forming candle nor one outside is told."""
    opens = [AT_MS, AT_MS - 60_000, AT_MS - 120_000, AT_MS - 180_000]
    rows = [[str(ms), "2", "4", "1", "3", "5.5", "16.5"] for ms in opens]
    raw = reply({"category": "linear", "symbol": "BTCUSDT", "list": rows})
    told = BYBIT.past(MINUTES, raw, BTC, Stretch(AT - MINUTE, AT + HOUR), AT + MINUTE // 2)
    first, second = told.events
    assert first == Candle(
        ID,
        AT - MINUTE,
        AT + MINUTE // 2,
        Interval.M1,
        AT - 2 * MINUTE,
        2.0,
        4.0,
        1.0,
        3.0,
        5.5,
        16.5,
        None,
        None,
        None,
        is_closed=True,
    )
    assert isinstance(second, Candle)
    assert second.ts_event == AT


def test_open_interest_is_of_one_side() -> None:
    """The one side where it is told, half the sum where it is not."""
    rows = [
        {"openInterest": "10", "singleOpenInterest": "5.5", "timestamp": str(AT_MS)},
        {"openInterest": "8", "timestamp": str(AT_MS - 300_000)},
    ]
    raw = reply({"symbol": "BTCUSDT", "category": "linear", "list": rows, "nextPageCursor": ""})
    told = BYBIT.past(INTEREST, raw, BTC, Stretch(AT - HOUR, AT + 1), TS_RECV)
    assert told.events == [
        OpenInterest(ID, AT - 5 * MINUTE, TS_RECV, 4.0, None),
        OpenInterest(ID, AT, TS_RECV, 5.5, None),
    ]


def test_past_ratios_are_the_polled_ones() -> None:
    """A period asked for afterwards is the very event its poll told, so that both are one row."""
    rows = [
        {"symbol": "BTCUSDT", "buyRatio": "0.6", "sellRatio": "0.4", "timestamp": str(AT_MS - 300_000 * n)}
        for n in range(3)
    ]
    raw = reply({"list": rows, "nextPageCursor": ""})
    told = BYBIT.past(RATIOS, raw, BTC, Stretch(AT - HOUR, AT + 1), TS_RECV)
    assert told.events == BYBIT.polled_events("bybit/account_ratios/BTCUSDT", raw, TS_RECV, {"BTCUSDT": BTC})
    assert len(told.events) == 3


def test_trades_are_those_of_the_stream() -> None:
    """Id, time, taker's side as streamed, oldest first; what was agreed off the book is left out, as there."""
    rows = [fill(AT_MS + 2, 3), fill(AT_MS + 1, 2, isBlockTrade=True), fill(AT_MS, 1, side="Buy"), fill(AT_MS - 9, 0)]
    told = BYBIT.past(TRADES, reply({"category": "linear", "list": rows}), BTC, Stretch(AT, TS_RECV), TS_RECV)
    assert told.events == [
        Trade(ID, AT, TS_RECV, "e1", 83_000.5, 0.1, Side.BUY, False),
        Trade(ID, AT + 2 * MS, TS_RECV, "e3", 83_000.5, 0.1, Side.SELL, False),
    ]
    assert (told.ts_from, told.ts_to, told.rest) == (AT, TS_RECV, None)


def test_trades_that_do_not_reach_back_leave_the_rest_lost() -> None:
    """Whole begins a millisecond after the oldest trade told; nothing is whole where all of them are too new."""
    raw = reply({"list": [fill(AT_MS + 5, 2), fill(AT_MS + 3, 1)]})
    told = BYBIT.past(TRADES, raw, BTC, Stretch(AT, TS_RECV), TS_RECV)
    assert (len(told.events), told.ts_from, told.ts_to, told.rest) == (2, AT + 4 * MS, TS_RECV, None)
    early = BYBIT.past(TRADES, raw, BTC, Stretch(AT, AT + 2 * MS), TS_RECV)
    assert (early.events, early.ts_from, early.ts_to, early.rest) == ([], AT + 2 * MS, AT + 2 * MS, None)
    nothing = BYBIT.past(TRADES, reply({"list": []}), BTC, Stretch(AT, TS_RECV), TS_RECV)
    assert (nothing.events, nothing.ts_from, nothing.ts_to, nothing.rest) == ([], AT, TS_RECV, None)


@pytest.mark.parametrize(
    ("series", "result", "words"),
    [
        pytest.param(MINUTES, {"symbol": "ETHUSDT", "list": []}, "candles of ETHUSDT", id="candles"),
        pytest.param(INTEREST, {"symbol": "ETHUSDT", "list": []}, "open interest of ETHUSDT", id="open-interest"),
        pytest.param(
            FUNDING,
            {"list": [{"symbol": "ETHUSDT", "fundingRate": "0", "fundingRateTimestamp": str(AT_MS)}]},
            "fundings of ETHUSDT",
            id="funding",
        ),
        pytest.param(TRADES, {"list": [fill(AT_MS, 1, symbol="ETHUSDT")]}, "trades of ETHUSDT", id="trades"),
        pytest.param(
            MINUTES,
            {"symbol": "BTCUSDT", "list": [[str(AT_MS), "1", "1", "1", "1", "1", "1"]]},
            "of another time",
            id="another-time",
        ),
        pytest.param(
            MINUTES, {"symbol": "BTCUSDT", "list": [[str(AT_MS), "5", "4", "1", "3", "1", "1"]]}, "`low` <= ", id="high"
        ),
    ],
)
def test_what_was_not_asked_for_is_refused(series: Series, result: object, words: str) -> None:
    """A reply about another instrument or time must not count as the past of this one."""
    with pytest.raises(FrameError, match=words):
        BYBIT.past(series, reply(result), BTC, Stretch(AT - 9 * HOUR, AT - 3 * HOUR), TS_RECV)


@given(raw=st.one_of(st.binary(max_size=60), st.sampled_from([b"{}", b"[]", b"null", b'{"retCode":10001}'])))
def test_nonsense_is_a_frame_error(raw: bytes) -> None:
    """Whatever bytes come, a broken reply is told apart from an empty past."""
    for series in BYBIT.series:
        with pytest.raises(FrameError):
            BYBIT.past(series, raw, BTC, Stretch(AT - HOUR, AT), TS_RECV)
    with pytest.raises(FrameError):
        BYBIT.server_time(raw)


def test_the_clock_is_read_to_the_nanosecond() -> None:
    """`timeNano` is the clock; `timeSecond` would hide most of a second."""
    assert BYBIT.time_request() == HttpRequest(path="/v5/market/time", weight=1)
    raw = reply({"timeSecond": str(AT_MS // 1000), "timeNano": str(AT + 123)})
    assert BYBIT.server_time(raw) == AT + 123


def test_recorded_replies_are_read(recordings: Path) -> None:
    """Documented examples: fundings eight hours apart, and candles newest first, come out oldest first."""
    folder = recordings / "rest" / "payloads" / "bybit"
    raw = (folder / "http_get_funding_history.json").read_bytes()
    rows = json.loads(raw)["result"]["list"]
    stamps = sorted(int(row["fundingRateTimestamp"]) * MS for row in rows)
    told = BYBIT.past(FUNDING, raw, BTC, Stretch(stamps[0], stamps[-1] + 1), TS_RECV).events
    assert [event.ts_event for event in told if isinstance(event, FundingPaid)] == stamps
    raw = (folder / "http_get_klines_linear.json").read_bytes()
    result = json.loads(raw)["result"]
    opens = sorted(int(row[0]) * MS for row in result["list"])
    stretch = Stretch(opens[0] + 1, opens[-1] + MINUTE + 1)
    candles = BYBIT.past(MINUTES, raw, BTC, stretch, TS_RECV).events
    assert [event.ts_open for event in candles if isinstance(event, Candle)] == opens

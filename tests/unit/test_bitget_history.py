"""Questions about Bitget's past, and what its replies say is whole; replies written by hand after the venue's pages."""

import json

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, Candle, FundingPaid, Interval, RatioKind, Side, Trade
from perpscope.model.stream import Channel, Urgency
from perpscope.ports import Historic, Past, Series, Stretch, Timed
from perpscope.venues.bitget import VENUE, fills, history, rest, symbols

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
#: 2026-11-21 00:00 UTC, in ms and ns.
START_MS = 1_795_219_200_000
START = START_MS * 1_000_000
NOW = START + 90 * MINUTE
MINUTES = Series(Channel.CANDLES_1M)
ACCOUNTS = Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS)
FUNDING = Series(Channel.FUNDING)
TRADES = Series(Channel.TRADES)
HOUR = Stretch(START, START + 60 * MINUTE)


def btc() -> Instrument:
    """A contract."""
    found = symbols.instrument_named("BTCUSDT")
    assert found is not None
    return found


def reply(data: object, code: str = "00000", msg: str = "success") -> bytes:
    """A reply of Bitget's."""
    return json.dumps({"code": code, "msg": msg, "requestTime": START_MS, "data": data}).encode()


def bar(minute: int) -> list[str]:
    """The candle of a minute."""
    return [str(START_MS + minute * 60_000), "10", "12", "9", "11", "1", "11"]


def fill(trade_id: int, at_ms: int, side: str = "buy") -> dict[str, str]:
    """A trade of two coins."""
    return {"tradeId": str(trade_id), "price": "10", "size": "2", "side": side, "ts": str(START_MS + at_ms)}


def payment(hour: int) -> dict[str, str]:
    """A funding, so many hours after the start."""
    ts = str(START_MS + hour * 3_600_000)
    return {"symbol": "BTCUSDT", "fundingRate": "-0.000017", "fundingRateTimestamp": ts}


def past(series: Series, raw: bytes, stretch: Stretch) -> Past:
    """What a reply tells of a stretch."""
    return history.past(series, raw, btc(), stretch, NOW)


def test_what_there_is_and_how_far_back() -> None:
    """The series of the matrix, with their depths; no liquidations, which cannot be matched with the stream's."""
    assert isinstance(VENUE, Historic)
    assert isinstance(VENUE, Timed)
    assert {(series.channel, series.kind): depth for series, depth in VENUE.series.items()} == {
        (Channel.CANDLES_1M, None): 30 * 86_400.0,
        (Channel.CANDLES_15M, None): 30 * 86_400.0,
        (Channel.CANDLES_1H, None): 60 * 86_400.0,
        (Channel.FUNDING, None): 36_000_000.0,
        (Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS): 9_000.0,
        (Channel.ACCOUNT_RATIOS, RatioKind.ALL_POSITIONS): 9_000.0,
        (Channel.TAKER_VOLUME, None): 9_000.0,
        (Channel.TRADES, None): 90 * 86_400.0,
    }


@pytest.mark.parametrize(
    ("series", "path", "params", "weight"),
    [
        pytest.param(
            MINUTES,
            "/api/v2/mix/market/candles",
            {
                "productType": "USDT-FUTURES",
                "granularity": "1m",
                "endTime": str(START_MS + 60 * 60_000),
                "limit": "62",
            },
            4,
            id="candles",
        ),
        pytest.param(
            FUNDING,
            "/api/v3/market/history-fund-rate",
            {"category": "USDT-FUTURES", "cursor": "1", "limit": "100"},
            4,
            id="funding",
        ),
        pytest.param(ACCOUNTS, "/api/v3/market/futures-account-long-short", {"period": "5m"}, 80, id="accounts"),
        pytest.param(
            TRADES,
            "/api/v2/mix/market/fills-history",
            {
                "productType": "USDT-FUTURES",
                "startTime": str(START_MS),
                "endTime": str(START_MS + 60 * 60_000),
                "limit": "1000",
            },
            8,
            id="trades",
        ),
    ],
)
def test_an_hour_is_asked_for(series: Series, path: str, params: dict[str, str], weight: int) -> None:
    """The newest page of an hour; candles by an end that is one later, as nobody says whether it belongs to them."""
    request = VENUE.past_request(series, btc(), HOUR)  # type: ignore[attr-defined]  # it is Historic
    assert (request.path, request.weight, request.urgency) == (path, weight, Urgency.PAST)
    assert dict(request.params) == {"symbol": "BTCUSDT", **params}


def test_candles_are_whole_to_the_first() -> None:
    """Closed candles come oldest first as of their end; what may come besides, later or forming, is left out."""
    told = past(MINUTES, reply([bar(minute) for minute in range(-1, 61)]), HOUR)
    assert (told.ts_from, told.ts_to, told.rest, len(told.events)) == (START, HOUR.ts_to, None, 60)
    first = (10.0, 12.0, 9.0, 11.0, 1.0, 11.0)
    assert told.events[0] == Candle(
        btc().id, START, NOW, Interval.M1, START - MINUTE, *first, None, None, None, is_closed=True
    )
    forming = past(MINUTES, reply([bar(89), bar(90)]), Stretch(NOW, NOW + 2 * MINUTE))
    assert [event.ts_open for event in forming.events if isinstance(event, Candle)] == [NOW - MINUTE]


def test_a_short_page_is_not_the_last() -> None:
    """The venue may cut a page as it likes: what is older than its oldest row rests, until nothing older comes."""
    told = past(MINUTES, reply([bar(57), bar(58), bar(59), bar(60)]), HOUR)
    assert told.rest == Stretch(START, START + 58 * MINUTE)
    assert (told.ts_from, len(told.events)) == (START + 58 * MINUTE, 2)
    nothing = Past([], START, START + 58 * MINUTE, None)
    assert past(MINUTES, reply([]), told.rest) == past(MINUTES, reply([bar(57), bar(58)]), told.rest) == nothing


@pytest.mark.parametrize(
    ("series", "raw", "words"),
    [
        pytest.param(MINUTES, reply([bar(61)]), "sent later ones", id="newer-candles"),
        pytest.param(MINUTES, reply(None, "40034", "no such"), "no such", id="a-refusal"),
        pytest.param(MINUTES, reply([[str(START_MS), "10", "9", "9", "11", "1", "1"]]), "low", id="no-candle"),
        pytest.param(TRADES, reply([fill(7, 0)]), "before 7", id="newer-trades"),
        pytest.param(FUNDING, reply([]), "cannot read", id="another-shape"),
    ],
)
def test_what_was_not_asked_for_is_refused(series: Series, raw: bytes, words: str) -> None:
    """Rows that are not older than was asked, refusals and other shapes are FrameErrors: no page without an end."""
    with pytest.raises(FrameError, match=words):
        past(series, raw, Stretch(START, START + 60 * MINUTE, "7" if series == TRADES else None))


def test_pages_of_fundings_are_walked_to_the_stretch() -> None:
    """Pages count from the newest payment: those before the stretch tell nothing of it, and lead to the next."""
    stretch = Stretch(START, START + 8 * 60 * MINUTE)
    first = past(FUNDING, reply({"resultList": [payment(24), payment(16)]}), stretch)
    assert first == Past([], stretch.ts_to, stretch.ts_to, Stretch(START, stretch.ts_to, "2"))
    second = past(FUNDING, reply({"resultList": [payment(16), payment(4)]}), first.rest or stretch)
    assert [event for event in second.events if isinstance(event, FundingPaid)] == [
        FundingPaid(btc().id, START + 4 * 60 * MINUTE, NOW, -0.000017, None)
    ]
    assert second.rest == Stretch(START, START + 4 * 60 * MINUTE, "3")
    assert dict(history.past_request(FUNDING, btc(), second.rest).params)["cursor"] == "3"
    third = past(FUNDING, reply({"resultList": [payment(0), payment(-8)]}), second.rest)
    assert (len(third.events), third.ts_from, third.rest) == (1, START, None)
    assert past(FUNDING, reply({"resultList": []}), second.rest) == Past([], START, second.rest.ts_to, None)


def test_the_last_page_of_fundings_ends_it() -> None:
    """There are a hundred pages: what is older than the last is not called whole."""
    told = past(FUNDING, reply({"resultList": [payment(2)]}), Stretch(START - DAY, START + DAY, "100"))
    assert (told.ts_from, told.rest) == (START + 120 * MINUTE, None)


def test_ratios_are_whole_as_far_as_the_list_goes() -> None:
    """The list of the latest periods is all there is: what is older than its oldest row is not called whole."""
    rows = [
        {"ts": str(START_MS + minute * 60_000), "longAccountRatio": "0.6", "shortAccountRatio": "0.4"}
        for minute in (30, 35, 40)
    ]
    told = past(ACCOUNTS, reply(rows), Stretch(START, START + 45 * MINUTE))
    assert told.events == [
        AccountRatio(btc().id, START + minute * MINUTE, NOW, RatioKind.ALL_ACCOUNTS, 300, 0.6) for minute in (35, 40)
    ]
    assert (told.ts_from, told.rest) == (START + 35 * MINUTE, None)
    older = Stretch(START, START + MINUTE)
    assert past(ACCOUNTS, reply(rows), older) == Past([], older.ts_to, older.ts_to, None)
    assert past(ACCOUNTS, reply([]), older) == Past([], START, older.ts_to, None)


def test_trades_go_by_id_within_a_window() -> None:
    """Trades of one millisecond may be on two pages: what is whole begins after it, and the next page goes by id."""
    told = past(TRADES, reply([fill(9, 8, "Sell"), fill(8, 7), fill(7, 7)]), HOUR)
    trades = [event for event in told.events if isinstance(event, Trade)]
    assert [(event.trade_id, event.size, event.side) for event in trades] == [
        ("7", 2.0, Side.BUY),
        ("8", 2.0, Side.BUY),
        ("9", 2.0, Side.SELL),
    ]
    assert told.rest == Stretch(START, START + 8_000_000, "7")
    assert told.ts_from == START + 8_000_000
    assert dict(history.past_request(TRADES, btc(), told.rest).params)["idLessThan"] == "7"
    assert past(TRADES, reply([]), told.rest) == Past([], START, START + 8_000_000, None)
    assert past(TRADES, reply([fill(6, -1)]), told.rest) == Past([], START, START + 8_000_000, None)


def test_an_empty_window_leads_to_the_week_before() -> None:
    """The venue looks back a week at most: an empty page makes that week whole, and the one before it is asked for."""
    month = Stretch(START - 30 * DAY, START)
    told = fills.past(reply([]), btc(), month, NOW)
    assert told.rest is not None
    assert told.ts_from == told.rest.ts_to == START - 7 * DAY + 1_000_000_000
    assert told.rest == Stretch(START - 30 * DAY, told.ts_from)


def test_the_clock_is_read() -> None:
    """The venue's milliseconds become nanoseconds."""
    assert rest.server_time(reply({"serverTime": str(START_MS)})) == START
    with pytest.raises(FrameError):
        rest.server_time(reply({}))

"""Questions about OKX's past, and what its replies say is whole; replies written by hand after the venue's pages."""

import json
from pathlib import Path

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, FundingPaid, Interval, OpenInterest, RatioKind, Side, Trade
from perpscope.model.stream import Channel, Urgency
from perpscope.ports import Historic, Past, Series, Stretch, Timed
from perpscope.venues.okx import VENUE, history, matches, rest, symbols

MINUTE = 60_000_000_000
#: 2026-11-21 00:00 UTC, in ms and ns.
START_MS = 1_795_219_200_000
START = START_MS * 1_000_000
NOW = START + 90 * MINUTE
MINUTES = Series(Channel.CANDLES_1M)
HELD = Series(Channel.OPEN_INTEREST)
FUNDING = Series(Channel.FUNDING)
TRADES = Series(Channel.TRADES)


def btc() -> Instrument:
    """A contract of 0.01 BTC."""
    found = symbols.instrument_named("BTC-USDT-SWAP")
    assert found is not None
    return found


def reply(rows: list[object], code: str = "0", msg: str = "") -> bytes:
    """A reply of OKX's."""
    return json.dumps({"code": code, "data": rows, "msg": msg}).encode()


def bar(minute: int, confirm: str = "1") -> list[str]:
    """The candle of a minute."""
    return [str(START_MS + minute * 60_000), "10", "12", "9", "11", "100", "1", "11", confirm]


def match(trade_id: int, at_ms: int, px: str = "10", side: str = "buy", source: str = "0") -> dict[str, str]:
    """A match of two contracts."""
    told = {"instId": "BTC-USDT-SWAP", "tradeId": str(trade_id), "px": px, "sz": "2", "side": side}
    return {**told, "source": source, "ts": str(START_MS + at_ms)}


def past(series: Series, raw: bytes, stretch: Stretch) -> Past:
    """What a reply tells of a stretch."""
    return history.past(series, raw, btc(), stretch, NOW)


def test_what_there_is_and_how_far_back() -> None:
    """The series of the matrix, with their depths; no liquidations, of which no reply says what is missing."""
    assert isinstance(VENUE, Historic)
    assert isinstance(VENUE, Timed)
    assert {(series.channel, series.kind): depth for series, depth in VENUE.series.items()} == {
        (Channel.CANDLES_1M, None): None,
        (Channel.CANDLES_15M, None): None,
        (Channel.CANDLES_1H, None): None,
        (Channel.OPEN_INTEREST, None): 432_000.0,
        (Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS): 432_000.0,
        (Channel.ACCOUNT_RATIOS, RatioKind.TOP_ACCOUNTS): 432_000.0,
        (Channel.ACCOUNT_RATIOS, RatioKind.TOP_POSITIONS): 432_000.0,
        (Channel.TAKER_VOLUME, None): 432_000.0,
        (Channel.FUNDING, None): 7_776_000.0,
        (Channel.TRADES, None): 7_776_000.0,
    }


RUBIK = "/api/v5/rubik/stat"


@pytest.mark.parametrize(
    ("series", "path", "params", "weight"),
    [
        pytest.param(
            MINUTES,
            "/api/v5/market/history-candles",
            {"bar": "1m", "after": str(START_MS + 59 * 60_000), "limit": "60"},
            5,
            id="candles",
        ),
        pytest.param(
            HELD,
            f"{RUBIK}/contracts/open-interest-history",
            {"period": "5m", "end": str(START_MS + 55 * 60_000), "limit": "12"},
            9,
            id="open-interest",
        ),
        pytest.param(
            Series(Channel.TAKER_VOLUME),
            f"{RUBIK}/taker-volume-contract",
            {"period": "5m", "unit": "0", "end": str(START_MS + 55 * 60_000), "limit": "12"},
            17,
            id="takers",
        ),
        pytest.param(
            Series(Channel.ACCOUNT_RATIOS, RatioKind.TOP_POSITIONS),
            f"{RUBIK}/contracts/long-short-position-ratio-contract-top-trader",
            {"period": "5m", "end": str(START_MS + 55 * 60_000), "limit": "12"},
            17,
            id="ratios",
        ),
        pytest.param(
            FUNDING,
            "/api/v5/public/funding-rate-history",
            {"after": str(START_MS + 60 * 60_000), "limit": "1"},
            9,
            id="funding",
        ),
        pytest.param(
            TRADES,
            "/api/v5/market/history-trades",
            {"type": "2", "after": str(START_MS + 60 * 60_000), "limit": "100"},
            9,
            id="trades",
        ),
    ],
)
def test_an_hour_is_asked_for(series: Series, path: str, params: dict[str, str], weight: int) -> None:
    """The newest page of an hour: older than its end, in the time the venue stamps, no more rows than it can have."""
    request = VENUE.past_request(series, btc(), Stretch(START, START + 60 * MINUTE))  # type: ignore[attr-defined]  # it is Historic
    assert (request.path, request.weight, request.urgency) == (path, weight, Urgency.PAST)
    assert dict(request.params) == {"instId": "BTC-USDT-SWAP", **params}


def test_a_bound_within_a_millisecond_includes_it() -> None:
    """What happened in the millisecond that a stretch ends in is asked for; a page is never larger than the venue's."""
    request = history.past_request(TRADES, btc(), Stretch(START, START + 1))
    assert dict(request.params)["after"] == str(START_MS + 1)
    month = history.past_request(MINUTES, btc(), Stretch(START - 30 * 1440 * MINUTE, START))
    assert dict(month.params)["limit"] == "300"


def test_candles_are_whole_to_the_first() -> None:
    """Closed candles come oldest first as of their end; one that is forming is none; nothing rests."""
    stretch = Stretch(START + MINUTE, START + 4 * MINUTE)
    told = past(MINUTES, reply([bar(3, "0"), bar(2), bar(1), bar(0)]), stretch)
    assert (told.ts_from, told.ts_to, told.rest) == (stretch.ts_from, stretch.ts_to, None)
    assert told.events == [
        Candle(
            btc().id, START + (minute + 1) * MINUTE, NOW, Interval.M1, START + minute * MINUTE,
            10.0, 12.0, 9.0, 11.0, 1.0, 11.0, None, None, None, is_closed=True,
        )
        for minute in range(3)
    ]  # fmt: skip


def test_a_short_page_is_not_the_last() -> None:
    """The venue may cut a page as it likes: what is older than its oldest row rests, until nothing comes."""
    stretch = Stretch(START, START + 60 * MINUTE)
    told = past(MINUTES, reply([bar(58), bar(57)]), stretch)
    assert told.rest == Stretch(START, START + 58 * MINUTE)
    assert (told.ts_from, len(told.events)) == (START + 58 * MINUTE, 2)
    assert past(MINUTES, reply([]), told.rest) == Past([], START, START + 58 * MINUTE, None)


@pytest.mark.parametrize(
    ("series", "raw", "words"),
    [
        pytest.param(MINUTES, reply([bar(61)]), "older than", id="newer-candles"),
        pytest.param(MINUTES, reply([], "51001", "no such"), "no such", id="a-refusal"),
        pytest.param(MINUTES, reply([["1", "2"]]), "cannot read", id="another-shape"),
        pytest.param(TRADES, reply([match(7, 0)]), "before 7", id="newer-trades"),
        pytest.param(FUNDING, reply([{"fundingTime": str(START_MS)}]), "realizedRate", id="no-rate"),
    ],
)
def test_what_was_not_asked_for_is_refused(series: Series, raw: bytes, words: str) -> None:
    """Rows that are not older than was asked, refusals and other shapes are FrameErrors: no page without an end."""
    with pytest.raises(FrameError, match=words):
        past(series, raw, Stretch(START, START + 60 * MINUTE, "7" if series == TRADES else None))


def test_open_interest_is_that_of_the_end_of_a_period() -> None:
    """Stamped like ratios and taker volumes: 5 minutes after `ts`, in base units and dollars, and only when over."""
    rows: list[object] = [[str(START_MS + minute * 60_000), "500", "5", "400000"] for minute in (88, 55, 50)]
    told = past(HELD, reply(rows), Stretch(START + 55 * MINUTE, START + 95 * MINUTE))
    assert told.events == [OpenInterest(btc().id, START + minute * MINUTE, NOW, 5.0, 400_000.0) for minute in (55, 60)]
    assert told.rest is None


def test_fundings_are_what_was_paid() -> None:
    """The realised rate, not the one forecast."""
    row = {"fundingTime": str(START_MS), "fundingRate": "0.0001", "realizedRate": "-0.0002"}
    told = past(FUNDING, reply([row]), Stretch(START, START + MINUTE))
    assert told.events == [FundingPaid(btc().id, START, NOW, -0.0002, None)]
    assert told.rest is None


def test_matches_of_one_order_are_one_trade() -> None:
    """Neighbouring ids of one time, price, side and source are told as in the stream: the last id, the whole size."""
    rows: list[object] = [
        match(9, 5, px="11"),
        match(8, 5, source="1"),
        match(7, 5),
        match(6, 5),
        match(4, 5),
        match(3, 4, side="sell"),
        match(2, -1),
    ]
    told = past(TRADES, reply(rows), Stretch(START, START + MINUTE))
    ids = [(event.trade_id, event.size, event.side) for event in told.events if isinstance(event, Trade)]
    assert ids == [
        (3, 0.02, Side.SELL),
        (4, 0.02, Side.BUY),
        (7, 0.04, Side.BUY),
        (8, 0.02, Side.BUY),
        (9, 0.02, Side.BUY),
    ]
    assert (told.ts_from, told.rest) == (START, None)


def test_the_oldest_order_of_a_page_waits_for_its_other_matches() -> None:
    """A page may end within an order: it is asked for again with the next; whole is what is after the order before."""
    stretch = Stretch(START, START + MINUTE)
    told = past(TRADES, reply([match(9, 8), match(8, 7), match(7, 7), match(6, 7)]), stretch)
    assert [event.trade_id for event in told.events if isinstance(event, Trade)] == [9]
    assert told.rest == Stretch(START, START + 9_000_000, "9")
    assert told.ts_from == START + 9_000_000
    request = history.past_request(TRADES, btc(), told.rest)
    assert dict(request.params) == {"instId": "BTC-USDT-SWAP", "type": "1", "after": "9", "limit": "100"}


def test_a_page_of_one_order_is_told_in_parts() -> None:
    """More matches of one order than a page holds still end: each page is told, and the next asked for by id."""
    told = matches.past(reply([match(8, 7), match(7, 7)]), btc(), Stretch(START, START + 8_000_000, "9"), NOW)
    assert [(event.trade_id, event.size) for event in told.events if isinstance(event, Trade)] == [(8, 0.04)]
    assert told.rest == Stretch(START, START + 8_000_000, "7")
    assert told.ts_from == told.ts_to == START + 8_000_000
    assert matches.past(reply([]), btc(), told.rest, NOW) == Past([], START, START + 8_000_000, None)


def test_one_clock_is_read() -> None:
    """The venue's milliseconds become nanoseconds; none or two of them are a FrameError."""
    assert rest.server_time(reply([{"ts": str(START_MS)}])) == START
    with pytest.raises(FrameError, match="0 times"):
        rest.server_time(reply([]))


def test_captured_replies_are_read(recordings: Path) -> None:
    """Replies captured by others decode: candles and fundings of 2025 and 2024, trades without `source`."""
    folder = recordings / "rest" / "payloads" / "okx"
    since = Stretch(1_700_000_000_000_000_000, 1_790_000_000_000_000_000)
    candles = past(MINUTES, (folder / "http_get_candlesticks_full.json").read_bytes(), since).events
    assert [event.volume for event in candles[-2:] if isinstance(event, Candle)] == [71.6404, 10.4037]
    fundings = past(FUNDING, (folder / "http_get_funding_rate_history.json").read_bytes(), since).events
    assert [event.funding_rate for event in fundings if isinstance(event, FundingPaid)] == [-0.00002, 0.00015]
    trades = past(TRADES, (folder / "http_get_trades.json").read_bytes(), Stretch(START, START + MINUTE)).events
    assert trades == []

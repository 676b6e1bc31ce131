"""Questions about Hyperliquid's past, and what its replies tell of it."""

import json
from pathlib import Path

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, FundingPaid, Interval
from perpscope.model.stream import Channel, Urgency
from perpscope.ports import Historic, Past, Series, Stretch, Timed
from perpscope.venues.hyperliquid import VENUE, history, rest, symbols

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
#: 2026-11-21 00:00 UTC, in ms and ns.
START_MS = 1_795_219_200_000
START = START_MS * 1_000_000
NOW = START + 90 * MINUTE
MINUTES = Series(Channel.CANDLES_1M)
FUNDING = Series(Channel.FUNDING)


def btc() -> Instrument:
    """A contract."""
    found = symbols.instrument_named("BTC")
    assert found is not None
    return found


def bar(minute: int, coin: str = "BTC") -> dict[str, object]:
    """The candle of a minute."""
    t = START_MS + minute * 60_000
    return {
        "t": t, "T": t + 59_999, "s": coin, "i": "1m", "o": "10", "c": "11", "h": "12", "l": "9", "v": "1", "n": 3
    }  # fmt: skip


def past(series: Series, rows: object, stretch: Stretch) -> Past:
    """What a reply tells of a stretch."""
    return history.past(series, json.dumps(rows).encode(), btc(), stretch, NOW)


def test_what_there_is_and_how_far_back() -> None:
    """Candles as far as the latest 5,000 go, fundings since the listing, and nothing else."""
    assert isinstance(VENUE, Historic)
    assert isinstance(VENUE, Timed)
    assert {series.channel: depth for series, depth in VENUE.series.items()} == {
        Channel.CANDLES_1M: 299_880.0,
        Channel.CANDLES_15M: 4_498_200.0,
        Channel.CANDLES_1H: 17_992_800.0,
        Channel.FUNDING: None,
    }


@pytest.mark.parametrize(
    ("series", "hours", "asked", "weight"),
    [
        pytest.param(
            MINUTES,
            1,
            {
                "type": "candleSnapshot",
                "req": {
                    "coin": "BTC",
                    "interval": "1m",
                    "startTime": START_MS - 60_000,
                    "endTime": START_MS + 3_600_000,
                },
            },
            22,
            id="an-hour-of-candles",
        ),
        pytest.param(
            MINUTES,
            24,
            {
                "type": "candleSnapshot",
                "req": {
                    "coin": "BTC",
                    "interval": "1m",
                    "startTime": START_MS + 16 * 3_600_000 - 60_000,
                    "endTime": START_MS + 24 * 3_600_000,
                },
            },
            29,
            id="the-last-eight-hours-of-a-day",
        ),
        pytest.param(
            FUNDING,
            24,
            {"type": "fundingHistory", "coin": "BTC", "startTime": START_MS, "endTime": START_MS + 24 * 3_600_000},
            22,
            id="a-day-of-fundings",
        ),
    ],
)
def test_what_is_asked(series: Series, hours: int, asked: dict[str, object], weight: int) -> None:
    """The newest part of a stretch, of fewer periods than a reply may have elements; the weight counts its rows."""
    request = VENUE.past_request(series, btc(), Stretch(START, START + hours * HOUR))  # type: ignore[attr-defined]  # it is Historic
    assert (request.method, request.path, request.urgency) == ("POST", "/info", Urgency.PAST)
    assert json.loads(request.body or b"") == asked
    assert request.weight == weight


def test_candles_of_the_part_that_was_asked_for() -> None:
    """Closed ones oldest first, as of their end; those outside and the forming one are left out; the rest is older."""
    stretch = Stretch(START - 24 * HOUR, NOW + 2 * MINUTE)
    told = past(MINUTES, [bar(90), bar(2), bar(1), bar(-480)], stretch)
    start = stretch.ts_to - 480 * MINUTE
    assert told.events == [
        Candle(
            btc().id, START + (minute + 1) * MINUTE, NOW, Interval.M1, START + minute * MINUTE,
            10.0, 12.0, 9.0, 11.0, 1.0, None, 3, None, None, is_closed=True,
        )
        for minute in (1, 2)
    ]  # fmt: skip
    assert (told.ts_from, told.rest) == (start, Stretch(stretch.ts_from, start))
    assert past(MINUTES, [], Stretch(START, NOW)) == Past([], START, NOW, None)


def test_fundings_are_as_of_when_they_were_told() -> None:
    """A payment keeps its milliseconds after the hour: by them it is known again."""
    row = {"coin": "BTC", "fundingRate": "0.0000125", "premium": "0.0003", "time": START_MS + 4}
    told = past(FUNDING, [row], Stretch(START, NOW))
    assert told.events == [FundingPaid(btc().id, START + 4_000_000, NOW, 0.0000125, None)]


@pytest.mark.parametrize(
    ("series", "rows", "words"),
    [
        pytest.param(MINUTES, [bar(1, "ETH")], "ETH", id="candles-of-another"),
        pytest.param(
            FUNDING, [{"coin": "ETH", "fundingRate": "0", "time": START_MS}], "another coin", id="fundings-of-another"
        ),
        pytest.param(MINUTES, None, "cannot read", id="null"),
    ],
)
def test_what_was_not_asked_for_is_refused(series: Series, rows: object, words: str) -> None:
    """Another coin's rows, and what is no list, are FrameErrors."""
    with pytest.raises(FrameError, match=words):
        past(series, rows, Stretch(START, NOW))


def test_the_clock_is_read() -> None:
    """The venue's milliseconds become nanoseconds."""
    assert rest.server_time(b'{"specialStatuses":null,"time":1795219200075}') == START + 75_000_000
    with pytest.raises(FrameError):
        rest.server_time(b"{}")


def test_captured_fundings_are_read(recordings: Path) -> None:
    """A reply captured by others decodes: one of its rows has no premium."""
    rows = json.loads((recordings / "rest" / "payloads" / "hyperliquid" / "http_funding_history.json").read_bytes())
    first, last = rows[0]["time"] * 1_000_000, rows[-1]["time"] * 1_000_000
    told = past(FUNDING, rows, Stretch(first, last + 1))
    assert [event.funding_rate for event in told.events if isinstance(event, FundingPaid)] == [
        float(row["fundingRate"]) for row in rows
    ]

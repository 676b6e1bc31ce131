"""What Binance is asked again and again: names, pace, what each row means. Replies are hand-written."""

import json
from collections import Counter

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import AccountRatio, OpenInterest, RatioKind, TakerVolume
from perpscope.model.stream import Channel, HttpRequest, Stream
from perpscope.venues.binance import VENUE, figures
from perpscope.venues.binance.symbols import instrument_named

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
POLLED = sorted(VENUE.polled, key=lambda channel: channel.value)
END_MS = 1_790_757_300_000  #: a period of five minutes ends
MINUTE_NS = 60 * 10**9
TS_RECV = END_MS * 10**6 + MINUTE_NS
RATIO = {"symbol": "BTCUSDT", "longShortRatio": "1.5", "longAccount": "0.6000", "shortAccount": "0.4000"}
RATIO_KINDS = (RatioKind.ALL_ACCOUNTS, RatioKind.TOP_ACCOUNTS, RatioKind.TOP_POSITIONS)


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


def body(reply: object) -> bytes:
    """A reply as it comes."""
    return json.dumps(reply).encode()


def test_each_figure_has_a_call_of_its_own() -> None:
    """Open interest each minute, three ratios and taker volume each five.

    Keeps S2-37, S2-38, S2-39, S2-40, S2-42, S3-15.
    """
    calls = {poll.name: poll for poll in VENUE.polls([named("BTCUSDT")], POLLED)}
    assert {name: poll.request.path for name, poll in calls.items()} == {
        "binance/open_interest/BTCUSDT": "/fapi/v1/openInterest",
        "binance/account_ratios/all_accounts/BTCUSDT": "/futures/data/globalLongShortAccountRatio",
        "binance/account_ratios/top_accounts/BTCUSDT": "/futures/data/topLongShortAccountRatio",
        "binance/account_ratios/top_positions/BTCUSDT": "/futures/data/topLongShortPositionRatio",
        "binance/taker_volume/BTCUSDT": "/futures/data/takerlongshortRatio",
    }
    takers = calls["binance/taker_volume/BTCUSDT"]
    assert dict(takers.request.params) == {"symbol": "BTCUSDT", "period": "5m", "limit": "2"}
    assert takers.streams == (Stream(Channel.TAKER_VOLUME, BTC),)
    assert Counter(poll.every_s for poll in calls.values()) == {60.0: 1, 300.0: 4}


def test_only_what_was_asked_for_is_polled() -> None:
    """A streamed channel is not polled, and an instrument named twice is asked for once."""
    twice = [named("BTCUSDT"), named("BTCUSDT")]
    assert [poll.name for poll in VENUE.polls(twice, [Channel.OPEN_INTEREST, Channel.TRADES])] == [
        "binance/open_interest/BTCUSDT"
    ]
    assert VENUE.polls(twice, sorted(VENUE.channels, key=lambda channel: channel.value)) == []


def test_the_figures_stay_within_their_own_limit() -> None:
    """1,000 calls in 5 minutes and address: at the weight given, a whole budget buys fewer. Thirty coins fit easily."""
    weight = figures.period_request(figures.TAKERS, "BTCUSDT").weight
    assert (5 * 1920 + 1920 / 4) / weight <= 1000
    calls = VENUE.polls([named(f"C{number}USDT") for number in range(30)], POLLED)
    assert sum(poll.request.weight * 60 / poll.every_s for poll in calls) < VENUE.weight_per_minute / 5


def test_open_interest_is_one_sided_base_units_at_the_venues_time() -> None:
    """The number is taken as it stands: base units, one side, as of the reply's own time; dollars are not told."""
    reply = body({"symbol": "BTCUSDT", "openInterest": "83782.317", "time": END_MS})
    expected = OpenInterest(BTC, END_MS * 10**6, TS_RECV, 83782.317, None)
    assert VENUE.polled_events("binance/open_interest/BTCUSDT", reply, TS_RECV, {}) == [expected]


@pytest.mark.parametrize("kind", RATIO_KINDS, ids=lambda kind: kind.value)
def test_ratios_are_stamped_at_their_end(kind: RatioKind) -> None:
    """A ratio's stamp is the end of its period already: nothing is added. Whose it is stands in the poll's name."""
    reply = body([RATIO | {"timestamp": END_MS}])
    expected = AccountRatio(BTC, END_MS * 10**6, TS_RECV, kind, 300, 0.6)
    assert VENUE.polled_events(f"binance/account_ratios/{kind.value}/BTCUSDT", reply, TS_RECV, {}) == [expected]


def test_taker_volume_is_stamped_at_its_start() -> None:
    """Alone among the figures it is stamped at the start: the event has the end. What is not over is passed over."""
    over = {"buySellRatio": "1.3", "buyVol": "387.33", "sellVol": "248.503", "timestamp": END_MS - 300_000}
    forming = over | {"timestamp": END_MS}
    expected = TakerVolume(BTC, END_MS * 10**6, TS_RECV, 300, 387.33, 248.503)
    for rows in ([over], [over, forming]):
        assert VENUE.polled_events("binance/taker_volume/BTCUSDT", body(rows), TS_RECV, {}) == [expected]


def test_a_period_is_told_once_it_is_over() -> None:
    """Volume and ratio of the same five minutes carry the same time, and neither comes before that moment."""
    takers = body([{"buyVol": "1", "sellVol": "2", "timestamp": END_MS - 300_000}])
    ratios = body([RATIO | {"timestamp": END_MS}])
    for name, reply in (("taker_volume", takers), ("account_ratios/all_accounts", ratios)):
        poll = f"binance/{name}/BTCUSDT"
        assert VENUE.polled_events(poll, reply, END_MS * 10**6 - 1, {}) == []
        (event,) = VENUE.polled_events(poll, reply, END_MS * 10**6, {})
        assert getattr(event, "ts_event", None) == END_MS * 10**6


def test_past_open_interest_has_dollars() -> None:
    """History tells base units and their value; strings for times are read as well."""
    rows = [{"symbol": "BTCUSDT", "sumOpenInterest": "20403.6", "sumOpenInterestValue": "150570784.0"}]
    rows[0] |= {"timestamp": str(END_MS)}
    told = figures.past_open_interest(body(rows), named("BTCUSDT"), TS_RECV)
    assert told == [OpenInterest(BTC, END_MS * 10**6, TS_RECV, 20403.6, 150570784.0)]


def test_history_is_asked_for_by_period_and_window() -> None:
    """The same figures, of a while: at most 500 rows of a documented period."""
    asked = figures.period_request(figures.PAST_OPEN_INTEREST, "BTCUSDT", period_s=3600, start_ms=1, end_ms=2)
    params = (("symbol", "BTCUSDT"), ("period", "1h"), ("limit", "500"), ("startTime", "1"), ("endTime", "2"))
    assert asked == HttpRequest(path="/futures/data/openInterestHist", params=params, weight=12)
    with pytest.raises(ValueError, match="period 60 s must be one of 300, 900"):
        figures.period_request(figures.TAKERS, "BTCUSDT", period_s=60)
    for limit in (0, 501):
        with pytest.raises(ValueError, match=rf"limit {limit} must lie in \[1, 500\]"):
            figures.period_request(figures.TAKERS, "BTCUSDT", limit=limit)


def test_a_catalogue_decides_what_is_known() -> None:
    """With a catalogue, a recorded reply of another instrument tells nothing; without, its name has to do."""
    reply = body({"symbol": "ETHUSDT", "openInterest": "1", "time": END_MS})
    poll = "binance/open_interest/ETHUSDT"
    assert VENUE.polled_events(poll, reply, TS_RECV, {"BTCUSDT": named("BTCUSDT")}) == []
    assert len(VENUE.polled_events(poll, reply, TS_RECV, {})) == 1
    assert VENUE.polled_events("binance/open_interest/??", reply, TS_RECV, {}) == []


BROKEN: list[tuple[str, str, object, str]] = [
    ("another's interest", "open_interest", {"symbol": "ETHUSDT", "openInterest": "1", "time": END_MS}, "of ETHUSDT"),
    ("no time", "open_interest", {"symbol": "BTCUSDT", "openInterest": "1"}, "`time`"),
    ("negative", "open_interest", {"symbol": "BTCUSDT", "openInterest": "-1", "time": END_MS}, "openInterest"),
    ("another's ratio", "account_ratios/all_accounts", [RATIO | {"symbol": "X", "timestamp": END_MS}], "of X"),
    ("ratio of 2", "account_ratios/all_accounts", [RATIO | {"longAccount": "2", "timestamp": END_MS}], "longAccount"),
    ("more than all", "account_ratios/all_accounts", [RATIO | {"longAccount": "0.9", "timestamp": END_MS}], "= 1, got"),
    ("coin-m's ratio", "account_ratios/all_accounts", [{"pair": "BTCUSD", "longPosition": "0.5"}], "`symbol`"),
    ("seconds", "account_ratios/all_accounts", [RATIO | {"timestamp": END_MS // 1000}], "timestamp"),
    ("no sellers told", "taker_volume", [{"buyVol": "1", "timestamp": END_MS}], "`sellVol`"),
    ("nan bought", "taker_volume", [{"buyVol": "nan", "sellVol": "1", "timestamp": END_MS}], "buyVol"),
    ("refusal", "taker_volume", {"code": -1130, "msg": "invalid startTime"}, "refused: invalid startTime"),
    ("unknown poll", "weather", [], "no poll named binance/weather/BTCUSDT"),
]


@pytest.mark.parametrize(("poll", "reply", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_replies_that_are_none_are_refused(poll: str, reply: object, reason: str) -> None:
    """Figures of another instrument, of another product or of no sense are a FrameError that says which."""
    with pytest.raises(FrameError) as caught:
        VENUE.polled_events(f"binance/{poll}/BTCUSDT", body(reply), TS_RECV, {})
    assert reason in caught.value.message
    assert caught.value.venue == "binance"

"""Bitget's REST calls and replies. Replies are hand-written after the documentation, values made up."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import AccountRatio, BookSnapshot, RatioKind, TakerVolume
from perpscope.model.stream import Channel, Stream
from perpscope.venues.bitget import VENUE, rest

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDT-PERP.BITGET")
MS = 1_790_757_000_000  #: a full five minutes
TS_RECV = (MS + 601_000) * 1_000_000
MINUTES_5 = 300_000
LISTED: Json = {
    "symbol": "BTCUSDT",
    "category": "USDT-FUTURES",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "isRwa": "NO",
    "type": "perpetual",
    "status": "online",
    "pricePrecision": "1",
    "priceMultiplier": "0.1",
    "quantityMultiplier": "0.0001",
    "minOrderQty": "0.0001",
    "minOrderAmount": "5",
    "fundInterval": "8",
    "maxLeverage": "150",
    "symbolType": "crypto",
}


def reply(data: object, code: str = "00000") -> bytes:
    """What every answer looks like."""
    return json.dumps({"code": code, "msg": "success", "requestTime": MS, "data": data}).encode()


def named(symbol: str = "BTCUSDT") -> Instrument:
    """An instrument known by name."""
    instrument = VENUE.instrument_named(symbol)
    assert instrument is not None
    return instrument


def only(row: Json) -> Instrument:
    """The one instrument of a listing."""
    catalogue = VENUE.instruments(reply([row]))
    assert catalogue.after is None
    (instrument,) = catalogue.instruments
    return instrument


def test_an_instrument_has_the_steps_and_terms_of_its_listing() -> None:
    """Steps come from the multipliers, not the precisions; funding interval and leverage come along."""
    assert only(LISTED) == Instrument(
        id=BTC,
        venue="bitget",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.1"),
        step_size=Decimal("0.0001"),
        min_notional=Decimal(5),
        coin="BTC",
        funding_interval_h=8.0,
        max_leverage=150.0,
    )


def test_a_thousand_coins_in_a_base_unit_are_counted() -> None:
    """The base says how many coins it is; names that merely begin with a digit are names."""
    many = only(LISTED | {"symbol": "1000BONKUSDT", "baseCoin": "1000BONK"})
    assert (many.base, many.coin, many.multiplier, many.id) == ("1000BONK", "BONK", 1000, "1000BONK-USDT-PERP.BITGET")
    assert only(LISTED | {"baseCoin": "10000SATS"}).multiplier == 10_000
    assert only(LISTED | {"baseCoin": "1INCH"}).multiplier == 1
    assert only(LISTED | {"baseCoin": "1INCH"}).asset == "1INCH"


@pytest.mark.parametrize(
    ("change", "is_trading", "is_crypto"),
    [
        ({}, True, True),
        ({"status": "limit_open"}, False, True),
        ({"status": "offline"}, False, True),
        ({"symbolType": "stock"}, True, False),
        ({"symbolType": "metal"}, True, False),
        ({"isRwa": "YES"}, True, False),
    ],
    ids=["ordinary", "only-closing", "offline", "stock", "metal", "real-world-asset"],
)
def test_what_does_not_trade_or_is_no_coin_is_marked(change: Json, is_trading: bool, is_crypto: bool) -> None:
    """Halted contracts and those on stocks or metals can be told from the rest."""
    instrument = only(LISTED | change)
    assert (instrument.is_trading, instrument.is_crypto) == (is_trading, is_crypto)


def test_dated_contracts_are_left_out() -> None:
    """Only perpetuals are ours."""
    assert VENUE.instruments(reply([LISTED | {"type": "delivery"}])).instruments == []


def test_turnover_is_in_quote_units() -> None:
    """`turnover24h` is dollars, `volume24h` is not."""
    row = {"symbol": "BTCUSDT", "volume24h": "20843.39", "turnover24h": "1682569476.1"}
    assert VENUE.turnover(reply([row])) == {"BTCUSDT": 1682569476.1}


TIERS = [
    {"tier": "2", "minTierValue": "150000", "maxTierValue": "600000", "leverage": "100", "mmr": "0.005"},
    {"tier": "1", "minTierValue": "0", "maxTierValue": "150000", "leverage": "150", "mmr": "0.004"},
]


def test_margin_tiers_follow_on_one_another() -> None:
    """Lowest first, in dollars of notional; the last has no end, and there is no deduction."""
    assert VENUE.tiers(reply(TIERS), {"BTCUSDT": named()}) == {
        "BTCUSDT": (MarginTier(0.0, 150000.0, 0.004, 150.0), MarginTier(150000.0, None, 0.005, 100.0))
    }
    requests = VENUE.tier_requests([named(), named("ETHUSDT")])
    assert [dict(request.params)["symbol"] for request in requests] == ["BTCUSDT", "ETHUSDT"]


def test_margin_tiers_of_nobody_in_particular_are_refused() -> None:
    """The reply does not say whose they are: with two instruments to choose from, none is guessed."""
    with pytest.raises(FrameError, match="does not say whose"):
        VENUE.tiers(reply(TIERS), {"BTCUSDT": named(), "ETHUSDT": named("ETHUSDT")})
    with pytest.raises(FrameError, match="overlap"):
        VENUE.tiers(reply([TIERS[1], TIERS[1]]), {"BTCUSDT": named()})


def test_a_book_by_rest_carries_its_time_for_an_id() -> None:
    """It can be compared with, but not bridged to: it has no number of the stream's."""
    depth = {"a": [[83004.0, 0.5]], "b": [["83003.7", "1"], ["83003.1", "2"]], "ts": str(MS)}
    book = VENUE.snapshot(reply(depth), named(), TS_RECV)
    expected = BookSnapshot(BTC, MS * 10**6, TS_RECV, MS, [(83003.7, 1.0), (83003.1, 2.0)], [(83004.0, 0.5)])
    assert book == expected
    assert VENUE.snapshot_request(named()) is None
    assert dict(rest.book_request("BTCUSDT").params) == {
        "category": "USDT-FUTURES",
        "symbol": "BTCUSDT",
        "limit": "200",
    }
    with pytest.raises(FrameError, match="`b` falling"):
        VENUE.snapshot(reply(depth | {"b": [["1", "1"], ["2", "1"]]}), named(), TS_RECV)


# --- polls ---


def ratio(kind: str, start_ms: int, long: str = "0.62", short: str = "0.38") -> Json:
    """A row of long and short; the third field is not the quotient it seems."""
    names = {"long": f"long{kind}Ratio", "short": f"short{kind}Ratio", "both": f"longShort{kind}Ratio"}
    return {names["long"]: long, names["short"]: short, names["both"]: "0.0102", "ts": str(start_ms)}


def test_polls_ask_for_each_ratio_and_for_taker_volume() -> None:
    """Three calls an instrument, every five minutes, for five-minute periods; one a second at the most."""
    polls = VENUE.polls([named()], [Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME, Channel.TRADES])
    assert [(poll.name, poll.request.path) for poll in polls] == [
        ("bitget/account_ratio/BTCUSDT", "/api/v3/market/futures-account-long-short"),
        ("bitget/position_ratio/BTCUSDT", "/api/v3/market/futures-position-long-short"),
        ("bitget/taker_volume/BTCUSDT", "/api/v3/market/futures-active-buy-sell"),
    ]
    assert {poll.request.params for poll in polls} == {(("symbol", "BTCUSDT"), ("period", "5m"))}
    assert {poll.every_s for poll in polls} == {300}
    assert polls[2].streams == (Stream(Channel.TAKER_VOLUME, BTC),)
    assert VENUE.weight_per_minute / polls[0].request.weight == 60
    assert VENUE.weight_per_minute / rest.catalogue_request().weight == 1_200


@pytest.mark.parametrize(
    ("poll", "kind", "word"),
    [
        ("bitget/account_ratio/BTCUSDT", RatioKind.ALL_ACCOUNTS, "Account"),
        ("bitget/position_ratio/BTCUSDT", RatioKind.ALL_POSITIONS, "Position"),
    ],
    ids=["accounts", "positions"],
)
def test_ratios_are_stamped_with_the_end_of_their_period(poll: str, kind: RatioKind, word: str) -> None:
    """Rows carry the start; they are told oldest first whatever their order, and only when they are over."""
    rows = [ratio(word, MS + MINUTES_5), ratio(word, MS, "0.5", "0.3"), ratio(word, MS + 2 * MINUTES_5)]
    events = VENUE.polled_events(poll, reply(rows), TS_RECV, {})
    assert events == [
        AccountRatio(BTC, (MS + MINUTES_5) * 10**6, TS_RECV, kind, 300, 0.625),
        AccountRatio(BTC, (MS + 2 * MINUTES_5) * 10**6, TS_RECV, kind, 300, 0.62),
    ]


def test_taker_volume_that_is_still_filling_is_left_out() -> None:
    """The newest row is of the running period: told now, it would be taken for the whole of it."""
    rows = [
        {"buyVolume": "21.4", "sellVolume": "61.8", "ts": str(MS + MINUTES_5)},
        {"buyVolume": "1.1", "sellVolume": "0", "ts": str(MS + 2 * MINUTES_5)},
    ]
    events = VENUE.polled_events("bitget/taker_volume/BTCUSDT", reply(rows), TS_RECV, {"BTCUSDT": named()})
    assert events == [TakerVolume(BTC, (MS + 2 * MINUTES_5) * 10**6, TS_RECV, 300, 21.4, 61.8)]


def test_a_poll_about_an_unknown_instrument_tells_nothing() -> None:
    """With a catalogue, whoever is not in it is nobody; a poll that is none is a fault."""
    good = reply([ratio("Account", MS)])
    assert VENUE.polled_events("bitget/account_ratio/ETHUSDT", good, TS_RECV, {"BTCUSDT": named()}) == []
    with pytest.raises(FrameError, match="no poll"):
        VENUE.polled_events("bitget/funding/BTCUSDT", good, TS_RECV, {})


# --- refusals ---

READERS: list[tuple[str, Callable[[bytes], object], object]] = [
    ("catalogue", VENUE.instruments, [LISTED]),
    ("turnover", VENUE.turnover, [{"symbol": "BTCUSDT", "turnover24h": "1"}]),
    ("tiers", lambda raw: VENUE.tiers(raw, {"BTCUSDT": named()}), TIERS),
    (
        "book",
        lambda raw: VENUE.snapshot(raw, named(), TS_RECV),
        {"a": [["2", "1"]], "b": [["1", "1"]], "ts": str(MS)},
    ),
    (
        "ratios",
        lambda raw: VENUE.polled_events("bitget/account_ratio/BTCUSDT", raw, TS_RECV, {}),
        [ratio("Account", MS)],
    ),
]


@pytest.mark.parametrize(("read", "data"), [case[1:] for case in READERS], ids=[case[0] for case in READERS])
def test_a_refusal_is_told_in_the_venues_words(read: Callable[[bytes], object], data: object) -> None:
    """HTTP says 200 and the reply another code: that is a refusal, whatever else is in it."""
    read(reply(data))
    refused = json.dumps({"code": "40034", "msg": "Parameter does not exist", "data": data}).encode()
    with pytest.raises(FrameError, match=r"refused: Parameter does not exist \(code 40034\)"):
        read(refused)
    for malformed in (b"", b"{}", reply(None), reply([{}]), reply("x"), b"[" * 100_000, b"\xff"):
        with pytest.raises(FrameError, match="we cannot read"):
            read(malformed)


@pytest.mark.parametrize(
    ("field", "value"),
    [("priceMultiplier", "0"), ("quantityMultiplier", "NaN"), ("maxLeverage", "-1"), ("baseCoin", "B-C")],
    ids=["tick-zero", "step-nan", "leverage-negative", "base-with-a-dash"],
)
def test_an_impossible_listing_is_refused(field: str, value: str) -> None:
    """Steps of zero or no number would round every order to nonsense."""
    with pytest.raises(FrameError, match=field):
        VENUE.instruments(reply([LISTED | {field: value}]))


def test_ratios_of_nothing_are_refused() -> None:
    """Neither long nor short is no ratio."""
    with pytest.raises(FrameError, match="ratio > 0"):
        VENUE.polled_events("bitget/account_ratio/BTCUSDT", reply([ratio("Account", MS, "0", "0")]), TS_RECV, {})

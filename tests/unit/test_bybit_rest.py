"""Bybit's REST: calls to make and replies to read. All replies are hand-written after the documentation."""

import json
from decimal import Decimal
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier, TierBasis
from perpscope.model.market import AccountRatio, BookSnapshot, RatioKind
from perpscope.venues.bybit import VENUE, rest
from perpscope.venues.bybit.symbols import instrument_named

Json: TypeAlias = dict[str, object]

TS_RECV = 1_790_757_300_000_000_000
ROW: Json = {
    "symbol": "BTCUSDT",
    "symbolId": 5,
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "deliveryTime": "0",
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "150.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
    "fundingInterval": 240,
    "settleCoin": "USDT",
    "isPreListing": False,
    "preListingInfo": None,
    "symbolType": "",
}


def reply(result: object, **more: object) -> bytes:
    """A reply that is no refusal."""
    return json.dumps(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1_790_757_300_001} | more
    ).encode()


def listing(*rows: Json, cursor: str | None = "") -> bytes:
    """A page of the catalogue."""
    return reply({"category": "linear", "list": rows, "nextPageCursor": cursor})


def only(*rows: Json) -> Instrument:
    """The one instrument of a page."""
    (instrument,) = VENUE.instruments(listing(*rows)).instruments
    return instrument


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


def test_an_instrument_is_as_the_catalogue_says() -> None:
    """Steps, least order, leverage and the funding interval, which comes in minutes."""
    assert only(ROW) == Instrument(
        id=InstrumentId("BTC-USDT-PERP.BYBIT"),
        venue="bybit",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.10"),
        step_size=Decimal("0.001"),
        min_notional=Decimal(5),
        funding_interval_h=4.0,
        max_leverage=150.0,
    )


def test_coins_by_the_thousand_are_known_by_the_catalogue() -> None:
    """`baseCoin` says how many coins one base unit is."""
    pepe = only(ROW | {"symbol": "1000PEPEUSDT", "baseCoin": "1000PEPE"})
    assert (pepe.base, pepe.asset, pepe.multiplier) == ("1000PEPE", "PEPE", 1000)
    assert only(ROW).multiplier == 1


@pytest.mark.parametrize(
    ("kind", "region", "is_crypto"),
    [
        ("", "", True),
        ("innovation", "", True),
        ("adventure", "", True),
        ("stock", "US", False),
        ("commodity", "", False),
        ("forex", "", False),
        ("xstocks", "", False),
        ("something new", "", False),
        ("", "HK", False),
    ],
)
def test_stocks_and_their_like_are_no_coins(kind: str, region: str, is_crypto: bool) -> None:
    """Perpetuals on stocks, metals and currencies are listed among the others; a kind nobody knows is no coin."""
    assert only(ROW | {"symbolType": kind, "marketRegion": region}).is_crypto is is_crypto


def test_contracts_that_are_not_linear_are_left_out() -> None:
    """Inverse ones, and dated ones whose name does not say when they expire."""
    dated = ROW | {"contractType": "LinearFutures", "symbol": "BTC-25DEC26", "quoteCoin": "USDC", "fundingInterval": 0}
    odd = dated | {"symbol": "BTCSOON"}
    inverse = ROW | {"contractType": "InversePerpetual", "symbol": "BTCUSD"}
    future = only(dated, odd, inverse)
    assert future.id == "BTC-USDC-261225.BYBIT"
    assert (future.expiry, future.funding_interval_h) == ("261225", None)


def test_a_halted_contract_does_not_trade() -> None:
    """Only `Trading` is trading."""
    assert not only(ROW | {"status": "PreLaunch"}).is_trading
    assert only(ROW).is_trading


def test_an_interval_that_cannot_be_minutes_is_not_believed() -> None:
    """Eight minutes between fundings are unheard of: the interval is not known, and not guessed at."""
    assert only(ROW | {"fundingInterval": 8}).funding_interval_h is None


def test_the_catalogue_comes_in_pages() -> None:
    """A page says what to ask the next one with, as it is before the client encodes it; the last says nothing."""
    first = VENUE.instruments(listing(ROW, cursor="first%3DBIOUSDT%26last%3DBIOUSDT"))
    assert first.after == "first=BIOUSDT&last=BIOUSDT"
    assert VENUE.instruments(listing(ROW, cursor="")).after is None
    assert VENUE.instruments(listing(ROW, cursor=None)).after is None
    asked = VENUE.catalogue_request(first.after)
    assert dict(asked.params) == {"category": "linear", "limit": "1000", "cursor": "first=BIOUSDT&last=BIOUSDT"}
    assert "cursor" not in dict(VENUE.catalogue_request().params)


@pytest.mark.parametrize(
    "change",
    [
        {"priceFilter": {"tickSize": "0"}},
        {"priceFilter": {"tickSize": "NaN"}},
        {"lotSizeFilter": {"qtyStep": "Infinity"}},
        {"lotSizeFilter": {"qtyStep": "1", "minNotionalValue": "-5"}},
        {"leverageFilter": {"maxLeverage": "0"}},
        {"fundingInterval": -1},
        {"baseCoin": None},
    ],
    ids=["tick 0", "tick nan", "step inf", "least order negative", "leverage 0", "funding negative", "no base"],
)
def test_impossible_instruments_are_refused(change: Json) -> None:
    """A step of zero or not a number would divide or round every order wrongly."""
    with pytest.raises(FrameError, match="cannot read"):
        VENUE.instruments(listing(ROW | change))


def test_a_refusal_is_told_in_the_venues_words() -> None:
    """HTTP 200 with another `retCode` than 0 is a refusal, whatever it carries."""
    refusal = json.dumps({"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "time": 1}).encode()
    asked = [named("BTCUSDT")]
    (poll,) = VENUE.polls(asked, [*VENUE.polled])
    for read in (
        VENUE.instruments,
        VENUE.turnover,
        lambda raw: VENUE.tiers(raw, {}),
        lambda raw: VENUE.snapshot(raw, asked[0], TS_RECV),
        lambda raw: VENUE.polled_events(poll.name, raw, TS_RECV, {}),
    ):
        with pytest.raises(FrameError, match=r"refused: Too many visits! \(code 10006\)"):
            read(refusal)


def test_turnover_is_in_quote_units() -> None:
    """`turnover24h` is money; `volume24h` is coins."""
    rows = [{"symbol": "BTCUSDT", "turnover24h": "1570383121.94", "volume24h": "91705.276"}]
    assert VENUE.turnover(reply({"category": "linear", "list": rows})) == {"BTCUSDT": 1570383121.94}
    assert dict(VENUE.turnover_request().params) == {"category": "linear"}


def tier(cap: str, mmr: str, leverage: str, deduction: str = "", symbol: str = "BTCUSDT") -> Json:
    """A row of a risk-limit reply."""
    return {"id": 1, "symbol": symbol, "riskLimitValue": cap, "maintenanceMargin": mmr, "initialMargin": "0.01"} | {
        "isLowestRisk": 0,
        "maxLeverage": leverage,
        "mmDeduction": deduction,
    }


def test_tiers_are_ordered_and_bounded() -> None:
    """Each tier begins where the one before it ends, the last has no end, and rates are fractions of notional."""
    rows = [
        tier("2600000", "0.005", "100.00", "3400"),
        tier("2000000", "0.0033", "150.00"),
        tier("5000000", "0.01", "50.00", "16400"),
    ]
    raw = reply({"category": "linear", "list": [*rows, tier("1", "0.01", "50", symbol="ETHUSDT")]})
    assert VENUE.tiers(raw, {"BTCUSDT": named("BTCUSDT")}) == {
        "BTCUSDT": (
            MarginTier(0.0, 2_000_000.0, 0.0033, 150.0, 0.0),
            MarginTier(2_000_000.0, 2_600_000.0, 0.005, 100.0, 3_400.0),
            MarginTier(2_600_000.0, None, 0.01, 50.0, 16_400.0),
        )
    }
    assert MarginTier(0.0, None, 0.1, 1.0).basis is TierBasis.NOTIONAL


def test_the_margin_does_not_jump_between_tiers() -> None:
    """The deductions of the example are those that make the margin continuous: floor × the step in the rate, summed."""
    rows = [tier("2000000", "0.0033", "150.00"), tier("2600000", "0.005", "100.00", "3400")]
    first, second = VENUE.tiers(reply({"list": rows}), {"BTCUSDT": named("BTCUSDT")})["BTCUSDT"]
    assert first.cap == second.floor
    assert second.floor * second.mmr - second.deduction == pytest.approx(second.floor * first.mmr)


def test_rates_that_can_only_be_percent_are_divided() -> None:
    """0.5 at 100x would be liquidated on opening: it is half a percent."""
    (only_tier,) = VENUE.tiers(reply({"list": [tier("150", "0.5", "100.00")]}), {"BTCUSDT": named("BTCUSDT")})[
        "BTCUSDT"
    ]
    assert only_tier.mmr == pytest.approx(0.005)


def test_two_tiers_that_end_together_are_refused() -> None:
    """A tier without width would make margin ambiguous."""
    rows = [tier("2000000", "0.0033", "150"), tier("2000000", "0.005", "100")]
    with pytest.raises(FrameError, match="two margin tiers of BTCUSDT"):
        VENUE.tiers(reply({"list": rows}), {"BTCUSDT": named("BTCUSDT")})


def test_tiers_are_asked_for_one_by_one() -> None:
    """A call a symbol, each once: pages without one hold fifteen symbols and say only at their end how to go on."""
    requests = VENUE.tier_requests([named("BTCUSDT"), named("ETHUSDT"), named("BTCUSDT")])
    assert [dict(request.params)["symbol"] for request in requests] == ["BTCUSDT", "ETHUSDT"]
    assert {request.path for request in requests} == {"/v5/market/risk-limit"}


DEPTH: Json = {"s": "BTCUSDT", "b": [["83003.7", "1"], ["83003.6", "2"]], "a": [["83004.0", "0.5"]]} | {
    "ts": 1_790_757_299_990,
    "u": 501,
    "seq": 9,
    "cts": 1_790_757_299_985,
}


def test_a_copy_of_the_book_is_as_of_the_match() -> None:
    """The copy is for comparison: it is no part of the stream, and none is asked for to begin one."""
    btc = named("BTCUSDT")
    assert VENUE.snapshot(reply(DEPTH), btc, TS_RECV) == BookSnapshot(
        btc.id, 1_790_757_299_985_000_000, TS_RECV, 501, [(83003.7, 1.0), (83003.6, 2.0)], [(83004.0, 0.5)]
    )
    assert VENUE.snapshot_request(btc) is None
    assert dict(rest.depth_request("BTCUSDT", 50).params) == {"category": "linear", "symbol": "BTCUSDT", "limit": "50"}
    with pytest.raises(ValueError, match="limit 1001"):
        rest.depth_request("BTCUSDT", 1001)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"s": "ETHUSDT"}, "of ETHUSDT for BTCUSDT"),
        ({"b": [["1", "1"], ["2", "1"]]}, "falling"),
        ({"u": 0}, "result.u"),
    ],
    ids=["another's", "out of order", "no id"],
)
def test_a_wrong_copy_is_refused(change: Json, words: str) -> None:
    """Another instrument's book, or one out of order, is never compared with."""
    with pytest.raises(FrameError, match=words):
        VENUE.snapshot(reply(DEPTH | change), named("BTCUSDT"), TS_RECV)


def ratio(minute: int, long: str, short: str, symbol: str = "BTCUSDT") -> Json:
    """A row of an account-ratio reply, so many minutes after a whole hour."""
    stamp = 1_790_755_200_000 + minute * 60_000
    return {"symbol": symbol, "buyRatio": long, "sellRatio": short, "timestamp": str(stamp)}


def test_account_ratios_are_fractions_of_accounts_oldest_first() -> None:
    """Rows come newest first and are told in the order of time; a row without accounts is no ratio."""
    btc = named("BTCUSDT")
    rows = [ratio(10, "0.5777", "0.4223"), ratio(5, "0", "0"), ratio(0, "0.6", "0.4")]
    raw = reply({"list": rows, "nextPageCursor": ""})
    start = 1_790_755_200_000_000_000
    expected = [
        AccountRatio(btc.id, start, TS_RECV, RatioKind.ALL_ACCOUNTS, 300, 0.6),
        AccountRatio(btc.id, start + 600_000_000_000, TS_RECV, RatioKind.ALL_ACCOUNTS, 300, 0.5777),
    ]
    name = "bybit/account_ratios/BTCUSDT"
    assert VENUE.polled_events(name, raw, TS_RECV, {}) == expected
    assert VENUE.polled_events(name, raw, TS_RECV, {"BTCUSDT": btc}) == expected
    assert VENUE.polled_events(name, raw, TS_RECV, {"ETHUSDT": named("ETHUSDT")}) == []


@pytest.mark.parametrize(
    ("poll", "row", "words"),
    [
        ("bybit/account_ratios/BTCUSDT", ratio(0, "0.5", "0.5", "ETHUSDT"), "ratio of ETHUSDT for BTCUSDT"),
        ("bybit/account_ratios/BTCUSDT", ratio(0, "57.77", "42.23"), "buyRatio"),
        ("bybit/account_ratios/BTCUSDT", ratio(0, "nan", "0.5"), "buyRatio"),
        ("bybit/moon_phase/BTCUSDT", ratio(0, "0.5", "0.5"), "no poll bybit/moon_phase/BTCUSDT"),
    ],
    ids=["another's", "percent", "nan", "no poll of ours"],
)
def test_wrong_ratios_are_refused(poll: str, row: Json, words: str) -> None:
    """A percentage, another instrument's row and an unknown poll never become a ratio."""
    with pytest.raises(FrameError, match=words):
        VENUE.polled_events(poll, reply({"list": [row]}), TS_RECV, {})


def test_a_minutes_calls_fit_into_five_seconds() -> None:
    """600 calls in five seconds are allowed: the burst and what refills in that time leave a fifth of them."""
    burst, refilled = VENUE.weight_per_minute / 4, 5 * 0.75 * VENUE.weight_per_minute / 60
    assert burst + refilled <= 0.8 * 600
    (poll,) = VENUE.polls([named("BTCUSDT")], [*VENUE.polled])
    weights = {poll.request.weight, VENUE.catalogue_request().weight, VENUE.turnover_request().weight}
    assert weights == {1}

"""OKX's REST: calls with their weights, and what replies mean. Replies are hand-written."""

import json
from decimal import Decimal
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier, TierBasis
from perpscope.model.market import AccountRatio, BookSnapshot, RatioKind, TakerVolume
from perpscope.model.stream import Channel, HttpRequest, Stream
from perpscope.venues.okx import VENUE, rest
from perpscope.venues.okx.symbols import CONTRACT_SIZES, instrument_named, other_product, pair_of

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDT-PERP.OKX")
START_MS = 1_790_757_000_000  #: a period of five minutes begins
PERIOD_NS = 300 * 10**9
START_NS = START_MS * 10**6
TS_RECV = START_NS + PERIOD_NS + 7 * 10**9
POLLED = sorted(VENUE.polled, key=lambda channel: channel.value)


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


def body(*rows: object, code: str = "0", msg: str = "") -> bytes:
    """A reply as it comes."""
    return json.dumps({"code": code, "data": rows, "msg": msg}).encode()


def listing(**changes: object) -> Json:
    """A row of the catalogue: PEPE, ten million to a contract."""
    row: Json = {
        "instType": "SWAP",
        "instId": "PEPE-USDT-SWAP",
        "instFamily": "PEPE-USDT",
        "instCategory": "1",
        "ctType": "linear",
        "settleCcy": "USDT",
        "ctVal": "10000000",
        "ctMult": "1",
        "ctValCcy": "PEPE",
        "tickSz": "0.000000001",
        "lotSz": "0.1",
        "lever": "50",
        "state": "live",
    }
    return row | changes


def params(request: HttpRequest) -> Json:
    """A call's parameters."""
    return dict(request.params)


# --- names ---


@pytest.mark.parametrize(
    ("symbol", "pair", "product"),
    [
        ("BTC-USDT-SWAP", ("BTC", "USDT"), None),
        ("1INCH-USDC-SWAP", ("1INCH", "USDC"), None),
        ("BTC-USD-SWAP", None, "inverse"),
        ("BTC-USDT", None, "spot"),
        ("BTC-USDT-261225", None, "dated"),
        ("BTC-USD-261225-90000-P", None, "option"),
        ("BTC-USD_UM-SWAP", None, None),
        ("BTC-EUR-SWAP", None, None),
        ("btc-usdt-swap", None, None),
        ("BTC--SWAP", None, None),
        ("", None, None),
    ],
    ids=["usdt", "usdc", "inverse", "spot", "dated", "option", "um", "euro", "lower-case", "no-quote", "empty"],
)
def test_a_name_says_which_product_it_is(symbol: str, pair: tuple[str, str] | None, product: str | None) -> None:
    """Only linear perpetuals in USDT and USDC are ours, spelled as OKX spells them."""
    assert pair_of(symbol) == pair
    assert other_product(symbol) == product


def test_a_name_is_read_only_with_its_contract_size() -> None:
    """Names whose contract size was never told are not read: their sizes would be a guess."""
    assert named("BTC-USDT-SWAP").contract_size == Decimal("0.01")
    assert named("ETH-USDT-SWAP").id == "ETH-USDT-PERP.OKX"
    assert instrument_named("SOL-USDT-SWAP") is None
    assert all(instrument_named(symbol) is not None for symbol in CONTRACT_SIZES)


# --- the catalogue ---


def test_steps_are_base_units_and_leverage_is_told() -> None:
    """Lots are contracts: a tenth of a contract of ten million coins is a step of one million."""
    (pepe,) = VENUE.instruments(body(listing())).instruments
    assert pepe == Instrument(
        id=InstrumentId("PEPE-USDT-PERP.OKX"),
        venue="okx",
        symbol="PEPE-USDT-SWAP",
        base="PEPE",
        quote="USDT",
        contract_size=Decimal(10_000_000),
        tick_size=Decimal("0.000000001"),
        step_size=Decimal(1_000_000),
        max_leverage=50.0,
    )
    assert (pepe.asset, pepe.multiplier) == ("PEPE", 1)
    assert VENUE.instruments(body()).after is None


@pytest.mark.parametrize(
    "changes",
    [
        {"instId": "PEPE-USD-SWAP", "ctType": "inverse", "settleCcy": "PEPE", "ctVal": "10", "ctValCcy": "USD"},
        {"instId": "PEPE-USDT-261225"},
        {"ctType": "inverse"},
        {"ctValCcy": "USDT"},
        {"settleCcy": "USDC"},
        {"state": "preopen", "ctVal": "", "tickSz": ""},
    ],
    ids=["inverse", "dated", "inverse-type", "counted-in-quote", "settled-otherwise", "without-figures"],
)
def test_what_is_not_a_linear_perpetual_of_ours_is_left_out(changes: Json) -> None:
    """Contracts counted in dollars, dated ones and listings without figures have no size in coins: not listed."""
    assert VENUE.instruments(body(listing(**changes))).instruments == []


def test_what_does_not_trade_or_is_no_coin_is_said() -> None:
    """Suspended contracts stay known; perpetuals on stocks and metals are not crypto."""
    rows = (listing(state="suspend"), listing(instCategory="3"), listing(lever=""))
    suspended, stock, unlevered = VENUE.instruments(body(*rows)).instruments
    assert (suspended.is_trading, suspended.is_crypto) == (False, True)
    assert (stock.is_trading, stock.is_crypto) == (True, False)
    assert unlevered.max_leverage is None


@pytest.mark.parametrize(
    "changes",
    [{"ctVal": "nan"}, {"ctVal": "0"}, {"tickSz": "-1"}, {"lotSz": "x"}, {"ctMult": "1e99"}, {"lever": "inf"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_figure_that_is_none_is_refused(changes: Json) -> None:
    """A contract size of nothing, or of no number, is never taken."""
    with pytest.raises(FrameError, match="PEPE-USDT-SWAP"):
        VENUE.instruments(body(listing(**changes)))


def test_a_catalogue_has_one_page() -> None:
    """Every perpetual comes at once; a second page was never announced."""
    assert params(VENUE.catalogue_request()) == {"instType": "SWAP"}
    with pytest.raises(ValueError, match="one page"):
        VENUE.catalogue_request("2")


# --- turnover, tiers, the book ---


def test_turnover_is_coins_times_price() -> None:
    """OKX tells what was traded in contracts and coins; in dollars it follows. No trade yet is no turnover."""
    rows = [
        {"instId": "BTC-USDT-SWAP", "last": "80000", "vol24h": "5000000", "volCcy24h": "50000"},
        {"instId": "NEW-USDT-SWAP", "last": "", "vol24h": "0", "volCcy24h": "0"},
        {"instId": "BTC-USD-SWAP", "last": "80000", "vol24h": "1", "volCcy24h": "oops"},
    ]
    assert VENUE.turnover(body(*rows)) == {"BTC-USDT-SWAP": 4e9, "NEW-USDT-SWAP": 0.0}
    for wrong in ("nan", "-1", "x", "1e30"):
        with pytest.raises(FrameError, match="BTC-USDT-SWAP"):
            VENUE.turnover(body(rows[0] | {"volCcy24h": wrong}))


def tier(**changes: object) -> Json:
    """A row of the margin tiers."""
    row = {"instFamily": "BTC-USDT", "tier": "1", "minSz": "0", "maxSz": "500", "mmr": "0.004", "maxLever": "100"}
    return row | changes


def test_tiers_are_bounded_in_base_units() -> None:
    """500 contracts of 0.01 are 5 BTC; a tier begins where the one below it ends, and the last has no end."""
    rows = (tier(tier="2", minSz="501", maxSz="1000", mmr="0.01", maxLever="50"), tier(), tier(instFamily="X-USDT"))
    btc = named("BTC-USDT-SWAP")
    assert VENUE.tiers(body(*rows), {btc.symbol: btc}) == {
        btc.symbol: (
            MarginTier(0.0, 5.0, 0.004, 100.0, 0.0, TierBasis.SIZE),
            MarginTier(5.0, None, 0.01, 50.0, 0.0, TierBasis.SIZE),
        )
    }


@pytest.mark.parametrize(
    "changes", [{"mmr": "0"}, {"mmr": "1"}, {"maxSz": "0"}, {"maxLever": "0"}, {"minSz": "nan"}], ids=str
)
def test_an_impossible_tier_is_refused(changes: Json) -> None:
    """A maintenance margin is a fraction, and a tier has a size."""
    with pytest.raises(FrameError):
        VENUE.tiers(body(tier(**changes)), {})


def test_tiers_are_asked_for_five_families_at_a_time() -> None:
    """A call names at most five; each family is asked for once."""
    btc = named("BTC-USDT-SWAP")
    calls = VENUE.tier_requests([btc] * 12)
    assert [str(params(call)["instFamily"]).count("BTC-USDT") for call in calls] == [5, 5, 2]
    assert params(calls[0]) | {"instFamily": ""} == {"instType": "SWAP", "tdMode": "isolated", "instFamily": ""}
    assert VENUE.tier_requests([]) == []


def book(**changes: object) -> Json:
    """A reply's one book."""
    row = {
        "asks": [["101", "200", "0", "1"], ["102", "1", "0", "1"]],
        "bids": [["100", "3", "0", "1"]],
        "ts": str(START_MS),
        "seqId": 77,
    }
    return row | changes


def test_a_book_by_rest_is_for_comparison() -> None:
    """Subscribing brings the book, so none is ever needed; one asked for has the stream's ids, in base units."""
    btc = named("BTC-USDT-SWAP")
    assert VENUE.snapshot_request(btc) is None
    assert params(rest.book_request(btc.symbol)) == {"instId": "BTC-USDT-SWAP", "sz": "400"}
    assert VENUE.snapshot(body(book()), btc, TS_RECV) == BookSnapshot(
        BTC, START_NS, TS_RECV, 77, [(100.0, 0.03)], [(101.0, 2.0), (102.0, 0.01)]
    )
    del (without := book())["seqId"]
    for wrong in (
        body(),
        body(book(), book()),
        body(without),
        body(book(asks=[["101", "1", "0", "1"], ["99", "1", "0", "1"]])),
    ):
        with pytest.raises(FrameError):
            VENUE.snapshot(wrong, btc, TS_RECV)


# --- refusals and weights ---


def test_a_refusal_is_told_in_okxs_words() -> None:
    """A code other than 0 is a refusal, whatever the HTTP status said and whatever `data` holds."""
    for read in (VENUE.instruments, VENUE.turnover):
        with pytest.raises(FrameError, match=r"Instrument ID doesn't exist \(code 51001\)"):
            read(body(listing(), code="51001", msg="Instrument ID doesn't exist"))


@pytest.mark.parametrize(
    ("request_", "allowed_in_2_s"),
    [
        (VENUE.catalogue_request(), 20),
        (VENUE.turnover_request(), 20),
        (VENUE.tier_requests([named("BTC-USDT-SWAP")])[0], 10),
        (rest.book_request("BTC-USDT-SWAP"), 40),
    ],
    ids=["catalogue", "turnover", "tiers", "book"],
)
def test_weights_keep_each_path_within_its_own_limit(request_: HttpRequest, allowed_in_2_s: int) -> None:
    """Spending a quarter of the budget at once and what comes in beside it leaves a fifth of each limit to others."""
    spent_in_2_s = VENUE.weight_per_minute / 4 + VENUE.weight_per_minute * 2 / 60
    assert spent_in_2_s / request_.weight <= 0.8 * allowed_in_2_s


# --- polls ---


def test_each_figure_has_a_call_of_its_own() -> None:
    """Four calls an instrument, under names that tell them apart, each to the documented path; volumes in coins."""
    btc = named("BTC-USDT-SWAP")
    calls = {poll.name: poll for poll in VENUE.polls([btc, btc], POLLED)}
    paths = {name.removeprefix("okx/"): poll.request.path for name, poll in calls.items()}
    assert paths == {
        "account_ratios/all_accounts/BTC-USDT-SWAP": "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract",
        "account_ratios/top_accounts/BTC-USDT-SWAP": (
            "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract-top-trader"
        ),
        "account_ratios/top_positions/BTC-USDT-SWAP": (
            "/api/v5/rubik/stat/contracts/long-short-position-ratio-contract-top-trader"
        ),
        "taker_volume/BTC-USDT-SWAP": "/api/v5/rubik/stat/taker-volume-contract",
    }
    takers = calls["okx/taker_volume/BTC-USDT-SWAP"]
    assert params(takers.request) == {"instId": "BTC-USDT-SWAP", "period": "5m", "limit": "3", "unit": "0"}
    assert takers.streams == (Stream(Channel.TAKER_VOLUME, BTC),)
    assert {poll.every_s for poll in calls.values()} == {300.0}
    assert VENUE.polls([btc], [Channel.TRADES]) == []


def test_takers_sold_before_they_bought() -> None:
    """Rows are `[ts, SELL, BUY]` from the start of a period: stamped at its end, and only once it is over."""
    rows = ([str(START_MS + 300_000), "9", "9"], [str(START_MS), "10", "25.5"], [str(START_MS - 300_000), "1", "2"])
    found = VENUE.polled_events("okx/taker_volume/BTC-USDT-SWAP", body(*rows), TS_RECV, {})
    assert found == [
        TakerVolume(BTC, START_NS, TS_RECV, 300, buy_volume=2.0, sell_volume=1.0),
        TakerVolume(BTC, START_NS + PERIOD_NS, TS_RECV, 300, buy_volume=25.5, sell_volume=10.0),
    ]


@pytest.mark.parametrize(
    "kind", [RatioKind.ALL_ACCOUNTS, RatioKind.TOP_ACCOUNTS, RatioKind.TOP_POSITIONS], ids=lambda kind: kind.value
)
def test_a_ratio_becomes_a_fraction(kind: RatioKind) -> None:
    """Three longs to a short are three quarters; nothing is told of a period that is not over."""
    rows = ([str(START_MS + 300_000), "9"], [str(START_MS), "3"])
    found = VENUE.polled_events(f"okx/account_ratios/{kind.value}/BTC-USDT-SWAP", body(*rows), TS_RECV, {})
    assert found == [AccountRatio(BTC, START_NS + PERIOD_NS, TS_RECV, kind, 300, 0.75)]


def test_a_reply_is_only_taken_for_a_poll_of_ours() -> None:
    """A name that is no poll's is an error, an instrument that is not known has no events, a refusal is one."""
    reply = body([str(START_MS), "3"])
    for nonsense in ("", "okx/taker_volume", "binance/taker_volume/BTC-USDT-SWAP", "okx/account_ratios/BTC-USDT-SWAP"):
        with pytest.raises(FrameError, match="no poll"):
            VENUE.polled_events(nonsense, reply, TS_RECV, {})
    eth = named("ETH-USDT-SWAP")
    name = "okx/account_ratios/all_accounts/BTC-USDT-SWAP"
    assert VENUE.polled_events(name, reply, TS_RECV, {eth.symbol: eth}) == []
    for wrong in (body(["1790757000", "3"]), body([str(START_MS), "nan"]), body([str(START_MS)]), body(code="50011")):
        with pytest.raises(FrameError):
            VENUE.polled_events(name, wrong, TS_RECV, {})

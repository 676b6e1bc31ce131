"""Hyperliquid's REST: what is asked, and what the replies mean. Hand-written after the documentation."""

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import BookSnapshot, PositionSide, PublicPosition
from perpscope.model.stream import HttpRequest
from perpscope.venues.hyperliquid import VENUE, rest
from perpscope.venues.hyperliquid.symbols import instrument_named

Json: TypeAlias = dict[str, object]

MS = 1_790_757_203_001
TS, TS_RECV = MS * 1_000_000, 1_790_757_203_400_000_000
ACCOUNT = "0x" + "a1" * 20
POLL = f"hyperliquid/positions/{ACCOUNT}"

META: Json = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 52},
        {"name": "ATOM", "szDecimals": 2, "maxLeverage": 5, "marginTableId": 5},
        {"name": "LOOM", "szDecimals": 1, "maxLeverage": 3, "marginTableId": 3, "isDelisted": True},
    ],
    "marginTables": [
        [52, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 10}]}],
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ],
    ],
}
POSITION: Json = {"coin": "BTC", "szi": "-0.5", "entryPx": "83000.0", "liquidationPx": "91000.5"} | {
    "leverage": {"type": "cross", "value": 20},
    "marginUsed": "2075.0",
    "positionValue": "41500.0",
}
BOOK: Json = {"coin": "BTC", "time": MS, "levels": [[{"px": "83003", "sz": "2"}], [{"px": "83004", "sz": "3"}]]}


def body(value: object) -> bytes:
    """A reply."""
    return json.dumps(value).encode()


def asked(request: HttpRequest) -> Json:
    """The body of a call, which is all there is to it."""
    assert (request.method, request.path, request.params) == ("POST", "/info", ())
    told: Json = json.loads(request.body or b"")
    return told


def btc() -> Instrument:
    """Bitcoin's perpetual, by name."""
    instrument = instrument_named("BTC")
    assert instrument is not None
    return instrument


def state(*positions: Json) -> bytes:
    """The state of an account."""
    return body({"assetPositions": [{"type": "oneWay", "position": POSITION | one} for one in positions], "time": MS})


def test_calls_are_bodies_with_weights() -> None:
    """Everything is asked of one path, and weighs what the venue says; a fifth of its 1,200 is left to others."""
    assert asked(VENUE.catalogue_request()) == {"type": "meta"}
    assert asked(VENUE.turnover_request()) == {"type": "metaAndAssetCtxs"}
    assert [asked(one) for one in VENUE.tier_requests([btc()])] == [{"type": "meta"}]
    assert VENUE.tier_requests([]) == []
    assert asked(rest.book_request("BTC")) == {"type": "l2Book", "coin": "BTC"}
    weights = [one.weight for one in (VENUE.catalogue_request(), VENUE.turnover_request(), rest.book_request("BTC"))]
    assert weights == [20, 20, 2]
    assert VENUE.weight_per_minute == 960
    with pytest.raises(ValueError, match="one page"):
        VENUE.catalogue_request("more")


def test_the_catalogue_names_steps_and_limits() -> None:
    """Sizes have `szDecimals` places, prices at most 6 less that many; funding is hourly; delisted is not trading."""
    page = VENUE.instruments(body(META))
    assert page.after is None
    listed = {instrument.symbol: instrument for instrument in page.instruments}
    assert list(listed) == ["BTC", "kPEPE", "ATOM", "LOOM"]
    bitcoin = listed["BTC"]
    assert bitcoin.id == "BTC-USDC-PERP.HYPERLIQUID"
    assert [str(one) for one in (bitcoin.tick_size, bitcoin.step_size, bitcoin.min_notional)] == [
        "0.1",
        "0.00001",
        "10",
    ]
    assert (bitcoin.funding_interval_h, bitcoin.max_leverage) == (1.0, 40.0)
    assert bitcoin.contract_size == 1
    assert bitcoin.is_trading
    assert not listed["LOOM"].is_trading
    assert str(listed["kPEPE"].step_size) == "1"


def test_a_thousand_pepe_are_one_base_unit() -> None:
    """`kPEPE` is PEPE on any venue, a thousand at a time; a coin that only begins with K is not."""
    listed = {one.symbol: one for one in VENUE.instruments(body(META)).instruments}
    assert (listed["kPEPE"].base, listed["kPEPE"].asset, listed["kPEPE"].multiplier) == ("kPEPE", "PEPE", 1000)
    assert (listed["BTC"].asset, listed["BTC"].multiplier) == ("BTC", 1)
    kas = instrument_named("KAS")
    assert kas is not None
    assert (kas.asset, kas.multiplier) == ("KAS", 1)


def test_other_exchanges_and_other_money_are_left_out() -> None:
    """Contracts of exchanges built on the venue, or margined in another token, would be priced as what they are not."""
    others = {"universe": [{"name": "xyz:CRWV", "szDecimals": 3, "maxLeverage": 10}]}
    assert VENUE.instruments(body(others)).instruments == []
    assert VENUE.instruments(body(META | {"collateralToken": 235})).instruments == []
    assert len(VENUE.instruments(body(META | {"collateralToken": 0})).instruments) == 4


def test_turnover_is_told_in_the_order_of_the_listing() -> None:
    """The second list of the reply has no names: the n-th day is the n-th contract's."""
    days = [{"dayNtlVlm": f"{number}.5", "markPx": "1"} for number in range(4)]
    assert VENUE.turnover(body([META, days])) == {"BTC": 0.5, "kPEPE": 1.5, "ATOM": 2.5, "LOOM": 3.5}
    with pytest.raises(FrameError, match="3 contexts for 4 contracts"):
        VENUE.turnover(body([META, days[:3]]))


def test_tiers_are_half_the_initial_margin_and_continuous() -> None:
    """The venue's table of BTC: 1.25 % of the first 150 million, 2.5 % of the rest."""
    told = VENUE.tiers(body(META), {"BTC": btc()})
    assert told == {
        "BTC": (
            MarginTier(0.0, 150_000_000.0, 0.0125, 40.0),
            MarginTier(150_000_000.0, None, 0.025, 20.0, 1_875_000.0),
        )
    }
    low, high = told["BTC"]
    assert 150e6 * low.mmr - low.deduction == pytest.approx(150e6 * high.mmr - high.deduction)


def test_deductions_add_up_over_three_tiers() -> None:
    """The documentation's own recursion, for 0-20k at 10x, 20-100k at 5x, above at 3x."""
    rows = [(0, 10), (20_000, 5), (100_000, 3)]
    tiers = [{"lowerBound": str(bound), "maxLeverage": most} for bound, most in rows]
    meta = {
        "universe": [{"name": "BTC", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 60}],
        "marginTables": [[60, {"marginTiers": tiers}]],
    }
    steps = VENUE.tiers(body(meta), {})["BTC"]
    assert [step.mmr for step in steps] == pytest.approx([0.05, 0.1, 1 / 6])
    assert [step.deduction for step in steps] == pytest.approx([0.0, 1000.0, 1000.0 + 100_000 * (1 / 6 - 0.1)])
    assert [(step.floor, step.cap) for step in steps] == [(0.0, 20_000.0), (20_000.0, 100_000.0), (100_000.0, None)]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"marginTableId": 5}, (MarginTier(0.0, None, 0.1, 5.0),)),
        ({}, (MarginTier(0.0, None, 0.025, 20.0),)),
        ({"marginTableId": 77}, None),
    ],
    ids=["implied-by-its-number", "before-tables", "unlisted"],
)
def test_tables_that_are_not_listed(table: Json, expected: tuple[MarginTier, ...] | None) -> None:
    """Below 50 a table's number is its leverage; without any the contract's is; a missing table is not made up."""
    meta = {"universe": [{"name": "BTC", "szDecimals": 2, "maxLeverage": 20} | table]}
    assert VENUE.tiers(body(meta), {}).get("BTC") == expected


def test_a_book_over_rest_is_a_copy() -> None:
    """The copy is compared with the stream's by its time in milliseconds; it is not in its place among the frames."""
    book = VENUE.snapshot(body(BOOK), btc(), TS_RECV)
    assert book == BookSnapshot(btc().id, TS, TS_RECV, MS, [(83003.0, 2.0)], [(83004.0, 3.0)])
    assert not book.is_stream
    assert VENUE.snapshot_request(btc()) is None
    with pytest.raises(FrameError, match="the book of ETH where BTC was asked"):
        VENUE.snapshot(body(BOOK | {"coin": "ETH"}), btc(), TS_RECV)


# --- positions ---


def test_a_position_is_told_with_the_venues_own_liquidation_price() -> None:
    """A negative size is a short; margin and liquidation price are the venue's."""
    assert VENUE.polled_events(POLL, state({}), TS_RECV, {}) == [
        PublicPosition(
            instrument=InstrumentId("BTC-USDC-PERP.HYPERLIQUID"),
            ts_event=TS,
            ts_recv=TS_RECV,
            account=ACCOUNT,
            position_side=PositionSide.SHORT,
            size=0.5,
            entry_price=83000.0,
            leverage=20.0,
            is_cross=True,
            margin_usd=2075.0,
            liquidation_price=91000.5,
        )
    ]


@pytest.mark.parametrize("price", [None, "0.0", "-12.5"], ids=["null", "zero", "below-zero"])
def test_a_position_nothing_would_liquidate_has_no_price(price: str | None) -> None:
    """A price that cannot be reached is no price."""
    (position,) = VENUE.polled_events(POLL, state({"szi": "0.5", "liquidationPx": price}), TS_RECV, {})
    assert isinstance(position, PublicPosition)
    assert position.liquidation_price is None
    assert position.position_side is PositionSide.LONG


def test_isolated_margin_is_told_from_cross() -> None:
    """`rawUsd` beside an isolated leverage is not needed."""
    isolated: Json = {"leverage": {"type": "isolated", "value": 3, "rawUsd": "-100.5"}}
    (position,) = VENUE.polled_events(POLL, state(isolated), TS_RECV, {})
    assert isinstance(position, PublicPosition)
    assert (position.is_cross, position.leverage) == (False, 3.0)


def test_only_positions_of_known_instruments_are_told() -> None:
    """Nothing held, another exchange's coin, and what is not in the catalogue are left out."""
    others = state({"szi": "0.0", "entryPx": None}, {"coin": "xyz:CRWV"}, {"coin": "ETH"})
    assert len(VENUE.polled_events(POLL, others, TS_RECV, {})) == 1
    assert VENUE.polled_events(POLL, others, TS_RECV, {"BTC": btc()}) == []
    assert VENUE.polled_events(POLL, state(), TS_RECV, {}) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"szi": "nan"}, "szi"),
        ({"entryPx": None}, "Expected `entryPx`"),
        ({"entryPx": "0"}, "entryPx"),
        ({"leverage": {"type": "portfolio", "value": 3}}, "type"),
        ({"marginUsed": "-1"}, "marginUsed"),
    ],
    ids=["size", "no-entry", "zero-entry", "margin-mode", "margin"],
)
def test_broken_positions_are_refused(change: Json, at: str) -> None:
    """A position we cannot read is a FrameError that names the field, never half a position."""
    with pytest.raises(FrameError, match=at):
        VENUE.polled_events(POLL, state(change), TS_RECV, {})


def test_a_poll_of_another_name_is_refused() -> None:
    """The account is in the poll's name: a reply under another name is nobody's."""
    with pytest.raises(FrameError, match="no poll is called 'hyperliquid/ratios/BTC'"):
        VENUE.polled_events("hyperliquid/ratios/BTC", state({}), TS_RECV, {})


# --- refusals ---


@pytest.mark.parametrize(
    "raw",
    [
        b"Failed to deserialize the JSON body into the target type",
        b"null",
        b'{"status":"err","response":"no"}',
        b"<html>",
        b"[" * 200_000,
        b"\xff",
    ],
    ids=["words", "null", "error", "page", "nested", "bad-utf8"],
)
def test_replies_of_no_shape_are_refused_with_the_venues_words(raw: bytes) -> None:
    """The venue refuses in plain words; they are repeated, cut, for every call. Keeps S4-33."""
    reads: list[Callable[[], object]] = [
        lambda: VENUE.instruments(raw),
        lambda: VENUE.turnover(raw),
        lambda: VENUE.tiers(raw, {}),
        lambda: VENUE.snapshot(raw, btc(), TS_RECV),
        lambda: VENUE.polled_events(POLL, raw, TS_RECV, {}),
    ]
    for read in reads:
        with pytest.raises(FrameError, match="sent a reply we cannot read") as caught:
            read()
        assert caught.value.venue == "hyperliquid"
        assert repr(raw[:40])[2:-1] in caught.value.message
        assert len(caught.value.message) < 700


@pytest.mark.parametrize(
    "bounds", [[], ["10"], ["0", "20", "10"], ["0", "0"]], ids=["none", "not-from-0", "falling", "twice"]
)
def test_tables_of_no_order_are_refused(bounds: list[str]) -> None:
    """Tiers that do not rise from nothing would give a wrong margin to somebody."""
    table = [[60, {"marginTiers": [{"lowerBound": bound, "maxLeverage": 5} for bound in bounds]}]]
    with pytest.raises(FrameError, match="rising from 0"):
        VENUE.tiers(body(META | {"marginTables": table}), {})

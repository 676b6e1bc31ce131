"""Binance's own SDK for USD-M futures against the lab: its models accept every message, and what they say happened.

The models are generated from Binance's description of its API; where that disagrees with frames captured on the wire,
`docs/lab.md` says who was followed.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from perpscope.model.market import Interval, PositionSide
from tests.peers.meeting import met
from tests.peers.truth import Print, Truth, is_run_of

_WATCHED = "BTC"
_WINDOW_MS = 4000  # REST answers with what has been told so far
_CLOSES = {"SELL": PositionSide.LONG, "BUY": PositionSide.SHORT}


def _prints(rows: list[dict[str, Any]], names: tuple[str, str, str, str]) -> list[Print]:
    time, price, size, is_maker_bid = names
    return [(row[time], float(row[price]), float(row[size]), "sell" if row[is_maker_bid] else "buy") for row in rows]


def _levels(side: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in side]


def _mark(row: dict[str, Any], names: tuple[str, str, str, str], truth: Truth) -> None:
    time, mark, index, rate = names
    event = truth.marks[row[time]]
    assert (float(row[mark]), float(row[index]), float(row[rate])) == (event.mark, event.index, event.funding_rate)


def _liquidations(rows: list[dict[str, Any]], truths: dict[str, Truth]) -> None:
    """Each was one, and at most one of a symbol and second is told."""
    assert rows
    for row in rows:
        order = row["o"]
        happened = truths[order["s"].removesuffix("USDT")].liquidations
        prices = happened[order["T"], float(order["q"]), _CLOSES[order["S"]]]
        assert (float(order["ap"]), float(order["p"])) == pytest.approx(prices)
    told = Counter((row["o"]["s"], row["E"]) for row in rows)
    assert max(told.values()) == 1


def _unknown(found: object) -> list[str]:
    """Fields that the SDK has no name for."""
    if isinstance(found, dict):
        own = [f"{name}: {found}" for name in found.get("additional_properties") or ()]
        return own + [one for value in found.values() for one in _unknown(value)]
    return [one for value in found for one in _unknown(value)] if isinstance(found, list) else []


def _asked(mine: dict[str, Any], truth: Truth) -> None:
    """What REST answered about one symbol."""
    book = mine["book"]
    seen = _levels(book["bids"])[:10], _levels(book["asks"])[:10]
    assert len(book["bids"]) == 50
    assert seen in truth.books([book["T"]], _WINDOW_MS)[book["T"]]
    assert is_run_of(_prints(mine["trades"], ("time", "price", "qty", "isBuyerMaker")), truth.trades)
    assert is_run_of(_prints(mine["agg_trades"], ("T", "p", "q", "m")), truth.trades)
    states = truth.candles(Interval.M1)
    known = [row for row in mine["candles"] if row[0] >= min(states)]  # what was before the start is made up
    assert known
    for row in known:
        assert (*(float(value) for value in row[1:5]), round(float(row[5]), 5)) in states[row[0]]
    _mark(mine["mark"], ("time", "markPrice", "indexPrice", "lastFundingRate"), truth)
    assert float(mine["open_interest"]["openInterest"]) in {round(v, 3) for v in truth.open_interests.values()}
    fundings = {payment.ts // 1_000_000: payment.rate for payment in truth.fundings}
    assert {(row["fundingTime"], float(row["fundingRate"])) for row in mine["fundings"]} <= fundings.items()
    assert len(mine["fundings"]) == 100
    censuses = {census.ts // 1_000_000: census for census in truth.censuses}
    for row in mine["open_interests"]:
        assert float(row["sumOpenInterest"]) == pytest.approx(censuses[row["timestamp"]].open_interest, abs=1e-8)
    for row in mine["account_ratios"]:
        assert float(row["longAccount"]) == pytest.approx(censuses[row["timestamp"]].long_fraction, abs=6e-5)
    for row in mine["taker_volumes"]:
        ended = censuses[row["timestamp"] + 300_000]  # stamped with the beginning of its period
        assert float(row["buyVol"]) == pytest.approx(ended.taker_buy, abs=1e-3)
    quote = mine["quote"]
    assert tuple(float(quote[name]) for name in ("bidPrice", "bidQty", "askPrice", "askQty")) in truth.quotes
    assert float(mine["price"]["price"]) in {price for _, price, _, _ in truth.trades}


def _heard(mine: dict[str, Any], truth: Truth) -> None:
    """What the streams told of one symbol."""
    assert is_run_of(_prints(mine["agg_trades"], ("T", "p", "q", "m")), truth.trades)
    assert all(after["pu"] == before["u"] for before, after in pairwise(mine["diffs"]))
    was = truth.books([row["T"] for row in mine["books"]], 0)
    assert all((_levels(row["b"]), _levels(row["a"])) in was[row["T"]] for row in mine["books"])
    assert {tuple(float(row[name]) for name in "bBaA") for row in mine["quotes"]} <= truth.quotes
    states = truth.candles(Interval.M1)
    for candle in (row["k"] for row in mine["candles"]):
        assert (*(float(candle[n]) for n in "ohlc"), round(float(candle["v"]), 5)) in states[candle["t"]]
    for row in mine["marks"]:
        _mark(row, ("E", "p", "i", "r"), truth)
    prices = {price for _, price, _, _ in truth.trades}
    assert {float(row["c"]) for row in [*mine["tickers"], *mine["mini_tickers"]]} <= prices


async def test_binance_sdk_understands_the_lab() -> None:
    """Protects the lab's Binance: the venue's own models take every reply and message, and what they say is true."""
    meeting = await met("binance-sdk", "binance_sdk", "binance", seconds=2.0)
    rest, streams, truths = meeting.seen["rest"], meeting.seen["streams"], meeting.truth
    assert _unknown(meeting.seen) == []
    for listed in rest["exchange"]["symbols"]:
        instrument = truths[listed["baseAsset"]].instrument
        filters = {row["filterType"]: row for row in listed["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == str(instrument.tick_size)
        assert filters["LOT_SIZE"]["stepSize"] == str(instrument.step_size)
    for base, truth in truths.items():
        _asked(rest[base], truth)
    _heard(streams, truths[_WATCHED])
    _liquidations(streams["every liquidation"], truths)
    _liquidations(streams["liquidations"], {_WATCHED: truths[_WATCHED]})
    for row in (row for rows in streams["every mark"] for row in rows):
        _mark(row, ("E", "p", "i", "r"), truths[row["s"].removesuffix("USDT")])
    opened = {mark.connection.partition("/")[0] for mark in meeting.ledger.marks}
    assert opened == {"market", "public", "private"}

"""ccxt against the lab, pointed there by its own settings: what it understands is what happened.

The lab is written from the venues' documents; ccxt by others, from the same documents and the real exchanges. Where
the two disagree, `docs/lab.md` says who is right.
"""

from itertools import pairwise
from typing import Any

import pytest

from perpscope.lab.dialect import VENUES
from perpscope.model.market import Interval, PositionSide
from tests.peers.meeting import BASES, START_NS, met
from tests.peers.truth import Truth, is_near, is_run_of

_QUOTES = {"hyperliquid": "USDC"}
_START_MS = START_NS // 1_000_000
#: a reply says when it was asked for; on a busy machine the market is told a little later than that, and REST answers
#: with what has been told. So questions are asked of a slower market.
_REST_RATE = 10.0
#: A stream's first frame is dated by the clock as well.
_REST_WINDOW_MS, _STREAM_WINDOW_MS = 10_000, 5000
_LEAST_LEVELS = 5  # of each side; at most ten are compared
# Peculiarities of ccxt 4.5.90, each with its source in docs/lab.md.
#: it reads Bybit's `openInterest`, which is of both sides; `singleOpenInterest` is the one side
_SIDES_COUNTED = {"bybit": 2.0}
#: open interest in contracts, where it is not in base units
_CONTRACTS_COUNTED = {"okx"}
#: funding that was paid is written with six decimals
_ROUNDED = {"bitget": 5.1e-7}
#: past open interest is counted at the end of a period that is named by its beginning
_COUNTED_AFTER_MS = {"okx": 300_000}
#: its "last" is the middle of the best prices
_LAST_IS_MID = {"hyperliquid"}
#: its next funding is reckoned from the clock of the client's machine
_FUNDING_TIME_OWN = {"hyperliquid"}
#: how far from their moment things are stamped, and payments: at Hyperliquid with the time of their block
_STAMPED_WITHIN_MS, _PAID_WITHIN_MS = {"hyperliquid": 100}, {"hyperliquid": 1000}


#: venues whose liquidations ccxt can watch
_LIQUIDATIONS = {"binance", "bybit", "okx"}
#: what it says where a long was closed, if not "sell": it hands on Bybit's `S`, the side of the position
_CLOSES_LONG = {"bybit": "buy"}
#: venues that tell at which price a liquidation was filled; the others tell the bankruptcy price
_FILL_TOLD = {"binance"}
#: books told in the time, where they come at leisure
_LEAST_BOOKS = {"hyperliquid": 10}

#: a user's choice: Bitget's third generation of REST and sockets, which ccxt calls by its unified account
_UNIFIED = {"uta": True}


def _of(*daily: str) -> pytest.MarkDecorator:
    """Every venue, Bitget in both of its dialects; those that are not named come with the soak."""
    every = {**{venue: (venue, {}) for venue in VENUES}, "bitget-unified": ("bitget", _UNIFIED)}
    return pytest.mark.parametrize(
        ("venue", "options"),
        [pytest.param(*what, id=name, marks=[] if name in daily else pytest.mark.soak) for name, what in every.items()],
    )


#: Each venue is met one way every day.
ASKED = _of("hyperliquid", "bitget-unified")
STREAMED = _of("binance", "okx")


def _prints(rows: list[dict[str, Any]], contract_size: float) -> list[tuple[int, float, float, str]]:
    return [
        (row["timestamp"], round(row["price"], 9), round(row["amount"] * contract_size, 9), row["side"]) for row in rows
    ]


def _levels(side: list[list[float]], contract_size: float) -> list[tuple[float, float]]:
    return [(round(level[0], 9), round(level[1] * contract_size, 9)) for level in side]


def _markets(seen: dict[str, Any], truth: dict[str, Truth], venue: str) -> dict[str, float]:
    """Ticks, lots and contract sizes are the lab's; returns the contract sizes by base."""
    found = {market["base"]: market for market in seen["markets"] if market["swap"]}
    assert set(found) == set(truth)
    quote = _QUOTES.get(venue, "USDT")
    for base, market in found.items():
        instrument = truth[base].instrument
        assert market["symbol"] == f"{base}/{quote}:{quote}"
        assert (market["linear"], market["active"]) == (True, True)
        size = market["contractSize"]
        assert size == float(instrument.contract_size)
        assert instrument.step_size is not None
        assert market["precision"]["amount"] * size == pytest.approx(float(instrument.step_size))
        assert instrument.tick_size is not None
        assert market["precision"]["price"] == pytest.approx(float(instrument.tick_size))
    return {base: market["contractSize"] for base, market in found.items()}


def _last(tickers: list[dict[str, Any]], truth: Truth, venue: str) -> None:
    """The price of the last trade is that of a trade."""
    tick = float(truth.instrument.tick_size or 0)
    if venue in _LAST_IS_MID:
        prices = {round((bid + ask) / 2, 9) for bid, _, ask, _ in truth.quotes}
        assert all(is_near(row["last"], prices, tick) for row in tickers)
    else:
        assert {row["last"] for row in tickers} <= {price for _, price, _, _ in truth.trades}


def _candles(rows: list[list[float]], truth: Truth, interval: Interval) -> None:
    """Each row is a state its candle was in; the first minute's too. What was before the start is made up."""
    states = truth.candles(interval)
    known = [row for row in rows if row[0] >= min(states)]
    assert known
    for opened, *prices, volume in known:
        state = (*(round(price, 9) for price in prices), round(volume, 5))
        assert state in states[int(opened)], (opened, *state)


def _books(books: list[dict[str, Any]], truth: Truth, contract_size: float, window_ms: int, after_ms: int) -> None:
    """Each book is one that was, at its own time."""
    assert books
    was = truth.books([book["timestamp"] for book in books], window_ms, after_ms)
    for book in books:
        seen = _levels(book["bids"], contract_size), _levels(book["asks"], contract_size)
        depth = len(seen[0])
        assert depth == len(seen[1]) >= _LEAST_LEVELS
        assert seen in [(bids[:depth], asks[:depth]) for bids, asks in was[book["timestamp"]]], book["timestamp"]


def _mark(row: dict[str, Any], truth: Truth, window_ms: int) -> None:
    """Mark and index are those of one second, the one it tells if it tells one."""
    tick = float(truth.instrument.tick_size or 0)
    told = row["timestamp"]
    near = [m for ms, m in truth.marks.items() if told is None or -1000 < told - ms <= window_ms]
    assert is_near(row["markPrice"], [m.mark for m in near], tick), row
    if row.get("indexPrice") is not None:
        assert is_near(row["indexPrice"], [m.index or 0.0 for m in near], tick), row


def _open_interest(seen: dict[str, Any], truth: Truth, venue: str) -> None:
    """Base units, of one side."""
    sides = _SIDES_COUNTED.get(venue, 1.0)
    if venue in _CONTRACTS_COUNTED:
        sides /= float(truth.instrument.contract_size)
    step = float(truth.instrument.step_size or 0)
    known = [value * sides for value in truth.open_interests.values()]
    assert is_near(seen["open_interest"]["openInterestAmount"], known, step * sides)
    if "open_interest_history" in seen:
        rows = seen["open_interest_history"]
        assert len(rows) > 10
        for row in rows:
            census = truth.open_interests[row["timestamp"] + _COUNTED_AFTER_MS.get(venue, 0)] * sides
            amount, value = row["openInterestAmount"], row["openInterestValue"]
            assert amount is not None or value is not None
            if amount is not None:
                assert amount == pytest.approx(census, abs=step * sides)


def _funding(seen: dict[str, Any], truth: Truth, venue: str) -> None:
    """The rate of the interval at hand, its end, its length, and the payments so far."""
    row = seen["funding"]
    marks = list(truth.marks.values())
    assert is_near(row["fundingRate"], [m.funding_rate or 0.0 for m in marks], 1e-8)
    ends = {(m.ts_next_funding or 0) // 1_000_000 for m in marks}
    assert row["fundingTimestamp"] in ends or venue in _FUNDING_TIME_OWN
    hours = truth.instrument.funding_interval_h
    told = row.get("interval") or seen.get("funding_interval", {}).get("interval")
    assert told in (None, f"{hours:g}h")
    payments = {payment.ts // 1_000_000: payment.rate for payment in truth.fundings}
    assert len(seen["funding_history"]) > 2
    for payment in seen["funding_history"]:
        ms = payment["timestamp"]
        due = [at for at in payments if abs(ms - at) <= _PAID_WITHIN_MS.get(venue, 0)]
        assert payment["fundingRate"] == pytest.approx(payments[due[0]], abs=_ROUNDED.get(venue, 1e-9))


def _account_ratios(rows: list[dict[str, Any]], truth: Truth) -> None:
    """Longs ÷ shorts of all accounts, of hours that were."""
    ratios = {hour.ts // 1_000_000: hour.long_fraction / (1 - hour.long_fraction) for hour in truth.hours}
    assert len(rows) > 5
    for row in rows:
        near = [ratio for ms, ratio in ratios.items() if abs(ms - row["timestamp"]) <= Interval.H1.ns // 1_000_000]
        assert is_near(row["longShortRatio"], near, 2e-3), row


def _tiers(rows: list[dict[str, Any]]) -> None:
    """From nothing upwards without a hole, each stricter than the one before, none liquidated on opening."""
    assert rows[0]["minNotional"] == 0
    for row, following in pairwise(rows):
        assert following["minNotional"] == pytest.approx(row["maxNotional"], rel=1e-4)  # OKX begins one lot further
        assert following["maintenanceMarginRate"] > row["maintenanceMarginRate"]
        assert following["maxLeverage"] < row["maxLeverage"]
    assert all(row["maintenanceMarginRate"] * row["maxLeverage"] < 1 for row in rows)


@ASKED
async def test_ccxt_rest_understands_the_lab(venue: str, options: dict[str, bool]) -> None:
    """Protects the lab's REST, as another reads it: markets, books, trades, candles, marks, open interest, funding."""
    meeting = await met("ccxt", "ccxt_rest", venue, rate=_REST_RATE, options=options)
    seen = meeting.seen
    assert seen["errors"] == {}
    within_ms = _STAMPED_WITHIN_MS.get(venue, 0)
    sizes = _markets(seen, meeting.truth, venue)
    for base in BASES:
        mine, truth = seen[base], meeting.truth[base]
        _last([mine["ticker"]], truth, venue)
        _books([mine["book"]], truth, sizes[base], _REST_WINDOW_MS, within_ms)
        if "trades" in mine:
            assert is_run_of(_prints(mine["trades"], sizes[base]), truth.trades, within_ms)
        _candles(mine["candles"], truth, Interval.M1)
        _candles(mine["candles_15m"], truth, Interval.M15)
        for row in [mine[what] for what in ("mark", "funding") if mine.get(what, {}).get("markPrice")]:
            _mark(row, truth, _REST_WINDOW_MS)
        _open_interest(mine, truth, venue)
        _funding(mine, truth, venue)
        if "account_ratios" in mine:
            _account_ratios(mine["account_ratios"], truth)
        if "tiers" in mine:
            _tiers(mine["tiers"])


def _liquidations(rows: list[dict[str, Any]], truth: Truth, contract_size: float, venue: str) -> None:
    """Each was one: its moment, its size, and the side of the order that closed it."""
    happened = truth.liquidations
    for row in rows:
        closed = PositionSide.LONG if row["side"] == _CLOSES_LONG.get(venue, "sell") else PositionSide.SHORT
        fill, bankruptcy = happened[row["timestamp"], round(row["contracts"] * contract_size, 9), closed]
        assert row["price"] == pytest.approx(fill if venue in _FILL_TOLD else bankruptcy), row


@STREAMED
async def test_ccxt_pro_understands_the_lab(venue: str, options: dict[str, bool]) -> None:
    """Protects the lab's sockets, as another hears them: every trade, books, quotes, candles, marks, liquidations."""
    meeting = await met("ccxt", "ccxt_pro", venue, options=options)
    seen = meeting.seen
    sizes = _markets(seen, meeting.truth, venue)
    liquidations, within_ms = 0, _STAMPED_WITHIN_MS.get(venue, 0)
    for base in BASES:
        mine, truth, size = seen[base], meeting.truth[base], sizes[base]
        assert "errors" not in mine
        assert is_run_of(_prints(mine["trades"], size), truth.trades, within_ms)
        assert len(mine["trades"]) > 100
        _books(mine["books"], truth, size, _STREAM_WINDOW_MS, within_ms)
        assert len(mine["books"]) > _LEAST_BOOKS.get(venue, 100)
        _candles(mine["candles"], truth, Interval.M1)
        _last(mine["tickers"], truth, venue)
        for row in [row for what in ("marks", "tickers") for row in mine.get(what, ()) if row.get("markPrice")]:
            _mark(row, truth, _STREAM_WINDOW_MS)
        for row in mine.get("fundings", ()):
            assert is_near(row["fundingRate"], [m.funding_rate or 0.0 for m in truth.marks.values()], 1e-8)
        _liquidations(mine.get("liquidations", ()), truth, size, venue)
        liquidations += len(mine.get("liquidations", ()))
    _together(seen["together"], meeting.truth, sizes, venue)
    assert liquidations + len(seen["together"].get("liquidations_together", ())) > 0 or venue not in _LIQUIDATIONS


def _together(seen: dict[str, Any], truth: dict[str, Truth], sizes: dict[str, float], venue: str) -> None:
    """What is watched of both symbols by one call."""
    assert "errors" not in seen
    by_symbol = {f"{base}/{_QUOTES.get(venue, 'USDT')}:{_QUOTES.get(venue, 'USDT')}": base for base in truth}
    for quotes in seen.get("quotes", ()):
        for symbol, row in quotes.items():
            base = by_symbol[symbol]
            size = sizes[base]
            quote = (
                row["bid"],
                round(row["bidVolume"] * size, 9),
                row["ask"],
                round(row["askVolume"] * size, 9),
            )
            assert quote in truth[base].quotes, row
    for row in seen.get("liquidations_together", ()):
        _liquidations([row], truth[by_symbol[row["symbol"]]], sizes[by_symbol[row["symbol"]]], venue)

"""Binance's REST: paths, weights, limits and errors.

Out: replies with the weight used so far in `X-MBX-USED-WEIGHT-1M`; beyond the limit 429 with `Retry-After`, and 418 for
whoever goes on all the same. The minute of the limit is a real one.
"""

from collections.abc import Callable, Sequence

import msgspec

from perpscope.lab.allowance import Allowance
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Quotations
from perpscope.lab.wire.binance import asked, limits, replies, statistics
from perpscope.lab.wire.binance.limits import WeightLimit
from perpscope.model.market import Interval

_BAD_REQUEST, _NOT_FOUND, _UNAVAILABLE = 400, 404, 503
_DEPTH_WEIGHTS = ((50, 2), (100, 5), (500, 10), (1000, 20))
_KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_NS_PER_MS = 1_000_000
_DAY_NS = 86_400_000 * _NS_PER_MS
_HOUR_MS = 3_600_000
_USUAL_FUNDING_H = 8.0
_STATISTICS_REACH_NS = 30 * _DAY_NS
_MOST_KLINES, _MOST_TRADES, _MOST_FUNDINGS, _MOST_STATISTICS = 1500, 1000, 1000, 500
_RATIOS = {
    "globalLongShortAccountRatio": "long_fraction",
    "topLongShortAccountRatio": "top_long_fraction",
    "topLongShortPositionRatio": "top_position_long_fraction",
}


class BinanceRest:
    """Answers from the market's quotations."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.budget = WeightLimit()
        self._funding = Allowance(limits.FUNDING_RATE)
        self._statistics = Allowance(limits.STATISTICS_RATE)
        self._routes: dict[str, tuple[Callable[[Call], int], Callable[[Call], bytes]]] = {
            "/fapi/v1/ping": (_one, lambda _: replies.EMPTY),
            "/fapi/v1/time": (_one, lambda _: replies.server_time(quotations.now_ms)),
            "/fapi/v1/exchangeInfo": (_one, self._exchange_info),
            "/fapi/v1/depth": (lambda call: _by_limit(call, _DEPTH_WEIGHTS), self._depth),
            "/fapi/v1/trades": (lambda _: 5, self._trades),
            "/fapi/v1/aggTrades": (lambda _: 20, self._agg_trades),
            "/fapi/v1/klines": (lambda call: _by_limit(call, _KLINE_WEIGHTS), self._klines),
            "/fapi/v1/premiumIndex": (lambda call: _by_symbol(call, 1, 10), self._premium_index),
            "/fapi/v1/ticker/24hr": (lambda call: _by_symbol(call, 1, 40), self._ticker),
            "/fapi/v1/ticker/bookTicker": (lambda call: _by_symbol(call, 2, 5), self._book_ticker),
            "/fapi/v1/ticker/price": (lambda call: _by_symbol(call, 1, 2), self._price),
            "/fapi/v2/ticker/price": (lambda call: _by_symbol(call, 1, 2), self._price),
            "/fapi/v1/openInterest": (_one, self._open_interest),
            "/fapi/v1/fundingRate": (_none, self._funding_rate),
            "/fapi/v1/fundingInfo": (_none, lambda _: statistics.funding_info(quotations.listings)),
            "/futures/data/openInterestHist": (_none, self._open_interest_history),
            "/futures/data/takerlongshortRatio": (_none, self._taker_volumes),
        }
        for which, name in (
            ("mark", "markPriceKlines"),
            ("index", "indexPriceKlines"),
            ("premium", "premiumIndexKlines"),
        ):
            self._routes[f"/fapi/v1/{name}"] = (
                lambda call: _by_limit(call, _KLINE_WEIGHTS),
                lambda call, which=which: self._reference_klines(call, which),  # type: ignore[misc]  # bound now
            )
        for name, whose in _RATIOS.items():
            self._routes[f"/futures/data/{name}"] = (
                _none,
                lambda call, whose=whose: self._ratios(call, whose),  # type: ignore[misc]  # bound now
            )

    # requests ------------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """Reply, or refuse."""
        known = self._routes.get(call.path)
        if known is None or call.method != "GET":
            return Answer(replies.error(-5000, f"Path {call.path}, Method {call.method} is invalid"), _NOT_FOUND)
        weight, reply = known
        try:
            status, wait_s = self._spend(call, weight(call))
            if status != limits.OK:
                return self._refused(status, wait_s)
            body = reply(call)
        except asked.Refused as refused:
            return self._told(refused.body, _BAD_REQUEST)
        return self._told(body, _UNAVAILABLE if body is replies.UNAVAILABLE else limits.OK)

    def throttled(self, wait_s: int) -> Answer:
        """429."""
        return self._refused(limits.TOO_MANY, wait_s)

    def _spend(self, call: Call, weight: int) -> tuple[int, int]:
        """Weight first; the paths without any have counts of their own."""
        spent = self.budget.spend(weight, call.now_s)
        own = None
        if call.path.startswith("/fapi/v1/funding"):
            own = self._funding
        elif call.path.startswith("/futures/data/"):
            own = self._statistics
        if spent[0] == limits.OK and own is not None and not own.take(call.now_s):
            return limits.TOO_MANY, int(own.wait_s(call.now_s)) + 1
        return spent

    def _refused(self, status: int, wait_s: int) -> Answer:
        told = self._told(replies.error(-1003, "Too many requests; slow down."), status)
        return Answer(told.body, status, {**told.headers, "Retry-After": str(wait_s)})

    def _told(self, body: bytes, status: int) -> Answer:
        return Answer(body, status, {"X-MBX-USED-WEIGHT-1M": str(self.budget.used)})

    def _listing(self, call: Call) -> Listing:
        return asked.listing(call, self._quotations.listings)

    def _chosen(self, call: Call) -> Sequence[Listing]:
        return [self._listing(call)] if "symbol" in call.query else self._quotations.listings

    # the market ----------------------------------------------------------------------------------------------------

    def _exchange_info(self, _: Call) -> bytes:
        return replies.exchange_info(self._quotations.listings, self._quotations.now_ms, self.budget.limit)

    def _depth(self, call: Call) -> bytes:
        limit = asked.integer(call, "limit", 500)
        if limit not in (5, 10, 20, 50, 100, 500, 1000):
            raise asked.Refused(-4021, f"Depth limit {limit} not valid.")
        book = self._quotations.stand(self._listing(call).symbol).book
        return replies.depth(book, limit, self._quotations.now_ms) if book.last_update_id else replies.UNAVAILABLE

    def _trades(self, call: Call) -> bytes:
        stand = self._quotations.stand(self._listing(call).symbol)
        return replies.trades(stand.listing, stand.trades[asked.within(call, 500, _MOST_TRADES)])

    def _agg_trades(self, call: Call) -> bytes:
        stand = self._quotations.stand(self._listing(call).symbol)
        has_times = "startTime" in call.query or "endTime" in call.query
        if "fromId" in call.query:
            if has_times:
                raise asked.Refused(-1128, "Combination of optional parameters invalid.")
            limit = min(asked.integer(call, "limit", 500), _MOST_TRADES)
            return replies.agg_trades(stand.listing, stand.trades.from_id(asked.integer(call, "fromId", 0), limit))
        start, end = asked.window(call, self._quotations.now_ms)
        if "startTime" in call.query and "endTime" in call.query and end - start >= _HOUR_MS * _NS_PER_MS:
            raise asked.Refused(-1127, "Lookup interval is too big.")
        chosen = asked.within(call, 500, _MOST_TRADES)
        return replies.agg_trades(stand.listing, stand.trades.between(start, end + _NS_PER_MS, chosen))

    def _klines(self, call: Call) -> bytes:
        listing, interval = self._listing(call), asked.interval(call)
        stretch = self._stretch(call, interval.ns, 500, _MOST_KLINES)
        rows = self._quotations.candles(listing.symbol, interval, *stretch)
        return replies.klines(listing, rows[asked.within(call, 500, _MOST_KLINES)])

    def _stretch(self, call: Call, step_ns: int, default: int, most: int) -> tuple[int, int]:
        return asked.stretch(call, self._quotations, step_ns, default, most)

    def _reference_klines(self, call: Call, which: str) -> bytes:
        listing = asked.listing(call, self._quotations.listings, "pair" if which == "index" else "symbol")
        length = asked.interval_ns(call)
        start, end = asked.window(call, self._quotations.now_ms)
        bars = self._quotations.reference_bars(listing.symbol, which, length)
        rows = [bar for bar in bars if start <= bar.ts_open <= end]
        return replies.reference_klines(rows[asked.within(call, 500, _MOST_KLINES)], length)

    def _premium_index(self, call: Call) -> bytes:
        marks = [(listing, self._quotations.stand(listing.symbol).mark) for listing in self._chosen(call)]
        return _rows(call, [replies.premium_index(listing, mark) for listing, mark in marks if mark is not None])

    def _ticker(self, call: Call) -> bytes:
        now_ms = self._quotations.now_ms
        rows = []
        for listing in self._chosen(call):
            minutes = self._quotations.candles(listing.symbol, Interval.M1)
            day = [row for row in minutes if row.ts_open >= now_ms * _NS_PER_MS - _DAY_NS]
            if day:
                last = self._quotations.stand(listing.symbol).last_trade
                rows.append(replies.ticker_24h(listing, day, now_ms, last.size if last else 0.0))
        return _rows(call, rows)

    def _book_ticker(self, call: Call) -> bytes:
        quotes = [(listing, self._quotations.stand(listing.symbol).quote) for listing in self._chosen(call)]
        return _rows(call, [replies.book_ticker(listing, quote) for listing, quote in quotes if quote is not None])

    def _price(self, call: Call) -> bytes:
        trades = [(listing, self._quotations.stand(listing.symbol).last_trade) for listing in self._chosen(call)]
        return _rows(call, [replies.price(listing, trade) for listing, trade in trades if trade is not None])

    # who holds what ------------------------------------------------------------------------------------------------

    def _open_interest(self, call: Call) -> bytes:
        stand = self._quotations.stand(self._listing(call).symbol)
        return statistics.open_interest(stand, self._quotations.now_ms) if stand.mark else replies.UNAVAILABLE

    def _funding_rate(self, call: Call) -> bytes:
        chosen = self._chosen(call)
        interval_h = chosen[0].instrument.funding_interval_h or _USUAL_FUNDING_H
        stretch = self._stretch(call, int(interval_h * _HOUR_MS) * _NS_PER_MS, 100, _MOST_FUNDINGS)
        rows = [(listing, row) for listing in chosen for row in self._quotations.fundings(listing.symbol, *stretch)]
        rows.sort(key=lambda row: row[1].ts)
        return statistics.funding_rates(rows[asked.within(call, 100, _MOST_FUNDINGS)])

    def _censuses(self, call: Call, lag_ns: int = 0) -> tuple[Listing, Sequence[Census]]:
        """Rows of the window; `lag_ns` earlier is where they are stamped."""
        listing, period_ns = self._listing(call), asked.period_ns(call)
        asked.recent(call, self._quotations.now_ms, _STATISTICS_REACH_NS)
        begin, end = self._stretch(call, period_ns, 30, _MOST_STATISTICS)
        rows = self._quotations.censuses(listing.symbol, period_ns, begin + lag_ns, end + lag_ns)
        return listing, rows[asked.within(call, 30, _MOST_STATISTICS)]

    def _open_interest_history(self, call: Call) -> bytes:
        return statistics.open_interest_history(*self._censuses(call))

    def _ratios(self, call: Call, whose: str) -> bytes:
        return statistics.ratios(*self._censuses(call), whose)

    def _taker_volumes(self, call: Call) -> bytes:
        period_ns = asked.period_ns(call)
        return statistics.taker_volumes(self._censuses(call, period_ns)[1], period_ns)


def _one(_: Call) -> int:
    return 1


def _none(_: Call) -> int:
    return 0


def _by_symbol(call: Call, one: int, every: int) -> int:
    return one if "symbol" in call.query else every


def _by_limit(call: Call, table: Sequence[tuple[int, int]]) -> int:
    limit = asked.integer(call, "limit", 500)
    return next((weight for most, weight in table if limit <= most), table[-1][1])


def _rows(call: Call, rows: Sequence[dict[str, str | int]]) -> bytes:
    """All rows, or the one that was asked for by symbol."""
    if "symbol" not in call.query:
        return msgspec.json.encode(rows)
    return msgspec.json.encode(rows[0]) if rows else replies.UNAVAILABLE

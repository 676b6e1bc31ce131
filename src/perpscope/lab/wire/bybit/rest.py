"""Bybit's REST under /v5/market: paths, pages, limits and errors.

Out: replies with HTTP 200 and a `retCode`; beyond 600 requests in 5 seconds HTTP 403 for ten minutes. On request
(`throttled`) the other limit's words: retCode 10006 with its headers.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Quotations
from perpscope.lab.wire.bybit import replies, tickers
from perpscope.lab.wire.bybit.listings import FUNDING_INTERVAL_H
from perpscope.lab.wire.bybit.payloads import INTERVALS
from perpscope.lab.wire.bybit.replies import Json
from perpscope.model.market import Interval

Row = TypeVar("Row")

_NS_PER_MS = 1_000_000
_MINUTE_NS = 60_000 * _NS_PER_MS
_HOUR_NS = 60 * _MINUTE_NS
_MOST_TRADES = 1000
_LIMIT = Rate(600, 5.0)
_BAN_S = 600.0
_FORBIDDEN, _NOT_FOUND = 403, 404
_WRONG_PARAMETER, _TOO_MANY_VISITS = 10001, 10006
_CATEGORIES = ("linear", "inverse", "spot", "option")
_MINUTES = {"1": 1, "3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "360": 360, "720": 720}
_MINUTES |= {"D": 1440}
_PERIODS = {"5min": 5, "15min": 15, "30min": 30, "1h": 60, "4h": 240, "1d": 1440}
_CANDLES = {name: interval for interval, name in INTERVALS.items()}
_RISK_PAGE = 15


class _Refused(Exception):
    """A request that makes no sense to the venue."""


class BybitRest:
    """Answers from the market's quotations."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.budget = Allowance(_LIMIT)
        self._banned_until_s = 0.0
        self._routes: dict[str, Callable[[Call], Json]] = {
            "time": self._time,
            "instruments-info": self._instruments,
            "orderbook": self._orderbook,
            "tickers": self._tickers,
            "kline": self._klines,
            "mark-price-kline": lambda call: self._reference_klines(call, "mark"),
            "index-price-kline": lambda call: self._reference_klines(call, "index"),
            "premium-index-price-kline": lambda call: self._reference_klines(call, "premium"),
            "recent-trade": self._trades,
            "open-interest": self._open_interest,
            "account-ratio": self._account_ratio,
            "funding/history": self._fundings,
            "risk-limit": self._risk_limits,
        }

    # requests ------------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """Reply, or refuse."""
        if call.now_s >= self._banned_until_s and not self.budget.take(call.now_s):
            self._banned_until_s = call.now_s + _BAN_S
        if call.now_s < self._banned_until_s:
            return Answer(b"access too frequent", _FORBIDDEN)
        reply = self._routes.get(call.path.removeprefix("/v5/market/"))
        if reply is None or not call.path.startswith("/v5/market/") or call.method != "GET":
            return Answer(b"404 page not found", _NOT_FOUND)
        now_ms = self._quotations.now_ms
        try:
            return Answer(replies.wrapped(reply(call), now_ms))
        except _Refused as refused:
            return Answer(replies.error(_WRONG_PARAMETER, str(refused), now_ms))

    def throttled(self, wait_s: int) -> Answer:
        """What a user over its own limit is told: 10006, and when the limit is reset."""
        now_ms = self._quotations.now_ms
        headers = {
            "X-Bapi-Limit": str(self.budget.limit),
            "X-Bapi-Limit-Status": "0",
            "X-Bapi-Limit-Reset-Timestamp": str(now_ms + 1000 * wait_s),
        }
        said = "Too many visits. Exceeded the API Rate Limit."
        return Answer(replies.error(_TOO_MANY_VISITS, said, now_ms), headers=headers)

    def _time(self, _: Call) -> Json:
        now_ms = self._quotations.now_ms
        return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * _NS_PER_MS)}

    # the market ----------------------------------------------------------------------------------------------------

    def _instruments(self, call: Call) -> Json:
        chosen = [] if call.query.get("status") == "PreLaunch" else self._chosen(call)
        page, cursor = _page(call, chosen, 500, 1000)
        rows = [replies.instrument(listing) for listing in page]
        return {"category": _category(call), "list": rows, "nextPageCursor": cursor}

    def _orderbook(self, call: Call) -> Json:
        limit = min(max(1, _integer(call, "limit", 25)), 1000)
        return replies.orderbook(self._quotations.stand(self._listing(call).symbol), limit, self._quotations.now_ms)

    def _tickers(self, call: Call) -> Json:
        rows = []
        for listing in self._chosen(call):
            minutes = self._quotations.candles(listing.symbol, Interval.M1)
            told = minutes and tickers.fields(self._quotations.stand(listing.symbol), tickers.Day(minutes), "")
            if told:
                rows.append(replies.ticker(listing.symbol, told))
        return {"category": _category(call), "list": rows}

    def _klines(self, call: Call) -> Json:
        listing = self._listing(call)
        interval = _CANDLES.get(call.query.get("interval", ""))
        if interval is None:
            raise _Refused("Not supported interval")
        stretch, limit = self._stretch(call, interval.ns, 200, 1000, ("start", "end"))
        rows = self._quotations.candles(listing.symbol, interval, *stretch)[::-1][:limit]
        listed = [replies.kline(listing, row) for row in rows]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed}

    def _reference_klines(self, call: Call, which: str) -> Json:
        listing = self._listing(call)
        minutes = _MINUTES.get(call.query.get("interval", ""))
        if minutes is None:
            raise _Refused("Not supported interval")
        (begin, end), limit = self._stretch(call, minutes * _MINUTE_NS, 200, 1000, ("start", "end"))
        bars = self._quotations.reference_bars(listing.symbol, which, minutes * _MINUTE_NS)
        rows = [bar for bar in reversed(bars) if begin <= bar.ts_open < end][:limit]
        listed = [replies.reference_kline(listing, row, which) for row in rows]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed}

    def _trades(self, call: Call) -> Json:
        stand = self._quotations.stand(self._listing(call).symbol)
        newest = stand.trades[-min(max(1, _integer(call, "limit", 500)), _MOST_TRADES) :]
        rows = [replies.trade(stand.listing, trade) for trade in reversed(newest)]
        return {"category": _category(call), "list": rows}

    # who holds what ------------------------------------------------------------------------------------------------

    def _open_interest(self, call: Call) -> Json:
        listing = self._listing(call)
        page, cursor = self._censuses(call, listing, "intervalTime", 200)
        listed = [replies.open_interest(listing, row) for row in page]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed, "nextPageCursor": cursor}

    def _account_ratio(self, call: Call) -> Json:
        listing = self._listing(call)
        page, cursor = self._censuses(call, listing, "period", 500)
        return {"list": [replies.account_ratio(listing, row) for row in page], "nextPageCursor": cursor}

    def _censuses(self, call: Call, listing: Listing, period: str, most: int) -> tuple[Sequence[Census], str]:
        """A page of the rows between two times, newest first, and the cursor of what follows."""
        period_ns = _period_ns(call, period)
        stretch, _ = self._stretch(call, period_ns, 50, most, ("startTime", "endTime"), _cursor(call))
        return _page(call, self._quotations.censuses(listing.symbol, period_ns, *stretch)[::-1], 50, most)

    def _fundings(self, call: Call) -> Json:
        if "startTime" in call.query and "endTime" not in call.query:
            raise _Refused("params error: startTime must be used with endTime")
        listing = self._listing(call)
        every_ns = int((listing.instrument.funding_interval_h or FUNDING_INTERVAL_H) * _HOUR_NS)
        stretch, limit = self._stretch(call, every_ns, 200, 200, ("startTime", "endTime"))
        rows = self._quotations.fundings(listing.symbol, *stretch)[::-1][:limit]
        return {"category": _category(call), "list": [replies.funding(listing, row) for row in rows]}

    def _risk_limits(self, call: Call) -> Json:
        page, cursor = _page(call, self._chosen(call), _RISK_PAGE, _RISK_PAGE)
        rows = replies.risk_limits(page, self._quotations.listings)
        return {"category": _category(call), "list": rows, "nextPageCursor": cursor}

    # parameters ----------------------------------------------------------------------------------------------------

    def _stretch(
        self, call: Call, step_ns: int, default: int, most: int, names: tuple[str, str], skipped: int = 0
    ) -> tuple[tuple[int, int], int]:
        """The times [from, to) that the newest rows asked for lie in, and one row more; and how many are asked for.

        Rows come each `step_ns`, on its multiples; both times of a call are included.
        """
        limit = min(max(1, _integer(call, "limit", default)), most)
        end = min(self._quotations.ts_told, _integer(call, names[1], 2**63 // _NS_PER_MS) * _NS_PER_MS) + _NS_PER_MS
        newest = end // step_ns * step_ns
        first = _integer(call, names[0], 0) * _NS_PER_MS
        return (max(first, self._quotations.ts_oldest, newest - (skipped + limit + 1) * step_ns), end), limit

    def _listing(self, call: Call) -> Listing:
        if "symbol" not in call.query:
            raise _Refused("params error: symbol is required")
        chosen = self._chosen(call)
        if not chosen:
            raise _Refused("params error: symbol invalid")
        return chosen[0]

    def _chosen(self, call: Call) -> Sequence[Listing]:
        """What is listed in the category: only linear contracts are traded here."""
        if _category(call) != "linear":
            return []
        symbol = call.query.get("symbol")
        listings = self._quotations.listings
        chosen = [known for known in listings if symbol in (None, known.symbol)]
        if symbol is not None and not chosen:
            raise _Refused("params error: symbol invalid")
        return chosen


def _category(call: Call) -> str:
    category = call.query.get("category", "linear")
    if category not in _CATEGORIES:
        raise _Refused("params error: category invalid")
    return category


def _integer(call: Call, name: str, default: int) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise _Refused(f"params error: {name} invalid")
    return int(text)


def _period_ns(call: Call, name: str) -> int:
    minutes = _PERIODS.get(call.query.get(name, ""))
    if minutes is None:
        raise _Refused(f"params error: {name} invalid")
    return minutes * _MINUTE_NS


def _cursor(call: Call) -> int:
    """It counts rows."""
    return _integer(call, "cursor", 0) if call.query.get("cursor") else 0


def _page(call: Call, rows: Sequence[Row], default: int, most: int) -> tuple[Sequence[Row], str]:
    """The rows after the cursor, and the cursor of what follows; empty at the end."""
    begin = _cursor(call)
    end = begin + min(max(1, _integer(call, "limit", default)), most)
    return rows[begin:end], str(end) if end < len(rows) else ""

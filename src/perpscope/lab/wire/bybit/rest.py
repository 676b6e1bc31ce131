"""Bybit's REST under /v5/market: paths, pages, limits and errors.

Out: replies with HTTP 200 and a `retCode`; beyond 600 requests in 5 seconds HTTP 403 for ten minutes. On request
(`throttled`) the other limit's words: retCode 10006 with its headers.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bybit import replies, tickers
from perpscope.lab.wire.bybit.payloads import INTERVALS
from perpscope.lab.wire.bybit.replies import Json
from perpscope.model.market import Interval

Row = TypeVar("Row")

_NS_PER_MS = 1_000_000
_MINUTE_NS = 60_000 * _NS_PER_MS
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
        rows = _newest(call, self._quotations.candles(listing.symbol, interval), lambda row: row.ts_open, 200, 1000)
        listed = [replies.kline(listing, row) for row in rows]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed}

    def _reference_klines(self, call: Call, which: str) -> Json:
        listing = self._listing(call)
        minutes = _MINUTES.get(call.query.get("interval", ""))
        if minutes is None:
            raise _Refused("Not supported interval")
        bars = self._quotations.reference_bars(listing.symbol, which, minutes * _MINUTE_NS)
        rows = _newest(call, bars, lambda bar: bar.ts_open, 200, 1000)
        listed = [replies.reference_kline(listing, row, which) for row in rows]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed}

    def _trades(self, call: Call) -> Json:
        stand = self._quotations.stand(self._listing(call).symbol)
        limit = min(max(1, _integer(call, "limit", 500)), 1000)
        rows = [replies.trade(stand.listing, trade) for trade in reversed(stand.trades)][:limit]
        return {"category": _category(call), "list": rows}

    # who holds what ------------------------------------------------------------------------------------------------

    def _open_interest(self, call: Call) -> Json:
        listing = self._listing(call)
        rows = self._quotations.censuses(listing.symbol, _period_ns(call, "intervalTime"))
        within = _newest(call, rows, lambda row: row.ts, None, None, ("startTime", "endTime"))
        page, cursor = _page(call, within, 50, 200)
        listed = [replies.open_interest(listing, row) for row in page]
        return {"category": _category(call), "symbol": listing.symbol, "list": listed, "nextPageCursor": cursor}

    def _account_ratio(self, call: Call) -> Json:
        listing = self._listing(call)
        rows = self._quotations.censuses(listing.symbol, _period_ns(call, "period"))
        within = _newest(call, rows, lambda row: row.ts, None, None, ("startTime", "endTime"))
        page, cursor = _page(call, within, 50, 500)
        return {"list": [replies.account_ratio(listing, row) for row in page], "nextPageCursor": cursor}

    def _fundings(self, call: Call) -> Json:
        if "startTime" in call.query and "endTime" not in call.query:
            raise _Refused("params error: startTime must be used with endTime")
        listing = self._listing(call)
        rows = self._quotations.fundings(listing.symbol)
        within = _newest(call, rows, lambda row: row.ts, 200, 200, ("startTime", "endTime"))
        return {"category": _category(call), "list": [replies.funding(listing, row) for row in within]}

    def _risk_limits(self, call: Call) -> Json:
        page, cursor = _page(call, self._chosen(call), _RISK_PAGE, _RISK_PAGE)
        rows = replies.risk_limits(page, self._quotations.listings)
        return {"category": _category(call), "list": rows, "nextPageCursor": cursor}

    # parameters ----------------------------------------------------------------------------------------------------

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


def _newest(
    call: Call,
    rows: Sequence[Row],
    ts: Callable[[Row], int],
    default: int | None,
    most: int | None,
    names: tuple[str, str] = ("start", "end"),
) -> Sequence[Row]:
    """Rows between two times, both included, newest first; `limit` of them at most, where there is one."""
    first = _integer(call, names[0], 0) * _NS_PER_MS
    last = _integer(call, names[1], 2**63 // _NS_PER_MS) * _NS_PER_MS
    within = [row for row in reversed(rows) if first <= ts(row) <= last]
    return within if default is None else within[: min(_integer(call, "limit", default), most or default)]


def _page(call: Call, rows: Sequence[Row], default: int, most: int) -> tuple[Sequence[Row], str]:
    """The rows after the cursor, and the cursor of what follows; empty at the end. It counts rows."""
    begin = _integer(call, "cursor", 0) if call.query.get("cursor") else 0
    end = begin + min(max(1, _integer(call, "limit", default)), most)
    return rows[begin:end], str(end) if end < len(rows) else ""

"""The exchange's REST side: what the market is, asked for once.

In: GET requests. Out: Binance's replies, with the weight used so far in `X-MBX-USED-WEIGHT-1M`; beyond the limit 429
with `Retry-After`, and 418 for whoever goes on all the same. The minute of the limit is a real one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from perpscope.lab.book import LabBook
from perpscope.lab.clock import NS_PER_MS, LabClock, real_seconds
from perpscope.lab.ledger import Ledger
from perpscope.lab.wire.binance import replies
from perpscope.lab.wire.binance.payloads import Listing
from perpscope.model.market import Candle, Interval, MarkPrice

_OK, _BAD_REQUEST, _TOO_MANY, _BANNED, _UNAVAILABLE = 200, 400, 429, 418, 503
_DEPTH_WEIGHTS = ((50, 2), (100, 5), (500, 10), (1000, 20))
_KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_PATIENCE = 10  # requests after a 429 that are still answered 429; chosen by hand
_BAN_S = 120
_MINUTE_S = 60.0
_DAY_NS = 86_400_000_000_000


class Quotations(Protocol):
    """What the exchange can say about its market at this moment."""

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        ...

    def book(self, symbol: str) -> LabBook | None:
        """The book as published so far; None while it is not known."""
        ...

    def candles(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """Oldest first, the forming one last."""
        ...

    def mark(self, symbol: str) -> MarkPrice | None:
        """The newest mark price; None before there is one."""
        ...


class WeightLimit:
    """Request weight used in this real minute, and what becomes of those who exceed it."""

    def __init__(self, limit: int = replies.WEIGHT_LIMIT_1M) -> None:
        self.limit = limit
        self.used = 0
        self._minute_ends_s = 0.0
        self._refused = 0
        self._banned_until_s = 0.0

    def spend(self, weight: int) -> tuple[int, int]:
        """Account for a request: the status to answer with, and seconds to wait where it is a refusal."""
        now = real_seconds()
        if now < self._banned_until_s:
            return _BANNED, int(self._banned_until_s - now) + 1
        if now >= self._minute_ends_s:
            self.used, self._refused, self._minute_ends_s = 0, 0, now + _MINUTE_S
        self.used += weight
        if self.used <= self.limit:
            return _OK, 0
        self._refused += 1
        if self._refused > _PATIENCE:
            self._banned_until_s = now + _BAN_S
            return _BANNED, _BAN_S
        return _TOO_MANY, int(self._minute_ends_s - now) + 1


class _RefusedRequest(Exception):
    """A request the venue refuses."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = replies.error(code, message)


class LabRest:
    """Binance's REST side on loopback.

    Args:
        clock: market time, stamped into replies and served at `/lab/clock`.
        quotations: the market.
        ledger: where requests are counted.
        weight_limit: weight allowed per real minute.
    """

    def __init__(
        self, clock: LabClock, quotations: Quotations, ledger: Ledger, weight_limit: int = replies.WEIGHT_LIMIT_1M
    ) -> None:
        self._clock = clock
        self._quotations = quotations
        self._ledger = ledger
        self.weight = WeightLimit(weight_limit)
        self._delay_s = 0.0
        self._failure: tuple[int, bytes] | None = None
        self._runner: web.AppRunner | None = None
        self._replies: dict[str, tuple[Callable[[web.Request], int], Callable[[web.Request], bytes]]] = {
            "/fapi/v1/ping": (lambda _: 1, lambda _: replies.EMPTY),
            "/fapi/v1/time": (lambda _: 1, lambda _: replies.server_time(self._now_ms())),
            "/fapi/v1/exchangeInfo": (lambda _: 1, self._exchange_info),
            "/fapi/v1/depth": (lambda asked: _weight(asked, _DEPTH_WEIGHTS), self._depth),
            "/fapi/v1/klines": (lambda asked: _weight(asked, _KLINE_WEIGHTS), self._klines),
            "/fapi/v1/premiumIndex": (lambda asked: 1 if "symbol" in asked.query else 10, self._premium_index),
            "/fapi/v1/ticker/24hr": (lambda asked: 1 if "symbol" in asked.query else 40, self._ticker),
        }

    # life and faults -----------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.router.add_get("/lab/clock", self._anchor)
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound: tuple[str, int] = self._runner.addresses[0]
        return f"http://{host}:{bound[1]}"

    async def aclose(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def delay(self, seconds: float) -> None:
        """Answer every request so many real seconds later; 0 to end it."""
        self._delay_s = seconds

    def fail(self, status: int | None, body: bytes = b"") -> None:
        """Answer every request with this status and body; None to end it."""
        self._failure = None if status is None else (status, body)

    # requests ------------------------------------------------------------------------------------------------------

    async def _anchor(self, _: web.Request) -> web.Response:
        return _json(msgspec.json.encode(self._clock.anchor()))

    async def _serve(self, request: web.Request) -> web.Response:
        self._ledger.requests[request.path] += 1
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        if self._failure is not None:
            return _json(self._failure[1], self._failure[0])
        known = self._replies.get(request.path)
        if known is None:
            return _json(replies.error(-5000, f"Path {request.path}, Method GET is invalid"), 404)
        weight, reply = known
        try:
            status, wait_s = self.weight.spend(weight(request))
            body = reply(request) if status == _OK else replies.error(-1003, "Too many requests; slow down.")
        except _RefusedRequest as refused:
            status, wait_s, body = _BAD_REQUEST, 0, refused.body
        if body is replies.UNAVAILABLE:
            status = _UNAVAILABLE
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.weight.used)}
        return _json(body, status, headers | ({"Retry-After": str(wait_s)} if wait_s else {}))

    def _now_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS

    def _listing(self, request: web.Request) -> Listing:
        symbol = request.query.get("symbol")
        if symbol is None:
            raise _RefusedRequest(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        for listing in self._quotations.listings:
            if listing.symbol == symbol:
                return listing
        raise _RefusedRequest(-1121, "Invalid symbol.")

    def _chosen(self, request: web.Request) -> Sequence[Listing]:
        return [self._listing(request)] if "symbol" in request.query else self._quotations.listings

    def _exchange_info(self, _: web.Request) -> bytes:
        return replies.exchange_info(self._quotations.listings, self._now_ms(), self.weight.limit)

    def _depth(self, request: web.Request) -> bytes:
        limit = _integer(request, "limit", 500)
        if limit not in (5, 10, 20, 50, 100, 500, 1000):
            raise _RefusedRequest(-4021, f"Depth limit {limit} not valid.")
        book = self._quotations.book(self._listing(request).symbol)
        return replies.UNAVAILABLE if book is None else replies.depth(book, limit, self._now_ms())

    def _klines(self, request: web.Request) -> bytes:
        listing = self._listing(request)
        try:
            interval = Interval(request.query.get("interval", ""))
        except ValueError:
            raise _RefusedRequest(-1120, "Invalid interval.") from None
        start = _integer(request, "startTime", 0) * NS_PER_MS
        end = _integer(request, "endTime", self._now_ms()) * NS_PER_MS
        limit = _integer(request, "limit", 500)
        rows = [row for row in self._quotations.candles(listing.symbol, interval) if start <= row.ts_open <= end]
        return replies.klines(listing, rows[:limit] if "startTime" in request.query else rows[-limit:])

    def _premium_index(self, request: web.Request) -> bytes:
        marks = [(listing, self._quotations.mark(listing.symbol)) for listing in self._chosen(request)]
        rows = [replies.premium_index(listing, mark) for listing, mark in marks if mark is not None]
        return _rows(request, rows)

    def _ticker(self, request: web.Request) -> bytes:
        since = self._clock.now_ns() - _DAY_NS
        rows = []
        for listing in self._chosen(request):
            day = [row for row in self._quotations.candles(listing.symbol, Interval.M1) if row.ts_open >= since]
            if day:
                rows.append(replies.ticker_24h(listing, day, self._now_ms()))
        return _rows(request, rows)


def _rows(request: web.Request, rows: Sequence[dict[str, str | int]]) -> bytes:
    """All rows, or the one that was asked for by symbol."""
    if "symbol" not in request.query:
        return msgspec.json.encode(rows)
    return msgspec.json.encode(rows[0]) if rows else replies.UNAVAILABLE


def _weight(request: web.Request, table: Sequence[tuple[int, int]]) -> int:
    limit = _integer(request, "limit", 500)
    return next((weight for most, weight in table if limit <= most), table[-1][1])


def _integer(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise _RefusedRequest(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


def _json(body: bytes, status: int = _OK, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)

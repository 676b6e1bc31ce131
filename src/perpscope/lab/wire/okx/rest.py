"""OKX's REST under /api/v5: paths, pages, limits and errors of the public data.

Out: `{code, msg, data}`; an error is a code other than "0", with HTTP 200 or 400. Each path has a limit of its own,
some of them per instrument; who asks more often gets 50011 with HTTP 429. Accounts are not there: their paths ask for a
key, whatever they are given, as keys travel in headers, which the lab does not read.
"""

from collections.abc import Callable, Sequence
from itertools import islice, takewhile

import msgspec

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.okx import asked, bars, payloads, rows
from perpscope.lab.wire.okx.asked import Refused
from perpscope.lab.wire.okx.listings import index_name, tiers
from perpscope.lab.wire.okx.matches import Matches
from perpscope.lab.wire.okx.rows import KIND, Json
from perpscope.lab.wire.okx.rubik import Rubik
from perpscope.model.market import MarkPrice

_PREFIX = "/api/v5/"
_OF_ACCOUNTS = ("account/", "asset/", "trade/", "users/")
_NS_PER_MS = 1_000_000
_LIQUIDATIONS_LATE_NS = 69 * 60_000 * _NS_PER_MS  # the newest that was seen by REST, of any probe
_MOST_FAMILIES = 5
_MOST_BARS = 300
_UNAUTHORISED, _NOT_FOUND, _WRONG_METHOD, _TOO_MANY = 401, 404, 405, 429
_NO_SUCH_PATH = {"code": 404, "data": {}, "detailMsg": "", "error_code": "404", "error_message": "Not Found"}
_EVERYTHING = Rate(10_000, 2.0)  # over all paths: not the venue's, but for tests to lower
_RATES = {
    "public/time": Rate(10, 2.0),
    "public/instruments": Rate(20, 2.0),
    "public/underlying": Rate(20, 2.0),
    "public/mark-price": Rate(10, 2.0),
    "public/funding-rate": Rate(10, 2.0),
    "public/funding-rate-history": Rate(10, 2.0),
    "public/open-interest": Rate(20, 2.0),
    "public/position-tiers": Rate(10, 2.0),
    "public/liquidation-orders": Rate(40, 2.0),
    "market/tickers": Rate(20, 2.0),
    "market/ticker": Rate(20, 2.0),
    "market/index-tickers": Rate(20, 2.0),
    "market/books": Rate(40, 2.0),
    "market/books-rpi": Rate(40, 2.0),
    "market/books-full": Rate(10, 2.0),
    "market/trades": Rate(100, 2.0),
    "market/history-trades": Rate(20, 2.0),
    "market/candles": Rate(40, 2.0),
    "market/history-candles": Rate(20, 2.0),
    "market/mark-price-candles": Rate(20, 2.0),
    "market/index-candles": Rate(20, 2.0),
    "market/history-mark-price-candles": Rate(10, 2.0),
    "market/history-index-candles": Rate(10, 2.0),
    "system/status": Rate(1, 5.0),
    "rubik/stat/contracts/open-interest-history": Rate(10, 2.0),
    "rubik/stat/taker-volume-contract": Rate(5, 2.0),
    "rubik/stat/contracts/long-short-account-ratio-contract": Rate(5, 2.0),
    "rubik/stat/contracts/long-short-account-ratio-contract-top-trader": Rate(5, 2.0),
    "rubik/stat/contracts/long-short-position-ratio-contract-top-trader": Rate(5, 2.0),
}


class OkxRest:
    """Answers from the market's quotations."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.budget = Allowance(_EVERYTHING)
        self._spent: dict[tuple[str, str], Allowance] = {}
        self._matches = Matches(quotations)
        self._routes: dict[str, Callable[[Call], Sequence[object]]] = {
            "public/time": lambda _: [{"ts": str(quotations.now_ms)}],
            "public/instruments": self._instruments,
            "public/underlying": lambda call: [[index_name(listing.symbol) for listing in self._of_kind(call)]],
            "public/mark-price": self._mark_prices,
            "public/funding-rate": self._funding_rates,
            "public/funding-rate-history": self._fundings,
            "public/open-interest": self._open_interests,
            "public/position-tiers": self._tiers,
            "public/liquidation-orders": self._liquidations,
            "market/tickers": self._tickers,
            "market/ticker": self._ticker,
            "market/index-tickers": self._index_tickers,
            "market/books": lambda call: self._book(call, "books", 400),
            "market/books-rpi": lambda call: self._book(call, "books-rpi", 400),
            "market/books-full": lambda call: self._book(call, "books-full", 5000),
            "market/trades": self._trades,
            "market/history-trades": self._old_trades,
            "market/candles": lambda call: self._candles(call, is_history=False),
            "market/history-candles": lambda call: self._candles(call, is_history=True),
            "market/mark-price-candles": lambda call: self._references(call, "mark", is_history=False),
            "market/index-candles": lambda call: self._references(call, "index", is_history=False),
            "market/history-mark-price-candles": lambda call: self._references(call, "mark", is_history=True),
            "market/history-index-candles": lambda call: self._references(call, "index", is_history=True),
            "system/status": lambda _: [],
            **Rubik(quotations).routes,
        }

    # requests ------------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """Reply, or refuse."""
        path = call.path.removeprefix(_PREFIX)
        if path.startswith(_OF_ACCOUNTS) and call.path.startswith(_PREFIX):
            return _told(50103, 'Request header "OK-ACCESS-KEY" can not be empty.', (), _UNAUTHORISED)
        reply = self._routes.get(path) if call.path.startswith(_PREFIX) else None
        if reply is None:
            return Answer(msgspec.json.encode({**_NO_SUCH_PATH, "msg": "Not Found"}), _NOT_FOUND)
        if call.method != "GET":
            return _told(50115, "Invalid request method.", (), _WRONG_METHOD)
        if not self._take(path, call):
            return self.throttled(1)
        try:
            return _told(0, "", reply(call))
        except Refused as refused:
            return _told(refused.code, str(refused), (), refused.status)

    def throttled(self, wait_s: int) -> Answer:  # noqa: ARG002 (the venue does not say how long)
        """50011, without `data`, as it comes from the gateway."""
        return Answer(b'{"msg":"Too Many Requests","code":"50011"}', _TOO_MANY)

    def _take(self, path: str, call: Call) -> bool:
        """True if neither the path's limit nor that over all of them is used up."""
        whose = call.query.get("instType" if path == "public/instruments" else "instId", "")
        is_apart = path == "public/instruments" and whose in asked.KINDS
        if path.startswith("rubik/"):
            is_apart = any(whose == listing.symbol for listing in self._quotations.listings)
        rate = _RATES[path]
        allowance = self._spent.setdefault((path, whose if is_apart else ""), Allowance(rate))
        return self.budget.take(call.now_s) and allowance.take(call.now_s)

    # catalogue -----------------------------------------------------------------------------------------------------

    def _instruments(self, call: Call) -> Sequence[Json]:
        kind = asked.kind(call)
        if kind == "OPTION" and not (call.query.get("uly") or call.query.get("instFamily")):
            raise asked.either("uly", "instFamily")
        listings = self._quotations.listings
        chosen = [asked.listing(call, listings if kind == KIND else [])] if call.query.get("instId") else None
        kept = self._of_kind(call) if chosen is None else chosen
        return [rows.instrument(listing, number) for number, listing in enumerate(listings) if listing in kept]

    def _of_kind(self, call: Call) -> Sequence[Listing]:
        """What is listed of the type and families asked for: only swaps are traded here."""
        return asked.of_families(call, self._quotations.listings) if asked.kind(call) == KIND else []

    def _chosen(self, call: Call) -> Sequence[Listing]:
        """The instrument that is named, or all of a type."""
        if call.query.get("instId"):
            return [asked.listing(call, self._quotations.listings)]
        return self._of_kind(call)

    def _tiers(self, call: Call) -> Sequence[Json]:
        kind = asked.kind(call)
        if asked.text(call, "tdMode") not in ("cross", "isolated"):
            raise asked.wrong("tdMode")
        families = call.query.get("instFamily") or call.query.get("uly")
        if kind != "MARGIN" and not families:
            raise asked.either("uly", "instFamily")
        if families and len(families.split(",")) > _MOST_FAMILIES:
            raise asked.wrong("instFamily")
        unused = ("baseMaxLoan", "instId", "optMgnFactor", "quoteMaxLoan")
        return [
            {
                **dict.fromkeys(unused, ""),
                "imr": tier.imr,
                "instFamily": index_name(listing.symbol),
                "maxLever": tier.max_leverage,
                "maxSz": tier.largest,
                "minSz": tier.smallest,
                "mmr": tier.mmr,
                "tier": str(tier.number),
                "uly": index_name(listing.symbol),
            }
            for listing in self._of_kind(call)
            for tier in tiers(listing.instrument)
        ]

    # prices --------------------------------------------------------------------------------------------------------

    def _tickers(self, call: Call) -> Sequence[Json]:
        return self._tickers_of(self._of_kind(call))

    def _ticker(self, call: Call) -> Sequence[Json]:
        return self._tickers_of([asked.listing(call, self._quotations.listings)])

    def _tickers_of(self, listings: Sequence[Listing]) -> Sequence[Json]:
        """Of those that have best prices by now."""
        now_ms, told = self._quotations.now_ms, []
        for stand in (self._quotations.stand(listing.symbol) for listing in listings):
            if stand.quote is not None:
                day = bars.Day(bars.candles(self._quotations, stand.listing.symbol, "1m"))
                told.append(rows.ticker(stand, stand.quote, day, now_ms))
        return told

    def _index_tickers(self, call: Call) -> Sequence[Json]:
        listings = self._quotations.listings
        if call.query.get("instId"):
            listings = [asked.index(call, listings)]
        elif not call.query.get("quoteCcy"):
            raise asked.either("quoteCcy", "instId")
        elif call.query["quoteCcy"] != "USDT":
            return []
        return [
            rows.index_ticker(listing, mark, bars.Day(bars.references(self._quotations, listing.symbol, "index", "1m")))
            for listing, mark in self._marks(listings)
        ]

    def _mark_prices(self, call: Call) -> Sequence[Json]:
        return [rows.mark_price(listing, mark) for listing, mark in self._marks(self._chosen(call))]

    def _marks(self, listings: Sequence[Listing]) -> Sequence[tuple[Listing, MarkPrice]]:
        """Those that have a mark price by now, with it."""
        marks = [(listing, self._quotations.stand(listing.symbol).mark) for listing in listings]
        return [(listing, mark) for listing, mark in marks if mark is not None]

    def _candles(self, call: Call, *, is_history: bool) -> Sequence[list[str]]:
        """Of trades; the history has closed ones only."""
        listing, bar = asked.listing(call, self._quotations.listings), asked.bar(call, "bar", "1m")
        below_ms = min(asked.integer(call, "after", 2**53), self._quotations.now_ms + 1)
        first = (below_ms * _NS_PER_MS) - (_MOST_BARS + 2) * bars.SPANS[bar].length_ns
        made = bars.old_candles(self._quotations, listing.symbol, bar, first, below_ms * _NS_PER_MS)
        return [rows.candle(listing, row) for row in _page_of_bars(call, made, _MOST_BARS, is_history=is_history)]

    def _references(self, call: Call, which: str, *, is_history: bool) -> Sequence[list[str]]:
        find = asked.index if which == "index" else asked.listing
        listing = find(call, self._quotations.listings)
        made = bars.references(self._quotations, listing.symbol, which, asked.bar(call, "bar", "1m"))
        return [rows.reference_candle(listing, row) for row in _page_of_bars(call, made, 100, is_history=is_history)]

    # book and trades -----------------------------------------------------------------------------------------------

    def _book(self, call: Call, channel: str, most: int) -> Sequence[Json]:
        """As told on the book's channel if somebody listens to that, else as it is."""
        stand = self._quotations.stand(asked.listing(call, self._quotations.listings).symbol)
        depth = asked.integer(call, "sz", 1)
        if not 1 <= depth <= most:
            raise asked.wrong("sz")
        if not stand.book.last_update_id:
            return []
        told = stand.told.get(most)
        if told is not None and told.is_begun and channel == "books":
            levels, update_id, ts = (told.bids[:depth], told.asks[:depth]), told.update_id, told.ts_event
        else:
            levels, update_id, ts = stand.book.top(depth), stand.book.last_update_id, stand.book.ts_event
        bids, asks = ([_level(channel, *level) for level in side] for side in levels)
        seq_id = payloads.sequence_id(update_id, ts)
        return [{"asks": asks, "bids": bids, "ts": str(ts // _NS_PER_MS), "seqId": seq_id}]

    def _trades(self, call: Call) -> Sequence[Json]:
        listing = asked.listing(call, self._quotations.listings)
        most = min(max(1, asked.integer(call, "limit", 100)), 500)
        return [rows.match(listing, *match) for match in islice(self._matches.newest(listing.symbol), most)]

    def _old_trades(self, call: Call) -> Sequence[Json]:
        """By id, or by time (`type=2`)."""
        by = call.query.get("type") or "1"
        if by not in ("1", "2"):
            raise asked.wrong("type")
        listing = asked.listing(call, self._quotations.listings)
        above, below = asked.integer(call, "before", -1), asked.integer(call, "after", 2**53)
        most = min(max(1, asked.integer(call, "limit", 100)), 100)
        if by == "1":
            found = takewhile(lambda match: match.trade_id > above, self._matches.before_id(listing.symbol, below))
        else:
            older = self._matches.before(listing.symbol, below * _NS_PER_MS)
            found = takewhile(lambda match: match.trade.ts_event // _NS_PER_MS > above, older)
        return [rows.match(listing, *match) for match in islice(found, most)]

    # who holds what ------------------------------------------------------------------------------------------------

    def _funding_rates(self, call: Call) -> Sequence[Json]:
        is_any = asked.text(call, "instId") == "ANY"
        listings = self._quotations.listings if is_any else [asked.listing(call, self._quotations.listings)]
        return [
            rows.funding_rate(listing, mark, self._quotations.fundings(listing.symbol)[-1].rate)
            for listing, mark in self._marks(listings)
        ]

    def _fundings(self, call: Call) -> Sequence[Json]:
        listing = asked.listing(call, self._quotations.listings)
        now = self._quotations.now_ms * _NS_PER_MS
        settled = reversed(self._quotations.fundings(listing.symbol, self._quotations.ts_oldest, now + 1))
        return [
            rows.settled(listing, row)
            for row in asked.page(call, settled, lambda row: row.ts // _NS_PER_MS, (400, 400))
        ]

    def _open_interests(self, call: Call) -> Sequence[Json]:
        asked.kind(call)
        marks = self._marks(self._chosen(call))
        return [rows.open_interest(self._quotations.stand(listing.symbol), mark) for listing, mark in marks]

    def _liquidations(self, call: Call) -> Sequence[Json]:
        """Of a day, an hour and more late; no longer documented, and needs a family."""
        kind = asked.kind(call)
        if not (call.query.get("uly") or call.query.get("instFamily")):
            raise asked.either("uly", "instFamily")
        if asked.text(call, "state") != "filled" or kind != KIND:
            return []
        now = self._quotations.now_ms * _NS_PER_MS
        found: list[Json] = []
        for listing in self._of_kind(call):
            events = reversed(self._quotations.stand(listing.symbol).liquidations)
            told = [row for row in events if _LIQUIDATIONS_LATE_NS <= now - row.ts_event < bars.DAY_NS]
            page = asked.page(call, told, lambda row: row.ts_event // _NS_PER_MS, (100, 100))
            if page:
                details = [rows.liquidation_detail(listing, row) for row in page]
                found.append({**rows.liquidation(listing, details), "totalLoss": "0"})
        return found


def _told(code: int, said: str, data: Sequence[object], status: int = 200) -> Answer:
    return Answer(msgspec.json.encode({"code": str(code), "data": data, "msg": said}), status)


def _page_of_bars(call: Call, made: Sequence[bars.Row], most: int, *, is_history: bool) -> Sequence[bars.Row]:
    kept = [row for row in reversed(made) if row.is_closed or not is_history]
    return asked.page(call, kept, lambda row: row.ts_open // _NS_PER_MS, (100, most))


def _level(channel: str, price: str, size: str) -> list[str]:
    """Price, size, a zero and the number of orders; the RPI book has the size without RPI, the full one no zero."""
    number = payloads.orders(size)
    return {"books-full": [price, size, number], "books-rpi": [price, size, size, number]}.get(
        channel, [price, size, "0", number]
    )

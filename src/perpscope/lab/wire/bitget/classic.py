"""Routes of Bitget's v2 REST (classic account) under /api/v2/mix/market; the lists of spot and margin are empty.

Candles and statistics come oldest first (as captured), trades and fundings newest first.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bitget import asked, payloads, questions, replies
from perpscope.lab.wire.bitget.asked import Refused
from perpscope.lab.wire.bitget.replies import Json
from perpscope.lab.wire.bitget.topics import CLASSIC_INTERVALS

_ROOT = "/api/v2/mix/market"
_NS_PER_MS = 1_000_000
_WEEK_MS = 7 * 86_400_000
_MOST_LEVELS = 1000
_DEFAULT_LEVELS = 100


class Classic:
    """Answers from the market's quotations; `data` of each reply."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.routes: Mapping[str, Callable[[Call], object]] = {
            "/api/v2/public/time": lambda _: {"serverTime": str(quotations.now_ms)},
            "/api/v2/spot/public/coins": lambda _: [],
            "/api/v2/spot/public/symbols": lambda _: [],
            "/api/v2/margin/currencies": lambda _: [],
            f"{_ROOT}/contracts": lambda call: [replies.contract(row) for row in self._listed(call)],
            f"{_ROOT}/tickers": self._tickers,
            f"{_ROOT}/ticker": self._ticker,
            f"{_ROOT}/merge-depth": self._depth,
            f"{_ROOT}/orderbook": self._depth,
            f"{_ROOT}/candles": lambda call: self._candles(call, call.query.get("kLineType", "market"), 1000),
            f"{_ROOT}/history-candles": lambda call: self._candles(call, "market", 200),
            f"{_ROOT}/history-mark-candles": lambda call: self._candles(call, "mark", 200),
            f"{_ROOT}/history-index-candles": lambda call: self._candles(call, "index", 200),
            f"{_ROOT}/fills": self._fills,
            f"{_ROOT}/fills-history": self._fills_history,
            f"{_ROOT}/current-fund-rate": self._funding_now,
            f"{_ROOT}/funding-time": self._funding_time,
            f"{_ROOT}/history-fund-rate": self._fundings,
            f"{_ROOT}/open-interest": self._open_interest,
            f"{_ROOT}/symbol-price": self._symbol_price,
            f"{_ROOT}/query-position-lever": lambda call: replies.levels(self._one(call).symbol),
            f"{_ROOT}/taker-buy-sell": self._taker_volumes,
            f"{_ROOT}/account-long-short": lambda call: self._ratios(call, "Account"),
            f"{_ROOT}/position-long-short": lambda call: self._ratios(call, "Position"),
            f"{_ROOT}/long-short": lambda call: self._ratios(call, ""),
        }

    def _listed(self, call: Call) -> Sequence[Listing]:
        return asked.listed(call, self._quotations.listings, "productType")

    def _one(self, call: Call) -> Listing:
        return asked.one(call, self._quotations.listings, "productType")

    # the market ----------------------------------------------------------------------------------------------------

    def _tickers(self, call: Call) -> list[Json]:
        now_ms = self._quotations.now_ms
        told = questions.figures(self._quotations, self._listed(call))
        return [replies.classic_ticker(figures, now_ms) for figures in told]

    def _ticker(self, call: Call) -> list[Json]:
        asked.text(call, "symbol")
        return self._tickers(call)

    def _depth(self, call: Call) -> Json:
        listing = self._one(call)
        is_all = call.query.get("limit") == "max"
        limit = _MOST_LEVELS if is_all else asked.limit(call, _DEFAULT_LEVELS, _MOST_LEVELS)
        bids, asks = self._quotations.stand(listing.symbol).book.top(limit)
        return {
            "asks": asks,
            "bids": bids,
            "ts": str(self._quotations.now_ms),
            "scale": str(listing.instrument.tick_size),
            "precision": call.query.get("precision", "scale0"),
            "isMaxPrecision": "NO",
        }

    def _candles(self, call: Call, which: str, most: int) -> list[list[str]]:
        listing = self._one(call)
        span = asked.span(call, "granularity", CLASSIC_INTERVALS)
        which = which.lower()
        if which not in ("market", "mark", "index"):
            raise Refused("400172", "Parameter verification failed")
        limit = asked.limit(call, 100, most)
        rows = questions.candles(self._quotations, call, listing, which, span, limit)
        return [replies.candle(listing, row, which) for row in rows]

    def _fills(self, call: Call) -> list[Json]:
        listing = self._one(call)
        trades = self._quotations.stand(listing.symbol).trades
        return [replies.classic_fill(listing, trade) for trade in trades[: -asked.limit(call, 100, 100) - 1 : -1]]

    def _fills_history(self, call: Call) -> list[Json]:
        """Newest first, `idLessThan` for the next page; of a week at most, the last one unless times are given."""
        listing, now_ms = self._one(call), self._quotations.now_ms
        end_ms = min(asked.integer(call, "endTime", now_ms), now_ms)
        start_ms = asked.integer(call, "startTime", max(0, end_ms - _WEEK_MS))
        if end_ms - start_ms > _WEEK_MS:
            raise Refused("400172", "Parameter verification failed")
        trades = self._quotations.stand(listing.symbol).trades
        first = bisect_left(trades, start_ms * _NS_PER_MS, key=lambda trade: trade.ts_event)
        last = bisect_left(trades, (end_ms + 1) * _NS_PER_MS, key=lambda trade: trade.ts_event)
        if below := asked.integer(call, "idLessThan", 0):
            last = min(last, bisect_left(trades, below, key=lambda trade: payloads.execution_id(listing, trade)))
        newest = max(first, last - asked.limit(call, 500, 1000))
        return [replies.classic_fill(listing, trade) for trade in trades[newest : max(newest, last)][::-1]]

    def _symbol_price(self, call: Call) -> list[Json]:
        told = questions.figures(self._quotations, [self._one(call)])
        return [
            {
                "symbol": figures.symbol,
                "price": figures.last,
                "indexPrice": figures.index,
                "markPrice": figures.mark,
                "ts": str(self._quotations.now_ms),
            }
            for figures in told
        ]

    # funding and statistics ----------------------------------------------------------------------------------------

    def _funding_now(self, call: Call) -> list[Json]:
        return [replies.funding_now(self._quotations.stand(listing.symbol)) for listing in self._listed(call)]

    def _funding_time(self, call: Call) -> list[Json]:
        row = replies.funding_now(self._quotations.stand(self._one(call).symbol))
        names = {"symbol": "symbol", "nextFundingTime": "nextUpdate", "ratePeriod": "fundingRateInterval"}
        return [{name: row[source] for name, source in names.items()}]

    def _fundings(self, call: Call) -> list[Json]:
        """A page; more than 100 rows asked for are 100, and times are not looked at."""
        listing = self._one(call)
        size = min(asked.integer(call, "pageSize", 20), 100)
        page = max(1, asked.integer(call, "pageNo", 1))
        rows = questions.fundings(self._quotations, listing, page, size)
        return [replies.funding(listing, row, "fundingTime") for row in rows]

    def _open_interest(self, call: Call) -> Json:
        stand = self._quotations.stand(self._one(call).symbol)
        return replies.open_interest([stand], "openInterestList", "size", self._quotations.now_ms)

    def _taker_volumes(self, call: Call) -> list[Json]:
        listing = asked.one(call, self._quotations.listings, None)
        return [replies.taker_volume(row) for row in questions.censuses(self._quotations, call, listing)]

    def _ratios(self, call: Call, kind: str) -> list[Json]:
        listing = asked.one(call, self._quotations.listings, None)
        return [replies.ratio(row, kind) for row in questions.censuses(self._quotations, call, listing)]

"""Routes of Bitget's v3 REST (unified account) under /api/v3/market: lists newest first, statistics oldest first."""

from collections.abc import Callable, Mapping, Sequence

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bitget import asked, questions, replies
from perpscope.lab.wire.bitget.asked import Refused
from perpscope.lab.wire.bitget.replies import Json
from perpscope.lab.wire.bitget.topics import INTERVALS

_ROOT = "/api/v3/market"
_KINDS = ("market", "mark", "index", "premium")
_MOST_PAGES = 100


class Unified:
    """Answers from the market's quotations; `data` of each reply."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.routes: Mapping[str, Callable[[Call], object]] = {
            "/api/v3/public/time": lambda _: {"serverTime": str(quotations.now_ms)},
            f"{_ROOT}/instruments": lambda call: [replies.instrument(row) for row in self._listed(call)],
            f"{_ROOT}/tickers": self._tickers,
            f"{_ROOT}/orderbook": self._orderbook,
            f"{_ROOT}/candles": lambda call: self._candles(call, 1000),
            f"{_ROOT}/history-candles": lambda call: self._candles(call, 100),
            f"{_ROOT}/fills": self._fills,
            f"{_ROOT}/current-fund-rate": self._funding_now,
            f"{_ROOT}/history-fund-rate": self._fundings,
            f"{_ROOT}/open-interest": self._open_interest,
            f"{_ROOT}/position-tier": self._tiers,
            f"{_ROOT}/liquidations": self._liquidations,
            f"{_ROOT}/futures-active-buy-sell": self._taker_volumes,
            f"{_ROOT}/futures-account-long-short": lambda call: self._ratios(call, "Account"),
            f"{_ROOT}/futures-position-long-short": lambda call: self._ratios(call, "Position"),
            f"{_ROOT}/futures-long-short": lambda call: self._ratios(call, ""),
        }

    def _listed(self, call: Call) -> Sequence[Listing]:
        return asked.listed(call, self._quotations.listings, "category")

    def _one(self, call: Call) -> Listing:
        return asked.one(call, self._quotations.listings, "category")

    def _tickers(self, call: Call) -> list[Json]:
        now_ms = self._quotations.now_ms
        return [replies.ticker(told, now_ms) for told in questions.figures(self._quotations, self._listed(call))]

    def _orderbook(self, call: Call) -> Json:
        stand = self._quotations.stand(self._one(call).symbol)
        bids, asks = stand.book.top(min(asked.limit(call, 5, 1000), 200))
        return {"a": asks, "b": bids, "ts": str(self._quotations.now_ms)}

    def _candles(self, call: Call, most: int) -> list[list[str]]:
        listing = self._one(call)
        span = asked.span(call, "interval", INTERVALS)
        which = call.query.get("type", "market").lower()
        if which not in _KINDS:
            raise Refused("400172", "Parameter verification failed")
        limit = asked.limit(call, 100, most)
        rows = questions.candles(self._quotations, call, listing, which, span, limit)
        return [replies.candle(listing, row, which) for row in reversed(rows)]

    def _fills(self, call: Call) -> list[Json]:
        listing = self._one(call)
        trades = self._quotations.stand(listing.symbol).trades
        return [replies.fill(listing, trade) for trade in trades[: -asked.limit(call, 100, 100) - 1 : -1]]

    def _funding_now(self, call: Call) -> list[Json]:
        kind = "category" if "category" in call.query else None
        chosen = asked.listed(call, self._quotations.listings, kind)
        return [replies.funding_now(self._quotations.stand(listing.symbol)) for listing in chosen]

    def _fundings(self, call: Call) -> Json:
        listing = self._one(call)
        size = asked.limit(call, 100, 100)
        page = asked.limit(call, 1, _MOST_PAGES, "cursor")
        rows = questions.fundings(self._quotations, listing, page, size)
        return {"resultList": [replies.funding(listing, row, "fundingRateTimestamp") for row in rows]}

    def _open_interest(self, call: Call) -> Json:
        stands = [self._quotations.stand(listing.symbol) for listing in self._listed(call)]
        return replies.open_interest(stands, "list", "openInterest", self._quotations.now_ms)

    def _tiers(self, call: Call) -> list[Json]:
        self._one(call)
        return replies.tiers()

    def _liquidations(self, call: Call) -> Json:
        """A page; the cursor counts rows, and is empty at the end."""
        rows = questions.liquidations(self._quotations, self._listed(call))
        begin = asked.integer(call, "cursor", 0)
        end = begin + asked.limit(call, 100, 100)
        return {"list": rows[begin:end], "cursor": str(end) if end < len(rows) else ""}

    def _taker_volumes(self, call: Call) -> list[Json]:
        listing = asked.one(call, self._quotations.listings, None)
        return [replies.taker_volume(row) for row in questions.censuses(self._quotations, call, listing)]

    def _ratios(self, call: Call, kind: str) -> list[Json]:
        listing = asked.one(call, self._quotations.listings, None)
        return [replies.ratio(row, kind) for row in questions.censuses(self._quotations, call, listing)]

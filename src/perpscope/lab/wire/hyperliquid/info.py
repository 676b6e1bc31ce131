"""The desk that answers `info` requests, whether posted to `/info` or over the socket, out of one allowance.

In: JSON bodies. Out: a status and JSON, or the venue's words for what it does not understand. One desk for each market:
`desk` finds it, so that the teller who settles trades and the REST side who shows them share the accounts' books.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary, ref

import msgspec

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.hyperliquid import asked, candles, replies
from perpscope.lab.wire.hyperliquid.books import Cut, book
from perpscope.lab.wire.hyperliquid.clearinghouse import BLOCK_MS, Clearinghouse, Fill
from perpscope.lab.wire.hyperliquid.contexts import Context, Day, context, mid
from perpscope.lab.wire.hyperliquid.margin import state
from perpscope.model.market import Interval

Row = TypeVar("Row")

OK, NO_JSON, NOT_UNDERSTOOD, TOO_MANY, FAILED = 200, 400, 422, 429, 500
_LIMIT = Rate(1200, 60.0)
_NS_PER_MS = 1_000_000
_NS_PER_MINUTE = 60_000 * _NS_PER_MS
_RECENT, _PAGE, _MOST_CANDLES, _MOST_FILLS = 10, 500, 5000, 2000
_EVER_MS = 2**53
_MISUNDERSTOOD = b"Failed to deserialize the JSON body into the target type"
_NO_SUCH_JSON = b"Failed to parse the request body as JSON"


class Reply(NamedTuple):
    """What came of a request."""

    status: int
    body: bytes


class _Unknown(Exception):
    """A coin or dex nobody has heard of: HTTP 500 and null."""


class InfoDesk:
    """Answers from the market's quotations and the accounts' books."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self.house = Clearinghouse()
        self.budget = Allowance(_LIMIT)
        self._days: dict[str, tuple[tuple[int, bool], Day]] = {}

    def ask(self, body: bytes, now_s: float) -> Reply:
        """Reply, or refuse; never raises."""
        try:
            request = asked.decode(body)
        except msgspec.ValidationError:
            refusal = Reply(NOT_UNDERSTOOD, _MISUNDERSTOOD)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            refusal = Reply(NO_JSON, _NO_SUCH_JSON)
        else:
            return self._answered(request, now_s)
        return refusal if self.budget.take(now_s, asked.LIGHT) else Reply(TOO_MANY, b"null")

    def _answered(self, request: asked.Request, now_s: float) -> Reply:
        try:
            said, status = self._said(request), OK
        except _Unknown:
            said, status = None, FAILED
        rows = len(said) if isinstance(said, list) else 0
        if not self.budget.take(now_s, asked.weight(request, rows)):
            return Reply(TOO_MANY, b"null")
        return Reply(status, replies.written_out(said))

    def _said(self, request: asked.Request) -> replies.Json:
        """What is said of the venue; the rest says the rest."""
        match request:
            case asked.Meta():
                return self._meta(request.dex)
            case asked.MetaAndAssetCtxs():
                return [self._meta(request.dex), self.contexts()]
            case asked.AllPerpMetas():
                return [self._meta(None)]
            case asked.PerpDexs():
                return [None]
            case asked.MarginTable():
                return replies.margin_table(request.id)
            case asked.ExchangeStatus():
                return {"specialStatuses": None, "time": self.now_ms // BLOCK_MS * BLOCK_MS}
            case asked.SpotMeta() | asked.SpotMetaAndAssetCtxs():
                return replies.SPOT_META if isinstance(request, asked.SpotMeta) else [replies.SPOT_META, []]
            case _:
                return self._said_of_market(request)

    def _said_of_market(self, request: asked.Request) -> replies.Json:
        match request:
            case asked.AllMids():
                return self._meta(request.dex) and self.mids()
            case asked.L2Book():
                return self._book(request)
            case asked.CandleSnapshot():
                return self._candles(request.req)
            case asked.FundingHistory():
                return self._fundings(request)
            case asked.PredictedFundings():
                return [
                    replies.predicted(listing.symbol, self._rate(listing), self.now_ms) for listing in self.listings
                ]
            case asked.RecentTrades():
                return self._recent(request.coin)
            case _:
                return self._said_of_account(request)

    def _said_of_account(self, request: asked.Request) -> replies.Json:
        """Of orders, funding payments and the like there are none."""
        match request:
            case asked.ClearinghouseState():
                return self._meta(request.dex) and self.state(request.user)
            case asked.UserFills():
                return replies.raws(fill.row for fill in self._fills(request.user)[:_MOST_FILLS])
            case asked.UserFillsByTime():
                fills = _between(reversed(self._fills(request.user)), request, lambda fill: fill.ts_ms)
                return replies.raws(fill.row for fill in fills[:_MOST_FILLS])
            case asked.SpotClearinghouseState():
                return {"balances": []}
            case asked.UserRole():
                return {"role": "user" if self.house.account(request.user.lower()) else "missing"}
            case _:
                return []

    # what the socket's teller asks too -----------------------------------------------------------------------------

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded, in the order of the catalogue."""
        return self._quotations.listings

    @property
    def now_ms(self) -> int:
        """Market time."""
        return self._quotations.now_ms

    def day(self, coin: str) -> Day:
        """The last 24 hours of a coin."""
        minute = self._quotations.stand(coin).forming.get(Interval.M1)
        as_of = (0, False) if minute is None else (minute.ts_open, minute.is_closed)  # of what is told, however late
        known = self._days.get(coin)
        if known is None or known[0] != as_of:
            known = self._days[coin] = as_of, Day(self._quotations.candles(coin, Interval.M1))
        return known[1]

    def contexts(self) -> list[Context]:
        """Asset contexts, in the order of the catalogue."""
        made = (context(self._quotations.stand(known.symbol), self.day(known.symbol)) for known in self.listings)
        return [known for known in made if known is not None]

    def mids(self) -> dict[str, str]:
        """By coin."""
        known = {listing.symbol: mid(self._quotations.stand(listing.symbol)) for listing in self.listings}
        return {coin: price for coin, price in known.items() if price is not None}

    def state(self, user: str) -> dict[str, object]:
        """`clearinghouseState` of an account."""
        return state(self.house.account(user.lower()), self._mark, self.now_ms)

    # the market ----------------------------------------------------------------------------------------------------

    def _meta(self, dex: str | None) -> replies.Json:
        if dex:
            raise _Unknown
        return replies.meta(self.listings)

    def _listing(self, coin: str) -> Listing:
        for listing in self.listings:
            if listing.symbol == coin:
                return listing
        raise _Unknown

    def _book(self, request: asked.L2Book) -> replies.Json:
        """An unknown coin is HTTP 200 and null here."""
        cut = Cut(request.nSigFigs, request.mantissa)
        if not cut.is_valid or all(listing.symbol != request.coin for listing in self.listings):
            return None
        stand = self._quotations.stand(request.coin)
        return msgspec.Raw(book(stand.listing, stand.book, cut, self.now_ms // BLOCK_MS * BLOCK_MS).encode())

    def _candles(self, request: asked.CandleRange) -> replies.Json:
        listing = self._listing(request.coin)
        length = candles.INTERVALS[request.interval] * _NS_PER_MINUTE
        now = self.now_ms * _NS_PER_MS
        last = now if request.endTime is None else min(now, request.endTime * _NS_PER_MS)
        first = max(request.startTime * _NS_PER_MS - length + 1, now - _MOST_CANDLES * length + 1)
        if last < first:
            return []
        return replies.raws(
            row.json for row in candles.old_rows(self._quotations, listing, request.interval, first, last + 1)
        )

    def _fundings(self, request: asked.FundingHistory) -> replies.Json:
        coin = self._listing(request.coin).symbol
        since = request.startTime * _NS_PER_MS - _NS_PER_MINUTE  # as they are told a little late
        paid = self._quotations.fundings(coin, since, self.now_ms * _NS_PER_MS + 1)
        return _between([replies.funding(coin, row) for row in paid], request, lambda row: row.time)[:_PAGE]

    def _recent(self, coin: str) -> replies.Json:
        rows = self.house.recent.get(self._listing(coin).symbol, ())
        return replies.raws(list(rows)[: -_RECENT - 1 : -1])

    def _rate(self, listing: Listing) -> float:
        mark = self._quotations.stand(listing.symbol).mark
        return (mark.funding_rate if mark is not None else None) or 0.0

    def _mark(self, coin: str) -> float:
        mark = self._quotations.stand(coin).mark
        return 0.0 if mark is None else mark.mark

    def _fills(self, user: str) -> list[Fill]:
        """Newest first."""
        account = self.house.account(user.lower())
        return [] if account is None else list(reversed(account.fills))


def _between(
    rows: Iterable[Row], request: asked.FundingHistory | asked.UserFillsByTime, ts_ms: Callable[[Row], int]
) -> list[Row]:
    """Rows of a stretch of time, both ends included, in their order."""
    last = _EVER_MS if request.endTime is None else request.endTime
    return [row for row in rows if request.startTime <= ts_ms(row) <= last]


_DESKS: WeakKeyDictionary[Quotations, ref[InfoDesk]] = WeakKeyDictionary()  # kept alive by those who use them


def desk(quotations: Quotations) -> InfoDesk:
    """The desk of a market: the same one for its teller and its REST side."""
    known = _DESKS.get(quotations)
    found = None if known is None else known()
    if found is None:
        found = InfoDesk(quotations)
        _DESKS[quotations] = ref(found)
    return found

"""OKX's trading statistics, `/api/v5/rubik/stat`: lists of columns, newest first, the latest 1440 periods.

Rows are stamped with the start of their period, as the venue's bars are: of taker volumes its users say so, of the
others nobody says which end it is.
"""

from collections.abc import Callable, Sequence

import msgspec

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Quotations
from perpscope.lab.wire.okx import asked
from perpscope.lab.wire.okx.bars import Span
from perpscope.lab.wire.okx.listings import short

_NS_PER_MS = 1_000_000
_FIVE_MINUTES_NS = 300_000 * _NS_PER_MS
_LATEST = 1440
_PAGE = 100
_coins, _dollars, _ratio = short(8), short(2), short(16)


class Rubik:
    """Answers from the market's censuses."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        accounts = "rubik/stat/contracts/long-short-account-ratio-contract"
        positions = "rubik/stat/contracts/long-short-position-ratio-contract"
        self.routes: dict[str, Callable[[Call], Sequence[list[str]]]] = {
            "rubik/stat/contracts/open-interest-history": self._open_interests,
            "rubik/stat/taker-volume-contract": self._taker_volumes,
            accounts: lambda call: self._ratios(call, lambda row: row.long_fraction),
            f"{accounts}-top-trader": lambda call: self._ratios(call, lambda row: row.top_long_fraction),
            f"{positions}-top-trader": lambda call: self._ratios(call, lambda row: row.top_position_long_fraction),
        }

    def _open_interests(self, call: Call) -> Sequence[list[str]]:
        """Contracts, coins, dollars."""
        span, (listing, page) = asked.period(call), self._page(call)
        return [[_begun(row, span), *_three_units(listing, row, row.open_interest)] for row in page]

    def _taker_volumes(self, call: Call) -> Sequence[list[str]]:
        """What takers sold, and then what they bought; in contracts unless coins (0) or dollars (2) are asked for."""
        unit = {"": 0, "1": 0, "0": 1, "2": 2}.get(call.query.get("unit", ""))
        if unit is None:
            raise asked.wrong("unit")
        span, (listing, page) = asked.period(call), self._page(call)
        return [
            [_begun(row, span), *(_three_units(listing, row, size)[unit] for size in (row.taker_sell, row.taker_buy))]
            for row in page
        ]

    def _ratios(self, call: Call, longs: Callable[[Census], float]) -> Sequence[list[str]]:
        """Longs over shorts."""
        span, (_, page) = asked.period(call), self._page(call)
        return [[_begun(row, span), _ratio(longs(row) / (1 - longs(row)))] for row in page]

    def _page(self, call: Call) -> tuple[Listing, Sequence[Census]]:
        """The newest periods that begin between two bounds, newest first, with what takers did in the whole of each."""
        listing, span = asked.listing(call, self._quotations.listings), asked.period(call)
        above, below = asked.integer(call, "begin", -1), asked.integer(call, "end", 2**53)
        most = min(max(1, asked.integer(call, "limit", _PAGE)), _PAGE)
        ended = span.begins(self._quotations.now_ms * _NS_PER_MS)
        last = min(ended, span.begins(below * _NS_PER_MS - 1) + span.length_ns)
        first = max(last - most * span.length_ns, ended - _LATEST * span.length_ns)
        page: list[Census] = []
        bought = sold = 0.0
        for row in self._quotations.censuses(listing.symbol, _FIVE_MINUTES_NS, first + 1, last + 1):
            bought += row.taker_buy
            sold += row.taker_sell
            if span.is_edge(row.ts):
                if row.ts - span.length_ns > above * _NS_PER_MS:
                    page.append(msgspec.structs.replace(row, taker_buy=bought, taker_sell=sold))
                bought = sold = 0.0
        return listing, page[::-1]


def _begun(row: Census, span: Span) -> str:
    """When a period began, ms UTC."""
    return str((row.ts - span.length_ns) // _NS_PER_MS)


def _three_units(listing: Listing, row: Census, size: float) -> tuple[str, str, str]:
    return listing.size(size), _coins(size), _dollars(size * row.mark)

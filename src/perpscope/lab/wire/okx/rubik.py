"""OKX's trading statistics, `/api/v5/rubik/stat`: lists of columns, newest first, the latest 1440 periods.

Open interest and ratios are stamped with the end of their period. Taker volumes are stamped with its start: the venue's
documentation does not say, users of the figures do.
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
_PAGE = (100, 100)
_BOUNDS = ("begin", "end")
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
        listing, ended = self._ended(call, asked.period(call))
        page = asked.page(call, ended, _ended_ms, _PAGE, _BOUNDS)
        return [[str(_ended_ms(row)), *_three_units(listing, row, row.open_interest)] for row in page]

    def _taker_volumes(self, call: Call) -> Sequence[list[str]]:
        """What takers sold, and then what they bought; in contracts unless coins (0) or dollars (2) are asked for."""
        unit = {"": 0, "1": 0, "0": 1, "2": 2}.get(call.query.get("unit", ""))
        if unit is None:
            raise asked.wrong("unit")
        span = asked.period(call)
        listing, ended = self._ended(call, span)

        def begun_ms(row: Census) -> int:
            return (row.ts - span.length_ns) // _NS_PER_MS

        return [
            [
                str(begun_ms(row)),
                _three_units(listing, row, row.taker_sell)[unit],
                _three_units(listing, row, row.taker_buy)[unit],
            ]
            for row in asked.page(call, ended, begun_ms, _PAGE, _BOUNDS)
        ]

    def _ratios(self, call: Call, longs: Callable[[Census], float]) -> Sequence[list[str]]:
        """Longs over shorts."""
        _, ended = self._ended(call, asked.period(call))
        page = asked.page(call, ended, _ended_ms, _PAGE, _BOUNDS)
        return [[str(_ended_ms(row)), _ratio(longs(row) / (1 - longs(row)))] for row in page]

    def _ended(self, call: Call, span: Span) -> tuple[Listing, Sequence[Census]]:
        """The latest periods that have ended, newest first, with what takers did in the whole of each."""
        listing = asked.listing(call, self._quotations.listings)
        ended: list[Census] = []
        bought = sold = 0.0
        for row in self._quotations.censuses(listing.symbol, _FIVE_MINUTES_NS):
            bought += row.taker_buy
            sold += row.taker_sell
            if span.is_edge(row.ts):
                ended.append(msgspec.structs.replace(row, taker_buy=bought, taker_sell=sold))
                bought = sold = 0.0
        return listing, ended[: -_LATEST - 1 : -1]


def _ended_ms(row: Census) -> int:
    return row.ts // _NS_PER_MS


def _three_units(listing: Listing, row: Census, size: float) -> tuple[str, str, str]:
    return listing.size(size), _coins(size), _dollars(size * row.mark)

"""The bars of OKX's business path, of trades and of mark and index prices, told each second and when they close.

In: the market's own candles (a minute, a quarter, an hour) and the seconds of its marks. Out: frames of every length.
"""

from collections.abc import Sequence

from perpscope.lab.dialect import Outlet
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.okx import bars, payloads, rows
from perpscope.lab.wire.okx.bars import SPANS, Row
from perpscope.lab.wire.okx.listings import index_name
from perpscope.model.market import Candle, Interval

_PREFIXES = {"mark-price-": "mark", "index-": "index"}


class BarTeller:
    """Tells bars.

    Args:
        quotations: what happens.
        outlet: where it is told.
    """

    def __init__(self, quotations: Quotations, outlet: Outlet) -> None:
        self._quotations = quotations
        self._outlet = outlet

    def candle(self, listing: Listing, event: Candle) -> None:
        """With each state of the market's minute: bars of every length, as they are after it."""
        if event.interval is Interval.M1:
            for bar in SPANS:
                self._tell(
                    "", bar, listing, event.ts_event, event.ts_open + Interval.M1.ns if event.is_closed else None
                )

    def references(self, listing: Listing, ts: int) -> None:
        """With each second of the mark: bars of the reference prices; those that ended on it first."""
        for prefix in _PREFIXES:
            for bar in SPANS:
                self._tell(prefix, bar, listing, ts, ts)

    def opening(self, prefix: str, bar: str, listing: Listing) -> Sequence[bytes]:
        """The forming bar."""
        found = self._rows(prefix, bar, listing)
        return [_frame(prefix, bar, listing, found[-1])] if found else ()

    def _tell(self, prefix: str, bar: str, listing: Listing, ts: int, ended: int | None) -> None:
        topic = f"{prefix}candle{bar}:{_name(prefix, listing)}"
        if not self._outlet.is_wanted(topic):
            return
        span = SPANS[bar]
        newest = self._rows(prefix, bar, listing)[-2:]
        for row in newest:
            ends = row.ts_open + span.length_ns
            is_closed = row.is_closed and ends == ended
            if is_closed or (not row.is_closed and row.ts_open <= ts < ends and (prefix or ended is None)):
                self._outlet.publish(topic, _frame(prefix, bar, listing, row))

    def _rows(self, prefix: str, bar: str, listing: Listing) -> list[Row]:
        if prefix:
            return bars.references(self._quotations, listing.symbol, _PREFIXES[prefix], bar)
        return bars.candles(self._quotations, listing.symbol, bar)


def _frame(prefix: str, bar: str, listing: Listing, row: Row) -> bytes:
    written = rows.reference_candle(listing, row) if prefix else rows.candle(listing, row)
    return payloads.frame(f"{prefix}candle{bar}", _name(prefix, listing), [written])


def _name(prefix: str, listing: Listing) -> str:
    """Bars of the index are named after it, the others after the instrument."""
    return index_name(listing.symbol) if prefix == "index-" else listing.symbol

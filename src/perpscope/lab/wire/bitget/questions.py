"""What both generations of Bitget's REST ask of the market; they differ in names, pages and order."""

from collections.abc import Iterable, Sequence

import msgspec

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Funding, Quotations
from perpscope.lab.wire.bitget import asked, bars, disputed, payloads, tickers
from perpscope.lab.wire.bitget.asked import Refused
from perpscope.lab.wire.bitget.tickers import Figures
from perpscope.lab.wire.bitget.topics import Span
from perpscope.model.market import Candle, Interval, Liquidation

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_KEPT_NS = 3 * 86_400 * _NS_PER_S
_PERIODS = 30


def figures(quotations: Quotations, listings: Iterable[Listing]) -> list[Figures]:
    """Of every symbol that has a mark price."""
    told = []
    for listing in listings:
        stand = quotations.stand(listing.symbol)
        if stand.mark is not None:
            day = tickers.Day(quotations.candles(listing.symbol, Interval.M1))
            told.append(Figures(stand, stand.mark, day))
    return told


def candles(
    quotations: Quotations, call: Call, listing: Listing, which: str, span: Span, most: int
) -> Sequence[Candle]:
    """Candles of trades ("market") or of a reference price, oldest first, the newest `most` of the window.

    A start within a candle brings that candle too: a window cut a millisecond off the grid overlaps the one before.
    """
    now = quotations.now_ms * _NS_PER_MS
    first = span.opening(asked.integer(call, "startTime", 0) * _NS_PER_MS)
    last = min(now, asked.integer(call, "endTime", now // _NS_PER_MS) * _NS_PER_MS)
    if which == "market":
        return bars.old_candles(quotations, listing.symbol, span, max(first, last - most * span.ns + 1), last + 1)
    rows = bars.references(quotations, listing.symbol, which, span)
    return [row for row in rows if first <= row.ts_open <= last][-most:]


def fundings(quotations: Quotations, listing: Listing, page: int, size: int) -> Sequence[Funding]:
    """A page of payments, newest first; the first is numbered 1."""
    now = quotations.now_ms * _NS_PER_MS
    every = quotations.fundings(listing.symbol, quotations.ts_oldest, now + 1)
    return every[::-1][(page - 1) * size : page * size]


def censuses(quotations: Quotations, call: Call, listing: Listing) -> Sequence[Census]:
    """The newest thirty, oldest first, each with its beginning; the length of the real list is not documented."""
    period_ns = asked.period_ns(call)
    rows = quotations.censuses(listing.symbol, period_ns)[-_PERIODS:]
    if not rows:
        raise Refused("40054", f"The data fetched by {listing.symbol} is empty")
    return [msgspec.structs.replace(row, ts=row.ts - period_ns) for row in rows]


def liquidations(quotations: Quotations, listings: Iterable[Listing]) -> list[dict[str, str]]:
    """Rows of three days, newest first: of each second the largest long and short of a symbol, or all (`disputed`)."""
    oldest = quotations.now_ms * _NS_PER_MS - _KEPT_NS
    found: list[tuple[Liquidation, Listing]] = []
    for listing in listings:
        by_second: dict[int, list[Liquidation]] = {}
        for event in quotations.stand(listing.symbol).liquidations:
            if event.ts_event >= oldest:
                by_second.setdefault(event.ts_event // _NS_PER_S, []).append(event)
        for second in by_second.values():
            chosen = second if disputed.LISTED_COMPLETE else payloads.largest(second)
            found.extend((event, listing) for event in chosen)
    found.sort(key=lambda pair: pair[0].ts_event, reverse=True)
    return [payloads.liquidation(listing, event) for event, listing in found]

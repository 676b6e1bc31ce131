"""Trades of the last three months, asked for by id: newest first, a hundred matches a page.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-trades-history
The first page is asked for by time (`type=2`), which many matches may share; the others by the id of the last match
(`type=1`), which none do. REST tells every match, the stream merges those of a taker at one price: so are they merged
here, by neighbouring ids of one time, price, side and source. Two takers who share all that become one trade.
"""

from collections.abc import Sequence

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent, Side, Trade
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports import Past, Stretch
from perpscope.venues.okx.rest import WEIGHTS, Reply, read
from perpscope.venues.okx.symbols import VENUE
from perpscope.venues.okx.wire import MS, Contracts, Count, Measure, Millis, OrderSide, Positive

MOST_MATCHES = 100
_BY_ID, _BY_TIME = ("type", "1"), ("type", "2")


class _Match(msgspec.Struct):
    tradeId: Count
    px: Positive
    sz: Contracts
    side: OrderSide  #: of the taker
    ts: Millis
    source: str = "0"  #: "1" = RPI; older replies do not tell

    def continues(self, older: "_Match") -> bool:
        """True if both may be of one taker's order."""
        return (self.ts, self.px, self.side, self.source) == (older.ts, older.px, older.side, older.source) and (
            self.tradeId == older.tradeId + 1
        )


_read = msgspec.json.Decoder(Reply[_Match], strict=False)


def request(instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """The REST call for the newest matches of a stretch, or those before the id in `stretch.after`."""
    bound = (_BY_TIME, ("after", str(-(-stretch.ts_to // MS)))) if stretch.after is None else _after(stretch.after)
    params = (("instId", instrument.symbol), *bound, ("limit", str(MOST_MATCHES)))
    return HttpRequest(path="/api/v5/market/history-trades", params=params, weight=WEIGHTS[10], urgency=Urgency.PAST)


def _after(trade_id: str) -> tuple[tuple[str, str], ...]:
    return (_BY_ID, ("after", trade_id))


def past(raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """The trades of a page; the oldest is left to the next page, which may have more of its matches.

    More than a page of matches of one taker, time and price are told in parts.

    Raises:
        FrameError: a refusal, not the documented shape, or nothing older than was asked.
    """
    rows = sorted(read(_read, raw), key=lambda row: row.tradeId, reverse=True)
    if not rows:
        return Past([], stretch.ts_from, stretch.ts_to, None)
    if stretch.after is not None and rows[0].tradeId >= int(stretch.after):
        raise FrameError(f"okx was asked for trades before {stretch.after}, and sent {rows[0].tradeId}", venue=VENUE)
    is_last = rows[-1].ts * MS < stretch.ts_from
    orders = _orders(rows)
    if not is_last and len(orders) > 1:
        orders.pop()
    trades = _trades(orders, Measure.of(instrument), stretch, ts_recv)
    if is_last:
        return Past(trades, stretch.ts_from, stretch.ts_to, None)
    oldest = orders[-1][-1]
    ts_whole = min((oldest.ts + 1) * MS, stretch.ts_to)
    return Past(trades, ts_whole, stretch.ts_to, Stretch(stretch.ts_from, ts_whole, str(oldest.tradeId)))


def _orders(rows: Sequence[_Match]) -> list[list[_Match]]:
    """Matches by taker's order, as far as that can be told; newest first."""
    orders: list[list[_Match]] = []
    for row in rows:
        if orders and orders[-1][-1].continues(row):
            orders[-1].append(row)
        else:
            orders.append([row])
    return orders


def _trades(orders: list[list[_Match]], measure: Measure, stretch: Stretch, ts_recv: int) -> list[MarketEvent]:
    """Oldest first; a trade has the id of the last of its matches, as in the stream."""
    return [
        Trade(
            measure.instrument,
            order[0].ts * MS,
            ts_recv,
            order[0].tradeId,
            order[0].px,
            measure.base(sum(match.sz for match in order)),
            Side.BUY if order[0].side == "buy" else Side.SELL,
            is_aggregate=True,
        )
        for order in reversed(orders)
        if stretch.ts_from <= order[0].ts * MS < stretch.ts_to
    ]

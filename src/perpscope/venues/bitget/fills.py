"""Trades of the last 90 days, asked for by id: newest first, a thousand a page, within windows of a week.

https://www.bitget.com/api-doc/contract/market/Get-Fills-History (v2; v3 has the latest hundred only)
`idLessThan` pages within a window, so that trades of one millisecond are told once each; ids rise with time. A page may
be short without being the last: only an empty one ends a window. That `tradeId` is the stream's `i` is documented
nowhere; both look alike.
"""

from typing import Literal

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent, Side, Trade
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports import Past, Stretch
from perpscope.venues.bitget.rest import WEIGHT_10_PER_S, read
from perpscope.venues.bitget.symbols import VENUE
from perpscope.venues.bitget.wire import MS, Count, Millis, Positive

DEPTH_S = 90 * 86_400.0
MOST_FILLS = 1000
PRODUCT = ("productType", "USDT-FUTURES")
_WINDOW_NS = (7 * 86_400 - 1) * 1_000_000_000  #: within the week that a window may be long


class _Fill(msgspec.Struct):
    tradeId: Count
    price: Positive
    size: Positive  #: base units
    side: Literal["buy", "sell", "Buy", "Sell"]  #: of the taker; capital letters in the documentation's example
    ts: Millis


class _Fills(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Fill]


_read_fills = msgspec.json.Decoder(_Fills, strict=False)


def _window_from(stretch: Stretch) -> int:
    """Where the newest window of a stretch begins, ns UTC."""
    return max(stretch.ts_from, stretch.ts_to - _WINDOW_NS)


def request(instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """The REST call for the newest trades of a stretch, or those before the id in `stretch.after`."""
    times = (("startTime", str(_window_from(stretch) // MS)), ("endTime", str(-(-stretch.ts_to // MS))))
    older = () if stretch.after is None else (("idLessThan", stretch.after),)
    params = (("symbol", instrument.symbol), PRODUCT, *times, ("limit", str(MOST_FILLS)), *older)
    return HttpRequest(
        path="/api/v2/mix/market/fills-history", params=params, weight=WEIGHT_10_PER_S, urgency=Urgency.PAST
    )


def past(raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """The trades of a page.

    Raises:
        FrameError: a refusal, not the documented shape, or nothing older than was asked.
    """
    rows = sorted(read(_read_fills, raw).data, key=lambda row: row.tradeId)
    ts_window = _window_from(stretch)
    if not rows:
        rest = Stretch(stretch.ts_from, ts_window) if stretch.ts_from < ts_window else None
        return Past([], ts_window, stretch.ts_to, rest)
    oldest = rows[0]
    if stretch.after is not None and rows[-1].tradeId >= int(stretch.after):
        reason = f"was asked for trades before {stretch.after}, and sent {rows[-1].tradeId}"
        raise FrameError(f"bitget {reason}", venue=VENUE)
    trades = [_trade(row, instrument, ts_recv) for row in rows if stretch.ts_from <= row.ts * MS < stretch.ts_to]
    if oldest.ts * MS < stretch.ts_from:
        return Past(trades, stretch.ts_from, stretch.ts_to, None)
    ts_whole = min((oldest.ts + 1) * MS, stretch.ts_to)
    return Past(trades, ts_whole, stretch.ts_to, Stretch(stretch.ts_from, ts_whole, str(oldest.tradeId)))


def _trade(row: _Fill, instrument: Instrument, ts_recv: int) -> MarketEvent:
    side = Side.BUY if row.side.lower() == "buy" else Side.SELL
    return Trade(instrument.id, row.ts * MS, ts_recv, str(row.tradeId), row.price, row.size, side, is_aggregate=False)

"""Candles of every interval the venue has, of trades and of reference prices, made of those the lab keeps."""

from collections.abc import Iterable, Sequence

import msgspec

from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bitget.topics import Span
from perpscope.model.market import Candle, Interval

_MINUTE_NS = 60_000_000_000
_KEPT = {interval.ns // _MINUTE_NS: interval for interval in Interval}
_HOUR_MINUTES = 60


def candles(quotations: Quotations, symbol: str, span: Span) -> Sequence[Candle]:
    """Oldest first, the forming one last."""
    if span.minutes in _KEPT:
        return quotations.candles(symbol, _KEPT[span.minutes])
    part = max(kept for kept in _KEPT if span.minutes % kept == 0)
    return merged(quotations.candles(symbol, _KEPT[part]), span)


def references(quotations: Quotations, symbol: str, which: str, span: Span) -> Sequence[Candle]:
    """Of the "mark", "index" or "premium", without volume; oldest first, the forming one last."""
    known = quotations.stand(symbol).listing.instrument.id
    part = Span(min(span.minutes, _HOUR_MINUTES))
    parts = [
        Candle(
            known,
            bar.ts_open,
            bar.ts_open,
            Interval.M1,
            bar.ts_open,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            volume=0.0,
            quote_volume=0.0,
            trades=None,
            taker_buy_volume=None,
            taker_buy_quote_volume=None,
            is_closed=True,
        )
        for bar in quotations.reference_bars(symbol, which, part.ns)
    ]
    return parts if part.minutes == span.minutes else merged(parts, span)


def merged(parts: Iterable[Candle], span: Span) -> list[Candle]:
    """Candles of a longer interval, but for `interval`, which stays the parts'; the first may begin too late."""
    bars: list[Candle] = []
    for part in parts:
        ts_open = span.opening(part.ts_open)
        if not bars or bars[-1].ts_open != ts_open:
            bars.append(msgspec.structs.replace(part, ts_open=ts_open))
            continue
        bar = bars[-1]
        bars[-1] = msgspec.structs.replace(
            bar,
            ts_event=part.ts_event,
            high=max(bar.high, part.high),
            low=min(bar.low, part.low),
            close=part.close,
            volume=bar.volume + part.volume,
            quote_volume=(bar.quote_volume or 0.0) + (part.quote_volume or 0.0),
            is_closed=part.is_closed,
        )
    return bars

"""Candles of every interval the venue has, of trades and of reference prices, made of those the lab keeps."""

from collections.abc import Iterable, Sequence

import msgspec

from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bitget.topics import Span
from perpscope.model.market import Candle, Interval

_HOUR_MINUTES = 60


def candles(quotations: Quotations, symbol: str, span: Span) -> Sequence[Candle]:
    """Those since the start; oldest first, the forming one last."""
    part = _part(span)
    return _whole(quotations.candles(symbol, part), part, span)


def old_candles(quotations: Quotations, symbol: str, span: Span, ts_from: int, ts_to: int) -> Sequence[Candle]:
    """Those that begin in [ts_from, ts_to), ns UTC, before the start as well; oldest first, the forming one last."""
    part = _part(span)
    first, last = span.opening(ts_from + span.ns - 1), span.opening(ts_to - 1) + span.ns
    return _whole(quotations.candles(symbol, part, first, last), part, span)


def _part(span: Span) -> Interval:
    """The longest candles of the market's own that make up these."""
    return max((kept for kept in Interval if span.ns % kept.ns == 0), key=lambda kept: kept.ns)


def _whole(parts: Sequence[Candle], part: Interval, span: Span) -> Sequence[Candle]:
    return parts if part.ns == span.ns else merged(parts, span)


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

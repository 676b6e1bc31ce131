"""What Hyperliquid can be asked for afterwards: candles, the latest 5,000 of each length, and every funding.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint (candleSnapshot, fundingHistory)
"Responses that take a time range will only return 500 elements", and not which: so fewer periods are asked for at once.
Trades (the last ten are told), books, liquidations, open interest and mark prices cannot be had after the fact.
"""

from collections.abc import Mapping, Sequence

import msgspec

from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, FundingPaid, Interval
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch
from perpscope.venues.hyperliquid.rest import HEAVY, read_reply, reply_error
from perpscope.venues.hyperliquid.wire import MS, Bar, Millis, Rate

#: Periods asked for at once; a few less than 500, as a range may also bring the candle that its start lies in.
MOST_ROWS = 480
_CANDLES_PER_WEIGHT, _FUNDINGS_PER_WEIGHT = 60, 20  #: rows for one weight on top
_KEPT_CANDLES = 4998  #: closed ones of the 5,000, at whatever moment they are asked for
_HOUR_NS = 3_600_000_000_000

_FUNDING = Series(Channel.FUNDING)
_CANDLES = {
    Series(Channel.CANDLES_1M): Interval.M1,
    Series(Channel.CANDLES_15M): Interval.M15,
    Series(Channel.CANDLES_1H): Interval.H1,
}
#: Seconds back; fundings since the listing, or since 2023-05-12.
SERIES: Mapping[Series, float | None] = {
    **{series: _KEPT_CANDLES * interval.ns / 1e9 for series, interval in _CANDLES.items()},
    _FUNDING: None,
}


class _Settled(msgspec.Struct):
    coin: str
    fundingRate: Rate  #: of an hour
    time: Millis  #: some milliseconds after the hour


_read_bars = msgspec.json.Decoder(list[Bar], strict=False)
_read_fundings = msgspec.json.Decoder(list[_Settled], strict=False)


def past_request(series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """The REST call for the newest part of a stretch.

    Raises:
        KeyError: not one of `SERIES`.
    """
    ts_from, spacing = _window_from(series, stretch), _spacing(series)
    rows = -(-(stretch.ts_to - ts_from) // spacing)
    times = {"startTime": -(-ts_from // MS), "endTime": -(-stretch.ts_to // MS)}
    if series == _FUNDING:
        asked = {"type": "fundingHistory", "coin": instrument.symbol, **times}
        return _info(HEAVY + -(-rows // _FUNDINGS_PER_WEIGHT), asked)
    interval = _CANDLES[series]
    times["startTime"] = -(-(ts_from - interval.ns) // MS)
    wanted = {"coin": instrument.symbol, "interval": interval.value, **times}
    return _info(HEAVY + -(-(rows + 2) // _CANDLES_PER_WEIGHT), {"type": "candleSnapshot", "req": wanted})


def _info(weight: int, asked: Mapping[str, object]) -> HttpRequest:
    body = msgspec.json.encode(asked)
    return HttpRequest(method="POST", path="/info", body=body, weight=weight, urgency=Urgency.PAST)


def _spacing(series: Series) -> int:
    """Ns from one event to the next."""
    return _HOUR_NS if series == _FUNDING else _CANDLES[series].ns


def _window_from(series: Series, stretch: Stretch) -> int:
    """Where the part that is asked for begins, ns UTC."""
    return max(stretch.ts_from, stretch.ts_to - MOST_ROWS * _spacing(series))


def past(series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What the reply to `past_request` tells of the part that was asked for.

    Raises:
        FrameError: not the documented shape, or of another coin or length.
        KeyError: not one of `SERIES`.
    """
    ts_from = _window_from(series, stretch)
    told: Sequence[Candle | FundingPaid]
    if series == _FUNDING:
        told = _fundings(raw, instrument, ts_recv)
    else:
        told = _candles(raw, instrument, _CANDLES[series], ts_recv)
    inside = [event for event in told if ts_from <= event.ts_event < stretch.ts_to]
    rest = Stretch(stretch.ts_from, ts_from) if stretch.ts_from < ts_from else None
    return Past([*sorted(inside, key=lambda event: event.ts_event)], ts_from, stretch.ts_to, rest)


def _candles(raw: bytes, instrument: Instrument, interval: Interval, ts_recv: int) -> list[Candle]:
    candles = []
    for row in read_reply(_read_bars, raw):
        ts_open = row.t * MS
        if (row.s, row.i) != (instrument.symbol, interval.value):
            reason = f"a candle of {row.s:.20} {row.i:.20} where {instrument.symbol} {interval.value} was asked"
            raise reply_error(reason, raw)
        if (ts_close := ts_open + interval.ns) <= ts_recv:
            prices = (row.o, row.h, row.l, row.c)
            untold = (None, row.n, None, None)
            candles.append(
                Candle(instrument.id, ts_close, ts_recv, interval, ts_open, *prices, row.v, *untold, is_closed=True)
            )
    return candles


def _fundings(raw: bytes, instrument: Instrument, ts_recv: int) -> list[FundingPaid]:
    rows = read_reply(_read_fundings, raw)
    if any(row.coin != instrument.symbol for row in rows):
        raise reply_error(f"fundings of another coin where {instrument.symbol} was asked", raw)
    return [FundingPaid(instrument.id, row.time * MS, ts_recv, row.fundingRate, None) for row in rows]

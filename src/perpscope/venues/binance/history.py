"""REST calls that fill a hole, and what their replies mean: candles, trades by id, funding that was paid, figures.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
Open interest, ratios and taker volume of the last 30 days are asked for in `figures`. `SERIES` is all that can be asked
for stretch by stretch: quotes, changes of the book and liquidations cannot be had after the fact.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Candle, FundingPaid, Interval, MarketEvent, MarkPrice, Trade
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch
from perpscope.venues.binance import figures
from perpscope.venues.binance.reply import read
from perpscope.venues.binance.rest import FUNDING_WEIGHT, window
from perpscope.venues.binance.symbols import VENUE
from perpscope.venues.binance.wire import (
    BUY,
    MS,
    SELL,
    Count,
    Millis,
    MillisOrNever,
    NotNegative,
    Positive,
    Rate,
    never_or_millis,
)

#: (most candles, weight), ascending.
KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
#: Trades reach back 48 hours, and a window of times must be shorter than an hour.
TRADES_WEIGHT, MOST_TRADES, TRADES_WINDOW_MS = 20, 1000, 3_600_000
MOST_FUNDINGS = 1000
_INTERVALS: Final = {
    Channel.CANDLES_1M: Interval.M1,
    Channel.CANDLES_15M: Interval.M15,
    Channel.CANDLES_1H: Interval.H1,
}
_HOUR_NS: Final = 3600 * 1_000_000_000
_PERIOD_NS: Final = figures.PERIOD_S * 1_000_000_000
#: An hour less than the venue keeps, so that what is planned now is still there when its turn comes.
_FIGURES_REACH_S: Final = 30 * 86_400.0 - 3600.0
_TRADES_REACH_S: Final = 48 * 3600.0 - 3600.0
#: What can be asked for, and how many seconds back; None = since the listing.
SERIES: Final[Mapping[Series, float | None]] = {
    **{Series(channel): None for channel in _INTERVALS},
    Series(Channel.OPEN_INTEREST): _FIGURES_REACH_S,
    **{Series(Channel.ACCOUNT_RATIOS, kind): _FIGURES_REACH_S for kind in figures.RATIOS},
    Series(Channel.TAKER_VOLUME): _FIGURES_REACH_S,
    Series(Channel.FUNDING): None,
    Series(Channel.TRADES): _TRADES_REACH_S,
}
#: Rows asked for at once, and how far apart they are at least, ns. Candles: of the steps of `KLINE_WEIGHTS` that with
#: the most for its weight. Fundings come some milliseconds late: 960 hours of them are surely within a reply.
_PAGES: Final = {
    **{channel: (499, interval.ns) for channel, interval in _INTERVALS.items()},
    **dict.fromkeys(
        (Channel.OPEN_INTEREST, Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME), (figures.MOST_ROWS, _PERIOD_NS)
    ),
    Channel.FUNDING: (960, _HOUR_NS),
    Channel.TRADES: (1, TRADES_WINDOW_MS * MS - MS),
}
_PREMIUM_WEIGHT_ONE, _PREMIUM_WEIGHT_ALL = 1, 10


class _Row(msgspec.Struct, array_like=True):
    """One candle: the reply is a list of lists."""

    open_ms: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NotNegative
    close_ms: Millis
    quote_volume: NotNegative
    trades: Count
    taker_buy_volume: NotNegative
    taker_buy_quote_volume: NotNegative


class _AggTrade(msgspec.Struct):
    a: Count
    p: Positive
    q: Positive
    T: Millis
    m: bool  #: the buyer is the maker, so the taker sold


class _Funding(msgspec.Struct):
    symbol: str
    fundingRate: Rate
    fundingTime: Millis
    markPrice: NotNegative | Literal[""] = ""  #: since 2023-11-01 (change-log); empty of older ones


class _Premium(msgspec.Struct):
    symbol: str
    markPrice: NotNegative  #: 0 for a contract that is no longer priced
    time: Millis
    indexPrice: NotNegative = 0.0
    lastFundingRate: Rate | Literal[""] = ""  #: empty for dated contracts
    nextFundingTime: MillisOrNever = 0

    def __post_init__(self) -> None:
        """Funding is due at a moment, or never."""
        never_or_millis("nextFundingTime", self.nextFundingTime)


_Premiums: TypeAlias = list[_Premium] | _Premium

_klines = msgspec.json.Decoder(list[_Row], strict=False)
_agg_trades = msgspec.json.Decoder(list[_AggTrade], strict=False)
_fundings = msgspec.json.Decoder(list[_Funding], strict=False)
_premiums: msgspec.json.Decoder[_Premiums] = msgspec.json.Decoder(_Premiums, strict=False)


def klines_request(
    symbol: str, interval: Interval, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
) -> HttpRequest:
    """Ask for at most `limit` (1,500) candles, oldest first, opened between two moments (ms UTC, both included)."""
    weight = next((weight for most, weight in KLINE_WEIGHTS if 1 <= limit <= most), None)
    if weight is None:
        raise ValueError(f"klines limit {limit} must lie in [1, {KLINE_WEIGHTS[-1][0]}]")
    params = (("symbol", symbol), ("interval", interval.value), ("limit", str(limit)), *window(start_ms, end_ms))
    return HttpRequest(path="/fapi/v1/klines", params=params, weight=weight)


def candles(raw: bytes, instrument: InstrumentId, interval: Interval, ts_recv: int) -> list[Candle]:
    """Decode a klines reply. The last row is usually still forming: closed means ended by `ts_recv` (ns UTC).

    Raises:
        FrameError: a refusal, not the documented shape, or rows of another length than `interval`.
    """
    decoded = []
    for row in read(_klines, raw):
        ts_open, ts_close = row.open_ms * MS, (row.close_ms + 1) * MS
        if ts_close - ts_open != interval.ns:
            span_s = (ts_close - ts_open) / 1e9
            raise FrameError(f"binance sent a candle of {span_s:g} s where {interval.value} was asked", venue=VENUE)
        decoded.append(
            Candle(
                instrument,
                min(ts_close, ts_recv),
                ts_recv,
                interval,
                ts_open,
                row.open,
                row.high,
                row.low,
                row.close,
                row.volume,
                row.quote_volume,
                row.trades,
                row.taker_buy_volume,
                row.taker_buy_quote_volume,
                ts_close <= ts_recv,
            )
        )
    return decoded


def trades_request(symbol: str, *, from_id: int, limit: int = MOST_TRADES) -> HttpRequest:
    """Ask for at most `limit` (1,000) aggregate trades, oldest first, from an id on."""
    return _trades_request((("symbol", symbol), ("fromId", str(from_id)), ("limit", str(limit))), limit)


def trades_between_request(symbol: str, start_ms: int, end_ms: int, *, limit: int = MOST_TRADES) -> HttpRequest:
    """Ask for the first aggregate trades between two moments less than an hour apart (ms UTC, both included)."""
    if not 0 <= end_ms - start_ms < TRADES_WINDOW_MS:
        raise ValueError(f"window of {end_ms - start_ms} ms must lie in [0, {TRADES_WINDOW_MS})")
    return _trades_request((("symbol", symbol), *window(start_ms, end_ms), ("limit", str(limit))), limit)


def _trades_request(params: tuple[tuple[str, str], ...], limit: int) -> HttpRequest:
    if not 1 <= limit <= MOST_TRADES:
        raise ValueError(f"trades limit {limit} must lie in [1, {MOST_TRADES}]")
    return HttpRequest(path="/fapi/v1/aggTrades", params=params, weight=TRADES_WEIGHT)


def trades(raw: bytes, instrument: InstrumentId, ts_recv: int) -> list[Trade]:
    """Decode an aggTrades reply; ids are those of the stream, so what both tell is told once.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return [
        Trade(instrument, row.T * MS, ts_recv, row.a, row.p, row.q, SELL if row.m else BUY, True)
        for row in read(_agg_trades, raw)
    ]


def funding_history_request(
    symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = MOST_FUNDINGS
) -> HttpRequest:
    """Ask for at most `limit` (1,000) fundings, oldest first; without times, the newest."""
    if not 1 <= limit <= MOST_FUNDINGS:
        raise ValueError(f"fundings limit {limit} must lie in [1, {MOST_FUNDINGS}]")
    params = (("symbol", symbol), ("limit", str(limit)), *window(start_ms, end_ms))
    return HttpRequest(path="/fapi/v1/fundingRate", params=params, weight=FUNDING_WEIGHT)


def fundings_paid(raw: bytes, ids: Mapping[str, InstrumentId], ts_recv: int) -> list[FundingPaid]:
    """Decode a fundingRate reply; symbols not in `ids` are passed over.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return [
        FundingPaid(ids[row.symbol], row.fundingTime * MS, ts_recv, row.fundingRate, row.markPrice or None)
        for row in read(_fundings, raw)
        if row.symbol in ids
    ]


def premium_request(symbol: str | None = None) -> HttpRequest:
    """Ask for mark price, index and funding of one instrument, or of all."""
    if symbol is None:
        return HttpRequest(path="/fapi/v1/premiumIndex", weight=_PREMIUM_WEIGHT_ALL)
    return HttpRequest(path="/fapi/v1/premiumIndex", params=(("symbol", symbol),), weight=_PREMIUM_WEIGHT_ONE)


def mark_prices(raw: bytes, ids: Mapping[str, InstrumentId], ts_recv: int) -> list[MarkPrice]:
    """Decode a premiumIndex reply, of one instrument or of all; symbols not in `ids` are passed over.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    reply = read(_premiums, raw)
    rows = reply if isinstance(reply, list) else [reply]
    return [_mark_price(row, ids[row.symbol], ts_recv) for row in rows if row.symbol in ids and row.markPrice]


def _mark_price(row: _Premium, instrument: InstrumentId, ts_recv: int) -> MarkPrice:
    rate = row.lastFundingRate if row.nextFundingTime and isinstance(row.lastFundingRate, float) else None
    ts_next = row.nextFundingTime * MS or None
    return MarkPrice(instrument, row.time * MS, ts_recv, row.markPrice, row.indexPrice or None, rate, ts_next)


# stretches of the past ------------------------------------------------------------------------------------------------


def past_request(series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """Ask for the newest part of a stretch that one reply holds; of trades, first for the oldest of the last hour."""
    begin, symbol = _begin(series, stretch), instrument.symbol
    interval = _INTERVALS.get(series.channel)
    start_ms, end_ms = _bounds(begin - _lag(series), stretch.ts_to - _lag(series))
    if interval is not None:
        limit = -(-(stretch.ts_to - begin) // interval.ns) or 1
        request = klines_request(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit)
    elif series.channel is Channel.TRADES and stretch.after is not None:
        request = trades_request(symbol, from_id=_left_off(stretch.after)[0])
    elif series.channel is Channel.TRADES:
        request = trades_between_request(symbol, start_ms, end_ms)
    elif series.channel is Channel.FUNDING:
        request = funding_history_request(symbol, start_ms=start_ms, end_ms=end_ms)
    else:
        request = figures.period_request(_figure(series), symbol, start_ms=start_ms, end_ms=end_ms)
    return msgspec.structs.replace(request, urgency=Urgency.PAST)


def past(series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What the reply to `past_request` for the same stretch tells; what is not over by `ts_recv` (ns UTC) is left out.

    Raises:
        FrameError: a refusal, not the documented shape, or of another instrument or time.
    """
    begin = _begin(series, stretch)
    rest = Stretch(stretch.ts_from, begin) if begin > stretch.ts_from else None
    if series.channel is Channel.TRADES:
        return _past_trades(trades(raw, instrument.id, ts_recv), begin, stretch, rest)
    told = _told(series, raw, instrument, ts_recv)
    slack = _PAGES[series.channel][1]
    if told and not any(begin - slack <= event.ts_event < stretch.ts_to + slack for event in told):
        raise FrameError(f"binance sent {series.channel.value} of another time than was asked for", venue=VENUE)
    inside = [event for event in told if begin <= event.ts_event < stretch.ts_to]
    return Past([*inside], begin, stretch.ts_to, rest)


def _past_trades(told: list[Trade], begin: int, stretch: Stretch, rest: Stretch | None) -> Past:
    """An hour is read forward by id, so that neither a full page nor equal times lose anything."""
    inside: list[MarketEvent] = [trade for trade in told if begin <= trade.ts_event < stretch.ts_to]
    since = begin if stretch.after is None else max(begin, _left_off(stretch.after)[1])
    if len(told) < MOST_TRADES or told[-1].ts_event >= stretch.ts_to:
        return Past(inside, since, stretch.ts_to, rest)
    last = told[-1]
    after = f"{int(last.trade_id) + 1}@{last.ts_event}"
    return Past(inside, since, max(since, last.ts_event), Stretch(stretch.ts_from, stretch.ts_to, after))


def _left_off(after: str) -> tuple[int, int]:
    """The next trade's id, and the time (ns UTC) before which everything has been told."""
    next_id, _, ts = after.partition("@")
    return int(next_id), int(ts)


def _begin(series: Series, stretch: Stretch) -> int:
    """Where the part begins that one request, or a run of them by id, is about; ns UTC."""
    rows, step_ns = _PAGES[series.channel]
    return max(stretch.ts_from, stretch.ts_to - rows * step_ns)


def _lag(series: Series) -> int:
    """How long before an event's time the venue stamps its row: candles and taker volumes at their start; ns."""
    interval = _INTERVALS.get(series.channel)
    if interval is not None:
        return interval.ns
    return _PERIOD_NS if series.channel is Channel.TAKER_VOLUME else 0


def _bounds(ts_from: int, ts_to: int) -> tuple[int, int]:
    """The whole milliseconds in [ts_from, ts_to), first and last; at least one."""
    start_ms = -(-ts_from // MS)
    return start_ms, max(start_ms, -(-ts_to // MS) - 1)


def _figure(series: Series) -> str:
    if series.channel is Channel.ACCOUNT_RATIOS and series.kind is not None:
        return figures.RATIOS[series.kind]
    return {Channel.OPEN_INTEREST: figures.PAST_OPEN_INTEREST, Channel.TAKER_VOLUME: figures.TAKERS}[series.channel]


def _told(
    series: Series, raw: bytes, instrument: Instrument, ts_recv: int
) -> Sequence[Candle | FundingPaid | figures.Figure]:
    """The events of a reply, whatever their times."""
    interval = _INTERVALS.get(series.channel)
    if interval is not None:
        return [candle for candle in candles(raw, instrument.id, interval, ts_recv) if candle.is_closed]
    if series.channel is Channel.FUNDING:
        stray = next((row.symbol for row in read(_fundings, raw) if row.symbol != instrument.symbol), None)
        if stray is not None:
            raise FrameError(f"binance sent fundings of {stray[:40]} for {instrument.symbol}", venue=VENUE)
        return fundings_paid(raw, {instrument.symbol: instrument.id}, ts_recv)
    if series.kind is not None:
        return figures.account_ratios(raw, instrument, series.kind, ts_recv)
    if series.channel is Channel.TAKER_VOLUME:
        return figures.taker_volumes(raw, instrument, ts_recv)
    return figures.past_open_interest(raw, instrument, ts_recv)

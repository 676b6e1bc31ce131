"""What Bybit tells of its past, stretch by stretch: candles, open interest, account ratios, funding, the last trades.

https://bybit-exchange.github.io/docs/v5/market/kline and its neighbours
Lists come newest first. A part of a stretch is chosen so that one reply holds it, and is whole as far back as the rows
reach, or if none came. Of trades the last 1,000 can be had and no others. Candles tell neither the number of trades nor
takers' volumes, as on the stream; which end of its period an open interest or a ratio is stamped with is documented
nowhere: taken for the end, as in `polls`. Liquidations, takers' volumes, quotes and books cannot be had.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, Candle, FundingPaid, Interval, OpenInterest, RatioKind, Trade
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch
from perpscope.venues.bybit import polls
from perpscope.venues.bybit.replies import LINEAR, SHOWN, Answer, Rows, read
from perpscope.venues.bybit.stream import SIDES
from perpscope.venues.bybit.symbols import VENUE
from perpscope.venues.bybit.wire import MS, Millis, NotNegative, Positive, Rate, WireSide

MOST_TRADES = 1000
_PERIOD_NS: Final = polls.RATIO_PERIOD_S * 1_000_000_000
_KLINES: Final = {
    Channel.CANDLES_1M: ("1", Interval.M1),
    Channel.CANDLES_15M: ("15", Interval.M15),
    Channel.CANDLES_1H: ("60", Interval.H1),
}
#: Rows a reply holds, and how far apart they are at least, ns; of fundings the shortest interval there is.
_PAGES: Final = {
    **{channel: (1000, interval.ns) for channel, (_, interval) in _KLINES.items()},
    Channel.OPEN_INTEREST: (200, _PERIOD_NS),
    Channel.ACCOUNT_RATIOS: (500, _PERIOD_NS),
    Channel.FUNDING: (200, 3600 * 1_000_000_000),
}
#: Not the venue's figure but ours: what the last 1,000 trades of a quiet contract may reach back to.
_TRADES_REACH_S: Final = 3600.0
_RATIOS: Final = Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS)
#: What can be asked for, and how many seconds back; None = since the listing. Ratios: perpetuals in USDT only.
SERIES: Final[Mapping[Series, float | None]] = {
    **{Series(channel): None for channel in _KLINES},
    Series(Channel.OPEN_INTEREST): None,
    _RATIOS: None,
    Series(Channel.FUNDING): None,
    Series(Channel.TRADES): _TRADES_REACH_S,
}

_Told: TypeAlias = Candle | OpenInterest | AccountRatio | FundingPaid


class _Bar(msgspec.Struct, array_like=True):
    start: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NotNegative  #: base units
    turnover: NotNegative  #: quote units

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest."""
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("Expected `low` <= `open`, `close` <= `high`")


class _Interest(msgspec.Struct):
    timestamp: Millis
    openInterest: NotNegative  #: base units, both sides
    singleOpenInterest: NotNegative | None = None  #: base units, one side; since 2026-06-11


class _Funding(msgspec.Struct):
    symbol: str
    fundingRate: Rate
    fundingRateTimestamp: Millis


class _Fill(msgspec.Struct):
    symbol: str
    execId: Annotated[str, msgspec.Meta(min_length=1)]
    price: Positive
    size: Positive
    side: WireSide  #: of the taker
    time: Millis
    isBlockTrade: bool  #: agreed off the book


class _Bars(msgspec.Struct):
    symbol: str
    list: Sequence[_Bar]


class _Interests(msgspec.Struct):
    symbol: str
    list: Sequence[_Interest]


_read_bars = msgspec.json.Decoder(Answer[_Bars], strict=False)
_read_interests = msgspec.json.Decoder(Answer[_Interests], strict=False)
_read_fundings = msgspec.json.Decoder(Answer[Rows[_Funding]], strict=False)
_read_fills = msgspec.json.Decoder(Answer[Rows[_Fill]], strict=False)


# asking --------------------------------------------------------------------------------------------------------------


def past_request(series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """Ask for the newest part of a stretch that one reply holds; of trades, for the last there are."""
    symbol = ("symbol", instrument.symbol)
    if series.channel is Channel.TRADES:
        return _request("recent-trade", symbol, ("limit", str(MOST_TRADES)))
    begin, limit = _begin(series, stretch), ("limit", str(_PAGES[series.channel][0]))
    if series.channel in _KLINES:
        name, interval = _KLINES[series.channel]
        window = _window("start", "end", begin - interval.ns, stretch.ts_to - interval.ns)
        return _request("kline", symbol, ("interval", name), limit, *window)
    window = _window("startTime", "endTime", begin, stretch.ts_to)
    if series.channel is Channel.OPEN_INTEREST:
        return _request("open-interest", symbol, ("intervalTime", polls.RATIO_PERIOD), limit, *window)
    if series.channel is Channel.FUNDING:
        return _request("funding/history", symbol, limit, *window)
    return _request("account-ratio", symbol, ("period", polls.RATIO_PERIOD), limit, *window)


def _request(name: str, *params: tuple[str, str]) -> HttpRequest:
    return HttpRequest(path=f"/v5/market/{name}", params=(LINEAR, *params), urgency=Urgency.PAST)


def _begin(series: Series, stretch: Stretch) -> int:
    """Where the part begins that one request is about, ns UTC."""
    if series.channel is Channel.TRADES:
        return stretch.ts_from
    rows, step_ns = _PAGES[series.channel]
    return max(stretch.ts_from, stretch.ts_to - rows * step_ns)


def _window(first: str, last: str, ts_from: int, ts_to: int) -> tuple[tuple[str, str], ...]:
    """The whole milliseconds in [ts_from, ts_to), first and last; at least one."""
    start_ms = -(-ts_from // MS)
    return (first, str(start_ms)), (last, str(max(start_ms, -(-ts_to // MS) - 1)))


# reading -------------------------------------------------------------------------------------------------------------


def past(series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What the reply to `past_request` for the same stretch tells; what is not over by `ts_recv` (ns UTC) is left out.

    Raises:
        FrameError: a refusal, not the documented shape, or of another instrument or time.
    """
    if series.channel is Channel.TRADES:
        return _trades(raw, instrument, stretch, ts_recv)
    begin = _begin(series, stretch)
    told = _told(series, raw, instrument, ts_recv)
    slack = _PAGES[series.channel][1]
    if told and not any(begin - slack <= event.ts_event < stretch.ts_to + slack for event in told):
        raise FrameError(f"bybit sent {series.channel.value} of another time than was asked for", venue=VENUE)
    inside = [event for event in told if begin <= event.ts_event < stretch.ts_to]
    inside.sort(key=lambda event: event.ts_event)
    if inside and inside[0].ts_event - begin >= slack:  # fewer rows than were asked for: older ones may be cut off
        begin = inside[0].ts_event
    inside = [event for event in inside if event.ts_event <= ts_recv]
    rest = Stretch(stretch.ts_from, begin) if begin > stretch.ts_from else None
    return Past([*inside], begin, stretch.ts_to, rest)


def _told(series: Series, raw: bytes, instrument: Instrument, ts_recv: int) -> Sequence[_Told]:
    """The events of a reply, whatever their times."""
    if series.channel in _KLINES:
        return _candles(raw, instrument, _KLINES[series.channel][1], ts_recv)
    if series.channel is Channel.OPEN_INTEREST:
        return _open_interests(raw, instrument, ts_recv)
    if series.channel is Channel.FUNDING:
        rows = read(_read_fundings, raw).list
        for row in rows:
            _check("fundings", row.symbol, instrument)
        paid = [(row.fundingRateTimestamp * MS, row.fundingRate) for row in rows]
        return [FundingPaid(instrument.id, ts, ts_recv, rate, None) for ts, rate in paid]
    return polls.account_ratios(raw, instrument.symbol, instrument.id, ts_recv)


def _candles(raw: bytes, instrument: Instrument, interval: Interval, ts_recv: int) -> list[Candle]:
    """Closed ones; the venue does not say so, the time does."""
    reply = read(_read_bars, raw)
    _check("candles", reply.symbol, instrument)
    return [
        Candle(
            instrument.id,
            bar.start * MS + interval.ns,
            ts_recv,
            interval,
            bar.start * MS,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.turnover,
            None,
            None,
            None,
            is_closed=True,
        )
        for bar in reply.list
    ]


def _open_interests(raw: bytes, instrument: Instrument, ts_recv: int) -> list[OpenInterest]:
    """One side; where only the sum of both is told, half of it."""
    reply = read(_read_interests, raw)
    _check("open interest", reply.symbol, instrument)
    return [
        OpenInterest(
            instrument.id,
            row.timestamp * MS,
            ts_recv,
            row.openInterest / 2 if row.singleOpenInterest is None else row.singleOpenInterest,
            None,
        )
        for row in reply.list
    ]


def _trades(raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """Trades of the book. Whole is what came later than the reply's oldest millisecond, which others may have shared.

    What is older than that is lost, unless the reply reaches back to before the stretch.
    """
    fills = read(_read_fills, raw).list
    for fill in fills:
        _check("trades", fill.symbol, instrument)
    trades = [
        Trade(instrument.id, fill.time * MS, ts_recv, fill.execId, fill.price, fill.size, SIDES[fill.side], False)
        for fill in reversed(fills)
        if not fill.isBlockTrade
    ]
    trades.sort(key=lambda trade: trade.ts_event)
    inside = [trade for trade in trades if stretch.ts_from <= trade.ts_event < stretch.ts_to]
    oldest = min((fill.time * MS for fill in fills), default=None)
    begin = stretch.ts_from if oldest is None or oldest < stretch.ts_from else min(oldest + MS, stretch.ts_to)
    return Past([*inside], begin, stretch.ts_to, None)


def _check(what: str, symbol: str, instrument: Instrument) -> None:
    if symbol != instrument.symbol:
        raise FrameError(f"bybit sent {what} of {symbol[:SHOWN]} for {instrument.symbol}", venue=VENUE)

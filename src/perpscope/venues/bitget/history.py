"""What Bitget can be asked for afterwards: candles, funding, trades (`fills`), and the last ratios and taker volumes.

https://www.bitget.com/api-doc/contract/market (v2: candles), …/uta/public (v3: funding, statistics)
Candles are asked for by their end, since the venue counts a page from there; nobody says whether that end belongs to
the page, so it is set one candle later. Liquidations are left out though v3 lists those of three days: what `amount`
counts there may not be what it counts in the stream (see `amount`), so that one told by both would be stored twice, and
the list "may be delayed", by how much is not said. Open interest has no history.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, Candle, FundingPaid, Interval, RatioKind, TakerVolume
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch
from perpscope.venues.bitget import fills, polls
from perpscope.venues.bitget.rest import CATEGORY, WEIGHT_20_PER_S, read
from perpscope.venues.bitget.symbols import VENUE
from perpscope.venues.bitget.wire import MS, Millis, NotNegative, Positive, Rate

MOST_CANDLES = 1000
MOST_FUNDINGS, MOST_PAGES = 100, 100
_HOUR_NS = 3_600_000_000_000
_DAY_S = 86_400.0

_TRADES = Series(Channel.TRADES)
_FUNDING = Series(Channel.FUNDING)
_CANDLES = {
    Series(Channel.CANDLES_1M): ("1m", Interval.M1),
    Series(Channel.CANDLES_15M): ("15m", Interval.M15),
    Series(Channel.CANDLES_1H): ("1H", Interval.H1),
}
#: Series → what the poll is named that brings it.
_POLLED = {
    Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_ACCOUNTS): "account_ratio",
    Series(Channel.ACCOUNT_RATIOS, RatioKind.ALL_POSITIONS): "position_ratio",
    Series(Channel.TAKER_VOLUME): "taker_volume",
}
#: Seconds back. Of candles as a public client has it (ccxt 4.5.90, `maxRecentDaysPerTimeframe`); of funding 10,000 rows
#: of an hour at the least; of the statistics about 30 rows (from memory: their number is not documented).
SERIES: Mapping[Series, float | None] = {
    Series(Channel.CANDLES_1M): 30 * _DAY_S,
    Series(Channel.CANDLES_15M): 30 * _DAY_S,
    Series(Channel.CANDLES_1H): 60 * _DAY_S,
    _FUNDING: MOST_PAGES * MOST_FUNDINGS * 3_600.0,
    **dict.fromkeys(_POLLED, 30.0 * polls.PERIOD_S),
    _TRADES: fills.DEPTH_S,
}


class _Bar(msgspec.Struct, array_like=True):
    """`[ts, open, high, low, close, base units, quote units]`."""

    ts: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NotNegative
    turnover: NotNegative

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest."""
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("Expected low <= open, close <= high")


class _Bars(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Bar]


class _Settled(msgspec.Struct):
    fundingRate: Rate
    fundingRateTimestamp: Millis


class _Page(msgspec.Struct):
    resultList: list[_Settled]


class _Fundings(msgspec.Struct):
    code: Literal["00000"]
    data: _Page


_read_bars = msgspec.json.Decoder(_Bars, strict=False)
_read_fundings = msgspec.json.Decoder(_Fundings, strict=False)


def past_request(series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """The REST call for the newest page of a stretch; of ratios and taker volumes, for all there are.

    Raises:
        KeyError: not one of `SERIES`.
    """
    if series == _TRADES:
        return fills.request(instrument, stretch)
    if series == _FUNDING:
        which, page = (CATEGORY, ("symbol", instrument.symbol)), ("cursor", stretch.after or "1")
        limit = ("limit", str(MOST_FUNDINGS))
        return _request("/api/v3/market/history-fund-rate", (*which, page, limit), WEIGHT_20_PER_S)
    if series in _CANDLES:
        name, interval = _CANDLES[series]
        rows = -(-(stretch.ts_to - stretch.ts_from) // interval.ns) + 2  # two may be too new
        end_ms = -(-stretch.ts_to // MS)
        which, end = (("symbol", instrument.symbol), fills.PRODUCT), ("endTime", str(end_ms))
        limit = ("limit", str(min(rows, MOST_CANDLES)))
        return _request("/api/v2/mix/market/candles", (*which, ("granularity", name), end, limit), WEIGHT_20_PER_S)
    poll = f"{VENUE}/{_POLLED[series]}/{instrument.symbol}"
    asked = next(made.request for made in polls.polls((instrument,), (series.channel,)) if made.name == poll)
    return _request(asked.path, asked.params, asked.weight)


def _request(path: str, params: tuple[tuple[str, str], ...], weight: int) -> HttpRequest:
    return HttpRequest(path=path, params=params, weight=weight, urgency=Urgency.PAST)


def past(series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What the reply to `past_request` tells; one without rows says that there is nothing in what was asked for.

    Raises:
        FrameError: a refusal, not the documented shape, or rows that are not older than was asked.
        KeyError: not one of `SERIES`.
    """
    if series == _TRADES:
        return fills.past(raw, instrument, stretch, ts_recv)
    if series == _FUNDING:
        return _fundings(raw, instrument, stretch, ts_recv)
    if series in _CANDLES:
        return _candles(raw, instrument, _CANDLES[series][1], stretch, ts_recv)
    return _latest(f"{VENUE}/{_POLLED[series]}/{instrument.symbol}", raw, instrument, stretch, ts_recv)


def _candles(raw: bytes, instrument: Instrument, interval: Interval, stretch: Stretch, ts_recv: int) -> Past:
    """A page of candles, all that closed after its oldest one; how many it may have is not relied on."""
    rows, length = sorted(read(_read_bars, raw).data, key=lambda row: row.ts), interval.ns
    if rows and rows[-1].ts * MS > stretch.ts_to + MS:
        raise FrameError(f"bitget was asked for candles until {stretch.ts_to} ns, and sent later ones", venue=VENUE)
    ts_over = min(stretch.ts_to, ts_recv + 1)
    told = [_candle(row, instrument, interval, ts_recv) for row in rows if row.ts * MS + length < ts_over]
    if told and told[0].ts_event - length >= stretch.ts_from:
        oldest = told[0].ts_event
        return Past([*told], oldest, stretch.ts_to, Stretch(stretch.ts_from, oldest))
    inside = [candle for candle in told if candle.ts_event >= stretch.ts_from]
    return Past([*inside], stretch.ts_from, stretch.ts_to, None)


def _candle(row: _Bar, instrument: Instrument, interval: Interval, ts_recv: int) -> Candle:
    ts_open, prices = row.ts * MS, (row.open, row.high, row.low, row.close)
    return Candle(
        instrument.id,
        ts_open + interval.ns,
        ts_recv,
        interval,
        ts_open,
        *prices,
        row.volume,
        row.turnover,
        None,
        None,
        None,
        is_closed=True,
    )


def _fundings(raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """A page, counted from the newest payment of all: one that is made meanwhile only brings rows again."""
    rows = read(_read_fundings, raw).data.resultList
    paid = sorted(
        (FundingPaid(instrument.id, row.fundingRateTimestamp * MS, ts_recv, row.fundingRate, None) for row in rows),
        key=lambda event: event.ts_event,
    )
    inside = [event for event in paid if stretch.ts_from <= event.ts_event < stretch.ts_to]
    if not paid or paid[0].ts_event - _HOUR_NS < stretch.ts_from:
        return Past([*inside], stretch.ts_from, stretch.ts_to, None)
    whole = min(paid[0].ts_event, stretch.ts_to)
    page = int(stretch.after or 1)
    rest = Stretch(stretch.ts_from, whole, str(page + 1)) if page < MOST_PAGES else None
    return Past([*inside], whole, stretch.ts_to, rest)


def _latest(poll: str, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What a list of the latest periods has of a stretch; what is older is gone."""
    told = polls.polled_events(poll, raw, ts_recv, {instrument.symbol: instrument})
    events = [event for event in told if isinstance(event, AccountRatio | TakerVolume)]
    if not events:
        return Past([], stretch.ts_from, stretch.ts_to, None)
    ts_from = min(max(stretch.ts_from, events[0].ts_event), stretch.ts_to)
    return Past([event for event in events if ts_from <= event.ts_event < stretch.ts_to], ts_from, stretch.ts_to, None)

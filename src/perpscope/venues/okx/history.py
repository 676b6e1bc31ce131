"""What OKX can be asked for afterwards: candles, open interest, ratios, taker volume, funding, trades (`matches`).

https://www.okx.com/docs-v5/en/#order-book-trading-market-data, …/#trading-statistics-rest-api, …/#public-data-rest-api
Pages come newest first and are older than a bound they do not include. How many rows one may have is told differently
by OKX's pages and by measurements, so a short page is never taken for the last. Liquidations are left out: their list
is in none of the venue's pages today and runs an hour late, so no reply says what is missing from that hour.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    AccountRatio,
    Candle,
    FundingPaid,
    Interval,
    OpenInterest,
    RatioKind,
    TakerVolume,
)
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch
from perpscope.venues.okx import matches, polls
from perpscope.venues.okx.rest import WEIGHTS, Reply, read
from perpscope.venues.okx.symbols import VENUE
from perpscope.venues.okx.trading_data import Bar
from perpscope.venues.okx.wire import MS, Millis, NotNegative, Rate

_HOUR_NS = 3_600_000_000_000
_PERIOD_NS = polls.PERIOD_S * 1_000_000_000
_PERIODS_S = 1440.0 * polls.PERIOD_S  #: of each statistic, the latest
_MONTHS_S = 90 * 86_400.0  #: "three months"

_TRADES = Series(Channel.TRADES)
_OPEN_INTEREST = Series(Channel.OPEN_INTEREST)
_TAKER_VOLUME = Series(Channel.TAKER_VOLUME)
_FUNDING = Series(Channel.FUNDING)
_CANDLES = {
    Series(Channel.CANDLES_1M): ("1m", Interval.M1),
    Series(Channel.CANDLES_15M): ("15m", Interval.M15),
    Series(Channel.CANDLES_1H): ("1H", Interval.H1),
}
_RATIOS = {
    Series(Channel.ACCOUNT_RATIOS, kind): kind
    for kind in (RatioKind.ALL_ACCOUNTS, RatioKind.TOP_ACCOUNTS, RatioKind.TOP_POSITIONS)
}

#: Seconds back; candles since the listing (the pages say "recent years").
SERIES: Mapping[Series, float | None] = {
    **dict.fromkeys(_CANDLES, None),
    **dict.fromkeys((_OPEN_INTEREST, *_RATIOS, _TAKER_VOLUME), _PERIODS_S),
    _FUNDING: _MONTHS_S,
    _TRADES: _MONTHS_S,
}

_Told: TypeAlias = Candle | OpenInterest | AccountRatio | TakerVolume | FundingPaid


class _Held(msgspec.Struct, array_like=True):
    """`[ts, contracts, base units, dollars]`."""

    ts: Millis
    contracts: NotNegative
    base: NotNegative
    usd: NotNegative


class _Settled(msgspec.Struct):
    fundingTime: Millis
    realizedRate: Rate  #: what was paid; `fundingRate` beside it is what was forecast


_read_bars = msgspec.json.Decoder(Reply[Bar], strict=False)
_read_held = msgspec.json.Decoder(Reply[_Held], strict=False)
_read_settled = msgspec.json.Decoder(Reply[_Settled], strict=False)


class _Listed(msgspec.Struct, frozen=True):
    """A series told in rows, each of a time of its own."""

    path: str
    params: tuple[tuple[str, str], ...]  #: besides the instrument
    below: str  #: name of the bound that a page is older than
    lag: int  #: ns from the time that is stamped to the event's
    spacing: int  #: ns from one event to the next, at least
    most: int  #: rows of a page
    weight: int
    events: Callable[[bytes, Instrument, int], list[_Told]]  #: those of a reply that are over


def past_request(series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
    """The REST call for the newest page of a stretch.

    Raises:
        KeyError: not one of `SERIES`.
    """
    if series == _TRADES:
        return matches.request(instrument, stretch)
    listed = _listed(series, instrument)
    rows = -(-(stretch.ts_to - stretch.ts_from) // listed.spacing)
    below_ms = -(-(stretch.ts_to - listed.lag) // MS)
    paging = ((listed.below, str(below_ms)), ("limit", str(min(max(rows, 1), listed.most))))
    params = (("instId", instrument.symbol), *listed.params, *paging)
    return HttpRequest(path=listed.path, params=params, weight=listed.weight, urgency=Urgency.PAST)


def past(series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
    """What the reply to `past_request` tells; one without rows says that there is nothing in the whole stretch.

    Raises:
        FrameError: a refusal, not the documented shape, or rows that are not older than was asked.
        KeyError: not one of `SERIES`.
    """
    if series == _TRADES:
        return matches.past(raw, instrument, stretch, ts_recv)
    listed = _listed(series, instrument)
    events = sorted(listed.events(raw, instrument, ts_recv), key=lambda event: event.ts_event)
    if not events:
        return Past([], stretch.ts_from, stretch.ts_to, None)
    oldest = events[0].ts_event
    if oldest >= stretch.ts_to:
        raise FrameError(f"okx was asked for rows older than {stretch.ts_to} ns, and sent {oldest} ns", venue=VENUE)
    is_last = oldest - listed.spacing < stretch.ts_from
    inside = [event for event in events if stretch.ts_from <= event.ts_event < stretch.ts_to]
    if is_last:
        return Past([*inside], stretch.ts_from, stretch.ts_to, None)
    return Past([*inside], oldest, stretch.ts_to, Stretch(stretch.ts_from, oldest))


def _listed(series: Series, instrument: Instrument) -> _Listed:
    if series in _CANDLES:
        bar, interval = _CANDLES[series]
        path, params = "/api/v5/market/history-candles", (("bar", bar),)
        return _Listed(path, params, "after", interval.ns, interval.ns, 300, WEIGHTS[20], _candles(interval))
    if series == _FUNDING:
        return _Listed("/api/v5/public/funding-rate-history", (), "after", 0, _HOUR_NS, 400, WEIGHTS[10], _fundings)
    if series == _OPEN_INTEREST:
        path, params = "/api/v5/rubik/stat/contracts/open-interest-history", (("period", "5m"),)
        return _Listed(path, params, "end", _PERIOD_NS, _PERIOD_NS, 100, WEIGHTS[10], _open_interests)
    name = "taker_volume" if series == _TAKER_VOLUME else f"account_ratios/{_RATIOS[series].value}"
    poll = f"{VENUE}/{name}/{instrument.symbol}"
    asked = next(made.request for made in polls.polls((instrument,), (series.channel,)) if made.name == poll)
    told = tuple(pair for pair in asked.params if pair[0] not in ("instId", "limit"))
    return _Listed(asked.path, told, "end", _PERIOD_NS, _PERIOD_NS, 100, WEIGHTS[5], _polled(poll))


def _candles(interval: Interval) -> Callable[[bytes, Instrument, int], list[_Told]]:
    def events(raw: bytes, instrument: Instrument, ts_recv: int) -> list[_Told]:
        return [
            Candle(
                instrument.id,
                row.ts * MS + interval.ns,
                ts_recv,
                interval,
                row.ts * MS,
                row.open,
                row.high,
                row.low,
                row.close,
                row.volume,
                row.quote_volume,
                None,
                None,
                None,
                is_closed=True,
            )
            for row in read(_read_bars, raw)
            if row.confirm == "1"
        ]

    return events


def _polled(poll: str) -> Callable[[bytes, Instrument, int], list[_Told]]:
    """Read as the replies to that poll are."""

    def events(raw: bytes, instrument: Instrument, ts_recv: int) -> list[_Told]:
        told = polls.events(poll, raw, ts_recv, {instrument.symbol: instrument})
        return [event for event in told if isinstance(event, AccountRatio | TakerVolume)]

    return events


def _open_interests(raw: bytes, instrument: Instrument, ts_recv: int) -> list[_Told]:
    """Stamped like the other statistics: `ts` is read as the start of a period, see `polls`."""
    return [
        OpenInterest(instrument.id, ts_end, ts_recv, row.base, row.usd)
        for row in read(_read_held, raw)
        if (ts_end := row.ts * MS + _PERIOD_NS) <= ts_recv
    ]


def _fundings(raw: bytes, instrument: Instrument, ts_recv: int) -> list[_Told]:
    return [
        FundingPaid(instrument.id, row.fundingTime * MS, ts_recv, row.realizedRate, None)
        for row in read(_read_settled, raw)
    ]

"""What is told of each thing, as JSON: one Struct for each kind of row, with its label."""

import math
import re
from functools import lru_cache
from typing import Final

import msgspec

from perpscope.app.answers.signals import told
from perpscope.model.bulletin import MarketLine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Completeness, Gap, Interval, Liquidation, PositionSide, Sampling
from perpscope.model.order import Signal

_MS_NS: Final = 1_000_000
#: "1000PEPE", "1MBABYDOGE", "kPEPE", "SHIB1000": many of a coin in one base unit.
_MANY: Final = re.compile(r"^(?:10{3,7}|1M|k)(?P<behind>[A-Z].*)$|^(?P<before>[A-Z]+?)10{3,7}$")

_encode = msgspec.json.Encoder().encode


class LiquidationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A liquidation as a venue reported it."""

    instrument: InstrumentId
    venue: str
    coin: str
    time_ms: int  #: the venue's, epoch ms
    received_ms: int
    side: PositionSide  #: whose position was closed: LONG = forced selling
    size: float  #: base units
    price: float | None  #: quote per base; null if the venue told none
    price_is: str | None  #: fill or bankruptcy
    usd: float | None
    lpi: float | None  #: 0–100
    completeness: Completeness
    sampling: Sampling
    data: str | None  #: observed, demo or replay


class MarketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument as it stands."""

    instrument: InstrumentId
    venue: str
    coin: str
    time_ms: int  #: market time, epoch ms
    mark: float | None  #: quote per base
    index: float | None
    last: float | None
    funding_rate: float | None  #: fraction per interval
    funding_interval_h: float | None
    next_funding_ms: int | None
    open_interest: float | None  #: base units, one side
    open_interest_usd: float | None
    data: str | None


class CandleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A candle, forming or closed."""

    instrument: InstrumentId
    interval: Interval
    open_ms: int  #: start of the interval, epoch ms
    open: float
    high: float
    low: float
    close: float
    volume: float  #: base units
    quote_volume: float | None
    trades: int | None
    taker_buy_volume: float | None  #: base units
    is_closed: bool
    data: str | None


class GapRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was not seen."""

    venue: str
    streams: list[str]  #: channel and instrument
    from_ms: int  #: last moment vouched for
    to_ms: int | None  #: null while it lasts
    cause: str
    noticed_ms: int
    data: str | None


def liquidation_row(event: Liquidation, data: str | None) -> bytes:
    """JSON of a `LiquidationRow`; `data` says where the market comes from."""
    price = event.price if math.isfinite(event.price) else None
    kind = None if price is None else "bankruptcy" if event.fill_price is None else "fill"
    return _encode(
        LiquidationRow(
            instrument=event.instrument,
            venue=venue_of(event.instrument),
            coin=coin_of(event.instrument),
            time_ms=event.ts_event // _MS_NS,
            received_ms=event.ts_recv // _MS_NS,
            side=event.position_side,
            size=event.size,
            price=price,
            price_is=kind,
            usd=None if price is None else event.notional_usd,
            lpi=None if event.lpi is None else event.lpi.value,
            completeness=event.completeness,
            sampling=event.sampling,
            data=data,
        )
    )


def market_row(line: MarketLine, data: str | None) -> bytes:
    """JSON of a `MarketRow`."""
    return _encode(
        MarketRow(
            instrument=line.instrument,
            venue=venue_of(line.instrument),
            coin=coin_of(line.instrument),
            time_ms=line.ts_market // _MS_NS,
            mark=line.mark,
            index=line.index,
            last=line.last,
            funding_rate=line.funding_rate,
            funding_interval_h=line.funding_interval_h,
            next_funding_ms=None if line.ts_next_funding is None else line.ts_next_funding // _MS_NS,
            open_interest=line.open_interest,
            open_interest_usd=line.open_interest_usd,
            data=data,
        )
    )


def candle_row(candle: Candle, data: str | None) -> bytes:
    """JSON of a `CandleRow`."""
    return _encode(
        CandleRow(
            instrument=candle.instrument,
            interval=candle.interval,
            open_ms=candle.ts_open // _MS_NS,
            open=candle.open,
            high=candle.high,
            low=candle.low,
            close=candle.close,
            volume=candle.volume,
            quote_volume=candle.quote_volume,
            trades=candle.trades,
            taker_buy_volume=candle.taker_buy_volume,
            is_closed=candle.is_closed,
            data=data,
        )
    )


def gap_row(gap: Gap, data: str | None) -> bytes:
    """JSON of a `GapRow`."""
    return _encode(
        GapRow(
            venue=gap.venue,
            streams=[f"{stream.channel.value} {stream.instrument or '*'}" for stream in gap.streams],
            from_ms=gap.ts_from // _MS_NS,
            to_ms=None if gap.ts_to is None else gap.ts_to // _MS_NS,
            cause=gap.cause,
            noticed_ms=gap.ts_recv // _MS_NS,
            data=data,
        )
    )


def signal_row(signal: Signal) -> bytes:
    """JSON of a `SignalTold`, as `/api/v1/signals` tells it."""
    return _encode(told(signal, venue_of(signal.instrument), coin_of(signal.instrument)))


def venue_of(instrument: str) -> str:
    """The venue of an instrument, lower case.

    >>> venue_of("BTC-USDT-PERP.BINANCE")
    'binance'
    """
    return instrument.rpartition(".")[2].lower()


@lru_cache(maxsize=8192)
def coin_of(instrument: str) -> str:
    """What is traded, whatever a venue counts in one base unit.

    >>> [coin_of(f"{base}-USDT-PERP.X") for base in ("BTC", "1000PEPE", "kPEPE", "SHIB1000", "1INCH")]
    ['BTC', 'PEPE', 'PEPE', 'SHIB', '1INCH']
    """
    base = instrument.partition("-")[0]
    many = _MANY.match(base)
    return base if many is None else many["behind"] or many["before"]


@lru_cache(maxsize=8192)
def names_of(instrument: str) -> tuple[str, ...]:
    """By which names a channel may ask for an instrument, upper case: its id, its coin, its base and quote.

    >>> names_of("1000PEPE-USDT-PERP.BINANCE")
    ('1000PEPE-USDT-PERP.BINANCE', 'PEPE', '1000PEPEUSDT', '1000PEPE-USDT')
    """
    base, quote = [*instrument.split("-"), ""][:2]
    names = (instrument, coin_of(instrument), f"{base}{quote}", f"{base}-{quote}")
    return tuple(dict.fromkeys(name.upper() for name in names))

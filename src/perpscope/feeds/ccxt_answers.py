"""What ccxt answers, read into our words: instruments, open interest, mark prices with funding, closed candles.

In: JSON of ccxt's unified structures, as `ccxt_calls` asked for them. Out: events and instruments, in base units. Pure:
the unit comes from `ccxt_units` or a person, the contract size from the catalogue. https://docs.ccxt.com
"""

import re
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.feeds.ccxt_units import Unit
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import Candle, Interval, MarkPrice, OpenInterest

T = TypeVar("T")

_MS_NS = 1_000_000
#: A candle counts as closed when its end is so long ago: the exchange's clock is not ours (by hand).
SETTLED_NS = 5_000_000_000

Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
Amount = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
Millis = Annotated[int, msgspec.Meta(gt=10**12, lt=10**13)]

#: A coin sold by the thousand says so in front: 1000PEPE, 10000SATS.
_THOUSANDS = re.compile(r"(1000+)([^\W_]*[^\W\d_][^\W_]*)")
_HOURS = re.compile(r"([0-9]{1,3})(h|m)")
#: Of what came, in an error message.
_SHOWN = 80


class Market(msgspec.Struct):
    """What is kept of one of ccxt's markets."""

    symbol: str  #: ccxt's unified symbol: "BTC/USDT:USDT"
    base: str
    quote: str
    contract_size: Positive | None = None  #: base units
    tick: Positive | None = None  #: quote per base
    step: Positive | None = None  #: contracts
    min_cost: Amount | None = None  #: quote units
    active: bool = True


class _OpenInterest(msgspec.Struct):
    symbol: str
    openInterestAmount: Amount | None = None
    openInterestValue: Amount | None = None
    timestamp: Millis | None = None


class _Funding(msgspec.Struct):
    symbol: str
    markPrice: Positive | None = None
    indexPrice: Positive | None = None
    fundingRate: Rate | None = None
    fundingTimestamp: Millis | None = None
    nextFundingTimestamp: Millis | None = None
    interval: str | None = None
    timestamp: Millis | None = None


_read_markets = msgspec.json.Decoder(list[Market], strict=False)
_read_open_interest = msgspec.json.Decoder(_OpenInterest, strict=False)
_read_funding = msgspec.json.Decoder(_Funding, strict=False)
_read_candles = msgspec.json.Decoder(list[tuple[Millis, Positive, Positive, Positive, Positive, Amount]], strict=False)


def instruments(venue: str, raw: bytes) -> list[Instrument]:
    """The linear perpetuals of a catalogue; one whose contract size is not told is left out.

    Raises:
        FrameError: not what `ccxt_calls` makes of ccxt's markets.
    """
    markets = _decoded(_read_markets, raw, venue)
    return [_instrument(venue, market, market.contract_size) for market in markets if market.contract_size]


def open_interest(raw: bytes, ts_recv: int, instrument: Instrument, unit: Unit) -> OpenInterest:
    """What is held, of one side.

    Args:
        raw: an open interest structure.
        ts_recv: ns UTC.
        instrument: whose it is.
        unit: what `openInterestAmount` counts.

    Raises:
        FrameError: not the structure, another instrument's, or without an amount.
    """
    told = _decoded(_read_open_interest, raw, instrument.venue)
    _refuse_stray(told.symbol, instrument)
    if told.openInterestAmount is None:
        raise FrameError(f"{instrument.symbol}: open interest without an amount, unit-unknown", venue=instrument.venue)
    ts_event = told.timestamp * _MS_NS if told.timestamp else ts_recv
    size = in_base(told.openInterestAmount, instrument, unit)
    return OpenInterest(instrument.id, ts_event, ts_recv, size, told.openInterestValue)


def mark_price(raw: bytes, ts_recv: int, instrument: Instrument) -> MarkPrice:
    """Mark, index and the funding that is due; the time of it is the first that is told and still to come.

    Args:
        raw: a funding rate structure, its mark filled in from elsewhere where it had none.
        ts_recv: ns UTC.
        instrument: whose it is.

    Raises:
        FrameError: not the structure, another instrument's, or without a mark price.
    """
    told = _decoded(_read_funding, raw, instrument.venue)
    _refuse_stray(told.symbol, instrument)
    if told.markPrice is None:
        raise FrameError(f"{instrument.symbol}: funding without a mark price, mark-unknown", venue=instrument.venue)
    moments = [ms * _MS_NS for ms in (told.fundingTimestamp, told.nextFundingTimestamp) if ms]
    return MarkPrice(
        instrument.id,
        told.timestamp * _MS_NS if told.timestamp else ts_recv,
        ts_recv,
        told.markPrice,
        told.indexPrice,
        told.fundingRate,
        min((moment for moment in moments if moment > ts_recv), default=None),
        hours(told.interval),
    )


def candles(raw: bytes, ts_recv: int, instrument: Instrument, interval: Interval, unit: Unit) -> list[Candle]:
    """The closed candles of a reply, oldest first, as of their ends.

    Args:
        raw: rows of opening time in ms, open, high, low, close, volume.
        ts_recv: ns UTC.
        instrument: whose they are.
        interval: their length.
        unit: what the volume counts.

    Raises:
        FrameError: not such rows, a time between two candles, or prices out of order.
    """
    rows = _decoded(_read_candles, raw, instrument.venue)
    return [
        _candle(row, ts_recv, instrument, interval, unit)
        for row in sorted(rows)
        if is_settled(row[0], interval, ts_recv)
    ]


def is_settled(opened: float, interval: Interval, at_ns: int) -> bool:
    """Whether a candle is closed, and will change no more, for whoever looks at it then.

    Args:
        opened: ms UTC.
        interval: its length.
        at_ns: ns UTC.
    """
    return opened * _MS_NS + interval.ns + SETTLED_NS <= at_ns


def in_base(amount: float, instrument: Instrument, unit: Unit) -> float:
    """An exchange's own number in base units."""
    return amount * float(instrument.contract_size) if unit is Unit.CONTRACTS else amount


def hours(interval: str | None) -> float | None:
    """Hours in ccxt's word for a funding interval; None where it is none.

    >>> hours("8h"), hours("30m"), hours("28800000")
    (8.0, 0.5, None)
    """
    matched = _HOURS.fullmatch(interval or "")
    if matched is None or not int(matched[1]):
        return None
    return int(matched[1]) / (60 if matched[2] == "m" else 1)


def coin_of(base: str) -> tuple[str, int]:
    """What a base is on any venue, and how many of it are one base unit.

    >>> coin_of("1000PEPE"), coin_of("1INCH"), coin_of("BTC")
    (('PEPE', 1000), ('1INCH', 1), ('BTC', 1))
    """
    matched = _THOUSANDS.fullmatch(base)
    return (matched[2], int(matched[1])) if matched else (base, 1)


def _instrument(venue: str, market: Market, contract_size: float) -> Instrument:
    coin, multiplier = coin_of(market.base)
    return Instrument(
        id=instrument_id(venue, market.base, market.quote),
        venue=venue,
        symbol=market.symbol,
        base=market.base,
        quote=market.quote,
        contract_size=_decimal(contract_size),
        tick_size=None if market.tick is None else _decimal(market.tick),
        step_size=None if market.step is None else _decimal(market.step) * _decimal(contract_size),
        min_notional=None if market.min_cost is None else _decimal(market.min_cost),
        coin=coin if multiplier > 1 else "",
        multiplier=multiplier,
        is_trading=market.active,
    )


def _candle(
    row: tuple[int, float, float, float, float, float],
    ts_recv: int,
    instrument: Instrument,
    interval: Interval,
    unit: Unit,
) -> Candle:
    opened, first, high, low, last, volume = row
    ts_open = opened * _MS_NS
    if ts_open % interval.ns:
        raise FrameError(f"{instrument.symbol}: a candle of {interval.value} from {opened} ms", venue=instrument.venue)
    if not low <= min(first, last) <= max(first, last) <= high:
        raise FrameError(f"{instrument.symbol}: prices of a candle out of order: {row}", venue=instrument.venue)
    return Candle(
        instrument=instrument.id,
        ts_event=ts_open + interval.ns,
        ts_recv=ts_recv,
        interval=interval,
        ts_open=ts_open,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=in_base(volume, instrument, unit),
        quote_volume=None,
        trades=None,
        taker_buy_volume=None,
        taker_buy_quote_volume=None,
        is_closed=True,
    )


def _decimal(number: float) -> Decimal:
    """As it is written, not as binary holds it, and never as an exponent."""
    return Decimal(format(Decimal(repr(number)), "f"))


def _refuse_stray(symbol: str, instrument: Instrument) -> None:
    if symbol != instrument.symbol:
        raise FrameError(f"ccxt told of {symbol[:_SHOWN]} for {instrument.symbol}", venue=instrument.venue)


def _decoded(decoder: msgspec.json.Decoder[T], raw: bytes, venue: str) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"ccxt's answer for {venue}: {error}", venue=venue) from error

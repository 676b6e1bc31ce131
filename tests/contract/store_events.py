"""Events for the store's tests: two instruments, one connection, times in seconds after noon of 2024-08-08 UTC."""

from decimal import Decimal

from perpscope.model.instrument import Instrument, InstrumentId, MarginTier, TierBasis, instrument_id
from perpscope.model.market import (
    AccountRatio,
    Candle,
    Completeness,
    ContractUpdate,
    Covered,
    FundingPaid,
    Gap,
    Interval,
    Liquidation,
    Lpi,
    MarkPrice,
    OpenInterest,
    PositionSide,
    PublicPosition,
    RatioKind,
    Sampling,
    Source,
    TakerVolume,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.status import HeartStatus

NOON = 1_723_118_400_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
CONNECTION = "binance/market/0"


def instrument(base: str) -> Instrument:
    """A perpetual of Binance."""
    name = instrument_id("binance", base, "USDT")
    return Instrument(id=name, venue="binance", symbol=f"{base}USDT", base=base, quote="USDT")


BTC, ETH = instrument("BTC"), instrument("ETH")
#: Everything a catalogue may tell, at another venue.
KPEPE = Instrument(
    id=instrument_id("hyperliquid", "kPEPE", "USD"),
    venue="hyperliquid",
    symbol="kPEPE",
    base="kPEPE",
    quote="USD",
    contract_size=Decimal("0.5"),
    tick_size=Decimal("0.0000001"),
    step_size=Decimal("10"),
    min_notional=Decimal("10.5"),
    coin="PEPE",
    multiplier=1000,
    funding_interval_h=1.0,
    max_leverage=10.0,
    is_crypto=False,
)
TIERS = (
    MarginTier(0.0, 50_000.0, 0.004, 125.0),
    MarginTier(50_000.0, None, 0.01, 50.0, 300.0, TierBasis.SIZE),
)
LIQUIDATIONS = (Stream(Channel.LIQUIDATIONS, None),)
BOTH = (*LIQUIDATIONS, Stream(Channel.CANDLES_1M, BTC.id))


def at(second: float) -> int:
    """A time, ns UTC."""
    return NOON + round(second * SECOND)


def liquidation(
    second: float,
    size: float = 1.0,
    price: float = 60_000.0,
    *,
    side: PositionSide = PositionSide.LONG,
    of: InstrumentId = BTC.id,
    lpi: Lpi | None = None,
) -> Liquidation:
    """A sampled liquidation, as Binance publishes them, received 5 ms later."""
    ts = at(second)
    kinds = (Completeness.SAMPLED, Sampling.LARGEST_1S)
    return Liquidation(of, ts, ts + SECOND // 200, side, size, price, price - 1.0, *kinds, lpi)


def candle(minute: int, *, interval: Interval = Interval.M1, close: float = 2.0, is_closed: bool = True) -> Candle:
    """A candle of BTC that opened so many minutes after noon."""
    ts_open = at(60 * minute)
    ts = ts_open + interval.ns
    return Candle(BTC.id, ts, ts + 1, interval, ts_open, 1.0, 3.0, 0.5, close, 10.0, 20.0, 7, 4.0, 8.0, is_closed)


def mark(second: float, price: float = 60_000.0) -> MarkPrice:
    """A mark price of BTC with everything published."""
    return MarkPrice(BTC.id, at(second), at(second) + 1, price, price + 1.0, 0.0001, at(4 * 3600))


def covered(begin: float, end: float, *, is_open: bool = True, streams: tuple[Stream, ...] = LIQUIDATIONS) -> Covered:
    """What the coverage ledger says of the connection."""
    return Covered("binance", CONNECTION, streams, at(begin), at(end), is_open, at(end))


def gap(
    begin: float, end: float | None, cause: str = "disconnect", *, streams: tuple[Stream, ...] = LIQUIDATIONS
) -> Gap:
    """What the coverage ledger says was missed."""
    return Gap(
        "binance", streams, at(begin), None if end is None else at(end), cause, at(begin if end is None else end)
    )


def tick(second: float) -> Tick:
    """A second passes."""
    return Tick(at(second))


def heart(second: float) -> HeartStatus:
    """A heart in good health."""
    return HeartStatus(pid=7, ts_market=at(second), ts_wall=at(second) + 1, rate=1.0, is_running=True)


def open_interest(second: float, size: float = 5.0, *, of: InstrumentId = BTC.id) -> OpenInterest:
    """A count of what is held, received 1 s later."""
    return OpenInterest(of, at(second), at(second) + SECOND, size, 2.0 * size)


def ratio(second: float, long_fraction: float = 0.6, kind: RatioKind = RatioKind.ALL_ACCOUNTS) -> AccountRatio:
    """Who is long of BTC, of the five minutes that end then."""
    return AccountRatio(BTC.id, at(second), at(second) + SECOND, kind, 300, long_fraction)


def taker_volume(second: float, buy: float = 7.0, *, of: InstrumentId = BTC.id) -> TakerVolume:
    """What takers did in the five minutes that end then."""
    return TakerVolume(of, at(second), at(second) + SECOND, 300, buy, 6.0)


def funding(hour: float, rate: float = 0.0001, *, mark_price: float | None = 60_000.0) -> FundingPaid:
    """What holders of BTC paid each other so many hours after noon, told 1 s later."""
    return FundingPaid(BTC.id, at(3600 * hour), at(3600 * hour) + SECOND, rate, mark_price)


def filled(begin: float, end: float, *, streams: tuple[Stream, ...] = LIQUIDATIONS) -> Covered:
    """What was asked for afterwards, an hour later."""
    return Covered("binance", "backfill", streams, at(begin), at(end), False, at(end + 3600), Source.BACKFILL)


def position(
    second: float, size: float = 1.5, *, account: str = "0xa1", of: InstrumentId = KPEPE.id, price: float | None = 0.009
) -> PublicPosition:
    """What an account holds."""
    ts = at(second)
    return PublicPosition(of, ts, ts + SECOND, account, PositionSide.SHORT, size, 0.007, 5.0, True, 30.0, price)


def contract(second: float, *, is_trading: bool, tiers: tuple[MarginTier, ...] = ()) -> ContractUpdate:
    """A word about BTC's contract."""
    return ContractUpdate(BTC.id, at(second), at(second) + SECOND, is_trading, tiers)

"""Names of topics, and how they are written in the venue's frames: `arg` of v3 and of v2."""

from functools import lru_cache
from typing import NamedTuple

UNIFIED, CLASSIC = "v3", "v2"
USDT_FUTURES = "usdt-futures"
#: product types of the two generations that are futures, as v3 writes them; v2 writes capitals
FUTURES = (USDT_FUTURES, "usdc-futures", "coin-futures")
MARKETS = (*FUTURES, "spot", "margin")


class Span(NamedTuple):
    """Length of a candle and where its grid lies."""

    minutes: int
    offset_h: int = 8  #: hours before midnight UTC at which days begin; without meaning up to 4 hours

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return self.minutes * 60_000_000_000

    def opening(self, ts: int) -> int:
        """When the candle began that `ts` lies in; both ns UTC."""
        return ts - (ts + self.offset_h * 3_600_000_000_000) % self.ns


#: v3's intervals: days begin at 16:00 UTC, as the documentation's example of a daily candle does
INTERVALS = {
    name: Span(minutes)
    for name, minutes in {
        "1m": 1,
        "3m": 3,
        "5m": 5,
        "15m": 15,
        "30m": 30,
        "1H": 60,
        "2H": 120,
        "4H": 240,
        "6H": 360,
        "12H": 720,
        "1D": 1440,
    }.items()
}
#: v2 has those, and the long ones on UTC's grid too
CLASSIC_INTERVALS = INTERVALS | {"6Hutc": Span(360, 0), "12Hutc": Span(720, 0), "1Dutc": Span(1440, 0)}
LIQUIDATION = "liquidation"
UNIFIED_CHANNELS = ("publicTrade", "books", "books1", "books5", "books50", "ticker", "kline")
CLASSIC_CHANNELS = (
    "trade",
    "books",
    "books1",
    "books5",
    "books15",
    "ticker",
    *(f"candle{interval}" for interval in CLASSIC_INTERVALS),
)


class Topic(NamedTuple):
    """One thing that can be subscribed."""

    generation: str  #: "v3" or "v2"
    channel: str  #: the venue's word: "books5", "kline", "candle1m"
    symbol: str = ""  #: empty for all of them
    interval: str = ""  #: of v3's "kline"
    product: str = USDT_FUTURES

    @property
    def name(self) -> str:
        """As the server and its tests call it."""
        return _name(self)


@lru_cache(maxsize=8192)
def _name(topic: Topic) -> str:
    product = "" if topic.product == USDT_FUTURES else topic.product
    return ":".join(filter(None, (topic.generation, product, topic.channel, topic.interval, topic.symbol)))


@lru_cache(maxsize=4096)
def parsed(name: str) -> Topic | None:
    """The topic of a name; None if there is none of that name on USDT futures."""
    match name.split(":"):
        case ["v3", "liquidation"]:
            return Topic(UNIFIED, LIQUIDATION)
        case ["v3", "kline", interval, symbol] if interval in INTERVALS:
            return Topic(UNIFIED, "kline", symbol, interval)
        case ["v3", channel, symbol] if channel in UNIFIED_CHANNELS and channel != "kline":
            return Topic(UNIFIED, channel, symbol)
        case ["v2", channel, symbol] if channel in CLASSIC_CHANNELS:
            return Topic(CLASSIC, channel, symbol)
    return None


@lru_cache(maxsize=4096)
def arg(topic: Topic) -> str:
    """`arg` of its frames, JSON."""
    if topic.generation == CLASSIC:
        return f'{{"instType":"USDT-FUTURES","channel":"{topic.channel}","instId":"{topic.symbol}"}}'
    symbol = f',"symbol":"{topic.symbol}"' if topic.symbol else ""
    interval = f',"interval":"{topic.interval}"' if topic.interval else ""
    return f'{{"instType":"{USDT_FUTURES}","topic":"{topic.channel}"{symbol}{interval}}}'

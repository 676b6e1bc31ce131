"""What the exchanges tell in their first ten minutes, as one hash: the same market tells the same, whenever it is run.

In: payloads on their way from the tellers to the sockets. Out: the same payloads, untouched, and a hash of those of
stated topics, in the order told, with every time in them counted from the market's start. These topics are told
whether anybody listens or not, so it does not matter who listens.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from perpscope.lab.clock import NS_PER_MS, NS_PER_S
from perpscope.lab.dialect import Outlet, Teller
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations, Stand

MINUTES: Final = 10
#: What is hashed of each venue: trades, best prices, books, candles, marks and tickers, open interest, liquidations.
TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": (
        *("{lower}@aggTrade", "{lower}@bookTicker", "{lower}@depth@100ms", "{lower}@markPrice@1s"),
        *("{lower}@kline_1m", "{lower}@kline_15m", "{lower}@kline_1h", "{lower}@forceOrder"),
    ),
    "bybit": (
        *("publicTrade.{symbol}", "orderbook.1.{symbol}", "orderbook.200.{symbol}", "tickers.{symbol}"),
        *("kline.1.{symbol}", "kline.15.{symbol}", "kline.60.{symbol}", "allLiquidation.{symbol}"),
    ),
    "okx": (
        *("trades:{symbol}", "bbo-tbt:{symbol}", "books:{symbol}", "mark-price:{symbol}", "index-tickers:{index}"),
        *("funding-rate:{symbol}", "open-interest:{symbol}", "candle1m:{symbol}", "candle15m:{symbol}"),
        *("candle1H:{symbol}", "liquidation-orders:SWAP"),
    ),
    "bitget": (
        *("v3:publicTrade:{symbol}", "v3:books1:{symbol}", "v3:books:{symbol}", "v3:ticker:{symbol}"),
        *("v3:kline:1m:{symbol}", "v3:kline:15m:{symbol}", "v3:kline:1H:{symbol}", "v3:liquidation"),
    ),
    "hyperliquid": (
        *("trades:{symbol}", "bbo:{symbol}", "l2Book:{symbol}", "activeAssetCtx:{symbol}"),
        *("candle:{symbol}:1m", "candle:{symbol}:15m", "candle:{symbol}:1h"),
    ),
}
_NUMBERS: Final = re.compile(rb"(?<![\d.])\d{13}(?:\d{6})?(?![\d.])")  # times in ms or ns
_DAY_MS: Final = 86_400_000
_PAST_MS, _FUTURE_MS = 40 * _DAY_MS, 10 * _DAY_MS  # how far from the start a number is a time


def topics(venue: str, listings: Sequence[Listing]) -> frozenset[str]:
    """What is hashed of a venue that lists these."""
    return frozenset(
        pattern.format(
            lower=listing.lower,
            symbol=listing.symbol,
            index=f"{listing.instrument.base}-{listing.instrument.quote}",
        )
        for pattern in TOPICS[venue]
        for listing in listings
    )


class Witness:
    """Hears what one venue tells from the start, and hashes it.

    Args:
        venue: whose wire it is.
        ts_start: of its market, ns UTC.
        minutes: how much of it is hashed.
    """

    def __init__(self, venue: str, ts_start: int, minutes: float = MINUTES) -> None:
        self.venue = venue
        self.ts_end = ts_start + int(minutes * 60 * NS_PER_S)  #: ns UTC
        self.frames = 0  #: hashed so far
        self.is_done = False
        self.topics: frozenset[str] = frozenset()
        self._start_ms = ts_start // NS_PER_MS
        self._hash = hashlib.blake2b(digest_size=32)

    def around(self, teller: Callable[[Quotations, Outlet], Teller]) -> Callable[[Quotations, Outlet], Teller]:
        """The teller, with this between it and its outlet."""

        def witnessed(quotations: Quotations, outlet: Outlet) -> Teller:
            self.topics = topics(self.venue, quotations.listings)
            return _Heard(teller(quotations, _Between(outlet, self)), self)

        return witnessed

    def hear(self, topic: str, payload: bytes) -> None:
        """Take one payload in."""
        self.frames += 1
        self._hash.update(b"%b\0%b\n" % (topic.encode(), self.timeless(payload)))

    def timeless(self, payload: bytes) -> bytes:
        """A payload with every time in it counted from the start."""
        return _NUMBERS.sub(self._since_start, payload)

    def digest(self) -> bytes:
        """Of what was heard."""
        return self._hash.digest()

    def _since_start(self, number: "re.Match[bytes]") -> bytes:
        text = number[0]
        since_ms = int(text[:13]) - self._start_ms
        return b"%+d%b" % (since_ms, text[13:]) if -_PAST_MS < since_ms < _FUTURE_MS else text


class _Between:
    """The outlet as the teller sees it."""

    def __init__(self, outlet: Outlet, witness: Witness) -> None:
        self._outlet = outlet
        self._witness = witness

    def is_wanted(self, topic: str) -> bool:
        witness = self._witness
        return (not witness.is_done and topic in witness.topics) or self._outlet.is_wanted(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        witness = self._witness
        if not witness.is_done and topic in witness.topics:
            witness.hear(topic, payload)
        self._outlet.publish(topic, payload)

    def count(self, kind: str) -> None:
        self._outlet.count(kind)


class _Heard:
    """The teller as the publisher sees it: knows when the time is over."""

    def __init__(self, teller: Teller, witness: Witness) -> None:
        self.tick_ns = teller.tick_ns
        self.tell: Callable[[Stand, Happening], None] = teller.tell
        self.opening: Callable[[str], Sequence[bytes]] = teller.opening
        self._teller = teller
        self._witness = witness

    def pass_tick(self, ts_ns: int) -> None:
        self._teller.pass_tick(ts_ns)
        if ts_ns >= self._witness.ts_end:
            self._witness.is_done = True


class Telling(Protocol):
    """A publisher, as far as it is needed here."""

    @property
    def ts_reached(self) -> int:
        """Everything before it has been told, ns UTC."""
        ...

    def tell_until(self, ts: int) -> None:
        """Tell everything up to a moment at once."""
        ...


async def complete(witnesses: Sequence[Witness], publishers: Sequence[Telling]) -> None:
    """Let the rest of the time that is hashed pass at once; nobody else may tell meanwhile.

    Args:
        witnesses: one for each publisher.
        publishers: the leading one first.
    """
    if all(witness.is_done for witness in witnesses):
        return
    begin = min(publisher.ts_reached for publisher in publishers) // NS_PER_S * NS_PER_S
    for ts in range(begin, max(witness.ts_end for witness in witnesses) + 2 * NS_PER_S, NS_PER_S):
        for publisher in publishers:
            publisher.tell_until(ts)
        await asyncio.sleep(0)


def frames_hash(witnesses: Sequence[Witness]) -> str:
    """One hash of all venues', in the order of their names; hexadecimal."""
    whole = hashlib.blake2b(digest_size=32)
    for witness in sorted(witnesses, key=lambda each: each.venue):
        whole.update(witness.venue.encode() + b"\0" + witness.digest())
    return whole.hexdigest()

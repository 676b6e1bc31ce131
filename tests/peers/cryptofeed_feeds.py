"""What a user of cryptofeed sees of Binance, Bybit or OKX under their own addresses: by environment and `http_proxy`.

Run in the client's environment (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`), prints one line of JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import logging
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.defines import (
    BINANCE_FUTURES,
    BYBIT,
    CANDLES,
    FUNDING,
    INDEX,
    L2_BOOK,
    LIQUIDATIONS,
    OKX,
    OPEN_INTEREST,
    TICKER,
    TRADES,
)
from reading import Reading, asked

#: which exchange it is to cryptofeed, and what 2.4.1 can still read there: Bybit's topic `liquidation` is gone, so are
#: OKX's candles on the public path, and OKX's liquidations by REST come an hour late
FEEDS = {
    "binance": (BINANCE_FUTURES, (TRADES, L2_BOOK, TICKER, CANDLES, FUNDING, LIQUIDATIONS, OPEN_INTEREST)),
    "bybit": (BYBIT, (TRADES, L2_BOOK, TICKER, CANDLES, FUNDING, INDEX, OPEN_INTEREST)),
    "okx": (OKX, (TRADES, L2_BOOK, TICKER, FUNDING, OPEN_INTEREST)),
}
_CLOSES = {"sell": "long", "buy": "short"}
_MS = 1e11  # what is larger than this is ms already: Bybit's stamps are not made seconds


def ms(moment: float | None) -> int:
    """UTC ms of a time stamp; -1 if there is none."""
    if moment is None:
        return -1
    return round(moment if moment > _MS else moment * 1000)


def base_of(found: Any) -> str:  # noqa: ANN401
    """BTC of BTC-USDT-PERP."""
    symbol: str = found.symbol
    return symbol.partition("-")[0]


class Takes:
    """The callbacks."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def trade(self, row: Any, _: float) -> None:  # noqa: ANN401
        """A trade."""
        self._reading.trade(base_of(row), ms(row.timestamp), float(row.price), float(row.amount), row.side)

    async def book(self, row: Any, _: float) -> None:  # noqa: ANN401
        """A whole book, after each change."""
        bids, asks = ([side.index(n) for n in range(min(10, len(side)))] for side in (row.book.bids, row.book.asks))
        if row.timestamp is not None:
            self._reading.book(base_of(row), ms(row.timestamp), bids, asks)

    async def ticker(self, row: Any, _: float) -> None:  # noqa: ANN401
        """Best prices, without sizes."""
        self._reading.keep(base_of(row), "tops", float(row.bid), float(row.ask))

    async def candle(self, row: Any, _: float) -> None:  # noqa: ANN401
        """A state of a candle."""
        prices = [row.open, row.high, row.low, row.close]
        self._reading.candle(base_of(row), row.interval, ms(row.start), prices, float(row.volume))

    async def funding(self, row: Any, _: float) -> None:  # noqa: ANN401
        """The rate, and the mark where it is told; OKX's stamp is the time it is paid."""
        base = base_of(row)
        self._reading.keep(base, "rates", float(row.rate))
        if row.mark_price is not None:
            self._reading.mark(base, ms(row.timestamp), float(row.mark_price), None, float(row.rate))

    async def index(self, row: Any, _: float) -> None:  # noqa: ANN401
        """Index price."""
        self._reading.keep(base_of(row), "indices", float(row.price))

    async def liquidation(self, row: Any, _: float) -> None:  # noqa: ANN401
        """A forced order."""
        closed = _CLOSES[row.side]
        self._reading.liquidation(base_of(row), ms(row.timestamp), float(row.quantity), closed, float(row.price))

    async def open_interest(self, row: Any, _: float) -> None:  # noqa: ANN401
        """As the venue counts it."""
        self._reading.keep(base_of(row), "open_interests", float(row.open_interest))


class Complaints(logging.Handler):
    """Keeps what cryptofeed logs as wrong."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(logging.WARNING)
        self._reading = reading

    def emit(self, record: logging.LogRecord) -> None:
        """One complaint."""
        self._reading.fail(record.getMessage())


async def main() -> None:
    """One feed, for some seconds after its first trade."""
    ask = asked()
    reading = Reading(ask["bases"])
    exchange, channels = FEEDS[ask["venue"]]
    takes = Takes(reading)
    callbacks = {
        TRADES: takes.trade,
        L2_BOOK: takes.book,
        TICKER: takes.ticker,
        CANDLES: takes.candle,
        FUNDING: takes.funding,
        INDEX: takes.index,
        LIQUIDATIONS: takes.liquidation,
        OPEN_INTEREST: takes.open_interest,
    }
    loop = asyncio.get_running_loop()
    handler = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
    logging.getLogger("feedhandler").addHandler(Complaints(reading))
    handler.add_feed(
        exchange,
        symbols=[f"{base}-USDT-PERP" for base in ask["bases"]],
        channels=list(channels),
        callbacks={channel: callbacks[channel] for channel in channels},
        candle_closed_only=False,
        http_proxy=ask["proxy"],
    )
    handler.run(start_loop=False, install_signal_handlers=False)
    await asyncio.sleep(ask["seconds"])
    await handler.stop_async(loop=loop)
    reading.tell("cryptofeed")


asyncio.run(main())

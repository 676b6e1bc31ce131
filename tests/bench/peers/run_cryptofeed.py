"""cryptofeed 2.4.1: its Binance futures feed, with callbacks for every channel but the book."""

# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call"

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

import cryptofeed.connection
import uvloop
from cryptofeed import FeedHandler
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import CANDLES, FUNDING, LIQUIDATIONS, TICKER, TRADES
from cryptofeed.exchanges.binance_futures import BinanceFutures
from cryptofeed.symbols import Symbols
from rounds import Counter, answer
from wire_frames import BOOKLESS

_CHANNELS = (TRADES, TICKER, LIQUIDATIONS, FUNDING, CANDLES)


def feed(take: Callable[[], None]) -> BinanceFutures:
    """The feed of one contract, without asking REST for the symbols."""
    info = {"tick_size": {"BTC-USDT-PERP": "0.1"}, "instrument_type": {"BTC-USDT-PERP": "perpetual"}}
    Symbols.set("BINANCE_FUTURES", {"BTC-USDT-PERP": "BTCUSDT"}, info)

    async def callback(_event: object, _receipt: float) -> None:
        take()

    callbacks = dict.fromkeys(_CHANNELS, callback)
    return BinanceFutures(
        symbols=["BTC-USDT-PERP"], channels=list(_CHANNELS), callbacks=callbacks, candle_closed_only=False
    )


def handler() -> None:
    """Its message handler alone."""
    counter = Counter()
    binance = feed(counter.hand_on)
    loop = asyncio.new_event_loop()

    async def handle(frames: Sequence[str]) -> None:
        now = time.time()
        for frame in frames:
            await binance.message_handler(frame, None, now)

    texts: dict[int, list[str]] = {}

    def run(frames: Sequence[bytes]) -> None:
        known = texts.setdefault(id(frames), [frame.decode() for frame in frames])
        loop.run_until_complete(handle(known))

    answer(run, BOOKLESS, counter, 40_000)


def socket(port: str) -> None:
    """Its whole way. It refuses `ws://`, so its connect is handed one after it has looked."""
    connect = cryptofeed.connection.connect
    cryptofeed.connection.connect = lambda url, **how: connect(url.replace("wss://", "ws://"), **how)
    here = f"wss://127.0.0.1:{port}"
    BinanceFutures.websocket_endpoints = [WebsocketEndpoint(here, sandbox=here, options={"compression": None})]
    feeds = FeedHandler(config={"log": {"disabled": True}, "uvloop": True})
    feeds.add_feed(feed(Counter().time))
    asyncio.set_event_loop(uvloop.new_event_loop())  # uvloop makes none by itself any more, and cryptofeed wants one
    feeds.run(install_signal_handlers=False)


if __name__ == "__main__":
    handler() if sys.argv[1] == "handler" else socket(sys.argv[2])

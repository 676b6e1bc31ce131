"""What a user of ccxt's WebSocket half sees of an exchange: run by ccxt's own environment, prints one line of JSON."""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
from ccxt_settings import EXCHANGES, asked, plain, settings, tell

#: what is watched of one perpetual, by which method, under which name ccxt says that it has it, with which arguments
WATCHED: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
    ("trades", "watch_trades", "watchTrades", ()),
    ("books", "watch_order_book", "watchOrderBook", ()),
    ("tickers", "watch_ticker", "watchTicker", ()),
    ("candles", "watch_ohlcv", "watchOHLCV", ("1m",)),
    ("liquidations", "watch_liquidations", "watchLiquidations", ()),
    ("marks", "watch_mark_price", "watchMarkPrice", ()),
    ("fundings", "watch_funding_rate", "watchFundingRate", ()),
)
#: likewise of several at once
WATCHED_TOGETHER: tuple[tuple[str, str, str], ...] = (
    ("quotes", "watch_bids_asks", "watchBidsAsks"),
    ("liquidations_together", "watch_liquidations_for_symbols", "watchLiquidationsForSymbols"),
)


async def watch(seen: dict[str, Any], what: str, watched: Callable[..., Awaitable[object]], *arguments: object) -> None:
    """Keep what a watch method returns, again and again; a failure ends it and is told."""
    try:
        while True:
            found = plain(await watched(*arguments))
            if isinstance(found, list):
                seen.setdefault(what, []).extend(found)
            else:
                seen.setdefault(what, []).append(found)
    except ccxt.BaseError as error:
        seen.setdefault("errors", []).append(f"{what}: {type(error).__name__}: {error}")


async def main() -> None:
    """Watch everything at once for some seconds."""
    ask = asked()
    name, quote = EXCHANGES[ask["venue"]]
    kind = getattr(ccxt.pro, name)
    config = settings(kind().urls, ask["rest"], ask["websocket"]) | {"options": ask.get("options", {})}
    exchange, other = kind(config), kind(config)  # the other: Bybit's best quotes would overwrite the book of the first
    symbols = {base: f"{base}/{quote}:{quote}" for base in ask["bases"]}
    try:
        seen: dict[str, Any] = {"markets": plain(list((await exchange.load_markets()).values()), 1), "together": {}}
        other.set_markets(exchange.markets)
        tasks = []
        for base, symbol in symbols.items():
            seen[base] = {}
            tasks += [
                asyncio.create_task(watch(seen[base], what, getattr(exchange, method), symbol, *arguments))
                for what, method, known, arguments in WATCHED
                if exchange.has.get(known) is True
            ]
        tasks += [
            asyncio.create_task(watch(seen["together"], what, getattr(other, method), list(symbols.values())))
            for what, method, known in WATCHED_TOGETHER
            if other.has.get(known) is True
        ]
        await asyncio.wait(tasks, timeout=ask["seconds"])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await exchange.close()
        await other.close()
    tell(seen)


asyncio.run(main())

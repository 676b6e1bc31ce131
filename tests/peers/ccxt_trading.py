"""What a user of ccxt does with an account at Binance USD-M: run by ccxt's own environment, prints one line of JSON.

Plain and conditional orders are placed, changed, asked for and cancelled; balance and positions are seen, by REST and
as ccxt's WebSocket half tells them.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
from ccxt_settings import EXCHANGES, asked, plain, settings, tell

_TOLD = (("orders", "watch_orders"), ("fills", "watch_my_trades"), ("balances", "watch_balance"))


async def watch(seen: dict[str, Any], what: str, watched: Callable[[], Awaitable[object]]) -> None:
    """Keep what a watch method returns, again and again."""
    while True:
        found = plain(await watched())
        seen.setdefault(what, []).extend(found if isinstance(found, list) else [found])


async def traded(exchange: Any, symbol: str) -> dict[str, Any]:  # noqa: ANN401 (ccxt is in its own environment alone)
    """One round of everything."""
    seen: dict[str, Any] = {}

    async def do(what: str, done: Awaitable[object]) -> Any:  # noqa: ANN401 (likewise)
        found = await done
        seen[what] = plain(found)
        return found

    async def fail(what: str, done: Awaitable[object]) -> None:
        try:
            await done
        except ccxt.BaseError as error:
            seen[what] = f"{type(error).__name__}: {error}"

    await do("leverage", exchange.set_leverage(10, symbol))
    last = (await exchange.fetch_ticker(symbol))["last"]
    below, above = last * 0.97, last * 1.03
    rests = await do("placed", exchange.create_order(symbol, "limit", "buy", 0.01, below))
    await do("fetched", exchange.fetch_order(rests["id"], symbol))
    await do("edited", exchange.edit_order(rests["id"], symbol, "limit", "buy", 0.02, below))
    await do("open", exchange.fetch_open_orders(symbol))
    await do("cancelled", exchange.cancel_order(rests["id"], symbol))
    await fail("cancelled twice", exchange.cancel_order(rests["id"], symbol))
    await fail("too much", exchange.create_order(symbol, "market", "buy", 2))
    bought = await do("bought", exchange.create_order(symbol, "market", "buy", 0.03))
    await do("bought, fetched", exchange.fetch_order(bought["id"], symbol))
    await do("positions", exchange.fetch_positions([symbol]))
    await do("balance", exchange.fetch_balance())
    stop = {"stopLossPrice": below, "reduceOnly": True}
    stops = await do("stop", exchange.create_order(symbol, "market", "sell", 0.03, None, stop))
    take = {"takeProfitPrice": above, "reduceOnly": True}
    await do("take", exchange.create_order(symbol, "limit", "sell", 0.03, above, take))
    conditional = {"trigger": True}
    await do("stop, fetched", exchange.fetch_order(stops["id"], symbol, conditional))
    await do("conditional", exchange.fetch_open_orders(symbol, None, None, conditional))
    await do("stop, cancelled", exchange.cancel_order(stops["id"], symbol, conditional))
    await do("all cancelled", exchange.cancel_all_orders(symbol, conditional))
    await do("sold", exchange.create_order(symbol, "market", "sell", 0.03, None, {"reduceOnly": True}))
    await do("trades", exchange.fetch_my_trades(symbol))
    await do("closed", exchange.fetch_positions([symbol]))
    await do("ended", exchange.fetch_balance())
    return seen


async def main() -> None:
    """Trade, and watch it."""
    ask = asked()
    name, quote = EXCHANGES[ask["venue"]]
    kind = getattr(ccxt.pro, name)
    config = settings(kind().urls, ask["rest"], ask["websocket"])
    exchange = kind(config | {"apiKey": ask["key"], "secret": ask["secret"], "options": ask.get("options", {})})
    symbol = f"{ask['bases'][0]}/{quote}:{quote}"
    told: dict[str, Any] = {}
    try:
        await exchange.load_markets()
        tasks = [asyncio.create_task(watch(told, what, getattr(exchange, method))) for what, method in _TOLD]
        await asyncio.sleep(ask["seconds"])
        seen = await traded(exchange, symbol)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while len([1 for one in told.get("fills", ()) if one["order"]]) < len(seen["trades"]):
                    await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        told["errors"] = [str(end) for end in ends if not isinstance(end, asyncio.CancelledError)]
    finally:
        await exchange.close()
    tell({"asked": seen, "told": told})


asyncio.run(main())

"""What a user of ccxt sees of an account at Binance USD-M, and touches nothing: run by ccxt's own environment.

For each line on stdin it looks, and prints one line of JSON, in the words of `tests/peers/accounts.py`.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import sys
from typing import Any

import ccxt.pro
from ccxt_settings import EXCHANGES, asked, settings, tell

_KINDS = {"market": "MARKET", "limit": "LIMIT"}
_STATES = {"open": "open", "closed": "filled", "canceled": "cancelled", "expired": "expired"}
_WAITS = {"NEW": "open", "FINISHED": "filled", "CANCELED": "cancelled", "EXPIRED": "expired"}
_MOST = {"limit": 1000}


def position(rows: list[dict[str, Any]], leverage: Any, mode: Any) -> dict[str, Any] | None:  # noqa: ANN401 (of ccxt)
    """What is held."""
    held = [row for row in rows if row["contracts"]]
    if not held:
        return None
    (row,) = held
    return {
        "side": row["side"].upper(),
        "size": row["contracts"],
        "entry": row["entryPrice"],
        "liquidation": row["liquidationPrice"],
        "margin": row["info"]["isolatedWallet"],
        "leverage": leverage["longLeverage"] if row["side"] == "long" else leverage["shortLeverage"],
        "margin_mode": mode["marginMode"],
    }


def order(row: dict[str, Any]) -> dict[str, Any]:
    """A plain order."""
    return {
        "id": row["clientOrderId"],
        "number": row["id"],
        "side": row["side"].upper(),
        "kind": _KINDS[row["type"]],
        "size": row["amount"],
        "price": row["price"] if row["type"] == "limit" else None,
        "reduces": row["reduceOnly"],
        "state": _STATES[row["status"]],
        "filled": row["filled"],
        "average": row["average"],
    }


def condition(row: dict[str, Any]) -> dict[str, Any]:
    """A conditional one; ccxt has no word for some of it, and keeps the venue's row in `info`."""
    return {
        "id": row["clientOrderId"],
        "number": row["id"],
        "side": row["side"].upper(),
        "kind": row["info"]["orderType"],
        "trigger": row["triggerPrice"],
        "closes": row["info"]["closePosition"],
        "by": row["info"]["workingType"],
        "state": _WAITS[row["info"]["algoStatus"]],
    }


def fill(row: dict[str, Any]) -> dict[str, Any]:
    """One of the account's trades."""
    return {
        "number": int(row["id"]),
        "order": row["order"],
        "side": row["side"].upper(),
        "price": row["price"],
        "size": row["amount"],
        "fee": row["fee"]["cost"],
        "fee_asset": row["fee"]["currency"],
        "is_maker": row["takerOrMaker"] == "maker",
        "ms": row["timestamp"],
    }


async def read(exchange: Any, symbol: str) -> dict[str, Any]:  # noqa: ANN401 (ccxt is in its own environment alone)
    """Everything there is to see."""
    trigger = {"trigger": True}
    leverages, modes = await exchange.fetch_leverages([symbol]), await exchange.fetch_margin_modes([symbol])
    plain = await exchange.fetch_orders(symbol, params=_MOST)
    balance = await exchange.fetch_balance()
    ledger = await exchange.fetch_ledger(None, params=_MOST)
    fundings = await exchange.fetch_funding_history(symbol, params=_MOST)
    return {
        "position": position(await exchange.fetch_positions([symbol]), leverages[symbol], modes[symbol]),
        "orders": [order(row) for row in await exchange.fetch_open_orders(symbol)],
        "conditions": [condition(row) for row in await exchange.fetch_open_orders(symbol, params=trigger)],
        "past": [order(row) for row in plain],
        "past_conditions": [condition(row) for row in await exchange.fetch_orders(symbol, params=trigger | _MOST)],
        "fills": [fill(row) for row in await exchange.fetch_my_trades(symbol, params=_MOST)],
        "wallet": {row["asset"]: row["walletBalance"] for row in balance["info"]["assets"]},
        "incomes": [[row["info"]["incomeType"], row["info"]["asset"], row["info"]["income"]] for row in ledger],
        "fundings": [[row["timestamp"], row["amount"]] for row in fundings],
    }


async def main() -> None:
    """Read, and tell, as often as is asked."""
    ask = asked()
    name, quote = EXCHANGES[ask["venue"]]
    kind = getattr(ccxt.pro, name)
    config = settings(kind().urls, ask["rest"], ask["websocket"])
    exchange = kind(config | {"apiKey": ask["key"], "secret": ask["secret"]})
    try:
        await exchange.load_markets()
        while await asyncio.to_thread(sys.stdin.readline):
            tell(await read(exchange, f"{ask['bases'][0]}/{quote}:{quote}"))
    finally:
        await exchange.close()


asyncio.run(main())

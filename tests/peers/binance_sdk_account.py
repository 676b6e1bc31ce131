"""What a user of Binance's own SDK sees of an account, and touches nothing: run in the SDK's environment.

For each line on stdin it looks, and prints one line of JSON, in the words of `tests/peers/accounts.py`; the SDK holds
every reply against the venue's own models first.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import json
import sys
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures

_MOST = {"limit": 1000}
_STATES = {
    **{"NEW": "open", "PARTIALLY_FILLED": "open", "FILLED": "filled", "CANCELED": "cancelled", "EXPIRED": "expired"},
    "FINISHED": "filled",
}


def plain(found: Any) -> Any:  # noqa: ANN401 (the SDK is in its own environment alone)
    """A model, or a list of them, under the names of the wire."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    inner = getattr(found, "actual_instance", None)
    if inner is not None:
        return plain(inner)
    return found.to_dict() if hasattr(found, "to_dict") else found


def position(rows: list[dict[str, Any]], terms: dict[str, Any]) -> dict[str, Any] | None:
    """What is held."""
    held = [row for row in rows if float(row["positionAmt"])]
    if not held:
        return None
    (row,) = held
    return {
        "side": "SHORT" if row["positionAmt"].startswith("-") else "LONG",
        "size": row["positionAmt"].lstrip("-"),
        "entry": row["entryPrice"],
        "liquidation": row["liquidationPrice"],
        "margin": row["isolatedWallet"],
        "leverage": terms["leverage"],
        "margin_mode": terms["marginType"].lower(),
    }


def order(row: dict[str, Any]) -> dict[str, Any]:
    """A plain order."""
    return {
        "id": row["clientOrderId"],
        "number": str(row["orderId"]),
        "side": row["side"],
        "kind": row["type"],
        "size": row["origQty"],
        "price": row["price"] if row["type"] == "LIMIT" else None,
        "reduces": row["reduceOnly"],
        "state": _STATES[row["status"]],
        "filled": row["executedQty"],
        "average": row["avgPrice"],
    }


def condition(row: dict[str, Any]) -> dict[str, Any]:
    """A conditional one."""
    return {
        "id": row["clientAlgoId"],
        "number": str(row["algoId"]),
        "side": row["side"],
        "kind": row["orderType"],
        "trigger": row["triggerPrice"],
        "closes": row["closePosition"],
        "by": row["workingType"],
        "state": _STATES[row["algoStatus"]],
    }


def fill(row: dict[str, Any]) -> dict[str, Any]:
    """One of the account's trades."""
    return {
        "number": row["id"],
        "order": str(row["orderId"]),
        "side": row["side"],
        "price": row["price"],
        "size": row["qty"],
        "fee": row["commission"],
        "fee_asset": row["commissionAsset"],
        "is_maker": row["maker"],
        "ms": row["time"],
    }


def read(rest: Any, symbol: str) -> dict[str, Any]:  # noqa: ANN401 (likewise)
    """Everything there is to see."""

    def ask(method: str, **arguments: object) -> Any:  # noqa: ANN401 (likewise)
        return plain(getattr(rest, method)(**arguments).data())

    of: dict[str, Any] = {"symbol": symbol}
    (terms,) = ask("symbol_configuration", **of)
    incomes = ask("get_income_history", **_MOST)
    return {
        "position": position(ask("position_information_v3", **of), terms),
        "orders": [order(row) for row in ask("current_all_open_orders", **of)],
        "conditions": [condition(row) for row in ask("current_all_algo_open_orders", **of)],
        "past": [order(row) for row in ask("all_orders", **of, **_MOST)],
        "past_conditions": [condition(row) for row in ask("query_all_algo_orders", **of, **_MOST)],
        "fills": [fill(row) for row in ask("account_trade_list", **of, **_MOST)],
        "wallet": {row["asset"]: row["balance"] for row in ask("futures_account_balance_v3")},
        "incomes": [[row["incomeType"], row["asset"], row["income"]] for row in incomes],
        "fundings": [[row["time"], row["income"]] for row in incomes if row["incomeType"] == "FUNDING_FEE"],
    }


def main() -> None:
    """Read, and tell, as often as is asked."""
    ask = json.loads(sys.argv[1])
    keys = {"api_key": ask["key"], "api_secret": ask["secret"]}
    config = ConfigurationRestAPI(base_path=ask["rest"], timeout=20_000, retries=0, **keys)
    client = DerivativesTradingUsdsFutures(config_rest_api=config)
    for _ in sys.stdin:
        print(json.dumps(read(client.rest_api, f"{ask['bases'][0]}USDT"), default=str), flush=True)


main()

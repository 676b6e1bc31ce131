"""What a user of Binance's own SDK does with an account: run in the SDK's environment, prints one line of JSON.

REST, the WebSocket API and the user data stream; the SDK holds every reply and event against the venue's own models.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import json
import sys
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures


def plain(found: object) -> object:
    """A model, or a list of them, under the names of the wire."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    inner = getattr(found, "actual_instance", None)
    if inner is not None:
        return plain(inner)
    return found.to_dict() if hasattr(found, "to_dict") else found


def by_rest(rest: Any, symbol: str) -> dict[str, Any]:  # noqa: ANN401 (the SDK is in its own environment alone)
    """Orders, plain and conditional, and what they do to the account."""
    seen: dict[str, Any] = {}

    def do(what: str, method: str, **arguments: object) -> Any:  # noqa: ANN401 (likewise)
        seen[what] = plain(getattr(rest, method)(**arguments).data())
        return seen[what]

    def fail(what: str, method: str, **arguments: object) -> None:
        try:
            do(what, method, **arguments)
        except BadRequestError as error:
            seen[what] = str(error)

    price = float(do("price", "symbol_price_ticker_v2", symbol=symbol)["price"])
    below, above = round(price * 0.97, 1), round(price * 1.03, 1)
    one: dict[str, Any] = {"symbol": symbol}
    limit = one | {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": below}
    market = one | {"type": "MARKET", "quantity": 0.03, "new_order_resp_type": "RESULT"}
    waits = one | {"algo_type": "CONDITIONAL", "side": "SELL", "quantity": 0.03, "reduce_only": "true"}
    do("leverage", "change_initial_leverage", symbol=symbol, leverage=10)
    do("tested", "test_order", **limit)
    rests = do("placed", "new_order", **limit)["orderId"]
    do("queried", "query_order", symbol=symbol, order_id=rests)
    do("modified", "modify_order", symbol=symbol, side="BUY", quantity=0.02, price=below, order_id=rests)
    do("open", "current_all_open_orders", symbol=symbol)
    do("cancelled", "cancel_order", symbol=symbol, order_id=rests)
    fail("cancelled twice", "cancel_order", symbol=symbol, order_id=rests)
    do("bought", "new_order", **market, side="BUY")
    do("position", "position_information_v3", symbol=symbol)
    do("position v2", "position_information_v2", symbol=symbol)
    do("account", "account_information_v3")
    do("account v2", "account_information_v2")
    do("balance", "futures_account_balance_v3")
    do("stop", "new_algo_order", **waits, type="STOP_MARKET", trigger_price=below, working_type="MARK_PRICE")
    do("take", "new_algo_order", **waits, type="TAKE_PROFIT", trigger_price=above, price=above)
    do("trailing", "new_algo_order", **waits, type="TRAILING_STOP_MARKET", callback_rate=5)
    do("stop, queried", "query_algo_order", algo_id=seen["stop"]["algoId"])
    do("conditional", "current_all_algo_open_orders", symbol=symbol)
    do("stop, cancelled", "cancel_algo_order", algo_id=seen["stop"]["algoId"])
    do("all cancelled", "cancel_all_algo_open_orders", symbol=symbol)
    do("all conditional", "query_all_algo_orders", symbol=symbol)
    do("sold", "new_order", **market, side="SELL", reduce_only="true")
    do("trades", "account_trade_list", symbol=symbol)
    do("income", "get_income_history")
    do("orders", "all_orders", symbol=symbol)
    do("brackets", "notional_and_leverage_brackets", symbol=symbol)
    do("commission", "user_commission_rate", symbol=symbol)
    do("mode", "get_current_position_mode")
    do("configuration", "symbol_configuration", symbol=symbol)
    do("ended", "futures_account_balance_v3")
    return seen


async def by_socket(api: Any, symbol: str, price: float) -> dict[str, Any]:  # noqa: ANN401 (likewise)
    """The WebSocket API."""
    seen: dict[str, Any] = {}

    async def do(what: str, method: str, **arguments: object) -> Any:  # noqa: ANN401 (likewise)
        seen[what] = plain((await getattr(api, method)(**arguments)).data())
        return seen[what]["result"]

    await api.create_connection()
    limit: dict[str, Any] = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
    rests = (await do("placed", "new_order", **limit, quantity=0.01, price=price))["orderId"]
    await do("queried", "query_order", symbol=symbol, order_id=rests)
    change: dict[str, Any] = {"symbol": symbol, "side": "BUY", "quantity": 0.02, "price": price}
    await do("modified", "modify_order", **change, order_id=rests)
    await do("cancelled", "cancel_order", symbol=symbol, order_id=rests)
    waits: dict[str, Any] = {"symbol": symbol, "side": "BUY", "algo_type": "CONDITIONAL", "type": "STOP_MARKET"}
    stop = await do("stop", "new_algo_order", **waits, quantity=0.01, trigger_price=round(price * 1.06, 1))
    await do("stop, cancelled", "cancel_algo_order", algo_id=stop["algoId"])
    await do("balance", "futures_account_balance_v2")
    await do("account", "account_information_v2")
    await do("position", "position_information_v2", symbol=symbol)
    await api.close_connection(close_session=True)
    return seen


async def main() -> None:
    """Listen, trade by REST, trade by socket; then tell."""
    ask = json.loads(sys.argv[1])
    keys = {"api_key": ask["key"], "api_secret": ask["secret"]}
    client = DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(base_path=ask["rest"], timeout=20_000, retries=0, **keys),
        config_ws_api=ConfigurationWebSocketAPI(stream_url=f"{ask['websocket']}/ws-fapi/v1", timeout=20_000, **keys),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ask["websocket"]),
    )
    symbol = f"{ask['bases'][0]}USDT"
    told: list[Any] = []
    listen_key = client.rest_api.start_user_data_stream().data().listen_key
    client.rest_api.keepalive_user_data_stream()
    streams = client.websocket_streams
    await streams.create_connection()
    stream = await streams.user_data(listenKey=listen_key)
    stream.on("message", lambda message: told.append(plain(message)))
    await asyncio.sleep(ask["seconds"])
    asked = await asyncio.to_thread(by_rest, client.rest_api, symbol)
    spoken = await by_socket(client.websocket_api, symbol, float(asked["open"][0]["price"]))
    deadline = asyncio.get_running_loop().time() + 20
    while len([1 for one in told if "l" in one]) < 2 and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    await streams.close_connection(close_session=True)
    client.rest_api.close_user_data_stream()
    print(json.dumps({"asked": asked, "spoken": spoken, "told": told}, default=str))


asyncio.run(main())

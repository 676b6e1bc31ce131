"""What a user of Binance's own SDK sees of USD-M futures: run in the SDK's environment, prints one line of JSON.

The SDK validates every reply and message against models that Binance generates from its own description of the API.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures


def plain(found: object) -> object:
    """A model, or a list of them, under the names of the wire."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    inner = getattr(found, "actual_instance", None)
    if inner is not None:
        return plain(inner)
    return found.to_dict() if hasattr(found, "to_dict") else found


#: what is asked about one symbol; "5m" of the statistics, "1m" of the candles
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "book": ("order_book", {"limit": 50}),
    "trades": ("recent_trades_list", {"limit": 100}),
    "agg_trades": ("compressed_aggregate_trades_list", {"limit": 100}),
    "candles": ("kline_candlestick_data", {"interval": "1m"}),
    "mark_candles": ("mark_price_kline_candlestick_data", {"interval": "1m"}),
    "index_candles": ("index_price_kline_candlestick_data", {"interval": "1m"}),
    "premium_candles": ("premium_index_kline_data", {"interval": "1m"}),
    "mark": ("mark_price", {}),
    "open_interest": ("open_interest", {}),
    "open_interests": ("open_interest_statistics", {"period": "5m"}),
    "fundings": ("get_funding_rate_history", {}),
    "account_ratios": ("long_short_ratio", {"period": "5m"}),
    "top_account_ratios": ("top_trader_long_short_ratio_accounts", {"period": "5m"}),
    "top_position_ratios": ("top_trader_long_short_ratio_positions", {"period": "5m"}),
    "taker_volumes": ("taker_buy_sell_volume", {"period": "5m"}),
    "ticker": ("ticker24hr_price_change_statistics", {}),
    "quote": ("symbol_order_book_ticker", {}),
    "price": ("symbol_price_ticker_v2", {}),
}


def asked(client: Any, bases: list[str]) -> dict[str, Any]:  # noqa: ANN401 (the SDK is in its own environment alone)
    """Every question about the market that needs no key, once."""
    rest = client.rest_api
    seen: dict[str, Any] = {"exchange": plain(rest.exchange_information().data())}
    for base in bases:
        seen[base] = {}
        for what, (method, arguments) in QUESTIONS.items():
            named = {"pair" if what == "index_candles" else "symbol": f"{base}USDT"}
            seen[base][what] = plain(getattr(rest, method)(**named, **arguments).data())
    return seen


async def heard(client: Any, base: str, seconds: float) -> dict[str, Any]:  # noqa: ANN401
    """Every stream about one symbol, for some seconds after the last is subscribed: the SDK waits before each."""
    streams = client.websocket_streams
    await streams.create_connection()
    seen: dict[str, Any] = {}

    async def keep(what: str, subscribed: Awaitable[Any]) -> None:
        stream = await subscribed
        stream.on("message", lambda message: seen.setdefault(what, []).append(plain(message)))

    symbol = f"{base.lower()}usdt"
    await keep("every liquidation", streams.all_market_liquidation_order_streams())
    await keep("every mark", streams.mark_price_stream_for_all_market(update_speed="1s"))
    await keep("agg_trades", streams.aggregate_trade_streams(symbol=symbol))
    await keep("diffs", streams.diff_book_depth_streams(symbol=symbol, update_speed="100ms"))
    await keep("books", streams.partial_book_depth_streams(symbol=symbol, levels="10", update_speed="100ms"))
    await keep("quotes", streams.individual_symbol_book_ticker_streams(symbol=symbol))
    await keep("candles", streams.kline_candlestick_streams(symbol=symbol, interval="1m"))
    await keep("marks", streams.mark_price_stream(symbol=symbol, update_speed="1s"))
    await keep("liquidations", streams.liquidation_order_streams(symbol=symbol))
    await keep("tickers", streams.individual_symbol_ticker_streams(symbol=symbol))
    await keep("mini_tickers", streams.individual_symbol_mini_ticker_stream(symbol=symbol))
    await asyncio.sleep(seconds)
    await streams.close_connection(close_session=True)
    return seen


def main() -> None:
    """Ask, then listen."""
    ask = json.loads(sys.argv[1])
    client = DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(base_path=ask["rest"]),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ask["websocket"]),
    )
    seen = {"rest": asked(client, ask["bases"]), "streams": asyncio.run(heard(client, ask["bases"][0], ask["seconds"]))}
    print(json.dumps(seen, default=str))


main()

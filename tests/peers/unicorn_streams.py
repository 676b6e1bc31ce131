"""What a user of unicorn-binance-websocket-api sees of USD-M futures, in the words of its own UnicornFy.

Run in the client's environment, prints one line of JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import sys
import time
from typing import Any

from reading import Reading, asked
from unicorn_binance_websocket_api.manager import BinanceWebSocketApiManager

#: one stream for each of Binance's routes: the client refuses to mix them
CHANNELS = (
    ["aggTrade", "markPrice@1s", "kline_1m", "forceOrder", "ticker"],
    ["bookTicker", "depth10@100ms", "depth@100ms"],
)
_CLOSES = {"SELL": "long", "BUY": "short"}


def _trade(reading: Reading, base: str, row: dict[str, Any]) -> None:
    side = "sell" if row["is_market_maker"] else "buy"
    reading.trade(base, row["trade_time"], float(row["price"]), float(row["quantity"]), side)


def _mark(reading: Reading, base: str, row: dict[str, Any]) -> None:
    prices = (float(row[name]) for name in ("mark_price", "index_price", "funding_rate"))
    reading.mark(base, row["event_time"], *prices)


def _candle(reading: Reading, base: str, row: dict[str, Any]) -> None:
    bar = row["kline"]
    prices = [bar[f"{name}_price"] for name in ("open", "high", "low", "close")]
    reading.candle(base, bar["interval"], bar["kline_start_time"], prices, float(bar["base_volume"]))


def _liquidation(reading: Reading, base: str, row: dict[str, Any]) -> None:
    size, price = float(row["original_quantity"]), float(row["avg_price"])
    reading.liquidation(base, row["transaction_time"], size, _CLOSES[row["side"]], price)


def _ticker(reading: Reading, base: str, row: dict[str, Any]) -> None:
    reading.keep(base, "lasts", float(row["last_price"]))


def _quote(reading: Reading, base: str, row: dict[str, Any]) -> None:
    best = ("best_bid_price", "best_bid_quantity", "best_ask_price", "best_ask_quantity")
    reading.quote(base, *(float(row[name]) for name in best))


def _depth(reading: Reading, base: str, row: dict[str, Any]) -> None:
    if row["depth_level"]:
        reading.book(base, row["transaction_time"], row["bids"], row["asks"])
    else:
        reading.keep(base, "diffs", row["final_update_id_in_previous_event"], row["final_update_id_in_event"])


TAKES = {
    "aggTrade": _trade,
    "markPriceUpdate": _mark,
    "kline": _candle,
    "forceOrder": _liquidation,
    "24hrTicker": _ticker,
    "bookTicker": _quote,
    "depthUpdate": _depth,
}


def taken(reading: Reading, found: dict[str, Any]) -> None:
    """One message; what the client could not make sense of is told."""
    if found.get("result", "") is None:
        return
    kind = found.get("event_type")
    if kind not in TAKES:
        reading.fail(found)
        return
    for row in found.get("data", [found]):
        TAKES[kind](reading, row["symbol"].removesuffix("USDT"), row)


def main() -> None:
    """Every stream about each symbol, for some seconds after all of them have begun."""
    ask = asked()
    reading = Reading(ask["bases"])
    manager = BinanceWebSocketApiManager(
        exchange="binance.com-futures",
        process_stream_data=lambda found: taken(reading, found),
        output_default="UnicornFy",
        websocket_base_uri=f"{ask['websocket']}/",
        websocket_api_base_uri=f"{ask['websocket']}/ws-fapi/v1",
        restful_base_uri=ask["rest"],
        warn_on_update=False,
        disable_colorama=True,
    )
    symbols = [f"{base.lower()}usdt" for base in ask["bases"]]
    for channels in CHANNELS:
        stream = manager.create_stream(channels, symbols)
        if not manager.wait_till_stream_has_started(stream, timeout=20.0):
            sys.exit(f"{channels} did not begin")
    time.sleep(ask["seconds"])
    manager.stop_manager()
    for error in manager.get_errors_from_endpoints():
        reading.fail(error)
    reading.tell("unicorn-binance-websocket-api")


main()

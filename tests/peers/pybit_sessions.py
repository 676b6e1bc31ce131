"""What a user of Bybit's own pybit sees of its linear perpetuals: sockets by its environment, REST by its `endpoint`.

Run in the client's environment (`https_proxy`, `WEBSOCKET_CLIENT_CA_BUNDLE`), prints one line of JSON. Its REST takes
no CA from anywhere: it sends prepared requests, for which requests does not look at `REQUESTS_CA_BUNDLE`.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import time
from typing import Any

from pybit.unified_trading import HTTP, WebSocket
from reading import Reading, asked

#: `S` of a liquidation is the side of the position
_CLOSED = {"Buy": "long", "Sell": "short"}


def base_of(symbol: str) -> str:
    """BTC of BTCUSDT."""
    return symbol.removesuffix("USDT")


def ticker(reading: Reading, row: dict[str, Any], ms: int | None) -> None:
    """Of a socket (pybit has put it together from its deltas) or of REST."""
    base = base_of(row["symbol"])
    reading.mark(base, ms, float(row["markPrice"]), float(row["indexPrice"]), float(row["fundingRate"]))
    reading.keep(base, "open_interests", float(row["singleOpenInterest"]))
    reading.keep(base, "both_sides", float(row["openInterest"]), float(row["singleOpenInterest"]))
    reading.keep(base, "lasts", float(row["lastPrice"]))


def candle(reading: Reading, base: str, interval: str, row: list[str]) -> None:
    """Opening time, prices, volume, turnover."""
    reading.candle(base, interval, int(row[0]), row[1:5], float(row[5]))


def listens(socket: WebSocket, reading: Reading, symbols: list[str]) -> None:
    """Subscribe everything about these symbols."""

    def book(message: dict[str, Any]) -> None:
        data = message["data"]  # the levels of pybit's book are in no order
        bids, asks = ([(float(price), float(size)) for price, size in data[side]] for side in "ba")
        reading.book(base_of(data["s"]), message["ts"], sorted(bids, reverse=True), sorted(asks))

    def quote(message: dict[str, Any]) -> None:
        data = message["data"]
        if data["b"] and data["a"]:
            best = (float(value) for value in (*data["b"][0], *data["a"][0]))
            reading.quote(base_of(data["s"]), *best)

    def trades(message: dict[str, Any]) -> None:
        for row in message["data"]:
            reading.trade(base_of(row["s"]), row["T"], float(row["p"]), float(row["v"]), row["S"])

    def candles(message: dict[str, Any]) -> None:
        base = base_of(message["topic"].rpartition(".")[2])
        for row in message["data"]:
            prices = [row[name] for name in ("open", "high", "low", "close")]
            reading.candle(base, "1m", row["start"], prices, float(row["volume"]))

    def liquidations(message: dict[str, Any]) -> None:
        for row in message["data"]:
            reading.liquidation(base_of(row["s"]), row["T"], float(row["v"]), _CLOSED[row["S"]], float(row["p"]))

    socket.orderbook_stream(50, symbols, book)
    socket.orderbook_stream(1, symbols, quote)
    socket.trade_stream(symbols, trades)
    socket.ticker_stream(symbols, lambda message: ticker(reading, message["data"], message["ts"]))
    socket.kline_stream(1, symbols, candles)
    socket.all_liquidation_stream(symbols, liquidations)


def asks(session: HTTP, reading: Reading, base: str) -> None:
    """Every question about one symbol, once."""
    of = {"category": "linear", "symbol": f"{base}USDT"}
    listed = session.get_instruments_info(**of)["result"]["list"][0]
    reading.listed(base, float(listed["priceFilter"]["tickSize"]), float(listed["lotSizeFilter"]["qtyStep"]))
    ticker(reading, session.get_tickers(**of)["result"]["list"][0], None)
    book = session.get_orderbook(**of, limit=50)["result"]
    reading.book(base, book["ts"], book["b"], book["a"], "rest_books")
    for row in reversed(session.get_public_trade_history(**of, limit=100)["result"]["list"]):
        reading.keep(
            base, "rest_trades", int(row["time"]), float(row["price"]), float(row["size"]), row["side"].lower()
        )
    for interval, name in ((1, "1m"), (15, "15m")):
        for row in session.get_kline(**of, interval=interval, limit=20)["result"]["list"]:
            candle(reading, base, name, row)
    for row in session.get_funding_rate_history(**of, limit=100)["result"]["list"]:
        reading.keep(base, "payments", int(row["fundingRateTimestamp"]), float(row["fundingRate"]))
    for row in session.get_open_interest(**of, intervalTime="5min", limit=50)["result"]["list"]:
        reading.keep(base, "censuses", int(row["timestamp"]), float(row["singleOpenInterest"]))
    for row in session.get_long_short_ratio(**of, period="1h", limit=50)["result"]["list"]:
        reading.keep(base, "ratios", int(row["timestamp"]), float(row["buyRatio"]))


def main() -> None:
    """Listen for some seconds, then ask."""
    ask = asked()
    reading = Reading(ask["bases"])
    socket = WebSocket(testnet=False, channel_type="linear", retries=3)
    listens(socket, reading, [f"{base}USDT" for base in ask["bases"]])
    time.sleep(ask["seconds"])
    socket.exit()
    session = HTTP(testnet=False)
    session.endpoint = ask["rest"]
    for base in ask["bases"]:
        asks(session, reading, base)
    reading.tell("pybit")


main()

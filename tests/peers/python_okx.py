"""What a user of OKX's own python-okx sees of its swaps, under OKX's own addresses: by its environment alone.

Run in the client's environment (`https_proxy`, `SSL_CERT_FILE`), prints one line of JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import json
from typing import Any

from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.TradingData import TradingDataAPI
from okx.websocket.WsPublicAsync import WsPublicAsync
from reading import Reading, asked

_HOST = "wss://ws.okx.com/ws/v5"
_REAL = "0"  # flag "1" asks for demo trading
_CLOSES = {"sell": "long", "buy": "short"}
_CHANNELS = ("trades", "books5", "books", "bbo-tbt", "tickers", "mark-price", "funding-rate", "open-interest")


class Swaps:
    """Reads messages and replies about some swaps, contracts turned into base units.

    Args:
        reading: where it is kept.
        sizes: base units of one contract, by base.
    """

    def __init__(self, reading: Reading, sizes: dict[str, float]) -> None:
        self._reading = reading
        self._sizes = sizes

    def heard(self, message: str) -> None:
        """One frame of a socket."""
        if message == "pong":
            return
        found = json.loads(message)
        if found.get("event") == "error":
            self._reading.fail(found)
        for row in found.get("data", ()):
            self.row(found["arg"]["channel"], found["arg"], row)

    def row(self, channel: str, arg: dict[str, Any], row: Any) -> None:  # noqa: ANN401 (objects and lists)
        """One row of a channel's data."""
        if channel == "liquidation-orders":
            self.liquidations(row)
            return
        base = arg["instId"].partition("-")[0]
        match channel:
            case "trades":
                self.trade(base, row)
            case "books" | "books5" | "bbo-tbt":
                self.book(base, channel, row)
            case "tickers":
                self._reading.keep(base, "lasts", float(row["last"]))
            case "mark-price":
                self._reading.mark(base, int(row["ts"]), float(row["markPx"]), None, None)
            case "funding-rate":
                self._reading.keep(base, "rates", float(row["fundingRate"]))
            case "open-interest":
                self.open_interest(base, row)
            case "candle1m":
                self.candle(base, "1m", row)

    def trade(self, base: str, row: dict[str, Any], what: str = "trades") -> None:
        """Of a socket or of REST."""
        size = float(row["sz"]) * self._sizes[base]
        self._reading.keep(base, what, int(row["ts"]), float(row["px"]), size, row["side"])

    def book(self, base: str, channel: str, row: dict[str, Any]) -> None:
        """A whole one, the best of it, or what changed in it."""
        size = self._sizes[base]
        bids, asks = ([(float(price), float(sz) * size) for price, sz, *_ in row[side]] for side in ("bids", "asks"))
        if channel == "bbo-tbt":
            self._reading.quote(base, *bids[0], *asks[0])
        elif channel == "books":
            self._reading.keep(base, "diffs", row["prevSeqId"], row["seqId"])
        else:
            self._reading.book(base, int(row["ts"]), bids, asks, channel.replace("books5", "books"))

    def open_interest(self, base: str, row: dict[str, Any]) -> None:
        """`oi` is contracts, `oiCcy` base units: the same thing twice."""
        for value in (float(row["oi"]) * self._sizes[base], float(row["oiCcy"])):
            self._reading.keep(base, "open_interests", value)

    def candle(self, base: str, interval: str, row: list[str]) -> None:
        """Opening time, prices, contracts, base units, …."""
        self._reading.candle(base, interval, int(row[0]), row[1:5], float(row[6]))

    def liquidations(self, row: dict[str, Any]) -> None:
        """`side` is the order's, `bkPx` the bankruptcy price."""
        base = row["instId"].partition("-")[0]
        if base not in self._sizes:
            return
        for one in row["details"]:
            size = float(one["sz"]) * self._sizes[base]
            self._reading.liquidation(base, int(one["ts"]), size, _CLOSES[one["side"]], float(one["bkPx"]))


def data(reply: dict[str, Any]) -> list[Any]:
    """What a reply is about.

    Raises:
        RuntimeError: it was refused.
    """
    if reply.get("code") != "0":
        raise RuntimeError(str(reply))
    found: list[Any] = reply["data"]
    return found


def asks(reading: Reading, swaps: Swaps, public: PublicAPI, base: str) -> None:
    """Every question about one swap, once."""
    market, statistics = MarketAPI(flag=_REAL), TradingDataAPI(flag=_REAL)
    symbol = f"{base}-USDT-SWAP"
    swaps.book(base, "rest_books", data(market.get_orderbook(symbol, "50"))[0])
    for row in reversed(data(market.get_trades(symbol, "100"))):
        swaps.trade(base, row, "rest_trades")
    for interval in ("1m", "15m"):
        for row in data(market.get_candlesticks(symbol, bar=interval, limit="20")):
            swaps.candle(base, interval, row)
    reading.keep(base, "lasts", float(data(market.get_ticker(symbol))[0]["last"]))
    index = data(market.get_index_tickers(instId=f"{base}-USDT"))[0]
    reading.keep(base, "indices", float(index["idxPx"]))
    mark = data(public.get_mark_price("SWAP", instId=symbol))[0]
    reading.mark(base, None, float(mark["markPx"]), None, None)
    swaps.open_interest(base, data(public.get_open_interest("SWAP", instId=symbol))[0])
    reading.keep(base, "rates", float(data(public.get_funding_rate(symbol))[0]["fundingRate"]))
    for row in data(public.funding_rate_history(symbol, limit="100")):
        reading.keep(base, "payments", int(row["fundingTime"]), float(row["realizedRate"]))
    for moment, _, units, _ in data(statistics.get_open_interest_history(symbol, period="5m")):
        reading.keep(base, "censuses", int(moment), float(units))


async def main() -> None:
    """Ask for the contracts, listen for some seconds, ask the rest."""
    ask = asked()
    reading = Reading(ask["bases"])
    public = PublicAPI(flag=_REAL)
    sizes = {}
    for listed in data(public.get_instruments("SWAP")):
        base = listed["instId"].partition("-")[0]
        sizes[base] = float(listed["ctVal"]) * float(listed["ctMult"])
        reading.listed(base, float(listed["tickSz"]), float(listed["lotSz"]) * sizes[base])
    swaps = Swaps(reading, sizes)
    symbols = [f"{base}-USDT-SWAP" for base in ask["bases"]]
    told, bars = WsPublicAsync(f"{_HOST}/public"), WsPublicAsync(f"{_HOST}/business")
    reads = [await told.start(), await bars.start()]
    wanted = [{"channel": channel, "instId": symbol} for channel in _CHANNELS for symbol in symbols]
    await told.subscribe([*wanted, {"channel": "liquidation-orders", "instType": "SWAP"}], swaps.heard)
    await bars.subscribe([{"channel": "candle1m", "instId": symbol} for symbol in symbols], swaps.heard)
    await asyncio.sleep(ask["seconds"])
    await told.stop()
    await bars.stop()
    await asyncio.gather(*reads)
    for base in ask["bases"]:
        asks(reading, swaps, public, base)
    reading.tell("python-okx")


asyncio.run(main())

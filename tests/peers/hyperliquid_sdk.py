"""What a user of Hyperliquid's own SDK sees of its perpetuals: run in its environment, prints one line of JSON."""

# mypy: disable-error-code="import-not-found,import-untyped"

import time
from typing import Any

from hyperliquid.info import Info
from reading import Reading, asked

_TAKER = {"B": "buy", "A": "sell"}
_WEEK_MS = 7 * 86_400_000


def levels(side: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Price and size of each level."""
    return [(level["px"], level["sz"]) for level in side]


def context(reading: Reading, base: str, found: dict[str, Any]) -> None:
    """Marks and open interest of one asset."""
    reading.mark(base, None, float(found["markPx"]), float(found["oraclePx"]), float(found["funding"]))
    reading.keep(base, "open_interests", float(found["openInterest"]))


def asks(info: Info, reading: Reading, bases: list[str], now_ms: int) -> None:
    """Every question about the market, once."""
    meta, contexts = info.meta_and_asset_ctxs()
    for listed, found in zip(meta["universe"], contexts, strict=True):
        context(reading, listed["name"], found)
        reading.listed(listed["name"], None, 10.0 ** -listed["szDecimals"])
    mids = info.all_mids()
    for base in bases:
        reading.keep(base, "mids", float(mids[base]))
        book = info.l2_snapshot(base)
        reading.book(base, book["time"], levels(book["levels"][0]), levels(book["levels"][1]), "rest_books")
        for row in info.funding_history(base, now_ms - _WEEK_MS):
            reading.keep(base, "payments", row["time"], float(row["fundingRate"]))
        for interval in ("1m", "15m"):
            for row in info.candles_snapshot(base, interval, now_ms - 7_200_000, now_ms):
                reading.candle(base, interval, row["t"], [row[n] for n in "ohlc"], float(row["v"]))


def listens(info: Info, reading: Reading, base: str) -> None:
    """Subscribe everything about one asset."""

    def trades(message: dict[str, Any]) -> None:
        for row in message["data"]:
            reading.trade(base, row["time"], float(row["px"]), float(row["sz"]), _TAKER[row["side"]])

    def book(message: dict[str, Any]) -> None:
        data = message["data"]
        reading.book(base, data["time"], levels(data["levels"][0]), levels(data["levels"][1]))

    def quote(message: dict[str, Any]) -> None:
        bid, ask = message["data"]["bbo"]
        reading.quote(base, *(float(value) for level in (bid, ask) for value in (level["px"], level["sz"])))

    def candle(message: dict[str, Any]) -> None:
        row = message["data"]
        reading.candle(base, row["i"], row["t"], [row[n] for n in "ohlc"], float(row["v"]))

    info.subscribe({"type": "trades", "coin": base}, trades)
    info.subscribe({"type": "l2Book", "coin": base}, book)
    info.subscribe({"type": "bbo", "coin": base}, quote)
    info.subscribe({"type": "candle", "coin": base, "interval": "1m"}, candle)
    info.subscribe(
        {"type": "activeAssetCtx", "coin": base}, lambda message: context(reading, base, message["data"]["ctx"])
    )


def main() -> None:
    """Listen, and ask meanwhile."""
    ask = asked()
    reading = Reading(ask["bases"])
    info = Info(base_url=ask["rest"])
    try:
        for base in ask["bases"]:
            listens(info, reading, base)
        time.sleep(ask["seconds"])
        asks(info, reading, ask["bases"], ask["options"]["now_ms"])
    finally:
        info.disconnect_websocket()
    reading.tell("hyperliquid-python-sdk")


main()

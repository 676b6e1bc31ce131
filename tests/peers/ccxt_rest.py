"""What a user of ccxt's REST sees of an exchange: run by ccxt's own environment, prints one line of JSON."""

# mypy: disable-error-code="import-not-found,import-untyped"

from collections.abc import Mapping
from typing import Any

import ccxt
from ccxt_settings import EXCHANGES, asked, plain, settings, tell

#: what is asked about one perpetual, and with which further arguments
QUESTIONS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("ticker", "fetch_ticker", ()),
    ("book", "fetch_order_book", ()),
    ("trades", "fetch_trades", ()),
    ("candles", "fetch_ohlcv", ("1m",)),
    ("candles_15m", "fetch_ohlcv", ("15m",)),
    ("mark_candles", "fetch_mark_ohlcv", ("1m",)),
    ("index_candles", "fetch_index_ohlcv", ("1m",)),
    ("mark", "fetch_mark_price", ()),
    ("open_interest", "fetch_open_interest", ()),
    ("open_interest_history", "fetch_open_interest_history", ("5m",)),
    ("funding", "fetch_funding_rate", ()),
    ("funding_interval", "fetch_funding_interval", ()),
    ("funding_history", "fetch_funding_rate_history", ()),
    ("account_ratios", "fetch_long_short_ratio_history", ("1h",)),
    ("tiers", "fetch_market_leverage_tiers", ()),
)
#: what ccxt asks only for somebody: with a key, or the address of a wallet
OWN = {("binance", "tiers"), ("hyperliquid", "trades")}
_CAMEL = {"fetch_ohlcv": "fetchOHLCV", "fetch_mark_ohlcv": "fetchMarkOHLCV", "fetch_index_ohlcv": "fetchIndexOHLCV"}


def has(known: Mapping[str, object], method: str) -> bool:
    """True if ccxt says that it can do this, by itself or by another question."""
    words = method.split("_")
    return bool(known.get(_CAMEL.get(method, words[0] + "".join(word.title() for word in words[1:]))))


def main() -> None:
    """Ask everything about each symbol, once."""
    ask = asked()
    venue = ask["venue"]
    name, quote = EXCHANGES[venue]
    kind = getattr(ccxt, name)
    exchange = kind(settings(kind().urls, ask["rest"], ask["websocket"]) | {"options": ask.get("options", {})})
    seen: dict[str, Any] = {"errors": {}, "markets": plain(list(exchange.load_markets().values()), 1)}
    for base in ask["bases"]:
        symbol = f"{base}/{quote}:{quote}"
        answers = seen[base] = {}
        for what, method, arguments in QUESTIONS:
            if (venue, what) in OWN or not has(exchange.has, method):
                continue
            try:
                answers[what] = plain(getattr(exchange, method)(symbol, *arguments))
            except ccxt.BaseError as error:
                seen["errors"][f"{base} {what}"] = f"{type(error).__name__}: {error}"
    tell(seen)


main()

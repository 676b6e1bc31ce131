"""How a user of ccxt points it at another address: its own `urls`, merged by its constructor."""

import json
import re
import sys
from typing import Any

#: the lab's names of the venues → ccxt's, and the quote currency of its perpetuals
EXCHANGES = {
    "binance": ("binanceusdm", "USDT"),
    "bybit": ("bybit", "USDT"),
    "okx": ("okx", "USDT"),
    "bitget": ("bitget", "USDT"),
    "hyperliquid": ("hyperliquid", "USDC"),
}


def asked() -> dict[str, Any]:
    """The one argument: where the lab is (`rest`, `websocket`), which `venue`, which `bases`, how many `seconds`."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def settings(urls: dict[str, Any], rest: str, websocket: str) -> dict[str, Any]:
    """`{"urls": {"api": …}}` with every address of the venue's at the lab; paths stay as they are.

    Args:
        urls: what ccxt has of its own, `{hostname}` included.
        rest: base URL for `https://`.
        websocket: base URL for `wss://`.
    """

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {name: moved(inner) for name, inner in value.items()}
        if not isinstance(value, str):
            return value
        return re.sub(r"^wss://[^/]+", websocket, re.sub(r"^https://[^/]+", rest, value))

    return {"urls": {"api": moved(urls["api"])}}


def plain(found: object, depth: int = 0) -> object:
    """What ccxt understood, without the raw message, as JSON can hold it; books cut to their best ten levels."""
    if isinstance(found, dict):
        return {
            str(name): plain(value[:10] if name in ("bids", "asks") and depth == 0 else value, depth + 1)
            for name, value in found.items()
            if name != "info"
        }
    if isinstance(found, list | tuple):
        return [plain(value, depth + 1) for value in found]
    return found


def tell(seen: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(seen, default=str), flush=True)

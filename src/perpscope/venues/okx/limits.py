"""What OKX says of its limits: each path has its own, in any 2 seconds, some of them for each instrument.

https://www.okx.com/docs-v5/en/#overview-rate-limits
Who asks too often gets code 50011 with HTTP 200 or 429, and no word of how long to wait: a window. No total over all
paths is published; that a call costs a quarter of the budget's unit, 960 a minute at most, is chosen by hand.
"""

from collections.abc import Mapping

from perpscope.model.stream import HttpRequest

#: Sockets an address may try to open, in so many seconds.
CONNECTS = (3, 1.0)
_PREFIX = "/api/v5/"
_WINDOW_S = 2.0
_TOO_MANY = b'"code":"50011"'
_LOOKED_AT = 200  #: bytes of a reply
_WEIGHT = 0.25
_USUAL = 10  #: calls of a path that is not listed below: the least that any of public data and market has
_CALLS = {
    "public/instruments": 20,
    "public/open-interest": 20,
    "market/tickers": 20,
    "market/ticker": 20,
    "market/books": 40,
    "market/trades": 100,
    "market/candles": 40,
    "market/history-candles": 20,
    "market/mark-price-candles": 20,
    "market/index-candles": 20,
    "rubik/stat/taker-volume-contract": 5,
    "rubik/stat/contracts/long-short-account-ratio-contract": 5,
    "rubik/stat/contracts/long-short-account-ratio-contract-top-trader": 5,
    "rubik/stat/contracts/long-short-position-ratio-contract-top-trader": 5,
}


def used_weight(_headers: Mapping[str, str]) -> float | None:
    """None: no header tells."""
    return None


def refused_for_s(_status: int, _headers: Mapping[str, str], body: bytes) -> float | None:
    """A window, where the reply is 50011."""
    return _WINDOW_S if _TOO_MANY in body[:_LOOKED_AT].replace(b" ", b"") else None


def own_limit(request: HttpRequest) -> tuple[str, int, float, float] | None:
    """The path's own limit; of trading statistics each instrument's."""
    path = request.path.removeprefix(_PREFIX)
    whose = next((value for name, value in request.params if name == "instId"), "") if path.startswith("rubik/") else ""
    return f"{path} {whose}", _CALLS.get(path, _USUAL), _WINDOW_S, _WEIGHT

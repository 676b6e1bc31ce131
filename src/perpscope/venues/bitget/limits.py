"""What Bitget says of its limits: each path has its own in a second, and all of them together 6,000 calls a minute.

https://www.bitget.com/api-doc/common/signature-samaple/interface-rate-limit
Beyond either HTTP 429 (code "429" in the body), without a word of how long to wait: a path is free again after its
second, an address that asked too often after five minutes; whoever is refused twice waits longer.
"""

from collections.abc import Mapping

from perpscope.model.stream import HttpRequest

#: Sockets an address may try to open, in so many seconds.
CONNECTS = (300, 300.0)
_SECOND_S = 1.0
_TOO_MANY = b'"code":"429"'
_LOOKED_AT = 200  #: bytes of a reply
#: Calls a second; the least that any path has, and the most.
_ONE, _TWENTY = 1, 20
_SLOW = {
    "/api/v3/market/liquidations": 5,
    "/api/v3/market/futures-active-buy-sell": _ONE,
    "/api/v3/market/futures-account-long-short": _ONE,
    "/api/v3/market/futures-position-long-short": _ONE,
    "/api/v3/market/futures-long-short": _ONE,
    "/api/v2/mix/market/fills-history": 10,
    "/api/v2/mix/market/query-position-lever": 10,
    "/api/v2/mix/market/taker-buy-sell": _ONE,
    "/api/v2/mix/market/account-long-short": _ONE,
    "/api/v2/mix/market/position-long-short": _ONE,
    "/api/v2/mix/market/long-short": _ONE,
}


def used_weight(_headers: Mapping[str, str]) -> float | None:
    """None: headers tell of a path's second, never of the address's minute."""
    return None


def refused_for_s(status: int, _headers: Mapping[str, str], body: bytes) -> float | None:
    """A second, the first time: the governor doubles it for those refused again."""
    is_told = _TOO_MANY in body[:_LOOKED_AT].replace(b" ", b"")
    return _SECOND_S if status == 429 or is_told else None


def own_limit(request: HttpRequest) -> tuple[str, int, float, float] | None:
    """The path's own limit; of the address's 6,000 a minute a call is one."""
    return request.path, _SLOW.get(request.path, _TWENTY), _SECOND_S, 1.0

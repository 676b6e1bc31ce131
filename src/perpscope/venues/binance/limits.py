"""What Binance says of its limits: weight in the headers, and paths that are counted apart.

https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
Weight is counted per address in a fixed minute; beyond it 429, and 418 with a ban of 2 minutes to 3 days for whoever
goes on; both come with `Retry-After`, which is the caller's to read. `/futures/data` weighs nothing but may be asked
1,000 times in 5 minutes, `fundingRate` and `fundingInfo` together 500 times.
"""

from collections.abc import Mapping

from perpscope.model.stream import HttpRequest

#: Sockets an address may try to open, in so many seconds.
CONNECTS = (300, 300.0)
_USED = "x-mbx-used-weight-1m"
#: Path prefix → name, calls, in so many seconds, weight besides.
_COUNTED = {
    "/futures/data/": ("figures", 1000, 300.0, 0.0),
    "/fapi/v1/funding": ("funding", 500, 300.0, 0.0),
}
_TOO_MANY = b'"code":-1003'
_MINUTE_S = 60.0


def used_weight(headers: Mapping[str, str]) -> float | None:
    """Weight this address has used in the current minute."""
    told = headers.get(_USED, "")
    return float(told) if told.isascii() and told.isdecimal() else None


def refused_for_s(status: int, headers: Mapping[str, str], body: bytes) -> float | None:
    """A minute for a -1003 that comes without `Retry-After`; the usual reading of 429 and 418 holds otherwise."""
    is_told = "retry-after" in headers or status == 418
    return _MINUTE_S if status != 200 and _TOO_MANY in body[:200].replace(b" ", b"") and not is_told else None


def own_limit(request: HttpRequest) -> tuple[str, int, float, float] | None:
    """The limit of a path that is counted apart."""
    return next((own for prefix, own in _COUNTED.items() if request.path.startswith(prefix)), None)

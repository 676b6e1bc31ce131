"""What Hyperliquid says of its limits: 1,200 weight a minute and address, then HTTP 429.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits
The refusal is `null`, without a word of how long to wait. Whether the minute is a fixed or a sliding one is not said;
a sixth of it is waited (chosen by hand), and longer by whoever is refused again.
"""

from collections.abc import Mapping

#: Sockets an address may try to open, in so many seconds.
CONNECTS = (30, 60.0)
_WAIT_S = 10.0


def used_weight(_headers: Mapping[str, str]) -> float | None:
    """None: no header tells."""
    return None


def refused_for_s(status: int, headers: Mapping[str, str], _body: bytes) -> float | None:
    """Ten seconds, where the venue names no other time."""
    return _WAIT_S if status == 429 and "retry-after" not in headers else None

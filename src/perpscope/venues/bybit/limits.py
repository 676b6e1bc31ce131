"""What Bybit says of its limits.

https://bybit-exchange.github.io/docs/v5/rate-limit
An address may ask 600 times in 5 seconds; who asks more often gets HTTP 403 "access too frequent" and is to send
nothing for ten minutes. A user's own limit is told by `retCode` 10006 with HTTP 200, and by
`X-Bapi-Limit-Reset-Timestamp`, ms UTC of the venue's clock, as is the reply's own `time`.
"""

from collections.abc import Mapping

import msgspec

#: Sockets an address may try to open, in so many seconds.
CONNECTS = (500, 300.0)
_TOO_FREQUENT = b"too frequent"
_TOO_FREQUENT_S = 600.0
_TOO_MANY_VISITS = 10006
#: The window that the limits are counted in.
_WINDOW_S = 5.0
_LONGEST = 1000  #: bytes of a refusal


class _Refusal(msgspec.Struct):
    retCode: int
    time: int = 0  #: ms UTC


_read = msgspec.json.Decoder(_Refusal)


def used_weight(_headers: Mapping[str, str]) -> float | None:
    """None: headers tell of a user's limit, never of the address's."""
    return None


def refused_for_s(status: int, headers: Mapping[str, str], body: bytes) -> float | None:
    """Ten minutes for an address, a window for a user."""
    if status == 403 and _TOO_FREQUENT in body[:_LONGEST].lower():
        return _TOO_FREQUENT_S
    if len(body) > _LONGEST:
        return None
    try:
        refusal = _read.decode(body)
    except msgspec.MsgspecError:
        return None
    if refusal.retCode != _TOO_MANY_VISITS:
        return None
    reset_ms = headers.get("x-bapi-limit-reset-timestamp", "")
    if not (refusal.time and reset_ms.isascii() and reset_ms.isdecimal()):
        return _WINDOW_S
    return min(max(0.0, (int(reset_ms) - refusal.time) / 1000.0), _TOO_FREQUENT_S)

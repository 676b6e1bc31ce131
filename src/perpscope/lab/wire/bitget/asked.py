"""The parameters of a REST request to Bitget, and the refusals of those that make no sense.

Codes and words are those seen on the wire in 2026; of 40053 and 400171 only the codes are known.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.wire.bitget.topics import Span

Row = TypeVar("Row")

_NS_PER_MS = 1_000_000
_USDT_FUTURES = "USDT-FUTURES"
_PRODUCTS = (
    _USDT_FUTURES,
    "USDC-FUTURES",
    "COIN-FUTURES",
    "SUSDT-FUTURES",
    "SUSDC-FUTURES",
    "SCOIN-FUTURES",
    "SPOT",
    "MARGIN",
)
_PERIODS = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "12h": 720, "1d": 1440}
_MINUTE_NS = 60_000_000_000
_BAD_REQUEST = 400


class Refused(Exception):
    """A request the venue refuses."""

    def __init__(self, code: str, message: str, status: int = _BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def text(call: Call, name: str) -> str:
    """A parameter that must be there."""
    value = call.query.get(name)
    if not value:
        raise Refused("400172", "Parameter verification failed")
    return value


def integer(call: Call, name: str, default: int) -> int:
    """A whole number, not negative."""
    value = call.query.get(name)
    if not value:
        return default
    if not (value.isascii() and value.isdecimal()):
        raise Refused("40020", f"Parameter {name} error")
    return int(value)


def limit(call: Call, default: int, most: int, name: str = "limit") -> int:
    """How many rows; more than there may be is refused."""
    asked = integer(call, name, default)
    if not 0 < asked <= most:
        raise Refused("40053", f"Parameter {name} must be in (0,{most}]")
    return asked


def listed(call: Call, listings: Sequence[Listing], kind: str | None) -> Sequence[Listing]:
    """What is listed under a product type, or the one symbol of it that is asked for.

    Args:
        call: the request.
        listings: what is traded, all of it USDT futures.
        kind: name of the parameter with the product type: "category" or "productType"; None if there is none.
    """
    product = _USDT_FUTURES if kind is None else text(call, kind).upper()
    if product not in _PRODUCTS:
        raise Refused("400172", "Parameter verification failed")
    found = listings if product == _USDT_FUTURES else ()
    symbol = call.query.get("symbol")
    if not symbol:
        return found
    chosen = [known for known in found if known.symbol == symbol]
    if not chosen:
        raise Refused("40034", f"Parameter {symbol} does not exist")
    return chosen


def one(call: Call, listings: Sequence[Listing], kind: str | None) -> Listing:
    """The symbol asked for, which must be named."""
    text(call, "symbol")
    return listed(call, listings, kind)[0]


def span(call: Call, name: str, known: dict[str, Span]) -> Span:
    """The interval of candles; upper and lower case matter."""
    found = known.get(text(call, name))
    if found is None:
        raise Refused("400171", f"Parameter verification failed: {name} must be in {','.join(known)}")
    return found


def period_ns(call: Call) -> int:
    """Of a statistic; five minutes if none is named."""
    minutes = _PERIODS.get(call.query.get("period") or "5m")
    if minutes is None:
        raise Refused("400172", "Parameter verification failed")
    return minutes * _MINUTE_NS


def within(call: Call, rows: Sequence[Row], ts: Callable[[Row], int], most: int) -> Sequence[Row]:
    """The newest rows between startTime and endTime, both included, oldest first."""
    first = integer(call, "startTime", 0) * _NS_PER_MS
    last = integer(call, "endTime", 2**63 // _NS_PER_MS) * _NS_PER_MS
    return [row for row in rows if first <= ts(row) <= last][-most:]

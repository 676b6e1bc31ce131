"""The parameters of a REST request to Binance, and the refusals of those that make no sense."""

from collections.abc import Sequence

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.binance import replies
from perpscope.model.market import Interval

_NS_PER_MS = 1_000_000
_MINUTE_NS = 60_000 * _NS_PER_MS
_INTERVALS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480}
_INTERVALS |= {"12h": 720, "1d": 1440}
_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


class Refused(Exception):
    """A request the venue refuses."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = replies.error(code, message)


def text(call: Call, name: str) -> str:
    """A parameter that must be there."""
    value = call.query.get(name)
    if not value:
        raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def integer(call: Call, name: str, default: int) -> int:
    """A whole number, not negative."""
    value = call.query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal()):
        raise Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(value)


def listing(call: Call, listings: Sequence[Listing], name: str = "symbol") -> Listing:
    """The one asked for."""
    symbol = text(call, name)
    for known in listings:
        if known.symbol == symbol:
            return known
    raise Refused(-1121, "Invalid symbol.")


def interval(call: Call) -> Interval:
    """Of a candle; the lab keeps three of the venue's."""
    try:
        return Interval(call.query.get("interval", ""))
    except ValueError:
        raise Refused(-1120, "Invalid interval.") from None


def interval_ns(call: Call) -> int:
    """Of a bar of a reference price."""
    minutes = _INTERVALS.get(call.query.get("interval", ""))
    if minutes is None:
        raise Refused(-1120, "Invalid interval.")
    return minutes * _MINUTE_NS


def period_ns(call: Call) -> int:
    """Of a statistic."""
    period = text(call, "period")
    if period not in _PERIODS:
        raise Refused(-1130, "parameter 'period' is invalid.")
    return _INTERVALS[period] * _MINUTE_NS


def window(call: Call, now_ms: int) -> tuple[int, int]:
    """Start and end, ns, both included."""
    start = integer(call, "startTime", 0)
    end = integer(call, "endTime", now_ms)
    return start * _NS_PER_MS, end * _NS_PER_MS


def stretch(call: Call, quotations: Quotations, step_ns: int, default: int, most: int) -> tuple[int, int]:
    """The times [from, to), ns, that `limit` rows and perhaps one more lie in: after a start, else the newest.

    Rows come each `step_ns`, on its multiples.
    """
    start, end = window(call, quotations.now_ms)
    limit = min(integer(call, "limit", default), most)
    start = max(start, quotations.ts_oldest)
    if "startTime" in call.query:
        first = -(-start // step_ns) * step_ns
        return first, min(end + _NS_PER_MS, first + limit * step_ns)
    last = min(end, quotations.ts_told) // step_ns * step_ns
    return max(start, last - limit * step_ns), end + _NS_PER_MS


def recent(call: Call, now_ms: int, reach_ns: int) -> None:
    """Refuse a start that is farther back than what is kept."""
    start, _ = window(call, now_ms)
    if "startTime" in call.query and start < now_ms * _NS_PER_MS - reach_ns:
        raise Refused(-1130, "parameter 'startTime' is invalid.")


def within(call: Call, default: int, most: int) -> slice:
    """The first rows after a start, else the newest ones."""
    limit = min(integer(call, "limit", default), most)
    if "startTime" in call.query:
        return slice(0, limit)
    return slice(-limit, None) if limit else slice(0, 0)

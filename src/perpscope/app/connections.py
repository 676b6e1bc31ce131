"""How the sockets and the calls behind the feeds are doing: attempts, why the last one ended, how late data comes.

In: the connections and pollers of a heart. Out: a line each, for the status it tells its faces. A reader of the store
alone does not know them.
"""

from collections.abc import Collection
from math import ceil

import msgspec

from perpscope.feeds.connection import Connection
from perpscope.feeds.poll import Poller
from perpscope.model.stream import Channel


class ConnectionLine(msgspec.Struct, frozen=True):
    """One socket that is kept alive, since the heart started."""

    venue: str
    name: str
    channels: list[Channel]
    is_open: bool
    attempts: int  #: to connect; 1 = it was never lost nor replaced
    failures: int  #: in a row, since it was last well
    last_error: str | None  #: why the last attempt ended
    silent_ms: int | None  #: real time since the last data; None if it is not open
    lag_p50_ms: (
        float | None
    )  #: market time from the venue's stamp to the receipt, at the last 600 Ticks; None = unknown
    lag_p95_ms: float | None


class CallLine(msgspec.Struct, frozen=True):
    """What is asked of a venue again and again, since the heart started."""

    venue: str
    channels: list[Channel]
    calls: int
    failures: int  #: of them without a readable reply
    last_error: str | None


class Links(msgspec.Struct, frozen=True):
    """What a heart is connected by."""

    connections: list[ConnectionLine] = []
    calls: list[CallLine] = []


def links(connections: Collection[Connection], pollers: Collection[Poller]) -> Links:
    """How each connection and each poller is doing now."""
    return Links([_connection(one) for one in connections], [_calls(one) for one in pollers])


def quantile_ms(lags_ns: Collection[int], share: float) -> float | None:
    """The lag (ms) that `share` of these (ns) do not exceed; None without any.

    >>> quantile_ms([5_000_000, 1_000_000, 3_000_000, 200_000_000], 0.5)
    3.0
    """
    ordered = sorted(lags_ns)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] / 1e6 if ordered else None


def _connection(one: Connection) -> ConnectionLine:
    silent_s = one.silent_s
    return ConnectionLine(
        venue=one.venue,
        name=one.plan.name,
        channels=_ordered({stream.channel for stream in one.plan.streams}),
        is_open=one.is_open,
        attempts=one.attempts,
        failures=one.failures,
        last_error=one.last_error,
        silent_ms=None if silent_s is None else round(silent_s * 1e3),
        lag_p50_ms=quantile_ms(one.lags, 0.5),
        lag_p95_ms=quantile_ms(one.lags, 0.95),
    )


def _calls(one: Poller) -> CallLine:
    return CallLine(one.venue, _ordered(one.channels), one.calls, one.failures, one.last_error)


def _ordered(channels: Collection[Channel]) -> list[Channel]:
    return sorted(channels, key=list(Channel).index)

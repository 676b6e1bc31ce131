"""How many liquidations a store holds, and how much of the last hours' was seen.

Fills of followed accounts are a sample of nobody knows what: they are counted apart, and are part of no total.
"""

import sqlite3
from collections.abc import Mapping
from typing import TypeAlias

from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching, published, read_ledger
from perpscope.stores.rows import HOUR_NS, never_written
from perpscope.stores.status import EventCounts, VenueCoverage

_Group: TypeAlias = tuple[str, str, str]  # venue, symbol, order side

#: Liquidations by venue, symbol and side: all of them, or those of followed accounts; each read off an index.
_GROUPS = "SELECT venue, symbol, side, count(*) FROM liquidation_events %s GROUP BY venue, symbol, side"
_WATCHED = "WHERE completeness = 'watchlist'"
_SINCE = "SELECT count(*) FROM liquidation_events WHERE ts_event > ?"


def count(connection: sqlite3.Connection, now_ns: int, rate: float) -> EventCounts:
    """Count liquidations; the last 24 h and 1 h are those before `now_ns` (ns UTC) and whatever is later.

    Args:
        connection: to a store of today's schema.
        now_ns: market time, ns UTC.
        rate: market seconds per real second.
    """
    by_symbol: dict[str, int] = {}
    by_side = {"BUY": 0, "SELL": 0}
    watched = _by_group(connection, _WATCHED)
    groups = _by_group(connection, "")
    for group, everything in groups.items():
        _, symbol, side = group
        if n := everything - watched.get(group, 0):
            by_symbol[symbol] = by_symbol.get(symbol, 0) + n
            if side not in by_side:
                raise never_written(ValueError(f"an order's side {side!r}"))
            by_side[side] += n
    by_venue = _venues_seen(connection, {group[0]: group for group in reversed(groups)}, now_ns, rate)
    return EventCounts(
        sum(by_side.values()),
        _count_since(connection, now_ns - 24 * HOUR_NS),
        _count_since(connection, now_ns - HOUR_NS),
        dict(sorted(by_symbol.items())),
        by_side,
        sum(watched.values()),
        by_venue,
        any(seen.coverage_24h != 1.0 for seen in by_venue.values()),
        any(seen.coverage_1h != 1.0 for seen in by_venue.values()),
    )


def _by_group(connection: sqlite3.Connection, which: str) -> dict[_Group, int]:
    return {(venue, symbol, side): n for venue, symbol, side, n in connection.execute(_GROUPS % which)}


def _count_since(connection: sqlite3.Connection, ts: int) -> int:
    everything, watched = (
        connection.execute(_SINCE + also, (ts,)).fetchone()[0] for also in ("", " AND completeness = 'watchlist'")
    )
    return int(everything - watched)


def _venues_seen(
    connection: sqlite3.Connection, groups: Mapping[str, _Group], now_ns: int, rate: float
) -> dict[str, VenueCoverage]:
    """How much of the last hours was seen of each venue's liquidations; `groups` has one of each venue."""
    day = now_ns - 24 * HOUR_NS
    rows = read_ledger(connection, channel=Channel.LIQUIDATIONS, since_ns=day, until_ns=now_ns)
    vouching = Vouching(rows, day, now_ns)

    def worst(venue: str, hours: int) -> float | None:
        streams = [stream for stream in vouching.streams if stream[0] == venue]
        shares = [vouching.share_until_now(stream, now_ns - hours * HOUR_NS, now_ns, rate) for stream in streams]
        return min((share for share in shares if share is not None), default=None)

    found = {}
    for venue in sorted({*groups, *(venue for venue, _, _ in vouching.streams)}):
        complete = published(connection, *groups[venue]) if venue in groups else None
        found[venue] = VenueCoverage(worst(venue, 24), worst(venue, 1), complete)
    return found

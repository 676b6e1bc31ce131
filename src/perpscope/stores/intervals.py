"""What a store knows of each stream since a moment: the intervals that were seen, missed and filled, in a few columns.

For whoever asks a venue for what is missing; people read coverage through `reader`.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.model.stream import Channel
from perpscope.stores.access import open_for_reading, trusting

#: ns UTC, the end not included.
Interval: TypeAlias = tuple[int, int]

#: What is open goes on to now.
_INTERVALS = """
SELECT channel, instrument, kind, source, ts_from, iif(is_open, max(coalesce(ts_to, 0), ?2), ts_to) FROM coverage
WHERE venue = ?1 AND (is_open OR ts_to >= ?3)
"""
_ROW_TIMES = {
    Channel.CANDLES_1M: ("candles_1m", 60),
    Channel.CANDLES_15M: ("candles_15m", 900),
    Channel.CANDLES_1H: ("candles_1h", 3600),
}
_SECOND_NS = 1_000_000_000


class StreamIntervals(msgspec.Struct):
    """Of one stream, in no order; they may overlap."""

    seen: list[Interval]  #: by listening or polling, or recorded by others
    missed: list[Interval]
    filled: list[Interval]  #: asked for afterwards


def intervals(
    path: Path, venue: str, ts_from: int, now_ns: int
) -> Mapping[tuple[Channel, str | None], StreamIntervals]:
    """By channel and instrument (None = every instrument), what ended after `ts_from` (ns UTC) or still lasts.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    found: dict[tuple[Channel, str | None], StreamIntervals] = {}
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        for channel, instrument, kind, source, start, end in connection.execute(_INTERVALS, (venue, now_ns, ts_from)):
            of_stream = found.setdefault((Channel(channel), instrument), StreamIntervals([], [], []))
            if kind == "gap":
                of_stream.missed.append((start, end))
            elif source == "backfill":
                of_stream.filled.append((start, end))
            else:
                of_stream.seen.append((start, end))
    return found


def absent_candles(path: Path, channel: Channel, venue: str, symbol: str, ts_from: int, ts_to: int) -> list[Interval]:
    """Holes between the rows of a table of candles, by when those that are absent closed.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    table, period_s = _ROW_TIMES[channel]
    period_ns = period_s * _SECOND_NS
    query = f"""
SELECT ts_open + {2 * period_ns}, next + 1 FROM (
    SELECT ts_open, lead(ts_open) OVER (ORDER BY ts_open) AS next FROM {table}
    WHERE venue = ? AND symbol = ? AND ts_open >= ? AND ts_open < ?
) WHERE next > ts_open + {period_ns}
"""  # noqa: S608 -- the tables are ours, the period is a number
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        return [(start, end) for start, end in connection.execute(query, (venue, symbol, ts_from, ts_to))]

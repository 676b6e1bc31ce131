"""Reading the gap ledger: what was seen of each stream, and what share of any stretch of time that is.

Rows of `coverage` come out as records; `Vouching` turns those of some streams into shares. Only what ended after an
instant is read, however much came before.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from perpscope.analytics.watching import Watched, watched, whole_share
from perpscope.model.market import Completeness, Source
from perpscope.model.stream import Channel
from perpscope.stores.rows import never_written
from perpscope.stores.status import CoverageRow

#: Venue, channel, instrument (None = every instrument of the channel).
StreamKey: TypeAlias = tuple[str, Channel, str | None]

#: A tenth of the time of asking the enums, a million times.
_CHANNELS = {channel.value: channel for channel in Channel}
_SOURCES = {source.value: source for source in Source}
_COLUMNS = "venue, channel, instrument, kind, ts_from, ts_to, is_open, connection, cause, source"
_ORDER = "ORDER BY venue, channel, coalesce(instrument, ''), ts_from, kind, source"
_SYMBOLS = "SELECT venue, symbol, id FROM instruments"
_NEWEST = """SELECT completeness FROM liquidation_events WHERE venue = ? AND symbol = ? AND side = ?
ORDER BY ts_event DESC LIMIT 1"""

#: An interval that is still open says nothing yet of the seconds since its end: of so many market seconds at most,
#: before they count as not seen (chosen by hand: a connection is given up after 15 s, and a poll comes each 300 s).
_TAIL_S, _POLL_TAIL_S = 60.0, 780.0


def read_ledger(
    connection: sqlite3.Connection,
    *,
    venue: str | None = None,
    channel: Channel | None = None,
    kind: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> list[CoverageRow]:
    """Intervals of streams, stream by stream in order of time.

    Args:
        connection: to a store of today's schema.
        venue: of one venue; None = all.
        channel: of one channel; None = all.
        kind: "covered" or "gap"; None = both.
        since_ns: that end later (ns UTC), or last.
        until_ns: that begin before.
    """
    filters = {
        "venue = ?": venue,
        "channel = ?": None if channel is None else channel.value,
        "kind = ?": kind,
        "ts_from < ?": until_ns,
    }
    given = [condition for condition, value in filters.items() if value is not None]
    values = [value for value in filters.values() if value is not None]
    if since_ns is None:
        query = f"SELECT {_COLUMNS} FROM coverage {_where(given)}"  # noqa: S608 -- ours
    else:
        lasting, ended = _where(["is_open", *given]), _where(["NOT is_open", "ts_to > ?", *given])
        query = f"""SELECT {_COLUMNS} FROM (
            SELECT * FROM coverage INDEXED BY coverage_open {lasting}
            UNION ALL SELECT * FROM coverage INDEXED BY coverage_ended {ended})"""  # noqa: S608 -- ours
        values = [*values, since_ns, *values]
    rows = connection.execute(f"{query} {_ORDER}", values)
    try:
        return [
            CoverageRow(
                name, _CHANNELS[of], instrument, kind, ts_from, ts_to, is_open == 1, link, cause, _SOURCES[source]
            )
            for name, of, instrument, kind, ts_from, ts_to, is_open, link, cause, source in rows
        ]
    except KeyError as error:
        raise never_written(error) from error


class Vouching:
    """What the ledger vouches for, of the streams it was given.

    Args:
        rows: of the ledger.
        start: ns UTC; what was before is not asked about.
        end: ns UTC, not included.
    """

    def __init__(self, rows: Iterable[CoverageRow], start: int, end: int) -> None:
        self._start, self._end = start, end
        self._rows: dict[StreamKey, list[CoverageRow]] = {}
        for row in rows:
            self._rows.setdefault((row.venue, row.channel, row.instrument), []).append(row)
        self._spans: dict[StreamKey, list[Watched]] = {}

    @property
    def streams(self) -> list[StreamKey]:
        """Streams of which anything is known."""
        return list(self._rows)

    def spans(self, stream: StreamKey) -> list[Watched]:
        """What is known of a stream, with what is known of every instrument of its channel, in order of time."""
        spans = self._spans.get(stream)
        if spans is None:
            spans = self._spans[stream] = spans_of(self._of(stream), self._start, self._end)
        return spans

    def share(self, stream: StreamKey, start: int, end: int) -> float | None:
        """Share of a stretch (ns UTC) that is vouched for, in [0, 1]; None if nothing is known."""
        return whole_share(self.spans(stream), start, end)

    def share_until_now(self, stream: StreamKey, start: int, now_ns: int, rate: float) -> float | None:
        """The same up to now, without the last moments of an interval that is still open: nobody can know them yet."""
        end = min((_judged_until(row, now_ns, rate) for row in self._of(stream) if row.is_open), default=now_ns)
        return self.share(stream, start, end) if start < end else None

    def _of(self, stream: StreamKey) -> list[CoverageRow]:
        venue, channel, instrument = stream
        everything = self._rows.get((venue, channel, None), [])
        return everything if instrument is None else [*everything, *self._rows.get(stream, [])]


def spans_of(rows: Sequence[CoverageRow], start: int, end: int) -> list[Watched]:
    """Rows of one stream as stretches that follow one another, from one moment (ns UTC) to another."""
    covered = [(row.ts_from, row.ts_to or row.ts_from, row.source) for row in rows if row.kind == "covered"]
    gaps = [
        (row.ts_from, end if row.ts_to is None else row.ts_to, row.cause or "unknown")
        for row in rows
        if row.kind == "gap"
    ]
    return watched(covered, gaps, start, end)


def _judged_until(row: CoverageRow, now_ns: int, rate: float) -> int:
    """Up to when an interval that is still open can be judged, ns UTC."""
    tail_s = _POLL_TAIL_S if row.source is Source.POLL else _TAIL_S * max(1.0, rate)
    if row.kind == "covered" and row.ts_to is not None and now_ns - row.ts_to <= tail_s * 1e9:
        return min(row.ts_to, now_ns)
    return now_ns


class Seen(msgspec.Struct, frozen=True):
    """How much of the time of several streams was seen, taken together."""

    share: float  #: of the time of all of them, in [0, 1]
    least: float  #: of the one seen least, in [0, 1]
    least_instrument: str | None  #: whose stream that is; None = every instrument of the channel
    streams: int  #: of which anything is known


def seen_together(shares: Iterable[tuple[str | None, float | None]]) -> Seen | None:
    """What was seen of the streams of a channel, by one stretch of time; None if nothing is known of any.

    Args:
        shares: each stream's instrument and share, None where nothing is known of it.

    >>> seen_together([("BTC-USDT-PERP.OKX", 1.0), ("ETH-USDT-PERP.OKX", 0.5), ("SOL-USDT-PERP.OKX", None)])
    Seen(share=0.75, least=0.5, least_instrument='ETH-USDT-PERP.OKX', streams=2)
    """
    known = [(share, instrument) for instrument, share in shares if share is not None]
    if not known:
        return None
    least, instrument = min(known, key=lambda pair: pair[0])
    return Seen(sum(share for share, _ in known) / len(known), least, instrument, len(known))


class Sums:
    """What sums of liquidations are worth: the share of their time that was seen, and what the venue publishes.

    Args:
        connection: to a store.
        start: ns UTC, of the first of them.
        end: ns UTC, of the last, not included.
    """

    def __init__(self, connection: sqlite3.Connection, start: int, end: int) -> None:
        self._connection = connection
        rows = read_ledger(connection, channel=Channel.LIQUIDATIONS, since_ns=start, until_ns=end)
        self._vouching = Vouching(rows, start, end)
        self._names: dict[tuple[str, str], str] = {(venue, symbol): name for venue, symbol, name in _names(connection)}
        self._published: dict[tuple[str, str, str], Completeness | None] = {}

    def worth(
        self, venue: str, symbol: str, side: str, start: int, end: int
    ) -> tuple[float | None, Completeness | None]:
        """Share of a period (ns UTC) that is vouched for, and the completeness of its events, each None if unknown."""
        name = self._names.get((venue, symbol), f"{symbol}.{venue.upper()}")
        key = (venue, symbol, side)
        if key not in self._published:
            self._published[key] = published(self._connection, *key)
        return self._vouching.share((venue, Channel.LIQUIDATIONS, name), start, end), self._published[key]


def published(connection: sqlite3.Connection, venue: str, symbol: str, side: str) -> Completeness | None:
    """How complete the newest liquidation of a venue's symbol and order side is; None if there is none."""
    newest = connection.execute(_NEWEST, (venue, symbol, side)).fetchone()
    try:
        return None if newest is None else Completeness(newest[0])
    except ValueError as error:
        raise never_written(error) from error


def _names(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return connection.execute(_SYMBOLS).fetchall()


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""

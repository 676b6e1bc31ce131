"""The coverage ledger: what was seen, and what was not, to the moment.

In: acknowledgements and refusals, signs of life, Ticks and losses. Out: `Covered` intervals that only ever vouch for
what has certainly been seen, and a `Gap` for everything between them. For each stream, covered intervals and gaps
together leave no hole from its first coverage or refusal to its last. Two connections may cover a stream at once (one
that is to take the other's place): it is lost only where neither vouches for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from perpscope.engine.silence import Finding, Spoken
from perpscope.engine.watched import FLOOR_S
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Alive, Covered, Disconnected, Gap, Subscribed, Tick, Unheard
from perpscope.model.stream import Channel, Stream

_Key: TypeAlias = tuple[str, Stream]  # venue, stream

#: A recording that is over has no gap after it; whoever goes on after a stop finds the gap by `resume`.
_ENDS_WITHOUT_GAP: Final = frozenset({"end-of-recording", "stopped"})
_SILENT: Final = "silent"
#: Of a Tick, ns: the first data after a reconnect comes before the next one.
_PROMPT_TICK_NS: Final = 1_000_000_000
#: How long it is remembered how far a venue's stamps were ahead: a message that took longer to come hides it.
_LEAD_KEPT_NS: Final = 60_000_000_000


class _Interval:
    """Streams acknowledged together; `ts_to` is None until data has come after the acknowledgement."""

    __slots__ = ("streams", "ts_from", "ts_to")

    def __init__(self, streams: tuple[Stream, ...], ts_from: int) -> None:
        self.streams = streams
        self.ts_from = ts_from
        self.ts_to: int | None = None


class _Connection:
    __slots__ = ("intervals", "lag", "lead", "name", "ts_last", "ts_lead", "venue")

    def __init__(self, name: str, venue: str) -> None:
        self.name = name
        self.venue = venue
        self.ts_last = 0
        self.lag = 0  # ns, from the venue's stamp to our receipt
        self.lead = self.ts_lead = 0  # ns, the farthest a stamp was ahead of our receipt of late, and when
        self.intervals: list[_Interval] = []

    def heard(self, event: Alive) -> None:
        self.ts_last, self.lag = event.ts_last, event.lag_ns
        if -event.lag_ns >= self.lead or event.ts_last - self.ts_lead > _LEAD_KEPT_NS:
            self.lead, self.ts_lead = max(0, -event.lag_ns), event.ts_last

    def covered(self, interval: _Interval, ts_to: int, ts_recv: int, *, is_open: bool) -> Covered:
        return Covered(self.venue, self.name, interval.streams, interval.ts_from, ts_to, is_open, ts_recv)


class _Grouped:
    """Gaps of one venue noticed together: streams that share cause and times share an event."""

    def __init__(self, venue: str, ts_recv: int) -> None:
        self._venue = venue
        self._ts_recv = ts_recv
        self._streams: dict[tuple[str, int, int | None], list[Stream]] = {}

    def add(self, stream: Stream, cause: str, ts_from: int, ts_to: int | None) -> None:
        self._streams.setdefault((cause, ts_from, ts_to), []).append(stream)

    def events(self) -> Iterator[Gap]:
        for (cause, ts_from, ts_to), streams in self._streams.items():
            yield Gap(self._venue, tuple(streams), ts_from, ts_to, cause, self._ts_recv)


class CoverageLedger:
    """Keeps account of every stream of every connection.

    Args:
        resume: where an earlier run ended: (venue, stream) → (ns UTC of the end of its last coverage, cause).
        silent_after_s: market seconds after an acknowledgement by which the first data has come, or something was
            not said before it.
    """

    def __init__(
        self, resume: Mapping[_Key, tuple[int, str]] | None = None, *, silent_after_s: float = FLOOR_S
    ) -> None:
        self._prompt_ns = int(silent_after_s * 1e9)
        self.gaps = 0  #: distinct gaps so far, those still open included
        self.gaps_by_channel: dict[tuple[str, Channel], int] = {}  #: a gap counts once for each of its channels
        self._before = dict(resume or {})
        self._connections: dict[str, _Connection] = {}
        self._covering: dict[_Key, list[_Interval]] = {}  # open intervals that have begun
        self._lost: dict[_Key, tuple[int, str]] = {}  # open gaps: since when, and why
        self._unreadable: dict[InstrumentId, tuple[int, str]] = {}  # open gaps of books
        self._mute: dict[_Key, int] = {}  # open gaps of streams that say nothing: since when
        self._ts_tick: int | None = None

    def subscribed(self, event: Subscribed) -> list[Covered | Gap]:
        """Open an interval for these streams, to begin when data comes.

        A stream acknowledged twice means that the connection was replaced without a word: the old one ends here.
        """
        ended: list[Covered | Gap] = []
        connection = self._connections.get(event.connection)
        if connection is not None and any(not set(i.streams).isdisjoint(event.streams) for i in connection.intervals):
            ended = self.disconnected(Disconnected(event.connection, "disconnect", event.ts_recv))
            connection = None
        if connection is None:
            connection = self._connections[event.connection] = _Connection(event.connection, event.venue)
        connection.intervals.append(_Interval(event.streams, event.ts_recv))
        return ended

    def alive(self, event: Alive) -> list[Gap]:
        """Note a connection's last data; intervals acknowledged before it begin, and gaps end where they do."""
        connection = self._connections.get(event.connection)
        if connection is None:
            return []
        connection.heard(event)
        found = _Grouped(connection.venue, event.ts_recv)
        before = _Grouped(connection.venue, event.ts_recv)
        for interval in connection.intervals:
            if interval.ts_to is None and interval.ts_from <= event.ts_last:
                acknowledged = interval.ts_from
                interval.ts_from = self._first_word(connection.venue, interval, event.ts_last)
                if acknowledged < interval.ts_from:
                    self._come_late(connection.venue, interval, acknowledged)
                interval.ts_from += connection.lead
                interval.ts_to = interval.ts_from
                self._begin(connection.venue, interval, found, before)
        earlier = list(before.events())
        self._count(earlier)
        return [*found.events(), *earlier]

    def tick(self, event: Tick) -> list[Covered]:
        """Move every interval's end to the last Tick or the last data, whichever came first; never back.

        It lags one Tick, so that nothing is vouched for while it may still be in a socket's buffer; and by what a
        message takes to reach us, so that what happened at the venue in between is not vouched for either.
        """
        moved = []
        if self._ts_tick is not None:
            for connection in self._connections.values():
                ts_to = min(self._ts_tick, connection.ts_last) - max(0, connection.lag)
                for interval in connection.intervals:
                    if interval.ts_to is not None and interval.ts_to < ts_to:
                        interval.ts_to = ts_to
                        moved.append(connection.covered(interval, ts_to, event.ts_recv, is_open=True))
        self._ts_tick = event.ts_recv
        return moved

    def disconnected(self, event: Disconnected) -> list[Covered | Gap]:
        """Close a connection's intervals where they stand; what no other connection covers is a gap from there on.

        What was acknowledged and never followed by data is missing from its acknowledgement.
        """
        connection = self._connections.pop(event.connection, None)
        if connection is None:
            return []
        closed: list[Covered | Gap] = []
        opened = _Grouped(connection.venue, event.ts_recv)
        for interval in connection.intervals:
            if interval.ts_to is None:
                if event.cause not in _ENDS_WITHOUT_GAP:
                    for stream in interval.streams:
                        self._miss((connection.venue, stream), interval.ts_from, event.cause, opened)
                continue
            if interval.ts_to > interval.ts_from:
                closed.append(connection.covered(interval, interval.ts_to, event.ts_recv, is_open=False))
            self._end(connection.venue, interval, interval.ts_to, event.cause, opened)
        gaps = list(opened.events())
        self._count(gaps)
        return [*closed, *gaps]

    def unheard(self, event: Unheard) -> list[Covered | Gap]:
        """Leave these streams out of what the connection covers; what no other connection covers is a gap.

        A stream that was covered is missing from where its interval stood; the others there go on from there.
        One that never was is missing from now on; told again, it is the same gap.
        """
        closed: list[Covered | Gap] = []
        found = _Grouped(event.venue, event.ts_recv)
        connection = self._connections.get(event.connection)
        dropped = set(event.streams)
        if connection is not None:
            intervals, connection.intervals = connection.intervals, []
            for interval in intervals:
                if dropped.isdisjoint(interval.streams):
                    connection.intervals.append(interval)
                    continue
                if interval.ts_to is not None and interval.ts_to > interval.ts_from:
                    closed.append(connection.covered(interval, interval.ts_to, event.ts_recv, is_open=False))
                self._narrow(connection, interval, dropped, event.cause, found)
        for stream in event.streams:
            self._miss((event.venue, stream), event.ts_recv, event.cause, found)
        gaps = list(found.events())
        self._count(gaps)
        return [*closed, *gaps]

    def book_lost(self, venue: str, instrument: InstrumentId, ts_from: int, cause: str, ts_recv: int) -> list[Gap]:
        """Open the gap of a book that has become unreadable, unless it is open already; `ts_from` = last good delta."""
        if instrument in self._unreadable:
            return []
        self._unreadable[instrument] = (ts_from, cause)
        gap = Gap(venue, (Stream(Channel.BOOK, instrument),), ts_from, None, cause, ts_recv)
        self._count([gap])
        return [gap]

    def book_back(self, venue: str, instrument: InstrumentId, ts_recv: int) -> list[Gap]:
        """Close the gap of a book that is readable again, if there was one."""
        lost = self._unreadable.pop(instrument, None)
        if lost is None:
            return []
        ts_from, cause = lost
        ts_to = max(ts_from, ts_recv + self._lead(venue))
        return [Gap(venue, (Stream(Channel.BOOK, instrument),), ts_from, ts_to, cause, ts_recv)]

    def mute(self, found: Finding, ts_recv: int) -> list[Gap]:
        """Open the gaps of streams found silent, beside whatever their connections cover; one finding counts once."""
        opened = _Grouped(found.venue, ts_recv)
        for stream, since in found.since.items():
            ts_from = since - self._lag(found.venue, stream)
            self._mute[found.venue, stream] = ts_from
            opened.add(stream, _SILENT, ts_from, None)
        if found.is_alarm:
            self._count_one(found.venue, found.since)
        return list(opened.events())

    def spoke(self, ended: Spoken, ts_recv: int) -> list[Gap]:
        """Close the gaps of streams that are silent no longer; one that a lost connection has taken over goes on."""
        closed = _Grouped(ended.venue, ts_recv)
        for stream, ts_to in ended.until.items():
            key = (ended.venue, stream)
            ts_from = self._mute.pop(key)
            if key in self._lost and self._lost[key][0] == ts_from:
                continue
            closed.add(stream, _SILENT, ts_from, max(ts_from, ts_to + self._lead(ended.venue)))
        return list(closed.events())

    def noted(self, gap: Gap) -> None:
        """Count a gap that somebody else found."""
        self._count([gap])

    def _lag(self, venue: str, stream: Stream) -> int:
        """How long a message of a stream takes to reach us, ns, >= 0."""
        carrying = (c for c in self._connections.values() if c.venue == venue)
        return max((c.lag for c in carrying if c.lag > 0 and any(stream in i.streams for i in c.intervals)), default=0)

    def _lead(self, venue: str) -> int:
        """How far a venue's clock is ahead of ours, ns: what was just missed there may be stamped so much later."""
        return max((c.lead for c in self._connections.values() if c.venue == venue), default=0)

    def _first_word(self, venue: str, interval: _Interval, ts_last: int) -> int:
        """When streams whose first data came since the last Tick began: at their acknowledgement, if it came soon.

        A path that acknowledges and says nothing may have kept back all that time: then at the newest data. Where
        something is missing already, a Tick without data is enough to go on missing it.
        """
        is_missing = any((venue, stream) in self._lost for stream in interval.streams)
        prompt_ns = _PROMPT_TICK_NS if is_missing else self._prompt_ns
        if self._ts_tick is None or self._ts_tick - interval.ts_from <= prompt_ns:
            return interval.ts_from
        return ts_last

    def _come_late(self, venue: str, interval: _Interval, ts_acknowledged: int) -> None:
        """Between its acknowledgement and its first word a stream was missed, unless it is known to have been."""
        missed = []
        for stream in interval.streams:
            key = (venue, stream)
            if not (key in self._covering or key in self._lost or key in self._before):
                self._lost[key] = (ts_acknowledged, _SILENT)
                missed.append(stream)
        if missed:
            self._count_one(venue, missed)

    def _begin(self, venue: str, interval: _Interval, found: _Grouped, before: _Grouped) -> None:
        """An interval begins: end the open gaps of its streams there (`found`), and those since an earlier run."""
        for stream in interval.streams:
            key = (venue, stream)
            self._covering.setdefault(key, []).append(interval)
            if (lost := self._lost.pop(key, None)) is not None:
                ts_from, cause = lost
                found.add(stream, cause, ts_from, max(ts_from, interval.ts_from))
            if (earlier := self._before.pop(key, None)) is not None:
                ts_end, cause = earlier
                if ts_end < interval.ts_from:  # else the clock went back between the runs: there is nothing to tell
                    before.add(stream, cause, ts_end, interval.ts_from)

    def _narrow(
        self, connection: _Connection, interval: _Interval, dropped: set[Stream], cause: str, found: _Grouped
    ) -> None:
        """Have the rest of an interval's streams go on by themselves, without a hole; the dropped ones end there."""
        kept = tuple(stream for stream in interval.streams if stream not in dropped)
        rest = _Interval(kept, interval.ts_from)
        if kept:
            connection.intervals.append(rest)
        if interval.ts_to is None:
            return
        rest.ts_from = rest.ts_to = interval.ts_to
        for stream in kept:
            covering = self._covering[connection.venue, stream]
            covering[covering.index(interval)] = rest
        interval.streams = tuple(stream for stream in interval.streams if stream in dropped)
        self._end(connection.venue, interval, interval.ts_to, cause, found)

    def _miss(self, key: _Key, ts: int, why: str, found: _Grouped) -> None:
        """Open the gap of a stream that nobody covers, unless it is open; that since an earlier run ends there."""
        _, stream = key
        if key in self._covering or key in self._lost:
            return
        self._lost[key] = (ts, why)
        if (earlier := self._before.pop(key, None)) is not None:
            ts_end, cause = earlier
            if ts_end < ts:
                found.add(stream, cause, ts_end, ts)
        found.add(stream, why, ts, None)

    def _end(self, venue: str, interval: _Interval, ts_to: int, cause: str, opened: _Grouped) -> None:
        """An interval ends at `ts_to`: note what nobody covers from there on."""
        for stream in interval.streams:
            key = (venue, stream)
            others = self._covering[key]
            others.remove(interval)
            if others:
                ts_next = min(other.ts_from for other in others)
                if ts_next > ts_to:
                    opened.add(stream, cause, ts_to, ts_next)
                continue
            del self._covering[key]
            if cause not in _ENDS_WITHOUT_GAP:
                self._lost[key] = (ts_to, cause)
                opened.add(stream, cause, ts_to, None)

    def _count(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            self._count_one(gap.venue, gap.streams)

    def _count_one(self, venue: str, streams: Iterable[Stream]) -> None:
        self.gaps += 1
        for channel in {stream.channel for stream in streams}:
            key = (venue, channel)
            self.gaps_by_channel[key] = self.gaps_by_channel.get(key, 0) + 1

"""What was seen of each stream, what was missed, what of that was filled since, and what nobody gives back.

In: a store, and which streams of which time. Out: a `CoverageReport`, for `perpscope coverage`, programs and the face.
A gap stays a gap when it is filled: it is cut at the edges of what was, and that part is called repaired.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from perpscope.analytics.watching import Watched
from perpscope.app import venues
from perpscope.app.status import market_now
from perpscope.config import nearest
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness, Source
from perpscope.model.stream import Channel
from perpscope.ports import Historic
from perpscope.stores.ledger import StreamKey, Vouching
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS = 1_000_000
_HOUR_NS = 3_600_000_000_000
DEFAULT_LIMIT = 10_000
GAP, COVERED = "gap", "covered"
#: What venues publish of their liquidations (docs/venues).
PUBLISHED: Mapping[str, Completeness] = {
    "binance": Completeness.SAMPLED,
    "bitget": Completeness.SAMPLED,
    "bybit": Completeness.COMPLETE,
    "hyperliquid": Completeness.WATCHLIST,
    "okx": Completeness.SAMPLED,
}


class Interval(msgspec.Struct, frozen=True, gc=False):
    """A stretch of one stream's time; those of a stream follow one another. What no interval holds is unknown."""

    venue: str
    channel: Channel
    instrument: str | None  #: None = every instrument of the channel
    from_ms: int
    to_ms: int  #: not included
    state: str  #: "covered" or "gap"
    cause: str | None  #: of a gap
    repaired: bool  #: a gap that was filled afterwards
    source: Source | None  #: where what is stored of it came from; None for a gap that nothing fills
    completeness: Completeness | None  #: of liquidations: what the venue publishes at all
    lost: bool  #: a gap that the venue gives nobody back


class StreamCoverage(msgspec.Struct, frozen=True):
    """One stream in the time asked about. Shares are in [0, 1]; None if nothing is known."""

    venue: str
    channel: Channel
    instrument: str | None
    share: float | None  #: of the time asked about that was seen, or filled since
    share_24h: float | None  #: of the last 24 h
    gaps: int
    longest_gap_ms: int
    gap_ms: int  #: all gaps together
    repaired_ms: int  #: of them, filled since
    lost_ms: int  #: of them, given back by nobody
    completeness: Completeness | None


class CoverageReport(msgspec.Struct, frozen=True):
    """What `perpscope coverage --json` prints."""

    from_ms: int
    to_ms: int
    data: StoreKind
    streams: list[StreamCoverage]
    intervals: list[Interval]  #: stream by stream, in order of time
    omitted: int  #: older intervals beyond the limit


def read_coverage(
    path: Path,
    *,
    venue: str | None = None,
    channel: str | None = None,
    symbol: str | None = None,
    hours: float = 24.0,
    from_ns: int | None = None,
    to_ns: int | None = None,
    gaps_only: bool = False,
    limit: int = DEFAULT_LIMIT,
) -> CoverageReport:
    """Read the ledger of a store beside whoever writes it.

    Args:
        path: the store.
        venue: one venue's; None = all.
        channel: one channel's, by its name; None = all.
        symbol: coin, symbol or id; streams about every instrument are told of all the same. None = all.
        hours: of market time before the end, > 0, where no `from_ns` says when it begins.
        from_ns: ns UTC.
        to_ns: end, ns UTC, not included; None = now, in the store's market time.
        gaps_only: leave out the intervals that were covered.
        limit: intervals at most, the newest.

    Raises:
        ConfigError: no such channel, or a number makes no sense.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    if limit <= 0:
        raise ConfigError("option-value", f"--limit {limit} must be above 0", hint="e.g. --limit 1000")
    wanted = _channel(channel)
    with SqliteReader.open(path) as reader:
        heart, kind = reader.heart(), reader.kind
        now_ns = market_now(heart, kind)
        asked = _asked(hours, from_ns, to_ns, now_ns, 1.0 if heart is None else heart.rate)
        rows = reader.coverage(venue, None, wanted, asked.earliest, max(asked.end, now_ns))
        names = None if symbol is None else _named(symbol, reader.instruments(venue))
    vouching = Vouching(rows, asked.earliest, max(asked.end, now_ns))
    chosen = [s for s in vouching.streams if names is None or s[2] is None or s[2] in names]
    told = [_told(stream, vouching, asked) for stream in chosen]
    intervals = [one for _, found in told for one in found if not gaps_only or one.state == GAP]
    kept, span = _newest(intervals, limit), (asked.start // _MS_NS, asked.end // _MS_NS)
    return CoverageReport(*span, kind, [stream for stream, _ in told], kept, len(intervals) - len(kept))


class _Asked(msgspec.Struct, frozen=True):
    """The time that is asked about, ns UTC."""

    start: int
    end: int
    now_ns: int
    rate: float  #: market seconds per real second
    is_until_now: bool

    @property
    def day(self) -> int:
        """24 h ago."""
        return self.now_ns - 24 * _HOUR_NS

    @property
    def earliest(self) -> int:
        """The earliest moment any figure is about."""
        return min(self.start, self.day)


def _asked(hours: float, from_ns: int | None, to_ns: int | None, now_ns: int, rate: float) -> _Asked:
    """The time that is meant; see `read_coverage`.

    Raises:
        ConfigError: it ends before it begins.
    """
    end = now_ns if to_ns is None else to_ns
    start = from_ns
    if start is None:
        if not 0.0 < hours < float("inf"):
            raise ConfigError("option-value", f"hours must be above 0, were {hours:g}", hint="e.g. --hours 48")
        start = end - round(hours * _HOUR_NS)
    if start >= end:
        raise ConfigError("option-value", f"the time asked about ends at {end} ns, before it begins at {start} ns")
    return _Asked(start, end, now_ns, rate, to_ns is None)


def _told(stream: StreamKey, vouching: Vouching, asked: _Asked) -> tuple[StreamCoverage, list[Interval]]:
    """One stream: summed up, and stretch by stretch."""
    found = list(_intervals(stream, vouching.spans(stream), asked))
    if asked.is_until_now:
        share = vouching.share_until_now(stream, asked.start, asked.end, asked.rate)
    else:
        share = vouching.share(stream, asked.start, asked.end)
    day = vouching.share_until_now(stream, asked.day, asked.now_ns, asked.rate)
    return _summed(stream, found, share, day), found


def _channel(name: str | None) -> Channel | None:
    """A channel by its name.

    Raises:
        ConfigError: there is none of this name.
    """
    if name is None:
        return None
    known = [channel.value for channel in Channel]
    if name not in known:
        like = nearest(name, known)
        hint = f"did you mean {like!r}?" if like else f"known: {', '.join(known)}"
        raise ConfigError("option-value", f"there is no channel {name!r}", hint=hint)
    return Channel(name)


def _named(name: str, known: Sequence[Instrument]) -> set[str]:
    """Ids of the instruments that are meant by a coin, symbol or id, in any case; one nobody knows may be an id."""
    wanted = name.upper()
    found = {
        instrument.id
        for instrument in known
        if wanted
        in {instrument.symbol.upper(), instrument.base.upper(), instrument.coin.upper(), instrument.id.upper()}
    }
    return {*found, wanted}


def _intervals(stream: StreamKey, spans: Sequence[Watched], asked: _Asked) -> Iterator[Interval]:
    """A stream's stretches of the time asked about, in whole milliseconds."""
    venue, channel, instrument = stream
    completeness = PUBLISHED.get(venue) if channel is Channel.LIQUIDATIONS else None
    given_back = _given_back_s(venue, channel)
    for span in spans:
        from_ms, to_ms = max(span.start, asked.start) // _MS_NS, min(span.end, asked.end) // _MS_NS
        if from_ms < to_ms:
            is_gap = span.cause is not None
            yield Interval(
                venue,
                channel,
                instrument,
                from_ms,
                to_ms,
                GAP if is_gap else COVERED,
                span.cause,
                span.is_repaired,
                span.source,
                completeness,
                is_gap and not span.is_repaired and (asked.now_ns - span.end) / 1e9 >= given_back,
            )


@cache
def _given_back_s(venue: str, channel: Channel) -> float:
    """For how many seconds a venue can be asked for what was missed of a channel; 0 if not at all."""
    if venue not in venues.names():
        return 0.0
    found = venues.find(venue)
    depths = [
        float("inf") if depth is None else depth
        for series, depth in (found.series.items() if isinstance(found, Historic) else ())
        if series.channel is channel
    ]
    return max(depths, default=0.0)


def _summed(
    stream: StreamKey, intervals: Sequence[Interval], share: float | None, share_24h: float | None
) -> StreamCoverage:
    """One stream's figures; parts of one gap, cut where something was filled, are one gap."""
    venue, channel, instrument = stream
    lengths: list[int] = []
    repaired = lost = 0
    last: Interval | None = None
    for interval in intervals:
        if interval.state == GAP:
            length = interval.to_ms - interval.from_ms
            repaired += length if interval.repaired else 0
            lost += length if interval.lost else 0
            if last is not None and (last.state, last.to_ms, last.cause) == (GAP, interval.from_ms, interval.cause):
                lengths[-1] += length
            else:
                lengths.append(length)
        last = interval
    completeness = PUBLISHED.get(venue) if channel is Channel.LIQUIDATIONS else None
    totals = (len(lengths), max(lengths, default=0), sum(lengths), repaired, lost)
    return StreamCoverage(venue, channel, instrument, share, share_24h, *totals, completeness)


def _newest(intervals: list[Interval], limit: int) -> list[Interval]:
    """As many as are wanted, in the order they came."""
    if len(intervals) <= limit:
        return intervals
    newest = sorted(range(len(intervals)), key=lambda n: intervals[n].to_ms)[-limit:]
    return [intervals[n] for n in sorted(newest)]

"""How each feed is doing, and the whole status as one answer for the CLI and programs.

The heart judges its feeds at each Tick and stores the verdict; a reader in another process gets it back with the
age of each feed in market time, and says "down" where the heart itself is gone.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from perpscope.app import venues
from perpscope.app.answers.trade import read_trade
from perpscope.app.availability import Availability, availability
from perpscope.app.connections import CallLine, ConnectionLine, Links
from perpscope.engine.engine import Engine
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.connection import Connection
from perpscope.feeds.poll import Poller
from perpscope.model.bulletin import BusHealth
from perpscope.model.stream import Channel
from perpscope.model.trade_status import Spread
from perpscope.settings import Settings
from perpscope.stores.ledger import Seen, Vouching, seen_together
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import EventCounts, FeedState, FeedStatus, HeartStatus, StoreKind

_MS_NS = 1_000_000
_DAY_NS = 86_400_000_000_000
#: A heart that has not reported for so many real seconds is taken for dead, whatever it said last.
_HEART_LOST_S = 15.0
#: Channels without a bound on the time between two events: quiet is normal, their socket's other channels judge.
_QUIET = frozenset(
    {
        *(Channel.LIQUIDATIONS, Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H),
        *(Channel.OPEN_INTEREST, Channel.CONTRACTS, Channel.FUNDING),
    }
)
#: A busy channel is stale when its last event is older than this many times the bound for silence (by hand).
_STALE_FACTOR = 2.0
#: Runs on paper and live that are told at most.
_RUNS = 5
#: A reply may be late by so many real seconds, however fast market time runs (by hand).
_POLL_SLACK_REAL_S = 30.0


class FeedLine(msgspec.Struct, frozen=True):
    """One channel of one venue."""

    venue: str
    channel: Channel
    state: FeedState
    age_ms: int | None  #: market time since its last event; None if there was none
    events: int  #: since the heart started
    gaps: int  #: since the heart started
    coverage_24h: float | None = None  #: share of the last 24 h of all its streams that was seen, or filled since
    least_24h: float | None = None  #: the same of its stream that was seen least
    least_seen: str | None = None  #: whose stream that is, where it was seen less than the others


class Refusal(msgspec.Struct, frozen=True):
    """A venue that has shut its door to this address; nothing is sent to it before then."""

    venue: str
    until_ms: int  #: ms UTC, real time
    why: str


class Database(msgspec.Struct, frozen=True):
    """The file that was read."""

    path: str
    bytes: int  #: with its write-ahead log


class HeartLine(msgspec.Struct, frozen=True):
    """The process that writes the store, as it reported last."""

    pid: int
    is_running: bool  #: False once it has ended, or has not been heard for 15 real seconds
    market_ms: int  #: ms UTC, market time of the report
    wall_ms: int  #: ms UTC, real time of the report
    rate: float  #: market seconds per real second; 1 when live


class TradingLine(msgspec.Struct, frozen=True):
    """A run on paper or live, and how long its orders take; the rest of it tells `perpscope positions`."""

    run: str
    label: str  #: PAPER, LIVE or DEMO
    strategy: str
    instrument: str
    is_running: bool
    latency_ms: dict[str, Spread]  #: by stage, real milliseconds; docs/trading.md


class Status(msgspec.Struct, frozen=True):
    """What `perpscope status --json` prints; `events` counts liquidations."""

    events: EventCounts
    feeds: list[FeedLine]
    database: Database
    data: StoreKind  #: observed, demo or replay
    availability: list[Availability] = []  #: how each venue tells what
    refused: list[Refusal] = []  #: by whom nothing is answered for now
    heart: HeartLine | None = None  #: None where no heart has reported
    bus: BusHealth | None = None  #: how faces are reached; None where only the store was read
    connections: list[ConnectionLine] = []  #: as the heart tells them; empty where only the store was read
    calls: list[CallLine] = []  #: likewise
    trading: list[TradingLine] = []  #: the newest runs on paper and live


def judge_feeds(
    wanted: Mapping[str, Collection[Channel]],
    connections: Collection[Connection],
    engine: Engine,
    now_ns: int,
    rate: float,
    pollers: Collection[Poller] = (),
) -> list[FeedStatus]:
    """How each wanted channel of each venue is doing.

    Args:
        wanted: venue → its channels.
        connections: of all venues.
        engine: counted the events.
        now_ns: market time.
        rate: market seconds per real second.
        pollers: of all venues.
    """
    seen, gaps = engine.events_by_channel, engine.gaps_by_channel
    silent = {(found.venue, found.stream.channel) for found in engine.silent_streams}
    lines = []
    for venue, channels in wanted.items():
        for channel in sorted(channels, key=list(Channel).index):
            carrying = [c for c in connections if c.venue == venue and channel in c.channels]
            events, ts_last = seen.get((venue, channel), (0, 0))
            quiet_s = None if channel in _QUIET or not events else (now_ns - ts_last) / 1e9 / rate
            asking = [p for p in pollers if p.venue == venue and channel in p.channels]
            state = _polled_state(channel, asking, ts_last, now_ns, rate) if asking else _state(carrying, quiet_s)
            if (venue, channel) in silent and state is not FeedState.DOWN:
                state = FeedState.SILENT
            lines.append(FeedStatus(venue, channel, state, ts_last or None, events, gaps.get((venue, channel), 0)))
    return lines


def _state(carrying: Collection[Connection], quiet_s: float | None) -> FeedState:
    """The worst of the connections that carry a channel, then the channel's own quiet (real seconds)."""
    if not carrying or not all(c.is_open for c in carrying):
        return FeedState.DOWN
    if any((c.silent_s or 0.0) > c.silent_after_s / 2 or not c.has_data for c in carrying):
        return FeedState.SILENT
    bound_s = max(c.silent_after_s for c in carrying) * _STALE_FACTOR
    return FeedState.STALE if quiet_s is not None and quiet_s > bound_s else FeedState.LIVE


def _polled_state(channel: Channel, pollers: Collection[Poller], ts_last: int, now_ns: int, rate: float) -> FeedState:
    """Live while replies come at their pace in market time, or within the real seconds a busy machine may take."""
    if not ts_last:
        return FeedState.DOWN if any(poller.failures for poller in pollers) else FeedState.SILENT
    paced_s = max(poller.every_s(channel) for poller in pollers) * _STALE_FACTOR
    bound_s = max(paced_s, _POLL_SLACK_REAL_S * rate)
    return FeedState.STALE if now_ns - ts_last > bound_s * 1e9 else FeedState.LIVE


def read_status(path: Path, settings: Settings | None = None, home: Path | None = None) -> Status:
    """The status of a store, read beside whoever writes it.

    Args:
        path: the store.
        settings: by which way its venues are asked, and where the budget is kept; None = who refuses is not looked up.
        home: the database beside which runs on paper and live are; None = the store.

    Raises:
        ConfigError: a venue's settings are wrong.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        heart = reader.heart()
        now_ns = market_now(heart, reader.kind)
        running = is_at_work(heart)
        feeds = reader.feeds()
        seen = _seen(reader, now_ns, 1.0 if heart is None else heart.rate)
        return Status(
            events=reader.counts(now_ns),
            feeds=[_line(feed, now_ns, seen.get((feed.venue, feed.channel)), running=running) for feed in feeds],
            database=Database(str(path), reader.bytes),
            data=reader.kind,
            availability=availability([(feed.venue, feed.channel) for feed in feeds]),
            refused=[] if settings is None else _refused(dict.fromkeys(feed.venue for feed in feeds), settings),
            heart=None if heart is None else heart_line(heart, is_running=running),
            trading=[] if settings is None else _trading(home or path, settings),
        )


def _trading(path: Path, settings: Settings) -> list[TradingLine]:
    """The newest runs that are traded from a database, those that run first."""
    found = read_trade(path, settings.trade, wall_ns() // _MS_NS).runs[:_RUNS]
    return [
        TradingLine(
            run=now.status.run,
            label=now.label,
            strategy=now.status.strategy,
            instrument=now.status.instrument,
            is_running=now.is_running,
            latency_ms=now.status.latency_ms,
        )
        for now in found
    ]


def brought_up_to_date(
    read: Status, feeds: Collection[FeedStatus], heart: HeartStatus, bus: BusHealth, joined: Links
) -> Status:
    """What the heart knows at this moment, over what was read of its store a while ago.

    Args:
        read: of the store.
        feeds: as judged now.
        heart: as of now.
        bus: as of now.
        joined: how it is connected.
    """
    shares = {(line.venue, line.channel): line for line in read.feeds}
    return msgspec.structs.replace(
        read,
        feeds=[_fresh(feed, heart.ts_market, shares.get((feed.venue, feed.channel))) for feed in feeds],
        availability=read.availability or availability([(feed.venue, feed.channel) for feed in feeds]),
        heart=heart_line(heart, is_running=heart.is_running),
        bus=bus,
        connections=joined.connections,
        calls=joined.calls,
    )


def heart_line(heart: HeartStatus, *, is_running: bool) -> HeartLine:
    """A heart's report, as people and programs read it."""
    return HeartLine(heart.pid, is_running, heart.ts_market // _MS_NS, heart.ts_wall // _MS_NS, heart.rate)


def _fresh(feed: FeedStatus, now_ns: int, known: FeedLine | None) -> FeedLine:
    """A feed as it is now, with the coverage that is known of it."""
    line = _line(feed, now_ns, None, running=True)
    if known is None:
        return line
    return msgspec.structs.replace(
        line, coverage_24h=known.coverage_24h, least_24h=known.least_24h, least_seen=known.least_seen
    )


def _refused(told: Collection[str], settings: Settings) -> list[Refusal]:
    """Until when those of a store's venues that refuse this address do so, as any process of this machine heard."""
    known = venues.names()
    found = [(name, venues.closed(name, settings)) for name in told if name in known]
    return [Refusal(name, shut.until_ns // _MS_NS, shut.why) for name, shut in found if shut is not None]


def _seen(reader: SqliteReader, now_ns: int, rate: float) -> dict[tuple[str, Channel], Seen]:
    """How much of the last 24 h was seen of each venue's channels."""
    day = now_ns - _DAY_NS
    vouching = Vouching(reader.coverage(since_ns=day, until_ns=now_ns), day, now_ns)
    shares: dict[tuple[str, Channel], list[tuple[str | None, float | None]]] = {}
    for stream in vouching.streams:
        share = vouching.share_until_now(stream, day, now_ns, rate)
        shares.setdefault(stream[:2], []).append((stream[2], share))
    return {feed: seen for feed, found in shares.items() if (seen := seen_together(found)) is not None}


def market_now(heart: HeartStatus | None, kind: StoreKind) -> int:
    """Market time as the store's reader should see it, ns UTC.

    A real market goes on whether it is collected or not; a demo or a replay stands still when its heart stops.
    """
    now_ns = wall_ns()
    if heart is None or kind is StoreKind.OBSERVED:
        return now_ns
    if not (heart.is_running and _is_heard(heart)):
        return heart.ts_market
    return heart.ts_market + int((now_ns - heart.ts_wall) * heart.rate)


def is_at_work(heart: HeartStatus | None) -> bool:
    """Whether a store's heart runs, and was heard lately."""
    return heart is not None and heart.is_running and _is_heard(heart)


def _is_heard(heart: HeartStatus) -> bool:
    return wall_ns() - heart.ts_wall < _HEART_LOST_S * 1e9


def _line(feed: FeedStatus, now_ns: int, seen: Seen | None, *, running: bool) -> FeedLine:
    age_ms = None if feed.ts_last is None else max(0, now_ns - feed.ts_last) // _MS_NS
    state = feed.state if running or feed.state is FeedState.REPLAY else FeedState.DOWN
    line = FeedLine(feed.venue, feed.channel, state, age_ms, feed.events, feed.gaps)
    if seen is None:
        return line
    least_seen = seen.least_instrument if seen.least < seen.share else None
    return msgspec.structs.replace(line, coverage_24h=seen.share, least_24h=seen.least, least_seen=least_seen)

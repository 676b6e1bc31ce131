"""For every history of connections: coverage never runs ahead, never overlaps, and leaves no hole beside the gaps."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perpscope.engine.coverage import CoverageLedger
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Alive, Covered, Disconnected, Gap, Subscribed, Tick, Unheard
from perpscope.model.stream import Channel, Stream

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
STREAMS = [Stream(channel, BTC) for channel in (Channel.TRADES, Channel.BOOK, Channel.CANDLES_1M)]
CONNECTIONS = st.sampled_from(["a", "b", "c"])
STEP = st.integers(0, 30)
FOREVER = 10**9


class Ledger(RuleBasedStateMachine):
    """A feed of up to three connections, with an account of its own to hold the ledger to."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = CoverageLedger()
        self.now = 1_000
        self.ticks = [0, 0]  # the last two
        self.carried: dict[str, set[Stream]] = {}
        self.acknowledged: dict[str, list[tuple[int, set[Stream]]]] = {}  # connection → (ts, streams) of each batch
        self.ts_last: dict[str, int] = {}  # connection → its last data
        self.ts_pulsed: dict[str, int] = {}  # connection → its last data the ledger knows of
        self.has_news: set[str] = set()
        self.covered: dict[tuple[str, Stream, int, int], tuple[int, int]] = {}  # (…, session, from) → (from, to)
        self.sessions: dict[str, int] = {}
        self.lost: dict[tuple[Stream, int, str], int | None] = {}
        self.refused_at: dict[Stream, int] = {}  # first refusal of a stream nobody had covered

    @initialize(ends=st.dictionaries(st.sampled_from(STREAMS), st.integers(800, 1_100)))
    def earlier_run(self, ends: dict[Stream, int]) -> None:
        """Some streams were covered by an earlier run."""
        self.ledger = CoverageLedger({("binance", stream): (end, "restart") for stream, end in ends.items()})
        for stream, end in ends.items():
            self.covered[("earlier", stream, 0, 0)] = (500, end)

    def take(self, events: Iterable[Covered | Gap]) -> None:
        """Judge what the ledger says, and note it."""
        for event in events:
            if isinstance(event, Gap):
                assert event.ts_to is None or event.ts_to >= event.ts_from
                self.lost.update({(stream, event.ts_from, event.cause): event.ts_to for stream in event.streams})
                continue
            assert event.ts_from < event.ts_to <= min(self.ticks[0], self.ts_last[event.connection])
            for stream in event.streams:
                key = (event.connection, stream, self.sessions[event.connection], event.ts_from)
                assert self.covered.get(key, (0, 0))[1] < event.ts_to + (not event.is_open)
                self.covered[key] = (event.ts_from, event.ts_to)

    @rule(connection=CONNECTIONS, streams=st.sets(st.sampled_from(STREAMS), min_size=1), step=STEP)
    def acknowledge(self, connection: str, streams: set[Stream], step: int) -> None:
        """A batch of acknowledgements; streams come once per connection."""
        self.now += step
        streams -= self.carried.get(connection, set())
        if streams:
            if connection not in self.carried:
                self.sessions[connection] = self.sessions.get(connection, 0) + 1
                self.ts_last[connection] = self.ts_pulsed[connection] = 0
            self.carried.setdefault(connection, set()).update(streams)
            self.acknowledged.setdefault(connection, []).append((self.now, streams))
            event = Subscribed("binance", connection, tuple(streams), self.now)
            self.take(self.ledger.subscribed(event))

    @rule(connection=CONNECTIONS, step=STEP)
    def data(self, connection: str, step: int) -> None:
        """A frame."""
        self.now += step
        if connection in self.carried:
            self.ts_last[connection] = self.now
            self.has_news.add(connection)

    @rule(step=STEP)
    def tick(self, step: int) -> None:
        """Signs of life, then a Tick."""
        self.now += step
        for connection in sorted(self.has_news):
            self.take(self.ledger.alive(Alive(connection, self.ts_last[connection], 1, self.now)))
            self.ts_pulsed[connection] = self.ts_last[connection]
        self.has_news.clear()
        self.ticks = [self.ticks[1], self.now]
        self.take(self.ledger.tick(Tick(self.now)))

    @precondition(lambda self: self.carried)
    @rule(connection=CONNECTIONS, step=STEP, cause=st.sampled_from(["disconnect", "silent"]))
    def lose(self, connection: str, step: int, cause: str) -> None:
        """A connection ends."""
        self.now += step
        self.take(self.ledger.disconnected(Disconnected(connection, cause, self.now)))
        self.carried.pop(connection, None)
        self.acknowledged.pop(connection, None)
        self.has_news.discard(connection)

    @rule(connection=CONNECTIONS, streams=st.sets(st.sampled_from(STREAMS), min_size=1), step=STEP)
    def refuse(self, connection: str, streams: set[Stream], step: int) -> None:
        """The venue refuses streams, acknowledged before or not, on a connection heard of or not; the rest goes on."""
        self.now += step
        for stream in streams:
            self.refused_at.setdefault(stream, self.now)
        gaps = self.ledger.gaps
        self.take(self.ledger.unheard(Unheard("binance", connection, tuple(streams), "refused", self.now)))
        self.carried.get(connection, set()).difference_update(streams)
        for _, acknowledged in self.acknowledged.get(connection, []):
            acknowledged.difference_update(streams)
        counted = self.ledger.gaps
        assert counted - gaps <= 2 * len(streams)
        self.take(again := self.ledger.unheard(Unheard("binance", connection, tuple(streams), "refused", self.now)))
        assert (again, self.ledger.gaps) == ([], counted)  # told again it is nothing new

    def teardown(self) -> None:
        """In the end every connection is lost, and nothing is left to be judged."""
        for connection in sorted(self.carried):
            self.take(self.ledger.disconnected(Disconnected(connection, "disconnect", self.now)))
        self.acknowledged.clear()
        self.covered_and_gaps_leave_no_hole()

    @invariant()
    def intervals_of_one_connection_do_not_overlap(self) -> None:
        """Covered time of a connection and stream is counted once."""
        by_stream: dict[tuple[str, Stream], list[tuple[int, int]]] = {}
        for (connection, stream, _, _), interval in self.covered.items():
            by_stream.setdefault((connection, stream), []).append(interval)
        for intervals in by_stream.values():
            intervals.sort()
            assert all(a[1] <= b[0] for a, b in pairwise(intervals))

    @invariant()
    def covered_and_gaps_leave_no_hole(self) -> None:
        """From the first coverage or refusal of a stream to its last coverage: one or the other, or still to be judged.

        To be judged is what follows the beginning of an interval of an open connection.
        """
        for stream in STREAMS:
            covered = sorted(span for key, span in self.covered.items() if key[1] == stream)
            if (refused_at := self.refused_at.get(stream)) is not None:
                covered = sorted([*covered, (refused_at, refused_at)])
            if not covered:
                continue
            gaps = [(ts_from, ts_to or FOREVER) for (of, ts_from, _), ts_to in self.lost.items() if of == stream]
            pending = [
                (ts, FOREVER)
                for connection, batches in self.acknowledged.items()
                for ts, streams in batches
                if stream in streams and ts <= self.ts_pulsed.get(connection, 0)
            ]
            reached = covered[0][0]
            for ts_from, ts_to in sorted([*covered, *gaps, *pending]):
                assert ts_from <= reached or ts_from >= max(to for _, to in covered)
                reached = max(reached, ts_to)

    @invariant()
    def what_was_refused_and_nobody_carries_is_missing(self) -> None:
        """A refused stream has an open gap until a connection is acknowledged for it again."""
        carried = set().union(*self.carried.values())
        for stream in set(self.refused_at) - carried:
            assert any(ts_to is None for (of, _, _), ts_to in self.lost.items() if of == stream)


TestLedger = Ledger.TestCase
TestLedger.__doc__ = "Coverage is never ahead of what was seen, never double, and whole together with the gaps."

"""What a venue does not stream is asked for again and again, evenly spread, within the venue's request weight.

In: a venue's polls. Out, into the inbox: the events of each reply, and how far each stream is seen (`answers`). Replies
are recorded under the poll's name and those marks beside them, so that a replay sees them at the same moments. A poll
that fails is told, counted, and made again at its next turn; a slow one does not delay the others.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Mapping, Sequence

import structlog

from perpscope.errors import PerpscopeError
from perpscope.feeds.answers import RATE_LIMITED, UNANSWERED, Answered, Answers, cause_of
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.recording import Recorder
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, Poll
from perpscope.ports import Http, Venue

#: Polls of one venue under way at once (by hand).
_AT_ONCE = 4
#: Real seconds a reply is waited for at least; it may take as long as its poll's interval (by hand).
_LEAST_DEADLINE_S = 10.0
#: Real seconds between two looks at what has not been answered.
_LOOK_EVERY_S = 1.0

_log = structlog.get_logger()


class Poller:
    """Runs the polls of one venue, a few at a time.

    Args:
        venue: whose polls they are.
        polls: what to ask; intervals are market time.
        catalogue: symbol → instrument.
        http: makes the calls, within the venue's limits.
        inbox: takes the events.
        clock: market time.
        recorder: keeps replies, if any.
        rng: spreads the first calls.
    """

    def __init__(
        self,
        venue: Venue,
        polls: Sequence[Poll],
        catalogue: Mapping[str, Instrument],
        *,
        http: Http,
        inbox: Inbox,
        clock: MarketClock,
        recorder: Recorder | None,
        rng: random.Random,
    ) -> None:
        self.venue = venue.name
        self.channels = frozenset(stream.channel for poll in polls for stream in poll.streams)
        self.calls = 0  #: made so far
        self.failures = 0  #: of them without a readable reply
        self.last_error: str | None = None
        self._failing = ""  # why the last call failed; empty when it did not
        self._venue = venue
        self._polls = polls
        self._catalogue = catalogue
        self._http = http
        self._inbox = inbox
        self._clock = clock
        self._recorder = recorder
        self._rng = rng
        self._answers = Answers(venue.name, polls)
        self._under_way: set[int] = set()
        self._slowest: dict[Channel, float] = {}  # market seconds between two calls
        for poll in polls:
            for stream in poll.streams:
                self._slowest[stream.channel] = max(self._slowest.get(stream.channel, 0.0), poll.every_s)

    @property
    def subscribed(self) -> list[str]:
        """Streams that are being answered, as the coverage ledger calls them."""
        return self._answers.connections

    async def run(self) -> None:
        """Poll until cancelled; every poll once within its first tenth of an interval, then at its own pace."""
        start = time.monotonic()
        due = [(start + self._rng.uniform(0.0, 0.1) * self._every_s(poll), n) for n, poll in enumerate(self._polls)]
        heapq.heapify(due)
        places = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as calls:
            calls.create_task(self._look())
            while due:
                at, n = due[0]
                if (wait_s := at - time.monotonic()) > 0:
                    await asyncio.sleep(wait_s)
                every_s = self._every_s(self._polls[n])
                if n not in self._under_way:
                    await places.acquire()
                    self._under_way.add(n)
                    calls.create_task(self._call(n, places))
                missed = max(0.0, time.monotonic() - at) // every_s
                heapq.heapreplace(due, (at + every_s * (1.0 + missed), n))

    def every_s(self, channel: Channel) -> float:
        """Market seconds between two calls about a channel, as far as real time allows."""
        return max(self._clock.rate, self._slowest[channel])

    def _every_s(self, poll: Poll) -> float:
        """Real seconds between two calls: no shorter than a second, however fast market time runs."""
        return max(1.0, poll.every_s / self._clock.rate)

    async def _look(self) -> None:
        """Tell what has not been answered for too long."""
        while True:
            every_s = {poll.name: self._every_s(poll) * self._clock.rate for poll in self._polls}
            self._tell(self._answers.overdue(self._clock.now_ns(), every_s, self._clock.rate))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _call(self, n: int, places: asyncio.Semaphore) -> None:
        try:
            await self._ask(self._polls[n])
        finally:
            self._under_way.discard(n)
            places.release()

    async def _ask(self, poll: Poll) -> None:
        self.calls += 1
        deadline_s = max(_LEAST_DEADLINE_S, self._every_s(poll))
        try:
            async with asyncio.timeout(deadline_s):
                body = await self._http.get(poll.request)
            ts_recv = self._clock.now_ns()
            events = self._venue.polled_events(poll.name, body, ts_recv, self._catalogue)
        except TimeoutError:
            self._failed(poll, UNANSWERED, f"no answer to {poll.name} in {deadline_s:g} s")
            return
        except PerpscopeError as error:
            self._failed(poll, cause_of(error), error.message)
            return
        if self._recorder is not None:
            self._recorder.reply(poll.name, ts_recv, body)
        self._failing = ""
        self._inbox.extend(events)
        self._tell(self._answers.replied(poll.name, ts_recv))
        self._inbox.wake()

    def _failed(self, poll: Poll, cause: str, what: str) -> None:
        self.failures += 1
        self.last_error = what
        self._answers.failed(poll.name, cause)
        tell = _log.debug if cause == self._failing == RATE_LIMITED else _log.warning  # a ban may last for days
        self._failing = cause
        tell("poll failed", poll=poll.name, error=what, failures=self.failures, calls=self.calls)

    def _tell(self, marks: Sequence[Answered]) -> None:
        for mark in marks:
            if self._recorder is not None:
                self._recorder.event(mark)
            self._inbox.put(mark)

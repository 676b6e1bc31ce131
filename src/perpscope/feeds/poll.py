"""What a venue does not stream is asked for again and again, evenly spread, within the venue's request weight.

In: a venue's polls. Out, into the inbox: the events of each reply. Replies are recorded under the poll's name, so that
a replay sees them at the same moments. A poll that fails is told, counted, and made again at its next turn.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Mapping, Sequence

import structlog

from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.recording import Recorder
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, Poll
from perpscope.ports import Http, Venue

_log = structlog.get_logger()


class Poller:
    """Runs the polls of one venue, one at a time.

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
        self._venue = venue
        self._polls = polls
        self._catalogue = catalogue
        self._http = http
        self._inbox = inbox
        self._clock = clock
        self._recorder = recorder
        self._rng = rng

    async def run(self) -> None:
        """Poll until cancelled; every poll once within its first tenth of an interval, then at its own pace."""
        start = time.monotonic()
        due = [(start + self._rng.uniform(0.0, 0.1) * self._every_s(poll), n) for n, poll in enumerate(self._polls)]
        heapq.heapify(due)
        while due:
            at, n = due[0]
            if (wait_s := at - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            poll = self._polls[n]
            await self._ask(poll)
            every_s = self._every_s(poll)
            missed = max(0.0, time.monotonic() - at) // every_s
            heapq.heapreplace(due, (at + every_s * (1.0 + missed), n))

    def every_s(self, channel: Channel) -> float:
        """Market seconds between two calls about a channel, as far as real time allows."""
        return max(
            self._every_s(poll) * self._clock.rate
            for poll in self._polls
            if any(stream.channel is channel for stream in poll.streams)
        )

    def _every_s(self, poll: Poll) -> float:
        """Real seconds between two calls: no shorter than a second, however fast market time runs."""
        return max(1.0, poll.every_s / self._clock.rate)

    async def _ask(self, poll: Poll) -> None:
        self.calls += 1
        try:
            body = await self._http.get(poll.request)
            ts_recv = self._clock.now_ns()
            events = self._venue.polled_events(poll.name, body, ts_recv, self._catalogue)
        except PerpscopeError as error:
            self.failures += 1
            self.last_error = error.message
            _log.warning("poll failed", poll=poll.name, error=error.message, failures=self.failures, calls=self.calls)
            return
        if self._recorder is not None:
            self._recorder.reply(poll.name, ts_recv, body)
        self._inbox.extend(events)
        self._inbox.wake()

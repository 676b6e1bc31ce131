"""Private calls for one account: signed at the last moment, each with a deadline, and counted.

In: calls as a venue's `Broker` builds them. Out: answers of any status, for whoever is to judge them. The time a call
is signed with is the venue's: ours, and what its clock was last found to be ahead of it. That is measured before the
first call, each minute, and when the venue says that we are wrong (C3); it is never mended with a wider window.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds.rest import RestClient
from perpscope.feeds.skew import Skew
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports.broker import Broker, HttpAnswer

#: Deadlines, real seconds, from when a call may be made. An order's is half of what a position may stay unprotected.
_ORDER_S, _OTHER_S = 2.5, 10.0
_MEASURE_EVERY_S, _MEASURE_AGAIN_S = 60.0, 5.0
_COUNTED_S = 60.0
_NS_PER_MS = 1_000_000
_SERVER_ERROR = 500
_REFUSED = (418, 429)

_log = structlog.get_logger()


class Keys(msgspec.Struct, frozen=True):
    """What proves to a venue who we are."""

    key: str
    secret: str

    def __repr__(self) -> str:
        """Neither of them."""
        return "Keys(key='***', secret='***')"


class CallHealth(msgspec.Struct, frozen=True):
    """How the last real minute of calls went."""

    calls: int
    errors: int  #: no answer, too many calls, the venue's own failures, our clock; refusals are none
    skew_ns: int  #: what the venue's clock is surely ahead of ours; below 0 = behind


class PrivateCalls:
    """A `Caller`.

    Args:
        rest: the venue's REST interface.
        broker: its dialect.
        keys: of the account.
        now_ms: our time, epoch ms, which the venue's is compared with.
        monotonic: real seconds.
    """

    def __init__(
        self,
        rest: RestClient,
        broker: Broker,
        keys: Keys,
        now_ms: Callable[[], int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skew_ns = 0  #: what the venue's clock is taken to be ahead of ours; calls are signed with it
        self._rest = rest
        self._broker = broker
        self._keys = keys
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._surely_ns = 0
        self._is_measured = False
        self._measure_at = 0.0  #: monotonic
        self._measuring: asyncio.Task[None] | None = None
        self._calls: deque[tuple[float, bool]] = deque()

    def __repr__(self) -> str:
        """Without the keys."""
        return f"PrivateCalls({self._rest.base_url})"

    async def __call__(
        self,
        request: HttpRequest,
        *,
        on_sent: Callable[[], None] = lambda: None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> HttpAnswer:
        """The answer, of any status.

        Args:
            request: unsigned.
            on_sent: told as soon as it is on its way.
            may_go: asked once the time that is signed was read: what stood still before that is not sent, and what
                stands still after it is too old for the venue.

        Raises:
            VenueUnreachable: no connection, or no answer in time; `maybe_sent` says whether it may have been done.
            RateLimited: it was not sent, since the venue wants to be left alone, or it might not go any more.
        """
        if not self._is_measured:
            await self.measure()
        elif self._monotonic() >= self._measure_at:
            self._measure_soon()
        answer = await self._counted(request, finish=partial(self._sign, may_go), on_sent=on_sent)
        if self._broker.is_mistimed(answer):
            await self._measured_anew()
        return answer

    def health(self) -> CallHealth:
        """How the last minute went."""
        self._forget()
        return CallHealth(len(self._calls), sum(failed for _, failed in self._calls), self._surely_ns)

    async def measure(self) -> None:
        """Find out what the venue's clock is ahead of ours.

        Raises:
            VenueUnreachable: it does not tell; nothing else was sent.
            RateLimited: the venue wants to be left alone.
        """
        self._measure_at = self._monotonic() + _MEASURE_AGAIN_S
        before = self._now_ms()
        try:
            answer = await self._counted(self._broker.time_request())
            after = self._now_ms()
            theirs = self._broker.server_time(answer.body)
        except (VenueUnreachable, FrameError) as error:
            why = f"its time could not be measured: {error}"
            raise VenueUnreachable(why, venue=error.venue, hint=error.hint, maybe_sent=False) from error
        skew = Skew(theirs - (before + after) * _NS_PER_MS // 2, (after - before) * _NS_PER_MS // 2)
        self.skew_ns = skew.lead_ns
        self._surely_ns = skew.surely_ns if skew.lead_ns > 0 else -skew.surely_ns
        self._is_measured = True
        self._measure_at = self._monotonic() + _MEASURE_EVERY_S

    async def aclose(self) -> None:
        """Stop measuring."""
        if self._measuring is not None:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)

    def _sign(self, may_go: Callable[[], bool], request: HttpRequest) -> HttpRequest:
        venue_ms = self._now_ms() + self.skew_ns // _NS_PER_MS
        if not may_go():
            why = "it waited too long for its turn, and was not sent"
            raise RateLimited(why, venue=self._rest.base_url, retry_after_s=0.0)
        return self._broker.signed(request, self._keys.key, self._keys.secret, venue_ms)

    async def _counted(
        self,
        request: HttpRequest,
        finish: Callable[[HttpRequest], HttpRequest] | None = None,
        on_sent: Callable[[], None] = lambda: None,
    ) -> HttpAnswer:
        timeout_s = _ORDER_S if request.urgency is Urgency.ORDER else _OTHER_S
        is_failed = True
        try:
            answer = await self._rest.answer(request, finish=finish, on_sent=on_sent, timeout_s=timeout_s)
            is_failed = self._is_failure(answer)
            return answer
        finally:
            self._forget()
            self._calls.append((self._monotonic(), is_failed))

    def _is_failure(self, answer: HttpAnswer) -> bool:
        is_refused = answer.status >= _SERVER_ERROR or answer.status in _REFUSED
        return is_refused or self._broker.is_mistimed(answer)

    def _forget(self) -> None:
        since = self._monotonic() - _COUNTED_S
        while self._calls and self._calls[0][0] < since:
            self._calls.popleft()

    def _measure_soon(self) -> None:
        """Measure beside the calls: an order does not wait for it."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measured_anew())

    async def _measured_anew(self) -> None:
        """Measure; where that fails, what was measured last is kept, and it is tried again soon."""
        try:
            await self.measure()
        except (VenueUnreachable, RateLimited) as error:
            _log.warning("the venue does not tell its time", why=str(error))

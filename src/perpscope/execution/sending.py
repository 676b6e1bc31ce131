"""Calls that place, take back and ask for orders, each with a deadline; and what each came to, in one of five words.

In: an order, at the moment it is to be sent. Out: a `Sent`. Nothing is repeated here, but a call whose signed time the
venue refused: that one was surely not done, and its clock has just been measured again. When the venue says that too
much was asked, the whole account waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from perpscope.errors import RateLimited, VenueError, VenueUnreachable
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import Ending, Reply
from perpscope.model.instrument import Instrument
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import Broker, Caller, HttpAnswer

CALL_S: Final = 10.0  #: real seconds after which a call's outcome is not known; the caller's own deadline is shorter


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a call came to."""

    reply: Reply
    was_sent: bool = True  #: False: surely nothing has left this machine
    is_absent: bool = False  #: the exchange says that there is no such order
    is_duplicate: bool = False  #: or that there is one already


class Sending:
    """Makes the calls of one account's orders.

    Args:
        broker: the venue's dialect.
        instrument: what is traded.
        caller: makes calls.
        monotonic: real seconds.
    """

    def __init__(self, broker: Broker, instrument: Instrument, caller: Caller, monotonic: Callable[[], float]) -> None:
        self.quiet_until = monotonic()  #: real seconds; before then nothing is sent
        self._broker = broker
        self._instrument = instrument
        self._caller = caller
        self._monotonic = monotonic

    async def place(
        self,
        order: Tracked,
        on_sent: Callable[[], None] = lambda: None,
        again: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> Sent:
        """Send it; `on_sent` is told as soon as it is on its way.

        Args:
            order: as it is to be sent.
            on_sent: see above.
            again: awaited before a second try, and may raise: meanwhile the account may have become another's.
            may_go: asked when it is signed, see `Caller`.

        Raises:
            ValueError: the venue cannot know an order by that id.
        """
        return await self._made(self._broker.place(order.request, self._instrument), on_sent, again, may_go)

    async def cancel(self, order: Tracked) -> Sent:
        """Take it back."""
        conditional = order.is_conditional
        return await self._made(self._broker.cancel(order.request.id, self._instrument, is_conditional=conditional))

    async def ask(self, order: Tracked) -> Sent:
        """Ask what has become of it."""
        conditional = order.is_conditional
        return await self._made(self._broker.ask(order.request.id, self._instrument, is_conditional=conditional))

    async def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """Ask something else; None where there is no answer."""
        answer, _ = await self._answered(request)
        return answer

    async def _made(
        self,
        request: HttpRequest,
        on_sent: Callable[[], None] = lambda: None,
        again: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> Sent:
        answer, failure = await self._answered(request, on_sent, may_go)
        if answer is not None and self._broker.is_mistimed(answer):
            if again is not None:
                await again()
            answer, failure = await self._answered(request, on_sent, may_go)
        if answer is None:
            return failure
        reply = self._broker.reply(answer)
        if reply.ending is Ending.LIMITED:
            self._hush(reply.wait_s)
        return Sent(reply=reply, is_absent=self._broker.is_absent(reply), is_duplicate=self._broker.is_duplicate(reply))

    async def _answered(
        self,
        request: HttpRequest,
        on_sent: Callable[[], None] = lambda: None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> tuple[HttpAnswer | None, Sent]:
        """The answer; or what it means that there is none."""
        try:
            async with asyncio.timeout(CALL_S):
                return await self._caller(request, on_sent=on_sent, may_go=may_go), _NO_FAILURE
        except RateLimited as error:
            self._hush(error.retry_after_s)
            reply = Reply(ending=Ending.LIMITED, why=error.message, wait_s=error.retry_after_s)
            return None, Sent(reply=reply, was_sent=False)
        except VenueUnreachable as error:
            ending = Ending.UNKNOWN if error.maybe_sent else Ending.FAILED
            return None, Sent(reply=Reply(ending=ending, why=error.message), was_sent=error.maybe_sent)
        except (TimeoutError, VenueError) as error:
            return None, Sent(reply=Reply(ending=Ending.UNKNOWN, why=str(error) or "no answer in time"))

    def _hush(self, wait_s: float) -> None:
        self.quiet_until = max(self.quiet_until, self._monotonic() + wait_s)


_NO_FAILURE: Final = Sent(reply=Reply(ending=Ending.DONE))

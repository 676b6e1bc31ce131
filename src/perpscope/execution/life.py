"""The life of one order: whatever is to be done next is done, one thing at a time, until the exchange is done with it.

In: an order, and a nudge whenever something was heard of it. Out: calls, and what they came to put into the order. It
is written down before it is sent; whoever lost the account finds that out before the next call, and makes none.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from perpscope.execution.phases import REFUSED, Do, Next, Phase
from perpscope.execution.resolving import Resolving
from perpscope.execution.sending import Sending, Sent
from perpscope.execution.tracked import Tracked
from perpscope.execution.writing import UNWRITTEN, Writing
from perpscope.model.exchange import Ending, OrderReport, Reply, TradeReport

#: An order that was written down longer ago than this (real seconds) is not sent before the lease was shown again: the
#: process may have been stopped meanwhile.
_FRESH_S: Final = 1.0
#: Times that it is shown, where that itself takes as long: a slow disk keeps no exit back for ever.
_SHOWS: Final = 3

_log = structlog.get_logger()


class Means(msgspec.Struct, frozen=True):
    """What lives of one run are led with."""

    sending: Sending
    resolving: Resolving
    writing: Writing
    monotonic: Callable[[], float]  #: real seconds
    heard: Callable[[OrderReport | TradeReport], object]  #: takes what comes by the way
    is_explained: Callable[[TradeReport], bool]  #: whether a fill is one of an order we know
    may_send: Callable[[Tracked], float]  #: when an order may be sent: real seconds; infinite = when nudged
    refused: Callable[[Reply], Awaitable[None]]  #: told a refusal, before anybody acts on it
    stepped: Callable[[str, str], None] = lambda *_: None  #: told an order's id and "journal", "send", "acknowledge"


class Life:
    """Leads one order from intent to end.

    Args:
        order: what is known of it.
        means: what with.
    """

    def __init__(self, order: Tracked, means: Means) -> None:
        self.order = order
        self._means = means
        self._nudged = asyncio.Event()
        self._shown_at = -math.inf  # real seconds, when the lease was shown last
        self._is_unwritten = order.phase is Phase.OVER  # one that is refused before it is anything
        self._written: asyncio.Future[bool] | None = None
        if order.phase is Phase.INTENDED:
            self._shown_at = means.monotonic()  # before, not after: it may stand still right after it is written
            self._written = means.writing.begin(order)

    def nudge(self) -> None:
        """Something was heard of it, or is wished."""
        self._nudged.set()

    async def lead(self) -> None:
        """Do what there is to do until it is over and told.

        Raises:
            StoreError: nothing may be sent any more.
        """
        order, means = self.order, self._means
        if self._written is not None:
            self._is_unwritten = not await means.writing.intend(order, self._written)
            if self._is_unwritten:
                order.refuse(UNWRITTEN, means.monotonic())
            else:
                means.stepped(order.request.id, "journal")
        while not order.is_done:
            self._nudged.clear()
            order.pass_time(means.monotonic())
            step = order.next()
            if step.do is Do.PLACE:
                step = Next(Do.PLACE, max(step.at, means.may_send(order)))
            if step.do in _CALLS:
                step = Next(step.do, max(step.at, means.sending.quiet_until))
            if step.at > means.monotonic():
                await self._wait(step.at - means.monotonic())
            else:
                await self._take(step.do)
            is_settled = order.is_done if order.phase is Phase.OVER else order.phase is not Phase.INTENDED
            if is_settled and not self._is_unwritten:  # one that is over is, once its last fill is written down too
                means.writing.note(order)
        means.writing.forget(order)

    async def _wait(self, seconds: float) -> None:
        """Until nudged, or that long; one that is not sent yet may be too late by then."""
        if self.order.phase is Phase.INTENDED:
            seconds = min(seconds, 1.0)
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._nudged.wait()
        except TimeoutError:
            return

    async def _take(self, do: Do) -> None:
        order, means = self.order, self._means
        match do:
            case Do.PLACE:
                await self._place()
            case Do.ASK:
                sent = await means.sending.ask(order)
                order.asked(sent.reply, means.monotonic(), is_absent=sent.is_absent)
            case Do.CANCEL:
                await means.writing.insist(order, "cancelling")
                sent = await means.sending.cancel(order)
                order.cancelled(sent.reply, means.monotonic())
            case Do.LOOK:
                await self._look()
            case Do.FETCH:
                for trade in await means.resolving.fills(order) or ():
                    if order.is_of(trade):
                        means.heard(trade)
                order.fetched(means.monotonic())
            case Do.CLOSE:
                means.writing.close(order)
            case Do.DONE | Do.NOTHING:
                pass

    async def _place(self) -> None:
        order, means = self.order, self._means
        await self._show_lease()
        if order.phase is not Phase.INTENDED:
            return  # it was taken back meanwhile
        order.sending(means.monotonic())
        try:
            sent = await means.sending.place(
                order,
                lambda: means.stepped(order.request.id, "send"),
                again=self._show_lease,
                may_go=self._is_lease_shown,
            )
        except ValueError as error:
            _log.error("an order the exchange cannot know", order=order.request.id, why=str(error))
            order.refuse(REFUSED, means.monotonic())
            return
        means.stepped(order.request.id, "acknowledge")
        self._tell_trouble(sent)
        if sent.reply.ending is Ending.REFUSED:
            await means.refused(sent.reply)
        order.placed(sent.reply, means.monotonic(), is_duplicate=sent.is_duplicate, was_sent=sent.was_sent)

    async def _show_lease(self) -> None:
        """See that the account is still ours, unless that was seen just now.

        Where the process stands still after that, it is looked at again as the order is signed (`_is_lease_shown`); one
        that is signed by then is too old for the exchange before a lease is over.

        Raises:
            StoreError: it is not.
        """
        for _ in range(_SHOWS):
            if self._is_lease_shown():
                return
            self._shown_at = self._means.monotonic()
            await self._means.writing.insist(self.order, self.order.phase.value)
        self._shown_at = self._means.monotonic()

    def _is_lease_shown(self) -> bool:
        """Whether that was so recently that nobody else can have the account."""
        return self._means.monotonic() - self._shown_at <= _FRESH_S

    async def _look(self) -> None:
        order, means = self.order, self._means
        found = await means.resolving.is_there(order, means.is_explained)
        if isinstance(found, OrderReport):
            means.heard(found)
        order.looked(found if isinstance(found, bool | None) else True, means.monotonic())

    def _tell_trouble(self, sent: Sent) -> None:
        if not sent.reply.is_done:
            reply = sent.reply
            _log.warning(
                "an order did not go smoothly",
                order=self.order.request.id,
                ending=reply.ending.value,
                code=reply.code,
                why=reply.why,
            )


_CALLS: Final = frozenset({Do.PLACE, Do.ASK, Do.CANCEL, Do.LOOK, Do.FETCH})

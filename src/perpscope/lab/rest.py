"""The exchange's REST side: what the market is, asked for once.

In: HTTP requests. Out: what the venue's `RestSide` answers, late or wrongly where a test wants that, and the market
clock at `/lab/clock`, which belongs to no venue.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from aiohttp import web

from perpscope.lab.clock import NS_PER_MS, NS_PER_S, LabClock, real_seconds, wall_ns
from perpscope.lab.dialect import Answer, Call, RestSide
from perpscope.lab.ledger import Ledger

_THROTTLED_S = 1  # what a client is told to wait for when it is throttled on request
_REMEMBERED = 256  # answers, by question
#: Real seconds: an exchange that has told less than its clock says by more than the first is waited for, so that its
#: answers are whole, in such steps and for so long at most.
_BEHIND_S: Final = 0.03
_STEP_S: Final = 0.005
_PATIENCE_S: Final = 1.0


class Disturbance(Protocol):
    """What goes wrong with certain requests while it lasts."""

    async def answer(self, side: RestSide, call: Call, before: Answer | None) -> Answer | None:
        """What is answered instead; None if this call is not meant. `before`: the same question's last good answer."""
        ...


class LabRest:
    """A venue's REST side on loopback.

    Args:
        clock: market time, served at `/lab/clock`.
        side: what the venue replies.
        ledger: where requests are counted.
        reached: ns UTC, market time up to which everything has been told; None = nothing is to be waited for.
    """

    def __init__(
        self, clock: LabClock, side: RestSide, ledger: Ledger, reached: Callable[[], int] | None = None
    ) -> None:
        self.haste = 1.0  #: seconds that the venue's limits count in a real one
        self._reached = reached
        self._clock = clock
        self._ledger = ledger
        self.side = side
        self._delay_s = 0.0
        self._failure: tuple[int, bytes] | None = None
        self._throttled: float = 0
        self._disturbances: dict[Disturbance, None] = {}
        self._answers: dict[tuple[str, str, bytes], Answer] = {}  # the newest to each question, a bounded number
        self._runner: web.AppRunner | None = None

    # life and faults -----------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.router.add_get("/lab/clock", self._anchor)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound: tuple[str, int] = self._runner.addresses[0]
        return f"http://{host}:{bound[1]}"

    async def aclose(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def delay(self, seconds: float) -> None:
        """Answer every request so many real seconds later; 0 to end it."""
        self._delay_s = seconds

    def fail(self, status: int | None, body: bytes = b"") -> None:
        """Answer every request with this status and body; None to end it."""
        self._failure = None if status is None else (status, body)

    def throttle(self, requests: float) -> None:
        """Tell so many requests, in the venue's words, that they are too many; `math.inf` until told otherwise."""
        self._throttled = requests

    def disturb(self, disturbance: Disturbance) -> None:
        """Let something go wrong with certain requests."""
        self._disturbances[disturbance] = None

    def calm(self, disturbance: Disturbance) -> None:
        """End what `disturb` began."""
        self._disturbances.pop(disturbance, None)

    # requests ------------------------------------------------------------------------------------------------------

    async def _anchor(self, _: web.Request) -> web.Response:
        return _written(Answer(msgspec.json.encode(self._clock.anchor())))

    async def _serve(self, request: web.Request) -> web.Response:
        answer = await self._replied(request)
        if not answer.status and request.transport is not None:
            request.transport.abort()
        return _written(answer)

    async def _replied(self, request: web.Request) -> Answer:
        self._ledger.requests[request.path] += 1
        body = await request.read()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        await self._caught_up()
        if self._failure is not None:
            return Answer(self._failure[1], self._failure[0])
        if self._throttled > 0:
            self._throttled -= 1
            return self.side.throttled(_THROTTLED_S)
        call = Call(
            request.method,
            request.path,
            dict(request.query),
            body,
            real_seconds() * self.haste,
            raw_query=request.raw_path.partition("?")[2],
            headers=request.headers,
            wall_ms=wall_ns() // NS_PER_MS,
            rate=max(1.0, self._clock.rate) if self._clock.is_paced else 1.0,
        )
        question = (request.path, request.query_string, body)
        for disturbance in tuple(self._disturbances):
            disturbed = await disturbance.answer(self.side, call, self._answers.get(question))
            if disturbed is not None:
                return disturbed
        answer = self._answers[question] = self.side.answer(call)
        if len(self._answers) > _REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return answer

    async def _caught_up(self) -> None:
        """Wait until what happened before the question has been told, if a busy machine makes that late."""
        if self._reached is None or not self._clock.is_paced or not self._clock.is_running:
            return
        asked_at, given_up_at = self._clock.now_ns(), real_seconds() + _PATIENCE_S
        while (asked_at - self._reached()) > _BEHIND_S * NS_PER_S * self._clock.rate and real_seconds() < given_up_at:
            await asyncio.sleep(_STEP_S)


def _written(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.body, status=answer.status or 500, content_type="application/json", headers=dict(answer.headers)
    )

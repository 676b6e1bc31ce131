"""What every request passes first and last: its id, its clock, and the net below whatever raises.

The id is the caller's `X-Request-ID` where that is harmless, else ours; it stands in the answer, in a problem, in the
log. Requests are counted by route and status for `/metrics`.
"""

import itertools
import re
import secrets
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perpscope.web.problem import REQUEST_ID, answer_error

_HARMLESS: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
#: Upper bounds of the buckets, seconds.
BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Seconds:
    """How long the requests of one route took."""

    __slots__ = ("buckets", "total_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0


class Traffic:
    """Requests, counted. Belongs to one event loop."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}  #: (route, status) → how many
        self.seconds: dict[str, Seconds] = {}  #: by route

    def count(self, route: str, status: int, took_s: float) -> None:
        """One request is over; status 0: whoever asked went away."""
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        seconds = self.seconds.get(route)
        if seconds is None:
            seconds = self.seconds[route] = Seconds()
        seconds.buckets[bisect_left(BUCKETS_S, took_s)] += 1
        seconds.total_s += took_s


class Requests:
    """The outermost of our middleware.

    Args:
        app: what answers.
        traffic: is told of each request.
        monotonic: real seconds from any origin.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._traffic = traffic
        self._monotonic = monotonic
        self._life = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See one request through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = self._id(scope)
        REQUEST_ID.set(request_id)
        state = scope.setdefault("state", {})
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        told = (b"x-request-id", request_id.encode())
        status, began = 0, self._monotonic()

        def sending(message: Message) -> Awaitable[None]:  # a coroutine of its own would cost each message one more
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), told]
            return send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if status:  # it broke off in the middle: nothing can be taken back
                raise
            await answer_error(error, scope["path"])(scope, receive, sending)
        finally:
            self._traffic.count(state.get("route", "other"), status, self._monotonic() - began)

    def _id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _HARMLESS.fullmatch(value):
                return bytes(value).decode()
        return f"{self._life}-{next(self._numbers):x}"

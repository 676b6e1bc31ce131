"""Tickets for push connections of pages: a browser cannot send a key with a WebSocket, and a URL is no place for one.

A page asks for a ticket with its key in a header, and opens the connection with `?ticket=`: it is good for thirty
seconds, once, for what its key may, and the connection ends with the key. The guard takes it (`web.guard`).
"""

import secrets
import time
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perpscope.app.api_keys import LOCAL, Grant
from perpscope.feeds.clock import wall_ns

PATH = "/api/v1/stream/ticket"
LIFE_S = 30.0  #: real seconds
_MOST = 10_000  #: tickets out at once; the oldest goes


class Ticket(msgspec.Struct, frozen=True):
    """What a page is given."""

    ticket: str  #: goes into `?ticket=` of one connection
    expires_ms: int  #: until then, epoch ms


class Tickets:
    """The tickets of one face; they are in memory alone.

    Args:
        monotonic: real seconds; a test's own.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._out: dict[str, tuple[Grant, float]] = {}  # in the order they were given out

    def issue(self, grant: Grant) -> str:
        """A new ticket."""
        now = self._monotonic()
        while self._out and (len(self._out) >= _MOST or next(iter(self._out.values()))[1] <= now):
            del self._out[next(iter(self._out))]
        text = secrets.token_urlsafe(32)
        self._out[text] = (grant, now + LIFE_S)
        return text

    def take(self, text: str) -> Grant | None:
        """The grant a ticket was given for, once; None if there is no such ticket, it is too old, or its key ended."""
        grant, until = self._out.pop(text, (None, 0.0))
        return grant if grant is not None and self._monotonic() < until and grant.is_valid() else None


def route(tickets: Tickets) -> Route:
    """`POST /api/v1/stream/ticket`. Who may ask, the guard has decided."""

    async def answer(request: Request) -> Response:
        grant: Grant = getattr(request.state, "grant", None) or LOCAL
        given = Ticket(tickets.issue(grant), wall_ns() // 1_000_000 + int(LIFE_S * 1000))
        return Response(
            msgspec.json.encode(given), headers={"cache-control": "no-store"}, media_type="application/json"
        )

    return Route(PATH, answer, methods=["POST"], name="stream_ticket")

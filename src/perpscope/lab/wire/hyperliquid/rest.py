"""Hyperliquid's REST: one route, `POST /info`, 1200 weight a minute, plain words for what it does not understand.

HTTP 429 comes with the body `null` and no `Retry-After`. The venue sends its refusals as `text/plain`; the lab's
server says `application/json` of everything.
"""

from perpscope.lab.dialect import Answer, Call
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.hyperliquid.info import TOO_MANY, desk

_NOT_FOUND, _NOT_ALLOWED, _NOT_UNDERSTOOD = 404, 405, 422
_ROUTES = ("/info", "/exchange")


class HyperliquidRest:
    """Answers from the market's desk. Nothing can be ordered: `/exchange` understands no action."""

    def __init__(self, quotations: Quotations) -> None:
        self._desk = desk(quotations)
        self.budget = self._desk.budget

    def answer(self, call: Call) -> Answer:
        """Reply, or refuse."""
        if call.path not in _ROUTES:
            return Answer(b"", _NOT_FOUND)
        if call.method != "POST":
            return Answer(b"", _NOT_ALLOWED)
        if call.path == "/exchange":
            return Answer(b"Failed to deserialize the JSON body into the target type", _NOT_UNDERSTOOD)
        reply = self._desk.ask(call.body, call.now_s)
        return Answer(reply.body, reply.status)

    def throttled(self, wait_s: int) -> Answer:  # noqa: ARG002 (the venue does not say how long)
        """HTTP 429 and null."""
        return Answer(b"null", TOO_MANY)

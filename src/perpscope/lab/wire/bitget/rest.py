"""Bitget's REST: both generations' routes behind one gate, errors in the venue's envelope.

Out: HTTP 200 with code "00000"; 400 for what makes no sense, 404 for an unknown path, 429 beyond a limit. Each reply
says how many requests its path has left this second.
"""

from perpscope.lab.allowance import Allowance
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.bitget import replies
from perpscope.lab.wire.bitget.asked import Refused
from perpscope.lab.wire.bitget.classic import Classic
from perpscope.lab.wire.bitget.limits import Gate
from perpscope.lab.wire.bitget.unified import Unified

_NOT_FOUND, _TOO_MANY = 404, 429
_LEFT = "x-mbx-used-remain-limit"


class BitgetRest:
    """Answers from the market's quotations."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self._gate = Gate()
        self._routes = {**Unified(quotations).routes, **Classic(quotations).routes}

    @property
    def budget(self) -> Allowance:
        """Of all requests together."""
        return self._gate.budget

    def answer(self, call: Call) -> Answer:
        """Reply, or refuse."""
        now_ms = self._quotations.now_ms
        route = self._routes.get(call.path)
        if route is None or call.method != "GET":
            return Answer(replies.error("40404", "Request URL NOT FOUND", now_ms), _NOT_FOUND)
        left = self._gate.left(call.path, call.now_s)
        if left is None:
            return self.throttled(1)
        headers = {_LEFT: str(left)}
        try:
            return Answer(replies.wrapped(route(call), now_ms), headers=headers)
        except Refused as refused:
            return Answer(replies.error(refused.code, str(refused), now_ms), refused.status, headers)

    def throttled(self, wait_s: int) -> Answer:  # noqa: ARG002 (the venue does not tell how long to wait)
        """Too many requests."""
        return Answer(replies.error("429", "Too Many Requests", self._quotations.now_ms), _TOO_MANY)

"""What a client of Binance's sockets says, and what it is answered: requests with an id, an answer to each.

A stream on the wrong route, or one that does not exist, is acknowledged and silent. Only what a test refuses is
answered with an error, in the words of a request that makes no sense: Binance itself refuses no stream name.
"""

from perpscope.lab.allowance import Rate
from perpscope.lab.dialect import Dialogue, Floor, Frame, Goodbye, Heard, SessionRules
from perpscope.lab.wire.binance import streams as wire
from perpscope.lab.wire.binance import user_data, ws_api

RULES = SessionRules(
    ping_interval_s=180.0,
    pong_timeout_s=600.0,
    lifetime_s=86_400.0,
    messages=Rate(10, 1.0),
    topics=1024,
    connects=Rate(300, 300.0),
    unmetered=frozenset({ws_api.PATH}),
)
_COMBINED = "combined"


class BinanceDialogue:
    """One connection."""

    def __init__(self, asked: wire.Opening, floor: Floor) -> None:
        self._floor = floor
        self._route = asked.route
        self.path = asked.route.value
        self.topics: dict[str, None] = dict.fromkeys(asked.streams)
        self.form = _COMBINED if asked.is_combined else ""

    def carries(self, topic: str) -> bool:
        """True if the stream stands on this connection's route, or on any where an un-routed one still has all."""
        if self._route is wire.Route.UNROUTED and self._floor.rules.legacy_routes:
            return wire.route_of(topic) is not None
        return wire.is_carried(topic, self._route)

    def wrapped(self, topic: str, payload: bytes) -> bytes:
        """The combined form."""
        return wire.enveloped(topic, payload)

    def notice(self) -> bytes | None:
        """None: it closes without a word before."""
        return None

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame."""
        return wire.GOODBYES.get(cause, wire.GOING_AWAY)

    def hear(self, message: bytes, now_s: float) -> Heard:  # noqa: ARG002 (no limit beyond the session's)
        """Answer a request."""
        request = wire.read_request(message)
        if isinstance(request, wire.Refusal):
            return _answered(wire.refusal(request))
        done = wire.answer(None, request.id)
        match request.method:
            case "SUBSCRIBE":
                return self._subscribe(request, done)
            case "UNSUBSCRIBE":
                return Heard((Frame(done),), unsubscribed=request.streams)
            case "LIST_SUBSCRIPTIONS":
                return _answered(wire.answer(list(self.topics), request.id))
            case "GET_PROPERTY":
                return _answered(wire.answer(self.form == _COMBINED, request.id))
            case _:
                self.form = _COMBINED if request.is_combined else ""
                return _answered(done)

    def _subscribe(self, request: wire.Request, done: bytes) -> Heard:
        asked = [stream for stream in request.streams if stream not in self.topics]
        if len(self.topics) + len(asked) > self._floor.rules.topics:
            return _answered(wire.refusal(wire.Refusal(2, "Invalid request: too many streams", request.id)))
        for stream in request.streams:
            if self._floor.is_refused(stream):
                return _answered(wire.refusal(wire.Refusal(2, f"Invalid request: unknown stream {stream}", request.id)))
        return Heard((Frame(done),), subscribed=asked)


def dialogue(target: str, floor: Floor) -> Dialogue | None:
    """A connection to `/<route>/ws[/<stream>…]`, `/<route>/stream[?streams=a/b]` or `/ws-fapi/v1`; else None."""
    own = user_data.dialogue(target, floor) or ws_api.dialogue(target, floor)
    if own is not None:
        return own
    asked = wire.opening(target)
    if asked is None or len(asked.streams) > floor.rules.topics:
        return None
    return BinanceDialogue(asked, floor)


def _answered(payload: bytes) -> Heard:
    return Heard((Frame(payload),))

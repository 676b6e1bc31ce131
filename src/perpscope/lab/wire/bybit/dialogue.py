"""What a client of Bybit's public socket says, and what it is answered.

Refusals follow the venue's page ("handler not found"); that one bad topic costs the whole request, the words for one
subscribed already, and those for too many arguments are not documented: they are what third-party clients tell of, and
for the arguments made up.
"""

from urllib.parse import urlsplit

import msgspec

from perpscope.lab.allowance import Rate
from perpscope.lab.dialect import Floor, Frame, Goodbye, Heard, Idle, SessionRules
from perpscope.lab.wire.bybit.payloads import DEPTHS, INTERVALS

RULES = SessionRules(idle_timeout_s=600.0, idle=Idle.EITHER, connections=1000, connects=Rate(500, 300.0))
_PATH = "/v5/public/linear"
_MOST_CHARACTERS = 21_000  # of all arguments of a connection together
_CHANNELS = (
    "publicTrade.",
    "tickers.",
    "allLiquidation.",
    *(f"orderbook.{depth}." for depth in DEPTHS),
    *(f"kline.{interval}." for interval in INTERVALS.values()),
)


class _Message(msgspec.Struct):
    op: str
    req_id: str | int = ""  # ccxt sends a number
    args: list[str] = []


_decode = msgspec.json.Decoder(_Message).decode


class BybitDialogue:
    """One connection."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.path = "linear"
        self.topics: dict[str, None] = {}
        self.form = ""
        self._id = f"lab{floor.now_ms:x}-{floor.connections + 1:x}"

    def carries(self, topic: str) -> bool:  # noqa: ARG002 (what is acknowledged comes)
        """True."""
        return True

    def wrapped(self, topic: str, payload: bytes) -> bytes:  # noqa: ARG002 (there is one form)
        """As published."""
        return payload

    def notice(self) -> bytes | None:
        """None."""
        return None

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame; the venue documents none."""
        return Goodbye(1003) if cause == "unsupported-frame" else Goodbye(1000)

    def hear(self, message: bytes, now_s: float) -> Heard:  # noqa: ARG002 (no limit on the rate is documented)
        """Answer a request."""
        try:
            asked = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._answered(False, "error:request format is wrong", "", "")
        match asked.op:
            case "ping":
                return self._answered(True, "pong", asked.req_id, "ping")
            case "subscribe":
                return self._subscribe(asked)
            case "unsubscribe":
                known = [topic for topic in asked.args if topic in self.topics]
                return msgspec.structs.replace(self._answered(True, "", asked.req_id, asked.op), unsubscribed=known)
            case _:
                return self._answered(False, f"error:unknown op,op:{asked.op}", asked.req_id, asked.op)

    def _subscribe(self, asked: _Message) -> Heard:
        refusal = self._refusal(asked.args)
        if refusal:
            return self._answered(False, refusal, asked.req_id, asked.op)
        topics = list(dict.fromkeys(asked.args))
        done = self._answered(True, "", asked.req_id, asked.op)
        data = [Frame(frame, topic) for topic in topics for frame in self._floor.opening(topic)]
        return Heard((*done.frames, *data), subscribed=topics)

    def _refusal(self, topics: list[str]) -> str:
        """Why not; empty if nothing speaks against it."""
        if sum(map(len, (*self.topics, *topics))) > _MOST_CHARACTERS:
            return f"error:args length exceeds {_MOST_CHARACTERS} characters"
        for topic in topics:
            if not self._is_known(topic) or self._floor.is_refused(topic):
                return f"error:handler not found,topic:{topic}"
            if topic in self.topics:
                return f"error:already subscribed,topic:{topic}"
        return "" if topics else "error:args is empty"

    def _is_known(self, topic: str) -> bool:
        symbols = {listing.symbol for listing in self._floor.listings}
        return any(topic.startswith(channel) and topic[len(channel) :] in symbols for channel in _CHANNELS)

    def _answered(self, success: bool, said: str, req_id: str | int, op: str) -> Heard:
        body = {"success": success, "ret_msg": said, "conn_id": self._id, "req_id": str(req_id), "op": op}
        return Heard((Frame(msgspec.json.encode(body)),))


def dialogue(target: str, floor: Floor) -> BybitDialogue | None:
    """A connection to `/v5/public/linear`; None for any other path."""
    return BybitDialogue(floor) if urlsplit(target).path.rstrip("/") == _PATH else None

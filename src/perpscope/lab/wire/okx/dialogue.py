"""What a client of OKX's two public sockets says, and what it is answered: one acknowledgement or refusal per argument.

The words are those of frames third parties recorded in 2026, and of the venue's table of codes. Not documented, and so
made up: that one bad argument leaves the others of its request alone, that what is subscribed already is acknowledged
once more but not told anew, and what is said to arguments of more than 64 KB. There are no accounts: no key is known.
"""

import zlib
from urllib.parse import urlsplit

import msgspec

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Floor, Frame, Goodbye, Heard, Idle, SessionRules
from perpscope.lab.wire.okx.bars import SPANS
from perpscope.lab.wire.okx.listings import index_name
from perpscope.lab.wire.okx.payloads import BOOKS

RULES = SessionRules(idle_timeout_s=30.0, idle=Idle.EITHER, notice_s=60.0, connects=Rate(3, 1.0))
_PATHS = {"/ws/v5/public": "public", "/ws/v5/business": "business"}
_REQUESTS = Rate(480, 3600.0)  # of a connection; a request counts once, whatever the number of its arguments
_MOST_BYTES = 64 * 1024  # of a request's arguments
_MOST_FRAME_BYTES = 1024 * 1024  # chosen by hand; the venue has a limit
_KINDS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
_FOR_VIP = ("books-l2-tbt", "books50-l2-tbt")
_OF_KIND = {"public": ("liquidation-orders", "instruments"), "business": ()}
_OF_INDEX = {"public": ("index-tickers",), "business": tuple(f"index-candle{bar}" for bar in SPANS)}
_OF_INSTRUMENT = {
    "public": (*BOOKS, "trades", "tickers", "mark-price", "funding-rate", "open-interest"),
    "business": ("trades-all", *(f"{which}candle{bar}" for which in ("", "mark-price-") for bar in SPANS)),
}
_GOODBYES = {
    "idle": Goodbye(4004, b"No data received in 30s"),
    "too-many-messages": Goodbye(4002, b"Invalid Request"),
    "unsupported-frame": Goodbye(1003),
}
_TOO_LONG = Goodbye(1009, b"Request message exceeds the maximum frame length")
_TOO_MANY_TOPICS = Goodbye(4009, b"The number of subscription channels for this connection exceeds the limit")

Argument = dict[str, str]


class _Message(msgspec.Struct):
    op: str
    id: str = ""
    args: list[Argument] = []


_decode = msgspec.json.Decoder(_Message).decode


class OkxDialogue:
    """One connection."""

    def __init__(self, path: str, floor: Floor) -> None:
        self._floor = floor
        self._requests = Allowance(_REQUESTS)
        self.path = path
        self.topics: dict[str, None] = {}
        self.form = ""
        self._id = f"{zlib.crc32(b'%d %d' % (floor.now_ms, floor.connections)):08x}"

    def carries(self, topic: str) -> bool:  # noqa: ARG002 (what is acknowledged comes)
        """True."""
        return True

    def wrapped(self, topic: str, payload: bytes) -> bytes:  # noqa: ARG002 (there is one form)
        """As published."""
        return payload

    def notice(self) -> bytes | None:
        """The connection will be closed in a minute."""
        told = {"event": "notice", "code": "64008"}
        told["msg"] = "The connection will soon be closed for a service upgrade. Please reconnect."
        return msgspec.json.encode({**told, "connId": self._id})

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame; what it says at the end of an upgrade is not documented."""
        return _GOODBYES.get(cause, Goodbye(1001))

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Answer a request, or a ping."""
        if message == b"ping":
            return Heard((Frame(b"pong"),))
        if len(message) > _MOST_FRAME_BYTES:
            return Heard(goodbye=_TOO_LONG)
        try:
            asked = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._refused("60012", f"Illegal request: {message.decode('utf-8', 'replace')}")
        if asked.op not in ("subscribe", "unsubscribe", "login"):
            return self._refused("60019", f"Invalid op: {asked.op}", asked.id)
        if not self._requests.take(now_s):
            return self._refused("60014", "Requests too frequent", asked.id)
        if asked.op == "login":
            return self._refused("60005", "Invalid apiKey", asked.id)
        if not asked.args or len(msgspec.json.encode(asked.args)) > _MOST_BYTES:
            return self._refused("60013", "Invalid args", asked.id)
        return self._subscribe(asked) if asked.op == "subscribe" else self._unsubscribe(asked)

    # subscriptions -------------------------------------------------------------------------------------------------

    def _subscribe(self, asked: _Message) -> Heard:
        frames: list[Frame] = []
        topics = dict(self.topics)
        for argument in asked.args:
            topic = self._topic(argument)
            if topic is None or self._floor.is_refused(topic):
                frames.extend(self._unknown(argument, asked.id).frames)
                continue
            frames.append(self._acknowledged(asked, argument))
            if topic not in topics:
                topics[topic] = None
                frames.extend(Frame(data, topic) for data in self._floor.opening(topic))
        if len(topics) > self._floor.rules.topics:
            return Heard(goodbye=_TOO_MANY_TOPICS)
        return Heard(frames, subscribed=[topic for topic in topics if topic not in self.topics])

    def _unsubscribe(self, asked: _Message) -> Heard:
        frames: list[Frame] = []
        topics: list[str] = []
        for argument in asked.args:
            topic = self._topic(argument)
            if topic is None:
                frames.extend(self._unknown(argument, asked.id).frames)
                continue
            frames.append(self._acknowledged(asked, argument))
            topics.append(topic)
        return Heard(frames, unsubscribed=[topic for topic in dict.fromkeys(topics) if topic in self.topics])

    def _topic(self, argument: Argument) -> str | None:
        """What an argument names on this path; None if there is no such thing."""
        channel, name = argument.get("channel", ""), argument.get("instId", "")
        symbols = [listing.symbol for listing in self._floor.listings]
        if channel in _OF_INSTRUMENT[self.path]:
            is_known = name in symbols
        elif channel in _OF_INDEX[self.path]:
            is_known = name in map(index_name, symbols)
        elif channel in _OF_KIND[self.path]:
            is_known = not name and argument.get("instType") in _KINDS
            name = argument.get("instType", "")
        else:
            is_known = self.path == "public" and channel == "status" and not name
        return f"{channel}:{name}" if is_known else None

    # answers -------------------------------------------------------------------------------------------------------

    def _acknowledged(self, asked: _Message, argument: Argument) -> Frame:
        told: dict[str, object] = {"event": asked.op, "arg": argument, "connId": self._id}
        return Frame(msgspec.json.encode({"id": asked.id, **told} if asked.id else told))

    def _unknown(self, argument: Argument, request_id: str) -> Heard:
        if argument.get("channel") in _FOR_VIP and self.path == "public":
            said = "Your trading fee tier doesn't meet the requirement to access this channel"
            return self._refused("64003", said, request_id)
        named = ",".join(f"{name}:{value}" for name, value in argument.items())
        said = f"Subscribe failed, wrong URL or {named} doesn't exist. "
        said += "Please use the correct URL, channel and parameters referring to API document."
        return self._refused("60018", said, request_id)

    def _refused(self, code: str, said: str, request_id: str = "") -> Heard:
        told = {"event": "error", "msg": said, "code": code, "connId": self._id}
        return Heard((Frame(msgspec.json.encode({"id": request_id, **told} if request_id else told)),))


def dialogue(target: str, floor: Floor) -> OkxDialogue | None:
    """A connection to `/ws/v5/public` or `/ws/v5/business`; None for any other path (the private one among them)."""
    path = _PATHS.get(urlsplit(target).path.rstrip("/"))
    return None if path is None else OkxDialogue(path, floor)

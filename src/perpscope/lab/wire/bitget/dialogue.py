"""What a client of Bitget's public sockets says, and what it is answered.

Refusals are in the venue's words as captured in September 2026: 30001 for a symbol that does not exist, 30016 for a
channel that does not, in two forms. The codes 30002, 30003 and 30006 are documented without their frames, and so are
made up: the frames, that a second subscription is acknowledged and nothing more, and that `liquidation` with a symbol
is a wrong parameter. After two minutes without a word the venue drops the connection without a close frame; here it
says 1000.
"""

import zlib
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Floor, Frame, Goodbye, Heard, Idle, SessionRules
from perpscope.lab.wire.bitget.topics import (
    CLASSIC,
    CLASSIC_CHANNELS,
    FUTURES,
    INTERVALS,
    LIQUIDATION,
    MARKETS,
    UNIFIED,
    UNIFIED_CHANNELS,
    USDT_FUTURES,
    Topic,
)

Arg: TypeAlias = dict[str, object]

RULES = SessionRules(
    idle_timeout_s=120.0,
    idle=Idle.RECEIVED,
    lifetime_s=86_400.0,
    messages=Rate(10, 1.0),
    topics=1000,
    connections=100,
    connects=Rate(300, 300.0),
)
_PATHS = {"/v3/ws/public": UNIFIED, "/v2/ws/public": CLASSIC}
_REQUESTS = Rate(240, 3600.0)  # subscriptions, per connection
_MOST_BYTES = 4096  # of the arguments of one request to v2
_UNKNOWN, _ILLEGAL, _NO_SUCH_OP, _TOO_MANY, _WRONG = 30001, 30002, 30003, 30006, 30016


class _Message(msgspec.Struct):
    op: str
    args: list[Arg] = []


_decode = msgspec.json.Decoder(_Message).decode


class _Refused(Exception):
    """An argument the venue refuses."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


class BitgetDialogue:
    """One connection.

    Args:
        floor: the exchange.
        generation: "v3" or "v2".
    """

    def __init__(self, floor: Floor, generation: str) -> None:
        self._floor = floor
        self._generation = generation
        self._requests = Allowance(_REQUESTS)
        self._silent: set[str] = set()
        self.path = f"{generation}/public"
        self.topics: dict[str, None] = {}
        self.form = ""
        self._id = f"lab{zlib.crc32(b'%d-%d' % (floor.now_ms, floor.connections)):08x}"

    def carries(self, topic: str) -> bool:
        """False for a contract subscribed under another kind of futures."""
        return topic not in self._silent

    def wrapped(self, topic: str, payload: bytes) -> bytes:  # noqa: ARG002 (there is one form)
        """As published."""
        return payload

    def notice(self) -> bytes | None:
        """None."""
        return None

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame; the venue documents none."""
        return Goodbye(1003) if cause == "unsupported-frame" else Goodbye(1000)

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Answer `ping`, a subscription or the end of one."""
        if message == b"ping":
            return Heard((Frame(b"pong"),))
        try:
            asked = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Heard((self._error(_ILLEGAL, "Illegal request"),))
        match asked.op:
            case "subscribe":
                return self._subscribe(message, asked, now_s)
            case "unsubscribe":
                return self._unsubscribe(asked)
            case _:
                return Heard((self._error(_NO_SUCH_OP, "Invalid op"),))

    # requests ------------------------------------------------------------------------------------------------------

    def _subscribe(self, message: bytes, asked: _Message, now_s: float) -> Heard:
        if not self._requests.take(now_s):
            return Heard((self._error(_TOO_MANY, "Request too many"),))
        if not asked.args or (self._generation == CLASSIC and len(message) > _MOST_BYTES):
            return Heard((self._error(_WRONG, "Param error", op="subscribe"),))
        frames: list[Frame] = []
        known = dict(self.topics)
        for arg in asked.args:
            try:
                topic = self._understood(arg)
                if topic not in known and len(known) >= self._floor.rules.topics:
                    raise _Refused(_TOO_MANY, "Request too many")
            except _Refused as refused:
                frames.append(self._error(refused.code, str(refused), arg, "subscribe"))
                continue
            frames.append(self._acknowledged("subscribe", arg))
            if topic not in known:
                known[topic] = None
                frames.extend(Frame(data, topic) for data in self._floor.opening(topic))
        return Heard(frames, subscribed=[topic for topic in known if topic not in self.topics])

    def _unsubscribe(self, asked: _Message) -> Heard:
        frames: list[Frame] = []
        gone: list[str] = []
        for arg in asked.args:
            try:
                topic = self._understood(arg)
            except _Refused as refused:
                frames.append(self._error(refused.code, str(refused), arg, "unsubscribe"))
                continue
            frames.append(self._acknowledged("unsubscribe", arg))
            if topic in self.topics:
                gone.append(topic)
        return Heard(frames, unsubscribed=gone)

    def _understood(self, arg: Arg) -> str:
        """The name of the topic an argument asks for.

        Raises:
            _Refused: there is none.
        """
        words = {name: value for name, value in arg.items() if isinstance(value, str)}
        channel = words.get("topic" if self._generation == UNIFIED else "channel", "")
        symbol = words.get("symbol" if self._generation == UNIFIED else "instId", "")
        product = words.get("instType", "")
        product = product.lower() if self._generation == CLASSIC and product.isupper() else product
        interval = words.get("interval", "") if channel == "kline" else ""
        topic = Topic(self._generation, channel, symbol, interval, product)
        if not _is_possible(topic):
            raise _Refused(_WRONG, "Param error")
        listed = {listing.symbol for listing in self._floor.listings}
        is_there = symbol in listed or channel == LIQUIDATION
        if product not in FUTURES or not is_there or self._floor.is_refused(topic.name):
            raise _Refused(_UNKNOWN, self._unknown(arg, topic))
        if product != USDT_FUTURES:
            self._silent.add(topic.name)
        return topic.name

    # words ---------------------------------------------------------------------------------------------------------

    def _unknown(self, arg: Arg, topic: Topic) -> str:
        if self._generation == UNIFIED:
            return f"{msgspec.json.encode(dict(sorted(arg.items()))).decode()} doesn't exist"
        kind = arg.get("instType")
        return f"instType:{kind},channel:{topic.channel},instId:{topic.symbol},precision:null doesn't exist"

    def _acknowledged(self, event: str, arg: Arg) -> Frame:
        body: Arg = {"event": event, "arg": arg}
        return Frame(msgspec.json.encode(body | {"connId": self._id} if self._generation == UNIFIED else body))

    def _error(self, code: int, said: str, arg: Arg | None = None, op: str = "") -> Frame:
        """v2 repeats the argument and the operation, v3 names the connection."""
        body: Arg = {"event": "error"}
        if self._generation == UNIFIED:
            body |= {"code": code, "msg": said, "connId": self._id}
        else:
            body |= ({"arg": arg} if arg is not None else {}) | {"code": code, "msg": said} | ({"op": op} if op else {})
        return Frame(msgspec.json.encode(body))


def _is_possible(topic: Topic) -> bool:
    """True if the venue has such a channel, whatever the symbol."""
    if topic.product not in MARKETS:
        return False
    if topic.generation == CLASSIC:
        return topic.channel in CLASSIC_CHANNELS and bool(topic.symbol)
    if topic.channel == LIQUIDATION:
        return not topic.symbol and topic.product in FUTURES
    has_interval = topic.interval in INTERVALS if topic.channel == "kline" else not topic.interval
    return topic.channel in UNIFIED_CHANNELS and bool(topic.symbol) and has_interval


def dialogue(target: str, floor: Floor) -> BitgetDialogue | None:
    """A connection to one of the two public sockets; None for any other path."""
    generation = _PATHS.get(urlsplit(target).path.rstrip("/"))
    return BitgetDialogue(floor, generation) if generation else None

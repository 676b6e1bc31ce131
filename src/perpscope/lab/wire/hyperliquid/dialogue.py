"""What a client of Hyperliquid's socket says, and what it is answered.

Subscriptions are echoed with their defaults; twice the same, a type nobody knows, an eleventh user or a thousand and
first channel are answered on the channel `error`; an unknown coin costs the connection. The venue cuts it, and idle
ones, without a close frame: the lab closes politely. Limits on users, channels and messages are per IP address: here
over all connections of the exchange.
"""

import re
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

import msgspec

from perpscope.lab.allowance import Allowance, Rate
from perpscope.lab.dialect import Floor, Frame, Goodbye, Heard, Idle, SessionRules
from perpscope.lab.wire.hyperliquid.subscriptions import Wish, understood

RULES = SessionRules(idle_timeout_s=60.0, idle=Idle.SENT, topics=1000, connections=10, connects=Rate(30, 60.0))
USERS = 10  #: different ones in the subscriptions about accounts
MESSAGES = Rate(2000, 60.0)
POST = "post:"  #: `opening` of this, the seconds and a request's JSON is the answer to a request over the socket
_CUT = Goodbye(1000)
_USER = re.compile("0x[0-9a-f]{40}")


class _Post(msgspec.Struct):
    type: str
    payload: msgspec.Raw


class _Message(msgspec.Struct):
    method: str
    subscription: msgspec.Raw = msgspec.Raw()
    id: object = None  # of a post; clients number other requests as they like
    request: _Post | None = None


_decode = msgspec.json.Decoder(_Message).decode


class Address:
    """What all connections from one IP address share: messages, and users watched."""

    def __init__(self) -> None:
        self.messages = Allowance(MESSAGES)
        self.dialogues: WeakSet[HyperliquidDialogue] = WeakSet()

    def users(self) -> set[str]:
        """Watched now."""
        topics = (topic for dialogue in self.dialogues if dialogue.is_open for topic in dialogue.topics)
        return {found.group() for topic in topics if (found := _USER.search(topic))}


_ADDRESSES: WeakKeyDictionary[Floor, Address] = WeakKeyDictionary()


class HyperliquidDialogue:
    """One connection."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.path = "ws"
        self.topics: dict[str, None] = {}
        self.form = ""
        self.is_open = True
        self._shared = _ADDRESSES.setdefault(floor, Address())
        self._shared.dialogues.add(self)

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
        """The connection is cut; only what it cannot read the lab names."""
        self.is_open = False
        return Goodbye(1003) if cause == "unsupported-frame" else _CUT

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Answer a request."""
        if not self._shared.messages.take(now_s):
            return _error(f"Cannot send more than {MESSAGES.limit} messages per minute.")
        try:
            said = _decode(message)
            match said.method:
                case "ping":
                    return Heard((Frame(b'{"channel":"pong"}'),))
                case "subscribe":
                    return self._subscribe(understood(bytes(said.subscription)), message)
                case "unsubscribe":
                    return self._unsubscribe(understood(bytes(said.subscription)))
                case "post" if said.request is not None and type(said.id) is int:
                    return self._post(said.request, said.id, message, now_s)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        return _unread(message)

    def _subscribe(self, wish: Wish, message: bytes) -> Heard:
        if self._floor.is_refused(wish.topic):
            return _unread(message)
        if not wish.is_possible or not self._is_traded(wish.coin):
            self.is_open = False
            return Heard(goodbye=_CUT)
        if wish.topic in self.topics:
            return _error(f"Already subscribed: {wish.echo.decode()}")
        limit = self._floor.rules.topics
        if self._floor.subscribed >= limit:
            return _error(f"Cannot subscribe to more than {limit} channels.")
        if wish.user is not None and len(self._shared.users() | {wish.user}) > USERS:
            return _error(f"Cannot track more than {USERS} total users.")
        data = [Frame(frame, wish.topic) for frame in self._floor.opening(wish.topic)]
        return Heard((_ack(b"subscribe", wish.echo), *data), subscribed=(wish.topic,))

    def _unsubscribe(self, wish: Wish) -> Heard:
        if wish.topic not in self.topics:
            return _error(f"Already unsubscribed: {wish.echo.decode()}")
        return Heard((_ack(b"unsubscribe", wish.echo),), unsubscribed=(wish.topic,))

    def _is_traded(self, coin: str | None) -> bool:
        return coin is None or any(coin == listing.symbol for listing in self._floor.listings)

    def _post(self, request: _Post, number: int, message: bytes, now_s: float) -> Heard:
        if request.type == "action":
            said = b'{"type":"action","payload":{"status":"err","response":"Unable to recover signer."}}'
        elif request.type == "info":
            found = self._floor.opening(f"{POST}{now_s}:{bytes(request.payload).decode()}")
            if not found:
                return _unread(message)
            said = found[0]
        else:
            return _unread(message)
        return Heard((Frame(b'{"channel":"post","data":{"id":%d,"response":%b}}' % (number, said)),))


def _ack(method: bytes, echo: bytes) -> Frame:
    body = b'{"channel":"subscriptionResponse","data":{"method":"%b","subscription":%b}}'
    return Frame(body % (method, echo))


def _error(said: str) -> Heard:
    return Heard((Frame(msgspec.json.encode({"channel": "error", "data": said})),))


def _unread(message: bytes) -> Heard:
    """The refusal of whatever is not understood: it repeats it."""
    return _error(f"Error parsing JSON into valid websocket request: {message.decode('utf-8', 'replace')}")


def dialogue(target: str, floor: Floor) -> HyperliquidDialogue | None:
    """A connection to `/ws`; None for any other path."""
    return HyperliquidDialogue(floor) if urlsplit(target).path == "/ws" else None

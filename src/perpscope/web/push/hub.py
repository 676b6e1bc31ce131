"""The hub: one for a face. What the heart tells becomes channels; whoever listens gets their messages.

All news of a moment is encoded once and handed to everybody in one go, no oftener than the settings allow; who takes
too little is told the newest later, or closed. Nobody waits for anybody.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import structlog

from perpscope.app.api_keys import Grant
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Web
from perpscope.web.endpoint import Endpoint
from perpscope.web.problem import Refused
from perpscope.web.push.board import Board
from perpscope.web.push.channels import Channel, StateChannel, message
from perpscope.web.push.client import SLOW, TOO_MANY, Client
from perpscope.web.push.figures import Figures, pushed
from perpscope.web.push.tape import Tape
from perpscope.web.push.wire import Connection, framed

if TYPE_CHECKING:
    from perpscope.app.face import Live
    from perpscope.web.answers import Answers

#: Real seconds between two heartbeats.
HEARTBEAT_S: Final = 5.0
#: Channels one connection may listen to.
MOST_CHANNELS: Final = 64
_LOOK_S: Final = 1.0
#: Real seconds in which news is gathered into one update (by hand).
_GATHER_S: Final = 0.005
#: Messages a client may send in `_OPS_WITHIN_S` real seconds (by hand).
_MOST_OPS, _OPS_WITHIN_S = 100, 10.0
GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
#: A refusal with this status of HTTP, or a higher one, may be another answer later.
_MAY_HELP: Final = 500
_SHOWN: Final = 80
_EXAMPLE: Final = 'e.g. {"op":"subscribe","channels":["status","market:BTC"]}'
_log = structlog.get_logger()


class _Op(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    op: Literal["subscribe", "unsubscribe"]
    channels: list[str]


class _Error(msgspec.Struct):
    """What a client is told that asked for what there is not."""

    code: str
    detail: str
    hint: str | None
    channel: str


_read = msgspec.json.Decoder(_Op).decode


class Hub:
    """All channels and all who listen. Everything runs on the face's event loop.

    Args:
        web: bounds: connections, updates a second, kilobytes waiting.
        live: what the heart tells.
        answers: makes maps and sentiment while somebody listens; None = those two are not offered.
        endpoints: all there are.
    """

    def __init__(
        self,
        web: Web,
        live: "Live",
        answers: "Answers | None" = None,
        endpoints: Iterable[Endpoint] = (),
    ) -> None:
        figures = None
        if answers is not None:
            figures = Figures(answers, pushed(endpoints), self._changed, self._refused)
        self._live = live
        self._board = Board(live, self._changed, figures)
        self._clients: dict[Client, deque[float]] = {}  # with the times of its newest messages
        self._listeners: dict[Channel, set[Client]] = {}
        self._between_s = 1.0 / web.updates_per_s
        self._most_open, self._most_waiting = web.streams, web.backlog_kb * 1024
        self._turning: asyncio.TimerHandle | None = None
        self._due_at = self._next_at = 0.0  # of the next update, on the loop's clock
        self._beat_at = 0.0
        self._catching_up: asyncio.TimerHandle | None = None
        self.turned = asyncio.Event()  #: set, and replaced, when there is something to fetch
        self.life = secrets.token_hex(4)  #: names the life of this face: its numbers begin anew with the next
        self.closed_slow = 0  #: connections closed because they took too little, since the start

    @property
    def connections(self) -> int:
        """Streams open now."""
        return len(self._clients)

    @property
    def channels(self) -> list[str]:
        """The channels kept now."""
        return self._board.names

    @property
    def tape(self) -> Tape:
        """The newest liquidations."""
        return self._board.tape

    async def run(self) -> None:
        """Follow the heart, tell everybody, until cancelled; then all connections are closed."""
        unfollow = self._live.follow(self._board.told)
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                try:
                    self._look()
                except Exception:  # whoever streams is not cut off from the rest by a bug here
                    _log.exception("the hub failed; it goes on")
        finally:
            unfollow()
            for timer in (self._turning, self._catching_up):
                if timer is not None:
                    timer.cancel()
            for client in tuple(self._clients):
                client.end(GOING_AWAY, "the service ends")
                self.leave(client)

    def join(self, connection: Connection | None, grant: Grant | None, *, takes_frames: bool = True) -> Client:
        """One more connection.

        Args:
            connection: what takes its frames; None = they are fetched.
            grant: it ends with it.
            takes_frames: it is a WebSocket; else it is looked after, and served by somebody else.

        Raises:
            Refused: "streams-full".
        """
        if len(self._clients) >= self._most_open:
            raise Refused(
                503,
                "streams-full",
                f"{len(self._clients)} streams are open, and no more are allowed",
                hint="close one, or set web.streams",
                headers={"retry-after": "5"},
            )
        client = Client(self._most_waiting, connection, grant, takes_frames=takes_frames)
        self._clients[client] = deque(maxlen=_MOST_OPS)
        return client

    def leave(self, client: Client) -> None:
        """A connection is gone, or is to be told nothing more."""
        if self._clients.pop(client, None) is None:
            return
        self._let_go(client, list(client.at))
        if client.ended is not None:
            code, reason = client.ended
            self.closed_slow += code == SLOW
            _log.info("a stream was closed", code=code, why=reason)

    def hear(self, client: Client, text: str | bytes) -> None:
        """A client has said something."""
        said = self._clients.get(client)
        if said is None:
            return
        now = time.monotonic()
        if len(said) == _MOST_OPS and now - said[0] < _OPS_WITHIN_S:
            client.end(TOO_MANY, f"more than {_MOST_OPS} messages in {_OPS_WITHIN_S:.0f} s")
            return
        said.append(now)
        try:
            op = _read(text)
        except msgspec.MsgspecError as error:
            self._say_error(client, "", Refused(400, "message-invalid", str(error), hint=_EXAMPLE))
        else:
            if op.op == "subscribe":
                self.subscribe(client, op.channels)
            else:
                self._unsubscribe(client, op.channels)
        self.tell(client)

    def subscribe(self, client: Client, names: Sequence[str]) -> None:
        """A client wants these channels: it is told how each stands, even if it was told before."""
        for name in names:
            try:
                if len(client.at) >= MOST_CHANNELS:
                    detail = f"{len(client.at)} channels are listened to on this connection, and no more are allowed"
                    raise Refused(429, "channels-too-many", detail, hint="unsubscribe from one")
                channel = self._board.open(name)
            except Refused as refused:
                self._say_error(client, name, refused)
            else:
                client.at[channel] = None
                self._listeners.setdefault(channel, set()).add(client)

    def _unsubscribe(self, client: Client, names: Sequence[str]) -> None:
        wanted = set(names) | {name.partition(":")[0] + ":" + name.partition(":")[2].upper() for name in names}
        self._let_go(client, [channel for channel in client.at if channel.name in wanted])

    def _let_go(self, client: Client, channels: Sequence[Channel]) -> None:
        for channel in channels:
            del client.at[channel]
            listeners = self._listeners[channel]
            listeners.discard(client)
            if not listeners:
                del self._listeners[channel]
                self._board.close(channel)

    def _say_error(self, client: Client, name: str, refused: Refused) -> None:
        told = _Error(code=refused.code, detail=refused.detail, hint=refused.hint, channel=name[:_SHOWN])
        client.say(framed(message("error", 0, _now_ms(), "error", msgspec.json.encode(told))))

    def _refused(self, channel: StateChannel, refused: Refused) -> None:
        """A channel's answer cannot be given; it is asked for again only where that may help."""
        for client in tuple(self._listeners.get(channel, ())):
            self._say_error(client, channel.name, refused)
            if refused.status < _MAY_HELP:
                self._let_go(client, [channel])
            self.tell(client)

    def _changed(self) -> None:
        """There is news: it is told with what else comes now, when the time for the next update has come."""
        if self._turning is None:
            loop = asyncio.get_running_loop()
            self._turning = loop.call_at(max(loop.time() + _GATHER_S, self._next_at), self._turn)

    def _turn(self) -> None:
        """Encode all news once and hand it to everybody."""
        self._turning = None
        if not self._board.turn(_now_ms()):
            return
        now = asyncio.get_running_loop().time()
        # One that came late does not make all after it late, where news comes as often as it may be told.
        self._due_at = max(self._due_at + self._between_s, now)
        self._next_at = max(self._due_at, now + self._between_s / 4)
        self._tell_all(self._clients)
        self._wake()

    def _tell_all(self, clients: Iterable[Client]) -> None:
        """Tell them what they are owed, and later those for whom there was no room."""
        ts_ms, is_behind = _now_ms(), False
        for client in tuple(clients):
            client.tell(ts_ms)
            is_behind |= client.is_behind
        if is_behind and self._catching_up is None:
            self._catching_up = asyncio.get_running_loop().call_later(self._between_s, self._catch_up)

    def _catch_up(self) -> None:
        """Those who are behind are told as soon as they have taken something, whether there is news or not."""
        self._catching_up = None
        self._tell_all([client for client in self._clients if client.is_behind])

    def tell(self, client: Client) -> None:
        """Tell one client what it is owed, and the rest of it with the next update."""
        self._tell_all([client])
        if not client.is_pushed:
            self._wake()

    def _wake(self) -> None:
        waited, self.turned = self.turned, asyncio.Event()
        waited.set()

    def _look(self) -> None:
        """What has to be seen to every second."""
        self._board.look()
        for client in tuple(self._clients):
            client.check()
        if time.monotonic() - self._beat_at >= HEARTBEAT_S:
            self._beat_at = time.monotonic()
            self._beat()

    def _beat(self) -> None:
        data = b'{"heart_state":"%b"}' % self._live.heart.value.encode()
        frame = framed(message("heartbeat", 0, _now_ms(), "heartbeat", data))
        for client in tuple(self._clients):
            if not client.is_behind:
                client.say(frame)
                self.tell(client)


def _now_ms() -> int:
    return wall_ns() // 1_000_000

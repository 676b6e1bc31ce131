"""The exchange's sockets: who is connected, who hears which topic, and what goes wrong on request.

In: payloads by topic. Out: frames to every connection that subscribed the topic on a path that carries it.
The fault hooks below are what the tests of reliability pull: mute, refuse, stall, expire, drop, corrupt.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from perpscope.lab.allowance import Allowance
from perpscope.lab.clock import NS_PER_MS, LabClock, real_seconds, wall_ns
from perpscope.lab.dialect import SILENCE, Answer, Call, Dialect, RestSide, SessionRules
from perpscope.lab.interference import Hand
from perpscope.lab.ledger import Ledger
from perpscope.lab.listing import Listing
from perpscope.lab.session import LOGGER, Session

_HANDSHAKE_REFUSED, _TOO_MANY = 503, 429


class Offer(Protocol):
    """What the server must know of the market it stands before."""

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        ...

    def opening(self, topic: str) -> Sequence[bytes]:
        """The frames a new subscriber gets right after the acknowledgement."""
        ...


class LabServer:
    """A venue's WebSocket side on loopback.

    Args:
        clock: market time.
        ledger: where everything sent is entered.
        wire: the venue's dialect.
        rules: what is demanded of a connection; the dialect's if None.
    """

    def __init__(self, clock: LabClock, ledger: Ledger, wire: Dialect, rules: SessionRules | None = None) -> None:
        self.clock = clock
        self.ledger = ledger
        self.rules = wire.rules if rules is None else rules
        self.offer: Offer | None = None  #: the market, once there is one
        self.side: RestSide | None = None  #: what replies to requests, likewise
        self.waits_for_slow = False  #: hold the tape for a slow client instead of dropping it
        self.changed = asyncio.Event()  #: set at every subscription, for whoever waits for some
        self.venue = wire.venue
        self._wire = wire
        self._sessions: dict[Session, None] = {}
        self._subscribers: dict[str, tuple[Session, ...]] = {}
        self._slow: set[Session] = set()
        self._lost: set[Session] = set()
        self._fast = asyncio.Event()
        self._fast.set()
        self._opened = 0
        self._connects = None if self.rules.connects is None else Allowance(self.rules.connects)
        self._listener: asyncio.Server | None = None
        self._between: Hand | None = None
        self._muted_paths: set[str] = set()
        self._misrouted: Callable[[str], bool] | None = None
        self._deaf: Callable[[str], bool] | None = None
        self._muted_topics: set[str] = set()
        self._refused_topics: set[str] = set()
        self._refusals: float = 0
        self._drops: Counter[str] = Counter()

    # life ----------------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        self._listener = await ws_create_server(
            self._welcome, host, port, enable_auto_pong=False, max_frame_size=1_000_000, logger_name=LOGGER
        )
        bound: tuple[str, int] = self._listener.sockets[0].getsockname()
        return f"ws://{host}:{bound[1]}"

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener is not None:
            self._listener.close()
            self.drop_connections("lab-closed")
            await self._listener.wait_closed()

    def _welcome(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
        if self._refusals > 0:
            self._refusals -= 1
            return self._turned_away("refused", _HANDSHAKE_REFUSED)
        rules = self.rules
        is_full = rules.connections is not None and len(self._sessions) >= rules.connections
        if is_full or (self._connects is not None and not self._connects.take(real_seconds())):
            return self._turned_away("too-many-connections", _TOO_MANY)
        dialogue = self._wire.dialogue(request.path.decode("ascii", "replace"), self)
        if dialogue is None:
            return None
        self._opened += 1
        return Session(self, self._opened, dialogue)

    def _turned_away(self, cause: str, status: int) -> WSUpgradeResponseWithListener:
        self.ledger.closed[cause] += 1
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status), None)

    # what sessions tell --------------------------------------------------------------------------------------------

    def session_opened(self, session: Session) -> None:
        """A client is connected."""
        self._sessions[session] = None
        session.is_muted = session.path in self._muted_paths
        if self._misrouted is not None and self._misrouted(session.path):
            self._lost.add(session)
            session.is_muted = True
        session.is_deaf = self._deaf is not None and self._deaf(session.path)

    def session_closed(self, session: Session) -> None:
        """A client is gone."""
        self._sessions.pop(session, None)
        self._lost.discard(session)
        self.drained(session)
        self.topics_changed(session)

    def topics_changed(self, session: Session) -> None:
        """Make the index of who hears what, the whole of it: it is rare."""
        index: dict[str, list[Session]] = {}
        self.ledger.asked(session.topics)
        for listener in self._sessions:
            for topic in listener.topics:
                if listener.dialogue.carries(topic):
                    index.setdefault(topic, []).append(listener)
        self._subscribers = {topic: tuple(sessions) for topic, sessions in index.items()}
        self.changed.set()

    def backed_up(self, session: Session) -> None:
        """A client does not keep up: dropped, or waited for."""
        if self.waits_for_slow:
            self._slow.add(session)
            self._fast.clear()
        else:
            session.abort("slow-client")

    def drained(self, session: Session) -> None:
        """A client has caught up or is gone."""
        self._slow.discard(session)
        if not self._slow:
            self._fast.set()

    # what dialogues ask --------------------------------------------------------------------------------------------

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        return () if self.offer is None else self.offer.listings

    @property
    def now_ms(self) -> int:
        """Market time."""
        return self.clock.now_ns() // NS_PER_MS

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._sessions)

    def is_refused(self, topic: str) -> bool:
        """True if a test wants subscriptions to this topic refused."""
        return topic in self._refused_topics

    def opening(self, topic: str) -> Sequence[bytes]:
        """The frames a new subscriber gets right after the acknowledgement."""
        return () if self.offer is None else self.offer.opening(topic)

    @property
    def wall_ms(self) -> int:
        """The machine's clock."""
        return wall_ns() // NS_PER_MS

    def ask(self, call: Call) -> Answer:
        """What the REST side replies to a request."""
        return SILENCE if self.side is None else self.side.answer(call)

    # publishing ----------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[Session]:
        """Who is connected, oldest first."""
        return list(self._sessions)

    @property
    def subscribed(self) -> int:
        """Topics subscribed, over all connections, heard or silent."""
        return sum(len(session.topics) for session in self._sessions)

    @property
    def slow(self) -> int:
        """Clients that are behind and waited for."""
        return len(self._slow)

    def is_wanted(self, topic: str) -> bool:
        """True if somebody would receive this topic, or its truth is kept."""
        return topic in self._subscribers or self.ledger.is_told(topic)

    async def all_caught_up(self) -> None:
        """Wait until no client is behind; at once where slow ones are dropped."""
        await self._fast.wait()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to everybody who subscribed the topic, in the form each asked for."""
        self.ledger.meant(topic, payload)
        if self._between is None:
            self.hand(topic, payload)
        elif topic in self._subscribers:
            self._between(topic, payload)

    def hand(self, topic: str, payload: bytes) -> None:
        """Send a payload past whatever stands `between`."""
        subscribers = self._subscribers.get(topic)
        if subscribers is None or topic in self._muted_topics:
            return
        if self._drops[topic] > 0:
            self._drops[topic] -= 1
            return
        forms = {"": payload}
        heard = []
        for session in subscribers:
            form = session.dialogue.form
            if form not in forms:
                forms[form] = session.dialogue.wrapped(topic, payload)
            if session.send(forms[form]):
                heard.append(session.name)
        self.ledger.sent(topic, payload, heard)

    def count(self, kind: str) -> None:
        """Enter that something happened or was published, heard or not."""
        self.ledger.events[kind] += 1

    # faults --------------------------------------------------------------------------------------------------------

    def between(self, take: Hand | None) -> None:
        """Let somebody else decide what becomes of payloads on their way; None for nobody."""
        self._between = take

    @property
    def muted_paths(self) -> list[str]:
        """Paths on which nothing is sent."""
        return list(self._muted_paths)

    @property
    def muted_topics(self) -> list[str]:
        """Topics of which nothing is sent."""
        return list(self._muted_topics)

    @property
    def refused_topics(self) -> list[str]:
        """Topics nobody may subscribe."""
        return list(self._refused_topics)

    def misroute(self, is_meant: Callable[[str], bool] | None) -> None:
        """Acknowledge on new connections to these paths, and never send data there; None to open no more such ones."""
        self._misrouted = is_meant

    def ignore(self, is_meant: Callable[[str], bool] | None) -> None:
        """Hear nothing that clients say on new connections to these paths; None to open no more such ones."""
        self._deaf = is_meant

    def _chosen(self, target: str | Session | None) -> Iterator[Session]:
        """A session, those of a path, or all of them."""
        for session in self.sessions:
            if target is None or target is session or target == session.path:
                yield session

    def mute(self, target: str | Session) -> None:
        """Send no more data on a path or connection; it still acknowledges and answers pings."""
        if isinstance(target, str):
            self._muted_paths.add(target)
        for session in self._chosen(target):
            session.is_muted = True

    def unmute(self, target: str | Session) -> None:
        """End what `mute` began."""
        if isinstance(target, str):
            self._muted_paths.discard(target)
        for session in self._chosen(target):
            session.is_muted = session in self._lost

    def mute_topic(self, topic: str) -> None:
        """Send no more data of one topic, to anybody; the rest of each connection goes on."""
        self._muted_topics.add(topic)

    def unmute_topic(self, topic: str) -> None:
        """End what `mute_topic` began."""
        self._muted_topics.discard(topic)

    def is_muted(self, topic: str) -> bool:
        """True if `mute_topic` said so."""
        return topic in self._muted_topics

    def refuse_topic(self, topic: str) -> None:
        """Refuse subscriptions to a topic from now on, in the venue's own words."""
        self._refused_topics.add(topic)

    def accept_topic(self, topic: str) -> None:
        """End what `refuse_topic` began."""
        self._refused_topics.discard(topic)

    def stall(self, target: str | Session | None = None) -> None:
        """Leave connections half open: TCP stays, nothing is read or written; all of them if None is named."""
        for session in self._chosen(target):
            session.stall()

    def expire(self, target: str | Session | None = None) -> None:
        """End connections as at the end of their lifetime, with the venue's own goodbye; all of them if None."""
        for session in self._chosen(target):
            session.expire()

    def drop_connections(self, cause: str = "dropped") -> None:
        """Cut every TCP connection without a word."""
        for session in self.sessions:
            session.abort(cause)

    def refuse(self, connections: float) -> None:
        """Refuse so many handshakes with 503; `math.inf` until further notice, 0 for no more."""
        self._refusals = connections

    def drop_next(self, topic: str, frames: int = 1) -> None:
        """Lose the next frames of a topic that somebody would have received."""
        self._drops[topic] += frames

    def send_raw(self, topic: str, frame: bytes) -> None:
        """Send arbitrary bytes, without an envelope, to everybody who subscribed the topic."""
        for session in self._subscribers.get(topic, ()):
            session.send(frame)

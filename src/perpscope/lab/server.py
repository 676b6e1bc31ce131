"""The exchange's sockets: who is connected, who hears which stream, and what goes wrong on request.

In: payloads by stream name. Out: frames to every connection that subscribed the stream on the route that carries it.
The fault hooks below are what the tests of reliability pull: mute, refuse, drop, corrupt.
"""

import asyncio
from collections import Counter

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from perpscope.lab.clock import LabClock
from perpscope.lab.ledger import Ledger
from perpscope.lab.session import LOGGER, Session, SessionRules
from perpscope.lab.wire.binance.streams import Route, enveloped, is_carried, opening

_HANDSHAKE_REFUSED = 503


class LabServer:
    """Binance's WebSocket side on loopback.

    Args:
        clock: market time.
        ledger: where everything sent is entered.
        rules: what is demanded of a connection.
    """

    def __init__(self, clock: LabClock, ledger: Ledger, rules: SessionRules | None = None) -> None:
        self.clock = clock
        self.ledger = ledger
        self.rules = rules or SessionRules()
        self.waits_for_slow = False  #: hold the tape for a slow client instead of dropping it
        self.changed = asyncio.Event()  #: set at every subscription, for whoever waits for some
        self._sessions: dict[Session, None] = {}
        self._subscribers: dict[str, tuple[Session, ...]] = {}
        self._slow: set[Session] = set()
        self._fast = asyncio.Event()
        self._fast.set()
        self._opened = 0
        self._listener: asyncio.Server | None = None
        self._muted_routes: set[Route] = set()
        self._refusals: float = 0
        self._drops: Counter[str] = Counter()

    # life ----------------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        self._listener = await ws_create_server(
            self._route, host, port, enable_auto_pong=False, max_frame_size=1_000_000, logger_name=LOGGER
        )
        bound: tuple[str, int] = self._listener.sockets[0].getsockname()
        return f"ws://{host}:{bound[1]}"

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener is not None:
            self._listener.close()
            self.drop_connections("lab-closed")
            await self._listener.wait_closed()

    def _route(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
        asked = opening(request.path.decode("ascii", "replace"))
        if self._refusals > 0:
            self._refusals -= 1
            self.ledger.closed["refused"] += 1
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(_HANDSHAKE_REFUSED), None)
        if asked is None or len(asked.streams) > self.rules.streams:
            return None
        self._opened += 1
        return Session(self, self._opened, asked)

    # what sessions tell --------------------------------------------------------------------------------------------

    def session_opened(self, session: Session) -> None:
        """A client is connected."""
        self._sessions[session] = None
        session.is_muted = session.route in self._muted_routes

    def session_closed(self, session: Session) -> None:
        """A client is gone."""
        self._sessions.pop(session, None)
        self.drained(session)
        self.streams_changed(session)

    def streams_changed(self, session: Session) -> None:  # noqa: ARG002 (the whole index is made anew: it is rare)
        """Make the index of who hears what."""
        index: dict[str, list[Session]] = {}
        for listener in self._sessions:
            for stream in listener.streams:
                if is_carried(stream, listener.route):
                    index.setdefault(stream, []).append(listener)
        self._subscribers = {stream: tuple(sessions) for stream, sessions in index.items()}
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

    # publishing ----------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[Session]:
        """Who is connected, oldest first."""
        return list(self._sessions)

    @property
    def subscribed(self) -> int:
        """Streams subscribed, over all connections, heard or silent."""
        return sum(len(session.streams) for session in self._sessions)

    @property
    def slow(self) -> int:
        """Clients that are behind and waited for."""
        return len(self._slow)

    def is_wanted(self, stream: str) -> bool:
        """True if somebody would receive this stream."""
        return stream in self._subscribers

    async def all_caught_up(self) -> None:
        """Wait until no client is behind; at once where slow ones are dropped."""
        await self._fast.wait()

    def publish(self, stream: str, payload: bytes) -> None:
        """Send a payload to everybody who subscribed the stream, in the form each asked for."""
        subscribers = self._subscribers.get(stream)
        if subscribers is None:
            return
        if self._drops[stream] > 0:
            self._drops[stream] -= 1
            return
        envelope = b""
        heard = []
        for session in subscribers:
            if session.is_combined:
                envelope = envelope or enveloped(stream, payload)
            if session.send(envelope if session.is_combined else payload):
                heard.append(session.name)
        self.ledger.sent(stream, payload, heard)

    # faults --------------------------------------------------------------------------------------------------------

    def mute(self, target: Route | Session) -> None:
        """Send no more data on a route or connection; it still acknowledges and answers pings."""
        self._set_muted(target, True)

    def unmute(self, target: Route | Session) -> None:
        """End what `mute` began."""
        self._set_muted(target, False)

    def _set_muted(self, target: Route | Session, is_muted: bool) -> None:
        if isinstance(target, Session):
            target.is_muted = is_muted
            return
        (self._muted_routes.add if is_muted else self._muted_routes.discard)(target)
        for session in self._sessions:
            if session.route is target:
                session.is_muted = is_muted

    def drop_connections(self, cause: str = "dropped") -> None:
        """Cut every TCP connection without a word."""
        for session in self.sessions:
            session.abort(cause)

    def refuse(self, connections: float) -> None:
        """Refuse so many handshakes with 503; `math.inf` until further notice, 0 for no more."""
        self._refusals = connections

    def drop_next(self, stream: str, frames: int = 1) -> None:
        """Lose the next frames of a stream that somebody would have received."""
        self._drops[stream] += frames

    def send_raw(self, stream: str, frame: bytes) -> None:
        """Send arbitrary bytes, without an envelope, to everybody who subscribed the stream."""
        for session in self._subscribers.get(stream, ()):
            session.send(frame)

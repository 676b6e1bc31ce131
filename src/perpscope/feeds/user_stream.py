"""The user stream of an account, kept alive: key, socket, renewal, and a new one of both when anything is wrong.

In: frames of the venue's private socket. Out, to an `AccountListener`: what they tell, and when the stream was opened
and ended. Nothing is replayed by a venue, so that whoever listens compares with it after each opening. A socket that
is about to reach its age is replaced while it still speaks: what both tell comes twice. A stream that is mute cannot be
told from one that has nothing to tell: who finds out that it kept something back says so (`doubt`).
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

import structlog

from perpscope.errors import VenueError
from perpscope.feeds.connection import full_jitter
from perpscope.feeds.counts import FrameCounts
from perpscope.model.exchange import Ending, KeyExpired
from perpscope.ports import Connector, Socket
from perpscope.ports.broker import AccountListener, Broker, Caller
from perpscope.settings import Feed

#: Real seconds between two renewals of a key that lasts an hour.
EXTEND_EVERY_S = 1500.0
#: Real seconds until a renewal is tried again that could not be made.
_EXTEND_AGAIN_S = 60.0
#: Real seconds after which a socket is replaced; a venue ends it after 24 hours.
_ROTATE_AFTER_S = 23 * 3600.0
#: Real seconds for which the old socket is kept beside the new one.
_OVERLAP_S = 1.0
#: A stream that lasted less, real seconds, is not opened again at once, whatever ended it.
_LEAST_S = 5.0

_log = structlog.get_logger()


class UserStream:
    """One account's stream.

    Args:
        broker: the venue's dialect.
        caller: makes the calls about the key.
        base_url: of the venue's sockets, without a path.
        listener: told everything.
        connector: opens sockets.
        settings: timeouts and backoff; `rotate_after_s` counts here too.
        extend_every_s: real seconds between two renewals of the key.
        rng: for jitter.
        monotonic: real seconds.
    """

    def __init__(
        self,
        broker: Broker,
        caller: Caller,
        base_url: str,
        *,
        listener: AccountListener,
        connector: Connector,
        settings: Feed,
        rng: random.Random,
        extend_every_s: float = EXTEND_EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = FrameCounts()
        self.openings = 0  #: sockets opened so far
        self.keys = 0  #: different keys had so far
        self.last_error: str | None = None  #: why the last socket ended, or could not be opened
        self._broker = broker
        self._caller = caller
        self._base_url = base_url.rstrip("/")
        self._listener = listener
        self._connector = connector
        self._settings = settings
        self._rng = rng
        self._extend_every_s = extend_every_s
        self._rotate_after_s = settings.rotate_after_s or _ROTATE_AFTER_S
        self._monotonic = monotonic
        self._key = ""
        self._is_open = False
        self._ended = ""  # why the open socket is to be given up
        self._woken = asyncio.Event()
        self._bad = 0
        self._bad_since = 0.0

    @property
    def is_streaming(self) -> bool:
        """A socket is open, with a key that is good as far as is known."""
        return self._is_open and not self._ended

    def doubt(self, why: str) -> None:
        """It did not tell what it should have told: open it anew, with a key that is asked for anew."""
        if self.is_streaming:
            _log.warning("user stream doubted", why=why)
            self._end("doubted")

    async def run(self) -> None:
        """Listen until cancelled."""
        failures = 0
        while True:
            began = self._monotonic()
            cause = await self._attempt()
            self.last_error = cause
            lasted_s = self._monotonic() - began
            if lasted_s >= self._settings.healthy_after_s:
                failures = 0
            wait_s = full_jitter(failures, self._settings.backoff_first_s, self._settings.backoff_max_s, self._rng)
            failures += 1
            if cause in _AT_ONCE and lasted_s >= _LEAST_S:
                failures, wait_s = 0, 0.0
            _log.warning("user stream lost", cause=cause, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    # one life ------------------------------------------------------------------------------------------------------

    async def _attempt(self) -> str:
        """From asking for a key to the end of the last socket that heard by it: why it ended."""
        try:
            await self._ask_key()
            socket = await self._connect()
        except (VenueError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__
        self._ended, self._is_open = "", True
        self._woken.clear()
        self._listener.opened()
        sockets = [socket]
        try:
            cause = await self._listen(sockets)
        finally:
            self._is_open = False
            for one in sockets:
                one.close()
        self._listener.closed(cause)
        return cause

    async def _ask_key(self) -> None:
        key = self._broker.listening(await self._caller(self._broker.listen_key()))
        self.keys += key != self._key
        self._key = key

    async def _connect(self) -> Socket:
        url = self._base_url + self._broker.user_stream(self._key)
        socket = await self._connector(url, self._on_frame, _nothing)
        self.openings += 1
        return socket

    async def _listen(self, sockets: list[Socket]) -> str:
        """Wait for the end of the newest socket, renewing its key and replacing it in time."""
        now = self._monotonic()
        extend_at, rotate_at = now + self._extend_every_s, now + self._rotate_after_s
        while True:
            due_s = min(extend_at, rotate_at) - self._monotonic()
            closed = await self._until_closed(sockets[-1], max(0.0, due_s))
            if self._ended:
                return self._ended
            if closed:
                return "disconnect"
            now = self._monotonic()
            if now >= extend_at:
                extend_at = now + await self._extend()
            if now >= rotate_at:
                rotate_at = now + await self._rotate(sockets)

    async def _until_closed(self, socket: Socket, within_s: float) -> bool:
        """Wait until a socket is closed, the stream is woken, or time is over; whether it is closed."""
        closed = asyncio.ensure_future(socket.wait_closed())
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((closed, woken), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                closed.result()  # a bug of ours in `_on_frame` comes out here, and must not pass for a lost connection
            return closed.done()
        finally:
            closed.cancel()
            woken.cancel()
            await asyncio.gather(closed, woken, return_exceptions=True)

    async def _extend(self) -> float:
        """Make the key last; real seconds until it is to be done again. A key that is no more ends the socket."""
        try:
            answer = await self._caller(self._broker.extend_key())
        except VenueError as error:
            _log.warning("listen key not renewed", error=str(error))
            return min(_EXTEND_AGAIN_S, self._extend_every_s)
        reply = self._broker.reply(answer)
        if reply.is_done:
            return self._extend_every_s
        if reply.ending is Ending.REFUSED:  # -1125: there is no such key
            self._end("key-gone")
        return min(_EXTEND_AGAIN_S, self._extend_every_s)

    async def _rotate(self, sockets: list[Socket]) -> float:
        """Open a second socket and close the first a little later; real seconds until it is to be done again."""
        try:
            younger = await self._connect()
        except (OSError, TimeoutError) as error:
            _log.warning("user stream not replaced", error=str(error))
            return min(_EXTEND_AGAIN_S, self._rotate_after_s)
        elder = sockets[-1]
        sockets.append(younger)
        self._listener.opened()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OVERLAP_S):
                await elder.wait_closed()
        elder.close()
        sockets.remove(elder)
        return self._rotate_after_s

    # frames --------------------------------------------------------------------------------------------------------

    def _on_frame(self, raw: bytes | memoryview, ts_recv: int) -> None:
        """Decode one frame and pass on what it holds; what a bad one held is found by comparing."""
        try:
            events = self._broker.heard(raw, ts_recv)
        except VenueError as error:
            self._reject(str(error), raw)
            return
        self.counts.decoded += 1
        for event in events:
            if isinstance(event, KeyExpired):
                self._end("key-expired")
            else:
                self._listener.heard(event)

    def _reject(self, why: str, raw: bytes | memoryview) -> None:
        self.counts.reject(why, raw)
        now = self._monotonic()
        if now - self._bad_since > 60.0:
            self._bad_since, self._bad = now, 0
        self._bad += 1
        if self._bad > self._settings.max_bad_frames_per_minute:
            self._end("bad-frames")
        else:
            self._listener.spoilt()

    def _end(self, cause: str) -> None:
        self._ended = self._ended or cause
        self._woken.set()


#: What is mended by a new key or socket at once.
_AT_ONCE = frozenset({"key-expired", "key-gone", "doubted"})


def _nothing() -> None:
    """A burst is over."""

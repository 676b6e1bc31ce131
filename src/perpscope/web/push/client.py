"""One push connection as the hub sees it: what it was told last, what waits for it, and how it ends."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from perpscope.app.api_keys import LOCAL, Grant
from perpscope.web.push.channels import Channel
from perpscope.web.push.wire import Connection

#: Who has taken nothing for so many real seconds while something waited is cut off (by hand).
STALLED_S: Final = 15.0
#: Bytes that may wait before nothing is added but what is newest (by hand; a bound of the settings may be less).
_ROOM: Final = 65_536
SLOW, GRANT_ENDED, TOO_MANY = 4408, 4401, 4429  #: codes of our own a connection is closed with (RFC 6455 §7.4.2)
_MOST_SAID: Final = 64


class Client:
    """A connection, from its first message to its last.

    Args:
        most_waiting: bytes that may wait for it before it is closed.
        connection: what takes its frames; None = they are fetched by `due`.
        grant: it ends with it.
        takes_frames: it is a WebSocket; else it is looked after, and served by somebody else.
        monotonic: real seconds.
    """

    def __init__(
        self,
        most_waiting: int,
        connection: Connection | None = None,
        grant: Grant | None = None,
        *,
        takes_frames: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.at: dict[Channel, int | None] = {}  #: `seq` told last by channel; None = nothing yet
        self.is_behind = False  #: something could not be told for want of room
        self.ended: tuple[int, str] | None = None  #: code and reason
        self.on_end: Callable[[], None] | None = None  #: called once, when it is to be closed
        self.room = min(_ROOM, most_waiting // 2)
        self._most = most_waiting
        self._transport = None if connection is None else connection.transport
        self._grant = grant or LOCAL
        self._takes_frames = takes_frames
        self._monotonic = monotonic
        self._said: deque[bytes] = deque()
        self._held_since: float | None = None

    @property
    def is_pushed(self) -> bool:
        """Frames are handed to its transport; otherwise it fetches them."""
        return self._takes_frames and self._transport is not None

    def say(self, frame: bytes) -> None:
        """Something for this client alone; told with what comes next."""
        if not self._takes_frames:
            return
        if len(self._said) < _MOST_SAID:
            self._said.append(frame)
        else:
            self.end(SLOW, "does not read what it is answered")

    def tell(self, ts_ms: int) -> None:
        """Hand over what is owed, if there is room for it."""
        transport = self._transport
        if transport is None or not self._takes_frames:
            return
        waiting = transport.get_write_buffer_size()
        if waiting >= self.room:
            self.is_behind = True
            self._hold(waiting)
            return
        self._held_since = None
        frames = self.due(ts_ms, self.room - waiting)
        if frames and not transport.is_closing():
            transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def due(self, ts_ms: int, room: int) -> list[bytes]:
        """The frames that are owed, as far as there is room, and taken for told from now on.

        Args:
            ts_ms: epoch ms, real time.
            room: bytes; one message goes even if it is larger.
        """
        frames: list[bytes] = []
        if self._said:
            frames += self._said
            self._said.clear()
        self.is_behind = False
        for channel, at in self.at.items():
            if at == channel.seq:
                continue
            if at == channel.before and channel.newest_bytes <= room:
                frames += channel.newest
                room -= channel.newest_bytes
                self.at[channel] = channel.seq
                continue
            for seq, frame in channel.owed(at, ts_ms):
                if room <= 0:
                    self.is_behind = True
                    break
                frames.append(frame)
                room -= len(frame)
                self.at[channel] = seq
            if self.is_behind:
                self._goes_last(channel)
                break
        return frames

    def _goes_last(self, channel: Channel) -> None:
        """The room ended with this channel: the others' turn comes first next time."""
        names = list(self.at)
        for served in names[: names.index(channel) + 1]:
            self.at[served] = self.at.pop(served)

    def _hold(self, waiting: int) -> None:
        """Too much waits already; who takes nothing is ended."""
        now = self._monotonic()
        if self._held_since is None:
            self._held_since = now
        elif waiting >= self._most:
            self.end(SLOW, f"{waiting // 1024} kB wait, {self._most // 1024} may")
        elif now - self._held_since > STALLED_S:
            self.end(SLOW, f"nothing was taken for {STALLED_S:.0f} s")

    def check(self) -> None:
        """End it if its key has ended, or it takes nothing."""
        if not self._grant.is_valid():
            self.end(GRANT_ENDED, "the key has ended")
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        if waiting >= self.room:
            self._hold(waiting)
        else:
            self._held_since = None

    def end(self, code: int, reason: str) -> None:
        """It is to be closed; the first reason stands."""
        if self.ended is None:
            self.ended = (code, reason)
            if self.on_end is not None:
                self.on_end()

    def cut(self) -> None:
        """Give up what it has not taken, and the connection."""
        if self._transport is not None:
            self._transport.abort()

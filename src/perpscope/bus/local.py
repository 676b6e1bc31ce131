"""The bus of one machine: a Unix socket between a heart and its faces.

The heart serves. It packs a message once, queues it for each face and writes on the next turn of the event loop; a
face that does not read loses messages without a key (and is told how many), never states, and never holds up the heart.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import cast

import msgspec

from perpscope.bus import wire
from perpscope.bus.groups import Group, Member
from perpscope.bus.local_face import LocalSubscriber
from perpscope.bus.outbox import Outbox
from perpscope.errors import StoreError
from perpscope.model.bulletin import BusHealth, Message

__all__ = ["LocalPublisher", "LocalSubscriber", "socket_path"]

#: Longest path of a socket; the system's own limit is 107 bytes, https://man7.org/linux/man-pages/man7/unix.7.html
MAX_PATH = 100
#: Faces at one heart; more are turned away.
MAX_FACES = 256
#: Bytes of messages without a key that wait for one face, at most.
MAX_WAITING_BYTES = 64_000_000
#: Bytes written in one go, and bytes in the system's and our hands at which a face counts as slow.
_CHUNK, _SLOW_AT = 256 * 1024, 1024 * 1024
_JOIN_WITHIN_S = 5.0
_SWEEP_EVERY_S = 0.25
_LAST_WORDS_S = 0.5


def socket_path(database: Path) -> Path:
    """Where heart and faces of this database meet.

    A function of the resolved path: `$RUNTIME_DIRECTORY` (systemd sets it), else a folder of this user's own in the
    system's place for temporary files.
    """
    named = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"perpscope-{os.getuid()}"
    name = hashlib.sha256(os.fsencode(database.resolve())).hexdigest()[:24] + ".sock"
    return folder / name


class _Face(asyncio.Protocol):
    """The heart's end of one face."""

    def __init__(self, heart: "LocalPublisher") -> None:
        self._heart = heart
        self._frames = wire.Frames()
        self._is_paused = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self.topics: frozenset[str] = frozenset()
        self.outbox: Outbox | None = None
        self.group: Group | None = None
        self.member: Member | None = None
        self.is_gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by birth
        self._transport.set_write_buffer_limits(high=_SLOW_AT)
        self._timer = asyncio.get_running_loop().call_later(_JOIN_WITHIN_S, self.abort)
        if not self._heart.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                if kind == wire.JOIN and not self.topics:
                    self._timer.cancel()
                    self._heart.join(self, wire.decode_join(body))
                elif kind == wire.DONE and self.group is not None and self.member is not None:
                    self.group.done(self.member, wire.decode_done(body))
                    self._heart.wake()
        except (wire.FrameTooLong, msgspec.DecodeError):
            self._transport.abort()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._heart.wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why does not matter: it comes back)
        self._timer.cancel()
        self.is_gone.set()
        self._heart.part(self)

    def is_ready(self) -> bool:
        """Whether it takes more."""
        return not self._is_paused and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        self._transport.write(data)

    def flush(self) -> None:
        """Send what waits, as long as it is taken."""
        if self.outbox:
            self.outbox.drain(self._transport.write, self.is_ready, _CHUNK)

    def close(self) -> None:
        """Send what was written, then hang up."""
        self._transport.close()

    def abort(self) -> None:
        """Hang up."""
        self._transport.abort()


class LocalPublisher:
    """The heart's end. Made by `open`, used on its event loop only."""

    def __init__(self, path: Path, *, backlog: int = 10_000, reclaim_after_s: float = 30.0) -> None:
        self._path = path
        self._backlog = backlog
        self._reclaim_after_s = reclaim_after_s
        self._run = secrets.token_hex(8)
        self._seq = 0
        self._states: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._told: dict[str, int] = {}
        self._faces: set[_Face] = set()
        self._groups: dict[str, Group] = {}
        self._lost_by_gone = 0
        self._is_woken = False
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop
        self._lock = -1
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, path: Path, *, backlog: int = 10_000, reclaim_after_s: float = 30.0) -> "LocalPublisher":
        """Listen at `path`; a socket file that a dead heart left is replaced.

        Args:
            path: of the socket, at most `MAX_PATH` bytes long.
            backlog: messages without a key that wait for one face, or one group, before the oldest are lost to it.
            reclaim_after_s: real seconds after which a message that a member of a group holds goes to another.

        Raises:
            StoreError: a living heart listens there, or nobody can.
        """
        heart = cls(path, backlog=backlog, reclaim_after_s=reclaim_after_s)
        listening = heart._listen()
        loop = asyncio.get_running_loop()
        heart._loop = loop
        heart._server = await loop.create_unix_server(lambda: _Face(heart), sock=listening)
        heart._sweep()
        return heart

    def publish(self, topic: str, payload: bytes, *, key: str | None = None) -> None:
        """Take one message; with `key` it replaces an older one. Neither blocks nor raises."""
        if self._is_closed:
            return
        self._seq = seq = self._seq + 1
        packed = wire.frame(wire.MESSAGE, Message(topic, payload, seq, self._run, key))
        if key is None:
            self._told[topic] = self._told.get(topic, 0) + 1
            for group in self._groups.values():
                if topic in group.topics:
                    group.add(seq, packed)
            for face in self._faces:
                if face.outbox is not None and topic in face.topics:
                    face.outbox.add(seq, packed)
        else:
            state = (topic, key)
            self._states[state] = (seq, packed)
            for face in self._faces:
                if face.outbox is not None and topic in face.topics:
                    face.outbox.put(seq, packed, state)
        self.wake()

    def health(self) -> BusHealth:
        """How it is doing; `dropped` counts a message once for each face it was lost to."""
        boxes = [face.outbox for face in self._faces if face.outbox is not None]
        groups = self._groups.values()
        return BusHealth(
            is_connected=not self._is_closed,
            queued=sum(map(len, boxes)) + sum(map(len, groups)),
            dropped=self._lost_by_gone + sum(box.lost for box in boxes) + sum(group.lost for group in groups),
            dead=sum(group.dead for group in groups),
            why="closed" if self._is_closed else None,
        )

    async def aclose(self) -> None:
        """Send what faces take within half a second, hang up and remove the socket file."""
        if self._is_closed:
            return
        self._flush()
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._server is not None:
            self._server.close()
        faces = list(self._faces)
        for face in faces:
            face.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                for face in faces:
                    await face.is_gone.wait()
        for face in list(self._faces):
            face.abort()
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def admit(self, face: _Face) -> bool:
        """A face has connected; False where there are too many."""
        if len(self._faces) >= MAX_FACES or self._is_closed:
            return False
        self._faces.add(face)
        return True

    def join(self, face: _Face, wanted: wire.Join) -> None:
        """A face has said what it wants: it is told the states, and from now on what comes."""
        face.topics = frozenset(wanted.topics)
        told = sum(self._told.get(topic, 0) for topic in face.topics)
        face.write(wire.frame(wire.WELCOME, wire.Welcome(self._run, told)))
        if wanted.group is not None:
            group = self._groups.setdefault(wanted.group, Group(face.topics, self._backlog))
            face.group, face.member = group, Member(face.write, face.is_ready)
            group.members.append(face.member)
        else:
            face.outbox = Outbox(self._backlog, MAX_WAITING_BYTES)
            for state, (seq, packed) in sorted(self._states.items(), key=lambda item: item[1][0]):
                if state[0] in face.topics:
                    face.outbox.put(seq, packed, state)
        self.wake()

    def part(self, face: _Face) -> None:
        """A face is gone."""
        self._faces.discard(face)
        if face.outbox is not None:
            self._lost_by_gone += face.outbox.lost
            face.outbox = None
        if face.group is not None and face.member is not None:
            face.group.leave(face.member)
            face.group = face.member = None
            self.wake()

    def wake(self) -> None:
        """See to it that what waits is sent on the next turn of the loop."""
        if not self._is_woken and not self._is_closed:
            self._is_woken = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_woken = False
        if self._is_closed:
            return
        for group in self._groups.values():
            group.deal(self._loop.time())
        for face in tuple(self._faces):
            face.flush()

    def _sweep(self) -> None:
        for group in self._groups.values():
            group.reclaim(self._loop.time(), self._reclaim_after_s)
            group.deal(self._loop.time())
        self._sweeping = self._loop.call_later(min(_SWEEP_EVERY_S, self._reclaim_after_s), self._sweep)

    def _listen(self) -> socket.socket:
        path = self._path
        if len(os.fsencode(path)) > MAX_PATH:
            raise StoreError("bus-socket", f"the path of the heart's socket is longer than {MAX_PATH} bytes: {path}")
        try:
            _own_folder(path.parent)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _bound(path)
        except OSError as error:
            if self._lock >= 0:
                os.close(self._lock)
            if isinstance(error, BlockingIOError):
                raise StoreError(
                    "bus-taken",
                    f"another heart of this database is listening at {path}",
                    hint="stop it, or choose another file with --db",
                ) from error
            raise StoreError("bus-socket", f"no socket can be made at {path}: {error.strerror}") from error


def _bound(path: Path) -> socket.socket:
    """A socket of this path, for this user alone, that does not listen yet."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(os.fspath(path))
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound


def _own_folder(folder: Path) -> None:
    """Make the folder for this user alone, and refuse one that somebody else put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid not in {os.getuid(), 0}:
        raise PermissionError(errno.EPERM, f"{folder} belongs to somebody else")

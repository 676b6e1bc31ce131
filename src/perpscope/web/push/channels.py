"""A channel: a name, a number that grows, and messages encoded once for all who listen.

A state channel tells an object: a delta's members take the place of those of the same name, and null means there is
none. Who missed a delta is told the whole anew. An event channel tells rows, each once and in order, kept for a while;
who falls behind that is told how many went lost. On both `seq` = the client's last `seq` + `dropped` + what the
message brings: one for a state's, the number of rows for events.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from perpscope.web.push.wire import framed, unframed

#: Rows kept of each event channel for who is slow (by hand).
KEEP_ROWS: Final = 5_000
#: Rows in a snapshot of an event channel, the newest.
RECENT_ROWS: Final = 100
#: Rows in one message.
_ROWS_PER_MESSAGE: Final = 200
_NONE: Final = b"null"


def message(channel: str, seq: int, ts_ms: int, kind: str, data: bytes, dropped: int = 0) -> bytes:
    """One message, JSON.

    Args:
        channel: a name that needs no escape.
        seq: of the channel.
        ts_ms: when it was made, epoch ms, real time.
        kind: snapshot, delta, heartbeat or error.
        data: JSON.
        dropped: what the client was not told right before it.
    """
    lost = f',"dropped":{dropped}' if dropped else ""
    return b'{"ch":"%b","seq":%d,"ts_ms":%d,"type":"%b"%b,"data":%b}' % (
        *(channel.encode(), seq, ts_ms, kind.encode()),
        *(lost.encode(), data),
    )


class StateChannel:
    """Something that has a newest state, as an object.

    Args:
        name: of the channel.
        members: JSON by name, where the state is known already; None = nothing is told before the first change.
    """

    def __init__(self, name: str, members: Mapping[str, bytes] | None = None) -> None:
        self.name = name
        self.seq = 0  #: changes told
        self.before = -1  #: `seq` before the newest message
        self.newest: list[bytes] = []  #: frames told at the last turn
        self.newest_bytes = 0
        self._is_known = members is not None
        self._members = {name: value for name, value in (members or {}).items() if value != _NONE}
        self._changed: dict[str, bytes] = {}
        self._whole: tuple[int, bytes] | None = None

    @property
    def members(self) -> Mapping[str, bytes]:
        """The state as it was told last: JSON by name."""
        return self._members

    def change(self, members: Mapping[str, bytes]) -> None:
        """These members are so from now on; JSON by name, null = there is none."""
        self._is_known = True
        self._changed.update(members)

    def turn(self, ts_ms: int) -> bool:
        """Make one message of what changed; False if nothing did."""
        changed = {name: value for name, value in self._changed.items() if self._members.get(name, _NONE) != value}
        self._changed.clear()
        if not changed:
            return False
        for name, value in changed.items():
            if value == _NONE:
                del self._members[name]
            else:
                self._members[name] = value
        self.before, self.seq = self.seq, self.seq + 1
        self.newest = [framed(message(self.name, self.seq, ts_ms, "delta", _object(changed)))]
        self.newest_bytes = len(self.newest[0])
        return True

    def owed(self, at: int | None, ts_ms: int) -> Iterator[tuple[int, bytes]]:
        """What a client has to be told: (its `seq` then, frame).

        Args:
            at: `seq` it was told last; None = nothing yet.
            ts_ms: epoch ms, real time.
        """
        if not self._is_known or at == self.seq:
            return
        if at is not None and at == self.before:
            yield self.seq, self.newest[0]
        elif at is not None:
            data = _object(self._members)
            yield self.seq, framed(message(self.name, self.seq, ts_ms, "snapshot", data, self.seq - at))
        else:
            yield self.seq, self._snapshot(ts_ms)

    def _snapshot(self, ts_ms: int) -> bytes:
        """The whole, encoded once for all who begin at the same `seq`."""
        if self._whole is None or self._whole[0] != self.seq:
            text = message(self.name, self.seq, ts_ms, "snapshot", _object(self._members))
            self._whole = (self.seq, framed(text))
        return self._whole[1]


class EventChannel:
    """Something that happens, as rows.

    Args:
        name: of the channel.
        recent: rows that were before, oldest first; they have no number.
        keep: rows kept for who is slow.
    """

    def __init__(self, name: str, recent: Iterable[bytes] = (), keep: int = KEEP_ROWS) -> None:
        self.name = name
        self.seq = 0  #: rows told
        self.before = -1  #: `seq` before the last turn's rows
        self.newest: list[bytes] = []  #: frames told at the last turn
        self.newest_bytes = 0
        self._keep = keep
        self._new: list[bytes] = []
        self._recent: deque[bytes] = deque(recent, maxlen=RECENT_ROWS)
        self._told: deque[tuple[int, int, bytes]] = deque()  # (seq before it, seq, frame)
        self._whole: tuple[int, bytes] | None = None

    def add(self, row: bytes) -> None:
        """One more has happened; JSON."""
        self._new.append(row)

    def turn(self, ts_ms: int) -> bool:
        """Make messages of what has happened; False if nothing has."""
        if not self._new:
            return False
        self.before, self.newest = self.seq, []
        for start in range(0, len(self._new), _ROWS_PER_MESSAGE):
            rows = self._new[start : start + _ROWS_PER_MESSAGE]
            seq = self.seq + len(rows)
            frame = framed(message(self.name, seq, ts_ms, "delta", _array(rows)))
            self.newest.append(frame)
            self._told.append((self.seq, seq, frame))
            self.seq = seq
        self.newest_bytes = sum(map(len, self.newest))
        self._recent.extend(self._new)
        self._new.clear()
        while len(self._told) > 1 and self.seq - self._told[0][0] > self._keep:
            self._told.popleft()
        return True

    def owed(self, at: int | None, ts_ms: int) -> Iterator[tuple[int, bytes]]:
        """What a client has to be told: (its `seq` then, frame).

        Args:
            at: `seq` it was told last; None = nothing yet.
            ts_ms: epoch ms, real time.
        """
        if at is None:
            yield self.seq, self._snapshot(ts_ms)
            return
        for before, seq, frame in self._later(at):
            if before > at:
                yield seq, framed(_with_dropped(unframed(frame), before - at))
            else:
                yield seq, frame
            at = seq

    def _later(self, at: int) -> list[tuple[int, int, bytes]]:
        """Messages of rows beyond `at`, oldest first."""
        found: list[tuple[int, int, bytes]] = []
        for told in reversed(self._told):
            if told[1] <= at:
                break
            found.append(told)
        return found[::-1]

    def _snapshot(self, ts_ms: int) -> bytes:
        if self._whole is None or self._whole[0] != self.seq:
            text = message(self.name, self.seq, ts_ms, "snapshot", _array(self._recent))
            self._whole = (self.seq, framed(text))
        return self._whole[1]


Channel: TypeAlias = StateChannel | EventChannel


def _with_dropped(text: bytes, dropped: int) -> bytes:
    return text.replace(b',"data":', b',"dropped":%d,"data":' % dropped, 1)


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in members.items())


def _array(rows: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(rows)

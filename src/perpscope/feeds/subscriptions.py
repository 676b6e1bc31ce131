"""What one connection has asked for, what was acknowledged, and what was refused: bookkeeping without a socket.

In: topics, answers, the passing of real time. Out: the next message to send, streams that are now listened to, streams
that are not, and whether there is any use in going on. A message that names several topics and is refused is asked
again in halves, until the one bad topic is found; that one is set aside and tried again later, the others go on.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence

import msgspec

from perpscope.model.stream import Control, Stream, Topic
from perpscope.ports import Dialogue

#: A topic set aside is asked for again after `retry_s`, then twice as long, up to this many times it.
_MOST_PATIENCE = 16.0
_REFUSED, _UNACKNOWLEDGED = "refused", "unacknowledged"


class Lost(msgspec.Struct, frozen=True):
    """Streams that are not listened to although the connection is open."""

    streams: tuple[Stream, ...]
    cause: str  #: "refused", "unacknowledged"
    why: str  #: the venue's words, or how long it said nothing


class _Asked:
    """One message under way."""

    __slots__ = ("at", "names")

    def __init__(self, names: list[str], at: float) -> None:
        self.names = names
        self.at = at


class Subscriptions:
    """The topics of one open connection.

    Args:
        topics: what to subscribe to, in this order.
        dialogue: how the venue is asked.
        ack_timeout_s: real seconds an ask may stay unanswered.
        retry_s: real seconds until a topic that was set aside is tried again.
        suspects: topics not to begin with: earlier connections ended when they were asked for.
        now: real seconds.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        dialogue: Dialogue,
        *,
        ack_timeout_s: float,
        retry_s: float,
        suspects: Collection[str] = (),
        now: float = 0.0,
    ) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._dialogue = dialogue
        self._ack_timeout_s = ack_timeout_s
        self._retry_s = retry_s
        wanted = [name for name in self._topics if name not in suspects]
        self._queue: deque[list[str]] = deque(_runs(wanted, dialogue.topics_per_request))
        self._leaving: list[str] = []
        self._left: list[str] = []  # to be asked for anew before anything else: nobody listens to them
        self._away: set[str] = set()  # left, and not acknowledged anew so far
        self._asked: dict[int, _Asked] = {}
        self._next_id = 1
        self._acknowledged: set[str] = set()
        self._announced: set[Stream] = set()
        self._aside: dict[str, tuple[float, float]] = {}  # topic → (not before, next wait)
        self._lost: list[Lost] = []
        self._last_cause = _UNACKNOWLEDGED
        for name in suspects:
            self._set_aside(name, _REFUSED, "connections ended when it was asked for", now)

    # what to send --------------------------------------------------------------------------------------------------

    def next_message(self, now: float) -> bytes | None:
        """The next message to send, if there is one; `now` in real seconds."""
        if self._leaving and not self._left:
            most = self._dialogue.topics_per_request
            self._left, self._leaving = self._leaving[:most], self._leaving[most:]
            self._away.update(self._left)
            return self._dialogue.unsubscribe(self._left, self._new_id())
        if self._left:
            self._queue.appendleft(self._left)
            self._left = []
        if not self._queue:
            self._take_up_again(now)
        if not self._queue:
            return None
        names = self._queue.popleft()
        request_id = self._new_id()
        self._asked[request_id] = _Asked(list(names), now)
        return self._dialogue.subscribe(names, request_id)

    def renew(self, stream: Stream) -> bool:
        """Leave and rejoin the topics of a stream, so that the venue begins it anew; False if it is not listened to.

        Many at once go by as few messages as the venue takes, each run of topics rejoined as soon as it was left.
        """
        names = [name for name, topic in self._topics.items() if stream in topic.streams and name in self._acknowledged]
        self._leaving.extend(name for name in names if name not in self._leaving and name not in self._left)
        return bool(names)

    # what came -----------------------------------------------------------------------------------------------------

    def answered(self, control: Control, now: float) -> bool:
        """Take an answer; False if it is to nothing we asked."""
        asked = self._asked.get(control.request_id) if isinstance(control.request_id, int) else None
        names = self._named(control, asked)
        if not names:
            return False
        if control.error is not None and control.topic is not None and asked is not None:
            self._ask_again([name for name in asked.names if name != control.topic])
        if control.error is None:
            self._acknowledged.update(names)
            self._away.difference_update(names)
            for name in names:
                self._aside.pop(name, None)
        elif len(names) > 1:
            middle = len(names) // 2
            self._queue.extendleft((names[middle:], names[:middle]))
        else:
            self._set_aside(names[0], _REFUSED, control.error, now)
        self._settle(names)
        return True

    def look(self, now: float) -> None:
        """Let time pass: an ask nobody answered is repeated topic by topic, then its topic is set aside."""
        for request_id, asked in list(self._asked.items()):
            if now - asked.at <= self._ack_timeout_s:
                continue
            del self._asked[request_id]
            if len(asked.names) > 1:
                self._queue.extend([name] for name in asked.names)
            else:
                why = f"no answer for {self._ack_timeout_s:g} s"
                self._set_aside(asked.names[0], _UNACKNOWLEDGED, why, now)

    def excuse(self, late_s: float) -> None:
        """So many real seconds nobody was listening for answers: they do not count."""
        for asked in self._asked.values():
            asked.at += late_s

    # what became of it ---------------------------------------------------------------------------------------------

    @property
    def is_answered(self) -> bool:
        """True if everything has been asked for and every ask was answered; what is set aside does not count."""
        return not (self._queue or self._asked or self._leaving or self._left)

    @property
    def unanswered(self) -> list[str]:
        """Topics of the messages under way."""
        return [name for asked in self._asked.values() for name in asked.names]

    @property
    def away(self) -> set[Stream]:
        """Streams nobody listens to for a moment, because their topics are being begun anew."""
        return {stream for name in self._away for stream in self._topics[name].streams}

    @property
    def has_any(self) -> bool:
        """True once a topic has been acknowledged."""
        return bool(self._acknowledged)

    @property
    def hopeless(self) -> str | None:
        """Why there is no use in going on: nothing was acknowledged and nothing is under way; else None."""
        if self._acknowledged or self._queue or self._asked or not self._topics:
            return None
        return self._last_cause

    def is_overdue(self, now: float) -> bool:
        """True if the venue has answered nothing at all for as long as it may take."""
        return not self._acknowledged and any(now - asked.at > self._ack_timeout_s for asked in self._asked.values())

    def take_heard(self) -> tuple[Stream, ...]:
        """Streams all of whose topics are acknowledged, each told once for as long as it lasts."""
        waiting = {
            stream for name, topic in self._topics.items() if name not in self._acknowledged for stream in topic.streams
        }
        heard = dict.fromkeys(
            stream
            for name in self._topics
            if name in self._acknowledged
            for stream in self._topics[name].streams
            if stream not in waiting and stream not in self._announced
        )
        self._announced.update(heard)
        return tuple(heard)

    def take_lost(self) -> list[Lost]:
        """What was set aside since the last call."""
        lost, self._lost = self._lost, []
        return lost

    # ---------------------------------------------------------------------------------------------------------------

    def _named(self, control: Control, asked: _Asked | None) -> list[str]:
        """Topics an answer is about: the one it names, else those of the message it answers or can only answer."""
        if control.topic is not None:
            return [control.topic] if control.topic in self._topics else []
        if asked is None and control.request_id is None and control.error is not None and len(self._asked) == 1:
            (asked,) = self._asked.values()
        return list(asked.names) if asked is not None else []

    def _ask_again(self, names: list[str]) -> None:
        """Ask for the rest of a message that was refused for one of its topics."""
        if names:
            self._settle(names)
            self._queue.appendleft(names)

    def _settle(self, names: Iterable[str]) -> None:
        """Forget the asks these topics were under way with."""
        answered = set(names)
        for request_id, asked in list(self._asked.items()):
            asked.names = [name for name in asked.names if name not in answered]
            if not asked.names:
                del self._asked[request_id]

    def _set_aside(self, name: str, cause: str, why: str, now: float) -> None:
        _, wait_s = self._aside.get(name, (0.0, self._retry_s))
        self._aside[name] = (now + wait_s, min(2 * wait_s, _MOST_PATIENCE * self._retry_s))
        self._acknowledged.discard(name)
        self._away.discard(name)
        streams = self._topics[name].streams
        self._announced.difference_update(streams)
        self._lost.append(Lost(streams, cause, why))
        self._last_cause = cause

    def _take_up_again(self, now: float) -> None:
        for name, (not_before, wait_s) in self._aside.items():
            if now >= not_before:
                self._aside[name] = (now + wait_s, wait_s)
                self._queue.append([name])
                return

    def _new_id(self) -> int:
        request_id, self._next_id = self._next_id, self._next_id + 1
        return request_id


def _runs(names: Sequence[str], most: int) -> list[list[str]]:
    """Cut into as few runs of at most `most` as will do, none longer than another by more than one."""
    runs = -(-len(names) // most)
    return [list(names[len(names) * n // runs : len(names) * (n + 1) // runs]) for n in range(runs)]

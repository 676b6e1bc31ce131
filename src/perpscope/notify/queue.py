"""What waits to be written to chats: bounded, merged, at Telegram's pace; what it drops is told.

In: posts, and what became of those that were tried. Out: the next post that may go, and whether it is a new message or
the change of one. A burst of one subject becomes one message that is edited; over the bound the oldest of least weight
goes first. Pure: whoever calls says what time it is, in real seconds.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from perpscope.errors import NotifyError
from perpscope.notify.pace import Pace

#: All chosen by hand. Alerts of one subject within so many seconds of its last message are told by editing that.
BURST_S: Final = 60.0
#: So old a post is not worth sending any more, by its rank: info, warning, critical.
STALE_S: Final = (900.0, 7_200.0, 86_400.0)
_AGAIN_FIRST_S, _AGAIN_MOST_S = 1.0, 60.0
_UNAUTHORIZED_AGAIN_S: Final = 600.0
_CLOSED_S: Final = 3_600.0
_KNOWN: Final = 2_000  # messages that can be edited
_LEFT_OUT: Final = "left-out"
_GONE: Final = ("message to edit not found", "message can't be edited")

Buttons = list[list[dict[str, str]]]


class Post(msgspec.Struct, kw_only=True):
    """One message to one chat."""

    chat: int
    id: str  #: of the alert or saying
    phase: str
    root: str  #: id of the alert or saying whose message this changes, if that was sent; else it is sent
    subject: str  #: bursts of one subject are one message; empty = never merged with others
    text: str  #: HTML
    buttons: Buttons = []
    rank: int = 0  #: 0 info, 1 warning, 2 critical
    is_silent: bool = False
    at_s: float = 0.0  #: real seconds, when it was put here
    message: int | None = None  #: that is changed; set when its turn has come
    covers: list[tuple[str, str]] = []  #: ids and phases it tells, with those it was merged with


class Outbox:
    """Posts that wait.

    Args:
        most: posts that may wait.
        left_out: text of the message that says how many were dropped.
        pace: of this bot.
    """

    def __init__(self, most: int, left_out: Callable[[int], str], pace: Pace | None = None) -> None:
        self._most = most
        self._left_out = left_out
        self._pace = Pace() if pace is None else pace
        self._waiting: list[Post] = []
        self._messages: dict[tuple[int, str], int] = {}
        self._latest: dict[tuple[int, str], tuple[str, float, int]] = {}
        self._dropped: dict[int, int] = {}
        self._closed: dict[int, tuple[str, float]] = {}
        self._moved: dict[int, int] = {}
        self._not_before_s = -math.inf
        self._wait_s = _AGAIN_FIRST_S
        self.merged = 0  #: posts that became a part of another one

    def __len__(self) -> int:
        return len(self._waiting)

    def known(self, chat: int, root: str, message: int) -> None:
        """A message of an alert or saying: what comes of it later changes that one."""
        self._messages[self._where(chat), root] = message
        while len(self._messages) > _KNOWN:
            del self._messages[next(iter(self._messages))]

    def message_of(self, chat: int, root: str) -> int | None:
        """The message of an alert or saying, where one was sent."""
        return self._messages.get((self._where(chat), root))

    # in ------------------------------------------------------------------------------------------------------------

    def put(self, post: Post, now_s: float) -> list[Post]:
        """Let a post wait; those that are dropped for it, which may be itself."""
        post.chat, post.at_s = self._where(post.chat), now_s
        post.covers = [*post.covers, (post.id, post.phase)]
        self._join_burst(post, now_s)
        for waiting in self._waiting:
            if (waiting.chat, waiting.root) == (post.chat, post.root):
                self._merge(waiting, post)
                return []
        self._waiting.append(post)
        return self._drop() if len(self._waiting) > self._most else []

    def _join_burst(self, post: Post, now_s: float) -> None:
        """Make it a change of its subject's last message, where that is young or not even sent."""
        if not post.subject or post.root != post.id or (post.chat, post.root) in self._messages:
            return
        for waiting in self._waiting:
            if (waiting.chat, waiting.subject) == (post.chat, post.subject):
                post.root = waiting.root
                return
        root, sent_s, rank = self._latest.get((post.chat, post.subject), ("", -math.inf, 0))
        if now_s - sent_s <= BURST_S and post.rank <= rank:
            post.root = root

    def _merge(self, waiting: Post, post: Post) -> None:
        self.merged += 1
        waiting.text, waiting.buttons, waiting.phase = post.text, post.buttons, post.phase
        waiting.rank = max(waiting.rank, post.rank)
        waiting.is_silent = waiting.is_silent and post.is_silent
        waiting.covers += [told for told in post.covers if told not in waiting.covers]

    def _drop(self) -> list[Post]:
        gone = min(self._waiting, key=lambda post: (post.rank, post.at_s))
        self._waiting.remove(gone)
        self._dropped[gone.chat] = self._dropped.get(gone.chat, 0) + 1
        return [gone]

    # out -----------------------------------------------------------------------------------------------------------

    def next(self, now_s: float) -> tuple[Post | None, float]:
        """The post whose turn it is; else None, and when to look again (infinite: when another is put).

        It waits no longer: `sent`, `refused` or `drop_why` say what became of it.
        """
        if not self._waiting:
            self._tell_dropped(now_s)
        if not self._waiting:
            return None, math.inf
        if now_s < self._not_before_s:
            return None, self._not_before_s
        ready = [(self._pace.ready_at(post.chat, now_s), -post.rank, place) for place, post in enumerate(self._waiting)]
        at, _, place = min((max(at, now_s), rank, place) for at, rank, place in ready)
        if at > now_s:
            return None, at
        post = self._waiting.pop(place)
        post.message = self._messages.get((post.chat, post.root))
        return post, now_s

    def _tell_dropped(self, now_s: float) -> None:
        for chat, count in self._dropped.items():
            name = f"{_LEFT_OUT}:{now_s:.3f}"
            self._waiting.append(
                Post(chat=chat, id=name, phase=_LEFT_OUT, root=name, subject="", text=self._left_out(count), at_s=now_s)
            )
        self._dropped.clear()

    def drop_why(self, post: Post, now_s: float) -> str | None:
        """Why a post is not worth a try: too old, or its chat let nothing through lately."""
        if now_s - post.at_s > STALE_S[post.rank]:
            return f"too late: it waited {now_s - post.at_s:.0f} s"
        why, until_s = self._closed.get(post.chat, ("", -math.inf))
        return why if now_s < until_s else None

    def tried(self, post: Post, now_s: float) -> None:
        """It goes out now."""
        self._pace.sent(post.chat, now_s)

    def sent(self, post: Post, message: int, now_s: float) -> None:
        """It has arrived as this message."""
        self._wait_s, self._not_before_s = _AGAIN_FIRST_S, -math.inf
        for name in {post.root, *(covered for covered, _ in post.covers)}:
            self.known(post.chat, name, message)
        if post.subject:
            self._latest[post.chat, post.subject] = (post.root, now_s, post.rank)
            while len(self._latest) > _KNOWN:
                del self._latest[next(iter(self._latest))]

    def refused(self, post: Post, error: NotifyError, now_s: float) -> str | None:
        """It was not taken: None where it is to be tried again (it waits), else why it never will be."""
        match error.code:
            case "telegram-limited":
                self._pace.hold(post.chat, now_s + (error.retry_after_s or 1.0))
            case "telegram-unauthorized":
                self._not_before_s = now_s + _UNAUTHORIZED_AGAIN_S
            case "telegram-unreachable":
                self._not_before_s = now_s + self._wait_s
                self._wait_s = min(_AGAIN_MOST_S, self._wait_s * 2.0)
            case "telegram-chat" if error.moved_to is not None:
                self._move(post.chat, error.moved_to)
                post.chat = error.moved_to
            case "telegram-chat":
                self._closed[post.chat] = (error.message, now_s + _CLOSED_S)
                return error.message
            case _ if any(gone in error.message for gone in _GONE):
                self._messages.pop((post.chat, post.root), None)
            case _:
                return error.message
        self._waiting.insert(0, post)
        return None

    def heard(self, chat: int) -> None:
        """Somebody there is listening after all."""
        self._closed.pop(chat, None)

    def _where(self, chat: int) -> int:
        return self._moved.get(chat, chat)

    def _move(self, chat: int, to: int) -> None:
        """A group has another id now."""
        self._moved[chat] = to
        for waiting in self._waiting:
            waiting.chat = self._where(waiting.chat)

"""When a bot may write to a chat: Telegram's limits kept from our side, and its word obeyed when it says wait.

One message a second to a chat, twenty a minute to a group, thirty a second in all: what Telegram's FAQ asks bots to
avoid exceeding. Pure: whoever asks says what time it is, in real seconds from any origin.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

#: (messages, seconds): at most so many within any stretch so long.
PER_CHAT: Final = (1, 1.0)
PER_GROUP: Final = (20, 60.0)
IN_ALL: Final = (30, 1.0)


class Pace:
    """What was sent lately, and what was forbidden until when.

    >>> pace = Pace()
    >>> pace.sent(7, 0.0)
    >>> pace.ready_at(7, 0.25), pace.ready_at(8, 0.25)
    (1.0, 0.25)
    """

    def __init__(self) -> None:
        self._all: deque[float] = deque(maxlen=IN_ALL[0])
        self._chats: dict[int, deque[float]] = {}
        self._held: dict[int, float] = {}

    def sent(self, chat: int, now_s: float) -> None:
        """A message, or the change of one, goes out now."""
        self._all.append(now_s)
        most = PER_GROUP[0] if chat < 0 else PER_CHAT[0]
        self._chats.setdefault(chat, deque(maxlen=most)).append(now_s)

    def hold(self, chat: int, until_s: float) -> None:
        """Telegram said to wait."""
        self._held[chat] = max(until_s, self._held.get(chat, until_s))

    def ready_at(self, chat: int, now_s: float) -> float:
        """When the next message may go to a chat: now, or later."""
        sent = self._chats.get(chat, ())
        return max(
            now_s,
            self._held.get(chat, now_s),
            _free_at(self._all, *IN_ALL),
            _free_at(list(sent)[-PER_CHAT[0] :], *PER_CHAT),
            _free_at(sent, *PER_GROUP) if chat < 0 else now_s,
        )


def _free_at(sent: Sequence[float] | deque[float], most: int, per_s: float) -> float:
    """When so many in so long leave room for one more."""
    return sent[-most] + per_s if len(sent) >= most else float("-inf")

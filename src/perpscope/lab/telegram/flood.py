"""How much a bot may send before it is told to wait, as Telegram's FAQ says it; where the FAQ is vague, chosen by hand.

"Avoid sending more than one message per second" to a chat, short bursts are allowed; no more than 20 a minute to a
group; about 30 a second in all (core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

import math
from typing import Final

import msgspec

from perpscope.lab.allowance import Allowance, Rate


class FloodRules(msgspec.Struct, frozen=True):
    """What is allowed."""

    per_chat: Rate = Rate(5, 5.0)  #: one a second, five at once (by hand: the FAQ says "short bursts")
    per_group: Rate = Rate(20, 60.0)
    in_all: Rate = Rate(30, 1.0)


_NOTHING: Final = 0


class Flood:
    """What a bot has sent, and whether it may send more.

    >>> flood = Flood(FloodRules())
    >>> [flood.take(7, at) for at in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    [0, 0, 0, 0, 0, 5]
    """

    def __init__(self, rules: FloodRules) -> None:
        self._rules = rules
        self._all = Allowance(rules.in_all)
        self._chats: dict[int, Allowance] = {}
        self._groups: dict[int, Allowance] = {}
        self.refused = 0  #: messages that were too many

    def take(self, chat: int, now_s: float) -> int:
        """Send a message now; 0, or the seconds to wait, whole as Telegram tells them.

        Args:
            chat: negative for groups.
            now_s: real seconds from any origin.
        """
        limits = [self._all, self._chats.setdefault(chat, Allowance(self._rules.per_chat))]
        if chat < 0:
            limits.append(self._groups.setdefault(chat, Allowance(self._rules.per_group)))
        wait_s = max(
            (one.wait_s(now_s) for one in limits if one.wait_s(now_s) > 0 and one.used >= one.limit), default=0
        )
        if wait_s > 0:
            self.refused += 1
            return max(1, math.ceil(wait_s))
        for one in limits:
            one.take(now_s)
        return _NOTHING

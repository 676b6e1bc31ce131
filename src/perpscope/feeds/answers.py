"""What a venue's polls were answered, told as coverage: what is asked again and again is seen while replies come.

In: replies and failures. Out: marks for the coverage ledger, a "connection" for each stream, named as `connection_of`
does. A stream is seen up to the oldest of the replies it needs, so one that is asked of several endpoints is as good as
the worst of them. Where replies stay out for longer than the bound, the stream is lost from its last good reply on.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from perpscope.errors import FrameError, PerpscopeError, RateLimited, VenueUnreachable
from perpscope.model.market import Alive, Disconnected, Subscribed, Unheard
from perpscope.model.stream import Poll, Stream

#: Times its interval a reply may stay out before its stream counts as lost (chosen by hand: two turns and a half).
LATE_FACTOR: Final = 2.5
#: And real seconds, however fast market time runs: what a busy machine may take (by hand).
SLACK_REAL_S: Final = 30.0

UNANSWERED: Final = "unanswered"
RATE_LIMITED: Final = "rate-limited"

#: What is told of polls, to the ledger and to a recording.
Answered: TypeAlias = Subscribed | Alive | Disconnected | Unheard


def connection_of(venue: str, stream: Stream) -> str:
    """What the ledger calls the polls of a stream, e.g. "binance/polls/open_interest/BTC-USDT-PERP.BINANCE"."""
    return f"{venue}/polls/{stream.channel.value}/{stream.instrument or 'all'}"


def cause_of(error: PerpscopeError) -> str:
    """Why a poll brought nothing, as a gap names it."""
    match error:
        case RateLimited():
            return RATE_LIMITED
        case VenueUnreachable():
            return "unreachable"
        case FrameError():
            return "refused"
        case _:
            return UNANSWERED


class _Asked:
    """One stream and the polls it needs."""

    __slots__ = ("causes", "count", "is_open", "is_told", "name", "needed", "replies", "stream", "ts_last")

    def __init__(self, name: str, stream: Stream) -> None:
        self.name = name
        self.stream = stream
        self.needed: set[str] = set()
        self.replies: dict[str, int] = {}  # poll → ns UTC of its last good reply
        self.causes: dict[str, str] = {}  # poll → why it brought nothing when it was last made
        self.count = 0  # good replies since it was opened
        self.ts_last: int | None = None  # up to when it was seen, or since when it is waited for
        self.is_open = False
        self.is_told = False  # that it is lost


class Answers:
    """Keeps account of every stream of a venue's polls.

    Args:
        venue: name.
        polls: all of them.
    """

    def __init__(self, venue: str, polls: Sequence[Poll]) -> None:
        self._venue = venue
        self._asked: dict[Stream, _Asked] = {}
        self._of_poll = {poll.name: poll.streams for poll in polls}
        for poll in polls:
            for stream in poll.streams:
                asked = self._asked.setdefault(stream, _Asked(connection_of(venue, stream), stream))
                asked.needed.add(poll.name)

    @property
    def connections(self) -> list[str]:
        """Streams that are being answered, as the ledger calls them."""
        return [asked.name for asked in self._asked.values() if asked.is_open]

    def replied(self, poll: str, ts_recv: int) -> list[Answered]:
        """Note a good reply (ns UTC)."""
        marks: list[Answered] = []
        for stream in self._of_poll[poll]:
            asked = self._asked[stream]
            asked.causes.pop(poll, None)
            asked.replies[poll] = ts_recv
            if len(asked.replies) < len(asked.needed):
                continue
            if not asked.is_open:
                asked.is_open, asked.is_told, asked.count = True, False, 0
                marks.append(Subscribed(self._venue, asked.name, (stream,), ts_recv))
            asked.count += 1
            asked.ts_last = min(asked.replies.values())
            marks.append(Alive(asked.name, asked.ts_last, asked.count, ts_recv))
        return marks

    def failed(self, poll: str, cause: str) -> None:
        """Note why a poll brought nothing."""
        for stream in self._of_poll[poll]:
            self._asked[stream].causes[poll] = cause

    def overdue(self, now_ns: int, every_s: Mapping[str, float], rate: float) -> list[Answered]:
        """Give up the streams whose replies have stayed out for too long.

        Args:
            now_ns: market time, ns UTC.
            every_s: of each poll, market seconds between two calls as they are really made.
            rate: market seconds per real second.
        """
        marks: list[Answered] = []
        for asked in self._asked.values():
            if asked.ts_last is None:
                asked.ts_last = now_ns
            bound_s = max(LATE_FACTOR * max(every_s[poll] for poll in asked.needed), SLACK_REAL_S * rate)
            if now_ns - asked.ts_last > bound_s * 1e9 and not asked.is_told:
                marks += self._give_up(asked, now_ns)
        return marks

    def _give_up(self, asked: _Asked, now_ns: int) -> list[Answered]:
        """Tell once that a stream is lost: from its last reply on if it ever was seen, else from now on."""
        cause = next(iter(asked.causes.values()), UNANSWERED)
        marks: list[Answered] = [Disconnected(asked.name, cause, now_ns)] if asked.is_open else []
        asked.is_open, asked.is_told = False, True
        asked.replies.clear()
        return [*marks, Unheard(self._venue, asked.name, (asked.stream,), cause, now_ns)]

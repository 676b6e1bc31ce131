"""What is done about a silent stream: it is subscribed anew, then its connection is replaced, then it is reported.

In, at each Tick: the streams the engine finds silent. Out: calls to the connections that carry them, and lines in the
log. Each step is given time to help; a topic that is really dead costs a connection only now and then.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from perpscope.engine.silence import Silent
from perpscope.feeds.connection import Connection
from perpscope.model.stream import Stream

#: Real seconds a step is given to help at the least, besides the stream's own bound (chosen by hand).
_LEAST_WAIT_S: Final = 5.0
#: Real seconds between two replacements of a connection for this reason; doubles up to the longest.
_REPLACE_FIRST_S, _REPLACE_MAX_S = 600.0, 14_400.0
#: A stream that speaks and falls silent again within so many real seconds is the same case: a venue may send the state
#: of a book to whoever subscribes, and nothing after that.
_SAME_CASE_S: Final = 120.0
#: Silent streams of one connection beyond which it is no use to subscribe them one by one (chosen by hand).
_ONE_BY_ONE: Final = 8
#: The cause a connection is replaced for.
_CAUSE: Final = "silent-stream"

_log = structlog.get_logger()


class _Case:
    """One silent stream: what was done about it, and when (real seconds)."""

    __slots__ = ("acted_at", "is_told", "renewals", "replacements", "seen_at")

    def __init__(self, now: float) -> None:
        self.seen_at = self.acted_at = now
        self.renewals = self.replacements = 0
        self.is_told = False


class Remedies:
    """Remembers what was tried for which stream.

    Args:
        rate: market seconds per real second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._cases: dict[tuple[str, Stream], _Case] = {}
        self._not_before: dict[Connection, tuple[float, float]] = {}  # (real seconds, next wait)

    def look(self, silent: Sequence[Silent], connections: Iterable[Connection], now: float) -> None:
        """Do what is due for the streams that are silent now; `now` in real seconds."""
        if not silent and not self._cases:
            return
        self._open(silent, now)
        for connection in connections:
            if connection.silent_s is None or connection.silent_s > connection.silent_after_s / 2:
                continue  # all of it is quiet: that is found, and healed, there
            carried = [one for one in silent if one.venue == connection.venue and one.stream in connection.streams]
            due = [one for one in carried if self._is_due(one, now)]
            if not due:
                continue
            anew = [one for one in due if not self._cases[one.venue, one.stream].renewals]
            if anew and len(carried) <= _ONE_BY_ONE:
                self._renew(connection, anew, now)
            elif not self._replace(connection, due, now):
                self._give_up(connection, due)

    def _open(self, silent: Sequence[Silent], now: float) -> None:
        fresh: dict[str, list[Silent]] = {}
        for one in silent:
            key = (one.venue, one.stream)
            if key not in self._cases:
                self._cases[key] = _Case(now)
                fresh.setdefault(one.venue, []).append(one)
            self._cases[key].seen_at = now
        for venue, found in fresh.items():
            _log.warning("streams are silent", venue=venue, streams=_named(found), count=len(found))
        for key, case in list(self._cases.items()):
            if now - case.seen_at > _SAME_CASE_S:
                del self._cases[key]

    def _is_due(self, one: Silent, now: float) -> bool:
        case = self._cases[one.venue, one.stream]
        if not case.renewals and not case.replacements:
            return True
        return now - case.acted_at > max(_LEAST_WAIT_S, one.bound_s / self._rate)

    def _renew(self, connection: Connection, silent: Sequence[Silent], now: float) -> None:
        for one in silent:
            case = self._cases[one.venue, one.stream]
            case.acted_at = now
            case.renewals += connection.renew(one.stream)

    def _replace(self, connection: Connection, silent: Sequence[Silent], now: float) -> bool:
        """Have a connection replaced; False if that was done lately, or it is not in a state for it."""
        not_before, wait_s = self._not_before.get(connection, (0.0, _REPLACE_FIRST_S))
        if now < not_before or not connection.replace(_CAUSE):
            return False
        self._not_before[connection] = (now + wait_s, min(2 * wait_s, _REPLACE_MAX_S))
        _log.warning("connection is replaced", connection=connection.plan.name, cause=_CAUSE, streams=_named(silent))
        for one in silent:
            case = self._cases[one.venue, one.stream]
            case.acted_at = now
            case.replacements += 1
        return True

    def _give_up(self, connection: Connection, silent: Sequence[Silent]) -> None:
        """Say once that nothing has helped."""
        told = []
        for one in silent:
            case = self._cases[one.venue, one.stream]
            if case.replacements and not case.is_told:
                case.is_told = True
                told.append(one)
        if told:
            _log.error("streams stay silent", connection=connection.plan.name, streams=_named(told), count=len(told))


def _named(silent: Sequence[Silent]) -> list[str]:
    return [f"{one.stream.channel.value} {one.stream.instrument or '*'}" for one in silent[:5]]

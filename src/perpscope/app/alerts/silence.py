"""The dead-man: a heart or a venue that has told nothing for too long is told once, and once more when it is back.

In: at each look, real time, how the heart is doing and how its feeds are. Out: sayings; `back` edits `silent`. What is
silent is kept, so that a restart tells it neither twice nor forgets to take it back.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from perpscope.analytics.alerts.alert import Data
from perpscope.analytics.alerts.saying import Back, Saying, Silent
from perpscope.app.face import Heart
from perpscope.app.status import FeedLine
from perpscope.stores.status import FeedState

#: Its name in the log.
NAME: Final = "silences"
HEART: Final = "heart"
#: Real seconds something must be well before it is said to be back: a feed that comes and goes is told once.
_WELL_S: Final = 5.0
_WRONG: Final = frozenset({FeedState.DOWN, FeedState.SILENT, FeedState.STALE})
_WORST: Final = (FeedState.DOWN, FeedState.SILENT, FeedState.STALE)


class Silence(msgspec.Struct, kw_only=True):
    """Something that is silent, or was a moment ago."""

    since_ms: int  #: real time
    gaps: int  #: noticed by then
    channel: str | None
    why: str
    told: str | None = None  #: id of what was said
    well_ms: int | None = None  #: since when it has been well again


class Silences:
    """Everything that is silent now.

    Args:
        dead_after_s: real seconds without data until it is told.
        kept: of an earlier life.
    """

    def __init__(self, dead_after_s: float, kept: dict[str, Silence] | None = None) -> None:
        self._dead_after_ms = round(dead_after_s * 1e3)
        self.found: dict[str, Silence] = {} if kept is None else kept
        self._gaps = 0
        self.told = 0  #: since the last digest

    def look(self, now_ms: int, heart: Heart, feeds: Collection[FeedLine], data: Data) -> list[Saying]:
        """What is to be said now.

        Args:
            now_ms: real time.
            heart: as the face hears it. One that was never heard is none to miss.
            feeds: as it told them last.
            data: where the market comes from.
        """
        said = self._judge(HEART, heart is Heart.LIVE, None, heart.value, self._gaps, now_ms, data)
        if heart is not Heart.LIVE:
            return said  # of its feeds nothing is known
        self._gaps = sum(feed.gaps for feed in feeds)
        for venue in dict.fromkeys(feed.venue for feed in feeds):
            mine = [feed for feed in feeds if feed.venue == venue]
            wrong = [feed for feed in mine if feed.state in _WRONG]
            channel = wrong[0].channel.value if len(wrong) == 1 else None
            why = min((feed.state for feed in wrong), key=_WORST.index, default=FeedState.LIVE).value
            said += self._judge(venue, not wrong, channel, why, sum(feed.gaps for feed in mine), now_ms, data)
        return said

    def _judge(
        self, name: str, is_well: bool, channel: str | None, why: str, gaps: int, now_ms: int, data: Data
    ) -> list[Saying]:
        found = self.found.get(name)
        if is_well:
            return [] if found is None else self._over(name, found, gaps, now_ms, data)
        if found is None:
            found = self.found[name] = Silence(since_ms=now_ms, gaps=gaps, channel=channel, why=why)
        found.well_ms = None
        if found.told is not None or now_ms - found.since_ms < self._dead_after_ms:
            return []
        found.channel, found.why = channel, why
        found.told = f"silent:{name}:{found.since_ms}"
        self.told += 1
        venue = None if name == HEART else name
        told = Silent(silent_s=(now_ms - found.since_ms) / 1e3, venue=venue, channel=channel, why=why)
        return [Saying(id=found.told, at_ms=now_ms, told=told, data=data, kind="silent")]

    def _over(self, name: str, found: Silence, gaps: int, now_ms: int, data: Data) -> list[Saying]:
        """It is well: what was told is taken back once that has lasted."""
        if found.told is None:
            del self.found[name]
            return []
        found.well_ms = found.well_ms or now_ms
        if now_ms - found.well_ms < _WELL_S * 1e3:
            return []
        del self.found[name]
        told = Back(
            silent_s=(found.well_ms - found.since_ms) / 1e3,
            gaps=max(0, gaps - found.gaps),
            venue=None if name == HEART else name,
            channel=found.channel,
        )
        return [Saying(id=f"back:{found.told}", at_ms=now_ms, told=told, data=data, edits=found.told, kind="back")]

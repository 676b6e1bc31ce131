"""How a face's sources stand just now: which market, what time it is there, which feeds come, who writes.

What the heart told goes before what its store says; a store is looked at no oftener than twice a second.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from perpscope.app.face import Heart
from perpscope.app.shown_market import Shown
from perpscope.app.status import FeedLine, HeartLine, is_at_work, market_now
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import FeedState, FeedStatus, HeartStatus, StoreKind

if TYPE_CHECKING:
    from perpscope.app.face import Live
    from perpscope.app.status import Status

_MS_NS: Final = 1_000_000
_AGAIN_S: Final = 0.5


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    data: StoreKind | None  #: None where neither a heart nor a store tells
    now_ms: int  #: market time, epoch ms
    feeds: list[FeedLine]
    is_fed: bool  #: a heart is at work
    notes: list[str]  #: what is wrong, one sentence each


class Standing:
    """Looks, and remembers for half a second while the heart does as it did. From any thread.

    Args:
        market: whose market is shown; None = a replica's.
        live: what the heart told.
    """

    def __init__(self, market: Callable[[], Shown | None], live: "Live") -> None:
        self._market = market
        self._live = live
        self._lately: tuple[float, Stand, Heart] | None = None

    def look(self) -> Stand:
        """How it stands."""
        lately, heart = self._lately, self._live.heart
        if lately is not None and lately[2] is heart and time.monotonic() - lately[0] < _AGAIN_S:
            return lately[1]
        told = self._live.told_status
        found = self._stored() if told is None else self._told(told)
        self._lately = time.monotonic(), found, heart
        return found

    def _stored(self) -> Stand:
        """As the store says: no heart was heard yet."""
        market = self._market()
        if market is None:
            return _nothing("no heart was heard yet")
        try:
            with SqliteReader.open(market.store) as reader:
                heart, feeds, kind = reader.heart(), reader.feeds(), reader.kind
        except PerpscopeError as error:
            return _nothing(error.message)
        now_ns, runs = market_now(heart, kind), is_at_work(heart)
        lines = [_line(feed, now_ns, runs=runs) for feed in feeds]
        notes = [] if runs else [_over(kind), *([market.note] if market.note else [])]
        return Stand(data=kind, now_ms=now_ns // _MS_NS, feeds=lines, is_fed=runs, notes=notes)

    def _told(self, told: "Status") -> Stand:
        """As the heart told last, and as it is now."""
        state, heard_s = self._live.heart, self._live.heard_s or 0.0
        heart = None if told.heart is None else _heart(told.heart, is_live=state is Heart.LIVE)
        now_ms = market_now(heart, told.data) // _MS_NS
        if state is Heart.LIVE:
            return Stand(data=told.data, now_ms=now_ms, feeds=told.feeds, is_fed=True, notes=[])
        is_gone = state is not Heart.STALE
        what = f"is gone; it was heard {heard_s:.0f} s ago" if is_gone else f"has told nothing for {heard_s:.0f} s"
        feeds = [_fallen(line, heard_s, is_gone=is_gone) for line in told.feeds]
        return Stand(data=told.data, now_ms=now_ms, feeds=feeds, is_fed=False, notes=[f"the heart {what}"])


def _nothing(why: str) -> Stand:
    return Stand(data=None, now_ms=wall_ns() // _MS_NS, feeds=[], is_fed=False, notes=[why])


def _heart(line: HeartLine, *, is_live: bool) -> HeartStatus:
    runs = line.is_running and is_live
    return HeartStatus(line.pid, line.market_ms * _MS_NS, line.wall_ms * _MS_NS, line.rate, runs)


def _fallen(line: FeedLine, heard_s: float, *, is_gone: bool) -> FeedLine:
    """A feed whose heart is silent, or gone."""
    age_ms = None if line.age_ms is None else line.age_ms + round(heard_s * 1000)
    worse = line.state is FeedState.DOWN or is_gone
    return msgspec.structs.replace(line, state=FeedState.DOWN if worse else FeedState.STALE, age_ms=age_ms)


def _line(feed: FeedStatus, now_ns: int, *, runs: bool) -> FeedLine:
    age_ms = None if feed.ts_last is None else max(0, now_ns - feed.ts_last) // _MS_NS
    state = feed.state if runs or feed.state is FeedState.REPLAY else FeedState.DOWN
    return FeedLine(feed.venue, feed.channel, state, age_ms, feed.events, feed.gaps)


def _over(kind: StoreKind) -> str:
    match kind:
        case StoreKind.REPLAY:
            return "the replay is over; everything stands as of its end"
        case StoreKind.DEMO:
            return "the demo is over; everything stands as of its end"
        case _:
            return "nothing is being collected into this database"

"""Whether a face can answer: INITIALIZING, READY or ERROR, with the reason by name.

In: what the heart told last, else what the store says. Out: `Standing`. A heart that has ended in good order leaves a
store that can be read: that is READY; one that fell silent is an ERROR, though its store is served on.
"""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.face import Heart
from perpscope.app.status import Status, read_status
from perpscope.errors import DataError, PerpscopeError
from perpscope.settings import Settings
from perpscope.stores.status import FeedState, StoreKind

_WELL: Final = frozenset({FeedState.LIVE, FeedState.REPLAY})


class State(Enum):
    """As the documents name them."""

    INITIALIZING = "INITIALIZING"  #: nothing can be told yet
    READY = "READY"
    ERROR = "ERROR"  #: what is told is not what is


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The state, why, and what it was judged by."""

    state: State
    reason: str | None  #: None when READY; else begins with a name in kebab-case
    troubles: list[str]  #: feeds that are not well, though answers are given
    told: Status | None  #: None where there is no store yet, or it cannot be read


def standing(
    database: Path | None, settings: Settings, heart: Heart, heard_s: float | None, told: Status | None
) -> Standing:
    """Judge a face.

    Args:
        database: the store; None = a replica without one.
        settings: by which way the venues are asked.
        heart: how it is doing, as the bus says.
        heard_s: real seconds since it was heard; None = never.
        told: what it told of its status last; None = nothing.
    """
    if told is not None and heart is Heart.LIVE:
        return judged(told, heart, heard_s)
    found = told
    if database is not None:
        try:
            found = read_status(database, settings)
        except DataError:
            if found is None:
                return _initializing("store-missing: nothing was collected yet")
        except PerpscopeError as error:
            return Standing(state=State.ERROR, reason=f"{error.code}: {error.message}", troubles=[], told=None)
    if found is None:
        return _initializing("heart-none: no heart was heard yet, and this face has no store")
    return judged(found, heart, heard_s)


def judged(told: Status, heart: Heart, heard_s: float | None) -> Standing:
    """The state that follows from a status and the heart it is of."""
    troubles = _troubles(told)
    why = _lost(told, heart, heard_s)
    if why is not None:
        return Standing(state=State.ERROR, reason=why, troubles=troubles, told=told)
    is_running = told.heart is not None and told.heart.is_running
    if is_running and told.feeds:
        if all(feed.age_ms is None for feed in told.feeds):
            return _initializing("feeds-silent: no feed has told anything yet", told, troubles)
        if all(feed.state is FeedState.DOWN for feed in told.feeds):
            return Standing(state=State.ERROR, reason="feeds-down: every feed is down", troubles=troubles, told=told)
    elif told.heart is None and not told.events.total:
        return _initializing("store-empty: nothing was collected yet", told, troubles)
    return Standing(state=State.READY, reason=None, troubles=troubles, told=told)


def _initializing(reason: str, told: Status | None = None, troubles: Sequence[str] = ()) -> Standing:
    return Standing(state=State.INITIALIZING, reason=reason, troubles=[*troubles], told=told)


def _lost(told: Status, heart: Heart, heard_s: float | None) -> str | None:
    """Why the heart is lost; None if it is not, or has ended as it should."""
    since = "" if heard_s is None else f", last heard {heard_s:.0f} s ago"
    if heart is Heart.GONE and told.data is not StoreKind.REPLAY:
        return f"heart-gone: the collecting process is gone{since}"
    if heart is Heart.STALE:
        return f"heart-stale: the collecting process is silent{since}"
    return None


def _troubles(told: Status) -> list[str]:
    if told.heart is not None and not told.heart.is_running and told.data is not StoreKind.REPLAY:
        return ["the collecting process has ended: figures stand still"]
    return [f"{feed.venue} {feed.channel.value}: {feed.state.value}" for feed in told.feeds if feed.state not in _WELL]

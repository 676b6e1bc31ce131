"""What stands between a position and the market: the stop at the exchange, and how sure of it we are."""

import enum
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from perpscope.execution.phases import Phase
from perpscope.execution.tracked import Tracked
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role


class Cover(enum.Enum):
    """How sure a protective stop is."""

    NONE = "none"  #: there is none, or it was refused, cancelled, or is over
    SENT = "sent"  #: it is on its way, or nobody knows
    CONFIRMED = "confirmed"  #: the exchange has said that it stands
    TRIGGERED = "triggered"  #: its condition was met: it is being filled


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """The surest stop of a run."""

    cover: Cover
    order: str = ""  #: its id
    side: Side | None = None  #: of the stop: SELL protects a long
    trigger: Decimal | None = None  #: mark, quote per base
    since: float = 0.0  #: real seconds (`time.monotonic`), from when on it is so


NAKED: Final = Protection(cover=Cover.NONE)

_COVERS: Final = {Phase.WORKING: Cover.CONFIRMED, Phase.TRIGGERED: Cover.TRIGGERED}
_SUREST: Final = (Cover.TRIGGERED, Cover.CONFIRMED, Cover.SENT)


def surest(orders: Iterable[Tracked]) -> Protection:
    """The surest protective stop among orders; of several alike, the newest."""
    stops = [
        Protection(
            cover=_COVERS.get(one.phase, Cover.SENT),
            order=one.request.id,
            side=one.request.side,
            trigger=one.request.price,
            since=one.since,
        )
        for one in orders
        if one.request.role is Role.PROTECT and one.request.kind is OrderKind.STOP and one.phase is not Phase.OVER
    ]
    return min(reversed(stops), key=lambda stop: _SUREST.index(stop.cover), default=NAKED)

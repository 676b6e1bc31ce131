"""What a heart asks of whoever trades on what it collects. Nothing here does anything, or imports anything heavy."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from perpscope.feeds.live import LiveFeed
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent
from perpscope.model.order import Arrival
from perpscope.ports import Http, Venue


class Trading(Protocol):
    """What trades on what is collected: a part of the heart, where somebody gives it one. A `Sink` of the engine."""

    @property
    def recording(self) -> Path:
        """Where raw frames are kept: a run is always recorded."""
        ...

    @property
    def is_ready(self) -> asyncio.Event:
        """Set once it trades."""
        ...

    async def begin(self, venue: Venue, http: Http, instruments: Sequence[Instrument], feed: LiveFeed) -> None:
        """Be ready before the venue's sockets are opened.

        Raises:
            PerpscopeError: it cannot trade; nothing is collected then.
        """
        ...

    def accept(self, event: MarketEvent) -> None:
        """Take one event of the engine's."""
        ...

    def process(self, event: Arrival) -> None:
        """Take one event of the feed's, once the engine has."""
        ...

    def tick(self, now_ns: int) -> None:
        """At each Tick (ns UTC, market time), after everybody else. Never waits."""
        ...

    @property
    def is_sending(self) -> bool:
        """An order was just made and is not on the wire yet: whatever can wait stands back."""
        ...

    async def sent(self) -> None:
        """Return when it is, or after some milliseconds; at once where nothing is to be sent, or where it ends."""
        ...

    async def leave(self) -> None:
        """End in order, while the feed still runs."""
        ...

"""Mark price, index and funding of one connection, put together.

OKX publishes the three on channels of their own; a `MarkPrice` carries what this connection was told last of each.
Nothing is told of an instrument before its mark price is known. A mark price or a funding rate makes an event; an
index, ten times a second, is part of the next one (a mark price comes at least every 10 s).
"""

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarketEvent, MarkPrice


class Funding(msgspec.Struct, frozen=True, gc=False):
    """What is due at the settlement ahead."""

    rate: float | None  #: fraction per interval
    ts_next: int  #: ns UTC
    interval_h: float | None  #: hours


class _Outlook(msgspec.Struct):
    mark: float | None = None  #: quote per base
    index: float | None = None  #: quote per base
    funding: Funding | None = None


class Marking:
    """What was told so far, instrument by instrument."""

    def __init__(self) -> None:
        self._outlooks: dict[InstrumentId, _Outlook] = {}

    def mark(self, instrument: InstrumentId, mark: float, ts_event: int, ts_recv: int) -> list[MarketEvent]:
        """Take a mark price of `ts_event` (ns UTC)."""
        self._of(instrument).mark = mark
        return self._told(instrument, ts_event, ts_recv)

    def index(self, instrument: InstrumentId, index: float) -> None:
        """Take an index price."""
        self._of(instrument).index = index

    def funding(
        self, instrument: InstrumentId, funding: Funding, ts_event: int | None, ts_recv: int
    ) -> list[MarketEvent]:
        """Take a funding rate of `ts_event` (ns UTC); without a time it is part of the next event."""
        self._of(instrument).funding = funding
        return [] if ts_event is None else self._told(instrument, ts_event, ts_recv)

    def has(self, instrument: InstrumentId) -> bool:
        """True once the mark price is known."""
        outlook = self._outlooks.get(instrument)
        return outlook is not None and outlook.mark is not None

    def _of(self, instrument: InstrumentId) -> _Outlook:
        return self._outlooks.setdefault(instrument, _Outlook())

    def _told(self, instrument: InstrumentId, ts_event: int, ts_recv: int) -> list[MarketEvent]:
        outlook = self._of(instrument)
        if outlook.mark is None:
            return []
        mark, index, due = outlook.mark, outlook.index, outlook.funding
        if due is None:
            return [MarkPrice(instrument, ts_event, ts_recv, mark, index, None, None)]
        return [MarkPrice(instrument, ts_event, ts_recv, mark, index, due.rate, due.ts_next, due.interval_h)]

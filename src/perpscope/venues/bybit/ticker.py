"""A ticker that comes in pieces: what one connection has seen of it, and the events each piece makes.

In: `tickers.<symbol>` messages, a snapshot and then what changed. Out: a `MarkPrice` when the mark, the index or the
funding was in the message and a mark price is known; an `OpenInterest` when the open interest was in it.

`openInterest` is both sides summed and `singleOpenInterest`, since 2026-06-11, is one. On a connection that has not
seen the latter (older recordings) the former is halved; on one that has, the former says nothing more.
"""

from msgspec import UNSET, UnsetType

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarketEvent, MarkPrice, OpenInterest
from perpscope.venues.bybit.wire import MS, Empty, Ticker, TickerFields


class TickerState:
    """What is known of one instrument's ticker."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known = TickerFields()

    def take(self, message: Ticker, instrument: InstrumentId, ts_recv: int) -> list[MarketEvent]:
        """Events of one message; none if it brought nothing we listen to."""
        new = message.data
        if message.type == "snapshot":
            self._known = new
        is_priced = self._learn_prices(new)
        is_counted = self._learn_open_interest(new)
        ts = message.ts * MS
        events: list[MarketEvent] = []
        if is_priced and (mark := self._mark_price(instrument, ts, ts_recv)) is not None:
            events.append(mark)
        if is_counted and (held := self._open_interest(new, instrument, ts, ts_recv)) is not None:
            events.append(held)
        return events

    def _learn_prices(self, new: TickerFields) -> bool:
        """Take over mark, index and funding; True if any was there."""
        known, is_any = self._known, False
        if new.markPrice is not UNSET:
            known.markPrice, is_any = new.markPrice, True
        if new.indexPrice is not UNSET:
            known.indexPrice, is_any = new.indexPrice, True
        if new.fundingRate is not UNSET:
            known.fundingRate, is_any = new.fundingRate, True
        if new.nextFundingTime is not UNSET:
            known.nextFundingTime, is_any = new.nextFundingTime, True
        if new.fundingIntervalHour is not UNSET:
            known.fundingIntervalHour, is_any = new.fundingIntervalHour, True
        return is_any

    def _learn_open_interest(self, new: TickerFields) -> bool:
        """Take over open interest and its value; True if the former was there: the latter moves with the price."""
        known = self._known
        if new.openInterestValue is not UNSET:
            known.openInterestValue = new.openInterestValue
        if new.singleOpenInterestValue is not UNSET:
            known.singleOpenInterestValue = new.singleOpenInterestValue
        if new.singleOpenInterest is not UNSET:
            known.singleOpenInterest = new.singleOpenInterest
            return True
        return new.openInterest is not UNSET

    def _mark_price(self, instrument: InstrumentId, ts: int, ts_recv: int) -> MarkPrice | None:
        known = self._known
        mark, index, rate = told(known.markPrice), told(known.indexPrice), told(known.fundingRate)
        if not mark:
            return None
        due, interval_h = told(known.nextFundingTime), told(known.fundingIntervalHour)
        ts_next = int(due) * MS if due else None
        return MarkPrice(instrument, ts, ts_recv, mark, index or None, rate, ts_next, interval_h)

    def _open_interest(self, new: TickerFields, instrument: InstrumentId, ts: int, ts_recv: int) -> OpenInterest | None:
        one_side = told(self._known.singleOpenInterest)
        if one_side is not None:
            if told(new.singleOpenInterest) is None:
                return None
            return OpenInterest(instrument, ts, ts_recv, one_side, told(self._known.singleOpenInterestValue))
        both_sides, value = told(new.openInterest), told(self._known.openInterestValue)
        if both_sides is None:
            return None
        return OpenInterest(instrument, ts, ts_recv, both_sides / 2.0, None if value is None else value / 2.0)


def told(value: float | Empty | UnsetType) -> float | None:
    """A number, where there is one."""
    return None if value is UNSET or value == "" else value

"""What a desk begins with: the closed candles before its first event, from a store that is fresh, else from the venue.

Numba's loops are compiled and walked through once here too, before any socket is open: a compiler in the middle of a
market would hold up the feed.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import structlog

from perpscope.app.desks import compiled_elsewhere, one_of_each
from perpscope.app.trade.pages import held, money
from perpscope.app.trade.setup import RunSetup, trader_of
from perpscope.errors import PerpscopeError, VenueError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, Interval
from perpscope.model.stream import Channel, Urgency
from perpscope.ports import Historic, Http, Series, Stretch, Venue
from perpscope.settings import Settings
from perpscope.stores import pages
from perpscope.trading.strategy import Strategy

#: Closed candles a desk begins with.
BEFORE: Final = 480
_MINUTE_NS: Final = 60_000_000_000
#: A store whose newest candle closed longer ago than this is asked no further (chosen by hand).
_FRESH_NS: Final = 2 * _MINUTE_NS
_CANDLES: Final = Series(Channel.CANDLES_1M)
#: Calls for candles: a venue gives at least a hundred in one.
_MOST_CALLS: Final = 8
#: Real seconds that compiling may take without a word.
_PATIENCE_S: Final = 4.0

_log = structlog.get_logger()


async def candles_before(
    venue: Venue, http: Http, instrument: Instrument, store: Path, now_ns: int, count: int = BEFORE
) -> list[Candle]:
    """The closed one-minute candles before a moment, oldest first; fewer where nobody has more.

    Args:
        venue: whose.
        http: how it is asked.
        instrument: of which.
        store: a heart may have kept them; need not be there.
        now_ns: ns UTC.
        count: so many at most.
    """
    kept = _stored(instrument, store, now_ns, count)
    if len(kept) == count and now_ns - kept[-1].ts_event < _FRESH_NS and _is_whole(kept):
        return kept
    try:
        return await _asked(venue, http, instrument, now_ns, count)
    except VenueError as error:
        _log.warning("no candles of the past", instrument=instrument.id, error=error.message)
        return kept if kept and _is_whole(kept) else []


def warmed(setup: RunSetup, strategy: Strategy) -> None:
    """Walk a desk of this run through an event of every kind, and read it: what is compiled is loaded by then."""
    trader, desk = trader_of(setup, strategy, lambda _: None)
    for event in one_of_each(setup.instrument.id):
        trader.process(event)
    held(trader, desk, None)
    money(desk)


def compiled(named: str, settings: Settings, announce: Callable[[str], None] = lambda _: None) -> None:
    """See to it that a strategy's loops are compiled and kept, by another process. Blocks, minutes the first time."""
    told = threading.Timer(_PATIENCE_S, announce, [f"compiling {named}: minutes the first time, nothing afterwards"])
    told.start()
    try:
        compiled_elsewhere(named, settings)
    finally:
        told.cancel()


def _stored(instrument: Instrument, store: Path, now_ns: int, count: int) -> list[Candle]:
    """What a store has of it, oldest first."""
    if not store.is_file():
        return []
    try:
        found = pages.candles(store, instrument.venue, instrument.symbol, Interval.M1, 0, now_ns, count)
    except PerpscopeError as error:
        _log.warning("no candles of the store", store=str(store), error=error.message)
        return []
    return [candle for candle in reversed(found) if candle.is_closed and candle.ts_event <= now_ns]


async def _asked(venue: Venue, http: Http, instrument: Instrument, now_ns: int, count: int) -> list[Candle]:
    """What the venue tells of its past, oldest first.

    Raises:
        VenueError: it does not answer.
    """
    if not isinstance(venue, Historic) or _CANDLES not in venue.series:
        return []
    ts_to = now_ns // _MINUTE_NS * _MINUTE_NS
    rest: Stretch | None = Stretch(ts_to - count * _MINUTE_NS, ts_to)
    found: dict[int, Candle] = {}
    for _ in range(_MOST_CALLS):
        if rest is None:
            break
        request = venue.past_request(_CANDLES, instrument, rest)
        body = await http.get(msgspec.structs.replace(request, urgency=Urgency.DATA))
        past = venue.past(_CANDLES, body, instrument, rest, now_ns)
        found |= {one.ts_open: one for one in past.events if isinstance(one, Candle) and one.is_closed}
        rest = past.rest
    return [found[at] for at in sorted(found) if at < ts_to]


def _is_whole(candles: Sequence[Candle]) -> bool:
    """Each begins where the one before it ended."""
    return all(later.ts_open - earlier.ts_open == _MINUTE_NS for earlier, later in pairwise(candles))

"""What the heart tells its faces: events as they happen, the market as it stands, its status, maps made anew.

In: what the engine passes on, and its market at each Tick. Out: messages on a bus. A bus that fails costs its messages
and a word to people, never the heart anything; without a bus nothing is told and nothing is kept.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec
import structlog

from perpscope.app.connections import Links
from perpscope.app.status import Status, brought_up_to_date
from perpscope.app.status_reading import StatusReading
from perpscope.engine.state import InstrumentState, MarketState
from perpscope.model.bulletin import BusHealth, MapNews, MarketLine, Topic
from perpscope.model.market import Candle, Gap, Interval, Liquidation, MarketEvent, OpenInterest
from perpscope.model.order import Signal
from perpscope.ports import Publisher
from perpscope.stores.status import FeedStatus, HeartStatus

#: Real seconds between two messages of events, two looks at the market, two words of the status, at least (by hand).
EVENTS_EVERY_S: Final = 0.05
MARKET_EVERY_S: Final = 0.2
STATUS_EVERY_S: Final = 0.95  # a Tick comes each second: it must not be missed by a little
#: Events in one message at most.
_MOST_EVENTS: Final = 2_000
#: Real seconds that the last messages may take to leave.
_CLOSING_S: Final = 1.0
_TOLD: Final = frozenset({Liquidation, OpenInterest, Candle, Gap})
_NOBODY: Final = BusHealth(is_connected=False, why="there is no bus")
_log = structlog.get_logger()


class Telling:
    """One heart's voice; a sink of its engine.

    Args:
        publisher: the bus; None = there is none.
        reading: of the store's status.
        announce: told what a person should know, one line at a time.
        monotonic: real seconds from any origin.
    """

    def __init__(
        self,
        publisher: Publisher | None,
        reading: StatusReading,
        announce: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._reading = reading
        self._announce = announce
        self._monotonic = monotonic
        self._encode = msgspec.msgpack.Encoder().encode
        self._encode_json = msgspec.json.Encoder().encode
        self._events: list[MarketEvent] = []
        self._flushing: asyncio.TimerHandle | None = None
        self._lines: dict[str, int] = {}  # instrument → what had come of it when it was told last
        self._told_at = self._market_at = self._status_at = float("-inf")
        self._last: tuple[Collection[FeedStatus], HeartStatus] | None = None
        self._links = Links()
        self._is_well = True
        self._has_failed = False

    def accept(self, event: MarketEvent) -> None:
        """Keep what is to be told, until the batch is over."""
        if type(event) in _TOLD and self._publisher is not None:
            self._events.append(event)

    def batch_over(self) -> None:
        """Tell what has happened, now or when the last message is old enough."""
        if not self._events or self._flushing is not None:
            return
        wait_s = self._told_at + EVENTS_EVERY_S - self._monotonic()
        if wait_s <= 0.0:
            self._tell_events()
        else:
            self._flushing = asyncio.get_running_loop().call_later(wait_s, self._tell_events)

    def tick(
        self,
        market: MarketState,
        feeds: Collection[FeedStatus],
        heart: HeartStatus,
        joined: Callable[[], Links] = Links,
    ) -> None:
        """At each Tick, with what the heart has just judged, and how it is connected. Never waits."""
        if self._publisher is None:
            return
        now = self._monotonic()
        if now - self._market_at >= MARKET_EVERY_S:
            self._market_at = now
            self._tell_market(market, heart.ts_market)
        self._last = feeds, heart
        self._reading.look()
        if self._reading.latest is not None and now - self._status_at >= STATUS_EVERY_S:
            self._status_at = now
            self._links = joined()
            self._tell_status()
            self._tell_trouble()

    def map_made(self, news: MapNews) -> None:
        """A map was brought up to date."""
        self._publish(Topic.MAPS, self._encode(news), news.name)

    def signals(self, signals: Sequence[Signal]) -> None:
        """What strategies and models have just thought."""
        self._publish(Topic.SIGNALS, self._encode(signals), None)

    def health(self) -> BusHealth:
        """How the bus is doing."""
        return _NOBODY if self._publisher is None else self._publisher.health()

    async def aclose(self) -> None:
        """The last events, and that the heart has ended; then the bus is let go."""
        publisher = self._publisher
        if publisher is None:
            return
        if self._events:
            self._tell_events()
        if self._last is not None:
            feeds, heart = self._last
            self._last = feeds, msgspec.structs.replace(heart, is_running=False)
            self._tell_status()
        self._publisher = None
        self._events.clear()
        if self._flushing is not None:
            self._flushing.cancel()
        self._reading.close()
        try:
            await asyncio.wait_for(publisher.aclose(), _CLOSING_S)
        except Exception as error:  # the heart ends whatever its bus does
            _log.warning("the bus did not close", why=f"{type(error).__name__}: {error}")

    def _tell_events(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._told_at = self._monotonic()
        events, self._events = self._events, []
        for at in range(0, len(events), _MOST_EVENTS):
            self._publish(Topic.EVENTS, self._encode(events[at : at + _MOST_EVENTS]), None)

    def _tell_market(self, market: MarketState, ts_market: int) -> None:
        """A line for each instrument of which something has come since the last."""
        for state in market:
            seen = state.seen
            count = seen.trades.count + seen.mark_prices.count + seen.open_interest.count
            count += seen.candles[Interval.M1].count
            if self._lines.get(state.instrument) != count:
                self._lines[state.instrument] = count
                candle = market.candles.current(state.instrument, Interval.M1)
                line = self._encode(market_line(state, candle, ts_market))
                self._publish(Topic.MARKET, line, state.instrument)

    def _tell_status(self) -> None:
        status = self._status()
        if status is not None:
            self._publish(Topic.STATUS, self._encode_json(status), "heart")

    def _status(self) -> Status | None:
        """The heart's own words over what was read of its store; None before the first reading."""
        read = self._reading.latest
        if read is None or self._last is None:
            return None
        return brought_up_to_date(read, *self._last, self.health(), self._links)

    def _tell_trouble(self) -> None:
        """Say once that faces are not reached, and once that they are again."""
        health = self.health()
        if health.is_connected != self._is_well:
            self._is_well = health.is_connected
            why = f": {health.why}" if health.why else ""
            self._announce("faces are told again" if self._is_well else f"faces are not told anything{why}")

    def _publish(self, topic: Topic, payload: bytes, key: str | None) -> None:
        if self._publisher is None:
            return
        try:
            self._publisher.publish(topic.value, payload, key=key)
        except Exception:  # a bus must not raise; the heart does not fall with one that does
            _log.exception("the bus failed", topic=topic.value)
            if not self._has_failed:
                self._has_failed = True
                self._announce("faces are not told anything: the bus failed, see the log")


def market_line(state: InstrumentState, candle: Candle | None, ts_market: int) -> MarketLine:
    """One instrument as it stands at `ts_market` (ns UTC), with its one-minute candle."""
    mark, interest, trade = state.last_mark, state.last_open_interest, state.last_trade
    return MarketLine(
        instrument=state.instrument,
        ts_market=ts_market,
        mark=None if mark is None else mark.mark,
        index=None if mark is None else mark.index,
        last=None if trade is None else trade.price,
        funding_rate=None if mark is None else mark.funding_rate,
        funding_interval_h=None if mark is None else mark.funding_interval_h,
        ts_next_funding=None if mark is None else mark.ts_next_funding,
        open_interest=None if interest is None else interest.open_interest,
        open_interest_usd=None if interest is None else interest.open_interest_usd,
        candle=candle,
    )

"""Inference beside the feed's path: a closed one-minute candle goes in, and at a later Tick a `Forecast` comes out.

On the event loop a row of what is known is put together and queued; features and model run in a lane of their own. The
queue is bounded: when it is full the oldest minute is let go and counted. A lane that hangs costs the minute it hangs
on. Each instrument's candle is thought about once; one that came more than three seconds late is told, and marked.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from perpscope.app.inference.told import Told
from perpscope.app.kept_code import keep_compiled
from perpscope.app.lane import InTurn, Job, Lane
from perpscope.engine.state import MarketState
from perpscope.errors import PerpscopeError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import AccountRatio, Candle, FundingPaid, Interval, Liquidation, MarketEvent
from perpscope.model.order import Clusters
from perpscope.settings import Inference as InferenceSettings

if TYPE_CHECKING:
    from perpscope.app.inference.thinking import Thinking
    from perpscope.app.inference.watching import Watch

_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _NS
#: A candle that comes later is told, and not traded (METHOD 11).
LATE_NS: Final = 3 * _NS
#: A candle waits as long for bitcoin's of the same minute, market seconds.
_LEAD_NS: Final = 2 * _NS
#: Minutes of all instruments that wait for the lane at most.
CAPACITY: Final = 256
#: Real seconds after which a lane counts as hung; the first minute of an instrument reads its past.
HUNG_S: Final = 120.0
LEAD: Final = "BTC"
_TOLD: Final = (Liquidation, AccountRatio, FundingPaid, Clusters)


class Counts(msgspec.Struct, kw_only=True):
    """What became of closed candles."""

    closed: int = 0  #: taken
    repeated: int = 0  #: of a minute that was thought about already, or older
    late: int = 0
    made: int = 0  #: opinions
    by_instrument: dict[str, int] = msgspec.field(default_factory=Counter)  #: opinions
    slowest_ms: float = 0.0  #: real milliseconds in the lane, the past apart
    newest_ms: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=2_000))


class Inference:
    """See above; everything but the lane's work is called on the event loop.

    Args:
        settings: `[inference]`.
        store: written by this process; an instrument's past is read from it.
        announce: told what a person should know, one line at a time.
        make: makes what thinks, in the lane; None = by the settings.
        lane: where it is thought; None = a thread of its own.
    """

    def __init__(
        self,
        settings: InferenceSettings,
        store: Path,
        announce: Callable[[str], None] = lambda _: None,
        make: "Callable[[], Thinking] | None" = None,
        lane: "InTurn[Told | str | None] | None" = None,
    ) -> None:
        self.counts = Counts()
        self._settings = settings
        self._store = store
        self._announce = announce
        self._make = make
        threaded: Lane[Told | str | None] = Lane("inference", CAPACITY, HUNG_S)
        self._lane = threaded if lane is None else lane
        self._hung = 0
        self._thinking: Thinking | None = None
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._watches: dict[InstrumentId, Watch] = {}
        self._leads: dict[str, Instrument] = {}  # by venue and quote
        self._lead_closes: dict[InstrumentId, tuple[int, float]] = {}
        self._newest: dict[InstrumentId, int] = {}
        self._waiting: list[Candle] = []
        self._said: set[str] = set()

    @property
    def instruments(self) -> Collection[InstrumentId]:
        """Those that are thought about."""
        return self._watches.keys()

    @property
    def dropped(self) -> int:
        """Minutes let go because too many waited."""
        return self._lane.dropped

    @property
    def hung(self) -> Sequence[str]:
        """Instruments whose minute never came back."""
        return self._lane.hung

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is thought about just now."""
        return self._lane.is_idle and not self._waiting

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Learn of contracts that are listened to; those of the coins that are wanted are thought about."""
        if not self._settings.enabled:
            return
        from perpscope.app.inference.watching import Watch  # noqa: PLC0415 -- numpy

        wanted = {name.upper() for name in self._settings.symbols}
        for instrument in instruments:
            if instrument.asset == LEAD and instrument.is_perpetual:
                self._leads.setdefault(instrument.venue, instrument)
            names = {instrument.asset.upper(), instrument.symbol.upper(), instrument.id.upper()}
            if names & wanted and instrument.id not in self._watches:
                self._instruments[instrument.id] = instrument
                self._watches[instrument.id] = Watch()

    def accept(self, event: MarketEvent | Clusters) -> None:
        """Take what is not in the market's state; a sink of the engine."""
        if type(event) in _TOLD:
            watch = self._watches.get(event.instrument)  # type: ignore[union-attr]  # all of these have one
            if watch is not None:
                watch.told(event)

    def closed(self, candle: Candle) -> None:
        """A one-minute candle has closed: once for each instrument and minute."""
        if candle.interval is not Interval.M1:
            return
        if candle.instrument in {lead.id for lead in self._leads.values()}:
            self._lead_closes[candle.instrument] = (candle.ts_open, candle.close)
        if candle.instrument not in self._watches:
            return
        if candle.ts_open <= self._newest.get(candle.instrument, 0):
            self.counts.repeated += 1
            return
        self._newest[candle.instrument] = candle.ts_open
        self.counts.closed += 1
        self._waiting.append(candle)

    def tick(self, now: int, market: MarketState) -> list[Told]:
        """At each Tick (ns UTC, market time), after its events: what was thought since the last. Never waits."""
        waiting, self._waiting = self._waiting, []
        for candle in waiting:
            self._queue(candle, now)
        for instrument, watch in self._watches.items():
            state = market.get(instrument)
            if state is not None:
                watch.second(now, state)
        return self._fetched(now)

    def close(self) -> None:
        """Let go of the lane; what waits is not thought about."""
        self._lane.close()

    def _queue(self, candle: Candle, now: int) -> None:
        """Hand a minute to the lane, or wait a little for bitcoin's."""
        instrument = self._instruments[candle.instrument]
        lead = self._leads.get(instrument.venue)
        lead_close = None
        if lead is not None and lead.id != instrument.id:
            at, close = self._lead_closes.get(lead.id, (0, 0.0))
            if at == candle.ts_open:
                lead_close = close
            elif now - candle.ts_recv < _LEAD_NS:
                self._waiting.append(candle)
                return
        minute = self._watches[candle.instrument].minute(candle, lead_close)
        is_late = candle.ts_recv - (candle.ts_open + _MINUTE_NS) > LATE_NS
        self.counts.late += is_late
        other = None if lead is None or lead.id == instrument.id else lead

        def work() -> Told | str | None:
            thinking = self._thought_by()
            if isinstance(thinking, str):
                return thinking
            began = time.perf_counter()
            return thinking.think(instrument, other, minute, now, is_late=is_late, began=began)

        self._lane.put(Job(candle.instrument, work))

    def _thought_by(self) -> "Thinking | str":
        """What thinks, made in the lane when first wanted; why there is none."""
        if self._thinking is None:
            keep_compiled()
            from perpscope.app.inference.thinking import Thinking  # noqa: PLC0415 -- numba

            try:
                self._thinking = Thinking(self._settings, self._store) if self._make is None else self._make()
            except PerpscopeError as error:
                return f"nothing is forecast: {error.message}"
        return self._thinking

    def _fetched(self, now: int) -> list[Told]:
        """What the lane has made, to be used from now on; its troubles are told once each."""
        made: list[Told] = []
        for one in self._lane.results():
            if isinstance(one, str):
                self._say(one)
            elif one is not None:
                took = one.values["compute_ms"]
                self.counts.made += 1
                name = one.forecast.instrument
                self.counts.by_instrument[name] = self.counts.by_instrument.get(name, 0) + 1
                self.counts.slowest_ms = max(self.counts.slowest_ms, took)
                self.counts.newest_ms.append(took)
                made.append(replace(one, forecast=replace(one.forecast, ts_recv=now)))
        if len(self._lane.hung) > self._hung:
            self._hung = len(self._lane.hung)
            self._thinking = None
            self._say(f"a forecast of {self._lane.hung[-1]} hangs: it is left to itself, the next ones go on")
        return made

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._announce(line)

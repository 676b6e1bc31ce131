"""The seeded market: several symbols, one order of events, the same for the same seed whatever the pacing.

In: how far market time has come. Out: everything that happened, in time order and at engine grain: every book change,
every trade, every liquidation. What a venue's wire makes of it (diffs each 100 ms, one liquidation a second) is its
teller's business. It is a toy for demos and tests: whoever shows it says that the data is not real.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.crowd_past import CrowdPast
from perpscope.lab.crowd_pit import CrowdPit
from perpscope.lab.dialect import Dialect, dialect
from perpscope.lab.happening import Happening
from perpscope.lab.holdings import Holdings
from perpscope.lab.listing import Listing
from perpscope.lab.pit import NS_PER_S, Pit
from perpscope.lab.prehistory import Prehistory
from perpscope.lab.symbols import Contract, contracts
from perpscope.model.market import Candle, Interval, MarkPrice

_HOUR_NS = 3600 * NS_PER_S
_MARKET_VOLATILITY_1S = 0.00007  # of the move all symbols share; about 2 % a day
_SHOCK_EVERY_S = 420.0  # a move of the whole market that people notice
_SHOCK_SIZE = 0.0035  # its standard deviation, log return
_INTEREST = 0.0001  # funding per 8 h where perpetual and index agree
_TIMER = -1  # comes before any symbol at the same instant
_PULL = 0.1  # of the distance to the leading market's price, made up for in a second
_LEAD_KEPT_S = 3600  # seconds the leading market remembers its prices for those that follow


class Market:
    """A market made of chance and memory.

    Args:
        seed: the same seed gives the same market.
        ts_start: ns UTC, on a whole second.
        symbols: what is traded, in the venue's names or as bases; all known contracts if empty.
        activity: moments per second at which something happens in each symbol, in a calm market.
        wire: whose names and sizes; Binance's if None.
        leader: another venue's market of the same seed and start, whose prices this one keeps near. It is never
            overtaken: its events must be taken before this one's.
        crowds: people who trade a coin, by base; the other coins are made of chance. All venues share them.

    Raises:
        ConfigError: a symbol is not traded here.
        ValueError: the start is not on a whole second, or a crowd is not where it should be then.
    """

    def __init__(
        self,
        seed: int,
        ts_start: int,
        symbols: tuple[str, ...] = (),
        activity: float = 6.0,
        *,
        wire: Dialect | None = None,
        leader: "Market | None" = None,
        crowds: Mapping[str, Crowd] | None = None,
    ) -> None:
        if ts_start % NS_PER_S:
            raise ValueError(f"ts_start must be on a whole second, was {ts_start}")
        wire = wire or dialect("binance")
        self.ts_start = ts_start
        self._activity = activity
        self._leader = leader
        self._interval_h = wire.funding_interval_h
        self._rng = random.Random(f"{seed}/market")  # noqa: S311 (repeatable chance)
        chosen = contracts(symbols, lambda contract: wire.instrument(contract).symbol)
        self.crowds = crowds or {}  #: people who trade, by base
        self._pits = [self._pit(wire, contract, seed) for contract in chosen]
        self._by_symbol = {pit.listing.symbol: pit for pit in self._pits}
        self._marks: dict[str, MarkPrice] = {}
        self._index_gap = dict.fromkeys(self._by_symbol, 0.0)
        self._led: dict[int, dict[str, float]] = {}  # mid by base, by second
        self.ts_led = ts_start - NS_PER_S  #: ns UTC, the last second that has been told
        self._update_id = 1_000_000
        self._ready: deque[tuple[int, Happening]] = deque()
        self._agenda = [(ts_start, _TIMER)]
        for number, pit in enumerate(self._pits):
            self._update_id += 1
            self._ready.append((ts_start, pit.snapshot(ts_start, self._update_id)))
            self._agenda.append((self._next_arrival_ns(pit), number))
        heapq.heapify(self._agenda)

    def _pit(self, wire: Dialect, contract: Contract, seed: int) -> Pit | CrowdPit:
        listing = wire.listing(wire.instrument(contract))
        own = f"{seed}/{contract.symbol}" if wire.venue == "binance" else f"{seed}/{wire.venue}/{contract.symbol}"
        funding_ns = self._interval_h * _HOUR_NS
        crowd = self.crowds.get(contract.base)
        if crowd is not None:
            if crowd.ts != self.ts_start:
                raise ValueError(f"the crowd of {contract.base} is at {crowd.ts}, the market begins at {self.ts_start}")
            lived = CrowdPast(crowd.past, contract, listing, str(seed), funding_ns)
            return CrowdPit(contract, listing, own, crowd, lived, self._interval_h)
        past = Prehistory(contract, listing, str(seed), self.ts_start, funding_ns)
        return Pit(contract, listing, own, self.ts_start, past, funding_ns)

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        return [pit.listing for pit in self._pits]

    @property
    def ts_oldest(self) -> int:
        """Nothing is known of before; ns UTC."""
        return self._pits[0].past.ts_oldest

    def candles(
        self, symbol: str, interval: Interval, ts_from: int | None = None, ts_to: int | None = None
    ) -> Sequence[Candle]:
        """Those opened in [ts_from, ts_to), or 1500 since the start; oldest first, the forming one last.

        The forming one is as of the newest event.
        """
        pit, ts = self._by_symbol[symbol], self._agenda[0][0]
        if ts_from is None or ts_to is None:
            return pit.candles.history(interval, ts)
        return [*pit.past.candles(interval, ts_from, ts_to), *pit.candles.between(interval, ts, ts_from, ts_to)]

    def mark(self, symbol: str) -> MarkPrice | None:
        """The newest mark price; None before the first."""
        return self._marks.get(symbol)

    def holdings(self, symbol: str) -> Holdings:
        """Open interest, how accounts stand, fundings, reference bars."""
        return self._by_symbol[symbol].holdings

    def lead(self, base: str, ts: int) -> float:
        """The mid at a second that has been told, or the oldest one remembered; quote per base."""
        mids = self._led.get(ts) or next(iter(self._led.values()))
        return mids[base]

    @property
    def ts_next(self) -> int:
        """Nothing happens before, of what has not been told; ns UTC."""
        return self._ready[0][0] if self._ready else self._agenda[0][0]

    def until(self, ts_ns: int) -> int:
        """How far it may go when it is `ts_ns`: not beyond the leading market."""
        return ts_ns if self._leader is None else min(ts_ns, self._leader.ts_led)

    def events(self, until_ns: int) -> Iterator[tuple[int, Happening]]:
        """Everything not told yet that happens up to `until_ns`, with its time, in time order."""
        ready, agenda = self._ready, self._agenda
        until_ns = self.until(until_ns)
        while True:
            while ready:
                yield ready.popleft()
            ts, number = agenda[0]
            if ts > until_ns:
                return
            if number == _TIMER:
                heapq.heapreplace(agenda, (ts + NS_PER_S, _TIMER))
                self._second(ts)
            else:
                pit = self._pits[number]
                events, self._update_id = pit.arrive(ts, self._update_id)
                heapq.heapreplace(agenda, (self._next_arrival_ns(pit), number))
                ready.extend((ts, event) for event in events)

    def _next_arrival_ns(self, pit: Pit | CrowdPit) -> int:
        return pit.next_arrival_ns() if isinstance(pit, CrowdPit) else pit.next_arrival_ns(self._activity)

    def _second(self, ts: int) -> None:
        """What happens on the second: candles close, marks and forming candles come out, the whole market moves."""
        shared = self._rng.gauss(0, _MARKET_VOLATILITY_1S)
        if self._rng.random() < 1 / _SHOCK_EVERY_S:
            shared += self._rng.gauss(0, _SHOCK_SIZE)
        for pit in self._pits:
            if isinstance(pit, Pit):
                self._move(pit, ts, shared)
            if ts % Interval.M1.ns == 0 and ts > self.ts_start:
                self._ready.extend((ts, candle) for candle in pit.candles.close_minute(ts))
            elif ts > self.ts_start:
                self._ready.extend((ts, candle) for candle in pit.candles.forming(ts))
            mark = pit.second(ts, self._activity) if isinstance(pit, CrowdPit) else self._next_mark(pit, ts)
            self._marks[pit.listing.symbol] = mark
            self._ready.append((ts, mark))
            self._ready.append((ts, pit.holdings.second(ts, mark)))
        self._remember(ts)

    def _move(self, pit: Pit, ts: int, shared: float) -> None:
        """The whole market's move, and the leading market's pull."""
        pit.push(pit.contract.beta * shared)
        if self._leader is not None:
            pit.push(_PULL * math.log(self._leader.lead(pit.contract.base, ts) / pit.mid))

    def _remember(self, ts: int) -> None:
        self._led[ts] = {pit.contract.base: pit.mid for pit in self._pits}
        self._led.pop(ts - _LEAD_KEPT_S * NS_PER_S, None)
        self.ts_led = ts

    def _next_mark(self, pit: Pit, ts: int) -> MarkPrice:
        """Index = mid less a slowly wandering gap; mark half way; funding is the gap and the interest, clamped."""
        symbol = pit.listing.symbol
        gap = self._index_gap[symbol] = 0.999 * self._index_gap[symbol] + self._rng.gauss(0, 0.00001)
        index = pit.mid * (1 - gap)
        rate = (gap + max(-0.0005, min(0.0005, _INTEREST - gap))) * self._interval_h / 8
        funding_ns = self._interval_h * _HOUR_NS
        return MarkPrice(
            pit.listing.instrument.id,
            ts,
            ts,
            round((pit.mid + index) / 2, 8),
            round(index, 8),
            round(rate, 8),
            ts - ts % funding_ns + funding_ns,
            float(self._interval_h),
        )


def led(
    wires: Sequence[Dialect],
    seed: int,
    ts_start: int,
    symbols: tuple[str, ...],
    activity: float,
    crowds: Mapping[str, Crowd] | None = None,
) -> list[Market]:
    """A market a venue, of which the first leads the others; arguments and errors as of `Market`."""
    markets: list[Market] = []
    for wire in wires:
        leader = markets[0] if markets else None
        markets.append(Market(seed, ts_start, symbols, activity, wire=wire, leader=leader, crowds=crowds))
    return markets

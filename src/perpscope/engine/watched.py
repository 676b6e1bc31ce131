"""One stream that is listened to: what is usual for it, and how long it may be quiet.

In: how many of its events have been counted, and when the last came. Out: its bound, which follows its own history;
for what is rare by nature its sisters decide (see `sisters`). Sampled, so that an event costs nothing.
"""

import math
from typing import Final

from perpscope.engine.interarrival import InterArrivals
from perpscope.engine.sisters import Sisters
from perpscope.engine.state import MarketState
from perpscope.engine.tally import Seen, Tally
from perpscope.model.instrument import InstrumentId
from perpscope.model.stream import Channel, Stream

#: A stream is silent after so many times the 99th percentile of its inter-arrival times, and after so many seconds.
_FACTOR: Final = 3.0
_QUANTILE: Final = 0.99
FLOOR_S: Final = 5.0
#: With so many, no further apart than this, enough is known of a coin that never rests (chosen by hand).
_DENSE: Final = 10.0
_DENSE_NS: Final = 1_250_000_000
#: Until so many inter-arrival times are known, coins that never rest are held to the floor, the others to this; as are
#: trades, which rest for 6 s on a small venue even of BTC (recorded: Hyperliquid, 2025-01-26).
_NEEDED: Final = 100.0
_NEW_S: Final = 60.0
_RESTLESS: Final = frozenset({"BTC", "ETH"})
#: The past counts for half after so many market seconds (chosen by hand: it has to follow the day).
_HALF_LIFE_S: Final = 21_600.0
#: What a healthy stream would do with less than this chance is not taken for health.
CHANCE: Final = 1e-6
#: A restless coin's liquidations that were never heard: assumed in one of so many of its sisters' minutes (by hand).
_PRIOR: Final = 0.1
#: Market seconds a stream without a clock is given to answer to being subscribed anew (chosen by hand).
_RARE_S: Final = 3_600.0
#: A minute with so many times its usual trades is one in which liquidations are to be expected (chosen by hand).
_LIVELY: Final = 2.0
_SMOOTHING: Final = 1.0 / 60.0  # of the usual trades of a minute
FADE: Final = 0.5 ** (60.0 / _HALF_LIFE_S)


class Watch:
    """One stream of one venue, on however many connections."""

    __slots__ = (
        *("bound_s", "coin", "connections", "count", "is_halted", "is_restless", "is_silent", "seen", "since"),
        *("sisters", "stream", "ts_begun", "ts_last", "usual", "venue"),
        *("_lively", "_minute_count", "_trades", "_trades_count"),
    )

    def __init__(self, venue: str, stream: Stream, ts_begun: int) -> None:
        self.venue = venue
        self.stream = stream
        self.coin = coin_of(stream.instrument)
        self.connections: set[str] = set()  # that carry it; judged only while there are any
        self.seen: tuple[Seen, ...] = ()  # where its events are counted, once its instrument is known
        self.count = self.ts_last = 0  # as of the last Tick
        self.ts_begun = ts_begun  # ns UTC, its first acknowledgement
        self.since = ts_begun  # ns UTC, the acknowledgement since which it has been carried without a break
        self.is_halted = self.is_silent = False
        self.is_restless = self.coin in _RESTLESS and stream.channel is not Channel.TRADES
        self.usual = InterArrivals()
        self.bound_s = _RARE_S  # market seconds
        self.sisters: Sisters | None = None  # of what has no clock of its own
        if stream.channel is Channel.LIQUIDATIONS:
            self.sisters = Sisters(_PRIOR if self.is_restless else None)
        self._minute_count = 0  # events, as of the last minute
        self._trades: Seen | None = None  # of its instrument and venue
        self._trades_count, self._lively = 0, 0.0

    @property
    def ts_from(self) -> int:
        """Ns UTC, its last event, or its acknowledgement."""
        return max(self.ts_last, self.since)

    def resume(self, ts: int, floor_s: float) -> None:
        """It is carried again, from `ts` (ns UTC) on."""
        self.since = ts
        if self.sisters is None:
            self.settle(floor_s)
        else:
            self.sisters.begin()

    def sample(self, market: MarketState, tally: Tally) -> bool:
        """Take over what was counted; True if any event came since the last time."""
        if not self.seen:
            self._find(market, tally)
        count = 0
        for seen in self.seen:
            count += seen.count
        if count == self.count:
            return False
        self.count = count
        self.ts_last = max(seen.ts_last for seen in self.seen)
        return True

    def _find(self, market: MarketState, tally: Tally) -> None:
        instrument = self.stream.instrument
        if instrument is None:
            self.seen = (tally.of(self.venue).liquidations,)
        elif (state := market.get(instrument)) is not None:
            self.seen = state.seen.streamed(self.stream.channel)
            self._trades = state.seen.trades

    # what is busy --------------------------------------------------------------------------------------------------

    def learn(self, before: int, floor_s: float) -> None:
        """Note the time between the last event of an earlier Tick (`before`, ns UTC) and that of this one.

        What comes within a Tick is one arrival: else a burst of a thousand trades would make ten seconds of rest look
        like silence.
        """
        is_new = self.usual.count < _NEEDED
        self.usual.add((self.ts_last - before) / 1e9)
        if is_new:
            self.settle(floor_s)

    def settle(self, floor_s: float) -> None:
        """Learn the bound from what is known so far."""
        if self.usual.count >= _NEEDED:
            self.bound_s = max(floor_s, _FACTOR * self.usual.quantile(_QUANTILE))
        else:
            self.bound_s = max(floor_s, FLOOR_S if self.is_restless else _NEW_S, _FACTOR * self.usual.longest)

    def is_overdue(self, now: int, ts_resumed: int) -> bool:
        """True if it has been quiet for too long at `now`, counted from `ts_resumed` at the earliest (ns UTC)."""
        if now - max(self.ts_last, self.since, ts_resumed) <= self.bound_s * 1e9:
            return False
        return not self._is_sparse(now)

    def _is_sparse(self, now: int) -> bool:
        """True if a word now and then is all there is, as far as is known, and its absence no wonder.

        Of n arrivals in a time T none falls into its last q with chance (1 - q ÷ T)ⁿ, if they come at random.
        """
        count = self.usual.count
        if not count or count >= _NEEDED or self.stream.channel is Channel.MARK_PRICES:
            return False
        watched, quiet = now - self.ts_begun, now - self.ts_from
        is_dense = count >= _DENSE and self.ts_from - self.ts_begun < count * _DENSE_NS
        if self.is_restless and (is_dense or quiet > _NEW_S * 1e9):
            return False
        return count * math.log1p(-quiet / watched) > math.log(CHANCE)

    # what is rare --------------------------------------------------------------------------------------------------

    @property
    def was_loud(self) -> bool:
        """True if it has spoken since the last minute ended."""
        return self.count != self._minute_count

    def end_minute(self, sisters: Sisters, *, others_spoke: bool) -> None:
        """Hold a minute against that of its sisters; much more trade than usual is as good as a sister's word."""
        sisters.minute(spoke=self.was_loud, sisters_spoke=self._is_lively() or others_spoke)
        self._minute_count = self.count

    def _is_lively(self) -> bool:
        if self._trades is None:
            return False
        trades, self._trades_count = self._trades.count - self._trades_count, self._trades.count
        usual = self._lively
        self._lively += _SMOOTHING * (trades - usual)
        return usual > 0.0 and trades > _LIVELY * usual


def coin_of(instrument: InstrumentId | None) -> str | None:
    """What an instrument is about; None for all of them.

    >>> coin_of(InstrumentId("BTC-USDT-PERP.BINANCE"))
    'BTC'
    """
    return None if instrument is None else instrument.partition("-")[0]

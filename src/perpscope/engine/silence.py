"""Streams that are acknowledged and say nothing: told from a quiet market, one by one.

In: what is subscribed, how many events of each stream have been counted, Ticks. Out: streams found silent, since when,
and when they speak again. A busy stream is held to its own history: it is silent after three times the 99th percentile
of the times between its events, and after five market seconds at the least. Liquidations are rare by nature and have
no clock: they are held to their sisters. Everything is sampled at Ticks; an event costs nothing more.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from perpscope.engine.state import MarketState
from perpscope.engine.tally import Tally, venue_of
from perpscope.engine.watched import CHANCE, FADE, FLOOR_S, Watch
from perpscope.model.market import ContractUpdate, Disconnected, Subscribed, Unheard
from perpscope.model.stream import Channel, Stream

_MINUTE_NS: Final = 60_000_000_000
#: In the name of what polls a stream, where that of a socket would be.
_POLLS: Final = "/polls/"
_BUSY: Final = frozenset({Channel.QUOTES, Channel.BOOK, Channel.TRADES, Channel.MARK_PRICES})


class Silent(msgspec.Struct, frozen=True, gc=False):
    """A stream that is listened to and should have spoken."""

    venue: str
    stream: Stream
    ts_from: int  #: ns UTC, `ts_recv` of its last event, or its acknowledgement
    bound_s: float  #: market seconds it may be quiet


class Finding(msgspec.Struct, frozen=True):
    """What one Tick has brought to light of one venue."""

    venue: str
    since: dict[Stream, int]  #: found silent: since when, ns UTC
    is_alarm: bool  #: False for what only belongs to a pause of the whole venue that was told before


class Spoken(msgspec.Struct, frozen=True):
    """Streams of one venue that are silent no longer."""

    venue: str
    until: dict[Stream, int]  #: ns UTC, at or after the first event that came, by less than a Tick


class SilenceWatch:
    """Judges every stream that is listened to.

    Args:
        market: where the events of each instrument are counted.
        tally: where those of whole venues are.
        floor_s: least bound, market seconds; at least five, and more where market time outruns the machine.
    """

    def __init__(self, market: MarketState, tally: Tally, floor_s: float = FLOOR_S) -> None:
        self.alarms: Counter[str] = Counter()  #: by venue
        self._market = market
        self._tally = tally
        self._floor_s = max(floor_s, FLOOR_S)
        self._watches: dict[tuple[str, Stream], Watch] = {}
        self._judged: list[Watch] = []  # those carried, with a clock of their own
        self._heard: dict[str, int] = {}  # venue → ns UTC, its last event of any of these streams
        self._paused: set[str] = set()  # venues that have gone quiet altogether
        self._ts_tick: int | None = None
        self._ts_resumed = 0
        self._minute: int | None = None

    # what is listened to -------------------------------------------------------------------------------------------

    def subscribed(self, event: Subscribed) -> None:
        """These streams are carried from now on; what is polled is judged by whoever polls."""
        if _POLLS in event.connection:
            return
        for stream in event.streams:
            if stream.channel is not Channel.LIQUIDATIONS and (stream.channel not in _BUSY or not stream.instrument):
                continue
            key = (event.venue, stream)
            watch = self._watches.get(key)
            if watch is None:
                watch = self._watches[key] = Watch(event.venue, stream, event.ts_recv)
            if not watch.connections:
                watch.resume(event.ts_recv, self._floor_s)
            watch.connections.add(event.connection)
        self._rejudge()

    def unheard(self, event: Unheard) -> list[Spoken]:
        """A connection goes on without these streams."""
        watches = [watch for stream in event.streams if (watch := self._watches.get((event.venue, stream)))]
        return self._dropped(event.connection, watches, event.ts_recv)

    def disconnected(self, event: Disconnected) -> list[Spoken]:
        """A connection is gone; what nobody carries is missing for that reason from now on."""
        return self._dropped(event.connection, self._watches.values(), event.ts_recv)

    def contract(self, event: ContractUpdate) -> list[Spoken]:
        """A contract that is halted or delisted owes nobody a word; one that trades again does from then on."""
        ended = []
        for channel in (*_BUSY, Channel.LIQUIDATIONS):
            watch = self._watches.get((venue_of(event.instrument), Stream(channel, event.instrument)))
            if watch is None:
                continue
            if watch.is_halted and event.is_trading:
                watch.resume(event.ts_recv, self._floor_s)
            watch.is_halted = not event.is_trading
            if watch.is_halted and watch.is_silent:
                ended.append(watch)
        self._rejudge()
        return self._end(ended, event.ts_recv)

    def _dropped(self, connection: str, watches: Iterable[Watch], ts_recv: int) -> list[Spoken]:
        ended = []
        for watch in watches:
            watch.connections.discard(connection)
            if watch.is_silent and not watch.connections:
                ended.append(watch)
        self._rejudge()
        return self._end(ended, ts_recv)

    def _rejudge(self) -> None:
        self._judged = [w for w in self._watches.values() if w.connections and not w.is_halted]

    # time passes ---------------------------------------------------------------------------------------------------

    @property
    def silent(self) -> list[Silent]:
        """Streams that are silent now."""
        return [Silent(w.venue, w.stream, w.ts_from, w.bound_s) for w in self._judged if w.is_silent]

    def tick(self, now: int) -> tuple[list[Finding], list[Spoken]]:
        """Judge every stream at `now` (ns UTC).

        A Tick that comes late means that the program stood still. What was sent meanwhile may wait in the sockets:
        nobody is judged then, and all have their full time once more.
        """
        if self._ts_tick is not None and (now - self._ts_tick) > self._floor_s * 0.5e9:
            self._ts_resumed = now
        self._ts_tick = now
        spoken: list[Watch] = []
        suspects: dict[str, list[Watch]] = {}
        market, tally, floor_s, ts_resumed = self._market, self._tally, self._floor_s, self._ts_resumed
        for watch in self._judged:
            before = watch.ts_last
            if watch.sample(market, tally):
                if watch.is_silent:
                    spoken.append(watch)
                self._heard[watch.venue] = max(self._heard.get(watch.venue, 0), watch.ts_last)
                self._paused.discard(watch.venue)
                if watch.sisters is None and before >= watch.since and before >= ts_resumed:
                    watch.learn(before, floor_s)
            elif not watch.is_silent and watch.sisters is None and watch.is_overdue(now, ts_resumed):
                suspects.setdefault(watch.venue, []).append(watch)
        self._pass_minutes(now, suspects)
        ended = self._end(spoken, None)
        return [self._found(venue, watches, now) for venue, watches in suspects.items()], ended

    def _found(self, venue: str, watches: list[Watch], now: int) -> Finding:
        """Streams of one venue fell silent. Where all of them did, that is one alarm, however many are found later."""
        is_pause = now - max(self._heard.get(venue, 0), self._ts_resumed) > self._floor_s * 1e9
        is_alarm = not (is_pause and venue in self._paused)
        if is_pause:
            self._paused.add(venue)
        self.alarms[venue] += is_alarm
        for watch in watches:
            watch.is_silent = True
        return Finding(venue, {watch.stream: watch.ts_from for watch in watches}, is_alarm)

    def _end(self, watches: list[Watch], ts_to: int | None) -> list[Spoken]:
        """These are silent no longer: from `ts_to` on, or from when they spoke."""
        until: dict[str, dict[Stream, int]] = {}
        for watch in watches:
            watch.is_silent = False
            until.setdefault(watch.venue, {})[watch.stream] = watch.ts_last if ts_to is None else ts_to
        return [Spoken(venue, streams) for venue, streams in until.items()]

    # what is rare --------------------------------------------------------------------------------------------------

    def _pass_minutes(self, now: int, suspects: dict[str, list[Watch]]) -> None:
        """Once a minute: let the past fade, and hold what is rare to its sisters."""
        minute = now // _MINUTE_NS
        if minute == self._minute:
            return
        self._minute = minute
        rare = [(watch, watch.sisters) for watch in self._judged if watch.sisters is not None]
        for watch in self._judged:
            if watch.sisters is None:
                watch.usual.fade(FADE)
                watch.settle(self._floor_s)
        loud = {(watch.coin, watch.venue) for watch, _ in rare if watch.was_loud}
        for watch, sisters in rare:
            others = {venue for coin, venue in loud if watch.coin in (coin, None)} - {watch.venue}
            watch.end_minute(sisters, others_spoke=bool(others))
            if not watch.is_silent and sisters.chance < CHANCE:
                suspects.setdefault(watch.venue, []).append(watch)

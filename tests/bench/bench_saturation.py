"""Where the path from the sockets to the store saturates: canned frames of many symbols, faster and faster.

The lab saturates before we do; here frames were made beforehand (`paced_blast`). A rate is kept up with while as much
comes as is sent and the last of it is no more than a second old. Judged is what a whole core's time is good for at the
last such rate: machines are shared, and who else runs decides how much of a core we get. `SATURATION_S` sets the
seconds of each rate.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop
from measure import judge
from wire_frames import STAMPED_NS

from perpscope.app.turns import calm_collector
from perpscope.engine.engine import Engine
from perpscope.feeds.clock import MarketClock, wall_ns
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.instrument import Instrument
from perpscope.model.market import Quote, Tick
from perpscope.model.stream import Channel, HttpRequest
from perpscope.settings import Feed
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.venues.binance import VENUE

_SYMBOLS = 600
_RATES = (10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 120_000)
_SECONDS = float(os.environ.get("SATURATION_S", "8"))
_WARM_UP_S = 6.0
_LATE_MS = 1_000.0
#: Chosen by hand: several times what five venues' default symbols say at their recorded peak.
_GOAL = 40_000.0
_CHANNELS = (
    *(Channel.QUOTES, Channel.TRADES, Channel.BOOK),
    *(Channel.CANDLES_1M, Channel.MARK_PRICES, Channel.LIQUIDATIONS),
)


class _Step(msgspec.Struct):
    """One rate."""

    events_per_s: float
    core_share: float
    lags_ms: list[float]  #: in the order they came
    sender_share: float

    def lag_ms(self, share: float) -> float:
        """A quantile."""
        lags = sorted(self.lags_ms)
        return lags[min(len(lags) - 1, int(share * len(lags)))] if lags else 0.0

    def keeps_up(self, rate: float) -> bool:
        """True if what was sent came, and no backlog was left."""
        last = self.lags_ms[-len(self.lags_ms) // 4 :]
        return self.events_per_s > 0.95 * rate and bool(last) and min(last) < _LATE_MS


def saturation() -> bool:
    """Each rate in turn until one is not kept up with."""
    calm_collector()
    what = f"{_SYMBOLS} symbols × {len(_CHANNELS)} streams of canned Binance frames"
    print(f"\n{what} → state → store, {_SECONDS:g} s each rate")
    print("  frames/s sent   events/s   of a core   a whole core   sender   sent → state, ms: p50      p95      p99")
    most = 0.0
    for rate in _RATES:
        step = _at(float(rate))
        lags = "  ".join(f"{step.lag_ms(share):>7,.1f}" for share in (0.5, 0.95, 0.99))
        by_core = step.events_per_s / step.core_share
        print(
            f"  {rate:>13,} {step.events_per_s:>10,.0f} {step.core_share:>11.0%} {by_core:>14,.0f} "
            f"{step.sender_share:>8.0%}            {lags}"
        )
        if not step.keeps_up(rate):
            print(f"  {rate:,} frames a second are not kept up with")
            break
        most = by_core
    return judge("events a second of a whole core", most, _GOAL, at_least=True)


def _at(rate: float) -> _Step:
    instruments = (*(_listed(f"ALT{number}USDT") for number in range(1, _SYMBOLS)), _listed("CLOCKUSDT"))
    plans = tuple(VENUE.plan(instruments, _CHANNELS))
    command = [sys.executable, str(Path(__file__).with_name("paced_blast.py")), str(rate), str(len(plans))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        assert sender.stdin is not None
        url = f"ws://127.0.0.1:{sender.stdout.readline().strip()}"
        with tempfile.TemporaryDirectory() as folder:
            step = uvloop.run(_Reader(instruments, Path(folder)).run(url))
        sender.stdin.close()
        told = sender.stdout.readline()
        step.sender_share = json.loads(told)["core_share"] if told else 0.0
        return step


def _listed(symbol: str) -> Instrument:
    found = VENUE.instrument_named(symbol)
    assert found is not None
    return found


class _Reader:
    """A heart without its catalogue and pollers: feed, engine, store, and a snapshot for every book that wants one."""

    def __init__(self, instruments: tuple[Instrument, ...], folder: Path) -> None:
        self._instruments = instruments
        self._store = SqliteStore.open(folder / "s.db", kind=StoreKind.REPLAY)
        self._store.register(list(instruments))
        self._engine = Engine(sinks=[self._store.sink()], instruments=[one.id for one in instruments])
        self._by_symbol = {one.symbol: one.id for one in instruments}
        self._clocked = _listed("CLOCKUSDT").id

    async def get(self, request: HttpRequest) -> bytes:
        """The copy of a book that fits the deltas it waits with."""
        state = self._engine.market.get(self._by_symbol[dict(request.params)["symbol"]])
        assert state is not None
        told = {"lastUpdateId": state.book._buffer[-1].last_update_id, **dict.fromkeys("ET", STAMPED_NS // 10**6)}
        return json.dumps({**told, "bids": [["80000.0", "1"]], "asks": [["90000.0", "1"]]}).encode()

    async def run(self, url: str) -> _Step:
        """Listen until the seconds are over."""
        clock = MarketClock()
        connector = PicowsConnector(clock, timeout_s=5, max_frame_bytes=1 << 20)
        feed = LiveFeed(clock=clock, connector=connector, settings=Feed(), rng=random.Random(1))
        feed.snapshots_wanted = self._engine.snapshots_wanted
        feed.depth_wanted = self._engine.depth_wanted
        feed.silent_streams = lambda: self._engine.silent_streams
        lead_ns = STAMPED_NS - clock.now_ns()  # or frames of another day would be set aside
        plans = tuple(VENUE.plan(self._instruments, _CHANNELS))
        feed.add(Listening(VENUE, url, self, self._instruments, plans, lead_ns=lead_ns))
        lags: list[float] = []
        events, started, began, first = 0, 0.0, (0.0, 0.0), 0
        process = self._engine.process
        async for batch in feed.batches():
            for event in batch:
                process(event)
                if type(event) is Quote and event.instrument == self._clocked and event.bid_size > 1e6:
                    started = started or time.monotonic()
                    if began[0]:
                        sent_ns = (int(event.bid_size) * 1_000_000 + int(event.ask_size) - 1) * 1_000
                        lags.append((wall_ns() - sent_ns) / 1e6)
                elif type(event) is Tick:
                    self._store.check()
            events += len(batch)
            now = time.monotonic()
            if started and not began[0] and now - started > _WARM_UP_S:
                began, first = (now, time.process_time()), events
            if began[0] and now - began[0] > _SECONDS:
                break
        real_s, busy_s = time.monotonic() - began[0], time.process_time() - began[1]
        readable = sum(state.book.is_readable for state in self._engine.market)
        if readable < len(self._instruments) - 1:
            print(f"  ({readable} of {len(self._instruments)} books readable)")
        self._store.close()
        return _Step((events - first) / real_s, busy_s / real_s, lags, 0.0)

"""Quiet is not silent: the detector over long calm markets, made up and recorded, without sockets.

In: market time as fast as the machine goes. Out, printed with -s: alarms by market day, and how soon a real hole in the
recordings was found.
"""

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from perpscope.engine.engine import Engine
from perpscope.lab.market import Market
from perpscope.lab.rehearsal import START_NS
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookSnapshot,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    Quote,
    Side,
    Subscribed,
    Tick,
    Trade,
)
from perpscope.model.stream import Channel, Stream

pytestmark = pytest.mark.unmeasured

S = 1_000_000_000
_HOUR_NS = 3_600 * S
_JUDGED = (Channel.TRADES, Channel.QUOTES, Channel.MARK_PRICES, Channel.LIQUIDATIONS)


class Watched:
    """An engine that is told of streams, and the silences it found."""

    def __init__(self, streams: list[Stream], ts: int) -> None:
        self.found: list[Gap] = []
        self.engine = Engine(sinks=[self])
        self.engine.process(Subscribed("any", "any/0", tuple(streams), ts))

    def accept(self, event: MarketEvent) -> None:
        """Keep silences as they are found."""
        if isinstance(event, Gap) and event.cause == "silent" and event.ts_to is None:
            self.found.append(event)

    @property
    def alarms(self) -> int:
        """How many were raised."""
        return sum(self.engine.alarms.values())


def quiet_hours(hours: int) -> int:
    """Alarms in two coins that never rest, and two in which something happens every twenty seconds or so."""
    markets = [
        Market(3, START_NS, ("BTC", "ETH"), activity=1.0),
        Market(4, START_NS, ("SOL", "DOGE"), activity=0.05),
    ]
    streams = [Stream(channel, one.instrument.id) for m in markets for one in m.listings for channel in _JUDGED]
    watched = Watched(streams, START_NS)
    for second in range(1, hours * 3_600 + 1):
        now = START_NS + second * S
        for market in markets:
            for _, event in market.events(now):
                if isinstance(event, Trade | Quote | MarkPrice | Liquidation):
                    watched.engine.process(event)
        watched.engine.process(Tick(now))
    counts = watched.engine.counts
    print(f"{hours} market hours, {counts['trade']:,} trades, {counts['quote']:,} quotes: {watched.alarms} alarms")
    for gap in watched.found:
        print(
            f"  {(gap.ts_from - START_NS) / _HOUR_NS:.2f} h: {[(s.channel.value, s.instrument) for s in gap.streams]}"
        )
    return watched.alarms


def test_a_quiet_market_raises_no_alarm() -> None:
    """Two hours of calm. Keeps B5."""
    assert quiet_hours(2) == 0


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_three_quiet_days_raise_fewer_than_one_alarm_a_day() -> None:
    """Three days of calm. Keeps B5."""
    assert quiet_hours(72) < 3


class _Row(msgspec.Struct):
    ts: int  # ms UTC


_decode = msgspec.json.Decoder(_Row).decode


def _times(path: Path) -> list[int]:
    """Ns UTC of every row, in order."""
    with gzip.open(path) as rows:
        return sorted(_decode(row).ts * 1_000_000 for row in rows)


def _recorded(recordings: Path, coins: tuple[str, ...], day: str, kind: str) -> Iterator[tuple[Stream, list[int]]]:
    channel = Channel.TRADES if kind == "trades" else Channel.BOOK
    for coin in coins:
        times = _times(recordings / "books" / f"hyperliquid_{coin}_{day}_{kind}.jsonl.gz")
        yield Stream(channel, InstrumentId(f"{coin.upper()}-USDC-PERP.HYPERLIQUID")), times


def _event(stream: Stream, ts: int) -> MarketEvent:
    assert stream.instrument is not None
    if stream.channel is Channel.TRADES:
        return Trade(stream.instrument, ts, ts, ts, 1.0, 1.0, Side.BUY, True)
    return BookSnapshot(stream.instrument, ts, ts, ts, [(1.0, 1.0)], [(2.0, 1.0)], is_stream=True)


@pytest.mark.parametrize(
    ("coins", "day", "kind", "holes"),
    [
        pytest.param(("btc", "eth"), "20260613", "trades", 1, id="13-trades"),
        pytest.param(("btc", "eth"), "20260612", "trades", 5, id="12-trades", marks=pytest.mark.soak),
        pytest.param(("doge",), "20260614", "l2", 9, id="14-books"),
    ],
)
def test_recorded_days_show_their_holes_and_little_else(
    recordings: Path, coins: tuple[str, ...], day: str, kind: str, holes: int
) -> None:
    """Real Hyperliquid: every time the recorder was away is found, and fewer than one alarm a day besides.

    It was away where all coins are quiet at once for 17 s; the next longest pause is of 13 s. Every three hours or so
    it connected anew, and once it was gone for longer. Keeps B5.
    """
    recorded = dict(_recorded(recordings, coins, day, kind))
    everything = sorted((ts, n) for n, times in enumerate(recorded.values()) for ts in times)
    away = [(a, b) for (a, _), (b, _) in pairwise(everything) if b - a > 17 * S]
    assert len(away) == holes
    streams = list(recorded)
    began = everything[0][0]
    watched = Watched(streams, began)
    tick = began - began % S + S
    for ts, n in everything:
        while tick <= ts:
            watched.engine.process(Tick(tick))
            tick += S
        watched.engine.process(_event(streams[n], ts))
    found = [[g for g in watched.found if a - 60 * S < g.ts_from <= b and a < g.ts_recv <= b] for a, b in away]
    false = [g for g in watched.found if not any(g in gaps for gaps in found)]
    for (a, b), gaps in zip(away, found, strict=True):
        after_s = [(g.ts_recv - a) / S for g in gaps]
        print(f"{day} {kind}: {(b - a) / S:.0f} s away at {(a - began) / _HOUR_NS:.2f} h, found after {after_s} s")
        assert gaps, "an absence was not found"
    print(f"{day} {kind}: {watched.alarms} alarms, {len(false)} of them false")
    assert not false

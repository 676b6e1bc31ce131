"""The map over a history of candles: causal, fed in bars, honest about what it was not told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from math import exp

import msgspec
import numpy as np
import pytest

from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.app.backtest.clusters import ASSUMED_SHARE, clusters, note
from perpscope.app.liqmap.near import BURN_IN_NS
from perpscope.model.market import Candle, Interval, OpenInterest
from perpscope.model.order import Clusters
from perpscope.venues.binance.symbols import instrument_named

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 10**9
INSTRUMENT = instrument_named("BTCUSDT")
assert INSTRUMENT is not None


def history(count: int, minutes: int = 15, seed: int = 1) -> list[Candle]:
    """Candles of a random walk."""
    assert INSTRUMENT is not None
    rng = np.random.default_rng(seed)
    found, at, length = [], 11.0, minutes * MINUTE_NS
    for number in range(count):
        moved = at + 0.003 * float(rng.standard_t(4))
        low, high = min(at, moved) - 0.001, max(at, moved) + 0.001
        opened = START + number * length
        volume = float(rng.gamma(1.0, 500.0))
        found.append(
            Candle(
                instrument=INSTRUMENT.id,
                ts_event=opened + length,
                ts_recv=opened + length + 7,
                interval=Interval.M15,
                ts_open=opened,
                open=exp(at),
                high=exp(high),
                low=exp(low),
                close=exp(moved),
                volume=volume,
                quote_volume=volume * exp(at),
                trades=None,
                taker_buy_volume=None,
                taker_buy_quote_volume=None,
                is_closed=True,
            )
        )
        at = moved
    return found


def told(candles: list[Candle], share: float = 1.0) -> list[OpenInterest]:
    """Open interest an hour apart, from the first candle on."""
    assert INSTRUMENT is not None
    end = int(candles[-1].ts_recv + 1 - START) // 10**9
    times = range(0, int(end * share), 3600)
    return [OpenInterest(INSTRUMENT.id, START + t * 10**9, START + t * 10**9, 90_000.0 + t / 60.0, None) for t in times]


def made(candles: list[Candle], open_interest: list[OpenInterest] | None = None) -> list[Clusters]:
    """All that is told."""
    assert INSTRUMENT is not None
    return list(clusters(candles, INSTRUMENT, open_interest or ()))


@pytest.fixture(scope="module")
def whole() -> list[Clusters]:
    """What is told of 220 candles whose open interest is not."""
    return made(history(220))


def test_it_is_told_once_a_bar_after_it_has_filled(whole: list[Clusters]) -> None:
    """A day of volume, half a day to fill, then each quarter hour when its candle is received."""
    first = START + DAY_NS + BURN_IN_NS
    assert first <= whole[0].ts_recv <= first + 30 * MINUTE_NS
    assert {b.ts_recv - a.ts_recv for a, b in pairwise(whole)} == {15 * MINUTE_NS}
    assert whole[-1].ts_recv == history(220)[-1].ts_recv
    price = history(220)[-1].close
    assert all(-1.0 <= one.pull <= 1.0 for one in whole)
    assert any(one.above_price is not None and one.below_price is not None for one in whole)
    assert whole[-1].above_price is None or whole[-1].above_price > price
    assert whole[-1].below_price is None or whole[-1].below_price < price


@pytest.mark.parametrize("count", [160, 190], ids=str)
def test_what_comes_later_changes_nothing(whole: list[Clusters], count: int) -> None:
    """Made again of a part of the history, or with another future, it is the same to the last bit. Keeps B23."""
    part = made(history(220)[:count])
    assert part
    assert part == whole[: len(part)]
    other = history(220)
    strange = [msgspec.structs.replace(c, high=3 * c.high, low=c.low / 3, volume=9e9) for c in other[count:]]
    assert made(other[:count] + strange)[: len(part)] == part


def test_open_interest_counts_from_when_it_was_received() -> None:
    """Told, it needs no day of volume; what is told later, or never, changes nothing before."""
    candles = history(200)
    full = made(candles, told(candles))
    assert full[0].ts_recv <= START + BURN_IN_NS + 30 * MINUTE_NS
    half = made(candles, told(candles, 0.6))
    same = [a == b for a, b in zip(full, half, strict=False)]
    first = same.index(False)
    assert all(same[:first])
    assert full[first].ts_recv > told(candles, 0.6)[-1].ts_recv


def test_minutes_are_fed_in_bars_of_five() -> None:
    """A market told by the minute gives what it gives in candles of five minutes, told as often."""

    def wide(candles: list[Candle]) -> Iterator[Candle]:
        for at in range(0, len(candles), 5):
            five = candles[at : at + 5]
            yield msgspec.structs.replace(
                five[-1],
                ts_open=five[0].ts_open,
                open=five[0].open,
                high=max(c.high for c in five),
                low=min(c.low for c in five),
                volume=sum(c.volume for c in five),
                quote_volume=sum(c.quote_volume or 0.0 for c in five),
            )

    minutes = history(12 * 60 + 40, 1)
    found = made(minutes, told(minutes))
    assert len(found) == 8
    assert found == made(list(wide(minutes)), told(minutes))


def test_holes_strangers_and_repeats() -> None:
    """A bar whose last minutes never came is told with the next; forming and repeated candles are passed over."""
    minutes = history(12 * 60 + 40, 1)
    found = made(minutes, told(minutes))
    forming = msgspec.structs.replace(minutes[-3], is_closed=False, high=1e9)
    assert made([*minutes[:-3], forming, minutes[-9], *minutes[-3:]], told(minutes)) == found
    holed = minutes[:-8] + minutes[-4:]
    late = made(holed, told(minutes))
    assert len(late) == len(found)
    assert late[:-2] == found[:-2]
    assert late[-2].ts_recv == minutes[-4].ts_recv


def test_without_quote_volume_it_works_too() -> None:
    """Files without it, and candles in which nothing was traded, are taken by their prices."""
    candles = [
        msgspec.structs.replace(c, quote_volume=None, volume=0.0 if n % 7 else c.volume)
        for n, c in enumerate(history(160))
    ]
    assert made(candles)


def test_what_was_assumed_is_said() -> None:
    """A run tells where its map's open interest came from."""
    assert f"{ASSUMED_SHARE:g} of a usual day's volume" in note(is_told=False)
    assert "open interest, as of each moment" in note(is_told=True)

"""Candles in columns: nothing is invented, and all that was done to them is said."""

from math import isnan, nan

import msgspec
import numpy as np
import pytest

from perpscope.app.backtest.bars import Bars, interval_of, joined, ordered
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval

MINUTE = 60_000_000_000
NAME = InstrumentId("BTC-USDT-PERP.BINANCE")


def columns(count: int, price: float = 100.0) -> dict[str, np.ndarray]:
    """Candles of one price."""
    whole = np.full(count, price)
    return {"open": whole, "high": whole + 1.0, "low": whole - 1.0, "close": whole, "volume": np.arange(1.0, count + 1)}


def bars_at(*minutes: int) -> Bars:
    """Candles that begin at these minutes."""
    found, _ = ordered(np.array(minutes, np.int64) * MINUTE, columns(len(minutes)), "f")
    return found


def test_rows_out_of_order_are_sorted_and_said() -> None:
    """A file written backwards gives the same candles in order of time. Keeps B23."""
    found, notes = ordered(np.array([2, 0, 1], np.int64) * MINUTE, columns(3), "f.csv")
    assert found.ts_open.tolist() == [0, MINUTE, 2 * MINUTE]
    assert found.volume.tolist() == [2.0, 3.0, 1.0]
    assert notes == ["f.csv: 1 rows out of order, sorted by time"]


def test_candles_twice_are_dropped_and_counted() -> None:
    """Of two candles of one minute the first of the file is taken. Keeps B23."""
    found, notes = ordered(np.array([0, 1, 1], np.int64) * MINUTE, columns(3), "f.csv")
    assert found.volume.tolist() == [1.0, 2.0]
    assert notes == ["f.csv: 1 candles twice, the first of each taken"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("high", 50.0), ("low", 150.0), ("close", float("nan")), ("low", -1.0), ("volume", -1.0)],
    ids=["high-below", "low-above", "missing", "negative", "negative-volume"],
)
def test_a_candle_that_contradicts_itself_is_left_out(name: str, value: float) -> None:
    """Its price never was, so nothing can be filled at it."""
    told = columns(3)
    told[name] = told[name].copy()
    told[name][1] = value
    found, notes = ordered(np.arange(3, dtype=np.int64) * MINUTE, told, "f")
    assert found.ts_open.tolist() == [0, 2 * MINUTE]
    assert "1 candles contradict themselves" in notes[0]


def test_a_hole_is_a_hole() -> None:
    """Missing minutes lower the share that was seen, and are not filled in. Keeps B23."""
    found = bars_at(0, 1, 2, 6, 7)
    assert found.coverage == pytest.approx(5 / 8)
    assert found.holes == [(3 * MINUTE, 6 * MINUTE)]
    assert bars_at(0, 1, 2).holes == []
    assert bars_at(0).taken(slice(0, 0)).coverage == 0.0


def test_a_stretch_holds_what_lies_wholly_within() -> None:
    """A candle that closes after the end would tell of the time after it."""
    found = bars_at(0, 1, 2, 3)
    assert found.between(MINUTE, 3 * MINUTE).ts_open.tolist() == [MINUTE, 2 * MINUTE]
    assert len(found.between(None, None)) == 4
    assert len(found.between(9 * MINUTE, None)) == 0


def test_overlapping_files_become_one() -> None:
    """Where two files hold the same minute the first is taken."""
    whole, notes = joined([bars_at(0, 1), bars_at(1, 2)], "f")
    assert whole.ts_open.tolist() == [0, MINUTE, 2 * MINUTE]
    assert notes == ["f: 1 candles twice, the first of each taken"]
    alone, notes = joined([bars_at(0, 1)], "f")
    assert (len(alone), notes) == (2, [])


@pytest.mark.parametrize(
    ("minutes", "told", "kind"),
    [
        ((0, 1, 2), 1, Interval.M1),
        ((0, 5, 10), 5, Interval.M1),
        ((0, 15), 15, Interval.M15),
        ((0, 240), 240, Interval.H1),
    ],
    ids=["minute", "five", "quarter", "four-hours"],
)
def test_candles_tell_their_length_by_their_times(minutes: tuple[int, ...], told: int, kind: Interval) -> None:
    """Whatever the interval is called, a candle closes its own length after it opened."""
    first = next(iter(bars_at(*minutes).candles(NAME)))
    assert first.ts_event - first.ts_open == told * MINUTE
    assert (first.interval, first.is_closed, first.taker_buy_volume) == (kind, True, None)


def test_a_lone_candle_counts_as_a_minute() -> None:
    """With nothing to compare, a minute is assumed."""
    assert interval_of(np.array([5], np.int64)) == MINUTE
    assert interval_of(np.array([5, 5], np.int64)) == MINUTE


def test_takers_are_told_where_the_file_tells_them() -> None:
    """The taker's share goes through to the event."""
    found, _ = ordered(np.array([0], np.int64), {**columns(1), "taker_buy": np.array([0.25])}, "f")
    assert next(iter(found.candles(NAME))).taker_buy_volume == 0.25
    some, _ = ordered(
        np.arange(3, dtype=np.int64) * MINUTE, {**columns(3), "taker_buy": np.array([0.25, nan, 0.0])}, "f"
    )
    assert [candle.taker_buy_volume for candle in some.candles(NAME)] == [0.25, None, 0.0]


@pytest.mark.parametrize("count", [0, 1, 512, 1_025], ids=str)
def test_a_candle_says_what_its_row_says(count: int) -> None:
    """Each once, in order, in Python's own numbers; times in ns UTC, received when it closed. Keeps B23."""
    rng = np.random.default_rng(count)
    table = {name: rng.uniform(100.0, 110.0, count) for name in ("open", "close", "volume")}
    bars = Bars(
        ts_open=np.cumsum(rng.integers(1, 3, count)) * MINUTE,
        high=np.maximum(table["open"], table["close"]),
        low=np.minimum(table["open"], table["close"]),
        taker_buy=np.where(rng.random(count) < 0.5, nan, 1.0),
        interval_ns=MINUTE,
        **table,
    )
    told = list(bars.candles(NAME))
    assert len(told) == count
    for at, candle in enumerate(told):
        opened, bought = int(bars.ts_open[at]), float(bars.taker_buy[at])
        assert candle == Candle(
            NAME,
            opened + MINUTE,
            opened + MINUTE,
            Interval.M1,
            opened,
            float(bars.open[at]),
            float(bars.high[at]),
            float(bars.low[at]),
            float(bars.close[at]),
            float(bars.volume[at]),
            None,
            None,
            None if isnan(bought) else bought,
            None,
            is_closed=True,
        )
        assert [type(value) for value in msgspec.structs.astuple(candle)[4:10]] == [int, *[float] * 5]

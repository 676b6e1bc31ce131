"""Rows as a DataFrame: times are times, words are words, what is unknown stays unknown."""

import subprocess
import sys

import msgspec
import pytest

import perpscope
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, Lpi, PositionSide, Sampling

NOON = 1_790_000_000_000_000_000
BTC = InstrumentId("BTC-USDT-PERP.BINANCE")


def liquidation(ts: int, side: PositionSide, size: float, lpi: Lpi | None = None) -> Liquidation:
    """One at 100 dollars."""
    return Liquidation(BTC, ts, ts, side, size, 100.0, None, Completeness.SAMPLED, Sampling.LARGEST_1S, lpi)


def test_liquidations_are_summed_by_the_hour_with_pandas() -> None:
    """A user's own groupby gives the sums a hand would. Keeps S0-47. Keeps S3-28."""
    hour = 3_600_000_000_000
    rows = [
        liquidation(NOON, PositionSide.LONG, 1.0),
        liquidation(NOON + 1, PositionSide.LONG, 2.0),
        liquidation(NOON + hour, PositionSide.SHORT, 4.0),
    ]
    frame = perpscope.to_pandas(rows)
    frame["usd"] = frame["size"] * frame["fill_price"]
    by_hour = frame.groupby([frame.ts_event.dt.floor("h"), "position_side"]).usd.sum()
    assert by_hour.tolist() == [300.0, 400.0]
    assert [side for _, side in by_hour.index] == ["LONG", "SHORT"]
    assert str(frame.ts_event.dt.tz) == "UTC"
    assert frame.ts_event.iloc[0].value == NOON


def test_what_is_unknown_is_missing() -> None:
    """Neither a price nor an index that nobody told becomes a number; a record within gives columns of its own."""
    frame = perpscope.to_pandas(
        [
            liquidation(NOON, PositionSide.LONG, 1.0),
            liquidation(NOON, PositionSide.LONG, 1.0, Lpi(50.0, 3.0, 99.9, 200)),
        ]
    )
    assert frame.bankruptcy_price.isna().all()
    assert frame["lpi.value"].tolist()[1] == 50.0
    assert frame["lpi.value"].isna().tolist() == [True, False]


def test_no_rows_are_an_empty_frame() -> None:
    """Nothing asked for is nothing told, not an error."""
    assert perpscope.to_pandas([]).empty


def test_milliseconds_are_times_too() -> None:
    """`…_ms` fields, which answers have, become timestamps."""

    class Point(msgspec.Struct):
        at_ms: int | None

    frame = perpscope.to_pandas([Point(NOON // 1_000_000), Point(None)])
    assert frame.at_ms.iloc[0].value == NOON
    assert frame.at_ms.isna().tolist() == [False, True]


def test_rows_of_several_kinds_are_refused() -> None:
    """A frame of unlike rows would be full of holes that mean nothing."""
    with pytest.raises(ValueError, match="Liquidation, Lpi"):
        perpscope.to_pandas([liquidation(NOON, PositionSide.LONG, 1.0), Lpi(None, None, None, 0)])


def test_without_pandas_the_way_to_it_is_told() -> None:
    """Pandas is the user's own tool: nothing of ours installs it, and its absence is answered by name."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['pandas'] = None\nimport perpscope\n"
            "try: perpscope.to_pandas([])\nexcept Exception as error: print(error.code, '|', error.hint)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.strip() == "extra-missing | pip install pandas"

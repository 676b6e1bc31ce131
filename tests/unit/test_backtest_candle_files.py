"""Files of candles, funding and marks: known by their columns, whatever keeps them."""

from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
from pyarrow import feather, parquet
from tests.unit.backtest_data import BEGIN_MS, walk, write_csv

from perpscope.app.backtest.candle_files import Holds, is_table, read
from perpscope.errors import DataError

ROWS = walk(5)


def arrow_table() -> pa.Table:
    """The rows, with dates as pandas keeps them."""
    cells = list(zip(*ROWS, strict=True))
    dates = pa.array(np.array(cells[0], "datetime64[ms]").astype("datetime64[ns]"), pa.timestamp("ns", "UTC"))
    names = ("open", "high", "low", "close", "volume")
    return pa.table({"date": dates, **{name: list(cells[at + 1]) for at, name in enumerate(names)}})


def test_feather_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    """One history is one history, however it is kept. Keeps B23."""
    feather.write_feather(arrow_table(), tmp_path / "a.feather")
    parquet.write_table(arrow_table(), tmp_path / "a.parquet")
    write_csv(tmp_path / "a.csv", ROWS)
    write_csv(tmp_path / "a.csv.gz", ROWS)
    read_all = [read(tmp_path / name) for name in ("a.feather", "a.parquet", "a.csv", "a.csv.gz")]
    for found in read_all:
        assert is_table(found.path)
        assert found.holds is Holds.CANDLES
        assert found.interval_ns == 60_000_000_000
        assert found.ts.tolist() == [row[0] * 1_000_000 for row in ROWS]
        assert found.columns["close"].tolist() == [row[4] for row in ROWS]


@pytest.mark.parametrize(
    "first",
    [
        "2026-06-12T00:00:00Z",
        "2026-06-12 00:00:00+00:00",
        "2026-06-12 00:00:00",
        str(BEGIN_MS // 1000),
        str(BEGIN_MS),
        str(BEGIN_MS * 1000),
        str(BEGIN_MS * 10**6),
        f"{BEGIN_MS / 1000:.1f}",
    ],
    ids=["iso", "zone", "bare", "s", "ms", "us", "ns", "decimal"],
)
def test_times_are_understood_in_every_form(tmp_path: Path, first: str) -> None:
    """A time is UTC, whatever unit it is written in."""
    path = tmp_path / "a.csv"
    path.write_text(f"timestamp,open,high,low,close,volume\n{first},1,2,0.5,1.5,3\n")
    assert read(path).ts.tolist() == [BEGIN_MS * 1_000_000]


def test_funding_is_known_by_its_columns(tmp_path: Path) -> None:
    """A rate in a column of its own, or in `open` with nothing else, is funding, not a price."""
    own = write_csv(tmp_path / "a.csv", [[BEGIN_MS, 0.0001]], "ts,rate")
    kept = write_csv(tmp_path / "b.csv", [[BEGIN_MS, 0.0001, 0, 0, 0, 0]])
    for path in (own, kept):
        assert read(path).holds is Holds.FUNDING
        assert read(path).columns["rate"].tolist() == [0.0001]


def test_mark_prices_are_told_from_candles(tmp_path: Path) -> None:
    """Prices without volume in a file that says mark are marks; without the word they are candles nobody traded in."""
    rows = [[*row[:5], 0.0] for row in ROWS]
    assert read(write_csv(tmp_path / "BTC-8h-mark.csv", rows)).holds is Holds.MARKS
    assert read(write_csv(tmp_path / "BTC.csv", rows)).holds is Holds.CANDLES


def test_candles_without_volume_have_none(tmp_path: Path) -> None:
    """A missing column is nothing traded, and a taker's share goes through where told."""
    path = write_csv(tmp_path / "a.csv", [row[:5] for row in ROWS], "date,open,high,low,close")
    assert read(path).columns["volume"].tolist() == [0.0] * 5
    path = write_csv(
        tmp_path / "b.csv", [[*row, 1.0] for row in ROWS], "date,open,high,low,close,volume,taker_buy_base"
    )
    assert read(path).columns["taker_buy"].tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,open,high,low,close,volume\n", "it holds no rows"),
        ("date,colour\n2026-06-12,red\n", "no time|neither prices"),
        ("when,open,high,low,close\n1,2,3,1,2\n", "no time"),
        ("date,open,high,low,close,volume\nnoon,1,2,0,1,1\n", "noon"),
        ("date,open,high,low,close,volume\n2026-06-12,one,2,0,1,1\n", "one"),
    ],
    ids=["no-rows", "no-prices", "no-time", "no-date", "no-number"],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file and what is wrong with it."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read(path)
    assert caught.value.code == "backtest-file"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """A torn Parquet, Feather or gzip is an error of ours, not a stack of somebody's library."""
    for name, content in (("a.parquet", b"PAR1 torn"), ("a.feather", b"ARROW1 torn"), ("a.csv.gz", b"\x1f\x8b torn")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read(path)
        assert caught.value.code == "backtest-file"


def test_what_is_no_table_is_known(tmp_path: Path) -> None:
    """Pictures, empty files and other tables are not taken for candles."""
    for name, content in (
        ("a.png", b"\x89PNG\r\n\xff\xfe"),
        ("b", b""),
        ("c.csv", b"a,b\n1,2\n"),
        ("d.gz", b"\x1f\x8b no"),
    ):
        (tmp_path / name).write_bytes(content)
        assert not is_table(tmp_path / name)

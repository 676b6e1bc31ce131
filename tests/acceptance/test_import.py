"""The recorded Binance liquidations, imported, against pandas reading the same files on its own."""

import gzip
import io
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from perpscope.app.importing import import_files
from perpscope.stores.sqlite import SqliteReader

FORCE_ORDERS = ("binance_usdm_20240620", "binance_usdm_20240817", "binance_usdm_20250623a", "binance_usdm_20250623b")
IN_IST = "binance_usdm_btcusdt_20241204"
COLUMNS = ["symbol", "side", "type", "tif", "q", "p", "ap", "status", "l", "z", "T", "usd"]


@pytest.fixture(scope="module")
def folder(recordings: Path) -> Path:
    """Where the files are."""
    return recordings / "liquidations"


def by_pandas(path: Path) -> pd.DataFrame:
    """Symbol, order side, size, price and ns UTC of each row, read without any of perpscope's code."""
    if IN_IST in path.name:
        table = pd.read_csv(path)
        size, price = table["Filled Quantity"], table["Average Price"]
        times = pd.to_datetime(table["Trade Time (IST)"], utc=True)
        symbol, side = table["Symbol"], table["Side"]
        ts = (times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(1, "ns")
    else:
        text = gzip.decompress(path.read_bytes()).decode()
        lines = [line for line in text.splitlines(keepends=True) if re.match(r"\w+,(BUY|SELL),LIMIT", line)]
        table = pd.read_csv(io.StringIO("".join(lines)), names=COLUMNS, na_values=["None"], keep_default_na=False)
        size, price = table["z"], table["ap"].astype(float).fillna(table["p"])
        # the recorders cut "USDT" out of each name: BTC, BTC_250627; 1000BONKUSDC has kept its quote
        symbol = table["symbol"].str.replace(r"^(\w+?)(?<!USDC)(_\d{6}|)$", r"\1USDT\2", regex=True)
        side, ts = table["side"], table["T"] * 1_000_000
    frame = pd.DataFrame({"symbol": symbol, "side": side, "size": size, "price": price, "ts": ts})
    return frame.assign(notional=frame["size"] * frame["price"])


def whole_table(database: Path) -> list[tuple[object, ...]]:
    """Every column of every event and sum."""
    with closing(sqlite3.connect(database)) as connection:
        tables = ("liquidation_events", "liquidation_aggregates", "liquidation_intensity", "instruments")
        return [row for name in tables for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4")]


def files(folder: Path, *names: str) -> list[Path]:
    """Paths of recordings."""
    return [folder / f"{name}.csv.gz" for name in names or (*FORCE_ORDERS, IN_IST)]


@pytest.mark.parametrize("name", [*FORCE_ORDERS, IN_IST])
def test_totals_equal_an_independent_reading(folder: Path, tmp_path: Path, name: str) -> None:
    """Count, size and dollars of each symbol and side, and every single row's time, equal what pandas finds."""
    (path,) = files(folder, name)
    report = import_files([path], database=tmp_path / "m.db").report
    expected = by_pandas(path)
    assert report.added == len(expected)
    assert report.rows == report.added + len(report.rejected)
    groups = expected.groupby(["symbol", "side"]).agg(n=("size", "size"), size=("size", "sum"), usd=("notional", "sum"))
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection:
        rows = connection.execute("SELECT symbol, side, size, price, ts_event FROM liquidation_events").fetchall()
        query = "SELECT symbol, side, sum(event_count), sum(total_size), sum(total_notional_usd) FROM "
        minutes = connection.execute(query + "liquidation_aggregates GROUP BY 1, 2").fetchall()
    found = pd.DataFrame(rows, columns=["symbol", "side", "size", "price", "ts"])
    key = ["ts", "symbol", "side", "size", "price"]
    ours, theirs = (frame[key].sort_values(key).reset_index(drop=True) for frame in (found, expected))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    sums = {(symbol, side): values for symbol, side, *values in minutes}
    assert sums.keys() == set(groups.index)
    for key_of, group in groups.iterrows():
        assert sums[key_of] == [group["n"], pytest.approx(group["size"]), pytest.approx(group["usd"])]


def test_every_file_at_once_and_again(folder: Path, tmp_path: Path) -> None:
    """All Binance liquidations go into one store; the second time not one column of one row differs."""
    report = import_files(files(folder), database=tmp_path / "m.db").report
    assert (report.rows, report.added, report.duplicates) == (2580, 2578, 0)
    assert [(Path(bad.file).name[13:21], bad.line) for bad in report.rejected] == [("20240620", 1), ("20250623", 1)]
    assert "Hello Arbitrage Trading BotADA" in report.rejected[1].reason
    before = whole_table(tmp_path / "m.db")
    again = import_files(files(folder)[::-1], database=tmp_path / "m.db").report
    assert (again.rows, again.added, again.duplicates) == (2580, 0, 2578)
    assert whole_table(tmp_path / "m.db") == before


def test_the_file_in_ist_lands_in_utc(folder: Path, tmp_path: Path) -> None:
    """22:16:25.584 in India is 16:46:25.584 UTC, to the nanosecond, and coverage stays unknown."""
    import_files(files(folder, IN_IST), database=tmp_path / "m.db")
    with SqliteReader.open(tmp_path / "m.db") as reader:
        first = reader.liquidations()[0]
        assert first.ts_event == first.ts_recv == 1_733_330_785_584_000_000
        assert (first.size, first.fill_price, first.bankruptcy_price) == (0.013, 94809.6, 94434.91)
        assert reader.coverage() == []


@pytest.mark.parametrize("first_is_header", [True, False])
def test_a_file_mixing_two_layouts_keeps_the_first(folder: Path, tmp_path: Path, first_is_header: bool) -> None:
    """Two real files joined: all rows of the first form are in, each of the others is named by its line."""
    parts = [gzip.decompress(path.read_bytes()) for path in files(folder, IN_IST, FORCE_ORDERS[1])]
    lines = [part.count(b"\n") for part in parts]
    if not first_is_header:
        parts, lines = parts[::-1], lines[::-1]
    (tmp_path / "mixed.csv").write_bytes(b"".join(parts))
    report = import_files([tmp_path / "mixed.csv"], database=tmp_path / "m.db").report
    assert report.added == (876 if first_is_header else 456)
    assert [bad.line for bad in report.rejected] == list(range(lines[0] + 1, sum(lines) + 1))
    assert all("of another layout" in bad.reason for bad in report.rejected)


def test_what_is_no_liquidation_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    """Sums without price or side, and accounts without coin, are not made into liquidations."""
    odd = files(folder, "binance_usdm_buckets_202301", "hyperliquid_2023")
    whole = import_files([*odd, *files(folder, IN_IST)], database=tmp_path / "m.db")
    assert ["bucketed sums" in f.message or "liquidated accounts" in f.message for f in whole.failures] == [True, True]
    assert whole.report.added == 876


def test_recordings_and_cut_files_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    """A cut archive gives none of its rows, a recording of raw frames points to `replay`."""
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(files(folder, IN_IST)[0].read_bytes()[:-100])
    frames = folder.parent / "wire" / "hyperliquid" / "btc_20250126.gz"
    whole = import_files([cut, frames], database=tmp_path / "m.db")
    assert [failure.code for failure in whole.failures] == ["import-form", "import-form"]
    assert "cut short" in whole.failures[0].message
    assert "replay" in str(whole.failures[1].hint)
    assert not (tmp_path / "m.db").exists()

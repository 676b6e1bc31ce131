"""Laws of the import: whatever the bytes, rows or an error; whatever the order, the same store."""

import gzip
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.app import venues
from perpscope.app.importing import import_files
from perpscope.errors import DataError
from perpscope.feeds.liquidation_columns import Reading
from perpscope.feeds.liquidation_files import Found, LiquidationFile, Rejected

BINANCE = venues.find("binance")
ROW = "RARE,BUY,LIMIT,IOC,4421,0.2226588,0.2185000,FILLED,3750,4421,1723895903305,984.37"
HEADER = "time,symbol,side,size,price,fill price"
ROWS = st.builds(
    "{},{},LIMIT,IOC,{},{},FILLED,1,{},{},1".format,
    st.sampled_from(["BTC", "ETH", "SOL"]),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["100", "101"]),
    st.sampled_from(["1", "0"]),
    st.sampled_from(["1723895903305", "1723895903306", "1723899999999"]),
)
TEXT = st.text(alphabet=st.sampled_from(list('0129.,;:-"\n\r{}NoneBTCSELLUYtimesz ü\x00')), max_size=200)


def read(content: bytes) -> tuple[int, int] | None:
    """Good and rejected rows; None for an error of ours that says what to do. Anything else fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        try:
            rows = list(LiquidationFile(path, Reading(), BINANCE).rows())
        except DataError as error:
            return None if error.message and error.hint else (-1, -1)
    found = sum(isinstance(row, Found) for row in rows)
    assert all(row.reason for row in rows if isinstance(row, Rejected))
    return found, len(rows) - found


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_rows_or_a_clear_error(content: bytes) -> None:
    """No file of any content brings the import down."""
    for packed in (content, gzip.compress(content), b"\x1f\x8b" + content, b"\x28\xb5\x2f\xfd" + content):
        assert read(packed) != (-1, -1)


@settings(deadline=None)
@given(TEXT, st.sampled_from([HEADER, ROW]))
def test_any_text_beside_good_rows_leaves_them(text: str, first: str) -> None:
    """Whatever stands below a good beginning, the good rows are found and the rest is named."""
    good = ROW if first == ROW else "1723895903,BTC,SELL,1,100,101"
    got = read(f"{first}\n{good}\n{text}\n{good}\n".encode())
    assert got is not None
    assert got[0] >= (3 if first == ROW else 2)


@given(st.lists(st.tuples(ROWS, st.sampled_from(["", "None", "100.5"])), min_size=1, max_size=12), st.randoms())
@settings(max_examples=25, deadline=None)  # a store on disk takes as long as the disk
def test_any_order_of_rows_gives_the_same_store(rows: list[tuple[str, str]], random: Random) -> None:
    """Duplicates, and rows that tell less than others: which is kept does not depend on which came first."""
    lines = [row.replace(",FILLED", f",{fill},FILLED") for row, fill in rows]
    shuffled = sorted(lines, key=lambda _: random.random())
    assert stored(lines) == stored(shuffled)


def stored(lines: list[str]) -> tuple[list[tuple[object, ...]], int]:
    """Events and sums of a new store, and how many rows were good."""
    with tempfile.TemporaryDirectory() as folder:
        path, database = Path(folder) / "file.csv", Path(folder) / "m.db"
        path.write_text("\n".join([ROW, *lines]), "utf-8")
        report = import_files([path], database=database).report
        assert report.rows == report.added + report.duplicates + len(report.rejected)
        with closing(sqlite3.connect(database)) as connection:
            events = connection.execute("SELECT id, venue_key, price FROM liquidation_events ORDER BY id").fetchall()
            sums = "SELECT symbol, side, ts_start, event_count, total_size FROM liquidation_aggregates ORDER BY 1, 2, 3"
            return events + connection.execute(sums).fetchall(), report.added

"""The hourly study's files in every form they come in, and each way they can be wrong by its name. Keeps B1."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
from pyarrow import feather, parquet
from tests.unit.hourly_sample import START, market, write

from perpscope.analytics.hourly.tables import Interest
from perpscope.analytics.liqmap.bars import HOUR_NS
from perpscope.app.study.hourly_files import read_candles, read_forced, read_interest
from perpscope.errors import ConfigError, DataError, TooLittle

CANDLES, INTEREST, FORCED = market(2, 30)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """CSV and packed CSV give back the tables; a file of one instrument needs no name."""
    options = write(tmp_path, (CANDLES, INTEREST, FORCED))
    interest = read_interest(Path(options[3]))
    candles, which = read_candles(Path(options[1]), interest)
    forced = read_forced(Path(options[5]))
    assert which == ""
    assert candles.length_ns == HOUR_NS
    assert candles.ts.tolist() == CANDLES.ts.tolist()
    assert candles.low.tolist() == CANDLES.low.tolist()
    assert interest.price == pytest.approx(INTEREST.price)
    assert forced.long.tolist() == FORCED.long.tolist()


TEXTS = [datetime.fromtimestamp(START / 1e9 + 3600 * row, UTC).isoformat() for row in range(3)]


@pytest.mark.parametrize(
    "stamps",
    [
        pytest.param([str(START // 10**9 + 3600 * row) for row in range(3)], id="seconds"),
        pytest.param([str(START // 10**6 + 3_600_000 * row) + ".0" for row in range(3)], id="ms-with-a-point"),
        pytest.param([str(START // 10**3 + 3_600_000_000 * row) for row in range(3)], id="us"),
        pytest.param([str(START + HOUR_NS * row) for row in range(3)], id="ns"),
        pytest.param(TEXTS, id="iso"),
        pytest.param([text.replace("+00:00", "Z") for text in TEXTS], id="iso-z"),
    ],
)
def test_times_in_any_unit(tmp_path: Path, stamps: list[str]) -> None:
    """s, ms, µs, ns and ISO text are the same moments; rows may come in any order, the last of a moment counts."""
    rows = [f"{stamp},{number},0" for number, stamp in enumerate(stamps)]
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["Timestamp,longUsd,shortUsd", f"{stamps[0]},7,7", *reversed(rows), ""]))
    found = read_forced(path)
    assert found.ts.tolist() == [START + HOUR_NS * row for row in range(3)]
    assert found.long.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_one_of_several_venues_is_chosen(tmp_path: Path, form: str) -> None:
    """By the price of open interest, then by how much there is of it: not another coin, not a venue of a few hours."""
    rows = []
    for venue, coin, factor, count in (("a", "ETH", 0.03, 30), ("b", "BTC", 1.0, 9), ("c", "BTC", 1.0004, 30)):
        rows += [
            {
                "timestamp": datetime.fromtimestamp(int(CANDLES.ts[row]) / 1e9, UTC),
                "venue": venue,
                "coin": coin,
                **{name[0]: getattr(CANDLES, name)[row] * factor for name in ("open", "high", "low", "close")},
                "v": 2.0,
            }
            for row in range(count)
        ]
    table = pa.Table.from_pylist(rows)
    path = tmp_path / "many"
    parquet.write_table(table, path) if form == "parquet" else feather.write_feather(table, str(path))
    candles, which = read_candles(path, INTEREST)
    assert which == "c BTC"
    assert candles.ts.tolist() == CANDLES.ts.tolist()
    assert candles.volume.tolist() == [2.0] * 30


def _text(head: str, *rows: str) -> bytes:
    return "\n".join([head, *rows, ""]).encode()


def _candles(path: Path) -> object:
    return read_candles(path, INTEREST)


GOOD = "1764547200000,5,6,4,5,1"


@pytest.mark.parametrize(
    ("read", "body", "code", "says"),
    [
        pytest.param(_candles, b"\x00\xff\xfe", "study-file", "is no table", id="bytes"),
        pytest.param(_candles, gzip.compress(b"ts,open")[:9], "study-file", "cannot be read", id="cut-gzip"),
        pytest.param(_candles, b"PAR1nothing", "study-file", "cannot be read", id="no-parquet"),
        pytest.param(_candles, _text("ts,o", "1,2", "3"), "study-file", "line 3 has 1 fields of 2", id="ragged"),
        pytest.param(_candles, b"ts,open\n", "study-short", "has 0 rows", id="empty"),
        pytest.param(_candles, _text("ts,o,h,l,c,v", GOOD), "study-short", "has 1 rows", id="one-candle"),
        pytest.param(_candles, _text("when,open", "1,2"), "study-columns", "no column of time", id="no-time"),
        pytest.param(
            _candles,
            _text("ts,o,h,l", "1,2,3,4"),
            "study-columns",
            "no column of close, only ts, o, h, l",
            id="no-close",
        ),
        pytest.param(
            _candles,
            _text("ts,o,h,l,c,v", GOOD, "1764550800000,5,6,4,9,1"),
            "study-values",
            r"row of 2025-12-01T01:00:00: prices must be 0 < low <= open, close <= high \(1 of 2 rows\)",
            id="close-above-high",
        ),
        pytest.param(
            _candles,
            _text("ts,o,h,l,c,v", GOOD, "1764550800000,5,6,4,5,-1"),
            "study-values",
            "volume must",
            id="volume",
        ),
        pytest.param(
            _candles, _text("ts,o,h,l,c", "1764547200000,five,6,4,5"), "study-values", "column o: .*five", id="word"
        ),
        pytest.param(_candles, _text("ts,o,h,l,c", "soon,5,6,4,5"), "study-values", "column ts", id="no-moment"),
        pytest.param(_candles, _text("ts,o,h,l,c", "1,5,6,4,5", "x,5,6,4,5"), "study-values", "column ts", id="mixed"),
        pytest.param(
            read_interest, _text("t,oi", "1764547200000,0", "1764547500000,1"), "study-values", "above 0", id="no-oi"
        ),
        pytest.param(
            read_interest, _text("t,oi,oi_usd", "1764547200000,1,-5"), "study-values", "dollars must", id="oi-dollars"
        ),
        pytest.param(read_interest, _text("t,oi", "1764547200000,1"), "study-short", "has 1 rows", id="one-interest"),
        pytest.param(
            read_forced, _text("ts,longUsd", "1,2"), "study-columns", "no column of shorts liquidated", id="no-shorts"
        ),
        pytest.param(
            read_forced, _text("ts,longUsd,shortUsd", "1764547200000,-1,0"), "study-values", "0 or more", id="negative"
        ),
        pytest.param(
            read_interest,
            _text("t,venue,oi", "1,a,1", "2,b,1"),
            "study-columns",
            "several in column venue: a, b",
            id="two",
        ),
        pytest.param(read_forced, _text("ts,longUsd,shortUsd", "", ""), "study-short", "has 0 rows", id="blank"),
    ],
)
def test_a_file_that_will_not_do_is_named(
    tmp_path: Path, read: Callable[[Path], object], body: bytes, code: str, says: str
) -> None:
    """The file, what is wrong with it, and a code that docs/errors.md explains."""
    path = tmp_path / "given"
    path.write_bytes(body)
    with pytest.raises(DataError, match=says) as found:
        read(path)
    assert found.value.code == code


def test_a_table_without_rows_is_too_short(tmp_path: Path) -> None:
    """An empty Parquet file is too little, not a traceback."""
    path = tmp_path / "none"
    parquet.write_table(pa.table({"ts": pa.array([], pa.int64())}), path)
    with pytest.raises(TooLittle, match="has 0 rows"):
        read_forced(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No traceback: the path, and what the system says."""
    with pytest.raises(DataError, match=r"liquidations: .*nothing\.csv cannot be read") as found:
        read_forced(tmp_path / "nothing.csv")
    assert found.value.code == "study-file"


def test_parquet_wants_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow: what to install, and that CSV will do."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="pyarrow is not installed") as found:
        read_forced(path)
    assert found.value.code == "extra-missing"


def test_venues_of_another_time_are_not_chosen(tmp_path: Path) -> None:
    """Where no venue has a price in open interest's time the largest stands, and the study says what is missing."""
    old = Interest(ts=INTEREST.ts - 10**18, base=INTEREST.base, price=INTEREST.price * np.nan)
    path = tmp_path / "c.csv"
    path.write_text("ts,venue,o,h,l,c\n1764547200000,a,5,6,4,5\n1764550800000,a,5,6,4,5\n1764550800000,b,5,6,4,5\n")
    assert read_candles(path, old)[1] == "a"

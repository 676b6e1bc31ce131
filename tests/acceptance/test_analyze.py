"""`perpscope analyze` and `perpscope report` as a user runs them."""

import gzip
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perpscope.model.market import PositionSide
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from tests.acceptance.conftest import Ran
from tests.contract.store_events import BTC, ETH, covered, heart, liquidation, tick

CHARTS = {
    *("trend-volume", "trend-events", "trend-price", "trend-lpi"),
    *("intensity-total", "intensity-events", "intensity-price", "intensity-lpi"),
    *("distribution-size", "distribution-price", "distribution-lpi", "distribution-by-hour"),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A demo's store: two hours of BTC and ETH."""
    path = tmp_path / "demo.db"
    writer = SqliteStore.open(path, kind=StoreKind.DEMO)
    writer.register([BTC, ETH])
    for i in range(60):
        side = PositionSide.SHORT if i % 3 else PositionSide.LONG
        writer.sink().accept(liquidation(110 * i, 0.1 + i, 60_000.0 + 10 * i, side=side))
    writer.sink().accept(liquidation(50, 2.0, 3000.0, of=ETH.id))
    writer.sink().accept(covered(0, 7200, is_open=False))
    writer.report([], heart(7200))
    writer.sink().accept(tick(7200))
    writer.close()
    return path


def test_everything_is_written_and_listed(perpscope: Callable[..., Ran], store: Path, tmp_path: Path) -> None:
    """`analyze all` writes twelve pictures and the report into `charts/` and lists them. Keeps S1-26, S1-68."""
    ran = perpscope("analyze", "all", "--symbol", "BTC", "--hours", "48", "--db", store, "--json")
    assert ran.code == 0, ran.err
    found = ran.json
    assert (found["symbol"], found["events"], found["data"]) == ("BTCUSDT", 60, "demo")
    assert found["to_ms"] - found["from_ms"] == found["hours"] * 3_600_000 == 7_200_000
    names = {Path(file).name for file in found["files"]}
    assert names == {f"BTCUSDT-{n}.png" for n in CHARTS} | {"BTCUSDT-report.json", "BTCUSDT-report.html"}
    for file in found["files"]:
        assert (tmp_path / file).parent == tmp_path / "charts"
        assert (tmp_path / file).stat().st_size > 4_000
    assert "48 h were asked for, the store has 2 h of them" in ran.err


def test_the_basic_report_is_told_in_words(perpscope: Callable[..., Ran], store: Path) -> None:
    """The old `--analyze` prints the figures of both sides in 80 columns and writes the report. Keeps S1-25, S1-28."""
    ran = perpscope("--analyze", "--db-path", store, "--hours", "2")
    assert ran.code == 0, ran.err
    assert "old spelling; today: perpscope analyze" in ran.err
    assert "no symbol was named: BTCUSDT has most liquidations, 60, of 2 instruments" in ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "DEMO DATA: no real market"
    assert max(len(line) for line in lines if not line.startswith("wrote")) <= 80
    for needed in (
        "at most one order per symbol per second is published",
        "n = 60 · watched 100.00",
        "▼ long",
        "▲ short",
    ):
        assert needed in ran.out.replace("\n", " ")
    assert [line for line in lines if line.startswith("wrote")] == [
        "wrote charts/BTCUSDT-report.json",
        "wrote charts/BTCUSDT-report.html",
    ]


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (["--hours", "0"], "option-value", 2),
        (["--hours", "-5"], "option-value", 2),
        (["--hours", "nan"], "option-value", 2),
        (["--symbol", "BTCUSTD"], "symbol-unknown", 2),
        (["--out", "demo.db"], "output-folder", 1),
        (["--db", "nowhere.db"], "store-missing", 3),
        (["--db", "empty.db"], "window-empty", 3),
    ],
)
def test_errors_by_name(
    perpscope: Callable[..., Ran], store: Path, tmp_path: Path, words: list[str], code: str, exit_code: int
) -> None:
    """Each mistake has its code, what to do about it, and no traceback; nothing goes to stdout."""
    SqliteStore.open(tmp_path / "empty.db", kind=StoreKind.OBSERVED).close()
    ran = perpscope("analyze", *(["--db", store] if "--db" not in words else []), *words, "--json")
    assert (ran.code, ran.out) == (exit_code, "")
    assert f"error {code}: " in ran.err
    assert f"docs/errors.md#{code}" in ran.err
    assert "→" in ran.err
    assert "Traceback" not in ran.err
    if code == "symbol-unknown":
        assert "did you mean 'BTCUSDT'?" in ran.err


def test_daily_and_weekly_reports(perpscope: Callable[..., Ran], store: Path, tmp_path: Path) -> None:
    """All symbols of the last day or week: a table, a page, or JSON; or one symbol of them. Keeps S0-26, S0-28."""
    daily = perpscope("report", "daily", "--db", store, "--html", "day.html")
    assert daily.code == 0, daily.err
    assert re.search(r"^BTCUSDT +60 ", daily.out, re.MULTILINE)
    assert re.search(r"^ETHUSDT +1 +\$6.00K", daily.out, re.MULTILINE)
    assert "By symbol" in (tmp_path / "day.html").read_text("utf-8")
    weekly = perpscope("report", "weekly", "--db", store, "--json").json
    assert weekly["hours_asked"] == 168
    assert [row["symbol"] for row in weekly["by_symbol"]] == ["BTCUSDT", "ETHUSDT"]
    one = perpscope("report", "daily", "--symbol", "ETH", "--db", store)
    assert "n = 1 · watched" in one.out
    assert perpscope("report", "daily", "--db", store, "--html", "no/where.html").code == 1
    assert perpscope("report", "monthly", "--db", store).code == 2


def test_help_and_import_stay_light() -> None:
    """Neither numpy nor matplotlib is loaded before an analysis runs."""
    program = "import perpscope, sys, perpscope.cli.commands; print(sorted({'numpy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recorded_liquidations(perpscope: Callable[..., Ran], recordings: Path, tmp_path: Path) -> None:
    """876 recorded liquidations of BTCUSDT: the totals are the file's own, the coverage is unknown."""
    file = recordings / "liquidations" / "binance_usdm_btcusdt_20241204.csv.gz"
    assert perpscope("import", file, "--db", "rec.db").code == 0
    ran = perpscope("analyze", "all", "--symbol", "BTCUSDT", "--hours", "48", "--db", "rec.db", "--json")
    assert ran.json["events"] == 876
    assert ran.json["covered"] is None
    rows = [line.split(",") for line in gzip.decompress(file.read_bytes()).decode().splitlines()[1:]]
    found = json.loads((tmp_path / "charts" / "BTCUSDT-report.json").read_text("utf-8"))
    intensity = found["instruments"][0]["analysis"]["intensity"]
    for side, order in (("long", "SELL"), ("short", "BUY")):
        of_side = [(float(row[9]), float(row[6])) for row in rows if row[1] == order]
        assert intensity[side]["events"] == len(of_side)
        assert intensity[side]["size"] == pytest.approx(sum(size for size, _ in of_side))
        assert intensity[side]["notional_usd"] == pytest.approx(sum(size * price for size, price in of_side))
    with closing(sqlite3.connect(tmp_path / "rec.db")) as connection:
        (n,) = connection.execute("SELECT count(*) FROM liquidation_events WHERE lpi IS NOT NULL").fetchone()
    assert intensity["both"]["lpi_events"] == n

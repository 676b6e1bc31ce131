"""`perpscope import` as people and programs call it."""

import json
from pathlib import Path

import pytest

from perpscope.cli.main import run

ROW = "RARE,BUY,LIMIT,IOC,4421,0.2226588,0.2185000,FILLED,3750,4421,1723895903305,984.37"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good file in an empty folder, which is where the command runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "good.csv"
    path.write_text(ROW + "\n", "utf-8")
    return path


def test_json_is_one_object_on_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The contract, to the letter; talk goes to stderr, and a file without rows makes the exit code 3."""
    assert run(["import", str(file), "--db", "m.db", "--json"]) == 0
    told = capsys.readouterr()
    assert told.out == '{"rows":1,"added":1,"duplicates":0,"rejected":[]}\n'
    assert "Binance forceOrder rows without a header" in told.err
    assert run(["import", str(file), "none.csv", "--db", "m.db", "--json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "rows": 1,
        "added": 0,
        "duplicates": 1,
        "rejected": [{"file": "none.csv", "line": None, "reason": "'none.csv' does not exist"}],
    }
    assert "error import-missing: 'none.csv' does not exist" in told.err


def test_the_table_fits_eighty_columns(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file, all of them, the span added, and the first rejected rows."""
    long = file.with_name("a-name-that-is-much-too-long-for-its-column.csv")
    long.write_text("\n".join([ROW.replace("3305", "3306"), *["broken"] * 22]) + "\n")
    assert run(["import", str(file), str(long), "--db", "m.db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["file", "rows", "added", "duplicates", "rejected"]
    assert [line.split()[1:] for line in lines[1:4]] == [
        ["1", "1", "0", "0"],
        ["23", "1", "0", "22"],
        ["24", "2", "0", "22"],
    ]
    assert lines[4] == "added: 2024-08-17 11:58:23 to 2024-08-17 11:58:23 UTC; coverage unknown"
    assert sum(line.startswith("rejected a-name") for line in lines) == 20
    assert lines[-1].startswith("2 more rejected")


def test_a_dry_run_makes_no_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be new and that nothing was written."""
    assert run(["import", str(file), "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "new: 2024" in told.out
    assert "dry run" in told.err
    assert not file.with_name("data").exists()
    assert run(["import", "none.csv", "--dry-run"]) == 3


def test_the_default_place_is_made(file: Path) -> None:
    """Without --db rows go where `collect` puts them."""
    assert run(["import", str(file)]) == 0
    assert (file.parent / "data" / "perpscope" / "market.db").exists()


def test_options_reach_the_reading(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns, zone, unit, sides, sizes, prices, symbol and quote: all are said on the command line."""
    file.write_text("when;how;much;at\n2024-12-04 17:30:00;buy;20;100\n")
    options = "--columns time=when,side=how,size=much,price=at --symbol BTC --quote USDC --time-zone Asia/Kolkata"
    options += (
        " --time-unit iso --side-means position --size-unit contracts --contract-size 0.1 --price-means bankruptcy"
    )
    assert run(["import", str(file), "--db", "m.db", *options.split()]) == 0
    told = capsys.readouterr()
    assert "added: 2024-12-04 12:00:00" in told.out
    assert "BUY and SELL are the position's; sizes in contracts units; bare symbols + USDC" in told.err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--time-zone Mars", "option-value"),
        ("--columns nonsense", "option-value"),
        ("--contract-size -1", "option-value"),
        ("--venue nyse", "venue-unknown"),
    ],
)
def test_a_wrong_option_starts_nothing(file: Path, capsys: pytest.CaptureFixture[str], options: str, code: str) -> None:
    """Exit 2, the value and what to give instead."""
    assert run(["import", str(file), "--db", "m.db", *options.split()]) == 2
    assert f"error {code}:" in capsys.readouterr().err
    assert not Path("m.db").exists()

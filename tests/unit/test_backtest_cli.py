"""`backtest` and `runs` on the command line: what is printed, kept and refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.backtest_data import candle_file, walk, write_csv

from perpscope.cli.main import run

Captured = pytest.CaptureFixture[str]

STRATEGY = '''
"""A strategy of somebody's own."""

from tests.unit.backtest_data import SWINGING

STRATEGY = SWINGING
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a strategy of one's own and candles in it."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swinging.py").write_text(STRATEGY)
    candle_file(tmp_path, 150)
    return tmp_path


def told(capsys: Captured, *words: str) -> Any:  # noqa: ANN401 -- JSON
    """What a command prints as JSON."""
    assert run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("place")
def test_a_backtest_from_files_to_a_kept_run(capsys: Captured) -> None:
    """The promised keys, the same hash on the event path, and a run that is listed, shown, compared and removed."""
    common = ("backtest", "./swinging.py", "binance_BTCUSDT-1m.csv", "--db", "m.db")
    one = told(capsys, *common)
    wanted = (
        "hash trades net fees funding slippage equity_error win_rate win_low win_high max_drawdown coverage verdict"
    )
    assert set(wanted.split()) <= set(one)
    assert one["trades"] >= 10
    assert one["equity_error"] == 0
    assert one["coverage"] == 1.0
    both = told(capsys, *common, "--path", "both")
    assert both["hash"] == one["hash"]
    other = told(capsys, *common, "--param", "every=9", "--seed", "4", "--deposit", "5000")
    assert (other["deposit"], other["parameters"]["every"], other["trials"]) == (5000.0, 9.0, 2)
    listed = told(capsys, "runs", "list", "--db", "m.db")
    assert {row["id"] for row in listed} == {one["id"], other["id"]}
    assert all(row["label"].startswith("BACKTEST") for row in listed)
    shown = told(capsys, "runs", "show", one["id"], "--db", "m.db")
    assert len(shown["trades"]) == one["trades"]
    assert told(capsys, "runs", "compare", one["id"], other["id"], "--db", "m.db")["is_same"] is False
    assert told(capsys, "runs", "rm", one["id"], "--db", "m.db") == {"removed": one["id"]}
    assert run(["runs", "show", one["id"], "--db", "m.db"]) == 3
    assert "error run-unknown" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_a_backtest_in_words(capsys: Captured) -> None:
    """The verdict first, then the figures, and every assumption. Keeps B23."""
    common = ("backtest", "./swinging.py", "binance_BTCUSDT-1m.csv", "--db", "m.db")
    assert run([*common]) == 0
    out = capsys.readouterr().out
    assert out.startswith(("too-few-trades:", "loses-after-costs:"))
    assert "100.0% of it seen" in out
    assert "· contract of BTCUSDT" in out
    assert "near misses: turn" in out
    name = out.rpartition("kept as ")[2].split()[0]
    assert run(["runs", "list", "--db", "m.db"]) == 0
    assert name in capsys.readouterr().out
    assert run(["runs", "show", name, "--db", "m.db"]) == 0
    assert "(its-turn → " in capsys.readouterr().out
    assert run(["runs", "compare", name, name, "--db", "m.db"]) == 0
    assert "are one run" in capsys.readouterr().out
    assert run(["runs", "rm", name, "--db", "m.db"]) == 0
    assert run(["runs", "list", "--db", "m.db"]) == 0
    assert "no run is kept here" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ("burst binance_BTCUSDT-1m.csv", 2, "strategy-needs-book"),
        ("hold none.csv", 3, "backtest-missing"),
        ("hold empty.csv", 3, "recording-form"),
        ("hold binance_BTCUSDT-1m.csv --path sideways", 2, "option-value"),
        ("hold binance_BTCUSDT-1m.csv --sweep --walk-forward", 2, "option-value"),
        ("hold binance_BTCUSDT-1m.csv --sweep", 2, "strategy-no-grid"),
        ("hold binance_BTCUSDT-1m.csv --from noon", 2, "option-value"),
        ("hold binance_BTCUSDT-1m.csv --param every", 2, "option-value"),
        ("hold binance_BTCUSDT-1m.csv --profile bold", 2, "config-value"),
        ("nonesuch binance_BTCUSDT-1m.csv", 2, "strategy-unknown"),
        ("hold", 3, "store-missing"),
        ("hold binance_BTCUSDT-1m.csv --db nowhere/m.db", 1, "store-folder"),
        ("hold binance_BTCUSDT-1m.csv --report swinging.py", 1, "output-folder"),
    ],
)
def test_what_is_refused_and_how(place: Path, words: str, code: int, error: str, capsys: Captured) -> None:
    """Each with its own code, and nothing is kept."""
    (place / "empty.csv").write_bytes(b"")
    assert run(["backtest", *words.split(), *([] if "--db" in words else ["--db", "m.db"])]) == code
    assert f"error {error}" in capsys.readouterr().err
    assert not (place / "m.db.runs").exists() or run(["runs", "list", "--db", "m.db", "--json"]) == 0


@pytest.mark.soak
def test_a_tear_sheet_is_written(place: Path, capsys: Captured) -> None:
    """`--report` leaves a page, pictures and JSON of the run."""
    write_csv(place / "btc.csv", walk(60))
    assert run(["backtest", "hold", "btc.csv", "--db", "m.db", "--report", "out"]) == 0
    assert "wrote " in capsys.readouterr().err
    suffixes = {path.suffix for path in (place / "out").iterdir()}
    assert {".html", ".json", ".png"} <= suffixes

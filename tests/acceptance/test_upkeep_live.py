"""Upkeep beside a running collector: everything a person may type while it collects, and what is refused."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpscope.errors import PerpscopeError
from perpscope.stores.reader import SqliteReader

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine of its own: folders for data and settings, a log file, daily retention of what is two days old."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PERPSCOPE_LOG__FILE": str(tmp_path / "logs" / "liquidation_collector.log"),
        "PERPSCOPE_LOG__LEVEL": "info",
        "PERPSCOPE_RETENTION__DAYS": "2",
    }


@pytest.fixture
def collecting(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    """The store of a demo that is collecting, with a few minutes of its market in it."""
    path = tmp_path / "market.db"
    command = [
        sys.executable,
        "-m",
        "perpscope",
        "demo",
        "--days",
        "0",
        "--speed",
        "60",
        "--headless",
        "--json",
        "--db",
        str(path),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as process:  # type: ignore[call-overload]
        wait_for_rows(path, 30)
        yield path
        process.terminate()
        out, talk = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, talk.decode()
        assert json.loads(out)["data"] == "demo"


def wait_for_rows(path: Path, rows: int) -> None:
    """Return when so many liquidations are stored."""
    pause = threading.Event()
    for _ in range(int(DEADLINE_S * 20)):
        try:
            if stored(path) >= rows:
                return
        except PerpscopeError:
            pass
        pause.wait(0.05)
    pytest.fail(f"fewer than {rows} liquidations within {DEADLINE_S:g} s")


def stored(path: Path) -> int:
    """Liquidations that are stored."""
    with SqliteReader.open(path) as reader:
        return reader.counts(0).total


@pytest.mark.soak
def test_upkeep_of_a_store_that_is_written(collecting: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Backup, drill, check, export and cleanup work meanwhile; restore and vacuum are refused; collecting goes on.

    Keeps S1-07, S1-08, S1-09, S1-64, S1-67.
    """

    def told(*words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "perpscope", *words, "--db", str(collecting)]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        return ended.stdout if code == 0 else ended.stderr

    backup = json.loads(told("backup", "--json"))
    assert 0 < backup["rows"]["liquidation_events"] <= stored(collecting)
    assert json.loads(told("backup", "--drill", "--json"))["ok"] is True
    assert json.loads(told("db", "check", "--json"))["ok"] is True
    assert len(told("export", "liquidation_events").splitlines()) > backup["rows"]["liquidation_events"]
    assert "store-locked" in told("restore", backup["path"], "--yes", code=1)
    assert "store-locked" in told("db", "vacuum", code=1)
    wait_for_rows(collecting, 60)
    done = json.loads(told("cleanup", "--older-than", "1h", "--yes", "--json"))
    assert (done["by_collector"], done["dry_run"]) == (True, False)
    before = stored(collecting)
    wait_for_rows(collecting, before + 10)
    assert (tmp_path / "logs" / "liquidation_collector.log").is_file()

"""Alerts by real processes: a demo's heart, a face that is killed and begun again, and what the commands say."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.acceptance.facing import heart, inherited

_RULE = """
[alerts]
defaults = false
digest_at = ""

[alert.always]
when = "price > 0"
title = "There is a price"
"""


def begun(folder: Path, database: Path) -> tuple["subprocess.Popen[str]", str]:
    """A face and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "perpscope", "serve", "--port", "0", "--no-open", "--db", str(database)],
        cwd=folder,
        env=inherited(folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        return process, process.stdout.readline().strip()


def asked(url: str) -> dict[str, object]:
    """What the face says of alerts."""
    with urlopen(f"{url}/api/v1/alerts") as answer:
        found: dict[str, object] = json.load(answer)
    return found


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition, or fail."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail("it never came")
        time.sleep(0.2)


def ids(found: dict[str, object]) -> list[str]:
    """Alerts by coin, and messages that were delivered."""
    deliveries = found["deliveries"]
    assert isinstance(deliveries, list)
    return [each["alert_id"] for each in deliveries if each["phase"] == "raised"]


@pytest.mark.timeout(240)
def test_a_killed_face_tells_nothing_twice(tmp_path: Path) -> None:
    """Raised within seconds of a face; killed with SIGKILL and begun again, nothing is told a second time."""
    (tmp_path / "perpscope.toml").write_text(_RULE, "utf-8")
    database = tmp_path / "m.db"
    with heart(database, "--days", "0", "--speed", "10", "--symbols", "BTC"):
        until(database.is_file, 90.0)
        process, url = begun(tmp_path, database)
        try:
            until(lambda: len(ids(asked(url))) == 1, 90.0)
            (first,) = ids(asked(url))
            os.kill(process.pid, signal.SIGKILL)
            process.wait(15.0)
            process, url = begun(tmp_path, database)
            until(lambda: asked(url)["watcher"]["pid"] == process.pid, 60.0)  # type: ignore[index]
            began = json.dumps(asked(url)["watcher"])
            until(lambda: json.dumps(asked(url)["watcher"]) != began)
            until(lambda: asked(url)["rules"][0]["stage"] == "raised")  # type: ignore[index]
            assert ids(asked(url)) == [first]
            said = subprocess.run(
                [sys.executable, "-m", "perpscope", "alerts", "list", "--json", "--db", str(database)],
                cwd=tmp_path,
                env=inherited(tmp_path),
                capture_output=True,
                check=True,
            )
            assert [rule["name"] for rule in json.loads(said.stdout)["rules"]] == ["always"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15.0)

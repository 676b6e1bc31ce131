"""Runs the command line as a user does: a process of its own, with an empty home."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Real seconds any one command may take before the test gives it up.
_DEADLINE_S = 90.0
#: Tests that run what no unit test does; coverage is paused for all others here, so that processes run as they do
#: for people.
_MEASURED = {
    *("test_analyze", "test_archive_faults", "test_backfill", "test_ccxt", "test_doctor", "test_lab_playback"),
    *("test_live_exchange", "test_live_orders", "test_live_protection", "test_live_stream"),
    *("test_lab_session", "test_lab_tls", "test_push", "test_push_security", "test_push_sse", "test_symbols"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what need not be measured."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem not in _MEASURED:
            item.add_marker("unmeasured")


class Ran:
    """One finished command: exit code, both streams, and the JSON object it printed."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on the one line of stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, f"expected one line on stdout, got {lines!r}; stderr: {self.err}"
        found = json.loads(lines[0])
        assert isinstance(found, dict)
        return found


@pytest.fixture
def own_mounts() -> list[str]:
    """Words that give a program mounts of its own; only root may have them."""
    words = ["unshare", "--mount"]
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small disk in a namespace of its own")
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs mount namespaces, which are not to be had here")
    return words


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """The environment of a user without any settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    return {**kept, "HOME": str(home), "COLUMNS": "80", "NO_COLOR": "1"}


@pytest.fixture
def perpscope(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Ran]:
    """Run `perpscope …` in an empty folder and wait for its end."""

    def run(*words: str | Path, **variables: str) -> Ran:
        done = subprocess.run(  # our own program
            [sys.executable, "-m", "perpscope", *map(str, words)],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Ran(done)

    return run

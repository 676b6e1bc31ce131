"""The face as others start it: `uvicorn perpscope.web.app:app`, configured by the environment alone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import StoreKind

_START_S = 60.0


@contextlib.contextmanager
def started(folder: Path, *words: str, **environment: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The URL of a uvicorn on our app, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PERPSCOPE_")}
    command = [sys.executable, "-m", "uvicorn", "perpscope.web.app:app", "--port", str(port), *words]
    with subprocess.Popen(command, env={**kept, "HOME": str(folder), **environment}, cwd=folder) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/healthz", process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended with {process.returncode}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
            return
        time.sleep(0.05)
    pytest.fail("it did not begin to serve")


def asked(url: str) -> tuple[int, dict[str, object]]:
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_uvicorn_serves_what_the_environment_says(tmp_path: Path) -> None:
    """A plain `uvicorn perpscope.web.app:app` serves a store under its label, and ends within 5 s.

    Keeps S3-27, S3-39.
    """
    path = tmp_path / "market.db"
    open_writer(str(path), kind=StoreKind.REPLAY).close()
    with started(tmp_path, PERPSCOPE_DATABASE__PATH=str(path)) as (url, process):
        status, body = asked(f"{url}/api/status")
        assert status == 200
        meta = body["meta"]
        assert isinstance(meta, dict)
        assert (meta["data"], meta["heart"]) == ("replay", "none")
        assert asked(f"{url}/readyz")[0] == 200
        status, body = asked(f"{url}/api/v1/liquidations?hours=1e9")
        assert (status, body["code"]) == (422, "query-invalid")
        with urllib.request.urlopen(url, timeout=30) as page:
            assert page.headers["content-type"].startswith("text/html")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}
        assert time.monotonic() - began < 5.0


def test_a_face_without_a_store_says_so(tmp_path: Path) -> None:
    """Before anything is collected the face runs, is not ready, and names the reason with what to do."""
    with started(tmp_path) as (url, _):
        status, body = asked(f"{url}/readyz")
        assert (status, body["code"]) == (503, "not-ready")
        status, body = asked(f"{url}/api/status")
        assert status == 200
        assert body["status"] == "INITIALIZING"

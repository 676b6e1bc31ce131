"""Heart and face as two processes: whichever is killed, the other goes on and says so; together they end in seconds."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perpscope.app.status import read_status
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc: processes cannot be found")

#: What the issue allows, and what a slow and shared machine may take besides.
ENDS_WITHIN_S, SLACK_S = 5.0, 20.0
DEADLINE_S = 90.0
#: Slower than a demo is by itself, so that two cores have room for heart, face and lab.
SLOW = ("--days", "0", "--speed", "5x")


class Program:
    """One command of ours that runs, with all the processes it starts; they know each other by a word of theirs."""

    def __init__(self, folder: Path, environment: dict[str, str], *words: str) -> None:
        self.word = f"{folder}/{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perpscope", *words],
            cwd=folder,
            env={**environment, "PROGRAM_UNDER_TEST": self.word},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())

    def forget(self) -> None:
        """Kill what is left of it, and close what it was heard by."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._listening.join(DEADLINE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def wait_for(self, pattern: str, times: int = 1) -> str:
        """Return the line that says so, the so-many-th time."""
        found: list[str] = []

        def is_said() -> bool:
            found[:] = [line for line in self.said if re.search(pattern, line)]
            return len(found) >= times

        until(is_said, lambda: f"it never said {pattern!r}: {self.said}")
        return found[times - 1]

    @property
    def url(self) -> str:
        """Where its face is."""
        return self.wait_for("^the face is at |^http://").split()[-1]

    def processes(self) -> dict[int, str]:
        """All that belong to it and live, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                is_alive = entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if is_alive and f"PROGRAM_UNDER_TEST={self.word}".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def face(self) -> int:
        """The process of its face."""
        found = [pid for pid, words in self.processes().items() if "perpscope serve" in words]
        assert len(found) == 1, self.processes()
        return found[0]

    def end(self, number: int) -> float:
        """Signal it and wait for the last of its processes; real seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(ENDS_WITHIN_S + SLACK_S)
        until(lambda: not self.processes(), lambda: f"left: {self.processes()}", ENDS_WITHIN_S + SLACK_S)
        return time.monotonic() - began


def until(condition: Callable[[], bool], otherwise: Callable[[], str], within_s: float = DEADLINE_S) -> None:
    """Wait for a condition."""
    pause, deadline = threading.Event(), time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(otherwise())
        pause.wait(0.05)


def get(url: str, path: str) -> tuple[int, Any]:
    """Ask a face."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def heart_of(url: str) -> str:
    """What a face says of its heart."""
    status, body = get(url, "/api/v1/status")
    assert status == 200, body
    return str(body["meta"]["heart"])


def events(database: Path) -> int:
    """How many the heart has counted."""
    return sum(feed.events for feed in read_status(database).feeds)


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Where hearts and faces meet: a folder with a short name, as a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        yield Path(folder)


@pytest.fixture
def begin(tmp_path: Path, sockets: Path, environment: dict[str, str]) -> Iterator[Callable[..., Program]]:
    """Begin a command; whatever the test does, nothing of it stays."""
    begun: list[Program] = []
    kept = {name: value for name, value in environment.items() if name != "PORT"}
    mine = {**kept, "RUNTIME_DIRECTORY": str(sockets), "PERPSCOPE_BACKFILL__DAYS": "0"}

    def start(*words: str) -> Program:
        begun.append(Program(tmp_path, mine, *words))
        return begun[-1]

    yield start
    for program in begun:
        program.forget()


def test_a_face_may_die_and_its_heart_goes_on(begin: Callable[..., Program], tmp_path: Path, sockets: Path) -> None:
    """The face is killed: events go on, and it is back where it was; SIGTERM ends both in seconds (G6)."""
    demo = begin("demo", "--db", "d.db", "--no-open", "--port", "0", "--json", *SLOW)
    url = demo.url
    until(lambda: heart_of(url) == "live", lambda: f"its heart is never live: {demo.said}")
    assert get(url, "/healthz")[0] == 200
    assert len([path for path in sockets.iterdir() if path.is_socket()]) == 1
    first = demo.face()
    os.kill(first, signal.SIGKILL)
    before = events(tmp_path / "d.db")
    until(lambda: events(tmp_path / "d.db") > before, lambda: "the heart does not go on")
    demo.wait_for("the face ended .signal 9.; it is started again in 0.5 s, the heart goes on")
    demo.wait_for("the face is back")
    assert demo.face() != first
    until(lambda: heart_of(url) == "live", lambda: "the face that is back hears nothing")
    assert demo.end(signal.SIGTERM) < ENDS_WITHIN_S + SLACK_S
    assert demo.process.returncode == 0
    told = json.loads(next(line for line in demo.said if line.startswith("{")))
    assert told["data"] == "demo"
    assert [path.name for path in sockets.iterdir() if path.is_socket()] == []
    with socket.socket() as tried:
        assert tried.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_a_heart_may_die_and_its_face_says_so(begin: Callable[..., Program]) -> None:
    """The heart is killed: the face answers on and names it; another heart on the same store heals it (G5)."""
    demo = begin("demo", "--db", "d.db", "--no-open", "--port", "0", *SLOW)
    url = demo.url
    until(lambda: heart_of(url) == "live", lambda: f"its heart is never live: {demo.said}")
    face = demo.face()
    demo.process.send_signal(signal.SIGKILL)
    demo.process.wait()
    until(lambda: heart_of(url) == "gone", lambda: "the face does not say that its heart is gone", 20.0)
    status, body = get(url, "/api/v1/status")
    assert status == 200
    assert body["meta"]["stale"]
    assert any("heart" in note for note in body["meta"]["notes"])
    until(lambda: list(demo.processes()) == [face], lambda: f"the lab outlives its heart: {demo.processes()}")
    again = begin("collect", "--mock", "--db", "d.db")
    until(lambda: heart_of(url) == "live", lambda: f"another heart does not heal it: {again.said}")
    assert again.end(signal.SIGINT) < ENDS_WITHIN_S + SLACK_S
    assert again.process.returncode == 130
    until(lambda: heart_of(url) == "gone", lambda: "a heart that ended is still said to live")
    os.kill(face, signal.SIGTERM)
    until(lambda: not demo.processes(), lambda: f"left: {demo.processes()}", ENDS_WITHIN_S + SLACK_S)


def test_a_face_alone_serves_a_store_and_does_not_outlive_its_master(
    begin: Callable[..., Program], tmp_path: Path
) -> None:
    """History without a heart; told to linger, it ends when whoever started it has let go of its stdin."""
    SqliteStore.open(tmp_path / "d.db", kind=StoreKind.DEMO).close()
    face = begin("serve", "--db", "d.db", "--port", "0", "--linger", "0.2")
    assert heart_of(face.url) == "none"
    assert face.process.stdin is not None
    face.process.stdin.close()
    assert face.process.wait(ENDS_WITHIN_S + SLACK_S) == 0
    alone = begin("serve", "--db", "d.db", "--port", "0")
    assert get(alone.url, "/healthz")[0] == 200
    assert alone.end(signal.SIGINT) < ENDS_WITHIN_S + SLACK_S
    assert alone.process.returncode == 130


@pytest.mark.parametrize("command", ["serve", "demo", "live"])
def test_a_port_that_is_taken_is_refused_before_anything_is_started(
    begin: Callable[..., Program], tmp_path: Path, command: str
) -> None:
    """By name, with a hint; there is no database afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = begin(command, "--db", "d.db", "--port", port)
        assert refused.process.wait(DEADLINE_S) == 2
    refused.wait_for(f"error port-taken: somebody else listens at 127.0.0.1:{port}")
    refused.wait_for("--port 0 takes any free one")
    assert not (tmp_path / "d.db").exists()

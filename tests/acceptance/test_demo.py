"""The demo as a newcomer meets it: what it opens with, what it prints, and that nothing is left when it ends."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perpscope.app.demo_rows import TOLD
from perpscope.lab.dialect import VENUES

S = 1_000_000_000
#: A newcomer's patience with a command that should have ended; CI machines are slow and shared.
ENDS_WITHIN_S = 5.0
SLACK_S = 20.0
DEADLINE_S = 150.0
_MARKS = "index_price IS NULL, funding_rate IS NULL, next_funding_time IS NULL, funding_interval_h"
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc: processes cannot be found")


class Demo:
    """A demo that runs; its processes know each other by a word in their environment."""

    def __init__(self, folder: Path, environment: dict[str, str], *words: str) -> None:
        self.word = f"DEMO_UNDER_TEST={folder}"
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        name, _, value = self.word.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perpscope", "demo", "--db", "d.db", "--headless", "--json", *words],
            cwd=folder,
            env={**environment, name: value, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []

    def wait_for(self, words: str) -> None:
        """Return when it has said so."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return
        pytest.fail(f"it never said {words!r}: {self.said}")

    def processes(self) -> list[int]:
        """All that belong to it."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                is_alive = entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if is_alive and self.word.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def ports(self) -> set[int]:
        """On which its processes listen."""
        listening = {}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN, https://docs.kernel.org/networking/proc_net_tcp.html
                listening[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
        held = set()
        for pid in self.processes():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    held.add(str(entry.readlink()))
        return {port for name, port in listening.items() if name in held}

    def ended(self) -> float:
        """Wait for the last of its processes; real seconds."""
        began = time.monotonic()
        self.process.wait(ENDS_WITHIN_S + SLACK_S)
        pause = threading.Event()
        while self.processes() and time.monotonic() - began < ENDS_WITHIN_S + SLACK_S:
            pause.wait(0.02)
        return time.monotonic() - began


@pytest.fixture
def begun(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Demo]]:
    """Begin a demo; whatever the test does, nothing of it stays."""
    demos: list[Demo] = []

    def begin(*words: str) -> Demo:
        demos.append(Demo(tmp_path, environment, *words))
        return demos[-1]

    yield begin
    for demo in demos:
        for pid in demo.processes() if Path("/proc/self/environ").exists() else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        demo.process.kill()
        demo.process.communicate()


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as tried:
        tried.settimeout(5.0)
        return tried.connect_ex(("127.0.0.1", port)) == 0


def nothing_is_left(demo: Demo, ports: set[int]) -> None:
    """No process, no port, no lock that is held, no temporary file; of a killed heart its socket's file, unheard."""
    assert demo.processes() == []
    assert [port for port in ports if is_open(port)] == []
    left_over = [path for path in demo.temporary.rglob("*") if path.is_file() and not path.name.endswith(".sock.lock")]
    assert left_over == []
    sockets = [path for path in demo.temporary.rglob("*") if path.is_socket()]
    assert len(sockets) <= (demo.process.returncode == -signal.SIGKILL)
    left = {path.name for path in demo.folder.iterdir()}
    assert left <= {"d.db", "d.db-wal", "d.db-shm", "d.db.lock", "tmp", "home"}
    if "d.db" in left:
        with contextlib.closing(sqlite3.connect(demo.folder / "d.db", timeout=0.0)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody writes there any more


@needs_proc
@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (signal.SIGINT, {130}),
        pytest.param(signal.SIGTERM, {0, 4}, marks=pytest.mark.soak),
        (signal.SIGKILL, {-signal.SIGKILL}),
    ],
    ids=["ctrl-c", "sigterm", "killed"],
)
def test_whatever_ends_a_demo_nothing_is_left(begun: Callable[..., Demo], number: int, codes: set[int]) -> None:
    """While it collects: everything is gone within seconds, the lab too; a SIGKILL leaves no orphan.

    Keeps B13.
    """
    demo = begun("--days", "0")
    demo.wait_for("connections")
    ports = demo.ports()
    assert len(demo.processes()) == 2
    assert len(ports) >= 2 * len(VENUES)
    assert all(map(is_open, ports))
    demo.process.send_signal(number)
    took_s = demo.ended()
    nothing_is_left(demo, ports)
    assert demo.process.returncode in codes
    assert took_s < ENDS_WITHIN_S + SLACK_S


@needs_proc
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)], ids=["ctrl-c", "killed"]
)
def test_an_opening_can_be_ended_too(begun: Callable[..., Demo], number: int) -> None:
    """While the days before are still being made, in processes of their own: they go, and leave nothing."""
    demo = begun("--days", "8")
    demo.wait_for("making 8 market days of BTC, ETH, SOL")
    pause = threading.Event()
    while len(demo.processes()) < 3:
        pause.wait(0.02)
    demo.process.send_signal(number)
    assert demo.ended() < ENDS_WITHIN_S + SLACK_S
    assert demo.process.returncode == (130 if number == signal.SIGINT else -number)
    nothing_is_left(demo, set())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, dict[str, Any], Path]:
    """A demo of one market hour before its opening, ended when what follows it is told whole of all coins."""
    folder = tmp_path_factory.mktemp("whole")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    demo, path = Demo(folder, {**kept, "HOME": str(folder)}, "--days", "0.04"), folder / "d.db"
    try:
        demo.wait_for("Ctrl-C ends it")
        with contextlib.closing(sqlite3.connect(path, timeout=DEADLINE_S)) as connection:
            opening = opening_of(connection)
            pause, until = threading.Event(), time.monotonic() + DEADLINE_S
            while not is_told(connection, opening) and time.monotonic() < until:
                pause.wait(0.2)
        demo.process.send_signal(signal.SIGINT)
        out, err = demo.process.communicate(timeout=DEADLINE_S)
    finally:
        demo.process.kill()
    assert demo.process.returncode == 130, err
    demo.said.append(err)
    return demo, json.loads(out), path


def is_told(connection: sqlite3.Connection, opening: int) -> bool:
    """Whether the first minute after the opening is there of all, and all of a mark price that was made is told."""
    (candles,) = connection.execute("SELECT count(*) FROM candles_1m WHERE ts_open = ?", (opening,)).fetchone()
    of_marks = f"SELECT venue, {_MARKS} FROM premium_index WHERE ts_minute"
    untold = connection.execute(f"{of_marks} < ? EXCEPT {of_marks} >= ?", (opening, opening)).fetchone()
    return candles >= 3 * len(VENUES) and untold is None


def opening_of(connection: sqlite3.Connection) -> int:
    """Where the days that were made end, ns UTC."""
    (found,) = connection.execute("SELECT max(ts_to) FROM coverage WHERE connection = 'demo/past'").fetchone()
    return int(found)


def test_a_demo_says_what_a_newcomer_asks(whole: tuple[Demo, dict[str, Any], Path]) -> None:
    """One JSON object: the status, the seed, the hash of the first frames, how long it took, what the lab needed.

    Keeps S3-38.
    """
    demo, told, _ = whole
    assert told["seed"] == 7
    assert told["frames_hash"] is None or set(told["frames_hash"]) <= set("0123456789abcdef")
    opening = told["opening"]
    assert 0.0 < opening["ready_s"] <= opening["first_candle_s"]
    assert opening["ready_s"] <= opening["first_event_s"]
    assert told["data"] == "demo"
    assert {feed["venue"] for feed in told["feeds"]} == set(VENUES)
    said = "".join(demo.said)
    assert "DEMO DATA, never the real store" in said
    assert "./run status --db d.db" in said
    assert "rows of 1 market hours are in the store" in said


def test_the_days_before_and_the_market_after_are_one(whole: tuple[Demo, dict[str, Any], Path]) -> None:
    """No jump at the opening, no minute missing on either side of it, and no gap that is none."""
    _, _, path = whole
    with contextlib.closing(sqlite3.connect(path)) as connection:
        opening = opening_of(connection)
        for venue in VENUES:
            rows = connection.execute(
                "SELECT symbol, open, close FROM candles_1m WHERE venue = ? AND ts_open BETWEEN ? AND ?"
                " ORDER BY symbol, ts_open",
                (venue, opening - 60 * S, opening),
            ).fetchall()
            last, first = rows[::2], rows[1::2]
            assert [row[0] for row in last] == [row[0] for row in first], venue
            assert len(last) == 3
            for before, after in zip(last, first, strict=True):
                assert after[1] == pytest.approx(before[2], rel=0.002), (venue, before)
        gaps = connection.execute("SELECT count(*) FROM coverage WHERE kind = 'gap' AND ts_from < ?", (opening,))
        assert gaps.fetchone() == (0,)


@pytest.mark.parametrize("venue", VENUES)
def test_what_was_made_looks_like_what_is_told(whole: tuple[Demo, dict[str, Any], Path], venue: str) -> None:
    """Of each venue the columns that are filled, the labels of liquidations, the kinds of ratios: `TOLD` is right.

    What the decoders make of the lab's wires after the opening is the judge of what was made before it.
    """
    _, _, path = whole
    candles = "quote_volume IS NULL, trades IS NULL, taker_buy_volume IS NULL, taker_buy_quote_volume IS NULL"
    labels = "completeness, sampling, fill_price IS NULL, bankruptcy_price IS NULL"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        opening = opening_of(connection)

        def shapes(columns: str, table: str, time: str) -> tuple[set[Any], set[Any]]:
            query = f"SELECT DISTINCT {columns}, {time} < {opening} FROM {table} WHERE venue = ?"
            found = connection.execute(query, (venue,)).fetchall()
            return {row[:-1] for row in found if row[-1]}, {row[:-1] for row in found if not row[-1]}

        made, told = shapes(candles, "candles_1m", "ts_open")
        assert made == told
        made, told = shapes(_MARKS, "premium_index", "ts_minute")
        assert len(made) == 1
        assert made <= told
        made, told = shapes(labels, "liquidation_events", "ts_event")
        assert not made or not told or made == told
        assert bool(made) <= (TOLD[venue].liquidations is not None)
        made, _ = shapes("kind", "long_short_ratio", "ts_event")
        assert made == {(kind.value,) for kind in TOLD[venue].ratios}


def hash_of(*words: str, wait_s: float) -> str:
    """What a lab of two venues says of its first ten minutes, hurried after some real seconds."""
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "perpscope.lab",
            "--venue",
            *VENUES,
            "--symbols",
            "BTC",
            "--held",
            "--fingerprint",
            *words,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as lab:
        assert lab.stdin is not None
        assert lab.stdout is not None
        json.loads(lab.stdout.readline())
        lab.stdin.write(b"start\n")
        lab.stdin.flush()
        threading.Event().wait(wait_s)
        lab.stdin.write(b"hurry\n")
        lab.stdin.flush()
        found: str = json.loads(lab.stdout.readline())["frames_hash"]
    assert lab.returncode == 0
    return found


def test_the_same_seed_tells_the_same_frames() -> None:
    """The hash is of ten market minutes, whatever the speed and however early it ends.

    Keeps B13.
    """
    opening = ("--start-ns", "1795219200000000000")
    slow = hash_of("--speed", "20", *opening, wait_s=0.3)
    assert slow == hash_of("--speed", "60", "--yielding", *opening, wait_s=2.0)


@pytest.mark.soak
def test_the_market_of_a_crowd_tells_the_same_frames(begun: Callable[..., Demo]) -> None:
    """With days before, made by the crowd, whole demos: the same hash, whatever the duration and the speed."""
    hashes = []
    for words in (("--duration", "3"), ("--duration", "14", "--speed", "45x")):
        demo = begun("--days", "0.125", *words)
        out, err = demo.process.communicate(timeout=DEADLINE_S)
        assert demo.process.returncode == 0, err
        hashes.append(json.loads(out)["frames_hash"])
        demo.temporary.rmdir()
        for path in demo.folder.glob("d.db*"):
            path.unlink()
    assert hashes[0] == hashes[1]


@pytest.mark.soak
def test_eight_days_are_in_the_store_soon(begun: Callable[..., Demo]) -> None:
    """Eight days of every candle on five venues; how long it took is printed: 20 s at most on two free cores."""
    demo = begun("--duration", "2")
    out, err = demo.process.communicate(timeout=DEADLINE_S)
    assert demo.process.returncode == 0, err
    told = json.loads(out)
    print({name: told[name] for name in ("opening", "lab")})
    with contextlib.closing(sqlite3.connect(demo.folder / "d.db")) as connection:
        rows = connection.execute(
            "SELECT venue, symbol, count(*) FROM candles_1m WHERE is_backfilled GROUP BY 1, 2"
        ).fetchall()
    assert len(rows) == 15
    assert all(count >= 8 * 1440 for _, _, count in rows)
    assert told["opening"]["ready_s"] < DEADLINE_S

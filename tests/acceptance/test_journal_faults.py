"""The journal of a trader on bad days, with the real thing: kill -9, a stopped leader, full disks, flipped bits.

What was acknowledged is there; who was overtaken writes nothing; what cannot be trusted is refused, not guessed at.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from perpscope.errors import StoreError
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalReader, place

ROOT = Path(__file__).resolve().parents[2]
#: What every program under a fault begins with.
PRELUDE = """
import json, subprocess, sys
from pathlib import Path
import msgspec
from tests.unit.journal_made import ACCOUNT, NOON_NS, held_journal, order, run_named, status, trade
from perpscope.errors import PerpscopeError
from perpscope.model.order import Role
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalReader, place

folder = Path(sys.argv[1])
path = place(folder / "market.db", RunKind.LIVE)

def code_of(act):
    try:
        act()
    except PerpscopeError as error:
        return error.code

def mount(*words):
    subprocess.run(["mount", *words], check=True)
"""


def environment() -> dict[str, str]:
    """For a program that imports our tests."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def command(program: str, folder: Path, *more: str) -> list[str]:
    """A program, to be run in a process of its own."""
    return [sys.executable, "-c", PRELUDE + program, str(folder), *more]


def told_by(program: str, folder: Path, *before: str) -> dict[str, object]:
    """Run a program; what it printed."""
    ended = subprocess.run(
        [*before, *command(program, folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    told: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return told


#: Writes orders, fills and notes as fast as it can; each is named on stdout after its call returned.
WRITING = """
first = int(sys.argv[2])
journal = held_journal(folder / "market.db", holder=f"trader {first}")
for number in range(first, first + 100_000):
    name = f"7f3a-burst-{number}"
    journal.intend("7f3a", order(name))
    print("o", number, flush=True)
    journal.filled("7f3a", name, trade(number))
    print("f", number, flush=True)
    journal.report(status(orders=number))
"""


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_e2_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path, kills: int) -> None:
    """E2, D6: each order and fill whose call returned is in the journal, whole, and the next trader goes on at once."""
    path, rng, after = place(tmp_path / "market.db", RunKind.LIVE), random.Random(kills), 0
    orders: set[int] = set()
    fills: set[int] = set()
    for _ in range(kills):
        with subprocess.Popen(
            command(WRITING, tmp_path, str(after + 1)), env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            left = rng.randrange(1, 120)
            for line in process.stdout:
                kind, number = line.split()
                (orders if kind == "o" else fills).add(int(number))
                left -= 1
                if left == 0:
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        with JournalReader(path) as reader:
            assert reader.fault() is None
            written = {int(found.request.id.rpartition("-")[2]) for found in reader.orders("7f3a")}
            booked = {fill.trade.trade_id for fill in reader.fills("7f3a")}
        assert orders <= written
        assert fills <= booked <= written
        after = max(written)
    with Journal.open(path, holder="trader at last") as journal:
        journal.take("binance main", 0.0, 10.0)
        assert journal.last_number("7f3a") == after


LEADING = """
journal = held_journal(folder / "market.db", holder="the leader")
journal.intend("7f3a", order("7f3a-burst-1"))
print("leads", flush=True)
sys.stdin.readline()
codes = [code_of(act) for act in (
    lambda: journal.intend("7f3a", order("7f3a-burst-2")),
    lambda: journal.note("7f3a-burst-1", "sent", NOON_NS),
    lambda: journal.renew(1001.0),
)]
print(json.dumps(codes), flush=True)
"""


def test_d22_a_leader_that_was_stopped_writes_nothing(tmp_path: Path) -> None:
    """D22, E3: SIGSTOP past the lease, another takes over, SIGCONT: the first can write no order, so it sends none."""
    path = place(tmp_path / "market.db", RunKind.LIVE)
    with subprocess.Popen(
        command(LEADING, tmp_path), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "leads\n"
        process.send_signal(signal.SIGSTOP)
        with Journal.open(path, holder="the second") as second:
            with pytest.raises(StoreError, match="the leader has the account already"):
                second.take("binance main", 1009.0, 10.0)
            assert second.take("binance main", 1010.0, 10.0) == 2
            assert second.last_number("7f3a") == 1
            process.send_signal(signal.SIGCONT)
            out, _ = process.communicate("go\n", timeout=60)
            assert json.loads(out) == ["trader-fenced"] * 3
            assert [found.request.id for found in second.orders("7f3a")] == ["7f3a-burst-1"]
            second.renew(1011.0)
            assert second.verify() is None


FULL_DISK = """
mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
journal = held_journal(folder / "market.db")
number, code = 0, None
while code is None:
    number += 1
    code = code_of(lambda: journal.intend("7f3a", order(f"7f3a-burst-{number}")))
reader = JournalReader(path)
readable = len(reader.orders("7f3a"))
last = order(f"7f3a-burst-{number}")
again = code_of(lambda: journal.intend("7f3a", last))
mount("-o", "remount,size=16m", str(folder))
journal.intend("7f3a", last)
journal.report(status())
journal.close()
with Journal.open(path, holder="after") as after:
    print(json.dumps({"code": code, "again": again, "readable": readable, "given": number,
        "stored": len(after.orders("7f3a")), "fault": after.verify()}))
"""


def test_f1_a_full_disk(own_mounts: list[str], tmp_path: Path) -> None:
    """F1: an order that cannot be written down is refused, nothing that was is lost, and it goes on with room."""
    told = told_by(FULL_DISK, tmp_path, *own_mounts)
    assert (told["code"], told["again"], told["fault"]) == ("journal-unwritten", "journal-unwritten", None)
    assert told["readable"] == int(str(told["given"])) - 1
    assert told["stored"] == told["given"]


READ_ONLY = """
mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder))
held_journal(folder / "market.db").close()
mount("-o", "remount,ro", str(folder))
code = code_of(lambda: Journal.open(path, holder="x"))
readable = len(JournalReader(path).runs())
mount("-o", "remount,rw", str(folder))
held_journal(folder / "market.db").close()
print(json.dumps({"code": code, "readable": readable}))
"""


def test_f3_a_read_only_disk(own_mounts: list[str], tmp_path: Path) -> None:
    """F3: named when the trader starts, faces still read what there was, and it goes on when it may."""
    assert told_by(READ_ONLY, tmp_path, *own_mounts) == {"code": "journal-unwritten", "readable": 1}


WRITTEN = """
journal = held_journal(folder / "market.db")
for number in range(1, 200):
    journal.intend("7f3a", order(f"7f3a-burst-{number}"))
    journal.note(f"7f3a-burst-{number}", "filled", NOON_NS)
    journal.filled("7f3a", f"7f3a-burst-{number}", trade(number))
journal.close()
print("{}")
"""


@pytest.mark.parametrize("seeds", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_f5_flipped_bits(tmp_path: Path, seeds: int) -> None:
    """F5: 64 random bytes, and the journal is refused at opening, or every order and fill in it still says the same."""
    told_by(WRITTEN, tmp_path)
    path = place(tmp_path / "market.db", RunKind.LIVE)
    whole = path.read_bytes()
    with JournalReader(path) as reader:
        known = reader.orders("7f3a"), reader.fills("7f3a")
    ends: Counter[str] = Counter()
    for seed in range(seeds):
        rng, bent = random.Random(seed), bytearray(whole)
        for _ in range(64):
            at = rng.randrange(len(bent))
            bent[at] ^= 1 << rng.randrange(8)
        path.write_bytes(bent)
        try:
            with Journal.open(path, holder="x") as journal:
                ends["same" if (journal.orders("7f3a"), journal.fills("7f3a")) == known else "other"] += 1
        except StoreError as error:
            ends[error.code] += 1
        for left in tmp_path.glob("market.db.live-*"):
            left.unlink()
    assert set(ends) <= {"journal-damaged", "journal-foreign", "journal-newer", "same"}
    assert ends["journal-damaged"] >= seeds * 0.9

"""`kill -9` while writing: what coverage vouches for is there, and a replay makes good what is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.store_events import BTC, ETH, NOON, SECOND

from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

ROWS_PER_SECOND = 40
#: Writes `ROWS_PER_SECOND` rows for each second of market time as fast as it can, from where coverage ended.
PROGRAM = f"""
import sys
from pathlib import Path
from tests.contract.store_events import BTC, LIQUIDATIONS, at, covered, liquidation, tick
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
store = SqliteStore.open(Path(sys.argv[1]), kind=StoreKind.OBSERVED)
store.register([BTC])
accept = store.sink().accept
begin = second = int(sys.argv[2])
while True:
    for number in range({ROWS_PER_SECOND}):
        accept(liquidation(second + number / {ROWS_PER_SECOND}))
    second += 1
    accept(covered(begin, second, streams=LIQUIDATIONS))
    accept(tick(second))
    if store.committed is not None and second % 10 == 0:
        print(second, flush=True)
    if store.pending_rows > 5000:
        store.flush()
"""
#: Replays the same half hour of all that is told of traders and contracts, from its beginning.
SESSION = """
import sys
from pathlib import Path
from tests.contract.store_events import (
    BTC, ETH, KPEPE, TIERS, at, contract, open_interest, position, ratio, taker_volume, tick
)
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
store = SqliteStore.open(Path(sys.argv[1]), kind=StoreKind.REPLAY)
store.register([BTC, ETH, KPEPE], at(0))
accept = store.sink().accept
for second in range(0, 1800, 5):
    accept(open_interest(second, 1.0 + second, of=(BTC, ETH)[second % 2].id))
    accept(position(second, 1.0 + second, account=f"0x{second % 3}"))
    if second % 60 == 0:
        accept(ratio(second, second / 1800))
        accept(taker_volume(second, 1.0 + second))
        accept(contract(second, is_trading=second % 120 == 0, tiers=TIERS[: 1 + second // 60 % 2]))
        store.register_tiers({ETH.id: TIERS[: 1 + second // 300 % 2]}, source="venue", ts_from=at(second))
    accept(tick(second))
    store.flush()
    print(second, flush=True)
store.close()
"""
ROOT = Path(__file__).resolve().parents[2]


def killed_after(path: Path, begin: int, lines: int, program: str = PROGRAM) -> None:
    """Run the writer from a market second on, and kill it after it has said so many lines."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", program, str(path), str(begin)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()


@pytest.mark.parametrize("lines", [(1, 7, 23), pytest.param(tuple(range(1, 40, 2)), marks=pytest.mark.soak)])
def test_coverage_never_runs_ahead_of_the_rows(lines: tuple[int, ...], tmp_path: Path) -> None:
    """After each kill every second that is covered has all its rows, and the file is whole."""
    path = tmp_path / "market.db"
    begin = 0
    for count in lines:
        killed_after(path, begin, count)
        with SqliteReader.open(path) as reader:
            rows = reader.coverage(kind="covered")
            spans = [(row.ts_from, row.ts_to or 0) for row in rows]
            times = [event.ts_event for event in reader.liquidations(limit=10_000_000)]
        assert spans[-1][0] == NOON + begin * SECOND
        for ts_from, ts_to in spans:
            vouched = sum(ts_from <= ts < ts_to for ts in times)
            assert vouched == (ts_to - ts_from) // SECOND * ROWS_PER_SECOND
        store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
        ((ts_end, cause),) = store.last_covered().values()
        store.close()
        assert (ts_end, cause) == (spans[-1][1], "restart")
        begin = (ts_end - NOON) // SECOND + 1000


def everything(path: Path) -> list[object]:
    """All that a session tells of traders and contracts."""
    with SqliteReader.open(path) as reader:
        return [
            *(reader.open_interest(), reader.long_short_ratio(), reader.taker_volume(), reader.public_positions()),
            *(reader.position_history(f"0x{number}") for number in range(3)),
            *(reader.instruments(), reader.instrument_versions(BTC.id)),
            *(reader.margin_tiers(BTC.id), reader.margin_tiers(ETH.id)),
        ]


def test_a_session_that_was_killed_and_replayed_is_the_session(tmp_path: Path) -> None:
    """However often it is cut off and begun again, in the end every row is there once, and is what it should be."""
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    killed_after(whole, 0, 360, SESSION)
    for lines in (3, 77, 250, 360):
        killed_after(killed, 0, lines, SESSION)
    found = everything(killed)
    assert found == everything(whole)
    assert [len(rows) for rows in found if isinstance(rows, list)] == [60, 30, 30, 3, 30, 30, 30, 3, 30, 30, 6]

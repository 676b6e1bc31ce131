"""`kill -9` while writing: what coverage vouches for is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.store_events import NOON, SECOND

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
ROOT = Path(__file__).resolve().parents[2]


def killed_after(path: Path, begin: int, lines: int) -> None:
    """Run the writer from a market second on, and kill it after it has said so many lines."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", PROGRAM, str(path), str(begin)]
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

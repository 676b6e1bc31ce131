"""The archive on bad days, with the real thing: a full disk, too few file descriptors, a recorded hole, the collector.

What cannot be written waits, is dropped by the stated rule, and is a hole; the heart never notices.
"""

import gzip
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpscope.app.archive_rows import import_rows
from perpscope.cli.main import run
from perpscope.model.stream import Channel
from perpscope.stores.archive.ledger import ledger
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.query import ArchiveReader
from perpscope.stores.status import StoreKind
from tests.acceptance.test_storage_faults import told_by
from tests.contract.archive_events import trade
from tests.contract.store_events import ETH, tick

PRELUDE = """
from contextlib import closing
from tests.contract.archive_events import TRADES, trade
from perpscope.stores.archive import writer
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.ledger import ledger
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.query import ArchiveReader, verify
from perpscope.model.stream import Channel
from perpscope.model.instrument import InstrumentId

def second_of(archive, second, per_second=4000):
    archive.take([trade(second + n / per_second, second * per_second + n, price=hash((second, n)) % 10**9 / 7,
                        size=hash((n, second)) % 10**9 / 3) for n in range(per_second)])
    archive.accept(covered(0, second + 1, streams=TRADES))
    archive.accept(tick(second + 1))
    wait_for(lambda: not archive.waiting or archive.trouble is not None)

def read(folder):
    with closing(ArchiveReader(folder)) as reader:
        count = reader.select("SELECT count(*), count(DISTINCT trade_number) FROM trades").table
        return [column[0].as_py() for column in count.columns], len(verify(reader.manifest))
"""
FULL = (
    PRELUDE
    + """
mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder))
archive = ParquetArchive.open(folder / "a", kind=StoreKind.OBSERVED, file_s=2.0)
second = 0
while archive.trouble is None:
    second_of(archive, second)
    second += 1
trouble = archive.trouble
for _ in range(4):
    second_of(archive, second)
    second += 1
meanwhile, bad = read(folder / "a")
if BOUNDED:
    writer._MOST_BYTES = 1
    wait_for(lambda: archive.trouble.tries > trouble.tries)
    for _ in range(3):
        second_of(archive, second)
        second += 1
mount("-o", "remount,size=64m", str(folder))
wait_for(lambda: archive.trouble is None)
writer._MOST_BYTES = 256 << 20
for _ in range(3):
    second_of(archive, second)
    second += 1
archive.close()
(rows, distinct), bad_after = read(folder / "a")
with closing(Manifest.reading(folder / "a")) as manifest:
    spans = [(s.ts_from, s.ts_to, s.cause) for s in ledger(manifest)]
print(json.dumps({"what": trouble.what, "meanwhile": meanwhile[0], "bad": bad + bad_after, "rows": rows,
    "distinct": distinct, "given": second * 4000, "dropped": archive.dropped,
    "spans": [((f - at(0)) / 1e9, (t - at(0)) / 1e9, c) for f, t, c in spans]}))
"""
)


def test_f1_a_full_disk_is_waited_for(own_mounts: list[str], tmp_path: Path) -> None:
    """F1 for the archive: what is there stays readable, nothing is lost or doubled, and it goes on by itself."""
    told = told_by("BOUNDED = False\n" + FULL, tmp_path, *own_mounts)
    assert "No space" in str(told["what"]) or "full" in str(told["what"])
    assert (told["dropped"], told["bad"]) == (0, 0)
    assert told["rows"] == told["distinct"] == told["given"]
    assert 0 < told["meanwhile"] < told["given"]  # type: ignore[operator]  # numbers
    assert told["spans"] == [[0.0, told["given"] / 4000, None]]  # type: ignore[operator]  # a number


def test_f1_a_disk_full_for_long_leaves_a_hole(own_mounts: list[str], tmp_path: Path) -> None:
    """Beyond the memory allowed, ticks are dropped and counted, and the archive's coverage says when."""
    told = told_by("BOUNDED = True\n" + FULL, tmp_path, *own_mounts)
    assert told["bad"] == 0
    assert told["rows"] == told["distinct"]
    assert told["given"] - told["rows"] == told["dropped"]  # type: ignore[operator]  # numbers
    assert told["dropped"] > 0  # type: ignore[operator]  # a number
    spans: list[tuple[float, float, str]] = told["spans"]  # type: ignore[assignment]  # as printed
    before, hole, after = spans
    assert (before[1], after[0]) == (hole[0], hole[1])
    assert hole[2] == "archive-behind"
    assert (hole[1] - hole[0]) * 4000 >= told["dropped"]  # type: ignore[operator]  # a number


FEW_FILES = (
    PRELUDE
    + """
import resource
archive = ParquetArchive.open(folder / "a", kind=StoreKind.OBSERVED, file_s=1.0)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for second in range(10):
    archive.take([trade(second, n, of=InstrumentId(f"C{n}-USDT-PERP.BINANCE")) for n in range(20)])
    archive.accept(tick(second + 1))
    wait_for(lambda: archive.rows >= 20 * second)
archive.close()
print(json.dumps({"trouble": archive.trouble is not None, "read": read(folder / "a")}))
"""
)


def test_e8_few_file_descriptors(tmp_path: Path) -> None:
    """E8: with 64 descriptors, 200 files are written, verified and read."""
    assert told_by(FEW_FILES, tmp_path) == {"trouble": False, "read": [[200, 20], 0]}


@pytest.mark.soak
def test_the_recorded_hole_is_in_the_ledger(tmp_path: Path, recordings: Path) -> None:
    """`data/books`: the 18 minutes of 12 June are found, lines told twice are gone, a second import adds nothing."""
    files = [recordings / f"books/hyperliquid_sol_20260612_{what}.jsonl.gz" for what in ("trades", "ctx")]
    with closing(Manifest.writing(tmp_path, StoreKind.OBSERVED)) as manifest:
        found = list(import_rows(manifest, files))
        again = list(import_rows(manifest, files))
        spans = ledger(manifest)
    for done in found:
        print(f"{done.channel.value}: {done.rows:,} rows, {done.repeats:,} told twice, bound {done.silence_s:.0f} s")
    with gzip.open(files[0]) as lines:
        distinct = len({json.dumps(json.loads(line)) for line in lines})
    trades = next(done for done in found if done.channel is Channel.TRADES)
    assert (trades.added, trades.added + trades.repeats) == (distinct, trades.rows)
    assert [done.added for done in again] == [0, 0, 0]
    for channel in (Channel.TRADES, Channel.MARK_PRICES, Channel.OPEN_INTEREST):
        hole = max(
            (h for done in found if done.channel is channel for h in done.holes), key=lambda h: h.ts_to - h.ts_from
        )
        minutes = (hole.ts_to - hole.ts_from) / 60e9
        gaps = [s for s in spans if s.channel is channel and not s.is_covered and s.cause == "silence"]
        repaired_s = sum((s.ts_to or 0) - s.ts_from for s in gaps if s.is_repaired) / 1e9
        assert 17 < minutes < 19
        assert minutes * 60 - repaired_s < 60
        print(f"{channel.value}: {minutes:.1f} minutes silent, {repaired_s / 60:.1f} of them on the other tape")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Import, info, coverage, query, export, merge, compact and verify, as people and programs call them."""
    rows = [
        {"ts": 1_781_222_400_000 + n * 1000, "px": 10.0 + n % 3, "sz": 1.0, "side": "AB"[n % 2]} for n in range(300)
    ]
    del rows[100:180]
    rows.append(rows[0])
    file, folder = tmp_path / "hyperliquid_btc_20260612_trades.jsonl", tmp_path / "archive"
    file.write_text("".join(json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: str(row["ts"]))))
    at = ["--folder", str(folder)]

    def told(*words: str, code: int = 0) -> dict[str, object]:
        assert run(["archive", *words, "--json"]) == code
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    done: list[dict[str, Any]] = told("import", str(file), *at)["imported"]  # type: ignore[assignment]  # a list
    (imported,) = done
    assert (imported["rows"], imported["added"], imported["repeats"], len(imported["holes"])) == (221, 220, 1, 1)
    assert told("info", *at)["rows"] == 220
    intervals: list[dict[str, object]] = told("coverage", *at)["intervals"]  # type: ignore[assignment]  # a list
    assert [(i["state"], i["cause"]) for i in intervals] == [("covered", None), ("gap", "silence"), ("covered", None)]
    asked = told("query", "SELECT side, count(*) AS n FROM trades GROUP BY side ORDER BY side", *at)
    assert asked["rows"] == [{"side": "BUY", "n": 110}, {"side": "SELL", "n": 110}]
    for name in ("t.csv", "t.parquet"):
        out = ["--out", str(tmp_path / name)]
        span = ["--from", "2026-06-12T00:00:10", "--to", "2026-06-12T00:01:00"]
        assert told("export", "trades", "--symbol", "BTC", *out, *span, *at)["rows"] == 50
    assert (tmp_path / "t.csv").read_text().count("\n") == 51
    other = ["--folder", str(tmp_path / "other")]
    assert told("merge", str(folder), *other)["added"] == 220
    assert told("merge", str(folder), *other)["added"] == 0
    assert told("compact", *other)["files"] == 1
    assert told("verify", *other)["bad"] == {}
    (path,) = (tmp_path / "other").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    assert len(told("verify", *other, code=1)["bad"]) == 1  # type: ignore[arg-type]  # a table
    for words in (["info"], ["coverage"], ["compact"], ["query", "SELECT count(*) FROM trades"], ["import", str(file)]):
        assert run(["archive", *words, *at]) == 0
    assert "GAP silence" in capsys.readouterr().out


def test_what_cannot_be_exported_or_imported_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Forms, names and places that do not fit are refused, each with what would; absurd times are shown apart."""
    with closing(ParquetArchive.open(tmp_path / "a", kind=StoreKind.OBSERVED)) as archive:
        early = msgspec.structs.replace(trade(1, 1), ts_event=1)
        archive.take([trade(2, 2), trade(3, 3, of=ETH.id), early])
        archive.accept(tick(3))
    at = ["--folder", str(tmp_path / "a")]
    lines, blocked = tmp_path / "frames.jsonl", tmp_path / "no" / "t.csv"
    lines.write_text('{"e":"aggTrade","T":1781222400000}\n' * 3)
    for words, code in (
        (["export", "book", "--out", str(tmp_path / "b.csv")], "option-value"),
        (["export", "trades", "--out", str(tmp_path / "t.txt")], "option-value"),
        (["export", "trades", "--out", str(blocked)], "option-value"),
        (["export", "trades", "--symbol", "DOGE", "--out", str(tmp_path / "t.csv")], "symbol-unknown"),
        (["query", "SELECT 1", "--from", "yesterday"], "option-value"),
        (["import", str(lines)], "archive-form"),
    ):
        assert run(["archive", *words, *at]) in (2, 3)
        assert f"error {code}:" in capsys.readouterr().err
    assert run(["archive", "export", "trades", "--symbol", ETH.id, "--out", str(tmp_path / "t.csv"), *at]) == 0
    assert run(["archive", "query", "SELECT * FROM trades", "--rows", "1", *at]) == 0
    assert run(["archive", "info", *at]) == 0
    told = capsys.readouterr()
    assert "1 in quarantine" in told.out
    assert "more than 1 rows" in told.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["info"], "archive-missing"),
        (["query", "DROP TABLE x"], "archive-missing"),
        (["export", "nonsense", "--out", "x.csv"], "option-value"),
        (["export", "trades"], "option-value"),
        (["query"], "option-value"),
        (["import"], "option-value"),
        (["merge"], "option-value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_says_what_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    """Each mistake has a code and a hint."""
    assert run(["archive", *words, "--folder", str(tmp_path / "none")]) in (2, 3)
    told = capsys.readouterr().err
    assert f"error {code}:" in told
    assert "→" in told


def test_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No archive is named anywhere: usage, not a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["archive", "info"]) == 2
    assert "--folder" in capsys.readouterr().err


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    """A reader neither makes nor changes a file."""
    with closing(Manifest.writing(tmp_path, StoreKind.OBSERVED)):
        pass
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with closing(ArchiveReader(tmp_path)) as reader:
        reader.select("SELECT * FROM trades")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

"""The commands as a stranger types them: demo, status, live without a network, and every kind of bad input."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perpscope.lab.dialect import VENUES
from perpscope.stores.sqlite import SqliteReader
from perpscope.venues.binance import VENUE

from .conftest import Ran

#: Addresses that refuse at once: nothing listens on port 1 of loopback.
NOWHERE = {
    "PERPSCOPE_VENUE__BINANCE__REST_URL": "http://127.0.0.1:1",
    "PERPSCOPE_VENUE__BINANCE__WEBSOCKET_URL": "ws://127.0.0.1:1",
}


def stored_rows(path: Path, table: str) -> int:
    """Rows of a table, counted by sqlite3 itself."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """One demo of six seconds, six market minutes at most, without a past; and its database."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-m", "perpscope", *"demo --days 0 --duration 9 --headless --db demo.db --json".split()],
        cwd=folder,
        env={**environment, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return Ran(done), folder / "demo.db"


def test_the_demo_collects_a_market_over_the_wire(demo: tuple[Ran, Path]) -> None:
    """Liquidations, closed candles and premium rows arrive in the store through a real WebSocket.

    Every promised stream has its handler and brings events.

    Keeps S0-04, S1-01, S1-02, S1-22, S1-65, S2-01, S2-02, S2-03, S2-04, S2-05, S2-23, S2-66, S4-15, S4-18.
    """
    ran, path = demo
    assert ran.code == 0, ran.err
    assert "DEMO DATA" in ran.err
    frames = re.search(
        r"frames: ([\d,]+) total, ([\d,]+) routed, [\d,]+ unhandled, [\d,]+ control, 0 rejected", ran.err
    )
    assert frames is not None
    total, routed = (int(number.replace(",", "")) for number in frames.groups())
    assert routed > 0.8 * total  # the others repeat what was told
    memory = re.search(r"memory: (\d+) MB at most", ran.err)
    assert memory is not None
    assert 20 < int(memory[1]) < 400
    status = ran.json
    assert status["data"] == "demo"
    assert status["events"]["total"] > 0
    assert set(status["events"]["by_side"]) == {"BUY", "SELL"}
    assert sum(status["events"]["by_symbol"].values()) == status["events"]["total"]
    assert {feed["venue"] for feed in status["feeds"]} == set(VENUES)
    assert "down" not in {feed["state"] for feed in status["feeds"]}
    assert {feed["gaps"] for feed in status["feeds"]} == {0}
    of_binance = [feed for feed in status["feeds"] if feed["venue"] == "binance"]
    states = {feed["state"] for feed in of_binance}
    assert "live" in states  # a machine that stands still for a moment leaves twenty market seconds of silence
    assert states <= {"live", "silent"}
    spoken = {feed["channel"] for feed in of_binance if feed["events"] > 0}
    everything = {channel.value for channel in VENUE.channels | VENUE.polled}
    assert everything - {"contracts"} <= spoken <= everything  # a listing may change, or not
    with SqliteReader.open(path) as reader:
        assert len(reader.liquidations(limit=10_000)) == status["events"]["total"]
    for table in ("candles_1m", "premium_index", "coverage", "liquidation_aggregates"):
        assert stored_rows(path, table) > 0, table


def test_status_reads_what_the_demo_left(demo: tuple[Ran, Path], perpscope: Callable[..., Ran]) -> None:
    """The same figures from the file alone, one JSON object on one line; the feeds are down and say so.

    Keeps S1-29, S1-36, S1-37, S1-38, S1-39, S1-40, S1-41, S4-55.
    """
    before, path = demo
    ran = perpscope("status", "--db", path, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["events"] == before.json["events"]
    assert {feed["state"] for feed in ran.json["feeds"]} == {"down"}
    assert ran.json["database"]["path"] == str(path)
    assert ran.json["database"]["bytes"] > 0


def test_the_status_table_fits_a_terminal(demo: tuple[Ran, Path], perpscope: Callable[..., Ran]) -> None:
    """Framed, with thousands separators, within 80 columns, and the demo's data is labelled. Keeps S1-42."""
    _, path = demo
    ran = perpscope("status", "--db", path)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("DEMO DATA")
    assert "─" * 80 in lines
    assert "BUY (shorts liquidated)" in ran.out
    assert "SELL (longs liquidated)" in ran.out
    assert " MB · " in ran.out


def test_a_demo_never_enters_a_real_store(demo: tuple[Ran, Path], perpscope: Callable[..., Ran]) -> None:
    """A store of demo data refuses observed rows, by name."""
    _, path = demo
    ran = perpscope("live", "--duration", "1", "--headless", "--db", path, **NOWHERE)
    assert ran.code == 1
    assert "error store-kind" in ran.err


def test_a_second_demo_goes_on_after_the_first(
    demo: tuple[Ran, Path], perpscope: Callable[..., Ran], tmp_path: Path
) -> None:
    """The same file again: its market time goes on, and the time between is a gap, not a hole. Keeps S1-03."""
    before, first = demo
    path = tmp_path / "again.db"
    path.write_bytes(first.read_bytes())
    ran = perpscope("--mock", "--test-duration", "3", "--db-path", path)
    assert ran.code == 0, ran.err
    assert "old spelling; today: perpscope collect --mock --duration 3" in ran.err
    with SqliteReader.open(path) as reader:
        assert reader.counts(2**62).total >= before.json["events"]["total"]
        gaps = [row for row in reader.coverage() if row.kind == "gap"]
    assert stored_rows(path, "premium_index") > stored_rows(first, "premium_index")
    assert {gap.cause for gap in gaps} == {"stopped"}
    assert all(gap.ts_to is not None for gap in gaps)


def test_live_without_a_network_names_each_venue_and_exits_4(perpscope: Callable[..., Ran], home: Path) -> None:
    """No venue reached: tried again with backoff, then exit 4 because no event came. Keeps S2-16, S4-48."""
    ran = perpscope("live", "--duration", "3", "--headless", "--json", **NOWHERE)
    assert ran.code == 4
    assert ran.err.count("trying again in") >= 2
    assert "never reached: binance" in ran.err
    assert {feed["state"] for feed in ran.json["feeds"]} == {"down"}
    assert ran.json["events"]["total"] == 0
    assert (home / ".local/share/perpscope/market.db").is_file()


def test_ctrl_c_ends_a_collection_in_good_order(tmp_path: Path, environment: dict[str, str]) -> None:
    """SIGINT: what was received is stored, the status is printed, exit 130."""
    with subprocess.Popen(
        [sys.executable, "-m", "perpscope", "demo", "--days", "0", "--headless", "--json", "--db", "d.db"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "connections" in line:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["data"] == "demo"


def test_the_legacy_database_is_used_where_it_exists(perpscope: Callable[..., Ran], tmp_path: Path) -> None:
    """`./data/liquidations.db` wins over the default place, and status says why. Keeps S1-21."""
    (tmp_path / "data").mkdir()
    made = perpscope("demo", "--days", "0", "--duration", "1", "--headless", "--db", "data/liquidations.db")
    assert made.code in {0, 4}
    ran = perpscope("status", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["database"]["path"] == "data/liquidations.db"
    assert "./data/liquidations.db exists here" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("status --db none.db", 3, "error store-missing"),
        ("demo --symbols BTCUSD_NOPE --duration 5 --headless --db s.db", 2, "error symbol-unknown"),
        ("demo --speed fast", 2, "error option-value"),
        ("demo --duration 1 --headless --db folder-is-a-file/x.db", 1, "error store-folder"),
        ("live --venues binanse --duration 1", 2, "did you mean 'binance'?"),
        ("replay none.gz", 3, "error recording-missing"),
        ("replay folder-is-a-file", 3, "error recording-form"),
        ("replay none.gz --venue nowhere", 3, "error recording-missing"),
        ("config show --config none.toml", 2, "error config-file"),
        ("--analyze --all --db none.db", 3, "error store-missing"),
        ("paper moon --lab", 2, "error strategy-unknown"),
        ("trade burst", 2, "error mode-not-allowed"),
        ("trade arm BTC", 2, "error option-value"),
        ("status --nope", 2, "No such option"),
        ("nonsense", 2, "No such command"),
    ],
)
def test_bad_input_gets_one_clear_error(
    perpscope: Callable[..., Ran], tmp_path: Path, words: str, code: int, said: str
) -> None:
    """The house's error on stderr, nothing on stdout, no traceback, the documented exit code."""
    (tmp_path / "folder-is-a-file").write_text("no folder, no recording\n")
    ran = perpscope(*words.split())
    assert ran.code == code, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_an_unknown_setting_is_refused_before_anything_starts(perpscope: Callable[..., Ran]) -> None:
    """The nearest name is offered; exit 2."""
    ran = perpscope("live", "--duration", "1", PERPSCOPE_FEED__SILENT_AFTER="3")
    assert ran.code == 2
    assert "error config-unknown-key" in ran.err
    assert "did you mean 'feed.silent_after_s'?" in ran.err


def test_settings_are_shown_with_their_origin_and_written_once(perpscope: Callable[..., Ran], tmp_path: Path) -> None:
    """`config init` writes a file that is all comments, `config show --origin` tells where values came from."""
    assert perpscope("config", "init").code == 0
    assert perpscope("config", "check").out == "configuration ok\n"
    assert "error config-exists" in perpscope("config", "init").err
    text = (tmp_path / "perpscope.toml").read_text()
    (tmp_path / "perpscope.toml").write_text(text.replace("# silent_after_s = 5.0", "silent_after_s = 7.5"))
    shown = perpscope("config", "show", "--origin").out
    assert "feed.silent_after_s = 7.5" in shown
    assert "perpscope.toml" in next(line for line in shown.splitlines() if "silent_after_s" in line)
    assert perpscope("config", "show", "--json").json["settings"]["feed"]["silent_after_s"] == 7.5


def test_version_and_help_answer_at_once(perpscope: Callable[..., Ran]) -> None:
    """Neither needs a database, a network or a setting."""
    assert perpscope("--version").out.startswith("perpscope ")
    ran = perpscope("--help")
    assert ran.code == 0
    for command in ("demo", "live", "collect", "replay", "status", "config"):
        assert f"  {command} " in ran.out

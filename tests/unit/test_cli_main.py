"""The command line in its own process: exit codes, errors in words, options that become settings."""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from perpscope import __version__
from perpscope.app.collect import Outcome
from perpscope.cli import collecting, main, options, reading, screen
from perpscope.cli.commands import app
from perpscope.cli.main import run
from perpscope.errors import PerpscopeError, RateLimited, SequenceGap, StoreError
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.counts import FrameCounts
from perpscope.model.market import Tick
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import HeartStatus, StoreKind

Captured = pytest.CaptureFixture[str]

#: Addresses that refuse at once: nothing listens on port 1 of loopback.
NOWHERE = {
    "PERPSCOPE_VENUE__BINANCE__REST_URL": "http://127.0.0.1:1",
    "PERPSCOPE_VENUE__BINANCE__WEBSOCKET_URL": "ws://127.0.0.1:1",
}
QUOTE = (
    b'{"e":"bookTicker","u":9,"s":"BTCUSDT","b":"83003.7","B":"2.5","a":"83004.0","A":"1.0","T":1790757203001,'
    b'"E":1790757203016}'
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home, an empty working folder, no network, and afterwards the log and the signals as they were."""
    for variable in [v for v in os.environ if v.startswith(("PERPSCOPE_", "XDG_"))]:
        monkeypatch.delenv(variable)
    for variable, value in NOWHERE.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


def test_version_and_help_need_nothing(capsys: Captured) -> None:
    """Neither reads a setting nor a file."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"perpscope {__version__}\n"
    assert run(["--help"]) == 0
    assert "replay" in capsys.readouterr().out
    assert run([]) == 2


def test_the_program_ends_with_the_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """`main` is what the installed script calls."""
    monkeypatch.setattr(sys, "argv", ["perpscope", "--version"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main.main(["status", "--db", "none.db"])
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("error store-missing")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (
            StoreError("store-full", "the disk is full", hint="make room"),
            1,
            ["error store-full: the disk is full", "  → make room", "  exit 1 · docs/errors.md#store-full"],
        ),
        (
            PerpscopeError("x", "no hint"),
            1,
            ["error x: no hint", "  exit 1 · docs/errors.md#x"],
        ),
        (
            RateLimited("binance answered 429", venue="binance", retry_after_s=7.5),
            4,
            [
                "error venue-rate-limited: binance answered 429",
                "  → retry after 7.5 s",
                "  exit 4 · docs/errors.md#venue-rate-limited",
            ],
        ),
        (
            SequenceGap("a hole", venue="binance", instrument="BTC-USDT-PERP.BINANCE"),
            4,
            ["error sequence-gap: a hole", "  exit 4 · docs/errors.md#sequence-gap"],
        ),
        (KeyboardInterrupt(), 130, []),
        (SystemExit("words"), 0, []),
        (SystemExit(7), 7, []),
    ],
)
def test_each_end_has_its_words_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: BaseException, code: int, lines: list[str]
) -> None:
    """One clear error on stderr with its mend, nothing on stdout."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(main, "_run_command", fail)
    assert run(["status"]) == code
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", lines)


def test_a_reader_that_went_away_is_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`perpscope status | head` ends quietly, also when Python flushes stdout at its exit."""

    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(main, "_run_command", fail)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(["status"]) == 1
        out.write("goes nowhere")
    assert (tmp_path / "out").read_text() == ""


def test_old_spellings_are_taken_with_a_hint(capsys: Captured) -> None:
    """The liquidation collector's flags. Keeps S1-29, S1-35."""
    assert run(["--status", "--db-path", "none.db"]) == 3
    assert "old spelling; today: perpscope status --db none.db" in capsys.readouterr().err
    assert run(["--analyze", "--trends", "--db-path", "none.db"]) == 3
    assert "old spelling; today: perpscope analyze trends --db none.db" in capsys.readouterr().err


def test_a_list_without_names_is_a_usage_error(capsys: Captured) -> None:
    """`--symbols` at the end of the line."""
    assert run(["collect", "--symbols"]) == 2
    assert "--symbols" in capsys.readouterr().err


def made(path: Path) -> Path:
    """A store somebody has written."""
    store = SqliteStore.open(path, kind=StoreKind.DEMO)
    store.report([], HeartStatus(1, 1, wall_ns(), 1.0, True))
    store.sink().accept(Tick(1))
    store.close()
    return path


def test_status_reads_the_store_it_is_told(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """By flag, setting or default, and it says which and why; JSON is alone on stdout. Keeps S1-21, S1-29, S1-35."""
    path = made(tmp_path / "d.db")
    assert run(["status", "--db", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["database"]["path"] == str(path)
    assert err == f"database {path} (named by command line)\n"
    monkeypatch.setenv("PERPSCOPE_DATABASE__PATH", str(path))
    assert run(["status"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("DEMO DATA")
    assert err == f"database {path} (named by environment)\n"


def test_watching_draws_until_it_is_told_to_stop(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the wait between two drawings is exit 130."""
    naps = iter([None])

    def nap(_: float) -> None:
        if next(naps, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(screen, "time", SimpleNamespace(sleep=nap))
    assert run(["status", "--watch", "--db", str(made(tmp_path / "d.db"))]) == 130
    assert "DEMO DATA" in capsys.readouterr().out


def test_a_replay_is_told_in_words_or_as_json(tmp_path: Path, capsys: Captured) -> None:
    """The same figures; the store is of kind replay. Keeps S4-50."""
    (tmp_path / "tape").write_bytes(b"1790757203000000000 " + QUOTE + b"\n")
    assert run(["replay", "tape", "--json", "--db", "r.db"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["decoded"], report["events"]) == (1, 1, {"quote": 1})
    assert run(["replay", "tape", "--venue", "binance"]) == 0
    assert "event: quote" in capsys.readouterr().out
    with sqlite3.connect("r.db") as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'kind'").fetchall() == [("replay",)]
    connection.close()


@pytest.mark.parametrize("headless", [True, False])
def test_a_collection_without_any_event_exits_4(capsys: Captured, headless: bool) -> None:
    """The venue is named, the status is printed all the same, and the log goes to stderr."""
    words = ["live", "--duration", "0.3", "--symbols", "BTC", *(["--headless", "--json"] if headless else [])]
    assert run(words) == 4
    out, err = capsys.readouterr()
    assert "never reached: binance at " in err
    assert "error no-events" in err
    assert err.startswith("database ")
    if headless:
        assert json.loads(out)["events"]["total"] == 0
    else:
        assert "✕ down" in out


def test_collect_is_live_without_drawing(capsys: Captured) -> None:
    """Nothing but the status at the end, and what a person should know on stderr. Keeps S1-24."""
    assert run(["collect", "--duration", "0.1", "--db", "x.db"]) == 4
    out, err = capsys.readouterr()
    assert "liquidations  total 0" in out
    assert "database x.db (named by command line)" in err


def test_a_demo_can_be_collected_in_this_process(capsys: Captured) -> None:
    """`collect --mock` is `demo --headless`: the generated market, in its own file. Keeps S1-22."""
    assert run(["collect", "--mock", "--duration", "4", "--db", "d.db", "--json", "--symbols", "BTC,ETH"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["data"] == "demo"
    assert "DEMO DATA, never the real store: d.db" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 4)])
def test_a_signal_ends_a_collection_in_good_order(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, number: signal.Signals, code: int
) -> None:
    """Ctrl-C is 130, a polite end is judged by what came; both print the status."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "trying again" in line:
            signal.raise_signal(number)

    monkeypatch.setattr(collecting, "_say", say)
    assert run(["live", "--headless", "--json", "--db", "x.db"]) == code
    assert json.loads(capsys.readouterr().out)["events"]["total"] == 0
    assert any("trying again" in line for line in said)


def test_an_outcome_becomes_an_exit_code(capsys: Captured) -> None:
    """Some events are enough, even where one venue was never reached; what became of the frames is told.

    Keeps S2-21, S2-66.
    """
    counts = FrameCounts()
    counts.decoded, counts.control = 1234, 2
    counts.ignored["coin-m"] = 3
    counts.reject("broken", b"{")
    assert collecting._exit_code(Outcome(5, counts, ("nowhere: no",))) == 0
    frames, memory, *rest = capsys.readouterr().err.splitlines()
    assert frames == "frames: 1,240 total, 1,234 routed, 3 unhandled, 2 control, 1 rejected"
    assert memory.startswith("memory: ")
    assert rest == ["rejected: broken (1 bytes kept)", "never reached: nowhere: no"]
    assert collecting._exit_code(Outcome(0, FrameCounts(), ())) == 4


def test_flags_become_settings() -> None:
    """Lists by commas; what was not given leaves the setting alone. Keeps S1-34, S1-35."""
    loaded = options.settings(db=Path("x.db"), symbols=" BTC, ETH,,", venues="binance", record=Path("r"))
    assert loaded.settings.database.path == "x.db"
    assert loaded.settings.collect.symbols == ("BTC", "ETH")
    assert loaded.settings.collect.venues == ("binance",)
    assert loaded.settings.recording.folder == "r"
    assert set(loaded.origins.values()) == {"command line", "environment"}
    assert options.settings().settings.collect.symbols == ()


@pytest.mark.parametrize(("level", "told"), [("warning", True), ("error", False)])
def test_the_log_goes_to_stderr_at_its_level(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, level: str, told: bool
) -> None:
    """Answers alone belong on stdout. Keeps S4-39."""
    monkeypatch.setenv("PERPSCOPE_LOG__LEVEL", level)
    options.settings()
    structlog.get_logger().warning("connection lost")
    out, err = capsys.readouterr()
    assert out == ""
    assert ("connection lost" in err) is told


def test_commands_are_where_the_program_looks_for_them() -> None:
    """Each command of the help has its function."""
    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    collecting_and_reading = {"demo", "live", "collect", "replay", "status", "config", "symbols"}
    keeping = {"analyze", "report", "import", "cleanup", "backup", "restore", "db", "export", "archive", "backfill"}
    examining = {"coverage", "doctor", "margin"}
    estimating = {"cascade", "heatmap", "map", "sentiment", "study", "tape"}
    serving = {"serve", "keys"}
    telling = {"alerts", "telegram"}
    deciding = {"signals", "backtest", "runs", "risk"}
    trading = {"paper", "trade", "positions", "halt"}
    assert names == collecting_and_reading | keeping | examining | estimating | serving | telling | deciding | trading
    assert callable(reading.status)

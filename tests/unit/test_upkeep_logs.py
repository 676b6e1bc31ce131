"""The log: one event one line, in a file that turns over; nothing forged, nothing secret, never a reason to stop."""

import logging
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from perpscope.app import logs
from perpscope.app.logs import harmless, set_up
from perpscope.errors import ConfigError
from perpscope.settings import Log

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (INFO|WARNING|ERROR) +\S.*")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Other tests find the log as they expect it."""
    before = structlog.get_config()
    yield
    set_up(Log())
    structlog.configure(**before)


def lines(path: Path) -> list[str]:
    """Lines of a log file."""
    return path.read_text("utf-8").splitlines()


def test_without_a_file_only_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """The default writes nothing but stderr, from the level that was set."""
    set_up(Log(level="warning"))
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("connection lost", venue="binance", seconds=1.5, reason=None)
    shown = capsys.readouterr()
    assert "connection lost" in shown.err
    assert "quiet" not in shown.err
    assert shown.out == ""


def test_the_file_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`log.file = "logs/liquidation_collector.log"` makes that file, private, with what stderr has. Keeps S1-67."""
    monkeypatch.chdir(tmp_path)
    set_up(Log(level="info", file="logs/liquidation_collector.log"))
    structlog.get_logger().info("cleaned up", rows=7, why="too old", empty="")
    path = tmp_path / "logs" / "liquidation_collector.log"
    (line,) = lines(path)
    assert LINE.fullmatch(line)
    assert line.endswith('INFO    cleaned up rows=7 why="too old" empty=""')
    assert "cleaned up" in capsys.readouterr().err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_libraries_write_to_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a library says through `logging` is kept too, on one line, and still shown."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path)))
    try:
        raise OSError("gone\nforged")
    except OSError:
        logging.getLogger("asyncio").exception("task failed")
    (line,) = lines(path)
    assert "asyncio: task failed\\n" in line
    assert "gone\\nforged" in line
    assert "task failed" in capsys.readouterr().err


def test_a_traceback_is_one_line_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People read a traceback on stderr, programs find the event on one line."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path)))
    try:
        raise ValueError("bad\x1b[31m value")
    except ValueError:
        structlog.get_logger().exception("frame refused")
    (line,) = lines(path)
    assert "frame refused" in line
    assert "ValueError: bad\\x1b[31m value" in line
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in shown
    assert "\x1b[31m value" not in shown


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\n2026-01-01T00:00:00Z ERROR   forged", "a\\r\\n2026-01-01T00:00:00Z ERROR   forged"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("abc\u202edef\u2028", "abc\\u202edef\\u2028"),
        ("청산 1,234", "청산 1,234"),
        ("https://x/y?symbol=BTC&signature=ab12cd&apiKey=k", "https://x/y?symbol=BTC&signature=***&apiKey=***"),
        ("https://api.telegram.org/bot123:AAE-x_9/getMe", "https://api.telegram.org/bot123:***/getMe"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("{'api_key': 'abc', 'secret': \"d\", 'n': 1}", "{'api_key': '***', 'secret': \"***\", 'n': 1}"),
        ("secret=a, token: b", "secret=***, token: ***"),
    ],
)
def test_nothing_forged_and_nothing_secret(sent: str, kept: str, tmp_path: Path) -> None:
    """Control characters are written out and secrets left out, in text, in values and in nested values."""
    assert harmless(sent) == kept
    path = tmp_path / "a.log"
    set_up(Log(file=str(path)))
    structlog.get_logger().warning(sent, value=sent, nested=[sent])
    (line,) = lines(path)
    assert line.count(kept) >= 2


def test_secrets_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A value whose name says that it is secret is never written, whatever it is."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path)))
    structlog.get_logger().warning("connected", api_key="k1", bot_token=12345, passphrase=b"p1", venue="okx")
    said = capsys.readouterr().err + path.read_text()
    assert "venue=okx" in said
    assert not [part for part in ("k1", "12345", "p1") if part in said]


def test_rotation_by_many_threads(tmp_path: Path) -> None:
    """Whatever is written from how many threads: whole lines, none lost while files are kept, none too long."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path), max_bytes=20_000, keep=500))
    log = structlog.get_logger()

    def write(name: int) -> None:
        for number in range(200):
            log.error("event", thread=name, number=number, padding="x" * 100)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = list(tmp_path.glob("a.log*"))
    written = [line for file in files for line in lines(file)]
    assert len(files) > 3
    assert all(file.stat().st_size <= 20_000 for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(LINE.fullmatch(line) for line in written)
    assert len(set(written)) == len(written) == 800


def test_old_files_go(tmp_path: Path) -> None:
    """No more files are kept than were asked for."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path), max_bytes=1024, keep=2))
    for number in range(100):
        structlog.get_logger().error("event", number=number)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    assert "number=99" in lines(path)[-1]


def test_setting_up_again_replaces(tmp_path: Path) -> None:
    """A command that reads its settings twice does not write each line twice."""
    for name in ("a.log", "b.log", "b.log"):
        set_up(Log(file=str(tmp_path / name)))
    structlog.get_logger().error("once")
    assert lines(tmp_path / "a.log") == []
    assert len(lines(tmp_path / "b.log")) == 1


@pytest.mark.parametrize("name", ["folder", "file/a.log"])
def test_a_place_where_no_file_can_be(name: str, tmp_path: Path) -> None:
    """It is said before anything starts."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        set_up(Log(file=str(tmp_path / name)))
    assert caught.value.code == "log-file"
    assert name in caught.value.message


def test_a_full_disk_costs_lines_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program goes on, and says once that lines are lost."""
    path = tmp_path / "a.log"
    set_up(Log(file=str(path)))
    (handler,) = [found for found in logging.getLogger().handlers if isinstance(found, logs.LogFile)]

    def full(_: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handler.stream, "write", full)
    for _ in range(3):
        structlog.get_logger().error("event")
    monkeypatch.undo()
    structlog.get_logger().error("after")
    assert capsys.readouterr().err.count("lines are lost") == 1
    assert len(lines(path)) == 1


def test_importing_costs_no_handlers() -> None:
    """Nothing is set up until a command says so."""
    program = "import logging, perpscope.app.logs; print(logging.getLogger().handlers)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    import subprocess  # noqa: PLC0415 -- this test alone

    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"

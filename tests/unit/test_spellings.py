"""The liquidation-collector document's old flags are understood, with a hint."""

import pytest
from typer.testing import CliRunner

from perpscope.cli.commands import app
from perpscope.cli.main import run
from perpscope.cli.spellings import modern


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--mock --test-duration 30", "collect --mock --duration 30"),
        ("--collect", "collect"),
        ("--status", "status"),
        ("--status --db-path x.db", "status --db x.db"),
        ("--collect --symbols BTCUSDT ETHUSDT ADAUSDT", "collect --symbols BTCUSDT,ETHUSDT,ADAUSDT"),
        ("--collect --db-path /custom/path/liquidations.db", "collect --db /custom/path/liquidations.db"),
        ("collect --symbols A B --duration 3", "collect --symbols A,B --duration 3"),
        ("--symbols A, B --collect", "collect --symbols A,B"),
        ("--analyze", "analyze"),
        ("--analyze --all", "analyze all"),
        ("--analyze --symbol BTCUSDT --hours 48", "analyze --symbol BTCUSDT --hours 48"),
        ("--analyze --trends --symbol BTCUSDT --hours 24", "analyze trends --symbol BTCUSDT --hours 24"),
        ("--analyze --intensity --symbol ETHUSDT --hours 48", "analyze intensity --symbol ETHUSDT --hours 48"),
        ("--analyze --distribution --symbol BNBUSDT --hours 12", "analyze distribution --symbol BNBUSDT --hours 12"),
        ("--analyze --report --symbol BTCUSDT --hours 24", "analyze report --symbol BTCUSDT --hours 24"),
        ("--trends --symbol BTCUSDT", "analyze trends --symbol BTCUSDT"),
    ],
)
def test_old_flags_become_todays_commands(old: str, new: str) -> None:
    """Keeps S1-22, S1-23, S1-24, S1-25, S1-26, S1-27, S1-28, S1-29, S1-30, S1-31, S1-32, S1-33, S1-34, S1-35."""
    words, hint = modern(old.split())
    assert words == new.split()
    assert hint == (None if old.startswith("collect") else f"perpscope {new}")


@pytest.mark.parametrize("words", ["--version", "status --json", "", "--help", "replay f --db x"])
def test_todays_commands_pass_unchanged(words: str) -> None:
    """Nothing is said where nothing was changed."""
    assert modern(words.split()) == (words.split(), None)


def test_the_stored_help_page_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` is answered from a file to be quick; the file is what the command tree renders."""
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split() == CliRunner().invoke(app, ["--help"], prog_name="perpscope").output.split()
